"""The background child: forking, what it tells, how it ends."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from harness import wait_until

from redislite._core.persistence.fork import ChildReport
from redislite._core.probes.child import fork_child
from redislite.config.config import Config
from redislite.observability.log import WARNING, Log
from redislite.persistence.child import Child, ChildRunner, Outcome, parse_cpus
from redislite.server import Server

MEGABYTE = 1 << 20
FOR_EVER = 1 << 40
measured = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system tells no private memory")


class Lines(Log):
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def notice(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def server() -> Server:
    return Server(Config(), Lines())


@pytest.fixture
def children(server: Server) -> ChildRunner:
    return server.children


def run(children: ChildRunner, outcomes: list[Outcome], **job: int) -> Child:
    return children.start("rdb", lambda report: fork_child(report, **job), outcomes.append)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_becomes_another_program(children: ChildRunner, tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    with (tmp_path / "file").open("wb") as file:
        kept = file.fileno()

        def become(*words: str, result: int = 0) -> None:
            then = [word.encode() for word in words]
            children.start("rdb", lambda report: fork_child(report, result, kept=kept, then=then), outcomes.append)
            children.wait()

        become(sys.executable, "-c", f"import os; os.write({kept}, b'written'); os._exit({errno.ENOSPC})")
        become("/bin/sh", "-c", "exit 0")
        become("/bin/sh", "-c", "exit 0", result=errno.EIO)
        become("/no/such/program")
    assert (tmp_path / "file").read_bytes() == b"written"
    assert [outcome.succeeded for outcome in outcomes] == [False, True, False, False]
    assert [outcome.error for outcome in outcomes] == [errno.ENOSPC, 0, errno.EIO, errno.ENOENT]


def test_a_child_that_ends_well(children: ChildRunner) -> None:
    outcomes: list[Outcome] = []
    child = run(children, outcomes, keys=20)
    assert children.active is child and outcomes == [] and children.forks == 1 and children.fork_us > 0
    children.wait()
    assert children.active is None and not alive(child.pid)
    assert [outcome.succeeded for outcome in outcomes] == [True]
    assert child.report.keys == 20 and child.report.step == 1 and child.report.error == 0
    children.wait()
    children.poll()
    assert len(outcomes) == 1


def test_progress_can_be_watched(children: ChildRunner) -> None:
    outcomes: list[Outcome] = []
    child = run(children, outcomes, keys=FOR_EVER)
    child.keys_total = 1 << 41
    seen = wait_until(lambda: child.report.keys, "the child counts")
    wait_until(lambda: child.report.keys > seen, "it goes on")
    assert 0 < child.percent < 1
    children.poll()
    assert not outcomes and children.active is child
    assert children.kill()
    children.wait()
    assert not children.kill()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_what_failed_is_told(children: ChildRunner, code: int) -> None:
    outcomes: list[Outcome] = []
    run(children, outcomes, result=code)
    children.wait()
    (outcome,) = outcomes
    assert not outcome.succeeded and outcome.error == code and outcome.describe() == os.strerror(code)
    assert not outcome.cancelled


def test_a_cancelled_child_is_told_from_one_that_was_killed(children: ChildRunner) -> None:
    outcomes: list[Outcome] = []
    run(children, outcomes, keys=FOR_EVER)
    children.kill()
    children.wait()
    assert outcomes[0].cancelled and outcomes[0].signal == signal.SIGKILL
    child = run(children, outcomes, keys=FOR_EVER)
    os.kill(child.pid, signal.SIGKILL)
    children.wait()
    assert not outcomes[1].cancelled and outcomes[1].describe() == "terminated by signal 9"


def test_a_child_does_not_stop_with_the_terminal(children: ChildRunner) -> None:
    outcomes: list[Outcome] = []
    child = run(children, outcomes, keys=FOR_EVER)
    wait_until(lambda: child.report.keys, "the child runs")
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGTERM)
    seen = child.report.keys
    wait_until(lambda: child.report.keys > seen + 5, "it goes on")
    children.kill()
    children.wait()


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell what is open")
def test_a_child_holds_no_descriptor_but_its_own(children: ChildRunner, tmp_path: Path, keeps: bool) -> None:
    with open(tmp_path / "1", "wb"), open(tmp_path / "2", "wb") as file, open(tmp_path / "3", "wb"):
        child = run(children, [], keys=FOR_EVER, kept=file.fileno() if keeps else -1)
        expected = {0, 1, 2, file.fileno()} if keeps else {0, 1, 2}
        opened = Path(f"/proc/{child.pid}/fd")
        # For moments it also has open what it measures its memory with.
        wait_until(lambda: {int(entry.name) for entry in opened.iterdir()} <= expected, "nothing else is open")
        assert keeps == (opened / str(file.fileno())).exists()
    children.kill()
    children.wait()


def test_the_next_may_start_when_one_is_done(children: ChildRunner) -> None:
    order: list[str] = []

    def second(_outcome: Outcome) -> None:
        order.append("first")
        children.start("aof", lambda report: fork_child(report), lambda _outcome: order.append("second"))

    children.start("rdb", lambda report: fork_child(report), second)
    children.wait()
    assert order == ["first"] and children.active is not None
    children.wait()
    assert order == ["first", "second"]


def test_a_fork_that_fails_leaves_nothing(children: ChildRunner) -> None:
    def fail(_report: ChildReport) -> int:
        raise OSError(errno.EAGAIN, "fork")

    with pytest.raises(OSError, match="fork"):
        children.start("rdb", fail, lambda _outcome: None)
    assert children.active is None and children.forks == 0


def test_the_loop_reaps(server: Server) -> None:
    outcomes: list[Outcome] = []
    child = run(server.children, outcomes, keys=5)
    if child.descriptor < 0:
        pytest.skip("the system has no descriptors of processes")
    server.loop.call_later(10, server.loop.stop)
    child.done = lambda _outcome: server.loop.stop()
    begun = time.monotonic()
    server.loop.run()
    assert time.monotonic() - begun < 5 and server.children.active is None


def test_tables_keep_their_size_meanwhile(server: Server) -> None:
    def buckets() -> int:
        statistics = server.engine.database_statistics(0)
        return statistics["keys_buckets"] + statistics["keys_buckets_new"]

    for number in range(1000):
        server.engine.execute("set", f"key:{number}", "x")
    run(server.children, [], keys=FOR_EVER)
    for number in range(995):
        server.engine.execute("del", f"key:{number}")
    before = buckets()
    server.engine.cron(1000)
    assert buckets() == before
    server.children.kill()
    server.children.wait()
    server.engine.cron(1000)
    wait_until(lambda: server.engine.cron(1000) or buckets() < before, "the tables shrink again")


def test_tables_grow_when_it_has_ended(server: Server) -> None:
    def buckets() -> int:
        return server.engine.database_statistics(0)["keys_buckets"]

    for number in range(1024):
        server.engine.execute("set", f"key:{number}", "x")
    wait_until(lambda: server.engine.cron(1000) or buckets() == 128, "the table has its size")
    run(server.children, [], keys=FOR_EVER)
    for number in range(1024, 1030):
        server.engine.execute("set", f"key:{number}", "x")
    server.engine.cron(1000)
    assert buckets() == 128
    server.children.kill()
    server.children.wait()
    wait_until(lambda: server.engine.cron(1000) or buckets() == 256, "the table has grown, though nothing was added")


def test_resizing_that_was_forbidden_stays_so(server: Server) -> None:
    asked: list[bool] = []
    server.children.allow_resizing(False)

    class Engine:
        databases_count = 0

        def set_resizing(self, on: bool) -> None:
            asked.append(on)

    server.engine = Engine()  # type: ignore[assignment]
    run(server.children, [])
    server.children.wait()
    server.children.allow_resizing(True)
    assert asked == [False, False, True]


@measured
def test_copied_memory_is_measured(server: Server) -> None:
    child = run(server.children, [], touched=32 * MEGABYTE)
    server.children.wait()
    assert child.report.copied_peak >= child.report.copied > 0
    assert server.children.last_copied["rdb"] == child.report.copied
    assert any("Fork CoW for RDB: current" in line for line in server.log.lines)  # type: ignore[attr-defined]


@measured
def test_copied_memory_is_measured_while_it_runs(server: Server) -> None:
    child = run(server.children, [], keys=FOR_EVER, touched=32 * MEGABYTE)
    wait_until(lambda: child.report.copied >= 32 * MEGABYTE, "the child measures")
    assert child.copied_age < 60
    server.children.kill()
    server.children.wait()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_processors_of_a_child(server: Server) -> None:
    first = min(os.sched_getaffinity(0))
    children = server.children

    def fork(report: ChildReport) -> int:
        return fork_child(report, keys=FOR_EVER)

    child = children.start("rdb", fork, lambda _outcome: None, cpus=str(first))
    assert os.sched_getaffinity(child.pid) == {first}
    children.kill()
    children.wait()
    children.start("rdb", fork, lambda _outcome: None, cpus="none")
    children.kill()
    children.wait()
    assert any("'none' cannot be applied" in line for line in server.log.lines)  # type: ignore[attr-defined]
    assert server.log.level < WARNING


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", {0}), ("0,3", {0, 3}), ("2-4", {2, 3, 4}), ("0-6:2,8", {0, 2, 4, 6, 8}), ("1-1", {1})]
)
def test_lists_of_processors(text: str, cpus: set[int]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-3:0", "-1", "1,", "4:2"])
def test_bad_lists_of_processors(text: str) -> None:
    with pytest.raises(ValueError):
        parse_cpus(text)


def test_a_child_dies_with_its_server() -> None:
    if not hasattr(os, "pidfd_open"):
        pytest.skip("only where the system can tell a child of its parent's end")
    pids: list[int] = []

    def fork() -> None:
        report = ChildReport()
        pids.append(fork_child(report, keys=FOR_EVER))
        wait_until(lambda: report.keys, "the child runs")

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    assert os.WTERMSIG(os.waitpid(pids[0], 0)[1]) == signal.SIGKILL
