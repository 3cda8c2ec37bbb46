"""The chart of a report: small multiples of horizontal bars, one panel per pipeline depth or per metric.

Needs matplotlib (the project's `bench` extra). Colours are Okabe and Ito's, which colour-blind readers tell apart.
Bars carry their values, so nothing has to be read off an axis, and are to scale within their row.
"""

from __future__ import annotations

from dataclasses import dataclass

from .report import Metric, Report, Row, number

_OURS = "#0072B2"
_PEERS = ("#E69F00", "#009E73", "#CC79A7", "#999999", "#56B4E9", "#D55E00")


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    metric: Metric
    rows: list[Row]


def panels(report: Report) -> list[Panel]:
    """Return what is drawn: for each charted metric a panel per depth, or one if depths mean nothing there."""
    found = []
    for metric in report.metrics:
        rows = report.rows(metric.name)
        if not metric.charted or not rows:
            continue
        for depth in sorted({row.depth for row in rows}, key=lambda value: value or 0):
            title = metric.title
            if depth is not None:
                how = "no pipelining" if depth == 1 else f"pipelines of {depth}"
                title = f"{metric.title}, {how}"
            found.append(Panel(title, metric, [row for row in rows if row.depth == depth]))
    return found


def _largest(report: Report, metric: Metric, row: Row, servers: list[str]) -> float:
    """Return the largest median of a row, or 1 where there is none above 0."""
    return max((report.median(metric.name, row, server) or 0.0 for server in servers), default=0.0) or 1.0


def draw(report: Report, path: str) -> None:
    """Write the chart to `path`, as its ending says (.svg, .png). Raises ImportError without matplotlib, ValueError for
    an empty report or an unknown ending, OSError."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "redislite", "svg.fonttype": "none", "font.size": 9})
    import matplotlib.pyplot as plot

    shown = panels(report)
    if not shown:
        raise ValueError("nothing to draw")
    servers = [contestant.name for contestant in report.contestants]
    others = iter(_PEERS * (1 + len(servers) // len(_PEERS)))
    colours = {one.name: _OURS if one.ours else next(others) for one in report.contestants}
    most_rows = max(len(panel.rows) for panel in shown)
    columns = min(len(shown), 3)
    lines = -(-len(shown) // columns)
    height = max(1.6, 0.19 * most_rows * len(servers) + 0.25 * most_rows + 0.6)
    labels_outside = any(len(row.name) > 14 for panel in shown for row in panel.rows)
    width = 3.6 * columns + (2.2 if labels_outside else 0.6)
    figure, grid = plot.subplots(lines, columns, figsize=(width, height * lines + 0.9), squeeze=False, sharey=False)
    for position, axes in enumerate(grid.flat):
        if position >= len(shown):
            axes.set_visible(False)
            continue
        panel = shown[position]
        same_rows = (
            position % columns
            and panel.rows
            and [row.name for row in panel.rows] == [row.name for row in shown[position - 1].rows]
        )
        bar = 0.8 / len(servers)
        # Rows differ by more than ten times (MSET and PING), so each has a scale of its own.
        scales = [_largest(report, panel.metric, row, servers) for row in panel.rows]
        for which, server in enumerate(servers):
            places = [line + (which - (len(servers) - 1) / 2) * bar for line in range(len(panel.rows))]
            values = [report.median(panel.metric.name, row, server) for row in panel.rows]
            lengths = [(value or 0.0) / scale for value, scale in zip(values, scales, strict=True)]
            axes.barh(places, lengths, bar * 0.92, color=colours[server], label=server)
            for place, length, value in zip(places, lengths, values, strict=True):
                text = " " + number(value, panel.metric.digits)
                axes.text(max(length, 0.0), place, text, va="center", ha="left", fontsize=7, color="#333333")
        axes.set_xlim(0, 1.22)
        axes.set_ylim(len(panel.rows) - 0.45, -0.55)
        axes.set_yticks(range(len(panel.rows)), [] if same_rows else [row.name for row in panel.rows])
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.set_title("\n".join(filter(None, (panel.title, panel.metric.unit))), loc="left", fontsize=9)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        axes.spines["left"].set_color("#999999")
    handles, names = grid.flat[0].get_legend_handles_labels()
    versions = {one.name: one.version for one in report.contestants}
    names = [name if not versions[name] or versions[name] in name else f"{name} {versions[name]}" for name in names]
    figure.legend(handles, names, loc="upper left", ncols=len(names), frameon=False, bbox_to_anchor=(0.0, 1.0))
    figure.text(0.995, 0.005, "bars are to scale within a row", ha="right", va="bottom", fontsize=7, color="#666666")
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.42 / (height * lines + 0.9)))
    metadata = {"Date": None} if path.endswith(".svg") else None
    figure.savefig(path, dpi=150, metadata=metadata)
    plot.close(figure)
