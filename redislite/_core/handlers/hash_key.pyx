"""The hash of key 1; the contract is in hash_key.pxd."""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.alloc cimport heap_free
from redislite._core.commands.arguments cimport reply_out_of_memory
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, Entry, entry_block_size, entry_deadline, entry_encoding, entry_new, entry_set_encoding,
    entry_set_pointer, entry_type,
)
from redislite._core.keyspace.expiry cimport expire_field, expire_fields as remove_expired_fields
from redislite._core.keyspace.keyspace cimport (
    access_for_new, add_entry, argument_hash, delete_key, keyspace_find, note_timed_fields, notify_argument,
    notify_deleted,
)
from redislite._core.keyspace.propagate cimport propagate_arguments, propagate_begin, propagate_text
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.expiry_state cimport is_expired
from redislite._core.state.flags cimport NOTIFY_HASH
from redislite._core.text.encodings cimport ENCODING_HASHTABLE, TYPE_HASH
from redislite._core.values.hash_value cimport (
    HashValue, hash_length, hash_next_deadline, hash_release, hash_timed,
)


cdef Entry* settle_fields(Core* core, Client* client, Entry* entry, int first, int end) noexcept nogil:
    cdef HashValue hash
    cdef int64_t removed = 0
    cdef bint stays = 1
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
        stays = expire_field(core, client.database, entry, argument_hash(client, 1), client.argv[i].data,
                             client.argv[i].length, &removed)
        if not stays:
            break
    if removed:
        notify_argument(core, client, 1, NOTIFY_HASH, "hexpired")
    if not stays:
        notify_deleted(core, client, 1)
        return NULL
    return entry


cdef void settle_before_write(Core* core, Client* client, int first) noexcept nogil:
    cdef Entry** slot
    if core.settings.fields_expire_on_access:
        slot = keyspace_find(core, client.database, client.argv[1].data, client.argv[1].length,
                             argument_hash(client, 1))
        if slot != NULL and not is_expired(core, entry_deadline(slot[0])):
            settle_fields(core, client, slot[0], first, client.argc)


cdef void drop_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed,
                    int64_t changes) noexcept nogil:
    if entry == NULL:
        hash_release(core.heap, hash)
    else:
        close_hash(core, client, hash, entry, was_timed)
        hash_changed(core, client, changes, "hset")
    reply_out_of_memory(client)


cdef bint close_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed) noexcept nogil:
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


cdef void finish_hash(Core* core, Client* client, HashValue* hash, Entry* entry, bint was_timed, int64_t changes,
                      const char* event) noexcept nogil:
    cdef bint is_empty = hash_length(hash) == 0
    close_hash(core, client, hash, entry, was_timed)
    hash_changed(core, client, changes, event)
    if is_empty:
        notify_deleted(core, client, 1)


cdef void propagate_removal(Core* core, Client* client, const HashValue* hash, int first, int end) noexcept nogil:
    cdef int64_t named = 0
    cdef int i
    for i in range(first, end):
        named += is_named(core, client, hash, i)
    propagate_begin(core, client.database, 2 + named)
    propagate_text(core, "HDEL")
    propagate_arguments(core, client, 1, 2)
    for i in range(first, end):
        if is_named(core, client, hash, i):
            propagate_arguments(core, client, i, i + 1)


cdef void propagate_set(Core* core, Client* client, int first, int end) noexcept nogil:
    propagate_begin(core, client.database, 2 + end - first)
    propagate_text(core, "HSET")
    propagate_arguments(core, client, 1, 2)
    propagate_arguments(core, client, first, end)
