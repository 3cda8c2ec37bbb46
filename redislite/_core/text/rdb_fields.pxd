"""Fields of values whose types come from outside, in RDB data: each says what it is, so that it is passed by where its
type is not known.

    field: 1, signed integer: length | 2, unsigned integer: length | 3, float: 4 | 4, double: 8 | 5, string
    the end: 0
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.text.rdb_input cimport RdbInput, RdbText
from redislite._core.text.rdb_output cimport RdbOutput


cdef void write_field_signed(RdbOutput* output, int64_t number) noexcept nogil
cdef void write_field_unsigned(RdbOutput* output, uint64_t number) noexcept nogil
cdef void write_field_double(RdbOutput* output, double number) noexcept nogil
cdef void write_field_string(RdbOutput* output, const char* data, size_t length) noexcept nogil
# Each of these answers 0 after an error of the input, which a field of another kind is.
cdef bint read_field_signed(RdbInput* input, int64_t* number) noexcept nogil
cdef bint read_field_unsigned(RdbInput* input, uint64_t* number) noexcept nogil
cdef bint read_field_double(RdbInput* input, double* number) noexcept nogil
# The text is the input's, and good until the next one is read.
cdef bint read_field_string(RdbInput* input, RdbText* text) noexcept nogil
cdef bint read_fields_end(RdbInput* input) noexcept nogil
