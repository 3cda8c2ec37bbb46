"""Commands on lists, and their rows.

A command that may wait (BLPOP and its like) is executed again, from the start, when a key it waits for has changed.
"""
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.commands.arguments cimport (
    argument_at_least_or_reply, argument_integer_or_reply, argument_is, argument_range_or_reply,
    argument_timeout_or_reply, clamp_range, reply_out_of_memory, reply_syntax_error, reply_wrong_type,
)
from redislite._core.keyspace.blocking cimport block_on_keys
from redislite._core.keyspace.discard cimport discard_value
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, TYPE_LIST, Entry, entry_block_size, entry_encoding, entry_new, entry_pointer, entry_set_encoding,
    entry_set_pointer, entry_type,
)
from redislite._core.keyspace.keyspace cimport (
    access_for_new, add_entry, argument_hash, delete_key, key_changed, lookup_read, lookup_write, notify_argument,
    notify_deleted,
)
from redislite._core.keyspace.propagate cimport (
    propagate_arguments, propagate_begin, propagate_instead, propagate_instead_counted, propagate_integer,
    propagate_nothing, propagate_text,
)
from redislite._core.protocol.listpack_reply cimport reply_listpack_value
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_array, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_error, reply_integer,
    reply_mark, reply_null, reply_null_array, reply_ok, reply_rollback,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core
from redislite._core.state.flags cimport NOTIFY_LIST
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.text.numbers cimport format_int64
from redislite._core.values.list_value cimport (
    ListIterator, ListValue, list_delete, list_delete_range, list_drop, list_end, list_equals, list_failed, list_free,
    list_get, list_insert, list_keep_range, list_length, list_new, list_next, list_previous, list_push, list_replace,
    list_reply_range, list_reserve, list_seek, list_shrink, list_stop,
)

from redislite._core.commands.row import native

cdef enum:
    MOVED_INLINE = 512              # bytes of an element that is moved without asking for memory


cdef inline bint is_list_or_reply(Client* client, const Entry* entry) noexcept nogil:
    if entry_type(entry) != TYPE_LIST:
        reply_wrong_type(client)
        return 0
    return 1


cdef inline ListValue take(const Entry* entry) noexcept nogil:
    cdef ListValue value
    value.encoding = entry_encoding(entry)
    value.block = entry_pointer(entry)
    return value


cdef inline void give(Entry* entry, const ListValue* value) noexcept nogil:
    """Writes back what has become of an entry's list."""
    entry_set_pointer(entry, value.block)
    entry_set_encoding(entry, value.encoding)


cdef int add_list(Core* core, Client* client, int key, const ListValue* value) noexcept nogil:
    """Puts a list under argument key, where no key is. 0, or -1 where memory is out: the list is still the caller's."""
    cdef Argument* name = &client.argv[key]
    cdef Entry* entry = entry_new(core.heap, name.data, name.length, NO_EXPIRE, TYPE_LIST, value.encoding,
                                  access_for_new(core), sizeof(void*))
    if entry == NULL:
        return -1
    entry_set_pointer(entry, value.block)
    if add_entry(core, client.database, entry, argument_hash(client, key)) != 0:
        heap_free(core.heap, entry, entry_block_size(entry))
        return -1
    return 0


cdef inline const char* pushed(bint at_head) noexcept nogil:
    """The event of adding at an end."""
    return "lpush" if at_head else "rpush"


cdef inline const char* popped(bint at_head) noexcept nogil:
    return "lpop" if at_head else "rpop"


cdef inline void note_change(Core* core, Client* client, int key, size_t count, const char* event) noexcept nogil:
    """The list under argument key has changed in so many places."""
    key_changed(core, client.database, client.argv[key].data, client.argv[key].length)
    core.dirty += count - 1
    notify_argument(core, client, key, NOTIFY_LIST, event)


cdef void finish_removal(Core* core, Client* client, int key, Entry* entry, ListValue* value,
                         size_t removed, const char* event) noexcept nogil:
    """Elements were removed from the list under argument key: an empty one goes, a small one is made a listpack."""
    cdef bint is_empty = list_length(value) == 0
    if is_empty:
        give(entry, value)
        delete_key(core, client.database, client.argv[key].data, client.argv[key].length, argument_hash(client, key), 0)
    else:
        list_shrink(core, value)
        give(entry, value)
    note_change(core, client, key, removed, event)
    if is_empty:
        notify_deleted(core, client, key)


# --- adding

