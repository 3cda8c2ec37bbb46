"""The console scripts for data files: converting in every direction, statistics, checking, errors by file and place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from redislite._core.engine import Engine
from redislite.persistence import check_aof
from redislite.tools import check_rdb, dump

KINDS = {"rdb": "data.rdb", "aof": "data.aof", "json": "data.json", "packed": "data.json.gz"}


def filled() -> Engine:
    engine = Engine()
    for line in (
        "SET text hello",
        "SET number 12345 PXAT 4102444800000",
        "RPUSH list a b c",
        "SADD integers 1 2 3",
        "SADD words x y z",
        "HSET hash field value",
        "ZADD zset 1.5 a -inf b",
        "XADD stream 1-1 field value",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
        "SELECT 9",
        "SET other value",
        "SELECT 0",
    ):
        engine.execute(*line.split())
    return engine


def seen(engine: Engine) -> list[object]:
    """What a data set looks like to its readers."""
    answers: list[object] = [engine.database_size(number) for number in range(16)]
    for line in (
        "GET text", "GET number", "PEXPIRETIME number", "LRANGE list 0 -1", "SMEMBERS integers", "SMEMBERS words",
        "HGETALL hash", "ZRANGE zset 0 -1 WITHSCORES", "XRANGE stream - +", "XPENDING stream group",
    ):  # fmt: skip
        answers.append(engine.execute(*line.split()))
    return answers


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_every_kind_becomes_every_other(
    tmp_path: Path, source: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = filled()
    first, second = tmp_path / f"from-{KINDS[source]}", tmp_path / f"to-{KINDS[target]}"
    dump.save(engine, str(first), dump.kind_of(str(first)))
    assert dump.main(["convert", str(first), str(second)]) == 0
    assert "9 keys" in capsys.readouterr().out
    assert seen(dump.load(str(second), dump.kind_of(str(second)), 16)) == seen(engine)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({first.name, second.name})


def test_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.rdb"
    engine = filled()
    engine.execute("RPUSH", "the-big-one", *["x" * 500] * 200)
    dump.save(engine, str(path), "rdb")
    assert dump.main(["stats", str(path), "--top", "3"]) == 0
    out = capsys.readouterr().out
    assert "10 keys, 1 of them with a time to live" in out
    assert "intset" in out and "skiplist" not in out
    assert out.index("biggest keys") < out.index("the-big-one")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.rdb", b"REDIS0011\xff", "byte"),
        ("a.rdb", b"", "byte"),
        ("a.json", b"{}\n", "line 1"),
        ("a.json.gz", b"not packed", "a.json.gz"),
        ("a.aof", b"*1\r\n$4\r\nSET", "truncated"),
        ("a.aof", b"hello\r\n", "malformed"),
        ("a.aof", b"*1\r\n$3\r\nfoo\r\n", "a server that knows the command can load it"),
        ("a.aof", b"*2\r\n$6\r\nselect\r\n$2\r\n16\r\n", "--databases"),
        ("a.manifest", b"file x.aof seq 1 type i\n", "x.aof"),
        ("a.txt", b"", "--from"),
        ("missing.rdb", None, "No such file"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = tmp_path / name, tmp_path / "out.json"
    if content is not None:
        path.write_bytes(content)
    target.write_text("old")
    assert dump.main(["convert", str(path), str(target)]) == 1
    error = capsys.readouterr().err
    assert what in error and str(tmp_path) in error
    assert target.read_text() == "old"


def test_a_target_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "data.rdb"
    dump.save(filled(), str(source), "rdb")
    assert dump.main(["convert", str(source), str(tmp_path / "missing" / "out.json")]) == 1
    assert "missing" in capsys.readouterr().err


def test_a_manifest_is_no_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "data.rdb", tmp_path / "appendonly.aof.manifest"
    dump.save(filled(), str(source), "rdb")
    assert dump.main(["convert", str(source), str(target)]) == 1
    assert "a manifest only names files" in capsys.readouterr().err and not target.exists()


@pytest.mark.parametrize("option", [("--top", "-1"), ("--databases", "0"), ("--databases", "9" * 11)])
def test_numbers_beyond_their_range(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        dump.main(["stats", "data.rdb", *option])
    assert caught.value.code == 2 and "is no number from" in capsys.readouterr().err


def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C leaves no file, and no traceback."""

    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    source = tmp_path / "data.rdb"
    dump.save(filled(), str(source), "rdb")
    monkeypatch.setattr(dump, "write_file", interrupted)
    assert dump.main(["convert", str(source), str(tmp_path / "out.json")]) == 130
    assert list(tmp_path.iterdir()) == [source]
    monkeypatch.setattr(check_rdb, "read_file", interrupted)
    assert check_rdb.main([str(source)]) == 130
    monkeypatch.setattr(check_aof, "read_file", interrupted)
    assert check_aof.main([str(source)]) == 130


