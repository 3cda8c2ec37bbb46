"""Directives and the numbers that no program expects: at the edges of what they may be, and of what machines have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import OK, PONG, Connection, ServerPool, ServerProcess

from redislite.config.config import Config, ConfigError
from redislite.config.directives import DIRECTIVES, IMMUTABLE, Directive
from redislite.config.kinds import BufferLimits, Integer, Memory, SavePoints
from redislite.observability.log import Log
from redislite.server import Server

EDGES = (
    -(2**63) - 1, -(2**63), -(2**31) - 1, -101, -100, -2, -1, 0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
    2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**25, 10**200,
)  # fmt: skip
AMOUNTS = ("8589934592gb", "17179869184gb", "9007199254740992kb", "17179869184.5gb", "1e5", "0x10", " 1", "1 ", "")
NUMERIC = [row for row in DIRECTIVES if isinstance(row.kind, Integer)]
# These do what they say to the connection, or the machine, that the test has.
APART = {"port", "databases", "watchdog-period"}
MEMORY = (
    "maxmemory",
    "maxmemory-clients",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "auto-aof-rewrite-min-size",
)


def values_of(row: Directive) -> Iterator[str]:
    assert isinstance(row.kind, Integer)
    numbers = {*EDGES, row.kind.lower, row.kind.upper, row.kind.lower - 1, row.kind.upper + 1}
    yield from map(str, sorted(numbers))
    if isinstance(row.kind, Memory):
        yield from AMOUNTS


def test_every_number_of_every_directive(start_server: ServerPool) -> None:
    server = start_server()
    client = server.control
    assert client("CLIENT", "NO-EVICT", "on") == OK
    for row in NUMERIC:
        if row.flags & IMMUTABLE or row.name in APART:
            continue
        before = client("CONFIG", "GET", row.name)[1]
        for value in values_of(row):
            reply = client("CONFIG", "SET", row.name, value)
            what = f"{row.name} {value}"
            assert reply == OK or reply.startswith("ERR CONFIG SET failed"), what
            assert client("CONFIG", "GET", row.name)[0] == row.name.encode(), what
            assert client("PING") == PONG, what
        assert client("CONFIG", "SET", row.name, before) == OK
    assert "Internal error" not in server.log(1 << 24)


def test_every_number_at_the_start() -> None:
    for row in NUMERIC:
        if row.name in APART:
            continue
        for value in values_of(row):
            config = Config(change_directory=False)
            try:
                config.load(f'{row.name} "{value}"')
            except ConfigError:
                continue
            Server(config, Log(file="/dev/null")).discard()


@pytest.mark.parametrize("row", [row for row in DIRECTIVES if isinstance(row.kind, (BufferLimits, SavePoints))])
def test_directives_of_several_numbers(server: ServerProcess, client: Connection, row: Directive) -> None:
    form = "{0} {0}" if isinstance(row.kind, SavePoints) else "pubsub {0} {0} {0}"
    before = client("CONFIG", "GET", row.name)[1]
    for value in (*map(str, EDGES), *AMOUNTS):
        reply = client("CONFIG", "SET", row.name, form.format(value))
        assert reply == OK or reply.startswith("ERR CONFIG SET failed"), value
        assert client("PING") == PONG
    client("CONFIG", "SET", row.name, before)


def test_a_server_starts_with_them(start_server: ServerPool) -> None:
    largest = str(2**64 - 1)
    server = start_server(
        maxmemory=largest,
        client_output_buffer_limit=f"pubsub {largest} {largest} 60",
        maxmemory_clients=largest,
        proto_max_bulk_len=2**63 - 1,
        client_query_buffer_limit=2**63 - 1,
        slowlog_log_slower_than=2**63 - 1,
        latency_monitor_threshold=2**63 - 1,
    )
    assert server.control("SET", "k", "v") == OK
    assert server.control("CONFIG", "GET", "maxmemory") == [b"maxmemory", largest.encode()]
    assert server.info("memory")["maxmemory"] == largest
    # A length that no memory has, where there is no limit to it.
    for length in (2**63 - 1, 2**63 - 2, 2**62, 2**48):
        client = server.connect()
        client.send(b"*2\r\n$3\r\nGET\r\n$%d\r\nabc" % length)
        assert server.control("PING") == PONG
        client.close()
    assert server.control("PING") == PONG


@pytest.mark.parametrize("name", MEMORY)
def test_amounts_as_the_original_has_them(server: ServerProcess, real_server: ServerProcess, name: str) -> None:
    answers = []
    for one in (server, real_server):
        client = one.control
        client("CLIENT", "NO-EVICT", "on")
        before = client("CONFIG", "GET", name)[1]
        seen: list[object] = []
        for value in (*map(str, EDGES), *AMOUNTS):
            reply = client("CONFIG", "SET", name, value)
            seen.append((value, reply, client("CONFIG", "GET", name)[1]))
            client("CONFIG", "SET", name, before)
        answers.append(seen)
        client("CLIENT", "NO-EVICT", "off")
    assert answers[0] == answers[1]
