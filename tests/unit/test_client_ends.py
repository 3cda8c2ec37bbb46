"""What a client has named may be very much; it ends in bounded pieces, counted here as pieces of work, not as time."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator

import pytest
from engine_clients import READABLE, EngineClients

COUNT = 20_000
STEP_PIECES = 512  # of discard.pyx: what one step releases
# What a step may give back: so many blocks of the size that a watch with its key, a waiter's key or a queued command
# has, and the one block for all, a table or what held them, that goes with the last of them.
STEP_BYTES = STEP_PIECES * 400 + COUNT * 50
BROADCAST = 2 | 1  # TRACKING_BCAST, TRACKING_ON


class Clients(EngineClients):
    """Clients, and turns of the loop that release one step each."""

    def __init__(self) -> None:
        super().__init__()
        self.engine.set("release_turn_us", 0)
        self.engine.set("latency_tracking", 0)
        self.engine.on_waiting = lambda seconds: None

    def send(self, number: int, *requests: tuple[object, ...]) -> bytes:
        """Sends requests, and has them served; what comes back at once."""
        data = b"".join(
            b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in words)
            for words in ([str(word).encode() for word in request] for request in requests)
        )
        answer = b""
        for start in range(0, len(data), 16384):
            self.peers[number].sendall(data[start : start + 16384])
            self.connections[number].ready(READABLE)
            answer += self.answer(number)
        return answer

    def answer(self, number: int) -> bytes:
        """Ends the turn; what has come."""
        self.engine.before_sleep()
        answer = b""
        while select.select([self.peers[number]], [], [], 0)[0]:
            answer += self.peers[number].recv(65536)
        return answer

    def close(self, number: int) -> None:
        self.engine.close(self.connections[number])

    @property
    def used(self) -> int:
        return self.engine.memory["used"]

    @property
    def things(self) -> int:
        return self.engine.memory["discarded_things"]

    def release(self) -> int:
        """Turns until everything is released, each of which gives back a bounded part; how many it took."""
        turns = 0
        more = True
        while more:
            before = self.used
            more = self.engine.before_sleep()
            assert before - self.used < STEP_BYTES
            turns += 1
        assert self.things == 0
        return turns


@pytest.fixture
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    for number in range(len(made.peers)):
        made.close(number)
        made.peers[number].close()


def names(kind: str) -> list[str]:
    return [f"{kind}:{number:05}" for number in range(COUNT)]


def watch(clients: Clients, number: int) -> None:
    assert clients.send(number, ("WATCH", *names("key"))) == b"+OK\r\n"


def queue(clients: Clients, number: int) -> None:
    assert clients.send(number, ("MULTI",)) == b"+OK\r\n"
    assert clients.send(number, *([("GET", "missing")] * COUNT)) == b"+QUEUED\r\n" * COUNT


def wait(clients: Clients, number: int) -> None:
    assert clients.send(number, ("BLPOP", *names("key"), 0)) == b""


def track(clients: Clients, number: int) -> None:
    clients.engine.track(clients.connections[number], BROADCAST, None, [name.encode() for name in names("prefix")])


def close(clients: Clients, number: int) -> None:
    clients.close(number)


def ask(*commands: str) -> Callable[[Clients, int], None]:
    def end(clients: Clients, number: int) -> None:
        assert clients.send(number, *((command,) for command in commands))

    end.__qualname__ = " ".join(commands)
    return end


def change_one(clients: Clients, number: int) -> None:
    clients.engine.execute("SET", "key:00007", "x")


def push(clients: Clients, number: int) -> None:
    clients.engine.execute("RPUSH", "key:00007", "x")


def unblock(clients: Clients, number: int) -> None:
    assert clients.connections[number].unblock_with_error()


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (watch, close),
        (watch, ask("UNWATCH")),
        (watch, ask("MULTI", "DISCARD")),
        (watch, ask("MULTI", "EXEC")),
        (watch, change_one),
        (queue, close),
        (queue, ask("DISCARD")),
        (queue, ask("EXEC")),
        (wait, close),
        (wait, push),
        (wait, unblock),
        (track, close),
    ],
    ids=lambda function: function.__qualname__,
)
def test_what_a_client_named_ends_in_pieces(
    clients: Clients, begin: Callable[[Clients, int], None], end: Callable[[Clients, int], None]
) -> None:
    number = clients.connect()
    begin(clients, number)
    full = clients.used
    end(clients, number)
    # Some turns have gone by, and a closed client's request is gone.
    assert clients.things == 1
    assert full - clients.used < COUNT * 80
    assert clients.release() > COUNT // STEP_PIECES - 4
    statistics = clients.engine.waiting_statistics
    assert statistics["watching_clients"] == statistics["watched_keys"] == statistics["keys"] == 0
    assert clients.engine.tracking_statistics["prefixes"] == 0
    assert clients.used < full - COUNT * 40


def test_little_ends_at_once(clients: Clients) -> None:
    one = clients.connect()
    few = names("key")[:50]
    for begin, end in ((("WATCH", *few), ("UNWATCH",)), (("MULTI",), ("DISCARD",))):
        used = []
        for _ in range(3):  # first the database's table is made
            clients.send(one, begin)
            clients.send(one, end)
            assert clients.things == 0
            used.append(clients.used)
        assert used[1] == used[2]
    clients.send(one, ("BLPOP", *few, 0))
    push(clients, one)
    clients.engine.before_sleep()
    assert clients.things == 0 and clients.engine.waiting_statistics["keys"] == 0


def test_watches_that_are_being_released_mark_nobody(clients: Clients) -> None:
    one, other = clients.connect(), clients.connect()
    watch(clients, one)
    watch(clients, other)
    assert clients.send(one, ("UNWATCH",), ("WATCH", "key:19999", "mine"), ("MULTI",)) == b"+OK\r\n" * 3
    assert clients.things == 1 and clients.connections[one].watched_keys == 2
    change_one(clients, one)
    assert clients.things == 2
    assert clients.connections[other].watched_keys == 0
    assert clients.send(one, ("EXEC",)) == b"*0\r\n"
    assert clients.send(other, ("MULTI",), ("EXEC",)) == b"+OK\r\n*-1\r\n"
    assert clients.send(one, ("WATCH", "key:19999"), ("MULTI",)) == b"+OK\r\n" * 2
    clients.engine.execute("SET", "key:19999", "x")
    assert clients.send(one, ("EXEC",)) == b"*-1\r\n"
    clients.release()
    assert clients.engine.waiting_statistics["watched_keys"] == 0


def test_who_waits_no_longer_is_passed_over(clients: Clients) -> None:
    one, other = clients.connect(), clients.connect()
    last = names("key")[-1]
    wait(clients, one)
    assert clients.send(other, ("BLPOP", last, 0)) == b""
    push(clients, one)
    assert clients.answer(one) == b"*2\r\n$9\r\nkey:00007\r\n$1\r\nx\r\n"
    assert clients.things == 1 and clients.engine.waiting_statistics["keys"] == 1
    # In the list of the last key it still stands in front, and once more behind the other.
    assert clients.send(one, ("BLPOP", last, 0)) == b""
    clients.engine.execute("RPUSH", last, "first")
    assert (clients.answer(one), clients.answer(other)) == (b"", b"*2\r\n$9\r\nkey:19999\r\n$5\r\nfirst\r\n")
    clients.engine.execute("RPUSH", last, "second")
    assert clients.answer(one) == b"*2\r\n$9\r\nkey:19999\r\n$6\r\nsecond\r\n"
    clients.release()
    assert clients.engine.waiting_statistics["keys"] == 0


def test_an_engine_may_end_amid_it() -> None:
    clients = Clients()
    for begin in (watch, wait, track):
        number = clients.connect()
        begin(clients, number)
        clients.close(number)
    assert clients.things == 3
    for peer in clients.peers:
        peer.close()
    del clients
