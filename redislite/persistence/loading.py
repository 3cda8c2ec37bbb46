"""The loading of a data set: how far it is, and the clients that are served meanwhile.

The loader, of whatever kind, calls `progress` again and again; there the sockets that are ready are served, with the
data plane's gate closed for all commands but those that may run meanwhile (PING, INFO, …); the others get -LOADING.

Guarantees: nothing expires, is saved or shrinks meanwhile; who wants the server to end does not wait for the loading
(`progress` raises LoadingStopped).
"""

from __future__ import annotations

import time

from redislite.config.text import parse_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol

    from redislite._core.engine import Engine
    from redislite.observability.log import Log
    from redislite.serving.loop import Loop
    from redislite.serving.shutdown import Ending

    class Server(Protocol):
        """What is used of the server."""

        ending: Ending
        engine: Engine
        log: Log
        loop: Loop


LOG_SECONDS = 5.0  # how often the log tells how far it is


class LoadingStopped(Exception):
    """The server is to end before everything is loaded."""


class Loading:
    """What one server loads, if it does: `with server.loading.of(name, bytes): … server.loading.progress(so_far)`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.active = False
        self.name = ""
        self.total = 0  # bytes
        self.loaded = 0
        self.fields: dict[bytes, bytes] = {}  # what the file tells about who wrote it, as far as it was read
        self.started = 0.0  # Unix time
        self._begun = 0.0  # monotonic
        self._next_log = 0.0

    def of(self, name: str, total: int) -> Loading:
        """Prepares the loading of so many bytes, all files together; `name` is for the log."""
        self.name = name
        self.total = total
        return self

    def __enter__(self) -> Loading:
        self.loaded = 0
        self.fields = {}
        self.started = time.time()
        self._begun = time.monotonic()
        self._next_log = self._begun + LOG_SECONDS
        self.active = True
        self._server.engine.set_gate("loading", True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.active = False
        self._server.engine.set_gate("loading", False)

    @property
    def used_memory(self) -> int:
        """Bytes that the server which wrote the file used then; 0: it does not tell."""
        return parse_integer(self.fields.get(b"used-mem", b"").decode("latin-1")) or 0

    @property
    def seconds(self) -> float:
        """For how long it has been loading."""
        return time.monotonic() - self._begun

    @property
    def percent(self) -> float:
        """How much is loaded."""
        return min(100.0, self.loaded * 100 / self.total) if self.total else 0.0

    @property
    def remaining_seconds(self) -> int:
        """How long it will take yet, at the pace so far."""
        return int(self.seconds * max(0, self.total - self.loaded) / self.loaded) if self.loaded else 1

    def progress(self, loaded: int) -> None:
        """So many bytes are loaded: tells the log now and then, and serves clients. LoadingStopped."""
        server = self._server
        self.loaded = loaded
        now = time.monotonic()
        if now >= self._next_log:
            self._next_log = now + LOG_SECONDS
            progress = f"{self.percent:.0f}% of {self.total >> 20} MB"
            server.log.notice(f"Loading {self.name}: {progress}, {self.remaining_seconds} seconds left")
        server.loop.serve_ready()
        if server.ending.done:
            raise LoadingStopped
