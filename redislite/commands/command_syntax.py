"""The notation for a command's arguments, and the form in which COMMAND DOCS shows them.

A row of the command table gives the arguments in the notation that manuals use, as one line:

    key value [condition:(NX | XX | IFEQ comparison-value)] [GET]
    key [LIMIT (offset:integer count:integer)] [GET... pattern:pattern#1]
    key member:(longitude:double latitude:double)...

    name                a value that is a string; `key` alone is a key
    name:type           a value of another type: integer, double, key, pattern, unix-time, string
    TOKEN               a word to be written as it stands; in capitals, or 'quoted'; named like the word
    name=TOKEN          the same under another name
    TOKEN value         a value that a word announces
    TOKEN... value      the same, the word being repeated with every value
    name:(a b)          a block: all of these; name:(a | b) one of these; (|a) one of a single one
    TOKEN (a b)         the same, named like the word
    [argument]          may be left out
    value...            may be repeated
    value#1             its keys are those of the row's second key specification (keys: #0 if not said)
    value~text          is shown as this text; quoted if it is not a plain word
    value@7.0.0         exists since this version
    value!7.0.0         is deprecated since this version

Marks follow the value in the order ~ # ... @ !. Parsing is done when somebody asks for it, never at start-up.
"""

from __future__ import annotations

import re

from redislite._core.protocol.reply_types import Set, SimpleString

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

VALUE_TYPES = frozenset(("string", "integer", "double", "key", "pattern", "unix-time", "pure-token"))

_LEXEME = re.compile(
    r"\s*(?:(?P<ellipsis>\.\.\.)|(?P<quoted>'[^']*')|(?P<mark>[\[\]()|:=~#@!])"
    r"|(?P<word>[A-Za-z0-9_](?:[\w/\-]|\.(?!\.))*))"
)
_TOKEN_WORD = re.compile(r"[A-Z][A-Z0-9_-]*\Z")


class SyntaxNotationError(ValueError):
    """The notation is malformed; the message shows where."""


class Argument:
    """One argument: a value, a literal word, or a block or choice of further ones."""

    __slots__ = (
        "arguments",
        "deprecated_since",
        "display",
        "key_spec_index",
        "multiple",
        "multiple_token",
        "name",
        "optional",
        "since",
        "token",
        "type",
    )

    def __init__(self, name: str, type: str, token: str | None = None) -> None:
        self.name = name
        self.type = type
        self.token = token
        self.display: str | None = None
        self.key_spec_index: int | None = None
        self.since: str | None = None
        self.deprecated_since: str | None = None
        self.optional = False
        self.multiple = False
        self.multiple_token = False
        self.arguments: list[Argument] = []


def parse_syntax(notation: str) -> list[Argument]:
    """Parse a row's `syntax`; raises SyntaxNotationError."""
    parser = _Parser(notation)
    arguments = parser.sequence()
    if parser.kind is not None:
        parser.fail("unexpected")
    return arguments


