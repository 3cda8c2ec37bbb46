"""The command line of `redislite-server`: what it prints by itself, and the configuration that it starts a server with.

Guarantees: a wrong command line or file prints what is wrong, exits with 1 and has started nothing. What this module
imports is what every start pays for, so it imports little, and the server only when there is one to start.
"""

from __future__ import annotations

import sys

from redislite.config.compatibility import DEFAULT_PROFILE
from redislite.config.config import Config, ConfigFileError, ConfigOpenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "redislite-server"

USAGE = f"""\
Usage: {PROGRAM} [redis.conf] [--directive value ...] [-]

  redis.conf            read the configuration from this file
  --directive value     set a directive of redis.conf; it comes after the file and wins over it
  -                     read further configuration from the standard input

  -v, --version         print the version and exit
  -h, --help            print this text and exit
  --load FILE.py        load commands and hooks written in Python; may be given several times
  --check-system        look for settings of this system that harm a server
  --check-scripts FILE ...  compile scripts and libraries of functions, and say what the server would say

Examples:
  {PROGRAM}
  {PROGRAM} --port 7777
  {PROGRAM} --port 7777 --replicaof 127.0.0.1 8888
  {PROGRAM} /etc/redis/redis.conf --loglevel verbose
  echo 'maxmemory 128mb' | {PROGRAM} -
"""


def version_line() -> str:
    """The line of --version, in the original's form."""
    import os
    import zlib

    # The original's build number changes with each build; ours with the program's files.
    moment = int(os.stat(__file__).st_mtime)
    version = DEFAULT_PROFILE["version"]
    build = zlib.crc32(f"{version} {moment}".encode())
    bits = 64 if sys.maxsize > 2**32 else 32
    return f"Redis server v={version} sha=00000000:0 malloc=redislite bits={bits} build={build:016x}"


def _overcommit_problem() -> str | None:
    with open("/proc/sys/vm/overcommit_memory", encoding="ascii") as file:
        if file.read().strip() == "1":
            return None
    return (
        "Memory overcommit is off: saving in the background may fail when little memory is free.\n"
        "Turn it on with 'sysctl vm.overcommit_memory=1', and for later starts in /etc/sysctl.conf."
    )


def _huge_page_problem() -> str | None:
    from redislite.process.limits import huge_pages_are_on

    if not huge_pages_are_on():
        return None
    return (
        "Transparent huge pages are always on: saving in the background then copies much more memory.\n"
        "Set /sys/kernel/mm/transparent_hugepage/enabled to madvise."
    )


def _clock_problem() -> str | None:
    with open("/sys/devices/system/clocksource/clocksource0/current_clocksource", encoding="ascii") as file:
        source = file.read().strip()
    if source in ("tsc", "kvm-clock", "arch_sys_counter"):
        return None
    return f"The clock source '{source}' is slow to read; a faster one is chosen in its place under /sys."


def check_system() -> int:
    """Print each check of the system and how it went; 1 when one of them found something."""
    status = 0
    for name, check in (
        ("slow-clocksource", _clock_problem),
        ("overcommit", _overcommit_problem),
        ("THP", _huge_page_problem),
    ):
        try:
            problem = check()
        except OSError:
            print(f"[{name}]...skipped")
            continue
        if problem is None:
            print(f"[{name}]...OK")
        else:
            print(f"[{name}]...WARNING:\n{problem}\n")
            status = 1
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with these arguments (the process's own if None), and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = arguments[0] if arguments else ""
    if first in ("-v", "--version"):
        print(version_line())
        return 0
    if first in ("-h", "--help"):
        sys.stderr.write(USAGE)
        return 1
    if first == "--test-memory":
        sys.stderr.write(f"{PROGRAM} has no memory test; memtest86 and memtester are made for that.\n")
        return 1
    if first == "--check-system":
        return check_system()
    if first == "--check-scripts":
        from redislite.tools.check_scripts import check_files

        return check_files(arguments[1:])
    arguments = ["--loadmodule" if argument == "--load" else argument for argument in arguments]
    config = Config()
    try:
        config.load_arguments(arguments, _read_standard_input)
        from redislite.server import run

        return run(config)
    except ConfigFileError as error:
        sys.stderr.write(str(error).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        return 1
    except ConfigOpenError as error:
        _log_line(str(error))
        return 1


def _read_standard_input() -> bytes:
    _log_line("Reading config from stdin")
    return sys.stdin.buffer.read()


def _log_line(message: str) -> None:
    from redislite.observability.log import Log

    Log(role="C").warning(message)


if __name__ == "__main__":
    sys.exit(main())
