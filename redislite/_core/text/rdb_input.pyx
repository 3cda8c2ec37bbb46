"""Reading RDB bytes; the contract is in rdb_input.pxd."""
from libc.errno cimport EINTR, ENOMEM, errno
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.base.growth cimport growth_size
from redislite._core.text.rdb_format cimport (
    RDB_ENCODED, RDB_INT8, RDB_INT16, RDB_INT32, RDB_LENGTH_32, RDB_LENGTH_64, RDB_LZF,
)
from redislite._core.text.crc64 cimport crc64_update
from redislite._core.text.lzf cimport lzf_decompress
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64

cdef extern from *:
    """
    #include <unistd.h>
    """
    ssize_t read_fd "read"(int fd, void* data, size_t length) noexcept nogil

cdef enum:
    BUFFER = 256 * 1024             # bytes: stays in the processor's cache between the kernel and the parser
    VIEW_MAX = 32768                # bytes of the longest string that is looked at in the buffer
    DIRECT_MIN = 65536              # bytes that are read past the buffer


cdef void prepare(RdbInput* input, Heap* heap, int fd, int64_t size) noexcept nogil:
    memset(input, 0, sizeof(RdbInput))
    input.heap = heap
    input.fd = fd
    input.sized = size >= 0
    input.size = <uint64_t> (size if size >= 0 else INT64_MAX)


cdef int input_open(RdbInput* input, Heap* heap, int fd, int64_t size, bint checksum) noexcept nogil:
    prepare(input, heap, fd, size)
    input.checksum = checksum
    input.buffer = <uint8_t*> malloc(BUFFER)
    if input.buffer == NULL:
        return -1
    input.capacity = BUFFER
    return 0


cdef void input_open_memory(RdbInput* input, Heap* heap, const char* data, size_t length) noexcept nogil:
    prepare(input, heap, -1, <int64_t> length)
    input.buffer = <uint8_t*> data
    input.capacity = input.filled = length


cdef void input_close(RdbInput* input) noexcept nogil:
    cdef int i
    if input.fd >= 0:
        free(input.buffer)
    input.buffer = NULL
    for i in range(RDB_TEXTS):
        free(input.texts[i].own)
        input.texts[i].own = NULL


# Errors

cdef bint note_place(RdbInput* input) noexcept nogil:
    """Whether this is the first error; nothing more is read then."""
    if input.failed:
        return 0
    input.failed = 1
    input.error_offset = input_offset(input)
    input.filled = input.position
    return 1


cdef bint input_fail(RdbInput* input, const char* reason) noexcept nogil:
    if note_place(input):
        snprintf(input.reason, RDB_REASON, b"%s", reason)
    return 0


cdef bint input_fail_number(RdbInput* input, const char* reason, uint64_t number) noexcept nogil:
    if note_place(input):
        snprintf(input.reason, RDB_REASON, reason, <unsigned long long> number)
    return 0


cdef bint input_out_of_memory(RdbInput* input) noexcept nogil:
    if not input.failed:
        input.error = ENOMEM
    return input_fail(input, b"out of memory")


# Bytes

cdef void sum_up(RdbInput* input) noexcept nogil:
    if input.checksum:
        input.crc = crc64_update(input.crc, input.buffer + input.summed, input.position - input.summed)
    input.summed = input.position


cdef uint64_t input_checksum(RdbInput* input) noexcept nogil:
    sum_up(input)
    return input.crc


cdef bint own_block(RdbInput* input, RdbText* text, size_t size) noexcept nogil:
    """A block of this size at text.own, whose content is lost."""
    if text.own_size >= size:
        return 1
    free(text.own)
    text.own = <uint8_t*> malloc(size)
    text.own_size = size if text.own != NULL else 0
    return text.own != NULL or input_out_of_memory(input)


cdef bint save_texts(RdbInput* input) noexcept nogil:
    """Takes the strings that stand in the buffer out of it."""
    cdef RdbText* text
    cdef int i
    for i in range(RDB_TEXTS):
        text = &input.texts[i]
        if text.in_buffer and text.length:
            if not own_block(input, text, text.length):
                return 0
            memcpy(text.own, text.data, text.length)
            text.data = <char*> text.own
        text.in_buffer = 0
    return 1


cdef bint tell_progress(RdbInput* input) noexcept nogil:
    if input.progress == NULL or input_offset(input) < input.progress_next:
        return 1
    input.progress_next = input_offset(input) + input.progress_step
    if input.progress(input.progress_argument, input_offset(input)) == 0:
        return 1
    input.stopped = 1
    return input_fail(input, b"stopped")


cdef ssize_t read_some(RdbInput* input, void* place, size_t least, size_t most) noexcept nogil:
    """Reads from the descriptor at least so many bytes, which the size allows, and no more than most; -1 failed."""
    cdef uint64_t allowed = input.size - input.offset - input.filled
    cdef size_t got = 0
    cdef ssize_t count
    if most > allowed:
        most = <size_t> allowed
    while got < least:
        count = read_fd(input.fd, <char*> place + got, most - got)
        if count < 0:
            if errno == EINTR:
                continue
            input.error = errno
            input_fail(input, b"the file cannot be read")
            return -1
        if count == 0:
            input_fail(input, b"unexpected end of file")
            return -1
        got += <size_t> count
    return <ssize_t> got


