"""Client-side caching: who is told of what, when, and in which words; connections on socket pairs."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from redislite._core.commands.row import rows_of
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.commands import connection as connection_commands
from redislite.commands import tracking as tracking_commands
from redislite.serving.clients import TRACKING_BCAST, TRACKING_NOLOOP, describe

OFF = {"flags": ["off"], "redirect": -1, "prefixes": []}
READ = 16384  # bytes that a connection reads at once


class Failure(str):
    pass


def decode(data: bytes) -> list[Any]:
    """Replies and pushes in their order; a push is a tuple."""

    def one(at: int) -> tuple[Any, int]:
        end = data.index(b"\r\n", at)
        kind, head, at = data[at : at + 1], data[at + 1 : end].decode(), end + 2
        if kind == b"+":
            return head, at
        if kind == b"-":
            return Failure(head), at
        if kind == b":":
            return int(head), at
        if kind == b"_" or head == "-1":
            return None, at
        count = int(head)
        if kind == b"$":
            return data[at : at + count].decode(), at + count + 2
        values: list[Any] = []
        for _ in range(2 * count if kind == b"%" else count):
            value, at = one(at)
            values.append(value)
        if kind == b"%":
            return dict(zip(values[::2], values[1::2], strict=True)), at
        return (tuple(values) if kind == b">" else values), at

    decoded = []
    position = 0
    while position < len(data):
        value, position = one(position)
        decoded.append(value)
    return decoded


class Client:
    def __init__(self, server: Server, protocol: int) -> None:
        self.server = server
        ours, self.socket = socket.socketpair()
        ours.setblocking(False)
        self.socket.setblocking(False)
        self.connection = server.engine.connect(ours.detach(), "127.0.0.1:1", "127.0.0.1:2")
        self.connection.protocol = protocol
        self.id = self.connection.id

    def send(self, *requests: str) -> None:
        data = b""
        for request in requests:
            words = request.replace('""', "\0").split()
            data += b"*%d\r\n" % len(words)
            data += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in (w.strip("\0").encode() for w in words))
        self.socket.send(data)
        for _ in range(len(data) // READ + 1):
            self.connection.ready(select.POLLIN)

    def receive(self) -> list[Any]:
        """All that has arrived once the turn is over."""
        self.server.turn()
        data = b""
        while True:
            try:
                part = self.socket.recv(1 << 20)
            except BlockingIOError:
                break
            if not part:
                break
            data += part
        return decode(data)

    def __call__(self, *requests: str) -> list[Any]:
        self.send(*requests)
        return self.receive()

    def ask(self, request: str) -> Any:
        """The only reply."""
        (reply,) = self(request)
        return reply

    def leave(self) -> None:
        self.server.engine.close(self.connection)
        self.socket.close()


class Server:
    """As much of a server as these commands need."""

    def __init__(self) -> None:
        self.engine = Engine(control=self)
        self.engine.register(rows_of(connection_commands))
        self.engine.register(rows_of(tracking_commands))
        self.config: dict[str, Any] = {"requirepass": b""}
        self.monitors: set[Any] = set()
        self.clients: list[Client] = []
        self.users = SimpleNamespace(welcome=lambda connection: None)

    def connect(self, protocol: int = 3) -> Client:
        client = Client(self, protocol)
        self.clients.append(client)
        return client

    def turn(self) -> None:
        while self.engine.before_sleep():
            pass

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.engine.tracking_statistics
        return counts


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    for client in server.clients:
        client.leave()


@pytest.fixture
def reader(server: Server) -> Client:
    """Tracks what it reads, in the default mode."""
    client = server.connect()
    assert client.ask("CLIENT TRACKING ON") == "OK"
    return client


@pytest.fixture
def writer(server: Server) -> Client:
    return server.connect()


def changed(*keys: str) -> tuple[str, list[str]]:
    return ("invalidate", list(keys))


EVERYTHING = ("invalidate", None)


# The default mode


def test_a_key_that_was_read_is_told_once(reader: Client, writer: Client) -> None:
    assert reader.ask("GET a") is None
    assert writer("SET a 1", "SET a 2", "SET b 1") == ["OK"] * 3
    assert reader.receive() == [changed("a")]
    assert reader.ask("GET a") == "2"
    writer("DEL a")
    assert reader.receive() == [changed("a")]


def test_each_key_of_a_command(reader: Client, writer: Client) -> None:
    reader("MGET a b a", "EXISTS c", "SINTERCARD 2 d e", "XREAD STREAMS f g 0 0")
    for key in "abcdefg":
        writer(f"SET {key} 1")
        assert reader.receive() == [changed(key)]


@pytest.mark.parametrize(
    "request_", ["SET k 1", "SORT k", "BITFIELD k GET u8 0", "PING", "KEYS *", "SCAN 0", "WATCH k"]
)
def test_what_is_no_read_of_a_key_is_not_remembered(
    server: Server, reader: Client, writer: Client, request_: str
) -> None:
    reader(request_)
    assert server.counts["keys"] == 0
    writer("SET k 2")
    assert reader.receive() == []


def test_a_read_that_failed_is_remembered(reader: Client, writer: Client) -> None:
    writer("SET k 1")
    assert isinstance(reader.ask("LRANGE k 0 -1"), Failure)
    writer("DEL k")
    assert reader.receive() == [changed("k")]


def test_a_read_whose_arguments_make_no_sense_is_not(server: Server, reader: Client) -> None:
    assert isinstance(reader.ask("SINTERCARD 9 k"), Failure)
    assert isinstance(reader.ask("GET"), Failure)
    assert isinstance(reader.ask("GOT k"), Failure)
    assert server.counts["keys"] == 0


def test_names_count_whatever_the_database(reader: Client, writer: Client) -> None:
    reader("GET k", "SELECT 3", "GET m")
    writer("SELECT 7", "SET k 1", "SET m 1")
    assert reader.receive() == [changed("k"), changed("m")]


def test_what_is_done_to_a_key(reader: Client, writer: Client) -> None:
    for request in ("RPUSH l 1", "EXPIRE l 100", "PERSIST l", "RENAME l m", "COPY m l", "MOVE l 1", "UNLINK m"):
        reader("TYPE l", "TYPE m")
        writer(request)
        keys = {key for message in reader.receive() for key in message[1]}
        assert keys == {word for word in request.split()[1:] if word in "lm"} - ({"m"} if "COPY" in request else set())


def test_several_readers_of_one_key(server: Server, writer: Client) -> None:
    readers = [server.connect() for _ in range(20)]
    for client in readers:
        client("CLIENT TRACKING ON", "GET k")
    assert server.counts == {"clients": 20, "keys": 1, "items": 20, "prefixes": 0}
    writer("SET k 1")
    assert [client.receive() for client in readers] == [[changed("k")]] * 20
    assert server.counts == {"clients": 20, "keys": 0, "items": 0, "prefixes": 0}


def test_an_expired_key_is_told_by_whoever_finds_it(server: Server, reader: Client) -> None:
    reader("CLIENT TRACKING ON NOLOOP", "SET k 1 PX 500", "GET k")
    server.engine.clock_offset_ms += 1000
    assert reader("GET k") == [None, changed("k")]
    reader("SET k 1 PX 500", "GET k")
    server.engine.clock_offset_ms += 1000
    server.engine.cron(10000)
    assert reader.receive() == [changed("k")]


# Own changes


def test_own_changes_come_behind_the_reply(reader: Client) -> None:
    reader("MGET a b c")
    assert reader("SET a 1", "GET a", "MSET a 1 b 1") == ["OK", changed("a"), "1", "OK", changed("a"), changed("b")]


def test_own_changes_come_behind_the_reply_of_the_transaction(reader: Client, writer: Client) -> None:
    reader("MGET a b")
    assert reader("MULTI", "SET a 1", "GET a", "SET b 1", "EXEC", "SET a 2") == [
        *("OK", "QUEUED", "QUEUED", "QUEUED"),
        ["OK", "1", "OK"],
        changed("a"),
        changed("b"),
        "OK",
        changed("a"),
    ]


def test_own_changes_of_a_woken_command(reader: Client, writer: Client) -> None:
    reader("LRANGE to 0 -1")
    assert reader("BLMOVE from to LEFT LEFT 0") == []
    writer("RPUSH from x")
    assert reader.receive() == ["x", changed("to")]


def test_while_another_client_runs_messages_are_not_held_back(reader: Client, writer: Client) -> None:
    reader("GET to")
    writer("BLMOVE from to LEFT LEFT 0")
    # The reader's own pipeline wakes the writer, whose command changes what the reader has read.
    assert reader("RPUSH from x", "PING") == [1, changed("to"), "PONG"]


def test_noloop(reader: Client, writer: Client) -> None:
    reader("CLIENT TRACKING ON NOLOOP", "MGET a b")
    assert reader("SET a 1", "MULTI", "SET b 1", "EXEC") == ["OK", "OK", "QUEUED", ["OK"]]
    reader("GET a")
    writer("SET a 2")
    assert reader.receive() == [changed("a")]


def test_noloop_forgets_what_the_client_wrote(server: Server, reader: Client, writer: Client) -> None:
    reader("CLIENT TRACKING ON NOLOOP", "GET a", "SET a 1")
    assert server.counts["keys"] == 0


# OPTIN, OPTOUT


def test_optin(server: Server, writer: Client) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON OPTIN", "GET a", "CLIENT CACHING YES", "GET b", "GET c")
    writer("MSET a 1 b 1 c 1")
    assert client.receive() == [changed("b")]


def test_optout(server: Server, writer: Client) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON OPTOUT", "GET a", "CLIENT CACHING NO", "GET b", "GET c")
    writer("MSET a 1 b 1 c 1")
    assert client.receive() == [changed("a"), changed("c")]


def test_caching_lasts_for_a_transaction(server: Server, writer: Client) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON OPTIN", "CLIENT CACHING YES", "MULTI", "GET a", "GET b", "EXEC", "GET c")
    writer("MSET a 1 b 1 c 1")
    assert client.receive() == [changed("a"), changed("b")]


def test_caching_is_over_with_the_next_command_whatever_comes_of_it(server: Server) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON OPTIN")
    for request in ("GET", "NOTHING", "PING", "GET a"):
        client("CLIENT CACHING YES")
        client("CLIENT ID")  # says nothing about keys
        assert client.ask("CLIENT TRACKINGINFO")["flags"] == ["on", "optin", "caching-yes"]
        client(request)
        assert client.ask("CLIENT TRACKINGINFO")["flags"] == ["on", "optin"]


def test_caching_lasts_while_a_command_waits(server: Server, writer: Client) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON OPTIN", "CLIENT CACHING YES", "XREAD BLOCK 0 STREAMS s $")
    writer("XADD s 1-1 f v")
    assert client.receive()[0] == {"s": [["1-1", ["f", "v"]]]}
    writer("DEL s")
    assert client.receive() == [changed("s")]


# Broadcasting


def test_broadcast_of_prefixes(server: Server, writer: Client) -> None:
    client, other = server.connect(), server.connect()
    client("CLIENT TRACKING ON BCAST PREFIX user: PREFIX order:")
    other("CLIENT TRACKING ON BCAST PREFIX user:")
    assert server.counts == {"clients": 2, "keys": 0, "items": 0, "prefixes": 2}
    client("GET user:1")
    writer("SET user:1 a", "SET order:1 b", "SET thing c", "SET user: d", "SET use e", "SET user:1 f")
    assert sorted(client.receive()) == [changed("order:1"), changed("user:1", "user:")]
    assert other.receive() == [changed("user:1", "user:")]


def test_broadcast_of_all_keys(server: Server, writer: Client) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON BCAST")
    writer("MSET a 1 b 2")
    assert client.receive() == [changed("a", "b")]
    writer("DEL a nothing")
    assert client.receive() == [changed("a")]
    assert client("SET own 1") == ["OK", changed("own")]


def test_broadcast_noloop(server: Server, writer: Client) -> None:
    client, other = server.connect(), server.connect()
    client("CLIENT TRACKING ON BCAST NOLOOP")
    other("CLIENT TRACKING ON BCAST NOLOOP PREFIX a")
    client.send("MSET a1 1 b 1")
    other.send("SET a2 1", "SET a1 2")
    writer.send("SET c 1")
    server.turn()
    # a1 was changed by somebody else too.
    assert client.receive() == ["OK", changed("a1", "a2", "c")]
    assert other.receive() == ["OK", "OK", changed("a1")]
    assert client("SET a 1", "DEL a") == ["OK", 1]
    assert other.receive() == [changed("a")]


def test_broadcast_noloop_tells_of_own_keys_that_expire(server: Server) -> None:
    client = server.connect()
    client("CLIENT TRACKING ON BCAST NOLOOP")
    client.send("SET k 1 PX 1")
    server.engine.clock_offset_ms += 1000
    client.send("GET k")
    assert client.receive() == ["OK", None, changed("k")]


def test_prefixes_of_many_lengths(server: Server, writer: Client) -> None:
    client = server.connect()
    prefixes = [f"{number}" + "x" * number for number in range(1, 10)]
    client("CLIENT TRACKING ON BCAST " + " ".join(f"PREFIX {prefix}" for prefix in prefixes))
    assert client.ask("CLIENT TRACKINGINFO")["prefixes"] == sorted(prefixes)
    for prefix in prefixes:
        writer(f"MSET {prefix} 1 {prefix[:-1]}y 1 {prefix}z 1")
        assert client.receive() == [changed(prefix, prefix + "z")]
    client("CLIENT TRACKING OFF")
    assert server.counts["prefixes"] == 0
    writer("SET 1x 1")
    assert client.receive() == []


def test_a_prefix_goes_with_its_last_member(server: Server, writer: Client) -> None:
    client, other = server.connect(), server.connect()
    client("CLIENT TRACKING ON BCAST PREFIX a")
    other("CLIENT TRACKING ON BCAST PREFIX a PREFIX b")
    writer.send("SET a 1")  # noted, and not told yet
    client.leave()
    assert server.counts["prefixes"] == 2
    other("RESET")
    assert server.counts == {"clients": 0, "keys": 0, "items": 0, "prefixes": 0}


# Everything


@pytest.mark.parametrize("options", ["", "NOLOOP", "OPTIN", "BCAST", "BCAST PREFIX x"])
@pytest.mark.parametrize("request_", ["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC"])
def test_flush(server: Server, writer: Client, options: str, request_: str) -> None:
    client = server.connect()
    client(f"CLIENT TRACKING ON {options}", "GET k")
    writer(request_)
    assert client.receive() == [EVERYTHING]
    assert server.counts["keys"] == 0
    assert client(request_) == ["OK", EVERYTHING]
    assert client("MULTI", request_, "PING", "EXEC") == ["OK", "QUEUED", "QUEUED", ["OK", "PONG"], EVERYTHING]


def test_swapping_databases_changes_everything(reader: Client, writer: Client) -> None:
    reader("GET k")
    writer("SWAPDB 0 1")
    assert reader.receive() == [EVERYTHING]


# Redirection and protocols


def test_resp2_is_told_nothing_without_redirection(server: Server, writer: Client) -> None:
    client = server.connect(protocol=2)
    client("CLIENT TRACKING ON", "GET k")
    writer("SET k 1", "FLUSHALL")
    assert client.receive() == []


def test_redirection_to_resp3(server: Server, writer: Client) -> None:
    client, other = server.connect(protocol=2), server.connect()
    client(f"CLIENT TRACKING ON REDIRECT {other.id}", "GET k")
    assert client.ask("CLIENT GETREDIR") == other.id
    assert " flags=t db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 " in describe(client.connection)
    assert f" redir={other.id} " in describe(client.connection)
    writer("SET k 1")
    assert (client.receive(), other.receive()) == ([], [changed("k")])
    client("GET k")
    assert other("SET k 2", "PING") == ["OK", changed("k"), "PONG"]
    client("CLIENT TRACKING ON")  # to itself again
    assert client.ask("CLIENT GETREDIR") == 0
    assert " redir=0 " in describe(client.connection)


def test_redirection_to_a_client_of_resp2_that_is_no_subscriber(server: Server, writer: Client) -> None:
    client, other = server.connect(), server.connect(protocol=2)
    client(f"CLIENT TRACKING ON REDIRECT {other.id}", "GET k")
    writer("SET k 1")
    assert (client.receive(), other.receive()) == ([], [])


def test_redirection_to_a_client_that_has_gone(server: Server, writer: Client) -> None:
    client, other = server.connect(), server.connect()
    client(f"CLIENT TRACKING ON REDIRECT {other.id}", "MGET a b")
    other.leave()
    assert client.receive() == []
    writer("SET a 1", "SET a 2", "SET b 1")
    assert client.receive() == [("tracking-redir-broken", other.id)] * 2
    shown = {"flags": ["on", "broken_redirect"], "redirect": other.id, "prefixes": []}
    assert client.ask("CLIENT TRACKINGINFO") == shown
    assert " flags=tR " in describe(client.connection)
    client("GET a")
    assert client("SET a 3") == ["OK", ("tracking-redir-broken", other.id)]
    client("CLIENT TRACKING ON", "GET a")
    writer("SET a 4")
    assert client.receive() == [changed("a")]
    assert " flags=t " in describe(client.connection)


def test_redirection_to_itself(server: Server, writer: Client) -> None:
    client = server.connect()
    client(f"CLIENT TRACKING ON BCAST REDIRECT {client.id}")
    assert " flags=tB " in describe(client.connection)
    writer("SET a 1")
    assert client.receive() == [changed("a")]


def test_muted_clients_are_told(reader: Client, writer: Client) -> None:
    reader("GET a", "CLIENT REPLY OFF")
    writer("SET a 1")
    assert reader.receive() == [changed("a")]
    reader("GET a")
    assert reader("SET a 2", "PING") == [changed("a")]
    assert reader("CLIENT REPLY ON") == ["OK"]


# The table's limit


def test_limit(server: Server, reader: Client) -> None:
    reader(*(f"GET {number}" for number in range(1000)))
    assert server.counts["keys"] == 1000
    server.engine.set("tracking_max_keys", 700)
    told = reader.receive()
    for _ in range(3):
        server.engine.cron(0)
        told += reader.receive()
    # 100 at first, then 200: more with each turn that finds too many.
    assert server.counts == {"clients": 1, "keys": 700, "items": 700, "prefixes": 0}
    assert len({key for _, (key,) in told}) == 300
    server.engine.set("tracking_max_keys", 699)
    message, reply = reader("PING")  # before the reply of the next command
    assert (message[0], reply) == ("invalidate", "PONG")
    server.engine.set("tracking_max_keys", 0)
    reader(*(f"GET {number}" for number in range(5000, 7000)))
    server.engine.cron(0)
    assert server.counts["keys"] == 2699


# Turning it on and off


def test_what_was_read_before_is_not_told_in_broadcasting_mode(reader: Client, writer: Client) -> None:
    reader("GET a", "CLIENT TRACKING OFF", "CLIENT TRACKING ON BCAST PREFIX b")
    writer("SET a 1")
    assert reader.receive() == []


def test_off_and_leaving(server: Server, reader: Client, writer: Client) -> None:
    other = server.connect()
    other("CLIENT TRACKING ON", "MGET a b")
    reader("MGET a b c")
    reader("CLIENT TRACKING OFF")
    writer("SET a 1")
    assert (reader.receive(), other.receive()) == ([], [changed("a")])
    other.leave()
    assert server.counts["clients"] == 0
    server.engine.cron(0)
    assert server.counts == {"clients": 0, "keys": 0, "items": 0, "prefixes": 0}
    writer("SET b 1")
    assert reader.ask("CLIENT TRACKINGINFO") == OFF


def test_reset_ends_it(server: Server, reader: Client) -> None:
    reader("GET a", "RESET")
    assert reader.connection.tracking_options == 0 and reader.connection.tracking_redirect == -1
    assert server.counts["clients"] == 0


def test_memory_comes_back(server: Server, writer: Client) -> None:
    def come_and_go() -> int:
        clients = [server.connect() for _ in range(10)]
        for number, client in enumerate(clients):
            mode = "BCAST PREFIX k" if number % 3 == 0 else ""
            client(f"CLIENT TRACKING ON {mode} REDIRECT {clients[number // 2].id}")
            client(*(f"GET k{key}" for key in range(300)))
        writer(*(f"SET k{key} 1" for key in range(0, 300, 7)))
        for client in clients:
            client.leave()
        writer("FLUSHALL")
        server.engine.cron(0)
        server.turn()
        used: int = server.engine.memory["used"]
        return used

    # What the first round leaves is pools and buffers, which serve the second.
    first = come_and_go()
    assert come_and_go() == first


# The command


@pytest.mark.parametrize(
    "request_, text",
    [
        ("ON REDIRECT 999", "ERR The client ID you want redirect to does not exist"),
        ("ON REDIRECT 0", "ERR The client ID you want redirect to does not exist"),
        ("ON REDIRECT -1", "ERR The client ID you want redirect to does not exist"),
        ("ON REDIRECT x", "ERR value is not an integer or out of range"),
        ("ON REDIRECT ID REDIRECT ID", "ERR A client can only redirect to a single other client"),
        ("ON REDIRECT", "ERR syntax error"),
        ("ON BCAST PREFIX", "ERR syntax error"),
        ("ON NEVER", "ERR syntax error"),
        ("MAYBE", "ERR syntax error"),
        ("OFF REDIRECT 999", "ERR The client ID you want redirect to does not exist"),
        ("ON PREFIX a", "ERR PREFIX option requires BCAST mode to be enabled"),
        ("ON BCAST OPTIN", "ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("ON BCAST OPTOUT", "ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("ON OPTIN OPTOUT", "ERR You can't specify both OPTIN mode and OPTOUT mode"),
        (
            "ON BCAST PREFIX ab PREFIX a",
            "ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client must not overlap.",
        ),
    ],
)
def test_refused_options(server: Server, request_: str, text: str) -> None:
    client = server.connect()
    assert client.ask(f"CLIENT TRACKING {request_.replace('ID', str(client.id))}") == text
    assert client.ask("CLIENT TRACKINGINFO") == OFF
    assert client.ask("CLIENT GETREDIR") == -1


def test_off_at_first_in_resp2(server: Server) -> None:
    client = server.connect(protocol=2)
    assert client("CLIENT GETREDIR", "CLIENT TRACKINGINFO") == [
        -1,
        ["flags", ["off"], "redirect", -1, "prefixes", []],
    ]


def test_switching_modes(server: Server) -> None:
    client = server.connect()
    switched = (
        "ERR You can't switch {} before disabling tracking for this client, and then re-enabling it with a different "
        "mode."
    )
    assert client("CLIENT TRACKING ON OPTIN", "CLIENT TRACKING ON OPTOUT", "CLIENT TRACKING ON BCAST") == [
        "OK",
        switched.format("OPTIN/OPTOUT mode"),
        switched.format("BCAST mode on/off"),
    ]
    assert client("CLIENT TRACKING ON", "CLIENT TRACKING ON OPTOUT NOLOOP") == ["OK", "OK"]
    assert client.ask("CLIENT TRACKINGINFO")["flags"] == ["on", "optout", "noloop"]


def test_prefixes_add_up_and_do_not_overlap(server: Server) -> None:
    client = server.connect()
    overlap = "ERR Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must not overlap."
    client("CLIENT TRACKING ON BCAST PREFIX foo")
    assert client("CLIENT TRACKING ON BCAST PREFIX fo", "CLIENT TRACKING ON BCAST PREFIX food") == [
        overlap.format("fo", "foo"),
        overlap.format("food", "foo"),
    ]
    assert client("CLIENT TRACKING ON BCAST PREFIX bar", "CLIENT TRACKING ON BCAST") == ["OK", "OK"]
    shown = {"flags": ["on", "bcast"], "redirect": 0, "prefixes": ["", "bar", "foo"]}
    assert client.ask("CLIENT TRACKINGINFO") == shown


def test_refused_caching(server: Server) -> None:
    client = server.connect()
    assert client.ask("CLIENT CACHING YES") == (
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
    )
    client("CLIENT TRACKING ON OPTIN")
    assert client("CLIENT CACHING NO", "CLIENT CACHING MAYBE") == [
        "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        "ERR syntax error",
    ]
    client("CLIENT TRACKING OFF", "CLIENT TRACKING ON OPTOUT")
    assert client.ask("CLIENT CACHING YES") == (
        "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
    )


def test_not_for_an_engine_without_a_connection() -> None:
    with pytest.raises(CommandError, match="is for connections"):
        Server().engine.execute("CLIENT", "TRACKING", "ON")


# What it is all for


class CachesMachine(RuleBasedStateMachine):
    """Clients that keep what they read until they are told otherwise never see anything stale."""

    keys = st.sampled_from(["a", "a1", "a2", "b", "b1", "c"])

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.engine = self.server.engine
        self.writer = self.server.connect()
        self.clients = [self.server.connect() for _ in range(4)]
        modes: list[tuple[int, list[bytes]]] = [
            (0, []),
            (TRACKING_NOLOOP, []),
            (TRACKING_BCAST, [b"a", b"b"]),
            (TRACKING_BCAST | TRACKING_NOLOOP, [b""]),
        ]
        for client, (options, prefixes) in zip(self.clients, modes, strict=True):
            self.engine.track(client.connection, options, None, prefixes)
        self.caches: list[dict[str, Any]] = [{} for _ in self.clients]

    def note(self, number: int) -> list[Any]:
        """The client's replies; what it was told goes out of its cache."""
        replies = []
        for message in self.clients[number].receive():
            if not isinstance(message, tuple):
                replies.append(message)
            elif message[1] is None:
                self.caches[number].clear()
            else:
                for key in message[1]:
                    self.caches[number].pop(key, None)
        return replies

    @rule(number=st.integers(0, 3), key=keys)
    def read(self, number: int, key: str) -> None:
        client = self.clients[number]
        if key not in self.caches[number]:
            client.send(f"GET {key}")
            (self.caches[number][key],) = self.note(number)
            if number == 2 and key == "c":
                del self.caches[number][key]  # outside of its prefixes

    @rule(key=keys, value=st.integers(0, 3), ttl=st.sampled_from(["", " EX 1000"]))
    def write(self, key: str, value: int, ttl: str) -> None:
        self.writer(f"SET {key} {value}{ttl}")

    @rule(number=st.integers(0, 3), key=keys, value=st.integers(0, 3))
    def write_by_reader(self, number: int, key: str, value: int) -> None:
        self.clients[number].send(f"SET {key} {value}")
        self.caches[number].pop(key, None)
        self.note(number)

    @rule(key=keys, other=keys)
    def others(self, key: str, other: str) -> None:
        self.writer("MULTI", f"DEL {key}", f"COPY {other} {key}", "EXEC", f"RENAME {other} {key}")

    @rule(request=st.sampled_from(["FLUSHALL", "FLUSHDB ASYNC", "SWAPDB 0 1"]))
    def everything(self, request: str) -> None:
        self.writer(request)

    @rule()
    def time_passes(self) -> None:
        self.engine.clock_offset_ms += 1_000_001
        self.engine.cron(10000)

    @rule(most=st.integers(1, 3))
    def limit(self, most: int) -> None:
        self.engine.set("tracking_max_keys", most)
        self.engine.cron(0)
        self.engine.set("tracking_max_keys", 0)

    @invariant()
    def nothing_is_stale(self) -> None:
        for number, cache in enumerate(self.caches):
            assert self.note(number) == []
            for key, value in cache.items():
                assert self.writer.ask(f"GET {key}") == value, f"client {number}, {key}"

    def teardown(self) -> None:
        for client in self.server.clients:
            client.leave()


