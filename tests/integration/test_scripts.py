"""Scripts at a server: others while one takes long, its end, users, what is propagated, figures."""

from __future__ import annotations

import hashlib
import re
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


READS = "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])"
LIBRARY = """#!lua name=paused
redis.register_function{function_name='reads', callback=function(keys) return redis.call('GET', keys[1]) end,
                        flags={'no-writes'}}
redis.register_function('may_write', function() return 1 end)"""


@pytest.fixture
def paused(server: ServerProcess) -> Iterator[Connection]:
    """A connection of a server whose writes are paused."""
    connection = server.connect()
    connection("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    server.control("SET", "k", "v")
    connection("SCRIPT", "LOAD", READS)
    server.control("CLIENT", "PAUSE", 100_000, "WRITE")
    yield connection
    server.control("CLIENT", "UNPAUSE")
    server.control("FUNCTION", "DELETE", "paused")


def test_what_only_reads_does_not_wait_for_the_end_of_a_pause(paused: Connection) -> None:
    digest = hashlib.sha1(READS.encode()).hexdigest()
    assert paused("EVAL", READS, 1, "k") == b"v"
    assert paused("EVALSHA", digest, 1, "k") == b"v"
    assert paused("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    assert paused("FCALL", "reads", 1, "k") == b"v"
    assert paused("FCALL_RO", "reads", 1, "k") == b"v"
    commands = (("MULTI",), ("EVAL", READS, 1, "k"), ("FCALL", "reads", 1, "k"), ("EXEC",))
    assert paused.pipeline(*commands) == [OK, "QUEUED", "QUEUED", [b"v", b"v"]]


@pytest.mark.parametrize(
    "commands",
    [
        (("EVAL", "return 1", 0),),
        (("EVAL", "#!lua flags=allow-oom\nreturn 1", 0),),
        (("FCALL", "may_write", 0),),
        (("MULTI",), ("EVAL", "return 1", 0), ("EXEC",)),
        (("MULTI",), ("FCALL", "may_write", 0), ("EXEC",)),
    ],
)
def test_what_may_write_waits(
    server: ServerProcess, paused: Connection, commands: tuple[tuple[object, ...], ...]
) -> None:
    paused.send(b"".join(request(*words) for words in commands))
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "it waits")
    server.control("CLIENT", "UNPAUSE")
    assert [paused.read() for _ in commands][-1] in (1, [1])


def test_what_only_reads_calls_nothing_that_leads_to_a_write(client: Connection) -> None:
    for call in ("'PUBLISH', 'c', 'x'", "'PFCOUNT', 'k'", "'SET', 'k', 'v'"):
        reply = client("EVAL", f"#!lua flags=no-writes\nreturn redis.call({call})", 0)
        assert reply.startswith("ERR Write commands are not allowed from read-only scripts.")


@pytest.mark.parametrize("directive", ["lua_enable_deprecated_api", "lua_enable_insecure_api"])
def test_withdrawn_functions(start_server: ServerPool, directive: str) -> None:
    client = start_server(**{directive: "yes"}).connect()
    script = "local f = function() return x end setfenv(f, {x = 5}) return {f(), getfenv(f).x, type(newproxy(true))}"
    assert client("EVAL", script, 0) == [5, 5, b"userdata"]
    assert client("EVAL", "setfenv(1, {x = 6}) return x", 0) == 6
    # What all scripts share stays as it is.
    assert "readonly table" in client("EVAL", "setfenv(0, {})", 0)
    assert "readonly table" in client("EVAL", "getfenv(0).x = 1", 0)
    assert "readonly table" in client("EVAL", "getfenv(tostring).x = 1", 0)
    assert "cannot change environment" in client("EVAL", "setfenv(tostring, {})", 0)


def test_a_script_in_c_code_can_be_ended(server: ServerProcess, client: Connection, busy: Connection) -> None:
    for script in (
        "return string.find(string.rep('a', 3000), string.rep('a-', 60) .. 'b')",
        "local t = {} table.insert(t, -2000000000, 1)",
        "return string.match(string.rep('a', 100000), '.-.-.-b')",
    ):
        begin(server, busy, script)
        assert client("SCRIPT", "KILL") == OK
        assert "SCRIPT KILL" in busy.read()


def test_memory_of_a_script_has_an_end(start_server: ServerPool) -> None:
    server = start_server(maxmemory="100mb")
    client = server.connect()
    for script in (
        "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
        "return #string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[2^30] = 1})",
    ):
        reply = client("EVAL", script, 0)
        assert isinstance(reply, Failure)
        assert "not enough memory" in reply or "OOM" in reply
        assert int(server.info("memory")["used_memory_vm_total"]) < 60 << 20
    assert client("EVAL", "return 1", 0) == 1


def test_functions_are_counted_after_a_restart(start_server: ServerPool) -> None:
    server = start_server(appendonly="yes")
    client = server.connect()
    assert client("FUNCTION", "LOAD", LIBRARY) == b"paused"
    server.crash()
    assert server.info("memory")["number_of_functions"] == "2"
    assert server.info("memory")["number_of_libraries"] == "1"


def test_valkey_s_figures_of_engines(start_server: ServerPool) -> None:
    server = start_server(compatibility="valkey")
    client = server.connect()
    client("EVAL", "return 1", 0)
    assert "Scripting Engines" not in client("INFO").decode()
    figures = server.info("scriptingengines")
    assert figures["engines_count"] == "1"
    assert figures["engine_0"].startswith("name=LUA,module=lua,")
    assert int(figures["engines_total_used_memory"]) > 10_000


VALKEY_ERRORS = [
    ("redis.call('nosuch')", "ERR Unknown command called from script script: on @user_script:1."),
    ("redis.call('get')", "ERR Wrong number of args calling command from script script: on @user_script:1."),
    ("redis.call('subscribe', 'x')", "ERR This Valkey command is not allowed from script script: on @user_script:1."),
    ("redis.call('config', 'nosuch')", "ERR unknown subcommand 'nosuch'. Try CONFIG HELP. script: on @user_script:1."),
    ("redis.call({})", "ERR Command arguments must be strings or integers script: on @user_script:1."),
    ("redis.setresp()", "ERR server.setresp() requires one argument. script: on @user_script:1."),
    ("error('x')", "ERR user_script:1: x script: on @user_script:1."),
    ("error({err = 'MINE x'})", "MINE x script: on @user_script:1."),
]


def test_errors_as_valkey_tells_them(start_server: ServerPool) -> None:
    client = start_server(compatibility="valkey").connect()
    for script, text in VALKEY_ERRORS:
        assert client("EVAL", script, 0) == Failure(text)
    names = "{redis.SERVER_NAME, redis.VALKEY_VERSION, server.VALKEY_VERSION_NUM > 0x90000, redis.REDIS_VERSION}"
    assert client("EVAL", f"return {names}", 0) == [b"valkey", b"9.1.2", 1, b"7.2.4"]
    reply = client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('a b', function() end)")
    assert reply.startswith("ERR Function names can only contain letters")
    assert client("EVAL", "#!LUA\nreturn 1", 0) == 1
    assert client("EVAL", "#!perl\nreturn 1", 0) == Failure("ERR Could not find scripting engine 'perl'")


def test_whom_a_slow_script_wakes_is_served_behind_it(
    server: ServerProcess, client: Connection, busy: Connection
) -> None:
    waiter = server.connect()
    waiter.send(request("BLPOP", "list", 0))
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "it waits")
    script = """redis.call('LPUSH', KEYS[1], 'a')
        local n = 0 while n < 3e7 do n = n + 1 end
        redis.call('LPUSH', KEYS[1], 'b')"""
    begin(server, busy, script, "list")
    assert client("PING") == BUSY
    assert busy.read() is None
    assert waiter.read() == [b"list", b"b"]