cdef bint input_refill(RdbInput* input, size_t bytes) noexcept nogil:
    cdef size_t kept, most
    cdef ssize_t got
    if input.failed:
        return 0
    if bytes > input_left(input):
        return input_fail(input, b"unexpected end of file")
    if not tell_progress(input) or not save_texts(input):
        return 0
    sum_up(input)
    kept = input.filled - input.position
    memmove(input.buffer, input.buffer + input.position, kept)
    input.offset += input.position
    input.position = input.summed = 0
    input.filled = kept
    most = input.capacity - kept
    if input.progress != NULL and most > input.progress_step:
        # Progress is told before a read: one of less than a step keeps the steps.
        most = input.progress_step if input.progress_step > bytes - kept else bytes - kept
    got = read_some(input, input.buffer + kept, bytes - kept, most)
    if got < 0:
        return 0
    input.filled += <size_t> got
    return 1


cdef bint input_bytes(RdbInput* input, void* data, size_t length) noexcept nogil:
    cdef uint8_t* place = <uint8_t*> data
    cdef size_t there = input.filled - input.position
    cdef size_t step
    if there < length and length > input_left(input):
        return input_fail(input, b"unexpected end of file")
    while length:
        there = input.filled - input.position
        if there == 0 and length >= DIRECT_MIN:
            return read_direct(input, place, length)
        step = length if length < BUFFER // 2 else <size_t> (BUFFER // 2)
        if there and there < step:
            step = there
        if not input_need(input, step):
            return 0
        memcpy(place, input.buffer + input.position, step)
        input.position += step
        place += step
        length -= step
    return not input.failed


cdef bint read_direct(RdbInput* input, uint8_t* place, size_t length) noexcept nogil:
    """Reads past the buffer, which is empty."""
    cdef size_t step
    if input.failed or not save_texts(input):
        return 0
    while length:
        sum_up(input)
        input.offset += input.position
        input.position = input.summed = input.filled = 0
        if not tell_progress(input):
            return 0
        step = length if length < 1 << 20 else <size_t> 1 << 20
        if read_some(input, place, step, step) < 0:
            return 0
        if input.checksum:
            input.crc = crc64_update(input.crc, place, step)
        input.offset += step
        place += step
        length -= step
    return 1


cdef bint input_skip(RdbInput* input, uint64_t length) noexcept nogil:
    cdef size_t step
    if length > input_left(input):
        return input_fail(input, b"unexpected end of file")
    while length:
        step = input.filled - input.position
        if step == 0:
            if not input_refill(input, 1):
                return 0
            continue
        if step > length:
            step = <size_t> length
        input.position += step
        length -= step
    return not input.failed


# Lengths and strings

cdef bint input_length(RdbInput* input, uint64_t* length, bint* encoded) noexcept nogil:
    cdef uint8_t* place
    cdef uint8_t first
    cdef int bytes, i
    length[0] = 0
    if encoded != NULL:
        encoded[0] = 0
    if not input_need(input, 1):
        return 0
    first = input.buffer[input.position]
    if first < 64:
        input.position += 1
        length[0] = first
        return 1
    if first < 128:
        if not input_need(input, 2):
            return 0
        length[0] = <uint64_t> (first & 63) << 8 | input.buffer[input.position + 1]
        input.position += 2
        return 1
    if first >= RDB_ENCODED:
        if encoded == NULL:
            return input_fail_number(input, b"an encoding (0x%llx) where a length should stand", first)
        input.position += 1
        encoded[0] = 1
        length[0] = first & 63
        return 1
    if first != RDB_LENGTH_32 and first != RDB_LENGTH_64:
        return input_fail_number(input, b"unknown form of a length (0x%llx)", first)
    bytes = 4 if first == RDB_LENGTH_32 else 8
    if not input_need(input, <size_t> (1 + bytes)):
        return 0
    place = input.buffer + input.position + 1
    for i in range(bytes):
        length[0] = length[0] << 8 | place[i]
    input.position += <size_t> (1 + bytes)
    return 1


cdef bint input_count(RdbInput* input, uint64_t* count, size_t least) noexcept nogil:
    if not input_length(input, count, NULL):
        return 0
    if input.sized and count[0] > input_left(input) // least:
        return input_fail_number(input, b"a count of %llu, more than the rest of the data can hold", count[0])
    return 1


