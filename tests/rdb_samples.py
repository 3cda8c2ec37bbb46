"""Data of every type and encoding, what an engine holds in a comparable form, and pieces of RDB data made by hand."""

from __future__ import annotations

import os
import struct
import tempfile
from typing import Any

from redislite._core.engine import Engine

FAR_MS = 4_000_000_000_000  # a deadline that no test reaches

READ = {
    "string": lambda key: ("GET", key),
    "list": lambda key: ("LRANGE", key, "0", "-1"),
    "set": lambda key: ("SMEMBERS", key),
    "zset": lambda key: ("ZRANGE", key, "0", "-1", "WITHSCORES"),
    "hash": lambda key: ("HGETALL", key),
    "stream": lambda key: ("XINFO", "STREAM", key, "FULL", "COUNT", "0"),
}


# What Redis 8.0.6 answered to DUMP of a vector set of two elements, without type and tail.
VECTOR_SET = bytes.fromhex(
    "81bde72da2bb1eb40002030202025001020205016205077b2278223a317d0503203f7f0207020202800100000002010220020102813c"
    "1b25000000000002813f5f74824092a476050161050005032a557f0207020102800100000002010220020202813c1b25000000000002"
    "813f4d41b2406f775100"
)


def fill(engine: Engine) -> None:
    """Keys of every type and encoding, with and without deadlines, in two databases."""
    run = engine.execute
    for number in (0, 1, -1, 127, -129, 32767, -32769, 2**31 - 1, -(2**31), 2**31, 2**63 - 1):
        run("SET", f"int:{number}", number)
    run("SET", "embstr", "hello")
    run("SET", "empty", "")
    run("SET", b"binary\x00\xff", bytes(range(256)) * 3)
    run("SET", "compressible", "ab" * 40)
    run("SET", "inline", os.urandom(300))
    run("SET", "raw", os.urandom(1000))
    run("SET", "raw:compressible", "ab" * 5000)
    run("SET", "raw:large", os.urandom(300_000))
    run("SET", "raw:large:compressible", b"0123456789" * 40_000)
    run("SET", "with:deadline", "x", "PXAT", FAR_MS)
    run("RPUSH", "list:listpack", *range(-5, 300), "text", "")
    run("RPUSH", "list:quicklist", *(f"element {i}" for i in range(3000)))
    run("RPUSH", "list:plain", "x" * 100_000, os.urandom(100_000), "small")
    run("SADD", "set:intset", *range(100), 2**40)
    run("SADD", "set:listpack", "a", "b", 17, "")
    run("SADD", "set:hashtable", *(f"member {i}" for i in range(1000)))
    run("ZADD", "zset:listpack", 1, "one", 2.5, "two and a half", "-inf", "least", 1e300, "much", -0.0, "zero")
    run("ZADD", "zset:skiplist", *(part for i in range(1000) for part in (i * 0.37, f"member {i}")))
    run("ZADD", "zset:ends", "inf", "x" * 100, "-inf", "y" * 100, 0, "z" * 100)
    run("HSET", "hash:listpack", "field", "value", "number", 12345, "", "")
    run("HSET", "hash:hashtable", *(part for i in range(1000) for part in (f"field {i}", f"value {i}" * 3)))
    run("HSET", "hash:timed", *(part for i in range(20) for part in (f"field {i}", i)))
    for i in range(0, 20, 2):
        run("HPEXPIREAT", "hash:timed", FAR_MS + 1000 * i, "FIELDS", 1, f"field {i}")
    run("PEXPIREAT", "hash:hashtable", FAR_MS)
    for i in range(250):
        run("XADD", "stream", f"{i // 3 + 1}-{i % 3}", "same", i, "fields", "v" * (i % 70))
    run("XADD", "stream", "500-1", "other", "fields", "x", "y", "z", "")
    run("XDEL", "stream", "5-1", "500-1")
    run("XGROUP", "CREATE", "stream", "group", "0")
    run("XGROUP", "CREATE", "stream", "g" * 50, "$")
    run("XREADGROUP", "GROUP", "group", "first", "COUNT", 10, "STREAMS", "stream", ">")
    run("XREADGROUP", "GROUP", "group", "second", "COUNT", 3, "STREAMS", "stream", ">")
    run("XACK", "stream", "group", "1-1", "2-0")
    run("XGROUP", "CREATECONSUMER", "stream", "group", "idle")
    run("XADD", "stream:empty", "7-7", "a", "b")
    run("XDEL", "stream:empty", "7-7")
    run("RESTORE", "module:vectorset", 0, payload(7, VECTOR_SET))
    run("RESTORE", "module:any", FAR_MS, payload(7, module_data("EveryKind", 1023, *ANY_FIELDS)), "ABSTTL")
    run("SELECT", 9)
    run("SET", "elsewhere", "value", "PXAT", FAR_MS + 1)
    run("SELECT", 0)


def value_of(engine: Engine, key: bytes) -> Any:
    """The value of a key in the database that is selected, comparable."""
    kind = engine.execute("TYPE", key)
    value = engine.execute(*READ[kind](key) if kind in READ else ("DUMP", key))
    return frozenset(value) if kind == "set" else value


