"""Records found by name; the contract is in records.pxd."""
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.base.prefixed cimport prefixed_size, prefixed_write
from redislite._core.structures.dict cimport (
    Dict, DictIterator, dict_hash, dict_insert, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_release,
    dict_remove,
)


cdef void* record_add(Dict* d, const char* name, size_t length, uint64_t hash) noexcept nogil:
    cdef char* record = <char*> heap_zalloc(d.heap, d.key_offset + prefixed_size(length))
    if record == NULL:
        return NULL
    prefixed_write(record + d.key_offset, name, length)
    if dict_insert(d, record, hash) != 0:
        record_free(d, record)
        return NULL
    return record


cdef void record_take(Dict* d, void* record) noexcept nogil:
    cdef size_t length
    cdef const char* name = record_name(d, record, &length)
    dict_remove(d, name, length, dict_hash(d, name, length))


cdef void record_free(Dict* d, void* record) noexcept nogil:
    cdef size_t length
    record_name(d, record, &length)
    heap_free(d.heap, record, d.key_offset + prefixed_size(length))


cdef void record_remove(Dict* d, void* record) noexcept nogil:
    record_take(d, record)
    record_free(d, record)


cdef void records_release(Dict* d) noexcept nogil:
    cdef DictIterator position
    cdef void* record
    dict_iterate_begin(&position, d)
    record = dict_iterate_next(&position)
    while record != NULL:
        record_free(d, record)
        record = dict_iterate_next(&position)
    dict_iterate_end(&position)
    dict_release(d)
