"""Memory limit; the contract is in eviction.pxd."""
from libc.math cimport pow
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memmove
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.base.clock cimport clock_counter, clock_monotonic_ns
from redislite._core.keyspace.key_table cimport key_hash, keys_table
from redislite._core.keyspace.discard cimport release_discarded, release_entry
from redislite._core.keyspace.entry cimport Entry, entry_deadline, entry_key
from redislite._core.keyspace.keyspace cimport access_frequency, idle_seconds, key_vanished, notify, take_entry
from redislite._core.keyspace.latency cimport latency_begin, latency_end, latency_sample_if_long
from redislite._core.keyspace.propagate cimport propagate_deletion, propagate_unit
from redislite._core.state.core cimport Core, Database
from redislite._core.state.flags cimport (
    GATE_BUSY, GATE_LOADING, GATE_PAUSE_ALL, GATE_PAUSE_WRITE, LOG_WARNING, NOTIFY_EVICTED,
)
from redislite._core.structures.dict cimport Dict, dict_find_hash, dict_random, dict_sample, dict_size

cdef enum:
    SAMPLES_AT_ONCE = 64
    RELEASE_STEP = 512          # pieces of deferred release between looks at the clock
    FREQUENCY_MAX = 255
    TENACITY_DEFAULT = 10
    TENACITY_UNLIMITED = 100
    TIME_PER_TENACITY_US = 50   # up to the default, from where on it grows by TIME_GROWTH a step


cdef double TIME_GROWTH = 1.15


cdef int eviction_init(Core* core) noexcept nogil:
    core.eviction = heap_zalloc(core.heap, sizeof(Eviction))
    return 0 if core.eviction != NULL else -1


cdef void eviction_release(Core* core) noexcept nogil:
    heap_free(core.heap, core.eviction, sizeof(Eviction))
    core.eviction = NULL


# Candidates

cdef inline uint64_t merit_of(Core* core, const Entry* entry) noexcept nogil:
    if core.settings.eviction_policy & POLICY_FREQUENCY:
        return <uint64_t> (FREQUENCY_MAX - access_frequency(core, entry))
    if core.settings.eviction_policy & POLICY_TIME_TO_LIVE:
        return ~<uint64_t> entry_deadline(entry)
    return <uint64_t> idle_seconds(core, entry)


cdef inline Dict* candidates_of(const Core* core, Database* database) noexcept nogil:
    return keys_table(database) if core.settings.eviction_policy & POLICY_ALL_KEYS else &database.expires


cdef void forget(Eviction* eviction, int index) noexcept nogil:
    eviction.pool_used -= 1
    memmove(&eviction.pool[index], &eviction.pool[index + 1], (eviction.pool_used - index) * sizeof(Candidate))


cdef void offer(Core* core, Database* database, const Entry* entry) noexcept nogil:
    """Puts a key into the pool where it has the merit for it. One that is there already gets its merit of now."""
    cdef Eviction* eviction = eviction_of(core)
    cdef Candidate* place
    cdef uint64_t merit = merit_of(core, entry)
    cdef uint64_t hash
    cdef size_t length
    cdef const char* key
    cdef int i
    if eviction.pool_used == POOL_SIZE and merit <= eviction.pool[0].merit:
        return
    key = entry_key(entry, &length)
    hash = key_hash(database, key, length)
    for i in range(eviction.pool_used):
        if eviction.pool[i].hash == hash and eviction.pool[i].database == database:
            forget(eviction, i)
            break
    if eviction.pool_used == POOL_SIZE:
        forget(eviction, 0)
    # Among equals, those that were sampled earlier go first.
    i = 0
    while i < eviction.pool_used and eviction.pool[i].merit < merit:
        i += 1
    place = &eviction.pool[i]
    memmove(place + 1, place, (eviction.pool_used - i) * sizeof(Candidate))
    eviction.pool_used += 1
    place.database = database
    place.merit = merit
    place.hash = hash


