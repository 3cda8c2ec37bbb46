"""The stream of what is propagated, against a plain model; and that its readers get the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import redislite
from redislite._core.engine import Engine
from redislite._core.probes.feed import READERS_MOST, FeedProbe


class FeedMachine(RuleBasedStateMachine):
    """The model: all bytes of whole units there ever were, where each reader stands, and the unit that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = FeedProbe()
        self.stream = b""
        self.unit = b""
        self.places: dict[int, int] = {}

    @rule(data=st.binary(max_size=5000))
    def put(self, data: bytes) -> None:
        self.feed.put(data)
        self.unit += data

    @rule(is_kept=st.booleans())
    def end_unit(self, is_kept: bool) -> None:
        self.feed.end_unit(is_kept)
        if is_kept:
            self.stream += self.unit if self.places else b""
        self.unit = b""

    @rule(number=st.integers(0, READERS_MOST - 1))
    def attach(self, number: int) -> None:
        self.feed.attach(number)
        self.places.setdefault(number, len(self.stream))

    @rule(number=st.integers(0, READERS_MOST - 1))
    def detach(self, number: int) -> None:
        had = len(self.places)
        self.feed.detach(number)
        self.places.pop(number, None)
        if had and not self.places:
            self.unit = b""

    @precondition(lambda self: self.places)
    @rule(draw=st.data())
    def read(self, draw: st.DataObject) -> None:
        number = draw.draw(st.sampled_from(sorted(self.places)))
        count = draw.draw(st.one_of(st.integers(0, 100), st.just(1 << 30)))
        count = min(count, len(self.stream) - self.places[number])
        self.feed.read(number, count)
        self.places[number] += count

    @invariant()
    def agrees(self) -> None:
        assert self.feed.end == len(self.stream)
        for number, place in self.places.items():
            assert self.feed.offset(number) == place
            assert self.feed.unread(number) == self.stream[place:]
        # No more is kept than twice what the slowest waits for.
        slowest = min(self.places.values(), default=len(self.stream))
        waiting = len(self.stream) - slowest + len(self.unit)
        if self.places:
            assert waiting <= self.feed.held <= 2 * waiting or self.feed.held == waiting


FeedMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestFeed = FeedMachine.TestCase


def test_a_large_block_is_given_back() -> None:
    feed = FeedProbe()
    feed.attach(0)
    feed.put(bytes(3 << 20))
    feed.end_unit()
    feed.read(0, 3 << 20)
    assert feed.held == feed.capacity == 0
    assert feed.offset(0) == feed.end == 3 << 20


def opened(path: str | Path) -> int:
    """A descriptor that the log takes over."""
    return os.open(path, os.O_WRONLY | os.O_CREAT)


def test_the_file_and_a_follower_read_the_same(tmp_path: Path) -> None:
    engine = Engine()
    engine.follow_writes()
    engine.append_log.open(opened(tmp_path / "log"), 0)
    taken = b""
    for number in range(200):
        engine.execute("RPUSH", "list", number)
        if number % 7 == 0:
            engine.before_sleep()
        if number % 50 == 0:  # lags behind the file
            taken += engine.take_propagated()
    assert engine.append_log.flush()
    taken += engine.take_propagated()
    assert (tmp_path / "log").read_bytes() == taken
    engine.follow_writes(False)
    engine.execute("SET", "k", "v")
    assert engine.take_propagated() == b""


@pytest.mark.parametrize("path", ["/dev/null", "/dev/full"])
def test_one_whose_file_is_full_holds_up_nobody(path: str) -> None:
    engine = Engine()
    engine.append_log.policy = "no"
    engine.append_log.open(opened(path), 0)
    engine.follow_writes()
    engine.execute("SET", "k", "v")
    engine.before_sleep()
    assert engine.take_propagated().endswith(b"$1\r\nk\r\n$1\r\nv\r\n")
    assert (engine.append_log.waiting > 0) == (path == "/dev/full")


def test_a_log_that_is_switched_on_within_a_transaction_has_what_comes_then(tmp_path: Path) -> None:
    engine = Engine()
    engine.follow_writes()

    @redislite.command("switch", 1, "write")
    def switch(db: redislite.Caller) -> str:
        engine.append_log.open(opened(tmp_path / "log"), 0)
        return "on"

    engine.extend(switch)
    engine.execute("MULTI")
    engine.execute("SET", "before", 1)
    engine.execute("SWITCH")
    engine.execute("SET", "behind", 1)
    assert engine.execute("EXEC") == ["OK", b"on", "OK"]
    assert engine.append_log.flush()
    written = (tmp_path / "log").read_bytes()
    assert b"behind" in written
    assert b"before" not in written
    taken = engine.take_propagated()
    assert b"before" in taken
    assert b"behind" in taken
