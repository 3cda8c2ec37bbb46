"""What a delivery costs: one client publishes, many listen to the channel, all are read until everything has arrived.

Processor time of the server is read before the first message and after the last one has reached every subscriber,
and is divided by the number of deliveries. Unpipelined, each message leaves in a system call of its own to each
subscriber, whatever the server; in a pipeline, the messages to one subscriber leave together.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import time
from dataclasses import dataclass

from . import machine
from .errors import ComparisonError
from .mode import Bench, Mode
from .options import option, seconds, whole_number, whole_numbers
from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server
from .speed import USER, WAITED, note_disturbance
from .wire import Connection, encode

METRICS = [
    Metric("processor_us", "Processor time per delivery", "µs", 3, checked=True, charted=True),
    USER,
    Metric("deliveries", "Deliveries per second of processor time", "deliveries/s", 0),
    Metric("throughput", "Deliveries per second", "deliveries/s", 0),
    WAITED,
]
CHANNEL = "channel:benchmark"
_WARM_UP = 5  # pipelines
_PATIENCE = 30.0  # seconds without any delivery


class PublishError(ComparisonError):
    """Messages did not arrive."""


@dataclass(frozen=True)
class Settings:
    """Sizes of a run: how many subscribers, how long the messages are (bytes), how many go in a pipeline."""

    subscribers: int = option(1000, whole_number(1, 20_000))
    sizes: tuple[int, ...] = option("64,4000", whole_numbers, "bytes of a message (default: 64,4000)")
    depths: tuple[int, ...] = option("1,16", whole_numbers, "messages per pipeline (default: 1,16)")
    protocol: int = option(2, int, "of the subscribers (default: 2)", choices=(2, 3))
    rounds: int = option(5, whole_number(1, 100))
    least_processor: float = option(0.4, seconds, "seconds wanted per reading (default: 0.4)")

    @property
    def title(self) -> str:
        return f"Messages to {self.subscribers:,} subscribers"


class Audience:
    """Subscribers to one channel of a server, and a client that publishes there."""

    def __init__(self, server: Server, count: int, protocol: int) -> None:
        self._epoll = select.epoll()
        self._subscribers: list[Connection] = []
        self._publisher = Connection(server.port)
        self._name = server.name
        for _ in range(count):
            subscriber = Connection(server.port)
            self._subscribers.append(subscriber)
            if protocol == 3:
                subscriber.socket.sendall(encode("HELLO", 3) + encode("PING"))
                data = b""
                while not data.endswith(b"+PONG\r\n"):
                    data += subscriber.socket.recv(1 << 16)
            subscriber.socket.sendall(encode("SUBSCRIBE", CHANNEL))
            if not subscriber.socket.recv(1 << 16).endswith(b":1\r\n"):
                raise PublishError(f"{server.name}: no confirmation of a subscription")
            subscriber.socket.setblocking(False)
            self._epoll.register(subscriber.socket.fileno(), select.EPOLLIN)

    def __enter__(self) -> Audience:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()
        self._publisher.close()
        for subscriber in self._subscribers:
            subscriber.close()

    def publish(self, size: int, depth: int, pipelines: int) -> int:
        """Send messages, a pipeline after the other, each read by everybody; answers how many deliveries there were."""
        message = b"x" * size
        requests = encode("PUBLISH", CHANNEL, message) * depth
        # Under RESP3 only the first byte differs.
        bytes_expected = len(encode("message", CHANNEL, message)) * depth * len(self._subscribers)
        for _ in range(pipelines):
            self._publisher.socket.sendall(requests)
            missing = bytes_expected
            while missing > 0:
                ready = self._epoll.poll(_PATIENCE, 4096)
                if not ready:
                    raise PublishError(f"{self._name}: {missing} bytes of messages did not arrive")
                for descriptor, _ in ready:
                    missing -= len(os.read(descriptor, 1 << 18))
            for _ in range(depth):
                if self._publisher.read() != len(self._subscribers):
                    raise PublishError(f"{self._name}: a message went to another number of subscribers")
            if missing:
                raise PublishError(f"{self._name}: {-missing} bytes too many arrived")
        return pipelines * depth * len(self._subscribers)


def measure(bench: Bench, settings: Settings) -> None:
    """In every round new processes, which take turns: all sizes at all depths, to all subscribers."""
    machine.allow_connections(settings.subscribers * len(bench.specs))
    bench.report.settings["protocol"] = f"RESP{settings.protocol}"
    cells = [(size, depth) for size in settings.sizes for depth in settings.depths]
    pipelines: dict[tuple[int, int], int] = {}
    with Progress((settings.rounds + 1) * len(cells) * len(bench.specs), "publish") as progress:
        for turn in range(-1, settings.rounds):
            with contextlib.ExitStack() as stack:
                audiences = []
                for spec in bench.specs:
                    options = ["--maxclients", str(settings.subscribers + 100)]
                    server = stack.enter_context(bench.start(spec, options))
                    audience = stack.enter_context(Audience(server, settings.subscribers, settings.protocol))
                    audiences.append((server, audience))
                    server.pause()
                    # A paused server would keep its clients from closing in time.
                    stack.callback(server.resume)
                for size, depth in cells:
                    row = Row(f"{size} bytes", depth)
                    for server, audience in audiences:
                        progress.note(f"{row.label} {server.name}")
                        with server.running():
                            _run(bench.report, server, audience, row, size, pipelines, settings, counted=turn >= 0)
                        progress.step()
    note_disturbance(bench.report)


def _run(
    report: Report,
    server: Server,
    audience: Audience,
    row: Row,
    size: int,
    pipelines: dict[tuple[int, int], int],
    settings: Settings,
    *,
    counted: bool,
) -> None:
    """One reading of one server. One that is not counted finds out how many pipelines the cheapest server needs."""
    assert row.depth is not None
    audience.publish(size, row.depth, _WARM_UP)
    began, clock = server.usage(), time.monotonic()
    deliveries = audience.publish(size, row.depth, pipelines.get((size, row.depth), 20) if counted else 20)
    seconds = time.monotonic() - clock
    used = server.usage().since(began)
    each = used.processor / deliveries
    if not counted:
        needed = math.ceil(settings.least_processor / max(each, 1e-9) / (row.depth * settings.subscribers))
        pipelines[size, row.depth] = max(pipelines.get((size, row.depth), 20), needed)
        return
    report.add("processor_us", row, server.name, each * 1e6)
    report.add("user_us", row, server.name, each * 1e6 * used.user_share)
    report.add("deliveries", row, server.name, 1 / each)
    report.add("throughput", row, server.name, deliveries / seconds)
    report.add("waited_share", row, server.name, used.waited_share)


MODE = Mode("publish", "what a delivery to a subscriber costs", METRICS, Settings, measure)
