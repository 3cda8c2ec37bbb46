"""Databases in this process that are kept in files: what a clean end leaves, and none, and who is kept out."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import redislite
from redislite import aio
from redislite.persistence.snapshots import LoadError

WRITER = """
import sys, redislite
client = redislite.Redis(sys.argv[1]) if sys.argv[2] == "journal" else redislite.Redis(
    database=redislite.open(sys.argv[1], durability=sys.argv[2]))
number = int(client.get("n") or 0)
while True:
    number += 1
    client.set("n", number)
    client.rpush("l", number)
    print(number, flush=True)
"""


LIBRARY = "#!lua name=l\nredis.register_function('f', function() return 1 end)"


@pytest.fixture(params=["data.rdb", "data.json"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    return str(tmp_path / request.param)


@pytest.mark.parametrize("durability", ["snapshot", "journal", "always"])
def test_a_clean_end_leaves_the_file_alone(path: str, durability: str) -> None:
    for number in range(3):
        with redislite.open(path, durability=durability) as database:
            client = redislite.Redis(database=database)
            assert client.incr("n") == number + 1
            client.hset("h", mapping={"f": "v"})
            client.function_load(LIBRARY, replace=True)
            assert client.fcall("f", 0) == 1
        assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


@pytest.mark.parametrize("durability", ["journal", "always"])
def test_a_killed_process_leaves_what_can_be_opened(path: str, durability: str) -> None:
    rounds = 3
    last = 0
    for _ in range(rounds):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path, durability], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(50):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in process.stdout.read().split())])
        process.wait(30)
        process.stdout.close()
    with redislite.open(path, durability=durability) as database:
        number, values = int(database.execute("GET", "n")), database.execute("LRANGE", "l", 0, -1)
    # In each round the one between SET and RPUSH may have been the last.
    assert number - rounds <= len(values) <= number <= last + 1
    assert [int(value) for value in values] == sorted({int(value) for value in values})
    if durability == "always":
        assert number >= last
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_what_is_not_saved_is_as_after_a_crash(path: str) -> None:
    database = redislite.open(path)
    database.execute("SET", "k", 1)
    database.close(save=False)
    assert not os.path.exists(path) and os.path.isdir(f"{path}.journal")
    with redislite.open(path, durability="snapshot") as again:
        assert again.execute("GET", "k") == b"1"
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_a_file_has_one_owner(path: str) -> None:
    with redislite.open(path) as database:
        with pytest.raises(redislite.LockedError, match=f"process {os.getpid()} has the database open"):
            redislite.Redis(path)
        database.execute("SET", "k", 1)
    assert redislite.Redis(path).get("k") == b"1"


def test_a_dropped_client_keeps_its_file(path: str) -> None:
    client = redislite.Redis(path)
    client.set("k", 1)
    del client
    gc.collect()
    code = "import sys, redislite; client = redislite.Redis(sys.argv[1]); client.incr('k')"
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60)
    client = redislite.Redis(path)
    assert client.get("k") == b"2"
    client.close()


def test_files_that_are_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.rdb"
    broken.write_bytes(b"REDIS0011nonsense")
    with pytest.raises(LoadError):
        redislite.open(str(broken))
    with pytest.raises(ValueError, match=r"ends in \.rdb or \.json"):
        redislite.open(str(tmp_path / "data.db"))
    with pytest.raises(ValueError, match="durability is one of"):
        redislite.open(str(tmp_path / "data.rdb"), durability="never")
    (tmp_path / "folder.rdb").mkdir()
    with pytest.raises(IsADirectoryError):
        redislite.open(str(tmp_path / "folder.rdb"))
    with pytest.raises(FileNotFoundError):
        redislite.open(str(tmp_path / "nowhere" / "data.rdb"))
    assert sorted(os.listdir(tmp_path)) == ["broken.rdb", "folder.rdb"]
    assert broken.read_bytes() == b"REDIS0011nonsense"


def test_urls_and_arguments(tmp_path: Path) -> None:
    path = tmp_path / "data.rdb"
    client = redislite.Redis.from_url(f"redislite://{path}?db=2&decode_responses=yes", protocol=2)
    client.set("k", 1)
    assert client.get("k") == "1"
    client.close()
    client = redislite.Redis(str(path), {"databases": 4}, db=2)
    assert client.get("k") == b"1" and client.config_get("databases") == {"databases": "4"}
    client.close()
    assert redislite.Redis.from_url("redislite://").set("k", 1)
    assert aio.Redis.from_url("redislite://", db=1).connection_pool.connection_kwargs["db"] == 1
    for wrong in ("redis://localhost", "redislite://name/x.rdb"):
        with pytest.raises(ValueError, match="a URL is like"):
            redislite.Redis.from_url(wrong)
    with pytest.raises(TypeError), redislite.open() as database:
        redislite.Redis(str(path), database=database)
