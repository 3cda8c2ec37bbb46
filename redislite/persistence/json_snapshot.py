"""Snapshots in the readable form: RDB data made JSON Lines, and the other way round.

The engine whose data it is neither writes nor reads JSON: it saves and loads RDB, and an engine of the conversion's own
holds the data once more meanwhile. So a child needs no interpreter until it has written everything, and then starts
one; and loading leaves the engine with what an RDB file would have left it with.

    SAVE    engine ─RDB▶ file without a name ─▶ engine of the conversion ─▶ JSON
    BGSAVE  child  ─RDB▶ file without a name ─▶ `main` in the same process, with an interpreter of its own ─▶ JSON
    loading JSON ─▶ engine of the conversion ─RDB▶ file without a name ─▶ engine

Guarantees: a file without a name is gone with who has it open, whatever happens.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile

from redislite._core.engine import Engine
from redislite.files import create
from redislite.persistence.json_lines import JsonDumpError, load_file, write_file
from redislite.persistence.rdb_file import DataFileError, auxiliary_fields, read_descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO, Any

# How an interpreter is started on `main`: without what the environment or the working folder could put before it.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from redislite.persistence.json_snapshot import main; main()"


def between(path: str) -> IO[bytes]:
    """A file without a name beside another. OSError."""
    return tempfile.TemporaryFile(dir=os.path.dirname(path) or ".")


def between_reading(path: str) -> IO[bytes]:
    """The same where the other one is only read: its folder need not be writable. OSError."""
    try:
        return between(path)
    except OSError:
        return tempfile.TemporaryFile()


def write_json(source: int, target: int, path: str, databases: int) -> None:
    """Make a dump of RDB data and bring it to the disk; both are descriptors. path: the name that the dump is to have.
    OSError, MemoryError."""
    engine = Engine(databases=databases)
    os.lseek(source, 0, os.SEEK_SET)
    read_descriptor(engine, source, path, checksum=False)
    write_file(engine, target, path)
    os.fsync(target)


def read_json(
    engine: Engine,
    path: str,
    *,
    progress: Callable[[int], object] | None = None,
    progress_step: int = 0,
    **options: Any,
) -> dict[str, Any]:
    """Read a dump into the databases, as `rdb_file.read_file` reads an RDB file. DataFileError, with nothing read;
    OSError, MemoryError."""
    tell = progress or (lambda _read: None)
    with between_reading(path) as file:
        other = Engine(databases=engine.databases_count)
        other.set("rdb_compression", 0)
        other.set("max_bulk_length", engine.get("max_bulk_length"))
        try:
            load_file(other, path, tell, progress_step)
        except JsonDumpError as error:
            raise DataFileError(f"{path}, {error}") from error
        other.save_rdb(file.fileno(), aux=auxiliary_fields(engine), checksum=False)
        del other
        size = os.stat(path).st_size
        file.seek(0)
        return read_descriptor(
            engine,
            file.fileno(),
            path,
            progress=progress and (lambda _read: tell(size)),
            progress_step=progress_step or 1 << 20,
            **options,
        )


def command_line(source: int, target: str, databases: int) -> list[bytes]:
    """What a child with RDB data in a descriptor becomes, to write a dump to this path; its exit status is an errno.
    OSError where there is no interpreter."""
    if not sys.executable:
        raise OSError(errno.ENOENT, "no Python interpreter is known that could write JSON")
    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    words = (sys.executable, "-I", "-c", _START, packages, str(source), target, str(databases))
    return [os.fsencode(word) for word in words]


def main(arguments: Sequence[str] | None = None) -> None:
    """descriptor of RDB data, path of the dump, number of databases."""
    source, path, databases = sys.argv[1:] if arguments is None else arguments
    try:
        target = create(path)
        try:
            write_json(int(source), target, path, int(databases))
        finally:
            os.close(target)
    except OSError as error:
        sys.exit(error.errno or errno.EIO)
    except MemoryError:
        sys.exit(errno.ENOMEM)
