"""SHA-1; the contract is in sha1.pxd."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    BLOCK = 64                  # bytes
    WORDS = 5                   # of the state


cdef inline uint32_t rotated(uint32_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (32 - bits))


cdef void digest_block(uint32_t* state, const uint8_t* block) noexcept nogil:
    cdef uint32_t schedule[80]
    cdef uint32_t a = state[0]
    cdef uint32_t b = state[1]
    cdef uint32_t c = state[2]
    cdef uint32_t d = state[3]
    cdef uint32_t e = state[4]
    cdef uint32_t mixed, constant, turned
    cdef int i
    for i in range(16):
        schedule[i] = (<uint32_t> block[4 * i] << 24 | <uint32_t> block[4 * i + 1] << 16
                       | <uint32_t> block[4 * i + 2] << 8 | block[4 * i + 3])
    for i in range(16, 80):
        schedule[i] = rotated(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1)
    for i in range(80):
        if i < 20:
            mixed = d ^ (b & (c ^ d))
            constant = <uint32_t> 0x5A827999
        elif i < 40:
            mixed = b ^ c ^ d
            constant = <uint32_t> 0x6ED9EBA1
        elif i < 60:
            mixed = (b & c) | (d & (b | c))
            constant = <uint32_t> 0x8F1BBCDC
        else:
            mixed = b ^ c ^ d
            constant = <uint32_t> 0xCA62C1D6
        turned = rotated(a, 5) + mixed + e + constant + schedule[i]
        e = d
        d = c
        c = rotated(b, 30)
        b = a
        a = turned
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


cdef void sha1_hex(const char* data, size_t length, char* text) noexcept nogil:
    cdef uint32_t state[WORDS]
    cdef uint8_t last[2 * BLOCK]
    cdef const char* digits = b"0123456789abcdef"
    cdef size_t whole = length // BLOCK * BLOCK
    cdef size_t rest = length - whole
    cdef size_t size = BLOCK if rest + 9 <= BLOCK else 2 * BLOCK
    cdef uint64_t bits = <uint64_t> length * 8
    cdef size_t i
    state[0] = <uint32_t> 0x67452301
    state[1] = <uint32_t> 0xEFCDAB89
    state[2] = <uint32_t> 0x98BADCFE
    state[3] = <uint32_t> 0x10325476
    state[4] = <uint32_t> 0xC3D2E1F0
    i = 0
    while i < whole:
        digest_block(state, <const uint8_t*> data + i)
        i += BLOCK
    # The rest, a one bit, zeros, and the length in bits.
    memset(last, 0, sizeof(last))
    if rest:
        memcpy(last, data + whole, rest)
    last[rest] = 0x80
    for i in range(8):
        last[size - 1 - i] = <uint8_t> (bits >> (8 * i))
    digest_block(state, last)
    if size > BLOCK:
        digest_block(state, last + BLOCK)
    for i in range(SHA1_HEX):
        text[i] = digits[(state[i // 8] >> (28 - 4 * (i % 8))) & 15]
