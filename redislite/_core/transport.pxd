"""What clients send and are sent, apart from what it means: four steps, of which this has the first and the last.

    read     client_read      the transport ─▶ the buffer that all share, or the client's own where a request is
                              incomplete, or the string that a long argument is read into
    parse,   client_use_input these, handed over whole ─▶ requests ─▶ replies (dispatch/execute)
    execute
    write    client_write     the replies' chunks, handed over whole ─▶ the transport (clients/output)

A transport is a row of functions (Transport, state/core). Here is that of sockets.
"""
from redislite._core.state.core cimport Client, Core, Transport


# Of accepted, non-blocking sockets, whose descriptor is Client.fd.
cdef Transport* socket_transport() noexcept nogil
# Reads once, and executes nothing: how many bytes have come, 0 where there are none now, -1 where the peer is gone or
# memory was out.
cdef ssize_t client_read(Core* core, Client* client) noexcept nogil
# Has executed what is complete with the count bytes that client_read has just answered, or puts it away for later. No
# other client may have been read meanwhile. -1 where more waits than may.
cdef int client_use_input(Core* core, Client* client, size_t count) noexcept nogil
# Gives back input buffers that are larger than what came lately; idle: nothing has come for a while.
cdef void trim_client(Core* core, Client* client, bint idle) noexcept nogil
