"""Hashes and the deadlines of their fields: against a plain dict through every change of encoding, and by command.

The engine's clock is moved forward where time is to pass, so nothing waits.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.config.compatibility import PROFILES

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NUMFIELDS = "ERR numfields should be greater than 0 and match the provided number of fields"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
LATER = 4102444800  # seconds; the year 2100
STEP_MS = 1_000_000
FIELDS = [b"", b"1", b"-5", b"12345678901", b"a", b"b", b"c" * 9, b"d" * 20, b"e" * 300] + [
    b"f%d" % i for i in range(8)
]
VALUES = [b"", b"0", b"-7", b"70000", b"9223372036854775807", b"x", b"y" * 11, b"z" * 12, b"v" * 260, b"w" * 3000]


def valkey_engine() -> Engine:
    """An engine that judges and tells as Valkey does; what Redis does otherwise is in test_compatibility."""
    engine = Engine()
    for name, value in PROFILES["valkey"].settings.items():
        engine.set(name, value)
    return engine


@pytest.fixture
def engine() -> Engine:
    return valkey_engine()


def fails(engine: Engine, *command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*command)
    return str(caught.value)


def encoding(engine: Engine, key: str = "h") -> bytes:
    name: bytes = engine.execute("OBJECT", "ENCODING", key)
    return name


def pass_time(engine: Engine, milliseconds: int) -> None:
    engine.clock_offset_ms += milliseconds


class HashMachine(RuleBasedStateMachine):
    """One hash and its model: field → (value, deadline or None). What has expired stays in the model until the engine
    is told to look for it, since HLEN counts it.

    Time passes in steps so long that however slow the machine is, no deadline, amid a step, passes by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = valkey_engine()
        self.engine.set("latency_tracking", 0)
        self.baseline = self.memory()
        self.model: dict[bytes, tuple[bytes, int | None]] = {}
        self.begun = self.engine.renew_clock()
        self.steps = 0

    @initialize(entries=st.integers(0, 12), length=st.integers(0, 20))
    def set_thresholds(self, entries: int, length: int) -> None:
        self.engine.set("hash_max_listpack_entries", entries)
        self.engine.set("hash_max_listpack_value", length)

    def deadline(self, steps: int) -> int:
        """Amid the last of so many steps from now on."""
        return int(self.begun + (self.steps + steps) * STEP_MS - STEP_MS // 2)

    def live(self, field: bytes) -> bool:
        return field in self.model and not self.over(field)

    def over(self, field: bytes) -> bool:
        deadline = self.model[field][1]
        return deadline is not None and deadline < self.deadline(1)

    @rule(entries=st.integers(0, 12), length=st.integers(0, 20))
    def change_thresholds(self, entries: int, length: int) -> None:
        self.set_thresholds(entries, length)

    @rule(pairs=st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)), min_size=1, max_size=14))
    def hset(self, pairs: list[tuple[bytes, bytes]]) -> None:
        new = len({field for field, _ in pairs if not self.live(field)})
        assert self.engine.execute("HSET", "h", *[part for pair in pairs for part in pair]) == new
        self.model.update({field: (value, None) for field, value in pairs})

    @rule(field=st.sampled_from(FIELDS), value=st.sampled_from(VALUES), ahead=st.integers(1, 5))
    def hsetex(self, field: bytes, value: bytes, ahead: int) -> None:
        deadline = self.deadline(ahead)
        assert self.engine.execute("HSETEX", "h", "PXAT", deadline, "FIELDS", 1, field, value) == 1
        self.model[field] = (value, deadline)

    @rule(field=st.sampled_from(FIELDS), value=st.sampled_from(VALUES))
    def hsetex_keepttl(self, field: bytes, value: bytes) -> None:
        kept = self.model[field][1] if self.live(field) else None
        assert self.engine.execute("HSETEX", "h", "KEEPTTL", "FIELDS", 1, field, value) == 1
        self.model[field] = (value, kept)

    @rule(fields=st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6))
    def hdel(self, fields: list[bytes]) -> None:
        there = {field for field in fields if self.live(field)}
        assert self.engine.execute("HDEL", "h", *fields) == len(there)
        for field in there:
            del self.model[field]

    @rule(field=st.sampled_from(FIELDS))
    def hgetdel(self, field: bytes) -> None:
        expected = self.model.pop(field)[0] if self.live(field) else None
        assert self.engine.execute("HGETDEL", "h", "FIELDS", 1, field) == [expected]

    @rule(
        field=st.sampled_from(FIELDS),
        ahead=st.integers(1, 5),
        condition=st.sampled_from(["", "NX", "XX", "GT", "LT"]),
    )
    def hpexpireat(self, field: bytes, ahead: int, condition: str) -> None:
        deadline = self.deadline(ahead)
        words = [condition] if condition else []
        answer = self.engine.execute("HPEXPIREAT", "h", deadline, *words, "FIELDS", 1, field)
        if not self.live(field):
            assert answer == [-2]
            return
        value, old = self.model[field]
        met = {
            "": True,
            "NX": old is None,
            "XX": old is not None,
            "GT": old is not None and deadline > old,
            "LT": old is None or deadline < old,
        }[condition]
        assert answer == [int(met)]
        if met:
            self.model[field] = (value, deadline)

    @rule(field=st.sampled_from(FIELDS))
    def hpersist(self, field: bytes) -> None:
        expected = -2
        if self.live(field):
            value, deadline = self.model[field]
            expected = -1 if deadline is None else 1
            self.model[field] = (value, None)
        assert self.engine.execute("HPERSIST", "h", "FIELDS", 1, field) == [expected]

    @rule(field=st.sampled_from(FIELDS))
    def hexpire_at_once(self, field: bytes) -> None:
        expected = 2 if self.live(field) else -2
        assert self.engine.execute("HEXPIRE", "h", 0, "FIELDS", 1, field) == [expected]
        if expected == 2:
            del self.model[field]

    @rule(steps=st.integers(1, 3))
    def time_passes(self, steps: int) -> None:
        pass_time(self.engine, steps * STEP_MS)
        self.steps += steps

    @rule()
    def active_expiry(self) -> None:
        self.engine.cron(1000000)
        self.model = {field: entry for field, entry in self.model.items() if not self.over(field)}

    @precondition(lambda self: self.model)
    @rule(how=st.sampled_from(["copy", "rename", "move", "swap", "persist"]))
    def entry_moves(self, how: str) -> None:
        execute = self.engine.execute
        if how == "copy":
            self.model = {field: entry for field, entry in self.model.items() if not self.over(field)}
            assert execute("COPY", "h", "other") == bool(self.model)
            execute("DEL", "h")
            if self.model:
                execute("RENAME", "other", "h")
        elif how == "rename":
            execute("HSET", "other", "field", "value")
            execute("RENAME", "h", "other")
            execute("RENAME", "other", "h")
        elif how == "move":
            assert execute("MOVE", "h", 1) == 1
            assert self.engine.database_statistics(0)["field_expires"] == 0
            execute("SELECT", 1)
            assert execute("MOVE", "h", 0) == 1
            execute("SELECT", 0)
        elif how == "swap":
            execute("SWAPDB", 0, 1)
            execute("SWAPDB", 1, 0)
        else:
            execute("EXPIRE", "h", 100000)
            execute("PERSIST", "h")

    @invariant()
    def agrees(self) -> None:
        execute = self.engine.execute
        expected = {field: value for field, (value, _) in self.model.items() if self.live(field)}
        assert execute("HGETALL", "h") == expected
        assert execute("HLEN", "h") == len(self.model)
        assert execute("EXISTS", "h") == bool(self.model)
        if not self.model:
            assert self.engine.database_statistics(0)["field_expires"] == 0
            return
        assert sorted(execute("HKEYS", "h")) == sorted(expected)
        assert sorted(execute("HVALS", "h")) == sorted(expected.values())
        scanned = execute("HSCAN", "h", 0, "COUNT", 1000)[1]
        assert dict(zip(scanned[::2], scanned[1::2], strict=True)) == expected
        deadlines = [
            -2 if not self.live(field) else -1 if self.model[field][1] is None else self.model[field][1]
            for field in FIELDS
        ]
        assert execute("HPEXPIRETIME", "h", "FIELDS", len(FIELDS), *FIELDS) == deadlines
        assert execute("HMGET", "h", *FIELDS) == [expected.get(field) for field in FIELDS]
        timed = any(deadline is not None for _, deadline in self.model.values())
        assert self.engine.database_statistics(0)["field_expires"] == timed
        if timed:
            assert execute("OBJECT", "ENCODING", "h") == b"hashtable"

    def memory(self) -> int:
        """What is taken without any key; the same reply before takes the buffers for output out of the account."""
        self.engine.execute("HSET", "h", *[part for field in FIELDS for part in (field, VALUES[-1])])
        self.engine.execute("HGETALL", "h")
        self.engine.execute("FLUSHALL")
        return self.engine.memory["used"]

    def teardown(self) -> None:
        assert self.memory() == self.baseline


