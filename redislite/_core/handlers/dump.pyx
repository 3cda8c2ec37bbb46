"""DUMP and RESTORE: one value as bytes, in the RDB format, and back; and their rows.

    payload | type | value | version: 2 LE | checksum of all before: 8 LE |
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, reply_out_of_memory, reply_syntax_error,
)
from redislite._core.keyspace.discard cimport release_entry
from redislite._core.keyspace.entry cimport NO_EXPIRE, Entry
from redislite._core.keyspace.expiry cimport expire_fields
from redislite._core.keyspace.keyspace cimport (
    access_for_frequency, access_for_idle, access_for_new, add_entry, argument_hash, delete_key, key_changed,
    keyspace_find, lookup_read, notify,
)
from redislite._core.keyspace.propagate cimport (
    propagate_always, propagate_arguments, propagate_begin, propagate_deletion, propagate_integer, propagate_nothing,
    propagate_text,
)
from redislite._core.protocol.reply cimport reply_bulk, reply_error, reply_null, reply_ok
from redislite._core.text.rdb_format cimport RDB_DUMP_TAIL
from redislite._core.text.rdb_input cimport (
    RDB_REASON, RdbInput, RdbText, input_byte, input_close, input_left, input_offset, input_open_memory,
)
from redislite._core.text.rdb_output cimport RdbOutput, output_close, output_open
from redislite._core.rdb.rdb_read cimport rdb_payload_version
from redislite._core.rdb.rdb_values cimport RDB_VALUE_READ, RdbValueOptions, rdb_read_entry
from redislite._core.rdb.rdb_write cimport rdb_write_payload
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.expiry_state cimport deadline_removes
from redislite._core.state.flags cimport CLIENT_MASTER, LOG_WARNING, NOTIFY_GENERIC

from redislite._core.commands.row import native

cdef enum:
    FREQUENCY_MAX = 255


# DUMP

cdef void dump_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef RdbOutput output
    if entry == NULL:
        reply_null(&client.reply)
        return
    if output_open(&output, -1, 1, core.settings.rdb_compression != 0, 0) == 0:
        rdb_write_payload(&output, core, entry)
    if output.error:
        reply_out_of_memory(client)
    else:
        reply_bulk(&client.reply, <char*> output.buffer, output.length)
    output_close(&output)


# RESTORE

cdef struct RestoreOptions:
    int64_t ttl
    int64_t idle_seconds            # -1: not given
    int64_t frequency               # -1: not given
    bint replace
    bint absolute


cdef bint options_or_reply(Client* client, RestoreOptions* options) noexcept nogil:
    """What stands behind the payload."""
    cdef int i = 4
    options.idle_seconds = options.frequency = -1
    options.replace = options.absolute = 0
    while i < client.argc:
        if argument_is(&client.argv[i], "REPLACE"):
            options.replace = 1
        elif argument_is(&client.argv[i], "ABSTTL"):
            options.absolute = 1
        elif argument_is(&client.argv[i], "IDLETIME") and i + 1 < client.argc and options.frequency < 0:
            i += 1
            if not argument_integer_or_reply(client, i, &options.idle_seconds):
                return 0
            if options.idle_seconds < 0:
                reply_error(&client.reply, "ERR Invalid IDLETIME value, must be >= 0")
                return 0
        elif argument_is(&client.argv[i], "FREQ") and i + 1 < client.argc and options.idle_seconds < 0:
            i += 1
            if not argument_integer_or_reply(client, i, &options.frequency):
                return 0
            if not 0 <= options.frequency <= FREQUENCY_MAX:
                reply_error(&client.reply, "ERR Invalid FREQ value, must be >= 0 and <= 255")
                return 0
        else:
            reply_syntax_error(client)
            return 0
        i += 1
    return 1


cdef uint32_t access_bits(Core* core, const RestoreOptions* options) noexcept nogil:
    if options.frequency >= 0 and core.settings.lfu:
        return access_for_frequency(core, <int> options.frequency)
    if options.idle_seconds >= 0 and not core.settings.lfu:
        return access_for_idle(core, options.idle_seconds)
    return access_for_new(core)


cdef void log_refusal(Core* core, RdbInput* input) noexcept nogil:
    cdef char line[RDB_REASON + 80]
    cdef const char* reason = "more than a value, or a collection without elements"
    cdef unsigned long long offset = input_offset(input)
    if input.failed:
        reason = <const char*> &input.reason[0]
        offset = input.error_offset
    snprintf(line, sizeof(line), b"RESTORE: integrity check failed at byte %llu of the payload: %s", offset, reason)
    core.upcalls.log_line(core, LOG_WARNING, line)


cdef Entry* entry_or_reply(Core* core, Client* client, int version, const RestoreOptions* options,
                           int64_t deadline_ms) noexcept nogil:
    """The entry that the payload is for, in no database yet."""
    cdef const Argument* payload = &client.argv[3]
    cdef RdbInput input
    cdef RdbValueOptions values
    cdef RdbText key
    cdef uint8_t type
    cdef Entry* entry = NULL
    cdef int result
    values.version = version
    values.keep_expired = 1
    values.deep = core.settings.sanitize_payload == 1 or (
        core.settings.sanitize_payload == 2 and not client.flags & CLIENT_MASTER)
    key.data = client.argv[1].data
    key.length = client.argv[1].length
    input_open_memory(&input, core.heap, payload.data, payload.length - RDB_DUMP_TAIL)
    if input_byte(&input, &type):
        result = rdb_read_entry(core, &input, type, &values, &key, deadline_ms, access_bits(core, options), &entry)
        if result == RDB_VALUE_READ and input_left(&input):
            release_entry(core, entry, 0)
            entry = NULL
    if entry == NULL:
        if input.error:
            reply_out_of_memory(client)
        else:
            log_refusal(core, &input)
            reply_error(&client.reply, "ERR Bad data format")
    input_close(&input)
    return entry


cdef void tell_restored(Core* core, Client* client, const RestoreOptions* options, int64_t deadline_ms) noexcept nogil:
    """Propagates the command with a deadline in place of a time to live."""
    if deadline_ms == NO_EXPIRE or options.absolute:
        propagate_always(core, client)
        return
    propagate_begin(core, client.database, client.argc + 1)
    propagate_arguments(core, client, 0, 2)
    propagate_integer(core, deadline_ms)
    propagate_arguments(core, client, 3, client.argc)
    propagate_text(core, "ABSTTL")
    propagate_nothing(core)


cdef void restore_command(Core* core, Client* client) noexcept nogil:
    cdef Argument* key = &client.argv[1]
    cdef uint64_t hash = argument_hash(client, 1)
    cdef RestoreOptions options
    cdef int64_t deadline_ms = NO_EXPIRE
    cdef Entry* entry
    cdef int version
    cdef bint deleted = 0
    if not options_or_reply(client, &options):
        return
    if not options.replace and keyspace_find(core, client.database, key.data, key.length, hash) != NULL:
        reply_error(&client.reply, "BUSYKEY Target key name already exists.")
        return
    if not argument_integer_or_reply(client, 2, &options.ttl):
        return
    if options.ttl:
        deadline_ms = options.ttl if options.absolute else options.ttl + core.now_ms
    if options.ttl < 0 or deadline_ms < NO_EXPIRE or options.ttl > INT64_MAX - core.now_ms:
        reply_error(&client.reply, "ERR Invalid TTL value, must be >= 0")
        return
    version = rdb_payload_version(core, client.argv[3].data, client.argv[3].length)
    if version == 0:
        reply_error(&client.reply, "ERR DUMP payload version or checksum are wrong")
        return
    entry = entry_or_reply(core, client, version, &options, deadline_ms)
    if entry == NULL:
        return
    if options.replace:
        deleted = delete_key(core, client.database, key.data, key.length, hash, core.settings.lazy_server_delete != 0)
    if deadline_ms != NO_EXPIRE and deadline_removes(core, deadline_ms):
        release_entry(core, entry, 0)
        if deleted:
            key_changed(core, client.database, key.data, key.length)
            notify(core, client.database, NOTIFY_GENERIC, "del", key.data, key.length)
            if core.propagation:
                propagate_deletion(core, client.database, key.data, key.length, core.settings.lazy_server_delete != 0)
                propagate_nothing(core)
        reply_ok(&client.reply)
        return
    if add_entry(core, client.database, entry, hash) != 0:
        release_entry(core, entry, 0)
        reply_out_of_memory(client)
        return
    key_changed(core, client.database, key.data, key.length)
    notify(core, client.database, NOTIFY_GENERIC, "restore", key.data, key.length)
    if core.propagation:
        tell_restored(core, client, &options, deadline_ms)
    expire_fields(core, client.database, entry)
    reply_ok(&client.reply)


_RESTORE_SYNTAX = (
    "key ttl:integer serialized-value:string [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME seconds:integer@5.0.0] "
    "[FREQ frequency:integer@5.0.0]"
)
_RESTORE_COMPLEXITY = ("O(1) to make the key and O(N*M) for its value of N elements of M bytes on average; for a "
                       "sorted set O(N*M*log(N))")

COMMANDS = (
    native(
        "dump", <size_t> &dump_command, 2, "readonly", keys="RO ACCESS @ 1", group="generic", since="2.6.0",
        tips="nondeterministic_output",
        syntax="key",
        summary="Returns the value of a key as bytes that RESTORE makes a value of again.",
        complexity="O(1) to find the key and O(N*M) for its value of N elements of M bytes on average",
    ),
    native(
        "restore", <size_t> &restore_command, -4, "write denyoom", keys="OW UPDATE @ 1", group="generic", since="2.6.0",
        acl="+dangerous",
        syntax=_RESTORE_SYNTAX,
        summary="Makes a key from the bytes that DUMP has returned.", complexity=_RESTORE_COMPLEXITY,
    ),
    native(
        "restore-asking", <size_t> &restore_command, -4, "write denyoom asking", keys="OW UPDATE @ 1", group="server",
        since="3.0.0", acl="+dangerous +keyspace", system=True,
        syntax=_RESTORE_SYNTAX,
        summary="Restores a key of a slot that is being migrated; for the server's own use.",
        complexity=_RESTORE_COMPLEXITY,
    ),
)
