"""A few rounds of the crash loop; tests/faults/crash_loop.py runs as many as wanted."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.crash_loop import crash_loop


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_nothing_acknowledged_is_lost(tmp_path: Path, policy: str) -> None:
    assert crash_loop(tmp_path, rounds=4, policy=policy, seed=7) == []
