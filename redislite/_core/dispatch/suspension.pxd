"""A command that takes long, put aside so that other clients can be served before it goes on.

    suspend ─▶ the loop serves who is ready ─▶ suspension_end

What belongs to the unit of execution that runs is kept in a Suspension: who executes, the time that it sees, what it
has propagated so far, whom its changes are to wake, what is to be done when it ends, and the buffers that are lent to
its client. The others find the engine as between two turns, with buffers of their own; whatever they do must change no
data.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.state.core cimport Client, Core, Feed, Parser, Reply, WaitList

cdef struct Suspension:
    Client* executing
    Client* outermost
    Client* served
    int propagation
    int64_t now_ms
    int64_t expiry_ms
    uint64_t ticks
    uint64_t renewal_ticks
    char* read_buffer
    Parser* parser
    Feed feed                   # what the unit has propagated
    WaitList* ready             # keys that it has changed, and others wait for
    WaitList* ready_last
    Reply late
    int after_unit
    void* run
    void* suspended


# Puts the command that runs aside. 0, or -1 where memory is out: nothing is changed then.
cdef int suspend(Core* core, Suspension* suspension) noexcept nogil
# Has it go on.
cdef void suspension_end(Core* core, Suspension* suspension) noexcept nogil
