"""LOLWUT's drawings: each is another every time, and is made of text alone.

A drawing is a function of its size in characters and a source of chance; it answers its lines.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Drawing = Callable[[int, int, Random], list[str]]

MAXIMUM_COLUMNS = 200
MAXIMUM_ROWS = 100
DEFAULT_COLUMNS = 66
DEFAULT_ROWS = 22

BRAILLE = 0x2800  # the empty cell; each of its dots is a bit
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column within a cell
HALF_BLOCKS = " ▄▀█"  # neither half, the lower, the upper, both
# Elementary cellular automata that are worth looking at, by their numbers.
RULES = (18, 22, 30, 45, 60, 73, 90, 105, 110, 126, 150)


def harmonograph(columns: int, rows: int, chance: Random) -> list[str]:
    """What two pendulums draw that swing out of step and tire, in Braille dots."""
    width, height = columns * 2, rows * 4
    ratio = chance.choice(((1, 1), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5), (5, 6)))
    detuning = chance.uniform(0.002, 0.02)
    phase = chance.uniform(0, math.pi)
    damping = chance.uniform(0.004, 0.015)
    cells = [[0] * columns for _ in range(rows)]
    steps = (width + height) * 60
    for step in range(steps):
        time = step * 240.0 / steps
        swing = math.exp(-damping * time)
        x = swing * math.sin(ratio[0] * time + phase)
        y = swing * math.sin((ratio[1] + detuning) * time)
        dot_x = round((x + 1) / 2 * (width - 1))
        dot_y = round((y + 1) / 2 * (height - 1))
        cells[dot_y // 4][dot_x // 2] |= DOTS[dot_y % 4][dot_x % 2]
    lines = ["".join(chr(BRAILLE + cell) for cell in row) for row in cells]
    return [*lines, "", f"A harmonograph: {ratio[0]} to {ratio[1]}, slightly out of tune"]


def automaton(columns: int, rows: int, chance: Random) -> list[str]:
    """The generations of a row of cells that live and die by one rule, two to a line."""
    rule = chance.choice(RULES)
    if chance.random() < 0.5:
        cells = [0] * columns
        cells[columns // 2] = 1
    else:
        cells = [chance.getrandbits(1) for _ in range(columns)]
    lines: list[str] = []
    for _ in range(rows):
        upper, lower = cells, _next_generation(cells, rule)
        lines.append("".join(HALF_BLOCKS[2 * a + b] for a, b in zip(upper, lower, strict=True)).rstrip())
        cells = _next_generation(lower, rule)
    return [*lines, "", f"Elementary cellular automaton, rule {rule}"]


def _next_generation(cells: list[int], rule: int) -> list[int]:
    last = len(cells) - 1
    return [
        rule >> (4 * cells[at - 1] + 2 * cell + cells[at + 1 if at < last else 0]) & 1 for at, cell in enumerate(cells)
    ]


# By the version that LOLWUT is asked for; any other gets the first.
DRAWINGS: dict[int, Drawing] = {5: harmonograph, 6: automaton}


def draw(version: int, columns: int, rows: int, chance: Random) -> str:
    """The drawing of a version; a size out of bounds is brought within them."""
    drawing = DRAWINGS.get(version, harmonograph)
    columns = min(max(columns, 1), MAXIMUM_COLUMNS)
    rows = min(max(rows, 1), MAXIMUM_ROWS)
    return "\n".join(drawing(columns, rows, chance)) + "\n"
