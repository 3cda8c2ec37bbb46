"""Commands about connections, on a real engine with socket pairs; the loop and the clock of pauses are hand-driven."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from redislite._core.commands.row import rows_of
from redislite._core.engine import Engine
from redislite._core.protocol.decoding import decode
from redislite._core.protocol.reply_types import CommandError
from redislite.acl.users import Users
from redislite.commands import connection as commands
from redislite.commands import tracking as tracking_commands
from redislite.config.compatibility import PROFILES
from redislite.config.config import Config
from redislite.observability.metrics import Metrics
from redislite.serving import pause as pause_module
from redislite.serving.clients import (
    CLIENT_MONITOR,
    CLIENT_POSTPONED,
    CLIENT_UNIX,
    age_of,
    capabilities_of,
    describe,
    idle_of,
)
from redislite.serving.pause import PauseState

LINE = (
    "id addr laddr fd name age idle flags capa db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp "
    "obl oll omem tot-mem events cmd user redir resp lib-name lib-ver tot-net-in tot-net-out tot-cmds"
)


class Timer:
    def __init__(self, due: float, function: Callable[[], object]) -> None:
        self.due = due
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        self.function = None


class HandDrivenLoop:
    """Timers that run when the test says how late it is (milliseconds)."""

    def __init__(self) -> None:
        self.now_ms = 1000.0
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        timer = Timer(self.now_ms + seconds * 1000, function)
        self.timers.append(timer)
        return timer

    def advance(self, ms: float) -> None:
        self.now_ms += ms
        self.turn()

    def turn(self) -> None:
        while due := [timer for timer in self.timers if timer.due <= self.now_ms]:
            self.timers = [timer for timer in self.timers if timer.due > self.now_ms]
            for timer in due:
                if timer.function is not None:
                    timer.function()


class Server:
    """As much of a server as these commands need."""

    def __init__(self, compatibility: str = "redis") -> None:
        self.engine = Engine(control=self)
        self.engine.register(rows_of(commands))
        self.loop = HandDrivenLoop()
        self.table = self.engine.table
        self.config = Config(change_directory=False)
        self.config.load(f"compatibility {compatibility}")
        for setting, value in PROFILES[compatibility].settings.items():
            self.engine.set(setting, value)
        self.monitors: set[Any] = set()
        self.pause = PauseState(self.engine, self.loop)  # type: ignore[arg-type]
        self.metrics = Metrics(self.engine)
        self.users = Users(self.engine, self.config, self.metrics.denied)
        self.engine.on_denied = self.users.deny
        self.clients: list[Client] = []

    def connect(self, address: str | None = None) -> Client:
        client = Client(self, address or f"127.0.0.1:{50000 + len(self.clients)}")
        self.clients.append(client)
        return client

    def turn(self) -> None:
        """What the loop does: due timers, then output and closing."""
        self.loop.turn()
        while self.engine.before_sleep():
            pass


class Client:
    def __init__(self, server: Server, address: str) -> None:
        self.server = server
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.socket = theirs
        self.socket.setblocking(False)
        self.connection = server.engine.connect(ours.detach(), address, "127.0.0.1:6379")
        server.users.welcome(self.connection)
        self.id = self.connection.id

    def send(self, *requests: str | tuple[str | bytes, ...]) -> None:
        """One pipeline; a str is split at blanks."""
        data = b""
        for request in requests:
            words = request.split() if isinstance(request, str) else request
            encoded = [word if isinstance(word, bytes) else word.encode() for word in words]
            data += b"*%d\r\n" % len(encoded)
            data += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        self.socket.send(data)
        if self.connection.fileno >= 0:
            self.connection.ready(select.POLLIN)
        self.server.turn()

    def receive(self) -> bytes:
        """What has arrived; "" for nothing, "<closed>" at the end."""
        data = b""
        while True:
            try:
                part = self.socket.recv(65536)
            except BlockingIOError:
                return data
            except ConnectionResetError:
                return data + b"<closed>"
            if not part:
                return data + b"<closed>"
            data += part

    def raw(self, *requests: str | tuple[str | bytes, ...]) -> bytes:
        self.send(*requests)
        return self.receive()

    def call(self, *words: str | bytes) -> Any:
        """The reply as a Python object; CommandError raised for an error."""
        return decode(self.raw(words[0] if len(words) == 1 and isinstance(words[0], str) else words))

    def error(self, *words: str | bytes) -> str:
        with pytest.raises(CommandError) as caught:
            self.call(*words)
        return str(caught.value)

    def field(self, name: str) -> str:
        """A field of the client's own line, as it is without asking the client."""
        return fields(describe(self.connection))[name]


