"""redis-py's connections to a database in this process: its pools, pub/sub, pipelines, caches and retries are its own.

Only the way to the other end differs. The other classes of this package build on these.
"""

from __future__ import annotations

from redis.connection import Connection as RedisConnection

from redislite.embedded.local_socket import LocalSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from redislite.embedded.database import Database


def session_settings(connection: Any) -> dict[str, Any]:
    """What makes a session take and answer the objects that this connection of redis-py does."""
    encoder = connection.encoder
    is_plain = encoder.encoding.lower().replace("_", "-") in ("utf-8", "utf8") and encoder.encoding_errors == "strict"
    return {
        "encoding": encoder.encoding if encoder.decode_responses else None,
        "errors": encoder.encoding_errors,
        "error": connection._parser.parse_error,
        "encoder": encoder,
        "encodes_text": not is_plain,
    }


class LeadingHere:
    """A base class, before one of redis-py's connections, of those whose other end is a session of a database.

    database: which. The rest is redis-py's; what concerns sockets is not looked at.
    """

    def __init__(self, *, database: Database, **keywords: Any) -> None:
        self.database = database
        super().__init__(**keywords)

    def repr_pieces(self) -> list[tuple[str, object]]:
        """What stands in its representation."""
        others: Any = super()
        return [("database", self.database), *(piece for piece in others.repr_pieces() if piece[0] == "db")]

    def _host_error(self) -> str:
        return "the database in this process"


class Connection(LeadingHere, RedisConnection):
    """A connection of redis-py that leads to a database in this process."""

    def _connect(self) -> LocalSocket:
        return LocalSocket(self.database.session(**session_settings(self)), self.socket_timeout)

    def can_read(self, timeout: float = 0) -> bool:
        """Whether there is something to be read. As redis-py's own, which may ask the system about a descriptor."""
        if self._sock is None:
            self.connect()
        local: Any = self._sock
        reader = getattr(self._parser, "_reader", None)
        if reader is None:
            return bool(super().can_read(timeout))
        return bool(reader.has_data()) or bool(local.can_read(timeout))
