"""Reading values in the RDB format, of every version: from the bytes to entries in the encoding that today's settings
call for.

What is read is checked before anything relies on it: a malformed value is an error of the input (rdb_input.pxd), with
nothing left behind. Collections that a checked layout cannot promise to be sound (a sorted set with a member twice) are
checked for that too; `deep` adds what is merely wrong: sets and hashes with duplicates, scores that are no numbers.
"""
from libc.stdint cimport int64_t, uint32_t
from redislite._core.keyspace.entry cimport Entry
from redislite._core.text.rdb_input cimport RdbInput, RdbText
from redislite._core.state.core cimport Core

cdef enum:
    RDB_VALUE_READ = 0
    RDB_VALUE_FAILED = 1            # input says why
    RDB_VALUE_EMPTY = 2             # a collection without elements: no such key


cdef struct RdbValueOptions:
    int version                     # of the file or payload: tells apart types that share a number
    bint deep
    bint keep_expired               # fields of hashes whose time is up are kept


# Whether there are values of this type; where not, an error of the input.
cdef bint rdb_judge_type(RdbInput* input, int type) noexcept nogil
# Reads the value of a type into a new entry for the key (with deadline, or NO_EXPIRE, and access bits), the caller's.
# The key's text may move meanwhile, as texts do.
cdef int rdb_read_entry(Core* core, RdbInput* input, int type, const RdbValueOptions* options, const RdbText* key,
                        int64_t deadline_ms, uint32_t access, Entry** entry) noexcept nogil
