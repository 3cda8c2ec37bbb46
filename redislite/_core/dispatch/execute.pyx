"""Executing what clients ask; the contract is in execute.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memmove
from redislite._core.base.alloc cimport heap_alloc, heap_realloc
from redislite._core.base.clock cimport clock_counter
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.base.sds cimport sds_length
from redislite._core.clients.ending cimport (
    client_doom, client_give_back, client_is_doomed, client_may_execute, client_takes_output,
)
from redislite._core.clients.output cimport (
    client_check_output, client_end, client_queue_write, output_is_limited, push_late,
)
from redislite._core.clients.tracking cimport tracking_command_done
from redislite._core.commands.table cimport command_resolve, command_run, histogram_add
from redislite._core.dispatch.admission cimport (
    ADMITTED, POSTPONED, REFUSED, admit, refuse_arity, reply_unknown, reply_unknown_subcommand, speaks_http,
)
from redislite._core.dispatch.turns cimport renew_clock
from redislite._core.keyspace.key_table cimport key_hash, keys_prefetch_bucket, keys_prefetch_entry
from redislite._core.keyspace.blocking cimport (
    WAIT_ALSO_MISSING, WAIT_FOR_DISK, discard_if_empty, first_waiting, unblock,
)
from redislite._core.keyspace.entry cimport Entry, entry_type
from redislite._core.keyspace.keyspace cimport keyspace_find
from redislite._core.keyspace.latency cimport latency_sample_if_long
from redislite._core.keyspace.propagate cimport propagate_command, propagate_unit
from redislite._core.protocol.reply cimport ReplyMark, reply_error, reply_mark, reply_pending, reply_rollback
from redislite._core.protocol.resp cimport (
    PARSE_ERROR, PARSE_LONG, PARSE_NO_MEMORY, PARSE_REQUEST, PARSE_STRICT, PARSE_UNAUTHENTICATED, parser_compact,
    parser_free, parser_is_idle, parser_new,
    parser_release_owned, parser_reset, resp_large_done, resp_parse,
)
from redislite._core.state.core cimport (
    LONG_ARGUMENT, QUERY_BUFFER, REQUEST_BATCH, Argument, Blocked, Client, Command, Core, Database, Parser, Request,
    WaitList,
)
from redislite._core.state.flags cimport (
    AFTER_HOOKS, AFTER_LATE, CLIENT_BLOCKED, CLIENT_DIRTY_QUEUE, CLIENT_INTERNAL, CLIENT_IN_EXEC, CLIENT_POSTPONED,
    CLIENT_PROTOCOL_ERROR, CLIENT_QUEUED_RESUME, CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP, CLIENT_REPLY_SKIP_NEXT,
    COMMANDLOG_LARGE_REPLY, COMMANDLOG_LARGE_REQUEST, COMMANDLOG_SLOW, COMMAND_ADMIN, COMMAND_FAST,
    COMMAND_SKIP_MONITOR, COMMAND_SKIP_SLOWLOG, GATE_MONITORS, GATE_REPLY_OFF, GATE_TRACKING, GATE_TRANSACTION,
    GATE_UNAUTHENTICATED, LOG_VERBOSE, LOG_WARNING,
)
from redislite._core.state.statistics cimport CommandStatistics
from redislite._core.text.wire cimport BULK_MAX, HEADER_MAX, put_bulk, put_header

cdef enum:
    LONG_QUERY_BUFFER = 2 * LONG_ARGUMENT   # bytes of one read from a client that sends long arguments


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
    # What runs others is shown before these.
    if core.gate & GATE_MONITORS and not again and command.flags & COMMAND_SKIP_MONITOR:
        core.upcalls.feed_monitors(core, client)
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


cdef bint muted_reply_begin(Client* client, ReplyMark* mark) noexcept nogil:
    # The replies of a transaction's commands are parts of EXEC's.
    if not client.gate & GATE_REPLY_OFF or client.flags & CLIENT_IN_EXEC:
        return 0
    mark[0] = reply_mark(&client.reply)
    if client.flags & CLIENT_REPLY_SKIP_NEXT:
        client.flags = (client.flags & ~<uint64_t> CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP
    return 1


cdef void muted_reply_end(Client* client, ReplyMark mark) noexcept nogil:
    if client.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP):
        reply_rollback(&client.reply, mark)
    client.flags &= ~<uint64_t> CLIENT_REPLY_SKIP
    if not client.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT):
        client.gate &= ~<uint64_t> GATE_REPLY_OFF


cdef void unit_ended(Core* core, Client* client) noexcept nogil:
    if core.after_unit & AFTER_LATE:
        push_late(core, client)
    if core.after_unit & AFTER_HOOKS:
        core.upcalls.run_hooks(core)


cdef bint call_command(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    cdef ReplyMark mark
    cdef bint muted = muted_reply_begin(client, &mark)
    cdef int admitted = REFUSED
    if command == NULL:
        # It may have come since the request was parsed.
        command = command_resolve(core, client.argv, client.argc, NULL)
    if command == NULL and speaks_http(client) and not client.flags & CLIENT_INTERNAL:
        core.upcalls.log_line(core, LOG_WARNING,
                              "Possible SECURITY ATTACK detected: a client sends POST or Host: commands, as a web "
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
            if core.after_unit and core.executing == NULL:
                unit_ended(core, client)
            return 0
    if admitted == REFUSED:
        core.errors_counted = core.statistics.error_replies
        if client.gate & GATE_TRANSACTION:
            client.flags |= CLIENT_DIRTY_QUEUE
    if muted:
        muted_reply_end(client, mark)
    if client.gate & GATE_TRACKING:
        tracking_command_done(core, client, command, admitted == ADMITTED)
    if core.after_unit and core.executing == NULL:
        unit_ended(core, client)
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
            request.hash = key_hash(client.database, data + <size_t> key.data, key.length)
            keys_prefetch_bucket(client.database, request.hash)
    parser.requests_count += 1


cdef char* room_for_request(Core* core, Client* client, size_t need) noexcept nogil:
    """The client's own buffer, empty and with so much room; NULL where memory is out."""
    cdef char* grown
    if client.query == NULL:
        client.query = <char*> heap_alloc(core.heap, need)
        if client.query == NULL:
            return NULL
        client.query_capacity = need
        core.own_queries += 1
    elif client.query_capacity < need:
        grown = <char*> heap_realloc(core.heap, client.query, client.query_capacity, need)
        if grown == NULL:
            return NULL
        client.query = grown
        client.query_capacity = need
    return client.query


