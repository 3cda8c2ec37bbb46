"""The sandbox of scripts; the contract is in lua_sandbox.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.string cimport memcmp
from redislite._core.scripting.lua_api cimport (
    LUA_ERRSYNTAX, LUA_GLOBALSINDEX, LUA_MULTRET, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TNIL, LUA_TNONE, LUA_TNUMBER,
    LUA_TSTRING, LUA_TTABLE, LUA_UPVALUE_1, lua, lua_CFunction, lua_Debug, lua_State, lua_fail, lua_pop, lua_set,
    lua_set_function, lua_set_string, lua_tick,
)
from redislite._core.scripting.lua_patterns cimport replace_patterns
from redislite._core.scripting.lua_replacements cimport replace_base, replace_random, replace_rep

cdef const char* READ_ONLY = b"Attempt to modify a readonly table"
cdef enum:
    BINARY_CHUNK = 27           # the first byte of one
    SOURCE_MAX = 1 << 30        # bytes of code: beyond it, what counts them in Lua overflows

# Its address is the key under which a guard's metatable has the table.
cdef char MARK = 0

# What the base library gives to scripts as it is.
cdef const char** BASE = [
    b"assert", b"coroutine", b"error", b"gcinfo", b"ipairs", b"rawequal", b"select", b"tonumber",
    b"tostring", b"type", b"xpcall", b"_VERSION", NULL,
]


cdef bint push_guarded(lua_State* L, int index) noexcept nogil:
    if lua.type(L, index) != LUA_TTABLE or not lua.getmetatable(L, index):
        return 0
    lua.pushlightuserdata(L, &MARK)
    lua.rawget(L, -2)
    lua.remove(L, -2)
    if lua.type(L, -1) == LUA_TTABLE:
        return 1
    lua_pop(L, 1)
    return 0


cdef bint is_guard(lua_State* L, int index) noexcept nogil:
    if not push_guarded(L, index):
        return 0
    lua_pop(L, 1)
    return 1


cdef void refuse_guard(lua_State* L, int index) noexcept nogil:
    """Raises the error where a guard stands at the index."""
    if is_guard(L, index):
        lua.pushstring(L, READ_ONLY)
        lua.error(L)


cdef int on_write(lua_State* L) noexcept nogil:
    return lua_fail(L, READ_ONLY)


cdef void guard(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 0)
    lua.createtable(L, 0, 3)
    lua.pushvalue(L, -3)
    lua_set(L, "__index")
    lua_set_function(L, "__newindex", on_write)
    lua.pushlightuserdata(L, &MARK)
    lua.pushvalue(L, -4)
    lua.rawset(L, -3)
    lua.setmetatable(L, -2)
    lua.remove(L, -2)


cdef int on_missing_global(lua_State* L) noexcept nogil:
    lua.aux_where(L, 1)
    lua.pushstring(L, "Script attempted to access nonexistent global variable '")
    # The name may be anything that a table of globals is asked for.
    if lua.isstring(L, 2):
        lua.pushvalue(L, 2)
    else:
        lua.pushstring(L, lua.typename(L, lua.type(L, 2)))
    lua.pushstring(L, "'")
    lua.concat(L, 4)
    return lua.error(L)


cdef void guard_missing(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 1)
    lua_set_function(L, "__index", on_missing_global)
    lua.setmetatable(L, -2)


# Functions of the base library that look past metatables, or at them

cdef int base_rawset(lua_State* L) noexcept nogil:
    lua.aux_checktype(L, 1, LUA_TTABLE)
    lua.aux_checkany(L, 2)
    lua.aux_checkany(L, 3)
    refuse_guard(L, 1)
    lua.settop(L, 3)
    if lua.type(L, 2) == LUA_TNIL:
        return lua_fail(L, "index is nil")
    lua.rawset(L, 1)
    return 1


cdef int base_rawget(lua_State* L) noexcept nogil:
    lua.aux_checktype(L, 1, LUA_TTABLE)
    lua.aux_checkany(L, 2)
    lua.settop(L, 2)
    if push_guarded(L, 1):
        lua.replace(L, 1)
    lua.rawget(L, 1)
    return 1


cdef int base_next(lua_State* L) noexcept nogil:
    lua.aux_checktype(L, 1, LUA_TTABLE)
    lua.settop(L, 2)
    if push_guarded(L, 1):
        lua.replace(L, 1)
    if lua.next(L, 1):
        return 2
    lua.pushnil(L)
    return 1


cdef int base_pairs(lua_State* L) noexcept nogil:
    lua.aux_checktype(L, 1, LUA_TTABLE)
    # The original's own next is quicker, and sees all there is where nothing is guarded.
    if is_guard(L, 1):
        lua.pushcclosure(L, base_next, 0)
    else:
        lua.pushvalue(L, LUA_UPVALUE_1)
    lua.pushvalue(L, 1)
    lua.pushnil(L)
    return 3


cdef int base_setmetatable(lua_State* L) noexcept nogil:
    cdef int type = lua.type(L, 2)
    lua.aux_checktype(L, 1, LUA_TTABLE)
    if type != LUA_TNIL and type != LUA_TTABLE:
        return lua.aux_argerror(L, 2, "nil or table expected")
    refuse_guard(L, 1)
    if lua.getmetatable(L, 1):
        lua.pushstring(L, "__metatable")
        lua.rawget(L, -2)
        if lua.type(L, -1) != LUA_TNIL:
            return lua_fail(L, "cannot change a protected metatable")
    lua.settop(L, 2)
    lua.setmetatable(L, 1)
    return 1


cdef int base_getmetatable(lua_State* L) noexcept nogil:
    lua.aux_checkany(L, 1)
    if not lua.getmetatable(L, 1):
        lua.pushnil(L)
        return 1
    # Those of guards and of strings are everybody's: shown, but not to be changed; nor is what a guard stands before.
    if is_guard(L, 1):
        lua.createtable(L, 0, 1)
        lua.pushvalue(L, 1)
        lua_set(L, "__index")
        guard(L)
        return 1
    if lua.type(L, 1) == LUA_TSTRING:
        guard(L)
        return 1
    lua.pushstring(L, "__metatable")
    lua.rawget(L, -2)
    if lua.type(L, -1) == LUA_TNIL:
        lua_pop(L, 1)
    return 1


cdef int base_pcall(lua_State* L) noexcept nogil:
    """As Lua's, but that an error which is a table with a text stands as the text: redis.call raises such."""
    lua.aux_checkany(L, 1)
    lua.pushboolean(L, 1)
    lua.insert(L, 1)
    if lua.pcall(L, lua.gettop(L) - 2, LUA_MULTRET, 0) != 0:
        lua.remove(L, 1)
        if lua.type(L, -1) == LUA_TTABLE:
            lua.pushstring(L, "err")
            lua.rawget(L, -2)
            if lua.isstring(L, -1):
                lua.replace(L, -2)
            else:
                lua_pop(L, 1)
        lua.pushboolean(L, 0)
        lua.insert(L, -2)
        return 2
    return lua.gettop(L)


