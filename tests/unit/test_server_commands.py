"""Commands about the server, in one that does not listen: INFO, CONFIG, the logs, LATENCY, MEMORY, DEBUG, MONITOR."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import wait_until

from redislite import version
from redislite._core.protocol.reply_types import CommandError
from redislite.commands import lolwut
from redislite.commands.info import at_percentile, human_bytes
from redislite.commands.observability import cumulative_microseconds, quote
from redislite.config.compatibility import REDIS_VERSION
from redislite.config.config import Config
from redislite.observability.command_log import LARGE_REPLY, LARGE_REQUEST, SLOW, CommandLog
from redislite.observability.latency_monitor import LatencyMonitor, age_label
from redislite.observability.log import NOTHING, Log
from redislite.observability.metrics import Metrics
from redislite.observability.redaction import REDACTED, redact
from redislite.server import Server
from redislite.serving.shutdown import Wish

FAR = 4102444800000  # a deadline that no test lives to see, Unix time in milliseconds


def make_server(text: str = "") -> Server:
    config = Config(change_directory=False)
    config.load(text)
    return Server(config, Log(level=NOTHING))


@pytest.fixture
def server() -> Server:
    return make_server("enable-debug-command yes")


def refuses(message: str) -> Any:
    """Expects an error reply with exactly this text."""
    return pytest.raises(CommandError, match="^" + re.escape(message) + "$")


class Client:
    """A connection to a server that has no loop: what is sent is served at once."""

    def __init__(self, server: Server, address: str = "127.0.0.1:5000") -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.engine = server.engine
        self.connection = server.engine.connect(ours.detach(), address, "127.0.0.1:6379")

    def ask(self, *words: str | bytes) -> bytes:
        """The bytes that the server answers."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.peer.sendall(request)
        self.connection.ready(1)
        return self.read()

    def read(self) -> bytes:
        """What the server has sent so far."""
        self.engine.before_sleep()
        data = b""
        try:
            while part := self.peer.recv(65536):
                data += part
        except BlockingIOError:
            pass
        return data


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.peer.close()


def fields(text: bytes) -> dict[str, str]:
    """The fields of INFO's text."""
    lines = text.decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))


def titles(text: bytes) -> list[str]:
    return re.findall(r"^# (.*)\r$", text.decode(), re.MULTILINE)


def test_the_versions_agree() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    written = re.search(r'^version = "(.*)"$', project, re.MULTILINE)
    assert written is None or written[1] == version.VERSION
    assert re.fullmatch(r"8\.0\.\d+", REDIS_VERSION)
    assert re.fullmatch(r"[0-9a-f]{16}", version.build_id())


# INFO

FIRST_TITLES = ["Server", "Clients", "Memory", "Persistence", "Threads", "Stats", "Replication", "CPU", "Modules"]
DEFAULT_TITLES = [*FIRST_TITLES, "Errorstats", "Cluster", "Keyspace", "Keysizes"]
ALL_TITLES = [*FIRST_TITLES, "Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace", "Keysizes"]


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ([], DEFAULT_TITLES),
        (["default"], DEFAULT_TITLES),
        (["all"], ALL_TITLES),
        (["EVERYTHING"], ALL_TITLES),
        (["keyspace", "cpu", "default"], DEFAULT_TITLES),
        (["server", "all"], ALL_TITLES),
        (["Keyspace", "cPU", "keyspace"], ["CPU", "Keyspace"]),
        (["modules"], ["Modules"]),
        (["sentinel"], []),
        (["sentinel", "cpu"], ["CPU"]),
    ],
)
def test_info_has_the_sections_asked_for_in_their_order(
    server: Server, sections: list[str], expected: list[str]
) -> None:
    assert titles(server.engine.execute("info", *sections)) == expected


def test_sections_of_info_are_parted_by_an_empty_line(server: Server) -> None:
    text = server.engine.execute("info", "cluster", "modules")
    assert text == b"# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"
    assert server.engine.execute("info", "nothing") == b""


def test_info_is_verbatim_text_in_resp3(client: Client) -> None:
    assert client.ask("info", "cluster") == b"$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n"
    client.connection.protocol = 3
    assert client.ask("info", "cluster") == b"=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_info_says_who_the_server_is(server: Server) -> None:
    found = fields(server.engine.execute("info", "server"))
    assert found["redis_version"] == REDIS_VERSION
    assert found["redislite_version"] == version.VERSION
    assert found["run_id"] == server.run_id
    assert found["tcp_port"] == "6379"
    assert found["listener0"] == "name=tcp,bind=*,bind=-::*,port=6379"
    assert found["multiplexing_api"] == server.loop.backend
    assert found["process_supervised"] == "no"
    assert int(found["uptime_in_seconds"]) >= 0


def test_every_listener_has_a_line(tmp_path: Path) -> None:
    server = make_server(f"bind 127.0.0.1 -::1\nport 7000\nunixsocket {tmp_path}/s")
    found = fields(server.engine.execute("info", "server"))
    assert found["listener0"] == "name=tcp,bind=127.0.0.1,bind=-::1,port=7000"
    assert found["listener1"] == f"name=unix,bind={tmp_path}/s"


