"""What the commands on streams share; the contract is in stream_arguments.pxd."""
from libc cimport errno
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtoull
from libc.string cimport memchr, memcpy
from redislite._core.base.alloc cimport heap_free
from redislite._core.commands.arguments cimport reply_wrong_type
from redislite._core.keyspace.entry cimport (
    ENCODING_STREAM, NO_EXPIRE, TYPE_STREAM, Entry, entry_block_size, entry_new, entry_pointer, entry_set_pointer,
    entry_type,
)
from redislite._core.keyspace.keyspace cimport access_for_new, add_entry, argument_hash
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_bytes, propagate_integer, propagate_text,
)
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_bulk_integer, reply_deferred_begin, reply_deferred_end, reply_error,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.text.numbers cimport parse_int64, parse_uint64
from redislite._core.values.stream cimport (
    STREAM_ID_TEXT, Consumer, Group, Pending, Stream, StreamId, StreamIterator, consumer_name, group_consumer,
    group_consumer_create, id_decrement, id_format, id_increment, stream_free, stream_iterate, stream_iterator_next,
    stream_iterator_pair, stream_iterator_stop, stream_new,
)

cdef enum:
    ID_LENGTH_MAX = 127             # bytes of the longest text that is looked at as an identifier


cdef bint parse_number(const char* text, size_t length, uint64_t* value) noexcept nogil:
    """An unsigned number, or what C reads as one: spaces before it, a sign and zeros are let through."""
    cdef char buffer[ID_LENGTH_MAX + 1]
    cdef char* end
    cdef int64_t number
    if parse_uint64(text, length, value):
        return 1
    if parse_int64(text, length, &number) or length > ID_LENGTH_MAX:
        return 0
    memcpy(buffer, text, length)
    buffer[length] = 0
    errno.errno = 0
    value[0] = strtoull(buffer, &end, 10)
    return errno.errno != errno.ERANGE and end != buffer and end[0] == 0


cdef bint parse_id(const char* text, size_t length, uint64_t missing_seq, bint is_range, StreamId* id,
                   bint* seq_given) noexcept nogil:
    """Reads an identifier. missing_seq: where there is only `ms`. is_range: `-` and `+` are allowed. seq_given: NULL,
    or `ms-*` is allowed and it tells of it."""
    cdef char* dash
    cdef size_t ms_length = length
    if seq_given != NULL:
        seq_given[0] = 1
    if length > ID_LENGTH_MAX:
        return 0
    if is_range and length == 1 and (text[0] == c'-' or text[0] == c'+'):
        id.ms = id.seq = 0 if text[0] == c'-' else UINT64_MAX
        return 1
    id.seq = missing_seq
    dash = <char*> memchr(text, c'-', length)
    if dash != NULL:
        ms_length = dash - text
    if not parse_number(text, ms_length, &id.ms):
        return 0
    if dash == NULL:
        return 1
    if seq_given != NULL and length - ms_length == 2 and dash[1] == c'*':
        seq_given[0] = 0
        id.seq = 0
        return 1
    return parse_number(dash + 1, length - ms_length - 1, &id.seq)


cdef void reply_invalid_id(Client* client) noexcept nogil:
    reply_error(&client.reply, "ERR Invalid stream ID specified as stream command argument")


cdef bint id_or_reply(Client* client, int index, StreamId* id) noexcept nogil:
    if not parse_id(client.argv[index].data, client.argv[index].length, 0, 0, id, NULL):
        reply_invalid_id(client)
        return 0
    return 1


cdef bint ids_or_reply(Client* client, int first) noexcept nogil:
    """Whether all arguments from first on are identifiers."""
    cdef StreamId id
    cdef int i
    for i in range(first, client.argc):
        if not id_or_reply(client, i, &id):
            return 0
    return 1


cdef bint bound_or_reply(Client* client, int index, bint is_end, StreamId* id) noexcept nogil:
    """One end of a range; `(` before it leaves the identifier itself out."""
    cdef char* text = client.argv[index].data
    cdef size_t length = client.argv[index].length
    cdef bint exclusive = length > 0 and text[0] == c'('
    if exclusive:
        text += 1
        length -= 1
    if not parse_id(text, length, UINT64_MAX if is_end else 0, not exclusive, id, NULL):
        reply_invalid_id(client)
        return 0
    if not exclusive:
        return 1
    if is_end:
        if not id_decrement(id):
            reply_error(&client.reply, "ERR invalid end ID for the interval")
            return 0
    elif not id_increment(id):
        reply_error(&client.reply, "ERR invalid start ID for the interval")
        return 0
    return 1


cdef int shown(const Argument* argument) noexcept nogil:
    return <int> (argument.length if argument.length < NAME_SHOWN_MAX else <size_t> NAME_SHOWN_MAX)


cdef void reply_no_group(Client* client, int key, int group, const char* behind) noexcept nogil:
    cdef char text[2 * NAME_SHOWN_MAX + 128]
    snprintf(text, sizeof(text), "NOGROUP No such key '%.*s' or consumer group '%.*s'%s", shown(&client.argv[key]),
             client.argv[key].data, shown(&client.argv[group]), client.argv[group].data, behind)
    reply_error(&client.reply, text)


cdef bint stream_of_or_reply(Client* client, const Entry* entry, Stream** stream) noexcept nogil:
    """The entry's stream, NULL where there is no entry."""
    stream[0] = NULL
    if entry == NULL:
        return 1
    if entry_type(entry) != TYPE_STREAM:
        reply_wrong_type(client)
        return 0
    stream[0] = <Stream*> entry_pointer(entry)
    return 1


