"""Functions in a server: others served while one takes long, ending it, and what of libraries survives a restart."""

from __future__ import annotations

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, request, wait_until

NAMED = "redis.register_function"
LIBRARY = f"""#!lua name=lib
{NAMED}('forever', function() while true do end end)
{NAMED}('writes', function(keys) redis.call('SET', keys[1], 'v') while true do end end)
{NAMED}('catches', function() while true do pcall(function() while true do end end) end end)
{NAMED}('nested', function() local co = coroutine.wrap(function() while true do end end) co() end)
{NAMED}('hello', function() return 'hello' end)
"""
BUSY = Failure("BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.")
BUSY_EVAL = Failure("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")


def begin(server: ServerProcess, *words: str) -> Connection:
    """A client whose command takes for ever, once others are told so."""
    other = server.connect()
    other.send(request(*words))
    client = server.connect()
    wait_until(lambda: str(client("PING")).startswith("BUSY"), "others are told BUSY")
    return other


@pytest.fixture
def server(start_server: ServerPool) -> ServerProcess:
    server = start_server(busy_reply_threshold="10")
    assert server.connect()("FUNCTION", "LOAD", LIBRARY) == b"lib"
    return server


@pytest.mark.parametrize("function", ["forever", "catches", "nested"])
def test_a_function_that_takes_for_ever_is_ended(server: ServerProcess, function: str) -> None:
    other = begin(server, "FCALL", function, "0", "argument")
    client = server.connect()
    for words in (
        ("GET", "x"),
        ("FUNCTION", "LIST"),
        ("FCALL", "hello", 0),
        ("EVAL", "return 1", 0),
        ("SCRIPT", "KILL"),
    ):
        assert client(*words) == BUSY
    running, facts, *_ = client("FUNCTION", "STATS")
    assert running == b"running_script"
    assert facts[:4] == [b"name", function.encode(), b"command", [b"FCALL", function.encode(), b"0", b"argument"]]
    assert facts[5] >= 10
    assert client("FUNCTION", "KILL") == OK
    assert "Script killed by user with FUNCTION KILL" in other.read()
    assert client("PING") == "PONG"
    assert client("FCALL", "hello", 0) == b"hello"
    assert client("FUNCTION", "KILL") == Failure("NOTBUSY No scripts in execution right now.")
    assert "using the FUNCTION KILL command" in server.log()


def test_each_kind_is_ended_by_its_own_command(server: ServerProcess) -> None:
    other = begin(server, "EVAL", "while true do end", "0")
    client = server.connect()
    assert client("FUNCTION", "KILL") == client("FUNCTION", "STATS") == BUSY_EVAL
    assert client("SCRIPT", "KILL") == OK
    assert "Script killed by user with SCRIPT KILL" in other.read()


def test_a_function_that_has_written_is_not_ended(server: ServerProcess) -> None:
    begin(server, "FCALL", "writes", "1", "k")
    client = server.connect()
    assert str(client("FUNCTION", "KILL")).startswith("UNKILLABLE Sorry the script already executed write commands")
    client.send(b"SHUTDOWN NOSAVE\r\n")
    assert server.wait_exit() == 0


def test_who_sends_while_his_function_runs_is_answered_in_order(server: ServerProcess) -> None:
    other = begin(server, "FCALL", "forever", "0")
    other.send(b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n")
    several = [server.connect() for _ in range(5)]
    for client in several:
        assert client.pipeline(("PING",), ("GET", "x"), ("SET", "k", "x" * 70000)) == [BUSY] * 3
    assert several[0]("FUNCTION", "KILL") == OK
    assert "FUNCTION KILL" in other.read()
    assert [other.read(), other.read()] == ["PONG", b"x"]
    assert several[1].pipeline(("PING",), ("EXISTS", "k")) == ["PONG", 0]


# What survives


@pytest.mark.parametrize("how", ["rdb", "json", "aof", "aof with preamble", "rewritten", "rewritten with preamble"])
def test_libraries_survive(start_server: ServerPool, how: str) -> None:
    options = {"save": ""}
    if how == "json":
        options["dbfilename"] = "dump.json"
    if how not in ("rdb", "json"):
        options |= {"appendonly": "yes", "aof_use_rdb_preamble": "yes" if "preamble" in how else "no"}
    server = start_server(**options)
    client = server.connect()
    other = "#!lua name=other\nserver.register_function('f', function() return 'new' end)"
    client("FUNCTION", "LOAD", other.replace("new", "old"))
    client("FUNCTION", "LOAD", "#!lua name=gone\nserver.register_function('gone', function() end)")
    client("FUNCTION", "LOAD", "REPLACE", other)
    assert client("FUNCTION", "DELETE", "gone") == OK
    client("FUNCTION", "LOAD", LIBRARY)
    payload = client("FUNCTION", "DUMP")
    assert client("FUNCTION", "FLUSH") == OK
    assert client("FUNCTION", "RESTORE", payload) == OK
    client("SET", "k", "v")
    listed = client("FUNCTION", "LIST", "WITHCODE")
    if how in ("rdb", "json"):
        assert client("SAVE") == OK
    elif "rewritten" in how:
        client("BGREWRITEAOF")
        wait_until(lambda: server.info("persistence")["aof_rewrite_in_progress"] == "0", "the end of the rewrite")
        assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    server.restart()
    client = server.connect()
    facts = server.info("memory")
    assert facts["number_of_libraries"] == "2"
    assert facts["number_of_functions"] == "6"
    assert client("FUNCTION", "LIST", "WITHCODE") == listed
    assert client("FCALL", "f", 0) == b"new"
    assert server.info("memory")["number_of_functions"] == "6"
    assert client("DEBUG", "RELOAD") == OK
    assert client("FUNCTION", "LIST", "WITHCODE") == listed
    assert client("FCALL", "hello", 0) == b"hello"
    client("FLUSHALL")
    assert client("FCALL", "hello", 0) == b"hello"


def test_reloading_does_not_take_a_name_twice(start_server: ServerPool) -> None:
    server = start_server(save="")
    client = server.connect()
    client("FUNCTION", "LOAD", "#!lua name=l\nserver.register_function('f', function() return 1 end)")
    assert client("SAVE") == OK
    assert "Error trying to load the RDB dump" in client("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH")
    assert client("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == OK
    assert client("FCALL", "f", 0) == 1


def test_effects_of_functions_are_in_the_append_only_file(start_server: ServerPool) -> None:
    server = start_server(save="", appendonly="yes", appendfsync="always")
    client = server.connect()
    code = f"""#!lua name=l
        {NAMED}('f', function(keys) redis.call('SET', keys[1], math.random()) redis.call('INCR', 'n') end)
        {NAMED}('g', function(keys) redis.set_repl(redis.REPL_NONE) redis.call('SET', 'hidden', 1) end)"""
    client("FUNCTION", "LOAD", code)
    client("FCALL", "f", 1, "k")
    client("FCALL", "g", 0)
    digest = client("MGET", "k", "n")
    server.restart()
    client = server.connect()
    assert client("MGET", "k", "n", "hidden") == [*digest, None]
