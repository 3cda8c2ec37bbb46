"""The library `bit` of scripts: operations on the low 32 bits of numbers (https://bitop.luajit.org/api.html)."""
from redislite._core.scripting.lua_api cimport lua_State

# Pushes the library's table. May raise Lua's error for want of memory.
cdef void open_bit(lua_State* L) noexcept nogil
