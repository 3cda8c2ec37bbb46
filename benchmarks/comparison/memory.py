"""Bytes per key or element, by the server's own count (`used_memory`) and by the kernel's (resident size).

Every shape is loaded into a fresh process, because a process that has freed memory shows little of what it takes
next. Before the first reading a thousand of the same are loaded and removed, so that code, buffers and arenas that are
touched once are not counted as data. After loading every entry is read once, which brings incremental rehashing to its
end, and the second reading waits until `used_memory` stands still.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .mode import Bench, Mode
from .options import option, pick, telling, whole_number
from .progress import Progress
from .report import Metric, Row
from .servers import Server
from .wire import numbered, send_all

METRICS = [
    Metric("used_bytes", "used_memory per key or element", "bytes", 1, checked=True, charted=True),
    Metric("resident_bytes", "Resident size per key or element", "bytes", 1, checked=True, charted=True),
]
_WARM = 1_000
_PLAIN = "%09d"  # with its letter before it, a value of 10 bytes that is no integer


@dataclass(frozen=True)
class Shape:
    """One kind of data: the command that makes entry number n, and one that looks it up and answers in one line.

    A list needs none. ZSCORE answers two lines, so a sorted set is asked to remove a member that it does not have.
    """

    name: str
    make: tuple[str, ...]
    item: tuple[str, ...]
    tail: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    read_item: tuple[str, ...] = ()

    def made(self, count: int) -> Iterator[tuple[bytes, int]]:
        return numbered(self.make, self.item, count, tail=self.tail)

    def reads(self, count: int) -> Iterator[tuple[bytes, int]]:
        return numbered(self.read, self.read_item, count) if self.read else iter(())


_FIELDS = tuple(text for number in range(1, 6) for text in (f"field{number}", f"val{number}"))
_KEY = "key:%012d"

SHAPES: dict[str, Shape] = {
    "string": Shape("16-byte key, 10-byte value", ("SET",), (_KEY, "v" + _PLAIN), (), ("EXISTS",), (_KEY,)),
    "ttl": Shape("the same with a TTL", ("SET",), (_KEY, "v" + _PLAIN), ("EX", "100000"), ("EXISTS",), (_KEY,)),
    "string100": Shape("16-byte key, 100-byte value", ("SET",), (_KEY, "v" * 91 + _PLAIN), (), ("EXISTS",), (_KEY,)),
    "integer": Shape("16-byte key, integer value", ("SET",), (_KEY, "1%07d"), (), ("EXISTS",), (_KEY,)),
    "hash": Shape("hash of 5 small fields", ("HSET",), (_KEY, *_FIELDS), (), ("EXISTS",), (_KEY,)),
    "bigzset": Shape(
        "member of a big sorted set", ("ZADD", "big"), ("1%07d", "member:%012d"), (), ("ZREM", "big"), ("absent:%012d",)
    ),
    "bigset": Shape(
        "member of a big set", ("SADD", "big"), ("member:%012d",), (), ("SISMEMBER", "big"), ("member:%012d",)
    ),
    "bighash": Shape(
        "field of a big hash", ("HSET", "big"), ("field:%012d", "v%06d"), (), ("HEXISTS", "big"), ("field:%012d",)
    ),
    "biglist": Shape("element of a big list", ("RPUSH", "big"), ("element:%012d",)),
}

STRING_SHAPES = ("string", "ttl", "string100", "integer")


def pick_shapes(names: str) -> list[Shape]:
    """Turn `all`, `strings` or a comma-separated list into shapes; raises ValueError for an unknown name."""
    return pick("shape", names, SHAPES, {"strings": STRING_SHAPES})


@dataclass(frozen=True)
class Settings:
    """Which shapes, and how many entries of each."""

    shapes: Sequence[Shape] = option(
        "all", telling(pick_shapes), f"all, strings, or of: {','.join(SHAPES)} (default: all)"
    )
    keys: int = option(300_000, whole_number(10_000, 1_000_000), "keys or elements per shape")
    rounds: int = option(1, whole_number(1, 20))

    @property
    def title(self) -> str:
        return f"Memory of {self.keys:,} keys or elements"


def measure_shape(server: Server, shape: Shape, count: int) -> tuple[float, float]:
    """Return (used, resident) bytes per entry on a fresh server, which holds the data afterwards."""
    send_all(server.port, shape.made(_WARM))
    send_all(server.port, shape.reads(_WARM))
    with server.connect() as connection:
        connection.call("FLUSHALL")
    used_before, resident_before = server.settled_memory()
    send_all(server.port, shape.made(count))
    send_all(server.port, shape.reads(count))
    used_after, resident_after = server.settled_memory()
    return (used_after - used_before) / count, (resident_after - resident_before) / count


def measure(bench: Bench, settings: Settings) -> None:
    """Measure every shape on every server, taking turns, each time in a process of its own."""
    with Progress(len(settings.shapes) * len(bench.specs) * settings.rounds, "memory") as progress:
        for _ in range(settings.rounds):
            for shape in settings.shapes:
                for spec in bench.specs:
                    progress.note(f"{shape.name} {spec.name}")
                    with bench.start(spec) as server:
                        used, resident = measure_shape(server, shape, settings.keys)
                    bench.report.add("used_bytes", Row(shape.name), spec.name, used)
                    bench.report.add("resident_bytes", Row(shape.name), spec.name, resident)
                    progress.step()


MODE = Mode("memory", "bytes per key and per element", METRICS, Settings, measure)
