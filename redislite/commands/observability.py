"""Commands that look at the server at work: SLOWLOG, COMMANDLOG, LATENCY, MEMORY, MONITOR."""

from __future__ import annotations

import time

from redislite._core.commands.row import CommandRow, command, container
from redislite._core.protocol.reply_types import (
    NO_REPLY,
    OK,
    SYNTAX_ERROR,
    CommandError,
    Verbatim,
    help_reply,
    subcommand_error,
)
from redislite.commands.info import MemoryFigures, human_bytes
from redislite.commands.server import parse_integer_argument
from redislite.config.compatibility import PROFILES
from redislite.config.text import parse_integer
from redislite.observability.command_log import KIND_NAMES, SLOW
from redislite.observability.redaction import redact
from redislite.serving.clients import CLIENT_IN_EXEC, CLIENT_INTERNAL, CLIENT_MONITOR, CLIENT_SCRIPT, CLIENT_UNIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(
        needs.Configuration,
        needs.Measurement,
        needs.Monitoring,
        needs.Persistence,
        needs.Records,
        needs.Table,
        Protocol,
    ):
        """What these commands need of the server."""


COMMANDS = [
    container("slowlog", group="server", since="2.2.12", summary="A container for commands about the slow log."),
    container(
        "commandlog",
        group="server",
        since="8.1.0",
        summary="A container for commands about the logs of slow, large-request and large-reply commands.",
    ),
    container("latency", group="server", since="2.8.13", summary="A container for commands about latency."),
    container("memory", group="server", since="4.0.0", summary="A container for commands about memory."),
]

SLOWLOG_DEFAULT_COUNT = 10
MEMORY_SAMPLES = 5  # elements whose size stands for that of all, unless MEMORY USAGE says otherwise


@command(
    "slowlog|get",
    -2,
    "admin loading stale",
    group="server",
    since="2.2.12",
    tips="request_policy:all_nodes nondeterministic_output",
    syntax="[count:integer]",
    summary="Returns the latest entries of the log.",
    complexity="O(N) for N entries returned",
)
def slowlog_get(server: Server, connection: Connection, args: list[bytes]) -> object:
    """SLOWLOG GET [count]: -1 for all."""
    if len(args) > 3:
        raise subcommand_error(args)
    return _latest(server, SLOW, args[2] if len(args) == 3 else b"%d" % SLOWLOG_DEFAULT_COUNT)


@command(
    "slowlog|len",
    2,
    "admin loading stale",
    group="server",
    since="2.2.12",
    tips="request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
    summary="Counts the entries of the log.",
    complexity="O(1)",
)
def slowlog_len(server: Server, connection: Connection, args: list[bytes]) -> object:
    """SLOWLOG LEN."""
    return server.command_log.length(SLOW)


@command(
    "slowlog|reset",
    2,
    "admin loading stale",
    group="server",
    since="2.2.12",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    summary="Empties the log.",
    complexity="O(N) for N entries",
)
def slowlog_reset(server: Server, connection: Connection, args: list[bytes]) -> object:
    """SLOWLOG RESET."""
    server.command_log.reset(SLOW)
    return OK


