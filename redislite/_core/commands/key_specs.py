"""The notation that says which arguments of a command are keys, and what the command does with them.

A row of the command table describes its keys in a small notation, parsed here. Specifications are separated by
`;`. Each says what happens to the keys, where the search begins, and how many keys there are:

    FLAGS... @ BEGIN [FIND]

    BEGIN   2             the argument at position 2 (the command's name is at 0)
            STREAMS>1     the argument after this keyword, searched for from position 1 onwards
            KEYS>-2       the same, searched for backwards from the last argument but one
            ?             unknown: a function of command_keys.pyx tells, if anything can
    FIND    (nothing)     that one argument
            last=-1       every argument up to this one, relative to the first; negative counts from the end,
                          with step=N only every Nth, with limit=N only the first 1/N of those that are left
            keynum=0      a count of keys stands this far after BEGIN, with first=N the first key N after BEGIN
                          (else right behind the count), with step=N only every Nth

    keys="RO ACCESS @ 1"                                      GET
    keys="OW UPDATE @ 1 last=-1 step=2"                       MSET
    keys="OW UPDATE @ 1; RO ACCESS @ 2 keynum=0"              ZUNIONSTORE
    keys="RO ACCESS @ STREAMS>1 last=-1 limit=2"              XREAD

Everything here is a pure function of the text; parsed notations are kept, as there are only some dozens. Which of a
request's arguments are keys, command_keys.pyx tells.
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
