"""The wire protocol: requests cut anywhere, malformed in every state, of any length; the limits and their errors."""

from __future__ import annotations

import contextlib
import random
import time

import pytest
from harness import NOT_INTEGER, OK, PATIENCE, PONG, Connection, Failure, ServerPool, ServerProcess, request, wait_until


def protocol_error(text: str) -> bytes:
    return f"-ERR Protocol error: {text}\r\n".encode()


# Input, and the error that answers it before the connection is closed.
MALFORMED: list[tuple[bytes, str]] = [
    (b"*3000000000\r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*9223372036854775808\r\n", "invalid multibulk length"),
    (b"*99999999999999999999999999\r\n", "invalid multibulk length"),
    (b"*abc\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*1 \r\n", "invalid multibulk length"),
    (b"* 1\r\n", "invalid multibulk length"),
    (b"*+1\r\n", "invalid multibulk length"),
    (b"*1.0\r\n", "invalid multibulk length"),
    (b"*0x10\r\n", "invalid multibulk length"),
    (b"*01\r\n", "invalid multibulk length"),
    (b"*--1\r\n", "invalid multibulk length"),
    (b"*-\r\n", "invalid multibulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
    (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
    (b"*1\r\n:1\r\n", "expected '$', got ':'"),
    (b"*1\r\n*1\r\n", "expected '$', got '*'"),
    (b"*1\r\n\r\n", "expected '$', got '\r'"),
    (b"*1\r\n \r\n", "expected '$', got ' '"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-1\r\n", "invalid bulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", "invalid bulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n", "invalid bulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$536870913\r\n", "invalid bulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$9223372036854775807\r\n", "invalid bulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$9223372036854775808\r\n", "invalid bulk length"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$ 4\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$4 \r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
    (b'set """test-key""" test-value\r\n', "unbalanced quotes in request"),
    (b'set "unclosed\r\n', "unbalanced quotes in request"),
    (b"set 'unclosed\r\n", "unbalanced quotes in request"),
    (b'set "a"b\r\n', "unbalanced quotes in request"),
    (b"set 'a'b\r\n", "unbalanced quotes in request"),
    (b'"\r\n', "unbalanced quotes in request"),
    (b'set "a\\\r\n', "unbalanced quotes in request"),
    (b'"\\x4"x\r\n', "unbalanced quotes in request"),
    (b"A" * 100_000, "too big inline request"),
    (b"\x00" + b"A" * 100_000, "too big inline request"),
    (b"$\x00" + b"A" * 100_000, "too big inline request"),
    (b"*" + b"1" * 100_000, "too big mbulk count string"),
    (b"*\x00" + b"A" * 100_000, "too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 100_000, "too big bulk count string"),
    (b"*1\r\n$\x00" + b"A" * 100_000, "too big bulk count string"),
]


def _name(case: tuple[bytes, str]) -> str:
    return repr(case[0][-24:])[2:-1] + f"-{len(case[0])}"


@pytest.mark.parametrize("case", MALFORMED, ids=_name)
def test_malformed_input_is_answered_and_closed(server: ServerProcess, case: tuple[bytes, str]) -> None:
    data, error = case
    connection = server.connect()
    connection.send(request("SET", "before", "kept") + data)
    answer = connection.read_until_closed()
    assert answer.startswith(b"+OK\r\n")
    rest = answer.removeprefix(b"+OK\r\n")
    # A line end in the error would break the reply, so it is replaced by a space.
    assert rest == protocol_error(error.replace("\r", " "))
    assert server.control("GET", "before") == b"kept"
    assert server.control("DBSIZE") == 1


@pytest.mark.parametrize("case", [case for case in MALFORMED if len(case[0]) < 200], ids=_name)
def test_malformed_input_byte_by_byte(server: ServerProcess, case: tuple[bytes, str]) -> None:
    connection = server.connect()
    try:
        for index in range(len(case[0])):
            connection.send(case[0][index : index + 1])
            connection.is_silent(0.0005)
    except ConnectionError:
        pass
    assert connection.read_until_closed().startswith(b"-ERR Protocol error: ")
    assert server.control("DBSIZE") == 0


@pytest.mark.parametrize("case", MALFORMED, ids=_name)
def test_nothing_after_malformed_input_is_executed(server: ServerProcess, case: tuple[bytes, str]) -> None:
    data = case[0] if case[0].endswith(b"\r\n") else case[0] + b"\r\n"
    connection = server.connect()
    with contextlib.suppress(ConnectionError):
        connection.send(data + request("SET", "after", "1"))
    connection.read_until_closed()
    assert server.control("EXISTS", "after") == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n", b"\r\n\r\n", b"\n", b"   \r\n", b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"*0\r\n*-1\r\n\r\n", b"\t \n"],
)
def test_empty_requests_are_ignored(client: Connection, data: bytes) -> None:
    client.send(data + request("PING"))
    assert client.read() == PONG
    assert client("ECHO", "x") == b"x"


def test_more_arguments_than_usual(client: Connection) -> None:
    words: list[object] = ["MSET"]
    for index in range(10_000):
        words += [f"key:{index}", index]
    assert client(*words) == OK
    assert client("DBSIZE") == 10_000
    assert client("EXISTS", *["key:1"] * 5000) == 5000


def test_bulk_line_end_is_not_checked(client: Connection) -> None:
    """The two bytes after an argument are skipped, whatever they are."""
    client.send(b"*2\r\n$4\r\nECHOxx$2\r\nabyy" + request("PING"))
    assert client.read() == b"ab"
    assert client.read() == PONG


def test_zero_length_arguments(client: Connection) -> None:
    assert client("SET", "", "") == OK
    assert client("GET", "") == b""
    assert client("ECHO", "") == b""
    assert client("") == Failure("ERR unknown command '', with args beginning with: ")


def test_binary_arguments(client: Connection) -> None:
    everything = bytes(range(256)) * 3
    assert client("SET", everything, everything) == OK
    assert client("GET", everything) == everything
    assert client("ECHO", b"\r\n") == b"\r\n"


def test_unknown_command_errors(client: Connection) -> None:
    assert client("NOSUCH") == Failure("ERR unknown command 'NOSUCH', with args beginning with: ")
    assert client("nosuch", "a", "b c") == Failure("ERR unknown command 'nosuch', with args beginning with: 'a' 'b c' ")
    long = client("nosuch", *["a" * 50] * 4)
    assert long.startswith("ERR unknown command 'nosuch', with args beginning with: 'aaaaa")
    assert len(long) < 250
    # A line end inside of the error would break the protocol.
    assert client("no\r\nsuch") == Failure("ERR unknown command 'no  such', with args beginning with: ")
    assert client("N" * 200).startswith("ERR unknown command '" + "N" * 128 + "'")
    assert client("PING") == PONG


def test_command_names_in_any_case(client: Connection) -> None:
    for name in ("ping", "PING", "PiNg"):
        assert client(name) == PONG
    assert client("sEt", "k", "v", "nX", "gEt") is None
    assert client("object", "ENCODING", "k") == b"embstr"
    assert client("OBJECT", "encoding", "k") == b"embstr"


def test_inline_requests(client: Connection) -> None:
    assert client.line("PING") == PONG
    assert client.line("  SET   key    value  ") == OK
    assert client.line("GET key") == b"value"
    assert client.line('SET key "with spaces"') == OK
    assert client.line("GET 'key'") == b"with spaces"
    assert client.line(r'ECHO "\x41\x7a\n\r\t\b\a\\\"\q"') == b'Az\n\r\t\b\a\\"q'
    assert client.line(r"ECHO 'it\'s \n \x41'") == rb"it's \n \x41"
    assert client.line('ECHO ""') == b""
    assert client.line("ECHO ''") == b""
    assert client.line('ECHO a"b') == Failure("ERR Protocol error: unbalanced quotes in request")


def test_inline_lines_may_end_without_return(client: Connection) -> None:
    client.send(b"PING\nECHO one\nPING\r\n")
    assert [client.read() for _ in range(3)] == [PONG, b"one", PONG]


def test_inline_tabs_and_other_spaces(client: Connection) -> None:
    assert client.line("SET\tkey\tvalue") == OK
    assert client.line("GET\t\tkey\t") == b"value"


def test_inline_of_the_largest_size(client: Connection) -> None:
    word = b"a" * (65536 - len("ECHO ") - 2)
    assert client.line(b"ECHO " + word) == word


def test_inline_and_multibulk_mixed(client: Connection) -> None:
    client.send(b"PING\r\n" + request("ECHO", "a") + b"ECHO b\r\n\r\n" + request("PING") + b"PING\n")
    assert [client.read() for _ in range(5)] == [PONG, b"a", b"b", PONG, PONG]


@pytest.mark.parametrize(
    "data",
    [b"*\x00\r\n", b"*1\x00\r\n", b"*1\r\n\x00\r\n", b"*1\r\n$\x00\r\n", b"*1\r\n$4\x00\r\n", b"ECHO a\x00b\r\n"],
    ids=repr,
)
def test_null_bytes_in_headers(server: ServerProcess, data: bytes) -> None:
    """Redis looks for a line end as far as the null byte, so it goes on waiting; Valkey 9 refuses. Neither executes."""
    connection = server.connect()
    connection.send(data + request("SET", "after", "1"))
    if not connection.is_silent():
        assert connection.read_until_closed().startswith((b"-ERR ", b"$3\r\na\x00b\r\n"))
    server.control("PING")
    assert server.control("EXISTS", "after") == 0 or data.startswith(b"ECHO")


SPLIT_CORPUS = b"".join(
    [
        request("SET", "key", "value"),
        request("GET", "key"),
        b"PING\r\n",
        request("SET", "binary", b"\r\n*3\r\n$3\r\n\x00\xff"),
        request("GET", "binary"),
        b"*0\r\n\r\n",
        b'SET "in line" "a b"\r\n',
        request("GET", "in line"),
        request("INCRBY", "counter", -12),
        request("MSET", "", "", "k2", "v" * 40),
        request("MGET", "k2", "", "missing"),
        request("NOSUCH", "a"),
        request("GET"),
        request("ECHO", "last"),
    ]
)
SPLIT_REPLY_COUNT = 13


def _corpus_reply(connection: Connection) -> list[object]:
    return [connection.read() for _ in range(SPLIT_REPLY_COUNT)]


def test_requests_split_at_every_position(server: ServerProcess) -> None:
    whole = server.connect()
    whole.send(SPLIT_CORPUS)
    expected = _corpus_reply(whole)
    assert expected[-1] == b"last" and expected[-3:-1] == [
        Failure("ERR unknown command 'NOSUCH', with args beginning with: 'a' "),
        Failure("ERR wrong number of arguments for 'get' command"),
    ]
    for position in range(1, len(SPLIT_CORPUS)):
        server.control("FLUSHDB")
        whole.send(SPLIT_CORPUS[:position])
        # A question on the other connection: the server has seen the first part when it is answered.
        server.control("PING")
        whole.send(SPLIT_CORPUS[position:])
        assert _corpus_reply(whole) == expected, position


def test_requests_byte_by_byte(server: ServerProcess) -> None:
    whole = server.connect()
    whole.send(SPLIT_CORPUS)
    expected = _corpus_reply(whole)
    server.control("FLUSHDB")
    bytewise = server.connect()
    for index in range(len(SPLIT_CORPUS)):
        bytewise.send(SPLIT_CORPUS[index : index + 1])
        server.control("PING")
    assert _corpus_reply(bytewise) == expected


def test_requests_in_random_pieces(server: ServerProcess) -> None:
    chance = random.Random(20)
    connection = server.connect()
    connection.send(SPLIT_CORPUS)
    expected = _corpus_reply(connection)
    for _ in range(50):
        server.control("FLUSHDB")
        data = SPLIT_CORPUS * 3
        expected_now = expected
        cuts = sorted(chance.sample(range(1, len(data)), chance.randint(1, 40)))
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            connection.send(data[start:end])
        assert _corpus_reply(connection) == expected_now
        for _ in range(2):
            _corpus_reply(connection)


@pytest.mark.parametrize("length", [1, 2, 16, 17, 100, 1000, 20_000])
def test_pipelines_of_any_length(client: Connection, length: int) -> None:
    replies = client.pipeline(*[("INCR", "n")] * length)
    assert replies == list(range(1, length + 1))


def test_pipeline_of_big_values(client: Connection) -> None:
    values = [bytes([65 + index]) * (10_000 * index) for index in range(12)]
    assert client.pipeline(*[("SET", f"big:{index}", value) for index, value in enumerate(values)]) == [OK] * 12
    assert client.pipeline(*[("GET", f"big:{index}") for index in range(12)]) == values


@pytest.mark.parametrize("size", [1, 15_000, 16_384, 32_767, 32_768, 32_769, 65_536, 1_000_000, 5_000_001])
def test_values_around_buffer_sizes(client: Connection, size: int) -> None:
    value = random.Random(size).randbytes(size)
    assert client("SET", "big", value) == OK
    assert client("STRLEN", "big") == size
    assert client("GET", "big") == value
    assert client("GETRANGE", "big", -3, -1) == value[-3:]


def test_a_big_value_arrives_in_pieces(server: ServerProcess) -> None:
    value = random.Random(3).randbytes(3_000_000)
    data = request("SET", "big", value) + request("PING")
    connection = server.connect()
    for start in range(0, len(data), 400_001):
        connection.send(data[start : start + 400_001])
        assert server.control("PING") == PONG
    assert connection.read() == OK
    assert connection.read() == PONG
    assert connection("GET", "big") == value


@pytest.mark.slow
def test_a_value_of_512_megabytes(server: ServerProcess) -> None:
    size = 512 * 1024 * 1024
    connection = server.connect(timeout=120 * PATIENCE)
    block = bytes(range(256)) * 4096 * 8
    connection.send(b"*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$%d\r\n" % size)
    for _ in range(size // len(block)):
        connection.send(block)
    connection.send(b"\r\n")
    assert connection.read() == OK
    assert connection("STRLEN", "huge") == size
    assert connection("GETRANGE", "huge", size - 257, size) == bytes([255, *range(256)])
    # Nothing may grow past the limit of a string, and a refusal changes nothing.
    too_long = Failure("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    assert connection("APPEND", "huge", "x") == too_long
    assert connection("SETRANGE", "huge", size, "x") == too_long
    assert connection("STRLEN", "huge") == size
    if server.is_ours:
        info = server.info("memory")
        assert int(info["used_memory"]) < 1.2 * size, "the value is kept once"
        assert int(info["used_memory_peak"]) < 2.2 * size, "the value is copied at most once on its way in"
    connection.send(request("GET", "huge"))
    header = connection._line()
    assert header == b"$%d" % size
    left = size + 2
    left -= len(connection._take(len(connection._ahead)))
    while left:
        left -= len(connection.socket.recv(min(left, 1 << 20)))
    assert connection("DEL", "huge") == 1


@pytest.mark.parametrize("kind", ["pipelined", "alone"])
def test_proto_max_bulk_len(server: ServerProcess, kind: str) -> None:
    server.config("proto-max-bulk-len", 1024 * 1024)
    connection = server.connect()
    limit = 1024 * 1024
    assert connection("SET", "k", b"x" * limit) == OK
    connection = server.connect()
    first = request("PING") if kind == "pipelined" else b""
    connection.send(first + b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (limit + 1))
    assert connection.read_until_closed().endswith(protocol_error("invalid bulk length"))
    too_long = Failure("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    assert server.control("APPEND", "k", "x") == too_long
    assert server.control("SETRANGE", "k", limit, "x") == too_long
    assert server.control("SETRANGE", "new", limit - 1, "x") == limit
    assert server.control("SETRANGE", "newer", limit, "x") == too_long
    assert server.control("EXISTS", "newer") == 0
    assert server.control("STRLEN", "k") == limit


def test_proto_max_bulk_len_bounds(server: ServerProcess) -> None:
    reply = server.control("CONFIG", "SET", "proto-max-bulk-len", "1000")
    assert reply == Failure(
        "ERR CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - "
        "argument must be between 1048576 and 9223372036854775807 inclusive"
    )


def test_client_query_buffer_limit(start_server: ServerPool) -> None:
    server = start_server(client_query_buffer_limit="1mb")
    connection = server.connect()
    assert connection("SET", "k", b"x" * 500_000) == OK
    try:
        connection.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n")
        for _ in range(60):
            connection.send(b"y" * 50_000)
    except ConnectionError:
        pass
    assert connection.read_until_closed() == b""
    assert server.control("STRLEN", "k") == 500_000
    wait_until(lambda: "closing client that reached max query buffer length" in server.log().lower(), "log line")


def test_query_buffer_limit_counts_what_waits(start_server: ServerPool) -> None:
    """Requests that a pause keeps waiting count as well."""
    server = start_server(client_query_buffer_limit="1mb")
    other = server.connect()
    assert server.control("CLIENT", "PAUSE", 60_000, "WRITE") == OK
    try:
        for _ in range(200):
            other.send(request("SET", "k", "v" * 20_000))
    except ConnectionError:
        pass
    other.socket.settimeout(2 * PATIENCE)
    assert other.read_until_closed() == b""
    assert server.control("CLIENT", "UNPAUSE") == OK


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*11\r\n", "unauthenticated multibulk length"),
        (b"*100\r\n", "unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "unauthenticated bulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$1000000\r\n", "unauthenticated bulk length"),
    ],
)
def test_limits_before_authentication(start_server: ServerPool, data: bytes, error: str) -> None:
    server = start_server(password="secret")
    stranger = Connection(server.address)
    stranger.send(data)
    assert stranger.read_until_closed() == protocol_error(error)
    friend = server.connect()
    assert friend("MSET", *range(12)) == OK
    assert friend("SET", "k", "x" * 20_000) == OK
    stranger = Connection(server.address)
    assert stranger("AUTH", "x" * 16384) == Failure("WRONGPASS invalid username-password pair or user is disabled.")
    assert stranger("MGET", *range(9)) == Failure("NOAUTH Authentication required.")
    assert stranger("AUTH", "secret") == OK
    assert stranger("MSET", *range(12)) == OK
    stranger.close()


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1\r\n", b"Host: example.com\r\n", b"post x\r\n", b"hoST: y\r\n"])
def test_cross_protocol_requests_are_closed(server: ServerProcess, line: bytes) -> None:
    connection = server.connect()
    connection.send(line + request("SET", "smuggled", "1"))
    assert connection.read_until_closed() == b""
    assert server.control("EXISTS", "smuggled") == 0
    wait_until(lambda: "Possible SECURITY ATTACK detected" in server.log(), "log line")


def test_end_of_input_in_the_middle_of_a_request(server: ServerProcess) -> None:
    for cut in range(1, len(request("SET", "cut", "value"))):
        connection = server.connect()
        connection.send(request("SET", "cut", "value")[:cut])
        connection.close()
    assert server.control("EXISTS", "cut") == 0
    wait_until(lambda: len(server.clients()) == 1, "the closed connections are gone")


def test_half_closed_connections_are_answered(server: ServerProcess) -> None:
    import socket

    connection = server.connect()
    connection.send(request("SET", "half", "1") + request("GET", "half"))
    wait_until(lambda: server.control("EXISTS", "half"), "the request was executed")
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.read_until_closed() == b"+OK\r\n$1\r\n1\r\n"


def test_random_bytes_never_stop_the_server(server: ServerProcess) -> None:
    chance = random.Random(7)
    pieces = [
        b"*",
        b"$",
        b"\r\n",
        b"-1",
        b"3",
        b"\x00",
        b"SET",
        b"GET",
        b"key",
        b'"',
        b"'",
        b"\\",
        b"9" * 20,
        b"\n",
        b" ",
    ]
    for _ in range(300):
        connection = server.connect()
        with contextlib.suppress(ConnectionError):
            connection.send(b"".join(chance.choice(pieces) for _ in range(chance.randint(1, 60))))
        connection.close()
    assert server.control("PING") == PONG


def test_a_request_may_wait_for_its_rest(server: ServerProcess) -> None:
    connection = server.connect()
    connection.send(b"*2\r\n$4\r\nECHO\r\n$5\r\nhel")
    assert connection.is_silent()
    start = time.monotonic()
    connection.send(b"lo\r\n")
    assert connection.read() == b"hello"
    assert time.monotonic() - start < 5


def test_large_counts_do_not_reserve_memory(server: ServerProcess) -> None:
    """A header that announces much costs nothing until the data comes."""
    before = int(server.info("memory")["used_memory"])
    connections = [server.connect() for _ in range(20)]
    for connection in connections:
        connection.send(b"*1000000\r\n$3\r\nDEL\r\n")
    server.control("PING")
    wait_until(lambda: int(server.info("memory")["used_memory"]) < before + 20 * 9_000_000, "memory is bounded")


# RESP3


def test_nulls_and_maps_by_protocol(server: ServerProcess) -> None:
    two, three = server.connect(), server.connect(protocol=3)
    for connection, null in ((two, b"$-1\r\n"), (three, b"_\r\n")):
        connection.send(request("GET", "missing"))
        assert connection.read_raw() == null
    two.send(request("CONFIG", "GET", "maxclients"))
    assert two.read_raw().startswith(b"*2\r\n")
    three.send(request("CONFIG", "GET", "maxclients"))
    assert three.read_raw().startswith(b"%1\r\n")


@pytest.mark.parametrize(
    ("kind", "two", "three"),
    [
        ("string", b"$11\r\nHello World\r\n", b"$11\r\nHello World\r\n"),
        ("integer", b":12345\r\n", b":12345\r\n"),
        ("double", b"$5\r\n3.141\r\n", b",3.141\r\n"),
        ("null", b"$-1\r\n", b"_\r\n"),
        ("array", b"*3\r\n:0\r\n:1\r\n:2\r\n", b"*3\r\n:0\r\n:1\r\n:2\r\n"),
        ("set", b"*3\r\n:0\r\n:1\r\n:2\r\n", b"~3\r\n:0\r\n:1\r\n:2\r\n"),
        ("map", b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n", b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
        ("true", b":1\r\n", b"#t\r\n"),
        ("false", b":0\r\n", b"#f\r\n"),
        (
            "bignum",
            b"$37\r\n1234567999999999999999999999999999999\r\n",
            b"(1234567999999999999999999999999999999\r\n",
        ),
        ("verbatim", b"$25\r\nThis is a verbatim\nstring\r\n", b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
    ],
)
def test_debug_protocol(server: ServerProcess, kind: str, two: bytes, three: bytes) -> None:
    for protocol, expected in ((2, two), (3, three)):
        connection = server.connect(protocol=protocol)
        connection.send(request("DEBUG", "PROTOCOL", kind))
        assert connection.read_raw() == expected


def test_debug_protocol_attribute_and_push(server: ServerProcess) -> None:
    connection = server.connect(protocol=3)
    connection.send(request("DEBUG", "PROTOCOL", "attrib"))
    raw = connection.read_raw()
    assert raw.startswith(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$39\r\n")
    two = server.connect()
    assert two("DEBUG", "PROTOCOL", "attrib") == b"Some real reply following the attribute"
    assert two("DEBUG", "PROTOCOL", "push").startswith("ERR")
    connection.send(request("DEBUG", "PROTOCOL", "push"))
    both = [connection.read_raw(), connection.read_raw()]
    assert b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n" in both
    assert b"$40\r\nSome real reply following the push reply\r\n" in both


def test_integer_arguments_are_strict(client: Connection) -> None:
    for text in (
        "",
        " 1",
        "1 ",
        "+1",
        "01",
        "0x10",
        "1.0",
        "1e3",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
    ):
        assert client("INCRBY", "n", text) == NOT_INTEGER, text
    assert client("EXISTS", "n") == 0
    assert client("INCRBY", "n", "-0") == NOT_INTEGER
    assert client("INCRBY", "n", "0") == 0
