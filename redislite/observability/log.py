"""The server's log: one line per message, in the form that tools for Redis read.

    1234:M 20 Nov 2026 11:06:00.123 * Ready to accept connections tcp

Guarantees: a message below the level costs one comparison; a message is one `write`, so lines of a parent and its
children do not mix; the file is opened for each message, so whoever rotates it needs no signal; a log that cannot be
written never stops the server.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from redislite.config.config import Config

DEBUG, VERBOSE, NOTICE, WARNING, NOTHING = range(5)

LEVELS = ("debug", "verbose", "notice", "warning", "nothing")
# What the structured formats call the levels.
STRUCTURED_LEVELS = ("debug", "info", "notice", "warning")
MARKS = ".-*#"
ROLES = {"M": "primary", "S": "replica", "C": "RDB/AOF", "X": "sentinel"}
# Not the locale's: the line's form must not change with it.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STANDARD_OUTPUT = 1


class Log:
    """Writes messages of `level` and above to `file`, or to the standard output when it is empty.

    `role` is M (master), S (replica), C (child, and start-up before the role is known) or X (sentinel).
    """

    def __init__(self, level: int = NOTICE, file: str = "", role: str = "M") -> None:
        self.level = level
        self.file = file
        self.role = role
        self.format = "legacy"
        self.timestamp_format = "legacy"
        self.discard_output = False
        self._to_syslog = False
        self._to_json: Callable[[object], str] = str

    def apply(self, config: Config) -> None:
        """Take level, file, formats and syslog from the configuration."""
        self.follow(config, "")
        # Like other relative names, the file's is relative to the directory that the configuration chose.
        self.file = os.path.abspath(config["logfile"]) if config["logfile"] else ""
        # A daemon has no standard output worth writing to.
        self.discard_output = bool(config["daemonize"])
        if config["syslog-enabled"]:
            self._open_syslog(config["syslog-ident"], config["syslog-facility"])

    def follow(self, config: Config, _name: str) -> None:
        """Take level and formats from the configuration, which may have changed."""
        self.level = LEVELS.index(config["loglevel"])
        self.format = config["log-format"]
        if self.format == "json":
            import json  # now: when there is something to log, there may be no descriptor left to read it with

            self._to_json = json.JSONEncoder(separators=(",", ":")).encode
        self.timestamp_format = config["log-timestamp-format"]

    def _open_syslog(self, identity: str, facility: str) -> None:
        import syslog

        syslog.openlog(
            identity,
            syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT,
            getattr(syslog, "LOG_" + facility.upper()),
        )
        self._to_syslog = True

    def debug(self, message: str) -> None:
        """Log what only helps to find errors."""
        if self.level <= DEBUG:
            self.write(DEBUG, message)

    def verbose(self, message: str) -> None:
        """Log what is rarely useful."""
        if self.level <= VERBOSE:
            self.write(VERBOSE, message)

    def notice(self, message: str) -> None:
        """Log what an operator wants to know."""
        if self.level <= NOTICE:
            self.write(NOTICE, message)

    def warning(self, message: str) -> None:
        """Log what an operator must know."""
        if self.level <= WARNING:
            self.write(WARNING, message)

    def write(self, level: int, message: str) -> None:
        """Log a message, its level being one that is logged."""
        self._emit(self._line(level, message))
        if self._to_syslog:
            import syslog

            priorities = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)
            syslog.syslog(priorities[level], message.replace("\0", " "))

    def raw(self, text: str, level: int = NOTICE) -> None:
        """Write text as it is, without the head of a line: the logo, reports of several lines."""
        if self.level <= level:
            self._emit(text)

    def _emit(self, text: str) -> None:
        if not self.file and self.discard_output:
            return
        data = text.encode("utf-8", "surrogateescape")
        try:
            if not self.file:
                os.write(STANDARD_OUTPUT, data)
                return
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError:
            # There is nobody left to tell.
            return

    def _line(self, level: int, message: str) -> str:
        process = os.getpid()
        moment = format_time(self.timestamp_format, time.time())
        if self.format == "legacy":
            return f"{process}:{self.role} {moment} {MARKS[level]} {message}\n"
        # Quotes and ends of lines would end the field: the original writes others in their place.
        safe = message.replace('"', "'").replace("\n", " ").replace("\r", " ")
        role, name = ROLES[self.role], STRUCTURED_LEVELS[level]
        if self.format == "logfmt":
            return f'pid={process} role={role} timestamp="{moment}" level={name} message="{safe}"\n'
        fields = {"pid": process, "role": role, "timestamp": moment, "level": name, "message": message}
        return self._to_json(fields) + "\n"


def format_time(form: str, seconds: float) -> str:
    """Write a moment, in seconds since the epoch, as `legacy`, `iso8601` or `milliseconds`."""
    total = int(seconds * 1000)
    if form == "milliseconds":
        return str(total)
    whole, milliseconds = divmod(total, 1000)
    local = time.localtime(whole)
    clock = f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02}.{milliseconds:03}"
    if form == "legacy":
        return f"{local.tm_mday:02} {MONTHS[local.tm_mon - 1]} {local.tm_year} {clock}"
    hours, minutes = divmod(abs(local.tm_gmtoff) // 60, 60)
    sign = "-" if local.tm_gmtoff < 0 else "+"
    return f"{local.tm_year}-{local.tm_mon:02}-{local.tm_mday:02}T{clock}{sign}{hours:02}:{minutes:02}"
