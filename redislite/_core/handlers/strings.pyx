"""Commands on strings, and their rows.

Every write goes through store_string, store_integer or store_raw of the keyspace, which choose the representation.
"""
from libc.stdint cimport INT32_MAX, INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.string cimport memcmp, memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.commands.arguments cimport (
    EXPIRE_AT, EXPIRE_KEEP, EXPIRE_NONE, EXPIRE_PERSIST, ExpireOption, argument_integer_or_reply, argument_is,
    expire_deadline_or_reply, reply_not_an_integer, reply_out_of_memory, reply_syntax_error, reply_wrong_type,
    take_expire_option,
)
from redislite._core.keyspace.entry cimport (
    ENCODING_INT, NO_EXPIRE, TYPE_STRING, Entry, entry_deadline, entry_encoding, entry_integer, entry_set_integer,
    entry_string, entry_type,
)
from redislite._core.keyspace.keyspace cimport (
    KEYS_AHEAD, argument_hash, delete_key, key_changed, keyspace_find, lookup_read, lookup_write, note_miss,
    notify_argument, notify_deleted, notify_past_deadline, prefetch_keys, set_deadline, store_integer, store_raw,
    store_string, touch_entry,
)
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_bytes, propagate_deadline, propagate_deletion, propagate_instead,
    propagate_integer, propagate_nothing, propagate_string, propagate_text,
)
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_bulk, reply_bulk_integer, reply_deferred_begin, reply_deferred_end, reply_error,
    reply_integer, reply_map, reply_mark, reply_null, reply_ok, reply_rollback,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core
from redislite._core.state.expiry_state cimport deadline_removes
from redislite._core.state.flags cimport NOTIFY_GENERIC, NOTIFY_STRING
from redislite._core.text.numbers cimport (
    INTEGER_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_long_double, parse_int64, parse_long_double,
)
from redislite._core.text.subsequence cimport Subsequence, subsequence_find, subsequence_goes_up, subsequence_release

from redislite._core.commands.row import native

cdef enum:
    CONDITION_NX = 1
    CONDITION_XX = 2
    CONDITION_IFEQ = 4

cdef struct Text:
    char* data
    size_t length
    char number[INTEGER_TEXT_MAX]   # where an integer's text stands


cdef inline void read_text(const Entry* entry, Text* text) noexcept nogil:
    text.data = entry_string(entry, text.number, &text.length)


cdef inline bint is_string_or_reply(Client* client, const Entry* entry) noexcept nogil:
    if entry_type(entry) != TYPE_STRING:
        reply_wrong_type(client)
        return 0
    return 1


cdef inline void reply_string(Client* client, const Entry* entry) noexcept nogil:
    cdef Text text
    if entry_encoding(entry) == ENCODING_INT:
        reply_bulk_integer(&client.reply, entry_integer(entry))
    else:
        read_text(entry, &text)
        reply_bulk(&client.reply, text.data, text.length)


cdef inline bint equals(const Entry* entry, const Argument* argument) noexcept nogil:
    cdef Text text
    read_text(entry, &text)
    return text.length == argument.length and memcmp(text.data, argument.data, text.length) == 0


cdef inline void changed(Core* core, Client* client, int key, const char* event) noexcept nogil:
    """Tells that the string under argument key has changed, and how."""
    key_changed(core, client.database, client.argv[key].data, client.argv[key].length)
    notify_argument(core, client, key, NOTIFY_STRING, event)


cdef inline bint put(Core* core, Client* client, int key, Entry** slot, int value, int64_t deadline_ms,
                     const char* event) noexcept nogil:
    """Stores argument value under argument key; answers the error and 0 where memory is out."""
    cdef Argument* name = &client.argv[key]
    cdef Argument* text = &client.argv[value]
    if store_string(core, client.database, slot, name, argument_hash(client, key), text.data, text.length, &text.owner,
                    deadline_ms, 0) != 0:
        reply_out_of_memory(client)
        return 0
    changed(core, client, key, event)
    return 1


cdef void refuse_instead(Client* client, ReplyMark mark) noexcept nogil:
    """Says that memory is out in the place of what has been answered since the mark."""
    reply_rollback(&client.reply, mark)
    reply_out_of_memory(client)


cdef void get_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_null(&client.reply)
    elif is_string_or_reply(client, entry):
        reply_string(client, entry)


cdef void propagate_without_get(Core* core, Client* client, int comparison) noexcept nogil:
    """The SET as it stands, without the word GET; comparison is the argument that is none of its words, 0 for none."""
    cdef int words = 0
    cdef int i
    for i in range(client.argc):
        words += i < 3 or i == comparison or not argument_is(&client.argv[i], "GET")
    propagate_begin(core, client.database, words)
    for i in range(client.argc):
        if i < 3 or i == comparison or not argument_is(&client.argv[i], "GET"):
            propagate_arguments(core, client, i, i + 1)
    propagate_nothing(core)


