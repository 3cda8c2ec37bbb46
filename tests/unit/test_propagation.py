"""What leaves for the append-only file and replicas: commands that do the same wherever and whenever they are run.

The forms that are expected here are the original's, as its append-only file shows them (tests/differential compares).
"""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from differential.grammar import available
from propagation_forms import FORMS, split

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.commands.digest import dataset_digest

AOF = 1
UNPROPAGATED_GROUPS = ("connection", "server")


def run(engine: Engine, command: list[bytes] | str) -> Any:
    """The reply; errors are replies too."""
    words: list[Any] = list(command.split(" ")) if isinstance(command, str) else list(command)
    try:
        return engine.execute(*words)
    except CommandError as error:
        return error


def listening() -> Engine:
    engine = Engine()
    engine.follow_writes()
    return engine


def caused_by(engine: Engine, command: str) -> list[str]:
    """What the command propagates; NOW stands for any moment of its execution."""
    engine.take_propagated()
    begun = engine.renew_clock()
    run(engine, command)
    texts = [" ".join(word.decode() for word in words) for words in split(engine.take_propagated())]
    moments = "|".join(str(moment) for moment in range(begun, engine.renew_clock() + 1))
    return [re.sub(moments, "NOW", text) for text in texts if not text.startswith("SELECT")]


@pytest.mark.parametrize(("before", "command", "expected"), FORMS, ids=[form[1] for form in FORMS])
def test_form(before: list[str], command: str, expected: list[str]) -> None:
    engine = listening()
    for one in before:
        assert not isinstance(run(engine, one), CommandError), one
    assert caused_by(engine, command) == expected


def test_relative_times_become_absolute() -> None:
    for command, form, ms in (
        ("SET k v EX 100", "SET k v PXAT {}", 100000),
        ("SETEX k 100 v", "SET k v PXAT {}", 100000),
        ("PSETEX k 100 v", "SET k v PXAT {}", 100),
        ("PEXPIRE k 5000", "PEXPIREAT k {}", 5000),
        ("HEXPIRE h 50 FIELDS 1 f", "HPEXPIREAT h {} FIELDS 1 f", 50000),
    ):
        engine = listening()
        run(engine, "HSET h f 1")
        if command.startswith("PEXPIRE"):
            run(engine, "SET k 1")
        engine.take_propagated()
        earliest = engine.renew_clock() + ms
        run(engine, command)
        words = next(iter(split(engine.take_propagated())))
        place = form.split().index("{}")
        deadline = int(words[place])
        assert earliest <= deadline <= engine.renew_clock() + ms
        assert words == form.format(deadline).encode().split()


def test_popped_members_leave_in_batches_of_a_bounded_size() -> None:
    engine = listening()
    engine.execute("SADD", "s", *range(5000))
    engine.take_propagated()
    popped = engine.execute("SPOP", "s", 2500)
    commands = list(split(engine.take_propagated()))
    assert commands[0] == [b"MULTI"] and commands[-1] == [b"EXEC"]
    removals = commands[1:-1]
    assert [len(words) - 2 for words in removals] == [1024, 1024, 452]
    assert all(words[:2] == [b"SREM", b"s"] for words in removals)
    assert sorted(member for words in removals for member in words[2:]) == sorted(popped)


def test_an_expired_key_leaves_as_deletion_before_the_command_that_finds_it() -> None:
    engine = listening()
    run(engine, "SET k v PX 100")
    engine.take_propagated()
    engine.clock_offset_ms += 200
    assert caused_by(engine, "GET k") == ["DEL k"]
    run(engine, "SET k v PX 100")
    engine.clock_offset_ms += 200
    assert caused_by(engine, "SET k w NX") == ["MULTI", "DEL k", "SET k w NX", "EXEC"]


