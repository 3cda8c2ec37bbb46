"""Intset: a sorted array of integers, all of the width that the widest needed. The original's binary format.

    | bytes per integer: 4 LE (2, 4 or 8) | integers: 4 LE | integer LE | ... |

The block is asked for with growth_size(bytes): release one with intset_free only, make one of foreign bytes (validated
ones) with intset_copy. A function that changes an intset may move it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from redislite._core.base.alloc cimport Heap

ctypedef uint8_t* intset

cdef enum:
    INTSET_HEADER = 8               # bytes


# An empty one, or NULL.
cdef intset intset_new(Heap* heap) noexcept nogil
# Releases it. NULL is accepted.
cdef void intset_free(Heap* heap, intset ints) noexcept nogil
# A copy, or NULL.
cdef intset intset_copy(Heap* heap, const uint8_t* ints) noexcept nogil
# Bytes of memory it takes.
cdef size_t intset_memory(const uint8_t* ints) noexcept nogil
# Whether the integer is in it; *index is where it stands, or would stand.
cdef bint intset_search(const uint8_t* ints, int64_t value, uint32_t* index) noexcept nogil
cdef bint intset_find(const uint8_t* ints, int64_t value) noexcept nogil
# The same, at once where it stands close behind *near: 0, or what the last call for this intset made of it.
cdef bint intset_find_near(const uint8_t* ints, int64_t value, uint32_t* near) noexcept nogil
# Adds an integer, *added says whether it was new. NULL where memory is out (the old one is intact then).
cdef intset intset_add(Heap* heap, intset ints, int64_t value, bint* added) noexcept nogil
# Takes an integer out, *removed says whether it was there. NULL as above.
cdef intset intset_remove(Heap* heap, intset ints, int64_t value, bint* removed) noexcept nogil
# Takes count integers from an index on out. NULL as above.
cdef intset intset_remove_range(Heap* heap, intset ints, uint32_t index, uint32_t count) noexcept nogil
# The integer at an index below the length: 0 is the least, length - 1 the greatest.
cdef int64_t intset_get(const uint8_t* ints, uint32_t index) noexcept nogil
# Whether size bytes are a well-formed intset; deep also looks at the order. Never reads beyond them.
cdef bint intset_validate(const uint8_t* ints, size_t size, bint deep) noexcept nogil


cdef inline uint32_t intset_width(const uint8_t* ints) noexcept nogil:
    return ints[0]


cdef inline uint32_t intset_length(const uint8_t* ints) noexcept nogil:
    return (<uint32_t> ints[4] | <uint32_t> ints[5] << 8 | <uint32_t> ints[6] << 16 | <uint32_t> ints[7] << 24)


# The whole intset's bytes, header included.
cdef inline size_t intset_bytes(const uint8_t* ints) noexcept nogil:
    return INTSET_HEADER + <size_t> intset_width(ints) * intset_length(ints)