cdef void expire_now(Core* core, Client* client) noexcept nogil:
    """Deletes key 1, which is there, as it was given a deadline in the past."""
    cdef Argument* name = &client.argv[1]
    delete_key(core, client.database, name.data, name.length, argument_hash(client, 1), core.settings.lazy_expire != 0)
    key_changed(core, client.database, name.data, name.length)
    notify_past_deadline(core, client, 1)
    if core.propagation:
        propagate_deletion(core, client.database, name.data, name.length, core.settings.lazy_expire != 0)
        propagate_nothing(core)


cdef void set_command(Core* core, Client* client) noexcept nogil:
    cdef ExpireOption expire
    cdef int condition = 0
    cdef int wanted
    cdef int comparison = 0
    cdef bint get = 0
    cdef int i = 3
    cdef Entry** slot
    cdef int64_t deadline_ms = NO_EXPIRE
    cdef ReplyMark mark
    cdef Argument* option
    if client.argc == 3:
        if put(core, client, 1, lookup_write(core, client, 1), 2, NO_EXPIRE, "set"):
            reply_ok(&client.reply)
        return
    expire.kind = EXPIRE_NONE
    while i < client.argc:
        option = &client.argv[i]
        wanted = 0
        if argument_is(option, "NX"):
            wanted = CONDITION_NX
        elif argument_is(option, "XX"):
            wanted = CONDITION_XX
        elif argument_is(option, "IFEQ") and i + 1 < client.argc:
            wanted = CONDITION_IFEQ
            i += 1
            if condition:
                reply_syntax_error(client)
                return
            comparison = i
        elif argument_is(option, "GET"):
            get = 1
        elif take_expire_option(client, &i, 1, 0, &expire) <= 0:
            reply_syntax_error(client)
            return
        if wanted:
            if condition and condition != wanted:
                reply_syntax_error(client)
                return
            condition = wanted
        i += 1
    if expire.kind == EXPIRE_AT:
        if not expire_deadline_or_reply(core, client, &expire):
            return
        deadline_ms = expire.deadline_ms
    mark = reply_mark(&client.reply)
    if get:
        # Answers what was there, whatever comes of the rest.
        if lookup_read(core, client, 1) == NULL:
            slot = NULL
            reply_null(&client.reply)
        else:
            slot = lookup_write(core, client, 1)
            if not is_string_or_reply(client, slot[0]):
                return
            reply_string(client, slot[0])
    else:
        slot = lookup_write(core, client, 1)
    if condition == CONDITION_IFEQ and slot != NULL and not get and not is_string_or_reply(client, slot[0]):
        return
    if (condition == CONDITION_NX and slot != NULL) or (condition == CONDITION_XX and slot == NULL) or \
            (condition == CONDITION_IFEQ and (slot == NULL or not equals(slot[0], &client.argv[comparison]))):
        if not get:
            reply_null(&client.reply)
        return
    if expire.kind == EXPIRE_KEEP and slot != NULL:
        deadline_ms = entry_deadline(slot[0])
    if expire.kind == EXPIRE_AT and deadline_removes(core, deadline_ms) and not core.settings.past_deadline_deletes:
        if slot != NULL:
            expire_now(core, client)
        if not get:
            reply_ok(&client.reply)
        return
    if not put(core, client, 1, slot, 2, deadline_ms, "set"):
        refuse_instead(client, mark)
        return
    if expire.kind == EXPIRE_AT:
        notify_argument(core, client, 1, NOTIFY_GENERIC, "expire")
    if core.propagation:
        if expire.kind == EXPIRE_AT:
            propagate_string(core, client, 1, 2, deadline_ms)
        elif get:
            propagate_without_get(core, client, comparison)
    if not get:
        reply_ok(&client.reply)


cdef void setnx_command(Core* core, Client* client) noexcept nogil:
    if lookup_write(core, client, 1) != NULL:
        reply_integer(&client.reply, 0)
    elif put(core, client, 1, NULL, 2, NO_EXPIRE, "set"):
        reply_integer(&client.reply, 1)


cdef void set_with_time(Core* core, Client* client, bint seconds) noexcept nogil:
    cdef ExpireOption expire
    expire.kind = EXPIRE_AT
    expire.argument = 2
    expire.seconds = seconds
    expire.absolute = 0
    if expire_deadline_or_reply(core, client, &expire) and \
            put(core, client, 1, lookup_write(core, client, 1), 3, expire.deadline_ms, "set"):
        notify_argument(core, client, 1, NOTIFY_GENERIC, "expire")
        if core.propagation:
            propagate_string(core, client, 1, 3, expire.deadline_ms)
        reply_ok(&client.reply)


cdef void setex_command(Core* core, Client* client) noexcept nogil:
    set_with_time(core, client, 1)


