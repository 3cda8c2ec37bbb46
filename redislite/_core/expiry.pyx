"""Active expiry; the contract is in expiry.pxd.

Each database's ``expires`` dict is walked with a scan cursor, a few homes at a time. A database is gone on with while more
than an accepted share of what was looked at had expired, so effort follows need; ``active-expire-effort`` (1 to 10)
lowers the share and raises the number looked at.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.clock cimport clock_monotonic_ns
from redislite._core.dict cimport dict_hash, dict_scan, dict_size
from redislite._core.keyspace cimport is_expired, key_changed, delete_key
from redislite._core.object cimport Entry, entry_deadline, entry_key
from redislite._core.state cimport GATE_PAUSE_ALL, GATE_PAUSE_WRITE, Core, Database

cdef enum:
    KEYS_PER_ROUND = 20         # looked at per round, with effort 1
    KEYS_PER_EFFORT = 5         # more with each step of effort
    ACCEPTED_PERCENT = 10       # expired share that ends a database's turn, with effort 1
    EXPIRED_MAX = 64            # found in one scan step, removed after it
    HOMES_PER_KEY = 20          # homes visited per round, at the most, per key to look at


cdef struct Round:
    Core* core
    Entry* expired[EXPIRED_MAX]
    int expired_count
    int sampled
    int64_t ttl_sum
    int64_t ttl_samples


cdef void look(void* argument, void* entry) noexcept nogil:
    cdef Round* step = <Round*> argument
    cdef int64_t deadline_ms = entry_deadline(<Entry*> entry)
    step.sampled += 1
    if is_expired(step.core, deadline_ms):
        if step.expired_count < EXPIRED_MAX:
            step.expired[step.expired_count] = <Entry*> entry
            step.expired_count += 1
    else:
        step.ttl_sum += deadline_ms - step.core.now_ms
        step.ttl_samples += 1


cdef void expire_cycle(Core* core, int64_t budget_us) noexcept nogil:
    cdef int64_t effort = core.settings.expire_effort - 1
    cdef int keys_per_round = <int> (KEYS_PER_ROUND + KEYS_PER_EFFORT * effort)
    cdef int64_t accepted = ACCEPTED_PERCENT - effort
    cdef int64_t begun = clock_monotonic_ns()
    cdef int64_t until = begun + budget_us * 1000
    cdef int64_t sampled_total = 0
    cdef int64_t expired_total = 0
    cdef int64_t mean
    cdef Database* database
    cdef Round step
    cdef int number, i, homes, sampled, expired
    cdef size_t length
    cdef char* key
    cdef bint out_of_time = 0
    if core.gate & (GATE_PAUSE_ALL | GATE_PAUSE_WRITE):
        return
    step.core = core
    for number in range(core.databases_count):
        # Databases take turns at being the first, so that one with much to expire does not starve the others.
        database = core.databases[(number + core.expire_database) % core.databases_count]
        while dict_size(&database.expires):
            sampled = 0
            expired = 0
            step.ttl_sum = 0
            step.ttl_samples = 0
            homes = 0
            while sampled < keys_per_round and homes < keys_per_round * HOMES_PER_KEY:
                step.sampled = 0
                step.expired_count = 0
                database.expire_cursor = dict_scan(&database.expires, database.expire_cursor, look, &step)
                homes += 1
                for i in range(step.expired_count):
                    key = entry_key(step.expired[i], &length)
                    key_changed(core, database, key, length)
                    delete_key(core, database, key, length, dict_hash(&database.expires, key, length), 1)
                core.statistics.expired_keys += step.expired_count
                sampled += step.sampled
                expired += step.expired_count
                if database.expire_cursor == 0:
                    break
            sampled_total += sampled
            expired_total += expired
            if step.ttl_samples:
                mean = step.ttl_sum // step.ttl_samples
                if database.average_ttl_ms == 0:
                    database.average_ttl_ms = mean
                else:
                    database.average_ttl_ms += (mean - database.average_ttl_ms) // 50
            if sampled == 0 or expired * 100 <= sampled * accepted:
                break
            if clock_monotonic_ns() > until:
                out_of_time = 1
                break
        if dict_size(&database.expires) == 0:
            database.average_ttl_ms = 0
        if out_of_time:
            core.statistics.expired_time_cap_reached += 1
            break
    core.expire_database = (core.expire_database + 1) % core.databases_count
    core.statistics.expire_cycle_us += (clock_monotonic_ns() - begun) // 1000
    if sampled_total:
        core.statistics.expired_stale_percent = (0.95 * core.statistics.expired_stale_percent
                                                 + 0.05 * 100.0 * expired_total / sampled_total)