def test_a_key_is_there_until_it_is_removed(server: ServerProcess, client: Connection) -> None:
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        client("SET", "k", "v", "PX", 1)
        begun = client("TIME")
        wait_until(lambda: client("TIME")[0] > begun[0] or int(client("TIME")[1]) > int(begun[1]) + 3000, "it is later")
        assert client("DEBUG", "OBJECT", "k").startswith("Value at:")
        assert client("EVAL", "return redis.call('EXISTS', KEYS[1])", 1, "k") == 0
        assert client("DEBUG", "OBJECT", "k") == Failure("ERR no such key")
    finally:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_attributes_of_replies_are_passed_by(server: ServerProcess, client: Connection) -> None:
    client("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1)
    try:
        script = "redis.setresp(3) return redis.call('DEBUG', 'PROTOCOL', 'attrib')"
        assert client("EVAL", script, 0) == b"Some real reply following the attribute"
    finally:
        client("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 0)
    assert client("EVAL", "return redis.call('DEBUG', 'JMAP')", 0).startswith("ERR This Redis command is not allowed")


def test_a_set_in_no_order_is_sorted_for_scripts(client: Connection) -> None:
    client("SADD", "members", "d", "b", "aa", "c", "a")
    script = "return redis.call('SORT', KEYS[1], 'BY', 'nothing')"
    assert client("EVAL", script, 1, "members") == [b"a", b"aa", b"b", b"c", b"d"]


@pytest.mark.parametrize(
    ("script", "errors", "failed", "command"),
    [
        ("return redis.call('GET')", 1, 1, "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"),
        ("redis.pcall('GET')", 1, 0, "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"),
        ("return redis.pcall('nosuch')", 1, 1, None),
        ("return redis.call('GET', 'list')", 1, 1, "rejected_calls=0,failed_calls=1"),
        ("return redis.pcall('GET', 'list')", 1, 1, "rejected_calls=0,failed_calls=1"),
        ("redis.pcall('GET', 'list')", 1, 0, "rejected_calls=0,failed_calls=1"),
        ("return {err = 'MINE x'}", 1, 1, None),
        ("error('x')", 1, 1, None),
        ("return {{err = 'A x'}, {err = 'B x'}}", 2, 1, None),
    ],
)
def test_each_error_counts_once(
    server: ServerProcess, client: Connection, script: str, errors: int, failed: int, command: str | None
) -> None:
    client("RPUSH", "list", "a")
    client("CONFIG", "RESETSTAT")
    client("EVAL", script, 0)
    statistics = server.info("everything")
    assert statistics["total_error_replies"] == str(errors)
    assert statistics["cmdstat_eval"].endswith(f"rejected_calls=0,failed_calls={failed}")
    if command:
        assert statistics["cmdstat_get"].endswith(command)


def test_monitors_see_a_script_before_what_it_calls(server: ServerProcess, client: Connection) -> None:
    monitor = server.connect()
    assert monitor("MONITOR") == OK
    client("EVAL", "redis.call('SET', KEYS[1], 1)", 1, "k")
    assert ' "EVAL" "redis.call(' in monitor.read()
    assert ' lua] "SET" "k" "1"' in monitor.read()
    client("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    client("FCALL", "reads", 1, "k")
    assert ' "FUNCTION" "LOAD"' in monitor.read()
    assert ' "FCALL" "reads" "1" "k"' in monitor.read()
    assert ' lua] "GET" "k"' in monitor.read()
    client("FUNCTION", "DELETE", "paused")


@pytest.mark.parametrize("profile", ["redis", "valkey"])
def test_kinds_of_errors_have_a_limit(start_server: ServerPool, profile: str) -> None:
    server = start_server(compatibility=profile)
    client = server.connect()
    for number in range(200):
        client("EVAL", "return {err = ARGV[1]}", 0, f"E{number} made up")
    client("SET", "k", "v", "nosuch")
    statistics = server.info("errorstats")
    if profile == "redis":
        assert statistics == {"errorstat_ERRORSTATS_DISABLED": "count=1"}
        assert "Errorstats stopped adding new errors" in server.log(20000)
    else:
        assert statistics["errorstat_ERRORSTATS_OVERFLOW"] == "count=72"
        assert statistics["errorstat_ERR"] == "count=1"
        assert len(statistics) == 130
    assert server.info("stats")["total_error_replies"] == "201"
    client("CONFIG", "RESETSTAT")
    client("SET", "k", "v", "nosuch")
    assert server.info("errorstats") == {"errorstat_ERR": "count=1"}


@pytest.mark.parametrize("profile", ["redis", "valkey"])
def test_the_slow_log_tells_whose_script_it_was(start_server: ServerPool, profile: str) -> None:
    client = start_server(compatibility=profile, slowlog_log_slower_than=0).connect()
    client("CLIENT", "SETNAME", "worker")
    client("EVAL", "redis.call('PING')", 0)
    script, call = client("SLOWLOG", "GET", 2)
    assert script[3][0] == b"EVAL"
    assert call[3] == [b"PING"]
    assert call[4:] == (script[4:] if profile == "valkey" else [b"", b""])


def test_commands_of_a_script_are_its_clients(start_server: ServerPool) -> None:
    client = start_server(compatibility="valkey").connect()

    def commands() -> int:
        found = re.search(r"tot-cmds=(\d+)", str(client("CLIENT", "INFO")))
        assert found
        return int(found[1])

    before = commands()
    client("EVAL", "redis.call('PING') redis.pcall('PING') redis.pcall('nosuch')", 0)
    assert commands() - before == 4
