"""Whether a command may run now; the contract is in admission.pxd."""
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy
from redislite._core.clients.client_memory cimport client_recount, evict_clients
from redislite._core.clients.ending cimport client_is_doomed
from redislite._core.clients.tracking cimport tracking_limit
from redislite._core.commands.arguments cimport argument_is, reply_out_of_memory
from redislite._core.dispatch.permissions cimport permissions_admit
from redislite._core.clients.transaction_queue cimport (
    request_flags, transaction_discard, transaction_flags, transaction_queue,
)
from redislite._core.keyspace.eviction cimport EVICTION_FAILED, evict_keys, eviction_is_due
from redislite._core.protocol.reply cimport reply_error, reply_error_bytes, reply_simple
from redislite._core.state.core cimport Argument, Client, Command, Core
from redislite._core.state.flags cimport (
    CLIENT_INTERNAL, CLIENT_IN_EXEC, CLIENT_MASTER, COMMAND_ALLOW_BUSY, COMMAND_DENYOOM, COMMAND_LOADING,
    COMMAND_MAY_REPLICATE, COMMAND_NO_AUTH, COMMAND_NO_MULTI, COMMAND_READONLY, COMMAND_SUBSCRIBER, COMMAND_UNQUEUED,
    COMMAND_WRITE, GATE_CLIENT_MEMORY, GATE_LOADING, GATE_BUSY, GATE_MEMORY, GATE_MISCONF, GATE_MONITORING,
    GATE_PAUSE_ALL, GATE_PAUSE_WRITE, GATE_RENEWAL, GATE_SUBSCRIBER, GATE_TRACKING, GATE_TRANSACTION,
    GATE_UNAUTHENTICATED, GATE_USER,
)
from redislite._core.dispatch.turns cimport renew_clock

cdef enum:
    REFUSAL_MAX = 512                   # bytes of an error that ends a transaction
    UNKNOWN_SHOWN_MAX = 128             # bytes of an unknown command and of its arguments that an error shows


cdef size_t text_length(const Argument* argument, size_t most) noexcept nogil:
    """How much of an argument an error shows: up to a NUL byte, as the original, and so many bytes."""
    cdef size_t length = argument.length if argument.length < most else most
    cdef const char* end = <const char*> memchr(argument.data, 0, length)
    return length if end == NULL else <size_t> (end - argument.data)


cdef bint speaks_http(Client* client) noexcept nogil:
    return argument_is(&client.argv[0], "POST") or argument_is(&client.argv[0], "HOST:")


cdef void reply_unknown(Client* client) noexcept nogil:
    cdef char text[3 * UNKNOWN_SHOWN_MAX + 64]
    cdef char arguments[UNKNOWN_SHOWN_MAX + 8]
    cdef size_t used = 0
    cdef size_t shown
    cdef int i, length
    for i in range(1, client.argc):
        if used >= UNKNOWN_SHOWN_MAX:
            break
        shown = UNKNOWN_SHOWN_MAX - used
        shown = text_length(&client.argv[i], shown)
        arguments[used] = c"'"
        memcpy(arguments + used + 1, client.argv[i].data, shown)
        memcpy(arguments + used + 1 + shown, b"' ", 2)
        used += shown + 3
    length = snprintf(text, sizeof(text), "ERR unknown command '%.*s', with args beginning with: ",
                      <int> text_length(&client.argv[0], UNKNOWN_SHOWN_MAX), client.argv[0].data)
    memcpy(text + length, arguments, used)
    reply_error_bytes(&client.reply, text, length + used)


cdef void reply_unknown_subcommand(Client* client, Command* container) noexcept nogil:
    cdef char text[3 * UNKNOWN_SHOWN_MAX]
    cdef char upper[64]
    cdef int i
    for i in range(container.name_length):
        upper[i] = <char> (container.name[i] - 32 if c'a' <= container.name[i] <= c'z' else container.name[i])
    snprintf(text, sizeof(text), "ERR unknown subcommand '%.*s'. Try %.*s HELP.",
             <int> text_length(&client.argv[1], UNKNOWN_SHOWN_MAX),
             client.argv[1].data, container.name_length, upper)
    reply_error(&client.reply, text)


