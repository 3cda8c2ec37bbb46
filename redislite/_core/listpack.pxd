"""Listpack: a sequence of strings and integers in one block, walked in both directions. The original's binary format.

    | total bytes: 4 LE | elements: 2 LE, 65535: count by walking | entry | entry | ... | 0xff |
    entry: | encoding and data | length of the part before, 1 to 5 bytes, readable backwards |

A listpack is a heap block of exactly its total bytes: release and growth use that size. Functions that change it may move
it: they answer the new block, NULL where memory is out (the old one is intact then). Elements are addressed by a pointer
to their entry, valid until the next change. A string that reads as an integer is stored as one.

Format: the original's listpack specification, https://github.com/antirez/listpack/blob/master/listpack.md
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from redislite._core.alloc cimport Heap

ctypedef uint8_t* listpack

cdef enum:
    LISTPACK_HEADER = 6             # bytes
    LISTPACK_INTEGER_TEXT = 21      # room that listpack_get needs to write an integer
    LISTPACK_MAX_BYTES = 1 << 30    # a listpack never grows beyond


# An element as it is looked at: data points into the listpack, or is NULL and the element is the integer.
cdef struct ListpackValue:
    char* data
    size_t length
    int64_t integer


# An empty one, or NULL.
cdef listpack listpack_new(Heap* heap) noexcept nogil
cdef void listpack_free(Heap* heap, listpack pack) noexcept nogil
cdef size_t listpack_bytes(const uint8_t* pack) noexcept nogil
# Number of elements; walks where the header cannot tell.
cdef size_t listpack_length(const uint8_t* pack) noexcept nogil
# First, last, following, preceding element; NULL at the ends.
cdef uint8_t* listpack_first(listpack pack) noexcept nogil
cdef uint8_t* listpack_last(listpack pack) noexcept nogil
cdef uint8_t* listpack_next(listpack pack, uint8_t* entry) noexcept nogil
cdef uint8_t* listpack_previous(listpack pack, uint8_t* entry) noexcept nogil
# Element by index, from the end where negative (walks from the nearer end); NULL out of range.
cdef uint8_t* listpack_seek(listpack pack, int64_t index) noexcept nogil
cdef void listpack_get(const uint8_t* entry, ListpackValue* value) noexcept nogil
# The element as text: an integer is written to buffer (LISTPACK_INTEGER_TEXT bytes).
cdef char* listpack_text(const uint8_t* entry, char* buffer, size_t* length) noexcept nogil
# Whether the element equals these bytes.
cdef bint listpack_equals(const uint8_t* entry, const char* data, size_t length) noexcept nogil
# First element from entry on (skipping skip elements after each comparison: fields only, say) that equals; or NULL.
cdef uint8_t* listpack_find(listpack pack, uint8_t* entry, const char* data, size_t length, uint32_t skip) noexcept nogil
# Adds behind the last element, before the first one, or before/behind an entry; *entry then points to the new element.
cdef listpack listpack_append(Heap* heap, listpack pack, const char* data, size_t length) noexcept nogil
cdef listpack listpack_append_integer(Heap* heap, listpack pack, int64_t value) noexcept nogil
cdef listpack listpack_prepend(Heap* heap, listpack pack, const char* data, size_t length) noexcept nogil
cdef listpack listpack_insert(Heap* heap, listpack pack, uint8_t** entry, bint behind, const char* data, size_t length) noexcept nogil
# Puts another value in the element's place; *entry follows.
cdef listpack listpack_replace(Heap* heap, listpack pack, uint8_t** entry, const char* data, size_t length) noexcept nogil
cdef listpack listpack_replace_integer(Heap* heap, listpack pack, uint8_t** entry, int64_t value) noexcept nogil
# Removes the element; *entry then points to the following one, or is NULL at the end.
cdef listpack listpack_delete(Heap* heap, listpack pack, uint8_t** entry) noexcept nogil
# Removes count elements from the entry on.
cdef listpack listpack_delete_range(Heap* heap, listpack pack, uint8_t* entry, size_t count) noexcept nogil
# Bytes an element takes, its back length included.
cdef size_t listpack_entry_bytes(const uint8_t* entry) noexcept nogil
# Bytes that an element with this value would take.
cdef size_t listpack_value_bytes(const char* data, size_t length) noexcept nogil
# Whether size bytes are a well-formed listpack; deep also looks at every entry.
cdef bint listpack_validate(const uint8_t* pack, size_t size, bint deep) noexcept nogil
# A copy.
cdef listpack listpack_copy(Heap* heap, const uint8_t* pack) noexcept nogil
