"""Snapshots as JSON Lines, copies of the data set under other names, and what a crash leaves of either."""

from __future__ import annotations

import gzip
import json
import os
import signal
from typing import Any

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, run_program, wait_until

from redislite.persistence.json_lines import VERSION

VERSION_1 = b"""{"format": "redislite", "version": 1, "redis_version": "7.2.4", "created_ms": 1795254426910}
{"db": 0, "key": "greeting", "type": "string", "value": "hello"}
{"end": true, "keys": 1}
"""


def fill(client: Connection) -> bytes:
    """One key of each type, in two databases; answers the digest."""
    client("SET", b"\xff\x00", "x" * 1000)
    client("SET", "going", "v", "EX", 10_000)
    client("RPUSH", "list", *range(300))
    client("SADD", "set", "a", "b", 1)
    client("HSET", "hash", "f", b"\xff", "g", "v")
    client("HPEXPIRE", "hash", 10_000_000, "FIELDS", 1, "f")
    client("ZADD", "zset", "inf", "a", "0.1", "b")
    client("XADD", "stream", "1-1", "f", "v")
    client("XGROUP", "CREATE", "stream", "group", "0")
    client("XGROUP", "CREATECONSUMER", "stream", "group", "idle")
    client("XREADGROUP", "GROUP", "group", "busy", "STREAMS", "stream", ">")
    client("SELECT", 7)
    client("SET", "elsewhere", "v")
    client("SELECT", 0)
    digest: bytes = client("DEBUG", "DIGEST")
    return digest


def names(server: ServerProcess) -> list[str]:
    """Data files and temporary files."""
    found = [path.name for path in server.directory.iterdir() if path.is_file()]
    return sorted(name for name in found if not name.startswith("server."))


def wait_saved(server: ServerProcess) -> dict[str, str]:
    def saved() -> Any:
        facts = server.info("persistence")
        return facts["rdb_bgsave_in_progress"] == "0" and facts

    facts: dict[str, str] = wait_until(saved, "the child has ended")
    return facts


def begin(start_server: ServerPool, name: str, **options: str) -> ServerProcess:
    return start_server(dbfilename=name, enable_debug_command="yes", enable_protected_configs="yes", **options)


@pytest.mark.parametrize("name", ["dump.json", "dump.json.gz"])
@pytest.mark.parametrize("how", ["SAVE", "BGSAVE", "SHUTDOWN", "save point"])
def test_what_was_saved_is_there_after_a_restart(start_server: ServerPool, name: str, how: str) -> None:
    server = begin(start_server, name)
    client = server.connect()
    digest = fill(client)
    if how == "SHUTDOWN":
        client.send(b"SHUTDOWN SAVE\r\n")
        assert server.wait_exit() == 0
    else:
        if how == "save point":
            server.config("save", "1 1")
            wait_until(lambda: server.info("persistence")["rdb_saves"] == "1", "the save point is reached")
        else:
            assert client(how) == (OK if how == "SAVE" else "Background saving started")
        facts = wait_saved(server)
        assert facts["rdb_last_bgsave_status"] == "ok" and facts["rdb_changes_since_last_save"] == "0"
    assert names(server) == [name]
    content = (server.directory / name).read_bytes()
    lines = (gzip.decompress(content) if name.endswith(".gz") else content).splitlines()
    assert json.loads(lines[0])["format"] == "redislite" and json.loads(lines[-1]) == {"end": True, "keys": 8}
    server.crash()
    client = server.connect()
    assert client("DEBUG", "DIGEST") == digest
    assert [consumer[b"name"] for consumer in pairs(client("XINFO", "CONSUMERS", "stream", "group"))] == [
        b"busy", b"idle",
    ]  # fmt: skip
    assert client("HPTTL", "hash", "FIELDS", 1, "f")[0] > 0
    facts = server.info("persistence")
    assert facts["rdb_last_load_keys_loaded"] == "8" and facts["rdb_changes_since_last_save"] == "0"
    assert client("DEBUG", "RELOAD") == OK and client("DEBUG", "DIGEST") == digest


def pairs(reply: list[list[Any]]) -> list[dict[bytes, Any]]:
    return [dict(zip(one[::2], one[1::2], strict=True)) for one in reply]


def test_an_earlier_version_is_loaded(start_server: ServerPool) -> None:
    server = begin(start_server, "dump.json")
    (server.directory / "dump.json").write_bytes(VERSION_1)
    server.crash()
    client = server.connect()
    assert client("GET", "greeting") == b"hello" and client("SAVE") == OK
    assert b'"version": %d' % VERSION in (server.directory / "dump.json").read_bytes()


def test_a_dump_that_is_wrong_is_told_by_line(start_server: ServerPool) -> None:
    server = begin(start_server, "dump.json")
    server.stop(signal.SIGKILL)
    path = server.directory / "dump.json"
    path.write_bytes(VERSION_1.replace(b"hello", b"hel\xfflo"))
    result = run_program(str(server.config_path), directory=server.directory)
    assert result.returncode == 1
    assert f"{path}, line 2: this is not JSON".encode() in result.stdout and b"mend it" in result.stdout


