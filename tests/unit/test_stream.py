"""The stream structure against a list of entries and dicts of what is pending."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from redislite._core.probes.stream import StreamProbe, format_id, step_id

Id = tuple[int, int]
Entry = tuple[Id, list[tuple[bytes, bytes]]]

MOST = 2**64 - 1
LEAST_ID = (0, 0)
MOST_ID = (MOST, MOST)

texts = st.one_of(
    st.sampled_from([b"", b"1", b"-7", b"127", b"128", b"4096", b"007", b"%d" % (2**63 - 1), b"x" * 63, b"y" * 64]),
    st.binary(max_size=20),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: b"%d" % n),
)
# Some field lists come again and again, so that entries share the master's.
field_lists = st.one_of(
    st.sampled_from([[b"a"], [b"a", b"b"], [b"b", b"a"], [b"1", b"2", b"3"]]),
    st.lists(texts, min_size=1, max_size=4),
)
steps = st.one_of(
    st.sampled_from([(0, 1), (0, 2), (1, 0), (3, 5)]),
    st.tuples(st.integers(0, 2**40), st.integers(1, 2**40)),
)
limits = st.sampled_from([(4096, 100), (4096, 3), (100, 0), (0, 5), (1, 1), (0, 0), (300, 200)])
group_names = st.sampled_from([b"g", b"group", b""])
consumer_names = st.sampled_from([b"alice", b"al", b"bob", b"x" * 300])


class StreamMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stream = StreamProbe()
        self.entries: list[Entry] = []
        self.last: Id = LEAST_ID
        self.max_deleted: Id = LEAST_ID
        self.added = 0
        self.groups: dict[bytes, dict[bytes, set[Id]]] = {}
        self.delivered: dict[tuple[bytes, Id], tuple[bytes, int, int]] = {}
        self.now = 0

    def some_id(self, data: Any) -> Id:
        known = st.sampled_from([entry[0] for entry in self.entries]) if self.entries else st.just((1, 1))
        drawn: Id = data.draw(st.one_of(known, st.just(self.last), st.tuples(st.integers(0, 20), st.integers(0, 20))))
        return drawn

    @rule(step=steps, fields=field_lists, limit=limits, data=st.data())
    def append(self, step: Id, fields: list[bytes], limit: tuple[int, int], data: Any) -> None:
        new_id = (self.last[0] + step[0], self.last[1] + step[1] if step[0] == 0 else step[1])
        if new_id[0] > MOST or new_id[1] > MOST:
            return
        pairs = [(field, data.draw(texts)) for field in fields]
        self.stream.append(new_id, pairs, *limit)
        self.entries.append((new_id, pairs))
        self.last = new_id
        self.added += 1

    @rule(count=st.integers(1, 40), limit=limits)
    def append_many(self, count: int, limit: tuple[int, int]) -> None:
        for number in range(count):
            pairs = [(b"item", b"%d" % number)] if number % 9 else [(b"item", b"v"), (b"other", b"%d" % number)]
            self.last = (self.last[0] + number % 2, self.last[1] + 1)
            self.stream.append(self.last, pairs, *limit)
            self.entries.append((self.last, pairs))
            self.added += 1

    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        gone = self.some_id(data)
        present = gone in [entry[0] for entry in self.entries]
        assert self.stream.delete(gone) == present
        if present:
            self.entries = [entry for entry in self.entries if entry[0] != gone]
            self.max_deleted = max(self.max_deleted, gone)

    @precondition(lambda self: len(self.entries) > 3)
    @rule(data=st.data(), reverse=st.booleans())
    def delete_at(self, data: Any, reverse: bool) -> None:
        first, last = sorted((self.some_id(data), self.some_id(data)))
        found = [entry for entry in self.entries if first <= entry[0] <= last]
        assert self.stream.delete_at(first, last, reverse) == bool(found)
        if found:
            gone = found[-1 if reverse else 0]
            self.entries.remove(gone)
            self.max_deleted = max(self.max_deleted, gone[0])

    @rule(part=st.floats(0, 1.2))
    def trim_to_length(self, part: float) -> None:
        most = int(len(self.entries) * part)
        assert self.stream.trim(most) == max(0, len(self.entries) - most)
        self.entries = self.entries[max(0, len(self.entries) - most) :]

    @rule(data=st.data())
    def trim_to_id(self, data: Any) -> None:
        least = self.some_id(data)
        kept = [entry for entry in self.entries if entry[0] >= least]
        assert self.stream.trim(min_id=least) == len(self.entries) - len(kept)
        self.entries = kept

    @rule(part=st.floats(0, 1.0), limit=st.sampled_from([0, 1, 10, 100]), by_id=st.booleans(), data=st.data())
    def trim_approximately(self, part: float, limit: int, by_id: bool, data: Any) -> None:
        """Whole listpacks only: what is left begins where one began, and is no less than was asked for."""
        most = int(len(self.entries) * part)
        least = self.some_id(data)
        if by_id:
            removed = self.stream.trim(min_id=least, approximate=True, limit=limit)
            wanted = sum(1 for entry in self.entries if entry[0] < least)
        else:
            removed = self.stream.trim(most, approximate=True, limit=limit)
            wanted = max(0, len(self.entries) - most)
        assert removed <= wanted and (limit == 0 or removed <= limit)
        self.entries = self.entries[removed:]
        if removed and self.entries:
            assert self.stream.packs[0][0] <= self.entries[0][0]

    @rule(data=st.data(), count=st.integers(-1, 10), read=st.sampled_from([-1, 0, 1]), reverse=st.booleans())
    def look(self, data: Any, count: int, read: int, reverse: bool) -> None:
        first, last = self.some_id(data), self.some_id(data)
        expected = [entry for entry in self.entries if first <= entry[0] <= last]
        if reverse:
            expected.reverse()
        if count >= 0:
            expected = expected[:count]
        if read >= 0:
            expected = [(entry[0], entry[1][:read]) for entry in expected]
        assert self.stream.range(first, last, reverse, count, read) == expected
        assert self.stream.exists(first) == (first in [entry[0] for entry in self.entries])

    @rule(name=group_names)
    def create_or_destroy_group(self, name: bytes) -> None:
        if name in self.groups:
            self.stream.destroy_group(name)
            del self.groups[name]
            self.delivered = {key: value for key, value in self.delivered.items() if key[0] != name}
        else:
            self.stream.create_group(name, LEAST_ID, -1)
            self.groups[name] = {}

    @precondition(lambda self: self.groups)
    @rule(data=st.data(), consumer=consumer_names)
    def create_or_delete_consumer(self, data: Any, consumer: bytes) -> None:
        name = data.draw(st.sampled_from(sorted(self.groups)))
        if consumer in self.groups[name] and data.draw(st.booleans()):
            ids = self.groups[name].pop(consumer)
            assert self.stream.delete_consumer(name, consumer) == len(ids)
            for pending_id in ids:
                del self.delivered[name, pending_id]
        elif consumer not in self.groups[name]:
            self.stream.create_consumer(name, consumer, 5)
            self.groups[name][consumer] = set()

    @precondition(lambda self: any(self.groups.values()))
    @rule(data=st.data(), count=st.integers(1, 30))
    def deliver(self, data: Any, count: int) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, consumers in self.groups.items() if consumers)))
        consumer = data.draw(st.sampled_from(sorted(self.groups[name])))
        for _ in range(count):
            self.now += 1
            entry_id = (self.now // 3 % 17, self.now % 11)
            old = self.delivered.get((name, entry_id))
            assert self.stream.assign(name, consumer, entry_id, self.now) == (old is None)
            if old is not None:
                self.groups[name][old[0]].discard(entry_id)
            self.groups[name][consumer].add(entry_id)
            self.delivered[name, entry_id] = (consumer, self.now, old[2] + 1 if old else 1)

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def acknowledge(self, data: Any) -> None:
        name, entry_id = data.draw(st.sampled_from(sorted(self.delivered)))
        consumer, _, _ = self.delivered.pop((name, entry_id))
        self.groups[name][consumer].discard(entry_id)
        assert self.stream.acknowledge(name, entry_id)
        assert not self.stream.acknowledge(name, entry_id)

    @rule()
    def copy(self) -> None:
        copied = self.stream.copy()
        assert copied.range(LEAST_ID, MOST_ID) == self.entries
        assert copied.ids == self.stream.ids and copied.entries_added == self.added
        assert copied.groups() == self.stream.groups()
        for (name, entry_id), pending in self.delivered.items():
            assert copied.pending(name, entry_id) == pending

    @invariant()
    def agrees(self) -> None:
        first = self.entries[0][0] if self.entries else LEAST_ID
        last = self.entries[-1][0] if self.entries else LEAST_ID
        assert len(self.stream) == len(self.entries)
        assert self.stream.ids == (self.last, first, self.max_deleted, last)
        assert self.stream.entries_added == self.added
        assert self.stream.range(LEAST_ID, MOST_ID) == self.entries
        assert self.stream.groups() == {
            name: {consumer: sorted(ids) for consumer, ids in self.groups[name].items()} for name in self.groups
        }
        for (name, entry_id), pending in self.delivered.items():
            assert self.stream.pending(name, entry_id) == pending
        if len(self.stream.packs) <= 64:
            assert self.stream.memory == self.stream.used

    def teardown(self) -> None:
        self.stream.release(5)
        assert self.stream.used == 0


TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_listpack_layout() -> None:
    """Byte by byte what the original writes for the same entries."""
    stream = StreamProbe()
    stream.append((1, 1), [(b"f", b"v")])
    master = "0101 816602 0001"
    first = "0201 0001 0001 817602 0401"
    assert stream.packs == [((1, 1), bytes.fromhex(f"1d0000000a00 0101 0001 {master} {first} ff"))]
    stream.append((1, 2), [(b"f", b"w")])
    stream.append((2, 0), [(b"g", b"1")])
    stream.delete((1, 2))
    second = "0301 0001 0101 817702 0401"
    third = "0001 0101 dfff02 0101 816702 0101 0601"
    assert stream.packs == [((1, 1), bytes.fromhex(f"380000001600 0201 0101 {master} {first} {second} {third} ff"))]


def test_listpacks_are_filled_to_their_limits() -> None:
    stream = StreamProbe()
    for number in range(1, 252):
        stream.append((number, 0), [(b"item", b"v")])
    assert [pack[0] for pack in stream.packs] == [(1, 0), (101, 0), (201, 0)]
    # Deleted entries count until the listpack goes.
    stream.delete((210, 0))
    for number in range(252, 302):
        stream.append((number, 0), [(b"item", b"v")])
    assert [pack[0] for pack in stream.packs] == [(1, 0), (101, 0), (201, 0), (301, 0)]
    # A size that an entry would pass starts another listpack.
    stream.append((400, 0), [(b"item", b"v" * 5000)])
    stream.append((401, 0), [(b"item", b"v")])
    assert [pack[0] for pack in stream.packs][-2:] == [(400, 0), (401, 0)]


def test_count_of_entries_grows_by_a_byte() -> None:
    stream = StreamProbe()
    for number in range(1, 300):
        stream.append((number, 0), [(b"item", b"v")], 1 << 20, 0)
    assert len(stream.packs) == 1 and len(stream.range(LEAST_ID, MOST_ID)) == 299
    for number in range(100, 299):
        assert stream.delete((number, 0)) == 1
    assert len(stream.packs) == 1 and len(stream.range(LEAST_ID, MOST_ID, True)) == 100


@pytest.mark.parametrize("budget", [1, 10, 100000])
def test_release_in_steps(budget: int) -> None:
    stream = StreamProbe()
    for number in range(1, 1001):
        stream.append((number, 0), [(b"item", b"v")])
    for group in (b"one", b"two"):
        stream.create_group(group, LEAST_ID, -1)
        for consumer in (b"a", b"b"):
            stream.create_consumer(group, consumer, 0)
        for number in range(1, 501):
            stream.assign(group, b"a" if number % 2 else b"b", (number, 0), 1)
    work = 10 + 2 * (1 + 2 + 2 * 500)
    assert work // budget <= stream.release(budget) <= work // budget + 2
    assert stream.used == 0


def test_lag() -> None:
    stream = StreamProbe()
    stream.create_group(b"g", LEAST_ID, -1)
    assert stream.lag(b"g") == (None, 0)
    for number in range(1, 6):
        stream.append((number, 0), [(b"f", b"v")])
    assert stream.lag(b"g") == (None, 5)
    stream.advance(b"g", (1, 0))
    assert stream.lag(b"g") == (1, 4)
    stream.advance(b"g", (2, 0))
    stream.delete((4, 0))
    assert stream.lag(b"g") == (2, None)
    stream.advance(b"g", (3, 0))
    assert stream.lag(b"g") == (None, None)
    stream.advance(b"g", (5, 0))
    assert stream.lag(b"g") == (5, 0)
    stream.append((6, 0), [(b"f", b"v")])
    stream.trim(min_id=(6, 0))
    assert stream.lag(b"g") == (5, 1)


def test_identifiers() -> None:
    assert format_id((0, 0)) == b"0-0"
    assert format_id(MOST_ID) == b"18446744073709551615-18446744073709551615"
    assert step_id((1, MOST), False) == (2, 0) and step_id((2, 0), True) == (1, MOST)
    assert step_id(MOST_ID, False) is None and step_id(LEAST_ID, True) is None
