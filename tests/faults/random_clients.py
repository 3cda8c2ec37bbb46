"""Random commands of all kinds over many connections at once, at a server that is to survive them all.

    tests/sanitize python tests/faults/random_clients.py [--commands 2000000] [--connections 24] [--seed 1]

Each connection sends a burst of commands in one write, or in pieces: data commands of every type, with nasty arguments
now and then; transactions that end and that do not; commands that wait; subscriptions, tracking, MONITOR, protocol 3,
muted replies; commands that kill, pause and unblock other connections; every other command that the server lists, with
arguments at random; and bytes that are no protocol any more.

What must hold:

- the server lives, and answers every burst to its end;
- nobody sees what another connection was sent: each burst ends with a PING of a text of its own, and what comes back
  may hold no text of another connection;
- DEBUG RELOAD and, with the append-only file on, DEBUG LOADAOF leave the digest of the data as it is;
- with no data and no clients, as much memory is in use as was in the beginning.
"""

from __future__ import annotations

import argparse
import random
import re
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from differential.grammar import (
    COMMANDS,
    KEYS,
    NASTY,
    Command,
    Generator,
    Words,
    count,
    element,
    fields,
    integer,
    key,
    keys,
    many,
    maybe,
    one_of,
    pattern,
    sequence,
    shuffled,
    value,
    word,
)
from harness import PATIENCE, Connection, Failure, ServerProcess, request
from ring import run_ring

ROUND = 20_000  # commands between two looks at the data
BURST = 24  # commands, at the most
STUCK = 20.0 * PATIENCE  # seconds after which a burst that nobody unblocks is a fault
PATIENT = 0.05 * PATIENCE  # seconds after which a burst is taken to wait in a blocking command
LEFT_BYTES = 65536  # that tables and statistics may have grown by
OUTSIDE = b"<%d:%d>"  # what a burst of this connection ends with
FAR = one_of(word("100000"), word("2000000"))

FIELD_LIST = sequence(word("FIELDS"), one_of(sequence(word("1"), element), sequence(word("2"), element, element)))
FIELD_VALUES = sequence(word("FIELDS"), word("1"), element, value)
CHANNEL = one_of(word("news", "sport", "x{1}"), key)
CLIENT_OF_ALL = sequence(word("ID"), lambda chance: [b"%d" % chance.randint(1, 400)])
RULE = word("on", "nopass", "+@all", "-@write", "~a*", "allkeys", "reset")
DIRECTIVES = {
    "maxmemory-clients": ("0", "0", "100kb", "1mb"),
    "maxmemory": ("0", "0", "3mb"),
    "maxmemory-policy": ("noeviction", "allkeys-lru", "allkeys-lfu", "volatile-ttl", "allkeys-random"),
    "notify-keyspace-events": ("", "KEA", "Kh", "AKEmn"),
    "timeout": ("0", "1"),
    "hz": ("10", "100", "500"),
    "list-max-listpack-size": ("-2", "3", "128"),
    "hash-max-listpack-entries": ("512", "2", "0"),
    "set-max-intset-entries": ("512", "4", "0"),
    "zset-max-listpack-entries": ("128", "3", "0"),
    "list-compress-depth": ("0", "1"),
    "tracking-table-max-keys": ("1000000", "5"),
    "client-output-buffer-limit": ("normal 0 0 0", "normal 20000 10000 1", "pubsub 20000 10000 1"),
    "latency-monitor-threshold": ("0", "1"),
    "slowlog-log-slower-than": ("10000", "0", "-1"),
    "client-query-buffer-limit": ("1gb", "1mb"),
    "appendfsync": ("no", "everysec", "always"),
    "lazyfree-lazy-user-del": ("yes", "no"),
    "active-expire-effort": ("1", "10"),
    "rdbcompression": ("yes", "no"),
    "proto-max-bulk-len": ("512mb", "1mb"),
}


