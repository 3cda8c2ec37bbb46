"""The request parser against what was encoded: any pieces, any mixture of forms, every protocol error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redislite._core.probes.protocol import ParserProbe


def encode(request: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(request) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in request)


REQUESTS = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=8), max_size=8)


@given(REQUESTS, st.data())
def test_any_pieces_give_the_same_requests(requests: list[list[bytes]], data: st.DataObject) -> None:
    stream = b"".join(map(encode, requests))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    probe = ParserProbe()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += probe.feed(stream[start:end])
    assert found == requests


def test_every_cut_of_a_mixed_stream() -> None:
    long = bytes(range(256)) * 160
    stream = encode([b"SET", b"key", long]) + b"PING  hello\r\n" + b"*0\r\n\r\n" + encode([b"GET", b"key"])
    wanted = [[b"SET", b"key", long], [b"PING", b"hello"], [b"GET", b"key"]]
    cuts = [*range(40), *range(len(long) - 5, len(stream))]
    for cut in cuts:
        probe = ParserProbe()
        assert probe.feed(stream[:cut]) + probe.feed(stream[cut:]) == wanted, cut


def test_byte_by_byte() -> None:
    requests = [[b"MSET", *[b"%d" % i for i in range(300)]], [b"x" * 50_000], [b""]]
    probe = ParserProbe()
    found = []
    for byte in b"".join(map(encode, requests)):
        found += probe.feed(bytes([byte]))
    assert found == requests


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"set key value\r\n", [b"set", b"key", b"value"]),
        (b'set "a b" \'c d\'\n', [b"set", b"a b", b"c d"]),
        (b'"\\x41\\n\\"\\\\" \'it\\\'s\'\r\n', [b'A\n"\\', b"it's"]),
        (b"  spaced\t out \r\n", [b"spaced", b"out"]),
        (b'a"b"\r\n', [b"ab"]),
        (b'"" \'\'\r\n', [b"", b""]),
    ],
)
def test_inline(line: bytes, words: list[bytes]) -> None:
    assert ParserProbe().feed(line) == [words]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*3000000000\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$600000000\r\n", "invalid bulk length"),
        (b"*" + b"1" * 70_000, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70_000, "too big bulk count string"),
        (b"x" * 70_000, "too big inline request"),
        (b'"open\r\n', "unbalanced quotes in request"),
        (b'"a"b\r\n', "unbalanced quotes in request"),
    ],
)
def test_protocol_errors(data: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error.replace("$", "\\$")):
        ParserProbe().feed(data)


def test_limits_of_the_unauthenticated() -> None:
    with pytest.raises(ValueError, match="unauthenticated multibulk length"):
        ParserProbe(authenticated=False).feed(b"*11\r\n")
    with pytest.raises(ValueError, match="unauthenticated bulk length"):
        ParserProbe(authenticated=False).feed(b"*1\r\n$16385\r\n")


@given(st.binary(max_size=200))
def test_any_bytes_give_requests_an_error_or_nothing(data: bytes) -> None:
    probe = ParserProbe()
    try:
        for byte in data:
            probe.feed(bytes([byte]))
    except ValueError as error:
        assert str(error)
