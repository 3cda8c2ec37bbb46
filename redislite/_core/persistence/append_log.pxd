"""The append-only file as the data plane writes it: what was propagated goes out once per turn, before replies do.

    Core.feed, which it reads ──append_log_flush──▶ write ──▶ fsync: here (always), or on a thread of the log (everysec)

Core.persistence is the engine's AppendLog. A write that fails keeps its bytes for the next try, and everything behind
them in order; a piece that was written is taken back, so that the file always ends with a whole request. Replies of a
turn wait for its flush (Connection.ready, Engine.before_sleep).
"""
from libc.stdint cimport int64_t
from redislite._core.state.core cimport Core, FeedReader

cdef enum:
    FSYNC_NO = 0
    FSYNC_EVERY_SECOND = 1
    FSYNC_ALWAYS = 2

cdef struct AppendLog:
    int fd                      # -1: not open
    int policy                  # FSYNC_*
    bint paused                 # no fsync: a child writes, and no-appendfsync-on-rewrite is on
    bint child_runs             # a child writes to the disk as well
    bint timestamps             # annotations of the time are written
    int64_t size                # bytes of the file
    int64_t offset              # bytes ever written, to all files; what was synced is counted in the same way
    int64_t stamped             # second of the last annotation
    FeedReader reader           # attached while the file is open
    char* waiting               # bytes that come before those of the feed: what could not be written yet
    size_t waiting_length
    size_t waiting_capacity
    int64_t postponed_ms        # since when a write waits for a sync; 0: none does
    int64_t synced_ms           # when the last sync was asked for
    int64_t synced_offset       # offset that it covers
    bint asked                  # the thread was asked at least once
    int64_t logged_ms           # when an error was last logged
    int64_t delayed             # writes that would not wait for a sync any longer
    int error                   # errno of the last write, or sync; 0: it went well
    bint sync_failed            # error is a sync's
    bint changed                # error has changed since the engine last told
    int64_t sleep_us            # before each write (DEBUG AOF-FLUSH-SLEEP)
    bint incomplete             # memory was out: the file lacks something, until it is rewritten
    void* syncer                # the thread that syncs (file_worker.pxd)


# Writes what was propagated and syncs as the policy says. force: even where a sync is under way. 0; -1 where the policy
# is FSYNC_ALWAYS and the bytes are not on the disk: no reply may leave then.
cdef int append_log_flush(Core* core, bint force) noexcept nogil
cdef void append_log_release(Core* core) noexcept nogil


# The engine's log, or NULL where nothing was ever logged.
cdef inline AppendLog* append_log(const Core* core) noexcept nogil:
    return <AppendLog*> core.persistence


# Whether commands go to a file.
cdef inline bint append_log_is_open(const Core* core) noexcept nogil:
    return core.persistence != NULL and append_log(core).fd >= 0


# Bytes ever, of what is on the disk for certain, and with what is to be written still.
cdef int64_t append_log_synced(Core* core) noexcept nogil
cdef int64_t append_log_total(const Core* core) noexcept nogil


cdef class AppendOnlyLog:
    cdef Core* core
    cdef object engine          # keeps the core alive

    cdef AppendLog* _log(self) except NULL
    cdef void _let_go(self, AppendLog* log) noexcept


cdef object append_only_log(Core* core, object engine)
