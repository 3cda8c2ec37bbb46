"""The whole data set as JSON Lines: readable, diffable, binary-safe, versioned. docs/json-format.md is for users.

    {"format": "redislite", "version": 3, "redis_version": "7.2.4", "created_ms": ...}
    {"function": "#!lua name=library\\n..."}
    {"module": "scdtype00", "version": 1, "value": {"base64": "..."}}
    {"db": 0, "key": "greeting", "type": "string", "value": "hello"}
    {"db": 0, "key": "session", "type": "hash", "value": {"user": "7"}, "expires_ms": 1795254426910}
    ...
    {"end": true, "keys": 2}

Libraries of functions and what modules have written beside the keys first, then one line for each key, in order; so
are the members of what has no order of its own, and equal data gives equal lines. Bytes that are not UTF-8 are
written as {"base64": "..."}; the last line tells that nothing was cut off.

Guarantees: what `write_dump` writes, `load_dump` restores, whatever bytes keys and values are made of; loading reads
every version up to VERSION; a line that is not as described stops the loading with a JsonDumpError that says which line
and what is wrong with it, and nothing of that key has been stored.

Values are read and stored through commands, so this module knows no structure of the data plane. What commands cannot
set is not kept: when keys were last used, and when consumers of a stream's group were last seen. Reading and storing
leave their traces (statistics, notifications), so the engine is to be one that nobody else uses.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from redislite._core.persistence.rdb_snapshot import RdbError
from redislite._core.protocol.reply_types import CommandError
from redislite.config.compatibility import REDIS_VERSION
from redislite.files import is_packed
from redislite.persistence.long_lines import LongLineError, read_lines
from redislite.persistence.rdb_file import module_identifier, module_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.engine import Engine

FORMAT = "redislite"
VERSION = 3  # 1 had no functions, 2 nothing of modules
BATCH = 1000  # elements that one command reads or stores
_ID_MAX = 2**64 - 1


class JsonDumpError(ValueError):
    """A dump that cannot be loaded; the text says where it is wrong and how. line: its number, from 1; 0: no line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}" if line else what)
        self.line = line


class _Wrong(Exception):
    """What is wrong with the line that is being read."""


# Bytes, scores and numbers as JSON, both ways


def _text(value: bytes) -> object:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode("ascii")}


