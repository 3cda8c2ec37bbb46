"""The rows of the built-in types; the contract is in value_types.pxd."""
from libc.string cimport memset, strncpy
from redislite._core.base.alloc cimport Heap, heap_footprint
from redislite._core.base.sds cimport sds, sds_block_size, sds_free, sds_length, sds_new
from redislite._core.structures.release cimport Release, release_charge
from redislite._core.text.encodings cimport (
    TYPE_HASH, TYPE_LIST, TYPE_MODULE, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING,
)
from redislite._core.values.hash_value cimport HashValue, hash_copy, hash_length, hash_memory, hash_release_step
from redislite._core.values.list_value cimport ListValue, list_copy, list_length, list_memory, list_release_step
from redislite._core.values.module_value cimport MODULE_NAME_ROOM
from redislite._core.values.set_value cimport SetValue, set_copy, set_length, set_memory, set_release_step
from redislite._core.values.sorted_set_value cimport (
    SortedSetValue, sorted_set_copy, sorted_set_length, sorted_set_memory, sorted_set_release_step,
)
from redislite._core.values.stream cimport Stream, stream_copy, stream_memory, stream_release_step


cdef ValueType[VALUE_TYPES_COUNT] ROWS
memset(ROWS, 0, sizeof(ROWS))
VALUE_TYPES = ROWS


# Strings, and values of modules that nobody knows: an sds

cdef size_t text_memory(const void* value, int encoding, size_t samples) noexcept nogil:
    return heap_footprint(sds_block_size(<sds> value))


cdef size_t text_length(const void* value, int encoding) noexcept nogil:
    return sds_length(<sds> value)


cdef bint text_release_step(Release* step, void* value, int encoding) noexcept nogil:
    release_charge(step, sds_block_size(<sds> value))
    sds_free(step.heap, <sds> value)
    return 0


cdef void* text_copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    return sds_new(heap, <const char*> value, sds_length(<sds> value), sds_length(<sds> value))


# Lists

cdef inline ListValue as_list(const void* value, int encoding) noexcept nogil:
    return ListValue(encoding, <void*> value)


cdef size_t list_type_memory(const void* value, int encoding, size_t samples) noexcept nogil:
    cdef ListValue elements = as_list(value, encoding)
    return list_memory(&elements)


cdef size_t list_type_length(const void* value, int encoding) noexcept nogil:
    cdef ListValue elements = as_list(value, encoding)
    return list_length(&elements)


cdef bint list_type_release_step(Release* step, void* value, int encoding) noexcept nogil:
    cdef ListValue elements = as_list(value, encoding)
    return list_release_step(step, &elements)


cdef void* list_type_copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    cdef ListValue elements = as_list(value, encoding)
    cdef ListValue copy
    return copy.block if list_copy(heap, &elements, &copy) == 0 else NULL


# Sets

cdef inline SetValue as_set(const void* value, int encoding) noexcept nogil:
    return SetValue(encoding, <void*> value)


cdef size_t set_type_memory(const void* value, int encoding, size_t samples) noexcept nogil:
    cdef SetValue members = as_set(value, encoding)
    return set_memory(&members)


cdef size_t set_type_length(const void* value, int encoding) noexcept nogil:
    cdef SetValue members = as_set(value, encoding)
    return set_length(&members)


cdef bint set_type_release_step(Release* step, void* value, int encoding) noexcept nogil:
    cdef SetValue members = as_set(value, encoding)
    return set_release_step(step, &members)


cdef void* set_type_copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    cdef SetValue members = as_set(value, encoding)
    cdef SetValue copy
    return copy.block if set_copy(heap, &members, &copy) == 0 else NULL


# Sorted sets

cdef inline SortedSetValue as_sorted_set(const void* value, int encoding) noexcept nogil:
    cdef SortedSetValue ranked
    ranked.encoding = encoding
    ranked.data = <void*> value
    return ranked


cdef size_t sorted_set_type_memory(const void* value, int encoding, size_t samples) noexcept nogil:
    cdef SortedSetValue ranked = as_sorted_set(value, encoding)
    return sorted_set_memory(&ranked)


cdef size_t sorted_set_type_length(const void* value, int encoding) noexcept nogil:
    cdef SortedSetValue ranked = as_sorted_set(value, encoding)
    return sorted_set_length(&ranked)


cdef bint sorted_set_type_release_step(Release* step, void* value, int encoding) noexcept nogil:
    cdef SortedSetValue ranked = as_sorted_set(value, encoding)
    return sorted_set_release_step(step, &ranked)


cdef void* sorted_set_type_copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    cdef SortedSetValue ranked = as_sorted_set(value, encoding)
    cdef SortedSetValue copy
    return copy.data if sorted_set_copy(heap, &ranked, &copy) == 0 else NULL


# Hashes

cdef inline HashValue as_hash(const void* value, int encoding) noexcept nogil:
    cdef HashValue fields
    fields.encoding = encoding
    fields.pointer = <void*> value
    return fields


cdef size_t hash_type_memory(const void* value, int encoding, size_t samples) noexcept nogil:
    cdef HashValue fields = as_hash(value, encoding)
    return hash_memory(&fields, samples)


cdef size_t hash_type_length(const void* value, int encoding) noexcept nogil:
    cdef HashValue fields = as_hash(value, encoding)
    return hash_length(&fields)


cdef bint hash_type_release_step(Release* step, void* value, int encoding) noexcept nogil:
    cdef HashValue fields = as_hash(value, encoding)
    return hash_release_step(step, &fields)


cdef void* hash_type_copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    cdef HashValue fields = as_hash(value, encoding)
    cdef HashValue copy
    return copy.pointer if hash_copy(heap, &fields, &copy) == 0 else NULL


# Streams

cdef size_t stream_type_memory(const void* value, int encoding, size_t samples) noexcept nogil:
    return stream_memory(<Stream*> value)


cdef size_t stream_type_length(const void* value, int encoding) noexcept nogil:
    return (<const Stream*> value).length


cdef bint stream_type_release_step(Release* step, void* value, int encoding) noexcept nogil:
    return stream_release_step(step, <Stream*> value)


cdef void* stream_type_copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    return stream_copy(heap, <Stream*> value)


cdef void add_row(int type, const char* name, size_t (*memory)(const void*, int, size_t) noexcept nogil,
                  size_t (*length)(const void*, int) noexcept nogil,
                  bint (*release_step)(Release*, void*, int) noexcept nogil,
                  void* (*copy)(Heap*, const void*, int) noexcept nogil) noexcept:
    cdef ValueType* row = &VALUE_TYPES[type]
    strncpy(row.name, name, MODULE_NAME_ROOM - 1)
    row.memory = memory
    row.length = length
    row.release_step = release_step
    row.copy = copy


add_row(TYPE_STRING, b"string", text_memory, text_length, text_release_step, text_copy)
add_row(TYPE_LIST, b"list", list_type_memory, list_type_length, list_type_release_step, list_type_copy)
add_row(TYPE_SET, b"set", set_type_memory, set_type_length, set_type_release_step, set_type_copy)
add_row(TYPE_SORTED_SET, b"zset", sorted_set_type_memory, sorted_set_type_length, sorted_set_type_release_step,
        sorted_set_type_copy)
add_row(TYPE_HASH, b"hash", hash_type_memory, hash_type_length, hash_type_release_step, hash_type_copy)
add_row(TYPE_STREAM, b"stream", stream_type_memory, stream_type_length, stream_type_release_step, stream_type_copy)
# The name is the value's own.
add_row(TYPE_MODULE, b"none", text_memory, text_length, text_release_step, text_copy)
