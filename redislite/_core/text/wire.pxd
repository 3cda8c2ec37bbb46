"""RESP as bytes: headers and bulk strings, of which requests, replies and messages are made.

    *3\\r\\n   $5\\r\\nhello\\r\\n        a header: a character, a number; a bulk string: its header, its bytes, an end

Inline only; the caller has made room. Each answers the place behind what it wrote.
Format: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64

cdef enum:
    HEADER_MAX = 1 + INTEGER_TEXT_MAX + 2       # bytes of a header
    BULK_MAX = HEADER_MAX + 2                   # bytes of a bulk string, but for its own


cdef inline char* put_end(char* place) noexcept nogil:
    place[0] = c'\r'
    place[1] = c'\n'
    return place + 2


cdef inline char* put_header(char* place, char kind, int64_t number) noexcept nogil:
    place[0] = kind
    if 0 <= number <= 9:
        place[1] = <char> (c'0' + number)
        return put_end(place + 2)
    return put_end(place + 1 + format_int64(place + 1, number))


# data may be NULL where length is 0.
cdef inline char* put_bulk(char* place, const char* data, size_t length) noexcept nogil:
    place = put_header(place, c'$', <int64_t> length)
    if length:
        memcpy(place, data, length)
    return put_end(place + length)


# Bytes of the header of a bulk string of this length.
cdef inline size_t bulk_header_size(size_t length) noexcept nogil:
    cdef size_t size = 4
    while length >= 10:
        length //= 10
        size += 1
    return size
