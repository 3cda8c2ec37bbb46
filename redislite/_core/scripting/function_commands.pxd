"""FUNCTION and its subcommands, FCALL and FCALL_RO; functions.pxd has what they work on.

    payload of FUNCTION DUMP | RDB_FUNCTION, code: string | … | version: 2 LE | checksum of all before: 8 LE |
"""
from redislite._core.state.core cimport Client, Command, Core

# Whether what the request runs, one whose command has runs_script, says of itself that it writes nothing.
cdef bint script_only_reads(Core* core, const Client* client, const Command* command) noexcept nogil
