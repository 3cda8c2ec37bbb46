"""Numbers as text, both ways, with the original's idea of what a number is.

Texts are not terminated; lengths are in bytes. Nothing allocates.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    INTEGER_TEXT_MAX = 20       # bytes of the longest int64 or uint64
    DOUBLE_TEXT_MAX = 32        # bytes of the longest double that format_double writes
    LONG_DOUBLE_TEXT_MAX = 5120 # bytes of the longest long double in plain notation


# Reads a whole text as a canonical signed integer: no spaces, no plus sign, no leading zeros, within 64 bits.
# 1 and *value, or 0.
cdef bint parse_int64(const char* text, size_t length, int64_t* value) noexcept nogil
cdef bint parse_uint64(const char* text, size_t length, uint64_t* value) noexcept nogil
# Reads a whole text as a floating point number; no leading space, no NaN. 1 and *value, or 0.
cdef bint parse_double(const char* text, size_t length, double* value) noexcept nogil
# The same as an end of a range of scores: spaces before it are allowed, nothing at all is 0, what is too large or too
# small for a double is infinite or 0.
cdef bint parse_bound(const char* text, size_t length, double* value) noexcept nogil
cdef bint parse_long_double(const char* text, size_t length, long double* value) noexcept nogil
# Writes the number; answers the length.
cdef int format_int64(char* text, int64_t value) noexcept nogil
cdef int format_uint64(char* text, uint64_t value) noexcept nogil
# A short form that reads back as the same double, as scores and RESP3 doubles have it: "0.1", "1e-7", "1.5e+300",
# "inf", "-inf", "nan".
cdef int format_double(char* text, double value) noexcept nogil
# Plain notation with up to 17 decimals, trailing zeros cut: what INCRBYFLOAT answers and stores.
cdef int format_long_double(char* text, long double value) noexcept nogil
