"""SipHash-1-3, the keyed hash of keys, and words of bytes read in place."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define REDISLITE_LITTLE_64(word) __builtin_bswap64(word)
    #define REDISLITE_LITTLE_32(word) __builtin_bswap32(word)
    #else
    #define REDISLITE_LITTLE_64(word) (word)
    #define REDISLITE_LITTLE_32(word) (word)
    #endif
    """
    # Words as they stand in memory from or to words whose first byte is the lowest.
    uint64_t little_64 "REDISLITE_LITTLE_64"(uint64_t word) noexcept nogil
    uint32_t little_32 "REDISLITE_LITTLE_32"(uint32_t word) noexcept nogil


cdef struct SipState:
    uint64_t a
    uint64_t b
    uint64_t c
    uint64_t d


cdef inline uint64_t rotate(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline void sip_round(SipState* s) noexcept nogil:
    s.a += s.b
    s.c += s.d
    s.b = rotate(s.b, 13) ^ s.a
    s.d = rotate(s.d, 16) ^ s.c
    s.a = rotate(s.a, 32)
    s.c += s.b
    s.a += s.d
    s.b = rotate(s.b, 17) ^ s.c
    s.d = rotate(s.d, 21) ^ s.a
    s.c = rotate(s.c, 32)


# Eight bytes at any address, the first as the lowest.
cdef inline uint64_t load_64(const char* place) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, place, 8)
    return little_64(word)


# Four bytes likewise.
cdef inline uint64_t load_32(const char* place) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, place, 4)
    return little_32(word)


cdef inline uint64_t load_tail(const char* key, size_t length) noexcept nogil:
    """The last length % 8 bytes as a little-endian number, read with at most three loads inside the key."""
    cdef size_t left = length & 7
    cdef const uint8_t* last
    if left == 0:
        return 0
    if length >= 8:
        return load_64(key + length - 8) >> (64 - 8 * left)
    if left >= 4:
        return load_32(key) | (load_32(key + left - 4) << (8 * (left - 4)))
    last = <const uint8_t*> key
    return (<uint64_t> last[0] | (<uint64_t> last[left >> 1] << (8 * (left >> 1)))
            | (<uint64_t> last[left - 1] << (8 * (left - 1))))


# The hash of these bytes; seed: two words.
cdef inline uint64_t siphash_1_3(const uint64_t* seed, const char* key, size_t length) noexcept nogil:
    cdef SipState s
    cdef uint64_t word
    cdef const char* end = key + (length & ~<size_t> 7)
    s.a = seed[0] ^ <uint64_t> 0x736f6d6570736575
    s.b = seed[1] ^ <uint64_t> 0x646f72616e646f6d
    s.c = seed[0] ^ <uint64_t> 0x6c7967656e657261
    s.d = seed[1] ^ <uint64_t> 0x7465646279746573
    word = load_tail(key, length) | (<uint64_t> length << 56)
    while key != end:
        s.d ^= load_64(key)
        sip_round(&s)
        s.a ^= load_64(key)
        key += 8
    s.d ^= word
    sip_round(&s)
    s.a ^= word
    s.c ^= 0xff
    sip_round(&s)
    sip_round(&s)
    sip_round(&s)
    return s.a ^ s.b ^ s.c ^ s.d
