"""`redislite-dump`: converts data files between RDB, append-only file and JSON Lines, and tells what is in one.

    redislite-dump convert dump.rdb dump.json.gz
    redislite-dump convert --to aof dump.json appendonly.aof
    redislite-dump stats dump.rdb

The kind of a file is told by its name (.rdb, .aof, .json, .json.gz; a manifest is an append-only file of several parts)
or by --from and --to. A file is loaded into an engine of its own, so it must fit into memory.

Guarantees: the target appears whole or not at all, and an old one stays until then; what cannot be read is an error
that names file and place, with exit status 1.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from redislite import console, files
from redislite._core.engine import Engine
from redislite._core.persistence.fork import ChildReport
from redislite.persistence import manifest
from redislite.persistence.json_lines import JsonDumpError, load_file, write_file
from redislite.persistence.log_file import read_log_file
from redislite.persistence.rdb_file import RdbFileError, auxiliary_fields, library_commands, needs_snapshot, read_file

PROGRAM = "redislite-dump"
KINDS = ("rdb", "aof", "json")
PROGRESS_FROM = 16 << 20  # bytes of a file from which on a bar is shown


class DumpError(Exception):
    """What went wrong, for the user."""


# Progress


@contextlib.contextmanager
def progress_bar(what: str, total: int | None, unit: str, shown: bool) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how far the work is; it draws a bar where there is somebody to see it.

    total: the work in units, None where it is not known. Without tqdm installed nothing is drawn.
    """
    bar = None
    if shown and sys.stderr.isatty():
        try:
            from tqdm import tqdm  # type: ignore[import-untyped]
        except ImportError:
            pass
        else:
            bar = tqdm(total=total, desc=what, unit=unit, unit_scale=True, leave=False)

    def tell(done: int) -> None:
        if bar is not None:
            bar.update(done - bar.n)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()


# Files


def kind_of(path: str) -> str:
    """The kind of a data file by its name: "rdb", "aof" or "json". Raises DumpError."""
    name = path.lower()
    if name.endswith((".aof", ".manifest")):
        return "aof"
    if files.is_json(path):
        return "json"
    if name.endswith(".rdb"):
        return "rdb"
    raise DumpError(f"{path}: the name does not tell what kind of file this is; say --from or --to")


def source_kind(options: argparse.Namespace) -> str:
    """The kind of the file that is to be read. Raises DumpError, above all where it is not there."""
    path: str = options.source
    try:
        os.stat(path)
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}") from None
    return options.source_kind or kind_of(path)


_REMEDIES = {
    "refused": "a server that knows the command can load it",
    "astray": "say with --databases how many there are",
}


def _load_commands(engine: Engine, path: str, tell: Callable[[int], None]) -> None:
    end = read_log_file(engine, path, progress=tell)
    if end.state != "done":
        remedy = _REMEDIES.get(end.state, "redislite-check-aof can mend it")
        reason = f": {end.reason}" if end.reason else ""
        raise DumpError(f"{path}, byte {end.position}: {end.state}{reason}; {remedy}")


def parts_of(path: str) -> list[str]:
    """The files that an append-only file consists of, in order: itself, or those that it names as a manifest."""
    if not path.lower().endswith(".manifest"):
        return [path]
    with open(path, "rb") as file:
        listed = manifest.parse(file.read())
    return [os.path.join(os.path.dirname(path), part.name) for part in listed.files]


def load(path: str, kind: str, databases: int) -> Engine:
    """An engine that holds what the file says. Raises DumpError."""
    engine = Engine(databases=databases)
    try:
        for part in parts_of(path) if kind == "aof" else [path]:
            size = os.path.getsize(part)
            with progress_bar(f"reading {os.path.basename(part)}", size, "B", size >= PROGRESS_FROM) as tell:
                if kind == "json":
                    load_file(engine, part, tell)
                elif kind == "rdb":
                    read_file(engine, part, progress=tell)
                else:
                    _load_commands(engine, part, tell)
    except JsonDumpError as error:
        raise DumpError(f"{path}, {error}") from None
    except manifest.ManifestError as error:
        raise DumpError(f"{path}: {error}") from None
    except RdbFileError as error:
        raise DumpError(str(error)) from None
    except OSError as error:
        raise DumpError(f"{error.filename or path}: {error.strerror or error}") from None
    except MemoryError:
        raise DumpError(f"{path}: the data do not fit into memory") from None
    return engine


def key_count(engine: Engine) -> int:
    """Keys in all databases."""
    return sum(engine.database_size(number) for number in range(engine.databases_count))


def _write_commands(engine: Engine, fd: int) -> None:
    if needs_snapshot(engine):
        engine.save_rdb(fd, aux=auxiliary_fields(engine, aof_base=True))
        return
    report = ChildReport()
    _, status = os.waitpid(engine.fork_rewrite(report, fd, head=library_commands(engine)), 0)
    if status:
        raise OSError(report.error, os.strerror(report.error))


