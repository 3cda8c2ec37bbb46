"""The append-only file: what survives, in which files, and what happens where it is damaged or cannot be written."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Failure, ServerDied, ServerPool, ServerProcess, children_of, request, wait_until
from propagation_forms import split
from rdb_samples import VECTOR_SET, file_of, module_aux, payload, string

FOLDER = "appendonlydir"
# What was acknowledged must be there after a kill; under everysec two seconds of it may not.
ON = {"appendonly": "yes", "auto_aof_rewrite_percentage": "0", "appendfsync": "always"}


def manifest(server: ServerProcess) -> list[str]:
    return (server.directory / FOLDER / "appendonly.aof.manifest").read_text().splitlines()


def rewritten(server: ServerProcess) -> bool:
    facts = server.info("persistence")
    return facts["aof_rewrite_in_progress"] == "0" and facts["aof_rewrite_scheduled"] == "0"


def rewrite(server: ServerProcess) -> None:
    assert str(server.control("BGREWRITEAOF")).startswith("Background append only file rewriting")
    wait_until(lambda: rewritten(server), "the end of the rewrite")
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def fill(server: ServerProcess) -> None:
    """Keys of all types, in both their encodings, some with a time to live."""
    run = server.control
    for size in (3, 300):
        run("SET", f"string:{size}", "v" * size)
        run("SET", f"number:{size}", size)
        run("RPUSH", f"list:{size}", *(f"element {n}" for n in range(size)))
        run("SADD", f"set:{size}", *range(size))
        run("SADD", f"words:{size}", *(f"w{n}" for n in range(size)))
        run("ZADD", f"zset:{size}", *(word for n in range(size) for word in (n / 7, f"m{n}")))
        run("HSET", f"hash:{size}", *(word for n in range(size) for word in (f"f{n}", n)))
        for n in range(size):
            run("XADD", f"stream:{size}", f"{n + 1}-0", "field", n)
    run("HPEXPIREAT", "hash:3", "4000000000000", "FIELDS", 1, "f0")
    run("XGROUP", "CREATE", "stream:300", "group", "0")
    run("XREADGROUP", "GROUP", "group", "consumer", "COUNT", 5, "STREAMS", "stream:300", ">")
    run("XADD", "empty", "1-1", "f", "v")
    run("XDEL", "empty", "1-1")
    run("SET", "later", "v", "PXAT", "4000000000000")
    run("SELECT", 5)
    run("SET", "elsewhere", "v")
    run("SELECT", 0)


def digest(server: ServerProcess) -> tuple[object, ...]:
    return (
        server.control("DEBUG", "DIGEST"),
        server.control("PEXPIRETIME", "later"),
        server.control("HPEXPIRETIME", "hash:3", "FIELDS", 1, "f0"),
        server.control("XPENDING", "stream:300", "group"),
        server.control("XINFO", "STREAM", "empty")[:4],
    )


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_all_types_survive_a_crash_and_a_rewrite(start_server: ServerPool, preamble: str) -> None:
    server = start_server(aof_use_rdb_preamble=preamble, **ON)
    fill(server)
    before = digest(server)
    server.crash()
    assert digest(server) == before
    rewrite(server)
    form = "rdb" if preamble == "yes" else "aof"
    assert manifest(server) == [
        f"file appendonly.aof.2.base.{form} seq 2 type b",
        "file appendonly.aof.2.incr.aof seq 2 type i",
    ]
    # The manifest, what it names, and the lock.
    wait_until(lambda: len(os.listdir(server.directory / FOLDER)) == 4, "history to go")
    server.crash()
    assert digest(server) == before


def test_what_is_acknowledged_is_in_the_file_before_the_reply(start_server: ServerPool) -> None:
    server = start_server(**ON)
    path = server.directory / FOLDER / "appendonly.aof.1.incr.aof"
    for number in range(50):
        server.control("SET", "k", f"value {number}")
        assert list(split(path.read_bytes()))[-1] == [b"SET", b"k", b"value %d" % number]


def test_what_begins_the_count_of_changes_anew_is_no_change(start_server: ServerPool) -> None:
    server = start_server(**ON)
    server.control("SET", "k", 1)
    for command in ("SAVE", "BGSAVE", "DEBUG RELOAD", "DEBUG LOADAOF", "CONFIG RESETSTAT"):
        server.control(*command.split())
        wait_until(lambda: b"rdb_bgsave_in_progress:0" in server.control("INFO", "persistence"), "the end of the child")
        server.control("INCR", "k")
    server.stop()
    written = (server.directory / FOLDER / "appendonly.aof.1.incr.aof").read_bytes()
    assert [words[0] for words in split(written)] == [b"SELECT", b"SET"] + [b"INCR"] * 5


def test_switched_on_and_off_while_serving(start_server: ServerPool) -> None:
    server = start_server(appendonly="no")
    server.control("SET", "before", 1)
    server.control("CONFIG", "SET", "appendonly", "yes")
    wait_until(lambda: rewritten(server), "the first rewrite")
    server.control("SET", "while", 1)
    server.control("CONFIG", "SET", "appendonly", "no")
    server.control("SET", "after", 1)
    assert server.control("DEBUG", "LOADAOF") == "OK"
    assert server.control("EXISTS", "before", "while", "after") == 2
    assert server.info("persistence")["aof_enabled"] == "0"


def test_rewriting_by_itself_when_the_file_has_grown(start_server: ServerPool) -> None:
    server = start_server(appendonly="yes", auto_aof_rewrite_percentage="100", auto_aof_rewrite_min_size="10kb")
    for _ in range(20):
        server.control("SET", "k", "x" * 1000)
    wait_until(lambda: server.info("persistence")["aof_rewrites"] == "1" and rewritten(server), "a rewrite")
    assert int(server.info("persistence")["aof_current_size"]) < 10240
    assert "Starting automatic rewriting of AOF on" in server.log()


def test_writes_during_a_rewrite_are_kept(start_server: ServerPool) -> None:
    server = start_server(rdb_key_save_delay="2000", **ON)
    for number in range(300):
        server.control("SET", f"key:{number}", number)
    server.control("BGREWRITEAOF")
    assert server.control("BGREWRITEAOF") == Failure("ERR Background append only file rewriting already in progress")
    for number in range(300, 600):
        server.control("SET", f"key:{number}", number)
    wait_until(lambda: rewritten(server), "the end of the rewrite")
    server.crash()
    assert server.control("DBSIZE") == 600


def test_a_rewrite_that_is_killed_leaves_everything_loadable(start_server: ServerPool) -> None:
    server = start_server(rdb_key_save_delay="10000000", **ON)
    server.control("SET", "a", 1)
    server.control("BGREWRITEAOF")
    child = wait_until(lambda: children_of(server.process.pid), "the child")
    server.control("SET", "b", 1)
    os.kill(child[0], signal.SIGKILL)
    wait_until(lambda: server.info("persistence")["aof_last_bgrewrite_status"] == "err", "notice of it")
    assert [line.split()[1] for line in manifest(server)] == [
        "appendonly.aof.1.base.rdb",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.2.incr.aof",
    ]
    assert not list(server.directory.glob("temp-*"))
    server.control("SET", "c", 1)
    server.crash()
    assert server.control("EXISTS", "a", "b", "c") == 3


def test_a_rewrite_that_cannot_begin_says_where(start_server: ServerPool) -> None:
    server = start_server(**ON)
    folder = server.directory / FOLDER
    shutil.rmtree(folder)
    folder.write_text("something else")
    assert "check the server logs" in server.control("BGREWRITEAOF")
    assert f"in {folder}: File exists (something else has the name of this folder" in server.log()
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "err"


def test_transactions_are_all_or_nothing(start_server: ServerPool) -> None:
    server = start_server(**ON)
    server.control.pipeline(("MULTI",), ("SET", "a", 1), ("INCR", "a"), ("SELECT", 3), ("SET", "b", 1), ("EXEC",))
    server.stop(signal.SIGKILL)
    path = server.directory / FOLDER / "appendonly.aof.1.incr.aof"
    content = path.read_bytes()
    names = [words[0] for words in split(content)]
    assert names == [b"SELECT", b"MULTI", b"SET", b"INCR", b"SELECT", b"SET", b"EXEC"] or names == [
        b"MULTI", b"SELECT", b"SET", b"INCR", b"SELECT", b"SET", b"EXEC"
    ]
    path.write_bytes(content[:-3])
    server.crash()
    assert server.control("EXISTS", "a") == 0
    assert "Revert incomplete MULTI/EXEC transaction in AOF file" in server.log()


def test_expired_keys_and_relative_times(start_server: ServerPool) -> None:
    server = start_server(**ON)
    server.control("SET", "gone", 1, "PX", 1)
    server.control("SET", "stays", 1, "EX", 1000)
    ttl = server.control("PEXPIRETIME", "stays")
    wait_until(lambda: server.control("EXISTS", "gone") == 0, "expiry")
    server.crash()
    assert server.control("PEXPIRETIME", "stays") == ttl
    assert server.control("DBSIZE") == 1


def start_with(start_server: ServerPool, files: dict[str, bytes], **directives: str) -> ServerProcess:
    """A server that finds these files in its folder."""
    home = start_server.directory / f"home-{start_server.started}"
    (home / FOLDER).mkdir(parents=True)
    for name, content in files.items():
        (home / name).write_bytes(content)
    return start_server(dir=str(home), **(ON | directives))


def refusal(start_server: ServerPool, files: dict[str, bytes], **directives: str) -> str:
    with pytest.raises(ServerDied) as caught:
        start_with(start_server, files, **directives)
    return str(caught.value)


INCREMENTAL = f"{FOLDER}/appendonly.aof.1.incr.aof"
MANIFEST = f"{FOLDER}/appendonly.aof.manifest"
ONE_FILE = b"file appendonly.aof.1.incr.aof seq 1 type i\n"


def test_a_base_in_the_form_of_valkey(start_server: ServerPool) -> None:
    server = start_server(rdb_hash_field_expiry="valkey", **ON)
    server.control("HSET", "hash", "f", "v")
    server.control("HPEXPIREAT", "hash", "4000000000000", "FIELDS", 1, "f")
    rewrite(server)
    server.control("SET", "key", "v")
    (base,) = (server.directory / FOLDER).glob("*.base.rdb")
    assert base.read_bytes().startswith(b"VALKEY080")
    server.crash()
    assert server.control("HPEXPIRETIME", "hash", "FIELDS", 1, "f") == [4000000000000]
    assert server.control("GET", "key") == b"v"
    parts = server.directory / FOLDER / "appendonly.aof.manifest"
    check = [sys.executable, "-m", "redislite.persistence.check_aof", parts]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert found.returncode == 0 and "BASE AOF (RDB format)" in found.stdout, found.stdout
    target = server.directory / "dump.json"
    subprocess.run([sys.executable, "-m", "redislite.tools.dump", "convert", parts, target], check=True)
    assert b'"field_expires_ms": [["f", 4000000000000]]' in target.read_bytes()


def test_a_base_holds_what_no_command_can_say(start_server: ServerPool) -> None:
    others = module_aux("scdtype00", 1, 1)
    snapshot = file_of(others, b"\xfe\x00\x07" + string(b"vectors") + VECTOR_SET)
    one_base = f"{FOLDER}/appendonly.aof.1.base.rdb"
    manifest_text = b"file appendonly.aof.1.base.rdb seq 1 type b\n" + ONE_FILE
    files = {one_base: snapshot, INCREMENTAL: request("SET", "a", 1), MANIFEST: manifest_text}
    server = start_with(start_server, files, aof_use_rdb_preamble="no")
    before = server.control("DEBUG", "DIGEST")
    rewrite(server)
    (base,) = (start_server.directory / "home-0" / FOLDER).glob("*.base.*")
    assert base.suffix == ".rdb" and others in base.read_bytes()
    server.crash()
    assert server.control("DEBUG", "DIGEST") == before
    assert server.control("TYPE", "vectors") == "vectorset"


def test_values_of_modules_are_rewritten_as_commands(start_server: ServerPool) -> None:
    server = start_server(aof_use_rdb_preamble="no", **ON)
    server.control("RESTORE", "vectors", 0, payload(7, VECTOR_SET))
    server.control("COPY", "vectors", "copy")
    before = server.control("DEBUG", "DIGEST")
    rewrite(server)
    (base,) = (server.directory / FOLDER).glob("*.base.aof")
    assert base.read_bytes().count(b"RESTORE") == 2
    server.crash()
    assert server.control("DEBUG", "DIGEST") == before
    server.control("DEBUG", "LOADAOF")
    assert server.control("DEBUG", "DIGEST") == before


def test_a_log_that_cannot_be_loaded_again_leaves_nothing_by_half(start_server: ServerPool) -> None:
    server = start_server(aof_load_truncated="no", **ON)
    server.control("SET", "a", 1)
    (log,) = (server.directory / FOLDER).glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3")
    assert "Error trying to load" in str(server.control("DEBUG", "LOADAOF"))
    assert server.control("DBSIZE") == 0


def test_what_a_crash_leaves_of_files_is_cleaned_up(start_server: ServerPool) -> None:
    server = start_server(**ON)
    server.control("SET", "key", "v")
    rewrite(server)
    wait_until(lambda: len(manifest(server)) == 2, "history to go")
    folder = server.directory / FOLDER
    before = {path.name for path in folder.iterdir()}
    server.stop(signal.SIGKILL)
    # As if it had been killed amid the deletion of history, and before a rewrite for a log that was switched on.
    with (folder / "appendonly.aof.manifest").open("a") as file:
        file.write("file appendonly.aof.9.base.rdb seq 9 type h\nfile appendonly.aof.8.incr.aof seq 8 type h\n")
    for name in ("appendonly.aof.8.incr.aof", "temp-appendonly.aof.incr", "temp-appendonly.aof.manifest"):
        (folder / name).write_bytes(b"x")
    server.crash()
    assert server.control("GET", "key") == b"v"
    assert {path.name for path in folder.iterdir()} == before and len(manifest(server)) == 2


def test_a_file_that_no_manifest_names_is_written_over(start_server: ServerPool) -> None:
    """A rename before the manifest: the one half of a log's first rewrite."""
    server = start_server(**ON)
    server.stop(signal.SIGKILL)
    folder = server.directory / FOLDER
    (folder / "appendonly.aof.manifest").unlink()
    (folder / "appendonly.aof.1.incr.aof").write_bytes(request("SET", "never", "loaded"))
    server.crash()
    server.control("SET", "key", "v")
    server.crash()
    assert server.control("KEYS", "*") == [b"key"]


