"""Commands on strings as arrays of bits and of integers of any width, and their rows.

Bit 0 is the most significant bit of the first byte. Long runs go a vector at a time (the C part); every write goes
through store_string or store_raw of the keyspace, or changes bytes in place where the length stays.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.base.sds cimport sds, sds_capacity, sds_free, sds_new, sds_set_length
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, reply_not_an_integer, reply_out_of_memory, reply_syntax_error,
    reply_wrong_type,
)
from redislite._core.keyspace.entry cimport (
    EMBSTR_MAX, ENCODING_EMBSTR, ENCODING_INT, ENCODING_RAW, ENCODING_RAW_INLINE, INLINE_MAX, NO_EXPIRE, TYPE_STRING,
    Entry, entry_encoding, entry_pointer, entry_set_encoding, entry_string, entry_type,
)
from redislite._core.keyspace.keyspace cimport (
    argument_hash, delete_key, key_changed, keyspace_find, lookup_read, lookup_write, notify_argument, notify_deleted,
    set_deadline, store_raw, store_string,
)
from redislite._core.protocol.reply cimport reply_array, reply_error, reply_integer, reply_null
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.flags cimport NOTIFY_STRING
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, parse_int64

from redislite._core.commands.row import native

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    typedef uint64_t __attribute__((aligned(1), may_alias)) bits_word;
    /* As wide as any processor of today has them: the compiler splits it where registers are narrower. */
    typedef uint64_t __attribute__((vector_size(32), aligned(1), may_alias)) bits_vector;

    enum { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

    /* Each loop has a body that is inlined into one function for every processor and one for those that have the
       instruction for it, chosen at run time. */
    #define BITS_BODY static inline __attribute__((always_inline))
    #if defined(__x86_64__) && defined(__GNUC__)
    #define BITS_HAS(feature) __builtin_cpu_supports(feature)
    #define BITS_TARGET(feature) __attribute__((target(feature)))
    #else
    #define BITS_HAS(feature) 0
    #define BITS_TARGET(feature)
    #endif

    /* The processor fetches ahead page by page: what is large is read in four places at once, so that four pages are on
       their way. */
    #define BITS_STREAMS 4

    BITS_BODY uint64_t bits_count_body(const uint8_t *data, size_t length) {
        uint64_t counts[BITS_STREAMS] = {0, 0, 0, 0};
        size_t part = length / BITS_STREAMS & ~(size_t) 63, i;
        uint64_t rest = 0;
        int stream, j;
        for (i = 0; i < part; i += 64)
            for (stream = 0; stream < BITS_STREAMS; stream++) {
                const bits_word *words = (const bits_word *) (data + stream * part + i);
                for (j = 0; j < 8; j++)
                    counts[stream] += __builtin_popcountll(words[j]);
            }
        for (i = BITS_STREAMS * part; i + 8 <= length; i += 8)
            counts[0] += __builtin_popcountll(*(const bits_word *) (data + i));
        if (i < length) {
            memcpy(&rest, data + i, length - i);
            counts[1] += __builtin_popcountll(rest);
        }
        return counts[0] + counts[1] + counts[2] + counts[3];
    }

    static uint64_t bits_count_any(const uint8_t *data, size_t length) {
        return bits_count_body(data, length);
    }

    BITS_TARGET("popcnt") static uint64_t bits_count_popcnt(const uint8_t *data, size_t length) {
        return bits_count_body(data, length);
    }

    BITS_TARGET("avx512f,avx512vl,avx512vpopcntdq")
    static uint64_t bits_count_vectors(const uint8_t *data, size_t length) {
        return bits_count_body(data, length);
    }

    static uint64_t bits_count(const uint8_t *data, size_t length) {
        if (BITS_HAS("avx512vl") && BITS_HAS("avx512vpopcntdq"))
            return bits_count_vectors(data, length);
        return BITS_HAS("popcnt") ? bits_count_popcnt(data, length) : bits_count_any(data, length);
    }

    BITS_BODY void bits_combine_body(int operation, uint8_t *to, const uint8_t *a, const uint8_t *b, size_t length) {
        bits_vector *t = (bits_vector *) to;
        const bits_vector *x = (const bits_vector *) a, *y = (const bits_vector *) b;
        size_t count = length / sizeof(bits_vector), i;
        switch (operation) {
        case BITS_AND: for (i = 0; i < count; i++) t[i] = x[i] & y[i]; break;
        case BITS_OR: for (i = 0; i < count; i++) t[i] = x[i] | y[i]; break;
        case BITS_XOR: for (i = 0; i < count; i++) t[i] = x[i] ^ y[i]; break;
        default: for (i = 0; i < count; i++) t[i] = ~x[i];
        }
        for (i = count * sizeof(bits_vector); i < length; i++) {
            switch (operation) {
            case BITS_AND: to[i] = a[i] & b[i]; break;
            case BITS_OR: to[i] = a[i] | b[i]; break;
            case BITS_XOR: to[i] = a[i] ^ b[i]; break;
            default: to[i] = (uint8_t) ~a[i];
            }
        }
    }

    static void bits_combine_any(int operation, uint8_t *to, const uint8_t *a, const uint8_t *b, size_t length) {
        bits_combine_body(operation, to, a, b, length);
    }

    BITS_TARGET("avx2") static void bits_combine_avx2(int operation, uint8_t *to, const uint8_t *a, const uint8_t *b,
                                                      size_t length) {
        bits_combine_body(operation, to, a, b, length);
    }

    static void bits_combine(int operation, uint8_t *to, const uint8_t *a, const uint8_t *b, size_t length) {
        if (BITS_HAS("avx2"))
            bits_combine_avx2(operation, to, a, b, length);
        else
            bits_combine_any(operation, to, a, b, length);
    }

    /* The processor fetches ahead by itself, but not across the bounds of pages: a line is asked for this far ahead. */
    #define BITS_AHEAD 2048

    /* How many bytes from the start on, a multiple of 8, hold nothing but this word. */
    static size_t bits_skip(const uint8_t *data, size_t length, uint64_t word) {
        size_t i = 0;
        const bits_word *w = (const bits_word *) data;
        for (; i + 64 <= length; i += 64, w += 8) {
            __builtin_prefetch(data + i + BITS_AHEAD);
            if ((w[0] ^ word) | (w[1] ^ word) | (w[2] ^ word) | (w[3] ^ word) |
                (w[4] ^ word) | (w[5] ^ word) | (w[6] ^ word) | (w[7] ^ word))
                break;
        }
        for (; i + 8 <= length && *w == word; i += 8, w++)
            ;
        return i;
    }
    """
    int BITS_AND, BITS_OR, BITS_XOR, BITS_NOT
    # Bits set in length bytes.
    uint64_t bits_count(const uint8_t* data, size_t length) noexcept nogil
    # to[i] = a[i] operation b[i]; BITS_NOT reads a only. to may be a or b, but must not overlap them otherwise.
    void bits_combine(int operation, uint8_t* to, const uint8_t* a, const uint8_t* b, size_t length) noexcept nogil
    size_t bits_skip(const uint8_t* data, size_t length, uint64_t word) noexcept nogil
    int __builtin_popcount(unsigned int value) noexcept nogil
    int __builtin_clz(unsigned int value) noexcept nogil

