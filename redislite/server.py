"""The composition root: builds one Engine, its listeners, loop and periodic work, runs them, and takes them down.

``run`` is what the command line calls. A ``Server`` may also be made and run by a program of its own, several in one
process, each on its own thread; only the first lines of ``run`` and signals concern the whole process.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from functools import partial

from redislite._core.commands.row import rows_of
from redislite._core.connection import Connection
from redislite._core.engine import Engine
from redislite._core.persistence.file_worker import FileWorker
from redislite._core.persistence.fork import disable_huge_pages
from redislite.acl.files import AclFileError, configured_rules, load_configured
from redislite.acl.users import Users
from redislite.commands import (
    acl,
    cluster,
    configuration,
    connection,
    debugging,
    introspection,
    modules,
    observability,
    persistence,
    pubsub,
    scripting,
    tracking,
)
from redislite.commands import server as server_commands
from redislite.commands.info import info_text
from redislite.config.config import Config, ConfigError
from redislite.config.following import follow_calls, follow_settings
from redislite.files import explain
from redislite.observability.command_log import CommandLog
from redislite.observability.latency_monitor import LatencyMonitor
from redislite.observability.log import VERBOSE, Log
from redislite.observability.metrics import Metrics
from redislite.observability.redaction import printable_sample
from redislite.persistence.append_only import AppendOnlyFile
from redislite.persistence.child import ChildRunner
from redislite.persistence.leftovers import remove_left
from redislite.persistence.loading import Loading, LoadingStopped
from redislite.persistence.refusal import REPLICAS, WriteRefusal
from redislite.persistence.snapshots import LoadError, Snapshots
from redislite.process.collector import Collector
from redislite.process.crash_reports import CrashReports
from redislite.process.limits import (
    RESERVED_DESCRIPTORS,
    adjust_descriptors,
    descriptor_limit,
    huge_pages_are_on,
    raise_descriptor_limit,
)
from redislite.process.oom_score import OomScore
from redislite.process.supervision import (
    Supervisor,
    daemonize,
    pid_file_path,
    remove_pid_file,
    write_pid_file,
)
from redislite.process.title import set_title, title_text
from redislite.serving.clients import (
    CLIENT_BLOCKED,
    CLIENT_MONITOR,
    CLIENT_POSTPONED,
    CLIENT_PUBSUB,
    CLIENT_SCRIPT,
    CLIENT_UNIX,
    HIDDEN,
    describe,
)
from redislite.serving.extensions import ExtensionError, Extensions
from redislite.serving.listeners import ListenError, Listeners
from redislite.serving.loop import READABLE, WRITABLE, Loop
from redislite.serving.pause import PauseState
from redislite.serving.script_debuggers import ScriptDebuggers
from redislite.serving.shutdown import Ending
from redislite.serving.slow_scripts import SlowScripts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from redislite.serving.loop import Timer

# Modules whose decorated functions are commands of the Python tier.
COMMAND_MODULES = (
    connection,
    cluster,
    server_commands,
    configuration,
    observability,
    debugging,
    introspection,
    pubsub,
    acl,
    tracking,
    persistence,
    modules,
    scripting,
)

# Clients that `timeout` does not close, whether they say anything or not.
NEVER_IDLE = CLIENT_BLOCKED | CLIENT_POSTPONED | CLIENT_MONITOR | CLIENT_PUBSUB
FAILURE_PAUSE = 0.1  # seconds for which a descriptor is left alone whose handler has failed
EXPIRE_SLICE_US = 1000  # of active expiry at a stretch, as others wait meanwhile


class ServerLost(Exception):
    """The server could not go on without breaking a promise; the text says which."""


class Server:
    """One server: data plane, configuration, sockets and the loop that drives them."""

    def __init__(self, config: Config, log: Log | None = None) -> None:
        self.config = config
        self.log = log if log is not None else Log()
        self.engine = Engine(databases=config["databases"], control=self)
        self.table = self.engine.table
        for module in COMMAND_MODULES:
            self.engine.register(rows_of(module))
        self._rename_commands()
        self.extensions = Extensions(self.engine)
        self._load_extensions()
        self.loop = Loop(config["io-multiplexing"])
        self.listeners = Listeners(self)
        self.command_log = CommandLog(config)
        self.debuggers = ScriptDebuggers(self.log)
        self.latency = LatencyMonitor(config)
        self.metrics = Metrics(self.engine)
        self.users = Users(self.engine, config, self.metrics.denied)
        load_configured(self.users, config)
        self.extensions.changed = self.users.recompile
        config.user_rules = partial(configured_rules, self.users)
        config.note_users()
        self.pause = PauseState(self.engine, self.loop)
        self.files = FileWorker()
        self.children = ChildRunner(self)
        self.loading = Loading(self)
        self.refusal = WriteRefusal(self.engine)
        self.snapshots = Snapshots(self)
        self.append_only = AppendOnlyFile(self)
        self.ending = Ending(config, self.engine, self.log, self.loop)
        self.ending.steps += [self.append_only.shut_down, self.children.shut_down, self.snapshots.shut_down]
        self.ending.before_exit = self.snapshots.remove_unfinished
        self.monitors: set[Connection] = set()
        self.run_id = os.urandom(20).hex()
        self.config_path = config.path
        self.executable = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else sys.executable
        self.started_monotonic = time.monotonic()
        self.cron_count = 0
        self.cron_paused = False
        self.supervisor: Supervisor | None = None
        self.oom_score: OomScore | None = None
        self.crash_reports: CrashReports | None = None
        self._pid_file = ""
        self._has_process = False
        self._given_up = ""  # why
        self._wakeup: tuple[socket.socket, socket.socket] | None = None
        self._collector = Collector()
        self._next_second = 0.0
        self._waiting_timer: Timer | None = None
        self._follow_engine()
        follow_settings(config, self.engine)
        follow_calls(config, self)
        self.need_replicas(config, "min-replicas-to-write")

    # Configuration

    def _rename_commands(self) -> None:
        for statement in self.config.renamed_commands:
            name, new_name = statement.arguments
            try:
                self.table.rename(name.encode(), new_name.encode())
                self.engine.rename_command(name, new_name)
            except KeyError:
                raise statement.refuse("No such command in rename-command") from None
            except ValueError:
                raise statement.refuse("Target command name already exists") from None

    def _load_extensions(self) -> None:
        for statement in self.config.modules:
            path, *arguments = statement.arguments
            try:
                extension = self.extensions.load(path, arguments)
            except ExtensionError as error:
                raise ExtensionError(f"Module {path} failed to load: {error}") from error
            self.log.notice(f"Module '{extension.name}' loaded from {path}")

    # What rows of directives call after a change

    def warn_of_limit(self, config: Config, _name: str) -> None:
        """Tells the log where more memory is used than the new limit allows."""
        used = self.engine.memory["used"]
        if 0 < config["maxmemory"] < used:
            self.log.warning(
                f"maxmemory is {config['maxmemory']} bytes now, which is less than the {used} bytes used. Keys are "
                "evicted, or writes refused, as maxmemory-policy says."
            )

    def apply_password(self, config: Config, _name: str) -> None:
        """Gives the default user the password of `requirepass`."""
        # Who is in without a password stays in when one is set; taking the password away lets everybody in.
        self.users.set_default_password(config["requirepass"])

    def need_replicas(self, config: Config, _name: str) -> None:
        """Refuses writes while there are fewer replicas than they need, of which there is none."""
        needs = config["min-replicas-to-write"] > 0 and config["min-replicas-max-lag"] > 0
        self.refusal.set(REPLICAS, "NOREPLICAS Not enough good replicas to write." if needs else "")

    def make_room_for_clients(self, config: Config, _name: str) -> None:
        """Makes room for `maxclients` descriptors. ConfigError where the system does not let us."""
        wanted = config["maxclients"]
        if raise_descriptor_limit(wanted + RESERVED_DESCRIPTORS) < wanted + RESERVED_DESCRIPTORS:
            raise ConfigError(
                "The operating system is not able to handle the specified number of clients, try with "
                f"{descriptor_limit() - RESERVED_DESCRIPTORS}"
            )

    def rebind(self, config: Config, name: str) -> None:
        """Listens where `bind` and `port` say. ConfigError; it listens where it did then."""
        try:
            self.listeners.rebind(list(config["bind"]), config["port"])
        except ListenError as error:
            if name == "bind":
                raise ConfigError("Failed to bind to specified addresses.") from error
            raise ConfigError("Unable to listen on this port. Check server logs.") from error
        self.show_title(config, name)

    def show_title(self, config: Config, _name: str) -> None:
        """Has the process be called as `proc-title-template` says, where it is all the server's."""
        if self._has_process and config["set-proc-title"]:
            set_title(title_text(config))

    # What the data plane calls

    def _follow_engine(self) -> None:
        engine = self.engine
        engine.on_close = self._closed
        engine.on_interest = self._watch_socket
        engine.on_slow_command = self._log_slow
        engine.on_monitored = self._feed_monitors
        engine.on_latency = self.latency.add
        engine.on_log = self._log_line
        engine.on_client_log = self._log_client
        engine.on_waiting = self._time_out_later
        engine.on_exception = self._log_exception
        engine.on_denied = self.users.deny
        engine.on_flushed = self.snapshots.flushed
        engine.on_script_slow = SlowScripts(self).serve
        engine.on_debugger = self.debuggers.add
        engine.redis_version = self.config.profile["redis_version"]
        engine.valkey_version = self.config.profile["scripts_valkey_version"]
        self.loop.before_sleep = engine.before_sleep
        self.loop.on_failure = self._handler_failed

    def _handler_failed(self, error: Exception, fd: int) -> None:
        """The fence around all that the loop calls: it costs at most the connection that was served."""
        self._log_exception(error)
        served = getattr(self.loop.handler(fd), "__self__", None)
        if isinstance(served, Connection):
            self.engine.close(served)
        elif fd >= 0:
            self.loop.rest(fd, FAILURE_PAUSE)

    def welcome(self, fd: int, address: str, local_address: str, is_unix: bool) -> None:
        """Takes up an accepted socket: from here on the loop serves it. OSError, MemoryError: it is closed."""
        try:
            client = self.engine.connect(fd, address, local_address)
        except Exception:
            os.close(fd)
            raise
        try:
            if is_unix:
                client.set_flag(CLIENT_UNIX, True)
            self.users.welcome(client)
            self.loop.add(fd, client.ready)
        except Exception:
            self.engine.close(client)
            raise
        if self.log.level <= VERBOSE:
            self.log.verbose(f"Accepted {address}")
        if self.loop.is_sync:
            self.listeners.pause(True)

    def is_open_to_all(self) -> bool:
        """Whether who connects is somebody without a password."""
        return self.users.default.any_password

    def _closed(self, client: Connection) -> None:
        self.loop.remove(client.fileno)
        self.monitors.discard(client)
        if not self.monitors:
            self.engine.set_gate("monitors", False)
        if self.loop.is_sync and self.listeners.tcp + self.listeners.unix:
            self.listeners.pause(False)

    def _watch_socket(self, client: Connection, readable: bool, writable: bool) -> None:
        try:
            self.loop.modify(client.fileno, (READABLE if readable else 0) | (WRITABLE if writable else 0))
        except OSError as error:
            self.log.warning(f"A client is closed, for its socket cannot be watched: {error.strerror}")
            client.close_soon()

    def _time_out_later(self, seconds: float) -> None:
        if self._waiting_timer is not None:
            self._waiting_timer.cancel()
        self._waiting_timer = self.loop.call_later(seconds, self.engine.end_overdue_waiting)

    def _log_slow(self, connection: Connection, *facts: Any) -> None:
        if connection.flags & CLIENT_SCRIPT and self.config.profile["slow_log_tells_caller"]:
            connection = self.engine.script_client or connection
        self.command_log.add(connection, *facts)

    def _feed_monitors(self, client: Connection, args: list[bytes]) -> None:
        line = observability.monitor_line(self, client, args)
        for monitor in tuple(self.monitors):
            monitor.append_raw(line)

    def _log_line(self, level: int, text: str) -> None:
        (self.log.debug, self.log.verbose, self.log.notice, self.log.warning)[level](text)

    def _log_client(self, client: Connection, level: int, text: str, ends: bytes, length: int) -> None:
        if self.log.level > level:
            return
        hide = self.config["hide-user-data-from-log"]
        before, _, behind = text.partition("{client}")
        sent = HIDDEN if hide else printable_sample(ends, length)
        self.log.write(level, before + describe(client, hide) + behind.replace("{data}", sent))

    def _log_exception(self, error: BaseException) -> None:
        try:
            import traceback
        except (ImportError, OSError):  # there may be no descriptor left to load it with
            text = repr(error)
        else:
            text = "".join(traceback.format_exception(error)).strip()
        self.log.warning("Internal error: " + text)

    def _load_for_errors(self) -> None:
        """What errors are told with, while it can be loaded: after the start, which it would take a twelfth of."""
        import traceback  # noqa: F401

    # Periodic work

    def _cron(self) -> None:
        config = self.config
        hz = config["hz"]
        self.loop.call_later(1.0 / hz, self._cron)
        begun = time.perf_counter()
        if self.crash_reports is not None:
            self.crash_reports.cron()
        if self.cron_paused:
            return
        self.ending.answer()
        if self.ending.done or self.loading.active or self.engine.is_busy:
            return
        self.cron_count += 1
        share = 25 + 2 * (config["active-expire-effort"] - 1)  # percent of the time, at the most
        # One that fails keeps none of the others from being done.
        guard = self.loop.guard
        guard(self.children.poll)
        guard(self.debuggers.poll)
        guard(self.append_only.cron)
        guard(self.snapshots.cron)
        guard(self._engine_cron, share)
        now = time.monotonic()
        if now >= self._next_second:
            self._next_second = now + 1.0
            if config["timeout"]:
                guard(self._close_idle, config["timeout"])
            guard(self._collector.turn)
            guard(self._look_at_files)
        guard(self.metrics.sample, self.engine)
        self.metrics.cron_us += (time.perf_counter() - begun) * 1e6

    def _look_at_files(self) -> None:
        error = self.files.take_error()
        if error:
            self.log.warning(f"A file or folder could not be brought to the disk: {os.strerror(error)}")

    def _engine_cron(self, share: int) -> None:
        budget = share * 10000 // self.config["hz"]
        if self.engine.cron(min(budget, EXPIRE_SLICE_US)):
            self._expire_later(budget - EXPIRE_SLICE_US, share)

    def _expire_later(self, budget: int, share: int) -> None:
        """Go on with active expiry in slices, so far apart that they keep to their share, until it is done or so many
        microseconds are spent."""

        def go_on() -> None:
            if self.cron_paused or self.ending.done or self.loading.active:
                return
            if self.engine.expire(min(budget, EXPIRE_SLICE_US)):
                self._expire_later(budget - EXPIRE_SLICE_US, share)

        if budget > 0:
            self.loop.call_later(EXPIRE_SLICE_US / 1e6 * (100 - share) / share, go_on)

    def _close_idle(self, seconds: int) -> None:
        oldest = self.engine.now_ms - seconds * 1000
        for client in self.engine.all_connections():
            if client.active_ms < oldest and not client.flags & NEVER_IDLE:
                self.log.verbose("Closing idle client")
                client.close_soon()

    # Life

    def start(self, listen: bool = True, snapshot_first: bool = False) -> None:
        """Opens the listening sockets, unless told not to, begins the periodic work and loads the data set, serving
        what may be served meanwhile. snapshot_first: the data are the snapshot's, which an append-only file that does
        not exist yet begins with; else an append-only file begins with nothing. Raises ListenError, LoadError, and
        LoadingStopped where it was told to end before that was done; RuntimeError where it has ended."""
        self._require_life()
        if listen:
            self.listeners.start()
        self.loop.call_later(1.0 / self.config["hz"], self._cron)
        self.loop.call_later(1.0 / self.config["hz"], self._load_for_errors)
        for path in remove_left(self.config["dir"]) + remove_left(self.append_only.folder):
            self.log.notice(f"Removed {path}, which a server that is gone has left unfinished")
        if snapshot_first:
            self.snapshots.load()
        if not self.append_only.load() and not snapshot_first:
            self.snapshots.load()
        self.engine.dirty = 0
        self.append_only.loaded()
        for listener in self.listeners.tcp[:1]:
            self.log.notice(f"Ready to accept connections {listener.kind}")
        for listener in self.listeners.unix:
            self.log.notice(f"Ready to accept connections {listener.kind}")

    def serve(self) -> None:
        """Serves until shutdown, then closes everything. Raises ServerLost; RuntimeError where it has ended."""
        self._require_life()
        try:
            self.loop.run()
        finally:
            self.close()
        if self._given_up:
            raise ServerLost(self._given_up)

    def _require_life(self) -> None:
        if self.loop.closed:
            raise RuntimeError("the server has ended: make another one")

    def give_up(self, reason: str) -> None:
        """Ends the server at once, and no reply leaves any more: what clients were about to be told is not so. The
        process ends with it where it is all the server's; else `serve` raises ServerLost."""
        if self._has_process:
            os._exit(1)
        if not self._given_up:
            self._given_up = reason
            self.loop.stop()
            for client in self.engine.all_connections():
                self.engine.close(client)

    def close(self) -> None:
        """Ends the child, writes what sockets take, closes connections and listeners, removes socket and pid files.
        Harmless where it has ended."""
        if self.loop.closed:
            return
        if self.children.kill():
            self.children.wait()
        self.engine.before_sleep()
        self.append_only.close()
        self.discard()
        self.log.warning("Redis is now ready to exit, bye bye...")

    def discard(self) -> None:
        """The same, without a word to anybody."""
        if self.loop.closed:
            return
        # Whoever sees its connection end finds that nobody listens any more, and no socket or pid file.
        self.listeners.close()
        if self._pid_file:
            remove_pid_file(self._pid_file, self.log)
        self.debuggers.close()
        for client in self.engine.all_connections():
            self.engine.close(client)
        if self._wakeup is not None:
            signal.set_wakeup_fd(-1)
            for end in self._wakeup:
                end.close()
        self.loop.close()

    # Signals

    def catch_signals(self) -> None:
        """Has SIGTERM and SIGINT end the server, from within the loop. For the main thread only."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self._wakeup = (ours, theirs)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Whoever started us may have had it ignored, and then nobody could tell how a child ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

        def wake(_events: int) -> None:
            ours.recv(64)
            if not self.cron_paused:
                self.ending.answer()

        self.loop.add(ours.fileno(), wake)

    def _note_signal(self, number: int, _frame: object) -> None:
        self.ending.ask(number)

    def take_process(self) -> None:
        """Does what concerns the process as a whole: title, pid file, supervisor, OOM score, size of pages."""
        config = self.config
        if config["disable-thp"] and huge_pages_are_on() and not disable_huge_pages():
            self.log.warning("Transparent huge pages are on, and could not be switched off for this process.")
        self.oom_score = OomScore(config, self.log)
        self._pid_file = pid_file_path(config)
        if self._pid_file and not write_pid_file(self._pid_file, self.log):
            self._pid_file = ""
        self._has_process = True
        self.show_title(config, "")

    def take_collector(self) -> None:
        """Has cron decide when garbage is looked for, in this process."""
        self._collector.take_over()


def run(config: Config) -> int:
    """Serves with this configuration until told to stop; answers the process's exit code."""
    log = Log(role="C")
    log.apply(config)
    supervisor = Supervisor(config["supervised"], log)
    if config["daemonize"] and not supervisor.kind:
        daemonize()
        log.discard_output = True
    log.notice("redislite is starting")
    bits = 64 if sys.maxsize > 2**32 else 32
    log.notice(
        f"{config.profile['title']} version={config.profile['version']}, bits={bits}, commit=00000000, modified=0, "
        f"pid={os.getpid()}, just started"
    )
    if config.path is None:
        log.warning(
            "Warning: no config file specified, using the default config. In order to specify a config file use "
            "redislite-server /path/to/redis.conf"
        )
    else:
        log.notice("Configuration loaded")
    adjust_descriptors(config, log)
    try:
        server = Server(config, log)
        server.supervisor = supervisor
        server.catch_signals()
        server.crash_reports = CrashReports(server, partial(info_text, server, ("server",)))
    except (AclFileError, ExtensionError) as error:
        log.warning(str(error))
        return 1
    except (OSError, MemoryError) as error:
        log.warning(f"Fatal: the server cannot be set up: {explain(error)}")
        return 1
    log.role = "M"
    log.notice(f"Running mode=standalone, port={config['port']}.")
    try:
        server.take_process()
        log.notice(f"PID: {os.getpid()}, Server initialized")
        server.start()
    except ListenError as error:
        log.warning(str(error))
        server.discard()
        return 1
    except (OSError, MemoryError) as error:
        log.warning(f"Fatal: the server cannot be started: {explain(error)}")
        server.discard()
        return 1
    except LoadError as error:
        log.warning(str(error))
        server.discard()
        log.warning("Fatal error loading the DB, check server logs. Exiting.")
        return 1
    except LoadingStopped:
        server.close()
        return 0
    supervisor.ready()
    server.take_collector()
    server.serve()
    supervisor.stopping()
    return 0
