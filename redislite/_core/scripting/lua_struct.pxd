"""The library `struct` of scripts: numbers and strings packed as C structs are
(http://www.inf.puc-rio.br/~roberto/struct/).

    >  big endian      <  little endian (at first)     ![n]  values are aligned, to n bytes at the most
    x  a byte of padding     b B  1 byte     h H  2     l L T  8     i[n] I[n]  n bytes, 4 without a number
    f  float     d  double   s  a string that ends with a zero    c[n]  n bytes, 1 without a number; c0: see below

c0 packs a whole string; unpacking, it takes as many bytes as the value before it says.
"""
from redislite._core.scripting.lua_api cimport lua_State

# Pushes the library's table. May raise Lua's error for want of memory.
cdef void open_struct(lua_State* L) noexcept nogil
