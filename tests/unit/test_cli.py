"""The command line, the log and what the server does to its own process."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

import redislite
from redislite import cli
from redislite.config.config import Config, ConfigError, ConfigFileError
from redislite.config.following import follow_calls
from redislite.observability import log
from redislite.process import oom_score
from redislite.process import supervision as process
from redislite.process.title import title_text

DEADLINE = 20.0


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "redislite.cli", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Configurations that would have been served; nothing is."""
    configurations: list[Config] = []

    def serve(config: Config) -> int:
        configurations.append(config)
        return 7

    server = types.ModuleType("redislite.server")
    server.run = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redislite.server", server)
    monkeypatch.setattr(redislite, "server", server, raising=False)
    return configurations


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_version(option: str) -> None:
    result = run(option)
    assert result.returncode == 0
    shape = r"Redis server v=8\.0\.\d+ sha=00000000:0 malloc=redislite bits=(64|32) build=[0-9a-f]{16}\n"
    assert re.fullmatch(shape, result.stdout)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option: str) -> None:
    # As the original: on the standard error, with an exit code of 1.
    result = run(option)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Usage: redislite-server")


def test_memory_test_is_refused() -> None:
    result = run("--test-memory", "100")
    assert result.returncode == 1
    assert "memory test" in result.stderr


def test_check_system_reports() -> None:
    result = run("--check-system")
    assert result.returncode in (0, 1)
    assert re.search(r"^\[overcommit\]\.\.\.(OK|WARNING:|skipped)$", result.stdout, re.MULTILINE)


def test_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("# x\n\nfoo bar\n")
    result = run(str(path))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.endswith(
        "Reading the configuration file, at line 3\n>>> 'foo bar'\nBad directive or wrong number of arguments\n"
    )


