"""A complete Redis server that pip installs.

    redislite-server [redis.conf] [--directive value ...]

From Python:

- ``Engine``: the data plane in this process, no socket: ``Engine().execute("SET", "key", "value")``.
- ``Config`` and ``Server``: a server of one's own, ``Server(config)``, then ``start()`` and ``serve()``.
- ``command``, ``function``, ``on``: decorators that make a Python function a command, a function of a library, or a
hook on
  keyspace events; see docs/scripting.md. ``Caller`` is what these are given to call commands with.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine
    from redislite._core.protocol.reply_types import CommandError
    from redislite._core.scripting.extension import command, function, on
    from redislite._core.scripting.python_calls import Caller
    from redislite.config.config import Config
    from redislite.server import Server

__all__ = ["Caller", "CommandError", "Config", "Engine", "Server", "command", "function", "on"]

_HOMES = {
    "Caller": "redislite._core.scripting.python_calls",
    "CommandError": "redislite._core.protocol.reply_types",
    "Config": "redislite.config.config",
    "Engine": "redislite._core.engine",
    "Server": "redislite.server",
    "command": "redislite._core.scripting.extension",
    "function": "redislite._core.scripting.extension",
    "on": "redislite._core.scripting.extension",
}


def __getattr__(name: str) -> object:
    """The public names, each imported when it is first used: the command line needs few of them."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
