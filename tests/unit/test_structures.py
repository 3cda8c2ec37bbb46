"""What DEBUG LISTPACK, QUICKLIST and HTSTATS-KEY say of values: that listpacks are read as they were written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redislite import Config, Server
from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError
from redislite.commands.structures import describe_listpack, entries
from redislite.observability.log import NOTHING, Log

LENGTHS = [0, 1, 11, 12, 13, 63, 64, 65, 4095, 4096, 5000]
INTEGERS = [0, 127, 128, -1, 4095, 4096, -4096, -4097, 2**15, -(2**15) - 1, 2**23, 2**31, -(2**63), 2**63 - 1]
ELEMENTS = st.one_of(
    st.sampled_from([b"%d" % number for number in INTEGERS]),
    st.sampled_from(LENGTHS).map(lambda length: b"x" * length),
    st.binary(max_size=100),
)


def text_of(value: int | bytes) -> bytes:
    return b"%d" % value if isinstance(value, int) else value


@given(elements=st.lists(ELEMENTS, min_size=1, max_size=30), fill=st.sampled_from([-5, -1, 2]), depth=st.integers(0, 1))
def test_nodes_hold_the_elements(elements: list[bytes], fill: int, depth: int) -> None:
    engine = Engine()
    engine.set("list_max_listpack_size", fill)
    engine.set("list_compress_depth", depth)
    engine.execute("RPUSH", "list", *elements)
    found: list[bytes] = []
    for is_plain, _, _, count, data in engine.value_nodes(0, b"list") or []:
        here = [data] if is_plain else [text_of(value) for _, _, value, _ in entries(data)]
        assert len(here) == count
        found += here
    assert found == elements


def test_compressed_nodes_are_shown_as_they_were() -> None:
    engine = Engine()
    engine.set("list_max_listpack_size", 4)
    engine.set("list_compress_depth", 1)
    elements = [b"%d:" % number + b"a" * 200 for number in range(40)]
    engine.execute("RPUSH", "list", *elements)
    nodes = engine.value_nodes(0, b"list") or []
    assert [is_compressed for _, is_compressed, _, _, _ in nodes] == [False] + [True] * 8 + [False]
    assert [value for node in nodes for _, _, value, _ in entries(node[-1])] == elements


def test_a_listpack_in_words() -> None:
    engine = Engine()
    engine.execute("HSET", "hash", "a", "12345")
    ((_, _, _, count, pack),) = engine.value_nodes(0, b"hash") or []
    assert count == 2
    # The original's, but for the address and that it calls integers strings.
    assert describe_listpack(pack, 0x1000) == (
        "{total bytes 14} {num entries 2}\n"
        "{\n\taddr: 0x1006,\n\tindex:  0,\n\toffset: 6,\n\thdr+entrylen+backlen:  3,\n\thdrlen:   1,\n\tbacklen:  1,\n"
        "\tpayload: 1\n\tbytes: 81|61|02|\n\t[str]a\n}\n"
        "{\n\taddr: 0x1009,\n\tindex:  1,\n\toffset: 9,\n\thdr+entrylen+backlen:  4,\n\thdrlen:   1,\n\tbacklen:  1,\n"
        "\tpayload: 2\n\tbytes: f1|39|30|03|\n\t[int]12345\n}\n{end}\n"
    )


@pytest.fixture
def server() -> Server:
    config = Config(change_directory=False)
    config.load("enable-debug-command yes")
    return Server(config, Log(level=NOTHING))


def test_debug_prints_values(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    execute = server.engine.execute
    execute("CONFIG", "SET", "list-max-listpack-size", "2", "hash-max-listpack-entries", "2")
    execute("RPUSH", "list", "one", "two", "three")
    execute("HSET", "packed", "field", "value")
    assert execute("DEBUG", "LISTPACK", "packed") == "Listpack structure printed on stdout"
    assert re.findall(r"\[str\](\w+)", capfd.readouterr().out) == ["field", "value"]
    assert execute("DEBUG", "QUICKLIST", "list") == "Quicklist structure printed on stdout"
    printed = capfd.readouterr().out
    assert "{count : 3}\n{len : 2}\n{fill : 2}\n" in printed and "[str]" not in printed
    execute("DEBUG", "QUICKLIST", "list", "1")
    assert re.findall(r"\[str\](\w+)", capfd.readouterr().out) == ["one", "two", "three"]


def test_debug_of_the_tables_of_values(server: Server) -> None:
    execute = server.engine.execute
    execute("CONFIG", "SET", "hash-max-listpack-entries", "2", "zset-max-listpack-entries", "2")
    execute("HSET", "hash", *["a", "1", "b", "2", "c", "3"])
    execute("ZADD", "sorted", *["1", "a", "2", "b", "3", "c", "4", "d"])
    execute("SADD", "set", "a", "b", "x" * 1000)
    for key, count in (("hash", 3), ("sorted", 4), ("set", 3)):
        assert f"number of elements: {count}\n" in execute("DEBUG", "HTSTATS-KEY", key).decode()


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("LISTPACK", "Not a listpack encoded object."),
        ("QUICKLIST", "Not a quicklist encoded object."),
        ("HTSTATS-KEY", "The value stored at the specified key is not represented using an hash table"),
    ],
)
def test_debug_refuses_other_values(server: Server, name: str, refusal: str) -> None:
    server.engine.execute("SET", "key", "value")
    with pytest.raises(CommandError, match=refusal):
        server.engine.execute("DEBUG", name, "key")
    with pytest.raises(CommandError, match="ERR no such key"):
        server.engine.execute("DEBUG", name, "nothing")
