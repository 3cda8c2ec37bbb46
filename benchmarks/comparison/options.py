"""The command line: settings whose fields are options, and the types of their arguments.

A field made by `option` is the only place that says an option's name, type, default and help:

    @dataclass(frozen=True)
    class Settings:
        keys: int = option(8_000_000, whole_number(1, 100_000_000), "keys to set")

gives `--keys`; `add_options` declares it and `read` makes the settings of what was given.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def option(default: object, kind: Callable[[str], object] = str, help: str | None = None, **more: object) -> Any:
    """A field of a dataclass that is an option; `more` goes to argparse (metavar, choices).

    A default that is a text is converted like one that was given.
    """
    words = {"default": default, "type": kind, "help": help, **more}
    return field(default_factory=lambda: kind(default) if isinstance(default, str) else default, metadata=words)


def flag(name: str) -> str:
    """Return the option that sets the field of this name."""
    return "--" + name.replace("_", "-")


def add_options(parser: argparse.ArgumentParser, settings: type, help: str | None = None) -> None:
    """Declare the options of a class of settings; `help`, if given, stands in for the help of each."""
    for one in fields(settings):
        words = dict(one.metadata)
        parser.add_argument(flag(one.name), **(words | {"help": help} if help else words))


def read(settings: type[T], given: argparse.Namespace) -> T:
    """Return the settings that the parsed options say."""
    return settings(**{one.name: getattr(given, one.name) for one in fields(settings)})  # type: ignore[arg-type]


def telling(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return an argparse type whose error says what `parse`, which raises ValueError, has to say."""

    def convert(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type for a bounded whole number."""

    def convert(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not in {least}..{most}")
        return value

    convert.__name__ = "whole number"
    return convert


def seconds(text: str) -> float:
    """An argparse type: more than nothing, less than an hour."""
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{value} is not within an hour")
    return value


def whole_numbers(text: str) -> tuple[int, ...]:
    """An argparse type: pipeline depths, or sizes, such as `1,16,100`."""
    return tuple(dict.fromkeys(whole_number(1, 10_000)(part) for part in text.split(",")))


def pick(kind: str, names: str, known: Mapping[str, T], sets: Mapping[str, Iterable[str]] | None = None) -> list[T]:
    """Turn `all`, the name of a set, or names with commas between into what they name; raises ValueError."""
    if names == "all":
        return list(known.values())
    if sets and names in sets:
        return [known[name] for name in sets[names]]
    wanted = [name.strip() for name in names.lower().split(",")]
    for name in wanted:
        if name not in known:
            raise ValueError(f"no {kind} named {name!r}; there are: {', '.join(known)}")
    return [known[name] for name in wanted]
