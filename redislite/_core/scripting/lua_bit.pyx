"""`bit`; the contract is in lua_bit.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from redislite._core.scripting.lua_api cimport lua, lua_State, lua_set_function

cdef enum:
    HEX_DIGITS = 8

# Adding it leaves a number's low 32 bits as those of the sum's representation, rounded to the nearest integer.
cdef double INTEGER_BIAS = 6755399441055744.0


cdef inline uint32_t bits_of(lua_State* L, int index) noexcept nogil:
    cdef double biased = lua.aux_checknumber(L, index) + INTEGER_BIAS
    cdef uint64_t representation
    memcpy(&representation, &biased, sizeof(biased))
    return <uint32_t> representation


cdef inline int push_bits(lua_State* L, uint32_t bits) noexcept nogil:
    lua.pushnumber(L, <double> <int32_t> bits)
    return 1


cdef int bit_tobit(lua_State* L) noexcept nogil:
    return push_bits(L, bits_of(L, 1))


cdef int bit_bnot(lua_State* L) noexcept nogil:
    return push_bits(L, ~bits_of(L, 1))


cdef int bit_band(lua_State* L) noexcept nogil:
    cdef uint32_t bits = bits_of(L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        bits &= bits_of(L, i)
    return push_bits(L, bits)


cdef int bit_bor(lua_State* L) noexcept nogil:
    cdef uint32_t bits = bits_of(L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        bits |= bits_of(L, i)
    return push_bits(L, bits)


cdef int bit_bxor(lua_State* L) noexcept nogil:
    cdef uint32_t bits = bits_of(L, 1)
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        bits ^= bits_of(L, i)
    return push_bits(L, bits)


cdef int bit_lshift(lua_State* L) noexcept nogil:
    return push_bits(L, bits_of(L, 1) << (bits_of(L, 2) & 31))


cdef int bit_rshift(lua_State* L) noexcept nogil:
    return push_bits(L, bits_of(L, 1) >> (bits_of(L, 2) & 31))


cdef int bit_arshift(lua_State* L) noexcept nogil:
    return push_bits(L, <uint32_t> (<int32_t> bits_of(L, 1) >> (bits_of(L, 2) & 31)))


cdef inline uint32_t rotated(uint32_t bits, uint32_t count) noexcept nogil:
    count &= 31
    return (bits << count) | (bits >> ((32 - count) & 31))


cdef int bit_rol(lua_State* L) noexcept nogil:
    return push_bits(L, rotated(bits_of(L, 1), bits_of(L, 2)))


cdef int bit_ror(lua_State* L) noexcept nogil:
    return push_bits(L, rotated(bits_of(L, 1), 32 - (bits_of(L, 2) & 31)))


cdef int bit_bswap(lua_State* L) noexcept nogil:
    cdef uint32_t bits = bits_of(L, 1)
    return push_bits(L, bits >> 24 | (bits >> 8 & 0xff00) | (bits & 0xff00) << 8 | bits << 24)


cdef int bit_tohex(lua_State* L) noexcept nogil:
    """So many digits, in capitals where their number is negative."""
    cdef uint32_t bits = bits_of(L, 1)
    cdef int64_t count = HEX_DIGITS if lua.type(L, 2) <= 0 else <int32_t> bits_of(L, 2)
    cdef const char* digits = b"0123456789abcdef"
    cdef char text[HEX_DIGITS]
    cdef int i
    if count < 0:
        count = -count
        digits = b"0123456789ABCDEF"
    if count > HEX_DIGITS:
        count = HEX_DIGITS
    for i in range(<int> count):
        text[count - 1 - i] = digits[bits & 15]
        bits >>= 4
    lua.pushlstring(L, text, <size_t> count)
    return 1


cdef void open_bit(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 12)
    lua_set_function(L, "tobit", bit_tobit)
    lua_set_function(L, "tohex", bit_tohex)
    lua_set_function(L, "bnot", bit_bnot)
    lua_set_function(L, "band", bit_band)
    lua_set_function(L, "bor", bit_bor)
    lua_set_function(L, "bxor", bit_bxor)
    lua_set_function(L, "lshift", bit_lshift)
    lua_set_function(L, "rshift", bit_rshift)
    lua_set_function(L, "arshift", bit_arshift)
    lua_set_function(L, "rol", bit_rol)
    lua_set_function(L, "ror", bit_ror)
    lua_set_function(L, "bswap", bit_bswap)
