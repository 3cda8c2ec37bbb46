"""Random requests of any command, from the syntax of its row: options repeated, in any order, words where they mislead.

For what must hold of every command whatever its arguments: new commands come along by themselves.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from redislite._core.commands.row import CommandRow
from redislite.commands.command_syntax import Argument, parse_syntax

# Values by the name of their argument, else by its type; what makes a command succeed where chance would not.
_BY_NAME: dict[str, list[bytes]] = {
    "longitude": [b"0", b"1", b"13.4"],
    "latitude": [b"0", b"1", b"38.1"],
    "radius": [b"100", b"5000000"],
    "width": [b"400000"],
    "height": [b"400000"],
    "group": [b"g", b"streams", b"GROUP"],
    "consumer": [b"c", b"STREAMS", b"count"],
    "id": [b"0", b"0-1", b"*", b">", b"$", b"5-1"],
    "cursor": [b"0"],
    "timeout": [b"0", b"0.01"],
    "destination-db": [b"0", b"1"],
    "db": [b"0", b"1"],
    "encoding": [b"u8", b"i16"],
    "offset": [b"0", b"8"],
    "bit": [b"0", b"1"],
    "num-vertices": [b"3"],
    "ttl": [b"0", b"100000"],
    "min-idle-time": [b"0"],
    "start": [b"-", b"0"],
    "end": [b"+", b"-1"],
    "stop": [b"+", b"-1"],
    "min": [b"-", b"0", b"-inf"],
    "max": [b"+", b"9", b"+inf"],
}
_BY_TYPE: dict[str, list[bytes]] = {
    "string": [b"v", b"1", b"m", b"store", b"get"],
    "integer": [b"0", b"1", b"2", b"10"],
    "double": [b"0", b"1.5"],
    "pattern": [b"*", b"k*", b"store", b"#"],
    "unix-time": [b"4000000000"],
}


class Forms:
    """Requests of one source of chance; `key` draws a key's name for a row."""

    def __init__(self, chance: random.Random, key: Callable[[CommandRow], bytes]) -> None:
        self.chance = chance
        self.key = key
        self._parsed: dict[str, list[Argument]] = {}

    def request(self, row: CommandRow) -> list[bytes]:
        """One request of the command."""
        if row.name not in self._parsed:
            self._parsed[row.name] = parse_syntax(row.syntax) if row.syntax else []
        words = row.name.encode().split(b"|")
        own = len(words)
        options: list[Argument] = []
        for argument in [*self._parsed[row.name], None]:
            if argument is not None and argument.optional:
                options.append(argument)
                continue
            words += self._options(row, options)
            options = []
            if argument is not None:
                words += self._words(row, argument)
        if self.chance.random() < 0.1 and len(words) > own:
            words[self.chance.randrange(own, len(words))] = self.chance.choice(
                [b"STORE", b"streams", b"get", b"", b"0", b"-1", b"DB", b"99999999999", self.key(row)]
            )
        return words

    def _options(self, row: CommandRow, options: list[Argument]) -> list[bytes]:
        words: list[bytes] = []
        if self.chance.random() < 0.5:
            drawn = [option for option in options if self.chance.random() < 0.4]
        else:
            drawn = [self.chance.choice(options) for _ in range(self.chance.randrange(4))] if options else []
            self.chance.shuffle(drawn)
        for option in drawn:
            words += self._words(row, option)
        return words

    def _words(self, row: CommandRow, argument: Argument) -> list[bytes]:
        count = self.chance.randrange(1, 4) if argument.multiple else 1
        token = [argument.token.encode()] if argument.token else []
        words: list[bytes] = []
        for number in range(count):
            if number == 0 or argument.multiple_token:
                words += token
            words += self._value(row, argument)
        return [word.lower() if self.chance.random() < 0.1 and word in token else word for word in words]

    def _value(self, row: CommandRow, argument: Argument) -> list[bytes]:
        if argument.type == "oneof":
            return self._words(row, self.chance.choice(argument.arguments))
        if argument.type == "block":
            return [word for part in argument.arguments for word in self._words(row, part)]
        if argument.type == "pure-token":
            return []
        if argument.type == "key":
            return [self.key(row)]
        return [self.chance.choice(_BY_NAME.get(argument.name) or _BY_TYPE[argument.type])]


def matched_counts(words: list[bytes], row: CommandRow, keys: set[bytes]) -> list[bytes]:
    """The request with a count of keys that is right: as many as keys follow it."""
    for spec in row.key_specs:
        if spec.find == "keynum" and len(words) > spec.index:
            place = spec.index
            following = 0
            while place + 1 + following < len(words) and words[place + 1 + following] in keys:
                following += spec.step
            words[place] = str(max(1, following // spec.step)).encode()
    return words
