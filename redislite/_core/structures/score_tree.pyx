"""Score tree, a counted B+ tree; the contract is in score_tree.pxd.

Invariants
- Every node has at least one slot in use; all leaves have the same depth; a tree without members has no node.
- A branch's score and member are those of the first slot below it, its count that of all slots below it.
- A node that falls below a quarter is merged with a neighbour where both then fill at most three quarters of one.
- The root, where it is a leaf, grows by doubling, so that a few long members do not take a whole leaf.

An insert into a full leaf first makes room by one step that leaves the tree whole (a neighbour takes some slots, a node
is split), then starts again; so where memory is out, nothing has changed.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_realloc
from redislite._core.structures.release cimport Release, release_begin, release_block

cdef extern from *:
    """
    #define REDISLITE_PREFETCH(address) __builtin_prefetch((const void *) (address))
    """
    void prefetch "REDISLITE_PREFETCH"(const void* address) noexcept nogil

cdef enum:
    LEAF_SLOTS_FIRST = 6        # of a new tree
    LEAF_SPARSE = LEAF_SLOTS // 4
    INNER_SPARSE = INNER_SLOTS // 4
    SHARE_LEAST = LEAF_SLOTS // 8    # a neighbour with less room does not take slots: the next split would come at once


# The way to a leaf: on each level the inner node and which branch was taken. Level 0 stands above the leaves.
cdef struct Path:
    Inner* inners[HEIGHT_MAX]
    uint32_t branches[HEIGHT_MAX]
    Leaf* leaf
    uint32_t index


cdef inline int compare_text(const Member* member, const char* data, size_t length) noexcept nogil:
    cdef size_t own_length
    cdef const char* own = member_text(member, &own_length)
    cdef int order = memcmp(own, data, own_length if own_length < length else length)
    if order:
        return order
    return (own_length > length) - (own_length < length)


cdef inline bint is_before(const TreeBound* bound, double score, const Member* member) noexcept nogil:
    if bound.kind == BOUND_SCORE:
        return score < bound.score
    if bound.kind == BOUND_SCORE_BEHIND:
        return score <= bound.score
    if bound.kind == BOUND_MEMBER or bound.kind == BOUND_MEMBER_BEHIND:
        if score != bound.score:
            return score < bound.score
        return compare_text(member, bound.data, bound.length) < (bound.kind == BOUND_MEMBER_BEHIND)
    return compare_text(member, bound.data, bound.length) < (bound.kind == BOUND_TEXT_BEHIND)


# Slots and branches both begin with the score and the member, and are searched alike: `size` is one's size.

cdef inline const Slot* slot_at(const void* slots, size_t index, size_t size) noexcept nogil:
    return <const Slot*> (<const char*> slots + index * size)


cdef inline size_t scores_before(const void* slots, size_t low, size_t high, size_t size, double score,
                                 bint behind) noexcept nogil:
    """How many of the slots up to high have a lower (or, where behind, equal) score, those up to low being known to.

    Without a branch that depends on what is compared: those would be mispredicted half of the time.
    """
    cdef size_t length = high - low
    cdef size_t half
    cdef double seen
    while length:
        half = (length + 1) >> 1
        seen = slot_at(slots, low + half - 1, size).score
        low += half if (seen <= score if behind else seen < score) else 0
        length -= half
    return low


cdef inline uint32_t count_before(const void* slots, size_t count, size_t size, const TreeBound* bound) noexcept nogil:
    """How many of the slots are before the bound."""
    cdef size_t low = 0
    cdef size_t high = count
    cdef size_t middle
    if bound.kind == BOUND_SCORE_BEHIND:
        return <uint32_t> scores_before(slots, 0, count, size, bound.score, 1)
    if bound.kind < BOUND_TEXT:
        low = scores_before(slots, 0, count, size, bound.score, 0)
        if bound.kind == BOUND_SCORE or low == count or slot_at(slots, low, size).score != bound.score:
            return <uint32_t> low
        high = scores_before(slots, low + 1, count, size, bound.score, 1)
    while low < high:
        middle = (low + high) >> 1
        if is_before(bound, bound.score, slot_at(slots, middle, size).member):
            low = middle + 1
        else:
            high = middle
    return <uint32_t> low


cdef inline uint32_t branches_before(const Inner* inner, const TreeBound* bound) noexcept nogil:
    return count_before(inner.branches, inner.count, sizeof(Branch), bound)


cdef inline uint32_t slots_before(const Leaf* leaf, const TreeBound* bound) noexcept nogil:
    return count_before(leaf_slots(leaf), leaf.count, sizeof(Slot), bound)


cdef inline void prefetch_node(const void* node) noexcept nogil:
    prefetch(node)
    prefetch(<const char*> node + LEAF_SLOTS * sizeof(Slot) // 2)


cdef inline void descend(const ScoreTree* tree, const TreeBound* bound, Path* path) noexcept nogil:
    cdef void* node = tree.root
    cdef int level = tree.height
    cdef uint32_t branch
    while level:
        level -= 1
        branch = branches_before(<Inner*> node, bound)
        if branch:
            branch -= 1
        path.inners[level] = <Inner*> node
        path.branches[level] = branch
        node = (<Inner*> node).branches[branch].child
        prefetch_node(node)
    path.leaf = <Leaf*> node
    path.index = slots_before(path.leaf, bound)


cdef inline void bound_of(TreeBound* bound, const Member* member, double score) noexcept nogil:
    bound.kind = BOUND_MEMBER
    bound.score = score
    bound.data = member_text(member, &bound.length)


cdef inline size_t leaf_size(uint32_t capacity) noexcept nogil:
    return sizeof(Leaf) + capacity * sizeof(Slot)


cdef void tree_init(ScoreTree* tree, Heap* heap) noexcept nogil:
    tree.heap = heap
    tree.root = NULL
    tree.first = NULL
    tree.last = NULL
    tree.length = 0
    tree.height = 0


cdef Leaf* leaf_new(ScoreTree* tree, uint32_t capacity) noexcept nogil:
    cdef Leaf* leaf = <Leaf*> heap_alloc(tree.heap, leaf_size(capacity))
    if leaf != NULL:
        leaf.previous = NULL
        leaf.next = NULL
        leaf.count = 0
        leaf.capacity = capacity
    return leaf


cdef void release_lowest_inner(ScoreTree* tree) noexcept nogil:
    """Releases the last inner node that stands above leaves, and those above it that have no other child left."""
    cdef Inner* inners[HEIGHT_MAX]
    cdef Inner* inner = <Inner*> tree.root
    cdef int depth = 0
    while depth < tree.height - 1:
        inners[depth] = inner
        inner = <Inner*> inner.branches[inner.count - 1].child
        depth += 1
    heap_free(tree.heap, inner, sizeof(Inner))
    while depth:
        depth -= 1
        inner = inners[depth]
        inner.count -= 1
        if inner.count:
            return
        heap_free(tree.heap, inner, sizeof(Inner))
    tree.height = 0


cdef bint tree_release_step(ScoreTree* tree, Release* step) noexcept nogil:
    cdef Leaf* leaf
    # The inner nodes go first: leaves are linked.
    while tree.height:
        if not step.budget:
            return 1
        step.budget -= 1
        release_lowest_inner(tree)
    while tree.first != NULL:
        if not step.budget:
            return 1
        step.budget -= 1
        leaf = tree.first
        tree.first = leaf.next
        release_block(step, leaf, leaf_size(leaf.capacity))
    tree_init(tree, tree.heap)
    return 0


cdef void tree_release(ScoreTree* tree) noexcept nogil:
    cdef Release step
    release_begin(&step, tree.heap, ~<size_t> 0)
    tree_release_step(tree, &step)


cdef inline void refresh_leaf_branch(Branch* branch) noexcept nogil:
    cdef Leaf* leaf = <Leaf*> branch.child
    branch.score = leaf_slots(leaf)[0].score
    branch.member = leaf_slots(leaf)[0].member
    branch.count = leaf.count


cdef void refresh_inner_branch(Branch* branch) noexcept nogil:
    cdef Inner* inner = <Inner*> branch.child
    cdef uint64_t i
    branch.score = inner.branches[0].score
    branch.member = inner.branches[0].member
    branch.count = 0
    for i in range(inner.count):
        branch.count += inner.branches[i].count


cdef void refresh_branch(Branch* branch, int level) noexcept nogil:
    """Works out what a branch says of the child that it leads to; level is its own node's."""
    if level == 0:
        refresh_leaf_branch(branch)
    else:
        refresh_inner_branch(branch)


