"""`struct`; the contract is in lua_struct.pxd."""
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, memset
from redislite._core.scripting.lua_api cimport LUA_TNUMBER, lua, lua_State, lua_fail, lua_pop, lua_set_function
from redislite._core.scripting.lua_buffer cimport (
    LuaBuffer, buffer_add, buffer_add_byte, buffer_open, buffer_push, buffer_room,
)

cdef enum:
    INTEGER_MAX = 32            # bytes of an integer
    NATIVE_ALIGNMENT = 8        # what ! alone stands for
    DIGITS_MAX = 2147483647     # that a number in a format may be


# Where a format is being read, and what it has said so far.
cdef struct Format:
    lua_State* L
    const char* next            # NUL-terminated
    bint is_big
    size_t alignment


cdef int raise_about(lua_State* L, const char* text, int64_t number) noexcept nogil:
    cdef char message[96]
    snprintf(message, sizeof(message), text, <long long> number)
    return lua_fail(L, message)


cdef size_t read_number(Format* format, size_t otherwise) noexcept nogil:
    cdef size_t number = 0
    if not c'0' <= format.next[0] <= c'9':
        return otherwise
    while c'0' <= format.next[0] <= c'9':
        if number > (DIGITS_MAX - <size_t> (format.next[0] - c'0')) // 10:
            lua_fail(format.L, "integral size overflow")
        number = number * 10 + <size_t> (format.next[0] - c'0')
        format.next += 1
    return number


cdef size_t option_size(Format* format, char option) noexcept nogil:
    """Bytes that the option takes; 0 for what takes none, or as many as its value has."""
    cdef size_t size
    if option == c'B' or option == c'b' or option == c'x':
        return 1
    if option == c'H' or option == c'h':
        return 2
    if option == c'L' or option == c'l' or option == c'T' or option == c'd':
        return 8
    if option == c'f':
        return 4
    if option == c'c':
        return read_number(format, 1)
    if option == c'i' or option == c'I':
        size = read_number(format, 4)
        if size > INTEGER_MAX:
            raise_about(format.L, "integral size %lld is larger than limit of 32", <int64_t> size)
        return size
    return 0


cdef size_t padding(const Format* format, char option, size_t size, size_t position) noexcept nogil:
    """Bytes before the option's value, so that it is aligned."""
    if option == c'c' or option == c'x' or size == 0:
        return 0
    if size > format.alignment:
        size = format.alignment
    if size <= 1:
        return 0
    return (size - (position & (size - 1))) & (size - 1)


cdef void control(Format* format, char option) noexcept nogil:
    """What changes how the rest is read; an error for what is no option at all."""
    cdef char message[40]
    cdef size_t alignment
    if option == c' ':
        return
    if option == c'>':
        format.is_big = 1
    elif option == c'<':
        format.is_big = 0
    elif option == c'!':
        alignment = read_number(format, NATIVE_ALIGNMENT)
        if alignment == 0 or alignment & (alignment - 1):
            lua_fail(format.L, "alignment is not a power of 2")
        format.alignment = alignment
    else:
        snprintf(message, sizeof(message), "invalid format option '%c'", option)
        lua.aux_argerror(format.L, 1, message)


cdef Format format_of(lua_State* L, int index) noexcept nogil:
    cdef Format format
    format.L = L
    format.next = lua.aux_checklstring(L, index, NULL)
    format.is_big = 0
    format.alignment = 1
    return format


cdef void put_integer(LuaBuffer* buffer, const Format* format, uint64_t value, size_t size,
                      bint negative) noexcept nogil:
    cdef char* room = buffer_room(buffer, size)
    cdef size_t i
    cdef char byte
    for i in range(size):
        byte = <char> (value >> (8 * i)) if i < 8 else <char> (-1 if negative else 0)
        room[size - 1 - i if format.is_big else i] = byte
    buffer.length += size


cdef uint64_t integer_of(double number) noexcept nogil:
    """Numbers beyond 63 bits are taken without a sign."""
    if number < 0:
        return <uint64_t> <int64_t> number if number >= -9223372036854775808.0 else <uint64_t> 1 << 63
    return <uint64_t> number if number < 18446744073709551616.0 else ~<uint64_t> 0


cdef void put_real(LuaBuffer* buffer, const Format* format, double number, size_t size) noexcept nogil:
    cdef float short_number = <float> number
    cdef char bytes_[8]
    cdef size_t i
    if size == 4:
        memcpy(bytes_, &short_number, 4)
    else:
        memcpy(bytes_, &number, 8)
    for i in range(size):
        buffer_add_byte(buffer, bytes_[size - 1 - i if format.is_big else i])


