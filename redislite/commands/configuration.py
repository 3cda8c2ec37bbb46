"""CONFIG: reading and changing the directives while the server runs."""

from __future__ import annotations

from redislite._core.commands.row import command, container
from redislite._core.protocol.reply_types import OK, SYNTAX_ERROR, CommandError, help_reply
from redislite.commands.permission import is_local
from redislite.config.config import ConfigError, ConfigLoadingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Configuration, needs.Logging, needs.Measurement, needs.Persistence, Protocol):
        """What CONFIG needs of the server."""


COMMANDS = [
    container("config", group="server", since="2.0.0", summary="A container for commands about the configuration."),
]


@command(
    "config|get",
    -3,
    "admin noscript loading stale",
    group="server",
    since="2.0.0",
    syntax="parameter...",
    summary="Returns the parameters whose names match patterns.",
    complexity="O(N) for N parameters",
)
def config_get(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CONFIG GET pattern [pattern ...]: names and values."""
    return dict(server.config.matching(args[2:]))


@command(
    "config|set",
    -4,
    "admin noscript loading stale",
    group="server",
    since="2.0.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    syntax="data:(parameter value)...",
    summary="Changes parameters, all of them or none.",
    complexity="O(N) for N parameters",
)
def config_set(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CONFIG SET name value [name value ...]."""
    if len(args) % 2:
        raise CommandError(SYNTAX_ERROR)
    pairs = list(zip(args[2::2], args[3::2], strict=True))
    try:
        server.config.set_runtime(pairs, loading=server.loading.active, local=is_local(connection))
    except ConfigLoadingError as error:
        raise CommandError(f"LOADING {error}") from None
    except ConfigError as error:
        raise CommandError(f"ERR {error}") from None
    return OK


@command(
    "config|resetstat",
    2,
    "admin noscript loading stale",
    group="server",
    since="2.0.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    summary="Sets the figures of INFO that count something to zero.",
    complexity="O(N) for N commands",
)
def config_resetstat(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CONFIG RESETSTAT: figures of commands, errors and latencies included."""
    server.engine.reset_statistics()
    server.metrics.reset()
    return OK


@command(
    "config|rewrite",
    2,
    "admin noscript loading stale",
    group="server",
    since="2.8.0",
    tips="request_policy:all_nodes response_policy:all_succeeded",
    summary="Writes the parameters in effect into the configuration file.",
    complexity="O(N) for N parameters",
)
def config_rewrite(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CONFIG REWRITE."""
    try:
        server.config.rewrite()
    except ConfigError as error:
        raise CommandError(f"ERR {error}") from None
    except OSError as error:
        server.log.warning(f"CONFIG REWRITE failed: {error.strerror}")
        raise CommandError(f"ERR Rewriting config file: {error.strerror}") from None
    server.log.notice("CONFIG REWRITE executed with success.")
    return OK


@command(
    "config|help",
    2,
    "loading stale",
    group="server",
    since="5.0.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def config_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CONFIG HELP."""
    return help_reply(
        "config",
        (
            ("GET <pattern> [<pattern> ...]", "Show the parameters whose names match a pattern."),
            ("SET <parameter> <value> [<parameter> <value> ...]", "Change parameters, all of them or none."),
            ("RESETSTAT", "Set the figures of INFO that count something to zero."),
            ("REWRITE", "Write the parameters in effect into the configuration file."),
        ),
    )