def fields(line: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in line.strip("\n").split(" "))


def identifiers(listing: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"^id=(\d+) ", listing, re.M)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setattr(pause_module, "_now_ms", lambda: server.loop.now_ms)
    yield server
    for client in server.clients:
        server.engine.close(client.connection)
        client.socket.close()


@pytest.fixture
def client(server: Server) -> Client:
    return server.connect()


# --- HELLO


def test_hello_describes_the_server(client: Client) -> None:
    assert client.raw("HELLO") == (
        b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n8.0.6\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n"
        b":%d\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n" % client.id
    )


def test_hello_switches_the_protocol_both_ways(client: Client) -> None:
    assert client.raw("HELLO 3").startswith(b"%7\r\n")
    assert client.raw("CLIENT GETNAME") == b"_\r\n"
    assert client.raw("HELLO 2").startswith(b"*14\r\n")
    assert client.raw("CLIENT GETNAME") == b"$-1\r\n"


@pytest.mark.parametrize(
    ("request_text", "error"),
    [
        ("HELLO 4", "NOPROTO unsupported protocol version"),
        ("HELLO 1", "NOPROTO unsupported protocol version"),
        ("HELLO -1", "NOPROTO unsupported protocol version"),
        ("HELLO abc", "ERR Protocol version is not an integer or out of range"),
        ("HELLO 03", "ERR Protocol version is not an integer or out of range"),
        ("HELLO 3 FOO", "ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 3 SETNAME", "ERR Syntax error in HELLO option 'SETNAME'"),
        ("HELLO 3 AUTH default", "ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 AUTH foo x", "WRONGPASS invalid username-password pair or user is disabled."),
        ("HELLO 3 AUTH default x AUTH foo x", "WRONGPASS invalid username-password pair or user is disabled."),
    ],
)
def test_hello_refuses(client: Client, request_text: str, error: str) -> None:
    assert client.error(request_text) == error
    assert client.connection.protocol == 2


def test_hello_sets_the_name_only_when_all_is_well(client: Client) -> None:
    client.call("HELLO 2 SETNAME first SETNAME second")
    assert client.call("CLIENT GETNAME") == b"second"
    assert "spaces" in client.error("HELLO", "3", "SETNAME", "a b")
    assert client.error("HELLO 3 SETNAME third AUTH foo x").startswith("WRONGPASS")
    assert client.call("CLIENT GETNAME") == b"second"
    client.call("HELLO", "3", "SETNAME", "")
    assert client.call("CLIENT GETNAME") is None


def test_hello_with_authentication(server: Server) -> None:
    server.users.set_default_password(b"secret")
    client = server.connect()
    assert client.error("HELLO 3").startswith("NOAUTH HELLO must be called with the client already authenticated, ")
    assert client.error("HELLO 9") == "NOPROTO unsupported protocol version"
    assert client.error("HELLO 3 AUTH default wrong SETNAME x").startswith("WRONGPASS")
    assert client.call("HELLO 3 SETNAME x AUTH default secret")[b"proto"] == 3
    assert client.call("CLIENT GETNAME") == b"x"


# --- AUTH


def test_auth_without_a_password_configured(client: Client) -> None:
    assert client.error("AUTH foo") == (
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?"
    )
    assert client.call("AUTH default anything") == "OK"
    assert client.error("AUTH nobody anything").startswith("WRONGPASS")
    assert client.error("AUTH a b c") == "ERR syntax error"


