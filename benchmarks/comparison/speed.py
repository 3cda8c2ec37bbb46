"""Processor time per request, throughput and latency, the servers taking turns.

A warm-up round finds how many requests each test needs at each pipeline depth for the processor time asked for; then
every server gets that same number in each round, A B C A B C. Processor time is read just before and just after the
load generator runs. Each round starts new processes: where the kernel happens to put a process's memory makes the same
program several percent faster or slower for as long as it lives, and medians should be over that too.
"""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from .accounting import Usage
from .load import (
    DEPTHS_HELP,
    TESTS_HELP,
    Dataset,
    LoadError,
    LoadGenerator,
    LoadResult,
    Test,
    find_load,
    pick_tests,
)
from .mode import Bench, Mode
from .options import option, seconds, telling, whole_number, whole_numbers
from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server

USER = Metric("user_us", "Of which user code (the kernel's estimate, from ticks)", "µs", 3)
WAITED = Metric("waited_share", "Time the server waited for its core, per processor time", "", 3, shown=False)
METRICS = [
    Metric("processor_us", "Processor time per request", "µs", 3, checked=True, charted=True),
    USER,
    Metric("throughput", "Throughput", "requests/s", 0),
    Metric("p50_ms", "Latency, median", "ms", 3),
    Metric("p99_ms", "Latency, 99th percentile", "ms", 3),
    Metric("requests", "Requests per run", "", 0, shown=False),
    WAITED,
]
_WAITED_SHARE = 0.05  # a server that waits longer for its core than this, per processor time, shared it
_RUN_SECONDS = 60.0  # a run that takes longer has failed


@dataclass(frozen=True)
class LoadSettings:
    """What the load generator sends, and how much of it; seconds throughout."""

    load: str | None = option(
        None, str, "valkey-benchmark or redis-benchmark (default: on the path)", metavar="COMMAND"
    )
    tests: Sequence[Test] = option("default", telling(pick_tests), TESTS_HELP)
    depths: tuple[int, ...] = option("1,16,100", whole_numbers, DEPTHS_HELP)
    clients: int = option(50, whole_number(1, 1000))
    keys: int = option(100_000, whole_number(100, 10_000_000))
    rounds: int = option(5, whole_number(1, 100))
    least_processor: float = option(0.4, seconds, "seconds of processor time wanted per run (default: 0.4)")
    most_run: float = option(8.0, seconds, "seconds a run may take (default: 8)")

    def generator(self, bench: Bench) -> LoadGenerator:
        """Find the load generator and say in the report what it sends; raises LoadError."""
        found = find_load(self.load, bench.load_core)
        bench.report.settings["load"] = f"{found.version}, {self.clients} connections, {self.keys:,} random keys"
        return found


@dataclass(frozen=True)
class Settings(LoadSettings):
    """Of this mode. In `server_options`, {port} stands for the port of the server that gets them."""

    server_options: str = option(
        "",
        str,
        "for every server's command line, such as '--appendonly yes --dir /tmp --appenddirname log-{port}'",
        metavar="WORDS",
    )
    title = "Processor time, throughput and latency"


@dataclass(frozen=True)
class Run:
    """One run of the load generator against one server."""

    requests: int
    used: Usage
    load: LoadResult
    complaints: tuple[str, ...]


def round_requests(wanted: float, test: Test, depth: int, clients: int) -> int:
    """Return a number of requests near `wanted` that fills whole pipelines of all clients, within the test's limit."""
    unit = depth * clients * test.commands
    return max(1, math.ceil(min(wanted, test.limit) / unit)) * unit


def requests_needed(warmups: Sequence[Run], test: Test, depth: int, settings: LoadSettings) -> int:
    """Return how many requests give even the cheapest server `least_processor` seconds of work, within `most_run`."""
    cheapest = min(run.used.processor / run.requests for run in warmups)
    slowest = min(run.load.throughput for run in warmups)
    wanted = settings.least_processor / max(cheapest, 1e-9)
    return round_requests(min(wanted, slowest * settings.most_run), test, depth, settings.clients)


def run_once(server: Server, load: LoadGenerator, test: Test, depth: int, requests: int, settings: LoadSettings) -> Run:
    """Measure one run; raises LoadError. What went wrong without ending it is in `complaints`."""
    if test.fresh is not None:
        test.fresh(server.port, requests)
    with server.connect() as connection:
        before = connection.info("stats")
        began = server.usage()
        result = load.run(
            server.port,
            test.arguments,
            requests=requests,
            depth=depth,
            clients=settings.clients,
            keys=settings.keys,
            timeout=_RUN_SECONDS,
        )
        used = server.usage().since(began)
        after = connection.info("stats")

    def delta(name: str) -> int:
        return int(after.get(name, 0)) - int(before.get(name, 0))

    complaints = []
    if test.reads_hit and delta("keyspace_misses"):
        complaints.append(f"{delta('keyspace_misses')} reads found no key")
    if delta("total_error_replies"):
        complaints.append(f"{delta('total_error_replies')} error replies")
    counted = delta("total_commands_processed")
    if abs(counted - requests) > 0.01 * requests + 20:
        complaints.append(f"the server counted {counted:,} commands for {requests:,} requests")
    return Run(requests, used, result, tuple(complaints))


