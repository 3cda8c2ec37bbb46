"""Memory limits of a server: maxmemory, maxmemory-clients, what clients are counted with, output limits by class."""

from __future__ import annotations

import contextlib

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, request, wait_until

MEBIBYTE = 1 << 20
OOM = Failure("OOM command not allowed when used memory > 'maxmemory'.")


def number_of(server: ServerProcess, section: str, field: str) -> int:
    return int(server.info(section)[field])


def half_sent(server: ServerProcess, name: str, size: int) -> Connection:
    """A client that has sent all of a long argument but its end."""
    client = server.connect()
    assert client("CLIENT", "SETNAME", name) == OK
    client.send(b"*2\r\n$%d\r\n" % size + b"v" * size)
    wait_until(lambda: int((server.client_with(name=name) or {"qbuf": "0"})["qbuf"]) >= size, "the input is in")
    return client


def is_there(server: ServerProcess, name: str) -> bool:
    return server.client_with(name=name) is not None


def test_a_limit_below_what_is_used(start_server: ServerPool) -> None:
    server = start_server()
    with server.connect() as client:
        assert client("SET", "key", "value") == OK
        assert client("CONFIG", "SET", "maxmemory", 1) == OK
        assert client("SET", "other", "value") == OOM
        assert client("GET", "key") == b"value"
        assert client("LPUSH", "list", "value") == OOM
        assert client.pipeline(("GET", "key"), ("APPEND", "key", "x"), ("EXISTS", "key")) == [b"value", OOM, 1]
        assert client("DEL", "key") == 1
        assert "maxmemory is 1 bytes now" in server.log()
        errors = server.info("errorstats")
        assert errors["errorstat_OOM"] == "count=3"
        wait_until(lambda: number_of(server, "stats", "current_eviction_exceeded_time") > 0, "time over the limit")
        assert client("CONFIG", "SET", "maxmemory", 0) == OK
        assert client("SET", "other", "value") == OK
        assert number_of(server, "stats", "current_eviction_exceeded_time") == 0
        assert number_of(server, "stats", "total_eviction_exceeded_time") > 0


def test_keys_are_evicted_once_the_limit_is_set(start_server: ServerPool) -> None:
    server = start_server(maxmemory_policy="allkeys-lru")
    with server.connect() as client:
        client.pipeline(*(("SET", f"key:{number}", "x" * 1000) for number in range(2000)))
        used = number_of(server, "memory", "used_memory")
        assert client("CONFIG", "SET", "maxmemory", used - MEBIBYTE) == OK
        wait_until(lambda: number_of(server, "memory", "used_memory") <= used - MEBIBYTE, "memory is under its limit")
        evicted = number_of(server, "stats", "evicted_keys")
        assert 900 < evicted < 1300
        assert client("DBSIZE") == 2000 - evicted
        assert client("CONFIG", "RESETSTAT") == OK
        assert number_of(server, "stats", "evicted_keys") == 0


def test_clients_are_evicted_from_the_largest_down(start_server: ServerPool) -> None:
    server = start_server()
    with contextlib.ExitStack() as stack:
        control = stack.enter_context(server.connect())
        assert control("CLIENT", "NO-EVICT", "on") == OK
        for size in (128 << 10, MEBIBYTE, 3 * MEBIBYTE):
            for number in range(2):
                stack.enter_context(half_sent(server, f"{size}-{number}", size))
        assert control("CONFIG", "SET", "maxmemory-clients", 3 * MEBIBYTE) == OK
        wait_until(lambda: not is_there(server, f"{3 * MEBIBYTE}-0"), "the large ones are gone")
        assert not is_there(server, f"{3 * MEBIBYTE}-1")
        assert is_there(server, f"{MEBIBYTE}-0")
        assert is_there(server, f"{128 << 10}-0")
        assert number_of(server, "stats", "evicted_clients") == 2
        assert control("CONFIG", "SET", "maxmemory-clients", MEBIBYTE) == OK
        wait_until(lambda: not is_there(server, f"{MEBIBYTE}-1"), "the middle ones are gone")
        assert is_there(server, f"{128 << 10}-1")
        assert number_of(server, "stats", "evicted_clients") == 4
        assert "Evicting client: id=" in server.log()


