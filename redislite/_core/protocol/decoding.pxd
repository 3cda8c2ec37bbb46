"""Arguments of commands from Python objects, and replies as Python objects: for whoever calls a command in this
process."""
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Argument, Client


# The bytes of an argument: bytes, str, int or float; TypeError for anything else.
cdef object encode_argument(object argument)
# The client's output, one reply in RESP3, as Python objects, which is released; an error at the top is answered as
# CommandError and not raised. None where there is none; MemoryError where memory was out for it. status: the class of
# simple strings, made from str.
cdef object take_reply(Client* client, object status)
# The name and arguments of a command, from a list of bytes into which they point: a block of the heap, of as many
# Arguments, the caller's. ValueError where there are none or something else is among them, MemoryError.
cdef Argument* arguments_of(Heap* heap, list words) except NULL
