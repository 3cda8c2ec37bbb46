"""The memory limit: which keys each policy evicts, when commands are refused, what evicting tells others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.config.directives import POLICY_ALL_KEYS, POLICY_MEASURES

POLICIES = [f"{scope}-{measure}" for scope in ("allkeys", "volatile") for measure in ("lru", "lfu", "random")]
POLICIES.append("volatile-ttl")
PROPAGATE_AOF = 1
OOM = "OOM command not allowed when used memory > 'maxmemory'."


def set_policy(engine: Engine, name: str) -> None:
    scope, _, measure = name.partition("-")
    engine.set("lfu", measure == "lfu")
    engine.set("eviction_policy", POLICY_MEASURES.get(measure, 0) | (POLICY_ALL_KEYS if scope == "allkeys" else 0))


def used(engine: Engine) -> int:
    return engine.memory["used"]


def fill(engine: Engine, count: int, *, prefix: str = "key", value: str = "x" * 100, **options: int) -> None:
    extra = [word for name, number in options.items() for word in (name, number)]
    for number in range(count):
        engine.execute("SET", f"{prefix}:{number}", value, *extra)


def evict_to_share(engine: Engine, share: float) -> None:
    """Limits memory to this share of what the keys take, and has what is too much evicted."""
    engine.set("max_memory", int(used(Engine()) * (1 - share) + used(engine) * share))
    while engine.before_sleep():
        pass
    assert used(engine) <= engine.get("max_memory")


def numbers_left(engine: Engine, prefix: str = "key") -> list[int]:
    """The numbers of the keys that are left."""
    names = (name.decode().split(":") for name in engine.key_names(0))
    return sorted(int(number) for head, number in names if head == prefix)


@pytest.fixture
def engine() -> Iterator[Engine]:
    yield Engine()


# --- the limit


def test_without_a_policy_writes_are_refused_and_reads_served(engine: Engine) -> None:
    engine.execute("SET", "there", "value")
    engine.set("max_memory", 1)
    with pytest.raises(CommandError, match=OOM):
        engine.execute("SET", "key", "value")
    assert engine.execute("GET", "there") == b"value"
    assert engine.execute("EXISTS", "key") == 0
    assert engine.execute("DEL", "there") == 1
    engine.set("max_memory", 0)
    assert engine.execute("SET", "key", "value") == "OK"
    assert engine.statistics["evicted_keys"] == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_stays_within_the_limit(engine: Engine, policy: str) -> None:
    set_policy(engine, policy)
    engine.set("eviction_tenacity", 100)  # however busy the machine is
    limit = used(engine) + 300_000
    engine.set("max_memory", limit)
    highest = 0
    for number in range(8000):
        engine.execute("SET", f"key:{number}", "x" * 60, "EX", 1000)
        highest = max(highest, used(engine))
    assert highest <= limit * 1.01
    evicted = engine.statistics["evicted_keys"]
    assert evicted > 1000
    assert engine.database_size(0) == 8000 - evicted
    assert engine.database_statistics(0)["expires"] == 8000 - evicted


@pytest.mark.parametrize("policy", [name for name in POLICIES if name.startswith("volatile")])
def test_volatile_policies_leave_keys_without_a_deadline(engine: Engine, policy: str) -> None:
    set_policy(engine, policy)
    fill(engine, 500, prefix="lasting")
    fill(engine, 500, EX=1000)
    evict_to_share(engine, 0.7)
    assert len(numbers_left(engine, "lasting")) == 500
    assert 0 < len(numbers_left(engine)) < 450
    engine.set("max_memory", 1)
    while engine.before_sleep():
        pass
    with pytest.raises(CommandError, match=OOM):
        engine.execute("SET", "one", "more")
    assert numbers_left(engine) == []
    assert len(numbers_left(engine, "lasting")) == 500


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_all_databases_are_evicted_from(engine: Engine, policy: str) -> None:
    set_policy(engine, policy)
    for number in (0, 5, 15):
        engine.execute("SELECT", number)
        fill(engine, 300)
    evict_to_share(engine, 0.5)
    sizes = [engine.database_size(number) for number in (0, 5, 15)]
    assert all(0 < size < 300 for size in sizes), sizes


def test_a_transaction_is_refused_as_a_whole(engine: Engine) -> None:
    engine.execute("MULTI")
    engine.execute("SET", "key", "value")
    engine.set("max_memory", 1)
    with pytest.raises(CommandError, match="EXECABORT Transaction discarded because of: OOM command not allowed"):
        engine.execute("EXEC")
    assert engine.execute("PING") == "PONG"
    engine.execute("MULTI")
    with pytest.raises(CommandError, match=OOM):
        engine.execute("GET", "key")  # what is queued takes memory, whatever it is
    assert engine.execute("DISCARD") == "OK"
    assert engine.execute("GET", "key") is None


def test_nothing_is_evicted_within_a_transaction(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    fill(engine, 10)
    engine.execute("MULTI")
    engine.execute("SETRANGE", "large", 100_000, "x")
    engine.execute("DBSIZE")
    engine.set("eviction_tenacity", 100)
    engine.set("max_memory", used(engine) + 50_000)
    assert engine.execute("EXEC") == [100_001, 11]
    assert engine.execute("DBSIZE") < 11


def test_no_key_is_evicted_while_writes_are_paused(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    fill(engine, 10)
    engine.set_gate("pause_write", True)
    engine.set("max_memory", 1)
    engine.before_sleep()
    assert engine.execute("DBSIZE") == 10
    engine.set_gate("pause_write", False)
    engine.set("eviction_tenacity", 100)
    assert engine.execute("DBSIZE") == 0


def test_what_a_command_leaves_over_is_evicted_between_turns(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    engine.set("eviction_tenacity", 0)
    fill(engine, 5000)
    engine.set("max_memory", used(Engine()) + 100_000)
    assert engine.execute("PING") == "PONG"
    assert engine.database_size(0) > 4000  # a command is held up for next to no time
    turns = 0
    while engine.before_sleep():
        turns += 1
    assert turns > 10
    assert used(engine) <= engine.get("max_memory")


def test_time_over_the_limit_is_counted(engine: Engine) -> None:
    assert engine.eviction_exceeded_ms == (0, 0)
    engine.set("max_memory", 1)
    engine.execute("PING")
    while engine.eviction_exceeded_ms[0] < 5:
        pass
    assert engine.eviction_exceeded_ms[1] >= 5
    engine.set("max_memory", 1 << 40)
    engine.execute("PING")
    now, total = engine.eviction_exceeded_ms
    assert now == 0
    assert total >= 5


def test_tables_do_not_grow_past_the_limit(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    fill(engine, 8 * 1024)
    tables = engine.memory["tables"]
    engine.set("max_memory", used(engine) + tables // 2)
    fill(engine, 200, prefix="more", value="x")
    assert engine.database_size(0) == 8 * 1024 + 200
    assert engine.statistics["evicted_keys"] == 0
    assert engine.memory["tables"] < 2 * tables
    engine.set("max_memory", 0)
    fill(engine, 200, prefix="again", value="x")
    assert engine.memory["tables"] >= 2 * tables


def test_a_warning_at_a_share_of_the_limit(engine: Engine) -> None:
    lines: list[tuple[int, str]] = []
    engine.on_log = lambda level, text: lines.append((level, text))
    before = used(engine)
    fill(engine, 800)
    engine.set("max_memory", before + (used(engine) - before) * 100 // 90)
    engine.cron(0)
    assert lines == []  # off by default
    engine.set("memory_warning_percent", 80)
    engine.cron(0)
    engine.cron(0)
    assert len(lines) == 1
    assert lines[0][0] == 3
    assert "of maxmemory" in lines[0][1]
    engine.execute("FLUSHALL")
    engine.cron(0)
    fill(engine, 800)
    engine.cron(0)
    assert len(lines) == 2


# --- what goes first


def test_the_least_recently_used_keys_go(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    engine.set("eviction_samples", 20)
    for number in range(1000):
        engine.execute("SET", f"key:{number}", "x" * 100)
        engine.clock_offset_ms += 1000
    for number in range(100):
        engine.execute("GET", f"key:{number}")
        engine.clock_offset_ms += 1000
    evict_to_share(engine, 0.5)
    left = numbers_left(engine)
    assert 400 < len(left) < 600
    assert sum(number < 100 for number in left) == 100  # read last, if written first
    assert sum(number >= 600 for number in left) > 0.9 * (len(left) - 100)


def test_the_least_frequently_used_keys_go(engine: Engine) -> None:
    set_policy(engine, "allkeys-lfu")
    engine.set("eviction_samples", 20)
    fill(engine, 1000)
    for _ in range(40):
        for number in range(0, 1000, 5):
            engine.execute("GET", f"key:{number}")
    evict_to_share(engine, 0.4)
    left = numbers_left(engine)
    assert [number for number in range(0, 1000, 5) if number not in left] == []


def test_frequency_decays(engine: Engine) -> None:
    set_policy(engine, "allkeys-lfu")
    engine.set("eviction_samples", 64)
    for _ in range(1000):
        engine.execute("SET", "once:0", "x" * 100)
    frequency = engine.execute("OBJECT", "FREQ", "once:0")
    assert frequency > 8
    engine.clock_offset_ms += 60_000 * frequency
    assert engine.execute("OBJECT", "FREQ", "once:0") == 0
    fill(engine, 50)
    evict_to_share(engine, 0.9)
    assert numbers_left(engine, "once") == []


def test_the_shortest_time_to_live_goes_first(engine: Engine) -> None:
    set_policy(engine, "volatile-ttl")
    engine.set("eviction_samples", 64)
    order = [number * 7919 % 60 for number in range(60)]
    for number in order:
        engine.execute("SET", f"key:{number}", "x" * 2000, "EX", 1000 + 10 * number)
    evict_to_share(engine, 0.5)
    left = numbers_left(engine)
    assert 20 < len(left) < 40
    assert left == list(range(60 - len(left), 60))


def test_random_eviction_spares_no_key(engine: Engine) -> None:
    met: Counter[int] = Counter()
    for _ in range(60):
        fresh = Engine()
        set_policy(fresh, "allkeys-random")
        fill(fresh, 40)
        evict_to_share(fresh, 0.5)
        met.update(numbers_left(fresh))
    assert len(met) == 40
    assert max(met.values()) < 60


def test_a_candidate_that_is_used_again_stays(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    engine.set("eviction_samples", 64)
    fill(engine, 64, value="x" * 2000)
    engine.clock_offset_ms += 100_000
    evict_to_share(engine, 0.9)  # the pool is full of old keys now
    engine.set("max_memory", 0)
    read = set(numbers_left(engine)[:20])
    for number in read:
        engine.execute("GET", f"key:{number}")
    evict_to_share(engine, 0.6)
    assert read <= set(numbers_left(engine))


def test_keys_of_any_length_are_evicted(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    for length in (10, 63, 64, 65, 300, 5000):
        fill(engine, 20, prefix="k" * length)
    evict_to_share(engine, 0.3)
    engine.set("eviction_tenacity", 100)
    engine.set("max_memory", 1)
    assert engine.execute("DBSIZE") == 0


def test_access_is_not_noted_for_who_does_not_want_it(engine: Engine) -> None:
    engine.execute("SET", "key", "value")
    engine.clock_offset_ms += 50_000
    engine.execute("OBJECT", "IDLETIME", "key")
    assert engine.execute("OBJECT", "IDLETIME", "key") == 50
    engine.execute("GET", "key")
    assert engine.execute("OBJECT", "IDLETIME", "key") == 0
    with pytest.raises(CommandError, match="ERR An LFU maxmemory policy is not selected, access frequency not tracked"):
        engine.execute("OBJECT", "FREQ", "key")
    set_policy(engine, "volatile-lfu")
    with pytest.raises(CommandError, match="ERR An LFU maxmemory policy is selected, idle time not tracked"):
        engine.execute("OBJECT", "IDLETIME", "key")


# --- what others see of it


@pytest.mark.parametrize(("lazy", "verb"), [(0, b"DEL"), (1, b"UNLINK")])
def test_evicted_keys_are_propagated_as_deletions(engine: Engine, lazy: int, verb: bytes) -> None:
    set_policy(engine, "allkeys-lru")
    engine.set("lazy_eviction", lazy)
    fill(engine, 3)
    engine.set("eviction_tenacity", 100)
    engine.follow_writes()
    engine.set("max_memory", 1)
    engine.execute("PING")
    feed = engine.take_propagated()
    assert feed.count(verb + b"\r\n") == 3
    assert all(b"key:%d\r\n" % number in feed for number in range(3))
    assert b"MULTI" not in feed


def test_a_watched_key_that_is_evicted_has_changed(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    engine.execute("SET", "key", "value")
    engine.execute("WATCH", "key")
    engine.set("eviction_tenacity", 100)
    engine.set("max_memory", 1)
    engine.execute("PING")
    engine.set("max_memory", 0)
    engine.execute("MULTI")
    engine.execute("SET", "other", "value")
    assert engine.execute("EXEC") is None


def test_what_is_released_lazily_goes_before_further_keys(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    engine.set("lazy_eviction", 1)
    engine.set("eviction_tenacity", 100)
    engine.execute("SADD", "large", *(f"member:{number}" for number in range(20_000)))
    engine.clock_offset_ms += 1000
    fill(engine, 20)
    engine.execute("UNLINK", "large")
    assert engine.memory["discarded_entries"] == 1
    engine.set("max_memory", used(engine) - 200_000)
    engine.execute("PING")
    assert used(engine) <= engine.get("max_memory")
    assert engine.database_size(0) == 20
    assert engine.statistics["evicted_keys"] == 0


def test_long_evictions_are_latency_events(engine: Engine) -> None:
    if not engine.heap_is_checked:
        pytest.skip("only a checked heap has a limit")
    events: Counter[str] = Counter()
    engine.on_latency = lambda event, ms: events.update([event])
    set_policy(engine, "allkeys-lru")
    engine.execute("SADD", "large", *(f"member:{number}" for number in range(300_000)))
    engine.set("latency_threshold_ms", 1)
    engine.set("max_memory", 1)
    engine.heap_limit = 1  # no memory to note that something is to be released: it is released at once
    engine.before_sleep()
    assert events["eviction-del"] == 1
    assert events["eviction-cycle"] == 1
    assert engine.database_size(0) == 0


# --- import mode


def test_nothing_is_evicted_or_expired_in_import_mode(engine: Engine) -> None:
    set_policy(engine, "allkeys-lru")
    engine.set("import_mode", 1)
    engine.execute("SET", "lasting", "value")
    engine.execute("SET", "key", 1, "PX", 10)
    engine.clock_offset_ms += 100
    engine.cron(100_000)
    assert engine.execute("GET", "key") is None
    assert engine.execute("TTL", "key") == -2
    assert engine.execute("DBSIZE") == 2
    engine.set("max_memory", 1)
    with pytest.raises(CommandError, match=OOM):
        engine.execute("SET", "other", "value")
    assert engine.execute("DBSIZE") == 2
    engine.set("max_memory", 0)
    assert engine.execute("SET", "key", "again") == "OK"  # who writes it finds it gone
    assert engine.execute("TTL", "key") == -1
    assert engine.execute("DBSIZE") == 2


# --- lazy release


@pytest.mark.parametrize("lazy", [0, 1])
def test_values_that_others_take_the_place_of(engine: Engine, lazy: int) -> None:
    engine.set("release_turn_us", 0)
    engine.set("lazy_server_delete", lazy)
    members = [f"member:{number}" for number in range(2000)]
    engine.execute("SADD", "large", *members)
    engine.execute("SET", "small", "value")
    engine.execute("RENAME", "small", "large")
    assert engine.execute("GET", "large") == b"value"
    assert engine.memory["discarded_entries"] == lazy
    while engine.before_sleep():
        pass
    assert engine.memory["discarded_entries"] == 0
    assert engine.statistics["lazily_freed"] == lazy


def test_telling_others_evicts_no_more_keys(engine: Engine) -> None:
    """What waits to be sent about evicted keys is used memory too, and must not lead to evicting more."""
    set_policy(engine, "allkeys-lru")
    engine.set("eviction_tenacity", 100)
    fill(engine, 300, prefix="k" * 1000, value="x")
    engine.follow_writes()  # the feed grows by more than the length of each key that goes
    engine.set("max_memory", used(engine) - 40_000)
    engine.execute("PING")
    assert 30 < engine.statistics["evicted_keys"] < 60
