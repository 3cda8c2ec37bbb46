"""The latency monitor: samples of events that took long, and what LATENCY shows of them.

An event has at most SAMPLES samples, one per second: a longer one in the same second takes the place of a shorter.
"""

from __future__ import annotations

import contextlib
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redislite.config.config import Config

SAMPLES = 160  # per event
GRAPH_COLUMNS = 80
GRAPH_ROWS = 4
GRAPH_MARKS = "_o#"  # a third, two thirds, the whole of a row


class Event:
    """The samples of one event: (Unix time in seconds, milliseconds), the oldest first; and what is left of all."""

    __slots__ = ("count", "maximum", "samples", "total")

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []
        self.maximum = 0  # milliseconds, of all there ever were
        self.total = 0  # milliseconds
        self.count = 0

    def add(self, seconds: int, ms: int) -> None:
        """Take in a sample."""
        self.maximum = max(self.maximum, ms)
        self.total += ms
        self.count += 1
        if self.samples and self.samples[-1][0] == seconds:
            self.samples[-1] = (seconds, max(ms, self.samples[-1][1]))
            return
        self.samples.append((seconds, ms))
        if len(self.samples) > SAMPLES:
            del self.samples[0]


class LatencyMonitor:
    """The events of one server. `clock` gives the Unix time in seconds."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self.events: dict[str, Event] = {}

    @property
    def threshold_ms(self) -> int:
        """From how many milliseconds on an event counts; 0: none does."""
        threshold: int = self._config["latency-monitor-threshold"]
        return threshold

    def add(self, event: str, ms: int) -> None:
        """Take in a sample that is known to be over the threshold."""
        self.events.setdefault(event, Event()).add(int(self._clock()), ms)

    def add_if_long(self, event: str, ms: int) -> None:
        """Take in a sample if the monitor is on and it reaches the threshold."""
        if 0 < self.threshold_ms <= ms:
            self.add(event, ms)

    @contextlib.contextmanager
    def measured(self, event: str) -> Iterator[None]:
        """Take in how long the body takes, if the monitor is on and it reaches the threshold."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.add_if_long(event, int((time.monotonic() - begun) * 1000))

    def reset(self, names: Sequence[str] = ()) -> int:
        """Forget these events, or all; answers how many there were."""
        return sum(self.events.pop(name, None) is not None for name in names or tuple(self.events))

    def graph(self, name: str) -> str:
        """An event's samples drawn as columns, with the age of each below. Raises KeyError."""
        event = self.events[name]
        values = [ms for _, ms in event.samples]
        high, low = max(values), min(values)
        text = f"{name} - high {high} ms, low {low} ms (all time high {event.maximum} ms)\n" + "-" * 80 + "\n"
        now = int(self._clock())
        columns = [(_level(ms, low, high), age_label(now - seconds)) for seconds, ms in event.samples]
        parts = [columns[start : start + GRAPH_COLUMNS] for start in range(0, len(columns), GRAPH_COLUMNS)]
        return text + "\n".join(_draw(part) for part in parts)

    def report(self, slow_log_us: int) -> str:
        """What the events point to, in words. slow_log_us: the slow log's threshold in microseconds."""
        if self.threshold_ms == 0 and not self.events:
            return (
                "Latency monitoring is switched off, so there is nothing to diagnose. Switch it on with "
                '"CONFIG SET latency-monitor-threshold <milliseconds>" and ask again once the server has been busy '
                "for a while.\n"
            )
        if not self.events:
            return "No latency spike has been recorded since the start or the last LATENCY RESET. All is well.\n"
        lines = ["Latency spikes have been recorded on this server:", ""]
        for number, (name, event) in enumerate(self.events.items(), 1):
            lines.append(f"{number}. {name}: {describe(event, self._clock())}")
        lines += ["", "What may help:", ""]
        lines += [f"- {line}" for line in self._advice(slow_log_us)]
        return "\n".join(lines) + "\n"

    def _advice(self, slow_log_us: int) -> list[str]:
        advice: list[str] = []
        names = self.events.keys()
        if names & {"command", "fast-command"}:
            threshold_us = self.threshold_ms * 1000
            if slow_log_us < 0 or slow_log_us > threshold_us > 0:
                advice.append(
                    "The slow log misses commands that the latency monitor sees. Let it record them with "
                    f"'CONFIG SET slowlog-log-slower-than {threshold_us}'."
                )
            if slow_log_us >= 0:
                advice.append("Look into the slow log (SLOWLOG GET) for the commands that take the time.")
        if "command" in names:
            advice.append(
                "Commands that look at many elements stop everybody else: ask for less at a time, or use the SCAN "
                "family. Delete large values with UNLINK, which releases them in the background."
            )
        if "fast-command" in names:
            advice.append(
                "Even commands that do next to nothing were slow: something takes the processor away from the server. "
                "Look for other busy processes, for swapping (vmstat tells), and for a virtual machine whose "
                "host is overcommitted."
            )
        if "expire-cycle" in names:
            advice.append(
                "Many keys expire at once, or large ones do. Spread their deadlines, or set lazyfree-lazy-expire to "
                "yes so that large values are released in the background."
            )
        if "eviction-cycle" in names or "eviction-del" in names:
            advice.append(
                "Keys are evicted under pressure. Raise maxmemory if there is room, write less at once, or set "
                "lazyfree-lazy-eviction to yes."
            )
        if any(name.startswith("aof-") for name in names):
            advice.append(
                "The append-only file waits for its disk. Give it a disk of its own, sync less often (appendfsync "
                "everysec), or not while a child writes (no-appendfsync-on-rewrite yes)."
            )
        if not advice:
            advice.append("LATENCY GRAPH <event> shows whether the spikes come in a rhythm.")
        return advice


def age_label(seconds: int) -> str:
    """An age in its largest whole unit: 5s, 3m, 2h, 7d."""
    for unit, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{letter}"
    return f"{max(seconds, 0)}s"


def describe(event: Event, now: float) -> str:
    """One line of figures: count, average, mean deviation and period of the samples, worst of all times."""
    values = [ms for _, ms in event.samples]
    average = sum(values) // len(values)
    deviation = sum(abs(ms - average) for ms in values) // len(values)
    period = max(now - event.samples[0][0], 1) / len(values)
    return (
        f"{len(values)} latency spikes (average {average}ms, mean deviation {deviation}ms, period {period:.2f} sec). "
        f"Worst all time event {event.maximum}ms."
    )


def _level(ms: int, low: int, high: int) -> int:
    """How high a column is, in thirds of a row, from 0 on."""
    steps = GRAPH_ROWS * len(GRAPH_MARKS)
    return min(steps - 1, (ms - low) * steps // (high - low)) if high > low else 0


def _draw(columns: list[tuple[int, str]]) -> str:
    """Rows of marks, an empty one, and the labels downwards."""
    marks = len(GRAPH_MARKS)
    lines: list[str] = []
    for row in range(GRAPH_ROWS - 1, -1, -1):
        line = ""
        for level, _ in columns:
            rest = level - row * marks
            line += " " if rest < 0 else GRAPH_MARKS[rest] if rest < marks else "|"
        lines.append(line)
    lines.append(" " * len(columns))
    for depth in range(max(len(label) for _, label in columns)):
        lines.append("".join(label[depth : depth + 1] or " " for _, label in columns))
    return "\n".join(lines) + "\n"
