"""Arguments of the Python tier longer than anybody means: numbers of thousands of digits, names of a megabyte.

Every command and every word of its syntax gets them in each place. An error may be answered, but none that says that
something went wrong inside.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from redislite._core.protocol.reply_types import CommandError
from redislite.config.config import Config
from redislite.observability.log import NOTHING, Log
from redislite.server import Server

DIGITS = ("9" * 5000, "0" * 5000 + "1")
NUMBERS = [sign + digits for sign in ("", "-", "+") for digits in DIGITS] + ["1e5000", "nan", "inf"]
# What would end the process, write files, or sleep.
HARMFUL = {"shutdown", "debug", "save", "bgsave", "bgrewriteaof", "config|rewrite", "acl|save", "acl|load"}
WORD = re.compile(r"[A-Z][A-Z-]+")


def make_server() -> Server:
    config = Config(change_directory=False)
    config.load("enable-debug-command yes")
    return Server(config, Log(level=NOTHING))


SERVER = make_server()
ROWS = {row.name: row for row in SERVER.table.rows}
PYTHON = sorted(name for name, row in ROWS.items() if row.address == 0 and name not in HARMFUL and not row.subcommands)


def requests(name: str, number: str) -> list[list[str]]:
    """The command with the number in each place, behind each word of its syntax."""
    words = name.split("|")
    tokens = ["", *dict.fromkeys(WORD.findall(ROWS[name].syntax or ""))]
    found = []
    for token in tokens:
        option = [token] if token else []
        for count in range(5):
            found.append([*words, *[number] * count, *option, number])
            found.append([*words, *["1"] * count, *option, number, *["1"] * count])
    return found


@pytest.fixture
def errors() -> Any:
    caught: list[BaseException] = []
    SERVER.engine.on_exception = caught.append
    yield caught
    assert not caught


def ask(*words: str) -> Any:
    try:
        return SERVER.engine.execute(*words)
    except CommandError as error:
        assert "internal error" not in str(error), words
        return error


@pytest.mark.parametrize("name", PYTHON)
def test_numbers_of_thousands_of_digits(name: str, errors: Any) -> None:
    for number in NUMBERS:
        for words in requests(name, number):
            ask(*words)


@pytest.mark.parametrize("name", sorted(name for name, row in ROWS.items() if "|" not in name))
def test_numbers_of_keys_that_nobody_has(name: str, errors: Any) -> None:
    for number in NUMBERS:
        for words in requests(name, number):
            ask("COMMAND", "GETKEYS", *words)
            ask("COMMAND", "GETKEYSANDFLAGS", *words)
            ask("ACL", "DRYRUN", "default", *words)


RULES = ["db={}", "db=1,{}", "(db={})", "%R~{}", "~{}", "&{}", "+{}", "+get|{}", "-@{}", ">{}", "#{}"]


@pytest.mark.parametrize("rule", RULES)
def test_rules_of_users(rule: str, errors: Any) -> None:
    for number in NUMBERS:
        reply = ask("ACL", "SETUSER", "somebody", rule.format(number))
        if rule.startswith("db=") and number == "9" * 5000:
            assert str(reply).endswith("The provided database ID is out of range")
    ask("ACL", "DELUSER", "somebody")


def test_a_number_that_is_only_written_long_is_the_number(errors: Any) -> None:
    assert ask("ACL", "SETUSER", "somebody", "resetdbs", "db=" + "0" * 5000 + "1") == "OK"
    assert b" db=1 " in ask("ACL", "LIST")[-1]
    ask("ACL", "DELUSER", "somebody")


def test_long_names_fill_no_log(errors: Any) -> None:
    ask("ACL", "LOG", "RESET")
    with pytest.raises(CommandError):
        SERVER.engine.execute("AUTH", "n" * 1_000_000, "password")
    SERVER.users.log.add("key", "toplevel", b"k" * 1000, "somebody", "", 0, limit=10)
    key, auth = ([entry[b"object"], entry[b"username"]] for entry in ask("ACL", "LOG"))
    assert key == [b"k" * 128 + b"... (872 more bytes)", b"somebody"]
    assert auth == [b"AUTH", b"n" * 128 + b"... (999872 more bytes)"]


def test_monitor_is_not_for_transactions(errors: Any) -> None:
    refusal = "ERR MONITOR isn't allowed for DENY BLOCKING client"
    for words in (("MULTI",), ("MONITOR",), ("MONITOR",), ("PING",)):
        ask(*words)
    replies = ask("EXEC")
    assert [str(reply) for reply in replies] == [refusal, refusal, "PONG"]
    assert str(ask("MONITOR")) == refusal
    assert not SERVER.monitors
