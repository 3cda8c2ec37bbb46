"""What a script finds when it begins: the original's globals and libraries, none of which it can change.

A table is made read-only by putting an empty one before it, whose metatable reads from it and refuses to write:

    script ─▶ guard {} ─ metatable ─┬─ __index    ─▶ the table
                                    ├─ __newindex ─▶ «Attempt to modify a readonly table»
                                    └─ MARK       ─▶ the table, for what reads past metatables

Lua itself knows nothing of this, so everything in the libraries that reads or writes past metatables (next, pairs,
rawget, rawset, setmetatable, getmetatable, table.insert, …) is replaced by a function that looks for the mark. What
could bring in code that was not compiled here (binary chunks), or reach the process (io, os, package, debug), is not
there.
"""
from libc.stddef cimport size_t
from redislite._core.scripting.lua_api cimport lua_State


# Opens the libraries in a new state and replaces them; pushes the table of globals, still to be added to. May raise an
# error in Lua: to be called in protected mode.
cdef void sandbox_open(lua_State* L) noexcept nogil
# Adds getfenv, setfenv and newproxy, which the originals have withdrawn, to what was pushed by sandbox_open. Likewise.
cdef void sandbox_add_deprecated(lua_State* L) noexcept nogil
# Guards what was pushed by sandbox_open, pops it, and has all code that is loaded from here on see it. Likewise.
cdef void sandbox_close(lua_State* L) noexcept nogil
# Replaces the table on top of the stack by its guard. Likewise.
cdef void guard(lua_State* L) noexcept nogil
# Pushes the table behind the guard at the index; false, and nothing is pushed, where none stands there.
cdef bint push_guarded(lua_State* L, int index) noexcept nogil
# Has the table on top, which has no metatable, answer an error where it is asked for what it does not have. May raise
# an error in Lua.
cdef void guard_missing(lua_State* L) noexcept nogil
# What pcall is to call where an error happens: makes a table {err, source, line} of it.
cdef int error_handler(lua_State* L) noexcept nogil
# Compiles text: 0, and pushes the function, or an error code, and pushes the error. Binary chunks are refused.
cdef int load_source(lua_State* L, const char* text, size_t length, const char* name) noexcept nogil
