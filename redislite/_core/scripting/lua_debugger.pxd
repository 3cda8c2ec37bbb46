"""The debugger of scripts: one that stops at lines, and commands about where it has stopped.

    debugger_begin ─▶ the script runs; Lua's hook calls debugger_hook at each line ─┬─▶ goes on
                   ─▶ debugger_finish: <endsession>                                 └─▶ stops: tells why, reads commands
                                                                                        until one has it go on, or end

What the script calls meanwhile is told by debugger_command, debugger_reply and debugger_error where it goes on by
steps, or a command of the debugger has it called. A client that goes away has the script run to its end.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from redislite._core.scripting.debug_session cimport Session
from redislite._core.scripting.lua_api cimport lua_CFunction, lua_Debug, lua_State
from redislite._core.state.core cimport Argument, Core, Reply

cdef enum:
    BREAKPOINTS_MAX = 64


cdef struct Debugger:
    Session session
    Core* core
    lua_CFunction call          # what executes a command, as redis.pcall
    int globals                 # reference to the table that has KEYS and ARGV
    const char* source          # of source_length bytes, without the line ends behind the last line
    size_t source_length
    int lines
    int line                    # where the script is
    bint is_stepping            # it stops at each line
    bint is_called              # the script has called breakpoint: it stops at the next line
    bint is_telling             # a command of the debugger runs one of the server
    const char* error           # that it ends with, whatever catches it; NULL: it goes on
    uint64_t resumed            # counter when it went on
    int breakpoints[BREAKPOINTS_MAX]
    int breakpoints_count


# NULL where memory is out. The source must stand until the end.
cdef Debugger* debugger_begin(Core* core, int fd, const char* source, size_t length) noexcept nogil
# The hook, which must be set for lines and for counts of instructions. May raise Lua's error.
cdef void debugger_hook(Debugger* debugger, lua_State* L, lua_Debug* record) noexcept nogil
# The script has ended.
cdef void debugger_finish(Debugger* debugger) noexcept nogil
# Writes the reply, and ends the process.
cdef void debugger_exit(Debugger* debugger, Reply* reply) noexcept nogil
cdef void debugger_free(Debugger* debugger) noexcept nogil
# A command is called, has answered a reply in RESP, or has been refused.
cdef void debugger_command(Debugger* debugger, const Argument* argv, int argc) noexcept nogil
cdef void debugger_reply(Debugger* debugger, const char* reply) noexcept nogil
cdef void debugger_error(Debugger* debugger, const char* error) noexcept nogil
# redis.debug: tells all values on the stack.
cdef void debugger_tell_values(Debugger* debugger, lua_State* L) noexcept nogil
