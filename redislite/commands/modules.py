"""MODULE: files in Python that add commands and hooks. Those for the original's C interface cannot be loaded."""

from __future__ import annotations

import os

from redislite._core.commands.row import command, container
from redislite._core.protocol.reply_types import OK, CommandError, help_reply
from redislite.commands.permission import require_enabled
from redislite.serving.extensions import ExtensionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Configuration, needs.Extending, needs.Logging, Protocol):
        """What MODULE needs of the server."""


COMMANDS = [container("module", group="server", since="4.0.0", summary="A container for commands about modules.")]


@command(
    "module|list",
    2,
    "admin noscript",
    group="server",
    since="4.0.0",
    tips="nondeterministic_output_order",
    summary="Returns the modules that are loaded.",
    complexity="O(N) for N modules",
)
def module_list(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MODULE LIST."""
    return [
        {
            "name": extension.name,
            "ver": extension.version,
            "path": extension.path,
            "args": list(extension.arguments),
        }
        for extension in server.extensions
    ]


@command(
    "module|load",
    -3,
    "admin noscript protected no_async_loading",
    group="server",
    since="4.0.0",
    syntax="path [arg...]",
    summary="Loads a module.",
    complexity="O(1)",
)
def module_load(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MODULE LOAD path [arg ...]."""
    return _load(server, connection, args[2], args[3:])


@command(
    "module|loadex",
    -3,
    "admin noscript protected no_async_loading",
    group="server",
    since="7.0.0",
    syntax="path [CONFIG... configs:(name value)] [ARGS args...]",
    summary="Loads a module, with directives of its own.",
    complexity="O(1)",
)
def module_loadex(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MODULE LOADEX path [CONFIG name value ...] [ARGS arg ...]."""
    require_enabled(server, connection, "module")
    words = args[3:]
    if words and words[0].lower() == b"config" and args[2].endswith(b".py"):
        raise CommandError("ERR Error loading the extension: a file in Python has no directives of its own")
    if words and words[0].lower() not in (b"args", b"config"):
        raise CommandError("ERR syntax error")
    return _load(server, connection, args[2], words[1:])


@command(
    "module|unload",
    3,
    "admin noscript protected no_async_loading",
    group="server",
    since="4.0.0",
    syntax="name",
    summary="Unloads a module.",
    complexity="O(1)",
)
def module_unload(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MODULE UNLOAD name."""
    require_enabled(server, connection, "module")
    try:
        server.extensions.unload(args[2].decode("utf-8", "surrogateescape"))
    except ExtensionError as error:
        raise CommandError(f"ERR Error unloading module: {error}") from None
    return OK


@command(
    "module|help",
    2,
    "loading stale",
    group="server",
    since="5.0.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def module_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """MODULE HELP."""
    return help_reply(
        "module",
        (
            ("LIST", "List the modules that are loaded."),
            ("LOAD <path> [<arg> ...]", "Load a file in Python, and pass it the arguments."),
            ("LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]", "The same; there is nothing to CONFIG."),
            ("UNLOAD <name>", "Take away what a file has added."),
        ),
    )


def _load(server: Server, connection: Connection, path: bytes, arguments: list[bytes]) -> object:
    require_enabled(server, connection, "module")
    shown = path.decode("utf-8", "backslashreplace")
    words = [argument.decode("utf-8", "surrogateescape") for argument in arguments]
    try:
        extension = server.extensions.load(os.fsdecode(path), words)
    except ExtensionError as error:
        server.log.warning(f"Module {shown} failed to load: {error}")
        if not path.endswith(b".py"):
            raise CommandError("ERR Error loading the extension. Please check the server logs.") from None
        raise CommandError(f"ERR Error loading the extension: {error}") from None
    server.log.notice(f"Module '{extension.name}' loaded from {shown}")
    return OK
