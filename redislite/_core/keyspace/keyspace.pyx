"""Databases: finding, adding, replacing and removing keys; the contract is in keyspace.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.base.prefixed cimport prefixed_size, prefixed_write
from redislite._core.base.sds cimport sds, sds_free, sds_new, sds_reserve, sds_set_length
from redislite._core.keyspace.key_table cimport (
    key_hash, keys_count, keys_find, keys_init, keys_insert, keys_prefetch_bucket, keys_prefetch_entry, keys_remove,
    keys_table,
)
from redislite._core.keyspace.blocking cimport mark_all_ready, mark_ready
from redislite._core.keyspace.discard cimport (
    discard_all, discard_dict, discard_turn, release_entry, release_entry_visitor,
)
from redislite._core.keyspace.entry cimport (
    ACCESS_MASK, ENCODING_EMBSTR, ENCODING_INT, ENCODING_RAW, ENCODING_RAW_INLINE, INLINE_MAX, KEY_OFFSET, NO_EXPIRE,
    TYPE_STRING, Entry, entry_access, entry_block_size, entry_deadline, entry_encoding, entry_expires, entry_key,
    entry_new, entry_set_access, entry_set_deadline, entry_set_encoding, entry_set_integer, entry_set_pointer,
    entry_size, entry_string, entry_type, entry_value, entry_value_size, entry_copy, string_encoding,
)
from redislite._core.keyspace.latency cimport latency_begin, latency_end
from redislite._core.keyspace.propagate cimport propagate_vanished
from redislite._core.keyspace.watching cimport watch_touch, watch_touch_all
from redislite._core.state.core cimport Argument, Client, Core, Database, WaitList, WatchList, random_next
from redislite._core.state.expiry_state cimport expiry_is_held, is_expired
from redislite._core.state.flags cimport (
    CLIENT_NO_TOUCH, COMMAND_READONLY, INTEREST_BLOCKED, INTEREST_TRACKED, INTEREST_WATCHED, NOTIFY_EXPIRED,
    NOTIFY_KEY_MISS, NOTIFY_NEW,
)
from redislite._core.structures.dict cimport dict_find, dict_init, dict_insert, dict_remove
from redislite._core.structures.records cimport records_release
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX

cdef enum:
    LFU_INITIAL = 5             # frequency of a new key, so that it is not evicted at once


cdef int keyspace_init(Core* core, int count) noexcept nogil:
    cdef int i
    cdef Database* database
    core.databases = <Database**> heap_zalloc(core.heap, count * sizeof(Database*))
    if core.databases == NULL:
        return -1
    core.databases_count = count
    for i in range(count):
        database = <Database*> heap_zalloc(core.heap, sizeof(Database))
        if database == NULL:
            return -1
        database.id = i
        keys_init(core, database)
        dict_init(&database.expires, core.heap, core.seed, KEY_OFFSET)
        dict_init(&database.field_expires, core.heap, core.seed, KEY_OFFSET)
        dict_init(&database.waiting, core.heap, core.seed, sizeof(WaitList))
        dict_init(&database.watched, core.heap, core.seed, sizeof(WatchList))
        core.databases[i] = database
    return 0


cdef void keyspace_release(Core* core) noexcept nogil:
    cdef int i
    if core.databases == NULL:
        return
    # Keys that closed clients have waited for or watched.
    discard_all(core)
    for i in range(core.databases_count):
        if core.databases[i] != NULL:
            flush_database(core, core.databases[i], 0)
            records_release(&core.databases[i].waiting)
            records_release(&core.databases[i].watched)
            heap_free(core.heap, core.databases[i], sizeof(Database))
    discard_all(core)
    heap_free(core.heap, core.databases, core.databases_count * sizeof(Database*))
    core.databases = NULL


cdef uint32_t lfu_minutes(const Core* core) noexcept nogil:
    return <uint32_t> (core.now_ms // 60000) & 0xffff


cdef uint32_t access_for_new(Core* core) noexcept nogil:
    if core.settings.lfu:
        return lfu_minutes(core) << 8 | LFU_INITIAL
    return <uint32_t> (core.now_ms // 1000) & ACCESS_MASK


cdef uint32_t access_for_idle(Core* core, int64_t seconds) noexcept nogil:
    # The clock of the bits goes round: what is idle for longer than half a round shows as half a round.
    cdef int64_t longest = ACCESS_MASK // 2
    return <uint32_t> (core.now_ms // 1000 - (seconds if seconds < longest else longest)) & ACCESS_MASK


cdef uint32_t access_for_frequency(Core* core, int frequency) noexcept nogil:
    return lfu_minutes(core) << 8 | <uint32_t> frequency


cdef int access_frequency(Core* core, const Entry* entry) noexcept nogil:
    cdef uint32_t access = entry_access(entry)
    cdef int64_t minutes = (lfu_minutes(core) - (access >> 8)) & 0xffff
    cdef int64_t periods = minutes // core.settings.lfu_decay_minutes if core.settings.lfu_decay_minutes else 0
    cdef int64_t counter = access & 255
    return <int> (counter - periods if counter > periods else 0)


cdef int64_t idle_seconds(Core* core, const Entry* entry) noexcept nogil:
    return ((core.now_ms // 1000) - entry_access(entry)) & ACCESS_MASK


cdef void touch_entry(Core* core, Client* client, Entry* entry) noexcept nogil:
    cdef int counter
    cdef double chance
    cdef uint32_t access
    if client.flags & CLIENT_NO_TOUCH:
        return
    if not core.settings.lfu:
        access = <uint32_t> (core.now_ms // 1000) & ACCESS_MASK
        if entry_access(entry) != access:
            entry_set_access(entry, access)
        return
    counter = access_frequency(core, entry)
    if counter < 255:
        # Logarithmic counter: the larger it is, the rarer an access raises it.
        chance = 1.0 / ((counter - LFU_INITIAL if counter > LFU_INITIAL else 0) * core.settings.lfu_log_factor + 1)
        if (random_next(&core.random) >> 11) * (1.0 / 9007199254740992.0) < chance:
            counter += 1
    entry_set_access(entry, lfu_minutes(core) << 8 | counter)


cdef Entry** keyspace_find(Core* core, Database* database, const char* key, size_t length,
                           uint64_t hash) noexcept nogil:
    cdef Entry** slot = keys_find(database, key, length, hash)
    assert_named(core, database, key, length, 0)
    if slot != NULL and entry_expires(slot[0]) and is_expired(core, entry_deadline(slot[0])):
        if expiry_is_held(core) and core.executing != NULL and core.executing.command.flags & COMMAND_READONLY:
            return NULL
        expire_key(core, database, key, length, hash)
        return NULL
    return slot


cdef void expire_key(Core* core, Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil:
    # The name may be the entry's own: the entry goes last.
    cdef uint64_t begun = latency_begin(core)
    cdef Entry* entry = take_entry(core, database, key, length, hash)
    core.statistics.expired_keys += 1
    if core.propagation | core.withheld:
        propagate_vanished(core, database, key, length, core.settings.lazy_expire != 0)
    notify(core, database, NOTIFY_EXPIRED, "expired", key, length)
    key_vanished(core, database, key, length)
    release_entry(core, entry, core.settings.lazy_expire != 0)
    latency_end(core, "expire-del", begun)


cdef void announce_change(Core* core, Database* database, const char* key, size_t length,
                          bint by_client) noexcept nogil:
    if core.interest & INTEREST_BLOCKED:
        mark_ready(core, database, key, length)
    announce_to_readers(core, database, key, length, by_client)


cdef void announce_to_readers(Core* core, Database* database, const char* key, size_t length,
                              bint by_client) noexcept nogil:
    if core.interest & INTEREST_WATCHED:
        watch_touch(core, database, key, length)
    if core.interest & INTEREST_TRACKED:
        core.upcalls.key_invalidated(core, key, length, by_client)


cdef void note_miss(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    core.statistics.keyspace_misses += 1
    notify(core, database, NOTIFY_KEY_MISS, "keymiss", key, length)


cdef Entry* lookup_untouched(Core* core, Client* client, int index) noexcept nogil:
    cdef Argument* key = &client.argv[index]
    cdef Entry** slot = keyspace_find(core, client.database, key.data, key.length, argument_hash(client, index))
    if slot == NULL:
        note_miss(core, client.database, key.data, key.length)
        return NULL
    core.statistics.keyspace_hits += 1
    return slot[0]


cdef Entry* lookup_read(Core* core, Client* client, int index) noexcept nogil:
    cdef Argument* key = &client.argv[index]
    cdef Entry** slot = keyspace_find(core, client.database, key.data, key.length, argument_hash(client, index))
    if slot == NULL:
        note_miss(core, client.database, key.data, key.length)
        return NULL
    core.statistics.keyspace_hits += 1
    touch_entry(core, client, slot[0])
    return slot[0]


cdef Entry** lookup_write(Core* core, Client* client, int index) noexcept nogil:
    cdef Argument* key = &client.argv[index]
    cdef Entry** slot = keyspace_find(core, client.database, key.data, key.length, argument_hash(client, index))
    if slot != NULL:
        touch_entry(core, client, slot[0])
    return slot


cdef void prefetch_keys(Client* client, int first, int step, int count, uint64_t* hashes) noexcept nogil:
    cdef Database* database = client.database
    cdef int i
    for i in range(count):
        hashes[i] = key_hash(database, client.argv[first + i * step].data, client.argv[first + i * step].length)
        keys_prefetch_bucket(database, hashes[i])
    for i in range(count):
        keys_prefetch_entry(database, hashes[i])


cdef int load_entry(Core* core, Database* database, Entry* entry, uint64_t hash) noexcept nogil:
    cdef size_t length
    cdef char* key
    if keys_insert(database, entry, hash) != 0:
        return -1
    if entry_expires(entry) and dict_insert(&database.expires, entry, hash) != 0:
        key = entry_key(entry, &length)
        keys_remove(database, key, length, hash)
        return -1
    note_timed_fields(core, database, entry, hash, 0)
    return 0


cdef int add_entry(Core* core, Database* database, Entry* entry, uint64_t hash) noexcept nogil:
    cdef size_t length
    cdef char* key
    if load_entry(core, database, entry, hash) != 0:
        return -1
    if core.notify_classes & NOTIFY_NEW:
        key = entry_key(entry, &length)
        notify(core, database, NOTIFY_NEW, "new", key, length)
    return 0


cdef void note_timed_fields(Core* core, Database* database, Entry* entry, uint64_t hash, bint before) noexcept nogil:
    cdef bint after = has_timed_fields(entry)
    cdef size_t length
    cdef char* key
    if before == after:
        return
    if after:
        dict_insert(&database.field_expires, entry, hash)
    else:
        key = entry_key(entry, &length)
        dict_remove(&database.field_expires, key, length, hash)


cdef Entry* take_entry(Core* core, Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef Entry* entry = keys_remove(database, key, length, hash)
    if entry != NULL and entry_expires(entry):
        dict_remove(&database.expires, key, length, hash)
    if entry != NULL and has_timed_fields(entry):
        dict_remove(&database.field_expires, key, length, hash)
    return entry


cdef bint delete_key(Core* core, Database* database, const char* key, size_t length, uint64_t hash,
                     bint lazy) noexcept nogil:
    cdef Entry* entry = take_entry(core, database, key, length, hash)
    if entry == NULL:
        return 0
    release_entry(core, entry, lazy)
    return 1


cdef int replace_entry(Core* core, Database* database, Entry** slot, Entry* fresh, uint64_t hash) noexcept nogil:
    """Puts fresh where slot's entry stood, which is released. Same key. 0, or -1 where memory is out (fresh is then
    still the caller's)."""
    cdef Entry* old = slot[0]
    cdef Entry** expiring = NULL
    cdef size_t length
    cdef char* key = entry_key(fresh, &length)
    if entry_expires(old):
        if entry_expires(fresh):
            expiring = <Entry**> dict_find(&database.expires, key, length, hash)
            expiring[0] = fresh
        else:
            dict_remove(&database.expires, key, length, hash)
    elif entry_expires(fresh) and dict_insert(&database.expires, fresh, hash) != 0:
        return -1
    if has_timed_fields(old):
        dict_remove(&database.field_expires, key, length, hash)
    note_timed_fields(core, database, fresh, hash, 0)
    slot[0] = fresh
    release_entry(core, old, core.settings.lazy_server_delete != 0)
    return 0


