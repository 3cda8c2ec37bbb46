"""The load generator (valkey-benchmark or redis-benchmark) and the tests it runs.

Every test is a command of its own on the generator's command line, so that all generators send the same bytes, and
states the data it needs: reads and pops run on data that is there.
"""

from __future__ import annotations

import csv
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import ComparisonError
from .options import pick
from .wire import Connection, numbered, send_all

VALUE = "xxx"  # three bytes, the generators' default


class LoadError(ComparisonError):
    """The load generator is missing, failed, or printed what is not understood."""


@dataclass(frozen=True)
class LoadResult:
    """Requests per second, and latencies in milliseconds as the clients saw them."""

    throughput: float
    p50: float
    p99: float


def parse_csv(text: str) -> LoadResult:
    """Read the last row of a generator's `--csv` output; raises LoadError when there is none."""
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith('"test"')), None)
    if start is None:
        raise LoadError(f"no table in the load generator's output: {text.strip()[-300:]!r}")
    rows = list(csv.DictReader(lines[start:]))
    try:
        row = rows[-1]
        return LoadResult(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))
    except (IndexError, KeyError, TypeError, ValueError):
        raise LoadError(f"a table that is not understood: {text.strip()[-300:]!r}") from None


class LoadGenerator:
    """One of the two benchmark programs, run on a core of its own."""

    def __init__(self, command: Sequence[str], core: int) -> None:
        """Ask the program what it is; raises LoadError."""
        self.command = tuple(command)
        self.core = core
        self.version = self._ask("--version").splitlines()[0].strip() or self.command[-1]
        # Sequences of commands (MULTI ... EXEC) are a later addition of Valkey's.
        self.has_sequences = "';'" in self._ask("--help")

    def _ask(self, option: str) -> str:
        try:
            answer = subprocess.run([*self.command, option], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LoadError(f"cannot run {shlex.join(self.command)}: {error}") from None
        text = answer.stdout + answer.stderr
        if not text.strip():
            raise LoadError(f"{shlex.join(self.command)} {option} says nothing")
        return text

    def run(
        self,
        port: int,
        arguments: Sequence[str],
        *,
        requests: int,
        depth: int,
        clients: int,
        keys: int,
        timeout: float,
    ) -> LoadResult:
        """Run one test to its end; raises LoadError when it fails or takes longer than `timeout` seconds."""
        options = ["-p", str(port), "-n", str(requests), "-P", str(depth), "-c", str(clients), "-r", str(keys), "--csv"]
        try:
            done = subprocess.run(
                [*self.command, *options, *arguments],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                stdin=subprocess.DEVNULL,
                preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
            )
        except subprocess.TimeoutExpired:
            raise LoadError(f"{shlex.join(arguments)}: not done after {timeout:.0f} s") from None
        if done.returncode != 0:
            raise LoadError(f"{shlex.join(arguments)}: {(done.stderr or done.stdout).strip()[-300:]}")
        return parse_csv(done.stdout)


def find_load(command: str | None, core: int) -> LoadGenerator:
    """Return the given generator, or the one on the path, Valkey's first; raises LoadError."""
    if command:
        return LoadGenerator(shlex.split(command), core)
    for name in ("valkey-benchmark", "redis-benchmark"):
        if shutil.which(name):
            return LoadGenerator([name], core)
    raise LoadError("neither valkey-benchmark nor redis-benchmark is on the path: install one, or give --load COMMAND")


Prepare = Callable[[int, int], None]


@dataclass(frozen=True)
class Dataset:
    """Data that stays for all tests on it: `load(port, keys)` fills an empty server, which then has `dbsize` keys."""

    name: str
    load: Prepare
    dbsize: Callable[[int], int]


def _load_strings(port: int, keys: int) -> None:
    send_all(port, numbered(["SET"], ["key:%012d", VALUE], keys))


def _load_counters(port: int, keys: int) -> None:
    send_all(port, numbered(["SET"], ["counter:%012d", "0"], keys))


def _load_list(port: int, keys: int) -> None:
    send_all(port, numbered(["RPUSH", "mylist"], [VALUE], keys, items=100, batch=50))


def _load_nothing(port: int, keys: int) -> None:
    del port, keys


STRINGS = Dataset("strings", _load_strings, lambda keys: keys)
COUNTERS = Dataset("counters", _load_counters, lambda keys: keys)
LIST = Dataset("list", _load_list, lambda keys: 1)
NOTHING = Dataset("nothing", _load_nothing, lambda keys: 0)


@dataclass(frozen=True)
class Test:
    """One kind of request. `fresh(port, requests)` runs before each run of it; `limit` bounds the requests of a run."""

    name: str
    arguments: tuple[str, ...]
    dataset: Dataset
    fresh: Prepare | None = None
    limit: int = 20_000_000
    reads_hit: bool = False
    commands: int = 1

    __test__ = False  # keeps pytest from taking it for a test class


def _without(key: str) -> Prepare:
    def prepare(port: int, requests: int) -> None:
        del requests
        with Connection(port, timeout=60.0) as connection:
            connection.call("DEL", key)

    return prepare


def _with_elements(key: str, head: Sequence[str], item: Sequence[str]) -> Prepare:
    def prepare(port: int, requests: int) -> None:
        _without(key)(port, requests)
        send_all(port, numbered(head, item, requests, items=100, batch=50))

    return prepare


_POPS = 1_000_000  # a run of a pop test needs as many elements as requests

TESTS: dict[str, Test] = {
    test.name: test
    for test in (
        Test("ping_inline", ("-t", "ping_inline"), STRINGS),
        Test("ping", ("PING",), STRINGS),
        Test("set", ("SET", "key:__rand_int__", VALUE), STRINGS),
        Test("get", ("GET", "key:__rand_int__"), STRINGS, reads_hit=True),
        Test("mset", ("MSET", *(("key:__rand_int__", VALUE) * 10)), STRINGS),
        Test("incr", ("INCR", "counter:__rand_int__"), COUNTERS),
        Test(
            "multi",
            ("MULTI", ";", *(("SET", "key:__rand_int__", VALUE, ";") * 10), "EXEC"),
            STRINGS,
            commands=12,
        ),
        Test("lpush", ("LPUSH", "mylist", VALUE), NOTHING, _without("mylist")),
        Test("rpush", ("RPUSH", "mylist", VALUE), NOTHING, _without("mylist")),
        Test(
            "lpop",
            ("LPOP", "mylist"),
            NOTHING,
            _with_elements("mylist", ["RPUSH", "mylist"], [VALUE]),
            _POPS,
            reads_hit=True,
        ),
        Test(
            "rpop",
            ("RPOP", "mylist"),
            NOTHING,
            _with_elements("mylist", ["RPUSH", "mylist"], [VALUE]),
            _POPS,
            reads_hit=True,
        ),
        Test("sadd", ("SADD", "myset", "element:__rand_int__"), NOTHING, _without("myset")),
        Test(
            "spop",
            ("SPOP", "myset"),
            NOTHING,
            _with_elements("myset", ["SADD", "myset"], ["element:%012d"]),
            _POPS,
            reads_hit=True,
        ),
        Test("hset", ("HSET", "myhash", "element:__rand_int__", VALUE), NOTHING, _without("myhash")),
        Test("zadd", ("ZADD", "myzset", "__rand_int__", "element:__rand_int__"), NOTHING, _without("myzset")),
        Test(
            "zpopmin",
            ("ZPOPMIN", "myzset"),
            NOTHING,
            _with_elements("myzset", ["ZADD", "myzset"], ["%07d", "element:%012d"]),
            _POPS,
            reads_hit=True,
        ),
        Test("xadd", ("XADD", "mystream", "*", "myfield", VALUE), NOTHING, _without("mystream"), 5_000_000),
        Test("lrange_100", ("LRANGE", "mylist", "0", "99"), LIST, limit=1_000_000, reads_hit=True),
        Test("lrange_600", ("LRANGE", "mylist", "0", "599"), LIST, limit=500_000, reads_hit=True),
    )
}

DEFAULT_TESTS = ("ping_inline", "ping", "set", "get", "mset", "incr")


TEST_SETS = {"default": DEFAULT_TESTS, "types": [name for name in TESTS if name not in (*DEFAULT_TESTS, "multi")]}
TESTS_HELP = f"default, types, all, or of: {','.join(TESTS)} (default: %(default)s)"
DEPTHS_HELP = "requests per pipeline (default: %(default)s)"


def pick_tests(names: str) -> list[Test]:
    """Turn `ping,set,get`, `default`, `types` or `all` into tests; raises ValueError for an unknown name."""
    return pick("test", names, TESTS, TEST_SETS)
