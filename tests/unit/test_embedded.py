"""redis-py's clients on a database in this process: connections, sessions, pipelines, asyncio, and what ends them."""

from __future__ import annotations

import asyncio
import datetime
import gc
import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import redis
import redis.asyncio

import redislite
from redislite import aio
from redislite._core.embedded.native_client import NativeClient
from redislite.embedded.aio_connection import Connection as AioConnection
from redislite.embedded.connection import Connection
from redislite.embedded.database import Database, DatabaseClosed


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as opened:
        yield opened


@pytest.fixture(params=["sessions", "connections"])
def client(database: Database, request: pytest.FixtureRequest) -> Iterator[redislite.Redis]:
    """A client whose commands are executed by sessions, and one whose commands go over redis-py's connections."""
    with redislite.Redis(database=database) as made:
        if request.param == "connections":
            made.use_connections()
        assert made.uses_sessions == (request.param == "sessions")
        yield made


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_replies_are_redis_pys(client: redislite.Redis) -> None:
    assert client.set("k", 1) is True
    assert client.set("k", 2, nx=True) is None
    assert client.get("k") == b"1"
    assert client.hset("h", mapping={"a": 1, "b": "x"}) == 2
    assert client.hgetall("h") == {b"a": b"1", b"b": b"x"}
    assert client.zadd("z", {"m": 1.5}) == 1
    assert client.zrange("z", 0, -1, withscores=True) == [(b"m", 1.5)]
    assert client.sadd("s", "x") == 1 and client.smembers("s") == {b"x"}
    assert client.expire("k", 100) is True and 0 < client.ttl("k") <= 100
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.info("server")["tcp_port"] == 0
    assert client.client_getname() is None
    assert client.eval("return {KEYS[1], ARGV[1]}", 1, "k", "v") == [b"k", b"v"]
    assert client.acl_whoami() == "default"
    assert client.execute_command("CONFIG GET", "maxmemory")
    assert client.execute_command(b"GET", "k") == b"1"
    assert client.execute_command("get", "k") == b"1"
    assert list(client.scan_iter("z*")) == [b"z"]
    assert client.blpop("nothing", 0.01) is None
    assert client.lock("l").acquire()


def test_methods_have_redis_pys_signatures() -> None:
    for name, method in vars(NativeClient).items():
        if name in ("use_methods",) or name.startswith("_"):
            continue
        names = list(inspect.signature(method).parameters)
        originals = list(inspect.signature(getattr(redis.Redis, name)).parameters)
        if names[-2:] == ["args", "options"]:
            names, originals = names[:-2], originals[: len(names) - 2]
        assert names == originals, name


def test_methods_answer_as_redis_pys(client: redislite.Redis) -> None:
    plain = redislite.Redis()
    plain.use_connections()

    class Other(redislite.Redis):
        def execute_command(self, *args: Any, **options: Any) -> Any:
            return super().execute_command(*args, **options)

    clients = [client, plain, Other()]

    def same(name: str, /, *args: Any, **options: Any) -> Any:
        answers = []
        for one in clients:
            try:
                answers.append(getattr(one, name)(*args, **options))
            except Exception as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1] == answers[2], name
        assert type(answers[0]) is type(answers[1])
        return answers[0]

    for number in range(2):
        assert same("set", "k", number) is True
        assert same("get", name="k") == str(number).encode()
        same("incr", "k")
        same("incr", "k", amount=5)
        same("decr", "k", 2)
        same("append", "k", 7)
        same("strlen", "k")
        same("set", "k", 1, ex=100, nx=True)
        same("set", "k", "x", get=True)
        same("mget", "k", "nothing")
        same("mget", ["k", "nothing"], "k")
        same("mget", [])
        same("expire", "k", 100)
        same("expire", "k", datetime.timedelta(seconds=50), gt=True)
        same("ttl", "nothing")
        same("exists", "k", "k", "nothing")
        same("delete", "nothing", "k")
        same("delete")
        same("hset", "h", "f", number)
        same("hset", "h", key="g", value="x")
        same("hset", "h", mapping={"a": 1})
        same("hset", "h", items=["b", 2])
        same("hset", "h")
        same("hget", "h", "f")
        same("hgetall", "h")
        same("hgetall", "nothing")
        same("hexists", "h", "f")
        same("hincrby", "h", "f")
        same("hlen", "h")
        same("hdel", "h", "a", "b")
        same("lpush", "l", 1, 2)
        same("rpush", "l", 3, "x")
        same("lrange", "l", 0, -1)
        same("lpop", "l")
        same("rpop", "l", 2)
        same("lpop", "nothing")
        same("llen", "l")
        same("sadd", "s", "a", "b")
        same("smembers", "s")
        same("sismember", "s", "a")
        same("scard", "s")
        same("srem", "s", "a")
        same("zadd", "z", {"m": 1.5, "n": 2})
        same("zadd", "z", {"m": 3}, xx=True, ch=True)
        same("zadd", "z", {"m": 3}, incr=True)
        same("zadd", "z", {})
        same("zadd", "z", {"m": "nonsense"})
        same("zscore", "z", "m")
        same("zscore", "z", "nothing")
        same("zcard", "z")
        same("zrem", "z", "n")
        same("lpush", "k2", None)
        same("get", "z")
        same("get", ["list"])


