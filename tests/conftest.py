"""Fixtures for the tests that run a server process: one shared server, servers of a test's own, and the original.

Marks: `needs("SET probe 1 IFEQ 1")` skips the test when another program stands in ours' place
(REDISLITE_TEST_SERVER) and does not have that command or option; with our own server the test always runs.
`ours("reason")` is for behaviour that only our server has.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from harness import SUBSTITUTE, Connection, ServerDied, ServerPool, ServerProcess, real_server_program

# What lands is judged by the same examples each time; new ones are looked for everywhere else.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(example): a command or option that an older original may not have")
    config.addinivalue_line("markers", "ours(reason): holds only for our own server")
    config.addinivalue_line("markers", "slow: takes seconds, or hundreds of megabytes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SUBSTITUTE:
        return
    for item in items:
        mark = item.get_closest_marker("ours")
        if mark:
            reason = mark.args[0] if mark.args else "only our server has it"
            item.add_marker(pytest.mark.skip(reason=f"{SUBSTITUTE}: {reason}"))


@pytest.fixture(scope="session")
def session_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerPool]:
    pool = ServerPool(tmp_path_factory.mktemp("shared"))
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def shared_servers() -> dict[str, ServerProcess]:
    """The servers that tests share, by role; an entry is replaced when its process has died."""
    return {}


@pytest.fixture(scope="session")
def failed_starts() -> dict[str, str]:
    """Why a shared server could not be started, by role: it is tried once, not before each test."""
    return {}


def _shared(
    shared: dict[str, ServerProcess],
    failed: dict[str, str],
    pool: ServerPool,
    role: str,
    program: list[str] | None = None,
) -> ServerProcess:
    if role in failed:
        pytest.fail(f"this server could not be started before: {failed[role]}", pytrace=False)
    server = shared.get(role)
    if server is None or not server.alive():
        try:
            server = shared[role] = pool(program)
        except ServerDied as why:
            failed[role] = str(why)
            raise
    server.reset()
    return server


def _apply_needs(node: pytest.Item, server: ServerProcess) -> None:
    if server.is_ours:
        return
    for mark in node.iter_markers("needs"):
        for example in mark.args:
            if not server.understands(*shlex.split(example)):
                pytest.skip(f"{SUBSTITUTE or 'the original'} does not have: {example}")


@pytest.fixture
def server(
    request: pytest.FixtureRequest,
    session_pool: ServerPool,
    shared_servers: dict[str, ServerProcess],
    failed_starts: dict[str, str],
) -> Iterator[ServerProcess]:
    """The server under test, shared by the session, without keys and with its first configuration."""
    process = _shared(shared_servers, failed_starts, session_pool, "ours")
    _apply_needs(request.node, process)
    yield process
    if not process.alive():
        process.expected_exit, unasked = True, not process.expected_exit
        if unasked:
            pytest.fail(f"the server left with {process.process.returncode}:\n{process.log()}", pytrace=False)
    process.reset()
    process.check()


@pytest.fixture
def real_server(
    session_pool: ServerPool, shared_servers: dict[str, ServerProcess], failed_starts: dict[str, str]
) -> ServerProcess:
    """The original, to compare with."""
    program = real_server_program()
    if program is None:
        pytest.skip("redis-server is not installed (REDISLITE_REAL_SERVER can name another)")
    return _shared(shared_servers, failed_starts, session_pool, "real", program)


@pytest.fixture
def start_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerPool]:
    """Starts servers of the test's own: `start_server(maxclients=5)`; they are stopped when the test ends."""
    pool = ServerPool(tmp_path)
    pool.on_start = lambda server: _apply_needs(request.node, server)
    yield pool
    pool.close()


@pytest.fixture
def client(server: ServerProcess) -> Connection:
    """A connection over TCP that speaks RESP2."""
    return server.connect()


@pytest.fixture
def client3(server: ServerProcess) -> Connection:
    """A connection over TCP that speaks RESP3."""
    return server.connect(protocol=3)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def any_client(request: pytest.FixtureRequest, server: ServerProcess) -> Connection:
    """The test runs once in each protocol."""
    return server.connect(protocol=request.param)


def _redis_py(server: ServerProcess, **options: Any) -> Any:
    redis = pytest.importorskip("redis")
    return redis.Redis(host=server.address[0], port=server.port, **options)


@pytest.fixture
def redis2(server: ServerProcess) -> Iterator[Any]:
    """redis-py over TCP, RESP2."""
    with _redis_py(server, protocol=2) as connection:
        yield connection


@pytest.fixture
def redis3(server: ServerProcess) -> Iterator[Any]:
    """redis-py over TCP, RESP3."""
    with _redis_py(server, protocol=3) as connection:
        yield connection


@pytest.fixture
def redis_unix(server: ServerProcess) -> Iterator[Any]:
    """redis-py over the Unix socket, with its defaults."""
    redis = pytest.importorskip("redis")
    with redis.Redis(unix_socket_path=server.unix_path) as connection:
        yield connection
