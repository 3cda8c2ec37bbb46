"""HyperLogLogs against registers in a Python list, and byte by byte against the original where it is installed."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from harness import Failure, ServerProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

REGISTERS = 16384
HEADER = 16
DENSE_SIZE = HEADER + REGISTERS * 6 // 8
EMPTY = b"HYLL\1" + bytes(10) + b"\x80\x7f\xff"
WRONG_TYPE = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = "INVALIDOBJ Corrupted HLL object detected"
MASK = (1 << 64) - 1


def murmur(data: bytes) -> int:
    """MurmurHash64A with the seed of the format."""
    factor = 0xC6A4A7935BD1E995
    value = 0xADC83B19 ^ (len(data) * factor & MASK)
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little") * factor & MASK
        word = (word ^ word >> 47) * factor & MASK
        value = (value ^ word) * factor & MASK
    if len(data) > whole:
        value = (value ^ int.from_bytes(data[whole:], "little")) * factor & MASK
    value = (value ^ value >> 47) * factor & MASK
    return value ^ value >> 47


class Model:
    """The registers, one number each."""

    def __init__(self) -> None:
        self.registers = [0] * REGISTERS

    def add(self, element: bytes) -> bool:
        value = murmur(element)
        index = value % REGISTERS
        rest = value >> 14 | 1 << 50
        count = (rest & -rest).bit_length()
        if self.registers[index] >= count:
            return False
        self.registers[index] = count
        return True

    def estimate(self) -> int:
        """Ertl's improved estimator."""
        counts = [0] * 52
        for value in self.registers:
            counts[value] += 1
        z = REGISTERS * tau((REGISTERS - counts[51]) / REGISTERS)
        for k in range(50, 0, -1):
            z = 0.5 * (z + counts[k])
        z += REGISTERS * sigma(counts[0] / REGISTERS)
        return math.floor(REGISTERS * REGISTERS / (2 * math.log(2)) / z + 0.5)


def tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, y / 2
        z -= (1 - x) ** 2 * y
    return z / 3


def sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def is_dense(text: bytes) -> bool:
    return text[4] == 0


def decode(text: bytes) -> list[int]:
    """The registers of a string in either encoding."""
    assert text[:4] == b"HYLL"
    if is_dense(text):
        assert len(text) == DENSE_SIZE
        number = int.from_bytes(text[HEADER:], "little")
        digits = bin(number)[2:].zfill(REGISTERS * 6)
        return [int(digits[len(digits) - 6 * i - 6 : len(digits) - 6 * i], 2) for i in range(REGISTERS)]
    registers: list[int] = []
    at = HEADER
    while at < len(text):
        first = text[at]
        at += 1
        if first & 0x80:
            registers += [(first >> 2 & 31) + 1] * ((first & 3) + 1)
        elif first & 0x40:
            registers += [0] * (((first & 63) << 8 | text[at]) + 1)
            at += 1
        else:
            registers += [0] * (first + 1)
    assert len(registers) == REGISTERS
    return registers


def inspected(engine: Engine, key: bytes) -> dict[str, Any]:
    found = engine.inspect(0, key)
    assert found is not None
    return found


def failure(engine: Engine, *args: Any) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*args)
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"a", b"1234567", b"12345678", b"0123456789abcdef!"])
def test_the_model_hashes_as_the_server(data: bytes) -> None:
    engine = Engine()
    model = Model()
    assert engine.execute("PFADD", "k", data) == 1
    model.add(data)
    assert decode(engine.execute("GET", "k")) == model.registers


