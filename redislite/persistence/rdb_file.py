"""RDB files: what they tell about who wrote them, and reading them, with the file's name in every error."""

from __future__ import annotations

import os
import time

from redislite._core.rdb_snapshot import RdbError
from redislite.version import REDIS_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from redislite._core.engine import Engine

MAGICS = (b"REDIS", b"VALKEY")  # what a file begins with
MAGIC_BYTES = 6
DATABASES_MAX = 1024  # that tools expect a file to have
SYNC_BYTES = 4 << 20  # how much is written before it is handed to the disk, under rdb-save-incremental-fsync


def begins_as_snapshot(head: bytes) -> bool:
    """Whether what begins like this is RDB data: MAGIC_BYTES are enough to tell."""
    return head.startswith(MAGICS)


class DataFileError(Exception):
    """A file that cannot be read: which, where, and what is wrong."""


class RdbFileError(DataFileError):
    """The same, of an RDB file. offset: in bytes."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(f"{path}, byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


def auxiliary_fields(engine: Engine, aof_base: bool = False) -> dict[bytes, bytes]:
    """What a file tells about who wrote it."""
    return {
        b"redis-ver": REDIS_VERSION.encode(),
        b"redis-bits": b"64",
        b"ctime": b"%d" % time.time(),
        b"used-mem": b"%d" % engine.memory["used"],
        b"aof-base": b"%d" % aof_base,
    }


def read_descriptor(engine: Engine, fd: int, path: str, **options: Any) -> dict[str, Any]:
    """Read RDB data into the databases, from where the descriptor stands; `options` and the answer are those of
    `Engine.load_rdb`, path is for errors. Its libraries of functions come behind those that the engine holds.

    RdbFileError, OSError, MemoryError; the keys before the place of an error are loaded then.
    """
    try:
        result = engine.load_rdb(fd, **options)
    except RdbError as error:
        raise RdbFileError(path, error.offset, error.reason) from error
    engine.function_libraries += result["functions"]
    return result


def read_file(engine: Engine, path: str, **options: Any) -> dict[str, Any]:
    """The same from a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_descriptor(engine, fd, path, **options)
    finally:
        os.close(fd)
