"""A type of values from outside the tree (tests/tally): what holds for values holds for its."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import redislite
from redislite._core.engine import Engine
from redislite._core.persistence.fork import ChildReport
from redislite._core.protocol.reply_types import CommandError
from redislite.commands.digest import dataset_digest, value_digest

SOURCE = Path(__file__).resolve().parents[1] / "tally" / "tally.pyx"
ROOT = Path(redislite.__file__).resolve().parents[1]
BUILD = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup
checked = sys.argv.pop(1) == "True"
sys.path.insert(0, sys.argv.pop(1))
macros = [("REDISLITE_CHECKED_HEAP", None)] if checked else []
setup(
    script_args=["build_ext", "--inplace", "--build-temp", "objects"],
    ext_modules=cythonize(
        [Extension("tally", ["tally.pyx"], define_macros=macros, extra_compile_args=["-O0"])],
        include_path=[sys.path[0]],
        compiler_directives={"legacy_implicit_noexcept": False},
    ),
)
"""


@pytest.fixture(scope="session")
def tally(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module, compiled as any package with a type of its own is: against the declarations that are installed."""
    folder = tmp_path_factory.mktemp("tally")
    (folder / "tally.pyx").write_text(SOURCE.read_text())
    made = subprocess.run(
        [sys.executable, "-c", BUILD, str(Engine().heap_is_checked), str(ROOT)],
        cwd=folder,
        env={**os.environ, "CFLAGS": "", "LD_PRELOAD": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    sys.path.insert(0, str(folder))
    try:
        import tally as module  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    return module  # type: ignore[no-any-return]


@pytest.fixture
def engine(tally: ModuleType) -> Engine:
    return engine_with(tally)


def engine_with(tally: ModuleType) -> Engine:
    engine = Engine()
    engine.register_type(tally.TYPE_CAPSULE)
    engine.register(tally.COMMANDS)
    return engine


def used(engine: Engine) -> int:
    while engine.before_sleep():
        pass
    return engine.memory["used"]


def refused(engine: Engine, *command: Any) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*command)
    return str(caught.value)


def test_its_commands_and_what_is_told_of_it(engine: Engine) -> None:
    assert engine.execute("TALLY.ADD", "k", 1, -2, 40) == 3
    assert engine.execute("TALLY.ADD", "k", 3) == 4
    assert engine.execute("TALLY.SUM", "k") == 42
    assert engine.execute("TALLY.SUM", "missing") == 0
    assert engine.execute("TYPE", "k") == "tallytype"
    assert engine.execute("OBJECT", "ENCODING", "k") == b"raw"
    engine.execute("SET", "other", 1)
    assert engine.execute("SCAN", 0, "TYPE", "tallytype")[1] == [b"k"]
    assert refused(engine, "TALLY.SUM", "other").startswith("WRONGTYPE")
    assert refused(engine, "GET", "k").startswith("WRONGTYPE")
    assert refused(engine, "TALLY.ADD", "k", "x").startswith("ERR value is not an integer")
    assert engine.key_sizes(0, 1000)["none"] == {4: 1}


def test_memory(engine: Engine) -> None:
    engine.execute("TALLY.ADD", "k", *range(4))
    small = engine.inspect(0, b"k")["memory"]
    engine.execute("TALLY.ADD", "k", *range(1000))
    assert engine.inspect(0, b"k")["memory"] >= small + 8 * 1000


@pytest.mark.parametrize("ends", ["DEL", "UNLINK", "FLUSHALL", "SET", "RENAME"])
def test_every_end_gives_its_memory_back(engine: Engine, ends: str) -> None:
    # What the commands themselves take (statistics, room for arguments) is there after the first round.
    seen = []
    for _ in range(2):
        engine.execute("SET", "other", 1)
        engine.execute("TALLY.ADD", "k", *range(5000))
        full = used(engine)
        engine.execute(
            *{"FLUSHALL": ["FLUSHALL"], "SET": ["SET", "k", 1], "RENAME": ["RENAME", "other", "k"]}.get(
                ends, [ends, "k"]
            )
        )
        engine.execute("FLUSHALL")
        seen.append(used(engine))
        assert full > seen[-1] + 30000
    assert seen[0] == seen[1]


def test_copy_dump_restore(engine: Engine) -> None:
    engine.execute("TALLY.ADD", "k", *range(100))
    assert engine.execute("COPY", "k", "copy") == 1
    engine.execute("TALLY.ADD", "copy", 1)
    assert engine.execute("TALLY.SUM", "copy") == engine.execute("TALLY.SUM", "k") + 1
    payload = engine.execute("DUMP", "k")
    assert engine.execute("RESTORE", "again", 0, payload) == "OK"
    assert engine.execute("DUMP", "again") == payload
    assert value_digest(engine, 0, b"again") == value_digest(engine, 0, b"k")
    for cut in range(2, len(payload) - 10, 7):
        # Sound otherwise: the checksum is not looked at.
        engine.set("skip_checksum", 1)
        assert refused(engine, "RESTORE", "broken", 0, payload[:cut] + payload[-10:]).startswith("ERR")
    assert engine.execute("EXISTS", "broken") == 0


def test_who_does_not_know_the_type_keeps_its_bytes(engine: Engine) -> None:
    engine.execute("TALLY.ADD", "k", 1, 2)
    payload = engine.execute("DUMP", "k")
    stranger = Engine()
    stranger.execute("RESTORE", "k", 0, payload)
    assert stranger.execute("TYPE", "k") == "tallytype"
    assert stranger.execute("DUMP", "k") == payload


def test_snapshots_and_rewriting(engine: Engine, tally: ModuleType, tmp_path: Path) -> None:
    engine.execute("TALLY.ADD", "k", *range(70))
    engine.execute("PEXPIREAT", "k", 4102444800000)
    engine.execute("SELECT", 3)
    engine.execute("TALLY.ADD", "l", -5)
    digest = dataset_digest(engine)
    with open(tmp_path / "dump.rdb", "w+b") as file:
        engine.save_rdb(file.fileno())
        file.seek(0)
        again = engine_with(tally)
        again.load_rdb(file.fileno())
    assert dataset_digest(again) == digest
    with open(tmp_path / "log", "w+b") as file:
        pid = engine.fork_rewrite(ChildReport(), file.fileno())
        assert os.waitpid(pid, 0)[1] == 0
        file.seek(0)
        data = bytearray(file.read())
    assert b"TALLY.ADD" in data and b"RESTORE" not in data
    again = engine_with(tally)
    replay = again.replay(data)
    while replay.run(1 << 20):
        pass
    assert replay.state == "done", replay.reason
    replay.finish()
    assert dataset_digest(again) == digest


@pytest.mark.skipif(not Engine().heap_is_checked, reason="needs a build with a checked heap")
def test_memory_that_is_out(engine: Engine) -> None:
    engine.execute("TALLY.ADD", "k", *range(4))
    payload = engine.execute("DUMP", "k")
    before = dataset_digest(engine)
    for command in (
        ["TALLY.ADD", "k", *range(9)],
        ["TALLY.ADD", "new", 1],
        ["COPY", "k", "new"],
        ["RESTORE", "new", 0, payload],
    ):
        for count in range(1, 30):
            engine.heap_until_failure = count
            try:
                engine.execute(*command)
            except (CommandError, MemoryError):
                assert dataset_digest(engine) == before
                continue
            finally:
                engine.heap_until_failure = 0
            break
        engine.execute("DEL", "k", "new")
        engine.execute("RESTORE", "k", 0, payload)


def test_types_that_are_refused(engine: Engine, tally: ModuleType) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        engine.register_type(tally.TYPE_CAPSULE)
    fresh = Engine()
    for what, told in (("copy", "lacks functions"), ("name", "cannot be"), ("version", "cannot be")):
        with pytest.raises(ValueError, match=told):
            fresh.register_type(tally.broken_row(what))
    with pytest.raises(ValueError, match="capsule"):
        fresh.register_type(object())
    fresh.register_type(tally.TYPE_CAPSULE)