def test_figures_of_memory_fit_together(server: Server) -> None:
    server.metrics.sample(server.engine)
    for number in range(1000):
        server.engine.add_string(0, b"key:%d" % number, b"x" * 100)
    found = fields(server.engine.execute("info", "memory"))
    used, startup = int(found["used_memory"]), int(found["used_memory_startup"])
    assert int(found["used_memory_peak"]) >= used > startup + 100 * 1000
    assert int(found["used_memory_overhead"]) + int(found["used_memory_dataset"]) == used
    assert int(found["used_memory_rss"]) > used
    assert found["used_memory_human"] == human_bytes(used)
    assert found["maxmemory_policy"] == "noeviction"
    assert "jemalloc" not in found["mem_allocator"]


def test_figures_of_use_are_counted(server: Server) -> None:
    server.engine.execute("set", "a", "1", "pxat", FAR)
    server.engine.execute("get", "a")
    server.engine.execute("get", "b")
    with pytest.raises(CommandError):
        server.engine.execute("nothing")
    with pytest.raises(CommandError):
        server.engine.execute("get")
    found = fields(server.engine.execute("info", "all"))
    assert (found["keyspace_hits"], found["keyspace_misses"]) == ("1", "1")
    assert found["total_error_replies"] == "2"
    assert found["errorstat_ERR"] == "count=2"
    assert re.fullmatch(
        r"calls=2,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=1,failed_calls=0", found["cmdstat_get"]
    )
    assert re.fullmatch(r"p50=\d+\.\d{3},p99=\d+\.\d{3},p99\.9=\d+\.\d{3}", found["latency_percentiles_usec_get"])
    assert found["db0"].startswith("keys=1,expires=1,avg_ttl=")
    assert found["role"] == "master"
    assert re.fullmatch(r"[0-9a-f]{40}", found["master_replid"])


def test_percentiles_are_those_configured(server: Server) -> None:
    server.engine.execute("config", "set", "latency-tracking-info-percentiles", "0 33.5 100")
    server.engine.execute("get", "a")
    found = fields(server.engine.execute("info", "latencystats"))
    assert re.fullmatch(r"p0=[\d.]+,p33\.5=[\d.]+,p100=[\d.]+", found["latency_percentiles_usec_get"])
    server.engine.execute("config", "set", "latency-tracking", "no")
    assert not fields(server.engine.execute("info", "latencystats"))


def test_percentile_of_a_histogram() -> None:
    histogram = [(100, 50), (200, 49), (900, 1)]
    assert [at_percentile(histogram, percentile) for percentile in (0, 50, 51, 99, 99.9, 100)] == [
        100,
        100,
        200,
        200,
        900,
        900,
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (916152, "894.68K"),
        (25276502016, "23.54G"),
        (1 << 40, "1.00T"),
        (1 << 60, "1.00E"),
    ],
)
def test_human_bytes(size: int, text: str) -> None:
    assert human_bytes(size) == text


def test_rates_are_means_over_sixteen_samples(server: Server) -> None:
    metrics = Metrics(server.engine)
    assert metrics.rate("commands_processed") == 0
    metrics.sample(server.engine, 10.0)
    for _ in range(32):
        server.engine.execute("get", "a")
    metrics.sample(server.engine, 10.01)  # too early: it would be no sample of a tenth of a second
    assert metrics.rate("commands_processed") == 0
    metrics.sample(server.engine, 10.1)
    assert metrics.rate("commands_processed") == pytest.approx(32 / 0.1 / 16)
    for tick in range(16):
        metrics.sample(server.engine, 10.2 + tick / 10)
    assert metrics.rate("commands_processed") == 0


def test_counters_that_were_reset_are_no_negative_rate(server: Server) -> None:
    server.engine.execute("get", "a")
    server.metrics.sample(server.engine, 10.0)
    server.engine.reset_statistics()
    server.metrics.sample(server.engine, 10.2)
    assert server.metrics.rate("commands_processed") == 0


def test_resetstat_keeps_itself(server: Server) -> None:
    server.engine.execute("get", "a")
    server.metrics.denied["auth"] = 3
    server.engine.execute("config", "resetstat")
    found = fields(server.engine.execute("info", "all"))
    assert [name for name in found if name.startswith("cmdstat_")] == ["cmdstat_config|resetstat"]
    assert found["keyspace_misses"] == "0"
    assert found["acl_access_denied_auth"] == "0"


# CONFIG


