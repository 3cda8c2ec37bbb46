"""A directive is one row: its name, its values, its default, when it may change, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from redislite import CommandError
from redislite._core.engine import Engine
from redislite.config.config import Config, ConfigError
from redislite.config.directives import BUILT_IN, DIRECTIVES, IMMUTABLE, Directive, DirectiveTable
from redislite.config.kinds import Boolean, Choice, Integer
from redislite.observability.log import NOTHING, Log
from redislite.process.crash_reports import CrashReports
from redislite.process.oom_score import OomScore
from redislite.server import Server

FIELD = "list_packed_threshold"  # which no directive sets


class Servers:
    """Makes servers with further directives, and ends them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "redis.conf"
        self.made: list[Server] = []

    def make(self, *rows: Directive, text: str = "", kind: type[Server] = Server) -> Server:
        self.path.write_text(text)
        config = Config(change_directory=False, directives=DirectiveTable((*DIRECTIVES, *rows)))
        config.load_file(str(self.path))
        server = kind(config, Log(NOTHING))
        self.made.append(server)
        return server


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(tmp_path)
    yield servers
    for server in servers.made:
        server.discard()


def test_a_new_directive_is_one_row(servers: Servers) -> None:
    row = Directive("packed-threshold", Integer(1, 60000), 700, aliases=("old-packed-threshold",), sets=FIELD)
    server = servers.make(row, text="# mine\nmaxclients 100\n")
    execute, field = server.engine.execute, lambda: server.engine.get(FIELD)
    assert field() == 700
    assert execute("CONFIG", "GET", "*packed-thr*") == {b"old-packed-threshold": b"700", b"packed-threshold": b"700"}
    assert execute("CONFIG", "SET", "Old-Packed-Threshold", "900") == "OK"
    assert field() == 900
    assert execute("CONFIG", "GET", "packed-threshold") == {b"packed-threshold": b"900"}
    for value, reason in (("0", "argument must be between 1 and 60000 inclusive"), ("x", "couldn't be parsed")):
        with pytest.raises(CommandError, match=reason):
            execute("CONFIG", "SET", "packed-threshold", value)
    # Of several all or none are set.
    with pytest.raises(CommandError, match="'maxclients'"):
        execute("CONFIG", "SET", "packed-threshold", "5", "maxclients", "0")
    assert field() == 900
    execute("CONFIG", "REWRITE")
    lines = servers.path.read_text().splitlines()
    assert lines[:2] == ["# mine", "maxclients 100"] and "packed-threshold 900" in lines
    again = servers.make(row, text=servers.path.read_text())
    assert again.engine.get(FIELD) == 900


def test_a_file_sets_it_at_the_start_and_only_then(servers: Servers) -> None:
    row = Directive("packing", Choice(("never", "always", "sometimes")), "never", IMMUTABLE, sets=FIELD)
    server = servers.make(row, text="packing SOMETIMES\n")
    assert server.engine.get(FIELD) == 2
    with pytest.raises(CommandError, match="can't set immutable config"):
        server.engine.execute("CONFIG", "SET", "packing", "always")
    assert server.engine.get(FIELD) == 2


class Noting(Server):
    """A server with a function that a row calls; it refuses zero."""

    def note(self, config: Config, name: str) -> None:
        self.noted = [*getattr(self, "noted", []), (name, config[name], self.engine.get(FIELD))]
        if not config["packed-threshold"]:
            raise ConfigError("this cannot be")


def test_a_row_says_what_is_called_after_a_change(servers: Servers) -> None:
    rows = (
        Directive("packed-threshold", Integer(0, 9), 3, sets=FIELD, calls="note"),
        Directive("packed-at-all", Boolean(), True, calls="note"),
    )
    server = servers.make(*rows, kind=Noting)
    assert isinstance(server, Noting) and not hasattr(server, "noted")
    server.engine.execute("CONFIG", "SET", "packed-threshold", "4")
    # The data plane knows before; one call is enough for all directives of one request.
    assert server.noted == [("packed-threshold", 4, 4)]
    server.engine.execute("CONFIG", "SET", "packed-at-all", "no", "packed-threshold", "5")
    assert server.noted[1:] == [("packed-at-all", False, 5)]
    with pytest.raises(CommandError, match=r"'packed-threshold'.* - this cannot be"):
        server.engine.execute("CONFIG", "SET", "packed-threshold", "0")
    assert (server.config["packed-threshold"], server.engine.get(FIELD)) == (5, 5)
    assert server.noted[2:] == [("packed-threshold", 0, 0), ("packed-threshold", 5, 5)]


def test_a_setting_that_there_is_not_is_told_at_the_start(servers: Servers) -> None:
    with pytest.raises(KeyError, match="no_such_field"):
        servers.make(Directive("packed-threshold", Integer(0, 9), 3, sets="no_such_field"))


@pytest.mark.parametrize(("name", "aliases"), [("HZ", ()), ("hz", ()), ("mine", ("hz",)), ("lua-time-limit", ())])
def test_names_that_cannot_be(name: str, aliases: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"already|small letters"):
        DirectiveTable((*DIRECTIVES, Directive(name, Integer(0, 9), 3, aliases=aliases)))


def test_what_rows_call_is_there(servers: Servers) -> None:
    # Subsystems of a process that is all the server's.
    owners = {"oom_score": OomScore, "crash_reports": CrashReports}
    server = servers.make()
    calls = {row.calls for row in DIRECTIVES if row.calls}
    for call in calls:
        owner, _, function = call.rpartition(".")
        assert callable(getattr(owners.get(owner) or (getattr(server, owner) if owner else server), function)), call
    assert len(calls) > 8


def test_an_engine_without_configuration_has_the_defaults() -> None:
    """What an embedded engine begins with stands in the data plane, which knows no directives: it is the same."""
    config = Config()
    engine = Engine()
    expected = dict(config.profile.settings)
    for row in BUILT_IN.rows:
        expected.update(row.settings(config[row.name]))
    assert len(expected) > 60
    assert {name: engine.get(name) for name in expected} == expected
