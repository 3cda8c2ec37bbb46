"""SCAN emits every key that was there from its start to its end, while writers make the table grow and shrink.

REDISLITE_SCAN_RUNS sets the number of randomized runs (20 where it is not set).
"""

from __future__ import annotations

import os
import random

import pytest
from harness import Connection, ServerProcess

RUNS = int(os.environ.get("REDISLITE_SCAN_RUNS", "20"))


def _churn(chance: random.Random, client: Connection, volatile: list[str], serial: int) -> int:
    """Adds or removes up to a few hundred of the passing keys, so that the table resizes in either direction."""
    kind = chance.random()
    if kind < 0.45:
        fresh = [f"passing:{serial + index}" for index in range(chance.choice((1, 20, 300, 1500)))]
        client("MSET", *[word for name in fresh for word in (name, "v")])
        volatile += fresh
        return serial + len(fresh)
    if kind < 0.9 and volatile:
        chance.shuffle(volatile)
        gone = [volatile.pop() for _ in range(min(len(volatile), chance.choice((1, 20, 300, 4000))))]
        client(chance.choice(("DEL", "UNLINK")), *gone)
    return serial


@pytest.mark.parametrize("run", range(RUNS))
def test_no_stable_key_is_missed(server: ServerProcess, run: int) -> None:
    chance = random.Random(f"scan {run}")
    writer, reader = server.connect(), server.connect()
    stable = {f"stable:{run}:{index}".encode() for index in range(chance.choice((1, 3, 30, 300, 2000)))}
    volatile = [f"before:{index}" for index in range(chance.choice((0, 5, 500, 5000)))]
    everything = [name.decode() for name in stable] + volatile
    chance.shuffle(everything)
    writer("MSET", *[word for name in everything for word in (name, "v")])
    serial, cursor, count, steps = 0, b"0", chance.choice((1, 10, 10, 100)), 0
    seen: set[bytes] = set()
    while True:
        cursor, keys = reader("SCAN", cursor, "COUNT", count)
        seen.update(keys)
        steps += 1
        if cursor == b"0":
            break
        # The churn is bounded in steps, so that a scan over a growing table comes to its end.
        if steps < 400 and chance.random() < 0.5:
            serial = _churn(chance, writer, volatile, serial)
        if steps > 400:
            count = 1000
    assert stable <= seen, f"{len(stable - seen)} of {len(stable)} keys missed in run {run}"
    assert all(name.startswith((b"stable:", b"before:", b"passing:")) for name in seen)
