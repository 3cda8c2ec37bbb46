"""Types of the probe of forked children (see child.pyx)."""

from collections.abc import Sequence

from redislite._core.persistence.fork import ChildReport

def fork_child(
    report: ChildReport,
    result: int = 0,
    keys: int = 0,
    touched: int = 0,
    kept: int = -1,
    then: Sequence[bytes] = (),
) -> int: ...
