"""HyperLogLog: estimates of how many distinct elements were seen, in strings of the original's format, and their rows.

    | "HYLL" | encoding: 1 | unused: 3 | cardinality: 8, little endian; its top bit: not known | registers ... |

- Dense (0): 16384 registers of 6 bits, lowest bits first: 12304 bytes in all.
- Sparse (1): runs of registers, as
      00xxxxxx            x + 1 registers of zero
      01xxxxxx yyyyyyyy   xy + 1 registers of zero
      1vvvvvxx            x + 1 registers of value v + 1
  Larger values, or more bytes than hll-sparse-max-bytes, make it dense.

An element's hash chooses the register by its low 14 bits; the register keeps the largest number of trailing zeros,
plus one, seen in the rest. Sparse strings come out byte by byte as the original's, since they travel in dumps. Whatever
bytes a client has put into such a string, reading stays within it.
"""
from libc.math cimport fabs, sqrt
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memmove, memset
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.base.sds cimport sds, sds_free, sds_new
from redislite._core.commands.arguments cimport argument_is, reply_out_of_memory, reply_wrong_type
from redislite._core.keyspace.entry cimport (
    ENCODING_EMBSTR, ENCODING_INT, ENCODING_RAW_INLINE, NO_EXPIRE, TYPE_STRING, Entry, entry_deadline, entry_encoding,
    entry_set_encoding, entry_string, entry_type,
)
from redislite._core.keyspace.keyspace cimport (
    argument_hash, key_changed, lookup_read, lookup_write, notify_argument, store_raw, store_string,
)
from redislite._core.protocol.reply cimport reply_array, reply_bulk, reply_error, reply_integer, reply_ok, reply_simple
from redislite._core.state.core cimport Argument, Client, Core, random_next
from redislite._core.state.flags cimport NOTIFY_STRING
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX

from redislite._core.commands.row import native

