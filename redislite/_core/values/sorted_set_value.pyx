"""The value of a sorted set, whatever its encoding; the contract is in sorted_set_value.pxd.

A score stands in a listpack as the original writes it there: an integer where it is one (minus zero becomes zero), else
its shortest text.
"""
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free
from redislite._core.base.prefixed cimport prefixed_write
from redislite._core.structures.dict cimport (
    dict_find, dict_hash, dict_init, dict_insert, dict_release_step, dict_remove, dict_reserve, dict_table_bytes,
)
from redislite._core.structures.listpack cimport (
    LISTPACK_MAX_BYTES, ListpackValue, listpack_append, listpack_bytes, listpack_copy, listpack_delete_range,
    listpack_find, listpack_first, listpack_free, listpack_get, listpack_insert, listpack_insert_integer, listpack_last,
    listpack_length, listpack_memory, listpack_new, listpack_next, listpack_previous, listpack_replace,
    listpack_replace_integer, listpack_seek, listpack_text,
)
from redislite._core.structures.release cimport Release, release_begin, release_block
from redislite._core.structures.score_tree cimport (
    BOUND_MEMBER, BOUND_SCORE, BOUND_SCORE_BEHIND, BOUND_TEXT, BOUND_TEXT_BEHIND, MEMBER_KEY_OFFSET, Slot, TreeBound,
    leaf_slots, member_size, member_text, position_next, position_previous, tree_bytes, tree_init, tree_insert,
    tree_rank, tree_release_step, tree_remove, tree_remove_range, tree_select, tree_update,
)
from redislite._core.text.encodings cimport ENCODING_LISTPACK, ENCODING_SKIPLIST
from redislite._core.text.numbers cimport DOUBLE_TEXT_MAX, format_double, parse_double

cdef extern from *:
    """
    #define REDISLITE_PREFETCH(address) __builtin_prefetch((const void *) (address))
    """
    void prefetch "REDISLITE_PREFETCH"(const void* address) noexcept nogil

cdef enum:
    PREFETCH_AHEAD = 8          # members ahead of a cursor
    LISTPACK_PAIR_ROOM = 64     # bytes that a member may take in a listpack besides its own, score included

# Integers below are written as such into a listpack.
cdef double INTEGER_SCORE = 4503599627370496.0


cdef inline SortedSet* table_of(const SortedSetValue* value) noexcept nogil:
    return <SortedSet*> value.data


cdef inline listpack pack_of(const SortedSetValue* value) noexcept nogil:
    return <listpack> value.data


cdef inline bint is_listpack(const SortedSetValue* value) noexcept nogil:
    return value.encoding == ENCODING_LISTPACK


# Listpacks of pairs


cdef double pack_score(const uint8_t* entry) noexcept nogil:
    """The score that an element holds."""
    cdef ListpackValue element
    cdef double score
    listpack_get(entry, &element)
    if element.data == NULL:
        return <double> element.integer
    if not parse_double(element.data, element.length, &score):
        return 0
    return score


cdef inline bint is_integer_score(double score) noexcept nogil:
    return -INTEGER_SCORE < score < INTEGER_SCORE and score == <double> <int64_t> score


cdef int compare_element(const uint8_t* entry, const char* data, size_t length) noexcept nogil:
    """Order of an element and some bytes."""
    cdef char number[LISTPACK_INTEGER_TEXT]
    cdef size_t own_length
    cdef char* own = listpack_text(entry, number, &own_length)
    cdef int order = memcmp(own, data, own_length if own_length < length else length)
    if order:
        return order
    return (own_length > length) - (own_length < length)


cdef inline uint8_t* pack_find(listpack pack, const char* data, size_t length) noexcept nogil:
    """The element of the member, or NULL."""
    cdef uint8_t* first = listpack_first(pack)
    return listpack_find(pack, first, data, length, 1) if first != NULL else NULL


cdef inline bint pair_is_before(listpack pack, uint8_t* entry, double score, const char* data,
                                size_t length) noexcept nogil:
    cdef double own = pack_score(listpack_next(pack, entry))
    return own < score or (own == score and compare_element(entry, data, length) < 0)


cdef uint8_t* pack_place(listpack pack, double score, const char* data, size_t length) noexcept nogil:
    """The first pair that is not before this one; NULL where all are."""
    cdef uint8_t* entry = listpack_last(pack)
    if entry == NULL or pair_is_before(pack, listpack_previous(pack, entry), score, data, length):
        return NULL
    entry = listpack_first(pack)
    while pair_is_before(pack, entry, score, data, length):
        entry = listpack_next(pack, listpack_next(pack, entry))
    return entry


