"""Active expiry; the contract is in expiry.pxd.

Each database's ``expires`` dict is walked with a scan cursor, a few homes at a time. A database is gone on with while
more than an accepted share of what was looked at had expired, so effort follows need; ``active-expire-effort`` (1 to
10) lowers the share and raises the number looked at. The clock is looked at behind each key that goes.

Hashes with fields that have a deadline (``field_expires``) are walked the same way, in the time that is left: each
knows its next deadline, and gives up a bounded number of fields at a time.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.clock cimport clock_monotonic_ns
from redislite._core.keyspace.key_table cimport key_hash
from redislite._core.keyspace.entry cimport (
    TYPE_HASH, Entry, entry_deadline, entry_encoding, entry_key, entry_pointer, entry_type,
)
from redislite._core.keyspace.keyspace cimport delete_key, expire_key, key_vanished, note_timed_fields, notify
from redislite._core.keyspace.latency cimport latency_begin, latency_end
from redislite._core.keyspace.propagate cimport (
    propagate_begin, propagate_bytes, propagate_text, propagate_unit, propagate_vanishing, propagate_vanishing_end,
)
from redislite._core.state.core cimport Core, Database
from redislite._core.state.expiry_state cimport expiry_is_held, is_expired
from redislite._core.state.flags cimport NOTIFY_GENERIC, NOTIFY_HASH
from redislite._core.structures.dict cimport dict_hash, dict_scan, dict_size
from redislite._core.values.hash_value cimport (
    HashValue, hash_expire, hash_first_expired, hash_has_expired, hash_length, hash_next_deadline, hash_remove,
    hash_some_expired,
)

cdef enum:
    KEYS_PER_ROUND = 20         # looked at per round, with effort 1
    KEYS_PER_EFFORT = 5         # more with each step of effort
    ACCEPTED_PERCENT = 10       # expired share that ends a database's turn, with effort 1
    EXPIRED_MAX = 64            # found in one scan step, removed after it
    HOMES_PER_KEY = 20          # homes visited per round, at the most, per key to look at
    FIELDS_PER_TURN = 64        # fields that a hash gives up before the next one's turn
    FIELDS_LEAST_SHARE = 4      # one in so many of the time's parts is for fields, whatever the keys took


cdef struct Round:
    Core* core
    Entry* expired[EXPIRED_MAX]
    int expired_count
    int sampled
    int64_t ttl_sum
    int64_t ttl_samples
    int64_t sampled_total       # of the cycle
    int64_t expired_total


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


cdef inline HashValue hash_of(const Entry* entry) noexcept nogil:
    cdef HashValue hash
    hash.pointer = entry_pointer(entry)
    hash.encoding = entry_encoding(entry)
    return hash


cdef void look_at_fields(void* argument, void* entry) noexcept nogil:
    cdef Round* step = <Round*> argument
    cdef HashValue hash = hash_of(<Entry*> entry)
    step.sampled += 1
    if is_expired(step.core, hash_next_deadline(&hash)) and step.expired_count < EXPIRED_MAX:
        step.expired[step.expired_count] = <Entry*> entry
        step.expired_count += 1


cdef void propagate_field(Core* core, Database* database, const char* key, size_t key_length, const char* field,
                          size_t length) noexcept nogil:
    cdef int before = propagate_vanishing(core)
    if core.propagation:
        propagate_begin(core, database, 3)
        propagate_text(core, "HDEL")
        propagate_bytes(core, key, key_length)
        propagate_bytes(core, field, length)
    propagate_vanishing_end(core, before)


cdef size_t remove_and_propagate(Core* core, Database* database, HashValue* hash, const char* key, size_t key_length,
                                 bint alone) noexcept nogil:
    """The same as hash_expire for one turn, telling which fields they were."""
    cdef size_t removed = 0
    cdef size_t length
    cdef char* field = hash_first_expired(core, hash, &length)
    while field != NULL and removed < FIELDS_PER_TURN:
        propagate_field(core, database, key, key_length, field, length)
        if alone:
            propagate_unit(core)
        removed += hash_expire(core, hash, 1)
        field = hash_first_expired(core, hash, &length)
    return removed


cdef bint expire_field(Core* core, Database* database, Entry* entry, uint64_t name_hash, const char* field,
                       size_t length,
                       int64_t* removed) noexcept nogil:
    cdef HashValue hash = hash_of(entry)
    cdef size_t key_length
    cdef char* key
    if not hash_has_expired(core, &hash, field, length):
        return 1
    key = entry_key(entry, &key_length)
    hash_remove(core, &hash, field, length, 1)
    removed[0] += 1
    core.statistics.expired_fields += 1
    propagate_field(core, database, key, key_length, field, length)
    key_vanished(core, database, key, key_length)
    note_timed_fields(core, database, entry, name_hash, 1)
    if hash_length(&hash) == 0:
        delete_key(core, database, key, key_length, name_hash, 0)
        return 0
    return 1


cdef bint expire_fields_of(Core* core, Database* database, Entry* entry, bint alone) noexcept nogil:
    """Removes fields whose time is up, as many as a turn allows, and the key where none is left: false then. alone:
    each is a unit of its own, as no command is executed."""
    cdef HashValue hash = hash_of(entry)
    cdef size_t length
    cdef char* key = entry_key(entry, &length)
    cdef uint64_t code = key_hash(database, key, length)
    cdef size_t removed
    if core.propagation | core.withheld:
        removed = remove_and_propagate(core, database, &hash, key, length, alone)
    else:
        removed = hash_expire(core, &hash, FIELDS_PER_TURN)
    core.statistics.expired_fields += <int64_t> removed
    key_vanished(core, database, key, length)
    note_timed_fields(core, database, entry, code, 1)
    notify(core, database, NOTIFY_HASH, "hexpired", key, length)
    if hash_length(&hash) == 0:
        notify(core, database, NOTIFY_GENERIC, "del", key, length)
        delete_key(core, database, key, length, code, 0)
        return 0
    return 1


cdef bint expire_fields(Core* core, Database* database, Entry* entry) noexcept nogil:
    cdef HashValue hash
    if entry_type(entry) != TYPE_HASH:
        return 1
    hash = hash_of(entry)
    while hash_some_expired(core, &hash):
        if not expire_fields_of(core, database, entry, 0):
            return 0
    return 1


cdef bint expire_fields_in(Core* core, Database* database, int64_t until, Round* step) noexcept nogil:
    """The same as expire_keys_in for hashes with fields whose time is up."""
    cdef int64_t effort = core.settings.expire_effort - 1
    cdef int hashes_per_round = <int> (KEYS_PER_ROUND + KEYS_PER_EFFORT * effort)
    cdef int64_t accepted = ACCEPTED_PERCENT - effort
    cdef uint64_t cursor
    cdef int i, homes, sampled, due
    while dict_size(&database.field_expires):
        sampled = 0
        due = 0
        homes = 0
        while sampled < hashes_per_round and homes < hashes_per_round * HOMES_PER_KEY:
            step.sampled = 0
            step.expired_count = 0
            cursor = database.field_expire_cursor
            database.field_expire_cursor = dict_scan(&database.field_expires, cursor, look_at_fields, step)
            homes += 1
            for i in range(step.expired_count):
                expire_fields_of(core, database, step.expired[i], 1)
                if clock_monotonic_ns() > until:
                    database.field_expire_cursor = cursor   # the others with this home come first next time
                    return 1
            sampled += step.sampled
            due += step.expired_count
            if database.field_expire_cursor == 0:
                break
        if due * 100 <= sampled * accepted:
            return 0
        if clock_monotonic_ns() > until:
            return 1
    return 0


cdef bint expire_keys_in(Core* core, Database* database, int64_t until, Round* step) noexcept nogil:
    """Removes keys whose time is up until they are few; 1 where the time, on the monotonic clock, was up before."""
    cdef int64_t effort = core.settings.expire_effort - 1
    cdef int keys_per_round = <int> (KEYS_PER_ROUND + KEYS_PER_EFFORT * effort)
    cdef int64_t accepted = ACCEPTED_PERCENT - effort
    cdef int64_t mean
    cdef uint64_t cursor
    cdef int i, homes, sampled, expired
    cdef size_t length
    cdef char* key
    while dict_size(&database.expires):
        sampled = 0
        expired = 0
        step.ttl_sum = 0
        step.ttl_samples = 0
        homes = 0
        while sampled < keys_per_round and homes < keys_per_round * HOMES_PER_KEY:
            step.sampled = 0
            step.expired_count = 0
            cursor = database.expire_cursor
            database.expire_cursor = dict_scan(&database.expires, cursor, look, step)
            homes += 1
            for i in range(step.expired_count):
                key = entry_key(step.expired[i], &length)
                expire_key(core, database, key, length, dict_hash(&database.expires, key, length))
                if core.propagation:
                    propagate_unit(core)
                # Whoever is told of a key may be many.
                if clock_monotonic_ns() > until:
                    database.expire_cursor = cursor         # the others with this home come first next time
                    step.sampled_total += i + 1
                    step.expired_total += i + 1
                    return 1
            sampled += step.sampled
            expired += step.expired_count
            if database.expire_cursor == 0:
                break
        step.sampled_total += sampled
        step.expired_total += expired
        if step.ttl_samples:
            mean = step.ttl_sum // step.ttl_samples
            if database.average_ttl_ms == 0:
                database.average_ttl_ms = mean
            else:
                database.average_ttl_ms += (mean - database.average_ttl_ms) // 50
        if sampled == 0 or expired * 100 <= sampled * accepted:
            return 0
        if clock_monotonic_ns() > until:
            return 1
    return 0


cdef bint expire_cycle(Core* core, int64_t budget_us) noexcept nogil:
    cdef int64_t begun = clock_monotonic_ns()
    cdef int64_t until = begun + budget_us * 1000
    cdef uint64_t measured = latency_begin(core)
    cdef Database* database
    cdef Round step
    cdef int number
    cdef bint keys_wait = 0
    cdef bint fields_wait = 0
    if expiry_is_held(core):
        return 0
    step.core = core
    step.sampled_total = 0
    step.expired_total = 0
    for number in range(core.databases_count):
        # Databases take turns at being the first, so that one with much to expire does not starve the others.
        database = core.databases[(number + core.expire_database) % core.databases_count]
        keys_wait = expire_keys_in(core, database, until, &step)
        if dict_size(&database.expires) == 0:
            database.average_ttl_ms = 0
        if keys_wait:
            break
    until = max(until, clock_monotonic_ns() + budget_us * 1000 // FIELDS_LEAST_SHARE)
    for number in range(core.databases_count):
        fields_wait = expire_fields_in(core, core.databases[(number + core.expire_database) % core.databases_count],
                                       until, &step)
        if fields_wait:
            break
    core.statistics.expired_time_cap_reached += keys_wait + fields_wait
    core.expire_database = (core.expire_database + 1) % core.databases_count
    core.statistics.expire_cycle_us += (clock_monotonic_ns() - begun) // 1000
    latency_end(core, "expire-cycle", measured)
    if step.sampled_total:
        core.statistics.expired_stale_percent = (0.95 * core.statistics.expired_stale_percent
                                                 + 0.05 * 100.0 * step.expired_total / step.sampled_total)
    return keys_wait or fields_wait
