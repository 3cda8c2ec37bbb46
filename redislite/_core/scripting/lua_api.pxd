"""Lua 5.1's C API, resolved at run time from the shared object that the package lupa brings.

    lua_resolve() ─▶ import lupa.lua51 ─▶ dlopen its file ─▶ dlsym each name of API ─▶ lua: a table of function pointers

So scripts run at C speed, nothing of Lua is compiled here, and who runs no script loads nothing.

The names are those of the
reference manual (https://www.lua.org/manual/5.1/manual.html#3) without their prefix; luaL_* functions have `aux_`
before them.

An error in Lua leaves C functions by longjmp: a function that Lua calls must own no memory and hold no Python object
when it calls what may raise one (marked m: only for want of memory, e: in other cases too, as in the manual).
"""
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint32_t
from libc.string cimport memset

cdef extern from *:
    """
    typedef struct lua_State lua_State;
    """
    ctypedef struct lua_State:
        pass

ctypedef int (*lua_CFunction)(lua_State* L) noexcept nogil
ctypedef void* (*lua_Alloc)(void* owner, void* block, size_t old_size, size_t new_size) noexcept nogil

cdef enum:
    LUA_REGISTRYINDEX = -10000
    LUA_GLOBALSINDEX = -10002
    LUA_UPVALUE_1 = -10003      # the first value of the closure that runs
    LUA_MULTRET = -1
    LUA_MINSTACK = 20           # places that a C function finds
    LUA_ERRRUN = 2
    LUA_ERRSYNTAX = 3
    LUA_ERRMEM = 4
    LUA_GCCOLLECT = 2
    LUA_GCCOUNT = 3             # kilobytes
    LUA_GCCOUNTB = 4            # the bytes besides
    LUA_GCSTEP = 5
    LUA_HOOKLINE = 2            # lua_Debug.event
    LUA_HOOKCOUNT = 3
    LUA_MASKLINE = 4
    LUA_MASKCOUNT = 8
    LUA_IDSIZE = 60
    TICKS = 0x10000             # a power of two: steps of C code between two looks at the hook

# What lua.type answers.
cdef enum:
    LUA_TNONE = -1
    LUA_TNIL = 0
    LUA_TBOOLEAN = 1
    LUA_TLIGHTUSERDATA = 2
    LUA_TNUMBER = 3
    LUA_TSTRING = 4
    LUA_TTABLE = 5
    LUA_TFUNCTION = 6
    LUA_TUSERDATA = 7
    LUA_TTHREAD = 8


# What getinfo tells; the layout is Lua's.
cdef struct lua_Debug:
    int event
    const char* name
    const char* namewhat
    const char* what
    const char* source
    int currentline
    int nups
    int linedefined
    int lastlinedefined
    char short_src[LUA_IDSIZE]
    int i_ci


ctypedef void (*lua_Hook)(lua_State* L, lua_Debug* record) noexcept nogil