TestCaches = CachesMachine.TestCase
TestCaches.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


# --- prefixes that overlap


PREFIXES = st.lists(st.binary(max_size=3).map(lambda text: bytes(byte % 2 + 97 for byte in text)), max_size=6)


def overlap_of(prefixes: list[bytes], present: list[bytes]) -> str | None:
    """The error for the first prefix that overlaps with one that is present or with a later one."""
    for number, prefix in enumerate(prefixes):
        for others, kind in ((sorted(present), "an existing"), (prefixes[number + 1 :], "another provided")):
            for other in others:
                if prefix.startswith(other) or other.startswith(prefix):
                    return (
                        f"ERR Prefix '{prefix.decode()}' overlaps with {kind} prefix '{other.decode()}'. Prefixes for "
                        "a single client must not overlap."
                    )
    return None


@given(PREFIXES, PREFIXES)
def test_the_first_prefix_that_overlaps(prefixes: list[bytes], present: list[bytes]) -> None:
    # What is present does not overlap, but for the empty one, which comes by itself.
    present = [text for text in set(present) if not any(text != t and t and text.startswith(t) for t in present)]
    engine = Engine()
    ours, peer = socket.socketpair()
    connection = engine.connect(ours.detach(), "127.0.0.1:1", "127.0.0.1:2")
    engine.track(connection, TRACKING_BCAST, None, present)
    assert connection.tracking_prefixes == sorted(present)
    try:
        tracking_commands._refuse_overlap(connection, prefixes)
        found = None
    except CommandError as error:
        found = str(error)
    engine.close(connection)
    peer.close()
    assert found == overlap_of(prefixes, present)


