"""What every mode of the comparison is made of, and what it is given to measure with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .report import Metric, Report
from .servers import Server, Spec


@dataclass(frozen=True)
class Bench:
    """Where a mode measures, and the report that it fills. Every server has a port of its own; all share a core."""

    report: Report
    specs: Sequence[Spec]
    ports: Mapping[str, int]
    server_core: int
    load_core: int

    def start(self, spec: Spec, options: Sequence[str] = ()) -> Server:
        """Start a server, with more words for its command line; raises StartError."""
        return Server(spec, self.ports[spec.name], self.server_core, options)


class Settings(Protocol):
    """The mode's options: a dataclass whose fields are made by `options.option`."""

    @property
    def rounds(self) -> int: ...

    @property
    def title(self) -> str:
        """What the report is called."""


class Bounds(Protocol):
    """The limits that only this mode's reports have: options too, which `--check` looks at."""

    def failures(self, report: Report) -> list[str]:
        """Return a sentence for every bound that the report exceeds."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Mode(Generic[S]):
    """A subcommand of compare.py. `measure` fills the bench's report with values of `metrics`."""

    name: str
    help: str
    metrics: list[Metric]
    settings: type[S]
    measure: Callable[[Bench, S], None]
    bounds: type[Bounds] | None = None
