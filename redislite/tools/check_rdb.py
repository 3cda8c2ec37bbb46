"""`redislite-check-rdb`: whether an RDB file can be loaded; where it is wrong, and how, where it cannot.

The file is read as a server would, into an engine of its own, with every payload looked at in depth and the checksum
compared. What is said is what the original's checker says, Redis's or with --compatibility valkey Valkey's, which reads
versions of the format that it does not know as far as it can. A file is sound where this server can load it, whoever
has written it. Exit status: 0 where it is sound, 1 where not.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

from redislite import console
from redislite._core.engine import Engine
from redislite.config.compatibility import PROFILES
from redislite.persistence.rdb_file import DATABASES_MAX, RdbFileError, module_type, read_file
from redislite.tools import rdb_statistics

PROGRAM = "redislite-check-rdb"
USAGE = (
    f"{PROGRAM} <rdb-file-name> [--compatibility redis|valkey] [--format table|info|csv] [--stats] [--output <file>]"
)
# The originals' names of the types of values, by their numbers.
TYPE_NAMES = (
    *("string", "list-linked", "set-hashtable", "zset-v1", "hash-hashtable", "zset-v2", "module-pre-release"),
    *("module-value", "", "hash-zipmap", "list-ziplist", "set-intset", "zset-ziplist", "hash-ziplist", "quicklist"),
    *("stream", "hash-listpack", "zset-listpack", "quicklist-v2", "stream-v2", "set-listpack", "stream-v3"),
    *("hash-hashtable-md-pre-release", "hash-listpack-md-pre-release", "hash-hashtable-md", "hash-listpack-md"),
)
# The originals' words for what the reader says in its own.
WORDS = (
    (r"unexpected end of file|.* more than the rest of the data", r"Unexpected EOF reading RDB file"),
    (r"wrong signature.*", r"Wrong signature trying to load DB from file"),
    (r"version (\d+) of the RDB format.*", r"Can't handle RDB format version \1"),
    (r"CRC error.*", r"RDB CRC error"),
    (r"unknown type of a value \((\d+)\)", r"Invalid object type: \1"),
)
NO_VERSION = "the version of the format is not a number"
WORDS_OF_NO_VERSION = ("Can't handle RDB format version 0", "Wrong signature trying to load DB from file")
FOREIGN = range(12, 80)  # versions between those that Redis and Valkey share, and Valkey's own
VALKEY_VERSION = 80  # what the newest Valkey that is known writes


class Check:
    """The reading of one file, and what there is to say about it."""

    def __init__(self, path: str, compatibility: str) -> None:
        self.path = path
        self.is_valkey = compatibility == "valkey"
        self.engine = Engine(databases=DATABASES_MAX)
        for name, value in PROFILES[compatibility].settings.items():
            self.engine.set(name, value)
        self.engine.set("rdb_relaxed", self.is_valkey)
        self.engine.replaying = True  # nothing expires
        self.trace: list[tuple[int, str, Any, Any]] = []
        self.databases = 1  # that figures are told of
        self.error: RdbFileError | None = None

    def run(self) -> list[str]:
        """Reads the file; what there is to say. Raises OSError, MemoryError."""
        checked = False
        try:
            if self._is_beyond():
                raise RdbFileError(self.path, 9, f"version {self._version()} of the RDB format")
            result = read_file(self.engine, self.path, deep=True, keep_expired=True, trace=self.trace)
            checked = result["checked"]
        except RdbFileError as error:
            self.error = error
        version = self.trace[-1][3]["version"] if self.trace else 0
        lines = []
        if self.is_valkey and version in FOREIGN:
            lines.append(f"[offset 9] Foreign RDB version {version} detected")
        elif self.is_valkey and version > VALKEY_VERSION:
            lines.append(f"[offset 9] Future RDB version {version} detected")
        lines += self._parts()
        offset, _, stage, facts = self._end()
        if self.error is None:
            disabled = "RDB file was saved with checksum disabled: no check performed."
            lines.append(f"[offset {offset}] {'Checksum OK' if checked else disabled}")
            if self.is_valkey:
                lines.append(f"[offset {offset}] Check RDB returned error code 0 (0 means success)")
            lines.append(f"[offset {offset}] \\o/ RDB looks OK! \\o/")
        else:
            offset = self.error.offset
            lines += ["--- RDB ERROR DETECTED ---", f"[offset {offset}] {self._reason(version)}"]
            lines.append(f"[additional info] While doing: {stage}")
            if facts["key"] is not None:
                lines.append(f"[additional info] Reading key '{_text(facts['key'])}'")
            kind = facts["type"]
            # Redis tells the first type before there is a value.
            if kind > 0 or (kind == 0 and (facts["key"] is not None or not self.is_valkey)):
                lines.append(f"[additional info] Reading type {kind} ({TYPE_NAMES[kind]})")
        return lines + self._counts(facts)

    def conclusion(self) -> list[str]:
        """What there is to say at last."""
        if self.error is None or not self.is_valkey:
            return []
        return [f"[offset {self.error.offset}] Check RDB returned error code 1 (0 means success)"]

    def _version(self) -> int:
        """The version in the header of a file of Redis or Valkey; 0 where there is none."""
        with open(self.path, "rb") as file:
            head = file.read(9)
        found = re.fullmatch(rb"(?:REDIS(\d{4})|VALKEY(\d{3}))", head)
        return int(found[1] or found[2]) if found else 0

    def _is_beyond(self) -> bool:
        """Whether even who reads versions that nobody knows reads no such file: Valkey's versions belong to its own
        signature, and it was never used for less."""
        if not self.is_valkey:
            return False
        version = self._version()
        with open(self.path, "rb") as file:
            is_own = file.read(6) == b"VALKEY"
        return version < FOREIGN.start if is_own and version else version >= FOREIGN.stop

    def _end(self) -> tuple[int, str, Any, Any]:
        if self.trace and self.trace[-1][1] == "end":
            return self.trace[-1]
        facts = dict.fromkeys(("keys", "expires", "expired", "timed"), 0)
        return 0, "end", "start", {**facts, "key": None, "type": 0}

    def _parts(self) -> list[str]:
        """What was read beside the keys, in its order."""
        lines = []
        for offset, kind, name, value in self.trace:
            if kind == "aux":
                lines.append(f"[offset {offset}] AUX FIELD {_text(name)} = '{_text(value)}'")
            elif kind == "database":
                lines.append(f"[offset {offset}] Selecting DB ID {_text(value)}")
                self.databases = max(self.databases, int(value) + 1)
            elif kind == "module":
                identifier = int.from_bytes(name, "little")
                lines.append(f"[offset {offset}] MODULE AUX for: {module_type(identifier)[0]}")
        return lines

    def _reason(self, version: int) -> str:
        assert self.error is not None
        for words, theirs in (*WORDS, (NO_VERSION, WORDS_OF_NO_VERSION[self.is_valkey])):
            found = re.fullmatch(words, self.error.reason)
            if found:
                text = found.expand(theirs)
                if self.is_valkey and version in FOREIGN and text.startswith("Invalid object type: "):
                    number = text.rpartition(" ")[2]
                    return f"Unknown object type {number} in RDB file with foreign version {version}"
                return text
        return self.error.reason

    def _counts(self, facts: dict[str, Any]) -> list[str]:
        functions = sum(kind == "function" for _, kind, _, _ in self.trace)
        return [
            f"[info] {facts['keys']} keys read",
            f"[info] {facts['expires']} expires",
            f"[info] {facts['expired']} already expired",
            f"[info] {functions} functions" if self.is_valkey else f"[info] {facts['timed']} subexpires",
        ]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A wrong command line has the status of a wrong file."""
        self.exit(1, f"Usage: {USAGE}\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    parser = _Parser(prog=PROGRAM, usage=USAGE, description="Tell whether an RDB file can be loaded.")
    parser.add_argument("file", metavar="rdb-file-name")
    parser.add_argument(
        "--compatibility", choices=sorted(PROFILES), default="redis", help="whose checker this is (default: redis)"
    )
    parser.add_argument("--stats", action="store_true", help="tell figures of each database too")
    parser.add_argument(
        "--format", choices=rdb_statistics.FORMATS, default="table", help="how these are written (default: table)"
    )
    parser.add_argument("--output", metavar="FILE", help="write all this into a file")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; answers the exit status."""
    try:
        options = build_parser().parse_args(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return console.run(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    print(f"[offset 0] Checking RDB file {options.file}")
    check = Check(options.file, options.compatibility)
    try:
        lines = check.run()
    except OSError as error:
        print(f"Cannot open file {options.file}: {error.strerror}", file=sys.stderr)
        if check.is_valkey:
            print("[offset 0] Check RDB returned error code 1 (0 means success)")
        return 1
    except MemoryError:
        print(f"{options.file}: the data do not fit into memory", file=sys.stderr)
        return 1
    if options.output is None:
        _write(sys.stdout, check, lines, options)
    else:
        try:
            with open(options.output, "w") as file:
                _write(file, check, lines, options)
        except OSError as error:
            print(f"Cannot open output file: '{options.output}': {error.strerror or os.strerror(error.errno or 0)}")
            return 1
    return 1 if check.error is not None else 0


def _write(file: TextIO, check: Check, lines: list[str], options: argparse.Namespace) -> None:
    for line in lines:
        print(line, file=file)
    if options.stats:
        for line in rdb_statistics.lines(check.engine, check.databases, options.format):
            print(line, file=file)
    for line in check.conclusion():
        print(line, file=file)


if __name__ == "__main__":
    sys.exit(main())
