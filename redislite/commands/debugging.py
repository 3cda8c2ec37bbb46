"""DEBUG: switches and tests for who develops the server or tests against it.

Open only to whom `enable-debug-command` lets in. A subcommand is a function from the server, the connection and what
stands behind the subcommand's name to a reply.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time

from redislite._core.commands.row import command
from redislite._core.process import crash
from redislite._core.protocol.reply_types import (
    NO_REPLY,
    OK,
    CommandError,
    Push,
    Set,
    SimpleString,
    Verbatim,
    help_reply,
    subcommand_error,
)
from redislite.commands.info import ACCESS_CLOCK_MASK, REPLY_PEAK_RESET_MS
from redislite.commands.permission import require_enabled
from redislite.commands.server import parse_integer_argument
from redislite.commands.structures import describe_listpack, describe_quicklist, describe_table
from redislite.config.config import ConfigError
from redislite.config.text import parse_integer, parse_memory
from redislite.persistence.rdb_file import DataFileError, empty
from redislite.persistence.snapshots import LoadError, SnapshotError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Configuration, needs.Logging, needs.Measurement, needs.Persistence, needs.Serving, Protocol):
        """What DEBUG needs of the server."""

    Subcommand = Callable[[Server, Connection, list[bytes]], object]

NO_SUCH_KEY = "ERR no such key"
PROTOCOL_TYPES = "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
BIG_NUMBER = b"1234567999999999999999999999999999999"

UNAUTHENTICATED_OUTPUT_LIMIT = 16384  # bytes

# Name → least and most arguments behind it, function, usage and explanation.
_SUBCOMMANDS: dict[bytes, tuple[int, int, Subcommand, str, str]] = {}


@command(
    "debug",
    -2,
    "admin noscript loading stale protected",
    group="server",
    since="1.0.0",
    system=True,
    summary="Switches and tests for developing the server itself.",
    complexity="Depends on the subcommand",
)
def debug(server: Server, connection: Connection, args: list[bytes]) -> object:
    """DEBUG subcommand [argument ...]."""
    require_enabled(server, connection, "debug")
    name = args[1].lower()
    if name == b"help" and len(args) == 2:
        return help_reply("debug", tuple((usage, text) for _, _, _, usage, text in _SUBCOMMANDS.values()))
    least, most, function = _SUBCOMMANDS.get(name, (1, 0, None))[:3]
    if function is None or not least <= len(args) - 2 <= most:
        raise subcommand_error(args)
    return function(server, connection, args[2:])


def subcommand(
    usage: str, explanation: str, least: int = 0, most: int | None = None
) -> Callable[[Subcommand], Subcommand]:
    """Decorator: makes a function the subcommand that the usage begins with."""

    def decorate(function: Subcommand) -> Subcommand:
        name = usage.split()[0].lower().encode()
        _SUBCOMMANDS[name] = (least, least if most is None else most, function, usage, explanation)
        return function

    return decorate


def parse_switch(value: bytes) -> bool:
    """A 0 or 1, leniently: what does not begin with a number is 0."""
    digits = value.lstrip(b" \t+-")
    return any(character in b"123456789" for character in digits[: len(digits) - len(digits.lstrip(b"0123456789"))])


# Crashes


def _place() -> tuple[bytes, int]:
    """File and line of the caller."""
    frame = sys._getframe(1)
    return os.path.basename(frame.f_code.co_filename).encode(), frame.f_lineno


@subcommand("ASSERT", "Crash as a failed assertion does.")
def _assert(server: Server, connection: Connection, args: list[bytes]) -> object:
    crash.assertion_failed(b"1 == 2", *_place())
    return NO_REPLY


@subcommand("PANIC", "Crash as the server does where it cannot go on.")
def _panic(server: Server, connection: Connection, args: list[bytes]) -> object:
    crash.panic(b"DEBUG PANIC called at Unix time %d" % time.time(), *_place())
    return NO_REPLY


@subcommand("OOM", "Crash for lack of memory.")
def _oom(server: Server, connection: Connection, args: list[bytes]) -> object:
    size = sys.maxsize - 64
    try:
        bytearray(size)
    except MemoryError:
        server.log.warning(f"Out Of Memory allocating {size} bytes!")
        crash.panic(b"Redis aborting for OUT OF MEMORY. Allocating %d bytes!" % size, *_place())
    return NO_REPLY


@subcommand("SEGFAULT", "Crash by writing to memory that is not there.")
def _segfault(server: Server, connection: Connection, args: list[bytes]) -> object:
    import ctypes

    ctypes.memset(1, 0, 1)
    return NO_REPLY


@subcommand("LEAK <string>", "Keep a string in memory for ever.", 1)
def _leak(server: Server, connection: Connection, args: list[bytes]) -> object:
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(args[0]))
    return OK


# Switches


@subcommand("SET-ACTIVE-EXPIRE <0|1>", "Switch off or on that expired keys are looked for in the background.", 1)
def _set_active_expire(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.engine.set("active_expire", parse_switch(args[0]))
    return OK


@subcommand("SET-SKIP-CHECKSUM-VALIDATION <0|1>", "Let RESTORE take payloads whose checksum is wrong.", 1)
def _set_skip_checksum(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.engine.set("skip_checksum", parse_switch(args[0]))
    return OK


@subcommand("PAUSE-CRON <0|1>", "Suspend the periodic work, or go on with it.", 1)
def _pause_cron(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.cron_paused = parse_switch(args[0])
    return OK


@subcommand("DICT-RESIZING <0|1>", "Let the tables of keys keep their size unless they must grow, or not.", 1)
def _dict_resizing(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.children.allow_resizing(parse_switch(args[0]))
    return OK


@subcommand(
    "REPLYBUFFER <PEAK-RESET-TIME (NEVER|RESET|milliseconds)|RESIZING (0|1)>",
    "Say for how long the peak of a client's output counts, or whether it does.",
    2,
)
def _reply_buffer(server: Server, connection: Connection, args: list[bytes]) -> object:
    what = args[0].lower()
    if what == b"peak-reset-time":
        word = args[1].lower()
        if word == b"never":
            server.engine.set("reply_peak_reset_ms", -1)
        elif word == b"reset":
            server.engine.set("reply_peak_reset_ms", REPLY_PEAK_RESET_MS)
        else:
            server.engine.set("reply_peak_reset_ms", parse_integer_argument(args[1]))
    elif what == b"resizing":
        server.engine.set("reply_resizing", parse_switch(args[1]))
    else:
        raise subcommand_error([b"debug", b"replybuffer"])
    return OK


@subcommand(
    "CLIENT-ENFORCE-REPLY-LIST <0|1>", "Close clients that never authenticated themselves as soon as output waits.", 1
)
def _enforce_reply_list(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.engine.set("unauthenticated_output_limit", 0 if parse_switch(args[0]) else UNAUTHENTICATED_OUTPUT_LIMIT)
    return OK


@subcommand("QUICKLIST-PACKED-THRESHOLD <size>", "Give list elements from this size on their own nodes; 0: default.", 1)
def _packed_threshold(server: Server, connection: Connection, args: list[bytes]) -> object:
    size = parse_memory(args[0].decode("utf-8", "surrogateescape"))
    if size is None or not 0 <= size < 4 << 30:
        raise CommandError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    server.engine.set("list_packed_threshold", size)
    return OK


@subcommand("CHANGE-REPL-ID", "Give the data set another identity.")
def _change_replication_id(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.metrics.change_replication_id()
    return OK


@subcommand("CONFIG-REWRITE-FORCE-ALL", "Write all parameters into the configuration file, defaults included.")
def _config_rewrite_all(server: Server, connection: Connection, args: list[bytes]) -> object:
    try:
        server.config.rewrite(everything=True)
    except (ConfigError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}") from None
    return OK


# Keys


@subcommand("POPULATE <count> [<prefix>] [<size>]", "Add string keys <prefix>:<number>; their size is in bytes.", 1, 3)
def _populate(server: Server, connection: Connection, args: list[bytes]) -> object:
    count = _parse_size(args[0])
    prefix = args[1] if len(args) > 1 else b"key"
    size = _parse_size(args[2]) if len(args) > 2 else 0
    if size > server.config["proto-max-bulk-len"]:
        raise CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    for number in range(count):
        value = b"value:%d" % number
        server.engine.add_string(
            connection.database, b"%s:%d" % (prefix, number), value[:size].ljust(size, b"\0") if size else value
        )
    return OK


def _parse_size(value: bytes) -> int:
    number = parse_integer(value.decode("latin-1"))
    if number is None or number < 0:
        raise CommandError("ERR value is out of range, must be positive")
    return number


@subcommand(
    "RELOAD [MERGE] [NOFLUSH] [NOSAVE] [FROM <name>]",
    "Save the data set and load it again. MERGE: keys that are in the file replace those there are; NOFLUSH: without "
    "emptying the data set before; NOSAVE: without saving; FROM: without saving, from a copy that SAVE TO has written.",
    0,
    sys.maxsize,
)
def _reload(server: Server, connection: Connection, args: list[bytes]) -> object:
    words = {word.lower() for word in args}
    copy = None
    if len(args) > 1 and args[-2].lower() == b"from":
        words = {word.lower() for word in args[:-2]} | {b"nosave"}
        copy = os.fsdecode(args[-1])
    if words - {b"merge", b"noflush", b"nosave"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    config, engine = server.config, server.engine
    emptied = False
    dirty = engine.dirty
    try:
        path = server.snapshots.path_of(copy)
        if b"nosave" not in words:
            server.snapshots.save(beside_child=True)
    except SnapshotError as error:
        raise CommandError(f"ERR {error}") from error
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))  # what is not there empties nothing
        if b"noflush" not in words:
            empty(engine)
            emptied = True
        result = server.snapshots.read(path, replace=b"merge" in words, checksum=config["rdbchecksum"])
    except (DataFileError, OSError, MemoryError) as error:
        if emptied:
            empty(engine)  # half a data set is none
        engine.dirty = dirty  # nothing that the log would have to tell
        server.log.warning(f"Error loading the RDB file: {error}")
        raise CommandError("ERR Error trying to load the RDB dump, check server logs.") from error
    engine.dirty = 0
    server.snapshots.note_loaded(result)
    server.log.warning("DB reloaded by DEBUG RELOAD")
    return OK


@subcommand("LOADAOF", "Write what is to be written to the append-only file, and load the data set from it.")
def _load_append_only(server: Server, connection: Connection, args: list[bytes]) -> object:
    try:
        server.append_only.reload()
    except LoadError as error:
        server.log.warning(str(error))
        raise CommandError("ERR Error trying to load the AOF files, check server logs.") from error
    return OK


@subcommand("AOF-FLUSH-SLEEP <microseconds>", "Wait before each write to the append-only file, for tests.", 1, 1)
def _sleep_before_flush(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.append_only.log.flush_sleep_us = parse_integer_argument(args[0])
    return OK


@subcommand("DIGEST", "Tell the digest of the whole data set.")
def _digest(server: Server, connection: Connection, args: list[bytes]) -> object:
    from redislite.commands.digest import dataset_digest  # hashlib: milliseconds that a start need not pay

    return SimpleString(dataset_digest(server.engine).hex())


@subcommand("DIGEST-VALUE <key> [<key> ...]", "Tell the digest of each key's value.", 0, sys.maxsize)
def _digest_value(server: Server, connection: Connection, args: list[bytes]) -> object:
    from redislite.commands.digest import value_digest

    return [SimpleString(value_digest(server.engine, connection.database, key).hex()) for key in args]


def _require_key(server: Server, connection: Connection, key: bytes) -> dict[str, Any]:
    """What `Engine.inspect` tells of a key. CommandError where there is none."""
    facts = server.engine.inspect(connection.database, key)
    if facts is None:
        raise CommandError(NO_SUCH_KEY)
    return facts


@subcommand("OBJECT <key> [FAST]", "Tell how a key's value is stored; FAST leaves out what takes time.", 1, 2)
def _object(server: Server, connection: Connection, args: list[bytes]) -> object:
    engine = server.engine
    facts = engine.inspect(connection.database, args[0], also_expired=True)
    if facts is None:
        raise CommandError(NO_SUCH_KEY)
    length = ""
    if len(args) == 1 or args[1].lower() != b"fast":
        length = f" serializedlength:{engine.serialized_length(connection.database, args[0])}"
    idle = facts["idle_seconds"]
    accessed = engine.now_ms // 1000 - idle & ACCESS_CLOCK_MASK
    return SimpleString(
        f"Value at:{facts['address']:#x} refcount:1 encoding:{facts['encoding']}{length} lru:{accessed} "
        f"lru_seconds_idle:{idle}{quicklist_shape(facts)}"
    )


def quicklist_shape(facts: dict[str, Any]) -> str:
    """What DEBUG OBJECT says of a quicklist's nodes; nothing of other values."""
    if facts["encoding"] != "quicklist":
        return ""
    return (
        f" ql_nodes:{facts['nodes']} ql_avg_node:{facts['elements'] / facts['nodes']:.2f} "
        f"ql_listpack_max:{facts['fill']} ql_compressed:{int(facts['depth'] != 0)} "
        f"ql_uncompressed_size:{facts['bytes']}"
    )