def test_auth_with_a_password(server: Server) -> None:
    server.users.set_default_password(b"abc\x00def")
    client = server.connect()
    assert client.error("CLIENT ID") == "NOAUTH Authentication required."
    assert client.error("AUTH", b"abc") == "WRONGPASS invalid username-password pair or user is disabled."
    assert client.error("AUTH", "default", "abc").startswith("WRONGPASS")
    assert client.error("AUTH", "Default", b"abc\x00def").startswith("WRONGPASS")
    assert client.call("AUTH", b"abc\x00def") == "OK"
    assert client.call("CLIENT ID") == client.id
    assert client.error("AUTH wrong").startswith("WRONGPASS")
    assert client.call("CLIENT ID") == client.id


# --- RESET, QUIT


def test_reset(server: Server, client: Client) -> None:
    for request in ("SELECT 3", "CLIENT SETNAME foo", "CLIENT NO-EVICT ON", "CLIENT NO-TOUCH ON"):
        assert client.call(request) == "OK"
    client.call("CLIENT SETINFO LIB-NAME lib")
    client.call("CLIENT CAPA redirect")
    client.call("HELLO 3")
    assert client.raw("CLIENT REPLY OFF") == b""
    assert client.raw("RESET") == b"+RESET\r\n"
    shown = fields(client.call("CLIENT INFO").decode())
    assert (shown["db"], shown["name"], shown["flags"], shown["resp"]) == ("0", "", "N", "2")
    assert (shown["lib-name"], capabilities_of(client.connection)) == ("lib", "r")


def test_reset_ends_monitoring(server: Server, client: Client) -> None:
    client.connection.set_flag(CLIENT_MONITOR, True)
    server.monitors.add(client.connection)
    assert client.field("flags") == "O"
    client.call("RESET")
    assert client.field("flags") == "N"
    assert not server.monitors


def test_reset_takes_the_authentication(server: Server) -> None:
    server.users.set_default_password(b"secret")
    client = server.connect()
    client.call("AUTH secret")
    client.call("RESET")
    assert client.error("CLIENT ID").startswith("NOAUTH")


def test_quit_answers_then_closes(client: Client) -> None:
    assert client.raw("CLIENT ID", "QUIT now", "CLIENT ID") == b":%d\r\n+OK\r\n<closed>" % client.id


# --- CLIENT about itself


@pytest.mark.parametrize("compatibility", ["redis", "valkey"])
def test_client_info_has_the_fields_in_order(compatibility: str) -> None:
    client = Server(compatibility).connect()
    text = client.call("CLIENT INFO").decode()
    assert text.endswith("\n")
    line = LINE.replace(" capa", "").partition(" tot-net-in")[0] + " io-thread" if compatibility == "redis" else LINE
    assert " ".join(fields(text)) == line
    shown = fields(text)
    expected = {
        "id": str(client.id),
        "addr": "127.0.0.1:50000",
        "laddr": "127.0.0.1:6379",
        "fd": str(client.connection.fileno),
        "flags": "N",
        "multi": "-1",
        "qbuf": "26" if compatibility == "redis" else "0",
        "obl": "0",
        "oll": "0",
        "omem": "0",
        "events": "r",
        "cmd": "client|info",
        "user": "default",
        "redir": "-1",
        "resp": "2",
    }
    assert {name: shown[name] for name in expected} == expected


def test_client_info_is_verbatim_text_in_resp3(client: Client) -> None:
    client.call("HELLO 3")
    assert re.match(rb"=\d+\r\ntxt:id=", client.raw("CLIENT INFO"))
    assert re.match(rb"=\d+\r\ntxt:id=", client.raw("CLIENT LIST"))


def test_client_info_counts_traffic_and_commands() -> None:
    client = Server("valkey").connect()
    first = fields(client.call("CLIENT INFO").decode())
    second = fields(client.call("CLIENT INFO").decode())
    assert int(second["tot-net-in"]) == int(first["tot-net-in"]) + len(b"*2\r\n$6\r\nCLIENT\r\n$4\r\nINFO\r\n")
    assert int(second["tot-net-out"]) > int(first["tot-net-out"]) + 300
    assert int(second["tot-cmds"]) == int(first["tot-cmds"]) + 1


