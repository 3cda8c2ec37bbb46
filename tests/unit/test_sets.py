"""The set commands against Python sets, in every encoding; random members; algebra; scanning; replies and errors."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

INTSET, LISTPACK, HASHTABLE = "intset", "listpack", "hashtable"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def engine() -> Engine:
    return Engine()


def small_engine() -> Engine:
    """Thresholds that a few members pass."""
    engine = Engine()
    engine.set("set_max_intset_entries", 6)
    engine.set("set_max_listpack_entries", 4)
    engine.set("set_max_listpack_value", 5)
    return engine


def memory_at_rest(engine: Engine) -> int:
    """Bytes in use with no key there, and all there is to remember of commands remembered."""
    for name in ("SADD a 1", "SREM a 2", "SMOVE a b 1", "SPOP a 1", "SRANDMEMBER a 1", "SINTER a b", "SUNION a b",
                 "SDIFF a b", "SINTERSTORE a b", "SUNIONSTORE a b", "SDIFFSTORE a b", "SINTERCARD 1 a", "COPY a b",
                 "SMEMBERS a", "SCARD a", "SMISMEMBER a 1", "SSCAN a 0", "TYPE a", "OBJECT ENCODING a", "EXISTS a",
                 "UNLINK a", "FLUSHALL"):
        engine.execute(*name.split())
    while engine.before_sleep():
        pass
    return engine.memory["used"]


def encoding(engine: Engine, key: str) -> str:
    name = engine.execute("OBJECT", "ENCODING", key)
    return name.decode() if isinstance(name, bytes) else str(name)


def members(engine: Engine, key: str) -> set[bytes]:
    answer = engine.execute("SMEMBERS", key)
    assert len(answer) == engine.execute("SCARD", key)
    return set(answer)


def fails(engine: Engine, *command: object) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*command)  # type: ignore[arg-type]
    return str(caught.value)


def numbers(*values: int) -> list[bytes]:
    return [b"%d" % value for value in values]


def filled(engine: Engine, kind: str, count: int, key: str = "s") -> set[bytes]:
    """Puts a set of count members in this encoding under the key."""
    engine.execute("DEL", key)
    if kind == INTSET:
        items = numbers(*range(-3, count - 3))
    elif kind == LISTPACK:
        items = [b"m%d" % i for i in range(count - 1)] + [b"17"]
    else:
        items = [b"m%d" % i for i in range(count - 1)] + [b"x" * 65]
    engine.execute("SADD", key, *items)
    assert encoding(engine, key) == kind
    return set(items)


MEMBER = st.one_of(
    st.integers(-9, 9).map(lambda n: b"%d" % n),
    st.sampled_from([b"", b"a", b"b", b"01", b"-0", b"longer", b"x" * 300, b"32768", b"2147483648",
                     b"99999999999999999999", b"9223372036854775807", b"-9223372036854775808", b"\0\r\n"]),
)
KEY = st.sampled_from(["a", "b", "c"])
STEP = st.one_of(
    st.tuples(st.just("SADD"), KEY, st.lists(MEMBER, min_size=1, max_size=6)),
    st.tuples(st.just("SREM"), KEY, st.lists(MEMBER, min_size=1, max_size=4)),
    st.tuples(st.just("SMOVE"), KEY, KEY, MEMBER),
    st.tuples(st.just("SPOP"), KEY, st.integers(0, 9)),
    st.tuples(st.just("SRANDMEMBER"), KEY, st.integers(-9, 9)),
    st.tuples(st.sampled_from(["SINTER", "SUNION", "SDIFF"]), st.lists(KEY, min_size=1, max_size=5)),
    st.tuples(st.sampled_from(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), KEY,
              st.lists(KEY, min_size=1, max_size=5)),
    st.tuples(st.just("SINTERCARD"), st.lists(KEY, min_size=1, max_size=3), st.integers(0, 3)),
    st.tuples(st.just("COPY"), KEY, KEY),
)
OPERATIONS: dict[str, Callable[[list[set[bytes]]], set[bytes]]] = {
    "SINTER": lambda sets: set.intersection(*sets),
    "SUNION": lambda sets: set.union(*sets),
    "SDIFF": lambda sets: set.difference(*sets),
}


def check_encoding(engine: Engine, key: str, model: set[bytes]) -> None:
    """What every set must satisfy, however it came about; encodings never convert back by removal."""
    kind = encoding(engine, key)
    if kind == INTSET:
        assert len(model) <= 6 and all(member.lstrip(b"-").isdigit() for member in model)
    elif kind == LISTPACK:
        assert len(model) <= 4 and all(len(member) <= 5 for member in model)
    else:
        assert kind == HASHTABLE


def play(engine: Engine, sets: dict[str, set[bytes]], step: Any) -> None:
    """Runs one step on both."""
    name = step[0]
    if name == "SADD":
        assert engine.execute(name, step[1], *step[2]) == len(set(step[2]) - sets[step[1]])
        sets[step[1]].update(step[2])
    elif name == "SREM":
        assert engine.execute(name, step[1], *step[2]) == len(set(step[2]) & sets[step[1]])
        sets[step[1]].difference_update(step[2])
    elif name == "SMOVE":
        moved = step[3] in sets[step[1]]
        assert engine.execute(*step) == moved
        if moved:
            sets[step[1]].discard(step[3])
            sets[step[2]].add(step[3])
    elif name == "SPOP":
        popped = engine.execute(*step)
        assert len(popped) == len(set(popped)) == min(step[2], len(sets[step[1]]))
        assert set(popped) <= sets[step[1]]
        sets[step[1]].difference_update(popped)
    elif name == "SRANDMEMBER":
        picked = engine.execute(*step)
        assert set(picked) <= sets[step[1]]
        if step[2] >= 0:
            assert len(picked) == len(set(picked)) == min(step[2], len(sets[step[1]]))
        else:
            assert len(picked) == (-step[2] if sets[step[1]] else 0)
    elif name in OPERATIONS:
        assert set(engine.execute(name, *step[1])) == OPERATIONS[name]([sets[key] for key in step[1]])
    elif name == "SINTERCARD":
        common = len(OPERATIONS["SINTER"]([sets[key] for key in step[1]]))
        limit = min(step[2], common) if step[2] else common
        assert engine.execute(name, len(step[1]), *step[1], "LIMIT", step[2]) == limit
    elif name == "COPY":
        if step[1] != step[2] and sets[step[1]]:
            assert engine.execute(*step, "REPLACE") == 1
            assert encoding(engine, step[2]) == encoding(engine, step[1])
            sets[step[2]] = set(sets[step[1]])
    else:
        result = OPERATIONS[name[:-5]]([sets[key] for key in step[2]])
        assert engine.execute(name, step[1], *step[2]) == len(result)
        sets[step[1]] = set(result)


@given(st.lists(STEP, max_size=40), st.booleans())
@settings(deadline=None)
def test_commands_against_python_sets(steps: list[Any], small: bool) -> None:
    engine = small_engine() if small else Engine()
    before = memory_at_rest(engine)
    sets: dict[str, set[bytes]] = {"a": set(), "b": set(), "c": set()}
    for step in steps:
        play(engine, sets, step)
        for key, model in sets.items():
            assert engine.execute("EXISTS", key) == bool(model)
    for key, model in sets.items():
        assert set(engine.execute("SMEMBERS", key)) == model
        assert engine.execute("SCARD", key) == len(model)
        probes = [*model, b"absent", b"77"]
        assert engine.execute("SMISMEMBER", key, *probes) == [member in model for member in probes]
        if model:
            assert engine.execute("TYPE", key) == "set"
            if small:
                check_encoding(engine, key, model)
        cursor, found = engine.execute("SSCAN", key, 0, "COUNT", 1000)
        assert cursor == b"0" and set(found) == model
    assert memory_at_rest(engine) == before


# Encodings

def test_integers_make_an_intset_up_to_its_threshold(engine: Engine) -> None:
    for value in range(512):
        engine.execute("SADD", "s", value)
    assert encoding(engine, "s") == INTSET
    engine.execute("SADD", "s", 512)
    assert encoding(engine, "s") == HASHTABLE
    assert members(engine, "s") == set(numbers(*range(513)))


def test_many_members_at_once_choose_the_encoding_by_their_number(engine: Engine) -> None:
    engine.execute("SADD", "exactly", *range(512))
    engine.execute("SADD", "over", *range(513))
    engine.execute("SADD", "words", *(f"w{i}" for i in range(128)))
    engine.execute("SADD", "more", *(f"w{i}" for i in range(129)))
    engine.execute("SADD", "repeated", *(["w"] * 129))
    engine.execute("SADD", "first", 1)
    engine.execute("SADD", "first", *([1] * 513))
    kinds = [encoding(engine, key) for key in ("exactly", "over", "words", "more", "repeated", "first")]
    assert kinds == [INTSET, HASHTABLE, LISTPACK, HASHTABLE, HASHTABLE, HASHTABLE]


@pytest.mark.parametrize(("count", "word", "expected"), [
    (3, b"word", LISTPACK), (127, b"word", LISTPACK), (128, b"word", HASHTABLE), (3, b"x" * 64, LISTPACK),
    (3, b"x" * 65, HASHTABLE),
])
def test_a_word_among_integers(engine: Engine, count: int, word: bytes, expected: str) -> None:
    model = filled(engine, INTSET, count)
    assert engine.execute("SADD", "s", word) == 1
    assert encoding(engine, "s") == expected
    assert members(engine, "s") == model | {word}


def test_integers_whose_text_is_too_long_for_a_listpack(engine: Engine) -> None:
    engine.set("set_max_listpack_value", 5)
    engine.execute("SADD", "s", 123456)
    engine.execute("SADD", "s", "a")
    engine.execute("SADD", "t", -12345)
    engine.execute("SADD", "t", "a")
    engine.execute("SADD", "u", -1234)
    engine.execute("SADD", "u", "a")
    assert [encoding(engine, key) for key in "stu"] == [HASHTABLE, HASHTABLE, LISTPACK]


def test_thresholds_act_when_changed(engine: Engine) -> None:
    filled(engine, LISTPACK, 10)
    engine.set("set_max_listpack_entries", 10)
    engine.execute("SADD", "s", "m1")
    assert encoding(engine, "s") == LISTPACK
    engine.execute("SADD", "s", "new")
    assert encoding(engine, "s") == HASHTABLE
    engine.set("set_max_intset_entries", 0)
    engine.execute("SADD", "i", 1)
    assert encoding(engine, "i") == LISTPACK
    engine.set("set_max_listpack_entries", 0)
    engine.execute("SADD", "h", 1)
    assert encoding(engine, "h") == HASHTABLE


def test_removal_keeps_the_encoding(engine: Engine) -> None:
    filled(engine, HASHTABLE, 300)
    engine.execute("SREM", "s", "x" * 65, *(f"m{i}" for i in range(1, 299)))
    assert (encoding(engine, "s"), members(engine, "s")) == (HASHTABLE, {b"m0"})
    assert engine.execute("SREM", "s", "m0", "m1") == 1
    assert engine.execute("EXISTS", "s") == 0


@pytest.mark.parametrize(("first", "second", "expected"), [
    (["a", "1", "3"], ["e", "1", "3", "2"], INTSET),
    (["a", "1", "b"], ["b", "1", "c"], LISTPACK),
    ([1, 2, 3], [2, 3, 4], INTSET),
    ([*range(130), "a"], [*range(1, 130), "b"], INTSET),
    ([*(f"w{i}" for i in range(200))], [*(f"w{i}" for i in range(1, 200))], HASHTABLE),
    ([*(f"w{i}" for i in range(200))], [*(f"w{i}" for i in range(190, 300))], LISTPACK),
    ([*range(600)], [*range(1, 601)], HASHTABLE),
])
def test_encoding_of_a_stored_intersection(engine: Engine, first: list[Any], second: list[Any], expected: str) -> None:
    engine.execute("SADD", "a", *first)
    engine.execute("SADD", "b", *second)
    engine.execute("SINTERSTORE", "r", "a", "b")
    assert encoding(engine, "r") == expected
    assert members(engine, "r") == {str(item).encode() for item in set(first) & set(second)}


def test_encoding_of_stored_unions_and_differences(engine: Engine) -> None:
    engine.execute("SADD", "i", *range(200))
    engine.execute("SADD", "j", *range(100, 400))
    engine.execute("SADD", "k", *range(1000, 1200))
    engine.execute("SADD", "w", "a", "b", 7)
    for command, keys, expected in (
        ("SUNIONSTORE", "ij", INTSET), ("SUNIONSTORE", "ijk", HASHTABLE), ("SUNIONSTORE", "wi", HASHTABLE),
        ("SUNIONSTORE", "w", LISTPACK), ("SDIFFSTORE", "ij", INTSET), ("SDIFFSTORE", "wi", LISTPACK),
    ):
        engine.execute(command, "r", *keys)
        assert encoding(engine, "r") == expected, (command, keys)


# Random members

def spread(counts: Counter[bytes], choices: Iterable[bytes]) -> float:
    """Chi square of the counts against an even spread."""
    items = list(choices)
    expected = sum(counts.values()) / len(items)
    return sum((counts[item] - expected) ** 2 / expected for item in items)


@pytest.mark.parametrize("kind", [INTSET, LISTPACK, HASHTABLE])
@pytest.mark.parametrize("count", [None, -3, 1, 2, 5, 9])
def test_random_members_are_even(engine: Engine, kind: str, count: int | None) -> None:
    model = filled(engine, kind, 10)
    counts: Counter[bytes] = Counter()
    while sum(counts.values()) < 10_000:
        picked = engine.execute("SRANDMEMBER", "s") if count is None else engine.execute("SRANDMEMBER", "s", count)
        counts.update([picked] if count is None else picked)
    assert set(counts) == model
    # 9 degrees of freedom: more than 45 once in a million.
    assert spread(counts, model) < 45


@pytest.mark.parametrize("kind", [INTSET, LISTPACK, HASHTABLE])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_popped_members_are_even(engine: Engine, kind: str, count: int) -> None:
    model = filled(engine, kind, 10, "whole")
    counts: Counter[bytes] = Counter()
    for _ in range(6000 // count):
        engine.execute("COPY", "whole", "s")
        popped = engine.execute("SPOP", "s", count)
        assert len(popped) == count and members(engine, "s") == model - set(popped)
        counts.update(popped)
        engine.execute("DEL", "s")
    assert spread(counts, model) < 45


def test_random_members_of_a_table_amid_rehashing(engine: Engine) -> None:
    items = [b"member:%d" % i for i in range(1200)]
    for item in items:
        engine.execute("SADD", "s", item)
    for item in items[40:]:
        engine.execute("SREM", "s", item)
    counts: Counter[bytes] = Counter()
    for _ in range(300):
        counts.update(engine.execute("SRANDMEMBER", "s", -100))
        counts.update(engine.execute("SRANDMEMBER", "s", 4))
    assert set(counts) == set(items[:40])
    # 39 degrees of freedom: more than 95 once in a million.
    assert spread(counts, items[:40]) < 95


@pytest.mark.parametrize("kind", [INTSET, LISTPACK, HASHTABLE])
@pytest.mark.parametrize("size", [100, 128])
def test_every_count_of_random_members(engine: Engine, kind: str, size: int) -> None:
    model = filled(engine, kind, size)
    for count in (1, 5, 16, 17, 32, 33, 34, 40, size // 2, size * 5 // 6, size - 1, size, size + 1, 1 << 62):
        picked = engine.execute("SRANDMEMBER", "s", count)
        assert len(picked) == len(set(picked)) == min(count, size)
        assert set(picked) <= model
        engine.execute("COPY", "s", "t", "REPLACE")
        popped = engine.execute("SPOP", "t", count)
        assert isinstance(popped, set) or len(popped) == len(set(popped))
        assert len(popped) == min(count, size) and set(popped) <= model
        assert set(engine.execute("SMEMBERS", "t")) == model - set(popped)
    assert members(engine, "s") == model


def test_a_table_of_which_little_stays_becomes_what_a_new_set_would_be(engine: Engine) -> None:
    engine.execute("SADD", "s", *(f"w{i}" for i in range(1000)))
    engine.execute("SADD", "t", *(f"{'w' * 70}{i}" for i in range(1000)))
    engine.execute("SADD", "u", *(f"w{i}" for i in range(3000)))
    assert len(engine.execute("SPOP", "s", 900)) == 900
    assert len(engine.execute("SPOP", "t", 900)) == 900
    assert len(engine.execute("SPOP", "u", 2700)) == 2700
    assert [encoding(engine, key) for key in "stu"] == [LISTPACK, HASHTABLE, HASHTABLE]
    assert [len(members(engine, key)) for key in "stu"] == [100, 100, 300]


def test_many_picks_from_a_large_table(engine: Engine) -> None:
    items = {b"member:%d" % i for i in range(3000)}
    engine.execute("SADD", "s", *items)
    for count in (33, 500, 999, 1001, 2500):
        picked = engine.execute("SRANDMEMBER", "s", count)
        assert len(picked) == len(set(picked)) == count and set(picked) <= items


# Algebra on large sets, where each encoding meets each

@pytest.mark.parametrize("seed", range(4))
def test_algebra_of_mixed_encodings(engine: Engine, seed: int) -> None:
    source = random.Random(seed)
    sets: dict[str, set[bytes]] = {}
    for index in range(6):
        size = source.choice([0, 3, 60, 120, 400, 3000])
        words = source.random() < 0.5
        pool = numbers(*range(600)) if not words else [b"word:%d" % i for i in range(3500)] + numbers(*range(300))
        key = f"k{index}"
        sets[key] = set(source.sample(pool, min(size, len(pool))))
        if sets[key]:
            engine.execute("SADD", key, *sets[key])
    for _ in range(60):
        keys = source.choices(sorted(sets), k=source.randint(1, 6))
        chosen = [sets[key] for key in keys]
        for name, operation in OPERATIONS.items():
            result = engine.execute(name, *keys)
            assert len(result) == len(set(result)) and set(result) == operation(chosen)
            assert engine.execute(name + "STORE", "r", *keys) == len(operation(chosen))
            assert set(engine.execute("SMEMBERS", "r")) == operation(chosen)
        limit = source.randint(0, 50)
        size = len(set.intersection(*chosen))
        assert engine.execute("SINTERCARD", len(keys), *keys, "LIMIT", limit) == (min(limit, size) if limit else size)


def test_storing_over_an_operand_and_over_other_types(engine: Engine) -> None:
    engine.execute("SADD", "a", 1, 2, 3)
    engine.execute("SADD", "b", 2, 3, 4)
    assert engine.execute("SINTERSTORE", "a", "a", "b") == 2
    assert members(engine, "a") == {b"2", b"3"}
    engine.execute("SET", "text", "x", "EX", 100)
    assert engine.execute("SUNIONSTORE", "text", "a", "b") == 3
    assert engine.execute("TTL", "text") == -1
    engine.execute("SET", "gone", "x")
    assert engine.execute("SDIFFSTORE", "gone", "a", "a") == 0
    assert engine.execute("SINTERSTORE", "b", "a", "missing") == 0
    assert engine.execute("EXISTS", "gone", "b") == 0


# Scanning

@pytest.mark.parametrize("kind", [INTSET, LISTPACK, HASHTABLE])
def test_scanning_finds_all_members_once(engine: Engine, kind: str) -> None:
    model = filled(engine, kind, 100)
    cursor, found = b"0", []
    while True:
        cursor, some = engine.execute("SSCAN", "s", cursor, "COUNT", 3)
        found += some
        if cursor == b"0":
            break
    assert sorted(found) == sorted(model)
    _, matching = engine.execute("SSCAN", "s", 0, "COUNT", 1000, "MATCH", "*7*")
    assert set(matching) == {member for member in model if b"7" in member}
    assert set(engine.execute("SSCAN", "s", 0, "MATCH", "*", "COUNT", 1000)[1]) == model


def test_scanning_while_the_set_changes(engine: Engine) -> None:
    stable = {b"stable:%d" % i for i in range(300)}
    engine.execute("SADD", "s", *stable)
    cursor, seen, step = b"0", set(), 0
    while True:
        cursor, some = engine.execute("SSCAN", "s", cursor)
        seen.update(some)
        step += 1
        engine.execute("SADD", "s", *(f"moving:{step}:{i}" for i in range(50)))
        if step % 3 == 0:
            engine.execute("SREM", "s", *(f"moving:{earlier}:{i}" for earlier in range(step) for i in range(50)))
        if cursor == b"0":
            break
    assert stable <= seen


# Replies and errors

def test_answers_for_keys_that_are_not_there(engine: Engine) -> None:
    assert engine.execute("SMEMBERS", "none") == set()
    assert engine.execute("SCARD", "none") == engine.execute("SREM", "none", "a") == 0
    assert engine.execute("SISMEMBER", "none", "a") == engine.execute("SMOVE", "none", "other", "a") == 0
    assert engine.execute("SMISMEMBER", "none", "a", "b") == [0, 0]
    assert engine.execute("SPOP", "none") is engine.execute("SRANDMEMBER", "none") is None
    assert engine.execute("SPOP", "none", 3) == set()
    assert engine.execute("SRANDMEMBER", "none", 3) == engine.execute("SRANDMEMBER", "none", -3) == []
    assert engine.execute("SSCAN", "none", 0, "NONSENSE") == [b"0", []]
    assert engine.execute("SINTERCARD", 1, "none", "LIMIT", 10) == 0
    assert engine.execute("EXISTS", "other") == 0


def test_errors_of_arguments(engine: Engine) -> None:
    engine.execute("SADD", "s", "a", "b", "c")
    engine.execute("SET", "text", "x")
    numkeys = "ERR numkeys should be greater than 0"
    too_many = "ERR Number of keys can't be greater than number of args"
    limit, syntax = "ERR LIMIT can't be negative", "ERR syntax error"
    positive = "ERR value is out of range, must be positive"
    integer = "ERR value is not an integer or out of range"
    between = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    for command, expected in (
        ("SPOP s x", positive), ("SPOP s -1", positive), ("SPOP s 1 2", syntax), ("SPOP text 0", WRONG_TYPE),
        ("SRANDMEMBER s x", integer), ("SRANDMEMBER s -9223372036854775808", between), ("SRANDMEMBER s 1 2", syntax),
        ("SRANDMEMBER text 0", WRONG_TYPE), ("SINTERCARD 0 s", numkeys), ("SINTERCARD x s", numkeys),
        ("SINTERCARD -1 s", numkeys), ("SINTERCARD 2 s", too_many), ("SINTERCARD 9999999999999 s", too_many),
        ("SINTERCARD 1 s LIMIT", syntax), ("SINTERCARD 1 s t", syntax), ("SINTERCARD 1 s LIMIT -1", limit),
        ("SINTERCARD 1 s LIMIT a", limit), ("SINTERCARD 2 s text", WRONG_TYPE), ("SINTERCARD 2 text none", WRONG_TYPE),
        ("SSCAN none x", "ERR invalid cursor"), ("SSCAN text x", "ERR invalid cursor"), ("SSCAN text 0 X", WRONG_TYPE),
        ("SSCAN s 0 COUNT 0", syntax), ("SSCAN s 0 COUNT x", integer), ("SSCAN s 0 MATCH", syntax),
        ("SSCAN s 0 TYPE set", syntax), ("SSCAN s 0 NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
        ("SSCAN s 0 NOSCORES", "ERR NOSCORES option can only be used in ZSCAN"),
        ("SMOVE s text a", WRONG_TYPE), ("SMOVE text s a", WRONG_TYPE), ("SADD text a", WRONG_TYPE),
        ("SREM text a", WRONG_TYPE), ("SISMEMBER text a", WRONG_TYPE), ("SMISMEMBER text a", WRONG_TYPE),
        ("SCARD text", WRONG_TYPE), ("SMEMBERS text", WRONG_TYPE), ("SINTER none text", WRONG_TYPE),
        ("SUNION text none", WRONG_TYPE), ("SDIFF none text", WRONG_TYPE), ("SINTERSTORE s none text", WRONG_TYPE),
        ("SUNIONSTORE s text", WRONG_TYPE), ("SDIFFSTORE s s text", WRONG_TYPE), ("GET s", WRONG_TYPE),
    ):
        assert fails(engine, *command.split()) == expected, command
    assert engine.execute("SMOVE", "none", "text", "a") == 0
    assert members(engine, "s") == {b"a", b"b", b"c"}


def test_each_change_counts_as_the_original_counts(engine: Engine) -> None:
    for command, changes in (
        ("SADD s 1 2 3", 3), ("SADD s 1", 0), ("SREM s 1 9", 1), ("SMOVE s t 2", 2), ("SADD u 3", 1),
        ("SMOVE s u 3", 1), ("SADD s 1 2 3 4 5", 5), ("SPOP s", 1), ("SPOP s 2", 2), ("SPOP s 9", 2),
        ("SUNIONSTORE r u t", 1), ("SUNIONSTORE r none", 1), ("SUNIONSTORE r none", 0), ("SRANDMEMBER u", 0),
        ("SMOVE u u 3", 0),
    ):
        before = engine.dirty
        engine.execute(*command.split())
        assert engine.dirty - before == changes, command


@pytest.mark.parametrize("kind", [INTSET, LISTPACK, HASHTABLE])
def test_copies_are_independent(engine: Engine, kind: str) -> None:
    model = filled(engine, kind, 50)
    engine.execute("COPY", "s", "t")
    engine.execute("SPOP", "t", 20)
    assert members(engine, "s") == model
    assert encoding(engine, "t") == kind
    engine.execute("RENAME", "s", "u")
    engine.execute("EXPIRE", "u", 100)
    assert members(engine, "u") == model


def test_a_large_set_is_released_bit_by_bit(engine: Engine) -> None:
    empty = engine.memory["used"]
    for start in range(0, 60_000, 1000):
        engine.execute("SADD", "s", *(b"member:%d" % i for i in range(start, start + 1000)))
    full = engine.memory["used"]
    assert engine.execute("UNLINK", "s") == 1
    assert engine.memory["used"] > (full + empty) / 2
    turns = 1
    while engine.before_sleep():
        turns += 1
    assert turns > 1
    assert engine.memory["used"] < empty + 100_000
    engine.execute("SADD", "s", *(b"member:%d" % i for i in range(1000)))
    engine.execute("SADD", "t", *range(100))
    engine.execute("FLUSHALL", "ASYNC")
    while engine.before_sleep():
        pass
    assert engine.memory["used"] < empty + 100_000


def test_an_engine_ends_while_a_set_is_being_released() -> None:
    engine = Engine()
    engine.execute("SADD", "s", *range(50_000))
    engine.execute("UNLINK", "s")
    engine.before_sleep()
    del engine


def test_memory_usage_grows_with_the_members(engine: Engine) -> None:
    sizes = []
    for kind, count in ((INTSET, 100), (LISTPACK, 100), (HASHTABLE, 100), (HASHTABLE, 10_000)):
        filled(engine, kind, count)
        details = engine.inspect(0, b"s")
        assert details is not None
        sizes.append(details["memory"])
    assert sizes == sorted(sizes)
    assert sizes[-1] / 10_000 < 40


def test_wrong_types_release_what_was_taken(engine: Engine) -> None:
    engine.execute("SET", "text", "x")
    engine.execute("SADD", "s", *range(100))
    keys = ["s"] * 40
    used = []
    for _ in range(3):
        for command in ("SUNION", "SINTER", "SDIFF"):
            assert fails(engine, command, *keys, "text") == WRONG_TYPE
            engine.execute(command, *keys)
        used.append(engine.memory["used"])
    assert used[1] == used[2]
