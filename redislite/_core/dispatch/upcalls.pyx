"""Calls from the data plane up; the contract is in upcalls.pxd."""
from libc.stdint cimport int64_t
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_error, reply_mark, reply_null, reply_object, reply_pending, reply_rollback,
)
from redislite._core.state.core cimport Client, Command, Core
from redislite._core.state.flags cimport (
    CLIENT_CLOSE_AFTER_REPLY, CLIENT_INTERNAL, CLIENT_IN_EXEC, CLIENT_SCRIPT, CLIENT_WAITS_WRITABLE,
)

from redislite._core.protocol.reply_types import NO_REPLY, CommandError

cdef enum:
    SAMPLE_MAX = 128                # bytes that a client sent, where the log shows some


cdef void keep(Core* core, object error) noexcept:
    engine = <object> core.engine
    if engine.failure is None:
        engine.failure = error


cdef void upcall_failed(Core* core, object error) noexcept:
    if not isinstance(error, Exception):
        keep(core, error)
        return
    try:
        (<object> core.engine).on_exception(error)
    except BaseException as second:
        keep(core, second)


cdef list arguments_of(const Client* client):
    return [client.argv[i].data[:client.argv[i].length] for i in range(client.argc)]


cdef void run_python(Core* core, Client* client, Command* command) noexcept with gil:
    cdef object connection = <object> client.connection
    cdef ReplyMark mark = reply_mark(&client.reply)
    cdef size_t before = reply_pending(&client.reply)
    try:
        try:
            value = (<object> command.row).handler((<object> core.engine).control, connection, arguments_of(client))
            if value is not NO_REPLY:
                reply_object(&client.reply, value)
            elif client.flags & CLIENT_IN_EXEC and reply_pending(&client.reply) == before:
                reply_null(&client.reply)   # EXEC has said how many there are
        except CommandError as error:
            reply_rollback(&client.reply, mark)
            reply_object(&client.reply, error)
    except BaseException as error:
        reply_rollback(&client.reply, mark)
        reply_error(&client.reply, "ERR internal error, see the server's log")
        if client.flags & CLIENT_INTERNAL and not client.flags & CLIENT_SCRIPT and not core.replaying:
            keep(core, error)               # whoever has the engine execute it can be told
        else:
            upcall_failed(core, error)


cdef void log_command(Core* core, Client* client, Command* command, int kinds, int64_t us, size_t request_bytes,
                      size_t reply_bytes) noexcept with gil:
    try:
        args = [client.argv[i].data[:min(client.argv[i].length, <size_t> 160)] for i in range(min(client.argc, 33))]
        lengths = [client.argv[i].length for i in range(len(args))]
        (<object> core.engine).on_slow_command(<object> client.connection, args, lengths, client.argc, kinds, us,
                                               request_bytes, reply_bytes)
    except BaseException as error:
        upcall_failed(core, error)


cdef void feed_monitors(Core* core, Client* client) noexcept with gil:
    try:
        (<object> core.engine).on_monitored(<object> client.connection, arguments_of(client))
    except BaseException as error:
        upcall_failed(core, error)


cdef void latency_sample(Core* core, const char* event, int64_t ms) noexcept with gil:
    try:
        (<object> core.engine).on_latency(event.decode(), ms)
    except BaseException as error:
        upcall_failed(core, error)


cdef void watch_socket(Core* core, Client* client) noexcept with gil:
    try:
        (<object> core.engine).on_interest(<object> client.connection, not client.flags & CLIENT_CLOSE_AFTER_REPLY,
                                           client.flags & CLIENT_WAITS_WRITABLE != 0)
    except BaseException as error:
        upcall_failed(core, error)


cdef void waiting_timer(Core* core, int64_t ns) noexcept with gil:
    try:
        (<object> core.engine).on_waiting(ns / 1e9)
    except BaseException as error:
        upcall_failed(core, error)


cdef void close_soon(Core* core, Client* client) noexcept with gil:
    try:
        (<object> core.engine).closing.append(<object> client.connection)
    except BaseException as error:
        upcall_failed(core, error)


cdef void log_line(Core* core, int level, const char* text) noexcept with gil:
    try:
        (<object> core.engine).on_log(level, text.decode("utf-8", "backslashreplace"))
    except BaseException as error:
        upcall_failed(core, error)


cdef void log_client(Core* core, Client* client, int level, const char* text, const char* data,
                     size_t length) noexcept with gil:
    cdef bytes ends
    try:
        ends = data[:length] if length <= SAMPLE_MAX else data[:SAMPLE_MAX // 2] + data[length - SAMPLE_MAX // 2:length]
        (<object> core.engine).on_client_log(<object> client.connection, level,
                                             text.decode("utf-8", "backslashreplace"),
                                             ends, length)
    except BaseException as error:
        upcall_failed(core, error)


cdef void flushed(Core* core) noexcept with gil:
    try:
        (<object> core.engine).on_flushed()
    except BaseException as error:
        upcall_failed(core, error)


cdef void upcalls_init(Core* core) noexcept nogil:
    core.upcalls.run_python = run_python
    core.upcalls.log_command = log_command
    core.upcalls.feed_monitors = feed_monitors
    core.upcalls.latency_sample = latency_sample
    core.upcalls.watch_socket = watch_socket
    core.upcalls.waiting_timer = waiting_timer
    core.upcalls.close_soon = close_soon
    core.upcalls.log_line = log_line
    core.upcalls.log_client = log_client
    core.upcalls.flushed = flushed
