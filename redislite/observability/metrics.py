"""What one server measures of itself over time: rates, how often somebody was denied something, time spent in cron."""

from __future__ import annotations

import os
import time
from collections import Counter, deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine

RATE_SAMPLES = 16  # what the instantaneous figures are the mean of
RATE_PERIOD = 0.1  # seconds between samples
PERIOD_TOLERANCE = 0.005  # seconds that a sample may come early: timers are not exact
# Counters of which rates are kept.
_RATED = ("commands_processed", "input_bytes", "output_bytes", "loop_turns", "loop_us")


class Metrics:
    """What one server measures of itself over time.

    `sample` is for cron, ten times a second or more often. The counters that others increase are public.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        # Bytes used before there was any client or key; None until the first sample, if no engine is given.
        self.startup_memory: int | None = engine.memory["used"] if engine is not None else None
        # The identity of the data set: master_replid.
        self.replication_id = os.urandom(20).hex()
        # Microseconds spent in cron.
        self.cron_us = 0.0
        # How often users were denied what, by the access log's words.
        self.denied: Counter[str] = Counter()
        self._rates: dict[str, deque[float]] = {name: deque(maxlen=RATE_SAMPLES) for name in _RATED}
        self._last_counts: dict[str, float] = {}
        self._last_time = 0.0

    def change_replication_id(self) -> None:
        """Give the data set another identity."""
        self.replication_id = os.urandom(20).hex()

    def sample(self, engine: Engine, now: float | None = None) -> None:
        """Note how far the counters have come. now: monotonic time in seconds, read here if not given."""
        now = time.monotonic() if now is None else now
        if self.startup_memory is None:
            self.startup_memory = engine.memory["used"]
        elapsed = now - self._last_time
        if self._last_counts and elapsed < RATE_PERIOD - PERIOD_TOLERANCE:
            return
        statistics = engine.statistics | {"loop_us": engine.loop_statistics["us"]}
        counts = {name: statistics[name] for name in _RATED}
        if self._last_counts:
            for name, count in counts.items():
                # Counters that were reset meanwhile begin anew.
                self._rates[name].append(max(0, count - self._last_counts[name]) / elapsed)
        self._last_counts = counts
        self._last_time = now

    def rate(self, name: str) -> float:
        """How much a counter of the engine's statistics grew per second lately. Raises KeyError."""
        samples = self._rates[name]
        return sum(samples) / RATE_SAMPLES if samples else 0.0

    def reset(self) -> None:
        """Begin anew, as CONFIG RESETSTAT does."""
        self.denied.clear()
        self._last_counts = {}
        for samples in self._rates.values():
            samples.clear()
