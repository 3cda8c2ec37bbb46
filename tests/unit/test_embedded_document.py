"""The examples of docs/embedded.md, run."""

from __future__ import annotations

import doctest
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "embedded.md"


def test_examples_are_as_shown() -> None:
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    results = doctest.testfile(str(DOCUMENT), module_relative=False, optionflags=options)
    assert results.attempted > 20
    assert results.failed == 0
