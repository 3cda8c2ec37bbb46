"""The same random commands to our server and to the original: replies equal, contents equal at the end.

REDISLITE_DIFFERENTIAL_COMMANDS  how many commands (20,000 where it is not set)
REDISLITE_DIFFERENTIAL_SEED      the seed (1); a failure names the one it had
REDISLITE_DIFFERENTIAL_GROUPS    only the commands of these groups, separated by commas
REDISLITE_REAL_SERVER            the original's command line (redis-server from the path)
REDISLITE_NEWER_SERVER           a Valkey 9, for the commands that Redis 7 does not have; without it they are not sent
"""

from __future__ import annotations

import os
import random
import shlex
from typing import Any

import pytest
from harness import Connection, ServerPool, ServerProcess, real_server_program, request

from .comparison import contents, same_reply
from .grammar import Command, available

COMMANDS = int(os.environ.get("REDISLITE_DIFFERENTIAL_COMMANDS", "20000"))
SEED = os.environ.get("REDISLITE_DIFFERENTIAL_SEED", "1")
GROUPS = [name for name in os.environ.get("REDISLITE_DIFFERENTIAL_GROUPS", "").split(",") if name]
ROUND = 2500  # commands over one connection, in one protocol
PIPELINE = 50  # commands sent at once
SHOWN = 25  # differences shown
DIRECTIVES: dict[str, Any] = {"slowlog_log_slower_than": "-1", "latency_monitor_threshold": "0"}


def run_pipeline(connection: Connection, commands: list[list[bytes]]) -> list[bytes]:
    """The raw replies, in order; the last one says so where the server closed or did not answer."""
    connection.send(b"".join(request(*command) for command in commands))
    replies = []
    for _ in commands:
        try:
            replies.append(connection.read_raw())
        except (EOFError, ConnectionError):
            replies.append(b"-(the connection was closed)\r\n")
            break
        except TimeoutError:
            replies.append(b"-(no reply within the deadline)\r\n")
            break
    return replies


def show(command: list[bytes]) -> str:
    return " ".join(repr(word[:60])[1:] for word in command)


def compare(
    ours: ServerProcess, theirs: ServerProcess, rows: list[Command], count: int, seed: str, newer: bool = False
) -> None:
    """Runs `count` random commands on both; AssertionError with the first differences."""
    chance = random.Random(seed)
    differences: list[str] = []
    done = 0
    weights = [row.weight for row in rows]
    while done < count:
        protocol = 2 if done // ROUND % 2 == 0 else 3
        pair = [server.connect(protocol=protocol) for server in (ours, theirs)]
        for _ in range(ROUND // PIPELINE):
            chosen = chance.choices(rows, weights, k=PIPELINE)
            commands = [row.generate(chance) for row in chosen]
            mine, other = (run_pipeline(connection, commands) for connection in pair)
            for row, command, left, right in zip(chosen, commands, mine, other, strict=False):
                if not same_reply(row.rule, command, left, right, newer):
                    differences.append(
                        f"RESP{protocol} {show(command)}\n    ours   {left[:300]!r}\n    theirs {right[:300]!r}"
                    )
            if len(mine) != len(commands) or len(other) != len(commands):
                differences.append(f"a connection ended at {show(commands[min(len(mine), len(other)) - 1])}")
            done += PIPELINE
            if len(differences) >= SHOWN:
                break
        for connection in pair:
            connection.close()
        if differences:
            break
        left_contents, right_contents = contents(ours.control, not newer), contents(theirs.control, not newer)
        for place in sorted(set(left_contents) | set(right_contents)):
            mine_value, other_value = left_contents.get(place), right_contents.get(place)
            if mine_value != other_value:
                differences.append(
                    f"contents at {place}\n    ours   {mine_value!r:.300}\n    theirs {other_value!r:.300}"
                )
        if differences:
            break
    if differences:
        text = "\n".join(differences[:SHOWN])
        pytest.fail(f"{len(differences)} differences within {done} commands, seed {seed}:\n{text}", pytrace=False)


def rows_of_groups(rows: list[Command]) -> list[Command]:
    return [row for row in rows if not GROUPS or row.group in GROUPS]


def test_against_the_original(start_server: ServerPool) -> None:
    program = real_server_program()
    if program is None:
        pytest.skip("redis-server is not installed (REDISLITE_REAL_SERVER can name another)")
    ours, theirs = start_server(**DIRECTIVES), start_server(program, **DIRECTIVES)
    compare(ours, theirs, rows_of_groups(available(theirs.version)), COMMANDS, SEED)


def test_against_a_newer_original(start_server: ServerPool) -> None:
    program = os.environ.get("REDISLITE_NEWER_SERVER")
    if not program:
        pytest.skip("REDISLITE_NEWER_SERVER does not name a Valkey 9")
    ours, theirs = start_server(**DIRECTIVES), start_server(shlex.split(program), **DIRECTIVES)
    rows = [row for row in rows_of_groups(available(None)) if row.since is None or row.group in ("string", "generic")]
    compare(ours, theirs, rows, COMMANDS, SEED, newer=True)
