"""A pytest plugin that has a suite of redis-py run against a database in this process.

    python -m pytest -p embed_redis_py --rootdir=REDIS_PY REDIS_PY/tests/test_commands.py

Only `Connection._connect` of redis-py's connections is replaced, so that classes, pools and URLs stay what they are.
What goes to another port than 6379, or another machine, goes over the network as ever.

Of redis-py 8.1 these fail that pass over a network: what puts a proxy of its own before the server's port
(test_cwe_404, test_connection_disconect_race), and what closes a connection in a forked child's parent
(test_multiprocessing).
"""

from __future__ import annotations

import redis.asyncio.connection
import redis.connection

from redislite.embedded.aio_stream import LocalReader, LocalWriter
from redislite.embedded.database import Database
from redislite.embedded.local_socket import LocalSocket

PORT = 6379
HOSTS = ("localhost", "127.0.0.1")

database = Database(config={"compatibility": "redis"})
_connect = redis.connection.Connection._connect
_connect_async = redis.asyncio.connection.Connection._connect


def connect(self: redis.connection.Connection) -> object:
    """In the place of redis-py's own."""
    if self.host not in HOSTS or int(self.port) != PORT:
        return _connect(self)
    return LocalSocket(database.session(), self.socket_timeout)


async def connect_async(self: redis.asyncio.connection.Connection) -> None:
    """The same for asyncio."""
    if self.host not in HOSTS or int(self.port) != PORT:
        await _connect_async(self)
        return
    session = database.session()
    self._reader = LocalReader(session)
    self._writer = LocalWriter(session)


redis.connection.Connection._connect = connect
redis.asyncio.connection.Connection._connect = connect_async
