"""The one row per command, and the table that rows are registered in.

A row says everything that is known of a command: how to call it, what it may do, where its keys are, how it is
documented. It stands next to the handler it describes:

    COMMANDS = [
        native("get", <size_t> &get_command, 2, "readonly fast", keys="RO ACCESS @ 1", group="string", since="1.0.0",
               syntax="key", summary="Returns the value of a key.", complexity="O(1)"),
    ]

    @command("config|get", -3, "admin noscript loading stale", group="server", since="2.0.0", syntax="parameter...",
             summary="Returns the values of configuration parameters.", complexity="O(N)")
    def config_get(server, connection, args): ...

`container` makes the row of a command that only has subcommands. The notation of `keys` is described in `key_specs`,
that of `syntax` in the control plane's `command_syntax`; both are parsed when somebody asks, so that a thousand rows
cost a start-up about a millisecond.

Rows are the same for every engine in a process and never change; what differs per engine (the id) belongs to the
copy that a CommandTable makes when a row is registered. Statistics are kept by id, elsewhere.
"""

from __future__ import annotations

from functools import cache

from .key_specs import (
    NOT_KEY,
    KeySpec,
    has_movable_keys,
    legacy_key_range,
    parse_key_specs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    Handler = Callable[[Any, Any, list[bytes]], object]
    AnyHandler = TypeVar("AnyHandler", bound=Handler)

# Bit numbers are fixed: the C table mirrors them in an enum.
WRITE = 1 << 0  # may change data
READONLY = 1 << 1  # reads data, changes none
DENYOOM = 1 << 2  # may grow memory: refused above maxmemory
MODULE = 1 << 3  # registered by the user, not part of the server
ADMIN = 1 << 4  # administration
PUBSUB = 1 << 5  # concerns channels
NOSCRIPT = 1 << 6  # not from scripts
BLOCKING = 1 << 7  # may suspend the client
LOADING = 1 << 8  # allowed while the data set is being loaded
STALE = 1 << 9  # allowed on a replica that lost its master
SKIP_MONITOR = 1 << 10  # shown to MONITOR before it runs, as it runs others
SKIP_SLOWLOG = 1 << 11  # not recorded by the slow log and the command log
ASKING = 1 << 12  # implies ASKING in cluster mode
FAST = 1 << 13  # constant or logarithmic time, independent of what is stored
NO_AUTH = 1 << 14  # allowed before authentication
MAY_REPLICATE = 1 << 15  # no write by itself, but can lead to one being propagated
SENTINEL = 1 << 16  # exists in Sentinel mode too
ONLY_SENTINEL = 1 << 17  # exists in Sentinel mode only
NO_MANDATORY_KEYS = 1 << 18  # has key specifications, yet may be called with no key
PROTECTED = 1 << 19  # needs an enable-*-command directive
NO_ASYNC_LOADING = 1 << 20  # refused while a replica loads beside its old data set
NO_MULTI = 1 << 21  # not in a transaction
MOVABLE_KEYS = 1 << 22  # derived: first, last and step do not tell every key
ALLOW_BUSY = 1 << 23  # allowed while a script runs for too long
TOUCHES_ARBITRARY_KEYS = 1 << 24  # looks at keys that its arguments do not name
ALL_DBS = 1 << 25  # concerns every database
EXPERIMENTAL = 1 << 26  # may still change
UNQUEUED = 1 << 27  # runs at once within a transaction
SUBSCRIBER = 1 << 28  # allowed to a client that has subscriptions, under RESP2
VERBATIM = 1 << 29  # of a command in Python: propagated as it stands, and not what it does

FLAG_NAMES = {
    "write": WRITE,
    "readonly": READONLY,
    "denyoom": DENYOOM,
    "module": MODULE,
    "admin": ADMIN,
    "pubsub": PUBSUB,
    "noscript": NOSCRIPT,
    "blocking": BLOCKING,
    "loading": LOADING,
    "stale": STALE,
    "skip_monitor": SKIP_MONITOR,
    "skip_slowlog": SKIP_SLOWLOG,
    "asking": ASKING,
    "fast": FAST,
    "no_auth": NO_AUTH,
    "may_replicate": MAY_REPLICATE,
    "sentinel": SENTINEL,
    "only_sentinel": ONLY_SENTINEL,
    "no_mandatory_keys": NO_MANDATORY_KEYS,
    "protected": PROTECTED,
    "no_async_loading": NO_ASYNC_LOADING,
    "no_multi": NO_MULTI,
    "movablekeys": MOVABLE_KEYS,
    "allow_busy": ALLOW_BUSY,
    "touches_arbitrary_keys": TOUCHES_ARBITRARY_KEYS,
    "all_dbs": ALL_DBS,
    "experimental": EXPERIMENTAL,
    "unqueued": UNQUEUED,
    "subscriber": SUBSCRIBER,
    "verbatim": VERBATIM,
}

# The flags that COMMAND shows, in its order; the others are the server's own business.
_HIDDEN_FLAGS = (
    MAY_REPLICATE | SENTINEL | ONLY_SENTINEL | PROTECTED | TOUCHES_ARBITRARY_KEYS | ALL_DBS | EXPERIMENTAL | UNQUEUED
    | SUBSCRIBER | VERBATIM
)
WIRE_FLAGS = tuple((bit, name) for name, bit in FLAG_NAMES.items() if not bit & _HIDDEN_FLAGS)

# Bit N of a category mask is the Nth of these; ACL CAT lists them in this order.
ACL_CATEGORIES = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)
ACL_CATEGORY_BITS = {name: 1 << number for number, name in enumerate(ACL_CATEGORIES)}

