"""`cjson`; the contract is in lua_json.pxd."""
from libc.math cimport floor, isinf, isnan, signbit
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int64_t, uint32_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memcmp, memcpy, strlen
from redislite._core.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNONE, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_UPVALUE_1, lua,
    lua_CFunction, lua_State, lua_fail, lua_pop, lua_set, lua_set_string, lua_tick,
)
from redislite._core.scripting.lua_buffer cimport (
    LuaBuffer, buffer_add, buffer_add_byte, buffer_open, buffer_push, buffer_room,
)
from redislite._core.text.numbers cimport format_int64

cdef enum:
    DEPTH = 1000                # levels, at first
    PRECISION = 14              # digits
    PRECISION_MAX = 16
    SPARSE_RATIO = 2
    SPARSE_SAFE = 10
    INTEGER_MAX = 2147483647
    NUMBER_MAX = 48             # bytes of a number as text

cdef double WHOLE_MAX = 1e14    # has one digit more than PRECISION

# What to do with numbers that JSON does not have.
cdef enum:
    INVALID_REFUSED = 0
    INVALID_KEPT = 1
    INVALID_NULL = 2


cdef struct Settings:
    int sparse_convert
    int sparse_ratio
    int sparse_safe
    int encode_depth
    int decode_depth
    int encode_invalid
    int decode_invalid
    int precision
    int keep_buffer


cdef inline Settings* settings_of(lua_State* L) noexcept nogil:
    return <Settings*> lua.touserdata(L, LUA_UPVALUE_1)


# Encoding

cdef struct Encoder:
    LuaBuffer buffer
    const Settings* settings


cdef int refuse_value(lua_State* L, int index, const char* reason) noexcept nogil:
    cdef char message[160]
    snprintf(message, sizeof(message), "Cannot serialise %s: %s", lua.typename(L, lua.type(L, index)), reason)
    return lua_fail(L, message)


cdef void encode_string(Encoder* encoder, int index) noexcept nogil:
    cdef size_t length
    cdef const char* text = lua.tolstring(encoder.buffer.L, index, &length)
    cdef LuaBuffer* buffer = &encoder.buffer
    # Six bytes for each at the worst, and the quotes.
    cdef char* begin = buffer_room(buffer, length * 6 + 2)
    cdef char* out = begin
    cdef const char* hexadecimal = b"0123456789abcdef"
    cdef unsigned char byte
    cdef char short_form
    cdef size_t i
    out[0] = c'"'
    out += 1
    for i in range(length):
        byte = <unsigned char> text[i]
        if byte >= 0x20 and byte != c'"' and byte != c'\\' and byte != c'/' and byte != 0x7f:
            out[0] = <char> byte
            out += 1
            continue
        short_form = short_escape(byte)
        out[0] = c'\\'
        if short_form:
            out[1] = short_form
            out += 2
        else:
            memcpy(out + 1, b"u00", 3)
            out[4] = hexadecimal[byte >> 4]
            out[5] = hexadecimal[byte & 15]
            out += 6
    out[0] = c'"'
    buffer.length += out + 1 - begin


cdef inline char short_escape(unsigned char byte) noexcept nogil:
    """What stands behind the backslash in the short form of an escaped byte; 0 where there is none."""
    if byte == c'"' or byte == c'\\' or byte == c'/':
        return <char> byte
    if byte == c'\b':
        return c'b'
    if byte == c'\t':
        return c't'
    if byte == c'\n':
        return c'n'
    if byte == c'\f':
        return c'f'
    if byte == c'\r':
        return c'r'
    return 0


cdef void encode_number(Encoder* encoder, int index) noexcept nogil:
    cdef lua_State* L = encoder.buffer.L
    cdef double number = lua.tonumber(L, index)
    cdef char* room
    if isnan(number) or isinf(number):
        if encoder.settings.encode_invalid == INVALID_REFUSED:
            refuse_value(L, index, "must not be NaN or Inf")
        if encoder.settings.encode_invalid == INVALID_NULL:
            buffer_add(&encoder.buffer, "null", 4)
            return
        if isnan(number):
            buffer_add(&encoder.buffer, "nan", 3)
            return
    room = buffer_room(&encoder.buffer, NUMBER_MAX)
    if -WHOLE_MAX < number < WHOLE_MAX and encoder.settings.precision >= PRECISION and \
            number == <double> <int64_t> number and not (number == 0 and signbit(number)):
        # What %g would say of a whole number that has no more digits than that.
        encoder.buffer.length += format_int64(room, <int64_t> number)
        return
    encoder.buffer.length += snprintf(room, NUMBER_MAX, "%.*g", encoder.settings.precision, number)


