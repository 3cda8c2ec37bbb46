"""Client-side caching over sockets: redis-py's cache, several clients at once, clients that leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from harness import OK, PONG, Connection, Push, ServerProcess, wait_until

redis = pytest.importorskip("redis")
redis_cache = pytest.importorskip("redis.cache")


@pytest.fixture
def caching(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Any:
    # redis-py asks for 7.4 to be safe with every product of that name; all it uses has been there since 6.0.
    monkeypatch.setattr(redis.connection.CacheProxyConnection, "MIN_ALLOWED_VERSION", "7.2.0")
    with redis.Redis(
        host=server.address[0], port=server.port, protocol=3, cache_config=redis_cache.CacheConfig(max_size=1000)
    ) as connection:
        yield connection


def reads(server: ServerProcess) -> int:
    """How many GET and MGET the server has run."""
    figures = server.info("commandstats")
    return sum(
        int(figures[name].partition("calls=")[2].partition(",")[0])
        for name in ("cmdstat_get", "cmdstat_mget", "cmdstat_hgetall")
        if name in figures
    )


def test_redis_py_reads_once_and_again_after_a_change(server: ServerProcess, caching: Any, client: Connection) -> None:
    client("SET", "k", "one")
    before = reads(server)
    assert [caching.get("k") for _ in range(10)] == [b"one"] * 10
    assert reads(server) == before + 1
    client("SET", "k", "two")
    wait_until(lambda: caching.get("k") == b"two", "the change is seen")
    assert reads(server) == before + 2


@pytest.mark.parametrize(
    "change",
    [
        ("DEL", "h"),
        ("HSET", "h", "f", "2"),
        ("RENAME", "other", "h"),
        ("PEXPIRE", "h", "1"),
        ("FLUSHALL",),
        ("FLUSHDB", "ASYNC"),
    ],
)
def test_redis_py_sees_every_kind_of_change(caching: Any, client: Connection, change: tuple[str, ...]) -> None:
    client("HSET", "h", "f", "1")
    client("HSET", "other", "g", "1")
    assert caching.hgetall("h") == {b"f": b"1"}
    assert caching.get_cache().size == 1
    client(*change)
    wait_until(lambda: caching.hgetall("h") != {b"f": b"1"}, "the change is seen")


def test_redis_py_own_changes(caching: Any) -> None:
    for number in range(100):
        caching.set("k", number)
        assert caching.get("k") == b"%d" % number
        with caching.pipeline() as pipe:
            pipe.incr("k").get("k")
            assert pipe.execute() == [number + 1, b"%d" % (number + 1)]
        assert caching.get("k") == b"%d" % (number + 1)


def test_redis_py_asynchronous_hears_invalidations(server: ServerProcess, client: Connection) -> None:
    async def scenario() -> None:
        from redis.asyncio.connection import Connection as AsyncConnection

        heard: list[Any] = []

        async def hear(message: list[Any]) -> None:
            heard.append(message)

        connection = AsyncConnection(host=server.address[0], port=server.port, protocol=3)
        await connection.connect()
        connection._parser.set_invalidation_push_handler(hear)

        async def ask(*words: str) -> Any:
            await connection.send_command(*words)
            return await connection.read_response()

        assert await ask("CLIENT", "TRACKING", "ON") == b"OK"
        assert await ask("GET", "k") is None
        client("SET", "k", "1")
        assert await ask("GET", "k") == b"1"
        assert heard == [[b"invalidate", [b"k"]]]
        client("FLUSHALL")
        await ask("PING")
        assert heard[1:] == [[b"invalidate", None]]
        await connection.disconnect()

    asyncio.run(scenario())


def test_pipelines_of_readers_and_writers(server: ServerProcess) -> None:
    readers = [server.connect(protocol=3) for _ in range(5)]
    writer = server.connect()
    keys = [f"key:{number}" for number in range(200)]
    for reader in readers:
        reader("CLIENT", "TRACKING", "ON")
        reader.pipeline(*(("GET", key) for key in keys))
    assert server.info("stats")["tracking_total_items"] == "1000"
    writer.pipeline(*(("SET", key, "1") for key in keys))
    for reader in readers:
        assert [reader.read() for _ in keys] == [Push([b"invalidate", [key.encode()]]) for key in keys]
    assert server.info("stats")["tracking_total_keys"] == "0"
    assert server.info("clients")["tracking_clients"] == "5"
    for reader in readers:
        reader.close()
    wait_until(lambda: server.info("clients")["tracking_clients"] == "0", "the clients are gone")


def test_broadcast_is_one_message_per_turn(server: ServerProcess) -> None:
    listener, writer = server.connect(protocol=3), server.connect()
    assert listener("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a") == OK
    writer.pipeline(*(("SET", f"{letter}{number}", "1") for number in range(50) for letter in "ab"))
    told: set[bytes] = set()
    messages = 0
    while len(told) < 50:
        kind, keys = listener.read()
        assert kind == b"invalidate"
        told.update(keys)
        messages += 1
    assert told == {b"a%d" % number for number in range(50)}
    assert messages < 10  # the pipeline came in few pieces


def test_a_reader_that_does_not_read_is_disconnected(server: ServerProcess) -> None:
    server.config("client-output-buffer-limit", "normal 1000000 0 0")
    listener, writer = server.connect(protocol=3), server.connect()
    identifier = listener("CLIENT", "ID")
    listener("CLIENT", "TRACKING", "ON", "BCAST")
    key = b"k" * 60000

    def is_gone() -> bool:
        writer.pipeline(*(("SET", key, "1") for _ in range(5)))
        return writer("CLIENT", "LIST", "ID", identifier) == b""

    wait_until(is_gone, "the client is closed at its limit", pause=0)


def test_limit_of_the_table(server: ServerProcess) -> None:
    reader = server.connect(protocol=3)
    reader("CLIENT", "TRACKING", "ON")
    reader.pipeline(*(("GET", f"k{number}") for number in range(300)))
    server.config("tracking-table-max-keys", 10)
    told = {reader.read()[1][0] for _ in range(290)}
    assert len(told) == 290
    assert reader("PING") == PONG
    assert server.info("stats")["tracking_total_keys"] == "10"
