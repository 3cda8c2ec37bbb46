"""Python class over a set of pointers, for unit tests only; members are integers above 0."""
from libc.stdint cimport uint32_t, uintptr_t
from redislite._core.base.alloc cimport Heap, heap_destroy, heap_new
from redislite._core.structures.pointer_set cimport (
    PointerSet, pointer_set_add, pointer_set_at, pointer_set_places, pointer_set_release, pointer_set_remove,
)


cdef class PointerSetProbe:
    """One set in a heap of its own."""
    cdef Heap* heap
    cdef PointerSet members

    def __cinit__(self):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError

    def __dealloc__(self):
        self.release()
        heap_destroy(self.heap)

    def __len__(self):
        return self.members.count

    @property
    def used(self):
        return self.heap.used

    def add(self, uintptr_t member):
        """Whether it is new."""
        cdef int added = pointer_set_add(self.heap, &self.members, <void*> member)
        if added < 0:
            raise MemoryError
        return added == 1

    def remove(self, uintptr_t member):
        """Whether it was there."""
        return pointer_set_remove(&self.members, <void*> member)

    def walk(self):
        cdef uint32_t place
        return [<uintptr_t> pointer_set_at(&self.members, place) for place in range(pointer_set_places(&self.members))
                if pointer_set_at(&self.members, place) != NULL]

    def release(self):
        pointer_set_release(self.heap, &self.members)
