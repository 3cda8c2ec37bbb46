"""Byte strings that grow: a pointer to the bytes, with the header before them.

    small (capacity <  65,536):  | length: 2 | capacity: 2 | kind: 1 | bytes ... |
    large:                       | length: 8 | capacity: 8 | kind: 1 | bytes ... |
                                                                      ^ the sds

Binary safe; nothing is terminated by a NUL. The block belongs to one heap and is released with its exact size, which
the capacity tells. An sds moves when it grows: always go on with what the call answers.
"""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap

ctypedef char* sds

cdef enum:
    SDS_SMALL = 0
    SDS_LARGE = 1
    SDS_SMALL_HEADER = 5            # bytes
    SDS_LARGE_HEADER = 17
    SDS_SMALL_MAX = 65535           # largest capacity with a small header
    SDS_GROWTH_MAX = 1048576        # spare bytes added by growth at the most


# A new string with room for capacity bytes, of this length (at most capacity). The bytes are data's, or
# uninitialized where data is NULL. NULL where memory is out.
cdef sds sds_new(Heap* heap, const char* data, size_t length, size_t capacity) noexcept nogil
# Releases the string. NULL is accepted.
cdef void sds_free(Heap* heap, sds s) noexcept nogil
# Room for at least this many bytes more, with spare (amortized growth: doubled below 1 MiB, 1 MiB beyond).
# NULL where memory is out; the old string is intact then.
cdef sds sds_reserve(Heap* heap, sds s, size_t more) noexcept nogil
# The string with data behind it. data must not point into s. NULL as above.
cdef sds sds_append(Heap* heap, sds s, const char* data, size_t length) noexcept nogil
# Moves the string to a capacity of exactly this many bytes (at least its length). NULL as above.
cdef sds sds_resize(Heap* heap, sds s, size_t capacity) noexcept nogil


cdef inline size_t sds_length(const char* s) noexcept nogil:
    cdef uint16_t short_length
    cdef uint64_t long_length
    if (s - 1)[0] == SDS_SMALL:
        memcpy(&short_length, s - SDS_SMALL_HEADER, 2)
        return short_length
    memcpy(&long_length, s - SDS_LARGE_HEADER, 8)
    return <size_t> long_length


cdef inline size_t sds_capacity(const char* s) noexcept nogil:
    cdef uint16_t short_capacity
    cdef uint64_t long_capacity
    if (s - 1)[0] == SDS_SMALL:
        memcpy(&short_capacity, s - SDS_SMALL_HEADER + 2, 2)
        return short_capacity
    memcpy(&long_capacity, s - SDS_LARGE_HEADER + 8, 8)
    return <size_t> long_capacity


# Sets the length, at most the capacity; bytes that come into view are whatever stands there.
cdef inline void sds_set_length(sds s, size_t length) noexcept nogil:
    cdef uint16_t short_length
    cdef uint64_t long_length
    if (s - 1)[0] == SDS_SMALL:
        short_length = <uint16_t> length
        memcpy(s - SDS_SMALL_HEADER, &short_length, 2)
    else:
        long_length = length
        memcpy(s - SDS_LARGE_HEADER, &long_length, 8)


# Bytes that the whole block was asked with.
cdef inline size_t sds_block_size(const char* s) noexcept nogil:
    return sds_capacity(s) + (SDS_SMALL_HEADER if (s - 1)[0] == SDS_SMALL else SDS_LARGE_HEADER)
