"""How large the values of a database are: what INFO keysizes tells.

A histogram per type: bin 0 counts what is empty, bin i (from 1) what measures from 2**(i-1) to 2**i - 1: bytes of
strings, elements of collections. Nothing is kept while keys change; whoever asks pays for the walk, which is bounded by
time. What a walk came through is a fair sample, since tables are in the order of hashes: the rest is reckoned from it.
"""
from libc.stdint cimport uint64_t
from redislite._core.state.core cimport Core, Database

cdef enum:
    SIZE_TYPES = 8                  # by type code
    SIZE_BINS = 65


cdef struct KeySizes:
    uint64_t counts[SIZE_TYPES][SIZE_BINS]
    uint64_t seen                   # entries walked through
    uint64_t keys                   # entries that there are


# Fills sizes from a database; looks at the clock, and gives up after this many microseconds at about the latest.
cdef void key_sizes(Core* core, Database* database, uint64_t budget_us, KeySizes* sizes) noexcept nogil
# The same as Python has it: by the name of each type that there is, how many keys by the least size of their bin.
cdef object key_sizes_by_type(Core* core, Database* database, uint64_t budget_us)
