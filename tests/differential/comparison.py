"""How two replies, or two servers' contents, are compared; and where they are allowed to differ, with the reason.

Replies are compared as the bytes that came, unless the command's rule says otherwise:

exact      the same bytes
unordered  arrays whose elements have no order
pairs      arrays of pairs, or maps, that have no order
encoding   OBJECT ENCODING: the same, or what the older version has for the same type
time       integers within two seconds of each other; those below zero exactly
scan       SCAN and its kin: the same elements in any order where both servers made one full turn, else only the kind
kind       the same type of reply, and null for null; the content is the server's own
Errors are compared exactly under every rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness import Connection

TIME_TOLERANCE_MS = 2000


@dataclass(frozen=True)
class Tolerated:
    """A difference that is not a fault: which, and why."""

    reason: str
    applies: Callable[[list[bytes], bytes, bytes], bool]


def tokens(raw: bytes) -> list[bytes]:
    """A reply, nested or not, as its headers and its contents; lengths of strings are left out."""
    found = []
    position = 0
    while position < len(raw):
        end = raw.index(b"\r\n", position)
        header, position = raw[position:end], end + 2
        if header[:1] in (b"$", b"=") and header[1:2] != b"-":
            length = int(header[1:])
            header, position = b"$" + raw[position : position + length], position + length + 2
        found.append(header)
    return found


def same_double(ours: bytes, theirs: bytes) -> bool:
    """Whether theirs is the same number as ours with seventeen digits, which is how versions before 7.2 wrote it."""
    if ours == theirs:
        return True
    try:
        return ours[:1] in (b"$", b",") and theirs[1:] == b"%.17g" % float(ours[1:])
    except ValueError:
        return False


def same_doubles(ours: bytes, theirs: bytes) -> bool:
    """Whether two replies are the same but for how doubles are written."""
    left, right = tokens(ours), tokens(theirs)
    return len(left) == len(right) and all(map(same_double, left, right))


def without(name: bytes, words: list[bytes]) -> list[bytes]:
    """The tokens of maps without the values of this name."""
    return [word for before, word in zip([b"", *words], words, strict=False) if before != name]


def without_consumers(words: list[bytes]) -> list[bytes]:
    """The tokens of XINFO GROUPS without the numbers of consumers; of XGROUP CREATECONSUMER, nothing."""
    return [] if words in ([b":0"], [b":1"]) else without(b"$consumers", words)


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
    Tolerated(
        "doubles are written in their shortest form from Redis 7.2 on, with seventeen digits before",
        lambda command, ours, theirs: (
            command[0].upper().lstrip(b"B")[:1] in (b"Z", b"G") and ours[:1] != b"-" and same_doubles(ours, theirs)
        ),
    ),
    Tolerated(
        "BITCOUNT and BITPOS look at the range before the key from Redis 7.2 on",
        lambda command, ours, theirs: (
            command[0].upper() in (b"BITCOUNT", b"BITPOS")
            and ours[:1] == b"-"
            and (theirs in (b":0\r\n", b":-1\r\n") or theirs.startswith(b"-WRONGTYPE"))
        ),
    ),
    Tolerated(
        "BITCOUNT takes a start without an end in Valkey 9",
        lambda command, ours, theirs: (
            command[0].upper() == b"BITCOUNT" and len(command) == 3 and theirs == b"-ERR syntax error\r\n"
        ),
    ),
    Tolerated(
        "LREM names the range of its count, which leaves out the least number, from Redis 7.2 on",
        lambda command, ours, theirs: (
            command[0].upper() == b"LREM" and ours.startswith(b"-ERR value is out of range, value must between")
        ),
    ),
    Tolerated(
        "LPOS looks at its options before the key, and names the range of RANK, from Redis 7.2 on",
        lambda command, ours, theirs: (
            command[0].upper() == b"LPOS" and ours.startswith(b"-ERR value is out of range, value must between")
        ),
    ),
    Tolerated(
        "ZRANK and ZREVRANK take a third argument from Redis 7.2 on",
        lambda command, ours, theirs: (
            command[0].upper() in (b"ZRANK", b"ZREVRANK")
            and len(command) == 4
            and theirs.startswith(b"-ERR wrong number of arguments")
        ),
    ),
    Tolerated(
        "a negative offset of LIMIT counts from the end of a large sorted set in Redis 8 and Valkey 9",
        lambda command, ours, theirs: (
            command[0].upper().startswith((b"ZRANGE", b"ZREVRANGE"))
            and any(name.upper() == b"LIMIT" and start[:1] == b"-" for name, start in pairwise(command))
            and theirs == b"*0\r\n"
        ),
    ),
    Tolerated(
        "a bound of scores that a NUL byte ends is no number; the original stops reading there",
        lambda command, ours, theirs: (
            ours == b"-ERR min or max is not a float\r\n" and any(word.endswith(b"\0") for word in command)
        ),
    ),
    Tolerated(
        "a cursor that is a NUL byte is none from Redis 7.2 on, and zero before",
        lambda command, ours, theirs: (
            command[0].upper() in (b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN")
            and any(word[:1] == b"\0" for word in command[1:3])
            and ours == b"-ERR invalid cursor\r\n"
        ),
    ),
    Tolerated(
        "XINFO STREAM with one word too many names the subcommand from Redis 7.2 on",
        lambda command, ours, theirs: (
            [word.upper() for word in command[:2]] == [b"XINFO", b"STREAM"]
            and ours.startswith(b"-ERR unknown subcommand or wrong number of arguments")
        ),
    ),
    Tolerated(
        "XCLAIM and XAUTOCLAIM make their consumer from Redis 7.2 on even where there is nothing to claim",
        lambda command, ours, theirs: (
            [word.upper() for word in command[:2]] in ([b"XGROUP", b"CREATECONSUMER"], [b"XINFO", b"GROUPS"])
            and without_consumers(tokens(ours)) == without_consumers(tokens(theirs))
        ),
    ),
    Tolerated(
        "how many nodes the radix tree of a stream has is its own affair",
        lambda command, ours, theirs: (
            [word.upper() for word in command[:2]] == [b"XINFO", b"STREAM"]
            and without(b"$radix-tree-nodes", tokens(ours)) == without(b"$radix-tree-nodes", tokens(theirs))
        ),
    ),
    Tolerated(
        "XREAD and XREADGROUP name themselves in the error for unbalanced streams from Redis 7.2 on",
        lambda command, ours, theirs: ours[:15] == theirs[:15] == b"-ERR Unbalanced",
    ),
    Tolerated(
        "a cursor may begin with a space from Redis 8 and Valkey 9 on, and cannot be negative",
        lambda command, ours, theirs: (
            command[0].upper().endswith(b"SCAN")
            and b"-ERR invalid cursor\r\n" in (ours, theirs)
            and any(word[:1] in b" -" for word in command[1:3])
        ),
    ),
    Tolerated(
        "an unknown TYPE of SCAN finds nothing in Redis 7 and is an error in Valkey 9, which stands here",
        lambda command, ours, theirs: command[0].upper() == b"SCAN" and ours.startswith(b"-ERR unknown type name"),
    ),
    Tolerated(
        "the lag of a group behind a trimmed stream is known, as in Redis 8",
        lambda command, ours, theirs: (
            command[0].upper() == b"XINFO"
            and without_consumers(without(b"$lag", tokens(ours))) == without_consumers(without(b"$lag", tokens(theirs)))
        ),
    ),
    Tolerated(
        "LCS of long strings needs no table here",
        lambda command, ours, theirs: (
            command[0].upper() == b"LCS" and theirs.startswith(b"-ERR Insufficient memory, transient memory for LCS")
        ),
    ),
    Tolerated(
        "what stands on the edge of the world, or has a score beyond it, is found here",
        lambda command, ours, theirs: (
            command[0].upper() in (b"GEOSEARCH", b"GEORADIUSBYMEMBER", b"GEORADIUS")
            and ours[:1] == theirs[:1] == b"*"
            and len(tokens(ours)) > len(tokens(theirs))
        ),
    ),
    Tolerated(
        "points equally far away come in no order, so any of them where COUNT leaves some out",
        lambda command, ours, theirs: (
            command[0].upper().startswith((b"GEORADIUS", b"GEOSEARCH"))
            and ours[:1] == theirs[:1] == b"*"
            and len(tokens(ours)) == len(tokens(theirs))
            and (
                any(word.upper() == b"COUNT" for word in command) or sorted(tokens(ours)) == sorted(tokens(theirs))
            )
        ),
    ),
    Tolerated(
        "a set that is not to be sorted comes in no order",
        lambda command, ours, theirs: (
            command[0].upper() == b"SORT"
            and any(name.upper() == b"BY" and b"*" not in pattern for name, pattern in pairwise(command))
            and ours[:1] == theirs[:1] == b"*"
            and sorted(tokens(ours)) == sorted(tokens(theirs))
        ),
    ),
]

# Encodings that a newer version gives to a value where Redis 7.0 has the other. From 7.2 on small lists and sets are
# listpacks, what SUNIONSTORE and its kin make of a listpack of integers is one too, and ZADD and SADD choose the
# encoding of a new key by how many members they are given, repeated ones included. SORT leaves a sorted set's encoding
# alone here, where the original makes it a skip list for good.
ENCODINGS_OF_OLDER = {
    ("listpack", "quicklist"),
    ("listpack", "hashtable"),
    ("listpack", "intset"),
    ("hashtable", "intset"),
    ("skiplist", "listpack"),
    ("listpack", "skiplist"),
}


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
        "Valkey 9 passes over spaces before a cursor, and none at all is an error there",
        lambda command, ours, theirs: command[0].upper() == b"SCAN" and b"-ERR invalid cursor\r\n" in (ours, theirs),
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


def scored(raw: bytes) -> list[bytes]:
    """Members and scores of a ZSCAN reply, the scores as they were written before 7.2, in the order of the pairs."""
    words = tokens(raw)[3:]
    pairs = sorted((member, b"%.17g" % float(score[1:])) for member, score in zip(words[::2], words[1::2], strict=True))
    return [word for pair in pairs for word in pair]


def same_encoding(ours: str, theirs: str) -> bool:
    """Whether the two encodings are the same, or what two versions have for the same value."""
    return ours == theirs or (ours, theirs) in ENCODINGS_OF_OLDER


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
    if rule == "pairs":
        left, right = split_array(ours), split_array(theirs)
        return sorted(zip(left[::2], left[1::2], strict=True)) == sorted(zip(right[::2], right[1::2], strict=True))
    if rule == "encoding":
        return not newer and same_encoding(tokens(ours)[0][1:].decode(), tokens(theirs)[0][1:].decode())
    if rule == "time":
        mine, other = int(ours[1:]), int(theirs[1:])
        tolerance = TIME_TOLERANCE_MS if command[0].upper().startswith(b"P") else 2
        return mine >= 0 and other >= 0 and abs(mine - other) <= tolerance
    if rule == "scan":
        mine_cursor, mine_keys = scan_parts(ours)
        other_cursor, other_keys = scan_parts(theirs)
        cursor = command[1] if command[0].upper() == b"SCAN" else command[2]
        full = cursor == b"0" and mine_cursor == other_cursor == b"$1\r\n0\r\n"
        if command[0].upper() == b"ZSCAN":
            mine_keys, other_keys = scored(ours), scored(theirs)
        return not full or mine_keys == other_keys
    return rule == "kind"


# How a value is read for comparison, by its type.
READERS: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "string": lambda key: (b"GET", key),
    "list": lambda key: (b"LRANGE", key, b"0", b"-1"),
    "hash": lambda key: (b"HGETALL", key),
    "set": lambda key: (b"SMEMBERS", key),
    "zset": lambda key: (b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"),
    "stream": lambda key: (b"XRANGE", key, b"-", b"+"),
}

# How what was read is brought into a form in which equal values are equal.
FORMS: dict[str, Callable[[list[Any]], Any]] = {
    "hash": lambda words: dict(zip(words[::2], words[1::2], strict=True)),
    "set": sorted,
    "zset": lambda words: list(zip(words[::2], map(float, words[1::2]), strict=True)),
}


@dataclass(frozen=True)
class Content:
    """What a key holds; encoding is empty where it was not asked for."""

    type: str
    value: Any
    encoding: str
    expires: bool

    def same(self, theirs: Content | None) -> bool:
        """Whether the original's key holds the same in the same or an older encoding."""
        return (
            theirs is not None
            and (self.type, self.value, self.expires) == (theirs.type, theirs.value, theirs.expires)
            and same_encoding(self.encoding, theirs.encoding)
        )


def contents(connection: Connection, encodings: bool = True, databases: int = 16) -> dict[tuple[int, bytes], Content]:
    """What every key holds, by database and key. The connection speaks RESP2."""
    found = {}
    for database in range(databases):
        assert connection("SELECT", database) == "OK"
        for key in connection("KEYS", "*"):
            kind_name = str(connection("TYPE", key))
            value = connection(*READERS[kind_name](key))
            found[database, key] = Content(
                kind_name,
                FORMS[kind_name](value) if kind_name in FORMS else value,
                connection("OBJECT", "ENCODING", key).decode() if encodings else "",
                connection("PTTL", key) >= 0,
            )
    connection("SELECT", 0)
    return found
