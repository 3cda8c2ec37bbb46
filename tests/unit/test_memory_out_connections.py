"""Connections of a whole server while each block of memory in turn is not there.

A scripted session of several clients (pipelines, requests in pieces, AUTH, transactions, blocking, subscriptions,
tracking, long arguments, a log of writes) is played again and again; in each round one more allocation succeeds before
one fails. Whatever it was for: the server goes on, nobody sees another's bytes, and each client gets one reply for each
request, in order, or is closed. What was logged, executed again, is whole units. Needs a build with a checked heap.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from redislite._core.engine import Engine
from redislite.commands.digest import dataset_digest
from redislite.config.config import Config
from redislite.observability.log import NOTHING, Log
from redislite.server import Server
from redislite.serving.clients import CLIENT_BLOCKED

pytestmark = pytest.mark.skipif(not Engine().heap_is_checked, reason="needs a build with a checked heap")

READ = 262_144
LONG = b"L" * 40_000


def request(*words: str | bytes) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def pipeline(text: str) -> bytes:
    """Commands, separated by semicolons, as one piece."""
    return b"".join(request(*command.split()) for command in text.split(";"))


def cut(data: bytes, *places: int) -> list[bytes]:
    """The data in pieces."""
    ends = [*places, len(data)]
    return [data[start:end] for start, end in zip([0, *places], ends, strict=True)]


def end_of_reply(data: bytes, at: int) -> int:
    """Where the reply that begins at a place ends; ValueError where it is none, or not whole."""
    end = data.index(b"\r\n", at)
    kind, rest, at = data[at : at + 1], data[at + 1 : end], end + 2
    if kind in b"+-:_,#(":
        return at
    if kind not in b"$*%~>=":
        raise ValueError(f"no reply: {data[at - 40 : at + 40]!r}")
    count = int(rest)
    if kind in b"$=":
        if count >= 0 and data[at + count : at + count + 2] != b"\r\n":
            raise ValueError(f"no end of a string: {data[at : at + count + 20]!r}")
        return at if count < 0 else at + count + 2
    for _ in range(count * 2 if kind == b"%" else max(count, 0)):
        at = end_of_reply(data, at)
    return at


def split_replies(data: bytes) -> list[bytes]:
    """The replies of a stream that holds nothing else."""
    replies = []
    at = 0
    while at < len(data):
        end = end_of_reply(data, at)
        replies.append(data[at:end])
        at = end
    return replies


class Client:
    """A connection by hand, and all that it was sent."""

    def __init__(self, server: Server, name: str) -> None:
        ours, self.peer = socket.socketpair()
        for end in (ours, self.peer):
            end.setblocking(False)
        self.name = name
        self.received = b""
        self.is_closed = False
        server.welcome(ours.detach(), f"{name}:1", "server:6379", False)
        self.connection = server.engine.all_connections()[-1]

    def send(self, data: bytes) -> None:
        try:
            assert self.peer.send(data) == len(data)
        except ConnectionError:
            self.is_closed = True

    def read(self) -> None:
        try:
            while part := self.peer.recv(READ):
                self.received += part
            self.is_closed = True
        except BlockingIOError:
            pass
        except ConnectionError:
            self.is_closed = True


def play(server: Server, clients: dict[str, Client], steps: list[tuple[str, bytes]]) -> None:
    for name, data in steps:
        clients[name].send(data)
        for _ in range(3):
            server.loop.serve_ready()
        for client in clients.values():
            client.read()


# Who does what, in turns. Each client's keys, values and secrets carry its name, so that no byte of one may turn up at
# another; what they share is said to be "common".
SECRET = "secret-of-{}"
STEPS: list[tuple[str, bytes]] = [
    *[(name, request("AUTH", name, SECRET.format(name))) for name in ("amy", "bob", "cid", "dan")],
    ("dan", pipeline("HELLO 3 SETNAME dan-name;CLIENT TRACKING ON;GET common:tracked")),
    ("bob", pipeline("SUBSCRIBE common:channel bob:channel;PSUBSCRIBE common:c*")),
    # Pieces of requests, each of which leaves something in the parser and in the query buffer.
    *[("amy", piece) for piece in cut(request("SET", "amy:key", "amy-value " + "a" * 200), 5, 17, 60)],
    *[("cid", piece) for piece in cut(pipeline("SET cid:key cid-value;GET cid:key;PING") + b"*2\r\n$3\r\nGE", 50)],
    ("amy", pipeline("GET amy:key;PING")),
    ("cid", b"T\r\n$7\r\ncid:key\r\n"),
    # Many requests and many arguments at once.
    ("amy", pipeline(";".join(f"RPUSH amy:list amy-element-{number}" for number in range(50)))),
    ("amy", request("SADD", "amy:set", *[f"amy-member-{number}" for number in range(300)])),
    ("amy", pipeline("SCARD amy:set;LRANGE amy:list 0 -1")),
    # Long arguments are read into strings of their own.
    *[("cid", piece) for piece in cut(request("SET", "cid:long", LONG) + request("PING"), 100, 20_000, 39_990)],
    ("cid", pipeline("STRLEN cid:long;GETRANGE cid:long 0 20000")),
    # Inline.
    ("cid", b"SET cid:inline 'cid inline'\r\nGET cid:inline\r\nGE"),
    ("cid", b"T cid:inline\r\n"),
    # Transactions: both or neither. WATCH.
    ("amy", pipeline("WATCH amy:key;MULTI;SET amy:one amy-both;SET amy:two amy-both;INCR amy:counter;EXEC")),
    ("amy", pipeline("MULTI;SET amy:one amy-later;SET amy:two amy-later")),
    ("cid", pipeline("SELECT 2;MULTI;SET cid:one cid-both;SET cid:two cid-both")),
    ("cid", pipeline("EXEC;SELECT 0")),
    ("amy", pipeline("EXEC")),
    # Blocking, with requests behind the one that waits.
    ("amy", pipeline("BLPOP amy:queue amy:other 0;SET amy:after amy-after;GET amy:after")),
    ("cid", pipeline("BLMOVE common:queue cid:moved LEFT RIGHT 0;PING")),
    ("dan", pipeline("SELECT 0;RPUSH amy:queue amy-element;RPUSH common:queue cid-element")),
    ("amy", pipeline("PING")),
    # Messages, to others and to oneself; invalidations.
    ("cid", pipeline("PUBLISH common:channel common-message;SET common:tracked common-value")),
    ("cid", request("PUBLISH", "common:channel", b"common" * 4000)),
    ("dan", pipeline("SUBSCRIBE common:channel;PUBLISH common:channel common-own;GET common:tracked")),
    ("dan", pipeline("SET common:tracked common-again;UNSUBSCRIBE")),
    # Structures that grow, and replies that do.
    ("amy", request("HSET", "amy:hash", *[f"amy-{number}" for number in range(200)])),
    ("amy", pipeline("HGETALL amy:hash;ZADD amy:sorted 1 amy-a 2 amy-b;XADD amy:stream * amy-field amy-value")),
    ("amy", pipeline("SPOP amy:set 100;LTRIM amy:list 3 20;LREM amy:list 0 amy-element-7;DEL amy:hash")),
    # The Python tier.
    ("cid", pipeline("CLIENT SETNAME cid-name;CLIENT GETNAME;CONFIG GET maxclients;COMMAND COUNT;RESET")),
    # An error of the protocol ends a connection.
    ("cid", request("AUTH", "cid", SECRET.format("cid")) + b"*1\r\n:bad\r\n"),
]
NAMES = ("amy", "bob", "cid", "dan")


class Rounds:
    """The server, and the rounds played on it."""

    def __init__(self, directory: Path) -> None:
        config = Config(change_directory=False)
        config.load(f"dir {directory}\nenable-debug-command yes\n")
        self.server = Server(config, Log(level=NOTHING))
        self.engine = self.server.engine
        for name in NAMES:
            self.engine.execute("ACL", "SETUSER", name, "reset", "on", ">" + SECRET.format(name), "+@all", "~*", "&*")
        self.log_path = directory / "log"
        self.errors: list[BaseException] = []
        self.engine.on_exception = self.errors.append

    def play(self, until_failure: int) -> tuple[bool, dict[str, Client]]:
        """One round; whether something failed in it."""
        engine = self.engine
        engine.execute("FLUSHALL")
        # What was pooled would never be asked for again.
        engine.trim_memory()
        engine.append_log.open(os.open(self.log_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), 0)
        clients = {name: Client(self.server, name) for name in NAMES}
        engine.heap_until_failure = until_failure
        play(self.server, clients, STEPS)
        has_failed = until_failure > 0 and engine.heap_until_failure == 0
        engine.heap_until_failure = 0
        return has_failed, clients

    def end(self, clients: dict[str, Client]) -> None:
        """All connections go, and what they hold with them."""
        for client in clients.values():
            client.peer.close()
        for _ in range(3):
            self.server.loop.serve_ready()
        assert self.engine.connections_count == 0
        assert self.engine.blocked_clients == 0

    def mend_log(self) -> bool:
        """Has writes accepted again, as after a rewriting; whether the log had everything."""
        is_whole = not self.engine.append_log.incomplete
        self.engine.append_log.mend()
        self.server.loop.serve_ready()
        return is_whole

    def check_log(self, is_whole: bool = True) -> None:
        """What was logged is whole units, and all that there is unless the log itself said that it is not."""
        engine = self.engine
        assert engine.append_log.flush()
        copy = Engine()
        replay = copy.replay(bytearray(self.log_path.read_bytes()))
        while replay.run(1 << 20):
            pass
        replay.finish()
        assert replay.state == "done", replay.reason
        if is_whole:
            assert dataset_digest(copy) == dataset_digest(engine)
        for number, name in ((0, "amy"), (2, "cid")):
            keys = [f"{name}:{key}".encode() for key in ("one", "two")]
            logged, held = ([one.string_value(number, key) for key in keys] for one in (copy, engine))
            assert logged == held or logged[0] == logged[1], "half a transaction was logged"


@pytest.fixture
def rounds(tmp_path: Path) -> Iterator[Rounds]:
    rounds = Rounds(tmp_path)
    yield rounds
    rounds.server.discard()


def test_each_allocation_of_a_session_fails(rounds: Rounds) -> None:
    _, clients = rounds.play(0)
    wanted = {name: split_replies(client.received) for name, client in clients.items()}
    assert [client.name for client in clients.values() if client.is_closed] == ["cid"]
    assert not rounds.errors
    rounds.check_log()
    rounds.end(clients)
    until_failure = 1
    while True:
        has_failed, clients = rounds.play(until_failure)
        if not has_failed:
            break
        where = f"allocation {until_failure}"
        for name, client in clients.items():
            replies = split_replies(client.received) if not client.is_closed else client.received.split(b"\r\n")
            for other in NAMES:
                # amy's and cid's elements pass through dan's hands, who sends them; nothing comes back to him.
                assert other == name or other.encode() not in client.received, (where, name, other)
            # Who is still waiting was not served as dan, who was to, has gone.
            if not client.is_closed and name not in ("bob", "dan") and not client.connection.flags & CLIENT_BLOCKED:
                assert len(replies) == len(wanted[name]), (where, name, replies)
        is_whole = rounds.mend_log()
        # Others are served.
        witness = Client(rounds.server, "witness")
        play(rounds.server, {"witness": witness}, [("witness", pipeline("PING;SET witness 1;GET witness;DEL witness"))])
        assert witness.received == b"+PONG\r\n+OK\r\n$1\r\n1\r\n:1\r\n", where
        rounds.check_log(is_whole)
        rounds.end({**clients, "witness": witness})
        until_failure += 1
    assert until_failure > 200
