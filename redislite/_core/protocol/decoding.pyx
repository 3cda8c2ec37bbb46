"""Python objects and the wire; the contract is in decoding.pxd."""
from libc.string cimport memchr
from redislite._core.base.alloc cimport heap_alloc
from redislite._core.protocol.reply cimport chunk_data, reply_release
from redislite._core.state.core cimport Chunk, Client

from redislite._core.protocol.reply_types import CommandError


cdef object encode_argument(object argument):
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return (<str> argument).encode("utf-8", "surrogateescape")
    if isinstance(argument, bool) or not isinstance(argument, (int, float)):
        raise TypeError(f"an argument is bytes, str, int or float, not {type(argument).__name__}")
    return repr(argument).encode()


cdef bytes output_of(Client* client):
    """All of it, in one piece."""
    cdef list parts = []
    cdef Chunk* chunk = client.reply.first
    while chunk != NULL:
        parts.append(chunk_data(chunk)[:chunk.length])
        chunk = chunk.next
    return b"".join(parts)


cdef object take_reply(Client* client, object status):
    cdef Chunk* chunk = client.reply.first
    cdef const char* at
    cdef bytes whole
    cdef bint starved = client.reply.starved
    try:
        if starved:
            raise MemoryError
        if chunk == NULL or (chunk.next == NULL and chunk.length == 0):
            return None
        if chunk.next == NULL:
            at = chunk_data(chunk)
            return read_reply(&at, status)
        whole = output_of(client)
        if not whole:
            return None
        at = whole
        return read_reply(&at, status)
    finally:
        reply_release(&client.reply)
        client.reply.starved = 0


def decode(bytes data not None) -> object:
    """The object that one whole reply, in RESP3, stands for. CommandError is raised for an error at the top."""
    cdef const char* at = data
    value = read_reply(&at, str)
    if isinstance(value, CommandError):
        raise value
    return value


cdef object read_reply(const char** place, object status):
    """Of what this server has written itself, which is sound."""
    cdef const char* at = place[0]
    cdef const char* end = <const char*> memchr(at, c'\r', 1 << 30)
    cdef char kind = at[0]
    cdef bytes head = at[1:end - at]
    cdef Py_ssize_t count
    place[0] = end + 2
    if kind == c'$' or kind == c'=':
        count = int(head)
        if count < 0:
            return None
        at = end + 2
        place[0] = at + count + 2
        return at[4:count] if kind == c'=' else at[:count]
    if kind == c':' or kind == c'(':
        return int(head)
    if kind == c'+':
        return status(head.decode("utf-8", "surrogateescape"))
    if kind == c'-':
        return CommandError(head.decode("utf-8", "surrogateescape"))
    if kind == c'_':
        return None
    if kind == c',':
        return float(head)
    if kind == c'#':
        return head == b"t"
    count = int(head)
    if count < 0:
        return None
    if kind == c'%':
        pairs = {}
        for _ in range(count):
            key = read_reply(place, status)
            pairs[key] = read_reply(place, status)
        return pairs
    values = [read_reply(place, status) for _ in range(count)]
    return set(values) if kind == c'~' else values


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
