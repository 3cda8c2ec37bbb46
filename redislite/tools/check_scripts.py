"""`redislite-server --check-scripts FILE ...`: whether a server would take these scripts and libraries of functions.

A file whose first line names a library (`#!lua name=…`, `#!python name=…`) is loaded as FUNCTION LOAD loads it, which
runs its code once; any other is compiled as a script. Functions in Python count as allowed. Exit status: 0 where all
are right, 1 where one is not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError


def is_library(code: bytes) -> bool:
    """Whether the first line names a library."""
    first = code.partition(b"\n")[0].split()
    return code.startswith(b"#!") and (
        any(word.lower().startswith(b"name=") for word in first[1:]) or not first[0].lower().endswith(b"lua")
    )


def check(code: bytes) -> str:
    """What the server would say: the name of a library, or the SHA-1 of a script. CommandError, as it would answer."""
    engine = Engine()
    engine.set("python_functions", 1)
    engine.on_exception = lambda _error: None  # told in the error
    words = ("FUNCTION", "LOAD") if is_library(code) else ("SCRIPT", "LOAD")
    name: bytes = engine.execute(*words, code)
    return name.decode()


def check_files(paths: Sequence[str]) -> int:
    """Prints a line for each file; answers the exit status."""
    if not paths:
        print("Name the files to be checked.", file=sys.stderr)
        return 1
    status = 0
    for path in paths:
        try:
            with open(path, "rb") as file:
                print(f"{path}: {check(file.read())}")
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
            status = 1
        except CommandError as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 1
    return status
