"""Listpack: a sequence of strings and integers in one block, walked in both directions. The original's binary format.

    | total bytes: 4 LE | elements: 2 LE, 65535: count by walking | entry | entry | ... | 0xff |
    entry: | encoding and data | length of the part before, 1 to 5 bytes, readable backwards |

    0xxxxxxx                        integer 0..127          10nnnnnn ...                    string of up to 63 bytes
    110xxxxx xxxxxxxx               integer of 13 bits      1110nnnn nnnnnnnn ...           string of up to 4095 bytes
    0xf1, 0xf2, 0xf3, 0xf4          integer of 2, 3, 4,     0xf0, length of 4 bytes LE ...  any other string
                                    8 bytes LE behind

The block is asked for with growth_size(total bytes): release one with listpack_free only, make one of foreign bytes
(validated ones) with listpack_copy. Functions that change a listpack may move it: they answer the new block, or NULL
where memory is out or LISTPACK_MAX_BYTES would be passed (the old one is intact then). Elements are addressed by a
pointer to their entry, valid until the next change. A string that reads as an integer is stored as one. Data that is
added must not point into the listpack.

Format: the original's listpack specification, https://github.com/antirez/listpack/blob/master/listpack.md
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from redislite._core.base.alloc cimport Heap

ctypedef uint8_t* listpack

cdef enum:
    LISTPACK_HEADER = 6             # bytes
    LISTPACK_INTEGER_TEXT = 21      # room that listpack_text needs to write an integer
    LISTPACK_MAX_BYTES = 1 << 30    # a listpack never grows beyond
    LISTPACK_UNCOUNTED = 65535      # in the header: more elements than it can say
    LISTPACK_END = 0xff


# An element as it is looked at: data points into the listpack, or is NULL and the element is the integer.
cdef struct ListpackValue:
    char* data
    size_t length
    int64_t integer


# A value as it will stand in an entry.
cdef struct ListpackEncoded:
    uint8_t head[9]
    size_t head_bytes
    const char* data
    size_t data_bytes       # 0 for an integer
    size_t bytes            # of the whole entry, back length included


# An empty one, or NULL.
cdef listpack listpack_new(Heap* heap) noexcept nogil
# Releases it. NULL is accepted.
cdef void listpack_free(Heap* heap, listpack pack) noexcept nogil
# Bytes of memory it takes.
cdef size_t listpack_memory(const uint8_t* pack) noexcept nogil
# Number of elements; walks where the header cannot tell.
cdef size_t listpack_length(const uint8_t* pack) noexcept nogil
# Last and preceding element; NULL at the ends. (First and following one: below.)
cdef uint8_t* listpack_last(listpack pack) noexcept nogil
cdef uint8_t* listpack_previous(listpack pack, uint8_t* entry) noexcept nogil
# Element by index, from the end where negative (walks from the nearer end); NULL out of range.
cdef uint8_t* listpack_seek(listpack pack, int64_t index) noexcept nogil
# The element as text: an integer is written to buffer (LISTPACK_INTEGER_TEXT bytes).
cdef char* listpack_text(const uint8_t* entry, char* buffer, size_t* length) noexcept nogil
# Whether the element equals these bytes.
cdef bint listpack_equals(const uint8_t* entry, const char* data, size_t length) noexcept nogil
# First element from entry on (skipping skip elements after each comparison: 1 looks at fields only, say) that equals;
# or NULL. entry may be NULL: nothing is found then.
cdef uint8_t* listpack_find(listpack pack, uint8_t* entry, const char* data, size_t length,
                            uint32_t skip) noexcept nogil
# Adds behind the last element, before the first one, or before/behind an entry; *entry then points to the new element.
cdef listpack listpack_append(Heap* heap, listpack pack, const char* data, size_t length) noexcept nogil
cdef listpack listpack_append_integer(Heap* heap, listpack pack, int64_t value) noexcept nogil
cdef listpack listpack_prepend(Heap* heap, listpack pack, const char* data, size_t length) noexcept nogil
cdef listpack listpack_prepend_integer(Heap* heap, listpack pack, int64_t value) noexcept nogil
cdef listpack listpack_insert(Heap* heap, listpack pack, uint8_t** entry, bint behind, const char* data,
                              size_t length) noexcept nogil
cdef listpack listpack_insert_integer(Heap* heap, listpack pack, uint8_t** entry, bint behind,
                                      int64_t value) noexcept nogil
# Adds all elements of another listpack behind the last element, or before the first one.
cdef listpack listpack_join(Heap* heap, listpack pack, const uint8_t* other, bint behind) noexcept nogil
# Makes room for elements behind the last one, of so many bytes in all, and counts them in; *place is where the caller
# must then write them, with listpack_put and listpack_put_integer, which answer the place behind what they wrote.
cdef listpack listpack_extend(Heap* heap, listpack pack, size_t bytes, size_t elements, uint8_t** place) noexcept nogil
cdef uint8_t* listpack_put(uint8_t* place, const char* data, size_t length) noexcept nogil
cdef uint8_t* listpack_put_integer(uint8_t* place, int64_t value) noexcept nogil
# Puts another value in the element's place; *entry follows.
cdef listpack listpack_replace(Heap* heap, listpack pack, uint8_t** entry, const char* data,
                               size_t length) noexcept nogil
cdef listpack listpack_replace_integer(Heap* heap, listpack pack, uint8_t** entry, int64_t value) noexcept nogil
# Removes the element; *entry then points to the following one, or is NULL at the end.
cdef listpack listpack_delete(Heap* heap, listpack pack, uint8_t** entry) noexcept nogil
# Removes count elements from the entry on, or all to the end where there are fewer; *entry as above.
cdef listpack listpack_delete_range(Heap* heap, listpack pack, uint8_t** entry, size_t count) noexcept nogil
# A new listpack of count elements from the entry on (so many there are); NULL where memory is out.
cdef listpack listpack_slice(Heap* heap, const uint8_t* entry, size_t count) noexcept nogil
# For who lays out entries in memory of its own: works out how a value stands, and writes it (encoded.bytes bytes).
cdef void listpack_encode(ListpackEncoded* encoded, const char* data, size_t length) noexcept nogil
cdef void listpack_write(uint8_t* place, const ListpackEncoded* encoded) noexcept nogil
# Bytes that an element with this value would take, its back length included.
cdef size_t listpack_value_bytes(const char* data, size_t length) noexcept nogil
cdef size_t listpack_integer_bytes(int64_t value) noexcept nogil
# Whether size bytes are a well-formed listpack; deep also looks at every entry. Never reads beyond them.
cdef bint listpack_validate(const uint8_t* pack, size_t size, bint deep) noexcept nogil
# A copy.
cdef listpack listpack_copy(Heap* heap, const uint8_t* pack) noexcept nogil


# The whole listpack's bytes, header and end included.
cdef inline size_t listpack_bytes(const uint8_t* pack) noexcept nogil:
    return <size_t> pack[0] | <size_t> pack[1] << 8 | <size_t> pack[2] << 16 | <size_t> pack[3] << 24


# Bytes of an entry's encoding and data, its back length excluded.
cdef inline size_t listpack_data_bytes(const uint8_t* entry) noexcept nogil:
    cdef uint8_t first = entry[0]
    if first < 0x80:
        return 1
    if first < 0xc0:
        return 1 + (first & 63)
    if first < 0xe0:
        return 2
    if first < 0xf0:
        return 2 + (<size_t> (first & 15) << 8 | entry[1])
    if first == 0xf0:
        return 5 + (<size_t> entry[1] | <size_t> entry[2] << 8 | <size_t> entry[3] << 16 | <size_t> entry[4] << 24)
    if first <= 0xf3:
        return first - 0xee
    return 9 if first == 0xf4 else 1


# Bytes that the back length of so many bytes takes.
cdef inline size_t listpack_back_bytes(size_t bytes) noexcept nogil:
    if bytes <= 127:
        return 1
    if bytes < 16383:
        return 2
    if bytes < 2097151:
        return 3
    return 4 if bytes < 268435455 else 5


# Bytes an element takes, its back length included.
cdef inline size_t listpack_entry_bytes(const uint8_t* entry) noexcept nogil:
    cdef size_t bytes = listpack_data_bytes(entry)
    return bytes + listpack_back_bytes(bytes)


# First and following element; NULL at the end.
cdef inline uint8_t* listpack_first(listpack pack) noexcept nogil:
    return pack + LISTPACK_HEADER if pack[LISTPACK_HEADER] != LISTPACK_END else NULL


cdef inline uint8_t* listpack_next(listpack pack, uint8_t* entry) noexcept nogil:
    entry += listpack_entry_bytes(entry)
    return entry if entry[0] != LISTPACK_END else NULL


cdef inline void listpack_get(const uint8_t* entry, ListpackValue* value) noexcept nogil:
    cdef uint8_t first = entry[0]
    cdef uint64_t bits
    cdef int shift
    if first < 0x80:
        value.data = NULL
        value.integer = first
    elif first < 0xc0:
        value.data = <char*> entry + 1
        value.length = first & 63
    elif first < 0xe0:
        value.data = NULL
        bits = <uint64_t> (first & 31) << 8 | entry[1]
        value.integer = <int64_t> bits - (8192 if bits >= 4096 else 0)
    elif first < 0xf0:
        value.data = <char*> entry + 2
        value.length = <size_t> (first & 15) << 8 | entry[1]
    elif first == 0xf0:
        value.data = <char*> entry + 5
        value.length = <size_t> entry[1] | <size_t> entry[2] << 8 | <size_t> entry[3] << 16 | <size_t> entry[4] << 24
    else:
        value.data = NULL
        bits = <uint64_t> entry[1] | <uint64_t> entry[2] << 8
        if first >= 0xf2:
            bits |= <uint64_t> entry[3] << 16
        if first >= 0xf3:
            bits |= <uint64_t> entry[4] << 24
        if first >= 0xf4:
            bits |= (<uint64_t> entry[5] << 32 | <uint64_t> entry[6] << 40 | <uint64_t> entry[7] << 48
                     | <uint64_t> entry[8] << 56)
            shift = 0
        else:
            shift = 8 * (0xf7 - first)      # unused high bits: 48, 40, 32
        value.integer = <int64_t> (bits << shift) >> shift
