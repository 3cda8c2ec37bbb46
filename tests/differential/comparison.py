"""How two replies, or two servers' contents, are compared; and where they are allowed to differ, with the reason.

Replies are compared as the bytes that came, unless the command's rule says otherwise:

exact      the same bytes
unordered  arrays whose elements have no order
time       integers within two seconds of each other; those below zero exactly
scan       SCAN: the same elements in any order where both servers made one full turn, else only the kind
kind       the same type of reply, and null for null; the content is the server's own
Errors are compared exactly under every rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import Connection

TIME_TOLERANCE_MS = 2000


@dataclass(frozen=True)
class Tolerated:
    """A difference that is not a fault: which, and why."""

    reason: str
    applies: Callable[[list[bytes], bytes, bytes], bool]


# Against Redis 7.0, which is what Debian has; what we follow is 7.2.
TOLERATED: list[Tolerated] = [
    Tolerated(
        "the largest string is named by its directive from Redis 7.2 on, by its size before",
        lambda command, ours, theirs: (
            b"exceeds maximum allowed size" in ours and b"exceeds maximum allowed size" in theirs
        ),
    ),
    Tolerated(
        "CLIENT KILL ID and LIST ID with no number are a syntax error in Valkey 9, whose texts stand here",
        lambda command, ours, theirs: (
            [word.upper() for word in command[:3]] in ([b"CLIENT", b"KILL", b"ID"], [b"CLIENT", b"LIST", b"ID"])
            and ours == b"-ERR syntax error\r\n"
            and theirs[:1] == b"-"
        ),
    ),
    Tolerated(
        "CLIENT LIST ID refuses numbers below one, as CLIENT KILL ID does, where Redis 7 finds no such client",
        lambda command, ours, theirs: ours.startswith(b"-ERR client-id should be greater than 0"),
    ),
]


# Against Valkey 9, which is asked only for the commands that Redis 7 does not have.
TOLERATED_OF_NEWER: list[Tolerated] = [
    Tolerated(
        "Valkey 9 embeds a value by the room left beside its key; Redis 7 by the value's length alone",
        lambda command, ours, theirs: (
            command[0].upper() == b"OBJECT" and {ours, theirs} == {b"$3\r\nraw\r\n", b"$6\r\nembstr\r\n"}
        ),
    ),
    Tolerated(
        "GETEX of a missing key answers null before it looks at the time in Redis 7, after it in Valkey 9",
        lambda command, ours, theirs: command[0].upper() == b"GETEX" and kind(ours) == b"null" and theirs[:1] == b"-",
    ),
    Tolerated(
        "an unknown TYPE of SCAN finds nothing in Redis 7 and is an error in Valkey 9",
        lambda command, ours, theirs: command[0].upper() == b"SCAN" and theirs.startswith(b"-ERR unknown type name"),
    ),
]


def split_array(raw: bytes) -> list[bytes]:
    """The elements of an array reply of bulk strings, as raw bytes."""
    elements = []
    position = raw.index(b"\r\n") + 2
    while position < len(raw):
        end = raw.index(b"\r\n", position) + 2
        length = int(raw[position + 1 : end - 2])
        if length >= 0:
            end += length + 2
        elements.append(raw[position:end])
        position = end
    return elements


def kind(raw: bytes) -> bytes:
    """The type of a reply: its first byte, null by itself, RESP3's null as RESP2's."""
    if raw in (b"$-1\r\n", b"*-1\r\n", b"_\r\n"):
        return b"null"
    return raw[:1]


def scan_parts(raw: bytes) -> tuple[bytes, list[bytes]]:
    """Cursor and elements of a SCAN reply."""
    cursor_end = raw.index(b"\r\n", raw.index(b"\r\n", 4) + 2) + 2
    return raw[4:cursor_end], sorted(split_array(raw[cursor_end:]))


def same_reply(rule: str, command: list[bytes], ours: bytes, theirs: bytes, newer: bool = False) -> bool:
    """Whether the two replies agree under the rule, or differ where they may."""
    if ours == theirs:
        return True
    if any(one.applies(command, ours, theirs) for one in TOLERATED + (TOLERATED_OF_NEWER if newer else [])):
        return True
    if ours[:1] == b"-" or theirs[:1] == b"-" or kind(ours) != kind(theirs):
        return False
    if rule == "unordered":
        return sorted(split_array(ours)) == sorted(split_array(theirs))
    if rule == "time":
        mine, other = int(ours[1:]), int(theirs[1:])
        tolerance = TIME_TOLERANCE_MS if command[0].upper().startswith(b"P") else 2
        return mine >= 0 and other >= 0 and abs(mine - other) <= tolerance
    if rule == "scan":
        mine_cursor, mine_keys = scan_parts(ours)
        other_cursor, other_keys = scan_parts(theirs)
        full = command[1] == b"0" and mine_cursor == other_cursor == b"$1\r\n0\r\n"
        return not full or mine_keys == other_keys
    return rule == "kind"


# How a value is read for comparison, by its type; the types to come add their row.
READERS: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "string": lambda key: (b"GET", key),
}


def contents(
    connection: Connection, encodings: bool = True, databases: int = 16
) -> dict[tuple[int, bytes], tuple[str, Any, bytes, bool]]:
    """Every key: (database, key) to type, value, encoding (where asked), and whether it has a time to live."""
    found = {}
    for database in range(databases):
        assert connection("SELECT", database) == "OK"
        for key in connection("KEYS", "*"):
            kind_name = str(connection("TYPE", key))
            value = connection(*READERS[kind_name](key))
            found[database, key] = (
                kind_name, value, connection("OBJECT", "ENCODING", key) if encodings else b"",
                connection("PTTL", key) >= 0,
            )  # fmt: skip
    connection("SELECT", 0)
    return found