cdef extern from *:
    """
    #include <math.h>
    #include <stdint.h>
    #include <string.h>

    enum { SKETCH_REGISTERS = 16384, SKETCH_GROUP = 12, SKETCH_GROUPS = SKETCH_REGISTERS / 16 };

    /* MurmurHash64A (Austin Appleby, public domain); its outcome is part of the format, whatever the machine. */
    static inline uint64_t sketch_little(const uint8_t *data, size_t length) {
        uint64_t value = 0;
        memcpy(&value, data, length);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        value = __builtin_bswap64(value);
    #endif
        return value;
    }

    static uint64_t sketch_hash(const uint8_t *data, size_t length) {
        const uint64_t factor = UINT64_C(0xc6a4a7935bd1e995);
        uint64_t hash = UINT64_C(0xadc83b19) ^ (length * factor), word;
        for (; length >= 8; data += 8, length -= 8) {
            word = sketch_little(data, 8) * factor;
            hash = (hash ^ ((word ^ (word >> 47)) * factor)) * factor;
        }
        if (length)
            hash = (hash ^ sketch_little(data, length)) * factor;
        hash = (hash ^ (hash >> 47)) * factor;
        return hash ^ (hash >> 47);
    }

    /* Between dense registers and one byte a register. Four registers are 24 bits; the vectors put them into a lane of
       32 by a constant shuffle, and spread them by shifts. 16 registers are a group of 12 bytes. */
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <immintrin.h>
    #define SKETCH_HAS_VECTORS __builtin_cpu_supports("avx2")
    #elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define SKETCH_HAS_VECTORS 1
    #else
    #define SKETCH_HAS_VECTORS 0
    #endif

    static void sketch_merge_plain(uint8_t *most, const uint8_t *dense, int groups) {
        int i, j;
        for (i = 0; i < groups * 4; i++, most += 4, dense += 3) {
            uint32_t four = dense[0] | dense[1] << 8 | dense[2] << 16;
            for (j = 0; j < 4; j++, four >>= 6)
                if ((four & 63) > most[j])
                    most[j] = four & 63;
        }
    }

    static void sketch_pack_plain(uint8_t *dense, const uint8_t *registers, int groups) {
        int i;
        for (i = 0; i < groups * 4; i++, registers += 4, dense += 3) {
            uint32_t four = registers[0] | registers[1] << 6 | registers[2] << 12 | (uint32_t) registers[3] << 18;
            dense[0] = (uint8_t) four;
            dense[1] = (uint8_t) (four >> 8);
            dense[2] = (uint8_t) (four >> 16);
        }
    }

    /* Both read or write four bytes beyond their groups: the last pair of groups is not for them. */
    #if defined(__x86_64__) && defined(__GNUC__)
    __attribute__((target("avx2")))
    static void sketch_merge_vectors(uint8_t *most, const uint8_t *dense, int groups) {
        const __m256i order = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
                                               0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
        for (; groups; groups -= 2, most += 32, dense += 2 * SKETCH_GROUP) {
            __m256i four = _mm256_shuffle_epi8(
                _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *) dense)),
                                        _mm_loadu_si128((const __m128i *) (dense + SKETCH_GROUP)), 1), order);
            __m256i low = _mm256_or_si256(
                _mm256_and_si256(four, _mm256_set1_epi32(0x3f)),
                _mm256_and_si256(_mm256_slli_epi32(four, 2), _mm256_set1_epi32(0x3f00)));
            __m256i high = _mm256_or_si256(
                _mm256_and_si256(_mm256_slli_epi32(four, 4), _mm256_set1_epi32(0x3f0000)),
                _mm256_and_si256(_mm256_slli_epi32(four, 6), _mm256_set1_epi32(0x3f000000)));
            _mm256_storeu_si256((__m256i *) most, _mm256_max_epu8(_mm256_or_si256(low, high),
                                                                  _mm256_loadu_si256((const __m256i *) most)));
        }
    }

    __attribute__((target("avx2")))
    static void sketch_pack_vectors(uint8_t *dense, const uint8_t *registers, int groups) {
        const __m256i order = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
                                               0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
        for (; groups; groups -= 2, registers += 32, dense += 2 * SKETCH_GROUP) {
            __m256i four = _mm256_loadu_si256((const __m256i *) registers);
            __m256i low = _mm256_or_si256(
                _mm256_and_si256(four, _mm256_set1_epi32(0x3f)),
                _mm256_and_si256(_mm256_srli_epi32(four, 2), _mm256_set1_epi32(0xfc0)));
            __m256i high = _mm256_or_si256(
                _mm256_and_si256(_mm256_srli_epi32(four, 4), _mm256_set1_epi32(0x3f000)),
                _mm256_and_si256(_mm256_srli_epi32(four, 6), _mm256_set1_epi32(0xfc0000)));
            four = _mm256_shuffle_epi8(_mm256_or_si256(low, high), order);
            _mm_storeu_si128((__m128i *) dense, _mm256_castsi256_si128(four));
            _mm_storeu_si128((__m128i *) (dense + SKETCH_GROUP), _mm256_extracti128_si256(four, 1));
        }
    }
    #elif SKETCH_HAS_VECTORS
    typedef uint8_t __attribute__((vector_size(16))) sketch_bytes;
    typedef int8_t __attribute__((vector_size(16))) sketch_signed;
    typedef uint32_t __attribute__((vector_size(16))) sketch_lanes;
    #if defined(__clang__) || __GNUC__ >= 12
    #define SKETCH_SHUFFLE(vector, ...) __builtin_shufflevector(vector, vector, __VA_ARGS__)
    #else
    #define SKETCH_SHUFFLE(vector, ...) __builtin_shuffle(vector, (sketch_bytes) {__VA_ARGS__})
    #endif

    static void sketch_merge_vectors(uint8_t *most, const uint8_t *dense, int groups) {
        sketch_bytes bytes;
        sketch_lanes four;
        sketch_signed old, fresh;
        for (; groups; groups--, most += 16, dense += SKETCH_GROUP) {
            memcpy(&bytes, dense, 16);
            memcpy(&old, most, 16);
            four = (sketch_lanes) SKETCH_SHUFFLE(bytes, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
            four = (four & 0x3f) | ((four << 2) & 0x3f00) | ((four << 4) & 0x3f0000) | ((four << 6) & 0x3f000000);
            fresh = (sketch_signed) four;
            old ^= (fresh ^ old) & (fresh > old);
            memcpy(most, &old, 16);
        }
    }

    static void sketch_pack_vectors(uint8_t *dense, const uint8_t *registers, int groups) {
        sketch_bytes bytes;
        sketch_lanes four;
        for (; groups; groups--, registers += 16, dense += SKETCH_GROUP) {
            memcpy(&four, registers, 16);
            four = (four & 0x3f) | ((four >> 2) & 0xfc0) | ((four >> 4) & 0x3f000) | ((four >> 6) & 0xfc0000);
            bytes = (sketch_bytes) four;
            bytes = SKETCH_SHUFFLE(bytes, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
            memcpy(dense, &bytes, 16);
        }
    }
    #else
    #define sketch_merge_vectors sketch_merge_plain
    #define sketch_pack_vectors sketch_pack_plain
    #endif

    static void sketch_merge_dense(uint8_t *most, const uint8_t *dense, int vectors) {
        int done = vectors && SKETCH_HAS_VECTORS ? SKETCH_GROUPS - 2 : 0;
        if (done)
            sketch_merge_vectors(most, dense, done);
        sketch_merge_plain(most + done * 16, dense + done * SKETCH_GROUP, SKETCH_GROUPS - done);
    }

    static void sketch_pack(uint8_t *dense, const uint8_t *registers, int vectors) {
        int done = vectors && SKETCH_HAS_VECTORS ? SKETCH_GROUPS - 2 : 0;
        if (done)
            sketch_pack_vectors(dense, registers, done);
        sketch_pack_plain(dense + done * SKETCH_GROUP, registers + done * 16, SKETCH_GROUPS - done);
    }

    /* Goes over the runs of a sparse one that end before a register, eight bytes at a time, as far as that goes. *first
       is the first register of the run at the place that is given, and answered; *previous the run before that. */
    static uint8_t *sketch_skip(uint8_t *at, uint8_t *end, int index, int *first, uint8_t **previous) {
        const uint64_t ones = UINT64_C(0x0101010101010101), halves = UINT64_C(0x00ff00ff00ff00ff);
        while (at + 8 <= end) {
            uint64_t eight = sketch_little(at, 8);
            uint64_t longer = (~eight >> 1) & eight & (ones << 6);      /* runs of two bytes */
            int count = longer ? __builtin_ctzll(longer) >> 3 : 8;      /* of one byte before the first of them */
            int span;
            if (count < 8)
                eight &= (UINT64_C(1) << 8 * count) - 1;
            eight &= ~((eight >> 7 & ones) * 0xfc);                     /* the length of a value has two bits */
            span = count + (int) (((eight & halves) + (eight >> 8 & halves)) * UINT64_C(0x0001000100010001) >> 48);
            if (*first + span > index)
                break;
            if (count) {
                *first += span;
                at += count;
                *previous = at - 1;
            }
            if (count < 8) {
                if (at + 1 == end)
                    break;
                span = ((at[0] & 0x3f) << 8 | at[1]) + 1;
                if (*first + span > index)
                    break;
                *first += span;
                *previous = at;
                at += 2;
            }
        }
        return at;
    }

    /* How many registers hold each value. Several counters of a value, so that an increment need not wait for the one
       before it. */
    static void sketch_histogram(const uint8_t *registers, int *counts) {
        uint16_t some[4][64];
        uint64_t eight;
        int i, zeros = 0;
        memset(some, 0, sizeof(some));
        for (i = 0; i < SKETCH_REGISTERS; i += 8) {
            memcpy(&eight, registers + i, 8);
            if (eight == 0) {
                zeros += 8;
                continue;
            }
            some[0][eight & 63]++;
            some[1][eight >> 8 & 63]++;
            some[2][eight >> 16 & 63]++;
            some[3][eight >> 24 & 63]++;
            some[0][eight >> 32 & 63]++;
            some[1][eight >> 40 & 63]++;
            some[2][eight >> 48 & 63]++;
            some[3][eight >> 56 & 63]++;
        }
        for (i = 0; i < 64; i++)
            counts[i] = some[0][i] + some[1][i] + some[2][i] + some[3][i];
        counts[0] += zeros;
    }

    /* The estimator of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6:
       its two series take in the registers that are full and those that are empty. Both converge in a few turns. */
    static double sketch_tau(double x) {
        double factor = 1, sum, before;
        if (x == 0 || x == 1)
            return 0;
        sum = 1 - x;
        do {
            x = sqrt(x);
            before = sum;
            factor *= 0.5;
            sum -= pow(1 - x, 2) * factor;
        } while (sum != before);
        return sum / 3;
    }

    static double sketch_sigma(double x) {
        double factor = 1, sum = x, before;
        if (x == 1)
            return INFINITY;
        do {
            x *= x;
            before = sum;
            sum += x * factor;
            factor += factor;
        } while (sum != before);
        return sum;
    }

    static uint64_t sketch_estimate(const int *counts) {
        const double m = SKETCH_REGISTERS, constant = 0.721347520444481703680;  /* 1 / (2 ln 2) */
        double z = m * sketch_tau((m - counts[51]) / m);
        int i;
        for (i = 50; i >= 1; i--)
            z = (z + counts[i]) * 0.5;
        z += m * sketch_sigma(counts[0] / m);
        return (uint64_t) llroundl(constant * m * m / z);
    }
    """
    uint64_t sketch_hash(const uint8_t* data, size_t length) noexcept nogil
    # most[i] = the larger of it and register i of the dense ones.
    void sketch_merge_dense(uint8_t* most, const uint8_t* dense, bint vectors) noexcept nogil
    # Dense registers from one byte a register.
    void sketch_pack(uint8_t* dense, const uint8_t* registers, bint vectors) noexcept nogil
    void sketch_histogram(const uint8_t* registers, int* counts) noexcept nogil
    uint64_t sketch_estimate(const int* counts) noexcept nogil
    uint8_t* sketch_skip(uint8_t* at, uint8_t* end, int index, int* first, uint8_t** previous) noexcept nogil
    int __builtin_ctzll(unsigned long long value) noexcept nogil

