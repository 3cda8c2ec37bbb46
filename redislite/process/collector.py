"""When Python's garbage is looked for."""

from __future__ import annotations

import gc
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Collector:
    """Python's garbage collector, in a process that is all the server's: it runs when cron calls, not amid requests.

    The request path makes no Python objects. What stands at the start stays, and is never looked at again; what is
    young is looked at often, and everything as rarely as its share of the time asks for.
    """

    YOUNG_SECONDS = 10.0
    ALL_SECONDS = 60.0
    SHARE = 500  # of the time, one part, for looking at everything

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_ours = False
        self._next_young = 0.0
        self._next_all = 0.0

    def take_over(self) -> None:
        """Freezes what there is, and collects from here on only when `turn` says so."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._is_ours = True
        now = self._clock()
        self._next_young = now + self.YOUNG_SECONDS
        self._next_all = now + self.ALL_SECONDS

    def turn(self) -> None:
        """Collects what is due. To be called every second or so."""
        now = self._clock()
        if not self._is_ours or now < self._next_young:
            return
        self._next_young = now + self.YOUNG_SECONDS
        if now < self._next_all:
            gc.collect(1)
            return
        gc.collect()
        self._next_all = now + max(self.ALL_SECONDS, self.SHARE * (self._clock() - now))