# Calls of scripts and functions, whose arguments are the keys and words that they get.
CALL = (
    "redis.call('GET', KEYS[1])",
    "redis.call('SET', KEYS[1], ARGV[1])",
    "redis.call('DEL', KEYS[1])",
    "redis.call('LPUSH', KEYS[1], unpack(ARGV))",
    "redis.pcall('INCR', KEYS[1])",
    "redis.call('HSET', KEYS[1], ARGV[1], 1)",
    "redis.call('BLPOP', KEYS[1], 0)",
    "redis.call('SELECT', 1)",
    "redis.pcall(ARGV[1], KEYS[1])",
    "redis.call('PUBLISH', 'news', ARGV[1])",
    "redis.setresp(3)",
    "redis.set_repl(redis.REPL_ALL)",
    "error({err = 'MINE'})",
    "cjson.decode(ARGV[1])",
    "cmsgpack.unpack(cmsgpack.pack(KEYS))",
    "{KEYS, ARGV, {double = 1.5}, {map = {a = 1}}}",
    "redis.call('SORT', KEYS[1])",
    "redis.sha1hex(ARGV[1])",
    "math.random()",
    "nothing",
)


def code(chance: random.Random) -> str:
    """A small script, or the body of a function."""
    lines = chance.choices(CALL, k=chance.randint(1, 4))
    return "; ".join([*(f"local v{place} = {line}" for place, line in enumerate(lines)), "return v0"])


def script(chance: random.Random) -> Words:
    line = chance.choice(["", "", "", "#!lua flags=no-writes\n", "#!lua\n"])
    return [f"{line}{code(chance)}".encode()]


def library(chance: random.Random) -> Words:
    """A library of a few functions; some are wrong, or of a name that another has."""
    name = chance.choice("ABCD")
    lines = [f"#!lua name={name}"]
    for function in chance.sample(["f", "g", "h", "i"], chance.randint(0, 2)):
        lines.append(f"redis.register_function('{function}', function(KEYS, ARGV) {code(chance)} end)")
    if chance.random() < 0.1:
        lines.append(chance.choice(["x = 1", "syntax error", "redis.call('GET', 'x')"]))
    return ["\n".join(lines).encode()]


CALLED = one_of(
    sequence(word("0"), maybe(value)),
    sequence(word("1"), key, value),
    sequence(word("2"), key, key, many(value, 3)),
)
FUNCTION = word("f", "G", "h", "i")


def directive(chance: random.Random) -> Words:
    name = chance.choice(list(DIRECTIVES))
    return [name.encode(), chance.choice(DIRECTIVES[name]).encode()]


def row(name: str, *arguments: Generator, weight: int = 2) -> Command:
    return Command(name, "chaos", arguments, weight, plain=True)


