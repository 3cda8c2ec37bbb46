"""The one class that Python sees of the data plane: an Engine owns a heap, databases, the command table and clients.

Any number of engines live in one process. An engine belongs to one thread. The control plane fills in the ``on_…``
attributes, which the data plane calls, and asks for everything else through methods.
"""
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdio cimport fprintf, stderr
from libc.stdlib cimport abort
from libc.string cimport memcpy, memset
from redislite._core.base.alloc cimport (
    Heap, heap_alloc, heap_destroy, heap_footprint, heap_free, heap_is_checked, heap_new, heap_note_peak, heap_tick,
    heap_trim, heap_zalloc,
)
from redislite._core.base.clock cimport clock_counter, clock_monotonic_ns
from redislite._core.clients.client_memory cimport (
    client_limit_changed, client_memory, client_memory_limit, client_recount, evict_clients,
)
from redislite._core.clients.ending cimport client_doom, client_is_doomed
from redislite._core.clients.output cimport (
    CLASS_NORMAL, CLASS_PUBSUB, CLASS_REPLICA, CLIENT_CLASSES, class_of, client_check_output, client_write,
)
from redislite._core.clients.tracking cimport (
    Tracking, tracking_add_prefix, tracking_before_sleep, tracking_cron, tracking_disable, tracking_enable,
    tracking_invalidate, tracking_release, tracking_set_caching,
)
from redislite._core.commands.command_keys cimport KeyIterator, keys_begin, keys_hold, keys_next
from redislite._core.commands.table cimport (
    command_resolve, histogram_bound, statistics_reset, table_add, table_release, table_rename,
)
from redislite._core.connection cimport Connection
from redislite._core.dispatch.execute cimport call_command, resume_clients, wake_for_disk, wake_waiters
from redislite._core.dispatch.turns cimport begin_turn, end_turn, renew_clock
from redislite._core.transport cimport trim_client
from redislite._core.dispatch.permissions cimport Permissions
from redislite._core.dispatch.upcalls cimport upcall_failed, upcalls_init
from redislite._core.clients.channels cimport (
    KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, channels_count, publish_key_event, pubsub_init, pubsub_release,
    subscribers_count,
)
from redislite._core.keyspace.blocking cimport WAIT_ALSO_MISSING, overdue_client
from redislite._core.keyspace.discard cimport discard_all, discard_is_due, discard_turn, discarded_things
from redislite._core.keyspace.entry cimport (
    ENCODING_HASHTABLE, ENCODING_LISTPACK, ENCODING_QUICKLIST, ENCODING_SKIPLIST, KEY_OFFSET, NO_EXPIRE, TYPE_LIST,
    TYPE_STRING, Entry, encoding_name, entry_deadline, entry_encoding, entry_key, entry_memory, entry_pointer,
    entry_string, entry_type, entry_type_name,
)
from redislite._core.keyspace.eviction cimport (
    eviction_changed, eviction_exceeded_ms, eviction_exceeded_total_ms, eviction_init, eviction_of, eviction_release,
    eviction_turn, eviction_warn,
)
from redislite._core.keyspace.expiry cimport expire_cycle
from redislite._core.keyspace.key_sizes cimport key_sizes_by_type
from redislite._core.keyspace.keyspace cimport (
    access_frequency, flush_databases, idle_seconds, keyspace_find, keyspace_init, keyspace_release, store_string,
)
from redislite._core.keyspace.propagate cimport propagate_release, propagate_taken
from redislite._core.persistence.append_log cimport (
    append_log, append_log_flush, append_log_is_open, append_log_release, append_only_log,
)
from redislite._core.persistence.append_rewrite cimport RewriteTask, rewrite_fork
from redislite._core.persistence.fork cimport ChildReport
from redislite._core.persistence.rdb_snapshot cimport module_aux_of, snapshot_fork, snapshot_load, snapshot_save
from redislite._core.replay cimport replay_of
from redislite._core.process.crash cimport crash_forget, crash_watch
from redislite._core.protocol.reply cimport (
    chunk_data, reply_error, reply_init, reply_object, reply_pending, reply_release, reply_empty_pool,
)
from redislite._core.protocol.resp cimport parser_free, parser_new
from redislite._core.rdb.rdb_output cimport RdbOutput, output_close, output_open, output_position
from redislite._core.rdb.rdb_write cimport rdb_write_value
from redislite._core.scripting.functions cimport (
    JOIN_APPEND, JOIN_REPLACE, LIBRARY_BROKEN, LIBRARY_ERROR, Functions, Library, functions_get, functions_of,
    functions_release, libraries_flush, libraries_join, library_find, library_free, library_name, library_new,
)
from redislite._core.scripting.lua_api cimport lua_resolve
from redislite._core.scripting.scripting cimport Scripting, scripting_of, scripting_release, scripting_start
from redislite._core.scripting.scripts cimport Scripts, scripts_release
from redislite._core.state.core cimport (
    CHECKED_BUILD, QUERY_BUFFER, REPLY_CHUNK, Argument, Chunk, Client, Command, Core, Database, Reply, Request,
    WaitList, Waiter,
)
from redislite._core.state.flags cimport (
    CLIENT_CLOSE_AFTER_REPLY, CLIENT_QUEUED_WRITE, CLIENT_WAITS_WRITABLE, GATE_BUSY, GATE_MEMORY, GATE_LOADING,
    GATE_MISCONF, GATE_MONITORS, GATE_PAUSE_ALL, GATE_PAUSE_WRITE, GATE_RENEWAL, REPLAY_RUNS, CLIENT_IN_EXEC,
)
from redislite._core.state.statistics cimport ERROR_KINDS_MAX, HISTOGRAM_BUCKETS, CommandStatistics, ErrorKind
from redislite._core.structures.dict cimport (
    Bucket, Dict, DictIterator, dict_capacity, dict_grow_if_full, dict_hash, dict_iterate_begin, dict_iterate_end,
    dict_iterate_next, dict_rehash, dict_shrink_if_sparse, dict_size, dict_table_bytes,
)
from redislite._core.structures.listpack cimport ListpackValue, listpack_bytes, listpack_length
from redislite._core.structures.quicklist cimport NODE_PLAIN, Quicklist, QuicklistNode, quicklist_bytes
from redislite._core.text.glob cimport glob_match
from redislite._core.text.lzf cimport lzf_decompress
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX
from redislite._core.values.list_value cimport (
    ListIterator, ListValue, list_failed, list_get, list_next, list_seek, list_stop,
)
from redislite._core.values.module_value cimport MODULE_NAME_ROOM

import os
import sys

from redislite._core.handlers import (
    bits, dump, geo, hashes, hyperloglog, keys, lists, pubsub, sets, sort, stream_groups, streams, strings,
    transactions, zset_combinations, zsets,
)
from redislite._core.persistence import acknowledgement
from redislite._core.scripting import function_commands, scripts
from redislite._core.protocol.reply_types import CommandError
from redislite._core.commands.row import CommandTable

