"""Signals and the threads that the data plane starts: they get none, so that each comes where it is waited for, but
those that tell of a thread's own fault and the one that asks each thread for its stack (stack_trace.pxd). Whoever is
started inherits the mask, so it is set around the start.
"""
from posix.types cimport sigset_t

cdef extern from *:
    """
    #include <pthread.h>
    #include <signal.h>

    #define THREADS_TRACE_SIGNAL SIGUSR2

    /* All other signals. A fault that comes while it is blocked ends the process at once, with no report. */
    static inline void threads_fill_mask(sigset_t *mask) {
        sigfillset(mask);
        sigdelset(mask, SIGSEGV);
        sigdelset(mask, SIGBUS);
        sigdelset(mask, SIGFPE);
        sigdelset(mask, SIGILL);
        sigdelset(mask, SIGABRT);
        sigdelset(mask, THREADS_TRACE_SIGNAL);
    }

    /* From here on this thread, and those that it starts, get no other signals; before: what to set again. */
    static inline void threads_mask_signals(sigset_t *before) {
        sigset_t mask;
        threads_fill_mask(&mask);
        pthread_sigmask(SIG_BLOCK, &mask, before);
    }
    """
    int THREADS_TRACE_SIGNAL
    void threads_fill_mask(sigset_t* mask) noexcept nogil