cdef struct LuaApi:
    lua_State* (*newstate)(lua_Alloc allocate, void* owner) noexcept nogil
    void (*close)(lua_State* L) noexcept nogil
    lua_Alloc (*getallocf)(lua_State* L, void** owner) noexcept nogil
    lua_CFunction (*atpanic)(lua_State* L, lua_CFunction panic) noexcept nogil
    # stack
    int (*gettop)(lua_State* L) noexcept nogil
    void (*settop)(lua_State* L, int index) noexcept nogil
    void (*pushvalue)(lua_State* L, int index) noexcept nogil
    void (*remove)(lua_State* L, int index) noexcept nogil
    void (*insert)(lua_State* L, int index) noexcept nogil
    void (*replace)(lua_State* L, int index) noexcept nogil
    int (*checkstack)(lua_State* L, int more) noexcept nogil                            # m
    void (*xmove)(lua_State* source, lua_State* target, int count) noexcept nogil
    # reading
    int (*type)(lua_State* L, int index) noexcept nogil
    const char* (*typename)(lua_State* L, int type) noexcept nogil
    int (*isnumber)(lua_State* L, int index) noexcept nogil
    int (*isstring)(lua_State* L, int index) noexcept nogil
    int (*iscfunction)(lua_State* L, int index) noexcept nogil
    int (*rawequal)(lua_State* L, int one, int other) noexcept nogil
    double (*tonumber)(lua_State* L, int index) noexcept nogil
    int (*toboolean)(lua_State* L, int index) noexcept nogil
    const char* (*tolstring)(lua_State* L, int index, size_t* length) noexcept nogil    # m
    size_t (*objlen)(lua_State* L, int index) noexcept nogil                            # m
    lua_State* (*tothread)(lua_State* L, int index) noexcept nogil
    void* (*touserdata)(lua_State* L, int index) noexcept nogil
    const void* (*topointer)(lua_State* L, int index) noexcept nogil
    # pushing
    void (*pushnil)(lua_State* L) noexcept nogil
    void (*pushnumber)(lua_State* L, double number) noexcept nogil
    void (*pushinteger)(lua_State* L, ptrdiff_t number) noexcept nogil
    void (*pushlstring)(lua_State* L, const char* data, size_t length) noexcept nogil   # m
    void (*pushstring)(lua_State* L, const char* text) noexcept nogil                   # m
    void (*pushcclosure)(lua_State* L, lua_CFunction function, int values) noexcept nogil   # m
    void (*pushboolean)(lua_State* L, int value) noexcept nogil
    void (*pushlightuserdata)(lua_State* L, void* address) noexcept nogil
    # tables
    void (*createtable)(lua_State* L, int array, int record) noexcept nogil             # m
    void* (*newuserdata)(lua_State* L, size_t size) noexcept nogil                      # m
    int (*getmetatable)(lua_State* L, int index) noexcept nogil
    int (*setmetatable)(lua_State* L, int index) noexcept nogil
    void (*gettable)(lua_State* L, int index) noexcept nogil                            # e
    void (*getfield)(lua_State* L, int index, const char* name) noexcept nogil          # e
    void (*settable)(lua_State* L, int index) noexcept nogil                            # e
    void (*setfield)(lua_State* L, int index, const char* name) noexcept nogil          # e
    void (*rawget)(lua_State* L, int index) noexcept nogil
    void (*rawgeti)(lua_State* L, int index, int number) noexcept nogil
    void (*rawset)(lua_State* L, int index) noexcept nogil                              # m
    void (*rawseti)(lua_State* L, int index, int number) noexcept nogil                 # m
    int (*next)(lua_State* L, int index) noexcept nogil                                 # e
    int (*setfenv)(lua_State* L, int index) noexcept nogil
    # running
    void (*call)(lua_State* L, int arguments, int results) noexcept nogil               # e
    int (*pcall)(lua_State* L, int arguments, int results, int handler) noexcept nogil
    int (*cpcall)(lua_State* L, lua_CFunction function, void* argument) noexcept nogil
    int (*error)(lua_State* L) noexcept nogil                                           # never returns
    void (*concat)(lua_State* L, int count) noexcept nogil                              # e
    int (*gc)(lua_State* L, int what, int data) noexcept nogil                          # e
    int (*sethook)(lua_State* L, lua_Hook hook, int mask, int count) noexcept nogil
    lua_Hook (*gethook)(lua_State* L) noexcept nogil
    const char* (*getlocal)(lua_State* L, const lua_Debug* record, int number) noexcept nogil
    int (*getstack)(lua_State* L, int level, lua_Debug* record) noexcept nogil
    int (*getinfo)(lua_State* L, const char* what, lua_Debug* record) noexcept nogil
    # the auxiliary library
    int (*aux_loadbuffer)(lua_State* L, const char* text, size_t length, const char* name) noexcept nogil
    int (*aux_ref)(lua_State* L, int table) noexcept nogil                              # m
    void (*aux_unref)(lua_State* L, int table, int reference) noexcept nogil
    void (*aux_where)(lua_State* L, int level) noexcept nogil                           # m
    int (*aux_argerror)(lua_State* L, int argument, const char* text) noexcept nogil    # never returns
    void (*aux_checktype)(lua_State* L, int argument, int type) noexcept nogil          # e
    void (*aux_checkany)(lua_State* L, int argument) noexcept nogil                     # e
    void (*aux_checkstack)(lua_State* L, int more, const char* text) noexcept nogil     # e
    double (*aux_checknumber)(lua_State* L, int argument) noexcept nogil                # e
    ptrdiff_t (*aux_checkinteger)(lua_State* L, int argument) noexcept nogil            # e
    ptrdiff_t (*aux_optinteger)(lua_State* L, int argument, ptrdiff_t value) noexcept nogil     # e
    const char* (*aux_checklstring)(lua_State* L, int argument, size_t* length) noexcept nogil  # e
    # libraries
    int (*open_base)(lua_State* L) noexcept nogil
    int (*open_table)(lua_State* L) noexcept nogil
    int (*open_string)(lua_State* L) noexcept nogil
    int (*open_math)(lua_State* L) noexcept nogil
    int (*open_os)(lua_State* L) noexcept nogil


# The functions; all NULL until lua_resolve has succeeded.
cdef LuaApi lua

# Looks the functions up, once per process. ImportError, saying what to do, where lupa is missing or has no such
# symbols.
cdef int lua_resolve() except -1


# Raises an error of this text, with the place of the Lua code that called before it.
cdef inline int lua_fail(lua_State* L, const char* text) noexcept nogil:
    lua.aux_where(L, 1)
    lua.pushstring(L, text)
    lua.concat(L, 2)
    return lua.error(L)


# Runs the hook, if there is one, as Lua's virtual machine does every so many instructions. May raise its error.
cdef inline void lua_run_hook(lua_State* L) noexcept nogil:
    cdef lua_Hook hook = lua.gethook(L)
    cdef lua_Debug record
    if hook != NULL:
        memset(&record, 0, sizeof(record))
        record.event = LUA_HOOKCOUNT
        record.currentline = -1
        hook(L, &record)


# Counts a step of C code that goes on for as long as a script wants: so others are served meanwhile, and it can be
# ended.
cdef inline void lua_tick(lua_State* L, uint32_t* steps) noexcept nogil:
    steps[0] += 1
    if steps[0] & (TICKS - 1) == 0:
        lua_run_hook(L)


cdef inline void lua_pop(lua_State* L, int count) noexcept nogil:
    lua.settop(L, -count - 1)


# Sets a field of the table on top of the stack to what is above it. The table must have no metatable.
cdef inline void lua_set(lua_State* L, const char* name) noexcept nogil:
    lua.pushstring(L, name)
    lua.insert(L, -2)
    lua.rawset(L, -3)


cdef inline void lua_set_function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    lua.pushcclosure(L, function, 0)
    lua_set(L, name)


cdef inline void lua_set_number(lua_State* L, const char* name, double number) noexcept nogil:
    lua.pushnumber(L, number)
    lua_set(L, name)


cdef inline void lua_set_string(lua_State* L, const char* name, const char* text) noexcept nogil:
    lua.pushstring(L, text)
    lua_set(L, name)
