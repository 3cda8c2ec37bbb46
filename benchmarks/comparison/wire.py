"""A small RESP2 client for benchmarks: control commands, and bulk loading at pipeline speed.

It depends on nothing but sockets, so that no client library's speed or memory enters a measurement.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from .errors import ComparisonError

Argument: TypeAlias = str | bytes | int | float
Reply: TypeAlias = "bytes | int | list[Reply] | None"

LINE_END = b"\r\n"


class ServerError(ComparisonError):
    """An error reply; the text is the server's."""


def encode(*arguments: Argument) -> bytes:
    """Return one command as a RESP array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Connection:
    """One blocking connection. Every call may raise OSError (gone, or silent for `timeout` seconds)."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 30.0) -> None:
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, *arguments: Argument) -> Reply:
        """Send one command and return its reply; raises ServerError for an error reply."""
        self.socket.sendall(encode(*arguments))
        return self.read()

    def integer(self, *arguments: Argument) -> int:
        """Like `call`, for commands that answer an integer."""
        reply = self.call(*arguments)
        if not isinstance(reply, int):
            raise ServerError(f"{arguments[0]!s} answered {reply!r}, not an integer")
        return reply

    def info(self, section: str) -> dict[str, str]:
        """Return the fields of one INFO section."""
        reply = self.call("INFO", section)
        text = reply.decode() if isinstance(reply, bytes) else ""
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def read(self) -> Reply:
        """Return the next reply of a pipeline; raises ServerError for an error reply."""
        line = self._file.readline()
        if not line.endswith(LINE_END):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ServerError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self._file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("the server closed the connection")
            return data[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise ServerError(f"a reply that is not RESP2: {line[:80]!r}")


def numbered(
    head: Sequence[str],
    item: Sequence[str],
    count: int,
    *,
    tail: Sequence[str] = (),
    items: int = 1,
    first: int = 0,
    batch: int = 500,
) -> Iterator[tuple[bytes, int]]:
    """Yield (bytes, number of commands) batches that hold `count` numbered items, `items` to a command.

    `item` may contain `%`-directives of fixed width (`%012d`); each is filled with the item's number, from `first`
    on. So `numbered(["SET"], ["key:%012d", "x"], 10)` is ten SETs, and with `items=10` and MSET it is one command.
    """
    directives = sum(argument.count("%") for argument in item)
    for argument in item:
        numbers_of_it = argument.count("%")
        if len(argument % ((first,) * numbers_of_it)) != len(argument % ((first + count,) * numbers_of_it)):
            raise ValueError(f"{argument!r} has no fixed width up to {first + count}")

    def template(number_of_items: int) -> bytes:
        text = [f"*{len(head) + number_of_items * len(item) + len(tail)}\r\n"]
        text += [f"${len(argument)}\r\n{argument}\r\n" for argument in head]
        body = "".join(f"${len(argument % ((0,) * argument.count('%')))}\r\n{argument}\r\n" for argument in item)
        text.append(body * number_of_items)
        text += [f"${len(argument)}\r\n{argument}\r\n" for argument in tail]
        return "".join(text).encode()

    def numbers(start: int, stop: int) -> tuple[int, ...]:
        if directives == 1:
            return tuple(range(start, stop))
        return tuple(number for number in range(start, stop) for _ in range(directives))

    stop = first + count
    whole = template(items)
    while stop - first >= items:
        commands = min(batch, (stop - first) // items)
        yield (whole * commands) % numbers(first, first + commands * items), commands
        first += commands * items
    if first < stop:
        yield template(stop - first) % numbers(first, stop), 1


def send_all(port: int, batches: Iterable[tuple[bytes, int]], *, in_flight: int = 4, timeout: float = 60.0) -> int:
    """Send every batch over one connection, at most `in_flight` of them unanswered, and return the command count.

    Only for commands that answer one line (status, integer). Raises ServerError with the first error reply.
    """
    sent = answered = 0
    waiting: list[int] = []
    with Connection(port, timeout=timeout) as connection:
        stream = connection.socket
        tail = b""

        def receive() -> None:
            nonlocal answered, tail
            data = stream.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed the connection")
            data = tail + data
            if data.startswith(b"-") or b"\n-" in data:
                start = 0 if data.startswith(b"-") else data.index(b"\n-") + 1
                raise ServerError(data[start + 1 :].split(LINE_END, 1)[0].decode(errors="replace"))
            end = data.rfind(LINE_END) + 2 if LINE_END in data else 0
            answered += data.count(LINE_END, 0, end)
            tail = data[end:]
            while waiting and waiting[0] <= answered:
                waiting.pop(0)

        for data, commands in batches:
            while len(waiting) >= in_flight:
                receive()
            stream.sendall(data)
            sent += commands
            waiting.append(sent)
        while waiting:
            receive()
    return sent
