"""What stands in the place of asyncio's streams where the other end is in this process: of their methods those that
redis clients call.

What is written is executed at once. A reader belongs to no loop: who waits is a future of the loop that runs then.
Output stays with the session until a task reads it.
"""

from __future__ import annotations

import asyncio

from redislite._core.embedded.session import Session, SessionClosed
from redislite.embedded.local_socket import NOBODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

READ_BYTES = 1 << 20


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def output_of(session: Session) -> None:
    """Waits until a session has output or is closed. Gives the engine its turns meanwhile."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        loop.call_soon_threadsafe(_set, future)

    if not session.call_when_ready(wake):
        return
    timer = loop.call_later(0, lambda: None)

    def turn() -> None:
        nonlocal timer
        timer = loop.call_later(session.turn(), turn)

    try:
        turn()
        await future
    finally:
        timer.cancel()
        session.forget_waker(wake)


class LocalReader:
    """The end of a stream that output is read from."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._read = bytearray()
        self._is_over = False

    def _take(self) -> bool:
        """Takes what is there; false where there is nothing yet."""
        data = self.session.receive(READ_BYTES)
        if data is None:
            return False
        self._read += data
        self._is_over = not data
        return True

    @property
    def _buffer(self) -> bytearray:
        """What can be read without waiting, where redis-py looks for it."""
        while not self._is_over and self._take():
            pass
        return self._read

    def at_eof(self) -> bool:
        """Whether there is nothing to be read and nothing will be."""
        return not self._buffer and self._is_over

    async def _more(self) -> bool:
        """Waits for more; false where there will be none."""
        while not self._is_over and not self._take():
            await output_of(self.session)
        return not self._is_over

    def _cut(self, count: int) -> bytes:
        data = bytes(self._read[:count])
        del self._read[:count]
        return data

    async def read(self, most: int = -1) -> bytes:
        """Some bytes, at most so many, or all there will be (-1); empty where it is over."""
        if most == 0:
            return b""
        while (most < 0 or not self._read) and await self._more():
            pass
        return self._cut(len(self._read) if most < 0 else most)

    async def readexactly(self, count: int) -> bytes:
        """So many bytes. IncompleteReadError where it is over before."""
        while len(self._read) < count:
            if not await self._more():
                raise asyncio.IncompleteReadError(self._cut(len(self._read)), count)
        return self._cut(count)

    async def readline(self) -> bytes:
        """A line with its end, or what there was before it was over."""
        while (end := self._read.find(b"\n")) < 0:
            if not await self._more():
                return self._cut(len(self._read))
        return self._cut(end + 1)


class LocalWriter:
    """The end of a stream that requests are written to. It owns the session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.transport = self

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Has requests executed. ConnectionResetError where the session is closed."""
        try:
            self.session.send(data if type(data) is bytes else bytes(data))
        except SessionClosed:
            raise ConnectionResetError("Connection lost") from None

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        """The same."""
        self.write(b"".join(pieces))

    async def drain(self) -> None:
        """Lets other tasks run: a client that never waits would keep them from it."""
        await asyncio.sleep(0)

    def close(self) -> None:
        """Ends the session. Harmless where that has happened."""
        self.session.close()

    def is_closing(self) -> bool:
        """Whether the session is closed."""
        return not self.session.is_open

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""

    def detach(self) -> Session:
        """The session, which is the caller's from here on."""
        session, self.session = self.session, NOBODY
        return session

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        """There is no socket."""
        return default

    def abort(self) -> None:
        """Ends the session."""
        self.session.close()

    def __del__(self) -> None:
        self.session.close()
