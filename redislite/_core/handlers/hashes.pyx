"""Commands on hashes, and their rows.

What a hash looks like is hash_value's business. A field that has expired is invisible here; it goes when it is written
over, or by active expiry, and until then only HLEN counts it. Deadlines are as in Valkey 9.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_zalloc
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, argument_range_or_reply, reply_out_of_memory, reply_syntax_error,
)
from redislite._core.handlers.scanning cimport (
    SCAN_OF_HASH, Collected, ScanOptions, reply_scan_cursor, scan_cursor_or_reply, scan_dict, scan_matches,
    scan_options_or_reply, scan_release,
)
from redislite._core.keyspace.entry cimport ENCODING_HASHTABLE, ENCODING_LISTPACK, Entry
from redislite._core.keyspace.keyspace cimport lookup_read, lookup_write
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_bytes, propagate_integer, propagate_nothing, propagate_text,
)
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_error, reply_integer, reply_is_futile, reply_map, reply_null, reply_ok,
)
from redislite._core.state.core cimport Client, Core, random_next
from redislite._core.state.expiry_state cimport is_expired
from redislite._core.structures.listpack cimport LISTPACK_INTEGER_TEXT
from redislite._core.text.numbers cimport (
    INTEGER_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_int64, format_long_double, parse_int64, parse_long_double,
)
from redislite._core.values.hash_value cimport (
    HASH_KEEP_DEADLINE, HASH_NO_DEADLINE, HashItem, HashIterator, HashTable, HashValue, hash_expect, hash_find,
    hash_item_at, hash_iterate_begin, hash_iterate_end, hash_iterate_next, hash_length, hash_live_length, hash_random,
    hash_remove, hash_some_expired, hash_timed,
)
from redislite._core.commands.row import native
from redislite._core.handlers.hash_key cimport (
    read_hash, is_hash_or_reply, reply_part, part_text, open_hash, hash_changed, put, settle_fields, drop_hash,
    close_hash, finish_hash, propagate_removal, propagate_set,
)

cdef enum:
    PARTS_FIELD = 1             # of a reply on many fields
    PARTS_VALUE = 2

cdef enum:
    SAMPLED_SHARE = 3           # a random part of the fields beyond one in so many is drawn from a list of all


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
            propagate_removal(core, client, &hash, 2, client.argc)
            propagate_nothing(core)
        finish_hash(core, client, &hash, slot[0], timed, removed, "hdel")
    reply_integer(&client.reply, removed)


cdef void propagate_number(Core* core, Client* client, const char* text, size_t length,
                           int64_t deadline_ms) noexcept nogil:
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
            if not is_expired(core, item.deadline_ms) and item_matches(options, &item):
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
        "hvals", <size_t> &hvals_command, 2, "readonly", keys="RO ACCESS @ 1", group="hash", since="2.0.0",
        tips="nondeterministic_output_order",
        syntax="key",
        summary="Returns all values of a hash.", complexity="O(N) for N fields in the hash",
    ),
]
