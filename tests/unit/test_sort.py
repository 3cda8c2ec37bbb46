"""SORT and SORT_RO against a Python model, over every type and encoding; options, patterns, STORE and errors."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

Word = bytes | str | int | float

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_SCORE = "ERR One or more scores can't be converted into double"
SYNTAX = "ERR syntax error"
NO_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def engine() -> Engine:
    return Engine()


def failure(engine: Engine, *args: Word) -> str:
    """The text of the error that a command answers, returned or raised."""
    try:
        reply = engine.execute(*args)
    except CommandError as error:
        return str(error)
    assert isinstance(reply, CommandError), reply
    return str(reply)


def memory_at_rest(engine: Engine) -> int:
    """Bytes in use with no key there."""
    engine.execute("FLUSHALL")
    while engine.before_sleep():
        pass
    return int(engine.memory["used"])


def fill(engine: Engine, kind: str, elements: list[bytes]) -> list[bytes]:
    """Puts elements under "source"; answers those that it holds, in the order that lists and sorted sets keep."""
    if kind == "list":
        engine.execute("RPUSH", "source", *elements)
        return elements
    unique = list(dict.fromkeys(elements))
    if kind == "set":
        engine.execute("SADD", "source", *unique)
        return unique
    for rank, element in enumerate(unique):
        engine.execute("ZADD", "source", rank, element)
    return unique


def window(elements: list[bytes], limit: tuple[int, int] | None) -> list[bytes]:
    """What LIMIT leaves of a result."""
    if limit is None:
        return elements
    first = max(limit[0], 0)
    return elements[first:] if limit[1] < 0 else elements[first:first + limit[1]]


def small_engine(compress: bool) -> Engine:
    """Thresholds that a few elements pass."""
    engine = Engine()
    engine.set("set_max_intset_entries", 6)
    engine.set("set_max_listpack_entries", 8)
    engine.set("zset_max_listpack_entries", 8)
    engine.set("list_max_listpack_size", 5)
    engine.set("list_compress_depth", int(compress))
    return engine


NUMBERS = st.one_of(
    st.integers(-(2**53), 2**53).map(lambda number: str(number).encode()),
    st.integers(-5, 5).map(lambda number: str(number).encode()),
    st.floats(allow_nan=False, allow_subnormal=False).map(lambda number: repr(number).encode()),
)
WORDS = st.one_of(st.binary(max_size=12), st.text("ab", max_size=20).map(str.encode), NUMBERS,
                  st.integers(0, 3).map(lambda count: b"long text, the same at first " * 3 + b"x" * count))
LIMITS = st.one_of(st.none(), st.tuples(st.integers(-3, 60), st.integers(-3, 60)))
KINDS = st.sampled_from(["list", "set", "zset"])


def limit_words(limit: tuple[int, int] | None) -> list[Word]:
    return [] if limit is None else ["LIMIT", *limit]


@settings(max_examples=150, deadline=None)
@given(KINDS, st.lists(NUMBERS, min_size=1, max_size=60), st.booleans(), LIMITS, st.booleans(), st.booleans())
def test_numbers_against_model(kind: str, elements: list[bytes], descending: bool, limit: tuple[int, int] | None,
                               compress: bool, store: bool) -> None:
    engine = small_engine(compress)
    held = fill(engine, kind, elements)
    expected = window(sorted(held, key=lambda text: (float(text), text), reverse=descending), limit)
    words = ["SORT", "source", *limit_words(limit), "DESC" if descending else "ASC"]
    if store:
        assert engine.execute(*words, "STORE", "source") == len(expected)
        assert engine.execute("LRANGE", "source", 0, -1) == expected
        assert engine.execute("EXISTS", "source") == bool(expected)
    else:
        assert engine.execute(*words) == expected


@settings(max_examples=150, deadline=None)
@given(KINDS, st.lists(WORDS, min_size=1, max_size=60), st.booleans(), LIMITS, st.booleans())
def test_bytes_against_model(kind: str, elements: list[bytes], descending: bool, limit: tuple[int, int] | None,
                             compress: bool) -> None:
    engine = small_engine(compress)
    held = fill(engine, kind, elements)
    expected = window(sorted(held, reverse=descending), limit)
    assert engine.execute("SORT_RO", "source", "ALPHA", *limit_words(limit), *["DESC"] * descending) == expected


@settings(max_examples=100, deadline=None)
@given(KINDS, st.lists(WORDS, min_size=1, max_size=40), st.booleans(), LIMITS, st.booleans())
def test_unsorted_against_model(kind: str, elements: list[bytes], descending: bool, limit: tuple[int, int] | None,
                                compress: bool) -> None:
    engine = small_engine(compress)
    held = fill(engine, kind, elements)
    if kind == "set":  # any order, but one
        members = engine.execute("SORT", "source", "BY", "nothing")
        assert sorted(members) == sorted(held)
        held = members
    elif descending:
        held = held[::-1]
    words = ["SORT", "source", "BY", "nothing", *limit_words(limit), *["DESC"] * descending]
    assert engine.execute(*words) == window(held, limit)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.integers(0, 50).map(lambda number: str(number).encode()) | st.binary(max_size=4),
                       st.none() | NUMBERS, min_size=1, max_size=40),
       st.booleans(), st.booleans(), st.booleans(), LIMITS)
def test_weights_against_model(weights: dict[bytes, bytes | None], alpha: bool, fields: bool, descending: bool,
                               limit: tuple[int, int] | None) -> None:
    engine = small_engine(False)
    held = fill(engine, "list", list(weights))
    for element, weight in weights.items():
        if weight is not None:
            engine.execute("SET", b"w:" + element + b":x", weight)
            engine.execute("HSET", b"h:" + element, "other", 1, "weight", weight)

    def by_bytes(element: bytes) -> tuple[bool, bytes]:
        weight = weights[element]
        return weight is not None, weight or b""

    def by_number(element: bytes) -> tuple[float, bytes]:
        return float(weights[element] or 0), element

    if alpha:
        ordered = sorted(held, key=by_bytes, reverse=descending)  # stable both ways
    else:
        ordered = sorted(held, key=by_number, reverse=descending)
    words = ["SORT", "source", "BY", "h:*->weight" if fields else "w:*:x", *["ALPHA"] * alpha, *["DESC"] * descending]
    expected = window(ordered, limit)
    assert engine.execute(*words, *limit_words(limit)) == expected
    pairs = engine.execute(*words, *limit_words(limit), "GET", "#", "GET", "h:*->weight", "GET", "w:*:x")
    assert pairs == [item for element in expected for item in (element, weights[element], weights[element])]


@pytest.mark.parametrize("shape", ["up", "down", "equal", "saw", "organ"])
@pytest.mark.parametrize("limit", [None, (0, 10), (4990, 20), (9990, 100)])
def test_many(engine: Engine, shape: str, limit: tuple[int, int] | None) -> None:
    count = 10000
    numbers = {
        "up": range(count),
        "down": range(count, 0, -1),
        "equal": [7] * count,
        "saw": [i * 7919 % 101 for i in range(count)],
        "organ": [min(i, count - i) for i in range(count)],
    }[shape]
    engine.execute("RPUSH", "source", *numbers)
    expected = [str(number).encode() for number in sorted(numbers)]
    assert engine.execute("SORT", "source", *limit_words(limit)) == window(expected, limit)


@pytest.mark.parametrize("text, number", [
    ("", 0), (" 5", 5), ("\t-1", -1), ("0x10", 16), ("inf", 99), ("-Infinity", -99), ("1e3", 50), ("+7", 7),
    (".5", 0.5), ("-0.0", 0),
])
def test_texts_that_are_numbers(engine: Engine, text: str, number: float) -> None:
    ordered = sorted([(number, text), (-50, "-50"), (6, "6"), (20, "20")])
    engine.execute("RPUSH", "source", *[element for _, element in ordered[::-1]])
    assert engine.execute("SORT", "source") == [element.encode() for _, element in ordered]


@pytest.mark.parametrize("text", ["x", "1x", "nan", "1 ", "1e999", "1e-999", "--1", "1" * 2000 + "x", "-", " "])
def test_texts_that_are_no_numbers(engine: Engine, text: str) -> None:
    engine.execute("RPUSH", "source", 1, text, 2)
    assert failure(engine, "SORT", "source") == NO_SCORE
    assert failure(engine, "SORT", "source", "STORE", "target") == NO_SCORE
    assert engine.execute("EXISTS", "target") == 0
    engine.execute("SET", "w:2", text)
    assert failure(engine, "SORT", "source", "BY", "w:*") == NO_SCORE
    assert len(engine.execute("SORT", "source", "BY", "w:*", "ALPHA")) == 3


def test_both_zeros_are_equal(engine: Engine) -> None:
    engine.execute("RPUSH", "source", "0", "-0", "0.0")
    assert engine.execute("SORT", "source") == [b"-0", b"0", b"0.0"]


def test_patterns(engine: Engine) -> None:
    engine.execute("RPUSH", "source", "a")
    engine.execute("SET", "x:a->", "arrow")
    engine.execute("SET", "pre*a", "second asterisk")
    engine.execute("SET", "a*", "first")
    engine.execute("HSET", "h:a:z", "f", "field", "f->g", "two", "n", 12)
    engine.execute("SET", "n:a", 12)

    def get(pattern: str) -> Any:
        return engine.execute("SORT", "source", "BY", "#", "GET", pattern)[0]

    assert get("#") == b"a"
    assert get("##") is None
    assert get("constant") is None
    assert get("x:*->") == b"arrow"
    assert get("**") == b"first"
    assert get("h:*:z->f") == b"field"
    assert get("h:*:z->f->g") == b"two"
    assert get("h:*:z->n") == b"12"
    assert get("h:*:z->missing") is None
    assert get("h:*:z") is None
    assert get("n:*") == b"12"
    assert get("n:*->f") is None
    assert get("->*") is None


def test_many_gets(engine: Engine) -> None:
    engine.execute("RPUSH", "source", 2, 1)
    words = [word for i in range(30) for word in ("GET", f"w:*:{i}")]
    engine.execute("SET", "w:1:29", "last")
    assert engine.execute("SORT", "source", *words) == [None] * 29 + [b"last"] + [None] * 30


def test_integers_are_compared_as_texts_with_alpha(engine: Engine) -> None:
    for kind in ("RPUSH", "SADD"):
        engine.execute("DEL", "source")
        engine.execute(kind, "source", 2, 1, 3, 10, -5, 1234567890123, 1234567890122)
        assert engine.execute("SORT", "source", "ALPHA") == [
            b"-5", b"1", b"10", b"1234567890122", b"1234567890123", b"2", b"3"]


def test_sorted_set_of_integers(engine: Engine) -> None:
    for i, member in enumerate([30, 1, 200, 4]):
        engine.execute("ZADD", "source", i, member)
    assert engine.execute("SORT", "source") == [b"1", b"4", b"30", b"200"]
    assert engine.execute("SORT", "source", "BY", "none", "DESC", "LIMIT", 1, 2) == [b"200", b"1"]


def test_by_without_asterisk_counts_wherever_it_stands(engine: Engine) -> None:
    engine.execute("RPUSH", "source", 3, 1, 2)
    assert engine.execute("SORT", "source", "BY", "none", "BY", "w*") == [b"3", b"1", b"2"]


def test_unsorted_set_is_stored_in_order(engine: Engine) -> None:
    members = [b"b", b"aa", b"a", b"10", b"9"]
    engine.execute("SADD", "source", *members)
    assert engine.execute("SORT", "source", "BY", "none", "STORE", "target") == 5
    assert engine.execute("LRANGE", "target", 0, -1) == sorted(members)


def test_store(engine: Engine) -> None:
    engine.execute("RPUSH", "source", 2, 1)
    engine.execute("SET", "target", "anything", "EX", 100)
    engine.execute("SET", "w:2", "two")
    assert engine.execute("SORT", "source", "GET", "w:*", "GET", "#", "STORE", "first", "STORE", "target") == 4
    assert engine.execute("LRANGE", "target", 0, -1) == [b"", b"1", b"two", b"2"]
    assert engine.execute("TTL", "target") == -1
    assert engine.execute("EXISTS", "first") == 0
    assert engine.execute("SORT", "missing", "STORE", "target") == 0
    assert engine.execute("EXISTS", "target") == 0
    assert engine.execute("SORT", "source", "LIMIT", 5, 5, "STORE", "source") == 0
    assert engine.execute("EXISTS", "source") == 0


def test_store_chooses_the_encoding(engine: Engine) -> None:
    engine.set("list_max_listpack_size", 16)
    for count, encoding in ((16, b"listpack"), (17, b"quicklist")):
        engine.execute("DEL", "source")
        engine.execute("SADD", "source", *range(count))
        engine.execute("SORT", "source", "STORE", "target")
        assert engine.execute("OBJECT", "ENCODING", "target") == encoding


def test_limit(engine: Engine) -> None:
    engine.execute("RPUSH", "source", *range(10))
    most = 2**63 - 1
    for words in ((), ("BY", "none")):
        assert engine.execute("SORT", "source", *words, "LIMIT", 2, most) == [str(i).encode() for i in range(2, 10)]
        assert engine.execute("SORT", "source", *words, "LIMIT", most, most) == []
        assert engine.execute("SORT", "source", *words, "LIMIT", -most, 1) == [b"0"]
        assert engine.execute("SORT", "source", *words, "LIMIT", 3, 0) == []


def test_missing_key_and_wrong_type(engine: Engine) -> None:
    assert engine.execute("SORT", "missing") == []
    assert engine.execute("SORT_RO", "missing", "GET", "#") == []
    engine.execute("SET", "text", 1)
    engine.execute("HSET", "hash", 1, 1)
    for key in ("text", "hash"):
        assert failure(engine, "SORT", key) == WRONG_TYPE
        assert failure(engine, "SORT_RO", key) == WRONG_TYPE
        assert failure(engine, "SORT", key, "WHAT") == SYNTAX


@pytest.mark.parametrize("words, error", [
    (("LIMIT",), SYNTAX), (("LIMIT", 1), SYNTAX), (("BY",), SYNTAX), (("GET",), SYNTAX), (("STORE",), SYNTAX),
    (("WHAT",), SYNTAX), (("LIMIT", "x", 1), NO_INTEGER), (("LIMIT", 1, "x"), NO_INTEGER),
])
def test_option_errors(engine: Engine, words: tuple[Word, ...], error: str) -> None:
    assert failure(engine, "SORT", "source", *words) == error
    assert failure(engine, "SORT_RO", "source", *words) == error


def test_read_only_form_stores_nothing(engine: Engine) -> None:
    assert failure(engine, "SORT_RO", "source", "STORE", "target") == SYNTAX


def test_nothing_is_lost(engine: Engine) -> None:
    """Memory comes back, whether a command succeeds or not."""
    words = ("SORT", "source", "BY", "w:*", *["GET", "#"] * 20)
    before = 0
    for turn in range(3):
        engine.execute("RPUSH", "source", 3, 1, "x" * 400, *range(300))
        assert failure(engine, "SORT", "source") == NO_SCORE
        engine.execute(*words, "ALPHA")
        engine.execute(*words, "STORE", "target")
        assert failure(engine, *words, "WHAT") == SYNTAX
        used = memory_at_rest(engine)
        if turn == 1:
            before = used
    assert used == before


def test_scores_are_ordered_by_value(engine: Engine) -> None:
    values = [struct.unpack("<d", struct.pack("<Q", i * 0x9E3779B97F4A7C15 % 2**64))[0] for i in range(1, 400)]
    values = [value for value in values if value == value and abs(value) > 1e-300]
    engine.execute("RPUSH", "source", *[repr(value) for value in values])
    assert engine.execute("SORT", "source") == [repr(value).encode() for value in sorted(values)]
