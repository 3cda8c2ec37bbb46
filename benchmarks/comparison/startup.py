"""The time from starting the command to its first PONG, and the processor time spent until then."""

from __future__ import annotations

from dataclasses import dataclass

from .mode import Bench, Mode
from .options import option, whole_number
from .progress import Progress
from .report import Metric, Report, Row, absolute_failures

METRICS = [
    Metric("first_pong_ms", "Start of the command to first PONG", "ms", 1, charted=True),
    Metric("processor_ms", "Processor time until just after it", "ms", 1),
]


@dataclass(frozen=True)
class Settings:
    """How often every server is started."""

    rounds: int = option(10, whole_number(1, 100))
    title = "Time to first PONG"


@dataclass(frozen=True)
class Bounds:
    """How long starting may take."""

    most_milliseconds: float | None = option(None, float, "with --check: longest median time to first PONG")

    def failures(self, report: Report) -> list[str]:
        return absolute_failures(report, "first_pong_ms", most=self.most_milliseconds)


def measure(bench: Bench, settings: Settings) -> None:
    """Start and stop every server once per round, taking turns; a round before them warms the caches, uncounted."""
    row = Row("start")
    with Progress((settings.rounds + 1) * len(bench.specs), "startup") as progress:
        for turn in range(-1, settings.rounds):
            for spec in bench.specs:
                progress.note(spec.name)
                with bench.start(spec) as server:
                    if turn >= 0:
                        bench.report.add("first_pong_ms", row, spec.name, server.start_seconds * 1e3)
                        bench.report.add("processor_ms", row, spec.name, server.usage().processor * 1e3)
                progress.step()


MODE = Mode("startup", "time to first PONG", METRICS, Settings, measure, Bounds)
