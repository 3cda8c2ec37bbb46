"""Reading what clients send, into the buffer that all share or, where a request is incomplete, into their own."""
from redislite._core.state.core cimport Client, Core


# Reads once from the socket, and has executed what is complete. 0, or -1 where the peer is gone.
cdef int client_read(Core* core, Client* client) noexcept nogil
# Gives back input buffers that are larger than what came lately; idle: nothing has come for a while.
cdef void trim_client(Core* core, Client* client, bint idle) noexcept nogil
