"""Kinds of directives: how their values are read and printed, and which number the data plane gets for one.

Guarantees: a kind's `read` either returns a complete value or raises `ConfigError` with the text that a client sees;
no function here touches the configuration, a file or the network, except `check_locale`, which asks the C library.
"""

from __future__ import annotations

from redislite.config.text import (
    LONG_MAX,
    ULONG_MAX,
    format_memory,
    parse_integer,
    parse_lenient_integer,
    parse_memory,
    quoted,
    wrapped_int,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

MAXIMUM_BIND_ADDRESSES = 16
TITLE_VARIABLES = ("title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file")


class ConfigError(Exception):
    """A directive was refused; the message is the original's."""


class Kind:
    """How the values of a directive are read and printed."""

    several = False  # takes any number of arguments; one argument alone is split at its blanks
    accumulates = False  # in a file, each further line adds to the lines before it
    memory_error = ""  # where values are amounts of bytes: the error of what is none

    def read(self, arguments: Sequence[str], current: Any) -> Any:
        """Turn arguments into a value; `current` is the value that the new one adds to or alters."""
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """The value as CONFIG GET prints it."""
        return str(value)

    def lines(self, value: Any) -> list[str]:
        """What stands after the directive's name in a file, one entry a line; empty: leave it out."""
        return [self.show(value)]

    def number(self, value: Any) -> int:
        """What the data plane's setting gets. Some values have 64 bits without a sign; nothing is ever as large as what
        the data plane has room for."""
        return min(int(value), LONG_MAX)


class Boolean(Kind):
    """`yes` or `no`; a bool."""

    def read(self, arguments: Sequence[str], current: Any) -> bool:
        word = arguments[0].lower()
        if word not in ("yes", "no"):
            raise ConfigError("argument must be 'yes' or 'no'")
        return word == "yes"

    def show(self, value: Any) -> str:
        return "yes" if value else "no"


def _check_range(value: int, lower: int, upper: int) -> int:
    if not lower <= value <= upper:
        raise ConfigError(f"argument must be between {lower} and {upper} inclusive")
    return value


class Integer(Kind):
    """A number in a range; an int."""

    def __init__(self, lower: int, upper: int) -> None:
        self.lower = lower
        self.upper = upper

    def read(self, arguments: Sequence[str], current: Any) -> int:
        value = parse_integer(arguments[0])
        if value is None:
            raise ConfigError("argument couldn't be parsed into an integer")
        return _check_range(value, self.lower, self.upper)


class Octal(Integer):
    """Permission bits written in octal; an int."""

    def read(self, arguments: Sequence[str], current: Any) -> int:
        text = arguments[0]
        if not text or text.strip("01234567") or len(text) > 20:
            raise ConfigError("argument couldn't be parsed as an octal number")
        value = int(text, 8)
        if value > self.upper:
            raise ConfigError(f"argument must be between {self.lower:o} and {self.upper:o} inclusive")
        return value

    def show(self, value: Any) -> str:
        return f"{value:o}"


class Memory(Integer):
    """An amount of bytes; an int. With `percent`, also a share of `maxmemory`, kept as a negative number."""

    def __init__(self, lower: int, upper: int, percent: bool = False) -> None:
        super().__init__(-100 if percent else lower, upper)
        self.percent = percent
        self.memory_error = f"argument must be a memory {'or percent ' if percent else ''}value"

    def read(self, arguments: Sequence[str], current: Any) -> int:
        text = arguments[0]
        if self.percent and text[-1:] == "%":
            share = parse_integer(text[:-1])
            if share is not None and share >= 0:
                return self._checked(-share)
        value = parse_memory(text)
        if value is None:
            raise ConfigError(self.memory_error)
        if value > LONG_MAX and self.upper < ULONG_MAX:
            value -= 2**64
        return self._checked(value)

    def _checked(self, value: int) -> int:
        if self.percent and value < self.lower:
            raise ConfigError("percentage argument must be less or equal to 100")
        return _check_range(value, self.lower, self.upper)

    def show(self, value: Any) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def lines(self, value: Any) -> list[str]:
        return [self.show(value) if value < 0 else format_memory(value)]


class SignedMemory(Integer):
    """An amount of bytes, or a negative number that switches something off; an int."""

    memory_error = "argument must be a memory value"

    def read(self, arguments: Sequence[str], current: Any) -> int:
        value = parse_integer(arguments[0]) if arguments[0][:1] == "-" else parse_memory(arguments[0])
        if value is None or value > ULONG_MAX:
            raise ConfigError(self.memory_error)
        return _check_range(value, self.lower, self.upper)


class Text(Kind):
    """Any text; a str. With `empty_means_unset`, the empty text is written to no file."""

    def __init__(self, empty_means_unset: bool, check: Callable[[str], str | None] | None = None) -> None:
        self.empty_means_unset = empty_means_unset
        self.check = check

    def read(self, arguments: Sequence[str], current: Any) -> Any:
        text = arguments[0].split("\0", 1)[0]
        problem = self.check(text) if self.check is not None else None
        if problem is not None:
            raise ConfigError(problem)
        return text

    def lines(self, value: Any) -> list[str]:
        shown = self.show(value)
        return [] if self.empty_means_unset and not shown else [quoted(shown)]


class Binary(Text):
    """Any bytes, zero bytes included; a bytes."""

    def read(self, arguments: Sequence[str], current: Any) -> bytes:
        return arguments[0].encode("utf-8", "surrogateescape")

    def show(self, value: Any) -> str:
        text: str = value.decode("utf-8", "surrogateescape")
        return text


class Choice(Kind):
    """One word of a list; a str. A synonym is accepted and becomes the word that it stands for. The data plane gets the
    word's place in the list."""

    def __init__(self, words: Sequence[str], synonyms: Mapping[str, str] | None = None) -> None:
        self.words = words
        self.synonyms = synonyms or {}

    def refuse(self) -> ConfigError:
        return ConfigError("argument(s) must be one of the following: " + ", ".join(self.words))

    def read(self, arguments: Sequence[str], current: Any) -> Any:
        wanted = arguments[0].lower()
        for word in self.words:
            if word.lower() == wanted:
                return self.synonyms.get(word, word)
        raise self.refuse()

    def number(self, value: Any) -> int:
        return self.words.index(value)


class ShutdownOptions(Choice):
    """Options of a shutdown by signal; a tuple of words in the list's order, empty for `default`."""

    several = True

    def read(self, arguments: Sequence[str], current: Any) -> tuple[str, ...]:
        given = {argument.lower() for argument in arguments}
        if not given or not given <= set(self.words):
            raise self.refuse()
        if {"save", "nosave"} <= given:
            raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
        return tuple(word for word in self.words[1:] if word in given)

    def show(self, value: Any) -> str:
        return " ".join(value) or self.words[0]


class SavePoints(Kind):
    """When to write a snapshot; a tuple of (seconds, changes)."""

    several = True
    accumulates = True

    def read(self, arguments: Sequence[str], current: Any) -> tuple[tuple[int, int], ...]:
        if not arguments or list(arguments) == [""]:
            return ()
        numbers = [parse_lenient_integer(argument) for argument in arguments]
        points = []
        for seconds, changes in zip(numbers[::2], numbers[1::2], strict=False):
            wrapped = -1 if changes is None else wrapped_int(changes)
            if seconds is None or seconds < 1 or wrapped < 0:
                raise ConfigError("Invalid save parameters")
            points.append((seconds, wrapped))
        if len(numbers) % 2:
            raise ConfigError("Invalid save parameters")
        return (*current, *points)

    def show(self, value: Any) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, value: Any) -> list[str]:
        return [f"{seconds} {changes}" for seconds, changes in value] or ['""']


