"""Reading from sockets; the contract is in transport.pxd."""
from libc cimport errno
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_realloc
from redislite._core.base.sds cimport sds, sds_capacity, sds_length, sds_resize, sds_set_length
from redislite._core.state.core cimport LONG_ARGUMENT, QUERY_BUFFER, Client, Core, Parser
from redislite._core.state.flags cimport CLIENT_BLOCKED, CLIENT_POSTPONED, GATE_UNAUTHENTICATED, LOG_WARNING
from redislite._core.dispatch.execute cimport client_serve_input

# The socket's call rather than read: it passes by the file layer, which costs a request some percent.
cdef extern from "<sys/socket.h>":
    ssize_t recv(int fd, void* buffer, size_t length, int flags) noexcept nogil

cdef enum:
    UNAUTHENTICATED_QUERY_MAX = 1 << 20


cdef int client_read(Core* core, Client* client) noexcept nogil:
    cdef Parser* parser = client.parser if client.parser != NULL else core.parser
    cdef ssize_t count
    cdef size_t room, used
    cdef char* data = client.query
    cdef char* grown
    if parser.large != NULL:
        used = sds_length(parser.large)
        if sds_capacity(parser.large) < <size_t> parser.bulk + 2:
            # It had been trimmed while nothing came.
            grown = sds_resize(core.heap, parser.large, <size_t> parser.bulk + 2)
            if grown == NULL:
                return -1
            parser.large = grown
        room = sds_capacity(parser.large) - used
        count = recv(client.fd, parser.large + used, room, 0)
    else:
        used = client.query_length
        if data == NULL:
            data = core.read_buffer
            used = 0
            room = QUERY_BUFFER
        else:
            if client.query_capacity - used < QUERY_BUFFER:
                room = used + (used if used > QUERY_BUFFER else <size_t> QUERY_BUFFER)
                grown = <char*> heap_realloc(core.heap, data, client.query_capacity, room)
                if grown == NULL:
                    return -1
                data = grown
                client.query = grown
                client.query_capacity = room
            room = client.query_capacity - used
        count = recv(client.fd, data + used, room, 0)
    if count <= 0:
        if count < 0 and (errno.errno == errno.EAGAIN or errno.errno == errno.EINTR):
            return 0
        return -1
    core.statistics.reads_processed += 1
    core.statistics.input_bytes += count
    client.input_bytes += count
    client.active_ms = core.now_ms
    if parser.large != NULL:
        sds_set_length(parser.large, used + count)
        # Also where it has come whole: how much is read at once must not decide what is accepted.
        if check_query_limit(core, client, parser) < 0:
            return -1
        if sds_length(parser.large) == <size_t> parser.bulk + 2:
            client_serve_input(core, client, client.query, client.query_length, parser)
        return 0
    used += count
    if used > client.query_peak:
        client.query_peak = used
    if data != core.read_buffer:
        client.query_length = used
    if client.flags & (CLIENT_POSTPONED | CLIENT_BLOCKED):
        # Kept for later; the parser of such a client is its own.
        if data == core.read_buffer:
            client.query = <char*> heap_alloc(core.heap, used + QUERY_BUFFER)
            if client.query == NULL:
                return -1
            client.query_capacity = used + QUERY_BUFFER
            client.query_length = used
            core.own_queries += 1
            memcpy(client.query, data, used)
        return check_query_limit(core, client, parser)
    client_serve_input(core, client, data, used, parser)
    return check_query_limit(core, client, client.parser) if client.parser != NULL else 0


cdef void trim_client(Core* core, Client* client, bint idle) noexcept nogil:
    cdef char* smaller
    cdef sds shorter
    cdef size_t fitting
    if client.query != NULL:
        if client.query_length == 0 and idle:
            heap_free(core.heap, client.query, client.query_capacity)
            client.query = NULL
            client.query_capacity = 0
            core.own_queries -= 1
        else:
            fitting = client.query_peak if client.query_peak > QUERY_BUFFER else <size_t> QUERY_BUFFER
            if client.query_length > fitting:
                fitting = client.query_length
            if client.query_capacity > LONG_ARGUMENT and fitting < client.query_capacity // 2 and \
                    (idle or client.parser == NULL or client.parser.large == NULL):
                smaller = <char*> heap_realloc(core.heap, client.query, client.query_capacity, fitting)
                if smaller != NULL:
                    client.query = smaller
                    client.query_capacity = fitting
    if idle and client.parser != NULL and client.parser.large != NULL and \
            sds_length(client.parser.large) < sds_capacity(client.parser.large) // 2:
        shorter = sds_resize(core.heap, client.parser.large, sds_length(client.parser.large))
        if shorter != NULL:
            client.parser.large = shorter
    client.query_peak = client.query_length


cdef int check_query_limit(Core* core, Client* client, Parser* parser) noexcept nogil:
    """-1 where the input that waits is over the limit."""
    cdef size_t total = client.query_length + parser.owned_bytes
    if parser.large != NULL:
        total += sds_length(parser.large)
    if <int64_t> total > core.settings.query_buffer_limit or \
            (client.gate & GATE_UNAUTHENTICATED and total > UNAUTHENTICATED_QUERY_MAX):
        core.statistics.query_limit_disconnections += 1
        core.upcalls.log_client(core, client, LOG_WARNING,
                                "Closing client that reached max query buffer length: {client} "
                                "(qbuf initial bytes: {data})", client.query, client.query_length)
        return -1
    return 0