cdef bint fill_pool(Core* core) noexcept nogil:
    """Samples each database; 0 where none has a key that may go."""
    cdef void* found[SAMPLES_AT_ONCE]
    cdef Database* database
    cdef Dict* keys
    cdef int64_t samples
    cdef size_t count, i
    cdef bint any = 0
    cdef int number
    for number in range(core.databases_count):
        database = core.databases[number]
        keys = candidates_of(core, database)
        if dict_size(keys) == 0:
            continue
        any = 1
        samples = core.settings.eviction_samples
        if samples > <int64_t> dict_size(keys):
            samples = <int64_t> dict_size(keys)
        while samples > 0:
            count = dict_sample(keys, &core.random, found, samples if samples < SAMPLES_AT_ONCE else SAMPLES_AT_ONCE)
            if count == 0:
                break
            for i in range(count):
                offer(core, database, <Entry*> found[i])
            samples -= <int64_t> count
    return any


cdef int64_t evict(Core* core, Database* database, Entry* entry, uint64_t hash) noexcept nogil:
    """Removes a key for good; answers how many bytes that gave back, whatever telling others of it took."""
    cdef uint64_t begun = latency_begin(core)
    cdef bint lazy = core.settings.lazy_eviction != 0
    cdef size_t length
    cdef const char* key = entry_key(entry, &length)
    cdef size_t used = core.heap.used
    cdef size_t told
    take_entry(core, database, key, length, hash)
    told = core.heap.used
    core.statistics.evicted_keys += 1
    key_vanished(core, database, key, length)
    notify(core, database, NOTIFY_EVICTED, "evicted", key, length)
    if core.propagation:
        propagate_deletion(core, database, key, length, lazy)
        propagate_unit(core)
    told = core.heap.used - told
    release_entry(core, entry, lazy)
    latency_end(core, "eviction-del", begun)
    return <int64_t> (used + told - core.heap.used)


cdef bint evict_best(Core* core, int64_t* freed) noexcept nogil:
    """Evicts the best candidate and adds to *freed what that gave back; 0 where no key may go."""
    cdef Eviction* eviction = eviction_of(core)
    cdef Candidate best
    cdef Entry** slot
    while fill_pool(core):
        while eviction.pool_used:
            eviction.pool_used -= 1
            best = eviction.pool[eviction.pool_used]
            slot = <Entry**> dict_find_hash(candidates_of(core, best.database), best.hash)
            # Who was used meanwhile is no candidate any more.
            if slot != NULL and merit_of(core, slot[0]) >= best.merit:
                freed[0] += evict(core, best.database, slot[0], best.hash)
                return 1
    return 0


cdef bint evict_any(Core* core, int64_t* freed) noexcept nogil:
    """The same for some key, of one database after the other."""
    cdef Eviction* eviction = eviction_of(core)
    cdef Database* database
    cdef Entry* entry
    cdef size_t length
    cdef const char* key
    cdef int i
    for i in range(core.databases_count):
        database = core.databases[eviction.next_database % core.databases_count]
        eviction.next_database = (eviction.next_database + 1) % core.databases_count
        entry = <Entry*> dict_random(candidates_of(core, database), &core.random)
        if entry != NULL:
            key = entry_key(entry, &length)
            freed[0] += evict(core, database, entry, key_hash(database, key, length))
            return 1
    return 0


cdef inline bint evict_one(Core* core, int64_t* freed) noexcept nogil:
    if core.settings.import_mode:
        return 0
    if core.settings.eviction_policy & POLICY_RANDOM:
        return evict_any(core, freed)
    return core.settings.eviction_policy and evict_best(core, freed)


# The limit

