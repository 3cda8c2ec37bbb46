"""The table of commands that the differential test sends: each row a command, its group, its arguments.

A row is all that a new command needs; a new data type adds its rows and, if it has arguments of a new kind, a
generator.  An argument generator takes the source of chance and answers the words it stands for (none, one, several).
Most arguments are drawn so that the command succeeds often enough to change something; `nasty` replaces one of them
now and then by what no one should send.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

Words = list[bytes]
Generator = Callable[[random.Random], Words]

KEYS = [b"a", b"b", b"c", b"d", b"e", b"key:{1}", b"", b"binary\x00\r\n\xff", b"0", b"long" * 20]
INTEGERS = [b"0", b"1", b"-1", b"2", b"10", b"100", b"-7", b"12345", b"9223372036854775806", b"-9223372036854775808"]
NASTY = [
    b"",
    b" ",
    b" 1",
    b"1 ",
    b"+1",
    b"01",
    b"-0",
    b"1.0",
    b"1e3",
    b"0x10",
    b"x",
    b"\x00",
    b"-",
    b"nan",
    b"inf",
    b"-inf",
    b"1\x00",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999",
    b"2147483647",
    b"2147483648",
    b"4294967296",
    b"1" * 40,
    b"NX",
    b"XX",
    b"GET",
    b"EX",
    b"\xff\xfe",
    b"no\r\nbreak",
    b"*",
    b"$-1\r\n",
]
FLOATS = [
    b"0.1",
    b"-1.5",
    b"3.14159265358979",
    b"1e5",
    b"1e-5",
    b"-0.0",
    b"5.0e3",
    b"1e17",
    b"0.00000000000000001",
    b"100000000000",
    b".5",
    b"1.",
    b"+2",
    b"-3",
    b"1.7976931348623157e308",
    b"1e400",
    b"12345678.12345678",
]
VALUES = [
    b"",
    b"v",
    b"value",
    b"hello world",
    b"12",
    b"-5",
    b"0",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"3.5",
    b"1e3",
    b"00",
    b"x" * 43,
    b"x" * 44,
    b"x" * 45,
    b"y" * 300,
    bytes(range(256)),
    b"\r\n",
    b"ohmytext",
    b"mynewtext",
]
# Times are far enough that no key expires while the commands run, or long past.
FUTURE_SECONDS = [b"4000000000", b"4100000000", b"4100000001"]
FUTURE_MILLISECONDS = [b"4000000000000", b"4100000000000", b"4100000000001"]
PAST = [b"0", b"-1", b"-100", b"-9223372036854775808"]


def key(chance: random.Random) -> Words:
    return [chance.choice(KEYS)]


def keys(chance: random.Random) -> Words:
    return [chance.choice(KEYS) for _ in range(chance.choice((1, 1, 2, 3, 5)))]


def value(chance: random.Random) -> Words:
    if chance.random() < 0.1:
        return [chance.randbytes(chance.randint(0, 80))]
    if chance.random() < 0.3:
        return integer(chance)
    return [chance.choice(VALUES)]


def pairs(chance: random.Random) -> Words:
    return [word for _ in range(chance.choice((1, 1, 2, 4))) for word in (*key(chance), *value(chance))]


def integer(chance: random.Random) -> Words:
    if chance.random() < 0.3:
        return [b"%d" % chance.randint(-1000, 1000)]
    return [chance.choice(INTEGERS)]


def number(chance: random.Random) -> Words:
    return [chance.choice(FLOATS)] if chance.random() < 0.7 else integer(chance)


def index(chance: random.Random) -> Words:
    return [b"%d" % chance.randint(-20, 20)]


def offset(chance: random.Random) -> Words:
    return [b"%d" % chance.choice((0, 1, 2, 5, 10, 43, 44, 45, 100, 2000))]


def database(chance: random.Random) -> Words:
    return [chance.choice((b"0", b"0", b"1", b"2", b"15", b"16", b"-1"))]


def pattern(chance: random.Random) -> Words:
    return [
        chance.choice(
            (
                b"*",
                b"?",
                b"[a-c]",
                b"[^a]",
                b"k*",
                b"**",
                b"a",
                b"",
                b"[",
                b"\\a",
                b"*{1}*",
                b"long*g",
                b"[^",
                b"[a",
                b"\\",
            )
        )
    ]


def seconds(chance: random.Random) -> Words:
    """Relative and seldom the same twice: with the same, GT and LT would turn on the millisecond."""
    return [b"%d" % chance.randint(1000, 10_000_000) if chance.random() < 0.85 else chance.choice(PAST)]


def milliseconds(chance: random.Random) -> Words:
    return [b"%d" % chance.randint(1_000_000, 10_000_000_000) if chance.random() < 0.85 else chance.choice(PAST)]


def future_seconds(chance: random.Random) -> Words:
    return [chance.choice(FUTURE_SECONDS)]


def future_milliseconds(chance: random.Random) -> Words:
    return [chance.choice(FUTURE_MILLISECONDS)]


def at_seconds(chance: random.Random) -> Words:
    return [chance.choice([*FUTURE_SECONDS, b"1", b"1000000000"])]


def at_milliseconds(chance: random.Random) -> Words:
    return [chance.choice([*FUTURE_MILLISECONDS, b"1", b"1000000000000"])]


def word(*choices: str) -> Generator:
    """One of these words, in any case."""

    def generate(chance: random.Random) -> Words:
        text = chance.choice(choices)
        return [chance.choice((text, text, text.lower(), text.title())).encode()]

    return generate


def maybe(*generators: Generator, odds: float = 0.5) -> Generator:
    """All of these in sequence, or nothing."""

    def generate(chance: random.Random) -> Words:
        return [word for one in generators for word in one(chance)] if chance.random() < odds else []

    return generate


def one_of(*generators: Generator) -> Generator:
    return lambda chance: chance.choice(generators)(chance)


def sequence(*generators: Generator) -> Generator:
    return lambda chance: [word for one in generators for word in one(chance)]


def shuffled(*generators: Generator) -> Generator:
    """Some of these, in any order."""

    def generate(chance: random.Random) -> Words:
        chosen = [one for one in generators if chance.random() < 0.35]
        chance.shuffle(chosen)
        return [word for one in chosen for word in one(chance)]

    return generate


def nothing(_: random.Random) -> Words:
    return []


# SET with a time in the past leaves an expired key until it is touched, or none: servers differ, and DBSIZE shows it.
EXPIRY = one_of(
    sequence(word("EX"), seconds),
    sequence(word("PX"), milliseconds),
    sequence(word("EXAT"), future_seconds),
    sequence(word("PXAT"), future_milliseconds),
)
EXPIRY_OR_PAST = one_of(EXPIRY, EXPIRY, sequence(word("EXAT"), at_seconds), sequence(word("PXAT"), at_milliseconds))


@dataclass(frozen=True)
class Command:
    """One row: the words of the command's name, its group, its weight, its arguments, since which server it exists.

    rule names how the replies are compared, see comparison.py.
    since is the redis_version of the first original that has it; None is for what only Valkey 9 has.
    A plain command is sent as it is generated: a nasty argument would make it stop or change the server itself.
    """

    name: str
    group: str
    arguments: tuple[Generator, ...] = ()
    weight: int = 4
    rule: str = "exact"
    since: tuple[int, ...] | None = (7, 0)
    plain: bool = False
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", [part.encode() for part in self.name.split()])

    def generate(self, chance: random.Random) -> Words:
        """The command with its arguments; one in eight has a nasty argument, one in thirty another number of them."""
        arguments = [word for one in self.arguments for word in one(chance)]
        roll = 1.0 if self.plain else chance.random()
        if arguments and roll < 0.12:
            arguments[chance.randrange(len(arguments))] = chance.choice(NASTY)
        elif roll < 0.14:
            arguments.insert(chance.randint(0, len(arguments)), chance.choice(NASTY + KEYS))
        elif arguments and roll < 0.16:
            del arguments[chance.randrange(len(arguments))]
        return [*self.words, *arguments]


SET_OPTIONS = shuffled(word("NX", "XX"), word("GET"), word("KEEPTTL"), EXPIRY)
SET_OPTIONS_9 = shuffled(sequence(word("IFEQ"), value), word("GET"), word("KEEPTTL"), EXPIRY)
EXPIRE_OPTION = one_of(nothing, nothing, word("NX", "XX", "GT", "LT"), shuffled(word("XX", "NX"), word("GT", "LT")))
LCS_OPTIONS = shuffled(word("LEN"), word("IDX"), sequence(word("MINMATCHLEN"), index), word("WITHMATCHLEN"))

COMMANDS = [
    # string
    Command("SET", "string", (key, value), 20),
    Command("SET", "string", (key, value, SET_OPTIONS), 20),
    Command("SET", "string", (key, value, SET_OPTIONS_9), 10, since=None),
    Command("GET", "string", (key,), 15),
    Command("GETDEL", "string", (key,)),
    Command(
        "GETEX", "string", (key, one_of(nothing, word("PERSIST"), EXPIRY_OR_PAST, shuffled(EXPIRY, word("PERSIST")))), 8
    ),
    Command("GETSET", "string", (key, value)),
    Command("SETNX", "string", (key, value)),
    Command("SETEX", "string", (key, seconds, value)),
    Command("PSETEX", "string", (key, milliseconds, value)),
    Command("MGET", "string", (keys,), 8),
    Command("MSET", "string", (pairs,), 8),
    Command("MSETNX", "string", (pairs,)),
    Command("MSETEX", "string", (word("1"), key, value, shuffled(word("NX", "XX"), EXPIRY)), 4, since=None),
    Command("DELIFEQ", "string", (key, value), 4, since=None),
    Command("APPEND", "string", (key, value), 8),
    Command("STRLEN", "string", (key,), 6),
    Command("INCR", "string", (key,), 8),
    Command("DECR", "string", (key,), 8),
    Command("INCRBY", "string", (key, integer), 10),
    Command("DECRBY", "string", (key, integer), 10),
    Command("INCRBYFLOAT", "string", (key, number), 12),
    Command("GETRANGE", "string", (key, index, index), 8),
    Command("SUBSTR", "string", (key, index, index), 4),
    Command("SETRANGE", "string", (key, offset, value), 8),
    Command("LCS", "string", (key, key, LCS_OPTIONS), 6),
    # generic
    Command("DEL", "generic", (keys,), 6),
    Command("UNLINK", "generic", (keys,)),
    Command("EXISTS", "generic", (keys,), 6),
    Command("TOUCH", "generic", (keys,)),
    Command("TYPE", "generic", (key,)),
    Command("EXPIRE", "generic", (key, seconds, EXPIRE_OPTION), 6),
    Command("PEXPIRE", "generic", (key, milliseconds, EXPIRE_OPTION), 6),
    Command("EXPIREAT", "generic", (key, at_seconds, EXPIRE_OPTION), 6),
    Command("PEXPIREAT", "generic", (key, at_milliseconds, EXPIRE_OPTION), 6),
    Command("TTL", "generic", (key,), 6, "time"),
    Command("PTTL", "generic", (key,), 6, "time"),
    Command("EXPIRETIME", "generic", (key,), 4, "time"),
    Command("PEXPIRETIME", "generic", (key,), 4, "time"),
    Command("PERSIST", "generic", (key,)),
    Command("RENAME", "generic", (key, key), 6),
    Command("RENAMENX", "generic", (key, key)),
    Command("COPY", "generic", (key, key, maybe(word("DB"), database, odds=0.3), maybe(word("REPLACE"), odds=0.4)), 8),
    Command("MOVE", "generic", (key, database)),
    Command("KEYS", "generic", (pattern,), 6, "unordered"),
    Command("RANDOMKEY", "generic", (), 2, "kind"),
    Command(
        "SCAN",
        "generic",
        (
            word("0"),
            shuffled(
                sequence(word("MATCH"), pattern),
                sequence(word("TYPE"), word("string", "list", "nosuch")),
                sequence(word("COUNT"), word("1000")),
            ),
        ),
        1,
        "scan",
    ),
    Command(
        "SCAN", "generic", (word("0"), sequence(word("COUNT"), word("1000")), maybe(word("MATCH"), pattern)), 4, "scan"
    ),
    Command("OBJECT ENCODING", "generic", (key,), 6),
    Command("OBJECT REFCOUNT", "generic", (key,), 3, "kind"),
    Command("OBJECT IDLETIME", "generic", (key,), 2, "kind"),
    Command("OBJECT FREQ", "generic", (key,), 1),
    Command("OBJECT", "generic", (word("NOSUCH", "ENCODING"),), 1),
    # connection
    Command("PING", "connection", (maybe(value),), 3),
    Command("ECHO", "connection", (value,), 3),
    Command("SELECT", "connection", (database,), 4),
    Command("CLIENT GETNAME", "connection", (), 2),
    Command("CLIENT SETNAME", "connection", (value,), 2),
    Command("CLIENT ID", "connection", (), 1, "kind"),
    Command("CLIENT INFO", "connection", (), 1, "kind"),
    Command("CLIENT LIST", "connection", (maybe(word("ID"), integer),), 1, "kind"),
    Command("CLIENT NO-EVICT", "connection", (word("ON", "OFF", "MAYBE"),), 1),
    Command("CLIENT UNBLOCK", "connection", (word("123456789"), maybe(word("TIMEOUT", "ERROR", "X"))), 1),
    Command(
        "CLIENT KILL", "connection", (word("ID", "SKIPME", "TYPE", "NOSUCH"), word("x", "pubsub", "0")), 1, plain=True
    ),
    Command("CLIENT NOSUCH", "connection", (maybe(value),), 1),
    Command("CLIENT", "connection", (), 1),
    Command("CLIENT PAUSE", "connection", (word("x", "-1", "nan"), maybe(word("WRITE", "X"))), 1, plain=True),
    Command("AUTH", "connection", (one_of(nothing, value, sequence(word("default", "nobody"), value)),), 1, plain=True),
    Command("HELLO", "connection", (word("1", "4", "x"), maybe(word("SETNAME", "AUTH"), key)), 1, "kind"),
    Command("RESET", "connection", (word("x"),), 1, plain=True),
    # server
    Command("DBSIZE", "server", (), 5),
    Command("FLUSHDB", "server", (one_of(nothing, word("SYNC", "ASYNC", "NOSUCH")),), 1),
    Command("SWAPDB", "server", (database, database), 2),
    Command("TIME", "server", (), 1, "kind"),
    Command(
        "CONFIG GET",
        "server",
        (word("maxmemory", "time[o]ut", "nosuch", "maxmemory-pol*", "databases"),),
        2,
        plain=True,
    ),
    Command(
        "CONFIG SET", "server", (word("timeout", "hz", "nosuch", "databases"), word("x", "-1", "yes")), 2, plain=True
    ),
    Command("CONFIG NOSUCH", "server", (), 1),
    Command("CONFIG", "server", (), 1),
    Command("COMMAND GETKEYS", "server", (word("GET", "SET", "MSET", "NOSUCH", "PING"), pairs), 3),
    Command("COMMAND NOSUCH", "server", (), 1),
    Command("SLOWLOG GET", "server", (word("-2", "x", "-5"),), 1),
    Command("SLOWLOG NOSUCH", "server", (), 1),
    Command("LATENCY NOSUCH", "server", (), 1),
    Command("LATENCY GRAPH", "server", (word("nosuch"),), 1),
    Command("MEMORY USAGE", "server", (key, maybe(word("SAMPLES"), integer)), 2, "kind"),
    Command("MEMORY NOSUCH", "server", (), 1),
    Command("NOSUCH", "server", (maybe(value), maybe(value)), 2),
    Command("SHUTDOWN", "server", (one_of(word("NOSUCH"), sequence(word("SAVE"), word("NOSAVE"))),), 1, plain=True),
]


def available(version: tuple[int, ...] | None) -> list[Command]:
    """The rows for an original of this redis_version; None takes those of newer originals as well."""
    return [row for row in COMMANDS if version is None or (row.since is not None and row.since <= version)]
