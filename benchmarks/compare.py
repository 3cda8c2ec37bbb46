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
import shlex
import sys
from collections.abc import Callable, Sequence

from comparison import (
    accounting,
    chart,
    grow,
    hits,
    idle,
    load,
    machine,
    memory,
    operations,
    persistence,
    publish,
    report,
    servers,
    speed,
    startup,
    wire,
)

MODES = ("speed", "operations", "publish", "memory", "grow", "idle", "startup", "hits", "persistence", "show")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type for a bounded whole number."""

    def convert(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not in {least}..{most}")
        return value

    convert.__name__ = "whole number"
    return convert


def seconds(text: str) -> float:
    """An argparse type: more than nothing, less than an hour."""
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{value} is not within an hour")
    return value


def depths(text: str) -> tuple[int, ...]:
    """An argparse type: pipeline depths such as `1,16,100`."""
    return tuple(dict.fromkeys(whole_number(1, 10_000)(part) for part in text.split(",")))


def limit(text: str) -> report.Limit:
    """An argparse type for --limit."""
    try:
        return report.parse_limit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def peer(text: str) -> servers.Spec:
    """An argparse type for --peer."""
    try:
        return servers.parse_peer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
        type=limit,
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
        type=peer,
        default=[],
        help="a server to compare with; repeatable. Those on the path are found by themselves",
    )
    group.add_argument("--no-discovery", action="store_true", help="leave out the servers on the path")
    group.add_argument("--server-core", metavar="N", type=int, help="core of the servers (default: the last allowed)")
    group.add_argument("--load-core", metavar="N", type=int, help="core of the load and of this program")
    group.add_argument("--first-port", metavar="N", type=whole_number(1024, 32000), default=16400)


def _load_options(parser: argparse.ArgumentParser, tests: str, rounds: int, depth: str) -> None:
    group = parser.add_argument_group("load")
    group.add_argument("--load", metavar="COMMAND", help="valkey-benchmark or redis-benchmark (default: on the path)")
    group.add_argument(
        "--tests", default=tests, help=f"default, types, all, or of: {','.join(load.TESTS)} (default: {tests})"
    )
    group.add_argument("--depths", type=depths, default=depths(depth), help=f"requests per pipeline (default: {depth})")
    group.add_argument("--clients", type=whole_number(1, 1000), default=50)
    group.add_argument("--keys", type=whole_number(100, 10_000_000), default=100_000)
    group.add_argument("--rounds", type=whole_number(1, 100), default=rounds)
    group.add_argument(
        "--least-processor", type=seconds, default=0.4, help="seconds of processor time wanted per run (default: 0.4)"
    )
    group.add_argument("--most-run", type=seconds, default=8.0, help="seconds a run may take (default: 8)")


def build_parser() -> argparse.ArgumentParser:
    """Return the command line's parser, a subcommand per mode."""
    parser = argparse.ArgumentParser(
        prog="compare.py", description="Compare redislite-server with real servers. Without a mode: speed."
    )
    modes = parser.add_subparsers(dest="mode", required=True)

    one = modes.add_parser("speed", help="processor time per request, throughput, latency")
    _server_options(one)
    _load_options(one, "default", 5, "1,16,100")
    one.add_argument(
        "--server-options",
        metavar="WORDS",
        default="",
        help="for every server's command line, such as '--appendonly yes --dir /tmp --appenddirname log-{port}'",
    )
    _output_options(one)

    one = modes.add_parser("operations", help="processor time of single commands over large values")
    _server_options(one)
    one.add_argument(
        "--groups", default="all", help=f"all, or of: {','.join(operations.GROUPS)} (default: all)", metavar="NAMES"
    )
    one.add_argument("--elements", type=whole_number(1_000, 1_000_000), default=100_000, help="in a collection")
    one.add_argument("--megabytes", type=whole_number(1, 512), default=64, help="in a bitmap")
    one.add_argument("--rounds", type=whole_number(1, 100), default=5)
    one.add_argument("--least-processor", type=seconds, default=0.05, help="seconds of processor time per round")
    _output_options(one)

    one = modes.add_parser("memory", help="bytes per key and per element")
    _server_options(one)
    one.add_argument("--shapes", default="all", help=f"all, strings, or of: {','.join(memory.SHAPES)} (default: all)")
    one.add_argument("--keys", type=whole_number(10_000, 1_000_000), default=300_000, help="keys or elements per shape")
    one.add_argument("--rounds", type=whole_number(1, 20), default=1)
    _output_options(one)

    one = modes.add_parser("grow", help="longest pause while growing to millions of keys")
    _server_options(one)
    one.add_argument("--keys", type=whole_number(10_000, 100_000_000), default=8_000_000)
    one.add_argument("--pipeline", type=whole_number(1, 10_000), default=100, help="SETs per pipeline")
    one.add_argument("--rounds", type=whole_number(1, 20), default=3)
    one.add_argument("--timeout", type=seconds, default=300.0, help="seconds one server may take to fill")
    _output_options(one)

    one = modes.add_parser("idle", help="what idle connections cost")
    _server_options(one)
    _load_options(one, "set,get", 3, "1,16")
    one.add_argument("--connections", type=whole_number(1, 25_000), default=10_000)
    one.add_argument("--least-kept", type=float, help="with --check: smallest share of throughput kept, such as 0.9")
    _output_options(one)

    one = modes.add_parser("startup", help="time to first PONG")
    _server_options(one)
    one.add_argument("--rounds", type=whole_number(1, 100), default=10)
    one.add_argument("--most-milliseconds", type=float, help="with --check: longest median time to first PONG")
    _output_options(one)

    one = modes.add_parser("publish", help="what a delivery to a subscriber costs")
    _server_options(one)
    one.add_argument("--subscribers", type=whole_number(1, 20_000), default=1000)
    one.add_argument("--sizes", type=depths, default=(64, 4000), help="bytes of a message (default: 64,4000)")
    one.add_argument("--depths", type=depths, default=(1, 16), help="messages per pipeline (default: 1,16)")
    one.add_argument("--protocol", type=int, choices=(2, 3), default=2, help="of the subscribers (default: 2)")
    one.add_argument("--rounds", type=whole_number(1, 100), default=5)
    one.add_argument("--least-processor", type=seconds, default=0.4, help="seconds wanted per reading (default: 0.4)")
    _output_options(one)

    one = modes.add_parser("hits", help="hit ratio of a full cache")
    _server_options(one)
    one.add_argument("--policies", default="allkeys-lru,allkeys-lfu", help="of maxmemory-policy, with commas between")
    one.add_argument("--keys", type=whole_number(1000, 10_000_000), default=200_000, help="keys that are asked for")
    one.add_argument("--share", type=float, default=0.1, help="of the keys, that the memory limit has room for")
    one.add_argument("--bytes", type=whole_number(1 << 20, 1 << 40), help="the memory limit itself, the same for all")
    one.add_argument("--samples", type=whole_number(1, 64), default=5, help="maxmemory-samples")
    one.add_argument("--requests", type=whole_number(10_000, 1_000_000_000), default=1_000_000)
    one.add_argument("--rate", type=whole_number(100, 1_000_000), default=20_000, help="requests per second")
    one.add_argument("--exponent", type=float, default=0.99, help="of Zipf's distribution")
    one.add_argument("--value", type=whole_number(1, 100_000), default=100, help="bytes of a value")
    one.add_argument("--rounds", type=whole_number(1, 20), default=1)
    one.add_argument("--most-behind", type=float, help="with --check: points that we may hit less often than a peer")
    one.add_argument("--most-over", type=float, help="with --check: percent that memory may get over its limit")
    _output_options(one)

    one = modes.add_parser("persistence", help="saving and loading snapshots")
    _server_options(one)
    one.add_argument("--keys", type=whole_number(600, 100_000_000), default=1_000_000)
    one.add_argument("--rate", type=whole_number(100, 1_000_000), default=20_000, help="writes a second beside BGSAVE")
    one.add_argument("--rounds", type=whole_number(1, 20), default=3)
    _output_options(one)

    one = modes.add_parser("show", help="tables, chart and check of an earlier run")
    one.add_argument("file", metavar="FILE.json")
    one.add_argument("--least-kept", type=float, help="for a report of idle")
    one.add_argument("--most-milliseconds", type=float, help="for a report of startup")
    one.add_argument("--most-behind", type=float, help="for a report of hits")
    one.add_argument("--most-over", type=float, help="for a report of hits")
    _output_options(one)
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


