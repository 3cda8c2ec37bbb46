"""The process that writes a snapshot or rewrites the log: a fork of the server, with its memory as it was at that
moment.

It runs C code and leaves by _exit: no Python object, lock or finalizer is touched. Of the server's descriptors it keeps
one and the standard ones, so that no client is held by it. It dies with its parent, takes no notice of signals that ask
the server to stop, and is ended by SIGUSR1. What it has to tell stands in a page that it
shares with the server (ChildPage), which is kept up to date while it runs.

    child_fork ─┬─ server: the process's number
                └─ child: signals, name ─▶ task ─▶ measures what was copied ─▶ _exit(0, or 1 with an errno in the page),
                                                                               or becomes another program
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.state.core cimport Client, Core


# What the child tells; everything is zero at first. Times are of the monotonic clock.
cdef struct ChildPage:
    uint64_t keys               # written so far
    uint64_t bytes
    uint64_t copied             # bytes of memory that are the child's alone: copied because the server wrote to them
    uint64_t copied_peak
    int64_t measured_ns         # when copied was measured; 0: never
    int64_t error               # errno of what failed; 0: nothing
    int64_t step                # which step of the task that was, as the task counts them


# What the child is for: its result counts as an errno, 0 where it went well.
ctypedef int (*ChildTask)(Core* core, void* argument, ChildPage* page) noexcept nogil


# Forks, and runs the task in the child. Answers the child's number, or minus an errno where there is none. title: what
# the process is called, 15 characters at most. kept_fd: the descriptor that it needs; -1: none. then: NULL, or what the
# process goes on as once its task went well: the path of a program and all its arguments, NULL behind the last; it
# finds the kept descriptor open. The argument and `then` must stand until the call returns.
cdef int child_fork(Core* core, ChildTask task, void* argument, ChildPage* page, const char* title,
                    int kept_fd, char** then) noexcept nogil

# Has the client's script debugged in a child, where it goes on, Python code and all: of the descriptors that keeps the
# client's and the standard ones, and signals end it. Answers as fork does.
cdef int fork_debugger(Core* core, Client* client) noexcept with gil

cdef enum:
    CHILD_PROGRAM_WORDS = 16        # of what a child goes on as, with the NULL behind them

# Fills `program`, which has room for CHILD_PROGRAM_WORDS, for child_fork: answers it, or NULL where there are no words.
# They are bytes, and must stand as long as it. ValueError where there are too many.
cdef char** child_program(object words, char** program) except? NULL


# The page as Python sees it; the memory lives as long as this does.
cdef class ChildReport:
    cdef ChildPage* page
