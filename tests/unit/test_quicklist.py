"""The quicklist against a Python list, through splits, merges, plain nodes and compression."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redislite._core.probes.dict import HeapProbe
from redislite._core.probes.quicklist import QuicklistProbe, exceeds

values = st.one_of(
    st.integers(-20, 300).map(lambda number: str(number).encode()),
    st.sampled_from([b"", b"-", b"a", b"b" * 63, b"b" * 64, b"12345678901", b"-9223372036854775808", b"007"]),
    st.tuples(st.sampled_from(b"xyz"), st.integers(0, 300)).map(lambda pair: bytes([pair[0]]) * pair[1]),
    st.tuples(st.sampled_from(b"xy"), st.integers(3000, 9000)).map(lambda pair: bytes([pair[0]]) * pair[1]),
    st.binary(max_size=200),
)
fills = st.sampled_from([-5, -2, -1, 0, 1, 2, 3, 16, 1000])


class ListMachine(RuleBasedStateMachine):
    @initialize(fill=fills, depth=st.sampled_from([0, 0, 1, 2, 5]), plain_from=st.sampled_from([0, 0, 1, 10, 5000]))
    def begin(self, fill: int, depth: int, plain_from: int) -> None:
        self.list = QuicklistProbe(fill, depth, plain_from)
        self.model: list[bytes] = []

    @rule(value=values, at_head=st.booleans())
    def push(self, value: bytes, at_head: bool) -> None:
        self.list.push(value, at_head)
        self.model.insert(0 if at_head else len(self.model), value)

    @rule(many=st.lists(values, max_size=30), at_head=st.booleans())
    def push_many(self, many: list[bytes], at_head: bool) -> None:
        for value in many:
            self.push(value, at_head)

    @rule(count=st.integers(1, 500), at_head=st.booleans())
    def push_numbers(self, count: int, at_head: bool) -> None:
        for number in range(count):
            self.push(b"element-%d" % number, at_head)

    @rule(at_head=st.booleans(), count=st.integers(1, 40))
    def pop(self, at_head: bool, count: int) -> None:
        for _ in range(count):
            expected = self.model.pop(0 if at_head else -1) if self.model else None
            assert self.list.pop(at_head) == expected

    @rule(index=st.integers(-900, 900), behind=st.booleans(), value=values)
    def insert(self, index: int, behind: bool, value: bytes) -> None:
        found = -len(self.model) <= index < len(self.model)
        assert self.list.insert(index, behind, value) == found
        if found:
            place = index if index >= 0 else index + len(self.model)
            self.model.insert(place + behind, value)

    @rule(index=st.integers(-900, 900), value=values)
    def replace(self, index: int, value: bytes) -> None:
        found = -len(self.model) <= index < len(self.model)
        assert self.list.replace(index, value) == found
        if found:
            self.model[index] = value

    @precondition(lambda self: self.model)
    @rule(data=st.data(), value=values)
    def edit_inside(self, data: st.DataObject, value: bytes) -> None:
        index = data.draw(st.integers(0, len(self.model) - 1))
        if data.draw(st.booleans()):
            self.insert(index, data.draw(st.booleans()), value)
        else:
            self.replace(index - data.draw(st.sampled_from([0, len(self.model)])), value)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), count=st.integers(0, 5), backward=st.booleans())
    def remove(self, data: st.DataObject, count: int, backward: bool) -> None:
        value = data.draw(st.one_of(values, st.sampled_from(self.model)))
        found = [place for place, element in enumerate(self.model) if element == value]
        if backward:
            found.reverse()
        if count:
            found = found[:count]
        assert self.list.remove(value, count, backward) == len(found)
        for place in sorted(found, reverse=True):
            del self.model[place]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete_range(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.model) - 1))
        count = data.draw(st.integers(0, len(self.model) - start))
        self.list.delete_range(start, count)
        del self.model[start : start + count]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def keep_range(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.model) - 1))
        count = data.draw(st.integers(1, len(self.model) - start))
        self.list.keep_range(start, count)
        self.model = self.model[start : start + count]

    @rule(index=st.integers(-900, 900), backward=st.booleans(), count=st.integers(0, 50))
    def walk(self, index: int, backward: bool, count: int) -> None:
        expected: list[bytes] = []
        if -len(self.model) <= index < len(self.model):
            place = index if index >= 0 else index + len(self.model)
            expected = self.model[: place + 1][::-1] if backward else self.model[place:]
        assert self.list.walk(index, backward, count) == expected[:count]

    @rule(many=st.lists(values, min_size=1, max_size=5).filter(lambda many: sum(map(len, many)) < 3000))
    def push_listpack(self, many: list[bytes]) -> None:
        # What a small list becomes is always within the limits of a node.
        if len(many) == 1:
            self.list.push_listpack(many)
            self.model += many

    @rule(value=values)
    def push_plain(self, value: bytes) -> None:
        self.list.push_plain(value)
        self.model.append(value)

    @rule()
    def copy(self) -> None:
        assert self.list.copy() == self.model

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "list"):
            self.list.check()
            assert len(self.list) == len(self.model)
            assert self.list.walk() == self.model
            assert self.list.walk(-1, backward=True) == self.model[::-1]
            assert self.list.used == self.list.memory

    def teardown(self) -> None:
        if hasattr(self, "list"):
            nodes = len(self.list.nodes)
            assert self.list.release(3) >= max(1, -(-nodes // 3))
            assert self.list.nodes == []


TestListMachine = ListMachine.TestCase
TestListMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(
    ("fill", "size", "count", "over"),
    [
        (-1, 4096, 10**6, False),
        (-1, 4097, 1, True),
        (-2, 8192, 1, False),
        (-3, 16384, 1, False),
        (-4, 32769, 1, True),
        (-5, 65536, 1, False),
        (-6, 65536, 1, False),
        (-100, 65537, 1, True),
        (3, 100, 3, False),
        (3, 100, 4, True),
        (3, 8193, 1, True),
        (0, 100, 1, False),
        (0, 100, 2, True),
    ],
)
def test_limits(fill: int, size: int, count: int, over: bool) -> None:
    assert exceeds(fill, size, count) == over


@pytest.mark.parametrize("at_head", [False, True])
def test_memory_of_a_long_list(at_head: bool) -> None:
    probe = QuicklistProbe()
    for number in range(40_000):
        probe.push(b"element:%012d" % number, at_head)
    assert probe.memory / 40_000 < 22.4
    assert probe.memory == probe.used
    probe.check()


def test_a_full_node_takes_a_new_element_where_its_neighbours_have_room() -> None:
    probe = QuicklistProbe(4)
    for number in range(8):
        probe.push(b"%d" % number)
    assert [node[1] for node in probe.nodes] == [4, 4]
    probe.push(b"8")
    probe.insert(7, True, b"a")  # behind the last of the second node: the third has room
    assert [node[1] for node in probe.nodes] == [4, 4, 2]
    probe.insert(5, False, b"b")  # within the second: split
    assert probe.walk() == [b"0", b"1", b"2", b"3", b"4", b"b", b"5", b"6", b"7", b"a", b"8"]
    probe.check()


def test_insertion_into_a_full_node_joins_what_fits() -> None:
    probe = QuicklistProbe(8)
    for number in range(24):
        probe.push(b"%d" % number)
    probe.delete_range(3, 5)
    assert [node[1] for node in probe.nodes] == [3, 8, 8]
    probe.insert(5, False, b"a")  # splits the second into 2 and 6; the first, the 2 and the new one make a node
    assert [node[1] for node in probe.nodes] == [6, 6, 8]
    probe.check()


def test_compression_saves_memory_and_keeps_the_ends_open() -> None:
    plain = QuicklistProbe()
    packed = QuicklistProbe(depth=1)
    for number in range(10_000):
        plain.push(b"item number %d of the list" % number)
        packed.push(b"item number %d of the list" % number)
    assert packed.memory < plain.memory // 2
    flags = [node[3] for node in packed.nodes]
    assert not flags[0] and not flags[-1] and all(flags[1:-1])
    assert packed.walk() == plain.walk()
    while packed.pop():
        pass
    packed.check()
    assert len(packed) == 0


def test_what_does_not_compress_is_left_alone() -> None:
    source = random.Random(3)
    probe = QuicklistProbe(depth=1)
    for _ in range(3000):
        probe.push(source.randbytes(20))
    assert not any(node[3] for node in probe.nodes)
    probe.check()


def test_into_listpack() -> None:
    probe = QuicklistProbe()
    for number in range(10):
        probe.push(b"%d" % number, True)
    probe.pop(True)
    assert probe.into_listpack() == [b"%d" % number for number in reversed(range(9))]
    probe.push(b"x" * 9000)
    assert probe.into_listpack() is None
    assert probe.walk() == [b"x" * 9000]


@pytest.mark.skipif(not HeapProbe.checked(), reason="only checked builds can be starved of memory")
@pytest.mark.parametrize("depth", [0, 1])
def test_out_of_memory_changes_nothing(depth: int) -> None:
    source = random.Random(5)
    for room in [0, 40, 60, 100, 300, 600, 1000, 3000, 9000, 20_000]:
        for turn in range(12):
            probe = QuicklistProbe(-1, depth, 3000)
            for number in range(400):
                probe.push(b"element number %d" % number)
            probe.push(b"x" * 5000)
            before = probe.walk()
            value = [b"y", b"y" * 300, b"y" * 3500, b"y" * 2500][turn % 4]
            probe.limit(room)
            try:
                kind = turn // 4
                if kind == 0:
                    index = source.randrange(len(before))
                    after = [*before[:index], value, *before[index:]]
                    probe.insert(index, False, value)
                elif kind == 1:
                    index = source.randrange(len(before))
                    after = [*before[:index], value, *before[index + 1 :]]
                    probe.replace(index, value)
                else:
                    after = [value, *before]
                    probe.push(value, True)
            except MemoryError:
                after = before
            probe.unlimit()
            assert probe.walk() == after
            assert len(probe) == len(after)