cdef int place_entry(Core* core, Database* database, Entry** slot, Entry* fresh, uint64_t hash) noexcept nogil:
    """Adds fresh, or puts it in slot's place. Releases fresh (not what its value points to) and answers -1 where memory
    is out."""
    cdef int failed
    if slot == NULL:
        failed = add_entry(core, database, fresh, hash)
    else:
        failed = replace_entry(core, database, slot, fresh, hash)
    if failed:
        heap_free(core.heap, fresh, entry_block_size(fresh))
    return failed


cdef inline Entry* reusable(Entry** slot, size_t key_length, int64_t deadline_ms, size_t value_size) noexcept nogil:
    """The slot's entry where its block can take a string value of this size as it is, else NULL."""
    cdef Entry* entry
    cdef size_t old_size
    if slot == NULL:
        return NULL
    entry = slot[0]
    if entry_type(entry) != TYPE_STRING or entry_encoding(entry) == ENCODING_RAW:
        return NULL
    if entry_expires(entry) != (deadline_ms != NO_EXPIRE):
        return NULL
    old_size = entry_value_size(entry)
    if old_size != value_size and (entry_size(key_length, entry_expires(entry), old_size)
                                   != entry_size(key_length, entry_expires(entry), value_size)):
        return NULL
    if deadline_ms != NO_EXPIRE:
        entry_set_deadline(entry, deadline_ms)
    return entry


