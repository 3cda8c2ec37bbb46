"""Commands about the consumer groups of streams and what is pending with them, XINFO, and their rows."""
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, reply_out_of_memory, reply_syntax_error,
)
from redislite._core.handlers.stream_arguments cimport (
    NAME_SHOWN_MAX, bound_or_reply, consumer_for, create_stream, groups_changed, groups_changed_by, id_or_reply,
    ids_or_reply, is_sign, parse_id, propagate_claim, propagate_group_start, read_stream_or_reply, reply_entry,
    reply_id, reply_invalid_id, reply_no_group, reply_one, reply_range, reply_text, shown, wake_readers,
    write_stream_or_reply,
)
from redislite._core.keyspace.discard cimport discard_value
from redislite._core.keyspace.keyspace cimport announce, argument_hash, delete_key
from redislite._core.keyspace.propagate cimport propagate_nothing
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_bulk, reply_bulk_integer, reply_deferred_begin, reply_deferred_end, reply_error,
    reply_integer, reply_map, reply_mark, reply_null, reply_null_array, reply_ok, reply_rollback, reply_simple,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core
from redislite._core.structures.rax cimport (
    RAX_AT_LEAST, RAX_FIRST, RAX_LAST, Rax, RaxIterator, rax_next, rax_seek, rax_size, rax_start, rax_stop,
)
from redislite._core.text.encodings cimport ENCODING_STREAM, TYPE_STREAM
from redislite._core.text.numbers cimport parse_int64
from redislite._core.values.stream cimport (
    STREAM_KEY, STREAM_UNKNOWN, Consumer, Group, Pending, Stream, StreamId, StreamIterator, consumer_name,
    group_acknowledge, group_consumer, group_consumer_create, group_consumer_delete, group_lag, group_name,
    group_pending, group_pending_assign, id_compare, id_decode, id_encode, stream_exists, stream_group,
    stream_detach_group, stream_group_create, stream_group_destroy, stream_iterate, stream_iterator_next,
    stream_iterator_stop,
)

from redislite._core.commands.row import container, native

cdef enum:
    INFO_COUNT = 10                 # entries that XINFO STREAM FULL shows where no COUNT is given
    AUTOCLAIM_ATTEMPTS = 10         # pending entries that XAUTOCLAIM looks at, for each one it may take


# --- pending entries

cdef bint idle_or_reply(Client* client, int index, int64_t* value, const char* error) noexcept nogil:
    """A number of milliseconds with an error text of its own; a negative one counts as 0."""
    if not parse_int64(client.argv[index].data, client.argv[index].length, value):
        reply_error(&client.reply, error)
        return 0
    if value[0] < 0:
        value[0] = 0
    return 1


cdef void reply_no_such_group(Client* client, int key, int group) noexcept nogil:
    cdef char text[2 * NAME_SHOWN_MAX + 128]
    snprintf(text, sizeof(text), "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
             shown(&client.argv[group]), client.argv[group].data, shown(&client.argv[key]), client.argv[key].data)
    reply_error(&client.reply, text)


cdef inline void reply_key_id(Client* client, const void* key) noexcept nogil:
    """An identifier as a key of a tree."""
    cdef StreamId id
    id_decode(<const unsigned char*> key, &id)
    reply_id(client, &id)


cdef bint group_or_reply(Core* core, Client* client, int key, Stream** stream, Group** group) noexcept nogil:
    """The stream at a key and the group named behind it, of which NOGROUP is said where one is missing."""
    if not read_stream_or_reply(core, client, key, stream):
        return 0
    group[0] = NULL
    if stream[0] != NULL:
        group[0] = stream_group(stream[0], client.argv[key + 1].data, client.argv[key + 1].length)
    if group[0] == NULL:
        reply_no_group(client, key, key + 1, "")
        return 0
    return 1


cdef void xack_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group = NULL
    cdef StreamId id
    cdef int64_t acknowledged = 0
    cdef int i
    if not read_stream_or_reply(core, client, 1, &stream):
        return
    if stream != NULL:
        group = stream_group(stream, client.argv[2].data, client.argv[2].length)
    if group == NULL:
        reply_integer(&client.reply, 0)
        return
    if not ids_or_reply(client, 3):
        return
    for i in range(3, client.argc):
        parse_id(client.argv[i].data, client.argv[i].length, 0, 0, &id, NULL)
        if group_acknowledge(group, &id):
            acknowledged += 1
            groups_changed(core)
    reply_integer(&client.reply, acknowledged)


