"""`cmsgpack`; the contract is in lua_messagepack.pxd."""
from libc.math cimport floor
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from redislite._core.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_State, lua_fail, lua_pop, lua_set_function,
    lua_set_string,
)
from redislite._core.scripting.lua_buffer cimport (
    LuaBuffer, buffer_add, buffer_add_byte, buffer_open, buffer_push, buffer_room,
)

cdef enum:
    NESTING_MAX = 16            # levels of tables that are packed
    MISSING = 1                 # what unpacking answers
    MALFORMED = 2


# Packing

cdef void put_number(LuaBuffer* buffer, int kind, uint64_t value, int size) noexcept nogil:
    """A kind, and size bytes of the value, the most significant first."""
    cdef char* room = buffer_room(buffer, 9)
    cdef int i
    room[0] = <char> kind
    for i in range(size):
        room[1 + i] = <char> (value >> (8 * (size - 1 - i)))
    buffer.length += 1 + size


cdef void put_integer(LuaBuffer* buffer, int64_t value) noexcept nogil:
    if value >= 0:
        if value <= 127:
            buffer_add_byte(buffer, <char> value)
        elif value <= 0xff:
            put_number(buffer, 0xcc, value, 1)
        elif value <= 0xffff:
            put_number(buffer, 0xcd, value, 2)
        elif value < <int64_t> 1 << 32:
            put_number(buffer, 0xce, value, 4)
        else:
            put_number(buffer, 0xcf, value, 8)
    elif value >= -32:
        buffer_add_byte(buffer, <char> value)
    elif value >= -128:
        put_number(buffer, 0xd0, value, 1)
    elif value >= -32768:
        put_number(buffer, 0xd1, value, 2)
    elif value >= -<int64_t> 2147483648:
        put_number(buffer, 0xd2, value, 4)
    else:
        put_number(buffer, 0xd3, value, 8)


cdef void put_real(LuaBuffer* buffer, double value) noexcept nogil:
    cdef float short_value = <float> value
    cdef uint32_t short_bits
    cdef uint64_t bits
    if <double> short_value == value:
        memcpy(&short_bits, &short_value, 4)
        put_number(buffer, 0xca, short_bits, 4)
    else:
        memcpy(&bits, &value, 8)
        put_number(buffer, 0xcb, bits, 8)


cdef void put_string(LuaBuffer* buffer, const char* data, size_t length) noexcept nogil:
    if length < 32:
        buffer_add_byte(buffer, <char> (0xa0 | length))
    elif length <= 0xff:
        put_number(buffer, 0xd9, length, 1)
    elif length <= 0xffff:
        put_number(buffer, 0xda, length, 2)
    else:
        put_number(buffer, 0xdb, length, 4)
    buffer_add(buffer, data, length)


cdef void put_length(LuaBuffer* buffer, size_t length, int short_kind, int kind) noexcept nogil:
    """Of an array or a map; kind is that of a length of 16 bits, the next one that of 32."""
    if length <= 15:
        buffer_add_byte(buffer, <char> (short_kind | length))
    elif length <= 0xffff:
        put_number(buffer, kind, length, 2)
    else:
        put_number(buffer, kind + 1, length, 4)


cdef bint is_array(lua_State* L, size_t* count) noexcept nogil:
    """Whether the keys of the table on top are 1 to count; else count is how many there are."""
    cdef double most = 0
    cdef double key
    cdef bint numbers = 1
    count[0] = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        lua_pop(L, 1)
        count[0] += 1
        if not numbers:
            continue
        key = lua.tonumber(L, -1) if lua.type(L, -1) == LUA_TNUMBER else 0
        if key <= 0 or floor(key) != key:
            numbers = 0
        elif key > most:
            most = key
    return numbers and most == <double> count[0]


cdef void put_table(LuaBuffer* buffer, int level) noexcept nogil:
    cdef lua_State* L = buffer.L
    cdef size_t count
    cdef int i
    lua.aux_checkstack(L, 4, "in function pack")
    if is_array(L, &count):
        put_length(buffer, count, 0x90, 0xdc)
        for i in range(<int> count):
            lua.rawgeti(L, -1, i + 1)
            put_value(buffer, level + 1)
        return
    put_length(buffer, count, 0x80, 0xde)
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)
        put_value(buffer, level + 1)
        put_value(buffer, level + 1)


