"""What others write in Python for the server: commands, functions and hooks, and the decorators that make them.

    @redislite.command("greet", 2, "readonly fast", keys="RO ACCESS @ 1")
    def greet(db, key):
        return b"hello " + (db.call("GET", key) or b"nobody")

    @redislite.on("expired", pattern="session:*")
    def session_is_over(db, event, key):
        db.call("INCR", "sessions:over")

    @redislite.function(flags=("no-writes",))       # in a library: #!python name=mylib
    def total(db, keys, arguments):
        return sum(int(db.call("GET", key) or 0) for key in keys)

A decorator checks what it is told and changes nothing: the function stays as it is, and what was said of it is kept in
the namespace that it was defined in, for whoever runs that (Engine.extend, FUNCTION LOAD).
"""

from __future__ import annotations

from types import ModuleType

from redislite._core.commands.key_specs import has_movable_keys, parse_key_specs
from redislite._core.commands.row import (
    ALLOW_BUSY,
    FLAG_NAMES,
    MODULE,
    MOVABLE_KEYS,
    SUBSCRIBER,
    UNQUEUED,
    CommandRow,
    derive_acl_categories,
    parse_flags,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

# Names of keyspace events, by the bit of their class: NOTIFY_* of state.pxd.
_EVENT_NAMES = {
    4: "del rename_from rename_to move_from move_to copy_to restore expire persist",
    8: "set setrange setbit incrby incrbyfloat append pfadd",
    16: "lpush rpush lpop rpop linsert lset lrem ltrim sortstore",
    32: "sadd srem spop sinterstore sunionstore sdiffstore",
    64: "hset hincrby hincrbyfloat hdel hexpire hexpired hpersist",
    128: "zadd zincr zrem zremrangebyscore zremrangebyrank zremrangebylex zpopmin zpopmax zdiffstore zinterstore "
    "zunionstore zrangestore geosearchstore georadiusstore",
    256: "expired",
    512: "evicted",
    1024: "xadd xtrim xdel xsetid xgroup-create xgroup-createconsumer xgroup-delconsumer xgroup-destroy xgroup-setid",
    2048: "keymiss",
    8192: "new",
}
EVENT_CLASSES = {name: bit for bit, names in _EVENT_NAMES.items() for name in names.split()}

# Of the flags of commands, those that only the server's own may have.
_OWN_FLAGS = ALLOW_BUSY | UNQUEUED | SUBSCRIBER | MOVABLE_KEYS
_DEFINITIONS = "__redislite_definitions__"


class Hook:
    """A function that is called for these events of keys whose name matches the pattern (None: of all keys)."""

    __slots__ = ("events", "handler", "pattern")

    def __init__(self, events: tuple[str, ...], pattern: bytes | None, handler: Callable[..., object]) -> None:
        self.events = events
        self.pattern = pattern
        self.handler = handler


class Function:
    """A function of a library."""

    __slots__ = ("description", "flags", "handler", "name")

    def __init__(
        self, name: str, flags: tuple[str, ...], description: str | None, handler: Callable[..., object]
    ) -> None:
        self.name = name
        self.flags = flags
        self.description = description
        self.handler = handler


def _first_line(handler: object) -> str:
    lines = (getattr(handler, "__doc__", None) or "").strip().splitlines()
    return lines[0].strip() if lines else ""


def _define(handler: AnyFunction, definition: object) -> AnyFunction:
    """Keeps what was said of a function where it was defined, or with it where that cannot be told."""
    if not callable(handler):
        raise TypeError(f"a function is decorated, not {type(handler).__name__}")
    namespace = getattr(handler, "__globals__", None)
    if namespace is None:
        namespace = handler.__dict__
    namespace.setdefault(_DEFINITIONS, []).append(definition)
    return handler


def definitions_of(namespace: dict[str, Any]) -> list[object]:
    """All that was defined in a namespace, in order, and then what it has taken over from others."""
    found = list(namespace.get(_DEFINITIONS, ()))
    for value in list(namespace.values()):
        elsewhere = getattr(value, "__globals__", None) or getattr(value, "__dict__", {})
        if elsewhere is not namespace and callable(value):
            for definition in elsewhere.get(_DEFINITIONS, ()):
                if getattr(definition, "handler", None) is value and definition not in found:
                    found.append(definition)
    return found


def definitions_in(source: object) -> list[object]:
    """What there is in a module, a namespace (dict), a decorated function, or an iterable of definitions. TypeError."""
    if isinstance(source, ModuleType):
        return definitions_of(vars(source))
    if isinstance(source, dict):
        return definitions_of(source)
    if callable(source):
        namespace = getattr(source, "__globals__", None) or getattr(source, "__dict__", {})
        found = [one for one in namespace.get(_DEFINITIONS, ()) if getattr(one, "handler", None) is source]
        if not found:
            raise TypeError("the function is neither a command nor a hook")
        return found
    return list(source)  # type: ignore[call-overload,no-any-return]


def functions_of_namespace(namespace: dict[str, Any]) -> list[Function]:
    """The functions of a library that has been run there."""
    return [definition for definition in definitions_of(namespace) if isinstance(definition, Function)]


def with_containers(rows: list[CommandRow]) -> list[CommandRow]:
    """The rows of commands, with one for each container that their subcommands want and that is not among them, none
    behind its subcommands."""
    names = {row.name for row in rows}
    missing = dict.fromkeys(row.name.partition("|")[0] for row in rows if "|" in row.name)
    containers = [
        CommandRow(name, -2, MODULE, "", "module", "1.0.0", "", "", "", "", "", None, False, (), 0, None)
        for name in missing
        if name not in names
    ]
    return containers + sorted(rows, key=lambda row: "|" in row.name)


def command(
    name: str,
    arity: int,
    flags: str = "",
    *,
    keys: str = "",
    group: str = "module",
    since: str = "1.0.0",
    summary: str = "",
    complexity: str = "",
    syntax: str = "",
    acl: str = "",
    tips: str = "",
) -> Callable[[AnyFunction], AnyFunction]:
    """Decorator: makes a Python function a command of whoever loads the file.

    The function is called with a Caller and the command's arguments, each as bytes, without its name: ``def greet(db,
    key)``. What it returns is the reply: bytes, str, int, float, bool, None, list, tuple, dict, set; an exception is an
    error. It runs as one unit: nothing else happens meanwhile, and others see all of it or nothing.

    name: in small letters; ``own|sub`` for a subcommand of a command ``own``. arity: how many arguments there are, the
    name (two words for a subcommand) included, or minus the least number of them. flags: of COMMAND, space-separated;
    without ``write`` the command may change nothing. What it changes is propagated as what it has called; with
    ``verbatim``, the request is instead, so it must do the same wherever it is executed. keys: which arguments are keys
    (key_specs.py), which users' rights, tracking and COMMAND GETKEYS go by. group, since, summary (else the first line
    of the docstring), complexity, syntax, tips: of COMMAND DOCS.
    acl: corrections of the categories that follow from flags and group, such as ``+dangerous -slow``.

    ValueError for what is not right.
    """
    bits = parse_flags(flags)
    if bits & _OWN_FLAGS:
        names = [word for word in flags.split() if FLAG_NAMES[word] & _OWN_FLAGS]
        raise ValueError(f"the flag {names[0]} is for the server's own commands")
    if not name or name != name.lower() or name.count("|") > 1 or any(not part for part in name.split("|")):
        raise ValueError(f"{name!r} is no name of a command: it is in small letters")
    if not name.isascii() or any(character.isspace() or not character.isprintable() for character in name):
        raise ValueError(f"{name!r} is no name of a command: it has no blanks")
    if arity == 0 or ("|" in name and abs(arity) < 2):
        raise ValueError(f"no command has the arity {arity}, as its name counts")
    if any(spec.begin == "unknown" for spec in parse_key_specs(keys)):
        raise ValueError("which arguments are keys must be said")
    derive_acl_categories(bits, group, False, acl)
    bits |= MODULE | (MOVABLE_KEYS if has_movable_keys(keys) else 0)

    def decorate(handler: AnyFunction) -> AnyFunction:
        row = CommandRow(
            name,
            arity,
            bits,
            keys,
            group,
            since,
            summary or _first_line(handler),
            complexity,
            syntax,
            acl,
            tips,
            None,
            False,
            (),
            0,
            handler,
        )
        return _define(handler, row)

    return decorate


def on(*events: str, pattern: str | bytes | None = None) -> Callable[[AnyFunction], AnyFunction]:
    """Decorator: has a Python function called for these keyspace events (``"set"``, ``"expired"``, …) of keys whose
    name matches.

    The function is called with a Caller, the event's name (str) and the key (bytes), when the unit of execution is over
    that has caused the event: ``def gone(db, event, key)``. What it does is a unit of its own, and propagated; what it
    returns is dropped, and an exception is logged. It is not called for what it has caused itself, nor for what others
    have caused because of it.

    ValueError for an event that there is not.
    """
    if not events:
        raise ValueError("a hook has one event at least")
    for event in events:
        if event not in EVENT_CLASSES:
            raise ValueError(f"there is no event {event!r}: the events are {', '.join(sorted(EVENT_CLASSES))}")
    wanted = pattern.encode("utf-8", "surrogateescape") if isinstance(pattern, str) else pattern

    def decorate(handler: AnyFunction) -> AnyFunction:
        return _define(handler, Hook(events, wanted, handler))

    return decorate


def function(
    name: str | None = None, *, flags: Iterable[str] = (), description: str | None = None
) -> Callable[[AnyFunction], AnyFunction]:
    """Decorator: makes a function of a library in Python one that FCALL calls, with a Caller, the keys and the other
    arguments, which are lists of bytes: ``def total(db, keys, arguments)``.

    name: how it is called, else the function's own. flags: as in Lua, such as ``no-writes``, without which FCALL_RO
    refuses it.
    description: as FUNCTION LIST shows it, else the first line of the docstring.
    """
    words = () if isinstance(flags, str) else tuple(flags)
    if isinstance(flags, str) or not all(isinstance(word, str) for word in words):
        raise TypeError("flags are a sequence of names")

    def decorate(handler: AnyFunction) -> AnyFunction:
        text = description if description is not None else _first_line(handler) or None
        return _define(handler, Function(name or handler.__name__, words, text, handler))

    return decorate