def test_expired_fields_leave_when_they_are_removed_or_written_over() -> None:
    engine = listening()
    run(engine, "HSET h a 1 b 2 c 3")
    run(engine, "HPEXPIRE h 100 FIELDS 2 a b")
    engine.take_propagated()
    engine.clock_offset_ms += 200
    # Wherever it is executed again, nothing may depend on what has expired meanwhile.
    assert caused_by(engine, "HINCRBY h a 5") == ["HSET h a 5"]
    engine.take_propagated()
    engine.cron(100000)
    assert [words for words in split(engine.take_propagated()) if words[0] != b"SELECT"] == [[b"HDEL", b"h", b"b"]]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("HPERSIST h FIELDS 3 a c x", ["HPERSIST h FIELDS 1 c"]),
        ("HPEXPIREAT h 4000000000000 XX FIELDS 2 a c", ["HPEXPIREAT h 4000000000000 XX FIELDS 1 c"]),
        ("HPEXPIREAT h 4000000000000 FIELDS 2 a b", []),
        ("HEXPIRE h 0 FIELDS 2 a c", ["HDEL h c"]),
        ("HGETEX h PERSIST FIELDS 2 a c", ["HPERSIST h FIELDS 1 c"]),
        ("HGETEX h PXAT 4000000000000 FIELDS 2 c a", ["HPEXPIREAT h 4000000000000 FIELDS 1 c"]),
        ("HGETEX h PXAT 1 FIELDS 2 a c", ["HDEL h c"]),
        ("HGETDEL h FIELDS 3 a c b", ["HDEL h c"]),
        ("HDEL h a c", ["HDEL h c"]),
        ("HDEL h a", []),
        ("HSETNX h a 2", ["HSET h a 2"]),
        ("HSETNX h x 2", ["HSETNX h x 2"]),
        ("HINCRBYFLOAT h a 2", ["HSET h a 2"]),
        ("HSETEX h FNX FIELDS 1 a 2", ["HSET h a 2"]),
        ("HSETEX h KEEPTTL FIELDS 2 a 2 c 3", ["MULTI", "HSET h a 2", "HSETEX h KEEPTTL FIELDS 2 a 2 c 3", "EXEC"]),
        ("HSET h a 2", ["HSET h a 2"]),
        ("COPY h other", ["MULTI", "HDEL h a", "HDEL h b", "COPY h other", "EXEC"]),
        (
            "SORT l BY *->a GET *->b STORE m",
            ["MULTI", "HDEL h a", "HDEL h b", "SORT l BY *->a GET *->b STORE m", "EXEC"],
        ),
    ],
)
def test_what_has_expired_is_not_named(command: str, expected: list[str]) -> None:
    engine = listening()
    engine.set("fields_expire_on_access", 0)
    run(engine, "HSET h a 1 b 2 c 3 d 4")
    run(engine, "RPUSH l h")
    run(engine, "HPEXPIRE h 100 FIELDS 1 a")
    run(engine, "HPEXPIRE h 101 FIELDS 1 b")
    run(engine, "HPEXPIRE h 3900000000 FIELDS 1 c")
    engine.clock_offset_ms += 200
    assert caused_by(engine, command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("HEXISTS h a", ["HDEL h a"]),
        ("HMGET h a c b", ["MULTI", "HDEL h a", "HDEL h b", "EXEC"]),
        ("SORT l BY *->a GET *->c", ["HDEL h a"]),
    ],
)
def test_reading_what_has_expired_says_that_alone(command: str, expected: list[str]) -> None:
    engine = listening()
    run(engine, "HSET h a 1 b 2 c 3")
    run(engine, "RPUSH l h")
    run(engine, "HPEXPIRE h 100 FIELDS 2 a b")
    engine.clock_offset_ms += 200
    dirty = engine.dirty
    assert caused_by(engine, command) == expected
    assert engine.dirty == dirty


def test_each_field_that_expires_by_itself_is_a_unit() -> None:
    engine = listening()
    run(engine, "HSET h a 1 b 2")
    run(engine, "HPEXPIRE h 100 FIELDS 2 a b")
    engine.take_propagated()
    engine.clock_offset_ms += 200
    engine.cron(100000)
    requests = [words for words in split(engine.take_propagated()) if words[0] != b"SELECT"]
    assert sorted(requests) == [[b"HDEL", b"h", b"a"], [b"HDEL", b"h", b"b"]]


def test_a_restored_hash_is_what_it_was_then() -> None:
    engine = listening()
    run(engine, "HSET h a 1 b 2")
    run(engine, "HPEXPIRE h 100 FIELDS 1 a")
    payload = engine.execute("DUMP", "h")
    engine.clock_offset_ms += 200
    engine.take_propagated()
    assert engine.execute("RESTORE", "k", 0, payload) == "OK"
    assert engine.execute("HLEN", "k") == 1
    requests = [words for words in split(engine.take_propagated()) if words[0] != b"SELECT"]
    assert requests == [[b"MULTI"], [b"RESTORE", b"k", b"0", payload], [b"HDEL", b"k", b"a"], [b"EXEC"]]


