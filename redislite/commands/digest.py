"""The digest of a data set: twenty bytes that are equal if, and hardly unless, keys, values and deadlines are.

DEBUG DIGEST answers it; it is the original's, so that data sets can be compared across programs.
"""

from __future__ import annotations

from hashlib import sha1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from redislite._core.engine import Engine

    # Takes the engine, the number of a database, a key, and the digest so far; answers the digest with the value in it.
    ValueDigest = Callable[[Engine, int, bytes, bytes], bytes]

EMPTY = bytes(20)
DEADLINE_MARK = b"!!expire!!"


def merged(digest: bytes, data: bytes) -> bytes:
    """The digest with data added, whatever the order that data are added in."""
    return bytes(a ^ b for a, b in zip(digest, sha1(data).digest(), strict=True))


def chained(digest: bytes, data: bytes) -> bytes:
    """The digest with data added in this place of the order."""
    return sha1(merged(digest, data)).digest()


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _string(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    return chained(digest, engine.string_value(database, key) or b"")


def _list(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    for element in engine.list_elements(database, key) or []:
        digest = chained(digest, element)
    return digest


def _ask(engine: Engine, database: int, *command: bytes | str) -> Any:
    """The reply of a command in this database, from the engine's own client."""
    engine.execute("SELECT", database)
    return engine.execute(*command)


def _set(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    for member in _ask(engine, database, "SMEMBERS", key):
        digest = merged(digest, member)
    return digest


def _sorted_set(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    for member, score in _ask(engine, database, "ZRANGE", key, "0", "-1", "WITHSCORES"):
        digest = merged(digest, chained(chained(EMPTY, member), b"%.17g" % score))
    return digest


def _hash(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    for field, value in _ask(engine, database, "HGETALL", key).items():
        digest = merged(digest, chained(chained(EMPTY, field), value))
    return digest


def _stream(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    for identifier, pairs in _ask(engine, database, "XRANGE", key, "-", "+"):
        digest = chained(digest, identifier.replace(b"-", b"."))
        for data in pairs:
            digest = chained(digest, data)
    return digest


def _module(engine: Engine, database: int, key: bytes, digest: bytes) -> bytes:
    # What the module itself would take in is not known: the value is what DUMP has between its type and its end.
    return chained(digest, _ask(engine, database, "DUMP", key)[1:-10])


# By the name of a type: the number that stands for it, and how its values are taken in.
TYPES: dict[str, tuple[int, ValueDigest]] = {
    "string": (0, _string),
    "list": (1, _list),
    "set": (2, _set),
    "zset": (3, _sorted_set),
    "hash": (4, _hash),
    "stream": (6, _stream),
}
MODULE_TYPE = (5, _module)


def value_digest(engine: Engine, database: int, key: bytes, digest: bytes = EMPTY) -> bytes:
    """The digest with a key's type, value and whether it expires added; unchanged where there is no such key."""
    facts = engine.inspect(database, key)
    if facts is None:
        return digest
    number, take_in = TYPES.get(facts["type"], MODULE_TYPE)
    digest = take_in(engine, database, key, chained(digest, _number(number)))
    return merged(digest, DEADLINE_MARK) if facts["deadline_ms"] >= 0 else digest


def dataset_digest(engine: Engine) -> bytes:
    """The digest of all databases. O(N) for N keys."""
    total = EMPTY
    for database in range(engine.databases_count):
        keys = [key for key in engine.key_names(database) if engine.inspect(database, key) is not None]
        if keys:
            total = chained(total, _number(database))
        for key in keys:
            total = merged(total, value_digest(engine, database, key, chained(EMPTY, key)))
    return total