TestAgainstADict = HashMachine.TestCase
TestAgainstADict.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_encodings_follow_the_thresholds(engine: Engine) -> None:
    engine.execute("HSET", "h", *[part for i in range(512) for part in (f"f{i}", "v")])
    assert encoding(engine) == b"listpack"
    engine.execute("HSET", "h", "f0", "again")
    assert encoding(engine) == b"listpack"
    engine.execute("HSET", "h", "one more", "v")
    assert encoding(engine) == b"hashtable"
    engine.execute("HDEL", "h", *[f"f{i}" for i in range(512)])
    assert encoding(engine) == b"hashtable"
    engine.execute("HSET", "long value", "f", "v" * 64)
    assert encoding(engine, "long value") == b"listpack"
    engine.execute("HSET", "long value", "f", "v" * 65)
    assert encoding(engine, "long value") == b"hashtable"
    engine.execute("HSET", "long field", "f" * 65, "v")
    assert encoding(engine, "long field") == b"hashtable"
    engine.execute("HSET", "many at once", *[part for i in range(513) for part in ("same", str(i))])
    assert encoding(engine, "many at once") == b"hashtable"
    assert engine.execute("HGETALL", "many at once") == {b"same": b"512"}


def test_a_listpack_keeps_the_order_of_its_fields(engine: Engine) -> None:
    engine.execute("HSET", "h", "c", 1, "a", 2, "b", 3, "10", 4)
    engine.execute("HSET", "h", "a", "changed")
    assert list(engine.execute("HGETALL", "h")) == [b"c", b"a", b"b", b"10"]
    assert engine.execute("HVALS", "h") == [b"1", b"changed", b"3", b"4"]


