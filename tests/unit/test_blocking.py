"""Clients that wait for keys, in one process: their deadlines, and what stays of them."""

from __future__ import annotations

import random
import select
import time
from collections.abc import Iterator

import pytest
from engine_clients import READABLE, EngineClients


class Waiters(EngineClients):
    """Clients, and what the engine asked its loop for."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[float] = []
        self.engine.on_waiting = self.timers.append

    def send(self, number: int, *words: object) -> None:
        texts = [str(word).encode() for word in words]
        data = b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)
        self.peers[number].sendall(data)
        self.connections[number].ready(READABLE)
        self.engine.before_sleep()

    def answer(self, number: int) -> bytes:
        """What has come; nothing where nothing has."""
        ready, _, _ = select.select([self.peers[number]], [], [], 0)
        return self.peers[number].recv(65536) if ready else b""

    @property
    def timed(self) -> int:
        return self.engine.waiting_statistics["timed_clients"]

    @property
    def used(self) -> int:
        return self.engine.memory["used"]


@pytest.fixture
def waiters() -> Iterator[Waiters]:
    made = Waiters()
    yield made
    for connection in made.connections:
        made.engine.close(connection)
    for peer in made.peers:
        peer.close()


def test_nothing_stays_of_clients_that_were_served(waiters: Waiters) -> None:
    one = waiters.connect()
    used = None
    for i in range(1000):
        waiters.send(one, "BLPOP", "k", 1000)
        waiters.engine.execute("RPUSH", "k", "a")
        waiters.engine.before_sleep()
        assert waiters.answer(one) == b"*2\r\n$1\r\nk\r\n$1\r\na\r\n"
        if i == 10:
            used = waiters.used
    assert waiters.timed == 0
    assert waiters.used == used
    # One timer stands for all: it is asked for when it is to be earlier.
    assert len(waiters.timers) == 1


def test_deadlines_come_in_their_order(waiters: Waiters) -> None:
    generator = random.Random(1)
    delays = [generator.randrange(1, 400) / 1000 for _ in range(60)]
    begun = time.monotonic()
    for number, delay in enumerate(delays):
        waiters.connect()
        waiters.send(number, "BLPOP", f"k{number % 7}", delay)
    gone = set(generator.sample(range(60), 20))
    for number in gone:
        waiters.engine.close(waiters.connections[number])
    assert waiters.timed <= 40
    answered: list[float] = []
    while waiters.timed and time.monotonic() - begun < 30:
        waiters.engine.end_overdue_waiting()
        elapsed = time.monotonic() - begun
        waiters.engine.before_sleep()
        for number in set(range(60)) - gone:
            if waiters.answer(number):
                gone.add(number)
                answered.append(delays[number])
                assert elapsed >= delays[number]
    assert len(answered) == 40
    assert waiters.engine.blocked_clients == 0


def test_a_shorter_wait_asks_for_an_earlier_timer(waiters: Waiters) -> None:
    for delay in (100, 50, 70, 20, 0, 30):
        number = waiters.connect()
        waiters.send(number, "BLPOP", "k", delay)
    assert [round(seconds) for seconds in waiters.timers] == [100, 50, 20]
    assert waiters.timed == 5


def test_a_wait_beyond_all_times_is_one_for_ever(waiters: Waiters) -> None:
    one = waiters.connect()
    waiters.send(one, "BLPOP", "k", 9_000_000_000_000)
    assert waiters.engine.blocked_clients == 1
    assert waiters.timed == 0 and not waiters.timers
    waiters.engine.end_overdue_waiting()
    assert waiters.answer(one) == b""
