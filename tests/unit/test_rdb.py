"""The RDB format: files and DUMP payloads out and in again, every version's forms, what is refused with which words."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdb_samples import (
    FAR_MS,
    crc64,
    file_of,
    fill,
    length,
    listpack,
    load,
    payload,
    saved,
    state,
    string,
    value_of,
    ziplist,
    zipmap,
)

from redislite._core.engine import Engine
from redislite._core.persistence.fork import ChildReport
from redislite._core.persistence.rdb_snapshot import RdbError
from redislite._core.probes import crc64 as probe_crc64
from redislite._core.protocol.reply_types import CommandError

EXPIRE_MS, EXPIRE, SELECT, RESIZE, AUX, FREQ, IDLE = b"\xfc", b"\xfd", b"\xfe", b"\xfb", b"\xfa", b"\xf9", b"\xf8"
FUNCTION = b"\xf5"


@pytest.fixture
def engine() -> Engine:
    return Engine()


def key(type_number: int, name: bytes, body: bytes) -> bytes:
    return bytes([type_number]) + string(name) + body


def restore(engine: Engine, type_number: int, body: bytes, version: int = 11) -> Any:
    engine.execute("RESTORE", "k", 0, payload(type_number, body, version), "REPLACE")
    return value_of(engine, b"k")


def encoding(engine: Engine, name: str = "k") -> str:
    answer = engine.execute("OBJECT", "ENCODING", name)
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def refused(engine: Engine, *command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*command)
    return str(caught.value)


# The checksum


@given(st.binary(max_size=3000), st.integers(0, 2**64 - 1), st.integers(0, 3000))
def test_checksum_is_the_same_by_every_way(data: bytes, start: int, cut: int) -> None:
    expected = crc64(data, start)
    assert probe_crc64.update(start, data) == expected
    assert probe_crc64.update_portable(start, data) == expected
    assert probe_crc64.update(probe_crc64.update(start, data[:cut]), data[cut:]) == expected


def test_checksum_of_the_known_text() -> None:
    assert probe_crc64.update(0, b"123456789") == 0xE9C6D914C4B8D9CA


# Round trips


@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize("valkey", [0, 1])
def test_a_file_gives_back_everything(engine: Engine, compression: int, valkey: int) -> None:
    fill(engine)
    engine.set("rdb_compression", compression)
    engine.set("rdb_valkey_fields", valkey)
    other = Engine()
    data = saved(engine, aux={b"redis-ver": b"7.2.4"}, functions=[b"#!lua name=one"])
    result = load(other, data)
    assert state(other) == state(engine)
    assert result["aux"] == {b"redis-ver": b"7.2.4"}
    assert result["functions"] == [b"#!lua name=one"]
    assert result["keys"] == len(state(engine))
    assert result["bytes"] == len(data) and result["rest"] == b"" and result["checked"]
    assert data.startswith(b"VALKEY080" if valkey else b"REDIS0012")
    assert result["version"] == (80 if valkey else 12)
    assert other.database_statistics(0)["field_expires"] == 1
    # What was loaded is written as it was read.
    assert load(Engine(), saved(other))["keys"] == result["keys"]


def test_files_without_timed_fields_say_version_11(engine: Engine) -> None:
    engine.execute("SET", "a", "b")
    assert saved(engine).startswith(b"REDIS0011")


def test_every_value_survives_dump_and_restore(engine: Engine) -> None:
    fill(engine)
    before = state(engine)
    for number, name in before:
        engine.execute("SELECT", number)
        for valkey in (0, 1):
            engine.set("rdb_valkey_fields", valkey)
            data = engine.execute("DUMP", name)
            deadline = max(0, before[number, name][2])
            assert engine.execute("RESTORE", name, deadline, data, "REPLACE", "ABSTTL") == "OK"
    assert state(engine) == before


texts = st.one_of(
    st.binary(max_size=80),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
    st.builds(lambda unit, count: unit * count, st.binary(min_size=1, max_size=9), st.integers(1, 400)),
)
collections = st.one_of(
    st.tuples(st.just("SET"), texts.map(lambda text: [text])),
    st.tuples(st.just("RPUSH"), st.lists(texts, min_size=1, max_size=60)),
    st.tuples(st.just("SADD"), st.lists(texts, min_size=1, max_size=60)),
    st.tuples(
        st.just("HSET"), st.dictionaries(texts, texts, min_size=1, max_size=40).map(lambda d: sum(d.items(), ()))
    ),
    st.tuples(
        st.just("ZADD"),
        st.dictionaries(texts, st.floats(allow_nan=False).map(repr), min_size=1, max_size=40).map(
            lambda d: [part for member, score in d.items() for part in (score, member)]
        ),
    ),
    st.tuples(
        st.just("XADD"),
        st.dictionaries(texts, texts, min_size=1, max_size=10).map(lambda d: ["*", *sum(d.items(), ())]),
    ),
)


@given(st.dictionaries(st.binary(max_size=40), collections, max_size=8), st.integers(1, 20), st.booleans())
def test_whatever_is_stored_comes_back(commands: dict[bytes, Any], most: int, compression: bool) -> None:
    engine = Engine()
    for name in ("hash_max_listpack_entries", "set_max_listpack_entries", "set_max_intset_entries",
                 "zset_max_listpack_entries", "list_max_listpack_size"):  # fmt: skip
        engine.set(name, most)
    engine.set("rdb_compression", compression)
    other = Engine()
    for name in ("hash_max_listpack_entries", "set_max_listpack_entries", "set_max_intset_entries",
                 "zset_max_listpack_entries", "list_max_listpack_size"):  # fmt: skip
        other.set(name, most)
    for name, (command, arguments) in commands.items():
        engine.execute(command, name, *arguments)
    load(other, saved(engine))
    assert {k: v[3] for k, v in state(other).items()} == {k: v[3] for k, v in state(engine).items()}
    for name in commands:
        engine.execute("RESTORE", name, 0, engine.execute("DUMP", name), "REPLACE")
    assert {k: v[3] for k, v in state(engine).items()} == {k: v[3] for k, v in state(other).items()}


def test_thresholds_of_today_decide_the_encoding(engine: Engine) -> None:
    fill(engine)
    data = saved(engine)
    other = Engine()
    for name in ("hash_max_listpack_entries", "set_max_listpack_entries", "set_max_intset_entries",
                 "zset_max_listpack_entries", "list_max_listpack_size"):  # fmt: skip
        other.set(name, 1)
    load(other, data)
    found = {
        name.decode(): facts for (number, name), facts in state(other).items() if number == 0 and b"\x00" not in name
    }
    assert found["hash:listpack"][1] == "hashtable"
    assert found["set:listpack"][1] == "hashtable"
    assert found["set:intset"][1] == "hashtable"
    assert found["zset:listpack"][1] == "skiplist"
    assert found["list:listpack"][1] == "quicklist"
    assert {k: v[3] for k, v in state(other).items()} == {k: v[3] for k, v in state(engine).items()}


def test_compressed_list_nodes_stay_compressed_in_the_file() -> None:
    engine = Engine()
    engine.set("list_compress_depth", 1)
    engine.execute("RPUSH", "l", *("element " * 10 for _ in range(3000)))
    other = Engine()
    other.set("list_compress_depth", 2)
    load(other, saved(engine))
    assert state(other) == state(engine)
    assert len(saved(engine)) < 30_000


# Access bits


def test_idle_time_and_frequency_go_along(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    engine.clock_offset_ms = 100_000
    engine.set("rdb_access", 1)
    data = saved(engine)
    assert IDLE + b"\x40" in data or IDLE in data
    other = Engine()
    other.clock_offset_ms = 100_000
    load(other, data)
    assert 98 <= other.execute("OBJECT", "IDLETIME", "k") <= 102
    engine.execute("RESTORE", "k", 0, engine.execute("DUMP", "k"), "REPLACE", "IDLETIME", 1000)
    assert 998 <= engine.execute("OBJECT", "IDLETIME", "k") <= 1002
    engine.set("lfu", 1)
    engine.set("rdb_access", 2)
    engine.execute("RESTORE", "k", 0, engine.execute("DUMP", "k"), "REPLACE", "FREQ", 77)
    other.set("lfu", 1)
    load(other, saved(engine), replace=True)
    assert other.inspect(0, b"k")["frequency"] == 77  # type: ignore[index]


# Old forms

OLD = [
    (1, length(3) + string(b"a") + b"\xc0\x05" + string(b""), [b"a", b"5", b""], "listpack"),
    (2, length(2) + string(b"1") + string(b"2"), {b"1", b"2"}, "intset"),
    (2, length(2) + string(b"1") + string(b"x"), {b"1", b"x"}, "listpack"),
    (3, length(3) + string(b"a") + b"\x031.5" + string(b"b") + b"\xfe" + string(b"c") + b"\xff",
     [[b"c", -float("inf")], [b"a", 1.5], [b"b", float("inf")]], "listpack"),
    (4, length(1) + string(b"f") + string(b"v"), {b"f": b"v"}, "listpack"),
    (5, length(1) + string(b"m") + struct.pack("<d", 0.1), [[b"m", 0.1]], "listpack"),
    (9, string(zipmap((b"a", b"1"), (b"b" * 300, b"2" * 300))), {b"a": b"1", b"b" * 300: b"2" * 300}, "hashtable"),
    (9, string(zipmap((b"a", b"1"), (b"b", b"22"), spare=3)), {b"a": b"1", b"b": b"22"}, "listpack"),
    (10, string(ziplist(b"a", 0, 12, 13, -128, 1000, -70000, 2**30, -(2**62), b"x" * 70, b"y" * 20000, b"z")),
     [b"a", b"0", b"12", b"13", b"-128", b"1000", b"-70000", b"%d" % 2**30, b"%d" % -(2**62), b"x" * 70, b"y" * 20000,
      b"z"], "quicklist"),
    (12, string(ziplist(b"a", 1, b"b", b"2.5")), [[b"a", 1.0], [b"b", 2.5]], "listpack"),
    (13, string(ziplist(b"f", b"v", b"n", 7)), {b"f": b"v", b"n": b"7"}, "listpack"),
    (14, length(2) + string(ziplist(b"a")) + string(ziplist(b"b", 3)), [b"a", b"b", b"3"], "quicklist"),
    (14, length(1) + string(ziplist(b"a", b"b")), [b"a", b"b"], "listpack"),
    (18, length(2) + b"\x01" + string(b"plain") + b"\x02" + string(listpack(b"a", 1)), [b"plain", b"a", b"1"],
     "quicklist"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "body", "value", "form"), OLD)
def test_old_forms_are_read(engine: Engine, number: int, body: bytes, value: object, form: str) -> None:
    assert restore(engine, number, body) == value
    assert encoding(engine) == form
    other = Engine()
    load(other, file_of(SELECT + b"\x00", key(number, b"k", body), version=6))
    assert value_of(other, b"k") == value


def test_hash_fields_with_deadlines_of_every_server(engine: Engine) -> None:
    at = FAR_MS + 5
    redis = struct.pack("<Q", FAR_MS) + length(2) + length(6) + string(b"a") + string(b"1")
    redis += length(0) + string(b"b") + string(b"2")
    packed = struct.pack("<Q", at) + string(listpack(b"a", 1, at, b"b", 2, 0))
    early = length(2) + length(at) + string(b"a") + string(b"1") + length(0) + string(b"b") + string(b"2")
    valkey = length(2) + string(b"a") + string(b"1") + struct.pack("<q", at)
    valkey += string(b"b") + string(b"2") + struct.pack("<q", -1)
    for number, body, version in (
        (24, redis, 12), (25, packed, 12), (22, early, 12), (23, string(listpack(b"a", 1, at, b"b", 2, 0)), 12),
        (22, valkey, 80), (22, valkey, 11),
    ):  # fmt: skip
        assert restore(engine, number, body, version) == {b"a": b"1", b"b": b"2"}
        assert engine.execute("HPEXPIRETIME", "k", "FIELDS", 2, "a", "b") == [at, -1]


def test_fields_whose_time_is_up_are_left_out(engine: Engine) -> None:
    engine.set("loads_expired_fields", 0)
    body = length(2) + string(b"a") + string(b"1") + struct.pack("<q", 1000)
    body += string(b"b") + string(b"2") + struct.pack("<q", -1)
    assert restore(engine, 22, body, 80) == {b"b": b"2"}
    gone = length(1) + string(b"a") + string(b"1") + struct.pack("<q", 1000)
    assert load(engine, file_of(key(22, b"x", gone)))["empty"] == 1
    assert load(engine, file_of(key(22, b"x", gone)), keep_expired=True)["keys"] == 1


def test_fields_whose_time_is_up_wait_for_active_expiry(engine: Engine) -> None:
    engine.set("loads_expired_fields", 1)
    body = length(2) + string(b"a") + string(b"1") + struct.pack("<q", 1000)
    body += string(b"b") + string(b"2") + struct.pack("<q", -1)
    gone = length(1) + string(b"a") + string(b"1") + struct.pack("<q", 1000)
    facts = load(engine, file_of(key(22, b"k", body) + key(22, b"x", gone)))
    assert facts["keys"] == 2 and facts["empty"] == 0
    assert engine.execute("HLEN", "k") == 2 and engine.execute("HGETALL", "k") == {b"b": b"2"}
    engine.cron(100000)
    assert engine.execute("HLEN", "k") == 1 and engine.execute("EXISTS", "x") == 0
    assert engine.statistics["expired_fields"] == 2


def test_opcodes_around_keys(engine: Engine) -> None:
    data = file_of(
        AUX + string(b"name") + string(b"value"), FUNCTION + string(b"code"),
        SELECT + b"\x02", RESIZE + length(5) + length(3),
        EXPIRE_MS + struct.pack("<Q", FAR_MS) + key(0, b"ms", string(b"v")),
        EXPIRE + struct.pack("<I", FAR_MS // 1000) + key(0, b"s", string(b"v")),
        IDLE + length(20) + key(0, b"idle", string(b"v")),
        FREQ + b"\x07" + key(0, b"freq", b"\xc1\x2c\x01"),
        EXPIRE_MS + struct.pack("<Q", 1000) + key(0, b"gone", string(b"v")),
        key(16, b"nothing", string(listpack())), b"\xf4" + length(1) * 3,
    )  # fmt: skip
    result = load(engine, data)
    assert (result["keys"], result["expires"], result["expired"], result["empty"]) == (4, 2, 1, 1)
    assert result["empty_names"] == [b"nothing"]
    assert result["aux"] == {b"name": b"value"} and result["functions"] == [b"code"]
    engine.execute("SELECT", 2)
    assert engine.execute("PEXPIRETIME", "ms") == engine.execute("PEXPIRETIME", "s") == FAR_MS
    assert engine.execute("GET", "freq") == b"300"
    assert load(Engine(), data, keep_expired=True)["keys"] == 5


def test_a_pipe_may_hold_more_behind_the_data(engine: Engine) -> None:
    engine.execute("SET", "k", "v" * 5000)
    data = saved(engine)
    reading, writing = os.pipe()
    os.write(writing, data + b"more")
    os.close(writing)
    other = Engine()
    result = other.load_rdb(reading)
    os.close(reading)
    assert result["rest"] == b"more" and result["bytes"] == len(data)
    assert other.execute("GET", "k") == b"v" * 5000


# What is refused

BROKEN_VALUES = [
    (0, b"\x05abc", "string longer than the data"),
    (0, b"\xc4", "unknown encoding"),
    (0, b"\xc3\x03\x40\x00abc", "compression that gives another length"),
    (0, b"\xc3\x03\x81" + b"\xff" * 8 + b"abc", "compression that claims too much"),
    (0, b"\x81" + b"\xff" * 8, "length without end"),
    (1, length(2**40) + string(b"a"), "count beyond the data"),
    (1, length(0), "list without elements"),
    (2, length(2) + string(b"a") + string(b"a"), "member twice"),
    (3, length(1) + string(b"a") + b"\xfd", "score that is no number"),
    (5, length(1) + string(b"a") + struct.pack("<d", float("nan")), "score that is no number"),
    (5, length(2) + (string(b"a") + struct.pack("<d", 1)) * 2, "member twice"),
    (4, length(2) + (string(b"a") + string(b"b")) * 2, "field twice"),
    (9, string(b"\x01\x01a\xff"), "zipmap cut short"),
    (10, string(ziplist(b"a", b"b")[:-1] + b"\x00"), "ziplist without end"),
    (10, string(ziplist(b"a", b"b").replace(b"\x03", b"\x04")), "ziplist with a wrong step back"),
    (10, string(ziplist()), "ziplist without elements"),
    (13, string(ziplist(b"a")), "field without value"),
    (13, string(ziplist(b"a", 1, b"a", 2)), "field twice"),
    (11, string(struct.pack("<IIhh", 2, 2, 5, 5)), "integer twice"),
    (11, string(struct.pack("<IIhh", 2, 2, 5, 4)), "integers out of order"),
    (11, string(struct.pack("<IIh", 2, 2, 5)), "intset cut short"),
    (11, string(struct.pack("<II", 3, 0)), "intset of no width"),
    (11, string(struct.pack("<II", 2, 0)), "intset without elements"),
    (16, string(listpack(b"a")), "field without value"),
    (16, string(listpack(b"a", 1)[:-1]), "listpack cut short"),
    (17, string(listpack(b"a", 1, b"a", 2)), "member twice"),
    (18, length(1) + b"\x03" + string(listpack(b"a")), "unknown container"),
    (18, length(1) + b"\x02" + string(listpack()), "node without elements"),
    (18, length(1) + b"\x01" + string(b""), "plain node without an element"),
    (15, length(1) + string(b"short") + string(listpack(1)), "node name that is no identifier"),
    (15, length(1) + string(bytes(16)) + string(listpack(1, 0, 1, b"f")), "stream node cut short"),
    (15, length(0) + length(5) + length(0) * 3, "stream with a wrong length"),
    (6, b"", "module"),
    (8, b"", "unknown type"),
    (99, b"", "unknown type"),
    (24, struct.pack("<Q", 2**62) + length(1) + length(2**63) + string(b"a") + string(b"b"), "time out of range"),
    (25, struct.pack("<Q", 1) + string(listpack(b"a", 1, b"x")), "time that is no number"),
]


@pytest.mark.parametrize(("number", "body", "why"), BROKEN_VALUES, ids=[row[2] for row in BROKEN_VALUES])
def test_broken_values_are_refused(engine: Engine, number: int, body: bytes, why: str) -> None:
    assert refused(engine, "RESTORE", "k", 0, payload(number, body)) == "ERR Bad data format"
    assert engine.execute("EXISTS", "k") == 0


def test_deep_checks_find_what_is_merely_wrong(engine: Engine) -> None:
    twice = payload(16, string(listpack(b"a", 1, b"a", 2)))
    odd_score = payload(17, string(listpack(b"a", b"many")))
    set_twice = payload(20, string(listpack(b"a", b"a")))
    engine.set("sanitize_payload", 1)
    for data in (twice, odd_score, set_twice):
        assert refused(engine, "RESTORE", "k", 0, data) == "ERR Bad data format"
    engine.set("sanitize_payload", 2)
    assert refused(engine, "RESTORE", "k", 0, twice) == "ERR Bad data format"
    with pytest.raises(RdbError, match="dup elements"):
        load(engine, file_of(key(16, b"k", string(listpack(b"a", 1, b"a", 2)))), deep=True)


BROKEN_FILES = [
    (b"", "unexpected end of file", 0),
    (b"REDIS00", "unexpected end of file", 0),
    (b"RUBIS0011\xff", "wrong signature", 9),
    (b"REDIS00x1\xff", "not a number", 9),
    (file_of(version=79), "version 79", 9),
    (file_of(version=987), "version 987", 9),
    (b"REDIS0011", "unexpected end of file", 9),
    (file_of()[:-1], "unexpected end of file", 10),
    (file_of(key(0, b"a", string(b"b")))[:-1] + b"\x01", "CRC error", 23),
    (file_of(SELECT + length(16)), "database 16", 11),
    (file_of(key(0, b"a", string(b"b")), key(0, b"a", string(b"c"))), "the same key twice", 20),
    (file_of(EXPIRE_MS + b"\xff" * 8 + key(0, b"a", string(b"b"))), "negative time", 18),
    (file_of(b"\xf6" + string(b"x")), "Pre-release function format", 10),
    (file_of(key(6, b"a", b"")), "Pre-release module format", 12),
    (file_of(b"\xf3" + string(b"x" * 40) + length(0)), "unknown type of a value (243)", 10),
    (file_of(RESIZE + b"\xc1\x00"), "encoding", 10),
    (file_of(key(0, b"a", b"\x80\xff\xff\xff\xff")), "4294967295 bytes", 17),
]


@pytest.mark.parametrize(("data", "reason", "offset"), BROKEN_FILES, ids=[row[1] for row in BROKEN_FILES])
def test_broken_files_are_refused_with_place_and_reason(engine: Engine, data: bytes, reason: str, offset: int) -> None:
    with pytest.raises(RdbError) as caught:
        load(engine, data)
    assert reason in caught.value.reason
    assert caught.value.offset == offset
    assert f"at byte {offset}" in str(caught.value)


def test_a_file_that_ends_anywhere_is_refused(engine: Engine) -> None:
    fill(engine)
    for name in engine.key_names(0):
        if engine.inspect(0, name)["memory"] > 3000:  # type: ignore[index]
            engine.execute("DEL", name)
    data = saved(engine)
    for end in range(0, len(data), 7):
        with pytest.raises(RdbError, match=r"unexpected end|more than the rest"):
            load(Engine(), data[:end])


def test_relaxed_versions_and_files_without_a_checksum(engine: Engine) -> None:
    engine.set("rdb_relaxed", 1)
    assert load(engine, file_of(key(0, b"a", string(b"b")), version=987))["keys"] == 1
    result = load(engine, file_of(key(0, b"b", string(b"b")), checksum=False))
    assert result["keys"] == 1 and not result["checked"]
    assert saved(engine, checksum=False).endswith(b"\xff" + bytes(8))
    broken = file_of(key(0, b"c", string(b"b")))[:-1] + b"\x01"
    assert load(engine, broken, checksum=False)["keys"] == 1


def test_what_progress_raises_ends_the_load(engine: Engine) -> None:
    for i in range(20000):
        engine.execute("SET", f"key:{i}", os.urandom(60))
    data = saved(engine)
    seen: list[int] = []
    other = Engine()

    def stop(position: int) -> None:
        seen.append(position)
        assert other.database_size(0) > 0
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(other, data, progress=stop, progress_step=200_000)
    assert len(seen) == 3 and 200_000 <= seen[0] < seen[1] < seen[2]
    assert 0 < other.database_size(0) < 20000
    seen.clear()
    load(Engine(), data, progress=seen.append, progress_step=1)
    assert len(seen) > 3


def test_writing_to_a_full_disk_is_an_error(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space left"):
        engine.save_rdb(full.fileno())


def test_failed_loads_leave_no_memory_behind(engine: Engine) -> None:
    refused(engine, "RESTORE", "k", 0, payload(8, b""))
    engine.execute("FLUSHALL")
    used = engine.memory["used"]
    for number, body, _why in BROKEN_VALUES:
        refused(engine, "RESTORE", "k", 0, payload(number, body))
    assert engine.memory["used"] == used


# RESTORE's arguments


def test_restore_answers(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    data = engine.execute("DUMP", "k")
    assert engine.execute("DUMP", "missing") is None
    assert refused(engine, "RESTORE", "k", 0, data) == "BUSYKEY Target key name already exists."
    assert refused(engine, "RESTORE", "x", "abc", data) == "ERR value is not an integer or out of range"
    assert refused(engine, "RESTORE", "x", -1, data) == "ERR Invalid TTL value, must be >= 0"
    assert refused(engine, "RESTORE", "x", 2**63 - 1, data) == "ERR Invalid TTL value, must be >= 0"
    wrong = "ERR DUMP payload version or checksum are wrong"
    assert refused(engine, "RESTORE", "x", 0, "short") == wrong
    assert refused(engine, "RESTORE", "x", 0, data[:-1] + b"\x00") == wrong
    assert refused(engine, "RESTORE", "x", 0, payload(0, string(b"v"), 79)) == wrong
    assert refused(engine, "RESTORE", "x", 0, data, "IDLETIME", -1) == "ERR Invalid IDLETIME value, must be >= 0"
    assert refused(engine, "RESTORE", "x", 0, data, "FREQ", 256) == "ERR Invalid FREQ value, must be >= 0 and <= 255"
    assert refused(engine, "RESTORE", "x", 0, data, "FREQ", 1, "IDLETIME", 1) == "ERR syntax error"
    assert refused(engine, "RESTORE", "x", 0, data, "WHAT") == "ERR syntax error"
    assert engine.execute("RESTORE", "x", 5000, data, "replace") == "OK"
    assert 4900 <= engine.execute("PTTL", "x") <= 5000
    assert engine.execute("RESTORE", "x", FAR_MS, data, "REPLACE", "ABSTTL") == "OK"
    assert engine.execute("PEXPIRETIME", "x") == FAR_MS
    assert engine.execute("RESTORE", "x", 1, data, "REPLACE", "ABSTTL") == "OK"
    assert engine.execute("EXISTS", "x") == 0
    engine.set("skip_checksum", 1)
    assert engine.execute("RESTORE", "x", 0, data[:-1] + b"\x00") == "OK"


def test_restore_is_propagated_with_a_deadline(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    data = engine.execute("DUMP", "k")
    engine.follow_writes()
    engine.execute("RESTORE", "x", 5000, data)
    assert b"ABSTTL" in engine.take_propagated()
    engine.execute("RESTORE", "x", 0, data, "REPLACE")
    taken = engine.take_propagated()
    assert b"RESTORE" in taken and b"ABSTTL" not in taken
    engine.execute("RESTORE", "x", 1, data, "REPLACE", "ABSTTL")
    taken = engine.take_propagated()
    assert b"DEL" in taken and b"RESTORE" not in taken


# The child


def test_a_child_writes_what_was_there_at_the_fork(engine: Engine, tmp_path: Path) -> None:
    fill(engine)
    before = state(engine)
    path = tmp_path / "child.rdb"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    report = ChildReport()
    child = engine.fork_save_rdb(report, fd, aux={b"a": b"b"}, sync_bytes=100_000)
    engine.execute("FLUSHALL")
    assert os.waitpid(child, 0)[1] == 0
    assert report.error == 0 and report.keys == len(before) and report.bytes == path.stat().st_size
    os.lseek(fd, 0, os.SEEK_SET)
    fields: dict[bytes, bytes] = {}
    assert engine.load_rdb(fd, aux=fields)["aux"] is fields
    assert fields == {b"a": b"b"}
    os.close(fd)
    assert state(engine) == before


def test_a_child_tells_what_failed(engine: Engine) -> None:
    engine.execute("SET", "k", "v")
    report = ChildReport()
    with open("/dev/full", "wb") as full:
        child = engine.fork_save_rdb(report, full.fileno())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert os.strerror(report.error) == "No space left on device"


def test_a_child_goes_when_it_is_told_to(engine: Engine, tmp_path: Path) -> None:
    for i in range(100):
        engine.execute("SET", i, i)
    with open(tmp_path / "slow.rdb", "wb") as file:
        child = engine.fork_save_rdb(ChildReport(), file.fileno(), key_delay_us=1_000_000)
        os.kill(child, signal.SIGUSR1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGUSR1


def test_signals_are_handled_during_a_save(engine: Engine, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    path = tmp_path / "slow.rdb"

    def handle(_number: int, _frame: object) -> None:
        # A signal that comes before the save has begun proves nothing; another one follows it.
        if path.stat().st_size:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Enough

    for i in range(1000):
        engine.execute("SET", i, i)
    before = signal.signal(signal.SIGALRM, handle)
    try:
        with open(path, "wb") as file, pytest.raises(Enough):
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
            engine.save_rdb(file.fileno(), key_delay_us=10_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert engine.execute("DBSIZE") == 1000
