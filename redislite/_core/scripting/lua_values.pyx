"""Lua values and replies; the contract is in lua_values.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memset, strlen
from redislite._core.protocol.reply cimport (
    reply_array, reply_bool, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_double, reply_error,
    reply_custom_error, reply_error_again, reply_integer, reply_map, reply_null, reply_raw, reply_set, reply_verbatim,
)
from redislite._core.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_State, lua_pop, lua_set, lua_set_number,
)
from redislite._core.state.core cimport Chunk, Reply
from redislite._core.text.numbers cimport format_double, format_int64, parse_int64

cdef enum:
    STACK_PER_LEVEL = 6         # places that one level of nesting takes
    FORMAT_LENGTH = 3           # of a verbatim string: "txt"


# What the originals call it, and scripts may see.
cdef const char* MARK = b"ignore_error_stats_update"


cdef int number_text(double number, char* text) noexcept nogil:
    # What lies beyond 63 bits is not to be converted: C leaves open what comes of it.
    if -9.2e18 < number < 9.2e18 and <double> <int64_t> number == number:
        return format_int64(text, <int64_t> number)
    return format_double(text, number)


cdef void error_push(lua_State* L, const char* text, size_t length) noexcept nogil:
    lua.createtable(L, 0, 3)
    lua.pushlstring(L, text, length)
    lua_set(L, "err")


cdef void error_mark(lua_State* L) noexcept nogil:
    lua.pushboolean(L, 1)
    lua_set(L, MARK)


cdef bint error_is_marked(lua_State* L) noexcept nogil:
    if not push_field(L, MARK, LUA_TBOOLEAN):
        return 0
    lua_pop(L, 1)
    return 1


cdef const char* push_pairs(lua_State* L, const char* data, int64_t count, const char* name,
                            bint is_set) noexcept nogil:
    """{name = {key = value …}}; of a set every value is true."""
    cdef int64_t i
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, <int> count)
    for i in range(count):
        data = value_push(L, data)
        if data == NULL:
            lua_pop(L, 2)
            return NULL
        if is_set:
            lua.pushboolean(L, 1)
        else:
            data = value_push(L, data)
            if data == NULL:
                lua_pop(L, 3)
                return NULL
        if lua.type(L, -2) == LUA_TNIL:
            lua_pop(L, 2)               # nil is no key in Lua
        else:
            lua.rawset(L, -3)
    lua_set(L, name)
    return data


cdef const char* push_verbatim(lua_State* L, const char* data, int64_t length) noexcept nogil:
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, 2)
    lua.pushlstring(L, data, FORMAT_LENGTH)
    lua_set(L, "format")
    lua.pushlstring(L, data + FORMAT_LENGTH + 1, length - FORMAT_LENGTH - 1)
    lua_set(L, "string")
    lua_set(L, "verbatim_string")
    return data + length + 2


cdef const char* push_text(lua_State* L, const char* name, const char* data, size_t length) noexcept nogil:
    """{name = text}"""
    lua.createtable(L, 0, 1)
    lua.pushlstring(L, data, length)
    lua_set(L, name)
    return data + length + 2


cdef const char* value_push(lua_State* L, const char* data) noexcept nogil:
    cdef char kind = data[0]
    cdef const char* line = data + 1
    cdef const char* end = line
    cdef int64_t number = 0
    cdef int64_t i
    if not lua.checkstack(L, STACK_PER_LEVEL):
        return NULL
    while end[0] != c'\r':
        end += 1
    if kind == c'$':
        parse_int64(line, end - line, &number)
        data = end + 2
        if number < 0:
            lua.pushboolean(L, 0)
            return data
        lua.pushlstring(L, data, <size_t> number)
        return data + number + 2
    if kind == c':':
        parse_int64(line, end - line, &number)
        lua.pushnumber(L, <double> number)
        return end + 2
    if kind == c'+':
        return push_text(L, "ok", line, end - line)
    if kind == c'-':
        error_push(L, line, end - line)
        error_mark(L)
        return end + 2
    if kind == c'_':
        lua.pushnil(L)
        return end + 2
    if kind == c'#':
        lua.pushboolean(L, line[0] == c't')
        return end + 2
    if kind == c',':
        lua.createtable(L, 0, 1)
        lua_set_number(L, "double", strtod(line, NULL))
        return end + 2
    if kind == c'(':
        return push_text(L, "big_number", line, end - line)
    parse_int64(line, end - line, &number)
    data = end + 2
    if kind == c'|':
        # What stands with a reply, and is not part of it.
        for i in range(2 * number):
            data = value_push(L, data)
            if data == NULL:
                return NULL
            lua_pop(L, 1)
        return value_push(L, data)
    if kind == c'=':
        return push_verbatim(L, data, number)
    if kind == c'%':
        return push_pairs(L, data, number, "map", 0)
    if kind == c'~':
        return push_pairs(L, data, number, "set", 1)
    if number < 0:
        lua.pushboolean(L, 0)
        return data
    lua.createtable(L, <int> number, 0)
    for i in range(number):
        data = value_push(L, data)
        if data == NULL:
            lua_pop(L, 1)
            return NULL
        lua.rawseti(L, -2, <int> i + 1)
    return data


cdef bint push_field(lua_State* L, const char* name, int type) noexcept nogil:
    """Pushes a field of the table on top, where it is of this type."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    if lua.type(L, -1) == type:
        return 1
    lua_pop(L, 1)
    return 0


