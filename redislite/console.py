"""How a console script ends where its user, or whoever reads its output, wants no more of it: without a traceback."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130  # exit status, as shells have it


def run(script: Callable[[], int]) -> int:
    """Runs what a script does; answers its exit status, or that of an end amid it: by Control-C, or because the output
    cannot be written (a pipe that nobody reads any more, quietly; a full disk)."""
    try:
        status = script()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # What is left of the output goes nowhere, or the interpreter would try again at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            print(f"cannot write: {error.strerror}", file=sys.stderr)
        return 1