cdef void reply_pending_summary(Client* client, Group* group) noexcept nogil:
    cdef RaxIterator it
    cdef Chunk* place
    cdef Consumer* consumer
    cdef size_t length
    cdef char* name
    cdef int64_t consumers = 0
    cdef bint more
    reply_array(&client.reply, 4)
    reply_integer(&client.reply, <int64_t> rax_size(&group.pending))
    if rax_size(&group.pending) == 0:
        reply_null(&client.reply)
        reply_null(&client.reply)
        reply_null_array(&client.reply)
        return
    rax_start(&it, &group.pending)
    rax_seek(&it, RAX_FIRST, NULL, 0)
    reply_key_id(client, it.key)
    rax_seek(&it, RAX_LAST, NULL, 0)
    reply_key_id(client, it.key)
    rax_stop(&it)
    place = reply_deferred_begin(&client.reply)
    rax_start(&it, &group.consumers)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        consumer = <Consumer*> it.value
        if rax_size(&consumer.pending):
            name = consumer_name(consumer, &length)
            reply_array(&client.reply, 2)
            reply_bulk(&client.reply, name, length)
            reply_bulk_integer(&client.reply, <int64_t> rax_size(&consumer.pending))
            consumers += 1
        more = rax_next(&it)
    rax_stop(&it)
    reply_deferred_end(&client.reply, place, c'*', consumers)


cdef inline int64_t elapsed(const Core* core, int64_t since_ms) noexcept nogil:
    """Milliseconds from a time to now, 0 where it is to come."""
    return core.now_ms - since_ms if core.now_ms > since_ms else 0


cdef void reply_pending_range(Core* core, Client* client, Rax* tree, const StreamId* first, const StreamId* last,
                              int64_t count, int64_t least_idle) noexcept nogil:
    cdef RaxIterator it
    cdef Pending* pending
    cdef StreamId id
    cdef char key[STREAM_KEY]
    cdef char* name
    cdef size_t length
    cdef int64_t replied = 0
    cdef bint more
    cdef Chunk* place = reply_deferred_begin(&client.reply)
    id_encode(key, first)
    rax_start(&it, tree)
    more = rax_seek(&it, RAX_AT_LEAST, key, STREAM_KEY)
    while more and replied < count:
        id_decode(it.key, &id)
        if id_compare(&id, last) > 0:
            break
        pending = <Pending*> it.value
        if elapsed(core, pending.delivered_ms) >= least_idle:
            name = consumer_name(pending.consumer, &length)
            reply_array(&client.reply, 4)
            reply_id(client, &id)
            reply_bulk(&client.reply, name, length)
            reply_integer(&client.reply, elapsed(core, pending.delivered_ms))
            reply_integer(&client.reply, <int64_t> pending.deliveries)
            replied += 1
        more = rax_next(&it)
    rax_stop(&it)
    reply_deferred_end(&client.reply, place, c'*', replied)


cdef void xpending_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group
    cdef Consumer* consumer
    cdef Rax* tree
    cdef StreamId first
    cdef StreamId last
    cdef int64_t count = 0
    cdef int64_t least_idle = 0
    cdef int at = 3
    if client.argc != 3 and (client.argc < 6 or client.argc > 9):
        reply_syntax_error(client)
        return
    if client.argc > 3:
        if argument_is(&client.argv[3], "IDLE"):
            if not argument_integer_or_reply(client, 4, &least_idle):
                return
            if client.argc < 8:
                reply_syntax_error(client)
                return
            at = 5
        if not argument_integer_or_reply(client, at + 2, &count):
            return
        if not bound_or_reply(client, at, 0, &first) or not bound_or_reply(client, at + 1, 1, &last):
            return
    if not group_or_reply(core, client, 1, &stream, &group):
        return
    if client.argc == 3:
        reply_pending_summary(client, group)
        return
    tree = &group.pending
    if client.argc > at + 3:
        consumer = group_consumer(group, client.argv[at + 3].data, client.argv[at + 3].length)
        if consumer == NULL:
            reply_array(&client.reply, 0)
            return
        tree = &consumer.pending
    reply_pending_range(core, client, tree, &first, &last, count, least_idle)


# The options of XCLAIM.
cdef struct ClaimOption:
    int64_t least_idle
    int64_t delivered_ms            # what is noted as the time of delivery
    int64_t deliveries              # negative: one more than before, unless only_ids
    bint force
    bint only_ids
    StreamId last_id
    int end                         # index behind the identifiers


