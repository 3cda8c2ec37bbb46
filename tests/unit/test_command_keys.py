"""Commands use the keys that their arguments name: what is looked up, held against what permissions are told."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from command_forms import Forms, matched_counts
from command_keys_model import UntoldError, find_keys, needs_of

from redislite._core.commands.row import MODULE, CommandRow, command, rows_of
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.commands import observability

ROUNDS = 60

pytestmark = pytest.mark.skipif(not Engine().record_keys(None), reason="needs a checked build")

SPECIAL = [b"STORE", b"streams", b"KEYS", b"DB", b"get"]
TYPED = {
    "string": [b"s1", b"s2", b"s3"],
    "bitmap": [b"s1", b"s2", b"s3"],
    "list": [b"l1", b"l2", b"l3"],
    "set": [b"set1", b"set2", b"set3"],
    "sorted_set": [b"z1", b"z2", b"set1"],
    "geo": [b"geo1", b"geo2"],
    "hash": [b"h1", b"h2"],
    "stream": [b"x1", b"x2"],
    "hyperloglog": [b"p1", b"p2", b"p3"],
}
KEYS = sorted({key for keys in TYPED.values() for key in keys})


def fill(engine: Engine) -> None:
    """Something of each type under every name."""
    for number in (1, 2, 3):
        engine.execute("set", f"s{number}", f"{number}0")
        engine.execute("rpush", f"l{number}", *"3124")
        engine.execute("sadd", f"set{number}", *"123")
        engine.execute("zadd", f"z{number}", 1, "m", 2, "v", 3, "1")
        engine.execute("hset", f"h{number}", "v", "1", "m", "2")
        engine.execute("geoadd", f"geo{number}", 13.4, 38.1, "m", 0, 0, "v")
        engine.execute("pfadd", f"p{number}", number)
        engine.execute("xadd", f"x{number}", "1-1", "v", "1")
        for group in ("g", "streams", "GROUP"):
            engine.execute("xgroup", "create", f"x{number}", group, "0")


def filled() -> Engine:
    engine = Engine(control=(control := SimpleNamespace()))
    control.engine = engine
    engine.register([row for row in rows_of(observability) if row.name.startswith("memory")])
    return engine


ROWS = [row for row in filled().table.rows if row.has_keys]


# What a script does with its keys is its own business.
@pytest.mark.parametrize("row", [row for row in ROWS if row.group != "scripting"], ids=lambda row: row.name)
def test_keys_used_are_keys_named(row: CommandRow) -> None:
    engine = filled()
    chance = random.Random(row.name)
    used: set[tuple[bytes, bool]] = set()
    unnamed: list[object] = []

    def note(_name: str, database: int, key: bytes, changes: bool, named: bool) -> None:
        used.add((key, changes))
        if not named:
            unnamed.append((request, database, key, changes))

    def key(_row: CommandRow) -> bytes:
        return chance.choice(chance.choice([TYPED.get(row.group, KEYS), KEYS, SPECIAL]))

    forms = Forms(chance, key)
    known = {*KEYS, *SPECIAL}
    places: set[int] = set()
    for number in range(ROUNDS * 4):
        if number % 10 == 0:
            engine.execute("flushall")
            fill(engine)
        request = matched_counts(forms.request(row), row, known)
        if not row.accepts(len(request)):
            continue
        try:
            told = find_keys(row.name, row.keys, request)
        except UntoldError:
            told = None
        assert engine.find_keys(request) == told
        used.clear()
        engine.record_keys(note)
        try:
            engine.execute(*request)
        except CommandError:
            pass
        finally:
            engine.record_keys(None)
        assert not unnamed
        if told is not None:
            names = {request[place] for place, _ in told}
            writable = {request[place] for place, flags in told if needs_of(flags) & 2}
            assert row.name in ("sort", "sort_ro") or {key for key, _ in used} <= names
            assert {key for key, changes in used if changes} <= writable or row.name.startswith("pf")
            # Which specification, or which of a special command's keys: each is used by some request.
            places.update(index for index, (place, _) in enumerate(told) if any(k == request[place] for k, _ in used))
    least = {"sort": 2, "sort_ro": 1, "georadius": 2, "georadiusbymember": 2}.get(row.name, min(2, len(row.key_specs)))
    assert places >= set(range(least)), "no request of them uses some key that it names"


@pytest.mark.parametrize(
    ("request_line", "key"),
    [
        ("georadius geo1 0 0 5000 km store a store b", b"b"),
        ("georadius geo1 0 0 5000 km storedist a store b", b"b"),
        ("georadiusbymember geo1 v 5000 km store a count 1 storedist b", b"b"),
        ("sort l1 store a by nosort get store store b", b"b"),
        ("pfmerge d", b"d"),
    ],
)
def test_destinations_that_others_do_not_see(request_line: str, key: bytes) -> None:
    engine = filled()
    fill(engine)
    changed = []
    engine.record_keys(lambda _name, _database, key, changes, named: changed.append((key, named)) if changes else None)
    engine.execute(*request_line.split(" "))
    engine.record_keys(None)
    assert changed and set(changed) == {(key, True)}


def test_a_group_that_is_named_like_an_option() -> None:
    engine = filled()
    fill(engine)
    looked_up = []
    engine.record_keys(lambda *use: looked_up.append(use))
    engine.execute(*["xreadgroup", "count", "1", "group", "streams", "streams", "streams", "x1", ">"])
    engine.record_keys(None)
    assert {(key, named) for _, _, key, _, named in looked_up} == {(b"x1", True)}


def test_databases_are_held_against_what_is_named() -> None:
    engine = filled()
    fill(engine)
    looked_up = []
    engine.record_keys(lambda *use: looked_up.append(use))
    engine.execute(*["copy", "s1", "copy", "db", "3"])
    engine.execute(*["move", "s1", "2"])
    engine.record_keys(None)
    assert {database for _, database, *_ in looked_up} == {0, 2, 3}
    assert all(named for *_, named in looked_up)


def test_a_command_that_strays_is_told() -> None:
    """The assertion itself: a user's command that looks at a key, or writes one, which its arguments do not name."""

    @command("stray", -2, "readonly", keys="RO ACCESS @ 1", group="generic", since="1.0.0", summary="Strays.")
    def stray(_server: object, _connection: object, args: list[bytes]) -> object:
        engine.inspect(int(args[2]), args[1])
        engine.inspect(0, b"other")
        return None

    engine = filled()
    engine.register(stray.command_rows)
    looked_up = []
    engine.record_keys(lambda *use: looked_up.append(use))
    engine.execute("stray", "a", "0")
    engine.execute("stray", "other", "1")
    engine.record_keys(None)
    assert looked_up == [
        ("stray", 0, b"a", False, True),
        ("stray", 0, b"other", False, False),
        ("stray", 1, b"other", False, False),
        ("stray", 0, b"other", False, True),
    ]
    assert not stray.command_rows[0].flags & MODULE
