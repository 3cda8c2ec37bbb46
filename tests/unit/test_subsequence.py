"""LCS against the table that everybody knows, whose way back the original takes and its matches follow from."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

Match = tuple[int, int, int]  # where it begins in the one and in the other, and how long it is


def model(a: bytes, b: bytes) -> tuple[bytes, list[Match]]:
    """The subsequence and its matches, the last ones first."""
    table = [[0] * (len(b) + 1)]
    for byte in a:
        row = [0]
        above = table[-1]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if byte == other else max(above[j + 1], row[j]))
        table.append(row)
    i, j = len(a), len(b)
    common = bytearray()
    matches: list[Match] = []
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            common.append(a[i])
            if matches and matches[-1][:2] == (i + 1, j + 1):
                matches[-1] = (i, j, matches[-1][2] + 1)
            else:
                matches.append((i, j, 1))
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    common.reverse()
    return bytes(common), matches


def check(engine: Engine, a: bytes, b: bytes) -> None:
    engine.execute("MSET", "a", a, "b", b)
    common, matches = model(a, b)
    assert engine.execute("LCS", "a", "b") == common
    assert engine.execute("LCS", "a", "b", "LEN") == len(common)
    for least in (0, 1, 2, 5):
        shown: list[Any] = [
            [[i, i + length - 1], [j, j + length - 1], length] for i, j, length in matches if length >= least
        ]
        reply = engine.execute("LCS", "a", "b", "IDX", "WITHMATCHLEN", "MINMATCHLEN", least)
        assert reply == {b"matches": shown, b"len": len(common)}
        reply = engine.execute("LCS", "a", "b", "IDX", "MINMATCHLEN", least)
        assert reply == {b"matches": [match[:2] for match in shown], b"len": len(common)}


texts = st.one_of(st.binary(max_size=200), st.text("ab", max_size=200).map(str.encode))


@settings(deadline=None)
@given(texts, texts)
def test_random_strings(a: bytes, b: bytes) -> None:
    check(Engine(), a, b)


@pytest.mark.parametrize("lengths", [(64, 64), (63, 65), (128, 1), (1, 129), (9001, 130), (4097, 64), (12289, 40)])
def test_words_and_bands(lengths: tuple[int, int]) -> None:
    """Rows of whole words and not, and more rows than are kept at once."""
    chance = random.Random(lengths[0])
    engine = Engine()
    for letters in (b"ab", bytes(range(256))):
        check(engine, bytes(chance.choices(letters, k=lengths[0])), bytes(chance.choices(letters, k=lengths[1])))
    check(engine, b"a" * lengths[0], b"a" * lengths[1])


def test_memory_is_no_table() -> None:
    engine = Engine()
    chance = random.Random(1)
    a, b = (bytes(chance.choices(b"ACGT", k=20000)) for _ in range(2))
    engine.execute("MSET", "a", a, "b", b)
    # So many bytes, and steps of 64 columns: the table would have 1.6 GB.
    engine.set("max_bulk_length", 20000 * 313 + 1000)
    length = engine.execute("LCS", "a", "b", "LEN")
    assert engine.execute("LCS", "a", "b", "IDX")[b"len"] == length == len(engine.execute("LCS", "a", "b"))


def test_what_takes_too_long_is_refused() -> None:
    engine = Engine()
    engine.execute("MSET", "a", b"x" * 100_000, "b", b"y" * 100_000)
    engine.set("max_bulk_length", 1 << 20)
    for options in ((), ("LEN",), ("IDX",)):
        with pytest.raises(CommandError, match="transient memory for LCS exceeds proto-max-bulk-len"):
            engine.execute("LCS", "a", "b", *options)
