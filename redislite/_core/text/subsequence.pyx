"""Longest common subsequences; the contract is in subsequence.pxd.

A clear bit j of a row means that T grows by one from column j to j + 1. With M the columns in which the row's byte
stands, the next row is (V + (V & M)) | (V & ~M), the carry running through all words. Word by word rather than row by
row, the columns of each byte are a table of 256 words, which stays in the cache.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_free

cdef extern from *:
    int count_ones "__builtin_popcountll"(unsigned long long value) noexcept nogil

cdef enum:
    BYTES = 256
    BAND_LEAST = 64             # rows
    BAND_MOST = 4096
    BAND_WORDS = 1 << 17        # words of a band's rows that are no trouble


cdef void run_band(Subsequence* s, size_t first, size_t count, uint64_t* state, uint64_t* rows) noexcept nogil:
    """Brings the state over count rows from first on; rows: where they are written, or NULL."""
    cdef uint64_t columns[BYTES]
    cdef uint64_t bits, matching, total, sum
    cdef uint8_t carry
    cdef size_t word, i, j, start, end
    memset(columns, 0, sizeof(columns))
    memset(s.carries, 0, count)
    for word in range(s.words):
        start = word * 64
        end = start + 64 if start + 64 < s.b_length else s.b_length
        for j in range(start, end):
            columns[s.b[j]] |= <uint64_t> 1 << (j - start)
        bits = state[word]
        for i in range(count):
            matching = bits & columns[s.a[first + i]]
            total = bits + matching
            carry = total < bits
            sum = total + s.carries[i]
            s.carries[i] = carry | (sum < total)
            bits = sum | (bits ^ matching)
            if rows != NULL:
                rows[i * s.words + word] = bits
        state[word] = bits
        for j in range(start, end):
            columns[s.b[j]] = 0


cdef size_t band_for(const Subsequence* s) noexcept nogil:
    """How many rows a band has: enough that the columns are not laid out too often, and about the root of all where
    rows are long."""
    cdef size_t root = BAND_LEAST
    cdef size_t band = BAND_WORDS // s.words
    while root * root < s.a_length:
        root *= 2
    if band > BAND_MOST:
        band = BAND_MOST
    if band < root:
        band = root
    return band if band < s.a_length else s.a_length


cdef int subsequence_find(Subsequence* s, Heap* heap, const char* a, size_t a_length, const char* b, size_t b_length,
                          bint way_back, size_t most) noexcept nogil:
    cdef size_t bands, band, count
    cdef size_t first = 0
    memset(s, 0, sizeof(Subsequence))
    s.heap = heap
    s.a = <const uint8_t*> a
    s.b = <const uint8_t*> b
    s.a_length = a_length
    s.b_length = b_length
    if a_length == 0 or b_length == 0:
        return 0
    s.words = (b_length + 63) // 64
    s.band = band_for(s)
    bands = (a_length + s.band - 1) // s.band
    if s.words > most // a_length:
        return -1
    # Neither product can be more than a_length * words and a row, which is no more than most and a row.
    s.size = (((bands + s.band) if way_back else 0) + 1) * s.words * sizeof(uint64_t) + s.band
    if s.size > most:
        return -1
    s.block = <uint64_t*> heap_alloc(heap, s.size)
    if s.block == NULL:
        return -1
    s.state = s.block
    if way_back:
        s.kept = s.state + s.words
        s.rows = s.kept + bands * s.words
    s.carries = <uint8_t*> s.block + s.size - s.band
    memset(s.state, 0xff, s.words * sizeof(uint64_t))
    for band in range(bands):
        if way_back:
            memcpy(s.kept + band * s.words, s.state, s.words * sizeof(uint64_t))
        first = band * s.band
        count = s.band if a_length - first > s.band else a_length - first
        run_band(s, first, count, s.state, s.rows if band == bands - 1 else NULL)
    s.first = first
    # Bits past the last column are never cleared: nothing matches there, and a carry leaves them set.
    for band in range(s.words):
        s.length += 64 - count_ones(s.state[band])
    return 0


cdef bint subsequence_goes_up(Subsequence* s, size_t i, size_t j) noexcept nogil:
    if i - 1 < s.first:
        s.first = (i - 1) // s.band * s.band
        memcpy(s.state, s.kept + (s.first // s.band) * s.words, s.words * sizeof(uint64_t))
        run_band(s, s.first, s.band, s.state, s.rows)
    return not (s.rows[(i - 1 - s.first) * s.words + (j - 1) // 64] >> ((j - 1) % 64)) & 1


cdef void subsequence_release(Subsequence* s) noexcept nogil:
    heap_free(s.heap, s.block, s.size)
