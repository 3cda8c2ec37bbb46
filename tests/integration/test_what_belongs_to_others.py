"""Sockets, pid files, folders and lines of configuration that are not the server's own stay as they are."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from harness import (
    OK,
    PONG,
    Connection,
    Failure,
    ServerDied,
    ServerPool,
    ServerProcess,
    children_of,
    run_program,
    wait_until,
)

FOLDER = "appendonlydir"


def test_a_unix_socket_that_somebody_listens_on(start_server: ServerPool, tmp_path: Path) -> None:
    first = start_server()
    done = run_program("--port", "0", "--save", "", "--unixsocket", first.unix_path, directory=tmp_path)
    assert done.returncode == 1 and b"another process listens on it" in done.stdout
    with Connection(first.unix_path) as connection:
        assert connection("PING") == PONG


def test_a_file_where_the_unix_socket_is_to_be(start_server: ServerPool, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    for name in (path, tmp_path / "link"):
        if name != path:
            name.symlink_to(path)
        with pytest.raises(ServerDied, match=r"(?s)left with 1 at start.*Failed opening Unix socket"):
            start_server(unixsocket=str(name))
    assert path.read_text() == "precious"


def test_the_unix_socket_of_a_successor_stays(start_server: ServerPool) -> None:
    server = start_server()
    os.unlink(server.unix_path)
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(server.unix_path)
        server.stop()
        assert stat.S_ISSOCK(os.lstat(server.unix_path).st_mode)


def test_the_unix_socket_of_a_server_that_never_listened(start_server: ServerPool) -> None:
    first = start_server()
    with pytest.raises(ServerDied, match="left with 1 at start"):
        start_server(port=first.port)
    with Connection(first.unix_path) as connection:
        assert connection("PING") == PONG


def test_the_pid_file_of_a_successor_stays(start_server: ServerPool, tmp_path: Path) -> None:
    path = tmp_path / "server.pid"
    server = start_server(pidfile=str(path))
    assert path.read_text() == f"{server.pid}\n"
    path.write_text("1\n")
    server.stop()
    assert path.read_text() == "1\n"


# The append-only file's folder


def test_two_servers_on_one_append_only_file(start_server: ServerPool) -> None:
    first = start_server(appendonly="yes", appendfsync="always")
    assert first.control("SET", "k", "v") == OK
    named = f"process {first.pid} has its append only file there"
    with pytest.raises(ServerDied, match=f"(?s)left with 1 at start.*{named}"):
        start_server(dir=str(first.directory), appendonly="yes")
    # Nor does one that begins with it, or rewrites, later.
    second = start_server(dir=str(first.directory))
    assert "Unable to turn on AOF" in second.control("CONFIG", "SET", "appendonly", "yes")
    assert isinstance(second.control("BGREWRITEAOF"), Failure)
    assert named in second.log()
    assert second.control("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
    second.stop()
    first.crash()
    assert first.control("GET", "k") == b"v"


def test_two_servers_with_files_of_other_names_share_a_folder(start_server: ServerPool) -> None:
    first = start_server(appendonly="yes", appendfilename="one.aof")
    second = start_server(dir=str(first.directory), appendonly="yes", appendfilename="two.aof")
    assert first.control("SET", "k", "1") == OK
    assert second.control("SET", "k", "2") == OK
    first.crash()
    second.crash()
    assert (first.control("GET", "k"), second.control("GET", "k")) == (b"1", b"2")


def test_a_folder_is_left_with_the_append_only_file(start_server: ServerPool) -> None:
    first = start_server(appendonly="yes")
    assert first.control("CONFIG", "SET", "appendonly", "no") == OK
    second = start_server(dir=str(first.directory), appendonly="yes")
    second.crash()  # and a lock that a dead process had is none
    assert second.control("PING") == PONG


def test_a_folder_is_left_with_the_rewriting(start_server: ServerPool) -> None:
    first = start_server()
    assert not isinstance(first.control("BGREWRITEAOF"), Failure)
    wait_until(lambda: first.info("persistence")["aof_rewrite_in_progress"] == "0", "the rewriting's end")
    assert start_server(dir=str(first.directory), appendonly="yes").control("PING") == PONG


# Modes, and files under names that somebody else may choose


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_new_files_follow_the_umask(start_server: ServerPool, mask: int) -> None:
    before = os.umask(mask)
    try:
        server = start_server(appendonly="yes", pidfile="server.pid", logfile="written.log")
    finally:
        os.umask(before)
    server.control("SET", "k", "v")
    assert server.control("SAVE") == OK
    server.control("BGREWRITEAOF")
    wait_until(lambda: server.info("persistence")["aof_rewrite_in_progress"] == "0", "the rewriting's end")
    folder = server.directory / FOLDER
    # As the original's are.
    modes = {
        server.directory / "dump.rdb": 0o666,
        server.directory / "server.pid": 0o666,
        server.directory / "written.log": 0o666,
        folder: 0o755,
        folder / "appendonly.aof.2.base.rdb": 0o666,
        folder / "appendonly.aof.2.incr.aof": 0o644,
        folder / "appendonly.aof.manifest": 0o644,
    }
    assert {path: path.stat().st_mode & 0o777 for path in modes} == {path: mode & ~mask for path, mode in modes.items()}


def test_temporary_files_follow_no_links(start_server: ServerPool, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    server = start_server()
    server.control("SET", "k", "v")
    folder = server.directory / FOLDER
    folder.mkdir()
    links = (
        server.directory / f"temp-{server.pid}.rdb",
        server.directory / f"temp-{server.pid}-2.rdb",
        server.directory / f"temp-rewriteaof-bg-{server.pid}.aof",
        folder / "temp-appendonly.aof.manifest",
        folder / "temp-appendonly.aof.incr",
        folder / "appendonly.aof.2.incr.aof",
    )
    for link in links:
        link.symlink_to(precious)
    assert server.control("SAVE") == OK
    server.control("BGSAVE")
    wait_until(lambda: server.info("persistence")["rdb_bgsave_in_progress"] == "0", "the snapshot's end")
    assert server.control("CONFIG", "SET", "appendonly", "yes") == OK
    wait_until(lambda: server.info("persistence")["aof_rewrite_in_progress"] == "0", "the rewriting's end")
    server.control("BGREWRITEAOF")
    wait_until(lambda: server.info("persistence")["aof_rewrite_in_progress"] == "0", "the rewriting's end")
    assert precious.read_text() == "precious"


# Children


@pytest.mark.parametrize("work", ["BGSAVE", "BGREWRITEAOF"])
def test_a_child_that_is_stopped_holds_nobody_up(start_server: ServerPool, work: str) -> None:
    server = start_server(rdb_key_save_delay=10_000_000)
    server.control("MSET", "a", 1, "b", 2, "c", 3)
    server.control(work)
    (child,) = wait_until(lambda: children_of(server.pid), "the child")
    os.kill(child, signal.SIGSTOP)
    assert server.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


# Configuration


def included(start_server: ServerPool, text: str, **directives: object) -> ServerProcess:
    server = start_server(argv=("--hz", "11"), **directives)
    server.stop()
    path = server.directory / "included.conf"
    path.write_text(text)
    server._directives["include"] = path
    server.write_config()
    server.restart()
    return server


def test_rewriting_leaves_included_users_where_they_are(start_server: ServerPool) -> None:
    server = included(start_server, "user alice on >secret ~a* +get\nuser default on nopass ~* &* +@all\n")
    assert server.control("ACL", "SETUSER", "bob", "on", ">x") == OK
    for _ in range(2):
        assert server.control("CONFIG", "REWRITE") == OK
        server.restart()
    assert server.control("ACL", "USERS") == [b"alice", b"bob", b"default"]
    before = server.config_path.read_bytes()
    for change in (("SETUSER", "alice", "off"), ("DELUSER", "alice")):
        assert not isinstance(server.control("ACL", *change), Failure)
        refused = server.control("CONFIG", "REWRITE")
        assert isinstance(refused, Failure) and "'alice' has changed" in refused and "included.conf" in refused
    assert server.config_path.read_bytes() == before


def test_rewriting_leaves_included_directives_where_they_are(start_server: ServerPool) -> None:
    lines = (
        "maxmemory-samples 7",
        "save 900 1",
        "client-output-buffer-limit pubsub 1mb 0 0",
        "set-max-intset-entries 600",
    )
    server = included(start_server, "\n".join(lines), save="800 2")
    names = ("save", "maxmemory-samples", "client-output-buffer-limit", "set-max-intset-entries", "bind")

    def shown() -> list[bytes]:
        return [server.control("CONFIG", "GET", name)[1] for name in names]

    def survives() -> None:
        before = shown()
        for _ in range(2):
            assert server.control("CONFIG", "REWRITE") == OK
            server.restart()
            assert shown() == before

    assert shown()[0] == b"800 2 900 1"
    survives()
    assert "maxmemory-samples" not in server.config_path.read_text()
    for changes in (
        ("save", "700 3", "maxmemory-samples", "5", "client-output-buffer-limit", "pubsub 2mb 0 0"),
        ("save", "", "maxmemory-samples", "7"),
        ("save", "800 2 900 1", "set-max-intset-entries", "512"),
    ):
        assert server.control("CONFIG", "SET", *changes) == OK
        survives()
