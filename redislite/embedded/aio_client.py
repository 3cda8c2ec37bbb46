"""``redislite.aio.Redis``: redis-py's asyncio client on a database in this process. See `client.py`.

A client belongs to no loop. Commands that wait are futures of the loop that runs then; others are executed at once, and
now and then let other tasks run.
"""

from __future__ import annotations

import asyncio

import redis.asyncio
from redis.asyncio.client import Pipeline as RedisPipeline

from redislite._core.embedded.executor import OVER_CONNECTION, Executor
from redislite.embedded.aio_connection import Connection
from redislite.embedded.aio_stream import output_of
from redislite.embedded.client import DEFAULTS, begin, choose, pool_of, run_pipeline, url_keywords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from redislite.embedded.database import Database

COMMANDS_PER_TURN = 64  # that a client executes before other tasks run


class Redis(Executor, redis.asyncio.Redis):  # type: ignore[misc]  # as redis-py's own bases
    """An asyncio client of redis-py whose database is in this process; parameters as `redislite.Redis`."""

    def __init__(
        self,
        dbfilename: str | None = None,
        serverconfig: Mapping[str, object] | None = None,
        *,
        database: Database | None = None,
        **keywords: Any,
    ) -> None:
        pool = keywords.get("connection_pool")
        self.database, self._owns_database = choose(dbfilename, serverconfig, database, pool)
        self._executed = 0
        if pool is None:
            single = keywords.pop("single_connection_client", False)
            pool = pool_of(redis.asyncio.Redis(**{**DEFAULTS, **keywords}), self.database, Connection)
            super().__init__(connection_pool=pool, single_connection_client=single)
            self.auto_close_connection_pool = True
        else:
            super().__init__(**keywords)
        if not self.single_connection_client:
            begin(self, redis.asyncio.Redis, Connection, None)

    @classmethod
    def from_url(cls, url: str, **keywords: Any) -> Redis:  # type: ignore[override]
        """A client with a database of its own; URLs as `redislite.Redis.from_url` takes them."""
        return cls(**{**keywords, **url_keywords(url)})

    async def _begin(self) -> None:
        """Sees to a session for the next command."""
        pool = self.connection_pool
        connection = pool.connection_class(**pool.connection_kwargs)
        await connection.connect()
        writer: Any = connection._writer
        self.add_session(writer.detach())
        await connection.disconnect(nowait=True)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Executes one command and answers its reply; see redis-py's."""
        self._executed += 1
        if self._executed % COMMANDS_PER_TURN == 0:
            await asyncio.sleep(0)
        if not self.has_session and self.uses_sessions:
            await self._begin()
        value = self.execute_here(args, options)
        if value is not OVER_CONNECTION:
            return value
        if self.connection_pool.connection_kwargs.get("socket_timeout") is None:
            session = self.begin_waiting(args)
            if session is not None:
                try:
                    await output_of(session)
                except BaseException:
                    session.close()
                    raise
                # From here on nothing is awaited: who is cancelled has either got the reply, or nothing is lost.
                return self.end_waiting(session, args, options)
        return await redis.asyncio.Redis.execute_command(self, *args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Commands that are executed together; see redis-py's."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint, client=self)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Closes what the client has open, its own database included. Harmless where that is done."""
        self.close_sessions()
        await super().aclose(close_connection_pool)
        if self._owns_database:
            self.database.close()

    def __del__(self, *arguments: Any, **keywords: Any) -> None:
        self.close_sessions()
        super().__del__(*arguments, **keywords)


class Pipeline(RedisPipeline):
    """A pipeline of redis-py for asyncio; unless it watches keys, a single call executes it."""

    def __init__(self, *args: Any, client: Redis, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Executes all; see redis-py's."""
        stack = self.command_stack
        if not stack or self.watching or self.connection is not None:
            return await super().execute(raise_on_error)
        if self.scripts:
            await self.load_scripts()
        if not self._client.has_session and self._client.uses_sessions:
            await self._client._begin()
        transaction = bool(self.is_transaction or self.explicit_transaction)
        try:
            answers = run_pipeline(self, self._client, transaction)
            if answers is not None and raise_on_error:
                self.raise_first_error(stack, answers)
        except BaseException:
            await self.reset()
            raise
        if answers is None:
            return await super().execute(raise_on_error)
        await self.reset()
        return answers


StrictRedis = Redis
