"""Entries: a key, its time to live and its value in one block; the contract and the layout are in entry.pxd."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.base.sds cimport sds, sds_block_size, sds_free, sds_length, sds_new
from redislite._core.structures.release cimport Release, release_begin, release_charge
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64, parse_int64
from redislite._core.values.hash_value cimport HashValue, hash_copy, hash_memory, hash_release_step
from redislite._core.values.list_value cimport ListValue, list_copy, list_memory, list_release_step
from redislite._core.values.module_value cimport module_id, module_name
from redislite._core.values.set_value cimport SetValue, set_copy, set_memory, set_release_step
from redislite._core.values.sorted_set_value cimport (
    SortedSetValue, sorted_set_copy, sorted_set_memory, sorted_set_release_step,
)
from redislite._core.values.stream cimport Stream, stream_copy, stream_memory, stream_release_step

cdef extern from *:
    """
    static const char *const object_types[] = {"string", "list", "set", "zset", "hash", "stream", "none", "none"};
    static const char *const object_encodings[] = {
        "int", "embstr", "raw", "raw", "listpack", "intset", "quicklist", "hashtable", "skiplist", "stream",
        "unknown", "unknown", "unknown", "unknown", "unknown", "unknown"};
    """
    const char* const* object_types
    const char* const* object_encodings


cdef const char* type_name(int type) noexcept nogil:
    return object_types[type & 7]


cdef const char* entry_type_name(const Entry* entry, char* buffer) noexcept nogil:
    if entry_type(entry) != TYPE_MODULE:
        return type_name(entry_type(entry))
    module_name(module_id(entry_pointer(entry)), buffer)
    return buffer


cdef const char* encoding_name(int encoding) noexcept nogil:
    return object_encodings[encoding & 15]


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


cdef inline SetValue entry_set(const Entry* entry) noexcept nogil:
    cdef SetValue value
    value.encoding = entry_encoding(entry)
    value.block = entry_pointer(entry)
    return value


cdef inline ListValue entry_list(const Entry* entry) noexcept nogil:
    cdef ListValue value
    value.encoding = entry_encoding(entry)
    value.block = entry_pointer(entry)
    return value


cdef inline HashValue entry_hash(const Entry* entry) noexcept nogil:
    cdef HashValue value
    value.encoding = entry_encoding(entry)
    value.pointer = entry_pointer(entry)
    return value


cdef size_t entry_memory(const Entry* entry, size_t samples) noexcept nogil:
    cdef HashValue fields
    cdef size_t total = heap_footprint(entry_block_size(entry))
    cdef int type = entry_type(entry)
    cdef SetValue members
    cdef ListValue elements
    cdef SortedSetValue ranked
    if entry_encoding(entry) == ENCODING_RAW:
        total += heap_footprint(sds_block_size(<sds> entry_pointer(entry)))
    elif type == TYPE_SET:
        members = entry_set(entry)
        total += set_memory(&members)
    elif type == TYPE_HASH:
        fields = entry_hash(entry)
        total += hash_memory(&fields, samples)
    elif type == TYPE_LIST:
        elements = entry_list(entry)
        total += list_memory(&elements)
    elif type == TYPE_SORTED_SET:
        ranked = sorted_set_load(entry)
        total += sorted_set_memory(&ranked)
    elif type == TYPE_STREAM:
        total += stream_memory(<Stream*> entry_pointer(entry))
    return total


cdef bint entry_release_value_step(Release* step, Entry* entry) noexcept nogil:
    cdef int type = entry_type(entry)
    cdef HashValue fields
    cdef SetValue members
    cdef ListValue elements
    cdef SortedSetValue ranked
    if entry_encoding(entry) == ENCODING_RAW:
        release_charge(step, sds_block_size(<sds> entry_pointer(entry)))
        sds_free(step.heap, <sds> entry_pointer(entry))
    elif type == TYPE_SET:
        members = entry_set(entry)
        return set_release_step(step, &members)
    elif type == TYPE_HASH:
        fields = entry_hash(entry)
        return hash_release_step(step, &fields)
    elif type == TYPE_LIST:
        elements = entry_list(entry)
        return list_release_step(step, &elements)
    elif type == TYPE_SORTED_SET:
        ranked = sorted_set_load(entry)
        return sorted_set_release_step(step, &ranked)
    elif type == TYPE_STREAM:
        return stream_release_step(step, <Stream*> entry_pointer(entry))
    return 0


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
    cdef int type = entry_type(entry)
    cdef HashValue fields, fields_copy
    cdef SetValue members, members_copy
    cdef ListValue elements, elements_copy
    cdef SortedSetValue ranked, ranked_copy
    cdef Stream* stream
    cdef sds text
    if type == TYPE_SET:
        members = entry_set(entry)
        if set_copy(heap, &members, &members_copy) != 0:
            return 0
        entry_set_pointer(fresh, members_copy.block)
    elif type == TYPE_HASH:
        fields = entry_hash(entry)
        if hash_copy(heap, &fields, &fields_copy) != 0:
            return 0
        entry_set_pointer(fresh, fields_copy.pointer)
    elif type == TYPE_LIST:
        elements = entry_list(entry)
        if list_copy(heap, &elements, &elements_copy) != 0:
            return 0
        entry_set_pointer(fresh, elements_copy.block)
    elif type == TYPE_SORTED_SET:
        ranked = sorted_set_load(entry)
        if sorted_set_copy(heap, &ranked, &ranked_copy) != 0:
            return 0
        sorted_set_save(fresh, &ranked_copy)
    elif type == TYPE_STREAM:
        stream = stream_copy(heap, <Stream*> entry_pointer(entry))
        if stream == NULL:
            return 0
        entry_set_pointer(fresh, stream)
    elif entry_encoding(entry) == ENCODING_RAW:
        text = <sds> entry_pointer(entry)
        text = sds_new(heap, text, sds_length(text), sds_length(text))
        if text == NULL:
            return 0
        entry_set_pointer(fresh, text)
    else:
        memcpy(entry_value(fresh), entry_value(entry), entry_value_size(entry))
    return 1


cdef Entry* entry_copy(Heap* heap, const Entry* entry, const char* key, size_t key_length, uint32_t access) noexcept nogil:
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
