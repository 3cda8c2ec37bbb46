"""Numbers as text, both ways; the contract is in numbers.pxd."""
from libc cimport errno
from libc.math cimport HUGE_VAL, fabs, isinf, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, UINT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcpy, memmove

cdef extern from "<stdlib.h>" nogil:
    long double strtold(const char* text, char** end) noexcept

cdef extern from *:
    """
    static const char numbers_pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051"
        "525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    """
    const char* numbers_pairs

cdef enum:
    LONG_DOUBLE_INPUT_MAX = 5 * 1024    # bytes of text that are read as a number


cdef bint parse_uint64(const char* text, size_t length, uint64_t* value) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint64_t digit
    cdef size_t i
    if length == 0 or length > INTEGER_TEXT_MAX:
        return 0
    if text[0] == 48:
        value[0] = 0
        return length == 1
    for i in range(length):
        digit = <uint64_t> (<unsigned char> text[i]) - 48
        if digit > 9:
            return 0
        if i >= 19 and (total > UINT64_MAX // 10 or total * 10 > UINT64_MAX - digit):
            return 0
        total = total * 10 + digit
    value[0] = total
    return 1


cdef bint parse_int64(const char* text, size_t length, int64_t* value) noexcept nogil:
    cdef uint64_t magnitude
    if length and text[0] == 45:
        if not parse_uint64(text + 1, length - 1, &magnitude) or magnitude == 0 or magnitude > <uint64_t> INT64_MAX + 1:
            return 0
        value[0] = INT64_MIN if magnitude == <uint64_t> INT64_MAX + 1 else -<int64_t> magnitude
        return 1
    if not parse_uint64(text, length, &magnitude) or magnitude > <uint64_t> INT64_MAX:
        return 0
    value[0] = <int64_t> magnitude
    return 1


cdef inline bint is_space(char c) noexcept nogil:
    return c == 32 or 9 <= c <= 13


cdef bint parse_double(const char* text, size_t length, double* value) noexcept nogil:
    cdef char buffer[256]
    cdef char* end
    if length == 0 or length >= sizeof(buffer) or is_space(text[0]):
        return 0
    memcpy(buffer, text, length)
    buffer[length] = 0
    errno.errno = 0
    value[0] = strtod(buffer, &end)
    return (end == buffer + length and not isnan(value[0])
            and not (errno.errno == errno.ERANGE and (fabs(value[0]) == HUGE_VAL or value[0] == 0)))


cdef bint parse_long_double(const char* text, size_t length, long double* value) noexcept nogil:
    cdef char buffer[LONG_DOUBLE_INPUT_MAX]
    cdef char* end
    if length == 0 or length >= sizeof(buffer) or is_space(text[0]):
        return 0
    memcpy(buffer, text, length)
    buffer[length] = 0
    errno.errno = 0
    value[0] = strtold(buffer, &end)
    return (end == buffer + length and value[0] == value[0]
            and not (errno.errno == errno.ERANGE and (value[0] == 0 or value[0] - value[0] != 0)))


cdef int format_uint64(char* text, uint64_t value) noexcept nogil:
    cdef char digits[INTEGER_TEXT_MAX]
    cdef int at = INTEGER_TEXT_MAX
    cdef uint64_t quotient
    while value >= 100:
        quotient = value // 100
        at -= 2
        memcpy(digits + at, numbers_pairs + 2 * (value - quotient * 100), 2)
        value = quotient
    if value >= 10:
        at -= 2
        memcpy(digits + at, numbers_pairs + 2 * value, 2)
    else:
        at -= 1
        digits[at] = <char> (48 + value)
    memcpy(text, digits + at, INTEGER_TEXT_MAX - at)
    return INTEGER_TEXT_MAX - at


cdef int format_int64(char* text, int64_t value) noexcept nogil:
    if value >= 0:
        return format_uint64(text, <uint64_t> value)
    text[0] = 45
    return 1 + format_uint64(text + 1, ~<uint64_t> value + 1)


cdef int format_double(char* text, double value) noexcept nogil:
    cdef int precision, length
    if isnan(value):
        memcpy(text, b"nan", 3)
        return 3
    if isinf(value):
        memcpy(text, b"-inf", 4)
        if value < 0:
            return 4
        memmove(text, text + 1, 3)
        return 3
    if -4503599627370496.0 < value < 4503599627370496.0 and value == <double> <int64_t> value:
        if value == 0 and 1 / value < 0:
            memcpy(text, b"-0", 2)
            return 2
        return format_int64(text, <int64_t> value)
    for precision in range(15, 18):
        length = snprintf(text, DOUBLE_TEXT_MAX, "%.*g", precision, value)
        if strtod(text, NULL) == value:
            break
    return length


cdef int format_long_double(char* text, long double value) noexcept nogil:
    cdef int length
    if value != value:
        memcpy(text, b"nan", 3)
        return 3
    if value - value != 0:
        memcpy(text, b"-inf", 4)
        if value < 0:
            return 4
        memmove(text, text + 1, 3)
        return 3
    length = snprintf(text, LONG_DOUBLE_TEXT_MAX, "%.17Lf", value)
    if memchr(text, 46, length) != NULL:
        while text[length - 1] == 48:
            length -= 1
        if text[length - 1] == 46:
            length -= 1
    if length == 2 and text[0] == 45 and text[1] == 48:
        text[0] = 48
        length = 1
    return length
