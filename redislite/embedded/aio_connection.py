"""redis-py's asyncio connections to a database in this process. See `connection.py`."""

from __future__ import annotations

from redis.asyncio.connection import Connection as RedisConnection

from redislite.embedded.aio_stream import LocalReader, LocalWriter
from redislite.embedded.connection import session_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from redislite.embedded.database import Database


class Connection(RedisConnection):
    """A connection of redis-py for asyncio whose other end is a session of a database.

    database: which. The rest is redis-py's; what concerns sockets is not looked at.
    """

    def __init__(self, *, database: Database, **keywords: Any) -> None:
        self.database = database
        super().__init__(**keywords)

    def repr_pieces(self) -> list[tuple[str, object]]:
        """What stands in its representation."""
        return [("database", self.database), *(piece for piece in super().repr_pieces() if piece[0] == "db")]

    async def _connect(self) -> None:
        session = self.database.session(**session_settings(self))
        streams: tuple[Any, Any] = LocalReader(session), LocalWriter(session)
        self._reader, self._writer = streams

    def _host_error(self) -> str:
        return "the database in this process"
