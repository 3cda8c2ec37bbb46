"""What was popped for a client that would have waited for it, and went before it was told: how it comes back.

A client in this process can say that it has not got its reply, which over a network nobody knows. What a command has
moved (BLMOVE) or delivered to a group (XREADGROUP) is still there, and stays where it is.
"""

from __future__ import annotations

from typing import Any

Command = list[Any]


def words_of(data: bytes) -> list[bytes] | None:
    """Name and arguments of the one request, an array, that these bytes are; None where they are anything else."""
    head, _, rest = data.partition(b"\r\n")
    if head[:1] != b"*" or not head[1:].isdigit():
        return None
    words = []
    for _ in range(int(head[1:])):
        size, _, rest = rest.partition(b"\r\n")
        if size[:1] != b"$" or not size[1:].isdigit():
            return None
        length = int(size[1:])
        words.append(rest[:length])
        rest = rest[length + 2 :]
    return words if words and not rest else None


def giving_back(words: list[bytes], reply: Any) -> Command | None:
    """The command that puts back what this one has popped; None where it has popped nothing. words: its name and
    arguments; reply: what nobody has got."""
    name = words[0].upper()
    if not isinstance(reply, list) or len(reply) < 2:
        return None
    key, taken = reply[0], reply[1]
    if name == b"BLPOP":
        return ["LPUSH", key, taken]
    if name == b"BRPOP":
        return ["RPUSH", key, taken]
    if name == b"BLMPOP":
        from_left = words[3 + int(words[2])].upper() == b"LEFT"
        return ["LPUSH" if from_left else "RPUSH", key, *reversed(taken)]
    if name in (b"BZPOPMIN", b"BZPOPMAX"):
        return ["ZADD", key, reply[2], taken]
    if name == b"BZMPOP":
        return ["ZADD", key, *(word for member, score in taken for word in (score, member))]
    return None
