"""The append-only file: which files it consists of, when it is rewritten, and how it is loaded.

Commands are written by the data plane (`persistence/append_log` there), once per turn and before replies leave; here
is decided to which file. The files stand in a folder of their own, named by a manifest (`manifest.py`): a base with
the data set as it was at the last rewrite, and files of the commands since.

    start ──load──▶ open ◀──────────────────────────────┐
                      │ rewrite: a new file of commands, │ the child's file becomes the base, what it has taken in
                      └ a child that writes a new base ──┘ becomes history and goes

Guarantees: the manifest is replaced whole, and names only files that are there; a rewrite that fails leaves everything
as it was, but for one more file of commands; files are deleted only after a manifest is on the disk that has them as
history, and are named by it until they are gone, so that a crash leaves none that nobody knows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from redislite.config.kinds import ConfigError
from redislite.files import create, explain, publish, remove, replace, sync_folder, try_lock
from redislite.persistence.log_file import read_log_file
from redislite.persistence.manifest import LogFile, Manifest, ManifestError, parse
from redislite.persistence.rdb_file import (
    SYNC_BYTES,
    RdbFileError,
    auxiliary_fields,
    empty,
    library_commands,
    needs_snapshot,
)
from redislite.persistence.refusal import APPEND_ONLY
from redislite.persistence.snapshots import LoadError
from redislite.serving.shutdown import ShutdownRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from redislite.config.config import Config
    from redislite.persistence.child import Child, Outcome
    from redislite.persistence.snapshots import Server as SnapshotServer
    from redislite.serving.shutdown import Wish

    class Server(SnapshotServer, Protocol):
        """What is used of the server: what snapshots use, and a way to end it."""

        def give_up(self, reason: str) -> None:
            """Ends the server at once: no reply leaves any more."""


KIND = "aof"  # of the child
OFF, ON = "off", "on"
WAITING = "waiting"  # for the first rewrite since it was switched on
FAILURES_LIMIT = 3  # rewrites that fail in a row before there is a pause
LONGEST_PAUSE = 60  # minutes
ANNOTATION = b"#TS:%d\r\n"
FOLDER_MODE, LOG_MODE = 0o755, 0o644  # of new ones, before the umask


class AppendOnlyFile:
    """The append-only file of one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.log = server.engine.append_log
        self.state = OFF
        self.manifest = Manifest()
        self.scheduled = False  # a rewrite, for when there is no other child
        self.rewrites = 0  # begun
        self.failures = 0  # in a row
        self.last_rewrite_succeeded = True
        self.last_rewrite_seconds = -1
        self.base_size = 0  # bytes of all files when the last rewrite had ended, or after the start
        self._older_size = 0  # of the files before the one that is written
        self._pause_minutes = 0
        self._paused_until = 0.0
        self._rewriting_snapshot = True
        self._temporary = ""  # of the child
        self._lock = -1  # descriptor of the folder, by which it is kept from other servers
        self._progress: Callable[[int], object] = _ignore
        server.engine.on_log_lost = self._give_up
        server.engine.on_log_error = self._tell_error
        self.follow(server.config, "")

    # Names

    @property
    def folder(self) -> str:
        """Where the files are."""
        config = self._server.config
        path: str = os.path.join(config["dir"], config["appenddirname"])
        return path

    @property
    def _stem(self) -> str:
        stem: str = self._server.config["appendfilename"]
        return stem

    @property
    def _manifest_path(self) -> str:
        return self._path(f"{self._stem}.manifest")

    @property
    def _temporary_manifest_path(self) -> str:
        return self._path(f"temp-{self._stem}.manifest")

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    @property
    def _waiting_path(self) -> str:
        """The file of commands while the first base is not there yet."""
        return self._path(f"temp-{self._stem}.incr")

    @property
    def _lock_path(self) -> str:
        return self._path(f".{self._stem}.lock")

    # The folder

    def _make_folder(self) -> None:
        if not os.path.isdir(self.folder):
            os.mkdir(self.folder, FOLDER_MODE)

    def _take_folder(self) -> bool:
        """Make the folder, and keep other servers from files of this name in it: two that write the same files lose
        what both acknowledge. The lock is on an empty file, since all others are replaced now and then, and goes with
        the process, however that ends. False: it was this server's already. OSError."""
        self._make_folder()
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, LOG_MODE)
        by = ""
        try:
            if self._lock >= 0 and os.path.sameopenfile(fd, self._lock):
                os.close(fd)
                return False
            by = try_lock(fd)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
                os.close(fd)
                raise
            # A file system that knows no locks: nobody is kept out, and nothing is lost by that with one server.
            self._server.log.warning(f"{self.folder} cannot be locked: see to it that no other server uses it")
        if by:
            os.close(fd)
            reason = f"{by} has its append only file there; one of the two needs another `dir` or `appendfilename`"
            raise OSError(errno.EBUSY, reason)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = fd
        return True

    def _leave_folder(self) -> None:
        """Let other servers have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # Figures

    @property
    def is_rewriting(self) -> bool:
        """Whether a child is writing a new base."""
        child = self._server.children.active
        return child is not None and child.kind == KIND

    @property
    def rewriting_seconds(self) -> int:
        """For how long; -1: there is none."""
        child = self._server.children.active
        return int(time.monotonic() - child.started) if child is not None and child.kind == KIND else -1

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._older_size + self.log.size

    # Configuration

    def follow(self, config: Config, _name: str) -> None:
        """Writes and syncs as the configuration says."""
        log = self.log
        log.policy = config["appendfsync"]
        log.timestamps = config["aof-timestamp-enabled"]
        self._apply_pause()

    def _apply_pause(self) -> None:
        server = self._server
        self.log.child_runs = server.children.active is not None
        self.log.paused = server.config["no-appendfsync-on-rewrite"] and self.log.child_runs

    def switch(self, config: Config, _name: str) -> None:
        """Begins or ends it, as `appendonly` says. ConfigError where it cannot begin."""
        if self._server.loading.active:
            return  # what it says when all is loaded is done then
        if config["appendonly"] and self.state == OFF:
            if not self._begin():
                raise ConfigError("Unable to turn on AOF. Check server logs.")
        elif not config["appendonly"] and self.state != OFF:
            self._end()

    def _begin(self) -> bool:
        """Switched on while serving: a rewrite comes first."""
        server = self._server
        self.state = WAITING
        child = server.children.active
        if child is not None and child.kind != KIND:
            self.scheduled = True
            server.log.notice(
                "AOF was enabled but there is already another background operation. An AOF background was scheduled to "
                "start when possible."
            )
            return True
        if server.engine.in_transaction:
            self.scheduled = True
            server.log.notice(
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
            )
            return True
        if child is not None:
            server.log.notice(
                "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and "
                "starting a rewrite now."
            )
            self.cancel()
            if server.children.active is not None:
                self.scheduled = True
                return True
        if self.start():
            return True
        self.state = OFF
        self.scheduled = False
        server.log.warning(
            "The server needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above "
            "logs for more info about the error."
        )
        return False

    def _end(self) -> None:
        """Switched off while serving."""
        server = self._server
        if self.scheduled:
            self.scheduled = False
            server.log.notice("AOF was disabled but there is a scheduled AOF background, cancel it.")
        if self.log.is_open:
            self.log.flush()
            self.log.close()
        self.state = OFF
        self._older_size = 0
        self.cancel()
        if not self.is_rewriting:
            self._leave_folder()
        server.refusal.set(APPEND_ONLY, "")

    def collect(self, config: Config, _name: str) -> None:
        """Deletes what is no longer needed, unless `aof-disable-auto-gc` says not to."""
        if not config["aof-disable-auto-gc"]:
            self._delete_history()

    # Errors of the log

    def _give_up(self) -> None:
        """Nothing may be lost, and the disk does not take it: no reply may leave."""
        self._server.give_up(f"The append only file in {self.folder} cannot be written, and nothing of it may be lost")

    def _tell_error(self) -> None:
        error = self.log.error
        self._server.refusal.set(
            APPEND_ONLY, f"MISCONF Errors writing to the AOF file: {os.strerror(error)}" if error else ""
        )

    # The manifest

    def read_manifest(self) -> None:
        """Take over what is on the disk, if anything is. LoadError."""
        path = self._manifest_path
        self.manifest = Manifest()
        try:
            with open(path, "rb") as file:
                content = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise LoadError(
                f"Fatal error: can't open the AOF manifest file {path} for reading: {explain(error, reading=True)}"
            ) from error
        try:
            self.manifest = parse(content)
        except ManifestError as error:
            raise LoadError(
                f"{error.report()}(in {path}, which says which files are loaded: mend it, or move it away)"
            ) from error

    def _write_manifest(self, manifest: Manifest) -> None:
        """Put it on the disk, and take it over. OSError."""
        replace(self._manifest_path, manifest.text(), self._temporary_manifest_path)
        self.manifest = manifest

    def _delete_history(self) -> None:
        """Let the files go that the base has taken in."""
        if not self.manifest.history or self._server.config["aof-disable-auto-gc"]:
            return
        manifest = self.manifest.copy()
        paths = [self._path(one.name) for one in manifest.history]
        manifest.history = []
        removed = []
        try:
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    removed.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                    os.unlink(path)
            self._write_manifest(manifest)
        except OSError as error:
            self._server.log.warning(
                f"Cannot remove history from the AOF manifest {self._manifest_path}: {explain(error)}"
            )
        # A large file takes a while to go, which it does when nobody has it open any more.
        for fd in removed:
            self._server.files.close(fd)

    # Start

    def load(self) -> bool:
        """At the start: read the manifest, and the data where it is switched on; then open the file. True where this is
        where the data come from. LoadError; LoadingStopped."""
        server = self._server
        if not server.config["appendonly"]:
            self.read_manifest()
            return False
        try:
            self._take_folder()
        except OSError as error:
            raise LoadError(f"The append only file in {self.folder} cannot be opened: {explain(error)}") from error
        self.read_manifest()
        begun = time.monotonic()
        for left in (self._waiting_path, self._temporary_manifest_path):
            remove(left)
        try:
            self._upgrade()
            self._delete_history()
            if self.manifest.files:
                self._read(True)
                server.log.notice(f"DB loaded from append only file: {time.monotonic() - begun:.3f} seconds")
            if server.config["appendonly"]:
                self._open()
            else:
                server.log.notice("AOF was disabled while it was being loaded")
                self._leave_folder()
        except OSError as error:
            raise LoadError(f"The append only file cannot be opened: {error.filename}: {explain(error)}") from error
        return True

    def loaded(self) -> None:
        """All is loaded, from wherever: it may have been switched on or off meanwhile. LoadError."""
        try:
            self.switch(self._server.config, "")
        except ConfigError as error:
            raise LoadError(str(error)) from error

    def _upgrade(self) -> None:
        """An old server wrote one file, beside the snapshot: it becomes the base."""
        server = self._server
        stem = self._stem
        old = os.path.join(server.config["dir"], stem)
        manifest = self.manifest
        begun = manifest.base is not None and manifest.base.name == stem and not manifest.incremental
        fresh = not manifest.files and not os.path.exists(self._manifest_path)
        if not (begun or fresh) or not os.path.isfile(old) or os.path.exists(self._path(stem)):
            return
        self._make_folder()
        if fresh:
            self._write_manifest(Manifest(LogFile(stem, 1, "b"), base_sequence=1))
        os.rename(old, self._path(stem))
        sync_folder(self._path(stem))
        server.log.notice(
            f"Successfully migrated an old-style AOF file ({stem}) into the AOF directory "
            f"({server.config['appenddirname']})."
        )

    def _open(self) -> None:
        """Go on with the last file of commands, or begin with one. OSError."""
        server = self._server
        self._make_folder()
        manifest = self.manifest.copy()
        if not manifest.files:
            base = manifest.next_base(self._stem, server.config["aof-use-rdb-preamble"])
            self._write_first_base(base)
            server.log.notice(f"Creating AOF base file {base.name} on server start")
        if manifest.incremental:
            name = manifest.incremental[-1].name
            server.log.notice(f"Opening AOF incr file {name} on server start")
            fd = os.open(self._path(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, LOG_MODE)
        else:
            name = manifest.next_incremental(self._stem).name
            server.log.notice(f"Creating AOF incr file {name} on server start")
            fd = create(self._path(name), LOG_MODE)  # what a crash has left of that name is named by no manifest
        try:
            if manifest != self.manifest:
                self._write_manifest(manifest)
        except OSError:
            os.close(fd)
            raise
        self._older_size = sum(os.stat(self._path(one.name)).st_size for one in manifest.files[:-1])
        self.log.open(fd, os.fstat(fd).st_size)
        self.state = ON
        self.base_size = self.size

    def _write_first_base(self, base: LogFile) -> None:
        """The data as they are, in the server's own process: nothing, as a rule."""
        server = self._server
        temporary = os.path.join(self.folder, f"temp-rewriteaof-{os.getpid()}.aof")
        fd = create(temporary)
        try:
            if base.name.endswith(".rdb"):
                aux = auxiliary_fields(server.engine, aof_base=True, profile=server.config.profile)
                server.engine.save_rdb(fd, aux=aux)
            elif server.config["aof-timestamp-enabled"]:
                os.write(fd, ANNOTATION % time.time())
            os.fsync(fd)
        except OSError:
            remove(temporary)
            raise
        finally:
            os.close(fd)
        publish(temporary, self._path(base.name))

    # Loading

    def _read(self, serving: bool) -> None:
        """Execute all files, into databases that are empty, serving clients meanwhile or not. LoadError;
        LoadingStopped."""
        files = self.manifest.files
        try:
            sizes = [os.stat(self._path(one.name)).st_size for one in files]
        except OSError as error:
            raise LoadError(
                f"Unrecoverable error: the append only file {error.filename} cannot be read: {error.strerror}. The "
                f"manifest {self._manifest_path} names it: put it back, or mend the manifest"
            ) from error
        before = 0
        loading = self._server.loading
        self._progress = loading.progress if serving else _ignore
        with loading.of(self.folder, sum(sizes)):
            for one, size in zip(files, sizes, strict=True):
                begun = time.monotonic()
                if size:
                    self._read_file(one, before, one is files[-1])
                kind = "base" if one is self.manifest.base else "incr"
                seconds = time.monotonic() - begun
                self._server.log.notice(f"DB loaded from {kind} file {one.name}: {seconds:.3f} seconds")
                before += size
                self._progress(before)  # also looks whether a command has asked for the end

    def _read_file(self, one: LogFile, before: int, is_last: bool) -> None:
        server = self._server
        config = server.config
        path = self._path(one.name)
        is_base = path.endswith(".rdb")

        def tell(is_snapshot: bool) -> None:
            base = "Reading RDB base file on AOF loading..." if is_base else "Reading RDB preamble from AOF file..."
            server.log.notice(base if is_snapshot else "Reading the remaining AOF tail...")

        try:
            end = read_log_file(
                server.engine,
                path,
                progress=lambda loaded: self._progress(before + loaded),
                on_part=tell,
                aux=server.loading.fields,
                progress_step=config["loading-process-events-interval-bytes"],
                checksum=config["rdbchecksum"],
                key_delay_us=config["key-load-delay"],
            )
        except RdbFileError as error:
            what = "base file" if is_base else "preamble of the AOF file"
            raise LoadError(
                f"Error reading the RDB {what}, AOF loading aborted: {error}. The file is as it was: look at the "
                "manifest with redislite-check-aof, or put a backup of the folder in its place"
            ) from error
        except OSError as error:
            raise LoadError(
                f"Unrecoverable error reading the append only file {path}: {explain(error, reading=True)}"
            ) from error
        if end.state == "truncated":
            if end.in_transaction:
                server.log.warning(f"Revert incomplete MULTI/EXEC transaction in AOF file {path}")
            self._cut(path, end.valid, is_last)
        elif end.state == "malformed":
            raise LoadError(
                f"Bad file format reading the append only file {path}, byte {end.position}: make a backup of "
                "your AOF file, then use redislite-check-aof --fix <filename.manifest>."
            )
        elif end.state == "astray":
            raise LoadError(
                f"Error reading the append only file {path}, byte {end.position}: a database beyond the number of "
                "databases of this server (see the directive databases)"
            )
        elif end.state == "refused":
            unknown, _, _ = end.reason.partition(",")
            what = f"U{unknown[5:]}" if unknown.startswith("ERR unknown command") else "Error"
            raise LoadError(
                f"{what} reading the append only file {path}, byte {end.position} ({end.reason}). The file is as it "
                "was: load it with the server that has written it, or make a backup and take the command out"
            )

    def _cut(self, path: str, length: int, is_last: bool) -> None:
        """The file ends amid a request or a transaction: a crash does that to the last file."""
        log = self._server.log
        if not is_last or not self._server.config["aof-load-truncated"]:
            raise LoadError(
                f"Unexpected end of file reading the append only file {path}. You can: 1) Make a backup of your AOF "
                "file, then use redislite-check-aof --fix <filename.manifest>. 2) Alternatively you can set the "
                "'aof-load-truncated' configuration option to yes and restart the server."
            )
        log.warning(f"!!! Warning: short read while loading the AOF file {path}!!!")
        log.warning(f"!!! Truncating the AOF {path} at offset {length} !!!")
        try:
            os.truncate(path, length)
        except OSError as error:
            raise LoadError(f"Unrecoverable error truncating the append only file {path}: {explain(error)}") from error
        log.warning(f"AOF {path} loaded anyway because aof-load-truncated is enabled")

    def reload(self) -> None:
        """DEBUG LOADAOF: empty the databases and execute what was written, at one go: a client's command is running.
        LoadError, with nothing loaded."""
        server = self._server
        if self.log.is_open:
            self.log.flush()
        dirty = server.engine.dirty
        empty(server.engine)
        propagation = server.engine.propagation
        server.engine.propagation = 0
        try:
            self.read_manifest()
            self._delete_history()
            self._read(False)
        except LoadError:
            empty(server.engine)
            server.engine.dirty = dirty  # nothing that the log would have to tell
            raise
        finally:
            server.engine.propagation = propagation
        server.engine.dirty = 0
        self.loaded()
        server.log.notice("Append Only File loaded by DEBUG LOADAOF")

    # Rewriting

    def start(self) -> bool:
        """Begin a rewrite; false where that failed, which the log tells. There must be no child."""
        server = self._server
        log = server.log
        self.scheduled = False
        self.rewrites += 1
        temporary = ""
        try:
            if self._take_folder():
                self.read_manifest()
            if self.state != OFF:
                self._next_file()
            temporary = self._child_path(str(os.getpid()))
            child = self._fork(temporary)
            self._temporary = self._child_path(str(child.pid))
            os.rename(temporary, self._temporary)
        except (OSError, MemoryError, LoadError) as error:
            if temporary:
                remove(temporary)
            reason = str(error) if isinstance(error, LoadError) else explain(error)
            log.warning(f"Can't rewrite append only file in background, in {self.folder}: {reason}")
            if self.is_rewriting:  # what it writes has a name that nobody knows
                server.children.kill()
            elif self.state == OFF:
                self._leave_folder()
            self._failed()
            return False
        log.notice(f"Background append only file rewriting started by pid {child.pid}")
        self._apply_pause()
        return True

    def _child_path(self, writer: str) -> str:
        return os.path.join(self._server.config["dir"], f"temp-rewriteaof-bg-{writer}.aof")

    def _fork(self, temporary: str) -> Child:
        server = self._server
        config, engine = server.config, server.engine
        options: dict[str, Any] = {
            "sync_bytes": SYNC_BYTES if config["aof-rewrite-incremental-fsync"] else 0,
            "key_delay_us": config["rdb-key-save-delay"],
        }
        self._rewriting_snapshot = config["aof-use-rdb-preamble"] or needs_snapshot(engine)
        fd = create(temporary)
        try:
            if self._rewriting_snapshot:
                options |= {
                    "aux": auxiliary_fields(engine, aof_base=True, profile=self._server.config.profile),
                    "functions": engine.function_libraries,
                    "checksum": config["rdbchecksum"],
                }
                return server.children.start(
                    KIND,
                    lambda report: engine.fork_save_rdb(report, fd, **options),
                    self._done,
                    config["aof_rewrite_cpulist"],
                )
            stamp = ANNOTATION % time.time() if config["aof-timestamp-enabled"] else b""
            options["head"] = stamp + library_commands(engine)
            return server.children.start(
                KIND,
                lambda report: engine.fork_rewrite(report, fd, **options),
                self._done,
                config["aof_rewrite_cpulist"],
            )
        finally:
            os.close(fd)

    def _next_file(self) -> None:
        """What is executed from here on goes to a file of its own. OSError."""
        log = self.log
        if self.state == WAITING:
            path = self._waiting_path
            fd = create(path, LOG_MODE)
        else:
            manifest = self.manifest.copy()
            name = manifest.next_incremental(self._stem).name
            self._server.log.notice(f"Creating AOF incr file {name} on background rewrite")
            fd = create(self._path(name), LOG_MODE)
            try:
                if not log.flush():
                    raise OSError(log.error, os.strerror(log.error))
                if log.policy == "always":
                    log.sync()
                self._write_manifest(manifest)
            except OSError:
                os.close(fd)
                remove(self._path(name))
                raise
            self._older_size += log.size
        log.open(fd, 0)

    def cancel(self) -> None:
        """End the child that rewrites, if there is one, and wait for it."""
        children = self._server.children
        if self.is_rewriting:
            assert children.active is not None
            self._server.log.notice(f"Killing running AOF rewrite child: {children.active.pid}")
            children.kill()
            children.wait()

    def _done(self, outcome: Outcome) -> None:
        """The child has ended."""
        try:
            self._follow(outcome)
        finally:
            if self.state == OFF:
                self._leave_folder()

    def _follow(self, outcome: Outcome) -> None:
        server = self._server
        log = server.log
        self.last_rewrite_seconds = int(outcome.seconds)
        self._apply_pause()
        if outcome.succeeded:
            log.notice("Background AOF rewrite terminated with success")
            try:
                self._take_over()
            except OSError as error:
                log.warning(f"The rewritten AOF cannot take its place in {self.folder}: {explain(error)}")
                self._failed()
            else:
                self.last_rewrite_succeeded = True
                self.failures = 0
                log.notice("Background AOF rewrite finished successfully")
                self._delete_history()
            return
        remove(self._temporary)
        if outcome.cancelled:
            self._discard_waiting()
            return
        if outcome.signal:
            log.warning(f"Background AOF rewrite terminated by signal {outcome.signal}")
        else:
            log.warning(f"Background AOF rewrite terminated with error: {outcome.describe()}")
        self._failed()

    def _failed(self) -> None:
        self.last_rewrite_succeeded = False
        self.failures += 1
        self._discard_waiting()
        if self.state == WAITING:
            self.scheduled = True

    def _discard_waiting(self) -> None:
        """The commands since the fork are no use without what was before."""
        if self.state != ON and os.path.exists(self._waiting_path):
            self._server.log.notice(f"Removing the temp incr aof file {self._waiting_path} in the background")
            if self.log.is_open:
                self.log.close()
            remove(self._waiting_path)

    def _take_over(self) -> None:
        """The child's file becomes the base. OSError: everything is as it was."""
        log = self._server.log
        manifest = self.manifest.copy()
        base = manifest.next_base(self._stem, self._rewriting_snapshot)
        latency = self._server.latency
        with latency.measured("aof-rename"):
            os.rename(self._temporary, self._path(base.name))
        log.notice(f"Successfully renamed the temporary AOF base file {self._temporary} into {base.name}")
        if self.state == WAITING:
            one = manifest.next_incremental(self._stem)
            with latency.measured("aof-rename"):
                os.rename(self._waiting_path, self._path(one.name))
            log.notice(f"Successfully renamed the temporary AOF incr file {self._waiting_path} into {one.name}")
        manifest.retire_incremental(0 if self.state == OFF else 1)
        try:
            self._write_manifest(manifest)
        except OSError:
            remove(self._path(base.name))
            if self.state == WAITING:
                os.rename(self._path(manifest.incremental[-1].name), self._waiting_path)
            raise
        if self.state != OFF:
            self.state = ON
            with latency.measured("aof-fstat"):
                self._older_size = os.stat(self._path(base.name)).st_size
            self.base_size = self.size
            self.log.mend()

    # When

    def cron(self) -> None:
        """Begin a rewrite that was scheduled, or that growth calls for."""
        server = self._server
        self._apply_pause()
        if server.children.active is not None:
            return
        if self.log.incomplete:
            self.scheduled = True
        if self.scheduled:
            if not self._is_limited():
                self.start()
            return
        percentage = server.config["auto-aof-rewrite-percentage"]
        if self.state != ON or not percentage or self.size <= server.config["auto-aof-rewrite-min-size"]:
            return
        growth = self.size * 100 // (self.base_size or 1) - 100
        if growth >= percentage and not self._is_limited():
            server.log.notice(f"Starting automatic rewriting of AOF on {growth}% growth")
            self.start()

    def _is_limited(self) -> bool:
        """After several failures there is a pause, which grows."""
        if self.failures < FAILURES_LIMIT:
            self._pause_minutes = 0
            self._paused_until = 0.0
            return False
        now = time.monotonic()
        if self._paused_until:
            if now < self._paused_until:
                return True
            self._paused_until = 0.0
            return False
        self._pause_minutes = min(LONGEST_PAUSE, 2 * self._pause_minutes or 1)
        self._paused_until = now + self._pause_minutes * 60
        self._server.log.warning(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in "
            f"{self._pause_minutes} minutes"
        )
        return True

    # End

    def shut_down(self, wish: Wish) -> None:
        """Before the end: what was acknowledged is brought to the disk. ShutdownRefused."""
        server = self._server
        if self.state == WAITING:
            if not wish.force:
                raise ShutdownRefused("Writing initial AOF")
            server.log.warning("Writing initial AOF. Exit anyway.")
        if self.state == OFF:
            return
        self.cancel()
        if not self.log.is_open:
            return
        server.log.notice("Calling fsync() on the AOF file.")
        try:
            if not self.log.flush():
                raise OSError(self.log.error, os.strerror(self.log.error))
            self.log.sync()
        except OSError as error:
            server.log.warning(f"Fail to fsync the AOF file: {explain(error)}")
            if not wish.force:
                raise ShutdownRefused("The append only file is not on the disk") from error

    def close(self) -> None:
        """At the end of the server."""
        if self.log.is_open:
            self.log.flush()
            with contextlib.suppress(OSError):
                self.log.sync()
            self.log.close()
        self._leave_folder()


def _ignore(_loaded: int) -> None:
    """Loads without serving anybody."""
