"""Writes that are refused because what was written cannot be kept: which subsystem failed, and what clients are told.

Guarantees: while any reason stands, the data plane answers writes and PING with the text of the first, in the order of
REASONS, and executes none of them; without one, nothing is tested per command.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine

SNAPSHOT = "snapshot"
APPEND_ONLY = "append-only"
REASONS = (SNAPSHOT, APPEND_ONLY)


class WriteRefusal:
    """Why one engine refuses writes, if it does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._texts: dict[str, str] = {}

    def set(self, reason: str, text: str) -> None:
        """Writes fail with this error from now on, for this reason; empty: they do not any more."""
        assert reason in REASONS
        if self._texts.get(reason, "") == text:
            return
        self._texts[reason] = text
        first = next((self._texts[name] for name in REASONS if self._texts.get(name)), "")
        self._engine.refuse_writes(first.encode() if first else None)
