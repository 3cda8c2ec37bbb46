"""Commands and hooks in Python, in process: what they return, raise and call, and how they come and go."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from engine_clients import EngineClient

import redislite
from redislite import Caller, CommandError, Engine
from redislite._core.protocol.reply_types import SimpleString, Verbatim
from redislite._core.scripting.extension import EVENT_CLASSES, definitions_of


def request(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


class Extended(EngineClient):
    """An engine with more commands, a client of it, and what was told to on_exception."""

    def __init__(self, code: str = "", **names: Any) -> None:
        self.namespace: dict[str, Any] = {"redislite": redislite, "__name__": "extension", **names}
        exec(code, self.namespace)
        self.errors: list[BaseException] = []
        engine = Engine()
        engine.on_exception = self.errors.append
        self.added = engine.extend(definitions_of(self.namespace))
        super().__init__(engine)

    def ask(self, *words: str) -> bytes:
        return self.send(request(*words))


def with_handler(handler: Callable[..., object], flags: str = "write", arity: int = -1) -> Extended:
    """One command, `test`, that does what the handler does."""
    code = f"@redislite.command('test', {arity}, {flags!r})\ndef test(db, *arguments): return handler(db, *arguments)\n"
    return Extended(code, handler=handler)


class TestReplies:
    @pytest.mark.parametrize(
        ("value", "two", "three"),
        [
            (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
            ("é", b"$2\r\n\xc3\xa9\r\n", b"$2\r\n\xc3\xa9\r\n"),
            (-7, b":-7\r\n", b":-7\r\n"),
            (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
            (True, b":1\r\n", b"#t\r\n"),
            (None, b"$-1\r\n", b"_\r\n"),
            ((1, [2]), b"*2\r\n:1\r\n*1\r\n:2\r\n", b"*2\r\n:1\r\n*1\r\n:2\r\n"),
            ({"a": {3}}, b"*2\r\n$1\r\na\r\n*1\r\n:3\r\n", b"%1\r\n$1\r\na\r\n~1\r\n:3\r\n"),
            (SimpleString("OK"), b"+OK\r\n", b"+OK\r\n"),
            (Verbatim("txt", "t"), b"$1\r\nt\r\n", b"=5\r\ntxt:t\r\n"),
            (CommandError("WRONG a\r\nb"), b"-WRONG a  b\r\n", b"-WRONG a  b\r\n"),
            ([1, ValueError("x")], b"*2\r\n:1\r\n-ERR ValueError: x\r\n", b"*2\r\n:1\r\n-ERR ValueError: x\r\n"),
        ],
    )
    def test_what_is_returned(self, value: object, two: bytes, three: bytes) -> None:
        client = with_handler(lambda db: value)
        assert client.ask("TEST") == two
        client.connection.protocol = 3
        assert client.send(request("TEST") + request("PING")) == three + b"+PONG\r\n"
        assert not client.errors

    @pytest.mark.parametrize("value", [object(), 1 << 70, [1, object()], {b"a": bytearray(b"x")}])
    def test_what_has_no_reply_is_one_error(self, value: object) -> None:
        client = with_handler(lambda db: value)
        reply = client.send(request("TEST") + request("PING"))
        assert reply.startswith(b"-ERR test raised ")
        assert reply.endswith(b"\r\n+PONG\r\n")
        assert reply.count(b"\r\n") == 2
        assert len(client.errors) == 1


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def raising(error: BaseException) -> Callable[..., object]:
    def handler(*_: object) -> object:
        raise error

    return handler


class TestRaising:
    @pytest.mark.parametrize(
        ("error", "reply"),
        [
            (ValueError("bad\r\n:1"), b"-ERR test raised ValueError: bad  :1\r\n"),
            (KeyError(), b"-ERR test raised KeyError\r\n"),
            (Mute(), b"-ERR test raised Mute\r\n"),
            (MemoryError(), b"-OOM out of memory in test\r\n"),
            (SystemExit(3), b"-ERR test raised SystemExit: 3\r\n"),
            (GeneratorExit(), b"-ERR test raised GeneratorExit\r\n"),
        ],
    )
    def test_it_is_told_and_nothing_else_happens(self, error: BaseException, reply: bytes) -> None:
        client = with_handler(raising(error))
        assert client.send(request("TEST") + request("PING")) == reply + b"+PONG\r\n"
        assert client.errors == [error]

    def test_an_interrupt_from_the_keyboard_comes_out_of_the_turn(self) -> None:
        client = with_handler(raising(KeyboardInterrupt()))
        client.peer.sendall(request("TEST") + request("PING"))
        # A program that is started in the background may have been told to ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            client.connection.ready(1)
        finally:
            signal.signal(signal.SIGINT, before)
        with pytest.raises(KeyboardInterrupt):
            client.engine.before_sleep()
        assert client.ask("PING") == b"-ERR test raised KeyboardInterrupt\r\n+PONG\r\n+PONG\r\n"

    def test_errors_of_commands_are_replies(self) -> None:
        client = with_handler(lambda db: db.call("LPUSH", "k", 1))
        client.engine.execute("SET", "k", "v")
        assert client.ask("TEST") == b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
        assert not client.errors

    def test_who_has_the_engine_execute_it_gets_the_exception(self) -> None:
        client = with_handler(raising(ZeroDivisionError("half")))
        with pytest.raises(ZeroDivisionError, match="half"):
            client.engine.execute("TEST")
        assert not client.errors

    def test_long_texts_are_cut(self) -> None:
        client = with_handler(raising(ValueError("x" * 100_000)))
        assert 1000 < len(client.ask("TEST")) < 1100


class TestCalling:
    def test_values_come_back_as_objects(self) -> None:
        def handler(db: Caller) -> object:
            db.call("SET", "s", b"\xff")
            db.call("HSET", "h", "f", 1.5)
            db.call("SADD", "m", "a")
            seen.extend([db.call("GET", "s"), db.call("HGETALL", "h"), db.call("SMEMBERS", "m"), db.call("GET", "no")])
            seen.extend([db.call("SET", "s", 2), db.call("INCR", "s"), db.call("ZADD", "z", 0.5, "a")])
            seen.append(db.call("ZSCORE", "z", "a"))
            return None

        seen: list[object] = []
        with_handler(handler).engine.execute("TEST")
        assert seen == [b"\xff", {b"f": b"1.5"}, {b"a"}, None, "OK", 3, 1, 0.5]

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (("NOSUCH", "a"), "ERR unknown command 'NOSUCH'"),
            (("GET",), "ERR wrong number of arguments for 'get' command"),
            (("CONFIG", "NOSUCH"), "ERR unknown command|ERR unknown subcommand"),
            (("MULTI",), "not allowed from script"),
            (("SUBSCRIBE", "c"), "not allowed from script"),
            (("EVAL", "return 1", 0), "not allowed from script"),
            (("WATCH", "k"), "not allowed from script"),
        ],
    )
    def test_what_is_refused(self, words: tuple[Any, ...], text: str) -> None:
        client = with_handler(lambda db: db.call(*words))
        with pytest.raises(CommandError, match=text):
            client.engine.execute("TEST")
        assert client.ask("PING") == b"+PONG\r\n"

    @pytest.mark.parametrize("argument", [None, True, [], object()])
    def test_what_is_no_argument(self, argument: object) -> None:
        client = with_handler(lambda db: db.call("SET", "k", argument))
        with pytest.raises(TypeError):
            client.engine.execute("TEST")

    def test_what_would_wait_answers_as_after_its_time(self) -> None:
        client = with_handler(lambda db: [db.call("BLPOP", "k", 0), db.call("XREAD", "BLOCK", 0, "STREAMS", "s", "$")])
        assert client.ask("TEST") == b"*2\r\n$-1\r\n$-1\r\n"

    def test_another_database_is_selected_for_the_command_only(self) -> None:
        def handler(db: Caller) -> object:
            before = db.database
            db.call("SELECT", 3)
            db.call("SET", "k", "there")
            return [before, db.database]

        client = with_handler(handler)
        assert client.ask("TEST") == b"*2\r\n:0\r\n:3\r\n"
        assert client.ask("GET", "k") == b"$-1\r\n"
        client.engine.execute("SELECT", 3)
        assert client.engine.execute("GET", "k") == b"there"

    def test_everything_may_be_flushed(self) -> None:
        client = with_handler(lambda db: [db.call("FLUSHALL"), db.call("DBSIZE")])
        client.engine.execute("SET", "k", "v")
        assert client.ask("TEST") == b"*2\r\n+OK\r\n:0\r\n"

    def test_without_the_flag_nothing_is_written(self) -> None:
        client = with_handler(lambda db: db.call("SET", "k", 1), "readonly")
        assert client.ask("TEST") == b"-ERR Write commands are not allowed from a command without the flag write.\r\n"
        assert client.engine.execute("EXISTS", "k") == 0

    def test_endless_recursion_comes_to_an_end(self) -> None:
        client = with_handler(lambda db: db.call("TEST"))
        assert client.ask("TEST") == b"-ERR commands call each other too deeply\r\n"
        client = with_handler(lambda db: handler(db))

        def handler(db: Caller) -> object:
            return handler(db)

        assert client.ask("TEST").startswith(b"-ERR test raised RecursionError")
        assert client.ask("PING") == b"+PONG\r\n"

    def test_from_each_other_from_lua_and_in_transactions(self) -> None:
        code = """
