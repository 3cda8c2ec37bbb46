"""Clients of an engine in this process, without a socket: both entries, waiting, threads, calls within commands."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from redislite._core.embedded.session import Session, SessionClosed
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite._core.scripting.extension import command, on


@pytest.fixture
def engine() -> Engine:
    return Engine()


def until(condition: Callable[[], object]) -> None:
    """Waits for a condition that another thread brings about."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@contextlib.contextmanager
def running(function: Callable[..., object], *arguments: object) -> Iterator[list[object]]:
    """Runs a function on another thread meanwhile; what it has answered or raised stands in the list afterwards."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(function(*arguments))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield results
    thread.join(30)
    assert not thread.is_alive()


def test_arguments_are_what_redis_py_takes(engine: Engine) -> None:
    session = Session(engine)
    assert session.execute("SET", b"k", "ü") == b"OK"
    assert session.execute("GET", "k") == "ü".encode()
    assert session.execute("RPUSH", "l", 1, -2, 1.5, 2**80, "", b"\xff") == 6
    assert session.execute("LRANGE", "l", 0, -1) == [b"1", b"-2", b"1.5", str(2**80).encode(), b"", b"\xff"]
    many = [str(number) for number in range(1000)]
    assert session.execute("RPUSH", "many", *many) == 1000
    assert session.execute("LRANGE", "many", 0, -1) == [text.encode() for text in many]
    for wrong in (None, True, [], {}, object()):
        with pytest.raises(TypeError):
            session.execute("SET", "k", wrong)
    with pytest.raises(ValueError, match="a command has a name"):
        session.execute()
    assert session.execute("GET", "k") == "ü".encode()


def test_an_encoder_is_asked_about_what_is_unusual(engine: Engine) -> None:
    class Encoder:
        def encode(self, value: object) -> bytes:
            return f"<{value}>".encode("utf-16")

    session = Session(engine, encoder=Encoder(), encodes_text=True, encoding="utf-16")
    session.execute(b"SET", b"k", None)
    assert session.execute(b"GET", b"k") == "<None>"
    session.execute(b"SET", b"k", "text")
    assert session.execute(b"GET", b"k") == "<text>"
    with pytest.raises(UnicodeEncodeError):
        Session(engine, encoder=Encoder()).execute("SET", "k", "\udcff")
    assert Session(engine).execute("SET", "k", "\udcff") == b"OK"
    assert engine.execute("GET", "k") == b"\xff"


def test_replies_have_the_shapes_of_their_protocol(engine: Engine) -> None:
    session = Session(engine, encoding="utf-8")
    session.execute("HSET", "h", "f", "v")
    session.execute("ZADD", "z", 1.5, "m")
    session.execute("SADD", "s", "x")
    assert session.execute("HGETALL", "h") == ["f", "v"]
    assert session.execute("ZSCORE", "z", "m") == "1.5"
    assert session.execute("SMEMBERS", "s") == ["x"]
    assert session.execute("GET", "nothing") is None
    assert session.execute("BLPOP", "nothing", 0.001) is None
    session.protocol = 3
    assert session.execute("HGETALL", "h") == {"f": "v"}
    assert session.execute("ZSCORE", "z", "m") == 1.5
    assert session.execute("SMEMBERS", "s") == ["x"]
    assert session.execute("GET", "nothing") is None
    assert session.execute("HGETALL", "h", raw=True) == {b"f": b"v"}
    error = session.execute("INCR", "h")
    assert isinstance(error, CommandError) and str(error).startswith("WRONGTYPE")
    assert session.execute("DEBUG") != "OK"


@pytest.mark.parametrize("size", [0, 1, 16000, 16383, 16384, 100_000, 5_000_000])
def test_large_values_pass_both_entries(engine: Engine, size: int) -> None:
    session = Session(engine)
    value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert session.execute("SET", "k", value) == b"OK"
    assert session.execute("GET", "k") == value
    assert session.execute("MGET", "k", "k", "nothing") == [value, value, None]
    session.send(b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%d\r\n%b\r\nGET b\r\n" % (size, value))
    wanted = b"+OK\r\n$%d\r\n%b\r\n" % (size, value)
    got = b""
    while part := session.receive(1 << 16):
        got += part
    assert got == wanted


def test_what_cannot_be_decoded_is_not_taken_for_the_next_reply(engine: Engine) -> None:
    session = Session(engine, encoding="utf-8")
    session.execute("RPUSH", "l", b"good", b"\xff", b"good")
    with pytest.raises(UnicodeDecodeError):
        session.execute("LRANGE", "l", 0, -1)
    assert session.execute("LLEN", "l") == 3


def test_bytes_may_come_in_pieces(engine: Engine) -> None:
    session = Session(engine)
    for byte in b"*2\r\n$4\r\nPING\r\n$1\r\nx\r\nPING\r\n":
        assert session.receive(100) is None
        session.send(bytes([byte]))
        if byte == ord("\n") and (got := session.receive(100)):
            assert got in (b"$1\r\nx\r\n", b"+PONG\r\n")
    session.send(b"*1\r\n$x\r\n")
    assert session.receive(1000).startswith(b"-ERR Protocol error")
    assert session.receive(1000) == b""
    with pytest.raises(SessionClosed):
        session.send(b"PING\r\n")


def test_sessions_are_clients_of_their_own(engine: Engine) -> None:
    one, other = Session(engine), Session(engine)
    assert engine.all_connections() == [one, other]
    one.execute("SELECT", 1)
    one.execute("SET", "k", 1)
    assert (other.execute("EXISTS", "k"), one.execute("EXISTS", "k")) == (0, 1)
    other.execute("SELECT", 1)
    assert one.execute("MULTI") == b"OK"
    assert one.execute("INCR", "k") == b"QUEUED"
    assert other.execute("GET", "k") == b"1"
    assert one.execute("EXEC") == [2]
    one.execute("WATCH", "k")
    other.execute("INCR", "k")
    one.execute("MULTI")
    one.execute("INCR", "k")
    assert one.execute("EXEC") is None
    one.close()
    one.close()
    assert engine.all_connections() == [other]
    with pytest.raises(SessionClosed):
        one.execute("PING")
    assert one.receive(10) == b"" and one.wait(10)


def test_a_waiting_command_is_woken_by_another_thread(engine: Engine) -> None:
    waiting, other = Session(engine), Session(engine)
    with running(waiting.execute, "BLPOP", "q", 0) as results:
        until(lambda: engine.blocked_clients)
        with pytest.raises(RuntimeError, match="waits"):
            waiting.execute("PING")
        assert other.execute("RPUSH", "q", "a", "b") == 2
    assert results == [[b"q", b"a"]]
    assert waiting.execute("LRANGE", "q", 0, -1) == [b"b"]


def test_waiting_has_an_end(engine: Engine) -> None:
    session = Session(engine)
    begun = time.monotonic()
    assert session.execute("BLPOP", "q", 0.05) is None
    assert 0.04 < time.monotonic() - begun < 5
    session.send(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$4\r\n0.05\r\n")
    assert session.receive(100) is None
    assert not session.wait(0)
    assert session.wait(30) and session.receive(100) == b"*-1\r\n"


def test_who_waits_longest_is_served_first(engine: Engine) -> None:
    sessions = [Session(engine) for _ in range(5)]
    for number, session in enumerate(sessions):
        session.send(b"BLPOP q 0\r\nPING %d\r\n" % number)
    other = Session(engine)
    other.execute("RPUSH", "q", *range(5))
    assert [session.receive(100) for session in sessions] == [
        b"*2\r\n$1\r\nq\r\n$1\r\n%d\r\n$1\r\n%d\r\n" % (number, number) for number in range(5)
    ]


def test_closing_ends_the_waiting_and_loses_nothing(engine: Engine) -> None:
    waiting, other = Session(engine), Session(engine)
    with running(waiting.execute, "BLPOP", "q", 0) as results:
        until(lambda: engine.blocked_clients)
        waiting.close()
    assert isinstance(results[0], SessionClosed)
    assert engine.blocked_clients == 0
    assert other.execute("RPUSH", "q", "x") == 1
    assert other.execute("LLEN", "q") == 1


def test_a_pause_holds_sessions(engine: Engine) -> None:
    session = Session(engine)
    engine.set_gate("pause_all", True)
    with running(session.execute, "SET", "k", "x" * 100_000) as results:
        until(lambda: session.flags & 4)
        assert not results
        engine.set_gate("pause_all", False)
        session.resume()
        engine.before_sleep()
    assert results == [b"OK"]
    assert session.execute("STRLEN", "k") == 100_000


def test_messages_come_to_whoever_waits(engine: Engine) -> None:
    subscriber, publisher = Session(engine), Session(engine)
    assert subscriber.execute("SUBSCRIBE", "c") == [b"subscribe", b"c", 1]
    with running(subscriber.wait, 30) as results:
        until(lambda: publisher.execute("PUBLISH", "c", "m" * 50_000))
    assert results == [True]
    assert subscriber.receive(1 << 20).startswith(b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$50000\r\n")


def test_messages_to_one_that_executes_stand_aside(engine: Engine) -> None:
    session, other = Session(engine), Session(engine)
    session.protocol = 3
    assert session.execute("SUBSCRIBE", "c") is None
    assert session.pushes == [[b"subscribe", b"c", 1]]
    session.pushes.clear()
    other.execute("PUBLISH", "c", "m" * 50_000)
    assert session.execute("PING") == b"PONG"
    assert session.pushes == [[b"message", b"c", b"m" * 50_000]]
    session.pushes.clear()
    with running(session.execute, "BLPOP", "q", 0) as results:
        until(lambda: engine.blocked_clients)
        other.execute("PUBLISH", "c", "early")
        other.execute("RPUSH", "q", "x")
    assert results == [[b"q", b"x"]]
    assert session.pushes == [[b"message", b"c", b"early"]]


def test_replies_that_are_off_are_none(engine: Engine) -> None:
    session = Session(engine)
    session.set_flag(128, True)
    assert session.execute("SET", "k", 1) is None
    session.set_flag(128, False)
    engine.execute("PING")
    assert engine.execute("GET", "k") == b"1"


def test_commands_call_sessions(engine: Engine) -> None:
    inner, caller = Session(engine), Session(engine)

    @command("outer", 2, "write")
    def outer(_caller: object, name: bytes) -> object:
        if name == b"bytes":
            inner.send(b"INCR n\r\nGET n\r\n" + b"SET big " + b"x" * 40_000 + b"\r\n")
            return inner.receive(1000)
        if name == b"wait":
            return [inner.execute("BLPOP", "nothing", 0), inner.execute("INCR", "n")]
        if name == b"own":
            with pytest.raises(RuntimeError, match="this session"):
                caller.execute("PING")
            with pytest.raises(RuntimeError, match="this session"):
                caller.send(b"PING\r\n")
            with pytest.raises(RuntimeError):
                inner.wait(1)
        if name == b"close":
            inner.close()
            caller.close()
        return "done"

    engine.extend(outer)
    assert caller.execute("OUTER", "bytes") == b":1\r\n$1\r\n1\r\n+OK\r\n"
    caller.send(b"OUTER bytes\r\nOUTER own\r\nPING\r\n")
    assert caller.receive(1000) == b"$16\r\n:2\r\n$1\r\n2\r\n+OK\r\n\r\n$4\r\ndone\r\n+PONG\r\n"
    assert caller.execute("OUTER", "wait") == [None, 3]
    assert caller.execute("OUTER", "own") == b"done"
    assert caller.execute("STRLEN", "big") == 40_000
    with pytest.raises(SessionClosed):
        caller.execute("OUTER", "close")
    assert engine.all_connections() == []


def test_hooks_call_sessions(engine: Engine) -> None:
    inner, session = Session(engine), Session(engine)
    seen = []

    @on("set")
    def changed(_caller: object, event: str, key: bytes) -> None:
        seen.append(inner.execute("GET", key))

    engine.extend(changed)
    assert session.execute("SET", "k", "v") == b"OK"
    assert seen == [b"v"]


def test_another_thread_waits_while_python_runs_in_a_command(engine: Engine) -> None:
    inside, leave = threading.Event(), threading.Event()

    @command("stay", arity=1)
    def stay(_caller: object) -> str:
        inside.set()
        assert leave.wait(30)
        return "left"

    engine.extend(stay)
    one, other = Session(engine), Session(engine)
    with running(one.execute, "STAY") as first:
        assert inside.wait(30)
        with running(other.execute, "PING") as second, running(engine.execute, "PING") as third:
            until(lambda: len(engine.entering) == 2)
            assert not second and not third
            leave.set()
    assert (first, second, third) == ([b"left"], [b"PONG"], ["PONG"])


def test_an_engine_without_a_loop_keeps_time(engine: Engine) -> None:
    session = Session(engine)
    for number in range(100):
        session.execute("SET", f"k{number}", "v", "PX", 1)
    end = time.monotonic() + 30
    while engine.execute("DBSIZE"):
        assert time.monotonic() < end
        session.wait(0.01)


def test_dropped_sessions_and_engines_go(engine: Engine) -> None:
    session = Session(engine)
    session.execute("MULTI")
    session.execute("SET", "k", 1)
    session.send(b"SET k")
    del session
    gc.collect()
    del engine
    gc.collect()


@pytest.mark.parametrize("seconds", [2.0])
def test_threads_mix_everything_and_nothing_is_lost(engine: Engine, seconds: float) -> None:
    @command("bump", 1, "write")
    def bump(caller: object) -> object:
        return caller.call("INCR", "bumped")

    engine.extend(bump)
    end = time.monotonic() + seconds
    totals: dict[str, int] = dict.fromkeys(("n", "bumped", "pushed", "popped", "watched", "published"), 0)
    lock = threading.Lock()
    errors: list[BaseException] = []
    heard = [0]

    def work(function: Callable[[Session], dict[str, int]]) -> Callable[[], None]:
        def run() -> None:
            session = Session(engine)
            mine = dict.fromkeys(totals, 0)
            try:
                while time.monotonic() < end:
                    for name, count in function(session).items():
                        mine[name] += count
            except BaseException as error:
                errors.append(error)
            with lock:
                for name, count in mine.items():
                    totals[name] += count
            session.close()

        return run

    shared = Session(engine)

    def increment(session: Session) -> dict[str, int]:
        session.execute("INCR", "n")
        shared.execute("INCR", "n")
        session.execute("BUMP")
        return {"n": 2, "bumped": 1}

    def push(session: Session) -> dict[str, int]:
        session.execute("RPUSH", "q", 1)
        return {"pushed": 1}

    def pop(session: Session) -> dict[str, int]:
        return {"popped": session.execute("BLPOP", "q", 0.01) is not None}

    def watch(session: Session) -> dict[str, int]:
        session.execute("WATCH", "w")
        value = int(session.execute("GET", "w") or 0)
        session.execute("MULTI")
        session.execute("SET", "w", value + 1)
        return {"watched": session.execute("EXEC") is not None}

    def publish(session: Session) -> dict[str, int]:
        return {"published": session.execute("PUBLISH", "c", "m")}

    subscriber = Session(engine)
    subscriber.execute("SUBSCRIBE", "c")

    def listen() -> None:
        try:
            while True:
                if not subscriber.wait(0.05):
                    if time.monotonic() > end + 1:
                        return
                    continue
                heard[0] += (subscriber.receive(1 << 20) or b"").count(b"message")
        except BaseException as error:
            errors.append(error)

    functions = [increment, increment, push, pop, pop, watch, watch, publish]
    threads = [threading.Thread(target=work(function)) for function in functions] + [threading.Thread(target=listen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not errors
    last = Session(engine)
    assert int(last.execute("GET", "n")) == totals["n"] > 100
    assert int(last.execute("GET", "bumped")) == totals["bumped"]
    assert int(last.execute("GET", "w")) == totals["watched"] > 10
    assert totals["pushed"] == totals["popped"] + last.execute("LLEN", "q")
    assert heard[0] == totals["published"] > 10