cdef void refuse(Core* core, Client* client, const Command* command, const char* error) noexcept nogil:
    """Answers an error. A refused EXEC ends the transaction, and says so, whether there is one or not."""
    cdef char text[REFUSAL_MAX]
    if not command.is_exec:
        reply_error(&client.reply, error)
        return
    transaction_discard(core, client)
    snprintf(text, sizeof(text), "EXECABORT Transaction discarded because of: %s",
             error + 4 if memcmp(error, b"ERR ", 4) == 0 else error)
    reply_error(&client.reply, text)


cdef void refuse_arity(Core* core, Client* client, const Command* command) noexcept nogil:
    cdef char text[128]
    snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", command.name)
    refuse(core, client, command, text)


cdef void refuse_subscriber(Core* core, Client* client, const Command* command) noexcept nogil:
    cdef char text[192]
    snprintf(text, sizeof(text),
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
             "allowed in this context", command.own_name)
    refuse(core, client, command, text)


cdef bint is_ping(const Command* command) noexcept nogil:
    return command.own_length == 4 and memcmp(command.own_name, b"ping", 4) == 0


cdef int admit(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    cdef uint64_t gate = core.gate | client.gate
    cdef uint64_t flags = transaction_flags(client, command)
    if gate & GATE_TRACKING:
        tracking_limit(core)
    if gate & GATE_UNAUTHENTICATED and not flags & COMMAND_NO_AUTH:
        refuse(core, client, command, "NOAUTH Authentication required.")
        return REFUSED
    if gate & GATE_MONITORING and flags & (COMMAND_WRITE | COMMAND_READONLY):
        refuse(core, client, command, "ERR Replica can't interact with the keyspace")
        return REFUSED
    if gate & GATE_TRANSACTION and flags & COMMAND_NO_MULTI and not flags & COMMAND_UNQUEUED:
        refuse(core, client, command, "ERR Command not allowed inside a transaction")
        return REFUSED
    if gate & GATE_USER and not permissions_admit(core, client, command):
        if command.is_exec:
            transaction_discard(core, client)
        return REFUSED
    if gate & GATE_CLIENT_MEMORY and core.executing == NULL:
        client_recount(core, client)
        evict_clients(core)
        if client_is_doomed(client):
            return DROPPED
    # Of a command within a transaction or script nothing is asked again. What is queued takes memory, whatever it is.
    if gate & GATE_MEMORY and core.executing == NULL and eviction_is_due(core) and \
            evict_keys(core) == EVICTION_FAILED and \
            (flags & COMMAND_DENYOOM or (gate & GATE_TRANSACTION and not flags & COMMAND_UNQUEUED)):
        refuse(core, client, command, "OOM command not allowed when used memory > 'maxmemory'.")
        return REFUSED
    if gate & GATE_SUBSCRIBER and not command.flags & COMMAND_SUBSCRIBER and not client.flags & CLIENT_IN_EXEC:
        refuse_subscriber(core, client, command)
        return REFUSED
    if gate & GATE_MISCONF and (flags & COMMAND_WRITE or (core.refuses_ping and is_ping(command))) and \
            not client.flags & (CLIENT_INTERNAL | CLIENT_MASTER):
        refuse(core, client, command, core.refusal)
        return REFUSED
    if gate & GATE_LOADING and not command.flags & COMMAND_LOADING and not client.flags & CLIENT_INTERNAL:
        refuse(core, client, command, "LOADING Valkey is loading the dataset in memory"
               if core.settings.valkey_texts else "LOADING Redis is loading the dataset in memory")
        return REFUSED
    if gate & GATE_BUSY and not flags & COMMAND_ALLOW_BUSY and not client.flags & CLIENT_INTERNAL:
        refuse(core, client, command, core.busy_reply)
        return REFUSED
    if gate & (GATE_PAUSE_ALL | GATE_PAUSE_WRITE) and not client.flags & (CLIENT_INTERNAL | CLIENT_IN_EXEC):
        if gate & GATE_PAUSE_ALL or (flags if command.is_exec else request_flags(core, client, command)) & \
                (COMMAND_WRITE | COMMAND_MAY_REPLICATE):
            return POSTPONED
    if gate & GATE_TRANSACTION and not flags & COMMAND_UNQUEUED:
        if transaction_queue(core, client, command, request_bytes) != 0:
            reply_out_of_memory(client)
            return REFUSED
        reply_simple(&client.reply, "QUEUED")
        return QUEUED
    if gate & GATE_RENEWAL:
        renew_clock(core)
    return ADMITTED
