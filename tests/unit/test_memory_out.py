"""Every command that needs memory, under a heap that has too little of it: refused, and nothing has changed.

A command is tried again and again with a little more memory each time, on the same data, until it succeeds. Each time
before it must say that memory is out, and the data must be what they were. Needs a build with a checked heap.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.commands.digest import dataset_digest

pytestmark = pytest.mark.skipif(not Engine().heap_is_checked, reason="needs a build with a checked heap")

LONG = "x" * 100  # makes a table of any listpack
HUGE = "y" * 3000
MANY = " ".join(f"member:{number}" for number in range(200))
FEW = "a b c 1 2 3"
WHOLE = " ".join(map(str, range(0, 1000, 7)))
FIELDS = " ".join(f"field:{number} {number}" for number in range(150))
SCORED = " ".join(f"{number} member:{number}" for number in range(150))
STREAM = [f"XADD s {number}-1 f value:{number}" for number in range(1, 130)]
GROUP = [*STREAM, "XGROUP CREATE s g 0", "XREADGROUP GROUP g c COUNT 100 STREAMS s >"]
# A list of compressed nodes, several elements in each, the same values again and again.
COMPRESSED = f"compressed;RPUSH k {' '.join(HUGE + str(number % 4) for number in range(20))}"
POINTS = " ".join(f"{number / 7} {number / 9} point:{number}" for number in range(150))

# What there is beforehand, separated by semicolons, and the command.
CASES: list[tuple[str, str]] = [
    ("", f"SET k {LONG}"),
    ("", f"SET k {HUGE}"),
    ("SET k 1", f"SET k {HUGE} EX 100"),
    (f"SET k {HUGE}", "SET k 1 PX 100000"),
    (f"SET k {LONG}", f"SET k {HUGE} GET"),
    ("SET k 1", "GETEX k EX 100"),
    ("SET k 1", f"GETSET k {HUGE}"),
    ("", f"MSET a {HUGE} b {HUGE} c {HUGE}"),
    ("", f"MSETNX a {HUGE} b {HUGE} c {HUGE}"),
    ("SET k x", f"APPEND k {HUGE}"),
    ("SET k x", "SETRANGE k 5000 abc"),
    ("SET k x", "SETBIT k 70000 1"),
    ("SET k 5", "INCR k"),
    ("", "INCRBYFLOAT k 3.25"),
    ("", "BITFIELD k SET u8 30000 7 INCRBY i16 90000 5"),
    (f"SET a {HUGE};SET b {LONG}", "BITOP OR k a b"),
    (f"SET a {HUGE};SET b {LONG}", "LCS a b IDX"),
    (f"SET a {HUGE}", "RENAME a b"),
    (f"SET a {HUGE}", "COPY a b"),
    ("SET a 1", "MOVE a 3"),
    ("SET a 1", "EXPIRE a 100"),
    ("", f"RPUSH k {FEW}"),
    ("", f"RPUSH k {MANY}"),
    (f"RPUSH k {MANY}", f"LPUSH k {HUGE} {HUGE} {HUGE}"),
    (f"RPUSH k {FEW}", f"LINSERT k BEFORE c {HUGE}"),
    (f"RPUSH k {MANY}", f"LSET k 50 {HUGE}"),
    (f"RPUSH k {HUGE} {HUGE} {HUGE} {HUGE} {HUGE} {HUGE}", "LSET k 2 short"),
    (f"RPUSH k {MANY}", "LREM k 0 member:77"),
    (f"RPUSH k {HUGE} {HUGE} {HUGE} {MANY}", "LTRIM k 2 50"),
    (f"RPUSH k {FEW}", "LTRIM k 1 2"),
    (COMPRESSED, "LTRIM k 3 16"),
    (COMPRESSED, "LTRIM k 3 5"),
    (COMPRESSED, f"LREM k 0 {HUGE}1"),
    (COMPRESSED, f"LREM k -20 {HUGE}2"),
    (COMPRESSED, f"LINSERT k AFTER {HUGE}2 new"),
    (COMPRESSED, "LPOP k 9"),
    (COMPRESSED, "LSET k 9 new"),
    (COMPRESSED, "LRANGE k 2 16"),
    (COMPRESSED, f"LPOS k {HUGE}3 COUNT 0"),
    (f"RPUSH k {MANY}", "LMOVE k other LEFT RIGHT"),
    (f"RPUSH k {MANY}", "COPY k other"),
    (f"RPUSH k {MANY}", "SORT k ALPHA STORE other"),
    (f"RPUSH k {WHOLE}", "SORT k BY w_* DESC GET # GET w_*"),
    ("", f"HSET k {FIELDS}"),
    ("HSET k a 1 b 2", f"HSET k c {HUGE} d {HUGE}"),
    (f"HSET k {FIELDS}", f"HSET k field:7 {HUGE} field:new {HUGE}"),
    ("HSET k a 1", f"HSETNX k b {LONG}"),
    (f"HSET k {FIELDS}", "HINCRBY k field:7 12345678901"),
    (f"HSET k {FIELDS}", "HINCRBYFLOAT k new 1.5"),
    (f"HSET k {FIELDS}", "HDEL k field:1 field:2 field:3"),
    (f"HSET k {FIELDS}", "HEXPIREAT k 4102444800 FIELDS 3 field:1 field:2 field:3"),
    ("HSET k a 1 b 2", "HEXPIREAT k 4102444800 FIELDS 1 a"),
    ("", "HSETEX k EXAT 4102444800 FIELDS 2 a 1 b 2"),
    (f"HSET k {FIELDS}", "HGETEX k EXAT 4102444800 FIELDS 2 field:1 field:2"),
    (f"HSET k {FIELDS};HEXPIREAT k 4102444800 FIELDS 1 field:1", "COPY k other"),
    ("", f"SADD k {FEW}"),
    ("", f"SADD k {MANY}"),
    ("", f"SADD k {WHOLE}"),
    (f"SADD k {WHOLE}", "SADD k 12345678901234 text"),
    (f"SADD k {FEW}", f"SADD k {LONG}"),
    (f"SADD k {MANY}", "SREM k member:1 member:2"),
    (f"SADD k {WHOLE}", "SREM k 7 14 21 28 35 42"),
    (f"SADD k {MANY}", "SMOVE k other member:7"),
    (f"SADD a {MANY};SADD b {MANY} {FEW}", "SINTERSTORE k a b"),
    (f"SADD a {MANY};SADD b {WHOLE} {FEW}", "SUNIONSTORE k a b"),
    (f"SADD a {MANY};SADD b member:1 {FEW}", "SDIFFSTORE k a b"),
    (f"SADD a {WHOLE};SADD b 7 14 500000", "SUNIONSTORE k a b"),
    (f"SADD a {MANY};SADD b {MANY} {FEW}", "SUNION a b"),
    (f"SADD a {MANY}", "SPOP a 500"),
    ("", "ZADD k 1 a 2 b 3 c"),
    ("", f"ZADD k {SCORED}"),
    ("ZADD k 1 a", f"ZADD k 2 {LONG} 3 {HUGE}"),
    (f"ZADD k {SCORED}", "ZADD k XX CH 1000 member:7 1001 member:8"),
    (f"ZADD k {SCORED}", "ZINCRBY k 3 new"),
    (f"ZADD k {SCORED}", "ZREM k member:1 member:2"),
    (f"ZADD k {SCORED}", "ZREMRANGEBYRANK k 10 100"),
    (f"ZADD k {SCORED}", "ZPOPMIN k 50"),
    (f"ZADD k {SCORED}", "ZRANGESTORE other k 10 100"),
    (f"ZADD a {SCORED};ZADD b 5 new 6 member:6", "ZUNIONSTORE k 2 a b"),
    (f"ZADD a {SCORED};ZADD b 5 new 6 member:6", "ZINTERSTORE k 2 a b WEIGHTS 2 3"),
    (f"ZADD a {SCORED};ZADD b 5 new 6 member:6", "ZDIFFSTORE k 2 a b"),
    (f"ZADD a {SCORED};SADD b {FEW}", "ZUNION 2 a b WITHSCORES"),
    (f"ZADD k {SCORED}", "ZSCAN k 0 COUNT 1000"),
    (f"HSET k {FIELDS}", "HSCAN k 0 COUNT 1000"),
    (f"SADD k {MANY}", "SSCAN k 0 COUNT 1000"),
    (f"ZADD k {SCORED}", "COPY k other"),
    ("", "XADD s 1-1 field value"),
    (";".join(STREAM), f"XADD s MAXLEN 100 999-1 a {HUGE}"),
    (";".join(STREAM), "XGROUP CREATE s g 0"),
    ("", "XGROUP CREATE s g 0 MKSTREAM"),
    (";".join(GROUP), "XGROUP CREATECONSUMER s g other"),
    (";".join(GROUP), "XREADGROUP GROUP g other STREAMS s >"),
    (";".join(GROUP), "XREADGROUP GROUP g other NOACK STREAMS s >"),
    (";".join(GROUP), "XCLAIM s g other 0 1-1 2-1 3-1 4-1 JUSTID"),
    (";".join(GROUP), "XAUTOCLAIM s g other 0 0 COUNT 50"),
    (";".join(GROUP), "XACK s g 1-1 2-1 3-1"),
    (";".join(GROUP), "XDEL s 5-1 6-1 7-1"),
    (";".join(GROUP), "XTRIM s MAXLEN 20"),
    (";".join(GROUP), "COPY s other"),
    ("", f"PFADD k {MANY}"),
    (f"PFADD k {FEW}", f"PFADD k {MANY}"),
    (f"PFADD a {MANY};PFADD b {FEW}", "PFMERGE k a b"),
    (f"PFADD a {MANY};PFADD b {FEW}", "PFCOUNT a b"),
    ("", f"GEOADD k {POINTS}"),
    (f"GEOADD k {POINTS}", "GEOSEARCH k FROMLONLAT 5 5 BYRADIUS 900 km ASC WITHDIST"),
    (f"GEOADD k {POINTS}", "GEOSEARCHSTORE other k FROMLONLAT 5 5 BYBOX 1500 1500 km ASC"),
]


# What these were through with when memory ran out stays, as each element is a change of its own: doing it again makes
# the rest.
STEPWISE = {"MSET", "HSET", "HEXPIREAT", "SADD", "ZADD", "GEOADD", "XREADGROUP", "LREM"}


# What these answer, and in which order, is chosen anew by each engine.
UNORDERED = {"SPOP", "SSCAN", "HSCAN", "ZSCAN"}


def prepared(setup: str) -> Engine:
    engine = Engine()
    # The replies of both commands below have a chunk to be written to, and tables have been made.
    engine.execute("SET", "{warm}", "1")
    for command in filter(None, setup.split(";")):
        if command == "compressed":
            engine.set("list_compress_depth", 1)
        else:
            engine.execute(*command.split())
    return engine


def budgets() -> list[int]:
    """Bytes, in small steps at first."""
    found = [*range(0, 400, 8)]
    while found[-1] < 1 << 22:
        found.append(found[-1] + max(16, found[-1] // 12) // 8 * 8)
    return found


@pytest.mark.parametrize(("setup", "command"), CASES, ids=lambda text: text[:40])
def test_nothing_changes_where_memory_is_out(setup: str, command: str) -> None:
    words = command.split()
    model = prepared(setup)
    wanted = model.execute(*words)
    engine = prepared(setup)
    before = dataset_digest(engine)
    for budget in budgets():
        engine.heap_limit = engine.memory["used"] + budget
        try:
            reply = engine.execute(*words)
        except CommandError as error:
            engine.heap_limit = 0
            assert str(error).startswith(("OOM ", "ERR Insufficient memory")), f"with {budget} bytes"
            if words[0] in STEPWISE:
                dataset_digest(engine)
            else:
                assert dataset_digest(engine) == before, f"with {budget} bytes"
            continue
        except MemoryError:
            # There was none for the reply. The command may have been executed by then, wholly.
            engine.heap_limit = 0
            assert dataset_digest(engine) in (before, dataset_digest(model)), f"with {budget} bytes"
            engine = prepared(setup)
            continue
        engine.heap_limit = 0
        if words[0] not in UNORDERED and words[0] not in STEPWISE:
            assert reply == wanted
        assert dataset_digest(engine) == dataset_digest(model), f"with {budget} bytes"
        break
    else:
        pytest.fail("four megabytes did not suffice")


def failures() -> Iterator[int]:
    """Which allocation fails: each of the first, and then fewer and fewer."""
    count = 1
    while count < 1 << 16:
        yield count
        count += 1 + count // 16


def replayed(data: bytes, setup: str) -> Engine:
    """What there is beforehand, and the log of what came then."""
    engine = prepared(setup)
    replay = engine.replay(bytearray(data))
    while replay.run(1 << 20):
        pass
    replay.finish()
    assert replay.state == "done", replay.reason
    return engine


@pytest.mark.parametrize(("setup", "command"), CASES, ids=lambda text: text[:40])
def test_what_leaves_is_what_was_done(setup: str, command: str) -> None:
    """Whichever allocation fails, the command's own or that of the log: others learn of exactly what has changed, or
    that they do not."""
    words = command.split()
    for count in failures():
        engine = prepared(setup)
        engine.follow_writes()
        engine.trim_memory()
        engine.heap_until_failure = count
        with contextlib.suppress(CommandError, MemoryError):
            engine.execute(*words)
        has_failed = engine.heap_until_failure == 0
        engine.heap_until_failure = 0
        try:
            data = engine.take_propagated()
        except MemoryError:
            data = None
        if data is not None:
            assert dataset_digest(replayed(data, setup)) == dataset_digest(engine), f"allocation {count}"
        if not has_failed:
            assert data is not None
            return
    pytest.fail("it never came to an end")
