"""RDB files between this server and a real one: its files are read here, ours there where it is new enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import Failure, ServerProcess, real_server_program

from redislite._core.engine import Engine
from redislite.commands.digest import dataset_digest

pytestmark = pytest.mark.skipif(real_server_program() is None, reason="redis-server is not installed")

# What both know, in every encoding; a line is a command.
COMMANDS = [
    *(f"SET int:{number} {number}" for number in (0, -129, 70000, 2**31, 2**63 - 1)),
    "SET text hello", f"SET long {'ab' * 5000}", "SET expiring x PXAT 4000000000000",
    "RPUSH list a b c 1 2 3", "RPUSH quicklist " + " ".join(f"element:{i}" for i in range(3000)),
    "SADD intset 1 2 3", "SADD set a b 1", "SADD hashtable " + " ".join(f"m{i}" for i in range(600)),
    "HSET hash a 1 b two", "HSET table " + " ".join(f"f{i} v{i}" for i in range(600)),
    "ZADD zset 1 a 2.5 b -inf c", "ZADD skiplist " + " ".join(f"{i}.5 m{i}" for i in range(600)),
    *(f"XADD stream {i}-1 a {i} b {'x' * (1 + i % 50)}" for i in range(1, 250)),
    "XDEL stream 7-1", "XGROUP CREATE stream group 0", "XREADGROUP GROUP group alice COUNT 5 STREAMS stream >",
    "XACK stream group 2-1", "HSET deep f " + "y" * 300, f"RPUSH large {'z' * 20000} small",
]  # fmt: skip


def engine_with(path: Path) -> Engine:
    engine = Engine()
    fd = os.open(path, os.O_RDONLY)
    try:
        engine.load_rdb(fd)
    finally:
        os.close(fd)
    return engine


@pytest.mark.parametrize("compression", ["yes", "no"])
def test_files_of_the_real_server_are_read_here(real_server: ServerProcess, compression: str) -> None:
    connection = real_server.connect()
    real_server.config("rdbcompression", compression)
    for command in COMMANDS:
        connection(*command.split())
    connection("SAVE")
    engine = engine_with(real_server.directory / "dump.rdb")
    assert dataset_digest(engine).hex() == connection("DEBUG", "DIGEST")
    assert engine.execute("XPENDING", "stream", "group")[0] == connection("XPENDING", "stream", "group")[0]
    for name in ("list", "quicklist", "intset", "hashtable", "hash", "table", "zset", "skiplist"):
        theirs = connection("OBJECT", "ENCODING", name)
        if theirs in (b"listpack", b"intset", b"hashtable", b"skiplist") and name != "list":
            assert engine.execute("OBJECT", "ENCODING", name) == theirs


def test_vector_sets_go_through_ours_unchanged(real_server: ServerProcess) -> None:
    connection = real_server.connect()
    connection("FLUSHALL")
    if isinstance(connection("VADD", "int8", "VALUES", 3, 1, 2, 3, "a"), Failure):
        pytest.skip("the real server has no vector sets")
    for i in range(300):
        vector = (i % 7, i % 11, i % 13 - 6)
        connection("VADD", "int8", "VALUES", 3, *vector, f"e{i}", "SETATTR", f'{{"year":{i},"text":"{"ab" * 50}"}}')
        for quantization in ("NOQUANT", "BIN"):
            connection("VADD", quantization, "VALUES", 3, *vector, f"e{i}", quantization)
    connection("VADD", "reduced", "REDUCE", 2, "VALUES", 4, 1, 2, 3, 4, "a")
    connection("PEXPIREAT", "reduced", "4000000000000")
    connection("SAVE")
    before = connection("DEBUG", "DIGEST-VALUE", "int8", "NOQUANT", "BIN", "reduced"), connection("DEBUG", "DIGEST")
    path = real_server.directory / "dump.rdb"
    engine = engine_with(path)
    assert {engine.execute("TYPE", name) for name in engine.key_names(0)} == {"vectorset"}
    for name in ("int8", "NOQUANT", "BIN", "reduced"):
        assert engine.execute("DUMP", name)[:-10] == connection("DUMP", name)[:-10]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    engine.save_rdb(fd)
    os.close(fd)
    assert connection("DEBUG", "RELOAD", "NOSAVE") == "OK"
    after = connection("DEBUG", "DIGEST-VALUE", "int8", "NOQUANT", "BIN", "reduced"), connection("DEBUG", "DIGEST")
    assert after == before
    assert connection("VSIM", "int8", "ELE", "e5", "COUNT", 1) == [b"e5"]


def test_files_of_ours_are_read_by_the_real_server(real_server: ServerProcess) -> None:
    if real_server.version < (7, 2):
        pytest.skip("the real server does not read version 11")
    engine = Engine()
    for command in COMMANDS:
        engine.execute(*command.split())
    path = real_server.directory / "dump.rdb"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    engine.save_rdb(fd)
    os.close(fd)
    connection = real_server.connect()
    assert connection("DEBUG", "RELOAD", "NOSAVE") == "OK"
    assert connection("DEBUG", "DIGEST") == dataset_digest(engine).hex()
