"""What one selector allows: commands, keys, channels, databases; and the rules that say so.

A selector is made by applying rules one after the other, `+get`, `~cache:*`, and shows as rules that make the same one
again. Of the rules about commands the selector keeps only those that still matter, in their order; which commands they
allow is found out by going through them, so commands that are registered later find their place.

Texts are `str` with undecodable bytes kept as surrogates, as in the configuration.
"""

from __future__ import annotations

import re

from redislite._core.commands.access import ACCESS_READ, ACCESS_WRITE
from redislite._core.commands.row import ACL_CATEGORY_BITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from redislite._core.commands.row import CommandRow, CommandTable
    from redislite._core.dispatch.permissions import SelectorRules

READ_WRITE = ACCESS_READ | ACCESS_WRITE
LARGEST_DATABASE = 2**31 - 1

UNKNOWN_COMMAND = "Unknown command or category name in ACL"
SYNTAX = "Syntax error"
_FIRST_ARGUMENT = "Allowing first-arg of a subcommand is not supported"
_LATE_KEYS = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try "
    "'resetkeys' to start with an empty list of patterns"
)
_LATE_CHANNELS = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try "
    "'resetchannels' to start with an empty list of channels"
)
_BAD_DATABASE = "The provided database ID is out of range"
_KEY_RULE = re.compile(r"%(RW|WR|R|W)(?:~(.*))?", re.IGNORECASE | re.DOTALL)
_BLANKS = re.compile(r"[ \t\n\v\f\r\0]")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


class RuleError(Exception):
    """A rule cannot be: `rule` is its text, `reason` what is wrong with it, both as the original words them."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason


def encoded(text: str) -> bytes:
    """The bytes that a text was made from."""
    return text.encode("utf-8", "surrogateescape")


def decoded(data: bytes) -> str:
    """Bytes as this package keeps them."""
    return data.decode("utf-8", "surrogateescape")


class Commands:
    """The commands of an engine by their own names, whatever `rename-command` made of them."""

    def __init__(self, table: CommandTable) -> None:
        self._table = table
        self._ids: dict[str, int] = {}

    @property
    def rows(self) -> list[CommandRow]:
        """All commands and subcommands, by id."""
        return self._table.rows

    def find(self, name: str) -> CommandRow | None:
        """The row with this full name, in any letter case."""
        rows = self._table.rows
        for row in rows[len(self._ids) :]:
            self._ids[row.name] = row.id
        id = self._ids.get(name.lower(), -1)
        return None if id < 0 or rows[id].is_retired else rows[id]


def _whole_number(text: str) -> int:
    """The number, or some other one that is no database's."""
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(LARGEST_DATABASE)):
        return LARGEST_DATABASE + 1
    return int(digits or "0") * (-1 if text[0] == "-" else 1)