cdef void reply_pairs(lua_State* L, Reply* reply, bint is_set, bint resp3) noexcept nogil:
    """The table on top: its keys, and its values but for a set. Pops it."""
    cdef int64_t count = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        lua_pop(L, 1)
        count += 1
    if is_set:
        reply_set(reply, count)
    else:
        reply_map(reply, count)
    lua.pushnil(L)
    while lua.next(L, -2):
        # The key is needed again to find the next one.
        lua.pushvalue(L, -2)
        value_reply(L, reply, resp3)
        if is_set:
            lua_pop(L, 1)
        else:
            value_reply(L, reply, resp3)
    lua_pop(L, 1)


cdef void reply_bulk_line(Reply* reply, const char* text, size_t length) noexcept nogil:
    """A bulk string in which what would end a line is a space."""
    cdef char header[32]
    reply_raw(reply, header, <size_t> snprintf(header, sizeof(header), "$%zu\r\n", length))
    reply_line(reply, "", text, length)


cdef void reply_line(Reply* reply, const char* kind, const char* text, size_t length) noexcept nogil:
    """One line behind its kind: what would end it becomes a space."""
    cdef const char* place = text
    cdef const char* end = text + length
    reply_raw(reply, kind, strlen(kind))
    while text < end:
        place = text
        while place < end and place[0] != c'\r' and place[0] != c'\n':
            place += 1
        reply_raw(reply, text, place - text)
        if place < end:
            reply_raw(reply, " ", 1)
        text = place + 1
    reply_raw(reply, "\r\n", 2)


cdef bint reply_marked_table(lua_State* L, Reply* reply, bint resp3) noexcept nogil:
    """Replies the table on top, and pops it, where a field says what it stands for."""
    cdef const char* text
    cdef char format[FORMAT_LENGTH + 1]
    cdef const char* said
    cdef size_t length, said_length
    cdef size_t i
    if push_field(L, "err", LUA_TSTRING):
        text = lua.tolstring(L, -1, &length)
        lua.insert(L, -2)               # the text stays where it is
        if error_is_marked(L):
            reply_error_again(reply, text, length)
        else:
            reply_custom_error(reply, text, length)
        lua_pop(L, 2)
        return 1
    if push_field(L, "ok", LUA_TSTRING):
        text = lua.tolstring(L, -1, &length)
        reply_line(reply, "+", text, length)
        lua_pop(L, 2)
        return 1
    if push_field(L, "double", LUA_TNUMBER):
        reply_double(reply, lua.tonumber(L, -1))
        lua_pop(L, 2)
        return 1
    if push_field(L, "map", LUA_TTABLE):
        reply_pairs(L, reply, 0, resp3)
        lua_pop(L, 1)
        return 1
    if push_field(L, "set", LUA_TTABLE):
        reply_pairs(L, reply, 1, resp3)
        lua_pop(L, 1)
        return 1
    if push_field(L, "big_number", LUA_TSTRING):
        text = lua.tolstring(L, -1, &length)
        if reply.protocol == 2:
            reply_bulk_line(reply, text, length)
        else:
            reply_line(reply, "(", text, length)
        lua_pop(L, 2)
        return 1
    if push_field(L, "verbatim_string", LUA_TTABLE):
        if push_field(L, "string", LUA_TSTRING):
            text = lua.tolstring(L, -1, &length)
            lua.insert(L, -2)
            if push_field(L, "format", LUA_TSTRING):
                said = lua.tolstring(L, -1, &said_length)
                memset(format, c' ', FORMAT_LENGTH)
                for i in range(min(said_length, <size_t> FORMAT_LENGTH)):
                    format[i] = said[i]
                reply_verbatim(reply, format, text, length)
                lua_pop(L, 4)
                return 1
            lua_pop(L, 1)
        lua_pop(L, 1)
    return 0


cdef void value_reply(lua_State* L, Reply* reply, bint resp3) noexcept nogil:
    cdef int type = lua.type(L, -1)
    cdef const char* text
    cdef size_t length
    cdef Chunk* place
    cdef int count = 0
    if not lua.checkstack(L, STACK_PER_LEVEL):
        reply_error(reply, "ERR reached lua stack limit")
        lua_pop(L, 1)
        return
    if type == LUA_TSTRING:
        text = lua.tolstring(L, -1, &length)
        reply_bulk(reply, text, length)
    elif type == LUA_TNUMBER:
        reply_integer(reply, integer_of(lua.tonumber(L, -1)))
    elif type == LUA_TBOOLEAN:
        if resp3:
            reply_bool(reply, lua.toboolean(L, -1))
        elif lua.toboolean(L, -1):
            reply_integer(reply, 1)
        else:
            reply_null(reply)
    elif type == LUA_TTABLE:
        if reply_marked_table(L, reply, resp3):
            return
        place = reply_deferred_begin(reply)
        while True:
            lua.rawgeti(L, -1, count + 1)
            if lua.type(L, -1) == LUA_TNIL:
                lua_pop(L, 1)
                break
            value_reply(L, reply, resp3)
            count += 1
        reply_deferred_end(reply, place, c'*', count)
    else:
        reply_null(reply)
    lua_pop(L, 1)


cdef inline int64_t integer_of(double number) noexcept nogil:
    """As the processor converts it; what no integer comes near is the least one."""
    if -9223372036854775808.0 <= number < 9223372036854775808.0:
        return <int64_t> number
    return <int64_t> 1 << 63
