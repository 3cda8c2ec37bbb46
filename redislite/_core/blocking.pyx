"""Clients that wait for keys; the contract is in blocking.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from redislite._core.alloc cimport heap_free, heap_zalloc
from redislite._core.dict cimport (
    DictIterator, dict_hash, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
)
from redislite._core.records cimport record_add, record_find, record_remove
from redislite._core.state cimport (
    CLIENT_BLOCKED, CLIENT_DENY_BLOCKING, CLIENT_INTERNAL, INTEREST_BLOCKED, Blocked, Client, Core, Database, WaitList, Waiter,
)


cdef WaitList* wait_list(Database* database, const char* key, size_t length) noexcept nogil:
    """The key's list, made where there is none; NULL where memory is out."""
    cdef uint64_t hash = dict_hash(&database.waiting, key, length)
    cdef WaitList* waiting = <WaitList*> record_find(&database.waiting, key, length, hash)
    if waiting == NULL:
        waiting = <WaitList*> record_add(&database.waiting, key, length, hash)
        if waiting != NULL:
            waiting.database = database
    return waiting


cdef void discard_if_empty(WaitList* waiting) noexcept nogil:
    if waiting.first == NULL and not waiting.is_ready:
        record_remove(&waiting.database.waiting, waiting)


cdef void leave(Waiter* waiter) noexcept nogil:
    cdef WaitList* waiting = waiter.waiting
    if waiter.previous != NULL:
        waiter.previous.next = waiter.next
    else:
        waiting.first = waiter.next
    if waiter.next != NULL:
        waiter.next.previous = waiter.previous
    else:
        waiting.last = waiter.previous


cdef size_t blocked_size(int keys, int words) noexcept nogil:
    return sizeof(Blocked) + keys * sizeof(Waiter) + words * sizeof(uint64_t)


cdef inline Waiter* waiters_of(Blocked* blocked) noexcept nogil:
    return <Waiter*> (<char*> blocked + sizeof(Blocked))


cdef const uint64_t* blocked_words(const Client* client) noexcept nogil:
    cdef Blocked* blocked = client.blocked
    if blocked == NULL or blocked.words_count == 0:
        return NULL
    return <const uint64_t*> (<char*> blocked + sizeof(Blocked) + blocked.keys_count * sizeof(Waiter))


cdef bint block_on_keys(Core* core, Client* client, int first, int step, int count, int type, int options,
                        int64_t timeout_ms, const uint64_t* words, int words_count) noexcept nogil:
    cdef Blocked* blocked
    cdef Waiter* waiter
    cdef WaitList* waiting
    cdef int i
    if client.blocked != NULL:
        client.flags |= CLIENT_BLOCKED
        return 1
    if client.flags & (CLIENT_INTERNAL | CLIENT_DENY_BLOCKING):
        return 0
    blocked = <Blocked*> heap_zalloc(core.heap, blocked_size(count, words_count))
    if blocked == NULL:
        return 0
    blocked.type = type
    blocked.options = options
    blocked.deadline_ms = core.now_ms + timeout_ms if timeout_ms else 0
    blocked.words_count = words_count
    if words_count:
        memcpy(<char*> blocked + sizeof(Blocked) + count * sizeof(Waiter), words, words_count * sizeof(uint64_t))
    # The size of the block counts all keys; a key that is named twice gets one place.
    blocked.keys_count = count
    client.blocked = blocked
    for i in range(count):
        waiting = wait_list(client.database, client.argv[first + i * step].data, client.argv[first + i * step].length)
        if waiting == NULL:
            unblock(core, client)
            return 0
        if waiting.last != NULL and waiting.last.client == client:
            continue
        waiter = &waiters_of(blocked)[i]
        waiter.client = client
        waiter.waiting = waiting
        waiter.previous = waiting.last
        waiter.next = NULL
        if waiting.last != NULL:
            waiting.last.next = waiter
        else:
            waiting.first = waiter
        waiting.last = waiter
    client.flags |= CLIENT_BLOCKED
    core.blocked_clients += 1
    core.interest |= INTEREST_BLOCKED
    blocked.is_counted = 1
    if timeout_ms:
        core.upcalls.block_timer(core, client, timeout_ms)
    return 1


cdef void unblock(Core* core, Client* client) noexcept nogil:
    cdef Blocked* blocked = client.blocked
    cdef Waiter* waiter
    cdef int i
    client.flags &= ~<uint64_t> CLIENT_BLOCKED
    if blocked == NULL:
        return
    client.blocked = NULL
    for i in range(blocked.keys_count):
        waiter = &waiters_of(blocked)[i]
        if waiter.waiting != NULL:
            leave(waiter)
            discard_if_empty(waiter.waiting)
    if blocked.is_counted:
        core.blocked_clients -= 1
        if core.blocked_clients == 0:
            core.interest &= ~<uint64_t> INTEREST_BLOCKED
    heap_free(core.heap, blocked, blocked_size(blocked.keys_count, blocked.words_count))


cdef void queue_ready(Core* core, WaitList* waiting) noexcept nogil:
    if waiting.is_ready:
        return
    waiting.is_ready = 1
    waiting.next_ready = NULL
    if core.ready_last != NULL:
        core.ready_last.next_ready = waiting
    else:
        core.ready = waiting
    core.ready_last = waiting


cdef void mark_ready(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    cdef WaitList* waiting
    if dict_size(&database.waiting) == 0:
        return
    waiting = <WaitList*> record_find(&database.waiting, key, length, dict_hash(&database.waiting, key, length))
    if waiting != NULL:
        queue_ready(core, waiting)


cdef void mark_all_ready(Core* core, Database* database) noexcept nogil:
    cdef DictIterator it
    cdef WaitList* waiting
    dict_iterate_begin(&it, &database.waiting)
    waiting = <WaitList*> dict_iterate_next(&it)
    while waiting != NULL:
        queue_ready(core, waiting)
        waiting = <WaitList*> dict_iterate_next(&it)
    dict_iterate_end(&it)