def test_an_incomplete_request_shows_in_the_query_buffer(client: Client) -> None:
    assert (client.field("qbuf"), client.field("qbuf-free")) == ("0", "0")
    client.socket.send(b"*3\r\n$3\r\nSET\r\n$5\r\nab")
    client.connection.ready(select.POLLIN)
    # What is parsed already counts as arguments.
    assert (client.field("qbuf"), client.field("argv-mem")) == ("2", "3")


def test_flag_letters_are_in_order(client: Client) -> None:
    client.connection.set_flag(CLIENT_UNIX, True)
    client.call("CLIENT NO-TOUCH ON")
    client.call("CLIENT NO-EVICT on")
    assert client.field("flags") == "UeT"
    client.call("CLIENT NO-TOUCH OFF")
    client.call("CLIENT NO-EVICT off")
    assert client.field("flags") == "U"
    assert client.error("CLIENT NO-EVICT maybe") == "ERR syntax error"
    assert client.error("CLIENT NO-TOUCH maybe") == "ERR syntax error"


@pytest.mark.parametrize("name", [b"a b", b"a\nb", b"\x7f", b"\xc3\xa9", b"tab\t"])
def test_names_that_would_break_a_line(client: Client, name: bytes) -> None:
    error = "cannot contain spaces, newlines or special characters."
    assert client.error("CLIENT", "SETNAME", name) == f"ERR Client names {error}"
    assert client.error("CLIENT", "SETINFO", "lib-name", name) == f"ERR lib-name {error}"
    assert client.error("CLIENT", "SETINFO", "LIB-VER", name) == f"ERR LIB-VER {error}"


def test_names(client: Client) -> None:
    assert client.call("CLIENT GETNAME") is None
    assert client.call("CLIENT SETNAME some=name!~") == "OK"
    assert client.call("CLIENT GETNAME") == b"some=name!~"
    assert client.call("CLIENT", "SETNAME", "") == "OK"
    assert client.call("CLIENT GETNAME") is None
    assert client.call("CLIENT SETINFO lib-name redis-py") == "OK"
    assert client.call("CLIENT SETINFO Lib-Ver 5.0.1") == "OK"
    assert b" lib-name=redis-py lib-ver=5.0.1 " in client.call("CLIENT INFO")
    assert client.call("CLIENT", "SETINFO", "LIB-NAME", "") == "OK"
    assert b" lib-name= lib-ver=5.0.1 " in client.call("CLIENT INFO")
    assert client.error("CLIENT SETINFO badger hamster") == "ERR Unrecognized option 'badger'"


def test_capabilities(client: Client) -> None:
    assert client.call("CLIENT CAPA unknown") == "OK"
    assert capabilities_of(client.connection) == ""
    assert client.call("CLIENT CAPA unknown REDIRECT redirect") == "OK"
    assert capabilities_of(client.connection) == "r"


@pytest.mark.parametrize(
    ("requests", "replies"),
    [
        (("OFF", "ON"), b"+OK\r\n+PONG\r\n"),
        (("OFF",), b""),
        (("OFF", "SKIP"), b""),
        (("OFF", "SKIP", "ON"), b"+OK\r\n+PONG\r\n"),
        (("SKIP",), b""),
        (("SKIP", "ON"), b"+OK\r\n+PONG\r\n"),
        (("SKIP", "SKIP"), b""),
        (("FOO",), b"-ERR syntax error\r\n+PONG\r\n"),
    ],
)
def test_reply_modes(client: Client, requests: tuple[str, ...], replies: bytes) -> None:
    assert client.raw(*(f"CLIENT REPLY {mode}" for mode in requests), "PING") == replies
    expected = b"" if requests in (("OFF",), ("OFF", "SKIP")) else b"+PONG\r\n"
    assert client.raw("PING") == expected


