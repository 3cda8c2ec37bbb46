"""Prefixed strings: a length of 1, 3 or 9 bytes, then the bytes. How keys, fields and small values stand inside
entries.

    length < 254         | length: 1 |                     bytes ...
    length < 65,536      | 254: 1    | length: 2 native |  bytes ...
    otherwise            | 255: 1    | length: 8 native |  bytes ...

Nothing is aligned; all reads and writes go through memcpy. Inline only: no allocation, no failure.
"""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy


# Bytes that a string of this length takes with its prefix.
cdef inline size_t prefixed_size(size_t length) noexcept nogil:
    return length + (1 if length < 254 else 3 if length < 65536 else 9)


# Writes prefix and bytes at place (which has room); answers the place behind them. data may be NULL: prefix only
# is written and the bytes are left as they are.
cdef inline char* prefixed_write(char* place, const char* data, size_t length) noexcept nogil:
    cdef uint16_t short_length
    cdef uint64_t long_length
    if length < 254:
        (<uint8_t*> place)[0] = <uint8_t> length
        place += 1
    elif length < 65536:
        short_length = <uint16_t> length
        (<uint8_t*> place)[0] = 254
        memcpy(place + 1, &short_length, 2)
        place += 3
    else:
        long_length = length
        (<uint8_t*> place)[0] = 255
        memcpy(place + 1, &long_length, 8)
        place += 9
    if data != NULL and length:
        memcpy(place, data, length)
    return place + length


# The string that stands at place: its length in *length, its bytes as the answer.
cdef inline char* prefixed_read(const char* place, size_t* length) noexcept nogil:
    cdef uint8_t first = (<const uint8_t*> place)[0]
    cdef uint16_t short_length
    cdef uint64_t long_length
    if first < 254:
        length[0] = first
        return <char*> place + 1
    if first == 254:
        memcpy(&short_length, place + 1, 2)
        length[0] = short_length
        return <char*> place + 3
    memcpy(&long_length, place + 1, 8)
    length[0] = <size_t> long_length
    return <char*> place + 9
