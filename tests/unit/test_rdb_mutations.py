"""A taste of tests/rdb_mutations.py: what is mutated is refused or gives sound values, and leaves no memory behind."""

from __future__ import annotations

import random

import pytest
from rdb_mutations import Target, mutate, mutate_files, payloads


@pytest.mark.parametrize("deep", [False, True], ids=["plain", "deep"])
def test_mutated_payloads(deep: bool) -> None:
    source = random.Random(20)
    samples = payloads()
    target = Target(deep, samples)
    assert target.whole >= len(samples), "what is whole is accepted"
    for _ in range(3000):
        target.give(mutate(source.choice(samples), source, samples))
    assert target.accepted > 300 and target.refused > 300
    target.check()


def test_mutated_files() -> None:
    loaded, refused = mutate_files(random.Random(21), 300)
    assert loaded > 10 and refused > 100