cdef int store_value(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash, int type,
                     int encoding, void* value) noexcept nogil:
    cdef Entry* entry = entry_new(core.heap, key.data, key.length, NO_EXPIRE, type, encoding,
                                  entry_access(slot[0]) if slot != NULL else access_for_new(core), sizeof(value))
    if entry == NULL:
        return -1
    entry_set_pointer(entry, value)
    return place_entry(core, database, slot, entry, hash)


cdef int store_integer(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash, int64_t value,
                       int64_t deadline_ms) noexcept nogil:
    cdef Entry* entry = reusable(slot, key.length, deadline_ms, 8)
    if entry != NULL:
        entry_set_encoding(entry, ENCODING_INT)
        entry_set_integer(entry, value)
        return 0
    entry = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, ENCODING_INT,
                      entry_access(slot[0]) if slot != NULL else access_for_new(core), 8)
    if entry == NULL:
        return -1
    entry_set_integer(entry, value)
    return place_entry(core, database, slot, entry, hash)


cdef int store_string(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash,
                      const char* data,
                      size_t length, sds* owner, int64_t deadline_ms, bint as_text) noexcept nogil:
    cdef int64_t number
    cdef int encoding = string_encoding(data, length, &number)
    cdef Entry* entry
    cdef uint32_t access
    cdef sds text
    if encoding == ENCODING_INT:
        if not as_text:
            return store_integer(core, database, slot, key, hash, number, deadline_ms)
        encoding = ENCODING_EMBSTR
    access = entry_access(slot[0]) if slot != NULL else access_for_new(core)
    if encoding != ENCODING_RAW:
        entry = reusable(slot, key.length, deadline_ms, prefixed_size(length))
        if entry != NULL:
            entry_set_encoding(entry, encoding)
            prefixed_write(entry_value(entry), data, length)
            return 0
        entry = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, encoding, access,
                          prefixed_size(length))
        if entry == NULL:
            return -1
        prefixed_write(entry_value(entry), data, length)
        return place_entry(core, database, slot, entry, hash)
    entry = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, ENCODING_RAW, access, sizeof(sds))
    if entry == NULL:
        return -1
    if owner != NULL and owner[0] != NULL:
        text = owner[0]
    else:
        text = sds_new(core.heap, data, length, length)
        if text == NULL:
            heap_free(core.heap, entry, entry_block_size(entry))
            return -1
    entry_set_pointer(entry, text)
    if place_entry(core, database, slot, entry, hash) != 0:
        if owner == NULL or owner[0] == NULL:
            sds_free(core.heap, text)
        return -1
    if owner != NULL:
        owner[0] = NULL
    return 0


