"""What the server does to its own process: background, pid file, supervisors, title, out-of-memory score.

Guarantees: nothing happens at import, and nothing here needs more than the standard library's light modules; what a
platform does not have is left out in silence, except where the configuration asked for it.
"""

from __future__ import annotations

import gc
import os
import signal
import time

from redislite.config.config import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from redislite.config.config import Config
    from redislite.observability.log import Log

DEFAULT_PID_FILE = "/var/run/redis.pid"
PROGRAM = "redislite-server"
# Which of the three values of oom-score-adj-values is meant.
MASTER, REPLICA, CHILD = range(3)
LOWEST_SCORE, HIGHEST_SCORE = -1000, 1000
# Places in /proc/self/stat, counted behind the process's name.
ARGUMENTS_START, ARGUMENTS_END, ENVIRONMENT_START, ENVIRONMENT_END = 45, 46, 47, 48
LONGEST_NAME = 15
LONGEST_NUMBER = 32


def current_umask() -> int:
    """The bits that new files do not get. The process has no other way to ask than to set it."""
    mask = os.umask(0o777)
    os.umask(mask)
    return mask


def daemonize() -> None:
    """Go on in a child in a session of its own, its standard streams closed; the parent exits with 0."""
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    try:
        descriptor = os.open(os.devnull, os.O_RDWR)
    except OSError:
        return
    for stream in (0, 1, 2):
        os.dup2(descriptor, stream)
    if descriptor > 2:
        os.close(descriptor)


def pid_file_path(config: Config) -> str:
    """Where the pid file goes: `pidfile`, else a default for a daemon, else nowhere (empty)."""
    chosen: str = config["pidfile"]
    return chosen or (DEFAULT_PID_FILE if config["daemonize"] else "")


def write_pid_file(path: str, log: Log) -> bool:
    """Write the process's number into a file; a failure is logged and false."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        log.warning(f"Failed to write PID file: {error.strerror}")
        return False
    return True


def remove_pid_file(path: str, log: Log) -> None:
    """Remove the pid file at exit, unless another process has written its number there since."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            if file.read(LONGEST_NUMBER).strip() != str(os.getpid()):
                return
        log.notice("Removing the pid file.")
        os.unlink(path)
    except OSError as error:
        log.verbose(f"Failed to remove PID file: {error.strerror}")


class Supervisor:
    """Tells upstart or systemd how far the server is. `kind` is `upstart`, `systemd` or, with neither, empty."""

    def __init__(self, mode: str, log: Log) -> None:
        self.kind = ""
        self._log = log
        if mode in ("upstart", "auto") and os.environ.get("UPSTART_JOB"):
            self.kind = "upstart"
            log.notice("supervised by upstart, will stop to signal readiness")
            del os.environ["UPSTART_JOB"]
            os.kill(os.getpid(), signal.SIGSTOP)
        elif mode == "upstart":
            log.warning("upstart supervision requested, but UPSTART_JOB not found!")
        elif mode in ("systemd", "auto") and os.environ.get("NOTIFY_SOCKET"):
            self.kind = "systemd"
            log.notice(
                "supervised by systemd. Please make sure you set appropriate values for "
                "TimeoutStartSec and TimeoutStopSec in your service unit."
            )
            self.notify("STATUS=Redis is loading...\n")
        elif mode == "systemd":
            log.warning("systemd supervision requested or auto-detected, but NOTIFY_SOCKET not found!")

    def notify(self, state: str) -> bool:
        """Send systemd assignments of its protocol, one a line; true when they were sent."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        if self.kind != "systemd" or not address:
            return False
        import socket

        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.connect(address)
                channel.sendall(state.encode())
        except OSError as error:
            self._log.warning(f"systemd notification failed: {error.strerror}")
            return False
        return True

    def ready(self) -> None:
        """The server accepts connections."""
        self.notify("STATUS=Ready to accept connections\nREADY=1\n")

    def ready_as_replica(self) -> None:
        """The server accepts connections and waits for its master's data set."""
        self.notify(
            "STATUS=Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync\nREADY=1\n"
        )

    def stopping(self) -> None:
        """The server is on its way out."""
        self.notify("STOPPING=1\n")


def title_text(config: Config, title: str = PROGRAM, mode: str = "") -> str:
    """Fill in `proc-title-template`. `mode` is what stands for {server-mode}, such as ` [cluster]`."""
    addresses = config["bind"]
    port, tls_port, unix_socket = config["port"], config["tls-port"], config["unixsocket"]
    if port or tls_port:
        address = addresses[0].lstrip("-") if addresses else "*"
        listening = f"{address}:{port or tls_port}"
    else:
        listening = unix_socket
    values = {
        "title": title,
        "listen-addr": listening,
        "server-mode": mode or ("[cluster]" if config["cluster-enabled"] else ""),
        "port": str(port),
        "tls-port": str(tls_port),
        "unixsocket": unix_socket,
        "config-file": config.path or "",
    }
    text: str = config["proc-title-template"]
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text.rstrip(" ")