cdef void push_arguments(Core* core, Client* client, bint at_head, bint only_existing) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef ListValue value
    cdef size_t bytes = 0
    cdef int i
    cdef bint failed
    if slot != NULL:
        if not is_list_or_reply(client, slot[0]):
            return
        value = take(slot[0])
    elif only_existing:
        reply_integer(&client.reply, 0)
        return
    elif list_new(core, &value) != 0:
        reply_out_of_memory(client)
        return
    for i in range(2, client.argc):
        bytes += client.argv[i].length
    failed = list_reserve(core, &value, bytes, client.argc - 2) != 0
    if not failed:
        for i in range(2, client.argc):
            if list_push(core.heap, &value, at_head, client.argv[i].data, client.argv[i].length) != 0:
                failed = 1
                while i > 2:
                    i -= 1
                    list_drop(core.heap, &value, at_head)
                break
    if slot != NULL:
        give(slot[0], &value)
    elif failed or add_list(core, client, 1, &value) != 0:
        list_free(core.heap, &value)
        failed = 1
    if failed:
        reply_out_of_memory(client)
        return
    note_change(core, client, 1, client.argc - 2, pushed(at_head))
    reply_integer(&client.reply, <int64_t> list_length(&value))


cdef void lpush_command(Core* core, Client* client) noexcept nogil:
    push_arguments(core, client, 1, 0)


cdef void rpush_command(Core* core, Client* client) noexcept nogil:
    push_arguments(core, client, 0, 0)


cdef void lpushx_command(Core* core, Client* client) noexcept nogil:
    push_arguments(core, client, 1, 1)


cdef void rpushx_command(Core* core, Client* client) noexcept nogil:
    push_arguments(core, client, 0, 1)


cdef void linsert_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* pivot = &client.argv[3]
    cdef Argument* element = &client.argv[4]
    cdef bint behind = argument_is(&client.argv[2], "AFTER")
    cdef Entry** slot
    cdef ListValue value
    cdef ListIterator it
    cdef bint more
    cdef int failed
    if not behind and not argument_is(&client.argv[2], "BEFORE"):
        reply_syntax_error(client)
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_list_or_reply(client, slot[0]):
        return
    value = take(slot[0])
    # Converts ahead, whether the pivot is there or not: the list is walked once.
    failed = list_reserve(core, &value, element.length, 1)
    more = 0
    if not failed:
        more = list_seek(&it, core.heap, &value, 0)
        while more and not list_equals(&it, pivot.data, pivot.length):
            more = list_next(&it)
        if more:
            failed = list_insert(&it, behind, element.data, element.length)
        elif list_failed(&it):
            failed = -1
        list_stop(&it)
    give(slot[0], &value)
    if failed:
        reply_out_of_memory(client)
    elif not more:
        reply_integer(&client.reply, -1)
    else:
        note_change(core, client, 1, 1, "linsert")
        reply_integer(&client.reply, <int64_t> list_length(&value))


cdef void lset_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* element = &client.argv[3]
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef ListValue value
    cdef ListIterator it
    cdef int64_t index
    cdef bint found = 0
    cdef int failed
    if slot == NULL:
        reply_error(&client.reply, "ERR no such key")
        return
    if not is_list_or_reply(client, slot[0]) or not argument_integer_or_reply(client, 2, &index):
        return
    value = take(slot[0])
    failed = list_reserve(core, &value, element.length, 1)
    if not failed:
        found = list_seek(&it, core.heap, &value, index)
        if found:
            failed = list_replace(&it, element.data, element.length)
        elif list_failed(&it):
            failed = -1
        list_stop(&it)
        if found and not failed:
            list_shrink(core, &value)
    give(slot[0], &value)
    if failed:
        reply_out_of_memory(client)
    elif not found:
        reply_error(&client.reply, "ERR index out of range")
    else:
        note_change(core, client, 1, 1, "lset")
        reply_ok(&client.reply)


# --- reading

cdef void llen_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef ListValue value
    if entry == NULL:
        reply_integer(&client.reply, 0)
    elif is_list_or_reply(client, entry):
        value = take(entry)
        reply_integer(&client.reply, <int64_t> list_length(&value))


cdef void lindex_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef ListValue value
    cdef ListIterator it
    cdef ListpackValue element
    cdef int64_t index
    if entry == NULL:
        reply_null(&client.reply)
        return
    if not is_list_or_reply(client, entry) or not argument_integer_or_reply(client, 2, &index):
        return
    value = take(entry)
    if list_seek(&it, core.heap, &value, index):
        list_get(&it, &element)
        reply_listpack_value(&client.reply, &element)
    elif list_failed(&it):
        reply_out_of_memory(client)
    else:
        reply_null(&client.reply)
    list_stop(&it)