class BufferLimits(Kind):
    """Limits of the output buffers; a dict of client class to (hard bytes, soft bytes, soft seconds).

    The classes are `normal`, `slave` and `pubsub`; a class that is not named keeps its limits.
    """

    several = True
    memory_error = "Error in hard, soft or soft_seconds setting in buffer limit configuration."

    def read(self, arguments: Sequence[str], current: Any) -> dict[str, tuple[int, int, int]]:
        if len(arguments) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        limits: dict[str, tuple[int, int, int]] = dict(current)
        for start in range(0, len(arguments), 4):
            name, hard, soft, seconds = arguments[start : start + 4]
            group = "slave" if name.lower() == "replica" else name.lower()
            if group not in limits:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            hard_bytes, soft_bytes, duration = parse_memory(hard), parse_memory(soft), parse_lenient_integer(seconds)
            if duration is not None:
                duration = wrapped_int(duration)
            if hard_bytes is None or soft_bytes is None or duration is None or duration < 0:
                raise ConfigError(self.memory_error)
            limits[group] = (hard_bytes, soft_bytes, duration)
        return limits

    def show(self, value: Any) -> str:
        return " ".join(f"{group} {hard} {soft} {seconds}" for group, (hard, soft, seconds) in value.items())

    def lines(self, value: Any) -> list[str]:
        return [
            f"{'replica' if group == 'slave' else group} {format_memory(hard)} {format_memory(soft)} {seconds}"
            for group, (hard, soft, seconds) in value.items()
        ]


