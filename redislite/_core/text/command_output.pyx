"""Commands written in RESP; the contract is in command_output.pxd."""
from libc.stdint cimport int64_t
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64
from redislite._core.text.rdb_output cimport output_bytes
from redislite._core.text.wire cimport HEADER_MAX, put_header


cdef void command_header(CommandOutput* commands, char kind, int64_t number) noexcept nogil:
    cdef char text[HEADER_MAX]
    output_bytes(commands.output, text, put_header(text, kind, number) - text)


cdef void command_begin(CommandOutput* commands, const char* name, int64_t words) noexcept nogil:
    command_header(commands, c"*", words + 2)
    command_text(commands, name)
    command_word(commands, commands.key, commands.key_length)


cdef void command_word(CommandOutput* commands, const char* data, size_t length) noexcept nogil:
    command_header(commands, c"$", <int64_t> length)
    output_bytes(commands.output, data, length)
    output_bytes(commands.output, b"\r\n", 2)


cdef void command_integer(CommandOutput* commands, int64_t number) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    command_word(commands, text, format_int64(text, number))
