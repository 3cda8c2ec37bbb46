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


def many(generator: Generator, most: int = 40) -> Generator:
    """These words several times in sequence: mostly few, now and then enough to pass a small conversion threshold."""

    def generate(chance: random.Random) -> Words:
        count = chance.randint(1, 4) if chance.random() < 0.9 else chance.randint(min(5, most), most)
        return [word for _ in range(count) for word in generator(chance)]

    return generate


def counted(generator: Generator) -> Generator:
    """numkeys and that many keys; seldom another number."""

    def generate(chance: random.Random) -> Words:
        count = chance.randint(1, 3)
        said = count if chance.random() < 0.95 else chance.choice((0, -1, count + 1))
        return [b"%d" % said, *(word for _ in range(count) for word in generator(chance))]

    return generate


def element(chance: random.Random) -> Words:
    """A member, field or list element: from a small space so that it is met again, seldom a long one."""
    roll = chance.random()
    if roll < 0.45:
        return [b"%d" % chance.randint(-5, 40)]
    if roll < 0.8:
        return [b"m%d" % chance.randint(0, 60)]
    if roll < 0.98:
        return [chance.choice(VALUES)]
    return [b"z" * chance.choice((20, 21, 64, 65, 4000, 9000))]


def whole(chance: random.Random) -> Words:
    """An element of an intset, of each of its three widths."""
    return [b"%d" % chance.choice((chance.randint(-20, 60), chance.randint(-40000, 40000), 1 << 40, -(1 << 33)))]


def count(chance: random.Random) -> Words:
    return [b"%d" % chance.choice((0, 1, 1, 2, 3, 10, 100, -1, -2))]


def positive(chance: random.Random) -> Words:
    return [b"%d" % chance.choice((1, 1, 2, 3, 10, 100, 0))]


def score(chance: random.Random) -> Words:
    if chance.random() < 0.6:
        return [b"%d" % chance.randint(-20, 60)]
    return [chance.choice((b"0.1", b"-1.5", b"1e5", b"3.25", b"inf", b"-inf", b"+inf", b"1e17", b"12345678.12345678"))]


def score_bound(chance: random.Random) -> Words:
    return [chance.choice((b"", b"", b"(")) + score(chance)[0]]


def lexical_key(chance: random.Random) -> Words:
    """A sorted set whose scores are all the same: with others the answer to a range by member is not defined."""
    return [chance.choice((b"lexical:1", b"lexical:2"))]


def lexical_bound(chance: random.Random) -> Words:
    return [chance.choice((b"-", b"+", b"[a", b"(m1", b"[m3", b"[", b"(", b"x", b"[m5", b"(0"))]


def fields(chance: random.Random) -> Words:
    return many(sequence(element, value), 30)(chance)


def bit_offset(chance: random.Random) -> Words:
    return [chance.choice((b"%d" % chance.randint(0, 400), b"0", b"7", b"8", b"63", b"64", b"-1", b"x", b"4294967296"))]


def bit_type(chance: random.Random) -> Words:
    sizes = (b"u8", b"i8", b"u1", b"i5", b"u63", b"i64", b"u32", b"i16", b"u64", b"i65", b"u0", b"x8")
    return [chance.choice(sizes)]


def field_offset(chance: random.Random) -> Words:
    return [chance.choice((b"0", b"8", b"#0", b"#1", b"#3", b"100", b"13", b"-1", b"#-1", b"x"))]


def stream_id(chance: random.Random) -> Words:
    return [chance.choice((b"%d-%d" % (chance.randint(0, 60), chance.randint(0, 3)), b"%d" % chance.randint(0, 60)))]


def added_id(chance: random.Random) -> Words:
    """Never one made of the server's clock."""
    if chance.random() < 0.5:
        return [b"%d-*" % chance.randint(0, 60)]
    return one_of(stream_id, stream_id, stream_id, word("0-0", "x", "1-", "18446744073709551616-1"))(chance)


