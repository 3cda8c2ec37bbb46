"""What was measured, and how it is told: medians, ratios, limits, tables, Markdown, JSON. Measures nothing itself.

A report is a set of cells: one metric of one server for one row (a test, a shape) at one pipeline depth, with a value
for every round. The median of the rounds speaks for the cell; a ratio is our median over the peer's.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A measured quantity.

    Ratio limits apply to the `checked` ones; the `charted` ones get a panel; those not `shown` are in the JSON only.
    """

    name: str
    title: str
    unit: str
    digits: int
    checked: bool = False
    charted: bool = False
    shown: bool = True


@dataclass(frozen=True)
class Contestant:
    """A server as the report names it."""

    name: str
    version: str
    ours: bool


@dataclass(frozen=True)
class Row:
    """What a line of a table is about; `depth` is requests per pipeline, or None where that means nothing."""

    name: str
    depth: int | None = None

    @property
    def label(self) -> str:
        return self.name if self.depth is None else f"{self.name} @{self.depth}"


@dataclass(frozen=True)
class Limit:
    """The largest allowed ratio of ours to a peer, for all rows or those of a name, a depth, or both."""

    ratio: float
    name: str | None = None
    depth: int | None = None

    def applies_to(self, row: Row) -> bool:
        return self.name in (None, row.name) and self.depth in (None, row.depth)

    @property
    def precision(self) -> int:
        """More precise limits win over less precise ones; a name counts for more than a depth."""
        return 2 * (self.name is not None) + (self.depth is not None)


def parse_limit(text: str) -> Limit:
    """Read `0.9`, `16=0.85`, `ping=1.0` or `ping@16=1.0`; raises ValueError."""
    key, separator, ratio = text.rpartition("=")
    try:
        value = float(ratio)
    except ValueError:
        raise ValueError(f"limit {text!r}: {ratio!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise ValueError(f"limit {text!r}: the ratio must be above 0")
    if not separator:
        return Limit(value)
    name, at, depth = key.rpartition("@")
    if not at and key.isdigit():
        return Limit(value, None, int(key))
    if not at:
        name, depth = key, ""
    if not name or (at and not depth.isdigit()):
        raise ValueError(f"limit {text!r} is not RATIO, DEPTH=RATIO, NAME=RATIO or NAME@DEPTH=RATIO")
    return Limit(value, name, int(depth) if at else None)


@dataclass
class Report:
    """One run of one mode."""

    mode: str
    title: str
    metrics: list[Metric]
    contestants: list[Contestant]
    machine: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    values: dict[tuple[str, Row, str], list[float]] = field(default_factory=dict)

    def add(self, metric: str, row: Row, server: str, value: float) -> None:
        """Record one round's value."""
        self.values.setdefault((metric, row, server), []).append(value)

    def note(self, text: str) -> None:
        """Record something that a reader must know; the same text only once."""
        if text not in self.notes:
            self.notes.append(text)

    def median(self, metric: str, row: Row, server: str) -> float | None:
        values = self.values.get((metric, row, server))
        return statistics.median(values) if values else None

    def spread(self, metric: str, row: Row, server: str) -> float | None:
        """Return how far the rounds lie apart: (highest - lowest) / median; None with nothing to compare."""
        values = self.values.get((metric, row, server), [])
        middle = statistics.median(values) if values else 0.0
        return (max(values) - min(values)) / middle if middle else None

    def rows(self, metric: str) -> list[Row]:
        """Return the rows that have this metric, in order of recording."""
        return list(dict.fromkeys(row for name, row, _ in self.values if name == metric))

    @property
    def ours(self) -> str | None:
        return next((contestant.name for contestant in self.contestants if contestant.ours), None)

    @property
    def peers(self) -> list[str]:
        return [contestant.name for contestant in self.contestants if not contestant.ours]

    def ratio(self, metric: str, row: Row, peer: str) -> float | None:
        """Return our median over the peer's, or None where one of them is missing or zero."""
        ours = self.median(metric, row, self.ours) if self.ours else None
        theirs = self.median(metric, row, peer)
        return ours / theirs if ours is not None and theirs else None

    def best_peer(self, metric: str, row: Row) -> str | None:
        """Return the peer with the lowest median."""
        found = [(value, peer) for peer in self.peers if (value := self.median(metric, row, peer)) is not None]
        return min(found)[1] if found else None


def failures(report: Report, limits: Sequence[Limit], against: Sequence[str] = ()) -> list[str]:
    """Return a sentence for every checked cell whose ratio to a peer exceeds its limit, or could not be formed.

    All peers are compared with, or those in `against`; being within a limit to each is being within it to the best.
    A limit that no measured row answers to is a failure too: a check that checks nothing must not pass.
    """
    found = []
    used: set[Limit] = set()
    peers = list(against) or report.peers
    if not peers or report.ours is None:
        return ["nothing to compare: a check needs our server and a peer"]
    for metric in report.metrics:
        if not metric.checked:
            continue
        for row in report.rows(metric.name):
            applying = [limit for limit in limits if limit.applies_to(row)]
            if not applying:
                continue
            used.update(applying)
            limit = max(applying, key=lambda one: one.precision)
            for peer in peers:
                ratio = report.ratio(metric.name, row, peer)
                what = f"{row.label}: {metric.title} against {peer}"
                if ratio is None:
                    found.append(f"{what}: not measured")
                elif ratio > limit.ratio:
                    found.append(f"{what}: {ratio:.3f}, limit {limit.ratio:g}")
    found += [f"limit {limit}: nothing measured that it applies to" for limit in limits if limit not in used]
    return found


def absolute_failures(
    report: Report, metric: str, *, least: float | None = None, most: float | None = None
) -> list[str]:
    """Return a sentence for every row in which our median of `metric` leaves the bounds, or is missing altogether."""
    if least is None and most is None:
        return []
    ours = report.ours
    rows = [row for row in report.rows(metric) if ours and report.median(metric, row, ours) is not None]
    if not rows or ours is None:
        return [f"{metric}: not measured for our server"]
    found = []
    for row in rows:
        value = report.median(metric, row, ours)
        assert value is not None
        if least is not None and value < least:
            found.append(f"{row.label}: {metric} {value:.3f}, at least {least:g} wanted")
        if most is not None and value > most:
            found.append(f"{row.label}: {metric} {value:.3f}, at most {most:g} wanted")
    return found


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def table(report: Report, metric: Metric) -> list[list[str]]:
    """Return the metric's table, header first: a column per server, then a ratio per peer."""
    servers = [contestant.name for contestant in report.contestants]
    with_ratios = report.ours is not None and len(report.peers) > 0
    header = ["", *servers]
    if with_ratios:
        header += [f"{report.ours} / {peer}" for peer in report.peers]
    lines = [header]
    for row in report.rows(metric.name):
        line = [row.label]
        line += [number(report.median(metric.name, row, server), metric.digits) for server in servers]
        if with_ratios:
            line += [number(report.ratio(metric.name, row, peer), 2) for peer in report.peers]
        lines.append(line)
    return lines


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lay out a table for a terminal: the first column to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = []
    for number_of_line, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)
        ]
        text.append("  ".join(cells).rstrip())
        if number_of_line == 0:
            text.append("  ".join("-" * width for width in widths))
    return "\n".join(text)


