"""LZF compression; the contract and the format are in lzf.pxd."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

cdef enum:
    TABLE_BITS_MIN = 8
    TABLE_BITS_MAX = 13             # 32 KiB of stack
    POSITION_MAX = 0xfffffffe       # beyond, positions do not fit the table


cdef inline uint32_t three(const uint8_t* place) noexcept nogil:
    return <uint32_t> place[0] << 16 | <uint32_t> place[1] << 8 | place[2]


cdef inline uint32_t table_slot(uint32_t bytes, int bits) noexcept nogil:
    return <uint32_t> (bytes * <uint32_t> 2654435761) >> (32 - bits)


cdef inline uint8_t* put_literals(uint8_t* out, const uint8_t* end, const uint8_t* data,
                                  size_t count) noexcept nogil:
    """Writes runs of literals; NULL where there is no room."""
    cdef size_t run
    while count:
        run = count if count < LZF_LITERALS_MAX else <size_t> LZF_LITERALS_MAX
        if <size_t> (end - out) < run + 1:
            return NULL
        out[0] = <uint8_t> (run - 1)
        memcpy(out + 1, data, run)
        out += run + 1
        data += run
        count -= run
    return out


cdef size_t lzf_compress(const uint8_t* data, size_t length, uint8_t* out, size_t room) noexcept nogil:
    # Position + 1 of where three bytes with this hash last stood; 0: nowhere.
    cdef uint32_t table[1 << TABLE_BITS_MAX]
    cdef int bits = TABLE_BITS_MIN
    cdef uint8_t* place = out
    cdef const uint8_t* end = out + room
    cdef size_t position = 0
    cdef size_t literals = 0                    # where the bytes not yet written begin
    cdef size_t candidate, distance, copied, most
    cdef uint32_t slot
    if length == 0 or length > POSITION_MAX:
        return 0
    while bits < TABLE_BITS_MAX and <size_t> 1 << bits < length:
        bits += 1
    memset(table, 0, (<size_t> 1 << bits) * sizeof(uint32_t))
    while position + 2 < length:
        slot = table_slot(three(data + position), bits)
        candidate = table[slot]
        table[slot] = <uint32_t> (position + 1)
        distance = position + 1 - candidate
        if candidate == 0 or distance > LZF_DISTANCE_MAX or three(data + candidate - 1) != three(data + position):
            # The longer nothing was found, the larger the steps: what does not compress is given up quickly.
            position += 1 + (position - literals >> 7)
            continue
        candidate -= 1
        most = length - position
        if most > LZF_COPY_MAX:
            most = LZF_COPY_MAX
        copied = 3
        while copied < most and data[candidate + copied] == data[position + copied]:
            copied += 1
        place = put_literals(place, end, data + literals, position - literals)
        if place == NULL or end - place < 3:
            return 0
        distance -= 1
        if copied < 9:
            place[0] = <uint8_t> (copied - 2 << 5 | distance >> 8)
            place += 1
        else:
            place[0] = <uint8_t> (0xe0 | distance >> 8)
            place[1] = <uint8_t> (copied - 9)
            place += 2
        place[0] = <uint8_t> distance
        place += 1
        position += copied
        literals = position
        # What stands at the end of the copy begins the next one, often.
        if position + 2 < length:
            table[table_slot(three(data + position - 1), bits)] = <uint32_t> position
    place = put_literals(place, end, data + literals, length - literals)
    return place - out if place != NULL else 0


cdef size_t lzf_decompress(const uint8_t* data, size_t length, uint8_t* out, size_t room) noexcept nogil:
    cdef const uint8_t* end = data + length
    cdef size_t written = 0
    cdef size_t count, distance, i
    cdef uint8_t control
    while data < end:
        control = data[0]
        data += 1
        if control < LZF_LITERALS_MAX:
            count = control + 1
            if count > <size_t> (end - data) or count > room - written:
                return 0
            memcpy(out + written, data, count)
            data += count
            written += count
            continue
        count = (control >> 5) + 2
        if control >= 0xe0:
            if data >= end:
                return 0
            count += data[0]
            data += 1
        if data >= end:
            return 0
        distance = (<size_t> (control & 31) << 8 | data[0]) + 1
        data += 1
        if distance > written or count > room - written:
            return 0
        if distance >= count:
            memcpy(out + written, out + written - distance, count)
        else:
            # The copy runs into what it writes: that is how repetition is said.
            for i in range(count):
                out[written + i] = out[written + i - distance]
        written += count
    return written
