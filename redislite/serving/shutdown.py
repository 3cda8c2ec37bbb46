"""How a server ends: by SHUTDOWN or a signal, with what must be saved first, or not after all.

Guarantees: a shutdown that fails changes nothing but what its steps have done, and the server goes on; once one has
succeeded no further command is executed, so nothing is acknowledged that is not in the last snapshot.
"""

from __future__ import annotations

import os
import signal

from redislite._core.protocol.reply_types import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from redislite._core.engine import Engine
    from redislite.config.config import Config
    from redislite.observability.log import Log
    from redislite.serving.loop import Loop

_NAMES = {signal.SIGINT: ("SIGINT", "shutdown-on-sigint"), signal.SIGTERM: ("SIGTERM", "shutdown-on-sigterm")}


class Wish:
    """What kind of a shutdown is wanted. save: True, False, or as the save points say (None). now: without waiting for
    anybody. force: errors do not keep the server alive."""

    def __init__(self, save: bool | None = None, now: bool = False, force: bool = False) -> None:
        self.save = save
        self.now = now
        self.force = force


class ShutdownRefused(Exception):
    """Something would be lost; the text is for the log."""


class Ending:
    """The end of one server.

    `steps` are called in order with the wish, before anything else is done; each raises ShutdownRefused for what would
    be lost, or, where the wish has `force`, only says so in the log. `before_exit` is called where a second SIGINT ends
    the process at once. `done`: the server is about to stop.
    """

    def __init__(self, config: Config, engine: Engine, log: Log, loop: Loop) -> None:
        self._config = config
        self._engine = engine
        self._log = log
        self._loop = loop
        self.done = False
        self.steps: list[Callable[[Wish], None]] = []
        self.before_exit: Callable[[], object] = lambda: None
        self._signal = 0  # that asked for a shutdown which was not tried yet
        self._is_busy = False

    def begin(self, wish: Wish) -> bool:
        """Do what comes before the end; false where the server goes on instead, and the log says why."""
        self._signal = 0
        self._is_busy = True
        try:
            for step in self.steps:
                step(wish)
        except ShutdownRefused as refusal:
            self._log.warning(f"{refusal}, can't exit.")
            self._log.warning("Errors trying to shut down the server. Check the logs for more information.")
            return False
        finally:
            self._is_busy = False
        self.done = True
        # Whatever clients have sent stays unexecuted.
        self._engine.set_gate("pause_all", True)
        self._loop.stop()
        return True

    def abort(self) -> None:
        """Forget the shutdown that a signal asked for. Raises CommandError where there is none."""
        if not self._signal:
            raise CommandError("ERR No shutdown in progress.")
        self._signal = 0
        self._log.notice("Shutdown manually aborted.")

    def ask(self, number: int) -> None:
        """A signal wants the server to end: the next `answer` will try. A second SIGINT does not wait for anything."""
        name = _NAMES[signal.Signals(number)][0]
        if number == signal.SIGINT and (self._signal or self._is_busy):
            self._log.warning("You insist... exiting now.")
            self.before_exit()
            os._exit(1)
        self._log.warning(f"Received {name} scheduling shutdown...")
        self._signal = number

    def answer(self) -> None:
        """Try the shutdown that a signal asked for, if one did."""
        if not self._signal or self.done:
            return
        words = self._config[_NAMES[signal.Signals(self._signal)][1]]
        save = True if "save" in words else False if "nosave" in words else None
        self._log.notice("User requested shutdown...")
        self.begin(Wish(save, "now" in words, "force" in words))