cdef enum:
    SOURCES_AT_HAND = 16        # sources of BITOP that need no allocation
    BLOCK = 4096                # bytes that BITOP combines at a time where there are many sources
    FIELDS_AT_HAND = 8          # operations of BITFIELD that need no allocation

cdef enum:
    FIELD_GET = 0
    FIELD_SET = 1
    FIELD_INCREMENT = 2

cdef enum:
    OVERFLOW_WRAP = 0
    OVERFLOW_SATURATE = 1
    OVERFLOW_FAIL = 2


cdef struct Bytes:
    const uint8_t* data
    size_t length
    char number[INTEGER_TEXT_MAX]   # where an integer's text stands


# One operation of BITFIELD.
cdef struct Field:
    uint64_t offset             # in bits
    int64_t value               # to set, or to add
    int kind
    int overflow
    int width                   # in bits
    bint is_signed


# A range of bits, from first up to end, which is not part of it.
cdef struct Range:
    uint64_t first
    uint64_t end


cdef bint bytes_or_reply(Client* client, const Entry* entry, Bytes* bytes) noexcept nogil:
    """The bytes of a string, none where there is no entry; answers the error and 0 for another type."""
    if entry == NULL:
        bytes.data = NULL
        bytes.length = 0
        return 1
    if entry_type(entry) != TYPE_STRING:
        reply_wrong_type(client)
        return 0
    bytes.data = <const uint8_t*> entry_string(entry, bytes.number, &bytes.length)
    return 1


