"""Commands of the Python tier that fail, whatever they fail with and whatever they do to their own connection.

One request has one reply: what cannot be converted, an exception, a command that calls the engine or closes its
connection leave the stream of replies whole, and nothing that was raised vanishes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engine_clients import EngineClient

from redislite._core.commands.row import command
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import NO_REPLY, CommandError, Push, Set, SimpleString, Verbatim

INTERNAL = b"-ERR internal error, see the server's log\r\n"


def request(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


class Liar(list[int]):
    """A list that counts otherwise than it walks."""

    def __len__(self) -> int:
        return 5


class Faulty(CommandError):
    """An error that cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no text")


def broken_verbatim() -> Verbatim:
    verbatim = Verbatim("txt", "text")
    verbatim.format = "t"
    return verbatim


def endless() -> list[Any]:
    whole: list[Any] = [1]
    whole.append(whole)
    return whole


def deep() -> list[Any]:
    whole: list[Any] = []
    for _ in range(100_000):
        whole = [whole]
    return whole


IMPOSSIBLE: list[Callable[[], object]] = [
    lambda: [1, 2, 1 << 70],
    lambda: -(1 << 63) - 1,
    lambda: {b"a": 1, b"b": object()},
    lambda: (1, (2, (3, object()))),
    lambda: Push([b"a", object()]),
    lambda: Set([1, object()]),
    lambda: [1, "\ud800"],
    lambda: [SimpleString("OK"), SimpleString("a\r\n:1")],
    lambda: [1, broken_verbatim()],
    lambda: [1, CommandError("ERR a"), Faulty()],
    lambda: [b"x" * 20_000, b"y" * 20_000, bytearray(b"z")],
    endless,
    deep,
]


class Connected(EngineClient):
    """An engine without a control plane, with one more command, and a client of it."""

    def __init__(self, handler: Callable[[Any, Any, list[bytes]], object]) -> None:
        @command("test", -1, "fast", group="server", since="1.0.0", summary="Does what the test says.")
        def test(control: Any, connection: Any, args: list[bytes]) -> object:
            return handler(self.engine, connection, args)

        self.errors: list[BaseException] = []
        engine = Engine()
        engine.register(test.command_rows)
        engine.on_exception = self.errors.append
        super().__init__(engine)


def raising(error: BaseException) -> Callable[..., object]:
    def handler(*_: object) -> object:
        raise error

    return handler


