"""Forked children; the contract is in fork.pxd."""
from libc.errno cimport errno
from libc.signal cimport SIG_DFL, SIG_IGN, SIGINT, SIGTERM, SIGUSR1, signal
from libc.stdint cimport int64_t, uint64_t
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap
from posix.unistd cimport _exit, getpid, getppid
from redislite._core.base.clock cimport clock_monotonic_ns
from redislite._core.base.threads cimport THREADS_TRACE_SIGNAL
from redislite._core.dispatch.upcalls cimport upcall_failed
from redislite._core.state.core cimport Client, Core

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <limits.h>
    #include <pthread.h>
    #include <signal.h>
    #include <string.h>
    #include <unistd.h>
    #if defined(__linux__)
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #endif

    /* Dies with the thread that forked it, and shows as title in lists of processes. */
    static void child_settle(const char *title) {
    #if defined(__linux__)
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) prctl(PR_SET_NAME, title);
    #else
        (void) title;
    #endif
    }

    static void child_close_range(int first, int last) {
        long most;
    #if defined(SYS_close_range)
        if (syscall(SYS_close_range, (unsigned) first, (unsigned) last, 0u) == 0)
            return;
    #endif
        most = sysconf(_SC_OPEN_MAX);
        if (most < 0 || most > 1 << 20)
            most = 1 << 20;
        for (; first <= last && first < most; first++)
            close(first);
    }

    /* Closes all descriptors but the standard ones and this one. */
    static void child_close_others(int kept) {
        if (kept > STDERR_FILENO) {
            if (kept > STDERR_FILENO + 1)
                child_close_range(STDERR_FILENO + 1, kept - 1);
            child_close_range(kept + 1, INT_MAX);
        } else {
            child_close_range(STDERR_FILENO + 1, INT_MAX);
        }
    }

    static int child_disable_huge_pages(void) {
    #if defined(PR_SET_THP_DISABLE)
        return prctl(PR_SET_THP_DISABLE, 1UL, 0UL, 0UL, 0UL);
    #else
        return -1;
    #endif
    }

    /* Answers only where that fails: an errno. */
    static int child_become(char **program, int kept) {
        if (kept >= 0 && fcntl(kept, F_SETFD, 0) != 0)
            return errno;
        execv(program[0], program);
        return errno;
    }

    /* Bytes of this process's memory that no other process shares; -1 where the system does not tell. */
    static long long child_private_bytes(void) {
        static const char word[] = "Private_Dirty:";
        char text[4096];
        ssize_t length = 0, count;
        long long kib = 0;
        char *place;
        int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return -1;
        while (length < (ssize_t) sizeof(text) - 1 && (count = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
            length += count;
        close(fd);
        text[length] = 0;
        place = strstr(text, word);
        if (place == NULL)
            return -1;
        for (place += sizeof(word) - 1; *place == ' '; place++) {}
        while (*place >= '0' && *place <= '9')
            kib = kib * 10 + (*place++ - '0');
        return kib * 1024;
    }

    /* Starts a thread that nobody waits for and no signal goes to. */
    static int child_start_thread(void *(*function)(void *), void *argument) {
        pthread_t thread;
        pthread_attr_t attributes;
        sigset_t before;
        int result;
        if (pthread_attr_init(&attributes) != 0)
            return -1;
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 64 * 1024);
        threads_mask_signals(&before);
        result = pthread_create(&thread, &attributes, function, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return result == 0 ? 0 : -1;
    }
    """
    int fork() noexcept nogil
    int usleep(unsigned int microseconds) noexcept nogil
    int child_disable_huge_pages() noexcept nogil
    void child_close_others(int kept) noexcept nogil
    void child_settle(const char* title) noexcept nogil
    int child_become(char** program, int kept) noexcept nogil
    int64_t child_private_bytes() noexcept nogil
    int child_start_thread(void* (*function)(void*) noexcept nogil, void* argument) noexcept nogil

cdef extern from "Python.h":
    void PyOS_BeforeFork()
    void PyOS_AfterFork_Parent()
    void PyOS_AfterFork_Child()

cdef enum:
    FIRST_MEASURE_US = 100000
    MEASURE_US = 500000             # between measures of what was copied
    MEASURE_SHARE = 50              # and so many times what a measure takes


cdef int64_t measure(ChildPage* page) noexcept nogil:
    """Answers how long it took, in microseconds."""
    cdef int64_t begun_ns = clock_monotonic_ns()
    cdef int64_t copied = child_private_bytes()
    cdef int64_t now_ns = clock_monotonic_ns()
    if copied >= 0:
        page.copied = <uint64_t> copied
        if page.copied > page.copied_peak:
            page.copied_peak = page.copied
        page.measured_ns = now_ns
    return (now_ns - begun_ns) // 1000


cdef void* keep_measuring(void* argument) noexcept nogil:
    cdef ChildPage* page = <ChildPage*> argument
    cdef int64_t took_us
    usleep(FIRST_MEASURE_US)
    while True:
        took_us = measure(page)
        usleep(<unsigned int> (MEASURE_US if took_us * MEASURE_SHARE < MEASURE_US else took_us * MEASURE_SHARE))
    return NULL


cdef char** child_program(object words, char** program) except? NULL:
    cdef bytes word
    cdef int i = 0
    if len(words) >= CHILD_PROGRAM_WORDS:
        raise ValueError(f"{len(words)} words of a command line")
    for word in words:
        program[i] = word
        i += 1
    program[i] = NULL
    return program if i else NULL


cdef int child_fork(Core* core, ChildTask task, void* argument, ChildPage* page, const char* title,
                    int kept_fd, char** then) noexcept nogil:
    cdef int parent = getpid()
    cdef int child = fork()
    if child != 0:
        return child if child > 0 else -errno
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, SIG_IGN)
    signal(SIGUSR1, SIG_DFL)
    child_settle(title)
    child_close_others(kept_fd)
    if getppid() != parent:
        _exit(1)
    child_start_thread(keep_measuring, page)
    page.error = task(core, argument, page)
    measure(page)
    if page.error == 0 and then != NULL:
        page.error = child_become(then, kept_fd)
    _exit(1 if page.error else 0)
    return 0


cdef int fork_debugger(Core* core, Client* client) noexcept with gil:
    cdef int child
    PyOS_BeforeFork()
    child = fork()
    if child != 0:
        PyOS_AfterFork_Parent()
        if child > 0:
            try:
                (<object> core.engine).on_debugger(child)
            except BaseException as error:
                upcall_failed(core, error)
        return child
    PyOS_AfterFork_Child()
    signal(SIGINT, SIG_DFL)
    signal(SIGTERM, SIG_DFL)
    child_settle("redis-debugger")
    child_close_others(client.fd)
    return 0


def disable_huge_pages() -> bool:
    """Has the system give this process small pages only, of which a child costs fewer bytes for each that is written
    to; true where it does."""
    return child_disable_huge_pages() == 0


cdef class ChildReport:
    """What a child tells of its work; see ChildPage in fork.pxd."""

    def __cinit__(self):
        cdef void* page = mmap(NULL, sizeof(ChildPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        if page == MAP_FAILED:
            raise MemoryError
        self.page = <ChildPage*> page

    def __dealloc__(self):
        if self.page != NULL:
            munmap(self.page, sizeof(ChildPage))

    @property
    def keys(self):
        """Keys that it has written so far."""
        return self.page.keys

    @property
    def bytes(self):
        """Bytes that it has written so far."""
        return self.page.bytes

    @property
    def copied(self):
        """Bytes of memory that had to be copied since the fork because either side wrote to them, as last measured."""
        return self.page.copied

    @property
    def copied_peak(self):
        """The most that `copied` ever was."""
        return self.page.copied_peak

    @property
    def measured_ns(self):
        """When `copied` was measured, on the monotonic clock; 0: never."""
        return self.page.measured_ns

    @property
    def error(self):
        """errno of what failed in the child; 0: nothing."""
        return self.page.error

    @property
    def step(self):
        """At which step of its task the child was, as the task counts them."""
        return self.page.step
