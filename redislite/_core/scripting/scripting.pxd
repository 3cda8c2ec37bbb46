"""Scripts in Lua: one interpreter per engine, made when the first script comes, and how a script is run.

    EVAL, EVALSHA ─▶ script by its SHA-1 ─▶ script_run ─▶ Lua ─▶ redis.call ─▶ the one call_command (calling.pxd)
    FCALL         ─▶ function by its name ─▶    ″                                 │
                     the reply, or the error                                     its reply, as a Lua value

A script is a Run like any other that calls commands.  The hook of Lua's virtual machine, every so many instructions,
asks whether it has taken too long.

Everything that may raise an error in Lua runs below lua.cpcall or lua.pcall; no Python object is touched there.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from redislite._core.scripting.calling cimport Run
from redislite._core.scripting.lua_api cimport lua_State
from redislite._core.scripting.lua_debugger cimport Debugger
from redislite._core.state.core cimport Client, Core

cdef enum:
    COMPILE_ERROR_MAX = 512     # bytes of what is wrong with a script


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
    size_t memory               # bytes that Lua has asked for
    LargerBlock larger[LARGER_BLOCKS]
    int larger_count
    int64_t slow_ms             # busy-reply-threshold; 0: no script is slow
    int handler                 # references to the error handler, and to the table behind the globals' guard
    int globals
    Run run                     # the script that runs; its client is NULL where none does
    void* scripts               # scripts.pxd
    Debugger* debugger          # what the script that runs is debugged by; NULL: nothing
    size_t memory_most          # bytes that Lua may have, under a maxmemory of max_memory
    int64_t max_memory
    # room for redis.call, kept between calls
    char* arguments             # capacity Arguments, then the texts of as many numbers
    size_t arguments_capacity
    char error[256]             # of a call that is refused
    char* reply                 # of a reply in several pieces
    size_t reply_capacity


cdef inline Scripting* scripting_of(const Core* core) noexcept nogil:
    """NULL before the first script."""
    return <Scripting*> core.scripting


# Makes the interpreter; Lua's functions are resolved. 0, or -1 where memory is out: nothing is left then.
cdef int scripting_start(Core* core) noexcept nogil
# Releases the interpreter; scripts and libraries have been released before.
cdef void scripting_release(Core* core) noexcept nogil
# The interpreter, which is made if need be; NULL where that fails, and the client has been told why.
cdef Scripting* scripting_or_reply(Core* core, Client* client) noexcept nogil
# Gives back a reference to a function in Lua's registry.
cdef void script_unref(Scripting* scripting, int reference) noexcept nogil
# Has Lua release what is not used any more; what it has no memory for stays for another time.
cdef void scripting_collect(Scripting* scripting) noexcept nogil
# Runs a function for the client, whose arguments from first_key on are keys_count keys and then others, and replies
# what it returns. run: what run_begin wants to be told.
cdef void script_run(Scripting* scripting, Client* client, int reference, const Run* run, int first_key,
                     int keys_count) noexcept nogil
# Compiles the text: 0, and reference is set, or -1, and error is.
cdef int script_compile(Scripting* scripting, Source* source) noexcept nogil
