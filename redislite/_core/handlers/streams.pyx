"""Commands that write and read the entries of streams, and their rows; those about groups are in stream_groups.pyx."""
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint64_t
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, reply_out_of_memory, reply_syntax_error,
)
from redislite._core.handlers.stream_arguments cimport (
    bound_or_reply, changed, changed_by, consumer_for, create_stream, groups_changed, groups_changed_by, id_or_reply,
    ids_or_reply, is_sign, parse_id, propagate_claim, propagate_group_start, propagate_id, read_stream_or_reply,
    reply_entry, reply_id, reply_invalid_id, reply_no_group, reply_one, reply_range, stream_of_or_reply, wake_readers,
    write_stream_or_reply,
)
from redislite._core.keyspace.blocking cimport WAIT_ALSO_MISSING, block_on_keys, blocked_words
from redislite._core.keyspace.entry cimport TYPE_STREAM, Entry, entry_pointer
from redislite._core.keyspace.keyspace cimport argument_hash, delete_key, lookup_read, lookup_write, notify_argument
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_integer, propagate_nothing, propagate_text,
)
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_error, reply_integer, reply_map,
    reply_mark, reply_null, reply_null_array, reply_ok, reply_rollback,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core
from redislite._core.state.flags cimport NOTIFY_STREAM
from redislite._core.structures.rax cimport RAX_AT_LEAST, RaxIterator, rax_next, rax_seek, rax_start, rax_stop
from redislite._core.text.numbers cimport parse_int64
from redislite._core.values.stream cimport (
    STREAM_ELEMENTS_MAX, STREAM_KEY, Consumer, Group, Pending, Stream, StreamId, StreamIterator, group_advance,
    group_pending_assign, id_compare, id_decode, id_decrement, id_encode, id_increment, id_is_zero, stream_append,
    stream_delete, stream_group, stream_iterate, stream_iterator_next, stream_iterator_stop, stream_last_entry,
    stream_trim,
)

from redislite._core.commands.row import native

cdef enum:
    FEW_STREAMS = 16                # whose identifiers XREAD holds without asking for memory
    TRIM_NODES = 100                # listpacks that an approximate trim without LIMIT removes at most
    TRIM_LIMIT_MAX = 1000000        # entries, likewise
    TRIM_LIMIT_DEFAULT = 10000      # where listpacks are not limited by entries

cdef enum:
    TRIM_NONE = 0
    TRIM_MAXLEN = 1
    TRIM_MINID = 2

# The options of XADD and XTRIM.
cdef struct TrimOption:
    int strategy
    bint approximate
    int64_t max_length
    StreamId min_id
    int64_t limit                   # entries; 0: no limit
    # XADD only
    bint no_stream                  # NOMKSTREAM
    bint id_given
    bint seq_given
    StreamId id
    int fields                      # index of the first field


# --- adding, trimming, deleting