cdef int load_source(lua_State* L, const char* text, size_t length, const char* name) noexcept nogil:
    cdef int failed
    if length and text[0] == BINARY_CHUNK:
        lua.pushstring(L, "attempt to load a binary chunk")
        return LUA_ERRSYNTAX
    if length > SOURCE_MAX:
        lua.pushstring(L, "code is too long")
        return LUA_ERRSYNTAX
    # Stock Lua's parser has the name collected while it still uses it: here somebody holds on to it.
    lua.pushstring(L, name)
    failed = lua.aux_loadbuffer(L, text, length, name)
    lua.remove(L, -2)
    return failed


cdef int load_text(lua_State* L, const char* text, size_t length, const char* name) noexcept nogil:
    """What load and loadstring answer."""
    if load_source(L, text, length, name) == 0:
        return 1
    lua.pushnil(L)
    lua.insert(L, -2)
    return 2


cdef int base_loadstring(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* text = lua.aux_checklstring(L, 1, &length)
    cdef const char* name = text
    if lua.type(L, 2) > LUA_TNIL:
        name = lua.aux_checklstring(L, 2, NULL)
    return load_text(L, text, length, name)


cdef int base_load(lua_State* L) noexcept nogil:
    """All pieces are asked for before the first is looked at: so none of a binary chunk gets by."""
    cdef size_t length
    cdef const char* text
    cdef const char* name = b"=(load)"
    cdef int pieces = 0
    lua.aux_checktype(L, 1, LUA_TFUNCTION)
    if lua.type(L, 2) > LUA_TNIL:
        name = lua.aux_checklstring(L, 2, NULL)
    lua.settop(L, 2)
    lua.pushlstring(L, b"", 0)
    while True:
        lua.pushvalue(L, 1)
        lua.call(L, 0, 1)
        if lua.type(L, -1) == LUA_TNIL:
            break
        if lua.type(L, -1) != LUA_TSTRING:
            lua.pushnil(L)
            lua.pushstring(L, "reader function must return a string")
            return 2
        lua.tolstring(L, -1, &length)
        if length == 0:
            break
        pieces += 1
        lua.concat(L, 2)
    lua_pop(L, 1)
    text = lua.tolstring(L, -1, &length)
    return load_text(L, text, length, name)


# Functions of other libraries that write past metatables

cdef int table_insert(lua_State* L) noexcept nogil:
    cdef int count = lua.gettop(L)
    cdef int last, place
    cdef uint32_t steps = 0
    lua.aux_checktype(L, 1, LUA_TTABLE)
    refuse_guard(L, 1)
    last = <int> lua.objlen(L, 1) + 1
    if count == 2:
        lua.rawseti(L, 1, last)
        return 0
    if count != 3:
        return lua_fail(L, "wrong number of arguments to 'insert'")
    place = <int> lua.aux_checkinteger(L, 2)
    if place > last:
        last = place
    while last > place:
        lua_tick(L, &steps)
        lua.rawgeti(L, 1, last - 1)
        lua.rawseti(L, 1, last)
        last -= 1
    lua.rawseti(L, 1, place)
    return 0


cdef int table_remove(lua_State* L) noexcept nogil:
    cdef int count, place
    lua.aux_checktype(L, 1, LUA_TTABLE)
    refuse_guard(L, 1)
    count = <int> lua.objlen(L, 1)
    place = <int> lua.aux_optinteger(L, 2, count)
    if not 1 <= place <= count:
        return 0
    lua.rawgeti(L, 1, place)
    while place < count:
        lua.rawgeti(L, 1, place + 1)
        lua.rawseti(L, 1, place)
        place += 1
    lua.pushnil(L)
    lua.rawseti(L, 1, count)
    return 1


cdef int guarded_call(lua_State* L) noexcept nogil:
    refuse_guard(L, 1)
    lua.pushvalue(L, LUA_UPVALUE_1)
    lua.insert(L, 1)
    lua.call(L, lua.gettop(L) - 1, LUA_MULTRET)
    return lua.gettop(L)


cdef void guard_arguments(lua_State* L, const char* name) noexcept nogil:
    """Of the function of this name in the table on top."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    lua.pushcclosure(L, guarded_call, 1)
    lua_set(L, name)


cdef void copy_field(lua_State* L, const char* name) noexcept nogil:
    """From Lua's own globals to the table on top."""
    lua.getfield(L, LUA_GLOBALSINDEX, name)
    lua_set(L, name)


cdef void open_library(lua_State* L, lua_CFunction opener, const char* name) noexcept nogil:
    lua.pushcclosure(L, opener, 0)
    lua.pushstring(L, name)
    lua.call(L, 1, 0)


cdef void copy_library(lua_State* L, const char* name) noexcept nogil:
    """Guarded, from Lua's own globals to the table on top."""
    lua.getfield(L, LUA_GLOBALSINDEX, name)
    guard(L)
    lua_set(L, name)


cdef void guard_strings(lua_State* L) noexcept nogil:
    """Methods of strings are looked up through the guard of the library, so that no metatable leads behind it."""
    lua.pushstring(L, "")
    lua.getmetatable(L, -1)
    lua.getfield(L, LUA_GLOBALSINDEX, "string")
    guard(L)
    lua_set(L, "__index")
    lua_pop(L, 2)


cdef void sandbox_open(lua_State* L) noexcept nogil:
    cdef int i = 0
    open_library(L, lua.open_base, b"")
    open_library(L, lua.open_table, "table")
    open_library(L, lua.open_string, "string")
    open_library(L, lua.open_math, "math")
    open_library(L, lua.open_os, "os")
    lua.getfield(L, LUA_GLOBALSINDEX, "table")
    lua_set_function(L, "insert", table_insert)
    lua_set_function(L, "remove", table_remove)
    guard_arguments(L, "sort")
    guard_arguments(L, "setn")
    lua_pop(L, 1)
    lua.getfield(L, LUA_GLOBALSINDEX, "string")
    replace_patterns(L)
    replace_rep(L)
    lua_pop(L, 1)
    lua.getfield(L, LUA_GLOBALSINDEX, "math")
    replace_random(L)
    lua_pop(L, 1)

    lua.createtable(L, 0, 40)
    while BASE[i] != NULL:
        copy_field(L, BASE[i])
        i += 1
    replace_base(L)
    lua.pushstring(L, "coroutine")
    lua.rawget(L, -2)
    guard(L)
    lua_set(L, "coroutine")
    lua_set_function(L, "rawset", base_rawset)
    lua_set_function(L, "rawget", base_rawget)
    lua_set_function(L, "next", base_next)
    lua.getfield(L, LUA_GLOBALSINDEX, "next")
    lua.pushcclosure(L, base_pairs, 1)
    lua_set(L, "pairs")
    lua_set_function(L, "setmetatable", base_setmetatable)
    lua_set_function(L, "getmetatable", base_getmetatable)
    lua_set_function(L, "pcall", base_pcall)
    lua_set_function(L, "load", base_load)
    lua_set_function(L, "loadstring", base_loadstring)
    lua_set_function(L, "__redis__err__handler", error_handler)
    copy_library(L, "table")
    copy_library(L, "string")
    copy_library(L, "math")
    guard_strings(L)
    # Of what asks the system, a script may know the processor time.
    lua.createtable(L, 0, 1)
    lua.getfield(L, LUA_GLOBALSINDEX, "os")
    lua.pushstring(L, "clock")
    lua.rawget(L, -2)
    lua.remove(L, -2)
    lua_set(L, "clock")
    guard(L)
    lua_set(L, "os")


cdef int base_setfenv(lua_State* L) noexcept nogil:
    """As Lua's, but that the globals of all stay what they are. Functions are counted from this one, not from its
    caller."""
    if lua.type(L, 1) == LUA_TNUMBER:
        if lua.tonumber(L, 1) < 1:
            lua.pushstring(L, READ_ONLY)
            return lua.error(L)
        lua.pushnumber(L, lua.tonumber(L, 1) + 1)
        lua.replace(L, 1)
    lua.pushvalue(L, LUA_UPVALUE_1)
    lua.insert(L, 1)
    lua.call(L, lua.gettop(L) - 1, LUA_MULTRET)
    return lua.gettop(L)


cdef void sandbox_add_deprecated(lua_State* L) noexcept nogil:
    copy_field(L, "getfenv")
    copy_field(L, "newproxy")
    lua.getfield(L, LUA_GLOBALSINDEX, "setfenv")
    lua.pushcclosure(L, base_setfenv, 1)
    lua_set(L, "setfenv")


cdef void sandbox_close(lua_State* L) noexcept nogil:
    guard_missing(L)
    lua.pushvalue(L, -1)
    guard(L)
    # The table knows itself by its guard.
    lua.pushvalue(L, -1)
    lua.insert(L, -3)
    lua_set(L, "_G")
    lua_pop(L, 1)
    lua.replace(L, LUA_GLOBALSINDEX)


cdef void push_place(lua_State* L, int level) noexcept nogil:
    """Sets source and line of the table on top to those of the code at this level of the stack, if there is any."""
    cdef lua_Debug record
    if not lua.getstack(L, level, &record) or not lua.getinfo(L, "nSl", &record):
        return
    if memcmp(record.what, b"C", 2) == 0 and (not lua.getstack(L, level + 1, &record)
                                              or not lua.getinfo(L, "nSl", &record)):
        return
    lua_set_string(L, "source", record.source)
    lua.pushnumber(L, record.currentline)
    lua_set(L, "line")


cdef int error_handler(lua_State* L) noexcept nogil:
    lua.settop(L, 1)
    if lua.type(L, 1) != LUA_TTABLE or is_guard(L, 1):
        lua.createtable(L, 0, 3)
        lua.pushstring(L, "ERR ")
        lua.getfield(L, LUA_GLOBALSINDEX, "tostring")
        lua.pushvalue(L, 1)
        lua.call(L, 1, 1)
        if not lua.isstring(L, -1):
            lua_pop(L, 1)
            lua.pushstring(L, "(error object is not a string)")
        lua.concat(L, 2)
        lua_set(L, "err")
    push_place(L, 1)
    return 1
