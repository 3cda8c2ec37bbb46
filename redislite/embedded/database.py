"""A database in this process: what a server is made of, without a socket.

`Database` puts the control plane together as a server does, so that every command is there (CONFIG, ACL, INFO, SCRIPT,
…), and drives its loop by the calls of clients: see `Engine.turn`. Clients are sessions (`_core/embedded`).

Guarantees: without `serve` no socket is opened, and no thread runs Python; a closed database refuses everything with
DatabaseClosed, and whoever waits for something at that moment is told so.
"""

from __future__ import annotations

import weakref
from functools import partial

from redislite._core.embedded.session import Session, SessionClosed
from redislite._core.protocol.reply_types import CommandError
from redislite.config.config import Config
from redislite.config.text import quoted
from redislite.embedded.keeping import Keeping
from redislite.embedded.serving import Serving
from redislite.observability.log import Log
from redislite.server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any

    from redislite._core.engine import Engine

MEMORY = ":memory:"
# What differs from a server's defaults: nobody connects from outside, and nothing is written that was not asked for.
DEFAULTS = {"port": "0", "save": "", "enable-debug-command": "yes"}


class DatabaseClosed(SessionClosed):
    """The database is closed."""


def config_text(directives: Mapping[str, object]) -> str:
    """These directives as the lines of a file; a list stands for several values, a bool for yes or no."""
    lines = []
    for name, value in directives.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        values = value if isinstance(value, list | tuple) else [value]
        lines.append(" ".join([name, *(quoted(str(one)) for one in values)]))
    return "\n".join(lines)


class _End:
    """How a database ends: what is called when it is closed, dropped, or the process exits."""

    def __init__(self, server: Server, keeping: Keeping | None) -> None:
        self.server = server
        self.keeping = keeping
        self.save = True
        self.serving: Serving | None = None

    def __call__(self) -> None:
        if self.serving is not None:
            self.serving.stop()
        if self.keeping is None:
            self.server.close()
        else:
            self.keeping.end(self.server, self.save)


class Database:
    """A database in this process.

    path: ":memory:", or of the file that it is kept in, which ends in .rdb or .json, and is made when there is none.
    config: directives of redis.conf by name, as text, numbers, bools, or lists of these. durability: what a crash may
    cost, see `keeping`. Raises LockedError where somebody else has the file open, LoadError where it cannot be read,
    ConfigError for what is no directive, ValueError, OSError, MemoryError.
    """

    def __init__(
        self, path: str = MEMORY, *, config: Mapping[str, object] | None = None, durability: str = "journal"
    ) -> None:
        self.path = path
        self._keeping = None if path == MEMORY else Keeping(path, durability)
        try:
            self._open(config or {})
        except BaseException:
            if self._keeping is not None:
                self._keeping.give_up()
            raise

    def _open(self, config: Mapping[str, object]) -> None:
        keeping = self._keeping
        settings = Config(change_directory=False)
        settings.load(config_text({**DEFAULTS, **(keeping.directives() if keeping else {}), **config}))
        log = Log()
        log.apply(settings)
        log.discard_output = True
        self.server = Server(settings, log)
        self.engine: Engine = self.server.engine
        self.engine.on_turn = self.server.loop.turn
        self.server.loop.on_stop = self._stopped
        try:
            self.server.start(listen=False, snapshot_first=keeping is not None and not keeping.has_journal)
        except BaseException:
            self.server.discard()
            raise
        self._own: Session | None = None
        self._end = _End(self.server, keeping)
        self._finish = weakref.finalize(self, self._end)

    def _stopped(self) -> None:
        """SHUTDOWN: nobody is served any more."""
        for client in self.engine.all_connections():
            client.close_soon()

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed, or SHUTDOWN has ended it."""
        return not self._finish.alive or self.server.ending.done

    def session(
        self,
        *,
        encoding: str | None = None,
        errors: str = "strict",
        error: Callable[[str], object] = CommandError,
        encoder: object = None,
        encodes_text: bool = False,
    ) -> Session:
        """A new client, as `Session` says. DatabaseClosed."""
        if self.is_closed:
            raise DatabaseClosed("the database is closed")
        session = Session(
            self.engine, encoding=encoding, errors=errors, error=error, encoder=encoder, encodes_text=encodes_text
        )
        self.server.users.welcome(session)
        return session

    def execute(self, *args: object) -> Any:
        """Runs one command and answers its reply, in RESP3's types, strings being bytes. CommandError for an error;
        TypeError for an argument that is not bytes, str, int or float; DatabaseClosed."""
        own = self._own
        if own is None or not own.is_open or own.queued_commands >= 0:
            own = self.session()
            own.protocol = 3
        self._own = None
        value = own.execute(*args)
        self._own = own
        if isinstance(value, CommandError):
            raise value
        return value

    def serve(self, host: str = "127.0.0.1", port: int | None = 0, unixsocket: str | None = None) -> Serving:
        """Opens the database to others, to redis-cli or a browser of data say, while it is in use here: a thread serves
        them from now on, until it is closed. port: 0 for any that is free, None for none. Answers where they find it:
        `address`, `unixsocket`. ListenError, OSError; ValueError where there is neither a port nor a Unix socket;
        RuntimeError where it is served already; DatabaseClosed."""
        if self.is_closed:
            raise DatabaseClosed("the database is closed")
        if self._end.serving is not None:
            raise RuntimeError("the database is served already")
        self._end.serving = self.engine.call_alone(partial(Serving, self.server, host, port, unixsocket))
        return self._end.serving

    def close(self, save: bool = True) -> None:
        """Ends it: clients that wait are told, and what it has taken is given back. save: whether a file's journal is
        folded into it, or a snapshot is written; else the file is left as a crash would leave it. Harmless where it is
        closed. RuntimeError from within a command; SnapshotError where the snapshot cannot be written: it is closed
        then, and what durability has kept is there."""
        if self._end.serving is not None and self.engine.executing is None:
            self._end.serving.stop()
        self.engine.call_alone(partial(self._close, save))

    def _close(self, save: bool) -> None:
        if not self._finish.alive:
            return
        if self.engine.executing is not None:
            raise RuntimeError("a command of the database is being executed: close it afterwards")
        self._end.save = save
        self._finish()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open(path: str = MEMORY, *, config: Mapping[str, object] | None = None, durability: str = "journal") -> Database:
    """A database in this process, as `Database` says."""
    return Database(path, config=config, durability=durability)
