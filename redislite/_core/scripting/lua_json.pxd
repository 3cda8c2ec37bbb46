"""The library `cjson` of scripts: JSON (RFC 8259), with the settings of
https://kyne.au/~mark/software/lua-cjson-manual.html.

A table with positive whole numbers alone for keys is an array, an empty one an object; null is cjson.null, a light
userdata. Each module (cjson itself, and what cjson.new makes) has settings of its own, which last as long as the
interpreter.
"""
from redislite._core.scripting.lua_api cimport lua_State

# Pushes the library's table. May raise Lua's error for want of memory.
cdef void open_cjson(lua_State* L) noexcept nogil
