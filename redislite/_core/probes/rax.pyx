"""Python class over the radix tree, for unit tests only; values are integers above 0."""
from libc.stdint cimport uintptr_t
from redislite._core.base.alloc cimport Heap, heap_destroy, heap_new
from redislite._core.structures.rax cimport (
    RAX_ABOVE, RAX_AT_LEAST, RAX_AT_MOST, RAX_BELOW, RAX_EQUAL, RAX_FIRST, RAX_LAST, RAX_PREFIX_MAX, Rax, RaxIterator,
    RaxSeek, rax_release_step, rax_find, rax_init, rax_insert, rax_last, rax_next, rax_previous, rax_remove, rax_seek,
    rax_set_value, rax_size, rax_start, rax_stop,
)

cdef dict _WHERE = {
    "first": RAX_FIRST, "last": RAX_LAST, "==": RAX_EQUAL, ">=": RAX_AT_LEAST, ">": RAX_ABOVE, "<=": RAX_AT_MOST,
    "<": RAX_BELOW,
}


cdef void collect(void* argument, void* value) noexcept nogil:
    with gil:
        (<list> argument).append(<uintptr_t> value)


cdef class RaxProbe:
    """One tree in a heap of its own."""
    cdef Heap* heap
    cdef Rax tree

    prefix_max = RAX_PREFIX_MAX

    def __cinit__(self):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        rax_init(&self.tree, self.heap)

    def __dealloc__(self):
        while self.drain(1000000):
            pass
        heap_destroy(self.heap)

    def __len__(self):
        return rax_size(&self.tree)

    def insert(self, bytes key, uintptr_t value):
        """The old value, None where the key is new."""
        cdef void* old = NULL
        cdef int result = rax_insert(&self.tree, key, len(key), <void*> value, &old)
        if result < 0:
            raise MemoryError
        return <uintptr_t> old if result == 0 else None

    def find(self, bytes key):
        cdef void** slot = rax_find(&self.tree, key, len(key))
        return None if slot == NULL else <uintptr_t> slot[0]

    def last(self):
        cdef void** slot = rax_last(&self.tree)
        return None if slot == NULL else <uintptr_t> slot[0]

    def remove(self, bytes key):
        cdef void* value = rax_remove(&self.tree, key, len(key))
        return None if value == NULL else <uintptr_t> value

    def walk(self, str where, bytes key=b"", str direction="next", int count=-1):
        """The (key, value) pairs from a seek on, in a direction, at most count."""
        cdef RaxIterator it
        cdef list pairs = []
        cdef bint more
        rax_start(&it, &self.tree)
        more = rax_seek(&it, <RaxSeek> <int> _WHERE[where], key, len(key))
        while more and count != 0:
            pairs.append((it.key[:it.key_length], <uintptr_t> it.value))
            more = rax_next(&it) if direction == "next" else rax_previous(&it)
            count -= 1
        if not more and it.node != NULL:
            raise AssertionError("an iterator that found nothing stands somewhere")
        rax_stop(&it)
        return pairs

    def set_value(self, bytes key, uintptr_t value):
        """Changes a value through an iterator; false where the key is not there."""
        cdef RaxIterator it
        cdef bint found
        rax_start(&it, &self.tree)
        found = rax_seek(&it, RAX_EQUAL, key, len(key))
        if found:
            rax_set_value(&it, <void*> value)
        rax_stop(&it)
        return found

    def drain(self, size_t count):
        """The values of up to count keys, which are released."""
        cdef list values = []
        cdef size_t budget = count
        cdef bint more = rax_release_step(&self.tree, collect, <void*> values, &budget)
        if count - budget != len(values) or more != (rax_size(&self.tree) != 0):
            raise AssertionError(budget)
        return values

    @property
    def nodes(self):
        return self.tree.nodes

    @property
    def footprint(self):
        """Bytes of all nodes, as the tree counts them."""
        return self.tree.bytes

    @property
    def used(self):
        """Bytes of the heap."""
        return self.heap.used
