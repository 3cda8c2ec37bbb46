"""CLIENT TRACKING and its company: what a client asks of client-side caching, checked here, done in the data plane."""

from __future__ import annotations

from redislite._core.commands.row import command
from redislite._core.protocol.reply_types import OK, SYNTAX_ERROR, CommandError, Set
from redislite.commands.server import parse_integer_argument
from redislite.serving.clients import (
    CLIENT_INTERNAL,
    TRACKING_BCAST,
    TRACKING_BROKEN,
    TRACKING_CACHING,
    TRACKING_NOLOOP,
    TRACKING_OPTIN,
    TRACKING_OPTOUT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Data, Protocol):
        """What CLIENT TRACKING needs of the server."""


_OPTIONS = {b"bcast": TRACKING_BCAST, b"optin": TRACKING_OPTIN, b"optout": TRACKING_OPTOUT, b"noloop": TRACKING_NOLOOP}
_SWITCHED = (
    "ERR You can't switch {} mode{} before disabling tracking for this client, and then re-enabling it with a "
    "different mode."
)


@command(
    "client|tracking",
    -3,
    "noscript loading stale sentinel",
    group="connection",
    since="6.0.0",
    syntax=(
        "status:(ON | OFF) [REDIRECT client-id:integer] [PREFIX... prefix] [BCAST=BCAST] [OPTIN=OPTIN] [OPTOUT=OPTOUT] "
        "[NOLOOP=NOLOOP]"
    ),
    summary="Says whether and how the server tells the connection of changes to keys that it has read.",
    complexity="O(1)",
)
def client_tracking(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT TRACKING: nothing is changed unless all of it is right."""
    redirect: Connection | None = None
    prefixes: list[bytes] = []
    options = 0
    at = 3
    while at < len(args):
        word = args[at].lower()
        if word in _OPTIONS:
            options |= _OPTIONS[word]
        elif word == b"prefix" and at + 1 < len(args):
            at += 1
            prefixes.append(args[at])
        elif word == b"redirect" and at + 1 < len(args):
            at += 1
            if redirect is not None:
                raise CommandError("ERR A client can only redirect to a single other client")
            redirect = server.engine.find_connection(_identifier(args[at]))
            if redirect is None:
                raise CommandError("ERR The client ID you want redirect to does not exist")
        else:
            raise CommandError(SYNTAX_ERROR)
        at += 1
    switch = args[2].lower()
    if switch == b"off":
        server.engine.stop_tracking(connection)
    elif switch == b"on":
        _start(server, connection, options, redirect, prefixes)
    else:
        raise CommandError(SYNTAX_ERROR)
    return OK


def _identifier(value: bytes) -> int:
    # Identifiers are positive: nobody has number 0.
    return max(0, parse_integer_argument(value))


def _start(
    server: Server, connection: Connection, options: int, redirect: Connection | None, prefixes: list[bytes]
) -> None:
    if connection.flags & CLIENT_INTERNAL:
        raise CommandError("ERR CLIENT TRACKING is for connections")
    if prefixes and not options & TRACKING_BCAST:
        raise CommandError("ERR PREFIX option requires BCAST mode to be enabled")
    before = connection.tracking_options
    either = TRACKING_OPTIN | TRACKING_OPTOUT
    if before and (before ^ options) & TRACKING_BCAST:
        raise CommandError(_SWITCHED.format("BCAST", " on/off"))
    if options & TRACKING_BCAST and options & either:
        raise CommandError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if options & either == either:
        raise CommandError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if options & either and before & either and (options ^ before) & either:
        raise CommandError(_SWITCHED.format("OPTIN/OPTOUT", ""))
    try:
        _refuse_overlap(connection, prefixes)
        if options & TRACKING_BCAST and not prefixes:
            prefixes = [b""]
        server.engine.track(connection, options, redirect, prefixes)
    except MemoryError:
        raise CommandError("OOM out of memory") from None


def _refuse_overlap(connection: Connection, prefixes: list[bytes]) -> None:
    """No change may be told twice: one prefix of a client must not begin with another. MemoryError."""
    first = _first_overlapping(prefixes)
    for prefix in prefixes[:first] if first is None else prefixes[: first + 1]:
        present = connection.overlapping_prefix(prefix)
        if present is not None:
            raise _overlap(prefix, "an existing", present)
    if first is not None:
        prefix = prefixes[first]
        other = next(text for text in prefixes[first + 1 :] if prefix.startswith(text) or text.startswith(prefix))
        raise _overlap(prefix, "another provided", other)


def _overlap(prefix: bytes, kind: str, other: bytes) -> CommandError:
    shown, other_shown = (text.decode("utf-8", "surrogateescape") for text in (prefix, other))
    return CommandError(
        f"ERR Prefix '{shown}' overlaps with {kind} prefix '{other_shown}'. Prefixes for a single client must not "
        "overlap."
    )


def _first_overlapping(prefixes: list[bytes]) -> int | None:
    """Number of the first of the prefixes that overlaps with a later one, else None.

    In order, what begins with a prefix follows it at once: no pair needs to be looked at.
    """
    enclosing: list[tuple[bytes, int]] = []  # each begins with the one before it
    found = len(prefixes)
    for text, number in sorted((text, number) for number, text in enumerate(prefixes)):
        while enclosing and not text.startswith(enclosing[-1][0]):
            enclosing.pop()
        if enclosing:
            found = min(found, number, enclosing[-1][1])
        enclosing.append((text, number))
    return found if found < len(prefixes) else None


@command(
    "client|caching",
    3,
    "noscript loading stale sentinel allow_busy",
    group="connection",
    since="6.0.0",
    syntax="mode:(YES | NO)",
    summary="Says whether the keys of the next command are tracked, in the OPTIN and OPTOUT modes.",
    complexity="O(1)",
)
def client_caching(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT CACHING: for the next command, or the transaction that it begins."""
    options = connection.tracking_options
    if not options:
        raise CommandError(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
            "enabled"
        )
    answer = args[2].lower()
    if answer not in (b"yes", b"no"):
        raise CommandError(SYNTAX_ERROR)
    if answer == b"yes" and not options & TRACKING_OPTIN:
        raise CommandError("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    if answer == b"no" and not options & TRACKING_OPTOUT:
        raise CommandError("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    server.engine.set_caching(connection)
    return OK


@command(
    "client|getredir",
    2,
    "noscript loading stale sentinel allow_busy",
    group="connection",
    since="6.0.0",
    summary="Returns the identifier of the client that receives this one's invalidation messages.",
    complexity="O(1)",
)
def client_getredir(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT GETREDIR: 0 where it is itself, -1 where the connection tracks no keys."""
    return connection.tracking_redirect


@command(
    "client|trackinginfo",
    2,
    "noscript loading stale sentinel",
    group="connection",
    since="6.2.0",
    summary="Returns the state of tracking for the connection.",
    complexity="O(1)",
)
def client_trackinginfo(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT TRACKINGINFO: flags, who gets the messages, prefixes."""
    options = connection.tracking_options
    if not options:
        return {b"flags": Set([b"off"]), b"redirect": -1, b"prefixes": []}
    flags = Set([b"on"])
    for bits, name in _SHOWN:
        if options & bits == bits:
            flags.append(name)
    return {
        b"flags": flags,
        b"redirect": connection.tracking_redirect,
        b"prefixes": connection.tracking_prefixes,
    }


# All bits must be set for the name to be shown; in the order of the reply.
_SHOWN = (
    (TRACKING_BCAST, b"bcast"),
    (TRACKING_OPTIN, b"optin"),
    (TRACKING_OPTIN | TRACKING_CACHING, b"caching-yes"),
    (TRACKING_OPTOUT, b"optout"),
    (TRACKING_OPTOUT | TRACKING_CACHING, b"caching-no"),
    (TRACKING_NOLOOP, b"noloop"),
    (TRACKING_BROKEN, b"broken_redirect"),
)
