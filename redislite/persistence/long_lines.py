"""Lines of a dump, read with no more memory than what they may hold: a file of a few megabytes can unpack to a line
that no memory takes, and is refused before it does.

A line may be as long as its value asks for. What no line of a dump can have is found as it is read, piece by piece: a
first line that does not end, a name that dumps do not know, a string longer than the server would take, anything else
that goes on and on between two strings.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Lines(Protocol):
        """What lines are read from: each call answers a line, or so many bytes of one."""

        def readline(self, size: int, /) -> bytes: ...


FIRST_MAX = 64 << 10  # bytes of the first line
PIECE = 1 << 20  # bytes of a line that are read before anything is looked at
GAP_MAX = 64 << 10  # bytes between two strings

_HEAD = re.compile(rb'\s*\{\s*"(?:db|key|type|value|expires_ms|field_expires_ms|function)"\s*:')


class LongLineError(ValueError):
    """A line that cannot be one of a dump. line: its number, from 1; the text says what is wrong with it."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def read_lines(file: Lines, longest: int) -> Iterator[bytes | bytearray]:
    """The lines of a dump. longest: bytes of the longest string that a value may have. LongLineError."""
    number = 1
    piece = file.readline(FIRST_MAX)
    if len(piece) == FIRST_MAX and not piece.endswith(b"\n"):
        raise LongLineError(1, "this is no dump: its first line does not end where one of a dump would")
    while piece:
        if len(piece) < PIECE or piece.endswith(b"\n"):
            yield piece
        else:
            yield _rest_of_line(file, piece, number, longest)
        number += 1
        piece = file.readline(PIECE)


def _rest_of_line(file: Lines, piece: bytes, number: int, longest: int) -> bytearray:
    if _HEAD.match(piece) is None:
        raise LongLineError(number, "this is no line of a dump, which begins with a name that dumps have")
    look = _Look(number, longest)
    line = bytearray()
    while piece:
        look.at(piece)
        line += piece
        if piece.endswith(b"\n"):
            break
        piece = file.readline(PIECE)
    return line


class _Look:
    """What is known of a long line so far: how long the string, or what stands between two, has become."""

    def __init__(self, number: int, longest: int) -> None:
        self._number = number
        # Bytes that are no text stand in base64, which takes four for three.
        self._longest = longest // 3 * 4 + GAP_MAX
        self._in_string = False
        self._run = 0
        self._half = b""  # of an escape

    def at(self, piece: bytes) -> None:
        """Looks at the next piece. LongLineError."""
        text = self._half + piece
        slashes = len(text) - len(text.rstrip(b"\\"))
        self._half = text[len(text) - 1 :] if slashes % 2 else b""
        # With escaped ones out of the way, every quote begins or ends a string.
        text = text[: len(text) - len(self._half)].replace(b"\\\\", b"__").replace(b'\\"', b"__")
        parts = text.split(b'"')
        if len(parts) == 1:
            # Of a string, what an escape stands for counts.
            self._add(len(text) - 5 * text.count(b"\\u"))
            return
        self._add(len(parts[0]))
        begun = 1 if self._in_string else 0  # of the parts, the first that stands between strings
        if max(map(len, parts[begun:-1:2]), default=0) > GAP_MAX:
            self._refuse_gap()
        self._in_string ^= len(parts) % 2 == 0
        self._run = 0
        self._add(len(parts[-1]))

    def _add(self, length: int) -> None:
        self._run += length
        if not self._in_string and self._run > GAP_MAX:
            self._refuse_gap()
        if self._run > self._longest:
            raise LongLineError(self._number, "a string is longer than a value may be (see proto-max-bulk-len)")

    def _refuse_gap(self) -> None:
        raise LongLineError(self._number, "what stands between two strings is longer than what may stand there")
