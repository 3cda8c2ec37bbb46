"""Libraries of functions in an engine of its own: loading, calling, payloads, what files bring, what failure leaves."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from redislite import CommandError, Engine
from redislite._core.probes.crc64 import update as crc64


@pytest.fixture
def engine() -> Engine:
    return Engine()


def library(name: str, *functions: str, body: str = "return 1") -> str:
    lines = "".join(f"redis.register_function('{one}', function(keys, args) {body} end)\n" for one in functions)
    return f"#!lua name={name}\n{lines}"


def load(engine: Engine, code: str, *options: str) -> Any:
    return engine.execute("FUNCTION", "LOAD", *options, code)


def failure(engine: Engine, *words: object) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*words)
    return str(caught.value)


def names(engine: Engine) -> dict[bytes, list[bytes]]:
    """Of libraries and their functions."""
    listed = engine.execute("FUNCTION", "LIST")
    return {one[b"library_name"]: [f[b"name"] for f in one[b"functions"]] for one in listed}


def payload(content: bytes, version: int = 10) -> bytes:
    data = content + version.to_bytes(2, "little")
    return data + crc64(0, data).to_bytes(8, "little")


def opcode(code: str) -> bytes:
    data = code.encode()
    return b"\xf5\x80" + len(data).to_bytes(4, "big") + data


# Loading and calling


def test_a_function_gets_keys_and_arguments(engine: Engine) -> None:
    assert load(engine, library("one", "f", body="return {keys, args, #keys}")) == b"one"
    assert engine.execute("FCALL", "f", 2, "a", "b", "c") == [[b"a", b"b"], [b"c"], 2]
    assert engine.execute("FCALL", "F", 0) == [[], [], 0]


def test_functions_of_a_library_share_what_it_keeps(engine: Engine) -> None:
    load(
        engine,
        """#!lua name=counter
        local count = 0
        local function more() count = count + 1 return count end
        redis.register_function('up', more)
        redis.register_function('twice', function() more() return more() end)""",
    )
    assert [engine.execute("FCALL", name, 0) for name in ("up", "twice", "up")] == [1, 3, 4]


def test_named_arguments(engine: Engine) -> None:
    code = """#!lua name=named
        redis.register_function{function_name='f', callback=function() return 1 end, description='what it does',
                                flags={'no-writes', 'allow-oom', 'no-writes'}}"""
    load(engine, code)
    assert engine.execute("FUNCTION", "LIST", "WITHCODE") == [
        {
            b"library_name": b"named",
            b"engine": b"LUA",
            b"functions": [{b"name": b"f", b"description": b"what it does", b"flags": {"no-writes", "allow-oom"}}],
            b"library_code": code.encode(),
        }
    ]
    assert engine.execute("FCALL_RO", "f", 0) == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", "Missing library metadata"),
        ("return 1", "Missing library metadata"),
        ("#!", "Invalid library metadata"),
        ("#!lua name=a", "Invalid library metadata"),
        ("#!\n", "Library name was not given"),
        ("#! name=a\n", "Engine '' not found"),
        ("#!lua\n", "Library name was not given"),
        ("#!lua name=a name=b\n", "Invalid metadata value, name argument was given multiple times"),
        ("#!lua foo\n", "Invalid metadata value given: foo"),
        ("#!js name=a\n", "Engine 'js' not found"),
        ("#!lua name='a\n", "Invalid library metadata"),
        ('#!lua name="a"b\n', "Invalid library metadata"),
        ("#!lua name=a-b\n", "Library names can only contain letters, numbers, or underscores(_)"),
        ("#!lua name=\n", "Library names can only contain letters, numbers, or underscores(_)"),
        ('#!lua name="a\\x00b"\n', "Library names can only contain letters, numbers, or underscores(_)"),
    ],
)
def test_first_lines_that_are_wrong(engine: Engine, line: str, text: str) -> None:
    assert failure(engine, "FUNCTION", "LOAD", line).startswith(f"ERR {text}")


@pytest.mark.parametrize("line", ["#!lua name=x", "#!LUA NAME=x", '#!lua name="x"', "#!lua  \t name='x'\r"])
def test_first_lines_that_are_right(engine: Engine, line: str) -> None:
    assert load(engine, line + "\nredis.register_function('f', function() end)") == b"x"


R = "Error registering functions: "
API = "redis.register_function"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("bad script", "Error compiling function: user_function:2: '=' expected near 'script'"),
        ("return 1", "No functions registered"),
        ("x = 1", f"{R}ERR user_function:2: Attempt to modify a readonly table"),
        ("local x\nx.y = 1", f"{R}ERR user_function:3: attempt to index local 'x' (a nil value)"),
        ("redis.x = 1", f"{R}ERR user_function:2: Attempt to modify a readonly table"),
        (f"{API}()", f"{R}ERR wrong number of arguments to {API}"),
        (f"{API}('f', print, {{}})", f"{R}ERR user_function:2: Script attempted to access nonexistent global"),
        (f"{API}('f', {API}, {{}})", f"{R}ERR wrong number of arguments to {API}"),
        (f"{API}('f')", f"{R}ERR calling {API} with a single argument is only applicable to Lua table"),
        (f"{API}('f', 1)", f"{R}ERR second argument to {API} must be a function"),
        (f"{API}(nil, {API})", f"{R}ERR first argument to {API} must be a string"),
        (f"{API}('', {API})", f"{R}ERR Library names can only contain letters, numbers, or underscores(_)"),
        (f"{API}('a\\0', {API})", f"{R}ERR Library names can only contain letters, numbers, or underscores(_)"),
        (f"server.register_function('', {API})", f"{R}ERR Library names can only contain letters"),
        ("server.register_function()", f"{R}ERR wrong number of arguments to redis.register_function"),
        (f"{API}('f', {API}) {API}('f', {API})", f"{R}ERR Function already exists in the library"),
        (f"{API}{{}}", f"{R}ERR {API} must get a function name argument"),
        (f"{API}{{function_name='f'}}", f"{R}ERR {API} must get a callback argument"),
        (f"{API}{{function_name={{}}}}", f"{R}ERR function_name argument given to {API} must be a string"),
        (f"{API}{{callback=1}}", f"{R}ERR callback argument given to {API} must be a function"),
        (f"{API}{{description={{}}}}", f"{R}ERR description argument given to {API} must be a string"),
        (f"{API}{{flags=1}}", f"{R}ERR flags argument to {API} must be a table representing function flags"),
        (f"{API}{{flags={{'x'}}}}", f"{R}ERR unknown flag given"),
        (f"{API}{{flags={{1}}}}", f"{R}ERR unknown flag given"),
        (f"{API}{{x=1}}", f"{R}ERR unknown argument given to {API}"),
        (f"{API}{{[1]=1}}", f"{R}ERR unknown argument given to {API}"),
        (f"{API}{{[true]=1}}", f"{R}ERR named argument key given to {API} is not a string"),
        ("while true do end", f"{R}ERR FUNCTION LOAD timeout"),
        ("('x'):rep(10):gsub('x', function() while true do end end)", f"{R}ERR FUNCTION LOAD timeout"),
    ],
)
def test_libraries_that_are_wrong_change_nothing(engine: Engine, body: str, text: str) -> None:
    load(engine, library("old", "f", "g"))
    before = engine.function_statistics()
    for options in ((), ("REPLACE",)):
        assert failure(engine, "FUNCTION", "LOAD", *options, f"#!lua name=new\n{body}").startswith(f"ERR {text}")
    assert failure(engine, "FUNCTION", "LOAD", "REPLACE", f"#!lua name=old\n{body}").startswith(f"ERR {text}")
    assert names(engine) == {b"old": [b"f", b"g"]}
    assert engine.execute("FCALL", "f", 0) == 1
    assert engine.function_statistics() == before


@pytest.mark.parametrize(
    "name",
    [
        *(
            "math",
            "string",
            "table",
            "tostring",
            "pairs",
            "pcall",
            "getmetatable",
            "rawset",
            "load",
            "_G",
            "KEYS",
            "ARGV",
        ),
        *(
            "redis.call",
            "redis.pcall",
            "redis.setresp",
            "redis.set_repl",
            "redis.acl_check_cmd",
            "redis.REPL_ALL",
            "redis.x",
        ),
    ],
)
def test_what_a_library_does_not_see_while_it_is_loaded(engine: Engine, name: str) -> None:
    text = failure(engine, "FUNCTION", "LOAD", f"#!lua name=l\nlocal x = {name}")
    assert f"nonexistent global variable '{name.rpartition('.')[2]}'" in text
    # And the environment is what it was, for what is loaded next and what is called.
    load(engine, library("ok", "f", body="return {type(redis.call), type(tostring), type(_G.math)}"))
    assert engine.execute("FCALL", "f", 0) == [b"function", b"function", b"table"]


def test_what_a_library_sees_while_it_is_loaded(engine: Engine) -> None:
    load(
        engine,
        """#!lua name=l
        local kept = {redis.LOG_NOTICE, redis.REDIS_VERSION, redis.log, server.LOG_DEBUG, ('x'):upper()}
        redis.register_function('f', function()
            return {kept[1], type(kept[2]), type(kept[3]), kept[4], kept[5]}
        end)""",
    )
    assert engine.execute("FCALL", "f", 0) == [2, b"string", b"function", 0, b"X"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return KEYS", "ERR user_function:2: Script attempted to access nonexistent global variable 'KEYS'"),
        ("return ARGV", "ERR user_function:2: Script attempted to access nonexistent global variable 'ARGV'"),
        ("x = 1", "ERR user_function:2: Attempt to modify a readonly table"),
        ("_G.x = 1", "ERR user_function:2: Attempt to modify a readonly table"),
        ("rawset(_G, 'x', 1)", "Attempt to modify a readonly table"),
        ("setmetatable(_G, {})", "Attempt to modify a readonly table"),
        ("getmetatable(_G).__index = nil", "ERR user_function:2: Attempt to modify a readonly table"),
        ("getmetatable(_G).__index.redis = 1", "ERR user_function:2: Attempt to modify a readonly table"),
        ("kept.redis = redis", "ERR user_function:2: Attempt to modify a readonly table"),
        ("rawset(kept, 'redis', redis)", "Attempt to modify a readonly table"),
        ("kept.register_function('g', print)", "ERR user_function:2: Script attempted to access nonexistent"),
        ("kept.register_function('g', tostring)", "ERR redis.register_function can only be called on FUNCTION LOAD"),
        ("redis.register_function('g', tostring)", "attempt to call field 'register_function' (a nil value)"),
        ("error('boom')", "ERR user_function:2: boom"),
        ("error({err = 'MY boom'})", "MY boom"),
        ("return redis.call('nosuch')", "ERR Unknown Redis command called from script"),
    ],
)
def test_what_a_function_may_not_do(engine: Engine, body: str, text: str) -> None:
    load(engine, f"#!lua name=l\nlocal kept = redis redis.register_function('Ff', function() {body} end)")
    told = failure(engine, "FCALL", "fF", 0)
    assert text in told and told.endswith(" script: Ff, on @user_function:2.")
    assert names(engine) == {b"l": [b"Ff"]}
    assert engine.execute("EVAL", "return type(KEYS)", 0) == b"table"


def test_scripts_and_functions_do_not_see_each_other_s_globals(engine: Engine) -> None:
    load(engine, library("l", "f", body="return {type(_G), rawequal(_G, _G._G), rawget(_G, 'KEYS') == nil}"))
    engine.execute("EVAL", "return KEYS[1]", 1, "secret")
    assert engine.execute("FCALL", "f", 0) == [b"table", 1, 1]
    assert engine.execute("EVAL", "return KEYS[1]", 1, "k") == b"k"


# Names


def test_names_that_are_taken(engine: Engine) -> None:
    load(engine, library("one", "f"))
    assert failure(engine, "FUNCTION", "LOAD", library("one", "g")) == "ERR Library 'one' already exists"
    assert failure(engine, "FUNCTION", "LOAD", library("two", "F")) == "ERR Function F already exists"
    assert failure(engine, "FUNCTION", "LOAD", "REPLACE", library("two", "F")) == "ERR Function F already exists"
    load(engine, library("One", "g"))  # names of libraries differ in letter case
    load(engine, library("one", "h"), "REPLACE")
    assert names(engine) == {b"One": [b"g"], b"one": [b"h"]}
    assert failure(engine, "FCALL", "f", 0) == "ERR Function not found"
    load(engine, library("two", "f"))


def test_a_library_may_have_names_that_differ_in_letter_case(engine: Engine) -> None:
    code = "#!lua name=l\nredis.register_function('g', function() return 1 end) "
    load(engine, code + "redis.register_function('G', function() return 2 end)")
    assert names(engine) == {b"l": [b"g", b"G"]}
    assert engine.execute("FCALL", "G", 0) == 1
    engine.execute("FUNCTION", "DELETE", "l")
    assert engine.function_statistics()["libraries"] == 0
    assert failure(engine, "FCALL", "g", 0) == "ERR Function not found"


def test_long_names(engine: Engine) -> None:
    name = "F" * 5000
    load(engine, library("l", name))
    assert engine.execute("FCALL", name.lower(), 0) == 1


def test_delete_and_flush(engine: Engine) -> None:
    load(engine, library("one", "f"))
    load(engine, library("two", "g", "h"))
    assert engine.execute("FUNCTION", "STATS")[b"engines"] == {b"LUA": {b"libraries_count": 2, b"functions_count": 3}}
    assert failure(engine, "FUNCTION", "DELETE", "ONE") == "ERR Library not found"
    assert engine.execute("FUNCTION", "DELETE", "one") == "OK"
    assert failure(engine, "FCALL", "f", 0) == "ERR Function not found"
    engine.execute("FLUSHALL")
    engine.execute("SCRIPT", "FLUSH")
    assert engine.execute("FCALL", "g", 0) == 1
    for words in ((), ("ASYNC",), ("sync",)):
        assert engine.execute("FUNCTION", "FLUSH", *words) == "OK"
        assert names(engine) == {}
    assert failure(engine, "FUNCTION", "FLUSH", "x") == "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"
    assert "wrong number of arguments for 'FLUSH'" in failure(engine, "FUNCTION", "FLUSH", "SYNC", "x")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("FCALL", "f", "x"), "ERR Bad number of keys provided"),
        (("FCALL", "f", 2, "k"), "ERR Number of keys can't be greater than number of args"),
        (("FCALL", "f", -1), "ERR Number of keys can't be negative"),
        (("FCALL", "none", "x"), "ERR Function not found"),
        (("FCALL_RO", "f", 0), "ERR Can not execute a script with write flag using *_ro command."),
        (("FUNCTION", "LOAD", "X", "code"), "ERR Unknown option given: X"),
        (("FUNCTION", "LIST", "x"), "ERR Unknown argument x"),
        (("FUNCTION", "LIST", "LIBRARYNAME"), "ERR library name argument was not given"),
        (("FUNCTION", "LIST", "WITHCODE", "WITHCODE"), "ERR Unknown argument WITHCODE"),
        (("FUNCTION", "KILL"), "NOTBUSY No scripts in execution right now."),
        (("FUNCTION", "RESTORE", "x"), "ERR DUMP payload version or checksum are wrong"),
        (
            ("FUNCTION", "RESTORE", "x", "y"),
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ),
    ],
)
def test_arguments_that_are_wrong(engine: Engine, words: tuple[object, ...], text: str) -> None:
    load(engine, library("l", "f"))
    assert failure(engine, *words) == text


def test_lists_by_pattern(engine: Engine) -> None:
    for name in ("apple", "apricot", "pear"):
        load(engine, library(name, f"f_{name}"))
    listed = engine.execute("FUNCTION", "LIST", "LIBRARYNAME", "AP*")
    assert [one[b"library_name"] for one in listed] == [b"apple", b"apricot"]


def test_read_only_functions_do_not_write(engine: Engine) -> None:
    code = "redis.register_function{function_name='f', callback=function() return redis.call('SET', 'x', 1) end, "
    load(engine, f"#!lua name=l\n{code}flags={{'no-writes'}}}}")
    for command in ("FCALL", "FCALL_RO"):
        assert failure(engine, command, "f", 0).startswith("ERR Write commands are not allowed from read-only scripts.")


# Payloads


def test_payloads_there_and_back(engine: Engine) -> None:
    load(engine, library("one", "f", body="return 'one'"))
    load(engine, library("two", "g", body="return '" + "two" * 100 + "'"))
    data = engine.execute("FUNCTION", "DUMP")
    code = engine.function_libraries
    again = Engine()
    assert again.execute("FUNCTION", "RESTORE", data) == "OK"
    assert again.function_libraries == code
    assert again.execute("FCALL", "f", 0) == b"one"
    assert failure(again, "FUNCTION", "RESTORE", data) == "ERR Library one already exists"
    assert failure(again, "FUNCTION", "RESTORE", data, "append") == "ERR Library one already exists"
    load(again, library("two", "x"), "REPLACE")
    assert again.execute("FUNCTION", "RESTORE", data, "REPLACE") == "OK"
    assert names(again) == {b"one": [b"f"], b"two": [b"g"]}
    load(again, library("three", "h"))
    assert again.execute("FUNCTION", "RESTORE", data, "FLUSH") == "OK"
    assert again.function_libraries == code
    assert again.execute("FUNCTION", "RESTORE", Engine().execute("FUNCTION", "DUMP"), "FLUSH") == "OK"
    assert again.function_libraries == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\x00abc", "ERR given type is not a function"),
        (b"\xf6abc", "ERR Pre-GA function format not supported"),
        (b"\xf5\x20abc", "ERR Failed loading library payload"),
        (b"\xf5", "ERR Failed loading library payload"),
        (b"\xf5\xc0\x05", "ERR Missing library metadata"),
        (opcode("#!lua name=z\nx x"), "ERR Error compiling function: user_function:2: '=' expected near 'x'"),
        (opcode(library("new", "n")) + b"\xff", "ERR given type is not a function"),
        (opcode(library("new", "n")) * 2, "ERR Library 'new' already exists"),
        (opcode(library("a", "n")) + opcode(library("b", "N")), "ERR Function N already exists"),
        (opcode(library("a", "n")) + opcode(library("b", "f")), "ERR Function f already exists"),
        (opcode(library("a", "n")) + opcode(library("old", "x")), "ERR Library old already exists"),
    ],
)
def test_payloads_that_are_wrong_change_nothing(engine: Engine, content: bytes, text: str) -> None:
    load(engine, library("old", "f", "g"))
    before = engine.function_statistics()
    assert failure(engine, "FUNCTION", "RESTORE", payload(content)) == text
    if "Library old" not in text:
        assert failure(engine, "FUNCTION", "RESTORE", payload(content), "REPLACE") == text
    assert names(engine) == {b"old": [b"f", b"g"]}
    assert engine.execute("FCALL", "g", 0) == 1
    assert engine.function_statistics() == before


def test_payloads_of_other_versions(engine: Engine) -> None:
    for version in (9, 11, 12, 80):
        data = payload(opcode(library("l", "f")), version)
        assert engine.execute("FUNCTION", "RESTORE", data, "REPLACE") == "OK"
    assert "version or checksum" in failure(engine, "FUNCTION", "RESTORE", payload(b"", 99))
    assert "version or checksum" in failure(engine, "FUNCTION", "RESTORE", payload(b"")[:-1] + b"x")


def test_mutated_payloads(engine: Engine) -> None:
    chance = random.Random(1)
    load(engine, library("one", "f"))
    load(engine, library("two", "g", "h"))
    data = engine.execute("FUNCTION", "DUMP")[:-10]
    for _ in range(1500):
        bad = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(bad))
            if chance.random() < 0.3:
                del bad[place : place + chance.randint(1, 9)]
            else:
                bad[place] = chance.randrange(256)
            bad = bad or bytearray(b"\xf5")
        before = engine.function_libraries
        try:
            engine.execute("FUNCTION", "RESTORE", payload(bytes(bad)), chance.choice(["REPLACE", "APPEND", "FLUSH"]))
        except CommandError:
            assert engine.function_libraries == before
        for functions in names(engine).values():
            for name in functions:
                try:
                    engine.execute("FCALL", name, 0)
                except CommandError as error:
                    assert "not found" not in str(error)


# What files bring


def test_libraries_of_files_are_run_when_they_are_asked_for(engine: Engine) -> None:
    engine.add_function_library(library("one", "f").encode())
    assert engine.scripting_statistics()["vm_memory"] == 0, "there is no interpreter yet"
    assert engine.execute("FCALL", "f", 0) == 1
    with pytest.raises(ValueError, match="one"):
        engine.add_function_library(library("one", "g").encode())
    engine.add_function_library(library("one", "g").encode(), True)
    assert names(engine) == {b"one": [b"g"]}


BROKEN = [
    b"",
    b"no library",
    b"#!lua name=x\nbad code",
    b"#!js name=y\nreturn 1",
    b"#!lua name=\n",
    b"#!lua name=z\nreturn 1",
]


def test_libraries_that_cannot_be_run_are_kept() -> None:
    engine = Engine()
    lines: list[str] = []
    engine.on_log = lambda level, line: lines.append(line)
    for code in BROKEN:
        engine.add_function_library(code)
    engine.add_function_library(library("good", "f").encode())
    engine.add_function_library(library("late", "F").encode())
    assert engine.execute("FCALL", "f", 0) == 1
    assert engine.function_libraries == [*BROKEN, library("good", "f").encode(), library("late", "F").encode()]
    assert len(lines) == len(BROKEN) + 1
    assert sum("kept as it is" in line for line in lines) == len(lines)
    listed = names(engine)
    assert listed[b"late"] == [] and listed[b"good"] == [b"f"] and listed[b"x"] == []
    assert engine.execute("FUNCTION", "DELETE", "late") == "OK"
    # What cannot be run here may be run elsewhere: it is saved again.
    data = engine.execute("FUNCTION", "DUMP")
    assert all(code in data for code in BROKEN)
    engine.execute("FUNCTION", "FLUSH")
    assert engine.function_libraries == []


def test_snapshots_carry_libraries() -> None:
    engine = Engine()
    load(engine, library("one", "f"))
    engine.execute("SET", "k", "v")
    fd = os.memfd_create("snapshot")
    try:
        engine.save_rdb(fd)
        os.lseek(fd, 0, os.SEEK_SET)
        assert Engine().load_rdb(fd)["functions"] == engine.function_libraries
    finally:
        os.close(fd)


# Memory


def test_memory_is_counted_and_comes_back(engine: Engine) -> None:
    load(engine, library("first", "f"))
    engine.execute("FUNCTION", "FLUSH")
    start = engine.function_statistics()
    vm = engine.scripting_statistics()["vm_memory"]
    for number in range(500):
        load(engine, library(f"l{number}", f"f{number}"))
    grown = engine.function_statistics()
    assert grown["libraries"] == grown["functions"] == 500
    assert grown["memory"] > start["memory"] + 500 * 100
    assert grown["vm_memory"] > 100_000
    for number in range(500):
        load(engine, library(f"l{number}", f"f{number}"), "REPLACE")
    assert engine.function_statistics()["libraries"] == 500
    engine.execute("FUNCTION", "FLUSH")
    end = engine.function_statistics()
    assert end["vm_memory"] == 0 and end["libraries"] == 0
    assert engine.scripting_statistics()["vm_memory"] <= vm + 65536


@pytest.mark.parametrize("seed", range(4))
def test_changes_against_a_model(seed: int) -> None:
    """Loading, replacing, deleting and restoring at random: what is there is what a dict says."""
    chance = random.Random(seed)
    engine = Engine()
    model: dict[str, list[str]] = {}
    kept: list[tuple[bytes, dict[str, list[str]]]] = []

    def collides(added: dict[str, list[str]], staying: dict[str, list[str]]) -> bool:
        taken = {f.lower() for functions in staying.values() for f in functions}
        return any(f.lower() in taken for functions in added.values() for f in functions)

    for _ in range(300):
        roll = chance.random()
        name = chance.choice("abcdeABC")
        if roll < 0.5:
            replace = chance.random() < 0.5
            functions = chance.sample(["f", "g", "h", "i", "j", "k", "l", "M", "N", "O"], chance.randint(1, 3))
            staying = {one: its for one, its in model.items() if one != name}
            fails = (name in model and not replace) or collides({name: functions}, staying)
            try:
                load(engine, library(name, *functions), *(["REPLACE"] if replace else []))
                assert not fails
                model = staying | {name: functions}
            except CommandError:
                assert fails
        elif roll < 0.7:
            try:
                engine.execute("FUNCTION", "DELETE", name)
                del model[name]
            except CommandError:
                assert name not in model
        elif roll < 0.8 or not kept:
            kept.append((engine.execute("FUNCTION", "DUMP"), dict(model)))
        else:
            data, added = chance.choice(kept)
            policy = chance.choice(["APPEND", "REPLACE", "FLUSH"])
            going = model.keys() if policy == "FLUSH" else added.keys() if policy == "REPLACE" else set()
            staying = {one: its for one, its in model.items() if one not in going}
            fails = bool(added.keys() & staying.keys()) or collides(added, staying)
            try:
                engine.execute("FUNCTION", "RESTORE", data, policy)
                assert not fails
                model = staying | added
            except CommandError:
                assert fails
        assert {n.decode(): [one.decode() for one in f] for n, f in names(engine).items()} == model
        for functions in model.values():
            for one in functions:
                assert engine.execute("FCALL", one.swapcase(), 0) == 1


@pytest.mark.skipif(not Engine().heap_is_checked, reason="needs a build with a checked heap")
@pytest.mark.parametrize("again", [False, True])
def test_nothing_changes_where_memory_is_out(again: bool) -> None:
    """Each block in turn is refused; again: where the interpreter and the environment of libraries are there."""
    code = library("new", "f0", *(f"n{number}" for number in range(30)))
    engine = Engine()
    load(engine, code.replace("f0", "g0"))
    load(engine, library("second", "g1", "g2"))
    data = engine.execute("FUNCTION", "DUMP")
    commands: list[tuple[object, ...]] = [
        ("FUNCTION", "LOAD", "REPLACE", code),
        ("FUNCTION", "RESTORE", data, "REPLACE"),
        ("FUNCTION", "RESTORE", data, "FLUSH"),
        ("FCALL", "f0", 1, "key", "argument"),
        ("FUNCTION", "LIST", "WITHCODE"),
        ("FUNCTION", "DUMP"),
    ]
    for words in commands:
        for block in range(1, 5000):
            engine = Engine()
            engine.execute("SET", "warm", 1)
            engine.add_function_library(library("old", "o1", "o2").encode())
            engine.add_function_library(library("new", "f0").encode())
            if again:
                assert names(engine) == {b"old": [b"o1", b"o2"], b"new": [b"f0"]}
            before = engine.function_libraries
            engine.heap_until_failure = block
            failed = ""
            try:
                engine.execute(*words)
            except (CommandError, MemoryError) as error:
                failed = str(error) or "OOM"
            refused = engine.heap_until_failure == 0
            engine.heap_until_failure = 0
            assert not failed or refused
            if failed and "memory" not in failed and "OOM" not in failed:
                # What a file has brought could not be run: it is kept.
                assert not again and failed == "ERR Function not found", (words, block)
            if failed:
                # Where there was no memory for the reply alone, it has been done.
                assert engine.function_libraries == before or "OOM" in failed, (words, block)
            for one, functions in names(engine).items():
                for name in functions:
                    assert engine.execute("FCALL", name, 0) == 1, (one, name)
            if not refused:
                break
        else:
            raise AssertionError("it does not come to an end")
