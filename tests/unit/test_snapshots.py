"""When snapshots are written, on a clock of the test's own, and the files they leave; in process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import wait_until

from redislite.config.config import Config
from redislite.files import explain, publish, replace
from redislite.persistence.refusal import APPEND_ONLY, REPLICAS, SNAPSHOT, WriteRefusal
from redislite.persistence.snapshots import RETRY_SECONDS, Busy, LoadError, SnapshotError, Snapshots
from redislite.server import Server


class Refusing:
    """In the engine's place: what it was told to answer to writes last."""

    text: bytes | None = None
    ping = True

    def refuse_writes(self, text: bytes | None, *, ping: bool = True) -> None:
        self.text = text
        self.ping = ping


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    config = Config(change_directory=False)
    config.load(f'dir {tmp_path}\nsave 100 10 1000 1\nloglevel nothing\nlatency-tracking no')
    server = Server(config)
    server.snapshots = Snapshots(server, clock)
    server.engine.on_flushed = server.snapshots.flushed
    yield server
    server.children.kill()
    server.children.wait()


def change(server: Server, times: int = 1) -> None:
    for _ in range(times):
        server.engine.execute("incr", "counter")


def saved(server: Server) -> bool:
    """Whether cron starts a snapshot now, which is waited for."""
    before = server.snapshots.saves
    server.snapshots.cron()
    server.children.wait()
    return server.snapshots.saves > before


def test_save_points_count_changes_and_time(server: Server, clock: Clock) -> None:
    assert not saved(server)
    change(server, 10)
    clock.now += 100
    assert not saved(server), "not a second too early"
    clock.now += 1
    assert saved(server) and server.engine.dirty == 0 and server.snapshots.last_save == int(clock.now)
    change(server, 9)
    clock.now += 999
    assert not saved(server)
    clock.now += 2
    assert saved(server)
    clock.now += 10_000
    assert not saved(server), "nothing has changed"


def test_no_save_points(server: Server, clock: Clock) -> None:
    server.config.set_runtime([("save", "")])
    change(server, 1000)
    clock.now += 1_000_000
    assert not saved(server)


def test_after_a_failure_the_next_attempt_waits(server: Server, clock: Clock, tmp_path: Path) -> None:
    refusing = Refusing()
    server.refusal = WriteRefusal(refusing)  # type: ignore[arg-type]
    change(server, 10)
    clock.now += 101
    (tmp_path / "dump.rdb").mkdir()
    assert saved(server) and not server.snapshots.last_succeeded
    assert refusing.text is not None and refusing.text.startswith(b"MISCONF ")
    clock.now += RETRY_SECONDS
    assert not saved(server)
    clock.now += 1
    (tmp_path / "dump.rdb").rmdir()
    assert saved(server) and server.snapshots.last_succeeded
    assert refusing.text is None


def test_a_scheduled_one_waits_for_the_child(server: Server) -> None:
    server.config.set_runtime([("rdb-key-save-delay", "1000000"), ("save", "")])
    change(server)
    server.snapshots.start()
    with pytest.raises(Busy):
        server.snapshots.start()
    with pytest.raises(Busy):
        server.snapshots.save()
    server.snapshots.scheduled = True
    server.snapshots.cron()
    assert server.snapshots.saves == 1 and server.snapshots.is_running
    assert server.snapshots.cancel()
    server.children.wait()
    server.config.set_runtime([("rdb-key-save-delay", "0")])
    assert saved(server) and not server.snapshots.scheduled
    assert not saved(server)


def test_a_cancelled_child_replaces_nothing_even_if_it_was_done(server: Server, tmp_path: Path) -> None:
    change(server)
    server.snapshots.start()
    child = server.children.active
    assert child is not None
    wait_until(lambda: os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG), "the child is done")
    server.snapshots.cancel()
    server.children.wait()
    assert list(tmp_path.iterdir()) == [] and server.engine.dirty == 1 and server.snapshots.last_succeeded


