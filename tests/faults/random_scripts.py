"""Random scripts, functions and payloads of functions, at a server that is to survive them all.

    tests/sanitize python tests/faults/random_scripts.py [--scripts 500000] [--seed 1]

Scripts are made of statements that call everything a script finds, with nasty values; others are mutations of these,
and of scripts that people use. Some become functions of libraries; payloads of FUNCTION DUMP are mutated, too, and
restored with checksums left alone. What runs for longer than busy-reply-threshold is killed as a client would kill it.

What must hold:

- the server lives, and answers every script;
- a script that takes long, and has written nothing, ends when it is killed;
- all that scripts share is in the end what it was in the beginning;
- Lua's memory comes back when scripts and functions are forgotten, and is bounded meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import PATIENCE, Connection, Failure, ServerProcess, request
from ring import run_ring

BATCH = 40  # scripts in one write
LIBRARIES, LETTERS = "ABCD", "fghi"  # names, and what those of their functions end with
ROUND = 4_000  # scripts between two looks at what they share
STUCK = 60.0 * PATIENCE  # seconds after which a batch that is not answered is a fault
THRESHOLD_MS = 20
MEMORY_LEFT = 2 << 20  # bytes by which Lua may have grown when everything is forgotten

NUMBERS = (
    "0", "1", "-1", "2", "3", "-3", "0.5", "10", "255", "256", "1000", "65536", "2147483647", "-2147483648",
    "4294967296",
    "9007199254740993", "1e15", "-1e15", "1e19", "1e308", "-1e308", "1/0", "-1/0", "0/0", "-0",
)  # fmt: skip
STRINGS = (
    "''", "'a'", "'abc'", "'\\0'", "'a\\0b'", "'\\255\\254'", "'%'", "'%s'", "'%d'", "'.-'",
    "'(a*(.)%w(%s*))'", "'%f[%w]'",
    "'%b()'", "'[^%]]'", "'[a-'", "'%1'", "('a'):rep(300)", "('(a'):rep(40)", "('a?'):rep(3000)", "'[[[[]]]]'",
    "'{\"a\":[1,2.5,null,true,\"\\\\u00e9\\\\ud83d\"]}'", "('['):rep(2000)", "'\\146\\1\\2'",
    "'\\220\\255\\255'", "'\\221\\127\\255\\255\\255'",
    "'>i4'", "'<I8bBhH'", "'!8c0s'", "'i33'", "'c99999999999'", "'\\27Lua'", "'return 1'", "'x = 1'", "'return ...'",
)  # fmt: skip
NAMES = ("a", "b", "KEYS", "ARGV", "ARGV[1]", "nil", "true", "false", "cjson.null", "_G", "redis", "string")
FUNCTIONS = (
    "string.find", "string.match", "string.gmatch", "string.gsub", "string.rep", "string.format", "string.byte",
    "string.char", "string.sub", "string.upper", "string.reverse", "string.dump", "string.len", "table.insert",
    "table.remove", "table.concat", "table.sort", "table.maxn", "table.foreach", "table.getn", "unpack", "select",
    "tostring", "tonumber", "type", "next", "pairs", "ipairs", "rawget", "rawset", "rawequal", "setmetatable",
    "getmetatable", "pcall", "xpcall", "error", "assert", "loadstring", "load", "collectgarbage", "gcinfo",
    "math.floor",
    "math.fmod", "math.random", "math.randomseed", "math.ldexp", "math.max", "coroutine.create", "coroutine.resume",
    "coroutine.wrap", "coroutine.yield", "coroutine.status", "coroutine.running", "cjson.encode", "cjson.decode",
    "cjson.new", "cjson.encode_sparse_array", "cjson.encode_max_depth", "cjson.decode_max_depth",
    "cjson.encode_number_precision", "cjson.encode_invalid_numbers", "cjson.decode_invalid_numbers",
    "cjson.encode_keep_buffer", "cmsgpack.pack", "cmsgpack.unpack", "cmsgpack.unpack_one", "cmsgpack.unpack_limit",
    "struct.pack", "struct.unpack", "struct.size", "bit.band", "bit.tohex", "bit.lshift", "bit.rol", "bit.bswap",
    "redis.call", "redis.pcall", "redis.error_reply", "redis.status_reply", "redis.sha1hex", "redis.setresp",
    "redis.set_repl", "redis.acl_check_cmd", "redis.breakpoint", "redis.debug", "redis.replicate_commands", "os.clock",
    "__redis__err__handler",
)  # fmt: skip
COMMANDS = (
    "'GET', KEYS[1]", "'SET', KEYS[1], ARGV[1]", "'DEL', KEYS[1]", "'INCRBYFLOAT', 'n', 1.5", "'LPUSH', 'l', 'a', 'b'",
    "'LRANGE', 'l', 0, -1", "'HSET', 'h', 'f', 'v'", "'HGETALL', 'h'", "'ZADD', 'z', 1.5, 'm'",
    "'ZRANGE', 'z', 0, -1, 'WITHSCORES'",
    "'XADD', 's', '*', 'f', 'v'", "'XRANGE', 's', '-', '+', 'COUNT', 3", "'COMMAND', 'DOCS', 'get'",
    "'MGET', 'a', 'l', 'n'",
    "'SELECT', 1", "'PUBLISH', 'c', 'x'", "'BLPOP', 'none', 0", "'nosuch'", "'GET'", "'TIME'", "'SUBSCRIBE', 'x'",
    "'CONFIG', 'GET', '*'", "'SCAN', 0", "'EVAL', 'return 1', 0", "'SORT', 'l', 'ALPHA'", "'OBJECT', 'HELP'",
)  # fmt: skip
# Scripts as people have them: what is mutated first.
SEEDS = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end",
    """local n = redis.call('incr', KEYS[1])
