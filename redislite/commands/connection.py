"""Commands about connections: HELLO, AUTH, RESET, QUIT and CLIENT with its subcommands.

PING, ECHO and SELECT, which are as frequent as data commands, are native and stand in the data plane.
"""

from __future__ import annotations

from redislite._core.commands.row import command, container
from redislite._core.description import describe_flags
from redislite._core.protocol.reply_types import (
    NO_REPLY,
    OK,
    SYNTAX_ERROR,
    CommandError,
    SimpleString,
    Verbatim,
    help_reply,
    subcommand_error,
)
from redislite.config.text import LONG_MIN, parse_integer
from redislite.serving.clients import (
    CLIENT_CLOSE_NOW,
    CLIENT_IMPORT_SOURCE,
    CLIENT_INTERNAL,
    CLIENT_MONITOR,
    CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP,
    CLIENT_REPLY_SKIP_NEXT,
    CLIENT_TYPES,
    DEFAULT_USER,
    KNOWN_CAPABILITIES,
    KNOWN_FLAG_LETTERS,
    age_of,
    capabilities_of,
    checked_name,
    describe,
    host_of,
    idle_of,
    is_valid_name,
    set_name,
    state_of,
    type_of,
)
from redislite.serving.pause import ALL, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Accounts, needs.Configuration, needs.Data, needs.Monitoring, needs.Pausing, Protocol):
        """What these commands need of the server."""

    Test = Callable[[Connection], bool]
    MakeTest = Callable[[Server, str, bytes], Test]

COMMANDS = [
    container(
        "client",
        -2,
        "sentinel",
        group="connection",
        since="2.4.0",
        summary="A container for commands about client connections.",
    ),
]

_INTEGER_MAX = 2**63 - 1


def _integer(value: bytes) -> int | None:
    return parse_integer(value.decode("latin-1"))


def _is_on(value: bytes) -> bool:
    """What ON or OFF says. CommandError for anything else."""
    option = value.lower()
    if option not in (b"on", b"off"):
        raise CommandError(SYNTAX_ERROR)
    return option == b"on"


# --- the connection as a whole


@command(
    "hello",
    -1,
    "noscript loading stale fast no_auth sentinel allow_busy",
    group="connection",
    since="6.0.0",
    syntax="[arguments:(protover:integer [AUTH (username password)] [SETNAME clientname])]",
    summary="Chooses the protocol version and describes the server; can authenticate and name the connection.",
    complexity="O(1)",
)
def hello(server: Server, connection: Connection, args: list[bytes]) -> object:
    """HELLO: nothing is changed unless all of it can be done."""
    protocol = connection.protocol
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    if len(args) > 1:
        version = _integer(args[1])
        if version is None:
            raise CommandError("ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise CommandError("NOPROTO unsupported protocol version")
        protocol = version
    at = 2
    while at < len(args):
        option = args[at].lower()
        if option == b"auth" and at + 2 < len(args):
            credentials = args[at + 1], args[at + 2]
            at += 3
        elif option == b"setname" and at + 1 < len(args):
            name = args[at + 1]
            checked_name(name)
            at += 2
        else:
            shown = args[at].decode("utf-8", "surrogateescape")
            raise CommandError(f"ERR Syntax error in HELLO option '{shown}'")
    if credentials is not None:
        server.users.authenticate(connection, *credentials, args[0])
    if not connection.authenticated:
        raise CommandError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at the "
            "same time"
        )
    if name is not None:
        set_name(connection, name)
    _set_protocol(connection, protocol)
    told = server.config.presented
    reply: dict[bytes, object] = {
        b"server": told["server_name"].encode(),
        b"version": told["version"].encode(),
        b"proto": protocol,
        b"id": connection.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }
    if server.config["availability-zone"]:
        reply[b"availability_zone"] = server.config["availability-zone"]
    return reply


def _set_protocol(connection: Connection, version: int) -> None:
    # The engine's own client always speaks RESP3, which is how its replies are read.
    if not connection.flags & CLIENT_INTERNAL:
        connection.protocol = version


@command(
    "auth",
    -2,
    "noscript loading stale fast no_auth sentinel allow_busy",
    group="connection",
    since="1.0.0",
    syntax="[username@6.0.0] password",
    summary="Authenticates the connection.",
    complexity="O(N) for N passwords of the user",
)
def auth(server: Server, connection: Connection, args: list[bytes]) -> object:
    """AUTH: with a password alone it is the default user's."""
    if len(args) > 3:
        raise CommandError(SYNTAX_ERROR)
    if len(args) == 2 and server.users.default.any_password:
        raise CommandError(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
            "configuration is correct?"
        )
    user = args[1] if len(args) == 3 else DEFAULT_USER.encode()
    server.users.authenticate(connection, user, args[-1], args[0])
    return OK


