"""Writing RDB bytes: to a file descriptor through a buffer, with a running checksum, or into memory.

An error is remembered (RdbOutput.error) and everything behind it is dropped: writers need not look after each call.
Buffers come from malloc, not from an engine's heap: a forked child may write.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    RDB_BUFFER = 256 * 1024         # bytes: stays in the processor's cache until it is summed and written
    RDB_STRING_ROOM = 20            # bytes that the lengths of a string take at most


cdef struct RdbOutput:
    int fd                          # -1: memory
    int error                       # errno of the first failure; 0: none
    bint checksum                   # whether the sum is kept
    bint compress                   # strings are compressed with LZF where that makes them shorter
    uint8_t* buffer
    size_t capacity
    size_t length                   # bytes in the buffer
    size_t summed                   # of these, bytes in the checksum
    uint64_t flushed                # bytes written to the descriptor
    uint64_t crc
    uint64_t sync_bytes             # how often the file is handed to the disk meanwhile; 0: never
    uint64_t synced                 # bytes handed over
    uint8_t* scratch                # for compression
    size_t scratch_size


# Prepares output to a descriptor, which stays the caller's, or to memory (-1). 0, or -1 where memory is out.
cdef int output_open(RdbOutput* output, int fd, bint checksum, bint compress, uint64_t sync_bytes) noexcept nogil
# Releases the buffers; nothing is flushed.
cdef void output_close(RdbOutput* output) noexcept nogil
# Remembers an error (errno) unless there was one before; everything behind it is dropped.
cdef void output_fail(RdbOutput* output, int error) noexcept nogil
# Writes what the buffer holds. 0, or -1 with output.error.
cdef int output_flush(RdbOutput* output) noexcept nogil
# The checksum of everything so far.
cdef uint64_t output_checksum(RdbOutput* output) noexcept nogil
# Room for this many bytes at output.buffer + output.length, NULL after an error. The caller adds what it used to
# length.
cdef uint8_t* output_grow(RdbOutput* output, size_t bytes) noexcept nogil
cdef void output_bytes(RdbOutput* output, const void* data, size_t length) noexcept nogil
cdef void output_length(RdbOutput* output, uint64_t length) noexcept nogil
# A string: as an integer where it is one, compressed where that pays, else as it is.
cdef void output_text(RdbOutput* output, const char* data, size_t length) noexcept nogil
# The same, never as an integer: for what holds a structure, and text that is known to be none.
cdef void output_blob(RdbOutput* output, const void* data, size_t length) noexcept nogil
# A string that is compressed already.
cdef void output_compressed(RdbOutput* output, const void* data, size_t packed, size_t length) noexcept nogil
# An integer as a string.
cdef void output_integer_text(RdbOutput* output, int64_t value) noexcept nogil


# Bytes so far.
cdef inline uint64_t output_position(const RdbOutput* output) noexcept nogil:
    return output.flushed + output.length


cdef inline uint8_t* output_room(RdbOutput* output, size_t bytes) noexcept nogil:
    if output.capacity - output.length >= bytes:
        return output.buffer + output.length
    return output_grow(output, bytes)


cdef inline void output_byte(RdbOutput* output, uint8_t byte) noexcept nogil:
    cdef uint8_t* room = output_room(output, 1)
    if room != NULL:
        room[0] = byte
        output.length += 1


# Eight bytes, the lowest first.
cdef inline void output_word(RdbOutput* output, uint64_t word) noexcept nogil:
    cdef uint8_t* room = output_room(output, 8)
    cdef int i
    if room != NULL:
        for i in range(8):
            room[i] = <uint8_t> (word >> (8 * i))
        output.length += 8


cdef inline void output_double(RdbOutput* output, double value) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &value, 8)
    output_word(output, word)
