"""Scripts at a server: others while one takes long, its end, users, what is propagated, figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, request, wait_until

ENDLESS = "while true do end"
BUSY = Failure("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")


@pytest.fixture
def busy(server: ServerProcess) -> Iterator[Connection]:
    """A connection whose next script is slow after 10 ms; ended, if it runs, when the test does."""
    server.config("busy-reply-threshold", 10)
    runner = server.connect()
    yield runner
    server.control("SCRIPT", "KILL")
    wait_until(lambda: server.control("PING") == "PONG", "no script runs")


def begin(server: ServerProcess, runner: Connection, script: str, *arguments: object) -> None:
    """Starts a script, and returns once others are told that it is slow."""
    runner.send(request("EVAL", script, len(arguments), *arguments))
    wait_until(lambda: server.control("PING") == BUSY, "the script is slow")


def test_others_are_told_and_may_end_it(server: ServerProcess, client: Connection, busy: Connection) -> None:
    begin(server, busy, ENDLESS)
    assert client("GET", "k") == BUSY
    assert client("SCRIPT", "KILL") == OK
    reply = busy.read()
    assert isinstance(reply, Failure)
    assert "Script killed by user with SCRIPT KILL" in reply
    assert client("GET", "k") is None
    assert client("SCRIPT", "KILL") == Failure("NOTBUSY No scripts in execution right now.")


@pytest.mark.parametrize(
    "script",
    [
        "while true do pcall(function() while true do end end) end",
        "local function f() return pcall(f) end while true do f() end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do redis.pcall('GET', 'k') end",
    ],
)
def test_nothing_that_catches_errors_goes_on(
    server: ServerProcess, client: Connection, busy: Connection, script: str
) -> None:
    begin(server, busy, script)
    assert client("SCRIPT", "KILL") == OK
    assert "SCRIPT KILL" in busy.read()


def test_one_that_has_written_is_not_ended(server: ServerProcess, client: Connection, busy: Connection) -> None:
    begin(server, busy, "redis.call('SET', KEYS[1], 1) local n = 0 while n < 3e7 do n = n + 1 end return n", "k")
    assert client("SCRIPT", "KILL").startswith("UNKILLABLE Sorry the script already executed write commands")
    assert busy.read() == 30_000_000
    assert client("GET", "k") == b"1"


def test_a_client_that_goes_away_leaves_its_script(server: ServerProcess, client: Connection, busy: Connection) -> None:
    begin(server, busy, ENDLESS)
    busy.close()
    assert client("PING") == BUSY
    assert client("SCRIPT", "KILL") == OK
    wait_until(lambda: client("PING") == "PONG", "the script has ended")


def test_nothing_expires_while_it_runs(server: ServerProcess, client: Connection, busy: Connection) -> None:
    client("SET", "k", "v", "PX", 30)
    script = """local before = redis.call('EXISTS', KEYS[1])
        local n = 0
        while n < 2e7 do n = n + 1 end
        return {before, redis.call('EXISTS', KEYS[1])}"""
    begin(server, busy, script, "k")
    assert busy.read() == [1, 1]
    wait_until(lambda: client("EXISTS", "k") == 0, "its time is up")


def test_the_server_can_be_ended_meanwhile(start_server: ServerPool) -> None:
    server = start_server(busy_reply_threshold=10)
    runner, other = server.connect(), server.connect()
    runner.send(request("EVAL", ENDLESS, 0))
    wait_until(lambda: other("PING") == BUSY, "the script is slow")
    other.send(request("SHUTDOWN", "NOSAVE"))
    assert server.wait_exit() == 0


def test_users(server: ServerProcess, client: Connection) -> None:
    client("ACL", "SETUSER", "alice", "reset", "on", "nopass", "~a*", "+eval", "+get", "+acl|whoami")
    try:
        alice = server.connect()
        assert alice("AUTH", "alice", "") == OK
        assert alice("EVAL", "return redis.call('GET', 'a')", 0) is None
        for script, text in (
            ("return redis.pcall('GET', 'b')", "No permissions to access a key"),
            ("return redis.pcall('SET', 'a', 1)", "has no permissions to run the 'set' command"),
        ):
            reply = alice("EVAL", script, 0)
            assert reply.startswith("ERR ACL failure in script: ")
            assert text in reply
        assert alice("EVAL", "return {redis.acl_check_cmd('GET', 'a'), redis.acl_check_cmd('GET', 'b')}", 0) == [
            1,
            None,
        ]
        assert alice("EVAL", "return 1", 1, "b").startswith("NOPERM")
    finally:
        client("ACL", "DELUSER", "alice")


def test_what_it_writes_is_one_unit(start_server: ServerPool, tmp_path: Path) -> None:
    server = start_server(appendonly="yes", appendfsync="always", aof_use_rdb_preamble="no")
    client = server.connect()
    script = """redis.call('SET', KEYS[1], ARGV[1]) redis.call('SPOP', KEYS[2])
        redis.set_repl(redis.REPL_NONE) redis.call('SET', 'unheard', 1)
        redis.set_repl(redis.REPL_ALL) redis.call('INCRBYFLOAT', KEYS[3], 1.5)"""
    client("SADD", "s", "only")
    assert client("EVAL", script, 3, "k", "s", "f", "v") is None
    assert client("EVAL", "return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    log = next(server.directory.glob("appendonlydir/*.incr.aof")).read_bytes()
    words = [line for line in log.split(b"\r\n") if line and line[:1] not in b"*$"]
    assert words[-12:] == b"MULTI SET k v SREM s only SET f 1.5 KEEPTTL EXEC".split()
    assert b"EVAL" not in log
    assert b"unheard" not in log
    server.crash()
    assert server.control("GET", "f") == b"1.5"


def test_figures(server: ServerProcess, client: Connection) -> None:
    client("SCRIPT", "FLUSH")
    client("EVAL", "return 1", 0)
    client("SCRIPT", "LOAD", "return 2")
    memory = server.info("memory")
    assert memory["number_of_cached_scripts"] == "2"
    assert int(memory["used_memory_vm_eval"]) > 10_000
    assert int(memory["used_memory_scripts_eval"]) > 0
    client("CONFIG", "RESETSTAT")
    client("SET", "k", 1)
    client("EVAL", "redis.call('INCR', KEYS[1]) return redis.pcall('LPUSH', KEYS[1], 1)", 1, "k")
    statistics = server.info("commandstats")
    assert statistics["cmdstat_incr"].startswith("calls=1,")
    assert "failed_calls=1" in statistics["cmdstat_lpush"]
