"""Commands that cannot be registered: a clear error, and neither the engine nor the server is changed by half."""

from __future__ import annotations

import gc
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import redislite.server
from redislite import CommandError, Engine
from redislite._core.commands.row import CommandRow, command, container, native, rows_of
from redislite.commands import pubsub
from redislite.config.config import Config, ConfigFileError
from redislite.observability.log import NOTHING, Log
from redislite.server import Server

COMMANDS_MAX = 1024  # of an engine


def row(name: str, answer: bytes = b"done", keys: str = "") -> CommandRow:
    @command(name, -1, "fast", keys=keys, group="server", since="1.0.0", summary="Answers always the same.")
    def handler(control: Any, connection: Any, args: list[bytes]) -> object:
        return answer

    rows: list[CommandRow] = handler.command_rows  # type: ignore[attr-defined]
    return rows[0]


def box(name: str) -> CommandRow:
    return container(name, group="server", since="1.0.0", summary="Has subcommands.")


def raising() -> Iterator[CommandRow]:
    yield row("first")
    raise OSError("the file ends here")


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a name that is taken": (lambda: [row("first"), row("get")], ValueError, "there is a command 'get' already"),
    "twice": (lambda: [row("first"), row("second"), row("first")], ValueError, "there is a command 'first' already"),
    "a subcommand twice": (
        lambda: [box("box"), row("box|a"), row("box|a")], ValueError, r"there is a command 'box\|a' already",
    ),
    "a subcommand that is taken": (
        lambda: [row("first"), row("object|freq")], ValueError, r"there is a command 'object\|freq' already",
    ),
    "a subcommand of nothing": (lambda: [row("first"), row("box|a")], ValueError, "without its container"),
    "no name": (lambda: [row("first"), row("")], ValueError, "cannot be the name"),
    "no name of a subcommand": (lambda: [box("box"), row("box|")], ValueError, "cannot be the name"),
    "a name in capitals": (lambda: [row("first"), row("Second")], ValueError, "small letters"),
    "a name that is too long": (lambda: [row("first"), row("x" * 64)], ValueError, "1 to 63 bytes"),
    "keys that are too many": (
        lambda: [row("first"), row("second", keys="; ".join(["RO ACCESS @ 1"] * 40))], ValueError, "4 key",
    ),
    "nothing": (lambda: [row("first"), None], TypeError, "registered by its row, not by None"),
    "a function": (lambda: [row("first"), len], TypeError, "registered by its row"),
    "a name alone": (lambda: "first", TypeError, "registered by its row, not by 'f'"),
    "a source that raises": (raising, OSError, "the file ends here"),
    "more than there is room for": (
        lambda: [row(f"command-{number}") for number in range(COMMANDS_MAX)], ValueError, "holds 1024 commands",
    ),
}  # fmt: skip


def state(engine: Engine) -> tuple[object, ...]:
    rows = engine.table.rows
    return len(engine.table), list(rows), [list(one.subcommands) for one in rows], engine.memory["used"]


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_cannot_be_leave_nothing(name: str) -> None:
    make, error, text = REFUSED[name]
    engine = Engine()
    engine.register([row("before", b"here")])
    before = state(engine)
    with pytest.raises(error, match=text):
        engine.register(make())
    assert state(engine) == before
    assert engine.execute("BEFORE") == b"here"
    for unknown in ("FIRST", "SECOND", "BOX", "command-0"):
        with pytest.raises(CommandError, match="unknown command"):
            engine.execute(unknown)
    # What was refused with the others may come without them.
    engine.register([row("first", b"second time"), box("box"), row("box|a", b"within")])
    assert engine.execute("FIRST") == b"second time" and engine.execute("BOX", "A") == b"within"
    assert engine.execute("SET", "k", "v") == "OK"


@pytest.mark.skipif(not Engine().heap_is_checked, reason="needs a build with a checked heap")
def test_memory_that_runs_out_leaves_nothing() -> None:
    engine = Engine()
    before = state(engine)
    for allocations in range(1, 500):
        engine.heap_until_failure = allocations
        try:
            engine.register([box("box"), row("box|a", b"within", keys="RO ACCESS @ 1"), row("first")])
        except MemoryError:
            engine.heap_until_failure = 0
            assert state(engine) == before
        else:
            break
    engine.heap_until_failure = 0
    assert allocations > 4
    assert engine.execute("BOX", "A", "k") == b"within"


def test_commands_get_subcommands_later() -> None:
    engine = Engine()
    engine.register([row("alone", b"alone")])
    engine.register([row("alone|not", b"not any more"), row("object|mine", b"mine")])
    assert engine.execute("ALONE") == b"alone" and engine.execute("ALONE", "NOT") == b"not any more"
    assert engine.execute("OBJECT", "MINE") == b"mine"
    assert engine.execute("OBJECT", "HELP")


def test_rows_without_what_they_call() -> None:
    facts: dict[str, Any] = {"group": "server", "since": "1.0.0", "summary": "Does nothing."}
    with pytest.raises(ValueError, match="command 'first' without a handler"):
        native("first", 0, 2, **facts)
    with pytest.raises(TypeError, match="the handler of command 'first' is 'x', which is no function"):
        command("first", 2, **facts)("x")  # type: ignore[type-var]
    with pytest.raises(TypeError, match="which is no function"):
        command("first", 2, **facts)(len)
    with pytest.raises(ValueError, match="unknown command flag 'quick'"):
        command("first", 2, "quick", **facts)(lambda control, connection, args: None)


def test_a_file_that_raises_registers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "extension.py"
    path.write_text(
        "from redislite._core.commands.row import command\n"
        "@command('first', 1, group='server', since='1.0.0', summary='Is there.')\n"
        "def first(control, connection, args): return 'there'\n"
        "raise RuntimeError('half way')\n"
    )
    engine = Engine()
    before = state(engine)
    specification = importlib.util.spec_from_file_location("extension", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.raises(RuntimeError, match="half way"):
        specification.loader.exec_module(module)
    assert state(engine) == before
    # What had been defined by then is only registered by who asks for it.
    engine.register(rows_of(module))
    assert engine.execute("FIRST") == b"there"


def held() -> tuple[int, set[str]]:
    """Threads and open descriptors of this process."""
    gc.collect()
    return threading.active_count(), set(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not tell of descriptors")
def test_a_server_that_cannot_be_made_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(Config(change_directory=False), Log(NOTHING)).discard()
    config = Config(change_directory=False)
    config.load("rename-command get fetch\nrename-command nosuch other\n")
    before = held()
    with pytest.raises(ConfigFileError, match="No such command in rename-command"):
        Server(config, Log(NOTHING))
    with monkeypatch.context() as patch:
        patch.setattr(redislite.server, "COMMAND_MODULES", (*redislite.server.COMMAND_MODULES, pubsub))
        with pytest.raises(ValueError, match=r"there is a command 'pubsub\|help' already"):
            Server(config, Log(NOTHING))
    config.renamed_commands.pop()
    config.load("user bob on nosuchrule\n")
    with pytest.raises(Exception, match="bob"):
        Server(config, Log(NOTHING))
    assert held() == before
    # The configuration is as good as before: nothing of those listens to it.
    config.users.clear()
    server = Server(config, Log(NOTHING))
    assert server.engine.execute("CONFIG", "SET", "hz", "20") == "OK"
    assert server.engine.get("hz") == 20
    with pytest.raises(CommandError, match="unknown command"):
        server.engine.execute("GET", "k")
    server.discard()
