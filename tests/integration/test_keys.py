"""The commands of the generic group that need no other type than strings, expiry, and the 16 databases."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from harness import (
    NO_KEY,
    NOT_INTEGER,
    OK,
    SYNTAX,
    Connection,
    Failure,
    ServerProcess,
    Status,
    scan_all,
    wait_until,
    wrong_arity,
)

MAXIMUM = 2**63 - 1
MINIMUM = -(2**63)
SAME_OBJECTS = Failure("ERR source and destination objects are the same")
DB_OUT_OF_RANGE = Failure("ERR DB index is out of range")
INT_RANGE = Failure("ERR value is out of range, value must between -2147483648 and 2147483647")
NX_WITH_OTHERS = Failure("ERR NX and XX, GT or LT options at the same time are not compatible")
GT_WITH_LT = Failure("ERR GT and LT options at the same time are not compatible")


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_del_and_unlink(client: Connection, command: str) -> None:
    client("MSET", "a", "1", "b", "2", "c", "x" * 100_000)
    assert client(command, "a", "missing", "a", "c") == 2
    assert client("DBSIZE") == 1
    assert client(command, "missing") == 0
    assert client(command) == wrong_arity(command.lower())


def test_exists_and_touch(client: Connection) -> None:
    client("MSET", "a", "1", "b", "2")
    for command in ("EXISTS", "TOUCH"):
        assert client(command, "a", "b", "a", "missing") == 3
        assert client(command, "missing") == 0
        assert client(command) == wrong_arity(command.lower())


def test_type(client: Connection) -> None:
    assert client("TYPE", "missing") == Status("none")
    client("SET", "k", "v")
    assert client("TYPE", "k") == Status("string")
    assert client("TYPE", "k", "x") == wrong_arity("type")


# Expiry


EXPIRES = [("EXPIRE", 1000, False), ("PEXPIRE", 1, False), ("EXPIREAT", 1000, True), ("PEXPIREAT", 1, True)]


def expire(client: Connection, command: str, milliseconds: int, *options: str) -> Any:
    """Sets the time to live, whichever of the four commands it is."""
    _, unit, absolute = next(row for row in EXPIRES if row[0] == command)
    amount = milliseconds + (int(time.time() * 1000) if absolute else 0)
    return client(command, "k", amount // unit, *options)


@pytest.mark.parametrize("command", [row[0] for row in EXPIRES])
def test_expire_family(client: Connection, command: str) -> None:
    assert expire(client, command, 100_000) == 0
    client("SET", "k", "v")
    assert client("TTL", "k") == -1 and client("PTTL", "k") == -1
    assert client("EXPIRETIME", "k") == -1 and client("PEXPIRETIME", "k") == -1
    assert expire(client, command, 100_000) == 1
    assert 95_000 <= client("PTTL", "k") <= 100_000
    assert 95 <= client("TTL", "k") <= 100
    assert abs(client("EXPIRETIME", "k") - now() - 100) <= 5
    assert abs(client("PEXPIRETIME", "k") - now() * 1000 - 100_000) <= 5000
    assert client("PERSIST", "k") == 1
    assert client("PERSIST", "k") == 0
    assert client("TTL", "k") == -1
    assert expire(client, command, -1000) == 1
    assert client("EXISTS", "k") == 0
    assert client("TTL", "k") == -2 and client("PEXPIRETIME", "k") == -2 and client("PERSIST", "k") == 0


def test_the_clock_is_never_behind_the_clients(client: Connection) -> None:
    """A client that knows a millisecond to have begun gets no answer that was reckoned in an earlier one."""
    for _ in range(3000):
        now_ms = time.time_ns() // 1_000_000
        client("SET", "k", "v", "PXAT", now_ms + 100_000)
        assert client("PTTL", "k") <= 100_000


@pytest.mark.parametrize("command", [row[0] for row in EXPIRES])
def test_expire_conditions(client: Connection, command: str) -> None:
    client("SET", "k", "v")
    assert expire(client, command, 100_000, "XX") == 0
    assert expire(client, command, 100_000, "GT") == 0  # no expiry counts as infinite
    assert client("TTL", "k") == -1
    assert expire(client, command, 100_000, "nx") == 1
    assert expire(client, command, 200_000, "NX") == 0
    assert 95 <= client("TTL", "k") <= 100
    assert expire(client, command, 50_000, "GT") == 0
    assert expire(client, command, 200_000, "GT") == 1
    assert 195 <= client("TTL", "k") <= 200
    assert expire(client, command, 300_000, "LT") == 0
    assert expire(client, command, 100_000, "LT", "XX") == 1
    assert 95 <= client("TTL", "k") <= 100
    assert expire(client, command, 150_000, "XX", "GT") == 1
    client("PERSIST", "k")
    assert expire(client, command, 100_000, "XX", "LT") == 0
    assert expire(client, command, 100_000, "LT") == 1
    assert expire(client, command, -5000, "LT") == 1
    assert client("EXISTS", "k") == 0


@pytest.mark.parametrize("command", [row[0] for row in EXPIRES])
def test_expire_errors(client: Connection, command: str) -> None:
    client("SET", "k", "v")
    assert client(command, "k", "100", "NOSUCH") == Failure("ERR Unsupported option NOSUCH")
    assert client(command, "k", "100", "") == Failure("ERR Unsupported option ")
    for options in (("NX", "XX"), ("NX", "GT"), ("LT", "NX")):
        assert client(command, "k", "100", *options) == NX_WITH_OTHERS
    assert client(command, "k", "100", "GT", "LT") == GT_WITH_LT
    for text in ("", "x", "1.5", " 1", MAXIMUM + 1, MINIMUM - 1):
        assert client(command, "k", text) == NOT_INTEGER
    invalid = Failure(f"ERR invalid expire time in '{command.lower()}' command")
    if command.startswith("EXPIRE"):
        for amount in (MAXIMUM, MAXIMUM // 1000 + 1, MINIMUM, MINIMUM // 1000 - 1):
            assert client(command, "k", amount) == invalid
    if command == "PEXPIRE":
        assert client(command, "k", MAXIMUM) == invalid
    assert client(command, "k") == wrong_arity(command.lower())
    assert client("TTL", "k") == -1


def test_far_expiry(client: Connection) -> None:
    client("SET", "k", "v")
    assert client("PEXPIREAT", "k", MAXIMUM) == 1
    assert client("PEXPIRETIME", "k") == MAXIMUM
    assert client("EXISTS", "k") == 1
    assert client("EXPIRE", "k", 9_000_000_000_000) == 1
    assert client("TTL", "k") > 8_999_999_999_000


def test_ttl_rounds(client: Connection) -> None:
    client("SET", "k", "v", "PX", 1500)
    assert client("TTL", "k") in (1, 2)
    client("PEXPIRE", "k", 400)
    assert client("TTL", "k") in (0, -2)


def test_lazy_expiry(server: ServerProcess, client: Connection) -> None:
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        client("MSET", "a", "1", "b", "2", "c", "3")
        for key in "ab":
            client("PEXPIRE", key, 1)
        wait_until(lambda: client("PTTL", "a") == -2 and client("PTTL", "b") == -2, "expired")
        assert client("EXISTS", "a", "b", "c") == 1
        assert client("GET", "a") is None
        assert client("KEYS", "*") == [b"c"]
        assert client("RANDOMKEY") == b"c"
        assert client("DEL", "a", "b") == 0
        assert client("TYPE", "b") == "none"
        assert client("RENAME", "b", "x") == NO_KEY
        assert list(scan_all(client)) == [b"c"]
        assert int(server.info("stats")["expired_keys"]) >= 2
    finally:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_active_expiry(server: ServerProcess, client: Connection) -> None:
    before = int(server.info("stats")["expired_keys"])
    client.pipeline(*[("SET", f"k{index}", "v", "PX", random.randint(1, 50)) for index in range(2000)])
    client("SET", "stays", "v")
    # DBSIZE touches no key, so only the background cycle can bring it down.
    wait_until(lambda: client("DBSIZE") == 1, "the cycle removed what expired")
    assert int(server.info("stats")["expired_keys"]) - before == 2000
    assert "avg_ttl" not in server.info("keyspace").get("db0", "avg_ttl=0").replace("avg_ttl=", "")


def test_expiry_in_every_database(server: ServerProcess, client: Connection) -> None:
    for database in range(16):
        client("SELECT", database)
        client("SET", "k", "v", "PX", 20)
    wait_until(lambda: not any(name.startswith("db") for name in server.info("keyspace")), "all expired")


# RENAME, COPY, MOVE


def test_rename(client: Connection) -> None:
    client("SET", "a", "1", "EX", 100)
    client("SET", "b", "2")
    assert client("RENAME", "a", "b") == OK
    assert client("GET", "b") == b"1" and client("TTL", "b") > 90
    assert client("RENAME", "b", "b") == OK
    assert client("RENAME", "missing", "b") == NO_KEY
    assert client("RENAME", "missing", "missing") == NO_KEY
    client("SET", "c", "3")
    assert client("RENAME", "c", "b") == OK
    assert client("TTL", "b") == -1
    assert client("DBSIZE") == 1


def test_renamenx(client: Connection) -> None:
    client("MSET", "a", "1", "b", "2")
    assert client("RENAMENX", "a", "b") == 0
    assert client("RENAMENX", "a", "c") == 1
    assert client("RENAMENX", "c", "c") == 0
    assert client("RENAMENX", "missing", "x") == NO_KEY
    assert client("MGET", "a", "b", "c") == [None, b"2", b"1"]


def test_copy(client: Connection) -> None:
    client("SET", "a", "1", "EX", 100)
    assert client("COPY", "a", "b") == 1
    assert client("GET", "b") == b"1" and client("TTL", "b") > 90
    client("APPEND", "b", "2")
    assert client("MGET", "a", "b") == [b"1", b"12"]
    assert client("COPY", "a", "b") == 0
    assert client("COPY", "a", "b", "REPLACE") == 1
    assert client("GET", "b") == b"1"
    assert client("COPY", "missing", "x") == 0
    assert client("COPY", "missing", "b", "REPLACE") == 0
    assert client("EXISTS", "b") == 1
    assert client("COPY", "a", "a") == SAME_OBJECTS
    assert client("COPY", "a", "a", "DB", 0) == SAME_OBJECTS
    assert client("COPY", "a", "a", "DB", 9) == 1
    assert client("COPY", "a", "z", "DB", 9, "REPLACE") == 1
    for database in (16, -1, MAXIMUM):
        assert client("COPY", "a", "b", "DB", database) in (DB_OUT_OF_RANGE, INT_RANGE)
    assert client("COPY", "a", "b", "DB", "x") == NOT_INTEGER
    for options in (("NOSUCH",), ("DB",), ("REPLACE", "NOSUCH")):
        assert client("COPY", "a", "b", *options) == SYNTAX
    client("SELECT", 9)
    assert client("MGET", "a", "z") == [b"1", b"1"]
    assert client("TTL", "z") > 90


def test_copy_of_every_string_encoding(client: Connection) -> None:
    for value in (b"12", b"short", b"x" * 1000, b""):
        client("SET", "a", value)
        assert client("COPY", "a", "b", "REPLACE") == 1
        assert client("GET", "b") == value
        assert client("OBJECT", "ENCODING", "b") == client("OBJECT", "ENCODING", "a")
        client("DEL", "a")
        assert client("GET", "b") == value


def test_move(client: Connection) -> None:
    client("SET", "a", "1", "EX", 100)
    assert client("MOVE", "a", 0) == SAME_OBJECTS
    assert client("MOVE", "a", 9) == 1
    assert client("EXISTS", "a") == 0
    assert client("MOVE", "a", 9) == 0
    client("SET", "a", "2")
    assert client("MOVE", "a", 9) == 0
    assert client("GET", "a") == b"2"
    for database in (16, -1):
        assert client("MOVE", "a", database) == DB_OUT_OF_RANGE
    assert client("MOVE", "a", "x") == NOT_INTEGER
    client("SELECT", 9)
    assert client("GET", "a") == b"1" and client("TTL", "a") > 90


# KEYS, RANDOMKEY, SCAN

PATTERNS = [
    ("*", {"", "a", "ab", "abc", "b", "h[llo", "h\\llo", "hallo", "hbllo", "hello", "h*llo", "h?llo", "key:1", "x]"}),
    ("a*", {"a", "ab", "abc"}),
    ("*b*", {"ab", "abc", "b", "hbllo"}),
    ("h?llo", {"h[llo", "h\\llo", "hallo", "hbllo", "hello", "h*llo", "h?llo"}),
    ("h[ae]llo", {"hallo", "hello"}),
    ("h[^e]llo", {"h[llo", "h\\llo", "hallo", "hbllo", "h*llo", "h?llo"}),
    ("h[a-c]llo", {"hallo", "hbllo"}),
    ("h[c-a]llo", {"hallo", "hbllo"}),
    ("h\\*llo", {"h*llo"}),
    ("h\\?llo", {"h?llo"}),
    ("h[\\[]llo", {"h[llo"}),
    ("h\\\\llo", {"h\\llo"}),
    ("h[*]llo", {"h*llo"}),
    ("**", {"a", "ab", "abc", "b", "h[llo", "h\\llo", "hallo", "hbllo", "hello", "h*llo", "h?llo", "key:1", "x]"}),
    ("", {""}),
    ("???", {"abc"}),
    ("[", set()),
    ("[a", {"a"}),
    ("[^", {"a", "b"}),
    ("a\\", set()),
    ("x]", {"x]"}),
    ("key:[0-9]", {"key:1"}),
    ("KEY*", set()),
]


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS, ids=[repr(row[0]) for row in PATTERNS])
def test_patterns(client: Connection, pattern: str, expected: set[str]) -> None:
    for key in PATTERNS[0][1]:
        client("SET", key, "v")
    found = {key.decode() for key in client("KEYS", pattern)}
    assert found == expected
    assert {key.decode() for key in scan_all(client, "MATCH", pattern, "COUNT", 3)} == expected


def test_patterns_that_could_explode(client: Connection) -> None:
    client("SET", "a" * 200, "v")
    start = time.monotonic()
    assert client("KEYS", "a*" * 40 + "b") == []
    assert time.monotonic() - start < 5


def test_randomkey(client: Connection) -> None:
    assert client("RANDOMKEY") is None
    names = {f"k{index}".encode() for index in range(10)}
    for name in names:
        client("SET", name, "v")
    seen = {client("RANDOMKEY") for _ in range(500)}
    assert seen == names


def test_randomkey_when_everything_expires(client: Connection) -> None:
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        client.pipeline(*[("SET", f"k{index}", "v", "PX", 1) for index in range(50)])
        wait_until(lambda: client("PTTL", "k49") == -2, "expired")
        assert client("RANDOMKEY") is None
    finally:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_scan(client: Connection) -> None:
    names = {f"key:{index}".encode() for index in range(1000)}
    client.pipeline(*[("SET", name, "v") for name in names])
    for options in ((), ("COUNT", 1), ("COUNT", 100_000), ("COUNT", 7, "MATCH", "*"), ("TYPE", "string")):
        assert set(scan_all(client, *options)) == names
    assert set(scan_all(client, "TYPE", "STRING")) == names
    assert list(scan_all(client, "MATCH", "none*")) == []
    assert set(scan_all(client, "MATCH", "key:99?", "COUNT", 50)) == {f"key:99{digit}".encode() for digit in range(10)}
    cursor, keys = client("SCAN", 0, "COUNT", 1_000_000)
    assert cursor == b"0" and len(keys) == 1000


def test_scan_errors(client: Connection) -> None:
    invalid = Failure("ERR invalid cursor")
    for cursor in ("x", "-1x", "1.5", "18446744073709551616"):
        assert client("SCAN", cursor) in (invalid, NOT_INTEGER), cursor
    for options in (("NOSUCH",), ("MATCH",), ("COUNT",), ("COUNT", "0"), ("COUNT", "-1"), ("COUNT", "1", "x")):
        assert client("SCAN", 0, *options) == SYNTAX
    assert client("SCAN", 0, "COUNT", "x") == NOT_INTEGER
    assert client("SCAN") == wrong_arity("scan")
    assert client("SCAN", "18446744073709551615") == [b"0", []]
    assert client("SCAN", "12345678") == [b"0", []]


def test_scan_leaves_out_the_expired(client: Connection) -> None:
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        client.pipeline(*[("SET", f"k{index}", "v") for index in range(100)])
        client.pipeline(*[("PEXPIRE", f"k{index}", 1) for index in range(50)])
        wait_until(lambda: client("PTTL", "k49") == -2, "expired")
        assert len(set(scan_all(client))) == 50
        assert client("DBSIZE") == 50
    finally:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)


# OBJECT


def test_object(client: Connection) -> None:
    client("SET", "k", "v")
    assert client("OBJECT", "REFCOUNT", "k") == 1
    assert client("OBJECT", "IDLETIME", "k") == 0
    assert client("OBJECT", "ENCODING", "k") == b"embstr"
    for subcommand in ("REFCOUNT", "IDLETIME", "ENCODING"):
        assert client("OBJECT", subcommand, "missing") is None
        assert client("OBJECT", subcommand) == wrong_arity(f"object|{subcommand.lower()}")
        assert client("OBJECT", subcommand, "a", "b") == wrong_arity(f"object|{subcommand.lower()}")
    assert client("OBJECT", "FREQ", "missing") is None
    assert client("OBJECT", "FREQ", "k") == Failure(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        "between policies at runtime LRU and LFU data will take some time to adjust."
    )
    assert client("OBJECT", "NOSUCH", "k") == Failure("ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.")
    assert client("OBJECT") == wrong_arity("object")
    assert isinstance(client("OBJECT", "HELP"), list)


def test_object_freq(server: ServerProcess, client: Connection) -> None:
    server.config("maxmemory-policy", "allkeys-lfu")
    client("SET", "k", "v")
    first = client("OBJECT", "FREQ", "k")
    assert 1 <= first <= 10
    for _ in range(2000):
        client("GET", "k")
    assert client("OBJECT", "FREQ", "k") > first
    assert client("OBJECT", "IDLETIME", "k") == Failure(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between "
        "policies at runtime LRU and LFU data will take some time to adjust."
    )


def test_idle_time_grows_and_touch_resets_it(client: Connection) -> None:
    client("SET", "k", "v")
    wait_until(lambda: client("OBJECT", "IDLETIME", "k") >= 1, "a second without access", 5)
    assert client("TTL", "k") == -1
    client("EXISTS", "k")
    client("TOUCH", "k")
    assert client("OBJECT", "IDLETIME", "k") == 0


# Databases


def test_select(client: Connection) -> None:
    client("SET", "k", "0")
    for database in range(1, 16):
        assert client("SELECT", database) == OK
        assert client("GET", "k") is None
        client("SET", "k", database)
    for database in range(16):
        client("SELECT", database)
        assert client("GET", "k") == str(database).encode()
        assert client("DBSIZE") == 1
    for database in (16, -1, 1000):
        assert client("SELECT", database) == DB_OUT_OF_RANGE
    for text in ("x", "", "1.0", MAXIMUM):
        assert client("SELECT", text) in (
            Failure("ERR invalid DB index"),
            NOT_INTEGER,
            INT_RANGE,
        )
    assert client("GET", "k") == b"15"


def test_swapdb(server: ServerProcess, client: Connection) -> None:
    other = server.connect()
    other("SELECT", 3)
    client("SET", "k", "zero", "EX", 100)
    other("SET", "k", "three")
    assert client("SWAPDB", 0, 3) == OK
    assert client("GET", "k") == b"three"
    assert other("GET", "k") == b"zero"
    assert other("TTL", "k") > 90 and client("TTL", "k") == -1
    assert client("SWAPDB", 0, 0) == OK
    assert client("SWAPDB", 5, 6) == OK
    for first, second in ((0, 16), (16, 0), (-1, 0)):
        assert client("SWAPDB", first, second) == DB_OUT_OF_RANGE
    assert client("SWAPDB", "x", 0) == Failure("ERR invalid first DB index")
    assert client("SWAPDB", 0, "x") == Failure("ERR invalid second DB index")


@pytest.mark.parametrize("mode", [(), ("SYNC",), ("ASYNC",), ("async",)], ids=str)
def test_flush(client: Connection, mode: tuple[str, ...]) -> None:
    for database in (0, 5):
        client("SELECT", database)
        client.pipeline(*[("SET", f"k{index}", "v", "EX", 100) for index in range(200)])
    assert client("FLUSHDB", *mode) == OK
    assert client("DBSIZE") == 0
    assert client("KEYS", "*") == [] and client("RANDOMKEY") is None
    client("SELECT", 0)
    assert client("DBSIZE") == 200
    client("SELECT", 5)
    client("SET", "k", "v")
    assert client("FLUSHALL", *mode) == OK
    client("SELECT", 0)
    assert client("DBSIZE") == 0
    assert client("SET", "k", "v") == OK and client("TTL", "k") == -1


def test_flush_errors(client: Connection) -> None:
    client("SET", "k", "v")
    for command in ("FLUSHDB", "FLUSHALL"):
        for options in (("NOSUCH",), ("",), ("SYNC", "ASYNC"), ("SYNC", "SYNC")):
            assert client(command, *options) == SYNTAX
    assert client("DBSIZE") == 1


def test_flush_gives_the_memory_back(server: ServerProcess, client: Connection) -> None:
    before = int(server.info("memory")["used_memory"])
    client.pipeline(*[("SET", f"key:{index}", "v" * 100) for index in range(20_000)])
    assert int(server.info("memory")["used_memory"]) > before + 20_000 * 100
    client("FLUSHALL")
    wait_until(lambda: int(server.info("memory")["used_memory"]) < before + 1_000_000, "memory is given back")


def test_dbsize_counts_one_database(client: Connection) -> None:
    assert client("DBSIZE") == 0
    client("SET", "a", "1")
    client("SELECT", 1)
    assert client("DBSIZE") == 0
    assert client("DBSIZE", "x") == wrong_arity("dbsize")


def test_growth_and_shrinkage_keep_every_key(client: Connection) -> None:
    count = 30_000
    for start in range(0, count, 1000):
        client.pipeline(*[("SET", f"key:{index}", index) for index in range(start, start + 1000)])
    assert client("DBSIZE") == count
    for start in range(0, count, 1000):
        values = client("MGET", *[f"key:{index}" for index in range(start, start + 1000)])
        assert values == [str(index).encode() for index in range(start, start + 1000)]
    for start in range(0, count, 1000):
        client("DEL", *[f"key:{index}" for index in range(start, start + 1000) if index % 100])
    assert client("DBSIZE") == count // 100
    assert set(scan_all(client)) == {f"key:{index}".encode() for index in range(0, count, 100)}


@pytest.mark.parametrize("group", ["del", "exists", "touch", "unlink", "keys", "rename", "copy", "move", "type", "ttl"])
def test_arity(client: Connection, group: str) -> None:
    assert client(group) == wrong_arity(group)


def test_arity_above(client: Connection) -> None:
    for command, most in (("persist", 1), ("ttl", 1), ("pttl", 1), ("expiretime", 1), ("pexpiretime", 1), ("keys", 1)):
        assert client(command, *["a"] * (most + 1)) == wrong_arity(command)
    for command, most in (("rename", 2), ("renamenx", 2), ("move", 2), ("randomkey", 0), ("swapdb", 2), ("select", 1)):
        assert client(command, *["a"] * (most + 1)) == wrong_arity(command)
