"""The manifest of an append-only file: which files it consists of, and in which order they are loaded.

    file appendonly.aof.2.base.rdb seq 2 type b          the data set as it was at a rewrite; one at the most
    file appendonly.aof.1.incr.aof seq 1 type h          history: part of what the base has taken in, to be deleted
    file appendonly.aof.2.incr.aof seq 2 type i          the commands since, in one file or several

Names and format are the original's. A name with other bytes than letters, digits and the usual is quoted.
"""

from __future__ import annotations

from redislite.config.text import as_bytes, as_text, quoted, split_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BASE, HISTORY, INCREMENTAL = "b", "h", "i"
LINE_MAX = 1024  # bytes, of a line with its end
SEQUENCE_DIGITS_MAX = 19  # those of a number of 64 bits


class ManifestError(Exception):
    """A manifest that cannot be used. The text is what the original says of it; number and line tell where."""

    def __init__(self, message: str, number: int = 0, line: str = "") -> None:
        super().__init__(message)
        self.number = number
        self.line = line

    def report(self) -> str:
        """The lines for the log."""
        lines = [
            "\n*** FATAL AOF MANIFEST FILE ERROR ***",
            f"Reading the manifest file, at line {self.number}",
            f">>> '{self.line}'",
            str(self),
        ]
        return "\n".join(lines if self.number else [lines[0], str(self)]) + "\n"


class LogFile:
    """One file: its name within the folder, its number, its type."""

    def __init__(self, name: str, sequence: int, type: str) -> None:
        self.name = name
        self.sequence = sequence
        self.type = type

    def line(self) -> str:
        """How the manifest has it."""
        plain = all("!" <= character <= "~" and character not in "\"'\\" for character in self.name)
        name = self.name if plain else quoted(self.name)
        return f"file {name} seq {self.sequence} type {self.type}\n"


class Manifest:
    """What the files are. `base_sequence` and `incremental_sequence` are the highest numbers in use."""

    def __init__(
        self,
        base: LogFile | None = None,
        history: Sequence[LogFile] = (),
        incremental: Sequence[LogFile] = (),
        base_sequence: int = 0,
        incremental_sequence: int = 0,
    ) -> None:
        self.base = base
        self.history = list(history)
        self.incremental = list(incremental)
        self.base_sequence = base_sequence
        self.incremental_sequence = incremental_sequence

    def copy(self) -> Manifest:
        """Another one with the same content."""
        return Manifest(self.base, self.history, self.incremental, self.base_sequence, self.incremental_sequence)

    def text(self) -> bytes:
        """The content of the file."""
        files = [*([self.base] if self.base else []), *self.history, *self.incremental]
        return as_bytes("".join(one.line() for one in files))

    def next_base(self, stem: str, as_snapshot: bool) -> LogFile:
        """A new base in the place of the old one, which becomes history."""
        if self.base is not None:
            self.history.insert(0, LogFile(self.base.name, self.base.sequence, HISTORY))
        self.base_sequence += 1
        form = "rdb" if as_snapshot else "aof"
        self.base = LogFile(f"{stem}.{self.base_sequence}.base.{form}", self.base_sequence, BASE)
        return self.base

    def next_incremental(self, stem: str) -> LogFile:
        """Another file for the commands from here on."""
        self.incremental_sequence += 1
        one = LogFile(f"{stem}.{self.incremental_sequence}.incr.aof", self.incremental_sequence, INCREMENTAL)
        self.incremental.append(one)
        return one

    def retire_incremental(self, kept: int) -> None:
        """All but the last `kept` files of commands become history: the base has taken them in."""
        retired = self.incremental[: len(self.incremental) - kept]
        for one in retired:
            self.history.insert(0, LogFile(one.name, one.sequence, HISTORY))
        self.incremental = self.incremental[len(retired) :]

    @property
    def files(self) -> list[LogFile]:
        """What is to be loaded, in order."""
        return [*([self.base] if self.base else []), *self.incremental]


def parse(content: bytes) -> Manifest:
    """The manifest with this content. Raises ManifestError."""
    manifest = Manifest()
    if not content:
        raise ManifestError("Found an empty AOF manifest")
    highest = 0
    for number, raw in enumerate(content.splitlines(keepends=True), 1):
        line = as_text(raw)
        shown = line.strip(" \t\r\n")
        if line.startswith("#"):
            continue
        if not raw.endswith(b"\n") or len(raw) >= LINE_MAX:
            raise ManifestError("The AOF manifest file contains too long line", number, shown[:LINE_MAX])
        one = _parse_line(line.strip(" \t\r\n"), number)
        if one.type == BASE:
            if manifest.base is not None:
                raise ManifestError("Found duplicate base file information", number, shown)
            manifest.base = one
            manifest.base_sequence = one.sequence
        elif one.type == HISTORY:
            manifest.history.append(one)
        else:
            if one.sequence <= highest:
                raise ManifestError("Found a non-monotonic sequence number", number, shown)
            highest = one.sequence
            manifest.incremental.append(one)
            manifest.incremental_sequence = one.sequence
    return manifest


def _parse_line(line: str, number: int) -> LogFile:
    words = split_arguments(line) if line else None
    # Pairs of name and value, three of which are known; a later version may add others.
    if not words or len(words) < 6 or len(words) % 2:
        raise ManifestError("Invalid AOF manifest file format", number, line)
    fields = {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=True)}
    name, sequence, kind = fields.get("file", ""), fields.get("seq", ""), fields.get("type", "")
    if "/" in name:
        raise ManifestError("File can't be a path, just a filename", number, line)
    is_number = sequence.isascii() and sequence.isdigit() and len(sequence) <= SEQUENCE_DIGITS_MAX
    if not name or not is_number or int(sequence) == 0 or not kind:
        raise ManifestError("Invalid AOF manifest file format", number, line)
    if kind not in (BASE, HISTORY, INCREMENTAL):
        raise ManifestError("Unknown AOF file type", number, line)
    return LogFile(name, int(sequence), kind)