def test_config_get_and_set(server: Server) -> None:
    execute = server.engine.execute
    assert execute("config", "set", "maxmemory", "100mb", "HZ", "50") == "OK"
    assert execute("config", "get", "maxmemory", "hz") == {b"maxmemory": b"104857600", b"hz": b"50"}
    assert b"maxmemory-policy" in execute("config", "get", "maxmem*y")
    assert execute("config", "get", "nothing") == {}
    assert server.engine.get("hz") == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("maxmemory", "1", "hz"), "ERR syntax error"),
        (("nope", "1"), "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"),
        (
            ("databases", "3"),
            "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
        ),
        (
            ("hz", "5", "hz", "6"),
            "ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter",
        ),
        (
            ("dbfilename", "x"),
            "ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config",
        ),
    ],
)
def test_config_set_refuses(server: Server, arguments: tuple[str, ...], message: str) -> None:
    with refuses(message):
        server.engine.execute("config", "set", *arguments)
    assert server.config["hz"] == 10


def test_protected_directives_for_local_clients() -> None:
    server = make_server("enable-protected-configs local")
    near, far = Client(server), Client(server, "192.0.2.1:5000")
    assert near.ask("config", "set", "dbfilename", "a.rdb") == b"+OK\r\n"
    assert b"can't set protected config" in far.ask("config", "set", "dbfilename", "b.rdb")
    assert server.config["dbfilename"] == "a.rdb"


def test_config_rewrite(tmp_path: Path) -> None:
    with refuses("ERR The server is running without a config file"):
        make_server().engine.execute("config", "rewrite")
    file = tmp_path / "redis.conf"
    file.write_text("hz 20\nenable-debug-command yes\n")
    config = Config(change_directory=False)
    config.load_file(str(file))
    server = Server(config, Log(level=NOTHING))
    server.engine.execute("config", "set", "hz", "30")
    assert server.engine.execute("config", "rewrite") == "OK"
    assert file.read_text().startswith("hz 30\n")
    assert "maxclients" not in file.read_text()
    assert server.engine.execute("debug", "config-rewrite-force-all") == "OK"
    assert "maxclients 10000\n" in file.read_text()


# SLOWLOG, COMMANDLOG


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["AUTH", "secret"], ["AUTH", "*"]),
        (["auth", "user", "secret"], ["auth", "*", "*"]),
        (["hello", "3"], ["hello", "3"]),
        (["hello", "3", "AUTH", "user", "pw", "SETNAME", "x"], ["hello", "3", "AUTH", "*", "*", "SETNAME", "x"]),
        (["hello", "3", "auth"], ["hello", "3", "auth"]),
        (["config", "set", "requirepass", "pw", "hz", "10"], ["config", "set", "requirepass", "*", "hz", "10"]),
        (["config", "SET", "MasterAuth", "pw"], ["config", "SET", "MasterAuth", "*"]),
        (["config", "get", "requirepass"], ["config", "get", "requirepass"]),
        (["acl", "setuser", "x", "+get"], ["acl", "setuser", "*", "*"]),
        (["acl", "whoami"], ["acl", "whoami"]),
        (["migrate", "h", "1", "k", "0", "5", "AUTH", "pw"], ["migrate", "h", "1", "k", "0", "5", "AUTH", "*"]),
        (
            ["migrate", "h", "1", "", "0", "5", "COPY", "AUTH2", "u", "pw", "KEYS", "a"],
            ["migrate", "h", "1", "", "0", "5", "COPY", "AUTH2", "*", "*", "KEYS", "a"],
        ),
        (["set", "auth", "pw"], ["set", "auth", "pw"]),
    ],
)
def test_secrets_are_taken_out(args: list[str], expected: list[str]) -> None:
    shown = redact([word.encode() for word in args])
    assert shown == [REDACTED if word == "*" else word.encode() for word in expected]


class Named:
    """As much of a connection as a log looks at."""

    def __init__(self, address: str | None = "127.0.0.1:5000", name: str | None = "") -> None:
        self.address = address
        self.name = name


def log_command(log: CommandLog, args: list[bytes], kinds: int = SLOW, count: int | None = None) -> None:
    connection: Any = Named(name="me")
    shown = [argument[:160] for argument in args[:33]]
    log.add(connection, shown, [len(argument) for argument in args[:33]], count or len(args), kinds, 7, 8, 9)


def test_entries_keep_a_bounded_part_of_a_request() -> None:
    log = CommandLog(Config(change_directory=False), clock=lambda: 1700000000.9)
    log_command(log, [b"set", b"k", b"A" * 128, b"A" * 129, b"B" * 5000])
    (entry,) = log.latest(SLOW, 1)
    assert entry.as_reply()[:3] == [0, 1700000000, 7]
    assert entry.as_reply()[4:] == ["127.0.0.1:5000", "me"]
    assert entry.args[2:] == [b"A" * 128, b"A" * 128 + b"... (1 more bytes)", b"B" * 128 + b"... (4872 more bytes)"]
    many = [b"%d" % number for number in range(40)]
    log_command(log, many[:32])
    assert log.latest(SLOW, 1)[0].args == many[:32]
    log_command(log, many)
    assert log.latest(SLOW, 1)[0].args == [*many[:31], b"... (9 more arguments)"]
    log_command(log, [b"auth", b"p" * 200])
    assert log.latest(SLOW, 1)[0].args == [b"auth", REDACTED]


