"""The one background child of a server: who runs, how far it is, and what happens when it ends.

A child is forked in the data plane (`persistence/fork` there), for a snapshot, for a rewrite of the append-only file,
or for a replica. There is one at a time: each has the memory as it was at its fork, and what the server changes
meanwhile is copied.

Guarantees: while a child runs, the tables of keys keep their size where they can, so that less is copied; `done` is
called exactly once for each child, from the loop or from `wait`, never inside `start`; after that the runner is free
again, so `done` may start the next.
"""

from __future__ import annotations

import os
import signal
import time

from redislite._core.persistence.fork import ChildReport
from redislite.process.oom_score import CHILD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from redislite._core.engine import Engine
    from redislite.observability.latency_monitor import LatencyMonitor
    from redislite.observability.log import Log
    from redislite.process.oom_score import OomScore
    from redislite.serving.loop import Loop
    from redislite.serving.shutdown import Wish

    class Server(Protocol):
        """What is used of the server."""

        engine: Engine
        latency: LatencyMonitor
        log: Log
        loop: Loop
        oom_score: OomScore | None


_NS = 1_000_000_000
LONGEST_WAIT = 10.0  # seconds, for a child that was told to end
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0005, 0.02  # seconds between looks whether it has
UNKNOWN_STATUS = 1 << 8  # as waitpid would tell of exit code 1
# What the kinds of children do, as the log says it.
_WORK = {"rdb": "saving an .rdb", "aof": "rewriting the AOF"}


class Outcome:
    """How a child ended.

    exit_code: 0 where its task went well; -1 where a signal ended it. signal: that signal's number, or 0. cancelled:
    the server, or whoever sent SIGUSR1, wanted it to end, so its work has no use even if it came to an end. error:
    errno of what failed, or 0; a program that the child became tells it as its exit code. seconds: how long it lived.
    """

    def __init__(self, status: int, error: int, cancelled: bool, seconds: float) -> None:
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        self.error = error or (self.exit_code if self.exit_code > 1 else 0)
        self.cancelled = cancelled or self.signal == signal.SIGUSR1
        self.seconds = seconds

    @property
    def succeeded(self) -> bool:
        """The task went well, and its result is wanted."""
        return self.exit_code == 0 and not self.cancelled

    def describe(self) -> str:
        """Why it failed, in words."""
        if self.signal:
            return f"terminated by signal {self.signal}"
        if self.cancelled:
            return "cancelled"
        return os.strerror(self.error) if self.error else f"exit code {self.exit_code}"


