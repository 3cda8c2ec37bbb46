"""Dumps as JSON Lines: what is written is restored, and what is wrong is refused by line."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite.persistence.json_lines import JsonDumpError, load_dump, load_file, write_dump
from redislite.persistence.json_snapshot import read_json


def dump(engine: Engine) -> bytes:
    file = io.BytesIO()
    write_dump(engine, file)
    return file.getvalue()


def load(data: bytes) -> Engine:
    engine = Engine()
    load_dump(engine, io.BytesIO(data))
    return engine


def keys(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()[1:-1]]


def same_again(engine: Engine) -> None:
    data = dump(engine)
    again = dump(load(data))
    assert again.splitlines()[1:] == data.splitlines()[1:]


def test_it_is_readable() -> None:
    engine = Engine()
    for line in ("SET greeting hällo", "RPUSH list a b", "SADD set 1 2", "HSET hash f v", "ZADD zset 1 a 0.1 b inf c"):
        engine.execute(*line.split())
    engine.execute("SELECT", 3)
    engine.execute("SET", "other", b"\xff\x00", "PXAT", 4102444800000)
    lines = dump(engine).decode().splitlines()
    assert json.loads(lines[0])["version"] == 3
    assert lines[1:] == [
        '{"db": 0, "key": "greeting", "type": "string", "value": "hällo"}',
        '{"db": 0, "key": "hash", "type": "hash", "value": {"f": "v"}}',
        '{"db": 0, "key": "list", "type": "list", "value": ["a", "b"]}',
        '{"db": 0, "key": "set", "type": "set", "value": ["1", "2"]}',
        '{"db": 0, "key": "zset", "type": "zset", "value": [["b", 0.1], ["a", 1], ["c", "inf"]]}',
        '{"db": 3, "key": "other", "type": "string", "value": {"base64": "/wA="}, "expires_ms": 4102444800000}',
        '{"end": true, "keys": 6}',
    ]


@pytest.mark.parametrize("deleted", [("1-1",), ("2-1",), ("3-1",), ("1-1", "2-1", "3-1")])
def test_what_is_pending_may_have_been_deleted(deleted: tuple[str, ...]) -> None:
    engine = Engine()
    for id in ("1-1", "2-1", "3-1"):
        engine.execute("XADD", "stream", id, "field", "value")
    for group in ("one", "two"):
        engine.execute("XGROUP", "CREATE", "stream", group, "0")
        engine.execute("XREADGROUP", "GROUP", group, "consumer", "STREAMS", "stream", ">")
    engine.execute("XDEL", "stream", *deleted)
    same_again(engine)
    assert load(dump(engine)).execute("XPENDING", "stream", "one")[0] == 3


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_what_is_pending_may_have_been_trimmed(kept: int) -> None:
    """Trimming does not count as deleting: `max_deleted_id` stays."""
    engine = Engine()
    for id in ("1-1", "2-1", "3-1"):
        engine.execute("XADD", "stream", id, "field", "value")
    engine.execute("XGROUP", "CREATE", "stream", "group", "0")
    engine.execute("XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">")
    engine.execute("XTRIM", "stream", "MAXLEN", kept)
    same_again(engine)
    assert keys(dump(load(dump(engine))))[0]["value"]["max_deleted_id"] == "0-0"
    if kept == 2:
        engine.execute("XDEL", "stream", "3-1")
        same_again(engine)


def test_a_dump_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    engine = Engine()
    engine.execute("SET", "key", "value")
    path = tmp_path / "dump.json"
    path.write_bytes(dump(engine))
    engine.execute("DEL", "key")
    with path.open("rb") as file:
        # Nobody, not even root, creates files beside this name.
        assert read_json(engine, f"/proc/self/fd/{file.fileno()}")["keys"] == 1
    assert engine.execute("GET", "key") == b"value"


def test_libraries_of_functions() -> None:
    engine = Engine()
    for code in (b"#!lua name=one\nreturn 1", b"#!lua name=two\n\xff"):
        engine.add_function_library(code)
    engine.execute("SET", "function", "a key like any other")
    data = dump(engine)
    assert data.splitlines()[1] == b'{"function": "#!lua name=one\\nreturn 1"}'
    again = load(data)
    assert again.function_libraries == engine.function_libraries and again.database_size(0) == 1
    lines = data.splitlines(keepends=True)
    with pytest.raises(JsonDumpError, match="a library of functions named one already"):
        load(b"".join([*lines[:2], *lines[1:]]))
    same_again(engine)


def test_an_earlier_version_is_read() -> None:
    data = dump(load(HEADER + STRING + b'{"end": true, "keys": 1}\n')).splitlines()
    assert json.loads(data[1]) == json.loads(STRING) and json.loads(data[-1])["keys"] == 1


BYTES = st.one_of(st.binary(max_size=20), st.text(max_size=20).map(str.encode), st.integers().map(lambda n: b"%d" % n))


@settings(max_examples=25, deadline=None)
@given(
    strings=st.dictionaries(BYTES, BYTES, max_size=5),
    elements=st.lists(BYTES, min_size=1, max_size=300),
    fields=st.dictionaries(BYTES, BYTES, min_size=1, max_size=20),
    scores=st.dictionaries(BYTES, st.floats(allow_nan=False), min_size=1, max_size=200),
    deadline=st.integers(4_000_000_000_000, 2**48),
)
def test_whatever_the_bytes_are(
    strings: dict[bytes, bytes],
    elements: list[bytes],
    fields: dict[bytes, bytes],
    scores: dict[bytes, float],
    deadline: int,
) -> None:
    engine = Engine()
    for key, value in strings.items():
        engine.execute("SET", key, value)
    engine.execute("SELECT", 1)
    engine.execute("RPUSH", "list", *elements)
    engine.execute("SADD", b"set\xff", *elements)
    engine.execute("HSET", "hash", *(part for pair in fields.items() for part in pair))
    engine.execute("HPEXPIREAT", "hash", deadline, "FIELDS", 1, next(iter(fields)))
    engine.execute("ZADD", "zset", *(part for member, score in scores.items() for part in (score, member)))
    engine.execute("PEXPIREAT", "zset", deadline)
    same_again(engine)
    restored = load(dump(engine))
    restored.execute("SELECT", 1)
    assert restored.execute("LRANGE", "list", 0, -1) == elements
    assert restored.execute("HPEXPIRETIME", "hash", "FIELDS", 1, next(iter(fields))) == [deadline]
    assert restored.execute("PEXPIRETIME", "zset") == deadline
    assert dict(restored.execute("ZRANGE", "zset", 0, -1, "WITHSCORES")) == scores


def test_streams_with_groups_and_what_they_have_pending() -> None:
    engine = Engine()
    for number in range(1, 2501):
        engine.execute("XADD", "stream", f"{number}-1", "field", number, b"\xfe", "value")
    for line in (
        "XDEL stream 7-1",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice COUNT 5 STREAMS stream >",
        "XREADGROUP GROUP group bob COUNT 3 STREAMS stream >",
        "XACK stream group 2-1",
        "XGROUP CREATECONSUMER stream group idle",
        "XGROUP CREATE stream other 100-0",
        "XADD empty 5-5 a b",
        "XDEL empty 5-5",
        "XGROUP CREATE never group $ MKSTREAM",
    ):
        engine.execute(*line.split())
    same_again(engine)
    restored = load(dump(engine))
    assert restored.execute("XPENDING", "stream", "group") == engine.execute("XPENDING", "stream", "group")
    assert restored.execute("XLEN", "stream") == 2499
    assert restored.execute("XINFO", "STREAM", "empty")[b"last-generated-id"] == b"5-5"
    assert restored.execute("XINFO", "STREAM", "never")[b"entries-added"] == 0


def test_what_has_expired_is_left_out() -> None:
    engine = Engine()
    engine.execute("SET", "short", "v", "PX", 1000)
    engine.execute("SET", "long", "v", "EX", 1000)
    data = dump(engine)
    later = Engine()
    later.clock_offset_ms = 5000
    assert load_dump(later, io.BytesIO(data)) == 1
    engine.clock_offset_ms = 5000
    assert [line["key"] for line in keys(dump(engine))] == ["long"]


HEADER = b'{"format": "redislite", "version": 1}\n'
STRING = b'{"db": 0, "key": "k", "type": "string", "value": "v"}\n'


def line_with(**changes: object) -> bytes:
    return json.dumps({"db": 0, "key": "k", "type": "string", "value": "v", **changes}).encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", 1, "cut off"),
        (b"REDIS0011", 1, "not JSON"),
        (b"[]\n", 1, "is to be an object"),
        (b'{"format": "other", "version": 1}\n', 1, "begins with"),
        (b'{"format": "redislite", "version": 4}\n', 1, "newer"),
        (b'{"format": "redislite", "version": "1"}\n', 1, "whole number"),
        (HEADER, 2, "cut off"),
        (HEADER + STRING, 3, "cut off"),
        (HEADER + STRING[:-5] + b"\n", 2, "not JSON"),
        (HEADER + STRING + b'{"end": true, "keys": 2}\n', 3, "says that it has 2 keys"),
        (HEADER + STRING + STRING, 3, "twice"),
        (HEADER + b'{"end": true, "keys": 0}\n' + STRING, 3, "behind the last line"),
        (HEADER + b'{"db": 0, "db": 1, "key": "k"}\n', 2, "'db' stands in one object twice"),
        (HEADER + line_with(db=16), 2, "database 16: there are 16"),
        (HEADER + line_with(db=True), 2, "whole number"),
        (HEADER + line_with(key=1), 2, "the key is to be a string"),
        (HEADER + line_with(key={"base64": "?"}), 2, "not base64"),
        (HEADER + line_with(key="\udc80"), 2, "surrogate"),
        (HEADER + line_with(type="tree"), 2, "type is to be one of"),
        (HEADER + line_with(value=["v"]), 2, "the value is to be a string"),
        (HEADER + line_with(unknown=1), 2, "'unknown'"),
        (HEADER + line_with(expires_ms=-1), 2, "expires_ms"),
        (HEADER + line_with(field_expires_ms=[]), 2, "only a hash"),
        (HEADER + line_with(type="list", value=[]), 2, "cannot exist"),
        (HEADER + line_with(type="set", value=["a", "a"]), 2, "twice"),
        (HEADER + line_with(type="hash", value={"f": 1}), 2, "a field's value"),
        (HEADER + line_with(type="hash", value=[["f", "v", "w"]]), 2, "array of two"),
        (HEADER + line_with(type="zset", value=[["m", "nan"]]), 2, "a score"),
        (HEADER + line_with(type="zset", value=[["m", 1], ["m", 2]]), 2, "twice"),
        (HEADER + line_with(type="zset", value=[["m", 10**400]]), 2, "range of a double"),
        (HEADER + line_with(type="hash", value={"f": "v"}, field_expires_ms=[["g", 1]]), 2, '"g", which is no field'),
        (HEADER + line_with(type="hash", value={"f": "v"}, field_expires_ms=[["f", 1], ["f", 2]]), 2, "twice"),
        (HEADER + line_with(type="stream", value={}), 2, "lacks 'entries'"),
        (
            HEADER
            + line_with(
                type="stream",
                value={
                    "entries": [["2-1", [["f", "v"]]], ["1-1", [["f", "v"]]]],
                    "last_id": "2-1", "entries_added": 2, "max_deleted_id": "0-0", "groups": [],
                },
            ),
            2,
            "equal or smaller",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_line(data: bytes, line: int, what: str) -> None:
    engine = Engine()
    with pytest.raises(JsonDumpError, match=what) as caught:
        load_dump(engine, io.BytesIO(data))
    assert caught.value.line == line
    assert engine.database_size(0) == (1 if data.startswith(HEADER + STRING) else 0)
    assert engine.execute("SET", "still", "works") == "OK"


# Lines that are longer than what there is to hold them


def peak_of(target: Any, *arguments: Any) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(JsonDumpError):
            target(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BEGINNING = b'{"format": "redislite", "version": 2}\n'
BOMB = 64 << 20


@pytest.mark.parametrize(
    ("head", "filling"),
    [
        (b"", b"a"),
        (b"", b"\0"),
        (b'{"format": "', b"a"),
        (BEGINNING, b"a"),
        (BEGINNING, b" "),
        (BEGINNING + b'{"', b"a"),
        (BEGINNING + b'{"db": 0, "key": "k", "type": "string", "value": ', b"1"),
        (BEGINNING + b'{"db": 0, "key": "k", "type": "string", "value": ', b"["),
        (BEGINNING + b'{"db": 0, "key": "k", "type": "string", "value": "', b"a"),
        (BEGINNING + b'{"db": 0, "key": "k", "type": "string", "value": "', b"\\\\"),
        (BEGINNING + b'{"db": 0, "key": "', b'\\"'),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "json.gz"])
def test_a_line_that_goes_on_and_on(tmp_path: Path, head: bytes, filling: bytes, suffix: str) -> None:
    path = tmp_path / f"bomb.{suffix}"
    with gzip.open(path, "wb", 1) if suffix == "json.gz" else path.open("wb") as file:
        file.write(head)
        for _ in range(BOMB >> 20):
            file.write(filling * ((1 << 20) // len(filling)))
    engine = Engine()
    engine.set("max_bulk_length", 1 << 20)
    assert peak_of(load_file, engine, str(path), lambda _read: None) < 12 << 20


@pytest.mark.parametrize("value", ['"\\' * 3_000_000, "é\n" * 3_000_000, "\x00" * 2_000_000, "a" * 5_000_000])
def test_long_strings(value: str) -> None:
    engine = Engine()
    engine.execute("SET", "k", value)
    engine.execute("RPUSH", "l", *(["", value, "x"] * 2))
    engine.execute("SET", "b", b"\xff" * 3_000_000)
    same_again(engine)


def test_many_long_lines() -> None:
    engine = Engine()
    engine.execute("SADD", "s", *(f'member "{number}" \\' * 3 for number in range(100_000)))
    engine.execute("HSET", "h", *(f"{number}\\" for number in range(200_000)))
    same_again(engine)