cdef int store_raw(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash, size_t length,
                   char** place) noexcept nogil:
    cdef char number[INTEGER_TEXT_MAX]
    cdef Entry* old = slot[0] if slot != NULL else NULL
    cdef Entry* fresh
    cdef int64_t deadline_ms = entry_deadline(old) if old != NULL else NO_EXPIRE
    cdef size_t old_length = 0
    cdef char* old_data = NULL
    cdef sds text = NULL
    cdef size_t copied
    if old != NULL:
        old_data = entry_string(old, number, &old_length)
        if entry_encoding(old) == ENCODING_RAW:
            text = sds_reserve(core.heap, old_data, length - old_length if length > old_length else 0)
            if text == NULL:
                return -1
            if length > old_length:
                memset(text + old_length, 0, length - old_length)
            sds_set_length(text, length)
            entry_set_pointer(old, text)
            place[0] = text
            return 0
    copied = old_length if old_length < length else length
    if length <= INLINE_MAX:
        if old != NULL and entry_encoding(old) != ENCODING_INT and old_length == length:
            entry_set_encoding(old, ENCODING_RAW_INLINE)
            place[0] = old_data
            return 0
        fresh = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, ENCODING_RAW_INLINE,
                          entry_access(old) if old != NULL else access_for_new(core), prefixed_size(length))
        if fresh == NULL:
            return -1
        place[0] = prefixed_write(entry_value(fresh), NULL, length) - length
    else:
        # A string that is changed once tends to be changed again: spare room from the start.
        text = sds_new(core.heap, NULL, length, length * 2 if old != NULL and length < 1 << 20 else length)
        if text == NULL:
            return -1
        fresh = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, ENCODING_RAW,
                          entry_access(old) if old != NULL else access_for_new(core), sizeof(sds))
        if fresh == NULL:
            sds_free(core.heap, text)
            return -1
        entry_set_pointer(fresh, text)
        place[0] = text
    if copied:
        memcpy(place[0], old_data, copied)
    memset(place[0] + copied, 0, length - copied)
    if place_entry(core, database, slot, fresh, hash) != 0:
        sds_free(core.heap, text)
        return -1
    return 0