class _Parser:
    """Recursive descent; `kind` and `text` are the lexeme at hand, kind None at the end."""

    def __init__(self, notation: str) -> None:
        self.notation = notation
        self.lexemes: list[tuple[str, str]] = []
        position = 0
        end = len(notation.rstrip())
        while position < end:
            match = _LEXEME.match(notation, position)
            if match is None or match.lastgroup is None:
                raise SyntaxNotationError(f"cannot read {notation[position:]!r}")
            self.lexemes.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.position = -1
        self.kind: str | None = None
        self.text = ""
        self.advance()

    def advance(self) -> str:
        """Go on to the next lexeme; returns the text of the one left behind."""
        left = self.text
        self.position += 1
        if self.position < len(self.lexemes):
            self.kind, self.text = self.lexemes[self.position]
        else:
            self.kind, self.text = None, ""
        return left

    def fail(self, problem: str) -> NoReturn:
        raise SyntaxNotationError(f"{problem} {self.text or 'end'!r} (lexeme {self.position + 1}) in {self.notation!r}")

    def take(self, mark: str) -> bool:
        """Step over this mark if it is the one at hand."""
        if self.kind == "mark" and self.text == mark:
            self.advance()
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            self.fail(f"expected {mark!r} before")

    def peek(self, ahead: int = 1) -> tuple[str, str]:
        place = self.position + ahead
        return self.lexemes[place] if place < len(self.lexemes) else ("", "")

    def sequence(self) -> list[Argument]:
        arguments = []
        while self.kind is not None and not (self.kind == "mark" and self.text in ")]|"):
            arguments.append(self.argument())
        return arguments

    def argument(self) -> Argument:
        if self.take("["):
            argument = self.element()
            self.expect("]")
            argument.optional = True
            return argument
        return self.element()

    def element(self) -> Argument:
        follower = self.peek()
        if self.kind == "word" and follower == ("mark", "="):
            name = self.advance()
            self.advance()
            argument = Argument(name, "pure-token", self.word())
        elif self.is_token() and follower != ("mark", ":"):
            return self.announced(self.word())
        else:
            argument = self.value(None)
        self.marks(argument)
        return argument

    def announced(self, token: str) -> Argument:
        """What a literal word begins: itself alone, or the value behind it."""
        repeated = self.kind == "ellipsis" and self.starts_value(self.peek(), self.peek(2))
        if repeated:
            self.advance()
        if self.starts_value((self.kind or "", self.text), self.peek()):
            argument = self.value(token)
            argument.multiple = argument.multiple_token = repeated
        else:
            argument = Argument(token.lower(), "pure-token", token)
        self.marks(argument)
        return argument

    @staticmethod
    def starts_value(lexeme: tuple[str, str], follower: tuple[str, str]) -> bool:
        """Whether a value or container begins here, and not another literal word."""
        kind, text = lexeme
        if kind == "word":
            return follower != ("mark", "=") and (follower == ("mark", ":") or not _TOKEN_WORD.match(text))
        return lexeme == ("mark", "(")

    def is_token(self) -> bool:
        return self.kind == "quoted" or (self.kind == "word" and _TOKEN_WORD.match(self.text) is not None)

    def word(self) -> str:
        if self.kind not in ("word", "quoted"):
            self.fail("expected a word before")
        text = self.advance()
        return text[1:-1] if text[0] == "'" else text

    def value(self, token: str | None) -> Argument:
        if self.kind == "mark" and self.text == "(":
            if token is None:
                self.fail("nameless")
            return self.container(token.lower(), token)
        if self.kind != "word":
            self.fail("unexpected")
        name = self.advance()
        if not self.take(":"):
            return self.typed(name, "key" if name == "key" else "string", token)
        if self.kind == "mark" and self.text == "(":
            return self.container(name, token)
        type = self.word()
        if type not in VALUE_TYPES:
            raise SyntaxNotationError(f"unknown type {type!r} in {self.notation!r}")
        return self.typed(name, type, token)

    @staticmethod
    def typed(name: str, type: str, token: str | None) -> Argument:
        argument = Argument(name, type, token)
        if type == "key":
            argument.key_spec_index = 0
        return argument

    def container(self, name: str, token: str | None) -> Argument:
        self.expect("(")
        if not (self.kind == "mark" and self.text == "|"):
            members = self.sequence()
            if self.take(")"):
                argument = Argument(name, "block", token)
                argument.arguments = members
                return argument
            if len(members) != 1:
                self.fail("a choice of more than one argument before")
        else:
            members = []
        while self.take("|"):
            members.append(self.argument())
        self.expect(")")
        argument = Argument(name, "oneof", token)
        argument.arguments = members
        return argument

    def marks(self, argument: Argument) -> None:
        if self.take("~"):
            argument.display = self.word()
        if self.take("#"):
            argument.key_spec_index = int(self.word())
        if self.kind == "ellipsis":
            self.advance()
            argument.multiple = True
        if self.take("@"):
            argument.since = self.word()
        if self.take("!"):
            argument.deprecated_since = self.word()


def describe_arguments(arguments: list[Argument]) -> list[dict[bytes, object]]:
    """The arguments as COMMAND DOCS replies them: names in small letters, tokens in capitals."""
    return [_describe(argument) for argument in arguments]


def _describe(argument: Argument) -> dict[bytes, object]:
    reply: dict[bytes, object] = {b"name": argument.name.lower().encode(), b"type": argument.type.encode()}
    if argument.type not in ("oneof", "block"):
        reply[b"display_text"] = (argument.display or argument.name.lower()).encode()
    if argument.key_spec_index is not None:
        reply[b"key_spec_index"] = argument.key_spec_index
    if argument.token is not None:
        reply[b"token"] = argument.token.upper().encode()
    if argument.since is not None:
        reply[b"since"] = argument.since.encode()
    if argument.deprecated_since is not None:
        reply[b"deprecated_since"] = argument.deprecated_since.encode()
    flags = [name for name in ("optional", "multiple", "multiple_token") if getattr(argument, name)]
    if flags:
        reply[b"flags"] = Set(SimpleString(flag) for flag in flags)
    if argument.arguments:
        reply[b"arguments"] = describe_arguments(argument.arguments)
    return reply