cdef bint bit_offset_or_reply(Core* core, Client* client, int index, int width, uint64_t* offset) noexcept nogil:
    """Reads a bit offset. width: 0, or that of a field, where #N counts in fields."""
    cdef Argument* argument = &client.argv[index]
    cdef bint in_fields = width > 0 and argument.length > 0 and argument.data[0] == c'#'
    cdef int64_t value
    if parse_int64(argument.data + in_fields, argument.length - in_fields, &value):
        if in_fields:
            # Wraps, as with the original.
            value = <int64_t> (<uint64_t> value * <uint64_t> width)
        if value >= 0 and value >> 3 < core.settings.max_bulk_length:
            offset[0] = <uint64_t> value
            return 1
    reply_error(&client.reply, "ERR bit offset is not an integer or out of range")
    return 0


cdef uint8_t* writable_bytes(Core* core, Client* client, Entry** slot, size_t least, bint* grown) noexcept nogil:
    """The bytes of key argument 1, at least so many of them, to be changed in place; *grown: there were fewer, or no
    key. NULL where memory is out, which is answered."""
    cdef char number[INTEGER_TEXT_MAX]
    cdef size_t length
    cdef char* data
    cdef char* place
    grown[0] = 1
    length = least
    if slot != NULL:
        data = entry_string(slot[0], number, &length)
        if length >= least:
            grown[0] = 0
            if entry_encoding(slot[0]) != ENCODING_INT:
                if entry_encoding(slot[0]) == ENCODING_EMBSTR:
                    entry_set_encoding(slot[0], ENCODING_RAW_INLINE)
                return <uint8_t*> data
        else:
            length = least
    if store_raw(core, client.database, slot, &client.argv[1], argument_hash(client, 1), length, &place) != 0:
        reply_out_of_memory(client)
        return NULL
    return <uint8_t*> place


cdef void setbit_command(Core* core, Client* client) noexcept nogil:
    cdef uint64_t offset
    cdef int64_t bit = 0
    cdef Entry** slot
    cdef uint8_t* data
    cdef uint8_t mask, old
    cdef bint grown
    if not bit_offset_or_reply(core, client, 2, 0, &offset):
        return
    if not parse_int64(client.argv[3].data, client.argv[3].length, &bit) or not 0 <= bit <= 1:
        reply_error(&client.reply, "ERR bit is not an integer or out of range")
        return
    slot = lookup_write(core, client, 1)
    if slot != NULL and entry_type(slot[0]) != TYPE_STRING:
        reply_wrong_type(client)
        return
    data = writable_bytes(core, client, slot, <size_t> (offset >> 3) + 1, &grown)
    if data == NULL:
        return
    data += offset >> 3
    mask = <uint8_t> (0x80 >> (offset & 7))
    old = data[0]
    data[0] = old | mask if bit else <uint8_t> (old & ~mask)
    if grown or data[0] != old:
        key_changed(core, client.database, client.argv[1].data, client.argv[1].length)
        notify_argument(core, client, 1, NOTIFY_STRING, "setbit")
    reply_integer(&client.reply, old & mask != 0)


cdef void getbit_command(Core* core, Client* client) noexcept nogil:
    cdef uint64_t offset
    cdef Bytes bytes
    if not bit_offset_or_reply(core, client, 2, 0, &offset) or \
            not bytes_or_reply(client, lookup_read(core, client, 1), &bytes):
        return
    if offset >> 3 >= bytes.length:
        reply_integer(&client.reply, 0)
    else:
        reply_integer(&client.reply, bytes.data[offset >> 3] >> (7 - (offset & 7)) & 1)


cdef bint unit_or_reply(Client* client, int index, bint* in_bits) noexcept nogil:
    if argument_is(&client.argv[index], "BIT"):
        in_bits[0] = 1
    elif argument_is(&client.argv[index], "BYTE"):
        in_bits[0] = 0
    else:
        reply_syntax_error(client)
        return 0
    return 1