_GROUP_CATEGORY = {
    "string": "string",
    "list": "list",
    "set": "set",
    "sorted_set": "sortedset",
    "hash": "hash",
    "bitmap": "bitmap",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "stream": "stream",
    "generic": "keyspace",
    "connection": "connection",
    "transactions": "transaction",
    "scripting": "scripting",
}

_FLAG_CATEGORIES = (
    (WRITE, ACL_CATEGORY_BITS["write"]),
    (ADMIN, ACL_CATEGORY_BITS["admin"] | ACL_CATEGORY_BITS["dangerous"]),
    (PUBSUB, ACL_CATEGORY_BITS["pubsub"]),
    (BLOCKING, ACL_CATEGORY_BITS["blocking"]),
)


@cache
def parse_flags(text: str) -> int:
    """The bits of space-separated flag names; raises ValueError for a name that does not exist."""
    flags = 0
    for name in text.split():
        if name not in FLAG_NAMES:
            raise ValueError(f"unknown command flag {name!r}")
        flags |= FLAG_NAMES[name]
    return flags


@cache
def derive_acl_categories(flags: int, group: str, is_container: bool, corrections: str) -> int:
    """The category bits that follow from flags and group, and then from `corrections`: `+dangerous -keyspace`.

    A container without a handler belongs to no data type: only its subcommands do.
    """
    bits = 0
    for flag, categories in _FLAG_CATEGORIES:
        if flags & flag:
            bits |= categories
    if flags & READONLY and group != "scripting":
        bits |= ACL_CATEGORY_BITS["read"]
    bits |= ACL_CATEGORY_BITS["fast" if flags & FAST else "slow"]
    category = None if is_container else _GROUP_CATEGORY.get(group)
    if category is not None:
        bits |= ACL_CATEGORY_BITS[category]
    for correction in corrections.split():
        bit = ACL_CATEGORY_BITS.get(correction[1:], 0)
        if not bit or correction[0] not in "+-":
            raise ValueError(f"unknown ACL category {correction!r}")
        bits = bits | bit if correction[0] == "+" else bits & ~bit
    return bits