cdef bint share_with_neighbour(Path* path) noexcept nogil:
    """Moves slots of the full leaf to a neighbour below the same inner node that has room."""
    cdef Inner* inner = path.inners[0]
    cdef uint32_t at = path.branches[0]
    cdef Leaf* leaf = path.leaf
    cdef Leaf* other
    cdef uint32_t moved
    if at:
        other = <Leaf*> inner.branches[at - 1].child
        if other.count + SHARE_LEAST <= LEAF_SLOTS:
            moved = (LEAF_SLOTS - other.count + 1) >> 1
            memcpy(leaf_slots(other) + other.count, leaf_slots(leaf), moved * sizeof(Slot))
            other.count += moved
            leaf.count -= moved
            memmove(leaf_slots(leaf), leaf_slots(leaf) + moved, leaf.count * sizeof(Slot))
            refresh_leaf_branch(&inner.branches[at - 1])
            refresh_leaf_branch(&inner.branches[at])
            return 1
    if at + 1 < inner.count:
        other = <Leaf*> inner.branches[at + 1].child
        if other.count + SHARE_LEAST <= LEAF_SLOTS:
            moved = (LEAF_SLOTS - other.count + 1) >> 1
            memmove(leaf_slots(other) + moved, leaf_slots(other), other.count * sizeof(Slot))
            leaf.count -= moved
            memcpy(leaf_slots(other), leaf_slots(leaf) + leaf.count, moved * sizeof(Slot))
            other.count += moved
            refresh_leaf_branch(&inner.branches[at])
            refresh_leaf_branch(&inner.branches[at + 1])
            return 1
    return 0