cdef ptrdiff_t array_length(Encoder* encoder) noexcept nogil:
    """The largest key of the table on top where all are positive whole numbers; -1 where it is to be an object."""
    cdef lua_State* L = encoder.buffer.L
    cdef const Settings* settings = encoder.settings
    cdef double most = 0
    cdef double items = 0
    cdef double key
    lua.pushnil(L)
    while lua.next(L, -2):
        key = lua.tonumber(L, -2) if lua.type(L, -2) == LUA_TNUMBER else 0
        if key < 1 or floor(key) != key:
            lua_pop(L, 2)
            return -1
        if key > most:
            most = key
        items += 1
        lua_pop(L, 1)
    if settings.sparse_ratio > 0 and most > items * settings.sparse_ratio and most > settings.sparse_safe:
        if not settings.sparse_convert:
            refuse_value(L, -1, "excessively sparse array")
        return -1
    return <ptrdiff_t> most


cdef void encode_array(Encoder* encoder, ptrdiff_t length, int depth) noexcept nogil:
    cdef lua_State* L = encoder.buffer.L
    cdef ptrdiff_t i
    cdef uint32_t steps = 0
    buffer_add_byte(&encoder.buffer, c'[')
    for i in range(1, length + 1):
        lua_tick(L, &steps)             # a sparse array may be of any length
        if i > 1:
            buffer_add_byte(&encoder.buffer, c',')
        lua.rawgeti(L, -1, <int> i)
        encode_value(encoder, depth)
        lua_pop(L, 1)
    buffer_add_byte(&encoder.buffer, c']')


cdef void encode_object(Encoder* encoder, int depth) noexcept nogil:
    cdef lua_State* L = encoder.buffer.L
    cdef bint first = 1
    cdef int type
    buffer_add_byte(&encoder.buffer, c'{')
    lua.pushnil(L)
    while lua.next(L, -2):
        if not first:
            buffer_add_byte(&encoder.buffer, c',')
        first = 0
        type = lua.type(L, -2)
        if type == LUA_TSTRING:
            encode_string(encoder, -2)
        elif type == LUA_TNUMBER:
            buffer_add_byte(&encoder.buffer, c'"')
            encode_number(encoder, -2)
            buffer_add_byte(&encoder.buffer, c'"')
        else:
            refuse_value(L, -2, "table key must be a number or string")
        buffer_add_byte(&encoder.buffer, c':')
        encode_value(encoder, depth)
        lua_pop(L, 1)
    buffer_add_byte(&encoder.buffer, c'}')


cdef void encode_table(Encoder* encoder, int depth) noexcept nogil:
    cdef lua_State* L = encoder.buffer.L
    cdef char message[64]
    cdef ptrdiff_t length
    if depth > encoder.settings.encode_depth or not lua.checkstack(L, 4):
        snprintf(message, sizeof(message), "Cannot serialise, excessive depth (%d)", depth)
        lua_fail(L, message)
    length = array_length(encoder)
    if length > 0:
        encode_array(encoder, length, depth)
    else:
        encode_object(encoder, depth)


cdef void encode_value(Encoder* encoder, int depth) noexcept nogil:
    """The value on top of the stack; it stays there."""
    cdef lua_State* L = encoder.buffer.L
    cdef int type = lua.type(L, -1)
    if type == LUA_TSTRING:
        encode_string(encoder, -1)
    elif type == LUA_TNUMBER:
        encode_number(encoder, -1)
    elif type == LUA_TBOOLEAN:
        if lua.toboolean(L, -1):
            buffer_add(&encoder.buffer, "true", 4)
        else:
            buffer_add(&encoder.buffer, "false", 5)
    elif type == LUA_TTABLE:
        encode_table(encoder, depth + 1)
    elif type == LUA_TNIL or (type == LUA_TLIGHTUSERDATA and lua.touserdata(L, -1) == NULL):
        buffer_add(&encoder.buffer, "null", 4)
    else:
        refuse_value(L, -1, "type not supported")