cdef bint claim_options_or_reply(Core* core, Client* client, ClaimOption* option) noexcept nogil:
    cdef StreamId id
    cdef char text[NAME_SHOWN_MAX + 64]
    cdef Argument* word
    cdef int i = 5
    cdef bint more
    option.delivered_ms = core.now_ms
    option.deliveries = -1
    option.force = 0
    option.only_ids = 0
    option.last_id.ms = option.last_id.seq = 0
    if not idle_or_reply(client, 4, &option.least_idle, "ERR Invalid min-idle-time argument for XCLAIM"):
        return 0
    while i < client.argc and parse_id(client.argv[i].data, client.argv[i].length, 0, 0, &id, NULL):
        i += 1
    option.end = i
    while i < client.argc:
        word = &client.argv[i]
        more = i + 1 < client.argc
        if argument_is(word, "FORCE"):
            option.force = 1
        elif argument_is(word, "JUSTID"):
            option.only_ids = 1
        elif more and argument_is(word, "IDLE"):
            i += 1
            if not parse_int64(client.argv[i].data, client.argv[i].length, &option.delivered_ms):
                reply_error(&client.reply, "ERR Invalid IDLE option argument for XCLAIM")
                return 0
            option.delivered_ms = <int64_t> (<uint64_t> core.now_ms - <uint64_t> option.delivered_ms)
        elif more and argument_is(word, "TIME"):
            i += 1
            if not parse_int64(client.argv[i].data, client.argv[i].length, &option.delivered_ms):
                reply_error(&client.reply, "ERR Invalid TIME option argument for XCLAIM")
                return 0
        elif more and argument_is(word, "RETRYCOUNT"):
            i += 1
            if not parse_int64(client.argv[i].data, client.argv[i].length, &option.deliveries):
                reply_error(&client.reply, "ERR Invalid RETRYCOUNT option argument for XCLAIM")
                return 0
        elif more and argument_is(word, "LASTID"):
            i += 1
            if not id_or_reply(client, i, &option.last_id):
                return 0
        else:
            snprintf(text, sizeof(text), "ERR Unrecognized XCLAIM option '%.*s'", shown(word), word.data)
            reply_error(&client.reply, text)
            return 0
        i += 1
    if option.delivered_ms < 0 or option.delivered_ms > core.now_ms:
        option.delivered_ms = core.now_ms
    return 1


cdef bint claim_one(Core* core, Client* client, Stream* stream, Group* group, Consumer* consumer, const StreamId* id,
                    const ClaimOption* option, bint* failed) noexcept nogil:
    """Makes an entry the consumer's, as the options say, and replies it; whether it did."""
    cdef Pending* pending = group_pending(group, id)
    cdef int assigned
    if not stream_exists(stream, id):
        # Deleted meanwhile: nothing is left to acknowledge.
        if pending != NULL:
            if core.propagation:
                # Where it is executed again, it finds the entry deleted too.
                propagate_claim(core, client, 1, 2, group, id, pending)
            group_acknowledge(group, id)
            groups_changed(core)
        return 0
    if pending == NULL and not option.force:
        return 0
    if pending != NULL and option.least_idle and core.now_ms - pending.delivered_ms < option.least_idle:
        return 0
    assigned = group_pending_assign(group, consumer, id, &pending)
    if assigned < 0:
        failed[0] = 1
        return 0
    if assigned:
        pending.deliveries = 1
    pending.delivered_ms = option.delivered_ms
    if option.deliveries >= 0:
        pending.deliveries = <uint64_t> option.deliveries
    elif not option.only_ids:
        pending.deliveries += 1
    consumer.active_ms = core.now_ms
    if option.only_ids:
        reply_id(client, id)
    else:
        reply_one(client, stream, id)
    groups_changed(core)
    if core.propagation:
        propagate_claim(core, client, 1, 2, group, id, pending)
    return 1


cdef void xclaim_command(Core* core, Client* client) noexcept nogil:
    cdef ClaimOption option
    cdef Stream* stream
    cdef Group* group
    cdef Consumer* consumer
    cdef StreamId id
    cdef Chunk* place
    cdef ReplyMark mark
    cdef int64_t claimed = 0
    cdef bint failed = 0
    cdef int i
    if not group_or_reply(core, client, 1, &stream, &group) or not claim_options_or_reply(core, client, &option):
        return
    if id_compare(&option.last_id, &group.last_id) > 0:
        group.last_id = option.last_id
        groups_changed(core)
        if core.propagation:
            propagate_group_start(core, client, 1, 2, group)
    if core.propagation:
        propagate_nothing(core)
    mark = reply_mark(&client.reply)
    consumer = consumer_for(core, client, group, 1, 3)
    if consumer == NULL:
        reply_out_of_memory(client)
        return
    place = reply_deferred_begin(&client.reply)
    for i in range(5, option.end):
        parse_id(client.argv[i].data, client.argv[i].length, 0, 0, &id, NULL)
        claimed += claim_one(core, client, stream, group, consumer, &id, &option, &failed)
        if failed:
            reply_rollback(&client.reply, mark)
            reply_out_of_memory(client)
            return
    reply_deferred_end(&client.reply, place, c'*', claimed)


