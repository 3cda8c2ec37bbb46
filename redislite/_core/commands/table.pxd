"""The native dispatch table: from a command's name to its Command, and what is counted per command.

Open addressing by a case-folded hash of the name; subcommands stand in it under "container|subcommand". Rows come from
row.py, once, at start-up.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.state.core cimport Argument, Client, Command, Core
from redislite._core.state.statistics cimport CommandStatistics

# The command with this name, in any letter case; NULL where there is none.
cdef Command* command_find(Core* core, const char* name, size_t length) noexcept nogil
# The command that a request means; arguments hold offsets from base (addresses, where base is NULL). The container
# itself where it is called without a subcommand or with one that is not known.
cdef Command* command_resolve(Core* core, const Argument* arguments, int count, const char* base) noexcept nogil
# Whether there is one of this full name, in small letters.
cdef bint command_named(Core* core, bytes name) noexcept
# Adds a command for each row (row.py), whose ids go on from the number of commands so far. ValueError where the table
# is full, or a name is taken or too long; MemoryError. None is added then.
cdef int table_add(Core* core, list rows) except -1
# Takes a command away: no request means it from here on, and those that were parsed before are refused
# (Command.is_retired). Answers it: it stays as long as the heap, and table_revive gives it to another row of its name.
# KeyError.
cdef Command* table_retire(Core* core, bytes name) except NULL
# Has a command that was retired be this row's, whose id is the same. ValueError, MemoryError: it stays retired.
cdef int table_revive(Core* core, Command* command, object row) except -1
# Takes a name out of the table; gives the command another one where new_name is not empty. KeyError, ValueError.
cdef int table_rename(Core* core, bytes name, bytes new_name) except -1
cdef void table_release(Core* core) noexcept nogil
# Counts a duration, in nanoseconds, in the command's histogram.
cdef void histogram_add(Core* core, CommandStatistics* statistics, uint64_t nanoseconds) noexcept nogil
# Largest duration, in nanoseconds, that a bucket stands for.
cdef uint64_t histogram_bound(int bucket) noexcept nogil
cdef void statistics_reset(Core* core) noexcept nogil


# Executes a command of either tier, and nothing around it.
cdef inline void command_run(Core* core, Client* client, Command* command) noexcept nogil:
    if command.handler != NULL:
        command.handler(core, client)
    else:
        core.upcalls.run_python(core, client, command)
