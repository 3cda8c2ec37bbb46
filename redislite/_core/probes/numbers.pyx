"""Python functions over numbers.pyx, for unit tests and micro-benchmarks only; the server does not use them."""
from libc.float cimport LDBL_MANT_DIG
from redislite._core.text.numbers cimport (
    DOUBLE_TEXT_MAX, LONG_DOUBLE_TEXT_MAX, format_double, format_long_double, parse_double, parse_long_double,
)

LONG_DOUBLE_BITS = int(LDBL_MANT_DIG)


def double_text(double value) -> bytes:
    """The text of a double as format_double writes it."""
    cdef char text[DOUBLE_TEXT_MAX]
    cdef int length = format_double(text, value)
    return text[:length]


def read_double(bytes text) -> float | None:
    """The double that the text reads as, or None."""
    cdef double value
    return value if parse_double(text, len(text), &value) else None


def long_double_text(bytes text) -> bytes | None:
    """What format_long_double writes for the number that parse_long_double reads, or None."""
    cdef char written[LONG_DOUBLE_TEXT_MAX]
    cdef long double value
    cdef int length
    if not parse_long_double(text, len(text), &value):
        return None
    length = format_long_double(written, value)
    return written[:length]


def double_text_bytes(double first, double step, int count) -> int:
    """Writes count doubles and answers the bytes they took: something to time."""
    cdef char text[DOUBLE_TEXT_MAX]
    cdef int i
    cdef size_t total = 0
    for i in range(count):
        total += format_double(text, first + step * i)
    return total
