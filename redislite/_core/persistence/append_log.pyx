"""The append-only file as the data plane writes it; the contract is in append_log.pxd."""
from libc cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove
from posix.unistd cimport close as close_descriptor
from redislite._core.keyspace.latency cimport latency_begin, latency_end
from redislite._core.keyspace.feed cimport feed_attach, feed_detach, feed_read, feed_unread, feed_waiting
from redislite._core.keyspace.propagate cimport propagate_unit
from redislite._core.persistence.file_worker cimport (
    FILE_CLOSE, FILE_SYNC_DATA, file_sync_data, file_worker_ask, file_worker_free, file_worker_new, file_worker_note,
    file_worker_synced, file_worker_syncing, file_worker_wait,
)
from redislite._core.state.core cimport Core
from redislite._core.state.flags cimport LOG_NOTICE, LOG_WARNING, PROPAGATE_AOF

cdef extern from *:
    """
    #include <string.h>
    #include <sys/uio.h>
    #include <unistd.h>
    """
    struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t writev(int fd, const iovec* vector, int count) noexcept nogil
    int ftruncate(int fd, int64_t length) noexcept nogil
    int usleep(unsigned int microseconds) noexcept nogil
    const char* strerror(int error) noexcept nogil

cdef enum:
    POSTPONED_MAX_MS = 2000         # how long a write waits for a sync that is under way
    SYNC_MS = 1000                  # between syncs
    ERROR_LOG_MS = 30000            # between logged errors
    WAITING_KEPT = 1 << 20          # bytes of a buffer that is kept
    STAMP_MAX = 32


cdef void log_error(Core* core, AppendLog* log, const char* text) noexcept nogil:
    """Logs it, unless another one was logged a short while ago."""
    if log.logged_ms and core.now_ms - log.logged_ms < ERROR_LOG_MS:
        return
    log.logged_ms = core.now_ms
    core.upcalls.log_line(core, LOG_WARNING, text)


cdef void set_error(Core* core, AppendLog* log, int error, bint is_sync) noexcept nogil:
    log.changed |= log.error != error
    log.error = error
    log.sync_failed = is_sync


cdef void clear_error(Core* core, AppendLog* log) noexcept nogil:
    if log.error == 0 or log.incomplete:
        return
    core.upcalls.log_line(core, LOG_WARNING,
                          "AOF fsync error looks solved, the server can write again." if log.sync_failed
                          else "AOF write error looks solved. The server can write again.")
    log.error = 0
    log.sync_failed = 0
    log.logged_ms = 0
    log.changed = 1


cdef char* waiting_room(AppendLog* log, size_t need) noexcept nogil:
    cdef size_t capacity = log.waiting_capacity if log.waiting_capacity else 4096
    cdef char* grown
    if log.waiting_capacity - log.waiting_length < need:
        while capacity - log.waiting_length < need:
            capacity *= 2
        grown = <char*> realloc(log.waiting, capacity)
        if grown == NULL:
            return NULL
        log.waiting = grown
        log.waiting_capacity = capacity
    return log.waiting + log.waiting_length


cdef bint keep(Core* core, AppendLog* log) noexcept nogil:
    """Reads what the feed holds and puts it to what waits; an annotation comes before where it is due. 0 where memory
    is out."""
    cdef int64_t second = core.now_ms // 1000
    cdef size_t count
    cdef const char* unread = feed_unread(core, &log.reader, &count)
    cdef char* room
    if count == 0:
        return 1
    room = waiting_room(log, count + STAMP_MAX)
    if room == NULL:
        return 0
    if log.timestamps and second != log.stamped:
        log.stamped = second
        log.waiting_length += snprintf(room, STAMP_MAX, "#TS:%lld\r\n", <long long> second)
    memcpy(log.waiting + log.waiting_length, unread, count)
    log.waiting_length += count
    feed_read(core, &log.reader, count)
    return 1


cdef void forget_written(Core* core, AppendLog* log, size_t count) noexcept nogil:
    """So many bytes are in the file, of what waited and then of the feed."""
    cdef size_t of_feed = count - min(count, log.waiting_length)
    if of_feed:
        feed_read(core, &log.reader, of_feed)
    count -= of_feed
    log.waiting_length -= count
    if log.waiting_length:
        memmove(log.waiting, log.waiting + count, log.waiting_length)
    if log.waiting_length == 0 and log.waiting_capacity > WAITING_KEPT:
        free(log.waiting)
        log.waiting = NULL
        log.waiting_capacity = 0