cdef bint resolve_range(int64_t start, int64_t end, bint in_bits, size_t length, Range* bits) noexcept nogil:
    """The bits from start to end, both included, of length bytes; negative ones count from the end. 0 where empty."""
    cdef int64_t total = <int64_t> length * (8 if in_bits else 1)
    if start < 0:
        start = start + total if start + total > 0 else 0
    if end < 0:
        end = end + total if end + total > 0 else 0
    if end >= total:
        end = total - 1
    if start > end:
        return 0
    bits.first = <uint64_t> start * (1 if in_bits else 8)
    bits.end = (<uint64_t> end + 1) * (1 if in_bits else 8)
    return 1


cdef void bitcount_command(Core* core, Client* client) noexcept nogil:
    cdef Bytes bytes
    cdef Range bits
    cdef int64_t start = 0
    cdef int64_t end = -1
    cdef bint in_bits = 0
    cdef uint64_t first, last, count
    if client.argc > 5 or (client.argc == 3 and core.settings.bitcount_wants_end):
        reply_syntax_error(client)
        return
    if client.argc > 2 and not argument_integer_or_reply(client, 2, &start):
        return
    if client.argc > 3 and not argument_integer_or_reply(client, 3, &end):
        return
    if client.argc > 4 and not unit_or_reply(client, 4, &in_bits):
        return
    if not bytes_or_reply(client, lookup_read(core, client, 1), &bytes):
        return
    # Both counted from the end of a short string would meet at its start.
    if (start < 0 and end < 0 and start > end) or not resolve_range(start, end, in_bits, bytes.length, &bits):
        reply_integer(&client.reply, 0)
        return
    first = bits.first >> 3
    last = (bits.end - 1) >> 3
    count = bits_count(bytes.data + first, <size_t> (last - first + 1))
    count -= __builtin_popcount(bytes.data[first] & ~(0xff >> (bits.first & 7)) & 0xff)
    count -= __builtin_popcount(bytes.data[last] & (0xff >> (((bits.end - 1) & 7) + 1)))
    reply_integer(&client.reply, <int64_t> count)


cdef int64_t find_bit(const uint8_t* data, const Range* bits, bint bit) noexcept nogil:
    """The first bit with this value in a range that is not empty, or -1."""
    cdef unsigned int flip = 0 if bit else 0xff
    cdef size_t i = <size_t> (bits.first >> 3)
    cdef size_t last = <size_t> ((bits.end - 1) >> 3)
    cdef unsigned int mask = 0xff >> (bits.first & 7)
    cdef unsigned int found
    while True:
        if i == last:
            mask &= 0xff << (7 - ((bits.end - 1) & 7))
        found = (data[i] ^ flip) & mask
        if found:
            return <int64_t> i * 8 + __builtin_clz(found) - 24
        if i == last:
            return -1
        i += 1
        mask = 0xff
        i += bits_skip(data + i, last - i, 0 if bit else ~<uint64_t> 0)


cdef void bitpos_command(Core* core, Client* client) noexcept nogil:
    cdef Bytes bytes
    cdef Range bits
    cdef int64_t bit
    cdef int64_t start = 0
    cdef int64_t end = -1
    cdef bint in_bits = 0
    cdef int64_t found
    if not argument_integer_or_reply(client, 2, &bit):
        return
    if not 0 <= bit <= 1:
        reply_error(&client.reply, "ERR The bit argument must be 1 or 0.")
        return
    if client.argc > 6:
        reply_syntax_error(client)
        return
    if client.argc > 3 and not argument_integer_or_reply(client, 3, &start):
        return
    if client.argc > 5 and not unit_or_reply(client, 5, &in_bits):
        return
    if client.argc > 4 and not argument_integer_or_reply(client, 4, &end):
        return
    if not bytes_or_reply(client, lookup_read(core, client, 1), &bytes):
        return
    if bytes.data == NULL:
        reply_integer(&client.reply, -1 if bit else 0)
        return
    if not resolve_range(start, end, in_bits, bytes.length, &bits):
        reply_integer(&client.reply, -1)
        return
    found = find_bit(bytes.data, &bits, bit != 0)
    if found < 0 and not bit and client.argc < 5:
        # Without an end, the string is one that goes on with zeros.
        found = <int64_t> bytes.length * 8
    reply_integer(&client.reply, found)