cdef void add_branch(Inner* inner, uint32_t at, void* child, int level) noexcept nogil:
    """Enters a child into a node with room. The branch before it is refreshed too."""
    memmove(&inner.branches[at + 1], &inner.branches[at], (inner.count - at) * sizeof(Branch))
    inner.branches[at].child = child
    inner.count += 1
    refresh_branch(&inner.branches[at], level)
    if at:
        refresh_branch(&inner.branches[at - 1], level)


cdef int split_leaf(ScoreTree* tree, Path* path) noexcept nogil:
    """Splits the full leaf, whose inner node has room."""
    cdef Leaf* leaf = path.leaf
    cdef Leaf* fresh = leaf_new(tree, LEAF_SLOTS)
    # Members that come in order, one way or the other, leave full leaves behind.
    cdef uint32_t kept = LEAF_SLOTS // 2
    if fresh == NULL:
        return -1
    if leaf.next == NULL and path.index == leaf.count:
        kept = LEAF_SLOTS - 1
    elif leaf.previous == NULL and path.index == 0:
        kept = 1
    fresh.count = leaf.count - kept
    memcpy(leaf_slots(fresh), leaf_slots(leaf) + kept, fresh.count * sizeof(Slot))
    leaf.count = kept
    fresh.previous = leaf
    fresh.next = leaf.next
    leaf.next = fresh
    if fresh.next != NULL:
        fresh.next.previous = fresh
    else:
        tree.last = fresh
    add_branch(path.inners[0], path.branches[0] + 1, fresh, 0)
    return 0


cdef int split_inner(ScoreTree* tree, Path* path, int level) noexcept nogil:
    """Splits the full inner node of this level, whose own inner node has room."""
    cdef Inner* inner = path.inners[level]
    cdef Inner* above = path.inners[level + 1]
    cdef uint32_t at = path.branches[level + 1]
    cdef Inner* fresh = <Inner*> heap_alloc(tree.heap, sizeof(Inner))
    cdef uint64_t kept = INNER_SLOTS // 2
    if fresh == NULL:
        return -1
    if path.branches[level] + 1 == inner.count:
        kept = INNER_SLOTS - 1
    fresh.count = inner.count - kept
    memcpy(&fresh.branches[0], &inner.branches[kept], fresh.count * sizeof(Branch))
    inner.count = kept
    add_branch(above, at + 1, fresh, level + 1)
    return 0


