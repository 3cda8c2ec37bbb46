"""What the server says of what it has done: calls that failed, monitors, the loop's figures, who waits for what."""

from __future__ import annotations

import time

import pytest
from harness import OK, Connection, Failure, ServerPool, ServerProcess, wait_until


def calls(server: ServerProcess, command: str) -> tuple[int, int, int]:
    """How many calls a command had, and of these how many were rejected and failed."""
    fields = dict(part.split("=") for part in server.info("commandstats")[f"cmdstat_{command}"].split(","))
    return int(fields["calls"]), int(fields["rejected_calls"]), int(fields["failed_calls"])


def test_a_failure_within_a_transaction_is_the_commands_and_not_the_transactions(
    server: ServerProcess, client: Connection
) -> None:
    client("CONFIG", "RESETSTAT")
    client("SET", "k", "text")
    client.pipeline(("MULTI",), ("INCR", "k"), ("GET", "k"), ("EXEC",))
    assert calls(server, "incr") == (1, 0, 1)
    assert calls(server, "get") == (1, 0, 0)
    assert calls(server, "exec") == (1, 0, 0)
    client.pipeline(("MULTI",), ("INCR",), ("EXEC",))
    assert calls(server, "incr") == (1, 1, 1)
    assert calls(server, "exec") == (2, 0, 1)


def test_errors_before_a_command_are_not_its_own(server: ServerProcess, client: Connection) -> None:
    client("CONFIG", "RESETSTAT")
    client.pipeline(("NOTHING",), ("GET",), ("SET", "k", "1"))
    assert calls(server, "set") == (1, 0, 0)
    assert calls(server, "get") == (0, 1, 0)
    assert server.info("stats")["total_error_replies"] == "2"


def test_unblocking_with_an_error_is_a_failed_call(server: ServerProcess, client: Connection) -> None:
    client("CONFIG", "RESETSTAT")
    waiting = server.connect()
    identifier = waiting("CLIENT", "ID")
    waiting.send(b"BLPOP k 0\r\n")
    wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "the client waits")
    assert client("CLIENT", "UNBLOCK", identifier, "ERROR") == 1
    assert isinstance(waiting.read(), Failure)
    assert calls(server, "blpop") == (1, 0, 1)


def test_a_subcommand_is_not_called_by_its_full_name(client: Connection) -> None:
    for name in ("CONFIG|GET", "config|get", "CLIENT|ID"):
        assert client(name, "maxclients").startswith(f"ERR unknown command '{name}'")
    assert client("COMMAND", "INFO", "config|get")[0][0] == b"config|get"


def test_monitors_see_a_waiting_command_once_and_when_it_comes(server: ServerProcess, client: Connection) -> None:
    monitor, waiting = server.connect(), server.connect()
    assert monitor("MONITOR") == OK
    waiting.send(b"BLPOP k 0\r\n")
    assert '"BLPOP"' in monitor.read()
    client("RPUSH", "k", "x")
    assert '"RPUSH"' in monitor.read()
    waiting.read()
    client("ECHO", "end")
    assert '"ECHO"' in monitor.read()


@pytest.mark.parametrize("how", ["EVAL", "FCALL"])
def test_monitors_see_a_script_and_then_what_it_calls(server: ServerProcess, client: Connection, how: str) -> None:
    body = 'redis.call("SET", "k", 1) return redis.call("ECHO", "end")'
    library = f"#!lua name=l\nredis.register_function('f', function() {body} end)"
    assert client("FUNCTION", "LOAD", "REPLACE", library) == b"l"
    monitor = server.connect()
    assert monitor("MONITOR") == OK
    address = client("CLIENT", "INFO").decode().split("addr=")[1].split()[0]
    assert '"CLIENT"' in monitor.read()
    client(how, body if how == "EVAL" else "f", 0)
    lines = [monitor.read() for _ in range(3)]
    assert f'[0 {address}] "{how}"' in lines[0]
    assert '[0 lua] "SET" "k" "1"' in lines[1] and '[0 lua] "ECHO" "end"' in lines[2]