@redislite.command("add", 3, "write", keys="RW UPDATE @ 1")
def add(db, key, number):
    return db.call("INCRBY", key, number)

@redislite.command("twice", 3, "write", keys="RW UPDATE @ 1")
def twice(db, key, number):
    db.call("ADD", key, number)
    return {"sum": db.call("add", key, number)}
"""
        client = Extended(code)
        engine = client.engine
        assert client.ask("TWICE", "n", "2") == b"*2\r\n$3\r\nsum\r\n:4\r\n"
        assert engine.execute("EVAL", "return redis.call('twice', KEYS[1], ARGV[1])[2]", 1, "n", 3) == 10
        assert engine.execute("EVAL", "return redis.pcall('add', KEYS[1], 'x')['err']", 1, "n").startswith(
            b"ERR value is"
        )
        words = (("MULTI",), ("TWICE", "n", "1"), ("PING",), ("ADD", "n", "x"), ("EXEC",))
        assert client.send(b"".join(request(*word) for word in words)).endswith(
            b"*3\r\n*2\r\n$3\r\nsum\r\n:12\r\n+PONG\r\n-ERR value is not an integer or out of range\r\n"
        )
        assert client.send(request("ADD", "n", "1") * 3) == b":13\r\n:14\r\n:15\r\n"

    def test_a_caller_ends_with_its_command(self) -> None:
        kept: list[Caller] = []
        client = with_handler(lambda db: kept.append(db))
        client.engine.execute("TEST")
        with pytest.raises(RuntimeError, match="is over"):
            kept[0].call("PING")
        with pytest.raises(TypeError):
            Caller()

    def test_a_caller_is_of_one_command_and_one_thread(self) -> None:
        def handler(db: Caller, word: bytes) -> object:
            if word == b"outer":
                kept.append(db)
                return db.call("TEST", "inner")
            with pytest.raises(RuntimeError, match="waits for another command"):
                kept[0].call("PING")
            thread = threading.Thread(target=elsewhere, args=(db,))
            thread.start()
            thread.join()
            return "done"

        def elsewhere(db: Caller) -> None:
            try:
                db.call("PING")
            except RuntimeError as error:
                failures.append(str(error))

        kept: list[Caller] = []
        failures: list[str] = []
        assert with_handler(handler, arity=2).ask("TEST", "outer") == b"$4\r\ndone\r\n"
        assert failures == ["commands are called on the thread of the server"]

    @pytest.mark.parametrize("how", ["release", "close", "close_soon"])
    def test_its_own_connection_may_be_closed(self, how: str) -> None:
        def handler(db: Caller) -> object:
            if how == "close":
                client.engine.close(client.connection)
            else:
                getattr(client.connection, how)()
            return db.call("SET", "k", "v")

        client = with_handler(handler)
        assert client.send(request("TEST") + request("DEL", "k")).endswith(b"<closed>")
        assert client.engine.execute("GET", "k") == b"v"

    def test_the_engine_may_be_let_go_from_within(self) -> None:
        def handler(db: Caller) -> object:
            held.clear()
            gc.collect()
            return db.call("SET", "k", 1)

        held = [with_handler(handler).engine]
        assert held[0].execute("TEST") == "OK"


class TestPropagation:
    def propagated(self, client: Extended, *words: str) -> list[bytes]:
        client.engine.follow_writes()
        client.engine.execute(*words)
        log: bytes = client.engine.take_propagated()
        return [part for part in log.split(b"\r\n") if part and part[:1] not in b"*$"]

    def test_what_it_does_and_not_what_it_is(self) -> None:
        client = with_handler(lambda db, *_: [db.call("INCR", "n"), db.call("SADD", "s", "a"), db.call("GET", "n")])
        done = [b"MULTI", b"SELECT", b"0", b"INCR", b"n", b"SADD", b"s", b"a", b"EXEC"]
        assert self.propagated(client, "TEST", "x") == done
        assert self.propagated(client, "TEST", "x") == [b"INCR", b"n"]

    def test_what_raises_is_kept_as_far_as_it_came(self) -> None:
        def handler(db: Caller) -> object:
            db.call("INCR", "n")
            raise ValueError

        client = with_handler(handler)
        client.engine.follow_writes()
        client.ask("TEST")
        assert client.engine.take_propagated().endswith(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n")

    def test_verbatim(self) -> None:
        client = with_handler(
            lambda db, word: [db.call("INCR", "n"), db.call("APPEND", "s", word)], "write verbatim", 2
        )
        assert self.propagated(client, "TEST", "x")[-2:] == [b"TEST", b"x"]
        assert b"INCR" not in self.propagated(client, "TEST", "y")

    def test_verbatim_says_what_has_vanished_meanwhile(self) -> None:
        client = with_handler(lambda db: [db.call("GET", "gone"), db.call("SET", "k", 1)], "write verbatim")
        client.engine.set("active_expire", 0)
        client.engine.execute("SET", "gone", 1, "PX", 1)
        client.engine.clock_offset_ms = 1000
        words = self.propagated(client, "TEST")
        assert words[-4:] in ([b"UNLINK", b"gone", b"TEST", b"EXEC"], [b"DEL", b"gone", b"TEST", b"EXEC"])


class TestComingAndGoing:
    CODE = "@redislite.command('one', 1, 'fast')\ndef one(db): return 1\n"

    def test_a_command_goes_and_comes_again(self) -> None:
        client = Extended(self.CODE + "@redislite.command('own|sub', 2)\ndef sub(db): return 'sub'\n")
        rows = len(client.engine.table.rows)
        for _ in range(3):
            assert client.send(request("ONE") + request("OWN", "SUB")) == b":1\r\n$3\r\nsub\r\n"
            assert b"unknown subcommand" in client.ask("OWN", "OTHER")
            client.engine.retire(client.added)
            assert client.ask("ONE").startswith(b"-ERR unknown command 'ONE'")
            assert client.ask("OWN", "SUB").startswith(b"-ERR unknown command 'OWN'")
            client.added = client.engine.extend(definitions_of(client.namespace))
            assert len(client.engine.table.rows) == rows

    def test_it_goes_while_requests_for_it_wait(self) -> None:
        client = Extended(self.CODE)
        client.ask("MULTI")
        client.ask("ONE")
        client.engine.retire(client.added)
        assert client.ask("EXEC") == b"*1\r\n-ERR unknown command: it has just been unloaded\r\n"

    @pytest.mark.parametrize(
        ("more", "text"),
        [
            ("@redislite.command('get', 2)\ndef two(db, key): pass", "there is a command 'get' already"),
            ("@redislite.command('one', 2)\ndef two(db, key): pass", "'one' is defined twice"),
            ("@redislite.command('script|mine', 2)\ndef two(db): pass", "there is a command 'script' already"),
            ("@redislite.command('" + "x" * 64 + "', 1)\ndef two(db): pass", "1 to 63 bytes"),
        ],
    )
    def test_all_or_nothing(self, more: str, text: str) -> None:
        client = Extended("")
        namespace: dict[str, Any] = {"redislite": redislite}
        exec(self.CODE + more, namespace)
        rows = len(client.engine.table.rows)
        for _ in range(2):
            with pytest.raises(ValueError, match=text):
                client.engine.extend(definitions_of(namespace))
        assert client.ask("ONE").startswith(b"-ERR unknown command")
        assert len(client.engine.table.rows) == rows
        assert Extended(self.CODE).ask("ONE") == b":1\r\n"

    @pytest.mark.parametrize(
        "code",
        [
            "redislite.command('Get', 1)",
            "redislite.command('', 1)",
            "redislite.command('a b', 1)",
            "redislite.command('a', 0)",
            "redislite.command('a|b', 1)",
            "redislite.command('a|b|c', 3)",
            "redislite.command('a', 1, 'allow_busy')",
            "redislite.command('a', 1, 'nosuch')",
            "redislite.command('a', 1, keys='nonsense')",
            "redislite.command('a', 1, keys='RO ACCESS @ ?')",
            "redislite.command('a', 1, acl='+nosuch')",
            "redislite.on()",
            "redislite.on('nosuch')",
        ],
    )
    def test_wrong_decorators(self, code: str) -> None:
        with pytest.raises(ValueError):
            eval(code, {"redislite": redislite})

    def test_what_several_files_define(self) -> None:
        first: dict[str, Any] = {"redislite": redislite}
        exec(
            "@redislite.command('one', 1)\ndef _(db): return 1\n@redislite.command('two', 1)\ndef _(db): return 2",
            first,
        )
        second: dict[str, Any] = {"redislite": redislite, "taken": first["_"]}
        assert [row.name for row in definitions_of(first)] == ["one", "two"]  # type: ignore[attr-defined]
        assert [row.name for row in definitions_of(second)] == ["two"]  # type: ignore[attr-defined]


class TestHooks:
    def test_they_are_called_behind_the_unit(self) -> None:
        code = """
