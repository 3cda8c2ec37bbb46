"""Unions, intersections and differences of sorted sets, in which sets take part too; and the rows of these commands."""
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport qsort
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_free, heap_zalloc
from redislite._core.base.prefixed cimport prefixed_write
from redislite._core.commands.arguments cimport (
    argument_at_least_or_reply, argument_double_or_reply, argument_integer_or_reply, argument_is, reply_out_of_memory,
    reply_syntax_error,
)
from redislite._core.handlers.sorted_set_key cimport is_sorted_set_or_reply, reply_members, store_sorted_set_and_reply
from redislite._core.keyspace.discard cimport discard_value
from redislite._core.keyspace.entry cimport (
    ENCODING_SKIPLIST, TYPE_SET, TYPE_SORTED_SET, Entry, entry_encoding, entry_pointer, entry_type, sorted_set_load,
)
from redislite._core.keyspace.keyspace cimport lookup_read
from redislite._core.protocol.reply cimport reply_error, reply_integer
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.structures.dict cimport (
    DictIterator, dict_find, dict_hash, dict_insert, dict_iterate_begin, dict_iterate_end, dict_iterate_next,
    dict_remove, dict_size,
)
from redislite._core.structures.score_tree cimport MEMBER_KEY_OFFSET, Member, member_size, tree_insert
from redislite._core.values.set_value cimport (
    SET_MEMBER_TEXT, SetIterator, SetMember, SetValue, set_has, set_iterate_begin, set_iterate_end, set_iterate_next,
    set_length, set_member_text,
)
from redislite._core.values.sorted_set_value cimport (
    SortedSet, SortedSetCursor, SortedSetValue, sorted_set_compact, sorted_set_find, sorted_set_length, sorted_set_next,
    sorted_set_seek, sorted_set_table_new,
)

from redislite._core.commands.row import native

cdef enum:
    AGGREGATE_SUM = 0
    AGGREGATE_MIN = 1
    AGGREGATE_MAX = 2

cdef enum:
    OPERATION_UNION = 0
    OPERATION_INTERSECTION = 1
    OPERATION_DIFFERENCE = 2
    OPERATION_COUNT = 3         # of the intersection


# One of the sets that are combined: a sorted set; or a set, whose members all have the score 1; or a key that is not
# there.
cdef struct Source:
    Entry* entry
    size_t length
    double weight
    int64_t number              # its place among the arguments
    bint is_set
    SortedSetValue members
    SetValue set


cdef struct SourceCursor:
    char* data
    size_t length
    double score
    bint is_set
    SortedSetCursor members
    SetIterator set
    char number[SET_MEMBER_TEXT]


cdef struct Combination:
    int operation
    int aggregate
    bint scores
    int64_t limit
    Source* sources
    int64_t count


cdef bint source_find(const Source* source, const char* data, size_t length, double* score) noexcept nogil:
    if source.entry == NULL:
        return 0
    if source.is_set:
        score[0] = 1
        return set_has(&source.set, data, length)
    return sorted_set_find(&source.members, data, length, score)


cdef void source_begin(const Source* source, SourceCursor* cursor) noexcept nogil:
    """Before the first member of a source that is there."""
    cursor.is_set = source.is_set
    if source.is_set:
        set_iterate_begin(&cursor.set, &source.set)
    else:
        sorted_set_seek(&source.members, &cursor.members, 0, 0, 1)


cdef bint source_next(SourceCursor* cursor) noexcept nogil:
    cdef SetMember member
    if cursor.is_set:
        cursor.score = 1
        if not set_iterate_next(&cursor.set, &member):
            return 0
        cursor.data = set_member_text(&member, cursor.number, &cursor.length)
        return 1
    if not sorted_set_next(&cursor.members):
        return 0
    cursor.data = cursor.members.data
    cursor.length = cursor.members.length
    cursor.score = cursor.members.score
    return 1


cdef void source_end(SourceCursor* cursor) noexcept nogil:
    if cursor.is_set:
        set_iterate_end(&cursor.set)


cdef int compare_sources(const void* one, const void* other) noexcept nogil:
    cdef const Source* a = <const Source*> one
    cdef const Source* b = <const Source*> other
    if a.length != b.length:
        return 1 if a.length > b.length else -1
    return 1 if a.number > b.number else -1


cdef inline double aggregated(int aggregate, double total, double score) noexcept nogil:
    if aggregate == AGGREGATE_SUM:
        total += score
        return 0 if isnan(total) else total
    if aggregate == AGGREGATE_MIN:
        return score if score < total else total
    return score if score > total else total


