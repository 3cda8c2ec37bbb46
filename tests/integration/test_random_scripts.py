"""A short run of random scripts; tests/faults/random_scripts.py runs as many as wanted."""

from __future__ import annotations

import pytest
from faults.random_scripts import THRESHOLD_MS, run
from harness import ServerPool


@pytest.mark.slow
def test_random_scripts(start_server: ServerPool) -> None:
    server = start_server(maxmemory="200mb", busy_reply_threshold=THRESHOLD_MS)
    outcomes = run(server, 4000, seed=20)
    assert outcomes["EVAL answered"] > 500
    assert outcomes["EVAL failed"] > 500
