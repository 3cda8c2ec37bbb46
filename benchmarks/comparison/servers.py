"""The servers under comparison: finding them, starting each pinned to a core, pausing, stopping.

A started server is pinned (all threads, by inheritance) and dies with the benchmark, however that ends. While another
one is measured it is stopped with SIGSTOP, so that its timers take nothing from the core that the servers share.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import accounting
from .errors import ComparisonError
from .wire import Connection, ServerError

START_SECONDS = 20.0
STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1
_FIRST_PORT = 16400  # below the range from which the kernel takes the ports of outgoing connections


class StartError(ComparisonError):
    """A server did not start; the text holds the end of its log."""


@dataclass(frozen=True)
class Spec:
    """A server that can be started: its name in the report and the command that runs it."""

    name: str
    command: tuple[str, ...]
    ours: bool = False


def parse_peer(text: str) -> Spec:
    """Turn `NAME=COMMAND` into a Spec; raises ValueError when it is not that."""
    name, separator, command = text.partition("=")
    words = shlex.split(command)
    if not separator or not name.strip() or not words:
        raise ValueError(f"{text!r} is not NAME=COMMAND")
    return Spec(name.strip(), tuple(words))


def find_ours(command: str | None) -> Spec:
    """Return our server: the given command, or the console script beside this Python or on the path."""
    if command:
        return Spec("redislite", tuple(shlex.split(command)), ours=True)
    beside = os.path.join(os.path.dirname(sys.executable), "redislite-server")
    found = beside if os.access(beside, os.X_OK) else shutil.which("redislite-server")
    if not found:
        raise StartError("no redislite-server beside this Python or on the path: install it, or give --ours COMMAND")
    return Spec("redislite", (found,), ours=True)


def find_peers() -> list[Spec]:
    """Return the real servers on the path, named after their programs."""
    return [Spec(name, (name,)) for name in ("redis-server", "valkey-server") if shutil.which(name)]


def free_port(start: int = _FIRST_PORT) -> int:
    """Return the first port from `start` on that nobody listens on."""
    for port in range(start, 32768):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartError("no free port")


def _descends_from(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


class Server:
    """A running server process. `pid` is the process that serves, also when the command is a wrapper around it."""

    def __init__(self, spec: Spec, port: int, core: int, options: Sequence[str] = ()) -> None:
        """Start it and wait for its first PONG; raises StartError. `start_seconds` is the time that took."""
        self.spec = spec
        self.name = spec.name
        self.port = port
        self.version = ""
        self._paused = False
        self._directory = tempfile.TemporaryDirectory(prefix="redislite-compare-")
        self._log = open(os.path.join(self._directory.name, "log"), "w+b")  # noqa: SIM115
        c_library = ctypes.CDLL(None)

        def in_child() -> None:
            c_library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {core})

        arguments = ["--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        arguments += ["--daemonize", "no", *options]
        began = time.perf_counter()
        try:
            self._process = subprocess.Popen(
                [*spec.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                cwd=self._directory.name,
                preexec_fn=in_child,
            )
        except OSError as error:
            self._log.close()
            self._directory.cleanup()
            raise StartError(f"{spec.name}: cannot run {spec.command[0]!r}: {error.strerror}") from None
        self.pid = self._process.pid
        try:
            self._wait_for_pong(began)
            self.start_seconds = time.perf_counter() - began
            self._identify()
        except BaseException:
            self.stop()
            raise

    def _wait_for_pong(self, began: float) -> None:
        while True:
            if self._process.poll() is not None:
                raise StartError(f"{self.name} ended with {self._process.returncode}: {self.log_end()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5.0) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            if time.perf_counter() - began > START_SECONDS:
                raise StartError(f"{self.name} gave no PONG in {START_SECONDS:.0f} s: {self.log_end()}")
            time.sleep(0.0005)

    def _identify(self) -> None:
        try:
            with self.connect() as connection:
                fields = connection.info("server")
        except (OSError, ServerError) as error:
            raise StartError(f"{self.name}: INFO failed: {error}") from None
        names = ("redislite_version", "valkey_version", "redis_version")
        self.version = next((fields[name] for name in names if name in fields), "")
        reported = int(fields.get("process_id", self.pid))
        if _descends_from(reported, self._process.pid):
            self.pid = reported

    def connect(self) -> Connection:
        return Connection(self.port)

    def usage(self) -> accounting.Usage:
        return accounting.usage(self.pid)

    def resident_bytes(self) -> int:
        return accounting.resident_bytes(self.pid)

    def used_memory(self) -> int:
        """Return what the server itself counts as used, in bytes."""
        with self.connect() as connection:
            return int(connection.info("memory")["used_memory"])

    def settled_memory(self, still_seconds: float = 1.0, limit_seconds: float = 20.0) -> tuple[int, int]:
        """Return (used_memory, resident bytes) once used_memory has not moved for `still_seconds`."""
        with self.connect() as connection:

            def used() -> int:
                return int(connection.info("memory")["used_memory"])

            began = since = time.monotonic()
            last = used()
            while time.monotonic() - since < still_seconds and time.monotonic() - began < limit_seconds:
                time.sleep(0.05)
                current = used()
                # A few bytes come and go with the timers; they are no growth.
                if abs(current - last) > 4096:
                    since = time.monotonic()
                    last = current
            return used(), self.resident_bytes()

    def pause(self) -> None:
        if not self._paused:
            os.kill(self.pid, signal.SIGSTOP)
            self._paused = True

    def resume(self) -> None:
        """Let a paused server run and wait until it answers."""
        if self._paused:
            os.kill(self.pid, signal.SIGCONT)
            self._paused = False
            with self.connect() as connection:
                connection.call("PING")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let a paused server run for a while."""
        self.resume()
        try:
            yield
        finally:
            self.pause()

    def log_end(self) -> str:
        """Return the last lines of what the server wrote, on one line."""
        self._log.seek(0)
        return " | ".join(self._log.read().decode(errors="replace").strip().splitlines()[-5:])

    def stop(self) -> None:
        """End it, by force if SIGTERM does not; safe to call again."""
        if self._process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGCONT)
                os.kill(self.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if not self._log.closed:
            self._log.close()
            self._directory.cleanup()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
