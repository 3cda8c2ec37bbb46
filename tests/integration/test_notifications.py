"""Keyspace events: which command tells what, to whom, and when."""

from __future__ import annotations

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess
from notification_forms import FORMS, VALKEY_STORY, Listener, words_of


@pytest.mark.parametrize("story", FORMS, ids=lambda story: story[0][0])
def test_events_of_commands(server: ServerProcess, story: list[tuple[str, list[str]]]) -> None:
    check_story(server, story)


def check_story(server: ServerProcess, story: list[tuple[str, list[str]]]) -> None:
    client = server.connect()
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    listener = Listener(server)
    told = []
    try:
        for command, _ in story:
            client(*words_of(command))
            client.send(listener.mark)
            client.read()
            told.append((command, listener.events()))
    finally:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert told == story


def test_what_valkey_calls_expired(start_server: ServerPool) -> None:
    check_story(start_server(compatibility="valkey"), VALKEY_STORY)


def test_active_expiry_tells(server: ServerProcess, client: Connection) -> None:
    listener = server.connect()
    server.config("notify-keyspace-events", "Exhg")
    listener("PSUBSCRIBE", "__key*")
    client("HSET", "hash", "a", 1)
    listener.read()
    client("SET", "key", "v", "PX", 1)
    listener.read()
    assert listener.read() == [b"pmessage", b"__key*", b"__keyevent@0__:expired", b"key"]
    client("HPEXPIRE", "hash", 1, "FIELDS", 1, "a")
    names = [listener.read()[2].removeprefix(b"__keyevent@0__:") for _ in range(3)]
    assert names == [b"hexpire", b"hexpired", b"del"]


def test_classes(server: ServerProcess, client: Connection) -> None:
    listener = server.connect()
    listener("PSUBSCRIBE", "*")

    def heard() -> list[bytes]:
        client("SET", "key", 1, "EX", 100)
        client("LPUSH", "list", 1)
        client("GET", "nothing")
        client("PUBLISH", "end", "")
        found = []
        while (message := listener.read())[2] != b"end":
            found.append(message[2].replace(b"__", b"") + b" " + message[3])
        client("DEL", "key", "list")
        client("PUBLISH", "end", "")
        while listener.read()[2] != b"end":
            pass
        return found

    assert heard() == []
    for classes, expected in (
        ("K$", [b"keyspace@0:key set"]),
        ("El", [b"keyevent@0:lpush list"]),
        ("KEg", [b"keyspace@0:key expire", b"keyevent@0:expire key"]),
        ("A", []),
        ("g$lsz", []),
        ("Em", [b"keyevent@0:keymiss nothing"]),
        ("En", [b"keyevent@0:new key", b"keyevent@0:new list"]),
        ("EA", [b"keyevent@0:set key", b"keyevent@0:expire key", b"keyevent@0:lpush list"]),
        ("", []),
    ):
        server.config("notify-keyspace-events", classes)
        assert heard() == expected, classes


@pytest.mark.parametrize(
    ("given", "shown"),
    [("gKE", "gKE"), ("$lshzxeKE", "$lshzxeKE"), ("KA", "AK"), ("EA", "AE"), ("KEAmn", "AKEm"), ("", "")],
)
def test_configuration(server: ServerProcess, client: Connection, given: str, shown: str) -> None:
    server.config("notify-keyspace-events", given)
    assert client("CONFIG", "GET", "notify-keyspace-events") == [b"notify-keyspace-events", shown.encode()]


def test_bad_classes_change_nothing(server: ServerProcess, client: Connection) -> None:
    server.config("notify-keyspace-events", "KEA")
    reply = client("CONFIG", "SET", "notify-keyspace-events", "KEA?")
    assert isinstance(reply, Failure) and "Invalid event class character" in reply
    assert client("CONFIG", "GET", "notify-keyspace-events")[1] == b"AKE"


def test_own_events_come_behind_the_reply(server: ServerProcess, client3: Connection) -> None:
    server.config("notify-keyspace-events", "KA")
    client3("PSUBSCRIBE", "*")
    assert client3("SET", "key", 1) == OK
    assert client3.read() == [b"pmessage", b"*", b"__keyspace@0__:key", b"set"]
    client3("MULTI")
    client3("INCR", "key")
    client3("DEL", "key")
    assert client3("EXEC") == [2, 1]
    assert [client3.read()[3] for _ in range(2)] == [b"incrby", b"del"]


def test_long_keys_and_other_databases(server: ServerProcess, client: Connection) -> None:
    server.config("notify-keyspace-events", "KEA")
    listener = server.connect()
    listener("PSUBSCRIBE", "__key*")
    client("SELECT", 9)
    key = b"long \x00\r\n" * 1000
    client("SET", key, 1)
    assert listener.read() == [b"pmessage", b"__key*", b"__keyspace@9__:" + key, b"set"]
    assert listener.read() == [b"pmessage", b"__key*", b"__keyevent@9__:set", key]
    client("FLUSHDB")
    assert listener.is_silent()


def test_loading_tells_nothing(server: ServerProcess, client: Connection) -> None:
    server.config("notify-keyspace-events", "KEAmn")
    client("RPUSH", "list", 1)
    listener = server.connect()
    listener("PSUBSCRIBE", "*")
    assert client("DEBUG", "RELOAD") == OK
    client("RPUSH", "list", 2)
    assert listener.read() == [b"pmessage", b"*", b"__keyspace@0__:list", b"rpush"]
