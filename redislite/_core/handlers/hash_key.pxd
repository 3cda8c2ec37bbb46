"""The hash of key 1, as handlers of hashes open, change and close it, and what they propagate of its fields.

Where what a command does is executed again nothing may have expired (loading, a replica), so a field whose time is up
is there, and would be done to as to the others. Such fields are not named then: a command that passes by them says so.
"""
from libc.stdint cimport int64_t
from redislite._core.commands.arguments cimport reply_out_of_memory, reply_wrong_type
from redislite._core.keyspace.entry cimport TYPE_HASH, Entry, entry_encoding, entry_pointer, entry_type
from redislite._core.keyspace.keyspace cimport key_changed, lookup_write, notify_argument
from redislite._core.protocol.reply cimport reply_bulk, reply_bulk_integer
from redislite._core.state.core cimport Client, Core
from redislite._core.state.expiry_state cimport deadline_removes
from redislite._core.state.flags cimport NOTIFY_HASH
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.text.numbers cimport format_int64
from redislite._core.values.hash_value cimport HASH_NO_DEADLINE, HashValue, hash_has_expired, hash_new, hash_put


# Whoever asks for fields by name finds those gone whose time is up, under `fields_expire_on_access`: looks at the
# fields of arguments first up to end, or at all of the hash where first is 0. What is left of key 1, or NULL.
cdef Entry* settle_fields(Core* core, Client* client, Entry* entry, int first, int end) noexcept nogil
# The same before key 1 is looked up for writing, for the arguments from first on.
cdef void settle_before_write(Core* core, Client* client, int first) noexcept nogil
# Ends what open_hash began where memory was out, which it answers: the fields that were set before that stay, and
# whoever wants to know of a change is told.
cdef void drop_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed,
                    int64_t changes) noexcept nogil
# Ends what open_hash began: writes the hash back to its entry, or adds one (NULL). was_timed: whether there were
# fields with a deadline. Deletes the key of a hash without fields. False where memory was out, which has been answered;
# the hash is released then.
cdef bint close_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed) noexcept nogil
# close_hash of a hash that was there and may have lost fields, and hash_changed.
cdef void finish_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed, int64_t changes,
                      const char* event) noexcept nogil
# The fields of arguments first up to end were removed from key 1.
cdef void propagate_removal(Core* core, Client* client, const HashValue* hash, int first, int end) noexcept nogil
# Fields and values of the arguments from first on were set, and have no deadline, whatever was there before.
cdef void propagate_set(Core* core, Client* client, int first, int end) noexcept nogil


cdef inline void read_hash(const Entry* entry, HashValue* hash) noexcept nogil:
    hash.pointer = entry_pointer(entry)
    hash.encoding = entry_encoding(entry)


cdef inline bint is_hash_or_reply(Client* client, const Entry* entry) noexcept nogil:
    if entry_type(entry) != TYPE_HASH:
        reply_wrong_type(client)
        return 0
    return 1


cdef inline void reply_part(Client* client, const ListpackValue* part) noexcept nogil:
    """A field or a value."""
    if part.data == NULL:
        reply_bulk_integer(&client.reply, part.integer)
    else:
        reply_bulk(&client.reply, part.data, part.length)


cdef inline const char* part_text(const ListpackValue* part, char* buffer, size_t* length) noexcept nogil:
    """A field or value as text; an integer is written to buffer (LISTPACK_INTEGER_TEXT bytes)."""
    if part.data == NULL:
        length[0] = format_int64(buffer, part.integer)
        return buffer
    length[0] = part.length
    return part.data


cdef inline bint begin_hash(Core* core, Client* client, HashValue* hash, const Entry* entry) noexcept nogil:
    """The entry's hash, or an empty one (NULL). False where memory was out, which has been answered."""
    if entry != NULL:
        read_hash(entry, hash)
    elif hash_new(core, hash, 0) != 0:
        reply_out_of_memory(client)
        return 0
    return 1


cdef inline bint open_hash(Core* core, Client* client, HashValue* hash, Entry** entry) noexcept nogil:
    """For writing key 1: what is there, or an empty hash, where *entry is NULL. False where the error has been
    answered."""
    cdef Entry** slot = lookup_write(core, client, 1)
    entry[0] = NULL
    if slot != NULL:
        entry[0] = slot[0]
        if not is_hash_or_reply(client, slot[0]):
            return 0
    return begin_hash(core, client, hash, entry[0])


cdef inline void hash_changed(Core* core, Client* client, int64_t changes, const char* event) noexcept nogil:
    """Tells that key 1 has changed, in so many fields."""
    if changes:
        key_changed(core, client.database, client.argv[1].data, client.argv[1].length)
        core.dirty += changes - 1
        notify_argument(core, client, 1, NOTIFY_HASH, event)


cdef inline const char* past_deadline_event(const Core* core) noexcept nogil:
    return "hdel" if core.settings.past_deadline_deletes else "hexpired"


cdef inline const char* deadline_event(const Core* core, int64_t deadline_ms) noexcept nogil:
    """The event of giving fields this deadline."""
    if deadline_ms == HASH_NO_DEADLINE:
        return "hpersist"
    if deadline_removes(core, deadline_ms):
        return past_deadline_event(core)
    return "hexpire"


cdef inline bint is_named(const Core* core, Client* client, const HashValue* hash, int field) noexcept nogil:
    """Whether argument field is no field of the hash whose time is up."""
    return not hash_has_expired(core, hash, client.argv[field].data, client.argv[field].length)


cdef inline int put(Core* core, Client* client, HashValue* hash, int field, const char* value, size_t length,
             int64_t deadline_ms) noexcept nogil:
    """hash_put of argument field, with its statistics."""
    cdef int result = hash_put(core, hash, client.argv[field].data, client.argv[field].length, value, length,
                               deadline_ms)
    if result == 2:
        core.statistics.expired_fields += 1
        notify_argument(core, client, 1, NOTIFY_HASH, "hexpired")
    return result
