"""How clients end, and what is done for them until then: doomed ones do not act, waiting ones are not idle, output that
is added to out of turn has its limits, muted ones stay muted, and what they name counts as theirs."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ServerPool
from harness import OK, PONG, Connection, Failure, ServerProcess, memory_of, request, wait_until

MEBIBYTE = 1 << 20
LONG = "x" * (2 * MEBIBYTE)


def waiting(server: ServerProcess, count: int) -> None:
    wait_until(lambda: server.info("clients")["blocked_clients"] == str(count), f"{count} clients wait")


def block(server: ServerProcess, connection: Connection, *command: object) -> Connection:
    """Has the connection wait with this command, after those that wait already."""
    before = int(server.info("clients")["blocked_clients"])
    connection.send(request(*command))
    waiting(server, before + 1)
    return connection


def is_closed(connection: Connection) -> bool:
    try:
        connection.read_until_closed()
    except TimeoutError:
        return False
    return True


# --- doomed clients do not act

# A command that waits, one that serves it, what is served, and a command that shows that nothing more was taken.
BLOCKING = {
    "blpop": (["BLPOP", "k", 0], ["RPUSH", "k", "a"], [b"k", b"a"], ["LLEN", "k"]),
    "brpop": (["BRPOP", "k", 0], ["RPUSH", "k", "a"], [b"k", b"a"], ["LLEN", "k"]),
    "blmpop": (["BLMPOP", 0, 1, "k", "LEFT"], ["RPUSH", "k", "a"], [b"k", [b"a"]], ["LLEN", "k"]),
    "blmove": (["BLMOVE", "k", "to", "LEFT", "LEFT", 0], ["RPUSH", "k", "a"], b"a", ["LLEN", "k"]),
    "brpoplpush": (["BRPOPLPUSH", "k", "to", 0], ["RPUSH", "k", "a"], b"a", ["LLEN", "k"]),
    "bzpopmin": (["BZPOPMIN", "k", 0], ["ZADD", "k", 1, "a"], [b"k", b"a", b"1"], ["ZCARD", "k"]),
    "bzpopmax": (["BZPOPMAX", "k", 0], ["ZADD", "k", 1, "a"], [b"k", b"a", b"1"], ["ZCARD", "k"]),
    "bzmpop": (["BZMPOP", 0, 1, "k", "MIN"], ["ZADD", "k", 1, "a"], [b"k", [[b"a", b"1"]]], ["ZCARD", "k"]),
    "xreadgroup": (
        ["XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "k", ">"],
        ["XADD", "k", "1-1", "f", "v"],
        [[b"k", [[b"1-1", [b"f", b"v"]]]]],
        ["HLEN", "none"],
    ),
}


def doomed_by_kill(server: ServerProcess, command: list[object]) -> tuple[Connection, list[list[object]]]:
    victim = server.connect()
    number = victim("CLIENT", "ID")
    return block(server, victim, *command), [["CLIENT", "KILL", "ID", number]]


def doomed_by_deletion_of_its_user(
    server: ServerProcess, command: list[object]
) -> tuple[Connection, list[list[object]]]:
    server.control("ACL", "SETUSER", "doomed", "on", "nopass", "+@all", "~*", "&*")
    victim = server.connect()
    assert victim("AUTH", "doomed", "") == OK
    return block(server, victim, *command), [["ACL", "DELUSER", "doomed"]]


def doomed_by_eviction(server: ServerProcess, command: list[object]) -> tuple[Connection, list[list[object]]]:
    victim = server.connect()
    number = str(victim("CLIENT", "ID"))
    server.config("maxmemory-clients", 0)
    block(server, victim, *command)
    # What it has sent ahead waits in its buffer.
    victim.send(request("ECHO", LONG))
    wait_until(lambda: int(server.client_with(id=number)["tot-mem"]) > len(LONG), "the victim takes memory")
    return victim, [["CONFIG", "SET", "maxmemory-clients", MEBIBYTE]]


def doomed_by_output(server: ServerProcess, command: list[object]) -> tuple[Connection, list[list[object]]]:
    server.config("client-output-buffer-limit", "pubsub 1mb 0 0")
    victim = server.connect(protocol=3)
    victim("SUBSCRIBE", "channel")
    return block(server, victim, *command), [["PUBLISH", "channel", LONG]]


DOOMS = [doomed_by_kill, doomed_by_deletion_of_its_user, doomed_by_eviction, doomed_by_output]


@pytest.mark.parametrize("transaction", [False, True], ids=["pipeline", "transaction"])
@pytest.mark.parametrize("doom", DOOMS, ids=lambda doom: doom.__name__.removeprefix("doomed_by_"))
@pytest.mark.parametrize("name", BLOCKING)
def test_who_is_doomed_takes_nothing(
    server: ServerProcess,
    client: Connection,
    name: str,
    doom: Callable[[ServerProcess, list[object]], tuple[Connection, list[list[object]]]],
    transaction: bool,
) -> None:
    if transaction and doom is doomed_by_eviction:
        pytest.skip("clients are evicted between requests")
    command, serve, served, size = BLOCKING[name]
    if name == "xreadgroup":
        client("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    victim, dooming = doom(server, command)
    heir = block(server, server.connect(), *command)
    last = block(server, server.connect(), *command)
    requests = [*dooming, serve]
    if transaction:
        requests = [["MULTI"], *requests, ["EXEC"]]
    client.pipeline(*(tuple(each) for each in requests))
    assert is_closed(victim)
    assert heir.read() == served
    assert last.is_silent()
    waiting(server, 1)
    assert client(*size) == 0
    if name == "xreadgroup":
        assert client("XPENDING", "k", "g")[0] == 1


def test_only_the_doomed_are_passed_over(server: ServerProcess, client: Connection) -> None:
    waiters = [server.connect() for _ in range(5)]
    numbers = [waiter("CLIENT", "ID") for waiter in waiters]
    for waiter in waiters:
        block(server, waiter, "BLPOP", "k", 0)
    kills = [("CLIENT", "KILL", "ID", numbers[i]) for i in (0, 1, 3)]
    assert client.pipeline(*kills, ("RPUSH", "k", "a", "b", "c")) == [1, 1, 1, 3]
    assert waiters[2].read() == [b"k", b"a"]
    assert waiters[4].read() == [b"k", b"b"]
    assert client("LRANGE", "k", 0, -1) == [b"c"]
    assert all(is_closed(waiters[i]) for i in (0, 1, 3))


def test_who_is_doomed_by_a_woken_command_is_passed_over(server: ServerProcess, client: Connection) -> None:
    server.config("notify-keyspace-events", "KEA")
    mover = block(server, server.connect(), "BLMOVE", "k", "to", "LEFT", "LEFT", 0)
    victims = [server.connect(protocol=3) for _ in range(3)]
    for victim in victims:
        victim("SUBSCRIBE", "__keyevent@0__:lpush")
        block(server, victim, "BLPOP", "k", 0)
    heir = block(server, server.connect(), "BLPOP", "k", 0)
    server.config("client-output-buffer-limit", "pubsub 1 0 0")
    assert client("RPUSH", "k", "a", "b", "c") == 3
    assert mover.read() == b"a"
    assert heir.read() == [b"k", b"b"]
    assert client("LRANGE", "k", 0, -1) == [b"c"]
    assert all(is_closed(victim) for victim in victims)


def test_a_killed_client_is_gone_for_who_comes_next(server: ServerProcess, client: Connection) -> None:
    subscriber = server.connect()
    number = subscriber("CLIENT", "ID")
    subscriber("SUBSCRIBE", "channel")
    waiter = server.connect()
    killed = [number, waiter("CLIENT", "ID")]
    block(server, waiter, "BLPOP", "k", 0)
    replies = client.pipeline(
        *(("CLIENT", "KILL", "ID", each) for each in killed),
        ("PUBLISH", "channel", "message"),
        ("PUBSUB", "NUMSUB", "channel"),
        ("PUBSUB", "CHANNELS"),
        ("CLIENT", "UNBLOCK", killed[1]),
        ("CLIENT", "KILL", "ID", killed[0]),
    )
    assert replies == [1, 1, 0, [b"channel", 0], [], 0, 0]
    assert is_closed(subscriber)


def test_a_monitor_that_has_said_goodbye_is_told_nothing_more(server: ServerProcess, client: Connection) -> None:
    monitor = server.connect()
    assert monitor("MONITOR") == OK
    monitor.send(request("QUIT"))
    assert monitor.read() == OK
    client("PING")
    assert monitor.read_until_closed() == b""


def test_what_an_executing_transaction_does_is_done_although_it_dooms_itself(
    server: ServerProcess, client: Connection
) -> None:
    server.config("client-output-buffer-limit", "normal 1mb 0 0")
    client("SET", "long", LONG)
    victim = server.connect()
    requests = (["MULTI"], ["GET", "long"], ["INCR", "n"], ["EXEC"], ["INCR", "n"])
    victim.send(b"".join(request(*each) for each in requests))
    assert is_closed(victim)
    assert client("GET", "n") == b"1"


# --- waiting is not being idle


def test_timeout_spares_who_waits(server: ServerProcess, client: Connection) -> None:
    idle = server.connect()
    idle_number = str(idle("CLIENT", "ID"))
    waiter = server.connect()
    number = str(waiter("CLIENT", "ID"))
    block(server, waiter, "BLPOP", "k", 0)
    paused = server.connect()
    server.config("timeout", 1)
    client.pipeline(("CLIENT", "PAUSE", 60_000, "WRITE"), ("PING",))
    paused.send(request("SET", "paused", 1))
    wait_until(lambda: not server.client_with(id=idle_number), "the idle client is closed")
    assert is_closed(idle)
    wait_until(lambda: int(server.client_with(id=number)["idle"]) >= 2, "the waiter is as idle")
    server.control("CLIENT", "UNPAUSE")
    assert paused.read() == OK
    assert server.control("RPUSH", "k", "a") == 1
    assert waiter.read() == [b"k", b"a"]
    # What it is sent begins its time anew.
    assert server.client_with(id=number)["idle"] == "0"


def test_timeouts_end_each_in_its_time(server: ServerProcess) -> None:
    delays = [0.3, 0.1, 0.5, 0.2, 0.4, 0.1, 0.25]
    waiters = [server.connect() for _ in delays]
    begun = time.monotonic()
    for waiter, delay in zip(waiters, delays, strict=True):
        waiter.send(request("BLPOP", "k", delay))
    for delay, waiter in sorted(zip(delays, waiters, strict=True), key=lambda pair: pair[0]):
        assert waiter.read() is None
        assert time.monotonic() - begun >= delay
    assert time.monotonic() - begun < 5


def test_a_client_that_has_been_served_leaves_no_timeout_behind(server: ServerProcess, client: Connection) -> None:
    waiter = server.connect()
    for _ in range(3):
        block(server, waiter, "BLPOP", "k", 0.2)
        client("RPUSH", "k", "a")
        assert waiter.read() == [b"k", b"a"]
    begun = time.monotonic()
    block(server, waiter, "BLPOP", "k", 0.6)
    assert waiter.read() is None
    assert time.monotonic() - begun >= 0.55


# --- output limits, whoever adds to the output


MUCH = "x" * (12 * MEBIBYTE)  # more than what sockets take


def set_up_woken(server: ServerProcess, victim: Connection) -> list[object]:
    block(server, victim, "BLPOP", "k", 0)
    return ["RPUSH", "k", MUCH]


def set_up_monitor(server: ServerProcess, victim: Connection) -> list[object]:
    victim("MONITOR")
    return ["SET", "shown", MUCH]


def set_up_subscriber(server: ServerProcess, victim: Connection) -> list[object]:
    victim("SUBSCRIBE", "channel")
    return ["PUBLISH", "channel", MUCH]


def set_up_tracking(server: ServerProcess, victim: Connection) -> list[object]:
    victim("CLIENT", "TRACKING", "ON")
    victim("GET", MUCH)
    return ["SET", MUCH, 1]


def set_up_broadcast(server: ServerProcess, victim: Connection) -> list[object]:
    victim("CLIENT", "TRACKING", "ON", "BCAST")
    return ["SET", MUCH, 1]


def set_up_resumed(server: ServerProcess, victim: Connection) -> list[object]:
    server.control("SET", "long", MUCH)
    block(server, victim, "BLPOP", "k", 0)
    victim.send(request("GET", "long"))
    return ["RPUSH", "k", 1]


SET_UPS = [set_up_woken, set_up_monitor, set_up_subscriber, set_up_tracking, set_up_broadcast, set_up_resumed]


@pytest.mark.parametrize("limits", ["1mb 0 0", "0 1mb 1"], ids=["hard", "soft"])
@pytest.mark.parametrize("set_up", SET_UPS, ids=lambda set_up: set_up.__name__.removeprefix("set_up_"))
def test_output_added_out_of_turn_has_its_limits(
    server: ServerProcess, set_up: Callable[[ServerProcess, Connection], list[object]], limits: str
) -> None:
    victim = server.connect()
    victim("HELLO", 3)
    number = str(victim("CLIENT", "ID"))
    action = set_up(server, victim)
    before = int(server.info("stats")["client_output_buffer_limit_disconnections"])
    server.config("client-output-buffer-limit", f"normal {limits} pubsub {limits}")
    server.connect()(*action)
    wait_until(lambda: not server.client_with(id=number), "the client is closed")
    assert int(server.info("stats")["client_output_buffer_limit_disconnections"]) == before + 1


def test_the_error_of_unblocking_has_its_limit(server: ServerProcess, client: Connection) -> None:
    waiter = server.connect()
    number = waiter("CLIENT", "ID")
    block(server, waiter, "BLPOP", "k", 0)
    server.config("client-output-buffer-limit", "normal 20 0 0")
    client.pipeline(
        ("CLIENT", "UNBLOCK", number, "ERROR"), ("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    )
    assert waiter.read_until_closed() == b""


# --- nothing keeps a core busy


def cycles(server: ServerProcess) -> int:
    return int(server.info("stats")["eventloop_cycles"])


@pytest.mark.parametrize("before", [True, False], ids=["stuck before", "stuck by its end"])
def test_an_ending_client_whose_peer_does_not_read_costs_nothing(
    server: ServerProcess, client: Connection, before: bool
) -> None:
    client("SET", "long", "x" * (8 * MEBIBYTE))
    victim = server.connect()
    number = str(victim("CLIENT", "ID"))
    victim.send(request("GET", "long") * 4)
    if before:
        wait_until(lambda: server.client_with(id=number, events="rw"), "the socket is full")
    victim.send(request("QUIT") + request("PING") * 1000)
    wait_until(lambda: "c" in server.client_with(id=number)["flags"], "the client is ending")
    victim.send(request("PING"))
    counted = cycles(server)
    assert client.is_silent(0.3)
    assert cycles(server) - counted < 100
    assert is_closed(victim)


@pytest.mark.ours("the original asks again and again")
def test_descriptors_that_have_run_out_cost_nothing(start_server: ServerPool) -> None:
    server = start_server(maxclients=100)
    client = server.connect()
    cycles(server)
    used = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used, limits[1]))
    outside = [server.connect() for _ in range(3)]
    for each in outside:
        each.send(request("PING"))
    wait_until(lambda: "Accepting client connection" in server.log(), "the failure is logged")
    counted, usage = cycles(server), float(server.info("cpu")["used_cpu_user"])
    assert outside[0].is_silent(1.0)
    assert client("PING") == PONG
    assert server.log().count("Accepting client connection") <= 2
    assert cycles(server) - counted < 200
    assert float(server.info("cpu")["used_cpu_user"]) - usage < 0.5
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    assert [each.read() for each in outside] == [PONG] * 3


# --- muted replies


@pytest.mark.parametrize("mode", ["SKIP", "OFF"])
@pytest.mark.parametrize("end", ["timeout", "served", "unblocked", "unblocked with an error", "transaction"])
def test_muting_covers_a_command_that_waits(server: ServerProcess, client: Connection, mode: str, end: str) -> None:
    waiter = server.connect()
    number = waiter("CLIENT", "ID")
    if end == "transaction":
        waiter.pipeline(("MULTI",), ("BLPOP", "k", 0), ("SET", "done", 1))
        # CLIENT REPLY is refused within a transaction.
        assert isinstance(waiter("CLIENT", "REPLY", mode), Failure)
        assert waiter("EXEC") == Failure("EXECABORT Transaction discarded because of previous errors.")
        waiter.send(request("CLIENT", "REPLY", mode))
        waiter.send(b"".join(request(*each) for each in (["MULTI"], ["BLPOP", "k", 0], ["SET", "done", 1], ["EXEC"])))
        wait_until(lambda: client("GET", "done") == b"1", "the transaction is executed")
        if mode == "SKIP":
            assert [waiter.read() for _ in range(3)] == ["QUEUED", "QUEUED", [None, OK]]
    else:
        waiter.send(request("CLIENT", "REPLY", mode))
        block(server, waiter, "BLPOP", "k", 0.1 if end == "timeout" else 0)
        if end == "served":
            client("RPUSH", "k", "a")
        elif end != "timeout":
            assert client("CLIENT", "UNBLOCK", number, "ERROR" if "error" in end else "TIMEOUT") == 1
        waiting(server, 0)
    if mode == "OFF":
        waiter.send(request("CLIENT", "REPLY", "ON"))
        assert waiter.read() == OK
    assert waiter("ECHO", "next") == b"next"
    assert waiter("ECHO", "after") == b"after"


def test_unblocking_with_an_error_fails_what_waited(server: ServerProcess, client: Connection) -> None:
    server.control("CONFIG", "RESETSTAT")
    waiter = server.connect()
    number = waiter("CLIENT", "ID")
    block(server, waiter, "BLPOP", "k", 0)
    assert client("CLIENT", "UNBLOCK", number, "ERROR") == 1
    assert isinstance(waiter.read(), Failure)
    assert server.info("commandstats")["cmdstat_blpop"].endswith("rejected_calls=0,failed_calls=1")


# --- memory of clients


NAMING = {
    "watch": ["WATCH"],
    "subscribe": ["SUBSCRIBE"],
    "psubscribe": ["PSUBSCRIBE"],
    "ssubscribe": ["SSUBSCRIBE"],
}


@pytest.mark.ours("the original counts them in part")
@pytest.mark.parametrize("name", NAMING)
def test_names_that_a_client_gives_count_as_its_memory(server: ServerProcess, name: str) -> None:
    victim = server.connect()
    number = str(victim("CLIENT", "ID"))
    names = [str(i) + "n" * 100_000 for i in range(20)]
    victim.send(request(*NAMING[name], *names))
    for _ in range(1 if name == "watch" else len(names)):
        victim.read()
    line = server.client_with(id=number)
    assert line is not None and int(line["tot-mem"]) > 2_000_000
    server.config("maxmemory-clients", MEBIBYTE)
    assert is_closed(victim)
    server.config("maxmemory-clients", 0)
    assert server.control("PING") == PONG


@pytest.mark.ours("quadratic in the original")
def test_watching_many_keys_takes_time_for_each_only(server: ServerProcess, client: Connection) -> None:
    keys = [f"key{i}" for i in range(100_000)]
    server.config("maxmemory-clients", "1gb")
    begun = time.monotonic()
    assert client("WATCH", *keys) == OK
    assert client("WATCH", *keys) == OK
    assert client.pipeline(*[("PING",)] * 20_000) == [PONG] * 20_000
    assert time.monotonic() - begun < 8
    assert server.client_with(watch="100000")


@pytest.mark.slow
@pytest.mark.ours("of our heap")
def test_output_that_was_dropped_goes_back_to_the_system(start_server: ServerPool) -> None:
    from redislite._core.probes.dict import HeapProbe

    if HeapProbe.checked():
        pytest.skip("a checked heap has its blocks from the C library")
    server = start_server(client_output_buffer_limit="pubsub 0 0 0")
    before = memory_of(server.pid)
    for size in (100, 3000, 100_000):
        readers = [server.connect() for _ in range(20)]
        for reader in readers:
            reader("SUBSCRIBE", "channel")
        author = server.connect()
        message = request("PUBLISH", "channel", "x" * size)
        for _ in range(40):
            author.pipeline(*[("PUBLISH", "channel", "x" * size)] * max(1, 500_000 // size))
        assert len(message) and memory_of(server.pid) > before + 20 * MEBIBYTE
        for reader in readers:
            reader.abort()
        wait_until(lambda: memory_of(server.pid) < before + 24 * MEBIBYTE, f"memory for {size} bytes is given back")


# --- leaving in steps


@pytest.mark.ours("the original ends all subscriptions at once")
@pytest.mark.parametrize("end", ["closed", "killed"])
def test_many_subscriptions_end_without_holding_up_others(
    server: ServerProcess, client: Connection, end: str
) -> None:
    count = 40_000
    other = server.connect()
    other("SUBSCRIBE", "c7", "own")
    other.read()
    subscriber = server.connect(protocol=3)
    number = subscriber("CLIENT", "ID")
    subscriber.send(request("SUBSCRIBE", *(f"c{i}" for i in range(count))) + request("PSUBSCRIBE", "c*"))
    wait_until(lambda: server.client_with(id=str(number), psub="1"), "all subscriptions stand")
    used = int(server.info("memory")["used_memory"])
    if end == "killed":
        assert client("CLIENT", "KILL", "ID", number) == 1
    else:
        subscriber.abort()
        wait_until(lambda: not server.client_with(id=str(number)), "the client is gone")
    # Whoever asks finds it gone, however much of it is still there.
    asked = ("NUMSUB", "c1", "c7", f"c{count - 1}")
    assert client.pipeline(
        ("PUBLISH", "c1", "m"), ("PUBLISH", "c7", "m"), ("PUBSUB", *asked), ("PUBSUB", "CHANNELS")
    ) == [0, 1, [b"c1", 0, b"c7", 1, f"c{count - 1}".encode(), 0], client("PUBSUB", "CHANNELS")]
    assert sorted(client("PUBSUB", "CHANNELS")) == [b"c7", b"own"]
    assert server.info("clients")["pubsub_clients"] == "1"
    wait_until(lambda: server.info("stats")["pubsub_channels"] == "2", "all of it is given back")
    assert client("PUBSUB", "NUMPAT") == 0
    assert int(server.info("memory")["used_memory"]) < used - count * 100


def test_a_closed_connection_cannot_be_described() -> None:
    from redislite._core.description import describe
    from redislite._core.engine import Engine

    ours, theirs = socket.socketpair()
    engine = Engine()
    connection = engine.connect(ours.detach(), "peer:0", "own:0")
    assert describe(connection, "n", "u", "r").startswith(f"id={connection.id} addr=peer:0 laddr=own:0 fd=")
    engine.close(connection)
    with pytest.raises(ValueError, match="closed"):
        describe(connection, "n", "u", "r")
    theirs.close()
