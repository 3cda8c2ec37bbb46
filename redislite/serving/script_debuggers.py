"""Processes that debug scripts (SCRIPT DEBUG YES): each is a fork of the server, which its client talks to then.

Guarantees: one that has ended leaves nothing behind; none outlives the server.
"""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.observability.log import Log


class ScriptDebuggers:
    """The processes of one server."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pids: list[int] = []

    def add(self, pid: int) -> None:
        """One has been forked."""
        self._pids.append(pid)
        self._log.notice(f"A script is being debugged by process {pid}, whose changes go with it")

    def poll(self) -> None:
        """Takes leave of those that have ended. To be called now and then."""
        for pid in tuple(self._pids):
            if self._has_ended(pid, os.WNOHANG):
                self._pids.remove(pid)
                self._log.notice(f"Process {pid}, which debugged a script, has ended")

    def close(self) -> None:
        """Ends all of them."""
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._has_ended(pid, 0)
        self._pids.clear()

    @staticmethod
    def _has_ended(pid: int, options: int) -> bool:
        try:
            return os.waitpid(pid, options)[0] != 0
        except ChildProcessError:
            return True
