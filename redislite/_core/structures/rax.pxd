"""Radix tree: byte strings → pointers, kept in order, walked both ways, with common beginnings stored once.

A node is one heap block. It stands for the bytes on the way from the root to it, its own prefix included:

    | children: 9 bits, value: 1 bit, prefix length: 22 bits | prefix ... | next byte of each child, sorted ... |
    | padding to 8 | child* ... | value*, if there is one |

A chain without branches is one node, however long (up to RAX_PREFIX_MAX bytes). A key may be the beginning of another.
Values are pointers of the owner, never NULL. Keys are shorter than 4 GiB.
"""
from libc.stdint cimport uint8_t, uint32_t
from redislite._core.base.alloc cimport Heap

cdef enum:
    RAX_PREFIX_MAX = (1 << 22) - 1  # bytes of one node's prefix; a longer chain takes several nodes
    RAX_LEVELS = 18                 # ancestors that an iterator has room for itself: enough for 16-byte keys
    RAX_KEY = 32                    # bytes of a key that it holds likewise

ctypedef uint32_t RaxNode           # the header of a node's block


cdef struct Rax:
    Heap* heap
    RaxNode* root                   # NULL: empty
    size_t size                     # keys
    size_t nodes
    size_t bytes                    # footprint of all nodes


# Gets the value of a key that is being released.
ctypedef void (*RaxVisitor)(void* argument, void* value) noexcept nogil


cdef enum RaxSeek:
    RAX_FIRST                       # the key is not looked at
    RAX_LAST
    RAX_EQUAL
    RAX_AT_LEAST                    # the smallest key >= the one given
    RAX_ABOVE
    RAX_AT_MOST                     # the greatest key <= the one given
    RAX_BELOW


cdef struct RaxLevel:
    RaxNode* node
    uint32_t child                  # index of the child that the path goes on with


# Stands at a key or nowhere. Must not be copied or moved. Good until the tree's next insert or removal.
cdef struct RaxIterator:
    Rax* tree
    RaxNode* node                   # where it stands; NULL: nowhere
    void* value
    RaxLevel* levels                # the way from the root
    size_t depth
    size_t levels_capacity
    uint8_t* key                    # the key it stands at
    size_t key_length
    size_t key_capacity
    bint failed                     # memory for the way was out: it stands nowhere
    RaxLevel own_levels[RAX_LEVELS]
    uint8_t own_key[RAX_KEY]

# Looks at the key that the iterator stands at.
ctypedef void (*RaxReader)(RaxIterator* it, void* argument) noexcept nogil


# Prepares an empty tree in place.
cdef void rax_init(Rax* tree, Heap* heap) noexcept nogil
# Puts value under the key. 1: the key is new. 0: it was there, its old value is in *old. -1: memory is out, nothing has
# changed.
cdef int rax_insert(Rax* tree, const char* key, size_t length, void* value, void** old) noexcept nogil
# Place of the key's value, or NULL. The value may be changed through it (not to NULL); good until the next insert or
# removal.
cdef void** rax_find(const Rax* tree, const char* key, size_t length) noexcept nogil
# Takes the key out and answers its value, or NULL. Never fails for want of memory.
cdef void* rax_remove(Rax* tree, const char* key, size_t length) noexcept nogil
# Place of the last key's value, or NULL where the tree is empty. As rax_find's.
cdef void** rax_last(const Rax* tree) noexcept nogil
# Releases keys, each value going to visit, for as many pieces of work as *budget says, which is lowered: one for a key,
# which the visitor may make more through its argument. 1 while keys are left; when none is, no node is. For releasing
# bit by bit: no other call but rax_size may come between its steps.
cdef bint rax_release_step(Rax* tree, RaxVisitor visit, void* argument, size_t* budget) noexcept nogil

# Prepares an iterator that stands nowhere. rax_stop releases what it took.
cdef void rax_start(RaxIterator* it, Rax* tree) noexcept nogil
cdef void rax_stop(RaxIterator* it) noexcept nogil
# Goes to a key; false where there is none such: it stands nowhere then.
cdef bint rax_seek(RaxIterator* it, RaxSeek where, const char* key, size_t length) noexcept nogil
# Goes to the next or preceding key; false at the end: it stands nowhere then.
cdef bint rax_next(RaxIterator* it) noexcept nogil
cdef bint rax_previous(RaxIterator* it) noexcept nogil
# Has every key of the tree visited, in order, with the iterator at it. 0 where memory for the way was out amid them.
cdef bint rax_walk(Rax* tree, RaxReader read, void* argument) noexcept nogil
# Puts another value (not NULL) under the key it stands at.
cdef void rax_set_value(RaxIterator* it, void* value) noexcept nogil


cdef inline size_t rax_size(const Rax* tree) noexcept nogil:
    return tree.size
