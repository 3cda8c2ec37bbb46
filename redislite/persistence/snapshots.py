"""Snapshots: when one is written, by whom, and what follows from its success or failure.

SAVE writes in the server's process, everything else in a child (`child.py`). A snapshot is written into a temporary
file beside the old one and takes its place when it is whole and on the disk, so that a crash leaves the one or the
other; the server's own process does that, so a child that was cancelled never replaces anything. What a file holds and
how it is written is the business of `rdb_file.py` and the data plane, or of `json_snapshot.py` where the file's name
tells that it is JSON.

Guarantees: a snapshot that fails leaves the old file as it was and no temporary one; `dirty` counts the changes that
the last successful snapshot does not have; a copy that is written elsewhere changes none of these figures.
"""

from __future__ import annotations

import contextlib
import os
import time

from redislite.config.text import parse_integer
from redislite.files import create, explain, is_json, is_packed, open_folder, publish, remove, sync_folder
from redislite.persistence.rdb_file import SYNC_BYTES, DataFileError, RdbFileError, auxiliary_fields, read_file
from redislite.persistence.refusal import SNAPSHOT
from redislite.serving.clients import HIDDEN
from redislite.serving.shutdown import ShutdownRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from redislite._core.engine import Engine
    from redislite._core.persistence.file_worker import FileWorker
    from redislite.config.config import Config
    from redislite.observability.latency_monitor import LatencyMonitor
    from redislite.observability.log import Log
    from redislite.persistence.child import Child, ChildRunner, Outcome
    from redislite.persistence.loading import Loading
    from redislite.persistence.refusal import WriteRefusal
    from redislite.serving.shutdown import Wish

    class Server(Protocol):
        """What is used of the server."""

        children: ChildRunner
        config: Config
        engine: Engine
        files: FileWorker
        latency: LatencyMonitor
        loading: Loading
        log: Log
        refusal: WriteRefusal


REMEDY = (
    "The file is as it was: look at it with redislite-check-rdb, put an older snapshot in its place, or move it away "
    "to start empty"
)
JSON_REMEDY = "The file is as it was: mend it, put an older snapshot in its place, or move it away to start empty"
COPY_SUFFIXES = (".rdb", ".json", ".json.gz")
RETRY_SECONDS = 5  # after a failure, before the next attempt that nobody asked for
KIND = "rdb"  # of the child
MISCONFIGURED = (
    "MISCONF {title} is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    "may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the {title} logs for details about the RDB "
    "error."
)


class SnapshotError(Exception):
    """A snapshot could not be written; the text says where and why."""


class LoadError(Exception):
    """The snapshot that is there cannot be loaded; the text says which, where, why, and what to do."""


def temporary_path(path: str, writer: str) -> str:
    """What a snapshot is called while it is written."""
    suffix = ".rdb" if not is_json(path) else ".json.gz" if is_packed(path) else ".json"
    return os.path.join(os.path.dirname(path), f"temp-{writer}{suffix}")


