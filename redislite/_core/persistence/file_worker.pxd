"""A thread that syncs and closes files, so that the one which executes commands need not wait for the disk.

    file_worker_ask ──▶ queue, in order ──▶ fdatasync, fsync, close ──▶ file_worker_synced, file_worker_error

In C: it never knows of the interpreter, and cannot run out of its memory. It exists from the start, as one that is
started when it is needed may not start just then. In the contract a worker is a pointer to something that only
file_worker.pyx knows. Descriptors that are to be closed are the worker's from the asking on.
"""

cdef enum:
    FILE_SYNC_DATA = 1              # the content, and of what the system knows about the file only its size
    FILE_SYNC = 2                   # all of it; also for folders
    FILE_CLOSE = 4                  # afterwards

# NULL: memory, or a thread, was not to be had.
cdef void* file_worker_new() noexcept nogil
# Waits for everything that was asked, and for the thread's end.
cdef void file_worker_free(void* worker) noexcept nogil
# what: bits of FILE_*. offset: what the sync covers, for file_worker_synced. 0, or -1 where the queue is full: then
# nothing is done.
cdef int file_worker_ask(void* worker, int fd, int what, long long offset) noexcept nogil
# Syncs that were asked for, of files that stay open, and are not done.
cdef int file_worker_syncing(const void* worker) noexcept nogil
# Waits until all that was asked is done.
cdef void file_worker_wait(void* worker) noexcept nogil
# The largest offset that is on the disk; error: errno of the last sync, 0 where it went well.
cdef long long file_worker_synced(void* worker, int* error) noexcept nogil
# Somebody else has synced what this offset covers.
cdef void file_worker_note(void* worker, long long offset) noexcept nogil
# errno of a job that failed since this was last asked, or 0.
cdef int file_worker_error(void* worker) noexcept nogil
# Syncs the content of a file here and now, as FILE_SYNC_DATA does: 0, or errno.
cdef int file_sync_data(int fd) noexcept nogil


cdef class FileWorker:
    cdef void* state

    cdef int _hand_over(self, int fd, int what) except -1