def deadlines_of(engine: Engine, key: bytes) -> list[int] | None:
    if engine.execute("TYPE", key) != "hash":
        return None
    fields = sorted(engine.execute("HKEYS", key))
    answer: list[int] = engine.execute("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
    return answer


def state(engine: Engine) -> dict[tuple[int, bytes], tuple[Any, ...]]:
    """Everything there is: type, encoding, deadline, value, deadlines of fields; by database and key."""
    found = {}
    for database in range(engine.databases_count):
        engine.execute("SELECT", database)
        for key in engine.key_names(database):
            facts = engine.inspect(database, key)
            if facts is not None:
                found[database, key] = (
                    facts["type"],
                    facts["encoding"],
                    facts["deadline_ms"],
                    value_of(engine, key),
                    deadlines_of(engine, key),
                )
    engine.execute("SELECT", 0)
    return found


def saved(engine: Engine, **options: Any) -> bytes:
    """All databases as RDB data."""
    with tempfile.TemporaryFile() as file:
        engine.save_rdb(file.fileno(), **options)
        file.seek(0)
        return file.read()


def load(engine: Engine, data: bytes, **options: Any) -> dict[str, Any]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return engine.load_rdb(file.fileno(), **options)


# Pieces of data


def crc64(data: bytes, crc: int = 0) -> int:
    """The checksum, bit by bit."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def length(count: int) -> bytes:
    if count < 64:
        return bytes([count])
    if count < 1 << 14:
        return struct.pack(">H", 0x4000 | count)
    if count < 1 << 32:
        return b"\x80" + struct.pack(">I", count)
    return b"\x81" + struct.pack(">Q", count)


def string(data: bytes) -> bytes:
    return length(len(data)) + data


def module_id(name: str, version: int) -> int:
    """The identifier of a module's type."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = 0
    for character in name:
        number = number << 6 | alphabet.index(character)
    return number << 10 | version


def module_data(name: str, version: int, *fields: bytes) -> bytes:
    """What a module writes, behind the type of a value or the opcode of auxiliary data."""
    return length(module_id(name, version)) + b"".join(fields) + b"\x00"


# Fields of every kind, and strings in every encoding.
ANY_FIELDS = (
    b"\x01" + length(5), b"\x01" + length(2**64 - 3), b"\x02" + length(0), b"\x02" + length(300),
    b"\x02" + length(70_000), b"\x03" + struct.pack("<f", 1.5), b"\x04" + struct.pack("<d", -2.5),
    b"\x05" + string(b""), b"\x05" + string(b"text\x00\xff"), b"\x05" + string(bytes(range(256)) * 2),
    b"\x05\xc0\x07", b"\x05\xc1\x07\x00", b"\x05\xc2\x07\x00\x00\x00", b"\x05\xc3\x05\x0a\x00a\xe0\x00\x00",
)  # fmt: skip


def module_aux(name: str, version: int, when: int, *fields: bytes) -> bytes:
    """Auxiliary data of a module, with their opcode."""
    return b"\xf7" + module_data(name, version, b"\x02" + length(when), *fields)


def payload(type_number: int, body: bytes, version: int = 11) -> bytes:
    """What DUMP would have answered."""
    data = bytes([type_number]) + body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def file_of(*parts: bytes, version: int = 11, checksum: bool = True) -> bytes:
    """A whole file with these opcodes and keys."""
    data = b"REDIS%04d" % version + b"".join(parts) + b"\xff"
    if version < 5:
        return data
    return data + struct.pack("<Q", crc64(data) if checksum else 0)


def ziplist(*elements: bytes | int) -> bytes:
    entries = b""
    before = offset = 0
    for element in elements:
        offset = 10 + len(entries)
        head = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if isinstance(element, bytes):
            size = len(element)
            head += (
                bytes([size])
                if size < 64
                else struct.pack(">H", 0x4000 | size)
                if size < 1 << 14
                else b"\x80" + struct.pack(">I", size)
            )
            entry = head + element
        elif 0 <= element <= 12:
            entry = head + bytes([0xF1 + element])
        elif -128 <= element < 128:
            entry = head + b"\xfe" + struct.pack("<b", element)
        elif -(1 << 15) <= element < 1 << 15:
            entry = head + b"\xc0" + struct.pack("<h", element)
        elif -(1 << 23) <= element < 1 << 23:
            entry = head + b"\xf0" + struct.pack("<i", element)[:3]
        elif -(1 << 31) <= element < 1 << 31:
            entry = head + b"\xd0" + struct.pack("<i", element)
        else:
            entry = head + b"\xe0" + struct.pack("<q", element)
        entries += entry
        before = len(entry)
    return struct.pack("<IIH", 11 + len(entries), offset if elements else 10, len(elements)) + entries + b"\xff"


def zipmap(*pairs: tuple[bytes, bytes], spare: int = 0) -> bytes:
    def size(count: int) -> bytes:
        return bytes([count]) if count < 254 else b"\xfe" + struct.pack("<I", count)

    body = b"".join(
        size(len(name)) + name + size(len(value)) + bytes([spare]) + value + bytes(spare) for name, value in pairs
    )
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def listpack(*elements: bytes | int) -> bytes:
    entries = b""
    for element in elements:
        if isinstance(element, bytes):
            assert len(element) < 64
            entry = bytes([0x80 | len(element)]) + element
        elif 0 <= element < 128:
            entry = bytes([element])
        else:
            entry = b"\xf4" + struct.pack("<q", element)
        entries += entry + bytes([len(entry)])
    return struct.pack("<IH", 7 + len(entries), len(elements)) + entries + b"\xff"
