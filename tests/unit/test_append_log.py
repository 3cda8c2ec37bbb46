"""The append-only file as the data plane writes it: order, errors, recovery, syncing; and executing it again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from harness import request, wait_until
from propagation_forms import split

from redislite._core.engine import Engine


def opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def logging(path: Path, policy: str = "no") -> Engine:
    engine = Engine()
    log = engine.append_log
    log.policy = policy
    log.open(opened(path), 0)
    return engine


def names(path: Path) -> list[bytes]:
    return [words[0] for words in split(path.read_bytes())]


def test_a_turn_is_written_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    engine = logging(path)
    engine.execute("SET", "a", 1)
    engine.execute("INCR", "a")
    assert path.read_bytes() == b""
    assert engine.append_log.waiting > 0
    engine.before_sleep()
    assert list(split(path.read_bytes())) == [[b"SELECT", b"0"], [b"SET", b"a", b"1"], [b"INCR", b"a"]]
    assert engine.append_log.size == engine.append_log.offset == path.stat().st_size
    assert engine.append_log.waiting == 0


def test_another_file_begins_with_the_database(tmp_path: Path) -> None:
    engine = logging(tmp_path / "one")
    engine.execute("SELECT", 3)
    engine.execute("SET", "a", 1)
    assert engine.append_log.flush()
    engine.append_log.open(opened(tmp_path / "two"), 0)
    engine.execute("SET", "b", 1)
    engine.before_sleep()
    assert list(split((tmp_path / "two").read_bytes())) == [[b"SELECT", b"3"], [b"SET", b"b", b"1"]]
    engine.append_log.close()
    engine.execute("SET", "c", 1)
    engine.before_sleep()
    assert names(tmp_path / "two") == [b"SELECT", b"SET"]
    assert engine.propagation == 0


def test_what_could_not_be_written_is_written_later_in_order(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    lines: list[str] = []
    told: list[int] = []
    engine = Engine()
    log = engine.append_log
    engine.on_log = lambda level, text: lines.append(text)
    engine.on_log_error = lambda: told.append(log.error)
    log.policy = "no"
    fd = os.open("/dev/full", os.O_WRONLY)
    log.open(fd, 0)
    for number in range(3):
        engine.execute("RPUSH", "list", number)
        engine.before_sleep()
    assert told == [errno.ENOSPC]
    assert len([line for line in lines if "Error writing to the AOF file" in line]) == 1
    assert not log.flush()
    real = opened(tmp_path / "log")
    os.dup2(real, fd)
    os.close(real)
    engine.execute("RPUSH", "list", 3)
    engine.before_sleep()
    assert [words[2] for words in split((tmp_path / "log").read_bytes()) if words[0] == b"RPUSH"] == [
        b"0", b"1", b"2", b"3"
    ]
    assert told == [errno.ENOSPC, 0]
    assert lines[-1] == "AOF write error looks solved. The server can write again."


def test_nothing_may_be_lost_under_always(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    engine = Engine()
    lost: list[bool] = []
    engine.on_log_lost = lambda: lost.append(True)
    engine.append_log.policy = "always"
    engine.append_log.open(os.open("/dev/full", os.O_WRONLY), 0)
    engine.before_sleep()
    assert not lost
    engine.execute("SET", "a", 1)
    engine.before_sleep()
    assert lost


def test_syncing_by_policy(tmp_path: Path) -> None:
    engine = logging(tmp_path / "always", "always")
    log = engine.append_log
    engine.execute("SET", "a", 1)
    engine.before_sleep()
    assert log.synced_offset == log.offset > 0
    engine = logging(tmp_path / "everysec", "everysec")
    log = engine.append_log
    engine.execute("SET", "a", 1)
    engine.before_sleep()
    wait_until(lambda: log.synced_offset == log.offset, "the first sync")
    engine.execute("SET", "a", 2)
    engine.before_sleep()
    assert log.synced_offset < log.offset
    engine.clock_offset_ms += 1000
    wait_until(lambda: not log.syncing, "the thread to rest")
    engine.before_sleep()
    wait_until(lambda: log.synced_offset == log.offset, "the next second's sync")
    log.paused = True
    engine.execute("SET", "a", 3)
    engine.clock_offset_ms += 5000
    engine.before_sleep()
    assert not log.syncing and log.synced_offset < log.offset
    log.sync()
    assert log.synced_offset == log.offset


def test_annotations_of_the_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    engine = logging(path)
    engine.append_log.timestamps = True
    moments = []
    for _ in range(2):
        engine.clock_offset_ms += 2000 - engine.renew_clock() % 1000  # early in a second, which is not over soon
        for _ in range(2):
            engine.execute("INCR", "a")
            engine.before_sleep()
        moments.append(b"#TS:%d" % (engine.now_ms // 1000))
    lines = [line for line in path.read_bytes().split(b"\r\n") if line.startswith(b"#")]
    assert lines == moments
    copy = Engine()
    replay = copy.replay(bytearray(path.read_bytes()))
    assert not replay.run(1 << 20)
    replay.finish()
    assert copy.execute("GET", "a") == b"4"


def replayed(data: bytes) -> tuple[Engine, str, int, str]:
    engine = Engine()
    replay = engine.replay(bytearray(data))
    while replay.run(10):
        pass
    result = engine, replay.state, replay.valid, replay.reason
    replay.finish()
    replay.finish()
    return result


SET = request("SET", "a", 1)


@pytest.mark.parametrize(
    ("data", "state", "valid"),
    [
        (b"", "done", 0),
        (SET * 40, "done", 40 * len(SET)),
        (b"#TS:1\r\n" + SET + b"#TS:2\r\n", "done", len(SET) + 14),
        (SET + b"#TS:2", "truncated", len(SET)),
        (SET + b"!!!", "malformed", len(SET)),
        (SET + b"*0\r\n", "malformed", len(SET)),
        (SET + b"*1\r\n$-1\r\n", "malformed", len(SET)),
        (SET + b"*1\r\n$4\r\nPINGxx", "malformed", len(SET)),
        (SET + b"*99999999999999999999\r\n", "malformed", len(SET)),
        (SET + b"*1\r\n$999999999999999999\r\nab", "truncated", len(SET)),
        (SET + b"*2147483647\r\n$1\r\na\r\n", "truncated", len(SET)),
        (SET + request("NOSUCH"), "refused", len(SET)),
        (SET + request("SET", "a"), "refused", len(SET)),
        (SET + request("SELECT", 16) + SET, "astray", len(SET)),
        (SET + request("SWAPDB", 0, 16) + SET, "astray", len(SET)),
        (SET + request("MULTI") + request("SELECT", 16) + SET + request("EXEC") + SET, "astray", len(SET)),
        (SET + request("MULTI") + SET, "truncated", len(SET)),
        (SET + request("MULTI") + SET + request("EXEC"), "done", 2 * len(SET) + 29),
    ],
)
def test_where_an_execution_ends(data: bytes, state: str, valid: int) -> None:
    engine, *ending = replayed(data)
    assert ending[:2] == [state, valid]
    if state == "refused":
        assert ending[2].startswith("ERR ")
    assert engine.execute("DBSIZE") == (1 if valid else 0)


def test_every_beginning_of_a_log_is_taken_as_far_as_it_is_complete() -> None:
    data = SET + request("MULTI") + request("INCR", "a") + request("INCR", "a") + request("EXEC") + b"#TS:1\r\n" + SET
    for end in range(len(data)):
        _, state, valid, _ = replayed(data[:end])
        assert state in ("done", "truncated")
        assert valid <= end
        assert replayed(data[:valid])[1:3] == ("done", valid)


def test_nothing_expires_while_a_log_is_executed() -> None:
    past = request("SET", "a", 1, "PXAT", 1000)
    engine, state, _, _ = replayed(past + request("INCR", "a") + request("PERSIST", "a"))
    assert (state, engine.execute("GET", "a")) == ("done", b"2")
    engine, _, _, _ = replayed(request("RPUSH", "l", 1) + request("PEXPIREAT", "l", 1000) + request("RPUSH", "l", 2))
    assert engine.execute("LLEN", "l") == 0


def test_a_rewrite_makes_an_equal_data_set(tmp_path: Path) -> None:
    import random

    from differential.grammar import available

    from redislite._core.persistence.fork import ChildReport
    from redislite._core.protocol.reply_types import CommandError
    from redislite.commands.digest import dataset_digest

    chance = random.Random(3)
    rows = [row for row in available(None) if row.group not in ("connection", "server", "generic")]
    engine = Engine()
    engine.execute("XADD", "empty", "0-1", "f", "v")
    engine.execute("XDEL", "empty", "0-1")
    engine.execute("XGROUP", "CREATE", "new", "g", "$", "MKSTREAM")
    for _ in range(4000):
        row = chance.choices(rows, [row.weight for row in rows])[0]
        if not row.name.startswith("B") or row.name.startswith("BIT"):
            try:
                engine.execute(*row.generate(chance))
            except CommandError:
                continue
    path = tmp_path / "base"
    fd = opened(path)
    pid = engine.fork_rewrite(ChildReport(), fd, head=b"#TS:1\r\n")
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0
    copy, state, _, reason = replayed(path.read_bytes())
    assert (state, reason) == ("done", "")
    copy.clock_offset_ms = engine.clock_offset_ms
    assert dataset_digest(copy) == dataset_digest(engine)
    for number in range(engine.databases_count):
        for name in engine.key_names(number):
            facts = engine.inspect(number, name)
            if facts is not None and facts["type"] == "stream":
                for one in (engine, copy):
                    one.execute("SELECT", number)
                kept = [one.execute("XINFO", "STREAM", name) for one in (engine, copy)]
                for facts_of in kept:
                    for field in (b"radix-tree-keys", b"radix-tree-nodes"):
                        facts_of.pop(field)
                assert kept[0] == kept[1]
                assert engine.execute("XINFO", "GROUPS", name) == copy.execute("XINFO", "GROUPS", name)


def test_slow_writes_are_latency_events(tmp_path: Path) -> None:
    engine = logging(tmp_path / "log")
    events: dict[str, int] = {}
    engine.on_latency = lambda event, ms: events.update({event: ms})

    def write() -> set[str]:
        events.clear()
        engine.execute("SET", "a", 1)
        engine.before_sleep()
        return set(events)

    engine.append_log.flush_sleep_us = 20_000
    assert write() == set()
    engine.set("latency_threshold_ms", 10)
    assert write() == {"aof-write", "aof-write-alone"}
    assert 20 <= events["aof-write"] < 5000
    engine.append_log.child_runs = True
    assert write() == {"aof-write", "aof-write-active-child"}
    engine.append_log.flush_sleep_us = 0
    engine.set("latency_threshold_ms", 5000)
    assert write() == set()
