"""Scripts in Lua: one interpreter per engine, made when the first script comes, and how a script is run.

    EVAL, EVALSHA ─▶ script by its SHA-1 ─▶ script_run ─▶ Lua ─▶ redis.call ─▶ the one call_command, as the caller
    FCALL         ─▶ function by its name ─▶    ″                                 │
                     the reply, or the error                                     its reply, as a Lua value

The caller is a client of the engine's own without a socket: it has the user, the database and the protocol of who runs the
script, and answers what would block as after its timeout.  What a script writes is one unit of execution.

A script that takes longer than Scripting.slow_ms lets other clients be served now and then (the hook of Lua's virtual machine,
every so many instructions), to which everything but a few commands answers BUSY; they can end it as long as it has written
nothing.

Everything that may raise an error in Lua runs below lua.cpcall or lua.pcall; no Python object is touched there.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from redislite._core.scripting.lua_api cimport lua_State
from redislite._core.state.core cimport Argument, Client, Core

# What a script says of itself: "#!lua flags=no-writes,…"; the names are in FLAG_NAMES.
cdef enum:
    SCRIPT_NO_WRITES = 1
    SCRIPT_ALLOW_OOM = 2
    SCRIPT_ALLOW_STALE = 4
    SCRIPT_NO_CLUSTER = 8
    SCRIPT_CROSS_SLOT = 16
    SCRIPT_LEGACY = 32          # it says nothing of itself: its commands are looked at one by one

cdef enum:
    COMPILE_ERROR_MAX = 512     # bytes of what is wrong with a script


# What runs now.
cdef struct Run:
    Client* client              # who has called it; NULL: nothing runs
    const char* name            # SHA-1 of the script, or the function's name
    int name_length
    uint64_t flags
    uint64_t began              # counter
    int propagated              # PROPAGATE_* bits: where what it writes goes
    bint is_function
    bint resp3                  # it has asked for values of protocol 3
    bint has_written
    bint over_memory            # memory was above the limit when it began
    bint is_slow                # others are told BUSY
    bint is_killed


# Lua to be compiled.
cdef struct Source:
    const char* text            # of length bytes
    size_t length
    const char* name            # as errors tell it: "@user_script"
    int reference               # of the function, in Lua's registry; -1: there is none, and error says why
    char error[COMPILE_ERROR_MAX]


# A block that could not be made smaller, which Lua takes it for.
cdef struct LargerBlock:
    void* block
    size_t size                 # that it has


cdef enum:
    LARGER_BLOCKS = 64


cdef struct Scripting:
    Core* core
    lua_State* L
    Client* caller
    size_t memory               # bytes that Lua has asked for
    LargerBlock larger[LARGER_BLOCKS]
    int larger_count
    int64_t slow_ms             # busy-reply-threshold; 0: no script is slow
    int handler                 # references to the error handler, and to the table behind the globals' guard
    int globals
    Run run
    void* scripts               # scripts.pxd
    # room for redis.call, kept between calls
    char* arguments             # capacity Arguments, then the texts of as many numbers
    size_t arguments_capacity
    char* reply                 # of a reply in several pieces
    size_t reply_capacity


cdef inline Scripting* scripting_of(const Core* core) noexcept nogil:
    """NULL before the first script."""
    return <Scripting*> core.scripting


# Makes the interpreter, whose commands the caller executes; Lua's functions are resolved. 0, or -1 where memory is out:
# nothing is left then.
cdef int scripting_start(Core* core, Client* caller) noexcept nogil
# Releases the interpreter; scripts and libraries have been released before.
cdef void scripting_release(Core* core) noexcept nogil
# The interpreter, which is made if need be; NULL where that fails, and the client has been told why.
cdef Scripting* scripting_or_reply(Core* core, Client* client) noexcept nogil
# Whether memory is above its limit and nothing can be evicted: what Run.over_memory is.
cdef bint is_over_memory(Core* core) noexcept nogil
# Whether a script with these flags may run now, by a command that may only read or not; else the client has been told.
cdef bint script_admit(Core* core, Client* client, uint64_t flags, bint read_only) noexcept nogil
# Gives back a reference to a function in Lua's registry.
cdef void script_unref(Scripting* scripting, int reference) noexcept nogil
# Has Lua release what is not used any more; what it has no memory for stays for another time.
cdef void scripting_collect(Scripting* scripting) noexcept nogil
# Runs a function for the client, whose arguments from first_key on are keys_count keys and then others, and replies what it
# returns. run: its name, name_length, flags, is_function and over_memory; the rest is filled in.
cdef void script_run(Scripting* scripting, Client* client, int reference, const Run* run, int first_key,
                     int keys_count) noexcept nogil
# SCRIPT KILL and FUNCTION KILL: has the one that runs end.
cdef void script_kill(Core* core, Client* client, bint is_function) noexcept nogil
# What commands are refused with while one runs for too long.
cdef const char* busy_text(Core* core) noexcept nogil
# Compiles the text: 0, and reference is set, or -1, and error is.
cdef int script_compile(Scripting* scripting, Source* source) noexcept nogil