class ScoreAdjustments(Kind):
    """Kernel out-of-memory score adjustments of a master, a replica and a background child; three ints."""

    several = True

    def read(self, arguments: Sequence[str], current: Any) -> tuple[int, ...]:
        if len(arguments) != 3:
            raise ConfigError("wrong number of arguments")
        values = [parse_lenient_integer(argument) for argument in arguments]
        if any(value is None or not -2000 <= value <= 2000 for value in values):
            raise ConfigError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        return tuple(value for value in values if value is not None)

    def show(self, value: Any) -> str:
        return " ".join(map(str, value))


class Percentiles(Kind):
    """Percentiles of the latency statistics; a tuple of floats from 0 to 100."""

    several = True

    def read(self, arguments: Sequence[str], current: Any) -> tuple[float, ...]:
        if list(arguments) == [""]:
            return ()
        values = []
        for argument in arguments:
            try:
                value = float(argument) if argument == argument.strip() and "_" not in argument else float("nan")
            except ValueError:
                value = float("nan")
            if value != value:
                raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
            if not 0.0 <= value <= 100.0:
                raise ConfigError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            values.append(value)
        return tuple(values)

    def show(self, value: Any) -> str:
        return " ".join(f"{percentile:f}".rstrip("0").rstrip(".") for percentile in value)

    def lines(self, value: Any) -> list[str]:
        return [self.show(value) or '""']


# Classes of keyspace events: the data plane's bits (NOTIFY_* of flags.pxd), by the letters that ask for them.
EVENT_BITS = {
    "K": 1,  # published by key
    "E": 2,  # published by event
    "g": 4,  # generic commands
    "$": 8,  # strings
    "l": 16,  # lists
    "s": 32,  # sets
    "h": 64,  # hashes
    "z": 128,  # sorted sets
    "x": 256,  # expired
    "e": 512,  # evicted
    "t": 1024,  # streams
    "m": 2048,  # a key that was looked for and not found
    "d": 4096,  # of modules
    "n": 8192,  # a key that was not there before
}
PUBLISHED = EVENT_BITS["K"] | EVENT_BITS["E"]


class KeyspaceEvents(Kind):
    """Classes of events to publish; a str of letters (EVENT_BITS), in a fixed order, with `A` spelled out."""

    ALL = "g$lshzxetd"
    LETTERS = ALL + "nKEm"

    def read(self, arguments: Sequence[str], current: Any) -> str:
        given = arguments[0]
        if given.strip("A" + self.LETTERS):
            raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        if "A" in given:
            given += self.ALL
        for letter in given:
            if letter != "A" and letter not in self.LETTERS:
                raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return "".join(letter for letter in self.LETTERS if letter in given)

    def show(self, value: Any) -> str:
        # The original prints no `n` beside `A`; clients compare with what it prints.
        return self._abbreviated(value).replace("An", "A")

    def _abbreviated(self, value: str) -> str:
        return "A" + value[len(self.ALL) :] if value.startswith(self.ALL) else value

    def lines(self, value: Any) -> list[str]:
        return [quoted(self._abbreviated(value))]

    def number(self, value: Any) -> int:
        bits = 0
        for letter in value:
            bits |= EVENT_BITS[letter]
        # Without `K` and `E` nothing is published, and handlers need not ask further.
        return bits if bits & PUBLISHED else 0


class BindAddresses(Kind):
    """Addresses to listen on; a tuple of str. One that starts with `-` need not exist."""

    several = True

    def read(self, arguments: Sequence[str], current: Any) -> tuple[str, ...]:
        if len(arguments) > MAXIMUM_BIND_ADDRESSES:
            raise ConfigError("Too many bind addresses specified.")
        return () if list(arguments) == [""] else tuple(arguments)

    def show(self, value: Any) -> str:
        return " ".join(value)

    def lines(self, value: Any) -> list[str]:
        return [self.show(value) or '""']