@command(
    "reset",
    1,
    "noscript loading stale fast no_auth allow_busy unqueued subscriber",
    group="connection",
    since="6.2.0",
    summary="Puts the connection back into its initial state.",
    complexity="O(1)",
)
def reset(server: Server, connection: Connection, args: list[bytes]) -> object:
    """RESET: what the client is (library, capabilities) stays, what it asked for goes."""
    if connection.flags & CLIENT_MONITOR:
        connection.set_flag(CLIENT_MONITOR, False)
        server.monitors.discard(connection)
        server.engine.set_gate("monitors", bool(server.monitors))
    connection.set_flag(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_NO_EVICT | CLIENT_NO_TOUCH, False)
    connection.discard_transaction()
    connection.unsubscribe_all()
    connection.database = 0
    connection.name = ""
    server.engine.stop_tracking(connection)
    _set_protocol(connection, 2)
    server.users.welcome(connection)
    return SimpleString("RESET")


@command(
    "quit",
    -1,
    "noscript loading stale fast no_auth allow_busy unqueued subscriber",
    group="connection",
    since="1.0.0",
    deprecated=("7.2.0", "closing the connection"),
    summary="Closes the connection.",
    complexity="O(1)",
)
def quit(server: Server, connection: Connection, args: list[bytes]) -> object:
    """QUIT: requests behind it are not executed."""
    if not connection.flags & CLIENT_INTERNAL:
        connection.close_soon(after_reply=True)
    return OK


# --- CLIENT: about the connection itself


