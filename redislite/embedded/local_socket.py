"""What stands in the place of a socket where the other end is in this process: of its methods those that redis clients
call.

It never goes over the kernel: what is sent is executed before `sendall` returns, and `recv` takes the output. Timeouts
and non-blocking use are a socket's, with the same exceptions.
"""

from __future__ import annotations

import errno
import os
import socket

from redislite._core.embedded.session import Session, SessionClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Nobody:
    """In the place of a session that was given away."""

    def close(self) -> None:
        """There is nothing to close."""


NOBODY: Any = _Nobody()


class LocalSocket:
    """One end of a stream whose other end is a session, which it owns."""

    def __init__(self, session: Session, timeout: float | None = None) -> None:
        self.session = session
        self._timeout = timeout

    def sendall(self, data: bytes | bytearray | memoryview, _flags: int = 0) -> None:
        """Has requests executed. ConnectionResetError where the session is closed."""
        try:
            self.session.send(data if type(data) is bytes else bytes(data))
        except SessionClosed:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        """The same; answers how many bytes that were."""
        self.sendall(data, flags)
        return len(data)

    def recv(self, most: int, _flags: int = 0) -> bytes:
        """Output, so many bytes at the most; empty where the session is closed. BlockingIOError, TimeoutError."""
        while True:
            data = self.session.receive(most)
            if data is not None:
                return data
            if not self.session.wait(self._timeout):
                if self._timeout == 0:
                    raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
                raise TimeoutError("timed out")

    def recv_into(self, buffer: memoryview | bytearray, most: int = 0, _flags: int = 0) -> int:
        """The same into a buffer; answers how many bytes that were."""
        data = self.recv(most or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def can_read(self, timeout: float | None = 0) -> bool:
        """Whether there is something to be received, or nothing will ever be, within so many seconds."""
        return self.session.wait(timeout)

    def settimeout(self, seconds: float | None) -> None:
        """How long `recv` waits; None: for ever."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """What settimeout has set."""
        return self._timeout

    def setblocking(self, blocking: bool) -> None:
        """Has `recv` wait for ever, or not at all."""
        self._timeout = None if blocking else 0.0

    def setsockopt(self, *_arguments: object) -> None:
        """There is nothing to be set."""

    def shutdown(self, _how: int = socket.SHUT_RDWR) -> None:
        """Ends the session."""
        self.session.close()

    def close(self) -> None:
        """Ends the session. Harmless where that has happened."""
        self.session.close()

    def getsockname(self) -> tuple[str, int]:
        """An address that is nobody else's."""
        return ("local", self.session.id)

    def getpeername(self) -> tuple[str, int]:
        """The engine's."""
        return ("local", 0)

    def detach(self) -> Session:
        """The session, which is the caller's from here on."""
        session, self.session = self.session, NOBODY
        return session

    def fileno(self) -> int:
        """There is no descriptor."""
        return -1

    def __del__(self) -> None:
        self.session.close()
