"""The append-only file as the data plane writes it; the contract is in append_log.pxd."""
from libc cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove
from posix.unistd cimport close as close_descriptor
from redislite._core.latency cimport latency_begin, latency_end
from redislite._core.propagate cimport propagate_taken, propagate_unit
from redislite._core.state cimport PROPAGATE_AOF, Core, Feed
from redislite._core.threads cimport THREADS_TRACE_SIGNAL

# The thread that syncs, and what it and the log's owner share. In C: it never knows of the interpreter.
cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <stdlib.h>
    #include <signal.h>
    #include <string.h>
    #include <sys/uio.h>
    #include <unistd.h>

    #if defined(__APPLE__)
    #include <fcntl.h>
    #define append_fsync(fd) fcntl(fd, F_FULLFSYNC)
    #elif defined(__linux__)
    #define append_fsync(fd) fdatasync(fd)
    #else
    #define append_fsync(fd) fsync(fd)
    #endif

    typedef struct {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        int started;
        int quit;
        int fd;             /* to be synced, -1: nothing to do */
        int busy;           /* a sync was asked for and is not done */
        int error;          /* errno of the last sync, 0 where it went well */
        long long offset;   /* of what the sync that is asked for covers */
        long long synced;   /* of what is known to be on the disk */
    } AppendSyncer;

    static void *append_syncer_run(void *argument) {
        AppendSyncer *syncer = argument;
        int fd, error;
        long long offset;
        pthread_mutex_lock(&syncer->lock);
        for (;;) {
            while (syncer->fd < 0 && !syncer->quit)
                pthread_cond_wait(&syncer->changed, &syncer->lock);
            if (syncer->fd < 0)
                break;
            fd = syncer->fd;
            offset = syncer->offset;
            pthread_mutex_unlock(&syncer->lock);
            do {
                error = append_fsync(fd) == 0 ? 0 : errno;
            } while (error == EINTR);
            /* What cannot be synced at all, such as a pipe, counts as synced. */
            if (error == EINVAL || error == EBADF)
                error = 0;
            pthread_mutex_lock(&syncer->lock);
            syncer->fd = -1;
            syncer->error = error;
            if (error == 0 && offset > syncer->synced)
                syncer->synced = offset;
            __atomic_store_n(&syncer->busy, 0, __ATOMIC_RELEASE);
            pthread_cond_broadcast(&syncer->changed);
        }
        pthread_mutex_unlock(&syncer->lock);
        return NULL;
    }

    static AppendSyncer *append_syncer_new(void) {
        AppendSyncer *syncer = calloc(1, sizeof(AppendSyncer));
        if (syncer != NULL) {
            pthread_mutex_init(&syncer->lock, NULL);
            pthread_cond_init(&syncer->changed, NULL);
            syncer->fd = -1;
        }
        return syncer;
    }

    /* Asks for a sync of fd, which covers offset. Only where none is under way. 0, or -1 where there is no thread. */
    static int append_syncer_ask(AppendSyncer *syncer, int fd, long long offset) {
        sigset_t before;
        int failed = 0;
        if (!syncer->started) {
            threads_mask_signals(&before);
            failed = pthread_create(&syncer->thread, NULL, append_syncer_run, syncer);
            pthread_sigmask(SIG_SETMASK, &before, NULL);
            if (failed)
                return -1;
            syncer->started = 1;
        }
        pthread_mutex_lock(&syncer->lock);
        syncer->fd = fd;
        syncer->offset = offset;
        __atomic_store_n(&syncer->busy, 1, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&syncer->changed);
        pthread_mutex_unlock(&syncer->lock);
        return 0;
    }

    static int append_syncer_busy(AppendSyncer *syncer) {
        return __atomic_load_n(&syncer->busy, __ATOMIC_ACQUIRE);
    }

    /* Waits until no sync is under way. */
    static void append_syncer_wait(AppendSyncer *syncer) {
        pthread_mutex_lock(&syncer->lock);
        while (syncer->busy)
            pthread_cond_wait(&syncer->changed, &syncer->lock);
        pthread_mutex_unlock(&syncer->lock);
    }

    static long long append_syncer_synced(AppendSyncer *syncer, int *error) {
        long long synced;
        pthread_mutex_lock(&syncer->lock);
        synced = syncer->synced;
        *error = syncer->error;
        pthread_mutex_unlock(&syncer->lock);
        return synced;
    }

    static void append_syncer_note(AppendSyncer *syncer, long long offset) {
        pthread_mutex_lock(&syncer->lock);
        syncer->synced = offset;
        syncer->error = 0;
        pthread_mutex_unlock(&syncer->lock);
    }

    static void append_syncer_free(AppendSyncer *syncer) {
        if (syncer->started) {
            pthread_mutex_lock(&syncer->lock);
            syncer->quit = 1;
            pthread_cond_broadcast(&syncer->changed);
            pthread_mutex_unlock(&syncer->lock);
            pthread_join(syncer->thread, NULL);
        }
        pthread_mutex_destroy(&syncer->lock);
        pthread_cond_destroy(&syncer->changed);
        free(syncer);
    }
    """
    ctypedef struct AppendSyncer:
        pass
    AppendSyncer* append_syncer_new() noexcept nogil
    int append_syncer_ask(AppendSyncer* syncer, int fd, long long offset) noexcept nogil
    int append_syncer_busy(AppendSyncer* syncer) noexcept nogil
    void append_syncer_wait(AppendSyncer* syncer) noexcept nogil
    long long append_syncer_synced(AppendSyncer* syncer, int* error) noexcept nogil
    void append_syncer_note(AppendSyncer* syncer, long long offset) noexcept nogil
    void append_syncer_free(AppendSyncer* syncer) noexcept nogil
    int append_fsync(int fd) noexcept nogil
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


cdef inline AppendSyncer* syncer_of(AppendLog* log) noexcept nogil:
    return <AppendSyncer*> log.syncer


cdef void log_error(Core* core, AppendLog* log, const char* text) noexcept nogil:
    """Logs it, unless another one was logged a short while ago."""
    if log.logged_ms and core.now_ms - log.logged_ms < ERROR_LOG_MS:
        return
    log.logged_ms = core.now_ms
    core.upcalls.log_line(core, 3, text)


cdef void set_error(Core* core, AppendLog* log, int error, bint is_sync) noexcept nogil:
    log.changed |= log.error != error
    log.error = error
    log.sync_failed = is_sync


cdef void clear_error(Core* core, AppendLog* log) noexcept nogil:
    if log.error == 0 or log.incomplete:
        return
    core.upcalls.log_line(core, 3, "AOF fsync error looks solved, the server can write again." if log.sync_failed
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
    """Puts what the feed holds to what waits, so that the feed may be taken; an annotation comes before where it is due.
    0 where memory is out."""
    cdef Feed* feed = &core.feed
    cdef int64_t second = core.now_ms // 1000
    cdef char* room
    if feed.length == 0:
        return 1
    room = waiting_room(log, feed.length + STAMP_MAX)
    if room == NULL:
        return 0
    if log.timestamps and second != log.stamped:
        log.stamped = second
        log.waiting_length += snprintf(room, STAMP_MAX, "#TS:%lld\r\n", <long long> second)
    memcpy(log.waiting + log.waiting_length, feed.data, feed.length)
    log.waiting_length += feed.length
    propagate_taken(core, 0)
    return 1


cdef void forget_written(AppendLog* log, size_t count) noexcept nogil:
    log.waiting_length -= count
    if log.waiting_length:
        memmove(log.waiting, log.waiting + count, log.waiting_length)
    if log.waiting_length == 0 and log.waiting_capacity > WAITING_KEPT:
        free(log.waiting)
        log.waiting = NULL
        log.waiting_capacity = 0


cdef int write_all(Core* core, AppendLog* log) noexcept nogil:
    """Writes what waits and what the feed holds. 0, or -1 where that failed: then all of it waits."""
    cdef Feed* feed = &core.feed
    cdef size_t total = log.waiting_length + feed.length
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
            vector[1].iov_base = feed.data
            vector[1].iov_len = feed.length
            used = 2 if feed.length else 1
        else:
            vector[0].iov_base = feed.data + (written - log.waiting_length)
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
            snprintf(text, sizeof(text), "Could not remove short write from the append-only file. The file may hold a part "
                     "of a command until the rest can be written. ftruncate: %s", strerror(errno.errno))
            core.upcalls.log_line(core, 3, text)
        if not keep(core, log):
            log.incomplete = 1
        log.size += written
        log.offset += written
        forget_written(log, written)
        return -1
    log.size += total
    log.offset += total
    forget_written(log, log.waiting_length)
    propagate_taken(core, 0)
    if log.error and not log.sync_failed:
        clear_error(core, log)
    return 0


cdef int sync_now(Core* core, AppendLog* log) noexcept nogil:
    """0, or -1 where the policy is that nothing may be lost and the disk does not take it."""
    cdef char text[256]
    cdef uint64_t begun = latency_begin(core)
    cdef bint failed = append_fsync(log.fd) != 0
    cdef int error = errno.errno if failed else 0
    latency_end(core, "aof-fsync-always", begun)
    if failed and error != errno.EINVAL:
        snprintf(text, sizeof(text), "Can't persist AOF for fsync error when the AOF fsync policy is 'always': %s. "
                 "Exiting...", strerror(error))
        core.upcalls.log_line(core, 3, text)
        return -1
    log.synced_ms = core.now_ms
    log.synced_offset = log.offset
    append_syncer_note(syncer_of(log), log.offset)
    return 0


cdef void look_at_sync(Core* core, AppendLog* log) noexcept nogil:
    """Takes notice of how the last sync on the thread went."""
    cdef int error = 0
    cdef char text[256]
    append_syncer_synced(syncer_of(log), &error)
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
    if log.policy != FSYNC_EVERY_SECOND or append_syncer_busy(syncer_of(log)):
        return 0
    if log.synced_ms and log.asked:
        look_at_sync(core, log)
    if (log.offset != log.synced_offset or log.sync_failed) and core.now_ms - log.synced_ms >= SYNC_MS:
        if append_syncer_ask(syncer_of(log), log.fd, log.offset) == 0:
            log.synced_ms = core.now_ms
            log.synced_offset = log.offset
            log.asked = 1
        else:
            log_error(core, log, "Cannot start the thread that syncs the append only file")
    return 0


cdef void note_lost(Core* core, AppendLog* log) noexcept nogil:
    """Memory was out while a unit was taken down: what follows it is no use without it until the file is rewritten."""
    core.feed.has_lost = 0
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
    if append_syncer_busy(syncer_of(log)):
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
    if core.feed.has_lost:
        note_lost(core, log)
        if log.policy == FSYNC_ALWAYS:
            return -1
    if core.feed.length == 0 and log.waiting_length == 0:
        return sync_as_due(core, log)
    if log.policy == FSYNC_EVERY_SECOND and not force and append_syncer_busy(syncer_of(log)):
        # The system would let this write wait until the sync is done.
        if log.postponed_ms == 0:
            log.postponed_ms = core.now_ms
        if core.now_ms - log.postponed_ms < POSTPONED_MAX_MS and keep(core, log):
            return 0
        log.delayed += 1
        core.upcalls.log_line(core, 2, "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer "
                              "without waiting for fsync to complete, this may slow down Redis.")
    log.postponed_ms = 0
    if log.timestamps and not keep(core, log):
        log.stamped = 0
    if write_measured(core, log) != 0:
        if log.policy == FSYNC_ALWAYS:
            core.upcalls.log_line(core, 3, "Can't recover from AOF write error when the AOF fsync policy is 'always'. "
                                  "Exiting...")
            return -1
        return 0
    return sync_as_due(core, log)


cdef void append_log_release(Core* core) noexcept nogil:
    cdef AppendLog* log = append_log(core)
    if log == NULL:
        return
    append_syncer_free(syncer_of(log))
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


cdef class AppendOnlyLog:
    """The open append-only file of an engine, for the control plane: which file it is, and how often it is synced."""

    cdef AppendLog* _log(self) except NULL:
        cdef AppendLog* log = append_log(self.core)
        if log == NULL:
            log = <AppendLog*> calloc(1, sizeof(AppendLog))
            if log == NULL:
                raise MemoryError
            log.fd = -1
            log.policy = FSYNC_EVERY_SECOND
            log.syncer = append_syncer_new()
            if log.syncer == NULL:
                free(log)
                raise MemoryError
            self.core.persistence = log
        return log

    def open(self, int fd, int64_t size) -> int:
        """Has everything from here on written to the end of this file, which has so many bytes and is the log's. Answers the
        descriptor of the file before, which is the caller's, or -1. Flush what was meant for that before."""
        cdef AppendLog* log = self._log()
        cdef int before = log.fd
        append_syncer_wait(syncer_of(log))
        log.fd = fd
        log.size = size
        log.stamped = 0
        log.postponed_ms = 0
        self.core.propagation |= PROPAGATE_AOF
        # The file starts with database 0 selected, whatever was selected at the end of the one before.
        self.core.feed.database = -1
        return before

    def close(self) -> int:
        """Ends the logging; answers the descriptor, which is the caller's. What waits is dropped: flush before."""
        cdef AppendLog* log = self._log()
        cdef int before = log.fd
        append_syncer_wait(syncer_of(log))
        log.fd = -1
        log.size = 0
        log.waiting_length = 0
        log.incomplete = 0
        if log.error:
            log.error = 0
            log.sync_failed = 0
            log.changed = 1
        self.core.propagation &= ~PROPAGATE_AOF
        if self.core.propagation == 0:
            propagate_taken(self.core, 1)
        return before

    def flush(self) -> bool:
        """Writes what there is, waiting for nothing; false where bytes are left that could not be written."""
        cdef AppendLog* log = self._log()
        if log.fd < 0:
            return True
        append_log_flush(self.core, 1)
        return log.waiting_length == 0 and self.core.feed.length == 0

    def sync(self) -> None:
        """Has the disk take what was written, and waits for it. OSError."""
        cdef AppendLog* log = self._log()
        cdef int result = 0
        if log.fd < 0:
            return
        with nogil:
            append_syncer_wait(syncer_of(log))
            result = append_fsync(log.fd)
        if result != 0 and errno.errno != errno.EINVAL:
            raise OSError(errno.errno, strerror(errno.errno).decode())
        log.synced_offset = log.offset
        append_syncer_note(syncer_of(log), log.offset)

    def mend(self) -> None:
        """The data set was written anew: what was missing is so no more."""
        cdef AppendLog* log = self._log()
        if log.incomplete:
            log.incomplete = 0
            clear_error(self.core, log)

    @property
    def is_open(self) -> bool:
        return append_log_is_open(self.core)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._log().size

    @property
    def waiting(self) -> int:
        """Bytes that are to be written still."""
        return self._log().waiting_length + (self.core.feed.length if append_log_is_open(self.core) else 0)

    @property
    def offset(self) -> int:
        """Bytes written ever, to this file and those before."""
        return self._log().offset

    @property
    def synced_offset(self) -> int:
        """How many of these are known to be on the disk."""
        cdef int error
        return append_syncer_synced(syncer_of(self._log()), &error)

    @property
    def syncing(self) -> bool:
        """A sync is under way."""
        return append_syncer_busy(syncer_of(self._log())) != 0

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
