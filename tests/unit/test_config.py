"""Configuration: reading, setting, showing and rewriting directives, by themselves and beside a real server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import real_server_program
from hypothesis import given
from hypothesis import strategies as st

from redislite.config import directives, kinds
from redislite.config.config import (
    Config,
    ConfigError,
    ConfigFileError,
    ConfigLoadingError,
    ConfigOpenError,
    directive_lines,
)
from redislite.config.text import as_text, parse_memory, quoted, split_arguments

REAL_SERVER = real_server_program() or []
needs_real_server = pytest.mark.skipif(not REAL_SERVER, reason="no redis-server here to compare with")
DEADLINE = 10.0


@pytest.fixture
def config() -> Config:
    return Config(change_directory=False)


def loaded(text: str) -> Config:
    result = Config(change_directory=False)
    result.load(text)
    return result


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("port 1", ["port", "1"]),
        ("  a \t b  ", ["a", "b"]),
        ('a "b c" d', ["a", "b c", "d"]),
        (r'a "\x41\n\t\q\"\\"', ["a", 'A\n\tq"\\']),
        (r'a "\xzz"', ["a", "xzz"]),
        (r"a 'b\n\'c'", ["a", r"b\n'c"]),
        ('a ""', ["a", ""]),
        ('a b"c d"', ["a", "bc d"]),
        ('a "b', None),
        ('a "b"c', None),
        ("a 'b'c", None),
        ("caf\u00e9\u00a0x", ["caf\u00e9\u00a0x"]),
    ],
)
def test_splits_arguments(line: str, arguments: list[str] | None) -> None:
    assert split_arguments(line) == arguments


@given(st.lists(st.binary(max_size=20).map(as_text), max_size=4))
def test_quoted_text_reads_back(words: list[str]) -> None:
    assert split_arguments(" ".join(quoted(word) for word in words)) == words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1b", 1),
        ("1k", 1000),
        ("1KB", 1024),
        ("1m", 10**6),
        ("1Mb", 2**20),
        ("2g", 2 * 10**9),
        ("2GB", 2**31),
        ("", 0),
        ("k", 0),
        ("007", 7),
        ("18446744073709551616", 2**64 - 1),
        ("-1", None),
        ("+1", None),
        ("1t", None),
        ("1.5gb", None),
        ("1 kb", None),
        ("1" * 128, None),
    ],
)
def test_reads_memory_units(text: str, size: int | None) -> None:
    assert parse_memory(text) == size


def test_values_have_the_type_of_their_directive() -> None:
    config = loaded(
        'maxclients 5\nappendonly yes\nmaxmemory 1gb\nmaxmemory-clients 5%\nloglevel DEBUG\nrequirepass "a\\x00b"\n'
        "save 60 1\nsave 70 2\nbind 127.0.0.1 -::1\nclient-output-buffer-limit replica 1mb 2 3\n"
        "notify-keyspace-events Kx\nunixsocketperm 700\nreplicaof a.example 7000\nshutdown-on-sigterm now nosave\n"
        "latency-tracking-info-percentiles 50 99.9\noom-score-adj relative\n"
    )
    assert config["maxclients"] == 5
    assert config["appendonly"] is True
    assert config["maxmemory"] == 2**30
    assert config["maxmemory-clients"] == -5
    assert config["loglevel"] == "debug"
    assert config["requirepass"] == b"a\0b"
    assert config["save"] == ((60, 1), (70, 2))
    assert config["bind"] == ("127.0.0.1", "-::1")
    assert config["client-output-buffer-limit"]["slave"] == (2**20, 2, 3)
    assert config["client-output-buffer-limit"]["normal"] == (0, 0, 0)
    assert config["notify-keyspace-events"] == "xK"
    assert config["unixsocketperm"] == 0o700
    assert config["replicaof"] == ("a.example", 7000)
    assert config["shutdown-on-sigterm"] == ("nosave", "now")
    assert config["latency-tracking-info-percentiles"] == (50.0, 99.9)
    assert config["oom-score-adj"] == "yes"


def test_aliases_reach_the_same_value() -> None:
    config = loaded("slave-priority 7\ncommandlog-execution-slower-than 9\nlua-time-limit 3\n")
    assert config["replica-priority"] == config["slave-priority"] == 7
    assert config.get("slowlog-log-slower-than") == 9
    assert config["busy-reply-threshold"] == 3


def test_statements_for_other_parts_are_kept() -> None:
    config = loaded('rename-command FLUSHALL ""\nuser foo on +get\nloadmodule a.so x\n')
    assert [item.arguments for item in config.renamed_commands] == [["FLUSHALL", ""]]
    assert [(item.arguments, item.number) for item in config.users] == [(["foo", "on", "+get"], 2)]
    assert config.modules[0].arguments == ["a.so", "x"]
    assert str(config.modules[0].refuse("no")).endswith("at line 3\n>>> 'loadmodule a.so x'\nno\n")


def test_save_of_a_file_replaces_the_default_and_adds_up() -> None:
    assert loaded("")["save"] == ((3600, 1), (300, 100), (60, 10000))
    assert loaded('save 60 1\nsave ""\nsave 50 2')["save"] == ((50, 2),)
    assert loaded('save ""')["save"] == ()


def test_include(tmp_path: Path) -> None:
    (tmp_path / "a1.conf").write_text("hz 20\n")
    (tmp_path / "a2.conf").write_text(f"include {tmp_path}/b.conf\n")
    (tmp_path / "b.conf").write_text("maxclients 7\n")
    config = loaded(f"include {tmp_path}/a*.conf\ninclude {tmp_path}/none*.conf\n")
    assert (config["hz"], config["maxclients"]) == (20, 7)
    with pytest.raises(ConfigOpenError, match=r"Fatal error, can't open config file '.*/none': No such file"):
        loaded(f"include {tmp_path}/none\n")


def test_error_names_line_and_directive() -> None:
    with pytest.raises(ConfigFileError) as caught:
        loaded("# one\n\n  foo bar \nhz 1")
    lines = str(caught.value).split("\n")
    assert lines[1].startswith("*** FATAL CONFIG FILE ERROR (Redis 8.0.")
    assert lines[2:] == [
        "Reading the configuration file, at line 3",
        ">>> 'foo bar'",
        "Bad directive or wrong number of arguments",
        "",
    ]


# Statements that the real server is asked about too; each is one that it neither acts upon nor stops at later.
STATEMENTS = [
    "foo bar",
    'port "18010',
    'port "18010"x',
    "maxmemory '1' 'x'",
    "include",
    "maxmemory",
    "maxmemory 1x",
    "maxmemory 50%",
    "maxmemory-clients 150%",
    "port 70000",
    "PORT 18010",
    "activerehashing maybe",
    "activerehashing YES",
    "save 900",
    'save ""',
    'save "900 1"',
    "save 900 1 300 10",
    "save 900 1 300",
    "save 0 1",
    "save 1 -1",
    "save 1 x",
    'requirepass "a\\x41\\n"',
    "masterauth x y",
    "slaveof",
    "slaveof 127.0.0.1",
    "slaveof no one",
    "slaveof a 99999",
    "slaveof a x",
    "replicaof a 1 2",
    "client-output-buffer-limit normal 0 0",
    "client-output-buffer-limit normal 0 0 x",
    "client-output-buffer-limit foo 0 0 0",
    "client-output-buffer-limit slave 1 1 1",
    "unixsocketperm 888",
    "unixsocketperm 1777",
    "unixsocketperm 0700",
    "oom-score-adj-values 1 2",
    "oom-score-adj-values 1 2 3000",
    "notify-keyspace-events Q",
    'notify-keyspace-events ""',
    "notify-keyspace-events",
    "rename-command flushall",
    "loadmodule",
    "user",
    "user foo on\nuser foo on",
    "list-max-ziplist-entries 5",
    "list-max-ziplist-value",
    "dir /nonexistent",
    "bind",
    'bind ""',
    "bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
    "latency-tracking-info-percentiles",
    "latency-tracking-info-percentiles 50 101",
    "appendfilename a/b",
    'appendfilename ""',
    "appenddirname a/b",
    'appenddirname ""',
    "dbfilename a/b",
    "  port   18010  ",
    "\tport 18010 # c",
    "# comment\n\n  # c2\nfoo",
    "hz 18\r\nhz 5\r",
    "daemonize x",
    "shutdown-on-sigint nosave now",
    'shutdown-on-sigint "nosave now"',
    "shutdown-on-sigint save nosave",
    "shutdown-on-sigint",
    "maxclients 0",
    '"" x',
    "supervised foo",
    "syslog-facility LOCAL3",
    "databases 0",
    "min-slaves-to-write 1",
    "sentinel monitor x",
    "proc-title-template {foo}",
    "enable-debug-command maybe",
    "io-threads 0",
    "io-threads 129",
    'cluster-announce-hostname "a b"',
    "tls-port x",
    "include /nonexistent/*.conf",
]


@needs_real_server
@pytest.mark.parametrize("statement", STATEMENTS)
def test_file_errors_are_the_originals(statement: str, tmp_path: Path) -> None:
    # An unknown directive at the end stops a server that accepted the rest, before it starts anything.
    text = statement + "\nthe-end here\n"
    process = subprocess.run(
        [*REAL_SERVER, "-"], input=text.encode(), capture_output=True, cwd=tmp_path, timeout=DEADLINE, check=False
    )
    assert process.returncode == 1
    with pytest.raises(ConfigFileError) as caught:
        loaded(text)
    assert str(caught.value).splitlines()[2:] == process.stderr.decode().splitlines()[2:]


ARGUMENTS = [
    ["--port", "18010"],
    ["--save", "900 1"],
    ["--save", "900", "1"],
    ["--save", ""],
    ["--save"],
    ["--save", "--hz", "12"],
    ["--hz", "12", "--save"],
    ["--bind", "127.0.0.1", "-::1"],
    ["--port=18010"],
    ["--port 18010"],
    ["--maxmemory '700mb'", "--maxmemory-policy 'volatile-lru'"],
    ["--port", "18010", "x"],
    ["--hz"],
    ["--Loglevel", "DEBUG"],
    ["--proc-title-template", "--a--b"],
    ["--proc-title-template", "--a", "b"],
    ["--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"],
    ["--proc-title-template --my--title--template", "--loglevel verbose"],
    ["--hz", "--save"],
    ["--requirepass", 'a"b'],
    ["--requirepass", "'ab"],
    ["--requirepass", "--foo", "--loglevel", "debug"],
    ["--shutdown-on-sigint", "nosave", "now", "--shutdown-on-sigterm", "nosave force"],
    ["--maxmemory", "1mb", "2mb"],
    ["-x"],
    ["--"],
    ["--", "x"],
    ["--dir", "/nonexistent"],
    ["base.conf", "--save", "100", "1"],
    ["base.conf", "hz", "13", "--port", "1"],
    ["base.conf", "x"],
    ["base.conf", "-v"],
]


@needs_real_server
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_argument_errors_are_the_originals(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.conf").write_text("port 18010\nsave 900 1\n")
    arguments = [*arguments, "--the-end", "here"]
    process = subprocess.run([*REAL_SERVER, *arguments], capture_output=True, timeout=DEADLINE, check=False)
    assert process.returncode == 1
    with pytest.raises(ConfigFileError) as caught:
        Config(change_directory=False).load_arguments(arguments)
    assert str(caught.value).splitlines()[2:] == process.stderr.decode().splitlines()[2:]


def test_standard_input_comes_between_file_and_arguments(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("hz 11\nmaxclients 1\ntimeout 1\n")
    config = Config(change_directory=False)
    config.load_arguments([str(path), "--timeout", "3", "-"], lambda: b"maxclients 2\ntimeout 2\n")
    assert (config["hz"], config["maxclients"], config["timeout"]) == (11, 2, 3)
    assert config.path == str(path)


def test_dash_alone_reads_standard_input() -> None:
    assert directive_lines(["-"], with_file=False) == ("", True)
    assert directive_lines(["-", "--port", "1"], with_file=False) == ('port "1" ', True)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigOpenError, match=r"can't open config file '.*/none\.conf': No such file or directory"):
        Config().load_arguments([str(tmp_path / "none.conf")])


def test_checks_after_the_last_line() -> None:
    with pytest.raises(ConfigFileError, match="replicaof directive not allowed in cluster mode"):
        loaded("cluster-enabled yes\nreplicaof a 1")
    with pytest.raises(ConfigFileError, match="Can't open the log file: No such file or directory"):
        loaded("logfile /nonexistent/x")


def test_dir_changes_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    config = Config()
    config.load(f"dir {tmp_path}")
    assert os.path.samefile(os.getcwd(), tmp_path)
    assert config.show("dir") == os.getcwd()


def test_dir_without_changing_the_directory(tmp_path: Path) -> None:
    before = os.getcwd()
    config = loaded(f"dir {tmp_path}")
    assert (config.show("dir"), os.getcwd()) == (str(tmp_path), before)
    with pytest.raises(ConfigFileError, match="No such file or directory"):
        loaded("dir /nonexistent")


def test_set_is_all_or_nothing(config: Config) -> None:
    config.set_runtime([("maxmemory", "10000002")])
    with pytest.raises(ConfigError) as caught:
        config.set_runtime(
            [("maxmemory", "10000001"), ("maxmemory-clients", "200%"), ("client-query-buffer-limit", "invalid")]
        )
    assert str(caught.value) == (
        "CONFIG SET failed (possibly related to argument 'maxmemory-clients') - "
        "percentage argument must be less or equal to 100"
    )
    assert config["maxmemory"] == 10000002
    assert config["maxmemory-clients"] == 0


def test_observer_can_refuse_and_everything_is_set_back(config: Config) -> None:
    calls: list[tuple[str, object]] = []

    def accept(config: Config, name: str) -> None:
        calls.append((name, config[name]))

    def refuse(config: Config, name: str) -> None:
        calls.append((name, config[name]))
        if config[name] == 7001:
            raise ConfigError("Unable to listen on this port. Check server logs.")

    config.on_change("maxmemory", accept)
    config.on_change("port", refuse)
    with pytest.raises(ConfigError) as caught:
        config.set_runtime([(b"maxmemory", b"5"), (b"PORT", b"7001"), (b"hz", b"20")])
    assert str(caught.value) == (
        "CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
    )
    assert calls == [("maxmemory", 5), ("port", 7001), ("maxmemory", 0), ("port", 6379)]
    assert (config["maxmemory"], config["port"], config["hz"]) == (0, 6379, 10)


def test_observer_is_called_once_and_only_for_changes(config: Config) -> None:
    calls: list[str] = []

    def observe(_config: Config, name: str) -> None:
        calls.append(name)

    for name in ("timeout", "slave-priority", "hz"):
        config.on_change(name, observe)
    config.set_runtime([("hz", "10")])
    config.set_runtime([("slave-priority", "5"), ("timeout", "6")])
    assert calls == ["replica-priority"]


def test_an_observer_that_breaks_leaves_nothing_behind(config: Config) -> None:
    def fail(config: Config, _name: str) -> None:
        if config["hz"] != 10:
            raise RuntimeError("broken")

    config.on_change("hz", fail)
    with pytest.raises(RuntimeError):
        config.set_runtime([("timeout", "5"), ("hz", "11")])
    assert (config["timeout"], config["hz"]) == (0, 10)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("nosuch", "1")], "Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
        ([("hz", "1"), ("HZ", "2")], "CONFIG SET failed (possibly related to argument 'HZ') - duplicate parameter"),
        (
            [("daemonize", "yes"), ("nosuch", "2")],
            "CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config",
        ),
        (
            [("dir", "/")],
            "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
        ),
    ],
)
def test_set_refuses(config: Config, pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.set_runtime(pairs)
    assert str(caught.value) == message


def test_two_names_of_one_directive_are_no_duplicate(config: Config) -> None:
    config.set_runtime([("hash-max-ziplist-entries", "1"), ("hash-max-listpack-entries", "3")])
    assert config["hash-max-ziplist-entries"] == 3


def test_protected_and_loading(config: Config, tmp_path: Path) -> None:
    config.load("enable-protected-configs local")
    config.set_runtime([("dbfilename", "a.rdb")], local=True)
    with pytest.raises(ConfigError, match="protected"):
        config.set_runtime([("dbfilename", "b.rdb")], local=False)
    with pytest.raises(ConfigLoadingError):
        config.set_runtime([("dir", str(tmp_path))], local=True, loading=True)
    config.set_runtime([("loglevel", "debug")], loading=True)


def test_get_spells_names_as_asked_and_hides(config: Config) -> None:
    assert config.matching([b"SLOWLOG-max-len"]) == [(b"SLOWLOG-max-len", b"128")]
    assert dict(config.matching([b"MAXMEM*"])).keys() >= {b"maxmemory", b"maxmemory-policy"}
    assert config.matching([b"maxmemory", b"max*ory"]) == [(b"maxmemory", b"0")]
    assert config.matching([b"key-load-delay"]) == [(b"key-load-delay", b"0")]
    assert config.matching([b"key-load-*"]) == []
    assert config.matching([b"nosuch"]) == []
    assert config.matching([b"slave-r*"]) == [(b"slave-read-only", b"yes")]
    assert config.matching([b"save"]) == [(b"save", b"3600 1 300 100 60 10000")]


def test_rewrite_keeps_comments_and_order(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text(
        "# head\nport 18010\nsave 900 1\n# mid\nsave 300 10\nsave 50 1\nhash-max-ziplist-entries 20\n"
        'slave-priority 100\nrequirepass ""\n\nmaxmemory 100mb\nuser foo on\nrename-command flushall ""\n# tail'
    )
    path.chmod(0o600)
    config = Config(change_directory=False)
    config.load_file(str(path))
    config.assign("dir", "/")
    config.set_runtime(
        [("hash-max-listpack-entries", "30"), ("masterauth", 'a b"c'), ("maxmemory", "2gb"), ("save", "60 1 70 2")]
    )
    config.rewrite()
    assert path.read_text() == (
        "# head\nport 18010\nsave 60 1\n# mid\nsave 70 2\n\nhash-max-listpack-entries 30\n"
        'replica-priority 100\n\nmaxmemory 2gb\nuser foo on\nrename-command flushall ""\n# tail\n'
        '\n# Generated by CONFIG REWRITE\ndir "/"\nmasterauth "a b\\"c"\n'
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["redis.conf"]
    before = path.read_text()
    config.rewrite()
    assert path.read_text() == before
    config.set_runtime([("save", "3600 1 300 100 60 10000"), ("masterauth", "")])
    config.rewrite()
    again = Config(change_directory=False)
    again.load_file(str(path))
    assert again.matching([b"*"]) == config.matching([b"*"])
    assert path.read_text().count("# Generated") == 1


def test_rewrite_of_everything_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("")
    config = Config(change_directory=False)
    config.load_file(str(path))
    config.rewrite(everything=True)
    again = Config(change_directory=False)
    again.load_file(str(path))
    assert again.matching([b"*"]) == config.matching([b"*"])


def test_rewrite_writes_the_users_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("user a on\nhz 10\nuser b on\nuser c on\n")
    config = Config(change_directory=False)
    config.load_file(str(path))
    config.user_rules = lambda: ["default on", "b off"]
    config.assign("dir", "/")
    config.rewrite()
    assert path.read_text().splitlines()[:3] == ["user default on", "hz 10", "user b off"]
    assert "user c" not in path.read_text()


def test_rewrite_without_a_file_and_onto_a_full_place(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="The server is running without a config file"):
        config.rewrite()
    path = tmp_path / "gone" / "redis.conf"
    path.parent.mkdir()
    path.write_text("hz 10\n")
    config.load_file(str(path))
    shutil.rmtree(path.parent)
    with pytest.raises(OSError, match="No such file"):
        config.rewrite()


def test_rows_are_sound() -> None:
    names = [name for row in directives.DIRECTIVES for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    for row in directives.DIRECTIVES:
        assert all(name == name.lower() for name in (row.name, *row.aliases))
        assert isinstance(row.kind.show(row.default), str)


class RealServer:
    """A real redis-server and one connection to it."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--enable-protected-configs", "yes"]
        self.process = subprocess.Popen([*REAL_SERVER, *options], cwd=directory, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                self.connection = socket.create_connection(("127.0.0.1", port), DEADLINE)
                break
            except ConnectionRefusedError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
        self.stream = self.connection.makefile("rb")

    def ask(self, *arguments: str) -> str | list[str]:
        """Send a command and read its reply: an error keeps its dash."""
        words = [argument.encode("utf-8", "surrogateescape") for argument in arguments]
        self.connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self._reply()

    def _reply(self) -> str | list[str]:
        line = self.stream.readline().rstrip(b"\r\n")
        if line[:1] == b"*":
            return [str(self._reply()) for _ in range(int(line[1:]))]
        if line[:1] == b"$":
            return as_text(self.stream.read(int(line[1:]) + 2)[:-2])
        return as_text(line)

    def stop(self) -> None:
        self.stream.close()
        self.connection.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    server = RealServer(tmp_path_factory.mktemp("real"))
    yield server
    server.stop()


# Directives that act on a server at once, or differ from the release that is compared with by intent.
NOT_COMPARED = {
    "dir",  # changes a directory
    "bind",  # listens
    "port",  # listens
    "tls-port",  # listens
    "maxclients",  # asks the system for file descriptors
    "appendonly",  # starts a rewrite
    "requirepass",  # locks the test out
    "oom-score-adj",  # writes to /proc
    "crash-log-enabled",  # installs signal handlers
    "loglevel",  # `nothing` came later
    "repl-diskless-load",  # `flush-before-load` came later
    "tls-cluster",  # needs certificates
    "tls-replication",  # needs certificates
    "repl-backlog-size",  # a running server enlarges a small one to what it allocates
    "watchdog-period",  # sets a timer signal
    "aof-disable-auto-gc",  # deletes files
}


def candidates(kind: kinds.Kind) -> list[str]:
    """Values at and around what a kind takes."""
    words = ["", "zzz", "yes", "NO", "1", "0", "-1", "05", "+5", " 5", "1.5", "99999999999999999999", "50%", "-0"]
    if isinstance(kind, kinds.Integer):
        around = [kind.lower - 1, kind.lower, kind.upper, kind.upper + 1, 4, 17]
        words += [str(number) for number in around]
        words += ["4kb", "4KB", "4k", "2mb", "2m", "3g", "1b", "200%", "100%", "%", "-1%", "1t"]
    if isinstance(kind, kinds.Choice):
        words += [*kind.words, kind.words[0].upper(), " ".join(kind.words[:2]), " ".join(kind.words[-2:])]
    if isinstance(kind, kinds.BufferLimits):
        words += ["normal 1 2 3", "normal 1mb 2mb 3 pubsub 4 5 6", "foo 1 2 3", "master 1 2 3", "replica 1 2 3"]
        words += ["normal -1 2 3", "normal 1 2 -3", "normal a 2 3", "normal 1 2 x", "NORMAL 1 2 3", "normal 0 0 0"]
    if isinstance(kind, kinds.KeyspaceEvents):
        words += ["KEA", "Kx", "En", "Em", "AKEmnd", "gxn$", "K ", "dEg$lshzxet", "KQ"]
    if isinstance(kind, kinds.Percentiles):
        words += ["1 2.50 3.123456789 100", "101", "1e1", "nan", "0.000001 99.99999999", "50 x", "50 99 99.9"]
    if isinstance(kind, kinds.ScoreAdjustments):
        words += ["1 2 3", "1 2", "1 2 x", "3 2 1", "-2001 1 1", "1 1 2001", "-2000 0 2000"]
    if isinstance(kind, kinds.SavePoints):
        words += ["900", "900 1", "900 1 300 10", "0 1", "1 -1", "900 1x", "900  1", "900 4294967297", '"900 1"']
    if isinstance(kind, kinds.Text):
        words += ["a/b", "a b", "a_b", "a-b.c", "{title}", "{foo}", "{title", "x" * 300]
    return words


@needs_real_server
def test_every_directive_of_the_real_server_is_here(real: RealServer) -> None:
    shown = real.ask("CONFIG", "GET", "*")
    assert isinstance(shown, list)
    assert set(shown[::2]) <= set(Config().names())
    ours = {as_text(name): as_text(value) for name, value in Config(change_directory=False).matching([b"*"])}
    given_at_start = {"port", "bind", "save", "enable-protected-configs", "dir"}
    different = {name: value for name, value in zip(shown[::2], shown[1::2], strict=True) if ours[name] != value}
    assert set(different) <= given_at_start


@needs_real_server
def test_config_set_answers_as_the_original(real: RealServer) -> None:
    shown = real.ask("CONFIG", "GET", "*")
    differences = []
    compared = 0
    for name in sorted(shown[::2]):
        row = directives.BUILT_IN.by_name[name]
        if row.flags & directives.IMMUTABLE or row.name in NOT_COMPARED:
            continue
        ours = Config(change_directory=False)
        ours.load("enable-protected-configs yes")
        ours.set_runtime([(name, real.ask("CONFIG", "GET", name)[1])])
        for value in candidates(row.kind):
            expected = real.ask("CONFIG", "SET", name, value)
            try:
                ours.set_runtime([(name, value)])
                actual = "+OK"
            except ConfigError as error:
                actual = f"-ERR {error}"
            pair = (expected, real.ask("CONFIG", "GET", name)), (actual, [name, ours.show(name)])
            compared += 1
            if pair[0] != pair[1]:
                differences.append((name, value, *pair))
    assert differences == []
    assert compared > 2000


@needs_real_server
@pytest.mark.parametrize("name", ["daemonize", "databases", "replicaof", "unixsocketperm", "nosuch", "rename-command"])
def test_config_set_refuses_as_the_original(real: RealServer, config: Config, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.set_runtime([(name, "yes")])
    assert real.ask("CONFIG", "SET", name, "yes") == f"-ERR {caught.value}"


def test_the_packaged_configuration_loads() -> None:
    path = Path("/etc/redis/redis.conf")
    try:
        text = path.read_text()
    except OSError as error:
        pytest.skip(f"no {path} to load: {error.strerror}")
    # Where it logs and works is the system's business, not this test's.
    kept = [line for line in text.splitlines() if not line.startswith(("logfile ", "dir "))]
    config = loaded("\n".join(kept))
    assert config["daemonize"] is True
    assert config["bind"] == ("127.0.0.1", "-::1")
