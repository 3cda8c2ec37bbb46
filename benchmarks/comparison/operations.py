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

from .mode import Bench, Mode
from .options import option, pick, seconds, telling, whole_number
from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server
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
    """A command that is measured, and those that are sent before each of its repetitions; no argument has spaces.

    One that leaves work behind is over when the server has come to rest.
    """

    name: str
    command: str
    anew: tuple[str, ...] = ()
    leaves_work: bool = False


@dataclass(frozen=True)
class Group:
    """Operations on the same data: `load` fills an empty server, `operations` are what is done then."""

    name: str
    load: Callable[[Sizes], Batches]
    operations: Callable[[Sizes], list[Operation]]


def command(*arguments: Argument) -> Batches:
    """One command."""
    yield encode(*arguments), 1


def filled(head: str, item: str, count: int, first: int = 0) -> Batches:
    """Commands that add `count` numbered items to a collection, from number `first` on."""
    yield from numbered(head.split(), item.split(), count, first=first, items=50, batch=20)


def copied(key: str) -> tuple[str, ...]:
    """For an operation that changes `copy`: what makes that one anew."""
    return (f"COPY {key} copy REPLACE",)


def of_the_whole(key: str, what: str) -> list[Operation]:
    """What is done to a whole value, whatever its type."""
    return [
        Operation(f"del of a {what}", "DEL copy", copied(key), leaves_work=True),
        Operation(f"copy of a {what}", f"COPY {key} copy REPLACE"),
    ]