cdef int add_root(ScoreTree* tree) noexcept nogil:
    """Puts a new root with one branch above the old one."""
    cdef Inner* root = <Inner*> heap_alloc(tree.heap, sizeof(Inner))
    if root == NULL:
        return -1
    root.count = 1
    root.branches[0].child = tree.root
    refresh_branch(&root.branches[0], tree.height)
    tree.root = root
    tree.height += 1
    return 0


cdef int grow_root(ScoreTree* tree) noexcept nogil:
    """Makes the root, a leaf that is not full-grown, larger; or the first one."""
    cdef Leaf* leaf = <Leaf*> tree.root
    cdef uint32_t capacity = LEAF_SLOTS_FIRST
    if leaf == NULL:
        leaf = leaf_new(tree, capacity)
        if leaf == NULL:
            return -1
    else:
        capacity = 2 * leaf.capacity + 2
        leaf = <Leaf*> heap_realloc(tree.heap, leaf, leaf_size(leaf.capacity), leaf_size(capacity))
        if leaf == NULL:
            return -1
        leaf.capacity = capacity
    tree.root = leaf
    tree.first = leaf
    tree.last = leaf
    return 0


cdef int make_room(ScoreTree* tree, Path* path) noexcept nogil:
    """One step towards room in the full leaf."""
    cdef int level = 0
    if path.leaf.capacity < LEAF_SLOTS:
        return grow_root(tree)
    if tree.height and share_with_neighbour(path):
        return 0
    while level < tree.height and path.inners[level].count == INNER_SLOTS:
        level += 1
    if level == tree.height:
        return add_root(tree)
    return split_leaf(tree, path) if level == 0 else split_inner(tree, path, level - 1)


cdef inline void put(ScoreTree* tree, Path* path, Member* member, double score) noexcept nogil:
    """Enters a member where the path ends, in a leaf with room."""
    cdef Slot* slot = leaf_slots(path.leaf) + path.index
    cdef Branch* branch
    cdef int level
    memmove(slot + 1, slot, (path.leaf.count - path.index) * sizeof(Slot))
    slot.score = score
    slot.member = member
    path.leaf.count += 1
    tree.length += 1
    for level in range(tree.height):
        branch = &path.inners[level].branches[path.branches[level]]
        branch.count += 1
        if path.index == 0:
            # Only where it is the first member of all.
            branch.score = score
            branch.member = member


cdef int insert(ScoreTree* tree, Member* member, double score) noexcept nogil:
    cdef TreeBound bound
    cdef Path path
    if tree.root == NULL and grow_root(tree) != 0:
        return -1
    bound_of(&bound, member, score)
    while True:
        descend(tree, &bound, &path)
        if path.leaf.count < path.leaf.capacity:
            put(tree, &path, member, score)
            return 0
        if make_room(tree, &path) != 0:
            return -1


cdef int tree_insert(ScoreTree* tree, Member* member) noexcept nogil:
    return insert(tree, member, member.score)


cdef void refresh_first(ScoreTree* tree, Path* path, int level) noexcept nogil:
    """The first slot below the path's node of this level has changed: tells the levels above it."""
    cdef Branch* below
    while level < tree.height - 1 and path.branches[level] == 0:
        below = &path.inners[level].branches[0]
        level += 1
        path.inners[level].branches[path.branches[level]].score = below.score
        path.inners[level].branches[path.branches[level]].member = below.member


cdef void remove_branch(ScoreTree* tree, Path* path, int level, uint32_t at) noexcept nogil:
    """Takes a branch out of the path's node of this level; the counts above are right already."""
    cdef Inner* inner = path.inners[level]
    inner.count -= 1
    memmove(&inner.branches[at], &inner.branches[at + 1], (inner.count - at) * sizeof(Branch))
    if at == 0 and inner.count:
        path.branches[level] = 0
        refresh_first(tree, path, level)


