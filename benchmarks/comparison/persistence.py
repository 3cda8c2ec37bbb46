"""A large data set on disk: SAVE, BGSAVE beside writing clients, the append-only file, loading, and the sizes of files.

The data are of six kinds in equal numbers: plain strings, strings with a time to live, small hashes, lists, sets and
sorted sets. BGSAVE is measured while a client overwrites strings at a fixed rate, which costs a copy of each page that
the child still shares; what was copied is what the server itself reports. The file is then loaded by a new process,
which says in its log how long that took. That one writes the data set as an append-only file of commands, with no
snapshot in front, which is loaded in turn.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from .mode import Bench, Mode
from .options import option, whole_number
from .progress import Progress
from .report import Metric, Row
from .servers import Server, Spec, StartError
from .wire import Connection, encode, numbered, send_all

METRICS = [
    Metric("save_s", "SAVE", "s", 3, checked=True, charted=True),
    Metric("save_processor_s", "Processor time of SAVE", "s", 3, checked=True),
    Metric("bgsave_s", "BGSAVE beside a writing client", "s", 2, checked=True, charted=True),
    Metric("child_processor_s", "Processor time of the child of BGSAVE", "s", 3),
    Metric("fork_ms", "Pause of the fork", "ms", 2, checked=True),
    Metric("copied_mb", "Memory copied during BGSAVE", "MB", 1, checked=True),
    Metric("load_s", "Loading", "s", 3, checked=True, charted=True),
    Metric("load_processor_s", "Processor time to the first PONG of the server that loads", "s", 3, checked=True),
    Metric("file_mb", "Size of the file", "MB", 2, checked=True),
    Metric("aof_rewrite_s", "Writing the append-only file", "s", 2),
    Metric("aof_load_s", "Loading the append-only file", "s", 3, checked=True, charted=True),
    Metric("aof_load_processor_s", "Processor time to the first PONG, from the append-only file", "s", 3, checked=True),
    Metric("aof_mb", "Size of the append-only file", "MB", 2),
]
_BATCH = 100  # SETs between two looks at the clock
_KEY = "%012d"


@dataclass(frozen=True)
class Settings:
    """How large the data set is, and how fast a client writes beside BGSAVE."""

    keys: int = option(1_000_000, whole_number(600, 100_000_000))
    rate: int = option(20_000, whole_number(100, 1_000_000), "writes a second beside BGSAVE")
    rounds: int = option(3, whole_number(1, 20))

    @property
    def title(self) -> str:
        return f"Snapshots of {self.keys:,} mixed keys"


def data(keys: int) -> Iterator[tuple[bytes, int]]:
    """The commands that make the data set, each answered in one line."""
    count = keys // 6
    yield from numbered(["SET"], ["string:" + _KEY, "value:%09d"], count)
    yield from numbered(["SET"], ["expiring:" + _KEY, "value:%09d"], count, tail=("EX", "1000000"))
    fields = ["first", "%09d", "second", "some text that is of no use", "third", "%09d"]
    yield from numbered(["HSET"], ["hash:" + _KEY, *fields], count)
    yield from numbered(["RPUSH"], ["list:" + _KEY, "a", "%09d", "b", "%09d", "c"], count)
    yield from numbered(["SADD"], ["set:" + _KEY, "member:a", "member:%09d", "member:c"], count)
    yield from numbered(["ZADD"], ["zset:" + _KEY, "1", "one", "2", "two:%09d", "3.5", "three"], count)


def folder_for(spec: Spec) -> tuple[str, str]:
    """A new folder for a server's files: its path for us and for the server, which may run under chroot."""
    program = os.path.basename(spec.command[0])
    root = spec.command[1].rstrip("/") if program == "chroot" and len(spec.command) > 2 else ""
    ours = tempfile.mkdtemp(prefix="redislite-compare-", dir=f"{root}/tmp" if root else None)
    return ours, ours[len(root) :]


