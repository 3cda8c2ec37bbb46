"""The same commands to our server and to the original: each command's keyspace events are the same, in their order.

The variables of test_differential.py hold here too.
"""

from __future__ import annotations

import os
import random
import shlex
from collections.abc import Iterable

import pytest
from harness import Connection, Failure, ServerPool, ServerProcess, real_server_program, request
from notification_forms import DIFFERENT, FORMS, Listener, words_of

from .grammar import Command, available
from .test_differential import COMMANDS, DIRECTIVES, SEED, rows_of_groups, show

PIPELINE = 50  # commands sent at once
SHOWN = 15  # differences shown
# Connections come to no keyspace events, and some of these commands would close the listener's.
LEFT_OUT = ("connection", "server")
# From Redis 7.2 on it makes a consumer even where there is nothing to claim.
LEFT_OUT_OF_OLDER = ("XAUTOCLAIM",)
EXPIRED = {"del", "expired"}


def tolerated(ours: list[str], theirs: list[str]) -> bool:
    """Whether the lists differ only where a deadline in the past is called a deletion, as before Valkey 9."""
    return len(ours) == len(theirs) and all(
        left == right or {left.split(" ")[0], right.split(" ")[0]} == EXPIRED
        for left, right in zip(ours, theirs, strict=True)
    )


def same_events(command: list[bytes], ours: list[str], theirs: list[str], failed: bool) -> bool:
    if failed:
        # Who looks for the key before looking at the options has missed it already.
        ours, theirs = ([event for event in events if not event.startswith("keymiss")] for events in (ours, theirs))
    if command[0].upper().startswith(b"SORT"):
        # In the order of a set's members, which is nobody's.
        ours, theirs = sorted(ours), sorted(theirs)
    return ours == theirs or tolerated(ours, theirs)


def past_is_possible(command: list[bytes]) -> bool:
    """Whether the command may store what has expired already, which Valkey 9 does not begin to do."""
    return any(word.upper() in (b"EXAT", b"PXAT") for word in command)


def compare(
    ours: ServerProcess, theirs: ServerProcess, rows: list[Command], count: int, seed: str, newer: bool = False
) -> None:
    """Runs `count` random commands on both; fails with the first differences."""
    chance = random.Random(seed)
    differences: list[str] = []
    events = 0
    pair = [(server.connect(), Listener(server)) for server in (ours, theirs)]
    weights = [row.weight for row in rows]
    for _ in range(count // PIPELINE):
        commands = [row.generate(chance) for row in chance.choices(rows, weights, k=PIPELINE)]
        if newer:
            commands = [command for command in commands if not past_is_possible(command)]
        told = []
        failed = [False] * len(commands)
        for connection, listener in pair:
            connection.send(b"".join(request(*command) + listener.mark for command in commands))
            told.append([listener.events() for _ in commands])
            for index in range(len(commands)):
                failed[index] |= connection.read_raw().startswith(b"-")
                connection.read_raw()
        for command, mine, other, error in zip(commands, *told, failed, strict=True):
            events += len(other)
            if not same_events(command, mine, other, error):
                differences.append(f"{show(command)}\n    ours   {mine}\n    theirs {other}")
        if differences:
            break
    if differences:
        text = "\n".join(differences[:SHOWN])
        pytest.fail(f"{len(differences)} differences, seed {seed}:\n{text}", pytrace=False)
    assert events > count // 10, "the commands caused too few events to mean anything"


def data_rows(rows: Iterable[Command]) -> list[Command]:
    return [row for row in rows if row.group not in LEFT_OUT]


def check_forms(server: ServerProcess) -> None:
    """The events that the table expects of ours are those of the original."""
    connection: Connection = server.connect()
    listener = Listener(server)
    connection("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    differences = []
    compared = 0
    for story in FORMS:
        connection("FLUSHALL")
        for command, expected in story:
            reply = connection(*words_of(command))
            connection.send(listener.mark)
            connection.read()
            told = listener.events()
            if isinstance(reply, Failure) and reply.startswith("ERR unknown command"):
                break  # it does not have the command: what follows may depend on it
            compared += 1
            if told != expected and not tolerated(expected, told) and command not in DIFFERENT:
                differences.append(f"{command}\n    ours   {expected}\n    theirs {told}")
    assert not differences, "\n".join(differences)
    assert compared > 150


def test_events_of_the_original(start_server: ServerPool) -> None:
    program = real_server_program()
    if program is None:
        pytest.skip("redis-server is not installed (REDISLITE_REAL_SERVER can name another)")
    ours, theirs = start_server(**DIRECTIVES), start_server(program, **DIRECTIVES)
    rows = data_rows(rows_of_groups(available(theirs.version), ours))
    rows = [row for row in rows if row.name not in LEFT_OUT_OF_OLDER]
    compare(ours, theirs, rows, COMMANDS // 2, SEED)
    check_forms(theirs)


def test_events_of_a_newer_original(start_server: ServerPool) -> None:
    program = os.environ.get("REDISLITE_NEWER_SERVER")
    if not program:
        pytest.skip("REDISLITE_NEWER_SERVER does not name a Valkey 9")
    ours = start_server(**DIRECTIVES)
    theirs = start_server(shlex.split(program), **DIRECTIVES)
    rows = data_rows(rows_of_groups(available(None), ours))
    rows = [row for row in rows if row.since is None or row.group in ("string", "generic")]
    compare(ours, theirs, rows, COMMANDS // 2, SEED, newer=True)
    check_forms(theirs)
