"""The logs of commands that were slow, or whose request or reply was large: SLOWLOG and COMMANDLOG.

Three logs, newest entry first, each with numbers of its own. Guarantees: an entry keeps at most MAXIMUM_ARGUMENTS
arguments of at most MAXIMUM_LENGTH bytes each (and a note of what it left out), so a log's memory is bounded by its
`…-max-len` directive; no secret is kept.
"""

from __future__ import annotations

import time
from collections import deque

from redislite.observability.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redislite._core.connection import Connection
    from redislite.config.config import Config

# Kinds as the data plane gives them: bits.
SLOW = 1
LARGE_REQUEST = 2
LARGE_REPLY = 4

KIND_NAMES = {b"slow": SLOW, b"large-request": LARGE_REQUEST, b"large-reply": LARGE_REPLY}
LENGTH_DIRECTIVES = {
    SLOW: "slowlog-max-len",
    LARGE_REQUEST: "commandlog-large-request-max-len",
    LARGE_REPLY: "commandlog-large-reply-max-len",
}

MAXIMUM_ARGUMENTS = 32  # the last of them is the note, where there are more
MAXIMUM_LENGTH = 128  # bytes of one argument


class Entry:
    """One logged command. `amount`: microseconds in the log of the slow ones, else bytes. `seconds`: Unix time."""

    __slots__ = ("address", "amount", "args", "name", "number", "seconds")

    def __init__(self, number: int, seconds: int, amount: int, args: list[bytes], address: str, name: str) -> None:
        self.number = number
        self.seconds = seconds
        self.amount = amount
        self.args = args
        self.address = address
        self.name = name

    def as_reply(self) -> list[object]:
        """The entry in the form of SLOWLOG GET."""
        return [self.number, self.seconds, self.amount, self.args, self.address, self.name]


class CommandLog:
    """The three logs of one server. `clock` gives the Unix time in seconds."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._entries: dict[int, deque[Entry]] = {kind: deque() for kind in LENGTH_DIRECTIVES}
        self._next_number = dict.fromkeys(LENGTH_DIRECTIVES, 0)

    def add(
        self,
        connection: Connection,
        args: Sequence[bytes],
        lengths: Sequence[int],
        count: int,
        kinds: int,
        us: int,
        request_bytes: int,
        reply_bytes: int,
    ) -> None:
        """Log a command in each of the logs that `kinds` names.

        args: its first arguments, each cut off at some length of MAXIMUM_LENGTH or more; lengths: how long they were;
        count: how many there were; us: microseconds that it took.
        """
        shown: list[bytes] = []
        for kind, amount in ((SLOW, us), (LARGE_REQUEST, request_bytes), (LARGE_REPLY, reply_bytes)):
            capacity = self._config[LENGTH_DIRECTIVES[kind]]
            if not kinds & kind or capacity <= 0:
                continue
            shown = shown or shorten(redact(args), args, lengths, count)
            self._entries[kind].appendleft(
                Entry(
                    self._next_number[kind],
                    int(self._clock()),
                    amount,
                    shown,
                    connection.address or "",
                    connection.name or "",
                )
            )
            self._next_number[kind] += 1
            self._trimmed(kind)

    def _trimmed(self, kind: int) -> deque[Entry]:
        # The limit may have been lowered since an entry was added.
        entries = self._entries[kind]
        capacity = self._config[LENGTH_DIRECTIVES[kind]]
        while len(entries) > capacity:
            entries.pop()
        return entries

    def length(self, kind: int) -> int:
        """How many entries the log of a kind has."""
        return len(self._trimmed(kind))

    def latest(self, kind: int, count: int) -> list[Entry]:
        """Up to count entries of a log, the newest first; all of them if count is -1."""
        entries = self._trimmed(kind)
        return list(entries) if count < 0 else [entry for entry, _ in zip(entries, range(count), strict=False)]

    def reset(self, kind: int) -> None:
        """Forget the entries of a log; numbers go on."""
        self._entries[kind].clear()


def cut(text: bytes, length: int) -> bytes:
    """What is kept of a text of so many bytes: the first ones, and how many there were more."""
    if length <= MAXIMUM_LENGTH:
        return text
    return text[:MAXIMUM_LENGTH] + b"... (%d more bytes)" % (length - MAXIMUM_LENGTH)


def shorten(shown: Sequence[bytes], args: Sequence[bytes], lengths: Sequence[int], count: int) -> list[bytes]:
    """What an entry keeps of `count` arguments: `args` and their whole lengths, `shown` without the secrets in them."""
    kept = count if count <= MAXIMUM_ARGUMENTS else MAXIMUM_ARGUMENTS - 1
    result: list[bytes] = []
    for text, whole, length in zip(shown[:kept], args, lengths, strict=False):
        if text == whole and length > MAXIMUM_LENGTH:
            text = cut(text, length)
        result.append(text)
    if count > MAXIMUM_ARGUMENTS:
        result.append(b"... (%d more arguments)" % (count - kept))
    return result
