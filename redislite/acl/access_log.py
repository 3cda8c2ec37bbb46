"""The log of what was denied lately: ACL LOG.

Denials that are alike within a minute are one entry, counted, with the last client that was denied. Entries stand
newest first; there are never more than `acllog-max-len` after one was added. Of a long name the beginning is kept, and
how many bytes there were more: what a client is denied belongs to nobody, and is not to fill the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from redislite.observability.command_log import cut

TOPLEVEL, TRANSACTION, SCRIPT = "toplevel", "multi", "lua"

GROUPING_MS = 60000  # how far apart denials may be to count as the same
SEARCHED_ENTRIES = 10  # how many of the newest a denial is compared with


class AccessLogEntry:
    """Denials that are alike. Times are milliseconds since the Unix epoch."""

    __slots__ = ("client_info", "context", "count", "created_ms", "id", "object", "reason", "updated_ms", "user")

    def __init__(
        self, id: int, reason: str, context: str, object: bytes, user: str, client_info: str, now_ms: int
    ) -> None:
        self.id = id
        self.count = 1
        self.reason = reason
        self.context = context
        self.object = object
        self.user = user
        self.client_info = client_info
        self.created_ms = now_ms
        self.updated_ms = now_ms

    def is_like(self, other: AccessLogEntry) -> bool:
        """Whether the other one is to be counted with this one."""
        return self._kind() == other._kind() and abs(other.updated_ms - self.updated_ms) <= GROUPING_MS

    def _kind(self) -> tuple[str, str, bytes, str]:
        return self.reason, self.context, self.object, self.user


class AccessLog:
    """The entries of one server."""

    def __init__(self) -> None:
        self._entries: list[AccessLogEntry] = []  # newest first
        self._next_id = 0

    def add(
        self, reason: str, context: str, object: bytes, user: str, client_info: str, now_ms: int, *, limit: int
    ) -> None:
        """Notes a denial; at most `limit` entries are kept.

        reason: "command", "key", "channel", "database" or "auth". object: what was denied.
        """
        name = user.encode("utf-8", "surrogateescape")
        user = cut(name, len(name)).decode("utf-8", "surrogateescape")
        added = AccessLogEntry(self._next_id, reason, context, cut(object, len(object)), user, client_info, now_ms)
        for place, entry in enumerate(self._entries[:SEARCHED_ENTRIES]):
            if entry.is_like(added):
                entry.count += 1
                entry.client_info = client_info
                entry.updated_ms = now_ms
                self._entries.insert(0, self._entries.pop(place))
                return
        self._next_id += 1
        self._entries.insert(0, added)
        del self._entries[limit:]

    def latest(self, count: int) -> Sequence[AccessLogEntry]:
        """So many entries at the most, newest first."""
        return self._entries[: max(0, count)]

    def clear(self) -> None:
        """Forgets all entries; their numbers are not used again."""
        self._entries.clear()
