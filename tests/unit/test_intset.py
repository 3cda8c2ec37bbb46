"""The intset against a Python set: order, the three widths, and foreign bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.probes.dict import HeapProbe
from redislite._core.probes.intset import IntsetProbe

integers = st.one_of(
    st.integers(-20, 20), st.integers(-40_000, 40_000), st.integers(-(1 << 33), 1 << 33),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([-(1 << 63), -(1 << 31) - 1, -(1 << 31), -32_769, -32_768, 32_767, 32_768, (1 << 31) - 1, 1 << 31,
                     (1 << 63) - 1]),
)


def width_of(value: int) -> int:
    return 2 if -(1 << 15) <= value < 1 << 15 else 4 if -(1 << 31) <= value < 1 << 31 else 8


def check(ints: IntsetProbe, model: set[int]) -> None:
    assert list(ints) == sorted(model)
    data = bytes(ints)
    assert len(data) == 8 + ints.width * len(model)
    assert ints.used == ints.memory >= len(data)
    assert IntsetProbe.validate(data, True) == bool(model)
    if model:
        assert list(IntsetProbe(data)) == sorted(model)


@given(st.lists(st.tuples(st.sampled_from("aaard"), integers), max_size=120))
@settings(deadline=None)
def test_against_a_set(steps: list[tuple[str, int]]) -> None:
    ints = IntsetProbe()
    model: set[int] = set()
    width = 2
    for operation, value in steps:
        if operation == "a":
            assert ints.add(value) == (value not in model)
            model.add(value)
            width = max(width, width_of(value))
        elif operation == "r":
            assert ints.remove(value) == (value in model)
            model.discard(value)
        elif model:
            start = value % len(model)
            count = value % 5 if start + value % 5 <= len(model) else 1
            ints.remove_range(start, count)
            model.difference_update(sorted(model)[start:start + count])
        assert (value in ints) == (value in model)
        assert ints.search(value) == (value in model, sum(other < value for other in model))
        assert ints.width == width
    check(ints, model)


@given(st.sets(integers, max_size=60), st.lists(integers, max_size=60), st.booleans())
def test_searching_from_where_the_last_search_ended(model: set[int], wanted: list[int], in_order: bool) -> None:
    ints = IntsetProbe()
    for value in model:
        ints.add(value)
    near = 0
    for value in sorted([*wanted, *model]) if in_order else [*wanted, *model]:
        found, near = ints.find_near(value, near)
        assert found == (value in model)


def test_bytes_are_those_of_the_format() -> None:
    ints = IntsetProbe()
    for value in (5, -7, 300):
        ints.add(value)
    assert bytes(ints) == struct.pack("<IIhhh", 2, 3, -7, 5, 300)
    ints.add(-70_000)
    assert bytes(ints) == struct.pack("<IIiiii", 4, 4, -70_000, -7, 5, 300)
    ints.add(1 << 40)
    assert bytes(ints) == struct.pack("<IIqqqqq", 8, 5, -70_000, -7, 5, 300, 1 << 40)
    ints.remove(1 << 40)
    assert ints.width == 8


def test_large_ones_grow_and_shrink() -> None:
    ints = IntsetProbe()
    model = set()
    for value in range(0, 40_000, 7):
        ints.add((value * 7919) % 30_011)
        model.add((value * 7919) % 30_011)
    check(ints, model)
    for value in sorted(model)[::2]:
        assert ints.remove(value)
        model.discard(value)
    check(ints, model)


@pytest.mark.skipif(not HeapProbe.checked(), reason="only the checked heap has a limit")
def test_nothing_changes_where_memory_is_out() -> None:
    ints = IntsetProbe()
    for value in range(8):
        ints.add(value)
    ints.limit(ints.used)
    with pytest.raises(MemoryError):
        ints.add(1 << 40)
    check(ints, set(range(8)))
    ints.limit(0)
    assert ints.add(1 << 40)


@given(st.binary(max_size=60), st.integers(-1, 9), st.integers(0, 8))
def test_foreign_bytes_are_read_safely(noise: bytes, width: int, length: int) -> None:
    for data in (noise, struct.pack("<iI", width, length) + noise):
        if IntsetProbe.validate(data, True):
            values = list(IntsetProbe(data))
            assert values == sorted(set(values))
        else:
            with pytest.raises(ValueError):
                IntsetProbe(data)
    assert not IntsetProbe.validate(struct.pack("<IIhh", 2, 2, 5, 5), True)
    assert IntsetProbe.validate(struct.pack("<IIhh", 2, 2, 5, 5), False)
    assert not IntsetProbe.validate(struct.pack("<II", 2, 0), True)
    assert not IntsetProbe.validate(struct.pack("<II", 2, 1 << 31), True)