cdef void combine_padded(int operation, uint8_t* to, const uint8_t* a, size_t a_length, const uint8_t* b,
                         size_t b_length, size_t length) noexcept nogil:
    """Combines two strings into length bytes (at least what the longer one has), as if both went on with zeros."""
    cdef size_t common = a_length if a_length < b_length else b_length
    cdef size_t longer = a_length + b_length - common
    bits_combine(operation, to, a, b, common)
    if operation == BITS_AND:
        longer = common
    elif longer > common:
        memmove(to + common, (a if a_length > b_length else b) + common, longer - common)
    if length > longer:
        memset(to + longer, 0, length - longer)


cdef inline size_t left_of(const Bytes* source, size_t offset) noexcept nogil:
    """Bytes that the source has from offset on, at most a block."""
    if source.length <= offset:
        return 0
    return source.length - offset if source.length - offset < BLOCK else BLOCK


cdef void combine_all(int operation, uint8_t* to, const Bytes* sources, int count, size_t length) noexcept nogil:
    """to may be the place of one or more of the sources."""
    cdef uint8_t block[BLOCK]
    cdef size_t offset = 0
    cdef size_t size
    cdef int i
    if operation == BITS_NOT:
        bits_combine(BITS_NOT, to, sources.data, sources.data, length)
        return
    if count == 1:
        memmove(to, sources.data, length)
        return
    if count == 2:
        combine_padded(operation, to, sources[0].data, sources[0].length, sources[1].data, sources[1].length, length)
        return
    # A block at a time stays in the nearest cache, and is written when all sources have been read.
    while offset < length:
        size = length - offset if length - offset < BLOCK else BLOCK
        combine_padded(operation, block, sources[0].data + offset, left_of(&sources[0], offset),
                       sources[1].data + offset, left_of(&sources[1], offset), size)
        for i in range(2, count):
            combine_padded(operation, block, block, size, sources[i].data + offset, left_of(&sources[i], offset), size)
        memcpy(to + offset, block, size)
        offset += size


cdef bint store_combined(Core* core, Client* client, int operation, const Bytes* sources, int count,
                         size_t length) noexcept nogil:
    """Combines the sources into key argument 2, which loses its deadline. Answers the error and 0 where memory is
    out."""
    cdef uint8_t small[INLINE_MAX]
    cdef Argument* key = &client.argv[2]
    cdef uint64_t hash = argument_hash(client, 2)
    cdef Entry** slot = lookup_write(core, client, 2)
    cdef sds text = NULL
    cdef int stored
    if length <= INLINE_MAX:
        combine_all(operation, small, sources, count, length)
        if store_string(core, client.database, slot, key, hash, <char*> small, length, NULL, NO_EXPIRE, 1) != 0:
            reply_out_of_memory(client)
            return 0
        if length <= EMBSTR_MAX:
            slot = keyspace_find(core, client.database, key.data, key.length, hash)
            entry_set_encoding(slot[0], ENCODING_RAW_INLINE)
        return 1
    if slot != NULL and entry_type(slot[0]) == TYPE_STRING and entry_encoding(slot[0]) == ENCODING_RAW:
        text = <sds> entry_pointer(slot[0])
        if sds_capacity(text) >= length and sds_capacity(text) // 2 <= length and \
                set_deadline(core, client.database, slot, hash, NO_EXPIRE) == 0:
            # The place is there, its pages too.
            combine_all(operation, <uint8_t*> text, sources, count, length)
            sds_set_length(text, length)
            return 1
    text = sds_new(core.heap, NULL, length, length)
    if text == NULL:
        reply_out_of_memory(client)
        return 0
    combine_all(operation, <uint8_t*> text, sources, count, length)
    stored = store_string(core, client.database, slot, key, hash, text, length, &text, NO_EXPIRE, 1)
    sds_free(core.heap, text)
    if stored != 0:
        reply_out_of_memory(client)
        return 0
    return 1


