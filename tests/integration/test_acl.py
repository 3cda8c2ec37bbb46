"""Users over the wire: ACL, AUTH, what is denied, the log, and users in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import (
    OK,
    PONG,
    Connection,
    Failure,
    ServerDied,
    ServerPool,
    ServerProcess,
    run_program,
    wait_until,
    wrong_arity,
)

NO_KEY = Failure("NOPERM No permissions to access a key")
WRONG_PASSWORD = Failure("WRONGPASS invalid username-password pair or user is disabled.")
EXEC_REFUSAL = (
    "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is "
    "no longer allowed for the following reason: no permission"
)


def no_command(user: str, command: str) -> Failure:
    return Failure(f"NOPERM User {user} has no permissions to run the '{command}' command")


@pytest.fixture
def admin(server: ServerProcess) -> Iterator[Connection]:
    """A connection of the default user; users, and what was logged, are gone when the test ends."""
    connection = server.connect()
    connection("ACL", "LOG", "RESET")
    yield connection
    with Connection(server.address) as cleaner:
        for name in cleaner("ACL", "USERS"):
            if name != b"default":
                cleaner("ACL", "DELUSER", name)
        cleaner("ACL", "LOG", "RESET")


def login(server: ServerProcess, user: str, password: str = "") -> Connection:
    connection = server.connect()
    assert connection("AUTH", user, password) == OK
    return connection


def listed(admin: Connection, user: str) -> str:
    """The user's rules as ACL LIST shows them."""
    lines = [line.decode() for line in admin("ACL", "LIST")]
    return next(line for line in lines if line.startswith(f"user {user} ")).removeprefix(f"user {user} ")


def entries(admin: Connection, *arguments: Any) -> list[dict[bytes, Any]]:
    return [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in admin("ACL", "LOG", *arguments)]


# --- SETUSER and what shows it


def test_making_a_user(admin: Connection) -> None:
    assert admin("ACL", "WHOAMI") == b"default"
    assert admin("ACL", "SETUSER", "alice") == OK
    assert admin("ACL", "USERS") == [b"alice", b"default"]
    assert listed(admin, "alice") == "off sanitize-payload resetchannels -@all"
    assert admin("ACL", "GETUSER", "nobody") is None
    assert admin("ACL", "DELUSER", "alice", "nobody", "alice") == 1
    assert admin("ACL", "USERS") == [b"default"]


def test_getuser(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", ">x", "+get", "~a", "%R~b", "&c", "db=1", "(+set", "~d)")
    digest = b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    own = [b"commands", b"-@all +get", b"keys", b"~a %R~b", b"channels", b"&c", b"databases", b"db=1"]
    other = [b"commands", b"-@all +set", b"keys", b"~d", b"channels", b""]
    flags = [b"on", b"sanitize-payload"]
    assert admin("ACL", "GETUSER", "u") == [b"flags", flags, b"passwords", [digest], *own, b"selectors", [other]]
    shown = server.connect(protocol=3)("ACL", "GETUSER", "u")
    assert shown[b"flags"] == set(flags)
    assert shown[b"selectors"][0][b"keys"] == b"~d"
    assert listed(admin, "u") == (
        f"on sanitize-payload #{digest.decode()} ~a %R~b resetchannels &c db=1 -@all +get (~d resetchannels -@all +set)"
    )


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (["+get", "foo"], "Error in ACL SETUSER modifier 'foo': Syntax error"),
        (["on", "+nosuch"], "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL"),
        (["on", "(+get", "~a", "foo)"], "Error in ACL SETUSER modifier '(+get ~a foo)': Syntax error"),
        (["on", "(+get", "~a"], "Unmatched parenthesis in acl selector starting at '(+get'."),
        (
            ["nopass", "<x"],
            "Error in ACL SETUSER modifier '<x': The password you are trying to remove from the user does",
        ),
    ],
)
def test_all_rules_or_none(admin: Connection, rules: list[str], reason: str) -> None:
    admin("ACL", "SETUSER", "u", "~a")
    reply = admin("ACL", "SETUSER", "u", *rules)
    assert isinstance(reply, Failure)
    assert reply.startswith(f"ERR {reason}")
    assert listed(admin, "u") == "off sanitize-payload ~a resetchannels -@all"
    assert isinstance(admin("ACL", "SETUSER", "new", *rules), Failure)
    assert admin("ACL", "GETUSER", "new") is None


