"""Limits that keep one client from harming the others: numbers of connections, rates, buffers, time."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import sys
import threading
import time

import pytest
from harness import (
    DEADLINE,
    LOOPBACK,
    OK,
    PATIENCE,
    PONG,
    Connection,
    Failure,
    ServerPool,
    ServerProcess,
    memory_of,
    request,
    wait_until,
)

FULL = b"-ERR max number of clients reached\r\n"


def test_maxclients(start_server: ServerPool) -> None:
    server = start_server(maxclients=5)
    inside = [server.connect() for _ in range(5)]
    for connection in inside:
        assert connection("PING") == PONG
    for _ in range(3):
        outside = server.connect()
        assert outside.read_until_closed() == FULL
    for connection in inside:
        assert connection("PING") == PONG
    assert int(inside[0]("INFO", "stats").split(b"rejected_connections:")[1].split(b"\r\n")[0]) >= 3
    inside.pop().close()

    def enters() -> bool:
        connection = server.connect()
        try:
            return bool(connection("PING") == PONG)
        except (EOFError, ConnectionError):
            return False

    wait_until(enters, "a place is free again")
    assert inside[0]("CONFIG", "SET", "maxclients", 20) == OK
    more = [server.connect() for _ in range(8)]
    assert [connection("PING") for connection in more] == [PONG] * 8


def test_maxclients_of_a_refused_client_that_sends(start_server: ServerPool) -> None:
    server = start_server(maxclients=1)
    inside = server.connect()
    assert inside("PING") == PONG
    for _ in range(20):
        outside = server.connect()
        try:
            outside.send(request("SET", "k", "v"))
            assert outside.read_until_closed() in (FULL, b"")
        except ConnectionError:
            pass
    assert inside("EXISTS", "k") == 0


def test_timeout_closes_idle_clients(start_server: ServerPool) -> None:
    server = start_server(timeout=1)
    idle, busy = server.connect(), server.connect()
    assert idle("PING") == PONG
    stop = time.monotonic() + 10 * PATIENCE
    while not select.select([idle.socket], [], [], 0.1)[0]:
        assert busy("PING") == PONG
        assert time.monotonic() < stop, "the idle client was not closed"
    assert idle.read_until_closed() == b""
    assert busy("PING") == PONG


@pytest.mark.ours("connection-rate-limit")
def test_connection_rate_limit(start_server: ServerPool) -> None:
    server = start_server(connection_rate_limit=5)
    answered = refused = 0
    for _ in range(40):
        connection = server.connect()
        try:
            connection.send(request("PING"))
            if connection.read() == PONG:
                answered += 1
            else:
                refused += 1
        except (EOFError, ConnectionError):
            refused += 1
    assert answered >= 5 and refused >= 20, (answered, refused)
    # Those that are in are not touched, and a second later there is room again.

    def enters() -> bool:
        connection = server.connect()
        try:
            return bool(connection("PING") == PONG)
        except (EOFError, ConnectionError):
            return False

    wait_until(enters, "the next second", 5 * PATIENCE, pause=0.3)
    unix = server.connect(unix=True)
    assert unix("CONFIG", "SET", "connection-rate-limit", 0) == OK
    for _ in range(20):
        assert server.connect()("PING") == PONG


def _flood(connection: Connection, megabytes: int) -> None:
    """Asks for that many megabytes and reads none of them."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.socket.settimeout(0.5)
    with contextlib.suppress(TimeoutError, ConnectionError):
        connection.send(request("GET", "big") * megabytes)


def test_output_buffer_hard_limit(server: ServerProcess) -> None:
    server.config("client-output-buffer-limit", "normal 8mb 0 0")
    server.control("SET", "big", b"x" * 1_000_000)
    reader, other = server.connect(), server.connect()
    before = memory_of(server.pid)
    _flood(reader, 200)
    assert other("PING") == PONG
    wait_until(lambda: "closed" in server.log() and "output buffer limits" in server.log(), "the client is closed")
    assert other("GET", "big") == b"x" * 1_000_000
    if before:
        assert memory_of(server.pid) < before + 100_000_000
    data = reader.read_until_closed()
    assert len(data) < 100_000_000