@pytest.mark.parametrize("entries", [512, 0])
def test_single_fields(engine: Engine, entries: int) -> None:
    engine.set("hash_max_listpack_entries", entries)
    assert engine.execute("HSET", "h", "a", "1", "b", "two") == 2
    assert engine.execute("HSET", "h", "a", "2", "c", "") == 1
    assert engine.execute("HMSET", "h", "d", "4") == b"OK" or engine.execute("HGET", "h", "d") == b"4"
    assert engine.execute("HSETNX", "h", "a", "3") == 0
    assert engine.execute("HSETNX", "h", "e", "3") == 1
    assert engine.execute("HGET", "h", "a") == b"2"
    assert engine.execute("HGET", "h", "none") is None
    assert engine.execute("HGET", "no key", "a") is None
    assert engine.execute("HMGET", "h", "a", "none", "c") == [b"2", None, b""]
    assert engine.execute("HMGET", "no key", "a", "b") == [None, None]
    assert engine.execute("HSTRLEN", "h", "b") == 3
    assert engine.execute("HSTRLEN", "h", "a") == 1
    assert engine.execute("HSTRLEN", "h", "none") == engine.execute("HSTRLEN", "no key", "a") == 0
    assert engine.execute("HEXISTS", "h", "a") == 1
    assert engine.execute("HEXISTS", "h", "none") == engine.execute("HEXISTS", "no key", "a") == 0
    assert engine.execute("HLEN", "h") == 5
    assert engine.execute("HDEL", "h", "a", "a", "none") == 1
    assert engine.execute("HDEL", "no key", "a") == 0
    assert engine.execute("HDEL", "h", "b", "c", "d", "e") == 4
    assert engine.execute("EXISTS", "h") == 0
    for command in ("HKEYS", "HVALS"):
        assert engine.execute(command, "no key") == []
    assert engine.execute("HGETALL", "no key") == {}


def test_changes_are_counted_by_field(engine: Engine) -> None:
    for command, changes in (
        (("HSET", "h", "a", 1, "b", 2, "c", 3), 3),
        (("HSET", "h", "a", 1), 1),
        (("HSETNX", "h", "a", 1), 0),
        (("HINCRBY", "h", "a", 1), 1),
        (("HDEL", "h", "a", "b", "none"), 2),
        (("HEXPIRE", "h", 100, "FIELDS", 2, "c", "none"), 1),
        (("HEXPIRE", "h", 100, "NX", "FIELDS", 1, "c"), 0),
        (("HGETEX", "h", "FIELDS", 1, "c"), 0),
        (("HGETEX", "h", "PERSIST", "FIELDS", 1, "c"), 1),
        (("HPERSIST", "h", "FIELDS", 1, "c"), 0),
        (("HSETEX", "h", "EX", 10, "FIELDS", 2, "x", 1, "y", 1), 2),
        (("HSETEX", "h", "FNX", "FIELDS", 1, "x", 1), 0),
        (("HSETEX", "h", "EX", 0, "FIELDS", 2, "x", 1, "none", 1), 1),
        (("HGETDEL", "h", "FIELDS", 3, "y", "y", "c"), 2),
    ):
        before = engine.dirty
        engine.execute(*command)
        assert engine.dirty - before == changes, command


