"""The directives: what each one is called, what it may hold, and what it holds when nobody says anything.

One row of `DIRECTIVES` per directive. A row has no behaviour of its own: its kind reads and prints values, its flags
say when it may change, and the parts of the server that a directive concerns subscribe to it (`Config.on_change`).
Guarantees: a kind's `read` either returns a complete value or raises `ConfigError` with the text that a client sees;
no function here touches the configuration, a file or the network, except `check_locale`, which asks the C library.

Texts are `str` with undecodable bytes kept as surrogates (`surrogateescape`), so nothing that was written is lost.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
UINT_MAX = 2**32 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
ULONG_MAX = 2**64 - 1

# Flags of a row.
IMMUTABLE = 1  # only at start
SENSITIVE = 2  # never to be logged
HIDDEN = 4  # CONFIG GET shows it only when it is named exactly
PROTECTED = 8  # CONFIG SET needs enable-protected-configs
DENY_LOADING = 16  # CONFIG SET is refused while a data set is being loaded
SAME_ALLOWED = 64  # immutable, yet CONFIG SET may name the value that it has: none of the original's
VOLATILE = 32  # names something outside (a file): observers run even when the value is the same

SAVE_DEFAULT = ((3600, 1), (300, 100), (60, 10000))
BUFFER_LIMITS_DEFAULT = {
    "normal": (0, 0, 0),
    "slave": (256 * 1024 * 1024, 64 * 1024 * 1024, 60),
    "pubsub": (32 * 1024 * 1024, 8 * 1024 * 1024, 60),
}
MAXIMUM_BIND_ADDRESSES = 16
TITLE_VARIABLES = ("title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file")


class ConfigError(Exception):
    """A directive was refused; the message is the original's."""


def quoted(text: str) -> str:
    """Write text in double quotes so that `split_arguments` reads the same text back."""
    parts = ['"']
    for byte in text.encode("utf-8", "surrogateescape"):
        if byte in b'\\"':
            parts.append("\\" + chr(byte))
        elif 32 <= byte < 127:
            parts.append(chr(byte))
        else:
            parts.append(_ESCAPE_OF.get(byte) or f"\\x{byte:02x}")
    parts.append('"')
    return "".join(parts)


_ESCAPE_OF = {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 1024**2, "g": 10**9, "gb": 1024**3}
_DIGITS = "0123456789"


def parse_memory(text: str) -> int | None:
    """Read an amount of bytes with an optional unit; None when it is not one.

    Out of the range of 64 bits, digits saturate and the multiplication wraps, as in the original; no digits are 0.
    """
    digits = len(text) - len(text.lstrip(_DIGITS))
    factor = _UNITS.get(text[digits:].lower())
    if factor is None or digits >= 128:
        return None
    return min(int(text[:digits] or "0"), ULONG_MAX) * factor & ULONG_MAX


def exceeds_memory(text: str) -> bool:
    """Whether the digits of an amount of bytes say more than 64 bits hold."""
    digits = text[: len(text) - len(text.lstrip(_DIGITS))]
    return len(digits) >= 20 and int(digits[:128]) > ULONG_MAX