cdef void lrange_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry
    cdef ListValue value
    cdef int64_t start, end
    if not argument_integer_or_reply(client, 2, &start) or not argument_integer_or_reply(client, 3, &end):
        return
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        reply_array(&client.reply, 0)
        return
    if not is_list_or_reply(client, entry):
        return
    value = take(entry)
    if not clamp_range(<int64_t> list_length(&value), &start, &end):
        reply_array(&client.reply, 0)
        return
    reply_array(&client.reply, end - start)
    list_reply_range(&client.reply, core.heap, &value, <size_t> start, <size_t> (end - start), 0)


cdef void lpos_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* wanted = &client.argv[2]
    cdef Entry* entry
    cdef ListValue value
    cdef ListIterator it
    cdef Chunk* place = NULL
    cdef int64_t rank = 1
    cdef int64_t count = -1
    cdef int64_t most = 0           # elements to look at; 0: all
    cdef int64_t index = 0
    cdef int64_t matches = 0
    cdef int64_t length
    cdef bint backward, more
    cdef int i = 3
    while i < client.argc:
        if i + 1 == client.argc:
            reply_syntax_error(client)
            return
        if argument_is(&client.argv[i], "RANK"):
            if not argument_range_or_reply(
                    client, i + 1, -INT64_MAX, INT64_MAX, &rank,
                    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"):
                return
            if rank == 0:
                reply_error(&client.reply, "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                            "second ... or use negative to start from the end of the list")
                return
        elif argument_is(&client.argv[i], "COUNT"):
            if not argument_at_least_or_reply(client, i + 1, 0, &count, "ERR COUNT can't be negative"):
                return
        elif argument_is(&client.argv[i], "MAXLEN"):
            if not argument_at_least_or_reply(client, i + 1, 0, &most, "ERR MAXLEN can't be negative"):
                return
        else:
            reply_syntax_error(client)
            return
        i += 2
    backward = rank < 0
    if backward:
        rank = -rank
    entry = lookup_read(core, client, 1)
    if entry == NULL:
        if count >= 0:
            reply_array(&client.reply, 0)
        else:
            reply_null(&client.reply)
        return
    if not is_list_or_reply(client, entry):
        return
    value = take(entry)
    length = <int64_t> list_length(&value)
    if count >= 0:
        place = reply_deferred_begin(&client.reply)
    more = list_seek(&it, core.heap, &value, -1 if backward else 0)
    while more and (most == 0 or index < most):
        if list_equals(&it, wanted.data, wanted.length):
            matches += 1
            if matches >= rank:
                reply_integer(&client.reply, length - 1 - index if backward else index)
                if count < 0 or (count and matches - rank + 1 >= count):
                    break
        index += 1
        more = list_previous(&it) if backward else list_next(&it)
    if list_failed(&it):
        client.reply.starved = 1
    list_stop(&it)
    if count >= 0:
        reply_deferred_end(&client.reply, place, c'*', matches - rank + 1 if matches >= rank else 0)
    elif matches < rank:
        reply_null(&client.reply)


# --- removing

cdef bint finish_pop(Core* core, Client* client, int key, Entry* entry, ListValue* value, bint at_head,
                     ReplyMark mark) noexcept nogil:
    """The element at an end of the list under argument key has been answered since the mark: removes it. 0 where memory
    was out, which has been answered."""
    if list_drop(core.heap, value, at_head) != 0:
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
        return 0
    finish_removal(core, client, key, entry, value, 1, popped(at_head))
    return 1


cdef bint pop_many(Core* core, Client* client, int key, Entry* entry, ListValue* value, bint at_head, size_t count,
                   ReplyMark mark) noexcept nogil:
    """Answers an array of count elements (not more than there are) from an end of the list under argument key, and
    removes them. mark: where the whole reply begins. 0 where memory was out, which has been answered."""
    cdef size_t length = list_length(value)
    reply_array(&client.reply, <int64_t> count)
    list_reply_range(&client.reply, core.heap, value, 0 if at_head else length - 1, count, not at_head)
    if count == length:
        delete_key(core, client.database, client.argv[key].data, client.argv[key].length, argument_hash(client, key), 0)
        note_change(core, client, key, count, popped(at_head))
        notify_deleted(core, client, key)
    elif list_delete_range(core.heap, value, 0 if at_head else length - count, count) != 0:
        give(entry, value)
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
        return 0
    else:
        finish_removal(core, client, key, entry, value, count, popped(at_head))
    return 1


cdef void pop(Core* core, Client* client, bint at_head) noexcept nogil:
    cdef Entry** slot
    cdef ListValue value
    cdef ListpackValue element
    cdef ReplyMark mark
    cdef int64_t count = -1
    cdef size_t length
    if client.argc > 3:
        reply_error(&client.reply, "ERR wrong number of arguments for 'lpop' command" if at_head
                    else "ERR wrong number of arguments for 'rpop' command")
        return
    if client.argc == 3 and not argument_at_least_or_reply(client, 2, 0, &count,
                                                           "ERR value is out of range, must be positive"):
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        if count >= 0:
            reply_null_array(&client.reply)
        else:
            reply_null(&client.reply)
        return
    if not is_list_or_reply(client, slot[0]):
        return
    value = take(slot[0])
    if count < 0:
        if not list_end(core.heap, &value, at_head, &element):
            reply_out_of_memory(client)
            return
        mark = reply_mark(&client.reply)
        reply_listpack_value(&client.reply, &element)
        finish_pop(core, client, 1, slot[0], &value, at_head, mark)
    elif count == 0:
        reply_array(&client.reply, 0)
    else:
        length = list_length(&value)
        if <size_t> count > length:
            count = <int64_t> length
        pop_many(core, client, 1, slot[0], &value, at_head, <size_t> count, reply_mark(&client.reply))


cdef void lpop_command(Core* core, Client* client) noexcept nogil:
    pop(core, client, 1)


cdef void rpop_command(Core* core, Client* client) noexcept nogil:
    pop(core, client, 0)


cdef void ltrim_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot
    cdef ListValue value, rest
    cdef int64_t start, end, length
    if not argument_integer_or_reply(client, 2, &start) or not argument_integer_or_reply(client, 3, &end):
        return
    slot = lookup_write(core, client, 1)
    if slot != NULL:
        if not is_list_or_reply(client, slot[0]):
            return
        value = take(slot[0])
        length = <int64_t> list_length(&value)
        if not clamp_range(length, &start, &end):
            delete_key(core, client.database, client.argv[1].data, client.argv[1].length, argument_hash(client, 1), 0)
            note_change(core, client, 1, <size_t> length, "ltrim")
            notify_deleted(core, client, 1)
        elif list_keep_range(core.heap, &value, <size_t> start, <size_t> (end - start), &rest) != 0:
            give(slot[0], &value)
            reply_out_of_memory(client)
            return
        else:
            finish_removal(core, client, 1, slot[0], &value, <size_t> (length - (end - start)), "ltrim")
            if rest.block != NULL:
                discard_value(core, TYPE_LIST, rest.encoding, rest.block)
    reply_ok(&client.reply)


cdef void lrem_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* unwanted = &client.argv[3]
    cdef Entry** slot
    cdef ListValue value
    cdef ListIterator it
    cdef int64_t count
    cdef int64_t removed = 0
    cdef bint backward, more
    cdef bint starved = 0
    if not argument_range_or_reply(
            client, 2, -INT64_MAX, INT64_MAX, &count,
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"):
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_integer(&client.reply, 0)
        return
    if not is_list_or_reply(client, slot[0]):
        return
    backward = count < 0
    if backward:
        count = -count
    value = take(slot[0])
    more = list_seek(&it, core.heap, &value, -1 if backward else 0)
    while more:
        if not list_equals(&it, unwanted.data, unwanted.length):
            more = list_previous(&it) if backward else list_next(&it)
        elif list_delete(&it, backward, &more) != 0:
            starved = 1
            break
        else:
            removed += 1
            if removed == count:
                break
    starved |= list_failed(&it)
    list_stop(&it)
    if removed:
        finish_removal(core, client, 1, slot[0], &value, <size_t> removed, "lrem")
    if not starved:
        reply_integer(&client.reply, removed)
        return
    reply_out_of_memory(client)
    if removed and core.propagation:
        # So many are gone, and no more.
        propagate_begin(core, client.database, 4)
        propagate_text(core, "LREM")
        propagate_arguments(core, client, 1, 2)
        propagate_integer(core, -removed if backward else removed)
        propagate_arguments(core, client, 3, 4)
        propagate_nothing(core)


# --- moving

cdef bint end_or_reply(Client* client, int index, bint* at_head) noexcept nogil:
    """Reads LEFT or RIGHT."""
    at_head[0] = argument_is(&client.argv[index], "LEFT")
    if not at_head[0] and not argument_is(&client.argv[index], "RIGHT"):
        reply_syntax_error(client)
        return 0
    return 1


cdef bint rotate(Core* core, Client* client, Entry* entry, bint from_head, bint to_head, const char* data,
                 size_t length) noexcept nogil:
    """Takes an element, of which data is a copy, from one end of a list to the other. 0 where memory is out."""
    cdef ListValue value = take(entry)
    cdef bint failed
    if list_drop(core.heap, &value, from_head) != 0:
        return 0
    failed = (list_reserve(core, &value, length, 1) != 0
              or list_push(core.heap, &value, to_head, data, length) != 0)
    if failed:
        # What it stood in has just been released, or still has the room.
        list_push(core.heap, &value, from_head, data, length)
    else:
        list_shrink(core, &value)
    give(entry, &value)
    return not failed


cdef bint transfer(Core* core, Client* client, Entry* source, Entry* target, bint from_head, bint to_head,
                   const char* data, size_t length) noexcept nogil:
    """Takes an element, of which data is a copy, from the list under argument 1 to that under argument 2, which is made
    where there is none. 0 where memory is out: nothing has changed then."""
    cdef ListValue from_value = take(source)
    cdef ListValue to_value
    cdef bint failed
    if target != NULL:
        to_value = take(target)
    elif list_new(core, &to_value) != 0:
        return 0
    failed = (list_reserve(core, &to_value, length, 1) != 0
              or list_push(core.heap, &to_value, to_head, data, length) != 0)
    if not failed and list_drop(core.heap, &from_value, from_head) != 0:
        list_drop(core.heap, &to_value, to_head)
        failed = 1
    if target != NULL:
        give(target, &to_value)
    elif failed:
        list_free(core.heap, &to_value)
    elif add_list(core, client, 2, &to_value) != 0:
        list_push(core.heap, &from_value, from_head, data, length)
        list_free(core.heap, &to_value)
        failed = 1
    if failed:
        give(source, &from_value)
        return 0
    # The whole is one change of the data.
    note_change(core, client, 2, 0, pushed(to_head))
    finish_removal(core, client, 1, source, &from_value, 1, popped(from_head))
    return 1


cdef bint move_element(Core* core, Client* client, Entry* source, bint from_head, bint to_head) noexcept nogil:
    """Moves an element of the list under argument 1, which is there, to the one under argument 2, and answers it. 0
    where nothing was moved."""
    cdef char inside[MOVED_INLINE]
    cdef char* data = inside
    cdef Entry** slot = lookup_write(core, client, 2)
    cdef Entry* target = slot[0] if slot != NULL else NULL
    cdef ListValue value
    cdef ListpackValue element
    cdef bint moved
    if target != NULL and not is_list_or_reply(client, target):
        return 0
    value = take(source)
    if not list_end(core.heap, &value, from_head, &element):
        reply_out_of_memory(client)
        return 0
    # Neither list may be read while it is changed: the element is carried over in a copy.
    if element.data == NULL:
        element.length = format_int64(data, element.integer)
    else:
        if element.length > MOVED_INLINE:
            data = <char*> heap_alloc(core.heap, element.length)
            if data == NULL:
                reply_out_of_memory(client)
                return 0
        memcpy(data, element.data, element.length)
    if source == target:
        moved = rotate(core, client, source, from_head, to_head, data, element.length)
        if moved:
            note_change(core, client, 1, 1, pushed(to_head))
            notify_argument(core, client, 1, NOTIFY_LIST, popped(from_head))
    else:
        moved = transfer(core, client, source, target, from_head, to_head, data, element.length)
    if moved:
        reply_bulk(&client.reply, data, element.length)
    else:
        reply_out_of_memory(client)
    if data != inside:
        heap_free(core.heap, data, element.length)
    return moved


cdef void propagate_move(Core* core, Client* client, bint from_head, bint to_head) noexcept nogil:
    """Of a move that might have waited: LMOVE, or RPOPLPUSH for BRPOPLPUSH."""
    cdef bint has_ends = client.argc == 6
    propagate_begin(core, client.database, 5 if has_ends else 3)
    propagate_text(core, "LMOVE" if has_ends else "RPOPLPUSH")
    propagate_arguments(core, client, 1, 3)
    if has_ends:
        propagate_text(core, "LEFT" if from_head else "RIGHT")
        propagate_text(core, "LEFT" if to_head else "RIGHT")
    propagate_nothing(core)


cdef void move_or_null(Core* core, Client* client, bint from_head, bint to_head) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    if slot == NULL:
        reply_null(&client.reply)
    elif is_list_or_reply(client, slot[0]):
        move_element(core, client, slot[0], from_head, to_head)


cdef void move_or_wait(Core* core, Client* client, bint from_head, bint to_head, int timeout) noexcept nogil:
    """timeout: index of its argument."""
    cdef int64_t timeout_ms
    cdef Entry** slot
    if not argument_timeout_or_reply(core, client, timeout, 1, &timeout_ms):
        return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        if not block_on_keys(core, client, 1, 1, 1, TYPE_LIST, 0, timeout_ms, NULL, 0):
            reply_null(&client.reply)
    elif is_list_or_reply(client, slot[0]) and move_element(core, client, slot[0], from_head, to_head):
        if core.propagation:
            propagate_move(core, client, from_head, to_head)


cdef void lmove_command(Core* core, Client* client) noexcept nogil:
    cdef bint from_head, to_head
    if end_or_reply(client, 3, &from_head) and end_or_reply(client, 4, &to_head):
        move_or_null(core, client, from_head, to_head)


cdef void rpoplpush_command(Core* core, Client* client) noexcept nogil:
    move_or_null(core, client, 0, 1)


cdef void blmove_command(Core* core, Client* client) noexcept nogil:
    cdef bint from_head, to_head
    if end_or_reply(client, 3, &from_head) and end_or_reply(client, 4, &to_head):
        move_or_wait(core, client, from_head, to_head, 5)


cdef void brpoplpush_command(Core* core, Client* client) noexcept nogil:
    move_or_wait(core, client, 0, 1, 3)


# --- popping from the first list that has anything

cdef Entry* first_list(Core* core, Client* client, int first, int count, int* key, bint* wrong) noexcept nogil:
    """The first key of arguments first, first + 1, ... that is there, its argument in *key; or NULL. *wrong: it is no
    list, which has been answered."""
    cdef Entry** slot
    cdef int i
    wrong[0] = 0
    for i in range(first, first + count):
        slot = lookup_write(core, client, i)
        if slot != NULL:
            key[0] = i
            wrong[0] = not is_list_or_reply(client, slot[0])
            return slot[0]
    return NULL


cdef void pop_or_wait(Core* core, Client* client, bint at_head) noexcept nogil:
    cdef int64_t timeout_ms
    cdef ListValue value
    cdef ListpackValue element
    cdef ReplyMark mark
    cdef Entry* entry
    cdef int key
    cdef bint wrong
    if not argument_timeout_or_reply(core, client, client.argc - 1, 1, &timeout_ms):
        return
    entry = first_list(core, client, 1, client.argc - 2, &key, &wrong)
    if entry == NULL:
        if not block_on_keys(core, client, 1, 1, client.argc - 2, TYPE_LIST, 0, timeout_ms, NULL, 0):
            reply_null_array(&client.reply)
        return
    if wrong:
        return
    value = take(entry)
    if not list_end(core.heap, &value, at_head, &element):
        reply_out_of_memory(client)
        return
    mark = reply_mark(&client.reply)
    reply_array(&client.reply, 2)
    reply_bulk(&client.reply, client.argv[key].data, client.argv[key].length)
    reply_listpack_value(&client.reply, &element)
    if finish_pop(core, client, key, entry, &value, at_head, mark) and core.propagation:
        propagate_instead(core, client, "LPOP" if at_head else "RPOP", key)


cdef void blpop_command(Core* core, Client* client) noexcept nogil:
    pop_or_wait(core, client, 1)


cdef void brpop_command(Core* core, Client* client) noexcept nogil:
    pop_or_wait(core, client, 0)


cdef void pop_first_list(Core* core, Client* client, int numkeys, bint waits) noexcept nogil:
    """LMPOP and BLMPOP. numkeys: index of its argument; waits: the timeout stands before it."""
    cdef int64_t keys_count
    cdef int64_t count = -1
    cdef int64_t timeout_ms
    cdef ListValue value
    cdef ReplyMark mark
    cdef Entry* entry
    cdef size_t length
    cdef int where, i, key
    cdef bint at_head, wrong
    if not argument_at_least_or_reply(client, numkeys, 1, &keys_count, "ERR numkeys should be greater than 0"):
        return
    if keys_count >= client.argc - numkeys - 1:
        reply_syntax_error(client)
        return
    where = numkeys + 1 + <int> keys_count
    if not end_or_reply(client, where, &at_head):
        return
    i = where + 1
    while i < client.argc:
        if count >= 0 or i + 1 >= client.argc or not argument_is(&client.argv[i], "COUNT"):
            reply_syntax_error(client)
            return
        if not argument_at_least_or_reply(client, i + 1, 1, &count, "ERR count should be greater than 0"):
            return
        i += 2
    if waits and not argument_timeout_or_reply(core, client, 1, 1, &timeout_ms):
        return
    entry = first_list(core, client, numkeys + 1, <int> keys_count, &key, &wrong)
    if entry == NULL:
        if not waits or not block_on_keys(core, client, numkeys + 1, 1, <int> keys_count, TYPE_LIST, 0, timeout_ms,
                                          NULL, 0):
            reply_null_array(&client.reply)
        return
    if wrong:
        return
    value = take(entry)
    length = list_length(&value)
    if count < 0:
        count = 1
    if <size_t> count < length:
        length = <size_t> count
    mark = reply_mark(&client.reply)
    reply_array(&client.reply, 2)
    reply_bulk(&client.reply, client.argv[key].data, client.argv[key].length)
    if pop_many(core, client, key, entry, &value, at_head, length, mark) and core.propagation:
        propagate_instead_counted(core, client, "LPOP" if at_head else "RPOP", key, <int64_t> length)


cdef void lmpop_command(Core* core, Client* client) noexcept nogil:
    pop_first_list(core, client, 1, 0)


cdef void blmpop_command(Core* core, Client* client) noexcept nogil:
    pop_first_list(core, client, 2, 1)


COMMANDS = [
    native(
        "blmove", <size_t> &blmove_command, 6, "write denyoom blocking", keys="RW ACCESS DELETE @ 1; RW INSERT @ 2",
        group="list", since="6.2.0",
        syntax="source:key destination:key#1 wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT) timeout:double",
        summary="Moves an element from one list to another, and waits for one if there is none.", complexity="O(1)",
    ),
    native(
        "blmpop", <size_t> &blmpop_command, -5, "write blocking", keys="RW ACCESS DELETE @ 2 keynum=0", group="list",
        since="7.0.0",
        syntax="timeout:double numkeys:integer key... where:(LEFT | RIGHT) [COUNT count:integer]",
        summary="Removes elements from the first list that has any, and waits if none has.",
        complexity="O(N+M) for N keys and M elements",
    ),
    native(
        "blpop", <size_t> &blpop_command, -3, "write blocking", keys="RW ACCESS DELETE @ 1 last=-2", group="list",
        since="2.0.0",
        syntax="key... timeout:double",
        summary="Removes the first element of the first list that has any, and waits if none has.",
        complexity="O(N) for N keys",
    ),
    native(
        "brpop", <size_t> &brpop_command, -3, "write blocking", keys="RW ACCESS DELETE @ 1 last=-2", group="list",
        since="2.0.0",
        syntax="key... timeout:double",
        summary="Removes the last element of the first list that has any, and waits if none has.",
        complexity="O(N) for N keys",
    ),
    native(
        "brpoplpush", <size_t> &brpoplpush_command, 4, "write denyoom blocking",
        keys="RW ACCESS DELETE @ 1; RW INSERT @ 2", group="list", since="2.2.0",
        deprecated=("6.2.0", "`BLMOVE` with `RIGHT` and `LEFT`"),
        syntax="source:key destination:key#1 timeout:double",
        summary="Moves the last element of a list to the head of another, and waits if there is none.",
        complexity="O(1)",
    ),
    native(
        "lindex", <size_t> &lindex_command, 3, "readonly", keys="RO ACCESS @ 1", group="list", since="1.0.0",
        syntax="key index:integer",
        summary="Returns the element of a list at an index.",
        complexity="O(N) for N elements passed on the way, O(1) at both ends",
    ),
    native(
        "linsert", <size_t> &linsert_command, 5, "write denyoom", keys="RW INSERT @ 1", group="list", since="2.2.0",
        syntax="key where:(BEFORE | AFTER) pivot element",
        summary="Inserts an element before or after another one of a list.",
        complexity="O(N) for N elements passed on the way",
    ),
    native(
        "llen", <size_t> &llen_command, 2, "readonly fast", keys="RO @ 1", group="list", since="1.0.0",
        syntax="key",
        summary="Returns the length of a list.", complexity="O(1)",
    ),
    native(
        "lmove", <size_t> &lmove_command, 5, "write denyoom", keys="RW ACCESS DELETE @ 1; RW INSERT @ 2",
        group="list", since="6.2.0",
        syntax="source:key destination:key#1 wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT)",
        summary="Moves an element from one end of a list to one end of another.", complexity="O(1)",
    ),
    native(
        "lmpop", <size_t> &lmpop_command, -4, "write", keys="RW ACCESS DELETE @ 1 keynum=0", group="list",
        since="7.0.0",
        syntax="numkeys:integer key... where:(LEFT | RIGHT) [COUNT count:integer]",
        summary="Removes elements from the first list that has any.", complexity="O(N+M) for N keys and M elements",
    ),
    native(
        "lpop", <size_t> &lpop_command, -2, "write fast", keys="RW ACCESS DELETE @ 1", group="list", since="1.0.0",
        syntax="key [count:integer@6.2.0]",
        summary="Removes elements from the head of a list.", complexity="O(N) for N elements",
    ),
    native(
        "lpos", <size_t> &lpos_command, -3, "readonly", keys="RO ACCESS @ 1", group="list", since="6.0.6",
        syntax="key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
        summary="Finds the positions of an element in a list.",
        complexity="O(N) for N elements, less if it is found early",
    ),
    native(
        "lpush", <size_t> &lpush_command, -3, "write denyoom fast", keys="RW INSERT @ 1", group="list", since="1.0.0",
        syntax="key element...",
        summary="Adds elements at the head of a list, which is created if need be.",
        complexity="O(N) for N elements added",
    ),
    native(
        "lpushx", <size_t> &lpushx_command, -3, "write denyoom fast", keys="RW INSERT @ 1", group="list",
        since="2.2.0",
        syntax="key element...",
        summary="Adds elements at the head of a list that exists.", complexity="O(N) for N elements added",
    ),
    native(
        "lrange", <size_t> &lrange_command, 4, "readonly", keys="RO ACCESS @ 1", group="list", since="1.0.0",
        syntax="key start:integer stop:integer",
        summary="Returns the elements of a list between two indexes.",
        complexity="O(S+N) for N elements that start S away from the nearer end",
    ),
    native(
        "lrem", <size_t> &lrem_command, 4, "write", keys="RW DELETE @ 1", group="list", since="1.0.0",
        syntax="key count:integer element",
        summary="Removes elements that equal a value from a list.",
        complexity="O(N+M) for a list of N elements of which M are removed",
    ),
    native(
        "lset", <size_t> &lset_command, 4, "write denyoom", keys="RW UPDATE @ 1", group="list", since="1.0.0",
        syntax="key index:integer element",
        summary="Replaces the element of a list at an index.",
        complexity="O(N) for N elements passed on the way, O(1) at both ends",
    ),
    native(
        "ltrim", <size_t> &ltrim_command, 4, "write", keys="RW DELETE @ 1", group="list", since="1.0.0",
        syntax="key start:integer stop:integer",
        summary="Keeps only the elements of a list between two indexes.", complexity="O(N) for N elements removed",
    ),
    native(
        "rpop", <size_t> &rpop_command, -2, "write fast", keys="RW ACCESS DELETE @ 1", group="list", since="1.0.0",
        syntax="key [count:integer@6.2.0]",
        summary="Removes elements from the tail of a list.", complexity="O(N) for N elements",
    ),
    native(
        "rpoplpush", <size_t> &rpoplpush_command, 3, "write denyoom", keys="RW ACCESS DELETE @ 1; RW INSERT @ 2",
        group="list", since="1.2.0",
        deprecated=("6.2.0", "`LMOVE` with `RIGHT` and `LEFT`"),
        syntax="source:key destination:key#1",
        summary="Moves the last element of a list to the head of another.", complexity="O(1)",
    ),
    native(
        "rpush", <size_t> &rpush_command, -3, "write denyoom fast", keys="RW INSERT @ 1", group="list", since="1.0.0",
        syntax="key element...",
        summary="Adds elements at the tail of a list, which is created if need be.",
        complexity="O(N) for N elements added",
    ),
    native(
        "rpushx", <size_t> &rpushx_command, -3, "write denyoom fast", keys="RW INSERT @ 1", group="list",
        since="2.2.0",
        syntax="key element...",
        summary="Adds elements at the tail of a list that exists.", complexity="O(N) for N elements added",
    ),
]
