"""Doubles as text: what is written reads back as the same number, in the original's notation."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redislite._core.probes.numbers import LONG_DOUBLE_BITS, double_text, long_double_text, read_double

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.one_of(finite, st.integers(-(10**9), 10**9).flatmap(lambda n: st.integers(0, 9).map(lambda d: n / 10**d))))
def test_text_reads_back(value: float) -> None:
    text = double_text(value)
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert read_double(text) == value


@given(finite)
def test_text_is_hardly_longer_than_the_shortest(value: float) -> None:
    digits = double_text(value).split(b"e")[0].replace(b".", b"").strip(b"-0")
    shortest = repr(value).split("e")[0].replace(".", "").strip("-0")
    # Grisu2 misses the shortest form of one number in a thousand. Integers below 2**62 print with all their digits.
    assert len(digits) <= max(17, len(shortest)) or (abs(value) < 2.0**62 and value == int(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"), (-0.0, b"-0"), (1.0, b"1"), (-17.0, b"-17"), (0.1, b"0.1"), (1.5, b"1.5"),
        (math.inf, b"inf"), (-math.inf, b"-inf"), (1e17, b"100000000000000000"), (5e18, b"5e+18"),
        (4611686018427387904.0, b"4611686018427387904"), (9223372036854775807.0, b"9223372036854776000"),
        (1e20, b"1e+20"), (1e21, b"1e+21"), (1e23, b"99999999999999990000000"),
        (123456789012345680000.0, b"123456789012345680000"),
        (1e-6, b"0.000001"), (1e-7, b"1e-7"), (1.234e-5, b"1.234e-5"), (1.2345e-6, b"1.2345e-6"), (9.5e-5, b"0.000095"),
        (26137.86674820849, b"2.613786674820849e+4"), (123.456, b"123.456"), (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"), (1.23456789012345e24, b"1.23456789012345e+24"),
    ],
)  # fmt: skip
def test_notation(value: float, text: bytes) -> None:
    assert double_text(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"5.", 5.0), (b".5", 0.5), (b"+5", 5.0), (b"-0", -0.0), (b"1e5", 1e5), (b"0x10", 16.0), (b"inf", math.inf),
        (b"-Infinity", -math.inf), (b"00012.50", 12.5), (b"123456789012345", 123456789012345.0),
        (b"0.1", 0.1), (b"17.000000000001", 17.000000000001), (b"1" + b"0" * 400 + b"e-400", 1.0),
    ],
)  # fmt: skip
def test_numbers_are_read(text: bytes, value: float) -> None:
    assert read_double(text) == value


@pytest.mark.parametrize("text", [b"", b" 1", b"1 ", b"-", b".", b"1.2.3", b"nan", b"1e", b"1e400", b"1e-400", b"abc"])
def test_other_texts_are_not(text: bytes) -> None:
    assert read_double(text) is None


@given(st.text("0123456789.+-e", max_size=16))
def test_reading_agrees_with_python(text: str) -> None:
    try:
        expected = float(text) if "_" not in text else None
    except ValueError:
        expected = None
    if expected is not None and math.isinf(expected):
        expected = None
    if expected == 0 and any(c in "123456789" for c in text.split("e")[0]):
        expected = None
    assert read_double(text.encode()) == expected


def fixed_text(value: Fraction) -> str:
    """Seventeen digits behind the point, to the nearest even, without zeros at the end."""
    digits = f"{round(abs(value) * 10**17):018}"
    text = f"{digits[:-17]}.{digits[-17:]}".rstrip("0").rstrip(".")
    return "-" + text if value < 0 and text != "0" else text


def nearest(value: Fraction) -> Fraction:
    """The long double closest to a number."""
    if value == 0:
        return value
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (exponent - LONG_DOUBLE_BITS + 1)
    return round(value / unit) * unit


numbers = st.builds(
    lambda digits, places: f"{'-' if digits < 0 else ''}{abs(digits)}e-{places}",
    st.integers(-(10**22), 10**22),
    st.integers(0, 30),
)
halves = st.builds(lambda n, places: repr(n / 2**places), st.integers(-(2**53), 2**53), st.integers(0, 80))


@given(st.one_of(numbers, halves, st.floats(-1e19, 1e19).map(repr)))
@example("0.000000000000000005")
@example("-0.0")
@example("0.999999999999999999")
@example("4611686018427387903.5")
@example("0.00000000000000000762939453125")
def test_long_doubles_are_written_to_seventeen_places(text: str) -> None:
    written = long_double_text(text.encode())
    assert written is not None
    assert written.decode() == fixed_text(nearest(Fraction(text)))
