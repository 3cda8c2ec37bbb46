"""``redislite.Redis``: redis-py's client on a database in this process.

It is a subclass of redis-py's, with its methods, callbacks, exceptions, pools, pub/sub and pipelines. Single commands
and pipelines are executed by sessions at once (`NativeClient`); all else goes over redis-py's connections, which lead
to the same database (`Connection`).
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import redis
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.client import Pipeline as RedisPipeline
from redis.observability.providers import get_observability_instance

from redislite._core.commands.row import FLAG_NAMES
from redislite._core.embedded.executor import OVER_CONNECTION
from redislite._core.embedded.native_client import NativeClient
from redislite._core.embedded.session import Session
from redislite.embedded.connection import Connection
from redislite.embedded.database import MEMORY, Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

BLOCKING = FLAG_NAMES["blocking"]
# redis-py's defaults that are about networks.
DEFAULTS = {"socket_timeout": None, "socket_connect_timeout": None}


def pool_of(made: Any, database: Database, connection_class: type) -> Any:
    """The pool of a client that redis-py has made, which is given up; its connections lead to a database in this
    process."""
    made.auto_close_connection_pool = False
    pool = made.connection_pool
    for name in ("host", "port", "socket_keepalive", "socket_keepalive_options", "path"):
        pool.connection_kwargs.pop(name, None)
    pool.connection_kwargs["database"] = database
    pool.connection_class = connection_class
    return pool


def choose(
    dbfilename: str | None, serverconfig: Mapping[str, object] | None, database: Database | None, pool: Any
) -> tuple[Database, bool]:
    """The database of a client with these arguments, and whether it is its own. TypeError where they contradict."""
    if pool is not None and database is None:
        database = pool.connection_kwargs["database"]
    if database is None:
        return Database(MEMORY if dbfilename is None else dbfilename, config=serverconfig), True
    if dbfilename is not None or serverconfig is not None:
        raise TypeError("a client has a database, or a file and a configuration of its own")
    return database, False


def url_keywords(url: str) -> dict[str, Any]:
    """What redislite:///path?db=1&… means. ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "redislite" or parts.netloc:
        raise ValueError(f"a URL is like redislite:///path/name.rdb?db=1, or redislite://, not {url!r}")
    keywords = dict(redis.connection.parse_url(f"redis://?{parts.query}"))
    path = unquote(parts.path)
    if path not in ("", "/"):
        keywords["dbfilename"] = path
    return keywords


def begin(client: Any, behind: type, connection_class: type, open_session: Callable[[Any], Session] | None) -> None:
    """Has a client's commands executed by sessions, unless its pool's connections are not ours, or keep a cache."""
    pool = client.connection_pool
    if getattr(pool, "cache", None) is not None or not issubclass(pool.connection_class, connection_class):
        return
    table = client.database.engine.table

    def waits(name: str) -> bool:
        row = table.find(name.split(" ")[0].encode())
        return row is not None and bool(row.flags & BLOCKING)

    client.use_sessions(
        open_session=open_session,
        waits=waits,
        callbacks=client.response_callbacks,
        behind=behind,
        observed=get_observability_instance(),
        closed_error=redis.ConnectionError,
        never_decode=NEVER_DECODE,
        empty_response=EMPTY_RESPONSE,
    )


def run_pipeline(pipeline: Any, client: Any, transaction: bool) -> list[Any] | None:
    """What a pipeline's commands have replied, executed at once for the client; None where they are for a connection to
    execute. Of a transaction that is refused, the first error is raised, saying which command it is of."""
    stack = pipeline.command_stack
    try:
        answers: list[Any] | None = client.run_pipeline(stack, transaction)
    except redis.ResponseError as error:
        number = getattr(error, "number", None)
        if number is not None:
            pipeline.annotate_exception(error, number + 1, stack[number][0])
        raise
    return answers


class Redis(NativeClient, redis.Redis):
    """A client of redis-py whose database is in this process.

    dbfilename: the file that its own database is kept in; None: in none. serverconfig: its directives, as `Database`
    has them. database: another one, which does not end with the client; then there are neither of these. The keywords
    are redis-py's; what they say of sockets is not looked at, but for `socket_timeout`, which none is set by default.
    """

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
        if pool is None:
            single = keywords.pop("single_connection_client", False)
            pool = pool_of(redis.Redis(**{**DEFAULTS, **keywords}), self.database, Connection)
            super().__init__(connection_pool=pool, single_connection_client=single)
            self.auto_close_connection_pool = True
        else:
            super().__init__(**keywords)
        if self.connection is None:
            begin(self, redis.Redis, Connection, Redis._open_session)
            self.use_methods(Redis)

    def _open_session(self) -> Session:
        """A session with what connections of the pool begin with: protocol, user, name, database."""
        pool = self.connection_pool
        connection = pool.connection_class(**pool.connection_kwargs)
        connection.connect()
        session: Session = connection._sock.detach()
        connection.disconnect()
        return session

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Executes one command and answers its reply; see redis-py's."""
        value = self.execute_here(args, options)
        return redis.Redis.execute_command(self, *args, **options) if value is OVER_CONNECTION else value

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Commands that are executed together; see redis-py's."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint, client=self)

    def close(self) -> None:
        """Closes what the client has open, its own database included. Harmless where that is done."""
        self.close_sessions()
        super().close()
        if self._owns_database:
            self.database.close()

    @classmethod
    def from_url(cls, url: str, **keywords: Any) -> Redis:
        """A client with a database of its own: ``redislite:///path/name.rdb?db=1``, or ``redislite://`` for one in
        memory. Other parameters as redis-py's URLs have them. ValueError."""
        return cls(**{**keywords, **url_keywords(url)})

    @classmethod
    def from_pool(cls, connection_pool: redis.ConnectionPool) -> Redis:
        """A client that owns a pool of `Connection`s."""
        client = cls(connection_pool=connection_pool)
        client.auto_close_connection_pool = True
        return client


class Pipeline(RedisPipeline):
    """A pipeline of redis-py; unless it watches keys, a single call executes it."""

    def __init__(self, *args: Any, client: Redis, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._client = client

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Executes all; see redis-py's."""
        stack = self.command_stack
        if not stack or self.watching or self.connection is not None:
            return super().execute(raise_on_error)
        if self.scripts:
            self.load_scripts()
        transaction = bool(vars(self)["transaction"] or self.explicit_transaction)
        try:
            answers = run_pipeline(self, self._client, transaction)
            if answers is not None and raise_on_error:
                self.raise_first_error(stack, answers)
        except BaseException:
            self.reset()
            raise
        if answers is None:
            return super().execute(raise_on_error)
        self.reset()
        return answers


StrictRedis = Redis