if n == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
if n > tonumber(ARGV[2] or 5) then return {err = 'LIMIT reached'} end
return n""",
    """local out = {}
for i, key in ipairs(KEYS) do out[i] = redis.pcall('GET', key) end
return cjson.encode(out)""",
    """#!lua flags=no-writes
local t = cmsgpack.unpack(cmsgpack.pack({1, 2.5, 'x', {a = true}}))
return {t[1], tostring(t[2]), t[3]}""",
    "local co = coroutine.wrap(function(a) local b = coroutine.yield(a) return b end) return {co(1), co(2)}",
    "return struct.pack('>I2h', 5, -7) .. bit.tohex(bit.bxor(255, 7))",
    "local t = setmetatable({}, {__index = function(t, k) return k .. '!' end}) return t.x",
)
TOKENS = (
    "end", "do", "then", "(", ")", "{", "}", "[[", "]]", "[==[", "]==]", "..", "...", "=", "==", "~=", "-",
    "--", "--[[", "#",
    "not", "nil", "and", "or", "return", "local", "function", "for i=1,3 do", "while false do", "repeat",
    "until true", "break",
    ";", ":", ",", "'", '"', "\\", "\0", "\xff", "\x1bLua", "1e", "0x", "0xfffffffff", "'\\", "goto",
    "#!lua\n", "#!", "\n",
)  # fmt: skip
ENDLESS = (
    "while true do end",
    "while true do pcall(error) end",
    "local function f() return f() end f()",
    "local function f() return 1 + f() end f()",
    "for i = 1, 1e12 do end",
    "string.find(('a'):rep(5000), ('a-'):rep(30) .. 'b')",
    "local t = {} while true do t[#t + 1] = t end",
    "local s = 'x' while true do s = s .. s end",
    "table.insert({}, -2000000000, 1)",
    "coroutine.wrap(function() while true do end end)()",
)

# What scripts share, as one text: names, types, and what some of it does.
SHARED = """
    local found = {}
    local function look(name, t)
        for k, v in pairs(t) do found[#found + 1] = name .. '.' .. tostring(k) .. '=' .. type(v) end
    end
    look('_G', _G)
    local names = 'redis string table math os coroutine cjson cmsgpack struct bit'
    for name in names:gmatch('%w+') do look(name, _G[name]) end
    found[#found + 1] = ('x'):upper() .. tostring(rawequal(_G._G, _G)) .. type(getmetatable(''))
    found[#found + 1] = cmsgpack.unpack(cmsgpack.pack('y')) .. struct.pack('b', 65) .. bit.tohex(255)
    table.sort(found)
    return table.concat(found, '\\n')
"""


class Maker:
    """Makes scripts, libraries and payloads of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.corpus = list(SEEDS)

    def value(self, depth: int = 0) -> str:
        chance = self.chance
        roll = chance.random()
        if depth < 3 and roll < 0.16:
            return self.call(depth + 1)
        if depth < 3 and roll < 0.26:
            items = ", ".join(
                chance.choice((self.value(depth + 1), f"[{self.value(depth + 1)}] = {self.value(depth + 1)}"))
                for _ in range(chance.randint(0, 4))
            )
            return "{" + items + "}"
        if depth < 3 and roll < 0.32:
            return f"function(...) {self.statement(depth + 1)} return ... end"
        if roll < 0.5:
            return chance.choice(NUMBERS)
        if roll < 0.72:
            return chance.choice(STRINGS)
        if roll < 0.85:
            return chance.choice(NAMES)
        return chance.choice(FUNCTIONS)

    def call(self, depth: int = 0) -> str:
        chance = self.chance
        function = chance.choice(FUNCTIONS)
        if function in ("redis.call", "redis.pcall") and chance.random() < 0.8:
            return f"{function}({chance.choice(COMMANDS)})"
        return f"{function}({', '.join(self.value(depth + 1) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4))))})"

    def statement(self, depth: int = 0) -> str:
        chance = self.chance
        roll = chance.random()
        if roll < 0.45:
            return f"{chance.choice('ab')} = {self.value(depth)}"
        if roll < 0.6:
            return f"pcall({chance.choice(FUNCTIONS)}, {self.value(depth)}, {self.value(depth)})"
        if roll < 0.68:
            inner = self.statement(depth + 1) if depth < 2 else ""
            return f"for i = 1, {chance.choice(('3', '50', '200'))} do {inner} end"
        if roll < 0.74:
            return f"a, b = pcall(function() return {self.value(depth)} end)"
        if roll < 0.8:
            operator = chance.choice(("+", "..", "<", "==", "%", "^", "and", "or"))
            return f"a = {self.value(depth)} {operator} {self.value(depth)}"
        if roll < 0.86:
            return f"pcall(function() a[{self.value(depth)}] = {self.value(depth)} end)"
        return f"b = {self.call(depth)}"

    def body(self) -> str:
        chance = self.chance
        lines = ["local a, b"]
        for _ in range(chance.randint(1, 6)):
            line = self.statement()
            lines.append(f"pcall(function() {line} end)" if chance.random() < 0.7 else line)
        if chance.random() < 0.004:
            lines.insert(1, chance.choice(ENDLESS))
        lines.append(f"return {self.value()}" if chance.random() < 0.8 else "return a, b")
        return "\n".join(lines)

    def mutated(self, text: str) -> str:
        chance = self.chance
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            place = chance.randrange(len(text) + 1)
            roll = chance.random()
            if roll < 0.3:
                text = text[:place] + text[place + chance.randint(1, 8) :]
            elif roll < 0.6:
                text = text[:place] + chance.choice(TOKENS) + text[place:]
            elif roll < 0.75:
                other = chance.choice(self.corpus)
                start = chance.randrange(len(other) + 1)
                text = text[:place] + other[start : start + chance.randint(1, 60)] + text[place:]
            elif roll < 0.9:
                text = text[:place] + text[max(0, place - chance.randint(1, 20)) :]
            else:
                text = text[:place] + chr(chance.randrange(256)) + text[place + 1 :]
        return text

    def script(self) -> str:
        chance = self.chance
        if chance.random() < 0.6:
            text = self.body()
            if chance.random() < 0.15:
                text = f"#!lua flags={chance.choice(('', 'no-writes', 'allow-oom', 'no-writes,allow-stale'))}\n{text}"
        else:
            text = self.mutated(chance.choice(self.corpus))
        if len(text) < 2000 and chance.random() < 0.2:
            if len(self.corpus) < 400:
                self.corpus.append(text)
            else:
                self.corpus[chance.randrange(len(SEEDS), 400)] = text
        return text

    def library(self) -> str:
        chance = self.chance
        library = chance.choice(LIBRARIES)
        lines = [f"#!lua name={library}"]
        for name in chance.sample([library + letter for letter in LETTERS], chance.randint(0, 3)):
            if chance.random() < 0.5:
                lines.append(f"redis.register_function('{name}', function(KEYS, ARGV) {self.body()} end)")
            else:
                flags = chance.choice(("", ", flags={'no-writes'}", ", flags={'allow-oom'}, description='d'"))
                callback = f"function(KEYS, ARGV) {self.body()} end"
                lines.append(f"redis.register_function{{function_name='{name}', callback={callback}{flags}}}")
        if chance.random() < 0.2:
            lines.append(self.statement())
        text = "\n".join(lines)
        return self.mutated(text) if chance.random() < 0.3 else text

    def payload(self, dump: bytes) -> bytes:
        chance = self.chance
        data = bytearray(dump)
        for _ in range(chance.choice((0, 1, 1, 2, 5))):
            place = chance.randrange(max(1, len(data) - 10))
            roll = chance.random()
            if roll < 0.5:
                data[place : place + 1] = bytes([chance.randrange(256)])
            elif roll < 0.75:
                del data[place : place + chance.randint(1, 10)]
            else:
                data[place:place] = data[place : place + chance.randint(1, 20)]
        return bytes(data)


class Killer:
    """Kills what runs for too long, from a thread of its own: the one that waits for answers cannot."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.killed = 0
        self.unkillable = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            with contextlib.suppress(OSError, EOFError):
                connection = Connection(self.server.unix_path, timeout=STUCK)
                while not self._over.wait(0.02):
                    self._look(connection)
                connection.close()

    def _look(self, connection: Connection) -> None:
        if not str(connection("PING")).startswith("BUSY"):
            return
        replies = [str(connection("SCRIPT", "KILL")), str(connection("FUNCTION", "KILL"))]
        if "OK" in replies:
            self.killed += 1
        if any(reply.startswith("UNKILLABLE") for reply in replies):
            # It may be through in a moment; if not, nothing but the server's end ends it.
            time.sleep(0.2)
            if str(connection("PING")).startswith("BUSY"):
                self.unkillable += 1
                connection.send(request("SHUTDOWN", "NOSAVE"))

    def close(self) -> None:
        self._over.set()
        self._thread.join()


class Chaos:
    """One server and its source of chance. AssertionError where a rule of the top of this file is broken."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.maker = Maker(self.chance)
        self.outcomes: Counter[str] = Counter()
        self.done = 0
        self.killer = Killer(server)
        self.connection = self._connect()
        self.shared = self._shared()
        self.memory = self._memory()

    def _connect(self) -> Connection:
        return Connection(self.server.unix_path, timeout=STUCK)

    def _begin_anew(self) -> None:
        """After a server that had to be ended."""
        self.server.expected_exit = True
        self.server.process.wait(STUCK)
        assert self.server.process.returncode == 0, self.server.log()
        self.server.restart()
        self.connection = self._connect()
        self.memory = self._memory()

    def _command(self) -> tuple[Any, ...]:
        chance = self.chance
        roll = chance.random()
        arguments = (1, "k", chance.choice(("v", "", "1", "\x00", "x" * 200)), "5")
        if roll < 0.8:
            name = "EVAL_RO" if chance.random() < 0.2 else "EVAL"
            return name, self.maker.script().encode("latin-1"), *arguments
        if roll < 0.88:
            return "FCALL", chance.choice(LIBRARIES) + chance.choice(LETTERS), *arguments
        if roll < 0.97:
            return "FUNCTION", "LOAD", "REPLACE", self.maker.library().encode("latin-1")
        return "SCRIPT", "LOAD", self.maker.script().encode("latin-1")

    def batch(self) -> None:
        commands = [self._command() for _ in range(BATCH)]
        unkillable = self.killer.unkillable
        try:
            self.connection.send(b"".join(request(*words) for words in commands))
            for words in commands:
                reply = self.connection.read()
                self.outcomes[f"{words[0]} {'failed' if isinstance(reply, Failure) else 'answered'}"] += 1
                self.done += 1
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError):
                raise AssertionError(f"not answered: {commands!r}") from error
            if self.killer.unkillable == unkillable:
                self.server.check()
                raise AssertionError(f"the connection was closed: {commands!r}") from error
            self.outcomes["ended with the server"] += 1
            self._begin_anew()

    def restore(self) -> None:
        dump = self.connection("FUNCTION", "DUMP")
        if isinstance(dump, Failure):
            return
        for _ in range(20):
            policy = self.chance.choice(("FLUSH", "REPLACE"))
            reply = self.connection("FUNCTION", "RESTORE", self.maker.payload(dump), policy)
            self.outcomes[f"RESTORE {'failed' if isinstance(reply, Failure) else 'answered'}"] += 1
            self.done += 1

    def _shared(self) -> bytes:
        return bytes(self.connection("EVAL", SHARED, 0))

    def _memory(self) -> int:
        self.connection("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
        self.connection("FUNCTION", "FLUSH")
        self.connection("SCRIPT", "FLUSH")
        self.connection("FLUSHALL")
        return int(self.server.info("memory")["used_memory_vm_total"])

    def settle(self) -> None:
        """Looks at what scripts share, and at what they leave."""
        self.restore()
        assert self._shared() == self.shared, "what scripts share has changed"
        memory = self._memory()
        assert memory <= self.memory + MEMORY_LEFT, f"{memory - self.memory} bytes of Lua's are in use"
        assert self.connection("EVAL", "return 1", 0) == 1
        self.server.check()

    def close(self) -> None:
        self.killer.close()
        self.outcomes["killed"] = self.killer.killed
        self.outcomes["unkillable"] = self.killer.unkillable


def run(server: ServerProcess, scripts: int, seed: int, progress: bool = False) -> Counter[str]:
    """Has that many run; counts what became of them. AssertionError, ServerDied where a rule is broken."""
    chaos = Chaos(server, seed)
    due = 0
    try:
        while chaos.done < scripts:
            due = chaos.done + min(ROUND, scripts - chaos.done)
            while chaos.done < due:
                chaos.batch()
            chaos.settle()
            if progress:
                print(chaos.done, dict(chaos.outcomes), f"killed {chaos.killer.killed}", flush=True)
    finally:
        chaos.close()
    return chaos.outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description="Random scripts, functions and payloads of functions.")
    parser.add_argument("--scripts", type=int, default=100_000)
    return run_ring(
        parser,
        lambda server, options: dict(run(server, options.scripts, options.seed, progress=True)),
        maxmemory="200mb",
        busy_reply_threshold=THRESHOLD_MS,
    )


if __name__ == "__main__":
    sys.exit(main())
