"""Fields of hashes with a time to live: HEXPIRE and its kin, HGETEX, HGETDEL, HSETEX."""
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from redislite._core.commands.arguments cimport (
    EXPIRE_AT, EXPIRE_KEEP, EXPIRE_NONE, ExpireOption, argument_integer_or_reply, argument_is, deadline_or_reply,
    reply_out_of_memory, reply_syntax_error, take_expire_option,
)
from redislite._core.handlers.hash_field_arguments cimport (
    FIELDS_ALONE, FIELDS_BEHIND_OPTION, FIELDS_BEHIND_OPTIONS, FIELDS_BEHIND_TIME, fields_judged_or_reply,
)
from redislite._core.keyspace.entry cimport ENCODING_LISTPACK, Entry
from redislite._core.keyspace.keyspace cimport lookup_read, lookup_write, notify_argument, notify_deleted
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_integer, propagate_nothing, propagate_text,
)
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_error, reply_integer, reply_mark, reply_null, reply_rollback,
)
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.expiry_state cimport deadline_removes
from redislite._core.state.flags cimport NOTIFY_HASH, NOTIFY_NEW
from redislite._core.values.hash_value cimport (
    HASH_KEEP_DEADLINE, HASH_NO_DEADLINE, HashItem, HashValue, hash_convert, hash_expect, hash_find, hash_length,
    hash_release, hash_remove, hash_set_deadline, hash_timed,
)
from redislite._core.commands.row import native
from redislite._core.handlers.hash_key cimport (
    read_hash, is_hash_or_reply, reply_part, begin_hash, hash_changed, past_deadline_event, deadline_event, put,
    settle_fields, settle_before_write, drop_hash, close_hash, finish_hash, propagate_removal,
    propagate_set,
)

cdef enum:
    # What HEXPIRE's and HSETEX's conditions ask of a field or key.
    ONLY_MISSING = 1            # NX, FNX
    ONLY_PRESENT = 2            # XX, FXX
    ONLY_LATER = 4              # GT
    ONLY_EARLIER = 8            # LT

cdef enum:
    NO_FIELD = -2               # answers on one field's deadline
    NO_DEADLINE = -1
    CONDITION_NOT_MET = 0
    DEADLINE_CHANGED = 1
    FIELD_EXPIRED = 2


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
    if deadline_removes(core, deadline_ms):
        hash_remove(core, hash, field.data, field.length, 0)
        core.statistics.expired_fields += 1
        return FIELD_EXPIRED
    if hash.encoding == ENCODING_LISTPACK:
        if hash_convert(core, hash, 1) != 0:
            return -3
        hash_find(core, hash, field.data, field.length, &item)
    return DEADLINE_CHANGED if hash_set_deadline(core, hash, &item, deadline_ms) == 0 else -3


cdef void propagate_field_deadlines(Core* core, Client* client, const HashValue* hash, int64_t deadline_ms,
                                    int conditions, int first) noexcept nogil:
    """Fields of key 1, from argument first on, were given a deadline, or lost theirs (HASH_NO_DEADLINE); conditions:
    how many arguments before the word FIELDS are some. Those whose deadline it is now are named: others were passed
    by."""
    cdef HashItem item
    cdef int64_t named = 0
    cdef int i
    for i in range(first, client.argc):
        named += hash_find(core, hash, client.argv[i].data, client.argv[i].length, &item) and \
            item.deadline_ms == deadline_ms
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
    propagate_text(core, "FIELDS")
    propagate_integer(core, named)
    for i in range(first, client.argc):
        if hash_find(core, hash, client.argv[i].data, client.argv[i].length, &item) and item.deadline_ms == deadline_ms:
            propagate_arguments(core, client, i, i + 1)
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
                propagate_removal(core, client, &hash, i, i + 1)
                propagate_nothing(core)
        reply_integer(&client.reply, result)
    if result == -3:
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
    # Those that were removed have been propagated one by one: conditions may have spared others.
    if core.propagation and changes and result != -3 and \
            (deadline_ms == HASH_NO_DEADLINE or not deadline_removes(core, deadline_ms)):
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
                if core.propagation and result == FIELD_EXPIRED:
                    propagate_removal(core, client, &hash, i, i + 1)
                    propagate_nothing(core)
    if result == -3:
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
    if expire.kind == EXPIRE_NONE:
        return
    if core.propagation and changes and result != -3 and \
            (deadline_ms == HASH_NO_DEADLINE or not deadline_removes(core, deadline_ms)):
        propagate_field_deadlines(core, client, &hash, deadline_ms, 0, word + 2)
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
            propagate_removal(core, client, &hash, 4, client.argc)
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
    cdef bint revived = 0
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
    if expire.kind == EXPIRE_AT and deadline_removes(core, deadline_ms):
        # As if the fields had been set and had expired at once.
        core.statistics.expired_fields += count
        for i in range(word + 2, client.argc, 2):
            changes += hash_remove(core, &hash, client.argv[i].data, client.argv[i].length, 1)
        if entry == NULL:
            notify_argument(core, client, 1, NOTIFY_NEW, "new")
        if core.propagation and changes:
            for i in range(word + 2, client.argc, 2):
                propagate_removal(core, client, &hash, i, i + 1)
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
        revived |= result == 2
        if core.propagation and result == 2 and expire.kind == EXPIRE_KEEP:
            # What it would keep elsewhere is over here.
            propagate_set(core, client, i, i + 2)
    if close_hash(core, client, &hash, entry, timed):
        hash_changed(core, client, count, "hset")
        if expire.kind == EXPIRE_AT:
            notify_argument(core, client, 1, NOTIFY_HASH, "hexpire")
        if core.propagation:
            # Its conditions have been met here, and are elsewhere but for fields that are not over there.
            if expire.kind != EXPIRE_NONE:
                propagate_put(core, client, word, deadline_ms)
                propagate_nothing(core)
            elif revived:
                propagate_set(core, client, word + 2, client.argc)
                propagate_nothing(core)
        reply_integer(&client.reply, 1)


COMMANDS = [
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
        "httl", <size_t> &httl_command, -5, "readonly fast", keys="RO ACCESS @ 1", group="hash", since="7.4.0",
        syntax="key FIELDS (numfields:integer#0 field...)",
        summary="Returns the time to live of fields of a hash in seconds.", complexity="O(N) for N fields",
    ),
]