cdef void psetex_command(Core* core, Client* client) noexcept nogil:
    set_with_time(core, client, 0)


cdef void getset_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef ReplyMark mark = reply_mark(&client.reply)
    if entry == NULL:
        if not put(core, client, 1, NULL, 2, NO_EXPIRE, "set"):
            return
        reply_null(&client.reply)
    else:
        if not is_string_or_reply(client, entry):
            return
        reply_string(client, entry)
        if not put(core, client, 1, lookup_write(core, client, 1), 2, NO_EXPIRE, "set"):
            refuse_instead(client, mark)
            return
    if core.propagation:
        propagate_string(core, client, 1, 2, NO_EXPIRE)


cdef inline void remove(Core* core, Client* client) noexcept nogil:
    """Deletes key 1, which is there."""
    cdef Argument* name = &client.argv[1]
    delete_key(core, client.database, name.data, name.length, argument_hash(client, 1),
               core.settings.lazy_user_delete != 0)
    key_changed(core, client.database, name.data, name.length)
    notify_deleted(core, client, 1)
    if core.propagation:
        propagate_instead(core, client, "DEL", 1)


cdef void getdel_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_null(&client.reply)
    elif is_string_or_reply(client, entry):
        reply_string(client, entry)
        remove(core, client)


cdef void delifeq_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_integer(&client.reply, 0)
    elif is_string_or_reply(client, slot[0]):
        if equals(slot[0], &client.argv[2]):
            remove(core, client)
            reply_integer(&client.reply, 1)
        else:
            reply_integer(&client.reply, 0)


cdef void getex_command(Core* core, Client* client) noexcept nogil:
    cdef ExpireOption expire
    cdef Entry* entry
    cdef Entry** slot
    cdef ReplyMark mark
    cdef int i = 2
    expire.kind = EXPIRE_NONE
    while i < client.argc:
        if take_expire_option(client, &i, 0, 1, &expire) <= 0:
            reply_syntax_error(client)
            return
        i += 1
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_null(&client.reply)
        return
    if not is_string_or_reply(client, entry):
        return
    if expire.kind == EXPIRE_AT and not expire_deadline_or_reply(core, client, &expire):
        return
    mark = reply_mark(&client.reply)
    reply_string(client, entry)
    if expire.kind == EXPIRE_AT and expire.absolute and deadline_removes(core, expire.deadline_ms):
        expire_now(core, client)
        return
    if expire.kind == EXPIRE_NONE:
        return
    slot = lookup_write(core, client, 1)
    if expire.kind == EXPIRE_PERSIST:
        if entry_deadline(slot[0]) == NO_EXPIRE:
            return
        expire.deadline_ms = NO_EXPIRE
    if set_deadline(core, client.database, slot, argument_hash(client, 1), expire.deadline_ms) != 0:
        refuse_instead(client, mark)
    else:
        key_changed(core, client.database, client.argv[1].data, client.argv[1].length)
        notify_argument(core, client, 1, NOTIFY_GENERIC, "persist" if expire.deadline_ms == NO_EXPIRE else "expire")
        if core.propagation:
            propagate_deadline(core, client, 1, expire.deadline_ms)


cdef void mget_command(Core* core, Client* client) noexcept nogil:
    cdef uint64_t hashes[KEYS_AHEAD]
    cdef int first = 1
    cdef int count, i
    cdef Argument* key
    cdef Entry** slot
    reply_array(&client.reply, client.argc - 1)
    while first < client.argc:
        count = client.argc - first if client.argc - first < KEYS_AHEAD else KEYS_AHEAD
        prefetch_keys(client, first, 1, count, hashes)
        for i in range(count):
            key = &client.argv[first + i]
            slot = keyspace_find(core, client.database, key.data, key.length, hashes[i])
            if slot == NULL:
                note_miss(core, client.database, key.data, key.length)
                reply_null(&client.reply)
                continue
            core.statistics.keyspace_hits += 1
            touch_entry(core, client, slot[0])
            if entry_type(slot[0]) != TYPE_STRING:
                reply_null(&client.reply)
            else:
                reply_string(client, slot[0])
        first += count


cdef void remove_pairs(Core* core, Client* client, int first, int end) noexcept nogil:
    cdef Argument* key
    while first < end:
        key = &client.argv[first]
        delete_key(core, client.database, key.data, key.length, argument_hash(client, first), 0)
        first += 2


