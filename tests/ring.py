"""What the rings of random input are as programs: a command line, a server of their own, and what is said then."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import ServerDied, ServerProcess


def run_ring(
    parser: argparse.ArgumentParser,
    work: Callable[[ServerProcess, argparse.Namespace], object],
    **directives: object,
) -> int:
    """Has a ring work on a server with these directives: 0, or 1 where it found something, which is printed.

    parser: the ring's own options; a seed is added, and printed. What the work answers is printed too, if anything.
    """
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFFFFFF)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        server = ServerProcess(Path(directory), **directives)
        try:
            found = work(server, options)
            server.check()
        except (AssertionError, ServerDied, OSError, EOFError) as why:
            print(f"{type(why).__name__}: {why}\n{server.log()}")
            return 1
        finally:
            with contextlib.suppress(ServerDied):
                server.stop()
    if found:
        print(found)
    return 0