cdef int cjson_encode(lua_State* L) noexcept nogil:
    cdef Encoder encoder
    if lua.gettop(L) != 1:
        return lua.aux_argerror(L, 1, "expected 1 argument")
    encoder.settings = settings_of(L)
    buffer_open(&encoder.buffer, L, 256)
    lua.pushvalue(L, 1)
    encode_value(&encoder, 0)
    buffer_push(&encoder.buffer)
    return 1


# Decoding

cdef enum:                      # tokens
    T_OBJECT_BEGIN
    T_OBJECT_END
    T_ARRAY_BEGIN
    T_ARRAY_END
    T_STRING
    T_NUMBER
    T_BOOLEAN
    T_NULL
    T_COLON
    T_COMMA
    T_END
    T_ERROR

cdef const char** TOKEN_NAMES = [
    b"T_OBJ_BEGIN", b"T_OBJ_END", b"T_ARR_BEGIN", b"T_ARR_END", b"T_STRING", b"T_NUMBER", b"T_BOOLEAN", b"T_NULL",
    b"T_COLON", b"T_COMMA", b"T_END", b"T_ERROR",
]


cdef struct Token:
    int kind
    size_t start                # offset of its first byte
    const char* text            # of a string; of an error, what is wrong
    size_t length
    double number
    bint truth


cdef struct Decoder:
    lua_State* L
    const Settings* settings
    const char* data            # NUL behind it
    size_t length
    size_t position
    int depth
    char* scratch               # room for the longest string, length bytes


cdef int fail_at(Decoder* decoder, const char* expected, const Token* token) noexcept nogil:
    cdef char message[160]
    snprintf(message, sizeof(message), "Expected %s but found %s at character %d", expected,
             token.text if token.kind == T_ERROR else TOKEN_NAMES[token.kind], <int> token.start + 1)
    return lua_fail(decoder.L, message)


cdef void token_error(Decoder* decoder, Token* token, const char* text) noexcept nogil:
    token.kind = T_ERROR
    token.text = text
    token.start = decoder.position


cdef int hexadecimal_digit(char digit) noexcept nogil:
    if c'0' <= digit <= c'9':
        return digit - c'0'
    if c'a' <= digit <= c'f':
        return digit - c'a' + 10
    if c'A' <= digit <= c'F':
        return digit - c'A' + 10
    return -1


cdef int code_unit(const char* digits) noexcept nogil:
    """Four hexadecimal digits; -1 where they are others. Reads no further than the first that is none."""
    cdef int unit = 0
    cdef int digit, i
    for i in range(4):
        digit = hexadecimal_digit(digits[i])
        if digit < 0:
            return -1
        unit = unit << 4 | digit
    return unit


cdef size_t put_utf8(char* out, uint32_t code) noexcept nogil:
    if code < 0x80:
        out[0] = <char> code
        return 1
    if code < 0x800:
        out[0] = <char> (0xc0 | code >> 6)
        out[1] = <char> (0x80 | (code & 63))
        return 2
    if code < 0x10000:
        out[0] = <char> (0xe0 | code >> 12)
        out[1] = <char> (0x80 | (code >> 6 & 63))
        out[2] = <char> (0x80 | (code & 63))
        return 3
    out[0] = <char> (0xf0 | code >> 18)
    out[1] = <char> (0x80 | (code >> 12 & 63))
    out[2] = <char> (0x80 | (code >> 6 & 63))
    out[3] = <char> (0x80 | (code & 63))
    return 4


cdef size_t take_unicode(Decoder* decoder, char* out) noexcept nogil:
    """An escape \\uXXXX, or the pair of them that stands for one character; 0 where it is wrong. The position moves
    behind."""
    cdef const char* data = decoder.data + decoder.position
    cdef int unit = code_unit(data + 2)
    cdef int low
    if unit < 0 or 0xdc00 <= unit <= 0xdfff:
        return 0
    if 0xd800 <= unit <= 0xdbff:
        if data[6] != c'\\' or data[7] != c'u':
            return 0
        low = code_unit(data + 8)
        if not 0xdc00 <= low <= 0xdfff:
            return 0
        decoder.position += 12
        return put_utf8(out, <uint32_t> (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)))
    decoder.position += 6
    return put_utf8(out, <uint32_t> unit)


cdef inline char unescaped(char byte) noexcept nogil:
    """What a byte behind a backslash stands for; 0 for none that may stand there."""
    if byte == c'"' or byte == c'\\' or byte == c'/':
        return byte
    if byte == c'b':
        return c'\b'
    if byte == c't':
        return c'\t'
    if byte == c'n':
        return c'\n'
    if byte == c'f':
        return c'\f'
    if byte == c'r':
        return c'\r'
    return 0