def _shown(report: Report) -> Iterable[Metric]:
    return (metric for metric in report.metrics if metric.shown and report.rows(metric.name))


def _heading(metric: Metric) -> str:
    return f"{metric.title}, {metric.unit}" if metric.unit else metric.title


def _facts(report: Report) -> list[str]:
    servers = ", ".join(f"{one.name} ({one.version})" if one.version else one.name for one in report.contestants)
    facts = [f"servers: {servers}"]
    facts += [f"{name}: {value}" for name, value in {**report.settings, **report.machine}.items()]
    return facts


def as_text(report: Report) -> str:
    """Return the whole report for a terminal."""
    parts = [report.title]
    parts += [f"{_heading(metric)}\n{aligned(table(report, metric))}" for metric in _shown(report)]
    parts.append("\n".join(_facts(report)))
    if report.notes:
        parts.append("\n".join(f"note: {note}" for note in report.notes))
    return "\n\n".join(parts) + "\n"


def as_markdown(report: Report) -> str:
    """Return the whole report in Markdown."""
    parts = [f"# {report.title}"]
    for metric in _shown(report):
        lines = table(report, metric)
        rule = "|".join(["---", *["--:"] * (len(lines[0]) - 1)])
        body = [f"| {' | '.join(line)} |" for line in lines]
        parts.append(f"## {_heading(metric)}\n\n" + "\n".join([body[0], f"|{rule}|", *body[1:]]))
    parts.append("## How it was measured\n\n" + "\n".join(f"- {fact}" for fact in _facts(report)))
    if report.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in report.notes))
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> str:
    """Return everything, each round's values included; `from_json` reads it back."""
    cells: list[dict[str, Any]] = []
    for (metric, row, server), values in report.values.items():
        cell: dict[str, Any] = {"metric": metric, "row": row.name, "depth": row.depth, "server": server}
        cell |= {"median": report.median(metric, row, server), "spread": report.spread(metric, row, server)}
        if server in report.peers and report.ours:
            cell["ratio"] = report.ratio(metric, row, server)
        cells.append(cell | {"values": values})
    document = {
        "mode": report.mode,
        "title": report.title,
        "machine": report.machine,
        "settings": report.settings,
        "servers": [vars(contestant) for contestant in report.contestants],
        "metrics": [vars(metric) for metric in report.metrics],
        "cells": cells,
        "notes": report.notes,
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> Report:
    """Read a report back; raises ValueError when the text is not one."""
    try:
        document = json.loads(text)
        report = Report(
            document["mode"],
            document["title"],
            [Metric(**metric) for metric in document["metrics"]],
            [Contestant(**contestant) for contestant in document["servers"]],
            document["machine"],
            document["settings"],
            document["notes"],
        )
        for cell in document["cells"]:
            report.values[cell["metric"], Row(cell["row"], cell["depth"]), cell["server"]] = list(cell["values"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a report of this program: {error!r}") from None
    return report