class Writer(threading.Thread):
    """Overwrites strings at random, so many a second, until told to stop."""

    def __init__(self, port: int, keys: int, rate: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._keys = keys
        self._rate = rate
        self.ended = threading.Event()

    def run(self) -> None:
        choose = random.Random(1).randrange
        with Connection(self._port) as connection:
            began = time.perf_counter()
            sent = 0
            while not self.ended.is_set():
                keys = (f"string:{choose(self._keys):012d}" for _ in range(_BATCH))
                connection.socket.sendall(b"".join(encode("SET", key, f"value:{sent:09d}") for key in keys))
                for _ in range(_BATCH):
                    connection.read()
                sent += _BATCH
                time.sleep(max(0.0, began + sent / self._rate - time.perf_counter()))


def _background(server: Server, keys: int, rate: int) -> tuple[float, float, float, float]:
    """BGSAVE beside a writer: seconds, processor seconds of the child, milliseconds of the fork, megabytes copied."""
    with server.connect() as connection:

        def child_seconds() -> float:
            fields = connection.info("cpu")
            return float(fields["used_cpu_sys_children"]) + float(fields["used_cpu_user_children"])

        before = child_seconds()
        writer = Writer(server.port, keys // 6, rate)
        writer.start()
        time.sleep(0.2)
        began = time.perf_counter()
        connection.call("BGSAVE")
        while connection.info("persistence")["rdb_bgsave_in_progress"] == "1":
            time.sleep(0.01)
        took = time.perf_counter() - began
        writer.ended.set()
        writer.join()
        facts = connection.info("persistence")
        if facts["rdb_last_bgsave_status"] != "ok":
            raise StartError(f"{server.name}: BGSAVE failed: {server.log_end()}")
        fork = int(connection.info("stats")["latest_fork_usec"]) / 1e3
        return took, child_seconds() - before, fork, int(facts["rdb_last_cow_size"]) / 1e6


def _loaded(server: Server, settings: Settings, source: str) -> tuple[float, float]:
    """What loading took: processor seconds until now, and seconds as the log has it."""
    processor = server.usage().processor
    with server.connect() as connection:
        if connection.integer("DBSIZE") != settings.keys // 6 * 6:
            raise StartError(f"{server.name} did not load everything: {server.log_end()}")
    told = re.findall(rf"DB loaded from {source}: ([\d.]+) seconds", server.log_end())
    if not told:
        raise StartError(f"{server.name} does not say how long loading took: {server.log_end()}")
    return processor, float(told[-1])


def _switch_to_log(server: Server) -> float:
    """Have the server write an append-only file of commands; seconds until it is there."""
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "aof-use-rdb-preamble", "no")
        connection.call("CONFIG", "SET", "save", "")
        began = time.perf_counter()
        connection.call("CONFIG", "SET", "appendonly", "yes")
        while True:
            facts = connection.info("persistence")
            if facts["aof_rewrite_in_progress"] == facts["aof_rewrite_scheduled"] == "0":
                break
            time.sleep(0.01)
        if facts["aof_last_bgrewrite_status"] != "ok":
            raise StartError(f"{server.name}: writing the append-only file failed: {server.log_end()}")
        return time.perf_counter() - began


def measure_one(bench: Bench, spec: Spec, settings: Settings, progress: Progress) -> dict[str, float]:
    """All figures of one server, by the names of the metrics. Raises StartError."""
    keys = settings.keys
    folder, inside = folder_for(spec)
    options = ["--dir", inside, "--dbfilename", "dump.rdb"]
    try:
        with bench.start(spec, options) as server:
            progress.note(f"{spec.name}: filling")
            send_all(server.port, data(keys))
            progress.note(f"{spec.name}: SAVE")
            with Connection(server.port, timeout=600.0) as connection:
                used = server.usage()
                began = time.perf_counter()
                connection.call("SAVE")
                took = time.perf_counter() - began
                figures = {"save_s": took, "save_processor_s": server.usage().since(used).processor}
            figures["file_mb"] = os.stat(os.path.join(folder, "dump.rdb")).st_size / 1e6
            progress.note(f"{spec.name}: BGSAVE")
            names = ("bgsave_s", "child_processor_s", "fork_ms", "copied_mb")
            figures.update(zip(names, _background(server, keys, settings.rate), strict=True))
            with server.connect() as connection:
                connection.call("CONFIG", "SET", "save", "")
        progress.note(f"{spec.name}: loading")
        with bench.start(spec, options) as server:
            processor, took = _loaded(server, settings, "disk")
            figures.update(load_processor_s=processor, load_s=took)
            progress.note(f"{spec.name}: writing the append-only file")
            figures["aof_rewrite_s"] = _switch_to_log(server)
        log = os.path.join(folder, "appendonlydir")
        figures["aof_mb"] = sum(entry.stat().st_size for entry in os.scandir(log)) / 1e6
        progress.note(f"{spec.name}: loading the append-only file")
        with bench.start(spec, [*options, "--appendonly", "yes"]) as server:
            processor, took = _loaded(server, settings, "append only file")
            figures.update(aof_load_processor_s=processor, aof_load_s=took)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def measure(bench: Bench, settings: Settings) -> None:
    """Measure every server once per round, taking turns, each time in processes of its own."""
    bench.report.settings["writes beside BGSAVE"] = f"{settings.rate:,} a second"
    row = Row(f"{settings.keys:,} keys")
    with Progress(len(bench.specs) * settings.rounds, "persistence") as progress:
        for _ in range(settings.rounds):
            for spec in bench.specs:
                for name, value in measure_one(bench, spec, settings, progress).items():
                    bench.report.add(name, row, spec.name, value)
                progress.step()


MODE = Mode("persistence", "saving and loading: snapshots and the append-only file", METRICS, Settings, measure)