def test_figures_of_the_loop(server: ServerProcess, client: Connection) -> None:
    client("CONFIG", "RESETSTAT")
    begun = time.perf_counter()
    first = server.info("stats")
    client.pipeline(*(("PING",) for _ in range(200)))
    wait_until(
        lambda: int(server.info("stats")["eventloop_cycles"]) > int(first["eventloop_cycles"]) + 3, "turns are counted"
    )
    figures = server.info("stats")
    lasted = (time.perf_counter() - begun) * 1e6
    assert 0 < int(figures["eventloop_duration_cmd_sum"]) <= int(figures["eventloop_duration_sum"]) < lasted
    debug = server.info("debug")
    assert int(debug["eventloop_cmd_per_cycle_max"]) >= 100
    assert 0 < int(debug["eventloop_duration_max"]) <= int(server.info("stats")["eventloop_duration_sum"])
    wait_until(lambda: float(server.info("debug")["eventloop_duration_cron_sum"]) > 0, "cron is measured")
    wait_until(
        lambda: int(server.info("stats")["instantaneous_eventloop_cycles_per_sec"]) > 0
        and int(server.info("stats")["instantaneous_eventloop_duration_usec"]) > 0,
        "rates are sampled",
    )
    assert b"eventloop_duration_max" not in client("INFO", "everything")


def test_who_waits_and_watches(server: ServerProcess, client: Connection) -> None:
    client("XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM")
    first, second, third = (server.connect() for _ in range(3))
    first("WATCH", "a", "b")
    second("WATCH", "b")
    figures = server.info("clients")
    assert (figures["watching_clients"], figures["total_watched_keys"]) == ("2", "2")
    first("UNWATCH")
    first.send(b"BLPOP list other 0\r\n")
    second("UNWATCH")
    second.send(b"BLPOP list 1000\r\n")
    third.send(b"XREADGROUP GROUP group me BLOCK 0 STREAMS stream >\r\n")
    wait_until(lambda: server.info("clients")["blocked_clients"] == "3", "they wait")
    figures = server.info("clients")
    assert figures["watching_clients"] == figures["total_watched_keys"] == "0"
    assert figures["total_blocking_keys"] == "3"
    assert figures["total_blocking_keys_on_nokey"] == "1"
    assert figures["clients_in_timeout_table"] == "1"


def test_a_protocol_error_is_logged_with_its_client_and_what_it_sent(start_server: ServerPool) -> None:
    server = start_server(loglevel="verbose")
    connection = server.connect()
    assert connection("CLIENT", "SETNAME", "speaker") == OK
    connection.send(b"*2\r\n$4\r\nECHO\r\n$sec\x01ret{data}\r\n")
    assert isinstance(connection.read(), Failure)
    line = wait_until(lambda: [one for one in server.log().splitlines() if "Protocol error (" in one], "the line")[0]
    assert "Protocol error (invalid bulk length) from client: id=" in line
    assert " name=speaker " in line
    assert line.endswith(": '$sec.ret{data}..'")
    connection = server.connect()
    connection.send(b"*2\r\n$4\r\nECHO\r\n$" + b"a" * 100 + b"b" * 100 + b"\r\n")
    assert isinstance(connection.read(), Failure)
    shown = f"'${'a' * 63}' (... more 75 bytes ...) '{'b' * 62}..'"
    wait_until(lambda: shown in server.log(), "both ends are shown")


@pytest.mark.ours("hide-user-data-from-log, which later versions have")
def test_user_data_can_be_kept_from_the_log(start_server: ServerPool) -> None:
    server = start_server(loglevel="verbose", hide_user_data_from_log="yes")
    connection = server.connect()
    assert connection("CLIENT", "SETNAME", "speaker") == OK
    connection.send(b"*2\r\n$4\r\nECHO\r\n$secret\r\n")
    assert isinstance(connection.read(), Failure)
    line = wait_until(lambda: [one for one in server.log().splitlines() if "Protocol error (" in one], "the line")[0]
    assert " name=*redacted* " in line
    assert " user=*redacted* " in line
    assert line.endswith("Query buffer: *redacted*")
