"""Commands about what outlives the process: SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF.

SAVE TO and BGSAVE TO are redislite's own: they write a copy of the data set, in the form that its name tells.
"""

from __future__ import annotations

import os

from redislite._core.commands.row import command
from redislite._core.protocol.reply_types import OK, SYNTAX_ERROR, CommandError, SimpleString
from redislite.persistence.snapshots import Busy, SnapshotError
from redislite.serving.clients import CLIENT_IN_EXEC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Persistence, Protocol):
        """What these commands need of the server."""


IN_PROGRESS = "ERR Background save already in progress"


@command(
    "save",
    -1,
    "no_async_loading admin noscript no_multi",
    group="server",
    since="1.0.0",
    syntax="[TO name:string@8.0.0]",
    summary="Writes a snapshot of all databases while every client waits.",
    complexity="O(N) for N keys in all databases",
)
def save(server: Server, connection: Connection, args: list[bytes]) -> object:
    """SAVE [TO name]."""
    if len(args) > 1 and not (len(args) == 3 and args[1].lower() == b"to"):
        raise CommandError("ERR wrong number of arguments for 'save' command")
    try:
        server.snapshots.save(_copy_name(args))
    except Busy:
        raise CommandError(IN_PROGRESS) from None
    except SnapshotError as error:
        raise CommandError(f"ERR {error}") from None
    return OK


def _copy_name(args: list[bytes]) -> str | None:
    """What stands behind TO; None where TO does not stand there."""
    return os.fsdecode(args[2]) if len(args) == 3 else None


@command(
    "bgsave",
    -1,
    "no_async_loading admin noscript",
    group="server",
    since="1.0.0",
    syntax="[operation:(SCHEDULE@3.2.2 | CANCEL@8.1.0 | TO name:string@8.0.0)]",
    summary="Writes a snapshot of all databases in the background.",
    complexity="O(1)",
)
def bgsave(server: Server, connection: Connection, args: list[bytes]) -> object:
    """BGSAVE [SCHEDULE|CANCEL|TO name]: within a transaction it is scheduled: no fork happens amid its commands."""
    word = args[1].lower() if len(args) > 1 else b""
    if len(args) > 1 and (word, len(args)) not in ((b"schedule", 2), (b"cancel", 2), (b"to", 3)):
        raise CommandError(SYNTAX_ERROR)
    snapshots = server.snapshots
    if word == b"cancel":
        return _cancel(server)
    if snapshots.is_running:
        raise CommandError(IN_PROGRESS)
    if connection.flags & CLIENT_IN_EXEC or (word == b"schedule" and server.children.active is not None):
        if word == b"to":
            raise CommandError("ERR BGSAVE TO cannot stand in a transaction")
        snapshots.scheduled = True
        return SimpleString("Background saving scheduled")
    try:
        snapshots.start(_copy_name(args))
    except Busy as busy:
        raise CommandError(
            f"ERR Another child process is active ({busy.kind.upper()}?): can't BGSAVE right now. Use BGSAVE SCHEDULE "
            "in order to schedule a BGSAVE whenever possible."
        ) from None
    except SnapshotError as error:
        raise CommandError(f"ERR {error}") from None
    return SimpleString("Background saving started")


def _cancel(server: Server) -> object:
    if server.snapshots.cancel():
        return SimpleString("Background saving cancelled")
    if server.snapshots.scheduled:
        server.snapshots.scheduled = False
        return SimpleString("Scheduled background saving cancelled")
    raise CommandError("ERR Background saving is currently not in progress or scheduled")


@command(
    "lastsave",
    1,
    "loading stale fast",
    group="server",
    since="1.0.0",
    acl="+admin +dangerous",
    tips="nondeterministic_output",
    summary="Tells when the last snapshot was finished.",
    complexity="O(1)",
)
def lastsave(server: Server, connection: Connection, args: list[bytes]) -> object:
    """LASTSAVE: Unix time in seconds."""
    return server.snapshots.last_save


@command(
    "bgrewriteaof",
    1,
    "no_async_loading admin noscript",
    group="server",
    since="1.0.0",
    summary="Rewrites the append-only file in the background.",
    complexity="O(1)",
)
def bgrewriteaof(server: Server, connection: Connection, args: list[bytes]) -> object:
    """BGREWRITEAOF: within a transaction, or beside another child, it is scheduled."""
    append_only = server.append_only
    if append_only.is_rewriting:
        raise CommandError("ERR Background append only file rewriting already in progress")
    if connection.flags & CLIENT_IN_EXEC or server.children.active is not None:
        append_only.scheduled = True
        return SimpleString("Background append only file rewriting scheduled")
    if not append_only.start():
        raise CommandError(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        )
    return SimpleString("Background append only file rewriting started")
