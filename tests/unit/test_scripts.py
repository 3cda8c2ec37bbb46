"""Scripts in an engine of its own: values both ways, the sandbox, errors, the cache, what a script may call."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redislite import CommandError, Engine


@pytest.fixture
def engine() -> Engine:
    return Engine()


def evaluate(engine: Engine, script: str, *keys: object, arguments: tuple[object, ...] = ()) -> Any:
    return engine.execute("EVAL", script, len(keys), *keys, *arguments)


def failure(engine: Engine, script: str, *keys: object, arguments: tuple[object, ...] = ()) -> str:
    """What the script ends with, without what tells which one it was."""
    with pytest.raises(CommandError) as caught:
        evaluate(engine, script, *keys, arguments=arguments)
    digest = hashlib.sha1(script.encode()).hexdigest()
    return str(caught.value).replace(f" script: {digest}", "")


# Values


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("return 7", 7),
        ("return 3.99", 3),
        ("return -3.99", -3),
        ("return 'text'", b"text"),
        ("return true", 1),
        ("return false", None),
        ("return nil", None),
        ("return {1, 'a', {2, {3}}}", [1, b"a", [2, [3]]]),
        ("return {1, 2, nil, 3}", [1, 2]),
        ("return {}", []),
        ("return {ok = 'fine'}", "fine"),
        ("return {double = 3.5}", 3.5),
        ("return redis.status_reply('done')", "done"),
        ("return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV}", [b"k1", b"k2", b"a1", 2, 1]),
        ("return {map = {a = 1}}", {b"a": 1}),
        ("return {set = {a = true}}", {b"a"}),
        ("return {big_number = '12345678901234567890'}", 12345678901234567890),
        ("return function() end", None),
    ],
)
def test_values_of_scripts_as_replies(engine: Engine, script: str, expected: object) -> None:
    if "KEYS" in script:
        assert evaluate(engine, script, "k1", "k2", arguments=("a1",)) == expected
    else:
        assert evaluate(engine, script) == expected


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("'SET', 'k', 'v'", "table ok=OK"),
        ("'GET', 'k'", "string v"),
        ("'GET', 'missing'", "boolean false"),
        ("'STRLEN', 'k'", "number 1"),
        ("'LRANGE', 'missing', 0, -1", "table"),
        ("'SET', 'k', 1.5", "table ok=OK"),
    ],
)
def test_replies_as_values_of_scripts(engine: Engine, call: str, shown: str) -> None:
    engine.execute("SET", "k", "v")
    script = f"""local value = redis.call({call})
        local text = type(value)
        if type(value) == 'table' then
            if value.ok then text = text .. ' ok=' .. value.ok end
            return text
        end
        return text .. ' ' .. tostring(value)"""
    assert evaluate(engine, script) == shown.encode()


def test_values_of_protocol_3(engine: Engine) -> None:
    engine.execute("HSET", "h", "f", "v")
    engine.execute("SADD", "s", "m")
    engine.execute("ZADD", "z", "1.5", "m")
    script = """redis.setresp(3)
        local all = redis.call('HGETALL', 'h')
        local members = redis.call('SMEMBERS', 's')
        local score = redis.call('ZSCORE', 'z', 'm')
        return {all.map.f, tostring(members.set.m), tostring(score.double), type(redis.call('GET', 'none'))}"""
    assert evaluate(engine, script) == [b"v", b"true", b"1.5", b"nil"]
    # The next script begins with protocol 2 again.
    assert evaluate(engine, "return type(redis.call('GET', 'none'))") == b"boolean"


def test_a_table_that_contains_itself_ends(engine: Engine) -> None:
    reply = evaluate(engine, "local t = {} t[1] = t return t")
    depth = 0
    while isinstance(reply, list):
        reply = reply[0]
        depth += 1
    assert depth > 100
    assert isinstance(reply, CommandError)


# Errors

NOT_ALLOWED = "ERR This Redis command is not allowed from script"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("error('boom')", "ERR user_script:1: boom, on @user_script:1."),
        ("\n\nerror('boom')", "ERR user_script:3: boom, on @user_script:3."),
        ("error({err = 'MY error'})", "MY error, on @user_script:1."),
        (
            "local x = nil; return x.y",
            "ERR user_script:1: attempt to index local 'x' (a nil value), on @user_script:1.",
        ),
        ("return redis.call('nosuch')", "ERR Unknown Redis command called from script, on @user_script:1."),
        ("return redis.call('get')", "ERR Wrong number of args calling Redis command from script, on @user_script:1."),
        (
            "return redis.call()",
            "ERR Please specify at least one argument for this redis lib call, on @user_script:1.",
        ),
        (
            "return redis.call({})",
            "ERR Lua redis lib command arguments must be strings or integers, on @user_script:1.",
        ),
        ("return redis.call('subscribe', 'x')", f"{NOT_ALLOWED}, on @user_script:1."),
        ("return redis.call('eval', 'return 1', 0)", f"{NOT_ALLOWED}, on @user_script:1."),
        ("return redis.setresp(4)", "ERR RESP version must be 2 or 3., on @user_script:1."),
        ("redis.log(1)", "ERR redis.log() requires two arguments or more., on @user_script:1."),
        (
            "return x",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'x', on @user_script:1.",
        ),
        ("x = 1", "ERR user_script:1: Attempt to modify a readonly table, on @user_script:1."),
    ],
)
def test_errors_have_the_original_texts(engine: Engine, script: str, text: str) -> None:
    assert failure(engine, script) == text


def test_errors_of_commands(engine: Engine) -> None:
    engine.execute("LPUSH", "l", "a")
    wrong = "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert failure(engine, "redis.call('GET', KEYS[1])", "l") == f"{wrong}, on @user_script:1."
    assert evaluate(engine, "return redis.pcall('GET', KEYS[1]).err", "l") == wrong.encode()
    assert evaluate(engine, "return {pcall(redis.call, 'GET', KEYS[1])}", "l") == [None, wrong.encode()]
    assert failure(engine, "return redis.error_reply('My own')") == "My own"


def test_what_is_no_lua(engine: Engine) -> None:
    text = failure(engine, "syntax error here")
    assert text == "ERR Error compiling script (new function): user_script:1: '=' expected near 'error'"
    assert failure(engine, "\x1bLua").startswith("ERR Error compiling script (new function): ")


@pytest.mark.parametrize(
    ("numkeys", "text"),
    [
        ("x", "ERR value is not an integer or out of range"),
        ("2", "ERR Number of keys can't be greater than number of args"),
        ("-1", "ERR Number of keys can't be negative"),
    ],
)
def test_number_of_keys(engine: Engine, numkeys: str, text: str) -> None:
    with pytest.raises(CommandError, match=text):
        engine.execute("EVAL", "return 1", numkeys, "k")


# The sandbox

ESCAPES = [
    "redis.call = nil",
    "redis.x = 1",
    "rawset(redis, 'x', 1)",
    "rawset(_G, 'x', 1)",
    "_G.x = 1",
    "setmetatable(_G, {})",
    "setmetatable(string, {})",
    "getmetatable(_G).__index = nil",
    "getmetatable(_G).__index.redis = nil",
    "getmetatable(redis).__index.call = nil",
    "for k, v in pairs(getmetatable(_G)) do if type(v) == 'table' then v.redis = nil end end",
    "for k, v in pairs(getmetatable(getmetatable(redis))) do v.x = 1 end",
    "getmetatable('').__index = nil",
    "getmetatable('').__index.upper = nil",
    "getmetatable(getmetatable('')).x = 1",
    "string.upper = nil",
    "table.insert(string, 1)",
    "table.insert(_G, 1)",
    "table.remove(redis)",
    "table.sort(redis)",
    "KEYS = {}",
    "cjson.encode = nil",
    "for k, v in pairs(redis) do redis[k] = nil end",
    "local f, t = pairs(redis) t.x = 1",
    "local f, t = pairs(_G) rawset(t, 'x', 1)",
    "local t = _G._G t.x = 1",
    "coroutine.wrap(function() x = 1 end)()",
    "loadstring('x = 1')()",
    "load(function() return nil end)() y = 1",
    "xpcall(function() redis.x = 1 end, function() redis.x = 1 end) redis.x = 1",
]


@pytest.mark.parametrize("script", ESCAPES)
def test_nothing_that_scripts_share_can_be_changed(engine: Engine, script: str) -> None:
    look = """local found = {}
        for _, name in ipairs({'redis', 'string', 'table', 'cjson', 'math', 'bit', 'struct', 'os', 'coroutine'}) do
            for k, v in pairs(_G[name]) do found[#found + 1] = name .. '.' .. tostring(k) .. type(v) end
        end
        for k, v in pairs(_G) do found[#found + 1] = k .. type(v) end
        table.sort(found)
        return table.concat(found, ' ')"""
    before = evaluate(engine, look)
    assert "readonly table" in failure(engine, script)
    assert evaluate(engine, look) == before
    assert evaluate(engine, "return ('x'):upper()") == b"X"


@pytest.mark.parametrize(
    "name",
    ["io", "package", "require", "dofile", "loadfile", "debug", "getfenv", "setfenv", "newproxy", "print", "module"],
)
def test_what_reaches_the_process_is_not_there(engine: Engine, name: str) -> None:
    assert f"nonexistent global variable '{name}'" in failure(engine, f"return {name}")


def test_compiled_code_is_refused(engine: Engine) -> None:
    assert evaluate(engine, "return {loadstring('\\27Lua')}") == []
    script = """local code, place = string.dump(function() return 1 end), 0
        return tostring(load(function() place = place + 1 return code:sub(place, place) end))"""
    assert evaluate(engine, script) == b"nil"


def test_os_tells_the_time_alone(engine: Engine) -> None:
    assert evaluate(engine, "local t = {} for k in pairs(os) do t[#t + 1] = k end return t") == [b"clock"]


# What a script may do


def test_read_only_forms(engine: Engine) -> None:
    assert engine.execute("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k") is None
    with pytest.raises(CommandError, match="Write commands are not allowed from read-only scripts"):
        engine.execute("EVAL_RO", "return redis.call('SET', KEYS[1], 1)", 1, "k")
    with pytest.raises(CommandError, match="Can not execute a script with write flag using"):
        engine.execute("EVAL_RO", "#!lua\nreturn 1", 0)


@pytest.mark.parametrize(
    ("shebang", "text"),
    [
        ("#!lua", ""),
        ("#!lua flags=no-writes,allow-oom", ""),
        ("#!lua flags=", ""),
        ("#!python", "ERR Unexpected engine in script shebang: #!python"),
        ("#!lua flags=bad-flag", "ERR Unexpected flag in script shebang: bad-flag"),
        ("#!lua badarg=1", "ERR Unknown lua shebang option: badarg=1"),
    ],
)
def test_shebang_lines(engine: Engine, shebang: str, text: str) -> None:
    if not text:
        assert evaluate(engine, f"{shebang}\nreturn 1") == 1
    else:
        assert failure(engine, f"{shebang}\nreturn 1") == text


def test_no_writes(engine: Engine) -> None:
    script = "#!lua flags=no-writes\nreturn redis.call('SET', 'k', 1)"
    assert "Write commands are not allowed" in failure(engine, script)


def test_a_blocking_command_answers_as_after_its_timeout(engine: Engine) -> None:
    assert evaluate(engine, "return redis.call('BLPOP', 'l', 0)") is None


def test_the_selected_database_is_the_script_s_own(engine: Engine) -> None:
    evaluate(engine, "redis.call('SELECT', 5) redis.call('SET', 'k', 1)")
    assert engine.execute("EXISTS", "k") == 0
    engine.execute("SELECT", 5)
    assert engine.execute("EXISTS", "k") == 1


def test_python_commands_are_called(engine: Engine) -> None:
    assert evaluate(engine, "return redis.call('PUBLISH', 'channel', 'text')") == 0


def test_time_stands_still(engine: Engine) -> None:
    script = """local before = redis.call('TIME')
        for i = 1, 300000 do local x = i end
        local after = redis.call('TIME')
        return {before[1] == after[1] and before[2] == after[2]}"""
    assert evaluate(engine, script) == [1]


# The cache


def test_scripts_by_their_digest(engine: Engine) -> None:
    digest = hashlib.sha1(b"return 42").hexdigest()
    with pytest.raises(CommandError, match="NOSCRIPT No matching script"):
        engine.execute("EVALSHA", digest, 0)
    assert engine.execute("SCRIPT", "EXISTS", digest) == [0]
    assert engine.execute("SCRIPT", "LOAD", "return 42") == digest.encode()
    assert engine.execute("SCRIPT", "EXISTS", digest, "x" * 40, "short") == [1, 0, 0]
    assert engine.execute("EVALSHA", digest.upper(), 0) == 42
    assert engine.execute("SCRIPT", "SHOW", digest) == b"return 42"
    assert engine.execute("SCRIPT", "FLUSH") == "OK"
    assert engine.execute("SCRIPT", "EXISTS", digest) == [0]


@given(st.binary(max_size=300))
def test_digests(data: bytes) -> None:
    engine = Engine()
    assert engine.execute("EVAL", "return redis.sha1hex(ARGV[1])", 0, data) == hashlib.sha1(data).hexdigest().encode()


def test_evaluated_scripts_go_again_and_loaded_ones_stay(engine: Engine) -> None:
    kept = engine.execute("SCRIPT", "LOAD", "return 'kept'")
    first = hashlib.sha1(b"return 0").hexdigest()
    for number in range(600):
        evaluate(engine, f"return {number}")
    assert engine.execute("SCRIPT", "EXISTS", kept, first) == [1, 0]
    assert engine.scripting_statistics()["scripts"] == 501


def test_memory_comes_back(engine: Engine) -> None:
    evaluate(engine, "return 1")
    engine.execute("SCRIPT", "FLUSH")
    before = engine.scripting_statistics()["vm_memory"]
    for number in range(200):
        evaluate(engine, f"local t = {{}} for i = 1, 1000 do t[i] = i .. '{number}' end return #t")
    engine.execute("SCRIPT", "FLUSH")
    assert engine.scripting_statistics()["vm_memory"] <= before + 65536


# Libraries

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, min_size=1, max_size=5) | st.dictionaries(st.text(min_size=1), inner, min_size=1),
    max_leaves=20,
)


@given(st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**16), 10**16).map(float),
    st.sampled_from([0.0, -0.0, 99999999999999.0, 1e14, -99999999999999.0, -1e14, 1e15, 2.0**53, 2.0**63, -(2.0**63)]),
))
def test_numbers_are_written_with_as_many_digits_as_are_set(number: float) -> None:
    for precision in (14, 3, 16):
        script = f"cjson.encode_number_precision({precision}) return cjson.encode(tonumber(ARGV[1]))"
        reply = Engine().execute("EVAL", script, 0, repr(number))
        assert reply.decode() == f"%.{precision}g" % number


@given(JSON)
def test_json_there_and_back(value: Any) -> None:
    engine = Engine()
    text = json.dumps(value)
    reply = engine.execute("EVAL", "return cjson.encode(cjson.decode(ARGV[1]))", 0, text)
    assert json.loads(reply) == value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Expected value but found T_END at character 1"),
        ("[1,]", "Expected value but found T_ARR_END at character 4"),
        ('{"a"}', "Expected colon but found T_OBJ_END at character 5"),
        ('"abc', "Expected value but found unexpected end of string at character 5"),
        ("nul", "Expected value but found invalid token at character 1"),
        ("1 2", "Expected the end but found T_NUMBER at character 3"),
        ('"\\ud800"', "Expected value but found invalid unicode escape code at character 2"),
        ("[" * 1001 + "]" * 1001, "Found too many nested data structures (1001)"),
    ],
)
def test_json_that_is_none(engine: Engine, text: str, error: str) -> None:
    assert error in failure(engine, "return cjson.decode(ARGV[1])", arguments=(text,))


@given(st.lists(st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.binary(max_size=40), max_size=10))
def test_messagepack_there_and_back(values: list[Any]) -> None:
    engine = Engine()
    words = [b"n" if v is None else b"b%d" % v if isinstance(v, bool) else v for v in values]
    script = """local out = {}
        for i, v in ipairs(ARGV) do
            local unpacked = cmsgpack.unpack(cmsgpack.pack({v, tonumber(v) or 0.5, true}))
            out[i] = unpacked[1] == v and unpacked[2] == (tonumber(v) or 0.5) and unpacked[3] == true
        end
        return out"""
    assert engine.execute("EVAL", script, 0, *words) == [1] * len(words)


def test_messagepack_bytes(engine: Engine) -> None:
    script = """local packed = cmsgpack.pack({1, -1, 200, 70000, 'x', {a = true}, 1.5, 1.1})
        return (packed:gsub('.', function(c) return string.format('%02x', c:byte()) end))"""
    assert evaluate(engine, script) == b"9801ffccc8ce00011170a17881a161c3ca3fc00000cb3ff199999999999a"
    assert "Missing bytes in input" in failure(engine, "return cmsgpack.unpack('\\146\\1')")
    assert "Bad data format in input" in failure(engine, "return cmsgpack.unpack('\\193')")


def test_struct_against_python() -> None:
    engine = Engine()
    chance = random.Random(3)
    for _ in range(200):
        order = chance.choice("<>")
        options = [chance.choice("bBhHiI") for _ in range(chance.randint(1, 5))]
        sizes = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4}
        values = []
        for option in options:
            bits = 8 * sizes[option]
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if option.islower() else (0, (1 << bits) - 1)
            values.append(chance.randint(low, high))
        form = order + "".join(options)
        packed = struct.pack(form, *values)
        script = "return struct.pack(ARGV[1], unpack(ARGV, 2))"
        assert engine.execute("EVAL", script, 0, form, *values) == packed
        script = "local t = {struct.unpack(ARGV[1], ARGV[2])} t[#t] = nil return t"
        assert engine.execute("EVAL", script, 0, form, packed) == values


def test_bit_operations(engine: Engine) -> None:
    script = """return {bit.band(0xff, 0x0f), bit.bor(1, 2, 4), bit.bxor(5, 1), bit.bnot(0), bit.lshift(1, 31),
        bit.rshift(-1, 28), bit.arshift(-16, 2), bit.rol(0x12345678, 8), bit.ror(1, 1), bit.bswap(0x12345678)}"""
    assert evaluate(engine, script) == [15, 7, 4, -1, -(2**31), 15, -4, 0x34567812, -(2**31), 0x78563412]
    script = "return {bit.tohex(255), bit.tohex(255, 4), bit.tohex(255, -2)}"
    assert evaluate(engine, script) == [b"000000ff", b"00ff", b"FF"]


def test_an_engine_that_ran_scripts_goes_whole() -> None:
    engine = Engine()
    evaluate(engine, "return string.rep('x', 100000)")
    evaluate(engine, "return redis.call('SET', KEYS[1], string.rep('x', 100000))", "k")
    evaluate(engine, "return #redis.call('GET', KEYS[1])", "k")
    del engine
    gc.collect()
