"""Stack traces of all threads; the contract is in stack_trace.pxd."""
from libc.errno cimport errno
from posix.fcntl cimport O_DIRECTORY, O_RDONLY, O_WRONLY, open
from posix.signal cimport (
    SA_ONSTACK,
    SA_RESTART,
    SA_SIGINFO,
    SIG_UNBLOCK,
    sigaction,
    sigaction_t,
    sigaddset,
    sigemptyset,
    siginfo_t,
)
from posix.types cimport sigset_t
from posix.unistd cimport close, dup2, pause
from redislite._core.base.safe_output cimport SafeOutput, put_signed, put_text, safe_output_flush, safe_output_init
from redislite._core.base.threads cimport THREADS_TRACE_SIGNAL, threads_fill_mask

cdef extern from *:
    """
    #include <signal.h>
    #include <string.h>
    #include <time.h>
    #include <unistd.h>
    #if __has_include(<execinfo.h>)
    #include <execinfo.h>
    #else
    static int backtrace(void **addresses, int size) { return 0; }
    static void backtrace_symbols_fd(void **addresses, int size, int fd) {}
    #endif
    #if defined(__linux__)
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #endif

    static int trace_own_thread(void) {
    #if defined(__linux__)
        return (int) syscall(SYS_gettid);
    #else
        return (int) getpid();
    #endif
    }

    static int trace_signal_thread(int thread, int number) {
    #if defined(__linux__)
        return (int) syscall(SYS_tgkill, getpid(), thread, number);
    #else
        return raise(number);
    #endif
    }

    static void trace_thread_name(char name[16]) {
        memset(name, 0, 16);
    #if defined(__linux__)
        (void) prctl(PR_GET_NAME, name);
    #endif
    }

    /* Entries of a folder as the system gives them: opendir needs memory. */
    typedef struct {
        unsigned long long inode;
        long long offset;
        unsigned short size;
        unsigned char type;
        char name[];
    } TraceEntry;

    static long trace_read_folder(int fd, char *buffer, unsigned long size) {
    #if defined(__linux__)
        return syscall(SYS_getdents64, fd, buffer, size);
    #else
        return -1;
    #endif
    }

    static void trace_wait(void) {
        struct timespec pause = {0, 500 * 1000};
        nanosleep(&pause, NULL);
    }

    static int trace_load(int *place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }
    static void trace_store(int *place, int value) { __atomic_store_n(place, value, __ATOMIC_RELEASE); }
    """
    ctypedef struct TraceEntry:
        unsigned short size
        char* name
    int backtrace(void** addresses, int size) noexcept nogil
    void backtrace_symbols_fd(void** addresses, int size, int fd) noexcept nogil
    int pthread_sigmask(int how, const sigset_t* mask, sigset_t* before) noexcept nogil
    int trace_own_thread() noexcept nogil
    int trace_signal_thread(int thread, int number) noexcept nogil
    void trace_thread_name(char* name) noexcept nogil
    long trace_read_folder(int fd, char* buffer, unsigned long size) noexcept nogil
    void trace_wait() noexcept nogil
    int trace_load(int* place) noexcept nogil
    void trace_store(int* place, int value) noexcept nogil

cdef enum:
    FRAMES_MAX = 100
    FOLDER_BYTES = 2048
    WAITS_MAX = 2000                    # for one thread: a second


# Signals concern the process: this is no state of an engine.
cdef struct Tracer:
    int asked                           # the thread that is to answer; 0: it has
    int request
    int fd
    int python_signal
    int python_fd

cdef Tracer tracer


cdef void write_own_stack(int fd, bint is_reporter) noexcept nogil:
    cdef void* frames[FRAMES_MAX]
    cdef char name[16]
    cdef SafeOutput output
    cdef int count = backtrace(frames, FRAMES_MAX)
    trace_thread_name(name)
    safe_output_init(&output, fd)
    put_text(&output, "\n")
    put_signed(&output, trace_own_thread())
    put_text(&output, " ")
    put_text(&output, name)
    put_text(&output, " *\n" if is_reporter else "\n")
    safe_output_flush(&output)
    backtrace_symbols_fd(frames, count, fd)


