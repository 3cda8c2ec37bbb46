"""Lua's functions by name; the contract is in lua_api.pxd."""
from libc.string cimport memset

cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char* path, int flags)
    void* dlsym(void* library, const char* name)
    enum:
        RTLD_NOW

# In the order of LuaApi's members.
NAMES = (
    "newstate close getallocf atpanic "
    "gettop settop pushvalue remove insert replace checkstack xmove "
    "type typename isnumber isstring iscfunction rawequal tonumber toboolean tolstring objlen tothread touserdata "
    "topointer pushnil pushnumber pushinteger pushlstring pushstring pushcclosure pushboolean pushlightuserdata "
    "createtable newuserdata getmetatable setmetatable gettable getfield settable setfield rawget rawgeti rawset "
    "rawseti next setfenv "
    "call pcall cpcall error concat gc sethook gethook getlocal getstack getinfo "
    "aux_loadbuffer aux_ref aux_unref aux_where aux_argerror aux_checktype aux_checkany aux_checkstack "
    "aux_checknumber aux_checkinteger aux_optinteger aux_checklstring "
    "open_base open_table open_string open_math open_os"
).split()
PREFIXES = {"aux": "luaL_", "open": "luaopen_"}


def symbol_of(name: str) -> str:
    """What Lua's library calls it."""
    kind, _, rest = name.partition("_")
    return PREFIXES[kind] + rest if kind in PREFIXES else "lua_" + name


cdef int lua_resolve() except -1:
    cdef void** place = <void**> &lua
    cdef void* library
    cdef bytes word
    cdef size_t i
    if lua.newstate != NULL:
        return 0
    if len(NAMES) * sizeof(void*) != sizeof(LuaApi):
        raise SystemError("lua_api: NAMES and LuaApi differ")
    try:
        from lupa import lua51
    except ImportError as error:
        raise ImportError(f"scripts need the package lupa with Lua 5.1 (pip install lupa): {error}") from error
    word = lua51.__file__.encode()
    library = dlopen(word, RTLD_NOW)
    if library == NULL:
        raise ImportError(f"scripts need Lua 5.1's library, and {lua51.__file__} could not be opened as one")
    for i in range(len(NAMES)):
        word = symbol_of(NAMES[i]).encode()
        place[i] = dlsym(library, word)
        if place[i] == NULL:
            memset(place, 0, sizeof(LuaApi))
            raise ImportError(f"scripts need Lua 5.1's functions, and {lua51.__file__} does not show {word.decode()}: "
                              "install a lupa whose lua51 module exports them, as its wheels do")
    return 0
