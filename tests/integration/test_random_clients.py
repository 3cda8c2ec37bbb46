"""A short run of random commands over many connections; tests/faults/random_clients.py sends as many as wanted."""

from __future__ import annotations

import pytest
from faults.random_clients import run
from harness import PATIENCE, ServerPool


@pytest.mark.timeout(120 * PATIENCE)
def test_the_server_stands_what_clients_send(start_server: ServerPool) -> None:
    outcomes = run(start_server(appendonly="yes"), commands=6_000, connections=12, seed=11)
    assert outcomes["answered"] > 100
