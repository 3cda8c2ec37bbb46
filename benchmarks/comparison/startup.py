"""The time from starting the command to its first PONG, and the processor time spent until then."""

from __future__ import annotations

from collections.abc import Sequence

from .progress import Progress
from .report import Metric, Report, Row
from .servers import Server, Spec

METRICS = [
    Metric("first_pong_ms", "Start of the command to first PONG", "ms", 1, charted=True),
    Metric("processor_ms", "Processor time until just after it", "ms", 1),
]


def measure(report: Report, specs: Sequence[Spec], *, rounds: int, port: int, core: int) -> None:
    """Start and stop every server once per round, taking turns; a round before them warms the caches, uncounted."""
    row = Row("start")
    with Progress((rounds + 1) * len(specs), "startup") as progress:
        for turn in range(-1, rounds):
            for spec in specs:
                progress.note(spec.name)
                with Server(spec, port, core) as server:
                    if turn >= 0:
                        report.add("first_pong_ms", row, spec.name, server.start_seconds * 1e3)
                        report.add("processor_ms", row, spec.name, server.usage().processor * 1e3)
                progress.step()
