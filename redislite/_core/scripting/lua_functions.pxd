"""Libraries of functions in Lua.

A library is code that calls register_function.  It runs in the environment of all libraries, a guard (lua_sandbox.pxd)
that shows one of two tables: while a library is loaded, redis and server with next to nothing in them, and otherwise
what scripts have, but for KEYS and ARGV.
"""
from redislite._core.scripting.functions cimport FunctionEngine


cdef const FunctionEngine* lua_functions() noexcept nogil
