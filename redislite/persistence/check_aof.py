"""redislite-check-aof: looks through an append-only file, and cuts off what cannot be read.

    redislite-check-aof [--fix | --truncate-to-timestamp <seconds>] <manifest or file>

Given a manifest it looks at all files that it names, in order; only the last one is ever cut. What it prints is what
the original prints, and so is the exit code: 0 where everything can be read, in the end; 1 otherwise.
"""

from __future__ import annotations

import mmap
import os
import sys
from dataclasses import dataclass

from redislite import console
from redislite.persistence.manifest import ManifestError, parse
from redislite.persistence.rdb_file import DATABASES_MAX, MAGIC_BYTES, RdbFileError, begins_as_snapshot, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ANNOTATION = b"#TS:"
HEAD_MAX = 128  # bytes of a line that tells a length
NUMBER_DIGITS_MAX = 18  # of a number of 64 bits, whatever it is
PROGRAM = "redislite-check-aof"
USAGE = f"Usage: {PROGRAM} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"


class Aborted(Exception):
    """There is nothing more to be done; the text says why, and is printed."""


class Damage(Exception):
    """The bytes at an offset are not what has to stand there. The text may be empty."""

    def __init__(self, offset: int, message: str = "") -> None:
        super().__init__(message)
        self.offset = offset


@dataclass
class Wanted:
    """What the command line asks for."""

    path: str
    fix: bool = False
    timestamp: int | None = None


class Scanner:
    """Reads requests from bytes, keeping track of the place, the line and the last place that is good."""

    def __init__(self, data: mmap.mmap | bytes, start: int, name: str) -> None:
        self._data = data
        self._name = name
        self.position = start
        self.valid = start
        self.line = 1

    def _head(self, kind: bytes) -> int | None:
        """The number in a line of this kind; None at the end of the file."""
        data, start = self._data, self.position
        end = data.find(b"\n", start, start + HEAD_MAX)
        if end < 0:
            if start == len(data) or data[start : start + 1] == kind:
                return None
            raise Damage(start)
        if data[start : start + 1] != kind:
            raise Damage(start)
        self.line += 1
        text = data[start + 1 : end]
        digits = text.rstrip(b"\r")
        number = digits[: len(digits) - len(digits.lstrip(b"0123456789"))]
        if text[len(number) :] != b"\r":
            at = start + 1 + len(number)
            got = data[at : at + 2].hex()
            raise Damage(at, f"Expected \\r\\n, got: {got}")
        if not number:
            raise Damage(start)
        self.position = end + 1
        return int(number) if len(number) <= NUMBER_DIGITS_MAX else sys.maxsize

    def _argument(self) -> bytes:
        length = self._head(b"$")
        if length is None:
            raise Damage(self.position)
        start, end = self.position, self.position + length
        there = len(self._data) - start
        if there < length + 2:
            raise Damage(start, f"Expected to read {length + 2} bytes, got {there} bytes")
        if self._data[end : end + 2] != b"\r\n":
            raise Damage(end, f"Expected \\r\\n, got: {self._data[end : end + 2].hex()}")
        self.position = end + 2
        word = self._data[start:end]
        self.line += 1 + word.count(b"\n")
        return word

    def scan(self, until: int | None = None) -> bool:
        """Goes through all requests. With a time, stops before the first annotation of a later one, and answers whether
        it did. Raises Damage; `valid` is then behind the last request outside of a transaction."""
        in_transaction = False
        while self.position < len(self._data):
            if self._data[self.position : self.position + 1] == b"#":
                if until is not None and self._annotation() > until:
                    return True
                end = self._data.find(b"\n", self.position)
                if end < 0:
                    raise Damage(self.position)
                self.line += 1
                self.position = end + 1
                continue
            if not in_transaction:
                self.valid = self.position
            count = self._head(b"*")
            if not count:
                raise Damage(self.position)
            before = self.position
            name = self._argument().lower()
            for _ in range(count - 1):
                self._argument()
            if name == b"multi":
                if in_transaction:
                    raise Damage(before, f"Unexpected MULTI in AOF {self._name}")
                in_transaction = True
            elif name == b"exec":
                if not in_transaction:
                    raise Damage(before, f"Unexpected EXEC in AOF {self._name}")
                in_transaction = False
        if in_transaction:
            raise Damage(self.position, "Reached EOF before reading EXEC for MULTI")
        self.valid = self.position
        return False

    def _annotation(self) -> int:
        """The time that an annotation tells; 0 where it is none of a time."""
        end = self._data.find(b"\n", self.position)
        line = self._data[self.position : end if end >= 0 else len(self._data)].rstrip(b"\r")
        if not line.startswith(ANNOTATION):
            return 0
        if not line[len(ANNOTATION) :].isdigit() or len(line) > len(ANNOTATION) + NUMBER_DIGITS_MAX:
            raise Aborted("Invalid timestamp annotation")
        return int(line[len(ANNOTATION) :])


def check_file(path: str, name: str, wanted: Wanted, is_last: bool, title: str) -> None:
    """Looks at one file, and cuts it where that is wanted. Raises Aborted."""
    try:
        file = open(path, "r+b" if wanted.fix or wanted.timestamp is not None else "rb")  # noqa: SIM115
    except OSError as error:
        raise Aborted(f"Cannot open file {path}: {error.strerror}, aborting...") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            print(f"{title}{name} is empty")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = check_snapshot(path) if begins_as_snapshot(data[:MAGIC_BYTES]) else 0
            scanner = Scanner(data, start, path)
            if wanted.timestamp is not None:
                cut = truncation_point(scanner, path, wanted.timestamp, is_last)
            else:
                cut = damage_point(scanner, name, wanted, is_last, size)
        if cut is None:
            print(f"{title}{name} is valid")
            return
        file.truncate(cut)
        file.flush()
        os.fsync(file.fileno())
    when = f" to timestamp {wanted.timestamp}" if wanted.timestamp is not None else ""
    print(f"Successfully truncated AOF {name}{when}")


