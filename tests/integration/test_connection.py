"""The connection group: HELLO, AUTH, RESET, QUIT, SELECT, and CLIENT with everything it can do."""

from __future__ import annotations

import time
from typing import Any

import pytest
from harness import (
    NOT_INTEGER,
    OK,
    PONG,
    SYNTAX,
    Connection,
    Failure,
    ServerPool,
    ServerProcess,
    Status,
    request,
    wait_until,
    wrong_arity,
)

NO_AUTH = Failure("NOAUTH Authentication required.")
WRONG_PASSWORD = Failure("WRONGPASS invalid username-password pair or user is disabled.")
NO_PASSWORD_SET = Failure(
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
NO_SUCH_CLIENT = Failure("ERR No such client")
BAD_NAME = Failure("ERR Client names cannot contain spaces, newlines or special characters.")
HELLO_FIELDS = {b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"}


# PING, ECHO, HELLO


def test_ping_and_echo(any_client: Connection) -> None:
    assert any_client("PING") == PONG
    assert any_client("PING", "hello") == b"hello"
    assert any_client("PING", "") == b""
    assert any_client("PING", "a", "b") == wrong_arity("ping")
    assert any_client("ECHO", "hello") == b"hello"
    assert any_client("ECHO") == wrong_arity("echo")
    assert any_client("ECHO", "a", "b") == wrong_arity("echo")


def test_hello(client: Connection) -> None:
    reply = client("HELLO")
    assert isinstance(reply, list) and set(reply[::2]) >= HELLO_FIELDS
    assert dict(zip(reply[::2], reply[1::2], strict=True))[b"proto"] == 2
    reply = client("HELLO", 3)
    assert isinstance(reply, dict) and set(reply) >= HELLO_FIELDS
    assert reply[b"proto"] == 3 and reply[b"server"] in (b"redis", b"valkey")
    assert reply[b"id"] == client("CLIENT", "ID")
    assert reply[b"mode"] == b"standalone" and reply[b"role"] == b"master"
    assert isinstance(client("HELLO"), dict)
    assert isinstance(client("HELLO", 2), list)
    assert client("GET", "missing") is None


def test_hello_errors(client: Connection) -> None:
    for version in ("1", "4", "-1", "100"):
        assert client("HELLO", version) == Failure("NOPROTO unsupported protocol version")
    for version in ("", "x", "3.0", "99999999999999999999"):
        assert client("HELLO", version) == Failure("ERR Protocol version is not an integer or out of range")
    assert client("HELLO", 3, "NOSUCH") == Failure("ERR Syntax error in HELLO option 'NOSUCH'")
    assert client("HELLO", 3, "SETNAME") == Failure("ERR Syntax error in HELLO option 'SETNAME'")
    assert client("HELLO", 3, "AUTH", "default") == Failure("ERR Syntax error in HELLO option 'AUTH'")
    assert client("HELLO", 3, "SETNAME", "a b") == BAD_NAME
    assert client("HELLO", 3, "AUTH", "nobody", "x") == WRONG_PASSWORD
    assert isinstance(client("HELLO"), list), "still RESP2 after the errors"


def test_hello_setname(client: Connection) -> None:
    assert isinstance(client("HELLO", 3, "SETNAME", "me"), dict)
    assert client("CLIENT", "GETNAME") == b"me"


# AUTH


def test_auth_without_password(client: Connection) -> None:
    assert client("AUTH", "x") == NO_PASSWORD_SET
    assert client("AUTH", "default", "anything") == OK
    assert client("AUTH", "nobody", "x") == WRONG_PASSWORD
    assert client("AUTH") == wrong_arity("auth")
    assert client("AUTH", "a", "b", "c") == SYNTAX


def test_requirepass(start_server: ServerPool) -> None:
    server = start_server(password="secret")
    stranger = Connection(server.address)
    for command in (("PING",), ("GET", "k"), ("SET", "k", "v"), ("CLIENT", "ID"), ("CONFIG", "GET", "*"), ("INFO",)):
        assert stranger(*command) == NO_AUTH
    assert stranger("NOSUCH") in (Failure("ERR unknown command 'NOSUCH', with args beginning with: "), NO_AUTH)
    assert stranger("HELLO", 3).startswith("NOAUTH HELLO must be called with the client already authenticated, ")
    assert stranger("AUTH", "wrong") == WRONG_PASSWORD
    assert stranger("AUTH", "default", "wrong") == WRONG_PASSWORD
    assert stranger("AUTH", "secre") == WRONG_PASSWORD
    assert stranger("AUTH", "secret\0") == WRONG_PASSWORD
    assert stranger("PING") == NO_AUTH
    assert stranger("AUTH", "secret") == OK
    assert stranger("PING") == PONG
    assert stranger("RESET") == Status("RESET")
    assert stranger("PING") == NO_AUTH
    assert stranger("AUTH", "default", "secret") == OK
    assert stranger("CONFIG", "GET", "requirepass") == [b"requirepass", b"secret"]
    stranger.close()
    stranger = Connection(server.address)
    assert isinstance(stranger("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "n"), dict)
    assert stranger("CLIENT", "GETNAME") == b"n"
    # A connection that is in stays in when the password changes; new ones need it.
    assert stranger("CONFIG", "SET", "requirepass", "other") == OK
    assert stranger("PING") == PONG
    late = Connection(server.address)
    assert late("AUTH", "secret") == WRONG_PASSWORD
    assert late("AUTH", "other") == OK
    assert late("CONFIG", "SET", "requirepass", "") == OK
    newest = Connection(server.address)
    assert newest("PING") == PONG
    assert newest("AUTH", "other") == NO_PASSWORD_SET
    for connection in (stranger, late, newest):
        connection.close()


def test_quit_before_authentication(start_server: ServerPool) -> None:
    server = start_server(password="secret")
    stranger = Connection(server.address)
    stranger.send(request("QUIT"))
    assert stranger.read_until_closed() == b"+OK\r\n"


def test_redis_py_with_password(start_server: ServerPool) -> None:
    redis = pytest.importorskip("redis")
    once = pytest.importorskip("redis.retry").Retry(pytest.importorskip("redis.backoff").NoBackoff(), 0)
    server = start_server(password="secret")
    for protocol in (2, 3):
        with redis.Redis(port=server.port, password="secret", protocol=protocol) as client:
            assert client.ping()
        wrong = redis.Redis(port=server.port, password="wrong", protocol=protocol, retry=once)
        with wrong, pytest.raises(redis.AuthenticationError):
            wrong.ping()


# RESET, QUIT


def test_reset(client: Connection) -> None:
    client("SELECT", 4)
    client("CLIENT", "SETNAME", "me")
    client("HELLO", 3)
    assert client("RESET") == Status("RESET")
    assert client("CLIENT", "GETNAME") is None
    client.send(request("GET", "missing"))
    assert client.read_raw() == b"$-1\r\n"
    assert "db=0" in client("CLIENT", "INFO").decode()
    assert client("RESET", "x") == wrong_arity("reset")


def test_quit(server: ServerProcess) -> None:
    connection = server.connect()
    connection.send(request("SET", "a", "1") + request("QUIT") + request("SET", "b", "1"))
    assert connection.read_until_closed() == b"+OK\r\n+OK\r\n"
    assert server.control("MGET", "a", "b") == [b"1", None]
    connection = server.connect()
    connection.send(b"quit\r\n")
    assert connection.read_until_closed() == b"+OK\r\n"
    connection = server.connect()
    connection.send(request("QUIT", "with", "arguments"))
    assert connection.read_until_closed() == b"+OK\r\n"


# Names and numbers


def test_client_id(server: ServerProcess) -> None:
    first, second = server.connect(), server.connect()
    assert second("CLIENT", "ID") > first("CLIENT", "ID") > 0
    assert first("CLIENT", "ID", "x") == wrong_arity("client|id")


def test_client_names(client: Connection) -> None:
    assert client("CLIENT", "GETNAME") is None
    assert client("CLIENT", "SETNAME", "my-name") == OK
    assert client("CLIENT", "GETNAME") == b"my-name"
    for name in ("a b", "a\n", "\t", "caf\u00e9", "\x7f"):
        assert client("CLIENT", "SETNAME", name) == BAD_NAME
    assert client("CLIENT", "GETNAME") == b"my-name"
    assert client("CLIENT", "SETNAME", "") == OK
    assert client("CLIENT", "GETNAME") is None


@pytest.mark.needs("CLIENT SETINFO lib-name x")
def test_client_setinfo(server: ServerProcess, client: Connection) -> None:
    assert client("CLIENT", "SETINFO", "LIB-NAME", "mylib") == OK
    assert client("CLIENT", "SETINFO", "lib-ver", "1.2.3") == OK
    info = client("CLIENT", "INFO").decode()
    assert "lib-name=mylib lib-ver=1.2.3" in info
    assert client("CLIENT", "SETINFO", "lib-name", "a b") == Failure(
        "ERR lib-name cannot contain spaces, newlines or special characters."
    )
    assert client("CLIENT", "SETINFO", "nosuch", "x") == Failure("ERR Unrecognized option 'nosuch'")
    assert client("CLIENT", "SETINFO", "lib-name") == wrong_arity("client|setinfo")
    assert client("RESET") == Status("RESET")
    assert "lib-name=mylib" in client("CLIENT", "INFO").decode()


def test_client_info_fields(server: ServerProcess) -> None:
    connection = server.connect(protocol=3)
    connection("CLIENT", "SETNAME", "me")
    connection("SELECT", 5)
    connection("GET", "k")
    text = connection("CLIENT", "INFO").decode()
    assert text.endswith("\n") and text.count("\n") == 1
    fields = dict(word.split("=", 1) for word in text.split())
    wanted = [
        "id",
        "addr",
        "laddr",
        "fd",
        "name",
        "age",
        "idle",
        "flags",
        "db",
        "sub",
        "psub",
        "ssub",
        "multi",
        "qbuf",
        "qbuf-free",
        "argv-mem",
        "multi-mem",
        "rbs",
        "rbp",
        "obl",
        "oll",
        "omem",
        "tot-mem",
        "events",
        "cmd",
        "user",
        "redir",
        "resp",
    ]
    assert [name for name in fields if name in wanted] == wanted
    assert fields["id"] == str(connection("CLIENT", "ID"))
    assert fields["addr"].startswith("127.0.0.1:") and fields["laddr"] == f"127.0.0.1:{server.port}"
    assert fields["name"] == "me" and fields["db"] == "5" and fields["resp"] == "3" and fields["user"] == "default"
    assert fields["flags"] == "N" and fields["cmd"] == "client|info" and fields["multi"] == "-1"
    unix = server.connect(unix=True)
    fields = dict(word.split("=", 1) for word in unix("CLIENT", "INFO").decode().split())
    assert fields["addr"] == f"{server.unix_path}:0" and fields["flags"] == "U"


def test_client_list(server: ServerProcess) -> None:
    connections = [server.connect() for _ in range(3)]
    for index, connection in enumerate(connections):
        connection("CLIENT", "SETNAME", f"c{index}")
    ids = [connection("CLIENT", "ID") for connection in connections]
    listed = server.clients()
    assert [client["name"] for client in listed if client["name"]] == ["c0", "c1", "c2"]
    assert listed[-1]["cmd"] == "client|setname" or listed[-1]["cmd"] == "client|id"
    text = server.control("CLIENT", "LIST", "ID", ids[0], ids[2], 999_999).decode()
    assert [line.split()[0] for line in text.splitlines()] == [f"id={ids[0]}", f"id={ids[2]}"]
    assert len(server.control("CLIENT", "LIST", "TYPE", "normal").splitlines()) == len(listed)
    for kind in ("pubsub", "master", "replica", "slave"):
        assert server.control("CLIENT", "LIST", "TYPE", kind) == b""
    assert server.control("CLIENT", "LIST", "TYPE", "nosuch") == Failure("ERR Unknown client type 'nosuch'")
    assert server.control("CLIENT", "LIST", "ID", "x") in (Failure("ERR Invalid client ID"), SYNTAX)
    assert server.control("CLIENT", "LIST", "NOSUCH") == SYNTAX
    assert server.control("CLIENT", "LIST", "TYPE") == SYNTAX


def test_idle_and_age(server: ServerProcess, client: Connection) -> None:
    client("CLIENT", "SETNAME", "idler")
    wait_until(lambda: int((server.client_with(name="idler") or {"idle": "0"})["idle"]) >= 1, "idle for a second", 5)
    client("PING")
    found = server.client_with(name="idler")
    assert found and found["idle"] == "0" and int(found["age"]) >= 1 and found["cmd"] == "ping"


# KILL


def test_client_kill_by_address(server: ServerProcess) -> None:
    victim = server.connect()
    host, port = victim.socket.getsockname()
    assert server.control("CLIENT", "KILL", f"{host}:{port}") == OK
    assert victim.read_until_closed() == b""
    assert server.control("CLIENT", "KILL", "1.2.3.4:5") == NO_SUCH_CLIENT
    assert server.control("CLIENT", "KILL", "") == NO_SUCH_CLIENT


def test_client_kill_by_filters(server: ServerProcess) -> None:
    victims = [server.connect() for _ in range(4)]
    for victim in victims:
        victim("PING")
    assert server.control("CLIENT", "KILL", "ID", victims[0]("CLIENT", "ID")) == 1
    assert victims[0].read_until_closed() == b""
    host, port = victims[1].socket.getsockname()
    assert server.control("CLIENT", "KILL", "ADDR", f"{host}:{port}", "TYPE", "normal", "SKIPME", "yes") == 1
    assert victims[1].read_until_closed() == b""
    assert server.control("CLIENT", "KILL", "ID", 999_999) == 0
    assert server.control("CLIENT", "KILL", "TYPE", "pubsub") == 0
    assert server.control("CLIENT", "KILL", "LADDR", f"127.0.0.1:{server.port}", "USER", "default") >= 2
    for victim in victims[2:]:
        assert victim.read_until_closed() == b""
    assert server.control("PING") == PONG


def test_client_kill_of_oneself(server: ServerProcess) -> None:
    connection = server.connect()
    number = connection("CLIENT", "ID")
    assert connection("CLIENT", "KILL", "ID", number) == 0, "SKIPME is yes"
    connection.send(request("CLIENT", "KILL", "ID", number, "SKIPME", "no") + request("SET", "after", "1"))
    assert connection.read_until_closed() == b":1\r\n"
    assert server.control("EXISTS", "after") == 0
    connection = server.connect()
    host, port = connection.socket.getsockname()
    connection.send(request("CLIENT", "KILL", f"{host}:{port}"))
    assert connection.read_until_closed() == b"+OK\r\n"


def test_client_kill_errors(client: Connection) -> None:
    for number in ("x", "0", "-1", ""):
        assert client("CLIENT", "KILL", "ID", number) in (
            Failure("ERR client-id should be greater than 0"),
            SYNTAX,
        )
    assert client("CLIENT", "KILL", "TYPE", "nosuch") == Failure("ERR Unknown client type 'nosuch'")
    assert client("CLIENT", "KILL", "USER", "nobody") == Failure("ERR No such user 'nobody'")
    assert client("CLIENT", "KILL", "SKIPME", "maybe") == SYNTAX
    assert client("CLIENT", "KILL", "NOSUCH", "x") == SYNTAX
    assert client("CLIENT", "KILL", "ID", "1", "ADDR") == SYNTAX
    assert client("CLIENT", "KILL") == wrong_arity("client|kill")


@pytest.mark.needs("CLIENT KILL MAXAGE 100000000")
def test_client_kill_maxage(server: ServerProcess) -> None:
    young = server.connect()
    assert server.control("CLIENT", "KILL", "MAXAGE", 1_000_000) == 0
    assert young("PING") == PONG


# PAUSE


def test_pause_of_writes(server: ServerProcess) -> None:
    writer, reader = server.connect(), server.connect()
    assert server.control("CLIENT", "PAUSE", 60_000, "WRITE") == OK
    writer.send(request("SET", "k", "v"))
    assert writer.is_silent(0.1)
    assert reader("GET", "k") is None
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "one client waits")
    assert server.control("CLIENT", "UNPAUSE") == OK
    assert writer.read() == OK
    assert reader("GET", "k") == b"v"


def test_pause_of_everything_ends_by_itself(server: ServerProcess) -> None:
    reader = server.connect()
    start = time.monotonic()
    assert server.control("CLIENT", "PAUSE", 300) == OK
    assert reader("PING") == PONG
    assert time.monotonic() - start >= 0.25


def test_pause_keeps_the_order_of_a_pipeline(server: ServerProcess) -> None:
    writer = server.connect()
    assert server.control("CLIENT", "PAUSE", 60_000, "WRITE") == OK
    writer.send(request("PING") + request("INCR", "n") + request("GET", "n") + request("INCR", "n"))
    assert writer.read() == PONG
    assert writer.is_silent(0.1)
    server.control("CLIENT", "UNPAUSE")
    assert [writer.read() for _ in range(3)] == [1, b"1", 2]


def test_a_paused_client_may_leave(server: ServerProcess) -> None:
    writer = server.connect()
    assert server.control("CLIENT", "PAUSE", 60_000, "WRITE") == OK
    writer.send(request("SET", "k", "v"))
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "one client waits")
    writer.close()
    wait_until(lambda: len(server.clients()) == 1, "it is gone")
    server.control("CLIENT", "UNPAUSE")
    assert server.control("EXISTS", "k") == 0


def test_keys_do_not_expire_away_in_a_pause(server: ServerProcess) -> None:
    server.control("SET", "k", "v", "PX", 30)
    before = int(server.info("stats")["expired_keys"])
    server.control("CLIENT", "PAUSE", 60_000, "WRITE")
    wait_until(lambda: server.control("GET", "k") is None, "the key is not seen any more")
    assert int(server.info("stats")["expired_keys"]) == before
    server.control("CLIENT", "UNPAUSE")


def test_pause_errors(client: Connection) -> None:
    assert client("CLIENT", "PAUSE") == wrong_arity("client|pause")
    assert client("CLIENT", "PAUSE", "x") == Failure("ERR timeout is not an integer or out of range")
    assert client("CLIENT", "PAUSE", "-1") == Failure("ERR timeout is negative")
    assert client("CLIENT", "PAUSE", "1", "NOSUCH") == Failure("ERR CLIENT PAUSE mode must be WRITE or ALL")
    assert client("CLIENT", "UNPAUSE") == OK
    assert client("PING") == PONG


def test_unblock(server: ServerProcess, client: Connection) -> None:
    other = server.connect()
    number = other("CLIENT", "ID")
    assert client("CLIENT", "UNBLOCK", number) == 0
    assert client("CLIENT", "UNBLOCK", 999_999) == 0
    assert client("CLIENT", "UNBLOCK", "x") == NOT_INTEGER
    assert client("CLIENT", "UNBLOCK", number, "NOSUCH") == Failure(
        "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
    )
    assert client("CLIENT", "UNBLOCK", number, "TIMEOUT") == 0
    assert client("CLIENT", "UNBLOCK", number, "error") == 0
    if not server.is_ours and server.version < (7, 2):
        return  # Redis 7.0 ends with an assertion
    # A client that a pause holds is not one that UNBLOCK may wake.
    assert server.control("CLIENT", "PAUSE", 60_000, "WRITE") == OK
    other.send(request("SET", "k", "v"))
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "one client waits")
    assert client("CLIENT", "UNBLOCK", number) == 0
    server.control("CLIENT", "UNPAUSE")
    assert other.read() == OK


# REPLY, NO-EVICT, NO-TOUCH


def test_reply_modes(client: Connection) -> None:
    client.send(request("CLIENT", "REPLY", "OFF") + request("SET", "k", "1") + request("GET", "k"))
    client.send(request("NOSUCH") + request("PING") + request("CLIENT", "REPLY", "ON"))
    assert client.read() == OK
    client.send(request("CLIENT", "REPLY", "SKIP") + request("PING") + request("GET", "k"))
    assert client.read() == b"1"
    client.send(request("CLIENT", "REPLY", "SKIP") + request("NOSUCH") + request("PING"))
    assert client.read() == PONG
    assert client("CLIENT", "REPLY", "ON") == OK
    assert client("CLIENT", "REPLY", "NOSUCH") == SYNTAX
    assert client("CLIENT", "REPLY") == wrong_arity("client|reply")


def test_reset_turns_replies_on(client: Connection) -> None:
    client.send(request("CLIENT", "REPLY", "OFF") + request("PING") + request("RESET"))
    assert client.read() == Status("RESET")
    assert client("PING") == PONG


def test_no_evict(client: Connection) -> None:
    assert client("CLIENT", "NO-EVICT", "ON") == OK
    assert "flags=e" in client("CLIENT", "INFO").decode()
    assert client("CLIENT", "NO-EVICT", "off") == OK
    assert "flags=N" in client("CLIENT", "INFO").decode()
    assert client("CLIENT", "NO-EVICT", "maybe") == SYNTAX


@pytest.mark.needs("CLIENT NO-TOUCH OFF")
def test_no_touch(server: ServerProcess, client: Connection) -> None:
    client("SET", "k", "v")
    assert client("CLIENT", "NO-TOUCH", "ON") == OK
    assert "flags=T" in client("CLIENT", "INFO").decode()
    wait_until(lambda: client("OBJECT", "IDLETIME", "k") >= 1 and client("GET", "k") == b"v", "idle for a second", 5)
    client("GET", "k")
    assert client("OBJECT", "IDLETIME", "k") >= 1
    # TOUCH is meant, and always counts.
    assert client("TOUCH", "k") == 1
    assert client("OBJECT", "IDLETIME", "k") == 0
    assert client("CLIENT", "NO-TOUCH", "OFF") == OK
    assert client("CLIENT", "NO-TOUCH", "maybe") == SYNTAX


def test_client_errors(client: Connection) -> None:
    assert client("CLIENT") == wrong_arity("client")
    assert client("CLIENT", "NOSUCH") == Failure("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.")
    assert isinstance(client("CLIENT", "HELP"), list)
    assert client("CLIENT", "HELP", "x") == wrong_arity("client|help")
    assert client("CLIENT", "GETNAME", "x") == wrong_arity("client|getname")


def test_redis_py_connection_commands(redis2: Any, redis3: Any) -> None:
    for client in (redis2, redis3):
        assert client.client_setname("py") and client.client_getname() in ("py", b"py")
        assert any(row["name"] == "py" for row in client.client_list())
        assert client.client_info()["db"] in (0, "0")
        assert client.echo("x") == b"x"
        assert client.client_id() > 0
        assert client.client_unpause()
        assert client.ping()
