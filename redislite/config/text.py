"""Texts of configuration files and directives: words in quotes, numbers, amounts of bytes. Functions without state.

Texts are `str` with undecodable bytes kept as surrogates (`surrogateescape`), so nothing that was written is lost.
"""

from __future__ import annotations

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
UINT_MAX = 2**32 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
ULONG_MAX = 2**64 - 1


def as_text(value: str | bytes) -> str:
    """Text as this module keeps it: undecodable bytes become surrogates."""
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    """The bytes that `as_text` was given."""
    return text.encode("utf-8", "surrogateescape")


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
_BLANKS = " \t\n\v\f\r\0"
_HEXADECIMAL = "0123456789abcdefABCDEF"


def split_arguments(line: str) -> list[str] | None:
    """Split a line into its arguments; None when a quote is not closed, or is closed in the middle of a word.

    In double quotes `\\n`, `\\xHH` and the like are escapes; in single quotes only `\\'` is.
    """
    arguments: list[str] = []
    position, end = 0, len(line)
    while True:
        while position < end and line[position] in _BLANKS:
            position += 1
        if position == end:
            return arguments
        word = bytearray()
        while position < end and line[position] not in _BLANKS:
            character = line[position]
            if character not in "\"'":
                word += as_bytes(character)
                position += 1
                continue
            closed = _read_quoted(line, position + 1, character, word)
            if closed is None or (closed < end and line[closed] not in _BLANKS):
                return None
            position = closed
        arguments.append(as_text(bytes(word)))


def _read_quoted(line: str, position: int, quote: str, word: bytearray) -> int | None:
    """Read up to the closing quote into `word`; the position after it, or None when there is none."""
    end = len(line)
    while position < end:
        character = line[position]
        following = line[position + 1 : position + 2]
        if character == quote:
            return position + 1
        if character != "\\" or not following or (quote == "'" and following != "'"):
            word += as_bytes(character)
            position += 1
        elif quote == "'":
            word += b"'"
            position += 2
        else:
            digits = line[position + 2 : position + 4]
            if following == "x" and len(digits) == 2 and not digits.strip(_HEXADECIMAL):
                word.append(int(digits, 16))
                position += 4
            else:
                word += as_bytes(_ESCAPES.get(following, following))
                position += 2
    return None


def quoted(text: str) -> str:
    """Write text in double quotes so that `split_arguments` reads the same text back."""
    parts = ['"']
    for byte in text.encode("utf-8", "surrogateescape"):
        if byte in b'\\"':
            parts.append("\\" + chr(byte))
        elif 32 <= byte < 127:
            parts.append(chr(byte))
        else:
            parts.append(_ESCAPE_OF.get(byte) or f"\\x{byte:02x}")
    parts.append('"')
    return "".join(parts)


_ESCAPE_OF = {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 1024**2, "g": 10**9, "gb": 1024**3}
_DIGITS = "0123456789"


def parse_memory(text: str) -> int | None:
    """Read an amount of bytes with an optional unit; None when it is not one.

    Out of the range of 64 bits, digits saturate and the multiplication wraps, as in the original; no digits are 0.
    """
    digits = len(text) - len(text.lstrip(_DIGITS))
    factor = _UNITS.get(text[digits:].lower())
    if factor is None or digits >= 128:
        return None
    return min(int(text[:digits] or "0"), ULONG_MAX) * factor & ULONG_MAX


def exceeds_memory(text: str) -> bool:
    """Whether the digits of an amount of bytes say more than 64 bits hold."""
    digits = text[: len(text) - len(text.lstrip(_DIGITS))]
    return len(digits) >= 20 and int(digits[:128]) > ULONG_MAX


def format_memory(size: int) -> str:
    """Write bytes with the largest unit that divides them."""
    for unit, factor in (("gb", 1024**3), ("mb", 1024**2), ("kb", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def parse_integer(text: str) -> int | None:
    """Read a number of 64 bits in its canonical decimal form; None when it is anything else."""
    digits = text[1:] if text[:1] == "-" else text
    if not digits or digits.strip(_DIGITS) or (digits[0] == "0" and text != "0") or len(digits) > 19:
        return None
    value = int(text)
    return value if LONG_MIN <= value <= LONG_MAX else None


def parse_lenient_integer(text: str) -> int | None:
    """Read a number as C's `strtoll` does: blanks, a sign, nothing at all (0); saturates at 64 bits."""
    if not text:
        return 0
    body = text.lstrip(" \t\n\v\f\r")
    digits = body[1:] if body[:1] in ("-", "+") else body
    if not digits or digits.strip(_DIGITS):
        return None
    value = int(digits) if len(digits) < 40 else LONG_MAX
    return max(LONG_MIN, min(LONG_MAX, -value if body[0] == "-" else value))


def wrapped_int(value: int) -> int:
    """What becomes of a number that the original keeps in an int."""
    return (value - INT_MIN) % 2**32 + INT_MIN
