"""Files that are replaced whole: written beside the old one, brought to the disk, and put in its place by a rename.

A crash at any moment leaves the old file or the new one. Earlier versions can be kept as `name.1`, `name.2`, …, the
latest first.
"""

from __future__ import annotations

import contextlib
import errno
import os

_JSON_SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz")


def is_json(path: str) -> bool:
    """Whether a data file of this name is a dump as JSON Lines."""
    return path.lower().endswith(_JSON_SUFFIXES)


def is_packed(path: str) -> bool:
    """Whether a file of this name is compressed."""
    return path.lower().endswith(".gz")


def create(path: str, mode: int = 0o644) -> int:
    """A descriptor of a new, empty file. OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)


def publish(temporary: str, path: str, keep: int = 0) -> None:
    """Put a file that is on the disk in the place of another, keeping that many earlier ones. OSError."""
    if keep:
        _keep_previous(path, keep)
    os.rename(temporary, path)


def _keep_previous(path: str, keep: int) -> None:
    """There is a file `path` all the time: the kept one is another name of it until it is replaced."""
    if not os.path.isfile(path):
        return
    for number in range(keep - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}.{number}", f"{path}.{number + 1}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.1")
    try:
        os.link(path, f"{path}.1")
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        os.rename(path, f"{path}.1")  # a file system without a second name for a file


def replace(path: str, content: bytes, temporary: str = "") -> None:
    """Put a small file with this content in the place of another, whose permissions it takes over. temporary: what it
    is called meanwhile; a name of its own if none is given. OSError, the old file then being as it was."""
    temporary = temporary or f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        mode = os.stat(path).st_mode & 0o777
    except OSError:
        mode = 0o644
    fd = create(temporary, mode)
    try:
        try:
            os.fchmod(fd, mode)  # whatever the process's mask is
            while content:
                content = content[os.write(fd, content) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        publish(temporary, path)
    except OSError:
        remove(temporary)
        raise
    sync_folder(path)


def sync_folder(path: str) -> None:
    """Bring what happened to the names in a file's folder to the disk. OSError."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Remove a file, if it is there and lets itself be removed."""
    with contextlib.suppress(OSError):
        os.unlink(path)


# What an administrator can do about an error, by its errno.
_REMEDIES = {
    errno.ENOSPC: "make room there, or choose another folder with `dir`",
    errno.EDQUOT: "raise the quota, or choose another folder with `dir`",
    errno.EACCES: "let the user that the server runs as write there, or choose another folder with `dir`",
    errno.EPERM: "let the user that the server runs as write there, or choose another folder with `dir`",
    errno.EROFS: "the file system is read-only: choose another folder with `dir`",
    errno.ENOENT: "create the folder, or choose another with `dir`",
    errno.ENOTDIR: "choose a folder with `dir`",
    errno.EEXIST: "something else has the name of this folder: move it away, or choose another with `appenddirname`",
    errno.EISDIR: "a folder has this name: remove it, or choose another name with `dbfilename`",
    errno.ENOMEM: "make memory available to the server",
    errno.EAGAIN: "let the server's user have more processes",
}
# The same where a file was to be read.
_REMEDIES_READING = {
    errno.EACCES: "let the user that the server runs as read it",
    errno.EPERM: "let the user that the server runs as read it",
    errno.EISDIR: "a folder has this name: move it away",
    errno.ENOMEM: _REMEDIES[errno.ENOMEM],
    errno.ENOSPC: "make room there: what a dump holds is put into a file in between",
}


def explain(error: OSError | MemoryError, reading: bool = False) -> str:
    """What went wrong, and what to do about it where we know."""
    if isinstance(error, MemoryError):
        error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    remedy = (_REMEDIES_READING if reading else _REMEDIES).get(error.errno or 0)
    reason = error.strerror or str(error)
    return f"{reason} ({remedy})" if remedy else reason