def range_id(chance: random.Random) -> Words:
    if chance.random() < 0.4:
        return [chance.choice((b"-", b"+", b"(5", b"(10-1", b"x", b"(-"))]
    return stream_id(chance)


def longitude_latitude(chance: random.Random) -> Words:
    if chance.random() < 0.05:
        return [b"181", b"86"]
    return [b"%.6f" % chance.uniform(13, 16), b"%.6f" % chance.uniform(37, 39)]


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
    before is a command sent ahead of it, whose reply is not compared.
    """

    name: str
    group: str
    arguments: tuple[Generator, ...] = ()
    weight: int = 4
    rule: str = "exact"
    since: tuple[int, ...] | None = (7, 0)
    plain: bool = False
    before: tuple[bytes, ...] = ()
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
                sequence(word("TYPE"), word("string", "list", "set", "hash", "zset", "stream", "nosuch")),
                sequence(word("COUNT"), word("1000")),
            ),
        ),
        1,
        "scan",
    ),
    Command(
        "SCAN", "generic", (word("0"), sequence(word("COUNT"), word("1000")), maybe(word("MATCH"), pattern)), 4, "scan"
    ),
    Command("OBJECT ENCODING", "generic", (key,), 6, "encoding"),
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

GROUP = word("g1", "g2", "g3")
CONSUMER = word("c1", "c2", "c3")
SIDE = word("LEFT", "RIGHT")
LIMIT = sequence(word("LIMIT"), index, index)
WAIT = word("0.01", "0.01", "0.01", "-1", "x")
WEIGHTS = sequence(word("WEIGHTS"), many(score, 4))
AGGREGATE = sequence(word("AGGREGATE"), word("SUM", "MIN", "MAX", "AVG"))
ADD_OPTIONS = shuffled(word("NX", "XX"), word("GT", "LT"), word("CH"), word("INCR"))
SCAN_OPTIONS = shuffled(sequence(word("MATCH"), pattern), sequence(word("COUNT"), word("1000", "0", "x")))
RANGE_OPTIONS = shuffled(word("REV"), word("WITHSCORES"), LIMIT)
TRIM = sequence(word("MAXLEN", "MINID"), one_of(nothing, word("=")), one_of(positive, stream_id))
LOOSE_TRIM = sequence(
    word("MAXLEN", "MINID"), word("~"), one_of(positive, stream_id), maybe(word("LIMIT"), positive, odds=0.3)
)
OVERFLOW = sequence(word("OVERFLOW"), word("WRAP", "SAT", "FAIL", "X"))
FIELD_OPERATION = one_of(
    sequence(word("GET"), bit_type, field_offset),
    sequence(word("SET"), bit_type, field_offset, integer),
    sequence(word("INCRBY"), bit_type, field_offset, integer),
    sequence(OVERFLOW, word("INCRBY"), bit_type, field_offset, integer),
)
BIT_RANGE = one_of(nothing, sequence(index, index), sequence(index, index, word("BYTE", "BIT", "X")))
SHAPE = one_of(
    sequence(word("BYRADIUS"), word("50", "200", "1000"), word("km", "m", "mi", "ft", "x")),
    sequence(word("BYBOX"), word("100", "400"), word("100", "400"), word("km", "mi")),
)
CENTRE = one_of(sequence(word("FROMLONLAT"), longitude_latitude), sequence(word("FROMMEMBER"), element))
SORTED_BY_DISTANCE = word("ASC", "DESC")
GEO_FOUND = shuffled(word("WITHCOORD"), word("WITHDIST"), word("WITHHASH"), sequence(word("COUNT"), positive))

FORWARD = sequence(word("LIMIT"), offset, index)
# The original's SORT takes an errno that an earlier command left behind for its own; reading a score clears it.
RESET_ERRNO = (b"ZADD", b"no such key", b"XX", b"0", b"member")

# The commands of the collections.  What changes a value by chance (SPOP of a few) is not sent: contents would part.
COMMANDS += [
    # list
    Command("LPUSH", "list", (key, many(element)), 20),
    Command("RPUSH", "list", (key, many(element)), 24),
    Command("LPUSHX", "list", (key, many(element)), 6),
    Command("RPUSHX", "list", (key, many(element)), 6),
    Command("LPOP", "list", (key, maybe(count)), 10),
    Command("RPOP", "list", (key, maybe(count)), 10),
    Command("LLEN", "list", (key,), 6),
    Command("LINDEX", "list", (key, index), 8),
    Command("LSET", "list", (key, index, element), 10),
    Command("LINSERT", "list", (key, word("BEFORE", "AFTER", "X"), element, element), 10),
    Command("LRANGE", "list", (key, index, index), 10),
    Command("LTRIM", "list", (key, index, index), 3),
    Command("LREM", "list", (key, count, element), 8),
    Command(
        "LPOS",
        "list",
        (
            key,
            element,
            shuffled(sequence(word("RANK"), count), sequence(word("COUNT"), count), sequence(word("MAXLEN"), count)),
        ),
        8,
    ),
    Command("LMOVE", "list", (key, key, SIDE, SIDE), 8),
    Command("RPOPLPUSH", "list", (key, key), 6),
    Command("LMPOP", "list", (counted(key), SIDE, maybe(word("COUNT"), positive)), 8),
    Command("BLPOP", "list", (keys, WAIT), 3, plain=True),
    Command("BRPOP", "list", (keys, WAIT), 3, plain=True),
    Command("BLMOVE", "list", (key, key, SIDE, SIDE, WAIT), 3, plain=True),
    Command("BRPOPLPUSH", "list", (key, key, WAIT), 3, plain=True),
    Command("BLMPOP", "list", (WAIT, counted(key), SIDE, maybe(word("COUNT"), positive)), 3, plain=True),
    # hash
    Command("HSET", "hash", (key, fields), 24),
    Command("HMSET", "hash", (key, fields), 8),
    Command("HSETNX", "hash", (key, element, value), 8),
    Command("HGET", "hash", (key, element), 8),
    Command("HMGET", "hash", (key, many(element, 8)), 8),
    Command("HDEL", "hash", (key, many(element, 8)), 10),
    Command("HLEN", "hash", (key,), 6),
    Command("HSTRLEN", "hash", (key, element), 6),
    Command("HEXISTS", "hash", (key, element), 6),
    Command("HGETALL", "hash", (key,), 6, "pairs"),
    Command("HKEYS", "hash", (key,), 4, "unordered"),
    Command("HVALS", "hash", (key,), 4, "unordered"),
    Command("HINCRBY", "hash", (key, element, integer), 10),
    Command("HINCRBYFLOAT", "hash", (key, element, number), 10),
    Command("HRANDFIELD", "hash", (key, maybe(count, maybe(word("WITHVALUES", "X")))), 4, "kind", plain=True),
    Command("HSCAN", "hash", (key, word("0", "0", "x"), SCAN_OPTIONS), 4, "scan"),
    # set
    Command("SADD", "set", (key, many(element)), 20),
    Command("SADD", "set", (key, many(whole)), 16),
    Command("SREM", "set", (key, many(one_of(element, whole), 8)), 10),
    Command("SCARD", "set", (key,), 6),
    Command("SISMEMBER", "set", (key, element), 6),
    Command("SMISMEMBER", "set", (key, many(element, 8)), 6),
    Command("SMEMBERS", "set", (key,), 6, "unordered"),
    Command("SMOVE", "set", (key, key, element), 8),
    Command("SINTER", "set", (keys,), 5, "unordered"),
    Command("SUNION", "set", (keys,), 5, "unordered"),
    Command("SDIFF", "set", (keys,), 5, "unordered"),
    Command("SINTERSTORE", "set", (key, keys), 4),
    Command("SUNIONSTORE", "set", (key, keys), 6),
    Command("SDIFFSTORE", "set", (key, keys), 4),
    Command("SINTERCARD", "set", (counted(key), maybe(word("LIMIT"), count)), 6),
    Command("SRANDMEMBER", "set", (key, maybe(count)), 4, "kind", plain=True),
    Command("SPOP", "set", (key, word("1000", "0", "-1", "x", "1000000")), 2, "unordered", plain=True),
    Command("SSCAN", "set", (key, word("0", "0", "x"), SCAN_OPTIONS), 4, "scan"),
    # sorted set
    Command("ZADD", "sorted_set", (key, many(sequence(score, element))), 24),
    Command("ZADD", "sorted_set", (key, ADD_OPTIONS, many(sequence(score, element), 8)), 16),
    Command("ZADD", "sorted_set", (lexical_key, many(sequence(word("0"), element))), 8, plain=True),
    Command("ZINCRBY", "sorted_set", (key, score, element), 8),
    Command("ZREM", "sorted_set", (key, many(element, 8)), 8),
    Command("ZCARD", "sorted_set", (key,), 5),
    Command("ZSCORE", "sorted_set", (key, element), 6),
    Command("ZMSCORE", "sorted_set", (key, many(element, 8)), 5),
    Command("ZRANK", "sorted_set", (key, element), 6),
    Command("ZREVRANK", "sorted_set", (key, element), 6),
    Command("ZRANK", "sorted_set", (key, element, maybe(word("WITHSCORE"))), 4, since=(7, 2)),
    Command("ZREVRANK", "sorted_set", (key, element, maybe(word("WITHSCORE"))), 4, since=(7, 2)),
    Command("ZCOUNT", "sorted_set", (key, score_bound, score_bound), 6),
    Command("ZLEXCOUNT", "sorted_set", (lexical_key, lexical_bound, lexical_bound), 6, plain=True),
    Command("ZRANGE", "sorted_set", (key, index, index, RANGE_OPTIONS), 8),
    Command("ZRANGE", "sorted_set", (key, score_bound, score_bound, word("BYSCORE"), RANGE_OPTIONS), 8),
    Command(
        "ZRANGE", "sorted_set", (lexical_key, lexical_bound, lexical_bound, word("BYLEX"), RANGE_OPTIONS), 6, plain=True
    ),
    Command("ZRANGESTORE", "sorted_set", (key, key, index, index, maybe(word("REV"))), 4),
    Command(
        "ZRANGESTORE",
        "sorted_set",
        (key, key, score_bound, score_bound, word("BYSCORE"), maybe(FORWARD)),
        4,
        plain=True,
    ),
    Command("ZREVRANGE", "sorted_set", (key, index, index, maybe(word("WITHSCORES"))), 4),
    Command("ZRANGEBYSCORE", "sorted_set", (key, score_bound, score_bound, shuffled(word("WITHSCORES"), LIMIT)), 6),
    Command("ZREVRANGEBYSCORE", "sorted_set", (key, score_bound, score_bound, shuffled(word("WITHSCORES"), LIMIT)), 6),
    Command("ZRANGEBYLEX", "sorted_set", (lexical_key, lexical_bound, lexical_bound, maybe(LIMIT)), 4, plain=True),
    Command("ZREVRANGEBYLEX", "sorted_set", (lexical_key, lexical_bound, lexical_bound, maybe(LIMIT)), 4, plain=True),
    Command("ZREMRANGEBYRANK", "sorted_set", (key, index, index), 3),
    Command("ZREMRANGEBYSCORE", "sorted_set", (key, score_bound, score_bound), 3, plain=True),
    Command("ZREMRANGEBYLEX", "sorted_set", (lexical_key, lexical_bound, lexical_bound), 3, plain=True),
    Command("ZPOPMIN", "sorted_set", (key, maybe(count)), 6),
    Command("ZPOPMAX", "sorted_set", (key, maybe(count)), 6),
    Command("ZMPOP", "sorted_set", (counted(key), word("MIN", "MAX"), maybe(word("COUNT"), positive)), 5),
    Command("BZPOPMIN", "sorted_set", (keys, WAIT), 3, plain=True),
    Command("BZPOPMAX", "sorted_set", (keys, WAIT), 3, plain=True),
    Command("BZMPOP", "sorted_set", (WAIT, counted(key), word("MIN", "MAX")), 3, plain=True),
    Command("ZUNION", "sorted_set", (counted(key), shuffled(WEIGHTS, AGGREGATE, word("WITHSCORES"))), 6),
    Command("ZINTER", "sorted_set", (counted(key), shuffled(WEIGHTS, AGGREGATE, word("WITHSCORES"))), 6),
    Command("ZDIFF", "sorted_set", (counted(key), maybe(word("WITHSCORES"))), 5),
    Command("ZUNIONSTORE", "sorted_set", (key, counted(key), shuffled(WEIGHTS, AGGREGATE)), 6),
    Command("ZINTERSTORE", "sorted_set", (key, counted(key), shuffled(WEIGHTS, AGGREGATE)), 5),
    Command("ZDIFFSTORE", "sorted_set", (key, counted(key)), 4),
    Command("ZINTERCARD", "sorted_set", (counted(key), maybe(word("LIMIT"), count)), 4),
    Command("ZRANDMEMBER", "sorted_set", (key, maybe(count, maybe(word("WITHSCORES", "X")))), 4, "kind", plain=True),
    Command("ZSCAN", "sorted_set", (key, word("0", "0", "x"), SCAN_OPTIONS), 4, "scan"),
    # stream: times of delivery are the server's own, replies that carry them are compared by kind
    Command("XADD", "stream", (key, maybe(word("NOMKSTREAM"), odds=0.1), added_id, fields), 24, plain=True),
    Command("XADD", "stream", (key, one_of(TRIM, LOOSE_TRIM), added_id, fields), 8, plain=True),
    Command("XLEN", "stream", (key,), 5),
    Command("XRANGE", "stream", (key, range_id, range_id, maybe(word("COUNT"), count)), 8),
    Command("XREVRANGE", "stream", (key, range_id, range_id, maybe(word("COUNT"), count)), 8),
    Command("XDEL", "stream", (key, many(stream_id, 8)), 8),
    Command("XTRIM", "stream", (key, one_of(TRIM, LOOSE_TRIM)), 5),
    Command("XREAD", "stream", (maybe(word("COUNT"), positive), word("STREAMS"), key, stream_id), 6),
    Command("XREAD", "stream", (word("BLOCK"), word("5"), word("STREAMS"), key, word("0", "30", "$")), 2, plain=True),
    # From 7.2 on not below the largest id that was deleted; before, the streams would part.
    Command("XSETID", "stream", (key, word("61-0", "70", "80-5", "x")), 2),
    Command("XGROUP CREATE", "stream", (key, GROUP, one_of(stream_id, word("0", "$")), maybe(word("MKSTREAM"))), 10),
    Command("XGROUP SETID", "stream", (key, GROUP, one_of(stream_id, word("0", "$"))), 4),
    Command("XGROUP CREATECONSUMER", "stream", (key, GROUP, CONSUMER), 4),
    Command("XGROUP DELCONSUMER", "stream", (key, GROUP, CONSUMER), 3),
    Command("XGROUP DESTROY", "stream", (key, GROUP), 2),
    Command(
        "XREADGROUP",
        "stream",
        (
            word("GROUP"),
            GROUP,
            CONSUMER,
            maybe(word("COUNT"), positive),
            maybe(word("NOACK"), odds=0.2),
            word("STREAMS"),
            key,
            one_of(word(">"), word(">"), stream_id),
        ),
        14,
    ),
    Command("XACK", "stream", (key, GROUP, many(stream_id, 8)), 8),
    Command("XPENDING", "stream", (key, GROUP), 6),
    Command("XPENDING", "stream", (key, GROUP, range_id, range_id, positive, maybe(CONSUMER)), 4, "kind"),
    Command(
        "XCLAIM",
        "stream",
        (key, GROUP, CONSUMER, word("0"), many(stream_id, 8), shuffled(word("FORCE"), word("JUSTID"))),
        6,
    ),
    Command(
        "XAUTOCLAIM",
        "stream",
        (key, GROUP, CONSUMER, word("0"), stream_id, maybe(word("COUNT"), positive), maybe(word("JUSTID"))),
        6,
    ),
    Command("XINFO STREAM", "stream", (key,), 4),
    Command("XINFO GROUPS", "stream", (key,), 6),
    Command("XINFO CONSUMERS", "stream", (key, GROUP), 3, "kind"),
    # bitmap: an argument out of place could ask for a value of half a gigabyte, hence plain
    Command("SETBIT", "bitmap", (key, bit_offset, word("0", "1", "1", "2")), 16, plain=True),
    Command("GETBIT", "bitmap", (key, bit_offset), 8),
    Command("BITCOUNT", "bitmap", (key, BIT_RANGE), 8),
    Command("BITPOS", "bitmap", (key, word("0", "1", "2"), one_of(BIT_RANGE, index)), 8),
    Command("BITOP", "bitmap", (word("AND", "OR", "XOR", "NOT"), key, keys), 8),
    Command("BITFIELD", "bitmap", (key, many(FIELD_OPERATION, 8)), 10, plain=True),
    Command("BITFIELD_RO", "bitmap", (key, many(sequence(word("GET"), bit_type, field_offset), 6)), 4),
    # HyperLogLog
    Command("PFADD", "hyperloglog", (key, maybe(many(element), odds=0.95)), 16),
    Command("PFCOUNT", "hyperloglog", (keys,), 8),
    Command("PFMERGE", "hyperloglog", (key, keys), 6),
    # geo
    Command(
        "GEOADD",
        "geo",
        (key, shuffled(word("NX", "XX"), word("CH")), many(sequence(longitude_latitude, element), 8)),
        16,
    ),
    Command("GEOPOS", "geo", (key, many(element, 6)), 6),
    Command("GEODIST", "geo", (key, element, element, maybe(word("km", "m", "mi", "ft", "x"))), 8),
    Command("GEOHASH", "geo", (key, many(element, 6)), 6),
    Command("GEOSEARCH", "geo", (key, CENTRE, SHAPE, SORTED_BY_DISTANCE, GEO_FOUND), 8),
    Command("GEOSEARCHSTORE", "geo", (key, key, CENTRE, SHAPE, SORTED_BY_DISTANCE, maybe(word("STOREDIST"))), 4),
    Command("GEORADIUS", "geo", (key, longitude_latitude, word("200"), word("km"), SORTED_BY_DISTANCE, GEO_FOUND), 4),
    Command("GEORADIUSBYMEMBER", "geo", (key, element, word("200"), word("km"), SORTED_BY_DISTANCE, GEO_FOUND), 4),
    # sort: the original's collation stops at a NUL byte, only with STORE are all bytes compared; by weights that may
    # be equal only where the elements themselves decide
    Command("SORT", "sort", (key, shuffled(LIMIT, word("ASC", "DESC"))), 10, before=RESET_ERRNO),
    Command("SORT", "sort", (key, word("ALPHA")), 4, "unordered", plain=True),
    Command(
        "SORT",
        "sort",
        (key, maybe(word("BY"), word("key:*", "*", "k*->m1")), word("GET"), word("#", "*", "*->m1")),
        5,
        before=RESET_ERRNO,
    ),
    Command("SORT", "sort", (key, maybe(word("ALPHA")), word("STORE"), key), 4, before=RESET_ERRNO),
    Command("SORT_RO", "sort", (key, shuffled(LIMIT, word("ASC", "DESC"))), 5, before=RESET_ERRNO),
    Command("SORT_RO", "sort", (key, word("ALPHA")), 4, "unordered", plain=True),
]


def available(version: tuple[int, ...] | None) -> list[Command]:
    """The rows for an original of this redis_version; None takes those of newer originals as well."""
    return [row for row in COMMANDS if version is None or (row.since is not None and row.since <= version)]
