"""Functions of Lua's libraries that are the server's own, against stock Lua's, and where stock Lua goes astray."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from redislite import CommandError, Engine

lua51 = pytest.importorskip("lupa.lua51")

# fmt: off
PIECES = [
    "a", "b", ".", "%a", "%d", "%s", "%w", "%S", "%x", "%p",
    "[ab]", "[^a]", "[%d_]", "[a-c]", "[]x]", "[^]]", "%.", "%%",
    "(a", ")", "(", "()", "(.-)", "(b+)",
    "%1", "%2", "%b()", "%bab", "%b", "%f", "%f[%a]", "%f[^b]", "^", "$", "[", "%",
    "]", "-", "*", "\xe9", "\0", "1",
]
# fmt: on
SUFFIXES = ["", "", "", "*", "+", "-", "?"]
SUBJECT = "aab b1(ab)_c x.%\xe9\0Z"
REPLACEMENTS = ["", "x", "%0%0", "%1", "<%1%2>", "%%", "%", "%a"]

# Both are given what is to be called, its arguments, and answer a list of strings: false, 1 or 2 for what it is.
SCRIPT = """
    local function shown(ok, ...)
        local out = {tostring(ok)}
        for i = 1, select('#', ...) do out[#out + 1] = tostring((select(i, ...))) end
        return table.concat(out, '|')
    end
    local what, subject, pattern, more = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
    if what == 'gmatch' then
        return shown(pcall(function()
            local out = {}
            for a, b, c in string.gmatch(subject, pattern) do
                out[#out + 1] = tostring(a) .. ',' .. tostring(b) .. ',' .. tostring(c)
            end
            return table.concat(out, ';')
        end))
    elseif what == 'gsub function' then
        return shown(pcall(string.gsub, subject, pattern, function(a, b)
            if a == 'a' then return nil elseif a == 'b' then return 12 elseif b == '' then return {} end
            return tostring(a) .. tostring(b)
        end))
    elseif what == 'gsub table' then
        return shown(pcall(string.gsub, subject, pattern, {a = 'A', b = false, ab = 7, ['1'] = {}}))
    elseif what == 'gsub' then
        return shown(pcall(string.gsub, subject, pattern, more, tonumber(ARGV[5])))
    end
    return shown(pcall(string[what], subject, pattern, tonumber(more), ARGV[5] == 'plain'))
"""


class Stock:
    """Lua as it comes, with the same arguments."""

    def __init__(self) -> None:
        self._run = lua51.LuaRuntime(encoding=None).eval(
            b"function(code, a, b, c, d, e) ARGV = {a, b, c, d, e} return (loadstring(code)()) end"
        )

    def __call__(self, script: str, *arguments: str) -> bytes:
        words = [word.encode("latin-1") for word in (script, *arguments)]
        return bytes(self._run(*words, *[b""] * (6 - len(words))))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def evaluate(engine: Engine, script: str, *arguments: str) -> Any:
    return engine.execute("EVAL", script, 0, *(argument.encode("latin-1") for argument in arguments))


def test_patterns_against_stock_lua(engine: Engine) -> None:
    stock = Stock()
    chance = random.Random(7)
    outcomes = set()
    for _ in range(6000):
        pattern = "".join(
            chance.choice(PIECES) + chance.choice(SUFFIXES) for _ in range(chance.choice((1, 1, 2, 2, 3, 4, 6)))
        )
        subject = "".join(chance.choices(SUBJECT, k=chance.randint(0, 14)))
        what = chance.choice(("find", "match", "gmatch", "gsub", "gsub function", "gsub table"))
        more = chance.choice(REPLACEMENTS) if what == "gsub" else chance.choice(("", "2", "-3", "0", "40", "-40"))
        last = chance.choice(("", "2", "0")) if what == "gsub" else chance.choice(("", "", "plain"))
        expected = stock(SCRIPT, what, subject, pattern, more, last)
        if expected.startswith(b"false|") and what not in ("find", "match"):
            expected = expected.split(b":", 2)[-1]
        got = evaluate(engine, SCRIPT, what, subject, pattern, more, last)
        if got.startswith(b"false|") and what not in ("find", "match"):
            got = got.split(b":", 2)[-1]
        assert got == expected, (what, subject, pattern, more, last)
        outcomes.add(expected.split(b"|")[-1][:20])
    # Matches and errors of all kinds have come up.
    assert len(outcomes) > 100
    for error in (b"unbalanced pattern", b"unfinished capture", b"invalid pattern captu", b"invalid capture inde"):
        assert any(error[:14] in outcome for outcome in outcomes), error


TABLES = [
    "local t = {1, 2, 3} table.insert(t, 4) return table.concat(t, ',')",
    "local t = {1, 2, 3} table.insert(t, 1, 0) return table.concat(t, ',')",
    "local t = {1, 2, 3} table.insert(t, 2, 0) return table.concat(t, ',')",
    "local t = {1, 2, 3} table.insert(t, 0, 9) return tostring(t[0]) .. tostring(t[1]) .. tostring(t[4])",
    "local t = {1, 2, 3} table.insert(t, -2, 9) return tostring(t[-2]) .. tostring(t[-1]) .. tostring(t[4])",
    "local t = {1, 2, 3} table.insert(t, 7, 9) return tostring(t[7]) .. tostring(t[4])",
    "return tostring(select(2, pcall(table.insert, {}))):match('[^:]*$')",
    "return tostring(select(2, pcall(table.insert, {}, 1, 2, 3))):match('[^:]*$')",
    "return tostring(select(2, pcall(table.insert, 1, 2))):match('[^:]*$')",
    "local t = {1, 2, 3} return tostring(table.remove(t)) .. table.concat(t, ',')",
    "local t = {1, 2, 3} return tostring(table.remove(t, 1)) .. table.concat(t, ',')",
    "local t = {1, 2, 3} return tostring((table.remove(t, 5))) .. table.concat(t, ',')",
    "local t = {1, 2, 3} return tostring((table.remove(t, 0))) .. table.concat(t, ',')",
    "return tostring(select('#', table.remove({})))",
    "return select('#', unpack({})) .. select('#', unpack({1, nil, 3}, 1, 5)) .. select('#', unpack({1}, 2, 1))",
    "return table.concat({unpack({1, 2, 3}, 2)}, ',') .. tostring((unpack({5}, -1, 1)))",
    "return tostring(select(2, pcall(unpack, {}, 1, 10000))):match('[^:]*$')",
    "return tostring(select(2, pcall(unpack, 5))):match('[^:]*$')",
    "return ('ab'):rep(3) .. ('ab'):rep(0) .. ('ab'):rep(-1) .. (''):rep(5) .. ('x'):rep('2')",
    "return tostring(select(2, pcall(string.rep, 'x'))):match('[^:]*$')",
    "return collectgarbage() .. tostring(collectgarbage('stop')) .. collectgarbage('restart')",
    "return collectgarbage('setpause', 150) .. ' ' .. collectgarbage('setstepmul', 300)",
    "return type(collectgarbage('count')) .. type(collectgarbage('step')) .. type(collectgarbage('step', 100))",
    "return tostring(select(2, pcall(collectgarbage, 'nonsense'))):match('[^:]*$')",
    "return tostring(select(2, pcall(math.random, 0))):match('[^:]*$')",
    "return tostring(select(2, pcall(math.random, 5, 4))):match('[^:]*$')",
    "return tostring(select(2, pcall(math.random, 1, 2, 3))):match('[^:]*$')",
]


@pytest.mark.parametrize("script", TABLES)
def test_other_functions_against_stock_lua(engine: Engine, script: str) -> None:
    assert evaluate(engine, script) == Stock()(script)


def test_random_numbers_are_the_originals(engine: Engine) -> None:
    script = "math.randomseed(5) return {math.random(9), math.random(100), tostring(math.random()), math.random(7, 9)}"
    assert evaluate(engine, script) == [5, 28, b"0.7885994686692", 7]
    assert evaluate(Engine(), "return tostring(math.random())") == b"0.39646477363839"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("return unpack({1, 2, 3}, -2, 2147483647)", "too many results to unpack"),
        ("return unpack({}, -2147483648, 2147483647)", "too many results to unpack"),
        ("return unpack({}, 1, 1e10)", "too many results to unpack"),
        ("return ('x'):rep(1e15)", "resulting string too large"),
        ("return ('xy'):rep(9e18)", "resulting string too large"),
        ("return string.find(('a'):rep(300000), ('a?'):rep(300000))", "pattern too complex"),
        ("return string.gsub(('a'):rep(300000), ('(a'):rep(300000), '')", "too many captures"),
        ("return string.match(('a'):rep(300000), ('a-'):rep(300000) .. 'b')", "pattern too complex"),
        ("return loadstring(('('):rep(300000) .. '1')()", "attempt to call a nil value"),
    ],
)
def test_what_would_break_stock_lua_is_an_error(engine: Engine, script: str, text: str) -> None:
    with pytest.raises(CommandError, match=text):
        evaluate(engine, script)
    assert evaluate(engine, "return 1") == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("pack('c3', 'x')", "bad argument #3 to 'pack' (string too short)"),
        ("pack('ic3', 1, 'x')", "bad argument #4 to 'pack' (string too short)"),
        ("pack('c3')", "bad argument #2 to 'pack' (string expected, got nil)"),
        ("pack('ii', 1)", "bad argument #3 to 'pack' (number expected, got nil)"),
        ("pack('s', {})", "bad argument #2 to 'pack' (string expected, got table)"),
        ("unpack('i4', 'abcd', 0)", "bad argument #3 to 'unpack' (offset must be 1 or greater)"),
        ("unpack('i4', 'abcd', -1)", "bad argument #2 to 'unpack' (data string too short)"),
        ("unpack('<i4', 'abcd', -2147483648)", "bad argument #2 to 'unpack' (data string too short)"),
        ("size('s')", "bad argument #1 to 'size' (option 's' has no fixed size)"),
        ("size('c0')", "bad argument #1 to 'size' (option 'c0' has no fixed size)"),
    ],
)
def test_struct_says_what_the_original_says(engine: Engine, call: str, text: str) -> None:
    with pytest.raises(CommandError, match=re.escape(text)):
        evaluate(engine, f"return struct.{call}")


def test_nothing_repeated_takes_no_time(engine: Engine) -> None:
    assert evaluate(engine, "return (''):rep(1e15)") == b""


def test_the_collector_goes_on_whatever_a_script_says(engine: Engine) -> None:
    before = engine.scripting_statistics()["vm_memory"]
    evaluate(engine, "collectgarbage('stop') collectgarbage('setpause', 1e9) collectgarbage('setstepmul', 1)")
    for _ in range(30):
        evaluate(engine, "local t = {} for i = 1, 20000 do t[i] = {i} end return #t")
    assert engine.scripting_statistics()["vm_memory"] < before + (16 << 20)
