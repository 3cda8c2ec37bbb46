"""A complete Redis server that pip installs.

    redislite-server [redis.conf] [--directive value ...]

From Python:

- ``Engine``: the data plane in this process, no socket: ``Engine().execute("SET", "key", "value")``.
- ``Redis``, ``aio.Redis``: redis-py's clients on a ``Database`` in this process; see docs/embedded.md. They need
  redis-py: ``pip install redislite-server[client]``.
- ``Config`` and ``Server``: a server of one's own, ``Server(config)``, then ``start()`` and ``serve()``.
- ``command``, ``function``, ``on``: decorators that make a Python function a command, a function of a library, or a
  hook on keyspace events; see docs/scripting.md. ``Caller`` is what these are given to call commands with.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine
    from redislite._core.protocol.reply_types import CommandError
    from redislite._core.scripting.extension import command, function, on
    from redislite._core.scripting.python_calls import Caller
    from redislite.config.config import Config
    from redislite.embedded.client import Redis, StrictRedis
    from redislite.embedded.database import Database, DatabaseClosed, open
    from redislite.embedded.keeping import LockedError
    from redislite.server import Server

__all__ = [
    "Caller",
    "CommandError",
    "Config",
    "Database",
    "DatabaseClosed",
    "Engine",
    "LockedError",
    "Redis",
    "Server",
    "StrictRedis",
    "command",
    "function",
    "on",
    "open",
]

_HOMES = {
    "Caller": "redislite._core.scripting.python_calls",
    "CommandError": "redislite._core.protocol.reply_types",
    "Config": "redislite.config.config",
    "Database": "redislite.embedded.database",
    "DatabaseClosed": "redislite.embedded.database",
    "Engine": "redislite._core.engine",
    "LockedError": "redislite.embedded.keeping",
    "Redis": "redislite.embedded.client",
    "Server": "redislite.server",
    "StrictRedis": "redislite.embedded.client",
    "command": "redislite._core.scripting.extension",
    "function": "redislite._core.scripting.extension",
    "on": "redislite._core.scripting.extension",
    "open": "redislite.embedded.database",
}


def __getattr__(name: str) -> object:
    """The public names, each imported when it is first used: the command line needs few of them."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        module = importlib.import_module(home)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        reason = "needs redis-py, version 8 or later: pip install redislite-server[client]"
        raise ImportError(f"redislite.{name} {reason}") from error
    value = getattr(module, name)
    globals()[name] = value
    return value
