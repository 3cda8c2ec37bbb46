"""The byte buffer against bytes: growth through both header sizes, binary safety, amortized room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redislite._core.probes.protocol import BufferProbe


@given(st.binary(max_size=100), st.lists(st.binary(max_size=5000), max_size=30))
def test_appending_is_concatenating(start: bytes, pieces: list[bytes]) -> None:
    buffer = BufferProbe(start)
    model = start
    for piece in pieces:
        buffer.append(piece)
        model += piece
        assert len(buffer) == len(model)
        assert buffer.capacity >= len(model)
    assert bytes(buffer) == model


def test_small_header_grows_into_the_large_one() -> None:
    buffer = BufferProbe(b"a" * 65_535)
    assert buffer.capacity == 65_535
    buffer.append(b"\0")
    assert bytes(buffer) == b"a" * 65_535 + b"\0"


def test_growth_is_amortized() -> None:
    buffer = BufferProbe()
    moves = 0
    capacity = buffer.capacity
    for _ in range(200_000):
        buffer.append(b"0123456789")
        if buffer.capacity != capacity:
            capacity = buffer.capacity
            moves += 1
    assert len(buffer) == 2_000_000
    assert moves < 30