def test_missing_file(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none.conf"))
    assert result.returncode == 1
    assert re.fullmatch(
        r"\d+:C .* # Fatal error, can't open config file '.*none\.conf': No such file or directory\n", result.stdout
    )


def test_standard_input_is_read() -> None:
    result = run("-", "--port", "x", text="hz 10\n")
    assert result.returncode == 1
    assert "at line 3" in result.stderr
    assert "Reading config from stdin" in result.stdout


def test_server_gets_the_configuration(served: list[Config]) -> None:
    assert cli.main(["--port", "0", "--maxclients", "5"]) == 7
    assert served[0]["maxclients"] == 5


def test_server_may_refuse_a_line(
    served: list[Config], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(config: Config) -> int:
        raise config.renamed_commands[0].refuse("No such command in rename-command")

    monkeypatch.setattr(sys.modules["redislite.server"], "run", refuse)
    assert cli.main(["--rename-command", "nosuch", "x"]) == 1
    assert capsys.readouterr().err.endswith(
        'at line 2\n>>> \'rename-command "nosuch" "x"\'\nNo such command in rename-command\n'
    )


HEAVY = {"argparse", "logging", "typing", "dataclasses", "ctypes", "json", "subprocess", "hashlib", "asyncio"}


@pytest.mark.parametrize(
    ("module", "heavy"), [("redislite.cli", {*HEAVY, "re", "socket", "enum"}), ("redislite.server", HEAVY)]
)
def test_start_imports_little(module: str, heavy: set[str]) -> None:
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert not heavy & set(result.stdout.split())


class Entries:
    """A log and the file that it writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = log.Log(file=str(path))

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@pytest.fixture
def entries(tmp_path: Path) -> Entries:
    return Entries(tmp_path / "server.log")


def test_log_line(entries: Entries) -> None:
    entries.log.role = "S"
    entries.log.warning("no \u20ac")
    shape = rf"{os.getpid()}:S \d\d [A-Z][a-z][a-z] \d{{4}} \d\d:\d\d:\d\d\.\d{{3}} # no \u20ac"
    assert re.fullmatch(shape, entries.lines()[0])


@pytest.mark.parametrize(
    ("level", "marks"),
    [("debug", ".-*#"), ("verbose", "-*#"), ("notice", "*#"), ("warning", "#"), ("nothing", "")],
)
def test_log_levels(entries: Entries, level: str, marks: str) -> None:
    entries.log.level = log.LEVELS.index(level)
    for write in (entries.log.debug, entries.log.verbose, entries.log.notice, entries.log.warning):
        write("x")
    assert "".join(line.split()[-2] for line in entries.lines()) == marks


def test_log_follows_the_configuration(entries: Entries) -> None:
    config = Config(change_directory=False)
    config.load(f"logfile {entries.path}\nlog-format logfmt\nlog-timestamp-format milliseconds\n")
    entries.log.apply(config)
    follow_calls(config, entries)
    entries.log.verbose("hidden")
    config.set_runtime([("loglevel", "verbose")])
    entries.log.verbose('a "b"\nc')
    config.set_runtime([("log-format", "json")])
    entries.log.notice("d")
    first, second = entries.lines()
    assert re.fullmatch(r'pid=\d+ role=primary timestamp="\d{13}" level=info message="a \'b\' c"', first)
    assert re.fullmatch(r'\{"pid":\d+,"role":"primary","timestamp":"\d{13}","level":"notice","message":"d"\}', second)


def test_log_file_may_be_rotated(entries: Entries) -> None:
    entries.log.notice("one")
    entries.path.rename(entries.path.with_suffix(".old"))
    entries.log.notice("two")
    assert len(entries.lines()) == 1


def test_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log.Log(file=str(tmp_path / "none" / "x")).warning("lost")


def test_timestamps() -> None:
    assert log.format_time("milliseconds", 1.5) == "1500"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.500[+-]\d\d:\d\d", log.format_time("iso8601", 1000000.5))
    assert re.fullmatch(r"\d\d Jan 1970 \d\d:\d\d:\d\d\.500", log.format_time("legacy", 1000000.5))


def test_pid_file(tmp_path: Path, entries: Entries) -> None:
    path = str(tmp_path / "server.pid")
    assert process.write_pid_file(path, entries.log)
    assert Path(path).read_text() == f"{os.getpid()}\n"
    process.remove_pid_file(path, entries.log)
    assert not os.path.exists(path)
    assert not process.write_pid_file(str(tmp_path / "none" / "x"), entries.log)
    assert entries.lines()[-1].endswith("# Failed to write PID file: No such file or directory")


def test_pid_file_path() -> None:
    config = Config(change_directory=False)
    assert process.pid_file_path(config) == ""
    config.assign("daemonize", True)
    assert process.pid_file_path(config) == process.DEFAULT_PID_FILE
    config.assign("pidfile", "/x")
    assert process.pid_file_path(config) == "/x"


def test_systemd_is_told(tmp_path: Path, entries: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        supervisor = process.Supervisor("auto", entries.log)
        supervisor.ready()
        supervisor.stopping()
        received = [manager.recv(1000) for _ in range(3)]
    assert supervisor.kind == "systemd"
    assert received[1] == b"STATUS=Ready to accept connections\nREADY=1\n"
    assert received[2] == b"STOPPING=1\n"


def test_no_supervisor(entries: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("UPSTART_JOB", raising=False)
    for mode in ("no", "auto", "systemd", "upstart"):
        supervisor = process.Supervisor(mode, entries.log)
        assert supervisor.kind == ""
        assert not supervisor.notify("READY=1")
    assert len(entries.lines()) == 2


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("port 7000", "redislite-server *:7000"),
        ("bind 127.0.0.1\nport 7000\ncluster-enabled yes", "redislite-server 127.0.0.1:7000 [cluster]"),
        ("port 0\nunixsocket /tmp/x", "redislite-server /tmp/x"),
        ('proc-title-template "{title} {port} {tls-port}"', "redislite-server 6379 0"),
    ],
)
def test_title_text(text: str, title: str) -> None:
    config = Config(change_directory=False)
    config.load(text)
    assert title_text(config) == title


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="the title is written through /proc")
def test_title_is_shown() -> None:
    code = (
        "from redislite.process import title; assert title.set_title('redislite-server *:7000');"
        "print(open('/proc/self/cmdline').read().rstrip('\\0'), open('/proc/self/comm').read().strip())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert result.stdout == "redislite-server *:7000 redislite-serve\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="the title is written through /proc")
def test_long_titles_take_the_room_of_the_environment() -> None:
    code = """
import os
from redislite.process.title import set_title
shown = lambda: open('/proc/self/cmdline').read().rstrip('\\0')
for title in ('x' * 1000, 'short', 'y' * 1500, 'z' * 10000):
    assert set_title(title)
    assert shown() == title or len(title) > 2000 and title.startswith(shown()) and len(shown()) >= 1500, shown()
assert os.environ['LONG'] == 'v' * 2000
# What the C library hands to others is intact too.
assert os.system('test "$LONG" = ' + 'v' * 2000) == 0
"""
    code = f"{code}#{'c' * (800 - len(code))}"
    environment = os.environ | {"LONG": "v" * 2000}
    subprocess.run([sys.executable, "-c", code], timeout=DEADLINE, check=True, env=environment)


@pytest.mark.skipif(not os.path.exists(oom_score.OomScore.PATH), reason="there is no score to set on this system")
def test_out_of_memory_score() -> None:
    code = """
from types import SimpleNamespace
from redislite.config.config import Config
from redislite.config.following import follow_calls
from redislite.observability.log import Log
from redislite.process.oom_score import CHILD, OomScore
read = lambda: int(open(OomScore.PATH).read())
first, config = read(), Config()
score = OomScore(config, Log())
follow_calls(config, SimpleNamespace(oom_score=score))
assert score.apply() and read() == first
config.set_runtime([("oom-score-adj-values", "10 20 30"), ("oom-score-adj", "yes")])
assert read() == min(1000, first + 10)
score.apply(CHILD)
assert read() == min(1000, first + 30)
config.set_runtime([("oom-score-adj", "absolute"), ("oom-score-adj-values", "900 900 999")])
assert read() == 900
config.set_runtime([("oom-score-adj", "no")])
print(read() == first)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=False)
    if "Unable to write" in result.stdout:
        pytest.skip("this user may not lower a score")
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_a_score_that_is_refused_is_set_back(tmp_path: Path, entries: Entries, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(change_directory=False)
    monkeypatch.setattr(oom_score.OomScore, "PATH", str(tmp_path / "none" / "x"))
    score = oom_score.OomScore(config, entries.log)
    follow_calls(config, types.SimpleNamespace(oom_score=score))
    with pytest.raises(ConfigError, match=r"Failed to set current oom_score_adj\. Check server logs"):
        config.set_runtime([("oom-score-adj", "yes")])
    assert config["oom-score-adj"] == "no"
    assert score.role == oom_score.MASTER


def test_daemon_leaves_its_session(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    code = (
        "import os; from redislite.process import supervision as process; parent = os.getpid(); process.daemonize();"
        f"os.write({writing}, f'{{os.getpid() != parent}} {{os.getsid(0) == os.getpid()}}'.encode())"
    )
    result = subprocess.run([sys.executable, "-c", code], pass_fds=[writing], timeout=DEADLINE, check=False)
    os.close(writing)
    with os.fdopen(reading) as stream:
        assert stream.read() == "True True"
    assert result.returncode == 0


def test_config_file_error_without_a_line() -> None:
    assert str(ConfigFileError("nothing works")).endswith("***\nnothing works\n")