def test_each_kind_of_log_has_its_own_length_and_numbers() -> None:
    config = Config(change_directory=False)
    config.set_runtime([("slowlog-max-len", "3"), ("commandlog-large-reply-max-len", "0")])
    log = CommandLog(config)
    for _ in range(5):
        log_command(log, [b"get"], SLOW | LARGE_REPLY)
    log_command(log, [b"set"], LARGE_REQUEST)
    assert [entry.number for entry in log.latest(SLOW, -1)] == [4, 3, 2]
    assert [entry.number for entry in log.latest(SLOW, 2)] == [4, 3]
    assert log.length(LARGE_REPLY) == 0
    assert [(entry.number, entry.amount) for entry in log.latest(LARGE_REQUEST, 10)] == [(0, 8)]
    config.set_runtime([("commandlog-large-reply-max-len", "5")])
    log_command(log, [b"get"], LARGE_REPLY)
    assert [(entry.number, entry.amount) for entry in log.latest(LARGE_REPLY, -1)] == [(0, 9)]
    config.set_runtime([("slowlog-max-len", "2")])
    assert log.length(SLOW) == 2
    config.set_runtime([("slowlog-max-len", "1")])
    assert [entry.number for entry in log.latest(SLOW, -1)] == [4]
    log.reset(SLOW)
    assert (log.length(SLOW), log.length(LARGE_REPLY)) == (0, 1)


def test_slow_commands_get_into_the_slow_log(server: Server, client: Client) -> None:
    client.connection.name = "tester"
    assert client.ask("slowlog", "len") == b":0\r\n"
    client.ask("config", "set", "slowlog-log-slower-than", "0", "commandlog-request-larger-than", "1000")
    client.ask("set", "a", "b" * 2000)
    client.ask("config", "set", "slowlog-log-slower-than", "-1")
    entries = server.engine.execute("slowlog", "get")
    assert [entry[3][0] for entry in entries] == [b"set", b"config"]
    assert entries[0][3][2] == b"b" * 128 + b"... (1872 more bytes)"
    assert entries[0][4:] == [b"127.0.0.1:5000", b"tester"]
    large = server.engine.execute("commandlog", "get", -1, "LARGE-request")
    assert [entry[3][0] for entry in large] == [b"set"]
    assert large[0][2] > 2000
    assert server.engine.execute("commandlog", "len", "large-reply") == 0
    assert server.engine.execute("commandlog", "reset", "large-request") == "OK"
    assert server.engine.execute("commandlog", "len", "large-request") == 0
    assert server.engine.execute("slowlog", "reset") == "OK"
    assert server.engine.execute("slowlog", "len") == 0


# LATENCY


def make_monitor(moments: list[float]) -> LatencyMonitor:
    """A monitor whose clock says these, each several times over: the last one stands still."""
    return LatencyMonitor(
        Config(change_directory=False), clock=lambda: moments[0] if len(moments) == 1 else moments.pop(0)
    )


def test_a_second_has_one_sample_the_longest() -> None:
    monitor = make_monitor([100.0, 100.9, 101.0, 101.5])
    for ms in (10, 30, 20, 5):
        monitor.add("command", ms)
    event = monitor.events["command"]
    assert event.samples == [(100, 30), (101, 20)]
    assert (event.maximum, event.total, event.count) == (30, 65, 4)


def test_events_keep_their_latest_samples() -> None:
    monitor = make_monitor([float(second) for second in range(200)])
    for ms in range(199):
        monitor.add("command", ms)
    assert monitor.events["command"].samples == [(second, second) for second in range(39, 199)]
    assert monitor.events["command"].maximum == 198


def test_only_long_events_count_where_the_caller_does_not_know() -> None:
    config = Config(change_directory=False)
    monitor = LatencyMonitor(config)
    monitor.add_if_long("fork", 1000)
    config.set_runtime([("latency-monitor-threshold", "100")])
    monitor.add_if_long("fork", 99)
    assert monitor.events == {}
    monitor.add_if_long("fork", 100)
    assert list(monitor.events) == ["fork"]


# Drawn by the original from the same samples, at the same distance in time.
GRAPH = """\
command - high 120 ms, low 10 ms (all time high 120 ms)
--------------------------------------------------------------------------------
    _#  o  \n   o||  |_#
  o|||_ |||
_#|||||o|||
           \n11987654321
21sssssssss
ss         \n"""


def test_graph_is_drawn_as_the_original_draws_it() -> None:
    moments = [39.0, 40.0, 42.0, 43.0, 44.0, 45.0, 46.0, 47.0, 48.0, 49.0, 50.0, 51.0]
    monitor = make_monitor(moments)
    for ms in (10, 30, 55, 80, 100, 120, 40, 20, 110, 65, 90):
        monitor.add("command", ms)
    assert monitor.graph("command") == GRAPH


