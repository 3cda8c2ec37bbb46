"""Listening sockets: TCP on several addresses, IPv6, a Unix socket; and the door: who may come in.

At the door: the limit on clients, protected mode, the limit on new connections per second and address. A refused
connection gets the original's error line and is closed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from redislite._core.engine import Engine
    from redislite.config.config import Config
    from redislite.observability.log import Log
    from redislite.serving.loop import Loop

    class Server(Protocol):
        """Whom the door belongs to."""

        config: Config
        engine: Engine
        log: Log
        loop: Loop

        def welcome(self, fd: int, address: str, local_address: str, is_unix: bool) -> None:
            """Takes up an accepted socket. OSError, MemoryError: it is closed."""

        def is_open_to_all(self) -> bool:
            """Whether the default user needs no password."""


ACCEPTS_PER_TURN = 1000
FAILURE_PAUSE = 0.1  # seconds until accepting is tried again that has failed (descriptors or memory have run out)
FAILURE_LOG_PAUSE = 10.0  # seconds between two lines of the log about that
LOOPBACK_V6 = "::1"

PROTECTED_MODE_ERROR = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n"
)
MAXIMUM_CLIENTS_ERROR = b"-ERR max number of clients reached\r\n"
RATE_LIMIT_ERROR = b"-ERR connection rate limit exceeded for this address\r\n"


class ListenError(Exception):
    """No socket could be listened on; the message says which and why."""


class Listener:
    """One listening socket and how it is named in INFO and CLIENT LIST."""

    def __init__(self, sock: socket.socket, address: str, port: int, is_unix: bool) -> None:
        self.socket = sock
        self.address = address
        self.port = port
        self.is_unix = is_unix
        # Which file a Unix socket is, while it has its name; by that it is told from another server's.
        self.path = os.path.abspath(address) if is_unix else ""
        self.identity = file_identity(address) if is_unix else None

    @property
    def kind(self) -> str:
        """``tcp`` or ``unix``."""
        return "unix" if self.is_unix else "tcp"


def file_identity(path: str) -> tuple[int, int] | None:
    """Device and number of the file at a path, no link being followed; None where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def format_address(address: str, port: int) -> str:
    """``host:port``, an IPv6 host in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def listen_tcp(address: str, port: int, backlog: int) -> Listener:
    """A listening TCP socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in address or address == "*v6" else socket.AF_INET
    host = {"*": "", "*v6": "", "::*": ""}.get(address, address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if family == socket.AF_INET and host and not host[0].isdigit():
            try:
                host = socket.gethostbyname(host)
            except UnicodeError:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        sock.bind((host or ("::" if family == socket.AF_INET6 else "0.0.0.0"), port))
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return Listener(sock, host or address, port, False)


def listen_unix(path: str, permissions: int, backlog: int) -> Listener:
    """A listening Unix socket; one that a dead process has left at the path is replaced, and nothing else is, be it a
    socket that somebody listens on or any other kind of file. OSError."""
    _clear_left(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    identity = None
    try:
        sock.bind(path)
        identity = file_identity(path)
        if permissions:
            os.chmod(path, permissions)
        sock.listen(backlog)
        sock.setblocking(False)
        return Listener(sock, path, 0, True)
    except BaseException:
        sock.close()
        if identity is not None:
            remove_unix(path, identity)
        raise


def _clear_left(path: str) -> None:
    """Removes the socket that a process which is gone has left at a path. OSError where it is something else."""
    before = file_identity(path)
    if before is None:
        return
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file of this name which is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a queue that is full has somebody behind it
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            remove_unix(path, before)
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "another process listens on it")


def remove_unix(path: str, identity: tuple[int, int] | None) -> bool:
    """Removes a Unix socket if it is this one; false where it is not there any more, or another has its name."""
    if identity is None or file_identity(path) != identity:
        return False
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Whether a peer's address belongs to this machine's loopback interface."""
    return address.startswith(("127.", "::ffff:127.")) or address in (LOOPBACK_V6, "")


class Listeners:
    """All listening sockets of a server, and what happens to who connects."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.tcp: list[Listener] = []
        self.unix: list[Listener] = []
        self._arrivals: dict[str, int] = {}  # by address, in the current second
        self._arrivals_second = 0
        self._paused = False
        self._failures = 0  # that the log has not been told of
        self._failures_logged = -FAILURE_LOG_PAUSE

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter([*self.tcp, *self.unix])

    def open_tcp(self, addresses: list[str], port: int) -> list[Listener]:
        """Listens on each address; one with a leading ``-`` may be missing on this machine. Raises ListenError, after
        closing what had been opened."""
        opened: list[Listener] = []
        backlog = self._server.config["tcp-backlog"]
        for address in addresses:
            optional = address.startswith("-")
            name = address[1:] if optional else address
            name = "*v6" if name == "::*" else name
            try:
                opened.append(listen_tcp(name, port, backlog))
            except OSError as error:
                missing = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
                if (optional or name == "*v6") and missing:
                    continue
                for listener in opened:
                    listener.socket.close()
                # A name that cannot be resolved has a number of its own kind.
                is_name = isinstance(error, socket.gaierror)
                reason = error.strerror if is_name else f"bind: {os.strerror(error.errno or 0)}"
                self._server.log.warning(
                    f"Warning: Could not create server TCP listening socket {name}:{port}: {reason}"
                )
                raise ListenError(f"Failed listening on port {port} (tcp), aborting.") from error
        return opened

    def start(self) -> None:
        """Opens what the configuration names. Raises ListenError."""
        config = self._server.config
        if config["port"]:
            self.tcp = self.open_tcp(config["bind"], config["port"])
            if config["bind"] and not self.tcp:
                raise ListenError(f"Failed listening on port {config['port']} (tcp), aborting.")
        if config["unixsocket"]:
            try:
                self.unix = [listen_unix(config["unixsocket"], config["unixsocketperm"], config["tcp-backlog"])]
            except OSError as error:
                self._server.log.warning(f"Failed opening Unix socket: bind: {error.strerror}")
                raise ListenError(f"Failed listening on Unix socket {config['unixsocket']}, aborting.") from error
        if not self.tcp and not self.unix:
            raise ListenError("Configured to not listen anywhere, exiting.")
        for listener in self:
            self.watch(listener)

    def watch(self, listener: Listener) -> None:
        """Has the loop accept what arrives at the listener."""
        self._server.loop.add(listener.socket.fileno(), self._acceptor(listener))

    def rebind(self, addresses: list[str], port: int) -> None:
        """Listens on other addresses or another port instead. Raises ListenError; then nothing has changed."""
        kept = self.tcp
        if kept and [item.port for item in kept] == [port] * len(kept):
            # The same port on overlapping addresses cannot be bound twice: let go first, take back on failure.
            former = [("*v6" if ":" in item.address and item.address == "::" else item.address) for item in kept]
            self._drop(kept)
            self.tcp = []
            try:
                self.tcp = self.open_tcp(addresses, port)
            except ListenError:
                self.tcp = self.open_tcp(former, port)
                for listener in self.tcp:
                    self.watch(listener)
                raise
        else:
            self.tcp = self.open_tcp(addresses, port) if port else []
            self._drop(kept)
        for listener in self.tcp:
            self.watch(listener)

    def _drop(self, listeners: list[Listener]) -> None:
        for listener in listeners:
            self._server.loop.remove(listener.socket.fileno())
            listener.socket.close()

    def close(self) -> None:
        """Stops listening and removes the Unix socket, if another has not taken its name."""
        self._drop([*self.tcp, *self.unix])
        for listener in self.unix:
            if remove_unix(listener.path, listener.identity):
                self._server.log.notice("Removing the unix socket file.")
        self.tcp = []
        self.unix = []

    def pause(self, paused: bool) -> None:
        """Leaves new connections in the listening queues, or takes them up again (one client at a time: sync)."""
        self._paused = paused
        for listener in self:
            if paused:
                self._server.loop.remove(listener.socket.fileno())
            else:
                self.watch(listener)

    def _acceptor(self, listener: Listener) -> Callable[[int], None]:
        most = 1 if self._server.loop.is_sync else ACCEPTS_PER_TURN

        def accept(_events: int) -> None:
            for _ in range(most):
                try:
                    sock, peer = listener.socket.accept()
                except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                    return
                except OSError as error:
                    self._accept_failed(listener, error)
                    return
                try:
                    self._admit(listener, sock, peer)
                except (OSError, MemoryError) as error:
                    reason = getattr(error, "strerror", None) or "Out of memory"
                    self._server.log.warning(f"A client that has connected cannot be served: {reason}")
                    sock.close()

        return accept

    def _accept_failed(self, listener: Listener, error: OSError) -> None:
        """Leaves who waits at the door there for a while: asked again at once, the system would answer the same."""
        self._failures += 1
        now = time.monotonic()
        if now - self._failures_logged >= FAILURE_LOG_PAUSE:
            times = f" ({self._failures} times)" if self._failures > 1 else ""
            self._server.log.warning(f"Accepting client connection: {error.strerror}{times}")
            self._failures_logged = now
            self._failures = 0
        self._server.loop.remove(listener.socket.fileno())
        self._server.loop.call_later(FAILURE_PAUSE, partial(self._accept_again, listener))

    def _accept_again(self, listener: Listener) -> None:
        if listener in self and not self._paused:
            self.watch(listener)

    def _admit(self, listener: Listener, sock: socket.socket, peer: tuple[str, int]) -> None:
        server = self._server
        host = "" if listener.is_unix else peer[0]
        refusal = self._refusal(listener, host)
        if refusal:
            server.engine.count_rejected()
            self._refuse(sock, refusal)
            return
        if listener.is_unix:
            address = local = f"{listener.address}:0"
        else:
            address = format_address(host, peer[1])
            local = self._tune(sock)
        sock.setblocking(server.loop.is_sync)
        server.welcome(sock.detach(), address, local, listener.is_unix)

    def _tune(self, sock: socket.socket) -> str:
        """Sets the options of a client's socket, none of which is worth losing the client for; answers its address on
        this side."""
        server = self._server
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if server.config["tcp-keepalive"]:
                set_keepalive(sock, server.config["tcp-keepalive"])
        except OSError as error:
            server.log.verbose(f"Not all options of a client's socket could be set: {error.strerror}")
        try:
            name = sock.getsockname()
        except OSError as error:
            server.log.verbose(f"A client's address on this side is not known: {error.strerror}")
            return "?:0"
        return format_address(name[0], name[1])

    def _refusal(self, listener: Listener, host: str) -> bytes:
        """The error line for one who may not come in, or nothing."""
        server = self._server
        if server.engine.connections_count >= server.config["maxclients"]:
            return MAXIMUM_CLIENTS_ERROR
        if listener.is_unix:
            return b""
        if server.config["protected-mode"] and server.is_open_to_all() and not is_loopback(host):
            return PROTECTED_MODE_ERROR
        limit = server.config["connection-rate-limit"]
        if limit:
            second = server.engine.now_ms // 1000
            if second != self._arrivals_second:
                self._arrivals_second = second
                self._arrivals.clear()
            arrived = self._arrivals.get(host, 0)
            if arrived >= limit:
                return RATE_LIMIT_ERROR
            self._arrivals[host] = arrived + 1
        return b""

    @staticmethod
    def _refuse(sock: socket.socket, line: bytes) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.send(line)
        sock.close()


def set_keepalive(sock: socket.socket, seconds: int) -> None:
    """Has dead peers found out: first probe after this many seconds, given up after about as many more."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
    if idle is not None:
        sock.setsockopt(socket.IPPROTO_TCP, idle, seconds)
    if hasattr(socket, "TCP_KEEPINTVL"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
