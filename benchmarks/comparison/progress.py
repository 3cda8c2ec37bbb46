"""Progress on standard error: a tqdm bar on a terminal, else a plain line at most every few seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

LINE_SECONDS = 2.0


class Progress:
    """Counts `total` steps; `step` says which one begins, or how far it got."""

    def __init__(self, total: int, title: str) -> None:
        self.total = total
        self.title = title
        self._done = 0
        self._began = time.monotonic()
        self._printed = 0.0
        self._bar: Any = None
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]
            except ImportError:
                return
            tqdm.monitor_interval = 0  # no second thread: servers are started by fork
            self._bar = tqdm(total=total, desc=title, unit="", file=sys.stderr, leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def note(self, what: str) -> None:
        """Say what is being done now."""
        if self._bar is not None:
            self._bar.set_postfix_str(what)
            return
        now = time.monotonic()
        if now - self._printed >= LINE_SECONDS:
            self._printed = now
            seconds = now - self._began
            print(f"{self.title}: {self._done}/{self.total} after {seconds:.0f} s: {what}", file=sys.stderr, flush=True)

    def step(self, count: int = 1) -> None:
        """Count finished steps."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