@redislite.on("set", "del", pattern="s:*")
def hook(db, event, key):
    seen.append((event, key, db.database, db.call("GET", key), db.user))
    db.call("INCR", "n")
"""
        seen: list[object] = []
        client = Extended(code, seen=seen)
        client.ask("SELECT", "2")
        words = (("MULTI",), ("SET", "s:1", "a"), ("SET", "other", "a"), ("SET", "s:1", "b"), ("GET", "n"), ("EXEC",))
        reply = client.send(b"".join(request(*word) for word in words) + request("GET", "n"))
        assert reply.endswith(b"$-1\r\n$1\r\n2\r\n")
        assert seen == [("set", b"s:1", 2, b"b", ""), ("set", b"s:1", 2, b"b", "")]

    def test_what_it_does_is_a_unit_of_its_own(self) -> None:
        code = "@redislite.on('set')\ndef hook(db, event, key): db.call('INCR', 'n'), db.call('LPUSH', 'log', key)\n"
        client = Extended(code)
        client.engine.follow_writes()
        client.ask("SET", "k", "v")
        assert client.engine.take_propagated().endswith(
            request("SET", "k", "v")
            + request("MULTI")
            + request("INCR", "n")
            + request("LPUSH", "log", "k")
            + request("EXEC")
        )

    def test_of_keys_that_expire_by_themselves(self) -> None:
        code = (
            "@redislite.on('expired', pattern='session:*')\ndef hook(db, event, key): db.call('RPUSH', 'over', key)\n"
        )
        client = Extended(code)
        client.engine.execute("SET", "session:1", "v", "PX", 10)
        client.engine.execute("SET", "other", "v", "PX", 10)
        client.engine.clock_offset_ms = 1000
        client.engine.cron(10000)
        assert client.engine.execute("LRANGE", "over", 0, -1) == [b"session:1"]

    def test_who_waits_is_woken_by_a_hook(self) -> None:
        code = "@redislite.on('expired')\ndef hook(db, event, key): db.call('RPUSH', 'over', key)\n"
        client = Extended(code)
        client.engine.execute("SET", "session:1", "v", "PX", 10)
        assert client.ask("BLPOP", "over", "0") == b""
        client.engine.clock_offset_ms = 1000
        client.engine.cron(10000)
        client.engine.before_sleep()
        assert client.peer.recv(100) == b"*2\r\n$4\r\nover\r\n$9\r\nsession:1\r\n"

    def test_an_exception_is_told_and_nothing_else_happens(self) -> None:
        code = "@redislite.on('set')\ndef hook(db, event, key):\n db.call('INCR', 'n')\n raise error\n"
        for error in (ValueError("x"), SystemExit(1), CommandError("ERR y")):
            client = Extended(code, error=error)
            assert client.send(request("SET", "k", "v") + request("GET", "n")) == b"+OK\r\n$1\r\n1\r\n"
            assert client.errors == [error]

    def test_they_are_not_called_because_of_themselves(self) -> None:
        code = """
