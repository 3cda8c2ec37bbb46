"""The commands of the string group: every option, wrong types, overflow, sizes that would need gigabytes."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from harness import (
    NOT_FLOAT,
    NOT_INTEGER,
    OK,
    OVERFLOW,
    SYNTAX,
    WRONG_TYPE,
    Connection,
    Failure,
    ServerProcess,
    wait_until,
    wrong_arity,
)

TOO_LONG = Failure("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
TOO_LONG_BEFORE_7_2 = Failure("ERR string exceeds maximum allowed size (512MB)")
NAN_OR_INFINITY = Failure("ERR increment would produce NaN or Infinity")
OUT_OF_OFFSET = Failure("ERR offset is out of range")
MAXIMUM = 2**63 - 1
MINIMUM = -(2**63)


def invalid_expire(command: str) -> Failure:
    return Failure(f"ERR invalid expire time in '{command}' command")


def now() -> int:
    return int(time.time())


def ttl_close(client: Connection, key: str, milliseconds: int) -> bool:
    """Whether the key has that time to live, give or take five seconds."""
    return bool(milliseconds - 5000 <= client("PTTL", key) <= milliseconds)


ARITY = [
    ("append", 3, 3),
    ("decr", 2, 2),
    ("decrby", 3, 3),
    ("get", 2, 2),
    ("getdel", 2, 2),
    ("getex", 2, None),
    ("getrange", 4, 4),
    ("getset", 3, 3),
    ("incr", 2, 2),
    ("incrby", 3, 3),
    ("incrbyfloat", 3, 3),
    ("lcs", 3, None),
    ("mget", 2, None),
    ("mset", 3, None),
    ("msetnx", 3, None),
    ("psetex", 4, 4),
    ("set", 3, None),
    ("setex", 4, 4),
    ("setnx", 3, 3),
    ("setrange", 4, 4),
    ("strlen", 2, 2),
    ("substr", 4, 4),
]


@pytest.mark.parametrize(("command", "least", "most"), ARITY, ids=[row[0] for row in ARITY])
def test_arity(client: Connection, command: str, least: int, most: int | None) -> None:
    for count in range(1, least):
        assert client(command, *["a"] * (count - 1)) == wrong_arity(command)
    if most is not None:
        for count in (most + 1, most + 2, most + 50):
            assert client(command.upper(), *["a"] * (count - 1)) == wrong_arity(command)
    assert client("DBSIZE") == 0


# SET


def test_set_and_get(any_client: Connection) -> None:
    assert any_client("SET", "k", "v") == OK
    assert any_client("GET", "k") == b"v"
    assert any_client("SET", "k", "") == OK
    assert any_client("GET", "k") == b""
    assert any_client("GET", "missing") is None


def test_set_nx_xx(client: Connection) -> None:
    assert client("SET", "k", "1", "XX") is None
    assert client("EXISTS", "k") == 0
    assert client("SET", "k", "1", "NX") == OK
    assert client("SET", "k", "2", "NX") is None
    assert client("SET", "k", "3", "xx") == OK
    assert client("GET", "k") == b"3"


def test_set_get_option(client: Connection) -> None:
    assert client("SET", "k", "1", "GET") is None
    assert client("SET", "k", "2", "GET") == b"1"
    assert client("SET", "k", "3", "NX", "GET") == b"2"
    assert client("GET", "k") == b"2"
    assert client("SET", "k", "3", "XX", "GET") == b"2"
    assert client("GET", "k") == b"3"
    assert client("SET", "new", "1", "XX", "GET") is None
    assert client("EXISTS", "new") == 0
    assert client("SET", "new", "1", "NX", "GET") is None
    assert client("GET", "new") == b"1"
    assert client("SET", "new", "2", "GET", "EX", "100") == b"1"
    assert ttl_close(client, "new", 100_000)


@pytest.mark.parametrize(
    ("options", "milliseconds"),
    [(("EX", 100), 100_000), (("px", 100_000), 100_000), (("EXAT", 100), 100_000), (("PXAT", 100_000), 100_000)],
)
def test_set_expiry(client: Connection, options: tuple[str, int], milliseconds: int) -> None:
    name, amount = options
    if name.endswith("AT"):
        amount += now() * (1000 if name[0] == "P" else 1)
    assert client("SET", "k", "v", name, amount) == OK
    assert ttl_close(client, "k", milliseconds)
    assert client("SET", "k", "v2", "KEEPTTL") == OK
    assert ttl_close(client, "k", milliseconds)
    assert client("SET", "k", "v3") == OK
    assert client("TTL", "k") == -1


def test_set_times_in_the_past_delete(client: Connection) -> None:
    for name, amount in (("EXAT", now() - 100), ("PXAT", 1), ("EXAT", 1), ("PXAT", (now() - 1) * 1000)):
        assert client("SET", "k", "v") == OK
        assert client("SET", "k", "v2", name, amount) == OK
        assert client("EXISTS", "k") == 0
        assert client("GET", "k") is None


@pytest.mark.parametrize("amount", [0, -1, -100, MINIMUM, MAXIMUM, MAXIMUM // 1000 + 1])
@pytest.mark.parametrize("name", ["EX", "PX", "EXAT", "PXAT"])
def test_set_invalid_times(client: Connection, name: str, amount: int) -> None:
    if name == "PXAT" and amount > 0:
        pytest.skip("a far but valid time")
    if name == "PX" and 0 < amount < MAXIMUM // 2:
        pytest.skip("a far but valid time")
    assert client("SET", "k", "before") == OK
    assert client("SET", "k", "v", name, amount) == invalid_expire("set")
    assert client("GET", "k") == b"before"
    assert client("TTL", "k") == -1


@pytest.mark.parametrize("amount", ["x", "", "1.5", "1e3", " 1", MAXIMUM + 1, MINIMUM - 1])
def test_set_times_that_are_no_integers(client: Connection, amount: Any) -> None:
    assert client("SET", "k", "v", "EX", amount) == NOT_INTEGER
    assert client("EXISTS", "k") == 0


@pytest.mark.parametrize(
    "options",
    [
        ("NX", "XX"),
        ("XX", "NX"),
        ("EX",),
        ("EX", "10", "PX", "10"),
        ("EX", "10", "KEEPTTL"),
        ("KEEPTTL", "PX", "10"),
        ("EXAT", "10", "PXAT", "10"),
        ("NOSUCH",),
        ("",),
        ("10",),
        ("PERSIST",),
        ("NX", "NOSUCH"),
        ("GET", "EX"),
    ],
    ids=" ".join,
)
def test_set_syntax_errors(client: Connection, options: tuple[str, ...]) -> None:
    client("SET", "k", "before")
    assert client("SET", "k", "v", *options) == SYNTAX
    assert client("GET", "k") == b"before"


def test_set_replaces_any_type(client: Connection) -> None:
    if client("RPUSH", "list", "a") != 1:
        pytest.skip("no lists")
    assert client("SET", "list", "v") == OK
    assert client("TYPE", "list") == "string"


@pytest.mark.needs("SET probe 1 IFEQ 1")
def test_set_ifeq(client: Connection) -> None:
    assert client("SET", "k", "new", "IFEQ", "old") is None
    assert client("EXISTS", "k") == 0
    assert client("SET", "k", "old") == OK
    assert client("SET", "k", "new", "IFEQ", "other") is None
    assert client("GET", "k") == b"old"
    assert client("SET", "k", "new", "IFEQ", "old") == OK
    assert client("GET", "k") == b"new"
    assert client("SET", "k", "newer", "IFEQ", "new", "GET", "EX", "100") == b"new"
    assert ttl_close(client, "k", 100_000)
    assert client("SET", "k", "x", "IFEQ", "no", "GET") == b"newer"
    assert client("GET", "k") == b"newer"
    assert client("SET", "k", "12", "IFEQ", "newer", "KEEPTTL") == OK
    assert ttl_close(client, "k", 100_000)
    assert client("SET", "k", "13", "IFEQ", "12") == OK
    assert client("GET", "k") == b"13"
    for options in (("IFEQ", "1", "NX"), ("IFEQ", "1", "XX"), ("NX", "IFEQ", "1"), ("IFEQ",)):
        assert client("SET", "k", "v", *options) == SYNTAX
    assert client("SET", "k", "", "IFEQ", "13") == OK
    assert client("SET", "k", "x", "IFEQ", "") == OK


# The other setters


def test_setnx(client: Connection) -> None:
    assert client("SETNX", "k", "1") == 1
    assert client("SETNX", "k", "2") == 0
    assert client("GET", "k") == b"1"


def test_setex_psetex(client: Connection) -> None:
    assert client("SETEX", "k", 100, "v") == OK
    assert ttl_close(client, "k", 100_000)
    assert client("PSETEX", "k", 50_000, "v") == OK
    assert ttl_close(client, "k", 50_000)
    for command in ("setex", "psetex"):
        for amount in (0, -1, MINIMUM, MAXIMUM):
            assert client(command, "new", amount, "v") == invalid_expire(command)
        for text in ("", "x", "1.0", MAXIMUM + 1):
            assert client(command, "new", text, "v") == NOT_INTEGER
    assert client("EXISTS", "new") == 0


def test_getset(client: Connection) -> None:
    assert client("GETSET", "k", "1") is None
    client("EXPIRE", "k", 100)
    assert client("GETSET", "k", "2") == b"1"
    assert client("TTL", "k") == -1


def test_mset_mget(any_client: Connection) -> None:
    assert any_client("MSET", "a", "1", "b", "2", "a", "3") == OK
    assert any_client("MGET", "a", "b", "missing", "a") == [b"3", b"2", None, b"3"]
    assert any_client("MSET", "a", "1", "b") == wrong_arity("mset")
    assert any_client("MSETNX", "a", "1", "b") == wrong_arity("msetnx")
    any_client("EXPIRE", "a", 100)
    assert any_client("MSET", "a", "4") == OK
    assert any_client("TTL", "a") == -1


def test_msetnx(client: Connection) -> None:
    assert client("MSETNX", "a", "1", "b", "2") == 1
    assert client("MSETNX", "c", "1", "b", "3") == 0
    assert client("EXISTS", "c") == 0
    assert client("MSETNX", "d", "1", "d", "2") == 1
    assert client("GET", "d") == b"2"


@pytest.mark.needs("MSETEX 1 probe 1 EX 100")
def test_msetex(client: Connection) -> None:
    assert client("MSETEX", 2, "a", "1", "b", "2", "EX", 100) == 1
    assert client("MGET", "a", "b") == [b"1", b"2"]
    assert ttl_close(client, "a", 100_000) and ttl_close(client, "b", 100_000)
    assert client("MSETEX", 2, "a", "3", "c", "4", "NX", "PX", 50_000) == 0
    assert client("MGET", "a", "c") == [b"1", None]
    assert client("MSETEX", 2, "a", "3", "c", "4", "XX") == 0
    assert client("MSETEX", 2, "a", "3", "b", "4", "XX", "KEEPTTL") == 1
    assert client("MGET", "a", "b") == [b"3", b"4"]
    assert ttl_close(client, "a", 100_000)
    assert client("MSETEX", 1, "a", "5") == 1
    assert client("TTL", "a") == -1
    assert client("MSETEX", 1, "a", "5", "EXAT", now() + 100) == 1
    assert ttl_close(client, "a", 100_000)
    assert client("MSETEX", 1, "a", "5", "PXAT", (now() + 100) * 1000) == 1
    assert ttl_close(client, "a", 100_000)
    for arguments in (
        (0, "a", "1"),
        (-1, "a", "1"),
        ("x", "a", "1"),
        (2, "a", "1"),
        (1, "a"),
        (MAXIMUM, "a", "1"),
        (1, "a", "1", "NX", "XX"),
        (1, "a", "1", "EX"),
        (1, "a", "1", "EX", "0"),
        (1, "a", "1", "EX", "x"),
        (1, "a", "1", "EX", "1", "PX", "1"),
        (1, "a", "1", "EX", "1", "KEEPTTL"),
        (1, "a", "1", "NOSUCH"),
    ):
        assert isinstance(client("MSETEX", *arguments), Failure), arguments
    assert client("GET", "a") == b"5"
    assert client("DBSIZE") == 2


# Reading with effects


def test_getdel(client: Connection) -> None:
    client("SET", "k", "v")
    assert client("GETDEL", "k") == b"v"
    assert client("GETDEL", "k") is None
    assert client("EXISTS", "k") == 0


@pytest.mark.needs("DELIFEQ probe 1")
def test_delifeq(client: Connection) -> None:
    assert client("DELIFEQ", "k", "v") == 0
    client("SET", "k", "v")
    assert client("DELIFEQ", "k", "w") == 0
    assert client("GET", "k") == b"v"
    assert client("DELIFEQ", "k", "v") == 1
    assert client("EXISTS", "k") == 0
    client("SET", "n", "12")
    assert client("DELIFEQ", "n", "012") == 0
    assert client("DELIFEQ", "n", "12") == 1
    assert client("DELIFEQ", "n") == wrong_arity("delifeq")
    assert client("DELIFEQ", "n", "1", "2") == wrong_arity("delifeq")


def test_getex(client: Connection) -> None:
    assert client("GETEX", "missing") is None
    assert client("GETEX", "missing", "EX", 10) is None
    client("SET", "k", "v")
    for name, amount in (("EX", 100), ("PX", 100_000), ("EXAT", now() + 100), ("PXAT", (now() + 100) * 1000)):
        client("PERSIST", "k")
        assert client("GETEX", "k", name, amount) == b"v"
        assert ttl_close(client, "k", 100_000)
    assert client("GETEX", "k") == b"v"
    assert ttl_close(client, "k", 100_000)
    assert client("GETEX", "k", "PERSIST") == b"v"
    assert client("TTL", "k") == -1
    assert client("GETEX", "k", "EXAT", 1) == b"v"
    assert client("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("EX",), SYNTAX),
        (("NOSUCH",), SYNTAX),
        (("EX", "10", "PX", "10"), SYNTAX),
        (("PERSIST", "EX", "10"), SYNTAX),
        (("EX", "10", "PERSIST"), SYNTAX),
        (("KEEPTTL",), SYNTAX),
        (("NX",), SYNTAX),
        (("GET",), SYNTAX),
        (("EX", "x"), NOT_INTEGER),
        (("EX", ""), NOT_INTEGER),
        (("EX", "0"), invalid_expire("getex")),
        (("PX", "-1"), invalid_expire("getex")),
        (("EX", str(MAXIMUM)), invalid_expire("getex")),
        (("EXAT", str(MAXIMUM)), invalid_expire("getex")),
    ],
)
def test_getex_errors(client: Connection, options: tuple[str, ...], error: Failure) -> None:
    client("SET", "k", "v")
    assert client("GETEX", "k", *options) == error
    assert client("TTL", "k") == -1


# Counters


def test_incr_family(client: Connection) -> None:
    assert client("INCR", "n") == 1
    assert client("INCRBY", "n", 10) == 11
    assert client("DECR", "n") == 10
    assert client("DECRBY", "n", 20) == -10
    assert client("DECRBY", "n", -5) == -5
    assert client("INCRBY", "n", -5) == -10
    client("EXPIRE", "n", 100)
    assert client("INCR", "n") == -9
    assert client("TTL", "n") > 90


def test_incr_overflow(client: Connection) -> None:
    client("SET", "n", MAXIMUM)
    assert client("INCR", "n") == OVERFLOW
    assert client("INCRBY", "n", MAXIMUM) == OVERFLOW
    assert client("GET", "n") == str(MAXIMUM).encode()
    assert client("DECR", "n") == MAXIMUM - 1
    client("SET", "n", MINIMUM)
    assert client("DECR", "n") == OVERFLOW
    assert client("INCRBY", "n", -1) == OVERFLOW
    assert client("DECRBY", "n", MINIMUM) == Failure("ERR decrement would overflow")
    assert client("INCR", "n") == MINIMUM + 1
    assert client("INCRBY", "n", MAXIMUM) == 0
    assert client("DECRBY", "zero", MINIMUM) == Failure("ERR decrement would overflow")
    assert client("EXISTS", "zero") == 0


@pytest.mark.parametrize("value", ["", "x", " 1", "1 ", "1.0", "+1", "01", "-0", "0x1", "1\n", str(MAXIMUM + 1), "1e1"])
def test_incr_against_other_values(client: Connection, value: str) -> None:
    client("SET", "n", value)
    for command in (("INCR", "n"), ("DECR", "n"), ("INCRBY", "n", "1"), ("DECRBY", "n", "1")):
        assert client(*command) == NOT_INTEGER
    assert client("GET", "n") == value.encode()


@pytest.mark.parametrize(
    ("start", "increment", "result"),
    [
        (None, "1", "1"),
        (None, "0.1", "0.1"),
        (None, "-1.5", "-1.5"),
        ("10.5", "0.1", "10.6"),
        ("5.0e3", "2.0e2", "5200"),
        ("3.0e3", "200", "3200"),
        ("1", "1.15", "2.15"),
        ("1.5", "1.5", "3"),
        ("17179869184", "1.5", "17179869185.5"),
        ("17179869184", "17179869184", "34359738368"),
        ("1", "-1.1", "-0.1"),
        ("0", "-0.0", "0"),
        ("1", "-1", "0"),
        ("0.1", "0.2", "0.3"),
        ("3", "1e-5", "3.00001"),
        ("1e2", "1e-17", "100.00000000000000001"),
        ("0.00000000000000001", "0", "0.00000000000000001"),
        ("9007199254740993", "0", "9007199254740993"),
        ("1e17", "1", "100000000000000001"),
        ("+1", "+1", "2"),
        ("0x10", "1", "17"),
        ("1.", "1", "2"),
        (".5", "1", "1.5"),
    ],
)
def test_incrbyfloat(client: Connection, start: str | None, increment: str, result: str) -> None:
    if start is not None:
        client("SET", "n", start)
    assert client("INCRBYFLOAT", "n", increment) == result.encode()
    assert client("GET", "n") == result.encode()


@pytest.mark.parametrize("text", ["", "x", " 1", "1 ", "nan", "1.2.3", "1\0", "--1", "1e", "0b1", "1,5"])
def test_incrbyfloat_not_a_float(client: Connection, text: str) -> None:
    assert client("INCRBYFLOAT", "n", text) == NOT_FLOAT
    client("SET", "n", text)
    assert client("INCRBYFLOAT", "n", "1") == NOT_FLOAT
    assert client("GET", "n") == text.encode()


def test_incrbyfloat_infinity(client: Connection) -> None:
    assert client("INCRBYFLOAT", "n", "+inf") == NAN_OR_INFINITY
    assert client("INCRBYFLOAT", "n", "-inf") == NAN_OR_INFINITY
    assert client("EXISTS", "n") == 0


def test_incrbyfloat_keeps_the_ttl(client: Connection) -> None:
    client("SET", "n", "1", "EX", 100)
    assert client("INCRBYFLOAT", "n", "0.5") == b"1.5"
    assert client("TTL", "n") > 90


# Substrings


def test_append_and_strlen(client: Connection) -> None:
    assert client("STRLEN", "k") == 0
    assert client("APPEND", "k", "") == 0
    assert client("EXISTS", "k") == 1
    assert client("APPEND", "k", "ab") == 2
    assert client("APPEND", "k", "") == 2
    assert client("APPEND", "k", b"\x00\xff") == 4
    assert client("GET", "k") == b"ab\x00\xff"
    client("SET", "n", "12")
    assert client("STRLEN", "n") == 2
    assert client("APPEND", "n", "3") == 3
    assert client("INCR", "n") == 124
    client("SET", "k", "v", "EX", 100)
    client("APPEND", "k", "v")
    assert client("TTL", "k") > 90


@pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
def test_getrange(client: Connection, command: str) -> None:
    text = b"Hello World"
    client("SET", "k", text)
    client("SET", "n", "1234")
    assert client(command, "k", 0, 3) == b"Hell"
    assert client(command, "k", 0, -1) == text
    assert client(command, "k", -4, -1) == b"orld"
    assert client(command, "k", 5, 3) == b""
    assert client(command, "k", 5, 5000) == b" World"
    assert client(command, "k", -5000, 10000) == text
    assert client(command, "k", 0, MAXIMUM) == text
    assert client(command, "k", MINIMUM, MAXIMUM) == text
    assert client(command, "k", MAXIMUM, MAXIMUM) == b""
    assert client(command, "k", MINIMUM, MINIMUM) == client("GETRANGE", "k", MINIMUM, MINIMUM)
    assert client(command, "n", 1, 2) == b"23"
    assert client(command, "missing", 0, -1) == b""
    assert client(command, "k", "x", 1) == NOT_INTEGER
    assert client(command, "k", 0, "1.0") == NOT_INTEGER
    assert client(command, "k", 0, MAXIMUM + 1) == NOT_INTEGER


def test_getrange_against_slices(client: Connection) -> None:
    chance = random.Random(4)
    for _ in range(100):
        value = chance.randbytes(chance.randint(1, 60))
        client("SET", "k", value)
        start, end = chance.randint(-70, 70), chance.randint(-70, 70)
        first = max(start + len(value), 0) if start < 0 else start
        last = max(end + len(value), 0) if end < 0 else min(end, len(value) - 1)
        empty = start < 0 and end < 0 and start > end
        expected = b"" if empty or first > last else value[first : last + 1]
        assert client("GETRANGE", "k", start, end) == expected, (value, start, end)


def test_setrange(client: Connection) -> None:
    assert client("SETRANGE", "k", 0, "") == 0
    assert client("EXISTS", "k") == 0
    assert client("SETRANGE", "k", 1, "foo") == 4
    assert client("GET", "k") == b"\x00foo"
    assert client("SETRANGE", "k", 0, "b") == 4
    assert client("GET", "k") == b"bfoo"
    assert client("SETRANGE", "k", 6, "x") == 7
    assert client("GET", "k") == b"bfoo\x00\x00x"
    assert client("SETRANGE", "k", 100, "") == 7
    client("SET", "n", "1234")
    assert client("SETRANGE", "n", 1, "9") == 4
    assert client("INCR", "n") == 1935
    client("SET", "k", "value", "EX", 100)
    assert client("SETRANGE", "k", 0, "V") == 5
    assert client("TTL", "k") > 90


def test_setrange_offsets_that_would_need_gigabytes(client: Connection) -> None:
    client("SET", "k", "v")
    for offset in (536870912, 4 * 1024**3, MAXIMUM - 1, MAXIMUM):
        assert client("SETRANGE", "k", offset, "x") in (TOO_LONG, TOO_LONG_BEFORE_7_2), offset
        assert client("SETRANGE", "new", offset, "x") in (TOO_LONG, TOO_LONG_BEFORE_7_2)
    for offset in (-1, MINIMUM):
        assert client("SETRANGE", "k", offset, "x") == OUT_OF_OFFSET
    for text in ("x", "", MAXIMUM + 1):
        assert client("SETRANGE", "k", text, "x") == NOT_INTEGER
    assert client("GET", "k") == b"v"
    assert client("EXISTS", "new") == 0
    # Nothing to write, nothing to check.
    assert client("SETRANGE", "k", MAXIMUM, "") == 1
    assert client("SETRANGE", "new", MAXIMUM, "") == 0


def test_a_large_setrange_within_the_limit(client: Connection) -> None:
    assert client("SETRANGE", "k", 30_000_000, "end") == 30_000_003
    assert client("GETRANGE", "k", 29_999_998, -1) == b"\x00\x00end"
    assert client("STRLEN", "k") == 30_000_003


def test_values_that_only_look_like_numbers(client: Connection) -> None:
    for value in ("0", "-1", "00", "-0", " 1", "1 ", "+1", str(MAXIMUM), str(MINIMUM), str(MAXIMUM + 1), "1" * 30, "-"):
        client("SET", "k", value)
        assert client("GET", "k") == value.encode()
        assert client("STRLEN", "k") == len(value)
        assert client("APPEND", "k", "!") == len(value) + 1
        assert client("GET", "k") == value.encode() + b"!"


def test_encodings(client: Connection) -> None:
    def encoding(value: object) -> bytes:
        client("SET", "k", value)
        return bytes(client("OBJECT", "ENCODING", "k"))

    assert encoding("12") == b"int"
    assert encoding(MAXIMUM) == b"int"
    assert encoding(MINIMUM) == b"int"
    assert encoding(MAXIMUM + 1) == b"embstr"
    assert encoding("012") == b"embstr"
    assert encoding("") == b"embstr"
    assert encoding("x" * 44) == b"embstr"
    assert encoding("x" * 200) == b"raw"
    client("SET", "k", "12")
    client("APPEND", "k", "3")
    assert client("OBJECT", "ENCODING", "k") == b"raw"
    assert client("INCR", "k") == 124
    assert client("OBJECT", "ENCODING", "k") == b"int"
    client("SETRANGE", "k", 0, "9")
    assert client("OBJECT", "ENCODING", "k") == b"raw"
    client("SET", "f", "1.5")
    client("INCRBYFLOAT", "f", "1.5")
    assert client("OBJECT", "ENCODING", "f") in (b"embstr", b"int")


# LCS


def longest_common(first: bytes, second: bytes) -> int:
    """The length of the longest common subsequence, by the textbook."""
    row = [0] * (len(second) + 1)
    for left in first:
        diagonal = 0
        for column, right in enumerate(second, 1):
            diagonal, row[column] = row[column], diagonal + 1 if left == right else max(row[column], row[column - 1])
    return row[-1]


def is_subsequence(part: bytes, whole: bytes) -> bool:
    rest = iter(whole)
    return all(letter in rest for letter in part)


def test_lcs(client: Connection) -> None:
    client("MSET", "a", "ohmytext", "b", "mynewtext")
    assert client("LCS", "a", "b") == b"mytext"
    assert client("LCS", "a", "b", "LEN") == 6
    matches = [[[4, 7], [5, 8]], [[2, 3], [0, 1]]]
    assert client("LCS", "a", "b", "IDX") == [b"matches", matches, b"len", 6]
    assert client("LCS", "a", "b", "IDX", "MINMATCHLEN", 4) == [b"matches", matches[:1], b"len", 6]
    assert client("LCS", "a", "b", "IDX", "MINMATCHLEN", -5) == [b"matches", matches, b"len", 6]
    assert client("LCS", "a", "b", "IDX", "MINMATCHLEN", 4, "WITHMATCHLEN") == [
        b"matches",
        [[[4, 7], [5, 8], 4]],
        b"len",
        6,
    ]
    assert client("LCS", "a", "b", "WITHMATCHLEN") == b"mytext"
    assert client("LCS", "a", "missing") == b""
    assert client("LCS", "missing", "nothing", "LEN") == 0
    assert client("LCS", "missing", "a", "IDX") == [b"matches", [], b"len", 0]
    client("MSET", "a", "1234", "b", "234")
    assert client("LCS", "a", "b") == b"234"


def test_lcs_against_the_textbook(client: Connection) -> None:
    chance = random.Random(5)
    for _ in range(30):
        first = bytes(chance.choices(b"ACGT", k=chance.randint(0, 60)))
        second = bytes(chance.choices(b"ACGT", k=chance.randint(0, 60)))
        client("MSET", "a", first, "b", second)
        common = client("LCS", "a", "b")
        assert len(common) == client("LCS", "a", "b", "LEN") == longest_common(first, second)
        assert is_subsequence(common, first) and is_subsequence(common, second)
        matches = client("LCS", "a", "b", "IDX", "WITHMATCHLEN")[1]
        assert sum(length for _, _, length in matches) == len(common)
        pieces = [(first[m[0] : m[1] + 1], second[n[0] : n[1] + 1]) for m, n, _ in reversed(matches)]
        assert all(left == right for left, right in pieces) and b"".join(left for left, _ in pieces) == common


def test_lcs_in_resp3(client3: Connection) -> None:
    client3("MSET", "a", "ohmytext", "b", "mynewtext")
    assert client3("LCS", "a", "b", "IDX") == {b"matches": [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], b"len": 6}


def test_lcs_errors(client: Connection) -> None:
    client("MSET", "a", "1", "b", "2")
    assert client("LCS", "a", "b", "LEN", "IDX") == Failure(
        "ERR If you want both the length and indexes, please just use IDX."
    )
    for options in (("NOSUCH",), ("MINMATCHLEN",)):
        assert client("LCS", "a", "b", *options) == SYNTAX
    assert client("LCS", "a", "b", "IDX", "MINMATCHLEN", "x") == NOT_INTEGER


def test_lcs_of_strings_too_long_for_it(client: Connection) -> None:
    client("SETRANGE", "a", 3_000_000, "x")
    client("SETRANGE", "b", 3_000_000, "x")
    assert isinstance(client("LCS", "a", "b"), Failure)
    assert client("PING") == "PONG"


# Wrong types (as soon as there is another type)

READERS_AND_WRITERS = [
    ("GET", "k"),
    ("GETSET", "k", "v"),
    ("GETDEL", "k"),
    ("GETEX", "k"),
    ("GETEX", "k", "EX", "10"),
    ("SET", "k", "v", "GET"),
    ("APPEND", "k", "v"),
    ("STRLEN", "k"),
    ("INCR", "k"),
    ("DECR", "k"),
    ("INCRBY", "k", "1"),
    ("DECRBY", "k", "1"),
    ("INCRBYFLOAT", "k", "1"),
    ("GETRANGE", "k", "0", "1"),
    ("SUBSTR", "k", "0", "1"),
    ("SETRANGE", "k", "0", "v"),
]


@pytest.mark.parametrize("command", READERS_AND_WRITERS, ids=" ".join)
def test_wrong_type(client: Connection, command: tuple[str, ...]) -> None:
    if client("RPUSH", "k", "element") != 1:
        pytest.skip("no other type than strings yet")
    assert client(*command) == WRONG_TYPE
    assert client("LRANGE", "k", 0, -1) == [b"element"]


def test_mget_of_another_type_is_null(client: Connection) -> None:
    if client("RPUSH", "k", "element") != 1:
        pytest.skip("no other type than strings yet")
    client("SET", "s", "v")
    assert client("MGET", "k", "s") == [None, b"v"]


def test_expired_strings_are_gone_for_every_command(server: ServerProcess, client: Connection) -> None:
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        for command, expected in (
            (("GET", "k"), None),
            (("STRLEN", "k"), 0),
            (("APPEND", "k", "x"), 1),
            (("INCR", "k"), 1),
            (("SETNX", "k", "x"), 1),
            (("GETDEL", "k"), None),
            (("GETSET", "k", "x"), None),
            (("SET", "k", "x", "XX"), None),
            (("SET", "k", "x", "NX"), OK),
            (("SETRANGE", "k", "1", "x"), 2),
            (("GETRANGE", "k", "0", "-1"), b""),
            (("MGET", "k"), [None]),
            (("MSETNX", "k", "x"), 1),
            (("INCRBYFLOAT", "k", "1.5"), b"1.5"),
            (("LCS", "k", "k"), b""),
        ):
            client("SET", "k", "5", "PX", 1)
            wait_until(lambda: client("PTTL", "k") == -2, "the key has expired")
            assert client(*command) == expected, command
            assert client("TTL", "k") in (-1, -2)
    finally:
        client("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_redis_py(redis2: Any, redis3: Any, redis_unix: Any) -> None:
    for client in (redis2, redis3, redis_unix):
        assert client.set("key", "value", ex=100, get=True) is None
        assert client.get("key") == b"value"
        assert client.mset({"a": 1, "b": 2.5})
        assert client.mget("a", "b", "none") == [b"1", b"2.5", None]
        assert client.incrbyfloat("b", 0.5) == 3.0
        assert client.append("key", "!") == 6
        assert client.getrange("key", 0, 1) == b"va"
        assert 90 < client.ttl("key") <= 100
        assert client.type("key") == b"string"
        with client.pipeline(transaction=False) as pipe:
            pipe.set("p", 1).incr("p").get("p")
            assert pipe.execute() == [True, 2, b"2"]
        client.flushall()