def test_graph_of_one_sample() -> None:
    monitor = make_monitor([50.0])
    monitor.add("command", 300)
    assert monitor.graph("command").endswith("-\n \n \n \n_\n \n0\ns\n")


@pytest.mark.parametrize(
    ("seconds", "label"), [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86400 * 12, "12d")]
)
def test_age_labels(seconds: int, label: str) -> None:
    assert age_label(seconds) == label


def test_measured_events_count_from_the_threshold_on(server: Server) -> None:
    with server.latency.measured("aof-rename"):
        time.sleep(0.002)
    assert server.latency.events == {}
    server.engine.execute("config", "set", "latency-monitor-threshold", "1")
    with pytest.raises(OSError), server.latency.measured("aof-rename"):
        time.sleep(0.002)
        raise OSError
    assert list(server.latency.events) == ["aof-rename"]
    assert b"disk" in server.engine.execute("latency", "doctor")
    server.engine.execute("config", "set", "latency-monitor-threshold", "100000")
    with server.latency.measured("fork"):
        pass
    assert list(server.latency.events) == ["aof-rename"]


def test_latency_commands(server: Server) -> None:
    execute = server.engine.execute
    assert execute("latency", "latest") == []
    assert b"latency-monitor-threshold" in execute("latency", "doctor")
    server.latency.add("command", 50)
    server.latency.add("expire-cycle", 20)
    (name, seconds, last, *totals), second = execute("latency", "latest")
    assert (name, last, totals, second[0]) == (b"command", 50, [50, 50, 1], b"expire-cycle")
    assert execute("latency", "history", "command") == [[seconds, 50]]
    assert execute("latency", "history", "nothing") == []
    assert execute("latency", "graph", "command").startswith(b"command - high 50 ms, low 50 ms (all time high 50 ms)\n")
    with refuses("ERR No samples available for event 'fork'"):
        execute("latency", "graph", "fork")
    assert b"1. command: 1 latency spikes (average 50ms" in execute("latency", "doctor")
    assert execute("latency", "reset", "nothing") == 0
    assert execute("latency", "reset", "expire-cycle") == 1
    assert execute("latency", "reset") == 1


def test_latency_histogram(server: Server) -> None:
    execute = server.engine.execute
    execute("config", "resetstat")
    assert list(execute("latency", "histogram")) == [b"config|resetstat"]
    for _ in range(3):
        execute("get", "a")
    found = execute("latency", "histogram", "GET", "nothing", "config")
    assert list(found) == [b"get", b"config|resetstat"]
    assert found[b"get"][b"calls"] == 3
    assert max(found[b"get"][b"histogram_usec"].values()) == 3
    assert list(execute("latency", "histogram", "config|resetstat")) == [b"config|resetstat"]
    assert execute("latency", "histogram", "set") == {}


def test_cumulative_microseconds() -> None:
    buckets = [(700, 5), (1031, 1), (8191, 2), (32767, 1), (34000, 1), (300000000, 1)]
    assert cumulative_microseconds(buckets) == {1: 6, 8: 8, 33: 9, 66: 10, 541065: 11}


# MEMORY


def test_memory_usage(server: Server) -> None:
    execute = server.engine.execute
    execute("set", "key", "x" * 1000)
    assert 1000 < execute("memory", "usage", "key") < 1200
    assert execute("memory", "usage", "key", "samples", "0") > 1000
    assert execute("memory", "usage", "nothing") is None
    for wrong in (("samples",), ("samples", "-1"), ("other", "5")):
        with refuses("ERR syntax error"):
            execute("memory", "usage", "key", *wrong)
    with refuses("ERR value is not an integer or out of range"):
        execute("memory", "usage", "key", "samples", "x")


def test_memory_stats(server: Server) -> None:
    server.metrics.sample(server.engine)
    for number in range(100):
        server.engine.add_string(2, b"key:%d" % number, b"x")
    found = server.engine.execute("memory", "stats")
    assert found[b"keys.count"] == 100
    assert found[b"db.2"][b"overhead.hashtable.main"] > 100 * 8
    assert b"db.0" not in found
    server.engine.execute("select", "2")
    for number in range(100):
        server.engine.execute("del", f"key:{number}")
    # An empty table is one that still takes memory.
    server.engine.cron(1000)
    left = server.engine.execute("memory", "stats")
    assert left[b"keys.count"] == 0 and 0 < left[b"db.2"][b"overhead.hashtable.main"] < 400
    assert found[b"keys.bytes-per-key"] > 0
    assert 0 < found[b"peak.percentage"] <= 100
    assert found[b"total.allocated"] > found[b"startup.allocated"]


