"""What the kernel says a process has used: processor time of all its threads, waiting, resident memory. Linux only.

Processor time comes from the process's CPU-time clock (`clock_getcpuclockid(3)`): user plus system time of every
thread, ended ones included, in nanoseconds, from the scheduler itself rather than from sampling ticks. The sum of
`/proc/PID/task/*/schedstat` is the same account without the ended threads, and the second choice. The ticks of
`/proc/PID/stat` (10 ms) only serve to tell user time from system time.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass


def _schedstat(pid: int) -> tuple[float, float]:
    """Return (seconds run, seconds spent runnable but waiting for a processor), all living threads summed."""
    ran = waited = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                fields = file.read().split()
        except FileNotFoundError:
            continue
        ran += int(fields[0])
        waited += int(fields[1])
    return ran / 1e9, waited / 1e9


def _process_clock(pid: int) -> float:
    """Return the seconds on the CPU-time clock of `pid`; raises OSError if the kernel refuses."""
    # The kernel's encoding of a process's clock: the complemented pid above three bits, of which 2 means
    # "as the scheduler counts it".
    return time.clock_gettime((~pid << 3) | 2)


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time since the process began; `waited` is time runnable without a processor."""

    processor: float
    user: float
    system: float
    waited: float

    @property
    def user_share(self) -> float:
        """The part of the processor time that was spent in user code, by the ticks."""
        return self.user / max(self.user + self.system, 1e-9)

    @property
    def waited_share(self) -> float:
        """The time without a processor, per processor time."""
        return self.waited / max(self.processor, 1e-9)

    def since(self, earlier: Usage) -> Usage:
        return Usage(
            self.processor - earlier.processor,
            self.user - earlier.user,
            self.system - earlier.system,
            self.waited - earlier.waited,
        )


def source(pid: int) -> str:
    """Name the account that `usage` reads for this process."""
    try:
        _process_clock(pid)
        return "process CPU-time clock"
    except OSError:
        return "sum of schedstat over the threads"


def usage(pid: int) -> Usage:
    """Read the account of a living process; raises OSError if it is gone or /proc lacks what is needed."""
    ran, waited = _schedstat(pid)
    try:
        ran = _process_clock(pid)
    except OSError:
        if ran == 0.0:
            raise
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    return Usage(ran, int(fields[11]) / tick, int(fields[12]) / tick, waited)


def resident_bytes(pid: int) -> int:
    """Return the resident size: exact from smaps_rollup, else from statm, which may lag by some pages per thread."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Rss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, PermissionError):
        pass
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
