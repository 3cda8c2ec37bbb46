"""The commands on keys, databases and the connection, in process: every option, every error, what is counted."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.config.compatibility import PROFILES

Argument = bytes | str | int | float

MAXIMUM = 2**63 - 1
MINIMUM = -(2**63)
NOT_INTEGER = "ERR value is not an integer or out of range"
INT_RANGE = "ERR value is out of range, value must between -2147483648 and 2147483647"
DB_RANGE = "ERR DB index is out of range"
SAME_OBJECTS = "ERR source and destination objects are the same"
SYNTAX = "ERR syntax error"
EXPIRES = {"EXPIRE": (1000, False), "PEXPIRE": (1, False), "EXPIREAT": (1000, True), "PEXPIREAT": (1, True)}


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    for name, value in PROFILES["valkey"].settings.items():
        engine.set(name, value)
    return engine


def error(engine: Engine, *args: Argument) -> str:
    """The text of the error that a command answers; no key may be changed by it."""
    dirty = engine.dirty
    with pytest.raises(CommandError) as caught:
        engine.execute(*args)
    assert engine.dirty == dirty
    return str(caught.value)


@contextmanager
def changes(engine: Engine, count: int) -> Iterator[None]:
    """Checks how many changes are counted."""
    dirty = engine.dirty
    yield
    assert engine.dirty - dirty == count


def hits_and_misses(engine: Engine, *args: Argument) -> tuple[int, int]:
    before = dict(engine.statistics)
    engine.execute(*args)
    after = dict(engine.statistics)
    return (
        after["keyspace_hits"] - before["keyspace_hits"],
        after["keyspace_misses"] - before["keyspace_misses"],
    )


def let_expire(engine: Engine, *names: Argument) -> None:
    """Gives keys a deadline and turns the clock until it has passed; nothing looks at them meanwhile."""
    deadline = engine.renew_clock() + 1000
    for name in names:
        assert engine.execute("PEXPIREAT", name, deadline) == 1
    engine.clock_offset_ms += 1001
    assert engine.renew_clock() > deadline


def scan(engine: Engine, *options: Argument) -> list[bytes]:
    """All keys that a full scan answers."""
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, names = engine.execute("SCAN", cursor, *options)
        found += names
        if cursor == b"0":
            return found


# Deleting and counting


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
@pytest.mark.parametrize("lazy", [0, 1])
def test_del(engine: Engine, command: str, lazy: int) -> None:
    engine.set("lazy_user_delete", lazy)
    engine.execute("MSET", "a", 1, "b", "x" * 100, "c", "x" * 100_000, "d", 1)
    engine.execute("EXPIRE", "b", 100)
    with changes(engine, 3):
        assert engine.execute(command, "a", "missing", "a", "b", "c") == 3
    assert engine.execute("KEYS", "*") == [b"d"]
    assert engine.database_statistics(0)["expires"] == 0
    with changes(engine, 0):
        assert engine.execute(command, "missing") == 0
    assert engine.execute(command, "d") == 1
    assert engine.execute("DBSIZE") == 0


@pytest.mark.parametrize("command", ["DEL", "UNLINK", "EXISTS", "TOUCH"])
def test_many_keys(engine: Engine, command: str) -> None:
    """More keys than are looked up ahead, some missing, some twice."""
    for count in (15, 16, 17, 32, 100):
        names = [f"key:{number}" for number in range(count)]
        engine.execute("FLUSHALL")
        engine.execute("MSET", *[word for name in names[::2] for word in (name, name)])
        there = len(names[::2])
        expected = there if command in ("DEL", "UNLINK") else 2 * there
        assert engine.execute(command, *names, *names) == expected
        assert engine.execute("DBSIZE") == (0 if command in ("DEL", "UNLINK") else there)


def test_del_gives_all_memory_back(engine: Engine) -> None:
    engine.execute("SET", "warm", "x" * 10_000)
    engine.execute("DEL", "warm")
    before = engine.memory["used"] - engine.memory["tables"]
    for number in range(500):
        engine.execute("SET", f"key:{number}", "x" * (number * 7), "EX", 100)
    for number in range(500):
        assert engine.execute("DEL", f"key:{number}") == 1
    assert engine.memory["used"] - engine.memory["tables"] == before


def test_exists_and_touch_count_hits(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    for command in ("EXISTS", "TOUCH"):
        assert hits_and_misses(engine, command, "k", "k", "missing") == (2, 1)
    for command in ("TYPE", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert hits_and_misses(engine, command, "k") == (1, 0)
        assert hits_and_misses(engine, command, "missing") == (0, 1)
    assert hits_and_misses(engine, "OBJECT", "ENCODING", "k") == (1, 0)
    for args in (("DEL", "missing"), ("PERSIST", "k"), ("EXPIRE", "k", 100), ("RENAME", "k", "k"), ("MOVE", "k", 3)):
        assert hits_and_misses(engine, *args) == (0, 0)


def test_which_commands_are_accesses(engine: Engine) -> None:
    """With this factor, each access raises the counter by one."""
    engine.set("lfu", 1)
    engine.set("lfu_log_factor", 0)

    def frequency() -> int:
        return int(engine.execute("OBJECT", "FREQ", "k"))

    engine.execute("SET", "k", 1, "EX", 1000)
    for request in ("TTL k", "TYPE k", "EXISTS k", "OBJECT ENCODING k", "SCAN 0 TYPE string", "KEYS *", "RANDOMKEY"):
        before = frequency()
        engine.execute(*request.split())
        assert frequency() == before, request
    for request in ("TOUCH k", "GET k", "EXPIRE k 1000", "COPY k c", "PERSIST k"):
        before = frequency()
        engine.execute(*request.split())
        assert frequency() == before + 1, request
    assert engine.execute("OBJECT", "FREQ", "c") == 5


def test_type(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    assert engine.execute("TYPE", "k") == "string"
    assert engine.execute("TYPE", "missing") == "none"


# Expiry


def expire(engine: Engine, command: str, ms: int, *options: str) -> int:
    unit, absolute = EXPIRES[command]
    return int(engine.execute(command, "k", (ms + (engine.renew_clock() if absolute else 0)) // unit, *options))


@pytest.mark.parametrize("command", EXPIRES)
def test_expire(engine: Engine, command: str) -> None:
    assert expire(engine, command, 100_000) == 0
    engine.execute("SET", "k", "v")
    for query in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert engine.execute(query, "k") == -1
        assert engine.execute(query, "missing") == -2
    with changes(engine, 1):
        assert expire(engine, command, 100_000) == 1
    moment = engine.execute("PEXPIRETIME", "k")
    assert abs(moment - engine.now_ms - 100_000) < 10_000
    assert engine.execute("EXPIRETIME", "k") == (moment + 500) // 1000
    assert abs(engine.execute("PTTL", "k") - (moment - engine.now_ms)) < 1000
    assert engine.execute("GET", "k") == b"v"
    with changes(engine, 1):
        assert engine.execute("PERSIST", "k") == 1
    with changes(engine, 0):
        assert engine.execute("PERSIST", "k") == 0
        assert engine.execute("PERSIST", "missing") == 0
    assert engine.execute("TTL", "k") == -1
    assert engine.execute("GET", "k") == b"v"


@pytest.mark.parametrize("command", EXPIRES)
def test_a_deadline_that_is_not_ahead_deletes(engine: Engine, command: str) -> None:
    engine.set("past_deadline_deletes", 0)
    deleted = 0
    for ms in (0, -1, -100_000):
        engine.execute("SET", "k", "v", "EX", 50)
        with changes(engine, 1):
            assert expire(engine, command, ms) == 1
        assert engine.database_size(0) == 0
        assert engine.database_statistics(0)["expires"] == 0
        deleted += 1
    if EXPIRES[command][1]:
        for moment in (0, -1, -(10**12)):
            engine.execute("SET", "k", "v")
            assert engine.execute(command, "k", moment) == 1
            assert engine.database_size(0) == 0
            deleted += 1
    assert engine.statistics["expired_keys"] == deleted


@pytest.mark.parametrize("command", EXPIRES)
def test_expire_conditions(engine: Engine, command: str) -> None:
    def ttl() -> int:
        return round(int(engine.execute("PTTL", "k")) / 10_000)

    engine.execute("SET", "k", "v")
    for options in (("XX",), ("GT",), ("XX", "GT"), ("XX", "LT")):
        with changes(engine, 0):
            assert expire(engine, command, 100_000, *options) == 0
    assert expire(engine, command, -1000, "XX") == 0
    assert expire(engine, command, 100_000, "nX", "NX") == 1
    assert expire(engine, command, 200_000, "NX") == 0
    assert ttl() == 10
    assert expire(engine, command, 50_000, "GT") == 0
    assert expire(engine, command, 200_000, "gt") == 1
    assert ttl() == 20
    assert expire(engine, command, 300_000, "LT") == 0
    assert expire(engine, command, 100_000, "LT", "XX") == 1
    assert expire(engine, command, 150_000, "XX", "GT", "xx") == 1
    assert expire(engine, command, 160_000, "XX") == 1
    assert ttl() == 16
    engine.execute("PERSIST", "k")
    assert expire(engine, command, 100_000, "LT") == 1
    assert expire(engine, command, -5000, "GT") == 0
    assert expire(engine, command, -5000, "LT") == 1
    assert engine.execute("EXISTS", "k") == 0


def test_equal_deadlines(engine: Engine) -> None:
    moment = engine.renew_clock() + 100_000
    engine.execute("SET", "k", "v", "PXAT", moment)
    assert engine.execute("PEXPIREAT", "k", moment, "GT") == 0
    assert engine.execute("PEXPIREAT", "k", moment, "LT") == 0
    assert engine.execute("PEXPIREAT", "k", moment + 1, "GT") == 1
    assert engine.execute("PEXPIREAT", "k", moment, "LT") == 1


@pytest.mark.parametrize("command", EXPIRES)
def test_expire_errors(engine: Engine, command: str) -> None:
    engine.execute("SET", "k", "v")
    both = "ERR NX and XX, GT or LT options at the same time are not compatible"
    for options in (("NX", "XX"), ("NX", "GT"), ("LT", "NX"), ("GT", "LT", "NX")):
        assert error(engine, command, "k", 100, *options) == both
    later_and_earlier = "ERR GT and LT options at the same time are not compatible"
    assert error(engine, command, "k", 100, "GT", "LT") == later_and_earlier
    assert error(engine, command, "k", "x", "NX", "nosuch") == "ERR Unsupported option nosuch"
    assert error(engine, command, "k", 100, "") == "ERR Unsupported option "
    assert error(engine, command, "k", 100, b"a\r\nb\r\n\0c") == "ERR Unsupported option a  b"
    assert error(engine, command, "k", 100, "x" * 5000).startswith("ERR Unsupported option xxx")
    for text in ("", "x", "1.5", " 1", "+1", "01", MAXIMUM + 1, MINIMUM - 1):
        assert error(engine, command, "k", text) == NOT_INTEGER
        assert error(engine, command, "missing", text) == NOT_INTEGER
    invalid = f"ERR invalid expire time in '{command.lower()}' command"
    unit, absolute = EXPIRES[command]
    too_far = [] if unit == 1 else [MAXIMUM, MAXIMUM // 1000 + 1, MINIMUM, MINIMUM // 1000 - 1]
    if not absolute:
        too_far += [MAXIMUM // unit, (MAXIMUM - engine.now_ms) // unit + 1000]
    for amount in too_far:
        assert error(engine, command, "k", amount) == invalid
        assert error(engine, command, "missing", amount) == invalid
    assert error(engine, command, "k") == f"ERR wrong number of arguments for '{command.lower()}' command"
    assert engine.execute("TTL", "k") == -1


def test_farthest_deadlines(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    assert engine.execute("PEXPIREAT", "k", MAXIMUM) == 1
    assert engine.execute("PEXPIRETIME", "k") == MAXIMUM
    assert engine.execute("EXPIRETIME", "k") == MAXIMUM // 1000 + 1
    assert engine.execute("PTTL", "k") > MAXIMUM // 2
    assert engine.execute("EXPIREAT", "k", MAXIMUM // 1000) == 1
    assert engine.execute("PEXPIREAT", "k", MINIMUM) == 1
    assert engine.execute("EXISTS", "k") == 0
    for command in ("PEXPIRE", "PEXPIREAT"):
        engine.execute("SET", "k", "v")
        assert engine.execute(command, "k", MINIMUM) == 1
        assert engine.database_size(0) == 0
    for command in ("EXPIRE", "EXPIREAT"):
        engine.execute("SET", "k", "v")
        assert engine.execute(command, "k", -(MAXIMUM // 1000)) == 1
        assert engine.database_size(0) == 0


def test_seconds_are_rounded(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    for ms in (499, 500, 999, 1499, 1500):
        engine.execute("PEXPIREAT", "k", 5_000_000_000_000 + ms)
        assert engine.execute("EXPIRETIME", "k") == 5_000_000_000 + (ms + 500) // 1000


def test_what_expired_is_not_there(engine: Engine) -> None:
    def expired() -> None:
        engine.execute("FLUSHALL")
        engine.execute("MSET", "k", "v", "kept", "v")
        let_expire(engine, "k")
        assert engine.database_size(0) == 2

    for args, answer in [
        (("EXISTS", "k"), 0),
        (("TOUCH", "k"), 0),
        (("DEL", "k"), 0),
        (("DEL", "k", "kept"), 1),
        (("UNLINK", "k"), 0),
        (("TYPE", "k"), "none"),
        (("TTL", "k"), -2),
        (("PEXPIRETIME", "k"), -2),
        (("PERSIST", "k"), 0),
        (("EXPIRE", "k", 100), 0),
        (("RENAMENX", "kept", "k"), 1),
        (("RENAME", "kept", "k"), "OK"),
        (("COPY", "k", "x"), 0),
        (("COPY", "kept", "k"), 1),
        (("MOVE", "k", 1), 0),
        (("OBJECT", "ENCODING", "k"), None),
        (("SCAN", 0), [b"0", [b"kept"]]),
        (("SCAN", 0, "TYPE", "string"), [b"0", [b"kept"]]),
    ]:
        expired()
        before = engine.statistics["expired_keys"]
        assert engine.execute(*args) == answer, args
        assert engine.statistics["expired_keys"] == before + 1
        left = engine.inspect(0, b"k")
        assert left is None or left["deadline_ms"] == -1
    expired()
    assert engine.execute("KEYS", "*") == [b"kept"]
    assert engine.execute("DBSIZE") == 2
    assert engine.execute("SCAN", 0, "MATCH", "kep?") == [b"0", [b"kept"]]
    assert engine.execute("DBSIZE") == 2
    expired()
    engine.execute("SELECT", 1)
    engine.execute("SET", "k", "new")
    assert engine.execute("MOVE", "k", 0) == 1
    engine.execute("SELECT", 0)
    assert engine.execute("GET", "k") == b"new" and engine.execute("TTL", "k") == -1


# RENAME, COPY, MOVE

VALUES = [b"12", b"short", b"", b"x" * 100, b"y" * 511, b"z" * 100_000]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(len(value)))
@pytest.mark.parametrize("target", [None, *VALUES], ids=lambda value: "free" if value is None else str(len(value)))
def test_rename(engine: Engine, value: bytes, target: bytes | None) -> None:
    for deadline, target_deadline in ((None, 50), (100, None), (100, 50), (None, None)):
        engine.execute("SET", "a", value, *(() if deadline is None else ("EX", deadline)))
        if target is not None:
            engine.execute("SET", "longer name", target, *(() if target_deadline is None else ("EX", target_deadline)))
        encoding = engine.execute("OBJECT", "ENCODING", "a")
        with changes(engine, 1):
            assert engine.execute("RENAME", "a", "longer name") == "OK"
        assert engine.execute("KEYS", "*") == [b"longer name"]
        assert engine.execute("GET", "longer name") == value
        assert engine.execute("OBJECT", "ENCODING", "longer name") == encoding
        assert engine.execute("TTL", "longer name") == (-1 if deadline is None else deadline)
        assert engine.database_statistics(0)["expires"] == (deadline is not None)
        engine.execute("DEL", "longer name")


def test_rename_to_itself_and_errors(engine: Engine) -> None:
    engine.execute("SET", "a", 1, "EX", 100)
    with changes(engine, 0):
        assert engine.execute("RENAME", "a", "a") == "OK"
        assert engine.execute("RENAMENX", "a", "a") == 0
    assert engine.execute("TTL", "a") == 100
    for command in ("RENAME", "RENAMENX"):
        assert error(engine, command, "missing", "a") == "ERR no such key"
        assert error(engine, command, "missing", "missing") == "ERR no such key"
    assert engine.execute("GET", "a") == b"1"


def test_renamenx(engine: Engine) -> None:
    engine.execute("MSET", "a", 1, "b", 2)
    with changes(engine, 0):
        assert engine.execute("RENAMENX", "a", "b") == 0
    assert engine.execute("RENAMENX", "a", "c") == 1
    assert engine.execute("MGET", "a", "b", "c") == [None, b"2", b"1"]


def test_rename_keeps_the_access_bits(engine: Engine) -> None:
    engine.set("lfu", 1)
    engine.set("lfu_log_factor", 0)
    engine.execute("SET", "a", 1)
    engine.execute("TOUCH", "a", "a", "a")
    before = engine.execute("OBJECT", "FREQ", "a")
    engine.execute("RENAME", "a", "b")
    assert engine.execute("OBJECT", "FREQ", "b") == before + 1


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(len(value)))
def test_copy(engine: Engine, value: bytes) -> None:
    engine.execute("SET", "a", value, "EX", 100)
    encoding = engine.execute("OBJECT", "ENCODING", "a")
    with changes(engine, 1):
        assert engine.execute("COPY", "a", "b") == 1
    assert engine.execute("GET", "b") == value
    assert engine.execute("TTL", "b") == 100
    assert engine.execute("OBJECT", "ENCODING", "b") == encoding
    engine.execute("APPEND", "b", "!")
    assert engine.execute("MGET", "a", "b") == [value, value + b"!"]
    with changes(engine, 0):
        assert engine.execute("COPY", "a", "b") == 0
        assert engine.execute("COPY", "missing", "b", "REPLACE") == 0
    engine.execute("PERSIST", "a")
    assert engine.execute("COPY", "a", "b", "replace") == 1
    assert engine.execute("GET", "b") == value and engine.execute("TTL", "b") == -1
    assert engine.execute("COPY", "a", "a", "DB", 9) == 1
    assert engine.execute("COPY", "a", "z", "db", 9, "REPLACE") == 1
    assert engine.execute("COPY", "a", "z", "DB", 9) == 0
    assert engine.execute("COPY", "a", "w", "DB", 3, "DB", 0) == 1
    engine.execute("DEL", "a")
    assert engine.execute("MGET", "b", "w") == [value, value]
    engine.execute("SELECT", 9)
    assert engine.execute("MGET", "a", "z") == [value, value]


def test_copy_errors(engine: Engine) -> None:
    engine.execute("SET", "a", 1)
    assert error(engine, "COPY", "a", "a") == SAME_OBJECTS
    assert error(engine, "COPY", "a", "a", "DB", 0, "REPLACE") == SAME_OBJECTS
    assert error(engine, "COPY", "missing", "missing") == SAME_OBJECTS
    for options in (("nosuch",), ("DB",), ("REPLACE", "nosuch"), ("DB", 0, "nosuch")):
        assert error(engine, "COPY", "a", "a", *options) == SYNTAX
    for number in (16, -1, 2**31 - 1):
        assert error(engine, "COPY", "a", "b", "DB", number, "nosuch") == DB_RANGE
    assert error(engine, "COPY", "a", "b", "DB", 2**31) == INT_RANGE
    for wrong in ("x", "", 2**63):
        assert error(engine, "COPY", "a", "b", "DB", wrong) == NOT_INTEGER


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(len(value)))
def test_move(engine: Engine, value: bytes) -> None:
    for options in ((), ("EX", 100)):
        engine.execute("SET", "a", value, *options)
        with changes(engine, 1):
            assert engine.execute("MOVE", "a", 9) == 1
        assert engine.execute("EXISTS", "a") == 0
        assert engine.database_statistics(0)["expires"] == 0
        assert engine.execute("MOVE", "a", 9) == 0
        engine.execute("SET", "a", "other")
        with changes(engine, 0):
            assert engine.execute("MOVE", "a", 9) == 0
        assert engine.execute("GET", "a") == b"other"
        engine.execute("SELECT", 9)
        assert engine.execute("GET", "a") == value
        assert engine.execute("TTL", "a") == (100 if options else -1)
        engine.execute("FLUSHALL")
        engine.execute("SELECT", 0)


def test_move_errors(engine: Engine) -> None:
    engine.execute("SET", "a", 1)
    assert error(engine, "MOVE", "a", 0) == SAME_OBJECTS
    assert error(engine, "MOVE", "missing", 0) == SAME_OBJECTS
    for number in (16, -1):
        assert error(engine, "MOVE", "a", number) == DB_RANGE
    assert error(engine, "MOVE", "a", -(2**31) - 1) == INT_RANGE
    assert error(engine, "MOVE", "a", "x") == NOT_INTEGER


def test_moves_at_random(engine: Engine) -> None:
    """Against dicts of Python: values, deadlines and the number of keys that have one."""
    source = random.Random(5)
    model: list[dict[str, tuple[bytes, bool]]] = [{}, {}]
    names = [f"k{'x' * (number * 9)}" for number in range(40)]
    number = 0
    for _ in range(6000):
        name, other = source.choice(names), source.choice(names)
        action = source.randrange(8)
        here, there = model[number], model[1 - number]
        if action <= 1:
            value = source.choice(VALUES)
            here[name] = (value, bool(action))
            engine.execute("SET", name, value, *(("EX", 1000) if action else ()))
        elif action == 2 and name in here:
            engine.execute("RENAME", name, other)
            here[other] = here.pop(name)
        elif action == 3:
            assert engine.execute("MOVE", name, 1 - number) == (name in here and name not in there)
            if name in here and name not in there:
                there[name] = here.pop(name)
        elif action == 4 and name != other:
            assert engine.execute("COPY", name, other, "REPLACE") == (name in here)
            if name in here:
                here[other] = here[name]
        elif action == 5:
            assert engine.execute("DEL", name, other) == len({name, other} & here.keys())
            here.pop(name, None)
            here.pop(other, None)
        elif action == 6 and name in here:
            engine.execute("PERSIST", name)
            here[name] = (here[name][0], False)
        elif action == 7:
            if source.random() < 0.3:
                engine.execute("SWAPDB", 0, 1)
                model.reverse()
            number = source.randrange(2)
            engine.execute("SELECT", number)
    for number in range(2):
        engine.execute("SELECT", number)
        assert set(engine.execute("KEYS", "*")) == {name.encode() for name in model[number]}
        for name, (value, expires) in model[number].items():
            assert engine.execute("GET", name) == value
            assert (engine.execute("TTL", name) > 0) == expires
        assert engine.database_statistics(number)["expires"] == sum(expires for _, expires in model[number].values())


# KEYS, RANDOMKEY, SCAN


def test_keys(engine: Engine) -> None:
    assert engine.execute("KEYS", "*") == []
    names = {b"key:%d" % number for number in range(5000)}
    for name in names:
        engine.execute("SET", name, 1)
    for pattern in ("*", "key:*", "k*y:*"):
        found = engine.execute("KEYS", pattern)
        assert len(found) == len(names) and set(found) == names
    assert engine.execute("KEYS", "key:17") == [b"key:17"]
    assert engine.execute("KEYS", "none*") == []


def test_randomkey(engine: Engine) -> None:
    assert engine.execute("RANDOMKEY") is None
    names = {b"k%d" % number for number in range(10)}
    for name in names:
        engine.execute("SET", name, 1)
    assert {engine.execute("RANDOMKEY") for _ in range(1000)} == names
    let_expire(engine, *(names - {b"k3"}))
    assert engine.execute("RANDOMKEY") == b"k3"
    let_expire(engine, "k3")
    assert engine.execute("RANDOMKEY") is None
    assert engine.database_size(0) == 0


def test_while_writes_are_paused(engine: Engine) -> None:
    """What has expired stays, and is not shown; RANDOMKEY shows it where there is nothing else."""
    engine.execute("MSET", "a", 1, "b", 2)
    let_expire(engine, "a", "b")
    engine.set_gate("pause_write", True)
    assert engine.execute("EXISTS", "a", "b") == 0
    assert engine.execute("SCAN", 0) == [b"0", []]
    assert engine.execute("KEYS", "*") == []
    assert engine.execute("RANDOMKEY") in (b"a", b"b")
    assert engine.database_size(0) == 2
    engine.set_gate("pause_write", False)
    assert engine.execute("RANDOMKEY") is None
    assert engine.database_size(0) == 0


@pytest.mark.parametrize("held_back", ["import", "pause", ""])
def test_randomkey_ends_where_all_or_nearly_all_have_expired(engine: Engine, held_back: str) -> None:
    names = [b"expired:%d" % number for number in range(500)]
    for name in names:
        engine.execute("SET", name, 1, "PX", 1000)
    engine.clock_offset_ms += 1001
    if held_back == "import":
        engine.set("import_mode", 1)
    elif held_back:
        engine.set_gate("pause_write", True)
    if held_back:
        assert engine.execute("RANDOMKEY") in names
        assert engine.database_size(0) == len(names)
    else:
        assert engine.execute("RANDOMKEY") is None
    live = {b"one", b"other"}
    for name in live:
        engine.execute("SET", name, 1, "PX", 100000)
    assert {engine.execute("RANDOMKEY") for _ in range(100)} == live


def test_scan(engine: Engine) -> None:
    assert engine.execute("SCAN", 0) == [b"0", []]
    names = {b"key:%d" % number for number in range(1000)}
    for name in names:
        engine.execute("SET", name, 1)
    for options in ((), ("COUNT", 1), ("count", 7, "match", "*"), ("TYPE", "String"), ("COUNT", MAXIMUM)):
        assert set(scan(engine, *options)) == names
    assert set(scan(engine, "MATCH", "key:99?")) == {b"key:99%d" % digit for digit in range(10)}
    assert set(scan(engine, "MATCH", "nosuch", "MATCH", "key:1", "COUNT", 0x7FFFFFFF)) == {b"key:1"}
    for options in (("TYPE", "list"), ("TYPE", "ZSet"), ("MATCH", "nosuch")):
        assert scan(engine, *options) == []
    for name in ("nosuch", "", "stringy"):
        assert error(engine, "SCAN", 0, "TYPE", name) == f"ERR unknown type name '{name}'"
    cursor, first = engine.execute("SCAN", 0)
    assert cursor != b"0" and 10 <= len(first) < 100
    cursor, everything = engine.execute("SCAN", 0, "COUNT", 10_000)
    assert cursor == b"0" and set(everything) == names
    assert hits_and_misses(engine, "SCAN", 0, "COUNT", 10_000) == (0, 0)
    assert hits_and_misses(engine, "SCAN", 0, "COUNT", 10_000, "TYPE", "list") == (0, 0)


def test_scan_of_a_sparse_table_takes_bounded_steps(engine: Engine) -> None:
    engine.set_resizing(False)
    for number in range(20_000):
        engine.execute("SET", f"key:{number}", 1)
    for number in range(1, 20_000):
        engine.execute("DEL", f"key:{number}")
    cursor, steps, found = b"0", 0, []
    while True:
        cursor, names = engine.execute("SCAN", cursor, "COUNT", 1)
        found += names
        steps += 1
        if cursor == b"0":
            break
    assert found == [b"key:0"]
    assert steps > 50


@pytest.mark.parametrize("seed", range(20))
def test_scan_misses_nothing_while_the_table_changes(seed: int) -> None:
    source = random.Random(seed)
    engine = Engine()
    stable = {b"stable:%d" % number for number in range(source.choice([1, 10, 200]))}
    for name in stable:
        engine.execute("SET", name, 1)
    passing = source.choice([50, 1000, 5000])
    for number in range(source.choice([0, passing])):
        engine.execute("SET", f"passing:{number}", 1)
    seen: set[bytes] = set()
    cursor = b"0"
    while True:
        cursor, names = engine.execute("SCAN", cursor, "COUNT", source.choice([1, 10, 100]))
        seen.update(names)
        if cursor == b"0":
            break
        verb = source.choice(["SET", "DEL"])
        start = source.randrange(passing)
        for number in range(start, min(passing, start + source.choice([5, 500]))):
            engine.execute(verb, f"passing:{number}", *(["1"] if verb == "SET" else []))
    assert stable <= seen


def test_scan_removes_what_expired(engine: Engine) -> None:
    names = [b"k%d" % number for number in range(300)]
    for name in names:
        engine.execute("SET", name, 1)
    let_expire(engine, *names[:200])
    assert set(scan(engine)) == set(names[200:])
    assert engine.database_size(0) == 100
    assert engine.statistics["expired_keys"] == 200
    let_expire(engine, *names[200:])
    assert scan(engine, "TYPE", "list", "COUNT", 1000) == []
    assert engine.database_size(0) == 100, "an expired key of another type is left alone"
    assert scan(engine, "TYPE", "string", "COUNT", 1000) == []
    assert engine.database_size(0) == 0


def test_scan_cursors(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    for cursor in ("0", "+0", "-0", "00", " 0", b"0\0x"):
        assert engine.execute("SCAN", cursor) == [b"0", [b"k"]]
    for cursor in ("18446744073709551615", "-18446744073709551615", "12345678", " 5"):
        assert engine.execute("SCAN", cursor)[0] == b"0"
    too_large = ("18446744073709551616", "-18446744073709551616", "9" * 30)
    for cursor in ("", "-1", "x", "5x", "5 ", "-", "+", "1.5", "--1", *too_large):
        assert error(engine, "SCAN", cursor) == "ERR invalid cursor"
        assert error(engine, "SCAN", cursor, "COUNT", 0) == "ERR invalid cursor"


def test_scan_errors(engine: Engine) -> None:
    for options in (("nosuch",), ("MATCH",), ("COUNT",), ("TYPE",), ("COUNT", 0), ("COUNT", -1), ("COUNT", 1, "x")):
        assert error(engine, "SCAN", 0, *options) == SYNTAX
    assert error(engine, "SCAN", 0, "nosuch", 1) == SYNTAX
    for count in ("x", "", 2**63):
        assert error(engine, "SCAN", 0, "COUNT", count) == NOT_INTEGER


# OBJECT


def test_object(engine: Engine) -> None:
    for value, encoding in ((b"12", b"int"), (b"x" * 44, b"embstr"), (b"x" * 45, b"raw"), (b"x" * 1000, b"raw")):
        engine.execute("SET", "k", value)
        assert engine.execute("OBJECT", "ENCODING", "k") == encoding
    assert engine.execute("OBJECT", "IDLETIME", "k") == 0
    for subcommand in ("ENCODING", "IDLETIME", "REFCOUNT", "FREQ"):
        assert engine.execute("OBJECT", subcommand, "missing") is None
        for arguments in ((), ("a", "b")):
            expected = f"ERR wrong number of arguments for 'object|{subcommand.lower()}' command"
            assert error(engine, "OBJECT", subcommand, *arguments) == expected
    assert error(engine, "OBJECT", "nosuch", "k") == "ERR unknown subcommand 'nosuch'. Try OBJECT HELP."
    assert error(engine, "OBJECT") == "ERR wrong number of arguments for 'object' command"
    text = engine.execute("OBJECT", "HELP")
    assert text[0] == "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert [line.split()[0] for line in text[1:] if not line.startswith(" ")] == [
        "ENCODING",
        "FREQ",
        "IDLETIME",
        "REFCOUNT",
        "HELP",
    ]


def test_object_refcount(engine: Engine) -> None:
    for value, count in ((0, 2**31 - 1), (9999, 2**31 - 1), (10_000, 1), (-1, 1), ("text", 1), ("x" * 1000, 1)):
        engine.execute("SET", "k", value)
        assert engine.execute("OBJECT", "REFCOUNT", "k") == count
    engine.execute("SET", "k", 1)
    engine.set("lfu", 1)
    assert engine.execute("OBJECT", "REFCOUNT", "k") == 2**31 - 1
    engine.set("max_memory", 1 << 30)
    assert engine.execute("OBJECT", "REFCOUNT", "k") == 1


def test_object_needs_the_right_policy(engine: Engine) -> None:
    rest = "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
    engine.execute("SET", "k", "v")
    not_tracked = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. " + rest
    assert error(engine, "OBJECT", "FREQ", "k") == not_tracked
    engine.set("lfu", 1)
    engine.execute("SET", "k", "v")
    assert 0 < engine.execute("OBJECT", "FREQ", "k") <= 255
    assert error(engine, "OBJECT", "IDLETIME", "k") == (
        "ERR An LFU maxmemory policy is selected, idle time not tracked. " + rest
    )


# Databases


@pytest.mark.parametrize("lazy", [0, 1])
@pytest.mark.parametrize("mode", [(), ("SYNC",), ("async",)], ids=str)
def test_flush(engine: Engine, mode: tuple[str, ...], lazy: int) -> None:
    engine.set("lazy_user_flush", lazy)
    deferred = mode == ("async",) or (not mode and bool(lazy))
    for number in (0, 5):
        engine.execute("SELECT", number)
        for name in range(200):
            engine.execute("SET", name, "v", "EX", 100)
    with changes(engine, 200):
        assert engine.execute("FLUSHDB", *mode) == "OK"
    assert engine.memory["discarded_entries"] == (200 if deferred else 0)
    assert engine.execute("DBSIZE") == 0 and engine.database_size(0) == 200
    engine.execute("SET", "k", "v")
    with changes(engine, 201):
        assert engine.execute("FLUSHALL", *mode) == "OK"
    assert engine.database_size(0) == engine.database_size(5) == 0
    while engine.before_sleep():
        pass
    assert engine.memory["discarded_entries"] == 0
    with changes(engine, 0):
        engine.execute("FLUSHALL")
        engine.execute("FLUSHDB")


def test_flush_errors(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    for command in ("FLUSHDB", "FLUSHALL"):
        for options in (("nosuch",), ("",), ("SYNC", "ASYNC"), ("SYNC", "SYNC")):
            assert error(engine, command, *options) == SYNTAX
    assert engine.execute("DBSIZE") == 1


def test_swapdb(engine: Engine) -> None:
    engine.execute("SET", "k", "zero", "EX", 100)
    engine.execute("SELECT", 3)
    engine.execute("MSET", "k", "three", "other", 1)
    with changes(engine, 1):
        assert engine.execute("SWAPDB", 0, 3) == "OK"
    assert engine.execute("GET", "k") == b"zero" and engine.execute("TTL", "k") == 100
    assert [engine.database_statistics(number)["expires"] for number in (0, 3)] == [0, 1]
    engine.execute("SELECT", 0)
    assert engine.execute("GET", "k") == b"three" and engine.execute("DBSIZE") == 2
    assert engine.execute("SWAPDB", 0, 0) == "OK"
    assert engine.execute("SWAPDB", 7, 0) == "OK"
    assert engine.execute("DBSIZE") == 0 and engine.database_size(7) == 2
    for first, second in ((0, 16), (16, 0), (-1, 0), (99, 99)):
        assert error(engine, "SWAPDB", first, second) == DB_RANGE
    for wrong in ("x", "", 2**31, 2**63):
        assert error(engine, "SWAPDB", wrong, "x") == "ERR invalid first DB index"
        assert error(engine, "SWAPDB", 0, wrong) == "ERR invalid second DB index"


def test_select() -> None:
    engine = Engine(databases=3)
    for number in range(3):
        assert engine.execute("SELECT", number) == "OK"
        engine.execute("SET", number, 1)
    for number in (3, -1, 2**31 - 1):
        assert error(engine, "SELECT", number) == DB_RANGE
    assert error(engine, "SELECT", 2**31) == INT_RANGE
    for wrong in ("x", "", "1.0", 2**63):
        assert error(engine, "SELECT", wrong) == NOT_INTEGER
    assert engine.execute("KEYS", "*") == [b"2"]


# The connection


def test_ping_and_echo(engine: Engine) -> None:
    assert engine.execute("PING") == "PONG"
    assert engine.execute("PING", b"a\r\nb\0") == b"a\r\nb\0"
    assert error(engine, "PING", "a", "b") == "ERR wrong number of arguments for 'ping' command"
    assert engine.execute("ECHO", "") == b""
    assert engine.execute("ECHO", b"\xff" * 100_000) == b"\xff" * 100_000


def test_time(engine: Engine) -> None:
    before = time.time_ns() // 1000
    seconds, microseconds = map(int, engine.execute("TIME"))
    after = time.time_ns() // 1000
    assert 0 <= microseconds < 1_000_000
    assert before <= seconds * 1_000_000 + microseconds <= after


@pytest.mark.parametrize(
    ("command", "counts"),
    [
        ("DEL", [0]),
        ("EXISTS", [0]),
        ("KEYS", [0, 2]),
        ("RENAME", [1, 3]),
        ("COPY", [1]),
        ("MOVE", [1, 3]),
        ("TTL", [0, 2]),
        ("PERSIST", [0, 2]),
        ("SCAN", [0]),
        ("RANDOMKEY", [1]),
        ("DBSIZE", [1]),
        ("SWAPDB", [1, 3]),
        ("TIME", [1]),
        ("ECHO", [0, 2]),
        ("SELECT", [0, 2]),
    ],
)
def test_arity(engine: Engine, command: str, counts: list[int]) -> None:
    for count in counts:
        expected = f"ERR wrong number of arguments for '{command.lower()}' command"
        assert error(engine, command, *["1"] * count) == expected


@pytest.mark.parametrize("way", ["cycle", "lookup"])
def test_long_expiries_are_latency_events(engine: Engine, way: str) -> None:
    if not engine.heap_is_checked:
        pytest.skip("only a checked heap has a limit")
    events: list[str] = []
    engine.on_latency = lambda event, ms: events.append(event)
    engine.execute("SADD", "large", *(f"member:{number}" for number in range(300_000)))
    engine.execute("PEXPIRE", "large", 1000)
    engine.heap_limit = 1  # no memory to note that something is to be released: it is released at once
    engine.set("latency_threshold_ms", 1)
    engine.clock_offset_ms += 1001
    if way == "cycle":
        engine.cron(10_000)
        assert events == ["expire-del", "expire-cycle"]
    else:
        assert engine.inspect(0, b"large") is None
        assert events[0] == "expire-del"
    assert engine.database_size(0) == 0
