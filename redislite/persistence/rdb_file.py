"""RDB files: what they tell about who wrote them, and reading them, with the file's name in every error."""

from __future__ import annotations

import os
import time

from redislite._core.snapshots import RdbError
from redislite.version import REDIS_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from redislite._core.engine import Engine

SYNC_BYTES = 4 << 20  # how much is written before it is handed to the disk, under rdb-save-incremental-fsync


class RdbFileError(Exception):
    """A file that cannot be read: which, where, and what is wrong."""

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


def read_file(
    engine: Engine, path: str, *, progress: Callable[[int], object] | None = None, **options: Any
) -> dict[str, Any]:
    """Read a file into the databases; `options` and the answer are those of `Engine.load_rdb`. Its libraries of
    functions come behind those that the engine holds.

    RdbFileError, OSError, MemoryError; the keys before the place of an error are loaded then.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        result = engine.load_rdb(fd, progress=progress, **options)
    except RdbError as error:
        raise RdbFileError(path, error.offset, error.reason) from error
    finally:
        os.close(fd)
    engine.function_libraries += result["functions"]
    return result
