"""Attacks by scripts that the originals have been open to, one by one: what an attacker sends has the server's answer,
nothing of the process is reached, and others are served.

The numbers are those of the Common Vulnerabilities and Exposures list. Attacks on one function of a library by its
arguments alone are with that library's tests, too, and those on the debugger's protocol (CVE-2021-32672) with its own.
"""

from __future__ import annotations

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, request

DUMPED = "string.dump(function() for i = 1, 2 do end end)"


def answer(server: ServerProcess, script: str, *arguments: object) -> object:
    """What the script gets from a connection of its own; another connection is served behind it."""
    reply = server.connect()("EVAL", script, 0, *arguments)
    assert server.connect()("PING") == "PONG"
    return reply


def refused(server: ServerProcess, script: str, text: str) -> None:
    reply = answer(server, script)
    assert isinstance(reply, Failure), reply
    assert text in reply


# CVE-2015-4335: code that was compiled elsewhere runs unchecked, so it reads and writes memory at will.


@pytest.mark.parametrize("code", [b"\x1bLua", b"\x1bLuaQ\0\1\4\x08\x04\x08\0" + bytes(100), b"\x1bLuaS\0"])
def test_compiled_code_is_no_script(server: ServerProcess, client: Connection, code: bytes) -> None:
    assert "attempt to load a binary chunk" in client("EVAL", code, 0)
    assert "attempt to load a binary chunk" in client("SCRIPT", "LOAD", code)
    assert isinstance(client("FUNCTION", "LOAD", b"#!lua name=compiled\n" + code), Failure)
    assert client("FUNCTION", "LIST", "LIBRARYNAME", "compiled") == []
    assert server.connect()("PING") == "PONG"


@pytest.mark.parametrize("load", ["loadstring(code)", "load(function() local now = code code = nil return now end)"])
@pytest.mark.parametrize("code", [DUMPED, f"({DUMPED}):gsub('%z', '\\1')", f"({DUMPED}):sub(1, 20)"])
def test_compiled_code_is_not_loaded(server: ServerProcess, load: str, code: str) -> None:
    script = f"local code = {code} local run, why = {load} return tostring(run) .. ': ' .. why"
    assert answer(server, script) == b"nil: attempt to load a binary chunk"


# CVE-2015-8080 and CVE-2020-14147: a size in a format of struct overflows. CVE-2018-11219: so do sums of them.


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("pack('i2147483648', 1)", "integral size overflow"),
        ("pack('>i99999999999999999999', 1)", "integral size overflow"),
        ("pack('!2147483648i', 1)", "integral size overflow"),
        ("unpack('>I2147483647', '01234567')", "integral size 2147483647 is larger than limit of 32"),
        ("size('I4294967297')", "integral size overflow"),
        ("unpack('c2147483647', 'x')", "data string too short"),
        ("unpack('c2147483647c2147483647c2', 'x')", "data string too short"),
        ("unpack('i4', 'abcd', 2147483647)", "data string too short"),
        ("unpack('i4', 'abcd', -2147483648)", "data string too short"),
        ("unpack('Bc0', '\\255abc')", "data string too short"),
        ("unpack('dc0', struct.pack('d', -1))", "data string too short"),
        ("unpack('dc0', struct.pack('d', 0 / 0))", "data string too short"),
        ("unpack('s', 'abc')", "unfinished string in data"),
        ("unpack(('b'):rep(100000), ('x'):rep(100000))", "stack overflow"),
        ("pack('c2147483647', 'x')", "string too short"),
    ],
)
def test_sizes_of_struct(server: ServerProcess, call: str, text: str) -> None:
    refused(server, f"return {{struct.{call}}}", text)


# CVE-2018-11218: cmsgpack puts more on Lua's stack than there is room for.


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("unpack(('\\145'):rep(100000))", "stack overflow"),
        ("unpack(('\\129\\1'):rep(100000) .. '\\1')", "stack overflow"),
        ("unpack(('\\1'):rep(100000))", "stack overflow"),
        ("unpack_limit(('\\1'):rep(100000), 100000)", "stack overflow"),
        ("unpack('\\221\\255\\255\\255\\255')", "Missing bytes in input"),
        ("unpack('\\223\\255\\255\\255\\255')", "Missing bytes in input"),
        ("unpack('\\219\\255\\255\\255\\255x')", "Missing bytes in input"),
        ("unpack_one('\\1', -1)", "Invalid request to unpack with offset of -1"),
        ("unpack_one('\\1', 2147483648)", "greater than input length 1"),
    ],
)
def test_messagepack_and_the_stack(server: ServerProcess, call: str, text: str) -> None:
    refused(server, f"return {{cmsgpack.{call}}}", text)