def test_a_cut_file_is_loaded_up_to_the_cut(start_server: ServerPool) -> None:
    whole = request("SET", "a", 1)
    server = start_with(start_server, {INCREMENTAL: whole + request("SET", "b", 2)[:-1], MANIFEST: ONE_FILE})
    assert server.control("KEYS", "*") == [b"a"]
    assert (start_server.directory / "home-0" / INCREMENTAL).read_bytes() == whole
    server.control("SET", "c", 3)
    assert server.control("DEBUG", "LOADAOF") == "OK"
    assert sorted(server.control("KEYS", "*")) == [b"a", b"c"]


def test_what_does_not_start(start_server: ServerPool) -> None:
    whole = request("SET", "a", 1)
    cut = {INCREMENTAL: whole[:-1], MANIFEST: ONE_FILE}
    assert "Unexpected end of file reading the append only file" in refusal(
        start_server, cut, aof_load_truncated="no"
    )
    assert (start_server.directory / "home-0" / INCREMENTAL).read_bytes() == whole[:-1]
    wrong = {INCREMENTAL: whole + b"!!!" + whole, MANIFEST: ONE_FILE}
    assert "Bad file format reading the append only file" in refusal(start_server, wrong)
    unknown = {INCREMENTAL: whole + request("BLA", "foo"), MANIFEST: ONE_FILE}
    told = refusal(start_server, unknown)
    assert "unknown command 'BLA'" in told and "take the command out" in told
    few = {INCREMENTAL: whole + request("SET", "foo"), MANIFEST: ONE_FILE}
    assert "wrong number of arguments for 'set' command" in refusal(start_server, few)
    beyond = {INCREMENTAL: request("SELECT", 20) + whole, MANIFEST: ONE_FILE}
    assert "see the directive databases" in refusal(start_server, beyond)
    assert "No such file or directory" in refusal(start_server, {MANIFEST: ONE_FILE})
    assert "Found an empty AOF manifest" in refusal(start_server, {MANIFEST: b""})
    earlier = {
        INCREMENTAL: whole[:-1],
        f"{FOLDER}/appendonly.aof.2.incr.aof": whole,
        MANIFEST: ONE_FILE + b"file appendonly.aof.2.incr.aof seq 2 type i\n",
    }
    assert "Unexpected end of file" in refusal(start_server, earlier)
    base = {
        f"{FOLDER}/appendonly.aof.1.base.rdb": b"REDIS0011\xfe\x00\x00\x01k",
        MANIFEST: b"file appendonly.aof.1.base.rdb seq 1 type b\n",
    }
    told = refusal(start_server, base)
    assert "Error reading the RDB base file" in told and "put a backup of the folder in its place" in told
    # Nobody writes this, but it must not leave a server that executes nothing.
    assert "User requested shutdown" in refusal(start_server, {INCREMENTAL: request("SHUTDOWN"), MANIFEST: ONE_FILE})