@pytest.mark.parametrize("entries", [512, 0])
def test_increments(engine: Engine, entries: int) -> None:
    engine.set("hash_max_listpack_entries", entries)
    assert engine.execute("HINCRBY", "h", "n", 5) == 5
    assert engine.execute("HINCRBY", "h", "n", -7) == -2
    assert engine.execute("HINCRBY", "h", "max", 2**63 - 1) == 2**63 - 1
    assert fails(engine, "HINCRBY", "h", "max", 1) == "ERR increment or decrement would overflow"
    assert engine.execute("HINCRBY", "h", "max", -(2**63)) == -1
    assert fails(engine, "HINCRBY", "h", "max", -(2**63)) == "ERR increment or decrement would overflow"
    engine.execute("HSET", "h", "text", "abc", "float", "5.0e3", "spaced", " 1", "huge", 10**19)
    for field in ("text", "float", "spaced", "huge"):
        assert fails(engine, "HINCRBY", "h", field, 1) == "ERR hash value is not an integer"
    assert fails(engine, "HINCRBY", "h", "n", "x") == fails(engine, "HINCRBY", "no key", "n", 1.5) == NOT_AN_INTEGER
    assert engine.execute("EXISTS", "no key") == 0
    assert engine.execute("HINCRBYFLOAT", "h", "float", "2.0e2") == b"5200"
    assert engine.execute("HINCRBYFLOAT", "h", "new", "0.1") == b"0.1"
    assert engine.execute("HINCRBYFLOAT", "h", "new", "0.2") == b"0.3"
    assert engine.execute("HINCRBYFLOAT", "h", "n", "-0.5") == b"-2.5"
    assert engine.execute("HINCRBYFLOAT", "h", "huge", 1) == b"10000000000000000001"
    assert fails(engine, "HINCRBYFLOAT", "h", "text", 1) == "ERR hash value is not a float"
    assert fails(engine, "HINCRBYFLOAT", "h", "n", "x") == "ERR value is not a valid float"
    assert fails(engine, "HINCRBYFLOAT", "h", "n", "inf") == "ERR value is NaN or Infinity"
    engine.execute("HSET", "h", "inf", "inf")
    assert fails(engine, "HINCRBYFLOAT", "h", "inf", 1) == "ERR increment would produce NaN or Infinity"


def test_an_increment_keeps_the_deadline_and_a_new_value_ends_it(engine: Engine) -> None:
    engine.execute("HSET", "h", "n", 1)
    engine.execute("HEXPIREAT", "h", LATER, "FIELDS", 1, "n")
    engine.execute("HINCRBY", "h", "n", 1000000)
    engine.execute("HINCRBYFLOAT", "h", "n", "0.125")
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 1, "n") == [LATER]
    engine.execute("HSET", "h", "n", 1)
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 1, "n") == [-1]


