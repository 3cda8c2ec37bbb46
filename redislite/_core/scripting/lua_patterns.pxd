"""Patterns of Lua (https://www.lua.org/manual/5.1/manual.html#5.4.1): `find`, `match`, `gmatch` and `gsub` of the
library `string`.

Stock Lua calls itself as deeply as a pattern has repeated items, which may be more than the stack bears, and nothing
ends a search that takes years. Here calls within calls are limited («pattern too complex»), and the hook of Lua's
virtual machine is run now and then. Otherwise values and error texts are those of stock Lua.
"""
from redislite._core.scripting.lua_api cimport lua_State

# Replaces the functions in the library on top of the stack. May raise Lua's error for want of memory.
cdef void replace_patterns(lua_State* L) noexcept nogil
