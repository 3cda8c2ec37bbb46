"""The library `cmsgpack` of scripts: MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md).

A table whose keys are 1 to n is an array, any other a map; numbers without a fraction are integers, in the shortest
form; what is nested more deeply than NESTING_MAX, and what is no data (functions), becomes nil.
"""
from redislite._core.scripting.lua_api cimport lua_State

# Pushes the library's table. May raise Lua's error for want of memory.
cdef void open_cmsgpack(lua_State* L) noexcept nogil
