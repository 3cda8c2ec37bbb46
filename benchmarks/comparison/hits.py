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

from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server, Spec
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


class Cache:
    """One server under load: its connection, its limit, what was counted."""

    def __init__(self, server: Server, connection: Connection, value: bytes, volatile: bool) -> None:
        self.name = server.name
        self.connection = connection
        self.server = server
        self.limit = 0
        self.reads = self.hits = 0
        self.highest = 0
        self._value = value
        self._expiry: tuple[str | int, ...] = ("EX", 100000) if volatile else ()

    def limit_to(self, keys: int, memory: int | None, policy: str, samples: int) -> None:
        """Set the policy, and as the limit the bytes given, or what this many keys take over an empty server."""
        if memory is None:
            before = self._used()
            tail = [str(word) for word in self._expiry]
            item = [_KEY, self._value.decode(), *tail]
            send_all(self.server.port, numbered(["SET"], item, keys))
            memory = self._used()
            self.connection.call("FLUSHALL", "SYNC")
            memory = max(memory, before + 1)
        self.limit = memory
        self.connection.call("CONFIG", "SET", "maxmemory-policy", policy)
        self.connection.call("CONFIG", "SET", "maxmemory-samples", samples)
        self.connection.call("CONFIG", "SET", "maxmemory", memory)

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


def measure_policy(
    report: Report,
    specs: Sequence[Spec],
    policy: str,
    *,
    keys: int,
    share: float,
    memory: int | None,
    requests: int,
    rate: int,
    exponent: float,
    samples: int,
    value: int,
    seed: int,
    ports: Sequence[int],
    core: int,
    progress: Progress,
) -> None:
    """One round of one policy, all servers side by side."""
    row = Row(policy)
    stream = requests_of(keys, exponent, seed)
    with contextlib.ExitStack() as stack:
        caches: list[Cache] = []
        for spec, port in zip(specs, ports, strict=True):
            server = stack.enter_context(Server(spec, port, core))
            connection = stack.enter_context(server.connect())
            cache = Cache(server, connection, b"x" * value, policy.startswith("volatile"))
            cache.limit_to(int(keys * share), memory, policy, samples)
            caches.append(cache)
        due = time.perf_counter()
        for batch in range(requests // BATCH):
            wanted = list(itertools.islice(stream, BATCH))
            for cache in caches:
                cache.ask_for(wanted, counted=batch * BATCH >= requests * WARM_UP)
                if batch % LOOK_EVERY == 0:
                    cache.look()
            progress.step(BATCH)
            progress.note(policy)
            due += BATCH / rate
            behind = time.perf_counter() - due
            if behind < 0:
                time.sleep(-behind)
            elif behind > 1.0:
                report.note("the pace was not kept: all servers alike had more seconds than planned")
        for cache in caches:
            report.add("hit_percent", row, cache.name, 100 * cache.hits / cache.reads)
            report.add("over_percent", row, cache.name, 100 * max(0.0, cache.highest / cache.limit - 1))
            report.add("keys", row, cache.name, cache.keys())


def measure(
    report: Report,
    specs: Sequence[Spec],
    policies: Sequence[str],
    *,
    rounds: int,
    keys: int,
    share: float,
    memory: int | None,
    requests: int,
    rate: int,
    exponent: float,
    samples: int,
    value: int,
    ports: Sequence[int],
    core: int,
) -> None:
    """Measure every policy once per round, with other random numbers each time."""
    with Progress(requests * len(policies) * rounds, "hits") as progress:
        for turn in range(rounds):
            for policy in policies:
                measure_policy(
                    report,
                    specs,
                    policy,
                    keys=keys,
                    share=share,
                    memory=memory,
                    requests=requests,
                    rate=rate,
                    exponent=exponent,
                    samples=samples,
                    value=value,
                    seed=SEED + turn,
                    ports=ports,
                    core=core,
                    progress=progress,
                )


def failures(report: Report, most_behind: float | None, most_over: float | None) -> list[str]:
    """Return where we hit less often than a peer by more points than allowed, or get further past the limit."""
    ours = report.ours
    found: list[str] = []
    if ours is None:
        return found
    for row in report.rows("hit_percent"):
        our_hits = report.median("hit_percent", row, ours)
        for peer in report.peers:
            theirs = report.median("hit_percent", row, peer)
            if most_behind is None or our_hits is None or theirs is None:
                continue
            if theirs - our_hits > most_behind:
                found.append(f"{row.label}: {our_hits:.2f} % of reads hit, {peer} {theirs:.2f} %")
        over = report.median("over_percent", row, ours)
        if most_over is not None and over is not None and over > most_over:
            found.append(f"{row.label}: memory {over:.2f} % over its limit")
    return found