cdef inline double weighted(const Source* source, double score) noexcept nogil:
    """The first score of a member: infinity times nothing is nothing."""
    score *= source.weight
    return 0 if isnan(score) else score


cdef Member* gather(SortedSet* table, const char* data, size_t length, uint64_t hash, double score) noexcept nogil:
    """Adds a member to the dict alone; NULL where memory is out."""
    cdef Heap* heap = table.members.heap
    cdef Member* member = <Member*> heap_alloc(heap, member_size(length))
    if member == NULL:
        return NULL
    member.score = score
    prefixed_write(<char*> member + MEMBER_KEY_OFFSET, data, length)
    if dict_insert(&table.members, member, hash) != 0:
        heap_free(heap, member, member_size(length))
        return NULL
    return member


cdef bint order_members(SortedSet* table) noexcept nogil:
    """Enters the members of the dict, which is not to change any more, into the tree; 0 where memory is out."""
    cdef DictIterator position
    cdef Member* member
    cdef bint done = 1
    dict_iterate_begin(&position, &table.members)
    while done:
        member = <Member*> dict_iterate_next(&position)
        if member == NULL:
            break
        done = tree_insert(&table.tree, member) == 0
    dict_iterate_end(&position)
    return done


cdef bint unite(Combination* combination, SortedSet* table) noexcept nogil:
    cdef SourceCursor cursor
    cdef Source* source
    cdef Member** slot
    cdef uint64_t hash
    cdef int64_t i
    cdef bint done = 1
    for i in range(combination.count):
        source = &combination.sources[i]
        if source.entry == NULL:
            continue
        source_begin(source, &cursor)
        while done and source_next(&cursor):
            hash = dict_hash(&table.members, cursor.data, cursor.length)
            slot = <Member**> dict_find(&table.members, cursor.data, cursor.length, hash)
            if slot != NULL:
                slot[0].score = aggregated(combination.aggregate, slot[0].score, weighted(source, cursor.score))
            else:
                done = gather(table, cursor.data, cursor.length, hash, weighted(source, cursor.score)) != NULL
        source_end(&cursor)
    return done and order_members(table)


cdef bint intersect(Combination* combination, SortedSet* table, int64_t* count) noexcept nogil:
    """Adds the common members to the table, or only counts them where it is NULL."""
    cdef SourceCursor cursor
    cdef Source* first = &combination.sources[0]
    cdef Source* source
    cdef double score, own
    cdef int64_t i
    cdef bint done = 1
    cdef bint common
    if first.entry == NULL:
        return 1
    source_begin(first, &cursor)
    while done and source_next(&cursor):
        score = weighted(first, cursor.score)
        common = 1
        for i in range(1, combination.count):
            source = &combination.sources[i]
            if source.entry == first.entry:
                own = cursor.score
            elif not source_find(source, cursor.data, cursor.length, &own):
                common = 0
                break
            score = aggregated(combination.aggregate, score, own * source.weight)
        if not common:
            continue
        count[0] += 1
        if table == NULL:
            if count[0] == combination.limit:
                break
        else:
            done = gather(table, cursor.data, cursor.length, dict_hash(&table.members, cursor.data, cursor.length),
                          score) != NULL
    source_end(&cursor)
    return done if table == NULL else done and order_members(table)


cdef bint subtract(Combination* combination, SortedSet* table) noexcept nogil:
    """Adds the members of the first source that no other one has: looks each up in the others, or removes theirs from
    a copy, whichever is less work."""
    cdef SourceCursor cursor
    cdef Source* first = &combination.sources[0]
    cdef Source* source
    cdef Member* member
    cdef double own
    cdef uint64_t hash
    cdef size_t lookups = 0
    cdef size_t removals = 0
    cdef int64_t i
    cdef bint done = 1
    cdef bint missing
    if first.entry == NULL:
        return 1
    for i in range(1, combination.count):
        if combination.sources[i].entry == first.entry:
            return 1
        if combination.sources[i].entry != NULL:
            lookups += first.length
            removals += combination.sources[i].length
    source_begin(first, &cursor)
    while done and source_next(&cursor):
        missing = 1
        i = 1
        while missing and lookups <= first.length + removals and i < combination.count:
            missing = not source_find(&combination.sources[i], cursor.data, cursor.length, &own)
            i += 1
        if missing:
            hash = dict_hash(&table.members, cursor.data, cursor.length)
            done = gather(table, cursor.data, cursor.length, hash, cursor.score) != NULL
    source_end(&cursor)
    if not done or lookups <= first.length + removals:
        return done and order_members(table)
    for i in range(1, combination.count):
        source = &combination.sources[i]
        if source.entry == NULL:
            continue
        source_begin(source, &cursor)
        while dict_size(&table.members) and source_next(&cursor):
            hash = dict_hash(&table.members, cursor.data, cursor.length)
            member = <Member*> dict_remove(&table.members, cursor.data, cursor.length, hash)
            if member != NULL:
                heap_free(table.members.heap, member, member_size(cursor.length))
        source_end(&cursor)
    return order_members(table)