cdef void bitop_command(Core* core, Client* client) noexcept nogil:
    cdef Bytes at_hand[SOURCES_AT_HAND]
    cdef Bytes* sources = at_hand
    cdef Argument* name = &client.argv[1]
    cdef Argument* key = &client.argv[2]
    cdef int count = client.argc - 3
    cdef int operation
    cdef size_t length = 0
    cdef bint read = 1
    cdef int i
    if argument_is(name, "AND"):
        operation = BITS_AND
    elif argument_is(name, "OR"):
        operation = BITS_OR
    elif argument_is(name, "XOR"):
        operation = BITS_XOR
    elif argument_is(name, "NOT"):
        operation = BITS_NOT
    else:
        reply_syntax_error(client)
        return
    if operation == BITS_NOT and count != 1:
        reply_error(&client.reply, "ERR BITOP NOT must be called with a single source key.")
        return
    if count > SOURCES_AT_HAND:
        sources = <Bytes*> heap_alloc(core.heap, count * sizeof(Bytes))
        if sources == NULL:
            reply_out_of_memory(client)
            return
    for i in range(count):
        read = bytes_or_reply(client, lookup_read(core, client, 3 + i), &sources[i])
        if not read:
            break
        if sources[i].length > length:
            length = sources[i].length
    if read and length == 0:
        if delete_key(core, client.database, key.data, key.length, argument_hash(client, 2),
                      core.settings.lazy_server_delete != 0):
            key_changed(core, client.database, key.data, key.length)
            notify_deleted(core, client, 2)
        reply_integer(&client.reply, 0)
    elif read and store_combined(core, client, operation, sources, count, length):
        key_changed(core, client.database, key.data, key.length)
        notify_argument(core, client, 2, NOTIFY_STRING, "set")
        reply_integer(&client.reply, <int64_t> length)
    if sources != at_hand:
        heap_free(core.heap, sources, count * sizeof(Bytes))


cdef uint64_t read_field(const uint8_t* data, size_t length, const Field* field) noexcept nogil:
    """The bits of a field, its last one lowest; zeros where the string has ended."""
    cdef uint8_t near[9]
    cdef size_t first = <size_t> (field.offset >> 3)
    cdef int shift = <int> (field.offset & 7)
    cdef uint64_t word = 0
    cdef int i
    if first + 9 <= length:
        memcpy(near, data + first, 9)
    else:
        memset(near, 0, 9)
        if first < length:
            memcpy(near, data + first, length - first)
    for i in range(8):
        word = word << 8 | near[i]
    if shift:
        word = word << shift | near[8] >> (8 - shift)
    return word >> (64 - field.width)


cdef void write_field(uint8_t* data, const Field* field, uint64_t bits) noexcept nogil:
    """Sets the bits of a field, all of which the string has."""
    cdef uint8_t* place = data + (field.offset >> 3)
    cdef int at = <int> (field.offset & 7)  # of the next bit within its byte
    cdef int left = field.width
    cdef int count
    cdef unsigned int mask
    while left:
        count = 8 - at if 8 - at < left else left
        mask = (0xff >> (8 - count)) << (8 - at - count)
        place[0] = <uint8_t> ((place[0] & ~mask) | ((bits >> (left - count)) << (8 - at - count) & mask))
        left -= count
        at = 0
        place += 1


cdef inline int64_t field_integer(const Field* field, uint64_t bits) noexcept nogil:
    """What the bits of a field stand for; of bits, the lowest ones count."""
    cdef int unused = 64 - field.width
    if field.is_signed:
        return <int64_t> (bits << unused) >> unused
    return <int64_t> (bits << unused >> unused)


cdef bint field_result(const Field* field, int64_t old, int64_t* result) noexcept nogil:
    """What the field is to hold after its operation; 0 where it overflows and is to stay as it is."""
    cdef int64_t most = INT64_MAX >> (64 - field.width if field.is_signed else 63 - field.width)
    cdef int64_t least = -most - 1 if field.is_signed else 0
    cdef int64_t by = field.value
    cdef int beyond = 0
    if field.kind == FIELD_SET:
        result[0] = by
        # As with the original, a negative value is too large where it is read as an unsigned one, which an unsigned
        # field does, and a signed one by how far its largest value is away where that does not fit 64 bits.
        if by > most or (by < 0 and not field.is_signed) or (field.width < 64 and by < most - INT64_MAX):
            beyond = 1
        elif by < least:
            beyond = -1
    else:
        result[0] = <int64_t> (<uint64_t> old + <uint64_t> by)
        if by > 0 and old > most - by:
            beyond = 1
        elif by < 0 and (old < least - by if field.is_signed else old + by < 0):
            beyond = -1
    if beyond == 0:
        return 1
    if field.overflow == OVERFLOW_FAIL:
        return 0
    if field.overflow == OVERFLOW_SATURATE:
        result[0] = most if beyond > 0 else least
    else:
        result[0] = field_integer(field, <uint64_t> result[0])
    return 1


