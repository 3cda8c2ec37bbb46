"""ACL and its subcommands: users, what they may do, and what was denied to them."""

from __future__ import annotations

import os

from redislite._core.commands.row import ACL_CATEGORIES, command, container
from redislite._core.protocol.reply_types import OK, CommandError, Set, help_reply, subcommand_error
from redislite.acl.files import AclFileError, load_file, save_file
from redislite.acl.rules import RuleError, Selector, UnclosedSelectorError, decoded, encoded, rows_of_category
from redislite.acl.users import describe_denial, is_valid_name
from redislite.commands.server import parse_integer_argument
from redislite.serving.clients import DEFAULT_USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Accounts, needs.Configuration, needs.Data, needs.Logging, needs.Table, Protocol):
        """What ACL needs of the server."""


COMMANDS = [
    container(
        "acl",
        -2,
        "sentinel",
        group="server",
        since="6.0.0",
        summary="A container for commands about users and what they may do.",
    ),
]

PASSWORD_BITS = 256
PASSWORD_BITS_MAX = 4096
LOG_DEFAULT_COUNT = 10

_NO_FILE = (
    "ERR This {brand}instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
    "command and then issue a CONFIG REWRITE (assuming you have a {brand}configuration file set) in order to store "
    "users in the {brand}configuration."
)


# --- users


