"""One connection's hot path; the contract is in connection.pxd."""
from cpython.object cimport PyObject
from libc cimport errno
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy, memmove
from posix.unistd cimport close as close_descriptor
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_realloc
from redislite._core.base.clock cimport clock_counter, clock_wall_ns
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.base.sds cimport sds, sds_capacity, sds_length, sds_resize, sds_set_length
from redislite._core.clients.client_memory cimport client_recount, client_uncount, evict_clients
from redislite._core.clients.ending cimport client_doom, client_is_doomed, client_may_execute, client_takes_output
from redislite._core.clients.output cimport (
    client_check_output, client_end, client_in_time, client_queue_write, client_write, output_is_limited, push_late,
)
from redislite._core.clients.tracking cimport (
    Prefix, Tracker, prefix_text, tracker_of, tracking_command_done, tracking_forget_client, tracking_limit,
    tracking_options,
)
from redislite._core.commands.arguments cimport argument_is, reply_out_of_memory
from redislite._core.commands.table cimport command_resolve, command_run, histogram_add
from redislite._core.dispatch.permissions cimport Permissions, permissions_admit
from redislite._core.handlers.pubsub cimport (
    KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, Subscription, pubsub_gate, subscribed_name, subscription_count,
    subscriptions_of, unsubscribe_all, unsubscribe_some,
)
from redislite._core.handlers.transactions cimport transaction_discard, transaction_flags, transaction_queue
from redislite._core.keyspace.blocking cimport (
    WAIT_ALSO_MISSING, WAIT_AND_ANSWER, WAIT_FOR_DISK, discard_if_empty, unblock,
)
from redislite._core.keyspace.entry cimport Entry, entry_type
from redislite._core.keyspace.eviction cimport EVICTION_FAILED, evict_keys, eviction_is_due
from redislite._core.keyspace.keyspace cimport keyspace_find
from redislite._core.keyspace.latency cimport latency_sample_if_long
from redislite._core.keyspace.propagate cimport propagate_command, propagate_unit
from redislite._core.protocol.reply cimport (
    ReplyMark, chunk_data, reply_error, reply_error_bytes, reply_init, reply_mark, reply_object, reply_pending,
    reply_null_array, reply_raw, reply_release, reply_rollback, reply_simple,
)
from redislite._core.protocol.resp cimport (
    PARSE_ERROR, PARSE_LONG, PARSE_MORE, PARSE_NO_MEMORY, PARSE_REQUEST, parser_compact, parser_free, parser_is_idle,
    parser_new, parser_release_owned, parser_reset, resp_large_done, resp_parse,
)
from redislite._core.scripting.scripting cimport busy_text
from redislite._core.state.core cimport (
    LONG_ARGUMENT, QUERY_BUFFER, REQUEST_BATCH, Argument, Blocked, Client, Command, Core, Database, Parser, Request,
    WaitList, Waiter,
)
from redislite._core.state.flags cimport (
    CLIENT_AUTHENTICATED, CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_NOW, CLIENT_DIRTY_QUEUE,
    CLIENT_IMPORT_SOURCE, CLIENT_INTERNAL, CLIENT_IN_EXEC, CLIENT_MASTER, CLIENT_MONITOR, CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH, CLIENT_POSTPONED, CLIENT_PROTOCOL_ERROR, CLIENT_QUEUED_RESUME, CLIENT_QUEUED_WRITE,
    CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP, CLIENT_REPLY_SKIP_NEXT, CLIENT_UNIX, CLIENT_WAITS_WRITABLE,
    CLIENT_WAS_AUTHENTICATED, COMMANDLOG_LARGE_REPLY, COMMANDLOG_LARGE_REQUEST, COMMANDLOG_SLOW, COMMAND_ADMIN,
    COMMAND_ALLOW_BUSY, COMMAND_DENYOOM, COMMAND_FAST, COMMAND_LOADING, COMMAND_MAY_REPLICATE, COMMAND_NO_AUTH,
    COMMAND_NO_MULTI, COMMAND_READONLY, COMMAND_SKIP_MONITOR, COMMAND_SKIP_SLOWLOG, COMMAND_SUBSCRIBER,
    COMMAND_UNQUEUED, COMMAND_WRITE, GATE_CLIENT_MEMORY, GATE_LOADING, GATE_BUSY, GATE_MEMORY, GATE_MISCONF,
    GATE_MONITORING, GATE_MONITORS, GATE_PAUSE_ALL, GATE_PAUSE_WRITE, GATE_RENEWAL, GATE_REPLY_OFF, GATE_SUBSCRIBER,
    GATE_TRACKING, GATE_TRANSACTION, GATE_UNAUTHENTICATED, GATE_USER,
)
from redislite._core.state.statistics cimport CommandStatistics, Statistics
from redislite._core.structures.dict cimport dict_hash, dict_prefetch_bucket, dict_prefetch_entry
from redislite._core.structures.pointer_set cimport pointer_set_at, pointer_set_places

# The socket's call rather than read: it passes by the file layer, which costs a request some percent.
cdef extern from "<sys/socket.h>":
    ssize_t recv(int fd, void* buffer, size_t length, int flags) noexcept nogil