def _load_sets(sizes: Sizes) -> Batches:
    count = sizes.elements
    # The second set of a pair shares half of its members with the first.
    pair = (("one", 0), ("two", count // 2))
    for key, first in pair:
        yield from filled(f"SADD text:{key}", "member:%012d", count, first)
    yield from command("CONFIG", "SET", "set-max-intset-entries", count)
    for key, first in pair:
        # In batches from behind, as numbers of one width, each member would move all that follow it.
        yield from filled(f"SADD whole:{key}", "%08d", count, 10_000_000 + first)
    yield from command("CONFIG", "SET", "set-max-intset-entries", 512)
    for key, first in pair:
        yield from filled(f"SADD table:{key}", "%08d", count, 10_000_000 + first)
    yield from filled("SADD few", "member:%012d", 100)
    for key, first in (("one", 0), ("two", 64)):
        yield from filled(f"SADD small:{key}", "member:%06d", 128, first)


def _set_operations(sizes: Sizes) -> list[Operation]:
    found = []
    for kind, title in (("text", "texts"), ("whole", "an intset"), ("table", "numbers in a table")):
        pair = f"{kind}:one {kind}:two"
        for name in ("SINTER", "SUNION", "SDIFF"):
            found.append(Operation(f"{name.lower()} {title}", f"{name} {pair}"))
        for name in ("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"):
            found.append(Operation(f"{name.lower()} {title}", f"{name} target {pair}"))
        found += [
            Operation(f"sintercard {title}", f"SINTERCARD 2 {pair}"),
            Operation(f"smembers {title}", f"SMEMBERS {kind}:one"),
            Operation(f"srandmember of {title}, half", f"SRANDMEMBER {kind}:one {sizes.elements // 2}"),
        ]
    return [
        *found,
        Operation("sinter of few and many", "SINTER few text:one text:two"),
        Operation("sdiff of few and many", "SDIFF few text:two"),
        Operation("sunion of two small sets", "SUNION small:one small:two"),
        Operation("sinter of two small sets", "SINTER small:one small:two"),
        Operation("sunionstore of two small sets", "SUNIONSTORE target small:one small:two"),
        *of_the_whole("text:one", "set"),
    ]


def _load_sorted_sets(sizes: Sizes) -> Batches:
    count = sizes.elements
    yield from filled("ZADD one", "1%07d member:%012d", count)
    yield from filled("ZADD two", "1%07d member:%012d", count, count // 2)
    yield from filled("ZADD big", "1%07d member:%012d", 10 * count)
    yield from filled("ZADD lexical", "0 member:%012d", count)


def _sorted_set_operations(sizes: Sizes) -> list[Operation]:
    count = sizes.elements
    middle = f"{10_000_000 + 4 * count} {10_000_000 + 5 * count - 1}"
    ranks = f"{4 * count} {5 * count - 1}"
    copy = copied("one")
    return [
        Operation("zunionstore", "ZUNIONSTORE target 2 one two"),
        Operation("zinterstore", "ZINTERSTORE target 2 one two"),
        Operation("zdiffstore", "ZDIFFSTORE target 2 one two"),
        Operation("zunion", "ZUNION 2 one two WITHSCORES"),
        Operation("zinter", "ZINTER 2 one two"),
        Operation("zintercard", "ZINTERCARD 2 one two"),
        Operation("zrangebyscore, a tenth", f"ZRANGEBYSCORE big {middle}"),
        Operation("zrangebyscore, a tenth, with scores", f"ZRANGEBYSCORE big {middle} WITHSCORES"),
        Operation("zrange, a tenth", f"ZRANGE big {ranks}"),
        Operation("zrange, a tenth, with scores", f"ZRANGE big {ranks} WITHSCORES"),
        Operation("zrevrange, a tenth", f"ZREVRANGE big {ranks}"),
        Operation("zrange by member", f"ZRANGE lexical [member:0 (member:{count // 2:012d} BYLEX"),
        Operation("zrangestore", f"ZRANGESTORE target big {ranks}"),
        Operation("zrange of ten far behind", f"ZRANGE big {9 * count} {9 * count + 9}"),
        Operation("zcount", f"ZCOUNT big {middle}"),
        Operation("zremrangebyscore, half", f"ZREMRANGEBYSCORE copy -inf {10_000_000 + count // 2}", copy),
        Operation("zremrangebyrank, half", f"ZREMRANGEBYRANK copy 0 {count // 2}", copy),
        Operation("zpopmin, half", f"ZPOPMIN copy {count // 2}", copy),
        *of_the_whole("one", "sorted set"),
    ]


def _load_lists(sizes: Sizes) -> Batches:
    count = sizes.elements
    yield from filled("RPUSH list", "element:%012d", count)
    shuffled = random.Random(1).sample(range(count), count)
    for key, text in (("numbers", "%d"), ("texts", "element:%06d")):
        for start in range(0, count, 1000):
            yield from command("RPUSH", key, *(text % number for number in shuffled[start : start + 1000]))
    for start in range(0, count, 1000):
        pairs = [text for number in range(start, min(start + 1000, count)) for text in (f"weight:{number}", -number)]
        yield from command("MSET", *pairs)


def _list_operations(sizes: Sizes) -> list[Operation]:
    count = sizes.elements
    copy = copied("list")
    return [
        Operation("lrange of all", "LRANGE list 0 -1"),
        Operation("lindex in the middle", f"LINDEX list {count // 2}"),
        Operation("lpos of the last", f"LPOS list element:{count - 1:012d}"),
        Operation("sort of numbers", "SORT numbers"),
        Operation("sort of texts", "SORT texts ALPHA"),
        Operation("sort by keys", "SORT numbers BY weight:*"),
        Operation("sort, the first ten", "SORT numbers LIMIT 0 10"),
        Operation("sort with get", "SORT numbers BY nosort GET weight:*"),
        Operation("sort and store", "SORT numbers STORE target"),
        Operation("ltrim to a half", f"LTRIM copy {count // 4} {-count // 4}", copy),
        Operation("lrem of one", f"LREM copy 0 element:{count // 2:012d}", copy),
        Operation("lpop of half", f"LPOP copy {count // 2}", copy),
        *of_the_whole("list", "list"),
        Operation("keys of all", "KEYS *"),
        Operation("keys of a tenth", "KEYS weight:1*"),
    ]


def _load_hashes(sizes: Sizes) -> Batches:
    yield from filled("HSET hash", "field:%012d value:%06d", sizes.elements)


def _hash_operations(sizes: Sizes) -> list[Operation]:
    count = sizes.elements
    some = " ".join(f"field:{number:012d}" for number in range(0, count, max(count // 1000, 1)))
    return [
        Operation("hgetall", "HGETALL hash"),
        Operation("hkeys", "HKEYS hash"),
        Operation("hvals", "HVALS hash"),
        Operation("hmget of a thousand", f"HMGET hash {some}"),
        Operation("hrandfield of half", f"HRANDFIELD hash {count // 2}"),
        Operation("hrandfield of half, repeated", f"HRANDFIELD hash -{count // 2}"),
        Operation("hscan of a thousand", "HSCAN hash 0 COUNT 1000"),
        *of_the_whole("hash", "hash"),
    ]


def _load_bitmaps(sizes: Sizes) -> Batches:
    chance = random.Random(1)
    for key in ("one", "two", "three"):
        yield from command("SET", f"bits:{key}", chance.randbytes(sizes.bitmap))
    yield from command("SET", "bits:zero", bytes(sizes.bitmap))
    yield from command("SET", "bits:set", b"\xff" * sizes.bitmap)


def _bitmap_operations(sizes: Sizes) -> list[Operation]:
    found = [
        Operation("bitcount", "BITCOUNT bits:one"),
        Operation("bitcount of a range of bits", f"BITCOUNT bits:one 3 {8 * sizes.bitmap - 5} BIT"),
        Operation("bitpos of a set bit", "BITPOS bits:zero 1"),
        Operation("bitpos of a clear bit", "BITPOS bits:set 0"),
    ]
    for name, keys in (
        ("AND", "bits:one bits:two"),
        ("OR", "bits:one bits:two"),
        ("XOR", "bits:one bits:two"),
        ("NOT", "bits:one"),
    ):
        title = f"bitop {name.lower()}"
        found.append(Operation(title, f"BITOP {name} target {keys}"))
        found.append(Operation(f"{title}, missing target", f"BITOP {name} new {keys}", ("DEL new",)))
    found.append(Operation("bitop or of three", "BITOP OR target bits:one bits:two bits:three"))
    return found


def _load_logs(sizes: Sizes) -> Batches:
    for number, key in enumerate(("one", "two", "three")):
        yield from filled(f"PFADD log:{key}", "visitor:%012d", sizes.elements, number * sizes.elements)
        yield from filled(f"PFADD sparse:{key}", "visitor:%012d", 200, number * 200)


def _log_operations(sizes: Sizes) -> list[Operation]:
    return [
        Operation("pfcount of two", "PFCOUNT log:one log:two"),
        Operation("pfcount of one", "PFCOUNT log:one", ("PFADD log:one a", "PFMERGE log:one")),
        Operation("pfcount of two sparse", "PFCOUNT sparse:one sparse:two"),
        Operation("pfmerge of three", "PFMERGE log:target log:one log:two log:three"),
        Operation("pfmerge of three sparse", "PFMERGE sparse:target sparse:one sparse:two sparse:three"),
    ]


def _load_points(sizes: Sizes) -> Batches:
    chance = random.Random(1)
    for start in range(0, sizes.elements, 500):
        points: list[Argument] = []
        for number in range(start, min(start + 500, sizes.elements)):
            points += [f"{chance.uniform(5, 15):.6f}", f"{chance.uniform(45, 55):.6f}", f"point:{number}"]
        yield from command("GEOADD", "points", *points)


def _point_operations(sizes: Sizes) -> list[Operation]:
    search = "GEOSEARCH points FROMLONLAT 10 50"
    return [
        Operation("geosearch within 10 km", f"{search} BYRADIUS 10 km"),
        Operation("geosearch within 100 km", f"{search} BYRADIUS 100 km"),
        Operation("geosearch within 1000 km", f"{search} BYRADIUS 1000 km"),
        Operation("geosearch within 100 km, sorted", f"{search} BYRADIUS 100 km ASC WITHDIST WITHCOORD"),
        Operation("geosearch within 1000 km, the nearest ten", f"{search} BYRADIUS 1000 km ASC COUNT 10"),
        Operation("geosearch in 20 km by 20 km", f"{search} BYBOX 20 20 km"),
        Operation("geosearch in 800 km by 800 km", f"{search} BYBOX 800 800 km"),
        Operation("geosearchstore", "GEOSEARCHSTORE target points FROMLONLAT 10 50 BYRADIUS 300 km"),
    ]


def _load_streams(sizes: Sizes) -> Batches:
    yield from numbered(["XADD", "stream"], ["1%09d-0", "name", "value:%012d"], sizes.elements)
    yield from command("XGROUP", "CREATE", "stream", "readers", "0")


def _stream_operations(sizes: Sizes) -> list[Operation]:
    half = sizes.elements // 2
    new_group = ("XGROUP DESTROY stream readers", "XGROUP CREATE stream readers 0")
    return [
        Operation("xrange of all", "XRANGE stream - +"),
        Operation("xrevrange of all", "XREVRANGE stream + -"),
        Operation("xread of half", f"XREAD COUNT {half} STREAMS stream 0"),
        Operation("xreadgroup of half", f"XREADGROUP GROUP readers reader COUNT {half} STREAMS stream >", new_group),
        Operation("xtrim to half", f"XTRIM copy MAXLEN {half}", copied("stream")),
        *of_the_whole("stream", "stream"),
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
    return pick("group", names, GROUPS)


@dataclass(frozen=True)
class Settings:
    """Which groups, and how large their values are."""

    groups: Sequence[Group] = option(
        "all", telling(pick_groups), f"all, or of: {','.join(GROUPS)} (default: all)", metavar="NAMES"
    )
    elements: int = option(100_000, whole_number(1_000, 1_000_000), "in a collection")
    megabytes: int = option(64, whole_number(1, 512), "in a bitmap")
    rounds: int = option(5, whole_number(1, 100))
    least_processor: float = option(0.05, seconds, "seconds of processor time per round")

    @property
    def title(self) -> str:
        return f"Operations on {self.elements:,} elements, or {self.megabytes} MiB"

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.elements, self.megabytes << 20)


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
    request = encode(*operation.command.split())
    anew = [encode(*text.split()) for text in operation.anew]
    total = 0.0
    if not anew:
        began = server.usage()
        for _ in range(repetitions):
            exchange(connection, request)
        return server.usage().since(began).processor
    for _ in range(repetitions):
        for before in anew:
            exchange(connection, before)
        began = server.usage()
        exchange(connection, request)
        if operation.leaves_work:
            rest(server)
        total += server.usage().since(began).processor
    return total


def repetitions_needed(seconds: Sequence[float], least: float) -> int:
    """Return how often even the server that needs the least for one repetition must do it to use `least` seconds."""
    return min(max(1, math.ceil(least / max(min(seconds), 1e-9))), _MOST_REPETITIONS)


def measure(bench: Bench, settings: Settings) -> None:
    """Measure every operation on every server, group by group, in new processes for each group."""
    sizes = settings.sizes
    total = sum(len(group.operations(sizes)) for group in settings.groups) * (settings.rounds + 1)
    with Progress(total, "operations") as progress:
        for group in settings.groups:
            with contextlib.ExitStack() as stack:
                servers = []
                for spec in bench.specs:
                    progress.note(f"{spec.name}: loading {group.name}")
                    server = stack.enter_context(bench.start(spec))
                    send_all(server.port, group.load(sizes))
                    connection = stack.enter_context(Connection(server.port, timeout=120.0))
                    server.pause()
                    servers.append((server, connection))
                for operation in group.operations(sizes):
                    _take_turns(bench.report, servers, operation, settings, progress)


def _take_turns(
    report: Report,
    servers: Sequence[tuple[Server, Connection]],
    operation: Operation,
    settings: Settings,
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
    repetitions = repetitions_needed(first, settings.least_processor)
    for _ in range(settings.rounds):
        for server, connection in known:
            with server.running():
                each = seconds_of(server, connection, operation, repetitions) / repetitions
            report.add("processor_ms", row, server.name, each * 1e3)
            report.add("repetitions", row, server.name, repetitions)
        progress.step()


MODE = Mode("operations", "processor time of single commands over large values", METRICS, Settings, measure)
