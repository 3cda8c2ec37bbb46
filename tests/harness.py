"""Server processes and raw connections for the tests that talk to a server over a socket.

What it guarantees: a `ServerProcess` is accepting connections when its constructor returns, its port was chosen by
the kernel, its files live in a directory of its own, and `stop` leaves no process behind.  A `Connection` never waits
longer than its deadline, and reads exactly one reply at a time, raw or decoded.

The program under test is `python -m redislite`; the environment variable REDISLITE_TEST_SERVER puts another command
line in its place (`redis-server`, say), which is how the expectations of the tests are checked against the original.
REDISLITE_TEST_PATIENCE multiplies every deadline, for sanitizer builds and slow machines.
"""

from __future__ import annotations

import errno
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = float(os.environ.get("REDISLITE_TEST_PATIENCE", "1"))
DEADLINE = 10.0 * PATIENCE
SUBSTITUTE = os.environ.get("REDISLITE_TEST_SERVER", "")
PROGRAM = shlex.split(SUBSTITUTE) if SUBSTITUTE else [sys.executable, "-m", "redislite"]
LOOPBACK = "127.0.0.1"
PORTS = (10_000, 20_000)  # to choose from; below those that outgoing connections and the upstream suite get
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
# What servers say of a command or an option that they do not have.
UNKNOWN = (
    "ERR unknown command",
    "ERR unknown subcommand",
    "ERR syntax error",
    "ERR Syntax error",
    "ERR Unknown option",
    "ERR DEBUG command not allowed",
)


class Failure(str):
    """An error reply, without the leading `-`. Equal only to another error reply."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Status(str):
    """A simple string reply, without the leading `+`."""


class Verbatim(bytes):
    """A verbatim string of RESP3, without its three-letter format."""


class Push(list[Any]):
    """An out-of-band message of RESP3."""


OK = Status("OK")
PONG = Status("PONG")
WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX = Failure("ERR syntax error")
NOT_INTEGER = Failure("ERR value is not an integer or out of range")
NOT_FLOAT = Failure("ERR value is not a valid float")
OVERFLOW = Failure("ERR increment or decrement would overflow")
NO_KEY = Failure("ERR no such key")


def wrong_arity(command: str) -> Failure:
    """The error for a wrong number of arguments; `command` in lower case, a subcommand after a bar."""
    return Failure(f"ERR wrong number of arguments for '{command}' command")


class ServerDied(Exception):
    """The server process ended, or never answered; the text carries the end of its log."""


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE, pause: float = 0.005) -> Any:
    """Calls `condition` until it answers something true, and answers that; AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


def free_port(host: str = "", family: socket.AddressFamily = socket.AF_INET) -> int:
    """A TCP port that is free now, on every address where none is given. It is none of those that outgoing connections
    get, so that one of them does not take it while a server is started again."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port


def encode(argument: Any) -> bytes:
    """One command argument as the bytes that are sent."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, float):
        return repr(argument).encode()
    return str(argument).encode("utf-8", "surrogateescape")


def request(*arguments: Any) -> bytes:
    """A command as a RESP array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        raw = encode(argument)
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


class Connection:
    """A socket to a server that speaks RESP by hand.

    Calling it sends one command and answers the decoded reply: `Status`, `Failure`, int, bytes, None, list, and in
    RESP3 float, bool, dict, set, `Verbatim`, `Push`.  Reading raises TimeoutError at the deadline and
    ConnectionResetError or EOFError once the server has closed.
    """

    def __init__(self, address: tuple[str, int] | str, timeout: float = DEADLINE, protocol: int = 2) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ahead = bytearray()
        self._record: list[bytes] | None = None
        if protocol != 2:
            reply = self("HELLO", protocol)
            if isinstance(reply, Failure):
                raise AssertionError(reply)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Closes with a reset, so that the server sees an error and not an end of file."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def __call__(self, *arguments: Any) -> Any:
        self.send(request(*arguments))
        return self.read()

    def pipeline(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Sends the commands in one write and answers their replies."""
        self.send(b"".join(request(*command) for command in commands))
        return [self.read() for _ in commands]

    def line(self, text: str | bytes) -> Any:
        """Sends an inline command and answers its reply."""
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self.read()

    def read(self) -> Any:
        """The next reply, decoded."""
        header = self._line()
        kind, rest = header[:1], header[1:]
        if kind == b"+":
            return Status(rest.decode("utf-8", "surrogateescape"))
        if kind == b"-":
            return Failure(rest.decode("utf-8", "surrogateescape"))
        if kind in (b":", b"("):
            return int(rest)
        if kind in (b"$", b"=", b"!"):
            length = int(rest)
            if length < 0:
                return None
            body = self._exactly(length + 2)[:-2]
            if kind == b"!":
                return Failure(body.decode("utf-8", "surrogateescape"))
            return Verbatim(body[4:]) if kind == b"=" else body
        if kind in (b"*", b">", b"~"):
            count = int(rest)
            if count < 0:
                return None
            items = [self.read() for _ in range(count)]
            if kind == b"~":
                return {tuple(item) if isinstance(item, list) else item for item in items}
            return Push(items) if kind == b">" else items
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        if kind == b"|":
            for _ in range(2 * int(rest)):
                self.read()
            return self.read()
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        raise AssertionError(f"not a reply: {header!r}")

    def read_raw(self) -> bytes:
        """The next reply, as the bytes that came."""
        self._record = []
        try:
            self.read()
            return b"".join(self._record)
        finally:
            self._record = None

    def read_until_closed(self) -> bytes:
        """Everything the server still sends before it closes; TimeoutError if it does not close."""
        data = bytes(self._ahead)
        self._ahead.clear()
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return data
            if not more:
                return data
            data += more

    def is_silent(self, seconds: float = 0.05) -> bool:
        """Whether nothing, neither data nor an end, arrives for that long."""
        if self._ahead:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            more = self.socket.recv(65536)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(before)
        self._ahead += more
        return False

    def _more(self) -> None:
        data = self.socket.recv(262144)
        if not data:
            raise EOFError("the server closed the connection")
        self._ahead += data

    def _line(self) -> bytes:
        while (end := self._ahead.find(b"\r\n")) < 0:
            self._more()
        return self._take(end + 2)[:-2]

    def _exactly(self, count: int) -> bytes:
        while len(self._ahead) < count:
            self._more()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        data = bytes(self._ahead[:count])
        del self._ahead[:count]
        if self._record is not None:
            self._record.append(data)
        return data


