"""Which of a command's arguments are channels, and which databases it touches.

Derived from the row, once, when it is registered; the table keeps it in C (core.pxd), where command_keys.pyx and
permissions.pyx read it. The numbers are those of their .pxd.
"""

from __future__ import annotations

from .row import ACL_CATEGORY_BITS, ALL_DBS, READONLY, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .row import CommandRow

# What a key pattern allows, and what the use of a key needs.
ACCESS_READ = 1
ACCESS_WRITE = 2

CHANNELS_NONE = 0
CHANNELS_FIRST = 1  # the first argument is a channel
CHANNELS_ALL = 2  # all arguments are
CHANNELS_PATTERNS = 3  # all arguments are patterns of channels, to be allowed literally

DATABASE_NONE = 0
DATABASE_SELECTED = 1
DATABASE_FIRST = 2  # the first argument is the number of the one it needs
DATABASE_BOTH = 3  # the first two arguments are
DATABASE_SECOND = 4  # the selected one, and that whose number is the second argument
DATABASE_OPTION = 5  # the selected one, and those behind the option DB
DATABASE_EVERY = 6

_CHANNELS = {
    "publish": CHANNELS_FIRST,
    "spublish": CHANNELS_FIRST,
    "subscribe": CHANNELS_ALL,
    "ssubscribe": CHANNELS_ALL,
    "psubscribe": CHANNELS_PATTERNS,
}

_DATABASES = {
    "select": DATABASE_FIRST,
    "swapdb": DATABASE_BOTH,
    "move": DATABASE_SECOND,
    "copy": DATABASE_OPTION,
}

def channels(row: CommandRow) -> int:
    """Which arguments name channels."""
    return _CHANNELS.get(row.name, CHANNELS_NONE)


def database_use(row: CommandRow) -> int:
    """Which databases the command needs."""
    if row.flags & ALL_DBS:
        return DATABASE_EVERY
    if row.name in _DATABASES:
        return _DATABASES[row.name]
    touches = row.flags & (READONLY | WRITE) or row.has_keys or row.acl_categories & ACL_CATEGORY_BITS["keyspace"]
    return DATABASE_SELECTED if touches else DATABASE_NONE
