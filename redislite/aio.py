"""redis-py's asyncio client on a database in this process: ``redislite.aio.Redis``."""

from __future__ import annotations

try:
    from redislite.embedded.aio_client import Redis, StrictRedis
except ImportError as error:
    if (error.name or "").partition(".")[0] != "redis":
        raise
    reason = "needs redis-py, version 8 or later: pip install redislite-server[client]"
    raise ImportError(f"redislite.aio {reason}") from error

__all__ = ["Redis", "StrictRedis"]