def test_names_that_cannot_be(admin: Connection) -> None:
    for name in (b"a b", b"a\x00"):
        assert admin("ACL", "SETUSER", name) == Failure("ERR Usernames can't contain spaces or null characters")
    assert admin("ACL", "DELUSER", "u", "default") == Failure("ERR The 'default' user cannot be removed")


def test_requests_that_cannot_be(admin: Connection) -> None:
    assert admin("ACL", "CAT", "nosuch") == Failure("ERR Unknown category 'nosuch'")
    assert str(admin("ACL", "CAT", "a", "b")).startswith(
        "ERR unknown subcommand or wrong number of arguments for 'CAT'"
    )
    assert admin("ACL", "HELP", "x") == wrong_arity("acl|help")
    for bits in ("0", "-1", "4097"):
        assert str(admin("ACL", "GENPASS", bits)).startswith("ERR ACL GENPASS argument must be the number of bits")
    for command in ("LOAD", "SAVE"):
        assert str(admin("ACL", command)).startswith("ERR This Redis instance is not configured to use an ACL file.")


def test_categories_and_passwords(admin: Connection) -> None:
    categories = admin("ACL", "CAT")
    assert b"keyspace" in categories
    assert b"multi" in admin("ACL", "CAT", "TRANSACTION")
    assert b"client|kill" in admin("ACL", "CAT", "dangerous")
    assert b"get" not in admin("ACL", "CAT", "hash")
    assert [len(admin("ACL", "GENPASS", *bits)) for bits in ((), (1,), (5,), (4096,))] == [64, 1, 2, 1024]
    assert admin("ACL", "GENPASS") != admin("ACL", "GENPASS")


# --- logging in