class CommandRow:
    """What is known of one command or subcommand. Immutable for its users; make it with the functions below.

    name          full name in small letters: "get", "config|get"
    arity         number of arguments with the name(s), or minus the least number of them
    flags         bits as defined above, MOVABLE_KEYS included
    keys, syntax  in their notations
    group         a group of COMMAND DOCS: "string", "sorted_set", …
    since         the version it came with; summary and complexity are sentences
    acl           corrections of the derived categories: "+dangerous -keyspace"
    tips          space-separated hints for clients: "nondeterministic_output request_policy:all_nodes"
    deprecated    (since when, what to use instead), or None
    system        whether it is meant for the servers themselves
    history       pairs of version and what changed then
    address       of the native handler, else 0;  handler: the Python one, else None; a container has neither
    id            number within its table, from 0, without gaps; -1 outside of one
    parent        the container's row, else None;  subcommands by small-letter name, b"get"
    is_retired    it was taken away; it keeps its id and its place
    """

    __slots__ = (
        "acl",
        "address",
        "arity",
        "complexity",
        "deprecated",
        "flags",
        "group",
        "handler",
        "history",
        "id",
        "is_retired",
        "keys",
        "name",
        "parent",
        "since",
        "subcommands",
        "summary",
        "syntax",
        "system",
        "tips",
    )

    def __init__(
        self,
        name: str,
        arity: int,
        flags: int,
        keys: str,
        group: str,
        since: str,
        summary: str,
        complexity: str,
        syntax: str,
        acl: str,
        tips: str,
        deprecated: tuple[str, str] | None,
        system: bool,
        history: tuple[tuple[str, str], ...],
        address: int,
        handler: Handler | None,
    ) -> None:
        self.name = name
        self.arity = arity
        self.flags = flags
        self.keys = keys
        self.group = group
        self.since = since
        self.summary = summary
        self.complexity = complexity
        self.syntax = syntax
        self.acl = acl
        self.tips = tips
        self.deprecated = deprecated
        self.system = system
        self.history = history
        self.address = address
        self.handler = handler
        self.id = -1
        self.is_retired = False
        self.parent: CommandRow | None = None
        self.subcommands: dict[bytes, CommandRow] = {}

    def __repr__(self) -> str:
        return f"<command {self.name} id={self.id}>"

    @property
    def is_container(self) -> bool:
        """Whether it exists for its subcommands alone."""
        return not self.address and self.handler is None

    @property
    def key_range(self) -> tuple[int, int, int]:
        """First key, last key and step, as older clients know them; zeros if there are none."""
        return legacy_key_range(self.keys)

    @property
    def key_specs(self) -> tuple[KeySpec, ...]:
        """The parsed key specifications."""
        return parse_key_specs(self.keys)

    @property
    def has_keys(self) -> bool:
        """Whether some argument can be a key (and not merely routed like one)."""
        return any(not spec.flags & NOT_KEY for spec in self.key_specs)

    @property
    def acl_categories(self) -> int:
        """Category bits; see ACL_CATEGORY_BITS."""
        return derive_acl_categories(self.flags, self.group, self.is_container, self.acl)

    def accepts(self, argument_count: int) -> bool:
        """Whether the arity allows this many arguments, the command's name included."""
        return argument_count == self.arity if self.arity >= 0 else argument_count >= -self.arity

    def _registered(self, id: int, parent: CommandRow | None) -> CommandRow:
        """A copy that belongs to a table."""
        row = CommandRow(
            self.name,
            self.arity,
            self.flags,
            self.keys,
            self.group,
            self.since,
            self.summary,
            self.complexity,
            self.syntax,
            self.acl,
            self.tips,
            self.deprecated,
            self.system,
            self.history,
            self.address,
            self.handler,
        )
        row.id = id
        row.parent = parent
        return row


@cache
def _all_flags(flags: str, keys: str) -> int:
    return parse_flags(flags) | (MOVABLE_KEYS if has_movable_keys(keys) else 0)


def native(
    name: str,
    address: int,
    arity: int,
    flags: str = "",
    *,
    keys: str = "",
    group: str,
    since: str,
    summary: str,
    complexity: str = "",
    syntax: str = "",
    acl: str = "",
    tips: str = "",
    deprecated: tuple[str, str] | None = None,
    system: bool = False,
    history: tuple[tuple[str, str], ...] = (),
) -> CommandRow:
    """The row of a command whose handler is the C function at `address`. ValueError where there is none."""
    if not address:
        raise ValueError(f"command {name!r} without a handler")
    return CommandRow(
        name,
        arity,
        _all_flags(flags, keys),
        keys,
        group,
        since,
        summary,
        complexity,
        syntax,
        acl,
        tips,
        deprecated,
        system,
        history,
        address,
        None,
    )


def container(
    name: str,
    arity: int = -2,
    flags: str = "",
    *,
    group: str,
    since: str,
    summary: str,
    complexity: str = "Depends on the subcommand.",
    acl: str = "",
    tips: str = "",
) -> CommandRow:
    """The row of a command that only has subcommands."""
    return CommandRow(
        name,
        arity,
        _all_flags(flags, ""),
        "",
        group,
        since,
        summary,
        complexity,
        "",
        acl,
        tips,
        None,
        False,
        (),
        0,
        None,
    )


def command(
    name: str,
    arity: int,
    flags: str = "",
    *,
    keys: str = "",
    group: str,
    since: str,
    summary: str,
    complexity: str = "",
    syntax: str = "",
    acl: str = "",
    tips: str = "",
    deprecated: tuple[str, str] | None = None,
    system: bool = False,
    history: tuple[tuple[str, str], ...] = (),
) -> Callable[[AnyHandler], AnyHandler]:
    """Decorator: makes a Python function, `handler(server, connection, args)`, a command.

    `args` is the whole request, names included. What the function returns is the reply, see `reply_types`; it raises
    CommandError for an error reply. The function itself stays as it is; decorated twice, it serves two commands.
    ValueError for flags, keys or corrections of categories that there are not; TypeError for what is no function.
    """

    def decorate(handler: AnyHandler) -> AnyHandler:
        if not callable(handler) or not hasattr(handler, "__dict__"):
            raise TypeError(f"the handler of command {name!r} is {handler!r}, which is no function")
        row = CommandRow(
            name,
            arity,
            _all_flags(flags, keys),
            keys,
            group,
            since,
            summary,
            complexity,
            syntax,
            acl,
            tips,
            deprecated,
            system,
            history,
            0,
            handler,
        )
        handler.__dict__.setdefault("command_rows", []).append(row)
        return handler

    return decorate