cdef int write_all(Core* core, AppendLog* log) noexcept nogil:
    """Writes what waits and what the feed holds. 0, or -1 where that failed: then all of it waits."""
    cdef size_t of_feed
    cdef const char* unread = feed_unread(core, &log.reader, &of_feed)
    cdef size_t total = log.waiting_length + of_feed
    cdef size_t written = 0
    cdef iovec vector[2]
    cdef ssize_t count
    cdef int used, error
    cdef char text[256]
    while written < total:
        used = 0
        if written < log.waiting_length:
            vector[0].iov_base = log.waiting + written
            vector[0].iov_len = log.waiting_length - written
            vector[1].iov_base = <void*> unread
            vector[1].iov_len = of_feed
            used = 2 if of_feed else 1
        else:
            vector[0].iov_base = <void*> (unread + (written - log.waiting_length))
            vector[0].iov_len = total - written
            used = 1
        count = writev(log.fd, vector, used)
        if count > 0:
            written += count
            continue
        if count < 0 and errno.errno == errno.EINTR:
            continue
        error = errno.errno if count < 0 else errno.ENOSPC
        if written:
            snprintf(text, sizeof(text), "Short write while writing to the AOF file: %s (nwritten=%lld, expected=%lld)",
                     strerror(error), <long long> written, <long long> total)
        else:
            snprintf(text, sizeof(text), "Error writing to the AOF file: %s", strerror(error))
        log_error(core, log, text)
        set_error(core, log, error, 0)
        if written and ftruncate(log.fd, log.size) == 0:
            written = 0
        elif written:
            snprintf(text, sizeof(text),
                     "Could not remove short write from the append-only file. The file may hold a part "
                     "of a command until the rest can be written. ftruncate: %s", strerror(errno.errno))
            core.upcalls.log_line(core, LOG_WARNING, text)
        # Where memory is out, what the feed holds stays there.
        keep(core, log)
        log.size += written
        log.offset += written
        forget_written(core, log, written)
        return -1
    log.size += total
    log.offset += total
    forget_written(core, log, total)
    if log.error and not log.sync_failed:
        clear_error(core, log)
    return 0


cdef int sync_now(Core* core, AppendLog* log) noexcept nogil:
    """0, or -1 where the policy is that nothing may be lost and the disk does not take it."""
    cdef char text[256]
    cdef uint64_t begun = latency_begin(core)
    cdef int error = file_sync_data(log.fd)
    latency_end(core, "aof-fsync-always", begun)
    if error:
        snprintf(text, sizeof(text), "Can't persist AOF for fsync error when the AOF fsync policy is 'always': %s. "
                 "Exiting...", strerror(error))
        core.upcalls.log_line(core, LOG_WARNING, text)
        return -1
    log.synced_ms = core.now_ms
    log.synced_offset = log.offset
    file_worker_note(log.syncer, log.offset)
    return 0


cdef void look_at_sync(Core* core, AppendLog* log) noexcept nogil:
    """Takes notice of how the last sync on the thread went."""
    cdef int error = 0
    cdef char text[256]
    file_worker_synced(log.syncer, &error)
    if error:
        if not log.error:
            snprintf(text, sizeof(text), "Fail to fsync the AOF file: %s", strerror(error))
            log_error(core, log, text)
            set_error(core, log, error, 1)
    elif log.sync_failed:
        clear_error(core, log)


cdef int sync_as_due(Core* core, AppendLog* log) noexcept nogil:
    if log.paused:
        return 0
    if log.policy == FSYNC_ALWAYS:
        return sync_now(core, log) if log.offset != log.synced_offset else 0
    if log.policy != FSYNC_EVERY_SECOND or file_worker_syncing(log.syncer):
        return 0
    if log.synced_ms and log.asked:
        look_at_sync(core, log)
    if (log.offset != log.synced_offset or log.sync_failed) and core.now_ms - log.synced_ms >= SYNC_MS:
        if file_worker_ask(log.syncer, log.fd, FILE_SYNC_DATA, log.offset) == 0:
            log.synced_ms = core.now_ms
            log.synced_offset = log.offset
            log.asked = 1
    return 0


cdef void note_lost(Core* core, AppendLog* log) noexcept nogil:
    """Memory was out while a unit was taken down: what follows it is no use without it until the file is rewritten."""
    log.reader.lacks_units = 0
    log.incomplete = 1
    log_error(core, log, "Out of memory: commands are missing in the append only file, which has to be rewritten")
    set_error(core, log, errno.ENOMEM, 0)