@pytest.mark.parametrize("tool", ["tools.dump", "tools.check_rdb", "persistence.check_aof"])
@pytest.mark.parametrize(("output", "told"), [("/dev/full", b"cannot write: No space left"), ("pipe", b"")])
def test_output_that_cannot_be_written(tmp_path: Path, tool: str, output: str, told: bytes) -> None:
    source = tmp_path / "data.rdb"
    dump.save(filled(), str(source), "rdb")
    if output == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(output, os.O_WRONLY)
    command = [sys.executable, "-m", f"redislite.{tool}", *(["stats"] if tool.endswith("dump") else []), str(source)]
    try:
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert ended.returncode == 1
    assert ended.stderr.startswith(told) and len(ended.stderr.splitlines()) == (1 if told else 0)


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Exit status and output, without what was read beside the keys."""
    capsys.readouterr()
    status = check_rdb.main(arguments)
    return status, [line for line in capsys.readouterr().out.splitlines()[1:] if "AUX FIELD" not in line]


def test_check_rdb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.rdb"
    dump.save(filled(), str(path), "rdb")
    size = path.stat().st_size
    status, out = checked(capsys, str(path))
    assert status == 0
    assert [line.partition("] ")[2] for line in out[:2]] == ["Selecting DB ID 0", "Selecting DB ID 9"]
    counts = ["[info] 9 keys read", "[info] 1 expires", "[info] 0 already expired", "[info] 0 subexpires"]
    assert out[2:] == [f"[offset {size}] Checksum OK", f"[offset {size}] \\o/ RDB looks OK! \\o/", *counts]
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    status, out = checked(capsys, str(path))
    assert status == 1
    stage = "[additional info] While doing: check-sum"
    assert out[2:] == ["--- RDB ERROR DETECTED ---", f"[offset {size}] RDB CRC error", stage, *counts]
    assert check_rdb.main([]) == 1
    assert check_rdb.main([str(tmp_path / "missing")]) == 1
    assert check_rdb.main([str(path), "--format", "bogus"]) == 1
    assert check_rdb.main([str(path), "--output", str(tmp_path / "no" / "file")]) == 1


@pytest.mark.parametrize(
    ("compatibility", "data", "expected"),
    [
        ("redis", b"", ["[offset 0] Unexpected EOF reading RDB file", "start", "0 (string)"]),
        ("valkey", b"", ["[offset 0] Unexpected EOF reading RDB file", "start"]),
        ("redis", b"RUBIS0012", ["[offset 9] Wrong signature trying to load DB from file", "start", "0 (string)"]),
        ("redis", b"REDISabcd", ["[offset 9] Can't handle RDB format version 0", "start", "0 (string)"]),
        ("valkey", b"REDISabcd", ["[offset 9] Wrong signature trying to load DB from file", "start"]),
        ("redis", b"REDIS0099", ["[offset 9] Can't handle RDB format version 99", "start", "0 (string)"]),
        ("valkey", b"REDIS0099", ["[offset 9] Can't handle RDB format version 99", "start"]),
        ("valkey", b"VALKEY011", ["[offset 9] Can't handle RDB format version 11", "start"]),
        ("redis", b"REDIS0012\x12\x01k\x81", ["[offset 12] Unexpected EOF reading RDB file", "read-object-value",
                                              "'k'", "18 (quicklist-v2)"]),
        ("redis", b"REDIS0012\x08\x01k\x81", ["[offset 10] Invalid object type: 8", "read-type", "0 (string)"]),
        ("redis", b"REDIS0012\x00\x01k\x01v\x63", ["[offset 15] Invalid object type: 99", "read-type"]),
        ("redis", b"REDIS0012\xfc\x01", ["[offset 10] Unexpected EOF reading RDB file", "read-expire", "0 (string)"]),
        ("valkey", b"REDIS0012\xfa\x01", ["[offset 11] Unexpected EOF reading RDB file", "read-aux"]),
        ("valkey", b"REDIS0079\x63", ["[offset 10] Unknown object type 99 in RDB file with foreign version 79",
                                      "read-type"]),
    ],
)  # fmt: skip
def test_check_rdb_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], compatibility: str, data: bytes, expected: list[str]
) -> None:
    path = tmp_path / "data.rdb"
    path.write_bytes(data)
    status, out = checked(capsys, str(path), "--compatibility", compatibility)
    assert status == 1
    begun = out.index("--- RDB ERROR DETECTED ---")
    told = [line for line in out[begun + 1 :] if not line.startswith("[info]")]
    if compatibility == "valkey":
        assert told.pop() == f"{expected[0].partition(' ')[0]} " + (
            f"{expected[0].split()[1]} Check RDB returned error code 1 (0 means success)"
        )
    words = ("", "While doing: ", "Reading key ", "Reading type ") if "'k'" in expected else (
        "", "While doing: ", "Reading type ")  # fmt: skip
    assert told == [
        (f"[additional info] {word}" if word else "") + text for word, text in zip(words, expected, strict=False)
    ]


def test_check_rdb_reads_versions_of_valkeys_to_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.rdb"
    for head, told in ((b"REDIS0012", "Foreign RDB version 12"), (b"VALKEY099", "Future RDB version 99")):
        path.write_bytes(head + b"\xfe\x00\x00\x01k\x01v\xff" + bytes(8))
        status, out = checked(capsys, str(path), "--compatibility", "valkey")
        assert status == 0 and out[0] == f"[offset 9] {told} detected"
        assert "[info] 1 keys read" in out and "[info] 0 functions" in out


def test_check_rdb_tells_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine()
    for command in (
        "SET a 1", "SET bb hello EX 1000", "RPUSH l 1 22 333 x", "SADD s 1 2 3000", "SADD st a bcd",
        "ZADD z 1 a 2.5 b 300 ccc",
        "HSET h a 1 field value", "HSETEX hx EX 1000 FIELDS 1 a 1", "XADD x 1-0 a 1 bb 22", "XADD x 2-0 a 1",
    ):  # fmt: skip
        engine.execute(*command.split())
    engine.execute("SELECT", 1)
    engine.execute("SET", "big", "x" * 100000)
    path = tmp_path / "data.rdb"
    dump.save(engine, str(path), "rdb")
    output = tmp_path / "figures"
    assert check_rdb.main([str(path), "--stats", "--format", "csv", "--output", str(output)]) == 0
    lines = output.read_text().splitlines()
    # As Valkey 9.1.2 tells of the same data.
    assert lines[lines.index("db.0.type.name,string,list,set,zset,hash,module,stream") + 1 :][:17] == [
        "db.0.keys.total,2,1,2,1,2,0,1",
        "db.0.expire_keys.total,1,0,0,0,0,0,0",
        "db.0.already_expired.total,0,0,0,0,0,0,0",
        "db.0.keys.size,3,1,3,1,3,0,1",
        "db.0.keys.value_size,6,7,10,12,14,0,8",
        "db.0.elements.total,2,4,5,6,3,0,2",
        "db.0.elements.size,6,7,10,12,14,0,8",
        "db.0.elements.num.max,1,4,3,6,2,0,2",
        "db.0.elements.num.avg,1.00,4.00,2.50,6.00,1.50,0.00,2.00",
        "db.0.elements.num.p99,1.00,4.00,3.00,6.00,2.00,0.00,2.00",
        "db.0.elements.num.p90,1.00,4.00,3.00,6.00,2.00,0.00,2.00",
        "db.0.elements.num.p50,1.00,4.00,2.00,6.00,1.00,0.00,2.00",
        "db.0.elements.size.max,5,3,4,6,10,0,4",
        "db.0.elements.size.avg,3.00,1.75,2.00,2.00,4.67,0.00,4.00",
        "db.0.elements.size.p99,5.00,3.00,4.00,6.00,10.00,0.00,4.00",
        "db.0.elements.size.p90,5.00,3.00,4.00,6.00,10.00,0.00,4.00",
        "db.0.elements.size.p50,1.00,1.00,1.00,4.00,2.00,0.00,2.00",
    ]
    assert "db.1.elements.size.max,100000,0,0,0,0,0,0" in lines
    assert "db.1.elements.size.p99,100031.00,0.00,0.00,0.00,0.00,0.00,0.00" in lines
    _, out = checked(capsys, str(path), "--stats")
    assert "db.0.keys.total               \t2    \t1    \t2    \t1    \t2    \t0    \t1    " in out
    _, out = checked(capsys, str(path), "--stats", "--format", "info")
    assert "[info] db.0.type.zset.elements.size.p50:4.00" in out


@pytest.mark.parametrize("words", [("stats",), ("convert", "other.rdb")])
@pytest.mark.parametrize("name", ["missing", "missing.rdb", "missing.json"])
def test_a_file_that_is_not_there(words: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump.main([words[0], name, *words[1:]]) == 1
    assert capsys.readouterr().err == f"redislite-dump: {name}: No such file or directory\n"