def test_logging_in(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", ">one", ">two", "+acl|whoami")
    client = server.connect()
    assert client("AUTH", "u", "one") == WRONG_PASSWORD
    admin("ACL", "SETUSER", "u", "on")
    assert client("AUTH", "u", "three") == WRONG_PASSWORD
    assert client("ACL", "WHOAMI") == b"default"
    assert client("AUTH", "u", "two") == OK
    assert client("ACL", "WHOAMI") == b"u"
    assert client("PING") == no_command("u", "ping")
    # Who is turned off stays in, but does not come in again.
    admin("ACL", "SETUSER", "u", "off")
    assert client("ACL", "WHOAMI") == b"u"
    assert client("AUTH", "u", "two") == WRONG_PASSWORD
    assert client("RESET") == "RESET"
    assert client("ACL", "WHOAMI") == b"default"


def test_hello_logs_in(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", ">x", "+acl", "+client")
    client = server.connect()
    assert client("HELLO", 3, "AUTH", "u", "y", "SETNAME", "name") == WRONG_PASSWORD
    assert client("CLIENT", "GETNAME") is None
    assert client("HELLO", 3, "AUTH", "u", "x", "SETNAME", "name")[b"proto"] == 3
    assert client("ACL", "WHOAMI") == b"u"
    assert server.client_with(user="u", name="name")


def test_the_default_user_and_his_password(start_server: ServerPool) -> None:
    server = start_server()
    first = server.connect()
    assert first("CONFIG", "SET", "requirepass", "secret") == OK
    assert first("PING") == PONG, "who was in stays in"
    second = server.connect()
    assert second("PING") == Failure("NOAUTH Authentication required.")
    assert second("AUTH", "secret") == OK
    # Another password by the other way; the directive still shows what it was set to.
    first("ACL", "SETUSER", "default", ">other")
    assert first("AUTH", "other") == OK
    assert first("CONFIG", "GET", "requirepass") == [b"requirepass", b"secret"]
    third = server.connect()
    assert third("PING") == Failure("NOAUTH Authentication required.")
    first("CONFIG", "SET", "requirepass", "")
    assert third("PING") == PONG, "nobody needs a password any more"
    assert str(third("AUTH", "x")).startswith("ERR AUTH <password> called without any password configured")
    first("ACL", "SETUSER", "default", "off")
    assert server.connect()("PING") == Failure("NOAUTH Authentication required.")
    assert first("AUTH", "default", "x") == WRONG_PASSWORD
    first("ACL", "SETUSER", "default", "on")


def test_unauthenticated_clients_do_not_pile_up_output(start_server: ServerPool) -> None:
    server = start_server(requirepass="secret")
    with Connection(server.address) as client:
        client.socket.settimeout(5)
        request = b"PING\r\n" * 1000
        with pytest.raises((ConnectionError, EOFError)):
            # Not read, so replies wait until they are too many.
            for _ in range(10000):
                client.send(request)
            client.read_until_closed()
            raise EOFError
    with Connection(server.address) as admin:
        admin("AUTH", "secret")
        assert admin("PING") == PONG


# --- what is denied


def test_commands_and_subcommands(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all", "-client|kill", "-config", "+config|get", "-set")
    client = login(server, "u")
    assert client("CLIENT", "KILL", "TYPE", "master") == no_command("u", "client|kill")
    assert isinstance(client("CLIENT", "ID"), int)
    assert client("CONFIG", "SET", "hz", 10) == no_command("u", "config|set")
    assert client("CONFIG", "GET", "hz") == [b"hz", b"10"]
    assert client("SET", "a", "b") == no_command("u", "set")
    assert client("NOSUCH") == Failure("ERR unknown command 'NOSUCH', with args beginning with: ")
    assert client("SET", "a") == wrong_arity("set")


def test_keys(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~own:*", "%R~read:*")
    client = login(server, "u")
    assert client("SET", "own:1", "x") == OK
    assert client("GET", "read:1") is None
    assert client("SET", "read:1", "x") == NO_KEY
    assert client("MGET", "own:1", "read:1", "other") == NO_KEY
    assert client.pipeline(("GET", "own:1"), ("GET", "other"), ("INCR", "own:2")) == [b"x", NO_KEY, 1]
    admin("ACL", "SETUSER", "u", "allkeys")
    assert client("GET", "other") is None


def test_first_argument(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+select|0")
    client = login(server, "u")
    assert client("SELECT", 0) == OK
    assert client("SELECT", 1) == no_command("u", "select")


def test_sort_asks_for_every_key(server: ServerProcess, admin: Connection) -> None:
    admin("RPUSH", "list", 2, 1)
    admin("ACL", "SETUSER", "u", "on", "nopass", "+sort", "+sort_ro", "~list", "%W~*")
    client = login(server, "u")
    assert client("SORT", "list") == [b"1", b"2"]
    assert client("SORT", "list", "BY", "nosort") == [b"2", b"1"]
    refusal = "ERR {} option of SORT denied due to insufficient ACL permissions."
    assert client("SORT", "list", "BY", "w*") == Failure(refusal.format("BY"))
    assert client("SORT_RO", "list", "GET", "#") == Failure(refusal.format("GET"))
    admin("ACL", "SETUSER", "u", "(+sort %R~*)")
    assert client("SORT", "list", "BY", "w*", "GET", "#") == [b"1", b"2"]
    assert client("SORT_RO", "list", "GET", "#") == Failure(refusal.format("GET"))


def test_databases(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*", "&*", "db=0,2")
    client = login(server, "u")
    denied = Failure("NOPERM No permissions to access database")
    assert client("SET", "a", "b") == OK
    assert client("SELECT", 1) == denied
    assert client("COPY", "a", "b", "DB", 1) == denied
    assert client("FLUSHALL") == denied
    assert client("COPY", "a", "b", "DB", 2) == 1
    assert client("SELECT", 2) == OK
    admin("ACL", "SETUSER", "u", "db=0")
    assert client("GET", "b") == denied
    assert client("PING") == PONG
    assert server.info("stats")["acl_access_denied_db"] != "0"
    assert entries(admin)[0][b"reason"] == b"database"


NO_CHANNEL = Failure("NOPERM No permissions to access a channel")


def test_channels(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@pubsub", "+multi", "+exec", "+discard", "&one", "&two*")
    client = login(server, "u")
    assert [client("PUBLISH", name, "x") for name in ("one", "two2", "three")] == [0, 0, NO_CHANNEL]
    assert client("SPUBLISH", "three", "x") == NO_CHANNEL
    assert client("SUBSCRIBE", "one", "three") == NO_CHANNEL
    assert client("SSUBSCRIBE", "three") == NO_CHANNEL
    # A pattern must be allowed as it is.
    assert client("PSUBSCRIBE", "two2*") == NO_CHANNEL
    assert client("PSUBSCRIBE", "one") == [b"psubscribe", b"one", 1]
    assert client("PUNSUBSCRIBE", "three") == [b"punsubscribe", b"three", 1]
    assert client("PUNSUBSCRIBE") == [b"punsubscribe", b"one", 0]
    client("MULTI")
    assert client("PUBLISH", "three", "x") == NO_CHANNEL
    client("DISCARD")
    entry = entries(admin)[0]
    assert (entry[b"reason"], entry[b"object"], entry[b"context"]) == (b"channel", b"three", b"multi")
    assert server.info("stats")["acl_access_denied_channel"] != "0"
    assert admin("ACL", "DRYRUN", "u", "PUBLISH", "three", "x") == (
        b"User u has no permissions to access the 'three' channel"
    )
    assert admin("ACL", "DRYRUN", "u", "SUNSUBSCRIBE", "three") == OK


@pytest.mark.parametrize(
    ("subscribe", "name", "kept", "lost"),
    [
        ("SUBSCRIBE", "one", "&o*", "&other"),
        ("SSUBSCRIBE", "one", "&one", "&one?"),
        ("PSUBSCRIBE", "o*", "&o*", "&*?"),
        ("PSUBSCRIBE", "o*", "&*", ""),
    ],
)
def test_subscribers_that_may_not_listen_any_more_are_closed(
    server: ServerProcess, admin: Connection, subscribe: str, name: str, kept: str, lost: str
) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "allchannels")
    listener, other = login(server, "u"), login(server, "u")
    assert listener(subscribe, name)[1:] == [name.encode(), 1]
    admin("ACL", "SETUSER", "u", "resetchannels", kept)
    assert listener("PING") == [b"pong", b""]
    admin("ACL", "SETUSER", "u", "resetchannels", lost)
    assert server.client_with(sub="1") is None
    assert listener.read_until_closed() == b""
    assert other("PING") == PONG


def test_a_waiting_command_is_checked_again(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*")
    client = login(server, "u")
    client.send(b"BLPOP list 0\r\n")
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "the client waits")
    admin("ACL", "SETUSER", "u", "resetkeys")
    admin("RPUSH", "list", "x")
    assert client.read() == NO_KEY
    assert client("PING") == PONG
    assert admin("LLEN", "list") == 1


def test_transactions(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "-incr", "~a")
    client = login(server, "u")
    assert client("MULTI") == OK
    assert client("INCR", "a") == no_command("u", "incr")
    assert str(client("EXEC")).startswith("EXECABORT")
    client("MULTI")
    client("GET", "a")
    client("STRLEN", "a")
    client("PING")
    admin("ACL", "SETUSER", "u", "-get", "resetkeys")
    assert client("EXEC") == [
        Failure(EXEC_REFUSAL + " to execute the command or subcommand"),
        Failure(EXEC_REFUSAL + " to touch the specified keys"),
        PONG,
    ]
    assert b"cmd=exec" in entries(admin)[1][b"client-info"]
    contexts = [(entry[b"context"], entry[b"reason"], entry[b"object"]) for entry in entries(admin)]
    assert contexts == [(b"multi", b"key", b"a"), (b"multi", b"command", b"get"), (b"multi", b"command", b"incr")]


def test_a_denied_exec_ends_the_transaction(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "-exec", "-discard", "~*")
    client = login(server, "u")
    client("MULTI")
    client("SET", "a", "b")
    refusal = no_command("u", "exec")
    assert client("EXEC") == Failure(f"EXECABORT Transaction discarded because of: {refusal}")
    assert client("GET", "a") is None
    assert client("EXEC") == Failure(f"EXECABORT Transaction discarded because of: {refusal}")
    client("MULTI")
    assert client("DISCARD") == no_command("u", "discard")
    assert client("GET", "a") == "QUEUED"


def test_a_user_may_take_his_own_permissions(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+acl")
    client = login(server, "u")
    assert client.pipeline(("ACL", "SETUSER", "u", "-acl"), ("ACL", "WHOAMI")) == [OK, no_command("u", "acl|whoami")]


def test_clients_of_a_deleted_user_are_closed(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*")
    waiting, deleting = login(server, "u"), login(server, "u")
    waiting.send(b"BLPOP list 0\r\n")
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "the client waits")
    deleting.send(b"ACL DELUSER u\r\nPING\r\n")
    assert deleting.read_until_closed() == b":1\r\n"
    assert waiting.read_until_closed() == b""
    assert server.info("clients")["blocked_clients"] == "0"
    assert server.connect()("AUTH", "u", "") == WRONG_PASSWORD


def test_dryrun(admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "+@all", "-set", "~a", "db=0")
    assert admin("ACL", "DRYRUN", "u", "GET", "a") == OK
    assert admin("ACL", "DRYRUN", "u", "GET", "b") == b"User u has no permissions to access the 'b' key"
    assert admin("ACL", "DRYRUN", "u", "SET", "a", "b") == b"User u has no permissions to run the 'set' command"
    assert admin("ACL", "DRYRUN", "u", "SELECT", "3") == b"User u has no permissions to access database 3"
    assert admin("ACL", "DRYRUN", "u", "GET") == wrong_arity("get")
    assert admin("ACL", "DRYRUN", "u", "NOSUCH") == Failure("ERR Command 'NOSUCH' not found")
    assert admin("ACL", "DRYRUN", "v", "GET", "a") == Failure("ERR User 'v' not found")


# --- the log


def test_log(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", ">x", "+get", "~a")
    client = login(server, "u", "x")
    client("CLIENT", "SETNAME", "n")
    client("GET", "b")
    client("Auth", "u", "wrong")
    for _ in range(3):
        client("SET", "a", "b")
    first, second, third, fourth = entries(admin)
    assert (first[b"reason"], first[b"object"], first[b"count"], first[b"context"]) == (
        b"command",
        b"set",
        3,
        b"toplevel",
    )
    assert (second[b"reason"], second[b"object"], second[b"username"]) == (b"auth", b"Auth", b"u")
    assert (third[b"reason"], third[b"object"]) == (b"key", b"b")
    assert fourth[b"object"] == b"client|setname"
    assert b"cmd=set user=u" in first[b"client-info"]
    assert first[b"entry-id"] == second[b"entry-id"] + 1
    assert 0 <= float(first[b"age-seconds"]) < 60
    assert first[b"timestamp-created"] <= first[b"timestamp-last-updated"]
    # What happens again comes to the front.
    client("GET", "b")
    assert entries(admin)[0][b"entry-id"] == third[b"entry-id"]
    assert entries(admin)[0][b"count"] == 2
    assert len(entries(admin, 2)) == 2
    assert entries(admin, -1) == []
    assert admin("ACL", "LOG", "x") == Failure("ERR value is not an integer or out of range")
    assert admin("ACL", "LOG", "RESET") == OK
    assert entries(admin) == []


def test_log_length(server: ServerProcess, admin: Connection) -> None:
    admin("ACL", "SETUSER", "u", "on", "nopass", "+get")
    client = login(server, "u")
    server.config("acllog-max-len", 3)
    for number in range(8):
        client("GET", number)
    assert [entry[b"object"] for entry in entries(admin)] == [b"7", b"6", b"5"]
    server.config("acllog-max-len", 0)
    assert len(entries(admin)) == 3
    client("GET", "x")
    assert entries(admin) == []


def test_figures(server: ServerProcess, admin: Connection) -> None:
    admin("CONFIG", "RESETSTAT")
    admin("ACL", "SETUSER", "u", "on", "nopass", "+get")
    client = login(server, "u")
    client("GET", "a")
    client("SET", "a", "b")
    client("SET", "a", "b")
    client("AUTH", "nobody", "x")
    figures = server.info("stats")
    assert [figures[f"acl_access_denied_{what}"] for what in ("auth", "cmd", "key", "channel")] == ["1", "2", "1", "0"]
    assert server.info("errorstats")["errorstat_NOPERM"] == "count=3"
    assert "rejected_calls=2" in server.info("commandstats")["cmdstat_set"]


# --- files


def test_an_acl_file(start_server: ServerPool, tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user alice on >a ~a* +get (+set ~b)\r\n\n  user bob off\n")
    server = start_server(aclfile=str(path))
    admin = server.connect()
    assert admin("ACL", "USERS") == [b"alice", b"bob", b"default"]
    assert listed(admin, "default") == "on nopass sanitize-payload ~* &* +@all"
    alice = login(server, "alice", "a")
    assert alice("SET", "b", "x") == OK
    admin("ACL", "SETUSER", "eve", "on", "nopass", "+@all")
    eve = login(server, "eve")
    assert admin("ACL", "SAVE") == OK
    saved = path.read_text()
    assert admin("ACL", "LOAD") == OK
    assert path.read_text() == saved
    assert eve("PING") == PONG, "nothing has changed for her"
    assert [f"user {line}" for line in ("alice on", "bob off", "default on", "eve on")] == [
        " ".join(line.split()[:3]) for line in saved.splitlines()
    ]
    path.write_text("user alice on >a ~a* -@all\nuser bob on nopass\n")
    assert admin("ACL", "LOAD") == OK
    assert eve.read_until_closed() == b"", "she is no more"
    assert alice("GET", "a") == no_command("alice", "get")
    server.restart()
    assert server.connect()("ACL", "USERS") == [b"alice", b"bob", b"default"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alice on", "{}:1 should start with user keyword followed by the username. "),
        ("user", "{}:1 should start with user keyword followed by the username. "),
        ("user a\tb on", "'{}:1: username 'a\tb' contains invalid characters. "),
        (
            "user a b\n\nuser c +nosuch",
            "{0}:1: Syntax error. "
            "{0}:3: Error in applying operation '+nosuch': Unknown command or category name in ACL. ",
        ),
        ("user a on\nuser a on", "WARNING: Duplicate user 'a' found on line 2. "),
        ("user a (+get\nuser b", "{}:1: Unmatched parenthesis in selector definition."),
        ("user a (+get ~a) (foo)", "{}:1: Syntax error. "),
        (
            "user a on # remark",
            "{}:1: The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters. ",
        ),
    ],
)
def test_an_acl_file_that_cannot_be(start_server: ServerPool, tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user good on nopass +@all\n")
    server = start_server(aclfile=str(path))
    good = login(server, "good")
    path.write_text(text)
    assert good("ACL", "LOAD") == Failure(
        f"ERR {problem.format(path)}WARNING: ACL errors detected, no change to the previously active ACL rules was "
        "performed"
    )
    assert good("ACL", "USERS") == [b"default", b"good"]
    path.unlink()
    assert good("ACL", "LOAD") == Failure(f"ERR Error loading ACLs, opening file '{path}': No such file or directory")


def test_a_server_does_not_start_with_bad_users(start_server: ServerPool, tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user a +nosuch\n")
    with pytest.raises(ServerDied, match=r"because of ACL errors: .*:1: Error in applying operation"):
        start_server(aclfile=str(path))
    path.write_text("user a\n")
    with pytest.raises(ServerDied, match="please define either an ACL file or declare users directly"):
        start_server(aclfile=str(path), user="b on")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("user a on foo", "'foo': Syntax error"),
        ("user a on +nosuch", "'+nosuch': Unknown command or category name in ACL"),
        ("user a (+get ~a", "'(+get': Unmatched parenthesis in selector definition."),
        ('user "a b" on', "Spaces not allowed in ACL usernames"),
    ],
)
def test_user_lines_that_cannot_be(tmp_path: Path, line: str, problem: str) -> None:
    config = tmp_path / "redis.conf"
    config.write_text(f"port 0\n{line}\n")
    result = run_program(str(config), directory=tmp_path)
    assert result.returncode == 1
    assert f"at line 2\n>>> '{line}'".encode() in result.stderr
    assert problem.encode() in result.stderr


def test_user_lines_and_rewriting_them(start_server: ServerPool) -> None:
    server = start_server(user=["default on nopass ~* +@all -flushdb", "bob on >x ~a +get (+set ~b)"], requirepass="y")
    client = server.connect()
    assert client("FLUSHDB") == no_command("default", "flushdb")
    assert login(server, "bob", "x")("GET", "a") is None
    client("ACL", "SETUSER", "eve", '~"q"', "~back\\slash", "~it's", "&c", "db=3")
    before = client("ACL", "LIST")
    assert client("CONFIG", "REWRITE") == OK
    lines = server.config_path.read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("user ")] == ["bob", "default", "eve"]
    server.restart()
    client = server.connect()
    assert client("ACL", "LIST") == before
    assert client("FLUSHDB") == no_command("default", "flushdb")


def test_acl_pubsub_default(start_server: ServerPool) -> None:
    server = start_server(acl_pubsub_default="allchannels")
    client = server.connect()
    client("ACL", "SETUSER", "a", "(+get)")
    assert listed(client, "a") == "off sanitize-payload &* -@all (&* -@all +get)"
    assert str(client("ACL", "SETUSER", "a", "&x")).startswith(
        "ERR Error in ACL SETUSER modifier '&x': Adding a pattern"
    )
    client("CONFIG", "SET", "acl-pubsub-default", "resetchannels")
    assert listed(client, "a") == "off sanitize-payload &* -@all (&* -@all +get)"
    client("ACL", "SETUSER", "a", "reset")
    assert listed(client, "a") == "off sanitize-payload resetchannels -@all"


def test_renamed_commands(start_server: ServerPool) -> None:
    server = start_server(rename_command=["SET VSET", "PING VPING"])
    admin = server.connect()
    admin("ACL", "SETUSER", "u", "on", "nopass", "~*", "+@all", "-ping", "-@string", "+get")
    assert listed(admin, "u").endswith("+@all -ping -@string +get")
    client = login(server, "u")
    assert client("VPING") == no_command("u", "ping")
    assert client("VSET", "a", "b") == no_command("u", "set")
    assert client("GET", "a") is None


# --- redis-py


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(server: ServerProcess, admin: Connection, protocol: int) -> None:
    redis = pytest.importorskip("redis")
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    options: dict[str, Any] = {"host": server.address[0], "port": server.port, "protocol": protocol, "retry": retry}
    with redis.Redis(**options) as manager:
        manager.acl_setuser(
            "u", enabled=True, passwords=["+x"], categories=["+@read"], commands=["-get"], keys=["a*"],
            selectors=[("+set", "~b*")],
        )  # fmt: skip
        shown = manager.acl_getuser("u")
        assert shown["enabled"] is True
        assert shown["keys"] in (["~a*"], "~a*")
        assert manager.acl_dryrun("u", "set", "b", "1") in (b"OK", "OK")
        with redis.Redis(username="u", password="x", **options) as limited:
            assert limited.strlen("a") == 0
            assert limited.set("b1", "x")
            with pytest.raises(redis.exceptions.NoPermissionError):
                limited.get("a")
            with pytest.raises(redis.exceptions.NoPermissionError):
                limited.strlen("b")
        with (
            pytest.raises(redis.exceptions.AuthenticationError),
            redis.Redis(username="u", password="y", **options) as bad,
        ):
            bad.ping()
        log = manager.acl_log(count=1)
        assert manager.acl_whoami() in (b"default", "default")
        assert log[0]["reason"] in (b"auth", "auth")
        assert manager.acl_deluser("u") == 1