@command(
    "slowlog|help",
    2,
    "loading stale",
    group="server",
    since="6.2.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def slowlog_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """SLOWLOG HELP."""
    return help_reply(
        "slowlog",
        (
            (
                "GET [<count>]",
                "Show the latest entries, 10 of them unless told; -1 shows all. An entry has:\n"
                "its number, Unix time, microseconds taken, arguments, the client's address and name.",
            ),
            ("LEN", "Count the entries."),
            ("RESET", "Empty the log."),
        ),
    )


@command(
    "commandlog|get",
    4,
    "admin loading stale",
    group="server",
    since="8.1.0",
    tips="request_policy:all_nodes nondeterministic_output",
    syntax="count:integer type:('slow' | 'large-request' | 'large-reply')",
    summary="Returns the latest entries of a log.",
    complexity="O(N) for N entries returned",
)
def commandlog_get(server: Server, connection: Connection, args: list[bytes]) -> object:
    """COMMANDLOG GET count type."""
    return _latest(server, _log_kind(args[3]), args[2])


@command(
    "commandlog|len",
    3,
    "admin loading stale",
    group="server",
    since="8.1.0",
    tips="request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
    syntax="type:('slow' | 'large-request' | 'large-reply')",
    summary="Counts the entries of a log.",
    complexity="O(1)",
)
def commandlog_len(server: Server, connection: Connection, args: list[bytes]) -> object:
    """COMMANDLOG LEN type."""
    return server.command_log.length(_log_kind(args[2]))


@command(
    "commandlog|reset",
    3,
    "admin loading stale",
    group="server",
    since="8.1.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    syntax="type:('slow' | 'large-request' | 'large-reply')",
    summary="Empties a log.",
    complexity="O(N) for N entries",
)
def commandlog_reset(server: Server, connection: Connection, args: list[bytes]) -> object:
    """COMMANDLOG RESET type."""
    server.command_log.reset(_log_kind(args[2]))
    return OK


@command(
    "commandlog|help",
    2,
    "loading stale",
    group="server",
    since="8.1.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def commandlog_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """COMMANDLOG HELP."""
    return help_reply(
        "commandlog",
        (
            (
                "GET <count> <type>",
                "Show the latest entries of a log; a count of -1 shows all. An entry has:\n"
                "its number, Unix time, microseconds taken (slow) or bytes (large-request, large-reply),\n"
                "arguments, the client's address and name.",
            ),
            ("LEN <type>", "Count the entries of a log."),
            ("RESET <type>", "Empty a log."),
        ),
    )


def _log_kind(name: bytes) -> int:
    kind = KIND_NAMES.get(name.lower())
    if kind is None:
        raise CommandError("ERR type should be one of the following: slow, large-request, large-reply")
    return kind


def _latest(server: Server, kind: int, count: bytes) -> list[object]:
    number = parse_integer(count.decode("latin-1"))
    if number is None or number < -1:
        raise CommandError("ERR count should be greater than or equal to -1")
    return [entry.as_reply() for entry in server.command_log.latest(kind, number)]


@command(
    "latency|latest",
    2,
    "admin noscript loading stale",
    group="server",
    since="2.8.13",
    tips="nondeterministic_output request_policy:all_nodes response_policy:special",
    summary="Returns the latest latency of every event.",
    complexity="O(1)",
)
def latency_latest(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY LATEST: of each event name, time and latency of the last sample, and maximum, sum and count of all."""
    return [
        [name, *event.samples[-1], event.maximum, event.total, event.count]
        for name, event in server.latency.events.items()
    ]


@command(
    "latency|history",
    3,
    "admin noscript loading stale",
    group="server",
    since="2.8.13",
    tips="nondeterministic_output request_policy:all_nodes response_policy:special",
    syntax="event",
    summary="Returns the recorded latencies of an event.",
    complexity="O(1)",
)
def latency_history(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY HISTORY event: times and latencies, the oldest first."""
    event = server.latency.events.get(args[2].decode("latin-1"))
    return [list(sample) for sample in event.samples] if event is not None else []


@command(
    "latency|reset",
    -2,
    "admin noscript loading stale",
    group="server",
    since="2.8.13",
    tips="request_policy:all_nodes response_policy:agg_sum",
    syntax="[event...]",
    summary="Forgets the latencies of some or all events.",
    complexity="O(1)",
)
def latency_reset(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY RESET [event ...]: how many events there were."""
    return server.latency.reset([name.decode("latin-1") for name in args[2:]])


@command(
    "latency|graph",
    3,
    "admin noscript loading stale",
    group="server",
    since="2.8.13",
    tips="nondeterministic_output request_policy:all_nodes response_policy:special",
    syntax="event",
    summary="Draws the latencies of an event in characters.",
    complexity="O(1)",
)
def latency_graph(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY GRAPH event."""
    # As the original's texts, the name ends at a NUL.
    name = args[2].split(b"\0")[0].decode("utf-8", "surrogateescape")
    if name not in server.latency.events:
        raise CommandError(f"ERR No samples available for event '{name}'")
    return Verbatim("txt", server.latency.graph(name))


@command(
    "latency|doctor",
    2,
    "admin noscript loading stale",
    group="server",
    since="2.8.13",
    tips="nondeterministic_output request_policy:all_nodes response_policy:special",
    summary="Explains in plain words what the recorded latencies point to.",
    complexity="O(1)",
)
def latency_doctor(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY DOCTOR."""
    return Verbatim("txt", server.latency.report(server.config["slowlog-log-slower-than"]))


@command(
    "latency|histogram",
    -2,
    "admin noscript loading stale",
    group="server",
    since="7.0.0",
    tips="nondeterministic_output request_policy:all_nodes response_policy:special",
    syntax="[COMMAND:string...]",
    summary="Returns the distribution of the latencies of commands.",
    complexity="O(N) for N commands asked for",
)
def latency_histogram(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY HISTOGRAM [command ...]: a command with subcommands stands for all of them; unknown ones are left out."""
    rows: list[CommandRow] = []
    if len(args) == 2:
        rows = server.table.rows
    for name in args[2:]:
        row = server.table.find(name)
        if row is not None:
            rows += [row, *row.subcommands.values()]
    reply: dict[bytes, object] = {}
    for row in rows:
        histogram = server.engine.latency_histogram(row.id)
        if histogram:
            reply[row.name.encode()] = {
                b"calls": sum(count for _, count in histogram),
                b"histogram_usec": cumulative_microseconds(histogram),
            }
    return reply


def cumulative_microseconds(histogram: list[tuple[int, int]]) -> dict[int, int]:
    """How many calls took up to about 1, 2, 4 ... microseconds, as far as each is more than the one before.

    histogram: (upper bound in nanoseconds, calls) of each bucket that is not empty. The bounds are those of the
    original's buckets, 1/128 above a power of two of nanoseconds: 1, 2, 4, 8, 16, 33, 66 ...
    """
    steps: dict[int, int] = {}
    power = 1024
    seen = 0
    for bound, count in histogram:
        while bound > power + power // 128 - 1:
            power *= 2
        seen += count
        steps[(power + power // 128 - 1) // 1000] = seen
    return steps


@command(
    "latency|help",
    2,
    "loading stale",
    group="server",
    since="2.8.13",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def latency_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LATENCY HELP."""
    return help_reply(
        "latency",
        (
            ("DOCTOR", "Explain in plain words what the recorded latencies point to."),
            ("GRAPH <event>", "Draw the latencies of an event."),
            ("HISTORY <event>", "Show times and latencies of an event."),
            ("LATEST", "Show the latest and the longest latency of every event."),
            ("RESET [<event> ...]", "Forget these events, or all."),
            ("HISTOGRAM [<command> ...]", "Show how long calls of these commands took, or of all."),
        ),
    )


@command(
    "memory|usage",
    -3,
    "readonly",
    keys="RO @ 2",
    group="server",
    since="4.0.0",
    syntax="key [SAMPLES count:integer]",
    summary="Estimates the memory that a key and its value take.",
    complexity="O(N) for N elements sampled",
)
def memory_usage(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MEMORY USAGE key [SAMPLES count]: bytes; null where there is no such key."""
    samples = MEMORY_SAMPLES
    for position in range(3, len(args), 2):
        if args[position].lower() != b"samples" or position + 1 == len(args):
            raise CommandError(SYNTAX_ERROR)
        samples = parse_integer_argument(args[position + 1])
        if samples < 0:
            raise CommandError(SYNTAX_ERROR)
    facts = server.engine.inspect(connection.database, args[2], samples)
    return None if facts is None else facts["memory"]


@command(
    "memory|stats",
    2,
    "",
    group="server",
    since="4.0.0",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
    summary="Returns the figures of memory use.",
    complexity="O(1)",
)
def memory_stats(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MEMORY STATS: names and values; bytes, counts and ratios."""
    figures = MemoryFigures(server)
    net = max(0, figures.used - figures.startup)
    scripting = server.engine.scripting_statistics()
    reply: dict[str, object] = {
        "peak.allocated": figures.peak,
        "total.allocated": figures.used,
        "startup.allocated": figures.startup,
        "replication.backlog": 0,
        "replica.fullsync.buffer": 0,
        "replicas.repl.buffer": 0,
        "clients.slaves": figures.replicas,
        "clients.normal": figures.clients,
        "cluster.links": 0,
        "cluster.slot_import": 0,
        "cluster.slot_export": 0,
        "aof.buffer": server.append_only.log.waiting,
        "lua.caches": scripting["scripts_memory"],
        "functions.caches": server.engine.function_statistics()["memory"],
        "script.VMs": scripting["vm_memory"],
    }
    for number in range(server.engine.databases_count):
        database = server.engine.database_statistics(number)
        if database["keys_table_bytes"]:
            reply[f"db.{number}"] = {
                "overhead.hashtable.main": database["keys_table_bytes"],
                "overhead.hashtable.expires": database["expires_table_bytes"],
            }
    reply |= {
        "overhead.db.hashtable.lut": figures.tables,
        "overhead.db.hashtable.rehashing": figures.rehashing_bytes,
        "overhead.total": figures.overhead,
        "db.dict.rehashing.count": figures.rehashing_tables,
        "keys.count": figures.keys,
        "keys.bytes-per-key": net // figures.keys if figures.keys else 0,
        "dataset.bytes": figures.dataset,
        "dataset.percentage": figures.dataset_percent,
        "peak.percentage": figures.peak_percent,
        "allocator.allocated": figures.used,
        "allocator.active": figures.heap,
        "allocator.resident": figures.heap,
        "allocator.muzzy": 0,
        "allocator-fragmentation.ratio": figures.heap / max(figures.used, 1),
        "allocator-fragmentation.bytes": figures.heap - figures.used,
        "allocator-rss.ratio": 1.0,
        "allocator-rss.bytes": 0,
        "rss-overhead.ratio": figures.resident / max(figures.heap, 1),
        "rss-overhead.bytes": figures.resident - figures.heap,
        "fragmentation": figures.resident / max(figures.used, 1),
        "fragmentation.bytes": figures.resident - figures.used,
    }
    own = server.config.presented["memory_rows"]
    others = {name for profile in PROFILES.values() for name in profile["memory_rows"] if name not in own}
    return {name: value for name, value in reply.items() if name not in others}


EMPTY_BELOW = 5 << 20  # bytes: a server with less has nothing to be diagnosed
WORTH_TELLING = 10 << 20  # bytes
INTERPRETER_SHARE = 64 << 20  # bytes of the process that are not the heap's, and no cause for concern
LARGE_CLIENT = 200 << 10  # bytes per client, on average


@command(
    "memory|doctor",
    2,
    "",
    group="server",
    since="4.0.0",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
    summary="Explains in plain words what the memory figures point to.",
    complexity="O(1)",
)
def memory_doctor(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MEMORY DOCTOR."""
    figures = MemoryFigures(server)
    if figures.used < EMPTY_BELOW:
        return Verbatim("txt", "There is too little data in this server to say anything about its memory.\n")
    findings: list[str] = []
    if figures.peak > figures.used * 1.5:
        findings.append(
            f"Once, {human_bytes(figures.peak)} were in use, against {human_bytes(figures.used)} now. Memory that was "
            "freed is used again before more is taken from the system, so the process may stay larger than its data. "
            "MEMORY PURGE gives back what is wholly free."
        )
    if figures.heap > figures.used * 1.1 and figures.heap - figures.used > WORTH_TELLING:
        findings.append(
            f"The heap holds {human_bytes(figures.heap)} for {human_bytes(figures.used)} of data: blocks are scattered "
            "over more pages than they need. This happens when many values of a size were deleted, and gets better as "
            "values of that size are written. Loading the data set into a new process ends it."
        )
    if figures.resident > figures.heap * 1.1 and figures.resident - figures.heap > INTERPRETER_SHARE:
        findings.append(
            f"The process takes {human_bytes(figures.resident - figures.heap)} beside the heap of the data set. Look "
            "at what else runs in it: commands and functions in Python, large replies that they make."
        )
    if figures.clients > LARGE_CLIENT * max(server.engine.connections_count, 1):
        findings.append(
            f"Clients take {human_bytes(figures.clients)}, more than {human_bytes(LARGE_CLIENT)} each. One that asks "
            "for much and reads slowly is enough: CLIENT LIST shows it (omem), client-output-buffer-limit bounds it."
        )
    if not findings:
        return Verbatim("txt", "Nothing about the memory of this server is out of the ordinary.\n")
    return Verbatim("txt", "What the memory figures point to:\n\n" + "".join(f"* {text}\n\n" for text in findings))


@command(
    "memory|purge",
    2,
    "loading",
    group="server",
    since="4.0.0",
    tips="request_policy:all_shards response_policy:all_succeeded",
    summary="Asks the allocator to give unused memory back.",
    complexity="Depends on the allocator",
)
def memory_purge(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MEMORY PURGE."""
    server.engine.trim_memory()
    return OK


@command(
    "memory|malloc-stats",
    2,
    "loading",
    group="server",
    since="4.0.0",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
    summary="Returns what the allocator reports about itself.",
    complexity="Depends on the allocator",
)
def memory_malloc_stats(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MEMORY MALLOC-STATS."""
    memory = server.engine.memory
    rows = (
        ("in use", memory["used"]),
        ("in use at most", memory["peak"]),
        ("pages of small blocks, kept blocks", memory["mapped"]),
        ("large blocks", memory["large"]),
    )
    lines = "".join(f"{name:<36}{size:>16}\n" for name, size in rows)
    return Verbatim("txt", f"Bytes allocated for the data set\n{lines}")


@command(
    "memory|help",
    2,
    "loading stale",
    group="server",
    since="4.0.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def memory_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MEMORY HELP."""
    return help_reply(
        "memory",
        (
            ("DOCTOR", "Explain in plain words what the memory figures point to."),
            ("MALLOC-STATS", "Show what the allocator reports about itself."),
            ("PURGE", "Give unused memory back to the system."),
            ("STATS", "Show the figures of memory use."),
            (
                "USAGE <key> [SAMPLES <count>]",
                "Estimate the bytes that a key and its value take. Of a value with elements this many are looked at,\n"
                "5 unless told; 0 looks at all.",
            ),
        ),
    )


@command(
    "monitor",
    1,
    "admin noscript loading stale",
    group="server",
    since="1.0.0",
    summary="Streams every command that the server runs.",
)
def monitor(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MONITOR: a second one answers nothing."""
    if connection.flags & (CLIENT_IN_EXEC | CLIENT_INTERNAL):
        raise CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if connection.flags & CLIENT_MONITOR:
        return NO_REPLY
    connection.set_flag(CLIENT_MONITOR, True)
    server.monitors.add(connection)
    server.engine.set_gate("monitors", True)
    return OK


def monitor_line(server: Server, connection: Connection, args: list[bytes]) -> bytes:
    """What monitors are sent for a command of this connection, as it goes over the wire."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1000000)
    address = connection.address or ""
    if connection.flags & CLIENT_SCRIPT:
        address = "lua"
    elif connection.flags & CLIENT_UNIX:
        address = f"unix:{server.config['unixsocket']}"
    head = f"+{seconds}.{microseconds:06} [{connection.database} {address}]".encode()
    return b" ".join((head, *map(quote, redact(args)))) + b"\r\n"


def quote(value: bytes) -> bytes:
    """A value in double quotes, with escapes for what is not printable ASCII."""
    return b'"' + b"".join(map(_ESCAPED.__getitem__, value)) + b'"'


_ESCAPES = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
_ESCAPED = [_ESCAPES.get(byte) or (bytes((byte,)) if 0x20 <= byte < 0x7F else b"\\x%02x" % byte) for byte in range(256)]
