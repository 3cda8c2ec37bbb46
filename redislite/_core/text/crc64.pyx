"""CRC-64; the contract is in crc64.pxd.

Folding: a register of 16 bytes stands for a polynomial; moving it 64 bytes further on is multiplying its halves by
x^(512+64) and x^512 modulo the polynomial. Four registers run side by side; what is left in them at the end is summed
from the tables as if it were data. All powers are computed at import.
"""
from libc.stdint cimport uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static uint64_t crc64_tables[8][256];
    static uint64_t crc64_fold_low, crc64_fold_high;

    static inline uint64_t crc64_word(const unsigned char *data) {
        uint64_t word;
        memcpy(&word, data, 8);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }

    static uint64_t crc64_sliced(uint64_t crc, const unsigned char *data, size_t length) {
        for (; length >= 8; data += 8, length -= 8) {
            crc ^= crc64_word(data);
            crc = crc64_tables[7][crc & 255] ^ crc64_tables[6][crc >> 8 & 255] ^ crc64_tables[5][crc >> 16 & 255]
                ^ crc64_tables[4][crc >> 24 & 255] ^ crc64_tables[3][crc >> 32 & 255] ^ crc64_tables[2][crc >> 40 & 255]
                ^ crc64_tables[1][crc >> 48 & 255] ^ crc64_tables[0][crc >> 56];
        }
        for (; length; data++, length--)
            crc = crc64_tables[0][(crc ^ *data) & 255] ^ crc >> 8;
        return crc;
    }

    #if defined(__x86_64__) && defined(__GNUC__)
    #define CRC64_CAN_FOLD __builtin_cpu_supports("pclmul")
    #include <wmmintrin.h>
    __attribute__((target("pclmul,sse2")))
    static uint64_t crc64_folded(uint64_t crc, const unsigned char *data, size_t length) {
        const __m128i powers = _mm_set_epi64x((long long) crc64_fold_high, (long long) crc64_fold_low);
        unsigned char rest[64];
        __m128i lanes[4];
        for (int i = 0; i < 4; i++)
            lanes[i] = _mm_loadu_si128((const __m128i *) data + i);
        lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128((long long) crc));
        for (data += 64, length -= 64; length >= 64; data += 64, length -= 64)
            for (int i = 0; i < 4; i++)
                lanes[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i *) data + i), _mm_xor_si128(
                    _mm_clmulepi64_si128(lanes[i], powers, 0x00), _mm_clmulepi64_si128(lanes[i], powers, 0x11)));
        for (int i = 0; i < 4; i++)
            _mm_storeu_si128((__m128i *) rest + i, lanes[i]);
        return crc64_sliced(crc64_sliced(0, rest, 64), data, length);
    }
    #else
    #define CRC64_CAN_FOLD 0
    #define crc64_folded crc64_sliced
    #endif
    """
    uint64_t (*crc64_tables)[256]
    uint64_t crc64_fold_low
    uint64_t crc64_fold_high
    bint CRC64_CAN_FOLD
    uint64_t crc64_sliced(uint64_t crc, const uint8_t* data, size_t length) noexcept nogil
    uint64_t crc64_folded(uint64_t crc, const uint8_t* data, size_t length) noexcept nogil

cdef enum:
    FOLD_MIN = 256                  # bytes from which folding pays

# 0xad93d23594c935a9 with its bits reversed.
cdef uint64_t POLYNOMIAL = <uint64_t> 0x95ac9329ac4bc9b5
cdef bint can_fold = 0


cdef uint64_t times_x(uint64_t value) noexcept nogil:
    """The polynomial (lowest power in the highest bit) multiplied by x."""
    return value >> 1 ^ (POLYNOMIAL if value & 1 else <uint64_t> 0)


cdef uint64_t power_of_x(int exponent) noexcept nogil:
    cdef uint64_t value = <uint64_t> 1 << 63
    cdef int i
    for i in range(exponent):
        value = times_x(value)
    return value


cdef void prepare() noexcept nogil:
    cdef int byte, table, bit
    cdef uint64_t value
    global can_fold
    for byte in range(256):
        value = <uint64_t> byte
        for bit in range(8):
            value = times_x(value)
        crc64_tables[0][byte] = value
    for table in range(1, 8):
        for byte in range(256):
            value = crc64_tables[table - 1][byte]
            crc64_tables[table][byte] = crc64_tables[0][value & 255] ^ value >> 8
    # A product of reflected words comes out one place too far: hence one power less.
    (&crc64_fold_low)[0] = power_of_x(512 + 64 - 1)
    (&crc64_fold_high)[0] = power_of_x(512 - 1)
    can_fold = CRC64_CAN_FOLD


cdef uint64_t crc64_update(uint64_t crc, const void* data, size_t length) noexcept nogil:
    if can_fold and length >= FOLD_MIN:
        return crc64_folded(crc, <const uint8_t*> data, length)
    return crc64_sliced(crc, <const uint8_t*> data, length)


cdef uint64_t crc64_update_portable(uint64_t crc, const void* data, size_t length) noexcept nogil:
    return crc64_sliced(crc, <const uint8_t*> data, length)


prepare()
