"""What DEBUG LISTPACK, QUICKLIST and HTSTATS say of how values are stored, in the forms of the original.

A listpack is read as its specification says (https://github.com/antirez/listpack): six bytes of header, entries of an
encoded value and its length behind it, and 0xff.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = 6  # bytes: total length and number of elements
END = 0xFF
SHOWN = 40  # characters of an element
INTEGER_BYTES = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}


def decode(pack: bytes, at: int) -> tuple[int, int | bytes, int]:
    """The element whose entry begins there: bytes of its header, value, bytes of header and value. The entry must be
    sound."""
    first = pack[at]
    if first < 0x80:
        return 1, first, 1
    if first < 0xC0:
        length = first & 0x3F
        return 1, pack[at + 1 : at + 1 + length], 1 + length
    if first < 0xE0:
        number = (first & 0x1F) << 8 | pack[at + 1]
        return 1, number - (1 << 13 if number >= 1 << 12 else 0), 2
    if first < 0xF0:
        length = (first & 0x0F) << 8 | pack[at + 1]
        return 2, pack[at + 2 : at + 2 + length], 2 + length
    if first == 0xF0:
        length = int.from_bytes(pack[at + 1 : at + 5], "little")
        return 5, pack[at + 5 : at + 5 + length], 5 + length
    size = INTEGER_BYTES[first]
    return 1, int.from_bytes(pack[at + 1 : at + 1 + size], "little", signed=True), 1 + size


def length_bytes(encoded: int) -> int:
    """Of the length behind an entry of so many bytes, seven bits each."""
    return max(1, (encoded.bit_length() + 6) // 7)


def entries(pack: bytes) -> Iterator[tuple[int, int, int | bytes, int]]:
    """Offset, bytes of the header, value and bytes without the length behind it, of each element."""
    at = HEADER
    while pack[at] != END:
        header, value, encoded = decode(pack, at)
        yield at, header, value, encoded
        at += encoded + length_bytes(encoded)


def describe_listpack(pack: bytes, address: int) -> str:
    """DEBUG LISTPACK; address: what offsets are added to."""
    lines = [f"{{total bytes {len(pack)}}} {{num entries {sum(1 for _ in entries(pack))}}}"]
    for index, (offset, header, value, encoded) in enumerate(entries(pack)):
        back = length_bytes(encoded)
        content = pack[offset : offset + encoded + back]
        text = b"%d" % value if isinstance(value, int) else value
        shown = text[:SHOWN].decode("utf-8", "backslashreplace") + ("..." if len(text) > SHOWN else "")
        lines += [
            "{",
            f"\taddr: {address + offset:#x},",
            f"\tindex: {index:2},",
            f"\toffset: {offset},",
            f"\thdr+entrylen+backlen: {len(content):2},",
            f"\thdrlen: {header:3},",
            f"\tbacklen: {back:2},",
            f"\tpayload: {encoded - header}",
            "\tbytes: " + "".join(f"{byte:02x}|" for byte in content),
            f"\t[{'int' if isinstance(value, int) else 'str'}]{shown}",
            "}",
        ]
    return "\n".join([*lines, "{end}", ""])


def describe_quicklist(
    facts: dict[str, int], nodes: list[tuple[bool, bool, bool, int, bytes]], with_elements: bool
) -> str:
    """DEBUG QUICKLIST, of `Engine.inspect` and `Engine.value_nodes`."""
    lines = [
        f"{{count : {facts['elements']}}}",
        f"{{len : {facts['nodes']}}}",
        f"{{fill : {facts['fill']}}}",
        f"{{compress : {facts['depth']}}}",
        "{bookmark_count : 0}",
    ]
    for number, (is_plain, is_compressed, is_incompressible, count, data) in enumerate(nodes):
        lines += [
            f"{{quicklist node({number})",
            f"{{container : {'PLAIN' if is_plain else 'PACKED'}, encoding: {'LZF' if is_compressed else 'RAW'}, "
            f"size: {len(data)}, count: {count}, recompress: 0, attempted_compress: {int(is_incompressible)}}}",
        ]
        if with_elements and is_plain:
            lines += [f"{{ data : {data.decode('utf-8', 'backslashreplace')}}}"]
        elif with_elements:
            lines += ["{ listpack:", describe_listpack(data, 0), "}"]
        lines += ["}"]
    return "\n".join([*lines, ""])


def describe_table(facts: dict[str, int], prefix: str = "") -> str:
    """DEBUG HTSTATS for the table whose facts, of `Engine.value_table` or `Engine.database_statistics`, have names that
    begin so."""
    entries = facts[f"{prefix}entries"]
    text = "Hash table 0 stats (main hash table):\n"
    if not entries:
        return text + "No stats available for empty dictionaries\n"
    text += f" table size: {facts[f'{prefix}capacity']}\n number of elements: {entries}\n"
    if facts[f"{prefix}rehashing"]:
        text += (
            "Hash table 1 stats (rehashing target):\n"
            f" table size: {facts[f'{prefix}capacity_new']}\n number of elements: {entries}\n"
        )
    return text