cdef int pack_put(Heap* heap, SortedSetValue* value, const char* data, size_t length, double score) noexcept nogil:
    """Adds a pair whose member is not there, in its place."""
    cdef char text[DOUBLE_TEXT_MAX]
    cdef listpack pack = pack_of(value)
    cdef listpack changed
    cdef uint8_t* entry = pack_place(pack, score, data, length)
    if entry == NULL:
        pack = listpack_append(heap, pack, data, length)
        if pack == NULL:
            return -1
        entry = listpack_last(pack)
    else:
        pack = listpack_insert(heap, pack, &entry, 0, data, length)
        if pack == NULL:
            return -1
    value.data = pack
    if is_integer_score(score):
        changed = listpack_insert_integer(heap, pack, &entry, 1, <int64_t> score)
    else:
        changed = listpack_insert(heap, pack, &entry, 1, text, format_double(text, score))
    if changed == NULL:
        pack_delete_elements(heap, value, entry, 1)
        return -1
    value.data = changed
    return 0


cdef int pack_delete_elements(Heap* heap, SortedSetValue* value, uint8_t* entry, size_t count) noexcept nogil:
    cdef listpack pack = listpack_delete_range(heap, pack_of(value), &entry, count)
    if pack == NULL:
        return -1
    value.data = pack
    return 0


cdef int pack_update(Heap* heap, SortedSetValue* value, uint8_t* entry, const char* data, size_t length,
                     double score) noexcept nogil:
    """Gives the member at entry another score."""
    cdef char text[DOUBLE_TEXT_MAX]
    cdef listpack pack = pack_of(value)
    cdef uint8_t* place = listpack_next(pack, entry)
    cdef uint8_t* following = listpack_next(pack, place)
    cdef uint8_t* preceding = listpack_previous(pack, entry)
    cdef double old = pack_score(place)
    if (following == NULL or score < old or not pair_is_before(pack, following, score, data, length)) and (
            preceding == NULL or score > old
            or pair_is_before(pack, listpack_previous(pack, preceding), score, data, length)):
        if is_integer_score(score):
            pack = listpack_replace_integer(heap, pack, &place, <int64_t> score)
        else:
            pack = listpack_replace(heap, pack, &place, text, format_double(text, score))
        if pack == NULL:
            return -1
        value.data = pack
        return 0
    if pack_delete_elements(heap, value, entry, 2) != 0:
        return -1
    if pack_put(heap, value, data, length, score) != 0:
        # The room that was there a moment ago is there still.
        pack_put(heap, value, data, length, old)
        return -1
    return 0


# Tables


cdef SortedSet* sorted_set_table_new(Heap* heap, const unsigned long long* seed) noexcept nogil:
    cdef SortedSet* table = <SortedSet*> heap_alloc(heap, sizeof(SortedSet))
    if table != NULL:
        dict_init(&table.members, heap, <const uint64_t*> seed, MEMBER_KEY_OFFSET)
        tree_init(&table.tree, heap)
    return table


cdef inline void free_member(Heap* heap, Member* member) noexcept nogil:
    cdef size_t length
    member_text(member, &length)
    heap_free(heap, member, member_size(length))


cdef inline Member* table_find(SortedSet* table, const char* data, size_t length) noexcept nogil:
    cdef Member** slot = <Member**> dict_find(&table.members, data, length, dict_hash(&table.members, data, length))
    return slot[0] if slot != NULL else NULL


cdef int table_put(Heap* heap, SortedSet* table, const char* data, size_t length, uint64_t hash,
                   double score) noexcept nogil:
    """Adds a member that is not there."""
    cdef Member* member = <Member*> heap_alloc(heap, member_size(length))
    if member == NULL:
        return -1
    member.score = score
    prefixed_write(<char*> member + MEMBER_KEY_OFFSET, data, length)
    if tree_insert(&table.tree, member) == 0:
        if dict_insert(&table.members, member, hash) == 0:
            return 0
        tree_remove(&table.tree, member)
    heap_free(heap, member, member_size(length))
    return -1


cdef void release_member(void* step, void* member) noexcept nogil:
    cdef size_t length
    member_text(<Member*> member, &length)
    release_block(<Release*> step, member, member_size(length))


