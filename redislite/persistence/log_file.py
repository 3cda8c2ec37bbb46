"""Reading one file of an append-only file: a snapshot, commands, or the one before the other.

Whoever reads it says what an end that is none of a whole file means: the server refuses it or cuts it off
(`append_only.py`), the converter refuses it (`tools/dump.py`).
"""

from __future__ import annotations

import mmap

from redislite.persistence.rdb_file import MAGIC_BYTES, begins_as_snapshot, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from redislite._core.engine import Engine

REPLAY_BYTES = 1 << 20  # executed between two calls of progress
DELAYED_BYTES = 1 << 12  # the same where each command is followed by a pause


class End:
    """How the reading ended. state and reason: those of Replay. position: where, in bytes. valid: behind the last
    request outside of a transaction. in_transaction: whether one was not complete, and so was not executed."""

    def __init__(self, state: str, reason: str, position: int, valid: int, in_transaction: bool) -> None:
        self.state = state
        self.reason = reason
        self.position = position
        self.valid = valid
        self.in_transaction = in_transaction


def read_log_file(
    engine: Engine,
    path: str,
    *,
    progress: Callable[[int], object],
    on_part: Callable[[bool], object] | None = None,
    **options: Any,
) -> End:
    """Load the snapshot that the file begins with, if it does, and execute its commands.

    progress: called with the bytes read so far. on_part: called before the snapshot (True), and before the commands
    behind one (False). options: of `Engine.load_rdb`. RdbFileError, OSError; what progress raises.
    """
    tell = on_part or (lambda _snapshot: None)
    start = 0
    with open(path, "rb") as file:
        if begins_as_snapshot(file.read(MAGIC_BYTES)):
            tell(True)
            start = read_file(engine, path, progress=progress, keep_expired=True, **options)["bytes"]
        size = file.seek(0, 2)
        if start >= size:
            return End("done", "", size, size, False)
        if start:
            tell(False)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
            delay_us = options.get("key_delay_us", 0)
            replay = engine.replay(data, start, delay_us=delay_us)
            try:
                while replay.run(DELAYED_BYTES if delay_us else REPLAY_BYTES):
                    progress(replay.position)
                return End(replay.state, replay.reason, replay.position, replay.valid, replay.in_transaction)
            finally:
                replay.finish()