cdef enum:
    REGISTERS = 16384
    REGISTER_BITS = 14          # of the hash, that choose the register
    HEADER = 16                 # bytes
    DENSE_SIZE = 12304          # bytes: HEADER + REGISTERS * 6 / 8
    DENSE = 0
    SPARSE = 1
    SPARSE_VALUE_MAX = 32
    SPARSE_VALUE_RUN = 4        # registers
    SPARSE_ZERO_RUN = 64
    SPARSE_MAX = HEADER + 2 * REGISTERS     # bytes of the longest one that makes sense
    SPARSE_EDIT = 4             # bytes that setting a register adds at the most
    MERGE_WINDOW = 5            # runs that are looked at for neighbours of one value
    HISTOGRAM = 64
    SELF_TEST_ROUNDS = 20
    SELF_TEST_ELEMENTS = 1000000
    CORRUPTED = -1
    NO_MEMORY = -2


# A HyperLogLog being changed: bytes is the value itself until a change moves it to buffer or to dense.
cdef struct Sketch:
    Core* core
    uint8_t* bytes
    size_t length
    sds dense                   # a dense form that takes the value's place, or NULL
    uint8_t buffer[SPARSE_MAX + SPARSE_EDIT]


# A run of registers within a sparse string.
cdef struct Run:
    int size                    # bytes it takes
    int span                    # registers
    int value


