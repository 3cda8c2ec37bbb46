"""Replies in RESP2 and RESP3; the contract is in reply.pxd.

Formats: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""
from libc.math cimport isinf, isnan
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, strlen
from redislite._core.base.layout cimport size_is
from redislite._core.base.alloc cimport (
    PASSING_MAX, heap_alloc, heap_alloc_passing, heap_footprint, heap_free, heap_free_passing, heap_passing_footprint,
)
from redislite._core.state.core cimport Chunk, Core, REPLY_CHUNK, Reply
from redislite._core.state.flags cimport LOG_WARNING
from redislite._core.state.statistics cimport ERROR_KIND_LENGTH, ERROR_KINDS_MAX, ERROR_KINDS_ROOM, ErrorKind
from redislite._core.text.numbers cimport DOUBLE_TEXT_MAX, INTEGER_TEXT_MAX, format_double, format_int64
from redislite._core.text.wire cimport BULK_MAX, HEADER_MAX, put_bulk, put_header
from redislite._core.protocol.reply_types import CommandError, Push, Set, SimpleString, Verbatim

cdef enum:
    POOLED_CHUNKS_MAX = 64
    LEAN_CHUNK = 512 - sizeof(Chunk)            # bytes of the smallest chunk
    DEFERRED_CAPACITY = 32
    DEPTH_MAX = 128                 # of Python objects within each other
    ERROR_KINDS_LINE = 64 + ERROR_KINDS_MAX * (ERROR_KIND_LENGTH + 2)

# What stands for all kinds of errors, and for those beyond the limit.
cdef const char* KINDS_DISABLED = b"ERRORSTATS_DISABLED"
cdef const char* KINDS_OVERFLOW = b"ERRORSTATS_OVERFLOW"


cdef void assert_layout() noexcept nogil:
    cdef Chunk* chunk = NULL
    size_is(chunk, 32)              # REPLY_CHUNK counts on it: with its header a chunk is a whole block of the heap


cdef void reply_init(Reply* reply, Core* core) noexcept nogil:
    reply.core = core
    reply.first = NULL
    reply.last = NULL
    reply.sent = 0
    reply.pending = 0
    reply.held = 0
    reply.errors = 0
    reply.protocol = 2
    reply.starved = 0


cdef inline size_t chunk_size(const Chunk* chunk) noexcept nogil:
    """What the chunk takes; one that is shared counts in full for each client that has it."""
    if chunk.capacity:
        return heap_passing_footprint(sizeof(Chunk) + chunk.capacity)
    return heap_footprint(sizeof(Chunk) + sizeof(Shared*)) + heap_passing_footprint(sizeof(Shared) + chunk.length)


# The pool is memory at hand, as an allocator keeps it: what is in it does not count as used.

cdef Chunk* chunk_new(Core* core, size_t capacity) noexcept nogil:
    cdef Chunk* chunk
    if sizeof(Chunk) + capacity <= PASSING_MAX:
        capacity = heap_passing_footprint(sizeof(Chunk) + capacity) - sizeof(Chunk)
    if capacity == REPLY_CHUNK and core.chunks != NULL:
        chunk = core.chunks
        core.chunks = chunk.next
        core.chunks_count -= 1
        core.heap.used += chunk_size(chunk)
    else:
        chunk = <Chunk*> heap_alloc_passing(core.heap, sizeof(Chunk) + capacity)
        if chunk == NULL:
            return NULL
        chunk.data = <char*> chunk + sizeof(Chunk)
        chunk.capacity = capacity
    chunk.next = NULL
    chunk.length = 0
    return chunk


cdef inline Shared** shared_of(Chunk* chunk) noexcept nogil:
    return <Shared**> (<char*> chunk + sizeof(Chunk))


cdef void chunk_free(Core* core, Chunk* chunk) noexcept nogil:
    if chunk.capacity == 0:
        shared_release(core, shared_of(chunk)[0])
        heap_free(core.heap, chunk, sizeof(Chunk) + sizeof(Shared*))
    elif chunk.capacity == REPLY_CHUNK and core.chunks_count < POOLED_CHUNKS_MAX:
        chunk.next = core.chunks
        core.chunks = chunk
        core.chunks_count += 1
        core.heap.used -= chunk_size(chunk)
    else:
        heap_free_passing(core.heap, chunk, sizeof(Chunk) + chunk.capacity)


cdef void reply_empty_pool(Core* core) noexcept nogil:
    cdef Chunk* chunk
    while core.chunks != NULL:
        chunk = core.chunks
        core.chunks = chunk.next
        core.chunks_count -= 1
        core.heap.used += chunk_size(chunk)
        heap_free_passing(core.heap, chunk, sizeof(Chunk) + chunk.capacity)


cdef void append_chunk(Reply* reply, Chunk* chunk) noexcept nogil:
    reply.held += chunk_size(chunk)
    if reply.last == NULL:
        reply.first = chunk
    else:
        reply.pending += reply.last.length
        reply.last.next = chunk
    reply.last = chunk


cdef char* reply_grow(Reply* reply, size_t need) noexcept nogil:
    cdef Chunk* chunk
    if reply.starved:
        return NULL
    chunk = chunk_new(reply.core, need if need > REPLY_CHUNK else <size_t> REPLY_CHUNK)
    if chunk == NULL:
        reply.starved = 1
        return NULL
    append_chunk(reply, chunk)
    return chunk_data(chunk)


cdef char* reply_room_lean(Reply* reply, size_t need, size_t expected) noexcept nogil:
    cdef Chunk* chunk
    if reply.last != NULL:
        return reply_room(reply, need)
    if expected < need:
        expected = need
    if expected > REPLY_CHUNK // 2 or reply.starved:
        return reply_grow(reply, need)
    chunk = chunk_new(reply.core, expected if expected > LEAN_CHUNK else <size_t> LEAN_CHUNK)
    if chunk == NULL:
        reply.starved = 1
        return NULL
    append_chunk(reply, chunk)
    return chunk_data(chunk)


cdef void reply_join(Reply* reply, Reply* other) noexcept nogil:
    reply.starved |= other.starved
    other.starved = 0
    if other.first == NULL:
        return
    reply.held += other.held - chunk_size(other.first)
    append_chunk(reply, other.first)
    reply.last = other.last
    reply.pending += other.pending
    other.first = NULL
    other.last = NULL
    other.pending = 0
    other.held = 0


cdef Shared* shared_new(Core* core, size_t length) noexcept nogil:
    cdef Shared* shared = <Shared*> heap_alloc_passing(core.heap, sizeof(Shared) + length)
    if shared != NULL:
        shared.references = 1
        shared.length = length
    return shared


cdef void shared_release(Core* core, Shared* shared) noexcept nogil:
    if shared == NULL:
        return
    shared.references -= 1
    if shared.references == 0:
        heap_free_passing(core.heap, shared, sizeof(Shared) + shared.length)


cdef void reply_shared(Reply* reply, Shared* shared) noexcept nogil:
    cdef Chunk* chunk
    if reply.starved:
        return
    chunk = <Chunk*> heap_alloc(reply.core.heap, sizeof(Chunk) + sizeof(Shared*))
    if chunk == NULL:
        reply.starved = 1
        return
    chunk.next = NULL
    chunk.data = shared_data(shared)
    chunk.capacity = 0
    chunk.length = shared.length
    shared_of(chunk)[0] = shared
    shared.references += 1
    append_chunk(reply, chunk)


cdef void reply_release(Reply* reply) noexcept nogil:
    cdef Chunk* chunk = reply.first
    cdef Chunk* following
    while chunk != NULL:
        following = chunk.next
        chunk_free(reply.core, chunk)
        chunk = following
    reply.first = NULL
    reply.last = NULL
    reply.sent = 0
    reply.pending = 0
    reply.held = 0


cdef ReplyMark reply_mark(Reply* reply) noexcept nogil:
    cdef ReplyMark mark
    mark.chunk = reply.last
    mark.length = reply.last.length if reply.last != NULL else 0
    return mark


cdef void reply_rollback(Reply* reply, ReplyMark mark) noexcept nogil:
    cdef Chunk* chunk
    cdef Chunk* following
    if mark.chunk == NULL:
        reply_release(reply)
        return
    chunk = mark.chunk.next
    while chunk != NULL:
        following = chunk.next
        reply.held -= chunk_size(chunk)
        chunk_free(reply.core, chunk)
        chunk = following
    mark.chunk.next = NULL
    mark.chunk.length = mark.length
    reply.last = mark.chunk
    reply.pending = 0
    chunk = reply.first
    while chunk != reply.last:
        reply.pending += chunk.length
        chunk = chunk.next


cdef void reply_written(Reply* reply, size_t count) noexcept nogil:
    cdef Chunk* chunk
    cdef size_t rest
    while count or (reply.first != NULL and reply.sent == reply.first.length):
        chunk = reply.first
        rest = chunk.length - reply.sent
        if count < rest:
            reply.sent += count
            return
        count -= rest
        reply.sent = 0
        reply.first = chunk.next
        if chunk == reply.last:
            reply.last = NULL
        else:
            reply.pending -= chunk.length
        reply.held -= chunk_size(chunk)
        chunk_free(reply.core, chunk)


cdef void reply_raw(Reply* reply, const char* data, size_t length) noexcept nogil:
    cdef char* room = reply_room(reply, length)
    if room != NULL and length:
        memcpy(room, data, length)
        reply_advance(reply, length)


cdef void reply_simple(Reply* reply, const char* text) noexcept nogil:
    cdef size_t length = strlen(text)
    cdef char* room = reply_room(reply, length + 3)
    if room != NULL:
        room[0] = c'+'
        memcpy(room + 1, text, length)
        memcpy(room + 1 + length, b"\r\n", 2)
        reply_advance(reply, length + 3)


cdef ErrorKind* add_kind(Core* core, const char* name, size_t length) noexcept nogil:
    cdef ErrorKind* kind = &core.error_kinds[core.error_kinds_count]
    core.error_kinds_count += 1
    memcpy(kind.name, name, length)
    kind.name_length = <int> length
    kind.count = 0
    return kind


cdef ErrorKind* find_kind(Core* core, const char* name, size_t length) noexcept nogil:
    cdef ErrorKind* kind
    cdef int i
    for i in range(core.error_kinds_count):
        kind = &core.error_kinds[i]
        if kind.name_length == <int> length and memcmp(kind.name, name, length) == 0:
            return kind
    return NULL


cdef void disable_kinds(Core* core) noexcept nogil:
    """Somebody makes up ever more of them."""
    cdef char line[ERROR_KINDS_LINE]
    cdef size_t used
    cdef int i
    core.upcalls.log_line(core, LOG_WARNING,
                          "Errorstats stopped adding new errors because the number of errors reached the "
                          "limit, which scripts may have made up; CONFIG RESETSTAT counts them again")
    used = <size_t> snprintf(line, sizeof(line), "Current errors code list:")
    for i in range(core.error_kinds_count):
        used += <size_t> snprintf(line + used, sizeof(line) - used, "%s %.*s", "," if i else "",
                                  core.error_kinds[i].name_length, core.error_kinds[i].name)
    core.upcalls.log_line(core, LOG_WARNING, line)
    core.statistics.lazily_freed += core.error_kinds_count
    core.error_kinds_count = 0
    add_kind(core, KINDS_DISABLED, strlen(KINDS_DISABLED)).count = 1


cdef bint kinds_are_disabled(const Core* core) noexcept nogil:
    return core.error_kinds_count == 1 and core.error_kinds[0].name_length == <int> strlen(KINDS_DISABLED) and \
        memcmp(core.error_kinds[0].name, KINDS_DISABLED, strlen(KINDS_DISABLED)) == 0


cdef void count_error(Core* core, const char* text, size_t length, bint is_custom) noexcept nogil:
    cdef size_t word = 0
    cdef ErrorKind* kind
    core.statistics.error_replies += 1
    while word < length and word < ERROR_KIND_LENGTH and text[word] != c' ':
        word += 1
    kind = find_kind(core, text, word)
    if kind == NULL:
        if kinds_are_disabled(core):
            return
        if core.error_kinds_count < ERROR_KINDS_MAX or (core.settings.error_kinds_overflow and not is_custom
                                                        and core.error_kinds_count < ERROR_KINDS_ROOM - 1):
            kind = add_kind(core, text, word)
        elif not core.settings.error_kinds_overflow:
            disable_kinds(core)
            return
        else:
            kind = find_kind(core, KINDS_OVERFLOW, strlen(KINDS_OVERFLOW))
            if kind == NULL:
                kind = add_kind(core, KINDS_OVERFLOW, strlen(KINDS_OVERFLOW))
    kind.count += 1


cdef void reply_error_bytes(Reply* reply, const char* text, size_t length) noexcept nogil:
    count_error(reply.core, text, length, 0)
    put_error(reply, text, length)


cdef void reply_custom_error(Reply* reply, const char* text, size_t length) noexcept nogil:
    count_error(reply.core, text, length, 1)
    put_error(reply, text, length)


cdef void reply_error_again(Reply* reply, const char* text, size_t length) noexcept nogil:
    # It is the last one that was counted, as far as the command is concerned.
    reply.core.errors_counted = reply.core.statistics.error_replies - 1
    put_error(reply, text, length)


cdef void put_error(Reply* reply, const char* text, size_t length) noexcept nogil:
    cdef char* room = reply_room(reply, length + 3)
    cdef size_t i
    reply.errors += 1
    if room != NULL:
        room[0] = c'-'
        for i in range(length):
            room[1 + i] = c' ' if text[i] == c'\r' or text[i] == c'\n' else text[i]
        memcpy(room + 1 + length, b"\r\n", 2)
        reply_advance(reply, length + 3)


cdef void reply_error(Reply* reply, const char* text) noexcept nogil:
    reply_error_bytes(reply, text, strlen(text))


cdef inline void header(Reply* reply, char kind, int64_t value) noexcept nogil:
    cdef char* room = reply_room(reply, HEADER_MAX)
    if room != NULL:
        reply_advance(reply, put_header(room, kind, value) - room)


cdef void reply_integer(Reply* reply, int64_t value) noexcept nogil:
    header(reply, c':', value)


cdef void reply_bulk(Reply* reply, const char* data, size_t length) noexcept nogil:
    cdef char* room = reply_room(reply, length + BULK_MAX)
    if room != NULL:
        reply_advance(reply, put_bulk(room, data, length) - room)


cdef void reply_bulk_integer(Reply* reply, int64_t value) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    reply_bulk(reply, text, format_int64(text, value))


cdef void reply_null(Reply* reply) noexcept nogil:
    if reply.protocol >= 3:
        reply_raw(reply, b"_\r\n", 3)
    else:
        reply_raw(reply, b"$-1\r\n", 5)


cdef void reply_null_array(Reply* reply) noexcept nogil:
    if reply.protocol >= 3:
        reply_raw(reply, b"_\r\n", 3)
    else:
        reply_raw(reply, b"*-1\r\n", 5)


cdef void reply_array(Reply* reply, int64_t length) noexcept nogil:
    header(reply, c'*', length)


cdef void reply_map(Reply* reply, int64_t pairs) noexcept nogil:
    if reply.protocol >= 3:
        header(reply, c'%', pairs)
    else:
        header(reply, c'*', pairs * 2)


cdef void reply_set(Reply* reply, int64_t length) noexcept nogil:
    header(reply, c'~' if reply.protocol >= 3 else c'*', length)


cdef void reply_push(Reply* reply, int64_t length) noexcept nogil:
    header(reply, c'>' if reply.protocol >= 3 else c'*', length)


cdef void reply_double(Reply* reply, double value) noexcept nogil:
    cdef char text[DOUBLE_TEXT_MAX]
    cdef int length = format_double(text, value)
    if reply.protocol < 3:
        reply_bulk(reply, text, length)
        return
    reply_raw(reply, b",", 1)
    reply_raw(reply, text, length)
    reply_raw(reply, b"\r\n", 2)


cdef void reply_bool(Reply* reply, bint value) noexcept nogil:
    if reply.protocol >= 3:
        reply_raw(reply, b"#t\r\n" if value else b"#f\r\n", 4)
    else:
        header(reply, c':', value)


cdef void reply_verbatim(Reply* reply, const char* extension, const char* data, size_t length) noexcept nogil:
    if reply.protocol < 3:
        reply_bulk(reply, data, length)
        return
    header(reply, c'=', <int64_t> length + 4)
    reply_raw(reply, extension, 3)
    reply_raw(reply, b":", 1)
    reply_raw(reply, data, length)
    reply_raw(reply, b"\r\n", 2)


cdef Chunk* reply_deferred_begin(Reply* reply) noexcept nogil:
    cdef Chunk* place
    if reply.starved:
        return NULL
    place = chunk_new(reply.core, DEFERRED_CAPACITY)
    if place == NULL:
        reply.starved = 1
        return NULL
    append_chunk(reply, place)
    place.length = 0
    # The header is written later; what follows must not run into its room.
    place.capacity = 0
    if reply_grow(reply, REPLY_CHUNK) == NULL:
        reply.starved = 1
    place.capacity = DEFERRED_CAPACITY
    return place


cdef void reply_deferred_end(Reply* reply, Chunk* place, char kind, int64_t length) noexcept nogil:
    if place == NULL:
        return
    if reply.protocol < 3:
        if kind == c'%':
            length *= 2
        kind = c'*'
    place.length = put_header(chunk_data(place), kind, length) - chunk_data(place)
    if place != reply.last:
        reply.pending += place.length


cdef int append_sequence(Reply* reply, object value, int depth) except -1:
    """The elements, which a subclass may count otherwise than it tells, behind the header that their kind has."""
    cdef tuple elements = tuple(value)
    if isinstance(value, Push):
        reply_push(reply, len(elements))
    elif isinstance(value, (set, frozenset, Set)):
        reply_set(reply, len(elements))
    else:
        reply_array(reply, len(elements))
    for element in elements:
        append_object(reply, element, depth)
    return 0


cdef int append_mapping(Reply* reply, object value, int depth) except -1:
    cdef tuple items = tuple(value.items())
    reply_map(reply, len(items))
    for key, element in items:
        append_object(reply, key, depth)
        append_object(reply, element, depth)
    return 0


cdef int append_text(Reply* reply, object value) except -1:
    cdef bytes data = value.encode("utf-8", "surrogateescape")
    if not isinstance(value, SimpleString):
        reply_bulk(reply, data, len(data))
        return 0
    if b"\r" in data or b"\n" in data:
        raise ValueError("a simple string holds neither CR nor LF")
    data = b"+" + data + b"\r\n"
    reply_raw(reply, data, len(data))
    return 0


cdef int append_verbatim(Reply* reply, object value) except -1:
    cdef bytes data = value.text if isinstance(value.text, bytes) else value.text.encode("utf-8", "surrogateescape")
    cdef bytes format = value.format.encode()
    if len(format) != 3:
        raise ValueError("the format of a verbatim string has three letters")
    reply_verbatim(reply, format, data, len(data))
    return 0


cdef int append_error(Reply* reply, object value) except -1:
    cdef bytes data = str(value).encode("utf-8", "surrogateescape")
    reply_error_bytes(reply, data, len(data))
    return 0


cdef int append_object(Reply* reply, object value, int depth) except -1:
    if value is None:
        reply_null(reply)
    elif isinstance(value, bytes):
        reply_bulk(reply, <bytes> value, len(<bytes> value))
    elif isinstance(value, bool):
        reply_bool(reply, value)
    elif isinstance(value, int):
        reply_integer(reply, value)
    elif isinstance(value, str):
        append_text(reply, value)
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        if depth == DEPTH_MAX:
            raise RecursionError("no reply for what holds itself, or is nested deeper than any client reads")
        if isinstance(value, dict):
            append_mapping(reply, value, depth + 1)
        else:
            append_sequence(reply, value, depth + 1)
    elif isinstance(value, float):
        reply_double(reply, value)
    elif isinstance(value, Verbatim):
        append_verbatim(reply, value)
    elif isinstance(value, CommandError):
        append_error(reply, value)
    elif isinstance(value, Exception):
        append_error(reply, f"ERR {type(value).__name__}: {value}")
    else:
        raise TypeError(f"no reply for a {type(value).__name__}: answer int, bytes, str, None, list, dict, set, float "
                        "or bool")
    return 0


cdef int reply_object(Reply* reply, object value) except -1:
    cdef ReplyMark mark = reply_mark(reply)
    try:
        append_object(reply, value, 0)
    except BaseException:
        reply_rollback(reply, mark)
        raise
    return 0
