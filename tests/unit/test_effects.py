"""What is propagated is the effect: a copy in which nothing expires by itself, as while loading or in a replica, is at
every moment equal to the original, what has expired and was not removed yet included.

Commands are drawn over few keys, fields and deadlines, and time passes between them, so that most meet something that
has expired, and some of it only in part.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from differential.grammar import available
from propagation_forms import split

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

AOF = 1
KEYS = ("h", "g", "k", "l", "s", "z", "x")
FIELDS = ("a", "b", "c", "d")
STEP_MS = 1000

Words = list[Any]


class Drawn:
    """Commands over keys and fields that are about to expire."""

    def __init__(self, chance: random.Random, engine: Engine) -> None:
        self.chance = chance
        self.engine = engine
        self.payloads: list[bytes] = []
        rows = [row for row in available(None) if row.group not in ("connection", "server")]
        self.others = [row for row in rows if not row.name.startswith("B") or row.name.startswith("BIT")]

    def pick(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def key(self) -> str:
        # Mostly the same two, which are mostly hashes.
        return str(self.chance.choice(("h", "h", "h", "g", "g", *KEYS)))

    def fields(self) -> Words:
        return [self.pick(*FIELDS) for _ in range(self.pick(1, 1, 2, 3, 5))]

    def pairs(self) -> Words:
        return [word for field in self.fields() for word in (field, self.pick("1", "2", "5.5", "v", "w" * 70))]

    def counted(self, words: Words, step: int = 1) -> Words:
        return ["FIELDS", len(words) // step, *words]

    def ms(self) -> int:
        return int(self.chance.randint(-1, 5) * STEP_MS + self.pick(0, 1))

    def deadline(self, *units: str) -> Words:
        unit = self.pick(*units)
        now = self.engine.now_ms
        if unit == "EX":
            return ["EX", max(1, self.ms() // 1000)]
        if unit == "PX":
            return ["PX", max(1, self.ms())]
        if unit == "EXAT":
            return ["EXAT", (now + self.ms()) // 1000]
        return ["PXAT", now + self.ms()] if unit == "PXAT" else [unit] if unit else []

    def expiring_fields(self) -> Words:
        name = self.pick("HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT")
        moment = self.ms() + (self.engine.now_ms if name.endswith("AT") else 0)
        moment = moment if name.startswith("HP") else moment // 1000
        condition = [self.pick("NX", "XX", "GT", "LT")] if self.chance.random() < 0.5 else []
        return [name, self.key(), max(0, moment), *condition, *self.counted(self.fields())]

    def of_hashes(self) -> Words:
        key, chance = self.key(), self.chance
        make: Callable[[], Words] = chance.choice((
            self.expiring_fields,
            self.expiring_fields,
            lambda: ["HPERSIST", key, *self.counted(self.fields())],
            lambda: ["HGETDEL", key, *self.counted(self.fields())],
            lambda: ["HGETEX", key, *self.deadline("", "EX", "PX", "EXAT", "PXAT", "PERSIST"),
                     *self.counted(self.fields())],
            lambda: ["HSETEX", key, *([self.pick("NX", "XX")] if chance.random() < 0.2 else []),
                     *([self.pick("FNX", "FXX")] if chance.random() < 0.5 else []),
                     *self.deadline("", "KEEPTTL", "KEEPTTL", "EX", "PX", "EXAT", "PXAT"),
                     *self.counted(self.pairs(), 2)],
            lambda: ["HSET", key, *self.pairs()],
            lambda: ["HMSET", key, *self.pairs()],
            lambda: ["HSETNX", key, self.pick(*FIELDS), "n"],
            lambda: ["HINCRBY", key, self.pick(*FIELDS), 3],
            lambda: ["HINCRBYFLOAT", key, self.pick(*FIELDS), "0.25"],
            lambda: ["HDEL", key, *self.fields()],
            lambda: ["HGETALL", key],
        ))
        return make()

    def of_keys(self) -> Words:
        key, other = self.key(), self.key()
        return list(self.pick(
            ["PEXPIRE", key, self.ms(), *([self.pick("NX", "XX", "GT", "LT")] if self.chance.random() < 0.5 else [])],
            ["PERSIST", key],
            ["SET", key, "v", *self.deadline("", "PX", "PXAT", "KEEPTTL"), *([self.pick("NX", "XX")])],
            ["GETEX", key, *self.deadline("PX", "PXAT", "PERSIST")],
            ["DEL", key],
            ["COPY", key, other, *self.pick([], ["REPLACE"])],
            ["RENAME", key, other],
            ["RENAMENX", key, other],
            ["MOVE", key, 1],
            ["SORT", self.pick("l", "s", "z"), "BY", f"{key}->{self.pick(*FIELDS)}", "GET", f"*->{self.pick(*FIELDS)}",
             "ALPHA", "STORE", "l"],
            ["SORT", "s", "BY", "*->a", "GET", f"*->{self.pick(*FIELDS)}", "STORE", "l"],
            ["RPUSH", "l", key, other],
            ["SADD", "s", key, other],
            ["ZADD", "z", 1, key, 2, other],
            ["SUNIONSTORE", other, "s", "z", key],
            ["ZUNIONSTORE", other, 2, "z", "s"],
            ["SPOP", "s", 2],
            ["MSETEX", 2, key, "1", other, "2", self.pick("NX", "XX"), *self.deadline("PX", "PXAT", "KEEPTTL")],
            ["APPEND", key, "x"],
            ["EXISTS", key],
        ))

    def of_payloads(self) -> Words:
        key = self.key()
        if not self.payloads or self.chance.random() < 0.4:
            payload = self.engine.execute("DUMP", key)
            if payload is not None:
                self.payloads.append(payload)
        if not self.payloads:
            return ["PING"]
        ttl = self.pick(0, 0, 1, 3000)
        absolute = self.chance.random() < 0.3
        return ["RESTORE", key, ttl + self.engine.now_ms if ttl and absolute else ttl, self.pick(*self.payloads[-9:]),
                *self.pick([], ["REPLACE"]), *(["ABSTTL"] if absolute else [])]

    def command(self) -> Words:
        make = self.chance.choices((self.of_hashes, self.of_keys, self.of_payloads, self.other), (8, 4, 1, 3))[0]
        return make()

    def other(self) -> Words:
        """Any command there is, with keys of ours among its arguments."""
        words = self.chance.choice(self.others).generate(self.chance)
        return [self.key() if word in (b"a", b"b", b"c") else word for word in words]


def run(engine: Engine, words: Words) -> Any:
    try:
        return engine.execute(*words)
    except CommandError as error:
        return error


def physical(engine: Engine) -> dict[tuple[int, bytes], Any]:
    """All that is there, whether its time is up or not."""
    before, propagation = engine.replaying, engine.propagation
    engine.propagation = 0
    engine.replaying = True
    found: dict[tuple[int, bytes], Any] = {}
    for database in range(engine.databases_count):
        for name in engine.key_names(database):
            facts = engine.inspect(database, name)
            assert facts is not None
            engine.execute("SELECT", database)
            content: Any
            if facts["type"] == "hash":
                fields = engine.execute("HGETALL", name)
                assert len(fields) == engine.execute("HLEN", name)
                content = (fields, dict(zip(
                    fields, engine.execute("HPEXPIRETIME", name, "FIELDS", len(fields), *fields), strict=True)))
            elif facts["type"] == "set":
                content = set(engine.execute("SMEMBERS", name))
            elif facts["type"] == "stream":
                content = engine.execute("XINFO", "STREAM", name, "FULL", "COUNT", 0)
                content = {field: value for field, value in content.items() if not field.startswith(b"radix")}
                for group in content[b"groups"]:
                    for consumer in group[b"consumers"]:
                        del consumer[b"seen-time"], consumer[b"active-time"]
                        # Reading again what is pending counts as a delivery, and is not propagated.
                        consumer[b"pending"] = [entry[0] for entry in consumer[b"pending"]]
                    group[b"pending"] = [entry[:2] for entry in group[b"pending"]]
            elif facts["type"] == "string":
                content = engine.string_value(database, name)
            elif facts["type"] == "list":
                content = engine.list_elements(database, name)
            else:
                content = engine.execute("ZRANGE", name, 0, -1, "WITHSCORES")
            found[database, name] = facts["type"], facts["deadline_ms"], content
    engine.execute("SELECT", 0)
    engine.replaying = before
    engine.propagation = propagation
    return found


def replay(engine: Engine, stream: bytes) -> list[Words]:
    requests: list[Words] = list(split(stream))
    for words in requests:
        reply = run(engine, words)
        assert not isinstance(reply, CommandError), (words, reply)
    return requests


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_in_which_nothing_expires_is_equal(seed: int) -> None:
    chance = random.Random(seed)
    origin, copy = Engine(), Engine()
    origin.follow_writes()
    copy.replaying = True
    drawn = Drawn(chance, origin)
    since: list[Any] = []
    changes = 0
    for number in range(1500):
        if chance.random() < 0.3:
            origin.clock_offset_ms += chance.choice((1, STEP_MS // 2, STEP_MS, 3 * STEP_MS))
            since.append("time passes")
        if chance.random() < 0.03:
            origin.cron(100000)
            since.append("cron")
        command = drawn.command()
        within = chance.random() < 0.1
        for words in ([["MULTI"], command, drawn.command(), ["EXEC"]] if within else [command]):
            since.append((words, run(origin, words)))
        requests = replay(copy, origin.take_propagated(reselect=True))
        changes += len(requests)
        since.append(requests)
        if number % 3 == 0:
            # Some commands choose a database; what follows is to be seen as well.
            origin.execute("SELECT", 0)
            one, other = physical(origin), physical(copy)
            assert one == other, since
            since.clear()
    assert changes > 500