cdef void free_leaf(ScoreTree* tree, Leaf* leaf) noexcept nogil:
    if leaf.previous != NULL:
        leaf.previous.next = leaf.next
    else:
        tree.first = leaf.next
    if leaf.next != NULL:
        leaf.next.previous = leaf.previous
    else:
        tree.last = leaf.previous
    heap_free(tree.heap, leaf, leaf_size(leaf.capacity))


cdef bint merge_leaves(ScoreTree* tree, Path* path, uint32_t left) noexcept nogil:
    """Moves the leaf behind this one below the same inner node into it, where that leaves room."""
    cdef Inner* inner = path.inners[0]
    cdef Leaf* one = <Leaf*> inner.branches[left].child
    cdef Leaf* other = <Leaf*> inner.branches[left + 1].child
    if one.count + other.count > LEAF_SLOTS - LEAF_SPARSE:
        return 0
    memcpy(leaf_slots(one) + one.count, leaf_slots(other), other.count * sizeof(Slot))
    one.count += other.count
    inner.branches[left].count = one.count
    free_leaf(tree, other)
    remove_branch(tree, path, 0, left + 1)
    return 1


cdef bint merge_inners(ScoreTree* tree, Path* path, int level, uint32_t left) noexcept nogil:
    """The same for inner nodes, level being that of the node above them."""
    cdef Inner* above = path.inners[level]
    cdef Inner* one = <Inner*> above.branches[left].child
    cdef Inner* other = <Inner*> above.branches[left + 1].child
    if one.count + other.count > INNER_SLOTS - INNER_SPARSE:
        return 0
    memcpy(&one.branches[one.count], &other.branches[0], other.count * sizeof(Branch))
    one.count += other.count
    above.branches[left].count += above.branches[left + 1].count
    heap_free(tree.heap, other, sizeof(Inner))
    remove_branch(tree, path, level, left + 1)
    return 1


cdef void rebalance(ScoreTree* tree, Path* path) noexcept nogil:
    """Merges or takes away what a removal has left sparse along the path."""
    cdef Leaf* leaf = path.leaf
    cdef Inner* inner
    cdef uint32_t at
    cdef int level
    if tree.height == 0:
        if leaf.count == 0:
            free_leaf(tree, leaf)
            tree.root = NULL
        return
    at = path.branches[0]
    if leaf.count == 0:
        free_leaf(tree, leaf)
        remove_branch(tree, path, 0, at)
    elif not (at and merge_leaves(tree, path, at - 1)) and not (
            at + 1 < path.inners[0].count and merge_leaves(tree, path, at)):
        return
    for level in range(tree.height - 1):
        inner = path.inners[level]
        if inner.count >= INNER_SPARSE:
            break
        at = path.branches[level + 1]
        if inner.count == 0:
            heap_free(tree.heap, inner, sizeof(Inner))
            remove_branch(tree, path, level + 1, at)
        elif not (at and merge_inners(tree, path, level + 1, at - 1)) and not (
                at + 1 < path.inners[level + 1].count and merge_inners(tree, path, level + 1, at)):
            break
    while tree.height and (<Inner*> tree.root).count <= 1:
        inner = <Inner*> tree.root
        tree.height -= 1
        tree.root = inner.branches[0].child if inner.count else NULL
        if tree.root == NULL:
            tree.height = 0
        heap_free(tree.heap, inner, sizeof(Inner))


cdef inline void take(ScoreTree* tree, Path* path, uint32_t count) noexcept nogil:
    """Takes count slots out of the leaf where the path ends."""
    cdef Leaf* leaf = path.leaf
    cdef Slot* slot = leaf_slots(leaf) + path.index
    cdef Branch* branch
    cdef int level
    leaf.count -= count
    memmove(slot, slot + count, (leaf.count - path.index) * sizeof(Slot))
    tree.length -= count
    for level in range(tree.height):
        path.inners[level].branches[path.branches[level]].count -= count
    if path.index == 0 and leaf.count and tree.height:
        branch = &path.inners[0].branches[path.branches[0]]
        branch.score = slot.score
        branch.member = slot.member
        refresh_first(tree, path, 0)
    if leaf.count < LEAF_SPARSE:
        rebalance(tree, path)