cdef bint read_integer(RdbInput* input, int encoding, RdbText* text) noexcept nogil:
    """An integer-encoded string, as text."""
    cdef size_t bytes = <size_t> 1 << encoding
    cdef uint32_t bits = 0
    cdef int64_t value
    cdef size_t i
    if not input_need(input, bytes) or not own_block(input, text, INTEGER_TEXT_MAX):
        return 0
    for i in range(bytes):
        bits |= <uint32_t> input.buffer[input.position + i] << (8 * i)
    input.position += bytes
    value = <int32_t> (bits << (32 - 8 * bytes)) >> (32 - 8 * bytes)
    text.data = <char*> text.own
    text.length = <size_t> format_int64(text.data, value)
    text.in_buffer = 0
    return 1


cdef bint input_text_head(RdbInput* input, int index, uint64_t* length, uint64_t* packed,
                          bint* is_integer) noexcept nogil:
    cdef bint encoded
    packed[0] = 0
    is_integer[0] = 0
    if not input_length(input, length, &encoded):
        return 0
    if not encoded:
        if length[0] > input_left(input):
            return input_fail_number(input, b"a string of %llu bytes, more than the rest of the data", length[0])
        return 1
    if length[0] <= RDB_INT32:
        is_integer[0] = 1
        return read_integer(input, <int> length[0], &input.texts[index])
    if length[0] != RDB_LZF:
        return input_fail_number(input, b"unknown encoding of a string (%llu)", length[0])
    if not input_length(input, packed, NULL) or not input_length(input, length, NULL):
        return 0
    if packed[0] == 0 or packed[0] > input_left(input):
        return input_fail_number(input, b"a compressed string of %llu bytes, more than the rest of the data", packed[0])
    if length[0] == 0 or length[0] // RDB_LZF_RATIO >= packed[0]:
        return input_fail_number(input, b"a compressed string that claims to make %llu bytes", length[0])
    return 1


cdef bint input_text_body(RdbInput* input, void* data, uint64_t length, uint64_t packed) noexcept nogil:
    cdef uint8_t* source
    cdef uint8_t* block = NULL
    cdef bint good
    if not packed:
        return input_bytes(input, data, <size_t> length)
    if packed <= VIEW_MAX:
        if not input_need(input, <size_t> packed):
            return 0
        source = input.buffer + input.position
    elif input.fd < 0:
        source = input.buffer + input.position
    else:
        block = read_block(input, <size_t> packed)
        if block == NULL:
            return 0
        source = block
    good = lzf_decompress(source, <size_t> packed, <uint8_t*> data, <size_t> length) == length
    if block != NULL:
        heap_free(input.heap, block, growth_size(<size_t> packed))
    else:
        input.position += <size_t> packed
    return good or input_fail(input, b"a compressed string that does not decompress to the length it claims")


cdef bint input_text(RdbInput* input, int index) noexcept nogil:
    cdef RdbText* text = &input.texts[index]
    cdef uint64_t length, packed
    cdef bint is_integer
    text.in_buffer = 0
    if not input_text_head(input, index, &length, &packed, &is_integer):
        return 0
    if is_integer:
        return 1
    text.length = <size_t> length
    if not packed and (length <= VIEW_MAX or input.fd < 0):
        if not input_need(input, <size_t> length):
            return 0
        text.data = <char*> input.buffer + input.position
        text.in_buffer = 1
        input.position += <size_t> length
        return 1
    if not own_block(input, text, <size_t> length):
        return 0
    text.data = <char*> text.own
    return input_text_body(input, text.own, length, packed)


cdef uint8_t* read_block(RdbInput* input, size_t length) noexcept nogil:
    """Bytes as a block of growth_size(length)."""
    cdef uint8_t* block = <uint8_t*> heap_alloc(input.heap, growth_size(length))
    if block == NULL:
        input_out_of_memory(input)
    elif not input_bytes(input, block, length):
        heap_free(input.heap, block, growth_size(length))
        block = NULL
    return block


cdef uint8_t* input_block(RdbInput* input, size_t most, size_t* length) noexcept nogil:
    cdef uint64_t claimed, packed
    cdef bint is_integer
    cdef uint8_t* block
    if not input_text_head(input, RDB_TEXTS - 1, &claimed, &packed, &is_integer):
        return NULL
    if is_integer:
        claimed = input.texts[RDB_TEXTS - 1].length
    if claimed > most:
        input_fail_number(input, b"a block of %llu bytes, more than there may be", claimed)
        return NULL
    length[0] = <size_t> claimed
    if not packed and not is_integer:
        return read_block(input, <size_t> claimed)
    block = <uint8_t*> heap_alloc(input.heap, growth_size(<size_t> claimed))
    if block == NULL:
        input_out_of_memory(input)
        return NULL
    if is_integer:
        memcpy(block, input.texts[RDB_TEXTS - 1].data, <size_t> claimed)
    elif not input_text_body(input, block, claimed, packed):
        heap_free(input.heap, block, growth_size(<size_t> claimed))
        return NULL
    return block


cdef bint input_skip_text(RdbInput* input) noexcept nogil:
    cdef uint64_t length, packed
    cdef bint is_integer
    if not input_text_head(input, RDB_TEXTS - 1, &length, &packed, &is_integer):
        return 0
    return is_integer or input_skip(input, packed if packed else length)
