"""The machine that measures: which cores the servers and the load run on, and a description for the report."""

from __future__ import annotations

import datetime
import os
import platform
import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """Processor numbers; the two are equal only where a single one is allowed."""

    server: int
    load: int


def _siblings(core: int) -> str:
    try:
        with open(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") as file:
            return file.read().strip()
    except OSError:
        return str(core)


def pick_cores(server: int | None = None, load: int | None = None) -> Cores:
    """Choose a core for servers and one for the load, on different physical cores where there are several.

    Raises ValueError for a core that this process may not use.
    """
    allowed = sorted(os.sched_getaffinity(0))
    for core in (server, load):
        if core is not None and core not in allowed:
            raise ValueError(f"core {core} is not one of those allowed here: {allowed}")
    if server is None:
        # The first core is where a kernel tends to put its own work.
        server = next((core for core in reversed(allowed) if core != load), allowed[-1])
    if load is None:
        others = [core for core in allowed if core != server]
        apart = [core for core in others if _siblings(core) != _siblings(server)]
        load = (apart or others or [server])[0]
    return Cores(server, load)


def raise_open_file_limit(wanted: int) -> int:
    """Raise this process's limit of open files towards `wanted`; returns the limit that then holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, hard), max(wanted, hard)))
        except (ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, top), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def allow_connections(count: int) -> None:
    """Let this process hold so many connections; raises OSError where the limit of open files forbids it."""
    files = raise_open_file_limit(count + 1000)
    if files < count + 100:
        raise OSError(f"{count:,} connections need more open files than the {files:,} allowed")


def describe(cores: Cores) -> dict[str, str]:
    """Return facts that a reader of the numbers needs; nothing that names a user or a path."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server core": str(cores.server),
        "load core": str(cores.load),
        "load average at start": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