def test_help_names_every_subcommand(client: Client) -> None:
    lines = client.call("CLIENT HELP")
    named = {line.split()[0].lower() for line in lines[1:] if not line.startswith(" ")}
    rows = [*rows_of(commands), *rows_of(tracking_commands)]
    registered = {row.name.partition("|")[2] for row in rows if row.name.startswith("client|")}
    assert named == registered


def test_the_engines_own_client() -> None:
    engine = Server().engine
    assert engine.execute("HELLO", 2)[b"proto"] == 2
    assert engine.execute("CLIENT", "INFO").startswith(b"id=")
    assert engine.execute("RESET") == "RESET"
    assert engine.execute("QUIT") == "OK"
    with pytest.raises(CommandError, match="CLIENT REPLY"):
        engine.execute("CLIENT", "REPLY", "OFF")
    assert engine.execute("CLIENT", "GETNAME") is None


# --- CLIENT LIST and KILL


def test_list_is_oldest_first(server: Server) -> None:
    clients = [server.connect() for _ in range(3)]
    assert identifiers(clients[1].call("CLIENT LIST")) == [client.id for client in clients]


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ("ID {b}", "b"),
        ("ID {b} {a} 9999", "ab"),
        ("ID {a} ID {b}", "ab"),
        ("NOT-ID {b}", "ac"),
        ("ID {a} {b} NOT-ID {b}", "a"),
        ("ID {b} TYPE normal", "b"),
        ("TYPE normal", "abc"),
        ("TYPE NORMAL TYPE pubsub", ""),
        ("TYPE replica", ""),
        ("TYPE slave", ""),
        ("TYPE master", ""),
        ("TYPE primary", ""),
        ("NOT-TYPE pubsub", "abc"),
        ("USER default", "abc"),
        ("NOT-USER default", ""),
        ("ADDR 10.0.0.2:7", "b"),
        ("ADDR 10.0.0.1:7 ADDR 10.0.0.2:7", "b"),
        ("NOT-ADDR 10.0.0.2:7", "ac"),
        ("LADDR 127.0.0.1:6379", "abc"),
        ("NOT-LADDR 127.0.0.1:6379", ""),
        ("IP 10.0.0.2", "b"),
        ("IP ::1", "c"),
        ("NOT-IP 10.0.0.2", "ac"),
        ("NAME bob", "b"),
        ("NAME bo", ""),
        ("NOT-NAME bob", "ac"),
        ("LIB-NAME lib", "b"),
        ("NOT-LIB-NAME lib", "ac"),
        ("LIB-VER 1", "b"),
        ("NOT-LIB-VER 1", "ac"),
        ("DB 0", "ac"),
        ("DB 5", "b"),
        ("NOT-DB 5", "ac"),
        ("FLAGS e", "b"),
        ("FLAGS Te", "b"),
        ("FLAGS NA", ""),
        ("FLAGS N", "ac"),
        ("NOT-FLAGS e", "ac"),
        ("NOT-FLAGS eN", "abc"),
        ("CAPA r", "b"),
        ("NOT-CAPA r", "ac"),
        ("SKIPME yes", "bc"),
        ("SKIPME yes SKIPME no", "abc"),
        ("MAXAGE 1", ""),
        ("IDLE 1", ""),
        ("DB 0 NOT-IP ::1", "a"),
    ],
)
def test_list_filters(server: Server, filters: str, chosen: str) -> None:
    a, b, c = (server.connect(address) for address in ("10.0.0.1:7", "10.0.0.2:7", "[::1]:7"))
    for request in (
        *("SELECT 5", "CLIENT SETNAME bob", "CLIENT SETINFO LIB-NAME lib", "CLIENT SETINFO LIB-VER 1"),
        *("CLIENT CAPA redirect", "CLIENT NO-EVICT ON", "CLIENT NO-TOUCH ON"),
    ):
        assert b.call(request) == "OK"
    listing = a.call("CLIENT LIST " + filters.format(a=a.id, b=b.id))
    by_letter = {"a": a.id, "b": b.id, "c": c.id}
    assert identifiers(listing) == [by_letter[letter] for letter in chosen]