def test_a_fork_that_fails(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(server.children, "start", fail)
    with pytest.raises(SnapshotError, match="Resource temporarily unavailable"):
        server.snapshots.start()
    assert list(tmp_path.iterdir()) == [] and not server.snapshots.last_succeeded


def test_a_folder_that_goes_at_the_wrong_moment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_old: str, _new: str) -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(SnapshotError, match="No such file"):
        server.snapshots.start()
    server.children.wait()
    assert list(tmp_path.iterdir()) == [] and not server.snapshots.last_succeeded


def test_what_is_loaded(server: Server, tmp_path: Path) -> None:
    server.snapshots.load()  # there is none
    change(server, 3)
    server.snapshots.save()
    server.engine.flush(-1, False)
    server.snapshots.load()
    assert server.engine.execute("get", "counter") == b"3" and server.snapshots.keys_loaded == 1
    assert not server.loading.active and server.loading.used_memory > 0
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011 and then nonsense")
    with pytest.raises(LoadError, match=r"dump\.rdb, byte \d+: .*move it away"):
        server.snapshots.load()
    assert not server.loading.active


def test_the_first_reason_to_refuse_writes_is_told() -> None:
    refusing = Refusing()
    refusal = WriteRefusal(refusing)  # type: ignore[arg-type]
    told = []
    for reason, text in (
        (APPEND_ONLY, "MISCONF the log"),
        (SNAPSHOT, "MISCONF the snapshot"),
        (REPLICAS, "NOREPLICAS"),
        (SNAPSHOT, ""),
        (APPEND_ONLY, ""),
        (REPLICAS, ""),
    ):
        refusal.set(reason, text)
        told.append((refusing.text, refusing.ping))
    assert told == [
        (b"MISCONF the log", True),
        (b"MISCONF the snapshot", True),
        (b"MISCONF the snapshot", True),
        (b"MISCONF the log", True),
        (b"NOREPLICAS", False),
        (None, True),
    ]


def test_a_file_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    replace(str(path), b"new")
    assert path.read_bytes() == b"new"
    path.chmod(0o600)
    replace(str(path), b"newer", str(tmp_path / "temp"))
    assert path.read_bytes() == b"newer" and path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["file"]

    def fail(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        replace(str(path), b"newest")
    assert path.read_bytes() == b"newer" and [one.name for one in tmp_path.iterdir()] == ["file"]


def test_previous_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for number in range(5):
        (tmp_path / "new").write_text(str(number))
        publish(str(tmp_path / "new"), str(path), 2)
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"x": "4", "x.1": "3", "x.2": "2"}


def test_without_second_names_previous_files_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    test_previous_files_are_kept(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENOENT])
def test_errors_say_what_to_do(code: int) -> None:
    text = explain(OSError(code, os.strerror(code)))
    assert text.startswith(os.strerror(code)) and ("dir" in text)
    assert explain(OSError(errno.EIO, "broken")) == "broken"
    assert "memory" in explain(MemoryError())


def test_huge_pages_can_be_switched_off() -> None:
    status = Path("/proc/self/status")
    if not status.exists() or "THP_enabled:\t1" not in status.read_text():
        pytest.skip("this system has none")
    program = """
from redislite._core.persistence.fork import disable_huge_pages
disable_huge_pages()
print(open("/proc/self/status").read())
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert b"THP_enabled:\t0" in shown


def test_many_may_be_kept_and_few_are_there(tmp_path: Path) -> None:
    path = str(tmp_path / "dump.rdb")
    begun = time.monotonic()
    for number in range(6):
        (tmp_path / "temporary").write_text(str(number))
        publish(str(tmp_path / "temporary"), path, 1_000_000)
    assert time.monotonic() - begun < 1
    assert [(tmp_path / f"dump.rdb.{number}").read_text() for number in range(1, 6)] == list("43210")
    (tmp_path / "temporary").write_text("6")
    publish(str(tmp_path / "temporary"), path, 3)
    assert [(tmp_path / f"dump.rdb.{number}").read_text() for number in range(1, 4)] == list("543")
