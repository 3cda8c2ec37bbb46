"""The value of a sorted set, whatever its encoding: what the commands on sorted sets, geo and SORT share.

    ENCODING_LISTPACK   a listpack of member, score, member, score, ... in the order of the set
    ENCODING_SKIPLIST   a SortedSet: a dict of Members by their bytes, and the same Members in a score tree

(clients know the second by the original's name, "skiplist"). A set begins as a listpack and becomes a SortedSet where
it outgrows zset-max-listpack-entries or a member outgrows zset-max-listpack-value; what a command stores as a whole
takes the form that fits.

A SortedSetValue is the pair of pointer and encoding that an entry holds. A function that changes one may replace both:
load it from the entry (entry.pxd), change it, save it again. Where memory is out the value is as it was.
"""
from libc.stdint cimport int64_t, uint8_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport Dict
from redislite._core.structures.listpack cimport LISTPACK_INTEGER_TEXT, listpack
from redislite._core.structures.release cimport Release
from redislite._core.structures.score_tree cimport Member, ScoreTree, TreePosition


cdef struct SortedSet:
    Dict members
    ScoreTree tree


cdef struct SortedSetValue:
    void* data
    int encoding


# How sorted_set_add treats a member, and what it answers.
cdef enum:
    ADD_INCREMENT = 1           # the score is added to the member's
    ADD_NEW = 2                 # NX: only members that are not there
    ADD_EXISTING = 4            # XX: only members that are there
    ADD_GREATER = 8             # GT: an existing score only rises
    ADD_LESS = 16               # LT: an existing score only falls

cdef enum:
    ADD_NOTHING = 0             # the conditions forbade it
    ADD_ADDED = 1
    ADD_UPDATED = 2
    ADD_SAME = 3                # the score is what it was
    ADD_NOT_A_NUMBER = 4        # the sum of inf and -inf: nothing has changed
    ADD_NO_MEMORY = 5           # nothing has changed


cdef struct ScoreRange:
    double least
    double most
    bint least_excluded
    bint most_excluded


# Ends of a range of members: everything is behind TEXT_FIRST and before TEXT_LAST.
cdef enum:
    TEXT_BOUND = 0
    TEXT_FIRST = 1
    TEXT_LAST = 2

cdef struct TextEnd:
    int kind
    bint excluded
    const char* data
    size_t length

cdef struct TextRange:
    TextEnd least
    TextEnd most


# Walks a set. After each sorted_set_next, data and length are the member's bytes, good until the next one.
cdef struct SortedSetCursor:
    char* data
    size_t length
    double score                # only where scores were asked for
    bint backward
    bint scores
    bint is_listpack
    listpack pack
    uint8_t* entry              # listpack: the member that comes next, NULL at the end
    TreePosition position       # tree: likewise
    char number[LISTPACK_INTEGER_TEXT]


# An empty value fit for so many members, the longest of so many bytes. 0, or -1 where memory is out.
cdef int sorted_set_new(Core* core, SortedSetValue* value, size_t members, size_t longest) noexcept nogil
# Makes a table of a listpack that is to take more members at once than a listpack may hold. 0, or -1 where memory is
# out.
cdef int sorted_set_expect(Core* core, SortedSetValue* value, size_t members) noexcept nogil
cdef size_t sorted_set_length(const SortedSetValue* value) noexcept nogil
# Whether the member is there, and its score.
cdef bint sorted_set_find(const SortedSetValue* value, const char* data, size_t length, double* score) noexcept nogil
# Adds a member or changes its score: *score, or the sum with it, which is *score then. options: ADD_INCREMENT etc.
cdef int sorted_set_add(Core* core, SortedSetValue* value, const char* data, size_t length, double* score,
                        int options) noexcept nogil
# Adds a member that is known not to be there. 0, or -1 where memory is out.
cdef int sorted_set_insert(Core* core, SortedSetValue* value, const char* data, size_t length,
                           double score) noexcept nogil
# Removes a member; whether it was there.
cdef bint sorted_set_remove(Core* core, SortedSetValue* value, const char* data, size_t length) noexcept nogil
# Rank of a member, from 0 (from the end where backward), and its score; -1 where it is not there.
cdef int64_t sorted_set_rank(const SortedSetValue* value, const char* data, size_t length, bint backward,
                             double* score) noexcept nogil
# Removes count members from a rank on; answers how many there were. Costs what it removes.
cdef size_t sorted_set_remove_range(Core* core, SortedSetValue* value, size_t rank, size_t count) noexcept nogil
# Members in a range: *first is the rank of the first one, the answer how many there are.
cdef size_t sorted_set_score_range(const SortedSetValue* value, const ScoreRange* range, size_t* first) noexcept nogil
# The same by bytes, among members of one score. Where scores differ, the answer is what the original's walk through a
# listpack (from the end where backward) would find, and anything for large sets.
cdef size_t sorted_set_text_range(const SortedSetValue* value, const TextRange* range, bint backward,
                                  size_t* first) noexcept nogil
# Puts the cursor before the member of this rank (from the end where backward). scores: whether they are wanted.
cdef void sorted_set_seek(const SortedSetValue* value, SortedSetCursor* cursor, size_t rank, bint backward,
                          bint scores) noexcept nogil
# Goes to the next member; false at the end. The set must not be changed meanwhile.
cdef bint sorted_set_next(SortedSetCursor* cursor) noexcept nogil
# Makes the value a listpack where the settings allow it. -1 where memory is out.
cdef int sorted_set_compact(Core* core, SortedSetValue* value) noexcept nogil
# A SortedSet, empty, or NULL.
cdef SortedSet* sorted_set_table_new(Heap* heap, const unsigned long long* seed) noexcept nogil

# What object.pyx calls: copies and releases a value, tells its bytes.
cdef int sorted_set_copy(Heap* heap, const SortedSetValue* value, SortedSetValue* copy) noexcept nogil
cdef void sorted_set_release(Heap* heap, SortedSetValue* value) noexcept nogil
cdef size_t sorted_set_memory(const SortedSetValue* value) noexcept nogil
# Releases it bit by bit: 1 while more is to do (release.pxd).
cdef bint sorted_set_release_step(Release* step, SortedSetValue* value) noexcept nogil