@pytest.mark.parametrize("command", ["LIST", "KILL"])
@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ("ID 10 wrong_arg", "ERR syntax error"),
        ("NOT-ID 0", "ERR client-id should be greater than 0"),
        ("ID 1 ADDR", "ERR syntax error"),
        ("TYPE wrong", "ERR Unknown client type 'wrong'"),
        ("NOT-TYPE wrong", "ERR Unknown client type 'wrong'"),
        ("USER nobody", "ERR No such user 'nobody'"),
        ("NOT-USER nobody", "ERR No such user 'nobody'"),
        ("SKIPME perhaps", "ERR syntax error"),
        ("NOT-SKIPME yes", "ERR syntax error"),
        ("MAXAGE str", "ERR maxage is not an integer or out of range"),
        ("MAXAGE 9999999999999999999", "ERR maxage is not an integer or out of range"),
        ("MAXAGE -1", "ERR maxage should be greater than 0"),
        ("NOT-MAXAGE 1", "ERR syntax error"),
        ("IDLE 0", "ERR idle should be greater than 0"),
        ("NOT-IDLE 1", "ERR syntax error"),
        ("DB abc", "ERR DB is not an integer or out of range"),
        ("not-db abc", "ERR NOT-DB is not an integer or out of range"),
        ("DB 16", "ERR DB number should be between 0 and 15"),
        ("NOT-DB -1", "ERR NOT-DB number should be between 0 and 15"),
        ("FLAGS Nq", "ERR Unknown flags found in the provided filter: Nq"),
        ("NOT-FLAGS q", "ERR Unknown flags found in the NOT-FLAGS filter: q"),
        ("CAPA redirect", "ERR Unknown capa found in the provided filter: redirect"),
        ("NOT-CAPA q", "ERR Unknown capa found in the NOT-CAPA filter: q"),
    ],
)
def test_filter_errors(client: Client, command: str, filters: str, error: str) -> None:
    assert client.error(f"CLIENT {command} {filters}") == error


def test_a_filter_lacks_its_value(client: Client) -> None:
    for name in ("ID", "ADDR", "TYPE", "FOO"):
        assert client.error(f"CLIENT LIST {name}") == "ERR syntax error"


def test_empty_filter_values(client: Client) -> None:
    def listed(name: str) -> int:
        return len(identifiers(client.call("CLIENT", "LIST", name, "")))

    assert [listed(name) for name in ("NAME", "NOT-NAME", "FLAGS", "NOT-FLAGS", "CAPA", "NOT-CAPA")] == [
        *[0, 1, 1, 0, 1, 0]
    ]


def test_age_and_idle_filters(server: Server, client: Client) -> None:
    other = server.connect()
    client.send("PING")
    # The engine's clock cannot be turned here: what decides are the times of the connection itself.
    engine = server.engine
    assert age_of(other.connection) == (engine.now_ms - other.connection.created_ms) // 1000
    assert idle_of(other.connection) == (engine.now_ms - other.connection.active_ms) // 1000


def test_kill_closes_and_counts(server: Server, client: Client) -> None:
    others = [server.connect() for _ in range(3)]
    assert client.call(f"CLIENT KILL ID {others[0].id}") == 1
    assert others[0].receive() == b"<closed>"
    assert client.call(f"CLIENT KILL ID {others[0].id}") == 0
    assert client.call("CLIENT KILL TYPE normal") == 2
    assert [other.receive() for other in others[1:]] == [b"<closed>", b"<closed>"]
    assert client.call("CLIENT KILL TYPE normal") == 0
    assert identifiers(client.call("CLIENT LIST")) == [client.id]


def test_who_is_killed_is_gone_for_the_rest_of_the_pipeline(server: Server, client: Client) -> None:
    other = server.connect()
    kill = f"CLIENT KILL ID {other.id}"
    assert client.raw(kill, kill, f"CLIENT LIST ID {other.id}") == b":1\r\n:0\r\n$0\r\n\r\n"


