"""The one class that Python sees of the data plane: an Engine owns a heap, databases, the command table and clients.

Any number of engines live in one process. An engine belongs to one thread. The control plane fills in the ``on_…``
attributes, which the data plane calls, and asks for everything else through methods.
"""
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint64_t, uintptr_t
from libc.stdio cimport fprintf, stderr
from libc.stdlib cimport abort
from libc.string cimport memcpy
from redislite._core.base.alloc cimport (
    heap_alloc, heap_destroy, heap_free, heap_new, heap_realloc, heap_tick, heap_trim, heap_zalloc,
)
from redislite._core.base.clock cimport clock_counter, clock_monotonic_ns
from redislite._core.clients.channels cimport publish_key_event, pubsub_init, pubsub_release
from redislite._core.clients.client_memory cimport client_limit_changed, client_recount, evict_clients
from redislite._core.clients.ending cimport client_doom, client_is_doomed
from redislite._core.clients.output cimport client_check_output, client_write
from redislite._core.clients.tracking cimport (
    TRACKING_OPTIN, TRACKING_OPTOUT, tracking_add_prefix, tracking_before_sleep, tracking_cron, tracking_disable,
    tracking_enable, tracking_invalidate, tracking_options, tracking_release, tracking_set_caching,
)
from redislite._core.commands.command_keys cimport KeyIterator, keys_begin, keys_hold, keys_next
from redislite._core.commands.table cimport (
    command_named, command_resolve, table_add, table_release, table_rename, table_retire,
    table_revive,
)
from redislite._core.connection cimport Connection
from redislite._core.dispatch.execute cimport call_command, resume_clients, wake_for_disk, wake_waiters
from redislite._core.values.value_type cimport ValueType, extension_find, extension_identifier, extension_in
from redislite._core.dispatch.ownership cimport disown, own
from redislite._core.dispatch.permissions cimport Permissions
from redislite._core.dispatch.turns cimport begin_turn, calibrate, end_turn, renew_clock, settings_in_ticks
from redislite._core.dispatch.upcalls cimport upcall_failed, upcalls_init
from redislite._core.inspection cimport Inspected
from redislite._core.keyspace.key_table cimport key_hash, keys_rehash, keys_table
from redislite._core.keyspace.blocking cimport overdue_client
from redislite._core.keyspace.discard cimport discard_all, discard_is_due, discard_turn
from redislite._core.keyspace.entry cimport NO_EXPIRE
from redislite._core.keyspace.eviction cimport (
    eviction_changed, eviction_init, eviction_release, eviction_turn, eviction_warn,
)
from redislite._core.keyspace.expiry cimport expire_cycle
from redislite._core.keyspace.keyspace cimport (
    flush_databases, keyspace_find, keyspace_init, keyspace_release, store_string,
)
from redislite._core.keyspace.feed cimport feed_attach, feed_detach, feed_read, feed_release, feed_unread
from redislite._core.persistence.append_log cimport (
    append_log, append_log_flush, append_log_is_open, append_log_release, append_only_log,
)
from redislite._core.persistence.append_rewrite cimport RewriteTask, rewrite_fork
from redislite._core.persistence.fork cimport ChildReport, fork_debugger
from redislite._core.persistence.rdb_snapshot cimport module_aux_of, snapshot_fork, snapshot_load, snapshot_save
from redislite._core.process.crash cimport crash_forget, crash_watch
from redislite._core.protocol.decoding cimport Decoder, arguments_of, take_reply
from redislite._core.protocol.encoding cimport Vector, vector_add, vector_begin, vector_end
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_empty_pool, reply_error, reply_init, reply_mark, reply_object, reply_pending, reply_release,
    reply_rollback,
)
from redislite._core.protocol.resp cimport parser_free, parser_new
from redislite._core.replay cimport replay_of
from redislite._core.scripting.calling cimport Run, callers_release, running
from redislite._core.scripting.functions cimport (
    JOIN_APPEND, JOIN_REPLACE, LIBRARY_BROKEN, LIBRARY_ERROR, Functions, Library, functions_get, functions_of,
    functions_release, libraries_flush, libraries_join, libraries_run_waiting, library_find, library_free, library_name,
    library_new,
)
from redislite._core.scripting.hooks cimport Hooks, key_hooked, run_hooks
from redislite._core.scripting.function_commands cimport script_only_reads
from redislite._core.scripting.lua_api cimport lua_resolve
from redislite._core.scripting.lua_functions cimport lua_functions
from redislite._core.scripting.python_calls cimport python_command
from redislite._core.scripting.python_functions cimport python_functions
from redislite._core.scripting.scripting cimport scripting_release, scripting_start
from redislite._core.scripting.scripts cimport scripts_release
from redislite._core.scripting.watchdog cimport watchdog_start, watchdog_stop
from redislite._core.settings cimport DEFAULTS, setting_place
from redislite._core.state.core cimport (
    CHECKED_BUILD, QUERY_BUFFER, Argument, Client, Command, Core, Database, FeedReader, Reply,
)
from redislite._core.state.flags cimport (
    AFTER_HOOKS, CLIENT_CLOSE_AFTER_REPLY, CLIENT_IN_EXEC, CLIENT_QUEUED_WRITE, CLIENT_WAITS_WRITABLE, GATE_LOADING,
    GATE_MEMORY, GATE_MISCONF, GATE_MONITORS, GATE_PAUSE_ALL, GATE_PAUSE_WRITE, GATE_RENEWAL, LOG_WARNING,
    PROPAGATE_AOF, REPLAY_RUNS,
)
from redislite._core.state.statistics cimport ERROR_KINDS_ROOM, ErrorKind
from redislite._core.structures.dict cimport Dict, dict_grow_if_full, dict_rehash, dict_shrink_if_sparse
from redislite._core.transport cimport socket_transport, trim_client

import os
import sys

from redislite._core.handlers import (
    bits, dump, geo, hash_deadlines, hashes, hyperloglog, keys, lists, pubsub, sets, sort, stream_groups, streams,
    strings, transactions, zset_combinations, zsets,
)
from redislite._core.persistence import acknowledgement
from redislite._core.scripting import function_commands, scripts
from redislite._core.protocol.reply_types import CommandError
from redislite._core.commands.row import CommandRow, CommandTable

