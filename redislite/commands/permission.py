"""Who may use what is not for everybody: commands behind an `enable-…-command` directive, and protected directives."""

from __future__ import annotations

from redislite._core.protocol.reply_types import CommandError
from redislite.serving.clients import CLIENT_INTERNAL, CLIENT_UNIX
from redislite.serving.listeners import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Configuration, Protocol):
        """What this needs of the server."""


def is_local(connection: Connection) -> bool:
    """Whether the client is on this machine: over a Unix socket, the loopback interface, or within the process."""
    if connection.flags & (CLIENT_UNIX | CLIENT_INTERNAL):
        return True
    return is_loopback(connection.address.rpartition(":")[0].strip("[]"))


def require_enabled(server: Server, connection: Connection, command: str) -> None:
    """Raise CommandError unless the directive `enable-<command>-command` lets this client use the command."""
    directive = f"enable-{command}-command"
    permission = server.config[directive]
    if permission == "yes" or (permission == "local" and is_local(connection)):
        return
    raise CommandError(
        f'ERR {command.upper()} command not allowed. If the {directive} option is set to "local", you can run it from '
        "a local connection, otherwise you need to set this option in the configuration file, and then restart the "
        "server."
    )
