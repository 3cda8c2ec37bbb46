"""COMMAND and its subcommands: what the command table says of itself.

Replies are built from the rows when they are asked for; what is parsed of a row's notations is kept then. The shapes
are those of the original in both protocols, key specification notes and reply schemas excepted, which are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from redislite._core.commands.key_specs import KEY_FLAG_WIRE_NAMES, KeySpec, parse_key_specs
from redislite._core.commands.row import (
    ACL_CATEGORY_BITS,
    MODULE,
    NO_MANDATORY_KEYS,
    WIRE_FLAGS,
    CommandRow,
    command,
)
from redislite._core.protocol.reply_types import SYNTAX_ERROR, CommandError, Set, SimpleString, help_reply
from redislite._core.text.glob import matching
from redislite.commands.command_syntax import describe_arguments, parse_syntax

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite.commands import needs

    class Server(needs.Data, needs.Table, Protocol):
        """What these commands need of the server."""


@command(
    "command",
    -1,
    "loading stale sentinel",
    group="server",
    since="2.8.13",
    acl="+connection",
    tips="nondeterministic_output_order",
    summary="Describes all commands.",
    complexity="O(N) for N commands",
)
def command_all(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND: the description of every command."""
    return [describe(row) for row in server.table]


@command(
    "command|count",
    2,
    "loading stale sentinel",
    group="server",
    since="2.8.13",
    acl="+connection",
    summary="Counts the commands.",
    complexity="O(1)",
)
def command_count(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND COUNT: subcommands are not counted."""
    return len(server.table)


@command(
    "command|info",
    -2,
    "loading stale sentinel",
    group="server",
    since="2.8.13",
    acl="+connection",
    tips="nondeterministic_output_order",
    syntax="[command-name...]",
    summary="Describes some commands, or all.",
    complexity="O(N) for N commands asked for",
)
def command_info(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND INFO: an unknown name gives null."""
    if len(args) == 2:
        return [describe(row) for row in server.table]
    rows = (server.table.find(name) for name in args[2:])
    return [None if row is None else describe(row) for row in rows]


@command(
    "command|docs",
    -2,
    "loading stale sentinel",
    group="server",
    since="7.0.0",
    acl="+connection",
    tips="nondeterministic_output_order",
    syntax="[command-name...]",
    summary="Returns the documentation of commands.",
    complexity="O(N) for N commands asked for",
)
def command_docs(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND DOCS: unknown names are left out."""
    if len(args) == 2:
        return _document_all(server.table)
    rows = (server.table.find(name) for name in args[2:])
    return _document_all(row for row in rows if row is not None)


@command(
    "command|list",
    -2,
    "loading stale sentinel",
    group="server",
    since="7.0.0",
    acl="+connection",
    tips="nondeterministic_output_order",
    syntax=("[FILTERBY filterby:(MODULE module-name:string | ACLCAT category:string | PATTERN pattern:pattern)]"),
    summary="Returns the names of the commands, all or filtered.",
    complexity="O(N) for N commands",
)
def command_list(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN value]: subcommands included."""
    rows: Iterable[CommandRow] = _with_subcommands(server.table)
    if len(args) == 2:
        return [row.name.encode() for row in rows]
    if len(args) != 5 or args[2].lower() != b"filterby":
        raise CommandError(SYNTAX_ERROR)
    kind, value = args[3].lower(), args[4]
    if kind == b"aclcat":
        bit = ACL_CATEGORY_BITS.get(value.decode("latin-1").lower(), 0)
        rows = (row for row in rows if row.acl_categories & bit)
    elif kind == b"pattern":
        return matching(value, [row.name.encode() for row in rows])
    elif kind == b"module":
        # Commands that users add come from no named module, so that no name has any.
        rows = ()
    else:
        raise CommandError(SYNTAX_ERROR)
    return [row.name.encode() for row in rows]


@command(
    "command|getkeys",
    -3,
    "loading stale sentinel",
    group="server",
    since="2.8.13",
    acl="+connection",
    syntax="command [arg...]",
    summary="Tells which arguments of a command are keys.",
    complexity="O(N) for N arguments",
)
def command_getkeys(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND GETKEYS: the keys of the command that follows."""
    request = args[2:]
    return [request[position] for position, _ in _find_keys(server, request)]


@command(
    "command|getkeysandflags",
    -3,
    "loading stale sentinel",
    group="server",
    since="7.0.0",
    acl="+connection",
    syntax="command [arg...]",
    summary="Tells which arguments of a command are keys and what they are used for.",
    complexity="O(N) for N arguments",
)
def command_getkeysandflags(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND GETKEYSANDFLAGS: each key of the command that follows, with what the command does to it."""
    request = args[2:]
    return [[request[position], _key_flags(flags)] for position, flags in _find_keys(server, request)]


@command(
    "command|help",
    2,
    "loading stale sentinel",
    group="server",
    since="5.0.0",
    acl="+connection",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def command_help(server: Server, connection: object, args: list[bytes]) -> object:
    """COMMAND HELP."""
    return help_reply(
        "command",
        (
            ("(no subcommand)", "Describe every command."),
            ("COUNT", "Count the commands; subcommands do not count."),
            ("LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]", "Name the commands."),
            ("INFO [<command-name> ...]", "Describe these commands, or every one."),
            ("DOCS [<command-name> ...]", "Document these commands, or every one."),
            ("GETKEYS <full-command>", "Pick the keys out of a command."),
            ("GETKEYSANDFLAGS <full-command>", "Pick the keys out of a command and say what it does to each."),
        ),
    )


def describe(row: CommandRow) -> list[object]:
    """A row in the form of COMMAND INFO."""
    first, last, step = row.key_range
    return [
        row.name.encode(),
        row.arity,
        _wire_flags(row.flags),
        first,
        last,
        step,
        _wire_categories(row.acl_categories),
        Set(row.tips.encode().split()),
        _describe_keys(row.keys),
        [describe(subcommand) for subcommand in row.subcommands.values()] or Set(),
    ]


@cache
def _wire_flags(flags: int) -> Set:
    return Set(SimpleString(name) for bit, name in WIRE_FLAGS if flags & bit)


@cache
def _wire_categories(categories: int) -> Set:
    return Set(SimpleString("@" + name) for name, bit in ACL_CATEGORY_BITS.items() if categories & bit)


@cache
def _describe_keys(notation: str) -> Set:
    return Set(_describe_key_spec(spec) for spec in parse_key_specs(notation))


def _describe_key_spec(spec: KeySpec) -> dict[bytes, object]:
    begin: dict[bytes, object] = {}
    if spec.begin == "index":
        begin = {b"index": spec.index}
    elif spec.begin == "keyword":
        begin = {b"keyword": spec.keyword.encode(), b"startfrom": spec.index}
    find: dict[bytes, object] = {}
    if spec.find == "range":
        find = {b"lastkey": spec.last, b"keystep": spec.step, b"limit": spec.limit}
    elif spec.find == "keynum":
        find = {b"keynumidx": spec.keynum, b"firstkey": spec.first, b"keystep": spec.step}
    return {
        b"flags": _key_flags(spec.flags),
        b"begin_search": {b"type": spec.begin.encode(), b"spec": begin},
        b"find_keys": {b"type": spec.find.encode(), b"spec": find},
    }


@cache
def _key_flags(flags: int) -> Set:
    return Set(SimpleString(name) for bit, name in KEY_FLAG_WIRE_NAMES if flags & bit)


def document(row: CommandRow) -> dict[bytes, object]:
    """A row in the form of COMMAND DOCS."""
    reply: dict[bytes, object] = {
        b"summary": row.summary.encode(),
        b"since": row.since.encode(),
        b"group": b"module" if row.flags & MODULE else row.group.replace("_", "-").encode(),
    }
    if row.complexity:
        reply[b"complexity"] = row.complexity.encode()
    if row.history:
        reply[b"history"] = Set([version.encode(), change.encode()] for version, change in row.history)
    marks = [SimpleString("deprecated")] if row.deprecated else []
    if row.system:
        marks.append(SimpleString("syscmd"))
    if marks:
        reply[b"doc_flags"] = Set(marks)
    if row.deprecated:
        since, replacement = row.deprecated
        reply[b"deprecated_since"] = since.encode()
        reply[b"replaced_by"] = replacement.encode()
    if row.syntax:
        reply[b"arguments"] = _describe_syntax(row.syntax)
    if row.subcommands:
        reply[b"subcommands"] = _document_all(row.subcommands.values())
    return reply


@cache
def _describe_syntax(notation: str) -> list[dict[bytes, object]]:
    return describe_arguments(parse_syntax(notation))


def _document_all(rows: Iterable[CommandRow]) -> dict[bytes, object]:
    return {row.name.encode(): document(row) for row in rows}


def _with_subcommands(rows: Iterable[CommandRow]) -> Iterator[CommandRow]:
    for row in rows:
        yield row
        yield from row.subcommands.values()


def _find_keys(server: Server, request: list[bytes]) -> list[tuple[int, int]]:
    row = server.table.resolve(request)
    if row is None:
        raise CommandError("ERR Invalid command specified")
    if not row.has_keys:
        raise CommandError("ERR The command has no key arguments")
    if not row.accepts(len(request)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    uses = server.engine.find_keys(request)
    if uses is None and not row.flags & NO_MANDATORY_KEYS:
        raise CommandError("ERR Invalid arguments specified for command")
    return uses or []
