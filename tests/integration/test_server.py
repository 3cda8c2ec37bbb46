"""The server group: INFO, CONFIG, SLOWLOG and COMMANDLOG, LATENCY, MEMORY, DEBUG, MONITOR, TIME, COMMAND."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from harness import (
    NOT_INTEGER,
    OK,
    PONG,
    SYNTAX,
    Connection,
    Failure,
    ServerPool,
    ServerProcess,
    request,
    wait_until,
    wrong_arity,
)

# INFO

FIELDS = {
    "server": (
        "redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits multiplexing_api "
        "gcc_version process_id process_supervised run_id tcp_port server_time_usec uptime_in_seconds "
        "uptime_in_days hz configured_hz lru_clock executable config_file io_threads_active"
    ),
    "clients": (
        "connected_clients cluster_connections maxclients client_recent_max_input_buffer "
        "client_recent_max_output_buffer blocked_clients tracking_clients clients_in_timeout_table"
    ),
    "memory": (
        "used_memory used_memory_human used_memory_rss used_memory_rss_human used_memory_peak used_memory_peak_human "
        "used_memory_peak_perc used_memory_overhead used_memory_startup used_memory_dataset used_memory_dataset_perc "
        "total_system_memory total_system_memory_human maxmemory maxmemory_human maxmemory_policy "
        "mem_fragmentation_ratio mem_clients_normal mem_allocator lazyfree_pending_objects lazyfreed_objects"
    ),
    "persistence": "loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time aof_enabled",
    "stats": (
        "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes "
        "total_net_output_bytes instantaneous_input_kbps instantaneous_output_kbps rejected_connections expired_keys "
        "expired_stale_perc expired_time_cap_reached_count expire_cycle_cpu_milliseconds evicted_keys "
        "keyspace_hits keyspace_misses pubsub_channels pubsub_patterns total_error_replies "
        "total_reads_processed total_writes_processed"
    ),
    "replication": "role connected_slaves master_replid master_repl_offset",
    "cpu": "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children",
    "cluster": "cluster_enabled",
}


def sections_of(client: Connection, *arguments: str) -> list[str]:
    return re.findall(r"^# (.*)\r$", client("INFO", *arguments).decode(), re.M)


@pytest.mark.parametrize("section", FIELDS)
def test_info_fields(server: ServerProcess, section: str) -> None:
    fields = server.info(section)
    missing = [name for name in FIELDS[section].split() if name not in fields]
    assert not missing


def test_info_sections(client: Connection) -> None:
    default = sections_of(client)
    assert {"Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Cluster", "Keyspace"} <= set(
        default
    )
    assert "Commandstats" not in default
    assert sections_of(client, "default") == default
    assert "Commandstats" in sections_of(client, "all") and "Commandstats" in sections_of(client, "EVERYTHING")
    assert sections_of(client, "cpu") == ["CPU"]
    assert sections_of(client, "CPU", "server", "cpu") == ["Server", "CPU"]
    assert sections_of(client, "nosuch") == []
    assert client("INFO", "nosuch") == b""
    text = client("INFO").decode()
    assert text.endswith("\r\n") and "\r\n\r\n# " in text


def test_info_is_verbatim_in_resp3(client3: Connection) -> None:
    client3.send(request("INFO", "cpu"))
    raw = client3.read_raw()
    assert raw.startswith(b"=") and b"\r\ntxt:# CPU\r\n" in raw


def test_info_of_the_process(server: ServerProcess) -> None:
    info = server.info("everything")
    assert info["tcp_port"] == str(server.port)
    assert info["process_id"] == str(server.pid)
    assert info["config_file"] == str(server.config_path)
    assert re.fullmatch(r"[0-9a-f]{40}", info["run_id"])
    assert abs(int(info["server_time_usec"]) / 1e6 - time.time()) < 5
    assert info["redis_mode"] == "standalone" and info["role"] == "master"
    if server.is_ours:
        assert info["redis_version"].startswith("8.0.")


def test_info_keyspace(server: ServerProcess, client: Connection) -> None:
    assert not [name for name in server.info("keyspace") if name.startswith("db")]
    client("MSET", "a", "1", "b", "2")
    client("EXPIRE", "a", 100)
    client("SELECT", 3)
    client("SET", "c", "3")
    fields = server.info("keyspace")
    assert fields["db0"].startswith("keys=2,expires=1,avg_ttl=")
    assert fields["db3"].startswith("keys=1,expires=0,avg_ttl=0")


def test_info_counts(server: ServerProcess, client: Connection) -> None:
    client("CONFIG", "RESETSTAT")
    client("SET", "k", "v")
    for _ in range(3):
        client("GET", "k")
    client("GET", "missing")
    client("NOSUCH")
    client("GET")
    client("INCRBY", "k", "1")
    info = server.info("everything")
    assert info["keyspace_hits"] == "3" and info["keyspace_misses"] == "1"
    assert info["total_error_replies"] == "3" and info["errorstat_ERR"] == "count=3"
    assert re.fullmatch(r"calls=4,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=0", info["cmdstat_get"])
    assert re.fullmatch(
        r"calls=1,usec=\d+,usec_per_call=[\d.]+,rejected_calls=0,failed_calls=1", info["cmdstat_incrby"]
    )
    assert "cmdstat_config|resetstat" in info
    assert re.fullmatch(r"p50=[\d.]+,p99=[\d.]+,p99.9=[\d.]+", info["latency_percentiles_usec_get"])
    assert int(info["total_commands_processed"]) >= 6
    assert int(info["total_net_input_bytes"]) > 100 and int(info["total_net_output_bytes"]) > 100


def test_info_memory_grows_with_the_data(server: ServerProcess, client: Connection) -> None:
    before = int(server.info("memory")["used_memory"])
    client("SET", "big", b"x" * 10_000_000)
    grown = server.info("memory")
    assert 10_000_000 <= int(grown["used_memory"]) - before < 25_000_000
    assert int(grown["used_memory_peak"]) >= int(grown["used_memory"])
    assert grown["used_memory_human"].endswith("M")


# CONFIG


def test_config_get(client: Connection) -> None:
    assert client("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]
    assert client("CONFIG", "GET", "MAXMEMORY") == [b"MAXMEMORY", b"0"], "the name as it was asked for"
    assert client("CONFIG", "GET", "nosuch") == []
    reply = client("CONFIG", "GET", "maxmemory*", "timeout")
    names = set(reply[::2])
    assert {b"maxmemory", b"maxmemory-policy", b"maxmemory-samples", b"timeout"} <= names
    assert len(names) == len(reply) // 2
    assert len(client("CONFIG", "GET", "*")) // 2 > 150
    assert client("CONFIG", "GET", "time[onu]ut") == [b"timeout", b"0"]
    assert client("CONFIG", "GET") == wrong_arity("config|get")


DEFAULTS = {
    "databases": "16",
    "hz": "10",
    "timeout": "0",
    "tcp-keepalive": "300",
    "tcp-backlog": "511",
    "maxclients": "10000",
    "maxmemory-policy": "noeviction",
    "proto-max-bulk-len": "536870912",
    "client-query-buffer-limit": "1073741824",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    "slowlog-log-slower-than": "10000",
    "slowlog-max-len": "128",
    "latency-monitor-threshold": "0",
    "appendonly": "no",
    "appendfsync": "everysec",
    "active-expire-effort": "1",
    "protected-mode": "yes",
    "loglevel": "notice",
    "lazyfree-lazy-user-del": ("no", "yes"),
    "bind": "* -::*",
    "list-max-listpack-size": "-2",
    "hash-max-listpack-entries": ("128", "512"),
    "repl-backlog-size": ("1048576", "10485760"),
    "lua-time-limit": "5000",
    "notify-keyspace-events": "",
    "save": "",
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_config_defaults(client: Connection, name: str) -> None:
    expected = DEFAULTS[name]
    found = client("CONFIG", "GET", name)[1].decode()
    assert found in (expected if isinstance(expected, tuple) else (expected,))


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("maxmemory", "100mb", "104857600"),
        ("maxmemory", "1g", "1000000000"),
        ("maxmemory", "1k", "1000"),
        ("maxmemory", "1KB", "1024"),
        ("maxmemory", "5b", "5"),
        ("maxmemory", "1000000", "1000000"),
        ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
        ("timeout", "10", "10"),
        ("hz", "1000", "500"),
        ("hz", "20", "20"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "g$x", "g$x"),
        ("slowlog-log-slower-than", "-1", "-1"),
        ("client-output-buffer-limit", "normal 10mb 5mb 3", None),
        ("appendfsync", "always", "always"),
        ("lfu-decay-time", "7", "7"),
        ("loglevel", "verbose", "verbose"),
        ("protected-mode", "No", "no"),
        ("repl-diskless-sync-delay", "3", "3"),
        ("zset-max-ziplist-entries", "99", "99"),
        ("zset-max-listpack-entries", "98", "98"),
    ],
)
def test_config_set(server: ServerProcess, client: Connection, name: str, given: str, kept: str | None) -> None:
    server.config(name, given)
    if kept is None:
        kept = "normal 10485760 5242880 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    assert client("CONFIG", "GET", name)[1] == kept.encode()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("maxmemory", "x", "argument must be a memory value"),
        ("maxmemory", "10xb", "argument must be a memory value"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxclients", "x", "argument couldn't be parsed into an integer"),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("timeout", "1.5", "argument couldn't be parsed into an integer"),
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        ("appendfsync", "sometimes", "argument(s) must be one of the following: "),
        ("maxmemory-policy", "nosuch", "argument(s) must be one of the following: "),
        ("notify-keyspace-events", "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("client-output-buffer-limit", "normal 1 2", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "nosuch 1 2 3", "Invalid client class specified in buffer limit configuration."),
        ("client-output-buffer-limit", "normal x 2 3", "Error in hard, soft or soft_seconds setting in buffer limit"),
        ("save", "x", "Invalid save parameters"),
        ("maxmemory-samples", "0", "argument must be between 1 and "),
        ("active-expire-effort", "11", "argument must be between 1 and 10 inclusive"),
    ],
)
def test_config_set_errors(client: Connection, name: str, value: str, reason: str) -> None:
    before = client("CONFIG", "GET", name)
    reply = client("CONFIG", "SET", name, value)
    assert isinstance(reply, Failure)
    assert reply.startswith(f"ERR CONFIG SET failed (possibly related to argument '{name}') - ")
    assert reason.split(" Use '")[0] in reply
    assert client("CONFIG", "GET", name) == before


def test_config_set_of_what_cannot_be(client: Connection) -> None:
    assert client("CONFIG", "SET", "nosuch", "1") == Failure(
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"
    )
    for name in ("databases", "unixsocket", "pidfile", "daemonize"):
        assert client("CONFIG", "SET", name, "1") == Failure(
            f"ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
        )
    assert client("CONFIG", "SET", "timeout") == wrong_arity("config|set")
    assert client("CONFIG", "SET", "timeout", "1", "hz") == SYNTAX
    assert client("CONFIG", "SET", "timeout", "1", "timeout", "2") == Failure(
        "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"
    )


def test_config_set_is_all_or_nothing(server: ServerProcess, client: Connection) -> None:
    assert client("CONFIG", "SET", "timeout", "7", "hz", "x") != OK
    assert client("CONFIG", "SET", "timeout", "7", "nosuch", "x") != OK
    assert client("CONFIG", "SET", "timeout", "7", "databases", "x") != OK
    assert client("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
    server.config("timeout", 0)
    server.config("hz", 10)
    assert client("CONFIG", "SET", "timeout", "7", "hz", "50") == OK
    assert client("CONFIG", "GET", "timeout") == [b"timeout", b"7"]


def test_config_resetstat(server: ServerProcess, client: Connection) -> None:
    client("GET", "missing")
    client("NOSUCH")
    assert client("CONFIG", "RESETSTAT") == OK
    info = server.info("everything")
    assert info["keyspace_misses"] == "0" and "errorstat_ERR" not in info
    assert "cmdstat_get" not in info
    assert int(info["total_connections_received"]) <= 1
    assert client("CONFIG", "RESETSTAT", "x") == wrong_arity("config|resetstat")


def test_config_rewrite(start_server: ServerPool) -> None:
    server = start_server(maxclients=77)
    text = "# a comment of the owner\n" + server.config_path.read_text() + "\n# and one at the end\ntimeout 5\n"
    server.config_path.write_text(text)
    server.restart()
    for name, value in (
        ("timeout", "9"),
        ("maxmemory", "64mb"),
        ("maxmemory-policy", "allkeys-lfu"),
        ("requirepass", ""),
        ("notify-keyspace-events", "KEA"),
        ("client-output-buffer-limit", "normal 20mb 10mb 5"),
        ("slowlog-max-len", "12"),
    ):
        assert server.control("CONFIG", "SET", name, value) == OK
    before = server.control("CONFIG", "GET", "*")
    assert server.control("CONFIG", "REWRITE") == OK
    written = server.config_path.read_text()
    assert "# a comment of the owner" in written and "# and one at the end" in written
    lines = written.splitlines()
    assert "timeout 9" in lines and "timeout 5" not in lines and lines.index("timeout 9") > 3
    assert "maxmemory 64mb" in lines and "maxclients 77" in lines and "slowlog-max-len 12" in lines
    assert "maxmemory-policy allkeys-lfu" in lines and 'notify-keyspace-events "AKE"' in lines
    assert "client-output-buffer-limit normal 20mb 10mb 5" in lines
    assert not [line for line in lines if line.startswith("appendfsync ")], "defaults are not written"
    assert server.control("CONFIG", "REWRITE") == OK
    assert server.config_path.read_text().rstrip() == written.rstrip(), "a second rewrite changes nothing"
    server.restart()
    after = server.control("CONFIG", "GET", "*")
    assert dict(zip(before[::2], before[1::2], strict=True)) == dict(zip(after[::2], after[1::2], strict=True))


def test_config_rewrite_of_values_that_need_quotes(start_server: ServerPool) -> None:
    server = start_server()
    password = 'a "b" \\ c\x01#'
    assert server.control("CONFIG", "SET", "requirepass", password) == OK
    assert server.control("CONFIG", "REWRITE") == OK
    server.password = password
    server.restart()
    assert server.control("CONFIG", "GET", "requirepass")[1].decode() == password


# SLOWLOG, COMMANDLOG


def test_slowlog(server: ServerProcess, client: Connection) -> None:
    server.config("slowlog-log-slower-than", 1_000_000)
    client("SLOWLOG", "RESET")
    client("SET", "k", "v")
    assert client("SLOWLOG", "LEN") == 0
    server.config("slowlog-log-slower-than", 0)
    client("SLOWLOG", "RESET")
    client("CLIENT", "SETNAME", "me")
    client("SET", "k", "x" * 300)
    client("MGET", *[f"k{index}" for index in range(60)])
    entries = client("SLOWLOG", "GET")
    number, stamp, microseconds, arguments, address, name = entries[1]
    assert arguments[:2] == [b"SET", b"k"] and name == b"me"
    assert arguments[2] == b"x" * 128 + b"... (172 more bytes)"
    assert abs(stamp - time.time()) < 10 and microseconds >= 0
    assert address.decode().startswith("127.0.0.1:")
    assert len(entries[0][3]) == 32 and entries[0][3][-1] == b"... (30 more arguments)"
    assert entries[0][0] == number + 1
    assert len(client("SLOWLOG", "GET", 1)) == 1
    assert len(client("SLOWLOG", "GET", -1)) == client("SLOWLOG", "LEN") - 1
    assert client("SLOWLOG", "GET", -2) == Failure("ERR count should be greater than or equal to -1")
    assert client("SLOWLOG", "GET", "x") in (NOT_INTEGER, Failure("ERR count should be greater than or equal to -1"))
    assert client("SLOWLOG", "NOSUCH") == Failure("ERR unknown subcommand 'NOSUCH'. Try SLOWLOG HELP.")
    server.config("slowlog-max-len", 3)
    for _ in range(10):
        client("PING")
    assert client("SLOWLOG", "LEN") == 3
    assert client("SLOWLOG", "RESET") == OK
    server.config("slowlog-log-slower-than", -1)
    client("SLOWLOG", "RESET")
    client("PING")
    assert client("SLOWLOG", "LEN") == 0


def test_slowlog_hides_passwords(server: ServerProcess, client: Connection) -> None:
    server.config("slowlog-log-slower-than", 0)
    client("SLOWLOG", "RESET")
    client("CONFIG", "SET", "masterauth", "secret-word")
    client("AUTH", "default", "secret-word")
    client("HELLO", 2, "AUTH", "default", "secret-word")
    assert "secret-word" not in repr(client("SLOWLOG", "GET"))
    client("CONFIG", "SET", "masterauth", "")


def test_slow_command_is_logged_with_its_time(server: ServerProcess, client: Connection) -> None:
    server.config("slowlog-log-slower-than", 20_000)
    client("SLOWLOG", "RESET")
    client("DEBUG", "SLEEP", "0.05")
    entries = client("SLOWLOG", "GET")
    assert len(entries) == 1 and entries[0][3] == [b"DEBUG", b"SLEEP", b"0.05"] and 50_000 <= entries[0][2] < 5_000_000


@pytest.mark.needs("COMMANDLOG LEN slow")
def test_commandlog(server: ServerProcess, client: Connection) -> None:
    server.config("commandlog-execution-slower-than", 0)
    server.config("commandlog-request-larger-than", 1000)
    server.config("commandlog-reply-larger-than", 1000)
    for kind in ("slow", "large-request", "large-reply"):
        assert client("COMMANDLOG", "RESET", kind) == OK
    client("SET", "k", "x" * 5000)
    client("GET", "k")
    assert client("COMMANDLOG", "LEN", "large-request") == 1
    assert client("COMMANDLOG", "LEN", "large-reply") == 1
    assert client("COMMANDLOG", "LEN", "slow") >= 2
    request_entry = client("COMMANDLOG", "GET", -1, "large-request")[0]
    assert request_entry[3][:2] == [b"SET", b"k"] and request_entry[2] > 5000
    reply_entry = client("COMMANDLOG", "GET", 10, "LARGE-REPLY")[0]
    assert reply_entry[3] == [b"GET", b"k"] and reply_entry[2] > 5000
    assert client("SLOWLOG", "LEN") >= 2
    assert isinstance(client("COMMANDLOG", "LEN", "nosuch"), Failure)
    assert isinstance(client("COMMANDLOG", "GET", 10), Failure)
    client("COMMANDLOG", "RESET", "large-request")
    assert client("COMMANDLOG", "LEN", "large-request") == 0


# LATENCY


def test_latency(server: ServerProcess, client: Connection) -> None:
    server.config("latency-monitor-threshold", 20)
    client("LATENCY", "RESET")
    client("DEBUG", "SLEEP", "0.05")
    wait_until(lambda: client("LATENCY", "LATEST"), "the event is there")
    name, stamp, latest, highest = client("LATENCY", "LATEST")[0][:4]
    assert name == b"command" and abs(stamp - time.time()) < 10 and 50 <= latest <= highest
    history = client("LATENCY", "HISTORY", "command")
    assert len(history) == 1 and history[0][1] == latest
    assert client("LATENCY", "HISTORY", "nosuch") == []
    assert b"command" in client("LATENCY", "GRAPH", "command")
    assert client("LATENCY", "GRAPH", "nosuch") == Failure("ERR No samples available for event 'nosuch'")
    assert isinstance(client("LATENCY", "DOCTOR"), bytes)
    assert client("LATENCY", "RESET", "nosuch") == 0
    assert client("LATENCY", "RESET", "command") == 1
    assert client("LATENCY", "LATEST") == []
    assert client("LATENCY", "NOSUCH") == Failure("ERR unknown subcommand 'NOSUCH'. Try LATENCY HELP.")


def test_latency_histogram(client: Connection) -> None:
    client("CONFIG", "RESETSTAT")
    for _ in range(5):
        client("SET", "k", "v")
    reply = client("LATENCY", "HISTOGRAM", "set", "nosuch", "get")
    assert reply[0] == b"set" and reply[1][:2] == [b"calls", 5] and reply[1][2] == b"histogram_usec"
    counts = reply[1][3][1::2]
    assert counts == sorted(counts) and counts[-1] == 5
    assert client("LATENCY", "HISTOGRAM", "nosuch") == []


# MEMORY


def test_memory_usage(client: Connection) -> None:
    assert client("MEMORY", "USAGE", "missing") is None
    client("SET", "small", "v")
    client("SET", "big", "x" * 100_000)
    small, big = client("MEMORY", "USAGE", "small"), client("MEMORY", "USAGE", "big")
    assert 10 < small < 150 and 100_000 < big < 150_000
    assert client("MEMORY", "USAGE", "small", "SAMPLES", 0) == small
    assert client("MEMORY", "USAGE", "small", "SAMPLES", 5) == small
    assert client("MEMORY", "USAGE", "small", "SAMPLES", -1) == SYNTAX
    assert client("MEMORY", "USAGE", "small", "SAMPLES", "x") == NOT_INTEGER
    assert client("MEMORY", "USAGE", "small", "NOSUCH") == SYNTAX
    assert client("MEMORY", "USAGE") == wrong_arity("memory|usage")


def test_memory_stats(client: Connection) -> None:
    client("SET", "k", "v")
    reply = client("MEMORY", "STATS")
    fields = dict(zip(reply[::2], reply[1::2], strict=True))
    for name in [
        "peak.allocated",
        "total.allocated",
        "startup.allocated",
        "clients.normal",
        "overhead.total",
        "keys.count",
        "keys.bytes-per-key",
        "dataset.bytes",
        "dataset.percentage",
        "peak.percentage",
        "db.0",
        "fragmentation",
    ]:
        assert name.encode() in fields
    assert fields[b"keys.count"] == 1
    assert fields[b"peak.allocated"] >= fields[b"total.allocated"] > fields[b"startup.allocated"] * 0.5


def test_memory_others(client: Connection) -> None:
    assert client("MEMORY", "PURGE") == OK
    assert isinstance(client("MEMORY", "DOCTOR"), bytes)
    assert isinstance(client("MEMORY", "HELP"), list)
    assert client("MEMORY", "NOSUCH") == Failure("ERR unknown subcommand 'NOSUCH'. Try MEMORY HELP.")


# TIME, LOLWUT, DEBUG


def test_time(client: Connection) -> None:
    seconds, microseconds = client("TIME")
    assert abs(int(seconds) - time.time()) < 5 and 0 <= int(microseconds) < 1_000_000
    assert client("TIME", "x") == wrong_arity("time")


def test_lolwut(client: Connection, client3: Connection) -> None:
    for connection in (client, client3):
        assert isinstance(connection("LOLWUT"), bytes)
        assert b"7." in connection("LOLWUT") or b"ver" in connection("LOLWUT")
        assert isinstance(connection("LOLWUT", "VERSION", 5), bytes)


def test_debug(client: Connection) -> None:
    client("SET", "k", "value")
    text = client("DEBUG", "OBJECT", "k")
    assert "encoding:embstr" in text and "refcount:1" in text and "lru_seconds_idle:0" in text
    assert client("DEBUG", "OBJECT", "missing") == Failure("ERR no such key")
    start = time.monotonic()
    assert client("DEBUG", "SLEEP", "0.1") == OK
    assert time.monotonic() - start >= 0.1
    assert isinstance(client("DEBUG", "NOSUCH"), Failure)
    assert client("DEBUG", "JMAP") == Failure(
        "ERR unknown subcommand or wrong number of arguments for 'JMAP'. Try DEBUG HELP."
    )


def test_debug_is_refused_unless_enabled(start_server: ServerPool) -> None:
    server = start_server(enable_debug_command="no")
    reply = server.control("DEBUG", "SLEEP", "0")
    assert isinstance(reply, Failure) and reply.startswith("ERR DEBUG command not allowed. ")
    local = start_server(enable_debug_command="local")
    assert local.control("DEBUG", "SLEEP", "0") == OK


# MONITOR


def test_monitor(server: ServerProcess, client: Connection) -> None:
    watcher = server.connect()
    assert watcher("MONITOR") == OK
    client("SELECT", 3)
    client("SET", "k", b'a "quoted"\r\n\x01\xff\\')
    host, port = client.socket.getsockname()
    selected, line = watcher.read(), watcher.read()
    assert re.fullmatch(rf'\d+\.\d{{6}} \[[03] {re.escape(host)}:{port}\] "SELECT" "3"', selected)
    assert line.endswith(rf' [3 {host}:{port}] "SET" "k" "a \"quoted\"\r\n\x01\xff\\"')
    client("GET", "k")
    assert watcher.read().endswith('"GET" "k"')
    unix = server.connect(unix=True)
    unix("PING")
    assert watcher.read().endswith(f'[0 unix:{server.unix_path}] "PING"')
    found = server.client_with(cmd="monitor")
    assert found and "O" in found["flags"]


def test_monitor_hides_passwords_and_shows_no_administration(server: ServerProcess, client: Connection) -> None:
    watcher = server.connect()
    watcher("MONITOR")
    client("AUTH", "default", "secret-word")
    client("CONFIG", "SET", "timeout", "0")
    client("HELLO", "2", "AUTH", "default", "secret-word")
    client("NOSUCH")
    client("GET")
    client("PING")
    seen: list[str] = []
    while not seen or not seen[-1].endswith('"PING"'):
        seen.append(watcher.read())
    assert not [line for line in seen if "secret-word" in line]
    assert not [line for line in seen if "CONFIG" in line or "NOSUCH" in line]


def test_monitor_that_does_not_read_is_bounded(server: ServerProcess, client: Connection) -> None:
    server.config("client-output-buffer-limit", "normal 1mb 0 0")
    watcher = server.connect()
    watcher("MONITOR")
    for _ in range(300):
        client("SET", "k", "x" * 100_000)
    wait_until(lambda: server.client_with(cmd="monitor") is None, "the monitor is closed")
    assert client("PING") == PONG


def test_reset_ends_monitoring(server: ServerProcess, client: Connection) -> None:
    watcher = server.connect()
    watcher("MONITOR")
    watcher.send(request("RESET"))
    assert watcher.read() == "RESET"
    client("SET", "k", "v")
    assert watcher("PING") == PONG


# COMMAND


def test_command_info(client: Connection) -> None:
    get, nothing = client("COMMAND", "INFO", "GET", "nosuch")
    assert nothing is None
    assert get[0] == b"get" and get[1] == 2 and {"readonly", "fast"} <= {str(flag) for flag in get[2]}
    assert get[3:6] == [1, 1, 1]
    assert {"@read", "@string", "@fast"} <= {str(category) for category in get[6]}
    assert client("COMMAND", "INFO", "set")[0][1] == -3
    assert client("COMMAND", "INFO", "config|get")[0][0] == b"config|get"
    assert client("COMMAND", "COUNT") == len(client("COMMAND")) == len(client("COMMAND", "INFO"))
    assert client("COMMAND", "COUNT") == len([name for name in set(client("COMMAND", "LIST")) if b"|" not in name])


def test_command_list_filters(client: Connection) -> None:
    names = client("COMMAND", "LIST", "FILTERBY", "PATTERN", "ge?*")
    assert b"get" in names and all(name.startswith(b"ge") for name in names)
    assert b"get" in client("COMMAND", "LIST", "FILTERBY", "ACLCAT", "string")
    assert client("COMMAND", "LIST", "FILTERBY", "MODULE", "nosuch") == []
    assert client("COMMAND", "LIST", "FILTERBY", "NOSUCH", "x") == SYNTAX


def test_command_getkeys(client: Connection) -> None:
    assert client("COMMAND", "GETKEYS", "GET", "a") == [b"a"]
    assert client("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == [b"a", b"b"]
    assert client("COMMAND", "GETKEYS", "RENAME", "a", "b") == [b"a", b"b"]
    assert client("COMMAND", "GETKEYS", "OBJECT", "ENCODING", "a") == [b"a"]
    assert client("COMMAND", "GETKEYS", "PING", "x") == Failure("ERR The command has no key arguments")
    assert client("COMMAND", "GETKEYS", "NOSUCH", "x") == Failure("ERR Invalid command specified")
    assert client("COMMAND", "GETKEYS", "GET", "a", "b") == Failure(
        "ERR Invalid number of arguments specified for command"
    )
    assert client("COMMAND", "GETKEYSANDFLAGS", "SET", "a", "1") == [[b"a", ["OW", "update"]]]
    assert client("COMMAND", "GETKEYSANDFLAGS", "GET", "a") == [[b"a", ["RO", "access"]]]


def test_command_docs(client3: Connection) -> None:
    docs = client3("COMMAND", "DOCS", "GET", "nosuch", "config|get")
    assert set(docs) == {b"get", b"config|get"}
    assert docs[b"get"][b"group"] == b"string" and docs[b"get"][b"since"] == b"1.0.0" and docs[b"get"][b"summary"]
    assert docs[b"get"][b"arguments"][0][b"name"] == b"key"


def test_redis_py_server_commands(redis2: Any, redis3: Any) -> None:
    for client in (redis2, redis3):
        assert client.info()["redis_mode"] == "standalone"
        assert client.info("commandstats")
        assert client.config_get("timeout") in ({"timeout": "0"}, {b"timeout": b"0"})
        assert client.config_set("timeout", 0)
        assert client.dbsize() == 0
        assert client.command_count() > 50
        assert isinstance(client.slowlog_get(), list)
        assert client.memory_stats()["keys.count"] == 0
        assert client.time()[0] > 1_700_000_000
        assert client.command()["get"]["arity"] == 2
