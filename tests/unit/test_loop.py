"""The loop, whose handlers, timers and ends of turns may fail without ending it; and what a server does about that."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import PONG, Connection, free_port, wait_until

from redislite.config.config import Config
from redislite.observability.log import Log
from redislite.process import collector as collector_module
from redislite.process.collector import Collector
from redislite.server import Server, ServerLost
from redislite.serving.loop import TIMERS_SWEPT, Loop, ignore


class Lines(Log):
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write(self, _level: int, message: str) -> None:
        self.lines.append(message)


class Told:
    """What a loop's fence was told."""

    def __init__(self, loop: Loop) -> None:
        self.errors: list[tuple[str, int]] = []
        loop.on_failure = lambda error, fd: self.errors.append((str(error), fd))


def failing(text: str) -> Callable[..., object]:
    def fail(*_arguments: object) -> object:
        raise RuntimeError(text)

    return fail


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_what_fails_ends_neither_the_loop_nor_the_turn(loop: Loop) -> None:
    told = Told(loop)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add(ours.fileno(), failing("handler"))
        theirs.send(b"x")
        loop.call_later(0, failing("timer"))
        loop.call_later(0.01, loop.stop)
        loop.run()
        assert ("handler", ours.fileno()) in told.errors and ("timer", -1) in told.errors
        told.errors.clear()
        loop.before_sleep = failing("end of the turn")
        loop.serve_ready()
        assert told.errors == [("handler", ours.fileno()), ("end of the turn", -1)]


def test_a_turn_that_fails_as_a_whole_is_not_tried_without_pause(loop: Loop) -> None:
    told = Told(loop)
    loop.before_sleep = failing("end of the turn")
    loop.call_later(0.25, loop.stop)
    loop.run()
    assert 1 <= len(told.errors) <= 5 and set(told.errors) == {("end of the turn", -1)}


def test_waiting_may_fail(loop: Loop) -> None:
    told = Told(loop)

    def wait(_timeout: float, _most: int) -> list[tuple[int, int]]:
        raise OSError(errno.ENOMEM, "no memory")

    loop._backend.wait = wait  # type: ignore[method-assign]
    loop.call_later(0.05, loop.stop)
    loop.run()
    assert told.errors


def test_who_hears_of_failures_may_fail(loop: Loop) -> None:
    loop.on_failure = failing("whoever hears of it")
    loop.call_later(0, failing("timer"))
    loop.call_later(0.01, loop.stop)
    loop.run()


def test_what_is_the_program_s_own_decision_ends_it(loop: Loop) -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    loop.call_later(0, leave)
    with pytest.raises(KeyboardInterrupt):
        loop.run()


def test_a_descriptor_that_cannot_be_watched_is_not(loop: Loop) -> None:
    with pytest.raises(OSError):
        loop.add(1 << 20, failing("never called"))
    assert loop.handler(1 << 20) is ignore
    loop.remove(1 << 20)