cdef void take_string(Decoder* decoder, Token* token) noexcept nogil:
    cdef const char* data = decoder.data
    cdef char* out = decoder.scratch
    cdef size_t written
    cdef char byte
    decoder.position += 1
    while True:
        byte = data[decoder.position]
        if byte == c'"':
            break
        if byte == 0 and decoder.position >= decoder.length:
            token_error(decoder, token, "unexpected end of string")
            return
        if byte != c'\\':
            out[0] = byte
            out += 1
            decoder.position += 1
            continue
        byte = data[decoder.position + 1]
        if byte == c'u':
            written = take_unicode(decoder, out)
            if written == 0:
                token_error(decoder, token, "invalid unicode escape code")
                return
            out += written
            continue
        byte = unescaped(byte)
        if byte == 0:
            token_error(decoder, token, "invalid escape code")
            return
        out[0] = byte
        out += 1
        decoder.position += 2
    decoder.position += 1
    token.kind = T_STRING
    token.text = decoder.scratch
    token.length = out - decoder.scratch


cdef bint is_invalid_number(const char* data) noexcept nogil:
    """Whether what begins here is a number that C knows and JSON does not: hexadecimal, infinite, none, with leading
    zeros."""
    if data[0] == c'+':
        return 1
    if data[0] == c'-':
        data += 1
    if data[0] == c'0':
        return c'0' <= data[1] <= c'9' or data[1] == c'x' or data[1] == c'X'
    if c'0' <= data[0] <= c'9':
        return 0
    return is_word(data, "inf") or is_word(data, "nan")


cdef bint is_word(const char* data, const char* word) noexcept nogil:
    """Whether these three letters stand there, in any case."""
    return (data[0] | 32) == word[0] and (data[1] | 32) == word[1] and (data[2] | 32) == word[2]


cdef void take_number(Decoder* decoder, Token* token) noexcept nogil:
    cdef const char* data = decoder.data + decoder.position
    cdef char* end
    token.number = strtod(data, &end)
    if end == data:
        token_error(decoder, token, "invalid number")
        return
    token.kind = T_NUMBER
    decoder.position += end - data


cdef bint take_word(Decoder* decoder, const char* word, size_t length) noexcept nogil:
    """Moves behind the word, where it is what comes next."""
    if decoder.length - decoder.position < length or memcmp(decoder.data + decoder.position, word, length) != 0:
        return 0
    decoder.position += length
    return 1


cdef void take_token(Decoder* decoder, Token* token) noexcept nogil:
    cdef const char* data
    cdef char byte
    while decoder.data[decoder.position] in (c' ', c'\t', c'\n', c'\r'):
        decoder.position += 1
    token.start = decoder.position
    data = decoder.data + decoder.position
    byte = data[0]
    if byte == c'"':
        take_string(decoder, token)
        return
    if byte == c'-' or c'0' <= byte <= c'9':
        if decoder.settings.decode_invalid == INVALID_REFUSED and is_invalid_number(data):
            token_error(decoder, token, "invalid number")
            return
        take_number(decoder, token)
        return
    if byte == 0 and decoder.position >= decoder.length:
        token.kind = T_END
        return
    if take_word(decoder, "true", 4) or take_word(decoder, "false", 5):
        token.kind = T_BOOLEAN
        token.truth = byte == c't'
        return
    if take_word(decoder, "null", 4):
        token.kind = T_NULL
        return
    if decoder.settings.decode_invalid != INVALID_REFUSED and is_invalid_number(data):
        take_number(decoder, token)
        return
    if byte == c'{':
        token.kind = T_OBJECT_BEGIN
    elif byte == c'}':
        token.kind = T_OBJECT_END
    elif byte == c'[':
        token.kind = T_ARRAY_BEGIN
    elif byte == c']':
        token.kind = T_ARRAY_END
    elif byte == c':':
        token.kind = T_COLON
    elif byte == c',':
        token.kind = T_COMMA
    else:
        token_error(decoder, token, "invalid token")
        return
    decoder.position += 1


cdef void descend(Decoder* decoder) noexcept nogil:
    cdef char message[64]
    decoder.depth += 1
    if decoder.depth > decoder.settings.decode_depth or not lua.checkstack(decoder.L, 4):
        snprintf(message, sizeof(message), "Found too many nested data structures (%d)", decoder.depth)
        lua_fail(decoder.L, message)


