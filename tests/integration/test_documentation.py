"""The examples of docs/scripting.md, run: what is to be loaded is, and what clients send is answered as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from harness import Connection, Failure, ServerPool, Status

BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<kind>\w+))?\n(?P<code>.*?)^```$", re.M | re.S)
TEXT = (Path(__file__).resolve().parents[2] / "docs" / "scripting.md").read_text()
BLOCKS = [(match["language"], match["kind"], match["code"]) for match in BLOCK.finditer(TEXT)]


def shown(reply: Any, indent: str = "") -> str:
    """A reply as redis-cli shows it."""
    if isinstance(reply, Failure):
        return f"(error) {reply}"
    if isinstance(reply, Status):
        return str(reply)
    if isinstance(reply, int):
        return f"(integer) {reply}"
    if reply is None:
        return "(nil)"
    if isinstance(reply, list):
        parts = [f"{number}) {shown(element, indent + '   ')}" for number, element in enumerate(reply, 1)]
        return f"\n{indent}".join(parts)
    assert isinstance(reply, bytes)
    return f'"{reply.decode()}"'


def talks(block: str) -> list[tuple[list[str], str]]:
    """What is sent and what is answered."""
    return [
        (shlex.split(part.partition("\n")[0]), part.partition("\n")[2].strip())
        for part in re.split(r"^> ", block, flags=re.M)
        if part
    ]


def test_the_examples_do_what_they_say(start_server: ServerPool, tmp_path: Path) -> None:
    argv: list[str] = []
    for number, (language, kind, code) in enumerate(BLOCKS):
        if language == "python" and kind is None:
            path = tmp_path / f"example{number}.py"
            path.write_text(code)
            argv += ["--load", str(path)]
    server = start_server(argv=tuple(argv), enable_python_functions="yes")
    client: Connection = server.connect()
    for language, kind, code in BLOCKS:
        if language == "lua" or kind == "function":
            assert re.fullmatch(rb"\w+", client("FUNCTION", "LOAD", code))
        elif language == "redis":
            for words, expected in talks(code):
                assert shown(client(*words)) == expected, words
    assert client("PING") == "PONG"


@pytest.mark.parametrize("code", [code for _language, kind, code in BLOCKS if kind == "engine"])
def test_the_examples_without_a_server(code: str) -> None:
    exec(code, {"__name__": "example"})


def test_there_is_something_to_run() -> None:
    assert [language for language, _kind, _code in BLOCKS].count("redis") >= 5
