"""What this server is called by: its own version, and that of the original whose behaviour it has."""

from __future__ import annotations

# Our own version, as the package's metadata have it.
VERSION = "0.1.0"
# INFO's redis_version, LOLWUT's last line, the start of the log: clients choose what they may ask for by it.
REDIS_VERSION = "7.2.4"


def build_id() -> str:
    """Sixteen hexadecimal digits that differ from one build of the program to the next."""
    import os
    import zlib

    moment = int(os.stat(__file__).st_mtime)
    return f"{zlib.crc32(f'{REDIS_VERSION} {VERSION} {moment}'.encode()):016x}"