cdef void drop_member(void* argument, Member* member) noexcept nogil:
    """A member that has left the tree leaves the dict."""
    cdef SortedSet* table = <SortedSet*> argument
    cdef size_t length
    cdef char* data = member_text(member, &length)
    dict_remove(&table.members, data, length, dict_hash(&table.members, data, length))
    free_member(table.tree.heap, member)


cdef bint table_release_step(Release* step, SortedSet* table) noexcept nogil:
    if tree_release_step(&table.tree, step) or dict_release_step(&table.members, release_member, step, &step.budget):
        return 1
    heap_free(step.heap, table, sizeof(SortedSet))
    return 0


cdef void table_free(Heap* heap, SortedSet* table) noexcept nogil:
    cdef Release step
    release_begin(&step, heap, ~<size_t> 0)
    table_release_step(&step, table)


cdef int convert_to_table(Core* core, SortedSetValue* value, size_t expected) noexcept nogil:
    """Makes a listpack a table with room for so many members."""
    cdef SortedSetCursor cursor
    cdef SortedSet* table = sorted_set_table_new(core.heap, <const unsigned long long*> core.seed)
    if table == NULL:
        return -1
    if dict_reserve(&table.members, expected) != 0:
        table_free(core.heap, table)
        return -1
    sorted_set_seek(value, &cursor, 0, 0, 1)
    while sorted_set_next(&cursor):
        if table_put(core.heap, table, cursor.data, cursor.length,
                     dict_hash(&table.members, cursor.data, cursor.length), cursor.score) != 0:
            table_free(core.heap, table)
            return -1
    listpack_free(core.heap, pack_of(value))
    value.data = table
    value.encoding = ENCODING_SKIPLIST
    return 0


# Both


cdef int sorted_set_new(Core* core, SortedSetValue* value, size_t members, size_t longest) noexcept nogil:
    if (members <= <size_t> core.settings.zset_max_listpack_entries
            and longest <= <size_t> core.settings.zset_max_listpack_value):
        value.data = listpack_new(core.heap)
        value.encoding = ENCODING_LISTPACK
    else:
        value.data = sorted_set_table_new(core.heap, <const unsigned long long*> core.seed)
        value.encoding = ENCODING_SKIPLIST
    return 0 if value.data != NULL else -1


cdef int sorted_set_expect(Core* core, SortedSetValue* value, size_t members) noexcept nogil:
    if not is_listpack(value) or members <= <size_t> core.settings.zset_max_listpack_entries:
        return 0
    return convert_to_table(core, value, members)


cdef size_t sorted_set_length(const SortedSetValue* value) noexcept nogil:
    if is_listpack(value):
        return listpack_length(pack_of(value)) >> 1
    return table_of(value).tree.length


cdef bint sorted_set_find(const SortedSetValue* value, const char* data, size_t length, double* score) noexcept nogil:
    cdef uint8_t* entry
    cdef Member* member
    if is_listpack(value):
        entry = pack_find(pack_of(value), data, length)
        if entry == NULL:
            return 0
        score[0] = pack_score(listpack_next(pack_of(value), entry))
        return 1
    member = table_find(table_of(value), data, length)
    if member == NULL:
        return 0
    score[0] = member.score
    return 1


cdef inline bint fits_listpack(Core* core, const SortedSetValue* value, size_t length) noexcept nogil:
    """Whether a listpack may take one more member of this length."""
    return (sorted_set_length(value) < <size_t> core.settings.zset_max_listpack_entries
            and length <= <size_t> core.settings.zset_max_listpack_value
            and listpack_bytes(pack_of(value)) + length + LISTPACK_PAIR_ROOM < LISTPACK_MAX_BYTES)


cdef int sorted_set_insert(Core* core, SortedSetValue* value, const char* data, size_t length,
                           double score) noexcept nogil:
    cdef SortedSet* table
    if is_listpack(value):
        if fits_listpack(core, value, length):
            return pack_put(core.heap, value, data, length, score)
        if convert_to_table(core, value, sorted_set_length(value) + 1) != 0:
            return -1
    table = table_of(value)
    return table_put(core.heap, table, data, length, dict_hash(&table.members, data, length), score)