cdef enum:
    LONG_QUERY_BUFFER = 2 * LONG_ARGUMENT   # bytes of one read from a client that sends long arguments
    UNAUTHENTICATED_QUERY_MAX = 1 << 20
    REFUSAL_MAX = 512                   # bytes of an error that ends a transaction
    UNKNOWN_SHOWN_MAX = 128             # bytes of an unknown command and of its arguments that an error shows
    SETTABLE_FLAGS = (CLIENT_UNIX | CLIENT_NO_EVICT | CLIENT_NO_TOUCH | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                      CLIENT_REPLY_SKIP_NEXT | CLIENT_MONITOR | CLIENT_IMPORT_SOURCE)
    EVENT_READABLE = 1
    EVENT_WRITABLE = 4


cdef void renew_clock(Core* core) noexcept nogil:
    cdef uint64_t ticks
    cdef int64_t wall_ns
    if core.executing == NULL:
        ticks = clock_counter()
        wall_ns = clock_wall_ns()
        core.now_ms = wall_ns // 1000000 + core.clock_offset_ms
        core.renewal_ticks = ticks + <uint64_t> (<double> (1000000 - wall_ns % 1000000) / core.ns_per_tick)
    core.expiry_ms = 0 if core.replaying else core.now_ms


cdef void begin_turn(Core* core) noexcept nogil:
    core.turn_begun = clock_counter()
    core.turn_commands = core.statistics.commands_processed


cdef void end_turn(Core* core) noexcept nogil:
    cdef Statistics* statistics = &core.statistics
    cdef uint64_t elapsed
    if core.turn_begun == 0:
        return
    elapsed = clock_counter() - core.turn_begun
    core.turn_begun = 0
    statistics.loop_turns += 1
    statistics.loop_ticks += elapsed
    if elapsed > statistics.loop_ticks_most:
        statistics.loop_ticks_most = elapsed
    if statistics.commands_processed - core.turn_commands > statistics.commands_per_turn_most:
        statistics.commands_per_turn_most = statistics.commands_processed - core.turn_commands


cdef size_t text_length(const Argument* argument, size_t most) noexcept nogil:
    """How much of an argument an error shows: up to a NUL byte, as the original, and so many bytes."""
    cdef size_t length = argument.length if argument.length < most else most
    cdef const char* end = <const char*> memchr(argument.data, 0, length)
    return length if end == NULL else <size_t> (end - argument.data)


cdef bint speaks_http(Client* client) noexcept nogil:
    """Whether this is how a browser begins: some page may be trying to have it send us commands."""
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
    snprintf(text, sizeof(text), "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
             "allowed in this context", command.own_name)
    refuse(core, client, command, text)


cdef enum:                              # what admit answers
    ADMITTED = 0
    REFUSED = 1                         # it has answered the error
    POSTPONED = 2                       # to be asked again later
    QUEUED = 3                          # the command waits for EXEC
    DROPPED = 4                         # the client itself is being closed


cdef bint is_ping(const Command* command) noexcept nogil:
    return command.own_length == 4 and memcmp(command.own_name, b"ping", 4) == 0


cdef int admit(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    """The second look, where some gate is not zero."""
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
    if gate & GATE_MEMORY and core.executing == NULL and eviction_is_due(core) and evict_keys(core) == EVICTION_FAILED and \
            (flags & COMMAND_DENYOOM or (gate & GATE_TRANSACTION and not flags & COMMAND_UNQUEUED)):
        refuse(core, client, command, "OOM command not allowed when used memory > 'maxmemory'.")
        return REFUSED
    if gate & GATE_SUBSCRIBER and not command.flags & COMMAND_SUBSCRIBER and not client.flags & CLIENT_IN_EXEC:
        refuse_subscriber(core, client, command)
        return REFUSED
    if gate & GATE_MISCONF and (flags & COMMAND_WRITE or is_ping(command)) and \
            not client.flags & (CLIENT_INTERNAL | CLIENT_MASTER):
        refuse(core, client, command, core.refusal)
        return REFUSED
    if gate & GATE_LOADING and not command.flags & COMMAND_LOADING and not client.flags & CLIENT_INTERNAL:
        refuse(core, client, command, "LOADING Redis is loading the dataset in memory")
        return REFUSED
    if gate & GATE_BUSY and not flags & COMMAND_ALLOW_BUSY and not client.flags & CLIENT_INTERNAL:
        refuse(core, client, command, busy_text(core))
        return REFUSED
    if gate & (GATE_PAUSE_ALL | GATE_PAUSE_WRITE) and not client.flags & (CLIENT_INTERNAL | CLIENT_IN_EXEC):
        if gate & GATE_PAUSE_ALL or flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE):
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