def test_tables_that_are_rehashed_show(server: Server) -> None:
    def figures() -> tuple[int, int, int]:
        found = server.engine.execute("memory", "stats")
        told = int(fields(server.engine.execute("info", "memory"))["mem_overhead_db_hashtable_rehashing"])
        return told, found[b"overhead.db.hashtable.rehashing"], found[b"db.dict.rehashing.count"]

    for number in range(1024):
        server.engine.add_string(0, b"key:%d" % number, b"x")
    wait_until(lambda: server.engine.cron(1000) or figures() == (0, 0, 0), "the table is whole")
    before = server.engine.database_statistics(0)["keys_table_bytes"]
    server.engine.add_string(0, b"one more", b"x")
    told, bytes_told, count = figures()
    assert told == bytes_told and before // 2 <= told <= 2 * before and count == 1
    wait_until(lambda: server.engine.cron(1000) or figures() == (0, 0, 0), "it is over")


def test_memory_advice_and_upkeep(server: Server) -> None:
    execute = server.engine.execute
    assert b"too little data" in execute("memory", "doctor")
    execute("set", "key", b"x" * (20 << 20))
    assert b"too little data" not in execute("memory", "doctor")
    execute("set", "key", b"x" * (8 << 20))
    assert b"in use, against" in execute("memory", "doctor")
    assert execute("memory", "purge") == "OK"
    statistics = execute("memory", "malloc-stats")
    assert b"allocated" in statistics and b"in use at most" in statistics


def test_sizes_in_htstats_are_what_a_table_takes(server: Server) -> None:
    def sizes() -> list[int]:
        return [int(size) for size in re.findall(rb"table size: (\d+)", server.engine.execute("debug", "htstats", "0"))]

    server.engine.execute("debug", "populate", "1000")
    wait_until(lambda: server.engine.cron(1000) or len(sizes()) == 1, "the table is whole")
    (size,) = sizes()
    server.engine.execute("debug", "populate", str(size))
    assert sizes() == [size]
    server.engine.execute("set", "one more", "")
    server.engine.execute("set", "and one more", "")
    wait_until(lambda: sizes()[-1] == 2 * size, "it grows")


