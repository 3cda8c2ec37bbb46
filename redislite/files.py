"""Files that are replaced whole: written beside the old one, brought to the disk, and put in its place by a rename;
and files that are locked.

A crash at any moment leaves the old file or the new one. Earlier versions can be kept as `name.1`, `name.2`, …, the
latest first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

_JSON_SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz")


def is_json(path: str) -> bool:
    """Whether a data file of this name is a dump as JSON Lines."""
    return path.lower().endswith(_JSON_SUFFIXES)


def is_packed(path: str) -> bool:
    """Whether a file of this name is compressed."""
    return path.lower().endswith(".gz")


def create(path: str, mode: int = 0o666) -> int:
    """A descriptor of a new, empty file, for which whatever had its name makes room: a link is not followed, so that
    who may make one in the folder cannot have another file written to. mode: before the umask. OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, flags, mode)


def publish(temporary: str, path: str, keep: int = 0) -> None:
    """Put a file that is on the disk in the place of another, keeping that many earlier ones. OSError."""
    if keep:
        _keep_previous(path, keep)
    os.rename(temporary, path)


def _keep_previous(path: str, keep: int) -> None:
    """There is a file `path` all the time: the kept one is another name of it until it is replaced. What this takes
    depends on how many there are, not on how many there may be."""
    if not os.path.isfile(path):
        return
    kept = 0  # in a row, from the first on
    while kept < keep and os.path.lexists(f"{path}.{kept + 1}"):
        kept += 1
    if kept == keep:
        os.unlink(f"{path}.{keep}")
        kept -= 1
    for number in range(kept, 0, -1):
        os.rename(f"{path}.{number}", f"{path}.{number + 1}")
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
        mode = None
    fd = create(temporary, 0o644 if mode is None else mode)
    try:
        try:
            if mode is not None:
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


def open_folder(path: str) -> int:
    """A descriptor of a file's folder, which can be synced. OSError."""
    return os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_folder(path: str) -> None:
    """Bring what happened to the names in a file's folder to the disk. OSError."""
    fd = open_folder(path)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock_owner(fd: int) -> int:
    """The process that has locked a file (flock); 0 where the system does not tell."""
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    with contextlib.suppress(OSError, ValueError), open("/proc/locks", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if "->" not in words and words[1] == "FLOCK" and words[5] == f"{device}:{status.st_ino}":
                return max(0, int(words[4]))
    return 0


def try_lock(fd: int) -> str:
    """Lock an open file (flock), waiting for nobody: empty where that was done, else who has locked it. OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = lock_owner(fd)
        return f"the process {owner}" if owner else "another process"
    return ""


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
