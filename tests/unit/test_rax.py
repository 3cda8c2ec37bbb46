"""The radix tree against a dict that is sorted when looked at."""

from __future__ import annotations

import bisect
import random
import struct
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from redislite._core.probes.rax import RaxProbe

# Few letters and short lengths, so that keys share beginnings and are beginnings of each other.
keys = st.one_of(
    st.text("ab", max_size=6).map(str.encode),
    st.text("abcdefgh", max_size=3).map(str.encode),
    st.integers(0, 300).map(lambda n: struct.pack(">QQ", 1_700_000_000_000 + n // 8, n % 8)),
    st.binary(max_size=2),
    st.sampled_from([b"x" * 40, b"x" * 41, b"x" * 40 + b"y", b"x" * 20 + b"z"]),
)


class TreeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tree = RaxProbe()
        self.empty = self.tree.used
        self.model: dict[bytes, int] = {}
        self.counter = 0

    @rule(key=keys)
    def insert(self, key: bytes) -> None:
        self.counter += 1
        assert self.tree.insert(key, self.counter) == self.model.get(key)
        self.model[key] = self.counter

    @rule(first=st.integers(0, 300), count=st.integers(1, 300))
    def insert_many(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.insert(struct.pack(">QQ", number // 7, number))

    @rule(key=keys)
    def remove(self, key: bytes) -> None:
        assert self.tree.remove(key) == self.model.pop(key, None)

    @rule(data=st.data())
    def remove_some(self, data: Any) -> None:
        if self.model:
            chosen = data.draw(st.lists(st.sampled_from(sorted(self.model)), unique=True, max_size=50))
            for key in chosen:
                self.remove(key)

    @rule(key=keys)
    def find(self, key: bytes) -> None:
        assert self.tree.find(key) == self.model.get(key)
        self.counter += 1
        assert self.tree.set_value(key, self.counter) == (key in self.model)
        if key in self.model:
            self.model[key] = self.counter

    @rule(key=keys, count=st.integers(0, 20))
    def seek(self, key: bytes, count: int) -> None:
        ordered = sorted(self.model.items())
        names = [name for name, _ in ordered]
        left = bisect.bisect_left(names, key)
        right = bisect.bisect_right(names, key)
        walk = self.tree.walk
        assert walk(">=", key, "next", count) == ordered[left:][:count]
        assert walk(">", key, "next", count) == ordered[right:][:count]
        assert walk("<=", key, "previous", count) == ordered[:right][::-1][:count]
        assert walk("<", key, "previous", count) == ordered[:left][::-1][:count]
        assert walk("==", key, "next", count) == (ordered[left:][:count] if key in self.model else [])
        # Turning round: what stands before the key that >= finds.
        if left < len(ordered) and count:
            assert walk(">=", key, "previous") == ordered[: left + 1][::-1]

    @invariant()
    def agrees(self) -> None:
        ordered = sorted(self.model.items())
        assert len(self.tree) == len(ordered)
        assert self.tree.walk("first") == ordered
        assert self.tree.walk("last", direction="previous") == ordered[::-1]
        assert self.tree.last() == (ordered[-1][1] if ordered else None)
        assert self.tree.used - self.empty == self.tree.footprint
        # Every inner node has a value or branches, so there are fewer of them than keys.
        assert self.tree.nodes <= max(0, 2 * len(ordered) - 1)

    def teardown(self) -> None:
        released: list[int] = []
        while True:
            values = self.tree.drain(7)
            released += values
            if len(values) < 7:
                break
        assert sorted(released) == sorted(self.model.values())
        assert self.tree.nodes == 0 and self.tree.footprint == 0 and self.tree.used == self.empty


TestTreeMachine = TreeMachine.TestCase
TestTreeMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_every_byte_as_a_branch() -> None:
    tree = RaxProbe()
    order = list(range(256))
    random.Random(1).shuffle(order)
    for byte in order:
        tree.insert(bytes([byte]), byte + 1)
    assert tree.nodes == 257
    assert [key[0] for key, _ in tree.walk("first")] == list(range(256))
    for byte in order:
        assert tree.remove(bytes([byte])) == byte + 1
    assert tree.nodes == 0


def test_prefix_longer_than_a_node() -> None:
    tree = RaxProbe()
    empty = tree.used
    most = tree.prefix_max
    long = bytes(range(256)) * ((2 * most + 1000) // 256)
    model = {long: 1}
    tree.insert(long, 1)
    assert tree.nodes == 3
    model.update({long + b"more": 2, long[:most]: 3, long[: most + 1]: 4, long[: most - 1] + b"other": 5})
    for key, value in model.items():
        tree.insert(key, value)
    assert tree.find(long[:-1]) is None
    for key in sorted(model, key=model.__getitem__)[:4]:
        assert tree.walk("first") == sorted(model.items())
        assert tree.walk("last", direction="previous") == sorted(model.items(), reverse=True)
        assert tree.remove(key) == model.pop(key)
    assert tree.walk("first") == list(model.items())
    assert tree.nodes == 2
    assert tree.remove(*model) == 5
    assert tree.nodes == 0 and tree.used == empty


@pytest.mark.parametrize("chunk", [1, 10, 5000])
def test_drain_of_a_tree_deeper_than_its_window(chunk: int) -> None:
    tree = RaxProbe()
    empty = tree.used
    for length in range(400):
        tree.insert(b"a" * length, length + 1)
        tree.insert(b"a" * length + b"b", 1000 + length)
    assert tree.walk("last", direction="previous") == tree.walk("first")[::-1]
    released: list[int] = []
    while len(tree):
        released += tree.drain(chunk)
    assert sorted(released) == sorted([*range(1, 401), *range(1000, 1400)])
    assert tree.used == empty


def test_memory_of_stream_keys() -> None:
    """Keys like those of entries waiting for acknowledgement: consecutive numbers behind a common beginning."""
    tree = RaxProbe()
    for number in range(10000):
        tree.insert(struct.pack(">QQ", 1_700_000_000_000, number), 1)
    assert tree.footprint / 10000 < 26