class ServerProcess:
    """A running server; `directives` become the lines of its configuration file, `argv` follows the file's name.

    A directive's value may be a string (written as it stands, so it can hold several words), a number, or a list for
    a directive that stands several times.  Directive names are given with underscores.
    """

    def __init__(
        self,
        directory: Path,
        program: list[str] | None = None,
        *,
        argv: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        password: str | None = None,
        **directives: Any,
    ) -> None:
        self.directory = directory
        self.program = program or PROGRAM
        self.is_ours = self.program == PROGRAM and not SUBSTITUTE
        self.password = password
        self.log_path = directory / "server.log"
        self.config_path = directory / "server.conf"
        self.unix_path = str(directives.get("unixsocket", directory / "server.sock"))
        self.expected_exit = False
        self._connections: list[Connection] = []
        self._restore: dict[str, str] = {}
        self._control: Connection | None = None
        self._argv = argv
        self._environment = environment
        self._directives: dict[str, Any] = {
            "save": '""',
            "unixsocket": self.unix_path,
            "enable_debug_command": "yes",
            "dir": str(directory),
            **directives,
        }
        if password:
            self._directives["requirepass"] = password
        for attempt in range(5):
            self.port = int(directives.get("port", 0)) or free_port()
            self.log_path.unlink(missing_ok=True)
            self.write_config()
            self.process = self.spawn()
            try:
                self.wait_ready()
                return
            except ServerDied:
                taken = "ddress already in use" in self.log() or "Failed listening" in self.log()
                if not taken or "port" in directives or attempt == 4:
                    raise

    def write_config(self) -> None:
        lines = []
        for name, value in {"port": self.port, **self._directives}.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{name.replace('_', '-')} {one}\n")
        self.config_path.write_text("".join(lines))

    def spawn(self) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [*self.program, str(self.config_path), *self._argv],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
                env={**os.environ, **(self._environment or {})},
            )

    def wait_ready(self) -> None:
        """Returns once PING has any answer; ServerDied if the process ends or stays silent."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerDied(f"the server left with {self.process.returncode} at start:\n{self.log()}")
            try:
                with Connection(self.unix_path, timeout=2 * PATIENCE) as probe:
                    probe("PING")
                    return
            except (OSError, EOFError):
                time.sleep(0.005)
        self.process.kill()
        self.process.wait()
        raise ServerDied(f"the server did not answer within {DEADLINE:g} s:\n{self.log()}")

    def restart(self) -> None:
        """Stops the server if it runs and starts it again on the same port and file."""
        self.stop()
        self.expected_exit = False
        self.process = self.spawn()
        self.wait_ready()

    def crash(self) -> None:
        """Kills the server, starts it again, and waits until it has loaded its data."""
        self.stop(signal.SIGKILL)
        self.restart()
        wait_until(lambda: not str(self.control("DBSIZE")).startswith("LOADING"), "the data set to be loaded")

    def log(self, limit: int = 8000) -> str:
        """The end of what the server wrote, in characters."""
        try:
            return self.log_path.read_text(errors="replace")[-limit:]
        except FileNotFoundError:
            return ""

    @property
    def address(self) -> tuple[str, int]:
        return (LOOPBACK, self.port)

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def connect(self, *, unix: bool = False, protocol: int = 2, timeout: float = DEADLINE) -> Connection:
        """A new connection, closed when the test ends."""
        connection = Connection(self.unix_path if unix else self.address, timeout)
        self._connections.append(connection)
        if self.password:
            connection("AUTH", self.password)
        if protocol != 2:
            reply = connection("HELLO", protocol)
            if isinstance(reply, Failure):
                raise AssertionError(reply)
        return connection

    @property
    def control(self) -> Connection:
        """A connection over the Unix socket for the test's own questions."""
        if self._control is None:
            self._control = Connection(self.unix_path)
            if self.password:
                self._control("AUTH", self.password)
        return self._control

    def config(self, name: str, value: Any) -> None:
        """CONFIG SET until the end of the test."""
        before = self.control("CONFIG", "GET", name)
        assert before, f"no directive {name}"
        self._restore.setdefault(name, before[1])
        reply = self.control("CONFIG", "SET", name, value)
        assert reply == OK, reply

    def info(self, section: str = "everything") -> dict[str, str]:
        """INFO as a mapping."""
        text = self.control("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def clients(self) -> list[dict[str, str]]:
        """CLIENT LIST as mappings."""
        text = self.control("CLIENT", "LIST").decode()
        return [dict(word.split("=", 1) for word in line.split(" ") if "=" in word) for line in text.splitlines()]

    def client_with(self, **fields: str) -> dict[str, str] | None:
        """The first client whose CLIENT LIST fields have these values (`_` for `-` in names)."""
        wanted = {name.replace("_", "-"): value for name, value in fields.items()}
        for client in self.clients():
            if all(client.get(name) == value for name, value in wanted.items()):
                return client
        return None

    @property
    def version(self) -> tuple[int, ...]:
        """What INFO reports as redis_version."""
        return tuple(int(part) for part in self.info("server")["redis_version"].split("."))

    def understands(self, *arguments: Any) -> bool:
        """Whether the server has the command and the options of this example; its keys are removed again."""
        self.control("SELECT", 15)
        reply = self.control(*arguments)
        self.control("FLUSHDB")
        self.control("SELECT", 0)
        return not (isinstance(reply, Failure) and reply.startswith(UNKNOWN))

    def reset(self) -> None:
        """Brings a shared server back to where a test may start: no keys, no clients, configuration as before."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        if not self.alive():
            return
        if self._control is not None:
            try:
                self._control("PING")
            except (OSError, EOFError):
                self._control.close()
                self._control = None
        for name, value in self._restore.items():
            self.control("CONFIG", "SET", name, value)
        self._restore.clear()
        self.control("SELECT", 0)
        self.control("FLUSHALL")

    def check(self) -> None:
        """ServerDied if the process has ended unasked or a sanitizer has spoken."""
        if not self.alive() and not self.expected_exit:
            raise ServerDied(f"the server left with {self.process.returncode} during the test:\n{self.log()}")
        log = self.log(1_000_000)
        for mark in SANITIZER_MARKS:
            if mark in log:
                raise ServerDied(f"a sanitizer reported:\n{log[max(0, log.index(mark) - 500) :][:8000]}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the process with a signal and answers its exit status; kills it after the deadline, ServerDied then."""
        self.expected_exit = True
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self.alive():
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.wait_exit()

    def wait_exit(self) -> int:
        """Waits for the process to end by itself and answers its exit status."""
        self.expected_exit = True
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise ServerDied(f"the server did not leave within {DEADLINE:g} s:\n{self.log()}") from None


class ServerPool:
    """Starts servers in directories below one directory, and stops them all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started = 0
        self.servers: list[ServerProcess] = []
        self.on_start: Callable[[ServerProcess], None] | None = None

    def __call__(self, program: list[str] | None = None, **options: Any) -> ServerProcess:
        self.started += 1
        home = self.directory / f"server-{self.started}"
        home.mkdir(parents=True)
        server = ServerProcess(home, program, **options)
        self.servers.append(server)
        if self.on_start:
            self.on_start(server)
        return server

    def close(self) -> None:
        """Stops every server; raises ServerDied for one that had ended unasked."""
        trouble: list[str] = []
        for server in self.servers:
            try:
                server.check()
            except ServerDied as why:
                trouble.append(str(why))
            try:
                server.stop()
            except ServerDied as why:
                trouble.append(str(why))
        self.servers.clear()
        if trouble:
            raise ServerDied("\n".join(trouble))


def run_program(*argv: str, directory: Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs the program under test to its end, both streams captured; for command lines that must not serve."""
    return subprocess.run(
        [*PROGRAM, *argv], cwd=directory, input=stdin, capture_output=True, timeout=DEADLINE, check=False
    )


def real_server_program() -> list[str] | None:
    """The command line of the original to compare with (REDISLITE_REAL_SERVER, else redis-server), or None."""
    named = os.environ.get("REDISLITE_REAL_SERVER")
    if named:
        return shlex.split(named)
    found = shutil.which("redis-server")
    return [found] if found else None


def scan_all(connection: Connection, *options: Any) -> Iterator[bytes]:
    """Every key that one full SCAN emits, repetitions included."""
    cursor: Any = b"0"
    while True:
        cursor, keys = connection("SCAN", cursor, *options)
        yield from keys
        if cursor == b"0":
            return


def children_of(pid: int) -> list[int]:
    """The processes that this one has forked, and not reaped yet."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_of(pid: int) -> int:
    """Resident bytes of a process; 0 where the system has no /proc."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
