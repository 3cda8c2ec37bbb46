"""Commands on keys whatever they hold, on databases as a whole, and the small ones of a connection; and their rows.

Nothing here knows what a value looks like: entries are found, renamed, copied and removed by the keyspace.
"""
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, strlen
from redislite._core.base.clock cimport clock_wall_ns
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, argument_range_or_reply, reply_out_of_memory, reply_syntax_error,
)
from redislite._core.handlers.scanning cimport (
    SCAN_OF_KEYS, Collected, ScanOptions, reply_scan_cursor, scan_cursor_or_reply, scan_dict, scan_matches,
    scan_options_or_reply, scan_release,
)
from redislite._core.keyspace.key_table cimport (
    key_hash, keys_count, keys_iterate_begin, keys_random, keys_scan, keys_table,
)
from redislite._core.keyspace.discard cimport release_entry
from redislite._core.keyspace.entry cimport (
    ENCODING_INT, NO_EXPIRE, TYPE_MODULE, Entry, entry_deadline, entry_encoding, entry_encoding_name, entry_expires,
    entry_integer, entry_key, entry_type, entry_type_name, type_name,
)
from redislite._core.keyspace.eviction cimport POLICY_RECENCY
from redislite._core.keyspace.expiry cimport expire_fields
from redislite._core.keyspace.keyspace cimport (
    KEYS_AHEAD, access_frequency, argument_hash, copy_key, delete_key, flush_databases, idle_seconds, key_changed,
    keyspace_find, lookup_read, lookup_untouched, lookup_write, move_key, note_miss, notify, notify_argument,
    notify_deleted, notify_past_deadline, prefetch_keys, announce, rename_key, set_deadline, swap_databases, take_entry,
    touch_entry,
)
from redislite._core.keyspace.propagate cimport (
    propagate_always, propagate_arguments, propagate_begin, propagate_deletion, propagate_integer, propagate_nothing,
    propagate_text,
)
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_bulk_integer, reply_deferred_begin, reply_deferred_end, reply_error, reply_integer,
    reply_null, reply_ok, reply_raw, reply_simple,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core, Database, random_next
from redislite._core.state.expiry_state cimport deadline_removes, is_expired
from redislite._core.state.flags cimport (
    CLIENT_DENY_BLOCKING, CLIENT_IN_EXEC, CLIENT_NO_TOUCH, CLIENT_SCRIPT, GATE_SUBSCRIBER, NOTIFY_EXPIRED,
    NOTIFY_GENERIC, REPLAY_ASTRAY,
)
from redislite._core.structures.dict cimport DictIterator, dict_iterate_end, dict_iterate_next
from redislite._core.text.glob cimport glob_match
from redislite._core.text.numbers cimport parse_int64
from redislite._core.values.module_value cimport MODULE_NAME_ROOM, module_name_is_possible

from redislite._core.commands.row import container, native

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char* text, size_t length) noexcept

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char* one, const char* other, size_t length) noexcept

cdef enum:
    ONLY_WITHOUT_DEADLINE = 1   # NX
    ONLY_WITH_DEADLINE = 2      # XX
    ONLY_LATER = 4              # GT
    ONLY_EARLIER = 8            # LT

cdef enum:
    TYPES_COUNT = 6             # types with a name of their own
    RANDOM_TRIES = 100          # expired keys that RANDOMKEY meets before it goes through them one by one
    OPTION_SHOWN_MAX = 1024     # bytes of an unknown option that an error shows
    SHARED_INTEGERS = 10000     # the original shares the objects of numbers below


cdef bint is_database_or_reply(Core* core, Client* client, int64_t number) noexcept nogil:
    """Whether there is a database with this number; that there is not has been answered."""
    if 0 <= number < core.databases_count:
        return 1
    if core.replaying:
        core.replaying = REPLAY_ASTRAY
    reply_error(&client.reply, "ERR DB index is out of range")
    return 0


cdef inline Database* database_or_reply(Core* core, Client* client, int index) noexcept nogil:
    """The database that argument index is the number of; NULL where there is none, which has been answered."""
    cdef int64_t number
    if not argument_range_or_reply(client, index, INT32_MIN, INT32_MAX, &number,
                                   "ERR value is out of range, value must between -2147483648 and 2147483647"):
        return NULL
    return core.databases[number] if is_database_or_reply(core, client, number) else NULL


cdef inline void changed(Core* core, Client* client, int index) noexcept nogil:
    key_changed(core, client.database, client.argv[index].data, client.argv[index].length)


# Deleting and counting

cdef inline bint remove(Core* core, Client* client, int index, uint64_t hash, bint lazy) noexcept nogil:
    """Deletes the key of argument index in one look at the table; 0 where it was not there, or had expired."""
    cdef Argument* key = &client.argv[index]
    cdef Entry* entry = take_entry(core, client.database, key.data, key.length, hash)
    cdef bint expired
    if entry == NULL:
        return 0
    expired = entry_expires(entry) and is_expired(core, entry_deadline(entry))
    if expired:
        core.statistics.expired_keys += 1
        lazy = core.settings.lazy_expire != 0
    release_entry(core, entry, lazy)
    changed(core, client, index)
    if expired:
        notify_argument(core, client, index, NOTIFY_EXPIRED, "expired")
    else:
        notify_deleted(core, client, index)
    return not expired


