"""Listpack: a sequence of strings and integers in one block; the contract and the format are in listpack.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove
from redislite._core.base.alloc cimport SMALL_MAX, Heap, heap_alloc, heap_footprint, heap_free, heap_realloc
from redislite._core.base.growth cimport growth_fits, growth_size
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64, parse_int64


cdef inline uint32_t header_count(const uint8_t* pack) noexcept nogil:
    return <uint32_t> pack[4] | <uint32_t> pack[5] << 8


cdef inline void set_header(listpack pack, size_t bytes, uint32_t count) noexcept nogil:
    pack[0] = <uint8_t> bytes
    pack[1] = <uint8_t> (bytes >> 8)
    pack[2] = <uint8_t> (bytes >> 16)
    pack[3] = <uint8_t> (bytes >> 24)
    pack[4] = <uint8_t> count
    pack[5] = <uint8_t> (count >> 8)


cdef inline void encode_string(ListpackEncoded* encoded, const char* data, size_t length) noexcept nogil:
    encoded.data = data
    encoded.data_bytes = length
    if length < 64:
        encoded.head[0] = <uint8_t> (0x80 | length)
        encoded.head_bytes = 1
    elif length < 4096:
        encoded.head[0] = <uint8_t> (0xe0 | length >> 8)
        encoded.head[1] = <uint8_t> length
        encoded.head_bytes = 2
    else:
        encoded.head[0] = 0xf0
        encoded.head[1] = <uint8_t> length
        encoded.head[2] = <uint8_t> (length >> 8)
        encoded.head[3] = <uint8_t> (length >> 16)
        encoded.head[4] = <uint8_t> (length >> 24)
        encoded.head_bytes = 5
    encoded.bytes = encoded.head_bytes + length + listpack_back_bytes(encoded.head_bytes + length)


cdef inline void encode_integer(ListpackEncoded* encoded, int64_t value) noexcept nogil:
    cdef uint64_t bits = <uint64_t> value
    cdef int i
    encoded.data = NULL
    encoded.data_bytes = 0
    if 0 <= value <= 127:
        encoded.head[0] = <uint8_t> value
        encoded.head_bytes = 1
    elif -4096 <= value <= 4095:
        encoded.head[0] = <uint8_t> (0xc0 | (bits >> 8 & 31))
        encoded.head[1] = <uint8_t> bits
        encoded.head_bytes = 2
    else:
        if -32768 <= value <= 32767:
            encoded.head[0] = 0xf1
            encoded.head_bytes = 3
        elif -8388608 <= value <= 8388607:
            encoded.head[0] = 0xf2
            encoded.head_bytes = 4
        elif -2147483648 <= value <= 2147483647:
            encoded.head[0] = 0xf3
            encoded.head_bytes = 5
        else:
            encoded.head[0] = 0xf4
            encoded.head_bytes = 9
        for i in range(8):
            encoded.head[1 + i] = <uint8_t> (bits >> 8 * i)
    encoded.bytes = encoded.head_bytes + 1


cdef inline bint read_integer(const char* data, size_t length, int64_t* value) noexcept nogil:
    """parse_int64, without the call for what cannot be a number."""
    return (0 < length <= INTEGER_TEXT_MAX and (c'0' <= data[0] <= c'9' or data[0] == c'-')
            and parse_int64(data, length, value))


cdef inline void encode(ListpackEncoded* encoded, const char* data, size_t length) noexcept nogil:
    cdef int64_t value
    if read_integer(data, length, &value):
        encode_integer(encoded, value)
    else:
        encode_string(encoded, data, length)


cdef inline void write_back(uint8_t* place, size_t bytes) noexcept nogil:
    """The back length: seven bits a byte, the last byte lowest; all but the first say that more stand before them."""
    cdef size_t count = listpack_back_bytes(bytes)
    cdef size_t i
    if count == 1:
        place[0] = <uint8_t> bytes
        return
    for i in range(count - 1):
        place[count - 1 - i] = <uint8_t> ((bytes & 127) | 128)
        bytes >>= 7
    place[0] = <uint8_t> bytes


cdef inline void write_entry(uint8_t* place, const ListpackEncoded* encoded) noexcept nogil:
    memcpy(place, encoded.head, encoded.head_bytes)
    if encoded.data_bytes:
        memcpy(place + encoded.head_bytes, encoded.data, encoded.data_bytes)
    write_back(place + encoded.head_bytes + encoded.data_bytes, encoded.head_bytes + encoded.data_bytes)


cdef void listpack_encode(ListpackEncoded* encoded, const char* data, size_t length) noexcept nogil:
    encode(encoded, data, length)


cdef void listpack_write(uint8_t* place, const ListpackEncoded* encoded) noexcept nogil:
    write_entry(place, encoded)


cdef listpack splice(Heap* heap, listpack pack, size_t offset, size_t old, size_t new) noexcept nogil:
    """Makes room for new bytes in the place of old ones at the offset; writes neither the room nor the header."""
    cdef size_t bytes = listpack_bytes(pack)
    cdef size_t wanted = bytes - old + new
    cdef size_t tail = bytes - offset - old
    cdef size_t block, wanted_block
    cdef listpack moved
    if new > LISTPACK_MAX_BYTES or wanted > LISTPACK_MAX_BYTES:
        return NULL
    block = growth_size(bytes)
    wanted_block = growth_size(wanted)
    if growth_fits(block, wanted_block):
        if old != new:
            memmove(pack + offset + new, pack + offset + old, tail)
        return pack
    if block > SMALL_MAX and wanted_block > block:
        # The C library can often extend a block where it stands.
        moved = <listpack> heap_realloc(heap, pack, block, wanted_block)
        if moved != NULL:
            memmove(moved + offset + new, moved + offset + old, tail)
        return moved
    moved = <listpack> heap_alloc(heap, wanted_block)
    if moved == NULL:
        return NULL
    memcpy(moved, pack, offset)
    memcpy(moved + offset + new, pack + offset + old, tail)
    heap_free(heap, pack, block)
    return moved


cdef listpack put(Heap* heap, listpack pack, uint8_t** entry, size_t old,
                  const ListpackEncoded* encoded) noexcept nogil:
    """Puts a new entry where old bytes stand (0: none, one element more)."""
    cdef size_t offset = entry[0] - pack
    cdef size_t bytes = listpack_bytes(pack)
    cdef uint32_t count = header_count(pack)
    cdef listpack moved = splice(heap, pack, offset, old, encoded.bytes)
    if moved == NULL:
        return NULL
    write_entry(moved + offset, encoded)
    set_header(moved, bytes - old + encoded.bytes, count + 1 if old == 0 and count != LISTPACK_UNCOUNTED else count)
    entry[0] = moved + offset
    return moved


cdef listpack listpack_new(Heap* heap) noexcept nogil:
    cdef listpack pack = <listpack> heap_alloc(heap, LISTPACK_HEADER + 1)
    if pack != NULL:
        set_header(pack, LISTPACK_HEADER + 1, 0)
        pack[LISTPACK_HEADER] = LISTPACK_END
    return pack


cdef void listpack_free(Heap* heap, listpack pack) noexcept nogil:
    if pack != NULL:
        heap_free(heap, pack, growth_size(listpack_bytes(pack)))


cdef size_t listpack_memory(const uint8_t* pack) noexcept nogil:
    return heap_footprint(growth_size(listpack_bytes(pack)))


cdef listpack listpack_copy(Heap* heap, const uint8_t* pack) noexcept nogil:
    cdef size_t bytes = listpack_bytes(pack)
    cdef listpack copy = <listpack> heap_alloc(heap, growth_size(bytes))
    if copy != NULL:
        memcpy(copy, pack, bytes)
    return copy


cdef size_t listpack_length(const uint8_t* pack) noexcept nogil:
    cdef size_t count = header_count(pack)
    cdef const uint8_t* entry
    if count != LISTPACK_UNCOUNTED:
        return count
    count = 0
    entry = pack + LISTPACK_HEADER
    while entry[0] != LISTPACK_END:
        entry += listpack_entry_bytes(entry)
        count += 1
    return count


cdef uint8_t* listpack_previous(listpack pack, uint8_t* entry) noexcept nogil:
    cdef size_t bytes = 0
    cdef int shift = 0
    cdef uint8_t* place = entry - 1
    if entry == pack + LISTPACK_HEADER:
        return NULL
    while place[0] & 128 and shift < 28:
        bytes |= <size_t> (place[0] & 127) << shift
        shift += 7
        place -= 1
    bytes |= <size_t> (place[0] & 127) << shift
    return place - bytes


cdef uint8_t* listpack_last(listpack pack) noexcept nogil:
    return listpack_previous(pack, pack + listpack_bytes(pack) - 1)


cdef uint8_t* listpack_seek(listpack pack, int64_t index) noexcept nogil:
    cdef int64_t count = header_count(pack)
    cdef uint8_t* entry
    if count != LISTPACK_UNCOUNTED:
        if index >= count or index < -count:
            return NULL
        if index > count // 2:
            index -= count
        elif index < 0 and index + count <= count // 2:
            index += count
    if index >= 0:
        entry = listpack_first(pack)
        while index > 0 and entry != NULL:
            entry = listpack_next(pack, entry)
            index -= 1
    else:
        entry = listpack_last(pack)
        while index < -1 and entry != NULL:
            entry = listpack_previous(pack, entry)
            index += 1
    return entry


cdef char* listpack_text(const uint8_t* entry, char* buffer, size_t* length) noexcept nogil:
    cdef ListpackValue value
    listpack_get(entry, &value)
    if value.data != NULL:
        length[0] = value.length
        return value.data
    length[0] = format_int64(buffer, value.integer)
    return buffer


cdef inline bint same_bytes(const char* a, const char* b, size_t length) noexcept nogil:
    """Whether two strings of one length are equal. The ends come first: that is where elements of a kind differ."""
    cdef uint64_t x, y
    cdef uint32_t p, q
    cdef uint16_t s, t
    if length >= 8:
        memcpy(&x, a + length - 8, 8)
        memcpy(&y, b + length - 8, 8)
        if x != y:
            return 0
        if length <= 16:
            memcpy(&x, a, 8)
            memcpy(&y, b, 8)
            return x == y
        return memcmp(a, b, length - 8) == 0
    if length >= 4:
        memcpy(&p, a + length - 4, 4)
        memcpy(&q, b + length - 4, 4)
        if p != q:
            return 0
        memcpy(&p, a, 4)
        memcpy(&q, b, 4)
        return p == q
    if length >= 2:
        memcpy(&s, a + length - 2, 2)
        memcpy(&t, b + length - 2, 2)
        return s == t and a[0] == b[0]
    return length == 0 or a[0] == b[0]


cdef bint listpack_equals(const uint8_t* entry, const char* data, size_t length) noexcept nogil:
    cdef ListpackValue value
    cdef int64_t number
    listpack_get(entry, &value)
    if value.data != NULL:
        return value.length == length and same_bytes(value.data, data, length)
    return read_integer(data, length, &number) and number == value.integer


cdef uint8_t* listpack_find(listpack pack, uint8_t* entry, const char* data, size_t length,
                            uint32_t skip) noexcept nogil:
    cdef ListpackValue value
    cdef int64_t number = 0
    cdef uint32_t first
    cdef uint32_t skipped = 0
    # The first byte of a short string's entry: nothing else of another length has it.
    cdef uint32_t short_head = <uint32_t> (0x80 | length) if length < 64 else LISTPACK_END
    cdef bint numeric = read_integer(data, length, &number)
    if entry == NULL:
        return NULL
    while True:
        first = entry[0]
        if skipped == 0:
            skipped = skip
            if first < 0x80:
                if numeric and number == first:
                    return entry
            elif first < 0xc0:
                if first == short_head and same_bytes(<char*> entry + 1, data, length):
                    return entry
            elif first == LISTPACK_END:
                return NULL
            else:
                listpack_get(entry, &value)
                if value.data != NULL:
                    if value.length == length and same_bytes(value.data, data, length):
                        return entry
                elif numeric and number == value.integer:
                    return entry
        else:
            skipped -= 1
            if first == LISTPACK_END:
                return NULL
        if first < 0x80:
            entry += 2
        elif first < 0xc0:
            entry += 2 + (first & 63)
        else:
            entry += listpack_entry_bytes(entry)


cdef listpack listpack_append(Heap* heap, listpack pack, const char* data, size_t length) noexcept nogil:
    cdef ListpackEncoded encoded
    cdef uint8_t* entry = pack + listpack_bytes(pack) - 1
    encode(&encoded, data, length)
    return put(heap, pack, &entry, 0, &encoded)


cdef listpack listpack_append_integer(Heap* heap, listpack pack, int64_t value) noexcept nogil:
    cdef ListpackEncoded encoded
    cdef uint8_t* entry = pack + listpack_bytes(pack) - 1
    encode_integer(&encoded, value)
    return put(heap, pack, &entry, 0, &encoded)


cdef listpack listpack_prepend(Heap* heap, listpack pack, const char* data, size_t length) noexcept nogil:
    cdef ListpackEncoded encoded
    cdef uint8_t* entry = pack + LISTPACK_HEADER
    encode(&encoded, data, length)
    return put(heap, pack, &entry, 0, &encoded)


cdef listpack listpack_prepend_integer(Heap* heap, listpack pack, int64_t value) noexcept nogil:
    cdef ListpackEncoded encoded
    cdef uint8_t* entry = pack + LISTPACK_HEADER
    encode_integer(&encoded, value)
    return put(heap, pack, &entry, 0, &encoded)


cdef inline listpack insert(Heap* heap, listpack pack, uint8_t** entry, bint behind,
                            const ListpackEncoded* encoded) noexcept nogil:
    cdef uint8_t* place = entry[0] + (listpack_entry_bytes(entry[0]) if behind else 0)
    cdef listpack moved = put(heap, pack, &place, 0, encoded)
    if moved != NULL:
        entry[0] = place
    return moved


cdef listpack listpack_insert(Heap* heap, listpack pack, uint8_t** entry, bint behind, const char* data,
                              size_t length) noexcept nogil:
    cdef ListpackEncoded encoded
    encode(&encoded, data, length)
    return insert(heap, pack, entry, behind, &encoded)


cdef listpack listpack_insert_integer(Heap* heap, listpack pack, uint8_t** entry, bint behind,
                                      int64_t value) noexcept nogil:
    cdef ListpackEncoded encoded
    encode_integer(&encoded, value)
    return insert(heap, pack, entry, behind, &encoded)


cdef listpack listpack_join(Heap* heap, listpack pack, const uint8_t* other, bint behind) noexcept nogil:
    cdef size_t bytes = listpack_bytes(pack)
    cdef size_t more = listpack_bytes(other) - LISTPACK_HEADER - 1
    cdef size_t offset = bytes - 1 if behind else LISTPACK_HEADER
    cdef uint32_t count = header_count(pack)
    cdef uint32_t other_count = header_count(other)
    cdef listpack moved
    if count == LISTPACK_UNCOUNTED or other_count == LISTPACK_UNCOUNTED or count + other_count > LISTPACK_UNCOUNTED:
        count = LISTPACK_UNCOUNTED
    else:
        count += other_count
    moved = splice(heap, pack, offset, 0, more)
    if moved != NULL:
        memcpy(moved + offset, other + LISTPACK_HEADER, more)
        set_header(moved, bytes + more, count)
    return moved


cdef listpack listpack_extend(Heap* heap, listpack pack, size_t bytes, size_t elements, uint8_t** place) noexcept nogil:
    cdef size_t old = listpack_bytes(pack)
    cdef size_t count = header_count(pack) + elements
    cdef listpack moved
    if header_count(pack) == LISTPACK_UNCOUNTED or count > LISTPACK_UNCOUNTED:
        count = LISTPACK_UNCOUNTED
    moved = splice(heap, pack, old - 1, 0, bytes)
    if moved != NULL:
        set_header(moved, old + bytes, <uint32_t> count)
        place[0] = moved + old - 1
    return moved


cdef uint8_t* listpack_put(uint8_t* place, const char* data, size_t length) noexcept nogil:
    cdef ListpackEncoded encoded
    encode(&encoded, data, length)
    write_entry(place, &encoded)
    return place + encoded.bytes


cdef uint8_t* listpack_put_integer(uint8_t* place, int64_t value) noexcept nogil:
    cdef ListpackEncoded encoded
    encode_integer(&encoded, value)
    write_entry(place, &encoded)
    return place + encoded.bytes


cdef listpack listpack_replace(Heap* heap, listpack pack, uint8_t** entry, const char* data,
                               size_t length) noexcept nogil:
    cdef ListpackEncoded encoded
    encode(&encoded, data, length)
    return put(heap, pack, entry, listpack_entry_bytes(entry[0]), &encoded)


cdef listpack listpack_replace_integer(Heap* heap, listpack pack, uint8_t** entry, int64_t value) noexcept nogil:
    cdef ListpackEncoded encoded
    encode_integer(&encoded, value)
    return put(heap, pack, entry, listpack_entry_bytes(entry[0]), &encoded)


cdef listpack listpack_delete(Heap* heap, listpack pack, uint8_t** entry) noexcept nogil:
    return listpack_delete_range(heap, pack, entry, 1)


cdef listpack listpack_delete_range(Heap* heap, listpack pack, uint8_t** entry, size_t count) noexcept nogil:
    cdef size_t offset = entry[0] - pack
    cdef size_t bytes = listpack_bytes(pack)
    cdef uint32_t left = header_count(pack)
    cdef uint8_t* end = entry[0]
    cdef uint32_t deleted = 0
    cdef listpack moved
    while count and end[0] != LISTPACK_END:
        end += listpack_entry_bytes(end)
        count -= 1
        deleted += 1
    if left != LISTPACK_UNCOUNTED:
        left -= deleted
    count = end - entry[0]
    moved = splice(heap, pack, offset, count, 0)
    if moved != NULL:
        set_header(moved, bytes - count, left)
        entry[0] = moved + offset if moved[offset] != LISTPACK_END else NULL
    return moved


cdef listpack listpack_slice(Heap* heap, const uint8_t* entry, size_t count) noexcept nogil:
    cdef const uint8_t* end = entry
    cdef size_t bytes, i
    cdef listpack slice
    for i in range(count):
        end += listpack_entry_bytes(end)
    bytes = LISTPACK_HEADER + (end - entry) + 1
    slice = <listpack> heap_alloc(heap, growth_size(bytes))
    if slice == NULL:
        return NULL
    memcpy(slice + LISTPACK_HEADER, entry, end - entry)
    slice[bytes - 1] = LISTPACK_END
    set_header(slice, bytes, count)
    return slice


cdef size_t listpack_value_bytes(const char* data, size_t length) noexcept nogil:
    cdef int64_t value
    cdef size_t bytes
    if read_integer(data, length, &value):
        return listpack_integer_bytes(value)
    bytes = length + (1 if length < 64 else 2 if length < 4096 else 5)
    return bytes + listpack_back_bytes(bytes)


cdef size_t listpack_integer_bytes(int64_t value) noexcept nogil:
    if 0 <= value <= 127:
        return 2
    if -4096 <= value <= 4095:
        return 3
    if -32768 <= value <= 32767:
        return 4
    if -8388608 <= value <= 8388607:
        return 5
    return 6 if -2147483648 <= value <= 2147483647 else 10


cdef inline size_t head_bytes(uint8_t first) noexcept nogil:
    """Bytes that must be there for listpack_data_bytes to be asked; 0 for no encoding."""
    if first < 0xe0:
        return 1
    if first < 0xf0:
        return 2
    if first == 0xf0:
        return 5
    return 1 if first <= 0xf4 else 0


cdef bint listpack_validate(const uint8_t* pack, size_t size, bint deep) noexcept nogil:
    cdef const uint8_t* entry
    cdef const uint8_t* end
    cdef size_t count = 0
    cdef size_t need, bytes
    cdef uint8_t back[5]
    if size < LISTPACK_HEADER + 1 or size > LISTPACK_MAX_BYTES or listpack_bytes(pack) != size:
        return 0
    end = pack + size - 1
    if end[0] != LISTPACK_END:
        return 0
    if not deep:
        return 1
    entry = pack + LISTPACK_HEADER
    while entry < end:
        need = head_bytes(entry[0])
        if need == 0 or need > <size_t> (end - entry):
            return 0
        bytes = listpack_data_bytes(entry)
        need = listpack_back_bytes(bytes)
        if bytes + need > <size_t> (end - entry):
            return 0
        write_back(back, bytes)
        if memcmp(entry + bytes, back, need) != 0:
            return 0
        entry += bytes + need
        count += 1
    return header_count(pack) == LISTPACK_UNCOUNTED or header_count(pack) == count