cdef bint execute(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    """Calls the handler and does what is to be done around it. False where the client now waits for keys."""
    cdef CommandStatistics* statistics
    cdef Client* outer = core.executing
    cdef Database* database = client.database
    cdef uint64_t dirty = core.dirty
    cdef uint64_t begun = core.ticks
    cdef uint64_t now, elapsed
    cdef size_t output = reply_pending(&client.reply)
    cdef uint64_t errors = client.reply.errors
    cdef int logged = 0
    cdef bint again = client.blocked != NULL
    client.command = command
    client.request_bytes = request_bytes
    core.executing = client
    if outer == NULL:
        core.outermost = client
    command_run(core, client, command)
    core.executing = outer
    if outer == NULL:
        core.outermost = NULL
    if core.propagation:
        propagate_command(core, client, database, dirty, client.reply.errors != errors)
        if outer == NULL:
            propagate_unit(core)
    # A command that has to wait is shown when it comes, and not again when it is executed for good.
    if core.gate & GATE_MONITORS and not again and not command.flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN):
        core.upcalls.feed_monitors(core, client)
    if client.flags & CLIENT_BLOCKED:
        core.ticks = clock_counter()
        return 0
    # A command of the Python tier may have reset the statistics or added commands: look the row up only now.
    statistics = &core.command_statistics[command.id]
    client.commands += 1
    core.statistics.commands_processed += 1
    now = clock_counter()
    elapsed = now - begun
    core.ticks = now
    statistics.calls += 1
    statistics.ticks += elapsed
    # Errors of the commands that it called have been counted as theirs.
    if core.statistics.error_replies > core.errors_counted:
        statistics.failed += 1
        core.errors_counted = core.statistics.error_replies
    if outer == NULL:
        core.statistics.command_ticks += elapsed
    if core.settings.latency_tracking:
        histogram_add(core, statistics, <uint64_t> (<double> elapsed * core.ns_per_tick))
    if elapsed >= core.slow_ticks:
        logged |= COMMANDLOG_SLOW
    if request_bytes >= core.large_request:
        logged |= COMMANDLOG_LARGE_REQUEST
    if reply_pending(&client.reply) - output >= core.large_reply:
        logged |= COMMANDLOG_LARGE_REPLY
    if logged and not command.flags & COMMAND_SKIP_SLOWLOG:
        core.upcalls.log_command(core, client, command, logged, <int64_t> (<double> elapsed * core.ns_per_tick / 1000),
                                 request_bytes, reply_pending(&client.reply) - output)
    latency_sample_if_long(core, b"fast-command" if command.flags & COMMAND_FAST else b"command", elapsed)
    if now >= core.renewal_ticks:
        renew_clock(core)
    return 1


# Around whatever answers a request, be it that it is executed or that its waiting ends. A request that waits has not been
# answered: CLIENT REPLY SKIP still stands for it when it goes on.

cdef inline bint muted_reply_begin(Client* client, ReplyMark* mark) noexcept nogil:
    """Whether the reply may be one that the client does not want; mark: where it begins."""
    # The replies of a transaction's commands are parts of EXEC's.
    if not client.gate & GATE_REPLY_OFF or client.flags & CLIENT_IN_EXEC:
        return 0
    mark[0] = reply_mark(&client.reply)
    if client.flags & CLIENT_REPLY_SKIP_NEXT:
        client.flags = (client.flags & ~<uint64_t> CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP
    return 1


cdef void muted_reply_end(Client* client, ReplyMark mark) noexcept nogil:
    """Drops the reply if it is not wanted."""
    if client.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP):
        reply_rollback(&client.reply, mark)
    client.flags &= ~<uint64_t> CLIENT_REPLY_SKIP
    if not client.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT):
        client.gate &= ~<uint64_t> GATE_REPLY_OFF