cdef inline int new_score(double old, double* score, int options) noexcept nogil:
    """What is to be done with a member that has a score already: ADD_UPDATED, or the answer."""
    if options & ADD_NEW:
        return ADD_NOTHING
    if options & ADD_INCREMENT:
        score[0] += old
        if isnan(score[0]):
            return ADD_NOT_A_NUMBER
    if (options & ADD_LESS and score[0] >= old) or (options & ADD_GREATER and score[0] <= old):
        return ADD_NOTHING
    return ADD_UPDATED if score[0] != old else ADD_SAME


cdef int sorted_set_add(Core* core, SortedSetValue* value, const char* data, size_t length, double* score,
                        int options) noexcept nogil:
    cdef SortedSet* table
    cdef Member** slot
    cdef Member* member
    cdef uint8_t* entry
    cdef uint64_t hash
    cdef int todo
    if is_listpack(value):
        entry = pack_find(pack_of(value), data, length)
        if entry != NULL:
            todo = new_score(pack_score(listpack_next(pack_of(value), entry)), score, options)
            if todo == ADD_UPDATED and pack_update(core.heap, value, entry, data, length, score[0]) != 0:
                return ADD_NO_MEMORY
            return todo
        if options & ADD_EXISTING:
            return ADD_NOTHING
        return ADD_ADDED if sorted_set_insert(core, value, data, length, score[0]) == 0 else ADD_NO_MEMORY
    table = table_of(value)
    hash = dict_hash(&table.members, data, length)
    slot = <Member**> dict_find(&table.members, data, length, hash)
    if slot != NULL:
        member = slot[0]
        todo = new_score(member.score, score, options)
        if todo == ADD_UPDATED and tree_update(&table.tree, member, score[0]) != 0:
            return ADD_NO_MEMORY
        return todo
    if options & ADD_EXISTING:
        return ADD_NOTHING
    return ADD_ADDED if table_put(core.heap, table, data, length, hash, score[0]) == 0 else ADD_NO_MEMORY


cdef bint sorted_set_remove(Core* core, SortedSetValue* value, const char* data, size_t length) noexcept nogil:
    cdef SortedSet* table
    cdef Member* member
    cdef uint8_t* entry
    if is_listpack(value):
        entry = pack_find(pack_of(value), data, length)
        return entry != NULL and pack_delete_elements(core.heap, value, entry, 2) == 0
    table = table_of(value)
    member = <Member*> dict_remove(&table.members, data, length, dict_hash(&table.members, data, length))
    if member == NULL:
        return 0
    tree_remove(&table.tree, member)
    free_member(core.heap, member)
    return 1


cdef int64_t sorted_set_rank(const SortedSetValue* value, const char* data, size_t length, bint backward,
                             double* score) noexcept nogil:
    cdef listpack pack
    cdef uint8_t* entry
    cdef uint8_t* found
    cdef Member* member
    cdef TreeBound bound
    cdef TreePosition position
    cdef int64_t rank = 0
    if is_listpack(value):
        pack = pack_of(value)
        found = pack_find(pack, data, length)
        if found == NULL:
            return -1
        score[0] = pack_score(listpack_next(pack, found))
        entry = listpack_first(pack)
        while entry != found:
            entry = listpack_next(pack, listpack_next(pack, entry))
            rank += 1
    else:
        member = table_find(table_of(value), data, length)
        if member == NULL:
            return -1
        score[0] = member.score
        bound.kind = BOUND_MEMBER
        bound.score = member.score
        bound.data = data
        bound.length = length
        rank = <int64_t> tree_rank(&table_of(value).tree, &bound, &position)
    if backward:
        rank = <int64_t> sorted_set_length(value) - 1 - rank
    return rank


cdef size_t sorted_set_remove_range(Core* core, SortedSetValue* value, size_t rank, size_t count) noexcept nogil:
    cdef size_t length = sorted_set_length(value)
    if rank >= length or count == 0:
        return 0
    if count > length - rank:
        count = length - rank
    if is_listpack(value):
        if pack_delete_elements(core.heap, value, listpack_seek(pack_of(value), <int64_t> (2 * rank)), 2 * count) != 0:
            return 0
        return count
    return tree_remove_range(&table_of(value).tree, rank, count, drop_member, value.data)


