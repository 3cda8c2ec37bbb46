"""How a server ends: by SHUTDOWN or a signal, with what must be saved first, or not after all.

Guarantees: a shutdown that fails changes nothing but what its steps have done, and the server goes on; once one has
succeeded no further command is executed, so nothing is acknowledged that is not in the last snapshot.
"""

from __future__ import annotations

import os
import signal

from redislite._core.protocol.reply_types import CommandError
from redislite.files import remove
from redislite.persistence.snapshots import SnapshotError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from redislite.server import Server

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
    be lost, or, where the wish has `force`, only says so in the log. `done`: the server is about to stop.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.done = False
        self.steps: list[Callable[[Wish], None]] = []
        self._signal = 0  # that asked for a shutdown which was not tried yet
        self._is_busy = False

    def begin(self, wish: Wish) -> bool:
        """Do what comes before the end; false where the server goes on instead, and the log says why."""
        server = self._server
        self._signal = 0
        self._is_busy = True
        if server.loading.active:
            wish.save = False
        try:
            for step in self.steps:
                step(wish)
            self._end_child()
            self._save(wish)
        except ShutdownRefused as refusal:
            server.log.warning(f"{refusal}, can't exit.")
            server.log.warning("Errors trying to shut down the server. Check the logs for more information.")
            return False
        finally:
            self._is_busy = False
        self.done = True
        # Whatever clients have sent stays unexecuted.
        server.engine.set_gate("pause_all", True)
        server.loop.stop()
        return True

    def _end_child(self) -> None:
        children = self._server.children
        if children.active is None:
            return
        self._server.log.warning(f"There is a child {children.active.work}. Killing it!")
        children.kill()
        children.wait()

    def _save(self, wish: Wish) -> None:
        server = self._server
        if wish.save is False or (wish.save is None and not server.config["save"]):
            return
        server.log.notice("Saving the final RDB snapshot before exiting.")
        try:
            server.snapshots.save()
        except SnapshotError:
            if not wish.force:
                raise ShutdownRefused("Error trying to save the DB") from None
            server.log.warning("Error trying to save the DB. Exit anyway.")

    def abort(self) -> None:
        """Forget the shutdown that a signal asked for. Raises CommandError where there is none."""
        if not self._signal:
            raise CommandError("ERR No shutdown in progress.")
        self._signal = 0
        self._server.log.notice("Shutdown manually aborted.")

    def ask(self, number: int) -> None:
        """A signal wants the server to end: the next `answer` will try. A second SIGINT does not wait for anything."""
        name = _NAMES[signal.Signals(number)][0]
        if number == signal.SIGINT and (self._signal or self._is_busy):
            self._server.log.warning("You insist... exiting now.")
            if self._server.snapshots.temporary:
                remove(self._server.snapshots.temporary)
            os._exit(1)
        self._server.log.warning(f"Received {name} scheduling shutdown...")
        self._signal = number

    def answer(self) -> None:
        """Try the shutdown that a signal asked for, if one did."""
        if not self._signal or self.done:
            return
        words = self._server.config[_NAMES[signal.Signals(self._signal)][1]]
        save = True if "save" in words else False if "nosave" in words else None
        self._server.log.notice("User requested shutdown...")
        self.begin(Wish(save, "now" in words, "force" in words))