cdef bint sources_or_reply(Core* core, Client* client, int first, Combination* combination) noexcept nogil:
    """Looks the keys up, which begin at argument first."""
    cdef Source* source
    cdef int i
    for i in range(<int> combination.count):
        source = &combination.sources[i]
        source.number = i
        source.weight = 1
        source.entry = lookup_read(core, client, first + i)
        if source.entry == NULL:
            continue
        if entry_type(source.entry) == TYPE_SET:
            source.is_set = 1
            source.set.encoding = entry_encoding(source.entry)
            source.set.block = entry_pointer(source.entry)
            source.length = set_length(&source.set)
        elif is_sorted_set_or_reply(client, source.entry):
            source.members = sorted_set_load(source.entry)
            source.length = sorted_set_length(&source.members)
        else:
            return 0
    return 1


cdef bint combination_options_or_reply(Client* client, int first, bint store, Combination* combination) noexcept nogil:
    """Reads the options from argument first on."""
    cdef bint plain = combination.operation >= OPERATION_DIFFERENCE     # neither weights nor an aggregate
    cdef int i = first
    cdef int64_t j
    cdef Argument* option
    while i < client.argc:
        option = &client.argv[i]
        i += 1
        if not plain and client.argc - i >= combination.count and argument_is(option, "WEIGHTS"):
            for j in range(combination.count):
                if not argument_double_or_reply(client, i, &combination.sources[j].weight,
                                                "ERR weight value is not a float"):
                    return 0
                i += 1
        elif not plain and i < client.argc and argument_is(option, "AGGREGATE"):
            if argument_is(&client.argv[i], "SUM"):
                combination.aggregate = AGGREGATE_SUM
            elif argument_is(&client.argv[i], "MIN"):
                combination.aggregate = AGGREGATE_MIN
            elif argument_is(&client.argv[i], "MAX"):
                combination.aggregate = AGGREGATE_MAX
            else:
                reply_syntax_error(client)
                return 0
            i += 1
        elif not store and combination.operation != OPERATION_COUNT and argument_is(option, "WITHSCORES"):
            combination.scores = 1
        elif combination.operation == OPERATION_COUNT and i < client.argc and argument_is(option, "LIMIT"):
            if not argument_at_least_or_reply(client, i, 0, &combination.limit, "ERR LIMIT can't be negative"):
                return 0
            i += 1
        else:
            reply_syntax_error(client)
            return 0
    return 1


cdef const char* event_of(int operation) noexcept nogil:
    """The event of storing a combination."""
    if operation == OPERATION_UNION:
        return "zunionstore"
    return "zinterstore" if operation == OPERATION_INTERSECTION else "zdiffstore"


cdef void combine_sources(Core* core, Client* client, Combination* combination, int destination) noexcept nogil:
    """Answers the combination, or stores it under argument destination."""
    cdef SortedSetValue value
    cdef SortedSet* table
    cdef int64_t count = 0
    cdef bint done
    # The smallest first: the original adds scores up in this order too.
    if combination.operation != OPERATION_DIFFERENCE:
        qsort(combination.sources, <size_t> combination.count, sizeof(Source), compare_sources)
    if combination.operation == OPERATION_COUNT:
        intersect(combination, NULL, &count)
        reply_integer(&client.reply, count)
        return
    table = sorted_set_table_new(core.heap, <const unsigned long long*> core.seed)
    if table == NULL:
        reply_out_of_memory(client)
        return
    value.data = table
    value.encoding = ENCODING_SKIPLIST
    if combination.operation == OPERATION_UNION:
        done = unite(combination, table)
    elif combination.operation == OPERATION_INTERSECTION:
        done = intersect(combination, table, &count)
    else:
        done = subtract(combination, table)
    if not done or (destination and sorted_set_compact(core, &value) != 0):
        discard_value(core, TYPE_SORTED_SET, value.encoding, value.data)
        reply_out_of_memory(client)
    elif destination:
        store_sorted_set_and_reply(core, client, destination, &value, event_of(combination.operation))
    else:
        reply_members(client, &value, 0, sorted_set_length(&value), 0, combination.scores)
        discard_value(core, TYPE_SORTED_SET, value.encoding, value.data)


