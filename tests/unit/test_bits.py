"""Bit commands against Python integers and strings of 0 and 1, and against the original where it is installed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from harness import Failure, ServerProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

SYNTAX = "ERR syntax error"
OFFSET = "ERR bit offset is not an integer or out of range"
NOT_INTEGER = "ERR value is not an integer or out of range"
FIELD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
LIMIT = 512 << 20

# Around the widths of words, vectors, inline values and blocks.
lengths = st.one_of(st.integers(0, 70), st.sampled_from([255, 511, 512, 513, 4095, 4096, 4097, 9000]))


@st.composite
def texts(draw: Any) -> bytes:
    length = draw(lengths)
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return bytes(length)
    if kind == 1:
        return b"\xff" * length
    if kind == 2:
        text = bytearray([draw(st.sampled_from([0, 255]))]) * length
        for _ in range(3):
            if length:
                text[draw(st.integers(0, length - 1))] ^= 1 << draw(st.integers(0, 7))
        return bytes(text)
    return random.Random(draw(st.integers(0, 1 << 30))).randbytes(length)


def binary(text: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in text)


def put(engine: Engine, key: str, text: bytes) -> None:
    """As the string type would have it: an integer, within the entry, or apart."""
    engine.execute("SET", key, text)


def inspected(engine: Engine, key: bytes) -> dict[str, Any]:
    found = engine.inspect(0, key)
    assert found is not None
    return found


def failure(engine: Engine, *args: Any) -> str:
    with pytest.raises(CommandError) as caught:
        engine.execute(*args)
    return str(caught.value)


def within(size: int, start: int, end: int) -> tuple[int, int]:
    """The range as half-open Python indexes."""
    if start < 0:
        start = max(start + size, 0)
    if end < 0:
        end = max(end + size, 0)
    return start, min(end, size - 1) + 1


@settings(max_examples=300, deadline=None)
@given(texts(), st.integers(-80, 80), st.integers(-80, 80))
def test_bitcount(text: bytes, start: int, end: int) -> None:
    engine = Engine()
    put(engine, "k", text)
    bits = binary(text)
    assert engine.execute("BITCOUNT", "k") == bits.count("1")
    assert engine.execute("BITCOUNT", "k", 0, -1, "BIT") == bits.count("1")
    if start < 0 and end < 0 and start > end:
        assert engine.execute("BITCOUNT", "k", start, end) == 0
        assert engine.execute("BITCOUNT", "k", start, end, "BIT") == 0
        return
    first, last = within(len(text), start, end)
    assert engine.execute("BITCOUNT", "k", start, end) == binary(text[first:last]).count("1")
    with pytest.raises(CommandError, match="ERR syntax error"):
        engine.execute("BITCOUNT", "k", start)
    engine.set("bitcount_wants_end", 0)
    assert engine.execute("BITCOUNT", "k", start) == binary(text[within(len(text), start, -1)[0] :]).count("1")
    first, last = within(len(bits), start, end)
    assert engine.execute("BITCOUNT", "k", start, end, "bit") == bits[first:last].count("1")


@settings(max_examples=300, deadline=None)
@given(texts(), st.integers(0, 1), st.integers(-80, 80), st.integers(-80, 80))
def test_bitpos(text: bytes, bit: int, start: int, end: int) -> None:
    engine = Engine()
    put(engine, "k", text)
    bits = binary(text)
    wanted = str(bit)

    def expected(first: int, last: int, goes_on: bool) -> int:
        if first >= last:
            return -1
        found = bits.find(wanted, first, last)
        return len(bits) if found < 0 and not bit and goes_on else found

    first, last = within(len(text), start, -1)
    assert engine.execute("BITPOS", "k", bit) == expected(0, len(bits), True)
    assert engine.execute("BITPOS", "k", bit, start) == expected(first * 8, last * 8, True)
    first, last = within(len(text), start, end)
    assert engine.execute("BITPOS", "k", bit, start, end) == expected(first * 8, last * 8, False)
    first, last = within(len(bits), start, end)
    assert engine.execute("BITPOS", "k", bit, start, end, "BIT") == expected(first, last, False)


OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(OPERATIONS)), st.lists(texts(), min_size=1, max_size=20), st.data())
def test_bitop(operation: str, sources: list[bytes], data: Any) -> None:
    engine = Engine()
    names = [f"k{i}" for i in range(len(sources))]
    for name, text in zip(names, sources, strict=True):
        put(engine, name, text)
    order = data.draw(st.lists(st.integers(0, len(sources) - 1), min_size=1, max_size=20))
    target = data.draw(st.sampled_from([*names, "target"]))
    engine.execute("SET", "target", bytes(data.draw(lengths)), "EX", 100)
    length = max(len(sources[i]) for i in order)
    padded = [int.from_bytes(sources[i].ljust(length, b"\0"), "big") for i in order]
    result = padded[0]
    for one in padded[1:]:
        result = OPERATIONS[operation](result, one)
    assert engine.execute("BITOP", operation.lower(), target, *(names[i] for i in order)) == length
    if length:
        assert engine.execute("GET", target) == result.to_bytes(length, "big")
        assert inspected(engine, target.encode())["encoding"] == "raw"
        assert inspected(engine, target.encode())["deadline_ms"] == -1
    else:
        assert engine.execute("GET", target) is None
    for i, name in enumerate(names):
        if name != target:
            assert engine.execute("GET", name) == sources[i]


@settings(max_examples=100, deadline=None)
@given(texts(), st.booleans())
def test_bitop_not(text: bytes, in_place: bool) -> None:
    engine = Engine()
    put(engine, "k", text)
    target = "k" if in_place else "target"
    assert engine.execute("BITOP", "NOT", target, "k") == len(text)
    assert engine.execute("GET", target) == (bytes(byte ^ 255 for byte in text) if text else None)


def test_bitop_of_missing_keys() -> None:
    engine = Engine()
    engine.execute("SET", "k", b"\x01\x02\xff")
    assert engine.execute("BITOP", "AND", "t", "missing", "k") == 3
    assert engine.execute("GET", "t") == bytes(3)
    assert engine.execute("BITOP", "OR", "t", "missing", "k", "missing") == 3
    assert engine.execute("GET", "t") == b"\x01\x02\xff"
    assert engine.execute("BITOP", "XOR", "t", "missing", "missing") == 0
    assert engine.execute("GET", "t") is None


def test_bitop_of_large_strings_in_place() -> None:
    engine = Engine()
    generator = random.Random(1)
    texts = [generator.randbytes(size) for size in (100_000, 100_003, 99_999)]
    for i, text in enumerate(texts):
        put(engine, f"k{i}", text)
    numbers = [int.from_bytes(text.ljust(100_003, b"\0"), "big") for text in texts]
    expected = (numbers[0] ^ numbers[1] ^ numbers[2]).to_bytes(100_003, "big")
    for target in ("t", "t", "k1", "k0"):
        assert engine.execute("BITOP", "XOR", target, "k0", "k1", "k2") == 100_003
        assert engine.execute("GET", target) == expected
        for i in range(2):
            put(engine, f"k{i}", texts[i])
    assert engine.execute("BITOP", "XOR", "k1", "k1", "k1") == 100_003
    assert engine.execute("GET", "k1") == bytes(100_003)


@settings(max_examples=100, deadline=None)
@given(texts(), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 1)), max_size=20))
def test_setbit_and_getbit(text: bytes, changes: list[tuple[int, int]]) -> None:
    engine = Engine()
    put(engine, "k", text)
    model = list(binary(text))
    for offset, bit in changes:
        model += "0" * ((offset // 8 + 1) * 8 - len(model))
        assert engine.execute("GETBIT", "k", offset) == (int(model[offset]) if offset < len(model) else 0)
        assert engine.execute("SETBIT", "k", offset, bit) == int(model[offset])
        model[offset] = str(bit)
        assert engine.execute("GETBIT", "k", offset) == bit
        assert inspected(engine, b"k")["encoding"] == "raw"
    assert binary(engine.execute("GET", "k")) == "".join(model)
    assert engine.execute("GETBIT", "k", len(model)) == 0


def test_setbit_changes_an_integer_and_keeps_the_deadline() -> None:
    engine = Engine()
    engine.execute("SET", "k", 1, "EX", 100)
    assert engine.execute("SETBIT", "k", 6, 1) == 0
    assert engine.execute("GET", "k") == b"3"
    assert inspected(engine, b"k")["deadline_ms"] > 0


class FieldModel:
    """A string as one long integer, changed a field at a time."""

    def __init__(self, text: bytes) -> None:
        self.bits = binary(text)

    def read(self, signed: bool, width: int, offset: int) -> int:
        value = int(self.bits[offset : offset + width].ljust(width, "0"), 2)
        return value - (1 << width) if signed and value >> (width - 1) else value

    def grow(self, size: int) -> None:
        self.bits = self.bits.ljust((size + 7) // 8 * 8, "0")

    def write(self, width: int, offset: int, value: int) -> None:
        self.bits = self.bits[:offset] + f"{value % (1 << width):0{width}b}" + self.bits[offset + width :]


def clip(signed: bool, width: int, value: int, overflow: str) -> int | None:
    most = (1 << (width - 1 if signed else width)) - 1
    least = -most - 1 if signed else 0
    if least <= value <= most:
        return value
    if overflow == "FAIL":
        return None
    if overflow == "SAT":
        return most if value > most else least
    return (value - least) % (1 << width) + least


numbers = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-300, 300),
    st.sampled_from([-(1 << 63), (1 << 63) - 1, -1, 0, 1]),
)
fields = st.tuples(
    st.sampled_from(["GET", "SET", "INCRBY"]),
    st.sampled_from(["WRAP", "SAT", "FAIL"]),
    st.one_of(st.tuples(st.just(True), st.integers(1, 64)), st.tuples(st.just(False), st.integers(1, 63))),
    st.integers(0, 200),
    numbers,
)


@settings(max_examples=500, deadline=None)
@given(texts(), st.lists(fields, min_size=1, max_size=12), st.booleans())
def test_bitfield(text: bytes, operations: list[Any], by_index: bool) -> None:
    engine = Engine()
    put(engine, "k", text)
    model = FieldModel(text)
    command: list[Any] = ["BITFIELD", "k"]
    places = [offset // width * width if by_index else offset for _, _, (_, width), offset, _ in operations]
    ends = [
        place + width for (kind, _, (_, width), _, _), place in zip(operations, places, strict=True) if kind != "GET"
    ]
    model.grow(max(ends, default=0))
    expected: list[int | None] = []
    for (kind, overflow, (signed, width), _, value), place in zip(operations, places, strict=True):
        name = f"{'i' if signed else 'u'}{width}"
        command += ["OVERFLOW", overflow, kind, name, f"#{place // width}" if by_index else place]
        old = model.read(signed, width, place)
        if kind == "GET":
            expected.append(old)
            continue
        command.append(value)
        wanted = old + value if kind == "INCRBY" else value
        if kind == "SET" and width < 64 and value < ((1 << (width - 1)) - 1 if signed else 0) - ((1 << 63) - 1):
            # As with the original, what is that far below the range counts as above it.
            wanted += 1 << 64
        elif kind == "SET" and not signed:
            wanted %= 1 << 64
        result = clip(signed, width, wanted, overflow)
        if result is not None:
            model.write(width, place, result)
        expected.append(result if kind == "INCRBY" or result is None else old)
    assert engine.execute(*command) == expected
    assert binary(engine.execute("GET", "k")) == model.bits
    reads = [word for i, word in enumerate(operations) if word[0] == "GET"]
    if reads:
        pairs: list[Any] = []
        for _, _, (signed, width), offset, _ in reads:
            pairs += ["GET", f"{'i' if signed else 'u'}{width}", offset]
        assert engine.execute("BITFIELD_RO", "k", *pairs) == [
            model.read(signed, width, offset) for _, _, (signed, width), offset, _ in reads
        ]


def test_bitfield_of_a_missing_key() -> None:
    engine = Engine()
    assert engine.execute("BITFIELD", "k") == []
    assert engine.execute("BITFIELD", "k", "GET", "u8", 0) == [0]
    assert engine.execute("GET", "k") is None
    assert engine.execute("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", 8, 256) == [None]
    assert engine.execute("GET", "k") == bytes(2)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (("SETBIT", "k", "x", "y"), OFFSET),
        (("SETBIT", "k", -1, 1), OFFSET),
        (("SETBIT", "k", LIMIT * 8, 1), OFFSET),
        (("SETBIT", "k", 0, 2), "ERR bit is not an integer or out of range"),
        (("SETBIT", "k", 0, "x"), "ERR bit is not an integer or out of range"),
        (("GETBIT", "k", "#1"), OFFSET),
        (("GETBIT", "k", LIMIT * 8), OFFSET),
        (("BITCOUNT", "k", "x", 0), NOT_INTEGER),
        (("BITCOUNT", "k", 0, "x", "BITE"), NOT_INTEGER),
        (("BITCOUNT", "missing", 0, 1, "BITE"), SYNTAX),
        (("BITCOUNT", "k", 0, 1, "BIT", 1), SYNTAX),
        (("BITPOS", "k", "x"), NOT_INTEGER),
        (("BITPOS", "k", 2, "x"), "ERR The bit argument must be 1 or 0."),
        (("BITPOS", "missing", 1, 0, "x", "BITE"), SYNTAX),
        (("BITPOS", "k", 1, "x", 1, "BITE"), NOT_INTEGER),
        (("BITPOS", "k", 1, 0, 1, "BIT", 1), SYNTAX),
        (("BITOP", "NAND", "t", "k"), SYNTAX),
        (("BITOP", "NOT", "t", "k", "k"), "ERR BITOP NOT must be called with a single source key."),
        (("BITFIELD", "k", "GET", "u64", 0), FIELD_TYPE),
        (("BITFIELD", "k", "GET", "i65", 0), FIELD_TYPE),
        (("BITFIELD", "k", "GET", "u08", 0), FIELD_TYPE),
        (("BITFIELD", "k", "GET", "", 0), FIELD_TYPE),
        (("BITFIELD", "k", "GET", "u8", "#x"), OFFSET),
        (("BITFIELD", "k", "GET", "u8", -1), OFFSET),
        (("BITFIELD", "k", "SET", "u8", 0, "x"), NOT_INTEGER),
        (("BITFIELD", "k", "SET", "u8", 0), SYNTAX),
        (("BITFIELD", "k", "OVERFLOW", "MAYBE"), "ERR Invalid OVERFLOW type specified"),
        (("BITFIELD", "k", "PUT", "u8", 0), SYNTAX),
        (("BITFIELD_RO", "k", "SET", "u8", 0, 1), "ERR BITFIELD_RO only supports the GET subcommand"),
    ],
)
def test_errors(command: tuple[Any, ...], error: str) -> None:
    engine = Engine()
    engine.execute("SET", "k", "value")
    assert failure(engine, *command) == error
    assert engine.execute("GET", "k") == b"value"


def test_offsets_follow_the_largest_length() -> None:
    engine = Engine()
    engine.set("max_bulk_length", 1 << 20)
    assert failure(engine, "SETBIT", "k", 8 << 20, 1) == OFFSET
    assert engine.execute("SETBIT", "k", (8 << 20) - 1, 1) == 0
    assert engine.execute("STRLEN", "k") == 1 << 20
    assert engine.execute("BITPOS", "k", 1) == (8 << 20) - 1


def test_only_what_changes_counts_as_a_change() -> None:
    engine = Engine()

    def changes(*command: Any) -> int:
        before = engine.dirty
        engine.execute(*command)
        return int(engine.dirty - before)

    assert changes("SETBIT", "k", 0, 0) == 1
    assert changes("SETBIT", "k", 0, 0) == 0
    assert changes("SETBIT", "k", 0, 1) == 1
    assert changes("SETBIT", "k", 90, 0) == 1
    assert changes("BITFIELD", "f", "SET", "u8", 0, 1, "SET", "u8", 0, 1, "SET", "u8", 0, 2) == 3
    assert changes("BITFIELD", "f", "SET", "u8", 0, 2) == 0
    assert changes("BITFIELD", "f", "INCRBY", "u8", 0, 1, "INCRBY", "u8", 0, 1) == 2
    assert changes("BITFIELD", "f", "GET", "u8", 0) == 0


def random_command(generator: random.Random) -> list[Any]:
    """A command on one of three keys, mostly a valid one."""
    key = generator.choice("abc")

    def number() -> int:
        return generator.choice([generator.randint(-90, 90), generator.randint(-4, 4)])

    unit = generator.choice([[], ["BIT"], ["BYTE"]])
    width = generator.randint(1, 64)
    name = f"{generator.choice('iu')}{width}"
    value = generator.choice([generator.randint(-(1 << 63), (1 << 63) - 1), -(1 << 63), number()])
    return generator.choice(
        [
            ["SETBIT", key, generator.randint(0, 700), generator.randint(0, 1)],
            ["GETBIT", key, generator.randint(-1, 700)],
            ["BITCOUNT", key, number(), number(), *unit],
            ["BITPOS", key, generator.randint(0, 1), number(), number(), *unit],
            ["BITPOS", key, generator.randint(0, 1), number()],
            ["BITPOS", key, generator.randint(0, 1)],
            ["BITOP", generator.choice(["AND", "OR", "XOR", "NOT"]), key, *generator.choices("abcd", k=2)],
            ["BITOP", generator.choice(["AND", "OR", "XOR", "NOT"]), key, generator.choice("abcd")],
            [
                "BITFIELD",
                key,
                "OVERFLOW",
                generator.choice(["SAT", "WRAP", "FAIL"]),
                "INCRBY",
                name,
                generator.choice([number(), f"#{generator.randint(0, 9)}"]),
                value,
                "GET",
                "u5",
                3,
            ],
            [
                "BITFIELD",
                key,
                "OVERFLOW",
                generator.choice(["SAT", "WRAP", "FAIL"]),
                "SET",
                name,
                generator.choice([number(), f"#{generator.randint(0, 9)}"]),
                value,
            ],
            ["SET", key, generator.choice([b"", str(value), generator.randbytes(generator.randint(0, 90))])],
            ["DEL", key] if generator.random() < 0.3 else ["GET", key],
        ]
    )


def test_answers_equal_the_originals(real_server: ServerProcess) -> None:
    connection = real_server.connect()
    connection("FLUSHALL")
    engine = Engine()
    generator = random.Random(20)
    for _ in range(4000):
        command = random_command(generator)
        theirs = connection(*command)
        try:
            ours = engine.execute(*command)
        except CommandError as error:
            ours = Failure(str(error))
        assert ours == theirs, command
        key = command[2 if command[0] == "BITOP" else 1]
        assert engine.execute("GET", key) == connection("GET", key), command
