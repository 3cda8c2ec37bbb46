"""The LZF codec against a decoder written from the format's description, and against bytes nobody compressed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.probes.lzf import compress, decompress

pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.tuples(st.binary(min_size=1, max_size=5), st.integers(1, 400)).map(lambda pair: pair[0] * pair[1]),
        st.integers(0, 10**18).map(lambda number: str(number).encode()),
    ),
    max_size=30,
).map(b"".join)


def model_decompress(data: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        distance = ((control & 31) << 8 | data[at]) + 1
        at += 1
        for _ in range(length + 2):
            out.append(out[-distance])
    return bytes(out)


@given(pieces)
@settings(max_examples=300, deadline=None)
def test_round_trip(data: bytes) -> None:
    packed = compress(data, len(data) * 33 // 32 + 4)
    if not data:
        assert packed is None
        return
    assert packed is not None
    assert model_decompress(packed) == data
    assert decompress(packed, len(data)) == data
    assert decompress(packed, len(data) + 10) == data
    assert decompress(packed, len(data) - 1) is None


@given(pieces, st.integers(0, 600))
@settings(max_examples=200, deadline=None)
def test_room_is_kept(data: bytes, room: int) -> None:
    packed = compress(data, room)
    if packed is not None:
        assert len(packed) <= room
        assert model_decompress(packed) == data


@given(st.binary(max_size=80), st.integers(0, 2000))
@settings(max_examples=500, deadline=None)
def test_any_input_is_safe(data: bytes, room: int) -> None:
    out = decompress(data, room)
    if out is not None:
        assert len(out) <= room
        assert model_decompress(data) == out


@pytest.mark.parametrize("length", [1, 2, 3, 264, 265, 8192, 8193, 8200, 100_000])
def test_repetition(length: int) -> None:
    data = b"a" * length
    packed = compress(data, length + 10)
    assert packed is not None and decompress(packed, length) == data
    if length > 100:
        assert len(packed) < length // 20


@pytest.mark.parametrize("gap", [8190, 8191, 8192, 8193])
def test_far_copies(gap: int) -> None:
    noise = random.Random(7).randbytes(gap)
    data = noise + noise[:500]
    packed = compress(data, len(data) * 2)
    assert packed is not None and decompress(packed, len(data)) == data


def test_what_does_not_compress() -> None:
    noise = random.Random(7).randbytes(10_000)
    assert compress(noise, len(noise)) is None
    packed = compress(noise, len(noise) * 33 // 32 + 4)
    assert packed is not None and decompress(packed, len(noise)) == noise


def test_text_is_compressed_well() -> None:
    text = b"".join(b"item:%08d:value " % number for number in range(400))
    packed = compress(text, len(text))
    assert packed is not None and len(packed) < len(text) // 2


def test_malformed() -> None:
    assert decompress(b"", 10) is None
    assert decompress(b"\x05ab", 10) is None  # a run that ends early
    assert decompress(b"\x00a\x20\x01", 10) is None  # a copy from before the beginning
    assert decompress(b"\x00a\x20", 10) is None  # a copy without its distance
    assert decompress(b"\x00a\xe0", 10) is None  # a long copy without its length
    assert decompress(b"\x00a\xe0\x01", 20) is None
    assert decompress(b"\x00a\x20\x00", 4) == b"aaaa"
    assert decompress(b"\x00a\x20\x00", 3) is None
