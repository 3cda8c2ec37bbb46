"""What the original writes to its append-only file for a command, and what is expected of ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import Failure, ServerPool, real_server_program
from propagation_forms import FORMS, split

# Where ours is another than that of Redis 7.0, by the beginning of the command.
DIFFERENT = {
    "XREADGROUP GROUP g c STREAMS x >": "consumers that got nothing and a group's counter are told by ours as well",
    "XADD x MINID ~ 6 LIMIT": "ours leaves LIMIT out, which means nothing where trimming is exact",
}


def masked(text: str) -> str:
    """The request with times of about now and identifiers made of them as NOW."""
    return re.sub(r"\b1[789]\d{11}\b", "NOW", text)


def test_forms_are_the_originals(start_server: ServerPool) -> None:
    program = real_server_program()
    if program is None:
        pytest.skip("redis-server is not installed (REDISLITE_REAL_SERVER can name another)")
    server = start_server(program, appendonly="yes", appendfsync="no", aof_use_rdb_preamble="no")
    if server.version < (7, 0):
        pytest.skip("the file has other names before Redis 7")
    (path,) = (Path(server.directory) / "appendonlydir").glob("*.incr.aof")
    differences = []
    compared = 0
    for before, command, expected in FORMS:
        if any(command.startswith(beginning) for beginning in DIFFERENT):
            continue
        server.control("FLUSHALL")
        if any(isinstance(server.control(*one.split(" ")), Failure) for one in before):
            continue  # it does not have the command
        length = path.stat().st_size
        if isinstance(server.control(*command.split(" ")), Failure):
            continue
        written = [b" ".join(words).decode() for words in split(path.read_bytes()[length:])]
        written = [masked(text) for text in written if not text.startswith("SELECT")]
        if written != expected:
            differences.append(f"{command}\n    ours   {expected}\n    theirs {written}")
        compared += 1
    assert not differences, "\n".join(differences)
    assert compared > len(FORMS) // 2
