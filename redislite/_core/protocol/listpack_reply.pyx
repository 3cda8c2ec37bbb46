"""Replies straight from listpacks; the contract is in listpack_reply.pxd."""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy
from redislite._core.protocol.reply cimport reply_advance, reply_bulk, reply_room
from redislite._core.state.core cimport Reply
from redislite._core.structures.listpack cimport ListpackValue, listpack_entry_bytes, listpack_get
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64
from redislite._core.text.wire cimport put_end

cdef enum:
    SHORT_MAX = 63                  # bytes of a string whose length stands in its entry's first byte
    ELEMENT_MAX = 5 + 64 + 2        # what such a string takes, copied in whole words


cdef inline char* put_header(char* place, size_t length) noexcept nogil:
    """The header of a bulk string of less than 100 bytes."""
    place[0] = c'$'
    if length < 10:
        place[1] = <char> (c'0' + length)
        return put_end(place + 2)
    place[1] = <char> (c'0' + length // 10)
    place[2] = <char> (c'0' + length % 10)
    return put_end(place + 3)


cdef void reply_listpack(Reply* reply, const uint8_t* entry, const uint8_t* end, size_t count) noexcept nogil:
    cdef ListpackValue value
    cdef char text[INTEGER_TEXT_MAX]
    cdef const uint8_t* source
    cdef char* room
    cdef char* place
    cdef const char* limit
    cdef size_t length
    cdef uint8_t first
    cdef bint is_long = 0
    while count:
        room = reply_room(reply, ELEMENT_MAX)
        if room == NULL:
            return
        place = room
        limit = room + (reply.last.capacity - reply.last.length)
        while count and limit - place >= ELEMENT_MAX:
            first = entry[0]
            if 0x80 <= first < 0xc0:
                length = first & SHORT_MAX
                source = entry + 1
                place = put_header(place, length)
                # Whole words are quicker than as many bytes as there are, where reading on is allowed.
                if length <= 16 and source + 16 <= end:
                    memcpy(place, source, 16)
                elif source + 64 <= end:
                    memcpy(place, source, 64)
                else:
                    memcpy(place, source, length)
                place = put_end(place + length)
                entry += length + 2
            else:
                listpack_get(entry, &value)
                entry += listpack_entry_bytes(entry)
                if value.data == NULL:
                    length = format_int64(text, value.integer)
                    place = put_header(place, length)
                    memcpy(place, text, length)
                    place = put_end(place + length)
                else:
                    is_long = 1
                    count -= 1
                    break
            count -= 1
        reply_advance(reply, place - room)
        if is_long:
            reply_bulk(reply, value.data, value.length)
            is_long = 0