def test_an_old_server_wrote_one_file(start_server: ServerPool) -> None:
    server = start_with(start_server, {"appendonly.aof": request("SET", "a", 1) + request("SET", "b", 1)})
    assert server.control("DBSIZE") == 2
    home = start_server.directory / "home-0"
    assert (home / MANIFEST).read_text().splitlines() == [
        "file appendonly.aof seq 1 type b",
        "file appendonly.aof.1.incr.aof seq 1 type i",
    ]
    assert not (home / "appendonly.aof").exists()


def test_annotations_tell_the_time(start_server: ServerPool) -> None:
    server = start_server(aof_timestamp_enabled="yes", aof_use_rdb_preamble="no", **ON)
    server.control("SET", "a", 1)
    path = server.directory / FOLDER / "appendonly.aof.1.incr.aof"
    assert path.read_bytes().startswith(b"#TS:")
    rewrite(server)
    assert (server.directory / FOLDER / "appendonly.aof.2.base.aof").read_bytes().startswith(b"#TS:")
    server.crash()
    assert server.control("GET", "a") == b"1"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk(start_server: ServerPool, small_disk: Path) -> None:
    server = start_server(dir=str(small_disk), **(ON | {"appendfsync": "everysec"}))
    ballast = small_disk / "ballast"
    server.control("SET", "first", "v")
    ballast.write_bytes(b"x" * (900 << 10))
    for number in range(300):
        if isinstance(server.control("SET", f"key:{number}", "v" * 1000), Failure):
            break
    else:
        pytest.fail("the disk never was full")
    refused = server.control("SET", "k", "v")
    assert refused == Failure("MISCONF Errors writing to the AOF file: No space left on device")
    assert server.control("PING") == refused
    assert server.control("GET", "first") == b"v"
    assert server.info("persistence")["aof_last_write_status"] == "err"
    acknowledged = server.control("DBSIZE")
    assert "Error writing to the AOF file" in server.log() or "Short write while writing" in server.log()
    ballast.unlink()
    wait_until(lambda: server.info("persistence")["aof_last_write_status"] == "ok", "recovery")
    assert "The server can write again" in server.log()
    server.control("SET", "last", "v")
    server.crash()
    assert server.control("DBSIZE") == acknowledged + 1
    assert "short read" not in server.log()


