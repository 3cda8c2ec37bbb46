"""Takes secrets out of requests before somebody else sees them: MONITOR, the slow log and the command log; and makes
what clients sent fit for a line of the log.

Guarantee: passwords of AUTH, HELLO and MIGRATE, everything about users, and the values of directives that hold secrets
never leave this function. The request itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from redislite.config.directives import BUILT_IN, SENSITIVE

REDACTED = b"(redacted)"
# Subcommands of ACL whose arguments are all secret.
USER_SUBCOMMANDS = (b"setuser", b"getuser", b"deluser")


def redact(args: Sequence[bytes]) -> list[bytes]:
    """The arguments of a request with REDACTED in the place of each secret."""
    shown = list(args)
    for position in _secret_positions(shown):
        if position < len(shown):
            shown[position] = REDACTED
    return shown


def printable_sample(ends: bytes, length: int) -> str:
    """What a client sent, quoted, in ASCII with dots for the rest: all, or both ends of it where there is more."""
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in ends)
    if len(ends) == length:
        return f"'{text}'"
    half = len(ends) // 2
    return f"'{text[:half]}' (... more {length - len(ends)} bytes ...) '{text[half:]}'"


def _secret_positions(args: list[bytes]) -> Sequence[int]:
    name = args[0].lower() if args else b""
    if name == b"auth":
        return range(1, len(args))
    if name == b"hello":
        return _behind(args, 2, {b"auth": 2})
    if name == b"migrate":
        return _behind(args, 6, {b"auth": 1, b"auth2": 2})
    subcommand = args[1].lower() if len(args) > 1 else b""
    if name == b"acl" and subcommand in USER_SUBCOMMANDS:
        return range(2, len(args))
    if name == b"config" and subcommand == b"set":
        return [position + 1 for position in range(2, len(args), 2) if _is_secret_directive(args[position])]
    return ()


def _behind(args: list[bytes], first: int, keywords: dict[bytes, int]) -> list[int]:
    """Positions of what follows a keyword, which stands at `first` or later; each keyword says how many do.

    A keyword with less behind it than it needs is a syntax error and hides nothing.
    """
    positions: list[int] = []
    at = first
    while at < len(args):
        count = keywords.get(args[at].lower(), 0)
        if count and at + count < len(args):
            positions.extend(range(at + 1, at + 1 + count))
            at += count
        at += 1
    return positions


def _is_secret_directive(name: bytes) -> bool:
    row = BUILT_IN.by_name.get(name.decode("latin-1").lower())
    return row is not None and bool(row.flags & SENSITIVE)