def test_clients_are_served_while_it_is_loaded(start_server: ServerPool) -> None:
    server = begin(start_server, "dump.json", rdbcompression="no")
    server.connect().pipeline(*(("SET", f"key:{number}", "x" * 1000) for number in range(2000)))
    assert server.connect()("SAVE") == OK
    server.stop(signal.SIGKILL)
    server._directives.update(key_load_delay=2000, loading_process_events_interval_bytes=1024)
    server.write_config()
    server.restart()
    client = server.connect()
    assert client("GET", "key:0") == Failure("LOADING Redis is loading the dataset in memory")
    assert client("INFO", "persistence").count(b"loading:1") == 1


def test_a_save_that_fails_leaves_the_old_file(start_server: ServerPool) -> None:
    server = begin(start_server, "dump.json")
    client = server.connect()
    fill(client)
    assert client("SAVE") == OK
    before = (server.directory / "dump.json").read_bytes()
    server.config("rdb-key-save-delay", 10_000_000)
    client("SET", "more", "x")
    assert client("BGSAVE") == "Background saving started"
    assert client("BGSAVE", "CANCEL") == "Background saving cancelled"
    wait_saved(server)
    assert names(server) == ["dump.json"] and (server.directory / "dump.json").read_bytes() == before
    # What makes JSON of it finds no folder any more.
    elsewhere = server.directory / "elsewhere"
    elsewhere.mkdir()
    server.config("dir", str(elsewhere))
    server.config("rdb-key-save-delay", 100_000)
    assert client("BGSAVE") == "Background saving started"
    elsewhere.rmdir()
    assert wait_saved(server)["rdb_last_bgsave_status"] == "err"
    assert "No such file or directory" in server.log()
    server.config("dir", str(server.directory))
    server.config("rdb-key-save-delay", 0)
    assert client("BGSAVE") == "Background saving started"
    assert wait_saved(server)["rdb_last_bgsave_status"] == "ok"
    assert b'"more"' in (server.directory / "dump.json").read_bytes()


@pytest.mark.parametrize("name", ["copy.json", "copy.json.gz", "copy.rdb"])
@pytest.mark.parametrize("how", ["SAVE", "BGSAVE"])
def test_copies(start_server: ServerPool, name: str, how: str) -> None:
    server = begin(start_server, "dump.rdb")
    client = server.connect()
    digest = fill(client)
    before = server.info("persistence")
    assert client(how, "TO", name) == (OK if how == "SAVE" else "Background saving started")
    after = wait_saved(server)
    assert names(server) == [name]
    for figure in ("rdb_changes_since_last_save", "rdb_last_save_time", "rdb_last_bgsave_status"):
        assert after[figure] == before[figure]
    assert client("FLUSHALL") == OK and client("DEBUG", "RELOAD", "FROM", name) == OK
    assert client("DEBUG", "DIGEST") == digest
    assert names(server) == [name]


def test_where_copies_go(start_server: ServerPool) -> None:
    client = begin(start_server, "dump.rdb").connect()
    client("SET", "key", "value")
    for name in ("elsewhere/copy.rdb", "../copy.json", "server.conf", "users.acl", "", "a\0b.rdb"):
        for command in (("SAVE", "TO"), ("BGSAVE", "TO"), ("DEBUG", "RELOAD", "FROM")):
            assert "whose name ends in .rdb, .json, .json.gz" in client(*command, name)
    assert "check server logs" in client("DEBUG", "RELOAD", "FROM", "missing.rdb")
    assert client("GET", "key") == b"value"
    assert client("SAVE", "copy.rdb") == Failure("ERR wrong number of arguments for 'save' command")
    assert client("SAVE", "TO") == Failure("ERR wrong number of arguments for 'save' command")
    assert client("BGSAVE", "TO") == client("BGSAVE", "TO", "a.rdb", "b") == Failure("ERR syntax error")
    client("MULTI")
    client("BGSAVE", "TO", "copy.rdb")
    assert client("EXEC") == [Failure("ERR BGSAVE TO cannot stand in a transaction")]


def test_what_a_crash_leaves_is_cleaned_up(start_server: ServerPool) -> None:
    server = begin(start_server, "dump.json")
    client = server.connect()
    server.config("rdb-key-save-delay", 10_000_000)
    fill(client)
    client.send(b"SAVE\r\n")
    wait_until(lambda: names(server), "it saves")
    server.stop(signal.SIGKILL)
    (left,) = names(server)
    kept = ["temp-1.rdb", "temp-x.rdb", f"temp-{server.pid}.txt", f"temp-{server.pid}-7.json"]
    gone = [left, f"temp-{server.pid}.rdb", f"temp-{server.pid}-7.json.gz", f"temp-rewriteaof-bg-{server.pid}.aof"]
    for name in kept + gone:
        (server.directory / name).touch()
        if name != kept[-1]:  # which is too fresh
            os.utime(server.directory / name, (0, 0))
    server.crash()
    assert names(server) == sorted(kept)
