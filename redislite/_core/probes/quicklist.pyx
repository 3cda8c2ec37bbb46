"""Python class over the quicklist, for unit tests only."""
from libc.stdint cimport int64_t
from redislite._core.base.alloc cimport Heap, heap_destroy, heap_new
from redislite._core.structures.listpack cimport (
    LISTPACK_INTEGER_TEXT, ListpackValue, listpack, listpack_append, listpack_bytes, listpack_first, listpack_free,
    listpack_length, listpack_new, listpack_next, listpack_text, listpack_validate,
)
from redislite._core.structures.quicklist cimport (
    NODE_PACKED, QUICKLIST_COMPRESS_MIN, Quicklist, QuicklistIterator, QuicklistNode, node_pack, quicklist_copy,
    quicklist_delete, quicklist_delete_range, quicklist_drop, quicklist_end, quicklist_equals, quicklist_exceeds,
    quicklist_free, quicklist_get, quicklist_insert, quicklist_into_listpack, quicklist_keep_range, quicklist_memory,
    quicklist_new, quicklist_next, quicklist_previous, quicklist_push, quicklist_push_listpack, quicklist_push_plain,
    quicklist_release_step, quicklist_replace, quicklist_seek, quicklist_stop,
)
from redislite._core.structures.release cimport Release, release_begin


def exceeds(int fill, size_t size, size_t count):
    """Whether so many bytes and elements are more than a node of this fill may have."""
    return bool(quicklist_exceeds(fill, size, count))


cdef bytes as_bytes(const ListpackValue* value):
    return value.data[:value.length] if value.data != NULL else b"%d" % value.integer


cdef int done(int result) except -1:
    if result < 0:
        raise MemoryError
    return result


cdef int expect(bint condition) except -1:
    """An assertion that release builds make too."""
    if not condition:
        raise AssertionError
    return 0