cdef int write_measured(Core* core, AppendLog* log) noexcept nogil:
    """The same, telling the latency monitor how long it took: as such, and by what else the disk had to do."""
    cdef uint64_t begun = latency_begin(core)
    cdef const char* beside = "aof-write-alone"
    cdef int failed
    if log.child_runs:
        beside = "aof-write-active-child"
    if file_worker_syncing(log.syncer):
        beside = "aof-write-pending-fsync"
    if log.sleep_us:
        usleep(<unsigned int> log.sleep_us)
    failed = write_all(core, log)
    latency_end(core, beside, begun)
    latency_end(core, "aof-write", begun)
    return failed


cdef int append_log_flush(Core* core, bint force) noexcept nogil:
    cdef AppendLog* log = append_log(core)
    if core.executing != NULL and core.feed.unit_commands:
        # Amid a transaction, which switches the log off: what there is of it so far must be complete in itself.
        propagate_unit(core)
    if log.reader.lacks_units:
        note_lost(core, log)
        if log.policy == FSYNC_ALWAYS:
            return -1
    if feed_waiting(core, &log.reader) == 0 and log.waiting_length == 0:
        return sync_as_due(core, log)
    if log.policy == FSYNC_EVERY_SECOND and not force and file_worker_syncing(log.syncer):
        # The system would let this write wait until the sync is done.
        if log.postponed_ms == 0:
            log.postponed_ms = core.now_ms
        if core.now_ms - log.postponed_ms < POSTPONED_MAX_MS and keep(core, log):
            return 0
        log.delayed += 1
        core.upcalls.log_line(core, LOG_NOTICE,
                              "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer "
                              "without waiting for fsync to complete, this may slow down Redis.")
    log.postponed_ms = 0
    if log.timestamps and not keep(core, log):
        log.stamped = 0
    if write_measured(core, log) != 0:
        if log.policy == FSYNC_ALWAYS:
            core.upcalls.log_line(core, LOG_WARNING,
                                  "Can't recover from AOF write error when the AOF fsync policy is 'always'. "
                                  "Exiting...")
            return -1
        return 0
    return sync_as_due(core, log)


cdef void append_log_release(Core* core) noexcept nogil:
    cdef AppendLog* log = append_log(core)
    if log == NULL:
        return
    feed_detach(core, &log.reader)
    file_worker_free(log.syncer)
    if log.fd >= 0:
        close_descriptor(log.fd)
    free(log.waiting)
    free(log)
    core.persistence = NULL


cdef object append_only_log(Core* core, object engine):
    cdef AppendOnlyLog log = AppendOnlyLog()
    log.core = core
    log.engine = engine
    return log


cdef int64_t append_log_synced(Core* core) noexcept nogil:
    cdef int error
    return file_worker_synced(append_log(core).syncer, &error) if append_log(core) != NULL else 0


cdef int64_t append_log_total(const Core* core) noexcept nogil:
    cdef AppendLog* log = append_log(core)
    if log == NULL:
        return 0
    if not log.reader.is_attached:
        return log.offset + <int64_t> log.waiting_length
    # Of the unit that runs, too.
    return log.offset + <int64_t> log.waiting_length + core.feed.offset + <int64_t> core.feed.length - log.reader.offset