cdef bint field_type_or_reply(Client* client, int index, Field* field) noexcept nogil:
    cdef Argument* argument = &client.argv[index]
    cdef int64_t width
    if argument.length > 1 and (argument.data[0] == c'i' or argument.data[0] == c'u') and \
            parse_int64(argument.data + 1, argument.length - 1, &width):
        field.is_signed = argument.data[0] == c'i'
        if 1 <= width <= (64 if field.is_signed else 63):
            field.width = <int> width
            return 1
    reply_error(&client.reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported "
                "but i64 is.")
    return 0


cdef int parse_fields(Core* core, Client* client, Field* fields) noexcept nogil:
    """Reads the operations of a BITFIELD; answers how many, or the error and -1. fields has room for all of them."""
    cdef int count = 0
    cdef int overflow = OVERFLOW_WRAP
    cdef int i = 2
    cdef int left
    cdef Argument* word
    cdef Field* field
    while i < client.argc:
        word = &client.argv[i]
        left = client.argc - i - 1
        field = &fields[count]
        if left >= 2 and argument_is(word, "GET"):
            field.kind = FIELD_GET
        elif left >= 3 and argument_is(word, "SET"):
            field.kind = FIELD_SET
        elif left >= 3 and argument_is(word, "INCRBY"):
            field.kind = FIELD_INCREMENT
        elif left >= 1 and argument_is(word, "OVERFLOW"):
            if argument_is(word + 1, "WRAP"):
                overflow = OVERFLOW_WRAP
            elif argument_is(word + 1, "SAT"):
                overflow = OVERFLOW_SATURATE
            elif argument_is(word + 1, "FAIL"):
                overflow = OVERFLOW_FAIL
            else:
                reply_error(&client.reply, "ERR Invalid OVERFLOW type specified")
                return -1
            i += 2
            continue
        else:
            reply_syntax_error(client)
            return -1
        field.overflow = overflow
        field.value = 0
        if not field_type_or_reply(client, i + 1, field) or \
                not bit_offset_or_reply(core, client, i + 2, field.width, &field.offset):
            return -1
        if field.kind == FIELD_GET:
            i += 3
        else:
            if not parse_int64(client.argv[i + 3].data, client.argv[i + 3].length, &field.value):
                reply_not_an_integer(client)
                return -1
            i += 4
        count += 1
    return count


cdef void run_fields(Core* core, Client* client, const Field* fields, int count, bint read_only) noexcept nogil:
    cdef Bytes bytes
    cdef Entry** slot
    cdef uint8_t* data
    cdef const Field* field
    cdef uint64_t end = 0           # of the last bit written
    cdef int64_t old, result
    cdef int64_t changes = 0
    cdef bint grown = 0
    cdef int i
    for i in range(count):
        if fields[i].kind != FIELD_GET and fields[i].offset + <uint64_t> fields[i].width > end:
            end = fields[i].offset + <uint64_t> fields[i].width
    if end == 0:
        if not bytes_or_reply(client, lookup_read(core, client, 1), &bytes):
            return
        reply_array(&client.reply, count)
        for i in range(count):
            reply_integer(&client.reply, field_integer(&fields[i], read_field(bytes.data, bytes.length, &fields[i])))
        return
    if read_only:
        reply_error(&client.reply, "ERR BITFIELD_RO only supports the GET subcommand")
        return
    slot = lookup_write(core, client, 1)
    bytes.length = 0
    if slot != NULL and not bytes_or_reply(client, slot[0], &bytes):
        return
    if bytes.length < (end + 7) >> 3:
        bytes.length = <size_t> ((end + 7) >> 3)
    data = writable_bytes(core, client, slot, bytes.length, &grown)
    if data == NULL:
        return
    reply_array(&client.reply, count)
    for i in range(count):
        field = &fields[i]
        old = field_integer(field, read_field(data, bytes.length, field))
        if field.kind == FIELD_GET:
            reply_integer(&client.reply, old)
        elif field_result(field, old, &result):
            write_field(data, field, <uint64_t> result)
            reply_integer(&client.reply, old if field.kind == FIELD_SET else field_integer(field, <uint64_t> result))
            if grown or field_integer(field, <uint64_t> result) != old:
                changes += 1
        else:
            reply_null(&client.reply)
    if grown or changes:
        key_changed(core, client.database, client.argv[1].data, client.argv[1].length)
        if changes:
            notify_argument(core, client, 1, NOTIFY_STRING, "setbit")
        if changes > 1:
            core.dirty += <uint64_t> (changes - 1)


