"""FUNCTION and its subcommands, FCALL and FCALL_RO; functions.pxd has what they work on.

    payload of FUNCTION DUMP | RDB_FUNCTION, code: string | … | version: 2 LE | checksum of all before: 8 LE |
"""