cdef void answer(int number, siginfo_t* info, void* context) noexcept nogil:
    """What a thread does that was asked. One that was not, or has been given up meanwhile, goes on."""
    cdef int saved = errno
    cdef int request = tracer.request
    if trace_load(&tracer.asked) == trace_own_thread():
        if request == THREAD_TRACE:
            write_own_stack(tracer.fd, False)
        trace_store(&tracer.asked, 0)
        while request == THREAD_STOP:
            pause()
    (&errno)[0] = saved


cdef void stack_trace_prepare(int python_signal, int python_fd) noexcept nogil:
    cdef sigaction_t action
    cdef void* frame
    tracer.python_signal = python_signal
    tracer.python_fd = python_fd
    # The first call loads the library that walks over stacks.
    backtrace(&frame, 1)
    action.sa_sigaction = answer
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK
    threads_fill_mask(&action.sa_mask)
    sigaction(THREADS_TRACE_SIGNAL, &action, NULL)


cdef bint ask_thread(int thread, int fd, int request) noexcept nogil:
    cdef int i
    tracer.fd = fd
    tracer.request = request
    trace_store(&tracer.asked, thread)
    if trace_signal_thread(thread, THREADS_TRACE_SIGNAL) != 0:
        return 1                        # it has ended
    for i in range(WAITS_MAX):
        if trace_load(&tracer.asked) == 0:
            return 1
        trace_wait()
    trace_store(&tracer.asked, 0)
    return 0


cdef int stack_trace_ask(int fd, int request) noexcept nogil:
    cdef char buffer[FOLDER_BYTES]
    cdef TraceEntry* entry
    cdef SafeOutput output
    cdef int own = trace_own_thread()
    cdef int silent = 0
    cdef int thread, i
    cdef long size, at
    cdef int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY)
    if folder < 0:
        return 0
    while True:
        size = trace_read_folder(folder, buffer, FOLDER_BYTES)
        if size <= 0:
            break
        at = 0
        while at < size:
            entry = <TraceEntry*> (buffer + at)
            at += entry.size
            thread = 0
            i = 0
            while 48 <= entry.name[i] <= 57:
                thread = 10 * thread + entry.name[i] - 48
                i += 1
            if thread and thread != own and not ask_thread(thread, fd, request):
                silent += 1
                safe_output_init(&output, fd)
                put_text(&output, "\n")
                put_signed(&output, thread)
                put_text(&output, " does not answer\n")
                safe_output_flush(&output)
    close(folder)
    return silent


cdef void write_python_stacks(int fd) noexcept nogil:
    cdef SafeOutput output
    cdef sigset_t mask
    cdef int nowhere
    if tracer.python_signal == 0 or dup2(fd, tracer.python_fd) < 0:
        return
    safe_output_init(&output, fd)
    put_text(&output, "\nPython:\n")
    safe_output_flush(&output)
    sigemptyset(&mask)
    sigaddset(&mask, tracer.python_signal)
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL)
    trace_signal_thread(trace_own_thread(), tracer.python_signal)
    # The number stays taken, and does not keep a log that is rotated away.
    nowhere = open("/dev/null", O_WRONLY)
    if nowhere >= 0:
        dup2(nowhere, tracer.python_fd)
        close(nowhere)


cdef void stack_trace_write(int fd, void* pc) noexcept nogil:
    cdef SafeOutput output
    safe_output_init(&output, fd)
    put_text(&output, "\n------ STACK TRACE ------\n")
    if pc != NULL:
        put_text(&output, "EIP:\n")
        safe_output_flush(&output)
        backtrace_symbols_fd(&pc, 1, fd)
    safe_output_flush(&output)
    write_own_stack(fd, True)
    stack_trace_ask(fd, THREAD_TRACE)
    write_python_stacks(fd)
    put_text(&output, "\n------ STACK TRACE DONE ------\n")
    safe_output_flush(&output)