elements = st.lists(st.one_of(st.binary(max_size=20), st.integers(0, 400).map(lambda n: b"%d" % n)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(elements, max_size=12), st.sampled_from([0, 20, 60, 300, 520, 3000, 100_000]))
def test_adding(batches: list[list[bytes]], limit: int) -> None:
    engine = Engine()
    engine.set("hll_sparse_max_bytes", limit)
    model = Model()
    for number, batch in enumerate(batches):
        changed = [model.add(element) for element in batch]
        assert engine.execute("PFADD", "k", *batch) == (any(changed) or number == 0)
        text = engine.execute("GET", "k")
        assert is_dense(text) or len(text) <= max(limit, len(EMPTY))
        assert decode(text) == model.registers
        assert engine.execute("PFCOUNT", "k") == model.estimate()
        assert engine.execute("PFCOUNT", "k", "missing") == model.estimate()
        assert inspected(engine, b"k")["encoding"] == "raw"


@pytest.mark.parametrize("limit", [100, 600, 3000, 100_000])
def test_growing_until_dense(limit: int) -> None:
    engine = Engine()
    engine.set("hll_sparse_max_bytes", limit)
    model = Model()
    checked = 0
    for number in range(30_000):
        element = b"element-%d" % number
        model.add(element)
        engine.execute("PFADD", "k", element)
        if number == checked:
            checked = number * 4 // 3 + 1
            assert decode(engine.execute("GET", "k")) == model.registers
            assert engine.execute("PFCOUNT", "k") == model.estimate()
            assert abs(model.estimate() - number) < max(0.05 * number, 3)
    text = engine.execute("GET", "k")
    assert is_dense(text) == (limit < 15_000)
    assert decode(text) == model.registers


def test_the_cardinality_is_cached() -> None:
    engine = Engine()
    engine.execute("SET", "other", 1)
    engine.execute("PFADD", "k", "a", "b", "c")
    before = engine.dirty
    assert engine.execute("GETRANGE", "k", 15, 15) == b"\x80"
    assert engine.execute("PFCOUNT", "k") == 3
    assert engine.dirty == before + 1
    assert engine.execute("GETRANGE", "k", 8, 15) == (3).to_bytes(8, "little")
    assert engine.execute("PFCOUNT", "k") == 3
    assert engine.execute("PFADD", "k", "a", "b") == 0
    assert engine.dirty == before + 1
    assert engine.execute("GETRANGE", "k", 15, 15) == b"\0"
    engine.execute("SETRANGE", "k", 8, (1234).to_bytes(8, "little"))
    assert engine.execute("PFCOUNT", "k") == 1234
    assert engine.execute("PFADD", "k", "d") == 1
    assert engine.execute("GETRANGE", "k", 15, 15) == b"\x80"
    assert engine.execute("PFCOUNT", "k") == 4


def test_the_deadline_stays() -> None:
    engine = Engine()
    engine.execute("PFADD", "k", "a")
    engine.execute("SET", "k", engine.execute("GET", "k"), "EX", 100)
    deadline = inspected(engine, b"k")["deadline_ms"]
    engine.execute("PFADD", "k", "b")
    assert engine.execute("PFDEBUG", "TODENSE", "k") == 1
    engine.execute("PFMERGE", "k", "missing")
    assert inspected(engine, b"k")["deadline_ms"] == deadline > 0


@settings(max_examples=60, deadline=None)
@given(st.lists(elements, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4), st.booleans())
def test_merging(batches: list[list[bytes]], dense: list[bool], vectors: bool) -> None:
    engine = Engine()
    engine.execute("PFDEBUG", "SIMD", "ON" if vectors else "OFF")
    model = Model()
    names = [f"k{i}" for i in range(len(batches))]
    for name, batch, make_dense in zip(names, batches, dense, strict=False):
        engine.execute("PFADD", name, *batch)
        if make_dense:
            engine.execute("PFDEBUG", "TODENSE", name)
        for element in batch:
            model.add(element)
    assert engine.execute("PFCOUNT", *names) == model.estimate()
    assert engine.execute("PFMERGE", "target", *names, "missing") == "OK"
    text = engine.execute("GET", "target")
    assert is_dense(text) == any(dense[: len(names)])
    assert decode(text) == model.registers
    assert engine.execute("PFMERGE", names[0], *names[1:]) == "OK"
    assert decode(engine.execute("GET", names[0])) == model.registers
    assert engine.execute("PFCOUNT", names[0]) == model.estimate()


def test_merging_beyond_the_sparse_limit() -> None:
    engine = Engine()
    for i in range(3):
        engine.execute("PFADD", f"k{i}", *(b"%d-%d" % (i, n) for n in range(800)))
        assert engine.execute("PFDEBUG", "ENCODING", f"k{i}") == "sparse"
    assert engine.execute("PFMERGE", "target", "k0", "k1", "k2") == "OK"
    assert engine.execute("PFDEBUG", "ENCODING", "target") == "dense"
    sources = [decode(engine.execute("GET", f"k{i}")) for i in range(3)]
    assert decode(engine.execute("GET", "target")) == [max(values) for values in zip(*sources, strict=True)]


def test_vectors_and_plain_code_agree_on_every_register_value() -> None:
    generator = random.Random(5)
    texts = []
    for switch in ("ON", "OFF"):
        engine = Engine()
        assert engine.execute("PFDEBUG", "SIMD", switch) == ("enabled" if switch == "ON" else "disabled")
        generator.seed(5)
        for name in ("a", "b", "c"):
            engine.execute("SET", name, b"HYLL" + bytes(12) + generator.randbytes(DENSE_SIZE - HEADER))
        engine.execute("PFMERGE", "target", "a", "b", "c")
        assert engine.execute("PFDEBUG", "GETREG", "a") == decode(engine.execute("GET", "a"))
        texts.append((engine.execute("GET", "target"), engine.execute("PFCOUNT", "a", "b")))
    assert texts[0] == texts[1]
    sources = [decode(engine.execute("GET", name)) for name in ("a", "b", "c")]
    assert decode(texts[0][0]) == [max(values) for values in zip(*sources, strict=True)]


def test_missing_and_empty() -> None:
    engine = Engine()
    assert engine.execute("PFCOUNT", "k") == 0
    assert engine.execute("PFCOUNT", "k", "l") == 0
    assert engine.execute("PFADD", "k") == 1
    assert engine.execute("GET", "k") == EMPTY
    assert engine.execute("PFADD", "k") == 0
    assert engine.execute("PFCOUNT", "k") == 0
    assert engine.execute("PFMERGE", "target") == "OK"
    assert engine.execute("GET", "target") == EMPTY


def test_debugging() -> None:
    engine = Engine()
    engine.execute("PFADD", "k", "a", "b", "c")
    assert engine.execute("PFDEBUG", "DECODE", "k") == b"Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
    assert engine.execute("PFDEBUG", "ENCODING", "k") == "sparse"
    assert engine.execute("PFDEBUG", "TODENSE", "k") == 1
    assert engine.execute("PFDEBUG", "TODENSE", "k") == 0
    assert engine.execute("PFDEBUG", "ENCODING", "k") == "dense"
    assert failure(engine, "PFDEBUG", "DECODE", "k") == "ERR HLL encoding is not sparse"
    assert failure(engine, "PFDEBUG", "ENCODING", "missing") == "ERR The specified key does not exist"
    assert failure(engine, "PFDEBUG", "NOTHING", "k") == "ERR Unknown PFDEBUG subcommand 'NOTHING'"
    assert failure(engine, "PFDEBUG", "SIMD", "MAYBE") == "ERR Argument must be ON or OFF"
    engine.execute("PFADD", "l", "a")
    registers = engine.execute("PFDEBUG", "GETREG", "l")
    assert len(registers) == REGISTERS and sum(registers) > 0
    assert engine.execute("PFDEBUG", "ENCODING", "l") == "dense"
    assert engine.execute("PFSELFTEST") == "OK"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"12",
        b"HYLL\1",
        b"HYLX" + EMPTY[4:],
        b"HYLL\2" + EMPTY[5:],
        b"HYLL\0" + EMPTY[5:],
        b"HYLL\0" + bytes(DENSE_SIZE - 4),
    ],
)
def test_other_strings(text: bytes) -> None:
    engine = Engine()
    engine.execute("SET", "k", text)
    engine.execute("PFADD", "l", "a")
    for command in (("PFADD", "k"), ("PFADD", "k", "a"), ("PFCOUNT", "k"), ("PFCOUNT", "l", "k"), ("PFMERGE", "k"),
                    ("PFMERGE", "l", "k"), ("PFDEBUG", "ENCODING", "k")):  # fmt: skip
        assert failure(engine, *command) == WRONG_TYPE
    assert engine.execute("GET", "k") == text