cdef inline void find(const ScoreTree* tree, const Member* member, Path* path) noexcept nogil:
    """The way to a member of the tree."""
    cdef TreeBound bound
    bound_of(&bound, member, member.score)
    # What begins a node is not before itself: the way leads behind the member, and one slot back.
    bound.kind = BOUND_MEMBER_BEHIND
    descend(tree, &bound, path)
    path.index -= 1


cdef void tree_remove(ScoreTree* tree, Member* member) noexcept nogil:
    cdef Path path
    find(tree, member, &path)
    take(tree, &path, 1)


cdef inline bint fits_in_place(const Path* path, const TreeBound* bound) noexcept nogil:
    """Whether the order holds with the bound's score and bytes in the slot where the path ends."""
    cdef TreePosition position
    cdef Slot* slot
    position.leaf = path.leaf
    position.index = path.index
    position_previous(&position)
    if position.leaf != NULL:
        slot = position_slot(&position)
        if not is_before(bound, slot.score, slot.member):
            return 0
    position.leaf = path.leaf
    position.index = path.index
    position_next(&position)
    if position.leaf == NULL:
        return 1
    slot = position_slot(&position)
    return not is_before(bound, slot.score, slot.member)


cdef int tree_update(ScoreTree* tree, Member* member, double score) noexcept nogil:
    cdef TreeBound bound
    cdef Path old, new
    cdef Branch* branch
    find(tree, member, &old)
    bound_of(&bound, member, score)
    if fits_in_place(&old, &bound):
        member.score = score
        leaf_slots(old.leaf)[old.index].score = score
        if old.index == 0 and tree.height:
            branch = &old.inners[0].branches[old.branches[0]]
            branch.score = score
            refresh_first(tree, &old, 0)
        return 0
    descend(tree, &bound, &new)
    if new.leaf.count < new.leaf.capacity:
        put(tree, &new, member, score)
        if new.leaf == old.leaf and new.index <= old.index:
            old.index += 1
    else:
        # A slot holds its own score, so the member can stand at both places for a moment.
        if insert(tree, member, score) != 0:
            return -1
        find(tree, member, &old)
    take(tree, &old, 1)
    member.score = score
    return 0


cdef void tree_replace(ScoreTree* tree, Member* member, Member* fresh) noexcept nogil:
    cdef Path path
    find(tree, member, &path)
    leaf_slots(path.leaf)[path.index].member = fresh
    if path.index == 0 and tree.height:
        path.inners[0].branches[path.branches[0]].member = fresh
        refresh_first(tree, &path, 0)


cdef size_t tree_rank(const ScoreTree* tree, const TreeBound* bound, TreePosition* position) noexcept nogil:
    cdef const void* node = tree.root
    cdef int level = tree.height
    cdef size_t rank = 0
    cdef uint32_t branch, i
    if node == NULL:
        position.leaf = NULL
        position.index = 0
        return 0
    while level:
        level -= 1
        branch = branches_before(<const Inner*> node, bound)
        if branch:
            branch -= 1
        for i in range(branch):
            rank += (<const Inner*> node).branches[i].count
        node = (<const Inner*> node).branches[branch].child
        prefetch_node(node)
    position.leaf = <Leaf*> node
    position.index = slots_before(position.leaf, bound)
    rank += position.index
    if position.index == position.leaf.count:
        position.leaf = position.leaf.next
        position.index = 0
    return rank


cdef inline bint descend_to_rank(const ScoreTree* tree, size_t rank, Path* path) noexcept nogil:
    cdef void* node = tree.root
    cdef Inner* inner
    cdef int level = tree.height
    cdef uint32_t branch
    if rank >= tree.length:
        return 0
    while level:
        level -= 1
        inner = <Inner*> node
        branch = 0
        while rank >= inner.branches[branch].count:
            rank -= inner.branches[branch].count
            branch += 1
        path.inners[level] = inner
        path.branches[level] = branch
        node = inner.branches[branch].child
        prefetch_node(node)
    path.leaf = <Leaf*> node
    path.index = <uint32_t> rank
    return 1


