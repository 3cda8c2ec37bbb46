"""Commands about the server as a whole: INFO, ROLE, SHUTDOWN, LOLWUT."""

from __future__ import annotations

from redislite._core.commands.row import command
from redislite._core.protocol.reply_types import NO_REPLY, OK, SYNTAX_ERROR, CommandError, Verbatim
from redislite.commands.info import info_text
from redislite.config.text import parse_integer
from redislite.serving.shutdown import Wish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs
    from redislite.commands.info import Server as InfoServer

    class Server(InfoServer, needs.Configuration, needs.Logging, needs.Serving, Protocol):
        """What these commands need of the server."""


NOT_INTEGER = "ERR value is not an integer or out of range"


def parse_integer_argument(value: bytes) -> int:
    """The number of 64 bits that an argument is in canonical form. Raises CommandError if it is none."""
    number = parse_integer(value.decode("latin-1"))
    if number is None:
        raise CommandError(NOT_INTEGER)
    return number


@command(
    "info",
    -1,
    "loading stale sentinel",
    group="server",
    since="1.0.0",
    acl="+dangerous",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
    syntax="[section...]",
    summary="Returns figures and facts about the server by section.",
    complexity="O(1)",
)
def info(server: Server, connection: Connection, args: list[bytes]) -> object:
    """INFO [section ...]."""
    return Verbatim("txt", info_text(server, [name.decode("latin-1") for name in args[1:]]))


@command(
    "role",
    1,
    "noscript loading stale fast sentinel",
    group="server",
    since="2.8.12",
    acl="+admin +dangerous",
    summary="Returns the role of the server in replication.",
    complexity="O(1)",
)
def role(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ROLE: a master without replicas, whose stream of changes has not begun."""
    return [b"master", 0, []]


@command(
    "shutdown",
    -1,
    "admin noscript loading stale sentinel no_multi allow_busy",
    group="server",
    since="1.0.0",
    syntax=(
        "[abort-selector:(save-selector-block:([save-selector:(NOSAVE | SAVE)] [NOW@7.0.0] [FORCE@7.0.0] "
        "[SAFE@9.0.0] [FAILOVER@9.0.0]) | ABORT@7.0.0)]"
    ),
    summary="Saves if so configured and ends the server.",
    complexity="O(N) for N keys when saving, otherwise O(1)",
)
def shutdown(server: Server, connection: Connection, args: list[bytes]) -> object:
    """SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [SAFE] [FAILOVER] [ABORT]: no reply but an error's.

    SAFE and FAILOVER concern members of a cluster: the first changes nothing elsewhere, the second is refused.
    """
    words = {argument.lower() for argument in args[1:]}
    if not words <= {b"nosave", b"save", b"now", b"force", b"safe", b"failover", b"abort"}:
        raise CommandError(SYNTAX_ERROR)
    if words >= {b"nosave", b"save"} or (b"abort" in words and len(words) > 1):
        raise CommandError(SYNTAX_ERROR)
    if b"failover" in words:
        raise CommandError("ERR SHUTDOWN FAILOVER is only supported in cluster mode.")
    save = True if b"save" in words else False if b"nosave" in words else None
    if b"abort" in words:
        server.ending.abort()
        return OK
    server.log.notice("User requested shutdown...")
    if not server.ending.begin(Wish(save, now=b"now" in words, force=b"force" in words)):
        raise CommandError("ERR Errors trying to SHUTDOWN. Check logs.")
    return NO_REPLY


@command(
    "lolwut",
    -1,
    "readonly fast",
    group="server",
    since="5.0.0",
    syntax="[VERSION version:integer]",
    summary="Draws something and tells the version.",
)
def lolwut(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LOLWUT [VERSION version] [columns [rows]]: versions 5 and 6 have drawings of their own."""
    from random import Random  # milliseconds that a start need not pay

    from redislite.commands import lolwut as art

    told = server.config.presented
    version = 0
    sizes = args[1:]
    if len(args) >= 3 and args[1].lower() == b"version":
        version = parse_integer_argument(args[2])
        sizes = args[3:]
    elif len(args) == 2 and args[1].lower() == b"version":
        sizes = []
    columns, rows = (
        parse_integer_argument(sizes[at]) if len(sizes) > at else usual
        for at, usual in enumerate((art.DEFAULT_COLUMNS, art.DEFAULT_ROWS))
    )
    return Verbatim("txt", f"{art.draw(version, columns, rows, Random())}{told['title']} ver. {told['version']}\n")
