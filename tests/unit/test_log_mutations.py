"""A taste of tests/log_mutations.py: a mutated log is replayed or refused, and leaves no memory behind."""

from __future__ import annotations

import random

from log_mutations import LogTarget, logs, mutate_words
from rdb_mutations import mutate


def test_mutated_logs() -> None:
    source = random.Random(22)
    samples = logs()
    target = LogTarget(samples)
    assert target.whole == len(samples), "what is whole is replayed"
    for _ in range(1500):
        target.give(mutate(source.choice(samples), source, samples))
        target.give(mutate_words(source.choice(samples), source))
    assert all(target.ends[end] > 20 for end in ("done", "truncated", "malformed", "refused")), target.ends
    target.check()
