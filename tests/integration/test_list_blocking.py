"""Blocking list commands over sockets: who is served, when, with what, and what is left behind."""

from __future__ import annotations

import pytest
from harness import Connection, Failure, ServerProcess, wait_until

WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")


def waiting(server: ServerProcess, count: int) -> None:
    wait_until(lambda: server.info("clients")["blocked_clients"] == str(count), f"{count} clients wait")


def blocked(server: ServerProcess, *command: object, protocol: int = 2) -> Connection:
    """A connection that waits with this command, after those that wait already."""
    before = int(server.info("clients")["blocked_clients"])
    connection = server.connect(protocol=protocol)
    connection.send(b"*%d\r\n" % len(command))
    for argument in command:
        text = str(argument).encode()
        connection.send(b"$%d\r\n%s\r\n" % (len(text), text))
    waiting(server, before + 1)
    return connection


@pytest.mark.parametrize(
    ("command", "push", "reply", "left"),
    [
        (["BLPOP", "l", 0], ["RPUSH", "l", "a", "b"], [b"l", b"a"], [b"b"]),
        (["BRPOP", "other", "l", 0], ["RPUSH", "l", "a", "b"], [b"l", b"b"], [b"a"]),
        (["BLPOP", "l", "l", "l", 0], ["LPUSH", "l", "a", "b"], [b"l", b"b"], [b"a"]),
        (["BLMPOP", 0, 2, "other", "l", "RIGHT"], ["RPUSH", "l", "a", "b"], [b"l", [b"b"]], [b"a"]),
        (["BLMPOP", 0, 1, "l", "LEFT", "COUNT", 9], ["RPUSH", "l", "a", "b"], [b"l", [b"a", b"b"]], []),
        (["BLMOVE", "l", "m", "LEFT", "RIGHT", 0], ["RPUSH", "l", "a", "b"], b"a", [b"b"]),
        (["BRPOPLPUSH", "l", "l", 0], ["RPUSH", "l", "a", "b"], b"b", [b"b", b"a"]),
        (["BLPOP", "l", 0], ["LINSERT", "l", "BEFORE", "a", "b"], None, []),
    ],
)
def test_a_push_serves_who_waits(
    server: ServerProcess,
    client: Connection,
    command: list[object],
    push: list[object],
    reply: object,
    left: list[bytes],
) -> None:
    waiter = blocked(server, *command)
    client(*push)
    if reply is None:
        assert waiter.is_silent()
        return
    assert waiter.read() == reply
    assert client("LRANGE", "l", 0, -1) == left
    waiting(server, 0)


@pytest.mark.parametrize(
    "writes",
    [
        [["LPUSH", "from", "a"], ["RENAME", "from", "l"]],
        [["LPUSH", "from", "a"], ["COPY", "from", "l"]],
        [["LPUSH", "from", "a"], ["LMOVE", "from", "l", "LEFT", "LEFT"]],
        [["LPUSH", "from", "a"], ["RPOPLPUSH", "from", "l"]],
        [["SELECT", 3], ["LPUSH", "l", "a"], ["MOVE", "l", 0]],
        [["SELECT", 3], ["LPUSH", "l", "a"], ["SWAPDB", 0, 3]],
    ],
    ids=lambda writes: writes[-1][0],
)
def test_every_kind_of_write_wakes(server: ServerProcess, client: Connection, writes: list[list[object]]) -> None:
    waiter = blocked(server, "BLPOP", "l", 0)
    for write in writes:
        client(*write)
    assert waiter.read() == [b"l", b"a"]


def test_first_come_first_served(server: ServerProcess, client: Connection) -> None:
    waiters = [blocked(server, "BLPOP", "l", 0) for _ in range(4)]
    assert client("RPUSH", "l", "a", "b", "c") == 3
    assert [waiter.read() for waiter in waiters[:3]] == [[b"l", b"a"], [b"l", b"b"], [b"l", b"c"]]
    assert waiters[3].is_silent()
    waiting(server, 1)
    client("RPUSH", "l", "d")
    assert waiters[3].read() == [b"l", b"d"]


def test_a_pipeline_does_not_overtake(server: ServerProcess, client: Connection) -> None:
    waiter = blocked(server, "BLPOP", "l", 0)
    client.send(b"LPUSH l 1\r\nBLPOP l 0\r\nPING\r\n")
    assert waiter.read() == [b"l", b"1"]
    assert client.read() == 1
    waiting(server, 1)
    server.connect()("LPUSH", "l", "2")
    assert client.read() == [b"l", b"2"]
    assert client.read() == "PONG"