cdef int set_deadline(Core* core, Database* database, Entry** slot, uint64_t hash, int64_t deadline_ms) noexcept nogil:
    cdef Entry* old = slot[0]
    cdef Entry* fresh
    cdef size_t key_length, value_size
    cdef char* key
    if entry_expires(old) and deadline_ms != NO_EXPIRE:
        entry_set_deadline(old, deadline_ms)
        return 0
    if not entry_expires(old) and deadline_ms == NO_EXPIRE:
        return 0
    key = entry_key(old, &key_length)
    value_size = entry_value_size(old)
    fresh = entry_new(core.heap, key, key_length, deadline_ms, entry_type(old), entry_encoding(old), entry_access(old),
                      value_size)
    if fresh == NULL:
        return -1
    memcpy(entry_value(fresh), entry_value(old), value_size)
    if deadline_ms != NO_EXPIRE:
        if dict_insert(&database.expires, fresh, hash) != 0:
            heap_free(core.heap, fresh, entry_block_size(fresh))
            return -1
    else:
        dict_remove(&database.expires, key, key_length, hash)
    if has_timed_fields(old):
        dict_remove(&database.field_expires, key, key_length, hash)
        note_timed_fields(core, database, fresh, hash, 0)
    slot[0] = fresh
    heap_free(core.heap, old, entry_block_size(old))
    return 0