cdef void remove_all(Core* core, Client* client, bint lazy) noexcept nogil:
    cdef uint64_t hashes[KEYS_AHEAD]
    cdef int first = 1
    cdef int count, i
    cdef int64_t removed = 0
    if client.argc == 2:
        reply_integer(&client.reply, remove(core, client, 1, argument_hash(client, 1), lazy))
        return
    while first < client.argc:
        count = client.argc - first if client.argc - first < KEYS_AHEAD else KEYS_AHEAD
        prefetch_keys(client, first, 1, count, hashes)
        for i in range(count):
            removed += remove(core, client, first + i, hashes[i], lazy)
        first += count
    reply_integer(&client.reply, removed)


cdef void del_command(Core* core, Client* client) noexcept nogil:
    remove_all(core, client, core.settings.lazy_user_delete != 0)


cdef void unlink_command(Core* core, Client* client) noexcept nogil:
    remove_all(core, client, 1)


cdef inline int64_t count_existing(Core* core, Client* client, bint touch) noexcept nogil:
    cdef uint64_t hashes[KEYS_AHEAD]
    cdef int first = 1
    cdef int count, i
    cdef int64_t existing = 0
    cdef Argument* key
    cdef Entry** slot
    while first < client.argc:
        count = client.argc - first if client.argc - first < KEYS_AHEAD else KEYS_AHEAD
        if client.argc == 2:
            hashes[0] = argument_hash(client, 1)
        else:
            prefetch_keys(client, first, 1, count, hashes)
        for i in range(count):
            key = &client.argv[first + i]
            slot = keyspace_find(core, client.database, key.data, key.length, hashes[i])
            if slot == NULL:
                note_miss(core, client.database, key.data, key.length)
                continue
            core.statistics.keyspace_hits += 1
            existing += 1
            if touch:
                touch_entry(core, client, slot[0])
        first += count
    return existing


cdef void exists_command(Core* core, Client* client) noexcept nogil:
    reply_integer(&client.reply, count_existing(core, client, 0))


cdef void touch_command(Core* core, Client* client) noexcept nogil:
    # The one command by which a client that asked for NO-TOUCH still touches keys.
    cdef uint64_t no_touch = client.flags & CLIENT_NO_TOUCH
    client.flags &= ~no_touch
    reply_integer(&client.reply, count_existing(core, client, 1))
    client.flags |= no_touch


cdef void type_command(Core* core, Client* client) noexcept nogil:
    cdef char name[MODULE_NAME_ROOM]
    cdef Entry* entry = lookup_untouched(core, client, 1)
    if entry == NULL:
        reply_simple(&client.reply, "none")
    else:
        reply_simple(&client.reply, entry_type_name(entry, name))


# Expiry

cdef bint expire_conditions_or_reply(Client* client, int* conditions) noexcept nogil:
    """Reads the options from argument 3 on."""
    cdef char text[OPTION_SHOWN_MAX + 32]
    cdef Argument* option
    cdef size_t shown
    cdef int i
    conditions[0] = 0
    for i in range(3, client.argc):
        option = &client.argv[i]
        if argument_is(option, "NX"):
            conditions[0] |= ONLY_WITHOUT_DEADLINE
        elif argument_is(option, "XX"):
            conditions[0] |= ONLY_WITH_DEADLINE
        elif argument_is(option, "GT"):
            conditions[0] |= ONLY_LATER
        elif argument_is(option, "LT"):
            conditions[0] |= ONLY_EARLIER
        else:
            shown = strnlen(option.data, option.length if option.length < OPTION_SHOWN_MAX else OPTION_SHOWN_MAX)
            while shown and (option.data[shown - 1] == c'\r' or option.data[shown - 1] == c'\n'):
                shown -= 1
            snprintf(text, sizeof(text), "ERR Unsupported option %.*s", <int> shown, option.data)
            reply_error(&client.reply, text)
            return 0
    if conditions[0] & ONLY_WITHOUT_DEADLINE and conditions[0] != ONLY_WITHOUT_DEADLINE:
        reply_error(&client.reply, "ERR NX and XX, GT or LT options at the same time are not compatible")
        return 0
    if conditions[0] & ONLY_LATER and conditions[0] & ONLY_EARLIER:
        reply_error(&client.reply, "ERR GT and LT options at the same time are not compatible")
        return 0
    return 1


cdef inline bint deadline_allowed(int conditions, int64_t current, int64_t deadline_ms) noexcept nogil:
    """Whether the deadline may take the current one's place. No deadline counts as the latest of all."""
    if conditions & ONLY_WITHOUT_DEADLINE:
        return current == NO_EXPIRE
    if conditions & ONLY_WITH_DEADLINE and current == NO_EXPIRE:
        return 0
    if conditions & ONLY_LATER:
        return current != NO_EXPIRE and deadline_ms > current
    if conditions & ONLY_EARLIER:
        return current == NO_EXPIRE or deadline_ms < current
    return 1


cdef void propagate_expiry(Core* core, Client* client, int64_t deadline_ms) noexcept nogil:
    """What EXPIRE and its kin have done: an absolute deadline, or a deletion. Conditions go along."""
    if deadline_removes(core, deadline_ms):
        propagate_deletion(core, client.database, client.argv[1].data, client.argv[1].length,
                           core.settings.lazy_expire != 0)
    else:
        propagate_begin(core, client.database, client.argc)
        propagate_text(core, "PEXPIREAT")
        propagate_arguments(core, client, 1, 2)
        propagate_integer(core, deadline_ms)
        propagate_arguments(core, client, 3, client.argc)
    propagate_nothing(core)


