"""The reporter of crashes, in processes of its own that die of what they do."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PREAMBLE = """
import ctypes, faulthandler, gc, mmap, os, signal, sys, threading
from redislite._core.process import crash
from redislite._core.engine import Engine

def describe(**changes):
    crash.describe(**{
        "title": b"Program 1.2", "log_path": sys.argv[1].encode(), "pid_file": b"", "info": b"", "configuration": b"",
        "report": True, "hide_user_data": False, "test_memory": False, "exit_on_panic": False, **changes,
    })

descriptor = os.open(os.devnull, os.O_WRONLY)
faulthandler.register(signal.SIGRTMAX, file=descriptor, all_threads=True)
crash.prepare(signal.SIGRTMAX, descriptor)
describe()
crash.catch_faults(True)
"""
PARTS = [
    "STACK TRACE",
    "STACK TRACE DONE",
    "REGISTERS",
    "INFO OUTPUT",
    "CLIENT LIST OUTPUT",
    "CONFIG DEBUG OUTPUT",
    "DUMPING CODE AROUND EIP",
]


def run(directory: Path, program: str) -> tuple[int, str]:
    """Runs a program behind the preamble; answers its exit status and its log."""
    log = directory / "log"
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + program, str(log)], capture_output=True, timeout=60, check=False, text=True
    )
    return done.returncode, log.read_text() if log.exists() else done.stdout + done.stderr


def parts_of(log: str) -> list[str]:
    return re.findall(r"^------ (.+) ------$", log, re.M)


def test_a_fault(tmp_path: Path) -> None:
    status, log = run(tmp_path, "ctypes.memset(16, 0, 1)")
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS
    assert "Program 1.2 crashed by signal: 11" in log
    assert "Accessing address: 0x10\n" in log
    assert 'File "<string>"' in log
    assert log.count("BUG REPORT") == 2


def test_a_call_to_where_no_code_is(tmp_path: Path) -> None:
    status, log = run(tmp_path, "ctypes.CFUNCTYPE(None)(16)()")
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS
    assert "Crashed running the instruction at: 0x10\n" in log
    # The stack is readable all the same: who called is shown.
    assert log.index("libffi") < log.index("STACK TRACE DONE")
    assert "running signal handler" not in log


def test_an_overflow_of_the_stack(tmp_path: Path) -> None:
    # The stack is made so small that later interpreters do not see the recursion before it overflows.
    program = """
import resource
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
sys.setrecursionlimit(10**9)
def deeper(_): return list(map(deeper, [1]))
deeper(1)
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS


def test_a_fault_while_the_report_is_written(tmp_path: Path) -> None:
    """The text of a part is gone: the parts behind it are written all the same, and each once."""
    program = """
text = b"x" * (1 << 22)                 # so long that it is mapped by itself
describe(info=text)
page = (id(text) + mmap.PAGESIZE) & -mmap.PAGESIZE
assert ctypes.CDLL(None).munmap(ctypes.c_void_p(page), ctypes.c_size_t(1 << 21)) == 0
ctypes.memset(16, 0, 1)
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS
    assert log.count("Crashed running signal handler.") == 1
    assert log.count("BUG REPORT START") == 1
    assert log.count("BUG REPORT END") == 1


def test_all_threads_are_shown(tmp_path: Path) -> None:
    program = """
begun = threading.Barrier(3)
def wait_here():
    begun.wait()
    threading.Event().wait()
for _ in range(2):
    threading.Thread(target=wait_here, daemon=True).start()
begun.wait()
ctypes.memset(16, 0, 1)
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert len(re.findall(r"^\d+ \S+( \*)?\n/.+\[0x", log, re.M)) == 3
    assert log.count("in wait_here") == 2


@pytest.mark.parametrize("blocked", [False, True])
def test_the_memory_is_tested_once_all_threads_stand_still(tmp_path: Path, blocked: bool) -> None:
    program = f"""
describe(test_memory=True)
begun = threading.Barrier(2)
def work():
    if {blocked}:
        signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR2}})
    begun.wait()
    numbers = list(range(1000))
    while True:
        assert sum(reversed(numbers)) == 499500
threading.Thread(target=work, daemon=True).start()
begun.wait()
ctypes.memset(16, 0, 1)
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert parts_of(log) == [*PARTS, "FAST MEMORY TEST"]
    if blocked:
        assert "some threads cannot be stopped" in log
        assert "does not answer" in log
    else:
        assert "Fast memory test PASSED" in log
    assert log.count("crashed by signal") == 1


def test_a_fault_of_another_thread(tmp_path: Path) -> None:
    program = """
threading.Thread(target=ctypes.memset, args=(16, 0, 1)).start()
threading.Event().wait()
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS


def test_two_threads_at_fault_make_one_report(tmp_path: Path) -> None:
    program = """
begun = threading.Barrier(4)
def fail():
    begun.wait()
    ctypes.memset(16, 0, 1)             # without the interpreter's lock: at the same time
for _ in range(3):
    threading.Thread(target=fail, daemon=True).start()
begun.wait()
threading.Event().wait()
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS
    assert log.count("crashed by signal") == 1


def test_requests_are_shown_without_passwords_and_shortened(tmp_path: Path) -> None:
    program = """
from redislite._core.commands.row import command
@command("crash", -1, "admin", group="server", since="1.0.0", summary="Crashes.", complexity="O(1)")
def die(server, connection, args):
    ctypes.memset(16, 0, 1)
engine = Engine()
engine.register(die.command_rows)
engine.report_crashes()
engine.execute("CRASH", b"\\x00quoted\\"", "x" * 1000, "AUTH", "secret")
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert 'argv[0]: "CRASH"\nargv[1]: "\\x00quoted\\""\nargv[2]: "' + "x" * 128 + '"\nargv[3]: "AUTH"\n' in log
    assert "argc: 5\n" in log
    assert "secret" not in log


def test_an_engine_that_is_gone_is_not_looked_at(tmp_path: Path) -> None:
    program = """
engine = Engine()
engine.execute("SET", "k", "v")
engine.report_crashes()
del engine
gc.collect()
ctypes.memset(16, 0, 1)
"""
    status, log = run(tmp_path, program)
    assert status == -signal.SIGSEGV
    assert parts_of(log) == PARTS
    assert "connected_clients" not in log


def test_the_pid_file_is_removed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text("1\n")
    status, _ = run(tmp_path, f"describe(pid_file={str(pid_file).encode()!r})\nctypes.memset(16, 0, 1)")
    assert status == -signal.SIGSEGV
    assert not pid_file.exists()


def test_without_a_file_the_report_goes_to_the_standard_output(tmp_path: Path) -> None:
    status, output = run(tmp_path, "describe(log_path=b'')\ncrash.panic(b'of itself', b'file', 7)")
    assert status == -signal.SIGABRT
    assert "Guru Meditation: of itself #file:7\n" in output


def test_a_panic_may_exit_instead(tmp_path: Path) -> None:
    status, log = run(tmp_path, "describe(exit_on_panic=True)\ncrash.assertion_failed(b'a < b', b'file', 7)")
    assert status == 1
    assert "==> file:7 'a < b' is not true\n" in log
    assert log.count("BUG REPORT") == 2
