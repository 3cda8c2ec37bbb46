"""What a command's arguments give access to, in the terms in which users are restricted: keys, channels, databases.

Derived from the row, once, when it is registered; the table keeps it in C (state.pxd), and permissions.pyx reads it
there. The numbers are those of permissions.pxd.
"""

from __future__ import annotations

from .key_specs import ACCESS, DELETE, INSERT, UPDATE, parse_key_specs
from .key_specs import NOT_KEY as NO_KEY
from .row import ACL_CATEGORY_BITS, ALL_DBS, READONLY, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .row import CommandRow

# What a key pattern allows, and what a command needs.
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
DATABASE_OPTION = 5  # the selected one, and that behind the option DB
DATABASE_EVERY = 6

KEY_RANGES_MAX = 2
ARGUMENTS_MAX = 2**31 - 1

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

# Up to how many arguments the specifications of these commands tell the truth about the keys and their use.
_SPECIFIED_UNTIL = {"set": 3, "bitfield": 0, "sort": 2, "sort_ro": ARGUMENTS_MAX, "migrate": 0}


def needs_of(flags: int) -> int:
    """What must be allowed on a key that is used with these flags of a key specification."""
    needs = ACCESS_READ if flags & ACCESS else 0
    return needs | (ACCESS_WRITE if flags & (INSERT | DELETE | UPDATE) else 0)


def key_ranges(row: CommandRow) -> tuple[list[tuple[int, int, int, int]], int]:
    """First, last, step and needs of each range of keys, and up to how many arguments these are all keys.

    The last is relative to the first, or where negative to the end. Nothing, and no arguments, where the keys depend
    on the arguments.
    """
    specs = [spec for spec in parse_key_specs(row.keys) if not spec.flags & NO_KEY]
    until = _SPECIFIED_UNTIL.get(row.name, ARGUMENTS_MAX)
    if row.name == "set":
        # The specification says what SET may do with GET; without options it never shows the old value.
        return [(1, 0, 1, ACCESS_WRITE)], until
    if row.name in ("sort", "sort_ro"):
        return [(1, 0, 1, ACCESS_READ)], until
    plain = all(spec.is_range_at_index and spec.limit <= 1 for spec in specs)
    if not plain or len(specs) > KEY_RANGES_MAX or not until:
        return [], 0
    return [(spec.index, spec.last, spec.step, needs_of(spec.flags)) for spec in specs], until


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
