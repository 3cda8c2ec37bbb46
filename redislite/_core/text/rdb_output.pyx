"""Writing RDB bytes; the contract is in rdb_output.pxd."""
from libc.errno cimport EINTR, ENOMEM, ENOSPC, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from redislite._core.text.rdb_format cimport (
    RDB_ENCODED, RDB_INT8, RDB_INT16, RDB_INT32, RDB_LENGTH_14, RDB_LENGTH_32, RDB_LENGTH_64, RDB_LZF,
)
from redislite._core.text.crc64 cimport crc64_update
from redislite._core.text.lzf cimport lzf_compress
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64, parse_int64

cdef extern from *:
    """
    #include <unistd.h>
    #include <fcntl.h>
    /* Starts writing a part of the file to the disk, so that the fsync at the end has little left to do. */
    static void output_hand_over(int fd, long long start, long long length) {
    #if defined(__linux__)
        (void) sync_file_range(fd, start, length, SYNC_FILE_RANGE_WRITE);
    #else
        (void) start; (void) length;
        (void) fsync(fd);
    #endif
    }
    """
    ssize_t write_fd "write"(int fd, const void* data, size_t length) noexcept nogil
    void output_hand_over(int fd, long long start, long long length) noexcept nogil

cdef enum:
    COMPRESS_MIN = 21               # bytes; shorter strings stay as they are
    COMPRESS_GAIN = 4               # bytes that must be saved
    INTEGER_LENGTH_MAX = 11         # of the longest text of an integer of 32 bits
    DIRECT_MIN = 65536              # bytes that are written past the buffer
    MEMORY_FIRST = 256


cdef int output_open(RdbOutput* output, int fd, bint checksum, bint compress, uint64_t sync_bytes) noexcept nogil:
    memset(output, 0, sizeof(RdbOutput))
    output.fd = fd
    output.checksum = checksum
    output.compress = compress
    output.sync_bytes = sync_bytes
    output.capacity = RDB_BUFFER if fd >= 0 else MEMORY_FIRST
    output.buffer = <uint8_t*> malloc(output.capacity)
    if output.buffer == NULL:
        output.capacity = 0
        output.error = ENOMEM
        return -1
    return 0


cdef void output_close(RdbOutput* output) noexcept nogil:
    free(output.buffer)
    free(output.scratch)
    output.buffer = output.scratch = NULL
    output.capacity = output.length = 0


cdef void output_fail(RdbOutput* output, int error) noexcept nogil:
    """From here on there is no room: whatever is written is dropped."""
    if output.error == 0:
        output.error = error
    output.length = output.capacity


cdef bint write_all(RdbOutput* output, const uint8_t* data, size_t length) noexcept nogil:
    cdef ssize_t written
    while length:
        written = write_fd(output.fd, data, length)
        if written < 0:
            if errno == EINTR:
                continue
            output_fail(output, errno)
            return 0
        if written == 0:
            output_fail(output, ENOSPC)
            return 0
        data += written
        length -= <size_t> written
        output.flushed += <uint64_t> written
    if output.sync_bytes and output.flushed - output.synced >= output.sync_bytes:
        output_hand_over(output.fd, <long long> output.synced, <long long> (output.flushed - output.synced))
        output.synced = output.flushed
    return 1


cdef void sum_up(RdbOutput* output) noexcept nogil:
    if output.checksum:
        output.crc = crc64_update(output.crc, output.buffer + output.summed, output.length - output.summed)
    output.summed = output.length


cdef int output_flush(RdbOutput* output) noexcept nogil:
    cdef size_t length = output.length
    if output.error:
        return -1
    sum_up(output)
    if output.fd >= 0:
        output.length = output.summed = 0
        if not write_all(output, output.buffer, length):
            return -1
    return 0


cdef uint64_t output_checksum(RdbOutput* output) noexcept nogil:
    if output.error == 0:
        sum_up(output)
    return output.crc


cdef uint8_t* output_grow(RdbOutput* output, size_t bytes) noexcept nogil:
    cdef size_t capacity = output.capacity
    cdef void* grown
    if output.error or (output.fd >= 0 and output_flush(output) != 0):
        return NULL
    if capacity - output.length >= bytes:
        return output.buffer + output.length
    while capacity - output.length < bytes:
        capacity *= 2
    grown = realloc(output.buffer, capacity)
    if grown == NULL:
        output_fail(output, ENOMEM)
        return NULL
    output.buffer = <uint8_t*> grown
    output.capacity = capacity
    return output.buffer + output.length