cdef inline void read_run(const uint8_t* at, const uint8_t* end, Run* run) noexcept nogil:
    cdef int first = at[0]
    run.size = 1
    run.value = 0
    if first & 0x80:
        run.span = (first & 3) + 1
        run.value = (first >> 2 & 31) + 1
    elif first & 0x40:
        run.size = 2
        run.span = ((first & 0x3f) << 8 | (at[1] if at + 1 < end else 0)) + 1
    else:
        run.span = (first & 0x3f) + 1


cdef inline int write_run(uint8_t* at, int span, int value) noexcept nogil:
    """Writes a run, at most SPARSE_VALUE_RUN registers of a value that is not zero; answers the bytes it takes."""
    if value:
        at[0] = <uint8_t> (0x80 | (value - 1) << 2 | (span - 1))
        return 1
    span -= 1
    if span < SPARSE_ZERO_RUN:
        at[0] = <uint8_t> span
        return 1
    at[0] = <uint8_t> (0x40 | span >> 8)
    at[1] = <uint8_t> span
    return 2


cdef inline int dense_get(const uint8_t* registers, int index) noexcept nogil:
    cdef const uint8_t* at = registers + index * 6 // 8
    cdef int shift = index * 6 & 7
    cdef int value = at[0] >> shift
    if shift > 2:
        value |= at[1] << (8 - shift)
    return value & 63


cdef inline bint dense_set(uint8_t* registers, int index, int value) noexcept nogil:
    """Raises a register; 0 where it has as much already."""
    cdef uint8_t* at = registers + index * 6 // 8
    cdef int shift = index * 6 & 7
    if dense_get(registers, index) >= value:
        return 0
    at[0] = <uint8_t> ((at[0] & ~(63 << shift)) | value << shift)
    if shift > 2:
        at[1] = <uint8_t> ((at[1] & ~(63 >> (8 - shift))) | value >> (8 - shift))
    return 1


cdef inline int place_element(const uint8_t* element, size_t length, int* value) noexcept nogil:
    """The register of an element, and the value it asks for."""
    cdef uint64_t hash = sketch_hash(element, length)
    value[0] = __builtin_ctzll(hash >> REGISTER_BITS | <uint64_t> 1 << (64 - REGISTER_BITS)) + 1
    return <int> (hash & (REGISTERS - 1))


cdef inline bint is_dense(const uint8_t* bytes) noexcept nogil:
    return bytes[4] == DENSE


cdef inline void forget_cardinality(uint8_t* bytes) noexcept nogil:
    bytes[15] |= 0x80


cdef void sketch_create(Sketch* sketch) noexcept nogil:
    """An empty sparse one in the buffer."""
    memset(sketch.buffer, 0, HEADER)
    memcpy(sketch.buffer, b"HYLL", 4)
    sketch.buffer[4] = SPARSE
    sketch.bytes = sketch.buffer
    sketch.length = HEADER + write_run(sketch.buffer + HEADER, REGISTERS, 0)


cdef int merge_registers(uint8_t* most, const uint8_t* bytes, size_t length, bint vectors) noexcept nogil:
    """Raises the registers, a byte each, to those of a HyperLogLog. 0 or CORRUPTED."""
    cdef const uint8_t* at = bytes + HEADER
    cdef const uint8_t* end = bytes + length
    cdef int first = 0
    cdef int i
    cdef Run run
    if is_dense(bytes):
        sketch_merge_dense(most, at, vectors)
        return 0
    while at < end:
        read_run(at, end, &run)
        if first + run.span > REGISTERS:
            return CORRUPTED
        if run.value:
            for i in range(first, first + run.span):
                if most[i] < run.value:
                    most[i] = <uint8_t> run.value
        first += run.span
        at += run.size
    return 0 if first == REGISTERS else CORRUPTED