@command(
    "client|id",
    2,
    "noscript loading stale sentinel allow_busy",
    group="connection",
    since="5.0.0",
    summary="Returns the identifier of the connection.",
    complexity="O(1)",
)
def client_id(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT ID: grows from connection to connection."""
    return connection.id


@command(
    "client|info",
    2,
    "noscript loading stale sentinel",
    group="connection",
    since="6.2.0",
    tips="nondeterministic_output",
    summary="Describes the connection.",
    complexity="O(1)",
)
def client_info(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT INFO: the connection's line of CLIENT LIST."""
    return _lines([connection])


@command(
    "client|getname",
    2,
    "noscript loading stale sentinel allow_busy",
    group="connection",
    since="2.6.9",
    summary="Returns the name of the connection.",
    complexity="O(1)",
)
def client_getname(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT GETNAME: null where it has none."""
    return connection.name or None


@command(
    "client|setname",
    3,
    "noscript loading stale sentinel allow_busy",
    group="connection",
    since="2.6.9",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    syntax="connection-name",
    summary="Names the connection.",
    complexity="O(1)",
)
def client_setname(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT SETNAME: an empty name takes the name away."""
    set_name(connection, args[2])
    return OK


@command(
    "client|setinfo",
    4,
    "noscript loading stale sentinel allow_busy",
    group="connection",
    since="7.2.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    syntax="attr:('lib-name' libname | 'lib-ver' libver)",
    summary="Tells the server the name or version of the client library.",
    complexity="O(1)",
)
def client_setinfo(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT SETINFO: an empty value takes it away."""
    attribute, value = args[2].lower(), args[3]
    shown = args[2].decode("utf-8", "surrogateescape")
    if attribute not in (b"lib-name", b"lib-ver"):
        raise CommandError(f"ERR Unrecognized option '{shown}'")
    if not is_valid_name(value):
        raise CommandError(f"ERR {shown} cannot contain spaces, newlines or special characters.")
    if attribute == b"lib-name":
        connection.library_name = value.decode("ascii")
    else:
        connection.library_version = value.decode("ascii")
    return OK


@command(
    "client|capa",
    -3,
    "noscript loading stale allow_busy",
    group="connection",
    since="8.0.0",
    syntax="capability...",
    summary="Declares what the client is able to deal with.",
    complexity="O(1)",
)
def client_capa(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT CAPA: capabilities add up; one that the server does not know is passed over."""
    declared = set(capabilities_of(connection))
    for value in args[2:]:
        declared.update(KNOWN_CAPABILITIES.get(value.lower().decode("latin-1"), ""))
    if declared:
        state_of(connection).capabilities = "".join(sorted(declared))
    return OK


@command(
    "client|reply",
    3,
    "noscript loading stale sentinel no_multi allow_busy",
    group="connection",
    since="3.2.0",
    syntax="action:(ON | OFF | SKIP)",
    summary="Says whether the connection wants to receive replies.",
    complexity="O(1)",
)
def client_reply(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT REPLY: only ON is answered."""
    action = args[2].lower()
    if action not in (b"on", b"off", b"skip"):
        raise CommandError(SYNTAX_ERROR)
    if connection.flags & CLIENT_INTERNAL:
        raise CommandError("ERR CLIENT REPLY is for connections")
    if action == b"on":
        connection.set_flag(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT, False)
        return OK
    if action == b"off":
        connection.set_flag(CLIENT_REPLY_OFF, True)
    elif not connection.flags & CLIENT_REPLY_OFF:
        connection.set_flag(CLIENT_REPLY_SKIP_NEXT, True)
    return NO_REPLY


@command(
    "client|no-evict",
    3,
    "admin noscript loading stale sentinel allow_busy",
    group="connection",
    since="7.0.0",
    syntax="enabled:(ON | OFF)",
    summary="Exempts the connection from client eviction, or ends that.",
    complexity="O(1)",
)
def client_no_evict(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT NO-EVICT."""
    connection.set_flag(CLIENT_NO_EVICT, _is_on(args[2]))
    return OK


@command(
    "client|no-touch",
    3,
    "noscript loading stale allow_busy",
    group="connection",
    since="7.2.0",
    syntax="enabled:(ON | OFF)",
    summary="Says whether the connection's commands count as accesses to the keys.",
    complexity="O(1)",
)
def client_no_touch(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT NO-TOUCH."""
    connection.set_flag(CLIENT_NO_TOUCH, _is_on(args[2]))
    return OK


@command(
    "client|import-source",
    3,
    "noscript loading stale",
    group="connection",
    since="8.1.0",
    syntax="enabled:(ON | OFF)",
    summary="Says whether the connection fills the data set in import mode, for which no key's time is up.",
    complexity="O(1)",
)
def client_import_source(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT IMPORT-SOURCE: on only in import mode."""
    on = _is_on(args[2])
    if on and not server.config["import-mode"]:
        raise CommandError("ERR Server is not in import mode")
    connection.set_flag(CLIENT_IMPORT_SOURCE, on)
    return OK


# --- CLIENT: about others


@command(
    "client|list",
    -2,
    "admin noscript loading stale sentinel",
    group="connection",
    since="2.4.0",
    tips="nondeterministic_output",
    syntax=(
        "[TYPE client-type:('normal' | 'master' | 'replica' | 'pubsub')@5.0.0] [ID client-id:integer...@6.2.0] "
        "[USER username@8.1.0] [ADDR addr~'ip:port'@8.1.0] [LADDR laddr~'ip:port'@8.1.0] [SKIPME (YES | NO)@8.1.0] "
        "[MAXAGE maxage:integer@8.1.0] [NAME name@9.0.0] [IDLE idle:integer@9.0.0] [FLAGS flags@9.0.0] [LIB-NAME "
        "lib-name@9.0.0] [LIB-VER lib-ver@9.0.0] [DB db:integer@9.0.0] [CAPA capa@9.0.0] [IP ip@9.0.0] [NOT-TYPE "
        "not-client-type:('normal' | 'master' | 'replica' | 'pubsub')@9.0.0] [NOT-ID "
        "not-client-id:integer...@9.0.0] [NOT-USER not-username@9.0.0] [NOT-ADDR not-addr~'ip:port'@9.0.0] "
        "[NOT-LADDR not-laddr~'ip:port'@9.0.0] [NOT-NAME not-name@9.0.0] [NOT-FLAGS not-flags@9.0.0] [NOT-LIB-NAME "
        "not-lib-name@9.0.0] [NOT-LIB-VER not-lib-ver@9.0.0] [NOT-DB not-db:integer@9.0.0] [NOT-CAPA "
        "not-capa@9.0.0] [NOT-IP not-ip@9.0.0]"
    ),
    summary="Describes all connections, or those chosen by filters.",
    complexity="O(N) for N connections",
)
def client_list(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT LIST: oldest first."""
    profile = server.config.profile
    return _lines(
        _select(
            server,
            connection,
            args[2:],
            skip_self=False,
            bad_id=profile["bad_listed_id"],
            least_id=LONG_MIN if profile["lists_any_id"] else 1,
        )
    )


@command(
    "client|kill",
    -3,
    "admin noscript loading stale sentinel",
    group="connection",
    since="2.4.0",
    syntax=(
        "filter:(old-format~'ip:port'!2.8.12 | new-format:([ID client-id:integer...@2.8.12] | [TYPE "
        "client-type:('normal' | 'master'@3.2.0 | 'primary'@8.0.0 | 'slave' | 'replica'@5.0.0 | 'pubsub')@2.8.12] | "
        "[USER username] | [ADDR addr~'ip:port'] | [LADDR laddr~'ip:port'@6.2.0] | [SKIPME (YES | NO)] | [MAXAGE "
        "maxage:integer@8.0.0] | [NAME name@9.0.0] | [IDLE idle:integer@9.0.0] | [FLAGS flags@9.0.0] | [LIB-NAME "
        "lib-name@9.0.0] | [LIB-VER lib-ver@9.0.0] | [DB db:integer@9.0.0] | [CAPA capa@9.0.0] | [IP ip@9.0.0] | "
        "[NOT-TYPE not-client-type:('normal' | 'master' | 'primary' | 'slave' | 'replica' | 'pubsub')@9.0.0] | "
        "[NOT-ID not-client-id:integer...@9.0.0] | [NOT-USER not-username@9.0.0] | [NOT-ADDR "
        "not-addr~'ip:port'@9.0.0] | [NOT-LADDR not-laddr~'ip:port'@9.0.0] | [NOT-NAME not-name@9.0.0] | [NOT-FLAGS "
        "not-flags@9.0.0] | [NOT-LIB-NAME not-lib-name@9.0.0] | [NOT-LIB-VER not-lib-ver@9.0.0] | [NOT-DB "
        "not-db:integer@9.0.0] | [NOT-CAPA not-capa@9.0.0] | [NOT-IP not-ip@9.0.0])...)"
    ),
    summary="Closes connections chosen by filters.",
    complexity="O(N) for N connections",
)
def client_kill(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT KILL: the old form names an address and answers OK, the new one filters and answers how many."""
    old_form = len(args) == 3
    filters = [b"addr", args[2]] if old_form else args[2:]
    bad_id = server.config.profile["bad_killed_id"]
    chosen = _select(server, connection, filters, skip_self=not old_form, bad_id=bad_id, least_id=1)
    if old_form:
        if not chosen:
            raise CommandError("ERR No such client")
        del chosen[1:]
    for client in chosen:
        client.close_soon(after_reply=client is connection)
    return OK if old_form else len(chosen)


@command(
    "client|pause",
    -3,
    "admin noscript loading stale sentinel",
    group="connection",
    since="3.0.0",
    syntax="timeout:integer [mode:(WRITE | ALL)@6.2.0]",
    summary="Suspends the commands, or only the writes, of all clients for a time.",
    complexity="O(1)",
)
def client_pause(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT PAUSE: the time is in milliseconds."""
    if len(args) > 4:
        raise subcommand_error(args)
    mode = ALL
    if len(args) == 4:
        option = args[3].lower()
        if option not in (b"write", b"all"):
            raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
        mode = WRITE if option == b"write" else ALL
    duration = _integer(args[2])
    if duration is None:
        raise CommandError("ERR timeout is not an integer or out of range")
    if duration < 0:
        raise CommandError("ERR timeout is negative")
    if duration > _INTEGER_MAX - server.engine.now_ms:
        raise CommandError("ERR timeout is out of range")
    server.pause.pause(duration, mode)
    return OK


@command(
    "client|unpause",
    2,
    "admin noscript loading stale sentinel",
    group="connection",
    since="6.2.0",
    summary="Lets clients go on that were paused.",
    complexity="O(N) for N paused connections",
)
def client_unpause(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT UNPAUSE."""
    server.pause.end()
    return OK


@command(
    "client|unblock",
    -3,
    "admin noscript loading stale sentinel",
    group="connection",
    since="5.0.0",
    syntax="client-id:integer [unblock-type:(TIMEOUT | ERROR)]",
    summary="Wakes a client that is suspended in a blocking command.",
    complexity="O(log N) for N connections",
)
def client_unblock(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT UNBLOCK: 1 where the client was suspended, else 0; one that is merely paused was not."""
    if len(args) > 4:
        raise subcommand_error(args)
    reason = args[3].lower() if len(args) == 4 else b"timeout"
    if reason not in (b"timeout", b"error"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    number = _integer(args[2])
    if number is None:
        raise CommandError("ERR value is not an integer or out of range")
    target = server.engine.find_connection(number) if number > 0 else None
    if target is None:
        return 0
    return int(target.unblock_with_error() if reason == b"error" else target.time_out())


@command(
    "client|help",
    2,
    "loading stale sentinel",
    group="connection",
    since="5.0.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def client_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLIENT HELP."""
    return help_reply("client", _HELP)


_HELP = (
    ("CACHING (YES|NO)", "Track the keys of the next command, or do not, in the OPTIN and OPTOUT modes of TRACKING."),
    ("CAPA <capability> [<capability> ...]", "Declare what the client can deal with: REDIRECT."),
    ("GETNAME", "Show the connection's name."),
    ("GETREDIR", "Show which client receives the connection's invalidation messages; -1: none."),
    ("ID", "Show the connection's identifier."),
    ("INFO", "Describe the connection."),
    ("KILL <ip:port>", "Close the connection from this address."),
    (
        "KILL <filter> <value> [<filter> <value> ...]",
        "Close the connections that pass all filters, and count them:\n"
        "ID <id> [<id> ...], TYPE (NORMAL|MASTER|PRIMARY|SLAVE|REPLICA|PUBSUB), USER <name>,\n"
        "ADDR <ip:port>, LADDR <ip:port>, IP <ip>, NAME <name>, LIB-NAME <name>, LIB-VER <version>,\n"
        "DB <index>, FLAGS <letters>, CAPA <letters>, MAXAGE <seconds> (as old as that, or older),\n"
        "IDLE <seconds> (idle for that long, or longer), SKIPME (YES|NO) (default: YES).\n"
        "NOT- before a filter negates it, MAXAGE, IDLE and SKIPME excepted.",
    ),
    (
        "LIST [<filter> <value> ...]",
        "Describe the connections that pass all filters, which are those of KILL (SKIPME by default: NO).",
    ),
    ("NO-EVICT (ON|OFF)", "Keep the connection when clients are evicted to save memory."),
    ("IMPORT-SOURCE (ON|OFF)", "Say that the connection fills the data set in import mode."),
    ("NO-TOUCH (ON|OFF)", "Do not count the connection's commands as accesses to keys."),
    ("PAUSE <milliseconds> [WRITE|ALL]", "Suspend the writes, or all commands, of all clients for a time."),
    ("REPLY (ON|OFF|SKIP)", "Send replies, send none, or not that to the next command."),
    ("SETINFO (LIB-NAME|LIB-VER) <value>", "Tell the name or version of the client library."),
    ("SETNAME <name>", "Name the connection."),
    (
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [PREFIX <prefix> ...]] [OPTIN] [OPTOUT] [NOLOOP]",
        "Tell the connection, or the one it redirects to, when keys change that it has read,\n"
        "or with BCAST any keys that begin with a prefix.",
    ),
    ("TRACKINGINFO", "Show the connection's state of tracking."),
    ("UNBLOCK <id> [TIMEOUT|ERROR]", "Wake a client that waits in a blocking command."),
    ("UNPAUSE", "End a pause."),
)


def _lines(clients: list[Connection]) -> Verbatim:
    text = "".join(describe(client) + "\n" for client in clients)
    return Verbatim("txt", text.encode("utf-8", "surrogateescape"))


# --- filters of LIST and KILL


def _select(
    server: Server, connection: Connection, args: list[bytes], *, skip_self: bool, bad_id: str, least_id: int
) -> list[Connection]:
    """The connections that pass all filters in `args`, oldest first; of one given twice the last holds, IDs add up.

    skip_self: whether `connection` stays out unless SKIPME says otherwise. bad_id: the error of what is no number,
    least_id: the least one that is no error. CommandError.
    """
    tests: dict[str, Test] = {}
    identifiers: dict[bool, set[int]] = {}  # by whether they are negated
    at = 0
    while at < len(args):
        filter_name = args[at].decode("latin-1").upper()
        base = filter_name.removeprefix("NOT-")
        negated = base != filter_name
        if base == "ID":
            if at + 1 == len(args):
                raise CommandError(SYNTAX_ERROR)
            taken = _identifiers(args[at + 1 :], bad_id, 1 if negated else least_id)
            identifiers.setdefault(negated, set()).update(taken)
            at += 1 + len(taken)
            continue
        if at + 1 == len(args):
            raise CommandError(SYNTAX_ERROR)
        value = args[at + 1]
        if base in _NEGATABLE:
            tests[filter_name] = _test(_NEGATABLE[base](server, filter_name, value), negated)
        elif filter_name in _LEAST:
            tests[filter_name] = _at_least(filter_name.lower(), value)
        elif filter_name == "SKIPME" and value.lower() in (b"yes", b"no"):
            skip_self = value.lower() == b"yes"
        else:
            raise CommandError(SYNTAX_ERROR)
        at += 2
    for negated, numbers in identifiers.items():
        tests["NOT-ID" if negated else "ID"] = _test(_has_identifier(numbers), negated)
    # What is killed already is gone for everybody, though its socket is closed only when the loop's turn ends.
    return [
        client
        for client in server.engine.all_connections()
        if not client.flags & CLIENT_CLOSE_NOW
        and not (skip_self and client is connection)
        and all(test(client) for test in tests.values())
    ]


def _identifiers(args: list[bytes], bad_id: str, least_id: int) -> list[int]:
    """The numbers that `args` begins with, at least one. CommandError."""
    numbers = []
    for value in args:
        number = _integer(value)
        if number is None:
            break
        if number < least_id:
            raise CommandError("ERR client-id should be greater than 0")
        numbers.append(number)
    if not numbers:
        raise CommandError(f"ERR {bad_id}")
    return numbers


def _test(test: Test, negated: bool) -> Test:
    return (lambda client: not test(client)) if negated else test


def _has_identifier(numbers: set[int]) -> Test:
    return lambda client: client.id in numbers


def _has_type(server: Server, filter_name: str, value: bytes) -> Test:
    shown = value.decode("utf-8", "surrogateescape")
    wanted = CLIENT_TYPES.get(shown.lower())
    if wanted is None:
        raise CommandError(f"ERR Unknown client type '{shown}'")
    return lambda client: type_of(client) == wanted


def _has_user(server: Server, filter_name: str, value: bytes) -> Test:
    wanted = value.decode("utf-8", "surrogateescape")
    if server.users.find(wanted) is None:
        raise CommandError(f"ERR No such user '{wanted}'")
    return lambda client: client.user == wanted


def _has_database(server: Server, filter_name: str, value: bytes) -> Test:
    number = _integer(value)
    if number is None:
        raise CommandError(f"ERR {filter_name} is not an integer or out of range")
    last = server.engine.databases_count - 1
    if not 0 <= number <= last:
        raise CommandError(f"ERR {filter_name} number should be between 0 and {last}")
    return lambda client: client.database == number


def _has_letters(of: Callable[[Connection], str], known: frozenset[str], what: str) -> MakeTest:
    def make(server: Server, filter_name: str, value: bytes) -> Test:
        shown = value.decode("utf-8", "surrogateescape")
        if not known.issuperset(shown):
            place = f"the {filter_name} filter" if filter_name.startswith("NOT-") else "the provided filter"
            raise CommandError(f"ERR Unknown {what} found in {place}: {shown}")
        wanted = frozenset(shown)
        return lambda client: wanted.issubset(of(client))

    return make


def _has_text(of: Callable[[Connection], str | None]) -> MakeTest:
    """A text that is not set equals nothing, an empty value included."""

    def make(server: Server, filter_name: str, value: bytes) -> Test:
        wanted = value.decode("utf-8", "surrogateescape")
        return lambda client: of(client) == wanted if of(client) else False

    return make


def _at_least(filter_name: str, value: bytes) -> Test:
    seconds = _integer(value)
    if seconds is None:
        raise CommandError(f"ERR {filter_name} is not an integer or out of range")
    if seconds < 1:
        raise CommandError(f"ERR {filter_name} should be greater than 0")
    of = _LEAST[filter_name.upper()]
    return lambda client: of(client) >= seconds


_LEAST: dict[str, Callable[[Connection], int]] = {"MAXAGE": age_of, "IDLE": idle_of}
_NEGATABLE: dict[str, MakeTest] = {
    "TYPE": _has_type,
    "USER": _has_user,
    "DB": _has_database,
    "FLAGS": _has_letters(describe_flags, KNOWN_FLAG_LETTERS, "flags"),
    "CAPA": _has_letters(capabilities_of, frozenset(KNOWN_CAPABILITIES.values()), "capa"),
    "ADDR": _has_text(lambda client: client.address),
    "LADDR": _has_text(lambda client: client.local_address),
    "IP": _has_text(host_of),
    "NAME": _has_text(lambda client: client.name),
    "LIB-NAME": _has_text(lambda client: client.library_name),
    "LIB-VER": _has_text(lambda client: client.library_version),
}
