"""Numbers as text, both ways; the contract is in numbers.pxd."""
from libc cimport errno
from libc.float cimport LDBL_MANT_DIG
from libc.math cimport HUGE_VAL, fabs, isinf, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, UINT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcpy, memmove, memset

cdef extern from "<stdlib.h>" nogil:
    long double strtold(const char* text, char** end) noexcept

cdef extern from "<math.h>" nogil:
    long double frexpl(long double value, int* exponent) noexcept
    long double ldexpl(long double value, int exponent) noexcept

cdef extern from *:
    """
    typedef unsigned __int128 redislite_uint128;
    static const char numbers_pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051"
        "525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    """
    const char* numbers_pairs
    ctypedef unsigned long long uint128_t "redislite_uint128"
    int leading_zeros "__builtin_clzll"(unsigned long long value) noexcept nogil

cdef enum:
    NUMBER_INPUT_MAX = 5 * 1024     # bytes of text that are read as a number
    EXACT_DIGITS = 15               # any so many decimal digits are exact in a double, and so is ...
    EXACT_POWER = 22                # ... ten to this

cdef double PLAIN_INTEGER = 4611686018427387904.0   # 2 ** 62: integers up to it print without an exponent

cdef enum:
    DECIMALS = 17                   # of a long double

cdef uint64_t DECIMALS_UNIT = 100000000000000000    # ten to the DECIMALS

cdef double powers_of_ten[EXACT_POWER + 1]
powers_of_ten[:] = [10.0**_exponent for _exponent in range(EXACT_POWER + 1)]


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


cdef bint parse_plain(const char* text, size_t length, double* value) noexcept nogil:
    """Reads the common case, a few digits with at most one point. Exact: two exact numbers, one division."""
    cdef int64_t digits = 0
    cdef size_t i = 0
    cdef size_t count = 0
    cdef size_t decimals = 0
    cdef bint point = 0
    cdef bint negative = 0
    cdef unsigned char c
    if length > EXACT_DIGITS:
        return 0
    if text[0] == 45:
        negative = 1
        i = 1
    while i < length:
        c = <unsigned char> text[i]
        i += 1
        if c == 46 and not point:
            point = 1
            continue
        c -= 48
        if c > 9:
            return 0
        digits = digits * 10 + c
        count += 1
        decimals += point
    if count == 0:
        return 0
    value[0] = <double> digits
    if decimals:
        value[0] /= powers_of_ten[decimals]
    if negative:
        value[0] = -value[0]
    return 1


cdef bint parse_double(const char* text, size_t length, double* value) noexcept nogil:
    cdef char buffer[NUMBER_INPUT_MAX]
    cdef char* end
    if length == 0 or length >= sizeof(buffer) or is_space(text[0]):
        return 0
    if parse_plain(text, length, value):
        return 1
    memcpy(buffer, text, length)
    buffer[length] = 0
    errno.errno = 0
    value[0] = strtod(buffer, &end)
    return (end == buffer + length and not isnan(value[0])
            and not (errno.errno == errno.ERANGE and (fabs(value[0]) == HUGE_VAL or value[0] == 0)))


cdef bint parse_bound(const char* text, size_t length, double* value) noexcept nogil:
    cdef char buffer[NUMBER_INPUT_MAX]
    cdef char* end
    if length and parse_plain(text, length, value):
        return 1
    if length >= sizeof(buffer):
        return 0
    memcpy(buffer, text, length)
    buffer[length] = 0
    value[0] = strtod(buffer, &end)
    return (end == buffer + length or (end == buffer and end[0] == 0)) and not isnan(value[0])


cdef bint parse_long_double(const char* text, size_t length, long double* value) noexcept nogil:
    cdef char buffer[NUMBER_INPUT_MAX]
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


# Shortest text of a double: Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
# Integers", 2010). The choice of cached powers and the boundaries that count as outside are the original's, so that the
# one number in a thousand for which Grisu2 misses the shortest form (1e23 is one) prints as there.