def test_wrong_type_and_arity(engine: Engine) -> None:
    engine.execute("SET", "s", "text")
    for command in (
        "HSET s a 1", "HMSET s a 1", "HSETNX s a 1", "HGET s a", "HMGET s a", "HGETALL s", "HKEYS s", "HVALS s",
        "HLEN s", "HSTRLEN s a", "HEXISTS s a", "HDEL s a", "HINCRBY s a 1", "HINCRBYFLOAT s a 1", "HRANDFIELD s",
        "HRANDFIELD s 1", "HSCAN s 0", "HEXPIRE s 1 FIELDS 1 a", "HTTL s FIELDS 1 a", "HPERSIST s FIELDS 1 a",
        "HGETEX s FIELDS 1 a", "HGETEX s EX abc FIELDS 1 a", "HSETEX s FIELDS 1 a 1",
        "HSETEX s NX EX -1 FIELDS 1 a 1", "HGETDEL s FIELDS 1 a",
    ):  # fmt: skip
        assert fails(engine, *command.split()) == WRONG_TYPE, command
    assert fails(engine, "HSET", "h", "a", "1", "b") == "ERR wrong number of arguments for 'hset' command"
    assert fails(engine, "HMSET", "h", "a", "1", "b") == "ERR wrong number of arguments for 'hmset' command"
    assert engine.execute("GET", "s") == b"text"
    assert engine.execute("EXISTS", "h") == 0


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("HEXPIRE h abc FIELDS 1 a", NOT_AN_INTEGER),
        ("HEXPIRE h -1 FIELDS 1 a", "ERR invalid expire time in 'hexpire' command"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "ERR invalid expire time in 'hexpire' command"),
        ("HPEXPIRE h 9223372036854775807 FIELDS 1 a", "ERR invalid expire time in 'hpexpire' command"),
        ("HEXPIRE h abc FIELDS 2 a", NUMFIELDS),
        ("HEXPIRE h 10 FIELDS 0 a", NUMFIELDS),
        ("HEXPIRE h 10 FIELDS -1 a", NUMFIELDS),
        ("HEXPIRE h 10 FIELDS 1 a b", NUMFIELDS),
        ("HEXPIRE h 10 FOO 1 a", NUMFIELDS),
        ("HEXPIRE h 10 FIELDS x a", NOT_AN_INTEGER),
        ("HEXPIRE h abc FOO FIELDS 2 a", "ERR Unsupported option FOO"),
        ("HEXPIRE h 10 NX XX FIELDS 1 a", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("HEXPIRE h 10 GT LT FIELDS 1 a", "ERR GT and LT options at the same time are not compatible"),
        ("HTTL h FOO 1 a", SYNTAX),
        ("HTTL h FIELDS 2 a", SYNTAX),
        ("HTTL h FIELDS 0 a", SYNTAX),
        ("HTTL h FIELDS x a", NOT_AN_INTEGER),
        ("HPERSIST h FOO 1 a", SYNTAX),
        ("HPERSIST h FIELDS 2 a", NUMFIELDS),
        ("HGETEX h EX 10 PX 10 FIELDS 1 a", SYNTAX),
        ("HGETEX h KEEPTTL FIELDS 1 a", SYNTAX),
        ("HGETEX h EX FIELDS 1 a", SYNTAX),
        ("HGETEX h EX 10 1 a b", NUMFIELDS),
        ("HGETEX h EX abc FIELDS 2 a", NUMFIELDS),
        ("HGETEX h EX abc FIELDS 1 a", NOT_AN_INTEGER),
        ("HGETEX h EX -1 FIELDS 1 a", "ERR invalid expire time in 'hgetex' command"),
        ("HGETEX h FIELDS 1 a EX 10", NUMFIELDS),
        ("HGETDEL h FOO 1 a", SYNTAX),
        ("HGETDEL h FIELDS 2 a", NUMFIELDS),
        ("HGETDEL h FIELDS x a", NOT_AN_INTEGER),
        ("HSETEX h NX XX FIELDS 1 a 1", SYNTAX),
        ("HSETEX h FNX FXX FIELDS 1 a 1", SYNTAX),
        ("HSETEX h EX 10 KEEPTTL FIELDS 1 a 1", SYNTAX),
        ("HSETEX h PERSIST FIELDS 1 a 1", SYNTAX),
        ("HSETEX h FIELDS 2 a 1", NUMFIELDS),
        ("HSETEX h FIELDS 1 a 1 b 2", NUMFIELDS),
        ("HSETEX h FIELDS x a 1", NOT_AN_INTEGER),
        ("HSETEX h EX -1 FIELDS 1 a 1", "ERR invalid expire time in 'hsetex' command"),
        ("HRANDFIELD h x", NOT_AN_INTEGER),
        ("HRANDFIELD h 2 FOO", SYNTAX),
        ("HRANDFIELD h 2 WITHVALUES x", SYNTAX),
        ("HRANDFIELD h 9223372036854775807 WITHVALUES", "ERR value is out of range"),
        ("HRANDFIELD h -4611686018427387904 WITHVALUES", "ERR value is out of range"),
        (
            "HRANDFIELD h -9223372036854775808",
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("HSCAN h x", "ERR invalid cursor"),
        ("HSCAN h 0 COUNT 0", SYNTAX),
        ("HSCAN h 0 COUNT x", NOT_AN_INTEGER),
        ("HSCAN h 0 MATCH", SYNTAX),
        ("HSCAN h 0 NOSCORES", "ERR NOSCORES option can only be used in ZSCAN"),
    ],
)
def test_errors(engine: Engine, command: str, error: str) -> None:
    engine.execute("HSET", "h", "a", "1", "b", "2")
    assert fails(engine, *command.split()) == error
    assert engine.execute("HGETALL", "h") == {b"a": b"1", b"b": b"2"}
    assert engine.execute("HTTL", "h", "FIELDS", 1, "a") == [-1]
    assert encoding(engine) == b"listpack"


def test_deadlines_of_fields(engine: Engine) -> None:
    engine.execute("HSET", "h", "a", 1, "b", 2, "c", 3)
    assert engine.execute("HEXPIRE", "h", 100, "FIELDS", 3, "a", "none", "a") == [1, -2, 1]
    assert engine.execute("HTTL", "h", "FIELDS", 3, "a", "b", "none") == [100, -1, -2]
    assert 99000 < engine.execute("HPTTL", "h", "FIELDS", 1, "a")[0] <= 100000
    assert engine.execute("HPEXPIREAT", "h", LATER * 1000 + 499, "FIELDS", 1, "b") == [1]
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 1, "b") == [LATER]
    assert engine.execute("HPEXPIREAT", "h", LATER * 1000 + 500, "FIELDS", 1, "b") == [1]
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 1, "b") == [LATER + 1]
    assert engine.execute("HPEXPIREAT", "h", 2**63 - 1, "FIELDS", 1, "b") == [1]
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 1, "b") == [9223372036854776]
    assert engine.execute("HPERSIST", "h", "FIELDS", 3, "b", "c", "none") == [1, -1, -2]
    assert engine.execute("HEXPIREAT", "h", 1, "FIELDS", 2, "a", "a") == [2, -2]
    assert engine.execute("HEXPIRE", "h", 0, "FIELDS", 2, "b", "c") == [2, 2]
    assert engine.execute("EXISTS", "h") == 0
    assert engine.statistics["expired_fields"] == 3
    for command in ("HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST"):
        assert engine.execute(command, "no key", "FIELDS", 2, "a", "b") == [-2, -2]
    assert engine.execute("HEXPIRE", "no key", 100, "FIELDS", 2, "a", "b") == [-2, -2]