cdef bint claim_idle(Core* core, Client* client, Stream* stream, Group* group, Consumer* consumer,
                     const ClaimOption* option, int64_t count, StreamId* next, StreamId* ids, size_t* taken,
                     size_t* gone) noexcept nogil:
    """Makes entries from *next on the consumer's, count at most, and moves *next to where to go on (0-0: at the end).
    Puts the identifiers of those taken to the beginning of ids, and of those that exist no more to its end (backwards);
    *gone is the room there is, and then where they begin. False where memory is out."""
    cdef RaxIterator it
    cdef StreamId id
    cdef Pending* pending
    cdef char key[STREAM_KEY]
    cdef int64_t attempts = AUTOCLAIM_ATTEMPTS * count
    cdef bint done = 1
    cdef bint more
    taken[0] = 0
    id_encode(key, next)
    rax_start(&it, &group.pending)
    more = rax_seek(&it, RAX_AT_LEAST, key, STREAM_KEY)
    while more and attempts > 0 and count > 0:
        attempts -= 1
        id_decode(it.key, &id)
        pending = <Pending*> it.value
        if not stream_exists(stream, &id):
            gone[0] -= 1
            ids[gone[0]] = id
            count -= 1
            id_encode(key, &id)
            if core.propagation:
                propagate_claim(core, client, 1, 2, group, &id, pending)
            group_acknowledge(group, &id)
            groups_changed(core)
            more = rax_seek(&it, RAX_AT_LEAST, key, STREAM_KEY)
            continue
        if not option.least_idle or core.now_ms - pending.delivered_ms >= option.least_idle:
            if group_pending_assign(group, consumer, &id, &pending) < 0:
                done = 0
                break
            pending.delivered_ms = core.now_ms
            if not option.only_ids:
                pending.deliveries += 1
            consumer.active_ms = core.now_ms
            ids[taken[0]] = id
            taken[0] += 1
            count -= 1
            groups_changed(core)
            if core.propagation:
                propagate_claim(core, client, 1, 2, group, &id, pending)
        more = rax_next(&it)
    next.ms = next.seq = 0
    if more:
        id_decode(it.key, next)
    rax_stop(&it)
    return done


cdef void xautoclaim_command(Core* core, Client* client) noexcept nogil:
    cdef ClaimOption option
    cdef Stream* stream
    cdef Group* group
    cdef Consumer* consumer
    cdef StreamId next
    cdef StreamId* ids
    cdef int64_t count = 100
    cdef size_t room, taken, gone, n
    cdef int i = 6
    if not idle_or_reply(client, 4, &option.least_idle, "ERR Invalid min-idle-time argument for XAUTOCLAIM"):
        return
    if not bound_or_reply(client, 5, 0, &next):
        return
    option.only_ids = 0
    while i < client.argc:
        if argument_is(&client.argv[i], "COUNT") and i + 1 < client.argc:
            i += 1
            if not parse_int64(client.argv[i].data, client.argv[i].length, &count) or \
                    not 1 <= count <= INT64_MAX // <int64_t> sizeof(StreamId):
                reply_error(&client.reply, "ERR COUNT must be > 0")
                return
        elif argument_is(&client.argv[i], "JUSTID"):
            option.only_ids = 1
        else:
            reply_syntax_error(client)
            return
        i += 1
    if not group_or_reply(core, client, 1, &stream, &group):
        return
    room = rax_size(&group.pending)
    if <size_t> count < room:
        room = <size_t> count
    gone = room
    ids = <StreamId*> heap_alloc(core.heap, (room + 1) * sizeof(StreamId))
    if ids == NULL:
        reply_out_of_memory(client)
        return
    if core.propagation:
        propagate_nothing(core)
    consumer = consumer_for(core, client, group, 1, 3)
    if consumer == NULL or not claim_idle(core, client, stream, group, consumer, &option, count, &next, ids, &taken,
                                          &gone):
        reply_out_of_memory(client)
    else:
        reply_array(&client.reply, 3)
        reply_id(client, &next)
        reply_array(&client.reply, <int64_t> taken)
        for n in range(taken):
            if option.only_ids:
                reply_id(client, &ids[n])
            else:
                reply_one(client, stream, &ids[n])
        reply_array(&client.reply, <int64_t> (room - gone))
        n = room
        while n > gone:
            n -= 1
            reply_id(client, &ids[n])
    heap_free(core.heap, ids, (room + 1) * sizeof(StreamId))


# --- groups

cdef bint entries_read_or_reply(Client* client, int index, int64_t* value) noexcept nogil:
    if not argument_integer_or_reply(client, index, value):
        return 0
    if value[0] < 0 and value[0] != STREAM_UNKNOWN:
        reply_error(&client.reply, "ERR value for ENTRIESREAD must be positive or -1")
        return 0
    return 1


cdef bint existing_stream_or_reply(Core* core, Client* client, Stream** stream) noexcept nogil:
    """The stream that a subcommand of XGROUP works on."""
    if not write_stream_or_reply(core, client, 2, stream):
        return 0
    if stream[0] == NULL:
        reply_error(&client.reply,
                    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
                    "MKSTREAM option to create an empty stream automatically.")
        return 0
    return 1


cdef Group* existing_group_or_reply(Client* client, Stream* stream) noexcept nogil:
    cdef Group* group = stream_group(stream, client.argv[3].data, client.argv[3].length)
    if group == NULL:
        reply_no_such_group(client, 2, 3)
    return group