cdef size_t sorted_set_score_range(const SortedSetValue* value, const ScoreRange* range, size_t* first) noexcept nogil:
    cdef TreeBound bound
    cdef TreePosition position
    cdef SortedSetCursor cursor
    cdef size_t rank = 0
    cdef size_t end
    first[0] = 0
    if range.least > range.most or (range.least == range.most and (range.least_excluded or range.most_excluded)):
        return 0
    if not is_listpack(value):
        bound.kind = BOUND_SCORE_BEHIND if range.least_excluded else BOUND_SCORE
        bound.score = range.least
        first[0] = tree_rank(&table_of(value).tree, &bound, &position)
        if first[0] == table_of(value).tree.length:
            return 0
        bound.kind = BOUND_SCORE if range.most_excluded else BOUND_SCORE_BEHIND
        bound.score = range.most
        return tree_rank(&table_of(value).tree, &bound, &position) - first[0]
    end = 0
    sorted_set_seek(value, &cursor, 0, 0, 1)
    while sorted_set_next(&cursor):
        if cursor.score < range.least or (range.least_excluded and cursor.score == range.least):
            rank += 1
        elif cursor.score > range.most or (range.most_excluded and cursor.score == range.most):
            break
        else:
            end += 1
    first[0] = rank
    return end


cdef inline int compare_end(const char* data, size_t length, const TextEnd* end) noexcept nogil:
    """Order of a member and an end of a range."""
    cdef int order
    if end.kind != TEXT_BOUND:
        return 1 if end.kind == TEXT_FIRST else -1
    order = memcmp(data, end.data, length if length < end.length else end.length)
    if order:
        return order
    return (length > end.length) - (length < end.length)


cdef inline bint is_behind_least(const SortedSetCursor* cursor, const TextRange* range) noexcept nogil:
    cdef int order = compare_end(cursor.data, cursor.length, &range.least)
    return order > 0 or (order == 0 and not range.least.excluded)


cdef inline bint is_before_most(const SortedSetCursor* cursor, const TextRange* range) noexcept nogil:
    cdef int order = compare_end(cursor.data, cursor.length, &range.most)
    return order < 0 or (order == 0 and not range.most.excluded)


cdef size_t members_before(const SortedSetValue* value, const TextEnd* end, bint behind) noexcept nogil:
    """How many members of a table are before an end of a range; behind: a member that equals it is so too."""
    cdef TreeBound bound
    cdef TreePosition position
    if end.kind != TEXT_BOUND:
        return 0 if end.kind == TEXT_FIRST else table_of(value).tree.length
    bound.kind = BOUND_TEXT_BEHIND if behind else BOUND_TEXT
    bound.data = end.data
    bound.length = end.length
    return tree_rank(&table_of(value).tree, &bound, &position)


cdef size_t sorted_set_text_range(const SortedSetValue* value, const TextRange* range, bint backward,
                                  size_t* first) noexcept nogil:
    cdef SortedSetCursor cursor
    cdef size_t before = 0
    cdef size_t count = 0
    cdef size_t end
    first[0] = 0
    if not is_listpack(value):
        first[0] = members_before(value, &range.least, range.least.excluded)
        end = members_before(value, &range.most, not range.most.excluded)
        return end - first[0] if end > first[0] else 0
    if sorted_set_length(value) == 0:
        return 0
    # The original first asks whether the last and the first member allow for anything in the range.
    sorted_set_seek(value, &cursor, 0, 1, 0)
    sorted_set_next(&cursor)
    if not is_behind_least(&cursor, range):
        return 0
    sorted_set_seek(value, &cursor, 0, 0, 0)
    sorted_set_next(&cursor)
    if not is_before_most(&cursor, range):
        return 0
    sorted_set_seek(value, &cursor, 0, backward, 0)
    while sorted_set_next(&cursor):
        if count == 0 and not (is_before_most(&cursor, range) if backward else is_behind_least(&cursor, range)):
            before += 1
        elif is_behind_least(&cursor, range) if backward else is_before_most(&cursor, range):
            count += 1
        else:
            break
    first[0] = sorted_set_length(value) - before - count if backward else before
    return count


cdef void sorted_set_seek(const SortedSetValue* value, SortedSetCursor* cursor, size_t rank, bint backward,
                          bint scores) noexcept nogil:
    cdef SortedSet* table
    cdef int64_t index
    cursor.backward = backward
    cursor.scores = scores
    cursor.is_listpack = is_listpack(value)
    if cursor.is_listpack:
        cursor.pack = pack_of(value)
        index = 2 * <int64_t> rank
        cursor.entry = listpack_seek(cursor.pack, -index - 2 if backward else index)
        return
    table = table_of(value)
    if rank >= table.tree.length:
        cursor.position.leaf = NULL
        return
    if backward:
        rank = table.tree.length - 1 - rank
    cursor.position = tree_select(&table.tree, rank)


