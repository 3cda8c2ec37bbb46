"""redislite-check-aof: what it says of files, and where it cuts them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from harness import request

from redislite.persistence.check_aof import main

SET = request("set", "foo", "hello")
MANIFEST = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n"


def stamped(*times: int) -> bytes:
    return b"".join(b"#TS:%d\r\n" % time + SET for time in times)


@pytest.mark.parametrize(
    ("content", "valid", "said"),
    [
        (SET + SET, 2 * len(SET), "AOF x.aof is valid"),
        (stamped(1, 2), len(stamped(1, 2)), "AOF x.aof is valid"),
        (SET + b"!!!", len(SET), "AOF x.aof format error"),
        (SET + SET[:-1], len(SET), "Expected to read 7 bytes, got 6 bytes"),
        (SET + b"*1\r\n$4\r\nPINGxx", len(SET), "Expected \\r\\n, got: 7878"),
        (SET + b"*1\r\n$4x\r\nPING\r\n", len(SET), "Expected \\r\\n, got: 780d"),
        (SET + b"*0\r\n", len(SET), "not valid"),
        (SET + b"*2\r\n", len(SET), "not valid"),
        (SET + request("MULTI") + SET, len(SET), "Reached EOF before reading EXEC for MULTI"),
        (SET + request("MULTI") + request("MULTI"), len(SET), "Unexpected MULTI in AOF"),
        (SET + request("EXEC"), len(SET), "Unexpected EXEC in AOF"),
        (request("MULTI") + SET + request("EXEC"), len(SET) + 29, "AOF x.aof is valid"),
    ],
)
def test_what_can_be_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    valid: int,
    said: str,
) -> None:
    path = tmp_path / "x.aof"
    path.write_bytes(content)
    good = valid == len(content)
    assert main([str(path)]) == (0 if good else 1)
    output = capsys.readouterr().out
    assert said in output
    assert f"size={len(content)}, ok_up_to={valid}, " in output
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main(["--fix", str(path)]) == (0 if good else 1)
    assert path.read_bytes() == content
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["--fix", str(path)]) == 0
    assert path.read_bytes() == content[:valid]
    assert main([str(path)]) == 0


def test_the_line_where_it_stops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.aof").write_bytes(SET + b"!!!")
    main([str(tmp_path / "x.aof")])
    assert "ok_up_to_line=8" in capsys.readouterr().out


def parts(folder: Path, base: bytes, last: bytes) -> Path:
    (folder / "a.1.base.aof").write_bytes(base)
    (folder / "a.1.incr.aof").write_bytes(last)
    (folder / "a.manifest").write_text(MANIFEST)
    return folder / "a.manifest"


def test_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = parts(tmp_path, SET, SET)
    assert main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("AOF analyzed")] == [
        "Start checking Multi Part AOF",
        "Start to check BASE AOF (RESP format).",
        "BASE AOF a.1.base.aof is valid",
        "Start to check INCR files.",
        "INCR AOF a.1.incr.aof is valid",
        "All AOF files and manifest are valid",
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    parts(tmp_path, SET[:-1], SET)
    assert main(["--fix", str(path)]) == 1
    assert "because it is not the last file" in capsys.readouterr().out
    assert (tmp_path / "a.1.base.aof").read_bytes() == SET[:-1]
    path.write_text(MANIFEST + "file !!!\n")
    assert main([str(path)]) == 1
    assert "Invalid AOF manifest file format" in capsys.readouterr().out
    path.write_text("file nothere.aof seq 1 type i\n")
    assert main([str(path)]) == 1
    assert "No such file or directory" in capsys.readouterr().out


def test_a_file_whose_data_look_like_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.aof").write_bytes(request("set", "file", "file a seq 2 type b"))
    assert main([str(tmp_path / "x.aof")]) == 0
    assert capsys.readouterr().out.startswith("Start checking Old-Style AOF\n")


def test_a_snapshot_before_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from redislite._core.engine import Engine

    engine = Engine(databases=20)
    engine.execute("SET", "k", "v")
    engine.execute("SELECT", 19)
    engine.execute("SET", "k", "v")
    path = tmp_path / "x.aof"
    with path.open("wb") as file:
        engine.save_rdb(file.fileno())
    snapshot = path.read_bytes()
    path.write_bytes(snapshot + SET)
    assert main([str(path)]) == 0
    assert "RDB preamble is OK, proceeding with AOF tail..." in capsys.readouterr().out
    path.write_bytes(snapshot[:-12] + SET)
    assert main([str(path)]) == 1
    assert "RDB preamble of AOF file is not sane, aborting." in capsys.readouterr().out


@pytest.mark.parametrize(("time", "left"), [(9, 3), (3, 3), (2, 2), (1, 1)])
def test_back_to_a_time(tmp_path: Path, time: int, left: int) -> None:
    path = parts(tmp_path, SET, stamped(1, 2, 3))
    assert main(["--truncate-to-timestamp", str(time), str(path)]) == 0
    assert (tmp_path / "a.1.incr.aof").read_bytes() == stamped(*range(1, left + 1))


def test_back_to_a_time_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = parts(tmp_path, SET, stamped(5))
    assert main(["--truncate-to-timestamp", "4", str(path)]) == 1
    assert "has nothing before timestamp 4, aborting..." in capsys.readouterr().out
    path = parts(tmp_path, stamped(1, 5), SET)
    assert main(["--truncate-to-timestamp", "4", str(path)]) == 1
    assert "because it is not the last file" in capsys.readouterr().out


def test_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in ([], ["--fix"], ["--what", "x"], ["--truncate-to-timestamp", "x", "y"], ["a", "b", "c"]):
        assert main(arguments) == 1
        assert capsys.readouterr().out.startswith("Usage: redislite-check-aof")
    assert main([str(tmp_path / "nothere")]) == 1
    assert "No such file or directory" in capsys.readouterr().out
