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


def test_check_rdb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.rdb"
    dump.save(filled(), str(path), "rdb")
    assert check_rdb.main([str(path)]) == 0
    out = capsys.readouterr().out
    assert " \\o/ RDB looks OK! \\o/\n" in out
    assert "Checksum OK" in out and "[info] 9 keys read" in out and "DB ID 9: 1 keys" in out
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert check_rdb.main([str(path)]) == 1
    assert f"{path}, byte" in capsys.readouterr().err
    assert check_rdb.main([]) == 1
    assert check_rdb.main([str(tmp_path / "missing")]) == 1


@pytest.mark.parametrize("words", [("stats",), ("convert", "other.rdb")])
@pytest.mark.parametrize("name", ["missing", "missing.rdb", "missing.json"])
def test_a_file_that_is_not_there(words: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump.main([words[0], name, *words[1:]]) == 1
    assert capsys.readouterr().err == f"redislite-dump: {name}: No such file or directory\n"
