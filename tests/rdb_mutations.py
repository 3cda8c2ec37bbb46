"""Mutated RDB data: payloads for RESTORE, and whole files. Run as a program for as many as wanted, best sanitized:

    REDISLITE_BUILD=fuzz tests/sanitize python tests/rdb_mutations.py --count 1000000

In that build mutations are guided: what runs code that nothing has run before is kept and mutated further.

Each mutation must be refused with an error, or give a value that every command can work on; afterwards the memory that
is in use must be what it was. A crash ends the program: what it was about stands in the file named by --trace.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

from rdb_samples import (
    ANY_FIELDS,
    FAR_MS,
    fill,
    length,
    listpack,
    module_data,
    module_id,
    saved,
    string,
    ziplist,
    zipmap,
)

from redislite._core.engine import Engine
from redislite._core.persistence.rdb_snapshot import RdbError
from redislite._core.protocol.reply_types import CommandError

LARGEST = 20_000  # bytes of a payload that is mutated
INTERESTING = (0, 1, 2, 4, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xE0, 0xF0, 0xF4, 0xFE, 0xFF)

# Commands that look at all of a value, and that change it, by its type.
PROBES: dict[str, tuple[tuple[str | int, ...], ...]] = {
    "string": (("STRLEN", "k"), ("APPEND", "k", "x"), ("GETRANGE", "k", 0, -1)),
    "list": (
        ("LRANGE", "k", 0, -1),
        ("LPOS", "k", "x"),
        ("LINSERT", "k", "BEFORE", "a", "b"),
        ("LPUSH", "k", "x"),
        ("LPOP", "k"),
        ("RPOP", "k", 3),
        ("LREM", "k", 0, "a"),
        ("LTRIM", "k", 1, -2),
    ),
    "set": (
        ("SMEMBERS", "k"),
        ("SADD", "k", "x" * 70),
        ("SPOP", "k"),
        ("SREM", "k", "a"),
        ("SUNIONSTORE", "d", "k", "k"),
    ),
    "zset": (
        ("ZRANGE", "k", 0, -1, "WITHSCORES"),
        ("ZADD", "k", 5, "x" * 70),
        ("ZRANK", "k", "a"),
        ("ZINCRBY", "k", 1, "a"),
        ("ZRANGESTORE", "d", "k", 0, -1),
        ("ZPOPMIN", "k"),
        ("ZREMRANGEBYRANK", "k", 0, 1),
    ),
    "hash": (
        ("HGETALL", "k"),
        ("HSET", "k", "x" * 70, 1),
        ("HDEL", "k", "a"),
        ("HRANDFIELD", "k", 3, "WITHVALUES"),
        ("HINCRBY", "k", "n", 1),
        ("HPEXPIRE", "k", 10**9, "FIELDS", 1, "x" * 70),
    ),
    "stream": (
        ("XRANGE", "k", "-", "+"),
        ("XREVRANGE", "k", "+", "-"),
        ("XINFO", "STREAM", "k", "FULL"),
        ("XADD", "k", "*", "a", "b"),
        ("XPENDING", "k", "group"),
        ("XREADGROUP", "GROUP", "group", "first", "STREAMS", "k", ">"),
        ("XAUTOCLAIM", "k", "group", "second", 0, "0"),
        ("XTRIM", "k", "MAXLEN", 3),
    ),
}
# The same of a value whose type nobody knows.
MODULE_PROBES: tuple[tuple[str | int, ...], ...] = (
    ("COPY", "k", "d", "REPLACE"),
    ("EXPIRE", "k", 1000),
    ("RENAME", "d", "e"),
    ("SCAN", 0, "TYPE", "vectorset"),
    ("APPEND", "k", "x"),
    ("SET", "e", "x"),
)


def payloads() -> list[bytes]:
    """Payloads without their tails, of every type, encoding and version."""
    found = []
    for largest in (1000, 1):
        engine = Engine()
        for name in ("hash_max_listpack_entries", "set_max_listpack_entries", "set_max_intset_entries",
                     "zset_max_listpack_entries", "list_max_listpack_size", "stream_node_max_entries"):  # fmt: skip
            engine.set(name, largest)
        fill(engine)
        for name in engine.key_names(0):
            for valkey in (0, 1):
                engine.set("rdb_valkey_fields", valkey)
                found.append(engine.execute("DUMP", name)[:-10])
    found += [
        bytes([number]) + body
        for number, body in (
            (9, string(zipmap((b"a", b"1"), (b"bb", b"2" * 20), spare=2))),
            (10, string(ziplist(b"a", 5, 300, -70000, 2**40, b"x" * 70))),
            (12, string(ziplist(b"a", 1, b"b", b"2.5"))),
            (13, string(ziplist(b"f", b"v", b"n", 7))),
            (14, length(2) + string(ziplist(b"a", 1)) + string(ziplist(b"b" * 30, 3))),
            (25, struct.pack("<Q", FAR_MS) + string(listpack(b"a", 1, FAR_MS, b"b", 2, 0))),
            (3, length(2) + string(b"a") + b"\x031.5" + string(b"b") + b"\xfe"),
            (7, module_data("ReJSON-RL", 3, b"\x05" + string(b'{"a":[1,2,3]}'))),
            (7, module_data("MBbloom--", 4, *(b"\x02" + length(n * 100) for n in range(20)), *ANY_FIELDS * 3)),
        )
    ]
    return sorted({data for data in found if len(data) <= LARGEST}, key=len)


def mutate(data: bytes, source: random.Random, others: list[bytes]) -> bytes:
    """The data with a few bytes changed, cut out, put in, or taken from elsewhere."""
    made = bytearray(data)
    for _ in range(1 if source.random() < 0.7 else source.randrange(1, 6)):
        # Lengths and counts stand at the beginning, mostly.
        at = source.randrange(min(len(made), 24) if source.random() < 0.4 else len(made)) if made else 0
        how = source.random()
        if how < 0.35 and made:
            made[at] = source.randrange(256)
        elif how < 0.55 and made:
            made[at] = source.choice(INTERESTING)
        elif how < 0.65 and made:
            made[at] ^= 1 << source.randrange(8)
        elif how < 0.75:
            del made[at : at + source.randrange(1, 9)]
        elif how < 0.85:
            made[at:at] = bytes(source.choice(INTERESTING) for _ in range(source.randrange(1, 9)))
        elif how < 0.92:
            del made[at:]
        else:
            other = source.choice(others)
            start = source.randrange(len(other))
            made[at : at + source.randrange(9)] = other[start : start + source.randrange(1, 17)]
    return bytes(made)


class Target:
    """An engine that mutated payloads are given to."""

    def __init__(self, deep: bool, samples: list[bytes]) -> None:
        self.engine = Engine()
        self.engine.set("skip_checksum", 1)
        self.engine.set("sanitize_payload", int(deep))
        self.engine.on_log = lambda level, text: None
        self.accepted = self.refused = 0
        # Statistics of every command, and the pool of reply chunks, are there from then on.
        for sample in [*samples, b"\x08"]:
            self.give(sample)
        self.whole = self.accepted
        for probes in (*PROBES.values(), MODULE_PROBES):
            for command in probes:
                self._run(*command)
        self.used = self._memory()

    def _run(self, *command: str | int | bytes) -> object:
        try:
            return self.engine.execute(*command)
        except CommandError as error:
            return error

    def _memory(self) -> int:
        self.engine.execute("FLUSHALL")
        while self.engine.before_sleep():
            pass
        return self.engine.memory["used"]

    def give(self, body: bytes) -> None:
        for version in (11, 12, 80):
            data = body + struct.pack("<H", version) + bytes(8)
            if isinstance(self._run("RESTORE", "k", 0, data, "REPLACE"), CommandError):
                self.refused += 1
                continue
            self.accepted += 1
            kind = self.engine.execute("TYPE", "k")
            if kind != "none":
                self._run("DUMP", "k")
                for command in PROBES.get(kind, MODULE_PROBES):
                    self._run(*command)
            if body[:1] != b"\x16":
                break

    def check(self) -> None:
        used = self._memory()
        assert used == self.used, f"{used - self.used} bytes are left behind"


class Corpus:
    """What is mutated: the samples and, in a fuzz build, whatever led to code that had not been run before."""

    def __init__(self, samples: list[bytes]) -> None:
        self.members = list(samples)
        # Of tests/coverage_map.c, where that is preloaded.
        self._take = getattr(ctypes.CDLL(None), "coverage_take", None)
        self.learn(b"")

    @property
    def is_guided(self) -> bool:
        return self._take is not None

    def choose(self, source: random.Random) -> bytes:
        """Half of the time one of the latest."""
        if source.random() < 0.5:
            return source.choice(self.members[-100:])
        return source.choice(self.members)

    def learn(self, data: bytes) -> None:
        """The data was given to a target."""
        if self._take is not None and self._take() and 0 < len(data) <= LARGEST:
            self.members.append(data)


def mutate_files(source: random.Random, count: int) -> tuple[int, int]:
    """Gives mutated files to fresh engines; answers how many were loaded and refused."""
    engine = Engine()
    fill(engine)
    for name in engine.key_names(0):
        if engine.inspect(0, name)["memory"] > 2000:  # type: ignore[index]
            engine.execute("DEL", name)
    for name in ("scdtype00", "ft_index0"):
        for when in (1, 2):
            engine.add_module_aux(module_id(name, 23), b"\x02" + length(when) + b"".join(ANY_FIELDS) + b"\x00")
    data = saved(engine, aux={b"redis-ver": b"7.2.4"}, functions=[b"#!lua name=x"])
    corpus = Corpus([data])
    loaded = refused = 0
    with tempfile.TemporaryFile() as file:
        target = Engine()
        for _ in range(count):
            made = mutate(corpus.choose(source), source, corpus.members)
            file.seek(0)
            file.truncate()
            file.write(made)
            file.flush()
            file.seek(0)
            try:
                target.load_rdb(file.fileno(), checksum=False, replace=True)
                loaded += 1
            except RdbError:
                refused += 1
            corpus.learn(made)
            target.flush(-1, False)
    return loaded, refused


def options_of(argv: list[str], description: str) -> argparse.Namespace:
    """count, seed and trace."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=100_000, help="mutations")
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFFFFFF)
    parser.add_argument("--trace", type=Path, help="file that holds what is tried, as a line of hexadecimal digits")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    options = options_of(argv, "Gives mutated RDB data to an engine.")
    source = random.Random(options.seed)
    samples = payloads()
    targets = (Target(False, samples), Target(True, samples))
    corpus = Corpus(samples)
    guided = ", guided by coverage" if corpus.is_guided else ""
    print(f"seed {options.seed}, {len(samples)} payloads{guided}", flush=True)
    for number in range(1, options.count + 1):
        body = mutate(corpus.choose(source), source, corpus.members)
        if options.trace:
            options.trace.write_text(body.hex())
        targets[number & 1].give(body)
        corpus.learn(body)
        if number % 1000 == 0:
            for target in targets:
                target.check()
        if number % 10_000 == 0:
            accepted = sum(target.accepted for target in targets)
            found = len(corpus.members) - len(samples)
            print(f"{number} mutations, {accepted} payloads accepted, {found} led to other code", flush=True)
    loaded, refused = mutate_files(source, options.count // 20)
    print(f"files: {loaded} loaded, {refused} refused")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