def test_many_prefixes_take_no_longer_each(server: Server) -> None:
    client = server.connect()
    names = [f"prefix:{number}:" for number in range(20_000)]
    begun = time.process_time()
    for start in range(0, len(names), 100):
        # One each, and all at once.
        client(*(f"CLIENT TRACKING ON BCAST PREFIX {name}" for name in names[start : start + 100]))
    assert tracking_commands._first_overlapping([name.encode() for name in names]) is None
    # A second, where looking at all that there are takes half a minute.
    assert time.process_time() - begun < 8
    assert server.counts["prefixes"] == len(names)


def test_prefixes_count_as_memory_of_their_client(server: Server) -> None:
    client, other = server.connect(), server.connect()
    before = memory_of(client)
    for number in range(100):
        for one in (other, client):
            one(f"CLIENT TRACKING ON BCAST PREFIX prefix:{number:0200}")
    assert memory_of(client) > before + 100 * 200
    client("CLIENT TRACKING OFF")
    assert memory_of(client) < before + 1000


def test_what_a_client_says_of_itself_counts_as_its_memory(server: Server) -> None:
    client = server.connect()
    before = memory_of(client)
    client(
        f"CLIENT SETNAME {'n' * 5000}", f"CLIENT SETINFO LIB-NAME {'l' * 4000}", f"CLIENT SETINFO LIB-VER {'1' * 3000}"
    )
    assert memory_of(client) == before + 12_000
    client("CLIENT SETNAME short", "CLIENT SETINFO LIB-NAME x")
    assert memory_of(client) == before + 3006
    client("RESET")
    assert memory_of(client) == before + 3001


def memory_of(client: Client) -> int:
    """What a client takes, as CLIENT LIST tells."""
    line = describe(client.connection)
    return int(line.partition("tot-mem=")[2].split()[0])