cdef int rename_key(Core* core, Database* database, Entry* entry, uint64_t hash, Entry** target, const Argument* name,
                    uint64_t name_hash) noexcept nogil:
    cdef size_t value_size = entry_value_size(entry)
    cdef size_t length
    cdef char* key
    cdef Entry* fresh = entry_new(core.heap, name.data, name.length, entry_deadline(entry), entry_type(entry),
                                  entry_encoding(entry), entry_access(entry), value_size)
    if fresh == NULL:
        return -1
    memcpy(entry_value(fresh), entry_value(entry), value_size)
    if place_entry(core, database, target, fresh, name_hash) != 0:
        return -1
    key = entry_key(entry, &length)
    take_entry(core, database, key, length, hash)
    heap_free(core.heap, entry, entry_block_size(entry))
    if target != NULL:
        # To who listens, the key that had the name is another one.
        notify(core, database, NOTIFY_NEW, "new", name.data, name.length)
    return 0


cdef int move_key(Core* core, Database* database, Entry* entry, uint64_t hash, Database* target) noexcept nogil:
    cdef size_t length
    cdef char* key
    if add_entry(core, target, entry, hash) != 0:
        return -1
    key = entry_key(entry, &length)
    take_entry(core, database, key, length, hash)
    return 0


cdef int copy_key(Core* core, const Entry* entry, Database* database, Entry** target, const Argument* name,
                  uint64_t hash) noexcept nogil:
    cdef int failed
    cdef Entry* fresh = entry_copy(core.heap, entry, name.data, name.length, access_for_new(core))
    if fresh == NULL:
        return -1
    if target == NULL:
        failed = add_entry(core, database, fresh, hash)
    else:
        failed = replace_entry(core, database, target, fresh, hash)
    if failed:
        release_entry(core, fresh, 0)
        return -1
    if target != NULL:
        notify(core, database, NOTIFY_NEW, "new", name.data, name.length)
    return 0


cdef void swap_databases(Core* core, Database* one, Database* other) noexcept nogil:
    cdef Database kept = one[0]
    if core.interest & INTEREST_WATCHED:
        watch_touch_all(core, one, other)
        watch_touch_all(core, other, one)
    one.keys = other.keys
    one.expires = other.expires
    one.field_expires = other.field_expires
    one.expire_cursor = other.expire_cursor
    one.field_expire_cursor = other.field_expire_cursor
    one.average_ttl_ms = other.average_ttl_ms
    other.keys = kept.keys
    other.expires = kept.expires
    other.field_expires = kept.field_expires
    other.expire_cursor = kept.expire_cursor
    other.field_expire_cursor = kept.field_expire_cursor
    other.average_ttl_ms = kept.average_ttl_ms
    if core.interest & INTEREST_BLOCKED:
        mark_all_ready(core, one)
        mark_all_ready(core, other)
    if core.interest & INTEREST_TRACKED:
        core.upcalls.key_invalidated(core, NULL, 0, 1)


cdef size_t flush_databases(Core* core, int number, bint lazy) noexcept nogil:
    cdef size_t removed = 0
    cdef int i
    for i in range(core.databases_count):
        if number >= 0 and i != number:
            continue
        if core.interest & INTEREST_WATCHED:
            watch_touch_all(core, core.databases[i], NULL)
        removed += flush_database(core, core.databases[i], lazy)
        if core.interest & INTEREST_BLOCKED:
            mark_all_ready(core, core.databases[i])
    if core.interest & INTEREST_TRACKED:
        core.upcalls.key_invalidated(core, NULL, 0, 1)
    if not lazy and core.discarded != NULL:
        discard_turn(core)
    core.dirty += removed
    return removed


cdef size_t flush_database(Core* core, Database* database, bint lazy) noexcept nogil:
    cdef size_t removed = keys_count(database)
    discard_dict(core, &database.expires, NULL, 0)
    discard_dict(core, &database.field_expires, NULL, 0)
    discard_dict(core, keys_table(database), release_entry_visitor, lazy)
    database.expire_cursor = 0
    database.field_expire_cursor = 0
    database.average_ttl_ms = 0
    return removed
