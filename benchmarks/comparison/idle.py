"""What thousands of idle connections cost: throughput of the active clients with and without them, and memory.

An idle connection has sent one PING and got its answer, as a client's handshake would have it, and is silent then.
Memory per connection is what the server counts and what its resident size grows by; the kernel's socket buffers are
in neither.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import machine
from .errors import ComparisonError
from .load import DEPTHS_HELP, STRINGS, TESTS_HELP, Test, pick_tests
from .mode import Bench, Mode
from .options import option, telling, whole_number, whole_numbers
from .progress import Progress
from .report import Metric, Report, Row, absolute_failures
from .servers import Server
from .speed import LoadSettings, prepare, requests_needed, round_requests, run_once
from .wire import Connection

METRICS = [
    Metric("kept", "Throughput kept with the idle connections", "share", 3, charted=True),
    Metric("alone", "Throughput without idle connections", "requests/s", 0),
    Metric("beside", "Throughput beside them", "requests/s", 0),
    Metric("processor_alone_us", "Processor time per request without them", "µs", 3),
    Metric("processor_beside_us", "Processor time per request beside them", "µs", 3),
    Metric("used_bytes", "used_memory per idle connection", "bytes", 0, charted=True),
    Metric("resident_bytes", "Resident size per idle connection", "bytes", 0, charted=True),
]
_CHANGE_SECONDS = 30.0


class IdleError(ComparisonError):
    """The server did not take or did not drop the connections."""


@dataclass(frozen=True)
class Settings(LoadSettings):
    """The load of the active clients, and how many idle connections stand beside them."""

    tests: Sequence[Test] = option("set,get", telling(pick_tests), TESTS_HELP)
    depths: tuple[int, ...] = option("1,16", whole_numbers, DEPTHS_HELP)
    rounds: int = option(3, whole_number(1, 100))
    connections: int = option(10_000, whole_number(1, 25_000))

    @property
    def title(self) -> str:
        return f"{self.connections:,} idle connections"


@dataclass(frozen=True)
class Bounds:
    """What must be left of the throughput."""

    least_kept: float | None = option(None, float, "with --check: smallest share of throughput kept, such as 0.9")

    def failures(self, report: Report) -> list[str]:
        return absolute_failures(report, "kept", least=self.least_kept)


def _wait_for_clients(control: Connection, server: Server, least: int, most: int) -> None:
    end = time.monotonic() + _CHANGE_SECONDS
    while True:
        connected = int(control.info("clients")["connected_clients"])
        if least <= connected <= most:
            return
        if time.monotonic() > end:
            raise IdleError(f"{server.name}: {connected} clients connected, {least} to {most} expected")
        time.sleep(0.02)


@contextlib.contextmanager
def idle_connections(server: Server, count: int) -> Iterator[None]:
    """Hold `count` connections open, each after one PING; raises IdleError or OSError."""
    held: list[Connection] = []
    with server.connect() as control:
        try:
            for _ in range(count):
                connection = Connection(server.port)
                held.append(connection)
                connection.call("PING")
            _wait_for_clients(control, server, count + 1, count + 50)
            yield
        finally:
            for connection in held:
                connection.close()
        _wait_for_clients(control, server, 1, 20)


def measure(bench: Bench, settings: Settings) -> None:
    """In every round each server in turn: measured alone, then beside the idle connections."""
    report, specs, tests, count = bench.report, bench.specs, settings.tests, settings.connections
    if any(test.dataset is not STRINGS for test in tests):
        raise ValueError("idle takes tests on string keys only, such as set,get")
    machine.allow_connections(count)
    load = settings.generator(bench)
    cells = [(test, depth) for test in tests for depth in settings.depths]
    steps = len(specs) * (settings.rounds * len(cells) * 2 + len(cells) + 1)
    needed: dict[tuple[str, int], int] = {}
    with contextlib.ExitStack() as stack, Progress(steps, "idle") as progress:
        servers = []
        for spec in specs:
            progress.note(f"{spec.name}: starting, memory per connection")
            server = stack.enter_context(bench.start(spec, ["--maxclients", str(count + 200)]))
            # The first connections touch code and buffers that later ones share.
            with idle_connections(server, min(count, 100)):
                pass
            used, resident = server.settled_memory()
            with idle_connections(server, count):
                used_beside, resident_beside = server.settled_memory()
            row = Row(f"{count:,} connections")
            report.add("used_bytes", row, spec.name, (used_beside - used) / count)
            report.add("resident_bytes", row, spec.name, (resident_beside - resident) / count)
            prepare(server, tests[0].dataset, settings.keys)
            servers.append(server)
            server.pause()
            progress.step()
        for test, depth in cells:
            guess = round_requests(5_000 * depth, test, depth, settings.clients)
            warmups = []
            for server in servers:
                server.resume()
                warmups.append(run_once(server, load, test, depth, guess, settings))
                server.pause()
                progress.step()
            needed[test.name, depth] = requests_needed(warmups, test, depth, settings)
        for _ in range(settings.rounds):
            for server in servers:
                server.resume()
                alone = {}
                for test, depth in cells:
                    progress.note(f"{server.name} {test.name} @{depth} alone")
                    run = run_once(server, load, test, depth, needed[test.name, depth], settings)
                    alone[test.name, depth] = run.load.throughput
                    row = Row(test.name, depth)
                    report.add("alone", row, server.name, run.load.throughput)
                    report.add("processor_alone_us", row, server.name, run.used.processor / run.requests * 1e6)
                    progress.step()
                with idle_connections(server, count):
                    for test, depth in cells:
                        progress.note(f"{server.name} {test.name} @{depth} beside {count:,} idle")
                        run = run_once(server, load, test, depth, needed[test.name, depth], settings)
                        row = Row(test.name, depth)
                        report.add("beside", row, server.name, run.load.throughput)
                        report.add("processor_beside_us", row, server.name, run.used.processor / run.requests * 1e6)
                        report.add("kept", row, server.name, run.load.throughput / alone[test.name, depth])
                        for complaint in run.complaints:
                            report.note(f"{row.label} {server.name}: {complaint}")
                        progress.step()
                server.pause()


MODE = Mode("idle", "what idle connections cost", METRICS, Settings, measure, Bounds)