cdef inline void expire(Core* core, Client* client, int64_t base_ms, bint seconds) noexcept nogil:
    """Sets the key's deadline to argument 2, counted from base_ms. A deadline that is not ahead deletes the key."""
    cdef char text[128]
    cdef Argument* key = &client.argv[1]
    cdef int conditions = 0
    cdef int64_t deadline_ms
    cdef Entry** slot
    cdef uint64_t hash
    if client.argc > 3 and not expire_conditions_or_reply(client, &conditions):
        return
    if not argument_integer_or_reply(client, 2, &deadline_ms):
        return
    if (seconds and not INT64_MIN // 1000 <= deadline_ms <= INT64_MAX // 1000) or \
            deadline_ms * (1000 if seconds else 1) > INT64_MAX - base_ms:
        snprintf(text, sizeof(text), "ERR invalid expire time in '%s' command", client.command.own_name)
        reply_error(&client.reply, text)
        return
    if seconds:
        deadline_ms *= 1000
    deadline_ms += base_ms
    slot = lookup_write(core, client, 1)
    if slot == NULL or (conditions and not deadline_allowed(conditions, entry_deadline(slot[0]), deadline_ms)):
        reply_integer(&client.reply, 0)
        return
    hash = argument_hash(client, 1)
    if deadline_removes(core, deadline_ms):
        delete_key(core, client.database, key.data, key.length, hash, core.settings.lazy_expire != 0)
    elif set_deadline(core, client.database, slot, hash, deadline_ms) != 0:
        reply_out_of_memory(client)
        return
    changed(core, client, 1)
    if deadline_removes(core, deadline_ms):
        notify_past_deadline(core, client, 1)
    else:
        notify_argument(core, client, 1, NOTIFY_GENERIC, "expire")
    if core.propagation:
        propagate_expiry(core, client, deadline_ms)
    reply_integer(&client.reply, 1)


cdef void expire_command(Core* core, Client* client) noexcept nogil:
    expire(core, client, core.now_ms, 1)


cdef void pexpire_command(Core* core, Client* client) noexcept nogil:
    expire(core, client, core.now_ms, 0)


cdef void expireat_command(Core* core, Client* client) noexcept nogil:
    expire(core, client, 0, 1)


cdef void pexpireat_command(Core* core, Client* client) noexcept nogil:
    expire(core, client, 0, 0)


cdef inline void reply_deadline(Core* core, Client* client, int64_t base_ms, bint seconds) noexcept nogil:
    """Answers the key's deadline, counted from base_ms; -1 for none, -2 for no key. Seconds are rounded."""
    cdef Entry* entry = lookup_untouched(core, client, 1)
    cdef int64_t time_ms
    if entry == NULL:
        reply_integer(&client.reply, -2)
        return
    time_ms = entry_deadline(entry)
    if time_ms == NO_EXPIRE:
        reply_integer(&client.reply, -1)
        return
    time_ms -= base_ms
    if time_ms < 0:
        time_ms = 0
    if seconds:
        time_ms = time_ms // 1000 + (time_ms % 1000 >= 500)
    reply_integer(&client.reply, time_ms)


cdef void ttl_command(Core* core, Client* client) noexcept nogil:
    reply_deadline(core, client, core.now_ms, 1)


cdef void pttl_command(Core* core, Client* client) noexcept nogil:
    reply_deadline(core, client, core.now_ms, 0)


cdef void expiretime_command(Core* core, Client* client) noexcept nogil:
    reply_deadline(core, client, 0, 1)


cdef void pexpiretime_command(Core* core, Client* client) noexcept nogil:
    reply_deadline(core, client, 0, 0)


cdef void persist_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    if slot == NULL or not entry_expires(slot[0]):
        reply_integer(&client.reply, 0)
    elif set_deadline(core, client.database, slot, argument_hash(client, 1), NO_EXPIRE) != 0:
        reply_out_of_memory(client)
    else:
        changed(core, client, 1)
        notify_argument(core, client, 1, NOTIFY_GENERIC, "persist")
        reply_integer(&client.reply, 1)


# Other names, other databases

cdef inline bint same_text(const Argument* one, const Argument* other) noexcept nogil:
    return one.length == other.length and memcmp(one.data, other.data, one.length) == 0


cdef bint rename_or_reply(Core* core, Client* client, bint only_free, bint* renamed) noexcept nogil:
    """Gives the key of argument 1 the name of argument 2. only_free: not where another key has it."""
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Entry** target
    cdef Entry* entry
    renamed[0] = 0
    if slot == NULL:
        reply_error(&client.reply, "ERR no such key")
        return 0
    entry = slot[0]
    if same_text(&client.argv[1], &client.argv[2]):
        return 1
    # This may remove an expired target, so the slot is no good any more.
    target = lookup_write(core, client, 2)
    if target != NULL and only_free:
        return 1
    if rename_key(core, client.database, entry, argument_hash(client, 1), target, &client.argv[2],
                  argument_hash(client, 2)) != 0:
        reply_out_of_memory(client)
        return 0
    announce(core, client.database, client.argv[1].data, client.argv[1].length)
    changed(core, client, 2)
    notify_argument(core, client, 1, NOTIFY_GENERIC, "rename_from")
    notify_argument(core, client, 2, NOTIFY_GENERIC, "rename_to")
    renamed[0] = 1
    return 1


cdef void rename_command(Core* core, Client* client) noexcept nogil:
    cdef bint renamed
    if rename_or_reply(core, client, 0, &renamed):
        reply_ok(&client.reply)


cdef void renamenx_command(Core* core, Client* client) noexcept nogil:
    cdef bint renamed
    if rename_or_reply(core, client, 1, &renamed):
        reply_integer(&client.reply, renamed)


cdef void copy_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* name = &client.argv[2]
    cdef Database* database = client.database
    cdef uint64_t hash
    cdef bint replace = 0
    cdef int i = 3
    cdef Entry* entry
    cdef Entry** target
    while i < client.argc:
        if argument_is(&client.argv[i], "REPLACE"):
            replace = 1
        elif argument_is(&client.argv[i], "DB") and i + 1 < client.argc:
            i += 1
            database = database_or_reply(core, client, i)
            if database == NULL:
                return
        else:
            reply_syntax_error(client)
            return
        i += 1
    if database == client.database and same_text(&client.argv[1], name):
        reply_error(&client.reply, "ERR source and destination objects are the same")
        return
    entry = lookup_read(core, client, 1)
    # What has expired is not to be copied, and elsewhere it would not be known as expired.
    if entry == NULL or not expire_fields(core, client.database, entry):
        reply_integer(&client.reply, 0)
        return
    hash = argument_hash(client, 2)
    target = keyspace_find(core, database, name.data, name.length, hash)
    if target != NULL and not replace:
        reply_integer(&client.reply, 0)
        return
    if copy_key(core, entry, database, target, name, hash) != 0:
        reply_out_of_memory(client)
        return
    key_changed(core, database, name.data, name.length)
    notify(core, database, NOTIFY_GENERIC, "copy_to", name.data, name.length)
    reply_integer(&client.reply, 1)


cdef void move_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* key = &client.argv[1]
    cdef Database* database = database_or_reply(core, client, 2)
    cdef uint64_t hash
    cdef Entry** slot
    if database == NULL:
        return
    if database == client.database:
        reply_error(&client.reply, "ERR source and destination objects are the same")
        return
    slot = lookup_write(core, client, 1)
    hash = argument_hash(client, 1)
    if slot == NULL or keyspace_find(core, database, key.data, key.length, hash) != NULL:
        reply_integer(&client.reply, 0)
        return
    if move_key(core, client.database, slot[0], hash, database) != 0:
        reply_out_of_memory(client)
        return
    announce(core, client.database, key.data, key.length)
    key_changed(core, database, key.data, key.length)
    notify_argument(core, client, 1, NOTIFY_GENERIC, "move_from")
    notify(core, database, NOTIFY_GENERIC, "move_to", key.data, key.length)
    reply_integer(&client.reply, 1)


# Going through the keys

cdef struct LiveKey:
    Core* core
    Entry* entry                # NULL: none yet
    uint64_t seen


cdef void look_for_live(void* argument, void* entry) noexcept nogil:
    """Takes one of the keys whose time is not up, each with the same probability."""
    cdef LiveKey* live = <LiveKey*> argument
    if not is_expired(live.core, entry_deadline(<Entry*> entry)):
        live.seen += 1
        if random_next(&live.core.random) % live.seen == 0:
            live.entry = <Entry*> entry


cdef Entry* live_key_near(Core* core, Database* database, uint64_t cursor) noexcept nogil:
    """A key whose time is not up, the next one from some place on; NULL where there is none."""
    cdef LiveKey live
    cdef bint again = 1
    live.core = core
    live.entry = NULL
    live.seen = 0
    while live.entry == NULL:
        cursor = keys_scan(database, cursor, look_for_live, &live)
        if cursor == 0:
            if not again:
                break
            again = 0
    return live.entry


cdef void randomkey_command(Core* core, Client* client) noexcept nogil:
    cdef Database* database = client.database
    cdef Entry* entry
    cdef Entry* live
    cdef int tries = 0
    cdef size_t length, size
    cdef char* key
    while True:
        size = keys_count(database)
        entry = keys_random(database, &core.random)
        if entry == NULL or not entry_expires(entry):
            break
        # Finding removes it where it has expired, unless that is held back.
        key = entry_key(entry, &length)
        if keyspace_find(core, database, key, length, key_hash(database, key, length)) != NULL:
            break
        tries += 1
        if tries < RANDOM_TRIES:
            continue
        # Most have expired: no more luck, and no more work than going through all.
        if keys_count(database) < size:
            entry = NULL
        # Where they stay, one whose time is up is better than none, as the original has it.
        live = live_key_near(core, database, random_next(&core.random))
        if live != NULL:
            entry = live
        break
    if entry == NULL:
        reply_null(&client.reply)
        return
    key = entry_key(entry, &length)
    reply_bulk(&client.reply, key, length)


cdef inline bint matches_all(const Argument* pattern) noexcept nogil:
    return pattern.length == 1 and pattern.data[0] == c'*'


cdef void keys_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* pattern = &client.argv[1]
    cdef bint all_keys = matches_all(pattern)
    cdef int64_t count = 0
    cdef DictIterator position
    cdef Entry* entry
    cdef size_t length
    cdef char* key
    cdef Chunk* place = reply_deferred_begin(&client.reply)
    keys_iterate_begin(&position, client.database)
    entry = <Entry*> dict_iterate_next(&position)
    while entry != NULL:
        key = entry_key(entry, &length)
        if (all_keys or glob_match(pattern.data, pattern.length, key, length, 0)) and \
                not is_expired(core, entry_deadline(entry)):
            reply_bulk(&client.reply, key, length)
            count += 1
        entry = <Entry*> dict_iterate_next(&position)
    dict_iterate_end(&position)
    reply_deferred_end(&client.reply, place, c'*', count)


cdef int type_number(const Argument* name) noexcept nogil:
    """The type of this name, in any letter case; -1 for none. Whatever may be the name of a module's type is
    TYPE_MODULE."""
    cdef int type
    for type in range(TYPES_COUNT):
        if strlen(type_name(type)) == name.length and strncasecmp(type_name(type), name.data, name.length) == 0:
            return type
    return TYPE_MODULE if module_name_is_possible(name.data, name.length) else -1


cdef inline bint is_of_type(const Entry* entry, int type, const Argument* name) noexcept nogil:
    """Whether the entry is of the type that type_number answered for the name."""
    cdef char buffer[MODULE_NAME_ROOM]
    return entry_type(entry) == type and (
        type != TYPE_MODULE or strncasecmp(entry_type_name(entry, buffer), name.data, name.length) == 0)


cdef size_t keep_matching(Core* core, Database* database, Collected* found, const ScanOptions* options) noexcept nogil:
    """Leaves those entries that match, in order, and removes expired keys among them. Answers how many are left."""
    cdef int wanted = type_number(options.type) if options.type != NULL else -1
    cdef bint other
    cdef size_t kept = 0
    cdef size_t i, length
    cdef Entry* entry
    cdef char* key
    for i in range(found.count):
        entry = <Entry*> found.entries[i]
        key = entry_key(entry, &length)
        if not scan_matches(options, key, length):
            continue
        # Of another type, an expired key is left alone, or not.
        other = options.type != NULL and not is_of_type(entry, wanted, options.type)
        if other and not core.settings.scan_expires_all_types:
            continue
        if entry_expires(entry) and \
                keyspace_find(core, database, key, length, key_hash(database, key, length)) == NULL:
            continue
        if other:
            continue
        found.entries[kept] = entry
        kept += 1
    return kept


cdef void scan_command(Core* core, Client* client) noexcept nogil:
    cdef ScanOptions options
    cdef Collected found
    cdef size_t kept, length, i
    cdef char* key
    cdef char text[160]
    if not scan_cursor_or_reply(client, 1, &options.cursor) or \
            not scan_options_or_reply(client, 2, SCAN_OF_KEYS, &options):
        return
    if options.type != NULL and type_number(options.type) < 0 and core.settings.scan_refuses_types:
        snprintf(text, sizeof(text), "ERR unknown type name '%.*s'",
                 <int> (options.type.length if options.type.length < 128 else 128), options.type.data)
        reply_error(&client.reply, text)
        return
    scan_dict(core.heap, keys_table(client.database), &options, &found)
    if found.starved:
        reply_out_of_memory(client)
    else:
        kept = keep_matching(core, client.database, &found, &options)
        reply_scan_cursor(client, options.cursor)
        reply_array(&client.reply, <int64_t> kept)
        for i in range(kept):
            key = entry_key(<Entry*> found.entries[i], &length)
            reply_bulk(&client.reply, key, length)
    scan_release(&found)


# What is known of a value

cdef inline Entry* object_or_reply(Core* core, Client* client) noexcept nogil:
    """The entry of argument 2. Looking for it is no use of the key: nobody is told where it is not there."""
    cdef Argument* key = &client.argv[2]
    cdef Entry** slot = keyspace_find(core, client.database, key.data, key.length, argument_hash(client, 2))
    if slot == NULL:
        core.statistics.keyspace_misses += 1
        reply_null(&client.reply)
        return NULL
    core.statistics.keyspace_hits += 1
    return slot[0]


cdef void object_encoding_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = object_or_reply(core, client)
    cdef const char* name
    if entry != NULL:
        name = entry_encoding_name(entry, core.settings.names_timed_listpack != 0)
        reply_bulk(&client.reply, name, strlen(name))


cdef void object_freq_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = object_or_reply(core, client)
    if entry == NULL:
        return
    if not core.settings.lfu:
        reply_error(&client.reply, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                    "Please note that when switching between policies at runtime LRU and LFU data will take some time "
                    "to adjust.")
        return
    reply_integer(&client.reply, access_frequency(core, entry))


cdef void object_idletime_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = object_or_reply(core, client)
    if entry == NULL:
        return
    if core.settings.lfu:
        reply_error(&client.reply, "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that "
                    "when switching between policies at runtime LRU and LFU data will take some time to adjust.")
        return
    reply_integer(&client.reply, idle_seconds(core, entry))


cdef void object_refcount_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = object_or_reply(core, client)
    cdef bint shared
    if entry == NULL:
        return
    # No value is shared here; the original's answer for its small numbers, which it shares unless each needs access
    # bits of its own.
    shared = entry_encoding(entry) == ENCODING_INT and 0 <= entry_integer(entry) < SHARED_INTEGERS \
        and not (core.settings.max_memory > 0 and (core.settings.lfu or core.settings.eviction_policy & POLICY_RECENCY))
    reply_integer(&client.reply, INT32_MAX if shared else 1)


cdef void object_help_command(Core* core, Client* client) noexcept nogil:
    cdef const char* lines[11]
    cdef int i
    lines[0] = "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    lines[1] = "ENCODING <key>"
    lines[2] = "    Name the form that the value of <key> has in memory."
    lines[3] = "FREQ <key>"
    lines[4] = "    Show the counter of accesses to <key>, which grows with their logarithm."
    lines[5] = "IDLETIME <key>"
    lines[6] = "    Show how many seconds ago <key> was last accessed."
    lines[7] = "REFCOUNT <key>"
    lines[8] = "    Count the references to the value of <key>."
    lines[9] = "HELP"
    lines[10] = "    Show this text."
    reply_array(&client.reply, 11)
    for i in range(11):
        reply_simple(&client.reply, lines[i])


# Databases

cdef void dbsize_command(Core* core, Client* client) noexcept nogil:
    reply_integer(&client.reply, <int64_t> keys_count(client.database))


cdef bint flush_mode_or_reply(Core* core, Client* client, bint* lazy) noexcept nogil:
    lazy[0] = core.settings.lazy_user_flush != 0
    if client.argc == 1:
        return 1
    if client.argc == 2 and argument_is(&client.argv[1], "SYNC"):
        lazy[0] = 0
        return 1
    if client.argc == 2 and argument_is(&client.argv[1], "ASYNC"):
        lazy[0] = 1
        return 1
    reply_syntax_error(client)
    return 0


cdef void flush(Core* core, Client* client, int number, bint lazy) noexcept nogil:
    """Empties a database, or all (-1). Outside of transactions and scripts Redis counts any flush as lazy."""
    cdef size_t removed = flush_databases(core, number, lazy)
    if not lazy and core.settings.flush_is_lazy and not client.flags & CLIENT_DENY_BLOCKING:
        core.statistics.lazily_freed += <int64_t> removed


cdef void flushdb_command(Core* core, Client* client) noexcept nogil:
    cdef bint lazy
    if flush_mode_or_reply(core, client, &lazy):
        flush(core, client, client.database.id, lazy)
        if core.propagation:
            propagate_always(core, client)
        reply_ok(&client.reply)


cdef void flushall_command(Core* core, Client* client) noexcept nogil:
    cdef bint lazy
    if flush_mode_or_reply(core, client, &lazy):
        flush(core, client, -1, lazy)
        if core.propagation:
            propagate_always(core, client)
        core.upcalls.flushed(core)
        reply_ok(&client.reply)


cdef bint swap_index_or_reply(Client* client, int index, const char* error, int64_t* number) noexcept nogil:
    if not parse_int64(client.argv[index].data, client.argv[index].length, number) or \
            not INT32_MIN <= number[0] <= INT32_MAX:
        reply_error(&client.reply, error)
        return 0
    return 1


cdef void swapdb_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t first, second
    if not swap_index_or_reply(client, 1, "ERR invalid first DB index", &first) or \
            not swap_index_or_reply(client, 2, "ERR invalid second DB index", &second):
        return
    if not is_database_or_reply(core, client, first) or not is_database_or_reply(core, client, second):
        return
    swap_databases(core, core.databases[first], core.databases[second])
    core.dirty += 1
    reply_ok(&client.reply)


# The connection

cdef void select_command(Core* core, Client* client) noexcept nogil:
    cdef Database* database = database_or_reply(core, client, 1)
    if database != NULL:
        client.database = database
        reply_ok(&client.reply)


cdef void ping_command(Core* core, Client* client) noexcept nogil:
    if client.argc > 2:
        reply_error(&client.reply, "ERR wrong number of arguments for 'ping' command")
    elif client.gate & GATE_SUBSCRIBER:
        # Subscribers under RESP2 tell messages and replies apart by this form.
        reply_array(&client.reply, 2)
        reply_bulk(&client.reply, "pong", 4)
        if client.argc == 1:
            reply_bulk(&client.reply, "", 0)
        else:
            reply_bulk(&client.reply, client.argv[1].data, client.argv[1].length)
    elif client.argc == 1:
        reply_raw(&client.reply, "+PONG\r\n", 7)
    else:
        reply_bulk(&client.reply, client.argv[1].data, client.argv[1].length)


cdef void echo_command(Core* core, Client* client) noexcept nogil:
    reply_bulk(&client.reply, client.argv[1].data, client.argv[1].length)


cdef void time_command(Core* core, Client* client) noexcept nogil:
    # The one command that wants more than milliseconds: within the one that all commands see, and within a unit of
    # execution the same again.
    cdef int64_t now_us = core.time_us
    if core.time_renewal != core.renewal_ticks or not (core.nested or client.flags & (CLIENT_IN_EXEC | CLIENT_SCRIPT)):
        now_us = min(clock_wall_ns() // 1000 + core.clock_offset_ms * 1000, core.now_ms * 1000 + 999)
        core.time_us = now_us
        core.time_renewal = core.renewal_ticks
    reply_array(&client.reply, 2)
    reply_bulk_integer(&client.reply, now_us // 1000000)
    reply_bulk_integer(&client.reply, now_us % 1000000)


COMMANDS = [
    native(
        "copy", <size_t> &copy_command, -3, "write denyoom", keys="RO ACCESS @ 1; OW UPDATE @ 2", group="generic",
        since="6.2.0",
        syntax="source:key destination:key#1 [DB destination-db:integer] [REPLACE]",
        summary="Copies a key and its value to another key.",
        complexity="O(N) for N nested elements, O(1) for a string",
    ),
    native(
        "del", <size_t> &del_command, -2, "write", keys="RM DELETE @ 1 last=-1", group="generic", since="1.0.0",
        tips="request_policy:multi_shard response_policy:agg_sum",
        syntax="key...",
        summary="Deletes keys.",
        complexity="O(N) for N keys, and for a collection among them O(M) for its M elements",
    ),
    native(
        "exists", <size_t> &exists_command, -2, "readonly fast", keys="RO @ 1 last=-1", group="generic",
        since="1.0.0", tips="request_policy:multi_shard response_policy:agg_sum",
        syntax="key...",
        summary="Counts how many of the keys exist.", complexity="O(N) for N keys",
    ),
    native(
        "expire", <size_t> &expire_command, -3, "write fast", keys="RW UPDATE @ 1", group="generic", since="1.0.0",
        syntax="key seconds:integer [condition:(NX | XX | GT | LT)@7.0.0]",
        summary="Sets the time to live of a key in seconds.", complexity="O(1)",
    ),
    native(
        "expireat", <size_t> &expireat_command, -3, "write fast", keys="RW UPDATE @ 1", group="generic",
        since="1.2.0",
        syntax="key unix-time-seconds:unix-time [condition:(NX | XX | GT | LT)@7.0.0]",
        summary="Sets the moment a key expires at, as a Unix time in seconds.", complexity="O(1)",
    ),
    native(
        "expiretime", <size_t> &expiretime_command, 2, "readonly fast", keys="RO ACCESS @ 1", group="generic",
        since="7.0.0",
        syntax="key",
        summary="Returns the moment a key expires at, as a Unix time in seconds.", complexity="O(1)",
    ),
    native(
        "keys", <size_t> &keys_command, 2, "readonly", group="generic", since="1.0.0",
        acl="+dangerous", tips="request_policy:all_shards nondeterministic_output_order",
        syntax="pattern:pattern",
        summary="Returns the names of all keys that match a pattern.", complexity="O(N) for N keys in the database",
    ),
    native(
        "move", <size_t> &move_command, 3, "write fast", keys="RW ACCESS UPDATE @ 1", group="generic", since="1.0.0",
        syntax="key db:integer",
        summary="Moves a key to another database.", complexity="O(1)",
    ),
    container(
        "object", group="generic", since="2.2.3",
        summary="A container for commands that look inside a key.",
    ),
    native(
        "object|encoding", <size_t> &object_encoding_command, 3, "readonly", keys="RO @ 2", group="generic",
        since="2.2.3", tips="nondeterministic_output",
        syntax="key",
        summary="Returns how the value of a key is represented in memory.", complexity="O(1)",
    ),
    native(
        "object|freq", <size_t> &object_freq_command, 3, "readonly", keys="RO @ 2", group="generic", since="4.0.0",
        tips="nondeterministic_output",
        syntax="key",
        summary="Returns the logarithmic counter of accesses to a key.", complexity="O(1)",
    ),
    native(
        "object|help", <size_t> &object_help_command, 2, "loading stale", group="generic", since="6.2.0",
        summary="Explains the subcommands.", complexity="O(1)",
    ),
    native(
        "object|idletime", <size_t> &object_idletime_command, 3, "readonly", keys="RO @ 2", group="generic",
        since="2.2.3", tips="nondeterministic_output",
        syntax="key",
        summary="Returns the seconds since a key was last accessed.", complexity="O(1)",
    ),
    native(
        "object|refcount", <size_t> &object_refcount_command, 3, "readonly", keys="RO @ 2", group="generic",
        since="2.2.3", tips="nondeterministic_output",
        syntax="key",
        summary="Returns the reference count of the value of a key.", complexity="O(1)",
    ),
    native(
        "persist", <size_t> &persist_command, 2, "write fast", keys="RW UPDATE @ 1", group="generic", since="2.2.0",
        syntax="key",
        summary="Removes the expiry of a key.", complexity="O(1)",
    ),
    native(
        "pexpire", <size_t> &pexpire_command, -3, "write fast", keys="RW UPDATE @ 1", group="generic", since="2.6.0",
        syntax="key milliseconds:integer [condition:(NX | XX | GT | LT)@7.0.0]",
        summary="Sets the time to live of a key in milliseconds.", complexity="O(1)",
    ),
    native(
        "pexpireat", <size_t> &pexpireat_command, -3, "write fast", keys="RW UPDATE @ 1", group="generic",
        since="2.6.0",
        syntax="key unix-time-milliseconds:unix-time [condition:(NX | XX | GT | LT)@7.0.0]",
        summary="Sets the moment a key expires at, as a Unix time in milliseconds.", complexity="O(1)",
    ),
    native(
        "pexpiretime", <size_t> &pexpiretime_command, 2, "readonly fast", keys="RO ACCESS @ 1", group="generic",
        since="7.0.0",
        syntax="key",
        summary="Returns the moment a key expires at, as a Unix time in milliseconds.", complexity="O(1)",
    ),
    native(
        "pttl", <size_t> &pttl_command, 2, "readonly fast", keys="RO ACCESS @ 1", group="generic", since="2.6.0",
        tips="nondeterministic_output",
        syntax="key",
        summary="Returns the time to live of a key in milliseconds.", complexity="O(1)",
    ),
    native(
        "randomkey", <size_t> &randomkey_command, 1, "readonly touches_arbitrary_keys", group="generic",
        since="1.0.0", tips="request_policy:all_shards response_policy:special nondeterministic_output",
        summary="Returns the name of a key picked at random.", complexity="O(1)",
    ),
    native(
        "rename", <size_t> &rename_command, 3, "write", keys="RW ACCESS DELETE @ 1; OW UPDATE @ 2", group="generic",
        since="1.0.0",
        syntax="key newkey:key#1",
        summary="Gives a key another name, deleting what had it.",
        complexity="O(1), and the cost of deleting the value overwritten",
    ),
    native(
        "renamenx", <size_t> &renamenx_command, 3, "write fast", keys="RW ACCESS DELETE @ 1; OW INSERT @ 2",
        group="generic", since="1.0.0",
        syntax="key newkey:key#1",
        summary="Gives a key another name that no key has.", complexity="O(1)",
    ),
    native(
        "scan", <size_t> &scan_command, -2, "readonly touches_arbitrary_keys", group="generic", since="2.8.0",
        tips="nondeterministic_output request_policy:special response_policy:special",
        syntax="cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type@6.0.0]",
        summary="Goes through the names of all keys in steps.",
        complexity="O(1) a step, O(N) for the whole of N keys",
    ),
    native(
        "touch", <size_t> &touch_command, -2, "readonly fast", keys="RO @ 1 last=-1", group="generic", since="3.2.1",
        tips="request_policy:multi_shard response_policy:agg_sum",
        syntax="key...",
        summary="Marks keys as accessed now and counts those that exist.", complexity="O(N) for N keys",
    ),
    native(
        "ttl", <size_t> &ttl_command, 2, "readonly fast", keys="RO ACCESS @ 1", group="generic", since="1.0.0",
        tips="nondeterministic_output",
        syntax="key",
        summary="Returns the time to live of a key in seconds.", complexity="O(1)",
    ),
    native(
        "type", <size_t> &type_command, 2, "readonly fast", keys="RO @ 1", group="generic", since="1.0.0",
        syntax="key",
        summary="Returns the type of the value of a key.", complexity="O(1)",
    ),
    native(
        "unlink", <size_t> &unlink_command, -2, "write fast", keys="RM DELETE @ 1 last=-1", group="generic",
        since="4.0.0", tips="request_policy:multi_shard response_policy:agg_sum",
        syntax="key...",
        summary="Deletes keys and frees their memory in the background.",
        complexity="O(1) a key; freeing in the background is O(N) for N allocations",
    ),
    native(
        "dbsize", <size_t> &dbsize_command, 1, "readonly fast", group="server", since="1.0.0",
        acl="+keyspace", tips="request_policy:all_shards response_policy:agg_sum",
        summary="Counts the keys of the database.", complexity="O(1)",
    ),
    native(
        "flushall", <size_t> &flushall_command, -1, "write all_dbs", group="server", since="1.0.0",
        acl="+keyspace +dangerous", tips="request_policy:all_shards response_policy:all_succeeded",
        syntax="[flush-type:(ASYNC@4.0.0 | SYNC@6.2.0)]",
        summary="Deletes all keys of all databases.", complexity="O(N) for N keys, O(1) in the background",
    ),
    native(
        "flushdb", <size_t> &flushdb_command, -1, "write", group="server", since="1.0.0",
        acl="+keyspace +dangerous", tips="request_policy:all_shards response_policy:all_succeeded",
        syntax="[flush-type:(ASYNC@4.0.0 | SYNC@6.2.0)]",
        summary="Deletes all keys of the database.", complexity="O(N) for N keys, O(1) in the background",
    ),
    native(
        "swapdb", <size_t> &swapdb_command, 3, "write fast", group="server", since="4.0.0",
        acl="+keyspace +dangerous",
        syntax="index1:integer index2:integer",
        summary="Exchanges the contents of two databases.",
        complexity="O(N) for N clients that watch or wait for keys in them",
    ),
    native(
        "time", <size_t> &time_command, 1, "loading stale fast", group="server", since="2.6.0",
        tips="nondeterministic_output",
        summary="Returns the server's time.", complexity="O(1)",
    ),
    native(
        "echo", <size_t> &echo_command, 2, "loading stale fast", group="connection", since="1.0.0",
        syntax="message",
        summary="Returns its argument.", complexity="O(1)",
    ),
    native(
        "ping", <size_t> &ping_command, -1, "fast sentinel subscriber", group="connection", since="1.0.0",
        tips="request_policy:all_shards response_policy:all_succeeded",
        syntax="[message]",
        summary="Answers PONG, or its argument.", complexity="O(1)",
    ),
    native(
        "select", <size_t> &select_command, 2, "loading stale fast allow_busy", group="connection", since="1.0.0",
        syntax="index:integer",
        summary="Chooses the database of the connection.", complexity="O(1)",
    ),
]
