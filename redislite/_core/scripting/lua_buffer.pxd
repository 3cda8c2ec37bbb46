"""Bytes that grow, for functions which Lua calls: a userdata of Lua's on top of the stack, so that an error loses
nothing.

    lua.gettop ─▶ | the block, a userdata; replaced by a larger one when it is full |

buffer_open pushes the block; it must be at the same place of the stack whenever something is added. All of this may
raise Lua's error for want of memory.
"""
from libc.stddef cimport size_t
from libc.string cimport memcpy
from redislite._core.scripting.lua_api cimport lua, lua_State

cdef struct LuaBuffer:
    lua_State* L
    int index                   # where the block stands on the stack
    char* data
    size_t length
    size_t capacity


cdef inline void buffer_open(LuaBuffer* buffer, lua_State* L, size_t capacity) noexcept nogil:
    buffer.L = L
    buffer.length = 0
    buffer.capacity = capacity
    buffer.data = <char*> lua.newuserdata(L, capacity)
    buffer.index = lua.gettop(L)


# Room for need bytes behind what there is.
cdef inline char* buffer_room(LuaBuffer* buffer, size_t need) noexcept nogil:
    cdef char* grown
    cdef size_t capacity = buffer.capacity
    if capacity - buffer.length < need:
        while capacity - buffer.length < need:
            capacity *= 2
        grown = <char*> lua.newuserdata(buffer.L, capacity)
        memcpy(grown, buffer.data, buffer.length)
        lua.replace(buffer.L, buffer.index)
        buffer.data = grown
        buffer.capacity = capacity
    return buffer.data + buffer.length


cdef inline void buffer_add(LuaBuffer* buffer, const char* data, size_t length) noexcept nogil:
    cdef char* room = buffer_room(buffer, length)
    memcpy(room, data, length)
    buffer.length += length


cdef inline void buffer_add_byte(LuaBuffer* buffer, char byte) noexcept nogil:
    buffer_room(buffer, 1)[0] = byte
    buffer.length += 1


# Pushes what is in it as a string.
cdef inline void buffer_push(LuaBuffer* buffer) noexcept nogil:
    lua.pushlstring(buffer.L, buffer.data, buffer.length)