@pytest.mark.parametrize("value", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
@pytest.mark.parametrize("protocol", [2, 3])
def test_what_cannot_be_converted_is_one_error(value: Callable[[], object], protocol: int) -> None:
    client = Connected(lambda *_: value())
    client.connection.protocol = protocol
    assert client.send(request("TEST") + request("PING")) == INTERNAL + b"+PONG\r\n"
    assert len(client.errors) == 1
    # The same within a transaction, and with the reply of another command before it.
    transaction = b"".join(request(word) for word in ("MULTI", "PING", "TEST", "PING", "EXEC", "PING"))
    queued = b"+OK\r\n" + b"+QUEUED\r\n" * 3
    assert client.send(transaction) == queued + b"*3\r\n+PONG\r\n" + INTERNAL + b"+PONG\r\n+PONG\r\n"


def test_elements_are_counted_as_they_are_walked() -> None:
    client = Connected(lambda *_: Liar([1, 2]))
    assert client.send(request("TEST") + request("PING")) == b"*2\r\n:1\r\n:2\r\n+PONG\r\n"


def test_what_was_appended_before_an_exception_is_dropped() -> None:
    def handler(_engine: Any, connection: Any, _args: object) -> object:
        connection.append([1, 2, 3])
        connection.append_raw(b"$5\r\nhal")
        raise ValueError("half")

    client = Connected(handler)
    assert client.send(request("PING") + request("TEST") + request("PING")) == b"+PONG\r\n" + INTERNAL + b"+PONG\r\n"


def test_what_cannot_be_appended_is_told_and_leaves_nothing() -> None:
    client = Connected(lambda *_: None)
    with pytest.raises(OverflowError):
        client.connection.append([1, 1 << 70])
    client.connection.append(1)
    assert client.send(request("PING")) == b":1\r\n+PONG\r\n"


def test_no_reply_within_a_transaction_is_null() -> None:
    client = Connected(lambda *_: NO_REPLY)
    replies = client.send(b"".join(request(word) for word in ("MULTI", "TEST", "PING", "EXEC")))
    assert replies.endswith(b"*2\r\n$-1\r\n+PONG\r\n")
    assert client.send(request("TEST") + request("PING")) == b"+PONG\r\n"


# What has the data plane call up.
TRIGGERS = {
    "on_slow_command": request("FLUSHALL"),
    "on_monitored": request("DEL", "k"),
    "on_log": request("POST", "x"),
    "on_client_log": b"*1\r\n:bad\r\n",
    "on_interest": request("GET", "big") * 3,
    "on_waiting": request("BLPOP", "k", "10"),
    "on_flushed": request("FLUSHALL"),
}


class TestExceptions:
    def test_they_reach_who_has_the_engine_execute(self) -> None:
        client = Connected(raising(ZeroDivisionError("half")))
        with pytest.raises(ZeroDivisionError, match="half"):
            client.engine.execute("TEST")
        client.engine.execute("MULTI")
        client.engine.execute("SET", "k", "1")
        client.engine.execute("TEST")
        with pytest.raises(ZeroDivisionError, match="half"):
            client.engine.execute("EXEC")
        assert client.engine.execute("GET", "k") == b"1"
        assert not client.errors

    def test_command_errors_are_replies(self) -> None:
        client = Connected(raising(CommandError("WRONG thing")))
        with pytest.raises(CommandError, match="WRONG thing"):
            client.engine.execute("TEST")
        assert client.send(request("TEST")) == b"-WRONG thing\r\n"

    def test_an_error_that_has_no_text_is_answered_all_the_same(self) -> None:
        client = Connected(raising(Faulty()))
        assert client.send(request("TEST") + request("PING")) == INTERNAL + b"+PONG\r\n"

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=repr)
    def test_an_interrupt_comes_out_of_the_turn(self, error: BaseException) -> None:
        client = Connected(raising(error))
        client.peer.sendall(request("TEST") + request("PING"))
        client.connection.ready(1)
        with pytest.raises(type(error)):
            client.engine.before_sleep()
        client.engine.before_sleep()
        assert client.read() == INTERNAL + b"+PONG\r\n"
        with pytest.raises(type(error)):
            client.engine.execute("TEST")
        assert client.engine.execute("PING") == "PONG"

    def test_without_anybody_to_tell_they_come_out_of_the_turn(self) -> None:
        client = Connected(raising(ZeroDivisionError()))
        client.engine.on_exception = Engine().on_exception
        client.peer.sendall(request("TEST") + request("PING"))
        client.connection.ready(1)
        with pytest.raises(ZeroDivisionError):
            client.engine.before_sleep()
        assert client.read() == INTERNAL + b"+PONG\r\n"

    def test_a_report_that_fails_costs_no_reply(self) -> None:
        client = Connected(raising(ZeroDivisionError()))
        client.engine.on_exception = raising(OSError("no descriptors left"))
        client.peer.sendall(request("TEST") + request("PING"))
        client.connection.ready(1)
        with pytest.raises(OSError, match="no descriptors left"):
            client.engine.before_sleep()
        assert client.read() == INTERNAL + b"+PONG\r\n"

    @pytest.mark.parametrize("name", TRIGGERS)
    def test_of_upcalls_they_do_not_vanish(self, name: str) -> None:
        client = Connected(lambda *_: None)
        client.engine.execute("SET", "big", "x" * 4_000_000)
        client.engine.set("slow_us", 0)
        client.engine.set_gate("monitors", True)
        setattr(client.engine, name, raising(KeyboardInterrupt()))
        client.peer.sendall(TRIGGERS[name])
        client.connection.ready(1)
        with pytest.raises(KeyboardInterrupt):
            client.engine.before_sleep()


