"""Keys that clients watch; the contract is in watching.pxd.

A client that is marked has nothing more to learn: it leaves all its lists at once.
"""
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free
from redislite._core.keyspace.entry cimport Entry, entry_deadline
from redislite._core.state.core cimport Client, Core, Database, Watch, WatchList
from redislite._core.state.flags cimport CLIENT_DIRTY_WATCH, INTEREST_WATCHED
from redislite._core.structures.dict cimport (
    DictIterator, dict_find, dict_hash, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
)
from redislite._core.structures.records cimport record_add, record_find, record_name, record_remove


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


cdef bint is_watched_by(const WatchList* watched, const Client* client) noexcept nogil:
    """Walks the client's watches and the key's side by side, as either list may be very long."""
    cdef const Watch* own = client.watches
    cdef const Watch* other = watched.first
    while own != NULL and other != NULL:
        if own.watched == watched or other.client == client:
            return 1
        own = own.next_of_client
        other = other.next
    return 0


cdef int watch_key(Core* core, Client* client, int index, bint was_expired) noexcept nogil:
    cdef WatchList* watched = watch_list(client.database, client.argv[index].data, client.argv[index].length)
    cdef Watch* watch
    if watched == NULL:
        return -1
    if is_watched_by(watched, client):
        return 0
    watch = <Watch*> heap_alloc(core.heap, sizeof(Watch))
    if watch == NULL:
        discard_if_unwatched(watched)
        return -1
    watch.client = client
    watch.watched = watched
    watch.was_expired = was_expired
    watch.previous = NULL
    watch.next = watched.first
    if watched.first != NULL:
        watched.first.previous = watch
    watched.first = watch
    if client.watches == NULL:
        core.watching_clients += 1
        core.interest |= INTEREST_WATCHED
    watch.next_of_client = client.watches
    client.watches = watch
    client.watches_count += 1
    client.watches_bytes += heap_footprint(sizeof(Watch)) + heap_footprint(sizeof(WatchList) + client.argv[index].length)
    return 0


cdef void leave_lists(Core* core, Client* client, const WatchList* kept) noexcept nogil:
    """Takes the client out of every list; an empty one is released, but for the one that is being walked."""
    cdef Watch* watch = client.watches
    cdef Watch* following
    cdef WatchList* watched
    if watch == NULL:
        return
    client.watches = NULL
    client.watches_count = 0
    client.watches_bytes = 0
    core.watching_clients -= 1
    if core.watching_clients == 0:
        core.interest &= ~<uint64_t> INTEREST_WATCHED
    while watch != NULL:
        following = watch.next_of_client
        watched = watch.watched
        if watch.previous != NULL:
            watch.previous.next = watch.next
        else:
            watched.first = watch.next
        if watch.next != NULL:
            watch.next.previous = watch.previous
        if watched != kept:
            discard_if_unwatched(watched)
        heap_free(core.heap, watch, sizeof(Watch))
        watch = following


cdef void unwatch_all(Core* core, Client* client) noexcept nogil:
    client.flags &= ~<uint64_t> CLIENT_DIRTY_WATCH
    leave_lists(core, client, NULL)


cdef inline void mark(Core* core, Client* client, const WatchList* walked) noexcept nogil:
    client.flags |= CLIENT_DIRTY_WATCH
    leave_lists(core, client, walked)


cdef void watch_touch(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    cdef WatchList* watched
    cdef Watch* watch
    cdef Watch* following
    cdef uint64_t hash
    if dict_size(&database.watched) == 0:
        return
    hash = dict_hash(&database.watched, key, length)
    watched = <WatchList*> record_find(&database.watched, key, length, hash)
    if watched == NULL:
        return
    watch = watched.first
    while watch != NULL:
        following = watch.next
        if watch.was_expired and dict_find(&database.keys, key, length, hash) == NULL:
            # It was gone for its client already. What comes under this name from here on is new.
            watch.was_expired = 0
        else:
            mark(core, watch.client, watched)
        watch = following
    discard_if_unwatched(watched)


cdef Entry* entry_of(Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef void** slot
    if database == NULL:
        return NULL
    slot = dict_find(&database.keys, key, length, hash)
    return <Entry*> slot[0] if slot != NULL else NULL


cdef inline bint is_over(const Core* core, const Entry* entry) noexcept nogil:
    return 0 <= entry_deadline(entry) < core.expiry_ms


cdef void mark_for_replacement(Core* core, Database* database, Database* other, WatchList* watched) noexcept nogil:
    """Marks for one key of a database whose content is about to be replaced by other's."""
    cdef Watch* watch = watched.first
    cdef size_t length
    cdef char* key = watched_key(watched, &length)
    cdef uint64_t hash = dict_hash(&database.keys, key, length)
    cdef Entry* old = entry_of(database, key, length, hash)
    cdef Entry* new = entry_of(other, key, length, hash)
    while watch != NULL:
        if watch.was_expired and (new == NULL or is_over(core, new)):
            watch.was_expired = new != NULL
        elif old == NULL and new != NULL and is_over(core, new):
            watch.was_expired = 1
        elif old != NULL or new != NULL:
            watch.client.flags |= CLIENT_DIRTY_WATCH
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
            leave_lists(core, client, NULL)
        client = client.next


cdef bint watch_expired(Core* core, Client* client) noexcept nogil:
    cdef Watch* watch = client.watches
    cdef Database* database
    cdef Entry* entry
    cdef size_t length
    cdef char* key
    while watch != NULL:
        if not watch.was_expired:
            database = watch.watched.database
            key = watched_key(watch.watched, &length)
            entry = entry_of(database, key, length, dict_hash(&database.keys, key, length))
            if entry != NULL and is_over(core, entry):
                return 1
        watch = watch.next_of_client
    return 0