cdef bint call_command(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    cdef ReplyMark mark
    cdef bint muted = muted_reply_begin(client, &mark)
    cdef int admitted = REFUSED
    if command == NULL and speaks_http(client) and not client.flags & CLIENT_INTERNAL:
        core.upcalls.log_line(core, 3, "Possible SECURITY ATTACK detected: a client sends POST or Host: commands, as a web "
                              "page does that attacks this server across protocols. Connection aborted.")
        client_doom(core, client)
    elif command == NULL:
        reply_unknown(client)
    elif command.container and client.argc >= 2:
        reply_unknown_subcommand(client, command)
    elif client.argc != command.arity and (command.arity > 0 or client.argc < -command.arity):
        core.command_statistics[command.id].rejected += 1
        refuse_arity(core, client, command)
    else:
        admitted = ADMITTED
        if core.gate | client.gate:
            admitted = admit(core, client, command, request_bytes)
            if admitted == POSTPONED:
                return 0
            if admitted == REFUSED:
                core.command_statistics[command.id].rejected += 1
        if admitted == ADMITTED and not execute(core, client, command, request_bytes):
            if core.has_late and core.executing == NULL:
                push_late(core, client)
            return 0
    if admitted == REFUSED:
        core.errors_counted = core.statistics.error_replies
        if client.gate & GATE_TRANSACTION:
            client.flags |= CLIENT_DIRTY_QUEUE
    if muted:
        muted_reply_end(client, mark)
    if client.gate & GATE_TRACKING:
        tracking_command_done(core, client, command, admitted == ADMITTED)
    if core.has_late and core.executing == NULL:
        push_late(core, client)
    return 1


cdef bint execute_request(Core* core, Client* client, Parser* parser, Request* request, char* data) noexcept nogil:
    cdef Argument* argument
    cdef int i
    cdef bint executed
    client.argv = parser.arguments + request.first
    client.argc = request.count
    client.hash = request.hash
    client.hashed = request.hashed
    for i in range(request.count):
        argument = &client.argv[i]
        argument.data = argument.owner if argument.owner != NULL else data + <size_t> argument.data
    executed = call_command(core, client, request.command, request.bytes)
    if executed:
        if request.owns:
            parser_release_owned(core.heap, parser, request.first, request.first + request.count)
    else:
        if not client.flags & CLIENT_BLOCKED:
            client.flags |= CLIENT_POSTPONED
        for i in range(request.count):
            argument = &client.argv[i]
            if argument.owner == NULL:
                argument.data = <char*> (<size_t> argument.data - <size_t> data)
    return executed


cdef void take_request(Core* core, Client* client, Parser* parser, char* data) noexcept nogil:
    """Makes a Request of what was just parsed, and asks the processor for the bucket of its first key."""
    cdef Request* request = &parser.requests[parser.requests_count]
    cdef Argument* key
    request.first = parser.request_first
    request.count = <int> (parser.used - parser.request_first)
    request.start = parser.request_start
    request.end = parser.position
    request.bytes = parser.position - parser.request_start + parser.owned_bytes
    request.owns = parser.owned_bytes != 0
    if parser.arguments[request.first].owner == NULL:
        request.command = command_resolve(core, parser.arguments + request.first, request.count, data)
    else:
        request.command = NULL
    request.hashed = 0
    if request.command != NULL and 0 < request.command.first_key < request.count:
        key = &parser.arguments[request.first + request.command.first_key]
        if key.owner == NULL:
            request.hashed = request.command.first_key
            request.hash = dict_hash(&client.database.keys, data + <size_t> key.data, key.length)
            dict_prefetch_bucket(&client.database.keys, request.hash)
    parser.requests_count += 1


cdef void execution_done(Core* core, Client* client) noexcept nogil:
    """No request of the client is being executed any more. One that was doomed meanwhile waits for nothing."""
    client.argv = NULL
    client.argc = 0
    client.hashed = 0
    if client_is_doomed(client):
        unblock(core, client)


cdef void forget_input(Core* core, Client* client, Parser* parser) noexcept nogil:
    """Nothing that the client has sent is executed any more. No other may find it in the parser that they share."""
    unblock(core, client)
    parser_reset(core.heap, parser)
    client.query_length = 0


cdef void keep_rest(Core* core, Client* client, char* data, size_t length, Parser* parser) noexcept nogil:
    """Puts away what is left of the input: nothing, in the common case, and the buffers go back to the core. Whatever
    happens, the core's parser is idle afterwards."""
    # What is there of a long argument is in its own string already.
    cdef size_t end = parser.position if parser.large != NULL else length
    cdef size_t start, rest, capacity
    cdef Parser* fresh
    if not client_takes_output(client):
        forget_input(core, client, parser)
        return
    start = parser_compact(core.heap, parser)
    rest = end - start
    if rest:
        if client.query == NULL:
            # Who sends long arguments is read in larger pieces from here on.
            capacity = rest + (LONG_QUERY_BUFFER if parser.large != NULL else QUERY_BUFFER)
            client.query = <char*> heap_alloc(core.heap, capacity)
            if client.query == NULL:
                forget_input(core, client, parser)
                client_doom(core, client)
                return
            client.query_capacity = capacity
            core.own_queries += 1
            memcpy(client.query, data + start, rest)
        elif start:
            memmove(client.query, client.query + start, rest)
    # An own buffer is kept until trim_client finds it unused: pieces tend to be followed by more pieces.
    client.query_length = rest
    if parser_is_idle(parser):
        parser.position = 0
        if client.parser != NULL:
            parser_free(core.heap, client.parser)
            client.parser = NULL
    elif client.parser == NULL:
        fresh = parser_new(core.heap)
        if fresh == NULL:
            forget_input(core, client, parser)
            client_doom(core, client)
            return
        client.parser = parser
        core.parser = fresh


cdef void serve(Core* core, Client* client, char* data, size_t length, Parser* parser) noexcept nogil:
    """Executes what is complete in data[0:length]."""
    cdef int state = PARSE_REQUEST
    cdef int ahead, i
    cdef char text[128]
    core.ticks = clock_counter()
    if core.ticks >= core.renewal_ticks:
        renew_clock(core)
    core.served = client
    if parser.failed:
        state = parser.failed
    elif parser.large != NULL:
        state = PARSE_LONG
        if sds_length(parser.large) == <size_t> parser.bulk + 2:
            state = resp_large_done(core.heap, parser, core.settings.strict_line_ends != 0)
            if state == PARSE_REQUEST:
                take_request(core, client, parser, data)
    while True:
        if parser.large == NULL and state >= 0:
            # The limits of the unauthenticated hold until a request has been executed.
            ahead = 1 if client.gate & GATE_UNAUTHENTICATED else REQUEST_BATCH
            while parser.requests_count < ahead:
                state = resp_parse(core.heap, parser, data, length, core.settings.max_bulk_length,
                                   not client.gate & GATE_UNAUTHENTICATED, core.settings.strict_line_ends != 0)
                if state != PARSE_REQUEST:
                    break
                take_request(core, client, parser, data)
        if parser.requests_count - parser.requests_done > 1:
            for i in range(parser.requests_done, parser.requests_count):
                if parser.requests[i].hashed:
                    dict_prefetch_entry(&client.database.keys, parser.requests[i].hash)
        while parser.requests_done < parser.requests_count and client_may_execute(client):
            if not execute_request(core, client, parser, &parser.requests[parser.requests_done], data):
                break
            parser.requests_done += 1
            if core.ready != NULL:
                wake_waiters(core)
            if output_is_limited(core, client) and client_check_output(core, client):
                break
        if state != PARSE_REQUEST or not client_may_execute(client):
            break
        parser.requests_done = 0
        parser.requests_count = 0
        parser.used = 0
    execution_done(core, client)
    if state == PARSE_ERROR and client_may_execute(client):
        snprintf(text, sizeof(text), "ERR Protocol error: %s", parser.error)
        reply_error(&client.reply, text)
        client.flags |= CLIENT_PROTOCOL_ERROR
        client_end(core, client)
        snprintf(text, sizeof(text), "Protocol error (%s) from client: {client}. Query buffer: {data}", parser.error)
        core.upcalls.log_client(core, client, 1, text, data + parser.position, length - parser.position)
    elif state == PARSE_NO_MEMORY and client_may_execute(client):
        reply_error(&client.reply, "OOM out of memory while reading the request")
        client_end(core, client)
    core.served = NULL
    if client.reply.starved:
        client_doom(core, client)


cdef void queue_resume(Core* core, Client* client) noexcept nogil:
    if not client.flags & CLIENT_QUEUED_RESUME:
        client.flags |= CLIENT_QUEUED_RESUME
        client.next_resumed = core.resumed
        core.resumed = client


cdef void finish_blocked(Core* core, Client* client) noexcept nogil:
    """The waiting request has been answered: takes it out, and has the rest of the pipeline executed later."""
    unblock(core, client)
    client.parser.requests_done += 1
    queue_resume(core, client)
    client_queue_write(core, client)


cdef void wake_client(Core* core, Client* client) noexcept nogil:
    cdef Parser* parser = client.parser
    client.flags &= ~<uint64_t> CLIENT_BLOCKED
    if execute_request(core, client, parser, &parser.requests[parser.requests_done], client.query):
        finish_blocked(core, client)
    elif not client.flags & CLIENT_BLOCKED:
        # Paused meanwhile: it waits no more for the key, but for the pause to end.
        unblock(core, client)
    execution_done(core, client)


cdef void wake_for_disk(Core* core) noexcept nogil:
    cdef Client* client = core.clients
    cdef Client* following
    while client != NULL and core.acknowledgement_clients:
        following = client.next
        if client.blocked != NULL and client.blocked.options & WAIT_FOR_DISK:
            wake_client(core, client)
        client = following


cdef bint is_wanted(Core* core, WaitList* waiting, const Blocked* blocked) noexcept nogil:
    """Whether the key now holds what the client waits for."""
    cdef size_t length
    cdef char* key = prefixed_read(<char*> waiting + sizeof(WaitList), &length)
    cdef Entry** slot
    if blocked.options & WAIT_ALSO_MISSING:
        return 1
    slot = keyspace_find(core, waiting.database, key, length, dict_hash(&waiting.database.keys, key, length))
    return slot != NULL and entry_type(slot[0]) == blocked.type


cdef void wake_waiters(Core* core) noexcept nogil:
    cdef WaitList* waiting
    cdef Client* client
    if core.waking:
        return                          # a woken command changed a key: the loop below comes to it
    core.waking = 1
    while core.ready != NULL:
        waiting = core.ready
        core.ready = waiting.next_ready
        if core.ready == NULL:
            core.ready_last = NULL
        waiting.is_ready = 0
        waiting.is_walked = 1
        waiting.following = waiting.first
        # A woken command may end the waiting of any client: whoever leaves the list moves on what follows.
        while waiting.following != NULL:
            client = waiting.following.client
            waiting.following = waiting.following.next
            if is_wanted(core, waiting, client.blocked):
                wake_client(core, client)
        waiting.is_walked = 0
        discard_if_empty(waiting)
    core.waking = 0


cdef void resume_clients(Core* core) noexcept nogil:
    cdef Client* client
    if core.ready != NULL:
        wake_waiters(core)
    while core.resumed != NULL:
        client = core.resumed
        core.resumed = client.next_resumed
        client.flags &= ~<uint64_t> CLIENT_QUEUED_RESUME
        if client_may_execute(client):
            client_serve(core, client)
            client_queue_write(core, client)


cdef void client_serve(Core* core, Client* client) noexcept nogil:
    cdef Parser* parser = client.parser if client.parser != NULL else core.parser
    serve(core, client, client.query, client.query_length, parser)
    keep_rest(core, client, client.query, client.query_length, parser)


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
            serve(core, client, client.query, client.query_length, parser)
            keep_rest(core, client, client.query, client.query_length, parser)
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
    serve(core, client, data, used, parser)
    keep_rest(core, client, data, used, parser)
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
        core.upcalls.log_client(core, client, 3, "Closing client that reached max query buffer length: {client} "
                                "(qbuf initial bytes: {data})", client.query, client.query_length)
        return -1
    return 0


cdef class Connection:
    """One client as the control plane holds it.

    Made by the server for an accepted socket; ``ready`` serves it; ``release`` gives back what it holds. The engine's own
    connections have no socket.
    """

    def __cinit__(self) -> None:
        self.client.fd = -1

    def __dealloc__(self) -> None:
        self.leave(INT64_MAX)

    cdef int _check_open(self) except -1:
        if self.client.core == NULL or self.is_leaving:
            raise RuntimeError("the connection is released, or no engine has made it")
        return 0

    cdef bint is_busy(self) noexcept:
        """Whether its requests are being executed further up the stack."""
        return self.client.argv != NULL or self.client.core.served == &self.client

    def ready(self, int events) -> None:
        """Serves the connection: epoll's events say whether it can be read, written, or is gone."""
        cdef Client* client = &self.client
        cdef Core* core = client.core
        if core == NULL or client_is_doomed(client):
            return
        if core.executing != NULL or core.served != NULL:
            raise RuntimeError("a command is being executed: connections are served between commands")
        if client.argv != NULL:
            return                      # its own command is what is put aside
        if core.turn_begun == 0:
            begin_turn(core)
        # Nothing leaves before what was done in this turn is in the append-only file: it will be writable in the next, too.
        if events & EVENT_WRITABLE and core.feed.length == 0 and client_write(core, client) < 0:
            self.engine.close(self)
            return
        if events & ~EVENT_WRITABLE:
            if client.flags & CLIENT_CLOSE_AFTER_REPLY:
                if not events & EVENT_READABLE:
                    self.engine.close(self)
                    return
            elif client_read(core, client) < 0:
                self.engine.close(self)
                return
            if client_is_doomed(client):
                return
            if core.propagation:
                client_queue_write(core, client)
                return
            if reply_pending(&client.reply) and not client.flags & CLIENT_WAITS_WRITABLE and client_write(core, client) < 0:
                self.engine.close(self)
                return
        client_recount(core, client)
        if client.flags & CLIENT_CLOSE_AFTER_REPLY and not reply_pending(&client.reply):
            self.engine.close(self)

    def resume(self) -> None:
        """Executes what waited in the query buffer while the client was paused."""
        cdef Client* client = &self.client
        if client.core == NULL or client_is_doomed(client) or client.flags & CLIENT_INTERNAL:
            return
        if client.core.executing != NULL or client.core.served != NULL:
            raise RuntimeError("a command is being executed: connections are served between commands")
        client.flags &= ~<uint64_t> CLIENT_POSTPONED
        client_serve(client.core, client)
        client_queue_write(client.core, client)

    def time_out(self) -> bool:
        """Ends the waiting for keys as its timeout does; false where the client does not wait (any more)."""
        return self._end_waiting(None)

    def unblock_with_error(self) -> bool:
        """The same with an error, for CLIENT UNBLOCK."""
        return self._end_waiting(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")

    cdef bint _end_waiting(self, bytes error) noexcept:
        cdef Client* client = &self.client
        cdef Parser* parser = client.parser
        cdef Request* request
        cdef CommandStatistics* statistics
        cdef ReplyMark mark
        cdef bint muted
        if client.core == NULL or client.blocked == NULL or client.argv != NULL:
            return False
        if error is None and client.blocked.options & WAIT_AND_ANSWER:
            client.blocked.is_over = 1
            wake_client(client.core, client)
            return True
        muted = muted_reply_begin(client, &mark)
        request = &parser.requests[parser.requests_done]
        parser_release_owned(client.core.heap, parser, request.first, request.first + request.count)
        statistics = &client.core.command_statistics[client.command.id]
        statistics.calls += 1
        if error is None:
            reply_null_array(&client.reply)
        else:
            reply_error(&client.reply, error)
            if client.core.settings.unblocking_rejects:
                statistics.rejected += 1
            else:
                statistics.failed += 1
        if muted:
            muted_reply_end(client, mark)
        finish_blocked(client.core, client)
        return True

    def discard_transaction(self) -> None:
        """Drops the transaction that the client has begun, if any, and what it watches."""
        if self.client.core != NULL:
            transaction_discard(self.client.core, &self.client)

    @property
    def queued_commands(self) -> int:
        """How many commands its transaction has queued; -1 where there is none."""
        return self.client.transaction.count if self.client.transaction != NULL else -1

    @property
    def watched_keys(self) -> int:
        return self.client.watches_count

    @property
    def subscription_counts(self) -> tuple[int, int, int]:
        """How many channels, patterns and sharded channels the client has subscribed to."""
        return (subscription_count(&self.client, KIND_CHANNEL), subscription_count(&self.client, KIND_PATTERN),
                subscription_count(&self.client, KIND_SHARD))

    def subscriptions(self, int kind) -> list[bytes]:
        """What the client has subscribed to, oldest first; kind: 0 for channels, 1 for patterns, 2 for sharded channels."""
        cdef Subscription* subscription
        cdef size_t length
        cdef char* name
        cdef list names = []
        if not KIND_CHANNEL <= kind <= KIND_SHARD:
            raise ValueError(f"kinds are 0 to 2, not {kind}")
        subscription = subscriptions_of(&self.client, kind)
        while subscription != NULL:
            name = subscribed_name(subscription, &length)
            names.append(name[:length])
            subscription = subscription.next
        return names

    def unsubscribe_all(self) -> None:
        """Ends all subscriptions of the client without telling it, as RESET does."""
        if self.client.core != NULL:
            unsubscribe_all(self.client.core, &self.client)

    @property
    def tracking(self) -> tuple[int, int, list[bytes]] | None:
        """TRACKING_* bits of tracking.pxd, id of who gets its messages (0: itself), prefixes in order; None where it is off."""
        cdef Tracker* tracker = tracker_of(&self.client)
        cdef Prefix* prefix
        cdef size_t length
        cdef char* text
        cdef int i
        cdef list prefixes = []
        if not tracking_options(&self.client):
            return None
        for i in range(<int> pointer_set_places(&tracker.prefixes)):
            prefix = <Prefix*> pointer_set_at(&tracker.prefixes, i)
            if prefix != NULL:
                text = prefix_text(prefix, &length)
                prefixes.append(text[:length])
        prefixes.sort()
        return tracker.options, (tracker.redirect.id if tracker.redirect != NULL else 0), prefixes

    def append(self, object value) -> None:
        """Appends a reply or a push message out of turn; it is written before the loop sleeps."""
        if self._takes_output():
            reply_object(&self.client.reply, value)
            client_queue_write(self.client.core, &self.client)

    cdef bint _takes_output(self) noexcept:
        """False for one that is closed or is to be, and for one without a socket whose command is not running."""
        cdef Client* client = &self.client
        return client.core != NULL and client_takes_output(client) and \
            (not client.flags & CLIENT_INTERNAL or client.argv != NULL)

    def append_raw(self, bytes data not None) -> None:
        """The same for bytes that are encoded already."""
        if self._takes_output():
            reply_raw(&self.client.reply, data, len(data))
            client_queue_write(self.client.core, &self.client)

    def close_soon(self, *, bint after_reply=False) -> None:
        """Closes the connection: at once, or where its requests are being executed, before the loop sleeps; or once its output
        is written."""
        cdef Client* client = &self.client
        if client.core == NULL or client.flags & CLIENT_INTERNAL:
            return
        if after_reply:
            client_end(client.core, client)
            return
        client_doom(client.core, client)
        if client.argv == NULL and client != client.core.served:
            self.engine.close(self)

    cdef void attach(self, Core* core, object engine, int fd, bint internal) noexcept:
        """Ties the connection to its engine, as a member of the list of clients unless it is internal."""
        cdef Client* client = &self.client
        self.engine = engine
        client.core = core
        client.connection = <PyObject*> self
        client.database = core.databases[0]
        client.fd = fd
        core.next_client_id += 1
        client.id = core.next_client_id
        client.created_ms = core.now_ms
        client.active_ms = core.now_ms
        reply_init(&client.reply, core)
        if internal:
            client.flags = CLIENT_INTERNAL | CLIENT_AUTHENTICATED
            return
        # The struct stands in a Python object; what the engine uses counts it all the same.
        core.heap.used += sizeof(Client)
        client.next = core.clients
        if core.clients != NULL:
            core.clients.previous = client
        core.clients = client
        core.clients_count += 1

    def release(self) -> None:
        """Closes the socket and gives back all memory, or once its command is through where one runs. The connection is out of
        service then; calling again is harmless. RuntimeError for one without a socket: that is its engine's."""
        if self.client.core == NULL:
            return
        if self.client.flags & CLIENT_INTERNAL:
            raise RuntimeError("this is the engine's own connection")
        if self.is_busy():
            self.close_soon()
        else:
            self.leave(INT64_MAX)

    cdef bint leave(self, int64_t most) noexcept:
        """Closes the socket, and gives back what it can in bounded time: at most so many subscriptions. True where that was all;
        otherwise it is to be called again, and meanwhile the client stands in Core.leaving."""
        cdef Client* client = &self.client
        cdef Core* core = client.core
        if core == NULL:
            return True
        if not self.is_leaving:
            self.withdraw()
        if not unsubscribe_some(core, client, most):
            return False
        if client.previous != NULL:
            client.previous.next = client.next
        elif core.leaving == client:
            core.leaving = client.next
        if client.next != NULL:
            client.next.previous = client.previous
        if not client.flags & CLIENT_INTERNAL:
            core.heap.used -= sizeof(Client)
        client.core = NULL
        return True

    cdef void withdraw(self) noexcept:
        """Takes the client out of everything but what it has subscribed to."""
        cdef Client* client = &self.client
        cdef Core* core = client.core
        cdef Client** place
        self.is_leaving = True
        if client.flags & CLIENT_QUEUED_WRITE:
            place = &core.writers
            while place[0] != client:
                place = &place[0].next_write
            place[0] = client.next_write
        if client.flags & CLIENT_QUEUED_RESUME:
            place = &core.resumed
            while place[0] != client:
                place = &place[0].next_resumed
            place[0] = client.next_resumed
        unblock(core, client)
        transaction_discard(core, client)
        client_uncount(core, client)
        client_in_time(core, client)
        tracking_forget_client(core, client)
        if not client.flags & CLIENT_INTERNAL:
            if client.previous != NULL:
                client.previous.next = client.next
            else:
                core.clients = client.next
            if client.next != NULL:
                client.next.previous = client.previous
            core.clients_count -= 1
        # Doomed, whoever still finds it, and closed already.
        client.flags |= CLIENT_CLOSE_NOW
        client.previous = NULL
        client.next = core.leaving
        if core.leaving != NULL:
            core.leaving.previous = client
        core.leaving = client
        reply_release(&client.reply)
        if client.query != NULL:
            heap_free(core.heap, client.query, client.query_capacity)
            client.query = NULL
            core.own_queries -= 1
        parser_free(core.heap, client.parser)
        client.parser = NULL
        if client.fd >= 0:
            close_descriptor(client.fd)
            client.fd = -1
        client.command = NULL
        client.user = NULL

    @property
    def fileno(self) -> int:
        """The socket's descriptor; -1 once released."""
        return self.client.fd

    @property
    def id(self) -> int:
        return self.client.id

    @property
    def is_open(self) -> bool:
        return self.client.core != NULL and client_takes_output(&self.client)

    @property
    def database(self) -> int:
        """Number of the selected database."""
        self._check_open()
        return self.client.database.id

    @database.setter
    def database(self, int number) -> None:
        self._check_open()
        if not 0 <= number < self.client.core.databases_count:
            raise IndexError(f"database {number}: there are {self.client.core.databases_count}")
        self.client.database = self.client.core.databases[number]

    @property
    def protocol(self) -> int:
        """2 or 3."""
        return self.client.reply.protocol

    @protocol.setter
    def protocol(self, int version) -> None:
        if version not in (2, 3):
            raise ValueError(f"there are the protocols 2 and 3, not {version}")
        self.client.reply.protocol = version
        pubsub_gate(&self.client)

    @property
    def authenticated(self) -> bool:
        """Whether it may run commands: it has authenticated itself, or does not need to."""
        return not self.client.gate & GATE_UNAUTHENTICATED

    @authenticated.setter
    def authenticated(self, bint value) -> None:
        self.client.flags &= ~<uint64_t> CLIENT_AUTHENTICATED
        if value:
            self.client.flags |= CLIENT_AUTHENTICATED | CLIENT_WAS_AUTHENTICATED
        self.require_authentication(not value)

    def require_authentication(self, bint required) -> None:
        """Says whether clients must authenticate themselves; nothing changes for one that has."""
        if not required or self.client.flags & CLIENT_AUTHENTICATED:
            self.client.gate &= ~<uint64_t> GATE_UNAUTHENTICATED
        else:
            self.client.gate |= GATE_UNAUTHENTICATED

    def use_permissions(self, Permissions permissions) -> None:
        """Has commands checked against these from here on, or where None, against nothing. To be called again when they
        change. ValueError where they are another engine's."""
        self._check_open()
        if permissions is not None and permissions.core != self.client.core:
            raise ValueError("the permissions are another engine's")
        self.permissions = permissions
        self.client.user = NULL if permissions is None else &permissions.rules
        if permissions is None or permissions.rules.is_unrestricted:
            self.client.gate &= ~<uint64_t> GATE_USER
        else:
            self.client.gate |= GATE_USER

    @property
    def flags(self) -> int:
        """The CLIENT_* bits of flags.pxd."""
        return self.client.flags

    def set_flag(self, uint64_t flag, bint on) -> None:
        """Sets or clears bits of flags, and the gate that goes with muted replies. ValueError for what only the data plane may
        change."""
        self._check_open()
        if flag & ~<uint64_t> SETTABLE_FLAGS:
            raise ValueError(f"flags {flag:#x} are not to be set from outside")
        if on:
            self.client.flags |= flag
        else:
            self.client.flags &= ~flag
        if flag & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT) and on:
            self.client.gate |= GATE_REPLY_OFF
        if flag & CLIENT_NO_EVICT:
            client_recount(self.client.core, &self.client)
        if flag & CLIENT_MONITOR:
            if on:
                self.client.gate |= GATE_MONITORING
            else:
                self.client.gate &= ~<uint64_t> GATE_MONITORING

    @property
    def created_ms(self) -> int:
        return self.client.created_ms

    @property
    def active_ms(self) -> int:
        return self.client.active_ms

    @property
    def last_command(self) -> str:
        """Full name of the command executed last; NULL as the original shows none."""
        if self.client.command == NULL:
            return "NULL"
        return self.client.command.own_name.decode()
