"""MODULE: there are no modules, and everybody who asks is told so."""

from __future__ import annotations

import pytest

from redislite._core.protocol.reply_types import CommandError
from redislite.config.config import Config
from redislite.observability.log import NOTHING, Log
from redislite.server import Server

REQUESTS = (("load", "/x.so"), ("loadex", "/x.so", "CONFIG", "a", "b", "ARGS", "c"), ("unload", "x"))


def make_server(text: str, log: Log | None = None) -> Server:
    config = Config(change_directory=False)
    config.load(text)
    return Server(config, log or Log(level=NOTHING))


def error_of(server: Server, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        server.engine.execute("module", *words)
    return str(caught.value)


def test_none_is_there() -> None:
    server = make_server("")
    assert server.engine.execute("module", "list") == []
    shown = [str(line) for line in server.engine.execute("module", "help")]
    assert shown[0].startswith("MODULE <subcommand> ") and "UNLOAD <name>" in shown
    assert error_of(server, "nothing") == "ERR unknown subcommand 'nothing'. Try MODULE HELP."


@pytest.mark.parametrize("words", REQUESTS, ids=lambda words: words[0])
def test_changes_need_permission(words: tuple[str, ...]) -> None:
    assert error_of(make_server(""), *words).startswith("ERR MODULE command not allowed. If the enable-module-command")
    for permission in ("local", "yes"):
        error = error_of(make_server(f"enable-module-command {permission}"), *words)
        if words[0] == "unload":
            assert error == "ERR Error unloading module: no such module with that name"
        else:
            assert error == "ERR Error loading the extension. Please check the server logs."


def test_the_log_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    server = make_server("enable-module-command yes", Log())
    error_of(server, "load", "/path/x.so")
    assert "/path/x.so failed to load: this server has no interface for modules" in capfd.readouterr().out
