"""Temporary files that a process left behind when it was killed while it wrote them."""

from __future__ import annotations

import contextlib
import os
import re
import time

from redislite.files import remove

# A process writes these, and names them after itself or its child.
_TEMPORARY = re.compile(r"temp-(?:rewriteaof-(?:bg-)?)?([1-9][0-9]*)(?:-[0-9]+)?\.(?:rdb|json|json\.gz|aof)")
_LEFT_SECONDS = 10.0


def remove_left(folder: str) -> list[str]:
    """Remove temporary files whose writer is gone for certain: no process has its number, and nobody has touched them
    for a while (a server renames what its child has just finished). Answers their paths."""
    removed = []
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            named = _TEMPORARY.fullmatch(entry.name)
            if named and time.time() - entry.stat().st_mtime > _LEFT_SECONDS and not _runs(int(named[1])):
                remove(entry.path)
                removed.append(entry.path)
    return removed


def _runs(pid: int) -> bool:
    """Whether that process is there and is not this one, which has written nothing yet."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
