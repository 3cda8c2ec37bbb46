"""Each system call of the control plane fails in turn, and the server goes on: it answers who was there, takes up who
comes, tells the log, and does the same work the next time.

What a server does is done once to count its system calls. Then, for each call, and each time that it is made, it is
done with this one failing (failing_calls.c, put before the server's libraries).
"""

from __future__ import annotations

import errno
import mmap
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import PONG, Connection, Failure, ServerPool, ServerProcess, wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the table of calls is Linux's"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler"),
    pytest.mark.ours("its system calls are its own"),
]

ROW = struct.Struct("20s5i")
EARLIEST = 3  # of the times that a call is made in one piece of work, so many fail each in turn, and the last

# What each call fails with.
ERRORS = {
    "socket": errno.EMFILE,
    "setsockopt": errno.EINVAL,
    "getsockopt": errno.EINVAL,
    "bind": errno.EADDRINUSE,
    "listen": errno.EADDRINUSE,
    "accept": errno.EMFILE,
    "getsockname": errno.ENOBUFS,
    "getpeername": errno.ENOTCONN,
    "epoll_ctl": errno.ENOSPC,
    "epoll_wait": errno.ENOMEM,
    "fork": errno.EAGAIN,
    "waitpid": errno.ECHILD,
    "kill": errno.EPERM,
    "sched_setaffinity": errno.EINVAL,
    "fsync": errno.EIO,
    "fdatasync": errno.EIO,
    "ftruncate": errno.EIO,
    "rename": errno.EACCES,
    "link": errno.EPERM,
    "unlink": errno.EACCES,
    "mkdir": errno.EACCES,
    "fchmod": errno.EPERM,
    "flock": errno.ENOLCK,
    "open": errno.EMFILE,
    "write": errno.ENOSPC,
    "writev": errno.ENOSPC,
    "recv": errno.ECONNRESET,
    "send": errno.EPIPE,
    "pidfd_open": errno.ENOSYS,
    "pthread_create": errno.EAGAIN,
}
# Calls whose failing is no news: the peer is gone, or there is another way that is as good.
SOCKETS = {"recv", "send"}
QUIET = {"recv", "send", "link", "fchmod", "getsockopt", "epoll_wait"}


