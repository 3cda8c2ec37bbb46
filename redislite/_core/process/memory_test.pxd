"""A test of the memory that the process uses, where it stands: for reports of crashes that broken memory may have
caused.

Each piece is saved, overwritten with patterns, read back, and restored; what it costs is a few seconds per gigabyte.
Only memory that is in use is touched. What the test itself works with is left out: its own data, stacks, thread-local
storage.

To be called with all other threads stopped and all signals blocked but those of faults; the process may go on behind
it.
"""

# Writes what it does to fd as it goes. True where some memory did not hold what was written.
cdef bint memory_test(int fd) noexcept nogil
