"""The Python objects a command returns when a plain one cannot say which reply is meant.

A Python-tier handler returns a Python object and the encoder writes it in the protocol of the connection:

    int → integer            bytes, str → bulk string      None → null
    list, tuple → array      dict → map                    float → double
    bool → boolean           set, frozenset, Set → set     the classes below → as they say

Under RESP2 a map becomes a flat array, a set an array, a double and verbatim text a bulk string, a boolean an
integer. An error is raised, never returned.
"""

from __future__ import annotations


class SimpleString(str):
    """A status reply, such as ``OK``; must hold neither CR nor LF."""

    __slots__ = ()


class Set(list):  # type: ignore[type-arg]
    """A set reply whose members need not be hashable and keep their order; distinctness is the caller's duty."""

    __slots__ = ()


class Push(list):  # type: ignore[type-arg]
    """An out-of-band message (RESP3 push; an array under RESP2)."""

    __slots__ = ()


class Verbatim:
    """Text with a three-letter format, such as ``txt`` or ``mkd``."""

    __slots__ = ("format", "text")

    def __init__(self, format: str, text: str | bytes) -> None:
        if len(format) != 3:
            raise ValueError("the format of a verbatim string has three letters")
        self.format = format
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and (self.format, self.text) == (other.format, other.text)

    def __hash__(self) -> int:
        return hash((self.format, self.text))

    def __repr__(self) -> str:
        return f"Verbatim({self.format!r}, {self.text!r})"


class CommandError(Exception):
    """An error reply; the message is the whole wire text, code first: ``ERR syntax error``."""


class Interrupted(BaseException):
    """What ends a command, a function or a hook in Python that has been running for too long, where somebody asked for
    that."""


OK = SimpleString("OK")
SYNTAX_ERROR = "ERR syntax error"


def subcommand_error(args: list[bytes]) -> CommandError:
    """The error for a subcommand that is not there, or not with so many arguments, in words of the request."""
    shown = args[1][:128].decode("utf-8", "surrogateescape")
    container = args[0].decode("latin-1").upper()
    return CommandError(f"ERR unknown subcommand or wrong number of arguments for '{shown}'. Try {container} HELP.")


def help_reply(command: str, entries: tuple[tuple[str, str], ...]) -> list[SimpleString]:
    """The reply of ``<command> HELP``: a heading, each entry's usage and its explanation, line by line."""
    lines = [SimpleString(f"{command.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")]
    for usage, explanation in (*entries, ("HELP", "Show this text.")):
        lines.append(SimpleString(usage))
        lines.extend(SimpleString(f"    {line}") for line in explanation.splitlines())
    return lines


class NoReply:
    """What a handler returns that answers nothing, or has appended its replies itself."""

    __slots__ = ()


NO_REPLY = NoReply()
