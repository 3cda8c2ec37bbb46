"""`redislite-check-rdb`: whether an RDB file can be loaded; where it is wrong, and how, where it cannot.

The file is read as a server would, into an engine of its own, with every payload looked at in depth and the checksum
compared. Exit status: 0 where it is sound, 1 where not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from redislite import console
from redislite._core.engine import Engine
from redislite.persistence.rdb_file import DATABASES_MAX, RdbFileError, module_type, read_file

PROGRAM = "redislite-check-rdb"


def check(path: str) -> list[str]:
    """What there is to say about a sound file. Raises RdbFileError, OSError, MemoryError."""
    engine = Engine(databases=DATABASES_MAX)
    result = read_file(engine, path, deep=True, keep_expired=True)
    size = result["bytes"]
    lines = [f"[offset 0] Checking RDB file {path}"]
    for name, value in result["aux"].items():
        lines.append(f"AUX FIELD {name.decode('utf-8', 'replace')} = '{value.decode('utf-8', 'replace')}'")
    for identifier, _when in result["module_aux"]:
        lines.append(f"MODULE AUX for: {module_type(identifier)[0]}")
    for number in range(DATABASES_MAX):
        if count := engine.database_size(number):
            lines.append(f"DB ID {number}: {count} keys, {engine.database_statistics(number)['expires']} expire")
    if result["checked"]:
        lines.append(f"[offset {size}] Checksum OK")
    else:
        lines.append(f"[offset {size}] RDB file was saved with checksum disabled: no check performed.")
    lines.append(f"[offset {size}] \\o/ RDB looks OK! \\o/")
    lines.append(f"[info] {result['keys']} keys read")
    lines.append(f"[info] {result['expires']} expires")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; answers the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(f"Usage: {PROGRAM} <rdb-file-name>", file=sys.stderr if len(arguments) != 1 else sys.stdout)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 1
    return console.run(lambda: _run(arguments[0]))


def _run(path: str) -> int:
    try:
        lines = check(path)
    except RdbFileError as error:
        print(f"--- RDB ERROR DETECTED ---\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Cannot open file {path}: {error.strerror}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"{path}: the data do not fit into memory", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