class Busy(SnapshotError):
    """A child is at work. `kind`: what for."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"a child is at work: {kind}")
        self.kind = kind


class Snapshots:
    """The snapshots of one server. `clock` gives the Unix time in seconds."""

    def __init__(self, server: Server, clock: Callable[[], float] = time.time) -> None:
        self._server = server
        self.clock = clock
        self.last_save = int(clock())  # Unix time of the last one that went well; of the start, before
        self.last_attempt = 0  # Unix time of the last one in the background
        self.last_succeeded = True  # the same
        self.last_seconds = -1  # how long it took; -1: there was none
        self.saves = 0  # begun
        self.scheduled = False  # to be begun when no child is at work
        self.keys_loaded = 0
        self.keys_expired = 0  # found in the file, and not loaded
        self.temporary = ""  # file that SAVE is writing
        self._dirty_at_fork = 0

    @property
    def path(self) -> str:
        """Where the snapshot is."""
        # As CONFIG GET shows it: absolute, also where the configuration named it relative to where the server started.
        return os.path.join(self._server.config.show("dir"), self._server.config["dbfilename"])

    def path_of(self, copy: str | None) -> str:
        """Where a copy with this name is; None: the file itself. SnapshotError where a copy cannot have this name: a
        client may choose it, and is to overwrite nothing that is no data file."""
        if copy is None:
            return self.path
        if "/" in copy or "\0" in copy or not copy.endswith(COPY_SUFFIXES):
            raise SnapshotError(f"a copy is a file in `dir` whose name ends in {', '.join(COPY_SUFFIXES)}")
        return os.path.join(self._server.config.show("dir"), copy)

    @property
    def is_running(self) -> bool:
        """Whether a child writes one."""
        child = self._server.children.active
        return child is not None and child.kind == KIND

    @property
    def running_seconds(self) -> int:
        """For how long the child has been writing; -1: there is none."""
        child = self._server.children.active
        return int(time.monotonic() - child.started) if child is not None and child.kind == KIND else -1

    # Writing

    def save(self, copy: str | None = None, *, beside_child: bool = False) -> None:
        """Write a snapshot, here and now, or a copy with this name. Busy while a child writes one, unless beside_child:
        then the child's takes this one's place. SnapshotError."""
        path = self.path_of(copy)
        if self.is_running and not beside_child:
            raise Busy(KIND)
        self._save(path, copy is not None)

    def _save(self, path: str, is_copy: bool = False) -> None:
        server = self._server
        self.saves += 1
        self.temporary = temporary_path(path, str(os.getpid()))
        try:
            fd = create(self.temporary)
            try:
                self._write(fd, path)
                os.fsync(fd)
            finally:
                os.close(fd)
            publish(self.temporary, path, 0 if is_copy else server.config["snapshot-keep"])
            sync_folder(path)
        except (OSError, MemoryError) as error:
            raise self._failed(path, self.temporary, error) from error
        finally:
            self.temporary = ""
        server.log.notice("DB saved on disk")
        if not is_copy:
            server.engine.dirty = 0
            self._finished(True)

    def _write(self, fd: int, path: str) -> None:
        """Write what a file of this name is to hold to a descriptor. OSError, MemoryError."""
        engine = self._server.engine
        if not is_json(path):
            engine.save_rdb(fd, **self._options())
            return
        from redislite.persistence.json_snapshot import between, write_json

        with between(path) as file:
            engine.save_rdb(file.fileno(), **self._options())
            write_json(file.fileno(), fd, path, engine.databases_count)

    def start(self, copy: str | None = None) -> None:
        """Have a child write a snapshot, or a copy with this name. Busy while any child is at work; SnapshotError."""
        server = self._server
        path, is_copy = self.path_of(copy), copy is not None
        if server.children.active is not None:
            raise Busy(server.children.active.kind)
        self.saves += 1
        self._dirty_at_fork = server.engine.dirty
        temporary = temporary_path(path, f"{os.getpid()}-{self.saves}")
        if not is_copy:
            self.last_attempt = int(self.clock())
        try:
            fork = self._fork_json if is_json(path) else self._fork
            child = fork(path, temporary, is_copy)
        except (OSError, MemoryError) as error:
            self.cancel()
            if not is_copy:
                self._finished(False)
            raise self._failed(path, temporary, error) from error
        if not is_copy:
            self.scheduled = False
        server.log.notice(f"Background saving started by pid {child.pid}")

    def _fork(self, path: str, temporary: str, is_copy: bool) -> Child:
        """Have a child write RDB. In the end the file's name has its number, which nobody knows before. OSError,
        MemoryError."""
        server = self._server
        options = self._options()
        fd = create(temporary)
        try:
            child = server.children.start(
                KIND,
                lambda report: server.engine.fork_save_rdb(report, fd, **options),
                lambda outcome: self._done(outcome, path, temporary_path(path, str(child.pid)), is_copy),
                server.config["bgsave-cpulist"],
            )
        finally:
            os.close(fd)
        os.rename(temporary, temporary_path(path, str(child.pid)))
        return child

    def _fork_json(self, path: str, temporary: str, is_copy: bool) -> Child:
        """Have a child write RDB to a file without a name, and then become what makes JSON of it. OSError,
        MemoryError."""
        from redislite.persistence.json_snapshot import between, command_line

        server = self._server
        engine = server.engine
        with between(path) as file:
            fd = file.fileno()
            options = self._options() | {"fsync": False, "then": command_line(fd, temporary, engine.databases_count)}
            return server.children.start(
                KIND,
                lambda report: engine.fork_save_rdb(report, fd, **options),
                lambda outcome: self._done(outcome, path, temporary, is_copy),
                server.config["bgsave-cpulist"],
            )

    def cancel(self) -> bool:
        """End the child that writes a snapshot; false where there is none."""
        return self.is_running and self._server.children.kill()

    def _options(self) -> dict[str, Any]:
        config, engine = self._server.config, self._server.engine
        return {
            "aux": auxiliary_fields(engine, profile=self._server.config.profile),
            "functions": engine.function_libraries,
            "checksum": config["rdbchecksum"],
            "sync_bytes": SYNC_BYTES if config["rdb-save-incremental-fsync"] else 0,
            "key_delay_us": config["rdb-key-save-delay"],
        }

    def _done(self, outcome: Outcome, path: str, temporary: str, is_copy: bool) -> None:
        """The child has ended: its file takes its place, or goes."""
        server = self._server
        self.last_seconds = int(outcome.seconds)
        if outcome.signal or outcome.cancelled:
            remove(temporary)
            server.log.warning(f"Background saving {outcome.describe()}")
            if not outcome.cancelled and not is_copy:
                self._finished(False)
            return
        try:
            if not outcome.succeeded:
                raise OSError(outcome.error, outcome.describe())
            publish(temporary, path, 0 if is_copy else server.config["snapshot-keep"])
        except OSError as error:
            self._failed(path, temporary, error)
            server.log.warning("Background saving error")
            if not is_copy:
                self._finished(False)
            return
        try:
            # The disk may take its time with this; the loop need not.
            server.files.sync_and_close(open_folder(path))
        except OSError as error:
            server.log.warning(f"The folder of {path} could not be brought to the disk: {explain(error)}")
        server.log.notice("DB saved on disk")
        server.log.notice("Background saving terminated with success")
        if not is_copy:
            server.engine.dirty = max(0, server.engine.dirty - self._dirty_at_fork)
            self._finished(True)

    def _failed(self, path: str, temporary: str, error: OSError | MemoryError) -> SnapshotError:
        """What is to be raised; the log has it already, and the temporary file is gone."""
        with self._server.latency.measured("rdb-unlink-temp-file"):
            remove(temporary)
        failure = SnapshotError(f"cannot save the data set to {path}: {explain(error)}")
        self._server.log.warning(str(failure))
        return failure

    def _finished(self, succeeded: bool) -> None:
        self.last_succeeded = succeeded
        if succeeded:
            self.last_save = int(self.clock())
        self.follow(self._server.config, "")

    def follow(self, config: Config, _name: str) -> None:
        """Refuses writes, or not any more, where the last snapshot failed and the configuration wants it so."""
        refused = not self.last_succeeded and config["stop-writes-on-bgsave-error"] and config["save"]
        text = MISCONFIGURED.format(title=self._server.config.profile["title"]) if refused else ""
        self._server.refusal.set(SNAPSHOT, text)

    # When

    def cron(self) -> None:
        """Start one that is due or scheduled, unless a child is at work or the last attempt failed just now."""
        server = self._server
        now = self.clock()
        if server.children.active is not None:
            return
        if not self.last_succeeded and now - self.last_attempt <= RETRY_SECONDS:
            return
        for seconds, changes in server.config["save"]:
            if server.engine.dirty >= changes and now - self.last_save > seconds:
                server.log.notice(f"{changes} changes in {seconds} seconds. Saving...")
                break
        else:
            if not self.scheduled:
                return
        with contextlib.suppress(SnapshotError):
            self.start()

    def flushed(self) -> None:
        """All databases were emptied: a child that writes what was there has no use, and the file goes the same way."""
        self.cancel()
        if self._server.config["save"] and not self._server.loading.active:
            with contextlib.suppress(SnapshotError):
                self._save(self.path)

    # End

    def shut_down(self, wish: Wish) -> None:
        """Before the end: the data set is saved, where that is wanted and it is whole. ShutdownRefused."""
        server = self._server
        if wish.save is False or server.loading.active or (wish.save is None and not server.config["save"]):
            return
        server.log.notice("Saving the final RDB snapshot before exiting.")
        try:
            self.save()
        except SnapshotError:
            if not wish.force:
                raise ShutdownRefused("Error trying to save the DB") from None
            server.log.warning("Error trying to save the DB. Exit anyway.")

    def remove_unfinished(self) -> None:
        """Take away the file that SAVE is writing, if it is: nobody will write on."""
        if self.temporary:
            remove(self.temporary)

    # Reading

    def load(self) -> None:
        """Read the snapshot into the databases, if there is one. LoadError; LoadingStopped."""
        server = self._server
        config = server.config
        path = self.path
        begun = time.monotonic()
        try:
            with server.loading.of(path, os.stat(path).st_size) as loading:
                result = self.read(
                    path,
                    progress=loading.progress,
                    aux=loading.fields,
                    progress_step=config["loading-process-events-interval-bytes"],
                    checksum=config["rdbchecksum"],
                    key_delay_us=config["key-load-delay"],
                )
        except FileNotFoundError:
            return
        except RdbFileError as error:
            server.log.warning(f"Internal error in RDB reading offset {error.offset} -> {error.reason}")
            raise LoadError(f"{error}. {REMEDY}. Terminating server after rdb file reading failure.") from error
        except DataFileError as error:
            raise LoadError(f"{error}. {JSON_REMEDY}") from error
        except (OSError, MemoryError) as error:
            raise LoadError(f"cannot read {path}: {explain(error, reading=True)}") from error
        self.note_loaded(result)
        server.log.notice(f"DB loaded from disk: {time.monotonic() - begun:.3f} seconds")

    def read(self, path: str, **options: Any) -> dict[str, Any]:
        """Read a file of either form into the databases; options and answer are those of `Engine.load_rdb`.
        DataFileError, OSError, MemoryError."""
        engine = self._server.engine
        if not is_json(path):
            return read_file(engine, path, **options)
        from redislite.persistence.json_snapshot import read_json

        return read_json(engine, path, **options)

    def note_loaded(self, result: dict[str, Any]) -> None:
        """Keep for INFO, and tell the log, what was read."""
        log = self._server.log
        self.keys_loaded, self.keys_expired = result["keys"], result["expired"]
        fields = result["aux"]
        for name, line in ((b"redis-ver", "version {}"), (b"valkey-ver", "Valkey version {}")):
            if name in fields:
                log.notice("Loading RDB produced by " + line.format(fields[name].decode("utf-8", "replace")))
        created, used = (parse_integer(fields.get(name, b"").decode("latin-1")) for name in (b"ctime", b"used-mem"))
        if created is not None:
            log.notice(f"RDB age {max(0, int(self.clock()) - created)} seconds")
        if used is not None:
            log.notice(f"RDB memory usage when created {used / (1 << 20):.2f} Mb")
        hide = self._server.config["hide-user-data-from-log"]
        for name in result["empty_names"]:
            # Quoted, as a name may hold ends of lines.
            shown = HIDDEN if hide else repr(name.decode("utf-8", "backslashreplace"))[1:-1]
            log.notice(f"rdbLoadObject skipping empty key: {shown}")
        empty = f", empty keys skipped: {result['empty']}" if result["empty"] else ""
        log.notice(f"Done loading RDB, keys loaded: {self.keys_loaded}, keys expired: {self.keys_expired}{empty}.")