cdef extern from *:
    int __GNUC__
    int __GNUC_MINOR__
    int __GNUC_PATCHLEVEL__

cdef enum:
    REHASH_TURN_US = 1000           # active rehashing per cron tick
    IDLE_MS = 2000                  # without input, after which a client's buffers are given back
    LEAVE_TURN = 3000               # subscriptions of closed clients that end per turn
    DEFAULT_DATABASES = 16
    DEFAULT_SAMPLES = 5

# Both clocks at one moment, early: the longer ago, the better their ratio is known.
cdef int64_t BEGUN_NS = clock_monotonic_ns()
cdef uint64_t BEGUN_TICKS = clock_counter()

# What the data plane was compiled with, as INFO shows it.
COMPILER_VERSION = f"{__GNUC__}.{__GNUC_MINOR__}.{__GNUC_PATCHLEVEL__}"

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


cdef inline uint64_t buckets_of(const Dict* d, int table) noexcept nogil:
    return d.masks[table] + 1 if d.tables[table] != NULL else 0


cdef dict table_facts(const Dict* d, str prefix):
    """entries; table_bytes; rehashing; buckets, and how many entries they take before the table grows (capacity); both of
    the table that it is being rehashed to (_new). Names begin with the prefix."""
    return {
        f"{prefix}entries": dict_size(d),
        f"{prefix}table_bytes": dict_table_bytes(d),
        f"{prefix}rehashing": d.rehash_index >= 0,
        f"{prefix}buckets": buckets_of(d, 0),
        f"{prefix}buckets_new": buckets_of(d, 1),
        f"{prefix}capacity": dict_capacity(buckets_of(d, 0)),
        f"{prefix}capacity_new": dict_capacity(buckets_of(d, 1)),
    }


cdef void key_used(Core* core, const Database* database, const char* key, size_t length, bint changes) noexcept nogil:
    cdef bint holds = keys_hold(core, database, key, length, changes)
    if core.records_keys:
        record_key(core, database, key, length, changes, holds)
    elif not holds:
        fprintf(stderr, "'%s' %s key '%.*s' of database %d, which its arguments do not name\n", core.executing.command.name,
                b"changes" if changes else b"looks up", <int> length, key, database.id)
        abort()


cdef void record_key(Core* core, const Database* database, const char* key, size_t length, bint changes,
                     bint holds) noexcept with gil:
    try:
        (<Engine> core.engine)._on_key_used((<object> core.executing.command.row).name, database.id, key[:length], changes, holds)
    except BaseException as error:
        upcall_failed(core, error)


cdef bint start_scripting(Core* core, Client* client) noexcept with gil:
    cdef Engine engine = <Engine> core.engine
    cdef Connection caller
    try:
        lua_resolve()
        caller = Connection()
        caller.attach(core, engine, -1, True)
        if scripting_start(core, &caller.client) != 0:
            caller.leave(INT64_MAX)
            raise MemoryError
    except ImportError as error:
        reply_object(&client.reply, CommandError(f"ERR {error}"))
        return 0
    except MemoryError:
        reply_error(&client.reply, "OOM out of memory while scripts are made ready")
        return 0
    engine.script_caller = caller
    return 1


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


cdef uint64_t ticks_of(double ticks) noexcept nogil:
    """As a number of ticks; what no clock reaches is never."""
    return <uint64_t> ticks if ticks < <double> INT64_MAX else ~<uint64_t> 0


