"""Glob patterns: KEYS and SCAN MATCH against a model, and patterns made to be slow."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.text.glob import matching

ANY = frozenset(range(256))
NOTHING = frozenset({-1})  # the class []
STAR = frozenset[int]()  # told by identity


def signed(byte: int) -> int:
    """A byte as ranges see it."""
    return byte - 256 if byte > 127 else byte


def parse_class(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """The bytes that the class behind an opening bracket stands for, and where it ends."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(pattern):
        rest = pattern[at:]
        if rest[:1] == b"\\" and len(rest) > 1:
            members.add(rest[1])
            at += 2
        elif rest[:1] == b"]":
            at += 1
            break
        elif len(rest) > 2 and rest[1:2] == b"-":
            low, high = sorted(map(signed, (rest[0], rest[2])))
            members.update(byte for byte in ANY if low <= signed(byte) <= high)
            at += 3
        else:
            members.add(rest[0])
            at += 1
    return (ANY - members if negated else frozenset(members)) or NOTHING, at


def parse(pattern: bytes) -> Iterator[frozenset[int]]:
    """A pattern as a sequence of byte classes and stars."""
    at = 0
    while at < len(pattern):
        letter = pattern[at : at + 1]
        at += 1
        if letter == b"*":
            yield STAR
        elif letter == b"?":
            yield ANY
        elif letter == b"[":
            members, at = parse_class(pattern, at)
            yield members
        else:
            if letter == b"\\" and at < len(pattern):
                letter = pattern[at : at + 1]
                at += 1
            yield frozenset(letter)


def matches(pattern: bytes, text: bytes) -> bool:
    """Whether a pattern matches, by following all ways through it at once."""
    if not text:
        return not pattern  # the original's way: not even a star matches nothing at all
    elements = list(parse(pattern))

    def pass_stars(places: set[int]) -> set[int]:
        closed = set(places)
        for place in sorted(places):
            while place < len(elements) and elements[place] is STAR:
                place += 1
                closed.add(place)
        return closed

    places = pass_stars({0})
    for letter in text:
        places = pass_stars(
            {
                place if elements[place] is STAR else place + 1
                for place in places
                if place < len(elements) and (elements[place] is STAR or letter in elements[place])
            }
        )
    return len(elements) in places


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def found(engine: Engine, pattern: bytes, text: bytes) -> bool:
    """Whether KEYS and SCAN find the one key, `text`, by the pattern."""
    engine.execute("FLUSHALL")
    engine.execute("SET", text, "value")
    names = engine.execute("KEYS", pattern)
    assert engine.execute("SCAN", 0, "MATCH", pattern, "COUNT", 100) == [b"0", names]
    assert names in ([], [text])
    return bool(names)


PIECES = [b"a", b"b", b"c", b"d", b"*", b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"[a-c]", b"[^b]", b"\0", b"\xff"]
patterns = st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join)
texts = st.lists(
    st.sampled_from([b"a", b"b", b"c", b"d", b"[", b"]", b"^", b"-", b"\\", b"*", b"\0", b"\xff"]), max_size=8
)


@settings(max_examples=1500, deadline=None)
@given(patterns, texts.map(b"".join))
@example(b"[", b"[")
@example(b"[a", b"a")
@example(b"[^", b"a")
@example(b"[]", b"]")
@example(b"[a-]", b"]")
@example(b"[\\]]", b"]")
@example(b"[c-a]", b"b")
@example(b"[\xff-a]", b"b")
@example(b"[\xff-a]", b"\0")
@example(b"a\\", b"a\\")
@example(b"*[", b"")
@example(b"", b"")
@example(b"**", b"")
@example(b"a**", b"a")
def test_against_the_model(engine: Engine, pattern: bytes, text: bytes) -> None:
    assert found(engine, pattern, text) == (pattern == b"*" or matches(pattern, text))


@settings(max_examples=300, deadline=None)
@given(texts.map(b"".join))
def test_a_quoted_text_matches_itself_alone(engine: Engine, text: bytes) -> None:
    quoted = b"".join(b"\\" + bytes([letter]) for letter in text)
    assert found(engine, quoted, text)
    assert not found(engine, quoted, text + b"a")
    assert found(engine, b"*" + quoted + b"*", b"a" + text + b"b")


def test_a_star_alone_means_every_key(engine: Engine) -> None:
    assert found(engine, b"*", b"")


@pytest.mark.parametrize(
    "pattern",
    [b"a*" * 1000 + b"b", b"*a" * 1000 + b"b", b"*" * 5000 + b"b", b"*" + b"a" * 1000 + b"b", b"*[^b]" * 1000 + b"b"],
    ids=["a*", "*a", "*", "a", "class"],
)
def test_hostile_patterns_stay_fast(engine: Engine, pattern: bytes) -> None:
    begun = time.monotonic()
    assert not found(engine, pattern, b"a" * 20_000)
    assert time.monotonic() - begun < 10


def test_matching_names() -> None:
    names = [b"maxmemory", b"maxclients", b"port", b"MaxMemory-policy"]
    assert matching(b"MAX*", names) == [b"maxmemory", b"maxclients", b"MaxMemory-policy"]
    assert matching(b"max*y", names) == [b"maxmemory", b"MaxMemory-policy"]
    assert matching(b"max*", names, False) == [b"maxmemory", b"maxclients"]
    assert matching(b"p[n-p]rt", names) == [b"port"]
    assert matching(b"[abc", [b"c", b"d"]) == [b"c"]