cdef enum:
    POWERS = 87                 # cached powers of ten
    POWER_FIRST = -348          # exponent of the first one
    POWER_STEP = 8
    POWER_EXPONENT_LEAST = -60  # binary exponent of a scaled number
    POWER_EXPONENT_MOST = -32
    DIGITS_MAX = 18

# 10 ** (POWER_FIRST + POWER_STEP * i) as significand * 2 ** exponent, the significand's top bit set.
cdef uint64_t power_significands[POWERS]
cdef int power_exponents[POWERS]


def _fill_powers() -> None:
    cdef int i
    for i in range(POWERS):
        exponent = POWER_FIRST + POWER_STEP * i
        # Exact until the last step, which rounds to the nearest.
        numerator, denominator = (10**exponent, 1) if exponent >= 0 else (1, 10**-exponent)
        shift = numerator.bit_length() - denominator.bit_length() - 64
        while True:
            scaled = (numerator << max(0, -shift + 1)) // (denominator << max(0, shift - 1))
            if scaled.bit_length() == 65:
                break
            shift += scaled.bit_length() - 65
        scaled = (scaled + 1) >> 1
        if scaled >> 64:
            scaled >>= 1
            shift += 1
        power_significands[i] = scaled
        power_exponents[i] = shift


_fill_powers()


cdef inline uint64_t scale(uint64_t a, uint64_t b) noexcept nogil:
    """The upper half of a product, rounded."""
    return <uint64_t> ((<uint128_t> a * b + (<uint64_t> 1 << 63)) >> 64)