def test_a_client_that_is_not_to_be_evicted(start_server: ServerPool) -> None:
    server = start_server(maxmemory_clients=MEBIBYTE)
    assert server.control("CLIENT", "NO-EVICT", "on") == OK  # or else it would go for what the other one takes
    with server.connect() as client:
        assert client("CLIENT", "SETNAME", "large") == OK
        assert client("CLIENT", "NO-EVICT", "on") == OK
        client.send(b"*1\r\n$%d\r\n" % (2 * MEBIBYTE) + b"v" * 2 * MEBIBYTE)
        wait_until(lambda: int((server.client_with(name="large") or {})["qbuf"]) == 2 * MEBIBYTE, "the input is in")
        found = server.client_with(name="large")
        assert found is not None
        assert "e" in found["flags"]
        assert int(found["tot-mem"]) > 2 * MEBIBYTE
        client.send(b"\r\n")
        assert isinstance(client.read(), Failure)  # no such command


def test_a_share_of_maxmemory(start_server: ServerPool) -> None:
    server = start_server(maxmemory="8mb", maxmemory_clients="25%")
    assert half_sent(server, "fits", MEBIBYTE).is_silent()
    with server.connect() as client:
        assert client("CONFIG", "GET", "maxmemory-clients") == [b"maxmemory-clients", b"25%"]
        client.send(b"*1\r\n$%d\r\n" % (3 * MEBIBYTE))
        assert client.read_until_closed() == b""
    assert number_of(server, "stats", "evicted_clients") == 1


def test_a_client_whose_transaction_grows_is_evicted(start_server: ServerPool) -> None:
    server = start_server(maxmemory_clients=MEBIBYTE)
    with server.connect() as client:
        client("MULTI")
        with pytest.raises((EOFError, ConnectionError)):
            for _ in range(20):
                assert client("SET", "key", "x" * 100_000) == "QUEUED"
    assert number_of(server, "stats", "evicted_clients") == 1


def test_evicting_clients_spares_keys(start_server: ServerPool) -> None:
    server = start_server(maxmemory="12mb", maxmemory_clients="3mb", maxmemory_policy="allkeys-lru")
    with contextlib.ExitStack() as stack:
        control = stack.enter_context(server.connect())
        assert control("CLIENT", "NO-EVICT", "on") == OK
        for number in range(50):
            control("SETRANGE", f"key:{number}", 100_000, "x")
        for _ in range(30):
            client = stack.enter_context(server.connect())
            with contextlib.suppress(ConnectionError):
                client.send(b"*2\r\n$3\r\nGET\r\n$400000\r\n" + b"x" * 390_000)
        wait_until(lambda: number_of(server, "stats", "evicted_clients") > 0, "clients are evicted")
        assert number_of(server, "stats", "evicted_keys") == 0
        assert control("DBSIZE") == 50


def test_what_a_client_is_counted_with(server: ServerProcess) -> None:
    with server.connect() as client, server.connect() as other:
        client("CLIENT", "SETNAME", "counted")

        def field(name: str) -> int:
            found = server.client_with(name="counted")
            assert found is not None
            return int(found[name])

        idle = field("tot-mem")
        assert idle < 2000
        assert (field("qbuf"), field("argv-mem"), field("multi-mem"), field("omem")) == (0, 0, 0, 0)
        client("MULTI")
        client("SET", "key", "x" * 5000)
        assert field("multi-mem") > 5000
        assert field("tot-mem") > idle + 5000
        client("DISCARD")
        assert field("tot-mem") == idle
        for number in range(50):
            client("WATCH", f"key:{number}")
        assert field("tot-mem") > idle + 50 * 40
        client("UNWATCH")
        assert field("tot-mem") == idle
        client.send(b"*2\r\n$3\r\nGET\r\n$60000\r\n" + b"k" * 1000)
        wait_until(lambda: field("qbuf") == 1000, "the input is in")
        assert field("argv-mem") >= 3
        assert field("tot-mem") > idle + 60000
        assert other("PING") == "PONG"


def test_figures_of_clients_are_the_sum_of_theirs(server: ServerProcess) -> None:
    with server.connect() as one, server.connect():
        lines = one("CLIENT", "LIST").decode().splitlines()
        total = sum(int(line.split("tot-mem=")[1].split(" ")[0]) for line in lines)
        info = one("INFO", "memory").decode()
        normal = int(info.split("mem_clients_normal:")[1].split("\r\n")[0])
        assert abs(normal - total) < 20000  # a chunk of output more or less
        assert "mem_clients_slaves:0\r\n" in info
        stats = one("MEMORY", "STATS")
        assert stats[stats.index(b"clients.normal") + 1] == normal


def test_idle_output_buffers_are_no_used_memory(server: ServerProcess) -> None:
    with server.connect() as client:
        client("RPUSH", "list", *("x" * 1000 for _ in range(500)))
        before = number_of(server, "memory", "used_memory")
        for _ in range(3):
            assert len(client("LRANGE", "list", 0, -1)) == 500
        assert abs(number_of(server, "memory", "used_memory") - before) < 10_000


