"""Text for a descriptor, from where neither memory nor the C library's streams may be used: signal handlers, and a
process that is about to die. Everything here is async-signal-safe.

A SafeOutput collects text and writes it when it is full or flushed; it belongs to who declares it, on the stack as a
rule. What cannot be written is lost in silence.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SAFE_OUTPUT_BYTES = 512


cdef struct SafeOutput:
    int fd
    size_t length
    char text[SAFE_OUTPUT_BYTES]


cdef void safe_output_init(SafeOutput* output, int fd) noexcept nogil
cdef void put_bytes(SafeOutput* output, const char* data, size_t length) noexcept nogil
# text ends with a NUL; NULL: nothing.
cdef void put_text(SafeOutput* output, const char* text) noexcept nogil
cdef void put_signed(SafeOutput* output, int64_t number) noexcept nogil
cdef void put_unsigned(SafeOutput* output, uint64_t number) noexcept nogil
# In hexadecimal, with as many digits as it has, or with digits of them.
cdef void put_hex(SafeOutput* output, uint64_t number, int digits) noexcept nogil
# In double quotes, with escapes for what is not printable.
cdef void put_quoted(SafeOutput* output, const char* data, size_t length) noexcept nogil
# The head of a line of the log: process, that a signal handler speaks, Unix time.
cdef void put_head(SafeOutput* output) noexcept nogil
cdef void safe_output_flush(SafeOutput* output) noexcept nogil
