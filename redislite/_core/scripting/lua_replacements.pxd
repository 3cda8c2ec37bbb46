"""Functions of Lua's own libraries that stock Lua 5.1 has go astray, or whose state scripts would share, in other
words.

    unpack              counts values in more than 32 bits
    string.rep          asks for all memory at once, and takes no time for nothing
    collectgarbage      collects and counts; what would change how it works is remembered, and changes nothing
    math.random         the numbers of drand48, from the state that the originals begin with: the same of one seed
"""
from redislite._core.scripting.lua_api cimport lua_State

# Each replaces functions in the table on top of the stack. May raise Lua's error for want of memory.
cdef void replace_base(lua_State* L) noexcept nogil
cdef void replace_rep(lua_State* L) noexcept nogil
cdef void replace_random(lua_State* L) noexcept nogil