def test_errors_are_redis_pys(client: redislite.Redis) -> None:
    client.set("k", "text")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("k")
    with pytest.raises(redis.exceptions.NoScriptError):
        client.evalsha("0" * 40, 0)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOPE", 1)
    for wrong in (None, True, [], object()):
        with pytest.raises(redis.DataError, match="Invalid input of type"):
            client.set("k", wrong)  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        client.set("k", "\udcff")
    assert client.get("k") == b"text"


def test_text_is_decoded_where_wanted(database: Database) -> None:
    plain = redislite.Redis(database=database)
    text = redislite.Redis(database=database, decode_responses=True)
    latin = redislite.Redis(database=database, decode_responses=True, encoding="latin-1")
    text.set("ü", "é")
    assert (text.get("ü"), plain.get("ü")) == ("é", "é".encode())
    assert latin.get("ü") is None
    latin.set("ü", "é")
    assert plain.get(b"\xfc") == b"\xe9" and latin.get("ü") == "é"
    with pytest.raises(UnicodeDecodeError):
        text.get(b"\xfc")
    assert text.get("ü") == "é"
    assert isinstance(text.dump("ü"), bytes)


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_protocols(database: Database, protocol: int) -> None:
    client = redislite.Redis(database=database, protocol=protocol, client_name="me", db=3)
    assert client.execute_command("CLIENT GETNAME") in ("me", b"me")  # as redis-py has it for the protocol
    client.hset("h", "f", "v")
    assert client.hgetall("h") == {b"f": b"v"}
    assert database.execute("INFO", "keyspace").count(b"db3") == 1


def test_pipelines(client: redislite.Redis) -> None:
    for transaction in (True, False):
        with client.pipeline(transaction=transaction) as pipe:
            pipe.set("k", 1).incr("k").hgetall("h").get("k")
            assert pipe.execute() == [True, 2, {}, b"2"]
            assert pipe.execute() == []
            pipe.set("k", 1).lpush("k", 1).get("k")
            with pytest.raises(redis.ResponseError, match=r"Command # 2 \(LPUSH k 1\) of pipeline"):
                pipe.execute()
            pipe.set("k", 5).lpush("k", 1).get("k")
            values = pipe.execute(raise_on_error=False)
            assert values[0] is True and isinstance(values[1], redis.ResponseError) and values[2] == b"5"
            pipe.set("k", 6).set("k", None)  # type: ignore[arg-type]
            with pytest.raises(redis.DataError):
                pipe.execute()
    assert client.get("k") == b"5"
    with client.pipeline() as pipe:
        pipe.set("k", 7).execute_command("NOPE")
        with pytest.raises(redis.ResponseError, match=r"Command # 2 \(NOPE\) of pipeline"):
            pipe.execute()
    assert client.get("k") == b"5"
    with client.pipeline() as pipe:
        pipe.watch("k")
        client.set("k", 8)
        pipe.multi()
        pipe.set("k", 9)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.transaction(lambda pipe: (pipe.multi(), pipe.incr("k")), "k") == [9]
    script = client.register_script("return ARGV[1]")
    with client.pipeline() as pipe:
        script(args=["x"], client=pipe)
        assert pipe.execute() == [b"x"]