cdef extern from *:
    int __GNUC__
    int __GNUC_MINOR__
    int __GNUC_PATCHLEVEL__

# Seconds that a busy engine without a loop goes without a turn at the most.
cdef double TURN_S = 0.01

# Replies of `execute`.
cdef Decoder DECODER = Decoder(str)

cdef enum:
    REHASH_TURN_US = 1000           # active rehashing per cron tick
    IDLE_MS = 2000                  # without input, after which a client's buffers are given back
    COMMAND_NAME_MAX = 63           # bytes, a container's included
    CRON_NS = 100_000_000           # between calls of cron, where there is no loop
    CRON_EXPIRE_US = 1000           # of active expiry in each
    LEAVE_TURN = 3000               # subscriptions of closed clients that end per turn
    DEFAULT_DATABASES = 16

# What the data plane was compiled with, as INFO shows it.
COMPILER_VERSION = f"{__GNUC__}.{__GNUC_MINOR__}.{__GNUC_PATCHLEVEL__}"

# Gates that the control plane opens and closes, by their names there.
cdef dict GATES = {
    "pause_all": GATE_PAUSE_ALL,
    "pause_write": GATE_PAUSE_WRITE,
    "monitors": GATE_MONITORS,
    "loading": GATE_LOADING,
    "renewal": GATE_RENEWAL,
}

# Modules of native handlers; each brings its rows as COMMANDS.
NATIVE_MODULES = (
    strings,
    keys,
    dump,
    acknowledgement,
    bits,
    hyperloglog,
    zsets,
    zset_combinations,
    lists,
    hashes,
    hash_deadlines,
    sets,
    streams,
    stream_groups,
    geo,
    sort,
    transactions,
    pubsub,
    scripts,
    function_commands,
)


cdef void resize_if_due(Dict* d) noexcept nogil:
    """Begins what could not be done while a child ran, or a scan did."""
    if not dict_grow_if_full(d):
        dict_shrink_if_sparse(d)


cdef void key_used(Core* core, const Database* database, const char* key, size_t length, bint changes) noexcept nogil:
    cdef bint holds = keys_hold(core, database, key, length, changes)
    if core.records_keys:
        record_key(core, database, key, length, changes, holds)
    elif not holds:
        fprintf(stderr, "'%s' %s key '%.*s' of database %d, which its arguments do not name\n",
                core.executing.command.name,
                b"changes" if changes else b"looks up", <int> length, key, database.id)
        abort()


cdef void record_key(Core* core, const Database* database, const char* key, size_t length, bint changes,
                     bint holds) noexcept with gil:
    try:
        (<Engine> core.engine)._on_key_used((<object> core.executing.command.row).name, database.id, key[:length],
                                            changes, holds)
    except BaseException as error:
        upcall_failed(core, error)


cdef bint start_scripting(Core* core, Client* client) noexcept with gil:
    try:
        lua_resolve()
        if scripting_start(core) != 0:
            raise MemoryError
    except ImportError as error:
        reply_object(&client.reply, CommandError(f"ERR {error}"))
        return 0
    except MemoryError:
        reply_error(&client.reply, "OOM out of memory while scripts are made ready")
        return 0
    return 1


cdef Client* new_caller(Core* core) noexcept with gil:
    cdef Engine engine = <Engine> core.engine
    cdef Connection caller
    try:
        caller = Connection()
        engine.callers.append(caller)
    except MemoryError:
        return NULL
    caller.attach(core, engine, -1, NULL)
    return &caller.client


cdef bint script_slow(Core* core, bint first) noexcept with gil:
    try:
        return (<Engine> core.engine).on_script_slow(first)
    except BaseException as error:
        upcall_failed(core, error)
        return 0


def _nothing(*_args: object) -> None:
    """What the data plane calls where the control plane has not set anything."""


def _deny(_connection: object, _row: object, _reason: int, _argument: bytes) -> bytes:
    return b"NOPERM No permissions"


def _raise(error: BaseException) -> None:
    raise error