cdef int sketch_make_dense(Sketch* sketch) noexcept nogil:
    """0, CORRUPTED or NO_MEMORY: nothing has changed then."""
    cdef uint8_t registers[REGISTERS]
    cdef bint vectors = sketch.core.settings.hll_vectors != 0
    cdef sds dense
    memset(registers, 0, REGISTERS)
    if merge_registers(registers, sketch.bytes, sketch.length, vectors) != 0:
        return CORRUPTED
    dense = sds_new(sketch.core.heap, NULL, DENSE_SIZE, DENSE_SIZE)
    if dense == NULL:
        return NO_MEMORY
    memcpy(dense, sketch.bytes, HEADER)
    dense[4] = DENSE
    sketch_pack(<uint8_t*> dense + HEADER, registers, vectors)
    sketch.dense = dense
    sketch.bytes = <uint8_t*> dense
    sketch.length = DENSE_SIZE
    return 0


cdef int sketch_raise(Sketch* sketch, int index, int value) noexcept nogil:
    """Raises one register: 1, or 0 where it has as much already, CORRUPTED, NO_MEMORY."""
    cdef uint8_t replacement[2 + 1 + 2]
    cdef uint8_t* end = sketch.bytes + sketch.length
    cdef uint8_t* at = sketch.bytes + HEADER
    cdef uint8_t* previous = at
    cdef int first = 0
    cdef int size = 0
    cdef int64_t length
    cdef int window, failure
    cdef Run run, next_run
    if is_dense(sketch.bytes):
        return dense_set(sketch.bytes + HEADER, index, value)
    at = sketch_skip(at, end, index, &first, &previous)
    while True:
        if at >= end:
            return CORRUPTED
        read_run(at, end, &run)
        if index < first + run.span:
            break
        previous = at
        at += run.size
        first += run.span
    if run.value >= value:
        return 0
    if at + run.size > end:
        return CORRUPTED
    # The run falls into what is before the register, the register, and what is behind it.
    if index > first:
        size += write_run(replacement, index - first, run.value)
    size += write_run(replacement + size, 1, value if value <= SPARSE_VALUE_MAX else 1)
    if index < first + run.span - 1:
        size += write_run(replacement + size, first + run.span - 1 - index, run.value)
    length = <int64_t> sketch.length + size - run.size
    if value > SPARSE_VALUE_MAX or \
            (size > run.size and (length > sketch.core.settings.hll_sparse_max_bytes or length > SPARSE_MAX)):
        failure = sketch_make_dense(sketch)
        return failure if failure else dense_set(sketch.bytes + HEADER, index, value)
    if sketch.bytes != sketch.buffer:
        if sketch.length > SPARSE_MAX:
            return CORRUPTED
        memcpy(sketch.buffer, sketch.bytes, sketch.length)
        at = sketch.buffer + (at - sketch.bytes)
        previous = sketch.buffer + (previous - sketch.bytes)
        end = sketch.buffer + sketch.length
        sketch.bytes = sketch.buffer
    memmove(at + size, at + run.size, end - at - run.size)
    memcpy(at, replacement, size)
    end += size - run.size
    # Neighbours of one value become one run, as long as it can be.
    at = previous
    window = MERGE_WINDOW
    while window and at < end:
        window -= 1
        read_run(at, end, &run)
        if run.value and at + 1 < end:
            read_run(at + 1, end, &next_run)
            if run.value == next_run.value and run.span + next_run.span <= SPARSE_VALUE_RUN:
                write_run(at, run.span + next_run.span, run.value)
                memmove(at + 1, at + 2, end - at - 2)
                end -= 1
                continue
        at += run.size
    sketch.length = end - sketch.bytes
    return 1


cdef bint sketch_store_or_reply(Client* client, int index, Entry** slot, Sketch* sketch) noexcept nogil:
    """Puts a changed one under the key that is argument index; slot: of that key, or NULL."""
    cdef Argument* key = &client.argv[index]
    cdef uint64_t hash = argument_hash(client, index)
    cdef char* place
    cdef int64_t deadline_ms
    cdef int stored = 0
    if sketch.dense != NULL:
        deadline_ms = entry_deadline(slot[0]) if slot != NULL else NO_EXPIRE
        stored = store_string(sketch.core, client.database, slot, key, hash, sketch.dense, DENSE_SIZE, &sketch.dense,
                              deadline_ms, 1)
        sds_free(sketch.core.heap, sketch.dense)
    elif sketch.bytes == sketch.buffer:
        stored = store_raw(sketch.core, client.database, slot, key, hash, sketch.length, &place)
        if stored == 0:
            memcpy(place, sketch.buffer, sketch.length)
    if stored != 0:
        reply_out_of_memory(client)
        return 0
    return 1


cdef void reply_failure(Client* client, int failure) noexcept nogil:
    if failure == NO_MEMORY:
        reply_out_of_memory(client)
    else:
        reply_error(&client.reply, "INVALIDOBJ Corrupted HLL object detected")


