"""SHA-1, which names scripts (FIPS 180-4). Not for secrets."""
from libc.stddef cimport size_t

cdef enum:
    SHA1_HEX = 40               # characters of a digest


# Writes the digest of the bytes as SHA1_HEX characters of lower-case hexadecimal.
cdef void sha1_hex(const char* data, size_t length, char* text) noexcept nogil