def _move_environment() -> None:
    """Give each variable of the environment memory of its own: setting it copies it there."""
    for name, value in list(os.environ.items()):
        os.environ[name] = value


def set_title(text: str, name: str = PROGRAM) -> bool:
    """Show text in the place of the command line, as far as there is room for it; true when it is shown.

    The arguments' memory is written through /proc, where their place is told too: no foreign function is needed. The
    environment that the process was started with stands right behind; a title that needs its room gets it.
    """
    try:
        with open("/proc/self/comm", "wb") as file:
            file.write(name.encode("utf-8", "surrogateescape")[:LONGEST_NAME])
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[ARGUMENTS_START]), int(fields[ARGUMENTS_END])
        if start <= 0 or end - start < 2:
            return False
        title = text.encode("utf-8", "surrogateescape")
        # The system shows more than the arguments' room only where the last byte of that is taken.
        if len(title) >= end - start and int(fields[ENVIRONMENT_START]) == end:
            _move_environment()
            end = int(fields[ENVIRONMENT_END])
        room = end - start
        title = title[: room - 1]
        descriptor = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, title.ljust(room, b"\0"), start)
        finally:
            os.close(descriptor)
    except (OSError, IndexError, ValueError):
        return False
    return True


def huge_pages_are_on() -> bool:
    """Whether the system gives huge pages to processes that did not ask for them."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
            return "[always]" in file.read()
    except OSError:
        return False


class Collector:
    """Python's garbage collector, in a process that is all the server's: it runs when cron calls, not amid requests.

    The request path makes no Python objects. What stands at the start stays, and is never looked at again; what is
    young is looked at often, and everything as rarely as its share of the time asks for.
    """

    YOUNG_SECONDS = 10.0
    ALL_SECONDS = 60.0
    SHARE = 500  # of the time, one part, for looking at everything

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_ours = False
        self._next_young = 0.0
        self._next_all = 0.0

    def take_over(self) -> None:
        """Freezes what there is, and collects from here on only when `turn` says so."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._is_ours = True
        now = self._clock()
        self._next_young = now + self.YOUNG_SECONDS
        self._next_all = now + self.ALL_SECONDS

    def turn(self) -> None:
        """Collects what is due. To be called every second or so."""
        now = self._clock()
        if not self._is_ours or now < self._next_young:
            return
        self._next_young = now + self.YOUNG_SECONDS
        if now < self._next_all:
            gc.collect(1)
            return
        gc.collect()
        self._next_all = now + max(self.ALL_SECONDS, self.SHARE * (self._clock() - now))


class OomScore:
    """Keeps the kernel's out-of-memory score of the process as `oom-score-adj` and `oom-score-adj-values` say.

    `role` is MASTER, REPLICA or CHILD; who changes it calls `apply`.
    """

    PATH = "/proc/self/oom_score_adj"

    def __init__(self, config: Config, log: Log) -> None:
        self.role = MASTER
        self._config = config
        self._log = log
        self._initial: int | None = None
        observer = self._changed
        config.on_change("oom-score-adj", observer)
        config.on_change("oom-score-adj-values", observer)

    def apply(self, role: int | None = None, pid: int | None = None) -> bool:
        """Write the score that is in effect, for a role other than `role` if given, into another process if given."""
        mode = self._config["oom-score-adj"]
        path = self.PATH if pid is None else f"/proc/{pid}/oom_score_adj"
        try:
            if self._initial is None:
                if mode == "no":
                    return True
                with open(self.PATH, encoding="ascii") as file:
                    self._initial = int(file.read())
            score = self._initial
            if mode != "no":
                value = self._config["oom-score-adj-values"][self.role if role is None else role]
                score = max(LOWEST_SCORE, min(HIGHEST_SCORE, value + (self._initial if mode == "yes" else 0)))
            with open(path, "w", encoding="ascii") as file:
                file.write(str(score))
        except (OSError, ValueError) as error:
            self._log.warning(f"Unable to write oom_score_adj: {getattr(error, 'strerror', None) or error}")
            return False
        if mode == "no":
            self._initial = None
        return True

    def _changed(self, _config: Config, _name: str) -> None:
        if not self.apply():
            raise ConfigError("Failed to set current oom_score_adj. Check server logs.")