def test_kill_by_address(server: Server, client: Client) -> None:
    other = server.connect("10.9.8.7:6")
    assert client.error("CLIENT KILL 10.9.8.7:") == "ERR No such client"
    assert client.call("CLIENT KILL 10.9.8.7:6") == "OK"
    assert other.receive() == b"<closed>"
    assert client.error("CLIENT KILL ID") == "ERR No such client"


def test_killing_oneself_answers_first(server: Server) -> None:
    client = server.connect()
    assert client.call(f"CLIENT KILL ID {client.id}") == 0
    assert client.raw(f"CLIENT KILL ID {client.id} SKIPME no", "PING") == b":1\r\n<closed>"
    client = server.connect("1.2.3.4:5")
    assert client.raw("CLIENT KILL 1.2.3.4:5", "PING") == b"+OK\r\n<closed>"


# --- CLIENT PAUSE


def test_a_pause_of_writes(server: Server, client: Client) -> None:
    other = server.connect()
    assert client.call("CLIENT PAUSE 1000 WRITE") == "OK"
    assert (server.pause.mode, server.pause.reason, server.pause.remaining_ms) == ("write", "client_pause", 1000)
    assert other.raw("GET x", "SET x y", "GET x") == b"$-1\r\n"
    assert other.field("flags") == "b"
    server.loop.advance(999)
    assert other.raw("PING") == b""
    server.loop.advance(1)
    server.turn()
    assert other.receive() == b"+OK\r\n$1\r\ny\r\n+PONG\r\n"
    assert other.field("flags") == "N"
    assert (server.pause.mode, server.pause.reason, server.pause.remaining_ms) == ("none", "none", 0)


def test_a_pause_of_writes_holds_them_before_they_are_queued(server: Server, client: Client) -> None:
    other = server.connect()
    assert client.call("CLIENT PAUSE 60000 WRITE") == "OK"
    assert other.raw("MULTI", "GET x", "SET x y", "EXEC") == b"+OK\r\n+QUEUED\r\n"
    assert client.call("CLIENT UNPAUSE") == "OK"
    assert other.receive() == b"+QUEUED\r\n*2\r\n$-1\r\n+OK\r\n"


def test_a_pause_of_everything(server: Server, client: Client) -> None:
    assert client.raw("CLIENT PAUSE 100", "PING") == b"+OK\r\n"
    assert client.raw("CLIENT UNPAUSE") == b""
    server.loop.advance(100)
    server.turn()
    assert client.receive() == b"+PONG\r\n+OK\r\n"


def test_unpausing(server: Server, client: Client) -> None:
    others = [server.connect() for _ in range(3)]
    assert client.call("CLIENT UNPAUSE") == "OK"
    client.call("CLIENT PAUSE 60000 WRITE")
    assert [other.raw("SET x y") for other in others] == [b"", b"", b""]
    assert server.pause.postponed == 3
    assert client.raw("CLIENT UNPAUSE") == b"+OK\r\n"
    assert [other.receive() for other in others] == [b"+OK\r\n", b"+OK\r\n", b"+OK\r\n"]
    assert server.pause.postponed == 0
    server.loop.advance(60000)
    assert client.call("SET x z") == "OK"


def test_a_pause_right_after_unpausing_holds(server: Server, client: Client) -> None:
    other = server.connect()
    client.call("CLIENT PAUSE 100 WRITE")
    assert other.raw("SET x y") == b""
    assert client.raw("CLIENT UNPAUSE", "CLIENT PAUSE 500 WRITE") == b"+OK\r\n+OK\r\n"
    assert other.receive() == b""
    server.loop.advance(499)
    assert other.receive() == b""
    server.loop.advance(1)
    server.turn()
    assert other.receive() == b"+OK\r\n"


