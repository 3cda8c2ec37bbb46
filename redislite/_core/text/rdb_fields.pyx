"""Fields of values of types from outside; the contract is in rdb_fields.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
from redislite._core.text.rdb_format cimport (
    RDB_FIELD_DOUBLE, RDB_FIELD_END, RDB_FIELD_SIGNED, RDB_FIELD_STRING, RDB_FIELD_UNSIGNED,
)
from redislite._core.text.rdb_input cimport (
    RDB_TEXTS, input_fail, input_fail_number, input_length, input_text, input_word,
)
from redislite._core.text.rdb_output cimport output_double, output_length, output_text


cdef void write_field_signed(RdbOutput* output, int64_t number) noexcept nogil:
    output_length(output, RDB_FIELD_SIGNED)
    output_length(output, <uint64_t> number)


cdef void write_field_unsigned(RdbOutput* output, uint64_t number) noexcept nogil:
    output_length(output, RDB_FIELD_UNSIGNED)
    output_length(output, number)


cdef void write_field_double(RdbOutput* output, double number) noexcept nogil:
    output_length(output, RDB_FIELD_DOUBLE)
    output_double(output, number)


cdef void write_field_string(RdbOutput* output, const char* data, size_t length) noexcept nogil:
    output_length(output, RDB_FIELD_STRING)
    output_text(output, data, length)


cdef bint read_kind(RdbInput* input, uint64_t wanted) noexcept nogil:
    cdef uint64_t kind
    if not input_length(input, &kind, NULL):
        return 0
    return kind == wanted or input_fail_number(input, b"a field of another kind than its type wants (%llu)", kind)


cdef bint read_field_signed(RdbInput* input, int64_t* number) noexcept nogil:
    return read_kind(input, RDB_FIELD_SIGNED) and input_length(input, <uint64_t*> number, NULL)


cdef bint read_field_unsigned(RdbInput* input, uint64_t* number) noexcept nogil:
    return read_kind(input, RDB_FIELD_UNSIGNED) and input_length(input, number, NULL)


cdef bint read_field_double(RdbInput* input, double* number) noexcept nogil:
    cdef uint64_t word
    if not read_kind(input, RDB_FIELD_DOUBLE) or not input_word(input, &word):
        return 0
    memcpy(number, &word, 8)
    return 1


cdef bint read_field_string(RdbInput* input, RdbText* text) noexcept nogil:
    if not read_kind(input, RDB_FIELD_STRING) or not input_text(input, RDB_TEXTS - 1):
        return 0
    text[0] = input.texts[RDB_TEXTS - 1]
    return 1


cdef bint read_fields_end(RdbInput* input) noexcept nogil:
    cdef uint64_t kind
    if not input_length(input, &kind, NULL):
        return 0
    return kind == RDB_FIELD_END or input_fail(input, b"more fields than the type of a value reads")
