"""Compiled permissions: what the data plane allows, compared with what rows and patterns say in Python."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest
from command_keys_model import ACCESS_READ, ACCESS_WRITE, UntoldError, find_keys, needs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.commands.row import CommandRow
from redislite._core.dispatch.permissions import Permissions
from redislite._core.engine import Engine
from redislite.acl.rules import Commands, Selector

ALLOWED, DATABASE, COMMAND, KEY, CHANNEL = range(5)

ENGINE = Engine()
COMMANDS = Commands(ENGINE.table)


def compiled(*rule_sets: str, engine: Engine = ENGINE) -> Permissions:
    """The permissions of a user with one selector per text of rules."""
    commands = COMMANDS if engine is ENGINE else Commands(engine.table)
    selectors = []
    for rules in rule_sets:
        selector = Selector()
        for rule in rules.split():
            selector.apply(rule, commands)
        selectors.append(selector.compiled(commands))
    permissions = engine.new_permissions()
    permissions.replace(selectors)
    return permissions


def check(permissions: Permissions, request: str, database: int = 0) -> tuple[int, int]:
    return permissions.check([word.encode() for word in request.split(" ")], database)


def test_nothing_is_allowed_before_there_are_rules() -> None:
    permissions = ENGINE.new_permissions()
    assert not permissions.is_unrestricted
    permissions.replace([])
    assert not permissions.is_unrestricted
    assert check(permissions, "get a") == (COMMAND, 0)
    assert compiled("").check([b"get", b"a"], 0) == (COMMAND, 0)


def test_unrestricted() -> None:
    assert compiled("+@all ~* &*").is_unrestricted
    assert compiled("", "+@all ~* &*").is_unrestricted
    for rules in ("+@all ~*", "+@all &*", "~* &*", "+@all -get ~* &*", "+@all ~* &* db=0"):
        assert not compiled(rules).is_unrestricted


def test_commands() -> None:
    permissions = compiled("+get +object|freq +select|1 ~*")
    assert check(permissions, "get a") == (ALLOWED, 0)
    assert check(permissions, "GET a") == (ALLOWED, 0)
    assert check(permissions, "set a b") == (COMMAND, 0)
    assert check(permissions, "object freq a") == (ALLOWED, 0)
    assert check(permissions, "object encoding a") == (COMMAND, 0)
    assert check(permissions, "select 1") == (ALLOWED, 0)
    assert check(permissions, "select 10") == (COMMAND, 0)
    assert check(permissions, "select 0") == (COMMAND, 0)
    with pytest.raises(KeyError):
        check(permissions, "nosuch a")


def test_first_arguments_ignore_the_case() -> None:
    permissions = compiled("+ping|aB@")
    assert check(permissions, "ping Ab@") == (ALLOWED, 0)
    assert check(permissions, "ping ab`") == (COMMAND, 0)
    assert check(permissions, "ping") == (COMMAND, 0)


def test_keys() -> None:
    permissions = compiled("+@all &* ~a* %R~r* %W~w*")
    assert check(permissions, "get a1") == (ALLOWED, 0)
    assert check(permissions, "get b") == (KEY, 1)
    assert check(permissions, "get w") == (KEY, 1)
    assert check(permissions, "mget a r w") == (KEY, 3)
    assert check(permissions, "mset a 1 w 2 r 3") == (KEY, 5)
    assert check(permissions, "copy r w") == (ALLOWED, 0)
    assert check(permissions, "copy w r") == (KEY, 1)
    assert check(permissions, "rename a r") == (KEY, 2)
    # What neither reads nor changes what the user stored needs any pattern at all.
    assert check(permissions, "exists r w a") == (ALLOWED, 0)
    assert check(permissions, "exists r x") == (KEY, 2)
    assert check(permissions, "keys *") == (ALLOWED, 0)
    # The empty key matches the empty pattern alone, and of course everything is allowed where all keys are.
    assert compiled("+get %RW~*").check([b"get", b""], 0) == (KEY, 1)
    assert compiled("+get ~").check([b"get", b""], 0) == (ALLOWED, 0)
    assert compiled("+get ~*").check([b"get", b""], 0) == (ALLOWED, 0)


def test_keys_whose_use_depends_on_the_arguments() -> None:
    permissions = compiled("+@all &* %R~r* %W~w*")
    assert check(permissions, "set w v") == (ALLOWED, 0)
    assert check(permissions, "set w v ex 10") == (ALLOWED, 0)
    assert check(permissions, "set w v get") == (KEY, 1)
    assert check(permissions, "bitfield r get u4 0") == (ALLOWED, 0)
    assert check(permissions, "bitfield r") == (ALLOWED, 0)
    assert check(permissions, "bitfield r set u4 0 1") == (KEY, 1)
    assert check(permissions, "sort r") == (ALLOWED, 0)
    assert check(permissions, "sort r store w") == (ALLOWED, 0)
    assert check(permissions, "sort r store r") == (KEY, 3)
    assert check(permissions, "zunionstore w 2 r r") == (ALLOWED, 0)
    assert check(permissions, "zunionstore w 2 r w") == (KEY, 4)
    # What no keys can be told from is the command's business.
    assert check(permissions, "zunionstore x 7 x x") == (ALLOWED, 0)


def test_databases() -> None:
    permissions = compiled("+@all ~* &* db=0,2")
    for request in ("get a", "select 2", "select x", "select 99", "swapdb 0 2", "move a 2", "copy a b db 2", "keys *"):
        assert check(permissions, request) == (ALLOWED, 0), request
    assert check(permissions, "get a", 1) == (DATABASE, 0)
    assert check(permissions, "ping", 1) == (ALLOWED, 0)
    assert check(permissions, "select 0", 1) == (ALLOWED, 0)
    assert check(permissions, "select 1") == (DATABASE, 1)
    assert check(permissions, "swapdb 1 0") == (DATABASE, 1)
    assert check(permissions, "swapdb 0 1") == (DATABASE, 2)
    assert check(permissions, "move a 1") == (DATABASE, 2)
    assert check(permissions, "copy a b db 1") == (DATABASE, 4)
    # The last DB has its way, but each is judged, as by the original.
    assert check(permissions, "copy a b replace db 1 db 2") == (DATABASE, 5)
    assert check(permissions, "copy a b db 2 replace db 1") == (DATABASE, 7)
    assert check(permissions, "copy db 1 db 2") == (ALLOWED, 0)
    assert check(permissions, "copy a b db") == (ALLOWED, 0)
    assert check(permissions, "copy a b db 2", 1) == (DATABASE, 0)
    assert check(permissions, "flushall") == (DATABASE, 0)
    assert check(compiled("+@all ~* &* resetdbs"), "get a") == (DATABASE, 0)


def test_selectors_are_not_added_up_and_the_furthest_is_reported() -> None:
    permissions = compiled("+mget ~key", "+mget ~key ~other", "+set db=3 ~*")
    assert check(permissions, "mget key other") == (ALLOWED, 0)
    assert check(permissions, "mget other some") == (KEY, 2)
    assert check(permissions, "mget key other some") == (KEY, 3)
    assert check(permissions, "get key") == (COMMAND, 0)
    assert check(permissions, "set key v") == (COMMAND, 0)
    assert check(permissions, "set key v", 3) == (ALLOWED, 0)
    assert check(compiled("%R~a* +@all", "%W~b* +@all"), "copy a b") == (KEY, 2)


def test_channels_to_subscribe_to() -> None:
    permissions = compiled("&a* &b?")
    assert permissions.allows_channel(b"abc", False)
    assert permissions.allows_channel(b"b1", False)
    assert not permissions.allows_channel(b"b12", False)
    assert permissions.allows_channel(b"a*", True)
    assert not permissions.allows_channel(b"ab*", True)
    assert not permissions.allows_channel(b"a", True)
    assert compiled("", "&*").allows_channel(b"anything*", True)
    assert not compiled("~*").allows_channel(b"", False)


ROWS = [row for row in ENGINE.table.rows if row.has_keys]
PATTERNS = {b"a": ACCESS_READ | ACCESS_WRITE, b"r": ACCESS_READ, b"w": ACCESS_WRITE}
WORDS = [b"a", b"r", b"w", b"x", b"1", b"2", b"store", b"get", b"keys", b"streams", b"", b"set"]


def expected(row: CommandRow, arguments: list[bytes]) -> tuple[int, int]:
    try:
        uses = find_keys(row.name, row.keys, arguments)
    except UntoldError:
        return ALLOWED, 0
    for index, flags in uses:
        needs = needs_of(flags)
        allows = PATTERNS.get(arguments[index])
        if allows is None or allows & needs != needs:
            return KEY, index
    return ALLOWED, 0


RESTRICTED = compiled("+@all &* ~a %R~r %W~w")


@settings(max_examples=1500)
@given(st.sampled_from(ROWS), st.lists(st.sampled_from(WORDS), max_size=9))
def test_keys_are_those_of_the_row(row: CommandRow, words: list[bytes]) -> None:
    arguments = [*row.name.encode().split(b"|"), *words]
    if row.accepts(len(arguments)):
        assert RESTRICTED.check(arguments, 0) == expected(row, arguments)


def test_every_row_with_few_arguments() -> None:
    """The common forms of each command, where its keys are found without asking the row."""
    for row in ROWS:
        name = row.name.encode().split(b"|")
        for word in WORDS:
            arguments = name + [word] * (abs(row.arity) - len(name))
            assert RESTRICTED.check(arguments, 0) == expected(row, arguments), arguments


# --- on a connection


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    for connection in engine.all_connections():
        engine.close(connection)


def talk(engine: Engine, *requests: bytes) -> tuple[list[bytes], list[tuple[str, int, bytes]]]:
    """What a client whose user may read keys of a* is answered, line by line, and what was denied."""
    denied: list[tuple[str, int, bytes]] = []

    def deny(_connection: object, row: CommandRow, reason: int, argument: bytes) -> bytes:
        denied.append((row.name, reason, argument))
        return b"NOPERM so"

    engine.on_denied = deny
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        connection = engine.connect(ours.detach(), "", "")
        connection.use_permissions(compiled("+@read +multi +exec +@connection %R~a* &*", engine=engine))
        theirs.sendall(b"\r\n".join(requests) + b"\r\n")
        connection.ready(1)
        return theirs.recv(65536).split(b"\r\n")[:-1], denied


def test_a_pipeline_of_a_restricted_client(engine: Engine) -> None:
    replies, denied = talk(engine, b"GET a", b"GET b", b"SET a 1", b"PING", b"MGET a1 a2 x", b"NOSUCH", b"GET")
    assert replies[:4] == [b"$-1", b"-NOPERM so", b"-NOPERM so", b"+PONG"]
    assert replies[4] == b"-NOPERM so"
    assert denied == [("get", KEY, b"b"), ("set", COMMAND, b"SET"), ("mget", KEY, b"x")]
    rejected = {name: rejected for name, _, _, rejected, _ in engine.command_statistics()}
    assert (rejected["get"], rejected["set"]) == (2, 1)


def test_a_denied_command_spoils_the_transaction(engine: Engine) -> None:
    replies, _ = talk(engine, b"MULTI", b"SET a 1", b"GET a", b"EXEC")
    assert replies[:3] == [b"+OK", b"-NOPERM so", b"+QUEUED"]
    assert replies[3].startswith(b"-EXECABORT")


def test_new_rules_reach_whoever_holds_them(engine: Engine) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    permissions = compiled("+@all ~* &*", engine=engine)
    with theirs:
        connection = engine.connect(ours.detach(), "", "")
        for rules, answer in (("+@all ~* &*", b"$-1"), ("+get ~b &*", b"-NOPERM No permissions"), ("+get ~a", b"$-1")):
            commands = Commands(engine.table)
            selector = Selector()
            for rule in rules.split():
                selector.apply(rule, commands)
            permissions.replace([selector.compiled(commands)])
            connection.use_permissions(permissions)
            theirs.sendall(b"GET a\r\n")
            connection.ready(1)
            assert theirs.recv(100) == answer + b"\r\n"
        connection.use_permissions(None)
        theirs.sendall(b"SET a 1\r\n")
        connection.ready(1)
        assert theirs.recv(100) == b"+OK\r\n"


def test_permissions_outlive_their_engine_and_count_as_its_memory() -> None:
    engine = Engine()
    before = engine.memory["used"]
    permissions = compiled("+get " + " ".join(f"~key:{number}" for number in range(1000)), engine=engine)
    grown = engine.memory["used"]
    assert grown > before + 16000
    permissions.replace([])
    assert engine.memory["used"] < before + 1000
    permissions = compiled("+get ~a", engine=engine)
    del engine
    gc.collect()
    assert check(permissions, "get a") == (ALLOWED, 0)


def test_databases_of_a_transaction_are_those_that_it_selects(engine: Engine) -> None:
    def run(*requests: str) -> list[bytes]:
        engine.execute("flushall")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            connection = engine.connect(ours.detach(), "", "")
            connection.use_permissions(
                compiled("db=0,1 +@all -@read ~*", "db=2,3 +@all -@write ~*", "db=4 ~* +get", engine=engine)
            )
            theirs.sendall("\r\n".join(requests).encode() + b"\r\n")
            connection.ready(1)
            return theirs.recv(65536).split(b"\r\n")[:-1]

    queued, denied = b"+QUEUED", b"-NOPERM No permissions"
    replies = run("MULTI", "SELECT 2", "GET k", "SELECT 0", "SET k v", "EXEC")
    assert replies == [b"+OK", queued, queued, queued, queued, b"*4", b"+OK", b"$-1", b"+OK", b"+OK"]
    # What is no number of a database selects none, and what is denied neither.
    replies = run("MULTI", "SELECT 99", "SELECT x", "SELECT 5", "GET k", "SET k v")
    assert replies == [b"+OK", queued, queued, denied, denied, queued]
    replies = run("MULTI", "SELECT 2", "SET k v")
    assert replies == [b"+OK", queued, denied]
    # The next transaction begins where the connection is.
    replies = run("MULTI", "SELECT 2", "DISCARD", "SET k v", "SELECT 3", "MULTI", "SET k v", "GET k")
    assert replies == [b"+OK", queued, b"+OK", b"+OK", b"+OK", b"+OK", denied, queued]
    # Each is judged once more when it is executed, in the database that is selected then.
    replies = run("SELECT 2", "MULTI", "SELECT 0", "SET k v", "SELECT 2", "GET k", "EXEC", "GET k")
    assert replies[-6:] == [b"*4", b"+OK", b"+OK", b"+OK", b"$-1", b"$-1"]


def test_the_database_that_is_told_is_the_one_that_is_denied() -> None:
    permissions = compiled("+@all ~* &* db=5")
    assert check(permissions, "move a 1") == (DATABASE, 2)
    assert check(permissions, "move a 5") == (DATABASE, 0)
    assert check(permissions, "copy a b db 1") == (DATABASE, 4)
    assert check(permissions, "copy a b db 5") == (DATABASE, 0)
    assert check(permissions, "swapdb 1 2", 5) == (DATABASE, 1)
    assert check(permissions, "watch a") == (DATABASE, 0)
    assert check(permissions, "flushdb") == (DATABASE, 0)
    assert check(permissions, "flushdb", 5) == (ALLOWED, 0)
    assert check(permissions, "flushall", 5) == (DATABASE, 0)
    assert check(permissions, "unwatch") == (ALLOWED, 0)
