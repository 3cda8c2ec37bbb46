"""Arguments of commands from Python objects, and replies as Python objects: for whoever calls a command in this
process.

A reply is read where it stands, in the chunks of its client's output: what a bulk string has is copied once, into the
object that it becomes.
"""
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Argument, Chunk, Client


# Where the next byte is read from: a piece of output and those behind it, or one piece that is in no chunk.
cdef struct Cursor:
    const char* at
    const char* end
    Chunk* chunk                    # NULL: there is no other piece
    size_t before                   # bytes in the pieces before this one


# What replies become. RESP3's types are Python's own; a set becomes a list where sets_are_lists, since its elements may
# be what no set takes.
cdef class Decoder:
    cdef object status              # simple strings: called with a str; None: they are like bulk strings
    cdef object error               # errors: called with a str; answers what stands in their place
    cdef str encoding               # of bulk strings; None: they stay bytes
    cdef str encoding_errors
    cdef bint sets_are_lists
    cdef bint is_utf8               # encoding is UTF-8, errors being strict
    # One reply that begins with the first of the client's output, which is given back up to there. raw: strings stay
    # bytes. pushes: where messages that stand before it are appended, as lists, and where nothing else is there the
    # answer is None; None: these are replies. There is output; MemoryError where memory was out for it, all output
    # being given back then.
    cdef object take(self, Client* client, bint raw, list pushes)
    # Inside.
    cdef object read_behind_pushes(self, Cursor* cursor, bint raw, list pushes)
    cdef object read(self, Cursor* cursor, bint raw)
    cdef object string(self, const char* text, Py_ssize_t length, bint raw)


# The bytes of an argument: bytes, str, int or float; TypeError for anything else.
cdef object encode_argument(object argument)
# The client's output, one reply, as Python objects; all of it is released. An error at the top is answered, not raised.
# None where there is no reply; MemoryError where memory was out for it.
cdef object take_reply(Client* client, Decoder decoder)
# The name and arguments of a command, from a list of bytes into which they point: a block of the heap, of as many
# Arguments, the caller's. ValueError where there are none or something else is among them, MemoryError.
cdef Argument* arguments_of(Heap* heap, list words) except NULL