def rows_of(module: object) -> list[CommandRow]:
    """The rows that a module brings: its COMMANDS, then those of its decorated functions, in source order."""
    names = vars(module)
    rows = list(names.get("COMMANDS", ()))
    for name, value in names.items():
        if name != "COMMANDS" and getattr(value, "__module__", None) == names["__name__"]:
            rows.extend(getattr(value, "command_rows", ()))
    return rows


class CommandTable:
    """The commands of one engine, by name and by id."""

    __slots__ = ("_by_name", "_retired", "rows")

    def __init__(self) -> None:
        self.rows: list[CommandRow] = []  # by id
        self._by_name: dict[bytes, CommandRow] = {}  # only those that are no subcommands
        self._retired: dict[str, CommandRow] = {}  # by name

    def register(self, rows: Iterable[CommandRow]) -> list[CommandRow]:
        """Add rows in any order, containers of the subcommands among them included or registered before.

        Returns the table's own copies, ids assigned. Raises ValueError for a name that is taken or none, or a
        subcommand without its container; TypeError for what is no row. None of the rows is registered then.
        """
        given = list(rows)
        for row in given:
            if not isinstance(row, CommandRow):
                raise TypeError(f"a command is registered by its row, not by {row!r}")
        added: list[CommandRow] = []
        try:
            for row in sorted(given, key=lambda row: "|" in row.name):
                added.append(self._add(row))
        except BaseException:
            for own in reversed(added):
                self.withdraw(own)
            raise
        return added

    def _add(self, row: CommandRow) -> CommandRow:
        parent_name, bar, own_name = row.name.partition("|")
        parent = None
        siblings = self._by_name
        key = parent_name.encode()
        if bar:
            parent = siblings.get(key)
            if parent is None:
                raise ValueError(f"subcommand {row.name!r} without its container")
            siblings = parent.subcommands
            key = own_name.encode()
        if key in siblings:
            raise ValueError(f"there is a command {row.name!r} already")
        if not row.name or row.name != row.name.lower() or (bar and not own_name):
            raise ValueError(f"{row.name!r} cannot be the name of a command: it is written in small letters")
        former = self._retired.pop(row.name, None)
        own = row._registered(len(self.rows) if former is None else former.id, parent)
        siblings[key] = own
        if former is None:
            self.rows.append(own)
        else:
            self.rows[own.id] = own
        return own

    def withdraw(self, row: CommandRow) -> None:
        """Undo the registration of a command that nobody has learned of, and of none that came before it."""
        self.retire(row)
        if row is self.rows[-1]:
            self.rows.pop()
            del self._retired[row.name]

    def retire(self, row: CommandRow) -> None:
        """Take a command away that has not been renamed; another of its name, should one come, gets its id."""
        siblings = self._by_name if row.parent is None else row.parent.subcommands
        del siblings[row.name.rpartition("|")[2].encode()]
        row.is_retired = True
        self._retired[row.name] = row

    def rename(self, name: bytes, new_name: bytes) -> CommandRow:
        """Let a command (no subcommand) be called by another name only, or by none if that is empty.

        The row keeps its own name, id and place in `rows`. Raises KeyError if there is no such command, ValueError if
        the new name is taken; nothing has changed then.
        """
        key, new_key = name.lower(), new_name.lower()
        row = self._by_name[key]
        if new_key and new_key != key and new_key in self._by_name:
            raise ValueError(f"command {new_name!r} exists already")
        del self._by_name[key]
        if new_key:
            self._by_name[new_key] = row
        return row

    def __len__(self) -> int:
        """Number of commands, subcommands not counted."""
        return len(self._by_name)

    def __iter__(self) -> Iterator[CommandRow]:
        """The commands in order of registration, without subcommands."""
        return iter(self._by_name.values())

    def find(self, name: bytes) -> CommandRow | None:
        """The row with this full name ("config|get"), letter case ignored, else None."""
        parent_name, bar, own_name = name.lower().partition(b"|")
        row = self._by_name.get(parent_name)
        if row is None or not bar:
            return row
        return row.subcommands.get(own_name)

    def resolve(self, arguments: list[bytes]) -> CommandRow | None:
        """The row that a request means, else None.

        A command with subcommands that is called with an unknown one is None; called with none it is the command.
        """
        row = self._by_name.get(arguments[0].lower())
        if row is None or not row.subcommands or len(arguments) == 1:
            return row
        return row.subcommands.get(arguments[1].lower())