cdef void decode_object(Decoder* decoder) noexcept nogil:
    cdef Token token
    descend(decoder)
    lua.createtable(decoder.L, 0, 0)
    take_token(decoder, &token)
    if token.kind != T_OBJECT_END:
        while True:
            if token.kind != T_STRING:
                fail_at(decoder, "object key string", &token)
            lua.pushlstring(decoder.L, token.text, token.length)
            take_token(decoder, &token)
            if token.kind != T_COLON:
                fail_at(decoder, "colon", &token)
            take_token(decoder, &token)
            decode_value(decoder, &token)
            lua.rawset(decoder.L, -3)
            take_token(decoder, &token)
            if token.kind == T_OBJECT_END:
                break
            if token.kind != T_COMMA:
                fail_at(decoder, "comma or object end", &token)
            take_token(decoder, &token)
    decoder.depth -= 1


cdef void decode_array(Decoder* decoder) noexcept nogil:
    cdef Token token
    cdef int index = 0
    descend(decoder)
    lua.createtable(decoder.L, 0, 0)
    take_token(decoder, &token)
    if token.kind != T_ARRAY_END:
        while True:
            index += 1
            decode_value(decoder, &token)
            lua.rawseti(decoder.L, -2, index)
            take_token(decoder, &token)
            if token.kind == T_ARRAY_END:
                break
            if token.kind != T_COMMA:
                fail_at(decoder, "comma or array end", &token)
            take_token(decoder, &token)
    decoder.depth -= 1


cdef void decode_value(Decoder* decoder, const Token* token) noexcept nogil:
    """Pushes the value that begins with the token."""
    if token.kind == T_STRING:
        lua.pushlstring(decoder.L, token.text, token.length)
    elif token.kind == T_NUMBER:
        lua.pushnumber(decoder.L, token.number)
    elif token.kind == T_BOOLEAN:
        lua.pushboolean(decoder.L, token.truth)
    elif token.kind == T_OBJECT_BEGIN:
        decode_object(decoder)
    elif token.kind == T_ARRAY_BEGIN:
        decode_array(decoder)
    elif token.kind == T_NULL:
        lua.pushlightuserdata(decoder.L, NULL)
    else:
        fail_at(decoder, "value", token)


cdef int cjson_decode(lua_State* L) noexcept nogil:
    cdef Decoder decoder
    cdef Token token
    if lua.gettop(L) != 1:
        return lua.aux_argerror(L, 1, "expected 1 argument")
    decoder.L = L
    decoder.settings = settings_of(L)
    decoder.data = lua.aux_checklstring(L, 1, &decoder.length)
    decoder.position = 0
    decoder.depth = 0
    if decoder.length >= 2 and (decoder.data[0] == 0 or decoder.data[1] == 0):
        return lua_fail(L, "JSON parser does not support UTF-16 or UTF-32")
    decoder.scratch = <char*> lua.newuserdata(L, decoder.length + 1)
    take_token(&decoder, &token)
    decode_value(&decoder, &token)
    take_token(&decoder, &token)
    if token.kind != T_END:
        return fail_at(&decoder, "the end", &token)
    return 1


# Settings

cdef int integer_setting(lua_State* L, int index, int* setting, int least, int most) noexcept nogil:
    """Takes an argument, if there is one, and pushes what holds now."""
    cdef char message[64]
    cdef ptrdiff_t value
    if lua.type(L, index) > LUA_TNIL:
        value = lua.aux_checkinteger(L, index)
        if not least <= value <= most:
            snprintf(message, sizeof(message), "expected integer between %d and %d", least, most)
            return lua.aux_argerror(L, index, message)
        setting[0] = <int> value
    lua.pushnumber(L, setting[0])
    return 1


cdef int choice_setting(lua_State* L, int index, int* setting, bint null_allowed) noexcept nogil:
    """The same for on and off, and "null" where that may be."""
    cdef const char* word
    cdef int type = lua.type(L, index)
    if type == LUA_TBOOLEAN:
        setting[0] = lua.toboolean(L, index)
    elif type > LUA_TNIL:
        word = lua.aux_checklstring(L, index, NULL)
        if strlen(word) == 2 and memcmp(word, b"on", 2) == 0:
            setting[0] = 1
        elif strlen(word) == 3 and memcmp(word, b"off", 3) == 0:
            setting[0] = 0
        elif null_allowed and strlen(word) == 4 and memcmp(word, b"null", 4) == 0:
            setting[0] = INVALID_NULL
        else:
            return lua.aux_argerror(L, index, "invalid option")
    if setting[0] == INVALID_NULL:
        lua.pushstring(L, "null")
    else:
        lua.pushboolean(L, setting[0])
    return 1


