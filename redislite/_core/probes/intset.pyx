"""A Python class over an intset, for unit tests only."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from redislite._core.base.alloc cimport Heap, heap_destroy, heap_new
from redislite._core.structures.intset cimport (
    intset, intset_add, intset_bytes, intset_copy, intset_find, intset_find_near, intset_free, intset_get,
    intset_length, intset_memory, intset_new, intset_remove, intset_remove_range, intset_search, intset_validate,
    intset_width,
)


cdef class IntsetProbe:
    """An intset on a heap of its own; MemoryError where the heap's limit forbids a change."""

    cdef Heap* heap
    cdef intset ints

    def __cinit__(self, bytes data=None):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        if data is None:
            self.ints = intset_new(self.heap)
        else:
            if not intset_validate(<const uint8_t*> <const char*> data, len(data), 1):
                raise ValueError("not an intset")
            self.ints = intset_copy(self.heap, <const uint8_t*> <const char*> data)
        if self.ints == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.heap != NULL:
            intset_free(self.heap, self.ints)
            heap_destroy(self.heap)

    def limit(self, size_t bytes):
        """What the heap may hold from now on; 0: anything."""
        self.heap.limit = bytes

    @property
    def used(self):
        return self.heap.used

    @property
    def memory(self):
        return intset_memory(self.ints)

    @property
    def width(self):
        return intset_width(self.ints)

    def __len__(self):
        return intset_length(self.ints)

    def __bytes__(self):
        return (<char*> self.ints)[:intset_bytes(self.ints)]

    def __getitem__(self, uint32_t index):
        if index >= intset_length(self.ints):
            raise IndexError(index)
        return intset_get(self.ints, index)

    def __contains__(self, int64_t value):
        return bool(intset_find(self.ints, value))

    def search(self, int64_t value):
        """Whether it is there, and where it stands or would stand."""
        cdef uint32_t index
        cdef bint found = intset_search(self.ints, value, &index)
        return bool(found), index

    def find_near(self, int64_t value, uint32_t near):
        """Whether it is there, and what to say the next time."""
        cdef bint found = intset_find_near(self.ints, value, &near)
        return bool(found), near

    def add(self, int64_t value):
        cdef bint added = 0
        cdef intset moved = intset_add(self.heap, self.ints, value, &added)
        if moved == NULL:
            raise MemoryError
        self.ints = moved
        return bool(added)

    def remove(self, int64_t value):
        cdef bint removed = 0
        cdef intset moved = intset_remove(self.heap, self.ints, value, &removed)
        if moved == NULL:
            raise MemoryError
        self.ints = moved
        return bool(removed)

    def remove_range(self, uint32_t index, uint32_t count):
        cdef intset moved
        if index > intset_length(self.ints) or count > intset_length(self.ints) - index:
            raise IndexError(index)
        moved = intset_remove_range(self.heap, self.ints, index, count)
        if moved == NULL:
            raise MemoryError
        self.ints = moved

    @staticmethod
    def validate(bytes data not None, bint deep):
        return bool(intset_validate(<const uint8_t*> <const char*> data, len(data), deep))