cdef uint8_t* read_sketch_or_reply(Client* client, Entry* entry, size_t* length) noexcept nogil:
    """The bytes of a HyperLogLog, to be changed in place; answers the error and NULL for anything else."""
    cdef char number[INTEGER_TEXT_MAX]
    cdef uint8_t* bytes
    if entry_type(entry) != TYPE_STRING:
        reply_wrong_type(client)
        return NULL
    if entry_encoding(entry) != ENCODING_INT:
        bytes = <uint8_t*> entry_string(entry, number, length)
        if length[0] >= HEADER and memcmp(bytes, b"HYLL", 4) == 0 and \
                (bytes[4] == SPARSE or (bytes[4] == DENSE and length[0] == DENSE_SIZE)):
            if entry_encoding(entry) == ENCODING_EMBSTR:
                entry_set_encoding(entry, ENCODING_RAW_INLINE)
            return bytes
    reply_error(&client.reply, "WRONGTYPE Key is not a valid HyperLogLog string value.")
    return NULL


cdef bint open_sketch_or_reply(Core* core, Client* client, Entry** slot, Sketch* sketch) noexcept nogil:
    """What slot holds, to be changed, or a new one for a NULL slot."""
    sketch.core = core
    sketch.dense = NULL
    if slot == NULL:
        sketch_create(sketch)
        return 1
    sketch.bytes = read_sketch_or_reply(client, slot[0], &sketch.length)
    return sketch.bytes != NULL


cdef inline void note_changes(Core* core, Client* client, int index, int64_t changes) noexcept nogil:
    """Notes at least one change of the key that is argument index."""
    key_changed(core, client.database, client.argv[index].data, client.argv[index].length)
    core.dirty += <uint64_t> (changes - 1)
    notify_argument(core, client, index, NOTIFY_STRING, "pfadd")


cdef void pfadd_command(Core* core, Client* client) noexcept nogil:
    cdef Sketch sketch
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef int64_t changes = slot == NULL
    cdef int i, index, value, outcome
    if not open_sketch_or_reply(core, client, slot, &sketch):
        return
    for i in range(2, client.argc):
        index = place_element(<uint8_t*> client.argv[i].data, client.argv[i].length, &value)
        outcome = sketch_raise(&sketch, index, value)
        if outcome < 0:
            sds_free(core.heap, sketch.dense)
            reply_failure(client, outcome)
            return
        changes += outcome
    if changes:
        forget_cardinality(sketch.bytes)
        if not sketch_store_or_reply(client, 1, slot, &sketch):
            return
        note_changes(core, client, 1, changes)
    reply_integer(&client.reply, changes != 0)


cdef int count_sparse(const uint8_t* bytes, size_t length, int* counts) noexcept nogil:
    """How many registers hold each value. 0 or CORRUPTED."""
    cdef const uint8_t* at = bytes + HEADER
    cdef const uint8_t* end = bytes + length
    cdef int64_t total = 0
    cdef Run run
    memset(counts, 0, HISTOGRAM * sizeof(int))
    while at < end and total <= REGISTERS:
        read_run(at, end, &run)
        counts[run.value] += run.span
        total += run.span
        at += run.size
    return 0 if total == REGISTERS else CORRUPTED


cdef int estimate(const uint8_t* bytes, size_t length, bint vectors, uint64_t* cardinality) noexcept nogil:
    """0 or CORRUPTED."""
    cdef uint8_t registers[REGISTERS]
    cdef int counts[HISTOGRAM]
    if is_dense(bytes):
        memset(registers, 0, REGISTERS)
        sketch_merge_dense(registers, bytes + HEADER, vectors)
        sketch_histogram(registers, counts)
    elif count_sparse(bytes, length, counts) != 0:
        return CORRUPTED
    cardinality[0] = sketch_estimate(counts)
    return 0


cdef int merge_keys_or_reply(Core* core, Client* client, uint8_t* most, bint* any_dense) noexcept nogil:
    """Merges all keys of the command; answers how many of them are there, or the error and -1."""
    cdef int found = 0
    cdef Entry* entry
    cdef uint8_t* bytes
    cdef size_t length
    cdef int i
    memset(most, 0, REGISTERS)
    any_dense[0] = 0
    for i in range(1, client.argc):
        entry = lookup_read(core, client, i)
        if entry == NULL:
            continue
        bytes = read_sketch_or_reply(client, entry, &length)
        if bytes == NULL:
            return -1
        if merge_registers(most, bytes, length, core.settings.hll_vectors != 0) != 0:
            reply_failure(client, CORRUPTED)
            return -1
        found += 1
        if is_dense(bytes):
            any_dense[0] = 1
    return found


cdef void count_union(Core* core, Client* client) noexcept nogil:
    cdef uint8_t registers[REGISTERS]
    cdef int counts[HISTOGRAM]
    cdef bint any_dense
    if merge_keys_or_reply(core, client, registers, &any_dense) < 0:
        return
    sketch_histogram(registers, counts)
    reply_integer(&client.reply, <int64_t> sketch_estimate(counts))


