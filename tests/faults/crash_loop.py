"""Kills a server at random moments under concurrent writers, starts it again, and compares with what was acknowledged.

    python tests/faults/crash_loop.py [--rounds 200] [--appendfsync always] [--seed 1] [--directory …]

Each writer has keys of its own and counts them up; of each it knows the last value that was acknowledged and the last
that was sent. After a restart a key may be anywhere between the two under `always`; under `everysec` not older than
what was acknowledged two seconds before the end. Some rounds rewrite the file meanwhile; writers use transactions, too,
whose two keys must agree.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import Connection, ServerDied, ServerProcess

WRITERS = 4
KEYS = 8  # of each writer
GRACE = 2.0  # seconds that everysec may lose
ROUND = (0.05, 0.6)  # seconds until the end, at the least and at the most
LONG_ROUNDS = 0.2  # of the rounds under everysec


@dataclass
class Written:
    """One key: what was sent last, and what was acknowledged when."""

    sent: int = 0
    acknowledged: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])

    def least(self, policy: str, ended: float) -> int:
        """The value that must be there at the least."""
        if policy == "always":
            return self.acknowledged[-1][1]
        return max(value for moment, value in self.acknowledged if moment <= ended - GRACE)

    def settle(self, value: int) -> None:
        """The server says that it is this."""
        self.sent = value
        self.acknowledged = [(0.0, value)]


class Writer(threading.Thread):
    """Sets keys to ever higher numbers, until the connection ends."""

    def __init__(self, server: ServerProcess, number: int, keys: dict[str, Written], seed: int) -> None:
        super().__init__(daemon=True)
        self._address = server.unix_path
        self._chance = random.Random(seed)
        self._keys = keys
        self._number = number

    def run(self) -> None:
        try:
            connection = Connection(self._address)
            while True:
                self._write(connection)
        except (OSError, EOFError, ServerDied):
            return

    def _write(self, connection: Connection) -> None:
        name = f"{self._number}:{self._chance.randrange(KEYS)}"
        key = self._keys[name]
        key.sent += 1
        value = key.sent
        if self._chance.random() < 0.3:
            # Both keys change, or none.
            connection.pipeline(("MULTI",), ("SET", name, value), ("SET", f"{name}:pair", value), ("EXEC",))
        else:
            connection.pipeline(("SET", name, value), ("SETEX", f"{name}:temporary", 1000, "x" * 100))
        key.acknowledged.append((time.monotonic(), value))


def compare(server: ServerProcess, keys: dict[str, Written], policy: str, ended: float) -> list[str]:
    """What is lost, in words."""
    lost = []
    for name, key in keys.items():
        value, pair = (int(found or 0) for found in server.control("MGET", name, f"{name}:pair"))
        least = key.least(policy, ended)
        if not least <= value <= key.sent:
            lost.append(f"{name}: {value}, acknowledged {least}, sent {key.sent}")
        if pair > value:
            lost.append(f"{name}: half a transaction, {value} and {pair}")
        key.settle(value)
    return lost


def crash_loop(directory: Path, rounds: int, policy: str, seed: int) -> list[str]:
    """Runs so many rounds and answers what went wrong, in words."""
    chance = random.Random(seed)
    # Without a port: another program could take it while the server is down.
    server = ServerProcess(directory, port=0, appendonly="yes", appendfsync=policy, auto_aof_rewrite_percentage="0")
    keys = {f"{number}:{key}": Written() for number in range(WRITERS) for key in range(KEYS)}
    trouble: list[str] = []
    try:
        for number in range(rounds):
            writers = [Writer(server, one, keys, chance.randrange(1 << 30)) for one in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(*ROUND))
            if policy == "everysec" and chance.random() < LONG_ROUNDS:
                time.sleep(GRACE)  # so that there is something that must not be lost
            if chance.random() < 0.3:
                server.control("BGREWRITEAOF")
                time.sleep(chance.uniform(0, 0.1))
            ended = time.monotonic()
            server.process.send_signal(signal.SIGKILL)
            for writer in writers:
                writer.join()
            try:
                server.crash()
            except (ServerDied, AssertionError) as why:
                trouble.append(f"round {number}: no restart: {why}")
                break
            trouble += [f"round {number}: {text}" for text in compare(server, keys, policy, ended)]
    finally:
        server.stop(signal.SIGKILL)
    return trouble


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--appendfsync", choices=("always", "everysec"), default="always")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        trouble = crash_loop(wanted.directory or Path(temporary), wanted.rounds, wanted.appendfsync, wanted.seed)
    print("\n".join(trouble) or f"{wanted.rounds} rounds with {wanted.appendfsync}: nothing lost")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