cdef bint group_options_or_reply(Client* client, bint is_create, bint* make_stream,
                                 int64_t* entries_read) noexcept nogil:
    cdef int i = 5
    cdef char text[128]
    make_stream[0] = 0
    entries_read[0] = STREAM_UNKNOWN
    while i < client.argc:
        if is_create and argument_is(&client.argv[i], "MKSTREAM"):
            make_stream[0] = 1
        elif argument_is(&client.argv[i], "ENTRIESREAD") and i + 1 < client.argc:
            i += 1
            if not entries_read_or_reply(client, i, entries_read):
                return 0
        else:
            snprintf(text, sizeof(text),
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XGROUP HELP.",
                     shown_subcommand(client), client.argv[1].data)
            reply_error(&client.reply, text)
            return 0
        i += 1
    return 1


cdef inline int shown_subcommand(Client* client) noexcept nogil:
    return <int> (client.argv[1].length if client.argv[1].length < 32 else 32)


cdef bint group_start_or_reply(Client* client, const Stream* stream, bint is_range, StreamId* id) noexcept nogil:
    """Where a group begins: an identifier, or `$` for the stream's last one."""
    if is_sign(&client.argv[4], c'$'):
        id.ms = id.seq = 0
        if stream != NULL:
            id[0] = stream.last_id
        return 1
    if not parse_id(client.argv[4].data, client.argv[4].length, 0, is_range, id, NULL):
        reply_invalid_id(client)
        return 0
    return 1


cdef void xgroup_create_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef StreamId id
    cdef int64_t entries_read
    cdef bint make_stream
    cdef bint is_new
    cdef Argument* name = &client.argv[3]
    if not group_options_or_reply(client, 1, &make_stream, &entries_read):
        return
    if make_stream:
        if not write_stream_or_reply(core, client, 2, &stream):
            return
    elif not existing_stream_or_reply(core, client, &stream):
        return
    if not group_start_or_reply(client, stream, 0, &id):
        return
    is_new = stream == NULL
    if is_new:
        stream = create_stream(core, client, 2)
        if stream == NULL:
            reply_out_of_memory(client)
            return
    elif stream_group(stream, name.data, name.length) != NULL:
        reply_error(&client.reply, "BUSYGROUP Consumer Group name already exists")
        return
    if stream_group_create(stream, name.data, name.length, &id, entries_read) == NULL:
        if is_new:
            delete_key(core, client.database, client.argv[2].data, client.argv[2].length, argument_hash(client, 2), 0)
        reply_out_of_memory(client)
        return
    groups_changed_by(core, client, 2, "xgroup-create")
    if is_new:
        announce(core, client.database, client.argv[2].data, client.argv[2].length)
    reply_ok(&client.reply)


cdef void xgroup_setid_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group
    cdef StreamId id
    cdef int64_t entries_read
    cdef bint make_stream
    if not group_options_or_reply(client, 0, &make_stream, &entries_read) or \
            not existing_stream_or_reply(core, client, &stream):
        return
    group = existing_group_or_reply(client, stream)
    if group == NULL or not group_start_or_reply(client, stream, 1, &id):
        return
    group.last_id = id
    group.entries_read = entries_read
    groups_changed_by(core, client, 2, "xgroup-setid")
    reply_ok(&client.reply)


cdef void xgroup_destroy_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Stream* detached
    cdef Group* group
    if not existing_stream_or_reply(core, client, &stream):
        return
    group = stream_group(stream, client.argv[3].data, client.argv[3].length)
    if group == NULL:
        reply_integer(&client.reply, 0)
        return
    detached = stream_detach_group(stream, group)
    if detached != NULL:
        discard_value(core, TYPE_STREAM, ENCODING_STREAM, detached)
    else:
        stream_group_destroy(stream, group)
    groups_changed_by(core, client, 2, "xgroup-destroy")
    wake_readers(core, client, 2)
    reply_integer(&client.reply, 1)


cdef void xgroup_createconsumer_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group
    cdef Argument* name = &client.argv[4]
    if not existing_stream_or_reply(core, client, &stream):
        return
    group = existing_group_or_reply(client, stream)
    if group == NULL:
        return
    if group_consumer(group, name.data, name.length) != NULL:
        reply_integer(&client.reply, 0)
    elif group_consumer_create(group, name.data, name.length, core.now_ms) == NULL:
        reply_out_of_memory(client)
    else:
        groups_changed_by(core, client, 2, "xgroup-createconsumer")
        reply_integer(&client.reply, 1)


cdef void xgroup_delconsumer_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group
    cdef Consumer* consumer
    if not existing_stream_or_reply(core, client, &stream):
        return
    group = existing_group_or_reply(client, stream)
    if group == NULL:
        return
    consumer = group_consumer(group, client.argv[4].data, client.argv[4].length)
    if consumer == NULL:
        reply_integer(&client.reply, 0)
        return
    reply_integer(&client.reply, <int64_t> group_consumer_delete(group, consumer))
    groups_changed_by(core, client, 2, "xgroup-delconsumer")


# --- help and information

