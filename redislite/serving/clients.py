"""What the control plane knows of a client: its flags, its line in CLIENT LIST, what it said of itself.

The data plane's Connection holds what a request needs; this module reads it, and keeps in ``Connection.state`` what
only commands of the Python tier care about. It holds no state of its own.

Guarantees: a name that was accepted never breaks a line of CLIENT LIST into more fields or lines.
"""

from __future__ import annotations

from redislite._core import description
from redislite._core.protocol.reply_types import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.connection import Connection

# Bits of Connection.flags, as in the data plane's flags.pxd.
CLIENT_CLOSE_AFTER_REPLY = 1
CLIENT_CLOSE_NOW = 2
CLIENT_POSTPONED = 4
CLIENT_BLOCKED = 8
CLIENT_UNIX = 16
CLIENT_NO_EVICT = 32
CLIENT_NO_TOUCH = 64
CLIENT_REPLY_OFF = 128
CLIENT_REPLY_SKIP = 256
CLIENT_REPLY_SKIP_NEXT = 512
CLIENT_WAITS_WRITABLE = 2048
CLIENT_MONITOR = 4096
CLIENT_INTERNAL = 8192
CLIENT_DIRTY_WATCH = 524288
CLIENT_IN_EXEC = 2097152
CLIENT_PUBSUB = 4194304
CLIENT_IMPORT_SOURCE = 134217728
CLIENT_SCRIPT = 268435456

# Bits of Connection.tracking_options, as in the data plane's tracking.pxd.
TRACKING_ON = 1
TRACKING_BCAST = 2
TRACKING_OPTIN = 4
TRACKING_OPTOUT = 8
TRACKING_NOLOOP = 16
TRACKING_CACHING = 32
TRACKING_BROKEN = 64

# Every letter that some version shows, so that a filter may name it.
KNOWN_FLAG_LETTERS = frozenset("bcdeirtuxABEIMNOPRSTU")
KNOWN_CAPABILITIES = {"redirect": "r"}

CLIENT_TYPES = {
    "normal": "normal",
    "master": "master",
    "primary": "master",
    "slave": "replica",
    "replica": "replica",
    "pubsub": "pubsub",
}

DEFAULT_USER = "default"
HIDDEN = "*redacted*"  # in the place of users' data, where the log is to have none


class ClientState:
    """What commands keep per client; made when there is something to keep.

    capabilities    letters of what CLIENT CAPA declared
    """

    __slots__ = ("capabilities",)

    def __init__(self) -> None:
        self.capabilities = ""


def state_of(connection: Connection) -> ClientState:
    """The client's state, made if it has none."""
    state = connection.state
    if state is None:
        state = connection.state = ClientState()
    assert isinstance(state, ClientState)
    return state


def capabilities_of(connection: Connection) -> str:
    """Letters of the capabilities that the client declared."""
    return connection.state.capabilities if connection.state is not None else ""


# --- what a client says of itself


def is_valid_name(value: bytes) -> bool:
    """Whether this may stand in a line of CLIENT LIST: printable ASCII without blanks, or nothing."""
    return all(0x21 <= byte <= 0x7E for byte in value)


def set_name(connection: Connection, value: bytes) -> None:
    """Names the connection; an empty name takes its name away. CommandError, and nothing changed, for a bad one."""
    connection.name = checked_name(value)


def checked_name(value: bytes) -> str:
    """The name as text. CommandError for a bad one."""
    if not is_valid_name(value):
        raise CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
    return value.decode("ascii")


# --- what others see of a client


def type_of(connection: Connection) -> str:
    """The kind of client that CLIENT LIST TYPE and the output limits speak of; a monitor is a normal client there.

    Replicas and masters come with the commands that make a client one.
    """
    return "pubsub" if connection.flags & CLIENT_PUBSUB else "normal"


def host_of(connection: Connection) -> str:
    """The peer's IP address, or the path of the Unix socket."""
    return (connection.address or "").rpartition(":")[0].strip("[]")


def age_of(connection: Connection) -> int:
    """Seconds since it connected."""
    return max(0, connection.engine.now_ms - connection.created_ms) // 1000


def idle_of(connection: Connection) -> int:
    """Seconds since its last request, or part of one."""
    return max(0, connection.engine.now_ms - connection.active_ms) // 1000


def describe(connection: Connection, hide_user_data: bool = False) -> str:
    """The client's line in CLIENT LIST, without the line's end."""
    name = HIDDEN if hide_user_data else connection.name or ""
    user = HIDDEN if hide_user_data else connection.user or DEFAULT_USER
    return description.describe(connection, name, user, capabilities_of(connection))