cdef void limit_arguments(lua_State* L, int most) noexcept nogil:
    if lua.gettop(L) > most:
        lua.aux_argerror(L, most + 1, "found too many arguments")
    lua.settop(L, most)


cdef int cjson_encode_sparse_array(lua_State* L) noexcept nogil:
    cdef Settings* settings = settings_of(L)
    limit_arguments(L, 3)
    choice_setting(L, 1, &settings.sparse_convert, 0)
    integer_setting(L, 2, &settings.sparse_ratio, 0, INTEGER_MAX)
    integer_setting(L, 3, &settings.sparse_safe, 0, INTEGER_MAX)
    return 3


cdef int cjson_encode_max_depth(lua_State* L) noexcept nogil:
    limit_arguments(L, 1)
    return integer_setting(L, 1, &settings_of(L).encode_depth, 1, INTEGER_MAX)


cdef int cjson_decode_max_depth(lua_State* L) noexcept nogil:
    limit_arguments(L, 1)
    return integer_setting(L, 1, &settings_of(L).decode_depth, 1, INTEGER_MAX)


cdef int cjson_encode_number_precision(lua_State* L) noexcept nogil:
    limit_arguments(L, 1)
    return integer_setting(L, 1, &settings_of(L).precision, 1, PRECISION_MAX)


cdef int cjson_encode_keep_buffer(lua_State* L) noexcept nogil:
    """Buffers are Lua's to collect: this is remembered, and changes nothing."""
    limit_arguments(L, 1)
    return choice_setting(L, 1, &settings_of(L).keep_buffer, 0)


cdef int cjson_encode_invalid_numbers(lua_State* L) noexcept nogil:
    limit_arguments(L, 1)
    return choice_setting(L, 1, &settings_of(L).encode_invalid, 1)


cdef int cjson_decode_invalid_numbers(lua_State* L) noexcept nogil:
    limit_arguments(L, 1)
    return choice_setting(L, 1, &settings_of(L).decode_invalid, 0)


cdef int cjson_new(lua_State* L) noexcept nogil:
    push_module(L)
    return 1


cdef void add_function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """To the table below the settings, which are on top."""
    lua.pushstring(L, name)
    lua.pushvalue(L, -2)
    lua.pushcclosure(L, function, 1)
    lua.rawset(L, -4)


cdef void push_module(lua_State* L) noexcept nogil:
    cdef Settings* settings
    lua.createtable(L, 0, 16)
    settings = <Settings*> lua.newuserdata(L, sizeof(Settings))
    settings.sparse_convert = 0
    settings.sparse_ratio = SPARSE_RATIO
    settings.sparse_safe = SPARSE_SAFE
    settings.encode_depth = DEPTH
    settings.decode_depth = DEPTH
    settings.encode_invalid = INVALID_REFUSED
    settings.decode_invalid = INVALID_KEPT
    settings.precision = PRECISION
    settings.keep_buffer = 1
    add_function(L, "encode", cjson_encode)
    add_function(L, "decode", cjson_decode)
    add_function(L, "encode_sparse_array", cjson_encode_sparse_array)
    add_function(L, "encode_max_depth", cjson_encode_max_depth)
    add_function(L, "decode_max_depth", cjson_decode_max_depth)
    add_function(L, "encode_number_precision", cjson_encode_number_precision)
    add_function(L, "encode_keep_buffer", cjson_encode_keep_buffer)
    add_function(L, "encode_invalid_numbers", cjson_encode_invalid_numbers)
    add_function(L, "decode_invalid_numbers", cjson_decode_invalid_numbers)
    add_function(L, "new", cjson_new)
    lua_pop(L, 1)
    lua.pushlightuserdata(L, NULL)
    lua_set(L, "null")
    lua_set_string(L, "_NAME", "cjson")
    lua_set_string(L, "_VERSION", "2.1.0")


cdef void open_cjson(lua_State* L) noexcept nogil:
    push_module(L)
