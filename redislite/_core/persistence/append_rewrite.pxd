"""The data set as the shortest list of commands that makes it: what a rewrite of the append-only file puts in the place
of all commands so far, where it is not a snapshot.

Runs without the interpreter and changes nothing that a parent process would see: a forked child does it.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.persistence.fork cimport ChildPage, ChildReport
from redislite._core.text.rdb_output cimport RdbOutput
from redislite._core.state.core cimport Core

cdef struct RewriteTask:
    int fd                          # of the new file
    const char* head                # what stands before the keys: requests, annotations
    size_t head_length
    uint64_t sync_bytes             # how often the file is handed to the disk meanwhile; 0: never
    int64_t key_delay_us            # pause after each key, negative: after as many keys a microsecond; for tests


# Forks a child that writes and syncs the file, and answers its number. Raises OSError.
cdef object rewrite_fork(Core* core, ChildReport report, RewriteTask* task)
# Writes the commands of all databases.
cdef void rewrite_databases(Core* core, RdbOutput* output, int64_t key_delay_us, ChildPage* page) noexcept nogil
