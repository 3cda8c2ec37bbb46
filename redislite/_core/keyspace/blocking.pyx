"""Clients that wait for keys; the contract is in blocking.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.base.clock cimport clock_monotonic_ns
from redislite._core.keyspace.discard cimport discard_thing
from redislite._core.state.core cimport Blocked, Client, Core, Database, Deadline, WaitList, Waiter
from redislite._core.state.flags cimport (
    CLIENT_BLOCKED, CLIENT_CLOSE_NOW, CLIENT_DENY_BLOCKING, CLIENT_INTERNAL, INTEREST_BLOCKED,
)
from redislite._core.structures.dict cimport (
    DictIterator, dict_hash, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
)
from redislite._core.structures.records cimport record_add, record_find, record_remove
from redislite._core.structures.release cimport Release

cdef enum:
    DEADLINES_LEAST = 16        # that there is room for once there is one
    DEADLINE_MAX_S = 1 << 30    # a longer wait, of more than 30 years, is one for ever


# --- deadlines: a binary heap; every client in it knows its place


cdef inline void put_deadline(Core* core, int64_t place, Deadline deadline) noexcept nogil:
    core.deadlines[place] = deadline
    deadline.client.blocked.deadline_place = place


cdef void settle_deadline(Core* core, int64_t place, Deadline deadline) noexcept nogil:
    """Puts a deadline where it belongs, when there is room for it at this place."""
    cdef Deadline* heap = core.deadlines
    cdef int64_t next_place
    while place > 0 and deadline.ns < heap[(place - 1) // 2].ns:
        put_deadline(core, place, heap[(place - 1) // 2])
        place = (place - 1) // 2
    while True:
        next_place = 2 * place + 1
        if next_place + 1 < core.deadlines_count and heap[next_place + 1].ns < heap[next_place].ns:
            next_place += 1
        if next_place >= core.deadlines_count or deadline.ns <= heap[next_place].ns:
            break
        put_deadline(core, place, heap[next_place])
        place = next_place
    put_deadline(core, place, deadline)


cdef bint reserve_deadlines(Core* core, int64_t capacity) noexcept nogil:
    cdef Deadline* deadlines = <Deadline*> heap_realloc(core.heap, core.deadlines,
                                                        core.deadlines_capacity * sizeof(Deadline),
                                                        capacity * sizeof(Deadline))
    if deadlines == NULL:
        return 0
    core.deadlines = deadlines
    core.deadlines_capacity = capacity
    return 1


cdef bint add_deadline(Core* core, Client* client, int64_t timeout_ms) noexcept nogil:
    """False where memory is out."""
    cdef Deadline deadline
    cdef int64_t now_ns
    if core.deadlines_count == core.deadlines_capacity and not reserve_deadlines(
            core, 2 * core.deadlines_capacity if core.deadlines_capacity else <int64_t> DEADLINES_LEAST):
        return 0
    now_ns = clock_monotonic_ns()
    deadline.ns = now_ns + timeout_ms * 1000000
    deadline.client = client
    core.deadlines_count += 1
    settle_deadline(core, core.deadlines_count - 1, deadline)
    if core.waiting_timer_ns == 0 or deadline.ns < core.waiting_timer_ns:
        core.waiting_timer_ns = deadline.ns
        core.upcalls.waiting_timer(core, deadline.ns - now_ns)
    return 1


cdef void remove_deadline(Core* core, int64_t place) noexcept nogil:
    cdef Deadline last
    core.deadlines_count -= 1
    last = core.deadlines[core.deadlines_count]
    if place < core.deadlines_count:
        settle_deadline(core, place, last)
    if core.deadlines_count == 0:
        heap_free(core.heap, core.deadlines, core.deadlines_capacity * sizeof(Deadline))
        core.deadlines = NULL
        core.deadlines_capacity = 0
    elif core.deadlines_capacity > DEADLINES_LEAST and core.deadlines_count < core.deadlines_capacity // 4:
        reserve_deadlines(core, core.deadlines_capacity // 2)


cdef Client* overdue_client(Core* core) noexcept nogil:
    cdef int64_t now_ns
    core.waiting_timer_ns = 0
    if core.deadlines_count == 0:
        return NULL
    now_ns = clock_monotonic_ns()
    if core.deadlines[0].ns <= now_ns:
        return core.deadlines[0].client
    core.waiting_timer_ns = core.deadlines[0].ns
    core.upcalls.waiting_timer(core, core.waiting_timer_ns - now_ns)
    return NULL


# --- waiting


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
    if waiting.first == NULL and not waiting.is_ready and not waiting.is_walked:
        record_remove(&waiting.database.waiting, waiting)


cdef void leave(Waiter* waiter) noexcept nogil:
    cdef WaitList* waiting = waiter.waiting
    if waiting.following == waiter:
        waiting.following = waiter.next
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


cdef size_t blocked_memory(const Client* client) noexcept nogil:
    cdef const Blocked* blocked = client.blocked
    if blocked == NULL:
        return 0
    return (heap_footprint(blocked_size(blocked.keys_count, blocked.words_count))
            + <size_t> blocked.keys_count * heap_footprint(sizeof(WaitList)))


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
        if client.blocked.is_over:
            return 0
        client.flags |= CLIENT_BLOCKED
        return 1
    if client.flags & (CLIENT_INTERNAL | CLIENT_DENY_BLOCKING | CLIENT_CLOSE_NOW):
        return 0
    blocked = <Blocked*> heap_zalloc(core.heap, blocked_size(count, words_count))
    if blocked == NULL:
        return 0
    blocked.client = client
    blocked.type = type
    blocked.options = options
    blocked.deadline_place = -1
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
        if waiting.last != NULL and waiting.last.blocked == blocked:
            continue
        waiter = &waiters_of(blocked)[i]
        waiter.blocked = blocked
        waiter.waiting = waiting
        waiter.previous = waiting.last
        waiter.next = NULL
        if waiting.last != NULL:
            waiting.last.next = waiter
        else:
            waiting.first = waiter
        waiting.last = waiter
    if timeout_ms and timeout_ms // 1000 <= DEADLINE_MAX_S and not add_deadline(core, client, timeout_ms):
        unblock(core, client)
        return 0
    client.flags |= CLIENT_BLOCKED
    core.blocked_clients += 1
    if options & WAIT_FOR_DISK:
        core.acknowledgement_clients += 1
    core.interest |= INTEREST_BLOCKED
    blocked.is_counted = 1
    return 1


cdef bint release_blocked(Release* step, void* thing) noexcept nogil:
    """Has what a client waited for leave the keys' lists."""
    cdef Blocked* blocked = <Blocked*> thing
    cdef Waiter* waiter
    while blocked.left < blocked.keys_count:
        if step.budget == 0:
            return 1
        step.budget -= 1
        waiter = &waiters_of(blocked)[blocked.left]
        blocked.left += 1
        if waiter.waiting != NULL:
            leave(waiter)
            discard_if_empty(waiter.waiting)
    heap_free(step.heap, blocked, blocked_size(blocked.keys_count, blocked.words_count))
    return 0


cdef void unblock(Core* core, Client* client) noexcept nogil:
    cdef Blocked* blocked = client.blocked
    client.flags &= ~<uint64_t> CLIENT_BLOCKED
    if blocked == NULL:
        return
    if blocked.deadline_place >= 0:
        remove_deadline(core, blocked.deadline_place)
    client.blocked = NULL
    blocked.client = NULL
    if blocked.is_counted:
        core.blocked_clients -= 1
        if blocked.options & WAIT_FOR_DISK:
            core.acknowledgement_clients -= 1
        if core.blocked_clients == 0:
            core.interest &= ~<uint64_t> INTEREST_BLOCKED
    discard_thing(core, release_blocked, blocked)


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