class TestReentrance:
    def test_execute_takes_no_reply_of_the_transaction_around_it(self) -> None:
        client = Connected(lambda engine, _connection, args: [engine.execute("INCR", "n"), engine.execute("GET", "n")])
        engine = client.engine
        for words in (("MULTI",), ("SET", "k", "1"), ("TEST",), ("TEST",), ("GET", "k")):
            engine.execute(*words)
        assert engine.execute("EXEC") == ["OK", [1, b"1"], [2, b"2"], b"1"]
        assert engine.execute("TEST") == [3, b"3"]
        assert client.send(b"".join(request(word) for word in ("MULTI", "TEST", "PING", "EXEC"))).endswith(
            b"*2\r\n*2\r\n:4\r\n$1\r\n4\r\n+PONG\r\n"
        )

    def test_as_deep_as_commands_call(self) -> None:
        def handler(engine: Any, _connection: Any, args: list[bytes]) -> object:
            depth = int(args[1])
            return [depth, engine.execute("TEST", depth - 1)] if depth else [0]

        client = Connected(handler)
        assert client.engine.execute("TEST", 3) == [3, [2, [1, [0]]]]

    @pytest.mark.parametrize("words", ["EXEC", "DISCARD", "MULTI", "WATCH k"])
    def test_the_transaction_that_runs_is_not_to_be_had(self, words: str) -> None:
        client = Connected(lambda engine, _connection, _args: engine.execute(*words.split()))
        for word in ("MULTI", "TEST", "PING", "TEST"):
            client.engine.execute(word)
        replies = client.engine.execute("EXEC")
        assert [type(reply) for reply in replies] == [CommandError, str, CommandError]
        assert client.engine.execute("PING") == "PONG"
        with pytest.raises(CommandError, match="without MULTI"):
            client.engine.execute("EXEC")

    @pytest.mark.parametrize("what", ["ready", "resume", "before_sleep", "cron"])
    def test_what_is_the_loops_is_refused_to_commands(self, what: str) -> None:
        def handler(engine: Any, connection: Any, _args: object) -> object:
            if what == "ready":
                connection.ready(1)
            elif what == "resume":
                connection.resume()
            else:
                getattr(engine, what)(*([1000] if what == "cron" else []))
            return 1

        client = Connected(handler)
        assert client.send(request("TEST") + request("PING")) == INTERNAL + b"+PONG\r\n"
        assert type(client.errors[0]) is RuntimeError


def test_a_replay_is_not_for_its_own_commands() -> None:
    found: list[BaseException] = []

    def handler(_engine: Any, _connection: Any, _args: object) -> object:
        for call in (lambda: replay.run(100), replay.finish):
            try:
                call()
            except RuntimeError as error:
                found.append(error)
        return 1

    client = Connected(handler)
    replay = client.engine.replay(bytearray(request("TEST") + request("SET", "k", "1")))
    while replay.run(1000):
        pass
    replay.finish()
    assert (len(found), replay.state, client.engine.execute("GET", "k")) == (2, "done", b"1")


CLOSINGS: dict[str, Callable[[Any, Any], object]] = {
    "release": lambda engine, connection: connection.release(),
    "engine.close": lambda engine, connection: engine.close(connection),
    "close_soon": lambda engine, connection: connection.close_soon(),
}


@pytest.fixture(params=CLOSINGS)
def closing(request: pytest.FixtureRequest) -> Iterator[Connected]:
    def handler(engine: Any, connection: Any, _args: object) -> object:
        CLOSINGS[request.param](engine, connection)
        return b"bye"

    yield Connected(handler)


class TestOwnConnection:
    def test_a_command_closes_it(self, closing: Connected) -> None:
        closing.engine.execute("SET", "k", "1")
        received = closing.send(request("PING") + request("TEST") + request("DEL", "k"))
        assert received in (b"+PONG\r\n$3\r\nbye\r\n<closed>", b"+PONG\r\n<closed>", b"<closed>")
        assert closing.engine.execute("GET", "k") == b"1"
        assert closing.engine.connections_count == 0

    def test_a_command_of_a_transaction_closes_it(self, closing: Connected) -> None:
        words = ("MULTI", "TEST", "PING", "TEST", "EXEC")
        assert closing.send(b"".join(map(request, words))).endswith(b"<closed>")
        assert closing.engine.connections_count == 0

    def test_the_engines_own_stays(self, closing: Connected) -> None:
        with contextlib.suppress(RuntimeError):
            closing.engine.execute("TEST")
        assert closing.engine.execute("PING") == "PONG"

    @pytest.mark.parametrize("embedded", [False, True])
    def test_a_command_discards_its_transaction(self, embedded: bool) -> None:
        client = Connected(lambda _engine, connection, _args: connection.discard_transaction())
        words = ("MULTI", "PING", "TEST", "PING", "TEST", "EXEC")
        if embedded:
            for word in words[:-1]:
                client.engine.execute(word)
            assert client.engine.execute("EXEC") == ["PONG", None, "PONG", None]
        else:
            received = client.send(b"".join(map(request, words)))
            assert received.endswith(b"*4\r\n+PONG\r\n$-1\r\n+PONG\r\n$-1\r\n")
        assert client.send(request("EXEC")) == b"-ERR EXEC without MULTI\r\n"


def test_who_may_what_is_answered_though_nobody_can_tell() -> None:
    client = Connected(lambda *_: None)
    permissions = client.engine.new_permissions()
    client.connection.use_permissions(permissions)
    client.engine.on_denied = raising(MemoryError())
    assert client.send(request("GET", "k") + request("GET", "k")) == b"-NOPERM\r\n" * 2
    client.engine.on_denied = lambda *_: None
    assert client.send(request("GET", "k")) == b"-NOPERM\r\n"
