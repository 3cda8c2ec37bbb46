"""Functions in the place of stock Lua's; the contract is in lua_replacements.pxd."""
from libc.math cimport floor
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strcmp
from redislite._core.scripting.lua_api cimport (
    LUA_GCCOLLECT, LUA_GCCOUNT, LUA_GCCOUNTB, LUA_GCSTEP, LUA_TNIL, LUA_TTABLE, LUA_UPVALUE_1, lua, lua_CFunction,
    lua_State, lua_fail, lua_set_function,
)

cdef int64_t TOTAL_MAX = <int64_t> 1 << 40      # bytes that string.rep makes: nobody has as many
cdef uint64_t RANDOM_FIRST = 0x1234abcd330e     # the state of drand48 where nobody has seeded it
cdef uint64_t RANDOM_FACTOR = 0x5deece66d
cdef uint64_t RANDOM_MASK = (<uint64_t> 1 << 48) - 1

cdef enum:
    INTEGER_MAX = 2147483647
    GC_DEFAULT = 200            # percent, of both settings


# What collectgarbage says that holds.
cdef struct Collector:
    int pause
    int step


cdef int base_unpack(lua_State* L) noexcept nogil:
    cdef int64_t first, last
    cdef int count
    lua.aux_checktype(L, 1, LUA_TTABLE)
    # As the original, which counts in 32 bits here.
    first = <int> lua.aux_optinteger(L, 2, 1)
    last = <int> lua.aux_checkinteger(L, 3) if lua.type(L, 3) > LUA_TNIL else <int64_t> lua.objlen(L, 1)
    if first > last:
        return 0
    count = <int> min(last - first + 1, <int64_t> INTEGER_MAX)
    if count == INTEGER_MAX or not lua.checkstack(L, count):
        return lua_fail(L, "too many results to unpack")
    while first <= last:
        lua.rawgeti(L, 1, <int> first)
        first += 1
    return count


cdef int string_rep(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* text = lua.aux_checklstring(L, 1, &length)
    cdef int64_t count = lua.aux_checkinteger(L, 2)
    cdef size_t total, done
    cdef char* room
    if count <= 0 or length == 0:
        lua.pushlstring(L, b"", 0)
        return 1
    if count > TOTAL_MAX // <int64_t> length:
        return lua_fail(L, "resulting string too large")
    total = length * <size_t> count
    room = <char*> lua.newuserdata(L, total)
    memcpy(room, text, length)
    done = length
    while done < total:
        length = min(done, total - done)
        memcpy(room + done, room, length)
        done += length
    lua.pushlstring(L, room, total)
    return 1


cdef int base_collectgarbage(lua_State* L) noexcept nogil:
    cdef Collector* collector = <Collector*> lua.touserdata(L, LUA_UPVALUE_1)
    cdef const char* what = lua.aux_checklstring(L, 1, NULL) if lua.type(L, 1) > LUA_TNIL else <const char*> b"collect"
    cdef int number = <int> lua.aux_optinteger(L, 2, 0)
    cdef char message[96]
    if strcmp(what, "collect") == 0:
        lua.gc(L, LUA_GCCOLLECT, 0)
        lua.pushnumber(L, 0)
    elif strcmp(what, "count") == 0:
        lua.pushnumber(L, lua.gc(L, LUA_GCCOUNT, 0) + lua.gc(L, LUA_GCCOUNTB, 0) / 1024.0)
    elif strcmp(what, "step") == 0:
        lua.pushboolean(L, lua.gc(L, LUA_GCSTEP, number if number > 0 else 0))
    elif strcmp(what, "setpause") == 0:
        lua.pushnumber(L, collector.pause)
        collector.pause = number
    elif strcmp(what, "setstepmul") == 0:
        lua.pushnumber(L, collector.step)
        collector.step = number
    elif strcmp(what, "stop") == 0 or strcmp(what, "restart") == 0:
        lua.pushnumber(L, 0)
    else:
        snprintf(message, sizeof(message), "invalid option '%s'", what)
        return lua.aux_argerror(L, 1, message)
    return 1


cdef int math_random(lua_State* L) noexcept nogil:
    cdef uint64_t* state = <uint64_t*> lua.touserdata(L, LUA_UPVALUE_1)
    cdef int count = lua.gettop(L)
    cdef double least = 1
    cdef double most, part
    state[0] = (state[0] * RANDOM_FACTOR + 11) & RANDOM_MASK
    part = <double> ((state[0] >> 17) % INTEGER_MAX) / INTEGER_MAX
    if count == 0:
        lua.pushnumber(L, part)
        return 1
    if count > 2:
        return lua_fail(L, "wrong number of arguments")
    if count == 2:
        least = <int> lua.aux_checkinteger(L, 1)
    most = <int> lua.aux_checkinteger(L, count)
    if least > most:
        return lua.aux_argerror(L, count, "interval is empty")
    lua.pushnumber(L, floor(part * (most - least + 1)) + least)
    return 1


cdef int math_randomseed(lua_State* L) noexcept nogil:
    cdef uint64_t* state = <uint64_t*> lua.touserdata(L, LUA_UPVALUE_1)
    cdef ptrdiff_t seed = lua.aux_checkinteger(L, 1)
    state[0] = (<uint64_t> <unsigned int> seed << 16) + 0x330e
    return 0


cdef void set_closure(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """To the table below the value on top, which the function has."""
    lua.pushvalue(L, -1)
    lua.pushcclosure(L, function, 1)
    lua.pushstring(L, name)
    lua.insert(L, -2)
    lua.rawset(L, -4)


cdef void replace_base(lua_State* L) noexcept nogil:
    cdef Collector* collector
    lua_set_function(L, "unpack", base_unpack)
    collector = <Collector*> lua.newuserdata(L, sizeof(Collector))
    collector.pause = collector.step = GC_DEFAULT
    set_closure(L, "collectgarbage", base_collectgarbage)
    lua.settop(L, -2)


cdef void replace_rep(lua_State* L) noexcept nogil:
    lua_set_function(L, "rep", string_rep)


cdef void replace_random(lua_State* L) noexcept nogil:
    (<uint64_t*> lua.newuserdata(L, sizeof(uint64_t)))[0] = RANDOM_FIRST
    set_closure(L, "random", math_random)
    set_closure(L, "randomseed", math_randomseed)
    lua.settop(L, -2)
