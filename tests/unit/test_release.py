"""Deferred release: whoever asks for it, a large value goes in bounded steps, and all of it in the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from redislite._core.engine import Engine
from redislite.config.directives import POLICY_ALL_KEYS

COUNT = 20_000
BATCH = 2_000
# What one step may release: 512 pieces of work; and what goes with a command at once.
STEP_BYTES = 512 * 9000
DIRECT_BYTES = 64 * 8192

Fill = Callable[[Engine, str], None]


def batches(make: Callable[[int], tuple[object, ...]]) -> Iterator[list[object]]:
    for start in range(0, COUNT, BATCH):
        yield [word for number in range(start, start + BATCH) for word in make(number)]


def fill_set(engine: Engine, key: str) -> None:
    for words in batches(lambda number: (f"member:{number}",)):
        engine.execute("SADD", key, *words)


def fill_hash(engine: Engine, key: str) -> None:
    for words in batches(lambda number: (f"field:{number}", f"value:{number}")):
        engine.execute("HSET", key, *words)


def fill_timed_hash(engine: Engine, key: str) -> None:
    fill_hash(engine, key)
    for words in batches(lambda number: (f"field:{number}",)):
        engine.execute("HEXPIRE", key, 1000, "FIELDS", len(words), *words)


def fill_list(engine: Engine, key: str) -> None:
    for words in batches(lambda number: (f"element:{number:0600d}",)):
        engine.execute("RPUSH", key, *words)


def fill_sorted_set(engine: Engine, key: str) -> None:
    for words in batches(lambda number: (number * 7919 % 20_011, f"member:{number}")):
        engine.execute("ZADD", key, *words)


def fill_stream(engine: Engine, key: str) -> None:
    for number in range(COUNT // 4):
        engine.execute("XADD", key, f"{number + 1}-0", "field", f"value:{number}" * 10)
    for group in ("one", "two"):
        engine.execute("XGROUP", "CREATE", key, group, 0)
        for consumer in ("alice", "bob"):
            engine.execute("XREADGROUP", "GROUP", group, consumer, "COUNT", COUNT // 8, "STREAMS", key, ">")


FILLS = {
    "set": fill_set,
    "hash": fill_hash,
    "timed hash": fill_timed_hash,
    "list": fill_list,
    "sorted set": fill_sorted_set,
    "stream": fill_stream,
}


def used(engine: Engine) -> int:
    return engine.memory["used"]


def things(engine: Engine) -> int:
    return engine.memory["discarded_things"]


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    engine.set("release_turn_us", 0)  # one step a turn
    engine.set("latency_tracking", 0)
    # What is allocated once and kept.
    for command in ("DEL", "UNLINK", "FLUSHALL"):
        engine.execute(command, *(["nothing"] if command != "FLUSHALL" else []))
    return engine


def release(engine: Engine, least_steps: int = 2) -> None:
    """Turns until all is released, each turn within its bounds."""
    steps = 0
    more = True
    while more:
        before = used(engine)
        more = engine.before_sleep()
        assert before - used(engine) < STEP_BYTES
        steps += 1
    assert steps >= least_steps
    assert things(engine) == 0


def flush(engine: Engine) -> None:
    engine.execute("FLUSHALL")
    engine.release_all()


def overwrite_by_copy(engine: Engine, key: str) -> None:
    engine.execute("SET", "source", "x")
    engine.execute("COPY", "source", key, "REPLACE")
    engine.execute("DEL", "source")


def overwrite_by_rename(engine: Engine, key: str) -> None:
    engine.execute("SET", "source", "x")
    engine.execute("RENAME", "source", key)


def overwrite_by_restore(engine: Engine, key: str) -> None:
    engine.execute("SET", "source", "x")
    payload = engine.execute("DUMP", "source")
    engine.execute("DEL", "source")
    engine.execute("RESTORE", key, 0, payload, "REPLACE")


def restore_over_it_what_is_over(engine: Engine, key: str) -> None:
    engine.execute("SET", "source", "x")
    payload = engine.execute("DUMP", "source")
    engine.execute("DEL", "source")
    engine.execute("RESTORE", key, 1, payload, "REPLACE", "ABSTTL")


def store(*command: object) -> Callable[[Engine, str], None]:
    def remove(engine: Engine, key: str) -> None:
        engine.execute("SADD", "members", 1, 2)
        engine.execute("GEOADD", "points", 1, 1, "here")
        engine.execute(*(key if word == "KEY" else word for word in command))
        engine.execute("DEL", "members", "points")

    return remove


def expire_on_the_way(engine: Engine, key: str) -> None:
    engine.execute("PEXPIRE", key, 10)
    engine.clock_offset_ms += 100
    assert engine.execute("EXISTS", key) == 0


def expire_actively(engine: Engine, key: str) -> None:
    engine.execute("PEXPIRE", key, 10)
    engine.clock_offset_ms += 100
    engine.cron(100_000)
    assert engine.statistics["expired_keys"] == 1


def evict(engine: Engine, key: str) -> None:
    engine.set("eviction_policy", POLICY_ALL_KEYS | 1)
    engine.set("eviction_tenacity", 0)
    engine.set("max_memory", used(engine) - 1)
    engine.execute("PING")
    engine.set("max_memory", 0)
    assert engine.statistics["evicted_keys"] == 1


def command(*words: str) -> Callable[[Engine, str], None]:
    def remove(engine: Engine, key: str) -> None:
        engine.execute(*(key if word == "KEY" else word for word in words))

    return remove


REMOVALS = {
    "DEL": command("DEL", "KEY"),
    "UNLINK": command("UNLINK", "KEY"),
    "SET": command("SET", "KEY", "x"),
    "MSET": command("MSET", "KEY", "x"),
    "SET, a number": command("SET", "KEY", "12"),
    "EXPIRE in the past": command("EXPIRE", "KEY", "-1"),
    "RENAME": overwrite_by_rename,
    "COPY": overwrite_by_copy,
    "RESTORE": overwrite_by_restore,
    "RESTORE of what is over": restore_over_it_what_is_over,
    "SUNIONSTORE": store("SUNIONSTORE", "KEY", "members"),
    "SINTERSTORE of nothing": store("SINTERSTORE", "KEY", "members", "missing"),
    "ZUNIONSTORE": store("ZUNIONSTORE", "KEY", 1, "members"),
    "ZRANGESTORE of nothing": store("ZRANGESTORE", "KEY", "missing", 0, -1),
    "GEOSEARCHSTORE": store("GEOSEARCHSTORE", "KEY", "points", "FROMMEMBER", "here", "BYRADIUS", 1, "km"),
    "SORT": store("SORT", "members", "STORE", "KEY"),
    "BITOP": store("BITOP", "NOT", "KEY", "missing"),
    "expired, found": expire_on_the_way,
    "expired": expire_actively,
    "evicted": evict,
    "FLUSHDB": command("FLUSHDB", "SYNC"),
    "FLUSHALL": command("FLUSHALL", "SYNC"),
    "FLUSHALL ASYNC": command("FLUSHALL", "ASYNC"),
}


def warm_up(engine: Engine, remove: Callable[[Engine, str], None], fill: Fill) -> int:
    """What is used without the value; whatever a command takes once has been taken."""
    fill(engine, "warm")
    remove(engine, "warm")
    flush(engine)
    engine.reset_statistics()
    return used(engine)


@pytest.mark.parametrize("name", REMOVALS)
@pytest.mark.parametrize("kind", FILLS)
def test_a_large_value_is_released_in_steps_whoever_asks(engine: Engine, kind: str, name: str) -> None:
    if name not in ("DEL", "FLUSHALL ASYNC") and kind not in ("hash", "list"):
        pytest.skip("the ways are tried with two types, the types with two ways")
    empty = warm_up(engine, REMOVALS[name], FILLS[kind])
    FILLS[kind](engine, "large")
    full = used(engine)
    REMOVALS[name](engine, "large")
    assert 1 <= things(engine) <= 2
    taken = full - used(engine)
    assert taken < DIRECT_BYTES + STEP_BYTES and taken < (full - empty) * 0.75
    release(engine)
    flush(engine)
    assert used(engine) == empty


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("set", ("SPOP", "large", COUNT)),
        ("set", ("SPOP", "large", COUNT - 10)),
        ("list", ("LTRIM", "large", 1, 0)),
        ("list", ("LPOP", "large", COUNT)),
        ("list", ("LMPOP", 1, "large", "LEFT", "COUNT", COUNT)),
        ("sorted set", ("ZREMRANGEBYRANK", "large", 0, -1)),
        ("sorted set", ("ZREMRANGEBYSCORE", "large", "-inf", "+inf")),
        ("sorted set", ("ZPOPMIN", "large", COUNT)),
        ("sorted set", ("ZMPOP", 1, "large", "MAX", "COUNT", COUNT)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
def test_what_is_emptied_by_its_own_commands_is_released_in_steps(
    engine: Engine, kind: str, words: tuple[object, ...]
) -> None:
    empty = warm_up(engine, lambda engine, key: engine.execute(*words), FILLS[kind])
    FILLS[kind](engine, "large")
    engine.execute(*words)
    assert things(engine) == 1
    assert used(engine) > empty + 300_000
    release(engine)
    flush(engine)
    assert used(engine) == empty


@pytest.mark.parametrize(("first", "last"), [(0, 99), (-100, -1), (COUNT // 2, COUNT // 2 + 99)])
def test_what_is_trimmed_off_a_list_is_released_in_steps(engine: Engine, first: int, last: int) -> None:
    fill_list(engine, "other")
    engine.execute("LTRIM", "other", first, last)
    engine.release_all()
    small = used(engine)
    fill_list(engine, "large")
    full = used(engine)
    kept = engine.execute("LRANGE", "large", first, last)
    engine.execute("LTRIM", "large", first, last)
    assert things(engine) == 1
    assert full - used(engine) < DIRECT_BYTES + 2 * 8192
    assert engine.execute("LRANGE", "large", 0, -1) == kept and len(kept) == 100
    release(engine)
    engine.execute("DEL", "other")
    assert used(engine) <= small


@pytest.mark.parametrize("words", [("SUNION",), ("ZUNION", 6)], ids=str)
def test_results_that_nobody_keeps_are_released_in_steps(engine: Engine, words: tuple[object, ...]) -> None:
    fill = fill_set if words[0] == "SUNION" else fill_sorted_set
    words += ("large", "other", "third") * 2
    for key in ("large", "other", "third"):
        fill(engine, key)
    assert len(engine.execute(*words)) == COUNT
    engine.release_all()
    before = used(engine)
    assert len(engine.execute(*words)) == COUNT
    assert things(engine) == 1
    release(engine)
    assert used(engine) == before


def test_a_group_of_a_stream_is_released_in_steps(engine: Engine) -> None:
    fill_stream(engine, "s")
    engine.execute("XGROUP", "DESTROY", "s", "two")
    engine.release_all()
    before = used(engine)
    engine.execute("XGROUP", "CREATE", "s", "two", 0)
    for consumer in ("alice", "bob"):
        engine.execute("XREADGROUP", "GROUP", "two", consumer, "COUNT", COUNT // 8, "STREAMS", "s", ">")
    assert engine.execute("XGROUP", "DESTROY", "s", "two") == 1
    assert [group[b"name"] for group in engine.execute("XINFO", "GROUPS", "s")] == [b"one"]
    assert things(engine) == 1 and used(engine) > before + 100_000
    release(engine)
    assert used(engine) == before
    assert engine.execute("XPENDING", "s", "one")[0] == COUNT // 4


def test_small_values_go_at_once(engine: Engine) -> None:
    empty = used(engine)
    for number in range(40):
        engine.execute("HSET", "hash", f"field:{number}", "v" * 100)  # a table
        engine.execute("ZADD", "sorted set", number, f"{number:0100}")
        engine.execute("SADD", "set", f"{number:0100}")
    engine.execute("RPUSH", "list", *["x" * 3000] * 10)
    engine.execute("SET", "text", "x" * 100_000)
    engine.execute("DEL", "hash", "sorted set", "set", "list", "text")
    assert things(engine) == 0 and used(engine) <= empty + 64


@pytest.mark.parametrize("lazy", [0, 1])
@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("lazy_user_delete", "DEL"),
        ("lazy_server_delete", "RENAME"),
        ("lazy_server_delete", "SET"),
        ("lazy_expire", "expired"),
        ("lazy_expire", "EXPIRE in the past"),
        ("lazy_eviction", "evicted"),
        ("lazy_user_flush", "FLUSH"),
    ],
)
def test_what_is_counted_is_chosen_by_the_settings(engine: Engine, setting: str, name: str, lazy: int) -> None:
    engine.set("flush_is_lazy", 0)
    engine.set(setting, lazy)
    fill_set(engine, "large")
    if name == "FLUSH":
        engine.execute("SET", "small", "x")
        engine.execute("FLUSHALL")
    else:
        REMOVALS[name](engine, "large")
    counted = lazy * (2 if name == "FLUSH" else 1)
    assert things(engine) >= 1
    assert engine.memory["discarded_entries"] + engine.statistics["lazily_freed"] == counted
    release(engine)
    assert engine.memory["discarded_entries"] == 0
    assert engine.statistics["lazily_freed"] == counted
    engine.reset_statistics()
    assert engine.statistics["lazily_freed"] == 0


def test_a_flushed_database_of_large_values_has_one_of_them_begun_at_a_time(engine: Engine) -> None:
    empty = used(engine)
    for number in range(200):
        engine.execute("SADD", f"set:{number}", *(f"member:{i}" for i in range(1000)))
        engine.execute("PEXPIRE", f"set:{number}", 100_000)
    assert engine.execute("FLUSHALL", "ASYNC") == "OK"
    assert engine.memory["discarded_entries"] == 200
    steps = 0
    pending = 200
    while engine.before_sleep():
        steps += 1
        assert things(engine) <= 3  # the keys, the table of those with a deadline, one value
        assert pending - 3 <= engine.memory["discarded_entries"] <= pending
        pending = engine.memory["discarded_entries"]
    assert steps >= 200 * 1000 // 512
    assert engine.statistics["lazily_freed"] == 200
    assert used(engine) <= empty + 4096


def test_flushing_hands_over_the_tables_whole(engine: Engine) -> None:
    for number in range(30_000):
        engine.execute("SET", number, "x", "EX", 1000)
    full = used(engine)
    engine.execute("FLUSHALL", "ASYNC")
    assert full <= used(engine) < full + 1000 and things(engine) == 2
    engine.execute("SET", "new", "x")
    release(engine, 30_000 // 512)
    assert engine.execute("GET", "new") == b"x" and engine.database_size(0) == 1


def test_pending_memory_evicts_no_key(engine: Engine) -> None:
    for number in range(100):
        engine.execute("SET", f"key:{number}", "x" * 100)
    keep = used(engine)
    fill_hash(engine, "large")
    engine.set("eviction_policy", POLICY_ALL_KEYS | 1)
    engine.execute("DEL", "large")
    engine.set("max_memory", keep + 200_000)
    assert used(engine) > engine.get("max_memory")
    number = 0
    while used(engine) > engine.get("max_memory"):
        engine.execute("SET", f"new:{number}", "x")
        number += 1
    assert engine.statistics["evicted_keys"] == 0
    assert engine.database_size(0) == 100 + number


def test_without_a_policy_pending_memory_refuses_no_write(engine: Engine) -> None:
    keep = used(engine)
    fill_hash(engine, "large")
    engine.execute("DEL", "large")
    engine.set("max_memory", keep + 300_000)
    while used(engine) > engine.get("max_memory"):
        assert engine.execute("SET", "key", "x") == "OK"


def test_memory_does_not_grow_without_bounds(engine: Engine) -> None:
    """What is pending is bounded even where much is overwritten and the loop does not turn."""
    engine.execute("RPUSH", "large", *["x" * 8000] * 1500)
    each = used(engine)
    most = 0
    for _ in range(40):
        engine.execute("COPY", "large", "copy", "REPLACE")
        most = max(most, used(engine))
    assert most < 3 * each + (64 << 20) < 40 * each
    release(engine, 1)


def test_where_memory_is_out_all_is_released_at_once(engine: Engine) -> None:
    if not engine.heap_is_checked:
        pytest.skip("only a checked heap has a limit")
    empty = used(engine)
    for kind, fill in FILLS.items():
        fill(engine, kind)
    engine.release_all()
    arguments = [word.encode() for word in FILLS]
    before = used(engine)
    engine.execute("DEL", "nothing")
    engine.heap_limit = used(engine) + 8 * 6 + 2000
    # The arguments take what there was; what notes of pending releases would take is not there.
    for name in arguments:
        engine.heap_limit = used(engine) + 400
        engine.execute("DEL", name)
    engine.heap_limit = 0
    engine.release_all()
    assert before > empty and used(engine) <= empty + 10_000
    assert engine.database_size(0) == 0


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_an_engine_ends_with_releases_pending(turns: int) -> None:
    engine = Engine()
    engine.set("release_turn_us", 0)
    for kind, fill in FILLS.items():
        fill(engine, kind)
    engine.execute("DEL", *FILLS)
    fill_set(engine, "flushed")
    engine.execute("FLUSHALL", "ASYNC")
    for _ in range(turns):
        engine.before_sleep()
    assert things(engine) >= 6
    del engine


def test_flushing_while_releases_are_pending(engine: Engine) -> None:
    empty = warm_up(engine, REMOVALS["DEL"], fill_timed_hash)
    for kind, fill in FILLS.items():
        fill(engine, kind)
    engine.execute("DEL", "set", "hash")
    engine.before_sleep()
    engine.execute("FLUSHALL", "ASYNC")
    engine.before_sleep()
    fill_list(engine, "list")
    engine.execute("FLUSHALL", "SYNC")
    release(engine)
    assert used(engine) <= empty + 4096


def test_snapshots_have_nothing_of_what_is_pending(engine: Engine, tmp_path: object) -> None:
    path = os.path.join(str(tmp_path), "dump.rdb")
    fill_hash(engine, "large")
    engine.execute("SET", "kept", "x")
    engine.execute("DEL", "large")
    engine.before_sleep()
    assert things(engine) == 1
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        assert engine.save_rdb(fd)["keys"] == 1
        assert os.fstat(fd).st_size < 500
    finally:
        os.close(fd)
    assert things(engine) == 1
    release(engine)


def test_an_embedded_engine_releases_without_a_loop(engine: Engine) -> None:
    empty = warm_up(engine, REMOVALS["DEL"], fill_set)
    fill_set(engine, "large")
    engine.execute("DEL", "large")
    calls = 0
    while things(engine):
        engine.execute("PING")
        calls += 1
    flush(engine)
    assert calls > 1 and used(engine) == empty


def test_a_huge_string_goes_back_to_the_system_in_steps(engine: Engine) -> None:
    if engine.heap_is_checked:
        pytest.skip("a checked heap has no huge blocks")
    engine.execute("SET", "rest", "x")
    engine.execute("SETRANGE", "huge", 400 << 20, "x")
    engine.execute("DEL", "huge")
    pending = engine.memory["mapped"]
    assert pending > 400 << 20
    steps = 0
    more = True
    while more:
        more = engine.before_sleep()
        assert pending - engine.memory["mapped"] <= 5 << 20
        pending = engine.memory["mapped"]
        steps += 1
    assert steps >= 100 and pending < 10 << 20


# --- active expiry


def test_active_expiry_looks_at_the_clock_behind_each_key(engine: Engine) -> None:
    for number in range(2000):
        engine.execute("SET", number, "x", "PX", 10)
    engine.clock_offset_ms += 100
    assert engine.expire(0) is True
    assert 1 <= engine.statistics["expired_keys"] <= 2
    cycles = 1
    while engine.expire(0):
        cycles += 1
    assert engine.database_size(0) < 200 and cycles > 500
    assert engine.statistics["expired_time_cap_reached"] == cycles
    while engine.database_size(0):
        engine.expire(1000)
    assert engine.expire(1000) is False


def test_fields_expire_likewise(engine: Engine) -> None:
    engine.set("hash_max_listpack_entries", 0)
    for number in range(500):
        engine.execute("HSET", number, "f", "v")
        engine.execute("HPEXPIRE", number, 10, "FIELDS", 1, "f")
    engine.clock_offset_ms += 100
    assert engine.expire(0) is True
    assert 1 <= engine.statistics["expired_fields"] <= 2
    while engine.database_size(0):
        engine.expire(0)


def test_switched_off_expiry_does_nothing(engine: Engine) -> None:
    engine.execute("SET", "key", "x", "PX", 10)
    engine.clock_offset_ms += 100
    engine.set("active_expire", 0)
    assert engine.expire(1000) is False and engine.database_size(0) == 1
