"""The listpack against a Python list: every width of integer and length, both directions, room, and foreign bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.probes.dict import HeapProbe
from redislite._core.probes.listpack import ListpackProbe

Value = bytes | int

EDGES = [
    0, 1, 127, 128, -1, -128, 4095, 4096, -4096, -4097, 32767, 32768, -32768, -32769,
    8388607, 8388608, -8388608, -8388609, 2147483647, 2147483648, -2147483648, -2147483649,
    9223372036854775807, -9223372036854775808,
]
LENGTHS = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 63, 64, 125, 126, 127, 4095, 4096, 16377, 16378, 16379, 70_000]
# Texts that look like numbers and are none.
ODD = [b"", b"-", b"-0", b"00", b"01", b"+1", b" 1", b"1 ", b"1.0", b"9223372036854775808", b"-9223372036854775809",
       b"99999999999999999999", b"1" * 21, b"\xff", b"\xff\xff", b"\0"]

texts = st.one_of(
    st.sampled_from(ODD), st.binary(max_size=20), st.sampled_from(EDGES).map(lambda n: b"%d" % n),
    st.sampled_from(LENGTHS[:-4]).map(lambda n: b"x" * n),
)
values = st.one_of(texts, st.sampled_from(EDGES), st.integers(-(1 << 63), (1 << 63) - 1))


def stored(value: Value) -> Value:
    """What a value reads as once it is in."""
    if isinstance(value, int):
        return value
    try:
        number = int(value)
    except ValueError:
        return value
    return number if b"%d" % number == value and -(1 << 63) <= number < 1 << 63 else value


def text(value: Value) -> bytes:
    return b"%d" % value if isinstance(value, int) else value


def filled(items: Sequence[Value]) -> ListpackProbe:
    pack = ListpackProbe()
    for item in items:
        pack.append(item)
    return pack


def check(pack: ListpackProbe, model: list[Value]) -> None:
    assert pack.forwards() == model
    assert pack.backwards() == model[::-1]
    assert len(pack) == len(model)
    data = bytes(pack)
    assert ListpackProbe.validate(data, True)
    assert len(data) == 7 + sum(ListpackProbe.value_bytes(value) for value in model)
    assert pack.used == pack.memory >= len(data)


@pytest.mark.parametrize("value", [*EDGES, *ODD, *(b"y" * length for length in LENGTHS)], ids=lambda v: repr(v)[:30])
def test_every_kind_of_value(value: Value) -> None:
    for form in {value, text(value)}:
        pack = filled([b"before", form, 7])
        assert pack[1] == stored(value)
        assert pack.text(1) == text(value)
        assert pack.equals(1, text(value))
        assert not pack.equals(1, text(value) + b"x")
        assert pack.find(text(value)) == 1
        assert pack.entry_bytes(1) == ListpackProbe.value_bytes(form)
        check(pack, [b"before", stored(value), 7])


def test_bytes_are_those_of_the_format() -> None:
    pack = filled([b"1024", b"abc", 5, -1, 100_000, 1 << 40])
    body = (
        b"\xc4\x00\x02" b"\x83abc\x04" b"\x05\x01" b"\xdf\xff\x02" b"\xf2\xa0\x86\x01\x04"
        b"\xf4" + struct.pack("<q", 1 << 40) + b"\x09"
    )
    assert bytes(pack) == struct.pack("<IH", len(body) + 7, 6) + body + b"\xff"


def test_back_lengths_grow_at_the_format_s_places() -> None:
    for head, bytes_before, back in ((2, 127, 1), (2, 128, 2), (5, 16_382, 2), (5, 16_383, 3), (5, 2_097_150, 3),
                                     (5, 2_097_151, 4)):
        assert ListpackProbe.value_bytes(b"z" * (bytes_before - head)) == bytes_before + back
    pack = filled([b"z" * 2_097_146, b"end"])
    assert pack.backwards() == [b"end", b"z" * 2_097_146]


@given(st.lists(st.tuples(st.sampled_from("abpidrRj"), st.integers(0, 40), values), max_size=60))
@settings(deadline=None)
def test_changes_against_a_list(steps: list[tuple[str, int, Value]]) -> None:
    pack = ListpackProbe()
    model: list[Value] = []
    for operation, number, value in steps:
        place = number % len(model) if model else 0
        if operation == "a" or not model:
            pack.append(value)
            model.append(stored(value))
        elif operation == "p":
            pack.prepend(value)
            model.insert(0, stored(value))
        elif operation in "bi":
            behind = operation == "b"
            assert pack.insert(place, behind, value) == place + behind
            model.insert(place + behind, stored(value))
        elif operation == "r":
            assert pack.replace(place - len(model), value) == place
            model[place] = stored(value)
        elif operation == "d":
            del model[place]
            assert pack.delete(place) == (place if place < len(model) else -1)
        elif operation == "R":
            count = number % 7
            del model[place:place + count]
            assert pack.delete(place, count) == (place if place < len(model) else -1)
        else:
            other = filled([value, 1, b"other"])
            pack.join(other, number % 2 == 0)
            joined = [stored(value), 1, b"other"]
            model = model + joined if number % 2 == 0 else joined + model
        assert len(pack) == len(model)
    check(pack, model)


@given(st.lists(values, max_size=30), texts, st.integers(0, 5), st.integers(0, 3))
@settings(deadline=None)
def test_find_against_a_list(items: list[Value], wanted: bytes, start: int, skip: int) -> None:
    pack = filled(items)
    looked_at = range(start, len(items), skip + 1)
    for needle in (wanted, *(text(item) for item in items)):
        expected = next((i for i in looked_at if text(items[i]) == needle), -1)
        assert pack.find(needle, start, skip) == expected


def test_find_tells_strings_apart_that_share_their_ends() -> None:
    for length in range(1, 40):
        base = bytes(range(97, 97 + length))
        others = [base[:i] + b"_" + base[i + 1:] for i in range(length)]
        assert filled([*others, base]).find(base) == length
        assert filled(others).find(base) == -1


def test_seek_from_both_ends() -> None:
    pack = filled(list(range(1000)))
    for index in (0, 1, 499, 500, 501, 998, 999):
        assert pack[index] == index
        assert pack[index - 1000] == index
    for index in (1000, -1001, 1 << 62, -(1 << 62)):
        with pytest.raises(IndexError):
            pack[index]
    with pytest.raises(IndexError):
        ListpackProbe()[-1]


def test_more_elements_than_the_header_counts() -> None:
    pack = filled([1] * 65_534)
    assert bytes(pack)[4:6] == b"\xfe\xff"
    pack.append(b"x")
    assert bytes(pack)[4:6] == b"\xff\xff"
    pack.append(b"y")
    assert len(pack) == 65_536
    assert pack[-1] == b"y" and pack[65_535] == b"y" and pack[65_534] == b"x"
    with pytest.raises(IndexError):
        pack[65_536]
    pack.delete(0, 10)
    assert len(pack) == 65_526
    other = filled([2] * 40_000)
    other.join(filled([3] * 40_000), True)
    assert len(other) == 80_000 and ListpackProbe.validate(bytes(other), True)


@pytest.mark.skipif(not HeapProbe.checked(), reason="only the checked heap has a limit")
@pytest.mark.parametrize("count", [3, 100, 200])
def test_nothing_changes_where_memory_is_out(count: int) -> None:
    items: list[Value] = [b"element"] * count
    pack = filled(items)
    other = filled([b"x" * 3000])
    pack.limit(pack.used)
    with pytest.raises(MemoryError):
        pack.append(b"x" * 3000)
    with pytest.raises(MemoryError):
        pack.prepend(b"x" * 3000)
    with pytest.raises(MemoryError):
        pack.insert(1, True, b"x" * 3000)
    with pytest.raises(MemoryError):
        pack.replace(1, b"x" * 3000)
    with pytest.raises(MemoryError):
        pack.join(other, True)
    with pytest.raises(MemoryError):
        pack.delete(0, count)
    check(pack, items)
    pack.limit(0)
    pack.delete(0, count)
    check(pack, [])


def test_growth_needs_a_new_block_once_in_a_while() -> None:
    pack = ListpackProbe()
    sizes = set()
    for _ in range(400):
        pack.append(b"0123456789abcdefghij")
        sizes.add(pack.memory)
        assert pack.memory <= max(len(bytes(pack)) * 9 / 8 + 32, 48)
    assert len([size for size in sizes if size > 1024]) < 30


@given(st.binary(max_size=80), st.lists(values, max_size=12), st.integers(0, 300), st.integers(0, 255))
@settings(deadline=None)
def test_foreign_bytes_are_read_safely(noise: bytes, items: list[Value], place: int, byte: int) -> None:
    good = bytes(filled(items))
    assert ListpackProbe(good).forwards() == [stored(item) for item in items]
    damaged = bytearray(good)
    damaged[place % len(good)] = byte
    framed = struct.pack("<IH", len(noise) + 7, 65_535) + noise + b"\xff"
    for data in (bytes(damaged), framed, noise, good[:-1], good + b"\xff"):
        if ListpackProbe.validate(data, True):
            pack = ListpackProbe(data)
            assert pack.forwards() == pack.backwards()[::-1]
            assert len(pack.forwards()) == len(pack)
        else:
            with pytest.raises(ValueError):
                ListpackProbe(data)
    assert not ListpackProbe.validate(good[:-1], False)
    assert not ListpackProbe.validate(b"", False)


def test_entries_written_wider_than_needed_are_read_and_found() -> None:
    body = b"\xf4" + struct.pack("<q", 5) + b"\x09" + b"\xf0\x02\x00\x00\x0042\x07" + b"\xe0\x01a\x03"
    pack = ListpackProbe(struct.pack("<IH", len(body) + 7, 3) + body + b"\xff")
    assert pack.forwards() == [5, b"42", b"a"]
    assert (pack.find(b"5"), pack.find(b"42"), pack.find(b"a")) == (0, 1, 2)
