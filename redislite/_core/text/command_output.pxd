"""Commands about one key, written in RESP: the data set as an append-only file has it."""
from libc.stdint cimport int64_t
from libc.string cimport strlen
from redislite._core.text.rdb_output cimport RdbOutput


# Where commands go, and what they are about: it is the same for most words.
cdef struct CommandOutput:
    RdbOutput* output
    const char* key
    size_t key_length


# The head of an array (*) or a bulk string ($).
cdef void command_header(CommandOutput* commands, char kind, int64_t number) noexcept nogil
# A command on the key, words of which follow behind it.
cdef void command_begin(CommandOutput* commands, const char* name, int64_t words) noexcept nogil
cdef void command_word(CommandOutput* commands, const char* data, size_t length) noexcept nogil
cdef void command_integer(CommandOutput* commands, int64_t number) noexcept nogil


cdef inline void command_text(CommandOutput* commands, const char* text) noexcept nogil:
    command_word(commands, text, strlen(text))
