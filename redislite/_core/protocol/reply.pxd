"""Replies in RESP2 and RESP3, appended to a client's output.

Output is a list of chunks. Most replies fit the first one, which comes from a pool and goes back when it is written,
so an idle client holds none.

    Reply.first ─▶ | written ... sent | to write ... | ─▶ ... ─▶ Reply.last | ... length | room ... capacity |

A long message to many clients stands in memory once (Shared): each client's output has a chunk that points to it.

Every function here appends; none fails visibly: where memory is out, ``Reply.starved`` is set, output is dropped, and
the client is closed by whoever serves it. One error text goes out as the original has it, CR and LF made spaces.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from redislite._core.state.core cimport Chunk, Core, Reply
from redislite._core.state.flags cimport CLIENT_INTERNAL


# A place to come back to, where output behind it is not to be sent.
cdef struct ReplyMark:
    Chunk* chunk
    size_t length


# Bytes that the output of several clients refers to: this header, then length bytes. Released with its last reference.
cdef struct Shared:
    int64_t references
    size_t length


cdef void reply_init(Reply* reply, Core* core) noexcept nogil
# Gives back what is at hand for output to come.
cdef void reply_empty_pool(Core* core) noexcept nogil
# Drops all output and gives the chunks back.
cdef void reply_release(Reply* reply) noexcept nogil
# A chunk with room for need bytes becomes the last one; answers the room, NULL where memory is out.
cdef char* reply_grow(Reply* reply, size_t need) noexcept nogil
# Room likewise, for a message to a client who waits for none: where nothing is pending, the chunk takes no more than
# expected bytes ask for, as there may be thousands of such clients. NULL where memory is out.
cdef char* reply_room_lean(Reply* reply, size_t need, size_t expected) noexcept nogil
# Moves all output of other, of which nothing has been written, behind that of reply.
cdef void reply_join(Reply* reply, Reply* other) noexcept nogil
# Shared bytes, not written yet, with one reference, the caller's; NULL where memory is out.
cdef Shared* shared_new(Core* core, size_t length) noexcept nogil
# Gives one reference back. NULL is accepted.
cdef void shared_release(Core* core, Shared* shared) noexcept nogil
# Appends the bytes without copying them, and takes a reference.
cdef void reply_shared(Reply* reply, Shared* shared) noexcept nogil
cdef ReplyMark reply_mark(Reply* reply) noexcept nogil
# Drops what was appended since the mark; nothing may have been written meanwhile.
cdef void reply_rollback(Reply* reply, ReplyMark mark) noexcept nogil
# Releases count bytes that have been written to the socket.
cdef void reply_written(Reply* reply, size_t count) noexcept nogil

# Bytes as they are.
cdef void reply_raw(Reply* reply, const char* data, size_t length) noexcept nogil
# +text
cdef void reply_simple(Reply* reply, const char* text) noexcept nogil
# -text: text starts with the error's kind ("ERR ...", "WRONGTYPE ..."). Counted by kind.
cdef void reply_error(Reply* reply, const char* text) noexcept nogil
cdef void reply_error_bytes(Reply* reply, const char* text, size_t length) noexcept nogil
# The same for an error that has been counted: the command that replies it has failed all the same.
cdef void reply_error_again(Reply* reply, const char* text, size_t length) noexcept nogil
# The same for one that a script has made up.
cdef void reply_custom_error(Reply* reply, const char* text, size_t length) noexcept nogil
# Counts an error by its first word. There are kinds that scripts make up (is_custom) without end: beyond
# ERROR_KINDS_MAX, as settings.error_kinds_overflow says, these count as one kind, or none is counted any more.
cdef void count_error(Core* core, const char* text, size_t length, bint is_custom) noexcept nogil
cdef void reply_integer(Reply* reply, int64_t value) noexcept nogil
cdef void reply_bulk(Reply* reply, const char* data, size_t length) noexcept nogil
cdef void reply_bulk_integer(Reply* reply, int64_t value) noexcept nogil
# A null: $-1 in RESP2, _ in RESP3. reply_null_array: *-1 in RESP2.
cdef void reply_null(Reply* reply) noexcept nogil
cdef void reply_null_array(Reply* reply) noexcept nogil
# Headers: length elements must follow (pairs for a map, which is a flat array in RESP2; a set is an array there).
cdef void reply_array(Reply* reply, int64_t length) noexcept nogil
cdef void reply_map(Reply* reply, int64_t pairs) noexcept nogil
cdef void reply_set(Reply* reply, int64_t length) noexcept nogil
cdef void reply_push(Reply* reply, int64_t length) noexcept nogil
# Double: a bulk string in RESP2. Boolean: an integer in RESP2. Verbatim text: a bulk string in RESP2.
cdef void reply_double(Reply* reply, double value) noexcept nogil
cdef void reply_bool(Reply* reply, bint value) noexcept nogil
cdef void reply_verbatim(Reply* reply, const char* extension, const char* data, size_t length) noexcept nogil
# An aggregate whose length is known only afterwards: begin answers a place, end fills in the header.
cdef Chunk* reply_deferred_begin(Reply* reply) noexcept nogil
cdef void reply_deferred_end(Reply* reply, Chunk* place, char kind, int64_t length) noexcept nogil
# A Python object: int, bytes (bulk), str (bulk), SimpleString, None, list and tuple, dict, set, float, bool, Verbatim,
# Push. A CommandError inside an aggregate becomes an error element. TypeError for anything else, OverflowError for an
# integer of more than 64 bits, ValueError, RecursionError: then nothing has been appended.
cdef int reply_object(Reply* reply, object value) except -1


cdef inline char* chunk_data(Chunk* chunk) noexcept nogil:
    return chunk.data


cdef inline char* shared_data(Shared* shared) noexcept nogil:
    return <char*> shared + sizeof(Shared)


# Room for need bytes behind the output so far, NULL where memory is out. Nothing is appended until reply_advance.
cdef inline char* reply_room(Reply* reply, size_t need) noexcept nogil:
    cdef Chunk* last = reply.last
    if last != NULL and last.capacity >= last.length + need:
        return chunk_data(last) + last.length
    return reply_grow(reply, need)


cdef inline void reply_advance(Reply* reply, size_t count) noexcept nogil:
    reply.last.length += count


# Bytes that wait to be written.
cdef inline size_t reply_pending(const Reply* reply) noexcept nogil:
    return reply.pending + (reply.last.length if reply.last != NULL else 0) - reply.sent


# Whether more output is of no use, as the client is about to be closed: memory was out, or its hard limit is passed.
# For loops whose length an argument gives.
cdef inline bint reply_is_futile(const Reply* reply) noexcept nogil:
    cdef int64_t limit = reply.core.settings.output_hard_limit
    return reply.starved or (limit > 0 and reply_pending(reply) > <size_t> limit
                             and not (reply.core.executing != NULL and reply.core.executing.flags & CLIENT_INTERNAL))


cdef inline void reply_ok(Reply* reply) noexcept nogil:
    cdef char* room = reply_room(reply, 5)
    if room != NULL:
        memcpy(room, b"+OK\r\n", 5)
        reply_advance(reply, 5)