cdef void pfcount_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry
    cdef uint8_t* bytes
    cdef size_t length
    cdef uint64_t cardinality = 0
    cdef int i
    if client.argc > 2:
        count_union(core, client)
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_integer(&client.reply, 0)
        return
    bytes = read_sketch_or_reply(client, entry, &length)
    if bytes == NULL:
        return
    if bytes[15] & 0x80:
        if estimate(bytes, length, core.settings.hll_vectors != 0, &cardinality) != 0:
            reply_failure(client, CORRUPTED)
            return
        for i in range(8):
            bytes[8 + i] = <uint8_t> (cardinality >> 8 * i)
        # The value is another one now, whoever asked only to read it.
        key_changed(core, client.database, client.argv[1].data, client.argv[1].length)
    else:
        for i in range(8):
            cardinality |= <uint64_t> bytes[8 + i] << 8 * i
    reply_integer(&client.reply, <int64_t> cardinality)


cdef void pfmerge_command(Core* core, Client* client) noexcept nogil:
    cdef uint8_t registers[REGISTERS]
    cdef Sketch sketch
    cdef Entry** slot
    cdef bint any_dense
    cdef int outcome = 0
    cdef int i
    if merge_keys_or_reply(core, client, registers, &any_dense) < 0:
        return
    slot = lookup_write(core, client, 1)
    if not open_sketch_or_reply(core, client, slot, &sketch):
        return
    if any_dense and not is_dense(sketch.bytes):
        outcome = sketch_make_dense(&sketch)
    if outcome == 0 and any_dense:
        sketch_pack(sketch.bytes + HEADER, registers, core.settings.hll_vectors != 0)
    elif outcome == 0:
        for i in range(REGISTERS):
            if registers[i]:
                outcome = sketch_raise(&sketch, i, registers[i])
                if outcome < 0:
                    break
    if outcome < 0:
        sds_free(core.heap, sketch.dense)
        reply_failure(client, outcome)
        return
    forget_cardinality(sketch.bytes)
    if not sketch_store_or_reply(client, 1, slot, &sketch):
        return
    note_changes(core, client, 1, 1)
    reply_ok(&client.reply)


cdef void reply_runs(Core* core, Client* client, const uint8_t* bytes, size_t length) noexcept nogil:
    """The runs of a sparse one as text: z:registers, Z:registers, v:value,registers."""
    cdef const uint8_t* at = bytes + HEADER
    cdef const uint8_t* end = bytes + length
    cdef size_t room = 8 * length       # no byte asks for more than "Z:16384 "; the header pays for the last NUL
    cdef size_t used = 0
    cdef Run run
    cdef char* text
    if length > SPARSE_MAX:
        reply_failure(client, CORRUPTED)
        return
    text = <char*> heap_alloc(core.heap, room)
    if text == NULL:
        reply_out_of_memory(client)
        return
    while at < end:
        read_run(at, end, &run)
        if run.value:
            used += snprintf(text + used, room - used, "v:%d,%d ", run.value, run.span)
        else:
            used += snprintf(text + used, room - used, "%c:%d ", c'Z' if run.size == 2 else c'z', run.span)
        at += run.size
    reply_bulk(&client.reply, text, used - 1 if used else 0)
    heap_free(core.heap, text, room)


cdef void switch_vectors(Core* core, Client* client) noexcept nogil:
    if argument_is(&client.argv[2], "ON"):
        core.settings.hll_vectors = 1
        reply_simple(&client.reply, "enabled")
    elif argument_is(&client.argv[2], "OFF"):
        core.settings.hll_vectors = 0
        reply_simple(&client.reply, "disabled")
    else:
        reply_error(&client.reply, "ERR Argument must be ON or OFF")


cdef void pfdebug_command(Core* core, Client* client) noexcept nogil:
    cdef uint8_t registers[REGISTERS]
    cdef Sketch sketch
    cdef Entry** slot
    cdef char text[160]
    cdef Argument* name = &client.argv[1]
    cdef bint wants_registers = argument_is(name, "GETREG")
    cdef bint was_dense
    cdef int failure, i
    if argument_is(name, "SIMD"):
        switch_vectors(core, client)
        return
    slot = lookup_write(core, client, 2)
    if slot == NULL:
        reply_error(&client.reply, "ERR The specified key does not exist")
        return
    if not open_sketch_or_reply(core, client, slot, &sketch):
        return
    was_dense = is_dense(sketch.bytes)
    if argument_is(name, "ENCODING"):
        reply_simple(&client.reply, "dense" if was_dense else "sparse")
    elif argument_is(name, "DECODE"):
        if was_dense:
            reply_error(&client.reply, "ERR HLL encoding is not sparse")
        else:
            reply_runs(core, client, sketch.bytes, sketch.length)
    elif wants_registers or argument_is(name, "TODENSE"):
        if not was_dense:
            failure = sketch_make_dense(&sketch)
            if failure:
                reply_failure(client, failure)
                return
            if not sketch_store_or_reply(client, 2, slot, &sketch):
                return
            key_changed(core, client.database, client.argv[2].data, client.argv[2].length)
        if not wants_registers:
            reply_integer(&client.reply, not was_dense)
            return
        memset(registers, 0, REGISTERS)
        sketch_merge_dense(registers, sketch.bytes + HEADER, core.settings.hll_vectors != 0)
        reply_array(&client.reply, REGISTERS)
        for i in range(REGISTERS):
            reply_integer(&client.reply, registers[i])
    else:
        snprintf(text, sizeof(text), "ERR Unknown PFDEBUG subcommand '%.*s'",
                 <int> (name.length if name.length < 100 else 100), name.data)
        reply_error(&client.reply, text)


