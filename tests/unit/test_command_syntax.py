"""The argument notation of command rows: what each form means, and how COMMAND DOCS shows it."""

from __future__ import annotations

import pytest

from redislite._core.protocol.reply_types import Set
from redislite.commands.command_syntax import Argument, SyntaxNotationError, describe_arguments, parse_syntax


def tree(arguments: list[Argument]) -> list[dict[str, object]]:
    """The arguments with only those attributes that were given."""
    nodes = []
    for argument in arguments:
        node: dict[str, object] = {}
        for name in Argument.__slots__:
            value = getattr(argument, name)
            if value is not None and value is not False and value != []:
                node[name] = tree(value) if name == "arguments" else value
        nodes.append(node)
    return nodes


STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("", []),
        ("value", [{"name": "value", **STRING}]),
        ("key", [{"name": "key", "type": "key", "key_spec_index": 0}]),
        ("destination:key#1", [{"name": "destination", "type": "key", "key_spec_index": 1}]),
        ("count:integer", [{"name": "count", "type": "integer"}]),
        ("at:unix-time@6.2.0", [{"name": "at", "type": "unix-time", "since": "6.2.0"}]),
        ("old!2.8.12", [{"name": "old", **STRING, "deprecated_since": "2.8.12"}]),
        ("address~'ip:port'", [{"name": "address", **STRING, "display": "ip:port"}]),
        ("by~pattern#1...@7.0.0!8.0.0", [{"name": "by", **STRING, "display": "pattern", "key_spec_index": 1,
                                         "multiple": True, "since": "7.0.0", "deprecated_since": "8.0.0"}]),
        ("value...", [{"name": "value", **STRING, "multiple": True}]),
        ("[value...]", [{"name": "value", **STRING, "multiple": True, "optional": True}]),
        ("NX", [{"name": "nx", "type": "pure-token", "token": "NX"}]),
        ("any='*'", [{"name": "any", "type": "pure-token", "token": "*"}]),
        ("none=''", [{"name": "none", "type": "pure-token", "token": ""}]),
        ("'yes'", [{"name": "yes", "type": "pure-token", "token": "yes"}]),
        ("change=CH", [{"name": "change", "type": "pure-token", "token": "CH"}]),
        ("NO ONE", [{"name": "no", "type": "pure-token", "token": "NO"},
                    {"name": "one", "type": "pure-token", "token": "ONE"}]),
        ("no=NO one", [{"name": "no", "type": "pure-token", "token": "NO"}, {"name": "one", **STRING}]),
        ("EX seconds:integer", [{"name": "seconds", "type": "integer", "token": "EX"}]),
        ("ID:string", [{"name": "ID", **STRING}]),
        ("STREAMS ID:string", [{"name": "ID", **STRING, "token": "STREAMS"}]),
        ("FIRST other=SECOND", [{"name": "first", "type": "pure-token", "token": "FIRST"},
                                {"name": "other", "type": "pure-token", "token": "SECOND"}]),
        ("GET... field", [{"name": "field", **STRING, "token": "GET", "multiple": True, "multiple_token": True}]),
        ("ID...", [{"name": "id", "type": "pure-token", "token": "ID", "multiple": True}]),
        ("LIMIT (a b)", [{"name": "limit", "type": "block", "token": "LIMIT",
                          "arguments": [{"name": "a", **STRING}, {"name": "b", **STRING}]}]),
        ("pair:(a b)...", [{"name": "pair", "type": "block", "multiple": True,
                            "arguments": [{"name": "a", **STRING}, {"name": "b", **STRING}]}]),
        ("either:(a | b)", [{"name": "either", "type": "oneof",
                             "arguments": [{"name": "a", **STRING}, {"name": "b", **STRING}]}]),
        ("either:(|a)", [{"name": "either", "type": "oneof", "arguments": [{"name": "a", **STRING}]}]),
        ("either:([A a] | B (c))", [{"name": "either", "type": "oneof", "arguments": [
            {"name": "a", **STRING, "token": "A", "optional": True},
            {"name": "b", "type": "block", "token": "B", "arguments": [{"name": "c", **STRING}]}]}]),
    ],
)  # fmt: skip
def test_notation(notation: str, expected: list[dict[str, object]]) -> None:
    assert tree(parse_syntax(notation)) == expected


@pytest.mark.parametrize(
    "notation",
    [
        "(",
        "a:(b",
        "a)",
        "[a",
        "[a b]",
        "a:(b c | d)",
        "a:number",
        "(a b)",
        "a:",
        "=NX",
        "a=",
        "{",
        "'open",
        "a@",
        "| a",
    ],
)
def test_malformed_notation_is_refused(notation: str) -> None:
    with pytest.raises(SyntaxNotationError):
        parse_syntax(notation)


def test_spaces_are_optional_around_marks() -> None:
    assert tree(parse_syntax("a [b:(NX|XX)]")) == tree(parse_syntax(" a  [ b : ( NX | XX ) ] "))


def test_description_has_the_wire_form() -> None:
    described = describe_arguments(
        parse_syntax("key [UNIT unit:('m' | 'km')] [GET... Field:pattern~text#1@6.0.0!7.0.0]")
    )
    assert described == [
        {b"name": b"key", b"type": b"key", b"display_text": b"key", b"key_spec_index": 0},
        {
            b"name": b"unit",
            b"type": b"oneof",
            b"token": b"UNIT",
            b"flags": ["optional"],
            b"arguments": [
                {b"name": b"m", b"type": b"pure-token", b"display_text": b"m", b"token": b"M"},
                {b"name": b"km", b"type": b"pure-token", b"display_text": b"km", b"token": b"KM"},
            ],
        },
        {
            b"name": b"field",
            b"type": b"pattern",
            b"display_text": b"text",
            b"key_spec_index": 1,
            b"token": b"GET",
            b"since": b"6.0.0",
            b"deprecated_since": b"7.0.0",
            b"flags": ["optional", "multiple", "multiple_token"],
        },
    ]
    assert list(described[2]) == [
        b"name", b"type", b"display_text", b"key_spec_index", b"token", b"since", b"deprecated_since", b"flags",
    ]  # fmt: skip
    assert isinstance(described[1][b"flags"], Set)
