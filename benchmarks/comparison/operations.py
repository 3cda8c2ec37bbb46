"""Big operations: what single commands over large values cost, each beside the other servers.

The servers stay up together and take turns, as in `speed`. An operation is repeated until it has used the processor
time asked for; what it needs anew each time (a target that is missing, elements to remove) is made outside of the
reading.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server, Spec
from .wire import Argument, Connection, ServerError, encode, numbered, send_all

METRICS = [
    Metric("processor_ms", "Processor time per operation", "ms", 3, checked=True, charted=True),
    Metric("repetitions", "Repetitions per round", "", 0, shown=False),
]
_MARK = b"+PONG\r\n"
_MOST_REPETITIONS = 20_000

Batches = Iterator[tuple[bytes, int]]


@dataclass(frozen=True)
class Sizes:
    """How large the values are: members, fields, entries or points of a collection; bytes of a bitmap."""

    elements: int
    bitmap: int


@dataclass(frozen=True)
class Operation:
    """A command that is measured, and what is sent before each of its repetitions.

    One that leaves work behind is over when the server has come to rest.
    """

    name: str
    command: tuple[Argument, ...]
    anew: tuple[tuple[Argument, ...], ...] = ()
    leaves_work: bool = False


@dataclass(frozen=True)
class Group:
    """Operations on the same data: `load` fills an empty server, `operations` are what is done then."""

    name: str
    load: Callable[[Sizes], Batches]
    operations: Callable[[Sizes], list[Operation]]


def commands(*every: Sequence[Argument]) -> Batches:
    """These commands, one by one."""
    for one in every:
        yield encode(*one), 1


def words(name: str, text: str) -> Operation:
    """An operation whose arguments have no spaces."""
    return Operation(name, tuple(text.split()))


def _load_sets(sizes: Sizes) -> Batches:
    count = sizes.elements
    # The second set shares half of its members with the first.
    for key, first in (("one", 0), ("two", count // 2)):
        yield from numbered(["SADD", f"text:{key}"], ["member:%012d"], count, first=first, items=50, batch=20)
    yield from commands(["CONFIG", "SET", "set-max-intset-entries", count])
    for key, first in (("one", count), ("two", count + count // 2)):
        # In batches from behind, as numbers of one width, each member would move all that follow it.
        yield from numbered(["SADD", f"whole:{key}"], ["%08d"], count, first=10_000_000 + first, items=50, batch=20)
    yield from commands(["CONFIG", "SET", "set-max-intset-entries", 512])
    for key, first in (("one", count), ("two", count + count // 2)):
        yield from numbered(["SADD", f"table:{key}"], ["%08d"], count, first=10_000_000 + first, items=50, batch=20)
    yield from numbered(["SADD", "few"], ["member:%012d"], 100, items=100)
    for key, first in (("one", 0), ("two", 64)):
        yield from numbered(["SADD", f"small:{key}"], ["member:%06d"], 128, first=first, items=128)


def _set_operations(sizes: Sizes) -> list[Operation]:
    found = []
    for kind, title in (("text", "texts"), ("whole", "an intset"), ("table", "numbers in a table")):
        pair = f"{kind}:one {kind}:two"
        found += [words(f"{name.lower()} {title}", f"{name} {pair}") for name in ("SINTER", "SUNION", "SDIFF")]
        found += [
            words(f"{name.lower()} {title}", f"{name} target {pair}")
            for name in ("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE")
        ]
        found += [
            words(f"sintercard {title}", f"SINTERCARD 2 {pair}"),
            words(f"smembers {title}", f"SMEMBERS {kind}:one"),
            words(f"srandmember of {title}, half", f"SRANDMEMBER {kind}:one {sizes.elements // 2}"),
        ]
    return [
        *found,
        words("sinter of few and many", "SINTER few text:one text:two"),
        words("sdiff of few and many", "SDIFF few text:two"),
        words("sunion of two small sets", "SUNION small:one small:two"),
        words("sinter of two small sets", "SINTER small:one small:two"),
        words("sunionstore of two small sets", "SUNIONSTORE target small:one small:two"),
        Operation("del of a set", ("DEL", "copy"), (("COPY", "text:one", "copy", "REPLACE"),), leaves_work=True),
        words("copy of a set", "COPY text:one copy REPLACE"),
    ]


def _load_sorted_sets(sizes: Sizes) -> Batches:
    count = sizes.elements
    for key, first in (("one", 0), ("two", count // 2)):
        yield from numbered(["ZADD", key], ["1%07d", "member:%012d"], count, first=first, items=50, batch=20)
    yield from numbered(["ZADD", "big"], ["1%07d", "member:%012d"], 10 * count, items=50, batch=20)
    yield from numbered(["ZADD", "lexical"], ["0", "member:%012d"], count, items=50, batch=20)


def _sorted_set_operations(sizes: Sizes) -> list[Operation]:
    count = sizes.elements
    middle = f"{10_000_000 + 4 * count} {10_000_000 + 5 * count - 1}"
    ranks = f"{4 * count} {5 * count - 1}"
    copy = (("COPY", "one", "copy", "REPLACE"),)
    return [
        words("zunionstore", "ZUNIONSTORE target 2 one two"),
        words("zinterstore", "ZINTERSTORE target 2 one two"),
        words("zdiffstore", "ZDIFFSTORE target 2 one two"),
        words("zunion", "ZUNION 2 one two WITHSCORES"),
        words("zinter", "ZINTER 2 one two"),
        words("zintercard", "ZINTERCARD 2 one two"),
        words("zrangebyscore, a tenth", f"ZRANGEBYSCORE big {middle}"),
        words("zrangebyscore, a tenth, with scores", f"ZRANGEBYSCORE big {middle} WITHSCORES"),
        words("zrange, a tenth", f"ZRANGE big {ranks}"),
        words("zrange, a tenth, with scores", f"ZRANGE big {ranks} WITHSCORES"),
        words("zrevrange, a tenth", f"ZREVRANGE big {ranks}"),
        words("zrange by member", f"ZRANGE lexical [member:0 (member:{count // 2:012d} BYLEX"),
        words("zrangestore", f"ZRANGESTORE target big {ranks}"),
        words("zrange of ten far behind", f"ZRANGE big {9 * count} {9 * count + 9}"),
        words("zcount", f"ZCOUNT big {middle}"),
        Operation("zremrangebyscore, half", ("ZREMRANGEBYSCORE", "copy", "-inf", 10_000_000 + count // 2), copy),
        Operation("zremrangebyrank, half", ("ZREMRANGEBYRANK", "copy", 0, count // 2), copy),
        Operation("zpopmin, half", ("ZPOPMIN", "copy", count // 2), copy),
        Operation("del of a sorted set", ("DEL", "copy"), copy, leaves_work=True),
        words("copy of a sorted set", "COPY one copy REPLACE"),
    ]


def _load_lists(sizes: Sizes) -> Batches:
    count = sizes.elements
    yield from numbered(["RPUSH", "list"], ["element:%012d"], count, items=50, batch=20)
    shuffled = random.Random(1).sample(range(count), count)
    for key, text in (("numbers", "%d"), ("texts", "element:%06d")):
        for start in range(0, count, 1000):
            yield encode("RPUSH", key, *(text % number for number in shuffled[start : start + 1000])), 1
    for start in range(0, count, 1000):
        pairs = [text for number in range(start, min(start + 1000, count)) for text in (f"weight:{number}", -number)]
        yield encode("MSET", *pairs), 1


def _list_operations(sizes: Sizes) -> list[Operation]:
    count = sizes.elements
    copy = (("COPY", "list", "copy", "REPLACE"),)
    return [
        words("lrange of all", "LRANGE list 0 -1"),
        words("lindex in the middle", f"LINDEX list {count // 2}"),
        words("lpos of the last", f"LPOS list element:{count - 1:012d}"),
        words("sort of numbers", "SORT numbers"),
        words("sort of texts", "SORT texts ALPHA"),
        words("sort by keys", "SORT numbers BY weight:*"),
        words("sort, the first ten", "SORT numbers LIMIT 0 10"),
        words("sort with get", "SORT numbers BY nosort GET weight:*"),
        words("sort and store", "SORT numbers STORE target"),
        Operation("ltrim to a half", ("LTRIM", "copy", count // 4, -count // 4), copy),
        Operation("lrem of one", ("LREM", "copy", 0, f"element:{count // 2:012d}"), copy),
        Operation("lpop of half", ("LPOP", "copy", count // 2), copy),
        Operation("del of a list", ("DEL", "copy"), copy, leaves_work=True),
        words("copy of a list", "COPY list copy REPLACE"),
        words("keys of all", "KEYS *"),
        words("keys of a tenth", "KEYS weight:1*"),
    ]


def _load_hashes(sizes: Sizes) -> Batches:
    yield from numbered(["HSET", "hash"], ["field:%012d", "value:%06d"], sizes.elements, items=50, batch=20)


def _hash_operations(sizes: Sizes) -> list[Operation]:
    some = [f"field:{number:012d}" for number in range(0, sizes.elements, max(sizes.elements // 1000, 1))]
    return [
        words("hgetall", "HGETALL hash"),
        words("hkeys", "HKEYS hash"),
        words("hvals", "HVALS hash"),
        Operation("hmget of a thousand", ("HMGET", "hash", *some)),
        words("hrandfield of half", f"HRANDFIELD hash {sizes.elements // 2}"),
        words("hrandfield of half, repeated", f"HRANDFIELD hash -{sizes.elements // 2}"),
        words("hscan of a thousand", "HSCAN hash 0 COUNT 1000"),
        Operation("del of a hash", ("DEL", "copy"), (("COPY", "hash", "copy", "REPLACE"),), leaves_work=True),
        words("copy of a hash", "COPY hash copy REPLACE"),
    ]


def _load_bitmaps(sizes: Sizes) -> Batches:
    chance = random.Random(1)
    for key in ("one", "two", "three"):
        yield encode("SET", f"bits:{key}", chance.randbytes(sizes.bitmap)), 1
    yield from commands(["SET", "bits:zero", bytes(sizes.bitmap)], ["SET", "bits:set", b"\xff" * sizes.bitmap])


def _bitmap_operations(sizes: Sizes) -> list[Operation]:
    found = [
        words("bitcount", "BITCOUNT bits:one"),
        words("bitcount of a range of bits", f"BITCOUNT bits:one 3 {8 * sizes.bitmap - 5} BIT"),
        words("bitpos of a set bit", "BITPOS bits:zero 1"),
        words("bitpos of a clear bit", "BITPOS bits:set 0"),
    ]
    for operation in ("AND", "OR", "XOR", "NOT"):
        keys = "bits:one" if operation == "NOT" else "bits:one bits:two"
        found.append(words(f"bitop {operation.lower()}", f"BITOP {operation} target {keys}"))
        found.append(
            Operation(
                f"bitop {operation.lower()}, missing target",
                ("BITOP", operation, "new", *keys.split()),
                (("DEL", "new"),),
            )
        )
    found.append(words("bitop or of three", "BITOP OR target bits:one bits:two bits:three"))
    return found


def _load_logs(sizes: Sizes) -> Batches:
    for number, key in enumerate(("one", "two", "three")):
        first = number * sizes.elements
        yield from numbered(["PFADD", f"log:{key}"], ["visitor:%012d"], sizes.elements, first=first, items=50, batch=20)
        yield from numbered(["PFADD", f"sparse:{key}"], ["visitor:%012d"], 200, first=200 * number, items=50)


def _log_operations(sizes: Sizes) -> list[Operation]:
    return [
        words("pfcount of two", "PFCOUNT log:one log:two"),
        Operation("pfcount of one", ("PFCOUNT", "log:one"), (("PFADD", "log:one", "a"), ("PFMERGE", "log:one"))),
        words("pfcount of two sparse", "PFCOUNT sparse:one sparse:two"),
        words("pfmerge of three", "PFMERGE log:target log:one log:two log:three"),
        words("pfmerge of three sparse", "PFMERGE sparse:target sparse:one sparse:two sparse:three"),
    ]


def _load_points(sizes: Sizes) -> Batches:
    chance = random.Random(1)
    for start in range(0, sizes.elements, 500):
        points: list[Argument] = []
        for number in range(start, min(start + 500, sizes.elements)):
            points += [f"{chance.uniform(5, 15):.6f}", f"{chance.uniform(45, 55):.6f}", f"point:{number}"]
        yield encode("GEOADD", "points", *points), 1


def _point_operations(sizes: Sizes) -> list[Operation]:
    search = "GEOSEARCH points FROMLONLAT 10 50"
    return [
        words("geosearch within 10 km", f"{search} BYRADIUS 10 km"),
        words("geosearch within 100 km", f"{search} BYRADIUS 100 km"),
        words("geosearch within 1000 km", f"{search} BYRADIUS 1000 km"),
        words("geosearch within 100 km, sorted", f"{search} BYRADIUS 100 km ASC WITHDIST WITHCOORD"),
        words("geosearch within 1000 km, the nearest ten", f"{search} BYRADIUS 1000 km ASC COUNT 10"),
        words("geosearch in 20 km by 20 km", f"{search} BYBOX 20 20 km"),
        words("geosearch in 800 km by 800 km", f"{search} BYBOX 800 800 km"),
        words("geosearchstore", "GEOSEARCHSTORE target points FROMLONLAT 10 50 BYRADIUS 300 km"),
    ]


def _load_streams(sizes: Sizes) -> Batches:
    yield from numbered(["XADD", "stream"], ["1%09d-0", "name", "value:%012d"], sizes.elements)
    yield from commands(["XGROUP", "CREATE", "stream", "readers", "0"])


def _stream_operations(sizes: Sizes) -> list[Operation]:
    half = sizes.elements // 2
    return [
        words("xrange of all", "XRANGE stream - +"),
        words("xrevrange of all", "XREVRANGE stream + -"),
        words("xread of half", f"XREAD COUNT {half} STREAMS stream 0"),
        Operation(
            "xreadgroup of half",
            ("XREADGROUP", "GROUP", "readers", "reader", "COUNT", half, "STREAMS", "stream", ">"),
            (("XGROUP", "DESTROY", "stream", "readers"), ("XGROUP", "CREATE", "stream", "readers", "0")),
        ),
        Operation("xtrim to half", ("XTRIM", "copy", "MAXLEN", half), (("COPY", "stream", "copy", "REPLACE"),)),
        Operation("del of a stream", ("DEL", "copy"), (("COPY", "stream", "copy", "REPLACE"),), leaves_work=True),
        words("copy of a stream", "COPY stream copy REPLACE"),
    ]


GROUPS: dict[str, Group] = {
    group.name: group
    for group in (
        Group("sets", _load_sets, _set_operations),
        Group("zsets", _load_sorted_sets, _sorted_set_operations),
        Group("lists", _load_lists, _list_operations),
        Group("hashes", _load_hashes, _hash_operations),
        Group("bitmaps", _load_bitmaps, _bitmap_operations),
        Group("logs", _load_logs, _log_operations),
        Group("geo", _load_points, _point_operations),
        Group("streams", _load_streams, _stream_operations),
    )
}


def pick_groups(names: str) -> list[Group]:
    """Turn `all` or a comma-separated list into groups; raises ValueError for an unknown name."""
    if names == "all":
        return list(GROUPS.values())
    unknown = [name for name in names.split(",") if name not in GROUPS]
    if unknown:
        raise ValueError(f"no group named {unknown[0]!r}; there are: {', '.join(GROUPS)}")
    return [GROUPS[name] for name in names.split(",")]


def exchange(connection: Connection, request: bytes) -> None:
    """Send a command and a PING behind it, and read until the PONG; raises ServerError for an error reply.

    The replies in between are not parsed: they are megabytes.
    """
    stream = connection.socket
    stream.sendall(request + encode("PING"))
    head = end = b""
    while not end.endswith(_MARK):
        data = stream.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        head = head or data[:200]
        end = (end + data)[-len(_MARK) :] if len(data) < len(_MARK) else data[-len(_MARK) :]
    if head.startswith(b"-"):
        raise ServerError(head[1:].split(b"\r\n", 1)[0].decode(errors="replace"))


def rest(server: Server) -> None:
    """Return when the server has hardly worked for some milliseconds."""
    before = server.usage().processor
    while True:
        time.sleep(0.005)
        now = server.usage().processor
        if now - before < 0.0002:
            return
        before = now


def seconds_of(server: Server, connection: Connection, operation: Operation, repetitions: int) -> float:
    """Return the processor seconds of all repetitions together."""
    request = encode(*operation.command)
    total = 0.0
    if not operation.anew:
        began = server.usage()
        for _ in range(repetitions):
            exchange(connection, request)
        return server.usage().since(began).processor
    for _ in range(repetitions):
        for words_before in operation.anew:
            exchange(connection, encode(*words_before))
        began = server.usage()
        exchange(connection, request)
        if operation.leaves_work:
            rest(server)
        total += server.usage().since(began).processor
    return total


def repetitions_needed(seconds: Sequence[float], least: float) -> int:
    """Return how often even the server that needs the least for one repetition must do it to use `least` seconds."""
    return min(max(1, math.ceil(least / max(min(seconds), 1e-9))), _MOST_REPETITIONS)


def measure(
    report: Report,
    specs: Sequence[Spec],
    groups: Sequence[Group],
    *,
    sizes: Sizes,
    rounds: int,
    least: float,
    ports: Sequence[int],
    core: int,
) -> None:
    """Measure every operation on every server, group by group, in new processes for each group."""
    total = sum(len(group.operations(sizes)) for group in groups) * (rounds + 1)
    with Progress(total, "operations") as progress:
        for group in groups:
            with contextlib.ExitStack() as stack:
                servers = []
                for spec, port in zip(specs, ports, strict=True):
                    progress.note(f"{spec.name}: loading {group.name}")
                    server = stack.enter_context(Server(spec, port, core))
                    send_all(port, group.load(sizes))
                    connection = stack.enter_context(Connection(port, timeout=120.0))
                    server.pause()
                    servers.append((server, connection))
                for operation in group.operations(sizes):
                    _take_turns(report, servers, operation, rounds, least, progress)


def _take_turns(
    report: Report,
    servers: Sequence[tuple[Server, Connection]],
    operation: Operation,
    rounds: int,
    least: float,
    progress: Progress,
) -> None:
    """All rounds of one operation. The first repetitions warm up and tell how many are needed."""
    row = Row(operation.name)
    first = []
    known: list[tuple[Server, Connection]] = []
    for server, connection in servers:
        progress.note(f"{operation.name} {server.name}")
        with server.running():
            try:
                seconds_of(server, connection, operation, 2)
                first.append(seconds_of(server, connection, operation, 3) / 3)
                known.append((server, connection))
            except ServerError as error:
                report.note(f"{operation.name}: {server.name} answers {error}")
    progress.step()
    if not known:
        return
    repetitions = repetitions_needed(first, least)
    for _ in range(rounds):
        for server, connection in known:
            with server.running():
                each = seconds_of(server, connection, operation, repetitions) / repetitions
            report.add("processor_ms", row, server.name, each * 1e3)
            report.add("repetitions", row, server.name, repetitions)
        progress.step()
