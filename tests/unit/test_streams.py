"""Commands on streams, through an engine without a socket."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.config.compatibility import PROFILES

Execute = Callable[..., Any]

LARGEST = 2**64 - 1
NO_ID = "ERR Invalid stream ID specified as stream command argument"
TOP_ITEM = "ERR The ID specified in XADD is equal or smaller than the target stream top item"


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    for name, value in PROFILES["valkey"].settings.items():
        engine.set(name, value)
    return engine


@pytest.fixture
def run(engine: Engine) -> Execute:
    return engine.execute


def fill(run: Execute, key: str, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        run("XADD", key, f"{number}-0", "n", number)


def ids(entries: list[Any]) -> list[bytes]:
    return [entry[0] for entry in entries]


def fails(run: Execute, message: str, *arguments: object) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert str(caught.value) == message


# --- adding


def test_add_and_range(run: Execute) -> None:
    assert run("XADD", "s", "1-1", "item", "1", "value", "a") == b"1-1"
    assert run("XADD", "s", "1-2", "item", "2", "value", "b") == b"1-2"
    assert run("XADD", "s", "2", "other", "-5") == b"2-0"
    assert run("XLEN", "s") == 3 and run("XLEN", "none") == 0
    entries = [
        [b"1-1", [b"item", b"1", b"value", b"a"]],
        [b"1-2", [b"item", b"2", b"value", b"b"]],
        [b"2-0", [b"other", b"-5"]],
    ]
    assert run("XRANGE", "s", "-", "+") == entries
    assert run("XREVRANGE", "s", "+", "-") == entries[::-1]
    assert run("XRANGE", "s", "1", "1") == entries[:2]
    assert run("XREVRANGE", "s", "1", "1") == entries[1::-1]
    assert run("XRANGE", "s", "(1-1", "(2-0") == entries[1:2]
    assert run("XRANGE", "s", "-", "+", "COUNT", 1) == entries[:1]
    assert run("XREVRANGE", "s", "+", "-", "COUNT", 2) == entries[:0:-1]
    assert run("XRANGE", "s", "-", "+", "COUNT", 0) is None
    assert run("XRANGE", "none", "-", "+", "COUNT", 0) == []
    assert run("TYPE", "s") == "stream" and run("OBJECT", "ENCODING", "s") in ("stream", b"stream")


def test_generated_identifiers(engine: Engine, run: Execute) -> None:
    first = run("XADD", "s", "*", "f", "v")
    second = run("XADD", "s", "*", "f", "v")
    ms, seq = map(int, first.split(b"-"))
    assert abs(ms - engine.now_ms) < 1000 and seq == 0
    assert tuple(map(int, second.split(b"-"))) > (ms, seq)
    assert run("XADD", "t", "123-456", "f", "v") == b"123-456"
    assert run("XADD", "t", "123-*", "f", "v") == b"123-457"
    assert run("XADD", "t", "789-*", "f", "v") == b"789-0"
    assert run("XADD", "z", "0-*", "f", "v") == b"0-1"
    run("XADD", "x", f"2577343934890-{LARGEST}", "f", "v")
    assert run("XADD", "x", "*", "f", "v") == b"2577343934891-0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["5-5"], TOP_ITEM),
        (["5-4"], TOP_ITEM),
        (["4-*"], TOP_ITEM),
        (["0-0"], "ERR The ID specified in XADD must be greater than 0-0"),
        (["-"], NO_ID),
        (["+"], NO_ID),
        (["5-5-5"], NO_ID),
        (["x"], NO_ID),
        (["18446744073709551616-0"], NO_ID),
        (["MAXLEN", "x", "*"], "ERR value is not an integer or out of range"),
        (["MAXLEN", "-1", "*"], "ERR The MAXLEN argument must be >= 0."),
        (["MINID", "x", "*"], NO_ID),
        (["LIMIT", "1", "*"], "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        (["MAXLEN", "1", "LIMIT", "1", "*"], "ERR syntax error, LIMIT cannot be used without the special ~ option"),
        (["MAXLEN", "~", "1", "LIMIT", "-1", "*"], "ERR The LIMIT argument must be >= 0."),
        (
            ["MAXLEN", "1", "MINID", "2", "*"],
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
    ],
)
def test_add_errors(run: Execute, arguments: list[str], message: str) -> None:
    run("XADD", "s", "5-5", "f", "v")
    fails(run, message, "XADD", "s", *arguments, "f", "v")
    assert run("XLEN", "s") == 1


def test_add_wrong_number_of_arguments(run: Execute) -> None:
    for arguments in (["*"], ["*", "f"], ["*", "f", "v", "g"], ["MAXLEN", "5", "*"], ["NOMKSTREAM"]):
        fails(run, "ERR wrong number of arguments for 'xadd' command", "XADD", "s", *arguments)
    assert run("EXISTS", "s") == 0


def test_last_identifier_is_the_end(run: Execute) -> None:
    run("XADD", "s", f"1-{LARGEST}", "f", "v")
    fails(run, TOP_ITEM, "XADD", "s", "1-*", "f", "v")
    run("XADD", "s", f"{LARGEST}-{LARGEST}", "f", "v")
    message = "ERR The stream has exhausted the last possible ID, unable to add more items"
    fails(run, message, "XADD", "s", "*", "f", "v")


def test_no_new_stream(run: Execute) -> None:
    assert run("XADD", "s", "NOMKSTREAM", "*", "f", "v") is None
    assert run("EXISTS", "s") == 0
    run("XADD", "s", "1", "f", "v")
    assert run("XADD", "s", "NOMKSTREAM", "2", "f", "v") == b"2-0"


def test_identifiers_are_read_as_c_reads_numbers(run: Execute) -> None:
    assert run("XADD", "s", "007-1", "f", "v") == b"7-1"
    assert run("XADD", "s", " 8-+2", "f", "v") == b"8-2"
    fails(run, NO_ID, "XADD", "s", "9 -1", "f", "v")
    fails(run, NO_ID, "XADD", "s", "", "f", "v")
    fails(run, NO_ID, "XADD", "s", "9-", "f", "v")


def test_wrong_type(run: Execute) -> None:
    run("SET", "str", "x")
    for command in (
        ["XADD", "str", "*", "f", "v"],
        ["XLEN", "str"],
        ["XRANGE", "str", "-", "+"],
        ["XDEL", "str", "1-1"],
        ["XTRIM", "str", "MAXLEN", "1"],
        ["XSETID", "str", "1-1"],
        ["XREAD", "STREAMS", "str", "0"],
        ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "str", ">"],
        ["XACK", "str", "g", "1-1"],
        ["XPENDING", "str", "g"],
        ["XCLAIM", "str", "g", "c", "0", "1-1"],
        ["XAUTOCLAIM", "str", "g", "c", "0", "-"],
        ["XGROUP", "CREATE", "str", "g", "0", "MKSTREAM"],
        ["XINFO", "STREAM", "str"],
    ):
        fails(run, "WRONGTYPE Operation against a key holding the wrong kind of value", *command)


# --- trimming and deleting


def test_trim(engine: Engine, run: Execute) -> None:
    fill(run, "s", 1000)
    assert run("XTRIM", "s", "MAXLEN", "666") == 334
    assert run("XTRIM", "s", "MAXLEN", "=", "555") == 111
    assert run("XTRIM", "s", "MAXLEN", "~", "444") == 55
    assert run("XTRIM", "s", "MAXLEN", "~", "400") == 100
    assert run("XLEN", "s") == 400
    assert run("XTRIM", "s", "MINID", "998-1") == 398
    assert ids(run("XRANGE", "s", "-", "+")) == [b"999-0", b"1000-0"]
    assert run("XTRIM", "none", "MAXLEN", "0") == 0
    fails(run, "ERR syntax error", "XTRIM", "s", "NOMKSTREAM", "1")
    engine.set("stream_node_max_entries", 2)
    fill(run, "t", 3)
    assert run("XTRIM", "t", "MAXLEN", "~", "0", "LIMIT", "1") == 0
    assert run("XTRIM", "t", "MAXLEN", "~", "0", "LIMIT", "2") == 2


def test_trim_is_limited_by_default(engine: Engine, run: Execute) -> None:
    engine.set("stream_node_max_entries", 1)
    fill(run, "s", 102)
    assert run("XTRIM", "s", "MAXLEN", "~", "1") == 100
    fill(run, "t", 102)
    assert run("XTRIM", "t", "MAXLEN", "1") == 101


def test_add_trims(engine: Engine, run: Execute) -> None:
    for number in range(1, 1001):
        run("XADD", "s", "MAXLEN", "~", "555", f"{number}-0", "f", number)
        run("XADD", "t", "MINID", max(number - 5, 0), f"{number}-0", "f", number)
    assert run("XLEN", "s") == 600 and run("XLEN", "t") == 6
    engine.set("stream_node_max_entries", 10)
    fill(run, "u", 100)
    run("XADD", "u", "MAXLEN", "~", "55", "LIMIT", "30", "101-0", "f", "v")
    assert run("XLEN", "u") == 71
    run("XADD", "u", "MAXLEN", "~", "55", "LIMIT", "30", "102-0", "f", "v")
    assert run("XLEN", "u") == 62
    assert run("XADD", "v", "MAXLEN", "0", "7-7", "f", "v") == b"7-7"
    info = run("XINFO", "STREAM", "v")
    assert info[b"length"] == 0 and info[b"last-generated-id"] == b"7-7" and info[b"first-entry"] is None


def test_delete(run: Execute) -> None:
    fill(run, "s", 5)
    assert run("XDEL", "s", "1-0", "4-0", "5", "2-1", "1-0") == 3
    assert ids(run("XRANGE", "s", "-", "+")) == [b"2-0", b"3-0"]
    assert run("XDEL", "none", "1-0") == 0
    fails(run, NO_ID, "XDEL", "s", "2-0", "x")
    assert run("XLEN", "s") == 2
    assert run("XDEL", "s", "2-0", "3-0") == 2
    assert run("EXISTS", "s") == 1 and run("XINFO", "STREAM", "s")[b"max-deleted-entry-id"] == b"5-0"


def test_random_deletes(engine: Engine, run: Execute) -> None:
    engine.set("stream_node_max_entries", 7)
    fill(run, "s", 500)
    order = list(range(1, 501))
    random.Random(3).shuffle(order)
    for done, number in enumerate(order, 1):
        assert run("XDEL", "s", f"{number}-0") == 1
        assert run("XLEN", "s") == 500 - done
        if done % 50 == 0:
            assert ids(run("XRANGE", "s", "-", "+")) == [b"%d-0" % left for left in sorted(order[done:])]


def test_set_id(run: Execute) -> None:
    fails(run, "ERR no such key", "XSETID", "s", "1-1")
    run("XADD", "s", "5-0", "f", "v")
    assert run("XSETID", "s", "200-0") == "OK"
    assert run("XINFO", "STREAM", "s")[b"last-generated-id"] == b"200-0"
    assert run("XSETID", "s", "200-0", "ENTRIESADDED", "7", "MAXDELETEDID", "4-0") == "OK"
    info = run("XINFO", "STREAM", "s")
    assert info[b"entries-added"] == 7 and info[b"max-deleted-entry-id"] == b"4-0"
    for message, arguments in (
        ("ERR The ID specified in XSETID is smaller than the target stream top item", ["4-1"]),
        ("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id", ["3-1"]),
        ("ERR entries_added must be positive", ["5-0", "ENTRIESADDED", "-1"]),
        (
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            ["5-0", "MAXDELETEDID", "6-0"],
        ),
        (
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ["5-0", "ENTRIESADDED", "0"],
        ),
        ("ERR syntax error", ["5-0", "7"]),
    ):
        fails(run, message, "XSETID", "s", *arguments)


# --- reading


def test_range_errors(run: Execute) -> None:
    fill(run, "s", 2)
    fails(run, NO_ID, "XRANGE", "s", "(-", "+")
    fails(run, NO_ID, "XRANGE", "s", "-", "(+")
    fails(run, "ERR invalid start ID for the interval", "XRANGE", "s", f"({LARGEST}-{LARGEST}", "+")
    fails(run, "ERR invalid end ID for the interval", "XRANGE", "s", "-", "(0-0")
    fails(run, "ERR syntax error", "XRANGE", "s", "-", "+", "COUNT")
    fails(run, "ERR value is not an integer or out of range", "XRANGE", "s", "-", "+", "COUNT", "x")


def test_read(run: Execute) -> None:
    fill(run, "a", 3)
    fill(run, "b", 2)
    assert run("XREAD", "STREAMS", "a", "2") == {b"a": [[b"3-0", [b"n", b"3"]]]}
    assert run("XREAD", "COUNT", "1", "STREAMS", "none", "a", "b", "0", "0-0", "0") == {
        b"a": [[b"1-0", [b"n", b"1"]]],
        b"b": [[b"1-0", [b"n", b"1"]]],
    }
    assert run("XREAD", "STREAMS", "a", "b", "3-0", "$") is None
    assert run("XREAD", "STREAMS", "a", "b", "none", "+", "+", "+") == {
        b"a": [[b"3-0", [b"n", b"3"]]],
        b"b": [[b"2-0", [b"n", b"2"]]],
    }
    # Outside of a connection there is no waiting.
    assert run("XREAD", "BLOCK", "0", "STREAMS", "a", "$") is None
    many = [f"k{number}" for number in range(40)]
    for key in many:
        run("XADD", key, "1-1", "f", key)
    reply = run("XREAD", "STREAMS", *many, *["0"] * 40)
    assert list(reply) == [key.encode() for key in many]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["XREAD", "COUNT", "1", "STREAMS", "s"],
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
        ),
        (
            ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s"],
            "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        (["XREAD", "BLOCK", "-1", "STREAMS", "s", "0"], "ERR timeout is negative"),
        (["XREAD", "BLOCK", "x", "STREAMS", "s", "0"], "ERR timeout is not an integer or out of range"),
        (["XREAD", "BLOCK", str(2**63 - 1), "STREAMS", "s", "0"], "ERR timeout is out of range"),
        (["XREAD", "COUNT", "1", "BLOCK", "5"], "ERR syntax error"),
        (["XREAD", "STREAMS", "s", "x"], NO_ID),
        (
            ["XREAD", "STREAMS", "s", ">"],
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        (
            ["XREAD", "GROUP", "a", "b", "STREAMS", "s", "0"],
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            ["XREAD", "NOACK", "STREAMS", "s", "0"],
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (["XREADGROUP", "COUNT", "1", "NOACK", "STREAMS", "s", "0"], "ERR Missing GROUP option for XREADGROUP"),
        (
            ["XREADGROUP", "GROUP", "none", "c", "STREAMS", "s", ">"],
            "NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option",
        ),
    ],
)
def test_read_errors(run: Execute, arguments: list[str], message: str) -> None:
    run("XADD", "s", "1-1", "f", "v")
    run("XGROUP", "CREATE", "s", "g", "0")
    fails(run, message, *arguments)


# --- groups


def test_group_reads_what_is_new_and_then_its_history(run: Execute) -> None:
    fill(run, "s", 3)
    run("XGROUP", "CREATE", "s", "g", "1-0")
    first = run("XREADGROUP", "GROUP", "g", "alice", "COUNT", "1", "STREAMS", "s", ">")
    assert first == {b"s": [[b"2-0", [b"n", b"2"]]]}
    assert ids(run("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">")[b"s"]) == [b"3-0"]
    assert run("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">") is None
    assert run("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", "0") == first
    assert run("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", "2-0") == {b"s": []}
    assert run("XPENDING", "s", "g") == [2, b"2-0", b"3-0", [[b"alice", b"1"], [b"bob", b"1"]]]
    pending = run("XPENDING", "s", "g", "-", "+", "10", "alice")
    assert pending[0][:2] == [b"2-0", b"alice"] and pending[0][3] == 2
    run("XDEL", "s", "2-0")
    assert run("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", "0") == {b"s": [[b"2-0", None]]}
    assert run("XACK", "s", "g", "2-0", "2-0", "9-9") == 1
    assert run("XACK", "s", "none", "2-0") == 0 and run("XACK", "none", "g", "2-0") == 0
    fails(run, NO_ID, "XACK", "s", "g", "3-0", "x")
    assert run("XPENDING", "s", "g")[0] == 1


def test_no_ack(run: Execute) -> None:
    fill(run, "s", 2)
    run("XGROUP", "CREATE", "s", "g", "0")
    assert len(run("XREADGROUP", "GROUP", "g", "c", "NOACK", "STREAMS", "s", ">")[b"s"]) == 2
    assert run("XPENDING", "s", "g") == [0, None, None, None]
    assert run("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">") is None


def test_group_set_back_takes_pending_entries_along(run: Execute) -> None:
    fill(run, "s", 5)
    run("XGROUP", "CREATE", "s", "g", "4-0")
    run("XREADGROUP", "GROUP", "g", "c1", "STREAMS", "s", ">")
    run("XGROUP", "SETID", "s", "g", "-")
    assert len(run("XREADGROUP", "GROUP", "g", "c2", "STREAMS", "s", ">")[b"s"]) == 5
    assert run("XPENDING", "s", "g")[3] == [[b"c2", b"5"]]


def test_group_administration(run: Execute) -> None:
    missing = (
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM "
        "option to create an empty stream automatically."
    )
    fails(run, missing, "XGROUP", "CREATE", "s", "g", "$")
    assert run("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM") == "OK"
    fails(run, "BUSYGROUP Consumer Group name already exists", "XGROUP", "CREATE", "s", "g", "$")
    negative = ["XGROUP", "CREATE", "s", "h", "$", "ENTRIESREAD", "-2"]
    fails(run, "ERR value for ENTRIESREAD must be positive or -1", *negative)
    fails(run, "NOGROUP No such consumer group 'h' for key name 's'", "XGROUP", "SETID", "s", "h", "0")
    assert run("XGROUP", "CREATECONSUMER", "s", "g", "c") == 1
    assert run("XGROUP", "CREATECONSUMER", "s", "g", "c") == 0
    fill(run, "s", 3)
    run("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    assert run("XGROUP", "DELCONSUMER", "s", "g", "c") == 3
    assert run("XGROUP", "DELCONSUMER", "s", "g", "c") == 0
    assert run("XPENDING", "s", "g")[0] == 0
    assert run("XGROUP", "DESTROY", "s", "g") == 1
    assert run("XGROUP", "DESTROY", "s", "g") == 0
    assert run("XGROUP", "HELP")[0].startswith("XGROUP") and run("XINFO", "HELP")[0].startswith("XINFO")


def test_pending_filters(run: Execute) -> None:
    fill(run, "s", 4)
    run("XGROUP", "CREATE", "s", "g", "0")
    run("XREADGROUP", "GROUP", "g", "a", "COUNT", "2", "STREAMS", "s", ">")
    run("XREADGROUP", "GROUP", "g", "b", "STREAMS", "s", ">")
    assert ids(run("XPENDING", "s", "g", "-", "+", "10")) == [b"1-0", b"2-0", b"3-0", b"4-0"]
    assert ids(run("XPENDING", "s", "g", "(1-0", "(4-0", "10")) == [b"2-0", b"3-0"]
    assert ids(run("XPENDING", "s", "g", "-", "+", "3", "b")) == [b"3-0", b"4-0"]
    assert run("XPENDING", "s", "g", "-", "+", "10", "none") == []
    assert run("XPENDING", "s", "g", "IDLE", "100000", "-", "+", "10") == []
    assert len(run("XPENDING", "s", "g", "IDLE", "0", "-", "+", "10", "a")) == 2
    assert run("XPENDING", "s", "g", "-", "+", "-1") == []
    fails(run, "ERR syntax error", "XPENDING", "s", "g", "-", "+")
    fails(run, "NOGROUP No such key 's' or consumer group 'h'", "XPENDING", "s", "h")


def test_claim(engine: Engine, run: Execute) -> None:
    fill(run, "s", 4)
    run("XGROUP", "CREATE", "s", "g", "0")
    run("XREADGROUP", "GROUP", "g", "a", "COUNT", "3", "STREAMS", "s", ">")
    assert run("XCLAIM", "s", "g", "b", "0", "1-0") == [[b"1-0", [b"n", b"1"]]]
    assert run("XCLAIM", "s", "g", "b", "100000", "2-0") == []
    assert run("XCLAIM", "s", "g", "b", "0", "4-0") == []
    assert run("XCLAIM", "s", "g", "b", "0", "4-0", "FORCE", "JUSTID") == [b"4-0"]
    assert run("XCLAIM", "s", "g", "b", "0", "2-0", "RETRYCOUNT", "9", "IDLE", "5000", "LASTID", "4-0") != []
    row = run("XPENDING", "s", "g", "2-0", "2-0", "1")[0]
    assert row[1] == b"b" and row[2] >= 5000 and row[3] == 9
    run("XDEL", "s", "3-0")
    assert run("XCLAIM", "s", "g", "b", "0", "3-0", "2-0", "JUSTID") == [b"2-0"]
    assert ids(run("XPENDING", "s", "g", "-", "+", "10")) == [b"1-0", b"2-0", b"4-0"]
    fails(run, "ERR Unrecognized XCLAIM option 'FOO'", "XCLAIM", "s", "g", "b", "0", "1-0", "FOO")
    fails(run, "ERR Invalid min-idle-time argument for XCLAIM", "XCLAIM", "s", "g", "b", "x", "1-0")
    fails(run, "ERR Invalid IDLE option argument for XCLAIM", "XCLAIM", "s", "g", "b", "0", "1-0", "IDLE", "x")
    fails(run, "NOGROUP No such key 's' or consumer group 'h'", "XCLAIM", "s", "h", "b", "0", "1-0")


def test_claim_of_what_is_idle(run: Execute) -> None:
    fill(run, "s", 5)
    run("XGROUP", "CREATE", "s", "g", "0")
    run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    assert run("XAUTOCLAIM", "s", "g", "b", "0", "-", "COUNT", "2", "JUSTID") == [b"3-0", [b"1-0", b"2-0"], []]
    run("XDEL", "s", "3-0")
    assert run("XAUTOCLAIM", "s", "g", "b", "0", "3-0", "COUNT", "1") == [b"4-0", [], [b"3-0"]]
    assert run("XAUTOCLAIM", "s", "g", "b", "0", "4-0") == [
        b"0-0",
        [[b"4-0", [b"n", b"4"]], [b"5-0", [b"n", b"5"]]],
        [],
    ]
    assert run("XPENDING", "s", "g")[3] == [[b"b", b"4"]]
    assert run("XAUTOCLAIM", "s", "g", "b", "100000", "-") == [b"0-0", [], []]
    for count in ("0", "8070450532247928833"):
        fails(run, "ERR COUNT must be > 0", "XAUTOCLAIM", "s", "g", "b", "0", "-", "COUNT", count)


# --- information, copies, release


def test_information(run: Execute) -> None:
    fill(run, "s", 4)
    run("XGROUP", "CREATE", "s", "g", "0")
    run("XREADGROUP", "GROUP", "g", "a", "COUNT", "2", "STREAMS", "s", ">")
    info = run("XINFO", "STREAM", "s")
    assert list(info) == [
        b"length", b"radix-tree-keys", b"radix-tree-nodes", b"last-generated-id", b"max-deleted-entry-id",
        b"entries-added", b"recorded-first-entry-id", b"groups", b"first-entry", b"last-entry",
    ]  # fmt: skip
    assert info[b"first-entry"] == [b"1-0", [b"n", b"1"]] and info[b"last-entry"] == [b"4-0", [b"n", b"4"]]
    assert run("XINFO", "GROUPS", "s") == [
        {b"name": b"g", b"consumers": 1, b"pending": 2, b"last-delivered-id": b"2-0", b"entries-read": 2, b"lag": 2}
    ]
    (consumer,) = run("XINFO", "CONSUMERS", "s", "g")
    assert list(consumer) == [b"name", b"pending", b"idle", b"inactive"] and consumer[b"pending"] == 2
    full = run("XINFO", "STREAM", "s", "FULL", "COUNT", "1")
    assert len(full) == 9 and full[b"entries"] == [[b"1-0", [b"n", b"1"]]]
    (group,) = full[b"groups"]
    assert group[b"pel-count"] == 2 and group[b"pending"][0][:2] == [b"1-0", b"a"] and len(group[b"pending"]) == 1
    (consumer,) = group[b"consumers"]
    assert consumer[b"seen-time"] == consumer[b"active-time"] > 0
    fails(run, "ERR no such key", "XINFO", "STREAM", "none")
    fails(run, "NOGROUP No such consumer group 'h' for key name 's'", "XINFO", "CONSUMERS", "s", "h")


def lag_of(run: Execute, group: str = "g") -> Any:
    return next(row[b"lag"] for row in run("XINFO", "GROUPS", "s") if row[b"name"] == group.encode())


@pytest.mark.parametrize(
    ("read", "then", "lag"),
    [
        (1, ("XTRIM", "s", "MAXLEN", "2"), 2),
        (2, ("XTRIM", "s", "MAXLEN", "0"), 0),
        (2, ("XDEL", "s", "1-0", "2-0", "3-0", "4-0", "5-0"), 0),
        (2, ("XDEL", "s", "1-0"), 3),
        (2, ("XDEL", "s", "4-0"), None),
        (0, ("XDEL", "s", "1-0"), 4),
        (0, ("XGROUP", "SETID", "s", "g", "0", "ENTRIESREAD", "100"), 5),
        (0, ("XGROUP", "SETID", "s", "g", "2-0", "ENTRIESREAD", "100"), None),
        (0, ("XGROUP", "SETID", "s", "g", "$", "ENTRIESREAD", "9223372036854775807"), 0),
        (3, ("XSETID", "s", "5-0", "ENTRIESADDED", "5", "MAXDELETEDID", "5-0"), None),
    ],
)
def test_lag_after(run: Execute, read: int, then: tuple[str, ...], lag: int | None) -> None:
    fill(run, "s", 5)
    run("XGROUP", "CREATE", "s", "g", "0")
    if read:
        run("XREADGROUP", "GROUP", "g", "c", "COUNT", read, "STREAMS", "s", ">")
    run(*then)
    assert lag_of(run) == lag


@pytest.mark.parametrize("seed", range(20))
def test_lag_is_what_is_left_to_read_or_unknown(run: Execute, seed: int) -> None:
    chance = random.Random(seed)
    known = 0
    fill(run, "s", 3)
    run("XGROUP", "CREATE", "s", "g", "0")
    newest = 3
    for _ in range(150):
        kind = chance.random()
        if kind < 0.4:
            newest += chance.choice((1, 1, 2))
            run("XADD", "s", f"{newest}-0", "n", "x")
        elif kind < 0.55:
            run("XDEL", "s", f"{max(0, newest - chance.randrange(6))}-0")
        elif kind < 0.65:
            run("XTRIM", "s", "MAXLEN", chance.randrange(5))
        elif kind < 0.7:
            run("XGROUP", "SETID", "s", "g", chance.choice(("0", "$", f"{max(0, newest - 2)}-0")),
                *chance.choice(((), ("ENTRIESREAD", 10**9), ("ENTRIESREAD", 2**63 - 1))))
        else:
            run("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", ">")
        last = run("XINFO", "GROUPS", "s")[0][b"last-delivered-id"].decode()
        lag = lag_of(run)
        assert lag in (None, len(run("XRANGE", "s", f"({last}", "+")))
        known += lag is not None
    assert known > 50


def test_copy_is_apart(run: Execute) -> None:
    fill(run, "s", 250)
    run("XGROUP", "CREATE", "s", "g", "0")
    run("XREADGROUP", "GROUP", "g", "a", "COUNT", "50", "STREAMS", "s", ">")
    assert run("COPY", "s", "t") == 1
    assert run("XRANGE", "t", "-", "+") == run("XRANGE", "s", "-", "+")
    assert run("XINFO", "STREAM", "t", "FULL") == run("XINFO", "STREAM", "s", "FULL")
    run("DEL", "s")
    assert run("XPENDING", "t", "g")[0] == 50 and run("XLEN", "t") == 250
    run("XTRIM", "t", "MAXLEN", "10")
    assert len(run("XRANGE", "t", "-", "+")) == 10


def test_nothing_is_leaked(engine: Engine, run: Execute) -> None:
    used = []
    # The first turn is there for what each command takes once, for its statistics.
    for removal in ("DEL", "UNLINK", "DEL", "UNLINK"):
        fill(run, "s", 1000)
        for group in ("g", "h"):
            run("XGROUP", "CREATE", "s", group, "0")
            run("XREADGROUP", "GROUP", group, "alice", "COUNT", "400", "STREAMS", "s", ">")
            run("XREADGROUP", "GROUP", group, "bob", "STREAMS", "s", ">")
        run(removal, "s")
        while engine.before_sleep():
            pass
        used.append(engine.memory["used"])
    assert used[1] == used[2] == used[3]