def format_memory(size: int) -> str:
    """Write bytes with the largest unit that divides them."""
    for unit, factor in (("gb", 1024**3), ("mb", 1024**2), ("kb", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def parse_integer(text: str) -> int | None:
    """Read a number of 64 bits in its canonical decimal form; None when it is anything else."""
    digits = text[1:] if text[:1] == "-" else text
    if not digits or digits.strip(_DIGITS) or (digits[0] == "0" and text != "0") or len(digits) > 19:
        return None
    value = int(text)
    return value if LONG_MIN <= value <= LONG_MAX else None


def parse_lenient_integer(text: str) -> int | None:
    """Read a number as C's `strtoll` does: blanks, a sign, nothing at all (0); saturates at 64 bits."""
    if not text:
        return 0
    body = text.lstrip(" \t\n\v\f\r")
    digits = body[1:] if body[:1] in ("-", "+") else body
    if not digits or digits.strip(_DIGITS):
        return None
    value = int(digits) if len(digits) < 40 else LONG_MAX
    return max(LONG_MIN, min(LONG_MAX, -value if body[0] == "-" else value))


def wrapped_int(value: int) -> int:
    """What becomes of a number that the original keeps in an int."""
    return (value - INT_MIN) % 2**32 + INT_MIN


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
    """One word of a list; a str. A synonym is accepted and becomes the word that it stands for."""

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


class KeyspaceEvents(Kind):
    """Classes of events to publish; a str of letters (`keyspace_events`), in a fixed order, with `A` spelled out."""

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


def _check_address(family: str) -> Callable[[str], str | None]:
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


class Directive:
    """A row: `name`, `kind`, `default`, `flags` and `aliases`, other names that mean the same."""

    __slots__ = ("aliases", "default", "flags", "kind", "name")

    def __init__(self, name: str, kind: Kind, default: object, flags: int = 0, aliases: tuple[str, ...] = ()) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.flags = flags
        self.aliases = aliases


BOOLEAN = Boolean()
OPTIONAL_TEXT = Text(empty_means_unset=True)
PLAIN_TEXT = Text(empty_means_unset=False)
OPTIONAL_BINARY = Binary(empty_means_unset=True)
COUNT = Integer(0, INT_MAX)
POSITIVE = Integer(1, INT_MAX)
ANY_INT = Integer(INT_MIN, INT_MAX)
LONG_COUNT = Integer(0, LONG_MAX)
THRESHOLD = Integer(-1, LONG_MAX)
TCP_PORT = Integer(0, 65535)
SIZE = Memory(0, LONG_MAX)
PERMISSION = Choice(("no", "yes", "local"))
SIGNAL_SHUTDOWN = ShutdownOptions(("default", "save", "nosave", "now", "force"))
EVICTION_POLICY = Choice(
    (
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    )
)
MEBIBYTE = 1024 * 1024

DIRECTIVES: tuple[Directive, ...] = (
    Directive("acl-pubsub-default", Choice(("allchannels", "resetchannels")), "resetchannels"),
    Directive("aclfile", PLAIN_TEXT, "", IMMUTABLE),
    Directive("acllog-max-len", LONG_COUNT, 128),
    Directive("active-defrag-cycle-max", Integer(1, 99), 25),
    Directive("active-defrag-cycle-min", Integer(1, 99), 1),
    Directive("active-defrag-cycle-us", Integer(0, 100000), 500),
    Directive("active-defrag-ignore-bytes", Memory(1, LONG_MAX), 100 * MEBIBYTE),
    Directive("active-defrag-max-scan-fields", Integer(1, LONG_MAX), 1000),
    Directive("active-defrag-threshold-lower", Integer(0, 1000), 10),
    Directive("active-defrag-threshold-upper", Integer(0, 1000), 100),
    Directive("active-expire-effort", Integer(1, 10), 1),
    Directive("activedefrag", NoDefragmentation(), False),
    Directive("activerehashing", BOOLEAN, True),
    Directive("always-show-logo", BOOLEAN, False, IMMUTABLE),
    Directive("aof-disable-auto-gc", BOOLEAN, False),
    Directive("aof-load-truncated", BOOLEAN, True),
    Directive("aof-rewrite-incremental-fsync", BOOLEAN, True),
    Directive("aof-timestamp-enabled", BOOLEAN, False),
    Directive("aof-use-rdb-preamble", BOOLEAN, True),
    Directive("aof_rewrite_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("aof-rewrite-cpulist",)),
    Directive("appenddirname", Text(False, check_append_directory), "appendonlydir", IMMUTABLE),
    Directive("appendfilename", Text(False, check_append_file), "appendonly.aof", IMMUTABLE),
    Directive("appendfsync", Choice(("everysec", "always", "no")), "everysec"),
    Directive("appendonly", BOOLEAN, False),
    Directive("auto-aof-rewrite-min-size", SIZE, 64 * MEBIBYTE),
    Directive("auto-aof-rewrite-percentage", COUNT, 100),
    Directive("availability-zone", Binary(empty_means_unset=False), b""),
    Directive("bgsave_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("bgsave-cpulist",)),
    Directive("bind", BindAddresses(), ("*", "-::*")),
    Directive("bind-source-addr", OPTIONAL_TEXT, ""),
    Directive("bio_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("bio-cpulist",)),
    Directive("busy-reply-threshold", LONG_COUNT, 5000, aliases=("lua-time-limit",)),
    Directive("client-default-resp", Integer(2, 3), 2, IMMUTABLE | HIDDEN),
    Directive("client-output-buffer-limit", BufferLimits(), BUFFER_LIMITS_DEFAULT),
    Directive("client-query-buffer-limit", Memory(MEBIBYTE, LONG_MAX), 1024 * MEBIBYTE),
    Directive("cluster-allow-pubsubshard-when-down", BOOLEAN, True),
    Directive("cluster-allow-reads-when-down", BOOLEAN, False),
    Directive("cluster-allow-replica-migration", BOOLEAN, True),
    Directive("cluster-announce-bus-port", TCP_PORT, 0),
    Directive("cluster-announce-client-ipv4", Text(True, _check_address("IPv4")), ""),
    Directive("cluster-announce-client-ipv6", Text(True, _check_address("IPv6")), ""),
    Directive("cluster-announce-client-port", TCP_PORT, 0),
    Directive("cluster-announce-client-tls-port", TCP_PORT, 0),
    Directive("cluster-announce-hostname", Text(True, check_host_name), ""),
    Directive("cluster-announce-human-nodename", Text(True, check_node_name), ""),
    Directive("cluster-announce-ip", OPTIONAL_TEXT, ""),
    Directive("cluster-announce-port", TCP_PORT, 0),
    Directive("cluster-announce-tls-port", TCP_PORT, 0),
    Directive("cluster-blacklist-ttl", LONG_COUNT, 60),
    Directive("cluster-compatibility-sample-ratio", Integer(0, 100), 0),
    Directive("cluster-config-file", Text(False, check_cluster_file), "nodes.conf", IMMUTABLE),
    Directive("cluster-config-save-behavior", Choice(("sync", "best-effort")), "sync"),
    Directive("cluster-databases", POSITIVE, 1, IMMUTABLE),
    Directive("cluster-enabled", BOOLEAN, False, IMMUTABLE),
    Directive("cluster-link-sendbuf-limit", Memory(0, ULONG_MAX), 0),
    Directive("cluster-manual-failover-timeout", POSITIVE, 5000),
    Directive("cluster-message-gossip-perc", Integer(1, 100), 10, HIDDEN),
    Directive("cluster-migration-barrier", COUNT, 1),
    Directive("cluster-node-timeout", LONG_COUNT, 15000),
    Directive("cluster-ping-interval", LONG_COUNT, 0, HIDDEN),
    Directive("cluster-port", TCP_PORT, 0, IMMUTABLE),
    Directive("cluster-preferred-endpoint-type", Choice(("ip", "hostname", "unknown-endpoint")), "ip"),
    Directive("cluster-replica-no-failover", BOOLEAN, False, aliases=("cluster-slave-no-failover",)),
    Directive("cluster-replica-validity-factor", COUNT, 10, aliases=("cluster-slave-validity-factor",)),
    Directive("cluster-require-full-coverage", BOOLEAN, True),
    Directive("cluster-slot-migration-log-max-len", LONG_COUNT, 1000),
    Directive("cluster-slot-stats-enabled", BOOLEAN, False),
    Directive("commandlog-large-reply-max-len", LONG_COUNT, 128),
    Directive("commandlog-large-request-max-len", LONG_COUNT, 128),
    Directive("commandlog-reply-larger-than", THRESHOLD, 1048576),
    Directive("commandlog-request-larger-than", THRESHOLD, 1048576),
    Directive("connection-rate-limit", COUNT, 0),
    Directive("compatibility", Choice(("redis", "valkey")), "redis", IMMUTABLE | SAME_ALLOWED),
    Directive("crash-log-enabled", BOOLEAN, True),
    Directive("crash-memcheck-enabled", BOOLEAN, True),
    Directive("daemonize", BOOLEAN, False, IMMUTABLE),
    Directive("databases", POSITIVE, 16, IMMUTABLE),
    Directive("dbfilename", Text(False, check_file_name("dbfilename")), "dump.rdb", PROTECTED),
    Directive("debug-context", PLAIN_TEXT, "", HIDDEN),
    Directive("dir", Directory(), "", PROTECTED | DENY_LOADING),
    Directive("disable-thp", BOOLEAN, True, IMMUTABLE),
    Directive("dual-channel-replication-enabled", BOOLEAN, False),
    Directive("dynamic-hz", BOOLEAN, True),
    Directive("enable-debug-assert", BOOLEAN, False, IMMUTABLE | HIDDEN),
    Directive("enable-debug-command", PERMISSION, "no", IMMUTABLE),
    Directive("enable-module-command", PERMISSION, "no", IMMUTABLE),
    Directive("enable-protected-configs", PERMISSION, "no", IMMUTABLE),
    Directive("enable-python-functions", BOOLEAN, False, IMMUTABLE),
    Directive("events-per-io-thread", COUNT, 2, HIDDEN),
    Directive("extended-redis-compatibility", BOOLEAN, False),
    Directive("hash-max-listpack-entries", LONG_COUNT, 512, aliases=("hash-max-ziplist-entries",)),
    Directive("hash-max-listpack-value", SIZE, 64, aliases=("hash-max-ziplist-value",)),
    Directive("hash-seed", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("hide-user-data-from-log", BOOLEAN, False),
    Directive("hll-sparse-max-bytes", SIZE, 3000),
    Directive("hz", Frequency(0, INT_MAX), 10),
    Directive("ignore-warnings", PLAIN_TEXT, ""),
    Directive("import-mode", BOOLEAN, False),
    Directive(
        "io-multiplexing",
        Choice(("auto", "epoll", "kqueue", "poll", "select", "sync")),
        "auto",
        IMMUTABLE | SAME_ALLOWED,
    ),
    Directive("io-threads", Integer(1, 128), 1, IMMUTABLE),
    Directive("io-threads-always-active", BOOLEAN, False, HIDDEN),
    Directive("io-threads-do-reads", BOOLEAN, False, IMMUTABLE | SAME_ALLOWED),
    Directive("jemalloc-bg-thread", BOOLEAN, True),
    Directive("key-load-delay", ANY_INT, 0, HIDDEN),
    Directive("latency-monitor-threshold", LONG_COUNT, 0),
    Directive("latency-tracking", BOOLEAN, True),
    Directive("latency-tracking-info-percentiles", Percentiles(), (50.0, 99.0, 99.9)),
    Directive("lazyfree-lazy-eviction", BOOLEAN, False),
    Directive("lazyfree-lazy-expire", BOOLEAN, False),
    Directive("lazyfree-lazy-server-del", BOOLEAN, False),
    Directive("lazyfree-lazy-user-del", BOOLEAN, False),
    Directive("lazyfree-lazy-user-flush", BOOLEAN, False),
    Directive("lfu-decay-time", COUNT, 1),
    Directive("lfu-log-factor", COUNT, 10),
    Directive("list-compress-depth", COUNT, 0),
    Directive("list-max-listpack-size", ANY_INT, -2, aliases=("list-max-ziplist-size",)),
    Directive("loading-process-events-interval-bytes", Integer(1024, INT_MAX), 524288, HIDDEN),
    Directive("locale-collate", Text(False, check_locale), ""),
    Directive("log-format", Choice(("legacy", "logfmt", "json")), "legacy"),
    Directive("log-timestamp-format", Choice(("legacy", "iso8601", "milliseconds")), "legacy"),
    Directive("logfile", PLAIN_TEXT, "", IMMUTABLE),
    Directive("loglevel", Choice(("debug", "verbose", "notice", "warning", "nothing")), "notice"),
    Directive("lua-enable-deprecated-api", BOOLEAN, False, IMMUTABLE | HIDDEN),
    Directive("lua-enable-insecure-api", BOOLEAN, False, HIDDEN),
    Directive("masterauth", OPTIONAL_BINARY, b"", SENSITIVE, ("primaryauth",)),
    Directive("masteruser", OPTIONAL_TEXT, "", SENSITIVE, ("primaryuser",)),
    Directive("max-new-connections-per-cycle", Integer(1, 1000), 10),
    Directive("max-new-tls-connections-per-cycle", Integer(1, 1000), 1),
    Directive("maxclients", Integer(1, UINT_MAX), 10000),
    Directive("maxmemory", Memory(0, ULONG_MAX), 0),
    Directive("maxmemory-clients", Memory(0, LONG_MAX, percent=True), 0),
    Directive("maxmemory-eviction-tenacity", Integer(0, 100), 10),
    Directive("maxmemory-policy", EVICTION_POLICY, "noeviction"),
    Directive("maxmemory-samples", POSITIVE, 5),
    Directive("maxmemory-warning-percent", Integer(0, 100), 0),
    Directive("min-replicas-max-lag", COUNT, 10, aliases=("min-slaves-max-lag",)),
    Directive("min-replicas-to-write", COUNT, 0, aliases=("min-slaves-to-write",)),
    Directive("min-io-threads-avoid-copy-reply", COUNT, 7, HIDDEN),
    Directive("min-string-size-avoid-copy-reply", COUNT, 16384, HIDDEN),
    Directive("min-string-size-avoid-copy-reply-threaded", COUNT, 65536, HIDDEN),
    Directive("mptcp", BOOLEAN, False, IMMUTABLE),
    Directive("no-appendfsync-on-rewrite", BOOLEAN, False),
    Directive("notify-keyspace-events", KeyspaceEvents(), ""),
    Directive("oom-score-adj", Choice(("no", "yes", "relative", "absolute"), {"relative": "yes"}), "no"),
    Directive("oom-score-adj-values", ScoreAdjustments(), (0, 200, 800)),
    Directive("pidfile", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("port", TCP_PORT, 6379),
    Directive("prefetch-batch-max-size", Integer(0, 128), 16),
    Directive("proc-title-template", Text(False, check_title_template), "{title} {listen-addr} {server-mode}"),
    Directive("propagation-error-behavior", Choice(("ignore", "panic", "panic-on-replicas")), "ignore"),
    Directive("protected-mode", BOOLEAN, True),
    Directive("proto-max-bulk-len", Memory(MEBIBYTE, LONG_MAX), 512 * MEBIBYTE),
    Directive("rdb-del-sync-files", BOOLEAN, False),
    Directive("rdb-hash-field-expiry", Choice(("redis", "valkey")), "redis"),
    Directive("rdb-key-save-delay", ANY_INT, 0, HIDDEN),
    Directive("rdb-save-incremental-fsync", BOOLEAN, True),
    Directive("rdb-version-check", Choice(("strict", "relaxed")), "strict"),
    Directive("rdbchecksum", BOOLEAN, True, IMMUTABLE),
    Directive("rdbcompression", BOOLEAN, True),
    Directive("rdma-bind", Unsupported("No RDMA building support."), ""),
    Directive("rdma-completion-vector", Integer(-1, 1024), -1, IMMUTABLE),
    Directive("rdma-port", TCP_PORT, 0),
    Directive("rdma-rx-size", Integer(65536, 16777216), 1048576, IMMUTABLE),
    Directive("repl-backlog-size", Memory(1, LONG_MAX), MEBIBYTE),
    Directive("repl-backlog-ttl", LONG_COUNT, 3600),
    Directive("repl-disable-tcp-nodelay", BOOLEAN, False),
    Directive(
        "repl-diskless-load",
        Choice(("disabled", "on-empty-db", "swapdb", "flush-before-load")),
        "disabled",
        DENY_LOADING,
    ),
    Directive("repl-diskless-sync", BOOLEAN, True),
    Directive("repl-diskless-sync-delay", COUNT, 5),
    Directive("repl-diskless-sync-max-replicas", COUNT, 0),
    Directive("repl-mptcp", BOOLEAN, False, IMMUTABLE),
    Directive("repl-ping-replica-period", POSITIVE, 10, aliases=("repl-ping-slave-period",)),
    Directive("repl-rdb-channel", BOOLEAN, True, HIDDEN),
    Directive("repl-timeout", POSITIVE, 60),
    Directive("replica-announce-ip", OPTIONAL_TEXT, "", aliases=("slave-announce-ip",)),
    Directive("replica-announce-port", TCP_PORT, 0, aliases=("slave-announce-port",)),
    Directive("replica-announced", BOOLEAN, True),
    Directive("replica-full-sync-buffer-limit", SIZE, 0),
    Directive("replica-ignore-disk-write-errors", BOOLEAN, False),
    Directive("replica-ignore-maxmemory", BOOLEAN, True, aliases=("slave-ignore-maxmemory",)),
    Directive("replica-lazy-flush", BOOLEAN, False, aliases=("slave-lazy-flush",)),
    Directive("replica-priority", COUNT, 100, aliases=("slave-priority",)),
    Directive("replica-read-only", BOOLEAN, True, aliases=("slave-read-only",)),
    Directive("replica-serve-stale-data", BOOLEAN, True, aliases=("slave-serve-stale-data",)),
    Directive("replicaof", ReplicaOf(), None, IMMUTABLE, ("slaveof",)),
    Directive("req-res-logfile", OPTIONAL_TEXT, "", IMMUTABLE | HIDDEN),
    Directive("requirepass", OPTIONAL_BINARY, b"", SENSITIVE),
    Directive("sanitize-dump-payload", Choice(("no", "yes", "clients")), "no"),
    Directive("save", SavePoints(), SAVE_DEFAULT),
    Directive("server_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("server-cpulist",)),
    Directive("set-max-intset-entries", LONG_COUNT, 512),
    Directive("set-max-listpack-entries", LONG_COUNT, 128),
    Directive("set-max-listpack-value", LONG_COUNT, 64),
    Directive("set-proc-title", BOOLEAN, True, IMMUTABLE),
    Directive("shutdown-on-sigint", SIGNAL_SHUTDOWN, ()),
    Directive("shutdown-on-sigterm", SIGNAL_SHUTDOWN, ()),
    Directive("shutdown-timeout", COUNT, 10),
    Directive("slot-migration-max-failover-repl-bytes", SignedMemory(-1, LONG_MAX), 0),
    Directive("slowlog-log-slower-than", THRESHOLD, 10000, aliases=("commandlog-execution-slower-than",)),
    Directive("slowlog-max-len", LONG_COUNT, 128, aliases=("commandlog-slow-execution-max-len",)),
    Directive("snapshot-keep", COUNT, 0),
    Directive("socket-mark-id", Integer(0, UINT_MAX), 0, IMMUTABLE),
    Directive("stop-writes-on-bgsave-error", BOOLEAN, True),
    Directive("stream-node-max-bytes", SIZE, 4096),
    Directive("stream-node-max-entries", LONG_COUNT, 100),
    Directive("supervised", Choice(("upstart", "systemd", "auto", "no")), "no", IMMUTABLE),
    Directive("syslog-enabled", BOOLEAN, False, IMMUTABLE),
    Directive(
        "syslog-facility",
        Choice(("user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")),
        "local0",
        IMMUTABLE,
    ),
    Directive("syslog-ident", PLAIN_TEXT, "redis", IMMUTABLE),
    Directive("tcp-backlog", COUNT, 511, IMMUTABLE),
    Directive("tcp-keepalive", COUNT, 300),
    Directive("timeout", COUNT, 0),
    Directive("tls-auth-clients", Choice(("no", "yes", "optional")), "yes"),
    Directive("tls-auth-clients-user", Choice(("CN", "URI", "off")), "off"),
    Directive("tls-auto-reload-interval", COUNT, 0),
    Directive("tls-ca-cert-dir", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-ca-cert-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-cert-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-ciphers", OPTIONAL_TEXT, ""),
    Directive("tls-ciphersuites", OPTIONAL_TEXT, ""),
    Directive("tls-client-cert-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-client-key-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-client-key-file-pass", OPTIONAL_TEXT, "", SENSITIVE),
    Directive("tls-cluster", BOOLEAN, False),
    Directive("tls-dh-params-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-key-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-key-file-pass", OPTIONAL_TEXT, "", SENSITIVE),
    Directive("tls-port", TCP_PORT, 0),
    Directive("tls-prefer-server-ciphers", BOOLEAN, False),
    Directive("tls-protocols", OPTIONAL_TEXT, ""),
    Directive("tls-replication", BOOLEAN, False),
    Directive("tls-session-cache-size", COUNT, 20480),
    Directive("tls-session-cache-timeout", COUNT, 300),
    Directive("tls-session-caching", BOOLEAN, True),
    Directive("tracking-table-max-keys", LONG_COUNT, 1000000),
    Directive("unixsocket", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("unixsocketgroup", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("unixsocketperm", Octal(0, 0o777), 0, IMMUTABLE),
    Directive("use-exit-on-panic", BOOLEAN, False, HIDDEN),
    Directive("watchdog-period", COUNT, 0, HIDDEN),
    Directive("zset-max-listpack-entries", LONG_COUNT, 128, aliases=("zset-max-ziplist-entries",)),
    Directive("zset-max-listpack-value", SIZE, 64, aliases=("zset-max-ziplist-value",)),
)