@pytest.mark.parametrize(
    "runs",
    [b"", b"\x7f\xff\0", b"\x7f\xfe", b"\x7f\xff\x7f\xff", b"\x84" * 100, b"\x7f\xfeh", b"\x7f\xff" + b"\x7f" * 40_000],
)
def test_sparse_runs_that_do_not_add_up(runs: bytes) -> None:
    engine = Engine()
    engine.execute("SET", "k", EMPTY[:HEADER] + runs)
    assert failure(engine, "PFCOUNT", "k") == CORRUPTED
    assert failure(engine, "PFCOUNT", "k", "missing") == CORRUPTED
    assert failure(engine, "PFMERGE", "target", "k") == CORRUPTED
    assert failure(engine, "PFDEBUG", "TODENSE", "k") == CORRUPTED
    assert failure(engine, "PFDEBUG", "GETREG", "k") == CORRUPTED
    assert engine.execute("GET", "target") is None
    assert engine.execute("GET", "k") == EMPTY[:HEADER] + runs


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 600),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 1 << 30),
)
def test_damaged_strings_do_no_harm(count: int, damage: list[tuple[int, int]], seed: int) -> None:
    engine = Engine()
    generator = random.Random(seed)
    engine.execute("PFADD", "k", *(generator.randbytes(8) for _ in range(count)))
    length = engine.execute("STRLEN", "k")
    for at, byte in damage:
        engine.execute("SETRANGE", "k", at % length, bytes([byte]))
    for command in (["PFCOUNT", "k"], ["PFCOUNT", "k", "l"], ["PFDEBUG", "DECODE", "k"],
                    ["PFADD", "k", *(generator.randbytes(8) for _ in range(20))], ["PFMERGE", "k", "l"],
                    ["PFDEBUG", "GETREG", "k"]):  # fmt: skip
        try:
            engine.execute(*command)
        except CommandError as error:
            assert str(error) in (WRONG_TYPE, CORRUPTED, "ERR HLL encoding is not sparse")


