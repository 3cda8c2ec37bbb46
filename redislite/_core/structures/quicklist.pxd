"""Quicklist: a long list as linked nodes, each holding many elements in a listpack, or one huge element as it is.

    Quicklist ─▶ head ⇄ node ⇄ node ⇄ ... ⇄ tail          the middle ones LZF-compressed, if so asked

    packed node:      block | gap | listpack: header, entries, end | spare |     capacity = gap + bytes + spare
    plain node:       block | the element's bytes |
    compressed node:  block | LZF of either |

Room before the header is what makes a push or pop at the head as quick as at the tail: the header moves, the elements
stay. Cutting elements out moves the shorter side, and needs no memory. Nodes that the list has grown beyond are trimmed
to their size.

How much a node may hold is `fill`: that many elements (at most QUICKLIST_SAFE_BYTES), or where negative bytes, from -1
to -5: 4, 8, 16, 32, 64 KiB. An element that is larger than a node may be gets a plain node.

`depth` nodes at each end are never compressed, those between are while nobody works on them; 0: no compression.

Functions that add answer -1 where memory is out; nothing has changed then. Data that is added must not point into the
list.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from redislite._core.base.alloc cimport Heap
from redislite._core.structures.listpack cimport ListpackValue, listpack
from redislite._core.structures.release cimport Release

cdef enum:
    QUICKLIST_SAFE_BYTES = 8192     # of a node that is limited by a number of elements
    QUICKLIST_COMPRESS_MIN = 48     # bytes; smaller nodes are left alone
    QUICKLIST_GAIN_MIN = 8          # bytes that compression must save

cdef enum:
    NODE_BYTES_BITS = 34            # what fits a node: listpacks have no more than 2 ** 30 bytes
    NODE_COUNT_BITS = 27

cdef enum:
    NODE_PACKED = 0
    NODE_PLAIN = 1


cdef extern from *:
    """
    #include <stdint.h>
    /* Forty bytes: a long list has a node per 8 KiB. */
    typedef struct redislite_quicklist_node {
        struct redislite_quicklist_node *previous, *next;
        uint8_t *block;
        uint64_t bytes : 34, gap : 30;
        uint64_t capacity : 34, count : 27, kind : 1, compressed : 1, incompressible : 1;
    } redislite_quicklist_node;
    """
    ctypedef struct QuicklistNode "redislite_quicklist_node":
        QuicklistNode* previous
        QuicklistNode* next
        uint8_t* block
        size_t bytes            # of the listpack, of the element; whether compressed or not
        size_t capacity         # of the block
        uint32_t gap
        uint32_t count          # elements
        uint8_t kind
        uint8_t compressed
        uint8_t incompressible  # was tried, as it is


cdef struct Quicklist:
    QuicklistNode* head
    QuicklistNode* tail
    size_t count                # elements
    uint32_t nodes
    uint32_t depth
    int64_t fill                # what the two limits come from
    size_t node_bytes           # that a node may have
    size_t node_count           # elements that a node may have
    size_t plain_from           # elements from this size on get a plain node; 0: those larger than a node may be


# A place in a list. What is read is good until the list changes by other means than this iterator.
cdef struct QuicklistIterator:
    Heap* heap
    Quicklist* list
    QuicklistNode* node         # NULL: before or behind the list
    uint8_t* data               # the node's content: where it stands, or decompressed in scratch
    uint8_t* entry              # the element in a packed node
    size_t index                # of the element in the node
    uint8_t* scratch
    size_t scratch_size
    bint edited                 # the node, since the iterator came to it
    bint failed                 # memory was out


# The most bytes and the most elements that a node of this fill may have; no limit: all ones.
cdef void quicklist_limits(int64_t fill, size_t* bytes, size_t* count) noexcept nogil
# Whether so many bytes and elements are more than one node of this fill may have.
cdef bint quicklist_exceeds(int64_t fill, size_t bytes, size_t count) noexcept nogil

# An empty list, or NULL.
cdef Quicklist* quicklist_new(Heap* heap, int64_t fill, int64_t depth, size_t plain_from) noexcept nogil
cdef void quicklist_free(Heap* heap, Quicklist* list) noexcept nogil
# Releases nodes, as many as the step may, and the list itself with its last one: 1 while there is more to do.
cdef bint quicklist_release_step(Release* step, Quicklist* list) noexcept nogil
cdef Quicklist* quicklist_copy(Heap* heap, const Quicklist* list) noexcept nogil
# Bytes of all nodes' contents, uncompressed.
cdef size_t quicklist_bytes(const Quicklist* list) noexcept nogil
# Bytes that the list takes in all.
cdef size_t quicklist_memory(const Quicklist* list) noexcept nogil

# Adds an element at an end.
cdef int quicklist_push(Heap* heap, Quicklist* list, bint at_head, const char* data, size_t length) noexcept nogil
# Makes a listpack, which is the list's then and not empty, a node behind the others.
cdef int quicklist_push_listpack(Heap* heap, Quicklist* list, listpack pack) noexcept nogil
# Makes bytes a plain node behind the others.
cdef int quicklist_push_plain(Heap* heap, Quicklist* list, const char* data, size_t length) noexcept nogil
# The only node's listpack as one of the heap's, the caller's then, and the list is gone. NULL where there are more
# nodes, or it is plain, or memory is out: nothing has changed then.
cdef listpack quicklist_into_listpack(Heap* heap, Quicklist* list) noexcept nogil
# Looks at the element at an end of a list that is not empty: good until the next change. 0 where memory is out.
cdef bint quicklist_end(Heap* heap, Quicklist* list, bint at_head, ListpackValue* value) noexcept nogil
# Removes the element at an end, which quicklist_end has shown.
cdef void quicklist_drop(Heap* heap, Quicklist* list, bint at_head) noexcept nogil
# Removes count elements from start on (both within the list). -1 where memory is out, and nothing has changed.
cdef int quicklist_delete_range(Heap* heap, Quicklist* list, size_t start, size_t count) noexcept nogil
# Removes all others, where count is not 0; likewise. *rest: a list, the caller's, that is only to be released: of nodes
# of which nothing is kept; or NULL.
cdef int quicklist_keep_range(Heap* heap, Quicklist* list, size_t start, size_t count, Quicklist** rest) noexcept nogil

# Goes to an element by index, from the end where negative. 0 out of range, or failed is set. Stop is due in any case.
cdef bint quicklist_seek(QuicklistIterator* it, Heap* heap, Quicklist* list, int64_t index) noexcept nogil
# Goes on; 0 behind the last, before the first, or failed is set.
cdef bint quicklist_next(QuicklistIterator* it) noexcept nogil
cdef bint quicklist_previous(QuicklistIterator* it) noexcept nogil
# Goes on to the first element of the following node; 0 as above.
cdef bint quicklist_next_node(QuicklistIterator* it) noexcept nogil
cdef void quicklist_get(const QuicklistIterator* it, ListpackValue* value) noexcept nogil
cdef bint quicklist_equals(const QuicklistIterator* it, const char* data, size_t length) noexcept nogil
# Adds an element behind or before the one the iterator stands on; it stands nowhere afterwards.
cdef int quicklist_insert(QuicklistIterator* it, bint behind, const char* data, size_t length) noexcept nogil
# Puts an element in the place of the one the iterator stands on; it stands nowhere afterwards.
cdef int quicklist_replace(QuicklistIterator* it, const char* data, size_t length) noexcept nogil
# Removes the element; the iterator then stands on the following one, or the preceding one where backward. *more: 0
# where there is none. -1 where memory is out: nothing has changed.
cdef int quicklist_delete(QuicklistIterator* it, bint backward, bint* more) noexcept nogil
cdef void quicklist_stop(QuicklistIterator* it) noexcept nogil


# The listpack of a packed node that is not compressed.
cdef inline uint8_t* node_pack(const QuicklistNode* node) noexcept nogil:
    return node.block + node.gap