cdef void combine(Core* core, Client* client, int operation, int destination, int numkeys) noexcept nogil:
    """The keys are counted by argument numkeys; destination: argument of the key to store to, 0 for none."""
    cdef char text[128]
    cdef Combination combination
    cdef size_t size
    combination.operation = operation
    combination.aggregate = AGGREGATE_SUM
    combination.scores = 0
    combination.limit = 0
    if not argument_integer_or_reply(client, numkeys, &combination.count):
        return
    if combination.count < 1:
        snprintf(text, sizeof(text), "ERR at least 1 input key is needed for '%s' command", client.command.own_name)
        reply_error(&client.reply, text)
        return
    if combination.count > client.argc - numkeys - 1:
        reply_syntax_error(client)
        return
    size = <size_t> combination.count * sizeof(Source)
    combination.sources = <Source*> heap_zalloc(core.heap, size)
    if combination.sources == NULL:
        reply_out_of_memory(client)
        return
    if sources_or_reply(core, client, numkeys + 1, &combination) and \
            combination_options_or_reply(client, numkeys + 1 + <int> combination.count, destination != 0, &combination):
        combine_sources(core, client, &combination, destination)
    heap_free(core.heap, combination.sources, size)


cdef void zunion_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_UNION, 0, 1)


cdef void zinter_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_INTERSECTION, 0, 1)


cdef void zdiff_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_DIFFERENCE, 0, 1)


cdef void zintercard_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_COUNT, 0, 1)


cdef void zunionstore_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_UNION, 1, 2)


cdef void zinterstore_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_INTERSECTION, 1, 2)


cdef void zdiffstore_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, OPERATION_DIFFERENCE, 1, 2)


COMMANDS = [
    native(
        "zdiff", <size_t> &zdiff_command, -3, "readonly", keys="RO ACCESS @ 1 keynum=0", group="sorted_set",
        since="6.2.0",
        syntax="numkeys:integer key... [WITHSCORES]",
        summary="Returns the members of a sorted set that no other of the sets has.",
        complexity="O(L+(N-K)*log(N)) at worst, for L members in all sets, N in the first and K returned",
    ),
    native(
        "zdiffstore", <size_t> &zdiffstore_command, -4, "write denyoom", keys="OW UPDATE @ 1; RO ACCESS @ 2 keynum=0",
        group="sorted_set", since="6.2.0",
        syntax="destination:key numkeys:integer key#1...",
        summary="Stores the members of a sorted set that no other of the sets has.",
        complexity="O(L+(N-K)*log(N)) at worst, for L members in all sets, N in the first and K stored",
    ),
    native(
        "zinter", <size_t> &zinter_command, -3, "readonly", keys="RO ACCESS @ 1 keynum=0", group="sorted_set",
        since="6.2.0",
        syntax="numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]",
        summary="Returns the members that all of the sorted sets have.",
        complexity="O(N*K+M*log(M)) at worst, for K sets of which the smallest has N members, and M returned",
    ),
    native(
        "zintercard", <size_t> &zintercard_command, -3, "readonly", keys="RO ACCESS @ 1 keynum=0", group="sorted_set",
        since="7.0.0",
        syntax="numkeys:integer key... [LIMIT limit:integer]",
        summary="Counts the members that all of the sorted sets have.",
        complexity="O(N*K) at worst, for K sets of which the smallest has N members",
    ),
    native(
        "zinterstore", <size_t> &zinterstore_command, -4, "write denyoom",
        keys="OW UPDATE @ 1; RO ACCESS @ 2 keynum=0", group="sorted_set", since="2.0.0",
        syntax="destination:key numkeys:integer key#1... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)]",
        summary="Stores the members that all of the sorted sets have.",
        complexity="O(N*K+M*log(M)) at worst, for K sets of which the smallest has N members, and M stored",
    ),
    native(
        "zunion", <size_t> &zunion_command, -3, "readonly", keys="RO ACCESS @ 1 keynum=0", group="sorted_set",
        since="6.2.0",
        syntax="numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]",
        summary="Returns the members that any of the sorted sets has.",
        complexity="O(N+M*log(M)) for N members in all sets and M returned",
    ),
    native(
        "zunionstore", <size_t> &zunionstore_command, -4, "write denyoom",
        keys="OW UPDATE @ 1; RO ACCESS @ 2 keynum=0", group="sorted_set", since="2.0.0",
        syntax="destination:key numkeys:integer key#1... [WEIGHTS weight:integer...] [AGGREGATE (SUM | MIN | MAX)]",
        summary="Stores the members that any of the sorted sets has.",
        complexity="O(N+M*log(M)) for N members in all sets and M stored",
    ),
]