cdef int struct_pack(lua_State* L) noexcept nogil:
    cdef Format format = format_of(L, 1)
    cdef LuaBuffer buffer
    cdef int argument = 1
    cdef char option
    cdef size_t size, pad, length
    cdef const char* text
    cdef double number
    lua.pushnil(L)                      # what is found behind the last argument
    buffer_open(&buffer, L, 64)
    while format.next[0] != 0:
        option = format.next[0]
        format.next += 1
        size = option_size(&format, option)
        pad = padding(&format, option, size, buffer.length)
        if pad:
            memset(buffer_room(&buffer, pad), 0, pad)
            buffer.length += pad
        if option in (c'b', c'B', c'h', c'H', c'l', c'L', c'T', c'i', c'I'):
            argument += 1
            number = lua.aux_checknumber(L, argument)
            put_integer(&buffer, &format, integer_of(number), size, number < 0)
        elif option == c'x':
            buffer_add_byte(&buffer, 0)
        elif option == c'f' or option == c'd':
            argument += 1
            put_real(&buffer, &format, lua.aux_checknumber(L, argument), size)
        elif option == c'c' or option == c's':
            argument += 1
            text = lua.aux_checklstring(L, argument, &length)
            if size == 0:
                size = length
            if length < size:
                return lua.aux_argerror(L, argument + 1, "string too short")      # so counted by the originals
            buffer_add(&buffer, text, size)
            if option == c's':
                buffer_add_byte(&buffer, 0)
        else:
            control(&format, option)
    buffer_push(&buffer)
    return 1


cdef void push_integer(lua_State* L, const Format* format, const char* data, size_t size,
                       bint is_signed) noexcept nogil:
    cdef uint64_t value = 0
    cdef size_t used = size if size < 8 else 8
    cdef size_t i
    for i in range(used):
        value |= <uint64_t> <unsigned char> data[size - 1 - i if format.is_big else i] << (8 * i)
    if not is_signed:
        lua.pushnumber(L, <double> value)
        return
    if 0 < used < 8 and value >> (8 * used - 1):
        value |= ~<uint64_t> 0 << (8 * used)
    lua.pushnumber(L, <double> <int64_t> value)


cdef void push_real(lua_State* L, const Format* format, const char* data, size_t size) noexcept nogil:
    cdef char bytes_[8]
    cdef float short_number
    cdef double number
    cdef size_t i
    for i in range(size):
        bytes_[i] = data[size - 1 - i if format.is_big else i]
    if size == 4:
        memcpy(&short_number, bytes_, 4)
        number = short_number
    else:
        memcpy(&number, bytes_, 8)
    lua.pushnumber(L, number)


cdef int struct_unpack(lua_State* L) noexcept nogil:
    cdef Format format = format_of(L, 1)
    cdef size_t length
    cdef const char* data = lua.aux_checklstring(L, 2, &length)
    cdef ptrdiff_t first = lua.aux_optinteger(L, 3, 1)
    cdef size_t position, size
    cdef const char* end
    cdef double counted
    cdef char option
    cdef int values = 0
    if first == 0:
        return lua.aux_argerror(L, 3, "offset must be 1 or greater")
    position = <size_t> (first - 1)     # behind all data, if it is negative
    lua.settop(L, 2)
    while format.next[0] != 0:
        option = format.next[0]
        format.next += 1
        size = option_size(&format, option)
        position += padding(&format, option, size, position)
        if size > length or position > length - size:
            return lua.aux_argerror(L, 2, "data string too short")
        lua.aux_checkstack(L, 2, "too many results")
        if option in (c'b', c'B', c'h', c'H', c'l', c'L', c'T', c'i', c'I'):
            push_integer(L, &format, data + position, size, option in (c'b', c'h', c'l', c'i'))
            values += 1
        elif option == c'x':
            pass
        elif option == c'f' or option == c'd':
            push_real(L, &format, data + position, size)
            values += 1
        elif option == c'c':
            if size == 0:
                if values == 0 or lua.type(L, -1) != LUA_TNUMBER:
                    return lua_fail(L, "format 'c0' needs a previous size")
                counted = lua.tonumber(L, -1)
                lua_pop(L, 1)
                values -= 1
                if not 0 <= counted <= <double> (length - position):
                    return lua.aux_argerror(L, 2, "data string too short")
                size = <size_t> counted
            lua.pushlstring(L, data + position, size)
            values += 1
        elif option == c's':
            end = <const char*> memchr(data + position, 0, length - position)
            if end == NULL:
                return lua_fail(L, "unfinished string in data")
            size = end - (data + position)
            lua.pushlstring(L, data + position, size)
            size += 1
            values += 1
        else:
            control(&format, option)
        position += size
    lua.pushnumber(L, <double> (position + 1))
    return values + 1


cdef int struct_size(lua_State* L) noexcept nogil:
    cdef Format format = format_of(L, 1)
    cdef size_t position = 0
    cdef size_t size
    cdef char option
    while format.next[0] != 0:
        option = format.next[0]
        format.next += 1
        size = option_size(&format, option)
        position += padding(&format, option, size, position)
        if option == c's':
            return lua.aux_argerror(L, 1, "option 's' has no fixed size")
        if option == c'c' and size == 0:
            return lua.aux_argerror(L, 1, "option 'c0' has no fixed size")
        if size == 0 and not option == c'i' and not option == c'I':
            control(&format, option)
        position += size
    lua.pushnumber(L, <double> position)
    return 1


cdef void open_struct(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 3)
    lua_set_function(L, "pack", struct_pack)
    lua_set_function(L, "unpack", struct_unpack)
    lua_set_function(L, "size", struct_size)