def test_moves_wake_each_other(server: ServerProcess, client: Connection) -> None:
    first = blocked(server, "BLMOVE", "one", "two", "RIGHT", "LEFT", 0)
    second = blocked(server, "BLMOVE", "two", "three", "LEFT", "RIGHT", 0)
    third = blocked(server, "BLPOP", "three", 0)
    client("RPUSH", "one", "a")
    assert (first.read(), second.read(), third.read()) == (b"a", b"a", [b"three", b"a"])
    assert client("EXISTS", "one", "two", "three") == 0


def test_moves_in_a_circle_end(server: ServerProcess, client: Connection) -> None:
    first = blocked(server, "BRPOPLPUSH", "one", "two", 0)
    second = blocked(server, "BRPOPLPUSH", "two", "one", 0)
    client("RPUSH", "one", "a")
    assert (first.read(), second.read()) == (b"a", b"a")
    assert client("LRANGE", "one", 0, -1) == [b"a"]
    assert client("EXISTS", "two") == 0


def test_a_wrong_target_is_told_when_there_is_something_to_move(server: ServerProcess, client: Connection) -> None:
    client("SET", "text", "x")
    first = blocked(server, "BRPOPLPUSH", "l", "text", 0)
    second = blocked(server, "BRPOPLPUSH", "l", "m", 0)
    client("RPUSH", "l", "a")
    assert first.read() == WRONG_TYPE
    assert second.read() == b"a"
    assert client("LRANGE", "m", 0, -1) == [b"a"]


def test_another_type_does_not_wake(server: ServerProcess, client: Connection) -> None:
    waiter = blocked(server, "BLPOP", "l", 0)
    client("SET", "l", "text")
    assert waiter.is_silent()
    waiting(server, 1)
    client("DEL", "l")
    client("RPUSH", "l", "a")
    assert waiter.read() == [b"l", b"a"]


@pytest.mark.parametrize("protocol", [2, 3])
def test_timeouts(server: ServerProcess, protocol: int) -> None:
    client = server.connect(protocol=protocol)
    nothing = b"*-1\r\n" if protocol == 2 else b"_\r\n"
    for command in (
        b"BLPOP none 0.01",
        b"BRPOP none other 0.001",
        b"BLMOVE none other LEFT LEFT 0.01",
        b"BRPOPLPUSH none other 0.01",
        b"BLMPOP 0.01 1 none LEFT COUNT 2",
    ):
        client.send(command + b"\r\n")
        assert client.read_raw() == nothing, command
    waiting(server, 0)


@pytest.mark.parametrize(
    ("how", "reply"),
    [("TIMEOUT", None), ("ERROR", Failure("UNBLOCKED client unblocked via CLIENT UNBLOCK"))],
)
def test_client_unblock(server: ServerProcess, client: Connection, how: str, reply: object) -> None:
    waiter = blocked(server, "BLMPOP", 0, 1, "l", "LEFT")
    found = server.client_with(cmd="blmpop")
    assert found is not None
    assert client("CLIENT", "UNBLOCK", found["id"], how) == 1
    assert waiter.read() == reply
    waiting(server, 0)
    assert client("RPUSH", "l", "a") == 1
    assert waiter("LPOP", "l") == b"a"


def test_who_leaves_takes_nothing_along(server: ServerProcess, client: Connection) -> None:
    first = blocked(server, "BLPOP", "l", 0)
    second = blocked(server, "BLPOP", "l", 0)
    first.abort()
    waiting(server, 1)
    client("RPUSH", "l", "a", "b")
    assert second.read() == [b"l", b"a"]
    assert client("LRANGE", "l", 0, -1) == [b"b"]


def test_statistics_count_a_command_once(server: ServerProcess, client: Connection) -> None:
    client("CONFIG", "RESETSTAT")
    waiter = blocked(server, "BLPOP", "l", 0)
    client("LPUSH", "l", "a")
    assert waiter.read() == [b"l", b"a"]
    assert server.info("commandstats")["cmdstat_blpop"].startswith("calls=1,")
    assert server.info("commandstats")["cmdstat_blpop"].endswith("rejected_calls=0,failed_calls=0")
