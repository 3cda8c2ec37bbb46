"""The event loop: waits for sockets and timers, and gives each ready descriptor's events to its handler.

Events are epoll's bits (READABLE, WRITABLE, HANGUP, ERROR), whatever the system call behind is: epoll, kqueue, poll or
select. ``sync`` is for teaching and debugging: one client at a time, its socket blocking, the others waiting in the
listening queue.

Guarantees: a handler runs on the thread that called ``run``; handlers may add and remove descriptors, their own
included; timers fire in order of their time, never before it; ``before_sleep`` runs once per turn, after everything
that was ready. An exception in any of these is told to ``on_failure`` and ends nothing: the loop goes on until it is
told to ``stop``.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    EventHandler = Callable[[int], object]
    Waiter = Callable[[float, int], list[tuple[int, int]]]
    Backend = type["EpollBackend"] | type["PollBackend"] | type["SelectBackend"] | type["KqueueBackend"]

READABLE = 1
WRITABLE = 4
ERROR = 8
HANGUP = 16

LONGEST_SLEEP = 1.0  # seconds
TIMERS_SWEPT = 64  # timers from which on cancelled ones are looked for
# Events taken from epoll at once: the buffer that each wait allocates for them stays among the quickly allocated sizes.
EVENTS_PER_TURN = 80
# After a turn that failed as a whole, so that one which fails for ever takes neither a core nor the disk with its log.
FAILURE_PAUSE = 0.1  # seconds


def ignore(_events: int) -> None:
    """Handles the events of a descriptor that was taken out since they were gathered."""


class Timer:
    """A call that is due at a time; ``cancel`` keeps it from happening."""

    __slots__ = ("due", "function", "number")

    def __init__(self, due: float, number: int, function: Callable[[], object] | None) -> None:
        self.due = due
        self.number = number
        self.function = function

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.number) < (other.due, other.number)

    def cancel(self) -> None:
        """Forgets the call. Harmless where it has been made."""
        self.function = None


class EpollBackend:
    """Linux's epoll, level-triggered: one system call per turn, whatever the number of sockets."""

    name = "epoll"

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.add = self._epoll.register
        self.modify = self._epoll.modify
        self.remove = self._epoll.unregister
        self.wait: Waiter = self._epoll.poll
        self.fileno = self._epoll.fileno

    def close(self) -> None:
        self._epoll.close()


class PollBackend:
    """POSIX poll."""

    name = "poll"

    def __init__(self) -> None:
        self._poll = select.poll()
        self.add = self._poll.register
        self.modify = self._poll.modify
        self.remove = self._poll.unregister

    def wait(self, timeout: float, _most: int) -> list[tuple[int, int]]:
        return self._poll.poll(max(0.0, timeout * 1000))

    def close(self) -> None:
        pass


class SelectBackend:
    """select: everywhere, for up to about a thousand descriptors."""

    name = "select"

    def __init__(self) -> None:
        self._wanted: dict[int, int] = {}

    def add(self, fd: int, events: int) -> None:
        self._wanted[fd] = events

    modify = add

    def remove(self, fd: int) -> None:
        del self._wanted[fd]

    def wait(self, timeout: float, _most: int) -> list[tuple[int, int]]:
        readers = [fd for fd, events in self._wanted.items() if events & READABLE]
        writers = [fd for fd, events in self._wanted.items() if events & WRITABLE]
        readable, writable, _ = select.select(readers, writers, [], max(0.0, timeout))
        ready = dict.fromkeys(readable, READABLE)
        for fd in writable:
            ready[fd] = ready.get(fd, 0) | WRITABLE
        return list(ready.items())

    def close(self) -> None:
        self._wanted.clear()


