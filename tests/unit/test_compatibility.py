"""Whose behaviour a server has: the table of differences, and that the server follows the column it was told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import redislite
from redislite._core.engine import Engine
from redislite._core.probes.protocol import ParserProbe
from redislite._core.protocol.reply_types import CommandError
from redislite.acl.files import configured_rules
from redislite.config.compatibility import DEFAULTS, FACTS, PROFILES, SETTINGS
from redislite.config.config import Config, ConfigError, ConfigFileError
from redislite.config.directives import DIRECTIVES
from redislite.server import Server

# Every name that CONFIG GET of the real servers knows (Redis 8.0.6, Valkey 9.1.2), hidden ones included, with its value
# on a server that nobody configured; null where that depends on the machine.
ORIGINALS: dict[str, dict[str, str | None]] = json.loads(
    (Path(__file__).parent / "directives_of_originals.json").read_text()
)
BOTH = sorted(PROFILES)


def configured(compatibility: str, text: str = "") -> Config:
    config = Config(change_directory=False)
    config.load(f"compatibility {compatibility}\nport 0\nsave ''\n{text}")
    return config


@pytest.fixture(params=BOTH)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(configured(request.param))
    yield server
    server.discard()


def engine_of(compatibility: str) -> Engine:
    engine = Engine()
    for name, value in PROFILES[compatibility].settings.items():
        engine.set(name, value)
    return engine


def outcome(engine: Engine, *command: Any) -> Any:
    try:
        return engine.execute(*command)
    except CommandError as error:
        return str(error)


def test_a_row_is_a_difference() -> None:
    for table in (FACTS, DEFAULTS, SETTINGS):
        for name, (redis, valkey) in table.items():
            assert redis != valkey, name


def test_the_first_column_is_what_a_server_does_that_was_told_nothing() -> None:
    assert {row.name: row.default for row in DIRECTIVES if row.name in DEFAULTS} == PROFILES["redis"].defaults
    engine = Engine()
    assert {name: engine.get(name) for name in SETTINGS} == PROFILES["redis"].settings


@pytest.mark.parametrize("compatibility", BOTH)
def test_every_directive_of_the_original_is_known_with_its_default(compatibility: str) -> None:
    config = Config(change_directory=False)
    config.load(f"compatibility {compatibility}")
    wrong = {}
    for name, value in ORIGINALS[compatibility].items():
        shown = config.show(name) if name in config else None
        if shown is None or (value is not None and shown != value):
            wrong[name] = (shown, value)
    assert not wrong


@pytest.mark.parametrize("compatibility", BOTH)
@pytest.mark.parametrize("other", BOTH)
def test_a_directive_of_either_original_is_accepted_by_both(compatibility: str, other: str) -> None:
    configured(compatibility, "\n".join(f'{name} "{value}"' for name, value in ORIGINALS[other].items() if value))


def test_a_default_gives_way_to_what_was_set_wherever_that_stands() -> None:
    config = Config(change_directory=False)
    config.load("lazyfree-lazy-expire no\ncompatibility valkey\nrepl-backlog-size 3mb")
    assert (config["lazyfree-lazy-expire"], config["lazyfree-lazy-eviction"]) == (False, True)
    assert config["repl-backlog-size"] == 3 * 1024 * 1024
    text = config.rewritten("")
    assert "compatibility valkey" in text
    assert "repl-backlog-size 3mb" in text
    assert "lazyfree-lazy-eviction" not in text, "it has its default"
    assert "lazyfree-lazy-expire no" in text


def test_compatibility_is_chosen_at_the_start() -> None:
    assert configured("redis").show("compatibility") == "redis"
    with pytest.raises(Exception, match="can't set immutable config"):
        configured("redis").set_runtime([("compatibility", "valkey")])


def test_config_get_is_sorted(server: Server) -> None:
    names = [name for name, _ in server.config.matching([b"*max*", b"a*"])]
    assert names == sorted(names)


def test_identity(server: Server) -> None:
    engine = server.engine
    lines = engine.execute("INFO", "server").decode().split("\r\n")
    hello = engine.execute("HELLO")
    lolwut = engine.execute("LOLWUT").decode()
    if server.config["compatibility"] == "redis":
        assert lines[1] == "redis_version:8.0.6"
        assert "redis_mode:standalone" in lines
        assert not any("valkey" in line for line in lines if not line.startswith("executable"))
        assert (hello[b"server"], hello[b"version"]) == (b"redis", b"8.0.6")
        assert lolwut.endswith("Redis ver. 8.0.6\n")
    else:
        told = ["redis_version:7.2.4", "server_name:valkey", "valkey_version:9.1.2", "valkey_release_stage:ga"]
        assert lines[1:5] == told
        assert "server_mode:standalone" in lines
        assert (hello[b"server"], hello[b"version"]) == (b"valkey", b"9.1.2")
        assert lolwut.endswith("Valkey ver. 9.1.2\n")


def test_valkey_in_disguise() -> None:
    server = Server(configured("valkey"))
    server.config.set_runtime([("extended-redis-compatibility", "yes")])
    hello = server.engine.execute("HELLO")
    assert (hello[b"server"], hello[b"version"]) == (b"redis", b"7.2.4")
    assert server.engine.execute("LOLWUT").decode().endswith("Redis ver. 7.2.4\n")
    assert b"redis_mode:standalone" in server.engine.execute("INFO", "server")
    server.discard()


def test_fields_that_expire_are_told_under_the_originals_names(server: Server) -> None:
    engine = server.engine
    engine.execute("HSET", "h", "f", "v", "g", "w")
    engine.execute("HEXPIRE", "h", 1000, "FIELDS", 1, "f")
    redis = server.config["compatibility"] == "redis"
    keyspace = engine.execute("INFO", "keyspace").decode()
    assert f"{'subexpiry' if redis else 'keys_with_volatile_items'}=1\r\n" in keyspace
    stats = engine.execute("INFO", "stats").decode()
    assert ("expired_subkeys:" in stats, "expired_fields:" in stats) == (redis, not redis)
    payload = engine.execute("DUMP", "h")
    assert (payload[0] == 22) is not redis


def test_a_lone_server_answers_what_is_for_clusters(server: Server) -> None:
    disabled = "ERR This instance has cluster support disabled"
    redis = server.config["compatibility"] == "redis"
    engine = server.engine
    for words in ("info", "nodes", "slots", "shards", "myid", "addslots 1", "reset", "help", "countkeysinslot 1"):
        assert outcome(engine, "CLUSTER", *words.split()) == disabled
    assert outcome(engine, "CLUSTER", "nosuch") == "ERR unknown subcommand 'nosuch'. Try CLUSTER HELP."
    assert outcome(engine, "ASKING") == disabled
    for command in ("READONLY", "READWRITE"):
        assert outcome(engine, command) == (disabled if redis else "OK")
    for key, slot in (("foo", 12182), ("{foo}bar", 12182), ("{}foo", 9500), ("foo{bar}{zap}", 5061)):
        assert outcome(engine, "CLUSTER", "KEYSLOT", key) == (disabled if redis else slot)


def test_waiting_for_replicas_that_there_are_none_of() -> None:
    engine = Engine()
    assert engine.execute("WAIT", 0, 0) == 0
    assert engine.execute("WAIT", -1, 0) == 0
    assert engine.execute("WAIT", 3, 0) == 0, "who may not wait gets what there is"
    assert engine.execute("WAITAOF", 0, 0, 0) == [0, 0]
    assert outcome(engine, "WAIT", "x", 0) == "ERR value is not an integer or out of range"
    assert outcome(engine, "WAIT", 0, -1) == "ERR timeout is negative"
    assert outcome(engine, "WAITAOF", 2, 0, 0) == "ERR value is out of range, value must between 0 and 1"
    assert outcome(engine, "WAITAOF", 0, -1, 0) == "ERR value is out of range, must be positive"
    assert outcome(engine, "WAITAOF", 1, 0, 0) == (
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    )


MANDATORY = "ERR Mandatory argument FIELDS is missing or not at the right position"
NUMFIELDS = "ERR The `numfields` parameter must match the number of arguments"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NEGATIVE = "ERR invalid expire time, must be >= 0"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("HEXPIRE str x FIELDS 1 f", WRONG_TYPE),
        ("HEXPIRE none x FIELDS 1 f", "ERR value is not an integer or out of range"),
        ("HEXPIRE none -1 YY", "ERR wrong number of arguments for 'hexpire' command"),
        ("HEXPIRE none -1 YY FIELDS 0 f", NEGATIVE),
        ("HEXPIRE none 1 YY FIELDS 0 f", MANDATORY),
        ("HEXPIRE none 1 NX XX FIELDS 1 f", MANDATORY),
        ("HEXPIRE none 1 NX FIELDS 0 f", "ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE none 1 FIELDS x f", "ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE none 1 FIELDS 1 f g", NUMFIELDS),
        ("HEXPIRE none 9223372036854775807 FIELDS 1 f", "ERR invalid expire time in 'hexpire' command"),
        ("HTTL str FIELDS 1 f", WRONG_TYPE),
        ("HTTL none X 1 f", MANDATORY),
        ("HPERSIST none FIELDS 0 f", "ERR Number of fields must be a positive integer"),
        ("HGETDEL none FIELDS 2 f", NUMFIELDS),
        ("HGETEX none EX 10 PX 10 FIELDS 1 f", MANDATORY),
        ("HGETEX none EX -1 PX", NEGATIVE),
        ("HGETEX none EX 10 PX", "ERR wrong number of arguments for 'hgetex' command"),
        ("HGETEX none FIELDS 1 f PERSIST", NUMFIELDS),
        ("HSETEX str FOO FIELDS 1 f v", "ERR unknown argument: FOO"),
        ("HSETEX str FIELDS 1 f v", WRONG_TYPE),
        ("HSETEX none FNX FXX FIELDS 1 f v", "ERR Only one of FXX or FNX arguments can be specified"),
        (
            "HSETEX none KEEPTTL EX x FIELDS 1 f v",
            "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ),
        ("HSETEX none FXX EX 10 FIELDS x f v", "ERR invalid number of fields"),
        ("HSETEX none FIELDS 2 f v", "ERR wrong number of arguments for 'hsetex' command"),
        ("HSETEX none FXX KEEPTTL FNX", "ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX none FXX KEEPTTL EX", "ERR wrong number of arguments for 'hsetex' command"),
    ],
)
def test_fields_are_judged_in_redis_words(command: str, error: str) -> None:
    engine = engine_of("redis")
    engine.execute("SET", "str", "v")
    words = command.split()
    if len(words) < 6 and error.startswith("ERR Only one"):
        words.append("FIELDS")
    assert outcome(engine, *words) == error


@pytest.mark.parametrize("compatibility", BOTH)
def test_what_both_accept_means_the_same(compatibility: str) -> None:
    engine = engine_of(compatibility)
    assert outcome(engine, "HSETEX", "h", "FNX", "EX", 100, "FIELDS", 2, "FIELDS", "x", "g", "y") == 1
    assert outcome(engine, "HGETEX", "h", "PERSIST", "FIELDS", 1, "FIELDS") == [b"x"]
    assert outcome(engine, "HEXPIRE", "h", 100, "NX", "FIELDS", 2, "FIELDS", "g") == [1, 0]
    assert outcome(engine, "HPERSIST", "h", "FIELDS", 2, "FIELDS", "none") == [1, -2]
    assert outcome(engine, "HGETDEL", "h", "FIELDS", 1, "g") == [b"y"]


@pytest.mark.parametrize(
    ("compatibility", "text"),
    [("redis", "ERR could not decode requested zset member"), ("valkey", "ERR member no\n such does not exist")],
)
def test_a_member_that_is_not_there(compatibility: str, text: str) -> None:
    engine = engine_of(compatibility)
    engine.execute("GEOADD", "g", 13.3, 38.1, "Palermo")
    shown = outcome(engine, "GEORADIUSBYMEMBER", "g", "no such", 10, "km")
    assert shown == text.replace("\n", "")


@pytest.mark.parametrize(
    "data",
    [
        b"*1\rX$4\r\nPING\r\n",
        b"*1\r\n$4\rXPING\r\n",
        b"*1\r\n$4\r\nPINGXX",
        b"*1\r\n$4\r\nPINGX\n",
        b"*1\r\n$4\r\nPING\rX",
        b"*0\rX",
        b"*-1\rX",
        b"*2\r\n$4\r\nECHO\r\n$40000\r\n" + b"a" * 40000 + b"\rX",
    ],
    ids=lambda data: repr(data[:24]),
)
@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_ends_of_lines(data: bytes, piece: int) -> None:
    def parse(probe: ParserProbe, data: bytes) -> list[Any]:
        return [request for at in range(0, len(data), piece) for request in probe.feed(data[at : at + piece])]

    parse(ParserProbe(strict=False), data)
    with pytest.raises(ValueError, match="invalid CRLF in request"):
        parse(ParserProbe(strict=True), data)
    sound = data.replace(b"\rX", b"\r\n").replace(b"XX", b"\r\n").replace(b"X\n", b"\r\n")
    assert parse(ParserProbe(strict=True), sound) == parse(ParserProbe(strict=False), sound)
    assert parse(ParserProbe(strict=True), b"PING\n") == [[b"PING"]]


@pytest.mark.parametrize(("compatibility", "other"), [("redis", "valkey"), ("valkey", "redis")])
def test_what_only_the_other_has_is_known_and_not_listed(compatibility: str, other: str) -> None:
    config = configured(compatibility)
    listed = {name.decode() for name, _ in config.matching([b"*"])}
    foreign = set(ORIGINALS[other]) - set(ORIGINALS[compatibility])
    assert foreign == PROFILES[compatibility].foreign
    assert not foreign & listed
    assert all(config.matching([name.encode()]) for name in foreign)


@pytest.mark.parametrize("compatibility", BOTH)
def test_a_small_hash_with_deadlines(compatibility: str) -> None:
    engine = engine_of(compatibility)
    engine.execute("HSET", "h", "f", "v", "g", "w")
    assert outcome(engine, "OBJECT", "ENCODING", "h") == b"listpack"
    engine.execute("HEXPIRE", "h", 100, "FIELDS", 1, "f")
    assert outcome(engine, "OBJECT", "ENCODING", "h") == (b"listpackex" if compatibility == "redis" else b"hashtable")
    engine.execute("COPY", "h", "copy")
    engine.execute("HPERSIST", "h", "FIELDS", 1, "f")
    timed = b"listpackex" if compatibility == "redis" else b"hashtable"
    for name in "h", "copy":
        assert outcome(engine, "OBJECT", "ENCODING", name) == timed
        engine.execute("HSET", name, "long", "x" * 65)
        assert outcome(engine, "OBJECT", "ENCODING", name) == b"hashtable"
        engine.execute("HDEL", name, "long")
        assert outcome(engine, "OBJECT", "ENCODING", name) == b"hashtable"


def test_a_hash_with_deadlines_outgrows_a_listpack_by_its_length() -> None:
    engine = engine_of("redis")
    engine.set("hash_max_listpack_entries", 3)
    engine.execute("HSETEX", "h", "EX", 100, "FIELDS", 2, "a", 1, "b", 2)
    engine.execute("HSET", "h", "c", 3)
    assert outcome(engine, "OBJECT", "ENCODING", "h") == b"listpackex"
    engine.execute("HSET", "h", "d", 4)
    assert outcome(engine, "OBJECT", "ENCODING", "h") == b"hashtable"


@pytest.mark.parametrize("compatibility", BOTH)
@pytest.mark.parametrize(
    "command",
    [
        "HGET h f",
        "HMGET h f",
        "HEXISTS h f",
        "HSTRLEN h f",
        "HRANDFIELD h",
        "HTTL h FIELDS 1 f",
        "HPERSIST h FIELDS 1 f",
        "HGETEX h FIELDS 1 f",
        "HSETEX h FXX FIELDS 1 f x",
        "HGETDEL h FIELDS 1 f",
    ],
)
def test_who_asks_for_a_field_finds_expired_ones_gone(compatibility: str, command: str) -> None:
    engine = engine_of(compatibility)
    engine.set("active_expire", 0)
    engine.execute("HSET", "h", "f", "v")
    engine.execute("HPEXPIREAT", "h", engine.now_ms + 50, "FIELDS", 1, "f")
    while not engine.execute("TIME") or engine.execute("HGETALL", "h"):
        pass
    assert engine.execute("HLEN", "h") == 1
    engine.execute(*command.split())
    assert engine.database_size(0) == (0 if compatibility == "redis" else 1)


@pytest.mark.parametrize("compatibility", BOTH)
def test_a_whole_flush_counts_as_lazy(compatibility: str) -> None:
    engine = engine_of(compatibility)
    for mode in ((), ("SYNC",)):
        engine.execute("MSET", "a", 1, "b", 2)
        engine.execute("FLUSHALL", *mode)
        while engine.before_sleep():
            pass
    assert engine.statistics["lazily_freed"] == (4 if compatibility == "redis" else 0)


def test_no_row_is_for_nothing() -> None:
    folder = Path(redislite.__file__).parent
    python = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "compatibility.py")
    assert not [name for name in FACTS if f'"{name}"' not in python and f"'{name}'" not in python]
    cython = "".join(path.read_text() for path in folder.rglob("*.pyx"))
    assert not [name for name in SETTINGS if f"settings.{name}" not in cython]


@pytest.mark.parametrize(("compatibility", "word"), [("redis", "master"), ("valkey", "primary")])
def test_a_port_that_is_none(compatibility: str, word: str) -> None:
    with pytest.raises(ConfigFileError, match=f"Invalid {word} port"):
        configured(compatibility, "replicaof 127.0.0.1 notaport")


@pytest.mark.parametrize("compatibility", BOTH)
def test_what_ends_a_transaction(compatibility: str) -> None:
    server = Server(configured(compatibility))
    engine = server.engine
    redis = compatibility == "redis"
    assert outcome(engine, "SCAN", 0, "TYPE", "nosuch") == ([b"0", []] if redis else "ERR unknown type name 'nosuch'")
    plus = "an ID, '+', or '$'" if redis else "an ID or '$'"
    assert outcome(engine, "XREAD", "STREAMS", "a", "b", "c") == (
        f"ERR Unbalanced 'xread' list of streams: for each stream key {plus} must be specified."
    )
    engine.execute("MULTI")
    assert outcome(engine, "MULTI") == (
        "ERR MULTI calls can not be nested" if redis else "ERR Command 'multi' not allowed inside a transaction"
    )
    assert outcome(engine, "WATCH", "k") == (
        "ERR WATCH inside MULTI is not allowed" if redis else "ERR Command 'watch' not allowed inside a transaction"
    )
    engine.execute("SET", "k", "v")
    ended = outcome(engine, "EXEC")
    assert ended == (["OK"] if redis else "EXECABORT Transaction discarded because of previous errors.")
    server.discard()


@pytest.mark.parametrize("name", ["compatibility", "io-multiplexing", "io-threads-do-reads"])
def test_a_directive_of_our_own_may_be_set_to_what_it_is(name: str) -> None:
    config = configured("valkey")
    config.set_runtime([(name, config.show(name))])
    other = {"compatibility": "redis", "io-multiplexing": "select", "io-threads-do-reads": "yes"}[name]
    with pytest.raises(Exception, match="can't set immutable config"):
        config.set_runtime([(name, other)])


@pytest.mark.parametrize(
    ("command", "redis", "valkey"),
    [
        ("CLIENT KILL ID 0", "ERR client-id should be greater than 0", "ERR client-id should be greater than 0"),
        ("CLIENT KILL ID abc", "ERR client-id should be greater than 0", "ERR syntax error"),
        ("CLIENT LIST ID 0", b"", "ERR client-id should be greater than 0"),
        ("CLIENT LIST ID -5", b"", "ERR client-id should be greater than 0"),
        ("CLIENT LIST ID abc", "ERR Invalid client ID", "ERR syntax error"),
        ("CLIENT LIST ID 9999999999999999999", "ERR Invalid client ID", "ERR syntax error"),
        ("CLIENT KILL ID -1", "ERR client-id should be greater than 0", "ERR client-id should be greater than 0"),
        ("CLIENT KILL ID 9999999999999999999", "ERR client-id should be greater than 0", "ERR syntax error"),
        ("CLIENT LIST ID", "ERR syntax error", "ERR syntax error"),
        ("EVALSHA abc 0", "NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT No matching script."),
    ],
)
def test_texts(server: Server, command: str, redis: object, valkey: object) -> None:
    expected = redis if server.config.profile.name == "redis" else valkey
    assert outcome(server.engine, *command.split()) == expected


def test_users_are_told_as_the_original_tells_them(server: Server) -> None:
    is_valkey = server.config.profile.name == "valkey"
    server.engine.execute("ACL", "SETUSER", "u", "on", "skip-sanitize-payload", "~*", "(+get ~x)")
    flags = b"on" if is_valkey else b"on skip-sanitize-payload"
    line = b"user u %b ~* resetchannels -@all (~x resetchannels -@all +get)" % flags
    assert line in server.engine.execute("ACL", "LIST")
    assert line.removeprefix(b"user ").decode() in set(configured_rules(server.users))
    told = server.engine.execute("ACL", "GETUSER", "u")
    assert set(told[b"flags"]) == set(flags.split())
    for selector in told, told[b"selectors"][0]:
        assert selector.get(b"databases") == (b"alldbs" if is_valkey else None)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("maxmemory", "18446744073709551616", "argument must be a memory value"),
        ("maxmemory-clients", "99999999999999999999", "argument must be a memory or percent value"),
        (
            "client-output-buffer-limit",
            "normal 18446744073709551616 0 0",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ],
)
def test_amounts_beyond_64_bits(name: str, value: str, text: str) -> None:
    configured("redis").set_runtime([(name, value)])
    with pytest.raises(ConfigError, match=text):
        configured("valkey").set_runtime([(name, value)])
    with pytest.raises(ConfigFileError, match=text):
        configured("valkey", f"{name} {value}\n")
    configured("valkey").set_runtime([(name, value.replace("616", "615"))] if "616" in value else [(name, "1gb")])


def test_rows_that_one_of_them_has(server: Server) -> None:
    is_valkey = server.config.profile.name == "valkey"
    rows = set(server.engine.execute("MEMORY", "STATS"))
    own = {b"replicas.repl.buffer", b"cluster.slot_import", b"cluster.slot_export"}
    others = {b"replica.fullsync.buffer", b"script.VMs"}
    assert rows & (own | others) == (own if is_valkey else others)
    assert (b"used_active_time_main_thread:" in server.engine.execute("INFO", "cpu")) == is_valkey
    assert (b"engine_0:name=LUA," in server.engine.execute("INFO", "scriptingengines")) == is_valkey
    assert (b"# Scripting Engines" in server.engine.execute("INFO", "all")) == is_valkey
    assert b"# Scripting Engines" not in server.engine.execute("INFO")
