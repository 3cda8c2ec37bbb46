"""Which thread is within an engine, where several threads call it.

The interpreter's lock serialises: a thread that executes a native command holds it from beginning to end. So being
within is a mark, and no lock of the system is touched, until Python code runs within a command (a command or hook in
Python, a callback) and the interpreter lets another thread run. That one waits here, without the interpreter's lock.

    own ─▶ disown       as deep as commands call commands; the last disown lets the next thread in
"""
from libc.stdint cimport uint64_t
from redislite._core.state.core cimport Core

cdef extern from "pythread.h":
    unsigned long PyThread_get_thread_ident() noexcept nogil


# The calling thread enters, once nobody else is within. What a signal's handler raises while it waits, which has not
# entered then; MemoryError.
cdef int own_slowly(Core* core, uint64_t thread) except -1
cdef void let_next_in(Core* core) noexcept


cdef inline int own(Core* core) except -1:
    cdef uint64_t thread = PyThread_get_thread_ident()
    if core.owner != 0 and core.owner != thread:
        own_slowly(core, thread)
    core.owner = thread
    core.owner_depth += 1
    return 0


cdef inline void disown(Core* core) noexcept:
    core.owner_depth -= 1
    if core.owner_depth == 0:
        core.owner = 0
        if core.owner_waiters:
            let_next_in(core)


# Whether another thread is within.
cdef inline bint is_anothers(const Core* core) noexcept:
    return core.owner != 0 and core.owner != PyThread_get_thread_ident()