cdef bint put_pairs(Core* core, Client* client, int first, int end, int64_t deadline_ms, bint keep) noexcept nogil:
    """Stores the key-value pairs from argument first up to end. keep: a key keeps its deadline. Where memory is out,
    answers so, and 0: the pairs before have been stored."""
    cdef uint64_t hashes[KEYS_AHEAD]
    cdef int count, i
    cdef Argument* key
    cdef Argument* value
    cdef Entry** slot
    cdef int64_t deadline
    cdef bint single = end - first == 2
    while first < end:
        count = (end - first) // 2 if (end - first) // 2 < KEYS_AHEAD else KEYS_AHEAD
        prefetch_keys(client, first, 2, count, hashes)
        for i in range(count):
            key = &client.argv[first + 2 * i]
            value = key + 1
            slot = keyspace_find(core, client.database, key.data, key.length, hashes[i])
            deadline = deadline_ms
            if slot != NULL:
                touch_entry(core, client, slot[0])
                if keep:
                    deadline = entry_deadline(slot[0])
            # Of several pairs, a later one may replace an earlier one, whose bytes are still wanted after the command.
            if store_string(core, client.database, slot, key, hashes[i], value.data, value.length,
                            &value.owner if single else NULL, deadline, 0) != 0:
                reply_out_of_memory(client)
                return 0
            changed(core, client, first + 2 * i, "set")
            if deadline_ms != NO_EXPIRE:
                notify_argument(core, client, first + 2 * i, NOTIFY_GENERIC, "expire")
        first += 2 * count
    return 1


cdef int count_existing(Core* core, Client* client, int first, int end) noexcept nogil:
    """How many of the keys first, first + 2, ... are there."""
    cdef uint64_t hashes[KEYS_AHEAD]
    cdef int count, i
    cdef int existing = 0
    while first < end:
        count = (end - first) // 2 if (end - first) // 2 < KEYS_AHEAD else KEYS_AHEAD
        prefetch_keys(client, first, 2, count, hashes)
        for i in range(count):
            if keyspace_find(core, client.database, client.argv[first + 2 * i].data,
                             client.argv[first + 2 * i].length, hashes[i]) != NULL:
                existing += 1
        first += 2 * count
    return existing


cdef bint pairs_or_reply(Client* client, const char* error) noexcept nogil:
    if client.argc % 2 == 0:
        reply_error(&client.reply, error)
        return 0
    return 1


cdef void mset_command(Core* core, Client* client) noexcept nogil:
    if pairs_or_reply(client, "ERR wrong number of arguments for 'mset' command") and \
            put_pairs(core, client, 1, client.argc, NO_EXPIRE, 0):
        reply_ok(&client.reply)


cdef void msetnx_command(Core* core, Client* client) noexcept nogil:
    if not pairs_or_reply(client, "ERR wrong number of arguments for 'msetnx' command"):
        return
    if count_existing(core, client, 1, client.argc):
        reply_integer(&client.reply, 0)
    elif put_pairs(core, client, 1, client.argc, NO_EXPIRE, 0):
        reply_integer(&client.reply, 1)
    else:
        remove_pairs(core, client, 1, client.argc)


cdef void msetex_command(Core* core, Client* client) noexcept nogil:
    cdef ExpireOption expire
    cdef int64_t pairs
    cdef int condition = 0
    cdef int wanted, existing, end, i
    if not parse_int64(client.argv[1].data, client.argv[1].length, &pairs) or not 0 < pairs <= INT32_MAX:
        reply_error(&client.reply, "ERR invalid numkeys value or out of range")
        return
    if pairs > (client.argc - 2) // 2:
        reply_syntax_error(client)
        return
    end = 2 + 2 * <int> pairs
    i = end
    expire.kind = EXPIRE_NONE
    expire.deadline_ms = NO_EXPIRE
    while i < client.argc:
        wanted = 0
        if argument_is(&client.argv[i], "NX"):
            wanted = CONDITION_NX
        elif argument_is(&client.argv[i], "XX"):
            wanted = CONDITION_XX
        elif take_expire_option(client, &i, 1, 0, &expire) <= 0:
            reply_syntax_error(client)
            return
        if wanted:
            if condition and condition != wanted:
                reply_syntax_error(client)
                return
            condition = wanted
        i += 1
    if expire.kind == EXPIRE_AT and not expire_deadline_or_reply(core, client, &expire):
        return
    if condition:
        existing = count_existing(core, client, 2, end)
        if existing != (0 if condition == CONDITION_NX else pairs):
            reply_integer(&client.reply, 0)
            return
    if put_pairs(core, client, 2, end, expire.deadline_ms, expire.kind == EXPIRE_KEEP):
        if core.propagation and expire.kind == EXPIRE_AT:
            propagate_begin(core, client.database, end + 2)
            propagate_arguments(core, client, 0, end)
            propagate_text(core, "PXAT")
            propagate_integer(core, expire.deadline_ms)
            propagate_nothing(core)
        reply_integer(&client.reply, 1)


cdef void strlen_command(Core* core, Client* client) noexcept nogil:
    cdef Text text
    cdef Entry* entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_integer(&client.reply, 0)
    elif is_string_or_reply(client, entry):
        read_text(entry, &text)
        reply_integer(&client.reply, <int64_t> text.length)


