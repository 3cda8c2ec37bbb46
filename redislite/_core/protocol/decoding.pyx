"""Python objects and the wire; the contract is in decoding.pxd."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t
from libc.string cimport memchr
from redislite._core.base.alloc cimport heap_alloc
from redislite._core.protocol.reply cimport chunk_data, reply_pending, reply_release, reply_written
from redislite._core.state.core cimport Argument, Chunk, Client

from redislite._core.protocol.reply_types import CommandError


cdef object encode_argument(object argument):
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return (<str> argument).encode("utf-8", "surrogateescape")
    if isinstance(argument, bool) or not isinstance(argument, (int, float)):
        raise TypeError(f"an argument is bytes, str, int or float, not {type(argument).__name__}")
    return repr(argument).encode()


class Torn(Exception):
    """What is being read goes on in another piece of the output."""


cdef inline int more(Cursor* cursor) except -1:
    """There is something to be read."""
    while cursor.at == cursor.end:
        if cursor.chunk == NULL or cursor.chunk.next == NULL:
            raise Torn
        cursor.before += cursor.chunk.length
        cursor.chunk = cursor.chunk.next
        cursor.at = chunk_data(cursor.chunk)
        cursor.end = cursor.at + cursor.chunk.length
    return 0


cdef inline bint is_at_end(const Cursor* cursor) noexcept:
    cdef const Chunk* chunk = cursor.chunk
    if cursor.at != cursor.end:
        return 0
    while chunk != NULL and chunk.next != NULL:
        chunk = chunk.next
        if chunk.length:
            return 0
    return 1


cdef inline const char* line(Cursor* cursor, Py_ssize_t* length) except NULL:
    """The line that is next, without its end."""
    cdef const char* begin = cursor.at
    cdef const char* end = <const char*> memchr(begin, c'\r', cursor.end - begin)
    if end == NULL or end + 1 == cursor.end:
        raise Torn
    length[0] = end - begin
    cursor.at = end + 2
    return begin


cdef inline int64_t number(const char* digits, Py_ssize_t length) noexcept:
    """Of what this server has written itself: 18 digits at the most."""
    cdef int64_t value = 0
    cdef Py_ssize_t i
    cdef bint negative = digits[0] == c'-'
    for i in range(<Py_ssize_t> negative, length):
        value = value * 10 + (digits[i] - 48)
    return -value if negative else value


cdef class Decoder:
    """What replies become; the contract is in decoding.pxd."""

    def __cinit__(self, object status=None, object error=CommandError, str encoding=None, str encoding_errors="strict",
                  bint sets_are_lists=False) -> None:
        self.status = status
        self.error = error
        self.encoding = encoding
        self.encoding_errors = encoding_errors
        self.sets_are_lists = sets_are_lists
        self.is_utf8 = encoding is not None and encoding_errors == "strict" and \
            encoding.lower().replace("_", "-") in ("utf-8", "utf8")

    cdef object take(self, Client* client, bint raw, list pushes):
        cdef Chunk* chunk = client.reply.first
        cdef Cursor cursor
        cdef size_t pending
        cdef bytes whole
        if client.reply.starved:
            reply_release(&client.reply)
            client.reply.starved = 0
            raise MemoryError
        cursor.at = chunk_data(chunk) + client.reply.sent
        cursor.end = chunk_data(chunk) + chunk.length
        cursor.chunk = chunk
        cursor.before = 0
        try:
            value = self.read_behind_pushes(&cursor, raw, pushes)
            reply_written(&client.reply, cursor.before + (cursor.at - chunk_data(cursor.chunk)) - client.reply.sent)
            return value
        except Torn:
            pass
        except BaseException:
            reply_release(&client.reply)    # it is not to be taken for the next one's
            raise
        # Rare: a message that others share begins in a chunk of the client's own.
        if pushes is not None:
            pushes.clear()
        pending = reply_pending(&client.reply)
        whole = output_of(client)
        cursor.at = whole
        cursor.end = cursor.at + pending
        cursor.chunk = NULL
        try:
            value = self.read_behind_pushes(&cursor, raw, pushes)
        except BaseException:
            reply_release(&client.reply)
            raise
        reply_written(&client.reply, cursor.at - <const char*> whole)
        return value

    cdef object read_behind_pushes(self, Cursor* cursor, bint raw, list pushes):
        more(cursor)
        while pushes is not None and cursor.at[0] == c'>':
            pushes.append(self.read(cursor, raw))
            if is_at_end(cursor):
                return None
            more(cursor)
        return self.read(cursor, raw)

    cdef object read(self, Cursor* cursor, bint raw):
        cdef char kind
        cdef Py_ssize_t length, count, i
        cdef const char* text
        more(cursor)
        kind = cursor.at[0]
        text = line(cursor, &length) + 1
        length -= 1
        if kind == c'$' or kind == c'=':
            count = <Py_ssize_t> number(text, length)
            if count < 0:
                return None
            if cursor.end - cursor.at < count + 2:
                raise Torn
            text = cursor.at
            cursor.at += count + 2
            if kind == c'=':
                text += 4
                count -= 4
            return self.string(text, count, raw)
        if kind == c':' and length <= 18:
            return number(text, length)
        if kind == c'+':
            return self.string(text, length, raw) if self.status is None else \
                self.status(PyUnicode_DecodeUTF8(text, length, "surrogateescape"))
        if kind == c'_':
            return None
        if kind == c'-':
            return self.error(PyUnicode_DecodeUTF8(text, length,
                                                   "replace" if self.status is None else "surrogateescape"))
        if kind == c':' or kind == c'(':
            return int(text[:length])
        if kind == c',':
            return float(text[:length])
        if kind == c'#':
            return text[0] == c't'
        count = <Py_ssize_t> number(text, length)
        if count < 0:
            return None
        if kind == c'%':
            pairs = {}
            for i in range(count):
                key = self.read(cursor, raw)
                pairs[key] = self.read(cursor, raw)
            return pairs
        values = []
        for i in range(count):
            values.append(self.read(cursor, raw))
        return set(values) if kind == c'~' and not self.sets_are_lists else values

    cdef object string(self, const char* text, Py_ssize_t length, bint raw):
        if raw or self.encoding is None:
            return PyBytes_FromStringAndSize(text, length)
        if self.is_utf8:
            return PyUnicode_DecodeUTF8(text, length, NULL)
        return (<bytes> PyBytes_FromStringAndSize(text, length)).decode(self.encoding, self.encoding_errors)


cdef bytes output_of(Client* client):
    """All of it that is not given back, in one piece."""
    cdef list parts = []
    cdef Chunk* chunk = client.reply.first
    cdef size_t sent = client.reply.sent
    while chunk != NULL:
        parts.append((chunk_data(chunk) + sent)[:chunk.length - sent])
        sent = 0
        chunk = chunk.next
    return b"".join(parts)


cdef object take_reply(Client* client, Decoder decoder):
    try:
        if not client.reply.starved and reply_pending(&client.reply) == 0:
            return None
        return decoder.take(client, 0, None)
    finally:
        reply_release(&client.reply)
        client.reply.starved = 0


def decode(bytes data not None) -> object:
    """The object that one whole reply, in RESP3, stands for. CommandError is raised for an error at the top."""
    cdef Cursor cursor
    cursor.at = data
    cursor.end = cursor.at + len(data)
    cursor.chunk = NULL
    cursor.before = 0
    value = (<Decoder> Decoder(str)).read(&cursor, 0)
    if isinstance(value, CommandError):
        raise value
    return value


cdef Argument* arguments_of(Heap* heap, list words) except NULL:
    cdef Argument* arguments
    cdef bint sound = len(words) > 0
    cdef Py_ssize_t i
    for i in range(len(words)):
        sound = sound and isinstance(words[i], bytes)
    if not sound:
        raise ValueError("a command is a name and its arguments, in bytes")
    arguments = <Argument*> heap_alloc(heap, len(words) * sizeof(Argument))
    if arguments == NULL:
        raise MemoryError
    for i in range(len(words)):
        arguments[i].data = <char*> <bytes> words[i]
        arguments[i].length = len(<bytes> words[i])
        arguments[i].owner = NULL
    return arguments
