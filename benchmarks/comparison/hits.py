"""How well a full cache chooses what to evict: hit ratio of reads, and how far memory gets past its limit.

Keys are asked for with Zipf's distribution; a key that is not there is set. All servers get the same requests at the
same pace and time, because recency is measured in seconds. By default each gets the memory that a share of the keys
takes in it, so that what is compared is the choice and not the size of an entry.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .mode import Bench, Mode
from .options import option, pick, telling, whole_number
from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server
from .wire import Connection, encode, numbered, send_all

METRICS = [
    Metric("hit_percent", "Hits", "% of reads", 2),
    Metric("over_percent", "Memory over its limit, at most", "%", 2),
    Metric("keys", "Keys held", "keys", 0),
]
POLICIES = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)
SEED = 1
BATCH = 100  # requests per pipeline
LOOK_EVERY = 20  # batches between looks at used_memory
WARM_UP = 0.4  # share of the requests that are not counted
_KEY = "key:%012d"


def pick_policies(names: str) -> list[str]:
    """Turn `all` or a comma-separated list into policies; raises ValueError for an unknown name."""
    return pick("policy", names, {policy: policy for policy in POLICIES})


@dataclass(frozen=True)
class Settings:
    """What the cache may hold, and what it is asked for."""

    policies: Sequence[str] = option(
        "allkeys-lru,allkeys-lfu", telling(pick_policies), "of maxmemory-policy, with commas between"
    )
    keys: int = option(200_000, whole_number(1000, 10_000_000), "keys that are asked for")
    share: float = option(0.1, float, "of the keys, that the memory limit has room for")
    bytes: int | None = option(None, whole_number(1 << 20, 1 << 40), "the memory limit itself, the same for all")
    samples: int = option(5, whole_number(1, 64), "maxmemory-samples")
    requests: int = option(1_000_000, whole_number(10_000, 1_000_000_000))
    rate: int = option(20_000, whole_number(100, 1_000_000), "requests per second")
    exponent: float = option(0.99, float, "of Zipf's distribution")
    value: int = option(100, whole_number(1, 100_000), "bytes of a value")
    rounds: int = option(1, whole_number(1, 20))

    @property
    def title(self) -> str:
        return f"Hits among {self.keys:,} keys, Zipf {self.exponent}, {self.samples} samples"


@dataclass(frozen=True)
class Bounds:
    """How many hits we may lack, and how much memory we may take too much."""

    most_behind: float | None = option(None, float, "with --check: points that we may hit less often than a peer")
    most_over: float | None = option(None, float, "with --check: percent that memory may get over its limit")

    def failures(self, report: Report) -> list[str]:
        """Return where we hit less often than a peer by more points than allowed, or get further past the limit."""
        ours = report.ours
        found: list[str] = []
        if ours is None:
            return found
        for row in report.rows("hit_percent"):
            our_hits = report.median("hit_percent", row, ours)
            for peer in report.peers:
                theirs = report.median("hit_percent", row, peer)
                if self.most_behind is None or our_hits is None or theirs is None:
                    continue
                if theirs - our_hits > self.most_behind:
                    found.append(f"{row.label}: {our_hits:.2f} % of reads hit, {peer} {theirs:.2f} %")
            over = report.median("over_percent", row, ours)
            if self.most_over is not None and over is not None and over > self.most_over:
                found.append(f"{row.label}: memory {over:.2f} % over its limit")
        return found


class Cache:
    """One server under load: its connection, its limit, what was counted."""

    def __init__(self, server: Server, connection: Connection, settings: Settings, policy: str) -> None:
        """Set the policy and the memory limit of an empty server."""
        self.name = server.name
        self.connection = connection
        self.server = server
        self.reads = self.hits = 0
        self.highest = 0
        self._value = "x" * settings.value
        self._expiry = ("EX", "100000") if policy.startswith("volatile") else ()
        self.limit = settings.bytes or self._room_for(int(settings.keys * settings.share))
        connection.call("CONFIG", "SET", "maxmemory-policy", policy)
        connection.call("CONFIG", "SET", "maxmemory-samples", settings.samples)
        connection.call("CONFIG", "SET", "maxmemory", self.limit)

    def _room_for(self, keys: int) -> int:
        """Return the memory used when the server, which is empty before and after, holds so many keys."""
        before = self._used()
        send_all(self.server.port, numbered(["SET"], [_KEY, self._value, *self._expiry], keys))
        used = self._used()
        self.connection.call("FLUSHALL", "SYNC")
        return max(used, before + 1)

    def ask_for(self, keys: Sequence[bytes], counted: bool) -> None:
        """Get each key; set those that are not there."""
        values = self._pipeline([encode("GET", key) for key in keys])
        missing = [key for key, value in zip(keys, values, strict=True) if value is None]
        if missing:
            self._pipeline([encode("SET", key, self._value, *self._expiry) for key in missing])
        if counted:
            self.reads += len(keys)
            self.hits += len(keys) - len(missing)

    def look(self) -> None:
        """Note how much memory is used."""
        self.highest = max(self.highest, self._used())

    def keys(self) -> int:
        return self.connection.integer("DBSIZE")

    def _used(self) -> int:
        return int(self.connection.info("memory")["used_memory"])

    def _pipeline(self, requests: Sequence[bytes]) -> list[object]:
        self.connection.socket.sendall(b"".join(requests))
        return [self.connection.read() for _ in requests]


def requests_of(keys: int, exponent: float, seed: int) -> itertools.chain[bytes]:
    """Yield keys for ever, the n-th most popular with a probability in proportion to n to the power of -exponent."""
    generator = random.Random(seed)
    weights = list(itertools.accumulate((rank + 1) ** -exponent for rank in range(keys)))
    names = [(_KEY % number).encode() for number in range(keys)]
    generator.shuffle(names)
    return itertools.chain.from_iterable(
        generator.choices(names, cum_weights=weights, k=10_000) for _ in itertools.repeat(None)
    )


def measure_policy(bench: Bench, policy: str, settings: Settings, seed: int, progress: Progress) -> None:
    """One round of one policy, all servers side by side."""
    row = Row(policy)
    stream = requests_of(settings.keys, settings.exponent, seed)
    with contextlib.ExitStack() as stack:
        caches: list[Cache] = []
        for spec in bench.specs:
            server = stack.enter_context(bench.start(spec))
            connection = stack.enter_context(server.connect())
            caches.append(Cache(server, connection, settings, policy))
        due = time.perf_counter()
        for batch in range(settings.requests // BATCH):
            wanted = list(itertools.islice(stream, BATCH))
            for cache in caches:
                cache.ask_for(wanted, counted=batch * BATCH >= settings.requests * WARM_UP)
                if batch % LOOK_EVERY == 0:
                    cache.look()
            progress.step(BATCH)
            progress.note(policy)
            due += BATCH / settings.rate
            behind = time.perf_counter() - due
            if behind < 0:
                time.sleep(-behind)
            elif behind > 1.0:
                bench.report.note("the pace was not kept: all servers alike had more seconds than planned")
        for cache in caches:
            bench.report.add("hit_percent", row, cache.name, 100 * cache.hits / cache.reads)
            bench.report.add("over_percent", row, cache.name, 100 * max(0.0, cache.highest / cache.limit - 1))
            bench.report.add("keys", row, cache.name, cache.keys())


def measure(bench: Bench, settings: Settings) -> None:
    """Measure every policy once per round, with other random numbers each time."""
    room = f"{settings.bytes:,} bytes" if settings.bytes else f"{settings.share:.0%} of the keys"
    bench.report.settings["room for"] = room
    bench.report.settings["load"] = f"{settings.requests:,} requests, {settings.rate:,} a second"
    with Progress(settings.requests * len(settings.policies) * settings.rounds, "hits") as progress:
        for turn in range(settings.rounds):
            for policy in settings.policies:
                measure_policy(bench, policy, settings, SEED + turn, progress)


MODE = Mode("hits", "hit ratio of a full cache", METRICS, Settings, measure, Bounds)