cdef extern from *:
    """
    static const char *const xgroup_help_lines[] = {
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
        "    Creates a group that is delivered what comes after the id.",
        "    MKSTREAM makes the stream where there is none.",
        "    ENTRIESREAD says how many entries the group has read.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    Creates a consumer.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Deletes a consumer with what is pending with it.",
        "DESTROY <key> <group>",
        "    Deletes a group.",
        "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
        "    Changes after which id a group is delivered entries.",
        "HELP",
        "    Shows these lines.",
        0};
    static const char *const xinfo_help_lines[] = {
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <group>",
        "    Describes the consumers of a group.",
        "GROUPS <key>",
        "    Describes the groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Describes a stream, with FULL also its entries, groups and consumers.",
        "HELP",
        "    Shows these lines.",
        0};
    """
    const char* const* xgroup_help_lines
    const char* const* xinfo_help_lines


cdef void reply_lines(Client* client, const char* const* lines) noexcept nogil:
    cdef int count = 0
    cdef int i
    while lines[count] != NULL:
        count += 1
    reply_array(&client.reply, count)
    for i in range(count):
        reply_simple(&client.reply, lines[i])


cdef void xgroup_help_command(Core* core, Client* client) noexcept nogil:
    reply_lines(client, xgroup_help_lines)


cdef void xinfo_help_command(Core* core, Client* client) noexcept nogil:
    reply_lines(client, xinfo_help_lines)


cdef bint described_stream_or_reply(Core* core, Client* client, Stream** stream) noexcept nogil:
    """The stream that a subcommand of XINFO describes."""
    if not read_stream_or_reply(core, client, 2, stream):
        return 0
    if stream[0] == NULL:
        reply_error(&client.reply, "ERR no such key")
        return 0
    return 1


cdef inline void reply_size(Client* client, const char* name, uint64_t value) noexcept nogil:
    reply_text(client, name)
    reply_integer(&client.reply, <int64_t> value)


cdef inline void reply_named_id(Client* client, const char* name, const StreamId* id) noexcept nogil:
    reply_text(client, name)
    reply_id(client, id)


cdef void reply_stream_fields(Client* client, Stream* stream) noexcept nogil:
    """The seven fields that both forms of XINFO STREAM begin with."""
    reply_size(client, "length", stream.length)
    reply_size(client, "radix-tree-keys", rax_size(&stream.entries))
    # One more than there are: the original's tree has a root of its own.
    reply_size(client, "radix-tree-nodes", stream.entries.nodes + 1)
    reply_named_id(client, "last-generated-id", &stream.last_id)
    reply_named_id(client, "max-deleted-entry-id", &stream.max_deleted_id)
    reply_size(client, "entries-added", stream.entries_added)
    reply_named_id(client, "recorded-first-entry-id", &stream.first_id)


cdef void reply_progress(Client* client, const Stream* stream, const Group* group) noexcept nogil:
    """The fields about how far a group has got."""
    cdef uint64_t lag
    reply_named_id(client, "last-delivered-id", &group.last_id)
    reply_text(client, "entries-read")
    if group.entries_read == STREAM_UNKNOWN:
        reply_null(&client.reply)
    else:
        reply_integer(&client.reply, group.entries_read)
    reply_text(client, "lag")
    if group_lag(stream, group, &lag):
        reply_integer(&client.reply, <int64_t> lag)
    else:
        reply_null(&client.reply)


cdef void reply_pending_full(Client* client, Rax* tree, int64_t count, bint with_consumer) noexcept nogil:
    """A field with the pending entries of a group or a consumer, count at most (0: all)."""
    cdef RaxIterator it
    cdef Pending* pending
    cdef size_t length
    cdef char* name
    cdef int64_t left = <int64_t> rax_size(tree)
    cdef bint more
    reply_text(client, "pending")
    if count and count < left:
        left = count
    reply_array(&client.reply, left)
    rax_start(&it, tree)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more and left:
        pending = <Pending*> it.value
        reply_array(&client.reply, 4 if with_consumer else 3)
        reply_key_id(client, it.key)
        if with_consumer:
            name = consumer_name(pending.consumer, &length)
            reply_bulk(&client.reply, name, length)
        reply_integer(&client.reply, pending.delivered_ms)
        reply_integer(&client.reply, <int64_t> pending.deliveries)
        left -= 1
        more = rax_next(&it)
    rax_stop(&it)


