"""The set of pointers against Python's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redislite._core.probes.pointer_set import PointerSetProbe

# Addresses as allocators give them out, and ones that collide in small tables.
members = st.one_of(st.integers(1, 12).map(lambda n: n * 8), st.integers(1, 1 << 44).map(lambda n: n * 8))


@given(st.lists(st.tuples(st.booleans(), members), max_size=120))
def test_adding_and_removing(steps: list[tuple[bool, int]]) -> None:
    probe = PointerSetProbe()
    model: set[int] = set()
    for is_added, member in steps:
        if is_added:
            assert probe.add(member) == (member not in model)
            model.add(member)
        else:
            assert probe.remove(member) == (member in model)
            model.discard(member)
        walked = probe.walk()
        assert len(walked) == len(probe) == len(model)
        assert set(walked) == model
    probe.release()
    assert (len(probe), probe.used) == (0, 0)


def test_a_single_member_takes_no_memory() -> None:
    probe = PointerSetProbe()
    assert probe.add(64)
    assert not probe.add(64)
    assert probe.used == 0
    assert probe.add(128)
    assert probe.used > 0
    assert sorted(probe.walk()) == [64, 128]


def test_many_members() -> None:
    probe = PointerSetProbe()
    for number in range(1, 5001):
        assert probe.add(number * 48)
    for number in range(1, 5001, 2):
        assert probe.remove(number * 48)
    assert set(probe.walk()) == {number * 48 for number in range(2, 5001, 2)}