cdef void put_value(LuaBuffer* buffer, int level) noexcept nogil:
    """Packs the value on top of the stack, and pops it."""
    cdef lua_State* L = buffer.L
    cdef int type = lua.type(L, -1)
    cdef const char* text
    cdef size_t length
    cdef double number
    if type == LUA_TSTRING:
        text = lua.tolstring(L, -1, &length)
        put_string(buffer, text, length)
    elif type == LUA_TNUMBER:
        number = lua.tonumber(L, -1)
        if floor(number) == number and -9223372036854775808.0 <= number < 9223372036854775808.0:
            put_integer(buffer, <int64_t> number)
        else:
            put_real(buffer, number)
    elif type == LUA_TBOOLEAN:
        buffer_add_byte(buffer, <char> (0xc3 if lua.toboolean(L, -1) else 0xc2))
    elif type == LUA_TTABLE and level < NESTING_MAX:
        put_table(buffer, level)
    else:
        buffer_add_byte(buffer, <char> 0xc0)
    lua_pop(L, 1)


cdef int cmsgpack_pack(lua_State* L) noexcept nogil:
    cdef LuaBuffer buffer
    cdef int count = lua.gettop(L)
    cdef int i
    if count == 0:
        return lua.aux_argerror(L, 0, "MessagePack pack needs input.")
    lua.aux_checkstack(L, 8, "Too many arguments for MessagePack pack.")
    buffer_open(&buffer, L, 128)
    for i in range(1, count + 1):
        lua.pushvalue(L, i)
        put_value(&buffer, 0)
    buffer_push(&buffer)
    return 1


# Unpacking

cdef struct Input:
    lua_State* L
    const uint8_t* data
    size_t length
    size_t position
    int error


cdef bint take(Input* input, size_t count, const uint8_t** data) noexcept nogil:
    if input.length - input.position < count:
        input.error = MISSING
        return 0
    data[0] = input.data + input.position
    input.position += count
    return 1


cdef uint64_t take_number(Input* input, int size) noexcept nogil:
    cdef const uint8_t* data
    cdef uint64_t value = 0
    cdef int i
    if not take(input, size, &data):
        return 0
    for i in range(size):
        value = value << 8 | data[i]
    return value


cdef void push_string(Input* input, size_t length) noexcept nogil:
    cdef const uint8_t* data
    if not input.error and take(input, length, &data):
        lua.pushlstring(input.L, <const char*> data, length)


cdef void push_signed(Input* input, int size) noexcept nogil:
    cdef uint64_t value = take_number(input, size)
    if input.error:
        return
    if size < 8 and value >> (8 * size - 1):
        value |= ~<uint64_t> 0 << (8 * size)
    lua.pushnumber(input.L, <double> <int64_t> value)


cdef void push_unsigned(Input* input, int size) noexcept nogil:
    cdef uint64_t value = take_number(input, size)
    if not input.error:
        lua.pushnumber(input.L, <double> value)


cdef void push_real(Input* input, int size) noexcept nogil:
    cdef uint64_t value = take_number(input, size)
    cdef uint32_t short_value = <uint32_t> value
    cdef float short_number
    cdef double number
    if input.error:
        return
    if size == 4:
        memcpy(&short_number, &short_value, 4)
        number = short_number
    else:
        memcpy(&number, &value, 8)
    lua.pushnumber(input.L, number)


cdef void push_array(Input* input, size_t count) noexcept nogil:
    cdef lua_State* L = input.L
    cdef int index = 0
    if input.error:
        return
    lua.aux_checkstack(L, 4, "in function unpack")
    lua.createtable(L, 0, 0)
    while count and not input.error:
        index += 1
        push_value(input)
        if input.error:
            return
        lua.rawseti(L, -2, index)
        count -= 1


cdef void push_map(Input* input, size_t count) noexcept nogil:
    cdef lua_State* L = input.L
    if input.error:
        return
    lua.aux_checkstack(L, 5, "in function unpack")
    lua.createtable(L, 0, 0)
    while count and not input.error:
        push_value(input)
        if input.error:
            return
        push_value(input)
        if input.error:
            return
        if lua.type(L, -2) == LUA_TNIL:
            lua_fail(L, "index is nil")
        if lua.type(L, -2) == LUA_TNUMBER and lua.tonumber(L, -2) != lua.tonumber(L, -2):
            lua_fail(L, "index is NaN")
        lua.rawset(L, -3)
        count -= 1


