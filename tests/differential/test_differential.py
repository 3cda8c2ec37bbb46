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
FOCUS = 8  # how many times likelier the commands of a round's own groups are
COMMON = ("generic", "connection", "server")
# Each round has one of these, so that values meet both their encodings; what an original does not know it refuses.
ROUND_CONFIGS: list[dict[str, str]] = [
    {
        "list-max-listpack-size": "-2",
        "list-compress-depth": "0",
        "hash-max-listpack-entries": "128",
        "hash-max-listpack-value": "64",
        "set-max-intset-entries": "512",
        "set-max-listpack-entries": "128",
        "set-max-listpack-value": "64",
        "zset-max-listpack-entries": "128",
        "zset-max-listpack-value": "64",
        "stream-node-max-entries": "100",
        "hll-sparse-max-bytes": "3000",
    },
    {
        "list-max-listpack-size": "5",
        "list-compress-depth": "1",
        "hash-max-listpack-entries": "6",
        "hash-max-listpack-value": "20",
        "set-max-intset-entries": "8",
        "set-max-listpack-entries": "12",
        "set-max-listpack-value": "20",
        "zset-max-listpack-entries": "6",
        "zset-max-listpack-value": "20",
        "stream-node-max-entries": "3",
        "hll-sparse-max-bytes": "100",
    },
    {
        "list-max-listpack-size": "1",
        "list-compress-depth": "2",
        "hash-max-listpack-entries": "0",
        "set-max-intset-entries": "0",
        "set-max-listpack-entries": "0",
        "zset-max-listpack-entries": "0",
        "stream-node-max-entries": "1",
        "hll-sparse-max-bytes": "0",
    },
]
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
    groups = sorted({row.group for row in rows} - set(COMMON))
    while done < count:
        protocol = 2 if done // ROUND % 2 == 0 else 3
        pair = [server.connect(protocol=protocol) for server in (ours, theirs)]
        config = ROUND_CONFIGS[done // ROUND % len(ROUND_CONFIGS)]
        for server in (ours, theirs):
            server.control.pipeline(*(("CONFIG", "SET", name, text) for name, text in config.items()))
        # Of each round two groups are the many, so that their values live long enough to grow.
        focus = {groups[done // ROUND % len(groups)], chance.choice(groups)} if groups else set()
        weights = [row.weight * (FOCUS if row.group in focus else 1) for row in rows]
        for _ in range(ROUND // PIPELINE):
            chosen = chance.choices(rows, weights, k=PIPELINE)
            sent = [
                (compared, words)
                for row in chosen
                for compared, words in ((None, list(row.before)), (row, row.generate(chance)))
                if words
            ]
            commands = [words for _, words in sent]
            mine, other = (run_pipeline(connection, commands) for connection in pair)
            for (compared, command), left, right in zip(sent, mine, other, strict=False):
                if compared is not None and not same_reply(compared.rule, command, left, right, newer):
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
            if mine_value is None or not mine_value.same(other_value):
                differences.append(
                    f"contents at {place}\n    ours   {mine_value!r:.300}\n    theirs {other_value!r:.300}"
                )
        if differences:
            break
    if differences:
        text = "\n".join(differences[:SHOWN])
        pytest.fail(f"{len(differences)} differences within {done} commands, seed {seed}:\n{text}", pytrace=False)


def rows_of_groups(rows: list[Command], ours: ServerProcess) -> list[Command]:
    """The rows of the chosen groups, without the groups of which our server has no command yet."""
    known = {name.upper().decode() for name in ours.control("COMMAND", "LIST")}
    groups = {row.group for row in rows if row.words[0].decode() in known}
    return [row for row in rows if row.group in groups and (not GROUPS or row.group in GROUPS)]


def test_against_the_original(start_server: ServerPool) -> None:
    program = real_server_program()
    if program is None:
        pytest.skip("redis-server is not installed (REDISLITE_REAL_SERVER can name another)")
    ours, theirs = start_server(**DIRECTIVES), start_server(program, **DIRECTIVES)
    compare(ours, theirs, rows_of_groups(available(theirs.version), ours), COMMANDS, SEED)


def test_against_a_newer_original(start_server: ServerPool) -> None:
    program = os.environ.get("REDISLITE_NEWER_SERVER")
    if not program:
        pytest.skip("REDISLITE_NEWER_SERVER does not name a Valkey 9")
    ours, theirs = start_server(**DIRECTIVES), start_server(shlex.split(program), **DIRECTIVES)
    rows = [
        row for row in rows_of_groups(available(None), ours) if row.since is None or row.group in ("string", "generic")
    ]
    compare(ours, theirs, rows, COMMANDS, SEED, newer=True)