def _bytes(value: object, what: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise _Wrong(f"{what} holds half a surrogate pair; bytes that are no text go into base64") from None
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise _Wrong(f"{what} is not base64") from None
    raise _Wrong(f'{what} is to be a string or {{"base64": "..."}}, not {_shown(value)}')


def _score(value: float) -> object:
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return int(value) if value == int(value) and abs(value) < 2**53 and math.copysign(1, value) > 0 else value


def _float(value: object) -> float:
    if value in ("inf", "-inf"):
        return float(str(value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Wrong(f"a score is to be a number, \"inf\" or \"-inf\", not {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise _Wrong(f"a score is to be within the range of a double, not {_shown(value)}") from None


def _integer(value: object, what: str, most: int = 2**63 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _Wrong(f"{what} is to be a whole number from 0 to {most}, not {_shown(value)}")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(f"{what} is to be an array, not {_shown(value)}")
    return value


def _pair(value: object, what: str) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise _Wrong(f"{what} is to be an array of two, not {_shown(value)}")
    return value[0], value[1]


def _object(value: object, what: str, needed: str = "", optional: str = "") -> dict[str, Any]:
    """The value if it is an object with these names (space-separated) and no others."""
    if not isinstance(value, dict):
        raise _Wrong(f"{what} is to be an object, not {_shown(value)}")
    for name in needed.split():
        if name not in value:
            raise _Wrong(f"{what} lacks {name!r}")
    for name in value:
        if name not in needed.split() + optional.split():
            raise _Wrong(f"{what} has {name!r}, which this version does not know")
    return value


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= len(str(_ID_MAX)) and int(part) <= _ID_MAX


def _stream_id(value: object, what: str) -> str:
    parts = value.split("-") if isinstance(value, str) else []
    if len(parts) != 2 or not all(_is_number(part) for part in parts):
        raise _Wrong(f"{what} is to be an id such as \"1700000000000-0\", not {_shown(value)}")
    return str(value)


# Reading values from an engine


def _read_string(engine: Engine, key: bytes) -> object:
    return _text(engine.execute("GET", key))


def _read_list(engine: Engine, key: bytes) -> object:
    return [_text(element) for element in engine.execute("LRANGE", key, 0, -1)]


def _read_set(engine: Engine, key: bytes) -> object:
    return [_text(member) for member in sorted(engine.execute("SMEMBERS", key))]


def _read_hash(engine: Engine, key: bytes) -> object:
    pairs = [(_text(field), _text(value)) for field, value in sorted(engine.execute("HGETALL", key).items())]
    if all(isinstance(field, str) for field, _ in pairs):
        return dict(pairs)
    return [list(pair) for pair in pairs]


def _read_field_deadlines(engine: Engine, key: bytes) -> list[list[object]]:
    fields = sorted(engine.execute("HKEYS", key))
    deadlines = []
    for start in range(0, len(fields), BATCH):
        some = fields[start : start + BATCH]
        for field, deadline in zip(some, engine.execute("HPEXPIRETIME", key, "FIELDS", len(some), *some), strict=True):
            if deadline >= 0:
                deadlines.append([_text(field), deadline])
    return deadlines


def _read_zset(engine: Engine, key: bytes) -> object:
    return [[_text(member), _score(score)] for member, score in engine.execute("ZRANGE", key, 0, -1, "WITHSCORES")]


def _read_entries(engine: Engine, key: bytes) -> Iterator[list[object]]:
    start = "-"
    while True:
        entries = engine.execute("XRANGE", key, start, "+", "COUNT", BATCH)
        for id, fields in entries:
            pairs = [[_text(fields[i]), _text(fields[i + 1])] for i in range(0, len(fields), 2)]
            yield [id.decode(), pairs]
        if len(entries) < BATCH:
            return
        start = "(" + entries[-1][0].decode()


def _read_stream(engine: Engine, key: bytes) -> object:
    facts = engine.execute("XINFO", "STREAM", key, "FULL", "COUNT", 0)
    groups = []
    for group in facts[b"groups"]:
        described = {
            "name": _text(group[b"name"]),
            "last_id": group[b"last-delivered-id"].decode(),
            "entries_read": group[b"entries-read"],
            "consumers": [_text(consumer[b"name"]) for consumer in group[b"consumers"]],
            "pending": [
                {"id": id.decode(), "consumer": _text(consumer), "delivered_ms": delivered, "deliveries": count}
                for id, consumer, delivered, count in group[b"pending"]
            ],
        }
        groups.append(described)
    return {
        "entries": list(_read_entries(engine, key)),
        "last_id": facts[b"last-generated-id"].decode(),
        "entries_added": facts[b"entries-added"],
        "max_deleted_id": facts[b"max-deleted-entry-id"].decode(),
        "groups": groups,
    }


def _read_module(engine: Engine, key: bytes) -> object:
    return _text(engine.execute("DUMP", key))


_READERS: dict[str, Callable[[Engine, bytes], object]] = {
    "string": _read_string,
    "list": _read_list,
    "set": _read_set,
    "hash": _read_hash,
    "zset": _read_zset,
    "stream": _read_stream,
}


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": ")).encode("utf-8") + b"\n"


def write_dump(engine: Engine, file: IO[bytes], progress: Callable[[int], object] | None = None) -> int:
    """Writes all databases of an engine to a file that is open for writing bytes; answers how many keys there were.

    progress: called with the number of keys written so far, about every thousand. The engine's selected database (of
    ``Engine.execute``) is 0 afterwards. Raises OSError.
    """
    written = 0
    header = {"format": FORMAT, "version": VERSION, "redis_version": REDIS_VERSION, "created_ms": engine.now_ms}
    file.write(_line(header))
    for code in engine.function_libraries:
        file.write(_line({"function": _text(code)}))
    for (identifier, _when), fields in sorted(engine.module_aux.items()):
        name, version = module_type(identifier)
        file.write(_line({"module": name, "version": version, "value": _text(fields)}))
    try:
        for number in range(engine.databases_count):
            if not engine.database_size(number):
                continue
            engine.execute("SELECT", number)
            for key in sorted(engine.key_names(number)):
                type_name = engine.execute("TYPE", key)
                if type_name == "none":  # expired meanwhile
                    continue
                line: dict[str, object] = {"db": number, "key": _text(key), "type": type_name}
                line["value"] = _READERS.get(type_name, _read_module)(engine, key)
                if type_name == "hash" and (deadlines := _read_field_deadlines(engine, key)):
                    line["field_expires_ms"] = deadlines
                deadline = engine.execute("PEXPIRETIME", key)
                if deadline >= 0:
                    line["expires_ms"] = deadline
                file.write(_line(line))
                written += 1
                if progress is not None and written % BATCH == 0:
                    progress(written)
    finally:
        engine.execute("SELECT", 0)
    file.write(_line({"end": True, "keys": written}))
    return written


# Storing values in an engine: each answers the commands that make the value

Command = list[Any]


def _batches(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _some(values: list[Any], type_name: str) -> list[Any]:
    if not values:
        raise _Wrong(f"a {type_name} without anything in it cannot exist")
    return values


def _distinct(values: list[bytes], what: str) -> list[bytes]:
    if len(set(values)) < len(values):
        raise _Wrong(f"{what} stands there twice")
    return values


def _store_string(key: bytes, value: object) -> Iterator[Command]:
    yield ["SET", key, _bytes(value, "the value")]


def _store_list(key: bytes, value: object) -> Iterator[Command]:
    elements = [_bytes(element, "an element") for element in _some(_list(value, "the value"), "list")]
    for some in _batches(elements):
        yield ["RPUSH", key, *some]


def _store_set(key: bytes, value: object) -> Iterator[Command]:
    members = [_bytes(member, "a member") for member in _some(_list(value, "the value"), "set")]
    for some in _batches(_distinct(members, "a member")):
        yield ["SADD", key, *some]


def _store_hash(key: bytes, value: object) -> Iterator[Command]:
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        pairs = [_pair(pair, "a field with its value") for pair in _list(value, "the value")]
    encoded = [(_bytes(field, "a field"), _bytes(text, "a field's value")) for field, text in _some(pairs, "hash")]
    _distinct([field for field, _ in encoded], "a field")
    for some in _batches(encoded):
        yield ["HSET", key, *(part for pair in some for part in pair)]


def _store_field_deadlines(key: bytes, value: object, fields: set[bytes]) -> Iterator[Command]:
    """Deadlines of a hash with these fields."""
    pairs = [_pair(pair, "a field with its deadline") for pair in _list(value, "field_expires_ms")]
    encoded = [(_bytes(field, "a field"), _integer(deadline, "a deadline")) for field, deadline in pairs]
    _distinct([field for field, _ in encoded], "a field that expires")
    for field, deadline in encoded:
        if field not in fields:
            raise _Wrong(f"field_expires_ms has {_shown(_text(field))}, which is no field of the hash")
        yield ["HPEXPIREAT", key, deadline, "FIELDS", 1, field]


def _store_zset(key: bytes, value: object) -> Iterator[Command]:
    pairs = [_pair(pair, "a member with its score") for pair in _some(_list(value, "the value"), "sorted set")]
    encoded = [(_bytes(member, "a member"), _float(score)) for member, score in pairs]
    _distinct([member for member, _ in encoded], "a member")
    for some in _batches(encoded):
        yield ["ZADD", key, *(part for member, score in some for part in (score, member))]


def _order(id: str) -> tuple[int, int]:
    """What ids are sorted by."""
    ms, _, sequence = id.partition("-")
    return int(ms), int(sequence)


def _deleted_ids(entries: list[Any], groups: list[dict[str, Any]]) -> list[str]:
    """Entries that are pending with somebody but not there any more, in order."""
    there = {_order(_stream_id(_pair(entry, "an entry")[0], "an entry's id")) for entry in entries}
    pending = (item for group in groups for item in _list(group["pending"], "pending"))
    ids = (_object(item, "a pending entry", "id consumer delivered_ms deliveries")["id"] for item in pending)
    orders = {_order(_stream_id(id, "a pending entry's id")) for id in ids}
    return [f"{ms}-{sequence}" for ms, sequence in sorted(orders - there)]


def _store_entries(key: bytes, entries: list[Any], deleted: list[str], last_id: str) -> Iterator[Command]:
    """The entries, and others in the place of those that were deleted and are to be so again."""
    if not entries and not deleted:
        # A stream that is empty now: made with an entry, which goes again.
        yield ["XADD", key, "MAXLEN", 0, last_id if last_id != "0-0" else "0-1", "a", "b"]
    next_deleted = 0
    for entry in entries:
        id, pairs = _pair(entry, "an entry")
        while next_deleted < len(deleted) and _order(deleted[next_deleted]) < _order(id):
            yield ["XADD", key, deleted[next_deleted], "a", "b"]
            next_deleted += 1
        command: Command = ["XADD", key, id]
        for pair in _some(_list(pairs, "the fields of an entry"), "stream's entry"):
            field, text = _pair(pair, "a field with its value")
            command += [_bytes(field, "a field"), _bytes(text, "a field's value")]
        yield command
    for id in deleted[next_deleted:]:
        yield ["XADD", key, id, "a", "b"]


def _store_group(key: bytes, group: dict[str, Any]) -> Iterator[Command]:
    name = _bytes(group["name"], "a group's name")
    create: Command = ["XGROUP", "CREATE", key, name, _stream_id(group["last_id"], "last_id")]
    if group["entries_read"] is not None:
        create += ["ENTRIESREAD", _integer(group["entries_read"], "entries_read")]
    yield create
    for consumer in _list(group["consumers"], "consumers"):
        yield ["XGROUP", "CREATECONSUMER", key, name, _bytes(consumer, "a consumer")]
    for item in _list(group["pending"], "pending"):
        pending = _object(item, "a pending entry", "id consumer delivered_ms deliveries")
        consumer = _bytes(pending["consumer"], "a consumer")
        yield [
            "XCLAIM", key, name, consumer, 0, _stream_id(pending["id"], "a pending entry's id"),
            "TIME", _integer(pending["delivered_ms"], "delivered_ms"),
            "RETRYCOUNT", _integer(pending["deliveries"], "deliveries"), "JUSTID", "FORCE",
        ]  # fmt: skip


def _store_stream(key: bytes, value: object) -> Iterator[Command]:
    stream = _object(value, "the value", "entries last_id entries_added max_deleted_id groups")
    last_id = _stream_id(stream["last_id"], "last_id")
    groups = [
        _object(group, "a group", "name last_id entries_read consumers pending")
        for group in _list(stream["groups"], "groups")
    ]
    entries = _list(stream["entries"], "entries")
    deleted = _deleted_ids(entries, groups)
    yield from _store_entries(key, entries, deleted, last_id)
    for group in groups:
        yield from _store_group(key, group)
    # What stood before all others may have been trimmed, which `max_deleted_id` does not tell of.
    if not entries:
        yield ["XTRIM", key, "MAXLEN", 0]
    else:
        first = entries[0][0]
        yield ["XTRIM", key, "MINID", first]
        for some in _batches([id for id in deleted if _order(id) > _order(first)]):
            yield ["XDEL", key, *some]
    yield [
        "XSETID", key, last_id, "ENTRIESADDED", _integer(stream["entries_added"], "entries_added"),
        "MAXDELETEDID", _stream_id(stream["max_deleted_id"], "max_deleted_id"),
    ]  # fmt: skip


def _store_module(key: bytes, value: object) -> Iterator[Command]:
    yield ["RESTORE", key, 0, _bytes(value, "the value")]


_STORERS: dict[str, Callable[[bytes, object], Iterator[Command]]] = {
    "string": _store_string,
    "list": _store_list,
    "set": _store_set,
    "hash": _store_hash,
    "zset": _store_zset,
    "stream": _store_stream,
}


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise _Wrong(f"{twice!r} stands in one object twice")
    return found


def _parse(line: bytes | bytearray) -> dict[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_refuse_duplicates)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"this is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _Wrong(f"a line is to be an object, not {_shown(value)}")
    return value


def _check_header(line: bytes | bytearray) -> int:
    """The version of the dump."""
    header = _parse(line)
    if header.get("format") != FORMAT:
        raise _Wrong(f'a dump begins with {{"format": "{FORMAT}", "version": ...}}, which is not what stands here')
    version = _integer(header.get("version"), "version")
    if not 1 <= version <= VERSION:
        raise _Wrong(f"this is version {version} of the format; up to {VERSION} can be read: take a newer redislite")
    return version


def _is_module_type(name: object) -> bool:
    try:
        return isinstance(name, str) and module_identifier(name, 0) > 0
    except ValueError:
        return False


def _store_module_aux(engine: Engine, line: dict[str, Any]) -> None:
    _object(line, "what a module has written beside the keys", "module version value")
    fields = _bytes(line["value"], "the value")
    version = _integer(line["version"], "version", 1023)
    if not _is_module_type(line["module"]):
        raise _Wrong(f"module is to be the nine letters of a module's type, not {_shown(line['module'])}")
    try:
        engine.add_module_aux(module_identifier(line["module"], version), fields)
    except RdbError as error:
        raise _Wrong(f"the value is not as a module writes it: {error}") from None


def _store_library(engine: Engine, code: bytes) -> None:
    try:
        engine.add_function_library(code)
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _store_key(engine: Engine, line: dict[str, Any]) -> bool:
    """Stores what a line says; False where it had expired already."""
    _object(line, "the line", "db key type value", "expires_ms field_expires_ms")
    number = _integer(line["db"], "db")
    if number >= engine.databases_count:
        raise _Wrong(f"database {number}: there are {engine.databases_count} (see the directive databases)")
    key = _bytes(line["key"], "the key")
    store = _STORERS.get(line["type"]) if isinstance(line["type"], str) else None
    if store is None and _is_module_type(line["type"]):
        store = _store_module
    if store is None:
        raise _Wrong(f"type is to be one of {', '.join(_STORERS)} or a module's, not {_shown(line['type'])}")
    commands = list(store(key, line["value"]))
    if "field_expires_ms" in line:
        if line["type"] != "hash":
            raise _Wrong("only a hash has field_expires_ms")
        fields = {bytes(field) for command in commands for field in command[2::2]}
        commands += _store_field_deadlines(key, line["field_expires_ms"], fields)
    if "expires_ms" in line:
        deadline = _integer(line["expires_ms"], "expires_ms")
        if deadline <= engine.now_ms:
            return False
        commands.append(["PEXPIREAT", key, deadline])
    engine.execute("SELECT", number)
    if engine.execute("EXISTS", key):
        raise _Wrong(f"the key {_shown(line['key'])} of database {number} stands there twice")
    try:
        for command in commands:
            engine.execute(*command)
        if store is _store_module and (found := engine.execute("TYPE", key)) != line["type"]:
            raise CommandError(f"its value is of the type {found}")
    except CommandError as error:
        engine.execute("DEL", key)
        raise _Wrong(f"the key {_shown(line['key'])}: {error}") from None
    return True


def load_dump(engine: Engine, file: IO[bytes], progress: Callable[[int], object] | None = None) -> int:
    """Stores what a dump says in an engine whose databases are empty; answers how many keys there are now.

    progress: called with the number of lines read so far, about every thousand. Raises JsonDumpError, with all lines
    before the wrong one stored, and OSError. The engine's selected database (of ``Engine.execute``) is 0 afterwards.
    """
    number = keys = stored = 0
    ended = False
    try:
        for number, line in enumerate(read_lines(file, engine.get("max_bulk_length")), 1):
            if number == 1:
                _check_header(line)
            elif ended:
                raise _Wrong("something stands behind the last line of the dump")
            else:
                fields = _parse(line)
                if "end" in fields:
                    told = _integer(_object(fields, "the last line", "end keys")["keys"], "keys")
                    ended = True
                    if told != keys:
                        raise _Wrong(f"the dump says that it has {told} keys, and has {keys}")
                elif "module" in fields:
                    _store_module_aux(engine, fields)
                elif "function" in fields:
                    code = _object(fields, "a library of functions", "function")["function"]
                    _store_library(engine, _bytes(code, "a library of functions"))
                else:
                    keys += 1
                    stored += _store_key(engine, fields)
            if progress is not None and number % BATCH == 0:
                progress(number)
        if not ended:
            number += 1
            raise _Wrong("the dump ends before its last line: it was cut off")
    except _Wrong as error:
        raise JsonDumpError(number, str(error)) from None
    except LongLineError as error:
        raise JsonDumpError(error.line, str(error)) from None
    finally:
        engine.execute("SELECT", 0)
    return stored


# Files


class _Counted:
    """A file that is read line by line, and tells how many bytes of it were."""

    def __init__(self, raw: IO[bytes], lines: IO[bytes], tell: Callable[[int], object], step: int) -> None:
        self._raw = raw
        self._lines = lines
        self._tell = tell
        self._step = step
        self._told = 0

    def readline(self, size: int) -> bytes:
        """As a file does."""
        line = self._lines.readline(size)
        position = self._raw.tell()
        if position - self._told >= self._step:
            self._told = position
            self._tell(position)
        return line


def load_file(engine: Engine, path: str, tell: Callable[[int], object], step: int = 0) -> int:
    """`load_dump` from a file, packed if its name says so. tell: called with the bytes read so far, after each step."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open(path, "rb"))
        lines = stack.enter_context(gzip.open(raw)) if is_packed(path) else raw
        try:
            return load_dump(engine, _Counted(raw, lines, tell, step))  # type: ignore[arg-type]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise JsonDumpError(0, f"the packed file cannot be read: {error}") from error


def write_file(engine: Engine, fd: int, path: str, tell: Callable[[int], object] | None = None) -> None:
    """`write_dump` to a descriptor of a file that is to have this name."""
    with open(fd, "wb", closefd=False) as raw:
        if not is_packed(path):
            write_dump(engine, raw, tell)
            return
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as lines:
            write_dump(engine, lines, tell)  # type: ignore[arg-type]
