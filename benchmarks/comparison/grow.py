"""The longest pause while a server grows to millions of keys: one client fills it, another pings every millisecond.

The filling client is a process of its own and keeps the server busy with pipelines of SETs; the pinging client gets
real-time priority where the system allows it, so that it does not wait for the filling one on the core they share. A
ping that comes back late stands for those that were due meanwhile: each is counted with the wait it would have had.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .errors import ComparisonError
from .mode import Bench, Mode
from .options import option, seconds, whole_number
from .progress import Progress
from .report import Metric, Row
from .servers import Server
from .wire import numbered, send_all

METRICS = [
    Metric("max_ms", "Longest wait of a pinging client", "ms", 2, checked=True, charted=True),
    Metric("p999_ms", "99.9th percentile of its waits", "ms", 2, charted=True),
    Metric("p50_ms", "Median of its waits", "ms", 3),
    Metric("sets_per_second", "Keys set meanwhile", "per second", 0),
    Metric("processor_us", "Processor time per key", "µs", 3),
]
INTERVAL = 0.001  # seconds between pings
_STEP = 50_000  # keys between two signs of progress


class GrowError(ComparisonError):
    """The filling client failed or took too long."""


@dataclass(frozen=True)
class Settings:
    """How far a server grows, and how it is filled."""

    keys: int = option(8_000_000, whole_number(10_000, 100_000_000))
    pipeline: int = option(100, whole_number(1, 10_000), "SETs per pipeline")
    rounds: int = option(3, whole_number(1, 20))
    timeout: float = option(300.0, seconds, "seconds one server may take to fill")

    @property
    def title(self) -> str:
        return f"A server growing to {self.keys:,} keys by pipelined SETs"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below or at which `share` (0..1) of the ascending values lie."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1e6 * len(ordered)) // 1_000_000) - 1))]


def with_missed(waits: Sequence[float], interval: float) -> list[float]:
    """Return the waits, ascending, with those of the pings that a late answer kept from being sent. Seconds."""
    filled = list(waits)
    for wait in waits:
        rest = wait - interval
        while rest > 0:
            filled.append(rest)
            rest -= interval
    return sorted(filled)


def _fill(port: int, keys: int, pipeline: int, filled: ctypes.c_longlong, failed: ctypes.c_longlong) -> None:
    """Runs in a child process: set `keys` keys, counting them in `filled`."""

    def counted() -> Iterator[tuple[bytes, int]]:
        for data, commands in numbered(["SET"], ["key:%012d", "v%09d"], keys, batch=pipeline):
            yield data, commands
            filled.value += commands

    try:
        send_all(port, counted(), in_flight=4)
    except Exception:
        failed.value = 1
        raise


def _real_time(enabled: bool) -> bool:
    try:
        policy, priority = (os.SCHED_FIFO, 1) if enabled else (os.SCHED_OTHER, 0)
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError:
        return False
    return True


def measure_one(server: Server, settings: Settings, progress: Progress) -> tuple[list[float], float, float, bool]:
    """Grow one fresh server; return (waits, seconds it took, processor seconds, real-time priority).

    Raises GrowError when that fails, or takes longer than the settings' timeout.
    """
    keys = settings.keys
    context = multiprocessing.get_context("fork")
    filled = context.Value(ctypes.c_longlong, 0, lock=False)
    failed = context.Value(ctypes.c_longlong, 0, lock=False)
    child = context.Process(target=_fill, args=(server.port, keys, settings.pipeline, filled, failed), daemon=True)
    waits: list[float] = []
    reported = 0
    with server.connect() as connection:
        stream = connection.socket
        stream.sendall(b"PING\r\n")
        stream.recv(64)
        used = server.usage()
        began = time.perf_counter()
        child.start()
        real_time = _real_time(True)
        try:
            due = time.perf_counter()
            while child.exitcode is None:
                sent = time.perf_counter()
                stream.sendall(b"PING\r\n")
                if not stream.recv(64):
                    raise GrowError(f"{server.name} closed the connection")
                now = time.perf_counter()
                waits.append(now - sent)
                if now - began > settings.timeout:
                    raise GrowError(f"{server.name}: {filled.value:,} of {keys:,} keys after {now - began:.0f} s")
                done = int(filled.value)
                if done - reported >= _STEP:
                    progress.step(done - reported)
                    reported = done
                    progress.note(f"{server.name}, {reported:,} keys")
                due = max(due + INTERVAL, now)
                time.sleep(max(0.0, due - time.perf_counter()))
        finally:
            _real_time(False)
            if child.exitcode is None:
                child.terminate()
            child.join()
        took = time.perf_counter() - began
        processor = server.usage().since(used).processor
        there = connection.integer("DBSIZE")
    progress.step(keys - reported)
    if failed.value or there != keys:
        raise GrowError(f"{server.name}: {there:,} keys of {keys:,} after filling it\n{server.log_end()}")
    return waits, took, processor, real_time


def measure(bench: Bench, settings: Settings) -> None:
    """Grow every server once per round, taking turns, each time in a process of its own."""
    report, keys = bench.report, settings.keys
    report.settings["SETs per pipeline"] = str(settings.pipeline)
    row = Row(f"growing to {keys:,} keys")
    with Progress(keys * len(bench.specs) * settings.rounds, "grow") as progress:
        for _ in range(settings.rounds):
            for spec in bench.specs:
                with bench.start(spec) as server:
                    waits, took, processor, real_time = measure_one(server, settings, progress)
                if not real_time:
                    report.note("no real-time priority here: waits include those of the pinging client for its core")
                ordered = with_missed(waits, INTERVAL)
                report.add("max_ms", row, spec.name, ordered[-1] * 1e3)
                report.add("p999_ms", row, spec.name, percentile(ordered, 0.999) * 1e3)
                report.add("p50_ms", row, spec.name, percentile(ordered, 0.5) * 1e3)
                report.add("sets_per_second", row, spec.name, keys / took)
                report.add("processor_us", row, spec.name, processor / keys * 1e6)


MODE = Mode("grow", "longest pause while growing to millions of keys", METRICS, Settings, measure)