cdef TreePosition tree_select(const ScoreTree* tree, size_t rank) noexcept nogil:
    cdef TreePosition position
    cdef Path path
    if descend_to_rank(tree, rank, &path):
        position.leaf = path.leaf
        position.index = path.index
    else:
        position.leaf = NULL
        position.index = 0
    return position


cdef size_t tree_remove_range(ScoreTree* tree, size_t rank, size_t count, MemberVisitor visit,
                              void* argument) noexcept nogil:
    cdef Member* members[LEAF_SLOTS]
    cdef Path path
    cdef size_t removed = 0
    cdef uint32_t piece, i
    while removed < count and descend_to_rank(tree, rank, &path):
        piece = path.leaf.count - path.index
        if piece > count - removed:
            piece = <uint32_t> (count - removed)
        for i in range(piece):
            members[i] = leaf_slots(path.leaf)[path.index + i].member
            prefetch(members[i])
        take(tree, &path, piece)
        removed += piece
        # Only now: the tree looks at members while it changes.
        for i in range(piece):
            visit(argument, members[i])
    return removed


cdef size_t inner_bytes(const Inner* inner, int level) noexcept nogil:
    cdef size_t total = heap_footprint(sizeof(Inner))
    cdef uint64_t i
    if level == 0:
        return total + inner.count * heap_footprint(leaf_size(LEAF_SLOTS))
    for i in range(inner.count):
        total += inner_bytes(<const Inner*> inner.branches[i].child, level - 1)
    return total


cdef size_t tree_bytes(const ScoreTree* tree) noexcept nogil:
    if tree.root == NULL:
        return 0
    if tree.height == 0:
        return heap_footprint(leaf_size((<Leaf*> tree.root).capacity))
    return inner_bytes(<Inner*> tree.root, tree.height - 1)


cdef bint check_node(const ScoreTree* tree, void* node, int level, Leaf** expected, size_t* count) noexcept nogil:
    """Checks a node and all below; *expected is the leaf that comes next."""
    cdef Leaf* leaf
    cdef Inner* inner
    cdef Branch seen
    cdef size_t below
    cdef uint64_t i
    if level < 0:
        leaf = <Leaf*> node
        if leaf != expected[0] or not 1 <= leaf.count <= leaf.capacity or leaf.capacity > LEAF_SLOTS:
            return 0
        if leaf.next != NULL and leaf.next.previous != leaf:
            return 0
        if tree.height and leaf.capacity != LEAF_SLOTS:
            return 0
        expected[0] = leaf.next
        count[0] = leaf.count
        return 1
    inner = <Inner*> node
    count[0] = 0
    if not 1 <= inner.count <= INNER_SLOTS:
        return 0
    for i in range(inner.count):
        if not check_node(tree, inner.branches[i].child, level - 1, expected, &below):
            return 0
        seen = inner.branches[i]
        refresh_branch(&seen, level)
        if (seen.score != inner.branches[i].score or seen.member != inner.branches[i].member
                or seen.count != inner.branches[i].count or seen.count != below):
            return 0
        count[0] += below
    return 1


cdef bint tree_check(const ScoreTree* tree) noexcept nogil:
    cdef Leaf* expected = tree.first
    cdef TreePosition position
    cdef TreeBound bound
    cdef Slot* slot
    cdef size_t count
    if tree.root == NULL:
        return tree.first == NULL and tree.last == NULL and tree.length == 0 and tree.height == 0
    if not check_node(tree, tree.root, tree.height - 1, &expected, &count) or expected != NULL:
        return 0
    if count != tree.length or tree.first.previous != NULL or tree.last.next != NULL:
        return 0
    position.leaf = tree.first
    position.index = 0
    slot = NULL
    while position.leaf != NULL:
        if slot != NULL:
            bound_of(&bound, position_slot(&position).member, position_slot(&position).score)
            if not is_before(&bound, slot.score, slot.member):
                return 0
        slot = position_slot(&position)
        if slot.score != slot.member.score:
            return 0
        position_next(&position)
    return 1
