"""CLUSTER and its companions, on a server that is no node of a cluster: what a lone server answers."""

from __future__ import annotations

import binascii

from redislite._core.commands.row import command, container
from redislite._core.protocol.reply_types import OK, CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.connection import Connection
    from redislite.commands import needs

    class Server(needs.Configuration, Protocol):
        """What these commands need of the server."""


SLOTS = 16384
DISABLED = "ERR This instance has cluster support disabled"

# Subcommands that only a node executes: name, arity, flags, since, syntax, what they do.
_CHANGES = "admin stale no_async_loading"
_READS = "stale"
_LOADED = "loading stale"
_SUBCOMMANDS = (
    ("addslots", -3, _CHANGES, "3.0.0", "slot:integer...", "Gives slots to this node."),
    (
        "addslotsrange",
        -4,
        _CHANGES,
        "7.0.0",
        "range:(start-slot:integer end-slot:integer)...",
        "Gives ranges of slots to this node.",
    ),
    ("bumpepoch", 2, _CHANGES, "3.0.0", "", "Advances the cluster's epoch."),
    ("count-failure-reports", 3, "admin stale", "3.0.0", "node-id", "Counts the reports of a node's failure."),
    ("countkeysinslot", 3, _READS, "3.0.0", "slot:integer", "Counts the keys of a slot."),
    ("delslots", -3, _CHANGES, "3.0.0", "slot:integer...", "Takes slots from this node."),
    (
        "delslotsrange",
        -4,
        _CHANGES,
        "7.0.0",
        "range:(start-slot:integer end-slot:integer)...",
        "Takes ranges of slots from this node.",
    ),
    (
        "failover",
        -2,
        _CHANGES,
        "3.0.0",
        "[options:(FORCE | TAKEOVER)]",
        "Has a replica take the place of its primary.",
    ),
    ("flushslots", 2, _CHANGES, "3.0.0", "", "Takes all slots from this node."),
    ("forget", 3, _CHANGES, "3.0.0", "node-id", "Removes a node from the table of nodes."),
    ("getkeysinslot", 4, _READS, "3.0.0", "slot:integer count:integer", "Returns keys of a slot."),
    ("info", 2, _LOADED, "3.0.0", "", "Describes the state of the cluster."),
    ("links", 2, _READS, "7.0.0", "", "Describes the links between nodes."),
    (
        "meet",
        -4,
        _CHANGES,
        "3.0.0",
        "ip port:integer [cluster-bus-port:integer@4.0.0]",
        "Has a node join the cluster.",
    ),
    ("myid", 2, _LOADED, "3.0.0", "", "Returns the node's identifier."),
    ("myshardid", 2, _LOADED, "7.2.0", "", "Returns the identifier of the node's shard."),
    ("nodes", 2, _LOADED, "3.0.0", "", "Describes all nodes."),
    ("replicas", 3, "admin stale", "5.0.0", "node-id", "Lists the replicas of a node."),
    ("replicate", -3, _CHANGES, "3.0.0", "args:(node-id | no-one:(NO ONE)@9.0.0)", "Makes this node a replica."),
    ("reset", -2, "admin noscript stale", "3.0.0", "[reset-type:(HARD | SOFT)]", "Has the node leave its cluster."),
    ("saveconfig", 2, _CHANGES, "3.0.0", "", "Writes the node's state to the disk."),
    ("set-config-epoch", 3, _CHANGES, "3.0.0", "config-epoch:integer", "Sets the epoch of a new node."),
    (
        "setslot",
        -4,
        _CHANGES + " may_replicate",
        "3.0.0",
        "slot:integer subcommand:(IMPORTING importing | MIGRATING migrating | NODE node | STABLE) "
        "[TIMEOUT timeout:integer@8.0.0]",
        "Binds a slot to a node, or says that it is on its way.",
    ),
    ("shards", 2, _LOADED, "7.0.0", "", "Maps shards to their slots and nodes."),
    ("slaves", 3, "admin stale", "3.0.0", "node-id", "Lists the replicas of a node."),
    ("slots", 2, _LOADED, "3.0.0", "", "Maps ranges of slots to nodes."),
)
_UNSTEADY = (
    "bumpepoch",
    "count-failure-reports",
    "getkeysinslot",
    "info",
    "links",
    "myshardid",
    "nodes",
    "replicas",
    "shards",
    "slaves",
    "slots",
)


COMMANDS = [
    container("cluster", group="cluster", since="3.0.0", summary="A container for commands about a cluster."),
]


def _refuse(server: Server, connection: Connection, args: list[bytes]) -> object:
    """What only a node of a cluster does."""
    raise CommandError(DISABLED)


for _name, _arity, _flags, _since, _syntax, _summary in _SUBCOMMANDS:
    command(
        f"cluster|{_name}",
        _arity,
        _flags,
        group="cluster",
        since=_since,
        tips="nondeterministic_output" if _name in _UNSTEADY else "",
        syntax=_syntax,
        summary=_summary,
        deprecated=("5.0.0", "`CLUSTER REPLICAS`") if _name == "slaves" else None,
        complexity="O(1)",
    )(_refuse)


@command(
    "cluster|keyslot",
    3,
    "stale",
    group="cluster",
    since="3.0.0",
    syntax="key:string",
    summary="Returns the slot of a key.",
    complexity="O(N) for N bytes of the key",
)
def cluster_keyslot(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLUSTER KEYSLOT: a number that follows from the key alone, which one of the originals tells everywhere."""
    if server.config.profile["keyslot_wants_cluster"]:
        raise CommandError(DISABLED)
    return key_slot(args[2])


def key_slot(key: bytes) -> int:
    """The slot of a key: a checksum of what stands in its first braces, or of all where that is nothing."""
    _, opened, rest = key.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    # CRC-16/XMODEM, as the specification of clusters has it.
    return binascii.crc_hqx(tag if opened and closed and tag else key, 0) % SLOTS


@command(
    "cluster|help",
    2,
    "loading stale",
    group="cluster",
    since="5.0.0",
    summary="Explains the subcommands.",
    complexity="O(1)",
)
def cluster_help(server: Server, connection: Connection, args: list[bytes]) -> object:
    """CLUSTER HELP: on a server that is no node it is refused as well."""
    raise CommandError(DISABLED)


@command(
    "asking",
    1,
    "fast",
    group="cluster",
    since="3.0.0",
    acl="+connection",
    complexity="O(1)",
    summary="Has the next command served of a slot that is on its way here.",
)
def asking(server: Server, connection: Connection, args: list[bytes]) -> object:
    """ASKING."""
    raise CommandError(DISABLED)


@command(
    "readonly",
    1,
    "loading stale fast",
    group="cluster",
    since="3.0.0",
    acl="+connection",
    complexity="O(1)",
    summary="Lets the connection read from a replica.",
)
def readonly(server: Server, connection: Connection, args: list[bytes]) -> object:
    """READONLY: without a cluster it changes nothing."""
    return _without_effect(server)


@command(
    "readwrite",
    1,
    "loading stale fast",
    group="cluster",
    since="3.0.0",
    acl="+connection",
    complexity="O(1)",
    summary="Takes READONLY back.",
)
def readwrite(server: Server, connection: Connection, args: list[bytes]) -> object:
    """READWRITE: the same."""
    return _without_effect(server)


def _without_effect(server: Server) -> object:
    if server.config.profile["readonly_wants_cluster"]:
        raise CommandError(DISABLED)
    return OK