@subcommand("STRUCTSIZE", "Tell how many bytes structures take that there are many of; bits are those of an address.")
def _structure_sizes(server: Server, connection: Connection, args: list[bytes]) -> object:
    sizes = {"bits": 8 * struct.calcsize("P"), **server.engine.structure_sizes}
    return SimpleString(" ".join(f"{name}:{size}" for name, size in sizes.items()))


@subcommand("SDSLEN <key>", "Tell how long a key and its string are, and what they take. Both stand in one block.", 1)
def _string_lengths(server: Server, connection: Connection, args: list[bytes]) -> object:
    facts = _require_key(server, connection, args[0])
    if facts["type"] != "string" or facts["encoding"] == "int":
        raise CommandError("ERR Not an sds encoded string.")
    length = len(server.engine.string_value(connection.database, args[0]) or b"")
    return SimpleString(
        f"key_sds_len:{len(args[0])}, key_sds_avail:0, key_zmalloc: {facts['memory']}, "
        f"val_sds_len:{length}, val_sds_avail:0, val_zmalloc: 0"
    )


@subcommand("HTSTATS <database> [FULL]", "Tell how full the tables of keys and of deadlines are.", 1, 2)
def _table_statistics(server: Server, connection: Connection, args: list[bytes]) -> object:
    number = parse_integer_argument(args[0])
    if not 0 <= number < server.engine.databases_count:
        raise CommandError("ERR Out of range database")
    tables = server.engine.database_statistics(number)
    return Verbatim(
        "txt",
        "[Dictionary HT]\n" + describe_table(tables, "keys_") + "[Expires HT]\n" + describe_table(tables, "expires_"),
    )


