"""Blocking commands on sorted sets over sockets: who is served, when, and with what."""

from __future__ import annotations

import pytest
from harness import Connection, ServerProcess, wait_until


def blocked(server: ServerProcess, *command: object, protocol: int = 2) -> Connection:
    """A connection that waits with this command, after those that wait already."""
    before = int(server.info("clients")["blocked_clients"])
    connection = server.connect(protocol=protocol)
    connection.send(b"*%d\r\n" % len(command))
    for argument in command:
        text = str(argument).encode()
        connection.send(b"$%d\r\n%s\r\n" % (len(text), text))
    wait_until(lambda: server.info("clients")["blocked_clients"] == str(before + 1), "one more client waits")
    return connection


@pytest.mark.parametrize(
    ("command", "reply", "left"),
    [
        (["BZPOPMIN", "z", 0], [b"z", b"a", b"1"], [b"b", b"c"]),
        (["BZPOPMAX", "other", "z", "z", 0], [b"z", b"c", b"3"], [b"a", b"b"]),
        (["BZMPOP", 0, 2, "other", "z", "MAX", "COUNT", 2], [b"z", [[b"c", b"3"], [b"b", b"2"]]], [b"a"]),
        (["BZMPOP", 0, 1, "z", "MIN", "COUNT", 9], [b"z", [[b"a", b"1"], [b"b", b"2"], [b"c", b"3"]]], []),
    ],
)
def test_added_members_serve_who_waits(
    server: ServerProcess, client: Connection, command: list[object], reply: object, left: list[bytes]
) -> None:
    waiter = blocked(server, *command)
    assert client("ZADD", "z", 1, "a", 2, "b", 3, "c") == 3
    assert waiter.read() == reply
    assert client("ZRANGE", "z", 0, -1) == left


@pytest.mark.parametrize(
    "write",
    [
        ["ZINCRBY", "z", 1, "a"], ["ZUNIONSTORE", "z", 1, "from"], ["ZRANGESTORE", "z", "from", 0, -1],
        ["RENAME", "from", "z"], ["COPY", "from", "z"],
        ["GEOSEARCHSTORE", "z", "places", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "km", "STOREDIST"],
    ],
    ids=lambda write: write[0],
)  # fmt: skip
def test_every_kind_of_write_wakes(server: ServerProcess, client: Connection, write: list[object]) -> None:
    client("ZADD", "from", 1, "a")
    client("GEOADD", "places", 1, 1, "a")
    waiter = blocked(server, "BZPOPMIN", "z", 0)
    client(*write)
    assert waiter.read()[:2] == [b"z", b"a"]


def test_first_come_first_served(server: ServerProcess, client: Connection) -> None:
    waiters = [blocked(server, "BZPOPMIN", "z", 0) for _ in range(3)]
    client("SET", "z", "no sorted set")
    client("DEL", "z")
    client("ZADD", "z", 1, "a", 2, "b")
    assert waiters[0].read() == [b"z", b"a", b"1"]
    assert waiters[1].read() == [b"z", b"b", b"2"]
    assert waiters[2].is_silent()
    client("ZADD", "z", 3, "c")
    assert waiters[2].read() == [b"z", b"c", b"3"]


def test_time_out(server: ServerProcess) -> None:
    assert blocked(server, "BZPOPMIN", "z", 0.05).read() is None
    assert blocked(server, "BZMPOP", 0.05, 1, "z", "MIN").read() is None
