"""A set of pointers: one stands in the struct itself, more in a table with open addressing.

For sets of which there are many and most have one member. Members are addresses of heap blocks, never NULL.

    | the member, or its table | count | capacity: 0 while there is no table |
"""
from libc.stdint cimport uint32_t
from redislite._core.base.alloc cimport Heap


cdef struct PointerSet:
    void* place                 # the only member; or, where capacity is not 0, the table: void*[capacity]
    uint32_t count
    uint32_t capacity           # 0, or a power of two


# Adds a member. 1: it is new. 0: it was there. -1: memory is out, nothing has changed.
cdef int pointer_set_add(Heap* heap, PointerSet* members, void* member) noexcept nogil
# Takes a member out; true where it was there. The table stays, for there may be an iteration.
cdef bint pointer_set_remove(PointerSet* members, void* member) noexcept nogil
# Empties the set and releases what it took.
cdef void pointer_set_release(Heap* heap, PointerSet* members) noexcept nogil


# How many places an iteration has to look at.
cdef inline uint32_t pointer_set_places(const PointerSet* members) noexcept nogil:
    return members.capacity if members.capacity else 1


# The member at a place; NULL where there is none.
cdef inline void* pointer_set_at(const PointerSet* members, uint32_t place) noexcept nogil:
    return (<void**> members.place)[place] if members.capacity else members.place
