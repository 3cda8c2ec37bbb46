"""Numbers that the data plane's enums and Python modules share: each that Python has is that of the `.pxd`."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import redislite
from redislite._core.commands import access, key_specs, row
from redislite._core.scripting import extension
from redislite.acl import users
from redislite.config import directives, kinds
from redislite.observability import command_log, log
from redislite.serving import clients

CORE = Path(redislite.__file__).parent / "_core"
MEMBER = re.compile(r"^    ([A-Z][A-Z0-9_]+) = ([0-9<> -]+?)\s*(?:#.*)?$", re.M)


def enums(*names: str) -> dict[str, int]:
    """All members of the enums in these files, by name."""
    members: dict[str, int] = {}
    for name in names:
        for member, value in MEMBER.findall((CORE / name).read_text()):
            base, _, shift = value.partition("<<")
            assert members.setdefault(member, int(base) << int(shift or 0)) == int(base) << int(shift or 0), member
    return members


def constants(module: ModuleType, pattern: str) -> dict[str, int]:
    """The numbers of a module whose names match."""
    return {
        name: value for name, value in vars(module).items() if isinstance(value, int) and re.fullmatch(pattern, name)
    }


@pytest.mark.parametrize(
    ("module", "pattern", "file", "least"),
    [
        (clients, "CLIENT_[A-Z_]+", "state/flags.pxd", 15),
        (clients, "TRACKING_[A-Z]+", "clients/tracking.pxd", 7),
        (users, "DENIED_[A-Z]+", "dispatch/permissions.pxd", 4),
        (users, "KIND_PATTERN", "clients/channels.pxd", 1),
        (access, "ACCESS_[A-Z]+", "commands/command_keys.pxd", 2),
        (access, "DATABASE_[A-Z]+", "commands/command_keys.pxd", 7),
        (access, "CHANNELS_[A-Z]+", "dispatch/permissions.pxd", 4),
    ],
)
def test_constants_of_the_same_name(module: ModuleType, pattern: str, file: str, least: int) -> None:
    declared = enums(file)
    mirrored = constants(module, pattern)
    assert len(mirrored) >= least
    assert {name: declared.get(name) for name in mirrored} == mirrored


def test_classes_of_keyspace_events() -> None:
    names = {
        "K": "KEYSPACE", "E": "KEYEVENT", "g": "GENERIC", "$": "STRING", "l": "LIST", "s": "SET", "h": "HASH",
        "z": "ZSET", "x": "EXPIRED", "e": "EVICTED", "t": "STREAM", "m": "KEY_MISS", "d": "MODULE", "n": "NEW",
    }  # fmt: skip
    declared = {name: value for name, value in enums("state/flags.pxd").items() if name.startswith("NOTIFY_")}
    assert {f"NOTIFY_{names[letter]}": bit for letter, bit in kinds.EVENT_BITS.items()} == declared
    # By names of events: all but the two ways of publishing, and what modules of the original have.
    classes = {name for name in declared if name not in ("NOTIFY_KEYSPACE", "NOTIFY_KEYEVENT", "NOTIFY_MODULE")}
    assert set(extension.EVENT_CLASSES.values()) == {declared[name] for name in classes}
    assert extension.EVENT_CLASSES["xadd"] == declared["NOTIFY_STREAM"]
    assert extension.EVENT_CLASSES["lpush"] == declared["NOTIFY_LIST"]
    assert extension.EVENT_CLASSES["zadd"] == declared["NOTIFY_ZSET"]


def test_flags_of_commands() -> None:
    # The data plane knows some of the flags, one of them by a shorter name.
    declared = {name: value for name, value in enums("state/flags.pxd").items() if name.startswith("COMMAND_")}
    names = {"ARBITRARY_KEYS": "TOUCHES_ARBITRARY_KEYS"}
    flags = {name: getattr(row, name.upper()) for name in row.FLAG_NAMES if name != "movablekeys"}
    assert flags.items() <= row.FLAG_NAMES.items()
    mirrored = {name: getattr(row, names.get(short, short)) for name in declared if (short := name[len("COMMAND_") :])}
    assert len(declared) > 15 and mirrored == declared


def test_flags_of_keys() -> None:
    declared = {name: value for name, value in enums("commands/command_keys.pxd").items() if name.startswith("KEY_")}
    assert {f"KEY_{name}": bit for name, bit in key_specs.KEY_FLAG_NAMES.items()} == declared


def test_kinds_of_the_command_log() -> None:
    declared = {name: value for name, value in enums("state/flags.pxd").items() if name.startswith("COMMANDLOG_")}
    names = ("SLOW", "LARGE_REQUEST", "LARGE_REPLY")
    assert {f"COMMANDLOG_{name}": getattr(command_log, name) for name in names} == declared


def test_measures_of_eviction() -> None:
    declared = enums("keyspace/eviction.pxd")
    names = {"lru": "RECENCY", "lfu": "FREQUENCY", "ttl": "TIME_TO_LIVE", "random": "RANDOM"}
    assert {name: declared[f"POLICY_{names[name]}"] for name in names} == directives.POLICY_MEASURES
    assert declared["POLICY_ALL_KEYS"] == directives.POLICY_ALL_KEYS


def test_levels_of_the_log() -> None:
    declared = {name: value for name, value in enums("state/flags.pxd").items() if name.startswith("LOG_")}
    assert {f"LOG_{name.upper()}": place for place, name in enumerate(log.LEVELS[:4])} == declared
