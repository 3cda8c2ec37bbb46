"""PUBSUB HELP; all that publishes and subscribes is native and stands in the data plane."""

from __future__ import annotations

from redislite._core.commands.row import command
from redislite._core.protocol.reply_types import help_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.connection import Connection


@command(
    "pubsub|help",
    2,
    "loading stale",
    group="pubsub",
    since="6.2.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def pubsub_help(server: object, connection: Connection, args: list[bytes]) -> object:
    """PUBSUB HELP."""
    return help_reply("pubsub", _HELP)


_HELP = (
    ("CHANNELS [<pattern>]", "List the channels that somebody listens to, or those that match a pattern."),
    ("NUMPAT", "Count the patterns that somebody listens to."),
    ("NUMSUB [<channel> ...]", "Count the clients that listen to each of the channels, those of patterns left out."),
    ("SHARDCHANNELS [<pattern>]", "List the sharded channels that somebody listens to, or those that match a pattern."),
    ("SHARDNUMSUB [<channel> ...]", "Count the clients that listen to each of the sharded channels."),
)