class KqueueBackend:
    """BSD's and macOS's kqueue."""

    name = "kqueue"

    def __init__(self) -> None:
        self._select: Any = select  # the names below exist only where kqueue does
        self._queue = self._select.kqueue()
        self._wanted: dict[int, int] = {}
        self.fileno: Callable[[], int] = self._queue.fileno

    def _change(self, fd: int, filter: int, on: bool) -> None:
        flags = self._select.KQ_EV_ADD if on else self._select.KQ_EV_DELETE
        self._queue.control([self._select.kevent(fd, filter, flags)], 0, 0)

    def add(self, fd: int, events: int) -> None:
        before = self._wanted.get(fd, 0)
        for bit, filter in (
            (READABLE, self._select.KQ_FILTER_READ),
            (WRITABLE, self._select.KQ_FILTER_WRITE),
        ):
            if (events ^ before) & bit:
                self._change(fd, filter, bool(events & bit))
        self._wanted[fd] = events

    modify = add

    def remove(self, fd: int) -> None:
        self.add(fd, 0)
        del self._wanted[fd]

    def wait(self, timeout: float, _most: int) -> list[tuple[int, int]]:
        ready: dict[int, int] = {}
        for event in self._queue.control(None, max(1, len(self._wanted)), max(0.0, timeout)):
            bit = READABLE if event.filter == self._select.KQ_FILTER_READ else WRITABLE
            ready[event.ident] = ready.get(event.ident, 0) | bit
        return list(ready.items())

    def close(self) -> None:
        self._queue.close()


BACKENDS: dict[str, Backend] = {
    "epoll": EpollBackend,
    "kqueue": KqueueBackend,
    "poll": PollBackend,
    "select": SelectBackend,
}


def best_backend() -> str:
    """The backend that ``auto`` means on this system."""
    if hasattr(select, "epoll"):
        return "epoll"
    if hasattr(select, "kqueue"):
        return "kqueue"
    return "poll" if hasattr(select, "poll") else "select"


