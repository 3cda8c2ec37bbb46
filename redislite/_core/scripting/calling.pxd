"""Commands that are called on behalf of a client: by a script, a function, a command in Python or a hook.

    who asks ─▶ run_begin ─▶ its code ─▶ run_call, any number ─▶ the one call_command, as a caller ─▶ run_end
                                             │                                                       │
                                             └──── a command in Python, say: a Run within the Run ◀──┘

A caller is a client of the engine's own without a socket: it has the user and the database of who asks, and answers
what would block as after its timeout.  There is one for each depth to which Runs call each other.  What a Run writes is
propagated command by command, and is part of the unit of execution that it runs in.

One that takes longer than busy-reply-threshold is put aside now and then (run_must_end, which whatever executes its
code calls), so that other clients are served, to which everything but a few commands answers BUSY; they can end it as
long as nothing has been written.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from redislite._core.state.core cimport Argument, Client, Command, Core

# What a script or a function says of itself; the names are in scripts.pyx.
cdef enum:
    SCRIPT_NO_WRITES = 1
    SCRIPT_ALLOW_OOM = 2
    SCRIPT_ALLOW_STALE = 4
    SCRIPT_NO_CLUSTER = 8
    SCRIPT_CROSS_SLOT = 16
    SCRIPT_LEGACY = 32          # it says nothing of itself: its commands are looked at one by one

cdef enum:
    RUN_DEPTH_MAX = 100         # Runs that call each other


cdef enum:                              # Run.kind
    RUN_SCRIPT = 0
    RUN_FUNCTION = 1
    RUN_COMMAND = 2             # in Python
    RUN_HOOK = 3


cdef struct Run:
    # filled in by who begins it
    const char* name            # SHA-1 of a script, or a name
    int name_length
    int kind
    uint64_t flags              # SCRIPT_*
    bint over_memory            # memory was above the limit when it began
    # the rest by run_begin
    Run* outer                  # whose command it is, or NULL
    Run* outermost              # itself, where outer is NULL
    int depth
    Client* client              # who asks
    Client* caller              # executes what it calls
    uint64_t began              # counter
    int propagated              # PROPAGATE_* bits: where what it writes goes
    bint resp3                  # it has asked for values of protocol 3
    bint is_calling             # one of its commands is being executed
    # of the outermost, for all
    bint has_written
    bint is_slow                # others are told BUSY
    bint is_killed


cdef inline Run* run_of(const Core* core) noexcept nogil:
    """The innermost that runs, or NULL."""
    return <Run*> core.run


# The outermost of those that run or are put aside, or NULL: what others ask about.
cdef inline Run* running(const Core* core) noexcept nogil:
    cdef Run* run = <Run*> (core.run if core.run != NULL else core.suspended)
    return run.outermost if run != NULL else NULL


# Begins a Run for the client. 0, or -1, and the client has been told why, where they call each other too deeply or
# memory is out.
cdef int run_begin(Core* core, Run* run, Client* client) noexcept nogil
# Ends it; it is the innermost.
cdef void run_end(Core* core, Run* run) noexcept nogil
cdef void callers_release(Core* core) noexcept nogil
# Why a command that there is may not be called by the Run; NULL where it may.
cdef const char* run_refusal(const Core* core, const Run* run, const Command* command) noexcept nogil
# Executes a command (NULL: an unknown one) as the Run's caller; the reply stands in the caller's output.
cdef void run_call(Core* core, Run* run, Argument* argv, int argc, Command* command, int protocol) noexcept nogil
# Releases that output.
cdef void run_drop_reply(Run* run) noexcept nogil
# Whether the innermost Run is to be given up. Serves others, if it has taken too long.
cdef bint run_must_end(Core* core) noexcept nogil
# SCRIPT KILL and FUNCTION KILL: has the one that runs end.
cdef void run_kill(Core* core, Client* client, bint is_function) noexcept nogil
# What an error says of one that was ended so.
cdef const char* killed_text(const Run* run) noexcept nogil
# What commands are refused with while one runs for too long.
cdef const char* busy_text(const Core* core) noexcept nogil
# Whether memory is above its limit and nothing can be evicted: what Run.over_memory is.
cdef bint is_over_memory(Core* core) noexcept nogil
# Whether a script with these flags may run now, by a command that may only read or not; else the client has been told.
cdef bint script_admit(Core* core, Client* client, uint64_t flags, bint read_only) noexcept nogil