cdef void output_bytes(RdbOutput* output, const void* data, size_t length) noexcept nogil:
    cdef uint8_t* room
    if output.fd >= 0 and length >= DIRECT_MIN:
        if output_flush(output) != 0:
            return
        if output.checksum:
            output.crc = crc64_update(output.crc, data, length)
        write_all(output, <const uint8_t*> data, length)
        return
    room = output_room(output, length)
    if room != NULL:
        memcpy(room, data, length)
        output.length += length


cdef inline int put_length(uint8_t* place, uint64_t length) noexcept nogil:
    """Writes a length at a place with room; answers its bytes."""
    cdef int i
    if length < 64:
        place[0] = <uint8_t> length
        return 1
    if length < 1 << 14:
        place[0] = <uint8_t> (RDB_LENGTH_14 | length >> 8)
        place[1] = <uint8_t> length
        return 2
    if length <= <uint64_t> 0xffffffff:
        place[0] = RDB_LENGTH_32
        for i in range(4):
            place[1 + i] = <uint8_t> (length >> (24 - 8 * i))
        return 5
    place[0] = RDB_LENGTH_64
    for i in range(8):
        place[1 + i] = <uint8_t> (length >> (56 - 8 * i))
    return 9


cdef void output_length(RdbOutput* output, uint64_t length) noexcept nogil:
    cdef uint8_t* room = output_room(output, 9)
    if room != NULL:
        output.length += <size_t> put_length(room, length)


cdef inline bint put_integer(RdbOutput* output, int64_t value) noexcept nogil:
    """Writes the integer where it has 32 bits at most."""
    cdef uint8_t* room
    cdef int bytes, i
    if not -2147483648 <= value <= 2147483647:
        return 0
    room = output_room(output, 5)
    if room == NULL:
        return 1
    if -128 <= value <= 127:
        room[0] = RDB_ENCODED | RDB_INT8
        bytes = 1
    elif -32768 <= value <= 32767:
        room[0] = RDB_ENCODED | RDB_INT16
        bytes = 2
    else:
        room[0] = RDB_ENCODED | RDB_INT32
        bytes = 4
    for i in range(bytes):
        room[1 + i] = <uint8_t> (value >> (8 * i))
    output.length += <size_t> (1 + bytes)
    return 1


cdef inline void put_plain(RdbOutput* output, const void* data, size_t length) noexcept nogil:
    cdef uint8_t* room
    if length >= DIRECT_MIN:
        output_length(output, length)
        output_bytes(output, data, length)
        return
    room = output_room(output, length + 9)
    if room != NULL:
        room += put_length(room, length)
        memcpy(room, data, length)
        output.length = room + length - output.buffer


cdef bint reserve_scratch(RdbOutput* output, size_t size) noexcept nogil:
    if output.scratch_size >= size:
        return 1
    free(output.scratch)
    output.scratch = <uint8_t*> malloc(size)
    output.scratch_size = size if output.scratch != NULL else 0
    return output.scratch != NULL


cdef void output_compressed(RdbOutput* output, const void* data, size_t packed, size_t length) noexcept nogil:
    output_byte(output, RDB_ENCODED | RDB_LZF)
    output_length(output, packed)
    output_length(output, length)
    output_bytes(output, data, packed)


cdef void output_blob(RdbOutput* output, const void* data, size_t length) noexcept nogil:
    cdef size_t packed
    # Where there is no memory for it, it is written uncompressed.
    if output.compress and length >= COMPRESS_MIN and output.error == 0 and reserve_scratch(output, length):
        packed = lzf_compress(<const uint8_t*> data, length, output.scratch, length - COMPRESS_GAIN)
        if packed:
            output_compressed(output, output.scratch, packed, length)
            return
    put_plain(output, data, length)


cdef void output_text(RdbOutput* output, const char* data, size_t length) noexcept nogil:
    cdef int64_t number
    if length <= INTEGER_LENGTH_MAX:
        if not (parse_int64(data, length, &number) and put_integer(output, number)):
            put_plain(output, data, length)
        return
    output_blob(output, data, length)


cdef void output_integer_text(RdbOutput* output, int64_t value) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    if not put_integer(output, value):
        put_plain(output, text, <size_t> format_int64(text, value))