def test_subscribers_and_monitors(client: redislite.Redis) -> None:
    subscriber = client.pubsub()
    subscriber.subscribe("c")
    assert subscriber.get_message(timeout=5)["type"] == "subscribe"
    assert client.publish("c", "m") == 1
    assert subscriber.get_message(timeout=5)["data"] == b"m"
    assert subscriber.get_message(timeout=0.01) is None
    heard: list[Any] = []
    listener = client.pubsub()
    listener.subscribe(other=heard.append)
    thread = listener.run_in_thread(sleep_time=0.01)
    until(lambda: client.publish("other", "x"))
    until(lambda: heard)
    thread.stop()
    thread.join(30)
    with client.monitor() as monitor:
        client.set("seen", 1)
        until(lambda: monitor.next_command()["command"] == "SET seen 1")


def test_what_stays_with_a_connection_stays(database: Database) -> None:
    client = redislite.Redis(database=database)
    client.set("k", 0)
    client.select(1)
    assert not client.uses_sessions
    assert client.get("k") is None
    single = redislite.Redis(database=database, single_connection_client=True)
    assert not single.uses_sessions
    assert single.client_id() == single.client_id()


def test_who_stands_in_between_sees_all(database: Database) -> None:
    class Counting(redislite.Redis):
        seen = 0

        def execute_command(self, *args: Any, **options: Any) -> Any:
            self.seen += 1
            return super().execute_command(*args, **options)

    counting = Counting(database=database)
    counting.set("k", 1)
    assert counting.get("k") == b"1" and counting.seen == 2
    with mock.patch.object(counting, "execute_command", return_value="mocked"):
        assert counting.get("k") == "mocked"
    client = redislite.Redis(database=database)
    original = redis.Redis.execute_command
    seen = []

    def patched(self: redis.Redis, *args: Any, **options: Any) -> Any:
        seen.append(args)
        return original(self, *args, **options)

    with mock.patch.object(redis.Redis, "execute_command", patched):
        assert client.get("k") == b"1"
    assert seen == [("GET", "k")]
    with mock.patch.object(client, "execute_command", return_value="mocked"):
        assert client.get("k") == "mocked"
    client.set_response_callback("GET", lambda value: (value,))
    assert client.get("k") == (b"1",)


def test_one_client_for_many_threads(client: redislite.Redis) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(300):
                client.incr("n")
                with client.pipeline() as pipe:
                    pipe.incr("n").rpush("q", 1)
                    pipe.execute()
                client.blpop("q", 1)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert int(client.get("n")) == 8 * 300 * 2
    assert client.llen("q") == 0


def test_killed_clients_come_back(client: redislite.Redis) -> None:
    client.set("k", 1)
    admin = redislite.Redis(database=client.database)
    for other in admin.client_list():
        if int(other["id"]) != admin.client_id():
            admin.client_kill(other["addr"])
    assert client.get("k") == b"1"


def test_a_closed_database_says_so(database: Database) -> None:
    client = redislite.Redis(database=database)
    client.set("k", 1)
    results: list[Any] = []

    def wait() -> None:
        try:
            results.append(client.blpop("q", 0))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: database.engine.blocked_clients)
    database.close()
    database.close()
    thread.join(60)
    assert isinstance(results[0], redis.ConnectionError)
    with pytest.raises(redis.ConnectionError, match="database is closed"):
        client.get("k")
    with pytest.raises(DatabaseClosed):
        database.execute("PING")
    with pytest.raises(DatabaseClosed):
        database.session()


def test_closing_waits_for_other_threads_and_not_for_its_own(database: Database) -> None:
    inside, leave = threading.Event(), threading.Event()
    refused: list[BaseException] = []

    @redislite.command("stay", 1)
    def stay(_caller: object) -> str:
        try:
            database.close()
        except RuntimeError as error:
            refused.append(error)
        inside.set()
        assert leave.wait(30)
        return "left"

    database.engine.extend(stay)
    answers: list[Any] = []
    staying = threading.Thread(target=lambda: answers.append(database.execute("STAY")))
    closing = threading.Thread(target=database.close)
    staying.start()
    assert inside.wait(30)
    closing.start()
    until(lambda: database.engine.entering)
    assert not database.is_closed
    leave.set()
    staying.join(30)
    closing.join(30)
    assert answers == [b"left"] and len(refused) == 1 and database.is_closed


