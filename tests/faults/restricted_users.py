"""Random commands of a user who may do little: no key that is not his is read or changed, whatever the arguments.

    python tests/faults/restricted_users.py [--commands 200000] [--seed 1]

Requests come from the rows' syntax (command_forms.py): every command, its options repeated and reordered, words that
are options where keys belong and the other way round; alone and in transactions, which select databases on their way.

The user may do everything but administration, in databases 0 and 1, with keys a:* (all), r:* (reading), w:* (writing).
What must hold:

- the digest of each other key, of r:*, and of everything in databases 2 and 3, stays what it was;
- no reply, and no key that the user may read, ever has the text that stands in all keys that he may not read.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import pkgutil
import random
import select
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from command_forms import Forms, matched_counts
from harness import ServerProcess, request
from ring import run_ring

import redislite.commands
from redislite._core.commands.row import NO_AUTH, CommandRow, rows_of
from redislite._core.engine import Engine

SECRET = b"SECRET" * 6
KEPT_OUT = ("-@admin", "-flushall", "-flushdb", "-swapdb", "-client|reply")
RULES = ("reset", "on", "nopass", "+@all", *KEPT_OUT, "db=0,1", "~a:*", "%R~r:*", "%W~w:*")
TYPES = ("string", "list", "set", "sorted_set", "geo", "hash", "stream", "hyperloglog")
GROUPS = {"bitmap": "string"}
CLASSES = b"arwp"
SPECIAL = [b"STORE", b"streams", b"KEYS", b"DB", b"get", b"a:STORE", b"p:new", b"w:new", b"r:new", b"a:new"]
DATABASES = 4
BURST = 20  # requests sent at once
ROUND = 40  # bursts between two fillings


def command_rows() -> list[CommandRow]:
    """The rows of all commands that have none below them, those excepted by which everybody may change his user."""
    rows = list(Engine().table.rows)
    for module in pkgutil.iter_modules(redislite.commands.__path__, redislite.commands.__name__ + "."):
        rows.extend(rows_of(importlib.import_module(module.name)))
    return [row for row in rows if not row.is_container and not row.flags & NO_AUTH]


def name_of(owner: int, type: str, number: int) -> bytes:
    """The key of one of the classes with a value of a type."""
    return b"%c:%s%d" % (owner, type.encode(), number)


def filling(owner: int, text: bytes) -> list[tuple[object, ...]]:
    """Requests that make two keys of each type with the text in all that they hold."""
    requests: list[tuple[object, ...]] = []
    for number in (1, 2):
        key = {type: name_of(owner, type, number) for type in TYPES}
        requests += [
            ("SET", key["string"], text),
            ("RPUSH", key["list"], text, text + b"2", text + b"3"),
            ("SADD", key["set"], text, text + b"2"),
            ("ZADD", key["sorted_set"], 1, text, 2, text + b"2"),
            ("GEOADD", key["geo"], 0, 0, text, 1, 1, text + b"2"),
            ("HSET", key["hash"], text, text, b"f" + text, text),
            ("XADD", key["stream"], "1-1", text, text),
            ("XGROUP", "CREATE", key["stream"], "g", "0"),
            ("XGROUP", "CREATE", key["stream"], "streams", "0"),
            ("PFADD", key["hyperloglog"], text),
            ("PFCOUNT", key["hyperloglog"]),  # who may read may also have this computed, and kept
        ]
    return requests


class Intruder:
    """One restricted connection, what it sends, and the data set that it is to leave alone."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.chance = random.Random(seed)
        self.control = server.connect()
        self.control("CONFIG", "SET", "rdbcompression", "no")
        assert self.control("ACL", "SETUSER", "intruder", *RULES) == "OK"
        self.socket = socket.create_connection(server.address)
        self.socket.sendall(request("AUTH", "intruder", "any"))
        assert self.socket.recv(100) == b"+OK\r\n"
        with contextlib.closing(self.socket.dup()) as asking:
            asking.sendall(request("CLIENT", "ID"))
            self.id = int(asking.recv(100)[1:])
        self.rows = command_rows()
        self.keyed = [row for row in self.rows if row.has_keys]
        self.names = {name_of(owner, type, number) for owner in CLASSES for type in TYPES for number in (1, 2)}
        self.forms = Forms(self.chance, self.key)
        self.sent = 0
        self.allowed = 0

    def key(self, row: CommandRow) -> bytes:
        """A key for a command, likely of its type, and likely one that is the user's."""
        draw = self.chance.random()
        if draw < 0.1:
            return self.chance.choice(SPECIAL)
        type = GROUPS.get(row.group, row.group)
        if type not in TYPES or self.chance.random() < 0.2:
            type = self.chance.choice(TYPES)
        return name_of(self.chance.choice(b"aaaaaarwp"), type, self.chance.randrange(1, 3))

    def fill(self) -> None:
        """Makes the data set anew."""
        requests: list[tuple[object, ...]] = [("FLUSHALL",)]
        for database in range(DATABASES):
            requests.append(("SELECT", database))
            for owner in CLASSES:
                hidden = database > 1 or owner in b"wp"
                requests += filling(owner, SECRET if hidden else b"open")
        self.control.pipeline(*requests)

    def protected(self) -> list[tuple[int, bytes]]:
        """Keys that must stay as they are, those that must not come to be included."""
        found = []
        for database in range(DATABASES):
            for name in sorted(self.names | set(SPECIAL)):
                if database > 1 or not name.startswith((b"a:", b"w:")):
                    found.append((database, name))
        return found

    def digests(self) -> dict[tuple[int, bytes], bytes]:
        """What the protected keys are now."""
        keys = self.protected()
        found: list[bytes] = []
        for database in range(DATABASES):
            self.control("SELECT", database)
            found += self.control("DEBUG", "DIGEST-VALUE", *(key for at, key in keys if at == database))
        return dict(zip(keys, found, strict=True))

    def burst(self) -> list[list[bytes]]:
        """Some requests; now and then a transaction."""
        requests: list[list[bytes]] = []
        in_transaction = self.chance.random() < 0.3
        if in_transaction:
            requests.append([b"MULTI"])
        for _ in range(BURST):
            if self.chance.random() < 0.15:
                requests.append([b"SELECT", b"%d" % self.chance.randrange(DATABASES)])
            row = self.chance.choice(self.keyed if self.chance.random() < 0.9 else self.rows)
            words = matched_counts(self.forms.request(row), row, self.names)
            requests.append(words)
        requests.append([b"EXEC"] if in_transaction else [b"DISCARD"])
        return requests

    def send(self, requests: list[list[bytes]]) -> bytes:
        """What the requests are answered; where one waits, it is told to go on."""
        mark = b"$9\r\nend%06d\r\n" % (self.sent % 1000000)
        self.socket.sendall(b"".join(request(*words) for words in [*requests, [b"ECHO", mark[4:-2]]]))
        self.sent += len(requests)
        replies = b""
        deadline = time.monotonic() + 30
        while not replies.endswith(mark):
            assert time.monotonic() < deadline, f"no end of the replies: {requests}"
            if not select.select([self.socket], [], [], 0.005)[0]:
                self.control("CLIENT", "UNBLOCK", self.id)
                continue
            data = self.socket.recv(1 << 20)
            assert data, f"the connection is closed: {requests}"
            replies += data
        self.allowed += len(requests) - replies.count(b"-NOPERM")
        return replies

    def kept(self) -> list[bytes]:
        """Keys that the user may read which hold what he may not."""
        leaks = []
        for database in (0, 1):
            self.control("SELECT", database)
            for name in self.control("KEYS", "*"):
                if name.startswith((b"a:", b"r:")) and SECRET[:12] in (self.control("DUMP", name) or b""):
                    leaks.append(name)
        return leaks

    def round(self, commands: int) -> None:
        """Fills, sends bursts, and looks at what has become of it."""
        self.fill()
        before = self.digests()
        self.socket.sendall(request("SELECT", 0))
        self.socket.recv(100)
        sent: list[list[bytes]] = []
        for _ in range(min(ROUND, commands // BURST + 1)):
            requests = self.burst()
            replies = self.send(requests)
            at = replies.find(SECRET[:12])
            assert at < 0, f"one of these read what it may not, {replies[max(0, at - 200) : at + 100]!r}: {requests}"
            sent += requests
        after = self.digests()
        changed = [key for key, digest in before.items() if after[key] != digest]
        assert not changed, f"one of these changed {changed}: {sent}"
        leaks = self.kept()
        assert not leaks, f"one of these put what may not be read into {leaks}: {sent}"


def run(server: ServerProcess, commands: int, seed: int, progress: bool = False) -> tuple[int, int]:
    """Sends that many requests: how many, and how many were not denied. AssertionError where the user did more."""
    intruder = Intruder(server, seed)
    while intruder.sent < commands:
        intruder.round(commands - intruder.sent)
        if progress:
            print(intruder.sent, intruder.allowed, flush=True)
    return intruder.sent, intruder.allowed


def main() -> int:
    parser = argparse.ArgumentParser(description="Random commands of a restricted user.")
    parser.add_argument("--commands", type=int, default=200_000)

    def work(server: ServerProcess, options: argparse.Namespace) -> None:
        run(server, options.commands, options.seed, progress=True)

    return run_ring(parser, work)


if __name__ == "__main__":
    sys.exit(main())
