"""Transactions in process: queueing, errors, watched keys, and what leaves through the propagate point."""

from __future__ import annotations

import time
from typing import Any

import pytest

from redislite._core.commands.row import command as python_command
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.config.compatibility import PROFILES


def requests(data: bytes) -> list[list[str]]:
    """The requests of a RESP stream."""
    found = []
    lines = data.split(b"\r\n")
    at = 0
    while at < len(lines) - 1:
        count = int(lines[at][1:])
        found.append([lines[at + 2 * i + 2].decode() for i in range(count)])
        at += 1 + 2 * count
    return found


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    for name, value in PROFILES["valkey"].settings.items():
        engine.set(name, value)
    return engine


def test_commands_wait_for_exec(engine: Engine) -> None:
    assert engine.execute("MULTI") == "OK"
    assert engine.execute("SET", "k", "1") == "QUEUED"
    assert engine.execute("INCR", "k") == "QUEUED"
    assert engine.database_size(0) == 0
    assert engine.execute("EXEC") == ["OK", 2]
    assert engine.execute("GET", "k") == b"2"


def test_an_error_at_run_time_stops_nothing(engine: Engine) -> None:
    engine.execute("SET", "k", "text")
    engine.execute("MULTI")
    for command in (("INCR", "k"), ("LPUSH", "k", "x"), ("SET", "other", "1")):
        engine.execute(*command)
    replies = engine.execute("EXEC")
    assert [type(reply) for reply in replies] == [CommandError, CommandError, str]
    assert engine.execute("GET", "other") == b"1"


@pytest.mark.parametrize("bad", [("NOSUCH",), ("GET",), ("MULTI",), ("WATCH", "k")])
def test_an_error_while_queueing_discards_all(engine: Engine, bad: tuple[str, ...]) -> None:
    engine.execute("MULTI")
    engine.execute("SET", "k", "1")
    with pytest.raises(CommandError):
        engine.execute(*bad)
    with pytest.raises(CommandError, match="EXECABORT Transaction discarded"):
        engine.execute("EXEC")
    assert engine.database_size(0) == 0
    with pytest.raises(CommandError, match="EXEC without MULTI"):
        engine.execute("EXEC")


def test_a_refused_exec_ends_the_transaction(engine: Engine) -> None:
    refusal = "^EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command$"
    engine.execute("MULTI")
    engine.execute("SET", "k", "1")
    with pytest.raises(CommandError, match=refusal):
        engine.execute("EXEC", "extra")
    with pytest.raises(CommandError, match="EXEC without MULTI"):
        engine.execute("EXEC")
    # Without a transaction too, and then what is watched is forgotten.
    engine.execute("WATCH", "k")
    engine.execute("SET", "k", "2")
    with pytest.raises(CommandError, match=refusal):
        engine.execute("EXEC", "extra")
    engine.execute("MULTI")
    engine.execute("GET", "k")
    assert engine.execute("EXEC") == [b"2"]


def test_discard(engine: Engine) -> None:
    with pytest.raises(CommandError, match="DISCARD without MULTI"):
        engine.execute("DISCARD")
    engine.execute("MULTI")
    engine.execute("SET", "k", "x" * 100_000)
    before = engine.memory["used"]
    assert engine.execute("DISCARD") == "OK"
    assert engine.memory["used"] < before - 100_000
    assert engine.database_size(0) == 0


def test_blocking_commands_do_not_block(engine: Engine) -> None:
    engine.execute("MULTI")
    engine.execute("BLPOP", "list", "0")
    engine.execute("XREAD", "BLOCK", "0", "STREAMS", "stream", "$")
    assert engine.execute("EXEC") == [None, None]


