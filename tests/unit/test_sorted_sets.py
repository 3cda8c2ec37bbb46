"""Sorted sets through commands: against a plain model across the conversion of encodings, and command by command."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

SCORES = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False).map(lambda score: score + 0.0))
MEMBERS = st.one_of(st.integers(0, 30).map(lambda number: b"%d" % number), st.binary(max_size=12), st.just(b"x" * 80))

Pairs = list[list[object]]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture(params=["listpack", "skiplist"])
def either(request: pytest.FixtureRequest) -> Engine:
    """An engine whose sorted sets have one encoding or the other."""
    engine = Engine()
    if request.param == "skiplist":
        engine.set("zset_max_listpack_entries", 0)
    return engine


def add(engine: Engine, key: str, members: str) -> None:
    """Makes the sorted set anew: ``a=1 b=2``."""
    engine.execute("DEL", key)
    for item in members.split():
        member, score = item.split("=")
        engine.execute("ZADD", key, score, member)


def pairs(engine: Engine, key: str) -> str:
    found: Pairs = engine.execute("ZRANGE", key, 0, -1, "WITHSCORES")
    return " ".join(f"{member.decode()}={score:g}" for member, score in found)  # type: ignore[attr-defined]


def error(engine: Engine, *args: object) -> str:
    with pytest.raises(CommandError) as raised:
        engine.execute(*args)
    return str(raised.value)


class Model:
    """The same sorted set twice: in an engine, and as a dict."""

    def __init__(self, entries: int) -> None:
        self.engine = Engine()
        self.engine.set("zset_max_listpack_entries", entries)
        self.scores: dict[bytes, float] = {}

    def items(self) -> Pairs:
        return [[member, score] for member, score in sorted(self.scores.items(), key=lambda item: (item[1], item[0]))]

    def check(self) -> None:
        items = self.items()
        execute = self.engine.execute
        assert execute("ZRANGE", "k", 0, -1, "WITHSCORES") == items
        assert execute("ZRANGE", "k", 0, -1, "REV", "WITHSCORES") == items[::-1]
        assert execute("ZCARD", "k") == len(items)
        assert execute("EXISTS", "k") == bool(items)
        found = execute("ZSCAN", "k", 0, "COUNT", 10_000)[1]
        assert dict(zip(found[::2], map(float, found[1::2]), strict=True)) == self.scores
        for rank, (member, score) in enumerate(items[:5]):
            assert execute("ZRANK", "k", member, "WITHSCORE") == [rank, score]
            assert execute("ZREVRANK", "k", member) == len(items) - 1 - rank
            assert execute("ZSCORE", "k", member) == score

    def within(self, least: float, most: float) -> list[bytes]:
        return [member for member, score in self.items() if least <= score <= most]  # type: ignore[misc, operator]


@settings(deadline=None)
@given(st.data())
def test_against_a_dict(data: st.DataObject) -> None:
    model = Model(data.draw(st.sampled_from([0, 4, 16, 128])))
    execute = model.engine.execute
    for _ in range(data.draw(st.integers(0, 25))):
        action = data.draw(st.sampled_from(["add", "many", "remove", "ranks", "scores", "pop", "increment", "copy"]))
        if action == "add":
            member, score = data.draw(MEMBERS), data.draw(SCORES)
            assert execute("ZADD", "k", score, member) == (member not in model.scores)
            model.scores[member] = score
        elif action == "many":
            items = data.draw(st.lists(st.tuples(SCORES, MEMBERS), min_size=1, max_size=40))
            added = len({member for _score, member in items} - model.scores.keys())
            assert execute("ZADD", "k", *[part for item in items for part in item]) == added
            model.scores.update((member, score) for score, member in items)
        elif action == "remove":
            members = data.draw(st.lists(MEMBERS, min_size=1, max_size=10))
            gone = set(members) & model.scores.keys()
            assert execute("ZREM", "k", *members) == len(gone)
            for member in gone:
                del model.scores[member]
        elif action == "ranks":
            start, stop = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))
            gone_items = model.items()[start : stop + 1]
            assert execute("ZREMRANGEBYRANK", "k", start, stop) == len(gone_items)
            for member, _score in gone_items:
                del model.scores[member]  # type: ignore[arg-type]
        elif action == "scores":
            least, most = data.draw(SCORES), data.draw(SCORES)
            inside = model.within(least, most)
            assert execute("ZRANGEBYSCORE", "k", least, most) == inside
            assert execute("ZREVRANGEBYSCORE", "k", most, least) == inside[::-1]
            assert execute("ZRANGEBYSCORE", "k", least, most, "LIMIT", 1, 2) == inside[1:3]
            assert execute("ZCOUNT", "k", least, most) == len(inside)
            outside = [member for member in inside if model.scores[member] not in (least, most)]
            assert execute("ZRANGEBYSCORE", "k", f"({least!r}", f"({most!r}") == outside
            if data.draw(st.booleans()):
                assert execute("ZREMRANGEBYSCORE", "k", least, most) == len(inside)
                for name in inside:
                    del model.scores[name]
        elif action == "pop":
            count, greatest = data.draw(st.integers(1, 10)), data.draw(st.booleans())
            popped = model.items()[::-1][:count] if greatest else model.items()[:count]
            assert execute("ZPOPMAX" if greatest else "ZPOPMIN", "k", count) == popped
            for member, _score in popped:
                del model.scores[member]  # type: ignore[arg-type]
        elif action == "increment":
            member, score = data.draw(MEMBERS), data.draw(st.integers(-5, 5))
            total = model.scores.get(member, 0.0) + score
            assert execute("ZINCRBY", "k", score, member) == total
            model.scores[member] = total
        elif action == "copy" and model.scores:
            assert execute("COPY", "k", "other", "REPLACE") == 1
            assert execute("ZDIFF", 2, "k", "other") == []
            assert execute("ZRANGE", "other", 0, -1, "WITHSCORES") == model.items()
        model.check()


@settings(deadline=None)
@given(st.lists(MEMBERS, max_size=40), MEMBERS, MEMBERS, st.booleans(), st.booleans(), st.sampled_from([0, 128]))
def test_ranges_of_members(
    members: list[bytes], least: bytes, most: bytes, least_open: bool, most_open: bool, entries: int
) -> None:
    engine = Engine()
    engine.set("zset_max_listpack_entries", entries)
    for member in members:
        engine.execute("ZADD", "k", 7, member)
    ends = ((b"(" if least_open else b"[") + least, (b"(" if most_open else b"[") + most)
    inside = [
        member
        for member in sorted(set(members))
        if (member > least if least_open else member >= least) and (member < most if most_open else member <= most)
    ]
    assert engine.execute("ZRANGEBYLEX", "k", *ends) == inside
    assert engine.execute("ZREVRANGEBYLEX", "k", *ends[::-1]) == inside[::-1]
    assert engine.execute("ZLEXCOUNT", "k", *ends) == len(inside)
    assert engine.execute("ZRANGE", "k", "-", "+", "BYLEX", "LIMIT", 1, 3) == sorted(set(members))[1:4]
    assert engine.execute("ZREMRANGEBYLEX", "k", *ends) == len(inside)
    assert engine.execute("ZCARD", "k") == len(set(members)) - len(inside)


sets = st.dictionaries(st.integers(0, 25).map(lambda number: b"m%d" % number), st.integers(-9, 9), max_size=20)


@settings(deadline=None)
@given(st.lists(sets, min_size=1, max_size=4), st.data())
def test_combinations(sources: list[dict[bytes, int]], data: st.DataObject) -> None:
    engine = Engine()
    engine.set("zset_max_listpack_entries", data.draw(st.sampled_from([0, 8, 128])))
    weights = data.draw(st.lists(st.integers(-2, 2), min_size=len(sources), max_size=len(sources)))
    name, aggregate = data.draw(st.sampled_from([("SUM", sum), ("MIN", min), ("MAX", max)]))
    keys = [f"k{number}" for number in range(len(sources))]
    for key, source in zip(keys, sources, strict=True):
        for member, score in source.items():
            engine.execute("ZADD", key, score, member)

    def ordered(scores: dict[bytes, float]) -> Pairs:
        return [[member, score] for member, score in sorted(scores.items(), key=lambda item: (item[1], item[0]))]

    def combined(members: set[bytes]) -> dict[bytes, float]:
        return {
            member: float(aggregate(w * s[member] for w, s in zip(weights, sources, strict=True) if member in s))
            for member in members
        }

    union = ordered(combined(set().union(*sources)))
    common = set(sources[0]).intersection(*sources)
    intersection = ordered(combined(common))
    first = {member: float(score) for member, score in sources[0].items()}
    difference = ordered({m: s for m, s in first.items() if not any(m in other for other in sources[1:])})
    options = ["WEIGHTS", *weights, "AGGREGATE", name]
    count = len(keys)
    execute = engine.execute
    assert execute("ZUNION", count, *keys, *options, "WITHSCORES") == union
    assert execute("ZINTER", count, *keys, *options, "WITHSCORES") == intersection
    assert execute("ZDIFF", count, *keys, "WITHSCORES") == difference
    assert execute("ZINTERCARD", count, *keys) == len(common)
    assert execute("ZINTERCARD", count, *keys, "LIMIT", 2) == min(2, len(common))
    for command, expected, more in (
        ("ZUNIONSTORE", union, options), ("ZINTERSTORE", intersection, options), ("ZDIFFSTORE", difference, []),
    ):  # fmt: skip
        assert execute(command, "d", count, *keys, *more) == len(expected)
        assert execute("ZRANGE", "d", 0, -1, "WITHSCORES") == expected
        assert execute("EXISTS", "d") == bool(expected)


def test_sets_have_score_one(engine: Engine) -> None:
    engine.execute("SADD", "s", "a", "b", "3")
    add(engine, "z", "a=5 3=7 c=1")
    assert engine.execute("ZUNION", 2, "s", "z", "WITHSCORES") == [[b"b", 1], [b"c", 1], [b"a", 6], [b"3", 8]]
    assert engine.execute("ZINTER", 2, "s", "z", "WEIGHTS", 10, 0, "WITHSCORES") == [[b"3", 10], [b"a", 10]]
    assert engine.execute("ZDIFF", 2, "s", "z") == [b"b"]
    assert engine.execute("ZINTERCARD", 2, "s", "z") == 2
    assert error(engine, "ZCARD", "s").startswith("WRONGTYPE")


def test_encodings(engine: Engine) -> None:
    def encoding(key: str) -> object:
        return engine.execute("OBJECT", "ENCODING", key)

    engine.set("zset_max_listpack_entries", 4)
    engine.set("zset_max_listpack_value", 10)
    add(engine, "a", "a=1 b=2 c=3 d=4")
    assert encoding("a") == b"listpack"
    engine.execute("ZADD", "a", 5, "e")
    assert encoding("a") == b"skiplist"
    engine.execute("ZREM", "a", "a", "b", "c")
    assert encoding("a") == b"skiplist"
    engine.execute("ZUNIONSTORE", "b", 1, "a")
    assert encoding("b") == b"listpack"
    engine.execute("ZADD", "b", 5, "x" * 11)
    assert encoding("b") == b"skiplist"
    engine.execute("ZADD", "c", 1, "a", 1, "a", 1, "a", 1, "a", 1, "a")
    assert encoding("c") == b"skiplist"
    engine.execute("ZRANGESTORE", "d", "c", 0, -1)
    assert encoding("d") == b"listpack"


def test_conditions(either: Engine) -> None:
    execute = either.execute
    assert execute("ZADD", "k", "XX", 1, "a") == 0
    assert execute("EXISTS", "k") == 0
    add(either, "k", "a=1 b=2")
    assert execute("ZADD", "k", "NX", 9, "a", 3, "c") == 1
    assert execute("ZADD", "k", "XX", "CH", 7, "a", 3, "d") == 1
    assert execute("ZADD", "k", "GT", "CH", 5, "a", 9, "b") == 1
    assert execute("ZADD", "k", "LT", "CH", 5, "a", 10, "b") == 1
    assert pairs(either, "k") == "c=3 a=5 b=9"
    assert execute("ZADD", "k", "GT", "INCR", -1, "a") is None
    assert execute("ZADD", "k", "NX", "INCR", 1, "a") is None
    assert execute("ZADD", "k", "XX", "INCR", 1, "nobody") is None
    assert execute("ZADD", "k", "INCR", 1, "a") == 6


def test_dirty_counts_members(engine: Engine) -> None:
    for command, changes in (
        (("ZADD", "k", 1, "a", 2, "b", 3, "c", 4, "d"), 4), (("ZADD", "k", 1, "a", 5, "b"), 1),
        (("ZREM", "k", "a", "x"), 1), (("ZPOPMIN", "k", 2), 2), (("ZUNIONSTORE", "d", 1, "k"), 1),
        (("ZRANGE", "k", 0, -1), 0), (("ZREMRANGEBYRANK", "k", 0, -1), 1),
    ):  # fmt: skip
        before = engine.dirty
        engine.execute(*command)
        assert engine.dirty - before == changes, command


def test_infinities(either: Engine) -> None:
    either.execute("ZADD", "k", "inf", "a", "-inf", "b")
    assert error(either, "ZINCRBY", "k", "-inf", "a") == "ERR resulting score is not a number (NaN)"
    assert either.execute("ZRANGE", "k", 0, -1, "WITHSCORES") == [[b"b", -math.inf], [b"a", math.inf]]
    either.execute("ZADD", "l", "-inf", "a")
    assert either.execute("ZUNION", 2, "k", "l", "WITHSCORES") == [[b"b", -math.inf], [b"a", 0]]
    assert either.execute("ZUNION", 1, "k", "WEIGHTS", 0, "WITHSCORES") == [[b"a", 0], [b"b", 0]]


def test_popping(either: Engine) -> None:
    execute = either.execute
    assert execute("ZPOPMIN", "k") == []
    assert execute("ZMPOP", 2, "k", "l", "MIN") is None
    assert execute("BZPOPMIN", "k", 0) is None
    add(either, "k", "a=1 b=2 c=3 d=4 e=5 f=6")
    assert execute("ZPOPMIN", "k") == [b"a", 1]
    assert execute("ZPOPMAX", "k", 1) == [[b"f", 6]]
    assert execute("ZPOPMAX", "k", 0) == []
    assert execute("ZMPOP", 2, "none", "k", "MAX", "COUNT", 2) == [b"k", [[b"e", 5], [b"d", 4]]]
    assert execute("BZMPOP", 0, 1, "k", "MIN") == [b"k", [[b"b", 2]]]
    assert execute("BZPOPMAX", "none", "k", 0) == [b"k", b"c", 3]
    assert execute("EXISTS", "k") == 0


def test_random_members(either: Engine) -> None:
    execute = either.execute
    assert execute("ZRANDMEMBER", "k") is None
    assert execute("ZRANDMEMBER", "k", 3) == []
    add(either, "k", " ".join(f"m{number}={number}" for number in range(12)))
    every = {b"m%d" % number for number in range(12)}
    for count in (1, 3, 7, 11, 12, 50):
        picked = execute("ZRANDMEMBER", "k", count)
        assert len(picked) == len(set(picked)) == min(count, 12)
        assert set(picked) <= every
    assert len(execute("ZRANDMEMBER", "k", -50)) == 50
    for member, score in execute("ZRANDMEMBER", "k", -20, "WITHSCORES") + execute("ZRANDMEMBER", "k", 5, "WITHSCORES"):
        assert member == b"m%d" % score
    for count, times in ((-12, 500), (3, 2000), (6, 1000)):
        tally: Counter[bytes] = Counter()
        for _ in range(times):
            tally.update(execute("ZRANDMEMBER", "k", count))
        # 500 expected of each; six standard deviations.
        assert all(abs(tally[member] - 500) < 135 for member in every), tally


def test_scanning_meets_every_member(engine: Engine) -> None:
    engine.set("zset_max_listpack_entries", 0)
    for number in range(500):
        engine.execute("ZADD", "k", number / 10, f"m{number}")
    cursor, seen = b"0", {}
    while True:
        cursor, found = engine.execute("ZSCAN", "k", cursor, "COUNT", 7)
        seen.update(zip(found[::2], map(float, found[1::2]), strict=True))
        if cursor == b"0":
            break
    assert seen == {b"m%d" % number: number / 10 for number in range(500)}
    assert engine.execute("ZSCAN", "k", 0, "COUNT", 1000, "MATCH", "m7", "NOSCORES") == [b"0", [b"m7"]]


def test_deferred_release(engine: Engine) -> None:
    engine.set("zset_max_listpack_entries", 0)
    engine.execute("PING")
    for start in range(0, 50_000, 1000):
        engine.execute("ZADD", "k", *[part for n in range(start, start + 1000) for part in (n, f"m{n}")])
    used = engine.memory["used"]
    engine.execute("UNLINK", "k")
    assert engine.memory["used"] > used // 2
    while engine.before_sleep():
        pass
    assert engine.memory["used"] < used // 2


def test_memory_of_a_member(engine: Engine) -> None:
    before = engine.memory["used"]
    for start in range(0, 300_000, 1000):
        numbers = range(start, start + 1000)
        engine.execute("ZADD", "k", *[part for n in numbers for part in (n * 7919 % 300_007, b"member:%012d" % n)])
    assert (engine.memory["used"] - before) / 300_000 < 70


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("ZADD k nan a", "ERR value is not a valid float"),
        ("ZADD k 1", "ERR wrong number of arguments for 'zadd' command"),
        ("ZADD k NX 1", "ERR syntax error"),
        ("ZADD k NX XX 1 a", "ERR XX and NX options at the same time are not compatible"),
        ("ZADD k GT LT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD k INCR 1 a 2 b", "ERR INCR option supports a single increment-element pair"),
        (
            "ZRANGE k 0 -1 LIMIT 1 2",
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        ("ZRANGE k [a [b BYLEX WITHSCORES", "ERR syntax error, WITHSCORES not supported in combination with BYLEX"),
        ("ZRANGE k a b", "ERR value is not an integer or out of range"),
        ("ZREVRANGE k 0 -1 BYSCORE", "ERR syntax error"),
        ("ZRANGEBYSCORE k str 1", "ERR min or max is not a float"),
        ("ZRANGEBYLEX k foo bar", "ERR min or max not valid string range item"),
        ("ZRANK k a WITHSCORES", "ERR syntax error"),
        ("ZPOPMIN k -1", "ERR value is out of range, must be positive"),
        ("ZMPOP 0 k MIN", "ERR numkeys should be greater than 0"),
        ("ZMPOP 1 k MIN COUNT 0", "ERR count should be greater than 0"),
        ("ZMPOP 1 k MIN COUNT 1 COUNT 2", "ERR syntax error"),
        ("BZPOPMIN k -1", "ERR timeout is negative"),
        ("ZUNION 0 k", "ERR at least 1 input key is needed for 'zunion' command"),
        ("ZUNION 3 k k", "ERR syntax error"),
        ("ZUNION 1 k WEIGHTS x", "ERR weight value is not a float"),
        ("ZUNIONSTORE d 1 k WITHSCORES", "ERR syntax error"),
        ("ZINTERCARD 1 k LIMIT -1", "ERR LIMIT can't be negative"),
        (
            "ZRANDMEMBER k -9223372036854775808",
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("ZRANDMEMBER k -9223372036854775807 WITHSCORES", "ERR value is out of range"),
        ("ZSCAN k x", "ERR invalid cursor"),
        ("ZSCORE string a", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("ZUNION 2 k string", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
)  # fmt: skip
def test_errors(engine: Engine, command: str, text: str) -> None:
    engine.execute("SET", "string", "x")
    assert error(engine, *command.split()) == text
