"""Crash reports: what the log says when the server dies or is asked where it stands, and how it dies."""

from __future__ import annotations

import os
import re
import signal

import pytest
from harness import DEADLINE, OK, PONG, Connection, ServerPool, ServerProcess, request, wait_until

START = "REDIS BUG REPORT START: Cut & paste starting from here"
END = "REDIS BUG REPORT END. Make sure to include from START to END."


def report_of(server: ServerProcess) -> str:
    """The one report in the log."""
    log = server.log(1_000_000)
    assert log.count(START) == 1
    assert log.count(END) == 1
    return log[log.index(START) : log.index(END)]


def crash(server: ServerProcess, *arguments: str) -> int:
    """Sends a command that the server dies of, and answers its exit status."""
    server.expected_exit = True
    server.connect().send(request(*arguments))
    return server.wait_exit()


def put_to_sleep(server: ServerProcess, seconds: float) -> Connection:
    """Has the server execute DEBUG SLEEP, and answers the connection that waits for its reply."""
    asleep = server.connect()
    asleep.send(request("DEBUG", "SLEEP", seconds))
    # In this wait nothing is running; so the server is seen asleep by its main thread's system call.
    wait_until(lambda: is_in_sleep(server.pid), "the server sleeps")
    return asleep


def is_in_sleep(pid: int) -> bool:
    """Whether the main thread waits for time to pass."""
    with open(f"/proc/{pid}/wchan") as file:
        return "nanosleep" in file.read()


@pytest.mark.parametrize("memory_test", ["yes", "no"])
def test_a_fault(start_server: ServerPool, memory_test: str) -> None:
    server = start_server(crash_memcheck_enabled=memory_test)
    assert server.control("SET", "key", "value") == OK
    assert crash(server, "DEBUG", "SEGFAULT") == -signal.SIGSEGV
    report = report_of(server)
    parts = re.findall(r"^------ (.+) ------$", report, re.M)
    places = [parts.index(name) for name in ("STACK TRACE", "INFO OUTPUT", "CLIENT LIST OUTPUT")]
    assert places == sorted(places)
    assert {"CURRENT CLIENT INFO", "CONFIG DEBUG OUTPUT"} <= set(parts)
    assert "crashed by signal: 11, si_code: " in report
    assert "Accessing address: 0x" in report
    assert "Crashed running the instruction at: 0x" in report
    assert f"process_id:{server.pid}" in report
    assert "\ndb0:keys=1,expires=0" in report
    assert re.search(r"argv\[0\]: \W*DEBUG\W*\nargv\[1\]: \W*SEGFAULT\W*\n", report)
    assert "list-compress-depth 0\n" in report
    assert ("FAST MEMORY TEST" in parts) is (memory_test == "yes")
    assert "MEMORY ERROR" not in report
    assert "running signal handler" not in report


@pytest.mark.ours("it is written in Python")
def test_a_report_shows_where_python_stands(start_server: ServerPool) -> None:
    server = start_server(crash_memcheck_enabled="no")
    crash(server, "DEBUG", "SEGFAULT")
    assert re.search(r"Python:\n.*most recent call first.*:\n +File .*debugging\.py", report_of(server))


def test_a_signal_from_outside(start_server: ServerPool) -> None:
    server = start_server(crash_memcheck_enabled="no")
    put_to_sleep(server, 2 * DEADLINE)
    assert server.stop(signal.SIGABRT) == -signal.SIGABRT
    report = report_of(server)
    assert "crashed by signal: 6" in report
    assert f"Killed by PID: {os.getpid()}, UID: {os.getuid()}" in report
    assert "------ STACK TRACE ------" in report


@pytest.mark.parametrize("number", [signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV])
def test_each_fault_is_caught_and_ends_the_process(start_server: ServerPool, number: int) -> None:
    server = start_server(crash_memcheck_enabled="no")
    assert server.stop(number) == -number
    assert f"crashed by signal: {int(number)}, si_code: 0" in report_of(server)


def test_reports_can_be_switched_off(start_server: ServerPool) -> None:
    server = start_server(crash_log_enabled="no")
    assert crash(server, "DEBUG", "SEGFAULT") == -signal.SIGSEGV
    assert START not in server.log()


@pytest.mark.ours("the original goes on catching signals when this is switched off at runtime")
def test_reports_can_be_switched_off_and_on_at_runtime(start_server: ServerPool) -> None:
    server = start_server(crash_memcheck_enabled="no")
    assert server.control("CONFIG", "SET", "crash-log-enabled", "no") == OK
    assert server.stop(signal.SIGSEGV) == -signal.SIGSEGV
    assert START not in server.log()
    server.restart()
    for value in ("no", "yes"):
        assert server.control("CONFIG", "SET", "crash-log-enabled", value) == OK
    assert server.stop(signal.SIGSEGV) == -signal.SIGSEGV
    assert "crashed by signal: 11" in report_of(server)


@pytest.mark.ours("hide-user-data-from-log, which later versions have")
def test_reports_without_user_data(start_server: ServerPool) -> None:
    server = start_server(crash_memcheck_enabled="no", hide_user_data_from_log="yes")
    crash(server, "DEBUG", "SEGFAULT")
    assert re.search(r'argv\[0\]: "DEBUG"\nargv\[1\]: 8 bytes\n', report_of(server))


