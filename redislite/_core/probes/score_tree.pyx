"""Python class over the score tree, for unit tests and micro-benchmarks only; the server does not use it."""
from libc.stdint cimport int64_t, uint64_t, uintptr_t

from redislite._core.base.alloc cimport Heap, heap_alloc, heap_destroy, heap_free, heap_new
from redislite._core.base.clock cimport clock_monotonic_ns
from redislite._core.base.prefixed cimport prefixed_write
from redislite._core.state.core cimport random_next
from redislite._core.structures.release cimport Release, release_begin
from redislite._core.structures.score_tree cimport (
    BOUND_MEMBER, BOUND_SCORE, BOUND_SCORE_BEHIND, BOUND_TEXT, BOUND_TEXT_BEHIND, LEAF_SLOTS, MEMBER_KEY_OFFSET, Member,
    ScoreTree, TreeBound, TreePosition, member_size, member_text, position_next, position_previous, position_slot,
    tree_bytes, tree_check, tree_init, tree_insert, tree_rank, tree_release, tree_release_step, tree_remove,
    tree_remove_range, tree_replace, tree_select, tree_update,
)


cdef void collect(void* argument, Member* member) noexcept with gil:
    (<ScoreTreeProbe> argument).forget(member)


cdef class ScoreTreeProbe:
    """A sorted set of byte strings with scores, found by a Python dict."""

    cdef Heap* heap
    cdef ScoreTree tree
    cdef dict members       # bytes → address of the Member
    cdef list removed

    leaf_slots = LEAF_SLOTS

    def __cinit__(self):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        tree_init(&self.tree, self.heap)
        self.members = {}
        self.removed = []

    def __dealloc__(self):
        cdef Member* member
        cdef size_t length
        for address in self.members.values():
            member = <Member*> <uintptr_t> address
            member_text(member, &length)
            heap_free(self.heap, member, member_size(length))
        tree_release(&self.tree)
        heap_destroy(self.heap)

    cdef Member* make(self, bytes text, double score) except NULL:
        cdef Member* member = <Member*> heap_alloc(self.heap, member_size(len(text)))
        if member == NULL:
            raise MemoryError
        member.score = score
        prefixed_write(<char*> member + MEMBER_KEY_OFFSET, text, len(text))
        return member

    cdef void forget(self, Member* member):
        cdef size_t length
        cdef char* data = member_text(member, &length)
        cdef bytes text = data[:length]
        del self.members[text]
        self.removed.append(text)
        heap_free(self.heap, member, member_size(length))

    def __len__(self):
        return self.tree.length

    @property
    def used(self) -> int:
        """Bytes of the heap in use."""
        return self.heap.used

    @property
    def node_bytes(self) -> int:
        return tree_bytes(&self.tree)

    @property
    def height(self) -> int:
        return self.tree.height

    def check(self) -> bool:
        return tree_check(&self.tree)

    def set(self, bytes text, double score) -> None:
        """Adds the member, or gives it another score."""
        cdef Member* member
        if text in self.members:
            member = <Member*> <uintptr_t> self.members[text]
            if tree_update(&self.tree, member, score) != 0:
                raise MemoryError
            return
        member = self.make(text, score)
        if tree_insert(&self.tree, member) != 0:
            raise MemoryError
        self.members[text] = <uintptr_t> member

    def renew(self, bytes text) -> None:
        """Puts another block in the member's place."""
        cdef Member* member = <Member*> <uintptr_t> self.members[text]
        cdef Member* fresh = self.make(text, member.score)
        tree_replace(&self.tree, member, fresh)
        heap_free(self.heap, member, member_size(len(text)))
        self.members[text] = <uintptr_t> fresh

    def remove(self, bytes text) -> None:
        cdef Member* member = <Member*> <uintptr_t> self.members[text]
        tree_remove(&self.tree, member)
        self.forget(member)

    def remove_range(self, size_t rank, size_t count) -> list[bytes]:
        self.removed = []
        tree_remove_range(&self.tree, rank, count, collect, <void*> self)
        return self.removed

    cdef object item(self, TreePosition position):
        cdef size_t length
        cdef char* data
        if position.leaf == NULL:
            return None
        data = member_text(position_slot(&position).member, &length)
        return data[:length], position_slot(&position).score

    def items(self, bint backward=False) -> list[tuple[bytes, float]]:
        cdef TreePosition position
        position.leaf = self.tree.last if backward else self.tree.first
        position.index = self.tree.last.count - 1 if backward and position.leaf != NULL else 0
        result = []
        while position.leaf != NULL:
            result.append(self.item(position))
            if backward:
                position_previous(&position)
            else:
                position_next(&position)
        return result

    def select(self, size_t rank) -> tuple[bytes, float] | None:
        return self.item(tree_select(&self.tree, rank))

    cdef object before(self, TreeBound* bound):
        cdef TreePosition position
        cdef size_t rank = tree_rank(&self.tree, bound, &position)
        return rank, self.item(position)

    def rank(self, bytes text, double score) -> tuple[int, tuple[bytes, float] | None]:
        """How many members are before, and the first one that is not."""
        cdef TreeBound bound
        bound.kind = BOUND_MEMBER
        bound.score = score
        bound.data = text
        bound.length = len(text)
        return self.before(&bound)

    def rank_of_score(self, double score, bint behind) -> tuple[int, tuple[bytes, float] | None]:
        cdef TreeBound bound
        bound.kind = BOUND_SCORE_BEHIND if behind else BOUND_SCORE
        bound.score = score
        return self.before(&bound)

    def rank_of_text(self, bytes text, bint behind) -> tuple[int, tuple[bytes, float] | None]:
        cdef TreeBound bound
        bound.kind = BOUND_TEXT_BEHIND if behind else BOUND_TEXT
        bound.data = text
        bound.length = len(text)
        return self.before(&bound)

    def release(self, size_t count) -> bool:
        """One step of releasing the nodes; true while more are left."""
        cdef Release step
        release_begin(&step, self.heap, count)
        return tree_release_step(&self.tree, &step)

    def benchmark(self, int members, bint ordered=False) -> dict[str, float]:
        """Nanoseconds for each insert, update to a random score, rank and removal of so many members of 19 bytes."""
        cdef uint64_t random = 88172645463325252
        cdef list texts = [b"element:%011d" % i for i in range(members)]
        cdef list blocks = [<uintptr_t> self.make(text, i if ordered else random_next(&random) % 1000000)
                            for i, text in enumerate(texts)]
        cdef dict result = {}
        cdef TreePosition position
        cdef TreeBound bound
        cdef Member* member
        cdef int64_t begun
        cdef size_t i, used, total
        cdef size_t count = members
        cdef uintptr_t* addresses = <uintptr_t*> heap_alloc(self.heap, count * sizeof(uintptr_t))
        for i in range(count):
            addresses[i] = blocks[i]
        begun = clock_monotonic_ns()
        used = self.heap.used
        for i in range(count):
            tree_insert(&self.tree, <Member*> addresses[i])
        result["insert"] = (clock_monotonic_ns() - begun) / <double> count
        result["node_bytes"] = (self.heap.used - used) / <double> count
        result["height"] = self.tree.height
        begun = clock_monotonic_ns()
        for i in range(count):
            member = <Member*> addresses[random_next(&random) % count]
            tree_update(&self.tree, member, random_next(&random) % 1000000)
        result["update"] = (clock_monotonic_ns() - begun) / <double> count
        bound.kind = BOUND_MEMBER
        total = 0
        begun = clock_monotonic_ns()
        for i in range(count):
            member = <Member*> addresses[random_next(&random) % count]
            bound.score = member.score
            bound.data = member_text(member, &bound.length)
            total += tree_rank(&self.tree, &bound, &position)
        result["rank"] = (clock_monotonic_ns() - begun) / <double> count
        begun = clock_monotonic_ns()
        for i in range(count):
            tree_remove(&self.tree, <Member*> addresses[i])
        result["remove"] = (clock_monotonic_ns() - begun) / <double> count
        for i in range(count):
            heap_free(self.heap, <void*> addresses[i], member_size(len(texts[i])))
        heap_free(self.heap, addresses, count * sizeof(uintptr_t))
        return result
