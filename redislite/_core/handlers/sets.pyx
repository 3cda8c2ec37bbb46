"""Commands on sets, and their rows.

What a set is and does stands in set_value; here are arguments, replies, keys, and the algebra of several sets.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.commands.arguments cimport (
    argument_at_least_or_reply, argument_is, argument_range_or_reply, reply_out_of_memory, reply_syntax_error,
    reply_wrong_type,
)
from redislite._core.handlers.scanning cimport (
    SCAN_OF_SET, Collected, ScanOptions, reply_scan_cursor, scan_cursor_or_reply, scan_dict, scan_matches,
    scan_options_or_reply, scan_release,
)
from redislite._core.keyspace.discard cimport discard_value
from redislite._core.keyspace.entry cimport (
    ENCODING_HASHTABLE, ENCODING_INTSET, ENCODING_LISTPACK, NO_EXPIRE, TYPE_SET, Entry, entry_block_size,
    entry_encoding, entry_new, entry_pointer, entry_set_encoding, entry_set_pointer, entry_type,
)
from redislite._core.keyspace.keyspace cimport (
    access_for_new, argument_hash, delete_key, key_changed, keyspace_find, load_entry, lookup_read, lookup_write,
    notify_argument, notify_deleted, store_value,
)
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_bytes, propagate_instead, propagate_integer, propagate_nothing,
    propagate_text,
)
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_bulk, reply_bulk_integer, reply_deferred_begin, reply_deferred_end, reply_error,
    reply_integer, reply_is_futile, reply_mark, reply_null, reply_rollback, reply_set,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core, Reply, random_below
from redislite._core.state.flags cimport NOTIFY_NEW, NOTIFY_SET
from redislite._core.structures.dict cimport (
    Dict, dict_find, dict_hash, dict_init, dict_insert, dict_prefetch_bucket, dict_prefetch_entry, dict_random,
    dict_release, dict_remove, dict_reserve, dict_size,
)
from redislite._core.structures.intset cimport intset_find_near
from redislite._core.values.set_value cimport (
    SET_MEMBER_TEXT, SetIterator, SetMember, SetTable, SetValue, set_add, set_add_member, set_append, set_convert,
    set_expect, set_free, set_has, set_has_member, set_iterate_begin, set_iterate_end, set_iterate_next, set_length,
    set_member_hash, set_member_text, set_new, set_new_encoded, set_random, set_remove, set_remove_at,
    set_remove_member, set_table_put, set_to_integers,
)

from redislite._core.commands.row import native

cdef enum:
    OPERANDS_INLINE = 16        # sets of one command that are noted without asking for memory
    BATCH = 16                  # members that are looked up together
    UNION_BY_LOOKUP = 3         # a union of so many sets asks the sets before, instead of noting what has been answered
    SPOP_REBUILD = 5            # where so many times what stays is popped, what stays moves to a new set
    POP_ONE_BY_ONE = 16         # members that are popped singly from a listpack or intset
    REMOVAL_BATCH = 1024        # members of one propagated SREM
    PICKS_INLINE = 32           # members picked at random that are compared with each other directly


# A set that a command reads.
cdef struct Operand:
    SetValue value
    size_t length               # 0: the key is not there
    uint32_t near               # of an intset: where a member was looked for last


cdef struct Operands:
    Operand* items              # own, or memory of the heap
    int count
    Operand own[OPERANDS_INLINE]


# Members that are looked up together, in sets that are hashtables by these hashes.
cdef struct Batch:
    int count
    SetMember members[BATCH]
    uint64_t hashes[BATCH]


cdef inline void load(const Entry* entry, SetValue* value) noexcept nogil:
    value.encoding = entry_encoding(entry)
    value.block = entry_pointer(entry)


cdef inline void save(Entry* entry, const SetValue* value) noexcept nogil:
    entry_set_pointer(entry, value.block)
    entry_set_encoding(entry, value.encoding)


cdef inline bint is_set_or_reply(Client* client, const Entry* entry) noexcept nogil:
    if entry_type(entry) != TYPE_SET:
        reply_wrong_type(client)
        return 0
    return 1


cdef inline bint read_or_reply(Core* core, Client* client, SetValue* value, bint* missing) noexcept nogil:
    """The set of argument 1 for reading; 0: it is none, which has been answered."""
    cdef Entry* entry = lookup_read(core, client, 1)
    missing[0] = entry == NULL
    if entry == NULL:
        return 1
    if not is_set_or_reply(client, entry):
        return 0
    load(entry, value)
    return 1


cdef inline void reply_member(Client* client, const SetMember* member) noexcept nogil:
    if member.data != NULL:
        reply_bulk(&client.reply, member.data, member.length)
    else:
        reply_bulk_integer(&client.reply, member.integer)


cdef void reply_members(Client* client, const SetValue* value) noexcept nogil:
    cdef SetIterator iterator
    cdef SetMember member
    set_iterate_begin(&iterator, value)
    while set_iterate_next(&iterator, &member):
        reply_member(client, &member)
    set_iterate_end(&iterator)


cdef inline void reply_deferred_set(Client* client, Chunk* place, int64_t length) noexcept nogil:
    reply_deferred_end(&client.reply, place, c'~' if client.reply.protocol == 3 else c'*', length)


cdef inline void changed(Core* core, Client* client, int index, int64_t changes, const char* event) noexcept nogil:
    key_changed(core, client.database, client.argv[index].data, client.argv[index].length)
    core.dirty += changes - 1
    notify_argument(core, client, index, NOTIFY_SET, event)


cdef inline void delete(Core* core, Client* client, int index) noexcept nogil:
    delete_key(core, client.database, client.argv[index].data, client.argv[index].length,
               argument_hash(client, index), core.settings.lazy_server_delete != 0)


cdef void finish_removal(Core* core, Client* client, int index, Entry* entry, const SetValue* value, int64_t removed,
                         const char* event) noexcept nogil:
    """So many members were removed: an empty set goes with its key."""
    cdef bint is_empty = set_length(value) == 0
    save(entry, value)
    if is_empty:
        delete(core, client, index)
    changed(core, client, index, removed, event)
    if is_empty:
        notify_deleted(core, client, index)


# One set

cdef void sadd_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Argument* argument
    cdef SetValue value
    cdef int64_t added = 0
    cdef int outcome
    cdef int i
    if slot == NULL:
        if set_new(core, &value, client.argv[2].data, client.argv[2].length, client.argc - 2) != 0:
            reply_out_of_memory(client)
            return
    else:
        if not is_set_or_reply(client, slot[0]):
            return
        load(slot[0], &value)
        if client.argc > 3:
            if set_expect(core, &value, client.argc - 2) != 0:
                reply_out_of_memory(client)
                return
            save(slot[0], &value)
    for i in range(2, client.argc):
        argument = &client.argv[i]
        outcome = set_add(core, &value, argument.data, argument.length)
        if outcome < 0:
            break
        added += outcome
    else:
        outcome = 0
    if slot != NULL:
        save(slot[0], &value)
    elif outcome < 0 or store_value(core, client.database, NULL, &client.argv[1], argument_hash(client, 1), TYPE_SET,
                                    value.encoding, value.block) != 0:
        set_free(core.heap, &value)
        reply_out_of_memory(client)
        return
    if added:
        changed(core, client, 1, added, "sadd")
    if outcome < 0:
        reply_out_of_memory(client)
    else:
        reply_integer(&client.reply, added)


cdef void srem_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef SetValue value
    cdef int64_t removed = 0
    cdef int outcome = 0
    cdef int i
    if slot == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_set_or_reply(client, slot[0]):
        return
    load(slot[0], &value)
    for i in range(2, client.argc):
        outcome = set_remove(core, &value, client.argv[i].data, client.argv[i].length)
        if outcome < 0:
            break
        removed += outcome
        if outcome and set_length(&value) == 0:
            break
    if removed:
        finish_removal(core, client, 1, slot[0], &value, removed, "srem")
    if outcome < 0:
        reply_out_of_memory(client)
    else:
        reply_integer(&client.reply, removed)


cdef void sismember_command(Core* core, Client* client) noexcept nogil:
    cdef SetValue value
    cdef bint missing
    if read_or_reply(core, client, &value, &missing):
        reply_integer(&client.reply, not missing and set_has(&value, client.argv[2].data, client.argv[2].length))


cdef void smismember_command(Core* core, Client* client) noexcept nogil:
    cdef SetValue value
    cdef bint missing
    cdef int i
    if not read_or_reply(core, client, &value, &missing):
        return
    reply_array(&client.reply, client.argc - 2)
    for i in range(2, client.argc):
        reply_integer(&client.reply, not missing and set_has(&value, client.argv[i].data, client.argv[i].length))


cdef void scard_command(Core* core, Client* client) noexcept nogil:
    cdef SetValue value
    cdef bint missing
    if read_or_reply(core, client, &value, &missing):
        reply_integer(&client.reply, 0 if missing else <int64_t> set_length(&value))


cdef void smembers_command(Core* core, Client* client) noexcept nogil:
    cdef SetValue value
    cdef bint missing
    if not read_or_reply(core, client, &value, &missing):
        return
    if missing:
        reply_set(&client.reply, 0)
        return
    reply_set(&client.reply, <int64_t> set_length(&value))
    reply_members(client, &value)


cdef int store_untold(Core* core, Client* client, int key, const SetValue* value) noexcept nogil:
    """Adds a key with this value, of which the caller tells. 0, or -1 where memory is out."""
    cdef Argument* name = &client.argv[key]
    cdef Entry* entry = entry_new(core.heap, name.data, name.length, NO_EXPIRE, TYPE_SET, value.encoding,
                                  access_for_new(core), sizeof(value.block))
    if entry == NULL:
        return -1
    entry_set_pointer(entry, value.block)
    if load_entry(core, client.database, entry, argument_hash(client, key)) != 0:
        heap_free(core.heap, entry, entry_block_size(entry))
        return -1
    return 0


cdef void smove_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Entry* source = slot[0] if slot != NULL else NULL
    cdef Entry* target
    cdef Argument* member = &client.argv[3]
    cdef SetValue value, target_value
    cdef int added
    slot = lookup_write(core, client, 2)
    target = slot[0] if slot != NULL else NULL
    if source == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_set_or_reply(client, source) or (target != NULL and not is_set_or_reply(client, target)):
        return
    load(source, &value)
    if source == target or not set_has(&value, member.data, member.length):
        reply_integer(&client.reply, source == target and set_has(&value, member.data, member.length))
        return
    if target != NULL:
        load(target, &target_value)
    elif set_new(core, &target_value, member.data, member.length, 1) != 0:
        reply_out_of_memory(client)
        return
    # What leaves the source is told first, but done last, as the target may ask for memory: the new key is told below.
    added = set_add(core, &target_value, member.data, member.length)
    if target != NULL:
        save(target, &target_value)
    elif added < 0 or store_untold(core, client, 2, &target_value) != 0:
        set_free(core.heap, &target_value)
        added = -1
    if added >= 0 and set_remove(core, &value, member.data, member.length) < 0:
        # Memory is out: all is to be as it was.
        if target == NULL:
            delete(core, client, 2)
        elif added and set_remove(core, &target_value, member.data, member.length) > 0:
            save(target, &target_value)
        added = -1
    if added < 0:
        reply_out_of_memory(client)
        return
    finish_removal(core, client, 1, source, &value, 1, "srem")
    if target == NULL:
        notify_argument(core, client, 2, NOTIFY_NEW, "new")
    if added:
        changed(core, client, 2, 1, "sadd")
    reply_integer(&client.reply, 1)


# Random members

cdef inline bint drawn(Core* core, size_t wanted, size_t left) noexcept nogil:
    """Whether the next of left members is one of those wanted: with that, each choice of them is as likely as any."""
    return random_below(&core.random, left) < wanted


cdef void reply_popped(Core* core, Client* client, const SetMember* member, size_t taken, size_t left) noexcept nogil:
    """Answers a member that is taken out: so many were before it, and left are to come, itself included."""
    reply_member(client, member)
    if core.propagation:
        if taken % REMOVAL_BATCH == 0:
            propagate_begin(core, client.database, 2 + (left if left < REMOVAL_BATCH else <size_t> REMOVAL_BATCH))
            propagate_text(core, "SREM")
            propagate_arguments(core, client, 1, 2)
        if member.data == NULL:
            propagate_integer(core, member.integer)
        else:
            propagate_bytes(core, member.data, member.length)


cdef bint pop_singly(Core* core, Client* client, SetValue* value, size_t count) noexcept nogil:
    """Takes count members out and answers them; 0 where memory is out."""
    cdef size_t total = count
    cdef SetMember member
    cdef size_t place = 0
    cdef ReplyMark mark
    while count:
        mark = reply_mark(&client.reply)
        set_random(core, value, &member, &place)
        reply_popped(core, client, &member, total - count, count)
        if set_remove_at(core, value, &member, place) != 0:
            reply_rollback(&client.reply, mark)
            return 0
        count -= 1
    return 1


cdef bint pop_rebuilding(Core* core, Client* client, SetValue* value, size_t count) noexcept nogil:
    """The same for a listpack or intset: what stays is copied to a new one."""
    cdef size_t total = count
    cdef size_t left = set_length(value)
    cdef SetIterator iterator
    cdef SetMember member
    cdef SetValue kept
    cdef bint failed = 0
    if set_new_encoded(core, &kept, value.encoding) != 0:
        return 0
    set_iterate_begin(&iterator, value)
    while not failed and set_iterate_next(&iterator, &member):
        if drawn(core, count, left):
            reply_popped(core, client, &member, total - count, count)
            count -= 1
        else:
            failed = set_append(core, &kept, &member) != 0
        left -= 1
    set_iterate_end(&iterator)
    set_free(core.heap, &kept if failed else value)
    if not failed:
        value[0] = kept
    return not failed


cdef bint keep_few(Core* core, SetValue* value, void** blocks, size_t count) noexcept nogil:
    """Leaves of a hashtable only these blocks, in a set of the encoding that a new one would have; 0 where memory is
    out (nothing has changed)."""
    cdef SetTable* old = <SetTable*> value.block
    cdef bint small = <int64_t> count <= core.settings.set_max_listpack_entries
    cdef SetValue kept
    cdef SetTable* table
    cdef SetMember member
    cdef uint64_t hash
    cdef size_t i
    for i in range(count):
        prefixed_read(<const char*> blocks[i], &member.length)
        small = small and <int64_t> member.length <= core.settings.set_max_listpack_value
    if set_new_encoded(core, &kept, ENCODING_LISTPACK if small else ENCODING_HASHTABLE) != 0:
        return 0
    table = <SetTable*> kept.block
    for i in range(count):
        member.data = prefixed_read(<const char*> blocks[i], &member.length)
        if small:
            if set_append(core, &kept, &member) == 0:
                continue
            set_free(core.heap, &kept)
            return 0
        hash = dict_hash(&old.members, member.data, member.length)
        if set_table_put(table, blocks[i], hash) != 0:
            # The blocks are still the old table's.
            dict_release(&table.members)
            dict_init(&table.members, core.heap, core.seed, 0)
            set_free(core.heap, &kept)
            return 0
    if not small:
        for i in range(count):
            member.data = prefixed_read(<const char*> blocks[i], &member.length)
            dict_remove(&old.members, member.data, member.length,
                        dict_hash(&old.members, member.data, member.length))
    discard_value(core, TYPE_SET, value.encoding, value.block)
    value[0] = kept
    return 1


cdef bint pop_most(Core* core, Client* client, SetValue* value, size_t count) noexcept nogil:
    """Takes count members, most of them, out of a hashtable and answers them; 0 where memory is out."""
    cdef size_t total = count
    cdef size_t left = set_length(value)
    cdef size_t remaining = left - count
    cdef void** blocks = <void**> heap_alloc(core.heap, remaining * sizeof(void*))
    cdef SetIterator iterator
    cdef SetMember member
    cdef size_t kept = 0
    cdef bint done
    if blocks == NULL:
        return 0
    set_iterate_begin(&iterator, value)
    while set_iterate_next(&iterator, &member):
        if drawn(core, count, left):
            reply_popped(core, client, &member, total - count, count)
            count -= 1
        else:
            blocks[kept] = iterator.ahead[iterator.ahead_next - 1]
            kept += 1
        left -= 1
    set_iterate_end(&iterator)
    done = keep_few(core, value, blocks, remaining)
    heap_free(core.heap, blocks, remaining * sizeof(void*))
    return done


cdef void spop_several(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot
    cdef SetValue value
    cdef int64_t count
    cdef size_t length
    cdef ReplyMark mark
    cdef bint done
    if not argument_at_least_or_reply(client, 2, 0, &count, "ERR value is out of range, must be positive"):
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_set(&client.reply, 0)
        return
    if not is_set_or_reply(client, slot[0]):
        return
    if count == 0:
        reply_set(&client.reply, 0)
        return
    load(slot[0], &value)
    length = set_length(&value)
    if <size_t> count >= length:
        reply_set(&client.reply, <int64_t> length)
        reply_members(client, &value)
        delete(core, client, 1)
        changed(core, client, 1, <int64_t> length, "spop")
        notify_deleted(core, client, 1)
        if core.propagation:
            propagate_instead(core, client, "UNLINK" if core.settings.lazy_server_delete else "DEL", 1)
        return
    mark = reply_mark(&client.reply)
    reply_set(&client.reply, count)
    if value.encoding == ENCODING_HASHTABLE:
        if (length - <size_t> count) * SPOP_REBUILD > <size_t> count:
            done = pop_singly(core, client, &value, count)
        else:
            done = pop_most(core, client, &value, count)
    elif count <= POP_ONE_BY_ONE:
        done = pop_singly(core, client, &value, count)
    else:
        done = pop_rebuilding(core, client, &value, count)
    save(slot[0], &value)
    if length != set_length(&value):
        changed(core, client, 1, <int64_t> (length - set_length(&value)), "spop")
    if core.propagation:
        propagate_nothing(core)
        core.feed.is_broken |= not done
    if not done:
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)


cdef void spop_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot
    cdef SetValue value
    if client.argc == 3:
        spop_several(core, client)
        return
    if client.argc > 3:
        reply_syntax_error(client)
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_null(&client.reply)
        return
    if not is_set_or_reply(client, slot[0]):
        return
    load(slot[0], &value)
    if not pop_singly(core, client, &value, 1):
        core.feed.is_broken |= core.propagation != 0
        reply_out_of_memory(client)
        return
    finish_removal(core, client, 1, slot[0], &value, 1, "spop")
    if core.propagation:
        propagate_nothing(core)


cdef void pick_from_all(Core* core, Client* client, const SetValue* value, size_t count) noexcept nogil:
    """Answers count different members, going once through the set."""
    cdef size_t left = set_length(value)
    cdef SetIterator iterator
    cdef SetMember member
    set_iterate_begin(&iterator, value)
    while count and set_iterate_next(&iterator, &member):
        if drawn(core, count, left):
            reply_member(client, &member)
            count -= 1
        left -= 1
    set_iterate_end(&iterator)


cdef void pick_few(Core* core, Client* client, const SetValue* value, size_t count) noexcept nogil:
    """Answers up to PICKS_INLINE different members out of many more; not from a listpack."""
    cdef uint64_t picked[PICKS_INLINE]
    cdef SetMember member
    cdef size_t place = 0
    cdef uint64_t identity
    cdef size_t found = 0
    cdef size_t i
    while found < count:
        set_random(core, value, &member, &place)
        identity = <uint64_t> member.data if member.data != NULL else place
        for i in range(found):
            if picked[i] == identity:
                break
        else:
            picked[found] = identity
            found += 1
            reply_member(client, &member)


cdef bint pick_many(Core* core, Client* client, const SetValue* value, size_t count) noexcept nogil:
    """Answers count different members of a hashtable that has many more; 0 where memory is out."""
    cdef Dict* members = &(<SetTable*> value.block).members
    cdef Dict seen
    cdef uint64_t hash
    cdef size_t length
    cdef char* text
    cdef void* block
    cdef bint done
    dict_init(&seen, core.heap, core.seed, 0)
    done = dict_reserve(&seen, count) == 0
    while done and dict_size(&seen) < count:
        block = dict_random(members, &core.random)
        text = prefixed_read(<const char*> block, &length)
        hash = dict_hash(&seen, text, length)
        if dict_find(&seen, text, length, hash) == NULL:
            done = dict_insert(&seen, block, hash) == 0
            reply_bulk(&client.reply, text, length)
    dict_release(&seen)
    return done


cdef void srandmember_several(Core* core, Client* client) noexcept nogil:
    cdef SetValue value
    cdef SetMember member
    cdef int64_t count
    cdef size_t length, wanted
    cdef size_t place = 0
    cdef ReplyMark mark
    cdef bint missing
    if not argument_range_or_reply(client, 2, -INT64_MAX, INT64_MAX, &count,
                                   "ERR value is out of range, value must between -9223372036854775807 and "
                                   "9223372036854775807"):
        return
    if not read_or_reply(core, client, &value, &missing):
        return
    if missing or count == 0:
        reply_array(&client.reply, 0)
        return
    if count < 0:
        reply_array(&client.reply, -count)
        while count < 0 and not reply_is_futile(&client.reply):
            set_random(core, &value, &member, &place)
            reply_member(client, &member)
            count += 1
        return
    length = set_length(&value)
    wanted = <size_t> count
    if wanted >= length:
        reply_array(&client.reply, <int64_t> length)
        reply_members(client, &value)
        return
    mark = reply_mark(&client.reply)
    reply_array(&client.reply, count)
    if value.encoding == ENCODING_LISTPACK or wanted > length // 3:
        pick_from_all(core, client, &value, wanted)
    elif wanted <= PICKS_INLINE:
        pick_few(core, client, &value, wanted)
    elif value.encoding == ENCODING_INTSET:
        pick_from_all(core, client, &value, wanted)
    elif not pick_many(core, client, &value, wanted):
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)


cdef void srandmember_command(Core* core, Client* client) noexcept nogil:
    cdef SetValue value
    cdef SetMember member
    cdef size_t place
    cdef bint missing
    if client.argc == 3:
        srandmember_several(core, client)
    elif client.argc > 3:
        reply_syntax_error(client)
    elif read_or_reply(core, client, &value, &missing):
        if missing:
            reply_null(&client.reply)
        else:
            set_random(core, &value, &member, &place)
            reply_member(client, &member)


cdef void sscan_command(Core* core, Client* client) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef ScanOptions options
    cdef Collected found
    cdef SetIterator iterator
    cdef SetMember member
    cdef SetValue value
    cdef Chunk* place
    cdef int64_t matching = 0
    cdef size_t length, i
    cdef char* text
    cdef bint missing
    if not scan_cursor_or_reply(client, 2, &options.cursor):
        return
    if not read_or_reply(core, client, &value, &missing):
        return
    if missing:
        reply_scan_cursor(client, 0)
        reply_array(&client.reply, 0)
        return
    if not scan_options_or_reply(client, 3, SCAN_OF_SET, &options):
        return
    if value.encoding == ENCODING_HASHTABLE:
        scan_dict(core.heap, &(<SetTable*> value.block).members, &options, &found)
        if found.starved:
            reply_out_of_memory(client)
        else:
            reply_scan_cursor(client, options.cursor)
            place = reply_deferred_begin(&client.reply)
            for i in range(found.count):
                text = prefixed_read(<const char*> found.entries[i], &length)
                if scan_matches(&options, text, length):
                    reply_bulk(&client.reply, text, length)
                    matching += 1
            reply_deferred_end(&client.reply, place, c'*', matching)
        scan_release(&found)
        return
    reply_scan_cursor(client, 0)
    place = reply_deferred_begin(&client.reply)
    set_iterate_begin(&iterator, &value)
    while set_iterate_next(&iterator, &member):
        text = set_member_text(&member, buffer, &length)
        if scan_matches(&options, text, length):
            reply_bulk(&client.reply, text, length)
            matching += 1
    set_iterate_end(&iterator)
    reply_deferred_end(&client.reply, place, c'*', matching)


# Several sets

cdef bint operands_or_reply(Core* core, Client* client, int first, int count, Operands* operands) noexcept nogil:
    """Looks up the sets of arguments first to first + count - 1; 0: the error has been answered, nothing is to be
    released."""
    cdef Entry* entry
    cdef int i
    operands.items = operands.own
    operands.count = count
    if count > OPERANDS_INLINE:
        operands.items = <Operand*> heap_alloc(core.heap, count * sizeof(Operand))
        if operands.items == NULL:
            reply_out_of_memory(client)
            return 0
    for i in range(count):
        entry = lookup_read(core, client, first + i)
        operands.items[i].length = 0
        operands.items[i].near = 0
        if entry == NULL:
            continue
        if not is_set_or_reply(client, entry):
            operands_release(core, operands)
            return 0
        load(entry, &operands.items[i].value)
        operands.items[i].length = set_length(&operands.items[i].value)
    return 1


cdef void operands_release(Core* core, Operands* operands) noexcept nogil:
    if operands.items != operands.own:
        heap_free(core.heap, operands.items, operands.count * sizeof(Operand))


cdef int smaller_first(const void* a, const void* b) noexcept nogil:
    cdef size_t one = (<const Operand*> a).length
    cdef size_t other = (<const Operand*> b).length
    return (one > other) - (one < other)


cdef int larger_first(const void* a, const void* b) noexcept nogil:
    return smaller_first(b, a)


cdef bint next_batch(Core* core, SetIterator* iterator, Batch* batch, bint hashes) noexcept nogil:
    cdef int count = 0
    while count < BATCH and set_iterate_next(iterator, &batch.members[count]):
        if hashes:
            batch.hashes[count] = set_member_hash(core, &batch.members[count])
        count += 1
    batch.count = count
    return count != 0


cdef inline bint operand_has(Operand* operand, const SetMember* member, uint64_t hash) noexcept nogil:
    if operand.length == 0:
        return 0
    # Members of another intset come in order, so each stands close behind the one before.
    if operand.value.encoding == ENCODING_INTSET and member.data == NULL:
        return intset_find_near(<const uint8_t*> operand.value.block, member.integer, &operand.near)
    return set_has_member(&operand.value, member, hash)


cdef void filter_batch(Batch* batch, Operand* operand, bint wanted) noexcept nogil:
    """Leaves those members that are in the set (wanted), or are not."""
    cdef Dict* members
    cdef int kept = 0
    cdef int i
    if operand.length and operand.value.encoding == ENCODING_HASHTABLE:
        members = &(<SetTable*> operand.value.block).members
        for i in range(batch.count):
            dict_prefetch_bucket(members, batch.hashes[i])
        for i in range(batch.count):
            dict_prefetch_entry(members, batch.hashes[i])
    for i in range(batch.count):
        if operand_has(operand, &batch.members[i], batch.hashes[i]) == wanted:
            batch.members[kept] = batch.members[i]
            batch.hashes[kept] = batch.hashes[i]
            kept += 1
    batch.count = kept


cdef inline bint any_hashtable(const Operands* operands) noexcept nogil:
    cdef int i
    for i in range(operands.count):
        if operands.items[i].length and operands.items[i].value.encoding == ENCODING_HASHTABLE:
            return 1
    return 0


cdef bint take_batch(Core* core, Client* client, const Batch* batch, SetValue* result) noexcept nogil:
    """Answers the members, or adds them where there is a result; 0 where memory is out."""
    cdef int i
    for i in range(batch.count):
        if result == NULL:
            reply_member(client, &batch.members[i])
        elif set_add_member(core, result, &batch.members[i]) < 0:
            return 0
    return 1


cdef void store_result(Core* core, Client* client, SetValue* result, const char* event) noexcept nogil:
    """Puts the result under the key of argument 1 and answers its size; an empty one deletes the key."""
    cdef Argument* key = &client.argv[1]
    cdef uint64_t hash = argument_hash(client, 1)
    cdef Entry** slot = keyspace_find(core, client.database, key.data, key.length, hash)
    cdef int64_t length = <int64_t> set_length(result)
    if length == 0:
        set_free(core.heap, result)
        if slot != NULL:
            delete(core, client, 1)
            key_changed(core, client.database, key.data, key.length)
            notify_deleted(core, client, 1)
    elif store_value(core, client.database, slot, key, hash, TYPE_SET, result.encoding, result.block) != 0:
        set_free(core.heap, result)
        reply_out_of_memory(client)
        return
    else:
        changed(core, client, 1, 1, event)
    reply_integer(&client.reply, length)


cdef int64_t intersect(Core* core, Client* client, Operands* operands, int64_t limit, bint counting,
                       SetValue* result) noexcept nogil:
    """Goes through the smallest set; tells how many members all have, up to limit where that is not 0, or -1 where
    memory is out. The members are answered, but where counting, and added to the result where there is one."""
    cdef bint hashes = any_hashtable(operands)
    cdef SetIterator iterator
    cdef Batch batch
    cdef int64_t found = 0
    cdef int i
    set_iterate_begin(&iterator, &operands.items[0].value)
    while next_batch(core, &iterator, &batch, hashes):
        for i in range(1, operands.count):
            if operands.items[i].value.block != operands.items[0].value.block:
                filter_batch(&batch, &operands.items[i], 1)
        found += batch.count
        if limit and found >= limit:
            found = limit
            break
        if not counting and not take_batch(core, client, &batch, result):
            found = -1
            break
    set_iterate_end(&iterator)
    return found


cdef inline bint any_missing(const Operands* operands) noexcept nogil:
    cdef int i
    for i in range(operands.count):
        if operands.items[i].length == 0:
            return 1
    return 0


cdef void sinter_command(Core* core, Client* client) noexcept nogil:
    cdef Operands operands
    cdef Chunk* place
    if not operands_or_reply(core, client, 1, client.argc - 1, &operands):
        return
    if any_missing(&operands):
        reply_set(&client.reply, 0)
    else:
        qsort(operands.items, operands.count, sizeof(Operand), smaller_first)
        place = reply_deferred_begin(&client.reply)
        reply_deferred_set(client, place, intersect(core, client, &operands, 0, 0, NULL))
    operands_release(core, &operands)


cdef void sinterstore_command(Core* core, Client* client) noexcept nogil:
    cdef Operands operands
    cdef SetValue result
    cdef bint failed = 0
    cdef int encoding = ENCODING_LISTPACK
    if not operands_or_reply(core, client, 2, client.argc - 2, &operands):
        return
    if not any_missing(&operands):
        qsort(operands.items, operands.count, sizeof(Operand), smaller_first)
        if operands.items[0].value.encoding == ENCODING_INTSET:
            encoding = ENCODING_INTSET
    failed = set_new_encoded(core, &result, encoding) != 0
    if not failed and not any_missing(&operands) and (
            intersect(core, client, &operands, 0, 0, &result) < 0 or set_to_integers(core, &result) != 0):
        failed = 1
        set_free(core.heap, &result)
    operands_release(core, &operands)
    if failed:
        reply_out_of_memory(client)
    else:
        store_result(core, client, &result, "sinterstore")


cdef void sintercard_command(Core* core, Client* client) noexcept nogil:
    cdef Operands operands
    cdef int64_t count
    cdef int64_t limit = 0
    cdef int i
    if not argument_at_least_or_reply(client, 1, 1, &count, "ERR numkeys should be greater than 0"):
        return
    if count > client.argc - 2:
        reply_error(&client.reply, "ERR Number of keys can't be greater than number of args")
        return
    i = 2 + <int> count
    while i < client.argc:
        if i + 1 == client.argc or not argument_is(&client.argv[i], "LIMIT"):
            reply_syntax_error(client)
            return
        if not argument_at_least_or_reply(client, i + 1, 0, &limit, "ERR LIMIT can't be negative"):
            return
        i += 2
    if not operands_or_reply(core, client, 2, <int> count, &operands):
        return
    if any_missing(&operands):
        reply_integer(&client.reply, 0)
    else:
        qsort(operands.items, operands.count, sizeof(Operand), smaller_first)
        reply_integer(&client.reply, intersect(core, client, &operands, limit, 1, NULL))
    operands_release(core, &operands)


cdef int64_t unite_by_lookup(Core* core, Client* client, Operands* operands) noexcept nogil:
    """Answers the members of few sets: those of each that none before has; their number."""
    cdef bint hashes = any_hashtable(operands)
    cdef SetIterator iterator
    cdef Batch batch
    cdef int64_t found = 0
    cdef int i, j
    qsort(operands.items, operands.count, sizeof(Operand), larger_first)
    for i in range(operands.count):
        if operands.items[i].length == 0:
            break
        set_iterate_begin(&iterator, &operands.items[i].value)
        while next_batch(core, &iterator, &batch, hashes and i > 0):
            for j in range(i):
                filter_batch(&batch, &operands.items[j], 0)
            found += batch.count
            take_batch(core, client, &batch, NULL)
        set_iterate_end(&iterator)
    return found


cdef bint unite(Core* core, Operands* operands, SetValue* result) noexcept nogil:
    """Adds all members of all sets to the result; 0 where memory is out."""
    cdef SetIterator iterator
    cdef SetMember member
    cdef size_t largest = 0
    cdef bint done = 1
    cdef int i
    for i in range(operands.count):
        largest = max(largest, operands.items[i].length)
    if <int64_t> largest > max(core.settings.set_max_intset_entries, core.settings.set_max_listpack_entries) \
            and set_convert(core, result, largest) != 0:
        return 0
    for i in range(operands.count):
        if operands.items[i].length == 0:
            continue
        set_iterate_begin(&iterator, &operands.items[i].value)
        while done and set_iterate_next(&iterator, &member):
            done = set_add_member(core, result, &member) >= 0
        set_iterate_end(&iterator)
    return done


cdef bint subtract_singly(Core* core, Client* client, Operands* operands, int64_t* found,
                          SetValue* result) noexcept nogil:
    """Goes through the first set, asking all others for each member; answers the members or adds them to the result."""
    cdef bint hashes = any_hashtable(operands)
    cdef SetIterator iterator
    cdef Batch batch
    cdef bint done = 1
    cdef int i
    qsort(operands.items + 1, operands.count - 1, sizeof(Operand), larger_first)
    set_iterate_begin(&iterator, &operands.items[0].value)
    while done and next_batch(core, &iterator, &batch, hashes):
        for i in range(1, operands.count):
            filter_batch(&batch, &operands.items[i], 0)
        found[0] += batch.count
        done = take_batch(core, client, &batch, result)
    set_iterate_end(&iterator)
    return done


cdef bint subtract_wholly(Core* core, Operands* operands, SetValue* result) noexcept nogil:
    """Copies the first set to the result and takes the members of all others out; 0 where memory is out."""
    cdef SetIterator iterator
    cdef SetMember member
    cdef bint done = 1
    cdef int i
    for i in range(operands.count):
        if operands.items[i].length == 0:
            continue
        if i > 0 and set_length(result) == 0:
            break
        set_iterate_begin(&iterator, &operands.items[i].value)
        while done and set_iterate_next(&iterator, &member):
            if i == 0:
                done = set_add_member(core, result, &member) >= 0
            else:
                done = set_remove_member(core, result, &member) >= 0
        set_iterate_end(&iterator)
    return done


cdef bint singly_is_cheaper(const Operands* operands) noexcept nogil:
    """Asking all sets for each member of the first, against going through all of them: half of the asking is saved, as
    members that are found are asked for no more."""
    cdef uint64_t singly = 0
    cdef uint64_t wholly = 0
    cdef int i
    for i in range(operands.count):
        if operands.items[i].length:
            singly += operands.items[0].length
            wholly += operands.items[i].length
    return singly // 2 <= wholly


cdef inline int working_encoding(const Operands* operands) noexcept nogil:
    """The encoding for a set that is needed only until the reply is written."""
    cdef int i
    for i in range(operands.count):
        if operands.items[i].length and operands.items[i].value.encoding != ENCODING_INTSET:
            return ENCODING_HASHTABLE
    return ENCODING_INTSET


cdef void combine(Core* core, Client* client, bint subtract, bint store) noexcept nogil:
    """SUNION, SDIFF, and the same with a key to store the result."""
    cdef Operands operands
    cdef SetValue result
    cdef SetValue* taken = NULL
    cdef int first = 2 if store else 1
    cdef int64_t found = 0
    cdef Chunk* place
    cdef bint done = 1
    cdef bint direct
    if not operands_or_reply(core, client, first, client.argc - first, &operands):
        return
    # Without a result to store, some ways answer each member as they find it.
    if subtract:
        # A set alone is copied: it may have come in a payload whose members nobody has compared with each other.
        direct = operands.items[0].length == 0 or (operands.count > 1 and singly_is_cheaper(&operands))
    else:
        direct = not store and operands.count <= UNION_BY_LOOKUP
    if store or not direct:
        if set_new_encoded(core, &result, ENCODING_INTSET if store else working_encoding(&operands)) != 0:
            operands_release(core, &operands)
            reply_out_of_memory(client)
            return
        taken = &result
    place = NULL if taken != NULL else reply_deferred_begin(&client.reply)
    if subtract and operands.items[0].length == 0:
        pass
    elif subtract and direct:
        done = subtract_singly(core, client, &operands, &found, taken)
    elif subtract:
        done = subtract_wholly(core, &operands, taken)
    elif direct:
        found = unite_by_lookup(core, client, &operands)
    else:
        done = unite(core, &operands, taken)
    operands_release(core, &operands)
    if taken == NULL:
        reply_deferred_set(client, place, found)
    elif not done:
        discard_value(core, TYPE_SET, result.encoding, result.block)
        reply_out_of_memory(client)
    elif store:
        store_result(core, client, &result, "sdiffstore" if subtract else "sunionstore")
    else:
        reply_set(&client.reply, <int64_t> set_length(&result))
        reply_members(client, &result)
        discard_value(core, TYPE_SET, result.encoding, result.block)


cdef void sunion_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, 0, 0)


cdef void sunionstore_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, 0, 1)


cdef void sdiff_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, 1, 0)


cdef void sdiffstore_command(Core* core, Client* client) noexcept nogil:
    combine(core, client, 1, 1)


COMMANDS = [
    native(
        "sadd", <size_t> &sadd_command, -3, "write denyoom fast", keys="RW INSERT @ 1", group="set", since="1.0.0",
        syntax="key member...",
        summary="Adds members to a set, which is created if need be.", complexity="O(N) for N members added",
    ),
    native(
        "scard", <size_t> &scard_command, 2, "readonly fast", keys="RO @ 1", group="set", since="1.0.0",
        syntax="key",
        summary="Counts the members of a set.", complexity="O(1)",
    ),
    native(
        "sdiff", <size_t> &sdiff_command, -2, "readonly", keys="RO ACCESS @ 1 last=-1", group="set", since="1.0.0",
        tips="nondeterministic_output_order",
        syntax="key...",
        summary="Returns the members of a set that no other of the sets has.",
        complexity="O(N) for N members in all sets",
    ),
    native(
        "sdiffstore", <size_t> &sdiffstore_command, -3, "write denyoom", keys="OW UPDATE @ 1; RO ACCESS @ 2 last=-1",
        group="set", since="1.0.0",
        syntax="destination:key key#1...",
        summary="Stores the members of a set that no other of the sets has.",
        complexity="O(N) for N members in all sets",
    ),
    native(
        "sinter", <size_t> &sinter_command, -2, "readonly", keys="RO ACCESS @ 1 last=-1", group="set", since="1.0.0",
        tips="nondeterministic_output_order",
        syntax="key...",
        summary="Returns the members that all of the sets have.",
        complexity="O(N*M) at worst, for M sets of which the smallest has N members",
    ),
    native(
        "sintercard", <size_t> &sintercard_command, -3, "readonly", keys="RO ACCESS @ 1 keynum=0", group="set",
        since="7.0.0",
        syntax="numkeys:integer key... [LIMIT limit:integer]",
        summary="Counts the members that all of the sets have.",
        complexity="O(N*M) at worst, for M sets of which the smallest has N members",
    ),
    native(
        "sinterstore", <size_t> &sinterstore_command, -3, "write denyoom",
        keys="OW UPDATE @ 1; RO ACCESS @ 2 last=-1", group="set", since="1.0.0",
        syntax="destination:key key#1...",
        summary="Stores the members that all of the sets have.",
        complexity="O(N*M) at worst, for M sets of which the smallest has N members",
    ),
    native(
        "sismember", <size_t> &sismember_command, 3, "readonly fast", keys="RO @ 1", group="set", since="1.0.0",
        syntax="key member",
        summary="Tells whether a set has a member.", complexity="O(1)",
    ),
    native(
        "smembers", <size_t> &smembers_command, 2, "readonly", keys="RO ACCESS @ 1", group="set", since="1.0.0",
        tips="nondeterministic_output_order",
        syntax="key",
        summary="Returns all members of a set.", complexity="O(N) for N members",
    ),
    native(
        "smismember", <size_t> &smismember_command, -3, "readonly fast", keys="RO ACCESS @ 1", group="set",
        since="6.2.0",
        syntax="key member...",
        summary="Tells which of several members a set has.", complexity="O(N) for N members asked for",
    ),
    native(
        "smove", <size_t> &smove_command, 4, "write fast", keys="RW ACCESS DELETE @ 1; RW INSERT @ 2", group="set",
        since="1.0.0",
        syntax="source:key destination:key#1 member",
        summary="Moves a member from one set to another.", complexity="O(1)",
    ),
    native(
        "spop", <size_t> &spop_command, -2, "write fast", keys="RW ACCESS DELETE @ 1", group="set", since="1.0.0",
        tips="nondeterministic_output",
        syntax="key [count:integer@3.2.0]",
        summary="Removes members picked at random from a set and returns them.",
        complexity="O(N) for N members removed",
    ),
    native(
        "srandmember", <size_t> &srandmember_command, -2, "readonly", keys="RO ACCESS @ 1", group="set",
        since="1.0.0", tips="nondeterministic_output",
        syntax="key [count:integer@2.6.0]",
        summary="Returns members picked at random from a set.", complexity="O(N) for N members returned",
    ),
    native(
        "srem", <size_t> &srem_command, -3, "write fast", keys="RW DELETE @ 1", group="set", since="1.0.0",
        syntax="key member...",
        summary="Removes members from a set.", complexity="O(N) for N members removed",
    ),
    native(
        "sscan", <size_t> &sscan_command, -3, "readonly", keys="RO ACCESS @ 1", group="set", since="2.8.0",
        tips="nondeterministic_output",
        syntax="key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
        summary="Goes through the members of a set in steps.",
        complexity="O(1) a step, O(N) for the whole of N members",
    ),
    native(
        "sunion", <size_t> &sunion_command, -2, "readonly", keys="RO ACCESS @ 1 last=-1", group="set", since="1.0.0",
        tips="nondeterministic_output_order",
        syntax="key...",
        summary="Returns the members that any of the sets has.", complexity="O(N) for N members in all sets",
    ),
    native(
        "sunionstore", <size_t> &sunionstore_command, -3, "write denyoom",
        keys="OW UPDATE @ 1; RO ACCESS @ 2 last=-1", group="set", since="1.0.0",
        syntax="destination:key key#1...",
        summary="Stores the members that any of the sets has.", complexity="O(N) for N members in all sets",
    ),
]