@redislite.on("set")
def first(db, event, key):
    calls.append("first")
    db.call("SET", "a", 1)
    db.call("LPUSH", "b", 1)

@redislite.on("lpush")
def second(db, event, key):
    calls.append("second")
    db.call("SET", "c", 1)
    db.call("LPUSH", "d", 1)
"""
        calls: list[str] = []
        client = Extended(code, calls=calls)
        assert client.ask("SET", "k", "v") == b"+OK\r\n"
        assert calls == ["first", "second"]
        assert client.ask("LPUSH", "k2", "v") == b":1\r\n"
        assert calls == ["first", "second", "second", "first"]

    def test_they_end_when_they_are_taken_away(self) -> None:
        client = Extended("@redislite.on('set')\ndef hook(db, event, key): db.call('INCR', 'n')\n")
        assert client.engine.get("notify_classes") == 0, "nothing is published"
        client.ask("SET", "k", "v")
        client.engine.retire(client.added)
        client.ask("SET", "k", "v")
        assert client.ask("GET", "n") == b"$1\r\n1\r\n"

    def test_all_events_have_their_class(self) -> None:
        from notification_forms import FORMS, words_of

        told: set[str] = set()
        code = "@redislite.on(*names)\ndef hook(db, event, key): told.add(event)\n"
        client = Extended(code, names=tuple(EVENT_CLASSES), told=told)
        events = set()
        for story in FORMS:
            client.ask("FLUSHALL")
            for command, expected in story:
                client.ask(*(word.decode() for word in words_of(command)))
                events |= {event.split(" ")[0] for event in expected}
        assert events <= set(EVENT_CLASSES)
        assert not events - told - {"expired", "hexpired"}