cdef bint fits_or_reply(Core* core, Client* client, size_t offset, size_t length) noexcept nogil:
    """Whether a string of offset + length bytes is allowed."""
    if offset + length < offset or offset + length > <size_t> core.settings.max_bulk_length:
        reply_error(&client.reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        return 0
    return 1


cdef void append_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* more = &client.argv[2]
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Text text
    cdef char* place
    if slot == NULL:
        if put(core, client, 1, NULL, 2, NO_EXPIRE, "append"):
            reply_integer(&client.reply, <int64_t> more.length)
        return
    if not is_string_or_reply(client, slot[0]):
        return
    read_text(slot[0], &text)
    if not fits_or_reply(core, client, text.length, more.length):
        return
    if store_raw(core, client.database, slot, &client.argv[1], argument_hash(client, 1), text.length + more.length,
                 &place) != 0:
        reply_out_of_memory(client)
        return
    memcpy(place + text.length, more.data, more.length)
    changed(core, client, 1, "append")
    reply_integer(&client.reply, <int64_t> (text.length + more.length))


cdef void setrange_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* value = &client.argv[3]
    cdef int64_t offset
    cdef Entry** slot
    cdef Text text
    cdef size_t length
    cdef char* place
    if not argument_integer_or_reply(client, 2, &offset):
        return
    if offset < 0:
        reply_error(&client.reply, "ERR offset is out of range")
        return
    slot = lookup_write(core, client, 1)
    text.length = 0
    if slot != NULL:
        if not is_string_or_reply(client, slot[0]):
            return
        read_text(slot[0], &text)
    if value.length == 0:
        reply_integer(&client.reply, <int64_t> text.length)
        return
    if not fits_or_reply(core, client, <size_t> offset, value.length):
        return
    length = <size_t> offset + value.length
    if length < text.length:
        length = text.length
    if store_raw(core, client.database, slot, &client.argv[1], argument_hash(client, 1), length, &place) != 0:
        reply_out_of_memory(client)
        return
    memcpy(place + offset, value.data, value.length)
    changed(core, client, 1, "setrange")
    reply_integer(&client.reply, <int64_t> length)


cdef void getrange_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t start, end, length
    cdef Entry* entry
    cdef Text text
    if not argument_integer_or_reply(client, 2, &start) or not argument_integer_or_reply(client, 3, &end):
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_bulk(&client.reply, NULL, 0)
        return
    if not is_string_or_reply(client, entry):
        return
    read_text(entry, &text)
    length = <int64_t> text.length
    if start < 0 and end < 0 and start > end:
        reply_bulk(&client.reply, NULL, 0)
        return
    if start < 0:
        start = start + length if start + length > 0 else 0
    if end < 0:
        end = end + length if end + length > 0 else 0
    if end >= length:
        end = length - 1
    if start > end or length == 0:
        reply_bulk(&client.reply, NULL, 0)
    else:
        reply_bulk(&client.reply, text.data + start, <size_t> (end - start + 1))


cdef void increment(Core* core, Client* client, int64_t by) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Argument* key = &client.argv[1]
    cdef int64_t value = 0
    cdef Text text
    if slot != NULL:
        if not is_string_or_reply(client, slot[0]):
            return
        if entry_encoding(slot[0]) == ENCODING_INT:
            value = entry_integer(slot[0])
        else:
            read_text(slot[0], &text)
            if not parse_int64(text.data, text.length, &value):
                reply_not_an_integer(client)
                return
    if (by < 0 and value < INT64_MIN - by) or (by > 0 and value > INT64_MAX - by):
        reply_error(&client.reply, "ERR increment or decrement would overflow")
        return
    value += by
    if slot != NULL and entry_encoding(slot[0]) == ENCODING_INT:
        entry_set_integer(slot[0], value)
    elif store_integer(core, client.database, slot, key, argument_hash(client, 1), value,
                       NO_EXPIRE if slot == NULL else entry_deadline(slot[0])) != 0:
        reply_out_of_memory(client)
        return
    changed(core, client, 1, "incrby")
    reply_integer(&client.reply, value)


cdef void incr_command(Core* core, Client* client) noexcept nogil:
    increment(core, client, 1)


cdef void decr_command(Core* core, Client* client) noexcept nogil:
    increment(core, client, -1)


cdef void incrby_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t by
    if argument_integer_or_reply(client, 2, &by):
        increment(core, client, by)


cdef void decrby_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t by
    if not argument_integer_or_reply(client, 2, &by):
        return
    if by == INT64_MIN:
        reply_error(&client.reply, "ERR decrement would overflow")
        return
    increment(core, client, -by)


cdef void incrbyfloat_command(Core* core, Client* client) noexcept nogil:
    cdef char text[LONG_DOUBLE_TEXT_MAX]
    cdef int length
    cdef Text old
    cdef long double value = 0
    cdef long double by = 0
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Argument* key = &client.argv[1]
    if slot != NULL:
        if not is_string_or_reply(client, slot[0]):
            return
        read_text(slot[0], &old)
        if not parse_long_double(old.data, old.length, &value):
            reply_error(&client.reply, "ERR value is not a valid float")
            return
    if not parse_long_double(client.argv[2].data, client.argv[2].length, &by):
        reply_error(&client.reply, "ERR value is not a valid float")
        return
    value += by
    if value != value or value - value != 0:
        reply_error(&client.reply, "ERR increment would produce NaN or Infinity")
        return
    length = format_long_double(text, value)
    if store_string(core, client.database, slot, key, argument_hash(client, 1), text, length, NULL,
                    NO_EXPIRE if slot == NULL else entry_deadline(slot[0]), 1) != 0:
        reply_out_of_memory(client)
        return
    changed(core, client, 1, "incrbyfloat")
    if core.propagation:
        propagate_begin(core, client.database, 4)
        propagate_text(core, "SET")
        propagate_arguments(core, client, 1, 2)
        propagate_bytes(core, text, length)
        propagate_text(core, "KEEPTTL")
        propagate_nothing(core)
    reply_bulk(&client.reply, text, length)


cdef int reply_matches(Client* client, Subsequence* found, const Text* a, const Text* b, int64_t least,
                       bint with_length) noexcept nogil:
    """Walks back from the end and replies the common ranges that are long enough; answers how many."""
    cdef size_t i = a.length
    cdef size_t j = b.length
    cdef size_t run_a = 0
    cdef size_t run_b = 0
    cdef size_t run = 0
    cdef int matches = 0
    cdef bint ended
    while i > 0 and j > 0:
        ended = 0
        if a.data[i - 1] == b.data[j - 1]:
            i -= 1
            j -= 1
            if run and run_a == i + 1 and run_b == j + 1:
                run += 1
            else:
                run = 1
            run_a = i
            run_b = j
            # The run ends here where the next characters back differ, or there are none.
            ended = i == 0 or j == 0 or a.data[i - 1] != b.data[j - 1]
        elif subsequence_goes_up(found, i, j):
            i -= 1
        else:
            j -= 1
        if ended:
            if least == 0 or <int64_t> run >= least:
                reply_array(&client.reply, 3 if with_length else 2)
                reply_array(&client.reply, 2)
                reply_integer(&client.reply, <int64_t> run_a)
                reply_integer(&client.reply, <int64_t> (run_a + run - 1))
                reply_array(&client.reply, 2)
                reply_integer(&client.reply, <int64_t> run_b)
                reply_integer(&client.reply, <int64_t> (run_b + run - 1))
                if with_length:
                    reply_integer(&client.reply, <int64_t> run)
                matches += 1
            run = 0
    return matches


cdef void reply_subsequence(Core* core, Client* client, Subsequence* found, const Text* a,
                            const Text* b) noexcept nogil:
    cdef size_t i = a.length
    cdef size_t j = b.length
    cdef size_t length = found.length
    cdef size_t left = length
    cdef char* result = <char*> heap_alloc(core.heap, length + 1)
    if result == NULL:
        reply_out_of_memory(client)
        return
    while i > 0 and j > 0:
        if a.data[i - 1] == b.data[j - 1]:
            left -= 1
            result[left] = a.data[i - 1]
            i -= 1
            j -= 1
        elif subsequence_goes_up(found, i, j):
            i -= 1
        else:
            j -= 1
    reply_bulk(&client.reply, result, length)
    heap_free(core.heap, result, length + 1)


cdef void lcs_command(Core* core, Client* client) noexcept nogil:
    cdef Text texts[2]
    cdef Entry* entries[2]
    cdef Subsequence found
    cdef size_t i
    cdef int64_t least = 0
    cdef bint only_length = 0
    cdef bint indexes = 0
    cdef bint with_length = 0
    cdef int at = 3
    cdef Chunk* place
    for i in range(2):
        entries[i] = lookup_read(core, client, <int> i + 1)
    for i in range(2):
        texts[i].data = NULL
        texts[i].length = 0
        if entries[i] == NULL:
            continue
        if entry_type(entries[i]) != TYPE_STRING:
            reply_error(&client.reply, "ERR The specified keys must contain string values")
            return
        read_text(entries[i], &texts[i])
    while at < client.argc:
        if argument_is(&client.argv[at], "IDX"):
            indexes = 1
        elif argument_is(&client.argv[at], "LEN"):
            only_length = 1
        elif argument_is(&client.argv[at], "WITHMATCHLEN"):
            with_length = 1
        elif argument_is(&client.argv[at], "MINMATCHLEN") and at + 1 < client.argc:
            if not argument_integer_or_reply(client, at + 1, &least):
                return
            if least < 0:
                least = 0
            at += 1
        else:
            reply_syntax_error(client)
            return
        at += 1
    if indexes and only_length:
        reply_error(&client.reply, "ERR If you want both the length and indexes, please just use IDX.")
        return
    if texts[0].length >= <size_t> INT32_MAX - 1 or texts[1].length >= <size_t> INT32_MAX - 1:
        reply_error(&client.reply, "ERR String too long for LCS")
        return
    if subsequence_find(&found, core.heap, texts[0].data, texts[0].length, texts[1].data, texts[1].length,
                        not only_length, <size_t> core.settings.max_bulk_length) != 0:
        reply_error(&client.reply, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
        return
    if only_length:
        reply_integer(&client.reply, <int64_t> found.length)
    elif indexes:
        reply_map(&client.reply, 2)
        reply_bulk(&client.reply, "matches", 7)
        place = reply_deferred_begin(&client.reply)
        reply_deferred_end(&client.reply, place, c'*',
                           reply_matches(client, &found, &texts[0], &texts[1], least, with_length))
        reply_bulk(&client.reply, "len", 3)
        reply_integer(&client.reply, <int64_t> found.length)
    else:
        reply_subsequence(core, client, &found, &texts[0], &texts[1])
    subsequence_release(&found)


COMMANDS = [
    native(
        "append", <size_t> &append_command, 3, "write denyoom fast", keys="RW INSERT @ 1", group="string",
        since="2.0.0",
        syntax="key value",
        summary="Appends to the string at a key, which is created if need be.",
        complexity="O(1) amortized, the buffer growing by doubling",
    ),
    native(
        "decr", <size_t> &decr_command, 2, "write denyoom fast", keys="RW ACCESS UPDATE @ 1", group="string",
        since="1.0.0",
        syntax="key",
        summary="Subtracts one from the integer at a key, 0 if there is none.", complexity="O(1)",
    ),
    native(
        "decrby", <size_t> &decrby_command, 3, "write denyoom fast", keys="RW ACCESS UPDATE @ 1", group="string",
        since="1.0.0",
        syntax="key decrement:integer",
        summary="Subtracts a number from the integer at a key, 0 if there is none.", complexity="O(1)",
    ),
    native(
        "delifeq", <size_t> &delifeq_command, 3, "write fast", keys="RM DELETE @ 1", group="string", since="9.0.0",
        syntax="key value",
        summary="Deletes a key if its string equals the one given.", complexity="O(1)",
    ),
    native(
        "get", <size_t> &get_command, 2, "readonly fast", keys="RO ACCESS @ 1", group="string", since="1.0.0",
        syntax="key",
        summary="Returns the string at a key.", complexity="O(1)",
    ),
    native(
        "getdel", <size_t> &getdel_command, 2, "write fast", keys="RW ACCESS DELETE @ 1", group="string",
        since="6.2.0",
        syntax="key",
        summary="Returns the string at a key and deletes the key.", complexity="O(1)",
    ),
    native(
        "getex", <size_t> &getex_command, -2, "write fast", keys="RW ACCESS UPDATE @ 1", group="string",
        since="6.2.0",
        syntax=(
            "key [expiration:(EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | "
            "PXAT unix-time-milliseconds:unix-time | PERSIST)]"
        ),
        summary="Returns the string at a key and sets, changes or removes its expiry.", complexity="O(1)",
    ),
    native(
        "getrange", <size_t> &getrange_command, 4, "readonly", keys="RO ACCESS @ 1", group="string", since="2.4.0",
        syntax="key start:integer end:integer",
        summary="Returns part of the string at a key.", complexity="O(N) for N bytes returned",
    ),
    native(
        "getset", <size_t> &getset_command, 3, "write denyoom fast", keys="RW ACCESS UPDATE @ 1", group="string",
        since="1.0.0",
        deprecated=("6.2.0", "`SET` with `GET`"),
        syntax="key value",
        summary="Sets the string at a key and returns the one that was there.", complexity="O(1)",
    ),
    native(
        "incr", <size_t> &incr_command, 2, "write denyoom fast", keys="RW ACCESS UPDATE @ 1", group="string",
        since="1.0.0",
        syntax="key",
        summary="Adds one to the integer at a key, 0 if there is none.", complexity="O(1)",
    ),
    native(
        "incrby", <size_t> &incrby_command, 3, "write denyoom fast", keys="RW ACCESS UPDATE @ 1", group="string",
        since="1.0.0",
        syntax="key increment:integer",
        summary="Adds a number to the integer at a key, 0 if there is none.", complexity="O(1)",
    ),
    native(
        "incrbyfloat", <size_t> &incrbyfloat_command, 3, "write denyoom fast", keys="RW ACCESS UPDATE @ 1",
        group="string", since="2.6.0",
        syntax="key increment:double",
        summary="Adds a floating-point number to the one at a key, 0 if there is none.", complexity="O(1)",
    ),
    native(
        "lcs", <size_t> &lcs_command, -3, "readonly", keys="RO ACCESS @ 1 last=1", group="string", since="7.0.0",
        syntax="key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
        summary="Finds the longest common subsequence of two strings.",
        complexity="O(N*M) for strings of N and M bytes",
    ),
    native(
        "mget", <size_t> &mget_command, -2, "readonly fast", keys="RO ACCESS @ 1 last=-1", group="string",
        since="1.0.0", tips="request_policy:multi_shard",
        syntax="key...",
        summary="Returns the strings at several keys.", complexity="O(N) for N keys",
    ),
    native(
        "mset", <size_t> &mset_command, -3, "write denyoom", keys="OW UPDATE @ 1 last=-1 step=2", group="string",
        since="1.0.1", tips="request_policy:multi_shard response_policy:all_succeeded",
        syntax="data:(key value)...",
        summary="Sets the strings at several keys.", complexity="O(N) for N keys",
    ),
    native(
        "msetex", <size_t> &msetex_command, -4, "write denyoom", keys="OW UPDATE @ 1 keynum=0 step=2", group="string",
        since="9.1.0", tips="request_policy:multi_shard response_policy:all_succeeded",
        syntax=(
            "numkeys:integer data:(key value)... [condition:(NX | XX)] [expiration:(EX seconds:integer | PX "
            "milliseconds:integer | EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | "
            "KEEPTTL)]"
        ),
        summary="Sets the strings at several keys under a condition, with one expiry for all.",
        complexity="O(N) for N keys",
    ),
    native(
        "msetnx", <size_t> &msetnx_command, -3, "write denyoom", keys="OW INSERT @ 1 last=-1 step=2", group="string",
        since="1.0.1",
        syntax="data:(key value)...",
        summary="Sets the strings at several keys if none of the keys exists.", complexity="O(N) for N keys",
    ),
    native(
        "psetex", <size_t> &psetex_command, 4, "write denyoom", keys="OW UPDATE @ 1", group="string", since="2.6.0",
        deprecated=("2.6.12", "`SET` with `PX`"),
        syntax="key milliseconds:integer value",
        summary="Sets the string at a key and its expiry in milliseconds.", complexity="O(1)",
    ),
    native(
        "set", <size_t> &set_command, -3, "write denyoom", keys="RW ACCESS UPDATE VARIABLE_FLAGS @ 1", group="string",
        since="1.0.0",
        syntax=(
            "key value [condition:(NX@2.6.12 | XX@2.6.12 | IFEQ comparison-value@8.1.0)] [GET@6.2.0] "
            "[expiration:(EX seconds:integer@2.6.12 | PX milliseconds:integer@2.6.12 | EXAT "
            "unix-time-seconds:unix-time@6.2.0 | PXAT unix-time-milliseconds:unix-time@6.2.0 | KEEPTTL@6.0.0)]"
        ),
        summary="Sets the string at a key whatever was there, optionally under a condition or with an expiry.",
        complexity="O(1)",
    ),
    native(
        "setex", <size_t> &setex_command, 4, "write denyoom", keys="OW UPDATE @ 1", group="string", since="2.0.0",
        deprecated=("2.6.12", "`SET` with `EX`"),
        syntax="key seconds:integer value",
        summary="Sets the string at a key and its expiry in seconds.", complexity="O(1)",
    ),
    native(
        "setnx", <size_t> &setnx_command, 3, "write denyoom fast", keys="OW INSERT @ 1", group="string",
        since="1.0.0",
        deprecated=("2.6.12", "`SET` with `NX`"),
        syntax="key value",
        summary="Sets the string at a key that does not exist.", complexity="O(1)",
    ),
    native(
        "setrange", <size_t> &setrange_command, 4, "write denyoom", keys="RW UPDATE @ 1", group="string",
        since="2.2.0",
        syntax="key offset:integer value",
        summary="Overwrites part of the string at a key, which is created if need be.",
        complexity="O(1) for a short string, otherwise O(N) for N bytes written",
    ),
    native(
        "strlen", <size_t> &strlen_command, 2, "readonly fast", keys="RO @ 1", group="string", since="2.2.0",
        syntax="key",
        summary="Returns the length of the string at a key.", complexity="O(1)",
    ),
    native(
        "substr", <size_t> &getrange_command, 4, "readonly", keys="RO ACCESS @ 1", group="string", since="1.0.0",
        deprecated=("2.0.0", "`GETRANGE`"),
        syntax="key start:integer end:integer",
        summary="Returns part of the string at a key.", complexity="O(N) for N bytes returned",
    ),
]
