"""Keys that hold sorted sets; the contract is in sorted_set_key.pxd."""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.alloc cimport heap_free
from redislite._core.commands.arguments cimport reply_out_of_memory, reply_wrong_type
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, TYPE_SORTED_SET, Entry, entry_block_size, entry_new, entry_type, sorted_set_save,
)
from redislite._core.keyspace.keyspace cimport (
    access_for_new, add_entry, argument_hash, delete_key, key_changed, keyspace_find, notify_argument, notify_deleted,
    store_value,
)
from redislite._core.protocol.reply cimport reply_array, reply_bulk, reply_double, reply_integer
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.flags cimport NOTIFY_ZSET
from redislite._core.values.sorted_set_value cimport (
    SortedSetCursor, SortedSetValue, sorted_set_length, sorted_set_next, sorted_set_release, sorted_set_seek,
)


cdef bint is_sorted_set_or_reply(Client* client, const Entry* entry) noexcept nogil:
    if entry_type(entry) != TYPE_SORTED_SET:
        reply_wrong_type(client)
        return 0
    return 1


cdef void sorted_set_changed(Core* core, Client* client, int key, int64_t changes, const char* event) noexcept nogil:
    core.dirty += changes - 1
    key_changed(core, client.database, client.argv[key].data, client.argv[key].length)
    notify_argument(core, client, key, NOTIFY_ZSET, event)


cdef bint add_sorted_set_or_reply(Core* core, Client* client, int key, SortedSetValue* value) noexcept nogil:
    cdef Argument* name = &client.argv[key]
    cdef Entry* entry = entry_new(core.heap, name.data, name.length, NO_EXPIRE, TYPE_SORTED_SET, value.encoding,
                                  access_for_new(core), sizeof(void*))
    if entry != NULL:
        sorted_set_save(entry, value)
        if add_entry(core, client.database, entry, argument_hash(client, key)) == 0:
            return 1
        heap_free(core.heap, entry, entry_block_size(entry))
    sorted_set_release(core.heap, value)
    reply_out_of_memory(client)
    return 0


cdef void store_sorted_set_and_reply(Core* core, Client* client, int key, SortedSetValue* value,
                                     const char* event) noexcept nogil:
    cdef Argument* name = &client.argv[key]
    cdef uint64_t hash = argument_hash(client, key)
    cdef size_t length = sorted_set_length(value)
    cdef Entry** slot
    if length == 0:
        sorted_set_release(core.heap, value)
        if delete_key(core, client.database, name.data, name.length, hash, core.settings.lazy_server_delete != 0):
            key_changed(core, client.database, name.data, name.length)
            notify_deleted(core, client, key)
    else:
        slot = keyspace_find(core, client.database, name.data, name.length, hash)
        if store_value(core, client.database, slot, name, hash, TYPE_SORTED_SET, value.encoding, value.data) != 0:
            sorted_set_release(core.heap, value)
            reply_out_of_memory(client)
            return
        sorted_set_changed(core, client, key, 1, event)
    reply_integer(&client.reply, <int64_t> length)


cdef void reply_pair(Client* client, const char* data, size_t length, double score, bint scores) noexcept nogil:
    if scores and client.reply.protocol >= 3:
        reply_array(&client.reply, 2)
    reply_bulk(&client.reply, data, length)
    if scores:
        reply_double(&client.reply, score)


cdef void reply_pairs_header(Client* client, int64_t count, bint scores) noexcept nogil:
    reply_array(&client.reply, 2 * count if scores and client.reply.protocol < 3 else count)


cdef void reply_members(Client* client, const SortedSetValue* value, size_t first, size_t count, bint backward,
                        bint scores) noexcept nogil:
    cdef SortedSetCursor cursor
    reply_pairs_header(client, <int64_t> count, scores)
    if count:
        sorted_set_seek(value, &cursor, first, backward, scores)
    while count:
        count -= 1
        sorted_set_next(&cursor)
        reply_pair(client, cursor.data, cursor.length, cursor.score, scores)
