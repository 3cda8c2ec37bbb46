"""LZF: the fast compression of list nodes and of long strings in snapshots.

    compressed: a sequence of
    | 000nnnnn                   | n + 1 bytes as they are
    | lllooooo oooooooo          | l + 2 bytes copied from o + 1 bytes back, l from 1 to 6
    | 111ooooo llllllll oooooooo | l + 9 bytes copied likewise

Nothing allocates, nothing reads or writes outside of what it is given, whatever the input.
"""
from libc.stdint cimport uint8_t

cdef enum:
    LZF_LITERALS_MAX = 32           # bytes of one run
    LZF_DISTANCE_MAX = 8192         # how far back a copy reaches
    LZF_COPY_MAX = 264              # bytes of one copy


# Compresses; answers the bytes written, 0 where they would be more than room.
cdef size_t lzf_compress(const uint8_t* data, size_t length, uint8_t* out, size_t room) noexcept nogil
# Decompresses; answers the bytes written, 0 where the input is malformed or makes more than room bytes.
cdef size_t lzf_decompress(const uint8_t* data, size_t length, uint8_t* out, size_t room) noexcept nogil