class Table:
    """The rows that the test and the server share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = list(ERRORS)
        rows = b"".join(ROW.pack(name.encode(), 0, 0, 0, 0, 0) for name in self.names)
        path.write_bytes(rows.ljust(64 * ROW.size, b"\0"))
        with path.open("r+b") as file:
            self._place = mmap.mmap(file.fileno(), 0)

    def _set(self, name: str, *numbers: int) -> None:
        ROW.pack_into(self._place, self.names.index(name) * ROW.size, name.encode(), *numbers)

    def reset(self) -> None:
        for name in self.names:
            self._set(name, 0, 0, 0, 0, 0)

    def fail(self, name: str, skip: int, times: int = 1) -> None:
        self.reset()
        self._set(name, ERRORS[name], skip, times, 0, 0)

    def row(self, name: str) -> tuple[int, int]:
        """How often it was called, and failed."""
        *_, calls, failed = ROW.unpack_from(self._place, self.names.index(name) * ROW.size)
        return calls, failed


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", path, source, "-ldl", "-lpthread"], check=True)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "table")


@pytest.fixture
def start(start_server: ServerPool, library: Path, table: Table) -> Iterator[Callable[..., ServerProcess]]:
    def begin(**directives: object) -> ServerProcess:
        environment = {"LD_PRELOAD": str(library), "REDISLITE_FAULTS": str(table.path)}
        return start_server(environment=environment, loglevel="verbose", hz=100, **directives)

    yield begin
    table.reset()


# What a server does. Each takes care that the server is, or will be, as it was.


def idle(server: ServerProcess) -> bool:
    facts = server.info("persistence")
    names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
    return all(facts[name] == "0" for name in names)


def connects(server: ServerProcess) -> None:
    with Connection(server.address, timeout=0.5) as connection:
        connection("PING")
        connection("SET", "k", "v")


def saves(server: ServerProcess) -> None:
    server.control("SET", "k", "v")
    server.control("SAVE")


def saves_in_the_background(server: ServerProcess) -> None:
    server.control("BGSAVE")
    wait_until(lambda: idle(server), "the snapshot's end")


def cancels_a_snapshot(server: ServerProcess) -> None:
    server.control("CONFIG", "SET", "rdb-key-save-delay", "300000")
    server.control("BGSAVE")
    server.control("BGSAVE", "CANCEL")
    server.control("CONFIG", "SET", "rdb-key-save-delay", "0")
    wait_until(lambda: idle(server), "the snapshot's end")


def rewrites(server: ServerProcess) -> None:
    server.control("SET", "k", "v")
    server.control("BGREWRITEAOF")
    wait_until(lambda: idle(server), "the rewriting's end")


def switches_the_log(server: ServerProcess) -> None:
    server.control("CONFIG", "SET", "appendonly", "no")
    server.control("CONFIG", "SET", "appendonly", "yes")
    wait_until(lambda: idle(server), "the rewriting's end")
    server.control("SET", "k", "v")


def listens_elsewhere(server: ServerProcess) -> None:
    server.control("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
    server.control("CONFIG", "SET", "bind", "127.0.0.1")


def rewrites_its_configuration(server: ServerProcess) -> None:
    server.control("CONFIG", "REWRITE")


def saves_its_users(server: ServerProcess) -> bool:
    """Whether the client was told of an error."""
    return isinstance(server.control("ACL", "SAVE"), Failure) | isinstance(server.control("ACL", "LOAD"), Failure)


def fails_again_and_again(server: ServerProcess) -> None:
    """What is refused, and its reports."""
    for command in (("DEBUG", "DIGEST"), ("ACL", "LOG"), ("LATENCY", "DOCTOR"), ("MEMORY", "DOCTOR"), ("EVAL", "x", 0)):
        server.control(*command)


WORK: dict[str, tuple[Callable[[ServerProcess], bool | None], dict[str, object]]] = {
    "connects": (connects, {"tcp_keepalive": 300}),
    "saves": (saves, {"snapshot_keep": 2}),
    "saves in the background": (saves_in_the_background, {"bgsave_cpulist": "0"}),
    "saves JSON in the background": (saves_in_the_background, {"dbfilename": "dump.json"}),
    "cancels a snapshot": (cancels_a_snapshot, {}),
    "rewrites": (rewrites, {"appendonly": "yes", "aof_rewrite_cpulist": "0"}),
    "switches the log": (switches_the_log, {"appendonly": "yes", "auto_aof_rewrite_percentage": 0}),
    "listens elsewhere": (listens_elsewhere, {"bind": "127.0.0.1", "set_proc_title": "no"}),
    "rewrites its configuration": (rewrites_its_configuration, {}),
    "saves its users": (saves_its_users, {"aclfile": "users.acl"}),
    "fails again and again": (fails_again_and_again, {}),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("work", WORK)
def test_each_call_fails_in_turn(start: Callable[..., ServerProcess], table: Table, tmp_path: Path, work: str) -> None:
    do, directives = WORK[work]
    if "aclfile" in directives:
        users = tmp_path / "users.acl"
        users.write_text("user default on nopass ~* &* +@all\n")
        directives = {**directives, "aclfile": str(users)}
    server = start(**directives)
    witness = server.connect(unix=True)
    do(server)
    table.reset()
    do(server)
    counts = {name: table.row(name)[0] for name in ERRORS}
    begun = time.monotonic()
    failures = 0
    silent = []
    for name, count in counts.items():
        if name in SOCKETS and do is not connects:
            continue  # it costs the very connection that asks for the work
        for skip in sorted({*range(min(count, EARLIEST)), count - 1} - {-1}):
            before = server.log_path.stat().st_size
            table.fail(name, skip)
            told = False
            try:
                told = bool(do(server))
            except (OSError, EOFError) as error:
                assert do is connects or not isinstance(error, EOFError), (name, skip, error)
            failed = table.row(name)[1]
            table.reset()
            where = f"{name}, {skip} let through"
            assert server.alive(), f"{where}:\n{server.log()}"
            # While the log cannot be written, this is what even PING is answered.
            wait_until(lambda: answers(witness) == PONG, f"who was there to be served ({where})")
            wait_until(lambda: idle(server), f"the end of what is done in the background ({where})")
            if failed and not told and name not in QUIET and server.log_path.stat().st_size == before:
                silent.append(where)
            failures += failed
            if server.control("CONFIG", "GET", "appendonly")[1] != str(directives.get("appendonly", "no")).encode():
                assert server.control("CONFIG", "SET", "appendonly", str(directives.get("appendonly", "no"))) == "OK"
            if do is listens_elsewhere:
                server.control("CONFIG", "SET", "bind", "127.0.0.1")
            wait_until(lambda: comes_in(server), f"a new client to be served ({where}):\n{server.log()}")
            done = server.control("SET", "k", "v")
            if isinstance(done, Failure):
                assert done.startswith("MISCONF"), (where, done)
                do(server)  # which goes well now
                assert server.control("SET", "k", "v") == "OK", where
    print(f"{work}: {failures} failures of {sum(1 for count in counts.values() if count)} calls, "
          f"{time.monotonic() - begun:.1f} s")
    assert failures and not silent, silent
    do(server)
    assert server.stop() == 0


def answers(witness: Connection) -> object:
    reply = witness("PING")
    assert reply == PONG or str(reply).startswith("MISCONF"), reply
    return reply


def comes_in(server: ServerProcess) -> bool:
    try:
        with Connection(server.address, timeout=1) as connection:
            return bool(connection("PING") == PONG)
    except (OSError, EOFError):
        return False


@pytest.mark.timeout(120)
def test_calls_that_fail_for_ever(start: Callable[..., ServerProcess], table: Table) -> None:
    """As a disk that is full, or a table of processes that is: the server serves who is there, and ends when told."""
    server = start(appendonly="yes")
    witness = server.connect(unix=True)
    for name in ("fork", "pthread_create", "fsync", "rename", "open", "socket", "setsockopt", "kill", "waitpid"):
        table.fail(name, 0, -1)
        for do in (saves, rewrites_its_configuration, lambda server: server.control("BGSAVE")):
            do(server)
        assert witness("PING") == PONG, name
        table.reset()
        wait_until(lambda: idle(server), f"the end of what is done in the background ({name})")
    saves(server)
    table.fail("epoll_ctl", 0, -1)
    server.control("PING")
    assert server.stop() == 0
