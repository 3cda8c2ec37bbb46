"""The kernel's out-of-memory score of the process and of its children."""

from __future__ import annotations

from redislite.config.kinds import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.config.config import Config
    from redislite.observability.log import Log

# Which of the three values of oom-score-adj-values is meant.
MASTER, REPLICA, CHILD = range(3)
LOWEST_SCORE, HIGHEST_SCORE = -1000, 1000


class OomScore:
    """Keeps the kernel's out-of-memory score of the process as `oom-score-adj` and `oom-score-adj-values` say.

    `role` is MASTER, REPLICA or CHILD; who changes it calls `apply`.
    """

    PATH = "/proc/self/oom_score_adj"

    def __init__(self, config: Config, log: Log) -> None:
        self.role = MASTER
        self._config = config
        self._log = log
        self._initial: int | None = None

    def apply(self, role: int | None = None, pid: int | None = None) -> bool:
        """Write the score that is in effect, for a role other than `role` if given, into another process if given."""
        mode = self._config["oom-score-adj"]
        path = self.PATH if pid is None else f"/proc/{pid}/oom_score_adj"
        try:
            if self._initial is None:
                if mode == "no":
                    return True
                with open(self.PATH, encoding="ascii") as file:
                    self._initial = int(file.read())
            score = self._initial
            if mode != "no":
                value = self._config["oom-score-adj-values"][self.role if role is None else role]
                score = max(LOWEST_SCORE, min(HIGHEST_SCORE, value + (self._initial if mode == "yes" else 0)))
            with open(path, "w", encoding="ascii") as file:
                file.write(str(score))
        except (OSError, ValueError) as error:
            self._log.warning(f"Unable to write oom_score_adj: {getattr(error, 'strerror', None) or error}")
            return False
        if mode == "no":
            self._initial = None
        return True

    def follow(self, _config: Config, _name: str) -> None:
        """Writes the score after a change of the configuration. ConfigError where that fails."""
        if not self.apply():
            raise ConfigError("Failed to set current oom_score_adj. Check server logs.")
