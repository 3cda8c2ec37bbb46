"""What commands of the Python tier need of the server that they get: a protocol per subsystem.

Each module of commands puts together its own `Server` of these, so that it shows what its commands touch, and nothing
here or there knows the class that has it all. For type checkers only; nothing imports it at run time.
"""

from __future__ import annotations

from typing import Protocol

from redislite._core.commands.row import CommandTable
from redislite._core.connection import Connection
from redislite._core.engine import Engine
from redislite.acl.users import Users
from redislite.config.config import Config
from redislite.observability.command_log import CommandLog
from redislite.observability.latency_monitor import LatencyMonitor
from redislite.observability.log import Log
from redislite.observability.metrics import Metrics
from redislite.persistence.append_only import AppendOnlyFile
from redislite.persistence.child import ChildRunner
from redislite.persistence.loading import Loading
from redislite.persistence.snapshots import Snapshots
from redislite.process.supervision import Supervisor
from redislite.serving.extensions import Extensions
from redislite.serving.loop import Loop
from redislite.serving.pause import PauseState
from redislite.serving.shutdown import Ending


class Data(Protocol):
    """The data plane."""

    engine: Engine


class Configuration(Protocol):
    """The directives and their values."""

    config: Config


class Extending(Protocol):
    """Files in Python that add commands and hooks."""

    extensions: Extensions


class Logging(Protocol):
    """The log."""

    log: Log


class Table(Protocol):
    """The rows of all commands."""

    table: CommandTable


class Accounts(Protocol):
    """The users."""

    users: Users


class Monitoring(Protocol):
    """Who is shown all commands (MONITOR)."""

    monitors: set[Connection]


class Pausing(Protocol):
    """CLIENT PAUSE."""

    pause: PauseState


class Measurement(Data, Protocol):
    """What is measured over time, beside the data plane's own figures."""

    metrics: Metrics


class Records(Protocol):
    """What took long, or was large."""

    command_log: CommandLog
    latency: LatencyMonitor


class Persistence(Data, Protocol):
    """How the data set is kept."""

    append_only: AppendOnlyFile
    children: ChildRunner
    loading: Loading
    snapshots: Snapshots


class Serving(Protocol):
    """The loop, and the end of it."""

    cron_paused: bool
    ending: Ending
    loop: Loop


class Identity(Protocol):
    """Who the server is."""

    config_path: str | None
    executable: str
    run_id: str
    started_monotonic: float
    supervisor: Supervisor | None