cdef void client_park(Core* core, Client* client, size_t request_bytes) noexcept nogil:
    cdef size_t need = HEADER_MAX
    cdef char* place
    cdef int i
    for i in range(client.argc):
        need += client.argv[i].length + BULK_MAX
    place = room_for_request(core, client, need)
    if client.parser == NULL:
        client.parser = parser_new(core.heap)
    if place == NULL or client.parser == NULL:
        client_doom(core, client)
        return
    place = put_header(place, c'*', client.argc)
    for i in range(client.argc):
        place = put_bulk(place, client.argv[i].data, client.argv[i].length)
    client.query_length = place - client.query
    if resp_parse(core.heap, client.parser, client.query, client.query_length, INT64_MAX, 0) != PARSE_REQUEST:
        client_doom(core, client)
        return
    take_request(core, client, client.parser, client.query)
    client.parser.requests[0].bytes = request_bytes
    if not client.flags & CLIENT_BLOCKED:
        client.flags |= CLIENT_POSTPONED


cdef void execution_done(Core* core, Client* client) noexcept nogil:
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


cdef void serve_complete(Core* core, Client* client, char* data, size_t length, Parser* parser) noexcept nogil:
    """Executes what is complete in data[0:length]."""
    cdef int state = PARSE_REQUEST
    cdef int ahead, rules, i
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
            ahead = REQUEST_BATCH
            rules = PARSE_STRICT if core.settings.strict_line_ends else 0
            if client.gate & GATE_UNAUTHENTICATED:
                ahead = 1
                rules |= PARSE_UNAUTHENTICATED
            while parser.requests_count < ahead:
                state = resp_parse(core.heap, parser, data, length, core.settings.max_bulk_length, rules)
                if state != PARSE_REQUEST:
                    break
                take_request(core, client, parser, data)
        if parser.requests_count - parser.requests_done > 1:
            for i in range(parser.requests_done, parser.requests_count):
                if parser.requests[i].hashed:
                    keys_prefetch_entry(client.database, parser.requests[i].hash)
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
        core.upcalls.log_client(core, client, LOG_VERBOSE, text, data + parser.position, length - parser.position)
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
    slot = keyspace_find(core, waiting.database, key, length, key_hash(waiting.database, key, length))
    return slot != NULL and entry_type(slot[0]) == blocked.type


cdef void wake_waiters(Core* core) noexcept nogil:
    cdef WaitList* waiting
    cdef Blocked* blocked
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
        waiting.following = first_waiting(waiting.first)
        # A woken command may end the waiting of any client: whoever leaves the list moves on what follows.
        while waiting.following != NULL:
            blocked = waiting.following.blocked
            waiting.following = waiting.following.next
            if is_wanted(core, waiting, blocked):
                wake_client(core, blocked.client)
            # Only now: the client that has been woken may have ended the waiting of those that follow.
            waiting.following = first_waiting(waiting.following)
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


cdef void client_serve_input(Core* core, Client* client, char* data, size_t length, Parser* parser) noexcept nogil:
    serve_complete(core, client, data, length, parser)
    keep_rest(core, client, data, length, parser)
    if client_is_doomed(client):
        client_give_back(core, client)  # now, as whoever is served next in this turn may need the memory


cdef void client_serve(Core* core, Client* client) noexcept nogil:
    client_serve_input(core, client, client.query, client.query_length,
                       client.parser if client.parser != NULL else core.parser)
