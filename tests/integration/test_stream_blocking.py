"""XREAD and XREADGROUP with BLOCK over sockets: what wakes them, with what, and what does not."""

from __future__ import annotations

import time

import pytest
from harness import Connection, Failure, ServerProcess, wait_until

WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
NO_GROUP = Failure("NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option")


def blocked(server: ServerProcess, *command: object, protocol: int = 2) -> Connection:
    """A connection that waits with this command, after those that wait already."""
    before = int(server.info("clients")["blocked_clients"])
    connection = server.connect(protocol=protocol)
    connection.send(b"*%d\r\n" % len(command))
    for argument in command:
        text = str(argument).encode()
        connection.send(b"$%d\r\n%s\r\n" % (len(text), text))
    wait_until(lambda: server.info("clients")["blocked_clients"] == str(before + 1), "the client waits")
    return connection


def test_new_entries_wake(server: ServerProcess, client: Connection) -> None:
    client("XADD", "s", "1-1", "old", "x")
    plain = blocked(server, "XREAD", "BLOCK", 0, "STREAMS", "none", "s", "s", "$", "$", "$")
    mapped = blocked(server, "XREAD", "COUNT", 1, "BLOCK", 0, "STREAMS", "s", "$", protocol=3)
    client("XADD", "s", "1-2", "new", "y")
    entry = [b"1-2", [b"new", b"y"]]
    assert plain.read() == [[b"s", [entry]], [b"s", [entry]]]
    assert mapped.read() == {b"s": [entry]}


def test_what_dollar_stood_for_is_kept(server: ServerProcess, client: Connection) -> None:
    """A wake-up that brings nothing must not move the start of what is read."""
    client("XADD", "s", "5-0", "f", "v")
    waiter = blocked(server, "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    client("XSETID", "s", "7-0")
    client("XDEL", "s", "5-0")
    client("XADD", "s", "8-0", "f", "v")
    assert waiter.read() == [[b"s", [[b"8-0", [b"f", b"v"]]]]]


def test_only_what_brings_something_wakes(server: ServerProcess, client: Connection) -> None:
    """A read that waits is not executed again by other changes: it would count misses and make its consumer anew."""
    client("XADD", "s", "1-1", "f", "v")
    client("XGROUP", "CREATE", "s", "g", "$")
    client("XGROUP", "CREATE", "s", "h", "0")
    plain = blocked(server, "XREAD", "BLOCK", 0, "STREAMS", "none", "s", "$", "$")
    group = blocked(server, "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
    misses = server.info("stats")["keyspace_misses"]
    assert client("XGROUP", "DELCONSUMER", "s", "g", "c") == 0
    client("XREADGROUP", "GROUP", "h", "d", "STREAMS", "s", ">")
    client("XACK", "s", "h", "1-1")
    client("XGROUP", "SETID", "s", "g", "0")
    client("XDEL", "s", "1-1")
    client("XTRIM", "s", "MAXLEN", 0)
    client("XSETID", "s", "7-0")
    assert client("XINFO", "CONSUMERS", "s", "g") == []
    assert server.info("stats")["keyspace_misses"] == misses
    client("XADD", "s", "8-0", "f", "v")
    entries = [[b"s", [[b"8-0", [b"f", b"v"]]]]]
    assert plain.read() == entries
    assert group.read() == entries


def test_an_empty_new_stream_wakes(server: ServerProcess, client: Connection) -> None:
    """The read is executed again, and finds what has become of its other keys."""
    waiter = blocked(server, "XREAD", "BLOCK", 0, "STREAMS", "s", "t", "$", "$")
    client("SET", "t", "v")
    assert server.info("clients")["blocked_clients"] == "1"
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    assert waiter.read() == WRONG_TYPE


def test_an_old_entry_does_not_block(client: Connection) -> None:
    client("XADD", "s", "1-1", "f", "v")
    assert client("XREAD", "BLOCK", 0, "STREAMS", "s", "0") == [[b"s", [[b"1-1", [b"f", b"v"]]]]]
    assert client("XREAD", "BLOCK", 0, "STREAMS", "s", "+") == [[b"s", [[b"1-1", [b"f", b"v"]]]]]


@pytest.mark.parametrize("command", [["XREAD"], ["XREADGROUP", "GROUP", "g", "c"]])
def test_timeout(client: Connection, command: list[str]) -> None:
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    client("XADD", "s", "1-1", "f", "v")
    client("XDEL", "s", "1-1")
    started = time.monotonic()
    assert client(*command, "BLOCK", 50, "STREAMS", "s", "0" if len(command) == 1 else ">") is None
    assert time.monotonic() - started >= 0.045
    # History is answered at once, also where there is none.
    assert client("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", "0") == [[b"s", []]]


def test_read_outlives_the_key(server: ServerProcess, client: Connection) -> None:
    client("XADD", "s", "666-0", "f", "v")
    waiter = blocked(server, "XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    client("SET", "s", "text")
    client("DEL", "s")
    assert waiter.is_silent()
    client("XADD", "s", "667-0", "f", "v")
    assert waiter.read() == [[b"s", [[b"667-0", [b"f", b"v"]]]]]


@pytest.mark.parametrize(
    ("writes", "reply"),
    [
        ([["DEL", "s"]], NO_GROUP),
        ([["FLUSHALL"]], NO_GROUP),
        ([["XGROUP", "DESTROY", "s", "g"]], NO_GROUP),
        ([["SET", "s", "text"]], WRONG_TYPE),
        ([["XADD", "other", "1-1", "f", "v"], ["RENAME", "other", "s"]], NO_GROUP),
        (
            [["XGROUP", "CREATE", "o", "g", "0", "MKSTREAM"], ["XADD", "o", "1-1", "f", "v"], ["RENAME", "o", "s"]],
            [[b"s", [[b"1-1", [b"f", b"v"]]]]],
        ),
    ],
    ids=lambda value: value[-1][0] if isinstance(value, list) and isinstance(value[-1][0], str) else "",
)
def test_group_read_ends_with_its_group(
    server: ServerProcess, client: Connection, writes: list[list[object]], reply: object
) -> None:
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    waiter = blocked(server, "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
    for write in writes:
        client(*write)
    assert waiter.read() == reply


def test_keys_waited_for_are_counted(server: ServerProcess, client: Connection) -> None:
    def counted() -> tuple[str, str]:
        fields = dict(line.split(":", 1) for line in client("INFO", "clients").decode().split("\r\n") if ":" in line)
        return fields["total_blocking_keys"], fields["total_blocking_keys_on_nokey"]

    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    assert counted() == ("0", "0")
    readers = [blocked(server, "XREAD", "BLOCK", 0, "STREAMS", "s", "t", "$", "$") for _ in range(2)]
    assert counted() == ("2", "0")
    readers.append(blocked(server, "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">"))
    assert counted() == ("2", "1")
    client("XADD", "s", "1-1", "f", "v")
    for reader in readers:
        reader.read()
    assert counted() == ("0", "0")


def test_first_come_first_served(server: ServerProcess, client: Connection) -> None:
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    waiters = [
        blocked(server, "XREADGROUP", "GROUP", "g", name, "BLOCK", 0, "STREAMS", "s", ">") for name in ("a", "b", "c")
    ]
    for number, waiter in enumerate(waiters, 1):
        client("XADD", "s", f"{number}-0", "f", "v")
        assert waiter.read() == [[b"s", [[b"%d-0" % number, [b"f", b"v"]]]]]
        assert all(later.is_silent() for later in waiters[number:])
    assert [row[0] for row in client("XPENDING", "s", "g")[3]] == [b"a", b"b", b"c"]
