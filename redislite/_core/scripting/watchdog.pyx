"""Python code that takes too long; the contract is in watchdog.pxd."""
from cpython.exc cimport PyErr_SetNone
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from redislite._core.base.clock cimport clock_counter
from redislite._core.base.threads cimport THREADS_TRACE_SIGNAL
from redislite._core.scripting.calling cimport RUN_SCRIPT, Run, run_must_end, run_of
from redislite._core.state.core cimport Core

from redislite._core.protocol.reply_types import Interrupted

cdef extern from *:
    """
    #include <pthread.h>
    #include <time.h>

    typedef struct {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t quitting;
        int quit;
    } WatchThread;

    /* Waits for a while; true where the thread is to end. */
    static int watch_wait(WatchThread *watch, long nanoseconds) {
        struct timespec until;
        int quit;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += nanoseconds;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_mutex_lock(&watch->lock);
        if (!watch->quit)
            pthread_cond_timedwait(&watch->quitting, &watch->lock, &until);
        quit = watch->quit;
        pthread_mutex_unlock(&watch->lock);
        return quit;
    }

    static int watch_start(WatchThread *watch, void *(*run)(void *), void *argument) {
        sigset_t before;
        int failed;
        pthread_mutex_init(&watch->lock, NULL);
        pthread_cond_init(&watch->quitting, NULL);
        threads_mask_signals(&before);
        failed = pthread_create(&watch->thread, NULL, run, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return failed;
    }

    static void watch_stop(WatchThread *watch) {
        pthread_mutex_lock(&watch->lock);
        watch->quit = 1;
        pthread_cond_broadcast(&watch->quitting);
        pthread_mutex_unlock(&watch->lock);
        pthread_join(watch->thread, NULL);
    }
    """
    ctypedef struct WatchThread:
        pass
    bint watch_wait(WatchThread* watch, long nanoseconds) noexcept nogil
    int watch_start(WatchThread* watch, void* (*run)(void*) noexcept nogil, void* argument) noexcept nogil
    void watch_stop(WatchThread* watch) noexcept nogil
    uint64_t load "__atomic_load_n"(uint64_t* place, int order) noexcept nogil
    void store "__atomic_store_n"(uint64_t* place, uint64_t value, int order) noexcept nogil
    int __ATOMIC_SEQ_CST

cdef extern from "Python.h":
    ctypedef struct PyFrameObject:
        pass
    int Py_AddPendingCall(int (*function)(void*) except -1, void* argument) noexcept nogil
    void PyEval_SetTrace(int (*function)(PyObject*, PyFrameObject*, int, PyObject*) except -1, PyObject* argument)
    unsigned long PyThread_get_thread_ident() noexcept nogil

cdef enum:
    PERIOD_NS = 20000000        # between two looks


cdef struct Watchdog:
    WatchThread thread
    Core* core                  # NULL: the engine is gone
    uint64_t began              # counter; 0: nothing is watched
    uint64_t limit              # in ticks, from which on it has taken too long; all ones: never
    uint64_t is_queued          # the interpreter has been asked to call on_due
    int64_t limit_ms
    bint is_run
    bint is_tracing             # on_line is called at each line
    unsigned long owner         # thread that runs what is watched


cdef void wait_for_gil() noexcept with gil:
    """Who wants it has the interpreter look up; asked from another thread, some versions do not before."""
    pass


cdef void* look(void* argument) noexcept nogil:
    """The thread."""
    cdef Watchdog* dog = <Watchdog*> argument
    cdef uint64_t began
    while not watch_wait(&dog.thread, PERIOD_NS):
        began = load(&dog.began, __ATOMIC_SEQ_CST)
        if began == 0 or clock_counter() - began < load(&dog.limit, __ATOMIC_SEQ_CST) or \
                load(&dog.is_queued, __ATOMIC_SEQ_CST):
            continue
        store(&dog.is_queued, 1, __ATOMIC_SEQ_CST)
        if Py_AddPendingCall(on_due, dog) != 0:
            store(&dog.is_queued, 0, __ATOMIC_SEQ_CST)
        else:
            wait_for_gil()
    return NULL


cdef int on_due(void* argument) except -1:
    """Called by the interpreter on its main thread, between two instructions of whatever runs there."""
    cdef Watchdog* dog = <Watchdog*> argument
    cdef Run* run
    store(&dog.is_queued, 0, __ATOMIC_SEQ_CST)
    if dog.core == NULL:
        free(dog)
        return 0
    # It may have ended meanwhile, run elsewhere, or be waiting for a command that it has called.
    if dog.began == 0 or clock_counter() - dog.began < dog.limit or dog.owner != PyThread_get_thread_ident():
        return 0
    if dog.is_run:
        run = run_of(dog.core)
        if run == NULL or run.is_calling or run.kind == RUN_SCRIPT or not run_must_end(dog.core):
            return 0
    if not dog.is_tracing:
        dog.is_tracing = 1
        PyEval_SetTrace(on_line, NULL)
    PyErr_SetNone(Interrupted)
    return -1


cdef int on_line(PyObject* argument, PyFrameObject* frame, int what, PyObject* value) except -1:
    """Ends what catches the exception that is to end it."""
    PyErr_SetNone(Interrupted)
    return -1


cdef inline uint64_t ticks_of(const Core* core, int64_t ms) noexcept nogil:
    return <uint64_t> (ms * 1e6 / core.ns_per_tick) if ms > 0 else ~<uint64_t> 0


cdef int watchdog_start(Core* core) except -1:
    cdef Watchdog* dog
    if core.watchdog != NULL:
        return 0
    dog = <Watchdog*> calloc(1, sizeof(Watchdog))
    if dog == NULL:
        raise MemoryError
    dog.core = core
    if watch_start(&dog.thread, look, dog) != 0:
        free(dog)
        raise OSError("no thread can be started that looks after Python code")
    core.watchdog = dog
    return 0


cdef void watchdog_stop(Core* core) noexcept:
    cdef Watchdog* dog = <Watchdog*> core.watchdog
    if dog == NULL:
        return
    core.watchdog = NULL
    with nogil:
        watch_stop(&dog.thread)
    dog.core = NULL
    if not dog.is_queued:
        free(dog)               # otherwise on_due does that


cdef void watch_begin(Core* core, Watched* outer, int64_t limit_ms) noexcept:
    cdef Watchdog* dog = <Watchdog*> core.watchdog
    if dog == NULL:
        return
    outer.began = dog.began
    outer.limit_ms = dog.limit_ms
    outer.is_run = dog.is_run
    dog.owner = PyThread_get_thread_ident()
    dog.is_run = limit_ms < 0
    dog.limit_ms = core.settings.script_slow_ms if dog.is_run else limit_ms
    store(&dog.limit, ticks_of(core, dog.limit_ms), __ATOMIC_SEQ_CST)
    store(&dog.began, run_of(core).outermost.began if dog.is_run else clock_counter(), __ATOMIC_SEQ_CST)


cdef void watch_end(Core* core, const Watched* outer) noexcept:
    cdef Watchdog* dog = <Watchdog*> core.watchdog
    if dog == NULL:
        return
    if dog.is_tracing:
        dog.is_tracing = 0
        PyEval_SetTrace(NULL, NULL)
    store(&dog.began, outer.began, __ATOMIC_SEQ_CST)
    store(&dog.limit, ticks_of(core, outer.limit_ms), __ATOMIC_SEQ_CST)
    dog.limit_ms = outer.limit_ms
    dog.is_run = outer.is_run
