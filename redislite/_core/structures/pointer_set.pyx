"""A set of pointers; the contract is in pointer_set.pxd."""
from libc.stdint cimport uint32_t, uint64_t
from redislite._core.base.alloc cimport Heap, heap_free, heap_zalloc

cdef enum:
    FIRST_CAPACITY = 4          # of a table; at most three quarters of it are taken


cdef inline uint32_t home_of(const void* member, uint32_t capacity) noexcept nogil:
    # Blocks are aligned to 8 bytes; the upper half of the product depends on all the bits that differ.
    return <uint32_t> ((<uint64_t> member >> 3) * <uint64_t> 0x9E3779B97F4A7C15 >> 32) & (capacity - 1)


cdef bint put(void** table, uint32_t capacity, void* member) noexcept nogil:
    """Puts a member into a table with a free place; false where it is in it."""
    cdef uint32_t place = home_of(member, capacity)
    while table[place] != NULL:
        if table[place] == member:
            return 0
        place = (place + 1) & (capacity - 1)
    table[place] = member
    return 1


cdef bint grow(Heap* heap, PointerSet* members) noexcept nogil:
    cdef uint32_t capacity = members.capacity * 2 if members.capacity else <uint32_t> FIRST_CAPACITY
    cdef void** table = <void**> heap_zalloc(heap, capacity * sizeof(void*))
    cdef uint32_t i
    if table == NULL:
        return 0
    for i in range(pointer_set_places(members)):
        if pointer_set_at(members, i) != NULL:
            put(table, capacity, pointer_set_at(members, i))
    heap_free(heap, members.place if members.capacity else NULL, members.capacity * sizeof(void*))
    members.place = table
    members.capacity = capacity
    return 1


cdef int pointer_set_add(Heap* heap, PointerSet* members, void* member) noexcept nogil:
    if members.capacity == 0:
        if members.place == member:
            return 0
        if members.place == NULL:
            members.place = member
            members.count = 1
            return 1
    if members.capacity == 0 or (members.count + 1) * 4 > members.capacity * 3:
        if not grow(heap, members):
            return -1
    if not put(<void**> members.place, members.capacity, member):
        return 0
    members.count += 1
    return 1


cdef bint pointer_set_remove(PointerSet* members, void* member) noexcept nogil:
    cdef void** table = <void**> members.place
    cdef uint32_t mask = members.capacity - 1
    cdef uint32_t place, hole
    if members.capacity == 0:
        if members.place != member:
            return 0
        members.place = NULL
        members.count = 0
        return 1
    place = home_of(member, members.capacity)
    while table[place] != member:
        if table[place] == NULL:
            return 0
        place = (place + 1) & mask
    # Members behind the hole that it cuts off from their home move up into it.
    hole = place
    while True:
        place = (place + 1) & mask
        if table[place] == NULL:
            break
        if ((place - home_of(table[place], members.capacity)) & mask) >= ((place - hole) & mask):
            table[hole] = table[place]
            hole = place
    table[hole] = NULL
    members.count -= 1
    return 1


cdef void pointer_set_release(Heap* heap, PointerSet* members) noexcept nogil:
    if members.capacity:
        heap_free(heap, members.place, members.capacity * sizeof(void*))
    members.place = NULL
    members.count = 0
    members.capacity = 0