cdef uint64_t time_limit_ticks(const Core* core) noexcept nogil:
    """How long a command may be held up, in clock ticks."""
    cdef int64_t tenacity = core.settings.eviction_tenacity
    cdef double us
    if tenacity >= TENACITY_UNLIMITED:
        return ~<uint64_t> 0
    if tenacity <= TENACITY_DEFAULT:
        us = <double> (TIME_PER_TENACITY_US * tenacity)
    else:
        us = TIME_PER_TENACITY_US * TENACITY_DEFAULT * pow(TIME_GROWTH, <double> (tenacity - TENACITY_DEFAULT))
    return <uint64_t> (us * 1000 / core.ns_per_tick)


cdef void note_state(Core* core, int state) noexcept nogil:
    """Keeps the time that memory has been over the limit."""
    cdef Eviction* eviction = eviction_of(core)
    if state == EVICTION_DONE:
        if eviction.exceeded_since_ns:
            core.statistics.eviction_exceeded_us += (clock_monotonic_ns() - eviction.exceeded_since_ns) // 1000
            eviction.exceeded_since_ns = 0
    elif not eviction.exceeded_since_ns:
        eviction.exceeded_since_ns = clock_monotonic_ns()


cdef int evict_keys(Core* core) noexcept nogil:
    cdef uint64_t begun = clock_counter()
    cdef uint64_t limit = time_limit_ticks(core)
    cdef uint64_t elapsed
    cdef int64_t excess = 0
    cdef int64_t freed = 0
    cdef size_t used
    cdef int state = EVICTION_DONE
    if core.gate & (GATE_PAUSE_ALL | GATE_PAUSE_WRITE | GATE_LOADING | GATE_BUSY):
        return EVICTION_DONE
    if memory_is_exceeded(core):
        excess = <int64_t> memory_counted(core) - core.settings.max_memory
    # What clients are told of the keys that go takes memory, until it is written: evicting more for it would tell more.
    while memory_is_exceeded(core) and freed < excess:
        # At the least one key goes, or one piece of what went before.
        if core.discarded != NULL:
            used = core.heap.used
            release_discarded(core, RELEASE_STEP)
            freed += <int64_t> (used - core.heap.used)
        elif not evict_one(core, &freed):
            state = EVICTION_FAILED
            break
        if clock_counter() - begun > limit:
            if memory_is_exceeded(core) and freed < excess:
                state = EVICTION_RUNNING
            break
    note_state(core, state)
    eviction_of(core).pending = state == EVICTION_RUNNING
    elapsed = clock_counter() - begun
    core.ticks += elapsed           # no part of the command's own time
    latency_sample_if_long(core, "eviction-cycle", elapsed)
    return state


cdef bint eviction_turn(Core* core) noexcept nogil:
    if not eviction_of(core).pending:
        return 0
    return evict_keys(core) == EVICTION_RUNNING


cdef void eviction_changed(Core* core) noexcept nogil:
    cdef Eviction* eviction = eviction_of(core)
    eviction.pool_used = 0
    eviction.pending = 1
    eviction.is_warned = 0


cdef void eviction_warn(Core* core) noexcept nogil:
    cdef Eviction* eviction = eviction_of(core)
    cdef int64_t limit = core.settings.max_memory
    cdef int64_t percent = core.settings.memory_warning_percent
    cdef size_t used = memory_counted(core)
    cdef char text[160]
    if limit <= 0 or percent <= 0:
        return
    if used < <size_t> (<double> limit * percent / 100):
        eviction.is_warned = 0
    elif not eviction.is_warned:
        eviction.is_warned = 1
        snprintf(text, sizeof(text), "Used memory is at %.0f%% of maxmemory: %zu of %lld bytes",
                 used * 100.0 / limit, used, <long long> limit)
        core.upcalls.log_line(core, LOG_WARNING, text)


cdef int64_t eviction_exceeded_ms(const Core* core) noexcept nogil:
    cdef int64_t since = eviction_of(core).exceeded_since_ns
    return (clock_monotonic_ns() - since) // 1000000 if since else 0


cdef int64_t eviction_exceeded_total_ms(const Core* core) noexcept nogil:
    return core.statistics.eviction_exceeded_us // 1000 + eviction_exceeded_ms(core)