def _free_ports(first: int, count: int) -> list[int]:
    found: list[int] = []
    for _ in range(count):
        found.append(servers.free_port(found[-1] + 1 if found else first))
    return found


def _versions(specs: Sequence[servers.Spec], port: int, core: int) -> list[report.Contestant]:
    """Start every server once to see that it works and what version it is."""
    found = []
    for spec in specs:
        with servers.Server(spec, port, core) as server:
            found.append(report.Contestant(spec.name, server.version, spec.ours))
    return found


def measure(options: argparse.Namespace) -> report.Report:
    """Do what the mode says; raises an error of the comparison package when that cannot be done."""
    specs = _chosen_servers(options)
    cores = machine.pick_cores(options.server_core, options.load_core)
    facts = machine.describe(cores)
    os.sched_setaffinity(0, {cores.load})
    ports = _free_ports(options.first_port, len(specs))
    generator = load.find_load(options.load, cores.load) if options.mode in ("speed", "idle") else None
    metrics = {
        "speed": speed.METRICS,
        "operations": operations.METRICS,
        "memory": memory.METRICS,
        "grow": grow.METRICS,
        "idle": idle.METRICS,
        "startup": startup.METRICS,
        "hits": hits.METRICS,
        "persistence": persistence.METRICS,
        "publish": publish.METRICS,
    }[options.mode]
    result = report.Report(options.mode, "", metrics, _versions(specs, ports[0], cores.server), facts)
    if cores.server == cores.load:
        result.note("one core for servers and load: latency and throughput mean little")
    result.settings["rounds"] = str(options.rounds)
    result.settings["processor time from"] = accounting.source(os.getpid())
    if generator is not None:
        tests = load.pick_tests(options.tests)
        settings = speed.Settings(
            rounds=options.rounds,
            depths=options.depths,
            clients=options.clients,
            keys=options.keys,
            least_processor=options.least_processor,
            most_run=options.most_run,
        )
        result.settings["load"] = f"{generator.version}, {options.clients} connections, {options.keys:,} random keys"
    if options.mode == "speed":
        assert generator is not None
        result.title = "Processor time, throughput and latency"
        words = shlex.split(options.server_options)
        if words:
            result.settings["server options"] = options.server_options
        speed.measure(
            result, specs, generator, tests, settings=settings, ports=ports, core=cores.server, options=words
        )
    elif options.mode == "operations":
        result.title = f"Operations on {options.elements:,} elements, or {options.megabytes} MiB"
        operations.measure(
            result,
            specs,
            operations.pick_groups(options.groups),
            sizes=operations.Sizes(options.elements, options.megabytes << 20),
            rounds=options.rounds,
            least=options.least_processor,
            ports=ports,
            core=cores.server,
        )
    elif options.mode == "memory":
        result.title = f"Memory of {options.keys:,} keys or elements"
        shapes = memory.pick_shapes(options.shapes)
        memory.measure(result, specs, shapes, options.keys, ports[0], cores.server, options.rounds)
    elif options.mode == "grow":
        result.title = f"A server growing to {options.keys:,} keys by pipelined SETs"
        result.settings["SETs per pipeline"] = str(options.pipeline)
        grow.measure(
            result,
            specs,
            keys=options.keys,
            pipeline=options.pipeline,
            rounds=options.rounds,
            timeout=options.timeout,
            port=ports[0],
            core=cores.server,
        )
    elif options.mode == "idle":
        assert generator is not None
        if any(test.dataset is not load.STRINGS for test in tests):
            raise ValueError("idle takes tests on string keys only, such as set,get")
        files = machine.raise_open_file_limit(options.connections + 1000)
        if files < options.connections + 100:
            raise idle.IdleError(f"{options.connections:,} connections need more open files than the {files} allowed")
        result.title = f"{options.connections:,} idle connections"
        idle.measure(
            result,
            specs,
            generator,
            tests,
            count=options.connections,
            settings=settings,
            ports=ports,
            core=cores.server,
        )
    elif options.mode == "publish":
        files = machine.raise_open_file_limit(options.subscribers * len(specs) + 1000)
        if files < options.subscribers * len(specs) + 100:
            raise publish.PublishError(f"so many subscribers need more open files than the {files} allowed")
        result.title = f"Messages to {options.subscribers:,} subscribers"
        result.settings["protocol"] = f"RESP{options.protocol}"
        publish.measure(
            result,
            specs,
            settings=publish.Settings(
                rounds=options.rounds,
                depths=options.depths,
                sizes=options.sizes,
                subscribers=options.subscribers,
                protocol=options.protocol,
                least_processor=options.least_processor,
            ),
            ports=ports,
            core=cores.server,
        )
    elif options.mode == "hits":
        policies = options.policies.split(",")
        unknown = [policy for policy in policies if policy not in hits.POLICIES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no policy: choose from {', '.join(hits.POLICIES)}")
        result.title = f"Hits among {options.keys:,} keys, Zipf {options.exponent}, {options.samples} samples"
        room = f"{options.bytes:,} bytes" if options.bytes else f"{options.share:.0%} of the keys"
        result.settings["room for"] = room
        result.settings["load"] = f"{options.requests:,} requests, {options.rate:,} a second"
        hits.measure(
            result,
            specs,
            policies,
            rounds=options.rounds,
            keys=options.keys,
            share=options.share,
            memory=options.bytes,
            requests=options.requests,
            rate=options.rate,
            exponent=options.exponent,
            samples=options.samples,
            value=options.value,
            ports=ports,
            core=cores.server,
        )
    elif options.mode == "persistence":
        result.title = f"Snapshots of {options.keys:,} mixed keys"
        result.settings["writes beside BGSAVE"] = f"{options.rate:,} a second"
        persistence.measure(
            result,
            specs,
            keys=options.keys,
            rate=options.rate,
            rounds=options.rounds,
            port=ports[0],
            core=cores.server,
        )
    else:
        result.title = "Time to first PONG"
        startup.measure(result, specs, rounds=options.rounds, port=ports[0], core=cores.server)
    return result


def check(result: report.Report, options: argparse.Namespace) -> list[str]:
    """Return what exceeds the limits given."""
    found = report.failures(result, options.limit, options.against) if options.limit else []
    found += report.absolute_failures(result, "kept", least=getattr(options, "least_kept", None))
    found += report.absolute_failures(result, "first_pong_ms", most=getattr(options, "most_milliseconds", None))
    found += hits.failures(result, getattr(options, "most_behind", None), getattr(options, "most_over", None))
    return found


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in MODES and words[0] not in ("-h", "--help")):
        words.insert(0, "speed")
    parser = build_parser()
    options = parser.parse_args(words)
    bounds = [getattr(options, name, None) for name in ("least_kept", "most_milliseconds", "most_behind", "most_over")]
    if options.check and not options.limit and not any(bound is not None for bound in bounds):
        parser.error("--check needs a limit: --limit, --least-kept, --most-milliseconds, --most-behind or --most-over")
    if options.chart and importlib.util.find_spec("matplotlib") is None:
        parser.error("--chart needs matplotlib: install the project's bench extra")
    if options.chart and not options.chart.endswith((".svg", ".png")):
        parser.error("--chart: the file must end in .svg or .png")
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
    except (
        OSError,
        ValueError,
        servers.StartError,
        load.LoadError,
        grow.GrowError,
        idle.IdleError,
        publish.PublishError,
        wire.ServerError,
    ) as error:
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
