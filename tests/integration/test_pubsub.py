"""Publish and subscribe over sockets: both protocols, who gets what in which order, and what a subscriber may do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from harness import OK, PONG, Connection, Failure, Push, ServerPool, ServerProcess, request, wait_until

REFUSED = (
    "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
)


def numbers(server: ServerProcess) -> dict[str, str]:
    """What INFO says of subscriptions."""
    info = server.info()
    return {name: info[name] for name in NOBODY}


NOBODY = {"pubsub_channels": "0", "pubsub_patterns": "0", "pubsubshard_channels": "0", "pubsub_clients": "0"}


@pytest.mark.parametrize("protocol", [2, 3])
def test_subscriptions_are_confirmed_one_by_one(server: ServerProcess, protocol: int) -> None:
    client = server.connect(protocol=protocol)
    first = client("SUBSCRIBE", "a", "b", "a")
    assert type(first) is (Push if protocol == 3 else list)
    assert first == [b"subscribe", b"a", 1]
    assert [client.read() for _ in range(2)] == [[b"subscribe", b"b", 2], [b"subscribe", b"a", 2]]
    assert client("PSUBSCRIBE", "p*") == [b"psubscribe", b"p*", 3]
    assert client("SSUBSCRIBE", "s") == [b"ssubscribe", b"s", 1]
    assert client("SUNSUBSCRIBE") == [b"sunsubscribe", b"s", 0]
    assert client("UNSUBSCRIBE", "none") == [b"unsubscribe", b"none", 3]
    assert client("UNSUBSCRIBE") == [b"unsubscribe", b"a", 2]
    assert client.read() == [b"unsubscribe", b"b", 1]
    assert client("PUNSUBSCRIBE", "p*") == [b"punsubscribe", b"p*", 0]
    for word in ("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"):
        assert client(word) == [word.lower().encode(), None, 0]
    assert client("GET", "key") is None
    assert numbers(server) == NOBODY


@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_reach_channels_then_patterns(server: ServerProcess, client: Connection, protocol: int) -> None:
    both, other, sharded = (server.connect(protocol=protocol) for _ in range(3))
    both("PSUBSCRIBE", "n*")
    both("SUBSCRIBE", "news")
    other("PSUBSCRIBE", "[mn]ews", "*x*")
    other.read()
    sharded("SSUBSCRIBE", "news")
    assert client("PUBLISH", "news", "hello") == 3
    first = both.read()
    assert first == [b"message", b"news", b"hello"] and type(first) is (Push if protocol == 3 else list)
    assert both.read() == [b"pmessage", b"n*", b"news", b"hello"]
    assert other.read() == [b"pmessage", b"[mn]ews", b"news", b"hello"]
    assert client("SPUBLISH", "news", "") == 1
    assert sharded.read() == [b"smessage", b"news", b""]
    assert client("PUBLISH", "nobody", "hello") == 1
    assert both.read() == [b"pmessage", b"n*", b"nobody", b"hello"]
    for connection in (both, other, sharded):
        assert connection.is_silent()


def test_subscribers_under_resp2_may_do_little(client: Connection) -> None:
    client("SUBSCRIBE", "a")
    for command, name in ((("GET", "k"), "get"), (("CONFIG", "GET", "port"), "config|get"), (("MULTI",), "multi")):
        assert client(*command) == Failure(REFUSED.format(name))
    refusal = REFUSED.format("exec").removeprefix("ERR ")
    assert client("EXEC") == Failure(f"EXECABORT Transaction discarded because of: {refusal}")
    assert client("NONE").startswith("ERR unknown command")
    assert client("PING") == [b"pong", b""]
    assert client("PING", "text") == [b"pong", b"text"]
    assert client("PING", "a", "b") == Failure("ERR wrong number of arguments for 'ping' command")
    assert client("UNSUBSCRIBE") == [b"unsubscribe", b"a", 0]
    assert client("PING") == PONG
    client("SSUBSCRIBE", "a")
    assert client("GET", "k") == Failure(REFUSED.format("get"))
    assert client("RESET") == "RESET"
    assert client("GET", "k") is None
    client("PSUBSCRIBE", "a")
    assert client("QUIT") == OK


def test_subscribers_under_resp3_may_do_all(server: ServerProcess, client3: Connection) -> None:
    client3("SUBSCRIBE", "a")
    assert client3("SET", "k", "v") == OK
    assert client3("PING") == PONG
    client3("HELLO", 2)
    assert client3("GET", "k") == Failure(REFUSED.format("get"))
    assert client3("UNSUBSCRIBE", "a") == [b"unsubscribe", b"a", 0]
    assert client3("GET", "k") == b"v"


def test_own_messages_come_behind_the_reply(client3: Connection) -> None:
    client3("SUBSCRIBE", "a")
    assert client3("PUBLISH", "a", "1") == 1
    assert client3.read() == [b"message", b"a", b"1"]
    client3("MULTI")
    for word in ("PING", "PUBLISH a 2", "UNSUBSCRIBE a", "PUBLISH a 3"):
        assert client3(*word.split()) == "QUEUED"
    assert client3("EXEC") == [PONG, 1, [b"unsubscribe", b"a", 0], 0]
    assert client3.read() == [b"message", b"a", b"2"]
    assert client3("PING") == PONG


def test_subscribing_within_a_transaction(client: Connection) -> None:
    client("MULTI")
    for word in ("SUBSCRIBE a", "GET k", "PING"):
        assert client(*word.split()) == "QUEUED"
    assert client("EXEC") == [[b"subscribe", b"a", 1], None, [b"pong", b""]]
    assert client("GET", "k") == Failure(REFUSED.format("get"))


@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_go_out_where_replies_are_off(server: ServerProcess, client: Connection, protocol: int) -> None:
    muted = server.connect(protocol=protocol)
    muted.send(request("CLIENT", "REPLY", "OFF"))
    assert muted("SUBSCRIBE", "a", "b") == [b"subscribe", b"a", 1]
    assert muted.read() == [b"subscribe", b"b", 2]
    assert client("PUBLISH", "a", "text") == 1
    assert muted.read() == [b"message", b"a", b"text"]
    muted.send(request("PING"))
    assert muted.is_silent()
    assert muted("UNSUBSCRIBE", "a", "b") == [b"unsubscribe", b"a", 1]
    assert muted.read() == [b"unsubscribe", b"b", 0]
    muted.send(request("PUBLISH", "a", "nobody"))
    assert muted("CLIENT", "REPLY", "ON") == OK
    if protocol == 3:
        muted("SUBSCRIBE", "a")
        muted.send(request("CLIENT", "REPLY", "SKIP") + request("PUBLISH", "a", "own"))
        assert muted.read() == [b"message", b"a", b"own"]
        assert muted("PING") == PONG


@pytest.mark.parametrize("size", [0, 900, 1024, 5000, 1_000_000])
def test_messages_of_any_size(server: ServerProcess, client: Connection, size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    listeners = [server.connect(protocol=protocol) for protocol in (2, 3, 2, 3)]
    for listener in listeners:
        listener("SUBSCRIBE", "a")
    messages = [payload + b"%d" % number for number in range(5)]
    assert client.pipeline(*[("PUBLISH", "a", message) for message in messages]) == [4] * 5
    for listener in listeners:
        assert [listener.read() for _ in range(5)] == [[b"message", b"a", message] for message in messages]


def test_long_messages_are_not_copied_for_each_subscriber(start_server: ServerPool) -> None:
    server = start_server(**{"client-output-buffer-limit": "pubsub 0 0 0"})
    client = server.connect()
    listeners = [server.connect() for _ in range(50)]
    for listener in listeners:
        listener("SUBSCRIBE", "a")
    before = int(server.info("memory")["used_memory"])
    size = 8_000_000        # more than sockets hold: it waits in the server
    assert client("PUBLISH", "a", b"x" * size) == 50
    waiting = int(server.info("memory")["used_memory"]) - before
    assert size <= waiting < 4 * size
    for listener in listeners:
        assert len(listener.read()[2]) == size
    wait_until(lambda: int(server.info("memory")["used_memory"]) - before < size // 4, "the message is released")


def test_who_listens_to_what(server: ServerProcess, client: Connection) -> None:
    one, two = server.connect(), server.connect(protocol=3)
    one("SUBSCRIBE", "a1", "a2")
    one.read()
    two("SUBSCRIBE", "a1")
    two("PSUBSCRIBE", "p*", "q*")
    two.read()
    one("PSUBSCRIBE", "p*")
    two("SSUBSCRIBE", "s1")
    assert sorted(client("PUBSUB", "CHANNELS")) == [b"a1", b"a2"]
    assert client("PUBSUB", "CHANNELS", "*2") == [b"a2"]
    assert client("PUBSUB", "NUMSUB", "a1", "a2", "none") == [b"a1", 2, b"a2", 1, b"none", 0]
    assert client("PUBSUB", "NUMSUB") == []
    assert client("PUBSUB", "NUMPAT") == 2
    assert client("PUBSUB", "SHARDCHANNELS") == [b"s1"]
    assert client("PUBSUB", "SHARDCHANNELS", "x*") == []
    assert client("PUBSUB", "SHARDNUMSUB", "s1", "a1") == [b"s1", 1, b"a1", 0]
    assert client("PUBSUB", "CHANNELS", "a", "b").startswith("ERR unknown subcommand or wrong number of arguments for")
    assert numbers(server) == {
        "pubsub_channels": "2", "pubsub_patterns": "2", "pubsubshard_channels": "1", "pubsub_clients": "2",
    }  # fmt: skip
    shown = server.client_with(sub="2", psub="1", ssub="0")
    assert shown is not None and "P" in shown["flags"]
    shown = server.client_with(sub="1", psub="2", ssub="1")
    assert shown is not None and shown["flags"] == "P" and shown["resp"] == "3"
    listed = client("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
    assert len(listed) == 2
    one.close()
    two("RESET")
    wait_until(lambda: numbers(server) == NOBODY, "closed and reset clients are no subscribers")
    assert client("CLIENT", "LIST", "TYPE", "pubsub") == b""


def test_subscribers_are_not_idle(start_server: ServerPool) -> None:
    server = start_server(timeout=1)
    listener, idle = server.connect(), server.connect()
    listener("SUBSCRIBE", "a")
    assert idle("PING") == PONG
    assert idle.read_until_closed() == b""
    with server.connect() as client:
        assert client("PUBLISH", "a", "text") == 1
    assert listener.read() == [b"message", b"a", b"text"]


def test_thousands_of_subscriptions_come_and_go(server: ServerProcess, client: Connection) -> None:
    listeners = [server.connect() for _ in range(20)]
    names = [f"channel-{number}" for number in range(1000)]
    for place, listener in enumerate(listeners):
        mine = names[place * 25 :]
        listener("SUBSCRIBE", *mine)
        for _ in mine[1:]:
            listener.read()
    assert client("PUBSUB", "NUMSUB", names[0], names[-1]) == [names[0].encode(), 1, names[-1].encode(), 20]
    for listener in listeners[::2]:
        listener.close()
    wait_until(lambda: client("PUBSUB", "NUMSUB", names[-1])[1] == 10, "half of them are gone")
    assert client("PUBLISH", names[-1], "text") == 10
    for listener in listeners[1::2]:
        assert listener.read() == [b"message", names[-1].encode(), b"text"]
        listener.close()
    wait_until(lambda: numbers(server) == NOBODY, "all are gone")


# --- redis-py


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def redis_any(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield request.getfixturevalue(f"redis{request.param}")


def next_message(listener: Any) -> dict[str, Any]:
    message: dict[str, Any] | None = wait_until(lambda: listener.get_message(timeout=1), "a message arrives")
    assert message is not None
    return message


def test_redis_py(redis_any: Any) -> None:
    seen: list[Any] = []
    with redis_any.pubsub() as listener:
        listener.subscribe("news", handled=seen.append)
        listener.psubscribe("pattern-*")
        listener.ssubscribe("shard")
        kinds = [next_message(listener)["type"] for _ in range(4)]
        assert kinds == ["subscribe", "subscribe", "psubscribe", "ssubscribe"]
        assert redis_any.publish("news", "text") == 1
        assert next_message(listener)["data"] == b"text"
        assert redis_any.publish("handled", "text") == 1
        wait_until(lambda: listener.get_message(timeout=1) or seen, "the handler is called")
        assert seen[0]["data"] == b"text"
        assert redis_any.publish("pattern-1", "text") == 1
        message = next_message(listener)
        assert (message["type"], message["pattern"], message["channel"]) == ("pmessage", b"pattern-*", b"pattern-1")
        assert redis_any.spublish("shard", "text") == 1
        assert next_message(listener)["type"] == "smessage"
        listener.ping()
        assert next_message(listener)["type"] == "pong"
        assert sorted(redis_any.pubsub_channels()) == [b"handled", b"news"]
        assert redis_any.pubsub_numsub("news") == [(b"news", 1)]
        listener.unsubscribe()
        listener.punsubscribe()
        listener.sunsubscribe()
        assert {next_message(listener)["type"] for _ in range(4)} == {"unsubscribe", "punsubscribe", "sunsubscribe"}


def test_redis_py_in_a_thread(redis_any: Any) -> None:
    got: list[Any] = []
    listener = redis_any.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(news=lambda message: got.append(message["data"]))
    thread = listener.run_in_thread(sleep_time=0.01)
    try:
        wait_until(lambda: redis_any.pubsub_numsub("news") == [(b"news", 1)], "the thread listens")
        for number in range(100):
            redis_any.publish("news", number)
        wait_until(lambda: len(got) == 100, "all messages arrive")
        assert got == [b"%d" % number for number in range(100)]
    finally:
        thread.stop()
        thread.join()


@pytest.mark.parametrize("protocol", [2, 3])
def test_asyncio_redis_py(server: ServerProcess, protocol: int) -> None:
    redis = pytest.importorskip("redis.asyncio")

    async def listen(client: Any, ready: asyncio.Event, count: int) -> list[Any]:
        async with client.pubsub() as listener:
            await listener.subscribe("news")
            await listener.psubscribe("new*")
            got: list[Any] = []
            async for message in listener.listen():
                if message["type"].endswith("subscribe"):
                    if message["type"] == "psubscribe":
                        ready.set()
                    continue
                got.append((message["type"], message["data"]))
                if len(got) == count:
                    return got
        raise AssertionError("the listener ended early")

    async def main() -> None:
        async with redis.Redis(host=server.address[0], port=server.port, protocol=protocol) as client:
            events = [asyncio.Event() for _ in range(10)]
            tasks = [asyncio.create_task(listen(client, event, 20)) for event in events]
            for event in events:
                await event.wait()
            pipeline = client.pipeline(transaction=True)
            for number in range(10):
                pipeline.publish("news", number)
            assert await pipeline.execute() == [20] * 10
            expected = [(kind, b"%d" % number) for number in range(10) for kind in ("message", "pmessage")]
            assert await asyncio.gather(*tasks) == [expected] * 10

    asyncio.run(asyncio.wait_for(main(), 30))
