"""Which arguments of a command are keys, once more: in Python, for comparison with command_keys.pyx."""

from __future__ import annotations

from collections.abc import Callable

from redislite._core.commands.key_specs import (
    ACCESS,
    DELETE,
    INSERT,
    NOT_KEY,
    OW,
    RO,
    RW,
    UPDATE,
    VARIABLE_FLAGS,
    KeySpec,
    parse_key_specs,
)

ACCESS_READ = 1
ACCESS_WRITE = 2

KeyUse = tuple[int, int]  # position of a key among the arguments; the flags it is used with


class UntoldError(ValueError):
    """The arguments are not of a form from which the keys could be told."""


def needs_of(flags: int) -> int:
    """What must be allowed on a key that is used like this."""
    return (ACCESS_READ if flags & ACCESS else 0) | (ACCESS_WRITE if flags & (INSERT | DELETE | UPDATE) else 0)


def find_keys(name: str, notation: str, arguments: list[bytes], *, routed: bool = False) -> list[KeyUse]:
    """Positions and uses of the keys in `arguments`; routed: and of what is only routed like a key."""
    special = _SPECIAL.get(name)
    if special is not None:
        return special(arguments)
    uses: list[KeyUse] = []
    for spec in parse_key_specs(notation):
        if not spec.flags & NOT_KEY or routed:
            uses.extend(_keys_of_spec(spec, arguments))
    if not uses:
        raise UntoldError
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
            raise UntoldError
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
    if spec.find == "range" and spec.last < 0 and spec.limit <= 1 and stop == start - 1:
        return []
    if start >= count or stop >= count or stop < start:
        raise UntoldError
    flags = spec.flags & ~VARIABLE_FLAGS
    return [(position, flags) for position in range(start, stop + 1, spec.step)]


def _keyword_position(arguments: list[bytes], keyword: str, start: int) -> int | None:
    wanted = keyword.lower().encode()
    positions = range(start, len(arguments)) if start > 0 else range(len(arguments) + start, 0, -1)
    return next((position for position in positions if arguments[position].lower() == wanted), None)


def _key_count(argument: bytes) -> int:
    digits = argument[1:] if argument[:1] == b"-" else argument
    if not digits.isdigit() or (len(digits) > 1 and digits[:1] == b"0"):
        raise UntoldError
    number = int(argument)
    if not 0 <= number <= 0x7FFFFFFF:
        raise UntoldError
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
                raise UntoldError
            return [(key, flags) for key in range(position + 1, len(arguments))]
        position += 1 + operands.get(option, 0)
    return [(3, flags)]


def _radius_keys(first: int) -> Callable[[list[bytes]], list[KeyUse]]:
    """GEORADIUS stores where its last STORE or STOREDIST says."""

    def keys(arguments: list[bytes]) -> list[KeyUse]:
        options = [argument.lower() for argument in arguments]
        destination = 0
        position = first
        while position < len(arguments) - 1:
            if options[position] in (b"store", b"storedist"):
                position += 1
                destination = position
            position += 1
        return [(1, RO | ACCESS)] + ([(destination, OW | UPDATE)] if destination else [])

    return keys


def _stream_keys(arguments: list[bytes]) -> list[KeyUse]:
    """XREAD and XREADGROUP: the first half of what follows STREAMS, which is no operand of another option."""
    operands = {b"block": 1, b"count": 1, b"group": 2, b"noack": 0}
    position = 1
    while position < len(arguments) and arguments[position].lower() != b"streams":
        option = arguments[position].lower()
        if option not in operands:
            raise UntoldError
        position += 1 + operands[option]
    rest = range(position + 1, len(arguments))
    if len(rest) < 2:
        raise UntoldError
    return [(key, RO | ACCESS) for key in rest[: len(rest) // 2]]


# What no specification can say; the name is the full one in small letters.
_SPECIAL = {
    "set": _set_keys,
    "bitfield": _bitfield_keys,
    "sort": _sort_keys,
    "sort_ro": _sort_read_only_keys,
    "migrate": _migrate_keys,
    "georadius": _radius_keys(6),
    "georadiusbymember": _radius_keys(5),
    "xread": _stream_keys,
    "xreadgroup": _stream_keys,
}
