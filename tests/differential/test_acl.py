"""The same rules for users at our server and at the original: accepted or refused alike, and allowing the same.

REDISLITE_DIFFERENTIAL_SEED  the seed (1)
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from harness import OK, Connection, Failure, ServerProcess, request

SEED = os.environ.get("REDISLITE_DIFFERENTIAL_SEED", "1")
USERS = 60  # random users; each is asked about all requests
REQUESTS = 1500
PIPELINE = 250
ARGUMENTS = (
    "a r w x 1 2 0 3 store get keys streams db by limit left incrby u8 storedist from max a1 r1 w1 channel ch* c"
)
SINGLE_RULES = (
    "~a* %R~r* %W~w* ~1 ~ %RW~x allkeys resetkeys ~[a-c]* &c* &channel &ch* allchannels resetchannels clearselectors "
    "+get|a +select|0 -select +@all -@all +get -get +object|freq -object +client|id -client +config|get|x "
    "-config|nosuch +nosuch ~x%y %X~a (foo) &"
)
WORDS = [*ARGUMENTS.split(), ""]
RULES = [*SINGLE_RULES.split(), "(~a +get)", "(+@write %W~w*)", "(+@all %R~* &*)"]


def ask(connection: Connection, commands: list[list[str]]) -> list[Any]:
    replies = []
    for start in range(0, len(commands), PIPELINE):
        chunk = commands[start : start + PIPELINE]
        connection.send(b"".join(request(*command) for command in chunk))
        replies += [connection.read() for _ in chunk]
    return replies


# What the later versions have in @blocking besides.
BLOCKING_LATER = (b"wait", b"waitaof")


def known_commands(ours: Connection, theirs: Connection) -> list[list[Any]]:
    """COMMAND INFO of what both have and agree about, subcommands included, containers not."""
    known: list[list[Any]] = []
    theirs_by_name: dict[bytes, list[Any]] = {}
    for source, is_ours in ((theirs, False), (ours, True)):
        waiting = list(source("COMMAND"))
        while waiting:
            info = waiting.pop()
            waiting += info[9]
            if not is_ours:
                theirs_by_name[info[0]] = info
            elif info[9] or info[0] in BLOCKING_LATER:
                continue
            elif info[0] in theirs_by_name and theirs_by_name[info[0]][1] == info[1]:
                known.append(info)
    return sorted(known, key=lambda info: bytes(info[0]))


def requests_for(known: list[list[Any]], chance: random.Random) -> list[list[str]]:
    """Requests with numbers of arguments that the commands accept."""
    made = []
    for number in range(REQUESTS):
        info = known[number % len(known)]
        name = info[0].decode().split("|")
        arity = info[1]
        count = abs(arity) - len(name) + (chance.choice((0, 0, 1, 2, 3, 5)) if arity < 0 else 0)
        made.append(name + [chance.choice(WORDS) for _ in range(max(0, count))])
    return made


def outcome(reply: Any) -> Any:
    """A reply of DRYRUN in the words of the later version."""
    return reply.replace(b"This user has", b"User u has") if isinstance(reply, bytes) else reply


def is_told_alike(words: list[str]) -> bool:
    """Whether both look at the same keys. The original looks at the first STORE and STOREDIST of GEORADIUS, where the
    last one is written, at none of PFMERGE without sources, and at what follows a group named "streams"."""
    name = words[0].lower()
    if name in ("georadius", "georadiusbymember"):
        return sum(word.lower() in ("store", "storedist") for word in words) < 2
    return name not in ("xread", "xreadgroup") and (name != "pfmerge" or len(words) > 2)


@pytest.fixture
def connections(server: ServerProcess, real_server: ServerProcess) -> Any:
    pair = server.connect(), real_server.connect()
    yield pair
    for connection in pair:
        connection("ACL", "DELUSER", "u")


def test_categories(connections: tuple[Connection, Connection]) -> None:
    """Of every category, added and taken away, the same commands are allowed."""
    known = known_commands(*connections)
    requests = [["ACL", "DRYRUN", "u", *info[0].decode().split("|")] for info in known]
    for one, info in zip(requests, known, strict=True):
        one += ["1"] * (abs(info[1]) - (len(one) - 3))
    for category in connections[1]("ACL", "CAT"):
        name = category.decode()
        for rules in (["+@" + name], ["+@all", "-@" + name], ["+@read", "+@" + name, "-@dangerous", "-client", "+get"]):
            for connection in connections:
                assert connection("ACL", "SETUSER", "u", "reset", "~*", "&*", *rules) == OK
            ours, theirs = (list(map(outcome, ask(connection, requests))) for connection in connections)
            differences = [
                (rules, one[3:], mine, real)
                for one, mine, real in zip(requests, ours, theirs, strict=True)
                if mine != real
            ]
            assert not differences


def test_random_users(connections: tuple[Connection, Connection]) -> None:
    """Of random rules the same are refused, in the same words, and what is left allows the same."""
    chance = random.Random(SEED)
    drawn = requests_for(known_commands(*connections), chance)
    requests = [["ACL", "DRYRUN", "u", *words] for words in drawn if is_told_alike(words)]
    for _ in range(USERS):
        rules = [chance.choice(RULES) for _ in range(chance.randint(1, 12))]
        for connection in connections:
            assert connection("ACL", "SETUSER", "u", "reset", "+@all") == OK
        for rule in rules:
            ours, theirs = (connection("ACL", "SETUSER", "u", rule) for connection in connections)
            assert (ours, isinstance(ours, Failure)) == (theirs, isinstance(theirs, Failure)), rule
        chosen = chance.sample(requests, PIPELINE)
        answers = [list(map(outcome, ask(connection, chosen))) for connection in connections]
        differences = [
            (rules, one[3:], mine, real) for one, mine, real in zip(chosen, *answers, strict=True) if mine != real
        ]
        assert not differences
