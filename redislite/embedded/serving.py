"""A database of this process opened to others over sockets, while it is in use here.

One thread waits for what comes and gives the database a turn then. It owns nothing: whatever it does is done between
the calls of other threads, and ends with the database.
"""

from __future__ import annotations

import os
import select
import threading

from redislite.serving.listeners import Listener, listen_unix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.server import Server

FAILURE_PAUSE = 0.1  # seconds


class Serving:
    """Listening sockets and the thread that serves who connects.

    host, port: where to listen, 0 for any port that is free; None: nowhere. unixsocket: path of a Unix socket, or None.
    ValueError where there is neither; ListenError, OSError.
    """

    def __init__(self, server: Server, host: str, port: int | None, unixsocket: str | None) -> None:
        self._server = server
        self.address: tuple[str, int] | None = None
        self.unixsocket = unixsocket
        listeners = server.listeners
        if port is None and unixsocket is None:
            raise ValueError("a database is served at a port or at a Unix socket")
        tcp: list[Listener] = listeners.open_tcp([host], port) if port is not None else []
        try:
            unix = [listen_unix(unixsocket, 0o700, server.config["tcp-backlog"])] if unixsocket is not None else []
        except OSError:
            for listener in tcp:
                listener.socket.close()
            raise
        if tcp:
            self.address = tcp[0].socket.getsockname()[:2]
        listeners.tcp, listeners.unix = tcp, unix
        for listener in listeners:
            listeners.watch(listener)
        self._ended = False
        self._wakeup, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, name="redislite", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        engine = self._server.engine
        ready = select.poll()
        ready.register(self._server.loop.fileno(), select.POLLIN)
        ready.register(self._wakeup, select.POLLIN)
        seconds = 0.0
        while not self._ended:
            ready.poll(seconds * 1000)
            if self._ended:
                return
            try:
                seconds = engine.call_alone(engine.turn)
            except Exception as error:
                self._server.log.warning(f"Internal error: {error!r}")
                seconds = FAILURE_PAUSE

    def stop(self) -> None:
        """Ends the thread; the sockets are the server's to close. Harmless where it has ended."""
        if self._ended:
            return
        self._ended = True
        os.write(self._waker, b"x")
        if self._thread is not threading.current_thread():
            self._thread.join()
        os.close(self._wakeup)
        os.close(self._waker)