CHANGES = {
    "set": [("SET", "k", "2")],
    "append": [("APPEND", "k", "x")],
    "delete": [("DEL", "k")],
    "rename": [("RENAME", "k", "z")],
    "renamed over": [("RENAME", "z0", "k")],
    "deadline": [("EXPIRE", "k", "100")],
    "flushdb": [("FLUSHDB",)],
    "flushall": [("SELECT", "3"), ("FLUSHALL",), ("SELECT", "0")],
    "swap": [("SWAPDB", "0", "1")],
    "swap in another": [("SWAPDB", "1", "0")],
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_a_watched_key_that_changes_fails_the_transaction(engine: Engine, changes: list[tuple[str, ...]]) -> None:
    engine.execute("SET", "k", "1")
    engine.execute("SET", "z0", "1")
    engine.execute("WATCH", "k", "k", "untouched")
    for change in changes:
        engine.execute(*change)
    engine.execute("MULTI")
    engine.execute("SET", "done", "1")
    assert engine.execute("EXEC") is None
    engine.execute("MULTI")
    engine.execute("SET", "done", "2")
    assert engine.execute("EXEC") == ["OK"]


@pytest.mark.parametrize("harmless", [("GET", "k"), ("SET", "other", "1"), ("DEL", "missing"), ("UNWATCH",)])
def test_what_does_not_change_it_does_not(engine: Engine, harmless: tuple[str, ...]) -> None:
    engine.execute("SET", "k", "1")
    engine.execute("WATCH", "k", "missing")
    engine.execute(*harmless)
    engine.execute("MULTI")
    engine.execute("SET", "k", "2")
    assert engine.execute("EXEC") == ["OK"]


@pytest.mark.parametrize(
    "command",
    [
        "XREADGROUP GROUP group other STREAMS stream >",
        "XACK stream group 1-1",
        "XCLAIM stream group other 0 1-1",
        "XAUTOCLAIM stream group other 0 0",
        "XGROUP CREATE stream another 0",
        "XGROUP CREATECONSUMER stream group other",
        "XGROUP DELCONSUMER stream group one",
        "XGROUP SETID stream group 0",
        "XGROUP DESTROY stream group",
        "XSETID stream 9-9",
    ],
)
def test_what_consumers_do_leaves_a_watched_stream_as_it_is(engine: Engine, command: str) -> None:
    for word in (
        "XADD stream 1-1 a b",
        "XADD stream 1-2 a b",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group one COUNT 1 STREAMS stream >",
        "WATCH stream new",
    ):
        engine.execute(*word.split())
    dirty = engine.dirty
    engine.execute(*command.split())
    assert engine.dirty > dirty
    engine.execute("MULTI")
    assert engine.execute("EXEC") == []
    engine.execute("WATCH", "new")
    engine.execute("XGROUP", "CREATE", "new", "group", "$", "MKSTREAM")
    engine.execute("MULTI")
    assert engine.execute("EXEC") is None


def pass_time(engine: Engine) -> None:
    """Has the wall clock and its millisecond go on, which commands may see from their next unit of execution on."""
    engine.clock_offset_ms += 1000
    begun = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 < begun + 2:
        pass


def seen(engine: Engine) -> list[Any]:
    """All that commands tell of the time."""
    return [engine.execute(*words) for words in (
        ("GET", "k"), ("PTTL", "k"), ("HGET", "h", "f"), ("HPTTL", "h", "FIELDS", 1, "f"), ("TIME",), ("TIME",))]


def test_time_stands_still_within_a_unit(engine: Engine) -> None:
    @python_command("moves", 1, "write", group="generic", since="1.0.0", summary="For tests.")
    def moves(*_: Any) -> str:
        pass_time(engine)
        return "OK"

    @python_command("looks", 1, "write", group="generic", since="1.0.0", summary="For tests.")
    def looks(*_: Any) -> str:
        before = seen(engine)
        pass_time(engine)
        assert seen(engine) == before
        engine.execute("MOVES")
        engine.renew_clock()
        engine.execute("XADD", "x", "*", "a", "b")
        now_ms = engine.now_ms
        assert seen(engine) == before
        assert engine.execute("XREAD", "STREAMS", "x", "0")[b"x"][0][0].startswith(b"%d-" % now_ms)
        return "OK"

    engine.register([*moves.command_rows, *looks.command_rows])  # type: ignore[attr-defined]
    engine.execute("SET", "k", "v", "PX", 500)
    engine.execute("HSETEX", "h", "PX", 500, "FIELDS", 1, "f", "v")
    assert engine.execute("LOOKS") == b"OK"
    engine.renew_clock()
    assert seen(engine)[:4] == [None, -2, None, [-2]]
    engine.execute("SET", "k", "v", "PX", 500)
    engine.execute("MULTI")
    for words in (("TIME",), ("PTTL", "k"), ("MOVES",), ("TIME",), ("PTTL", "k"), ("GET", "k")):
        engine.execute(*words)
    time_before, left_before, _, time_after, left_after, value = engine.execute("EXEC")
    assert (time_before, left_before, value) == (time_after, left_after, b"v")
    engine.renew_clock()
    assert engine.execute("GET", "k") is None
    # The clock that is read before each command, for debugging, is read before each unit.
    engine.set_gate("renewal", True)
    engine.execute("SET", "k", "v", "PX", 500)
    engine.execute("MULTI")
    engine.execute("MOVES")
    engine.execute("GET", "k")
    assert engine.execute("EXEC") == [b"OK", b"v"]
    assert engine.execute("GET", "k") is None


def test_time_goes_on_between_units(engine: Engine) -> None:
    last = engine.execute("TIME")
    for _ in range(2000):
        now = engine.execute("TIME")
        engine.execute("MULTI")
        engine.execute("TIME")
        (within,) = engine.execute("EXEC")
        assert (int(last[0]), int(last[1])) <= (int(now[0]), int(now[1])) <= (int(within[0]), int(within[1]))
        last = within


def test_unwatch_forgets_a_change(engine: Engine) -> None:
    engine.execute("WATCH", "k")
    engine.execute("SET", "k", "1")
    engine.execute("UNWATCH")
    engine.execute("MULTI")
    engine.execute("PING")
    assert engine.execute("EXEC") == ["PONG"]


def test_a_key_that_expires_while_it_is_watched_has_changed(engine: Engine) -> None:
    engine.execute("SET", "k", "1", "PX", "100")
    engine.execute("WATCH", "k")
    engine.clock_offset_ms = 200
    engine.execute("MULTI")
    engine.execute("PING")
    assert engine.execute("EXEC") is None


def test_a_key_that_was_expired_when_it_was_watched_has_not(engine: Engine) -> None:
    engine.set("active_expire", 0)
    engine.execute("SET", "k", "1", "PX", "100")
    engine.clock_offset_ms = 200
    engine.execute("WATCH", "k")
    assert engine.execute("GET", "k") is None  # removes it
    engine.execute("MULTI")
    engine.execute("PING")
    assert engine.execute("EXEC") == ["PONG"]


def test_a_long_argument_survives_its_wait(engine: Engine) -> None:
    value = b"v" * 1_000_000
    engine.execute("MULTI")
    engine.execute("SET", "k", value)
    engine.execute("APPEND", "k", "!")
    assert engine.execute("EXEC") == ["OK", 1_000_001]


# What leaves through the propagate point


def test_only_changes_are_propagated_each_for_its_database(engine: Engine) -> None:
    engine.follow_writes()
    for line in ("SET a 1", "GET a", "DEL missing", "SELECT 2", "SET b 2", "INCR b"):
        engine.execute(*line.split())
    assert requests(engine.take_propagated()) == [
        ["SELECT", "0"], ["SET", "a", "1"], ["SELECT", "2"], ["SET", "b", "2"], ["INCR", "b"],
    ]
    engine.execute("INCR", "b")
    assert requests(engine.take_propagated(reselect=True)) == [["INCR", "b"]]
    engine.execute("INCR", "b")
    assert requests(engine.take_propagated()) == [["SELECT", "2"], ["INCR", "b"]]


def test_a_transaction_is_propagated_as_one(engine: Engine) -> None:
    engine.follow_writes()
    engine.execute("MULTI")
    for command in (("SET", "a", "1"), ("GET", "a"), ("SET", "b", "2")):
        engine.execute(*command)
    engine.execute("EXEC")
    assert requests(engine.take_propagated()) == [
        ["MULTI"], ["SELECT", "0"], ["SET", "a", "1"], ["SET", "b", "2"], ["EXEC"],
    ]
    engine.execute("MULTI")
    for command in (("GET", "a"), ("SET", "b", "3")):
        engine.execute(*command)
    engine.execute("EXEC")
    assert requests(engine.take_propagated()) == [["SET", "b", "3"]]


def test_what_a_command_removes_on_its_way_goes_with_it(engine: Engine) -> None:
    engine.set("active_expire", 0)
    engine.execute("SET", "k", "1", "PX", "100")
    engine.follow_writes()
    engine.clock_offset_ms = 200
    engine.execute("INCR", "k")
    assert requests(engine.take_propagated()) == [["MULTI"], ["SELECT", "0"], ["DEL", "k"], ["INCR", "k"], ["EXEC"]]


def test_nothing_is_kept_where_nobody_listens(engine: Engine) -> None:
    engine.execute("SET", "a", "1")
    assert engine.take_propagated() == b""
