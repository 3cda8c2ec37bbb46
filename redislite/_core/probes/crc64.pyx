"""Python functions over the checksum of RDB data, for unit tests only."""
from libc.stdint cimport uint64_t
from redislite._core.text.crc64 cimport crc64_update, crc64_update_portable


def update(uint64_t crc, bytes data):
    return crc64_update(crc, <const char*> data, len(data))


def update_portable(uint64_t crc, bytes data):
    return crc64_update_portable(crc, <const char*> data, len(data))