cdef Stream* create_stream(Core* core, Client* client, int index) noexcept nogil:
    """An empty stream under a key that is not there; NULL where memory is out."""
    cdef Argument* key = &client.argv[index]
    cdef Stream* stream = stream_new(core.heap)
    cdef Entry* entry
    if stream == NULL:
        return NULL
    entry = entry_new(core.heap, key.data, key.length, NO_EXPIRE, TYPE_STREAM, ENCODING_STREAM, access_for_new(core),
                      sizeof(Stream*))
    if entry != NULL:
        entry_set_pointer(entry, stream)
        if add_entry(core, client.database, entry, argument_hash(client, index)) == 0:
            return stream
        heap_free(core.heap, entry, entry_block_size(entry))
    stream_free(stream)
    return NULL


cdef void propagate_id(Core* core, const StreamId* id) noexcept nogil:
    cdef char text[STREAM_ID_TEXT]
    propagate_bytes(core, text, id_format(text, id))


cdef void propagate_claim(Core* core, Client* client, int key, int name, const Group* group, const StreamId* id,
                          const Pending* pending) noexcept nogil:
    cdef size_t length
    cdef char* consumer = consumer_name(pending.consumer, &length)
    propagate_begin(core, client.database, 14)
    propagate_text(core, "XCLAIM")
    propagate_arguments(core, client, key, key + 1)
    propagate_arguments(core, client, name, name + 1)
    propagate_bytes(core, consumer, length)
    propagate_integer(core, 0)
    propagate_id(core, id)
    propagate_text(core, "TIME")
    propagate_integer(core, pending.delivered_ms)
    propagate_text(core, "RETRYCOUNT")
    propagate_integer(core, <int64_t> pending.deliveries)
    propagate_text(core, "FORCE")
    propagate_text(core, "JUSTID")
    propagate_text(core, "LASTID")
    propagate_id(core, &group.last_id)


cdef void propagate_group_start(Core* core, Client* client, int key, int name, const Group* group) noexcept nogil:
    propagate_begin(core, client.database, 7)
    propagate_text(core, "XGROUP")
    propagate_text(core, "SETID")
    propagate_arguments(core, client, key, key + 1)
    propagate_arguments(core, client, name, name + 1)
    propagate_id(core, &group.last_id)
    propagate_text(core, "ENTRIESREAD")
    propagate_integer(core, group.entries_read)


cdef void reply_id(Client* client, const StreamId* id) noexcept nogil:
    cdef char text[STREAM_ID_TEXT]
    reply_bulk(&client.reply, text, id_format(text, id))


cdef inline void reply_value(Client* client, const ListpackValue* value) noexcept nogil:
    if value.data == NULL:
        reply_bulk_integer(&client.reply, value.integer)
    else:
        reply_bulk(&client.reply, value.data, value.length)


cdef void reply_entry(Client* client, StreamIterator* it, const StreamId* id, int64_t pairs) noexcept nogil:
    """The entry that the iterator stands at: its identifier and its fields with values."""
    cdef ListpackValue field
    cdef ListpackValue value
    reply_array(&client.reply, 2)
    reply_id(client, id)
    reply_array(&client.reply, 2 * pairs)
    while pairs > 0:
        stream_iterator_pair(it, &field, &value)
        reply_value(client, &field)
        reply_value(client, &value)
        pairs -= 1


cdef bint reply_one(Client* client, Stream* stream, const StreamId* id) noexcept nogil:
    """The entry with this identifier; false, and no reply, where there is none."""
    cdef StreamIterator it
    cdef StreamId found
    cdef int64_t pairs
    cdef bint exists
    stream_iterate(&it, stream, id, id, 0)
    exists = stream_iterator_next(&it, &found, &pairs)
    if exists:
        reply_entry(client, &it, &found, pairs)
    stream_iterator_stop(&it)
    return exists


cdef void reply_range(Client* client, Stream* stream, const StreamId* first, const StreamId* last, int64_t count,
                      bint reverse) noexcept nogil:
    """An array of the entries between two identifiers, count at most (0: all)."""
    cdef StreamIterator it
    cdef StreamId id
    cdef int64_t pairs
    cdef int64_t replied = 0
    cdef Chunk* place = reply_deferred_begin(&client.reply)
    stream_iterate(&it, stream, first, last, reverse)
    while stream_iterator_next(&it, &id, &pairs):
        reply_entry(client, &it, &id, pairs)
        replied += 1
        if replied == count:
            break
    stream_iterator_stop(&it)
    reply_deferred_end(&client.reply, place, c'*', replied)


cdef Consumer* consumer_for(Core* core, Client* client, Group* group, int key, int name) noexcept nogil:
    """The consumer, made where there is none, and seen now. NULL where memory is out."""
    cdef Argument* argument = &client.argv[name]
    cdef Consumer* consumer = group_consumer(group, argument.data, argument.length)
    if consumer == NULL:
        consumer = group_consumer_create(group, argument.data, argument.length, core.now_ms)
        if consumer == NULL:
            return NULL
        groups_changed_by(core, client, key, "xgroup-createconsumer")
        if core.propagation:
            propagate_begin(core, client.database, 5)
            propagate_text(core, "XGROUP")
            propagate_text(core, "CREATECONSUMER")
            propagate_arguments(core, client, key, key + 1)
            propagate_arguments(core, client, name - 1, name + 1)
    consumer.seen_ms = core.now_ms
    return consumer