class Selector:
    """What is allowed together. A new one allows nothing, or of channels all if `all_channels`.

    keys       patterns, each with ACCESS_* bits, in the order of their coming; None: all keys
    channels   patterns, in the order of their coming; None: all channels
    databases  numbers; None: all databases
    base       "+@all" or "-@all"
    rules      about commands, behind that: "+" or "-" by what is added or taken away, in order
    parts      how many of the rules are about a part of a command ("select|0"), by its name
    """

    __slots__ = ("base", "channels", "databases", "keys", "parts", "rules")

    def __init__(self, all_channels: bool = False) -> None:
        self.keys: dict[str, int] | None = {}
        self.channels: dict[str, None] | None = None if all_channels else {}
        self.databases: list[int] | None = None
        self.base = "-@all"
        self.rules: dict[str, str] = {}
        self.parts: dict[str, int] = {}

    def copy(self) -> Selector:
        """Another one that allows the same."""
        other = Selector()
        other.keys = None if self.keys is None else dict(self.keys)
        other.channels = None if self.channels is None else dict(self.channels)
        other.databases = None if self.databases is None else list(self.databases)
        other.base = self.base
        other.rules = dict(self.rules)
        other.parts = dict(self.parts)
        return other

    # Applying rules

    def apply(self, rule: str, commands: Commands) -> None:
        """Changes what is allowed as the rule says. RuleError, nothing changed."""
        word = rule.lower()
        if word in ("allkeys", "~*"):
            self.keys = None
        elif word == "resetkeys":
            self.keys = {}
        elif word in ("allchannels", "&*"):
            self.channels = None
        elif word == "resetchannels":
            self.channels = {}
        elif word in ("allcommands", "+@all"):
            self._restart("+@all")
        elif word in ("nocommands", "-@all"):
            self._restart("-@all")
        elif word == "alldbs":
            self.databases = None
        elif word == "resetdbs":
            self.databases = []
        elif word.startswith("db="):
            self._set_databases(rule)
        elif rule[:1] in ("~", "%"):
            self._add_keys(rule)
        elif rule[:1] == "&":
            self._add_channels(rule)
        elif rule[:1] in ("+", "-"):
            self._change_commands(rule, commands)
        elif rule:
            raise RuleError(rule, SYNTAX)

    def _set_databases(self, rule: str) -> None:
        texts = rule[3:].split(",")
        if not all(_WHOLE_NUMBER.fullmatch(text) for text in texts):
            raise RuleError(rule, SYNTAX)
        numbers = {_whole_number(text) for text in texts}
        if min(numbers) < 0 or max(numbers) > LARGEST_DATABASE:
            raise RuleError(rule, _BAD_DATABASE)
        self.databases = sorted(numbers)

    def _add_keys(self, rule: str) -> None:
        allows, pattern = READ_WRITE, rule[1:]
        if self.keys is None:
            raise RuleError(rule, _LATE_KEYS)
        if rule[0] == "%":
            match = _KEY_RULE.fullmatch(rule)
            if match is None:
                raise RuleError(rule, SYNTAX)
            letters = match[1].upper()
            allows = (ACCESS_READ if "R" in letters else 0) | (ACCESS_WRITE if "W" in letters else 0)
            # The tilde may be left out, which means the same as nothing behind it.
            pattern = match[2] or ""
        if _BLANKS.search(pattern):
            raise RuleError(rule, SYNTAX)
        self.keys[pattern] = self.keys.get(pattern, 0) | allows

    def _add_channels(self, rule: str) -> None:
        pattern = rule[1:]
        if self.channels is None:
            raise RuleError(rule, _LATE_CHANNELS)
        if _BLANKS.search(pattern):
            raise RuleError(rule, SYNTAX)
        self.channels[pattern] = None

    def _change_commands(self, rule: str, commands: Commands) -> None:
        name = rule[1:].lower()
        if name.startswith("@"):
            if name[1:] not in ACL_CATEGORY_BITS:
                raise RuleError(rule, UNKNOWN_COMMAND)
        elif commands.find(name) is None:
            # Not a command: of `+select|0`, a command with one first argument.
            owner, bar, argument = name.rpartition("|")
            row = commands.find(owner)
            if rule[0] == "-" or not bar or row is None or row.subcommands:
                raise RuleError(rule, UNKNOWN_COMMAND)
            if row.parent is not None:
                raise RuleError(rule, _FIRST_ARGUMENT)
            if not argument:
                raise RuleError(rule, SYNTAX)
        # What was said of the same, or of a part of it, does not matter any more.
        self._forget(name)
        if name in self.parts:
            for part in [old for old in self.rules if old.startswith(name + "|")]:
                self._forget(part)
        self.rules[name] = rule[0]
        owner, bar, _ = name.partition("|")
        if bar:
            self.parts[owner] = self.parts.get(owner, 0) + 1

    def _forget(self, name: str) -> None:
        if self.rules.pop(name, None) is None:
            return
        owner, bar, _ = name.partition("|")
        if bar:
            self.parts[owner] -= 1
            if not self.parts[owner]:
                del self.parts[owner]

    def _restart(self, base: str) -> None:
        self.base = base
        self.rules = {}
        self.parts = {}

    # What it comes to

    def allowed_commands(self, commands: Commands) -> tuple[set[int] | None, list[tuple[int, bytes]]]:
        """Ids of the commands that are allowed (None: all, those to come included), and allowed first arguments."""
        if self.base == "+@all" and "-" not in self.rules.values():
            return None, []
        rows = commands.rows
        allowed = {row.id for row in rows} if self.base == "+@all" else set()
        first_arguments: dict[int, list[bytes]] = {}
        for name, sign in self.rules.items():
            row = None if name[0] == "@" else commands.find(name)
            if row is None and name[0] != "@":
                owner, _, argument = name.rpartition("|")
                row = commands.find(owner)
                if row is not None:
                    first_arguments.setdefault(row.id, []).append(encoded(argument))
                continue
            concerned = with_subcommands(rows_of_category(rows, name[1:]) if row is None else [row])
            for one in concerned:
                first_arguments.pop(one.id, None)
            ids = {one.id for one in concerned}
            allowed = allowed | ids if sign == "+" else allowed - ids
        pairs = [(id, argument) for id, arguments in first_arguments.items() for argument in arguments]
        return allowed, pairs

    def compiled(self, commands: Commands) -> SelectorRules:
        """The selector as `Permissions.replace` takes it."""
        allowed, first_arguments = self.allowed_commands(commands)
        bits = None
        if allowed is not None:
            bits = bytearray((len(commands.rows) + 7) // 8)
            for id in allowed:
                bits[id >> 3] |= 1 << (id & 7)
        return (
            None if bits is None else bytes(bits),
            first_arguments,
            None if self.keys is None else [(encoded(pattern), allows) for pattern, allows in self.keys.items()],
            None if self.channels is None else [encoded(pattern) for pattern in self.channels],
            self.databases,
        )

    # Showing

    def command_text(self) -> str:
        """The rules about commands."""
        return " ".join([self.base, *(sign + name for name, sign in self.rules.items())])

    def key_text(self) -> str:
        """The rules about keys."""
        if self.keys is None:
            return "~*"
        return " ".join(_KEY_PREFIXES[allows] + pattern for pattern, allows in self.keys.items())

    def channel_text(self) -> str:
        """The rules about channels."""
        return "&*" if self.channels is None else " ".join("&" + pattern for pattern in self.channels)

    def database_text(self) -> str:
        """The rules about databases."""
        if self.databases is None:
            return "alldbs"
        return "db=" + ",".join(map(str, self.databases)) if self.databases else ""

    def text(self) -> str:
        """Rules that make the same of a selector that allows nothing; all databases go without saying."""
        parts = [self.key_text()]
        if self.channels is not None:
            parts.append("resetchannels")
        parts.append(self.channel_text())
        if self.databases is not None:
            parts.append(self.database_text() or "resetdbs")
        parts.append(self.command_text())
        return " ".join(part for part in parts if part)


_KEY_PREFIXES = {READ_WRITE: "~", ACCESS_READ: "%R~", ACCESS_WRITE: "%W~"}


def rows_of_category(rows: Iterable[CommandRow], category: str) -> list[CommandRow]:
    """The commands and subcommands that belong to a category, which exists."""
    bit = ACL_CATEGORY_BITS[category]
    return [row for row in rows if row.acl_categories & bit and not row.is_retired]


def with_subcommands(rows: Iterable[CommandRow]) -> list[CommandRow]:
    """The rows and their subcommands: who may run a command may run all of it."""
    found = []
    for row in rows:
        found.append(row)
        found.extend(row.subcommands.values())
    return found


def merged_selectors(rules: Iterable[str]) -> list[str]:
    """Rules with those between parentheses joined into one each: `(+get`, `~a)` becomes `(+get ~a)`.

    RuleError, of the first of them, where a parenthesis is never closed.
    """
    merged: list[str] = []
    opened: list[str] = []
    for rule in rules:
        if opened:
            opened.append(rule)
        elif rule.startswith("(") and not rule.endswith(")"):
            opened = [rule]
        else:
            merged.append(rule)
            continue
        if rule.endswith(")"):
            merged.append(" ".join(opened))
            opened = []
    if opened:
        raise UnclosedSelectorError(opened[0])
    return merged


class UnclosedSelectorError(RuleError):
    """A selector's parenthesis is never closed."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule, "Unmatched parenthesis in selector definition.")