cdef int shortest_digits(double value, char* digits, int* exponent) noexcept nogil:
    """Decimal digits of a positive finite value; value is about digits * 10 ** exponent. Answers how many."""
    cdef uint64_t bits, fraction, upper, lower, middle, delta, distance, unit, whole, rest, tail, divisor
    cdef int binary, shift, power, count, kappa
    memcpy(&bits, &value, 8)
    fraction = bits & ((<uint64_t> 1 << 52) - 1)
    binary = <int> (bits >> 52) & 0x7ff
    if binary:
        fraction |= <uint64_t> 1 << 52
        binary -= 1075
    else:
        binary = -1074
    # The middles between the value and its neighbours, with the exponent of the upper one's normal form.
    upper = 2 * fraction + 1
    shift = leading_zeros(upper)
    upper <<= shift
    if fraction == <uint64_t> 1 << 52 and bits >> 52:
        lower = (4 * fraction - 1) << (shift - 1)
    else:
        lower = (2 * fraction - 1) << shift
    middle = fraction << (shift + 1)
    binary -= shift + 1
    power = <int> ((-(binary + POWERS) * 0.30102999566398114 - POWER_FIRST) / POWER_STEP)
    while True:
        shift = binary + power_exponents[power] + 64
        if shift < POWER_EXPONENT_LEAST:
            power += 1
        elif shift > POWER_EXPONENT_MOST:
            power -= 1
        else:
            break
    exponent[0] = -(POWER_FIRST + POWER_STEP * power)
    middle = scale(middle, power_significands[power])
    upper = scale(upper, power_significands[power]) - 1
    lower = scale(lower, power_significands[power]) + 1
    distance = upper - middle
    delta = upper - lower
    # The number is upper * 2 ** shift: a part of up to 10 digits before the point, and one behind.
    shift = -shift
    unit = <uint64_t> 1 << shift
    whole = upper >> shift
    rest = upper & (unit - 1)
    count = 0
    kappa = 10
    divisor = 1000000000
    while kappa > 0:
        if count or whole >= divisor:
            digits[count] = <char> (48 + whole // divisor)
            count += 1
            whole %= divisor
        kappa -= 1
        tail = (whole << shift) + rest
        if tail <= delta:
            break
        divisor //= 10
    if tail <= delta:
        unit = divisor << shift
    else:
        while True:
            rest *= 10
            delta *= 10
            distance *= 10
            kappa -= 1
            if count or rest >> shift:
                digits[count] = <char> (48 + (rest >> shift))
                count += 1
            rest &= unit - 1
            if rest < delta:
                break
        tail = rest
    # Of the digits inside of the interval, the last one is lowered towards the value itself.
    while tail < distance and delta - tail >= unit and (
            tail + unit < distance or distance - tail > tail + unit - distance):
        digits[count - 1] -= 1
        tail += unit
    exponent[0] += kappa
    return count


cdef int format_double(char* text, double value) noexcept nogil:
    cdef char digits[DIGITS_MAX + 2]
    cdef int count, exponent, magnitude, length, before
    if isnan(value):
        memcpy(text, b"nan", 3)
        return 3
    if isinf(value):
        memcpy(text, b"-inf", 4)
        if value < 0:
            return 4
        memmove(text, text + 1, 3)
        return 3
    if -PLAIN_INTEGER <= value <= PLAIN_INTEGER and value == <double> <int64_t> value:
        if value == 0 and 1 / value < 0:
            memcpy(text, b"-0", 2)
            return 2
        return format_int64(text, <int64_t> value)
    length = 0
    if value < 0:
        text[0] = 45
        length = 1
        value = -value
    count = shortest_digits(value, digits, &exponent)
    magnitude = exponent + count - 1        # decimal exponent of the first digit
    if exponent >= 0 and magnitude < count + 7:
        memcpy(text + length, digits, count)
        memset(text + length + count, 48, exponent)
        return length + count + exponent
    if exponent < 0 and (exponent > -7 or -4 < magnitude < 4):
        before = count + exponent
        if before > 0:
            memcpy(text + length, digits, before)
            text[length + before] = 46
            memcpy(text + length + before + 1, digits + before, count - before)
            return length + count + 1
        memcpy(text + length, b"0.", 2)
        memset(text + length + 2, 48, -before)
        memcpy(text + length + 2 - before, digits, count)
        return length + 2 - before + count
    text[length] = digits[0]
    length += 1
    if count > 1:
        text[length] = 46
        memcpy(text + length + 1, digits + 1, count - 1)
        length += count
    text[length] = 101
    text[length + 1] = 45 if magnitude < 0 else 43
    return length + 2 + format_int64(text + length + 2, magnitude if magnitude > 0 else -magnitude)


cdef int format_fixed(char* text, long double value) noexcept nogil:
    """The text of a number that is not negative and below 2 ** 62, as "%.17Lf" gives it, without zeros at the end."""
    cdef char digits[INTEGER_TEXT_MAX]
    cdef uint64_t whole = <uint64_t> value
    cdef uint64_t decimals = 0
    cdef uint128_t scaled, rest, half
    cdef int exponent, count, length
    value = frexpl(value - <long double> whole, &exponent)
    # The part behind the point is an integer of 64 bits by 2 ** (exponent - 64), so its product with the unit is exact.
    if exponent > -64:
        scaled = <uint128_t> <uint64_t> ldexpl(value, 64) * DECIMALS_UNIT
        decimals = <uint64_t> (scaled >> (64 - exponent))
        half = <uint128_t> 1 << (63 - exponent)
        rest = scaled & (half + half - 1)
        if rest > half or (rest == half and decimals & 1):
            decimals += 1
        if decimals == DECIMALS_UNIT:
            whole += 1
            decimals = 0
    length = format_uint64(text, whole)
    if decimals == 0:
        return length
    count = format_uint64(digits, decimals)
    text[length] = 46
    memset(text + length + 1, 48, DECIMALS - count)
    memcpy(text + length + 1 + DECIMALS - count, digits, count)
    length += 1 + DECIMALS
    while text[length - 1] == 48:
        length -= 1
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
    if LDBL_MANT_DIG <= 64 and -PLAIN_INTEGER < value < PLAIN_INTEGER:
        length = value < 0
        text[0] = 45
        length += format_fixed(text + length, -value if length else value)
    else:
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