cdef void push_value(Input* input) noexcept nogil:
    """Pushes one value; where there is an error, whatever was made of it so far stays on the stack."""
    cdef const uint8_t* data
    cdef uint8_t kind
    if not take(input, 1, &data):
        return
    kind = data[0]
    if kind <= 0x7f:
        lua.pushnumber(input.L, kind)
    elif kind >= 0xe0:
        lua.pushnumber(input.L, <double> (<int> kind - 256))
    elif 0xa0 <= kind <= 0xbf:
        push_string(input, kind & 31)
    elif 0x90 <= kind <= 0x9f:
        push_array(input, kind & 15)
    elif 0x80 <= kind <= 0x8f:
        push_map(input, kind & 15)
    elif kind == 0xc0:
        lua.pushnil(input.L)
    elif kind == 0xc2 or kind == 0xc3:
        lua.pushboolean(input.L, kind == 0xc3)
    elif kind == 0xca or kind == 0xcb:
        push_real(input, 4 if kind == 0xca else 8)
    elif 0xcc <= kind <= 0xcf:
        push_unsigned(input, 1 << (kind - 0xcc))
    elif 0xd0 <= kind <= 0xd3:
        push_signed(input, 1 << (kind - 0xd0))
    elif 0xd9 <= kind <= 0xdb:
        push_string(input, take_number(input, 1 << (kind - 0xd9)))
    elif 0xc4 <= kind <= 0xc6:
        push_string(input, take_number(input, 1 << (kind - 0xc4)))
    elif kind == 0xdc or kind == 0xdd:
        push_array(input, take_number(input, 2 if kind == 0xdc else 4))
    elif kind == 0xde or kind == 0xdf:
        push_map(input, take_number(input, 2 if kind == 0xde else 4))
    else:
        input.error = MALFORMED


cdef int unpack(lua_State* L, int64_t limit, int64_t offset, bint tell_offset) noexcept nogil:
    """Unpacks limit values, or all where 0, from an offset on; before them, where asked for, where to go on (-1:
    nowhere)."""
    cdef char message[128]
    cdef size_t length
    cdef Input input
    cdef int count = 0
    input.L = L
    input.data = <const uint8_t*> lua.aux_checklstring(L, 1, &length)
    input.length = length
    input.error = 0
    if offset < 0 or limit < 0:
        snprintf(message, sizeof(message), "Invalid request to unpack with offset of %d and limit of %d.", <int> offset,
                 <int> length)
        return lua_fail(L, message)
    if <size_t> offset > length:
        snprintf(message, sizeof(message), "Start offset %d greater than input length %d.", <int> offset, <int> length)
        return lua_fail(L, message)
    input.position = <size_t> offset
    while input.position < input.length and (limit == 0 or count < limit):
        lua.aux_checkstack(L, 2, "in function unpack")
        push_value(&input)
        if input.error == MISSING:
            return lua_fail(L, "Missing bytes in input.")
        if input.error == MALFORMED:
            return lua_fail(L, "Bad data format in input.")
        count += 1
    if not tell_offset:
        return count
    lua.pushnumber(L, -1 if input.position == input.length else <double> input.position)
    lua.insert(L, -count - 1)
    return count + 1


cdef int cmsgpack_unpack(lua_State* L) noexcept nogil:
    return unpack(L, 0, 0, 0)


cdef int cmsgpack_unpack_one(lua_State* L) noexcept nogil:
    cdef ptrdiff_t offset = lua.aux_optinteger(L, 2, 0)
    lua.settop(L, 1)
    return unpack(L, 1, offset, 1)


cdef int cmsgpack_unpack_limit(lua_State* L) noexcept nogil:
    cdef ptrdiff_t limit = lua.aux_checkinteger(L, 2)
    cdef ptrdiff_t offset = lua.aux_optinteger(L, 3, 0)
    lua.settop(L, 1)
    return unpack(L, limit, offset, 1)


cdef void open_cmsgpack(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 8)
    lua_set_function(L, "pack", cmsgpack_pack)
    lua_set_function(L, "unpack", cmsgpack_unpack)
    lua_set_function(L, "unpack_one", cmsgpack_unpack_one)
    lua_set_function(L, "unpack_limit", cmsgpack_unpack_limit)
    lua_set_string(L, "_NAME", "cmsgpack")
    lua_set_string(L, "_VERSION", "lua-cmsgpack 0.4.0")
    lua_set_string(L, "_COPYRIGHT", "redislite")
    lua_set_string(L, "_DESCRIPTION", "MessagePack for Lua")