def save(engine: Engine, path: str, kind: str) -> None:
    """Writes what an engine holds. Raises DumpError."""
    temporary = f"{path}.{os.getpid()}.part"
    count = key_count(engine)
    try:
        fd = files.create(temporary)
        try:
            with progress_bar(f"writing {os.path.basename(path)}", count, "keys", count >= 100_000) as tell:
                if kind == "json":
                    write_file(engine, fd, path, tell)
                elif kind == "rdb":
                    engine.save_rdb(fd, aux=auxiliary_fields(engine), functions=engine.function_libraries)
                else:
                    _write_commands(engine, fd)
            os.fsync(fd)
        finally:
            os.close(fd)
        files.publish(temporary, path)
        files.sync_folder(path)
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror or error}") from None
    finally:
        files.remove(temporary)  # which is not there any more where all went well


# Commands


def convert(options: argparse.Namespace) -> str:
    """redislite-dump convert; answers what to print."""
    source = source_kind(options)
    target = options.target_kind or kind_of(options.target)
    if options.target.lower().endswith(".manifest"):
        raise DumpError(f"{options.target}: a manifest only names files; give one whose name ends in .aof")
    engine = load(options.source, source, options.databases)
    save(engine, options.target, target)
    return f"{key_count(engine):,} keys from {options.source} ({source}) to {options.target} ({target})"


def human(size: float) -> str:
    """A number of bytes, for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def _shown(key: bytes) -> str:
    text = key.decode("utf-8", "backslashreplace")
    return text if len(text) <= 60 else text[:57] + "..."


def statistics(options: argparse.Namespace) -> str:
    """redislite-dump stats; answers what to print."""
    kind = source_kind(options)
    engine = load(options.source, kind, options.databases)
    count: Counter[tuple[str, str]] = Counter()
    memory: Counter[tuple[str, str]] = Counter()
    expiring = 0
    biggest: list[tuple[int, int, bytes, str]] = []
    for number in range(engine.databases_count):
        for key in engine.key_names(number):
            facts = engine.inspect(number, key)
            if facts is None:
                continue
            form = (str(facts["type"]), str(facts["encoding"]))
            size = int(facts["memory"])
            count[form] += 1
            memory[form] += size
            expiring += int(facts["deadline_ms"]) >= 0
            item = (size, number, key, form[0])
            if len(biggest) < options.top:
                heapq.heappush(biggest, item)
            elif options.top and item > biggest[0]:
                heapq.heapreplace(biggest, item)
    total = sum(count.values())
    lines = [
        f"{options.source}: {kind}, {total:,} keys, {expiring:,} of them with a time to live",
        f"memory when loaded, about: {human(engine.memory['used'])}",
        "",
        f"{'type':<9} {'encoding':<12} {'keys':>12} {'memory':>12} {'a key':>10}",
    ]
    for form, number in sorted(count.items(), key=lambda item: -memory[item[0]]):
        size = memory[form]
        lines.append(f"{form[0]:<9} {form[1]:<12} {number:>12,} {human(size):>12} {human(size / number):>10}")
    if biggest:
        lines += ["", f"{'biggest keys':<62} {'db':>3} {'type':<9} {'memory':>10}"]
        for size, number, key, type_name in sorted(biggest, reverse=True):
            lines.append(f"{_shown(key):<62} {number:>3} {type_name:<9} {human(size):>10}")
    return "\n".join(lines)


def _number(least: int, most: int) -> Callable[[str], int]:
    """What reads an argument that is a whole number of this range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return read


def build_parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Convert data files, or tell what is in one.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("convert", help="from one kind of file to another")
    one.add_argument("source", metavar="FROM", help="an RDB file, append-only file or its manifest, or JSON dump")
    one.add_argument("target", metavar="TO", help="what to write; an old file is replaced once the new one is whole")
    one.add_argument("--from", dest="source_kind", choices=KINDS, help="the kind of FROM, where its name does not tell")
    one.add_argument("--to", dest="target_kind", choices=KINDS, help="the kind of TO, where its name does not tell")
    one.set_defaults(run=convert)

    one = commands.add_parser("stats", help="keys by type and encoding, biggest keys, memory")
    one.add_argument("source", metavar="FILE")
    one.add_argument("--from", dest="source_kind", choices=KINDS, help="the kind of FILE, where its name does not tell")
    one.add_argument(
        "--top", type=_number(0, 10**6), default=10, metavar="N", help="how many of the biggest keys (default: 10)"
    )
    one.set_defaults(run=statistics)

    for one in commands.choices.values():
        one.add_argument(
            "--databases", type=_number(1, 10**5), default=16, metavar="N", help="how many databases (default: 16)"
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; answers the exit status."""
    options = build_parser().parse_args(arguments)
    return console.run(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        told = options.run(options)
    except DumpError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
