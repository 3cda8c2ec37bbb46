"""Python code of others; the contract is in python_calls.pxd."""
from libc.stdint cimport uint64_t
from libc.string cimport memset
from redislite._core.base.alloc cimport heap_free
from redislite._core.commands.table cimport command_resolve
from redislite._core.dispatch.upcalls cimport upcall_failed
from redislite._core.keyspace.propagate cimport propagate_always
from redislite._core.protocol.decoding cimport Decoder, arguments_of, encode_argument, take_reply
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_error, reply_error_bytes, reply_mark, reply_object, reply_rollback,
)
from redislite._core.scripting.calling cimport (
    RUN_COMMAND, SCRIPT_NO_WRITES, Run, is_over_memory, killed_text, run_begin, run_call, run_end, run_of, run_refusal,
)
from redislite._core.scripting.watchdog cimport Watched, watch_begin, watch_end
from redislite._core.state.core cimport Argument, Client, Command, Core
from redislite._core.state.flags cimport CLIENT_INTERNAL, CLIENT_SCRIPT, COMMAND_VERBATIM, COMMAND_WRITE

from redislite._core.protocol.reply_types import CommandError, Interrupted, SimpleString

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident() noexcept nogil

# Replies of `Caller.call`.
cdef Decoder DECODER = Decoder(SimpleString)

cdef enum:
    ERROR_MAX = 1024            # characters of an error


cdef class Caller:
    """What a command, a function or a hook in Python calls commands with. Valid until it returns, on its own thread.

    It acts for the client who asks: with the rights of that user, from the database that is selected. A hook acts for
    the server, which may do everything, from the database of the key.
    """

    def __init__(self) -> None:
        raise TypeError("commands, functions and hooks are given one")

    def call(self, *arguments: object) -> object:
        """Executes a command from its name and arguments (bytes, str, int, float), and returns its reply as Python
        objects: bytes, str (a status such as "OK"), int, float, bool, None, list, dict, set.

        Raises CommandError for an error reply. What is refused to scripts is refused here: SUBSCRIBE, MULTI, …; what
        would block answers as after its timeout. RuntimeError where the caller is not valid.
        """
        cdef Core* core
        cdef Run* run = self._running()
        cdef list encoded = [encode_argument(argument) for argument in arguments]
        cdef Py_ssize_t count = len(encoded)
        cdef Argument* argv
        cdef Command* command
        cdef const char* refusal = NULL
        if count == 0:
            raise ValueError("a command has a name")
        core = self.core
        if run.outermost.is_killed:
            raise Interrupted
        argv = arguments_of(core.heap, encoded)
        command = command_resolve(core, argv, <int> count, NULL)
        if command != NULL:
            refusal = run_refusal(core, run, command)
        if refusal == NULL:
            run_call(core, run, argv, <int> count, command, 3)
        heap_free(core.heap, argv, count * sizeof(Argument))
        if refusal != NULL:
            raise CommandError(refusal.decode())
        reply = take_reply(run.caller, DECODER)
        if run.outermost.is_killed:
            raise Interrupted
        if isinstance(reply, CommandError):
            raise reply
        return reply

    def log(self, str level, str text) -> None:
        """Adds a line to the server's log; level: "debug", "verbose", "notice" or "warning". ValueError."""
        cdef bytes line = text.encode("utf-8", "backslashreplace")
        cdef int number = ("debug", "verbose", "notice", "warning").index(level)
        self._running()
        self.core.upcalls.log_line(self.core, number, line)

    @property
    def database(self) -> int:
        """Number of the selected database."""
        return self._running().caller.database.id

    @property
    def user(self) -> str:
        """Name of the user for whom it acts; empty where that is the server."""
        cdef Run* run = self._running().outermost
        return "" if run.client.flags & CLIENT_INTERNAL else (<object> run.client.connection).user

    cdef Run* _running(self) except NULL:
        if self.thread != PyThread_get_thread_ident():
            raise RuntimeError("commands are called on the thread of the server")
        if self.run == NULL:
            raise RuntimeError("the command, function or hook that was given this is over")
        if run_of(self.core) != self.run:
            raise RuntimeError("what was given this waits for another command that it has called")
        return self.run