cdef bint registers_hold(Core* core) noexcept nogil:
    """Whether dense registers keep random values, one by one and by the vector."""
    cdef uint8_t dense[DENSE_SIZE]
    cdef uint8_t packed[DENSE_SIZE]
    cdef uint8_t values[REGISTERS]
    cdef uint8_t merged[REGISTERS]
    cdef int vectors, i
    memset(dense, 0, DENSE_SIZE)
    for i in range(REGISTERS):
        values[i] = <uint8_t> (random_next(&core.random) >> 32 & 63)
        dense_set(dense + HEADER, i, values[i])
    for i in range(REGISTERS):
        if dense_get(dense + HEADER, i) != values[i]:
            return 0
    for vectors in range(2):
        memset(merged, 0, REGISTERS)
        sketch_merge_dense(merged, dense + HEADER, vectors)
        sketch_pack(packed + HEADER, values, vectors)
        if memcmp(merged, values, REGISTERS) != 0 or memcmp(packed + HEADER, dense + HEADER, DENSE_SIZE - HEADER) != 0:
            return 0
    return 1


cdef bint estimates_hold(Core* core, Sketch* sparse, Sketch* dense) noexcept nogil:
    """Whether both encodings agree, and estimate up to a million elements within six standard errors."""
    cdef uint64_t seed = random_next(&core.random)
    cdef uint64_t element
    cdef uint64_t from_sparse = 0
    cdef uint64_t from_dense = 0
    cdef int64_t checkpoint = 1
    cdef int64_t added = 0
    cdef int index, value
    while added < SELF_TEST_ELEMENTS:
        element = seed ^ <uint64_t> added
        index = place_element(<uint8_t*> &element, sizeof(element), &value)
        if sketch_raise(sparse, index, value) < 0 or sketch_raise(dense, index, value) < 0:
            return 0
        added += 1
        if added == checkpoint:
            if estimate(sparse.bytes, sparse.length, 1, &from_sparse) != 0 or \
                    estimate(dense.bytes, dense.length, 0, &from_dense) != 0 or from_sparse != from_dense or \
                    fabs(<double> from_dense - <double> added) > 1 + 6 * 1.04 / sqrt(REGISTERS) * <double> added:
                return 0
            checkpoint *= 10
    return 1


cdef void pfselftest_command(Core* core, Client* client) noexcept nogil:
    cdef Sketch sparse, dense
    cdef int i
    for i in range(SELF_TEST_ROUNDS):
        if not registers_hold(core):
            reply_error(&client.reply, "TESTFAILED Registers do not keep their values")
            return
    open_sketch_or_reply(core, client, NULL, &sparse)
    open_sketch_or_reply(core, client, NULL, &dense)
    if sketch_make_dense(&dense) != 0:
        reply_out_of_memory(client)
        return
    if estimates_hold(core, &sparse, &dense):
        reply_ok(&client.reply)
    else:
        reply_error(&client.reply, "TESTFAILED Estimates are off")
    sds_free(core.heap, sparse.dense)
    sds_free(core.heap, dense.dense)


COMMANDS = [
    native(
        "pfadd", <size_t> &pfadd_command, -2, "write denyoom fast", keys="RW INSERT @ 1", group="hyperloglog",
        since="2.8.9",
        syntax="key [element...]",
        summary="Adds elements to a HyperLogLog, which is created if need be.", complexity="O(1) an element",
    ),
    native(
        "pfcount", <size_t> &pfcount_command, -2, "readonly may_replicate", keys="RW ACCESS @ 1 last=-1",
        group="hyperloglog", since="2.8.9",
        syntax="key...",
        summary="Estimates how many distinct elements HyperLogLogs have seen together.",
        complexity="O(1) for one key, O(N) for N keys",
    ),
    native(
        "pfdebug", <size_t> &pfdebug_command, 3, "write denyoom admin", keys="RW ACCESS @ 2", group="hyperloglog",
        since="2.8.9", system=True,
        syntax="subcommand key",
        summary="Looks inside a HyperLogLog.",
    ),
    native(
        "pfmerge", <size_t> &pfmerge_command, -2, "write denyoom", keys="RW ACCESS INSERT @ 1; RO ACCESS @ 2 last=-1",
        group="hyperloglog", since="2.8.9",
        syntax="destkey:key [sourcekey:key#1...]",
        summary="Merges HyperLogLogs into one.", complexity="O(N) for N keys",
    ),
    native(
        "pfselftest", <size_t> &pfselftest_command, 1, "admin", group="hyperloglog", since="2.8.9", system=True,
        summary="Checks the HyperLogLog implementation.",
    ),
]