# What the differential tests do not send, since it shows in other connections, or its replies differ.
MORE = [
    row("MULTI", weight=60),
    row("EXEC", weight=60),
    row("DISCARD", weight=6),
    row("WATCH", keys, weight=16),
    row("UNWATCH", weight=4),
    row("SUBSCRIBE", many(CHANNEL, 5), weight=8),
    row("PSUBSCRIBE", many(pattern, 5), weight=6),
    row("SSUBSCRIBE", CHANNEL, weight=6),
    row("UNSUBSCRIBE", maybe(CHANNEL), weight=10),
    row("PUNSUBSCRIBE", maybe(pattern), weight=8),
    row("SUNSUBSCRIBE", maybe(CHANNEL), weight=8),
    row("PUBLISH", CHANNEL, value, weight=30),
    row("SPUBLISH", CHANNEL, value, weight=12),
    row("PUBSUB CHANNELS"),
    row("PUBSUB NUMSUB", CHANNEL),
    row("HELLO", word("2", "3"), weight=10),
    row("RESET", weight=6),
    row("MONITOR", weight=1),
    row("QUIT", weight=1),
    row("CLIENT TRACKING", word("ON"), shuffled(word("NOLOOP"), word("OPTIN", "OPTOUT")), weight=10),
    row("CLIENT TRACKING", word("ON"), word("BCAST"), maybe(sequence(word("PREFIX"), key)), weight=6),
    row("CLIENT TRACKING", word("ON"), sequence(word("REDIRECT"), integer), weight=2),
    row("CLIENT TRACKING", word("OFF"), weight=4),
    row("CLIENT CACHING", word("YES", "NO"), weight=4),
    row("CLIENT REPLY", word("OFF", "SKIP", "ON"), weight=8),
    row("CLIENT KILL", CLIENT_OF_ALL, maybe(sequence(word("SKIPME"), word("yes", "no"))), weight=6),
    row("CLIENT KILL", word("TYPE"), word("pubsub")),
    row("CLIENT UNBLOCK", lambda chance: [b"%d" % chance.randint(1, 400)], maybe(word("ERROR", "TIMEOUT")), weight=8),
    row("CLIENT PAUSE", word("1", "3"), maybe(word("WRITE", "ALL")), weight=1),
    row("CLIENT UNPAUSE", weight=1),
    row("CLIENT NO-TOUCH", word("ON", "OFF")),
    row("CLIENT LIST"),
    row("BLPOP", keys, word("0"), weight=6),
    row("BRPOP", keys, word("0", "0.02"), weight=6),
    row("BLMOVE", key, key, word("LEFT"), word("RIGHT"), word("0", "0.01"), weight=6),
    row("BLMPOP", word("0"), word("2"), key, key, word("LEFT"), maybe(sequence(word("COUNT"), word("5"))), weight=4),
    row("BZPOPMIN", keys, word("0", "0.01"), weight=6),
    row("BZMPOP", word("0.01"), word("1"), key, word("MAX"), weight=4),
    row("XREAD", word("BLOCK"), word("0", "10"), word("STREAMS"), key, word("$", "0"), weight=6),
    row(
        "XREADGROUP",
        sequence(word("GROUP"), word("g1", "g2"), word("c1", "c2")),
        sequence(word("BLOCK"), word("0", "10")),
        sequence(word("STREAMS"), key, word(">")),
        weight=6,
    ),
    row("SPOP", key, maybe(count), weight=6),
    row("HSETEX", key, maybe(word("FNX", "FXX")), maybe(sequence(word("EX"), FAR)), FIELD_VALUES, weight=8),
    row("HGETEX", key, maybe(one_of(sequence(word("EX"), FAR), word("PERSIST"))), FIELD_LIST, weight=8),
    row("HGETDEL", key, FIELD_LIST, weight=6),
    row("HEXPIRE", key, FAR, maybe(word("NX", "XX", "GT", "LT")), FIELD_LIST, weight=8),
    row("HPEXPIRE", key, word("0", "100000000"), FIELD_LIST, weight=6),
    row("HPERSIST", key, FIELD_LIST, weight=6),
    row("HTTL", key, FIELD_LIST, weight=4),
    row("HSET", key, fields, weight=6),
    row("EVAL", script, CALLED, weight=30),
    row("EVAL_RO", script, CALLED, weight=6),
    row("EVALSHA", word("0" * 40), CALLED),
    row("SCRIPT LOAD", script, weight=4),
    row("SCRIPT EXISTS", word("0" * 40)),
    row("SCRIPT FLUSH", maybe(word("ASYNC", "SYNC"))),
    row("SCRIPT KILL"),
    row("FCALL", FUNCTION, CALLED, weight=20),
    row("FCALL_RO", FUNCTION, CALLED, weight=4),
    row("FUNCTION LOAD", maybe(word("REPLACE")), library, weight=12),
    row("FUNCTION DELETE", word("A", "B", "C", "D"), weight=4),
    row("FUNCTION FLUSH", maybe(word("ASYNC", "SYNC")), weight=1),
    row("FUNCTION LIST", maybe(word("WITHCODE"))),
    row("FUNCTION STATS"),
    row("FUNCTION DUMP"),
    row("FUNCTION RESTORE", value, maybe(word("FLUSH", "APPEND", "REPLACE"))),
    row("FUNCTION KILL"),
    row("DUMP", key, weight=4),
    row("RESTORE", key, word("0"), value, word("REPLACE")),
    row("CONFIG SET", directive, weight=12),
    row("CONFIG GET", word("*", "max*")),
    row("CONFIG RESETSTAT"),
    row("INFO", maybe(word("all", "everything", "memory", "commandstats"))),
    row("MEMORY USAGE", key, maybe(sequence(word("SAMPLES"), word("0", "1"))), weight=4),
    row("MEMORY STATS"),
    row("MEMORY PURGE"),
    row("DEBUG OBJECT", key, weight=4),
    row("DEBUG SLEEP", word("0", "0.002")),
    row("DEBUG SET-ACTIVE-EXPIRE", word("0", "1")),
    row("DEBUG HTSTATS", word("0", "1")),
    row("DEBUG LISTPACK", key),
    row("DEBUG QUICKLIST-PACKED-THRESHOLD", word("100b", "1gb", "0")),
    row("DEBUG CHANGE-REPL-ID"),
    row("FLUSHALL", maybe(word("ASYNC", "SYNC")), weight=1),
    row("SLOWLOG GET", maybe(count)),
    row("LATENCY RESET"),
    row("LATENCY HISTOGRAM", maybe(word("get", "set"))),
    row("OBJECT FREQ", key),
    row("ACL SETUSER", word("alice", "bob"), many(RULE, 4)),
    row("ACL DELUSER", word("alice", "bob")),
    row("ACL DRYRUN", word("alice", "default"), word("GET", "SET"), keys),
    row("AUTH", word("alice", "bob"), word("x"), weight=1),
    row("SAVE", weight=1),
    row("BGREWRITEAOF", weight=1),
    row("BGSAVE", maybe(word("SCHEDULE")), weight=1),
]
# Not sent at random: what ends or stops the server, makes it another's replica, or gives other connections a hard time.
BUSY = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
SPARED = {
    b"shutdown", b"debug", b"replicaof", b"slaveof", b"failover", b"module", b"config", b"client", b"flushall", b"save",
    b"bgsave", b"bgrewriteaof", b"monitor", b"acl", b"psync", b"sync", b"migrate", b"cluster", b"quit",
    b"restore-asking", b"setbit", b"bitfield", b"setrange",
}  # fmt: skip
# What tells of the commands of others.
TELLTALES = {b"MONITOR", b"PSUBSCRIBE", b"SLOWLOG", b"COMMANDLOG"}


