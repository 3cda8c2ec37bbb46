"""redis-py's asyncio connections to a database in this process. See `connection.py`."""

from __future__ import annotations

from redis.asyncio.connection import Connection as RedisConnection

from redislite.embedded.aio_stream import LocalReader, LocalWriter
from redislite.embedded.connection import LeadingHere, session_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Connection(LeadingHere, RedisConnection):
    """A connection of redis-py for asyncio that leads to a database in this process."""

    async def _connect(self) -> None:
        session = self.database.session(**session_settings(self))
        streams: tuple[Any, Any] = LocalReader(session), LocalWriter(session)
        self._reader, self._writer = streams