def test_a_database_is_served_while_it_is_used(database: Database, tmp_path: Path) -> None:
    served = database.serve(unixsocket=str(tmp_path / "socket"))
    assert served.address is not None
    with pytest.raises(RuntimeError, match="served already"):
        database.serve()
    here = redislite.Redis(database=database)
    there = redis.Redis(*served.address)
    by_file = redis.Redis(unix_socket_path=str(tmp_path / "socket"))
    here.set("k", 1)
    assert there.incr("k") == 2 and by_file.incr("k") == 3 and here.get("k") == b"3"
    subscriber = there.pubsub()
    subscriber.subscribe("c")
    until(lambda: here.publish("c", "m"))
    until(lambda: (message := subscriber.get_message(timeout=1)) and message["data"] == b"m")
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(there.blpop("q", 0)))
    waiting.start()
    until(lambda: database.engine.blocked_clients)
    here.rpush("q", "x")
    waiting.join(30)
    assert answers == [(b"q", b"x")]
    begun = time.monotonic()
    assert there.blpop("q", 0.05) is None and time.monotonic() - begun < 10
    errors: list[BaseException] = []

    def work(client: redis.Redis) -> None:
        try:
            for _ in range(500):
                client.incr("n")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in (here, there, here, by_file)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors and here.get("n") == b"2000"
    database.close()
    with pytest.raises(redis.ConnectionError):
        there.ping()
    assert not (tmp_path / "socket").exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "redislite"]


def test_shutdown_closes_the_database(database: Database) -> None:
    client = redislite.Redis(database=database)
    client.shutdown(nosave=True)
    assert database.is_closed
    with pytest.raises(redis.ConnectionError):
        client.get("k")


def test_databases_are_apart_and_clients_own_theirs() -> None:
    one, other = redislite.Redis(), redislite.Redis()
    one.set("k", 1)
    assert other.get("k") is None
    own = one.database
    one.close()
    assert own.is_closed
    pool = redis.ConnectionPool(connection_class=Connection, database=other.database)
    assert redis.Redis(connection_pool=pool).set("k", 2)
    assert other.get("k") == b"2"
    shared = redislite.Redis(connection_pool=pool)
    assert shared.uses_sessions and shared.get("k") == b"2"
    del one, own
    gc.collect()


def test_a_python_command_uses_a_client(client: redislite.Redis) -> None:
    @redislite.command("double", 2, "write")
    def double(_caller: object, key: bytes) -> int:
        return int(client.incrby(key, int(client.get(key) or 1)))

    client.database.engine.extend(double)
    client.set("k", 4)
    assert client.execute_command("DOUBLE", "k") == 8
    assert client.execute_command("DOUBLE", "k") == 16


def test_configuration_and_execute() -> None:
    with Database(config={"maxmemory": "1gb", "databases": 3, "lazyfree-lazy-user-del": True}) as opened:
        assert opened.execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"1073741824"}
        assert opened.execute("DEBUG", "SLEEP", 0) == b"OK"
        with pytest.raises(redislite.CommandError, match="out of range"):
            opened.execute("SELECT", 3)
        with pytest.raises(TypeError):
            opened.execute("SET", "k", None)
    with pytest.raises(redislite.config.config.ConfigError):  # type: ignore[attr-defined]
        Database(config={"nonsense": "1"})


@pytest.mark.parametrize("way", ["sessions", "connections"])
def test_asyncio(database: Database, way: str) -> None:
    async def main() -> None:
        client = aio.Redis(database=database)
        if way == "connections":
            client.use_connections()
        assert await client.set("k", 1) is True
        assert await client.get("k") == b"1"
        assert await client.hgetall("h") == {}
        with pytest.raises(redis.ResponseError):
            await client.lpush("k", 1)
        with pytest.raises(redis.DataError):
            await client.set("k", None)  # type: ignore[arg-type]
        for transaction in (True, False):
            async with client.pipeline(transaction=transaction) as pipe:
                assert await pipe.set("k", 1).incr("k").get("k").execute() == [True, 2, b"2"]
                pipe.set("k", 1).lpush("k", 1)
                with pytest.raises(redis.ResponseError, match="Command # 2"):
                    await pipe.execute()
        waiting = asyncio.create_task(client.blpop("q", 0))
        while not database.engine.blocked_clients:
            await asyncio.sleep(0)
        await client.rpush("q", "x")
        assert await asyncio.wait_for(waiting, 30) == (b"q", b"x")
        begun = time.monotonic()
        assert await client.blpop("q", 0.05) is None
        assert 0.04 < time.monotonic() - begun < 10
        async with client.pubsub() as subscriber:
            await subscriber.subscribe("c")
            assert (await subscriber.get_message(timeout=5))["type"] == "subscribe"
            await client.publish("c", "m")
            assert (await subscriber.get_message(timeout=5))["data"] == b"m"
        assert sorted(await asyncio.gather(*(client.incr("n") for _ in range(90)))) == list(range(1, 91))
        await client.aclose()

    asyncio.run(main())
    asyncio.run(main_again(database))


