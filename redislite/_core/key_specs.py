"""Which arguments of a command are keys, and what the command does with them.

A row of the command table describes its keys in a small notation, parsed here. Specifications are separated by
`;`. Each says what happens to the keys, where the search begins, and how many keys there are:

    FLAGS... @ BEGIN [FIND]

    BEGIN   2             the argument at position 2 (the command's name is at 0)
            STREAMS>1     the argument after this keyword, searched for from position 1 onwards
            KEYS>-2       the same, searched for backwards from the last argument but one
            ?             unknown: only the special cases below can tell
    FIND    (nothing)     that one argument
            last=-1       every argument up to this one, relative to the first; negative counts from the end,
                          with step=N only every Nth, with limit=N only the first 1/N of those that are left
            keynum=0      a count of keys stands this far after BEGIN, with first=N the first key N after BEGIN
                          (else right behind the count), with step=N only every Nth

    keys="RO ACCESS @ 1"                                      GET
    keys="OW UPDATE @ 1 last=-1 step=2"                       MSET
    keys="OW UPDATE @ 1; RO ACCESS @ 2 keynum=0"              ZUNIONSTORE
    keys="RO ACCESS @ STREAMS>1 last=-1 limit=2"              XREAD

Everything here is a pure function of text and arguments; parsed notations are kept, as there are only some dozens.
"""

from __future__ import annotations

from functools import cache

RO = 1 << 0  # reads the value
RW = 1 << 1  # changes the value
OW = 1 << 2  # overwrites the value without looking at it
RM = 1 << 3  # removes the key
ACCESS = 1 << 4  # hands out, or decides by, what the user stored
UPDATE = 1 << 5  # changes what is stored there already
INSERT = 1 << 6  # only adds
DELETE = 1 << 7  # removes from the value, or the whole of it
NOT_KEY = 1 << 8  # no key, but routed like one (a sharded channel)
INCOMPLETE = 1 << 9  # there are keys this specification misses
VARIABLE_FLAGS = 1 << 10  # the flags depend on the other arguments

KEY_FLAG_NAMES = {
    "RO": RO,
    "RW": RW,
    "OW": OW,
    "RM": RM,
    "ACCESS": ACCESS,
    "UPDATE": UPDATE,
    "INSERT": INSERT,
    "DELETE": DELETE,
    "NOT_KEY": NOT_KEY,
    "INCOMPLETE": INCOMPLETE,
    "VARIABLE_FLAGS": VARIABLE_FLAGS,
}

# The four kinds of use are shown in capitals on the wire, everything else in small letters.
KEY_FLAG_WIRE_NAMES = tuple((bit, name if bit <= RM else name.lower()) for name, bit in KEY_FLAG_NAMES.items())

KeyUse = tuple[int, int]  # position of a key among the arguments; the flags it is used with


class InvalidArgumentsError(ValueError):
    """The arguments are not of a form from which the keys could be told."""


class KeySpec:
    """One specification: `begin` is index, keyword or unknown; `find` is range, keynum or unknown."""

    __slots__ = ("begin", "find", "first", "flags", "index", "keynum", "keyword", "last", "limit", "step")

    def __init__(self, flags: int, begin: str, index: int, keyword: str, find: str, options: dict[str, int]) -> None:
        self.flags = flags
        self.begin = begin
        self.index = index  # position, or for a keyword where the search starts
        self.keyword = keyword
        self.find = find
        self.last = options.get("last", 0)
        self.step = options.get("step", 1)
        self.limit = options.get("limit", 0)
        self.keynum = options.get("keynum", 0)
        self.first = options.get("first", self.keynum + 1)

    @property
    def is_range_at_index(self) -> bool:
        """Whether first, last and step as older clients know them can express this specification."""
        return self.begin == "index" and self.find == "range"


@cache
def parse_key_specs(notation: str) -> tuple[KeySpec, ...]:
    """Parse the notation of a whole row; raises ValueError naming what is wrong."""
    return tuple(_parse_one(part) for part in notation.split(";")) if notation else ()


def _parse_one(text: str) -> KeySpec:
    flag_text, at, place = text.partition("@")
    words = place.split()
    if not at or not words:
        raise ValueError(f"key specification without a place: {text!r}")
    flags = 0
    for word in flag_text.split():
        if word not in KEY_FLAG_NAMES:
            raise ValueError(f"unknown key flag {word!r} in {text!r}")
        flags |= KEY_FLAG_NAMES[word]
    if words[0] == "?":
        return KeySpec(flags, "unknown", 0, "", "unknown", {})
    options: dict[str, int] = {}
    for word in words[1:]:
        name, _, number = word.partition("=")
        if name not in ("last", "step", "limit", "keynum", "first"):
            raise ValueError(f"unknown option {word!r} in {text!r}")
        options[name] = int(number)
    find = "keynum" if "keynum" in options else "range"
    keyword, arrow, start = words[0].rpartition(">")
    return KeySpec(flags, "keyword" if arrow else "index", int(start), keyword, find, options)


@cache
def legacy_key_range(notation: str) -> tuple[int, int, int]:
    """First key, last key and step as clients before key specifications know them; zeros if there are none.

    Several adjoining single-step ranges are joined; what cannot be expressed so is left out, and the command is
    marked as having movable keys.
    """
    specs = [spec for spec in parse_key_specs(notation) if spec.is_range_at_index]
    if not specs:
        return 0, 0, 0
    if len(specs) == 1:
        spec = specs[0]
        return spec.index, spec.index + spec.last if spec.last >= 0 else spec.last, spec.step
    first = last = 0
    for spec in specs:
        if spec.step != 1 or (last and spec.index != last + 1):
            return 0, 0, 0
        first = min(first, spec.index) if first else spec.index
        last = spec.index + spec.last if spec.last >= 0 else spec.last
    return first, last, 1