@subcommand("HTSTATS-KEY <key> [FULL]", "Tell how full the hash table of a key's value is.", 1, 2)
def _value_table_statistics(server: Server, connection: Connection, args: list[bytes]) -> object:
    _require_key(server, connection, args[0])
    table = server.engine.value_table(connection.database, args[0])
    if table is None:
        raise CommandError("ERR The value stored at the specified key is not represented using an hash table")
    return Verbatim("txt", describe_table(table))


@subcommand("LISTPACK <key>", "Print the entries of a value that is a listpack to the standard output.", 1)
def _listpack(server: Server, connection: Connection, args: list[bytes]) -> object:
    facts = _require_key(server, connection, args[0])
    nodes = server.engine.value_nodes(connection.database, args[0])
    if facts["encoding"] not in ("listpack", "listpackex") or nodes is None:
        raise CommandError("ERR Not a listpack encoded object.")
    print(describe_listpack(nodes[0][-1], facts["address"]), flush=True)
    return SimpleString("Listpack structure printed on stdout")


@subcommand(
    "QUICKLIST <key> [<0|1>]", "Print the nodes of a list to the standard output, with their elements where 1.", 1, 2
)
def _quicklist(server: Server, connection: Connection, args: list[bytes]) -> object:
    facts = _require_key(server, connection, args[0])
    nodes = server.engine.value_nodes(connection.database, args[0])
    if facts["encoding"] != "quicklist" or nodes is None:
        raise CommandError("ERR Not a quicklist encoded object.")
    print(describe_quicklist(facts, nodes, len(args) > 1 and parse_switch(args[1])), flush=True)
    return SimpleString("Quicklist structure printed on stdout")


