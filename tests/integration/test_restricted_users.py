"""A short run of random commands by a restricted user; tests/faults/restricted_users.py sends as many as wanted."""

from __future__ import annotations

import pytest
from faults.restricted_users import run
from harness import PATIENCE, ServerPool


@pytest.mark.timeout(120 * PATIENCE)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_restricted_user_touches_nothing_that_is_not_his(start_server: ServerPool, seed: int) -> None:
    sent, allowed = run(start_server(), commands=4_000, seed=seed)
    assert sent >= 4_000
    assert allowed > sent // 10
