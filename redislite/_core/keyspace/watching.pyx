"""Keys that clients watch; the contract is in watching.pxd."""
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_zalloc
from redislite._core.keyspace.key_table cimport key_hash, keys_find
from redislite._core.keyspace.discard cimport discard_thing
from redislite._core.keyspace.entry cimport Entry, entry_deadline
from redislite._core.state.core cimport Client, Core, Database, Watch, Watcher, WatchList
from redislite._core.state.expiry_state cimport is_expired
from redislite._core.state.flags cimport CLIENT_DIRTY_WATCH, INTEREST_WATCHED
from redislite._core.structures.dict cimport (
    DictIterator, dict_hash, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
)
from redislite._core.structures.records cimport record_add, record_find, record_name, record_remove
from redislite._core.structures.release cimport Release


cdef inline char* watched_key(const WatchList* watched, size_t* length) noexcept nogil:
    return record_name(&watched.database.watched, watched, length)


cdef WatchList* watch_list(Database* database, const char* key, size_t length) noexcept nogil:
    """The key's list, made where there is none; NULL where memory is out."""
    cdef uint64_t hash = dict_hash(&database.watched, key, length)
    cdef WatchList* watched = <WatchList*> record_find(&database.watched, key, length, hash)
    if watched == NULL:
        watched = <WatchList*> record_add(&database.watched, key, length, hash)
        if watched != NULL:
            watched.database = database
    return watched


cdef inline void discard_if_unwatched(WatchList* watched) noexcept nogil:
    if watched.first == NULL:
        record_remove(&watched.database.watched, watched)


cdef bint is_watched_by(const WatchList* watched, const Watcher* watcher) noexcept nogil:
    """Walks the client's watches and the key's side by side, as either list may be very long."""
    cdef const Watch* own = watcher.first
    cdef const Watch* other = watched.first
    while own != NULL and other != NULL:
        if own.watched == watched or other.watcher == watcher:
            return 1
        own = own.next_of_watcher
        other = other.next
    return 0


cdef Watcher* watcher_of(Core* core, Client* client) noexcept nogil:
    """The client's Watcher, made where there is none; NULL where memory is out."""
    cdef Watcher* watcher = client.watcher
    if watcher == NULL:
        watcher = <Watcher*> heap_zalloc(core.heap, sizeof(Watcher))
        if watcher == NULL:
            return NULL
        watcher.client = client
        watcher.bytes = heap_footprint(sizeof(Watcher))
        client.watcher = watcher
        core.watching_clients += 1
        core.interest |= INTEREST_WATCHED
    return watcher


cdef int watch_key(Core* core, Client* client, int index, bint was_expired) noexcept nogil:
    cdef Watcher* watcher = watcher_of(core, client)
    cdef WatchList* watched
    cdef Watch* watch
    if watcher == NULL:
        return -1
    watched = watch_list(client.database, client.argv[index].data, client.argv[index].length)
    if watched == NULL:
        return -1
    if is_watched_by(watched, watcher):
        return 0
    watch = <Watch*> heap_alloc(core.heap, sizeof(Watch))
    if watch == NULL:
        discard_if_unwatched(watched)
        return -1
    watch.watcher = watcher
    watch.watched = watched
    watch.was_expired = was_expired
    watch.previous = NULL
    watch.next = watched.first
    if watched.first != NULL:
        watched.first.previous = watch
    watched.first = watch
    watch.next_of_watcher = watcher.first
    watcher.first = watch
    watcher.count += 1
    watcher.bytes += heap_footprint(sizeof(Watch)) + heap_footprint(sizeof(WatchList) + client.argv[index].length)
    return 0


cdef bint release_watcher(Release* step, void* thing) noexcept nogil:
    """Takes watches out of the keys' lists, and the lists away that are empty then."""
    cdef Watcher* watcher = <Watcher*> thing
    cdef Watch* watch
    while watcher.first != NULL:
        if step.budget == 0:
            return 1
        step.budget -= 1
        watch = watcher.first
        watcher.first = watch.next_of_watcher
        if watch.previous != NULL:
            watch.previous.next = watch.next
        else:
            watch.watched.first = watch.next
        if watch.next != NULL:
            watch.next.previous = watch.previous
        discard_if_unwatched(watch.watched)
        heap_free(step.heap, watch, sizeof(Watch))
    heap_free(step.heap, watcher, sizeof(Watcher))
    return 0