# Replies


@subcommand("SLEEP <seconds>", "Do nothing, and let nobody else do anything; a fraction is allowed.", 1)
def _sleep(server: Server, connection: Connection, args: list[bytes]) -> object:
    try:
        seconds = float(args[0])
    except ValueError:
        seconds = 0.0
    if 0 < seconds < threading.TIMEOUT_MAX:
        time.sleep(seconds)
    return OK


@subcommand("ERROR <string>", "Answer an error.", 1)
def _error(server: Server, connection: Connection, args: list[bytes]) -> object:
    text = args[0].decode("utf-8", "surrogateescape")
    raise CommandError(text.replace("\r", " ").replace("\n", " "))


@subcommand("LOG <message>", "Write a line into the log.", 1)
def _log(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.log.warning("DEBUG LOG: " + args[0].decode("utf-8", "surrogateescape"))
    return OK


@subcommand("SET-DISABLE-DENY-SCRIPTS <0|1>", "Let scripts call commands that they may not call.", 1)
def _set_disable_deny_scripts(server: Server, connection: Connection, args: list[bytes]) -> object:
    server.engine.set("script_calls_all", parse_switch(args[0]))
    return OK


@subcommand("PROTOCOL <type>", f"Answer a value of a type: {PROTOCOL_TYPES}.", 1)
def _protocol(server: Server, connection: Connection, args: list[bytes]) -> object:
    name = args[0].lower()
    if name in _PROTOCOL_VALUES:
        return _PROTOCOL_VALUES[name]
    resp3 = connection.protocol >= 3
    if name == b"bignum":
        # No Python object stands for a number of RESP3 that is beyond 64 bits.
        if not resp3:
            return BIG_NUMBER
        connection.append_raw(b"(" + BIG_NUMBER + b"\r\n")
        return NO_REPLY
    if name == b"attrib":
        if resp3:
            connection.append_raw(b"|1\r\n")
            connection.append(b"key-popularity")
            connection.append([b"key:123", 90])
        return b"Some real reply following the attribute"
    if name == b"push":
        if not resp3:
            raise CommandError("ERR RESP2 is not supported by this command")
        connection.append(Push([b"server-cpu-usage", 42]))
        return b"Some real reply following the push reply"
    raise CommandError(f"ERR Wrong protocol type name. Please use one of the following: {PROTOCOL_TYPES}")


_PROTOCOL_VALUES: dict[bytes, object] = {
    b"string": b"Hello World",
    b"integer": 12345,
    b"double": 3.141,
    b"null": None,
    b"array": [0, 1, 2],
    b"set": Set([0, 1, 2]),
    b"map": {0: False, 1: True, 2: False},
    b"verbatim": Verbatim("txt", b"This is a verbatim\nstring"),
    b"true": True,
    b"false": False,
}
