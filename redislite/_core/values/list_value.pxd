"""The value of a list, whatever its encoding: what a list can do, apart from keys.

    listpack     small: all elements in one block
    quicklist    linked nodes of listpacks (quicklist.pxd)

Before adding, list_reserve makes a quicklist of a listpack that would grow beyond `list-max-listpack-size`; after
removing, list_shrink makes a listpack of a quicklist that has come down to half of that. A ListValue is the pair of
encoding and block that stands in an entry: whoever changes the list must write both back.

Functions that answer -1 where memory is out have changed nothing then, unless they say otherwise. Data that is added
must not point into the list.
"""
from libc.stdint cimport int64_t, uint8_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Core, Reply
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.structures.quicklist cimport QuicklistIterator
from redislite._core.structures.release cimport Release


cdef struct ListValue:
    int encoding                    # ENCODING_LISTPACK or ENCODING_QUICKLIST
    void* block                     # listpack, Quicklist*


# A place in a list. What is read is good until the list changes by other means than this iterator.
cdef struct ListIterator:
    Heap* heap
    ListValue* value
    uint8_t* entry                  # listpack: the element
    QuicklistIterator quick


# An empty listpack. 0, or -1.
cdef int list_new(Core* core, ListValue* value) noexcept nogil
cdef void list_free(Heap* heap, ListValue* value) noexcept nogil
cdef int list_copy(Heap* heap, const ListValue* value, ListValue* copy) noexcept nogil
cdef size_t list_length(const ListValue* value) noexcept nogil
# Bytes of memory it takes.
cdef size_t list_memory(const ListValue* value) noexcept nogil
# Releases it bit by bit: 1 while more is to do (release.pxd).
cdef bint list_release_step(Release* step, ListValue* value) noexcept nogil

# Converts a list whose encoding could not take so many more elements, of so many bytes together. 0, or -1.
cdef int list_reserve(Core* core, ListValue* value, size_t bytes, size_t count) noexcept nogil
# Converts a list that has become small. (It stays as it is where memory is out.)
cdef void list_shrink(Core* core, ListValue* value) noexcept nogil
# Adds an element at an end. 0, or -1.
cdef int list_push(Heap* heap, ListValue* value, bint at_head, const char* data, size_t length) noexcept nogil
# Looks at the element at an end of a list that is not empty: good until the next change. 0 where memory is out.
cdef bint list_end(Heap* heap, const ListValue* value, bint at_head, ListpackValue* element) noexcept nogil
# Removes the element at an end, which list_end has shown. 0, or -1.
cdef int list_drop(Heap* heap, ListValue* value, bint at_head) noexcept nogil
# Removes count elements from start on (both within the list). 0, or -1: nothing has changed then.
cdef int list_delete_range(Heap* heap, ListValue* value, size_t start, size_t count) noexcept nogil
# Removes all others, where count is not 0; likewise. rest: a list that the caller is to release, if its block is not
# NULL.
cdef int list_keep_range(Heap* heap, ListValue* value, size_t start, size_t count, ListValue* rest) noexcept nogil
# Appends count elements from start on (both within the list) to a reply, in the list's order or backward from start.
cdef void list_reply_range(Reply* reply, Heap* heap, ListValue* value, size_t start, size_t count,
                           bint backward) noexcept nogil

# Goes to an element by index, from the end where negative. 0 out of range or memory out. list_stop is due in any case.
cdef bint list_seek(ListIterator* it, Heap* heap, ListValue* value, int64_t index) noexcept nogil
# Goes on; 0 at the end or memory out.
cdef bint list_next(ListIterator* it) noexcept nogil
cdef bint list_previous(ListIterator* it) noexcept nogil
# Whether memory was out on the way.
cdef bint list_failed(const ListIterator* it) noexcept nogil
cdef void list_get(const ListIterator* it, ListpackValue* element) noexcept nogil
cdef bint list_equals(const ListIterator* it, const char* data, size_t length) noexcept nogil
# Adds an element behind or before the one the iterator stands on; it stands nowhere afterwards. 0, or -1.
cdef int list_insert(ListIterator* it, bint behind, const char* data, size_t length) noexcept nogil
# Puts an element in the place of the one the iterator stands on; it stands nowhere afterwards. 0, or -1.
cdef int list_replace(ListIterator* it, const char* data, size_t length) noexcept nogil
# Removes the element; the iterator then stands on the following one, or the preceding one where backward. *more: 0
# where there is none. 0, or -1.
cdef int list_delete(ListIterator* it, bint backward, bint* more) noexcept nogil
cdef void list_stop(ListIterator* it) noexcept nogil