cdef bint trim_options_or_reply(Core* core, Client* client, TrimOption* option, bint is_add) noexcept nogil:
    """The options of XADD and XTRIM; those of XADD end with the identifier."""
    cdef int i = 2
    cdef int more
    cdef bint limit_given = 0
    cdef Argument* word
    option.strategy = TRIM_NONE
    option.approximate = 0
    option.limit = 0
    option.no_stream = 0
    option.id_given = 0
    option.seq_given = 0
    while i < client.argc:
        word = &client.argv[i]
        more = client.argc - 1 - i
        if is_add and word.length == 1 and word.data[0] == c'*':
            break
        if more and (argument_is(word, "MAXLEN") or argument_is(word, "MINID")):
            if option.strategy != TRIM_NONE:
                reply_error(&client.reply,
                            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
                return 0
            option.strategy = TRIM_MAXLEN if argument_is(word, "MAXLEN") else TRIM_MINID
            if more >= 2 and client.argv[i + 1].length == 1 and client.argv[i + 1].data[0] in (c'~', c'='):
                option.approximate = client.argv[i + 1].data[0] == c'~'
                i += 1
            i += 1
            if option.strategy == TRIM_MINID:
                if not id_or_reply(client, i, &option.min_id):
                    return 0
            else:
                if not argument_integer_or_reply(client, i, &option.max_length):
                    return 0
                if option.max_length < 0:
                    reply_error(&client.reply, "ERR The MAXLEN argument must be >= 0.")
                    return 0
        elif more and argument_is(word, "LIMIT"):
            i += 1
            if not argument_integer_or_reply(client, i, &option.limit):
                return 0
            if option.limit < 0:
                reply_error(&client.reply, "ERR The LIMIT argument must be >= 0.")
                return 0
            limit_given = 1
        elif is_add and argument_is(word, "NOMKSTREAM"):
            option.no_stream = 1
        elif is_add:
            if not parse_id(word.data, word.length, 0, 0, &option.id, &option.seq_given):
                reply_invalid_id(client)
                return 0
            option.id_given = 1
            break
        else:
            reply_syntax_error(client)
            return 0
        i += 1
    option.fields = i + 1
    if limit_given and option.strategy == TRIM_NONE:
        reply_error(&client.reply, "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
        return 0
    if not is_add and option.strategy == TRIM_NONE:
        reply_error(&client.reply, "ERR syntax error, XTRIM must be called with a trimming strategy")
        return 0
    if limit_given:
        # The original leaves the word in what it writes to its append-only file.
        if not option.approximate and not core.replaying:
            reply_error(&client.reply, "ERR syntax error, LIMIT cannot be used without the special ~ option")
            return 0
    elif option.approximate:
        option.limit = TRIM_LIMIT_DEFAULT
        if core.settings.stream_node_max_entries > 0:
            option.limit = TRIM_LIMIT_MAX
            if core.settings.stream_node_max_entries < TRIM_LIMIT_MAX // TRIM_NODES:
                option.limit = TRIM_NODES * core.settings.stream_node_max_entries
    return 1


cdef uint64_t trim(Stream* stream, const TrimOption* option) noexcept nogil:
    if option.strategy == TRIM_NONE:
        return 0
    return stream_trim(stream, <uint64_t> option.max_length, &option.min_id if option.strategy == TRIM_MINID else NULL,
                       option.approximate, option.limit)


cdef void propagate_trim(Core* core, const Stream* stream, const TrimOption* option) noexcept nogil:
    """The words of the trimming, made exact: what is an approximation depends on the settings."""
    cdef StreamId none
    propagate_text(core, "MAXLEN" if option.strategy == TRIM_MAXLEN else "MINID")
    propagate_text(core, "=")
    if option.strategy == TRIM_MAXLEN:
        propagate_integer(core, <int64_t> stream.length if option.approximate else option.max_length)
    elif not option.approximate:
        propagate_id(core, &option.min_id)
    elif stream.length:
        propagate_id(core, &stream.first_id)
    else:
        none.ms = none.seq = UINT64_MAX
        propagate_id(core, &none)


cdef void propagate_entry(Core* core, Client* client, const Stream* stream, const TrimOption* option) noexcept nogil:
    """The XADD with the identifier that it found."""
    propagate_begin(core, client.database, 3 + option.no_stream + (3 if option.strategy != TRIM_NONE else 0)
                    + client.argc - option.fields)
    propagate_arguments(core, client, 0, 2)
    if option.no_stream:
        propagate_text(core, "NOMKSTREAM")
    if option.strategy != TRIM_NONE:
        propagate_trim(core, stream, option)
    propagate_id(core, &option.id)
    propagate_arguments(core, client, option.fields, client.argc)
    propagate_nothing(core)


cdef bint next_id(Core* core, const StreamId* last, TrimOption* option) noexcept nogil:
    """Works out the identifier of a new entry in option.id; false where it would not be above the last one."""
    cdef StreamId* id = &option.id
    if not option.id_given:
        id.ms = <uint64_t> core.now_ms
        id.seq = 0
        if id_compare(id, last) <= 0:
            id[0] = last[0]
            return id_increment(id)
        return 1
    if option.seq_given:
        return id_compare(id, last) > 0
    if id.ms == last.ms:
        id.seq = last.seq + 1
        return last.seq != UINT64_MAX
    return id.ms > last.ms


cdef void xadd_command(Core* core, Client* client) noexcept nogil:
    cdef TrimOption option
    cdef Stream* stream
    cdef StreamId none
    cdef Entry** slot
    cdef size_t bytes = 0
    cdef int fields, i
    cdef bint is_new
    if not trim_options_or_reply(core, client, &option, 1):
        return
    fields = client.argc - option.fields
    if fields < 2 or fields % 2:
        reply_error(&client.reply, "ERR wrong number of arguments for 'xadd' command")
        return
    if option.id_given and option.seq_given and id_is_zero(&option.id):
        reply_error(&client.reply, "ERR The ID specified in XADD must be greater than 0-0")
        return
    slot = lookup_write(core, client, 1)
    if not stream_of_or_reply(client, slot[0] if slot != NULL else NULL, &stream):
        return
    is_new = stream == NULL
    if is_new and option.no_stream:
        reply_null(&client.reply)
        return
    if not is_new and stream.last_id.ms == UINT64_MAX and stream.last_id.seq == UINT64_MAX:
        reply_error(&client.reply, "ERR The stream has exhausted the last possible ID, unable to add more items")
        return
    none.ms = none.seq = 0
    if not next_id(core, &none if is_new else &stream.last_id, &option):
        reply_error(&client.reply, "ERR The ID specified in XADD is equal or smaller than the target stream top item")
        return
    for i in range(option.fields, client.argc):
        bytes += client.argv[i].length
    if bytes > STREAM_ELEMENTS_MAX:
        reply_error(&client.reply, "ERR Elements are too large to be stored")
        return
    if is_new:
        stream = create_stream(core, client, 1)
    if stream == NULL or stream_append(stream, &option.id, &client.argv[option.fields], fields // 2,
                                       core.settings.stream_node_max_bytes,
                                       core.settings.stream_node_max_entries) != 0:
        if is_new and stream != NULL:
            delete_key(core, client.database, client.argv[1].data, client.argv[1].length, argument_hash(client, 1), 0)
        reply_out_of_memory(client)
        return
    reply_id(client, &option.id)
    changed_by(core, client, 1, "xadd")
    wake_readers(core, client, 1)
    if trim(stream, &option):
        notify_argument(core, client, 1, NOTIFY_STREAM, "xtrim")
    if core.propagation and not (option.id_given and option.seq_given and not option.approximate):
        propagate_entry(core, client, stream, &option)


cdef void xtrim_command(Core* core, Client* client) noexcept nogil:
    cdef TrimOption option
    cdef Stream* stream
    cdef uint64_t removed
    if not trim_options_or_reply(core, client, &option, 0):
        return
    if not write_stream_or_reply(core, client, 1, &stream):
        return
    if stream == NULL:
        reply_integer(&client.reply, 0)
        return
    removed = trim(stream, &option)
    if removed:
        changed_by(core, client, 1, "xtrim")
        core.dirty += removed - 1       # each entry counts as a change
        if core.propagation and option.approximate:
            propagate_begin(core, client.database, 5)
            propagate_arguments(core, client, 0, 2)
            propagate_trim(core, stream, &option)
            propagate_nothing(core)
    reply_integer(&client.reply, <int64_t> removed)


cdef void xdel_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef StreamId id
    cdef int64_t deleted = 0
    cdef int result
    cdef int i
    if not write_stream_or_reply(core, client, 1, &stream):
        return
    if stream == NULL:
        reply_integer(&client.reply, 0)
        return
    if not ids_or_reply(client, 2):
        return
    for i in range(2, client.argc):
        parse_id(client.argv[i].data, client.argv[i].length, 0, 0, &id, NULL)
        result = stream_delete(stream, &id)
        if result < 0:
            reply_out_of_memory(client)
            return
        if result:
            deleted += 1
            changed(core, client, 1)
    if deleted:
        notify_argument(core, client, 1, NOTIFY_STREAM, "xdel")
    reply_integer(&client.reply, deleted)


cdef void xsetid_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    cdef StreamId id
    cdef StreamId max_deleted
    cdef StreamId last
    cdef int64_t added = -1
    cdef int i = 3
    max_deleted.ms = max_deleted.seq = 0
    if not id_or_reply(client, 2, &id):
        return
    while i < client.argc:
        if i + 1 < client.argc and argument_is(&client.argv[i], "ENTRIESADDED"):
            if not argument_integer_or_reply(client, i + 1, &added):
                return
            if added < 0:
                reply_error(&client.reply, "ERR entries_added must be positive")
                return
        elif i + 1 < client.argc and argument_is(&client.argv[i], "MAXDELETEDID"):
            if not id_or_reply(client, i + 1, &max_deleted):
                return
            if id_compare(&id, &max_deleted) < 0:
                reply_error(&client.reply,
                            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
                return
        else:
            reply_syntax_error(client)
            return
        i += 2
    if not write_stream_or_reply(core, client, 1, &stream):
        return
    if stream == NULL:
        reply_error(&client.reply, "ERR no such key")
        return
    if id_compare(&id, &stream.max_deleted_id) < 0:
        reply_error(&client.reply, "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
        return
    if stream.length:
        stream_last_entry(stream, &last)
        if id_compare(&id, &last) < 0:
            reply_error(&client.reply, "ERR The ID specified in XSETID is smaller than the target stream top item")
            return
        if added >= 0 and stream.length > <uint64_t> added:
            reply_error(&client.reply,
                        "ERR The entries_added specified in XSETID is smaller than the target stream length")
            return
    stream.last_id = id
    if added >= 0:
        stream.entries_added = <uint64_t> added
    if not id_is_zero(&max_deleted):
        stream.max_deleted_id = max_deleted
    groups_changed_by(core, client, 1, "xsetid")
    reply_ok(&client.reply)


# --- reading

cdef void xlen_command(Core* core, Client* client) noexcept nogil:
    cdef Stream* stream
    if read_stream_or_reply(core, client, 1, &stream):
        reply_integer(&client.reply, 0 if stream == NULL else <int64_t> stream.length)


cdef void range_command(Core* core, Client* client, bint reverse) noexcept nogil:
    cdef Stream* stream
    cdef StreamId first
    cdef StreamId last
    cdef int64_t count = -1
    cdef int i = 4
    if not bound_or_reply(client, 3 if reverse else 2, 0, &first) or \
            not bound_or_reply(client, 2 if reverse else 3, 1, &last):
        return
    while i < client.argc:
        if not (argument_is(&client.argv[i], "COUNT") and i + 1 < client.argc):
            reply_syntax_error(client)
            return
        if not argument_integer_or_reply(client, i + 1, &count):
            return
        if count < 0:
            count = 0
        i += 2
    if not read_stream_or_reply(core, client, 1, &stream):
        return
    if stream == NULL:
        reply_array(&client.reply, 0)
    elif count == 0:
        reply_null_array(&client.reply)
    else:
        reply_range(client, stream, &first, &last, 0 if count < 0 else count, reverse)


cdef void xrange_command(Core* core, Client* client) noexcept nogil:
    range_command(core, client, 0)


cdef void xrevrange_command(Core* core, Client* client) noexcept nogil:
    range_command(core, client, 1)


# The options of XREAD and XREADGROUP.
cdef struct ReadOption:
    int64_t timeout_ms              # -1: do not wait
    int64_t count                   # 0: all
    int streams                     # index of the first key
    int streams_count
    int group                       # index of the group's name, the consumer's behind it; 0: XREAD
    bint no_ack


cdef bint read_options_or_reply(Core* core, Client* client, ReadOption* option, bint is_group) noexcept nogil:
    cdef int i = 1
    cdef int more
    cdef Argument* word
    option.timeout_ms = -1
    option.count = 0
    option.streams = 0
    option.group = 0
    option.no_ack = 0
    while i < client.argc:
        word = &client.argv[i]
        more = client.argc - i - 1
        if more and argument_is(word, "BLOCK"):
            i += 1
            if not parse_int64(client.argv[i].data, client.argv[i].length, &option.timeout_ms):
                reply_error(&client.reply, "ERR timeout is not an integer or out of range")
                return 0
            if option.timeout_ms < 0:
                reply_error(&client.reply, "ERR timeout is negative")
                return 0
            if option.timeout_ms > INT64_MAX - core.now_ms:
                reply_error(&client.reply, "ERR timeout is out of range")
                return 0
        elif more and argument_is(word, "COUNT"):
            i += 1
            if not argument_integer_or_reply(client, i, &option.count):
                return 0
            if option.count < 0:
                option.count = 0
        elif more and argument_is(word, "STREAMS"):
            option.streams = i + 1
            option.streams_count = (client.argc - option.streams) // 2
            if (client.argc - option.streams) % 2:
                reply_error(&client.reply,
                            "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be "
                            "specified." if is_group else
                            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be "
                            "specified." if core.settings.xread_names_plus else
                            "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be "
                            "specified.")
                return 0
            break
        elif more >= 2 and argument_is(word, "GROUP"):
            if not is_group:
                reply_error(&client.reply, "ERR The GROUP option is only supported by XREADGROUP. You called XREAD "
                                           "instead.")
                return 0
            option.group = i + 1
            i += 2
        elif argument_is(word, "NOACK"):
            if not is_group:
                reply_error(&client.reply, "ERR The NOACK option is only supported by XREADGROUP. You called XREAD "
                                           "instead.")
                return 0
            option.no_ack = 1
        else:
            reply_syntax_error(client)
            return 0
        i += 1
    if option.streams == 0:
        reply_syntax_error(client)
        return 0
    if is_group and option.group == 0:
        reply_error(&client.reply, "ERR Missing GROUP option for XREADGROUP")
        return 0
    return 1


cdef bint start_or_reply(Client* client, int index, Stream* stream, bint is_group, StreamId* id) noexcept nogil:
    """What entries are to be above, as the argument says: an identifier, `$`, `+` or `>` (the greatest one)."""
    cdef Argument* argument = &client.argv[index]
    if is_sign(argument, c'$'):
        if is_group:
            reply_error(&client.reply,
                        "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of "
                        "this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would "
                        "just return an empty result set.")
            return 0
        id.ms = id.seq = 0
        if stream != NULL:
            id[0] = stream.last_id
        return 1
    if is_sign(argument, c'+'):
        if is_group:
            reply_error(&client.reply,
                        "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of "
                        "this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would "
                        "just return an empty result set.")
            return 0
        id.ms = id.seq = 0
        if stream != NULL:
            id[0] = stream.last_id
            if stream.length:
                stream_last_entry(stream, id)
                id_decrement(id)
        return 1
    if is_sign(argument, c'>'):
        if not is_group:
            reply_error(&client.reply, "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                                       "<group> <consumer> option.")
            return 0
        id.ms = id.seq = UINT64_MAX
        return 1
    return id_or_reply(client, index, id)


cdef bint is_newest(const StreamId* id) noexcept nogil:
    return id.ms == UINT64_MAX and id.seq == UINT64_MAX


cdef int64_t deliver(Core* core, Client* client, Stream* stream, Group* group, Consumer* consumer,
                     const ReadOption* option, int key) noexcept nogil:
    """Replies the entries that the group was not delivered yet, and makes them pending unless they need no
    acknowledgement. How many."""
    cdef StreamIterator it
    cdef StreamId id
    cdef StreamId first = group.last_id
    cdef StreamId last
    cdef int64_t pairs
    cdef int64_t replied = 0
    cdef Pending* pending
    cdef Chunk* place = reply_deferred_begin(&client.reply)
    last.ms = last.seq = UINT64_MAX
    if id_increment(&first):
        stream_iterate(&it, stream, &first, &last, 0)
        while stream_iterator_next(&it, &id, &pairs):
            if not option.no_ack:
                # An entry may be pending already, where the group was set back.
                if group_pending_assign(group, consumer, &id, &pending) < 0:
                    break
                pending.delivered_ms = core.now_ms
                pending.deliveries = 1
                consumer.active_ms = core.now_ms
            group_advance(stream, group, &id)
            if core.propagation and not option.no_ack:
                propagate_claim(core, client, key, option.group, group, &id, pending)
            reply_entry(client, &it, &id, pairs)
            replied += 1
            if replied == option.count:
                break
        stream_iterator_stop(&it)
    if core.propagation and replied:
        propagate_group_start(core, client, key, option.group, group)
    reply_deferred_end(&client.reply, place, c'*', replied)
    return replied


cdef void deliver_again(Core* core, Client* client, Stream* stream, Consumer* consumer, const StreamId* above,
                        int64_t count) noexcept nogil:
    """Replies what is pending with the consumer above an identifier; a deleted entry has a null for its fields."""
    cdef RaxIterator it
    cdef StreamId id = above[0]
    cdef char key[STREAM_KEY]
    cdef Pending* pending
    cdef int64_t replied = 0
    cdef bint more
    cdef Chunk* place = reply_deferred_begin(&client.reply)
    rax_start(&it, &consumer.pending)
    more = id_increment(&id)
    if more:
        id_encode(key, &id)
        more = rax_seek(&it, RAX_AT_LEAST, key, STREAM_KEY)
    while more:
        id_decode(it.key, &id)
        if reply_one(client, stream, &id):
            pending = <Pending*> it.value
            pending.delivered_ms = core.now_ms
            pending.deliveries += 1
        else:
            reply_array(&client.reply, 2)
            reply_id(client, &id)
            reply_null_array(&client.reply)
        replied += 1
        if replied == count:
            break
        more = rax_next(&it)
    rax_stop(&it)
    reply_deferred_end(&client.reply, place, c'*', replied)


cdef bint has_above(Stream* stream, const StreamId* id) noexcept nogil:
    """Whether the stream has an entry above this one."""
    cdef StreamId last
    if stream.length == 0 or id_compare(&stream.last_id, id) <= 0:
        return 0
    stream_last_entry(stream, &last)
    return id_compare(&last, id) > 0


cdef bint read_one(Core* core, Client* client, const ReadOption* option, int key, const StreamId* above,
                   bint* served) noexcept nogil:
    """Replies what there is in one stream, with the key before it, and sets *served; false where memory is out. Where
    there is only one stream, the header of the whole comes first."""
    cdef Stream* stream
    cdef Group* group = NULL
    cdef Consumer* consumer = NULL
    cdef StreamId first
    cdef StreamId last
    cdef Entry* entry = lookup_read(core, client, key)
    cdef bint history = 0
    served[0] = 0
    if entry == NULL:
        return 1
    stream = <Stream*> entry_pointer(entry)
    if option.group:
        group = stream_group(stream, client.argv[option.group].data, client.argv[option.group].length)
        consumer = consumer_for(core, client, group, key, option.group + 1)
        if consumer == NULL:
            return 0
        history = not is_newest(above)
        if not history and not has_above(stream, &group.last_id):
            return 1
    elif not has_above(stream, above):
        return 1
    served[0] = 1
    if option.streams_count == 1:
        if client.reply.protocol >= 3:
            reply_map(&client.reply, 1)
        else:
            reply_array(&client.reply, 1)
    if client.reply.protocol < 3:
        reply_array(&client.reply, 2)
    reply_bulk(&client.reply, client.argv[key].data, client.argv[key].length)
    if history:
        deliver_again(core, client, stream, consumer, above, option.count)
    elif group != NULL:
        if deliver(core, client, stream, group, consumer, option, key):
            groups_changed(core)
    else:
        first = above[0]
        id_increment(&first)
        last.ms = last.seq = UINT64_MAX
        reply_range(client, stream, &first, &last, option.count, 0)
    return 1


cdef bint starts_or_reply(Core* core, Client* client, const ReadOption* option, StreamId* starts) noexcept nogil:
    """Checks all keys and groups and works out where reading starts, before anything is replied."""
    cdef const uint64_t* words = blocked_words(client)
    cdef Stream* stream
    cdef int i
    cdef int key
    for i in range(option.streams_count):
        key = option.streams + i
        if not read_stream_or_reply(core, client, key, &stream):
            return 0
        if option.group and (stream == NULL or stream_group(stream, client.argv[option.group].data,
                                                            client.argv[option.group].length) == NULL):
            reply_no_group(client, key, option.group, " in XREADGROUP with GROUP option")
            return 0
        if words != NULL:
            starts[i].ms = words[2 * i]
            starts[i].seq = words[2 * i + 1]
        elif not start_or_reply(client, key + option.streams_count, stream, option.group != 0, &starts[i]):
            return 0
    return 1


cdef void read_streams(Core* core, Client* client, const ReadOption* option, StreamId* starts) noexcept nogil:
    cdef ReplyMark mark = reply_mark(&client.reply)
    cdef Chunk* place = NULL
    cdef int64_t streams = 0
    cdef bint served
    cdef int i
    if not starts_or_reply(core, client, option, starts):
        return
    if option.streams_count > 1:
        place = reply_deferred_begin(&client.reply)
    for i in range(option.streams_count):
        if not read_one(core, client, option, option.streams + i, &starts[i], &served):
            reply_rollback(&client.reply, mark)
            reply_out_of_memory(client)
            return
        streams += served
    if streams:
        if option.streams_count > 1:
            reply_deferred_end(&client.reply, place, c'%' if client.reply.protocol >= 3 else c'*', streams)
        return
    reply_rollback(&client.reply, mark)
    if option.timeout_ms < 0 or not block_on_keys(
            core, client, option.streams, 1, option.streams_count, TYPE_STREAM,
            WAIT_ALSO_MISSING if option.group else 0, option.timeout_ms, <uint64_t*> starts,
            0 if option.group else 2 * option.streams_count):
        reply_null_array(&client.reply)


cdef void read_command(Core* core, Client* client, bint is_group) noexcept nogil:
    cdef ReadOption option
    cdef StreamId few[FEW_STREAMS]
    cdef StreamId* starts = few
    if not read_options_or_reply(core, client, &option, is_group):
        return
    if option.streams_count > FEW_STREAMS:
        starts = <StreamId*> heap_alloc(core.heap, option.streams_count * sizeof(StreamId))
        if starts == NULL:
            reply_out_of_memory(client)
            return
    read_streams(core, client, &option, starts)
    if core.propagation:
        propagate_nothing(core)
    if starts != few:
        heap_free(core.heap, starts, option.streams_count * sizeof(StreamId))


cdef void xread_command(Core* core, Client* client) noexcept nogil:
    read_command(core, client, 0)


cdef void xreadgroup_command(Core* core, Client* client) noexcept nogil:
    read_command(core, client, 1)


COMMANDS = [
    native(
        "xadd", <size_t> &xadd_command, -5, "write denyoom fast", keys="RW UPDATE @ 1", group="stream", since="5.0.0",
        tips="nondeterministic_output",
        syntax=(
            "key [NOMKSTREAM@6.2.0] [trim:(strategy:(MAXLEN | MINID@6.2.0) [operator:(equal='=' | "
            "approximately='~')] threshold [LIMIT count:integer@6.2.0])] id-selector:(auto-id='*' | id) data:(field "
            "value)..."
        ),
        summary="Appends a message to a stream, and trims the stream on request.",
        complexity="O(1), and O(N) for N messages trimmed",
    ),
    native(
        "xdel", <size_t> &xdel_command, -3, "write fast", keys="RW DELETE @ 1", group="stream", since="5.0.0",
        syntax="key ID:string...",
        summary="Deletes messages of a stream.", complexity="O(1) a message",
    ),
    native(
        "xlen", <size_t> &xlen_command, 2, "readonly fast", keys="RO @ 1", group="stream", since="5.0.0",
        syntax="key",
        summary="Counts the messages of a stream.", complexity="O(1)",
    ),
    native(
        "xrange", <size_t> &xrange_command, -4, "readonly", keys="RO ACCESS @ 1", group="stream", since="5.0.0",
        syntax="key start end [COUNT count:integer]",
        summary="Returns the messages of a stream between two identifiers.",
        complexity="O(N) for N messages returned",
    ),
    native(
        "xread", <size_t> &xread_command, -4, "readonly blocking", keys="RO ACCESS @ STREAMS>1 last=-1 limit=2",
        group="stream", since="5.0.0",
        syntax="[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS (key... ID:string...)",
        summary="Returns the messages of streams after given identifiers, and waits on request.",
        complexity="O(N) for N messages returned",
    ),
    native(
        "xreadgroup", <size_t> &xreadgroup_command, -7, "write blocking",
        keys="RO ACCESS @ STREAMS>4 last=-1 limit=2", group="stream", since="5.0.0",
        syntax=(
            "GROUP group-block:(group consumer) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] STREAMS "
            "(key... ID:string...)"
        ),
        summary="Returns the messages of streams to a consumer of a group, and waits on request.",
        complexity="O(M) for M messages returned, O(1) a group that waits",
    ),
    native(
        "xrevrange", <size_t> &xrevrange_command, -4, "readonly", keys="RO ACCESS @ 1", group="stream", since="5.0.0",
        syntax="key end start [COUNT count:integer]",
        summary="Returns the messages of a stream between two identifiers, backwards.",
        complexity="O(N) for N messages returned",
    ),
    native(
        "xsetid", <size_t> &xsetid_command, -3, "write denyoom fast", keys="RW UPDATE @ 1", group="stream",
        since="5.0.0",
        syntax="key last-id [ENTRIESADDED entries-added:integer@7.0.0] [MAXDELETEDID max-deleted-id@7.0.0]",
        summary="Sets the last identifier of a stream.", complexity="O(1)",
    ),
    native(
        "xtrim", <size_t> &xtrim_command, -4, "write", keys="RW DELETE @ 1", group="stream", since="5.0.0",
        tips="nondeterministic_output",
        syntax=(
            "key trim:(strategy:(MAXLEN | MINID@6.2.0) [operator:(equal='=' | approximately='~')] threshold [LIMIT "
            "count:integer@6.2.0])"
        ),
        summary="Removes the oldest messages of a stream.", complexity="O(N) for N messages removed",
    ),
]
