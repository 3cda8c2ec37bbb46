"""Active expiry: finding keys, and fields of hashes, whose time is up without anybody asking for them."""
from libc.stdint cimport int64_t
from redislite._core.state cimport Core


# One cycle over all databases, at most about budget_us microseconds. Goes on where the last one stopped.
cdef void expire_cycle(Core* core, int64_t budget_us) noexcept nogil
