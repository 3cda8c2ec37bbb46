"""Records found by name: a C struct of their owner's with a prefixed name behind it, in a Dict.

    | the owner's struct: Dict.key_offset bytes | prefixed name (prefixed.pxd) |

The Dict must have been prepared with sizeof(the struct) as its key_offset; records come from its heap.
"""
from libc.stdint cimport uint64_t
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.structures.dict cimport Dict, dict_find


# A record's name.
cdef inline char* record_name(const Dict* d, const void* record, size_t* length) noexcept nogil:
    return prefixed_read(<const char*> record + d.key_offset, length)


# The record of this name, or NULL. hash: dict_hash of the name.
cdef inline void* record_find(Dict* d, const char* name, size_t length, uint64_t hash) noexcept nogil:
    cdef void** slot = dict_find(d, name, length, hash)
    return slot[0] if slot != NULL else NULL


# Adds a record under a name that has none; its struct is zeroed. NULL where memory is out.
cdef void* record_add(Dict* d, const char* name, size_t length, uint64_t hash) noexcept nogil
# Takes the record out of the dict and releases it.
cdef void record_remove(Dict* d, void* record) noexcept nogil
# Takes it out; it is the caller's then, who ends it with record_free.
cdef void record_take(Dict* d, void* record) noexcept nogil
# Releases a record that is in no dict any more; d: the one that it was in.
cdef void record_free(Dict* d, void* record) noexcept nogil
# Releases all records and the dict's tables.
cdef void records_release(Dict* d) noexcept nogil
