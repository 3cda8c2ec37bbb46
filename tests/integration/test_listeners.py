"""Where the server listens: addresses, IPv6, the Unix socket and its permissions, protected mode."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest
from harness import (
    LOOPBACK,
    OK,
    PONG,
    Connection,
    Failure,
    ServerDied,
    ServerPool,
    ServerProcess,
    free_port,
    run_program,
    wait_until,
)

SECOND_LOOPBACK = "127.0.0.2"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 answers on Linux only")


def has_ipv6() -> bool:
    try:
        free_port("::1", socket.AF_INET6)
    except OSError:
        return False
    return True


ipv6_only = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def refuses(address: tuple[str, int]) -> bool:
    try:
        Connection(address, timeout=2).close()
    except OSError:
        return True
    return False


def non_loopback_address() -> str | None:
    """An address of this machine that is not a loopback one. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if address.startswith(("127.", "0.")) else address


@linux_only
def test_one_address(start_server: ServerPool) -> None:
    server = start_server(bind=LOOPBACK)
    assert server.connect()("PING") == PONG
    assert refuses((SECOND_LOOPBACK, server.port))


@linux_only
def test_several_addresses(start_server: ServerPool) -> None:
    server = start_server(bind=f"{LOOPBACK} {SECOND_LOOPBACK}")
    for host in (LOOPBACK, SECOND_LOOPBACK):
        with Connection((host, server.port)) as connection:
            assert connection("PING") == PONG
            assert f"laddr={host}:{server.port}" in connection("CLIENT", "INFO").decode()
    assert server.control("CONFIG", "GET", "bind") == [b"bind", f"{LOOPBACK} {SECOND_LOOPBACK}".encode()]


@ipv6_only
def test_ipv6(start_server: ServerPool) -> None:
    server = start_server(bind=f"{LOOPBACK} ::1")
    with Connection(("::1", server.port)) as connection:
        assert connection("PING") == PONG
        info = connection("CLIENT", "INFO").decode()
        assert f"laddr=[::1]:{server.port}" in info and " addr=[::1]:" in info
        host, port = connection.socket.getsockname()[:2]
        assert server.control("CLIENT", "KILL", f"[{host}]:{port}") == OK


@ipv6_only
def test_default_addresses(server: ServerProcess) -> None:
    for host in (LOOPBACK, "::1"):
        with Connection((host, server.port)) as connection:
            assert connection("PING") == PONG


def test_an_optional_address_may_be_missing(start_server: ServerPool) -> None:
    server = start_server(bind=f"{LOOPBACK} -192.0.2.77")
    assert server.connect()("PING") == PONG


def test_a_needed_address_must_be_there(start_server: ServerPool) -> None:
    with pytest.raises(ServerDied, match=r"left with 1 at start"):
        start_server(bind=f"{LOOPBACK} 192.0.2.77")


def test_a_port_that_is_taken(start_server: ServerPool) -> None:
    first = start_server(bind=LOOPBACK)
    with pytest.raises(ServerDied, match=r"(?s)left with 1 at start.*Failed listening on port"):
        start_server(bind=LOOPBACK, port=first.port)
    assert first.connect()("PING") == PONG


def test_no_tcp_at_all(start_server: ServerPool) -> None:
    server = start_server(port=0)
    assert server.control("PING") == PONG
    assert server.info("server")["tcp_port"] == "0"


@linux_only
def test_config_set_bind_and_port(start_server: ServerPool) -> None:
    server = start_server(bind=LOOPBACK)
    old = server.connect()
    assert old("CONFIG", "SET", "bind", SECOND_LOOPBACK) == OK
    assert old("PING") == PONG, "connections stay"
    wait_until(lambda: refuses(server.address), "the first address is closed")
    with Connection((SECOND_LOOPBACK, server.port)) as connection:
        assert connection("PING") == PONG
    assert old("CONFIG", "SET", "bind", LOOPBACK) == OK
    port = free_port()
    assert old("CONFIG", "SET", "port", port) == OK
    with Connection((LOOPBACK, port)) as connection:
        assert connection("PING") == PONG
    wait_until(lambda: refuses(server.address), "the first port is closed")
    other = start_server(bind=LOOPBACK)
    taken = old("CONFIG", "SET", "port", other.port)
    assert isinstance(taken, Failure) and "Unable to listen on this port" in taken
    wrong = old("CONFIG", "SET", "bind", "999.999.999.999")
    assert isinstance(wrong, Failure) and "Failed to bind to specified addresses" in wrong
    with Connection((LOOPBACK, port)) as connection:
        assert connection("CONFIG", "GET", "port") == [b"port", str(port).encode()]