class Child:
    """A child that runs.

    kind: what it is for. pid. keys_total: keys there were at the fork. started: monotonic seconds. report: what it
    tells of its work.
    """

    def __init__(
        self, kind: str, pid: int, keys_total: int, report: ChildReport, done: Callable[[Outcome], None]
    ) -> None:
        self.kind = kind
        self.pid = pid
        self.keys_total = keys_total
        self.report = report
        self.done = done
        self.started = time.monotonic()
        self.cancelled = False
        self.descriptor = -1  # of the process, readable when it has ended

    @property
    def work(self) -> str:
        """What it does, in words."""
        return _WORK.get(self.kind, f"at work ({self.kind})")

    @property
    def copied_age(self) -> int:
        """Seconds since it measured how much memory was copied."""
        measured = self.report.measured_ns
        return max(0, (time.monotonic_ns() - measured) // _NS) if measured else 0

    @property
    def percent(self) -> float:
        """How much of its work is done, by keys."""
        return min(100.0, self.report.keys * 100 / self.keys_total) if self.keys_total else 0.0


class ChildRunner:
    """The child of one server, if there is one, and what is known of those before."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.active: Child | None = None
        self.fork_us = 0  # how long the last fork took
        self.forks = 0
        # Bytes copied during the last child of a kind.
        self.last_copied: dict[str, int] = {}
        self._resizing = True

    def start(
        self, kind: str, fork: Callable[[ChildReport], int], done: Callable[[Outcome], None], cpus: str = ""
    ) -> Child:
        """Forks a child.

        fork: the call into the data plane; it answers the child's number, or raises OSError, as this does then.
        done: called when the child has ended. cpus: the processors that it may use, as cpulist directives have them.
        There must be none that runs.
        """
        assert self.active is None
        server = self._server
        keys = sum(server.engine.database_size(number) for number in range(server.engine.databases_count))
        report = ChildReport()
        begun = time.monotonic_ns()
        pid = fork(report)
        taken = time.monotonic_ns() - begun
        self.fork_us = taken // 1000
        self.forks += 1
        server.latency.add_if_long("fork", taken // 1_000_000)
        child = self.active = Child(kind, pid, keys, report, done)
        self._apply_resizing()
        if server.oom_score is not None:
            server.oom_score.apply(CHILD, pid)
        if cpus:
            self._bind(pid, cpus)
        self._watch(child)
        return child

    def kill(self) -> bool:
        """Has the child end, as cancelled; true where there was one. It is still there until it was reaped."""
        child = self.active
        if child is None:
            return False
        child.cancelled = True
        try:
            # Not one of the signals that a child which is stopped would only get when it goes on.
            os.kill(child.pid, signal.SIGKILL)
        except OSError as error:
            self._server.log.warning(f"The child {child.pid} cannot be told to end: {error.strerror}")
        return True

    def poll(self) -> None:
        """Takes notice of a child that has ended. For cron: some systems have no other way to know."""
        self._reap()

    def wait(self) -> bool:
        """Waits until the child that was told to end has ended, if there is one, and takes notice. False where it does
        not end in time: a disk may hold it up for as long as it likes, and is not to hold up who waits."""
        deadline = time.monotonic() + LONGEST_WAIT
        pause = SHORTEST_PAUSE
        child = self.active
        while child is not None and self.active is child:
            self._reap()
            if self.active is not child:
                break
            if time.monotonic() > deadline:
                self._server.log.warning(f"The child {child.pid} does not end. Going on without it.")
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def shut_down(self, _wish: Wish) -> None:
        """Before the end: the child ends."""
        if self.active is not None:
            self._server.log.warning(f"There is a child {self.active.work}. Killing it!")
            self.kill()
            self.wait()

    def allow_resizing(self, allowed: bool) -> None:
        """Lets the tables of keys grow and shrink at will (while no child runs), or never."""
        self._resizing = allowed
        self._apply_resizing()

    def _apply_resizing(self) -> None:
        self._server.engine.set_resizing(self._resizing and self.active is None)

    def _watch(self, child: Child) -> None:
        descriptor = -1
        try:
            descriptor = os.pidfd_open(child.pid)
            self._server.loop.add(descriptor, lambda _events: self.poll())
        except (AttributeError, OSError) as error:
            self._server.log.verbose(f"Cron looks whether the child {child.pid} has ended: {error}")
            if descriptor >= 0:
                os.close(descriptor)
            return
        child.descriptor = descriptor

    def _reap(self) -> None:
        child = self.active
        if child is None:
            return
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            # Somebody else has asked how it ended, and nobody can know now that it went well.
            self._server.log.warning(f"How the child {child.pid} has ended is not known")
            pid, status = child.pid, UNKNOWN_STATUS
        if pid == 0:
            return
        self.active = None
        if child.descriptor >= 0:
            self._server.loop.remove(child.descriptor)
            os.close(child.descriptor)
        self._apply_resizing()
        report = child.report
        self.last_copied[child.kind] = report.copied
        if report.measured_ns:
            current, peak = report.copied >> 20, report.copied_peak >> 20
            self._server.log.notice(f"Fork CoW for {child.kind.upper()}: current {current} MB, peak {peak} MB")
        child.done(Outcome(status, report.error, child.cancelled, time.monotonic() - child.started))

    def _bind(self, pid: int, cpus: str) -> None:
        try:
            os.sched_setaffinity(pid, parse_cpus(cpus))
        except (AttributeError, ValueError, OSError) as error:
            self._server.log.warning(f"The child keeps its processors: {cpus!r} cannot be applied ({error})")


def parse_cpus(text: str) -> set[int]:
    """The processors of a list such as `0-6:2,8`: numbers, and ranges with an optional step. ValueError."""
    cpus: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition(":")
        first, dash, last = span.partition("-")
        low = int(first)
        high = int(last) if dash else low
        stride = int(step) if step else 1
        if low < 0 or high < low or stride < 1 or (step and not dash):
            raise ValueError(f"no list of processors: {text!r}")
        cpus.update(range(low, high + 1, stride))
    return cpus
