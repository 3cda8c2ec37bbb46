"""Executing the commands of an append-only file.

The file's bytes are parsed where they stand (a private mapping) and executed by a client of their own, past everything
that is around a client's command: no gates, no statistics, no propagation, no waiting. While a replay lasts nothing
expires by itself: what had expired was logged as deletions.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.connection cimport Connection
from redislite._core.state.core cimport Argument, Client, Command, Core

cdef enum:
    REPLAY_BATCH = 16               # requests that are parsed ahead, so that their keys can be asked for together


cdef struct ReplayRequest:
    Command* command                # NULL: unknown
    size_t first                    # index of its first argument
    int count
    uint64_t hash                   # of its first key
    int hashed
    size_t end                      # offset behind it


# As Upcalls.call.
ctypedef bint (*ReplayCall)(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil


cdef class Replay:
    cdef Core* core
    cdef object engine
    cdef Connection connection
    cdef Py_buffer view
    cdef char* data
    cdef size_t size
    cdef size_t at                  # behind the last request that was executed
    cdef size_t complete            # the same, or where the transaction began that is not ended yet
    cdef Argument* arguments
    cdef size_t capacity
    cdef ReplayCall call            # Upcalls.call, before the replay
    cdef int propagation            # before the replay
    cdef bint finished
    cdef bint runs                  # run is on the stack
    cdef int ending                 # how the run ended
    cdef int64_t executed
    cdef int64_t delay_us           # pause after each command; negative: of 1 after so many
    cdef readonly str state         # "running", "done", "truncated", "malformed", "refused"
    cdef readonly str reason        # of a command that was refused: the error

    cdef int _check(self) except -1
    cdef int _parse(self, size_t start, ReplayRequest* request, size_t used) noexcept nogil
    cdef int _execute(self, ReplayRequest* request) noexcept nogil
    cdef bint _run(self, size_t until) noexcept nogil
    cdef void _delay(self, int64_t executed) noexcept nogil
    cdef void prepare(self, Client* client, ReplayRequest* request) noexcept nogil
    cdef int _end(self, int state) except -1


cdef object replay_of(Core* core, object engine, object data, size_t start, int64_t delay_us)