cdef void reply_group_full(Client* client, Stream* stream, Group* group, int64_t count) noexcept nogil:
    cdef RaxIterator it
    cdef Consumer* consumer
    cdef Chunk* place
    cdef size_t length
    cdef char* name
    cdef int64_t consumers = 0
    cdef bint more
    reply_map(&client.reply, 7)
    name = group_name(group, &length)
    reply_text(client, "name")
    reply_bulk(&client.reply, name, length)
    reply_progress(client, stream, group)
    reply_size(client, "pel-count", rax_size(&group.pending))
    reply_pending_full(client, &group.pending, count, 1)
    reply_text(client, "consumers")
    place = reply_deferred_begin(&client.reply)
    rax_start(&it, &group.consumers)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        consumer = <Consumer*> it.value
        reply_map(&client.reply, 5)
        name = consumer_name(consumer, &length)
        reply_text(client, "name")
        reply_bulk(&client.reply, name, length)
        reply_text(client, "seen-time")
        reply_integer(&client.reply, consumer.seen_ms)
        reply_text(client, "active-time")
        reply_integer(&client.reply, consumer.active_ms)
        reply_size(client, "pel-count", rax_size(&consumer.pending))
        reply_pending_full(client, &consumer.pending, count, 0)
        consumers += 1
        more = rax_next(&it)
    rax_stop(&it)
    reply_deferred_end(&client.reply, place, c'*', consumers)


cdef void reply_stream_full(Client* client, Stream* stream, int64_t count) noexcept nogil:
    cdef RaxIterator it
    cdef StreamId first
    cdef StreamId last
    cdef Chunk* place
    cdef int64_t groups = 0
    cdef bint more
    first.ms = first.seq = 0
    last.ms = last.seq = UINT64_MAX
    reply_map(&client.reply, 9)
    reply_stream_fields(client, stream)
    reply_text(client, "entries")
    reply_range(client, stream, &first, &last, count, 0)
    reply_text(client, "groups")
    place = reply_deferred_begin(&client.reply)
    rax_start(&it, &stream.groups)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        reply_group_full(client, stream, <Group*> it.value, count)
        groups += 1
        more = rax_next(&it)
    rax_stop(&it)
    reply_deferred_end(&client.reply, place, c'*', groups)


cdef void reply_edge(Client* client, Stream* stream, const char* name, bint reverse) noexcept nogil:
    """A field with the first or the last entry."""
    cdef StreamIterator it
    cdef StreamId first
    cdef StreamId last
    cdef StreamId id
    cdef int64_t pairs
    first.ms = first.seq = 0
    last.ms = last.seq = UINT64_MAX
    reply_text(client, name)
    stream_iterate(&it, stream, &first, &last, reverse)
    if stream_iterator_next(&it, &id, &pairs):
        reply_entry(client, &it, &id, pairs)
    else:
        reply_null(&client.reply)
    stream_iterator_stop(&it)


cdef void xinfo_stream_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef int64_t count = INFO_COUNT
    cdef char text[128]
    cdef bint full = client.argc > 3
    if full and not (argument_is(&client.argv[3], "FULL")
                     and (client.argc == 4 or (client.argc == 6 and argument_is(&client.argv[4], "COUNT")))):
        snprintf(text, sizeof(text), "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XINFO HELP.",
                 shown_subcommand(client), client.argv[1].data)
        reply_error(&client.reply, text)
        return
    if client.argc == 6:
        if not argument_integer_or_reply(client, 5, &count):
            return
        if count < 0:
            count = INFO_COUNT
    if not described_stream_or_reply(core, client, &stream):
        return
    if full:
        reply_stream_full(client, stream, count)
        return
    reply_map(&client.reply, 10)
    reply_stream_fields(client, stream)
    reply_size(client, "groups", rax_size(&stream.groups))
    reply_edge(client, stream, "first-entry", 0)
    reply_edge(client, stream, "last-entry", 1)


cdef void xinfo_groups_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group
    cdef RaxIterator it
    cdef size_t length
    cdef char* name
    cdef bint more
    if not described_stream_or_reply(core, client, &stream):
        return
    reply_array(&client.reply, <int64_t> rax_size(&stream.groups))
    rax_start(&it, &stream.groups)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        group = <Group*> it.value
        reply_map(&client.reply, 6)
        name = group_name(group, &length)
        reply_text(client, "name")
        reply_bulk(&client.reply, name, length)
        reply_size(client, "consumers", rax_size(&group.consumers))
        reply_size(client, "pending", rax_size(&group.pending))
        reply_progress(client, stream, group)
        more = rax_next(&it)
    rax_stop(&it)


cdef void xinfo_consumers_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef Group* group
    cdef Consumer* consumer
    cdef RaxIterator it
    cdef size_t length
    cdef char* name
    cdef bint more
    if not described_stream_or_reply(core, client, &stream):
        return
    group = existing_group_or_reply(client, stream)
    if group == NULL:
        return
    reply_array(&client.reply, <int64_t> rax_size(&group.consumers))
    rax_start(&it, &group.consumers)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        consumer = <Consumer*> it.value
        reply_map(&client.reply, 4)
        name = consumer_name(consumer, &length)
        reply_text(client, "name")
        reply_bulk(&client.reply, name, length)
        reply_size(client, "pending", rax_size(&consumer.pending))
        reply_text(client, "idle")
        reply_integer(&client.reply, elapsed(core, consumer.seen_ms))
        reply_text(client, "inactive")
        reply_integer(&client.reply, elapsed(core, consumer.active_ms) if consumer.active_ms != -1 else -1)
        more = rax_next(&it)
    rax_stop(&it)