@pytest.mark.ours("an exit instead of a core")
@pytest.mark.parametrize("exits", ["yes", "no"])
def test_a_failed_assertion(start_server: ServerPool, exits: str) -> None:
    server = start_server(crash_memcheck_enabled="no", use_exit_on_panic=exits)
    assert crash(server, "DEBUG", "ASSERT") == (1 if exits == "yes" else -signal.SIGABRT)
    report = report_of(server)
    assert "=== ASSERTION FAILED ===" in report
    assert re.search(r"==> debugging\.py:\d+ '1 == 2' is not true\n", report)
    assert "STACK TRACE DONE" in report
    assert "CURRENT CLIENT INFO" in report
    assert "crashed by signal" not in report


def test_a_panic(start_server: ServerPool) -> None:
    server = start_server(crash_memcheck_enabled="no")
    assert crash(server, "DEBUG", "PANIC") == -signal.SIGABRT
    report = report_of(server)
    assert re.search(r"Guru Meditation: .+ #\S+:\d+\n", report)
    assert "------ STACK TRACE ------" in report
    assert "INFO OUTPUT" in report


def test_a_panic_where_reports_are_switched_off(start_server: ServerPool) -> None:
    server = start_server(crash_log_enabled="no")
    assert crash(server, "DEBUG", "PANIC") == -signal.SIGABRT
    report = report_of(server)
    assert "Guru Meditation: " in report
    assert "STACK TRACE" not in report
    assert "INFO OUTPUT" not in report


def test_no_memory(start_server: ServerPool) -> None:
    server = start_server(crash_memcheck_enabled="no")
    assert crash(server, "DEBUG", "OOM") == -signal.SIGABRT
    log = server.log(1_000_000)
    assert re.search(r"Out Of Memory allocating \d+ bytes!", log)
    assert re.search(r"aborting for OUT OF MEMORY. Allocating \d+ bytes!", log)


@pytest.mark.ours("the original answers SIGALRM only in later versions")
def test_where_it_stands_on_request(start_server: ServerPool) -> None:
    server = start_server(appendonly="yes", appendfsync="everysec")
    assert server.control("SET", "key", "value") == OK
    wait_until(lambda: len(os.listdir(f"/proc/{server.pid}/task")) > 1, "the thread that syncs is there")
    threads = os.listdir(f"/proc/{server.pid}/task")
    asleep = put_to_sleep(server, 0.5)
    server.process.send_signal(signal.SIGALRM)
    log = wait_until(lambda: server.log() if ") --------\n" in server.log() else "", "the trace")
    assert "Received SIGALRM" in log
    assert log.count("------ STACK TRACE ------") == 1
    assert asleep.read() == OK
    assert server.control("PING") == PONG
    for thread in threads:
        assert re.search(rf"^{thread} .+\n.+\[0x", log, re.M), thread
    assert "does not answer" not in log
    assert re.search(r"File .*debugging\.py", log)
    # And again: whatever the first trace took must be there for the next.
    server.process.send_signal(signal.SIGALRM)
    wait_until(lambda: server.log().count("STACK TRACE DONE") == 2, "another trace")


def test_watchdog(start_server: ServerPool) -> None:
    server = start_server(hz=100)
    assert server.control("CONFIG", "SET", "watchdog-period", 1000) == OK
    before = int(server.info("server")["uptime_in_seconds"])
    wait_until(lambda: int(server.info("server")["uptime_in_seconds"]) > before + 1, "cron has run for a while")
    assert "WATCHDOG" not in server.log()
    assert server.control("DEBUG", "SLEEP", 1.2) == OK
    log = server.log()
    assert "--- WATCHDOG TIMER EXPIRED ---" in log
    assert "------ STACK TRACE ------" in log
    assert server.control("CONFIG", "SET", "watchdog-period", 0) == OK
    assert server.control("DEBUG", "SLEEP", 1.2) == OK
    assert server.log().count("WATCHDOG") == 1


def test_the_watchdog_is_no_quicker_than_cron_can_put_it_off(start_server: ServerPool) -> None:
    server = start_server(hz=10)
    assert server.control("CONFIG", "SET", "watchdog-period", 1) == OK
    assert server.control("CONFIG", "GET", "watchdog-period")[1] == b"200"


@pytest.mark.ours("its children say so themselves")
def test_a_childs_crash_is_its_own(start_server: ServerPool) -> None:
    server = start_server(rdb_key_save_delay=10_000_000)
    assert server.control("SET", "key", "value") == OK
    server.control("BGSAVE")
    pid = int(wait_until(lambda: re.search(r"saving started by pid (\d+)", server.log()), "the child")[1])
    os.kill(pid, signal.SIGSEGV)
    wait_until(lambda: "Background saving terminated by signal 11" in server.log(), "the child's end")
    assert server.control("PING") == PONG
    report = report_of(server)
    assert f"\n{pid}:signal-handler " in report
    assert "FAST MEMORY TEST" not in report
