#!/usr/bin/env python3
"""Compare redislite-server with real servers on this machine: speed, big operations, memory, growing, idling, start,
snapshots.

    python benchmarks/compare.py MODE [options]

README.md beside this file says what each mode does and what its numbers mean. Exit status: 0, or 1 when a check's
limit is exceeded, or 2 when the measuring could not be done.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any

from comparison import (
    accounting,
    chart,
    grow,
    hits,
    idle,
    machine,
    memory,
    operations,
    persistence,
    publish,
    report,
    servers,
    speed,
    startup,
)
from comparison.errors import ComparisonError
from comparison.mode import Bench, Bounds, Mode
from comparison.options import add_options, flag, read, telling, whole_number

MODES: dict[str, Mode[Any]] = {
    module.MODE.name: module.MODE
    for module in (speed, operations, memory, grow, idle, startup, publish, hits, persistence)
}


def _output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", metavar="FILE", help="write every value")
    group.add_argument("--markdown", metavar="FILE", help="write the tables in Markdown")
    group.add_argument("--chart", metavar="FILE", help="draw the chart, .svg or .png (needs matplotlib)")
    group = parser.add_argument_group("checking")
    group.add_argument("--check", action="store_true", help="exit with 1 when a limit is exceeded")
    group.add_argument(
        "--limit",
        metavar="[NAME][@DEPTH]=RATIO",
        action="append",
        type=telling(report.parse_limit),
        default=[],
        help="largest ratio of ours to each peer: 0.9 (everything), 16=0.85 (a depth), ping=1 (a test), ping@16=1; "
        "the most precise one counts; repeatable",
    )
    group.add_argument(
        "--against", metavar="NAME", action="append", default=[], help="check against this peer only; repeatable"
    )


def _server_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("servers")
    group.add_argument("--ours", metavar="COMMAND", help="our server (default: redislite-server beside this Python)")
    group.add_argument("--without-ours", action="store_true", help="measure the peers only")
    group.add_argument(
        "--peer",
        metavar="NAME=COMMAND",
        action="append",
        type=telling(servers.parse_peer),
        default=[],
        help="a server to compare with; repeatable. Those on the path are found by themselves",
    )
    group.add_argument("--no-discovery", action="store_true", help="leave out the servers on the path")
    group.add_argument("--server-core", metavar="N", type=int, help="core of the servers (default: the last allowed)")
    group.add_argument("--load-core", metavar="N", type=int, help="core of the load and of this program")
    group.add_argument("--first-port", metavar="N", type=whole_number(1024, 32000), default=16400)


def build_parser() -> argparse.ArgumentParser:
    """Return the command line's parser, a subcommand per mode."""
    parser = argparse.ArgumentParser(
        prog="compare.py", description="Compare redislite-server with real servers. Without a mode: speed."
    )
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in MODES.values():
        one = modes.add_parser(mode.name, help=mode.help)
        _server_options(one)
        add_options(one, mode.settings)
        if mode.bounds:
            add_options(one, mode.bounds)
        _output_options(one)
    show = modes.add_parser("show", help="tables, chart and check of an earlier run")
    show.add_argument("file", metavar="FILE.json")
    for mode in MODES.values():
        if mode.bounds:
            add_options(show, mode.bounds, help=f"for a report of {mode.name}")
    _output_options(show)
    return parser


def _chosen_servers(options: argparse.Namespace) -> list[servers.Spec]:
    chosen = [] if options.without_ours else [servers.find_ours(options.ours)]
    chosen += options.peer
    if not options.no_discovery:
        chosen += [spec for spec in servers.find_peers() if spec.name not in {one.name for one in chosen}]
    if not chosen:
        raise servers.StartError("no server to measure: give --ours or --peer, or install one")
    names = [spec.name for spec in chosen]
    if len(set(names)) < len(names):
        raise servers.StartError(f"two servers of the same name: {', '.join(names)}")
    unknown = [name for name in options.against if name not in names]
    if unknown:
        raise servers.StartError(f"--against {unknown[0]}: no such server among {', '.join(names)}")
    return chosen


def _free_ports(specs: Sequence[servers.Spec], first: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for spec in specs:
        found[spec.name] = servers.free_port(first)
        first = found[spec.name] + 1
    return found


def measure(options: argparse.Namespace) -> report.Report:
    """Do what the mode says; raises ComparisonError, OSError or ValueError when that cannot be done."""
    mode = MODES[options.mode]
    settings = read(mode.settings, options)
    specs = _chosen_servers(options)
    cores = machine.pick_cores(options.server_core, options.load_core)
    result = report.Report(mode.name, settings.title, mode.metrics, [], machine.describe(cores))
    os.sched_setaffinity(0, {cores.load})
    bench = Bench(result, specs, _free_ports(specs, options.first_port), cores.server, cores.load)
    for spec in specs:
        # Started once to see that it works, and what version it is.
        with bench.start(spec) as server:
            result.contestants.append(report.Contestant(spec.name, server.version, spec.ours))
    if cores.server == cores.load:
        result.note("one core for servers and load: latency and throughput mean little")
    result.settings["rounds"] = str(settings.rounds)
    result.settings["processor time from"] = accounting.source(os.getpid())
    mode.measure(bench, settings)
    return result


def _bounds(options: argparse.Namespace) -> list[Bounds]:
    """Return the bounds that the subcommand has options for: the mode's own, and all in `show`."""
    modes = MODES.values() if options.mode == "show" else [MODES[options.mode]]
    return [read(mode.bounds, options) for mode in modes if mode.bounds]


def check(result: report.Report, options: argparse.Namespace) -> list[str]:
    """Return what exceeds the limits given."""
    found = report.failures(result, options.limit, options.against) if options.limit else []
    for bounds in _bounds(options):
        found += bounds.failures(result)
    return found


def _check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program where options do not go together."""
    bounds = {name: value for one in _bounds(options) for name, value in vars(one).items()}
    if options.check and not options.limit and all(value is None for value in bounds.values()):
        parser.error(f"--check needs a limit: {' or '.join(['--limit', *map(flag, bounds)])}")
    if options.chart and importlib.util.find_spec("matplotlib") is None:
        parser.error("--chart needs matplotlib: install the project's bench extra")
    if options.chart and not options.chart.endswith((".svg", ".png")):
        parser.error("--chart: the file must end in .svg or .png")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] not in (*MODES, "show", "-h", "--help"):
        words.insert(0, "speed")
    parser = build_parser()
    options = parser.parse_args(words)
    _check_options(parser, options)
    try:
        if options.mode == "show":
            with open(options.file, encoding="utf-8") as file:
                result = report.from_json(file.read())
        elif not sys.platform.startswith("linux"):
            parser.error("measuring needs Linux: it reads /proc and pins processes to cores")
        else:
            result = measure(options)
        print(report.as_text(result))
        if options.json:
            _write(options.json, report.as_json(result))
        if options.markdown:
            _write(options.markdown, report.as_markdown(result))
        if options.chart:
            chart.draw(result, options.chart)
    except KeyboardInterrupt:
        print("compare.py: interrupted", file=sys.stderr)
        return 2
    except (ComparisonError, OSError, ValueError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    if options.check:
        found = check(result, options)
        for line in found:
            print(f"exceeded: {line}")
        print("check: " + (f"{len(found)} exceeded" if found else "within all limits"))
        return 1 if found else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