@dataclass
class Peer:
    """One connection: what it was sent, and what is still to come."""

    number: int
    socket: socket.socket
    opened: float
    bursts: int = 0
    received: bytearray = field(default_factory=bytearray)
    marker: bytes = b""  # that ends what it waits for; empty while it waits for nothing
    since: float = 0.0
    sees_others: bool = False  # it asked for what others send


class Chaos:
    """The connections and their source of chance. AssertionError where a rule of the top of this file is broken."""

    def __init__(self, server: ServerProcess, connections: int, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.size = connections
        self.sent = 0
        self.outcomes: Counter[str] = Counter()
        self.next_number = 0
        self.peers: dict[int, Peer] = {}
        self.selector = selectors.DefaultSelector()
        known = server.control("COMMAND", "LIST")
        others = [row(name.decode(), self._anything, weight=1) for name in known if name not in SPARED]
        rows = [
            *(one for one in COMMANDS if one.name not in ("SHUTDOWN", "DEBUG SLEEP")),
            *MORE,
            *others,
        ]
        self._rows = rows
        self._weights = [one.weight for one in rows]
        self._marks = re.compile(rb"<(\d+):\d+>")

    @staticmethod
    def _anything(chance: random.Random) -> Words:
        makers = (key, value, integer, word("COUNT", "STREAMS", "0", "1", "GET", "WITHSCORES", "BY", "LIMIT"), element)
        return [one for _ in range(chance.randint(0, 6)) for one in chance.choice(makers)(chance)]

    def open(self) -> Peer:
        address = self.server.unix_path if self.chance.random() < 0.5 else self.server.address
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(STUCK)
        connection.connect(address)
        connection.setblocking(False)
        self.next_number += 1
        peer = Peer(self.next_number, connection, time.monotonic())
        self.peers[peer.number] = peer
        self.selector.register(connection, selectors.EVENT_READ, peer)
        return peer

    def close(self, peer: Peer, outcome: str) -> None:
        self.outcomes[outcome] += 1
        self.selector.unregister(peer.socket)
        peer.socket.close()
        del self.peers[peer.number]

    def burst(self, peer: Peer) -> None:
        """Sends a burst, and closes the connection then and there if it is to have no end."""
        chance = self.chance
        rows = chance.choices(self._rows, self._weights, k=chance.randint(1, BURST))
        commands = [one.generate(chance) for one in rows]
        self.sent += len(commands)
        if chance.random() < 0.05:
            nasty = [*NASTY, *KEYS]
            commands = [[chance.choice(nasty) if chance.random() < 0.1 else one for one in words] for words in commands]
        peer.sees_others |= any(words[0].upper() in TELLTALES for words in commands)
        data = bytearray(b"".join(request(*words) for words in commands))
        if chance.random() < 0.06:
            self._spoil(peer, data)
            return
        peer.bursts += 1
        peer.marker = OUTSIDE % (peer.number, peer.bursts)
        peer.since = time.monotonic()
        data += request("DISCARD") + request("CLIENT", "REPLY", "ON") + request("PING", peer.marker)
        self._send(peer, bytes(data))

    def _spoil(self, peer: Peer, data: bytearray) -> None:
        """Sends bytes that are wrong in a few places, and goes away without waiting."""
        chance = self.chance
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            roll = chance.random()
            if roll < 0.4:
                data[place] = chance.randrange(256)
            elif roll < 0.7:
                del data[place : place + chance.randint(1, 20)]
            else:
                data[place:place] = chance.choice(NASTY)
            data = data or bytearray(b"\r\n")
        self._send(peer, bytes(data))
        if peer.number in self.peers:
            self.close(peer, "spoiled")

    def _send(self, peer: Peer, data: bytes) -> None:
        cut = self.chance.randrange(len(data)) if self.chance.random() < 0.2 else len(data)
        for part in (data[:cut], data[cut:]):
            while part:
                try:
                    part = part[peer.socket.send(part) :]
                except BlockingIOError:
                    # It does not read while it waits: as much as it takes is enough, the rest has no end.
                    peer.marker = b""
                    self.close(peer, "did not take all")
                    return
                except OSError:
                    self.close(peer, "closed while sending")
                    return

    def read(self, peer: Peer) -> None:
        try:
            data = peer.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(peer, "closed by the server" if peer.marker else "closed between bursts")
            return
        peer.received += data
        if peer.marker and peer.marker in peer.received[-len(data) - len(peer.marker) :]:
            self._check(peer)
            peer.marker = b""
            self.outcomes["answered"] += 1
            if self.chance.random() < 0.03:
                self.close(peer, "left")

    def _check(self, peer: Peer) -> None:
        strangers = {int(mark) for mark in self._marks.findall(peer.received)} - {peer.number}
        assert not strangers or peer.sees_others, (
            f"connection {peer.number} was sent what is for {sorted(strangers)}: {bytes(peer.received)[:2000]!r}"
        )
        peer.received.clear()

    def turn(self) -> None:
        """Sends to whoever waits for nothing, reads what has come, and wakes whoever waits for too long."""
        while len(self.peers) < self.size:
            self.open()
        for peer in [one for one in self.peers.values() if not one.marker]:
            self.burst(peer)
        for entry, _ in self.selector.select(0.01):
            self.read(entry.data)
        now = time.monotonic()
        for peer in [one for one in self.peers.values() if one.marker and now - one.since > PATIENT]:
            if now - peer.since > STUCK:
                raise AssertionError(f"connection {peer.number} was not answered: {bytes(peer.received)[-2000:]!r}")
            if self.chance.random() < 0.05:
                self.close(peer, "left while it waited")

    def settle(self) -> None:
        """Closes all connections and looks at the data."""
        for peer in list(self.peers.values()):
            self.close(peer, "settled")
        control = self._control()
        digest = control("DEBUG", "DIGEST")
        values = self.values(control)
        for words in (("DEBUG", "RELOAD"), ("DEBUG", "LOADAOF")):
            answer = control(*words)
            assert not isinstance(answer, Failure), (words, answer)
            after = control("DEBUG", "DIGEST")
            if after != digest:
                others = self.values(control)
                differing = [
                    (name, values.get(name), others.get(name))
                    for name in {*values, *others}
                    if values.get(name) != others.get(name)
                ]
                raise AssertionError(f"{' '.join(words)} has changed the data: {differing[:20]}")
        self.server.check()

    @staticmethod
    def values(control: Connection) -> dict[tuple[int, bytes], tuple[object, ...]]:
        """Type, deadline and digest of each key, by database and name."""
        found = {}
        for number in range(16):
            control("SELECT", number)
            for name in control("KEYS", "*"):
                facts = control("TYPE", name), control("PEXPIRETIME", name), control("DEBUG", "DIGEST-VALUE", name)
                found[number, name] = facts
        control("SELECT", 0)
        return found

    def _control(self) -> Connection:
        """A connection that nothing restricts any more: the configuration is as it was, nothing is paused."""
        deadline = time.monotonic() + STUCK
        while True:
            try:
                control = Connection(self.server.unix_path, timeout=STUCK)
                control("CLIENT", "UNPAUSE")
                for name, values in DIRECTIVES.items():
                    control("CONFIG", "SET", name, values[0])
                answer = control("CONFIG", "SET", "appendonly", "yes")
                if not isinstance(answer, Failure) and self._quiet(control):
                    return control
                control.close()
            except (OSError, EOFError):
                self.server.check()
            if time.monotonic() > deadline:
                raise AssertionError("the server did not come to rest")

    @staticmethod
    def _quiet(control: Connection) -> bool:
        text = control("INFO", "persistence").decode()
        return all(f"{name}:0" in text for name in BUSY)

    def used_memory(self) -> int:
        """Bytes in use with no data and no client."""
        control = self._control()
        control("FLUSHALL")
        control("SCRIPT", "FLUSH")
        control("FUNCTION", "FLUSH")
        control("SLOWLOG", "RESET")
        control("ACL", "DELUSER", "alice", "bob")
        control("CONFIG", "RESETSTAT")
        previous = 1 << 60
        while True:
            text = control("INFO", "memory").decode()
            used = int(re.search(r"^used_memory:(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
            # What is released in steps goes on going for a while.
            if used >= previous:
                return used
            previous = used
            time.sleep(0.2)


def run(server: ServerProcess, commands: int, connections: int, seed: int, progress: bool = False) -> Counter[str]:
    """Sends that many commands; counts what became of bursts. AssertionError, ServerDied where a rule is broken."""
    chaos = Chaos(server, connections, seed)
    before = 0
    due = 0
    while chaos.sent < commands:
        due += min(ROUND, commands - due)
        while chaos.sent < due:
            chaos.turn()
        chaos.settle()
        used = chaos.used_memory() if before == 0 or due >= commands else before
        before = before or used
        if progress:
            print(chaos.sent, dict(chaos.outcomes), flush=True)
    assert used - before <= LEFT_BYTES, f"{used - before} bytes are in use that were not after the first round"
    return chaos.outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description="Random commands of all kinds over many connections.")
    parser.add_argument("--commands", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=24)
    return run_ring(
        parser,
        lambda server, options: dict(run(server, options.commands, options.connections, options.seed, progress=True)),
        appendonly="yes",
    )


if __name__ == "__main__":
    sys.exit(main())
