"""CLIENT PAUSE: for how long clients, or only their writes, are suspended, and how they go on.

The data plane's gates do the suspending: a command that meets one leaves its connection postponed, with its input kept.
This module opens and closes the gates, and resumes the postponed connections, in the loop and never inside a command.

Guarantees: while a pause lasts, a further one can only make it longer and more severe; when it ends, every connection
that was postponed is resumed, in the order of connecting.
"""

from __future__ import annotations

import time

from redislite.serving.clients import CLIENT_POSTPONED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine
    from redislite.serving.loop import Loop, Timer

WRITE = "write"
ALL = "all"
NONE = "none"

_TIMER_MAX = 3600.0  # seconds: a pause may last for ages, a system call's timeout may not


class PauseState:
    """The pause of one server. Milliseconds throughout, on the monotonic clock."""

    def __init__(self, engine: Engine, loop: Loop) -> None:
        self._engine = engine
        self._loop = loop
        self._mode = NONE
        self._end = 0.0
        self._timer: Timer | None = None

    @property
    def mode(self) -> str:
        """What is suspended: "none", "write" or "all"."""
        return self._mode

    @property
    def reason(self) -> str:
        """Why: "none" or "client_pause"."""
        return NONE if self._mode == NONE else "client_pause"

    @property
    def remaining_ms(self) -> int:
        """How long the pause lasts yet; 0 where there is none."""
        return 0 if self._mode == NONE else max(0, int(self._end - _now_ms()))

    @property
    def postponed(self) -> int:
        """How many clients a pause holds; INFO counts them among the blocked ones."""
        if self._mode == NONE:
            return 0
        return sum(1 for connection in self._engine.all_connections() if connection.flags & CLIENT_POSTPONED)

    def pause(self, duration_ms: int, mode: str) -> None:
        """Suspends clients (ALL) or their writes (WRITE) from the next command on.

        Where a pause is on already, the later end and the more severe mode hold.
        """
        end = _now_ms() + duration_ms
        if self._mode == NONE:
            self._mode, self._end = mode, end
        else:
            self._end = max(self._end, end)
            if mode == ALL:
                self._mode = ALL
        self._set_gates()
        self._arm()

    def end(self) -> None:
        """Ends the pause now; postponed connections go on in the loop's next turn. Harmless where there is none."""
        if self._mode == NONE:
            return
        self._mode = NONE
        self._set_gates()
        self._cancel()
        self._loop.call_later(0.0, self._resume)

    def _set_gates(self) -> None:
        self._engine.set_gate("pause_all", self._mode == ALL)
        self._engine.set_gate("pause_write", self._mode == WRITE)

    def _arm(self) -> None:
        self._cancel()
        seconds = min(max(0.0, (self._end - _now_ms()) / 1000), _TIMER_MAX)
        self._timer = self._loop.call_later(seconds, self._time_is_up)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        if _now_ms() < self._end:
            self._arm()
        else:
            self.end()

    def _resume(self) -> None:
        # One of these may pause again: the others, resumed after it, meet the gate once more and stay postponed.
        for connection in self._engine.all_connections():
            if connection.flags & CLIENT_POSTPONED:
                connection.resume()


def _now_ms() -> float:
    return time.monotonic() * 1000
