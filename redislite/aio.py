"""redis-py's asyncio client on a database in this process: ``redislite.aio.Redis``."""

from __future__ import annotations

try:
    from redislite.embedded.aio_client import Redis, StrictRedis
except ModuleNotFoundError as error:
    if error.name != "redis":
        raise
    raise ImportError("redislite.aio needs redis-py: pip install redislite-server[client]") from error

__all__ = ["Redis", "StrictRedis"]
