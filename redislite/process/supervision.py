"""The process among others: background, pid file, supervisors.

Guarantees: nothing happens at import, and nothing here needs more than the standard library's light modules; what a
platform does not have is left out in silence, except where the configuration asked for it.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.config.config import Config
    from redislite.observability.log import Log

DEFAULT_PID_FILE = "/var/run/redis.pid"
LONGEST_NUMBER = 32


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