cdef Watcher* take_watcher(Core* core, Client* client) noexcept nogil:
    """Has the client watch nothing more; what is to be released then, or NULL."""
    cdef Watcher* watcher = client.watcher
    if watcher == NULL:
        return NULL
    client.watcher = NULL
    watcher.client = NULL
    core.watching_clients -= 1
    if core.watching_clients == 0:
        core.interest &= ~<uint64_t> INTEREST_WATCHED
    return watcher


cdef void forget_watched(Core* core, Client* client) noexcept nogil:
    cdef Watcher* watcher = take_watcher(core, client)
    if watcher != NULL:
        discard_thing(core, release_watcher, watcher)


cdef void unwatch_all(Core* core, Client* client) noexcept nogil:
    client.flags &= ~<uint64_t> CLIENT_DIRTY_WATCH
    forget_watched(core, client)


cdef void watch_touch(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    cdef WatchList* watched
    cdef Watch* watch
    cdef Watcher* watcher
    cdef Watcher* marked = NULL
    cdef uint64_t hash
    if dict_size(&database.watched) == 0:
        return
    hash = dict_hash(&database.watched, key, length)
    watched = <WatchList*> record_find(&database.watched, key, length, hash)
    if watched == NULL:
        return
    watch = watched.first
    while watch != NULL:
        if watch.was_expired and keys_find(database, key, length, hash) == NULL:
            # It was gone for its client already. What comes under this name from here on is new.
            watch.was_expired = 0
        elif watch.watcher.client != NULL:
            watch.watcher.client.flags |= CLIENT_DIRTY_WATCH
            watcher = take_watcher(core, watch.watcher.client)
            watcher.next = marked
            marked = watcher
        watch = watch.next
    # Only now: releasing takes watches out of the list, and then the list away.
    while marked != NULL:
        watcher = marked
        marked = watcher.next
        discard_thing(core, release_watcher, watcher)


cdef Entry* entry_of(Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef Entry** slot
    if database == NULL:
        return NULL
    slot = keys_find(database, key, length, hash)
    return slot[0] if slot != NULL else NULL


cdef inline bint is_over(const Core* core, const Entry* entry) noexcept nogil:
    return is_expired(core, entry_deadline(entry))


cdef void mark_for_replacement(Core* core, Database* database, Database* other, WatchList* watched) noexcept nogil:
    """Marks for one key of a database whose content is about to be replaced by other's."""
    cdef Watch* watch = watched.first
    cdef size_t length
    cdef char* key = watched_key(watched, &length)
    cdef uint64_t hash = key_hash(database, key, length)
    cdef Entry* old = entry_of(database, key, length, hash)
    cdef Entry* new = entry_of(other, key, length, hash)
    while watch != NULL:
        if watch.was_expired and (new == NULL or is_over(core, new)):
            watch.was_expired = new != NULL
        elif old == NULL and new != NULL and is_over(core, new):
            watch.was_expired = 1
        elif (old != NULL or new != NULL) and watch.watcher.client != NULL:
            watch.watcher.client.flags |= CLIENT_DIRTY_WATCH
        watch = watch.next


cdef void watch_touch_all(Core* core, Database* database, Database* other) noexcept nogil:
    cdef DictIterator position
    cdef WatchList* watched
    cdef Client* client = core.clients
    if dict_size(&database.watched) == 0:
        return
    dict_iterate_begin(&position, &database.watched)
    watched = <WatchList*> dict_iterate_next(&position)
    while watched != NULL:
        mark_for_replacement(core, database, other, watched)
        watched = <WatchList*> dict_iterate_next(&position)
    dict_iterate_end(&position)
    # Only now: leaving releases lists, which the walk could still have come to.
    while client != NULL:
        if client.flags & CLIENT_DIRTY_WATCH:
            forget_watched(core, client)
        client = client.next


cdef bint watch_expired(Core* core, Client* client) noexcept nogil:
    cdef const Watch* watch = client.watcher.first if client.watcher != NULL else NULL
    cdef Database* database
    cdef Entry* entry
    cdef size_t length
    cdef char* key
    while watch != NULL:
        if not watch.was_expired:
            database = watch.watched.database
            key = watched_key(watch.watched, &length)
            entry = entry_of(database, key, length, key_hash(database, key, length))
            if entry != NULL and is_over(core, entry):
                return 1
        watch = watch.next_of_watcher
    return 0