def prepare(server: Server, dataset: Dataset, keys: int) -> None:
    """Empty the server and load the dataset; raises LoadError unless exactly that is there afterwards."""
    with server.connect() as connection:
        connection.call("FLUSHALL")
    dataset.load(server.port, keys)
    with server.connect() as connection:
        there = connection.integer("DBSIZE")
    if there != dataset.dbsize(keys):
        raise LoadError(f"{server.name}: {there} keys after loading, {dataset.dbsize(keys)} expected")


_FIRST_GUESS = {1: 5_000, 16: 40_000}


def measure(bench: Bench, settings: Settings) -> None:
    """Run all tests at all depths against all servers and record the results in the report."""
    report, specs = bench.report, bench.specs
    load = settings.generator(bench)
    options = shlex.split(settings.server_options)
    if options:
        report.settings["server options"] = settings.server_options
    runnable = []
    for test in settings.tests:
        if ";" in test.arguments and not load.has_sequences:
            report.note(f"{test.name}: left out, {load.version} cannot send sequences of commands")
        else:
            runnable.append(test)
    datasets = list(dict.fromkeys(test.dataset for test in runnable))
    needed: dict[Row, int] = {}
    with Progress(len(runnable) * len(settings.depths) * len(specs) * (settings.rounds + 1), "speed") as progress:
        for turn in range(-1, settings.rounds):
            with contextlib.ExitStack() as stack:
                servers = []
                for spec in specs:
                    own = [word.replace("{port}", str(bench.ports[spec.name])) for word in options]
                    servers.append(stack.enter_context(bench.start(spec, own)))
                    servers[-1].pause()
                for dataset in datasets:
                    group = [test for test in runnable if test.dataset is dataset]
                    for server in servers:
                        progress.note(f"{server.name}: loading {dataset.name}")
                        with server.running():
                            prepare(server, dataset, settings.keys)
                            # A new process's first requests touch memory and code for the first time.
                            run_once(server, load, group[0], 16, round_requests(1, group[0], 16, 50), settings)
                    for test in group:
                        for depth in settings.depths:
                            _take_turns(report, servers, load, test, depth, turn, needed, settings, progress)
    note_disturbance(report)


def _take_turns(
    report: Report,
    servers: Sequence[Server],
    load: LoadGenerator,
    test: Test,
    depth: int,
    turn: int,
    needed: dict[Row, int],
    settings: Settings,
    progress: Progress,
) -> None:
    """One run of one test at one depth for each server. Turn -1 is the warm-up, which fills in `needed`."""
    row = Row(test.name, depth)
    guess = min(_FIRST_GUESS.get(depth, 100_000), test.limit // 50)
    requests = needed.get(row) or round_requests(guess, test, depth, settings.clients)
    runs = []
    for server in servers:
        progress.note(f"{row.label} {server.name}, {requests:,} requests")
        with server.running():
            run = run_once(server, load, test, depth, requests, settings)
        progress.step()
        runs.append(run)
        for complaint in run.complaints:
            report.note(f"{row.label} {server.name}: {complaint}")
        if turn >= 0:
            each = run.used.processor / run.requests * 1e6
            report.add("processor_us", row, server.name, each)
            report.add("user_us", row, server.name, each * run.used.user_share)
            report.add("throughput", row, server.name, run.load.throughput)
            report.add("p50_ms", row, server.name, run.load.p50)
            report.add("p99_ms", row, server.name, run.load.p99)
            report.add("requests", row, server.name, run.requests)
            report.add("waited_share", row, server.name, run.used.waited_share)
    if turn < 0:
        needed[row] = requests_needed(runs, test, depth, settings)


def note_disturbance(report: Report) -> None:
    """Say in how many runs something else ran on the servers' core: their processor time is right, latency is not."""
    shares = [value for (metric, _, _), values in report.values.items() if metric == "waited_share" for value in values]
    disturbed = [share for share in shares if share > _WAITED_SHARE]
    if disturbed:
        report.note(
            f"in {len(disturbed)} of {len(shares)} runs something else used the servers' core too "
            f"(a wait of up to {100 * max(disturbed):.0f}% of the processor time)"
        )


MODE = Mode("speed", "processor time per request, throughput, latency", METRICS, Settings, measure)