def test_a_handler_that_fails_rests(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    calls = []
    with ours, theirs:
        loop.add(ours.fileno(), calls.append)
        theirs.send(b"x")
        loop.rest(ours.fileno(), 0.02)
        loop.serve_ready()
        assert not calls
        wait_until(lambda: loop.serve_ready() or calls, "the handler to be called again")


class Running:
    """A server on a thread of its own, in this process."""

    def __init__(self, directory: Path, *directives: str) -> None:
        config = Config(change_directory=False)
        self.port = free_port()
        words = ("--port", str(self.port), "--dir", str(directory), "--save", "", "--hz", "100", *directives)
        config.load_arguments(words)
        self.log = Lines()
        self.server = Server(config, self.log)
        self.server.start()
        self.ended: BaseException | None = None
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            self.server.serve()
        except BaseException as error:
            self.ended = error

    def connect(self) -> Connection:
        return Connection(("127.0.0.1", self.port))

    def call(self, function: Callable[[], object]) -> None:
        """Has it called on the server's thread, within a command."""
        done = threading.Event()
        self.server.loop.call_later(0, lambda: (function(), done.set()))
        assert done.wait(10)

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.loop.call_later(0, self.server.loop.stop)
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


def test_a_failure_costs_the_connection_that_was_served(running: Running) -> None:
    with running.connect() as one, running.connect() as other:
        assert one("PING") == other("PING") == PONG
        (victim, _) = running.server.engine.all_connections()

        loop = running.server.loop
        serve = loop.on_failure
        # As if `ready` had raised.
        running.call(lambda: serve(RuntimeError("a bug"), victim.fileno))
        with pytest.raises((EOFError, ConnectionError)):
            one("PING")
        assert other("PING") == PONG
    wait_until(lambda: any("a bug" in line for line in running.log.lines), "the line of the log")


@pytest.mark.parametrize("part", ["children.poll", "append_only.cron", "snapshots.cron", "metrics.sample"])
def test_a_failure_in_cron_costs_nothing(running: Running, part: str) -> None:
    owner, name = part.split(".")
    setattr(getattr(running.server, owner), name, failing(f"{part} fails"))
    wait_until(lambda: sum(f"{part} fails" in line for line in running.log.lines) > 2, "cron to go on")
    before = running.server.cron_count
    wait_until(lambda: running.server.cron_count > before + 2, "cron to go on")
    with running.connect() as connection:
        assert connection("PING") == PONG


def test_an_embedding_program_is_not_ended(tmp_path: Path) -> None:
    running = Running(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    with running.connect() as connection:
        assert connection("SET", "a", "1") == "OK"
        full = os.open("/dev/full", os.O_WRONLY)
        running.call(lambda: running.server.append_only.log.open(full, 0))
        with pytest.raises((EOFError, ConnectionError)):
            connection("SET", "b", "2")
    running.stop()
    assert isinstance(running.ended, ServerLost) and "nothing of it may be lost" in str(running.ended)


def test_all_generations_are_collected_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    collected: list[int] = []

    def collect(generation: int = 2) -> None:
        collected.append(generation)
        if generation == 2 and len(collected) > 1:
            now[0] += 0.5

    monkeypatch.setattr(collector_module.gc, "collect", collect)
    for name in ("freeze", "disable"):
        monkeypatch.setattr(collector_module.gc, name, lambda: None)
    collector = Collector(lambda: now[0])
    collector.turn()
    assert collected == []  # somebody else's process
    collector.take_over()
    for _ in range(800):
        now[0] += 1
        collector.turn()
    # One that took half a second is made again when that is as little of the time as it may be.
    assert collected.count(2) == 1 + 3 and collected.count(1) > 60


# Timers


def test_cancelled_timers_do_not_stay() -> None:
    loop = Loop()
    fired = []
    kept = [loop.call_later(0.0, lambda number=number: fired.append(number)) for number in range(3)]
    for _ in range(10_000):
        loop.call_later(1000.0, lambda: fired.append(-1)).cancel()
    assert len(loop._timers) <= TIMERS_SWEPT + len(kept)
    loop.serve_ready()
    assert fired == [0, 1, 2]
    loop.close()


def test_many_timers_stay_in_order() -> None:
    loop = Loop()
    fired: list[int] = []
    timers = [loop.call_later(-number, lambda number=number: fired.append(number)) for number in range(1000)]
    for timer in timers[::2]:
        timer.cancel()
    for _ in range(1000):
        loop.call_later(1000.0, lambda: fired.append(-1)).cancel()
    loop.serve_ready()
    assert fired == list(range(999, 0, -2))
    loop.close()


def test_a_server_after_its_end_says_so() -> None:
    server = Server(Config(change_directory=False), Log(file=os.devnull))
    server.close()
    server.close()
    server.discard()
    for again in (server.start, server.serve):
        with pytest.raises(RuntimeError, match="the server has ended"):
            again()
    assert not list(server.listeners)
    with pytest.raises(RuntimeError, match="the loop is closed"):
        server.loop.run()
