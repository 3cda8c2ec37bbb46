"""A thread that looks now and then whether Python code that a client waits for has been running for too long.

It interrupts the code where it stands, between two instructions of Python (a pending call of the interpreter), so code
that is quick pays nothing.  Only what runs on the process's main thread is interrupted, and nothing while it is within
a function of C: a sleep, a computation on large numbers.

The code is then put aside (run_must_end), and where it is to end, Interrupted is raised in it, from there on at each
line.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.state.core cimport Core


# What was being watched before.
cdef struct Watched:
    uint64_t began              # counter; 0: nothing
    int64_t limit_ms
    bint is_run


# Starts the thread, unless there is one. OSError, MemoryError.
cdef int watchdog_start(Core* core) except -1
cdef void watchdog_stop(Core* core) noexcept
# Watches the code that is called next, until watch_end. limit_ms: how long it may take, 0 for ever; negative: it
# belongs to the innermost Run, which is asked. outer: what watch_end wants. No thread, nothing is watched.
cdef void watch_begin(Core* core, Watched* outer, int64_t limit_ms) noexcept
cdef void watch_end(Core* core, const Watched* outer) noexcept
