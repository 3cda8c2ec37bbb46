"""Every public method and attribute of the data plane's classes, with values and objects that make no sense.

They are found by introspection, so that what is added is tried as well. Anything may be raised; the interpreter must
not crash, which the test would not survive, and the engine must be as good as before.
"""

from __future__ import annotations

import contextlib
import inspect
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from redislite._core.commands.row import command
from redislite._core.connection import Connection
from redislite._core.dispatch.permissions import Permissions
from redislite._core.engine import Engine
from redislite._core.persistence.append_log import AppendOnlyLog
from redislite._core.persistence.fork import ChildReport
from redislite._core.protocol.decoding import decode
from redislite._core.protocol.reply_types import CommandError

HUGE = 1 << 70
# What descriptors are tried with: none that is open.
DESCRIPTORS = [-1, 1 << 20, None, HUGE]
# What would do what it says: end the process, take all memory, sleep.
HARMFUL = {"report_crashes"}


class World:
    """An engine, and objects of each kind and in each state."""

    def __init__(self) -> None:
        self.internal: Any = None

        @command("internal", 1, "fast", group="server", since="1.0.0", summary="Shows the engine's own connection.")
        def show(control: Any, connection: Any, args: list[bytes]) -> object:
            self.internal = connection
            return None

        self.engine = Engine(3)
        self.engine.register(show.command_rows)
        self.engine.on_exception = lambda error: None
        self.engine.execute("INTERNAL")
        self.peers: list[socket.socket] = []
        self.connection = self.connect(self.engine)
        self.released = self.connect(self.engine)
        self.engine.close(self.released)
        self.other = Engine()
        self.foreign = self.connect(self.other)
        self.orphan = Connection()
        self.permissions = self.engine.new_permissions()
        self.log = self.engine.append_log
        self.report = ChildReport()
        self.replay = self.engine.replay(bytearray(b"*1\r\n$4\r\nPING\r\n"))
        self.replay.finish()

    def connect(self, engine: Engine) -> Any:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        self.peers.append(peer)
        return engine.connect(ours.detach(), "peer", "here")

    def check(self) -> None:
        """The engine serves, with the same data."""
        engine = self.engine
        engine.heap_limit = engine.heap_until_failure = 0
        for gate in ("pause_all", "pause_write", "loading", "monitors"):
            engine.set_gate(gate, False)
        engine.refuse_writes(None)
        engine.replaying = False
        engine.failure = None
        self.internal.use_permissions(None)
        with contextlib.suppress(Exception):
            engine.execute("DISCARD")
        engine.execute("SELECT", "1")
        engine.execute("SET", "k", "v")
        assert engine.execute("GET", "k") == b"v"
        engine.execute("DEL", "k")
        engine.execute("SELECT", "0")
        engine.before_sleep()
        fresh = self.connect(engine)
        self.peers[-1].sendall(b"*1\r\n$4\r\nPING\r\n")
        fresh.ready(1)
        engine.before_sleep()
        assert self.peers[-1].recv(100) == b"+PONG\r\n"
        engine.close(fresh)
        self.peers.pop().close()

    def values(self) -> list[Any]:
        """Of everything something."""
        return [
            None, -1, 0, 1, 500, 1 << 31, 1 << 63, -(1 << 63), HUGE, True, 1.5, b"", b"x", "", "x", "hz", "loading", (),
            [], {}, [None], [b"x"], [(b"", (), (), (), ())], {b"x": b"y"}, object(), bytearray(b"x"), len, self.engine,
            self.other, self.connection, self.released, self.foreign, self.orphan, self.internal, self.permissions,
            Permissions(),
        ]  # fmt: skip


def parameters_of(function: Any) -> list[inspect.Parameter]:
    """The parameters of a method of the data plane: its documentation begins with them, as they stand in the source."""
    head, _, _ = (function.__doc__ or "").partition("\n")
    kinds = inspect.Parameter
    kind = kinds.POSITIONAL_OR_KEYWORD
    parameters = []
    text = head.partition("(")[2].rpartition(")")[0]
    while "[" in text:  # of types, whose commas separate nothing
        inner = text.rpartition("[")
        text = inner[0] + inner[2].partition("]")[2]
    for part in filter(None, (part.partition("=")[0].partition(":")[0].strip() for part in text.split(","))):
        name = part.removesuffix(" not None").split()[-1]
        if name == "*":
            kind = kinds.KEYWORD_ONLY
        elif name.startswith("*"):
            parameters.append(kinds(name.strip("*"), kinds.VAR_KEYWORD if name[1] == "*" else kinds.VAR_POSITIONAL))
        elif name != "self":
            parameters.append(kinds(name, kind))
    return parameters