class Loop:
    """Descriptors and timers, and the turns that serve them.

    backend: "auto", one of BACKENDS, or "sync". Raises ValueError for one that this system has not.
    """

    def __init__(self, backend: str = "auto") -> None:
        self.is_sync = backend == "sync"
        name = best_backend() if backend == "auto" else "poll" if self.is_sync else backend
        if name not in BACKENDS or not hasattr(select, name):
            raise ValueError(f"this system has no {backend}; use one of auto, poll, select, sync")
        self._backend = BACKENDS[name]()
        self.backend = "sync" if self.is_sync else name
        self._handlers: list[EventHandler] = []  # by descriptor
        # Told of an exception, and of the descriptor whose handler has raised it, or -1.
        self.on_failure: Callable[[Exception, int], object] = lambda _error, _fd: None
        self.on_stop: Callable[[], object] = lambda: None
        self.before_sleep: Callable[[], bool] = lambda: False
        self._timers: list[Timer] = []
        self._timers_made = 0
        self._sweep_at = TIMERS_SWEPT
        self.running = False
        self.closed = False

    def add(self, fd: int, handler: EventHandler, events: int = READABLE) -> None:
        """Has handler called with the events of fd when any of these is there. OSError: it is not watched then."""
        while fd >= len(self._handlers):
            self._handlers.append(ignore)
        try:
            self._backend.add(fd, events)
        except FileExistsError:  # it could not be taken out once, and its number came again
            self._backend.modify(fd, events)
        self._handlers[fd] = handler

    def modify(self, fd: int, events: int) -> None:
        """Changes which events fd is watched for."""
        self._backend.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Stops watching fd, which must still be open. Harmless where it is not watched."""
        if 0 <= fd < len(self._handlers) and self._handlers[fd] is not ignore:
            self._handlers[fd] = ignore
            self.guard(self._backend.remove, fd)

    def handler(self, fd: int) -> EventHandler:
        """What is called with the events of fd; `ignore` where it is not watched."""
        return self._handlers[fd] if 0 <= fd < len(self._handlers) else ignore

    def rest(self, fd: int, seconds: float) -> None:
        """Takes no notice of fd for a while. For a handler that fails: what it does not take would stay ready."""
        handler = self.handler(fd)
        if handler is ignore:
            return
        self.remove(fd)

        def go_on() -> None:
            if self.handler(fd) is ignore:
                self.add(fd, handler)

        self.call_later(seconds, go_on)

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        """Has function called once, this many seconds from now."""
        self._timers_made += 1
        if len(self._timers) >= self._sweep_at:
            self._sweep_timers()
        timer = Timer(time.monotonic() + seconds, self._timers_made, function)
        heapq.heappush(self._timers, timer)
        return timer

    def stop(self) -> None:
        """Ends ``run`` after the current turn, and tells ``on_stop``."""
        self.running = False
        self.on_stop()

    def guard(self, function: Callable[..., object], *arguments: object) -> bool:
        """Calls a function; false where it has raised, which ``on_failure`` was told."""
        try:
            function(*arguments)
        except Exception as error:
            self._tell(error, -1)
            return False
        return True

    def _tell(self, error: Exception, fd: int) -> None:
        # Where even this fails there is nobody else to be told, and serving on is worth more.
        with contextlib.suppress(Exception):
            self.on_failure(error, fd)

    def run(self) -> None:
        """Serves until ``stop`` is called. RuntimeError where it is closed."""
        if self.closed:
            raise RuntimeError("the loop is closed")
        self.running = True
        while self.running:
            if not self.guard(self._take_turns):
                time.sleep(FAILURE_PAUSE)
                self.guard(self._fire, time.monotonic())

    def _take_turns(self) -> None:
        wait = self._backend.wait
        handlers = self._handlers
        monotonic = time.monotonic
        timers = self._timers
        more = False
        now = monotonic()
        while self.running:
            timeout = LONGEST_SLEEP
            if more:
                timeout = 0.0
            elif timers:
                timeout = timers[0].due - now
                if timeout < 0.0:
                    timeout = 0.0
            for fd, events in wait(timeout, EVENTS_PER_TURN):
                try:
                    handlers[fd](events)
                except Exception as error:
                    self._tell(error, fd)
            now = monotonic()
            if timers and timers[0].due <= now:
                self._fire(now)
            more = self.before_sleep()

    def serve_ready(self) -> None:
        """Serves what is ready and due now, without waiting: for work that takes long, between its parts."""
        self.guard(self._serve_ready)

    def _serve_ready(self) -> None:
        for fd, events in self._backend.wait(0.0, EVENTS_PER_TURN):
            try:
                self._handlers[fd](events)
            except Exception as error:
                self._tell(error, fd)
        self._fire(time.monotonic())
        self.before_sleep()

    def fileno(self) -> int:
        """A descriptor that can be read while something is ready. OSError where the system has none for that."""
        if not isinstance(self._backend, EpollBackend | KqueueBackend):
            raise OSError(errno.ENOTSUP, f"{self.backend} cannot be waited for from outside")
        return self._backend.fileno()

    def turn(self) -> float:
        """A turn of ``run`` that waits for nothing, for who drives the loop instead: serves what is ready and due now.
        In how many seconds the next one is due. Raises what ``before_sleep`` does."""
        if self._handlers:
            for fd, events in self._backend.wait(0.0, EVENTS_PER_TURN):
                try:
                    self._handlers[fd](events)
                except Exception as error:
                    self._tell(error, fd)
        timers = self._timers
        if timers and timers[0].due <= time.monotonic():
            self._fire(time.monotonic())
        if self.before_sleep():
            return 0.0
        return max(0.0, min(LONGEST_SLEEP, timers[0].due - time.monotonic())) if timers else LONGEST_SLEEP

    def _sweep_timers(self) -> None:
        # In place: run has the list at hand.
        self._timers[:] = [timer for timer in self._timers if timer.function is not None]
        heapq.heapify(self._timers)
        self._sweep_at = max(TIMERS_SWEPT, 2 * len(self._timers))

    def _fire(self, now: float) -> None:
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            function, timer.function = timer.function, None
            if function is not None:
                self.guard(function)

    def close(self) -> None:
        """Forgets all descriptors and timers; closes none but the loop's own. It runs no more."""
        self.closed = True
        self._handlers.clear()
        self._timers.clear()
        self._backend.close()
