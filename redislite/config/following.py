"""What follows from a change of a directive, as its row says: settings of the data plane, functions of the server."""

from __future__ import annotations

from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite.config.config import Config
    from redislite.config.directives import Directive

    class DataPlane(Protocol):
        """Whose settings they are."""

        def set(self, name: str, value: int) -> None:
            """Sets one. KeyError where there is none of this name."""


class Call:
    """A function of the server by its name, `append_only.switch`, looked up when it is called: a subsystem that is not
    there (None) need not know. Calls of one name are equal, so that one CONFIG SET of several directives makes one."""

    __slots__ = ("_name", "_server")

    def __init__(self, server: object, name: str) -> None:
        self._server = server
        self._name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and (other._server, other._name) == (self._server, self._name)

    def __hash__(self) -> int:
        return hash((id(self._server), self._name))

    def __call__(self, config: Config, directive: str) -> None:
        """Calls it. AttributeError where there is none of its name; ConfigError where it refuses the new value."""
        target = self._server
        for part in self._name.split("."):
            if target is None:
                return
            target = getattr(target, part)
        assert callable(target)
        target(config, directive)


def follow_settings(config: Config, data_plane: DataPlane) -> None:
    """Has the data plane be set as the configuration is, by its profile and its rows, now and after each change.
    KeyError for a setting that there is not."""
    for name, value in config.profile.settings.items():
        data_plane.set(name, value)
    for row in config.directives.rows:
        if row.sets:
            _apply(data_plane, row, config, row.name)
            config.on_change(row.name, partial(_apply, data_plane, row))


def follow_calls(config: Config, server: object) -> None:
    """Has functions of the server be called after changes, as the rows say."""
    for row in config.directives.rows:
        if row.calls:
            config.on_change(row.name, Call(server, row.calls))


def _apply(data_plane: DataPlane, row: Directive, config: Config, _name: str) -> None:
    for name, value in row.settings(config[row.name]).items():
        data_plane.set(name, value)
