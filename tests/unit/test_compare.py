"""The benchmark program's own logic (parsing, medians, ratios, limits, tables), and a very short run of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if not (BENCHMARKS / "compare.py").exists():
    pytest.skip("the benchmarks are not part of this tree", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import compare  # noqa: E402

from comparison import (  # noqa: E402
    accounting,
    grow,
    hits,
    idle,
    load,
    machine,
    memory,
    operations,
    options,
    report,
    servers,
    speed,
    startup,
    wire,
)

PROCESSOR = report.Metric("processor_us", "Processor time per request", "µs", 3, checked=True, charted=True)
THROUGHPUT = report.Metric("throughput", "Throughput", "requests/s", 0)


@pytest.fixture
def measured() -> report.Report:
    """Ours takes half of what one peer takes and as much as the other, over three rounds."""
    result = report.Report(
        "speed",
        "Processor time",
        [PROCESSOR, THROUGHPUT],
        [
            report.Contestant("ours", "7.2.0", True),
            report.Contestant("slow", "8.0", False),
            report.Contestant("quick", "9.1", False),
        ],
        {"cores": "2"},
        {"rounds": "3"},
    )
    for depth, scale in ((1, 10.0), (100, 1.0)):
        for name in ("ping", "set"):
            for server, values in (("ours", (1.0, 9.0, 2.0)), ("slow", (4.0, 4.5, 3.0)), ("quick", (2.0, 2.0, 2.0))):
                for value in values:
                    result.add("processor_us", report.Row(name, depth), server, scale * value)
    result.add("throughput", report.Row("ping", 1), "ours", 100_000.0)
    return result


class TestLimits:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0.9", report.Limit(0.9)),
            ("16=0.85", report.Limit(0.85, None, 16)),
            ("ping=1", report.Limit(1.0, "ping")),
            ("ping@16=1.5", report.Limit(1.5, "ping", 16)),
            ("16-byte key, 10-byte value=1", report.Limit(1.0, "16-byte key, 10-byte value")),
        ],
    )
    def test_forms(self, text: str, expected: report.Limit) -> None:
        assert report.parse_limit(text) == expected

    @pytest.mark.parametrize(
        "text", ["", "x", "16=", "=1", "ping@=1", "@16=1", "ping@x=1", "1=0", "1=-1", "1=inf", "1=nan"]
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(ValueError, match="limit"):
            report.parse_limit(text)

    def test_within(self, measured: report.Report) -> None:
        assert report.failures(measured, [report.Limit(1.0)]) == []

    def test_each_peer_is_compared_with(self, measured: report.Report) -> None:
        found = report.failures(measured, [report.Limit(0.6, None, 100)])
        assert [line.split(":")[0] for line in found] == ["ping @100", "set @100"]
        assert all("against quick: 1.000, limit 0.6" in line for line in found)
        assert report.failures(measured, [report.Limit(0.6, None, 100)], against=["slow"]) == []

    def test_the_most_precise_limit_counts(self, measured: report.Report) -> None:
        limits = [
            report.Limit(0.6),
            report.Limit(1.0, None, 100),
            report.Limit(1.0, "ping"),
            report.Limit(0.6, "ping", 100),
        ]
        found = [line.split(":")[0] for line in report.failures(measured, limits)]
        assert found == ["set @1", "ping @100"]

    def test_a_limit_for_nothing_measured_fails(self, measured: report.Report) -> None:
        assert "nothing measured" in report.failures(measured, [report.Limit(1.0, "get")])[0]

    def test_a_missing_peer_fails(self, measured: report.Report) -> None:
        del measured.values["processor_us", report.Row("ping", 100), "slow"]
        assert report.failures(measured, [report.Limit(1.0)]) == [
            "ping @100: Processor time per request against slow: not measured"
        ]

    def test_nothing_to_compare_with_fails(self, measured: report.Report) -> None:
        measured.contestants = measured.contestants[:1]
        assert report.failures(measured, [report.Limit(1.0)])

    def test_absolute(self, measured: report.Report) -> None:
        assert report.absolute_failures(measured, "processor_us") == []
        assert report.absolute_failures(measured, "processor_us", most=20.0) == []
        assert len(report.absolute_failures(measured, "processor_us", most=2.0)) == 2
        assert len(report.absolute_failures(measured, "processor_us", least=2.5)) == 2
        assert report.absolute_failures(measured, "kept", least=0.9) == ["kept: not measured for our server"]

    def test_bounds_of_modes(self, measured: report.Report) -> None:
        row = report.Row("allkeys-lru")
        for server, hit, over in (("ours", 70.0, 2.0), ("slow", 71.5, 0.0), ("quick", 70.5, 0.0)):
            measured.add("hit_percent", row, server, hit)
            measured.add("over_percent", row, server, over)
            measured.add("kept", report.Row("set", 1), server, 0.8)
            measured.add("first_pong_ms", report.Row("start"), server, 200.0)
        assert hits.Bounds().failures(measured) == []
        assert hits.Bounds(most_behind=1.5, most_over=2.0).failures(measured) == []
        assert hits.Bounds(most_behind=0.0).failures(measured) == [
            "allkeys-lru: 70.00 % of reads hit, slow 71.50 %",
            "allkeys-lru: 70.00 % of reads hit, quick 70.50 %",
        ]
        assert hits.Bounds(most_over=1.9).failures(measured) == ["allkeys-lru: memory 2.00 % over its limit"]
        assert idle.Bounds(least_kept=0.8).failures(measured) == []
        assert len(idle.Bounds(least_kept=0.9).failures(measured)) == 1
        assert startup.Bounds(most_milliseconds=200.0).failures(measured) == []
        assert len(startup.Bounds(most_milliseconds=199.0).failures(measured)) == 1


class TestOptions:
    @dataclasses.dataclass(frozen=True)
    class Settings:
        depths: tuple[int, ...] = options.option("1,16", options.whole_numbers)
        least_kept: float | None = options.option(None, float, "so much")
        keys: int = options.option(5, options.whole_number(1, 9), metavar="N")

    def parse(self, *words: str) -> Settings:
        parser = argparse.ArgumentParser(exit_on_error=False)
        options.add_options(parser, self.Settings)
        return options.read(self.Settings, parser.parse_args(words))

    def test_fields_are_options(self) -> None:
        assert self.parse() == self.Settings() == self.Settings((1, 16), None, 5)
        assert self.parse("--depths", "3,3,2", "--least-kept", "0.5", "--keys", "9") == self.Settings((3, 2), 0.5, 9)

    @pytest.mark.parametrize("words", [("--keys", "10"), ("--keys", "x"), ("--depths", "1,"), ("--depths", "0")])
    def test_what_an_option_does_not_take(self, words: tuple[str, str]) -> None:
        with pytest.raises(argparse.ArgumentError):
            self.parse(*words)

    def test_picking(self) -> None:
        known = {"a": 1, "b": 2, "c": 3}
        assert options.pick("letter", "all", known) == [1, 2, 3]
        assert options.pick("letter", "B, a", known) == [2, 1]
        assert options.pick("letter", "two", known, {"two": "bc"}) == [2, 3]
        with pytest.raises(ValueError, match="no letter named 'd'; there are: a, b, c"):
            options.pick("letter", "a,d", known)

    @pytest.mark.parametrize("mode", compare.MODES.values(), ids=compare.MODES)
    def test_every_mode_has_its_defaults(self, mode: compare.Mode) -> None:
        given = compare.build_parser().parse_args([mode.name])
        assert options.read(mode.settings, given) == mode.settings()
        assert mode.settings().title
        assert len({metric.name for metric in mode.metrics}) == len(mode.metrics)

    def test_a_report_that_is_shown_has_the_bounds_of_all_modes(self) -> None:
        given = compare.build_parser().parse_args(["show", "run.json", "--least-kept", "0.5", "--most-over", "1"])
        assert compare._bounds(given) == [idle.Bounds(0.5), startup.Bounds(), hits.Bounds(None, 1.0)]


class TestReport:
    def test_median_spread_and_ratio(self, measured: report.Report) -> None:
        row = report.Row("set", 100)
        assert measured.median("processor_us", row, "ours") == 2.0
        assert measured.spread("processor_us", row, "ours") == 4.0
        assert measured.ratio("processor_us", row, "slow") == 0.5
        assert measured.ratio("processor_us", row, "quick") == 1.0
        assert measured.ratio("processor_us", row, "absent") is None
        assert measured.best_peer("processor_us", row) == "quick"

    def test_table(self, measured: report.Report) -> None:
        lines = report.table(measured, PROCESSOR)
        assert lines[0] == ["", "ours", "slow", "quick", "ours / slow", "ours / quick"]
        assert lines[1] == ["ping @1", "20.000", "40.000", "20.000", "0.50", "1.00"]
        assert report.table(measured, THROUGHPUT)[1] == ["ping @1", "100,000", "-", "-", "-", "-"]
        assert len({len(line) for line in report.aligned(lines).splitlines()}) == 1

    def test_text_and_markdown_tell_everything(self, measured: report.Report) -> None:
        measured.note("mind this")
        measured.note("mind this")
        for text in (report.as_text(measured), report.as_markdown(measured)):
            assert text.count("mind this") == 1
            for word in ("Processor time per request, µs", "set @100", "ours (7.2.0)", "rounds: 3", "cores: 2"):
                assert word in text

    def test_json_comes_back(self, measured: report.Report) -> None:
        text = report.as_json(measured)
        again = report.from_json(text)
        assert again == measured
        cell = next(cell for cell in json.loads(text)["cells"] if cell["server"] == "slow")
        assert cell["median"] == 40.0
        assert cell["ratio"] == 0.5

    @pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"mode": 1}'])
    def test_json_of_something_else(self, text: str) -> None:
        with pytest.raises(ValueError):
            report.from_json(text)

    @pytest.mark.parametrize("ending", ["svg", "png"])
    def test_chart(self, measured: report.Report, tmp_path: Path, ending: str) -> None:
        pytest.importorskip("matplotlib", reason="charts need matplotlib")
        from comparison import chart

        assert [panel.title for panel in chart.panels(measured)] == [
            "Processor time per request, no pipelining",
            "Processor time per request, pipelines of 100",
        ]
        path = tmp_path / f"chart.{ending}"
        chart.draw(measured, str(path))
        assert path.stat().st_size > 1000


class TestLoad:
    CSV = (
        '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n'
        '"SET key:__rand_int__ xxx","439560.44","1.632","0.248","1.415","3.575","6.815","11.935"\n'
    )

    def test_csv(self) -> None:
        assert load.parse_csv("WARNING: something\n" + self.CSV) == load.LoadResult(439560.44, 1.415, 6.815)

    @pytest.mark.parametrize(
        "text", ["", "ERR", CSV.splitlines()[0], CSV.replace("439560.44", "?"), '"test","rps"\n"SET","1"']
    )
    def test_csv_malformed(self, text: str) -> None:
        with pytest.raises(load.LoadError):
            load.parse_csv(text)

    def test_picking(self) -> None:
        assert [test.name for test in load.pick_tests("PING,get")] == ["ping", "get"]
        assert [test.name for test in load.pick_tests("default")] == list(load.DEFAULT_TESTS)
        assert set(load.pick_tests("all")) > set(load.pick_tests("types"))
        with pytest.raises(ValueError, match="no test named 'nonsense'"):
            load.pick_tests("get,nonsense")

    def test_a_missing_generator(self) -> None:
        with pytest.raises(load.LoadError, match="cannot run"):
            load.LoadGenerator(["./no-such-program"], 0)

    def test_requests_fill_whole_pipelines(self) -> None:
        test = load.TESTS["get"]
        assert speed.round_requests(1, test, 16, 50) == 800
        assert speed.round_requests(801, test, 16, 50) == 1600
        assert speed.round_requests(1e12, load.TESTS["lpop"], 100, 50) == 1_000_000
        assert speed.round_requests(1, load.TESTS["multi"], 1, 50) == 600

    def test_requests_follow_from_the_cheapest_server(self) -> None:
        def run(processor: float, throughput: float) -> speed.Run:
            used = accounting.Usage(processor, processor, 0.0, 0.0)
            return speed.Run(1000, used, load.LoadResult(throughput, 1.0, 1.0), ())

        settings = speed.Settings(least_processor=0.5, most_run=10.0)
        test = load.TESTS["get"]
        assert speed.requests_needed([run(0.001, 1e6), run(0.01, 1e6)], test, 1, settings) == 500_000
        assert speed.requests_needed([run(0.001, 1e6), run(0.01, 1e4)], test, 1, settings) == 100_000
        assert speed.requests_needed([run(0.0, 1e4)], test, 1, settings) == 100_000


class TestWire:
    def test_encode(self) -> None:
        assert wire.encode("SET", b"k\r\n", 12) == b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$2\r\n12\r\n"

    @pytest.mark.parametrize(("count", "items", "batch"), [(0, 1, 1), (7, 1, 3), (7, 3, 2), (9, 3, 500), (2, 5, 1)])
    def test_numbered_items_arrive_once_each(self, count: int, items: int, batch: int) -> None:
        batches = list(wire.numbered(["M", "k"], ["a:%03d", "b:%02d"], count, items=items, batch=batch, tail=["E"]))
        expected = b""
        for start in range(0, count, items):
            numbers = range(start, min(start + items, count))
            expected += wire.encode("M", "k", *(text for n in numbers for text in (f"a:{n:03d}", f"b:{n:02d}")), "E")
        assert b"".join(data for data, _ in batches) == expected
        assert sum(commands for _, commands in batches) == -(-count // items)

    def test_items_without_a_number(self) -> None:
        data = b"".join(data for data, _ in wire.numbered(["RPUSH", "k"], ["x"], 3, items=2))
        assert data == wire.encode("RPUSH", "k", "x", "x") + wire.encode("RPUSH", "k", "x")

    def test_a_number_of_no_fixed_width(self) -> None:
        with pytest.raises(ValueError, match="fixed width"):
            list(wire.numbered(["SET"], ["key:%d", "x"], 20))


class TestGrow:
    def test_percentile(self) -> None:
        values = [float(value) for value in range(1, 1001)]
        assert grow.percentile(values, 0.5) == 500.0
        assert grow.percentile(values, 0.999) == 999.0
        assert grow.percentile(values, 1.0) == 1000.0
        assert grow.percentile([7.0], 0.999) == 7.0

    def test_a_late_answer_stands_for_the_pings_not_sent(self) -> None:
        assert grow.with_missed([0.5, 3.5, 0.25], 1.0) == [0.25, 0.5, 0.5, 1.5, 2.5, 3.5]


class TestOperations:
    def test_picking(self) -> None:
        assert operations.pick_groups("all") == list(operations.GROUPS.values())
        assert [group.name for group in operations.pick_groups("geo,sets")] == ["geo", "sets"]
        with pytest.raises(ValueError, match="no group named 'nonsense'"):
            operations.pick_groups("nonsense")

    def test_names_are_told_apart(self) -> None:
        sizes = operations.Sizes(1000, 1 << 20)
        names = [one.name for group in operations.GROUPS.values() for one in group.operations(sizes)]
        assert len(set(names)) == len(names)

    def test_repetitions_follow_from_the_quickest_server(self) -> None:
        assert operations.repetitions_needed([0.001, 0.01], 0.05) == 50
        assert operations.repetitions_needed([2.0, 3.0], 0.05) == 1
        assert operations.repetitions_needed([0.0], 0.05) == 20_000


class TestMachine:
    def test_shares_of_processor_time(self) -> None:
        used = accounting.Usage(2.0, 0.75, 0.25, 0.5)
        assert used.user_share == 0.75
        assert used.waited_share == 0.25
        assert accounting.Usage(0.0, 0.0, 0.0, 0.0).user_share == 0.0

    def test_too_many_connections(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "raise_open_file_limit", lambda wanted: 1100)
        machine.allow_connections(1000)
        with pytest.raises(OSError, match="1,001 connections need more open files than the 1,100 allowed"):
            machine.allow_connections(1001)


class TestServers:
    def test_peer(self) -> None:
        spec = servers.parse_peer("redis-8=chroot '/a b' redis-server")
        assert spec == servers.Spec("redis-8", ("chroot", "/a b", "redis-server"))

    @pytest.mark.parametrize("text", ["redis-server", "=redis-server", "name=", " =x"])
    def test_peer_malformed(self, text: str) -> None:
        with pytest.raises(ValueError, match="NAME=COMMAND"):
            servers.parse_peer(text)

    def test_ours_as_given(self) -> None:
        assert servers.find_ours("a 'b c'") == servers.Spec("redislite", ("a", "b c"), ours=True)

    def test_shapes(self) -> None:
        assert len(memory.pick_shapes("all")) == 9
        assert len(memory.pick_shapes("strings")) == 4
        with pytest.raises(ValueError, match="no shape named 'nonsense'"):
            memory.pick_shapes("nonsense")

    def test_entries_have_the_sizes_that_their_names_say(self) -> None:
        sizes = {
            name: [len(part) for part in next(shape.made(1))[0].split(b"\r\n")[2::2]]
            for name, shape in memory.SHAPES.items()
        }
        assert sizes["string"][1:] == [16, 10]
        assert sizes["string100"][1:] == [16, 100]
        assert sizes["bigzset"][-1] == sizes["bigset"][-1] == 19
        assert sizes["bighash"][2:] == [18, 7]
        assert sizes["biglist"][-1] == 20
        assert sizes["hash"][1] == 16


def run_compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "compare.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


class TestProgram:
    def test_check_without_a_limit(self) -> None:
        done = run_compare("--check")
        assert done.returncode == 2
        assert "--check needs a limit" in done.stderr

    def test_check_names_the_limits_there_are(self) -> None:
        done = run_compare("hits", "--check")
        assert done.returncode == 2
        assert "--check needs a limit: --limit or --most-behind or --most-over\n" in done.stderr

    def test_show_and_check_an_earlier_run(self, measured: report.Report, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        path.write_text(report.as_json(measured))
        within = run_compare("show", str(path), "--check", "--limit", "1.0", "--markdown", str(tmp_path / "run.md"))
        assert within.returncode == 0, within.stderr
        assert "within all limits" in within.stdout
        assert (tmp_path / "run.md").read_text() == report.as_markdown(measured)
        beyond = run_compare("show", str(path), "--check", "--limit", "0.9", "--against", "quick")
        assert beyond.returncode == 1
        assert "exceeded: ping @1" in beyond.stdout

    def test_a_file_that_is_no_report(self, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        path.write_text("{}")
        done = run_compare("show", str(path))
        assert done.returncode == 2
        assert "not a report" in done.stderr


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measuring needs Linux")


@linux_only
class TestShortRun:
    @pytest.fixture(autouse=True)
    def real_server(self) -> None:
        for program in ("redis-server", "redis-benchmark"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")

    @pytest.fixture
    def servers_of_the_run(self) -> list[str]:
        # Two runs of the tests on one machine must not take each other's servers for their own.
        port = 17_000 + os.getpid() % 700 * 20
        return ["--ours", "redis-server", "--peer", "real=redis-server", "--no-discovery", "--first-port", str(port)]

    def test_speed(self, servers_of_the_run: list[str], tmp_path: Path) -> None:
        output = tmp_path / "run.json"
        bounds = ["--rounds", "1", "--depths", "16", "--keys", "1000", "--least-processor", "0.02", "--most-run", "1"]
        load_options = ["--load", "redis-benchmark", "--tests", "ping,get,lpop"]
        done = run_compare(
            *servers_of_the_run, *load_options, *bounds, "--json", str(output), "--check", "--limit", "9"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result = report.from_json(output.read_text())
        assert result.notes == [note for note in result.notes if "something else used" in note]
        for name in ("ping", "get", "lpop"):
            for server in ("redislite", "real"):
                each = result.median("processor_us", report.Row(name, 16), server)
                assert each is not None and 0.01 < each < 1000

    def test_memory(self, servers_of_the_run: list[str], tmp_path: Path) -> None:
        output = tmp_path / "run.json"
        done = run_compare(
            "memory", *servers_of_the_run, "--shapes", "string", "--keys", "20000", "--json", str(output)
        )
        assert done.returncode == 0, done.stdout + done.stderr
        each = report.from_json(output.read_text()).median(
            "used_bytes", report.Row(memory.SHAPES["string"].name), "real"
        )
        assert each is not None and 30 < each < 300

    def test_operations(self, servers_of_the_run: list[str], tmp_path: Path) -> None:
        output = tmp_path / "run.json"
        bounds = ["--elements", "1000", "--megabytes", "1", "--rounds", "1", "--least-processor", "0.001"]
        groups = ["--groups", "zsets,bitmaps"]
        done = run_compare("operations", *servers_of_the_run, *bounds, *groups, "--json", str(output))
        assert done.returncode == 0, done.stdout + done.stderr
        result = report.from_json(output.read_text())
        assert result.notes == []
        chosen = [*operations.GROUPS["zsets"].operations(operations.Sizes(1000, 1 << 20))]
        chosen += operations.GROUPS["bitmaps"].operations(operations.Sizes(1000, 1 << 20))
        for operation in chosen:
            each = result.median("processor_ms", report.Row(operation.name), "real")
            assert each is not None and 0 < each < 1000

    # Options that make a run short, and a note that a busy machine gives reason for.
    SHORT = {  # noqa: RUF012
        "grow": ("--keys 20000", "no real-time priority"),
        "idle": (
            "--load redis-benchmark --tests set --depths 1 --connections 50 --keys 1000 --least-processor 0.01 "
            "--most-run 0.5",
            None,
        ),
        "startup": ("", None),
        "publish": ("--subscribers 20 --sizes 64,200 --depths 1,16 --least-processor 0.01", "something else used"),
        "hits": (
            "--policies allkeys-lru,volatile-ttl --keys 20000 --share 0.3 --requests 10000 --rate 100000",
            "the pace was not kept",
        ),
        "persistence": ("--keys 600", None),
    }

    @pytest.mark.parametrize("mode", SHORT)
    def test_every_metric_is_measured(self, servers_of_the_run: list[str], tmp_path: Path, mode: str) -> None:
        bounds, expected = self.SHORT[mode]
        output = tmp_path / "run.json"
        done = run_compare(mode, *servers_of_the_run, *bounds.split(), "--rounds", "2", "--json", str(output))
        assert done.returncode == 0, done.stdout + done.stderr
        result = report.from_json(output.read_text())
        assert result.settings["rounds"] == "2"
        assert [note for note in result.notes if expected is None or expected not in note] == []
        for metric in result.metrics:
            rows = result.rows(metric.name)
            assert rows, metric
            for row in rows:
                for server in ("redislite", "real"):
                    values = result.values[metric.name, row, server]
                    once = mode == "idle" and row.name == "50 connections"
                    assert len(values) == (1 if once else 2), (metric, row)

    def test_a_server_that_does_not_start(self) -> None:
        done = run_compare("startup", "--ours", "redis-server --no-such-directive 1", "--no-discovery")
        assert done.returncode == 2
        assert "redislite ended with" in done.stderr

    def test_a_server_that_is_not_there(self) -> None:
        done = run_compare("startup", "--ours", "./no-such-server", "--no-discovery")
        assert done.returncode == 2
        assert "cannot run" in done.stderr