# Input


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_the_limit_on_input_holds_however_it_comes(server: Server, pieces: int) -> None:
    server.engine.set("query_buffer_limit", 70_000)
    for size, accepted in ((60_000, True), (80_000, False)):
        client = Client(server)
        request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (size, b"x" * size)
        step = -(-len(request) // pieces)
        for start in range(0, len(request), step):
            client.peer.sendall(request[start : start + step])
            # One read takes the beginning, another what is there of the long argument.
            client.connection.ready(1)
            client.connection.ready(1)
        if accepted:
            assert client.read() == b"+OK\r\n"
        else:
            assert client.peer.recv(100) == b""
        client.peer.close()
    assert server.engine.statistics["query_limit_disconnections"] == 1
    assert server.engine.execute("strlen", "k") == 60_000


# MONITOR


def test_monitors_see_commands(server: Server, client: Client) -> None:
    monitor = Client(server, "127.0.0.1:6000")
    assert monitor.ask("monitor") == b"+OK\r\n"
    assert monitor.ask("monitor") == b""
    client.ask("set", "k", b'a\n\x01"\xff\\')
    client.ask("config", "get", "hz")
    line = monitor.read()
    assert re.fullmatch(
        rb'\+\d{10}\.\d{6} \[0 127\.0\.0\.1:5000\] "set" "k" "a\\n\\x01\\"\\xff\\\\"\r\n',
        line,
    )
    server.engine.close(monitor.connection)
    assert not server.monitors
    monitor.peer.close()


def test_quote() -> None:
    assert quote(b"\a\b\t\r\x00 ~\x7f") == b'"\\a\\b\\t\\r\\x00 ~\\x7f"'


# DEBUG


def test_debug_is_for_those_who_are_let_in() -> None:
    refused = "ERR DEBUG command not allowed. If the enable-debug-command option is set to"
    with pytest.raises(CommandError, match="^" + refused):
        make_server().engine.execute("debug", "sleep", "0")
    server = make_server("enable-debug-command local")
    assert Client(server).ask("debug", "sleep", "0") == b"+OK\r\n"
    assert Client(server, "[::1]:5000").ask("debug", "sleep", "0") == b"+OK\r\n"
    assert Client(server, "192.0.2.1:5000").ask("debug", "sleep", "0").startswith(b"-" + refused.encode())


@pytest.mark.parametrize("words", [("foo",), ("sleep",), ("object",), ("replybuffer", "x", "1"), ("digest", "x")])
def test_debug_refuses_what_it_does_not_know(server: Server, words: tuple[str, ...]) -> None:
    message = f"ERR unknown subcommand or wrong number of arguments for '{words[0]}'. Try DEBUG HELP."
    with refuses(message):
        server.engine.execute("debug", *words)


# Answered by the original for the same data set.
def test_digests_are_those_of_the_original(server: Server) -> None:
    execute = server.engine.execute
    assert execute("debug", "digest") == "0" * 40
    execute("set", "foo", "bar")
    execute("set", "num", "12")
    assert execute("debug", "digest") == "7ff272289ed24faac84fbb711d8dcab68c8d65ac"
    assert execute("debug", "digest-value", "foo", "num", "nothing") == [
        "68467c70ae30376e7ce005bcc8827f5ba7fd67dc",
        "655ac46b180ad2f61a3cee25f0b1780fa2ec879a",
        "0" * 40,
    ]
    execute("set", "foo", "bar", "pxat", FAR)
    assert execute("debug", "digest") == "2655572a4fe35f6c5245e8e93537131afbdda9cd"
    assert execute("debug", "digest-value", "foo") == ["8ec3828f7209dd3abdf6ee448de8b0c0bd53265f"]


def test_populate(server: Server, client: Client) -> None:
    client.ask("set", "foo", "bar", "pxat", str(FAR))
    client.ask("set", "num", "12")
    client.connection.database = 3
    assert client.ask("debug", "populate", "20", "k", "10") == b"+OK\r\n"
    assert client.ask("debug", "populate", "5") == b"+OK\r\n"
    assert server.engine.string_value(3, b"k:12") == b"value:12\0\0"
    assert server.engine.string_value(3, b"key:4") == b"value:4"
    assert server.engine.database_size(3) == 25
    assert client.ask("debug", "digest") == b"+e40d40f8b62b5e74c8edb042c025ba08c0fd2f22\r\n"
    client.ask("set", "k:1", "kept")
    client.ask("debug", "populate", "2", "k", "3")
    assert server.engine.string_value(3, b"k:1") == b"kept"


@pytest.mark.parametrize(
    ("value", "length"), [("1", 2), ("200", 3), ("70000", 5), ("12345678901", 12), ("x" * 63, 8), ("007", 4)]
)
def test_debug_object(server: Server, value: str, length: int) -> None:
    server.engine.execute("set", "key", value)
    text = server.engine.execute("debug", "object", "key")
    assert re.fullmatch(
        rf"Value at:0x[0-9a-f]+ refcount:1 encoding:\w+ serializedlength:{length} lru:\d+ lru_seconds_idle:0", text
    )
    assert "serializedlength" not in server.engine.execute("debug", "object", "key", "fast")
    with refuses("ERR no such key"):
        server.engine.execute("debug", "object", "nothing")


def test_debug_object_of_collections(server: Server) -> None:
    """The whole value counts, in the form that a snapshot has."""
    execute = server.engine.execute
    execute("rpush", "list", "1", "2")
    execute("sadd", "set", "member")
    execute("zadd", "sorted", "1", "a")
    execute("hset", "hash", "f", "v")
    lengths = [
        int(execute("debug", "object", key).split("serializedlength:")[1].split()[0])
        for key in ("list", "set", "sorted", "hash")
    ]
    assert lengths == [14, 16, 13, 14]


def test_debug_of_structures(server: Server) -> None:
    sizes = dict(part.split(":") for part in str(server.engine.execute("DEBUG", "STRUCTSIZE")).split())
    assert sizes["bits"] in ("32", "64")
    assert int(sizes["bucket"]) == 64
    assert int(sizes["quicklist_node"]) == 40
    assert all(int(size) > 0 for size in sizes.values())


def test_debug_of_tables(server: Server) -> None:
    execute = server.engine.execute
    assert "No stats available for empty dictionaries" in execute("debug", "htstats", "0").decode()
    execute("debug", "populate", "500")
    text = execute("debug", "htstats", "0").decode()
    assert re.match(r"\[Dictionary HT\]\nHash table 0 stats \(main hash table\):\n table size: \d+\n", text)
    assert " number of elements: 500\n" in text
    with refuses("ERR Out of range database"):
        execute("debug", "htstats", "16")


def test_debug_switches(server: Server) -> None:
    execute = server.engine.execute
    for switch, setting in (("set-active-expire", "active_expire"),):
        assert execute("debug", switch, "0") == "OK"
        assert server.engine.get(setting) == 0
        execute("debug", switch, "1")
        assert server.engine.get(setting) == 1
    execute("debug", "pause-cron", "1")
    assert server.cron_paused
    execute("debug", "pause-cron", "0")
    assert not server.cron_paused
    execute("debug", "replybuffer", "peak-reset-time", "100")
    assert server.engine.get("reply_peak_reset_ms") == 100
    execute("debug", "replybuffer", "peak-reset-time", "never")
    assert server.engine.get("reply_peak_reset_ms") == -1
    execute("debug", "replybuffer", "resizing", "0")
    assert server.engine.get("reply_resizing") == 0
    former = server.metrics.replication_id
    execute("debug", "change-repl-id")
    assert server.metrics.replication_id != former


def test_tables_do_not_shrink_while_resizing_is_off(server: Server, client: Client) -> None:
    def buckets() -> int:
        return server.engine.database_statistics(0)["keys_buckets"]

    client.ask("debug", "populate", "1000")
    while server.engine.database_statistics(0)["keys_rehashing"]:
        server.engine.cron(1000)
    full = buckets()
    client.ask("debug", "dict-resizing", "0")
    for number in range(990):
        server.engine.execute("getdel", f"key:{number}")
    server.engine.cron(1000)
    assert buckets() == full
    client.ask("debug", "dict-resizing", "1")
    for _ in range(100):
        server.engine.cron(1000)
    assert buckets() < full


PROTOCOL = {
    "string": (b"$11\r\nHello World\r\n", b"$11\r\nHello World\r\n"),
    "integer": (b":12345\r\n", b":12345\r\n"),
    "double": (b"$5\r\n3.141\r\n", b",3.141\r\n"),
    "bignum": (
        b"$37\r\n1234567999999999999999999999999999999\r\n",
        b"(1234567999999999999999999999999999999\r\n",
    ),
    "null": (b"$-1\r\n", b"_\r\n"),
    "array": (b"*3\r\n:0\r\n:1\r\n:2\r\n", b"*3\r\n:0\r\n:1\r\n:2\r\n"),
    "set": (b"*3\r\n:0\r\n:1\r\n:2\r\n", b"~3\r\n:0\r\n:1\r\n:2\r\n"),
    "map": (b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n", b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
    "attrib": (
        b"$39\r\nSome real reply following the attribute\r\n",
        b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
        b"$39\r\nSome real reply following the attribute\r\n",
    ),
    "push": (
        b"-ERR RESP2 is not supported by this command\r\n",
        b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply\r\n",
    ),
    "verbatim": (b"$25\r\nThis is a verbatim\nstring\r\n", b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
    "true": (b":1\r\n", b"#t\r\n"),
    "false": (b":0\r\n", b"#f\r\n"),
    "foo": (
        b"-ERR Wrong protocol type name. Please use one of the following: "
        b"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false\r\n",
    )
    * 2,
}


@pytest.mark.parametrize("name", PROTOCOL)
def test_debug_protocol(client: Client, name: str) -> None:
    in_resp2, in_resp3 = PROTOCOL[name]
    assert client.ask("debug", "protocol", name) == in_resp2
    client.connection.protocol = 3
    assert client.ask("debug", "protocol", name) == in_resp3
    assert client.ask("role") == b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"


def test_debug_error_is_one_line(client: Client) -> None:
    assert client.ask("debug", "error", "FOO bar\r\nbaz") == b"-FOO bar  baz\r\n"


@pytest.mark.parametrize("word", ["assert", "panic", "oom", "segfault"])
def test_debug_crashes_for_certain(word: str) -> None:
    program = (
        "import sys; from redislite.config.config import Config; from redislite.server import Server\n"
        "config = Config(); config.load('enable-debug-command yes'); server = Server(config)\n"
        f"server.engine.execute('debug', '{word}'); print('alive')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "alive" not in result.stdout


# SHUTDOWN, ROLE, LOLWUT, HELP


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, False, False)),
        (["NOSAVE"], (False, False, False)),
        (["save", "now", "force"], (True, True, True)),
        (["safe"], (None, False, False)),
    ],
)
def test_shutdown_understands(
    server: Server, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: tuple[bool | None, ...]
) -> None:
    calls: list[tuple[bool | None, ...]] = []

    def record(wish: Wish) -> bool:
        calls.append((wish.save, wish.now, wish.force))
        return True

    monkeypatch.setattr(server.ending, "begin", record)
    client = Client(server)
    assert client.ask("shutdown", *words) == b""
    assert calls == [expected]