def test_messagepack_of_deep_tables_ends(server: ServerProcess) -> None:
    script = """local deep, loop = {}, {} loop[1] = loop
        for i = 1, 100000 do deep = {deep} end
        return #cmsgpack.pack(deep) < 100 and #cmsgpack.pack(loop) < 100"""
    assert answer(server, script) == 1


# CVE-2021-32626: what is deep or long overflows Lua's stack.


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)", "Cannot serialise, excessive depth"),
        ("return cjson.decode(('['):rep(100000))", "Found too many nested data structures"),
        ("return redis.call('ECHO', unpack({}, 1, 7900))", "arguments must be strings or integers"),
        ("local function f() return 1 + f() end return f()", "stack overflow"),
        ("return tostring(setmetatable({}, {__tostring = function(t) return tostring(t) end}))", "stack overflow"),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
            "overflow",
        ),
        ("local f f = function() return coroutine.wrap(f)() end return f()", "user_script:1: user_script:1: "),
        ("local t = {} for i = 1, 100 do t[i] = {i} end return table.concat(t)", "invalid value (table)"),
    ],
)
def test_the_stack_overflows_with_an_error(server: ServerProcess, script: str, text: str) -> None:
    refused(server, script, text)


def test_replies_are_as_deep_as_they_may_be(server: ServerProcess) -> None:
    client = server.connect()
    client.send(
        request("EVAL", "local t = {} for i = 1, 100000 do t = {t} end return t", 0) + request("ECHO", "behind")
    )
    data = b""
    while not data.endswith(b"$6\r\nbehind\r\n"):
        data += client.socket.recv(65536)
    depth = data.count(b"*1\r\n")
    assert 100 < depth < 10000
    assert data.removeprefix(b"*1\r\n" * depth).startswith(b"-ERR reached lua stack limit\r\n")


# CVE-2022-24735: a script leaves a trap for the scripts of a user who may more. CVE-2025-46818: in a metatable that all
# strings have.


@pytest.mark.parametrize(
    "trap",
    [
        "redis.call = function() end",
        "tostring = function() redis.call('SET', 'trapped', 1) end",
        "rawset(_G, 'KEYS', {'trapped'})",
        "getmetatable(_G).__index = function() return 'trapped' end",
        "setmetatable(_G, {__index = function() return 'trapped' end})",
        "getmetatable('').__index = function() redis.call('SET', 'trapped', 1) end",
        "getmetatable('').__add = function() redis.call('SET', 'trapped', 1) return 3 end",
        "getmetatable('').__index.upper = function() redis.call('SET', 'trapped', 1) end",
        "setmetatable('', {__add = function() return 3 end})",
        "string.upper = function() redis.call('SET', 'trapped', 1) end",
        "for _, v in pairs({1, true, redis.call, coroutine.create(error)}) do getmetatable(v).x = 1 end",
    ],
)
def test_no_trap_for_the_next_user(server: ServerProcess, client: Connection, trap: str) -> None:
    assert client("ACL", "SETUSER", "guest", "on", "nopass", "-@all", "+eval", "+auth") == OK
    guest = server.connect()
    assert guest("AUTH", "guest", "x") == OK
    assert isinstance(guest("EVAL", trap, 0), Failure)
    script = """redis.call('SET', KEYS[1], tostring(('v'):upper()))
        return {redis.call('GET', KEYS[1]), tostring(pcall(function() return 'a' + 1 end)), KEYS[1]}"""
    assert client("EVAL", script, 1, "k") == [b"V", b"false", b"k"]
    assert client("EXISTS", "trapped") == 0
    assert isinstance(guest("EVAL", "return redis.call('GET', 'k')", 0), Failure)


# CVE-2022-24736: an error that is no text. One of the originals still ends where an error's fields raise errors.


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("error()", "nil"),
        ("error({})", "unknown error"),
        ("error({err = {}})", "unknown error"),
        ("error({err = 5})", "5"),
        ("error(true)", "true"),
        ("error(function() end)", "function: 0x"),
        ("error(setmetatable({}, {__index = function() error('again') end}))", "unknown error"),
        ("error(setmetatable({}, {__tostring = function() error('again') end}))", "unknown error"),
        ("return redis.error_reply()", "wrong number or type of arguments"),
        ("return loadstring('return 1', nil)(nil)()", "attempt to call a number value"),
        ("loadstring('error()', '')()", "nil"),
        ("loadstring('error({})', '=')()", "unknown error"),
        ("return xpcall(error, error)", ""),
    ],
)
def test_errors_that_are_no_text(server: ServerProcess, script: str, text: str) -> None:
    reply = answer(server, script)
    assert reply is None or text in str(reply)