class ReplicaOf(Kind):
    """Whom to replicate; None or (host, port)."""

    several = True

    def read(self, arguments: Sequence[str], current: Any) -> tuple[str, int] | None:
        if len(arguments) != 2:
            raise ConfigError("wrong number of arguments")
        host, port_text = arguments
        if host.lower() == "no" and port_text.lower() == "one":
            return None
        port = parse_lenient_integer(port_text)
        if port is None or not 0 <= port <= 65535:
            raise ConfigError("Invalid master port")
        return host, port

    def show(self, value: Any) -> str:
        return "" if value is None else f"{value[0]} {value[1]}"

    def lines(self, value: Any) -> list[str]:
        return [] if value is None else [self.show(value)]


class Directory(Kind):
    """The working directory; a str. Whoever sets it changes the directory (`Config`)."""

    def read(self, arguments: Sequence[str], current: Any) -> str:
        return arguments[0].split("\0", 1)[0]

    def lines(self, value: Any) -> list[str]:
        return [quoted(value)]


class Unsupported(Kind):
    """A directive of hardware that this server does not drive: it holds nothing and refuses everything."""

    several = True

    def __init__(self, message: str) -> None:
        self.message = message

    def read(self, arguments: Sequence[str], current: Any) -> str:
        raise ConfigError(self.message)

    def lines(self, value: Any) -> list[str]:
        return []


def check_file_name(name: str) -> Callable[[str], str | None]:
    """Make the check of a directive that names a file in the working directory."""

    def check(text: str) -> str | None:
        return f"{name} can't be a path, just a filename" if "/" in text else None

    return check


def check_append_file(text: str) -> str | None:
    """The append-only file's name: not empty, not a path."""
    return "appendfilename can't be empty" if not text else check_file_name("appendfilename")(text)


def check_append_directory(text: str) -> str | None:
    """The append-only file's directory: not empty, not a path."""
    if not text:
        return "appenddirname can't be empty"
    return "appenddirname can't be a path, just a dirname" if "/" in text else None


def check_cluster_file(text: str) -> str | None:
    """The cluster's state file has a name."""
    return None if text else "cluster-config-file can't be empty"


def check_host_name(text: str) -> str | None:
    """What other nodes may announce to clients as a host name."""
    if len(text) >= 256:
        return "Hostnames must be less than 256 characters"
    if not all(character.isascii() and (character.isalnum() or character in "-.") for character in text):
        return "Hostnames may only contain alphanumeric characters, hyphens or dots"
    return None


def check_node_name(text: str) -> str | None:
    """A node's name for people: none of the characters that mean something in the cluster's state file."""
    if any(character in "!#$%&()*+:;<>?@[]^{|}~" for character in text):
        return "Announced human node name contained invalid character"
    return None


def check_title_template(text: str) -> str | None:
    """A process title: known variables in braces, not blank."""
    rest = text
    while "{" in rest:
        variable, closed, rest = rest.split("{", 1)[1].partition("}")
        if not closed or variable not in TITLE_VARIABLES:
            return "template format is invalid or contains unknown variables"
    # The original tries it with an empty {title}.
    shown = text.replace("{title}", "").strip()
    return None if shown else "template format is invalid or contains unknown variables"


def check_locale(text: str) -> str | None:
    """A locale that the C library has; it leaves the process's locale as it was."""
    import locale

    before = locale.setlocale(locale.LC_COLLATE)
    try:
        locale.setlocale(locale.LC_COLLATE, text)
    except (locale.Error, ValueError):
        return "Invalid locale name"
    finally:
        locale.setlocale(locale.LC_COLLATE, before)
    return None


def check_address(family: str) -> Callable[[str], str | None]:
    """Make the check of a directive that holds an address of this family, or nothing."""

    def check(text: str) -> str | None:
        import socket

        try:
            if text:
                socket.inet_pton(socket.AF_INET if family == "IPv4" else socket.AF_INET6, text)
        except (OSError, ValueError):
            return f"Invalid {family} address"
        return None

    return check


class NoDefragmentation(Boolean):
    """`activedefrag`: the memory of this server is not jemalloc's, so it can only be off."""

    def read(self, arguments: Sequence[str], current: Any) -> bool:
        if super().read(arguments, current):
            raise ConfigError(
                "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified "
                "Jemalloc like the one shipped by default with the Redis source distribution"
            )
        return False


class Frequency(Integer):
    """`hz`: out of its bounds it is taken to the nearest bound, in silence."""

    def read(self, arguments: Sequence[str], current: Any) -> int:
        return max(1, min(500, super().read(arguments, current)))