cdef class Engine:
    """The data plane: databases, commands, clients.

    databases: how many there are. control: what handlers of the Python tier get as their first argument.

    Called by the data plane, each set by the control plane before the first connection:
    on_close(connection) when a connection is to be unregistered; on_interest(connection, readable, writable) when its socket
    is to be watched for these from here on;
    on_slow_command(connection, args, lengths, count, kinds, us, request_bytes, reply_bytes);
    on_waiting(seconds) when end_overdue_waiting is to be called then, instead of when was said before;
    on_monitored(connection, args);
    on_latency(event, ms); on_log(level, text); on_exception(error); on_client_log(connection, level, text, ends, length)
    where {client} in the text stands for the client's description and {data} for length bytes that it sent, of which ends
    has the first and the last 64, or all;
    on_denied(connection, row, reason, argument) where a user may not do that: DENIED_* of permissions.pxd, and what it is
    about (a key, say); answers the text of the error; on_flushed() after FLUSHALL has emptied everything; on_log_lost()
    where the append-only file has to be on the disk and is not; on_log_error() where append_log.error has changed;
    on_script_slow(first) now and then while a script takes long, for others to be served: true where it is to end.

    What goes wrong in one of these, or in a command of the Python tier, is given to on_exception, or where there is none, is
    raised by before_sleep. Of a command that execute runs, it is always raised there.

    module_aux: what modules have written beside the keys, which snapshots carry too: by identifier of the module's type and
        when (1: it stands before the keys, 2: behind them), the fields as RDB data have them; see add_module_aux.
    """
    cdef Core core
    cdef Connection own
    cdef readonly Connection script_caller  # what scripts call commands as; None before the first script
    cdef readonly object table
    cdef public object control
    cdef public object on_close, on_interest, on_slow_command, on_monitored, on_latency, on_log, on_waiting, on_exception
    cdef public object on_denied, on_client_log
    cdef object _on_key_used
    cdef public object on_flushed, on_log_lost, on_log_error, on_script_slow
    # What went wrong where nothing could be raised (upcalls.pxd), or None.
    cdef public object failure
    cdef bytes refusal
    cdef bytes _version         # that core.version points into
    cdef readonly list closing
    cdef list leaving                   # connections of Core.leaving
    cdef public dict module_aux
    cdef dict connections

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
        core.error_kinds = <ErrorKind*> heap_zalloc(core.heap, ERROR_KINDS_MAX * sizeof(ErrorKind))
        if core.read_buffer == NULL or core.parser == NULL or core.error_kinds == NULL:
            raise MemoryError
        if keyspace_init(core, databases) != 0 or pubsub_init(core) != 0 or eviction_init(core) != 0:
            raise MemoryError
        upcalls_init(core)
        core.upcalls.key_invalidated = tracking_invalidate
        core.upcalls.key_used = key_used
        core.upcalls.start_scripting = start_scripting
        core.upcalls.script_slow = script_slow
        core.upcalls.call = call_command
        core.upcalls.key_event = publish_key_event
        reply_init(&core.late, core)
        core.feed.database = -1
        self.redis_version = "0.0.0"
        self.control = control if control is not None else self
        self.closing = []
        self.leaving = []
        self.module_aux = {}
        self.connections = {}
        self.on_close = self.on_interest = self.on_slow_command = self.on_monitored = _nothing
        self.on_latency = self.on_log = self.on_client_log = self.on_waiting = self.on_flushed = _nothing
        self.on_log_lost = self.on_log_error = self.on_script_slow = _nothing
        self.on_exception = _raise
        self.on_denied = _deny
        self._calibrate(1000000)
        renew_clock(core)
        for name, value in _DEFAULT_SETTINGS.items():
            self.set(name, value)
        self.table = CommandTable()
        for module in NATIVE_MODULES:
            self.register(module.COMMANDS)
        self.own = Connection()
        self.own.attach(core, self, -1, True)
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
        functions_release(core)
        scripts_release(core)
        scripting_release(core)
        if self.script_caller is not None:
            self.script_caller.leave(INT64_MAX)
        crash_forget(core)
        tracking_release(core)
        append_log_release(core)
        keyspace_release(core)
        pubsub_release(core)
        eviction_release(core)
        table_release(core)
        propagate_release(core)
        parser_free(core.heap, core.parser)
        reply_empty_pool(core)
        heap_free(core.heap, core.error_kinds, ERROR_KINDS_MAX * sizeof(ErrorKind))
        heap_free(core.heap, core.read_buffer, QUERY_BUFFER)
        heap_destroy(core.heap)

    def report_crashes(self) -> None:
        """Has the process's crash reports (crash.pyx) show this engine."""
        crash_watch(&self.core)

    # --- commands

    def register(self, object rows) -> None:
        """Adds command rows (row.py) of either tier. ValueError for a name that is taken."""
        for row in self.table.register(rows):
            table_add(&self.core, row)

    def find_keys(self, list arguments, bint routed=False) -> list[tuple[int, int]] | None:
        """Position of each key among the arguments of a command (its name included), and the KEY_* flags of its use
        (key_specs.py); None where they are not of a form from which the keys can be told. routed: and of what is only routed
        like a key (a sharded channel). The arity is right. KeyError where there is no such command."""
        cdef Argument* argv = <Argument*> heap_alloc(self.core.heap, len(arguments) * sizeof(Argument))
        cdef KeyIterator iterator
        cdef Command* command
        cdef list found = []
        cdef int i, index, flags
        if argv == NULL:
            raise MemoryError
        try:
            for i in range(<int> len(arguments)):
                argv[i].data = <char*> <bytes> arguments[i]
                argv[i].length = len(<bytes> arguments[i])
                argv[i].owner = NULL
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
        """For tests, in checked builds (answers whether this is one): has callback(command, database, key, changes, named)
        called for each key that a command looks up or changes; named: whether its arguments say so. Nobody who records,
        the process ends where they do not. None ends it."""
        self._on_key_used = callback
        self.core.records_keys = callback is not None
        return bool(CHECKED_BUILD)

    def rename_command(self, str name, str new_name) -> None:
        """Gives a command another name; an empty one takes it away. KeyError, ValueError."""
        table_rename(&self.core, name.encode(), new_name.encode())

    def execute(self, *args: object) -> object:
        """Runs one command from its arguments (bytes, str, int, float), outside of any connection, and answers its reply as a
        Python object, in RESP3's types (None where it answers nothing); an error is raised as CommandError.
        So is what a command of the Python tier raises; commands may call this in their turn. MemoryError where there was none
        for the reply; the command has been executed then."""
        cdef Client* client = &self.own.client
        cdef list encoded = [_encode(argument) for argument in args]
        cdef Argument* arguments
        cdef Argument* outer_argv = client.argv
        cdef int outer_argc = client.argc
        cdef int outer_hashed = client.hashed
        cdef uint64_t outer_hash = client.hash
        cdef Command* outer_command = client.command
        cdef Reply outer_reply = client.reply
        cdef bint is_nested = outer_argv != NULL
        cdef size_t size = 0
        cdef bytes output
        cdef bint starved
        cdef bint nested = self.core.executing != NULL
        cdef int i
        if not encoded:
            raise ValueError("a command has a name")
        arguments = <Argument*> heap_alloc(self.core.heap, len(encoded) * sizeof(Argument))
        if arguments == NULL:
            raise MemoryError
        for i in range(len(encoded)):
            arguments[i].data = <char*> <bytes> encoded[i]
            arguments[i].length = len(<bytes> encoded[i])
            arguments[i].owner = NULL
            size += arguments[i].length
        if is_nested:
            # What the outer command has replied so far is not ours.
            reply_init(&client.reply, &self.core)
            client.reply.protocol = outer_reply.protocol
        client.argv = arguments
        client.argc = <int> len(encoded)
        client.hashed = 0
        if self.core.executing == NULL and discard_is_due(&self.core):
            discard_turn(&self.core)    # no loop may ever turn
        self.core.ticks = clock_counter()
        if self.core.ticks >= self.core.renewal_ticks:
            renew_clock(&self.core)
        self.core.nested += nested
        try:
            call_command(&self.core, client, command_resolve(&self.core, arguments, client.argc, NULL), size)
            if self.core.ready != NULL and self.core.executing == NULL:
                wake_waiters(&self.core)
            output = _output(client)
            starved = client.reply.starved
        finally:
            self.core.nested -= nested
            heap_free(self.core.heap, arguments, len(encoded) * sizeof(Argument))
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
        return decode(output) if output else None

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

    cdef Database* _database(self, int number) except NULL:
        if not 0 <= number < self.core.databases_count:
            raise IndexError(f"database {number}: there are {self.core.databases_count}")
        return self.core.databases[number]

    cdef CommandStatistics* _statistics_of(self, int id) except NULL:
        if not 0 <= id < self.core.commands_count:
            raise IndexError(f"command {id}: there are {self.core.commands_count}")
        return &self.core.command_statistics[id]

    # --- connections

    def connect(self, int fd, str address, str local_address) -> Connection:
        """A connection for an accepted, non-blocking socket, whose descriptor is the connection's from here on."""
        cdef Connection connection = Connection()
        connection.attach(&self.core, self, fd, False)
        connection.address = address
        connection.local_address = local_address
        connection.name = connection.library_name = connection.library_version = ""
        connection.user = "default"
        self.connections[connection.client.id] = connection
        self.core.statistics.connections_received += 1
        return connection

    def close(self, Connection connection not None) -> None:
        """Takes the connection out of the loop and releases it, once its command is through where one runs. Harmless where
        that has happened already."""
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
        """The connection that has called the script which runs now, or None."""
        cdef Scripting* scripting = scripting_of(&self.core)
        if scripting == NULL or scripting.run.client == NULL:
            return None
        return <object> scripting.run.client.connection

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
        """Turns tracking on for a connection, or changes its options: TRACKING_* bits of tracking.pxd. redirect: who gets its
        messages, or None. prefixes: further ones for the broadcasting mode. MemoryError: it is off then."""
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
        """CLIENT CACHING: turns round for the next command what the OPTIN or OPTOUT mode of the connection says."""
        self._check_own(connection)
        tracking_set_caching(&connection.client)

    @property
    def tracking_statistics(self) -> dict[str, int]:
        """clients that track, keys in the table, items (pairs of key and client), prefixes of the broadcasting mode."""
        cdef Tracking* tracking = <Tracking*> self.core.tracking
        if tracking == NULL:
            return {"clients": 0, "keys": 0, "items": 0, "prefixes": 0}
        return {
            "clients": tracking.clients,
            "keys": dict_size(&tracking.keys),
            "items": tracking.items,
            "prefixes": dict_size(&tracking.prefixes),
        }

    # --- the loop's turns

    def end_overdue_waiting(self) -> None:
        """Answers clients that have waited for keys for as long as they wanted to."""
        cdef Client* client = overdue_client(&self.core)
        while client != NULL:
            (<Connection> client.connection).time_out()
            client = overdue_client(&self.core)

    def before_sleep(self) -> bool:
        """Ends a turn of the loop: goes on evicting, writes the append-only file and then the output that waited for that or was
        appended out of turn, closes what is to be closed, goes on releasing what was deleted. True where
        there is more to do, so that the loop must not sleep."""
        cdef Core* core = &self.core
        cdef Client* client
        cdef bint more
        self._check_idle()
        more = eviction_turn(core)
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

    def expire(self, int64_t budget_us) -> bool:
        """Active expiry, for so many microseconds at the most; whether it has not come to an end by then."""
        cdef Core* core = &self.core
        if not core.settings.active_expire:
            return False
        if core.turn_begun == 0:
            begin_turn(core)
        renew_clock(core)
        return expire_cycle(core, budget_us)

    def cron(self, int64_t budget_us) -> bool:
        """Periodic work: clock calibration, active expiry (budget in microseconds), rehashing, memory peak, client buffers. True
        where active expiry has not come to an end: call `expire` to go on with it."""
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
        self._calibrate(0)
        eviction_warn(core)
        heap_tick(core.heap, clock_monotonic_ns() // 1_000_000)
        if core.settings.active_expire:
            more = expire_cycle(core, budget_us)
        for i in range(core.databases_count):
            database = core.databases[i]
            resize_if_due(&database.keys)
            resize_if_due(&database.expires)
            resize_if_due(&database.field_expires)
        if core.settings.active_rehashing:
            until = clock_monotonic_ns() + REHASH_TURN_US * 1000
            for i in range(core.databases_count):
                database = core.databases[i]
                while clock_monotonic_ns() < until and (
                        dict_rehash(&database.keys, 100) | dict_rehash(&database.expires, 100)
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

    def _calibrate(self, int64_t at_least_ns) -> None:
        """Measures the counter against the monotonic clock since this module was imported."""
        cdef int64_t ns = clock_monotonic_ns() - BEGUN_NS
        cdef uint64_t ticks
        while ns < at_least_ns:
            ns = clock_monotonic_ns() - BEGUN_NS
        ticks = clock_counter() - BEGUN_TICKS
        self.core.ns_per_tick = <double> ns / <double> (ticks if ticks else 1)
        self._thresholds()

    cdef void _thresholds(self):
        """The settings that call_command compares, in its units."""
        cdef Core* core = &self.core
        cdef uint64_t never = ~<uint64_t> 0
        core.slow_ticks = never
        core.latency_ticks = never
        core.large_request = <size_t> never
        core.large_reply = <size_t> never
        if core.settings.slow_us >= 0:
            core.slow_ticks = ticks_of(core.settings.slow_us * 1e3 / core.ns_per_tick)
        if core.settings.latency_threshold_ms > 0:
            core.latency_ticks = ticks_of(core.settings.latency_threshold_ms * 1e6 / core.ns_per_tick)
        if core.settings.large_request_bytes >= 0:
            core.large_request = core.settings.large_request_bytes
        if core.settings.large_reply_bytes >= 0:
            core.large_reply = core.settings.large_reply_bytes

    # --- settings

    def set(self, str name, int64_t value) -> None:
        """Sets a setting of the data plane by the name of its field in Settings (settings.pxd). KeyError."""
        cdef int64_t* place = self._setting(name)
        place[0] = value
        self._thresholds()
        if name in ("max_memory", "eviction_policy"):
            self.core.heap.soft_limit = self.core.settings.max_memory
            eviction_changed(&self.core)
            if self.core.settings.max_memory > 0:
                self.core.gate |= GATE_MEMORY
            else:
                self.core.gate &= ~<uint64_t> GATE_MEMORY
        elif name == "max_client_memory":
            client_limit_changed(&self.core)

    def get(self, str name) -> int:
        """A setting of the data plane."""
        return self._setting(name)[0]

    cdef int64_t* _setting(self, str name) except NULL:
        cdef int index = _SETTINGS.index(name) if name in _SETTINGS else -1
        if index < 0:
            raise KeyError(name)
        return <int64_t*> &self.core.settings + index

    def set_gate(self, str name, bint on) -> None:
        """Opens or closes one of the gates "pause_all", "pause_write", "monitors", "renewal", "loading"."""
        cdef uint64_t gate = _GATES[name]
        if on:
            self.core.gate |= gate
        else:
            self.core.gate &= ~gate

    def refuse_writes(self, bytes error) -> None:
        """Answers this error to commands that write and to PING from now on; None: they are executed again."""
        self.refusal = error
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
    def databases_count(self) -> int:
        return self.core.databases_count

    @property
    def dirty(self) -> int:
        """Changes since the last save."""
        return self.core.dirty

    @dirty.setter
    def dirty(self, uint64_t value) -> None:
        self.core.dirty = value

    def database_size(self, int number) -> int:
        return dict_size(&self._database(number).keys)

    def database_statistics(self, int number) -> dict[str, int]:
        """keys, expires, field_expires and average_ttl_ms of a database; of its tables the facts of table_facts, those of
        keys and of expires with keys_ and expires_ before their names."""
        cdef Database* database = self._database(number)
        return {
            "keys": dict_size(&database.keys),
            "expires": dict_size(&database.expires),
            "field_expires": dict_size(&database.field_expires),
            "average_ttl_ms": database.average_ttl_ms,
            **table_facts(&database.keys, "keys_"),
            **table_facts(&database.expires, "expires_"),
        }

    def key_sizes(self, int number, unsigned long budget_us) -> dict[str, dict[int, int]]:
        """By type, how many keys of a database are how large, by the least size of each power of two: bytes of strings,
        elements of collections. Reckoned from a part of the keys where all of them take longer than the budget."""
        if not 0 <= number < self.core.databases_count:
            raise IndexError(f"there is no database {number}")
        return key_sizes_by_type(&self.core, self.core.databases[number], budget_us)

    def flush(self, int number, bint lazy) -> int:
        """Empties a database, or all of them (-1); answers how many keys there were."""
        if number != -1:
            self._database(number)
        return flush_databases(&self.core, number, lazy)

    cdef Entry* _entry(self, int number, bytes key) except? NULL:
        """A key's entry, which is not touched by that, or NULL."""
        cdef Database* database = self._database(number)
        cdef Entry** slot = keyspace_find(&self.core, database, key, len(key),
                                          dict_hash(&database.keys, key, len(key)))
        return slot[0] if slot != NULL else NULL

    def inspect(self, int number, bytes key, size_t samples=DEFAULT_SAMPLES) -> dict[str, object] | None:
        """What is known of a key, without touching it: type, encoding, deadline_ms (-1: none), idle_seconds, frequency,
        memory (bytes), address; of a quicklist also its nodes, elements, fill (list-max-listpack-size), depth of
        compression and bytes of all nodes, uncompressed. None where it is not there. samples: of how many fields of a
        hash the memory is looked at and taken for that of all; 0: of all."""
        cdef char name[MODULE_NAME_ROOM]
        cdef Entry* entry = self._entry(number, key)
        cdef Quicklist* quick
        if entry == NULL:
            return None
        facts = {
            "type": entry_type_name(entry, name).decode(),
            "encoding": encoding_name(entry_encoding(entry)).decode(),
            "deadline_ms": entry_deadline(entry),
            "idle_seconds": idle_seconds(&self.core, entry),
            "frequency": access_frequency(&self.core, entry),
            "memory": entry_memory(entry, samples) + 9,
            "address": <uintptr_t> entry,
        }
        if entry_encoding(entry) == ENCODING_QUICKLIST:
            quick = <Quicklist*> entry_pointer(entry)
            facts.update(nodes=quick.nodes, elements=quick.count, fill=quick.fill, depth=quick.depth,
                         bytes=quicklist_bytes(quick))
        return facts

    def value_nodes(self, int number, bytes key) -> list[tuple[bool, bool, bool, int, bytes]] | None:
        """The nodes of a list, or the one of another value in a listpack, without touching it: whether it is a plain one,
        compressed, found incompressible; how many elements; the listpack (plain: the element), uncompressed. None where the
        value is neither a listpack nor a quicklist."""
        cdef Entry* entry = self._entry(number, key)
        cdef QuicklistNode* node
        cdef uint8_t* pack
        cdef bytes data
        if entry == NULL:
            return None
        if entry_encoding(entry) == ENCODING_LISTPACK:
            pack = <uint8_t*> entry_pointer(entry)
            return [(False, False, False, listpack_length(pack), pack[:listpack_bytes(pack)])]
        if entry_encoding(entry) != ENCODING_QUICKLIST:
            return None
        nodes = []
        node = (<Quicklist*> entry_pointer(entry)).head
        while node != NULL:
            if node.compressed:
                data = bytes(node.bytes)
                lzf_decompress(node.block, node.capacity, <uint8_t*> <char*> data, node.bytes)
            else:
                data = node.block[node.gap:node.gap + node.bytes]
            nodes.append((node.kind == NODE_PLAIN, bool(node.compressed), bool(node.incompressible), node.count, data))
            node = node.next
        return nodes

    def value_table(self, int number, bytes key) -> dict[str, int] | None:
        """table_facts of a value with a hash table, without touching it. None where it has none."""
        cdef Entry* entry = self._entry(number, key)
        if entry == NULL or entry_encoding(entry) not in (ENCODING_HASHTABLE, ENCODING_SKIPLIST):
            return None
        # The first member of what each of them is.
        return table_facts(<Dict*> entry_pointer(entry), "")

    def serialized_length(self, int number, bytes key) -> int:
        """Bytes that the value takes in a snapshot, without touching it; 0 where there is none. MemoryError."""
        cdef RdbOutput output
        cdef Entry* entry = self._entry(number, key)
        if entry == NULL:
            return 0
        if output_open(&output, -1, 0, self.core.settings.rdb_compression != 0, 0) == 0:
            rdb_write_value(&output, &self.core, entry)
        try:
            if output.error:
                raise MemoryError
            return output_position(&output)
        finally:
            output_close(&output)

    def string_value(self, int number, bytes key) -> bytes | None:
        """The value of a string key, without touching it; None where there is none."""
        cdef char buffer[INTEGER_TEXT_MAX]
        cdef size_t length
        cdef char* data
        cdef Entry* entry = self._entry(number, key)
        if entry == NULL or entry_type(entry) != TYPE_STRING:
            return None
        data = entry_string(entry, buffer, &length)
        return data[:length]

    def list_elements(self, int number, bytes key) -> list[bytes] | None:
        """The elements of a list, without touching it; None where there is no list. MemoryError."""
        cdef Entry* entry = self._entry(number, key)
        cdef ListValue value
        cdef ListIterator position
        cdef ListpackValue element
        cdef list elements = []
        cdef bint more
        if entry == NULL or entry_type(entry) != TYPE_LIST:
            return None
        value.encoding = entry_encoding(entry)
        value.block = entry_pointer(entry)
        more = list_seek(&position, self.core.heap, &value, 0)
        while more:
            list_get(&position, &element)
            elements.append(element.data[:element.length] if element.data != NULL else b"%d" % element.integer)
            more = list_next(&position)
        more = list_failed(&position)
        list_stop(&position)
        if more:
            raise MemoryError
        return elements

    def key_names(self, int number) -> list[bytes]:
        """All keys of a database, in no order, those that are expired and not removed yet included."""
        cdef DictIterator position
        cdef Entry* entry
        cdef size_t length
        cdef char* key
        cdef list names = []
        dict_iterate_begin(&position, &self._database(number).keys)
        entry = <Entry*> dict_iterate_next(&position)
        while entry != NULL:
            key = entry_key(entry, &length)
            names.append(key[:length])
            entry = <Entry*> dict_iterate_next(&position)
        dict_iterate_end(&position)
        return names

    def add_string(self, int number, bytes key, bytes value) -> bool:
        """Puts a string under a key unless it is there already; true where it did. MemoryError."""
        cdef Database* database = self._database(number)
        cdef uint64_t hash = dict_hash(&database.keys, key, len(key))
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
    def notify_classes(self) -> int:
        """Classes of keyspace events that are published: NOTIFY_* bits of flags.pxd."""
        return self.core.notify_classes

    @notify_classes.setter
    def notify_classes(self, int bits) -> None:
        self.core.notify_classes = bits

    @property
    def pubsub_statistics(self) -> dict[str, int]:
        """How many channels, patterns and sharded_channels somebody listens to, and how many clients do."""
        return {
            "channels": channels_count(&self.core, KIND_CHANNEL),
            "patterns": channels_count(&self.core, KIND_PATTERN),
            "sharded_channels": channels_count(&self.core, KIND_SHARD),
            "clients": subscribers_count(&self.core),
        }

    @property
    def propagation(self) -> int:
        """Who gets what is propagated: PROPAGATE_* bits of flags.pxd; 0 for nobody."""
        return self.core.propagation

    @propagation.setter
    def propagation(self, int bits) -> None:
        self.core.propagation = bits
        if bits == 0:
            propagate_taken(&self.core, 1)

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
        cdef bytes taken = self.core.feed.data[:self.core.feed.length] if self.core.feed.length else b""
        cdef bint has_lost = self.core.feed.has_lost
        self.core.feed.has_lost = 0
        propagate_taken(&self.core, reselect)
        if has_lost:
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

    def replay(self, data, size_t start=0):
        """Begins to execute the commands of an append-only file: data is a writable buffer of its bytes, which nobody else
        must change. Answers a Replay (replay.pyx), to be run and finished; one at a time."""
        return replay_of(&self.core, self, data, start)

    # --- snapshots

    def save_rdb(self, int fd, *, aux=None, functions=None, bint checksum=True, uint64_t sync_bytes=0,
                 int64_t key_delay_us=0) -> dict[str, int]:
        """Writes all databases to a descriptor in the RDB format, from where it stands, and answers keys and bytes.

        aux: auxiliary fields, bytes to bytes. functions: code of libraries, bytes each (None: function_libraries).
        checksum: False writes 0 in its place. sync_bytes: how often the file is handed to the disk meanwhile (0: never;
        the fsync at the end is the caller's). key_delay_us: pause after each key, for tests. OSError where writing fails,
        MemoryError.
        """
        return snapshot_save(&self.core, fd, {
            "aux": aux or {}, "functions": self.function_libraries if functions is None else functions,
            "module_aux": self.module_aux, "checksum": checksum, "sync_bytes": sync_bytes, "key_delay_us": key_delay_us,
        })

    def fork_save_rdb(self, ChildReport report not None, int fd, *, aux=None, functions=None, bint checksum=True,
                      uint64_t sync_bytes=0, int64_t key_delay_us=0, bint fsync=True, then=()) -> int:
        """The same in a child process, which sees the data as it is now, and does the fsync too. Answers its number; how
        far it is stands in the report. For ChildRunner (persistence/child.py). then: words of a command line, bytes, the
        first of which is a path: what the child becomes once it has written; it finds the descriptor open. OSError where
        the fork fails, MemoryError.
        """
        return snapshot_fork(&self.core, report, fd, {
            "aux": aux or {}, "functions": self.function_libraries if functions is None else functions,
            "module_aux": self.module_aux, "checksum": checksum, "sync_bytes": sync_bytes, "key_delay_us": key_delay_us,
            "fsync": fsync, "then": list(then),
        })

    def load_rdb(self, int fd, *, size=None, bint checksum=True, deep=None, bint keep_expired=False, bint replace=False,
                 progress=None, uint64_t progress_step=2 << 20, int64_t key_delay_us=0, aux=None) -> dict[str, object]:
        """Reads RDB data from a descriptor, from where it stands, into the databases, which are not emptied before.

        size: how many bytes there are (None: to the end of a file; unknown of a pipe or socket, and then more may be read
        than belongs to it). checksum: whether it is looked at. deep: whether payloads are checked for what is merely wrong
        too (None: as sanitize-dump-payload says for files). keep_expired: what has expired is loaded all the same.
        replace: a key that is there is replaced, else it is an error. progress(bytes read) is called every
        progress_step bytes, with all but the last few keys in their databases; what it raises ends the load. key_delay_us:
        pause after each key, for tests. aux: a dict that auxiliary fields are put into as they are read.

        Answers version, keys, expires (keys with a time to live), expired and empty (keys that were not loaded),
        empty_names (of the first few of the latter), checked (whether a checksum was compared), bytes (read, of the RDB
        data), rest (bytes read behind it), aux (dict of bytes), functions (code of libraries) and module_aux (as the
        attribute). RdbError where the data are wrong, OSError where they cannot be read, MemoryError; the keys before the
        place are loaded then.
        """
        if deep is None:
            deep = self.core.settings.sanitize_payload == 1
        return snapshot_load(&self.core, fd, {
            "size": size, "checksum": checksum, "deep": deep, "keep_expired": keep_expired, "replace": replace,
            "progress": progress, "progress_step": progress_step, "key_delay_us": key_delay_us,
            "aux": {} if aux is None else aux,
        })

    def add_module_aux(self, uint64_t identifier, bytes fields) -> None:
        """Takes what a module has written beside the keys into module_aux, in the place of what is there from it. fields:
        as RDB data have them, from the one that says when to the end. RdbError where they are not sound, MemoryError."""
        self.module_aux.update(module_aux_of(&self.core, identifier, fields))

    def set_resizing(self, bint on) -> None:
        """Lets the tables of all databases grow and shrink at will, or only where they must."""
        cdef int i
        for i in range(self.core.databases_count):
            self.core.databases[i].keys.no_resize = not on
            self.core.databases[i].expires.no_resize = not on
            self.core.databases[i].field_expires.no_resize = not on

    @property
    def memory(self) -> dict[str, int]:
        """Bytes: used, peak, mapped (pages of small blocks), large (in large blocks), uncounted (which the memory limit is
        not about), what clients take by class, overhead of the key tables, and largest input and output that waited of any
        client. Entries that are being released lazily, and how many things wait for their release in all; bytes of key tables."""
        cdef Core* core = &self.core
        cdef Client* client = core.clients
        cdef size_t[CLIENT_CLASSES] clients
        cdef size_t largest_input = 0
        cdef size_t largest_output = 0
        cdef size_t tables = 0
        cdef int i
        for i in range(CLIENT_CLASSES):
            clients[i] = 0
        heap_note_peak(core.heap)
        while client != NULL:
            clients[class_of(client)] += client_memory(client)
            if client.query_peak > largest_input:
                largest_input = client.query_peak
            if client.reply_peak > largest_output:
                largest_output = client.reply_peak
            client = client.next
        for i in range(core.databases_count):
            tables += dict_table_bytes(&core.databases[i].keys)
            tables += dict_table_bytes(&core.databases[i].expires)
        return {
            "used": core.heap.used,
            "peak": core.heap.peak,
            "mapped": core.heap.mapped,
            "large": core.heap.large,
            "uncounted": eviction_of(core).uncounted,
            "normal_clients": clients[CLASS_NORMAL] + clients[CLASS_PUBSUB],
            "replica_clients": clients[CLASS_REPLICA],
            "tables": tables,
            "discarded_entries": core.discarded_entries,
            "discarded_things": discarded_things(core),
            "largest_input": largest_input,
            "largest_output": largest_output,
        }

    @property
    def client_memory_limit(self) -> int:
        """Bytes that all clients together may take; 0 for no limit."""
        return client_memory_limit(&self.core)

    @property
    def eviction_exceeded_ms(self) -> tuple[int, int]:
        """How long memory has been over its limit, in milliseconds: now, and in all."""
        return eviction_exceeded_ms(&self.core), eviction_exceeded_total_ms(&self.core)

    @property
    def heap_limit(self) -> int:
        """How many bytes the heap may hand out before it says that memory is out; 0: no limit. For tests: only a checked
        build looks at it."""
        return self.core.heap.limit

    @heap_limit.setter
    def heap_limit(self, size_t limit) -> None:
        self.core.heap.limit = limit

    @property
    def heap_until_failure(self) -> int:
        """How many blocks the heap is yet asked for until it refuses one, as if memory were out, and that one only; 0: none is
        refused (any more). For tests: only a checked build looks at it."""
        return self.core.heap.until_failure

    @heap_until_failure.setter
    def heap_until_failure(self, size_t count) -> None:
        self.core.heap.until_failure = count

    @property
    def heap_is_checked(self) -> bool:
        """Whether this build's heap checks how it is used, and has a limit."""
        return heap_is_checked()

    @property
    def structure_sizes(self) -> dict[str, int]:
        """Bytes of the structures that there are many of."""
        return {
            "entry_head": KEY_OFFSET,
            "bucket": sizeof(Bucket),
            "dict": sizeof(Dict),
            "quicklist_node": sizeof(QuicklistNode),
            "client": sizeof(Client),
        }

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
    def is_busy(self) -> bool:
        """Whether a script has been running for so long that others are served meanwhile."""
        return self.core.gate & GATE_BUSY != 0

    @property
    def kill_command(self) -> str:
        """What ends the script that runs."""
        cdef Scripting* scripting = scripting_of(&self.core)
        return "FUNCTION KILL" if scripting != NULL and scripting.run.is_function else "SCRIPT KILL"

    def scripting_statistics(self) -> dict[str, int]:
        """Bytes that Lua takes (vm_memory); how many scripts are kept, and their bytes (scripts_memory)."""
        cdef Scripting* scripting = scripting_of(&self.core)
        cdef Scripts* scripts = <Scripts*> scripting.scripts if scripting != NULL else NULL
        return {
            "vm_memory": scripting.memory if scripting != NULL else 0,
            "scripts": dict_size(&scripts.by_digest) if scripts != NULL else 0,
            "scripts_memory": scripts.memory if scripts != NULL else 0,
        }

    @property
    def function_libraries(self) -> list[bytes]:
        """The code of all libraries of functions, in the order in which they came: what snapshots carry."""
        cdef Functions* functions = functions_of(&self.core)
        cdef Library* library = functions.oldest if functions != NULL else NULL
        cdef list codes = []
        while library != NULL:
            codes.append(library.code[:library.code_length])
            library = library.newer
        return codes

    def add_function_library(self, bytes code, bint replace=False) -> None:
        """Takes a library that a file has brought, in the place of one of the same name where replace. It is run when functions
        are asked for; one that cannot be is kept all the same. ValueError where there is one of the same name, MemoryError."""
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
            self.core.upcalls.log_line(&self.core, 3, line.encode())
        if libraries_join(functions, library, JOIN_REPLACE if replace else JOIN_APPEND, error):
            return
        name = library_name(functions, library, &length)
        try:
            if library_find(functions, name, length) == NULL:
                raise MemoryError
            raise ValueError(f"there is a library of functions named {name[:length].decode()} already")
        finally:
            library_free(functions, library)

    def clear_function_libraries(self) -> None:
        """Deletes all libraries of functions."""
        if self.core.functions != NULL:
            libraries_flush(functions_of(&self.core))

    def function_statistics(self) -> dict[str, int]:
        """How many libraries of functions and functions there are; bytes that they take (memory), and in Lua (vm_memory)."""
        cdef Functions* functions = functions_of(&self.core)
        cdef Library* library
        cdef int64_t libraries_count = 0
        cdef int64_t functions_count = 0
        if functions == NULL:
            return {"libraries": 0, "functions": 0, "memory": 0, "vm_memory": 0}
        library = functions.oldest
        while library != NULL:
            libraries_count += 1
            functions_count += library.count
            library = library.newer
        return {
            "libraries": libraries_count,
            "functions": functions_count,
            "memory": functions.memory + dict_table_bytes(&functions.libraries) + dict_table_bytes(&functions.by_name),
            "vm_memory": functions.vm_memory,
        }

    def trim_memory(self) -> None:
        """Gives what is free back to the system."""
        reply_empty_pool(&self.core)
        heap_trim(self.core.heap)

    def reset_peak(self) -> None:
        self.core.heap.peak = self.core.heap.used

    @property
    def statistics(self) -> dict[str, object]:
        """The fields of Statistics (statistics.pxd) by name."""
        statistics = dict(self.core.statistics)
        return statistics

    @property
    def waiting_statistics(self) -> dict[str, int]:
        """Clients that watch keys, keys that are watched; keys that clients wait for, of these the ones that they are also to
        be told of when they go; clients that wait no longer than for a time."""
        cdef Core* core = &self.core
        cdef DictIterator position
        cdef WaitList* waiting
        cdef Waiter* waiter
        cdef int i
        figures = dict.fromkeys(("watched_keys", "keys", "keys_also_missing"), 0)
        figures["watching_clients"] = core.watching_clients
        figures["timed_clients"] = core.deadlines_count
        for i in range(core.databases_count):
            figures["watched_keys"] += dict_size(&core.databases[i].watched)
            figures["keys"] += dict_size(&core.databases[i].waiting)
            dict_iterate_begin(&position, &core.databases[i].waiting)
            waiting = <WaitList*> dict_iterate_next(&position)
            while waiting != NULL:
                waiter = waiting.first
                while waiter != NULL and not waiter.client.blocked.options & WAIT_ALSO_MISSING:
                    waiter = waiter.next
                figures["keys_also_missing"] += waiter != NULL
                waiting = <WaitList*> dict_iterate_next(&position)
            dict_iterate_end(&position)
        return figures

    @property
    def loop_statistics(self) -> dict[str, float]:
        """Turns of the loop that had something to do; microseconds in all of them, in commands of these, in the longest turn;
        commands of the turn with the most."""
        cdef double us_per_tick = self.core.ns_per_tick / 1000
        return {
            "turns": self.core.statistics.loop_turns,
            "us": self.core.statistics.loop_ticks * us_per_tick,
            "command_us": self.core.statistics.command_ticks * us_per_tick,
            "longest_us": self.core.statistics.loop_ticks_most * us_per_tick,
            "most_commands": self.core.statistics.commands_per_turn_most,
        }

    def reset_statistics(self) -> None:
        statistics_reset(&self.core)

    def command_statistics(self) -> list[tuple[str, int, float, int, int]]:
        """Of each command that was called or rejected: name, calls, microseconds in all, rejected calls, failed calls."""
        cdef CommandStatistics* statistics
        result = []
        for row in self.table.rows:
            statistics = &self.core.command_statistics[<int> row.id]
            if statistics.calls or statistics.rejected or statistics.failed:
                result.append((row.name, statistics.calls, statistics.ticks * self.core.ns_per_tick / 1000,
                               statistics.rejected, statistics.failed))
        return result

    def latency_histogram(self, int id) -> list[tuple[int, int]]:
        """Of one command: (upper bound of the duration in nanoseconds, calls) for each bucket that is not empty."""
        cdef CommandStatistics* statistics = self._statistics_of(id)
        cdef int i
        if statistics.histogram == NULL:
            return []
        return [(histogram_bound(i), statistics.histogram[i]) for i in range(HISTOGRAM_BUCKETS) if statistics.histogram[i]]

    def reset_latency_histogram(self, int id) -> None:
        cdef CommandStatistics* statistics = self._statistics_of(id)
        if statistics.histogram != NULL:
            memset(statistics.histogram, 0, HISTOGRAM_BUCKETS * sizeof(unsigned int))

    def error_statistics(self) -> list[tuple[str, int]]:
        """Errors replied, by their first word."""
        return [(self.core.error_kinds[i].name[:self.core.error_kinds[i].name_length].decode("utf-8", "replace"),
                 self.core.error_kinds[i].count) for i in range(self.core.error_kinds_count)]


cdef dict _GATES = {
    "pause_all": GATE_PAUSE_ALL,
    "pause_write": GATE_PAUSE_WRITE,
    "monitors": GATE_MONITORS,
    "loading": GATE_LOADING,
    "renewal": GATE_RENEWAL,
}

# The fields of Settings (settings.pxd), in their order, with what they are before a configuration is read.
cdef dict _DEFAULT_SETTINGS = {
    "max_bulk_length": 512 << 20,
    "query_buffer_limit": 1 << 30,
    "unauthenticated_output_limit": 16384,
    "output_hard_limit": 0,
    "output_soft_limit": 0,
    "output_soft_seconds": 0,
    "replica_hard_limit": 0,
    "replica_soft_limit": 0,
    "replica_soft_seconds": 0,
    "pubsub_hard_limit": 0,
    "pubsub_soft_limit": 0,
    "pubsub_soft_seconds": 0,
    "slow_us": 10000,
    "large_request_bytes": 1 << 20,
    "large_reply_bytes": 1 << 20,
    "latency_tracking": 1,
    "latency_threshold_ms": 0,
    "active_expire": 1,
    "expire_effort": 1,
    "active_rehashing": 1,
    "max_memory": 0,
    "max_client_memory": 0,
    "memory_warning_percent": 0,
    "eviction_policy": 0,
    "eviction_samples": 5,
    "eviction_tenacity": 10,
    "lazy_eviction": 0,
    "lfu": 0,
    "lfu_log_factor": 10,
    "lfu_decay_minutes": 1,
    "lazy_user_delete": 0,
    "lazy_user_flush": 0,
    "lazy_expire": 0,
    "lazy_server_delete": 0,
    "import_mode": 0,
    "hz": 10,
    "release_turn_us": 500,
    "reply_resizing": 1,
    "zset_max_listpack_entries": 128,
    "zset_max_listpack_value": 64,
    "reply_peak_reset_ms": 5000,
    "hll_sparse_max_bytes": 3000,
    "hll_vectors": 1,
    "hash_max_listpack_entries": 512,
    "hash_max_listpack_value": 64,
    "set_max_intset_entries": 512,
    "set_max_listpack_entries": 128,
    "set_max_listpack_value": 64,
    "list_max_listpack_size": -2,
    "list_compress_depth": 0,
    "list_packed_threshold": 0,
    "stream_node_max_bytes": 4096,
    "stream_node_max_entries": 100,
    "rdb_compression": 1,
    "rdb_access": 0,
    "rdb_valkey_fields": 0,
    "rdb_relaxed": 0,
    "sanitize_payload": 0,
    "skip_checksum": 0,
    "tracking_max_keys": 1000000,
    "strict_line_ends": 0,
    "past_deadline_deletes": 1,
    "names_timed_listpack": 1,
    "geo_names_member": 0,
    "hash_fields_redis_texts": 1,
    "bitcount_wants_end": 1,
    "fields_expire_on_access": 1,
    "flush_is_lazy": 1,
    "client_tells_traffic": 0,
    "query_holds_request": 1,
    "nesting_aborts": 0,
    "xread_names_plus": 1,
    "scan_refuses_types": 0,
    "unblocking_rejects": 0,
    "scan_expires_all_types": 1,
    "script_slow_ms": 5000,
}
cdef tuple _SETTINGS = tuple(_DEFAULT_SETTINGS)


cdef bytes _encode(object argument):
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return (<str> argument).encode("utf-8", "surrogateescape")
    if isinstance(argument, bool) or not isinstance(argument, (int, float)):
        raise TypeError(f"an argument is bytes, str, int or float, not {type(argument).__name__}")
    return repr(argument).encode()


cdef bytes _output(Client* client):
    cdef list parts = []
    cdef Chunk* chunk = client.reply.first
    while chunk != NULL:
        parts.append(chunk_data(chunk)[:chunk.length])
        chunk = chunk.next
    return b"".join(parts)


cpdef object decode(bytes data):
    """The Python object that one reply, in RESP3, stands for. CommandError is raised for an error at the top."""
    value, _end = _decode(data, 0)
    if isinstance(value, CommandError):
        raise value
    return value


cdef tuple _decode(bytes data, Py_ssize_t at):
    cdef Py_ssize_t end = data.index(b"\r\n", at)
    cdef bytes head = data[at + 1:end]
    cdef int kind = data[at]
    cdef Py_ssize_t count
    at = end + 2
    if kind == c'+':
        return head.decode("utf-8", "surrogateescape"), at
    if kind == c'-':
        return CommandError(head.decode("utf-8", "surrogateescape")), at
    if kind == c':' or kind == c'(':
        return int(head), at
    if kind == c'_':
        return None, at
    if kind == c',':
        return float(head), at
    if kind == c'#':
        return head == b"t", at
    count = int(head)
    if kind == c'$' or kind == c'=':
        if count < 0:
            return None, at
        value = data[at:at + count]
        return (value[4:] if kind == c'=' else value), at + count + 2
    if count < 0:
        return None, at
    if kind == c'%':
        pairs = {}
        for _ in range(count):
            key, at = _decode(data, at)
            pairs[key], at = _decode(data, at)
        return pairs, at
    values = []
    for _ in range(count):
        value, at = _decode(data, at)
        values.append(value)
    return (set(values) if kind == c'~' else values), at
