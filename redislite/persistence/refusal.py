"""Writes that are refused because what was written cannot be kept, here or by replicas: for which reason, and what
clients are told.

Guarantees: while any reason stands, the data plane answers writes with the text of the first, in the order of REASONS,
and executes none of them; PING too where files fail. Without one, nothing is tested per command.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine

SNAPSHOT = "snapshot"
APPEND_ONLY = "append-only"
REPLICAS = "replicas"
REASONS = (SNAPSHOT, APPEND_ONLY, REPLICAS)


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
        first = next((name for name in REASONS if self._texts.get(name)), "")
        self._engine.refuse_writes(self._texts[first].encode() if first else None, ping=first != REPLICAS)