async def main_again(database: Database) -> None:
    """Another loop, the same database."""
    client = aio.Redis(database=database)
    assert await client.get("n") == b"90"
    await client.aclose()


def test_a_client_belongs_to_no_loop(database: Database) -> None:
    client = aio.Redis(database=database)
    for number in range(3):
        assert asyncio.run(client.incr("n")) == number + 1


def test_commands_let_other_tasks_run(database: Database) -> None:
    async def main() -> None:
        client = aio.Redis(database=database)
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, None)
        for _ in range(1000):
            await client.get("k")
            if done.done():
                break
        assert done.done()
        await client.aclose()

    asyncio.run(main())


def test_a_cancelled_wait_is_over(database: Database) -> None:
    async def main() -> None:
        client = aio.Redis(database=database)
        waiting = asyncio.create_task(client.blpop("q", 0))
        while not database.engine.blocked_clients:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert database.engine.blocked_clients == 0
        assert await client.rpush("q", "x") == 1
        assert await client.llen("q") == 1
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("arguments", "give", "kept"),
    [
        (("BLPOP", "q", 0), ("RPUSH", "q", "a", "b"), ("LRANGE", "q", 0, -1)),
        (("BRPOP", "q", 0), ("RPUSH", "q", "a", "b"), ("LRANGE", "q", 0, -1)),
        (("BLMPOP", 0, 1, "q", "LEFT", "COUNT", 2), ("RPUSH", "q", "a", "b", "c"), ("LRANGE", "q", 0, -1)),
        (("BLMPOP", 0, 2, "p", "q", "RIGHT", "COUNT", 2), ("RPUSH", "q", "a", "b", "c"), ("LRANGE", "q", 0, -1)),
        (("BZPOPMIN", "q", 0), ("ZADD", "q", 1.5, "a"), ("ZRANGE", "q", 0, -1, "WITHSCORES")),
        (("BZPOPMAX", "q", 0), ("ZADD", "q", 1.5, "a"), ("ZRANGE", "q", 0, -1, "WITHSCORES")),
        (("BZMPOP", 0, 1, "q", "MIN", "COUNT", 2), ("ZADD", "q", 1, "a", 2, "b"), ("ZRANGE", "q", 0, -1, "WITHSCORES")),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("waits", [True, False])
def test_cancelling_between_pop_and_delivery_loses_nothing(
    database: Database,
    arguments: tuple[Any, ...],
    give: tuple[Any, ...],
    kept: tuple[Any, ...],
    protocol: int,
    waits: bool,
) -> None:
    def popped(giver: redis.Redis) -> bool:
        calls = giver.info("commandstats").get(f"cmdstat_{arguments[0].lower()}")
        return calls is not None and calls["calls"] > 0

    async def main() -> None:
        client = aio.Redis(database=database, protocol=protocol, db=2)
        if not waits:
            client.use_connections()  # a session would have answered by then
        giver = redislite.Redis(database=database, db=2)
        expected = redislite.Redis()
        expected.execute_command(*give)
        if not waits:
            giver.execute_command(*give)
        waiting = asyncio.create_task(client.execute_command(*arguments))
        while not (database.engine.blocked_clients if waits else popped(giver)):
            await asyncio.sleep(0)
        if waits:
            giver.execute_command(*give)
        assert database.engine.blocked_clients == 0  # it has been popped, and nobody knows yet
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert giver.execute_command(*kept) == expected.execute_command(*kept)
        await client.aclose()

    asyncio.run(main())


def test_asyncio_pools_take_the_connection(database: Database) -> None:
    async def main() -> None:
        pool = redis.asyncio.ConnectionPool(connection_class=AioConnection, database=database)
        client = redis.asyncio.Redis(connection_pool=pool)
        assert await client.set("k", "v")
        assert await client.get("k") == b"v"
        await client.aclose()
        await pool.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize("missing", ["redis", "redis.observability.providers"])
def test_redis_py_is_asked_for_only_where_it_is_needed(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import redislite\n"
        "assert redislite.Database().execute('PING') == b'PONG'\n"
        "for get in (lambda: redislite.Redis, lambda: __import__('redislite.aio')):\n"
        "    try:\n        get()\n"
        "    except ImportError as error:\n        assert 'redislite-server[client]' in str(error), error\n"
        "    else:\n        raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