def test_output_buffer_soft_limit(server: ServerProcess) -> None:
    server.config("client-output-buffer-limit", "normal 0 2mb 1")
    server.control("SET", "big", b"x" * 1_000_000)
    reader = server.connect()
    reader("CLIENT", "SETNAME", "slow")
    _flood(reader, 20)
    assert server.client_with(name="slow"), "within the soft limit's seconds the client stays"

    def gone() -> bool:
        return server.client_with(name="slow") is None

    wait_until(gone, "the client is closed after the soft limit's seconds", 15 * PATIENCE, pause=0.1)
    assert server.control("PING") == PONG


def test_without_limit_a_slow_reader_gets_everything(server: ServerProcess) -> None:
    server.control("SET", "big", b"x" * 1_000_000)
    slow, other = server.connect(), server.connect()
    slow.send(request("GET", "big") * 40)
    for _ in range(50):
        assert other("PING") == PONG
    assert [len(slow.read()) for _ in range(40)] == [1_000_000] * 40
    assert slow("PING") == PONG


def test_output_buffer_memory_is_reported(server: ServerProcess) -> None:
    server.control("SET", "big", b"x" * 1_000_000)
    reader = server.connect()
    reader("CLIENT", "SETNAME", "slow")
    _flood(reader, 30)

    def waiting() -> bool:
        found = server.client_with(name="slow")
        return bool(found and int(found["omem"]) + int(found["oll"]) > 0 and int(found["tot-mem"]) > 1_000_000)

    wait_until(waiting, "omem and tot-mem of the client that does not read")