@pytest.mark.parametrize("words", [["foo"], ["save", "nosave"], ["abort", "now"], ["save", "x"]])
def test_shutdown_refuses(server: Server, words: list[str]) -> None:
    with refuses("ERR syntax error"):
        server.engine.execute("shutdown", *words)
    with refuses("ERR No shutdown in progress."):
        server.engine.execute("shutdown", "abort")


def test_role(server: Server) -> None:
    assert server.engine.execute("role") == [b"master", 0, []]


@pytest.mark.parametrize("words", [[], ["version", "5"], ["VERSION", "6", "40", "10"], ["version", "99"], ["1", "1"]])
def test_lolwut_ends_with_the_version(server: Server, words: list[str]) -> None:
    text = server.engine.execute("lolwut", *words).decode()
    assert text.endswith(f"\nRedis ver. {REDIS_VERSION}\n")


def test_lolwut_takes_numbers_only(server: Server) -> None:
    for words in (["version", "x"], ["version", "6", "x"]):
        with refuses("ERR value is not an integer or out of range"):
            server.engine.execute("lolwut", *words)


def test_drawings_keep_to_their_size() -> None:
    for name in lolwut.DRAWINGS:
        lines = lolwut.draw(name, 30, 7, random.Random(1)).split("\n")
        assert len(lines) == 7 + 3
        assert max(len(line) for line in lines[:7]) <= 30
        assert lolwut.draw(name, 10**9, -5, random.Random(1)).count("\n") == 1 + 2


@pytest.mark.parametrize("name", ["config", "slowlog", "commandlog", "latency", "memory", "debug"])
def test_help(server: Server, name: str) -> None:
    lines = server.engine.execute(name, "help")
    assert lines[0] == f"{name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert len(lines) > 6
