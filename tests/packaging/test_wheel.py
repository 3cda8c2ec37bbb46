"""The wheel: installed in an environment of its own, where there is no compiler, it serves.

REDISLITE_DIST  the folder with the wheel and the source distribution, as `python -m build` makes them; without it
                there is nothing to test.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DIST = os.environ.get("REDISLITE_DIST", "")
SIZE_MAX = 10 << 20

pytestmark = pytest.mark.skipif(not DIST, reason="REDISLITE_DIST does not name a folder with a wheel")


@pytest.fixture(scope="module")
def wheel() -> Path:
    (path,) = Path(DIST).glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wheel") / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", wheel], check=True, env=without_compiler(folder))
    yield folder


def without_compiler(folder: Path) -> dict[str, str]:
    """Surroundings in which nothing compiles: no tools on the path, and a compiler's name that does nothing."""
    kept = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "LANG", "HOME"))}
    return {**kept, "PATH": str(folder / "bin"), "CC": "/bin/false"}


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith((".pyx", ".c"))] == []
    assert "redislite/_core/values/value_type.pxd" in names
    assert "redislite/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
    assert wheel.stat().st_size < SIZE_MAX


def test_what_is_in_the_source_distribution() -> None:
    (path,) = Path(DIST).glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "README.md", "redislite/_core/engine.pyx", "tests/conftest.py"} <= names
    assert not [name for name in names if name.endswith((".so", ".c")) and not name.startswith("tests/")]


def test_it_serves_without_a_compiler(environment: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = subprocess.Popen(
        [
            environment / "bin" / "redislite-server",
            "--port",
            "0",
            "--unixsocket",
            path,
            "--dir",
            tmp_path,
            "--save",
            "",
        ],
        env=without_compiler(environment),
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not path.exists():
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"SET k 1\r\nINCR k\r\nEVAL \"return redis.call('GET', 'k')\" 0\r\nSHUTDOWN NOSAVE\r\n")
            client.settimeout(30)
            replies = b""
            while piece := client.recv(4096):
                replies += piece
        assert replies == b"+OK\r\n:2\r\n$1\r\n2\r\n"
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
