"""What the commands on streams share: reading identifiers, finding streams, replying entries.

Identifiers are read as the original reads them: `ms` or `ms-seq`, each an unsigned 64-bit number; `-` and `+` are the
least and the greatest one where a range is meant. A function whose name ends in ``_or_reply`` has answered the error
where it returns 0.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen
from redislite._core.keyspace.blocking cimport mark_ready
from redislite._core.keyspace.entry cimport Entry
from redislite._core.keyspace.keyspace cimport key_changed_unawaited, lookup_read, lookup_write, notify_argument
from redislite._core.protocol.reply cimport reply_bulk
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.flags cimport INTEREST_BLOCKED, NOTIFY_STREAM
from redislite._core.values.stream cimport Consumer, Group, Pending, Stream, StreamId, StreamIterator

cdef enum:
    NAME_SHOWN_MAX = 400            # bytes of a key or a group that an error shows


# Reads an identifier. missing_seq: what it is where there is only `ms`. is_range: `-` and `+` are allowed. seq_given:
# NULL, or `ms-*` is allowed, and it tells of it.
cdef bint parse_id(const char* text, size_t length, uint64_t missing_seq, bint is_range, StreamId* id,
                   bint* seq_given) noexcept nogil
cdef void reply_invalid_id(Client* client) noexcept nogil
cdef bint id_or_reply(Client* client, int index, StreamId* id) noexcept nogil
# Whether all arguments from first on are identifiers.
cdef bint ids_or_reply(Client* client, int first) noexcept nogil
# One end of a range; `(` before it leaves the identifier itself out.
cdef bint bound_or_reply(Client* client, int index, bint is_end, StreamId* id) noexcept nogil
# Bytes of an argument that an error shows.
cdef int shown(const Argument* argument) noexcept nogil
# NOGROUP, of a key and a group named by arguments, with more text behind.
cdef void reply_no_group(Client* client, int key, int group, const char* behind) noexcept nogil
# The entry's stream, NULL where there is no entry; the error is WRONGTYPE.
cdef bint stream_of_or_reply(Client* client, const Entry* entry, Stream** stream) noexcept nogil
# An empty stream under a key that is not there; NULL where memory is out.
cdef Stream* create_stream(Core* core, Client* client, int index) noexcept nogil
# The group's consumer named by an argument, made where there is none, and seen now. NULL where memory is out.
cdef Consumer* consumer_for(Core* core, Client* client, Group* group, int key, int name) noexcept nogil

# Propagates an identifier as a word.
cdef void propagate_id(Core* core, const StreamId* id) noexcept nogil
# An entry that is pending in a group, as the XCLAIM that makes it so. name: argument of the group's name.
cdef void propagate_claim(Core* core, Client* client, int key, int name, const Group* group, const StreamId* id,
                          const Pending* pending) noexcept nogil
# The last identifier that the group was delivered, as XGROUP SETID.
cdef void propagate_group_start(Core* core, Client* client, int key, int name, const Group* group) noexcept nogil

cdef void reply_id(Client* client, const StreamId* id) noexcept nogil
# The entry that the iterator stands at: its identifier and its fields with values.
cdef void reply_entry(Client* client, StreamIterator* it, const StreamId* id, int64_t pairs) noexcept nogil
# The entry with this identifier; false, and no reply, where there is none.
cdef bint reply_one(Client* client, Stream* stream, const StreamId* id) noexcept nogil
# An array of the entries between two identifiers, count at most (0: all).
cdef void reply_range(Client* client, Stream* stream, const StreamId* first, const StreamId* last, int64_t count,
                      bint reverse) noexcept nogil


# The stream at the key that argument index names, NULL where there is none.
cdef inline bint read_stream_or_reply(Core* core, Client* client, int index, Stream** stream) noexcept nogil:
    return stream_of_or_reply(client, lookup_read(core, client, index), stream)


cdef inline bint write_stream_or_reply(Core* core, Client* client, int index, Stream** stream) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, index)
    return stream_of_or_reply(client, slot[0] if slot != NULL else NULL, stream)


# Notes a change of the key that argument index names, which is no event. It wakes nobody: what ends the waiting of a
# reader calls wake_readers as well.
cdef inline void changed(Core* core, Client* client, int index) noexcept nogil:
    key_changed_unawaited(core, client.database, client.argv[index].data, client.argv[index].length)


# The same, and tells of it.
cdef inline void changed_by(Core* core, Client* client, int index, const char* event) noexcept nogil:
    key_changed_unawaited(core, client.database, client.argv[index].data, client.argv[index].length)
    notify_argument(core, client, index, NOTIFY_STREAM, event)


# Has the reads that wait for the stream executed again: it has a new entry, or lost a group.
cdef inline void wake_readers(Core* core, Client* client, int index) noexcept nogil:
    if core.interest & INTEREST_BLOCKED:
        mark_ready(core, client.database, client.argv[index].data, client.argv[index].length)


# Notes a change of what belongs to the stream beside its entries: groups, consumers, its last identifier. Who watches
# or caches the key is not told, as by the original.
cdef inline void groups_changed(Core* core) noexcept nogil:
    core.dirty += 1


# The same, and tells of it.
cdef inline void groups_changed_by(Core* core, Client* client, int index, const char* event) noexcept nogil:
    groups_changed(core)
    notify_argument(core, client, index, NOTIFY_STREAM, event)


cdef inline bint is_sign(const Argument* argument, char sign) noexcept nogil:
    return argument.length == 1 and argument.data[0] == sign


cdef inline void reply_text(Client* client, const char* text) noexcept nogil:
    reply_bulk(&client.reply, text, strlen(text))