def test_unix_socket_permissions(start_server: ServerPool) -> None:
    server = start_server(unixsocketperm="600")
    mode = os.stat(server.unix_path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    server = start_server(unixsocketperm="777")
    assert stat.S_IMODE(os.stat(server.unix_path).st_mode) == 0o777
    assert server.connect(unix=True)("PING") == PONG
    assert server.stop() == 0
    assert not Path(server.unix_path).exists()


def test_a_stale_unix_socket_is_replaced(start_server: ServerPool, tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = start_server(unixsocket=str(path))
    assert Connection(str(path))("PING") == PONG
    assert server.alive()


def test_unix_socket_that_cannot_be_made(start_server: ServerPool, tmp_path: Path) -> None:
    with pytest.raises(ServerDied, match="left with 1 at start"):
        start_server(unixsocket=str(tmp_path / "missing" / "server.sock"))


def test_protected_mode(start_server: ServerPool) -> None:
    address = non_loopback_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    server = start_server(bind="*")
    with Connection((address, server.port)) as stranger:
        assert stranger.read_until_closed().startswith(b"-DENIED ")
    assert server.connect()("PING") == PONG
    assert server.connect(unix=True)("PING") == PONG
    assert server.control("CONFIG", "SET", "protected-mode", "no") == OK
    with Connection((address, server.port)) as stranger:
        assert stranger("PING") == PONG
    assert server.control("CONFIG", "SET", "protected-mode", "yes") == OK
    assert server.control("CONFIG", "SET", "requirepass", "secret") == OK
    with Connection((address, server.port)) as stranger:
        assert stranger("PING") == Failure("NOAUTH Authentication required.")
        assert stranger("AUTH", "secret") == OK


def test_keepalive_and_backlog_are_accepted(start_server: ServerPool) -> None:
    server = start_server(tcp_keepalive=30, tcp_backlog=64)
    assert server.control("CONFIG", "GET", "tcp-keepalive") == [b"tcp-keepalive", b"30"]
    assert server.control("CONFIG", "GET", "tcp-backlog") == [b"tcp-backlog", b"64"]
    assert server.connect()("PING") == PONG


@pytest.mark.ours("io-multiplexing")
@pytest.mark.parametrize("method", ["epoll", "poll", "select"])
def test_each_way_to_wait(start_server: ServerPool, method: str) -> None:
    if method == "epoll" and sys.platform != "linux":
        pytest.skip("epoll is Linux's")
    server = start_server(io_multiplexing=method)
    connections = [server.connect() for _ in range(10)]
    for index, connection in enumerate(connections):
        assert connection("SET", f"k{index}", "v" * 100_000) == OK
    slow = server.connect()
    slow.send(b"*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n" * 100)
    assert connections[0]("PING") == PONG
    assert [len(slow.read()) for _ in range(100)] == [100_000] * 100


@pytest.mark.ours("io-multiplexing sync")
def test_one_client_at_a_time(start_server: ServerPool) -> None:
    server = start_server(io_multiplexing="sync")
    with Connection(server.address) as first:
        assert first("SET", "k", "v") == OK
        second = Connection(server.address)
        second.send(b"PING\r\n")
        assert second.is_silent(0.1), "the second waits until the first has left"
        assert first.pipeline(("GET", "k"), ("INCR", "n")) == [b"v", 1]
    assert second.read() == PONG
    second.close()


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--bind", "")])
def test_to_listen_nowhere_is_an_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_program(*arguments, "--save", "", directory=tmp_path)
    assert done.returncode == 1 and b"Configured to not listen anywhere, exiting." in done.stdout


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 70, "\xff"])
def test_a_name_that_is_no_address(tmp_path: Path, name: str) -> None:
    done = run_program("--bind", name, "--port", str(free_port()), "--save", "", directory=tmp_path)
    assert done.returncode == 1 and b"Failed listening on port" in done.stdout
    assert b"Unknown error" not in done.stdout and b"Traceback" not in done.stdout + done.stderr


def test_options_that_a_socket_does_not_take(start_server: ServerPool) -> None:
    server = start_server()
    assert server.control("CONFIG", "SET", "tcp-keepalive", "40000", "loglevel", "verbose") == OK
    assert server.connect()("PING") == PONG
    assert "Not all options of a client's socket could be set" in server.log()
