"""Commands on sorted sets, and their rows.

What a sorted set is made of is known to sorted_set_value alone. A range of ranks, scores or members is turned into the
rank of its first member and a number of members; what answers, stores, counts and removes goes on from there.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.commands.arguments cimport (
    argument_at_least_or_reply, argument_double_or_reply, argument_integer_or_reply, argument_is,
    argument_range_or_reply, argument_timeout_or_reply, clamp_range, reply_out_of_memory, reply_syntax_error,
    score_range_or_reply, text_range_or_reply,
)
from redislite._core.handlers.scanning cimport (
    SCAN_OF_SORTED_SET, Collected, ScanOptions, reply_scan_cursor, scan_cursor_or_reply, scan_dict, scan_matches,
    scan_options_or_reply, scan_release,
)
from redislite._core.handlers.sorted_set_key cimport (
    add_sorted_set_or_reply, is_sorted_set_or_reply, reply_members, reply_pair, reply_pairs_header, sorted_set_changed,
    store_sorted_set_and_reply,
)
from redislite._core.keyspace.blocking cimport block_on_keys
from redislite._core.keyspace.entry cimport (
    ENCODING_LISTPACK, ENCODING_SKIPLIST, TYPE_SORTED_SET, Entry, sorted_set_load, sorted_set_save,
)
from redislite._core.keyspace.keyspace cimport argument_hash, delete_key, lookup_read, lookup_write, notify_deleted
from redislite._core.keyspace.propagate cimport propagate_instead, propagate_instead_counted
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_double, reply_error, reply_integer,
    reply_is_futile, reply_null, reply_null_array,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core, random_next
from redislite._core.structures.dict cimport dict_random
from redislite._core.structures.score_tree cimport Member, member_text
from redislite._core.text.numbers cimport DOUBLE_TEXT_MAX, format_double
from redislite._core.values.sorted_set_value cimport (
    ADD_ADDED, ADD_EXISTING, ADD_GREATER, ADD_INCREMENT, ADD_LESS, ADD_NEW, ADD_NOTHING, ADD_NOT_A_NUMBER,
    ADD_NO_MEMORY, ADD_UPDATED, ScoreRange, SortedSet, SortedSetCursor, SortedSetValue, TextRange, sorted_set_add,
    sorted_set_expect, sorted_set_find, sorted_set_insert, sorted_set_length, sorted_set_new, sorted_set_next,
    sorted_set_rank, sorted_set_release, sorted_set_remove, sorted_set_remove_range, sorted_set_score_range,
    sorted_set_seek, sorted_set_text_range,
)

from redislite._core.commands.row import native

cdef enum:
    SCORES_INLINE = 64          # scores that ZADD keeps at hand; further ones are read twice

cdef enum:
    BY_RANK = 0
    BY_SCORE = 1
    BY_TEXT = 2
    BY_OPTION = 3               # an option says which, or which way

# Which members are asked for.
cdef struct Query:
    int kind
    bint backward
    bint scores
    int64_t start               # of ranks
    int64_t stop
    int64_t offset              # LIMIT
    int64_t limit
    ScoreRange score
    TextRange text


cdef inline void remove_key(Core* core, Client* client, int key) noexcept nogil:
    delete_key(core, client.database, client.argv[key].data, client.argv[key].length, argument_hash(client, key), 0)


# Adding and removing


cdef void add_members(Core* core, Client* client, int first, int options, bint count_changes) noexcept nogil:
    """Adds the pairs of score and member from argument first on."""
    cdef double scores[SCORES_INLINE]
    cdef int pairs = (client.argc - first) // 2
    cdef int64_t added = 0
    cdef int64_t updated = 0
    cdef SortedSetValue value
    cdef Entry** slot
    cdef Argument* member
    cdef double score = 0
    cdef int i
    cdef int result = ADD_NOTHING
    for i in range(pairs):
        if not argument_double_or_reply(client, first + 2 * i, &score, "ERR value is not a valid float"):
            return
        if i < SCORES_INLINE:
            scores[i] = score
    slot = lookup_write(core, client, 1)
    if slot != NULL:
        if not is_sorted_set_or_reply(client, slot[0]):
            return
        value = sorted_set_load(slot[0])
        if sorted_set_expect(core, &value, pairs) != 0:
            reply_out_of_memory(client)
            return
    elif options & ADD_EXISTING:
        if options & ADD_INCREMENT:
            reply_null(&client.reply)
        else:
            reply_integer(&client.reply, 0)
        return
    elif sorted_set_new(core, &value, pairs, client.argv[first + 1].length) != 0:
        reply_out_of_memory(client)
        return
    for i in range(pairs):
        member = &client.argv[first + 2 * i + 1]
        if i < SCORES_INLINE:
            score = scores[i]
        else:
            argument_double_or_reply(client, first + 2 * i, &score, "")
        result = sorted_set_add(core, &value, member.data, member.length, &score, options)
        if result == ADD_ADDED:
            added += 1
        elif result == ADD_UPDATED:
            updated += 1
        elif result == ADD_NOT_A_NUMBER or result == ADD_NO_MEMORY:
            break
    if slot != NULL:
        sorted_set_save(slot[0], &value)
    elif added == 0:
        sorted_set_release(core.heap, &value)
    elif not add_sorted_set_or_reply(core, client, 1, &value):
        return
    if added + updated:
        sorted_set_changed(core, client, 1, added + updated, "zincr" if options & ADD_INCREMENT else "zadd")
    if result == ADD_NOT_A_NUMBER:
        reply_error(&client.reply, "ERR resulting score is not a number (NaN)")
    elif result == ADD_NO_MEMORY:
        reply_out_of_memory(client)
    elif not options & ADD_INCREMENT:
        reply_integer(&client.reply, added + updated if count_changes else added)
    elif result == ADD_NOTHING:
        reply_null(&client.reply)
    else:
        reply_double(&client.reply, score)


cdef void zadd_command(Core* core, Client* client) noexcept nogil:
    cdef int options = 0
    cdef bint count_changes = 0
    cdef int first = 2
    cdef Argument* option
    while first < client.argc:
        option = &client.argv[first]
        if argument_is(option, "NX"):
            options |= ADD_NEW
        elif argument_is(option, "XX"):
            options |= ADD_EXISTING
        elif argument_is(option, "CH"):
            count_changes = 1
        elif argument_is(option, "INCR"):
            options |= ADD_INCREMENT
        elif argument_is(option, "GT"):
            options |= ADD_GREATER
        elif argument_is(option, "LT"):
            options |= ADD_LESS
        else:
            break
        first += 1
    if (client.argc - first) % 2 or client.argc == first:
        reply_syntax_error(client)
    elif options & ADD_NEW and options & ADD_EXISTING:
        reply_error(&client.reply, "ERR XX and NX options at the same time are not compatible")
    elif ((options & ADD_NEW and options & (ADD_GREATER | ADD_LESS))
          or (options & ADD_GREATER and options & ADD_LESS)):
        reply_error(&client.reply, "ERR GT, LT, and/or NX options at the same time are not compatible")
    elif options & ADD_INCREMENT and client.argc - first > 2:
        reply_error(&client.reply, "ERR INCR option supports a single increment-element pair")
    else:
        add_members(core, client, first, options, count_changes)


cdef void zincrby_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* increment = &client.argv[2]
    # As ZADD reads it: an option in the increment's place leaves the member without a score.
    if (argument_is(increment, "NX") or argument_is(increment, "XX") or argument_is(increment, "CH")
            or argument_is(increment, "INCR") or argument_is(increment, "GT") or argument_is(increment, "LT")):
        reply_syntax_error(client)
        return
    add_members(core, client, 2, ADD_INCREMENT, 0)


cdef void zrem_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef SortedSetValue value
    cdef int64_t removed = 0
    cdef bint is_empty = 0
    cdef int i
    if slot == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_sorted_set_or_reply(client, slot[0]):
        return
    value = sorted_set_load(slot[0])
    for i in range(2, client.argc):
        if sorted_set_remove(core, &value, client.argv[i].data, client.argv[i].length):
            removed += 1
            is_empty = sorted_set_length(&value) == 0
            if is_empty:
                break
    sorted_set_save(slot[0], &value)
    if removed:
        if is_empty:
            remove_key(core, client, 1)
        sorted_set_changed(core, client, 1, removed, "zrem")
        if is_empty:
            notify_deleted(core, client, 1)
    reply_integer(&client.reply, removed)


# Ranges


cdef size_t find_members(const Query* query, const SortedSetValue* value, size_t* first) noexcept nogil:
    """How many members the query means; *first is the rank of the first one, from the end where it goes backward."""
    cdef size_t length = sorted_set_length(value)
    cdef size_t count
    cdef int64_t start, end, offset
    first[0] = 0
    if query.kind == BY_RANK:
        start = query.start
        end = query.stop
        if not clamp_range(<int64_t> length, &start, &end):
            return 0
        first[0] = <size_t> start
        return <size_t> (end - start)
    if query.kind == BY_SCORE:
        count = sorted_set_score_range(value, &query.score, first)
    else:
        count = sorted_set_text_range(value, &query.text, query.backward, first)
    if query.backward:
        first[0] = length - first[0] - count
    offset = query.offset
    if offset < 0 and value.encoding == ENCODING_SKIPLIST:
        # From the end then, as the original has it for large sets alone.
        offset += <int64_t> count
    if offset < 0 or offset >= <int64_t> count:
        return 0
    first[0] += <size_t> offset
    count -= <size_t> offset
    return count if query.limit < 0 or <int64_t> count <= query.limit else <size_t> query.limit


cdef bint range_or_reply(Client* client, int least, int most, Query* query) noexcept nogil:
    """Reads the ends of the range, of the kind that the query is of."""
    if query.kind == BY_RANK:
        return (argument_integer_or_reply(client, least, &query.start)
                and argument_integer_or_reply(client, most, &query.stop))
    if query.kind == BY_SCORE:
        return score_range_or_reply(client, least, most, &query.score)
    return text_range_or_reply(client, least, most, &query.text)


cdef bint query_or_reply(Client* client, int start, int kind, int backward, bint store, Query* query) noexcept nogil:
    """Reads a range and the options behind it; its first end is argument start.

    kind, backward: BY_OPTION where options are to say them.
    """
    cdef bint free_kind = kind == BY_OPTION
    cdef bint free_way = backward == BY_OPTION
    cdef bint swapped
    cdef int i = start + 2
    cdef Argument* option
    query.scores = 0
    query.offset = 0
    query.limit = -1
    while i < client.argc:
        option = &client.argv[i]
        if not store and argument_is(option, "WITHSCORES"):
            query.scores = 1
        elif argument_is(option, "LIMIT") and client.argc - i > 2:
            if not argument_integer_or_reply(client, i + 1, &query.offset) or \
                    not argument_integer_or_reply(client, i + 2, &query.limit):
                return 0
            i += 2
        elif free_way and backward == BY_OPTION and argument_is(option, "REV"):
            backward = 1
        elif free_kind and kind == BY_OPTION and argument_is(option, "BYLEX"):
            kind = BY_TEXT
        elif free_kind and kind == BY_OPTION and argument_is(option, "BYSCORE"):
            kind = BY_SCORE
        else:
            reply_syntax_error(client)
            return 0
        i += 1
    query.backward = backward == 1
    query.kind = BY_RANK if kind == BY_OPTION else kind
    if query.limit != -1 and query.kind == BY_RANK:
        reply_error(&client.reply,
                    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        return 0
    if query.scores and query.kind == BY_TEXT:
        reply_error(&client.reply, "ERR syntax error, WITHSCORES not supported in combination with BYLEX")
        return 0
    swapped = query.backward and query.kind != BY_RANK
    return range_or_reply(client, start + 1 if swapped else start, start if swapped else start + 1, query)


cdef void reply_range(Core* core, Client* client, int kind, int backward) noexcept nogil:
    cdef Query query
    cdef SortedSetValue value
    cdef Entry* entry
    cdef size_t first
    cdef size_t count
    if not query_or_reply(client, 2, kind, backward, 0, &query):
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_array(&client.reply, 0)
    elif is_sorted_set_or_reply(client, entry):
        value = sorted_set_load(entry)
        count = find_members(&query, &value, &first)
        reply_members(client, &value, first, count, query.backward, query.scores)


cdef void zrange_command(Core* core, Client* client) noexcept nogil:
    reply_range(core, client, BY_OPTION, BY_OPTION)


cdef void zrevrange_command(Core* core, Client* client) noexcept nogil:
    reply_range(core, client, BY_RANK, 1)


cdef void zrangebyscore_command(Core* core, Client* client) noexcept nogil:
    reply_range(core, client, BY_SCORE, 0)


cdef void zrevrangebyscore_command(Core* core, Client* client) noexcept nogil:
    reply_range(core, client, BY_SCORE, 1)


cdef void zrangebylex_command(Core* core, Client* client) noexcept nogil:
    reply_range(core, client, BY_TEXT, 0)


cdef void zrevrangebylex_command(Core* core, Client* client) noexcept nogil:
    reply_range(core, client, BY_TEXT, 1)


cdef bint copy_members(Core* core, const SortedSetValue* value, size_t first, size_t count, bint backward,
                       SortedSetValue* result) noexcept nogil:
    """A new value with some of the members; 0 where memory is out."""
    cdef SortedSetCursor cursor
    if sorted_set_new(core, result, count, 0) != 0:
        return 0
    if count:
        sorted_set_seek(value, &cursor, first, backward, 1)
    while count:
        count -= 1
        sorted_set_next(&cursor)
        if sorted_set_insert(core, result, cursor.data, cursor.length, cursor.score) != 0:
            sorted_set_release(core.heap, result)
            return 0
    return 1


cdef void zrangestore_command(Core* core, Client* client) noexcept nogil:
    cdef Query query
    cdef SortedSetValue value, result
    cdef Entry* entry
    cdef size_t first = 0
    cdef size_t count = 0
    if not query_or_reply(client, 3, BY_OPTION, BY_OPTION, 1, &query):
        return
    entry = lookup_read(core, client, 2)
    if entry != NULL:
        if not is_sorted_set_or_reply(client, entry):
            return
        value = sorted_set_load(entry)
        count = find_members(&query, &value, &first)
    if copy_members(core, &value, first, count, query.backward, &result):
        store_sorted_set_and_reply(core, client, 1, &result, "zrangestore")
    else:
        reply_out_of_memory(client)


cdef void count_range(Core* core, Client* client, int kind) noexcept nogil:
    cdef Query query
    cdef SortedSetValue value
    cdef Entry* entry
    cdef size_t first
    query.kind = kind
    query.backward = 0
    query.offset = 0
    query.limit = -1
    if not range_or_reply(client, 2, 3, &query):
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_integer(&client.reply, 0)
    elif is_sorted_set_or_reply(client, entry):
        value = sorted_set_load(entry)
        reply_integer(&client.reply, <int64_t> find_members(&query, &value, &first))


cdef void zcount_command(Core* core, Client* client) noexcept nogil:
    count_range(core, client, BY_SCORE)


cdef void zlexcount_command(Core* core, Client* client) noexcept nogil:
    count_range(core, client, BY_TEXT)


cdef void remove_range(Core* core, Client* client, int kind, const char* event) noexcept nogil:
    cdef Query query
    cdef SortedSetValue value
    cdef Entry** slot
    cdef size_t first, count
    query.kind = kind
    query.backward = 0
    query.offset = 0
    query.limit = -1
    if not range_or_reply(client, 2, 3, &query):
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_sorted_set_or_reply(client, slot[0]):
        return
    value = sorted_set_load(slot[0])
    count = find_members(&query, &value, &first)
    if count:
        remove_members(core, client, 1, slot, &value, first, count, event)
    reply_integer(&client.reply, <int64_t> count)


cdef void remove_members(Core* core, Client* client, int key, Entry** slot, SortedSetValue* value, size_t first,
                         size_t count, const char* event) noexcept nogil:
    """Removes members by rank, and the key with the last one."""
    cdef bint all_of_them = count == sorted_set_length(value)
    if all_of_them:
        remove_key(core, client, key)
    else:
        sorted_set_remove_range(core, value, first, count)
        sorted_set_save(slot[0], value)
    sorted_set_changed(core, client, key, <int64_t> count, event)
    if all_of_them:
        notify_deleted(core, client, key)


cdef void zremrangebyrank_command(Core* core, Client* client) noexcept nogil:
    remove_range(core, client, BY_RANK, "zremrangebyrank")


cdef void zremrangebyscore_command(Core* core, Client* client) noexcept nogil:
    remove_range(core, client, BY_SCORE, "zremrangebyscore")


cdef void zremrangebylex_command(Core* core, Client* client) noexcept nogil:
    remove_range(core, client, BY_TEXT, "zremrangebylex")


# Single members


cdef void zcard_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef SortedSetValue value
    if entry == NULL:
        reply_integer(&client.reply, 0)
    elif is_sorted_set_or_reply(client, entry):
        value = sorted_set_load(entry)
        reply_integer(&client.reply, <int64_t> sorted_set_length(&value))


cdef inline void reply_score(Client* client, const SortedSetValue* value, const Argument* member) noexcept nogil:
    cdef double score
    if sorted_set_find(value, member.data, member.length, &score):
        reply_double(&client.reply, score)
    else:
        reply_null(&client.reply)


cdef void zscore_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef SortedSetValue value
    if entry == NULL:
        reply_null(&client.reply)
    elif is_sorted_set_or_reply(client, entry):
        value = sorted_set_load(entry)
        reply_score(client, &value, &client.argv[2])


cdef void zmscore_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef SortedSetValue value
    cdef int i
    if entry != NULL:
        if not is_sorted_set_or_reply(client, entry):
            return
        value = sorted_set_load(entry)
    reply_array(&client.reply, client.argc - 2)
    for i in range(2, client.argc):
        if entry == NULL:
            reply_null(&client.reply)
        else:
            reply_score(client, &value, &client.argv[i])


cdef void reply_rank(Core* core, Client* client, bint backward) noexcept nogil:
    cdef char text[128]
    cdef SortedSetValue value
    cdef Entry* entry
    cdef bint with_score = client.argc == 4
    cdef int64_t rank = -1
    cdef double score
    if client.argc > 4:
        snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", client.command.own_name)
        reply_error(&client.reply, text)
        return
    if with_score and not argument_is(&client.argv[3], "WITHSCORE"):
        reply_syntax_error(client)
        return
    entry = lookup_read(core, client, 1)
    if entry != NULL:
        if not is_sorted_set_or_reply(client, entry):
            return
        value = sorted_set_load(entry)
        rank = sorted_set_rank(&value, client.argv[2].data, client.argv[2].length, backward, &score)
    if rank < 0:
        if with_score:
            reply_null_array(&client.reply)
        else:
            reply_null(&client.reply)
        return
    if with_score:
        reply_array(&client.reply, 2)
    reply_integer(&client.reply, rank)
    if with_score:
        reply_double(&client.reply, score)


cdef void zrank_command(Core* core, Client* client) noexcept nogil:
    reply_rank(core, client, 0)


cdef void zrevrank_command(Core* core, Client* client) noexcept nogil:
    reply_rank(core, client, 1)


# Popping


cdef inline int64_t poppable(const SortedSetValue* value, int64_t wanted) noexcept nogil:
    cdef int64_t length = <int64_t> sorted_set_length(value)
    return wanted if wanted < length else length


cdef void reply_and_remove(Core* core, Client* client, int key, Entry** slot, SortedSetValue* value, int64_t count,
                           bint greatest, bint nested) noexcept nogil:
    """Answers count pairs of member and score, without a header around them, and removes them."""
    cdef SortedSetCursor cursor
    cdef int64_t i
    sorted_set_seek(value, &cursor, 0, greatest, 1)
    for i in range(count):
        sorted_set_next(&cursor)
        if nested:
            reply_array(&client.reply, 2)
        reply_bulk(&client.reply, cursor.data, cursor.length)
        reply_double(&client.reply, cursor.score)
    remove_members(core, client, key, slot, value, sorted_set_length(value) - <size_t> count if greatest else 0,
                   <size_t> count, "zpopmax" if greatest else "zpopmin")


cdef void pop(Core* core, Client* client, bint greatest) noexcept nogil:
    cdef SortedSetValue value
    cdef Entry** slot
    cdef int64_t count = 1
    cdef bint nested = 0
    if client.argc > 3:
        reply_syntax_error(client)
        return
    if client.argc == 3:
        if not argument_at_least_or_reply(client, 2, 0, &count, "ERR value is out of range, must be positive"):
            return
        nested = client.reply.protocol >= 3
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_array(&client.reply, 0)
        return
    if not is_sorted_set_or_reply(client, slot[0]):
        return
    if count == 0:
        reply_array(&client.reply, 0)
        return
    value = sorted_set_load(slot[0])
    count = poppable(&value, count)
    reply_array(&client.reply, count if nested else 2 * count)
    reply_and_remove(core, client, 1, slot, &value, count, greatest, nested)


cdef void zpopmin_command(Core* core, Client* client) noexcept nogil:
    pop(core, client, 0)


cdef void zpopmax_command(Core* core, Client* client) noexcept nogil:
    pop(core, client, 1)


cdef int find_first_or_reply(Core* core, Client* client, int first, int keys, Entry*** slot) noexcept nogil:
    """The first of the keys that is there: its argument; 0 where none is, -1 where it is no sorted set."""
    cdef int i
    for i in range(first, first + keys):
        slot[0] = lookup_write(core, client, i)
        if slot[0] != NULL:
            return i if is_sorted_set_or_reply(client, slot[0][0]) else -1
    return 0


cdef void pop_blocking(Core* core, Client* client, bint greatest) noexcept nogil:
    cdef SortedSetValue value
    cdef Entry** slot
    cdef int64_t timeout_ms
    cdef int key
    if not argument_timeout_or_reply(core, client, client.argc - 1, 1, &timeout_ms):
        return
    key = find_first_or_reply(core, client, 1, client.argc - 2, &slot)
    if key < 0:
        return
    if key == 0:
        if not block_on_keys(core, client, 1, 1, client.argc - 2, TYPE_SORTED_SET, 0, timeout_ms, NULL, 0):
            reply_null_array(&client.reply)
        return
    value = sorted_set_load(slot[0])
    reply_array(&client.reply, 3)
    reply_bulk(&client.reply, client.argv[key].data, client.argv[key].length)
    reply_and_remove(core, client, key, slot, &value, 1, greatest, 0)
    if core.propagation:
        propagate_instead(core, client, "ZPOPMAX" if greatest else "ZPOPMIN", key)


cdef void bzpopmin_command(Core* core, Client* client) noexcept nogil:
    pop_blocking(core, client, 0)


cdef void bzpopmax_command(Core* core, Client* client) noexcept nogil:
    pop_blocking(core, client, 1)


cdef void pop_from_first(Core* core, Client* client, int numkeys, bint blocking) noexcept nogil:
    """ZMPOP and BZMPOP; numkeys is the argument that counts the keys, the timeout of BZMPOP stands before it."""
    cdef int64_t timeout_ms = 0
    cdef SortedSetValue value
    cdef Entry** slot
    cdef int64_t keys
    cdef int64_t count = 0
    cdef bint greatest
    cdef int where, i, key
    if not argument_at_least_or_reply(client, numkeys, 1, &keys, "ERR numkeys should be greater than 0"):
        return
    if keys >= client.argc - numkeys - 1:
        reply_syntax_error(client)
        return
    where = numkeys + 1 + <int> keys
    greatest = argument_is(&client.argv[where], "MAX")
    if not greatest and not argument_is(&client.argv[where], "MIN"):
        reply_syntax_error(client)
        return
    i = where + 1
    while i < client.argc:
        if count or not argument_is(&client.argv[i], "COUNT") or i + 1 == client.argc:
            reply_syntax_error(client)
            return
        if not argument_at_least_or_reply(client, i + 1, 1, &count, "ERR count should be greater than 0"):
            return
        i += 2
    if blocking and not argument_timeout_or_reply(core, client, 1, 1, &timeout_ms):
        return
    if count == 0:
        count = 1
    key = find_first_or_reply(core, client, numkeys + 1, <int> keys, &slot)
    if key < 0:
        return
    if key == 0:
        if not blocking or not block_on_keys(core, client, numkeys + 1, 1, <int> keys, TYPE_SORTED_SET, 0, timeout_ms,
                                             NULL, 0):
            reply_null_array(&client.reply)
        return
    value = sorted_set_load(slot[0])
    count = poppable(&value, count)
    reply_array(&client.reply, 2)
    reply_bulk(&client.reply, client.argv[key].data, client.argv[key].length)
    reply_array(&client.reply, count)
    reply_and_remove(core, client, key, slot, &value, count, greatest, 1)
    if core.propagation:
        propagate_instead_counted(core, client, "ZPOPMAX" if greatest else "ZPOPMIN", key, count)


cdef void zmpop_command(Core* core, Client* client) noexcept nogil:
    pop_from_first(core, client, 1, 0)


cdef void bzmpop_command(Core* core, Client* client) noexcept nogil:
    pop_from_first(core, client, 2, 1)


# Picking at random


cdef void reply_at_random(Core* core, Client* client, const SortedSetValue* value, bint scores) noexcept nogil:
    """One member, each with the same probability."""
    cdef SortedSetCursor cursor
    cdef Member* member
    cdef char* data
    cdef size_t length
    if value.encoding == ENCODING_SKIPLIST:
        member = <Member*> dict_random(&(<SortedSet*> value.data).members, &core.random)
        data = member_text(member, &length)
        reply_pair(client, data, length, member.score, scores)
        return
    sorted_set_seek(value, &cursor, random_next(&core.random) % sorted_set_length(value), 0, scores)
    sorted_set_next(&cursor)
    reply_pair(client, cursor.data, cursor.length, cursor.score, scores)


cdef bint reply_few_at_random(Core* core, Client* client, SortedSet* table, size_t count, bint scores) noexcept nogil:
    """Distinct members, few of many: picks again what has been picked before. 0 where memory is out."""
    cdef size_t mask = 1
    cdef size_t size, place, length
    cdef Member** picked
    cdef Member* member
    cdef char* data
    while mask < 2 * count:
        mask <<= 1
    size = mask * sizeof(Member*)
    picked = <Member**> heap_zalloc(core.heap, size)
    if picked == NULL:
        return 0
    mask -= 1
    reply_pairs_header(client, <int64_t> count, scores)
    while count:
        member = <Member*> dict_random(&table.members, &core.random)
        place = (<uint64_t> member >> 3) * <uint64_t> 0x9e3779b97f4a7c15 >> 20 & mask
        while picked[place] != NULL and picked[place] != member:
            place = (place + 1) & mask
        if picked[place] == member:
            continue
        picked[place] = member
        count -= 1
        data = member_text(member, &length)
        reply_pair(client, data, length, member.score, scores)
    heap_free(core.heap, picked, size)
    return 1


cdef void reply_many_at_random(Core* core, Client* client, const SortedSetValue* value, size_t count,
                               bint scores) noexcept nogil:
    """Distinct members in the order of the set, each chosen with the probability that is still needed."""
    cdef SortedSetCursor cursor
    cdef size_t left = sorted_set_length(value)
    sorted_set_seek(value, &cursor, 0, 0, scores)
    reply_pairs_header(client, <int64_t> count, scores)
    while count:
        sorted_set_next(&cursor)
        if random_next(&core.random) % left < count:
            count -= 1
            reply_pair(client, cursor.data, cursor.length, cursor.score, scores)
        left -= 1


cdef void zrandmember_command(Core* core, Client* client) noexcept nogil:
    cdef SortedSetValue value
    cdef Entry* entry
    cdef int64_t count = 0
    cdef bint scores = client.argc == 4
    if client.argc > 2:
        if not argument_range_or_reply(
                client, 2, -INT64_MAX, INT64_MAX, &count,
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"):
            return
        if client.argc > 4 or (scores and not argument_is(&client.argv[3], "WITHSCORES")):
            reply_syntax_error(client)
            return
        if scores and not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
            reply_error(&client.reply, "ERR value is out of range")
            return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        if client.argc == 2:
            reply_null(&client.reply)
        else:
            reply_array(&client.reply, 0)
        return
    if not is_sorted_set_or_reply(client, entry):
        return
    value = sorted_set_load(entry)
    if client.argc == 2:
        reply_at_random(core, client, &value, 0)
    elif count < 0:
        reply_pairs_header(client, -count, scores)
        while count and not reply_is_futile(&client.reply):
            count += 1
            reply_at_random(core, client, &value, scores)
    elif count >= <int64_t> sorted_set_length(&value):
        reply_members(client, &value, 0, sorted_set_length(&value), 0, scores)
    elif value.encoding == ENCODING_SKIPLIST and count < <int64_t> sorted_set_length(&value) // 3:
        if not reply_few_at_random(core, client, <SortedSet*> value.data, <size_t> count, scores):
            reply_out_of_memory(client)
    else:
        reply_many_at_random(core, client, &value, <size_t> count, scores)


# Scanning


cdef void zscan_command(Core* core, Client* client) noexcept nogil:
    cdef char text[DOUBLE_TEXT_MAX]
    cdef ScanOptions options
    cdef Collected found
    cdef SortedSetValue value
    cdef SortedSetCursor cursor
    cdef Member* member
    cdef Entry* entry
    cdef Chunk* place
    cdef char* data
    cdef size_t i, length
    cdef int64_t elements = 0
    if not scan_cursor_or_reply(client, 2, &options.cursor):
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_scan_cursor(client, 0)
        reply_array(&client.reply, 0)
        return
    if not is_sorted_set_or_reply(client, entry) or \
            not scan_options_or_reply(client, 3, SCAN_OF_SORTED_SET, &options):
        return
    value = sorted_set_load(entry)
    if value.encoding == ENCODING_LISTPACK:
        reply_scan_cursor(client, 0)
        place = reply_deferred_begin(&client.reply)
        sorted_set_seek(&value, &cursor, 0, 0, not options.members_only)
        while sorted_set_next(&cursor):
            if scan_matches(&options, cursor.data, cursor.length):
                elements += 1
                reply_bulk(&client.reply, cursor.data, cursor.length)
                if not options.members_only:
                    elements += 1
                    reply_bulk(&client.reply, text, format_double(text, cursor.score))
        reply_deferred_end(&client.reply, place, c'*', elements)
        return
    scan_dict(core.heap, &(<SortedSet*> value.data).members, &options, &found)
    if found.starved:
        reply_out_of_memory(client)
        scan_release(&found)
        return
    reply_scan_cursor(client, options.cursor)
    place = reply_deferred_begin(&client.reply)
    for i in range(found.count):
        member = <Member*> found.entries[i]
        data = member_text(member, &length)
        if scan_matches(&options, data, length):
            elements += 1
            reply_bulk(&client.reply, data, length)
            if not options.members_only:
                elements += 1
                # Here, and here alone, the original writes scores with all their digits.
                reply_bulk(&client.reply, text, snprintf(text, sizeof(text), "%.17g", member.score))
    reply_deferred_end(&client.reply, place, c'*', elements)
    scan_release(&found)


COMMANDS = [
    native(
        "bzmpop", <size_t> &bzmpop_command, -5, "write blocking", keys="RW ACCESS DELETE @ 2 keynum=0",
        group="sorted_set", since="7.0.0",
        syntax="timeout:double numkeys:integer key... where:(MIN | MAX) [COUNT count:integer]",
        summary="Removes members from the first sorted set that has any, and waits if none has.",
        complexity="O(K+M*log(N)) for K keys, N members in the set and M removed",
    ),
    native(
        "bzpopmax", <size_t> &bzpopmax_command, -3, "write blocking fast", keys="RW ACCESS DELETE @ 1 last=-2",
        group="sorted_set", since="5.0.0",
        syntax="key... timeout:double",
        summary="Removes the member with the highest score, and waits for one if all sets are empty.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "bzpopmin", <size_t> &bzpopmin_command, -3, "write blocking fast", keys="RW ACCESS DELETE @ 1 last=-2",
        group="sorted_set", since="5.0.0",
        syntax="key... timeout:double",
        summary="Removes the member with the lowest score, and waits for one if all sets are empty.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "zadd", <size_t> &zadd_command, -4, "write denyoom fast", keys="RW UPDATE @ 1", group="sorted_set",
        since="1.2.0",
        syntax=(
            "key [condition:(NX | XX)@3.0.2] [comparison:(GT | LT)@6.2.0] [change=CH@3.0.2] [increment=INCR@3.0.2] "
            "data:(score:double member)..."
        ),
        summary="Adds members to a sorted set or changes their scores.",
        complexity="O(log(N)) a member, for N members in the set",
    ),
    native(
        "zcard", <size_t> &zcard_command, 2, "readonly fast", keys="RO @ 1", group="sorted_set", since="1.2.0",
        syntax="key",
        summary="Counts the members of a sorted set.", complexity="O(1)",
    ),
    native(
        "zcount", <size_t> &zcount_command, 4, "readonly fast", keys="RO ACCESS @ 1", group="sorted_set",
        since="2.0.0",
        syntax="key min:double max:double",
        summary="Counts the members of a sorted set with scores in a range.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "zincrby", <size_t> &zincrby_command, 4, "write denyoom fast", keys="RW ACCESS UPDATE @ 1",
        group="sorted_set", since="1.2.0",
        syntax="key increment:integer member",
        summary="Adds a number to the score of a member of a sorted set.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "zlexcount", <size_t> &zlexcount_command, 4, "readonly fast", keys="RO ACCESS @ 1", group="sorted_set",
        since="2.8.9",
        syntax="key min max",
        summary="Counts the members of a sorted set in a lexicographical range.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "zmpop", <size_t> &zmpop_command, -4, "write", keys="RW ACCESS DELETE @ 1 keynum=0", group="sorted_set",
        since="7.0.0",
        syntax="numkeys:integer key... where:(MIN | MAX) [COUNT count:integer]",
        summary="Removes members from the first sorted set that has any.",
        complexity="O(K+M*log(N)) for K keys, N members in the set and M removed",
    ),
    native(
        "zmscore", <size_t> &zmscore_command, -3, "readonly fast", keys="RO ACCESS @ 1", group="sorted_set",
        since="6.2.0",
        syntax="key member...",
        summary="Returns the scores of several members of a sorted set.", complexity="O(N) for N members asked for",
    ),
    native(
        "zpopmax", <size_t> &zpopmax_command, -2, "write fast", keys="RW ACCESS DELETE @ 1", group="sorted_set",
        since="5.0.0",
        syntax="key [count:integer]",
        summary="Removes the members with the highest scores from a sorted set and returns them.",
        complexity="O(M*log(N)) for N members in the set and M removed",
    ),
    native(
        "zpopmin", <size_t> &zpopmin_command, -2, "write fast", keys="RW ACCESS DELETE @ 1", group="sorted_set",
        since="5.0.0",
        syntax="key [count:integer]",
        summary="Removes the members with the lowest scores from a sorted set and returns them.",
        complexity="O(M*log(N)) for N members in the set and M removed",
    ),
    native(
        "zrandmember", <size_t> &zrandmember_command, -2, "readonly", keys="RO ACCESS @ 1", group="sorted_set",
        since="6.2.0", tips="nondeterministic_output",
        syntax="key [options:(count:integer [WITHSCORES])]",
        summary="Returns members picked at random from a sorted set, on request with their scores.",
        complexity="O(N) for N members returned",
    ),
    native(
        "zrange", <size_t> &zrange_command, -4, "readonly", keys="RO ACCESS @ 1", group="sorted_set", since="1.2.0",
        syntax=(
            "key start stop [sortby:(BYSCORE | BYLEX)@6.2.0] [REV@6.2.0] [LIMIT (offset:integer "
            "count:integer)@6.2.0] [WITHSCORES]"
        ),
        summary="Returns the members of a sorted set in a range of ranks, scores or names.",
        complexity="O(log(N)+M) for N members in the set and M returned",
    ),
    native(
        "zrangebylex", <size_t> &zrangebylex_command, -4, "readonly", keys="RO ACCESS @ 1", group="sorted_set",
        since="2.8.9",
        deprecated=("6.2.0", "`ZRANGE` with `BYLEX`"),
        syntax="key min max [LIMIT (offset:integer count:integer)]",
        summary="Returns the members of a sorted set in a lexicographical range.",
        complexity="O(log(N)+M) for N members in the set and M returned",
    ),
    native(
        "zrangebyscore", <size_t> &zrangebyscore_command, -4, "readonly", keys="RO ACCESS @ 1", group="sorted_set",
        since="1.0.5",
        deprecated=("6.2.0", "`ZRANGE` with `BYSCORE`"),
        syntax="key min:double max:double [WITHSCORES@2.0.0] [LIMIT (offset:integer count:integer)]",
        summary="Returns the members of a sorted set with scores in a range.",
        complexity="O(log(N)+M) for N members in the set and M returned",
    ),
    native(
        "zrangestore", <size_t> &zrangestore_command, -5, "write denyoom", keys="OW UPDATE @ 1; RO ACCESS @ 2",
        group="sorted_set", since="6.2.0",
        syntax="dst:key src:key#1 min max [sortby:(BYSCORE | BYLEX)] [REV] [LIMIT (offset:integer count:integer)]",
        summary="Stores the members of a sorted set in a range of ranks, scores or names.",
        complexity="O(log(N)+M) for N members in the set and M stored",
    ),
    native(
        "zrank", <size_t> &zrank_command, -3, "readonly fast", keys="RO ACCESS @ 1", group="sorted_set",
        since="2.0.0",
        syntax="key member [WITHSCORE]",
        summary="Returns the rank of a member of a sorted set, from the lowest score.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "zrem", <size_t> &zrem_command, -3, "write fast", keys="RW DELETE @ 1", group="sorted_set", since="1.2.0",
        syntax="key member...",
        summary="Removes members from a sorted set.", complexity="O(M*log(N)) for N members in the set and M removed",
    ),
    native(
        "zremrangebylex", <size_t> &zremrangebylex_command, 4, "write", keys="RW DELETE @ 1", group="sorted_set",
        since="2.8.9",
        syntax="key min max",
        summary="Removes the members of a sorted set in a lexicographical range.",
        complexity="O(log(N)+M) for N members in the set and M removed",
    ),
    native(
        "zremrangebyrank", <size_t> &zremrangebyrank_command, 4, "write", keys="RW DELETE @ 1", group="sorted_set",
        since="2.0.0",
        syntax="key start:integer stop:integer",
        summary="Removes the members of a sorted set in a range of ranks.",
        complexity="O(log(N)+M) for N members in the set and M removed",
    ),
    native(
        "zremrangebyscore", <size_t> &zremrangebyscore_command, 4, "write", keys="RW DELETE @ 1", group="sorted_set",
        since="1.2.0",
        syntax="key min:double max:double",
        summary="Removes the members of a sorted set with scores in a range.",
        complexity="O(log(N)+M) for N members in the set and M removed",
    ),
    native(
        "zrevrange", <size_t> &zrevrange_command, -4, "readonly", keys="RO ACCESS @ 1", group="sorted_set",
        since="1.2.0",
        deprecated=("6.2.0", "`ZRANGE` with `REV`"),
        syntax="key start:integer stop:integer [WITHSCORES]",
        summary="Returns the members of a sorted set in a range of ranks, from the highest score.",
        complexity="O(log(N)+M) for N members in the set and M returned",
    ),
    native(
        "zrevrangebylex", <size_t> &zrevrangebylex_command, -4, "readonly", keys="RO ACCESS @ 1", group="sorted_set",
        since="2.8.9",
        deprecated=("6.2.0", "`ZRANGE` with `REV` and `BYLEX`"),
        syntax="key max min [LIMIT (offset:integer count:integer)]",
        summary="Returns the members of a sorted set in a lexicographical range, backwards.",
        complexity="O(log(N)+M) for N members in the set and M returned",
    ),
    native(
        "zrevrangebyscore", <size_t> &zrevrangebyscore_command, -4, "readonly", keys="RO ACCESS @ 1",
        group="sorted_set", since="2.2.0",
        deprecated=("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`"),
        syntax="key max:double min:double [WITHSCORES] [LIMIT (offset:integer count:integer)]",
        summary="Returns the members of a sorted set with scores in a range, from the highest.",
        complexity="O(log(N)+M) for N members in the set and M returned",
    ),
    native(
        "zrevrank", <size_t> &zrevrank_command, -3, "readonly fast", keys="RO ACCESS @ 1", group="sorted_set",
        since="2.0.0",
        syntax="key member [WITHSCORE]",
        summary="Returns the rank of a member of a sorted set, from the highest score.",
        complexity="O(log(N)) for N members in the set",
    ),
    native(
        "zscan", <size_t> &zscan_command, -3, "readonly", keys="RO ACCESS @ 1", group="sorted_set", since="2.8.0",
        tips="nondeterministic_output",
        syntax="key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOSCORES]",
        summary="Goes through the members and scores of a sorted set in steps.",
        complexity="O(1) a step, O(N) for the whole of N members",
    ),
    native(
        "zscore", <size_t> &zscore_command, 3, "readonly fast", keys="RO ACCESS @ 1", group="sorted_set",
        since="1.2.0",
        syntax="key member",
        summary="Returns the score of a member of a sorted set.", complexity="O(1)",
    ),
]
