"""SCRIPT DEBUG: the debugger's commands and what it tells, sessions in a process of their own and in the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, request, wait_until

SCRIPT = """local a = 1
local t = {1, 'two', {x = 1}}
redis.call('SET', KEYS[1], ARGV[1])
local function double(x)
  local y = x * 2
  return y
end
local b = double(a)
redis.debug('seen', b, t)
redis.breakpoint()
a = 2
return redis.call('GET', KEYS[1])
"""


class Debugged:
    """A connection whose script is being debugged: calling it sends a command, and answers the lines that come back."""

    def __init__(
        self, server: ServerProcess, script: str, *arguments: object, mode: str = "YES", command: str = "EVAL"
    ) -> None:
        self.connection = server.connect()
        assert self.connection("SCRIPT", "DEBUG", mode) == OK
        keys = 1 if arguments else 0
        self.connection.send(request(command, script, keys, *arguments))
        self.begin = self.lines()

    def __call__(self, *words: object) -> list[str]:
        self.connection.send(request(*words))
        return self.lines()

    def lines(self) -> list[str]:
        return [str(line) for line in self.connection.read()]

    def end(self, *words: object) -> Any:
        """Sends what ends the session, and answers what the script does; the connection is closed then."""
        lines = self(*words)
        assert lines[-1] == "<endsession>"
        reply = self.connection.read()
        assert self.connection.read_until_closed() == b""
        return reply


@pytest.fixture
def valkey(start_server: ServerPool) -> Iterator[ServerProcess]:
    yield start_server(compatibility="valkey")


def test_steps_and_stops(server: ServerProcess) -> None:
    session = Debugged(server, SCRIPT, "k", "v")
    assert session.begin == ["* Stopped at 1, stop reason = step over", "-> 1   local a = 1"]
    assert session("step") == [
        "* Stopped at 2, stop reason = step over",
        "-> 2   local t = {1, 'two', {x = 1}}",
    ]
    session("n")
    assert session("s") == [
        "<redis> SET k v",
        '<reply> "+OK"',
        "* Stopped at 7, stop reason = step over",
        "-> 7   end",
    ]
    assert session("b", 5, 6) == [
        "   4   local function double(x)",
        "  #5     local y = x * 2",
        "   6     return y",
        "  #5     local y = x * 2",
        "  #6     return y",
        "-> 7   end",
    ]
    assert session("break", -6) == ["Breakpoint removed."]
    assert session("c") == ["* Stopped at 5, stop reason = break point", "->#5     local y = x * 2"]
    assert session("trace") == [
        "In double:",
        "->#5     local y = x * 2",
        "From top level:",
        "   8   local b = double(a)",
    ]
    assert session("print") == ["<value> x = 1"]
    assert session("p", "a") == ["<value> 1"]
    assert session("continue") == [
        '<debug> line 9: "seen", 2, {1; "two"; {["x"]=1}}',
        "* Stopped at 11, stop reason = redis.breakpoint() called",
        "-> 11  a = 2",
    ]
    assert session.end("c") == b"v"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("list",), ["-> 1   local a = 1", "   2   return a"]),
        (("list", 2, 0), ["   2   return a"]),
        (("w",), ["-> 1   local a = 1", "   2   return a"]),
        (("b",), ["No breakpoints set. Use 'b <line>' to add one."]),
        (("b", 2, 2), ["-> 1   local a = 1", "  #2   return a", "Wrong line number."]),
        (("b", 99), ["Wrong line number."]),
        (("b", -1), ["No breakpoint in the specified line."]),
        (("b", "1x"), ["Invalid argument:'1x'"]),
        (("b", 0), ["All breakpoints removed."]),
        (("p",), ["No local variables in the current context."]),
        (("p", "nosuch"), ["No such variable."]),
        (("p", "KEYS"), ['<value> {"key"}']),
        (("p", "ARGV"), ['<value> {"a1"; "a2"}']),
        (("t",), ["In top level:", "-> 1   local a = 1"]),
        (("e", "1 + 1"), ["<retval> 2"]),
        (("e", "return", "{1,", "nil,", "true,", "'a\\n\\1'}"), ['<retval> {[1]=1; [3]=true; [4]="a\\n\\x01"}']),
        (("e", "error('x')"), ["<error> ldb_eval:1: x"]),
        (("e", "no code"), ["<error> ldb_eval:1: '=' expected near 'code'"]),
        (("e", "return redis.call('nosuch')"), ["<error> ERR Unknown Redis command called from script"]),
        (("r", "ping"), ["<redis> ping", '<reply> "+PONG"']),
        (("r", "mget", "x", "y"), ["<redis> mget x y", "<reply> [NULL,NULL]"]),
        (("r", "nosuch"), ["<redis> nosuch", "<error> Unknown Redis command called from script"]),
        (("m",), ["<value> replies are truncated at 256 bytes."]),
        (("m", 5), ["<value> replies are truncated at 60 bytes."]),
        (("m", 0), ["<value> replies are unlimited."]),
        (
            ("e", "('x'):rep(300)"),
            [
                '<retval> "' + "x" * 246 + " ...",
                "<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.",
            ],
        ),
        (("nosuch",), ["<error> Unknown Redis Lua debugger command or wrong number of arguments."]),
        (("r",), ["<error> Unknown Redis Lua debugger command or wrong number of arguments."]),
    ],
)
def test_commands(server: ServerProcess, words: tuple[object, ...], expected: list[str]) -> None:
    session = Debugged(server, "local a = 1\nreturn a", "key", "a1", "a2")
    assert session(*words) == expected
    session("b", 0)
    assert session.end("c") == 1


def test_replies_that_are_shown(server: ServerProcess) -> None:
    calls = ("'DEL', 'h', 'z'", "'HSET', 'h', 'f', 'v'", "'HGETALL', 'h'", "'ZADD', 'z', 1.5, 1", "'ZSCORE', 'z', 1")
    script = "redis.setresp(3)\n" + "\n".join(f"redis.call({call})" for call in calls)
    script += "\nredis.pcall('INCR', 'h')\nreturn redis.call('SMEMBERS', 'none')"
    session = Debugged(server, script)
    session("s")
    shown = [session("s")[1:-2] for _ in range(6)]
    assert shown == [
        ["<reply> 0"],
        ["<reply> 1"],
        ['<reply> {"f" => "v"}'],
        ["<reply> 1"],
        ["<reply> (double) 1.5"],
        [
            "<error> -WRONGTYPE Operation against a key holding the wrong kind of value",
            '<reply> "-WRONGTYPE Operation against a key holding the wrong kind of value"',
        ],
    ]
    assert session("s")[:2] == ["<redis> SMEMBERS none", "<reply> ~()"]


def test_valkey_s_dialect(valkey: ServerProcess) -> None:
    session = Debugged(valkey, "local t = {'a', {b = 1}}\nreturn redis.call('GET', 'k')")
    session("s")
    assert session("p", "t") == ["<value> {a; {[b]=1; }; }"]
    unknown = ["<error> Unknown debugger command or wrong number of arguments."]
    assert session("p", "t", "t") == unknown
    assert session("m") == unknown
    assert session("max") == ["Current maxlen is 256"]
    assert session("maxlen", "x") == ["<error> Invalid maxlen value."]
    for word in ("v", "valkey", "server"):
        assert session(word, "ping") == ["<command> ping", '<reply> "+PONG"']
    assert session("s")[:2] == ["<command> GET k", "<reply> NULL"]


def test_what_a_forked_session_changes_goes_with_it(server: ServerProcess, client: Connection) -> None:
    session = Debugged(server, SCRIPT, "k", "v")
    for _ in range(3):
        session("s")
    assert session("r", "get", "k")[1] == '<reply> "v"'
    # The server serves others meanwhile, and they see nothing of it.
    assert client("GET", "k") is None
    client("SET", "k", "theirs")
    assert session("r", "get", "k")[1] == '<reply> "v"'
    session("c")
    assert session.end("c") == b"v"
    assert client("GET", "k") == b"theirs"


def test_a_synchronous_session_changes_the_server_s_data(server: ServerProcess, client: Connection) -> None:
    session = Debugged(server, SCRIPT, "k", "v", mode="SYNC")
    for _ in range(3):
        session("s")
    client.send(request("GET", "k"))
    assert client.is_silent()
    assert session.end("abort").startswith("ERR script aborted for user request script: ")
    assert client.read() == b"v"


def test_a_client_that_goes_away_has_the_script_run_on(server: ServerProcess, client: Connection) -> None:
    session = Debugged(server, "local a = 1\nredis.call('SET', KEYS[1], 'all the same')\nreturn 1", "k", mode="SYNC")
    session.connection.close()
    wait_until(lambda: client("GET", "k") == b"all the same", "the script has run to its end")


def test_sessions_side_by_side(server: ServerProcess) -> None:
    sessions = [Debugged(server, f"local a = {number}\nreturn a") for number in range(4)]
    assert [session("s")[-1] for session in sessions] == ["-> 2   return a"] * 4
    assert [session.end("c") for session in reversed(sessions)] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("syntax error", "ERR Error compiling script (new function): user_script:1: '=' expected near 'error'"),
        ("#!lua flags=nosuch\nreturn 1", "ERR Unexpected flag in script shebang: nosuch"),
    ],
)
def test_what_does_not_begin_ends_at_once(server: ServerProcess, script: str, text: str) -> None:
    session = Debugged(server, script)
    assert session.begin == ["<endsession>"]
    assert session.connection.read() == Failure(text)


def test_errors_of_scripts(server: ServerProcess) -> None:
    session = Debugged(server, "local a = 1\nerror('boom')")
    assert session.end("c").startswith("ERR user_script:2: boom script: ")
    session = Debugged(server, "while true do pcall(function() while true do end end) end")
    # Whatever catches the error: each line ends in it.
    assert session.end("a").startswith("ERR script aborted for user request script: ")


@pytest.mark.parametrize(
    "data", [b"c\r\n", b"*0\r\n", b"*1\r\n$-1\r\n", b"*1025\r\n", b"*1\r\n$1025\r\n", b"*1\n$1\nc\n"]
)
def test_what_is_no_command_ends_the_session(server: ServerProcess, data: bytes) -> None:
    session = Debugged(server, "local a = 1\nreturn 1")
    session.connection.send(data)
    assert session.lines() == ["<endsession>"]
    assert str(session.connection.read()).startswith("ERR protocol error script: ")


def test_commands_in_pieces_and_together(server: ServerProcess) -> None:
    session = Debugged(server, "local a = 1\nreturn 1")
    data = request("list") + request("w") + request("p", "KEYS")
    for place in range(0, len(data), 7):
        session.connection.send(data[place : place + 7])
    assert [len(session.lines()) for _ in range(3)] == [2, 2, 1]


def test_an_endless_loop_is_told(server: ServerProcess) -> None:
    server.config("busy-reply-threshold", 20)
    session = Debugged(server, "while true do end")
    assert session("c") == ["* Stopped at 1, stop reason = timeout reached, infinite loop?", "-> 1   while true do end"]
    session.connection.close()


def test_modes(client: Connection) -> None:
    assert client("SCRIPT", "DEBUG", "maybe") == Failure("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    assert client("SCRIPT", "DEBUG", "yes") == OK
    assert client("EVALSHA", "0" * 40, 0) == Failure("ERR Please use EVAL instead of EVALSHA for debugging")
    assert client("SCRIPT", "DEBUG", "no") == OK
    assert client("EVAL", "return 1", 0) == 1
    pipeline = Failure("ERR SCRIPT DEBUG must be called outside a pipeline")
    assert client.pipeline(("PING",), ("SCRIPT", "DEBUG", "YES"))[1] == pipeline
    assert client("EVAL", "return {redis.breakpoint(), select('#', redis.debug(1))}", 0) == [None, 0]


def test_in_a_transaction(client: Connection) -> None:
    assert client("SCRIPT", "DEBUG", "YES") == OK
    assert client.pipeline(("MULTI",), ("EVAL", "return 7", 0)) == [OK, "QUEUED"]
    client.send(request("EXEC"))
    assert client.read()[0] == "* Stopped at 1, stop reason = step over"
    assert client("c") == ["<endsession>"]
    assert client.read() == [7]
    assert client.read_until_closed() == b""


def test_functions_are_not_debugged(client: Connection) -> None:
    code = "#!lua name=debugged\nredis.register_function('debugged', function() return 5 end)"
    assert client("FUNCTION", "LOAD", "REPLACE", code) == b"debugged"
    assert client("SCRIPT", "DEBUG", "YES") == OK
    assert client("FCALL", "debugged", 0) == 5
    client("FUNCTION", "DELETE", "debugged")


def test_python_s_commands_are_called(server: ServerProcess) -> None:
    session = Debugged(server, "return redis.call('PUBLISH', 'channel', 'x')")
    assert session("s")[:2] == ["<redis> PUBLISH channel x", "<reply> 0"]


def test_nothing_is_left_of_them(start_server: ServerPool) -> None:
    server = start_server()
    ended, going = Debugged(server, "return 1"), Debugged(server, "return 2")
    assert ended.end("c") == 1

    def children() -> list[str]:
        path = f"/proc/{server.pid}/task/{server.pid}/children"
        with open(path) as file:
            return file.read().split()

    if not os.path.exists(f"/proc/{server.pid}/task/{server.pid}/children"):
        pytest.skip("the system does not tell a process's children")
    wait_until(lambda: len(children()) == 1, "the one that has ended is taken leave of")
    server.connect().send(request("SHUTDOWN", "NOSAVE"))
    assert going.connection.read_until_closed() == b""
    assert server.wait_exit() == 0
