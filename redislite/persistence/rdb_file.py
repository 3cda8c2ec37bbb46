"""RDB files: what they tell about who wrote them, and reading them, with the file's name in every error."""

from __future__ import annotations

import os
import time

from redislite._core.persistence.rdb_snapshot import RdbError
from redislite.config.compatibility import DEFAULT_PROFILE, Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from redislite._core.engine import Engine

MAGICS = (b"REDIS", b"VALKEY")  # what a file begins with
MAGIC_BYTES = 6
_MODULE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_MODULE_NAME = 9  # characters
_MODULE_VERSION_BITS = 10

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


def auxiliary_fields(
    engine: Engine, aof_base: bool = False, profile: Profile = DEFAULT_PROFILE
) -> dict[bytes, bytes]:
    """What a file tells about who wrote it."""
    return {
        profile["rdb_version_field"]: profile["version"].encode(),
        b"redis-bits": b"64",
        b"ctime": b"%d" % time.time(),
        b"used-mem": b"%d" % engine.memory["used"],
        b"aof-base": b"%d" % aof_base,
    }


def module_type(identifier: int) -> tuple[str, int]:
    """The name of a module's type and the version of its data, which its identifier consists of."""
    letters = identifier >> _MODULE_VERSION_BITS
    name = "".join(_MODULE_ALPHABET[letters >> 6 * i & 63] for i in reversed(range(_MODULE_NAME)))
    return name, identifier & (1 << _MODULE_VERSION_BITS) - 1


def module_identifier(name: str, version: int) -> int:
    """The other way round. ValueError where they cannot be those of a module's type."""
    if len(name) != _MODULE_NAME or not 0 <= version < 1 << _MODULE_VERSION_BITS:
        raise ValueError
    letters = 0
    for letter in name:
        letters = letters << 6 | _MODULE_ALPHABET.index(letter)
    return letters << _MODULE_VERSION_BITS | version


def needs_snapshot(engine: Engine) -> bool:
    """Whether the engine holds what RDB data can say, and commands cannot: an append-only file needs such a base then,
    whatever aof-use-rdb-preamble says."""
    return bool(engine.module_aux)


def library_commands(engine: Engine) -> bytes:
    """The libraries of functions as an append-only file has them that begins without RDB data."""
    return b"".join(
        b"*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$%d\r\n%s\r\n" % (len(code), code)
        for code in engine.function_libraries
    )


def empty(engine: Engine) -> None:
    """Leave nothing of what a file can hold."""
    engine.flush(-1, False)
    engine.release_all()  # what is to be loaded may take as much
    engine.clear_function_libraries()
    engine.module_aux.clear()


def read_descriptor(engine: Engine, fd: int, path: str, **options: Any) -> dict[str, Any]:
    """Read RDB data into the databases, from where the descriptor stands; `options` and the answer are those of
    `Engine.load_rdb`, path is for errors. Its libraries of functions come behind those that the engine holds, and what
    modules have written beside the keys takes the place of what the engine holds from the same ones.

    RdbFileError, OSError, MemoryError; the keys before the place of an error are loaded then.
    """
    try:
        result = engine.load_rdb(fd, **options)
    except RdbError as error:
        raise RdbFileError(path, error.offset, error.reason) from error
    for code in result["functions"]:
        try:
            engine.add_function_library(code, options.get("replace", False))
        except ValueError as error:
            raise RdbFileError(path, result["bytes"], str(error)) from error
    engine.module_aux.update(result["module_aux"])
    return result


def read_file(engine: Engine, path: str, **options: Any) -> dict[str, Any]:
    """The same from a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_descriptor(engine, fd, path, **options)
    finally:
        os.close(fd)
