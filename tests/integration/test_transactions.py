"""Transactions over sockets: redis-py's pipelines, synchronous and asynchronous, WATCH with retries, lost clients."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from harness import OK, Connection, Failure, ServerProcess, Status, wait_until

redis = pytest.importorskip("redis")

QUEUED = Status("QUEUED")


@pytest.mark.parametrize("fixture", ["redis2", "redis3", "redis_unix"])
def test_a_pipeline_is_a_transaction(request: pytest.FixtureRequest, fixture: str) -> None:
    connection = request.getfixturevalue(fixture)
    with connection.pipeline() as pipe:
        for number in range(10):
            pipe.set(f"k{number}", number)
        pipe.incr("k9").mget("k0", "k9").hset("h", mapping={"a": 1}).hgetall("h")
        assert pipe.execute() == [True] * 10 + [10, [b"0", b"10"], 1, {b"a": b"1"}]


def test_a_failing_command_is_told_and_the_others_have_run(redis2: Any) -> None:
    redis2.set("text", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"), redis2.pipeline() as pipe:
        pipe.set("a", 1).incr("text").set("b", 2).execute()
    assert redis2.mget("a", "b") == [b"1", b"2"]


def test_a_key_does_not_expire_amid_a_transaction(client: Connection) -> None:
    client("SET", "k", "v", "PX", 100)
    replies = client.pipeline(("MULTI",), ("GET", "k"), ("DEBUG", "SLEEP", ".3"), ("GET", "k"), ("EXEC",))
    assert replies[-1] == [b"v", OK, b"v"]
    assert client("GET", "k") is None


def increment(connection: Any, times: int) -> int:
    """Adds one to a counter so many times, without INCR; answers how often another client was quicker."""
    retries = 0
    with connection.pipeline() as pipe:
        for _ in range(times):
            while True:
                try:
                    pipe.watch("counter")
                    value = int(pipe.get("counter") or 0)
                    pipe.multi()
                    pipe.set("counter", value + 1)
                    pipe.execute()
                    break
                except redis.WatchError:
                    retries += 1
    return retries


def test_watch_makes_read_and_write_one(server: ServerProcess) -> None:
    host, port = server.address

    def work() -> None:
        with redis.Redis(host=host, port=port) as connection:
            increment(connection, 50)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with redis.Redis(host=host, port=port) as connection:
        assert connection.get("counter") == b"200"


def test_the_same_asynchronously(server: ServerProcess) -> None:
    from redis import asyncio as redis_asyncio

    host, port = server.address

    async def work() -> None:
        async with redis_asyncio.Redis(host=host, port=port, protocol=3) as connection:

            async def add(pipe: Any) -> None:
                value = int(await pipe.get("counter") or 0)
                pipe.multi()
                pipe.set("counter", value + 1)

            for _ in range(25):
                await connection.transaction(add, "counter")

    async def everybody() -> list[Any]:
        await asyncio.gather(*(work() for _ in range(4)))
        async with redis_asyncio.Redis(host=host, port=port) as connection, connection.pipeline() as pipe:
            pipe.get("counter")
            pipe.lpush("list", "a", "b")
            result: list[Any] = await pipe.execute()
            return result

    assert asyncio.run(everybody()) == [b"100", 2]


def test_a_transaction_is_seen_whole_or_not_at_all(server: ServerProcess, client: Connection) -> None:
    other = server.connect()
    assert client("MULTI") == OK
    assert client("SET", "a", 1) == QUEUED
    assert other("EXISTS", "a") == 0
    assert client("INCR", "a") == QUEUED
    assert client("EXEC") == [OK, 2]
    assert other("GET", "a") == b"2"


def test_a_whole_transaction_in_one_packet(client: Connection) -> None:
    replies = client.pipeline(["MULTI"], ["SET", "k", "v" * 40_000], ["STRLEN", "k"], ["EXEC"], ["PING"])
    assert replies == [OK, QUEUED, QUEUED, [OK, 40_000], Status("PONG")]


def test_a_client_that_leaves_takes_its_transaction_along(server: ServerProcess, client: Connection) -> None:
    gone = server.connect()
    gone("WATCH", "k", "l")
    gone("MULTI")
    gone("SET", "k", "x" * 100_000)
    clients = client("CLIENT", "LIST").decode()
    assert "multi=1 watch=2" in clients
    gone.close()
    wait_until(lambda: "multi=1" not in client("CLIENT", "LIST").decode(), "the client has left")
    assert client("EXISTS", "k") == 0
    assert client("SET", "k", "1") == OK


def test_reset_and_discard_leave_nothing(server: ServerProcess, client: Connection) -> None:
    other = server.connect()
    client("WATCH", "k")
    client("MULTI")
    client("SET", "k", 1)
    assert client("RESET") == Status("RESET")
    other("SET", "k", 2)
    assert client("EXEC") == Failure("ERR EXEC without MULTI")
    client("MULTI")
    assert client("EXEC") == []


def test_waiting_clients_are_served_after_the_transaction(server: ServerProcess, client: Connection) -> None:
    waiter = server.connect()
    waiter.send(b"*3\r\n$5\r\nBLPOP\r\n$4\r\nlist\r\n$1\r\n0\r\n")
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "the client waits")
    client("MULTI")
    client("RPUSH", "list", "a")
    client("DEL", "list")
    client("RPUSH", "list", "b")
    assert client("EXEC") == [1, 1, 1]
    assert waiter.read() == [b"list", b"b"]


def test_monitors_see_the_commands_when_they_run(server: ServerProcess, client: Connection) -> None:
    monitor = server.connect()
    assert monitor("MONITOR") == OK
    client("MULTI")
    client("SET", "k", "1")
    client("EXEC")
    lines = [monitor.read().rpartition("] ")[2] for _ in range(3)]
    assert lines == ['"MULTI"', '"SET" "k" "1"', '"EXEC"']
