"""Figures of what an RDB file holds, by database and type, in the forms of Valkey's checker: keys, the elements of
their values, and how these are spread.

Guarantees: every key counts, those whose time is up too; percentiles of large numbers are rounded up to three digits,
as the original's are.
"""

from __future__ import annotations

from collections import Counter

from redislite.commands.info import at_percentile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from redislite._core.engine import Engine

FORMATS = ("table", "info", "csv")
# As the columns are called, in their order; and what the engine calls them.
TYPES = {"string": "string", "list": "list", "set": "set", "zset": "zset", "hash": "hash", "stream": "stream"}
COLUMNS = ("string", "list", "set", "zset", "hash", "module", "stream")
PERCENTILES = (99, 90, 50)
EXACT_BITS = 11  # binary digits of a number that percentiles tell


class Figures:
    """Of all keys of one type in one database."""

    def __init__(self) -> None:
        self.keys = 0
        self.expires = 0
        self.expired = 0
        self.key_bytes = 0
        self.elements = 0
        self.bytes = 0
        self.counts: Counter[int] = Counter()  # keys, by their number of elements
        self.sizes: Counter[int] = Counter()  # elements, by their bytes

    def rows(self) -> Iterator[tuple[str, str]]:
        """Names and values, as they are written."""
        yield "keys.total", str(self.keys)
        yield "expire_keys.total", str(self.expires)
        yield "already_expired.total", str(self.expired)
        yield "keys.size", str(self.key_bytes)
        yield "keys.value_size", str(self.bytes)
        yield "elements.total", str(self.elements)
        yield "elements.size", str(self.bytes)
        for name, spread, mean in (
            ("num", self.counts, self.elements / max(self.keys, 1)),
            ("size", self.sizes, self.bytes / max(self.elements, 1)),
        ):
            yield f"elements.{name}.max", str(max(spread, default=0))
            yield f"elements.{name}.avg", f"{mean:.2f}"
            values = sorted(spread.items())
            for percentile in PERCENTILES:
                value = _rounded(at_percentile(values, percentile)) if values else 0
                yield f"elements.{name}.p{percentile}", f"{value:.2f}"


def _rounded(number: int) -> int:
    """The largest number that has the same leading digits."""
    spare = max(0, number.bit_length() - EXACT_BITS)
    return ((number >> spare) + 1 << spare) - 1


def _score_text(score: float) -> str:
    return str(int(score)) if score.is_integer() and abs(score) < 1e17 else f"{score:.17g}"


def _element_sizes(engine: Engine, key: bytes, kind: str) -> list[int]:
    """Bytes of each element of a value: a member with its score, a field with its value."""
    if kind == "string":
        return [int(engine.execute("STRLEN", key))]
    if kind == "list":
        return [len(element) for element in engine.execute("LRANGE", key, 0, -1)]
    if kind == "set":
        return [len(member) for member in engine.execute("SMEMBERS", key)]
    if kind == "zset":
        ranked = engine.execute("ZRANGE", key, 0, -1, "WITHSCORES")
        return [len(member) + len(_score_text(score)) for member, score in ranked]
    if kind == "hash":
        return [len(field) + len(value) for field, value in engine.execute("HGETALL", key).items()]
    return [
        len(fields[at]) + len(fields[at + 1])
        for _identifier, fields in engine.execute("XRANGE", key, "-", "+")
        for at in range(0, len(fields), 2)
    ]


def collect(engine: Engine, database: int) -> dict[str, Figures]:
    """The figures of one database, by column."""
    figures = {column: Figures() for column in COLUMNS}
    now_ms = engine.renew_clock()
    engine.execute("SELECT", database)
    for key in engine.key_names(database):
        facts = engine.inspect(database, key)
        if facts is None:
            continue
        kind = str(facts["type"])
        one = figures[kind if kind in TYPES else "module"]
        deadline_ms = int(facts["deadline_ms"])
        one.keys += 1
        one.expires += deadline_ms >= 0
        one.expired += 0 <= deadline_ms < now_ms
        one.key_bytes += len(key)
        if kind not in TYPES:
            continue
        sizes = _element_sizes(engine, key, kind)
        count = len(sizes)
        if kind == "stream":
            count = int(engine.execute("XLEN", key))
        elif kind == "zset" and facts["encoding"] == "listpack":
            count *= 2  # the original counts what stands in the listpack: members, and scores
        one.elements += count
        one.bytes += sum(sizes)
        one.counts[count] += 1
        one.sizes.update(sizes)
    return figures


def lines(engine: Engine, databases: int, form: str) -> Iterator[str]:
    """The figures of the first so many databases, in one of FORMATS. The engine must not let anything expire."""
    for number in range(databases):
        figures = collect(engine, number)
        if form == "table":
            yield _table_row(f"db.{number}.type.name", COLUMNS)
        elif form == "csv":
            yield ",".join((f"db.{number}.type.name", *COLUMNS))
        for rows in zip(*(figures[column].rows() for column in COLUMNS), strict=True):
            name = rows[0][0]
            values = [value for _, value in rows]
            if form == "table":
                yield _table_row(f"db.{number}.{name}", values)
            elif form == "csv":
                yield ",".join((f"db.{number}.{name}", *values))
            else:
                for column, value in zip(COLUMNS, values, strict=True):
                    yield f"[info] db.{number}.type.{column}.{name}:{value}"


def _table_row(name: str, values: tuple[str, ...] | list[str]) -> str:
    return "\t".join((f"{name:<30}", *(f"{value:<5}" for value in values)))