cdef class Engine(Inspected):
    """The data plane: databases, commands, clients.

    databases: how many there are. control: what handlers of the Python tier get as their first argument.

    Called by the data plane, each set by the control plane before the first connection:
    on_close(connection) when a connection is to be unregistered; on_interest(connection, readable, writable) when its
    socket is to be watched for these from here on; on_slow_command(connection, args, lengths, count, kinds, us,
    request_bytes, reply_bytes); on_waiting(seconds) when end_overdue_waiting is to be called then, instead of when was
    said before; on_monitored(connection, args); on_latency(event, ms); on_log(level, text); on_exception(error);
    on_client_log(connection, level, text, ends, length) where {client} in the text stands for the client's description
    and {data} for length bytes that it sent, of which ends has the first and the last 64, or all; on_denied(connection,
    row, reason, argument) where a user may not do that: DENIED_* of permissions.pxd, and what it is about (a key, say);
    answers the text of the error; on_flushed() after FLUSHALL has emptied everything; on_log_lost() where the
    append-only file has to be on the disk and is not; on_log_error() where append_log.error has changed;
    on_script_slow(first) now and then while a script takes long, for others to be served: true where it is to end;
    on_debugger(pid) where a process has been forked that debugs a script.

    What goes wrong in one of these, or in a command of the Python tier, is given to on_exception, or where there is
    none, is raised by before_sleep. Of a command that execute runs, it is always raised there.

    module_aux: what modules have written beside the keys, which snapshots carry too: by identifier of the module's type
        and when (1: it stands before the keys, 2: behind them), the fields as RDB data have them; see add_module_aux.
    """
    cdef Connection own
    cdef list callers           # Connections that scripts and Python code of others execute commands as
    cdef FeedReader follower            # what take_propagated reads
    cdef readonly Hooks hooks           # None before the first
    cdef list extensions                # what extend has answered, and retire has not taken away
    cdef Connection hooks_client        # for whom they act
    cdef dict retired           # addresses of commands that were taken away, by name
    cdef public object control
    cdef public object on_close, on_interest, on_slow_command, on_monitored, on_latency, on_log, on_waiting
    cdef public object on_exception, on_denied, on_client_log
    cdef object _on_key_used
    # What `turn` calls, where a loop does that which is to be done: () -> seconds until it has to be called again.
    cdef public object on_turn
    cdef int64_t next_cron_ns
    cdef readonly list entering         # locks of threads that wait to enter (ownership.pxd)
    cdef public object on_flushed, on_log_lost, on_log_error, on_script_slow, on_debugger
    # What went wrong where nothing could be raised (upcalls.pxd), or None.
    cdef public object failure
    cdef bytes refusal
    cdef bytes _version, _valkey_version    # that core.version and core.valkey_version point into
    cdef readonly list closing
    cdef list leaving                   # connections of Core.leaving
    cdef public dict module_aux
    cdef dict connections
    cdef list type_capsules             # of Core.extension_types

    def __cinit__(self, int databases=DEFAULT_DATABASES, object control=None) -> None:
        cdef Core* core = &self.core
        cdef bytes seed = os.urandom(24)
        core.heap = heap_new()
        if core.heap == NULL:
            raise MemoryError
        if databases < 1:
            raise ValueError(f"an engine has one database at least, not {databases}")
        core.engine = <PyObject*> self
        memcpy(core.seed, <char*> seed, 16)
        memcpy(&core.random, <char*> seed + 16, 8)
        core.random |= 1
        core.read_buffer = <char*> heap_alloc(core.heap, QUERY_BUFFER)
        core.parser = parser_new(core.heap)
        core.error_kinds = <ErrorKind*> heap_zalloc(core.heap, ERROR_KINDS_ROOM * sizeof(ErrorKind))
        if core.read_buffer == NULL or core.parser == NULL or core.error_kinds == NULL:
            raise MemoryError
        if keyspace_init(core, databases) != 0 or pubsub_init(core) != 0 or eviction_init(core) != 0:
            raise MemoryError
        upcalls_init(core)
        core.upcalls.key_invalidated = tracking_invalidate
        core.upcalls.key_used = key_used
        core.upcalls.start_scripting = start_scripting
        core.upcalls.script_slow = script_slow
        core.upcalls.script_only_reads = script_only_reads
        core.upcalls.fork_debugger = fork_debugger
        core.upcalls.call = call_command
        core.upcalls.key_event = publish_key_event
        core.upcalls.key_hooked = key_hooked
        core.upcalls.run_hooks = run_hooks
        core.upcalls.new_caller = new_caller
        core.function_engines[0] = <void*> lua_functions()
        core.function_engines[1] = <void*> python_functions()
        reply_init(&core.late, core)
        core.feed.database = -1
        self.redis_version = "0.0.0"
        self.valkey_version = ""
        self.control = control if control is not None else self
        self.closing = []
        self.entering = []
        self.leaving = []
        self.module_aux = {}
        self.connections = {}
        self.type_capsules = []
        self.extensions = []
        self.callers = []
        self.retired = {}
        self.on_close = self.on_interest = self.on_slow_command = self.on_monitored = _nothing
        self.on_latency = self.on_log = self.on_client_log = self.on_waiting = self.on_flushed = _nothing
        self.on_log_lost = self.on_log_error = self.on_script_slow = self.on_debugger = _nothing
        self.on_exception = _raise
        self.on_denied = _deny
        calibrate(core, 1000000)
        renew_clock(core)
        for name, value in DEFAULTS.items():
            self.set(name, value)
        self.table = CommandTable()
        for module in NATIVE_MODULES:
            self.register(module.COMMANDS)
        self.own = Connection()
        self.own.attach(core, self, -1, NULL)
        self.own.client.reply.protocol = 3

    def __dealloc__(self) -> None:
        cdef Core* core = &self.core
        if core.heap == NULL:
            return
        while core.leaving != NULL:
            (<Connection> core.leaving.connection).release()
        while core.clients != NULL:
            (<Connection> core.clients.connection).leave(INT64_MAX)
        if self.own is not None:
            self.own.leave(INT64_MAX)
        watchdog_stop(core)
        functions_release(core)
        scripts_release(core)
        scripting_release(core)
        for caller in self.callers or ():
            (<Connection> caller).leave(INT64_MAX)
        if self.hooks_client is not None:
            self.hooks_client.leave(INT64_MAX)
        callers_release(core)
        crash_forget(core)
        tracking_release(core)
        append_log_release(core)
        keyspace_release(core)
        pubsub_release(core)
        eviction_release(core)
        table_release(core)
        feed_release(core)
        parser_free(core.heap, core.parser)
        reply_empty_pool(core)
        heap_free(core.heap, core.extension_types, core.extension_types_count * sizeof(void*))
        heap_free(core.heap, core.error_kinds, ERROR_KINDS_ROOM * sizeof(ErrorKind))
        heap_free(core.heap, core.read_buffer, QUERY_BUFFER)
        heap_destroy(core.heap)

    def report_crashes(self) -> None:
        """Has the process's crash reports (crash.pyx) show this engine."""
        crash_watch(&self.core)

    # --- commands

    def register(self, object rows) -> None:
        """Adds command rows (row.py) of either tier: all of them or, where one cannot be, none. ValueError for a name
        that is taken or none; TypeError for what is no row; MemoryError."""
        self._add_rows(self.table.register(rows))

    cdef int _add_rows(self, list rows) except -1:
        """Has the data plane know what the table has registered, or neither of them."""
        known = []
        try:
            for row in rows:
                if row.name in self.retired:
                    table_revive(&self.core, <Command*> <uintptr_t> self.retired[row.name], row)
                    del self.retired[row.name]
                    known.append(row)
            table_add(&self.core, [row for row in rows if row not in known])
        except BaseException:
            self._retire_rows(rows, known)
            raise
        return 0

    def register_type(self, object capsule) -> None:
        """Adds a type of values from outside: a capsule named redislite.ValueType with the address of a ValueType
        (values/value_type.pxd), which the engine keeps. To be called before anything that may hold such values is
        loaded. ValueError for a name or version that no type can have, a name that is taken, or a row without the
        functions that it needs: nothing is registered then."""
        cdef Core* core = &self.core
        cdef ValueType* type = extension_in(capsule)
        cdef void** grown
        if extension_find(core, extension_identifier(type.name, 0)) != NULL:
            raise ValueError(f"the type {type.name.decode()!r} is registered twice")
        grown = <void**> heap_realloc(core.heap, core.extension_types, core.extension_types_count * sizeof(void*),
                                      (core.extension_types_count + 1) * sizeof(void*))
        if grown == NULL:
            raise MemoryError
        grown[core.extension_types_count] = <void*> type
        core.extension_types = grown
        core.extension_types_count += 1
        self.type_capsules.append(capsule)

    def extend(self, object source) -> object:
        """Adds the commands and hooks of a module, a namespace (dict), a decorated function, or an iterable of
        definitions (extension.py). Answers what `retire` takes.

        ValueError, nothing changed, where a name is taken or said twice, or a subcommand has another's container;
        OSError, MemoryError likewise."""
        cdef bytes name
        from redislite._core.scripting.extension import Hook, definitions_in, with_containers

        definitions = definitions_in(source)
        rows = [definition for definition in definitions if isinstance(definition, CommandRow)]
        hooks = [definition for definition in definitions if isinstance(definition, Hook)]
        rows = with_containers(rows)
        for number, row in enumerate(rows):
            name = row.name.encode()
            if len(name) > COMMAND_NAME_MAX:
                raise ValueError(f"a command's name has 1 to {COMMAND_NAME_MAX} bytes, not {len(name)}")
            if command_named(&self.core, name) or self.table.find(name) is not None:
                raise ValueError(f"there is a command {row.name!r} already")
            if any(row.name == other.name for other in rows[:number]):
                raise ValueError(f"the command {row.name!r} is defined twice")
        watchdog_start(&self.core)
        if hooks and self.hooks is None:
            self._start_hooks()
        added = self.table.register(rows)
        for row in added:
            if row.handler is not None:
                row.address = <size_t> <void*> python_command
        self._add_rows(added)
        try:
            for hook in hooks:
                self.hooks.add(hook)
        except BaseException:
            for hook in hooks:
                self.hooks.remove(hook)
            self._retire_rows(added, added)
            raise
        extension = tuple(added), tuple(hooks)
        self.extensions.append(extension)
        return extension

    def retire(self, object extension not None) -> None:
        """Takes away what `extend` has added. ValueError for what it has not answered, or what is gone already."""
        if not any(known is extension for known in self.extensions):
            raise ValueError("this is no extension of the engine: give what extend has answered, once")
        self.extensions = [known for known in self.extensions if known is not extension]
        rows, hooks = extension
        for hook in hooks:
            self.hooks.remove(hook)
        self._retire_rows(rows, rows)

    def _retire_rows(self, object rows, object known) -> None:
        """known: those that the data plane knows."""
        for row in reversed(rows):
            if row in known:
                self.retired[row.name] = <uintptr_t> table_retire(&self.core, row.name.encode())
                self.table.retire(row)
            else:
                self.table.withdraw(row)

    def _start_hooks(self) -> None:
        cdef Connection client = Connection()
        client.attach(&self.core, self, -1, NULL)
        self.hooks_client = client
        self.hooks = Hooks()
        self.hooks.core = &self.core
        self.hooks.client = &client.client

    cdef void _finish_unit(self):
        """After work that is no command's: calls the hooks that wait for its end."""
        cdef Core* core = &self.core
        if core.after_unit & AFTER_HOOKS:
            run_hooks(core)
            if core.ready != NULL:
                wake_waiters(core)

    def find_keys(self, list arguments not None, bint routed=False) -> list[tuple[int, int]] | None:
        """Position of each key among the arguments of a command (its name included), and the KEY_* flags of its use
        (key_specs.py); None where they are not of a form from which the keys can be told. routed: and of what is only
        routed like a key (a sharded channel). The arity is right. KeyError where there is no such command."""
        cdef Argument* argv = arguments_of(self.core.heap, arguments)
        cdef KeyIterator iterator
        cdef Command* command
        cdef list found = []
        cdef int index, flags
        try:
            command = command_resolve(&self.core, argv, <int> len(arguments), NULL)
            if command == NULL:
                raise KeyError(arguments[0])
            if keys_begin(&iterator, command, argv, <int> len(arguments), routed) < 0:
                return None
            index = keys_next(&iterator, &flags)
            while index:
                found.append((index, flags))
                index = keys_next(&iterator, &flags)
            return found
        finally:
            heap_free(self.core.heap, argv, len(arguments) * sizeof(Argument))

    def record_keys(self, object callback) -> bool:
        """For tests, in checked builds (answers whether this is one): has callback(command, database, key, changes,
        named) called for each key that a command looks up or changes; named: whether its arguments say so. Nobody who
        records, the process ends where they do not. None ends it."""
        self._on_key_used = callback
        self.core.records_keys = callback is not None
        return bool(CHECKED_BUILD)

    def rename_command(self, str name, str new_name) -> None:
        """Gives a command another name; an empty one takes it away. KeyError, ValueError."""
        table_rename(&self.core, name.encode(), new_name.encode())

    def execute(self, *args: object) -> object:
        """Runs one command from its arguments (bytes, str, int, float), outside of any connection, and answers its
        reply as a Python object, in RESP3's types (None where it answers nothing); an error is raised as CommandError.
        So is what a command of the Python tier raises; commands may call this in their turn. MemoryError where there
        was none for the reply; the command has been executed then."""
        cdef Client* client = &self.own.client
        cdef Vector vector
        if not args:
            raise ValueError("a command has a name")
        own(&self.core)
        vector_begin(&vector, self.core.heap)
        try:
            for argument in args:
                vector_add(&vector, argument, None, 0)
            value = self._execute(client, &vector)
        finally:
            vector_end(&vector)
            disown(&self.core)
        if isinstance(value, CommandError):
            raise value
        return value

    cdef object _execute(self, Client* client, Vector* vector):
        cdef Argument* outer_argv = client.argv
        cdef int outer_argc = client.argc
        cdef int outer_hashed = client.hashed
        cdef uint64_t outer_hash = client.hash
        cdef Command* outer_command = client.command
        cdef Reply outer_reply = client.reply
        cdef bint is_nested = outer_argv != NULL
        cdef bint starved
        cdef bint nested = self.core.executing != NULL
        if is_nested:
            # What the outer command has replied so far is not ours.
            reply_init(&client.reply, &self.core)
            client.reply.protocol = outer_reply.protocol
        client.argv = vector.argv
        client.argc = vector.argc
        client.hashed = 0
        if self.core.executing == NULL and discard_is_due(&self.core):
            discard_turn(&self.core)    # no loop may ever turn
        self.core.ticks = clock_counter()
        if self.core.ticks >= self.core.renewal_ticks:
            renew_clock(&self.core)
        self.core.nested += nested
        try:
            call_command(&self.core, client, command_resolve(&self.core, vector.argv, vector.argc, NULL), vector.bytes)
            if self.core.ready != NULL and self.core.executing == NULL:
                wake_waiters(&self.core)
            starved = client.reply.starved
            value = None if starved else take_reply(client, DECODER)
        finally:
            self.core.nested -= nested
            client.argv = outer_argv
            client.argc = outer_argc
            client.hashed = outer_hashed
            client.hash = outer_hash
            reply_release(&client.reply)
            client.reply.starved = 0
            if is_nested:
                client.command = outer_command
                client.reply = outer_reply
        self.raise_failure()
        if starved:
            raise MemoryError
        return value

    def raise_failure(self) -> None:
        """Raises what is kept in failure, if anything, which it forgets."""
        failure = self.failure
        if failure is not None:
            self.failure = None
            raise failure

    cdef int _check_idle(self) except -1:
        if self.core.executing != NULL or self.core.served != NULL:
            raise RuntimeError("a command is being executed: this is for the loop to call, between its turns")
        return 0

    cdef int _check_own(self, Connection connection) except -1:
        if connection.client.core != &self.core or connection.is_leaving:
            raise ValueError("the connection is released, or another engine's")
        return 0

    # --- connections

    def connect(self, int fd, str address, str local_address) -> Connection:
        """A connection for an accepted, non-blocking socket, whose descriptor is the connection's from here on."""
        cdef Connection connection = Connection()
        connection.attach(&self.core, self, fd, socket_transport())
        self.adopt(connection, address, local_address)
        return connection

    def adopt(self, Connection connection not None, str address not None, str local_address not None) -> None:
        """Has a connection that was just made for this engine be one of those it serves. ValueError for any other."""
        self._check_own(connection)
        if connection.client.transport == NULL or connection.client.id in self.connections:
            raise ValueError("the connection is not a new one")
        connection.address = address
        connection.local_address = local_address
        connection.name = connection.library_name = connection.library_version = ""
        connection.user = "default"
        self.connections[connection.client.id] = connection
        self.core.statistics.connections_received += 1

    def close(self, Connection connection not None) -> None:
        """Takes the connection out of the loop and releases it, once its command is through where one runs. Harmless
        where that has happened already."""
        if connection.client.core == NULL or connection.is_leaving:
            return
        self._check_own(connection)
        if connection.is_busy():
            connection.close_soon()
            return
        if self.connections.pop(connection.client.id, None) is None:
            return
        self.on_close(connection)
        if not connection.leave(LEAVE_TURN):
            self.leaving.append(connection)

    def find_connection(self, uint64_t id) -> object:
        """The open connection with this id, or None."""
        return self.connections.get(id)

    def all_connections(self) -> list[Connection]:
        """The open connections, oldest first."""
        return list(self.connections.values())

    @property
    def executing(self) -> Connection | None:
        """The connection whose command runs now, or None."""
        return None if self.core.executing == NULL else <object> self.core.executing.connection

    @property
    def script_client(self) -> Connection | None:
        """The connection that has called the script, function or command in Python which runs now, or None."""
        cdef Run* run = running(&self.core)
        return None if run == NULL else <object> run.client.connection

    @property
    def blocked_clients(self) -> int:
        """How many clients wait for keys."""
        return self.core.blocked_clients

    @property
    def connections_count(self) -> int:
        return self.core.clients_count

    def count_rejected(self) -> None:
        self.core.statistics.connections_rejected += 1

    def new_permissions(self) -> Permissions:
        """What a user of this engine may do; nothing at first."""
        cdef Permissions permissions = Permissions.__new__(Permissions)
        permissions.core = &self.core
        permissions.engine = self
        permissions.kept = []
        return permissions

    # --- client-side caching

    def track(self, Connection connection not None, int options, Connection redirect, list prefixes not None) -> None:
        """Turns tracking on for a connection, or changes its options: TRACKING_* bits of tracking.pxd. redirect: who
        gets its messages, or None. prefixes: further ones for the broadcasting mode. MemoryError: it is off then."""
        cdef Core* core = &self.core
        cdef bytes prefix
        cdef int failed
        self._check_own(connection)
        if redirect is not None:
            self._check_own(redirect)
        if not all(isinstance(prefix, bytes) for prefix in prefixes):
            raise TypeError("prefixes are bytes")
        failed = tracking_enable(core, &connection.client, options, &redirect.client if redirect is not None else NULL)
        for prefix in prefixes:
            failed |= tracking_add_prefix(core, &connection.client, prefix, len(prefix))
        if failed:
            tracking_disable(core, &connection.client)
            raise MemoryError

    def stop_tracking(self, Connection connection not None) -> None:
        """Turns tracking off. Harmless where it is off."""
        self._check_own(connection)
        tracking_disable(&self.core, &connection.client)

    def set_caching(self, Connection connection not None) -> None:
        """CLIENT CACHING: turns round for the next command what the OPTIN or OPTOUT mode of the connection says.
        ValueError where it is in neither."""
        self._check_own(connection)
        if not tracking_options(&connection.client) & (TRACKING_OPTIN | TRACKING_OPTOUT):
            raise ValueError("the connection tracks neither what it asks for nor all but that")
        tracking_set_caching(&connection.client)

    # --- the loop's turns

    def end_overdue_waiting(self) -> None:
        """Answers clients that have waited for keys for as long as they wanted to."""
        cdef Client* client = overdue_client(&self.core)
        while client != NULL:
            (<Connection> client.connection).time_out()
            client = overdue_client(&self.core)

    def before_sleep(self) -> bool:
        """Ends a turn of the loop: goes on evicting, writes the append-only file and then the output that waited for
        that or was appended out of turn, closes what is to be closed, goes on releasing what was deleted. True where
        there is more to do, so that the loop must not sleep."""
        cdef Core* core = &self.core
        cdef Client* client
        cdef bint more
        self._check_idle()
        more = eviction_turn(core)
        if core.after_unit:
            self._finish_unit()
        resume_clients(core)
        if core.tracking != NULL:
            tracking_before_sleep(core)
        if append_log_is_open(core):
            if append_log_flush(core, 0) != 0:
                self.on_log_lost()
            if append_log(core).changed:
                append_log(core).changed = 0
                self.on_log_error()
        if core.acknowledgement_clients:
            wake_for_disk(core)
        while core.writers != NULL:
            client = core.writers
            core.writers = client.next_write
            client.next_write = NULL
            client.flags &= ~<uint64_t> CLIENT_QUEUED_WRITE
            if client_is_doomed(client):
                continue
            if not client.flags & CLIENT_WAITS_WRITABLE and client_write(core, client) < 0 or \
                    client.flags & CLIENT_CLOSE_AFTER_REPLY and not reply_pending(&client.reply):
                client_doom(core, client)
            client_recount(core, client)
        self._close_marked()
        if core.settings.max_client_memory:
            evict_clients(core)
            self._close_marked()
        if self.leaving:
            if (<Connection> self.leaving[0]).leave(LEAVE_TURN):
                del self.leaving[0]
            more |= bool(self.leaving)
        if discard_is_due(core):
            more |= discard_turn(core)
        end_turn(core)
        if self.failure is not None:
            self.raise_failure()
        return more

    def call_alone(self, object function) -> object:
        """Calls a function while no other thread is within the engine, for which it waits; answers what it does."""
        own(&self.core)
        try:
            return function()
        finally:
            disown(&self.core)

    def turn(self) -> float:
        """Does what a loop would do now: for an engine that has none, and one whose loop nobody runs (on_turn). Answers
        in how many seconds it has to be called again."""
        cdef Core* core = &self.core
        cdef double seconds
        cdef int64_t now_ns, due_ns
        self._check_idle()
        if self.on_turn is not None:
            seconds = self.on_turn()
        else:
            now_ns = clock_monotonic_ns()
            if now_ns >= self.next_cron_ns:
                self.next_cron_ns = now_ns + CRON_NS
                self.cron(CRON_EXPIRE_US)
            self.end_overdue_waiting()
            due_ns = self.next_cron_ns
            if core.deadlines_count:
                due_ns = min(due_ns, core.deadlines[0].ns)
            seconds = 0.0 if self.before_sleep() else max(0.0, (due_ns - clock_monotonic_ns()) / 1e9)
        core.turn_ticks = clock_counter() + <uint64_t> (min(seconds, TURN_S) * 1e9 / core.ns_per_tick)
        return seconds

    def expire(self, int64_t budget_us) -> bool:
        """Active expiry, for so many microseconds at the most; whether it has not come to an end by then."""
        cdef Core* core = &self.core
        cdef bint more
        if not core.settings.active_expire:
            return False
        if core.turn_begun == 0:
            begin_turn(core)
        renew_clock(core)
        more = expire_cycle(core, budget_us)
        if core.after_unit:
            self._finish_unit()
        return more

    def cron(self, int64_t budget_us) -> bool:
        """Periodic work: clock calibration, active expiry (budget in microseconds), rehashing, memory peak, client
        buffers. True where active expiry has not come to an end: call `expire` to go on with it."""
        cdef Core* core = &self.core
        cdef Client* client
        cdef Database* database
        cdef int64_t until
        cdef bint more = 0
        cdef int i
        self._check_idle()
        if core.turn_begun == 0:
            begin_turn(core)
        renew_clock(core)
        calibrate(core, 0)
        eviction_warn(core)
        heap_tick(core.heap, clock_monotonic_ns() // 1_000_000)
        if core.settings.active_expire:
            more = expire_cycle(core, budget_us)
        if core.after_unit:
            self._finish_unit()
        for i in range(core.databases_count):
            database = core.databases[i]
            resize_if_due(keys_table(database))
            resize_if_due(&database.expires)
            resize_if_due(&database.field_expires)
        if core.settings.active_rehashing:
            until = clock_monotonic_ns() + REHASH_TURN_US * 1000
            for i in range(core.databases_count):
                database = core.databases[i]
                while clock_monotonic_ns() < until and (
                        keys_rehash(database, 100) | dict_rehash(&database.expires, 100)
                        | dict_rehash(&database.field_expires, 100)):
                    pass
        if core.tracking != NULL:
            tracking_cron(core)
        if core.own_queries or core.slow_readers or core.settings.max_client_memory:
            self._trim_clients()
        return more

    cdef void _close_marked(self):
        cdef list closing
        while self.closing:
            closing = self.closing[:]
            self.closing.clear()
            for connection in closing:
                self.close(connection)

    cdef void _trim_clients(self):
        """Gives unused input buffers back, closes clients over their soft output limit, and counts what they take."""
        cdef Core* core = &self.core
        cdef Client* client = core.clients
        while client != NULL:
            if client.output_since_ms:
                client_check_output(core, client)
            if client.query != NULL:
                trim_client(core, client, core.now_ms - client.active_ms > IDLE_MS)
            client_recount(core, client)
            client = client.next

    # --- settings

    def set(self, str name, int64_t value) -> None:
        """Sets a setting of the data plane by the name of its field in Settings (settings.pxd). KeyError."""
        cdef int64_t* place = setting_place(&self.core.settings, name)
        place[0] = value
        settings_in_ticks(&self.core)
        if name in ("max_memory", "eviction_policy"):
            self.core.heap.soft_limit = self.core.settings.max_memory
            eviction_changed(&self.core)
            if self.core.settings.max_memory > 0:
                self.core.gate |= GATE_MEMORY
            else:
                self.core.gate &= ~<uint64_t> GATE_MEMORY
        elif name == "max_client_memory":
            client_limit_changed(&self.core)
        elif name == "notify_classes":
            self.core.published_classes = <int> value
            self.core.notify_classes = <int> value | self.core.hooked_classes

    def get(self, str name) -> int:
        """A setting of the data plane."""
        return setting_place(&self.core.settings, name)[0]

    def set_gate(self, str name, bint on) -> None:
        """Opens or closes one of the gates "pause_all", "pause_write", "monitors", "renewal", "loading"."""
        cdef uint64_t gate = GATES[name]
        if on:
            self.core.gate |= gate
        else:
            self.core.gate &= ~gate

    def refuse_writes(self, bytes error, *, bint ping=True) -> None:
        """Answers this error to commands that write, and to PING where so wanted, from now on; None: they are executed
        again."""
        self.refusal = error
        self.core.refuses_ping = ping
        if error is None:
            self.core.gate &= ~<uint64_t> GATE_MISCONF
        else:
            self.core.refusal = self.refusal
            self.core.gate |= GATE_MISCONF

    @property
    def now_ms(self) -> int:
        """The wall clock as commands see it: milliseconds since the Unix epoch."""
        return self.core.now_ms

    @property
    def clock_offset_ms(self) -> int:
        """What is added to the wall clock (tests), in milliseconds. Setting it reads the clock anew,
        unless a command runs."""
        return self.core.clock_offset_ms

    @clock_offset_ms.setter
    def clock_offset_ms(self, int64_t value) -> None:
        self.core.clock_offset_ms = value
        renew_clock(&self.core)

    def renew_clock(self) -> int:
        """Reads the wall clock anew, unless a command runs, and answers it."""
        renew_clock(&self.core)
        return self.core.now_ms

    # --- what INFO, OBJECT, MEMORY and DEBUG ask

    @property
    def dirty(self) -> int:
        """Changes since the last save."""
        return self.core.dirty

    @dirty.setter
    def dirty(self, uint64_t value) -> None:
        self.core.dirty = value

    def flush(self, int number, bint lazy) -> int:
        """Empties a database, or all of them (-1); answers how many keys there were."""
        if number != -1:
            self._database(number)
        return flush_databases(&self.core, number, lazy)

    def add_string(self, int number, bytes key, bytes value) -> bool:
        """Puts a string under a key unless it is there already; true where it did. MemoryError."""
        cdef Database* database = self._database(number)
        cdef uint64_t hash = key_hash(database, key, len(key))
        cdef Argument name
        if keyspace_find(&self.core, database, key, len(key), hash) != NULL:
            return False
        name.data = key
        name.length = len(key)
        name.owner = NULL
        if store_string(&self.core, database, NULL, &name, hash, value, len(value), NULL, NO_EXPIRE, 0) != 0:
            raise MemoryError
        return True

    @property
    def propagation(self) -> int:
        """Who gets what is propagated: PROPAGATE_* bits of flags.pxd; 0 for nobody."""
        return self.core.propagation

    @propagation.setter
    def propagation(self, int bits) -> None:
        self.core.propagation = bits

    def follow_writes(self, bint on=True) -> None:
        """Has take_propagated give the writes from here on, as the append-only file has them; or no more."""
        if on:
            self.core.propagation |= PROPAGATE_AOF
            feed_attach(&self.core, &self.follower)
        else:
            self.core.propagation = 0
            feed_detach(&self.core, &self.follower)

    @property
    def replaying(self) -> bool:
        """Whether what is executed comes from an append-only file: nothing expires by itself then."""
        return self.core.replaying != 0

    @replaying.setter
    def replaying(self, bint value) -> None:
        self.core.replaying = REPLAY_RUNS if value else 0
        renew_clock(&self.core)

    def take_propagated(self, bint reselect=False) -> bytes:
        """The writes since the last call, as requests in RESP. reselect: what comes next begins with a SELECT.
        MemoryError where something is missing because memory was out."""
        cdef size_t count
        cdef const char* unread = feed_unread(&self.core, &self.follower, &count)
        cdef bytes taken = unread[:count] if count else b""
        cdef bint lacks_units = self.follower.lacks_units
        self.follower.lacks_units = 0
        feed_read(&self.core, &self.follower, count)
        if reselect:
            self.core.feed.database = -1
        if lacks_units:
            raise MemoryError("writes could not be propagated")
        return taken

    # --- append-only file

    @property
    def in_transaction(self) -> bool:
        """Whether the commands of a transaction are being executed."""
        return self.core.executing != NULL and self.core.executing.flags & CLIENT_IN_EXEC != 0

    @property
    def append_log(self):
        """The append-only file that commands go to (AppendOnlyLog)."""
        return append_only_log(&self.core, self)

    def fork_rewrite(self, ChildReport report not None, int fd, *, bytes head=b"", uint64_t sync_bytes=0,
                     int64_t key_delay_us=0) -> int:
        """Has a child write all data to a descriptor as commands, behind the head, and sync it. The rest is as with
        fork_save_rdb."""
        cdef RewriteTask task
        task.fd = fd
        task.head = head
        task.head_length = len(head)
        task.sync_bytes = sync_bytes
        task.key_delay_us = key_delay_us
        return rewrite_fork(&self.core, report, &task)

    def replay(self, data, size_t start=0, *, int64_t delay_us=0):
        """Begins to execute the commands of an append-only file: data is a writable buffer of its bytes, which nobody
        else must change. delay_us: pause after each command, for tests, or negative: one after so many. Answers a
        Replay (replay.pyx), to be run and finished; one at a time."""
        return replay_of(&self.core, self, data, start, delay_us)

    # --- snapshots

    def save_rdb(self, int fd, *, aux=None, functions=None, bint checksum=True, uint64_t sync_bytes=0,
                 int64_t key_delay_us=0) -> dict[str, int]:
        """Writes all databases to a descriptor in the RDB format, from where it stands, and answers keys and bytes.

        aux: auxiliary fields, bytes to bytes. functions: code of libraries, bytes each (None: function_libraries).
        checksum: False writes 0 in its place. sync_bytes: how often the file is handed to the disk meanwhile (0: never;
        the fsync at the end is the caller's). key_delay_us: pause after each key, for tests. OSError where writing
        fails, MemoryError.
        """
        return snapshot_save(&self.core, fd, {
            "aux": aux or {}, "functions": self.function_libraries if functions is None else functions,
            "module_aux": self.module_aux, "checksum": checksum, "sync_bytes": sync_bytes, "key_delay_us": key_delay_us,
        })

    def fork_save_rdb(self, ChildReport report not None, int fd, *, aux=None, functions=None, bint checksum=True,
                      uint64_t sync_bytes=0, int64_t key_delay_us=0, bint fsync=True, then=()) -> int:
        """The same in a child process, which sees the data as it is now, and does the fsync too. Answers its number;
        how far it is stands in the report. For ChildRunner (persistence/child.py). then: words of a command line,
        bytes, the first of which is a path: what the child becomes once it has written; it finds the descriptor open.
        OSError where the fork fails, MemoryError.
        """
        return snapshot_fork(&self.core, report, fd, {
            "aux": aux or {}, "functions": self.function_libraries if functions is None else functions,
            "module_aux": self.module_aux, "checksum": checksum, "sync_bytes": sync_bytes, "key_delay_us": key_delay_us,
            "fsync": fsync, "then": list(then),
        })

    def load_rdb(self, int fd, *, size=None, bint checksum=True, deep=None, bint keep_expired=False, bint replace=False,
                 progress=None, uint64_t progress_step=2 << 20, int64_t key_delay_us=0, aux=None,
                 list trace=None) -> dict[str, object]:
        """Reads RDB data from a descriptor, from where it stands, into the databases, which are not emptied before.

        size: how many bytes there are (None: to the end of a file; unknown of a pipe or socket, and then more may be
        read than belongs to it). checksum: whether it is looked at. deep: whether payloads are checked for what is
        merely wrong too (None: as sanitize-dump-payload says for files). keep_expired: what has expired is loaded all
        the same. replace: a key that is there is replaced, else it is an error. progress(bytes read) is called every
        progress_step bytes, with all but the last few keys in their databases; what it raises ends the load.
        key_delay_us: pause after each key, for tests. aux: a dict that auxiliary fields are put into as they are read.
        trace: a list that what is no key is added to, as (offset behind it, "aux", "function", "module", "empty" or
        "database", name, value), and at last, however it ends, (offset, "end", what was being read, a dict of facts).

        Answers version, keys, expires (keys with a time to live), expired and empty (keys that were not loaded),
        empty_names (of the first few of the latter), checked (whether a checksum was compared), bytes (read, of the RDB
        data), rest (bytes read behind it), aux (dict of bytes), functions (code of libraries) and module_aux (as the
        attribute). RdbError where the data are wrong, OSError where they cannot be read, MemoryError; the keys before
        the place are loaded then.
        """
        if deep is None:
            deep = self.core.settings.sanitize_payload == 1
        return snapshot_load(&self.core, fd, {
            "size": size, "checksum": checksum, "deep": deep, "keep_expired": keep_expired, "replace": replace,
            "progress": progress, "progress_step": progress_step, "key_delay_us": key_delay_us,
            "aux": {} if aux is None else aux, "trace": trace,
        })

    def add_module_aux(self, uint64_t identifier, bytes fields) -> None:
        """Takes what a module has written beside the keys into module_aux, in the place of what is there from it.
        fields: as RDB data have them, from the one that says when to the end. RdbError where they are not sound,
        MemoryError."""
        self.module_aux.update(module_aux_of(&self.core, identifier, fields))

    def set_resizing(self, bint on) -> None:
        """Lets the tables of all databases grow and shrink at will, or only where they must."""
        cdef int i
        for i in range(self.core.databases_count):
            keys_table(self.core.databases[i]).no_resize = not on
            self.core.databases[i].expires.no_resize = not on
            self.core.databases[i].field_expires.no_resize = not on

    def release_all(self) -> None:
        """Releases at once, however long that takes, what has been deleted and is released bit by bit otherwise."""
        discard_all(&self.core)

    @property
    def redis_version(self) -> str:
        """What scripts are told that the server is."""
        return self._version.decode()

    @redis_version.setter
    def redis_version(self, str version) -> None:
        self._version = version.encode()
        self.core.version = self._version

    @property
    def valkey_version(self) -> str:
        """And which Valkey that is; empty where it is none."""
        return self._valkey_version.decode()

    @valkey_version.setter
    def valkey_version(self, str version) -> None:
        self._valkey_version = version.encode()
        self.core.valkey_version = self._valkey_version

    def add_function_library(self, bytes code, bint replace=False) -> None:
        """Takes a library that a file has brought, in the place of one of the same name where replace. It is run when
        functions are asked for; one that cannot be is kept all the same. ValueError where there is one of the same
        name, MemoryError."""
        cdef Functions* functions = functions_get(&self.core)
        cdef Library* library = NULL
        cdef char error[LIBRARY_ERROR]
        cdef const char* name
        cdef size_t length
        if functions != NULL:
            library = library_new(functions, code, len(code), 1, error)
        if library == NULL:
            raise MemoryError
        if library.state == LIBRARY_BROKEN:
            line = f"A library of functions cannot be used, and is kept as it is: {error.decode('utf-8', 'replace')}"
            self.core.upcalls.log_line(&self.core, LOG_WARNING, line.encode())
        if libraries_join(functions, library, JOIN_REPLACE if replace else JOIN_APPEND, error):
            return
        name = library_name(functions, library, &length)
        try:
            if library_find(functions, name, length) == NULL:
                raise MemoryError
            raise ValueError(f"there is a library of functions named {name[:length].decode()} already")
        finally:
            library_free(functions, library)

    def function_statistics(self) -> dict[str, int]:
        """As Inspected has it; how many functions libraries have that files have brought, running them tells."""
        cdef Functions* functions = functions_of(&self.core)
        cdef ReplyMark mark = reply_mark(&self.own.client.reply)
        if functions != NULL and functions.waiting:
            libraries_run_waiting(functions, &self.own.client)
            reply_rollback(&self.own.client.reply, mark)    # what it was told where that is not possible
        return super().function_statistics()

    def clear_function_libraries(self) -> None:
        """Deletes all libraries of functions."""
        if self.core.functions != NULL:
            libraries_flush(functions_of(&self.core))

    def trim_memory(self) -> None:
        """Gives what is free back to the system."""
        reply_empty_pool(&self.core)
        heap_trim(self.core.heap)
