"""Crash reports of the process: what the data plane's reporter is told, and the directives about it.

The reporter (`process/crash`) writes from signal handlers, so it gets every text beforehand. Guarantees: nothing
happens at import; a server that shares its process with others never makes a `CrashReports`, and leaves all signals
alone.
"""

from __future__ import annotations

import faulthandler
import os
import signal

from redislite._core.process import crash
from redislite.process.supervision import pid_file_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from redislite._core.engine import Engine
    from redislite.config.config import Config
    from redislite.observability.log import Log
    from redislite.process.supervision import Supervisor

    class Server(Protocol):
        """What is used of the server."""

        config: Config
        engine: Engine
        log: Log
        supervisor: Supervisor | None


# Directives whose values help to understand a crash: reports show them.
TELLING_DIRECTIVES = (
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "repl-diskless-sync",
    "repl-diskless-load",
    "replica-read-only",
    "activedefrag",
    "import-mode",
    "sanitize-dump-payload",
    "io-threads",
    "list-compress-depth",
    "proto-max-bulk-len",
    "client-query-buffer-limit",
    "appendonly",
    "appendfsync",
    "save",
    "maxmemory",
    "maxmemory-policy",
)
# Directives that the reporter follows beside them.
FOLLOWED = (
    "crash-log-enabled",
    "crash-memcheck-enabled",
    "hide-user-data-from-log",
    "use-exit-on-panic",
    "port",
)
# Lines of INFO that are true only when they are asked for.
MOMENTARY = ("uptime_", "server_time_", "lru_clock:")


class CrashReports:
    """Has faults and SIGALRM reported in a server's log, as configured. One per process, on its main thread.

    facts: gives what INFO says of the server as such.
    """

    def __init__(self, server: Server, facts: Callable[[], str]) -> None:
        self._server = server
        self._facts = facts
        config = server.config
        crash.prepare(*_python_traces())
        server.engine.report_crashes()
        self._apply(config, "")
        self.follow_watchdog(config, "")
        for name in (*TELLING_DIRECTIVES, *FOLLOWED):
            config.on_change(name, self._apply)

    def cron(self) -> None:
        """Puts the watchdog off: it goes off when this is not called for as long as `watchdog-period` says."""
        period: int = self._server.config["watchdog-period"]
        if period:
            signal.setitimer(signal.ITIMER_REAL, period / 1000)

    def _apply(self, config: Config, _name: str) -> None:
        server = self._server
        supervised = server.supervisor is not None and server.supervisor.kind
        crash.describe(
            title=f"{config.profile['title']} {config.profile['version']}".encode(),
            log_path=_text(server.log.file),
            pid_file=_text(pid_file_path(config)) if config["daemonize"] and not supervised else b"",
            info=_text(self._lasting_facts()),
            configuration=_text("".join(f"{line}\n" for name in TELLING_DIRECTIVES for line in _lines(config, name))),
            report=config["crash-log-enabled"],
            hide_user_data=config["hide-user-data-from-log"],
            test_memory=config["crash-memcheck-enabled"],
            exit_on_panic=config["use-exit-on-panic"],
        )
        crash.catch_faults(config["crash-log-enabled"])

    def _lasting_facts(self) -> str:
        lines = self._facts().split("\r\n")
        return "\n".join(line for line in lines if not line.startswith(MOMENTARY))

    def follow_watchdog(self, config: Config, _name: str) -> None:
        """Has the watchdog go off after `watchdog-period`, which it raises to what cron can keep it from."""
        period: int = config["watchdog-period"]
        least = 2 * (1000 // config["hz"])
        if 0 < period < least:
            # More often than cron it cannot be put off.
            config.assign("watchdog-period", least)
        if period:
            self.cron()
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _python_traces() -> tuple[int, int]:
    """Has the interpreter write all its threads' stacks for a signal, to a descriptor: their numbers; 0 for none.

    The descriptor leads nowhere until the reporter has it lead to the log.
    """
    number: int | None = getattr(signal, "SIGRTMAX", None)
    if number is None:
        return 0, -1
    descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    faulthandler.register(number, file=descriptor, all_threads=True)
    return number, descriptor


def _lines(config: Config, name: str) -> list[str]:
    directive = config.directive(name)
    return [f"{name} {line}" for line in directive.kind.lines(config[name])]


def _text(text: str) -> bytes:
    """As the reporter takes it: it ends at a NUL."""
    return text.encode("utf-8", "surrogateescape").replace(b"\0", b"?")
