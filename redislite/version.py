"""What this server is called by."""

from __future__ import annotations

# Our own version, as the package's metadata have it.
VERSION = "0.1.0"


def build_id() -> str:
    """Sixteen hexadecimal digits that differ from one build of the program to the next."""
    import os
    import zlib

    moment = int(os.stat(__file__).st_mtime)
    return f"{zlib.crc32(f'{VERSION} {moment}'.encode()):016x}"
