"""Output of a client: handing it to the transport, queueing it for the end of the turn, its limits.

Who appends to a client out of that client's own turn (a message, a woken reply) calls client_queue_write afterwards,
which holds it against its limits; it is written before the loop sleeps.

A message to a client whose own command is running waits aside (push_place) until the reply stands: it is neither mixed
up with the reply's elements nor dropped with it where replies are off.
"""
from redislite._core.state.core cimport Client, Core, Reply
from redislite._core.state.flags cimport AFTER_LATE, CLIENT_MASTER, CLIENT_PUBSUB, CLIENT_REPLICA, GATE_UNAUTHENTICATED


# Classes of clients, as client-output-buffer-limit and INFO tell them apart.
cdef enum:
    CLASS_NORMAL = 0
    CLASS_REPLICA = 1
    CLASS_PUBSUB = 2
    CLASS_MASTER = 3
    CLIENT_CLASSES = 4


# Writes pending output until there is none or the transport takes no more, or has the peer know that it may be taken.
# -1 where the peer is gone.
cdef int client_write(Core* core, Client* client) noexcept nogil
# Output was appended outside of the client's own turn: has it written before the loop sleeps, unless the client is over
# its limits, and is doomed now.
cdef void client_queue_write(Core* core, Client* client) noexcept nogil
# Nothing more of what the client sends is executed, or read; it is closed once its output is written.
cdef void client_end(Core* core, Client* client) noexcept nogil
# Dooms the client over the output limits of its class; true where it is over them.
cdef bint client_check_output(Core* core, Client* client) noexcept nogil
# Appends what waited aside while a command of the client ran. For call_command, once the reply stands.
cdef void push_late(Core* core, Client* client) noexcept nogil
# The client is not over its soft limit, or no more of interest.
cdef void client_in_time(Core* core, Client* client) noexcept nogil


# Where a message to the client is to be appended.
cdef inline Reply* push_place(Core* core, Client* client) noexcept nogil:
    if client != core.outermost:
        return &client.reply
    core.late.protocol = client.reply.protocol
    core.after_unit |= AFTER_LATE
    return &core.late


cdef inline int class_of(const Client* client) noexcept nogil:
    if not client.flags & (CLIENT_PUBSUB | CLIENT_REPLICA | CLIENT_MASTER):
        return CLASS_NORMAL
    if client.flags & CLIENT_MASTER:
        return CLASS_MASTER
    return CLASS_REPLICA if client.flags & CLIENT_REPLICA else CLASS_PUBSUB


# Whether the output of this client may have a limit.
cdef inline bint output_is_limited(const Core* core, const Client* client) noexcept nogil:
    return (core.settings.output_hard_limit or core.settings.output_soft_limit
            or client.flags & (CLIENT_PUBSUB | CLIENT_REPLICA) or client.gate & GATE_UNAUTHENTICATED)


# Whether the most that waited at once was longer ago than counts.
cdef inline bint reply_peak_is_old(Core* core, const Client* client) noexcept nogil:
    return (core.settings.reply_peak_reset_ms >= 0
            and core.now_ms - client.reply_peak_ms >= core.settings.reply_peak_reset_ms)
