"""Output of a client; the contract is in output.pxd."""
from libc cimport errno
from libc.stdint cimport int64_t, uint64_t
from redislite._core.clients.ending cimport client_doom, client_is_doomed
from redislite._core.protocol.reply cimport chunk_data, reply_join, reply_pending, reply_written
from redislite._core.state.core cimport Chunk, Client, Core, iovec
from redislite._core.state.flags cimport (
    AFTER_LATE, CLIENT_CLOSE_AFTER_REPLY, CLIENT_INTERNAL, CLIENT_QUEUED_WRITE, CLIENT_WAITS_WRITABLE,
    CLIENT_WAS_AUTHENTICATED, GATE_UNAUTHENTICATED, LOG_WARNING,
)

cdef enum:
    VECTOR_MAX = 64                     # chunks of one write
    WRITE_TURN_MAX = 1 << 20            # bytes a client may be written per turn, others wait


cdef void client_in_time(Core* core, Client* client) noexcept nogil:
    if client.output_since_ms:
        client.output_since_ms = 0
        core.slow_readers -= 1


cdef bint client_check_output(Core* core, Client* client) noexcept nogil:
    cdef int64_t pending = <int64_t> reply_pending(&client.reply)
    cdef int kind = class_of(client)
    cdef const int64_t* limits
    cdef bint over
    if kind == CLASS_MASTER:
        return 0
    # Hard limit, soft limit and its seconds, one class after the other.
    limits = &core.settings.output_hard_limit + 3 * kind
    over = limits[0] > 0 and pending > limits[0]
    if not over and limits[1] > 0 and pending > limits[1]:
        if client.output_since_ms == 0:
            client.output_since_ms = core.now_ms
            core.slow_readers += 1
        # In whole seconds by the wall clock, as the original counts them.
        over = core.now_ms // 1000 - client.output_since_ms // 1000 > limits[2]
    elif not over:
        client_in_time(core, client)
    if client.gate & GATE_UNAUTHENTICATED and not client.flags & CLIENT_WAS_AUTHENTICATED and \
            pending > core.settings.unauthenticated_output_limit:
        over = 1
    if over and not client_is_doomed(client):
        core.statistics.output_limit_disconnections += 1
        core.upcalls.log_client(core, client, LOG_WARNING,
                                "Client {client} scheduled to be closed ASAP for overcoming of output buffer limits.",
                                NULL, 0)
        client_doom(core, client)
    return over


cdef int client_write(Core* core, Client* client) noexcept nogil:
    cdef iovec vector[VECTOR_MAX]
    cdef Chunk* chunk
    cdef ssize_t count
    cdef size_t total = 0
    cdef size_t asked
    cdef int used
    cdef size_t pending = reply_pending(&client.reply)
    if client.reply.starved:
        return -1                       # something is missing in it
    if pending > client.reply_peak or reply_peak_is_old(core, client):
        client.reply_peak = pending
        client.reply_peak_ms = core.now_ms
    if client.transport.offer != NULL:
        if pending:
            client.transport.offer(core, client)
        return 0
    while reply_pending(&client.reply):
        chunk = client.reply.first
        used = 0
        asked = 0
        while chunk != NULL and used < VECTOR_MAX:
            vector[used].iov_base = chunk_data(chunk)
            vector[used].iov_len = chunk.length
            if used == 0:
                vector[0].iov_base = chunk_data(chunk) + client.reply.sent
                vector[0].iov_len = chunk.length - client.reply.sent
            asked += vector[used].iov_len
            used += 1
            chunk = chunk.next
        count = client.transport.write(client, vector, used)
        if count < 0:
            if errno.errno == errno.EINTR:
                continue
            if errno.errno == errno.EAGAIN:
                break
            return -1
        core.statistics.output_bytes += count
        core.statistics.writes_processed += 1
        client.output_bytes += count
        reply_written(&client.reply, count)
        total += count
        client.active_ms = core.now_ms
        if <size_t> count < asked or total > WRITE_TURN_MAX:
            break
    if reply_pending(&client.reply):
        if not client.flags & CLIENT_WAITS_WRITABLE:
            client.flags |= CLIENT_WAITS_WRITABLE
            core.upcalls.watch_socket(core, client)
    elif client.flags & CLIENT_WAITS_WRITABLE:
        client.flags &= ~<uint64_t> CLIENT_WAITS_WRITABLE
        core.upcalls.watch_socket(core, client)
    return 0


cdef void push_late(Core* core, Client* client) noexcept nogil:
    core.after_unit &= ~AFTER_LATE
    reply_join(&client.reply, &core.late)
    client_queue_write(core, client)


cdef void client_queue_write(Core* core, Client* client) noexcept nogil:
    if client.flags & CLIENT_INTERNAL or client_is_doomed(client):
        return
    if client.reply.starved:
        client_doom(core, client)       # something is missing in its output
        return
    if output_is_limited(core, client) and client_check_output(core, client):
        return
    if client.flags & CLIENT_QUEUED_WRITE:
        return
    client.flags |= CLIENT_QUEUED_WRITE
    client.next_write = core.writers
    core.writers = client


cdef void client_end(Core* core, Client* client) noexcept nogil:
    if client.flags & CLIENT_CLOSE_AFTER_REPLY:
        return
    client.flags |= CLIENT_CLOSE_AFTER_REPLY
    if client.flags & CLIENT_WAITS_WRITABLE:
        core.upcalls.watch_socket(core, client)
    client_queue_write(core, client)
