"""Commands on hashes, and their rows.

What a hash looks like is hash_value's business. A field that has expired is invisible here; it goes when it is written
over, or by active expiry, and until then only HLEN counts it. Deadlines are as in Valkey 9.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_zalloc
from redislite._core.commands.arguments cimport (
    EXPIRE_AT, EXPIRE_KEEP, EXPIRE_NONE, EXPIRE_PERSIST, ExpireOption, argument_integer_or_reply, argument_is,
    argument_range_or_reply, deadline_or_reply, reply_out_of_memory, reply_syntax_error, reply_wrong_type,
    take_expire_option,
)
from redislite._core.handlers.hash_field_arguments cimport (
    FIELDS_ALONE, FIELDS_BEHIND_OPTION, FIELDS_BEHIND_OPTIONS, FIELDS_BEHIND_TIME, fields_judged_or_reply,
)
from redislite._core.handlers.scanning cimport (
    SCAN_OF_HASH, Collected, ScanOptions, reply_scan_cursor, scan_cursor_or_reply, scan_dict, scan_matches,
    scan_options_or_reply, scan_release,
)
from redislite._core.keyspace.entry cimport (
    ENCODING_HASHTABLE, ENCODING_LISTPACK, NO_EXPIRE, TYPE_HASH, Entry, entry_block_size, entry_deadline,
    entry_encoding, entry_new, entry_pointer, entry_set_encoding, entry_set_pointer, entry_type,
)
from redislite._core.keyspace.expiry cimport expire_fields as remove_expired_fields
from redislite._core.keyspace.keyspace cimport (
    access_for_new, add_entry, argument_hash, delete_key, is_expired, key_changed, key_vanished, keyspace_find,
    lookup_read, lookup_write, note_timed_fields, notify_argument, notify_deleted,
)
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_bytes, propagate_integer, propagate_nothing, propagate_text,
)
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_bulk, reply_bulk_integer, reply_error, reply_integer, reply_is_futile, reply_map,
    reply_mark, reply_null, reply_ok, reply_rollback,
)
from redislite._core.state.core cimport Argument, Client, Core, random_next
from redislite._core.state.flags cimport NOTIFY_HASH, NOTIFY_NEW
from redislite._core.structures.listpack cimport LISTPACK_INTEGER_TEXT, ListpackValue
from redislite._core.text.numbers cimport (
    INTEGER_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_int64, format_long_double, parse_int64, parse_long_double,
)
from redislite._core.values.hash_value cimport (
    HASH_KEEP_DEADLINE, HASH_NO_DEADLINE, HashItem, HashIterator, HashTable, HashValue, hash_convert, hash_expect,
    hash_find, hash_has_expired, hash_item_at, hash_iterate_begin, hash_iterate_end, hash_iterate_next, hash_length,
    hash_live_length, hash_new, hash_next_deadline, hash_put, hash_random, hash_release, hash_remove, hash_set_deadline,
    hash_some_expired, hash_timed,
)

from redislite._core.commands.row import native

cdef enum:
    # What HEXPIRE's and HSETEX's conditions ask of a field or key.
    ONLY_MISSING = 1            # NX, FNX
    ONLY_PRESENT = 2            # XX, FXX
    ONLY_LATER = 4              # GT
    ONLY_EARLIER = 8            # LT

cdef enum:
    PARTS_FIELD = 1             # of a reply on many fields
    PARTS_VALUE = 2

cdef enum:
    SAMPLED_SHARE = 3           # a random part of the fields beyond one in so many is drawn from a list of all
    NO_FIELD = -2               # answers on one field's deadline
    NO_DEADLINE = -1
    CONDITION_NOT_MET = 0
    DEADLINE_CHANGED = 1
    FIELD_EXPIRED = 2


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


cdef Entry* settle_fields(Core* core, Client* client, Entry* entry, int first, int end) noexcept nogil:
    """Whoever asks for fields by name finds those gone whose time is up, under `fields_expire_on_access`: looks at the
    fields of arguments first up to end, or at all of the hash where first is 0. What is left of key 1, or NULL."""
    cdef HashValue hash
    cdef HashItem item
    cdef Argument* key = &client.argv[1]
    cdef int64_t removed = 0
    cdef int i
    if entry == NULL or not core.settings.fields_expire_on_access or entry_type(entry) != TYPE_HASH or \
            entry_encoding(entry) != ENCODING_HASHTABLE:
        return entry
    read_hash(entry, &hash)
    if not hash_timed(&hash) or not is_expired(core, hash_next_deadline(&hash)):
        return entry
    if first == 0:
        return entry if remove_expired_fields(core, client.database, entry) else NULL
    for i in range(first, end):
        if hash_find(core, &hash, client.argv[i].data, client.argv[i].length, &item) or \
                not hash_remove(core, &hash, client.argv[i].data, client.argv[i].length, 1):
            continue
        removed += 1
        if core.propagation:
            propagate_begin(core, client.database, 3)
            propagate_text(core, "HDEL")
            propagate_arguments(core, client, 1, 2)
            propagate_arguments(core, client, i, i + 1)
    if not removed:
        return entry
    core.statistics.expired_fields += removed
    core.dirty += removed
    key_vanished(core, client.database, key.data, key.length)
    notify_argument(core, client, 1, NOTIFY_HASH, "hexpired")
    if hash_length(&hash):
        close_hash(core, client, &hash, entry, 1)
        return entry
    notify_deleted(core, client, 1)
    close_hash(core, client, &hash, entry, 1)
    return NULL


cdef void settle_before_write(Core* core, Client* client, int first) noexcept nogil:
    """The same before key 1 is looked up for writing, for the arguments from first on."""
    cdef Entry** slot
    if core.settings.fields_expire_on_access:
        slot = keyspace_find(core, client.database, client.argv[1].data, client.argv[1].length, argument_hash(client, 1))
        if slot != NULL and not is_expired(core, entry_deadline(slot[0])):
            settle_fields(core, client, slot[0], first, client.argc)


cdef bint open_hash(Core* core, Client* client, HashValue* hash, Entry** entry) noexcept nogil:
    """For writing key 1: what is there, or an empty hash, where *entry is NULL. False where the error has been
    answered."""
    cdef Entry** slot = lookup_write(core, client, 1)
    entry[0] = NULL
    if slot != NULL:
        entry[0] = slot[0]
        if not is_hash_or_reply(client, slot[0]):
            return 0
    return begin_hash(core, client, hash, entry[0])


cdef void drop_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed, int64_t changes) noexcept nogil:
    """Ends what open_hash began where memory was out, which it answers: the fields that were set before that stay, and
    whoever wants to know of a change is told."""
    if entry == NULL:
        hash_release(core.heap, hash)
    else:
        close_hash(core, client, hash, entry, was_timed)
        hash_changed(core, client, changes, "hset")
    reply_out_of_memory(client)


cdef bint close_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed) noexcept nogil:
    """Ends what open_hash began: writes the hash back to its entry, or adds one (NULL). was_timed: whether there were
    fields with a deadline. Deletes the key of a hash without fields. False where memory was out, which has been answered;
    the hash is released then."""
    cdef Argument* name = &client.argv[1]
    cdef uint64_t code = argument_hash(client, 1)
    if entry == NULL:
        entry = entry_new(core.heap, name.data, name.length, NO_EXPIRE, TYPE_HASH, hash.encoding, access_for_new(core),
                          sizeof(void*))
        if entry != NULL:
            entry_set_pointer(entry, hash.pointer)
            if add_entry(core, client.database, entry, code) == 0:
                return 1
            heap_free(core.heap, entry, entry_block_size(entry))
        hash_release(core.heap, hash)
        reply_out_of_memory(client)
        return 0
    entry_set_pointer(entry, hash.pointer)
    entry_set_encoding(entry, hash.encoding)
    if was_timed or hash_timed(hash):
        note_timed_fields(core, client.database, entry, code, was_timed)
    if hash_length(hash) == 0:
        delete_key(core, client.database, name.data, name.length, code, 0)
    return 1


cdef inline void hash_changed(Core* core, Client* client, int64_t changes, const char* event) noexcept nogil:
    """Tells that key 1 has changed, in so many fields."""
    if changes:
        key_changed(core, client.database, client.argv[1].data, client.argv[1].length)
        core.dirty += changes - 1
        notify_argument(core, client, 1, NOTIFY_HASH, event)


cdef void finish_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed, int64_t changes,
                      const char* event) noexcept nogil:
    """close_hash of a hash that was there and may have lost fields, and hash_changed."""
    cdef bint is_empty = hash_length(hash) == 0
    close_hash(core, client, hash, entry, was_timed)
    hash_changed(core, client, changes, event)
    if is_empty:
        notify_deleted(core, client, 1)


cdef inline const char* past_deadline_event(const Core* core) noexcept nogil:
    return "hdel" if core.settings.past_deadline_deletes else "hexpired"


cdef inline const char* deadline_event(const Core* core, int64_t deadline_ms) noexcept nogil:
    """The event of giving fields this deadline."""
    if deadline_ms == HASH_NO_DEADLINE:
        return "hpersist"
    if deadline_ms <= core.expiry_ms:
        return past_deadline_event(core)
    return "hexpire"


# Where what a command does is executed again nothing may have expired (loading, a replica), so a field whose time is up
# is there, and would be done to as to the others. Such fields are not named then: a command that passes by them says so.

cdef inline bint is_named(const Core* core, Client* client, const HashValue* hash, int field) noexcept nogil:
    """Whether argument field is no field of the hash whose time is up."""
    return not hash_has_expired(core, hash, client.argv[field].data, client.argv[field].length)


cdef int count_named(const Core* core, Client* client, const HashValue* hash, int first, int end, int step) noexcept nogil:
    cdef int count = 0
    while first < end:
        count += is_named(core, client, hash, first)
        first += step
    return count


cdef void propagate_named(Core* core, Client* client, const HashValue* hash, int first, int end, int step) noexcept nogil:
    while first < end:
        if is_named(core, client, hash, first):
            propagate_arguments(core, client, first, first + 1)
        first += step


cdef void propagate_removal(Core* core, Client* client, const HashValue* hash, int first, int end, int step) noexcept nogil:
    """The fields of arguments first, first + step, ... were removed from key 1."""
    propagate_begin(core, client.database, 2 + count_named(core, client, hash, first, end, step))
    propagate_text(core, "HDEL")
    propagate_arguments(core, client, 1, 2)
    propagate_named(core, client, hash, first, end, step)


cdef void propagate_fields(Core* core, Client* client, const HashValue* hash, int first) noexcept nogil:
    """The word FIELDS, and the fields from argument first on."""
    propagate_text(core, "FIELDS")
    propagate_integer(core, count_named(core, client, hash, first, client.argc, 1))
    propagate_named(core, client, hash, first, client.argc, 1)


cdef void propagate_set(Core* core, Client* client, int first, int end) noexcept nogil:
    """Fields and values of the arguments from first on were set, and have no deadline, whatever was there before."""
    propagate_begin(core, client.database, 2 + end - first)
    propagate_text(core, "HSET")
    propagate_arguments(core, client, 1, 2)
    propagate_arguments(core, client, first, end)


cdef int put(Core* core, Client* client, HashValue* hash, int field, const char* value, size_t length,
             int64_t deadline_ms) noexcept nogil:
    """hash_put of argument field, with its statistics."""
    cdef int result = hash_put(core, hash, client.argv[field].data, client.argv[field].length, value, length, deadline_ms)
    if result == 2:
        core.statistics.expired_fields += 1
        notify_argument(core, client, 1, NOTIFY_HASH, "hexpired")
    return result


# Setting and getting

cdef int64_t put_pairs(Core* core, Client* client, int first) noexcept nogil:
    """Sets the fields and values from argument first on; answers how many fields are new, -1 after an error."""
    cdef HashValue hash
    cdef Entry* entry
    cdef char text[128]
    cdef bint timed
    cdef int64_t created = 0
    cdef int i, result
    if (client.argc - first) % 2:
        snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", client.command.own_name)
        reply_error(&client.reply, text)
        return -1
    if not open_hash(core, client, &hash, &entry):
        return -1
    timed = hash_timed(&hash) != 0
    if hash_expect(core, &hash, (client.argc - first) // 2) != 0:
        drop_hash(core, client, &hash, entry, timed, 0)
        return -1
    for i in range(first, client.argc, 2):
        result = put(core, client, &hash, i, client.argv[i + 1].data, client.argv[i + 1].length, HASH_NO_DEADLINE)
        if result < 0:
            drop_hash(core, client, &hash, entry, timed, (i - first) // 2)
            return -1
        created += result != 0
    if not close_hash(core, client, &hash, entry, timed):
        return -1
    hash_changed(core, client, (client.argc - first) // 2, "hset")
    return created


cdef void hset_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t created = put_pairs(core, client, 2)
    if created >= 0:
        reply_integer(&client.reply, created)


cdef void hmset_command(Core* core, Client* client) noexcept nogil:
    if put_pairs(core, client, 2) >= 0:
        reply_ok(&client.reply)


cdef bint put_one(Core* core, Client* client, HashValue* hash, Entry* entry, const char* value, size_t length,
                  int64_t deadline_ms, const char* event, bint* had_expired) noexcept nogil:
    """Sets field argument 2 of an open hash and closes it. False where memory was out, which has been answered.
    *had_expired: the field was there, and its time was up."""
    cdef bint timed = hash_timed(hash) != 0
    cdef int result = put(core, client, hash, 2, value, length, deadline_ms)
    if result < 0:
        drop_hash(core, client, hash, entry, timed, 0)
        return 0
    had_expired[0] = result == 2
    if not close_hash(core, client, hash, entry, timed):
        return 0
    hash_changed(core, client, 1, event)
    return 1


cdef void hsetnx_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry* entry
    cdef bint had_expired
    if not open_hash(core, client, &hash, &entry):
        return
    if hash_find(core, &hash, client.argv[2].data, client.argv[2].length, &item):
        reply_integer(&client.reply, 0)
    elif put_one(core, client, &hash, entry, client.argv[3].data, client.argv[3].length, HASH_NO_DEADLINE,
                 "hset", &had_expired):
        if core.propagation and had_expired:
            propagate_set(core, client, 2, 4)
            propagate_nothing(core)
        reply_integer(&client.reply, 1)


cdef inline bint find_or_reply(Core* core, Client* client, HashItem* item, bint* answered) noexcept nogil:
    """Looks up field argument 2 of key 1 for reading. *answered: it holds something else, which has been answered."""
    cdef HashValue hash
    cdef Entry* entry = settle_fields(core, client, lookup_read(core, client, 1), 2, 3)
    answered[0] = 0
    if entry == NULL:
        return 0
    if not is_hash_or_reply(client, entry):
        answered[0] = 1
        return 0
    read_hash(entry, &hash)
    return hash_find(core, &hash, client.argv[2].data, client.argv[2].length, item)


cdef void hget_command(Core* core, Client* client) noexcept nogil:
    cdef HashItem item
    cdef bint answered
    if find_or_reply(core, client, &item, &answered):
        reply_part(client, &item.value)
    elif not answered:
        reply_null(&client.reply)


cdef void hexists_command(Core* core, Client* client) noexcept nogil:
    cdef HashItem item
    cdef bint answered
    cdef bint found = find_or_reply(core, client, &item, &answered)
    if not answered:
        reply_integer(&client.reply, found)


cdef void hstrlen_command(Core* core, Client* client) noexcept nogil:
    cdef HashItem item
    cdef bint answered
    cdef char text[LISTPACK_INTEGER_TEXT]
    cdef size_t length = 0
    if find_or_reply(core, client, &item, &answered):
        part_text(&item.value, text, &length)
    if not answered:
        reply_integer(&client.reply, <int64_t> length)


cdef void hmget_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry* entry = settle_fields(core, client, lookup_read(core, client, 1), 2, client.argc)
    cdef int i
    if entry != NULL:
        if not is_hash_or_reply(client, entry):
            return
        read_hash(entry, &hash)
    reply_array(&client.reply, client.argc - 2)
    for i in range(2, client.argc):
        if entry != NULL and hash_find(core, &hash, client.argv[i].data, client.argv[i].length, &item):
            reply_part(client, &item.value)
        else:
            reply_null(&client.reply)


cdef void hlen_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef Entry* entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_integer(&client.reply, 0)
    elif is_hash_or_reply(client, entry):
        read_hash(entry, &hash)
        reply_integer(&client.reply, <int64_t> hash_length(&hash))


cdef void reply_all(Core* core, Client* client, int parts) noexcept nogil:
    """Answers fields, values or both of the whole hash."""
    cdef HashValue hash
    cdef HashIterator it
    cdef HashItem item
    cdef int64_t length
    cdef Entry* entry = lookup_read(core, client, 1)
    if entry != NULL and not is_hash_or_reply(client, entry):
        return
    length = 0
    if entry != NULL:
        read_hash(entry, &hash)
        length = <int64_t> hash_live_length(core, &hash)
    if parts == PARTS_FIELD | PARTS_VALUE:
        reply_map(&client.reply, length)
    else:
        reply_array(&client.reply, length)
    if length == 0:
        return
    hash_iterate_begin(&it, core, &hash)
    while hash_iterate_next(&it, &item):
        if parts & PARTS_FIELD:
            reply_part(client, &item.field)
        if parts & PARTS_VALUE:
            reply_part(client, &item.value)
    hash_iterate_end(&it)


cdef void hgetall_command(Core* core, Client* client) noexcept nogil:
    reply_all(core, client, PARTS_FIELD | PARTS_VALUE)


cdef void hkeys_command(Core* core, Client* client) noexcept nogil:
    reply_all(core, client, PARTS_FIELD)


cdef void hvals_command(Core* core, Client* client) noexcept nogil:
    reply_all(core, client, PARTS_VALUE)


cdef void hdel_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef bint timed
    cdef int64_t removed = 0
    cdef int i
    if slot == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_hash_or_reply(client, slot[0]):
        return
    read_hash(slot[0], &hash)
    timed = hash_timed(&hash) != 0
    for i in range(2, client.argc):
        removed += hash_remove(core, &hash, client.argv[i].data, client.argv[i].length,
                               core.settings.fields_expire_on_access != 0)
    if removed:
        if core.propagation and hash_some_expired(core, &hash):
            propagate_removal(core, client, &hash, 2, client.argc, 1)
            propagate_nothing(core)
        finish_hash(core, client, &hash, slot[0], timed, removed, "hdel")
    reply_integer(&client.reply, removed)


cdef void propagate_number(Core* core, Client* client, const char* text, size_t length, int64_t deadline_ms) noexcept nogil:
    """Field argument 2 of key 1 has been counted up to this number, and kept its deadline."""
    cdef bint timed = deadline_ms != HASH_NO_DEADLINE
    propagate_begin(core, client.database, 8 if timed else 4)
    propagate_text(core, "HSETEX" if timed else "HSET")
    propagate_arguments(core, client, 1, 2)
    if timed:
        propagate_text(core, "PXAT")
        propagate_integer(core, deadline_ms)
        propagate_text(core, "FIELDS")
        propagate_integer(core, 1)
    propagate_arguments(core, client, 2, 3)
    propagate_bytes(core, text, length)
    propagate_nothing(core)


cdef void hincrby_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry* entry
    cdef char text[INTEGER_TEXT_MAX]
    cdef int64_t value = 0
    cdef int64_t deadline_ms = HASH_NO_DEADLINE
    cdef bint had_expired
    cdef int length
    cdef int64_t by
    if not argument_integer_or_reply(client, 3, &by) or not open_hash(core, client, &hash, &entry):
        return
    if hash_find(core, &hash, client.argv[2].data, client.argv[2].length, &item):
        deadline_ms = item.deadline_ms
        if item.value.data == NULL:
            value = item.value.integer
        elif not parse_int64(item.value.data, item.value.length, &value):
            reply_error(&client.reply, "ERR hash value is not an integer")
            return
    if (by < 0 and value < INT64_MIN - by) or (by > 0 and value > INT64_MAX - by):
        reply_error(&client.reply, "ERR increment or decrement would overflow")
        return
    value += by
    length = format_int64(text, value)
    if put_one(core, client, &hash, entry, text, length, HASH_KEEP_DEADLINE, "hincrby", &had_expired):
        if core.propagation and (had_expired or deadline_ms != HASH_NO_DEADLINE):
            propagate_number(core, client, text, length, deadline_ms)
        reply_integer(&client.reply, value)


cdef void hincrbyfloat_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry* entry
    cdef char text[LONG_DOUBLE_TEXT_MAX]
    cdef const char* old
    cdef size_t length
    cdef int64_t deadline_ms = HASH_NO_DEADLINE
    cdef long double value = 0
    cdef long double by = 0
    cdef bint had_expired
    if not parse_long_double(client.argv[3].data, client.argv[3].length, &by):
        reply_error(&client.reply, "ERR value is not a valid float")
        return
    if by != by or by - by != 0:
        reply_error(&client.reply, "ERR value is NaN or Infinity")
        return
    if not open_hash(core, client, &hash, &entry):
        return
    if hash_find(core, &hash, client.argv[2].data, client.argv[2].length, &item):
        deadline_ms = item.deadline_ms
        old = part_text(&item.value, text, &length)
        if not parse_long_double(old, length, &value):
            reply_error(&client.reply, "ERR hash value is not a float")
            return
    value += by
    if value != value or value - value != 0:
        reply_error(&client.reply, "ERR increment would produce NaN or Infinity")
        return
    length = format_long_double(text, value)
    if put_one(core, client, &hash, entry, text, length, HASH_KEEP_DEADLINE, "hincrbyfloat", &had_expired):
        if core.propagation:
            propagate_number(core, client, text, length, deadline_ms)
        reply_bulk(&client.reply, text, length)


# Random fields

cdef void reply_picked(Client* client, const HashValue* hash, void* place, bint with_values) noexcept nogil:
    cdef HashItem item
    hash_item_at(hash, place, &item)
    if with_values and client.reply.protocol == 3:
        reply_array(&client.reply, 2)
    reply_part(client, &item.field)
    if with_values:
        reply_part(client, &item.value)


cdef inline void reply_picks(Client* client, int64_t count, bint with_values) noexcept nogil:
    """Head of the reply: so many fields follow."""
    reply_array(&client.reply, count * 2 if with_values and client.reply.protocol == 2 else count)


cdef void** list_fields(Core* core, const HashValue* hash, size_t length) noexcept nogil:
    """The places of all fields, of which there are this many; length * sizeof(void*) bytes to be released. NULL where
    memory is out."""
    cdef void** places = <void**> heap_alloc(core.heap, length * sizeof(void*))
    cdef HashIterator it
    cdef HashItem item
    cdef size_t i = 0
    if places == NULL:
        return NULL
    hash_iterate_begin(&it, core, hash)
    while i < length and hash_iterate_next(&it, &item):
        places[i] = item.place
        i += 1
    hash_iterate_end(&it)
    return places


cdef void pick_with_repetitions(Core* core, Client* client, const HashValue* hash, int64_t count,
                                bint with_values) noexcept nogil:
    cdef size_t length = hash_live_length(core, hash)
    cdef void** places = NULL
    cdef HashItem item
    if length == 0:
        reply_array(&client.reply, 0)
        return
    # A listpack has no way to a field by its number, and among many expired fields a live one is hard to hit.
    if count > 1 and (hash.encoding == ENCODING_LISTPACK or length < hash_length(hash)):
        places = list_fields(core, hash, length)
        if places == NULL:
            reply_out_of_memory(client)
            return
    reply_picks(client, count, with_values)
    while count and not reply_is_futile(&client.reply):
        if places != NULL:
            reply_picked(client, hash, places[random_next(&core.random) % length], with_values)
        else:
            hash_random(core, hash, &item)
            reply_picked(client, hash, item.place, with_values)
        count -= 1
    if places != NULL:
        heap_free(core.heap, places, length * sizeof(void*))


cdef void pick_in_order(Core* core, Client* client, const HashValue* hash, size_t length, size_t count,
                        bint with_values) noexcept nogil:
    """Answers count of length fields, in their order: each is taken with the probability that the rest leaves it."""
    cdef HashIterator it
    cdef HashItem item
    reply_picks(client, <int64_t> count, with_values)
    hash_iterate_begin(&it, core, hash)
    while count and hash_iterate_next(&it, &item):
        if random_next(&core.random) % length < count:
            reply_picked(client, hash, item.place, with_values)
            count -= 1
        length -= 1
    hash_iterate_end(&it)


cdef bint pick_few(Core* core, Client* client, const HashValue* hash, size_t count, bint with_values) noexcept nogil:
    """Answers count fields of a table of which they are a small part, drawing again what was drawn before. False where
    memory is out; nothing has been answered then."""
    cdef size_t slots = 4
    cdef void** drawn
    cdef HashItem item
    cdef size_t i
    while slots < 2 * count:
        slots *= 2
    drawn = <void**> heap_zalloc(core.heap, slots * sizeof(void*))
    if drawn == NULL:
        return 0
    reply_picks(client, <int64_t> count, with_values)
    while count:
        hash_random(core, hash, &item)
        i = ((<uintptr_t> item.place >> 3) * <uint64_t> 0x9e3779b97f4a7c15 >> 20) & (slots - 1)
        while drawn[i] != NULL and drawn[i] != item.place:
            i = (i + 1) & (slots - 1)
        if drawn[i] == NULL:
            drawn[i] = item.place
            reply_picked(client, hash, item.place, with_values)
            count -= 1
    heap_free(core.heap, drawn, slots * sizeof(void*))
    return 1


cdef void hrandfield_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry* entry
    cdef int64_t count = 0
    cdef size_t length
    cdef bint with_values = client.argc > 3
    if client.argc > 2:
        if not argument_range_or_reply(client, 2, -INT64_MAX, INT64_MAX, &count,
                                       "ERR value is out of range, value must between -9223372036854775807 and "
                                       "9223372036854775807"):
            return
        if client.argc > 4 or (with_values and not argument_is(&client.argv[3], "WITHVALUES")):
            reply_syntax_error(client)
            return
        if with_values and not -INT64_MAX // 2 <= count <= INT64_MAX // 2:
            reply_error(&client.reply, "ERR value is out of range")
            return
    entry = settle_fields(core, client, lookup_read(core, client, 1), 0, 0)
    if entry == NULL:
        if client.argc == 2:
            reply_null(&client.reply)
        else:
            reply_array(&client.reply, 0)
        return
    if not is_hash_or_reply(client, entry):
        return
    read_hash(entry, &hash)
    if client.argc == 2:
        if hash_random(core, &hash, &item):
            reply_part(client, &item.field)
        else:
            reply_null(&client.reply)
        return
    if count < 0:
        pick_with_repetitions(core, client, &hash, -count, with_values)
        return
    length = hash_live_length(core, &hash)
    if <size_t> count < length // SAMPLED_SHARE and hash.encoding == ENCODING_HASHTABLE and \
            length == hash_length(&hash):
        if not pick_few(core, client, &hash, <size_t> count, with_values):
            reply_out_of_memory(client)
        return
    pick_in_order(core, client, &hash, length, <size_t> count if <size_t> count < length else length, with_values)


cdef inline bint item_matches(const ScanOptions* options, const HashItem* item) noexcept nogil:
    cdef char text[LISTPACK_INTEGER_TEXT]
    cdef size_t length
    cdef const char* field = part_text(&item.field, text, &length)
    return scan_matches(options, field, length)


cdef inline void reply_scanned(Client* client, const ScanOptions* options, const HashItem* item) noexcept nogil:
    reply_part(client, &item.field)
    if not options.members_only:
        reply_part(client, &item.value)


cdef void scan_listpack(Core* core, Client* client, const HashValue* hash, const ScanOptions* options) noexcept nogil:
    """What is small comes as a whole."""
    cdef HashIterator it
    cdef HashItem item
    cdef int64_t matching = 0
    hash_iterate_begin(&it, core, hash)
    while hash_iterate_next(&it, &item):
        matching += item_matches(options, &item)
    hash_iterate_end(&it)
    reply_scan_cursor(client, 0)
    reply_array(&client.reply, matching if options.members_only else 2 * matching)
    hash_iterate_begin(&it, core, hash)
    while hash_iterate_next(&it, &item):
        if item_matches(options, &item):
            reply_scanned(client, options, &item)
    hash_iterate_end(&it)


cdef void scan_table(Core* core, Client* client, const HashValue* hash, ScanOptions* options) noexcept nogil:
    cdef Collected found
    cdef HashItem item
    cdef int64_t matching = 0
    cdef size_t i
    scan_dict(core.heap, &(<HashTable*> hash.pointer).fields, options, &found)
    if found.starved:
        reply_out_of_memory(client)
    else:
        for i in range(found.count):
            hash_item_at(hash, found.entries[i], &item)
            if not 0 <= item.deadline_ms < core.expiry_ms and item_matches(options, &item):
                found.entries[matching] = found.entries[i]
                matching += 1
        reply_scan_cursor(client, options.cursor)
        reply_array(&client.reply, matching if options.members_only else 2 * matching)
        for i in range(<size_t> matching):
            hash_item_at(hash, found.entries[i], &item)
            reply_scanned(client, options, &item)
    scan_release(&found)


cdef void hscan_command(Core* core, Client* client) noexcept nogil:
    cdef ScanOptions options
    cdef HashValue hash
    cdef Entry* entry
    if not scan_cursor_or_reply(client, 2, &options.cursor):
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_scan_cursor(client, 0)
        reply_array(&client.reply, 0)
        return
    if not is_hash_or_reply(client, entry) or not scan_options_or_reply(client, 3, SCAN_OF_HASH, &options):
        return
    read_hash(entry, &hash)
    if hash.encoding == ENCODING_LISTPACK:
        scan_listpack(core, client, &hash, &options)
    else:
        scan_table(core, client, &hash, &options)


# Fields with a deadline

cdef void reply_wrong_count(Client* client) noexcept nogil:
    reply_error(&client.reply, "ERR numfields should be greater than 0 and match the provided number of fields")


cdef int find_fields_word(Client* client, int first) noexcept nogil:
    """The index of the word FIELDS, from argument first on; argc where there is none before the last argument."""
    cdef int i
    for i in range(first, client.argc - 1):
        if argument_is(&client.argv[i], "FIELDS"):
            return i
    return client.argc


cdef int count_fields_or_reply(Client* client, int word, int step) noexcept nogil:
    """Reads the number behind the word FIELDS, which must be that of the rest of the arguments, step for each field. 0
    where the error has been answered."""
    cdef int64_t count = 0
    cdef int rest = client.argc - word - 2
    if word < client.argc and not argument_integer_or_reply(client, word + 1, &count):
        return 0
    if count <= 0 or rest % step or count != rest // step:
        reply_wrong_count(client)
        return 0
    return <int> count


cdef int change_deadline(Core* core, HashValue* hash, const Argument* field, int conditions,
                         int64_t deadline_ms) noexcept nogil:
    """Gives a field a deadline, or removes it where that is over (HASH_NO_DEADLINE: takes its deadline away). What
    HEXPIRE answers for the field, or HPERSIST; -3 where memory is out."""
    cdef HashItem item
    if not hash_find(core, hash, field.data, field.length, &item):
        return NO_FIELD
    if deadline_ms == HASH_NO_DEADLINE:
        if item.deadline_ms == HASH_NO_DEADLINE:
            return NO_DEADLINE
        return DEADLINE_CHANGED if hash_set_deadline(core, hash, &item, HASH_NO_DEADLINE) == 0 else -3
    if item.deadline_ms == HASH_NO_DEADLINE:
        if conditions & (ONLY_PRESENT | ONLY_LATER):
            return CONDITION_NOT_MET
    elif conditions & ONLY_MISSING or (conditions & ONLY_LATER and deadline_ms <= item.deadline_ms) or \
            (conditions & ONLY_EARLIER and deadline_ms >= item.deadline_ms):
        return CONDITION_NOT_MET
    if deadline_ms <= core.expiry_ms:
        hash_remove(core, hash, field.data, field.length, 0)
        core.statistics.expired_fields += 1
        return FIELD_EXPIRED
    if hash.encoding == ENCODING_LISTPACK:
        if hash_convert(core, hash) != 0:
            return -3
        hash_find(core, hash, field.data, field.length, &item)
    return DEADLINE_CHANGED if hash_set_deadline(core, hash, &item, deadline_ms) == 0 else -3


cdef void propagate_field_deadlines(Core* core, Client* client, const HashValue* hash, int64_t deadline_ms,
                                    int conditions, int first) noexcept nogil:
    """Fields of key 1, from argument first on, were given a deadline, or lost theirs (HASH_NO_DEADLINE); conditions:
    how many arguments before the word FIELDS are some."""
    cdef int named = count_named(core, client, hash, first, client.argc, 1)
    if deadline_ms == HASH_NO_DEADLINE:
        propagate_begin(core, client.database, 4 + named)
        propagate_text(core, "HPERSIST")
        propagate_arguments(core, client, 1, 2)
    else:
        propagate_begin(core, client.database, 5 + conditions + named)
        propagate_text(core, "HPEXPIREAT")
        propagate_arguments(core, client, 1, 2)
        propagate_integer(core, deadline_ms)
        propagate_arguments(core, client, first - 2 - conditions, first - 2)
    propagate_fields(core, client, hash, first)
    propagate_nothing(core)


cdef bint change_deadlines(Core* core, Client* client, int first, int conditions, int64_t deadline_ms) noexcept nogil:
    """change_deadline of the fields from argument first on, and the reply."""
    cdef HashValue hash
    cdef Entry** slot
    cdef ReplyMark mark
    cdef bint timed
    cdef int64_t changes = 0
    cdef int i
    cdef int result = 0
    settle_before_write(core, client, first)
    slot = lookup_write(core, client, 1)
    if slot != NULL and not is_hash_or_reply(client, slot[0]):
        return 0
    mark = reply_mark(&client.reply)
    reply_array(&client.reply, client.argc - first)
    if slot == NULL:
        for i in range(first, client.argc):
            reply_integer(&client.reply, NO_FIELD)
        return 0
    read_hash(slot[0], &hash)
    timed = hash_timed(&hash) != 0
    for i in range(first, client.argc):
        result = change_deadline(core, &hash, &client.argv[i], conditions, deadline_ms)
        if result == -3:
            break
        if result > 0:
            changes += 1
            if core.propagation and result == FIELD_EXPIRED:
                propagate_removal(core, client, &hash, i, i + 1, 1)
                propagate_nothing(core)
        reply_integer(&client.reply, result)
    if result == -3:
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
    # Those that were removed have been propagated one by one: conditions may have spared others.
    if core.propagation and changes and result != -3 and \
            (deadline_ms == HASH_NO_DEADLINE or deadline_ms > core.expiry_ms):
        propagate_field_deadlines(core, client, &hash, deadline_ms, first - 5, first)
    finish_hash(core, client, &hash, slot[0], timed, changes, deadline_event(core, deadline_ms))
    return 1


cdef void expire_fields(Core* core, Client* client, bint seconds, bint absolute) noexcept nogil:
    cdef char text[160]
    cdef int word = find_fields_word(client, 3)
    cdef int conditions = 0
    cdef int64_t deadline_ms
    cdef int i
    if not fields_judged_or_reply(core, client, FIELDS_BEHIND_TIME, seconds, absolute):
        return
    for i in range(3, word if word < client.argc else 3):
        if argument_is(&client.argv[i], "NX"):
            conditions |= ONLY_MISSING
        elif argument_is(&client.argv[i], "XX"):
            conditions |= ONLY_PRESENT
        elif argument_is(&client.argv[i], "GT"):
            conditions |= ONLY_LATER
        elif argument_is(&client.argv[i], "LT"):
            conditions |= ONLY_EARLIER
        else:
            snprintf(text, sizeof(text), "ERR Unsupported option %.*s",
                     <int> (client.argv[i].length if client.argv[i].length < 128 else 128), client.argv[i].data)
            reply_error(&client.reply, text)
            return
    if conditions & ONLY_MISSING and conditions & ~ONLY_MISSING:
        reply_error(&client.reply, "ERR NX and XX, GT or LT options at the same time are not compatible")
        return
    if conditions & ONLY_LATER and conditions & ONLY_EARLIER:
        reply_error(&client.reply, "ERR GT and LT options at the same time are not compatible")
        return
    if count_fields_or_reply(client, word, 1) and \
            deadline_or_reply(core, client, 2, seconds, absolute, 0, &deadline_ms):
        change_deadlines(core, client, word + 2, conditions, deadline_ms)


cdef void hexpire_command(Core* core, Client* client) noexcept nogil:
    expire_fields(core, client, 1, 0)


cdef void hpexpire_command(Core* core, Client* client) noexcept nogil:
    expire_fields(core, client, 0, 0)


cdef void hexpireat_command(Core* core, Client* client) noexcept nogil:
    expire_fields(core, client, 1, 1)


cdef void hpexpireat_command(Core* core, Client* client) noexcept nogil:
    expire_fields(core, client, 0, 1)


cdef void hpersist_command(Core* core, Client* client) noexcept nogil:
    if not fields_judged_or_reply(core, client, FIELDS_ALONE, 0, 0):
        return
    if not argument_is(&client.argv[2], "FIELDS"):
        reply_syntax_error(client)
    elif count_fields_or_reply(client, 2, 1):
        change_deadlines(core, client, 4, 0, HASH_NO_DEADLINE)


cdef void reply_deadlines(Core* core, Client* client, bint seconds, bint absolute) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry* entry
    cdef int64_t count, value
    cdef int i
    if not fields_judged_or_reply(core, client, FIELDS_ALONE, 0, 0):
        return
    if not argument_is(&client.argv[2], "FIELDS"):
        reply_syntax_error(client)
        return
    if not argument_integer_or_reply(client, 3, &count):
        return
    if count != client.argc - 4:
        reply_syntax_error(client)
        return
    entry = settle_fields(core, client, lookup_read(core, client, 1), 4, client.argc)
    if entry != NULL:
        if not is_hash_or_reply(client, entry):
            return
        read_hash(entry, &hash)
    reply_array(&client.reply, count)
    for i in range(4, client.argc):
        if entry == NULL or not hash_find(core, &hash, client.argv[i].data, client.argv[i].length, &item):
            value = NO_FIELD
        elif item.deadline_ms == HASH_NO_DEADLINE:
            value = NO_DEADLINE
        else:
            value = item.deadline_ms if absolute else item.deadline_ms - core.now_ms
            if seconds:
                value = value // 1000 + (value % 1000 >= 500)
        reply_integer(&client.reply, value)


cdef void httl_command(Core* core, Client* client) noexcept nogil:
    reply_deadlines(core, client, 1, 0)


cdef void hpttl_command(Core* core, Client* client) noexcept nogil:
    reply_deadlines(core, client, 0, 0)


cdef void hexpiretime_command(Core* core, Client* client) noexcept nogil:
    reply_deadlines(core, client, 1, 1)


cdef void hpexpiretime_command(Core* core, Client* client) noexcept nogil:
    reply_deadlines(core, client, 0, 1)


cdef bint take_time_option_or_reply(Client* client, int* index, int word, bint keep, bint persist,
                                    ExpireOption* option) noexcept nogil:
    """Takes the option at *index where it is one of an expiry that ends before the word FIELDS."""
    if take_expire_option(client, index, keep, persist, option) <= 0 or index[0] >= word:
        reply_syntax_error(client)
        return 0
    return 1


cdef void hgetex_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef ExpireOption expire
    cdef Entry* entry
    cdef ReplyMark mark
    cdef int word = find_fields_word(client, 2)
    cdef int64_t deadline_ms = HASH_NO_DEADLINE
    cdef int64_t changes = 0
    cdef bint timed
    cdef int result = 0
    cdef int i = 2
    if not fields_judged_or_reply(core, client, FIELDS_BEHIND_OPTION, 0, 0):
        return
    expire.kind = EXPIRE_NONE
    while word < client.argc and i < word:
        if not take_time_option_or_reply(client, &i, word, 0, 1, &expire):
            return
        i += 1
    if not count_fields_or_reply(client, word, 1):
        return
    entry = settle_fields(core, client, lookup_read(core, client, 1), word + 2, client.argc)
    if entry != NULL and not is_hash_or_reply(client, entry):
        return
    if expire.kind == EXPIRE_AT and \
            not deadline_or_reply(core, client, expire.argument, expire.seconds, expire.absolute, 0, &deadline_ms):
        return
    mark = reply_mark(&client.reply)
    reply_array(&client.reply, client.argc - word - 2)
    if entry == NULL:
        for i in range(word + 2, client.argc):
            reply_null(&client.reply)
        return
    read_hash(entry, &hash)
    timed = hash_timed(&hash) != 0
    for i in range(word + 2, client.argc):
        if not hash_find(core, &hash, client.argv[i].data, client.argv[i].length, &item):
            reply_null(&client.reply)
            continue
        reply_part(client, &item.value)
        if expire.kind != EXPIRE_NONE:
            result = change_deadline(core, &hash, &client.argv[i], 0, deadline_ms)
            if result == -3:
                break
            if result > 0:
                changes += 1
    if result == -3:
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
    if expire.kind == EXPIRE_NONE:
        return
    if core.propagation and changes and result != -3:
        if deadline_ms == HASH_NO_DEADLINE or deadline_ms > core.expiry_ms:
            propagate_field_deadlines(core, client, &hash, deadline_ms, 0, word + 2)
        else:
            propagate_removal(core, client, &hash, word + 2, client.argc, 1)
            propagate_nothing(core)
    finish_hash(core, client, &hash, entry, timed, changes, deadline_event(core, deadline_ms))


cdef void hgetdel_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef HashItem item
    cdef Entry** slot
    cdef bint timed
    cdef int64_t removed = 0
    cdef int i
    if not fields_judged_or_reply(core, client, FIELDS_ALONE, 0, 0):
        return
    if not argument_is(&client.argv[2], "FIELDS"):
        reply_syntax_error(client)
        return
    if not count_fields_or_reply(client, 2, 1):
        return
    settle_before_write(core, client, 4)
    slot = lookup_write(core, client, 1)
    if slot != NULL and not is_hash_or_reply(client, slot[0]):
        return
    reply_array(&client.reply, client.argc - 4)
    if slot == NULL:
        for i in range(4, client.argc):
            reply_null(&client.reply)
        return
    read_hash(slot[0], &hash)
    timed = hash_timed(&hash) != 0
    for i in range(4, client.argc):
        if hash_find(core, &hash, client.argv[i].data, client.argv[i].length, &item):
            reply_part(client, &item.value)
            removed += hash_remove(core, &hash, client.argv[i].data, client.argv[i].length, 0)
        else:
            reply_null(&client.reply)
    if removed:
        if core.propagation:
            propagate_removal(core, client, &hash, 4, client.argc, 1)
            propagate_nothing(core)
        finish_hash(core, client, &hash, slot[0], timed, removed, "hdel")


cdef bint fields_meet(Core* core, Client* client, const HashValue* hash, int first, int condition) noexcept nogil:
    """Whether all fields named from argument first on, with their values, are there, or none."""
    cdef HashItem item
    cdef int i
    for i in range(first, client.argc, 2):
        if hash_find(core, hash, client.argv[i].data, client.argv[i].length, &item) != (condition == ONLY_PRESENT):
            return 0
    return 1


cdef inline bint take_condition(int wanted, int* condition) noexcept nogil:
    """Notes a condition; false where the other one was given before."""
    if condition[0] and condition[0] != wanted:
        return 0
    condition[0] = wanted
    return 1


cdef void propagate_put(Core* core, Client* client, int word, int64_t deadline_ms) noexcept nogil:
    """Fields and values behind the word FIELDS were set with this deadline, or kept theirs (HASH_KEEP_DEADLINE)."""
    cdef bint keeps = deadline_ms == HASH_KEEP_DEADLINE
    propagate_begin(core, client.database, (3 if keeps else 4) + client.argc - word)
    propagate_text(core, "HSETEX")
    propagate_arguments(core, client, 1, 2)
    propagate_text(core, "KEEPTTL" if keeps else "PXAT")
    if not keeps:
        propagate_integer(core, deadline_ms)
    propagate_arguments(core, client, word, client.argc)


cdef void hsetex_command(Core* core, Client* client) noexcept nogil:
    cdef HashValue hash
    cdef ExpireOption expire
    cdef Entry** slot
    cdef Entry* entry
    cdef int word = find_fields_word(client, 2)
    cdef int key_condition = 0
    cdef int field_condition = 0
    cdef int64_t deadline_ms = HASH_NO_DEADLINE
    cdef int64_t changes = 0
    cdef bint is_empty
    cdef bint timed
    cdef bint valid = 1
    cdef int count, result
    cdef int i = 2
    if not fields_judged_or_reply(core, client, FIELDS_BEHIND_OPTIONS, 0, 0):
        return
    expire.kind = EXPIRE_NONE
    while word < client.argc and i < word:
        if argument_is(&client.argv[i], "NX"):
            valid = take_condition(ONLY_MISSING, &key_condition)
        elif argument_is(&client.argv[i], "XX"):
            valid = take_condition(ONLY_PRESENT, &key_condition)
        elif argument_is(&client.argv[i], "FNX"):
            valid = take_condition(ONLY_MISSING, &field_condition)
        elif argument_is(&client.argv[i], "FXX"):
            valid = take_condition(ONLY_PRESENT, &field_condition)
        elif not take_time_option_or_reply(client, &i, word, 1, 0, &expire):
            return
        if not valid:
            reply_syntax_error(client)
            return
        i += 1
    count = count_fields_or_reply(client, word, 2)
    if not count:
        return
    slot = lookup_write(core, client, 1)
    if slot != NULL and not is_hash_or_reply(client, slot[0]):
        return
    if (key_condition == ONLY_MISSING and slot != NULL) or (key_condition == ONLY_PRESENT and slot == NULL):
        reply_integer(&client.reply, 0)
        return
    if expire.kind == EXPIRE_AT and \
            not deadline_or_reply(core, client, expire.argument, expire.seconds, expire.absolute, 0, &deadline_ms):
        return
    entry = slot[0] if slot != NULL else NULL
    if not begin_hash(core, client, &hash, entry):
        return
    timed = hash_timed(&hash) != 0
    if field_condition and not fields_meet(core, client, &hash, word + 2, field_condition):
        if entry == NULL:
            hash_release(core.heap, &hash)
        else:
            settle_fields(core, client, entry, word + 2, client.argc)
        reply_integer(&client.reply, 0)
        return
    if expire.kind == EXPIRE_AT and deadline_ms <= core.expiry_ms:
        # As if the fields had been set and had expired at once.
        core.statistics.expired_fields += count
        for i in range(word + 2, client.argc, 2):
            changes += hash_remove(core, &hash, client.argv[i].data, client.argv[i].length, 1)
        if entry == NULL:
            notify_argument(core, client, 1, NOTIFY_NEW, "new")
        if core.propagation and changes:
            propagate_removal(core, client, &hash, word + 2, client.argc, 2)
            propagate_nothing(core)
        is_empty = hash_length(&hash) == 0
        if entry == NULL:
            hash_release(core.heap, &hash)
        else:
            close_hash(core, client, &hash, entry, timed)
        hash_changed(core, client, changes, "hset")
        if not changes:
            notify_argument(core, client, 1, NOTIFY_HASH, "hset")
        if not core.settings.past_deadline_deletes:
            notify_argument(core, client, 1, NOTIFY_HASH, "hexpire")
        notify_argument(core, client, 1, NOTIFY_HASH, past_deadline_event(core))
        if is_empty:
            notify_deleted(core, client, 1)
        reply_integer(&client.reply, 1)
        return
    if expire.kind == EXPIRE_KEEP:
        deadline_ms = HASH_KEEP_DEADLINE
    if hash_expect(core, &hash, count) != 0:
        drop_hash(core, client, &hash, entry, timed, 0)
        return
    for i in range(word + 2, client.argc, 2):
        result = put(core, client, &hash, i, client.argv[i + 1].data, client.argv[i + 1].length, deadline_ms)
        if result < 0:
            drop_hash(core, client, &hash, entry, timed, (i - word - 2) // 2)
            return
        if core.propagation and result == 2 and expire.kind == EXPIRE_KEEP:
            # What it would keep elsewhere is over here.
            propagate_set(core, client, i, i + 2)
    if close_hash(core, client, &hash, entry, timed):
        hash_changed(core, client, count, "hset")
        if expire.kind == EXPIRE_AT:
            notify_argument(core, client, 1, NOTIFY_HASH, "hexpire")
        if core.propagation:
            # Its conditions have been met here.
            if expire.kind == EXPIRE_NONE:
                propagate_set(core, client, word + 2, client.argc)
            else:
                propagate_put(core, client, word, deadline_ms)
            propagate_nothing(core)
        reply_integer(&client.reply, 1)


COMMANDS = [
    native(
        "hdel", <size_t> &hdel_command, -3, "write fast", keys="RW DELETE @ 1", group="hash", since="2.0.0",
        syntax="key field...",
        summary="Deletes fields of a hash.", complexity="O(N) for N fields",
    ),
    native(
        "hexists", <size_t> &hexists_command, 3, "readonly fast", keys="RO @ 1", group="hash", since="2.0.0",
        syntax="key field",
        summary="Tells whether a hash has a field.", complexity="O(1)",
    ),
    native(
        "hexpire", <size_t> &hexpire_command, -6, "write fast", keys="RW UPDATE @ 1", group="hash", since="7.4.0",
        syntax="key seconds:integer [condition:(NX | XX | GT | LT)] FIELDS (numfields:integer field...)",
        summary="Sets the time to live of fields of a hash in seconds.", complexity="O(N) for N fields",
    ),
    native(
        "hexpireat", <size_t> &hexpireat_command, -6, "write fast", keys="RW UPDATE @ 1", group="hash", since="7.4.0",
        syntax=(
            "key unix-time-seconds:integer [condition:(NX | XX | GT | LT)@9.0.0] FIELDS (numfields:integer#0 "
            "field...)"
        ),
        summary="Sets the moment fields of a hash expire at, as a Unix time in seconds.",
        complexity="O(N) for N fields",
    ),
    native(
        "hexpiretime", <size_t> &hexpiretime_command, -5, "readonly fast", keys="RO ACCESS @ 1", group="hash",
        since="7.4.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Returns the moments fields of a hash expire at, as Unix times in seconds.",
        complexity="O(N) for N fields",
    ),
    native(
        "hget", <size_t> &hget_command, 3, "readonly fast", keys="RO ACCESS @ 1", group="hash", since="2.0.0",
        syntax="key field",
        summary="Returns the value of a field of a hash.", complexity="O(1)",
    ),
    native(
        "hgetall", <size_t> &hgetall_command, 2, "readonly", keys="RO ACCESS @ 1", group="hash", since="2.0.0",
        tips="nondeterministic_output_order",
        syntax="key",
        summary="Returns all fields of a hash and their values.", complexity="O(N) for N fields in the hash",
    ),
    native(
        "hgetdel", <size_t> &hgetdel_command, -5, "write fast", keys="RW ACCESS DELETE @ 1", group="hash",
        since="8.0.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Returns the values of fields of a hash and deletes the fields.", complexity="O(N) for N fields",
    ),
    native(
        "hgetex", <size_t> &hgetex_command, -5, "write fast", keys="RW ACCESS UPDATE @ 1", group="hash",
        since="8.0.0",
        syntax=(
            "key [expiration:(EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | "
            "PXAT unix-time-milliseconds:unix-time | PERSIST)] FIELDS (numfields:integer#0 field...)"
        ),
        summary="Returns the values of fields of a hash and sets, changes or removes their expiry.",
        complexity="O(N) for N fields",
    ),
    native(
        "hincrby", <size_t> &hincrby_command, 4, "write denyoom fast", keys="RW ACCESS UPDATE @ 1", group="hash",
        since="2.0.0",
        syntax="key field increment:integer",
        summary="Adds a number to the integer in a field of a hash, 0 if there is none.", complexity="O(1)",
    ),
    native(
        "hincrbyfloat", <size_t> &hincrbyfloat_command, 4, "write denyoom fast", keys="RW ACCESS UPDATE @ 1",
        group="hash", since="2.6.0",
        syntax="key field increment:double",
        summary="Adds a floating-point number to the one in a field of a hash, 0 if there is none.",
        complexity="O(1)",
    ),
    native(
        "hkeys", <size_t> &hkeys_command, 2, "readonly", keys="RO ACCESS @ 1", group="hash", since="2.0.0",
        tips="nondeterministic_output_order",
        syntax="key",
        summary="Returns the names of all fields of a hash.", complexity="O(N) for N fields in the hash",
    ),
    native(
        "hlen", <size_t> &hlen_command, 2, "readonly fast", keys="RO @ 1", group="hash", since="2.0.0",
        syntax="key",
        summary="Counts the fields of a hash.", complexity="O(1)",
    ),
    native(
        "hmget", <size_t> &hmget_command, -3, "readonly fast", keys="RO ACCESS @ 1", group="hash", since="2.0.0",
        syntax="key field...",
        summary="Returns the values of several fields of a hash.", complexity="O(N) for N fields",
    ),
    native(
        "hmset", <size_t> &hmset_command, -4, "write denyoom fast", keys="RW UPDATE @ 1", group="hash", since="2.0.0",
        deprecated=("4.0.0", "`HSET` with several fields"),
        syntax="key data:(field value)...",
        summary="Sets several fields of a hash.", complexity="O(N) for N fields",
    ),
    native(
        "hpersist", <size_t> &hpersist_command, -5, "write fast", keys="RW UPDATE @ 1", group="hash", since="7.4.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Removes the expiry of fields of a hash.", complexity="O(N) for N fields",
    ),
    native(
        "hpexpire", <size_t> &hpexpire_command, -6, "write fast", keys="RW UPDATE @ 1", group="hash", since="7.4.0",
        syntax="key milliseconds:integer [condition:(NX | XX | GT | LT)@9.0.0] FIELDS (numfields:integer#0 field...)",
        summary="Sets the time to live of fields of a hash in milliseconds.", complexity="O(N) for N fields",
    ),
    native(
        "hpexpireat", <size_t> &hpexpireat_command, -6, "write fast", keys="RW UPDATE @ 1", group="hash",
        since="7.4.0",
        syntax=(
            "key unix-time-milliseconds:integer [condition:(NX | XX | GT | LT)@9.0.0] FIELDS (numfields:integer#0 "
            "field...)"
        ),
        summary="Sets the moment fields of a hash expire at, as a Unix time in milliseconds.",
        complexity="O(N) for N fields",
    ),
    native(
        "hpexpiretime", <size_t> &hpexpiretime_command, -5, "readonly fast", keys="RO ACCESS @ 1", group="hash",
        since="7.4.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Returns the moments fields of a hash expire at, as Unix times in milliseconds.",
        complexity="O(N) for N fields",
    ),
    native(
        "hpttl", <size_t> &hpttl_command, -5, "readonly fast", keys="RO ACCESS @ 1", group="hash", since="7.4.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Returns the time to live of fields of a hash in milliseconds.", complexity="O(N) for N fields",
    ),
    native(
        "hrandfield", <size_t> &hrandfield_command, -2, "readonly", keys="RO ACCESS @ 1", group="hash", since="6.2.0",
        tips="nondeterministic_output",
        syntax="key [options:(count:integer [WITHVALUES])]",
        summary="Returns fields picked at random from a hash, on request with their values.",
        complexity="O(N) for N fields returned",
    ),
    native(
        "hscan", <size_t> &hscan_command, -3, "readonly", keys="RO ACCESS @ 1", group="hash", since="2.8.0",
        tips="nondeterministic_output",
        syntax="key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES]",
        summary="Goes through the fields of a hash in steps.",
        complexity="O(1) a step, O(N) for the whole of N fields",
    ),
    native(
        "hset", <size_t> &hset_command, -4, "write denyoom fast", keys="RW UPDATE @ 1", group="hash", since="2.0.0",
        syntax="key data:(field value)...",
        summary="Sets fields of a hash, which is created if need be.", complexity="O(N) for N fields",
    ),
    native(
        "hsetex", <size_t> &hsetex_command, -6, "write denyoom fast", keys="RW INSERT @ 1", group="hash",
        since="8.0.0",
        syntax=(
            "key [key-condition:(NX | XX)] [fields-condition:(FNX | FXX)] [expiration:(EX seconds:integer | PX "
            "milliseconds:integer | EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
            "KEEPTTL)] FIELDS (numfields:integer#0 data:(field value)...)"
        ),
        summary="Sets fields of a hash under a condition, with one expiry for all.", complexity="O(N) for N fields",
    ),
    native(
        "hsetnx", <size_t> &hsetnx_command, 4, "write denyoom fast", keys="RW INSERT @ 1", group="hash",
        since="2.0.0",
        syntax="key field value",
        summary="Sets a field of a hash that does not exist.", complexity="O(1)",
    ),
    native(
        "hstrlen", <size_t> &hstrlen_command, 3, "readonly fast", keys="RO @ 1", group="hash", since="3.2.0",
        syntax="key field",
        summary="Returns the length of the value of a field of a hash.", complexity="O(1)",
    ),
    native(
        "httl", <size_t> &httl_command, -5, "readonly fast", keys="RO ACCESS @ 1", group="hash", since="7.4.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Returns the time to live of fields of a hash in seconds.", complexity="O(N) for N fields",
    ),
    native(
        "hvals", <size_t> &hvals_command, 2, "readonly", keys="RO ACCESS @ 1", group="hash", since="2.0.0",
        tips="nondeterministic_output_order",
        syntax="key",
        summary="Returns all values of a hash.", complexity="O(N) for N fields in the hash",
    ),
]