def random_command(generator: random.Random) -> list[Any]:
    key = generator.choice("abc")
    kind = generator.random()
    if kind < 0.6:
        reach = generator.choice([50, 3000, 100_000])
        return ["PFADD", key, *(b"%d" % generator.randrange(reach) for _ in range(generator.choice([0, 1, 5, 60])))]
    if kind < 0.75:
        return ["PFCOUNT", *generator.choices("abcd", k=generator.choice([1, 1, 2, 3]))]
    if kind < 0.85:
        return ["PFMERGE", *generator.choices("abcd", k=generator.choice([1, 2, 3]))]
    if kind < 0.9:
        return ["DEL", key]
    return ["PFDEBUG", generator.choice(["ENCODING", "DECODE", "GETREG", "TODENSE"]), key]


def test_answers_and_bytes_equal_the_originals(real_server: ServerProcess) -> None:
    connection = real_server.connect()
    connection("FLUSHALL")
    engine = Engine()
    generator = random.Random(7)
    for limit in (3000, 200, 16_000):
        connection("CONFIG", "SET", "hll-sparse-max-bytes", limit)
        engine.set("hll_sparse_max_bytes", limit)
        for _ in range(700):
            command = random_command(generator)
            theirs = connection(*command)
            try:
                ours = engine.execute(*command)
            except CommandError as error:
                ours = Failure(str(error))
            assert ours == theirs, command
            for key in "abcd":
                assert engine.execute("GET", key) == connection("GET", key), command
    connection("CONFIG", "SET", "hll-sparse-max-bytes", 3000)