@pytest.mark.parametrize("command", ["HRANDFIELD hash", "SRANDMEMBER set", "ZRANDMEMBER zset"])
def test_a_reply_past_the_limit_is_not_made_to_its_end(start_server: ServerPool, command: str) -> None:
    server = start_server(client_output_buffer_limit="normal 1000000 0 0")
    with server.connect() as client:
        client("HSET", "hash", "field", "value")
        client("SADD", "set", "member")
        client("ZADD", "zset", 1, "member")
        client.send(request(*command.split(), -100_000_000))
        client.read_until_closed()
    assert number_of(server, "memory", "used_memory_peak") < 20 * MEBIBYTE
    assert number_of(server, "stats", "client_output_buffer_limit_disconnections") == 1


def test_the_client_that_imports_sees_expired_keys(start_server: ServerPool) -> None:
    server = start_server()
    with server.connect() as source, server.connect() as other:
        assert source("CLIENT", "IMPORT-SOURCE", "on") == Failure("ERR Server is not in import mode")
        assert other("CONFIG", "SET", "import-mode", "yes") == OK
        assert source("CLIENT", "IMPORT-SOURCE", "on") == OK
        assert "flags=I" in source("CLIENT", "INFO").decode()
        assert source("SET", "key", 1, "PX", 1) == OK
        wait_until(lambda: other("GET", "key") is None, "the key has expired")
        assert source("TTL", "key") == 0
        assert source("INCR", "key") == 2
        assert source("RANDOMKEY") == b"key"
        assert source("KEYS", "*") == [b"key"]
        assert other("TTL", "key") == -2
        assert other("DBSIZE") == 1
        assert source("CLIENT", "IMPORT-SOURCE", "off") == OK
        assert "flags=N" in source("CLIENT", "INFO").decode()
        assert other("CONFIG", "SET", "import-mode", "no") == OK
        wait_until(lambda: other("DBSIZE") == 0, "the key is removed")


def test_in_import_mode_what_is_over_stays_until_it_is_written(start_server: ServerPool) -> None:
    """As Valkey 9.1 has it: deadlines in the past do not remove, and only who fills the data set sees what is over."""
    server = start_server(compatibility="valkey")
    with server.connect() as source, server.connect() as other:
        assert other("CONFIG", "SET", "import-mode", "yes") == OK
        assert source("CLIENT", "IMPORT-SOURCE", "on") == OK
        for client, sees in ((other, False), (source, True)):
            assert client("FLUSHALL") == OK
            assert client("SET", "a", "v") == OK
            assert client("PEXPIREAT", "a", 1) == 1
            assert client("SET", "b", "v", "PXAT", 1) == OK
            assert client("SET", "c", "v") == OK
            assert client("GETEX", "c", "PXAT", 1) == b"v"
            dumped = client("DUMP", "d") if client("SET", "d", "v") == OK else b""
            assert client("RESTORE", "e", 1, dumped, "ABSTTL") == OK
            assert client("EXISTS", "a", "b", "c", "e") == 4 * sees
            assert client("DBSIZE") == 5
            assert client("HSET", "hash", "over", 1, "stays", 2) == 2
            assert client("HPEXPIREAT", "hash", 1, "FIELDS", 1, "over") == [1]
            assert client("HGET", "hash", "over") == (b"1" if sees else None)
            assert client("HEXISTS", "hash", "over") == sees
            assert client("HKEYS", "hash") == ([b"over", b"stays"] if sees else [b"stays"])
            assert client("HLEN", "hash") == 2
            assert other("HGETALL", "hash") == [b"stays", b"2"]
            assert client("HINCRBY", "hash", "over", 1) == (2 if sees else 1)


def test_memory_of_a_key_by_samples(server: ServerProcess) -> None:
    with server.connect() as client:
        client("HSET", "hash", "large", "x" * 100_000)
        client.pipeline(*(("HSET", "hash", f"field:{number}", "x") for number in range(1000)))
        exact = client("MEMORY", "USAGE", "hash", "SAMPLES", 0)
        assert client("MEMORY", "USAGE", "hash", "SAMPLES", 5000) == exact
        assert exact > 100_000 + 1000 * 12
        assert client("MEMORY", "USAGE", "hash") == client("MEMORY", "USAGE", "hash", "SAMPLES", 5)
        assert client("MEMORY", "USAGE", "hash", "SAMPLES", -1) == Failure("ERR syntax error")
        assert client("MEMORY", "USAGE", "nothing") is None