cdef void bitfield(Core* core, Client* client, bint read_only) noexcept nogil:
    cdef Field at_hand[FIELDS_AT_HAND]
    cdef Field* fields = at_hand
    cdef size_t room = <size_t> (client.argc - 2) // 3
    cdef int count
    if room > FIELDS_AT_HAND:
        fields = <Field*> heap_alloc(core.heap, room * sizeof(Field))
        if fields == NULL:
            reply_out_of_memory(client)
            return
    count = parse_fields(core, client, fields)
    if count >= 0:
        run_fields(core, client, fields, count, read_only)
    if fields != at_hand:
        heap_free(core.heap, fields, room * sizeof(Field))


cdef void bitfield_command(Core* core, Client* client) noexcept nogil:
    bitfield(core, client, 0)


cdef void bitfield_ro_command(Core* core, Client* client) noexcept nogil:
    bitfield(core, client, 1)


COMMANDS = [
    native(
        "bitcount", <size_t> &bitcount_command, -2, "readonly", keys="RO ACCESS @ 1", group="bitmap", since="2.6.0",
        syntax="key [range:(start:integer [end-unit-block:(end:integer [unit:(BYTE | BIT)@7.0.0])])]",
        summary="Counts the bits set in a string, or in part of it.", complexity="O(N) for N bytes",
    ),
    native(
        "bitfield", <size_t> &bitfield_command, -2, "write denyoom", keys="RW UPDATE ACCESS VARIABLE_FLAGS @ 1",
        group="bitmap", since="3.2.0",
        syntax=(
            "key [operation:(GET get-block:(encoding offset:integer) | write:([OVERFLOW overflow-block:(WRAP | SAT "
            "| FAIL)] write-operation:(SET set-block:(encoding offset:integer value:integer) | INCRBY "
            "incrby-block:(encoding offset:integer increment:integer))))...]"
        ),
        summary="Reads and changes integers of any width within a string.", complexity="O(1) an operation",
    ),
    native(
        "bitfield_ro", <size_t> &bitfield_ro_command, -2, "readonly fast", keys="RO ACCESS @ 1", group="bitmap",
        since="6.0.0",
        syntax="key [GET... get-block:(encoding offset:integer)]",
        summary="Reads integers of any width within a string.", complexity="O(1) an operation",
    ),
    native(
        "bitop", <size_t> &bitop_command, -4, "write denyoom", keys="OW UPDATE @ 2; RO ACCESS @ 3 last=-1",
        group="bitmap", since="2.6.0",
        syntax="operation:(AND | OR | XOR | NOT) destkey:key key#1...",
        summary="Combines strings bit by bit and stores the result.",
        complexity="O(N) for the N bytes of the longest string",
    ),
    native(
        "bitpos", <size_t> &bitpos_command, -3, "readonly", keys="RO ACCESS @ 1", group="bitmap", since="2.8.7",
        syntax="key bit:integer [range:(start:integer [end-unit-block:(end:integer [unit:(BYTE | BIT)@7.0.0])])]",
        summary="Finds the first bit that is set, or clear, in a string.", complexity="O(N) for N bytes",
    ),
    native(
        "getbit", <size_t> &getbit_command, 3, "readonly fast", keys="RO ACCESS @ 1", group="bitmap", since="2.2.0",
        syntax="key offset:integer",
        summary="Returns a bit of the string at a key.", complexity="O(1)",
    ),
    native(
        "setbit", <size_t> &setbit_command, 4, "write denyoom", keys="RW ACCESS UPDATE @ 1", group="bitmap",
        since="2.2.0",
        syntax="key offset:integer value:integer",
        summary="Sets or clears a bit of the string at a key, which is created if need be.", complexity="O(1)",
    ),
]
