"""Text for a descriptor; the contract is in safe_output.pxd."""
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen
from libc.time cimport time
from posix.unistd cimport getpid, write


cdef void safe_output_init(SafeOutput* output, int fd) noexcept nogil:
    output.fd = fd
    output.length = 0


cdef void safe_output_flush(SafeOutput* output) noexcept nogil:
    cdef size_t done = 0
    cdef ssize_t count
    while done < output.length:
        count = write(output.fd, output.text + done, output.length - done)
        if count < 0 and errno == EINTR:
            continue
        if count <= 0:
            break
        done += <size_t> count
    output.length = 0


cdef inline void put_byte(SafeOutput* output, char byte) noexcept nogil:
    if output.length == SAFE_OUTPUT_BYTES:
        safe_output_flush(output)
    output.text[output.length] = byte
    output.length += 1


cdef void put_bytes(SafeOutput* output, const char* data, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        put_byte(output, data[i])


cdef void put_text(SafeOutput* output, const char* text) noexcept nogil:
    if text != NULL:
        put_bytes(output, text, strlen(text))


cdef void put_unsigned(SafeOutput* output, uint64_t number) noexcept nogil:
    cdef char digits[20]
    cdef int at = 20
    while True:
        at -= 1
        digits[at] = <char> (48 + number % 10)
        number //= 10
        if number == 0:
            break
    put_bytes(output, digits + at, <size_t> (20 - at))


cdef void put_signed(SafeOutput* output, int64_t number) noexcept nogil:
    if number < 0:
        put_byte(output, 45)
        put_unsigned(output, <uint64_t> 0 - <uint64_t> number)
    else:
        put_unsigned(output, <uint64_t> number)


cdef void put_hex(SafeOutput* output, uint64_t number, int digits) noexcept nogil:
    cdef const char* symbols = "0123456789abcdef"
    cdef int shift = 60
    while shift > 0 and shift >= 4 * digits and number >> shift == 0:
        shift -= 4
    while shift >= 0:
        put_byte(output, symbols[(number >> shift) & 15])
        shift -= 4


cdef void put_quoted(SafeOutput* output, const char* data, size_t length) noexcept nogil:
    cdef unsigned char byte
    cdef size_t i
    put_byte(output, 34)
    for i in range(length):
        byte = <unsigned char> data[i]
        if byte == 34 or byte == 92:
            put_byte(output, 92)
        if 32 <= byte < 127:
            put_byte(output, <char> byte)
        else:
            put_text(output, "\\x")
            put_hex(output, byte, 2)
    put_byte(output, 34)


cdef void put_head(SafeOutput* output) noexcept nogil:
    put_signed(output, getpid())
    put_text(output, ":signal-handler (")
    put_signed(output, time(NULL))
    put_text(output, ") ")
