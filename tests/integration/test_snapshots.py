"""Snapshots of a running server: saving, loading, failing, and what the files look like afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, children_of, run_program, wait_until
from rdb_samples import ANY_FIELDS, VECTOR_SET, file_of, module_aux, string

LOADING = Failure("LOADING Redis is loading the dataset in memory")
KEYS = 2000
is_root = os.geteuid() == 0


def fill(connection: Connection, count: int = KEYS, size: int = 100) -> None:
    replies = connection.pipeline(*(("SET", f"key:{number}", "x" * size) for number in range(count)))
    assert replies == [OK] * count


def persistence(server: ServerProcess) -> dict[str, str]:
    return server.info("persistence")


def wait_saved(server: ServerProcess) -> dict[str, str]:
    return wait_until(
        lambda: (facts := persistence(server))["rdb_bgsave_in_progress"] == "0" and facts, "the child has ended"
    )


def files(server: ServerProcess) -> list[str]:
    return sorted(path.name for path in server.directory.iterdir() if "rdb" in path.name)


@pytest.fixture
def saving(start_server: ServerPool) -> ServerProcess:
    """A server with some keys, and without save points."""
    server = start_server(enable_protected_configs="yes")
    fill(server.connect())
    return server


# Writing


@pytest.mark.parametrize("how", ["SAVE", "BGSAVE", "SHUTDOWN"])
def test_what_was_saved_is_there_after_a_restart(saving: ServerProcess, how: str) -> None:
    client = saving.connect()
    digest = client("DEBUG", "DIGEST")
    if how == "SAVE":
        assert client("SAVE") == OK
    elif how == "BGSAVE":
        assert client("BGSAVE") == "Background saving started"
        wait_saved(saving)
    else:
        client.send(b"SHUTDOWN SAVE\r\n")
        assert saving.wait_exit() == 0
    assert files(saving) == ["dump.rdb"]
    saving.restart()
    assert saving.connect()("DEBUG", "DIGEST") == digest
    facts = persistence(saving)
    assert facts["rdb_last_load_keys_loaded"] == str(KEYS) and facts["loading"] == "0"
    assert facts["rdb_changes_since_last_save"] == "0"


def test_figures_of_saves(saving: ServerProcess) -> None:
    client = saving.connect()
    assert persistence(saving)["rdb_changes_since_last_save"] == str(KEYS)
    assert client("SAVE") == OK
    facts = persistence(saving)
    assert facts["rdb_changes_since_last_save"] == "0" and facts["rdb_saves"] == "1"
    assert int(facts["rdb_last_save_time"]) == client("LASTSAVE") <= time.time()
    saving.config("rdb-key-save-delay", 10_000)
    client("SET", "before", "x")
    assert client("BGSAVE") == "Background saving started"
    client("SET", "after", "x")
    facts = wait_until(
        lambda: (now := persistence(saving))["current_save_keys_processed"] not in ("0", "1") and now, "progress"
    )
    assert facts["rdb_bgsave_in_progress"] == "1" and facts["current_save_keys_total"] == str(KEYS + 1)
    assert 0 < float(facts["current_fork_perc"]) < 100 and int(facts["rdb_current_bgsave_time_sec"]) >= 0
    assert int(saving.info("stats")["latest_fork_usec"]) > 0
    assert client("BGSAVE") == client("SAVE") == Failure("ERR Background save already in progress")
    assert client("BGSAVE", "SCHEDULE") == Failure("ERR Background save already in progress")
    assert client("BGSAVE", "CANCEL") == "Background saving cancelled"
    facts = wait_saved(saving)
    assert facts["rdb_changes_since_last_save"] == "2" and facts["rdb_last_bgsave_status"] == "ok"
    saving.config("rdb-key-save-delay", 0)
    assert client("BGSAVE") == "Background saving started"
    facts = wait_saved(saving)
    assert facts["rdb_changes_since_last_save"] == "0" and facts["rdb_last_bgsave_time_sec"] == "0"
    assert client("BGSAVE", "CANCEL") == Failure("ERR Background saving is currently not in progress or scheduled")
    assert client("BGSAVE", "now") == Failure("ERR syntax error")


def test_changes_during_a_save_are_left_to_the_next(saving: ServerProcess) -> None:
    client = saving.connect()
    saving.config("rdb-key-save-delay", 100)
    assert client("BGSAVE") == "Background saving started"
    assert client("SET", "key:0", "changed") == OK and client("DEL", "key:1") == 1
    assert wait_saved(saving)["rdb_changes_since_last_save"] == "2"
    saving.stop(signal.SIGKILL)
    saving.restart()
    client = saving.connect()
    assert client("GET", "key:0") == b"x" * 100 and client("EXISTS", "key:1") == 1


def test_in_a_transaction_a_save_is_scheduled(saving: ServerProcess) -> None:
    client = saving.connect()
    client("MULTI")
    client("SET", "a", "b")
    client("BGSAVE")
    assert client("EXEC") == [OK, "Background saving scheduled"]
    wait_until(lambda: persistence(saving)["rdb_saves"] == "1", "cron begins it")
    assert client("SAVE") == OK or wait_saved(saving)
    client("MULTI")
    client("BGSAVE", "SCHEDULE")
    client("BGSAVE", "CANCEL")
    assert client("EXEC") == ["Background saving scheduled", "Scheduled background saving cancelled"]


def test_emptying_everything_empties_the_snapshot(saving: ServerProcess) -> None:
    client = saving.connect()
    saving.config("save", "3600 1")
    saving.config("rdb-key-save-delay", 1_000_000)
    client("BGSAVE")
    saving.config("rdb-key-save-delay", 0)
    assert client("FLUSHALL") == OK
    wait_saved(saving)
    saving.stop(signal.SIGKILL)
    saving.restart()
    assert saving.connect()("DBSIZE") == 0
    assert files(saving) == ["dump.rdb"]


def test_earlier_snapshots_are_kept(saving: ServerProcess) -> None:
    client = saving.connect()
    saving.config("snapshot-keep", 2)
    sizes = []
    for number in range(4):
        client("SET", f"more:{number}", "x" * 1000)
        if number % 2:
            client("BGSAVE")
            wait_saved(saving)
        else:
            client("SAVE")
        sizes.append((saving.directory / "dump.rdb").stat().st_size)
    assert files(saving) == ["dump.rdb", "dump.rdb.1", "dump.rdb.2"]
    assert [(saving.directory / name).stat().st_size for name in files(saving)] == sizes[:0:-1]
    (saving.directory / "dump.rdb.2").rename(saving.directory / "dump.rdb")
    saving.stop(signal.SIGKILL)
    saving.restart()
    assert saving.connect()("EXISTS", "more:0", "more:1", "more:2", "more:3") == 2


def test_children_are_noticed_where_their_end_was_to_be_ignored(start_server: ServerPool) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        server = start_server()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert server.connect()("BGSAVE") == "Background saving started"
    assert wait_saved(server)["rdb_last_bgsave_status"] == "ok"


# When


def test_save_points(start_server: ServerPool) -> None:
    server = start_server(save="1 10")
    client = server.connect()
    fill(client, 9)
    assert not (server.directory / "dump.rdb").exists()
    fill(client, 10)
    wait_until((server.directory / "dump.rdb").exists, "the save point is reached")
    wait_until(lambda: persistence(server)["rdb_changes_since_last_save"] == "0", "it has everything")
    assert "10 changes in 1 seconds. Saving..." in server.log()


def test_shutdown_saves_where_there_are_save_points(start_server: ServerPool) -> None:
    server = start_server(save="3600 1")
    assert server.connect()("SET", "a", "b") == OK
    assert server.stop() == 0
    server.restart()
    client = server.connect()
    assert client("GET", "a") == b"b"
    client("SET", "a", "c")
    client.send(b"SHUTDOWN NOSAVE\r\n")
    server.wait_exit()
    server.restart()
    client = server.connect()
    assert client("GET", "a") == b"b"
    client("SET", "a", "d")
    server.config("shutdown-on-sigterm", "nosave")
    server.stop()
    server.restart()
    assert server.connect()("GET", "a") == b"b"


def test_nothing_is_executed_behind_a_shutdown(start_server: ServerPool) -> None:
    server = start_server(save="3600 1")
    client = server.connect()
    client.send(b"SET a 1\r\nSHUTDOWN\r\nSET a 2\r\n")
    assert client.read() == OK
    with pytest.raises((EOFError, OSError)):
        client.read()
    assert server.wait_exit() == 0
    server.restart()
    assert server.connect()("GET", "a") == b"1"


def test_a_shutdown_asked_for_by_a_signal_can_be_aborted(start_server: ServerPool) -> None:
    server = start_server()
    client = server.connect()
    assert client("SHUTDOWN", "ABORT") == Failure("ERR No shutdown in progress.")
    client("DEBUG", "PAUSE-CRON", 1)
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: "Received SIGTERM" in server.log(), "the signal arrives")
    assert client("SHUTDOWN", "ABORT") == OK
    client("DEBUG", "PAUSE-CRON", 0)
    assert client("PING") == "PONG"


def test_who_insists_does_not_wait_for_the_save(start_server: ServerPool) -> None:
    server = start_server(save="3600 1", rdb_key_save_delay=100_000)
    fill(server.connect(), 100)
    os.kill(server.pid, signal.SIGINT)
    temporary = server.directory / f"temp-{server.pid}.rdb"
    wait_until(temporary.exists, "it is being saved")
    os.kill(server.pid, signal.SIGINT)
    assert server.wait_exit() == 1
    assert files(server) == []


# Failing


def test_a_failed_save_leaves_the_old_file_and_refuses_writes(saving: ServerProcess) -> None:
    client = saving.connect()
    writer = saving.connect()
    writer("MULTI")
    writer("SET", "a", "b")
    saving.config("save", "3600 1")
    assert client("SAVE") == OK
    before = (saving.directory / "dump.rdb").read_bytes()
    saving.config("rdb-key-save-delay", 1_000_000)
    client("BGSAVE")
    client("SET", "key:0", "changed")
    (child,) = children_of(saving.pid)
    os.kill(child, signal.SIGKILL)
    facts = wait_saved(saving)
    assert facts["rdb_last_bgsave_status"] == "err" and "terminated by signal 9" in saving.log()
    assert files(saving) == ["dump.rdb"] and (saving.directory / "dump.rdb").read_bytes() == before
    for refused in (("SET", "a", "b"), ("PING",), ("FLUSHALL",)):
        reply = client(*refused)
        assert isinstance(reply, Failure) and reply.startswith("MISCONF Redis is configured to save RDB snapshots")
    assert client("GET", "key:0") == b"changed"
    client("MULTI")
    assert isinstance(client("SET", "a", "b"), Failure)
    assert client("EXEC") == Failure("EXECABORT Transaction discarded because of previous errors.")
    assert str(writer("EXEC")).startswith("EXECABORT Transaction discarded because of: MISCONF Redis is configured")
    assert writer("EXEC") == Failure("ERR EXEC without MULTI")
    saving.config("stop-writes-on-bgsave-error", "no")
    assert client("SET", "a", "b") == OK
    saving.config("stop-writes-on-bgsave-error", "yes")
    assert isinstance(client("SET", "a", "b"), Failure)
    saving.config("save", "")
    assert client("SET", "a", "b") == OK
    saving.config("save", "3600 1")
    saving.config("rdb-key-save-delay", 0)
    client("BGSAVE")
    assert wait_saved(saving)["rdb_last_bgsave_status"] == "ok"
    assert client("SET", "a", "b") == OK


def test_a_folder_in_the_files_place(saving: ServerProcess) -> None:
    client = saving.connect()
    (saving.directory / "dump.rdb").mkdir()
    reply = client("SAVE")
    assert isinstance(reply, Failure) and f"{saving.directory}/dump.rdb: Is a directory" in reply
    client("BGSAVE")
    assert wait_saved(saving)["rdb_last_bgsave_status"] == "err"
    assert files(saving) == ["dump.rdb"]
    assert client("SHUTDOWN", "SAVE") == Failure("ERR Errors trying to SHUTDOWN. Check logs.")
    saving.config("stop-writes-on-bgsave-error", "no")
    saving.config("save", "3600 1")
    os.kill(saving.pid, signal.SIGTERM)
    wait_until(lambda: saving.log().count("Error trying to save the DB, can't exit.") == 2, "the server refuses")
    assert client("PING") == "PONG"
    client.send(b"SHUTDOWN SAVE FORCE\r\n")
    assert saving.wait_exit() == 0
    assert "Error trying to save the DB. Exit anyway." in saving.log()


def test_a_folder_that_is_gone(saving: ServerProcess) -> None:
    client = saving.connect()
    elsewhere = saving.directory / "elsewhere"
    elsewhere.mkdir()
    assert client("CONFIG", "SET", "dir", str(elsewhere)) == OK
    elsewhere.rmdir()
    for command in ("SAVE", "BGSAVE"):
        reply = client(command)
        assert isinstance(reply, Failure) and "No such file or directory (create the folder" in reply
    assert client("CONFIG", "SET", "dir", str(saving.directory)) == OK
    assert client("SAVE") == OK
    assert isinstance(client("CONFIG", "SET", "dir", str(elsewhere)), Failure)


@pytest.mark.skipif(is_root, reason="root may write anywhere")
def test_a_folder_without_permission(saving: ServerProcess) -> None:
    saving.directory.chmod(0o500)
    try:
        reply = saving.connect()("SAVE")
        assert isinstance(reply, Failure) and "Permission denied (let the user" in reply
    finally:
        saving.directory.chmod(0o700)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if not is_root or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk(small_disk: Path, start_server: ServerPool) -> None:
    server = start_server(dir=str(small_disk), rdbcompression="no", save="3600 1")
    client = server.connect()
    fill(client, 100)
    assert client("SAVE") == OK
    fill(client, 2000, 1000)
    reply = client("SAVE")
    assert isinstance(reply, Failure) and "No space left on device (make room there" in reply
    assert client("BGSAVE") == "Background saving started"
    assert wait_saved(server)["rdb_last_bgsave_status"] == "err"
    assert isinstance(client("SET", "a", "b"), Failure)
    assert sorted(path.name for path in small_disk.iterdir() if "rdb" in path.name) == ["dump.rdb"]
    server.config("save", "")
    assert client("FLUSHALL") == OK
    fill(client, 100)
    server.config("save", "3600 1")
    assert client("BGSAVE") == "Background saving started"
    assert wait_saved(server)["rdb_last_bgsave_status"] == "ok"
    server.stop()


def test_killed_at_any_moment_of_a_save(start_server: ServerPool) -> None:
    server = start_server(rdb_key_save_delay=-20)
    client = server.connect()
    digests = set()
    saved = ""
    for number in range(8):
        fill(client, 500)
        client("SET", "round", number)
        digests.add(client("DEBUG", "DIGEST"))
        client.send(b"SAVE\r\n" if number % 2 else b"BGSAVE\r\n")
        time.sleep(number * 0.004)  # no condition: the moment is to be any
        os.kill(server.pid, signal.SIGKILL)
        server.wait_exit()
        server.restart()
        client = server.connect()
        saved = client("DEBUG", "DIGEST")
        # What is there is one of the data sets that were being saved, or the nothing of the beginning.
        assert saved in digests or saved.strip("0") == ""
    assert not any(alive(path) for path in files(server) if path.startswith("temp-"))


def alive(temporary: str) -> bool:
    """Whether the child that wrote this file still runs."""
    with contextlib.suppress(ValueError):
        pid = int(temporary.removeprefix("temp-").removesuffix(".rdb"))
        state = Path(f"/proc/{pid}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# Loading


@pytest.fixture
def slow_loading(saving: ServerProcess) -> ServerProcess:
    """A server that will need seconds to load."""
    saving.config("rdbcompression", "no")
    fill(saving.connect(), KEYS, 1000)
    assert saving.connect()("SAVE") == OK
    saving._directives.update(key_load_delay=2000, loading_process_events_interval_bytes=1024)
    saving.stop()
    saving.write_config()
    saving.restart()
    return saving


def test_clients_are_served_while_it_loads(slow_loading: ServerProcess) -> None:
    server = slow_loading
    client = server.connect()
    facts = persistence(server)
    assert facts["loading"] == "1" and facts["async_loading"] == "0"
    size = (server.directory / "dump.rdb").stat().st_size
    assert int(facts["loading_total_bytes"]) == size and int(facts["loading_rdb_used_mem"]) > size
    assert abs(int(facts["loading_start_time"]) - time.time()) < 60 and int(facts["loading_eta_seconds"]) >= 0
    wait_until(lambda: int(persistence(server)["loading_loaded_bytes"]) > 100_000, "it goes on")
    assert 0 < float(persistence(server)["loading_loaded_perc"]) < 100
    for command in (("GET", "key:1"), ("SET", "a", "b"), ("PING",), ("SAVE",), ("BGSAVE",), ("DBSIZE",)):
        assert client(*command) == LOADING, command
    assert client("MULTI") == OK
    assert client("GET", "a") == LOADING
    assert isinstance(client("EXEC"), Failure)
    assert client("CONFIG", "SET", "dir", ".") == LOADING
    assert client("CONFIG", "SET", "key-load-delay", "0") == OK
    assert isinstance(client("CLIENT", "ID"), int)
    wait_until(lambda: persistence(server)["loading"] == "0", "it is done")
    assert client("DBSIZE") == KEYS and "loading_total_bytes" not in persistence(server)
    assert f"Done loading RDB, keys loaded: {KEYS}, keys expired: 0." in server.log()


def test_the_log_may_be_switched_on_while_it_loads(slow_loading: ServerProcess) -> None:
    client = slow_loading.connect()
    assert client("CONFIG", "SET", "appendonly", "yes") == OK
    assert persistence(slow_loading)["loading"] == "1" and persistence(slow_loading)["aof_enabled"] == "0"
    wait_until(lambda: persistence(slow_loading)["loading"] == "0", "it is done")
    wait_until(lambda: persistence(slow_loading)["aof_enabled"] == "1", "the log is on")
    wait_until(lambda: persistence(slow_loading)["aof_rewrite_in_progress"] == "0", "it has its base")
    assert client("SET", "a", "b") == OK
    slow_loading._directives.update(appendonly="yes", key_load_delay=0)
    slow_loading.write_config()
    slow_loading.crash()
    assert slow_loading.connect()("DBSIZE") == KEYS + 1


@pytest.mark.parametrize("compatibility", ["redis", "valkey"])
def test_the_log_may_be_switched_off_while_it_is_loaded(start_server: ServerPool, compatibility: str) -> None:
    server = start_server(appendonly="yes", key_load_delay=1000, compatibility=compatibility, aof_use_rdb_preamble="no")
    client = server.connect()
    fill(client)
    server.stop()
    server.restart()
    client = server.connect()
    assert persistence(server)["loading"] == "1"
    if compatibility == "valkey":
        assert client("CONFIG", "SET", "appendonly", "no") == Failure("LOADING Valkey is loading the dataset in memory")
    else:
        assert client("CONFIG", "SET", "appendonly", "no") == OK
    wait_until(lambda: persistence(server)["loading"] == "0", "it is done")
    assert client("DBSIZE") == KEYS
    assert persistence(server)["aof_enabled"] == str(int(compatibility == "valkey"))


@pytest.mark.parametrize("how", ["SIGTERM", "SHUTDOWN", "SHUTDOWN SAVE"])
def test_it_may_be_ended_while_it_loads(slow_loading: ServerProcess, how: str) -> None:
    before = (slow_loading.directory / "dump.rdb").read_bytes()
    assert persistence(slow_loading)["loading"] == "1"
    if how == "SIGTERM":
        assert slow_loading.stop() == 0
    else:
        slow_loading.connect().send(how.encode() + b"\r\n")
        assert slow_loading.wait_exit() == 0
    assert (slow_loading.directory / "dump.rdb").read_bytes() == before


def test_expired_keys_are_not_loaded(saving: ServerProcess) -> None:
    client = saving.connect()
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    for number in range(10):
        client("SET", f"key:{number}", "x", "PX", 1)
    assert client("SAVE") == OK
    wait_until(lambda: client("EXISTS", "key:0") == 0, "time passes")
    saving.stop(signal.SIGKILL)
    saving.restart()
    facts = persistence(saving)
    assert facts["rdb_last_load_keys_expired"] == "10" and facts["rdb_last_load_keys_loaded"] == str(KEYS - 10)


def test_a_file_that_cannot_be_loaded(saving: ServerProcess) -> None:
    assert saving.connect()("SAVE") == OK
    saving.stop(signal.SIGKILL)
    path = saving.directory / "dump.rdb"
    whole = path.read_bytes()
    for broken, told in (
        (whole[:-8] + b"foobar00", "CRC error"),
        (whole[: len(whole) // 2], "byte "),
        (b"REDIS9999" + whole[9:], "version"),
        (b"no snapshot at all", "byte "),
        (b"", "byte 0"),
    ):
        path.write_bytes(broken)
        result = run_program(str(saving.config_path), directory=saving.directory)
        lines = [line for line in result.stdout.decode().splitlines() if "socket file" not in line]
        assert result.returncode == 1
        assert lines[-1].endswith("Fatal error loading the DB, check server logs. Exiting.")
        assert f"{path}" in lines[-2] and told in lines[-2] and "move it away to start empty" in lines[-2]
        assert "Internal error in RDB reading offset" in lines[-3]
        assert lines[-2].endswith("Terminating server after rdb file reading failure.")
        assert path.read_bytes() == broken
    path.write_bytes(whole)
    saving.restart()
    assert saving.connect()("DBSIZE") == KEYS


MODULES = file_of(
    module_aux("scdtype00", 1, 1, *ANY_FIELDS), b"\xf5" + string(b"#!lua name=x"),
    b"\xfe\x00\xfb\x01\x00\x07" + string(b"vectors") + VECTOR_SET, module_aux("scdtype00", 1, 2),
)  # fmt: skip


@pytest.mark.parametrize("how", ["SAVE", "BGSAVE", "json"])
def test_what_modules_have_written_is_kept(start_server: ServerPool, how: str) -> None:
    server = start_server(enable_protected_configs="yes")
    path = server.directory / "dump.rdb"
    path.write_bytes(MODULES)
    server.crash()
    digest = server.control("DEBUG", "DIGEST")
    assert server.control("TYPE", "vectors") == "vectorset"
    path.unlink()
    if how == "json":
        assert server.control("SAVE", "TO", "copy.json") == OK
        assert server.control("DEBUG", "RELOAD", "FROM", "copy.json") == OK
        server.control("SAVE")
    elif how == "SAVE":
        server.control("SAVE")
    else:
        server.control("BGSAVE")
        wait_saved(server)
    assert server.control("DEBUG", "DIGEST") == digest
    data = path.read_bytes()
    # Apart from the server's own auxiliary fields and the checksum it is the same file.
    begins = data.index(b"\xf7\x81")
    assert data[begins:-8] == MODULES[9:-8]


def test_a_file_that_cannot_be_loaded_again_leaves_nothing_by_half(start_server: ServerPool) -> None:
    server = start_server()
    keys = b"".join(b"\x00" + string(b"%d" % number) + string(b"x") for number in range(40))
    for broken in (keys + b"\x07" + string(b"k") + VECTOR_SET[:-3], keys + module_aux("scdtype00", 1, 3)):
        server.control("SET", "before", "x")
        (server.directory / "dump.rdb").write_bytes(b"REDIS0011\xfe\x00" + broken)
        assert "Error trying to load the RDB dump" in str(server.control("DEBUG", "RELOAD", "NOSAVE"))
        assert server.control("DBSIZE") == 0
        assert "data of the module type" in server.log()
    server.control("SET", "before", "x")
    (server.directory / "dump.rdb").unlink()
    assert "Error trying to load the RDB dump" in str(server.control("DEBUG", "RELOAD", "NOSAVE"))
    assert server.control("DBSIZE") == 1


def test_a_file_that_is_a_folder(saving: ServerProcess) -> None:
    (saving.directory / "dump.rdb").mkdir()
    saving.stop(signal.SIGKILL)
    result = run_program(str(saving.config_path), directory=saving.directory)
    assert result.returncode == 1 and b"dump.rdb: Is a directory (a folder has this name" in result.stdout


def test_a_difference_has_each_member_once(start_server: ServerPool) -> None:
    """Also where an unchecked payload has one twice."""
    client = start_server(sanitize_dump_payload="no").connect()
    twice = bytes.fromhex("14101000000003008161028162028161" "02ff0b00518f1950dcc3905d")
    assert client("RESTORE", "key", 0, twice) == OK and client("SCARD", "key") == 3
    assert sorted(client("SDIFF", "key")) == [b"a", b"b"]


@pytest.mark.parametrize(("hide", "shown"), [("no", "nothing\\n"), ("yes", "*redacted*")])
def test_keys_without_anything_in_them_are_named(start_server: ServerPool, hide: str, shown: str) -> None:
    server = start_server(hide_user_data_from_log=hide)
    empty_hash = b"\x10\x08nothing\n\x07\x07\0\0\0\0\0\xff"
    (server.directory / "dump.rdb").write_bytes(b"REDIS0011" + empty_hash + b"\xff" + bytes(8))
    server.crash()
    assert server.control("DBSIZE") == 0
    assert f"skipping empty key: {shown}\n" in server.log() and "empty keys skipped: 1" in server.log()


def test_a_reload_beside_a_child(start_server: ServerPool) -> None:
    server = start_server(rdb_key_save_delay=100_000)
    for number in range(50):
        server.control("SET", f"k{number}", number)
    assert server.control("BGSAVE") == "Background saving started"
    server.control("CONFIG", "SET", "rdb-key-save-delay", "0")
    assert server.control("DEBUG", "RELOAD") == "OK"
    assert server.info("persistence")["rdb_bgsave_in_progress"] == "1"
    assert server.control("SAVE") == Failure("ERR Background save already in progress")
    assert server.control("DBSIZE") == 50