cdef object run_python_code(Core* core, Run* run, object function, tuple arguments):
    cdef Caller caller = Caller.__new__(Caller)
    cdef Watched outer
    caller.core = core
    caller.run = run
    caller.engine = <object> core.engine
    caller.thread = PyThread_get_thread_ident()
    watch_begin(core, &outer, -1)
    try:
        return function(caller, *arguments)
    finally:
        watch_end(core, &outer)
        caller.run = NULL


cdef bint is_interrupt(object error) except -1:
    """Whether somebody at the keyboard may have raised it, and not the code."""
    if not isinstance(error, KeyboardInterrupt):
        return 0
    import signal

    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


cdef void report_raised(Core* core, object error) noexcept:
    try:
        if isinstance(error, Exception) or is_interrupt(error):
            upcall_failed(core, error)
            return
    except BaseException as second:
        error = second
    # Whatever code of others raises, it does not end the process.
    try:
        (<object> core.engine).on_exception(error)
    except BaseException as second:
        upcall_failed(core, second)


cdef object text_of(Run* run, object error):
    """What the client is told of an exception."""
    name = run.name[:run.name_length].decode("utf-8", "replace")
    if run.outermost.is_killed:
        return f"ERR {killed_text(run).decode()} script: {name}"
    if isinstance(error, MemoryError):
        return f"OOM out of memory in {name}"
    try:
        text = str(error)
    except Exception:
        text = ""
    kind = type(error).__name__
    return f"ERR {name} raised {kind}: {text}" if text else f"ERR {name} raised {kind}"


cdef void reply_raised(Core* core, Run* run, object error) noexcept:
    cdef Client* client = run.client
    cdef bytes text
    try:
        if isinstance(error, CommandError):
            text = str(error)[:ERROR_MAX].encode("utf-8", "surrogateescape")
            reply_error_bytes(&client.reply, text, len(text))
            return
        text = text_of(run, error)[:ERROR_MAX].encode("utf-8", "replace")
        reply_error_bytes(&client.reply, text, len(text))
    except BaseException:
        reply_error(&client.reply, "ERR internal error, see the server's log")
    if isinstance(error, Interrupted) and run.outermost.is_killed:
        return
    if client.flags & CLIENT_INTERNAL and not client.flags & CLIENT_SCRIPT and not core.replaying:
        (<object> core.engine).failure = error     # whoever has the engine execute it is told
    else:
        report_raised(core, error)


cdef void reply_python_code(Core* core, Run* run, object function, tuple arguments) noexcept:
    cdef ReplyMark mark = reply_mark(&run.client.reply)
    try:
        reply_object(&run.client.reply, run_python_code(core, run, function, arguments))
    except BaseException as error:
        reply_rollback(&run.client.reply, mark)
        reply_raised(core, run, error)


cdef object arguments_from(const Client* client, int first, int end):
    return [client.argv[i].data[:client.argv[i].length] for i in range(first, end)]


cdef void run_command(Core* core, Client* client, Run* run) noexcept with gil:
    cdef object row
    try:
        row = <object> client.command.row
        # The names have been read.
        arguments = tuple(arguments_from(client, 2 if client.command.is_subcommand else 1, client.argc))
    except MemoryError:
        reply_error(&client.reply, "OOM out of memory while a command in Python is called")
        return
    reply_python_code(core, run, row.handler, arguments)


cdef void reply_retired(Client* client) noexcept nogil:
    reply_error(&client.reply, "ERR unknown command: it has just been unloaded")


cdef void python_command(Core* core, Client* client) noexcept nogil:
    cdef Command* command = client.command
    cdef uint64_t dirty = core.dirty
    cdef Run run
    if command.is_retired:
        reply_retired(client)
        return
    memset(&run, 0, sizeof(run))
    run.name = command.own_name
    run.name_length = command.own_length
    run.kind = RUN_COMMAND
    run.flags = 0 if command.flags & COMMAND_WRITE else SCRIPT_NO_WRITES
    run.over_memory = run_of(core) == NULL and is_over_memory(core)
    if run_begin(core, &run, client) != 0:
        return
    if command.flags & COMMAND_VERBATIM:
        run.propagated = 0
    run_command(core, client, &run)
    if command.flags & COMMAND_VERBATIM and core.dirty > dirty and core.propagation:
        propagate_always(core, client)
    run_end(core, &run)
