"""Values of modules that nobody here knows, and what modules have written beside the keys: kept, and written again."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from rdb_samples import (
    ANY_FIELDS,
    FAR_MS,
    VECTOR_SET,
    file_of,
    length,
    load,
    module_aux,
    module_data,
    module_id,
    payload,
    saved,
    string,
)

from redislite._core.engine import Engine
from redislite._core.persistence.fork import ChildReport
from redislite._core.persistence.rdb_snapshot import RdbError
from redislite._core.protocol.reply_types import CommandError
from redislite.commands.digest import dataset_digest, value_digest
from redislite.persistence import json_lines
from redislite.persistence.json_lines import JsonDumpError, load_dump, write_dump
from redislite.persistence.rdb_file import module_identifier, module_type
from redislite.tools import check_rdb, dump

ANY = module_data("EveryKind", 1023, *ANY_FIELDS)
JSON_VALUE = module_data("ReJSON-RL", 3, b"\x05" + string(b'{"a":1}'))
NUMBER = b"\x02" + length(7)
SELECT = b"\xfe\x00"


@pytest.fixture
def engine() -> Engine:
    return Engine()


def store(engine: Engine, name: str = "k", data: bytes = VECTOR_SET, *options: Any) -> bytes:
    """Makes a key of such a value; answers its payload."""
    whole = payload(7, data)
    engine.execute("RESTORE", name, 0, whole, *options)
    return whole


def refused(engine: Engine, *command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*command)
    return str(caught.value)


def fields_of(when: int, *fields: bytes) -> bytes:
    return b"\x02" + length(when) + b"".join(fields) + b"\x00"


def used(engine: Engine) -> int:
    while engine.before_sleep():
        pass
    return engine.memory["used"]


# Values


@pytest.mark.parametrize(
    ("data", "name"), [(VECTOR_SET, "vectorset"), (ANY, "EveryKind"), (JSON_VALUE, "ReJSON-RL")], ids=lambda x: x[:9]
)
def test_a_value_keeps_its_bytes_and_its_name(engine: Engine, data: bytes, name: str) -> None:
    whole = store(engine, "k", data)
    assert engine.execute("DUMP", "k") == whole
    assert engine.execute("TYPE", "k") == name
    assert engine.execute("OBJECT", "ENCODING", "k") == b"raw"
    facts = engine.inspect(0, b"k")
    assert facts is not None and (facts["type"], facts["encoding"]) == (name, "raw")
    again = Engine()
    load(again, saved(engine))
    assert again.execute("DUMP", "k") == whole
    assert dataset_digest(again) == dataset_digest(engine)


def test_strings_are_kept_as_they_are_compressed_or_not() -> None:
    engine = Engine()
    engine.set("rdb_compression", 1)
    plain = module_data("ReJSON-RL", 3, b"\x05" + string(b"ab" * 500))
    assert store(engine, "k", plain) == engine.execute("DUMP", "k")


@pytest.mark.parametrize("size", [3, 300_000, 3_000_000])
def test_values_larger_than_every_buffer_and_of_an_unknown_size(engine: Engine, tmp_path: Path, size: int) -> None:
    part = b"\x05" + string(os.urandom(size))
    store(engine, "large", module_data("ReJSON-RL", 3, part, *[NUMBER] * 100_000, part))
    data = saved(engine)
    path = tmp_path / "data"
    path.write_bytes(data)
    with os.popen(f"cat {path}") as pipe:
        again = Engine()
        result = again.load_rdb(pipe.fileno())
    assert result["bytes"] == len(data)
    assert again.execute("DUMP", "large") == engine.execute("DUMP", "large")


def test_keys_are_copied_moved_renamed_and_expire(engine: Engine) -> None:
    whole = store(engine)
    digest = value_digest(engine, 0, b"k")
    engine.execute("COPY", "k", "copy")
    engine.execute("COPY", "k", "elsewhere", "DB", 3)
    engine.execute("RENAME", "copy", "renamed")
    engine.execute("MOVE", "renamed", 2)
    engine.execute("PEXPIREAT", "k", FAR_MS)
    assert engine.execute("PEXPIRETIME", "k") == FAR_MS
    assert value_digest(engine, 0, b"k") != digest
    engine.execute("PERSIST", "k")
    for database, name in ((0, "k"), (2, "renamed"), (3, "elsewhere")):
        engine.execute("SELECT", database)
        assert engine.execute("DUMP", name) == whole
        assert value_digest(engine, database, name.encode()) == digest
        engine.execute("PEXPIRE", name, 5)
    engine.clock_offset_ms += 1000
    assert engine.execute("EXISTS", "elsewhere") == 0
    engine.execute("SELECT", 2)
    assert engine.execute("TYPE", "renamed") == "none"


def test_digests_tell_values_apart(engine: Engine) -> None:
    store(engine, "a", module_data("ReJSON-RL", 3, b"\x05" + string(b"1")))
    store(engine, "b", module_data("ReJSON-RL", 3, b"\x05" + string(b"2")))
    store(engine, "c", module_data("ReJSON-RL", 2, b"\x05" + string(b"1")))
    store(engine, "d", module_data("ReJSON-RL", 3, b"\x05" + string(b"1")))
    digests = [value_digest(engine, 0, name) for name in (b"a", b"b", b"c", b"d")]
    assert len(set(digests)) == 3 and digests[0] == digests[3]


WRONG_TYPE = [
    "GET k", "APPEND k x", "INCR k", "GETRANGE k 0 -1", "SETRANGE k 1 x", "GETSET k x", "GETEX k", "GETDEL k",
    "STRLEN k", "SETBIT k 1 1", "BITCOUNT k", "BITOP OR d k", "PFADD k x", "PFCOUNT k", "LPUSH k x",
    "LRANGE k 0 -1", "LMOVE k d LEFT LEFT", "BLPOP k 1", "SADD k x", "SMEMBERS k", "SINTER k k",
    "SUNIONSTORE d k", "SSCAN k 0", "ZADD k 1 x", "ZRANGE k 0 -1", "ZUNIONSTORE d 1 k", "ZINTER 1 k",
    "ZDIFF 1 k", "BZPOPMIN k 1", "GEOADD k 1 1 x", "HSET k f v", "HGETALL k", "HSCAN k 0",
    "HPEXPIRE k 10 FIELDS 1 f", "XADD k * f v", "XRANGE k - +", "XREAD STREAMS k 0", "XINFO STREAM k",
    "XGROUP CREATE k g 0", "SORT k", "SORT k STORE d", "SORT_RO k", "LCS k k", "SET k x GET", "SUBSTR k 0 1",
    "LPOS k x", "SMOVE k d x", "ZRANK k x",
]  # fmt: skip


@pytest.mark.parametrize("command", WRONG_TYPE)
def test_commands_of_other_types_refuse_it(engine: Engine, command: str) -> None:
    whole = store(engine)
    assert refused(engine, *command.split()).startswith(("WRONGTYPE", "ERR The specified keys must contain string"))
    assert engine.execute("DUMP", "k") == whole
    assert engine.execute("EXISTS", "d") == 0


def test_commands_of_every_type_take_it_as_what_it_is(engine: Engine) -> None:
    store(engine)
    engine.execute("RPUSH", "list", "k", "other")
    assert engine.execute("MGET", "k", "list") == [None, None]
    assert engine.execute("SORT", "list", "ALPHA", "GET", "*", "GET", "*->f") == [None] * 4
    assert engine.execute("SETNX", "k", "x") == 0
    assert engine.execute("SET", "k", "x") == "OK"
    assert engine.execute("TYPE", "k") == "string"


def test_scanning_by_the_name_of_a_type(engine: Engine) -> None:
    store(engine, "vectors")
    store(engine, "json", JSON_VALUE)
    engine.execute("SET", "text", "x")
    for name, found in (
        ("vectorset", [b"vectors"]), ("VectorSet", [b"vectors"]), ("ReJSON-RL", [b"json"]), ("string", [b"text"]),
        ("MBbloom--", []), ("stream", []),
    ):  # fmt: skip
        assert engine.execute("SCAN", 0, "TYPE", name) == [b"0", found]
    assert engine.execute("SCAN", 0, "TYPE", "module") == [b"0", []]
    engine.set("scan_refuses_types", 1)
    assert "unknown type name" in refused(engine, "SCAN", 0, "TYPE", "module")
    assert "unknown type name" in refused(engine, "SCAN", 0, "TYPE", "nine char")


def test_memory_is_counted_and_released(engine: Engine) -> None:
    large = module_data("ReJSON-RL", 3, b"\x05" + string(os.urandom(50_000)))
    whole = store(engine, "k", large)
    ways = ("DEL k", "UNLINK k", "SET k x", "FLUSHALL", "FLUSHALL ASYNC", "PEXPIRE k -1")

    def release(way: str) -> int:
        engine.execute("RESTORE", "k", 0, whole, "REPLACE")
        engine.execute(*way.split())
        engine.execute("FLUSHALL")
        return used(engine)

    before = [release(way) for way in ways][-1]
    engine.execute("RESTORE", "k", 0, whole)
    memory = engine.inspect(0, b"k")["memory"]  # type: ignore[index]
    for count in (memory, used(engine) - before):
        assert len(large) <= count <= len(large) + 500
    for way in ways:
        assert release(way) == before, way


@pytest.mark.skipif(not Engine().heap_is_checked, reason="needs a build with a checked heap")
@pytest.mark.parametrize("data", [VECTOR_SET, ANY, module_data("ReJSON-RL", 3, *ANY_FIELDS * 50)], ids=len)
def test_a_load_without_memory_leaves_nothing(data: bytes) -> None:
    content = file_of(module_aux("scdtype00", 1, 1, *ANY_FIELDS), SELECT + b"\x07" + string(b"k") + data)
    engine = Engine()
    load(engine, content)
    engine.execute("DEL", "k")
    before = used(engine)
    for budget in range(0, 100_000, 8 if len(data) < 1000 else 200):
        engine.heap_limit = before + budget
        try:
            load(engine, content)
        except (MemoryError, RdbError):
            engine.heap_limit = 0
            assert used(engine) == before
            continue
        engine.heap_limit = 0
        assert engine.execute("DUMP", "k")[1:-10] == data
        return
    pytest.fail("100,000 bytes did not suffice")


# Other forms


def test_a_rewritten_append_only_file_restores_them(engine: Engine, tmp_path: Path) -> None:
    store(engine)
    store(engine, "any", ANY)
    engine.execute("PEXPIREAT", "any", FAR_MS)
    fd = os.open(tmp_path / "base", os.O_CREAT | os.O_RDWR)
    pid = engine.fork_rewrite(ChildReport(), fd)
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0
    data = bytearray((tmp_path / "base").read_bytes())
    assert data.count(b"RESTORE") == 2 and b"PEXPIREAT" in data
    again = Engine()
    replay = again.replay(data)
    replay.run(1 << 30)
    replay.finish()
    assert dataset_digest(again) == dataset_digest(engine)
    assert again.execute("DUMP", "any") == engine.execute("DUMP", "any")


def as_json(engine: Engine) -> bytes:
    file = io.BytesIO()
    write_dump(engine, file)
    return file.getvalue()


def test_json_lines_hold_them(engine: Engine) -> None:
    whole = store(engine)
    store(engine, "any", ANY)
    engine.execute("PEXPIREAT", "any", FAR_MS)
    for when in (2, 1):
        engine.add_module_aux(module_id("scdtype00", 1), fields_of(when, *ANY_FIELDS))
    data = as_json(engine)
    lines = [json.loads(line) for line in data.splitlines()]
    assert [line.get("module") for line in lines] == [None, "scdtype00", "scdtype00", None, None, None]
    assert lines[0]["version"] == json_lines.VERSION
    assert (lines[4]["type"], lines[4]["key"]) == ("vectorset", "k")
    again = Engine()
    assert load_dump(again, io.BytesIO(data)) == 2
    assert again.execute("DUMP", "k") == whole
    assert dataset_digest(again) == dataset_digest(engine)
    assert again.module_aux == engine.module_aux and len(again.module_aux) == 2
    assert as_json(again).splitlines()[1:] == data.splitlines()[1:]


HEADER = b'{"format": "redislite", "version": 3}\n'


def module_line(**changes: object) -> bytes:
    return json.dumps({"module": "scdtype00", "version": 1, "value": "\x02\x01\x00", **changes}).encode() + b"\n"


def key_line(**changes: object) -> bytes:
    value = json_lines._text(payload(7, VECTOR_SET))
    return json.dumps({"db": 0, "key": "k", "type": "vectorset", "value": value, **changes}).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (key_line(value="nonsense"), "version or checksum"),
        (key_line(value=["x"]), "is to be a string"),
        (key_line(type="ReJSON-RL"), "of the type vectorset"),
        (key_line(value=json_lines._text(payload(0, string(b"x")))), "of the type string"),
        (key_line(value=json_lines._text(payload(7, VECTOR_SET[:-1]))), "Bad data format"),
        (key_line(type="nine char"), "type is to be one of"),
        (key_line(type="toolongname"), "type is to be one of"),
        (module_line(module="short"), "nine letters"),
        (module_line(module=5), "nine letters"),
        (module_line(version=1024), "whole number from 0 to 1023"),
        (module_line(value="\x02\x03\x00"), "before or behind"),
        (module_line(value="\x02\x01"), "unexpected end"),
        (module_line(value="\x02\x01\x00\x00"), "behind the end"),
        (module_line(other=1), "'other'"),
    ],
)
def test_wrong_json_lines_are_refused(engine: Engine, line: bytes, what: str) -> None:
    with pytest.raises(JsonDumpError, match=what) as caught:
        load_dump(engine, io.BytesIO(HEADER + line))
    assert caught.value.line == 2
    assert engine.database_size(0) == 0 and not engine.module_aux


@pytest.mark.parametrize("kind", ["rdb", "aof", "json"])
@pytest.mark.parametrize("with_aux", [False, True])
def test_the_tools_keep_them(tmp_path: Path, kind: str, with_aux: bool, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine()
    store(engine)
    if with_aux:
        engine.add_module_aux(module_id("ft_index0", 23), fields_of(1, NUMBER))
    engine.add_function_library(b"#!lua name=x\nreturn 1")
    first, second, third = (str(tmp_path / name) for name in ("a.rdb", f"b.{kind}", "c.rdb"))
    dump.save(engine, first, "rdb")
    assert dump.main(["convert", first, second]) == 0
    assert dump.main(["convert", second, third]) == 0
    again = dump.load(third, "rdb", 16)
    assert dataset_digest(again) == dataset_digest(engine)
    assert again.module_aux == engine.module_aux and again.function_libraries == engine.function_libraries
    capsys.readouterr()
    assert check_rdb.main([third]) == 0 and dump.main(["stats", third]) == 0
    told = capsys.readouterr().out
    assert "vectorset raw" in told and ("MODULE AUX for: ft_index0" in told) == with_aux


# What stands beside the keys


def test_auxiliary_data_are_written_again_in_their_places(engine: Engine) -> None:
    before = [module_aux("scdtype00", 1, 1), module_aux("ft_index0", 23, 1, *ANY_FIELDS)]
    after = [module_aux("scdtype00", 1, 2, NUMBER)]
    keys = SELECT + b"\xfb\x01\x00" + b"\x00" + string(b"key") + string(b"value")
    content = file_of(*before, b"\xf5" + string(b"#!lua name=x"), keys, *after)
    result = load(engine, content)
    assert result["keys"] == 1 and engine.module_aux == {}
    engine.module_aux.update(result["module_aux"])
    for code in result["functions"]:
        engine.add_function_library(code)
    assert saved(engine) == content
    engine.add_module_aux(module_id("scdtype00", 1), fields_of(2))
    assert saved(engine) == file_of(*before, b"\xf5" + string(b"#!lua name=x"), keys, module_aux("scdtype00", 1, 2))


def test_names_and_identifiers() -> None:
    assert module_identifier("vectorset", 0) == module_id("vectorset", 0) == int.from_bytes(VECTOR_SET[1:9], "big")
    assert module_type(module_id("MBbloom--", 4)) == ("MBbloom--", 4)
    for name, version in (("short", 0), ("nine char", 0), ("vectorset", 1024), ("vectorset", -1)):
        with pytest.raises(ValueError):
            module_identifier(name, version)


# What is refused

BROKEN = [
    (b"", "unexpected end"),
    (length(0) + b"\x00", "without an identifier"),
    (module_data("vectorset", 0)[:-1], "vectorset: unexpected end"),
    (module_data("vectorset", 0, b"\x06"), "vectorset: unknown kind of a field of a module (6)"),
    (module_data("vectorset", 0, b"\xc0\x00"), "encoding (0xc0) where a length"),
    (module_data("vectorset", 0, b"\x02\xc0\x00"), "encoding (0xc0) where a length"),
    (module_data("vectorset", 0, b"\x02\x82"), "unknown form of a length"),
    (module_data("vectorset", 0, b"\x03\x00"), "vectorset: a field of 4 bytes, more than the rest"),
    (module_data("vectorset", 0, b"\x04" + bytes(5)), "a field of 8 bytes, more than the rest"),
    (module_data("vectorset", 0, b"\x05" + length(5)), "a field of 5 bytes, more than the rest"),
    (module_data("vectorset", 0, b"\x05\x81" + b"\xff" * 8), "more than the rest"),
    (module_data("vectorset", 0, b"\x05\xc2\x00\x00"), "a field of 4 bytes"),
    (module_data("vectorset", 0, b"\x05\xc4"), "unknown encoding of a string (4)"),
    (module_data("vectorset", 0, b"\x05\xc3\x05\x0b\x00a\xe0\x00\x00"), "does not decompress"),
    (module_data("vectorset", 0, b"\x05\xc3\x05\x0a\x00a\xe0\x00\x01"), "does not decompress"),
    (module_data("vectorset", 0, b"\x05\xc3\x00\x00"), "claims to make 0 bytes"),
    (module_data("vectorset", 0, b"\x05\xc3\x05\x81" + b"\x7f" * 8 + b"\x00a\xe0\x00\x00"), "claims to make"),
    (module_data("vectorset", 0, b"\x05\xc3\x20\x0a\x00a"), "more than the rest"),
]


@pytest.mark.parametrize(("data", "reason"), BROKEN, ids=[f"{number}" for number in range(len(BROKEN))])
def test_broken_values_are_refused(engine: Engine, data: bytes, reason: str) -> None:
    said: list[str] = []
    engine.on_log = lambda level, text: said.append(text)
    refused(engine, "RESTORE", "k", 0, payload(7, data))
    before = used(engine)
    assert refused(engine, "RESTORE", "k", 0, payload(7, data)) == "ERR Bad data format"
    assert used(engine) == before
    assert reason in said[0] or "rest" in said[0] or "unexpected end" in said[0]
    # Within a file nothing but the bytes themselves ends the value.
    with pytest.raises(RdbError) as caught:
        load(engine, b"REDIS0011" + SELECT + b"\x07" + string(b"k") + data)
    assert reason in caught.value.reason
    assert engine.database_size(0) == 0 and used(engine) == before


@pytest.mark.parametrize("whole", [payload(7, VECTOR_SET), payload(7, ANY)], ids=len)
def test_payloads_cut_anywhere_are_refused(engine: Engine, whole: bytes) -> None:
    body = whole[1:-10]
    for end in range(len(body)):
        assert refused(engine, "RESTORE", "k", 0, payload(7, body[:end])) == "ERR Bad data format"
    assert refused(engine, "RESTORE", "k", 0, payload(7, body + b"\x00")) == "ERR Bad data format"
    assert engine.execute("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("aux", "reason"),
    [
        (module_data("scdtype00", 1), "scdtype00: beside the keys, without saying"),
        (module_data("scdtype00", 1, b"\x02\x00"), "without saying"),
        (module_data("scdtype00", 1, b"\x02\x03"), "without saying"),
        (module_data("scdtype00", 1, b"\x01\x01"), "without saying"),
        (module_data("scdtype00", 1, b"\x05\x01"), "scdtype00"),
        (module_data("scdtype00", 1, b"\x02\x01", b"\x07"), "unknown kind of a field"),
        (module_data("scdtype00", 1, b"\x02\x01", b"\x05\x3fab"), "a field of 63 bytes, more than the rest"),
        (module_data("scdtype00", 1, b"\x02\x01")[:-1], "scdtype00"),
        (length(0) + b"\x02\x01\x00", "without an identifier"),
    ],
)
def test_broken_auxiliary_data_are_refused(engine: Engine, aux: bytes, reason: str) -> None:
    with pytest.raises(RdbError) as caught:
        load(engine, file_of(b"\xf7" + aux))
    assert reason in caught.value.reason
    with pytest.raises(RdbError):
        load(engine, b"REDIS0011\xf7" + aux)
    assert engine.module_aux == {}


def test_files_cut_anywhere_are_refused() -> None:
    content = file_of(
        module_aux("scdtype00", 1, 1, *ANY_FIELDS), SELECT + b"\x07" + string(b"k") + VECTOR_SET,
        module_aux("scdtype00", 1, 2, NUMBER),
    )  # fmt: skip
    engine = Engine()
    for end in range(len(content)):
        with pytest.raises(RdbError, match=r"unexpected end|more than the rest"):
            load(engine, content[:end], replace=True)
    assert load(engine, content, replace=True)["keys"] == 1
    wrong = bytearray(content)
    wrong[-12] ^= 1
    with pytest.raises(RdbError):
        load(engine, bytes(wrong), replace=True)


def test_what_cannot_be_added_beside_the_keys(engine: Engine) -> None:
    short_double = b"\x02\x01\x04" + struct.pack("<f", 1) + b"\x00"
    for fields in (b"", b"\x00", b"\x02\x03\x00", b"\x02\x01\x00\x00", short_double):
        with pytest.raises(RdbError):
            engine.add_module_aux(module_id("scdtype00", 1), fields)
    with pytest.raises(RdbError):
        engine.add_module_aux(0, b"\x02\x01\x00")
    assert engine.module_aux == {}