def test_hgetex(engine: Engine) -> None:
    engine.execute("HSET", "h", "a", 1, "b", 2)
    assert engine.execute("HGETEX", "h", "FIELDS", 2, "a", "none") == [b"1", None]
    assert encoding(engine) == b"listpack"
    assert engine.execute("HGETEX", "h", "EX", 100, "FIELDS", 1, "none") == [None]
    assert encoding(engine) == b"listpack"
    assert engine.execute("HGETEX", "h", "EXAT", LATER, "FIELDS", 2, "a", "a") == [b"1", b"1"]
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [LATER, -1]
    assert engine.execute("HGETEX", "h", "PERSIST", "PERSIST", "FIELDS", 2, "a", "b") == [b"1", b"2"]
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [-1, -1]
    assert engine.execute("HGETEX", "h", "EX", 0, "FIELDS", 2, "a", "a") == [b"1", None]
    assert engine.execute("HGETEX", "h", "PXAT", 0, "FIELDS", 1, "b") == [b"2"]
    assert engine.execute("EXISTS", "h") == 0
    assert engine.execute("HGETEX", "h", "EX", 0, "FIELDS", 1, "b") == [None]


def test_hsetex(engine: Engine) -> None:
    assert engine.execute("HSETEX", "h", "XX", "EX", "abc", "FIELDS", 1, "a", 1) == 0
    assert engine.execute("HSETEX", "h", "FXX", "FIELDS", 1, "a", 1) == 0
    assert engine.execute("EXISTS", "h") == 0
    assert engine.execute("HSETEX", "h", "NX", "EXAT", LATER, "FIELDS", 2, "a", 1, "b", 2) == 1
    assert engine.execute("HSETEX", "h", "NX", "FIELDS", 1, "a", 1) == 0
    assert engine.execute("HSETEX", "h", "FNX", "FIELDS", 2, "b", 3, "c", 3) == 0
    assert engine.execute("HSETEX", "h", "FXX", "FIELDS", 2, "b", 3, "c", 3) == 0
    assert engine.execute("HSETEX", "h", "XX", "FXX", "KEEPTTL", "FIELDS", 1, "b", "longer than before") == 1
    assert engine.execute("HSETEX", "h", "FIELDS", 1, "a", 2) == 1
    assert engine.execute("HEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [-1, LATER]
    assert engine.execute("HGETALL", "h") == {b"a": b"2", b"b": b"longer than before"}
    assert engine.execute("HSETEX", "h", "EXAT", 1, "FIELDS", 2, "a", 1, "new", 1) == 1
    assert engine.execute("HGETALL", "h") == {b"b": b"longer than before"}
    assert engine.execute("HSETEX", "h", "EX", 0, "FIELDS", 1, "b", 1) == 1
    assert engine.execute("HSETEX", "gone at once", "EX", 0, "FIELDS", 1, "b", 1) == 1
    assert engine.execute("DBSIZE") == 0


def test_hgetdel(engine: Engine) -> None:
    engine.execute("HSET", "h", "a", 1, "b", 2)
    assert engine.execute("HGETDEL", "h", "FIELDS", 3, "a", "none", "a") == [b"1", None, None]
    assert engine.execute("HGETDEL", "h", "FIELDS", 1, "b") == [b"2"]
    assert engine.execute("EXISTS", "h") == 0
    assert engine.execute("HGETDEL", "h", "FIELDS", 2, "a", "b") == [None, None]


def test_expired_fields_are_hidden_until_they_are_removed(engine: Engine) -> None:
    engine.execute("HSETEX", "h", "PX", 1000, "FIELDS", 2, "old", 1, "older", 2)
    engine.execute("HSET", "h", "kept", 3)
    pass_time(engine, 2000)
    assert engine.execute("HGETALL", "h") == {b"kept": b"3"}
    assert engine.execute("HMGET", "h", "old", "kept") == [None, b"3"]
    assert engine.execute("HRANDFIELD", "h", 10) == [b"kept"]
    assert engine.execute("HRANDFIELD", "h", -3) == [b"kept"] * 3
    assert engine.execute("HRANDFIELD", "h") == b"kept"
    assert engine.execute("HSCAN", "h", 0) == [b"0", [b"kept", b"3"]]
    assert engine.execute("HDEL", "h", "old") == 0
    assert engine.execute("HEXPIRE", "h", 100, "FIELDS", 1, "old") == [-2]
    assert engine.execute("HLEN", "h") == 3
    assert engine.execute("HSETNX", "h", "old", "new") == 1
    assert engine.execute("HINCRBY", "h", "older", 5) == 5
    assert engine.execute("HTTL", "h", "FIELDS", 2, "old", "older") == [-1, -1]
    assert engine.execute("HLEN", "h") == 3
    assert engine.statistics["expired_fields"] == 2


def test_active_expiry_removes_fields_and_the_key_with_the_last(engine: Engine) -> None:
    engine.execute("HSETEX", "h", "PX", 1000, "FIELDS", 2, "a", 1, "b", 2)
    engine.execute("HSETEX", "other", "PX", 1000, "FIELDS", 1, "a", 1)
    engine.execute("HSET", "other", "kept", 1)
    assert engine.database_statistics(0)["field_expires"] == 2
    engine.cron(10000)
    assert engine.execute("HLEN", "h") == 2
    pass_time(engine, 2000)
    dirty = engine.dirty
    engine.cron(10000)
    assert engine.execute("EXISTS", "h") == 0
    assert engine.execute("HLEN", "other") == 1
    assert engine.database_statistics(0)["field_expires"] == 0
    assert engine.statistics["expired_fields"] == 3
    assert engine.dirty == dirty


def test_active_expiry_finds_few_due_fields_among_many_hashes(engine: Engine) -> None:
    for i in range(3000):
        engine.execute("HSETEX", f"h{i}", "PX", 1000 if i % 50 == 0 else 10**9, "FIELDS", 1, "f", "v")
    pass_time(engine, 2000)
    turns = 0
    while engine.statistics["expired_fields"] < 60:
        engine.cron(1000)
        turns += 1
        assert turns < 200
    assert engine.execute("DBSIZE") == 2940


def test_active_expiry_of_one_large_hash_is_bounded_by_its_budget(engine: Engine) -> None:
    count = 50000
    for start in range(0, count, 5000):
        pairs = [part for i in range(start, start + 5000) for part in (f"field{i}", "v")]
        engine.execute("HSETEX", "h", "PX", 10**6 + start, "FIELDS", 5000, *pairs)
    pass_time(engine, 2 * 10**6)
    engine.cron(0)
    first = engine.statistics["expired_fields"]
    assert 0 < first < count
    turns = 0
    while engine.execute("EXISTS", "h"):
        engine.cron(2000)
        turns += 1
        assert turns < 10000
    assert engine.statistics["expired_fields"] == count


def test_a_copy_has_no_fields_that_have_expired(engine: Engine) -> None:
    engine.execute("HSETEX", "h", "PX", 1000, "FIELDS", 2, "a", 1, "b", 2)
    engine.execute("HSET", "h", "c", 3)
    pass_time(engine, 2000)
    assert engine.execute("HLEN", "h") == 3
    assert engine.execute("COPY", "h", "copy") == 1
    assert engine.execute("HLEN", "copy") == 1
    engine.execute("HDEL", "h", "c")
    assert engine.execute("COPY", "h", "other") == 0
    assert engine.execute("EXISTS", "other") == 0


def test_deadlines_follow_the_key(engine: Engine) -> None:
    engine.execute("HSETEX", "h", "EXAT", LATER, "FIELDS", 1, "a", 1)
    engine.execute("COPY", "h", "copy")
    engine.execute("HPERSIST", "h", "FIELDS", 1, "a")
    assert engine.execute("HEXPIRETIME", "copy", "FIELDS", 1, "a") == [LATER]
    assert engine.database_statistics(0)["field_expires"] == 1
    engine.execute("SET", "copy", "string")
    assert engine.database_statistics(0)["field_expires"] == 0
    engine.execute("HSETEX", "h", "EX", 100, "FIELDS", 1, "a", 1)
    engine.execute("RENAME", "h", "copy")
    engine.execute("EXPIRE", "copy", 10)
    engine.execute("COPY", "copy", "copy", "DB", 1)
    engine.execute("SWAPDB", 0, 1)
    engine.execute("FLUSHDB")
    assert [engine.database_statistics(number)["field_expires"] for number in (0, 1)] == [0, 1]
    pass_time(engine, 200000)
    engine.cron(10000)
    assert [engine.database_size(number) for number in (0, 1)] == [0, 0]
    assert engine.database_statistics(1)["field_expires"] == 0


@pytest.mark.parametrize(("entries", "fields"), [(512, 40), (0, 40), (0, 3)])
def test_random_picks_are_unbiased(engine: Engine, entries: int, fields: int) -> None:
    engine.set("hash_max_listpack_entries", entries)
    engine.execute("HSET", "h", *[part for i in range(fields) for part in (f"f{i}", f"v{i}")])
    draws = 200 * fields
    picks: dict[str, Counter[bytes]] = {name: Counter() for name in ("one", "some", "again", "part")}
    for _ in range(draws):
        picks["one"][engine.execute("HRANDFIELD", "h")] += 1
    for count, name in ((max(1, fields // 8), "some"), (fields * 2 // 3, "part")):
        for _ in range(draws // count):
            few = engine.execute("HRANDFIELD", "h", count)
            assert len(set(few)) == count
            picks[name].update(few)
    picks["again"].update(engine.execute("HRANDFIELD", "h", -draws))
    for name, counts in picks.items():
        assert len(counts) == fields, name
        expected = sum(counts.values()) / fields
        statistic = sum((count - expected) ** 2 / expected for count in counts.values())
        # Chi-squared with fields - 1 degrees of freedom: its mean is that, its variance twice as much.
        assert statistic < fields - 1 + 7 * (2 * fields) ** 0.5, name


@pytest.mark.parametrize("entries", [512, 0])
def test_random_fields_with_values(engine: Engine, entries: int) -> None:
    engine.set("hash_max_listpack_entries", entries)
    pairs = {b"f%d" % i: b"v%d" % i for i in range(20)}
    engine.execute("HSET", "h", *[part for pair in pairs.items() for part in pair])
    for count in (1, 5, 15, 20, 30):
        picked = engine.execute("HRANDFIELD", "h", count, "WITHVALUES")
        assert len(picked) == min(count, 20)
        assert len({field for field, _ in picked}) == len(picked)
        assert all(pairs[field] == value for field, value in picked)
    picked = engine.execute("HRANDFIELD", "h", -50, "WITHVALUES")
    assert len(picked) == 50
    assert all(pairs[field] == value for field, value in picked)
    assert engine.execute("HRANDFIELD", "h", 0) == engine.execute("HRANDFIELD", "no key", -4) == []
    assert engine.execute("HRANDFIELD", "no key") is None


def test_random_field_where_nearly_all_have_expired(engine: Engine) -> None:
    engine.execute("HSETEX", "h", "PX", 1000, "FIELDS", 2000, *[part for i in range(2000) for part in (f"f{i}", "v")])
    engine.execute("HSET", "h", "kept", 1, "also", 2)
    pass_time(engine, 2000)
    assert {engine.execute("HRANDFIELD", "h") for _ in range(60)} == {b"kept", b"also"}
    assert sorted(engine.execute("HRANDFIELD", "h", 5)) == [b"also", b"kept"]
    engine.execute("HDEL", "h", "kept", "also")
    assert engine.execute("HRANDFIELD", "h") is None
    assert engine.execute("HRANDFIELD", "h", -5) == []


def test_scan_sees_every_field_that_stays(engine: Engine) -> None:
    source = random.Random(11)
    stable = {b"stable%d" % i for i in range(800)}
    engine.execute("HSET", "h", *[part for field in stable for part in (field, "v")])
    seen: set[bytes] = set()
    cursor = b"0"
    turn = 0
    while True:
        cursor, fields = engine.execute("HSCAN", "h", cursor, "COUNT", 7, "NOVALUES")
        seen.update(fields)
        if cursor == b"0":
            break
        turn += 1
        names = [f"passing{source.randrange(4000)}" for _ in range(60)]
        if turn // 15 % 2:
            engine.execute("HDEL", "h", *names)
        else:
            engine.execute("HSET", "h", *[part for name in names for part in (name, "v")])
    assert stable <= seen


@pytest.mark.parametrize("entries", [512, 0])
def test_scan_options(engine: Engine, entries: int) -> None:
    engine.set("hash_max_listpack_entries", entries)
    engine.execute("HSET", "h", "a1", 1, "a2", 2, "b1", 3, "10", 4)
    assert engine.execute("HSCAN", "no key", 0, "FOO") == [b"0", []]
    assert engine.execute("HSCAN", "h", 0, "MATCH", "1*", "COUNT", 100) == [b"0", [b"10", b"4"]]
    cursor, fields = engine.execute("HSCAN", "h", 0, "MATCH", "a*", "NOVALUES", "COUNT", 100)
    assert (cursor, sorted(fields)) == (b"0", [b"a1", b"a2"])


def test_a_large_hash_is_released_bit_by_bit(engine: Engine) -> None:
    engine.set("latency_tracking", 0)
    engine.execute("HSET", "h", "f", "v")
    engine.execute("UNLINK", "h")
    before = engine.memory["used"]
    for start in range(0, 60000, 6000):
        engine.execute("HSET", "h", *[part for i in range(start, start + 6000) for part in (f"f{i}", "v" * 30)])
    full = engine.memory["used"]
    assert engine.execute("UNLINK", "h") == 1
    held = engine.memory["used"]
    assert held > before + (full - before) // 2
    turns = 0
    while engine.before_sleep():
        turns += 1
        assert engine.memory["used"] <= held
        held = engine.memory["used"]
    assert turns > 1
    assert engine.memory["used"] == before


def test_memory_of_a_field(engine: Engine) -> None:
    count = 60000
    before = engine.memory["used"]
    for start in range(0, count, 5000):
        engine.execute(
            "HSET", "h", *[part for i in range(start, start + 5000) for part in (f"field:{i:012d}", "value:1")]
        )
    used = (engine.memory["used"] - before) / count
    assert used < 47.4
    seen = engine.inspect(0, b"h")
    assert seen is not None
    assert abs(seen["memory"] / count - used) < 4