@pytest.mark.parametrize("lazy", [0, 1])
@pytest.mark.parametrize(
    ("setting", "command"),
    [
        ("lazy_expire", "GET over"),
        ("lazy_expire", "EXPIRE k -1"),
        ("lazy_expire", "GETEX k PXAT 1"),
        ("lazy_server_delete", "SPOP s 5"),
        ("lazy_server_delete", "RESTORE"),
        ("lazy_eviction", "evicted"),
    ],
)
def test_the_settings_choose_whether_a_deletion_is_del_or_unlink(setting: str, command: str, lazy: int) -> None:
    engine = listening()
    for name in ("lazy_user_delete", "lazy_server_delete", "lazy_expire", "lazy_eviction", "lazy_user_flush"):
        engine.set(name, lazy if name == setting else 1 - lazy)
    engine.execute("SET", "over", "x", "PX", 10)
    engine.clock_offset_ms += 100
    engine.execute("SET", "k", "x")
    engine.execute("SADD", "s", 1, 2)
    engine.take_propagated()
    key = {"GET over": b"over", "SPOP s 5": b"s"}.get(command, b"k")
    if command == "RESTORE":
        engine.execute("RESTORE", "k", 1, engine.execute("DUMP", "k"), "REPLACE", "ABSTTL")
    elif command == "evicted":
        engine.execute("DEL", "over", "s")
        engine.take_propagated()
        engine.set("eviction_policy", 17)
        engine.set("max_memory", 1)
        engine.execute("PING")
    else:
        engine.execute(*command.split())
    words = [words for words in split(engine.take_propagated()) if words[0] != b"SELECT"]
    assert words == [[b"UNLINK" if lazy else b"DEL", key]]


@pytest.mark.parametrize("command", ["DEL k", "GETDEL k", "DELIFEQ k x"])
def test_what_a_client_deletes_leaves_as_del_whatever_is_lazy(command: str) -> None:
    engine = listening()
    for name in ("lazy_user_delete", "lazy_server_delete", "lazy_expire"):
        engine.set(name, 1)
    engine.execute("SET", "k", "x")
    engine.take_propagated()
    engine.execute(*command.split())
    words = [words for words in split(engine.take_propagated()) if words[0] != b"SELECT"]
    assert words == [[b"DEL", b"k"]]


def test_nothing_is_left_behind_where_nobody_listens() -> None:
    engine = Engine()
    for before, command, _ in FORMS:
        for one in (*before, command):
            run(engine, one)
    assert engine.take_propagated() == b""


def state(engine: Engine) -> dict[tuple[int, bytes], Any]:
    """What the digest does not say: deadlines of keys and fields, consumer groups."""
    found: dict[tuple[int, bytes], Any] = {}
    for number in range(engine.databases_count):
        engine.execute("SELECT", number)
        for name in engine.key_names(number):
            facts = engine.inspect(number, name)
            if facts is None:
                continue
            more: Any = None
            if facts["type"] == "hash":
                fields = engine.execute("HKEYS", name)
                if fields:
                    more = dict(
                        zip(fields, engine.execute("HPEXPIRETIME", name, "FIELDS", len(fields), *fields), strict=True)
                    )
            elif facts["type"] == "stream":
                more = engine.execute("XINFO", "STREAM", name, "FULL", "COUNT", 0)
                more = {field: value for field, value in more.items() if not field.startswith(b"radix")}
                for group in more[b"groups"]:
                    for consumer in group[b"consumers"]:
                        del consumer[b"seen-time"], consumer[b"active-time"]
                        # Reading again what is pending counts as a delivery, and is not propagated.
                        consumer[b"pending"] = [entry[0] for entry in consumer[b"pending"]]
                    group[b"pending"] = [entry[:2] for entry in group[b"pending"]]
            found[number, name] = facts["type"], facts["deadline_ms"], more
    engine.execute("SELECT", 0)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_what_leaves_makes_an_equal_data_set(seed: int) -> None:
    chance = random.Random(seed)
    rows = [row for row in available(None) if row.group not in UNPROPAGATED_GROUPS]
    origin, copy = listening(), Engine()
    stream = b""
    for number in range(4000):
        row = chance.choices(rows, [row.weight for row in rows])[0]
        command = row.generate(chance)
        if row.name.startswith(("B", "XREAD")) and chance.random() < 0.5:
            # What has to wait answers at once within a transaction.
            run(origin, "MULTI")
            run(origin, command)
            run(origin, "EXEC")
        elif not row.name.startswith("B") or row.name.startswith("BIT"):
            run(origin, command)
        if number % 50 == 0:
            run(origin, f"SELECT {chance.randrange(3)}")
            origin.clock_offset_ms += chance.choice((0, 1, 500, 20000))
            origin.cron(100000)
        stream += origin.take_propagated()
    assert len(stream) > 50000
    # Later, and from the start: what has been deadlines is over, what has been approximate has other settings.
    copy.clock_offset_ms = origin.clock_offset_ms + 3600000
    copy.set("stream_node_max_entries", 7)
    copy.replaying = True
    for words in split(stream):
        reply = run(copy, words)
        assert not isinstance(reply, CommandError), (words, reply)
    copy.replaying = False
    copy.clock_offset_ms = origin.clock_offset_ms
    for engine in (origin, copy):
        engine.propagation = 0
        for number in range(engine.databases_count):
            engine.execute("SELECT", number)
            engine.execute("KEYS", "*")
        engine.cron(100000)
    assert state(copy) == state(origin)
    assert dataset_digest(copy) == dataset_digest(origin)