@command(
    "acl|setuser",
    -3,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    syntax="username [rule...]",
    summary="Makes a user, or changes one by rules: all of them or none.",
    complexity="O(N) for N rules",
)
def acl_setuser(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL SETUSER name [rule ...]."""
    name = decoded(args[2])
    if not is_valid_name(name):
        raise CommandError("ERR Usernames can't contain spaces or null characters")
    try:
        server.users.set(name, [decoded(rule) for rule in args[3:]])
    except UnclosedSelectorError as error:
        raise CommandError(f"ERR Unmatched parenthesis in acl selector starting at '{error.rule}'.") from None
    except RuleError as error:
        raise CommandError(f"ERR Error in ACL SETUSER modifier '{error.rule}': {error.reason}") from None
    return OK


@command(
    "acl|deluser",
    -3,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    syntax="username...",
    summary="Deletes users and closes their connections.",
    complexity="O(N) for N users",
)
def acl_deluser(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL DELUSER name [name ...]."""
    return server.users.delete(decoded(name) for name in args[2:])


@command(
    "acl|getuser",
    3,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    syntax="username",
    history=(
        ("6.2.0", "Shows patterns of channels."),
        ("7.0.0", "Shows selectors; keys and channels are shown as rules."),
    ),
    summary="Describes a user.",
    complexity="O(N) for N passwords, patterns and rules",
)
def acl_getuser(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL GETUSER name: null where there is no such user."""
    user = server.users.find(decoded(args[2]))
    if user is None:
        return None
    profile = server.config.profile
    all_databases = profile["acl_tells_all_databases"]
    return {
        "flags": Set(user.flags(profile["acl_tells_payload_checks"])),
        "passwords": list(user.passwords),
        **_describe_selector(user.selectors[0], all_databases),
        "selectors": [_describe_selector(selector, all_databases) for selector in user.selectors[1:]],
    }


def _describe_selector(selector: Selector, all_databases: bool) -> dict[str, object]:
    described: dict[str, object] = {
        "commands": encoded(selector.command_text()),
        "keys": encoded(selector.key_text()),
        "channels": encoded(selector.channel_text()),
    }
    if all_databases or selector.databases is not None:
        # Clients of Redis that do not know of databases in permissions choke on more than they expect.
        described["databases"] = encoded(selector.database_text())
    return described


@command(
    "acl|list",
    2,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    summary="Returns all users as lines of a file.",
    complexity="O(N) for N users",
)
def acl_list(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL LIST."""
    return [encoded(f"user {server.users.text_of(user)}") for user in server.users.all()]


@command(
    "acl|users",
    2,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    summary="Returns the names of all users.",
    complexity="O(N) for N users",
)
def acl_users(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL USERS."""
    return [encoded(user.name) for user in server.users.all()]


@command(
    "acl|whoami",
    2,
    "noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    summary="Returns the name of the connection's user.",
    complexity="O(1)",
)
def acl_whoami(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL WHOAMI."""
    return encoded(connection.user or DEFAULT_USER)


@command(
    "acl|dryrun",
    -4,
    "admin noscript loading stale sentinel",
    group="server",
    since="7.0.0",
    syntax="username command [arg...]",
    summary="Says whether a user may run a command, without running it.",
    complexity="O(1)",
)
def acl_dryrun(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL DRYRUN name command [argument ...]: OK, or what the user would be denied."""
    user = server.users.find(decoded(args[2]))
    if user is None or user.permissions is None:
        raise CommandError(f"ERR User '{decoded(args[2])}' not found")
    row = server.table.resolve(args[3:])
    if row is None:
        raise CommandError(f"ERR Command '{decoded(args[3])}' not found")
    if not row.accepts(len(args) - 3):
        raise CommandError(f"ERR wrong number of arguments for '{row.name}' command")
    reason, index = user.permissions.check(args[3:], connection.database)
    return encoded(describe_denial(user, row, reason, args[3 + index])) if reason else OK


# --- categories and passwords


@command(
    "acl|cat",
    -2,
    "noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    syntax="[category]",
    summary="Returns the categories of commands, or the commands of one.",
    complexity="O(N) for N commands",
)
def acl_cat(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL CAT [category]."""
    if len(args) > 3:
        raise subcommand_error(args)
    if len(args) == 2:
        return list(ACL_CATEGORIES)
    category = decoded(args[2])
    if category.lower() not in ACL_CATEGORIES:
        raise CommandError(f"ERR Unknown category '{category}'")
    return [row.name for row in rows_of_category(server.table.rows, category.lower())]


@command(
    "acl|genpass",
    -2,
    "noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    syntax="[bits:integer]",
    summary="Returns a random password.",
    complexity="O(1)",
)
def acl_genpass(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL GENPASS [bits]: hexadecimal digits, four bits each."""
    if len(args) > 3:
        raise subcommand_error(args)
    bits = parse_integer_argument(args[2]) if len(args) == 3 else PASSWORD_BITS
    if not 0 < bits <= PASSWORD_BITS_MAX:
        raise CommandError(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to "
            f"{PASSWORD_BITS_MAX}"
        )

    digits = (bits + 3) // 4
    return os.urandom((digits + 1) // 2).hex()[:digits]


# --- the log


@command(
    "acl|log",
    -2,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    history=(("7.2.0", "Shows the identifier and both times of an entry."),),
    syntax="[operation:(count:integer | RESET)]",
    summary="Returns what was denied lately, or forgets it.",
    complexity="O(N) for N entries",
)
def acl_log(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL LOG [count | RESET]: newest first."""
    if len(args) > 3:
        raise subcommand_error(args)
    log = server.users.log
    if len(args) == 3 and args[2].lower() == b"reset":
        log.clear()
        return OK
    count = parse_integer_argument(args[2]) if len(args) == 3 else LOG_DEFAULT_COUNT
    now_ms = server.engine.now_ms
    return [
        {
            "count": entry.count,
            "reason": entry.reason,
            "context": entry.context,
            "object": entry.object,
            "username": encoded(entry.user),
            "age-seconds": (now_ms - entry.updated_ms) / 1000,
            "client-info": encoded(entry.client_info),
            "entry-id": entry.id,
            "timestamp-created": entry.created_ms,
            "timestamp-last-updated": entry.updated_ms,
        }
        for entry in log.latest(count)
    ]


# --- the file


@command(
    "acl|load",
    2,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    summary="Reads the users from their file again: all of them or none.",
    complexity="O(N) for N users",
)
def acl_load(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL LOAD: connections of users who are no more are closed."""
    _require_file(server)
    try:
        load_file(server.users, server.config)
    except AclFileError as error:
        raise CommandError(f"ERR {error}") from None
    return OK


@command(
    "acl|save",
    2,
    "admin noscript loading stale sentinel",
    group="server",
    since="6.0.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    summary="Writes the users into their file.",
    complexity="O(N) for N users",
)
def acl_save(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL SAVE."""
    _require_file(server)
    try:
        save_file(server.users, server.config)
    except OSError as error:
        server.log.warning(f"Saving the ACL file failed: {error.strerror}")
        raise CommandError(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
        ) from None
    return OK


def _require_file(server: Server) -> None:
    if not server.config["aclfile"]:
        raise CommandError(_NO_FILE.format(brand=server.config.profile["brand"]))


@command(
    "acl|help",
    2,
    "loading stale sentinel",
    group="server",
    since="6.0.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def acl_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ACL HELP."""
    return help_reply("acl", _HELP)


_HELP = (
    ("CAT [<category>]", "Show the categories of commands, or the commands of one."),
    ("DELUSER <username> [<username> ...]", "Delete users and close their connections."),
    ("DRYRUN <username> <command> [<arg> ...]", "Show whether a user may run a command, without running it."),
    ("GENPASS [<bits>]", "Make a random password of 256 bits, or as many as are asked for."),
    ("GETUSER <username>", "Describe a user."),
    ("LIST", "Show all users as lines of a file."),
    ("LOAD", "Read the users from their file again."),
    ("LOG [<count> | RESET]", "Show what was denied lately, or forget it."),
    ("SAVE", "Write the users into their file."),
    ("SETUSER <username> [<rule> ...]", "Make or change a user."),
    ("USERS", "Show the names of all users."),
    ("WHOAMI", "Show the name of the connection's user."),
)
