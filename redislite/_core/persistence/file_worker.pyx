"""A thread that syncs and closes files; the contract is in file_worker.pxd."""
import os

from libc.errno cimport EAGAIN
from redislite._core.base.threads cimport THREADS_TRACE_SIGNAL

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdlib.h>
    #include <unistd.h>

    #define FILE_WORKER_JOBS 64
    /* As in file_worker.pxd. */
    #define FILE_SYNC_DATA_BIT 1
    #define FILE_SYNC_BIT 2
    #define FILE_CLOSE_BIT 4

    typedef struct {
        int fd;
        int what;
        long long offset;
    } FileWorkerJob;

    typedef struct {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        int quit;
        int first, count;   /* jobs that are not done: the first of them is at work */
        int syncing;        /* those among them that sync a file which stays open */
        int error;          /* errno of the last sync, 0 where it went well */
        int untold;         /* errno that nobody has asked for yet */
        long long synced;
        FileWorkerJob jobs[FILE_WORKER_JOBS];
    } FileWorkerState;

    static int file_sync(int fd, int whole) {
        int error;
        do {
    #if defined(__APPLE__)
            error = (whole ? fsync(fd) : fcntl(fd, F_FULLFSYNC)) == 0 ? 0 : errno;
    #elif defined(__linux__)
            error = (whole ? fsync(fd) : fdatasync(fd)) == 0 ? 0 : errno;
    #else
            error = fsync(fd) == 0 ? 0 : errno;
    #endif
        } while (error == EINTR);
        /* What cannot be synced at all, such as a pipe, counts as synced. */
        return error == EINVAL ? 0 : error;
    }

    static int file_worker_stays(const FileWorkerJob *job) {
        return (job->what & (FILE_SYNC_DATA_BIT | FILE_SYNC_BIT)) && !(job->what & FILE_CLOSE_BIT);
    }

    static void *file_worker_run(void *argument) {
        FileWorkerState *worker = argument;
        FileWorkerJob job;
        int error;
        pthread_mutex_lock(&worker->lock);
        for (;;) {
            while (worker->count == 0 && !worker->quit)
                pthread_cond_wait(&worker->changed, &worker->lock);
            if (worker->count == 0)
                break;
            job = worker->jobs[worker->first];
            pthread_mutex_unlock(&worker->lock);
            error = 0;
            if (job.what & (FILE_SYNC_DATA_BIT | FILE_SYNC_BIT))
                error = file_sync(job.fd, job.what & FILE_SYNC_BIT);
            if (job.what & FILE_CLOSE_BIT)
                (void) close(job.fd);
            pthread_mutex_lock(&worker->lock);
            if (job.what & (FILE_SYNC_DATA_BIT | FILE_SYNC_BIT)) {
                worker->error = error;
                if (error)
                    worker->untold = error;
                else if (job.offset > worker->synced)
                    worker->synced = job.offset;
            }
            worker->first = (worker->first + 1) % FILE_WORKER_JOBS;
            worker->count--;
            if (file_worker_stays(&job))
                __atomic_fetch_sub(&worker->syncing, 1, __ATOMIC_RELEASE);
            pthread_cond_broadcast(&worker->changed);
        }
        pthread_mutex_unlock(&worker->lock);
        return NULL;
    }

    static FileWorkerState *file_worker_start(void) {
        FileWorkerState *worker = calloc(1, sizeof(FileWorkerState));
        sigset_t before;
        int failed;
        if (worker == NULL)
            return NULL;
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->changed, NULL);
        threads_mask_signals(&before);
        failed = pthread_create(&worker->thread, NULL, file_worker_run, worker);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed) {
            pthread_mutex_destroy(&worker->lock);
            pthread_cond_destroy(&worker->changed);
            free(worker);
            return NULL;
        }
        return worker;
    }

    static int file_worker_put(FileWorkerState *worker, int fd, int what, long long offset) {
        FileWorkerJob job = {fd, what, offset};
        int full;
        pthread_mutex_lock(&worker->lock);
        full = worker->count == FILE_WORKER_JOBS;
        if (!full) {
            worker->jobs[(worker->first + worker->count) % FILE_WORKER_JOBS] = job;
            worker->count++;
            if (file_worker_stays(&job))
                __atomic_fetch_add(&worker->syncing, 1, __ATOMIC_RELEASE);
            pthread_cond_broadcast(&worker->changed);
        }
        pthread_mutex_unlock(&worker->lock);
        return full ? -1 : 0;
    }

    static int file_worker_count_syncing(const FileWorkerState *worker) {
        return __atomic_load_n(&worker->syncing, __ATOMIC_ACQUIRE);
    }

    static void file_worker_wait_all(FileWorkerState *worker) {
        pthread_mutex_lock(&worker->lock);
        while (worker->count)
            pthread_cond_wait(&worker->changed, &worker->lock);
        pthread_mutex_unlock(&worker->lock);
    }

    static long long file_worker_tell_synced(FileWorkerState *worker, int *error) {
        long long synced;
        pthread_mutex_lock(&worker->lock);
        synced = worker->synced;
        *error = worker->error;
        pthread_mutex_unlock(&worker->lock);
        return synced;
    }

    static void file_worker_take_note(FileWorkerState *worker, long long offset) {
        pthread_mutex_lock(&worker->lock);
        worker->synced = offset;
        worker->error = 0;
        pthread_mutex_unlock(&worker->lock);
    }

    static int file_worker_take_error(FileWorkerState *worker) {
        int error;
        pthread_mutex_lock(&worker->lock);
        error = worker->untold;
        worker->untold = 0;
        pthread_mutex_unlock(&worker->lock);
        return error;
    }

    static void file_worker_end(FileWorkerState *worker) {
        pthread_mutex_lock(&worker->lock);
        worker->quit = 1;
        pthread_cond_broadcast(&worker->changed);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
        pthread_mutex_destroy(&worker->lock);
        pthread_cond_destroy(&worker->changed);
        free(worker);
    }
    """
    ctypedef struct FileWorkerState:
        pass
    FileWorkerState* file_worker_start() noexcept nogil
    void file_worker_end(FileWorkerState* worker) noexcept nogil
    int file_worker_put(FileWorkerState* worker, int fd, int what, long long offset) noexcept nogil
    int file_worker_count_syncing(const FileWorkerState* worker) noexcept nogil
    void file_worker_wait_all(FileWorkerState* worker) noexcept nogil
    long long file_worker_tell_synced(FileWorkerState* worker, int* error) noexcept nogil
    void file_worker_take_note(FileWorkerState* worker, long long offset) noexcept nogil
    int file_worker_take_error(FileWorkerState* worker) noexcept nogil
    int file_sync(int fd, int whole) noexcept nogil


cdef void* file_worker_new() noexcept nogil:
    return file_worker_start()


cdef void file_worker_free(void* worker) noexcept nogil:
    file_worker_end(<FileWorkerState*> worker)


cdef int file_worker_ask(void* worker, int fd, int what, long long offset) noexcept nogil:
    return file_worker_put(<FileWorkerState*> worker, fd, what, offset)


cdef int file_worker_syncing(const void* worker) noexcept nogil:
    return file_worker_count_syncing(<const FileWorkerState*> worker)


cdef void file_worker_wait(void* worker) noexcept nogil:
    file_worker_wait_all(<FileWorkerState*> worker)


cdef long long file_worker_synced(void* worker, int* error) noexcept nogil:
    return file_worker_tell_synced(<FileWorkerState*> worker, error)


cdef void file_worker_note(void* worker, long long offset) noexcept nogil:
    file_worker_take_note(<FileWorkerState*> worker, offset)


cdef int file_worker_error(void* worker) noexcept nogil:
    return file_worker_take_error(<FileWorkerState*> worker)


cdef int file_sync_data(int fd) noexcept nogil:
    return file_sync(fd, 0)


cdef class FileWorker:
    """A worker of the control plane's own. OSError where there is no thread to be had."""

    def __cinit__(self) -> None:
        self.state = file_worker_new()
        if self.state == NULL:
            raise OSError(EAGAIN, "a thread that syncs and closes files cannot be started")

    def __dealloc__(self) -> None:
        if self.state != NULL:
            with nogil:
                file_worker_free(self.state)

    def close(self, int fd) -> None:
        """Has the descriptor closed: of a large file that has no name any more, that takes a while."""
        self._hand_over(fd, FILE_CLOSE)

    def sync_and_close(self, int fd) -> None:
        """Has a file or folder brought to the disk, and the descriptor closed."""
        self._hand_over(fd, FILE_SYNC | FILE_CLOSE)

    cdef int _hand_over(self, int fd, int what) except -1:
        cdef int error = 0
        if file_worker_ask(self.state, fd, what, 0) != 0:
            # So much is waiting already that nothing is lost by waiting here as well.
            with nogil:
                error = file_sync(fd, 1) if what & FILE_SYNC else 0
            os.close(fd)
            if error:
                raise OSError(error, os.strerror(error))
        return 0

    def wait(self) -> None:
        """Waits until all of that is done."""
        with nogil:
            file_worker_wait(self.state)

    def take_error(self) -> int:
        """errno of what has failed since this was last asked; 0: nothing."""
        return file_worker_error(self.state)
