"""Reading from transports, and that of sockets; the contract is in transport.pxd."""
from libc cimport errno
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from posix.unistd cimport close as close_descriptor
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_realloc
from redislite._core.base.sds cimport sds, sds_capacity, sds_length, sds_resize, sds_set_length
from redislite._core.state.core cimport LONG_ARGUMENT, QUERY_BUFFER, Client, Core, Parser, Transport, iovec
from redislite._core.state.flags cimport CLIENT_BLOCKED, CLIENT_POSTPONED, GATE_UNAUTHENTICATED, LOG_WARNING
from redislite._core.dispatch.execute cimport client_serve_input

# The socket's calls rather than read and write: they pass by the file layer, which costs a request some percent.
cdef extern from *:
    """
    #include <sys/socket.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    static ssize_t client_send_vector(int fd, struct iovec *vector, int count) {
        struct msghdr message = {0};
        message.msg_iov = vector;
        message.msg_iovlen = count;
        return sendmsg(fd, &message, MSG_NOSIGNAL);
    }
    """
    int MSG_NOSIGNAL
    ssize_t recv(int fd, void* buffer, size_t length, int flags) noexcept nogil
    ssize_t send(int fd, const void* buffer, size_t length, int flags) noexcept nogil
    ssize_t client_send_vector(int fd, iovec* vector, int count) noexcept nogil

cdef enum:
    UNAUTHENTICATED_QUERY_MAX = 1 << 20


cdef ssize_t socket_read(Client* client, char* data, size_t length) noexcept nogil:
    return recv(client.fd, data, length, 0)


cdef ssize_t socket_write(Client* client, iovec* pieces, int count) noexcept nogil:
    if count == 1:
        return send(client.fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
    return client_send_vector(client.fd, pieces, count)


cdef void socket_close(Client* client) noexcept nogil:
    close_descriptor(client.fd)
    client.fd = -1


cdef Transport SOCKETS
SOCKETS.read = socket_read
SOCKETS.write = socket_write
SOCKETS.offer = NULL
SOCKETS.close = socket_close


cdef Transport* socket_transport() noexcept nogil:
    return &SOCKETS


cdef ssize_t client_read(Core* core, Client* client) noexcept nogil:
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
        count = client.transport.read(client, parser.large + used, room)
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
        count = client.transport.read(client, data + used, room)
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
    else:
        used += count
        if used > client.query_peak:
            client.query_peak = used
        if data != core.read_buffer:
            client.query_length = used
    return count


cdef int client_use_input(Core* core, Client* client, size_t count) noexcept nogil:
    cdef Parser* parser = client.parser if client.parser != NULL else core.parser
    if parser.large != NULL:
        # Also where it has come whole: how much is read at once must not decide what is accepted.
        if check_query_limit(core, client, parser) < 0:
            return -1
        if sds_length(parser.large) == <size_t> parser.bulk + 2:
            client_serve_input(core, client, client.query, client.query_length, parser)
        return 0
    if client.flags & (CLIENT_POSTPONED | CLIENT_BLOCKED):
        # Kept for later; the parser of such a client is its own.
        if client.query == NULL:
            client.query = <char*> heap_alloc(core.heap, count + QUERY_BUFFER)
            if client.query == NULL:
                return -1
            client.query_capacity = count + QUERY_BUFFER
            client.query_length = count
            core.own_queries += 1
            memcpy(client.query, core.read_buffer, count)
        return check_query_limit(core, client, parser)
    if client.query != NULL:
        client_serve_input(core, client, client.query, client.query_length, parser)
    else:
        client_serve_input(core, client, core.read_buffer, count, parser)
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
