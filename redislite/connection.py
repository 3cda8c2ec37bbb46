"""What the control plane knows of a client: its flags, its line in CLIENT LIST, what it said of itself.

The data plane's Connection holds what a request needs; this module reads it, and keeps in ``Connection.state`` what
only commands of the Python tier care about. It holds no state of its own.

Guarantees: a line has the fields of Redis 7.2 in its order, with ``capa``, ``tot-net-in``, ``tot-net-out`` and
``tot-cmds`` where later versions put them; a name that was accepted never breaks a line into more fields or lines.
"""

from __future__ import annotations

from redislite._core.reply_types import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.client import Connection

# Bits of Connection.flags, as in the data plane's state.pxd.
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
CLIENT_IN_EXEC = 2097152
CLIENT_INTERNAL = 8192
CLIENT_PUBSUB = 1 << 22
CLIENT_IMPORT_SOURCE = 1 << 27
CLIENT_DIRTY_WATCH = 524288
CLIENT_IN_EXEC = 2097152

# Bits of Connection.tracking, as in the data plane's tracking.pxd.
TRACKING_ON = 1
TRACKING_BCAST = 2
TRACKING_OPTIN = 4
TRACKING_OPTOUT = 8
TRACKING_NOLOOP = 16
TRACKING_CACHING = 32
TRACKING_BROKEN = 64

# The letters of `flags=`, in its order. A postponed client shows as blocked, which is what it is to its user.
_FLAG_LETTERS = (
    (CLIENT_MONITOR, "O"),
    (CLIENT_PUBSUB, "P"),
    (CLIENT_BLOCKED | CLIENT_POSTPONED, "b"),
    (CLIENT_DIRTY_WATCH, "d"),
    (CLIENT_CLOSE_AFTER_REPLY, "c"),
    (CLIENT_CLOSE_NOW, "A"),
    (CLIENT_UNIX, "U"),
    (CLIENT_NO_EVICT, "e"),
    (CLIENT_NO_TOUCH, "T"),
    (CLIENT_IMPORT_SOURCE, "I"),
)
_TRACKING_LETTERS = ((TRACKING_ON, "t"), (TRACKING_BROKEN, "R"), (TRACKING_BCAST, "B"))
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

# A reply buffer grows to the one and shrinks to the other in the original; bytes.
_REPLY_BUFFER_MAX = 16384
_REPLY_BUFFER_MIN = 1024


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


def describe_flags(connection: Connection) -> str:
    """The letters of `flags=`; N where there is none."""
    flags = connection.flags
    options = connection.tracking[0] if connection.tracking is not None else 0
    letters = [letter for bits, letter in _FLAG_LETTERS if flags & bits]
    letters += [letter for bits, letter in _TRACKING_LETTERS if options & bits]
    return ("x" if connection.queued_commands >= 0 else "") + "".join(letters) or "N"


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


def _reply_buffer_size(peak: int) -> int:
    """What the original's reply buffer would measure after replies of at most `peak` bytes: a power of two.

    Ours are lent from a pool while there is output, so an idle client has none to measure.
    """
    size = _REPLY_BUFFER_MIN
    while size < peak and size < _REPLY_BUFFER_MAX:
        size *= 2
    return size


def describe(connection: Connection, hide_user_data: bool = False) -> str:
    """The client's line in CLIENT LIST, without the line's end.

    Sizes are bytes, times seconds. Transactions, subscriptions and watched keys show what a client without
    any shows.
    """
    sizes = connection.statistics
    channels, patterns, sharded_channels = connection.subscription_counts
    # The first buffer's worth of output counts as the fixed buffer, what goes beyond it as the list.
    listed = max(0, sizes["reply_held"] - _REPLY_BUFFER_MAX)
    redirect = connection.tracking[1] if connection.tracking is not None else -1
    name = HIDDEN if hide_user_data else connection.name or ""
    user = HIDDEN if hide_user_data else connection.user or DEFAULT_USER
    events = "rw" if connection.flags & CLIENT_WAITS_WRITABLE else "r"
    return (
        f"id={connection.id} addr={connection.address or ''} laddr={connection.local_address or ''} "
        f"fd={connection.fileno} name={name} age={age_of(connection)} idle={idle_of(connection)} "
        f"flags={describe_flags(connection)} capa={capabilities_of(connection)} db={connection.database} "
        f"sub={channels} psub={patterns} ssub={sharded_channels} "
        f"multi={connection.queued_commands} watch={connection.watched_keys} "
        f"qbuf={sizes['query']} qbuf-free={sizes['query_free']} argv-mem={sizes['arguments']} "
        f"multi-mem={sizes['transaction']} "
        f"rbs={_reply_buffer_size(sizes['reply_peak'])} rbp={min(sizes['reply_peak'], _REPLY_BUFFER_MAX)} "
        f"obl={min(sizes['reply_pending'], _REPLY_BUFFER_MAX)} "
        f"oll={max(1, sizes['reply_chunks'] - 1) if listed else 0} omem={listed} "
        f"tot-mem={sizes['memory']} events={events} cmd={connection.last_command} "
        f"user={user} redir={redirect} resp={connection.protocol} "
        f"lib-name={connection.library_name or ''} lib-ver={connection.library_version or ''} "
        f"tot-net-in={sizes['input_bytes']} tot-net-out={sizes['output_bytes']} tot-cmds={sizes['commands']}"
    )
