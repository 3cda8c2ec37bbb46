"""Memory limit: keys are evicted until used memory is back under ``maxmemory``, by the policy that is set.

    command ─▶ admit ─▶ evict_keys ─┬─ memory that waits to be released goes first
                                    └─ sample ─▶ pool of candidates ─▶ the best of them goes

The policies by recency, frequency and time to live are approximated: each round a few keys of every database are
sampled (``maxmemory-samples``) into a pool that remembers the best candidates of earlier rounds. The random policies
take any key.

The work for one command is bounded in time (``maxmemory-eviction-tenacity``); what is left is done between turns of the
loop. Memory that other processes are owed does not count: output of replicas and the append-only file's buffer, or else
evicting keys would fill them and so evict more.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.state.core cimport Core, Database


# Settings.eviction_policy: by what candidates are compared, and whether all keys are candidates or those with a time to
# live. 0: no key is evicted.
cdef enum:
    POLICY_RECENCY = 1
    POLICY_FREQUENCY = 2
    POLICY_TIME_TO_LIVE = 4
    POLICY_RANDOM = 8
    POLICY_ALL_KEYS = 16


cdef enum:
    EVICTION_DONE = 0           # memory is under the limit, or nothing may be evicted now
    EVICTION_RUNNING = 1        # out of time; it goes on between turns
    EVICTION_FAILED = 2         # over the limit, and there is nothing to evict


cdef enum:
    POOL_SIZE = 16


# A key that was sampled, and may be gone since. Its hash stands for it: another key with the same one would go in its
# place.
cdef struct Candidate:
    Database* database
    uint64_t merit              # the larger, the sooner it goes; the policy says of what
    uint64_t hash


cdef struct Eviction:
    Candidate pool[POOL_SIZE]   # by merit, the least first
    int pool_used
    int next_database           # where the random policies look next
    size_t uncounted            # bytes of used memory that the limit is not about
    int64_t exceeded_since_ns   # monotonic: over the limit since; 0: not over
    bint pending                # to be gone on with between turns
    bint is_warned              # used memory has passed the share that is worth a warning


# Core.eviction. 0, or -1 where memory is out.
cdef int eviction_init(Core* core) noexcept nogil
cdef void eviction_release(Core* core) noexcept nogil
# Evicts keys until memory is under the limit, for a bounded time. EVICTION_*. To be called outside of any command.
cdef int evict_keys(Core* core) noexcept nogil
# Goes on with what a command left over; 1 while there is more to do.
cdef bint eviction_turn(Core* core) noexcept nogil
# The limit or the policy has changed: candidates were chosen by another measure, and there may be work to do.
cdef void eviction_changed(Core* core) noexcept nogil
# Writes a line to the log when used memory passes the share of the limit that is set (memory_warning_percent).
cdef void eviction_warn(Core* core) noexcept nogil
# How long memory has been over the limit: now, and in all, in milliseconds.
cdef int64_t eviction_exceeded_ms(const Core* core) noexcept nogil
cdef int64_t eviction_exceeded_total_ms(const Core* core) noexcept nogil


cdef inline Eviction* eviction_of(const Core* core) noexcept nogil:
    return <Eviction*> core.eviction


# Used memory as the limit counts it.
cdef inline size_t memory_counted(const Core* core) noexcept nogil:
    cdef size_t uncounted = eviction_of(core).uncounted
    return core.heap.used - uncounted if core.heap.used > uncounted else 0


cdef inline bint memory_is_exceeded(const Core* core) noexcept nogil:
    return core.settings.max_memory > 0 and memory_counted(core) > <size_t> core.settings.max_memory


# Whether evict_keys has anything to do, be it to note that memory is under the limit again.
cdef inline bint eviction_is_due(const Core* core) noexcept nogil:
    return memory_is_exceeded(core) or eviction_of(core).exceeded_since_ns != 0
