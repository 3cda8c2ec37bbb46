"""List commands in an embedded engine against Python lists, through both encodings, and every edge of their replies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"
NOT_POSITIVE = "ERR value is out of range, must be positive"
NOT_WITHIN = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
SYNTAX = "ERR syntax error"
NUMKEYS = "ERR numkeys should be greater than 0"
COUNT = "ERR count should be greater than 0"
RANK = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    "or use negative to start from the end of the list"
)


@pytest.fixture
def engine() -> Engine:
    return Engine()


def failure(engine: Engine, *args: object) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*args)
    return str(caught.value)


def words(text: str) -> list[bytes]:
    return [word.encode() for word in text.split()]


def within(values: list[bytes], start: int, stop: int) -> list[bytes]:
    """The elements between two indexes, both included."""
    first = max(0, start + len(values) if start < 0 else start)
    end = stop + len(values) if stop < 0 else stop
    return values[first : end + 1] if end >= 0 else []


elements = st.one_of(
    st.integers(-3, 30).map(lambda number: str(number).encode()),
    st.sampled_from([b"", b"a", b"b", b"x" * 63, b"x" * 64, b"9223372036854775807", b"-5000", b"70000"]),
    st.binary(max_size=100),
    st.integers(2000, 9000).map(lambda length: b"y" * length),
)
keys = st.sampled_from(["one", "two"])
indexes = st.one_of(st.integers(-12, 12), st.integers(-400, 400))
sides = st.sampled_from(["LEFT", "RIGHT"])


class ListsMachine(RuleBasedStateMachine):
    @initialize(fill=st.sampled_from([-2, -1, 1, 3, 16]), depth=st.sampled_from([0, 0, 1]))
    def begin(self, fill: int, depth: int) -> None:
        self.engine = Engine()
        self.engine.set("list_max_listpack_size", fill)
        self.engine.set("list_compress_depth", depth)
        self.model: dict[str, list[bytes]] = {"one": [], "two": []}

    def run(self, *args: object) -> Any:
        return self.engine.execute(*args)

    @rule(key=keys, many=st.lists(elements, min_size=1, max_size=40), left=st.booleans(), only=st.booleans())
    def push(self, key: str, many: list[bytes], left: bool, only: bool) -> None:
        values = self.model[key]
        if not only or values:
            values[:] = many[::-1] + values if left else values + many
        command = ("L" if left else "R") + ("PUSHX" if only else "PUSH")
        assert self.run(command, key, *many) == len(values)

    @rule(key=keys, left=st.booleans(), count=st.one_of(st.none(), st.integers(0, 60)))
    def pop(self, key: str, left: bool, count: int | None) -> None:
        values = self.model[key]
        command = "LPOP" if left else "RPOP"
        if count is None:
            expected = values.pop(0 if left else -1) if values else None
            assert self.run(command, key) == expected
        elif not values:
            assert self.run(command, key, count) is None
        else:
            taken = values[:count] if left else values[::-1][:count]
            values[:] = values[count:] if left else values[: max(0, len(values) - count)]
            assert self.run(command, key, count) == taken

    @rule(key=keys, start=indexes, stop=indexes)
    def read(self, key: str, start: int, stop: int) -> None:
        values = self.model[key]
        assert self.run("LRANGE", key, start, stop) == within(values, start, stop)
        found = values[start] if -len(values) <= start < len(values) else None
        assert self.run("LINDEX", key, start) == found

    @rule(key=keys, start=indexes, stop=indexes)
    def trim(self, key: str, start: int, stop: int) -> None:
        values = self.model[key]
        values[:] = within(values, start, stop)
        assert self.run("LTRIM", key, start, stop) == "OK"

    @rule(key=keys, index=indexes, value=elements)
    def set(self, key: str, index: int, value: bytes) -> None:
        values = self.model[key]
        if -len(values) <= index < len(values):
            values[index] = value
            assert self.run("LSET", key, index, value) == "OK"
        else:
            expected = "ERR index out of range" if values else "ERR no such key"
            assert failure(self.engine, "LSET", key, index, value) == expected

    @rule(key=keys, value=elements, pivot=elements, after=st.booleans())
    def insert(self, key: str, value: bytes, pivot: bytes, after: bool) -> None:
        values = self.model[key]
        expected = 0 if not values else -1
        if pivot in values:
            values.insert(values.index(pivot) + after, value)
            expected = len(values)
        assert self.run("LINSERT", key, "after" if after else "before", pivot, value) == expected

    @rule(key=keys, value=elements, count=st.integers(-3, 3))
    def remove(self, key: str, value: bytes, count: int) -> None:
        values = self.model[key]
        places = [place for place, element in enumerate(values) if element == value]
        if count < 0:
            places.reverse()
        places = places[: abs(count)] if count else places
        for place in sorted(places, reverse=True):
            del values[place]
        assert self.run("LREM", key, count, value) == len(places)

    @rule(
        key=keys,
        value=elements,
        rank=st.sampled_from([-3, -2, -1, 1, 2, 3]),
        count=st.integers(0, 3),
        most=st.integers(0, 50),
    )
    def find(self, key: str, value: bytes, rank: int, count: int, most: int) -> None:
        places = list(enumerate(self.model[key]))
        if rank < 0:
            places.reverse()
        found = [place for place, element in (places[:most] if most else places) if element == value][abs(rank) - 1 :]
        arguments = ("LPOS", key, value, "RANK", rank, "MAXLEN", most)
        assert self.run(*arguments) == (found[0] if found else None)
        assert self.run(*arguments, "COUNT", count) == (found[:count] if count else found)

    @rule(source=keys, destination=keys, wherefrom=sides, whereto=sides, old=st.booleans(), waits=st.booleans())
    def move(self, source: str, destination: str, wherefrom: str, whereto: str, old: bool, waits: bool) -> None:
        if old:
            wherefrom, whereto = "RIGHT", "LEFT"
        expected = None
        if self.model[source]:
            expected = self.model[source].pop(0 if wherefrom == "LEFT" else -1)
            values = self.model[destination]
            values.insert(0 if whereto == "LEFT" else len(values), expected)
        command: list[object] = ["RPOPLPUSH", source, destination]
        if not old:
            command = ["LMOVE", source, destination, wherefrom, whereto]
        if waits:
            command = ["B" + str(command[0]), *command[1:], 0]
        assert self.run(*command) == expected

    @rule(first=keys, second=keys, side=sides, count=st.one_of(st.none(), st.integers(1, 60)), waits=st.booleans())
    def pop_first(self, first: str, second: str, side: str, count: int | None, waits: bool) -> None:
        expected = None
        for key in (first, second):
            values = self.model[key]
            if values:
                number = count or 1
                taken = values[:number] if side == "LEFT" else values[::-1][:number]
                values[:] = values[number:] if side == "LEFT" else values[: max(0, len(values) - number)]
                expected = [key.encode(), taken]
                break
        options = [] if count is None else ["COUNT", count]
        command: list[object] = ["BLMPOP", 0] if waits else ["LMPOP"]
        assert self.run(*command, 2, first, second, side, *options) == expected

    @rule(first=keys, second=keys, left=st.booleans())
    def blocking_pop(self, first: str, second: str, left: bool) -> None:
        expected = None
        for key in (first, second):
            if self.model[key]:
                expected = [key.encode(), self.model[key].pop(0 if left else -1)]
                break
        assert self.run("BLPOP" if left else "BRPOP", first, second, 0) == expected

    @rule(key=keys)
    def copy(self, key: str) -> None:
        if self.model[key]:
            assert self.run("COPY", key, "copy", "REPLACE") == 1
            assert self.run("LRANGE", "copy", 0, -1) == self.model[key]
            assert self.run("OBJECT", "ENCODING", "copy") == self.run("OBJECT", "ENCODING", key)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "engine"):
            for key, values in self.model.items():
                assert self.run("LRANGE", key, 0, -1) == values
                assert self.run("LLEN", key) == len(values)
                assert self.run("EXISTS", key) == bool(values)

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.run("DEL", "one", "copy")
            self.run("UNLINK", "two")
            while self.engine.before_sleep():
                pass


TestListsMachine = ListsMachine.TestCase
TestListsMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("value", ["string", "list"])
def test_wrong_type_and_no_key(engine: Engine, value: str) -> None:
    """Each command on a string, and on nothing."""
    for command, missing in [
        (["LPUSHX", "k", "a"], 0),
        (["RPUSHX", "k", "a"], 0),
        (["LINSERT", "k", "BEFORE", "a", "b"], 0),
        (["LLEN", "k"], 0),
        (["LINDEX", "k", "0"], None),
        (["LRANGE", "k", "0", "-1"], []),
        (["LPOS", "k", "a"], None),
        (["LPOS", "k", "a", "COUNT", "0"], []),
        (["LPOP", "k"], None),
        (["RPOP", "k", "2"], None),
        (["LTRIM", "k", "0", "1"], "OK"),
        (["LREM", "k", "0", "a"], 0),
        (["LMOVE", "k", "other", "LEFT", "RIGHT"], None),
        (["RPOPLPUSH", "k", "other"], None),
        (["BLMOVE", "k", "other", "LEFT", "RIGHT", "0"], None),
        (["BRPOPLPUSH", "k", "other", "0"], None),
        (["LMPOP", "2", "none", "k", "LEFT"], None),
        (["BLMPOP", "0", "2", "none", "k", "LEFT"], None),
        (["BLPOP", "none", "k", "0"], None),
        (["BRPOP", "k", "0"], None),
    ]:
        engine.execute("DEL", "k")
        if value == "string":
            engine.execute("SET", "k", "text")
            assert failure(engine, *command) == WRONG_TYPE, command
        else:
            assert engine.execute(*command) == missing, command
    assert engine.execute("EXISTS", "other", "none") == 0
    engine.execute("SET", "k", "text")
    assert failure(engine, "LPUSH", "k", "a") == WRONG_TYPE
    engine.execute("RPUSH", "source", "a")
    for command in (["LMOVE", "source", "k", "LEFT", "LEFT"], ["RPOPLPUSH", "source", "k"]):
        assert failure(engine, *command) == WRONG_TYPE
    assert engine.execute("LRANGE", "source", 0, -1) == [b"a"]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("LPOP l 1 2", "ERR wrong number of arguments for 'lpop' command"),
        ("RPOP l 1 2", "ERR wrong number of arguments for 'rpop' command"),
        ("LPOP l -1", NOT_POSITIVE),
        ("RPOP l x", NOT_POSITIVE),
        ("LPOP none 9223372036854775808", NOT_POSITIVE),
        ("LRANGE none x 1", NOT_INTEGER),
        ("LRANGE l 0 x", NOT_INTEGER),
        ("LTRIM none 0 x", NOT_INTEGER),
        ("LINDEX l x", NOT_INTEGER),
        ("LSET l x a", NOT_INTEGER),
        ("LSET none x a", "ERR no such key"),
        ("LSET l 3 a", "ERR index out of range"),
        ("LSET l -4 a", "ERR index out of range"),
        ("LREM none x a", NOT_INTEGER),
        ("LREM l -9223372036854775808 a", NOT_WITHIN),
        ("LINSERT none BESIDE a b", SYNTAX),
        ("LMOVE l l UP LEFT", SYNTAX),
        ("LMOVE l l LEFT UP", SYNTAX),
        ("BLMOVE l l LEFT UP x", SYNTAX),
        ("BLMOVE l l LEFT LEFT x", "ERR timeout is not a float or out of range"),
        ("LPOS l a RANK 0", RANK),
        ("LPOS none a RANK 0", RANK),
        ("LPOS l a RANK x", NOT_INTEGER),
        ("LPOS l a RANK -9223372036854775808", NOT_WITHIN),
        ("LPOS l a COUNT -1", "ERR COUNT can't be negative"),
        ("LPOS l a COUNT x", "ERR COUNT can't be negative"),
        ("LPOS l a MAXLEN -1", "ERR MAXLEN can't be negative"),
        ("LPOS l a RANK", SYNTAX),
        ("LPOS l a FIRST 1", SYNTAX),
        ("LMPOP 0 l LEFT", NUMKEYS),
        ("LMPOP x l LEFT", NUMKEYS),
        ("LMPOP 2 l LEFT", SYNTAX),
        ("LMPOP 9223372036854775807 l LEFT", SYNTAX),
        ("LMPOP 1 l UP", SYNTAX),
        ("LMPOP 1 l LEFT COUNT", SYNTAX),
        ("LMPOP 1 l LEFT COUNT 1 COUNT 1", SYNTAX),
        ("LMPOP 1 l LEFT COUNT 0", COUNT),
        ("LMPOP 1 l LEFT COUNT x", COUNT),
        ("BLMPOP x 0 l LEFT", NUMKEYS),
        ("BLMPOP x 1 l UP", SYNTAX),
        ("BLMPOP x 1 l LEFT COUNT 0", COUNT),
        ("BLMPOP -1 1 l LEFT", "ERR timeout is negative"),
        ("BLPOP l x", "ERR timeout is not a float or out of range"),
        ("BLPOP l nan", "ERR timeout is not a float or out of range"),
        ("BLPOP l -1", "ERR timeout is negative"),
        ("BRPOP l -inf", "ERR timeout is negative"),
        ("BRPOP l inf", "ERR timeout is out of range"),
        ("BRPOP l 0x7FFFFFFFFFFFFF", "ERR timeout is out of range"),
        ("BRPOPLPUSH l l 9223372036854775", "ERR timeout is out of range"),
    ],
)
def test_errors(engine: Engine, command: str, error: str) -> None:
    engine.execute("RPUSH", "l", "a", "b", "c")
    assert failure(engine, *command.split()) == error
    assert engine.execute("LRANGE", "l", 0, -1) == words("a b c")


def test_a_timeout_just_below_zero_is_none(engine: Engine) -> None:
    engine.execute("RPUSH", "l", "a")
    assert engine.execute("BLPOP", "l", "-0.0001") == [b"l", b"a"]
    engine.execute("RPUSH", "l", "a")
    assert engine.execute("BLPOP", "l", "0x10") == [b"l", b"a"]


def encoding(engine: Engine, key: str) -> str:
    return str(engine.execute("OBJECT", "ENCODING", key).decode())


def make(engine: Engine, key: str, *values: str) -> None:
    engine.execute("DEL", key)
    for value in values:
        engine.execute("RPUSH", key, value)


@pytest.mark.parametrize(("fill", "large"), [(3, "d"), (-1, "x" * 4096), (-2, "x" * 8200), (-100, "x" * 70_000)])
def test_growing_makes_a_quicklist(engine: Engine, fill: int, large: str) -> None:
    engine.set("list_max_listpack_size", fill)
    for command in (
        ["RPUSH", "l", large],
        ["LPUSHX", "l", large],
        ["LINSERT", "l", "AFTER", "b", large],
        ["LINSERT", "l", "AFTER", "absent", large],
        ["LSET", "l", "0", large],
        ["LMOVE", "source", "l", "RIGHT", "RIGHT"],
    ):
        make(engine, "source", "a", "b", "c", large)
        make(engine, "l", "a", "b", "c")
        assert encoding(engine, "l") == "listpack"
        engine.execute(*command)
        assert encoding(engine, "l") == "quicklist", command


def test_shrinking_makes_a_listpack(engine: Engine) -> None:
    engine.set("list_max_listpack_size", 3)
    for values, command in (
        ("a b c d", "RPOP l 3"),
        ("a a a d", "LREM l 3 a"),
        ("a b c d", "LTRIM l 1 1"),
        ("a b c d", "LMPOP 1 l RIGHT COUNT 3"),
    ):
        make(engine, "l", *values.split())
        assert encoding(engine, "l") == "quicklist"
        engine.execute(*command.split())
        assert encoding(engine, "l") == "listpack", command
    # Half of the limit is what makes the difference.
    make(engine, "l", *"abcd")
    engine.execute("RPOP", "l")
    engine.execute("RPOP", "l")
    assert encoding(engine, "l") == "quicklist"
    engine.execute("BRPOP", "l", 0)
    assert encoding(engine, "l") == "listpack"
    engine.set("list_max_listpack_size", -1)
    make(engine, "l", "x" * 5000, "a", "b")
    engine.execute("RPOP", "l", 2)
    assert encoding(engine, "l") == "quicklist"
    engine.execute("LSET", "l", -1, "c")
    assert encoding(engine, "l") == "listpack"


def test_limits_of_a_single_element(engine: Engine) -> None:
    engine.set("list_max_listpack_size", 0)
    make(engine, "l", "a")
    assert encoding(engine, "l") == "listpack"
    engine.execute("RPUSH", "l", "b")
    assert encoding(engine, "l") == "quicklist"
    engine.set("list_max_listpack_size", -6)
    make(engine, "l", "x" * 60_000)
    assert encoding(engine, "l") == "listpack"
    engine.execute("RPUSH", "l", "x" * 5536)
    assert encoding(engine, "l") == "quicklist"


@pytest.mark.parametrize("threshold", [1, 5, 10])
def test_plain_nodes_of_short_elements(engine: Engine, threshold: int) -> None:
    """As the tests of the original have them, through DEBUG QUICKLIST-PACKED-THRESHOLD."""
    engine.set("list_packed_threshold", threshold)
    engine.set("list_max_listpack_size", 2)
    engine.execute("RPUSH", "l", "a", "x" * 20, "b", "c" * 7)
    engine.execute("LINSERT", "l", "BEFORE", "b", "y" * 30)
    engine.execute("LSET", "l", 0, "z" * 40)
    engine.execute("LSET", "l", 1, "1")
    expected = [b"z" * 40, b"1", b"y" * 30, b"b", b"c" * 7]
    assert engine.execute("LRANGE", "l", 0, -1) == expected
    assert [engine.execute("LPOS", "l", value) for value in expected] == [0, 1, 2, 3, 4]
    assert engine.execute("RPOP", "l", 5) == expected[::-1]


@pytest.mark.parametrize("count", [10, 100, 600, 3000])
def test_long_ranges_of_every_kind_of_element(engine: Engine, count: int) -> None:
    values = []
    for number in range(count):
        texts = [b"v%d" % number, b"w" * (number % 70), b"u" * (number % 500)]
        values.append([b"%d" % number, b"-%d" % (number * 1000 + 1), *texts][number % 5])
    engine.execute("RPUSH", "l", *values)
    assert engine.execute("LRANGE", "l", 0, -1) == values
    assert engine.execute("LRANGE", "l", 7, count - 2) == values[7 : count - 1]
    assert engine.execute("LRANGE", "l", -9, -3) == values[-9:-2]
    assert engine.execute("RPOP", "l", count // 2) == values[::-1][: count // 2]


def test_each_change_counts_once(engine: Engine) -> None:
    def changes(*args: object) -> int:
        before = engine.dirty
        engine.execute(*args)
        return engine.dirty - before

    assert changes("RPUSH", "l", *"abcabc") == 6
    assert changes("LPUSHX", "none", "a") == 0
    assert changes("LMOVE", "l", "m", "LEFT", "LEFT") == 1
    assert changes("LMOVE", "l", "l", "LEFT", "RIGHT") == 1
    assert changes("LREM", "l", 0, "c") == 2
    assert changes("LREM", "l", 0, "z") == 0
    assert changes("LINSERT", "l", "BEFORE", "a", "x") == 1
    assert changes("LINSERT", "l", "BEFORE", "none", "x") == 0
    assert changes("LSET", "l", 0, "y") == 1
    assert changes("LTRIM", "l", 0, 1) == 2
    assert changes("LTRIM", "l", 0, -1) == 0
    assert changes("LPOP", "l", 9) == 2
    assert changes("LPOP", "l") == 0
    assert changes("BLPOP", "m", 0) == 1


def test_a_long_list_is_released_bit_by_bit(engine: Engine) -> None:
    empty = engine.memory["used"]
    for _ in range(40):
        engine.execute("RPUSH", "l", *[b"element %d" % number for number in range(5000)])
    assert engine.memory["used"] - empty < 200_000 * 20
    engine.execute("UNLINK", "l")
    while engine.before_sleep():
        pass
    assert engine.memory["used"] - empty < 200_000
    engine.execute("RPUSH", "l", *[b"x" * 9000] * 300)
    engine.execute("LTRIM", "l", 1, 0)
    while engine.before_sleep():
        pass
    assert engine.memory["used"] - empty < 200_000


def test_memory_usage_covers_the_elements(engine: Engine) -> None:
    engine.execute("RPUSH", "l", *[b"element:%012d" % number for number in range(10_000)])
    assert 10_000 * 20 < engine.inspect(0, b"l")["memory"] < 10_000 * 23


def test_what_is_known_of_a_quicklist(engine: Engine) -> None:
    engine.set("list_max_listpack_size", 4)
    engine.set("list_compress_depth", 1)
    engine.execute("RPUSH", "l", *"abcdefghij")
    facts = engine.inspect(0, b"l")
    assert facts is not None
    assert (facts["nodes"], facts["elements"], facts["fill"], facts["depth"]) == (3, 10, 4, 1)
    assert facts["bytes"] == 3 * 7 + 10 * 3
    assert engine.string_value(0, b"l") is None
