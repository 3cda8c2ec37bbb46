"""CRC-64 as snapshots and DUMP payloads carry it: the Jones polynomial, reflected, starting from 0.

Any number of pieces may be summed one after the other. Long pieces are folded with carry-less multiplication where the
processor has it, sixteen gigabytes a second; otherwise eight bytes at a time from tables.
"""
from libc.stdint cimport uint64_t


# The checksum of what crc is of, followed by these bytes.
cdef uint64_t crc64_update(uint64_t crc, const void* data, size_t length) noexcept nogil
# The same from the tables, whatever the processor can do (tests compare the two).
cdef uint64_t crc64_update_portable(uint64_t crc, const void* data, size_t length) noexcept nogil
