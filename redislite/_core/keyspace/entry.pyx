"""Entries: a key, its time to live and its value in one block; the contract and the layout are in entry.pxd."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.base.sds cimport sds, sds_length
from redislite._core.structures.release cimport Release, release_begin
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64, parse_int64
from redislite._core.values.hash_value cimport HashValue, hash_is_for_deadlines
from redislite._core.values.module_value cimport module_id, module_name
from redislite._core.values.value_type cimport ValueType, extension_type
from redislite._core.values.value_types cimport VALUE_TYPES, value_type_of
from redislite._core.text.encodings cimport ENCODING_EXTENSION

cdef extern from *:
    """
    static const char *const object_encodings[] = {
        "int", "embstr", "raw", "raw", "listpack", "intset", "quicklist", "hashtable", "skiplist", "stream",
        "raw", "unknown", "unknown", "unknown", "unknown", "unknown"};
    """
    const char* const* object_encodings


cdef const char* type_name(int type) noexcept nogil:
    return VALUE_TYPES[type].name


cdef const char* entry_type_name(const Entry* entry, char* buffer) noexcept nogil:
    if entry_type(entry) != TYPE_MODULE:
        return type_name(entry_type(entry))
    if entry_encoding(entry) == ENCODING_EXTENSION:
        return extension_type(entry_pointer(entry)).name
    module_name(module_id(entry_pointer(entry)), buffer)
    return buffer


cdef const char* entry_encoding_name(const Entry* entry, bint timed_listpack) noexcept nogil:
    cdef HashValue hash
    if timed_listpack and entry_type(entry) == TYPE_HASH:
        hash.pointer = entry_pointer(entry)
        hash.encoding = entry_encoding(entry)
        if hash_is_for_deadlines(&hash):
            return b"listpackex"
    return object_encodings[entry_encoding(entry) & 15]


cdef int string_encoding(const char* data, size_t length, int64_t* number) noexcept nogil:
    if length <= INTEGER_TEXT_MAX and parse_int64(data, length, number):
        return ENCODING_INT
    if length <= EMBSTR_MAX:
        return ENCODING_EMBSTR
    return ENCODING_RAW_INLINE if length <= INLINE_MAX else ENCODING_RAW


cdef Entry* entry_new(Heap* heap, const char* key, size_t key_length, int64_t deadline_ms, int type, int encoding,
                      uint32_t access, size_t value_size) noexcept nogil:
    cdef bint expires = deadline_ms != NO_EXPIRE
    cdef char* place
    cdef Entry* entry = <Entry*> heap_alloc(heap, entry_size(key_length, expires, value_size))
    if entry == NULL:
        return NULL
    (<uint32_t*> entry)[0] = type | expires << 3 | encoding << 4 | access << 8
    place = prefixed_write(<char*> entry + KEY_OFFSET, key, key_length)
    if expires:
        memcpy(place, &deadline_ms, 8)
    return entry


cdef size_t entry_value_size(const Entry* entry) noexcept nogil:
    cdef size_t length
    cdef int encoding = entry_encoding(entry)
    if encoding == ENCODING_EMBSTR or encoding == ENCODING_RAW_INLINE:
        prefixed_read(entry_value(entry), &length)
        return prefixed_size(length)
    return 8


cdef size_t entry_block_size(const Entry* entry) noexcept nogil:
    cdef size_t key_length
    entry_key(entry, &key_length)
    return entry_size(key_length, entry_expires(entry), entry_value_size(entry))


cdef inline bint stands_outside(int encoding) noexcept nogil:
    """Whether a value of this encoding is behind a pointer."""
    return encoding >= ENCODING_RAW


cdef inline const ValueType* entry_value_type(const Entry* entry) noexcept nogil:
    """The type of a value that stands outside."""
    return value_type_of(entry_type(entry), entry_encoding(entry), entry_pointer(entry))


cdef size_t entry_memory(const Entry* entry, size_t samples) noexcept nogil:
    cdef int encoding = entry_encoding(entry)
    cdef size_t total = heap_footprint(entry_block_size(entry))
    if stands_outside(encoding):
        total += entry_value_type(entry).memory(entry_pointer(entry), encoding, samples)
    return total


cdef size_t entry_elements(const Entry* entry) noexcept nogil:
    cdef int encoding = entry_encoding(entry)
    cdef char text[INTEGER_TEXT_MAX]
    cdef size_t length
    if stands_outside(encoding):
        return entry_value_type(entry).length(entry_pointer(entry), encoding)
    entry_string(entry, text, &length)
    return length


cdef bint entry_release_value_step(Release* step, Entry* entry) noexcept nogil:
    cdef int encoding = entry_encoding(entry)
    if not stands_outside(encoding):
        return 0
    return entry_value_type(entry).release_step(step, entry_pointer(entry), encoding)


cdef bint entry_release_step(Release* step, Entry* entry) noexcept nogil:
    if entry_release_value_step(step, entry):
        return 1
    heap_free(step.heap, entry, entry_block_size(entry))
    return 0


cdef void entry_free(Heap* heap, Entry* entry) noexcept nogil:
    cdef Release step
    release_begin(&step, heap, ~<size_t> 0)
    entry_release_step(&step, entry)


cdef bint copy_value(Heap* heap, const Entry* entry, Entry* fresh) noexcept nogil:
    """Gives fresh, which has everything but the value, a copy of it. 0 where memory is out."""
    cdef int encoding = entry_encoding(entry)
    cdef void* value
    if not stands_outside(encoding):
        memcpy(entry_value(fresh), entry_value(entry), entry_value_size(entry))
        return 1
    value = entry_value_type(entry).copy(heap, entry_pointer(entry), encoding)
    entry_set_pointer(fresh, value)
    return value != NULL


cdef Entry* entry_copy(Heap* heap, const Entry* entry, const char* key, size_t key_length,
                       uint32_t access) noexcept nogil:
    cdef size_t value_size = entry_value_size(entry)
    cdef Entry* fresh = entry_new(heap, key, key_length, entry_deadline(entry), entry_type(entry),
                                  entry_encoding(entry), access, value_size)
    if fresh == NULL:
        return NULL
    if not copy_value(heap, entry, fresh):
        heap_free(heap, fresh, entry_size(key_length, entry_expires(entry), value_size))
        return NULL
    return fresh


cdef char* entry_string(const Entry* entry, char* buffer, size_t* length) noexcept nogil:
    cdef int encoding = entry_encoding(entry)
    cdef sds value
    if encoding == ENCODING_INT:
        length[0] = format_int64(buffer, entry_integer(entry))
        return buffer
    if encoding == ENCODING_RAW:
        value = <sds> entry_pointer(entry)
        length[0] = sds_length(value)
        return value
    return prefixed_read(entry_value(entry), length)