cdef class QuicklistProbe:
    """One list in a heap of its own."""
    cdef Heap* heap
    cdef Quicklist* list

    def __cinit__(self, int fill=-2, int depth=0, size_t plain_from=0):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        self.list = quicklist_new(self.heap, fill, depth, plain_from)
        if self.list == NULL:
            raise MemoryError

    def __dealloc__(self):
        self.heap.limit = 0
        if self.list != NULL:
            quicklist_free(self.heap, self.list)
        heap_destroy(self.heap)

    def __len__(self):
        return self.list.count

    @property
    def nodes(self):
        """Of each node: kind ("packed", "plain"), elements, bytes, whether it is compressed."""
        cdef QuicklistNode* node = self.list.head
        cdef list found = []
        while node != NULL:
            found.append(("packed" if node.kind == NODE_PACKED else "plain", node.count, node.bytes,
                          bool(node.compressed)))
            node = node.next
        return found

    @property
    def used(self):
        """Bytes of the heap."""
        return self.heap.used

    @property
    def memory(self):
        """Bytes of the list, as it counts them."""
        return quicklist_memory(self.list)

    def limit(self, size_t more):
        """Lets the heap grow by so many bytes only (checked builds)."""
        self.heap.limit = self.heap.used + more

    def unlimit(self):
        self.heap.limit = 0

    def check(self):
        """Asserts what holds of every list between two calls."""
        cdef QuicklistNode* node = self.list.head
        cdef QuicklistNode* previous = NULL
        cdef size_t elements = 0
        cdef size_t number = 0
        while node != NULL:
            expect(node.previous == previous)
            expect(node.count > 0)
            if node.compressed:
                expect(self.list.depth and self.list.depth <= number < self.list.nodes - self.list.depth)
                expect(node.capacity < node.bytes and node.gap == 0)
            else:
                expect(node.gap + node.bytes <= node.capacity)
                if self.list.depth and self.list.depth <= number < self.list.nodes - self.list.depth:
                    expect(node.incompressible or node.bytes < QUICKLIST_COMPRESS_MIN)
                if node.kind == NODE_PACKED:
                    expect(listpack_validate(node_pack(node), node.bytes, 1))
                    expect(listpack_length(node_pack(node)) == node.count)
            if node.kind == NODE_PACKED:
                expect(node.count == 1 or (node.bytes <= self.list.node_bytes and node.count <= self.list.node_count))
            else:
                expect(node.count == 1)
            elements += node.count
            number += 1
            previous = node
            node = node.next
        expect(self.list.tail == previous)
        expect(elements == self.list.count and number == self.list.nodes)

    def push(self, bytes value, bint at_head=False):
        done(quicklist_push(self.heap, self.list, at_head, value, len(value)))

    def push_listpack(self, list values):
        """Adds a node with these elements."""
        cdef listpack pack = listpack_new(self.heap)
        for value in values:
            pack = listpack_append(self.heap, pack, <bytes> value, len(value))
        done(quicklist_push_listpack(self.heap, self.list, pack))

    def push_plain(self, bytes value):
        done(quicklist_push_plain(self.heap, self.list, value, len(value)))

    def pop(self, bint at_head=False):
        """The element at an end, removed; None where the list is empty."""
        cdef ListpackValue value
        if self.list.count == 0:
            return None
        if not quicklist_end(self.heap, self.list, at_head, &value):
            raise MemoryError
        found = as_bytes(&value)
        quicklist_drop(self.heap, self.list, at_head)
        return found

    def walk(self, int64_t index=0, bint backward=False, int count=-1):
        """The elements from an index on, in a direction, at most count."""
        cdef QuicklistIterator it
        cdef ListpackValue value
        cdef list found = []
        cdef bint more = quicklist_seek(&it, self.heap, self.list, index)
        while more and count != 0:
            quicklist_get(&it, &value)
            found.append(as_bytes(&value))
            expect(quicklist_equals(&it, <bytes> found[len(found) - 1], len(found[len(found) - 1])))
            more = quicklist_previous(&it) if backward else quicklist_next(&it)
            count -= 1
        failed = it.failed
        quicklist_stop(&it)
        if failed:
            raise MemoryError
        return found

    def insert(self, int64_t index, bint behind, bytes value):
        """False where the index is out of range."""
        cdef QuicklistIterator it
        cdef int result
        if not quicklist_seek(&it, self.heap, self.list, index):
            quicklist_stop(&it)
            if it.failed:
                raise MemoryError
            return False
        result = quicklist_insert(&it, behind, value, len(value))
        quicklist_stop(&it)
        done(result)
        return True

    def replace(self, int64_t index, bytes value):
        """False where the index is out of range."""
        cdef QuicklistIterator it
        cdef int result
        if not quicklist_seek(&it, self.heap, self.list, index):
            quicklist_stop(&it)
            if it.failed:
                raise MemoryError
            return False
        result = quicklist_replace(&it, value, len(value))
        quicklist_stop(&it)
        done(result)
        return True

    def remove(self, bytes value, int64_t count, bint backward=False):
        """Removes at most count elements that equal the value (0: all), walking in a direction; how many."""
        cdef QuicklistIterator it
        cdef bint more = quicklist_seek(&it, self.heap, self.list, -1 if backward else 0)
        cdef int removed = 0
        while more:
            if quicklist_equals(&it, value, len(value)):
                done(quicklist_delete(&it, backward, &more))
                removed += 1
                if removed == count:
                    break
            else:
                more = quicklist_previous(&it) if backward else quicklist_next(&it)
        quicklist_stop(&it)
        return removed

    def delete_range(self, size_t start, size_t count):
        done(quicklist_delete_range(self.heap, self.list, start, count))

    def keep_range(self, size_t start, size_t count):
        """Keeps a range; answers of how many elements the nodes were that went as a whole."""
        cdef Quicklist* rest
        cdef size_t elements = 0
        done(quicklist_keep_range(self.heap, self.list, start, count, &rest))
        if rest != NULL:
            elements = rest.count
            quicklist_free(self.heap, rest)
        return elements

    def copy(self):
        """The elements of a copy, which is released again; the copy has as many nodes."""
        cdef QuicklistProbe other = QuicklistProbe()
        quicklist_free(other.heap, other.list)
        other.list = quicklist_copy(other.heap, self.list)
        if other.list == NULL:
            raise MemoryError
        other.check()
        expect(other.nodes == self.nodes)
        return other.walk()

    def into_listpack(self):
        """The only node's elements, where it is a packed one: the list is empty afterwards. Else None."""
        cdef Quicklist* fresh = quicklist_new(self.heap, -2, 0, 0)
        cdef listpack pack = quicklist_into_listpack(self.heap, self.list)
        cdef unsigned char* entry
        cdef char text[LISTPACK_INTEGER_TEXT]
        cdef char* data
        cdef size_t length
        cdef list found = []
        if pack == NULL:
            quicklist_free(self.heap, fresh)
            return None
        self.list = fresh
        expect(listpack_validate(pack, listpack_bytes(pack), 1))
        entry = listpack_first(pack)
        while entry != NULL:
            data = listpack_text(entry, text, &length)
            found.append(data[:length])
            entry = listpack_next(pack, entry)
        listpack_free(self.heap, pack)
        return found

    def release(self, size_t budget):
        """Releases the list in steps; how many it took. An empty one takes its place."""
        cdef int steps = 1
        cdef Release step
        release_begin(&step, self.heap, budget)
        while quicklist_release_step(&step, self.list):
            step.budget = budget
            steps += 1
        self.list = quicklist_new(self.heap, -2, 0, 0)
        return steps