cdef class AppendOnlyLog:
    """The open append-only file of an engine, for the control plane: which file it is, and how often it is synced."""

    cdef AppendLog* _log(self) except NULL:
        cdef AppendLog* log
        if self.core == NULL:
            raise RuntimeError("the log is one of an engine: Engine.append_log")
        log = append_log(self.core)
        if log == NULL:
            log = <AppendLog*> calloc(1, sizeof(AppendLog))
            if log == NULL:
                raise MemoryError
            log.fd = -1
            log.policy = FSYNC_EVERY_SECOND
            log.syncer = file_worker_new()
            if log.syncer == NULL:
                free(log)
                raise OSError(errno.EAGAIN, "the thread that syncs the append only file cannot be started")
            self.core.persistence = log
        return log

    def open(self, int fd, int64_t size) -> None:
        """Has everything from here on written to the end of this file, which has so many bytes and is the log's. The
        file before is synced and closed, which nobody waits for. Flush what was meant for that before."""
        cdef AppendLog* log = self._log()
        if fd < 0 or size < 0:
            raise ValueError(f"no file: descriptor {fd}, {size} bytes")
        self._let_go(log)
        log.fd = fd
        log.size = size
        log.stamped = 0
        log.postponed_ms = 0
        self.core.propagation |= PROPAGATE_AOF
        if self.core.executing != NULL:
            # What a transaction has done before it switches the log on is none of the log's.
            propagate_unit(self.core)
        feed_attach(self.core, &log.reader)
        # The file starts with database 0 selected, whatever was selected at the end of the one before.
        self.core.feed.database = -1

    def close(self) -> None:
        """Ends the logging; the file is synced and closed, which nobody waits for. What waits is dropped: flush
        before."""
        cdef AppendLog* log = self._log()
        self._let_go(log)
        log.size = 0
        log.waiting_length = 0
        log.incomplete = 0
        if log.error:
            log.error = 0
            log.sync_failed = 0
            log.changed = 1
        self.core.propagation &= ~PROPAGATE_AOF
        feed_detach(self.core, &log.reader)
        log.reader.lacks_units = 0

    cdef void _let_go(self, AppendLog* log) noexcept:
        cdef int fd = log.fd
        log.fd = -1
        if fd >= 0 and file_worker_ask(log.syncer, fd, FILE_SYNC_DATA | FILE_CLOSE, log.offset) != 0:
            # So much is waiting already that nothing is lost by waiting here as well.
            with nogil:
                file_worker_wait(log.syncer)
                file_sync_data(fd)
                close_descriptor(fd)

    def flush(self) -> bool:
        """Writes what there is, waiting for nothing; false where bytes are left that could not be written."""
        cdef AppendLog* log = self._log()
        if log.fd < 0:
            return True
        append_log_flush(self.core, 1)
        return log.waiting_length == 0 and feed_waiting(self.core, &log.reader) == 0

    def sync(self) -> None:
        """Has the disk take what was written, and waits for it. OSError."""
        cdef AppendLog* log = self._log()
        cdef int error
        if log.fd < 0:
            return
        with nogil:
            file_worker_wait(log.syncer)
            error = file_sync_data(log.fd)
        if error:
            raise OSError(error, strerror(error).decode())
        log.synced_offset = log.offset
        file_worker_note(log.syncer, log.offset)

    def mend(self) -> None:
        """The data set was written anew: what was missing is so no more."""
        cdef AppendLog* log = self._log()
        if log.incomplete:
            log.incomplete = 0
            clear_error(self.core, log)

    @property
    def is_open(self) -> bool:
        return self._log().fd >= 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._log().size

    @property
    def waiting(self) -> int:
        """Bytes that are to be written still."""
        return self._log().waiting_length + feed_waiting(self.core, &self._log().reader)

    @property
    def offset(self) -> int:
        """Bytes written ever, to this file and those before."""
        return self._log().offset

    @property
    def synced_offset(self) -> int:
        """How many of these are known to be on the disk."""
        cdef int error
        return file_worker_synced(self._log().syncer, &error)

    @property
    def syncing(self) -> bool:
        """A sync is under way."""
        return file_worker_syncing(self._log().syncer) != 0

    @property
    def delayed(self) -> int:
        """Writes that waited for a sync for too long, and then did not."""
        return self._log().delayed

    @delayed.setter
    def delayed(self, int64_t value) -> None:
        self._log().delayed = value

    @property
    def error(self) -> int:
        """errno of the last write or sync that failed; 0 where the last one went well."""
        return self._log().error

    @property
    def incomplete(self) -> bool:
        """Commands are missing in the file: it has to be rewritten."""
        return self._log().incomplete

    @property
    def policy(self) -> str:
        """appendfsync: "always", "everysec" or "no"."""
        return ("no", "everysec", "always")[self._log().policy]

    @policy.setter
    def policy(self, str value) -> None:
        self._log().policy = ("no", "everysec", "always").index(value)

    @property
    def paused(self) -> bool:
        """Nothing is synced for now."""
        return self._log().paused

    @paused.setter
    def paused(self, bint value) -> None:
        self._log().paused = value

    @property
    def child_runs(self) -> bool:
        """Whether a child writes to the disk as well."""
        return self._log().child_runs

    @child_runs.setter
    def child_runs(self, bint value) -> None:
        self._log().child_runs = value

    @property
    def timestamps(self) -> bool:
        """Whether annotations tell the time of what follows."""
        return self._log().timestamps

    @timestamps.setter
    def timestamps(self, bint value) -> None:
        self._log().timestamps = value

    @property
    def flush_sleep_us(self) -> int:
        """A pause before each write, for tests; microseconds."""
        return self._log().sleep_us

    @flush_sleep_us.setter
    def flush_sleep_us(self, int64_t value) -> None:
        self._log().sleep_us = value