def test_methods_tell_their_parameters() -> None:
    # Without them nothing would be tried below.
    assert [one.name for one in parameters_of(Engine.flush)] == ["number", "lazy"]
    assert [one.kind.name for one in parameters_of(Engine.execute)] == ["VAR_POSITIONAL"]
    assert [(one.name, one.kind.name) for one in parameters_of(Connection.close_soon)] == [
        ("after_reply", "KEYWORD_ONLY")
    ]
    methods = [getattr(kind, name) for kind in KINDS for name in members(kind) if callable(getattr(kind, name))]
    assert sum(bool(parameters_of(method)) for method in methods) > 40


def calls(function: Any, world: World) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arguments to call it with: each parameter takes each value, the others taking some that are likely."""
    parameters = parameters_of(function)
    likely: dict[str, Any] = {
        "fd": -1, "number": 0, "key": b"k", "value": 1, "name": "hz", "connection": world.connection, "redirect": None,
        "prefixes": [], "prefix": b"x", "options": 1, "lazy": False, "on": True, "id": 0, "report": None,
        "data": bytearray(b"x"),
        "flag": 0, "selectors": [], "arguments": [b"get", b"k"], "database": 0, "channel": b"c", "is_pattern": False,
        "rows": (),
        "new_name": "", "address": "a", "local_address": "b", "bits": 0, "size": 0, "kind": 0, "permissions": None,
    }  # fmt: skip
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    named = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    given = [likely.get(one.name, 1) for one in positional]
    yield given, {}
    yield [], {}
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        for value in world.values():
            yield [value], {}
            yield ["SET", value, value], {}
    for place, one in enumerate(positional):
        for value in DESCRIPTORS if one.name == "fd" else world.values():
            yield [*given[:place], value, *given[place + 1 :]], {}
    for one in named:
        for value in world.values():
            yield given, {one.name: value}


def members(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_") and name not in HARMFUL]


def subjects(world: World) -> dict[str, list[Any]]:
    """The objects of each class, in each state."""
    return {
        "Engine": [world.engine],
        "Connection": [world.connection, world.released, world.orphan, world.internal],
        "Permissions": [world.permissions, Permissions()],
        "AppendOnlyLog": [world.log, AppendOnlyLog()],
        "ChildReport": [world.report],
        "Replay": [
            world.replay,
            type(world.replay)(bytearray(b"*1\r\n"), 0),
            world.engine.replay(bytearray(b"*1\r\n$4\r\nPING\r\n")),
        ],
    }


KINDS = (Engine, Connection, Permissions, AppendOnlyLog, ChildReport, type(Engine().replay(bytearray())))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in members(kind)])
def test_member(kind: type, name: str) -> None:
    world = World()
    for number in range(len(subjects(world)[kind.__name__])):
        world = World()
        subject = subjects(world)[kind.__name__][number]
        try:
            member = getattr(subject, name)
        except Exception:
            member = None
        if callable(member) and not isinstance(member, Engine | Connection) and not name.startswith("on_"):
            for args, named in calls(member, world):
                with contextlib.suppress(Exception):
                    result = member(*args, **named)
                    if isinstance(result, Connection):
                        world.engine.close(result)
            world.check()
        else:
            for value in world.values():
                with contextlib.suppress(Exception):
                    setattr(subject, name, value)
                with contextlib.suppress(Exception):
                    getattr(subject, name)
            with contextlib.suppress(Exception):
                setattr(subject, name, member)
        world.check()


@pytest.mark.parametrize("name", [name for name in vars(Engine) if name.startswith("on_")] or ["on_close"])
def test_a_callback_that_is_none(name: str) -> None:
    world = World()
    setattr(world.engine, name, 5)
    with contextlib.suppress(Exception):
        world.check()


@pytest.mark.parametrize("databases", [0, -1, -(1 << 31), HUGE, None, "x"])
def test_engines_that_cannot_be(databases: Any) -> None:
    with pytest.raises((ValueError, OverflowError, TypeError)):
        Engine(databases)


@pytest.mark.parametrize("number", [-1, 16, 500, 9999, 1 << 31, -(1 << 31)])
def test_databases_that_are_not_there(number: int) -> None:
    engine = Engine()
    for call in (
        lambda: engine.database_size(number),
        lambda: engine.database_statistics(number),
        lambda: engine.inspect(number, b"x"),
        lambda: engine.value_nodes(number, b"x"),
        lambda: engine.value_table(number, b"x"),
        lambda: engine.serialized_length(number, b"x"),
        lambda: engine.string_value(number, b"x"),
        lambda: engine.list_elements(number, b"x"),
        lambda: engine.key_names(number),
        lambda: engine.add_string(number, b"x", b"y"),
        *([] if number == -1 else [lambda: engine.flush(number, False)]),
    ):
        with pytest.raises((IndexError, OverflowError)):
            call()


def test_connections_of_others() -> None:
    world = World()
    for connection in (world.foreign, world.orphan, world.released):
        for call in (
            lambda one=connection: world.engine.track(one, 1, None, []),
            lambda one=connection: world.engine.stop_tracking(one),
            lambda one=connection: world.engine.set_caching(one),
            lambda one=connection: world.engine.track(world.connection, 1, one, []),
        ):
            with pytest.raises(ValueError, match="released, or another engine's"):
                call()
    with pytest.raises(ValueError, match="another engine's"):
        world.engine.close(world.foreign)
    with pytest.raises(ValueError, match="another engine's"):
        world.foreign.use_permissions(world.permissions)
    assert world.foreign.is_open
    for connection in (world.orphan, world.released):
        with pytest.raises(RuntimeError, match="released"):
            _ = connection.database


# What a released connection answers: what it was. What ends it, or sends it something, is harmless then: whoever does
# so cannot know. All else says that it is released.
WAS = {
    "active_ms", "address", "authenticated", "created_ms", "engine", "fileno", "flags", "id", "is_open", "last_command",
    "library_name", "library_version", "local_address", "name", "permissions", "protocol", "queued_commands",
    "said_library_name", "said_library_version", "said_name", "state", "subscription_counts", "tracking_options",
    "tracking_prefixes", "tracking_redirect", "user", "watched_keys",
}  # fmt: skip
HARMLESS = {
    "append", "append_raw", "close_soon", "discard_transaction", "overlapping_prefix", "ready", "release", "resume",
    "subscriptions", "time_out", "unblock_with_error", "unsubscribe_all",
}  # fmt: skip
PLAIN = {"address", "library_name", "library_version", "local_address", "name", "state", "user"}  # of its object alone


@pytest.mark.parametrize("name", members(Connection))
def test_a_connection_after_its_end_says_so(name: str) -> None:
    world = World()
    for subject in (world.released, world.orphan):
        if name in WAS:
            value = getattr(subject, name)
            if name not in PLAIN:
                with pytest.raises((RuntimeError, AttributeError), match=r"released|not writable|no setter|can't set"):
                    setattr(subject, name, 2 if name == "protocol" else value)
        elif name in HARMLESS:
            arguments, named = next(calls(getattr(subject, name), world))
            assert not getattr(subject, name)(*[b"x" if name == "append_raw" else one for one in arguments], **named)
        else:
            with pytest.raises(RuntimeError, match="released"):
                member = getattr(subject, name)
                member(*next(calls(member, world))[0])
    world.check()


SETTINGS = ("hz", "eviction_samples", "lfu_decay_minutes", "list_max_listpack_size", "stream_node_max_entries")


@pytest.mark.parametrize("value", [-1, 0, 1 << 62, -(1 << 62)])
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_make_no_sense(name: str, value: int) -> None:
    engine = Engine()
    engine.set("eviction_policy", 17)
    engine.set(name, value)
    for number in range(20):
        for words in (("SET", "k", number), ("RPUSH", "l", number), ("XADD", "s", f"{number + 1}-1", "f", "v")):
            with contextlib.suppress(CommandError):
                engine.execute(*words)
    engine.cron(1000)
    engine.before_sleep()


def test_commands_taken_away_while_clients_have_them() -> None:
    engine = Engine()
    engine.execute("MULTI")
    engine.execute("PING")
    engine.rename_command("ping", "")
    assert engine.execute("EXEC") == ["PONG"]
    with pytest.raises(CommandError, match="unknown command"):
        engine.execute("PING")


NO_REPLIES = [b"", b"+", b"$5\r\nab", b"*2\r\n:1\r\n", b"*-5\r\n", b"$x\r\n", b"%1\r\n*0\r\n:1\r\n", None]


@pytest.mark.parametrize("data", NO_REPLIES)
def test_bytes_that_are_no_reply(data: Any) -> None:
    with contextlib.suppress(Exception):
        decode(data)
