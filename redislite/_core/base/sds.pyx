"""Byte strings that grow; the contract and the layout are in sds.pxd."""
from libc.stdint cimport SIZE_MAX, uint16_t, uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_free, heap_realloc


cdef inline size_t header_of(size_t capacity) noexcept nogil:
    return SDS_SMALL_HEADER if capacity <= SDS_SMALL_MAX else SDS_LARGE_HEADER


cdef inline sds write_header(char* block, size_t length, size_t capacity) noexcept nogil:
    cdef uint16_t short_field
    cdef uint64_t long_field
    if capacity <= SDS_SMALL_MAX:
        short_field = <uint16_t> length
        memcpy(block, &short_field, 2)
        short_field = <uint16_t> capacity
        memcpy(block + 2, &short_field, 2)
        block[4] = SDS_SMALL
        return block + SDS_SMALL_HEADER
    long_field = length
    memcpy(block, &long_field, 8)
    long_field = capacity
    memcpy(block + 8, &long_field, 8)
    block[16] = SDS_LARGE
    return block + SDS_LARGE_HEADER


cdef sds sds_new(Heap* heap, const char* data, size_t length, size_t capacity) noexcept nogil:
    if capacity > SIZE_MAX - SDS_LARGE_HEADER:
        return NULL
    cdef char* block = <char*> heap_alloc(heap, capacity + header_of(capacity))
    if block == NULL:
        return NULL
    cdef sds s = write_header(block, length, capacity)
    if data != NULL and length:
        memcpy(s, data, length)
    return s


cdef void sds_free(Heap* heap, sds s) noexcept nogil:
    if s != NULL:
        heap_free(heap, s - header_of(sds_capacity(s)), sds_block_size(s))


cdef sds sds_resize(Heap* heap, sds s, size_t capacity) noexcept nogil:
    cdef size_t length = sds_length(s)
    cdef size_t old_header = header_of(sds_capacity(s))
    cdef char* block
    cdef sds moved
    if capacity > SIZE_MAX - SDS_LARGE_HEADER:
        return NULL
    if header_of(capacity) == old_header:
        block = <char*> heap_realloc(heap, s - old_header, sds_block_size(s), capacity + old_header)
        return NULL if block == NULL else write_header(block, length, capacity)
    moved = sds_new(heap, s, length, capacity)
    if moved != NULL:
        sds_free(heap, s)
    return moved


cdef sds sds_reserve(Heap* heap, sds s, size_t more) noexcept nogil:
    cdef size_t length = sds_length(s)
    cdef size_t needed
    if sds_capacity(s) - length >= more:
        return s
    if more > SIZE_MAX - SDS_LARGE_HEADER - SDS_GROWTH_MAX - length:
        return NULL
    needed = length + more
    needed += needed if needed < SDS_GROWTH_MAX else SDS_GROWTH_MAX
    return sds_resize(heap, s, needed)


cdef sds sds_append(Heap* heap, sds s, const char* data, size_t length) noexcept nogil:
    s = sds_reserve(heap, s, length)
    if s != NULL and length:
        memcpy(s + sds_length(s), data, length)
        sds_set_length(s, sds_length(s) + length)
    return s
