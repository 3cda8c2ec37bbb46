"""MODULE: extensions for the original's C interface. None can be loaded; what asks which there are is answered."""

from __future__ import annotations

from redislite._core.commands.row import command, container
from redislite._core.protocol.reply_types import CommandError, help_reply
from redislite.commands.permission import require_enabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Configuration, needs.Logging, Protocol):
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
    """MODULE LIST: none."""
    return []


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
    return _refuse_load(server, connection, args[2])


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
    return _refuse_load(server, connection, args[2])


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
    raise CommandError("ERR Error unloading module: no such module with that name")


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
            ("LIST", "List the modules that are loaded: there are none."),
            ("LOAD <path> [<arg> ...]", "Fails: modules need the original's C interface."),
            ("LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]", "Fails likewise."),
            ("UNLOAD <name>", "Fails, as there is none."),
        ),
    )


def _refuse_load(server: Server, connection: Connection, path: bytes) -> object:
    require_enabled(server, connection, "module")
    shown = path.decode("utf-8", "backslashreplace")
    server.log.warning(f"Module {shown} failed to load: this server has no interface for modules.")
    raise CommandError("ERR Error loading the extension. Please check the server logs.")
