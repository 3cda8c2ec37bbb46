"""Arguments as bytes, and replies as Python objects; the contract is in decoding.pxd."""
from redislite._core.protocol.reply cimport chunk_data
from redislite._core.state.core cimport Chunk, Client
from redislite._core.protocol.reply_types import CommandError


cdef bytes encode_argument(object argument):
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return (<str> argument).encode("utf-8", "surrogateescape")
    if isinstance(argument, bool) or not isinstance(argument, (int, float)):
        raise TypeError(f"an argument is bytes, str, int or float, not {type(argument).__name__}")
    return repr(argument).encode()


cdef bytes output_of(Client* client):
    cdef list parts = []
    cdef Chunk* chunk = client.reply.first
    while chunk != NULL:
        parts.append(chunk_data(chunk)[:chunk.length])
        chunk = chunk.next
    return b"".join(parts)


cpdef object decode(bytes data):
    value, _end = decode_at(data, 0)
    if isinstance(value, CommandError):
        raise value
    return value


cdef tuple decode_at(bytes data, Py_ssize_t at):
    """The object that begins there, and where it ends."""
    cdef Py_ssize_t end = data.index(b"\r\n", at)
    cdef bytes head = data[at + 1:end]
    cdef int kind = data[at]
    cdef Py_ssize_t count
    at = end + 2
    if kind == c'+':
        return head.decode("utf-8", "surrogateescape"), at
    if kind == c'-':
        return CommandError(head.decode("utf-8", "surrogateescape")), at
    if kind == c':' or kind == c'(':
        return int(head), at
    if kind == c'_':
        return None, at
    if kind == c',':
        return float(head), at
    if kind == c'#':
        return head == b"t", at
    count = int(head)
    if kind == c'$' or kind == c'=':
        if count < 0:
            return None, at
        value = data[at:at + count]
        return (value[4:] if kind == c'=' else value), at + count + 2
    if count < 0:
        return None, at
    if kind == c'%':
        pairs = {}
        for _ in range(count):
            key, at = decode_at(data, at)
            pairs[key], at = decode_at(data, at)
        return pairs, at
    values = []
    for _ in range(count):
        value, at = decode_at(data, at)
        values.append(value)
    return (set(values) if kind == c'~' else values), at
