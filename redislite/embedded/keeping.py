"""How a database in this process is kept in a file: what is there at the start, and what is left at the end.

    name.rdb, name.json     the snapshot: at save points and at a clean end
    name.rdb.journal/       the commands since, as an append-only file, which a clean end folds into the snapshot
    name.rdb.lock           is locked by the process that has the database open

Guarantees: two never have a file open at once, be they databases of one process; whatever moment the process ends at,
what is there can be opened, and lacks at the most what the durability allows: "always" nothing that was answered,
"journal" the last second or two, "snapshot" what came since the last save point.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil

from redislite.files import remove, try_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.server import Server

DURABILITIES = ("snapshot", "journal", "always")
JOURNAL = "journal.aof"  # the name that files in the journal's folder begin with


class LockedError(OSError):
    """Another process, or another database of this one, has the file open."""


class Lock:
    """The lock of one database file. LockedError, OSError."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = self._take()

    def _take(self) -> int:
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                by = try_lock(fd)
                if by:
                    raise LockedError(errno.EBUSY, f"{by} has the database open", self.path)
                if os.path.samestat(os.fstat(fd), os.stat(self.path)):
                    return fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # its owner has just removed it

    def release(self) -> None:
        """Gives the file up."""
        remove(self.path)
        os.close(self._descriptor)


class Keeping:
    """One database file.

    path: of the snapshot, whose end says in which form it is. durability: one of DURABILITIES. ValueError; LockedError;
    OSError where the folder is not there or cannot be written.
    """

    def __init__(self, path: str, durability: str) -> None:
        if durability not in DURABILITIES:
            raise ValueError(f"durability is one of {', '.join(DURABILITIES)}, not {durability!r}")
        if not path.endswith((".rdb", ".json")):
            raise ValueError(f"a database is kept in a file whose name ends in .rdb or .json, not in {path!r}")
        self.path = os.path.abspath(path)
        if os.path.isdir(self.path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.path)
        self.durability = durability
        self.journal = f"{self.path}.journal"
        self._lock = Lock(f"{self.path}.lock")
        self._process = os.getpid()

    @property
    def has_journal(self) -> bool:
        """Whether the database did not end cleanly, so that the journal has it and not the snapshot."""
        return os.path.exists(os.path.join(self.journal, f"{JOURNAL}.manifest"))

    def directives(self) -> dict[str, object]:
        """The configuration of a server that keeps it so."""
        folder, name = os.path.split(self.path)
        directives: dict[str, object] = {"dir": folder, "dbfilename": name, "appenddirname": f"{name}.journal"}
        directives["appendfilename"] = JOURNAL
        if self.durability == "snapshot":
            directives["save"] = ["3600", "1", "300", "100", "60", "10000"]
        if self.durability != "snapshot" or self.has_journal:
            directives["appendonly"] = "yes"
            directives["appendfsync"] = "always" if self.durability == "always" else "everysec"
        return directives

    def end(self, server: Server, save: bool = True) -> None:
        """Ends the server, folding its journal into the snapshot, or leaving all as it is on the disk. What a forked
        child has of it is only dropped. SnapshotError where the snapshot cannot be written: the journal stays then."""
        if os.getpid() != self._process:
            server.discard()
            return
        try:
            if save:
                server.children.kill()
                server.children.wait()
                if server.engine.dirty or self.has_journal or not os.path.exists(self.path):
                    server.snapshots.save()
        except BaseException:
            save = False
            raise
        finally:
            server.close()
            if save:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(self.journal)
            self._lock.release()

    def give_up(self) -> None:
        """Nothing was opened."""
        self._lock.release()
