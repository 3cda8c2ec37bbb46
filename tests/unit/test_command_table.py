"""The command table: rows, keys, COMMAND's replies, and every row of the package against the published facts.

The facts are a JSON file named by REDISLITE_COMMAND_FACTS, or lying beside the checkout; without it the comparison is
skipped.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import redislite._core
import redislite.commands
from redislite._core.commands import key_specs
from redislite._core.commands import row as rows
from redislite._core.commands.row import CommandRow, CommandTable, command, container, native, rows_of
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError, Set, SimpleString
from redislite.commands import introspection
from redislite.commands.command_syntax import Argument, parse_syntax

FACTS = Path(
    os.environ.get("REDISLITE_COMMAND_FACTS")
    or Path(__file__).resolve().parents[3] / "shared" / "upstream" / "commands.json"
)


def package_rows() -> list[CommandRow]:
    """The rows of every module of the package that may have some."""
    found = []
    for package in (redislite._core, redislite.commands):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            found.extend(rows_of(importlib.import_module(module.name)))
    return found


PACKAGE_ROWS = package_rows()


@pytest.fixture(scope="module")
def facts() -> dict[str, dict[str, Any]]:
    if not FACTS.is_file():
        pytest.skip(f"no command facts at {FACTS}; set REDISLITE_COMMAND_FACTS")
    return {name.lower().replace(" ", "|"): fact for name, fact in json.loads(FACTS.read_text()).items()}


def argument_facts(arguments: list[Argument]) -> list[dict[str, object]]:
    described = []
    for argument in arguments:
        fact: dict[str, object] = {"name": argument.name, "type": argument.type}
        for name in ("token", "key_spec_index", "since"):
            if getattr(argument, name) is not None:
                fact[name] = getattr(argument, name)
        for name in ("optional", "multiple", "multiple_token"):
            if getattr(argument, name):
                fact[name] = True
        if argument.arguments:
            fact["arguments"] = argument_facts(argument.arguments)
        described.append(fact)
    return described


def normalized_arguments(arguments: list[dict[str, Any]]) -> list[dict[str, object]]:
    """The facts with truth values as such, the quotes of an empty word removed, and what follows filled in."""
    normalized = []
    for argument in arguments:
        fact = {name: value for name, value in argument.items() if str(value).lower() != "false"}
        for name in {"optional", "multiple", "multiple_token"} & fact.keys():
            fact[name] = True
        if "multiple_token" in fact:
            fact["multiple"] = True
        if fact.get("token") == '""':
            fact["token"] = ""
        if "arguments" in fact:
            fact["arguments"] = normalized_arguments(fact["arguments"])
        normalized.append(fact)
    return normalized


def key_spec_facts(spec: key_specs.KeySpec) -> dict[str, object]:
    begin: dict[str, object] = {"unknown": None}
    if spec.begin == "index":
        begin = {"index": {"pos": spec.index}}
    elif spec.begin == "keyword":
        begin = {"keyword": {"keyword": spec.keyword, "startfrom": spec.index}}
    find: dict[str, object] = {"unknown": None}
    if spec.find == "range":
        find = {"range": {"lastkey": spec.last, "step": spec.step, "limit": spec.limit}}
    elif spec.find == "keynum":
        find = {"keynum": {"keynumidx": spec.keynum, "firstkey": spec.first, "step": spec.step}}
    flags = {name for name, bit in key_specs.KEY_FLAG_NAMES.items() if spec.flags & bit}
    return {"flags": flags, "begin_search": begin, "find_keys": find}


def key_facts(row: CommandRow) -> list[dict[str, object]]:
    return [key_spec_facts(spec) for spec in row.key_specs]


# Commands that take more here than in the original.
EXTENDED = {"save": "[TO name:string@8.0.0]", "bgsave": "TO name:string@8.0.0"}


@pytest.mark.parametrize("row", PACKAGE_ROWS, ids=lambda row: row.name)
def test_row_agrees_with_the_facts(row: CommandRow, facts: dict[str, dict[str, Any]]) -> None:
    fact = facts[row.name]
    assert row.group == fact["group"]
    assert row.since == (fact["since"].get("redis") or fact["since"]["valkey"])
    more = EXTENDED.get(row.name, "")
    assert more in row.syntax
    assert (-row.arity if more and fact["arity"] > 0 else row.arity) in (fact["arity"], fact.get("arity_redis"))
    own_flags = {"movablekeys", "unqueued", "subscriber"}
    flag_names = {name for name, bit in rows.FLAG_NAMES.items() if row.flags & bit} - own_flags
    assert flag_names == {name.lower().replace("commandlog", "slowlog") for name in fact.get("flags", [])}
    categories = {name for name, bit in rows.ACL_CATEGORY_BITS.items() if row.acl_categories & bit}
    assert categories == {name.lower() for name in fact["acl_categories"]}
    assert key_facts(row) == [{**spec, "flags": set(spec["flags"])} for spec in fact.get("key_specs", [])]
    syntax = row.syntax.replace(more, "").replace("| )", ")")
    assert argument_facts(parse_syntax(syntax)) == normalized_arguments(fact.get("arguments", []))
    assert row.tips.split() == [tip.lower() for tip in fact.get("tips", [])]
    marks = fact.get("doc_flags", [])
    assert row.system == ("SYSCMD" in marks)
    # Redis has deprecated more than the facts, which are those of both projects, do.
    assert row.deprecated or "DEPRECATED" not in marks
    if row.deprecated and "deprecated_since" in fact:
        assert row.deprecated[0] == fact["deprecated_since"]


@pytest.mark.parametrize("row", PACKAGE_ROWS, ids=lambda row: row.name)
def test_row_is_complete(row: CommandRow) -> None:
    assert row.summary.endswith(".")
    assert row.name == row.name.lower()
    if row.is_container:
        assert any(other.name.startswith(row.name + "|") for other in PACKAGE_ROWS)
    if "|" in row.name:
        assert any(other.name == row.name.partition("|")[0] for other in PACKAGE_ROWS)


def test_package_rows_register_together() -> None:
    table = CommandTable()
    table.register(PACKAGE_ROWS)
    assert [row.id for row in table.rows] == list(range(len(PACKAGE_ROWS)))


def example(name: str, arity: int = -1, flags: str = "", keys: str = "", **fields: Any) -> CommandRow:
    return native(
        name, 1, arity, flags, keys=keys, **{"group": "generic", "since": "1.0.0", "summary": "It.", **fields}
    )


def categories(row: CommandRow) -> set[str]:
    return {name for name, bit in rows.ACL_CATEGORY_BITS.items() if row.acl_categories & bit}


def test_flag_and_category_bits_are_distinct() -> None:
    assert sorted(rows.FLAG_NAMES.values()) == [1 << number for number in range(len(rows.FLAG_NAMES))]
    assert sum(rows.ACL_CATEGORY_BITS.values()) == (1 << len(rows.ACL_CATEGORIES)) - 1
    assert list(rows.FLAG_NAMES.values()) == [
        getattr(rows, "MOVABLE_KEYS" if name == "movablekeys" else name.upper()) for name in rows.FLAG_NAMES
    ]


def test_categories_are_derived_and_corrected() -> None:
    assert categories(example("a", flags="write fast", group="sorted_set")) == {"write", "fast", "sortedset"}
    assert categories(example("a", flags="readonly", group="scripting")) == {"slow", "scripting"}
    assert categories(example("a", flags="readonly blocking", group="stream")) == {"read", "slow", "blocking", "stream"}
    assert categories(example("a", flags="admin pubsub", group="server")) == {"admin", "dangerous", "slow", "pubsub"}
    assert categories(example("a", acl="+dangerous -keyspace")) == {"slow", "dangerous"}
    assert categories(container("a", group="stream", since="5.0.0", summary="It.")) == {"slow"}


@pytest.mark.parametrize("acl", ["dangerous", "+nosuch", "*read"])
def test_wrong_category_correction_is_refused(acl: str) -> None:
    with pytest.raises(ValueError, match="unknown ACL category"):
        _ = example("a", acl=acl).acl_categories


def test_wrong_flag_and_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown command flag"):
        example("a", flags="readonli")
    for keys in ("RO 1", "RO @", "RX @ 1", "RO @ 1 until=2"):
        with pytest.raises(ValueError):
            example("a", keys=keys)


def test_table_registers_looks_up_and_numbers() -> None:
    table = CommandTable()
    source = [example("box|b"), container("box", group="server", since="1.0.0", summary="It."), example("get", 2)]
    registered = table.register(source)
    assert [row.name for row in registered] == ["box", "get", "box|b"]
    assert [row.id for row in table.rows] == [0, 1, 2]
    assert len(table) == 2
    assert [row.name for row in table] == ["box", "get"]
    box, get, subcommand = registered
    assert subcommand.parent is box
    assert box.is_container and not get.is_container
    assert source[0].id == -1 and not source[1].subcommands, "the rows of the process stay as they are"

    assert table.find(b"BOX|B") is subcommand
    assert table.find(b"get|x") is table.find(b"box|x") is table.find(b"box|b|c") is table.find(b"") is None
    assert table.resolve([b"Get", b"x"]) is get
    assert table.resolve([b"BOX", b"B"]) is subcommand
    assert table.resolve([b"box"]) is box
    assert table.resolve([b"box", b"x"]) is table.resolve([b"box|b"]) is table.resolve([b""]) is None


def test_table_refuses_duplicates_and_orphans() -> None:
    table = CommandTable()
    table.register([example("get")])
    with pytest.raises(ValueError, match="there is a command 'get' already"):
        table.register([example("get")])
    with pytest.raises(ValueError, match="without its container"):
        table.register([example("box|b")])


def test_rename() -> None:
    table = CommandTable()
    get, put = table.register([example("get"), example("set")])
    with pytest.raises(ValueError, match="exists already"):
        table.rename(b"get", b"SET")
    with pytest.raises(KeyError):
        table.rename(b"nosuch", b"other")
    assert table.rename(b"GET", b"Fetch") is get
    assert table.find(b"get") is None and table.find(b"fetch") is get and get.name == "get"
    table.rename(b"set", b"")
    assert len(table) == 1 and table.rows == [get, put]


def test_tables_of_one_process_are_independent() -> None:
    source = [container("box", group="server", since="1.0.0", summary="It."), example("box|b")]
    first, second = CommandTable(), CommandTable()
    first.register([example("other"), *source])
    second.register(source)
    assert (first.find(b"box").id, second.find(b"box").id) == (1, 0)  # type: ignore[union-attr]
    assert first.find(b"box|b") is not second.find(b"box|b")


def test_decorated_functions_are_found_in_their_module() -> None:
    def handler(server: object, connection: object, args: list[bytes]) -> object:
        return args

    fields = {"group": "server", "since": "1.0.0", "summary": "It."}
    decorated = command("one", 1, **fields)(command("two", 1, **fields)(handler))  # type: ignore[arg-type]
    assert decorated is handler
    module = SimpleNamespace(__name__=handler.__module__, COMMANDS=[example("zero")], handler=handler)
    assert [row.name for row in rows_of(module)] == ["zero", "two", "one"]
    elsewhere = SimpleNamespace(__name__="elsewhere", handler=handler)
    assert rows_of(elsewhere) == []


def test_arity() -> None:
    assert [count for count in range(1, 6) if example("a", 3).accepts(count)] == [3]
    assert [count for count in range(1, 6) if example("a", -3).accepts(count)] == [3, 4, 5]


@pytest.mark.parametrize(
    ("keys", "expected", "movable"),
    [
        ("", (0, 0, 0), False),
        ("RO ACCESS @ 1", (1, 1, 1), False),
        ("RM DELETE @ 1 last=-1", (1, -1, 1), False),
        ("RW ACCESS DELETE @ 1 last=-2", (1, -2, 1), False),
        ("RO ACCESS @ 1 last=1", (1, 2, 1), False),
        ("OW UPDATE @ 1 last=-1 step=2", (1, -1, 2), False),
        ("RW ACCESS DELETE @ 1; OW UPDATE @ 2", (1, 2, 1), False),
        ("OW UPDATE @ 1; RO ACCESS @ 2 last=-1", (1, -1, 1), False),
        ("OW UPDATE @ 1; RO ACCESS @ 3", (0, 0, 0), False),
        ("OW UPDATE @ 1; RO ACCESS @ 2 keynum=0", (1, 1, 1), True),
        ("RO ACCESS @ 2 keynum=0", (0, 0, 0), True),
        ("RO ACCESS @ STREAMS>1 last=-1 limit=2", (0, 0, 0), True),
        ("RO ACCESS @ 1; RO ACCESS @ ?", (1, 1, 1), True),
    ],
)
def test_legacy_key_range(keys: str, expected: tuple[int, int, int], movable: bool) -> None:
    row = example("a", keys=keys)
    assert row.key_range == expected
    assert bool(row.flags & rows.MOVABLE_KEYS) is movable


RADIUS_KEYS = "RO ACCESS @ 1; OW UPDATE VARIABLE_FLAGS @ STORE>6; OW UPDATE VARIABLE_FLAGS @ STOREDIST>6"
MIGRATE_KEYS = "RW ACCESS DELETE @ 3; RW ACCESS DELETE INCOMPLETE @ KEYS>-2 last=-1"

KEY_EXAMPLES = [
    example("get", 2, keys="RO ACCESS @ 1"),
    example("mset", -3, keys="OW UPDATE @ 1 last=-1 step=2"),
    example("msetex", -4, keys="OW UPDATE @ 1 keynum=0 step=2"),
    example("blpop", -3, keys="RW ACCESS DELETE @ 1 last=-2"),
    example("zunionstore", -4, keys="OW UPDATE @ 1; RO ACCESS @ 2 keynum=0"),
    example("pfmerge", -2, keys="RW ACCESS INSERT @ 1; RO ACCESS @ 2 last=-1"),
    example("eval", -3, "no_mandatory_keys", keys="RW ACCESS UPDATE @ 2 keynum=0"),
    example("xread", -4, keys="RO ACCESS @ STREAMS>1 last=-1 limit=2"),
    example("set", -3, keys="RW ACCESS UPDATE VARIABLE_FLAGS @ 1"),
    example("bitfield", -2, keys="RW UPDATE ACCESS VARIABLE_FLAGS @ 1"),
    example("sort", -2, keys="RO ACCESS @ 1; RO ACCESS @ ?; OW UPDATE @ ?"),
    example("sort_ro", -2, keys="RO ACCESS @ 1; RO ACCESS @ ?"),
    example("migrate", -6, keys=MIGRATE_KEYS),
    example("georadius", -6, keys=RADIUS_KEYS),
    example("georadiusbymember", -5, keys=RADIUS_KEYS.replace("6", "5")),
    example("xreadgroup", -7, keys="RO ACCESS @ STREAMS>4 last=-1 limit=2"),
    example("spublish", 3, keys="NOT_KEY @ 1"),
    example("ping", -1),
    container("object", group="generic", since="2.2.3", summary="It."),
    example("object|freq", 3, keys="RO @ 2"),
]


@pytest.fixture
def server() -> SimpleNamespace:
    table = CommandTable()
    table.register([*rows_of(introspection), *KEY_EXAMPLES])
    engine = Engine()
    engine.register([row for row in KEY_EXAMPLES if engine.table.find(row.name.encode()) is None])
    return SimpleNamespace(table=table, engine=engine)


def call(server: SimpleNamespace, *arguments: str) -> Any:
    """Run COMMAND with these arguments as dispatch would."""
    args = [b"command", *(argument.encode() for argument in arguments)]
    row = server.table.resolve(args)
    assert row is not None and row.accepts(len(args))
    return row.handler(server, None, args)


# What Redis 8 and Valkey 9 answer to COMMAND GETKEYSANDFLAGS. Where they stray from what the command then does (Redis 8
# about several STOREs, both about a group named "streams" and about PFMERGE without sources), it is that.
@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("get a", "a:RO,access"),
        ("GET a", "a:RO,access"),
        ("mset a 1 b 2", "a:OW,update b:OW,update"),
        ("mset a 1 b", "a:OW,update b:OW,update"),
        ("msetex 2 a 1 b 2 nx", "a:OW,update b:OW,update"),
        ("blpop a b 1", "a:RW,access,delete b:RW,access,delete"),
        ("zunionstore d 2 a b weights 1 2", "d:OW,update a:RO,access b:RO,access"),
        ("pfmerge d", "d:RW,access,insert"),
        ("pfmerge d a b", "d:RW,access,insert a:RO,access b:RO,access"),
        ("eval s 1 a x", "a:RW,access,update"),
        ("eval s 0 x", ""),
        ("eval s 2 a", ""),
        ("eval s x a", ""),
        ("xread count 1 streams a b 0 0", "a:RO,access b:RO,access"),
        ("xread streams a b 1", "a:RO,access"),
        ("set a b nx", "a:OW,update"),
        ("set a b ifeq x", "a:OW,update"),
        ("set a b ex 10 GET", "a:RW,access,update"),
        ("bitfield a", "a:RO,access"),
        ("bitfield a get u8 0 overflow sat get u8 8", "a:RO,access"),
        ("bitfield a get u8 0 incrby u8 0 1", "a:RW,access,update"),
        ("sort a by store get store", "a:RO,access"),
        ("sort a limit store 1 store x STORE y", "a:RO,access y:OW,update"),
        ("sort a store", "a:RO,access"),
        ("sort_ro a by w", "a:RO,access"),
        ("migrate h 1 k 0 10 copy", "k:RW,access,delete"),
        ("migrate h 1  0 10 auth keys keys a b", "a:RW,access,delete b:RW,access,delete"),
        ("migrate h 1  0 10 auth2 keys keys keys a", "a:RW,access,delete"),
        ("migrate h 1 k 0 10 keys", "k:RW,access,delete"),
        ("georadius k 1 2 3 m", "k:RO,access"),
        ("georadius k 1 2 3 m store a", "k:RO,access a:OW,update"),
        ("georadius k 1 2 3 m storedist b store a", "k:RO,access a:OW,update"),
        ("georadius k 1 2 3 m store a store b", "k:RO,access b:OW,update"),
        ("georadius k 1 2 3 m store store count 1 storedist b any", "k:RO,access b:OW,update"),
        ("georadiusbymember k store 2 m store a", "k:RO,access a:OW,update"),
        ("xreadgroup group g streams noack streams k >", "k:RO,access"),
        ("xreadgroup count 1 group streams streams block 0 streams k l > >", "k:RO,access l:RO,access"),
        ("georadius k 1 2 3 m store", "k:RO,access"),
        ("object Freq k", "k:RO"),
    ],
)
def test_getkeys(server: SimpleNamespace, request_line: str, expected: str) -> None:
    request = request_line.split(" ")
    reply = call(server, "getkeysandflags", *request)
    assert " ".join(f"{key.decode()}:{','.join(flags)}" for key, flags in reply) == expected
    assert all(isinstance(flags, Set) and isinstance(flags[0], SimpleString) for _, flags in reply)
    assert call(server, "getkeys", *request) == [key for key, _ in reply]


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        ("nosuch a", "ERR Invalid command specified"),
        ("object nosuch", "ERR Invalid command specified"),
        ("ping", "ERR The command has no key arguments"),
        ("spublish a b", "ERR The command has no key arguments"),
        ("object", "ERR The command has no key arguments"),
        ("get", "ERR Invalid number of arguments specified for command"),
        ("get a b", "ERR Invalid number of arguments specified for command"),
        ("zunionstore d 3 a b", "ERR Invalid arguments specified for command"),
        ("zunionstore d 0 a", "ERR Invalid arguments specified for command"),
        ("zunionstore d -1 a", "ERR Invalid arguments specified for command"),
        ("zunionstore d 2147483648 a", "ERR Invalid arguments specified for command"),
        ("msetex 2 a 1", "ERR Invalid arguments specified for command"),
        ("xread a b c", "ERR Invalid arguments specified for command"),
        ("xread a b streams", "ERR Invalid arguments specified for command"),
        ("migrate h 1 k 0 10 keys a", "ERR Invalid arguments specified for command"),
    ],
)
def test_getkeys_errors(server: SimpleNamespace, request_line: str, error: str) -> None:
    for subcommand in ("getkeys", "getkeysandflags"):
        with pytest.raises(CommandError) as raised:
            call(server, subcommand, *request_line.split(" "))
        assert str(raised.value) == error


def test_routed_names_are_found_on_request(server: SimpleNamespace) -> None:
    request = [b"spublish", b"channel", b"message"]
    assert server.engine.find_keys(request) == []
    assert server.engine.find_keys(request, routed=True) == [(1, key_specs.NOT_KEY)]
    with pytest.raises(KeyError):
        server.engine.find_keys([b"nosuch"])


def test_specifications_beyond_what_is_kept_in_c_are_refused() -> None:
    engine = Engine()
    with pytest.raises(ValueError, match="4 key specifications"):
        engine.register([example("a", -1, keys="; ".join(["RO @ 1"] * 5))])
    with pytest.raises(ValueError, match="31 bytes"):
        engine.register([example("b", -1, keys=f"RO @ {'W' * 32}>1")])


def test_info(server: SimpleNamespace) -> None:
    get, missing, container_row = call(server, "info", "GET", "nosuch", "object")
    assert get == [
        b"get", 2, [], 1, 1, 1, ["@keyspace", "@slow"], [],
        [{
            b"flags": ["RO", "access"],
            b"begin_search": {b"type": b"index", b"spec": {b"index": 1}},
            b"find_keys": {b"type": b"range", b"spec": {b"lastkey": 0, b"keystep": 1, b"limit": 0}},
        }],
        [],
    ]  # fmt: skip
    assert [type(get[place]) for place in (2, 6, 7, 8, 9)] == [Set] * 5
    assert missing is None
    assert [subcommand[0] for subcommand in container_row[9]] == [b"object|freq"]
    assert type(container_row[9]) is list
    assert call(server, "info") == call(server)
    assert call(server, "count") == len(call(server)) == len(KEY_EXAMPLES) - 1 + 1


def test_info_shows_keyword_and_count_specifications(server: SimpleNamespace) -> None:
    xread, evaluate, sort = call(server, "info", "xread", "eval", "sort")
    assert xread[2] == ["movablekeys"]
    assert xread[8][0][b"begin_search"] == {b"type": b"keyword", b"spec": {b"keyword": b"STREAMS", b"startfrom": 1}}
    assert evaluate[2] == ["no_mandatory_keys", "movablekeys"]
    assert evaluate[8][0][b"find_keys"] == {
        b"type": b"keynum",
        b"spec": {b"keynumidx": 0, b"firstkey": 1, b"keystep": 1},
    }
    assert sort[8][1][b"begin_search"] == {b"type": b"unknown", b"spec": {}}


def test_docs(server: SimpleNamespace) -> None:
    documents = call(server, "docs", "object", "nosuch", "command|count")
    assert list(documents) == [b"object", b"command|count"]
    assert documents[b"object"] == {
        b"summary": b"It.",
        b"since": b"2.2.3",
        b"group": b"generic",
        b"complexity": b"Depends on the subcommand.",
        b"subcommands": {b"object|freq": {b"summary": b"It.", b"since": b"1.0.0", b"group": b"generic"}},
    }
    assert len(call(server, "docs")) == len(server.table)


def test_docs_of_a_deprecated_command() -> None:
    row = example(
        "a", group="sorted_set", deprecated=("6.2.0", "`B`"), system=True, history=(("5.0.0", "It came."),), syntax="b"
    )
    document = introspection.document(row)
    assert document == {
        b"summary": b"It.",
        b"since": b"1.0.0",
        b"group": b"sorted-set",
        b"history": [[b"5.0.0", b"It came."]],
        b"doc_flags": ["deprecated", "syscmd"],
        b"deprecated_since": b"6.2.0",
        b"replaced_by": b"`B`",
        b"arguments": [{b"name": b"b", b"type": b"string", b"display_text": b"b"}],
    }


@pytest.mark.parametrize(
    ("filter_line", "expected"),
    [
        ("filterby pattern object*", "object object|freq"),
        ("FILTERBY PATTERN OBJECT?FREQ", "object|freq"),
        ("filterby pattern [a-g]et", "get"),
        ("filterby pattern [g-a]et", "get"),
        ("filterby pattern [^g]et", "set"),
        ("filterby pattern [gs", ""),
        ("filterby pattern []et", ""),
        ("filterby pattern *s*et", "mset set"),
        ("filterby pattern " + "*?" * 40 + "z", ""),
        ("filterby pattern g\\et", "get"),
        ("filterby pattern g[\\e]t", "get"),
        ("filterby pattern g.t", ""),
        ("filterby pattern ", ""),
        ("filterby aclcat Connection", "command " + " ".join(f"command|{name}" for name in (
            "count", "info", "docs", "list", "getkeys", "getkeysandflags", "help"))),
        ("filterby aclcat nosuch", ""),
        ("filterby module nosuch", ""),
    ],
)  # fmt: skip
def test_list_filters(server: SimpleNamespace, filter_line: str, expected: str) -> None:
    assert b" ".join(call(server, "list", *filter_line.split(" "))).decode() == expected


def test_list_names_everything(server: SimpleNamespace) -> None:
    assert sorted(call(server, "list")) == sorted(row.name.encode() for row in server.table.rows)


@pytest.mark.parametrize("line", ["foo", "filterby", "filterby pattern", "filterby foo x", "filterby pattern a b"])
def test_list_refuses_wrong_filters(server: SimpleNamespace, line: str) -> None:
    with pytest.raises(CommandError, match=r"\AERR syntax error\Z"):
        call(server, "list", *line.split(" "))


def test_help(server: SimpleNamespace) -> None:
    lines = call(server, "help")
    assert lines[0] == "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert all(isinstance(line, SimpleString) for line in lines)
    assert "HELP" in lines