@cache
def has_movable_keys(notation: str) -> bool:
    """Whether first, last and step do not tell every key."""
    return any(not spec.is_range_at_index for spec in parse_key_specs(notation))


def find_keys(name: str, notation: str, arguments: list[bytes], *, not_keys: bool = False) -> list[KeyUse]:
    """Positions and uses of the keys in `arguments` (which begin with the command's name, and its subcommand's).

    `not_keys` asks for what is only routed like a key (a sharded channel) as well. The arity must have been checked
    before. Raises InvalidArgumentsError if there is no key, or the arguments do not say which ones are keys, as with a
    count of keys that is larger than what follows it.
    """
    special = _SPECIAL.get(name)
    if special is not None:
        return special(arguments)
    uses: list[KeyUse] = []
    for spec in parse_key_specs(notation):
        if not spec.flags & NOT_KEY or not_keys:
            uses.extend(_keys_of_spec(spec, arguments))
    if not uses:
        raise InvalidArgumentsError
    return uses


def _keys_of_spec(spec: KeySpec, arguments: list[bytes]) -> list[KeyUse]:
    count = len(arguments)
    if spec.begin == "index":
        start = spec.index
    elif spec.begin == "keyword":
        found = _keyword_position(arguments, spec.keyword, spec.index)
        if found is None or found + 1 == count:
            return []
        start = found + 1
    else:
        return []
    if spec.find == "keynum":
        if start + spec.keynum >= count:
            raise InvalidArgumentsError
        number = _key_count(arguments[start + spec.keynum])
        start += spec.first
        stop = start + (number - 1) * spec.step
    elif spec.last >= 0:
        stop = start + spec.last
    elif spec.limit <= 1:
        stop = count + spec.last
    else:
        # XREAD names its streams and then as many identifiers: the keys are the first half.
        stop = start + (count - start) // spec.limit + spec.last
    if start >= count or stop >= count or stop < start:
        raise InvalidArgumentsError
    flags = spec.flags & ~VARIABLE_FLAGS
    return [(position, flags) for position in range(start, stop + 1, spec.step)]


def _keyword_position(arguments: list[bytes], keyword: str, start: int) -> int | None:
    wanted = keyword.lower().encode()
    positions = range(start, len(arguments)) if start > 0 else range(len(arguments) + start, 0, -1)
    return next((position for position in positions if arguments[position].lower() == wanted), None)


def _key_count(argument: bytes) -> int:
    digits = argument[1:] if argument[:1] == b"-" else argument
    if not digits.isdigit() or (len(digits) > 1 and digits[:1] == b"0"):
        raise InvalidArgumentsError
    number = int(argument)
    if not 0 <= number <= 0x7FFFFFFF:
        raise InvalidArgumentsError
    return number


def _set_keys(arguments: list[bytes]) -> list[KeyUse]:
    """SET hands out the old value only with GET."""
    returns_old_value = any(argument.lower() == b"get" for argument in arguments[3:])
    return [(1, RW | ACCESS | UPDATE if returns_old_value else OW | UPDATE)]


def _bitfield_keys(arguments: list[bytes]) -> list[KeyUse]:
    """BITFIELD without SET and INCRBY only reads."""
    position = 2
    while position < len(arguments):
        operation = arguments[position].lower()
        if operation == b"get":
            position += 3
        elif operation == b"overflow":
            position += 2
        else:
            return [(1, RW | ACCESS | UPDATE)]
    return [(1, RO | ACCESS)]


def _sort_keys(arguments: list[bytes]) -> list[KeyUse]:
    """SORT takes its last STORE; the operands of other options are not options themselves."""
    operands = {b"limit": 2, b"get": 1, b"by": 1}
    destination = 0
    position = 2
    while position < len(arguments):
        option = arguments[position].lower()
        if option in operands:
            position += operands[option]
        elif option == b"store" and position + 1 < len(arguments):
            destination = position + 1
            position += 1
        position += 1
    return [(1, RO | ACCESS)] + ([(destination, OW | UPDATE)] if destination else [])


def _sort_read_only_keys(arguments: list[bytes]) -> list[KeyUse]:
    """The keys that BY and GET derive from the elements cannot be known before."""
    return [(1, RO | ACCESS)]


def _migrate_keys(arguments: list[bytes]) -> list[KeyUse]:
    """MIGRATE moves the one key it names, or with an empty one everything after KEYS; never both."""
    flags = RW | ACCESS | DELETE
    operands = {b"auth": 1, b"auth2": 2}
    position = 6
    while position < len(arguments):
        option = arguments[position].lower()
        if option == b"keys":
            if position + 1 == len(arguments):
                break
            if arguments[3]:
                raise InvalidArgumentsError
            return [(key, flags) for key in range(position + 1, len(arguments))]
        position += 1 + operands.get(option, 0)
    return [(3, flags)]


# What no specification can say; the name is the full one in small letters.
_SPECIAL = {
    "set": _set_keys,
    "bitfield": _bitfield_keys,
    "sort": _sort_keys,
    "sort_ro": _sort_read_only_keys,
    "migrate": _migrate_keys,
}
