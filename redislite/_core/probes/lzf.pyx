"""Python functions over the LZF codec, for unit tests only."""
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from redislite._core.text.lzf cimport lzf_compress, lzf_decompress


def compress(bytes data, size_t room):
    """The compressed bytes, None where they would be more than room."""
    # Blocks of the exact sizes, so that a sanitizer sees what is read or written beyond.
    cdef uint8_t* source = <uint8_t*> malloc(len(data))
    cdef uint8_t* out = <uint8_t*> malloc(room)
    cdef size_t written
    memcpy(source, <const char*> data, len(data))
    written = lzf_compress(source, len(data), out, room)
    try:
        return out[:written] if written else None
    finally:
        free(source)
        free(out)


def decompress(bytes data, size_t room):
    """The bytes, None where the input is malformed or makes more than room."""
    cdef uint8_t* source = <uint8_t*> malloc(len(data))
    cdef uint8_t* out = <uint8_t*> malloc(room)
    cdef size_t written
    memcpy(source, <const char*> data, len(data))
    written = lzf_decompress(source, len(data), out, room)
    try:
        return out[:written] if written else None
    finally:
        free(source)
        free(out)