@pytest.mark.parametrize("size", [10, 1000, 100_000])
def test_output_of_messages_is_reported(server: ServerProcess, size: int) -> None:
    reader, publisher = server.connect(), server.connect()
    reader("CLIENT", "SETNAME", "deaf")
    reader("SUBSCRIBE", "channel")
    batch = request("PUBLISH", "channel", "x" * size) * max(1, 1_000_000 // size // 10)

    def waiting() -> bool:
        publisher.send(batch)
        for _ in range(max(1, 1_000_000 // size // 10)):
            publisher.read()
        found = server.client_with(name="deaf")
        return bool(found) and int(found["omem"]) > 500_000 and int(found["oll"]) > 0

    wait_until(waiting, "what the subscriber does not read shows as omem")


def test_clients_that_vanish_mid_reply(server: ServerProcess) -> None:
    server.control("SET", "big", b"x" * 1_000_000)
    steady = server.connect()
    for index in range(30):
        vanishing = server.connect()
        vanishing.send(request("GET", "big") * 10)
        if index % 3 == 0:
            vanishing.socket.recv(1000)
        if index % 2:
            vanishing.abort()
        else:
            vanishing.close()
        assert steady("PING") == PONG
    wait_until(lambda: len(server.clients()) == 2, "the vanished clients are gone")
    wait_until(lambda: int(server.info("memory")["used_memory"]) < 30_000_000, "their buffers are given back")


def test_clients_killed_mid_reply(server: ServerProcess) -> None:
    server.control("SET", "big", b"x" * 1_000_000)
    victims = [server.connect() for _ in range(5)]
    ids = [victim("CLIENT", "ID") for victim in victims]
    for victim in victims:
        _flood(victim, 20)
    for number in ids:
        assert server.control("CLIENT", "KILL", "ID", number) == 1
    for victim in victims:
        victim.socket.settimeout(DEADLINE)
        assert len(victim.read_until_closed()) < 20_000_000
    assert server.control("PING") == PONG


def test_a_client_that_sends_without_reading_is_bounded_by_its_limits(server: ServerProcess) -> None:
    """Small requests whose small replies are never read pile up to the limit and no further."""
    server.config("client-output-buffer-limit", "normal 1mb 0 0")
    sender = server.connect()
    sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sender.socket.settimeout(1)
    closed = False
    try:
        for _ in range(400):
            sender.send(request("ECHO", "x" * 500) * 200)
    except TimeoutError:
        pass
    except ConnectionError:
        closed = True
    assert closed or wait_until(lambda: len(server.clients()) == 1, "the sender is closed")
    assert server.control("PING") == PONG


def test_many_clients_come_and_go(server: ServerProcess) -> None:
    before = int(server.info("stats")["total_connections_received"])
    for _ in range(300):
        connection = Connection(server.address)
        assert connection("PING") == PONG
        connection.close()
    assert int(server.info("stats")["total_connections_received"]) >= before + 300
    wait_until(lambda: server.info("clients")["connected_clients"] == "1", "all are gone")


def test_active_clients_in_parallel(server: ServerProcess) -> None:
    failures: list[str] = []

    def work(number: int) -> None:
        try:
            with Connection(server.address) as connection:
                for _ in range(50):
                    replies = connection.pipeline(*[("INCR", "shared"), ("INCR", f"own:{number}")] * 20)
                    mine = replies[1::2]
                    if mine != list(range(mine[0], mine[0] + 20)):
                        failures.append(f"{number}: {mine}")
        except Exception as why:  # reported by the main thread
            failures.append(repr(why))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert server.control("GET", "shared") == b"20000"


def connected(client: Connection) -> int:
    return int(client("INFO", "clients").split(b"connected_clients:")[1].split(b"\r\n")[0])


@pytest.mark.slow
def test_ten_thousand_idle_connections(start_server: ServerPool) -> None:
    wanted = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted + 500:
        pytest.skip(f"RLIMIT_NOFILE allows {hard} files, {wanted + 500} are needed")
    if sys.platform != "linux":
        pytest.skip("loopback addresses other than 127.0.0.1 are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 500, hard))
    idle: list[socket.socket] = []
    try:
        server = start_server(maxclients=wanted + 100, tcp_backlog=1024, protected_mode="no")
        active = server.connect()
        before = memory_of(server.pid)
        for index in range(wanted):
            # Several source addresses, so that the range of ports does not run out.
            idle.append(
                socket.create_connection(server.address, DEADLINE, source_address=(f"127.0.0.{2 + index % 4}", 0))
            )
            if index % 500 == 0:
                assert active("PING") == PONG
        wait_until(lambda: connected(active) == wanted + 1, "all are connected", 30)
        each = (memory_of(server.pid) - before) / wanted
        assert each < 20_000, f"{each:.0f} bytes for one idle connection"
        start = time.monotonic()
        replies = active.pipeline(*[("INCR", "n")] * 20_000)
        assert replies[-1] == 20_000
        assert time.monotonic() - start < 10 * PATIENCE
        for connection in idle[::97]:
            connection.sendall(request("PING"))
            assert connection.recv(100) == b"+PONG\r\n"
        for connection in idle:
            # With a reset, so that ten thousand ports do not stay taken for a minute.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            connection.close()
        wait_until(lambda: connected(active) == 1, "all are gone", 30)
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_listener_that_is_full_of_strangers_still_serves(start_server: ServerPool) -> None:
    """Connections that never authenticate do not keep an authenticated one from working."""
    server = start_server(password="secret")
    strangers = [Connection(server.address) for _ in range(100)]
    friend = server.connect()
    for stranger in strangers:
        stranger.send(b"*1\r\n$4\r\nPI")
    assert friend("SET", "k", "v") == OK
    for stranger in strangers:
        stranger.close()
    assert Connection((LOOPBACK, server.port))("GET", "k") == Failure("NOAUTH Authentication required.")


def test_writes_want_the_replicas_that_are_asked_for(start_server: ServerPool) -> None:
    server = start_server(min_replicas_to_write=1)
    refused = Failure("NOREPLICAS Not enough good replicas to write.")
    with server.connect() as client:
        assert client("SET", "k", 1) == refused
        assert client("PING") == "PONG"
        assert client("GET", "k") is None
        assert client("EVAL", "return redis.pcall('GET', 'k')", 0) is None
        assert str(client("EVAL", "return redis.call('SET', 'k', 1)", 0)).startswith("NOREPLICAS Not enough good")
        assert client("MULTI") == "OK"
        assert client("SET", "k", 1) == refused
        assert client("EXEC") == Failure("EXECABORT Transaction discarded because of previous errors.")
        assert client("CONFIG", "SET", "min-replicas-max-lag", 0) == "OK"
        assert client("SET", "k", 1) == "OK"
        assert client("CONFIG", "SET", "min-replicas-max-lag", 10) == "OK"
        assert client("SET", "k", 1) == refused
        assert client("CONFIG", "SET", "min-replicas-to-write", 0) == "OK"
        assert client("SET", "k", 1) == "OK"