def check_snapshot(path: str) -> int:
    """Looks at the snapshot that a file begins with; answers where it ends."""
    from redislite._core.engine import Engine

    try:
        result = read_file(Engine(databases=DATABASES_MAX), path, keep_expired=True)
    except RdbFileError as error:
        raise Aborted(f"{error}\nRDB preamble of AOF file is not sane, aborting.") from error
    except MemoryError as error:
        raise Aborted(f"{path}: the data of the RDB preamble do not fit into memory, aborting.") from error
    print(f"{result['keys']} keys read, {result['expires']} of them with a time to live")
    print("RDB preamble is OK, proceeding with AOF tail...")
    end: int = result["bytes"]
    return end


def truncation_point(scanner: Scanner, path: str, timestamp: int, is_last: bool) -> int | None:
    """Where the file is to end so that it has nothing from after a time; None: where it does."""
    name = os.path.basename(path)
    try:
        later = scanner.scan(until=timestamp)
    except Damage as damage:
        raise Aborted(f"Failed to read annotations from AOF {path}, aborting...") from damage
    if not later:
        print(f"Truncate nothing in AOF {name} to timestamp {timestamp}")
        return None
    if scanner.position == 0:
        raise Aborted(f"AOF {path} has nothing before timestamp {timestamp}, aborting...")
    if not is_last:
        raise Aborted(
            f"Failed to truncate AOF {path} to timestamp {timestamp} to offset {scanner.position} because it is not "
            "the last file.\nIf you insist, please delete all files after this file according to the manifest file and "
            f"delete the corresponding records in manifest file manually. Then re-run {PROGRAM}."
        )
    return scanner.position


def damage_point(scanner: Scanner, name: str, wanted: Wanted, is_last: bool, size: int) -> int | None:
    """Where the damaged file is to end; None: it is not damaged."""
    damaged = False
    try:
        scanner.scan()
    except Damage as damage:
        damaged = True
        if str(damage):
            print(f"0x{damage.offset:16x}: {damage}")
        elif damage.offset < size:
            print(f"AOF {name} format error")
    print(
        f"AOF analyzed: filename={name}, size={size}, ok_up_to={scanner.valid}, ok_up_to_line={scanner.line}, "
        f"diff={size - scanner.valid}"
    )
    if not damaged:
        return None
    if not wanted.fix:
        raise Aborted(f"AOF {name} is not valid. Use the --fix option to try fixing it.")
    if not is_last:
        raise Aborted(f"Failed to truncate AOF {name} because it is not the last file")
    lost = size - scanner.valid
    print(f"This will shrink the AOF {name} from {size} bytes, with {lost} bytes, to {scanner.valid} bytes")
    print("Continue? [y/N]: ", end="", flush=True)
    if not sys.stdin.readline().lower().startswith("y"):
        raise Aborted("Aborting...")
    return scanner.valid


def is_manifest(path: str) -> bool:
    """Whether all lines of a file are those of a manifest, or comments."""
    with open(path, "rb") as file:
        lines = 0
        for line in file:
            if line.startswith(b"#"):
                continue
            if not line.startswith(b"file"):
                return False
            lines += 1
    return lines > 0


def check(wanted: Wanted) -> None:
    """Looks at everything. Raises Aborted."""
    name = os.path.basename(wanted.path)
    try:
        as_parts = is_manifest(wanted.path)
    except OSError as error:
        raise Aborted(f"Cannot open file {wanted.path}: {error.strerror}") from error
    if not as_parts:
        print("Start checking Old-Style AOF")
        check_file(wanted.path, name, wanted, True, "AOF ")
        return
    print("Start checking Multi Part AOF")
    with open(wanted.path, "rb") as file:
        content = file.read()
    try:
        manifest = parse(content)
    except ManifestError as error:
        raise Aborted(error.report()) from error
    folder = os.path.dirname(wanted.path) or "."
    files = manifest.files
    for one in files:
        path = os.path.join(folder, one.name)
        if one is manifest.base:
            print(f"Start to check BASE AOF ({'RDB' if is_snapshot(path) else 'RESP'} format).")
        elif one is manifest.incremental[0]:
            print("Start to check INCR files.")
        check_file(path, one.name, wanted, one is files[-1], "BASE AOF " if one is manifest.base else "INCR AOF ")
    print("All AOF files and manifest are valid")


def is_snapshot(path: str) -> bool:
    """Whether a file begins with a snapshot. Raises Aborted."""
    try:
        with open(path, "rb") as file:
            return begins_as_snapshot(file.read(MAGIC_BYTES))
    except OSError as error:
        raise Aborted(f"Cannot open file {path}: {error.strerror}, aborting...") from error


def read_arguments(arguments: Sequence[str]) -> Wanted | None:
    """What is wanted; None where the arguments make no sense."""
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        return Wanted(arguments[0])
    if len(arguments) == 2 and arguments[0] == "--fix":
        return Wanted(arguments[1], fix=True)
    if len(arguments) == 3 and arguments[0] == "--truncate-to-timestamp" and arguments[1].isdigit():
        return Wanted(arguments[2], timestamp=int(arguments[1][:NUMBER_DIGITS_MAX]))
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; answers the exit code."""
    wanted = read_arguments(sys.argv[1:] if arguments is None else arguments)
    if wanted is None:
        print(USAGE)
        return 1
    return console.run(lambda: _run(wanted))


def _run(wanted: Wanted) -> int:
    try:
        check(wanted)
    except Aborted as why:
        print(why)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
