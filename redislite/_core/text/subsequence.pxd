"""The longest common subsequence of two strings, by bit-parallel dynamic programming, and the way back through its
table.

The table T that everybody knows (T[i][j]: how long it is for the first i bytes of a and the first j of b) grows along a
row by 0 or 1 at each step. A row is kept as these steps, a bit each, and 64 of them are computed at once. Of all rows
only every so many-th is kept; those between are computed again, a band of them at a time, as the way back reaches them.

    rows of a │ 0 ............ band ............ 2 band ...
              │ kept[0]        kept[1]           kept[2]        bits before each band
              │                └ rows: all of the band that the way back is in

Cost: a.length * b.length / 64 steps, twice where the way back is wanted; memory about sqrt(a.length) * b.length / 4
bytes.
"""
from libc.stdint cimport uint8_t, uint64_t
from redislite._core.base.alloc cimport Heap


cdef struct Subsequence:
    Heap* heap
    const uint8_t* a
    const uint8_t* b
    size_t a_length
    size_t b_length
    size_t words                # of a row
    size_t band                 # rows
    size_t first                # row that the band in rows begins with
    uint64_t* block             # all memory: kept, then state, then rows
    uint64_t* kept              # NULL: no way back
    uint64_t* state             # of one row
    uint64_t* rows
    size_t size                 # bytes of the block
    uint8_t* carries            # of each row of a band, into the next word
    size_t length               # of the subsequence


# Finds how long it is. way_back: subsequence_goes_up is to follow. most: bytes and steps that it may take at the most.
# 0, or -1 where that or memory is not enough; else subsequence_release must follow. The strings must stay where they
# are.
cdef int subsequence_find(Subsequence* s, Heap* heap, const char* a, size_t a_length, const char* b, size_t b_length,
                          bint way_back, size_t most) noexcept nogil
# Whether T[i - 1][j] is more than T[i][j - 1], where bytes i - 1 of a and j - 1 of b differ. i must not grow from call
# to call.
cdef bint subsequence_goes_up(Subsequence* s, size_t i, size_t j) noexcept nogil
cdef void subsequence_release(Subsequence* s) noexcept nogil