@pytest.mark.parametrize(
    ("first", "second", "mode", "lasts"),
    [
        (("write", 800), ("all", 100), "all", 800),
        (("all", 800), ("write", 100), "all", 800),
        (("write", 100), ("write", 800), "write", 800),
        (("write", 800), ("write", 100), "write", 800),
        (("all", 100), ("write", 800), "all", 800),
    ],
)
def test_the_longer_and_more_severe_pause_holds(
    server: Server, first: tuple[str, int], second: tuple[str, int], mode: str, lasts: int
) -> None:
    for wanted, duration in (first, second):
        server.pause.pause(duration, wanted)
    assert (server.pause.mode, server.pause.remaining_ms) == (mode, lasts)
    server.loop.advance(lasts - 1)
    assert server.pause.mode == mode
    server.loop.advance(1)
    assert server.pause.mode == "none"
    assert not [timer for timer in server.loop.timers if timer.function is not None]


def test_a_pause_of_years_needs_no_long_timer(server: Server, client: Client) -> None:
    client.call("CLIENT PAUSE 9000000000000000 WRITE")
    for _ in range(3):
        assert max(timer.due for timer in server.loop.timers) - server.loop.now_ms <= 3600 * 1000
        server.loop.advance(3600 * 1000)
        assert server.pause.mode == "write"


def test_pause_of_no_time(client: Client) -> None:
    assert client.call("CLIENT PAUSE 0") == "OK"
    assert client.call("PING") == "PONG"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("abc", "ERR timeout is not an integer or out of range"),
        ("9223372036854775808", "ERR timeout is not an integer or out of range"),
        ("9223372036854775807", "ERR timeout is out of range"),
        ("-1", "ERR timeout is negative"),
        ("0 FOO", "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ("1 WRITE x", "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."),
    ],
)
def test_pause_refuses(server: Server, client: Client, arguments: str, error: str) -> None:
    assert client.error(f"CLIENT PAUSE {arguments}") == error
    assert server.pause.mode == "none"


def test_a_paused_client_can_be_killed(server: Server, client: Client) -> None:
    other = server.connect()
    client.call("CLIENT PAUSE 1000 WRITE")
    assert other.raw("SET x y") == b""
    assert client.call(f"CLIENT KILL ID {other.id}") == 1
    assert other.receive() == b"<closed>"
    client.call("CLIENT UNPAUSE")
    assert client.call("GET x") is None


# --- CLIENT UNBLOCK


def test_unblock_where_nothing_blocks(server: Server, client: Client) -> None:
    other = server.connect()
    for number in (client.id, other.id, 9999, 0, -1):
        assert client.call(f"CLIENT UNBLOCK {number}") == 0
    client.call("CLIENT PAUSE 1000 WRITE")
    other.send("SET x y")
    assert other.connection.flags & CLIENT_POSTPONED
    assert client.call(f"CLIENT UNBLOCK {other.id} ERROR") == 0
    assert other.receive() == b""


class Waiting:
    """A connection that waits for a key, once."""

    def __init__(self) -> None:
        self.ended = ""

    def time_out(self) -> bool:
        was, self.ended = self.ended, self.ended or "timeout"
        return not was

    def unblock_with_error(self) -> bool:
        was, self.ended = self.ended, self.ended or "error"
        return not was


@pytest.mark.parametrize(
    ("reason", "ended"), [([], "timeout"), ([b"TIMEOUT"], "timeout"), ([b"error"], "error"), ([b"ERROR"], "error")]
)
def test_unblock_ends_a_wait_once(reason: list[bytes], ended: str) -> None:
    waiting = Waiting()
    connection: Any = None
    server: Any = SimpleNamespace(engine=SimpleNamespace(find_connection={7: waiting}.get))
    request = [b"CLIENT", b"UNBLOCK", b"7", *reason]
    assert commands.client_unblock(server, connection, request) == 1
    assert commands.client_unblock(server, connection, request) == 0
    assert waiting.ended == ended


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("abc", "ERR value is not an integer or out of range"),
        ("abc FOO", "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        ("1 TIMEOUT x", "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."),
    ],
)
def test_unblock_refuses(client: Client, arguments: str, error: str) -> None:
    assert client.error(f"CLIENT UNBLOCK {arguments}") == error


def test_a_closing_client_shows_it(client: Client) -> None:
    client.connection.append("something to write yet")
    client.connection.close_soon(after_reply=True)
    assert client.field("flags") == "c"