# CVE-2022-0543: the library that loads others was left within reach.


@pytest.mark.parametrize(
    "name", ["package", "require", "io", "debug", "dofile", "loadfile", "module", "getfenv", "setfenv", "newproxy"]
)
def test_nothing_reaches_the_process(server: ServerProcess, name: str) -> None:
    assert answer(server, f"return tostring(rawget(_G, '{name}'))") == b"nil"
    refused(server, f"return {name}", f"nonexistent global variable '{name}'")
    assert answer(server, f"return tostring(loadstring('return rawget(_G, [[{name}]])')())") == b"nil"


# CVE-2024-31449: a number of digits whose negative there is none of.


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        ("-2147483648", b"0000FFFF"),
        ("-2147483647", b"0000FFFF"),
        ("2147483647", b"0000ffff"),
        ("-3", b"FFF"),
        ("0", b""),
    ],
)
def test_digits_of_tohex(server: ServerProcess, digits: str, text: bytes) -> None:
    assert answer(server, f"return bit.tohex(65535, {digits})") == text


# CVE-2024-46981: what a script leaves for the collector runs while the interpreter is being closed.


@pytest.mark.parametrize("flush", [("SCRIPT", "FLUSH", "SYNC"), ("SCRIPT", "FLUSH", "ASYNC"), ("FUNCTION", "FLUSH")])
def test_what_is_left_for_the_collector(start_server: ServerPool, flush: tuple[str, ...]) -> None:
    server = start_server(lua_enable_deprecated_api="yes")
    client = server.connect()
    script = """local first = newproxy(true)
        getmetatable(first).__gc = function(it) for i = 1, 100 do newproxy(false) loadstring('return {}')() end end
        local turn = coroutine.wrap(function() while true do coroutine.yield(first) end end)
        for i = 1, 50 do turn(newproxy(first)) end
        return 1"""
    for _ in range(20):
        assert client("EVAL", script, 0) == 1
        assert client(*flush) == OK
    assert client("EVAL", "collectgarbage() return 2", 0) == 2
    assert server.connect()("PING") == "PONG"


# CVE-2025-46817: the number of results of unpack overflows.


@pytest.mark.parametrize(
    "call",
    ["{}, 0, 2147483647", "{1}, -2, 2147483647", "{}, -2147483648, 2147483647", "{}, -2147483648, 0", "{}, 1, 1e8"],
)
def test_results_of_unpack(server: ServerProcess, call: str) -> None:
    refused(server, f"return {{unpack({call})}}", "too many results to unpack")


# CVE-2025-46819: brackets of long strings that do not end. Others have broken the parser by depth.


@pytest.mark.parametrize(
    "script",
    [
        "return [" + "=" * 100000,
        "return [" + "=" * 100000 + "[x",
        "return [==[x]=]",
        "--[" + "=" * 100000 + "[",
        "return '\\",
        "return '\\999'",
        "return [=",
        "x = " + "(" * 100000,
        "x = " + "{" * 100000,
        "return " + "not " * 100000 + "true",
        "local " + ",".join(f"a{i}" for i in range(300)) + " = 1",
        "local goto = = 1",
        "return 0x",
    ],
)
def test_what_the_parser_refuses(server: ServerProcess, script: str) -> None:
    refused(server, script, "Error compiling script")


# CVE-2025-49844: the collector takes the name of a chunk away while its code is parsed.


def test_the_collector_runs_while_code_is_parsed(server: ServerProcess) -> None:
    script = """local sum = 0
        for i = 1, 300 do
            local pieces = 0
            local function piece()
                pieces = pieces + 1
                for j = 1, 20 do local t = {('x'):rep(1000 + j)} end
                collectgarbage()
                if pieces == 20 then return 'return 1' end
                return pieces < 20 and ('local a%d = "%d" '):format(pieces, pieces) or nil
            end
            sum = sum + load(piece, '=' .. ('n'):rep(i) .. i)()
        end
        return sum"""
    assert answer(server, script) == 300
    nested = "return load(function() return load(function() collectgarbage() end, ('n'):rep(99)) and nil end)() or 4"
    assert answer(server, nested) == 4
