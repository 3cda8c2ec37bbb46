"""Reading RDB bytes: from a file descriptor through a buffer, with a running checksum, or from memory.

The first error is remembered, with its offset and its reason; behind it every call answers 0, so that readers may look
once in a while. No length is believed: where the size of the input is known, memory is asked for nothing longer than
what is left of it, or than that can decompress to.

An RdbText is a string as it was read: its bytes stand in the buffer for as long as they can and in a block of its own
otherwise, so they must be asked for (text.data) after everything that is to be used together has been read.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from redislite._core.base.alloc cimport Heap

cdef enum:
    RDB_TEXTS = 3                   # strings that are held at once: name, field, value
    RDB_REASON = 200                # bytes of a reason at most, NUL included
    RDB_LZF_RATIO = 132             # a compressed byte makes fewer than this many


cdef struct RdbText:
    char* data
    size_t length
    bint in_buffer
    uint8_t* own                    # block for what does not stand in the buffer
    size_t own_size


# Called now and then with the bytes read so far; anything but 0 ends the reading.
ctypedef int (*RdbProgress)(void* argument, uint64_t bytes) noexcept nogil


cdef struct RdbInput:
    Heap* heap                      # of the blocks that are handed out
    int fd                          # -1: memory
    int error                       # errno where reading failed
    bint failed
    bint sized                      # size is known
    bint checksum                   # whether the sum is kept
    bint stopped                    # progress asked for it
    uint8_t* buffer
    size_t capacity
    size_t position                 # next byte in the buffer
    size_t filled
    size_t summed                   # bytes of the buffer in the checksum
    uint64_t offset                 # of the buffer's first byte
    uint64_t size                   # offset behind the last byte that may be read
    uint64_t crc
    uint64_t error_offset
    uint64_t progress_step
    uint64_t progress_next
    RdbProgress progress            # may be NULL
    void* progress_argument
    RdbText texts[RDB_TEXTS]
    char reason[RDB_REASON]


# Prepares reading from a descriptor, from where it stands (which is offset as errors tell it). size: bytes there are,
# or negative where nobody knows. 0, or -1 where memory is out.
cdef int input_open(RdbInput* input, Heap* heap, int fd, int64_t size, bint checksum) noexcept nogil
# Prepares reading from memory, which stays the caller's. Never fails.
cdef void input_open_memory(RdbInput* input, Heap* heap, const char* data, size_t length) noexcept nogil
cdef void input_close(RdbInput* input) noexcept nogil
# Notes an error at this place, unless there was one. Answers 0.
cdef bint input_fail(RdbInput* input, const char* reason) noexcept nogil
# The same with a number, for which the reason has a %llu.
cdef bint input_fail_number(RdbInput* input, const char* reason, uint64_t number) noexcept nogil
cdef bint input_out_of_memory(RdbInput* input) noexcept nogil
# Makes this many bytes (32 KiB at most) available at input.buffer + input.position.
cdef bint input_refill(RdbInput* input, size_t bytes) noexcept nogil
cdef bint input_bytes(RdbInput* input, void* data, size_t length) noexcept nogil
cdef bint input_skip(RdbInput* input, uint64_t length) noexcept nogil
# A length; where encoded is not NULL it may be an encoding instead, which *encoded tells.
cdef bint input_length(RdbInput* input, uint64_t* length, bint* encoded) noexcept nogil
# A length that counts parts of at least so many bytes each: there must be as many bytes left, where that is known.
cdef bint input_count(RdbInput* input, uint64_t* count, size_t least) noexcept nogil
# A string, into one of input.texts.
cdef bint input_text(RdbInput* input, int index) noexcept nogil
# The length of a string that comes next, without its bytes: *packed is 0 for one as it is, then input_raw reads it;
# else its compressed length. An integer is read at once, as text into texts[index], and *is_integer says so.
cdef bint input_text_head(RdbInput* input, int index, uint64_t* length, uint64_t* packed,
                          bint* is_integer) noexcept nogil
# Reads the string behind such a head into memory of its length.
cdef bint input_text_body(RdbInput* input, void* data, uint64_t length, uint64_t packed) noexcept nogil
# A string as a block of the heap, of growth_size(length) bytes, the caller's: *length; NULL after an error. A string
# of more than most bytes is an error.
cdef uint8_t* input_block(RdbInput* input, size_t most, size_t* length) noexcept nogil
cdef bint input_skip_text(RdbInput* input) noexcept nogil
# The checksum of everything read so far.
cdef uint64_t input_checksum(RdbInput* input) noexcept nogil


# Offset of the next byte.
cdef inline uint64_t input_offset(const RdbInput* input) noexcept nogil:
    return input.offset + input.position


# Bytes that may come; as many as there can be where the size is not known.
cdef inline uint64_t input_left(const RdbInput* input) noexcept nogil:
    return input.size - input_offset(input)


cdef inline bint input_need(RdbInput* input, size_t bytes) noexcept nogil:
    return input.filled - input.position >= bytes or input_refill(input, bytes)


cdef inline bint input_byte(RdbInput* input, uint8_t* byte) noexcept nogil:
    if not input_need(input, 1):
        return 0
    byte[0] = input.buffer[input.position]
    input.position += 1
    return 1


# Eight bytes, the lowest first.
cdef inline bint input_word(RdbInput* input, uint64_t* word) noexcept nogil:
    cdef uint8_t* place
    cdef int i
    if not input_need(input, 8):
        return 0
    place = input.buffer + input.position
    word[0] = 0
    for i in range(8):
        word[0] |= <uint64_t> place[i] << (8 * i)
    input.position += 8
    return 1