COMMANDS = [
    native(
        "xack", <size_t> &xack_command, -4, "write fast", keys="RW UPDATE @ 1", group="stream", since="5.0.0",
        syntax="key group ID:string...",
        summary="Acknowledges messages that a consumer group delivered.", complexity="O(1) a message",
    ),
    native(
        "xautoclaim", <size_t> &xautoclaim_command, -6, "write fast", keys="RW DELETE @ 1", group="stream",
        since="6.2.0", tips="nondeterministic_output",
        syntax="key group consumer min-idle-time start [COUNT count:integer] [JUSTID]",
        summary="Takes over messages that another consumer has left unacknowledged for too long.",
        complexity="O(1) for a small count",
    ),
    native(
        "xclaim", <size_t> &xclaim_command, -6, "write fast", keys="RW UPDATE @ 1", group="stream", since="5.0.0",
        tips="nondeterministic_output",
        syntax=(
            "key group consumer min-idle-time ID:string... [IDLE ms:integer] [TIME "
            "unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid]"
        ),
        summary="Takes over messages that were delivered to another consumer.",
        complexity="O(log N) for N messages pending in the group",
    ),
    container(
        "xgroup", group="stream", since="5.0.0",
        summary="A container for commands about consumer groups.",
    ),
    native(
        "xgroup|create", <size_t> &xgroup_create_command, -5, "write denyoom", keys="RW INSERT @ 2", group="stream",
        since="5.0.0",
        syntax="key group id-selector:(id | new-id='$') [MKSTREAM] [ENTRIESREAD entriesread:integer~entries-read]",
        summary="Creates a consumer group.", complexity="O(1)",
    ),
    native(
        "xgroup|createconsumer", <size_t> &xgroup_createconsumer_command, 5, "write denyoom", keys="RW INSERT @ 2",
        group="stream", since="6.2.0",
        syntax="key group consumer",
        summary="Creates a consumer in a group.", complexity="O(1)",
    ),
    native(
        "xgroup|delconsumer", <size_t> &xgroup_delconsumer_command, 5, "write", keys="RW DELETE @ 2", group="stream",
        since="5.0.0",
        syntax="key group consumer",
        summary="Deletes a consumer of a group, with what it has pending.",
        complexity="O(N) for N messages pending with it",
    ),
    native(
        "xgroup|destroy", <size_t> &xgroup_destroy_command, 4, "write", keys="RW DELETE @ 2", group="stream",
        since="5.0.0",
        syntax="key group",
        summary="Deletes a consumer group.", complexity="O(N) for N messages pending in the group",
    ),
    native(
        "xgroup|help", <size_t> &xgroup_help_command, 2, "loading stale", group="stream", since="5.0.0",
        summary="Explains the subcommands.", complexity="O(1)",
    ),
    native(
        "xgroup|setid", <size_t> &xgroup_setid_command, -5, "write", keys="RW UPDATE @ 2", group="stream",
        since="5.0.0",
        syntax="key group id-selector:(id | new-id='$') [ENTRIESREAD entriesread:integer~entries-read]",
        summary="Sets the last message that a consumer group was delivered.", complexity="O(1)",
    ),
    container(
        "xinfo", group="stream", since="5.0.0",
        summary="A container for commands that describe streams.",
    ),
    native(
        "xinfo|consumers", <size_t> &xinfo_consumers_command, 4, "readonly", keys="RO ACCESS @ 2", group="stream",
        since="5.0.0", tips="nondeterministic_output",
        syntax="key group",
        summary="Describes the consumers of a group.", complexity="O(N) for N consumers",
    ),
    native(
        "xinfo|groups", <size_t> &xinfo_groups_command, 3, "readonly", keys="RO ACCESS @ 2", group="stream",
        since="5.0.0",
        syntax="key",
        summary="Describes the consumer groups of a stream.", complexity="O(N) for N groups",
    ),
    native(
        "xinfo|help", <size_t> &xinfo_help_command, 2, "loading stale", group="stream", since="5.0.0",
        summary="Explains the subcommands.", complexity="O(1)",
    ),
    native(
        "xinfo|stream", <size_t> &xinfo_stream_command, -3, "readonly", keys="RO ACCESS @ 2", group="stream",
        since="5.0.0",
        syntax="key [full-block:(FULL [COUNT count:integer])]",
        summary="Describes a stream, on request with all its messages.", complexity="O(1)",
    ),
    native(
        "xpending", <size_t> &xpending_command, -3, "readonly", keys="RO ACCESS @ 1", group="stream", since="5.0.0",
        tips="nondeterministic_output",
        syntax="key group [filters:([IDLE min-idle-time:integer@6.2.0] start end count:integer [consumer])]",
        summary="Describes the messages of a group that are not acknowledged.",
        complexity="O(N) for N messages returned",
    ),
]