def test_a_full_disk_under_always_ends_the_server(start_server: ServerPool, small_disk: Path) -> None:
    server = start_server(dir=str(small_disk), **ON)
    (small_disk / "ballast").write_bytes(b"x" * (900 << 10))
    server.expected_exit = True
    acknowledged = 0
    try:
        for number in range(300):
            if server.control("SET", f"key:{number}", "v" * 1000) != "OK":
                break
            acknowledged += 1
    except (EOFError, ConnectionError, ServerDied):
        pass
    assert server.process.wait(10) == 1
    assert "Can't recover from AOF write error when the AOF fsync policy is 'always'" in server.log()
    (small_disk / "ballast").unlink()
    server.crash()
    assert server.control("DBSIZE") >= acknowledged


def test_a_file_cut_anywhere_loads_what_is_before(start_server: ServerPool) -> None:
    """In process: hundreds of servers would take too long."""
    from redislite._core.engine import Engine

    chance = random.Random(5)
    engine = Engine()
    engine.follow_writes()
    for number in range(60):
        if chance.random() < 0.3:
            engine.execute("MULTI")
            engine.execute("INCR", "count")
            engine.execute("SET", f"k{number}", "v" * chance.randrange(40))
            engine.execute("EXEC")
        else:
            engine.execute("RPUSH", "list", f"element {number}")
    stream = engine.take_propagated()
    ends = [0]  # of what is complete, with the number of changes up to there
    position, depth = 0, False
    for words in split(stream):
        position += len(request(*words))
        depth = words[0] == b"MULTI" or (depth and words[0] != b"EXEC")
        if not depth:
            ends.append(position)
    for cut in range(max(0, len(stream) - 4096), len(stream) + 1):
        copy = Engine()
        replay = copy.replay(bytearray(stream[:cut]))
        while replay.run(1 << 20):
            pass
        wanted = max(end for end in ends if end <= cut)
        assert replay.valid == wanted
        assert replay.state == ("done" if wanted == cut else "truncated")
        replay.finish()
