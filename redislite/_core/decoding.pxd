"""Arguments of Engine.execute as bytes, and replies as Python objects."""
from redislite._core.state.core cimport Client


# TypeError where it is neither bytes nor str nor a number.
cdef bytes encode_argument(object argument)
# All that waits to be written to the client.
cdef bytes output_of(Client* client)
# The Python object that one reply, in RESP3, stands for. CommandError is raised for an error at the top.
cpdef object decode(bytes data)
