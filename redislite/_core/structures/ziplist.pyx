"""Ziplists and zipmaps made into listpacks; the contract and the formats are in ziplist.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from redislite._core.structures.listpack cimport listpack_append, listpack_append_integer, listpack_free, listpack_new

cdef enum:
    HEADER = 10                     # bytes
    END = 0xff
    LONG = 254                      # four bytes of length follow
    UNCOUNTED = 65535


# A piece of data as it was found.
cdef struct Piece:
    const uint8_t* data             # NULL: an integer
    size_t length
    int64_t integer


cdef inline uint64_t little(const uint8_t* place, int bytes) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(bytes):
        value |= <uint64_t> place[i] << (8 * i)
    return value


cdef inline int64_t signed_little(const uint8_t* place, int bytes) noexcept nogil:
    return <int64_t> (little(place, bytes) << (64 - 8 * bytes)) >> (64 - 8 * bytes)


cdef listpack append(Heap* heap, listpack pack, const Piece* piece, bint* starved) noexcept nogil:
    """The listpack with the piece, or NULL, and then it is released."""
    cdef listpack longer
    if piece.data != NULL:
        longer = listpack_append(heap, pack, <const char*> piece.data, piece.length)
    else:
        longer = listpack_append_integer(heap, pack, piece.integer)
    if longer == NULL:
        starved[0] = 1
        listpack_free(heap, pack)
    return longer


cdef size_t read_piece(const uint8_t* place, size_t left, Piece* piece) noexcept nogil:
    """Reads encoding and data, within so many bytes; answers how many they are, 0 where they are malformed."""
    cdef uint8_t first
    cdef size_t head
    cdef int bytes
    piece.data = NULL
    piece.length = 0
    piece.integer = 0
    if left == 0:
        return 0
    first = place[0]
    if first < 0xc0:
        head = 1 if first < 0x40 else 2 if first < 0x80 else 5
        if left < head or (first > 0x80 and head == 5):
            return 0
        if head == 1:
            piece.length = first
        elif head == 2:
            piece.length = <size_t> (first & 63) << 8 | place[1]
        else:
            piece.length = (<size_t> place[1] << 24 | <size_t> place[2] << 16 | <size_t> place[3] << 8 | place[4])
        if piece.length > left - head:
            return 0
        piece.data = place + head
        return head + piece.length
    if 0xf1 <= first <= 0xfd:
        piece.integer = first - 0xf1
        return 1
    bytes = 2 if first == 0xc0 else 4 if first == 0xd0 else 8 if first == 0xe0 else 3 if first == 0xf0 else \
        1 if first == 0xfe else 0
    if bytes == 0 or left < <size_t> (1 + bytes):
        return 0
    piece.integer = signed_little(place + 1, bytes)
    return <size_t> (1 + bytes)


cdef listpack ziplist_convert(Heap* heap, const uint8_t* data, size_t size, bint* starved) noexcept nogil:
    cdef size_t at = HEADER
    cdef size_t before = 0          # bytes of the preceding entry
    cdef size_t entries = 0
    cdef size_t head, bytes, claimed
    cdef Piece piece
    cdef listpack pack
    starved[0] = 0
    if size < HEADER + 1 or little(data, 4) != size or data[size - 1] != END:
        return NULL
    pack = listpack_new(heap)
    if pack == NULL:
        starved[0] = 1
        return NULL
    while at < size - 1:
        head = 5 if data[at] == LONG else 1
        bytes = 0
        if data[at] != END and size - 1 - at > head:
            claimed = little(data + at + 1, 4) if head == 5 else <size_t> data[at]
            if claimed == before:
                bytes = read_piece(data + at + head, size - 1 - at - head, &piece)
        if bytes == 0:
            listpack_free(heap, pack)
            return NULL
        pack = append(heap, pack, &piece, starved)
        if pack == NULL:
            return NULL
        before = head + bytes
        at += before
        entries += 1
    if little(data + 4, 4) != (size - 1 - before if entries else <size_t> HEADER) or \
            (little(data + 8, 2) != UNCOUNTED and little(data + 8, 2) != entries):
        listpack_free(heap, pack)
        return NULL
    return pack


cdef bint read_length(const uint8_t* data, size_t size, size_t* at, size_t* length) noexcept nogil:
    """A length of a zipmap; there must be so much behind it."""
    if at[0] >= size or data[at[0]] == END:
        return 0
    if data[at[0]] < LONG:
        length[0] = data[at[0]]
        at[0] += 1
    else:
        if size - at[0] < 5:
            return 0
        length[0] = little(data + at[0] + 1, 4)
        at[0] += 5
    return length[0] <= size - at[0]


cdef listpack zipmap_convert(Heap* heap, const uint8_t* data, size_t size, bint* starved) noexcept nogil:
    cdef size_t at = 1
    cdef size_t spare
    cdef size_t pairs = 0
    cdef Piece piece
    cdef listpack pack
    starved[0] = 0
    piece.integer = 0
    if size < 2 or data[size - 1] != END:
        return NULL
    size -= 1
    pack = listpack_new(heap)
    if pack == NULL:
        starved[0] = 1
        return NULL
    while at < size:
        if not read_length(data, size, &at, &piece.length):
            break
        piece.data = data + at
        at += piece.length
        pack = append(heap, pack, &piece, starved)
        if pack == NULL:
            return NULL
        if not read_length(data, size, &at, &piece.length) or at >= size:
            break
        spare = data[at]
        piece.data = data + at + 1
        at += 1
        if piece.length > size - at or spare > size - at - piece.length:
            break
        at += piece.length + spare
        pack = append(heap, pack, &piece, starved)
        if pack == NULL:
            return NULL
        pairs += 1
    if at != size or pairs == 0 or (data[0] < LONG and data[0] != pairs):
        listpack_free(heap, pack)
        return NULL
    return pack
