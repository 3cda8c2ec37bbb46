"""Micro-benchmarks of single structures: request parser, byte string, dict, heap.

Run with `pytest -o addopts= benchmarks/test_micro.py`. Each round is one call into a probe, which works in C and
measures its operations by the thread's own processor time. Their medians, in nanoseconds per operation, are printed at
the end, and `--benchmark-json` keeps them as `extra_info`. The times in pytest-benchmark's table are of whole rounds.
"""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark", reason="micro-benchmarks need pytest-benchmark")
pytest.importorskip("redislite._core.probes.dict", reason="the extension modules are not built")

PROBES = ("redislite._core.probes.dict", "redislite._core.probes.protocol")
ROUNDS = 5

Figures = dict[str, float]
Measure = Callable[[Callable[[], Figures]], None]


def structure(name: str) -> Any:
    """Return the probe class of that name, or skip."""
    for module in PROBES:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    pytest.skip(f"this build has no {name}")


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Iterator[dict[str, Figures]]:
    """Collects every benchmark's medians and prints them at the end."""
    collected: dict[str, Figures] = {}
    yield collected
    lines = [""]
    for benchmark, values in collected.items():
        lines += [f"{benchmark}  {name}: {value:,.1f}" for name, value in values.items()]
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n".join(lines))


@pytest.fixture
def measure(benchmark: Any, figures: dict[str, Figures], request: pytest.FixtureRequest) -> Measure:
    """Runs a function that returns figures, ROUNDS times, and keeps the median of each figure."""

    def run(function: Callable[[], Figures]) -> None:
        rounds: list[Figures] = []
        benchmark.pedantic(lambda: rounds.append(function()), rounds=ROUNDS, warmup_rounds=1)
        counted = rounds[-ROUNDS:]
        medians = {name: statistics.median(values[name] for values in counted) for name in counted[0]}
        benchmark.extra_info.update(medians)
        figures[request.node.name] = medians

    return run


def command(*arguments: bytes) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments)


REQUESTS = {
    "ping": command(b"PING"),
    "inline": b"PING\r\n",
    "get": command(b"GET", b"key:000000012345"),
    "set": command(b"SET", b"key:000000012345", b"xxx"),
    "set_1000_bytes": command(b"SET", b"key:000000012345", b"x" * 1000),
    "mset_10": command(b"MSET", *([b"key:000000012345", b"xxx"] * 10)),
}


@pytest.mark.parametrize("request_name", REQUESTS)
def test_parser(measure: Measure, request_name: str) -> None:
    """Pipelines of 100 requests, per request."""
    parser = structure("ParserProbe")()
    data = REQUESTS[request_name] * 100
    measure(lambda: {"ns per request": parser.benchmark(data, 2_000)})


@pytest.mark.parametrize("piece", [1, 16, 1024])
def test_buffer_growth(measure: Measure, piece: int) -> None:
    """An empty string grown to 4 MiB by pieces, per append."""
    buffer = structure("BufferProbe")()
    measure(lambda: {"ns per append": buffer.benchmark(4 << 20, b"x" * piece)})


@pytest.mark.parametrize("entries", [1_000, 100_000, 1_000_000])
def test_dict(measure: Measure, entries: int) -> None:
    """Insert, find, scan, iterate and remove, per entry, with 16-byte keys; and the table's bytes per entry."""
    dict_probe = structure("DictProbe")
    measure(lambda: dict_probe().benchmark(entries))


def test_dict_growth(measure: Measure) -> None:
    """Inserts into a growing dict: the mean, and the slowest one."""
    dict_probe = structure("DictProbe")

    def grow() -> Figures:
        times = dict_probe().grow_times(1_000_000)
        return {"ns per insert": times["mean"], "ns of the slowest insert": times["slowest"]}

    measure(grow)


@pytest.mark.parametrize("size", [24, 42, 200])
def test_heap(measure: Measure, size: int) -> None:
    """Allocations of one size: first ones, released and taken again in random order, released."""
    heap_probe = structure("HeapProbe")
    measure(lambda: heap_probe().benchmark(100_000, size, 3))
