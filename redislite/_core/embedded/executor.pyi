"""Commands of a redis-py client executed by sessions; the code is in executor.pyx."""

from collections.abc import Callable
from typing import Any

from redislite._core.embedded.session import Session

OVER_CONNECTION: object

class Executor:
    def __init__(self, *args: object, **keywords: object) -> None: ...
    def use_sessions(
        self,
        *,
        open_session: Callable[[Any], Session] | None,
        waits: Callable[[str], bool],
        callbacks: dict[Any, Any],
        behind: type,
        observed: object,
        closed_error: Callable[[str], Exception],
        never_decode: str,
        empty_response: str,
    ) -> None: ...
    def use_connections(self) -> None: ...
    def close_sessions(self) -> None: ...
    @property
    def uses_sessions(self) -> bool: ...
    @property
    def has_session(self) -> bool: ...
    def add_session(self, session: Session) -> None: ...
    def execute_here(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any: ...
    def run_pipeline(self, commands: list[Any], transaction: bool) -> list[Any] | None: ...
