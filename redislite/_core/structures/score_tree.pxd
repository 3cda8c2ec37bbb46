"""Score tree: the members of a large sorted set in order of score, then of their bytes; ranks in logarithmic time.

A counted B+ tree. Where the original has a skip list, this costs a few cache lines per search instead of one per node
passed, the same or less memory, and walks a range without following a pointer per member.

    Inner: | first score and member below, child, members below | ... up to INNER_SLOTS of them
    Leaf:  | score, member | score, member | ...  up to LEAF_SLOTS,  ⇄ the leaf before and behind

The tree stores pointers to Members, heap blocks which the caller allocates, keeps in a dict too, and releases:

    Member: | score: 8 | member: prefixed string |

Scores stand in the leaves as well, so a search looks at a member's bytes only among equal scores. Scores are never NaN.
A position is good until the tree is changed.
"""
from libc.stdint cimport uint32_t, uint64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size
from redislite._core.structures.release cimport Release

cdef enum:
    LEAF_SLOTS = 62             # a full leaf takes 1016 bytes
    INNER_SLOTS = 31            # an inner node takes 1000 bytes
    HEIGHT_MAX = 24             # levels of inner nodes; far more than memory can hold
    MEMBER_KEY_OFFSET = 8       # bytes from a Member's start to its prefixed string


cdef struct Member:
    double score


cdef struct Slot:
    double score
    Member* member


cdef struct Leaf:
    Leaf* previous
    Leaf* next
    uint32_t count
    uint32_t capacity


cdef struct Branch:
    double score                # of the first member below
    Member* member
    void* child
    size_t count                # members below


cdef struct Inner:
    uint64_t count
    Branch branches[INNER_SLOTS]


cdef struct ScoreTree:
    Heap* heap
    void* root                  # a Leaf where height is 0
    Leaf* first
    Leaf* last
    size_t length               # members
    int height                  # levels of inner nodes


cdef struct TreePosition:
    Leaf* leaf                  # NULL: no member
    uint32_t index


# A place between members: which of them are before it.
cdef enum:
    BOUND_MEMBER = 0            # lower score, or the same and smaller bytes
    BOUND_MEMBER_BEHIND = 1     # the same, and the member itself
    BOUND_SCORE = 2             # lower score
    BOUND_SCORE_BEHIND = 3      # lower or equal score
    BOUND_TEXT = 4              # smaller bytes, whatever the score: for sets whose scores are all the same
    BOUND_TEXT_BEHIND = 5       # smaller or equal bytes

cdef struct TreeBound:
    int kind
    double score
    const char* data
    size_t length


# Called for each member that leaves the tree.
ctypedef void (*MemberVisitor)(void* argument, Member* member) noexcept nogil


cdef void tree_init(ScoreTree* tree, Heap* heap) noexcept nogil
# Releases the nodes; the members are the caller's.
cdef void tree_release(ScoreTree* tree) noexcept nogil
# Releases nodes, as many as the step may; true while more are left. No other call but these two may follow.
cdef bint tree_release_step(ScoreTree* tree, Release* step) noexcept nogil
# Adds a member that is not in the tree, with its score. 0, or -1 where memory is out (nothing has changed then).
cdef int tree_insert(ScoreTree* tree, Member* member) noexcept nogil
# Takes the member out.
cdef void tree_remove(ScoreTree* tree, Member* member) noexcept nogil
# Gives a member of the tree another score and moves it there. 0, or -1 where memory is out (nothing has changed then).
cdef int tree_update(ScoreTree* tree, Member* member, double score) noexcept nogil
# Puts another block with the same score and bytes in the member's place.
cdef void tree_replace(ScoreTree* tree, Member* member, Member* fresh) noexcept nogil
# How many members are before the bound; the first one that is not is *position (may be NULL).
cdef size_t tree_rank(const ScoreTree* tree, const TreeBound* bound, TreePosition* position) noexcept nogil
# The member with this rank, from 0; NULL leaf where there is none.
cdef TreePosition tree_select(const ScoreTree* tree, size_t rank) noexcept nogil
# Takes out count members from a rank on, or as many as there are; answers how many. Costs what it removes.
cdef size_t tree_remove_range(ScoreTree* tree, size_t rank, size_t count, MemberVisitor visit,
                              void* argument) noexcept nogil
# Bytes that the nodes take.
cdef size_t tree_bytes(const ScoreTree* tree) noexcept nogil
# Whether all invariants hold; walks the whole tree. For tests.
cdef bint tree_check(const ScoreTree* tree) noexcept nogil


cdef inline char* member_text(const Member* member, size_t* length) noexcept nogil:
    return prefixed_read(<const char*> member + MEMBER_KEY_OFFSET, length)


# Bytes of a Member's block, as they are asked for.
cdef inline size_t member_size(size_t length) noexcept nogil:
    return MEMBER_KEY_OFFSET + prefixed_size(length)


cdef inline Slot* leaf_slots(const Leaf* leaf) noexcept nogil:
    return <Slot*> (<char*> leaf + sizeof(Leaf))


cdef inline Slot* position_slot(const TreePosition* position) noexcept nogil:
    return leaf_slots(position.leaf) + position.index


cdef inline void position_next(TreePosition* position) noexcept nogil:
    position.index += 1
    if position.index == position.leaf.count:
        position.leaf = position.leaf.next
        position.index = 0


cdef inline void position_previous(TreePosition* position) noexcept nogil:
    if position.index:
        position.index -= 1
    else:
        position.leaf = position.leaf.previous
        if position.leaf != NULL:
            position.index = position.leaf.count - 1