cdef bint sorted_set_next(SortedSetCursor* cursor) noexcept nogil:
    cdef TreePosition* position = &cursor.position
    cdef Slot* slots
    cdef uint8_t* place
    if cursor.is_listpack:
        if cursor.entry == NULL:
            return 0
        cursor.data = listpack_text(cursor.entry, cursor.number, &cursor.length)
        if cursor.backward:
            if cursor.scores:
                cursor.score = pack_score(listpack_next(cursor.pack, cursor.entry))
            place = listpack_previous(cursor.pack, cursor.entry)
            cursor.entry = listpack_previous(cursor.pack, place) if place != NULL else NULL
        else:
            place = listpack_next(cursor.pack, cursor.entry)
            if cursor.scores:
                cursor.score = pack_score(place)
            cursor.entry = listpack_next(cursor.pack, place)
        return 1
    if position.leaf == NULL:
        return 0
    slots = leaf_slots(position.leaf)
    cursor.score = slots[position.index].score
    cursor.data = member_text(slots[position.index].member, &cursor.length)
    if cursor.backward:
        if position.index >= PREFETCH_AHEAD:
            prefetch(slots[position.index - PREFETCH_AHEAD].member)
        position_previous(position)
    else:
        if position.index + PREFETCH_AHEAD < position.leaf.count:
            prefetch(slots[position.index + PREFETCH_AHEAD].member)
        position_next(position)
    return 1


cdef int sorted_set_compact(Core* core, SortedSetValue* value) noexcept nogil:
    cdef SortedSetCursor cursor
    cdef SortedSetValue packed
    if is_listpack(value) or sorted_set_length(value) > <size_t> core.settings.zset_max_listpack_entries:
        return 0
    sorted_set_seek(value, &cursor, 0, 0, 0)
    while sorted_set_next(&cursor):
        if cursor.length > <size_t> core.settings.zset_max_listpack_value:
            return 0
    packed.data = listpack_new(core.heap)
    packed.encoding = ENCODING_LISTPACK
    if packed.data == NULL:
        return -1
    sorted_set_seek(value, &cursor, 0, 0, 1)
    while sorted_set_next(&cursor):
        if pack_put(core.heap, &packed, cursor.data, cursor.length, cursor.score) != 0:
            listpack_free(core.heap, pack_of(&packed))
            return -1
    table_free(core.heap, table_of(value))
    value[0] = packed
    return 0


cdef int sorted_set_copy(Heap* heap, const SortedSetValue* value, SortedSetValue* copy) noexcept nogil:
    cdef SortedSetCursor cursor
    cdef SortedSet* table
    copy.encoding = value.encoding
    if is_listpack(value):
        copy.data = listpack_copy(heap, pack_of(value))
        return 0 if copy.data != NULL else -1
    table = sorted_set_table_new(heap, <const unsigned long long*> table_of(value).members.seed)
    if table == NULL:
        return -1
    copy.data = table
    if dict_reserve(&table.members, sorted_set_length(value)) != 0:
        table_free(heap, table)
        return -1
    sorted_set_seek(value, &cursor, 0, 0, 1)
    while sorted_set_next(&cursor):
        if table_put(heap, table, cursor.data, cursor.length, dict_hash(&table.members, cursor.data, cursor.length),
                     cursor.score) != 0:
            table_free(heap, table)
            return -1
    return 0


cdef void sorted_set_release(Heap* heap, SortedSetValue* value) noexcept nogil:
    if is_listpack(value):
        listpack_free(heap, pack_of(value))
    else:
        table_free(heap, table_of(value))


cdef bint sorted_set_release_step(Release* step, SortedSetValue* value) noexcept nogil:
    if not is_listpack(value):
        return table_release_step(step, table_of(value))
    listpack_free(step.heap, pack_of(value))
    return 0


cdef size_t sorted_set_memory(const SortedSetValue* value) noexcept nogil:
    cdef SortedSet* table
    cdef SortedSetCursor cursor
    cdef size_t total
    if is_listpack(value):
        return listpack_memory(pack_of(value))
    table = table_of(value)
    total = heap_footprint(sizeof(SortedSet)) + dict_table_bytes(&table.members) + tree_bytes(&table.tree)
    sorted_set_seek(value, &cursor, 0, 0, 0)
    while sorted_set_next(&cursor):
        total += heap_footprint(member_size(cursor.length))
    return total
