"""Files in Python that a server loads, at its start or by MODULE: what they add, what takes long, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, request, run_program, wait_until

COMMANDS = '''
import os, time
import redislite

VERSION = 7
words = []

def on_load(arguments):
    words.extend(arguments)

@redislite.command("words", 1, "readonly")
def tell(db):
    """Tells what the file was given."""
    return words

@redislite.command("put", 3, "write denyoom", keys="OW UPDATE @ 1", group="string")
def put(db, key, value):
    db.call("SET", key, value)
    return db.call("INCR", "puts")

@redislite.command("peek", 2, "readonly fast", keys="RO ACCESS @ 1", group="string")
def peek(db, key):
    return [db.user, db.call("GET", key)]

@redislite.command("peek.other", 2, "readonly")
def other(db, key):
    return db.call("GET", "secret")

@redislite.command("forever", -1, "write")
def forever(db, *keys):
    for key in keys:
        db.call("SET", key, 1)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

@redislite.command("spin", 1, "readonly")
def spin(db):
    while True:
        pass

@redislite.command("leave", 2)
def leave(db, how):
    if how == b"exit":
        raise SystemExit(1)
    if how == b"keyboard":
        raise KeyboardInterrupt
    if how == b"memory":
        raise MemoryError
    return [b"x" * (1 << 60)]

@redislite.on("expired", pattern="session:*")
def over(db, event, key):
    db.call("RPUSH", "over", key)

@redislite.on("set", pattern="slow:*")
def slow(db, event, key):
    while True:
        pass
'''
BUSY = Failure("BUSY Redis is busy running a command in Python. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(COMMANDS)
    return path


@pytest.fixture
def server(start_server: ServerPool, file: Path) -> ServerProcess:
    return start_server(loadmodule=f"{file} a b", busy_reply_threshold="10", enable_module_command="yes")


def pairs(reply: list[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


class TestStanding:
    def test_it_is_a_command_like_others(self, server: ServerProcess, file: Path) -> None:
        client = server.connect()
        assert client("WORDS") == [b"a", b"b"]
        assert client("PUT", "k", "v") == 1
        assert client("PEEK", "k") == [b"default", b"v"]
        assert client("PUT", "k") == Failure("ERR wrong number of arguments for 'put' command")
        [facts] = client("COMMAND", "INFO", "put")
        assert facts[:2] == [b"put", 3]
        assert facts[3:6] == [1, 1, 1]
        assert set(facts[6]) == {"@write", "@string", "@slow"}
        assert set(facts[2]) == {"write", "denyoom", "module"}
        assert pairs(client("COMMAND", "DOCS", "words")[1])[b"summary"] == b"Tells what the file was given."
        assert client("COMMAND", "GETKEYS", "PUT", "k", "v") == [b"k"]
        assert b"put" in client("ACL", "CAT", "string")
        assert [pairs(entry) for entry in client("MODULE", "LIST")] == [
            {b"name": b"mine", b"ver": 7, b"path": str(file).encode(), b"args": [b"a", b"b"]}
        ]

    def test_rights(self, server: ServerProcess) -> None:
        client = server.connect()
        client("SET", "secret", "s")
        assert (
            client("ACL", "SETUSER", "bob", "on", "nopass", "~own:*", "+peek", "+peek.other", "+get", "+@string") == OK
        )
        bob = server.connect()
        assert bob("AUTH", "bob", "") == OK
        assert bob("PEEK", "own:1") == [b"bob", None]
        assert bob("PEEK", "secret").startswith("NOPERM No permissions to access a key")
        assert bob("PEEK.OTHER", "x") == Failure("ERR ACL failure in script: No permissions to access a key")
        assert bob("WORDS").startswith("NOPERM User bob has no permissions to run the 'words' command")
        assert bob("PUT", "own:1", "v") == Failure("ERR ACL failure in script: No permissions to access a key")
        assert bob("GET", "own:1") == b"v", "what was done before stays"

    def test_who_watches_and_who_tracks(self, server: ServerProcess) -> None:
        client, other = server.connect(), server.connect(protocol=3)
        client("WATCH", "k")
        assert other("CLIENT", "TRACKING", "ON") == OK
        assert other("PEEK", "k") == [b"default", None]
        server.connect()("PUT", "k", "v")
        assert other.read() == [b"invalidate", [b"k"]]
        client("MULTI")
        client("PING")
        assert client("EXEC") is None

    def test_hooks(self, server: ServerProcess) -> None:
        client = server.connect()
        client("SET", "session:1", "x", "PX", "1")
        assert client("BLPOP", "over", "10") == [b"over", b"session:1"]

    def test_what_is_raised(self, server: ServerProcess) -> None:
        client = server.connect()
        assert client("LEAVE", "exit") == Failure("ERR leave raised SystemExit: 1")
        assert client("LEAVE", "keyboard") == Failure("ERR leave raised KeyboardInterrupt")
        assert client("LEAVE", "memory") == Failure("OOM out of memory in leave")
        assert client("LEAVE", "really") == Failure("OOM out of memory in leave")
        assert client("PING") == "PONG"
        assert "SystemExit: 1" in server.log()


class TestTakingLong:
    def begin(self, server: ServerProcess, *words: str) -> Connection:
        other = server.connect()
        other.send(request(*words))
        client = server.connect()
        wait_until(lambda: client("PING") == BUSY, "others are told BUSY")
        return other

    def test_it_is_ended(self, server: ServerProcess) -> None:
        other = self.begin(server, "FOREVER")
        client = server.connect()
        assert client("GET", "k") == BUSY
        assert client("FUNCTION", "KILL") == BUSY
        assert client("SCRIPT", "KILL") == OK
        assert other.read() == Failure("ERR Script killed by user with SCRIPT KILL. script: forever")
        assert client("PUT", "k", "v") == 1

    def test_not_once_it_has_written(self, server: ServerProcess) -> None:
        self.begin(server, "FOREVER", "k")
        client = server.connect()
        assert client("SCRIPT", "KILL").startswith("UNKILLABLE")
        client.send(request("SHUTDOWN", "NOSAVE"))
        server.wait_exit()

    def test_within_lua(self, server: ServerProcess) -> None:
        other = server.connect()
        other.send(request("EVAL", "while true do redis.pcall('SPIN') end", "0"))
        client = server.connect()
        wait_until(
            lambda: str(client("PING")).startswith("BUSY Redis is busy running a script"), "others are told BUSY"
        )
        assert client("SCRIPT", "KILL") == OK
        assert "Script killed by user with SCRIPT KILL" in other.read()
        assert client("PING") == "PONG"

    def test_hooks_are_ended_too(self, server: ServerProcess) -> None:
        other = server.connect()
        other.send(request("SET", "slow:1", "v"))
        client = server.connect()
        wait_until(lambda: client("PING") == BUSY, "others are told BUSY")
        assert client("SCRIPT", "KILL") == OK
        assert other.read() == OK
        assert "A hook has been ended" in server.log()

    def test_functions(self, start_server: ServerPool) -> None:
        server = start_server(enable_python_functions="yes", busy_reply_threshold="10")
        client = server.connect()
        code = "#!python name=lib\nimport redislite\n@redislite.function()\ndef f(db, *_):\n while True: pass\n"
        assert client("FUNCTION", "LOAD", code) == b"lib"
        other = server.connect()
        other.send(request("FCALL", "f", "0"))
        wait_until(lambda: str(client("PING")).startswith("BUSY"), "others are told BUSY")
        assert client("FUNCTION", "STATS")[1][:2] == [b"name", b"f"]
        assert client("SCRIPT", "KILL").startswith("BUSY")
        assert client("FUNCTION", "KILL") == OK
        assert other.read() == Failure("ERR Script killed by user with FUNCTION KILL. script: f")
        code = "#!python name=other\nwhile True: pass\n"
        assert client("FUNCTION", "LOAD", code) == Failure("ERR FUNCTION LOAD timeout")


class TestFunctions:
    def test_they_are_off(self, start_server: ServerPool) -> None:
        client = start_server().connect()
        error = client("FUNCTION", "LOAD", "#!python name=lib\n")
        assert "enable-python-functions is yes" in error
        assert b"PYTHON" not in client("FUNCTION", "STATS")[3]
        assert client("CONFIG", "SET", "enable-python-functions", "yes").startswith("ERR")

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            ("import redislite\n@redislite.function(", "Error compiling function"),
            ("raise ValueError('x')", "Error registering functions: ValueError: x"),
            ("raise SystemExit(1)", "Error registering functions: SystemExit"),
            ("x = 1", "No functions registered"),
            ("import redislite\n@redislite.function('a b')\ndef f(*a): pass", "Function names can only contain"),
            ("import redislite\n@redislite.function('a', flags=['x'])\ndef f(*a): pass", "unknown flag given"),
            (
                "import redislite\n" + "@redislite.function('a')\ndef f(*_): pass\n" * 2,
                "already exists in the library",
            ),
        ],
    )
    def test_what_cannot_be_loaded(self, start_server: ServerPool, code: str, text: str) -> None:
        client = start_server(enable_python_functions="yes").connect()
        assert text in client("FUNCTION", "LOAD", f"#!python name=lib\n{code}\n")
        assert client("FUNCTION", "LIST") == []
        assert client("PING") == "PONG"

    @pytest.mark.parametrize("append_only", ["yes", "no"])
    def test_they_are_kept(self, start_server: ServerPool, append_only: str) -> None:
        server = start_server(enable_python_functions="yes", appendonly=append_only)
        client = server.connect()
        code = (
            "#!python name=lib\nimport redislite\n@redislite.function()\ndef f(db, *_): return db.call('INCR', 'n')\n"
        )
        assert client("FUNCTION", "LOAD", code) == b"lib"
        assert client("FCALL", "f", 0) == 1
        if append_only == "no":
            assert client("SAVE") == OK
        server.restart()
        client = server.connect()
        assert client("FCALL", "f", 0) == 2
        assert pairs(client("FUNCTION", "LIST")[0])[b"engine"] == b"PYTHON"


def test_the_append_only_file_has_what_was_done(start_server: ServerPool, file: Path) -> None:
    server = start_server(loadmodule=str(file), appendonly="yes", appendfsync="always")
    client = server.connect()
    client("PUT", "k", "v")
    client("SET", "session:1", "x", "PX", "1")
    assert client("BLPOP", "over", "10") == [b"over", b"session:1"]
    client("RPUSH", "over", "other")
    server.restart()
    client = server.connect()
    assert client("MGET", "k", "puts") == [b"v", b"1"]
    assert client("LRANGE", "over", "0", "-1") == [b"other"]


class TestModule:
    def test_load_and_unload(self, start_server: ServerPool, file: Path) -> None:
        client = start_server(enable_module_command="yes").connect()
        assert client("PUT", "k", "v").startswith("ERR unknown command 'PUT'")
        client("ACL", "SETUSER", "bob", "on", "nopass", "allkeys", "+@string")
        for _ in range(3):
            client.send(request("MODULE", "LOAD", str(file), "x") + request("WORDS"))
            assert [client.read(), client.read()] == [OK, [b"x"]]
            assert client("MODULE", "LOAD", str(file)).endswith("a module named 'mine' is loaded already")
            assert client("ACL", "DRYRUN", "bob", "PUT", "k", "v") == OK
            client.send(request("MODULE", "UNLOAD", "mine") + request("WORDS"))
            assert [client.read(), client.read().split(":")[0]] == [OK, "ERR unknown command"]
            assert client("MODULE", "LIST") == []
        assert client("MODULE", "UNLOAD", "mine").endswith("no such module with that name")

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            ("raise ValueError('x')", "ValueError: x"),
            ("import nosuchmodule", "nosuchmodule"),
            ("def (", "line 1"),
            ("raise SystemExit", "SystemExit"),
            ("x = 1", "it defines neither a command nor a hook"),
            ("import redislite\n@redislite.command('get', 1)\ndef f(db): pass", "there is a command 'get' already"),
            ("import redislite\n" + "@redislite.command('a', 1)\ndef f(db): pass\n" * 2, "'a' is defined twice"),
            ("import redislite\n@redislite.on('nosuch')\ndef f(db): pass", "there is no event 'nosuch'"),
            (
                "import redislite\n@redislite.command('a', 1)\ndef f(db): pass\ndef on_load(words): raise OSError",
                "OSError",
            ),
        ],
    )
    def test_what_is_wrong(self, start_server: ServerPool, tmp_path: Path, code: str, text: str) -> None:
        path = tmp_path / "wrong.py"
        path.write_text(code)
        client = start_server(enable_module_command="yes").connect()
        error = client("MODULE", "LOAD", str(path))
        assert error.startswith("ERR Error loading the extension: ")
        assert text in error
        assert client("MODULE", "LIST") == []
        assert client("A").startswith("ERR unknown command")
        result = run_program("--port", "0", "--load", str(path), directory=tmp_path)
        assert result.returncode == 1
        assert text.encode() in result.stdout + result.stderr

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        result = run_program("--port", "0", "--load", "nosuch.py", directory=tmp_path)
        assert (result.returncode, b"there is no file" in result.stdout + result.stderr) == (1, True)


def test_check_scripts(tmp_path: Path) -> None:
    sources = {
        "good.lua": "return 1",
        "bad.lua": "return (",
        "library.lua": "#!lua name=lib\nredis.register_function('f', function() end)",
        "empty.lua": "#!lua name=lib\n",
        "library.py": "#!python name=lib\nimport redislite\n@redislite.function()\ndef f(*a): pass\n",
        "wrong.py": "#!python name=lib\nx = (\n",
    }
    for name, code in sources.items():
        (tmp_path / name).write_text(code)
    result = run_program("--check-scripts", "good.lua", "library.lua", "library.py", directory=tmp_path)
    assert result.returncode == 0
    assert result.stdout.decode().splitlines() == [
        "good.lua: e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
        "library.lua: lib",
        "library.py: lib",
    ]
    for name, text in (
        ("bad.lua", "ERR Error compiling script"),
        ("empty.lua", "ERR No functions registered"),
        ("wrong.py", "ERR Error compiling function"),
        ("none.lua", "No such file"),
    ):
        result = run_program("--check-scripts", "good.lua", name, directory=tmp_path)
        assert result.returncode == 1
        assert text in result.stderr.decode()
