"""Ziplists and zipmaps, the small encodings of versions before 7, made into listpacks. Nothing else is done with them.

    ziplist: | bytes: 4 LE | offset of the last entry: 4 LE | entries: 2 LE, 65535: many | entry ... | 0xff |
    entry:   | bytes of the one before: 1, or 254 and 4 LE | encoding | data |

    00nnnnnn ...   01nnnnnn n ...   0x80, 4 BE ...      strings
    0xc0, 2   0xf0, 3   0xd0, 4   0xe0, 8   0xfe, 1     integers LE of so many bytes
    0xf1 to 0xfd                                        integers 0 to 12

    zipmap:  | pairs | length, name | length, 1 byte spare, value, spare ... | ... | 0xff |   length: 1, or 254 and 4 LE
"""
from libc.stdint cimport uint8_t
from redislite._core.base.alloc cimport Heap
from redislite._core.structures.listpack cimport listpack


# The elements as a listpack, after everything has been checked; NULL where the bytes are malformed, or memory is out,
# which *starved tells.
cdef listpack ziplist_convert(Heap* heap, const uint8_t* data, size_t size, bint* starved) noexcept nogil
cdef listpack zipmap_convert(Heap* heap, const uint8_t* data, size_t size, bint* starved) noexcept nogil
