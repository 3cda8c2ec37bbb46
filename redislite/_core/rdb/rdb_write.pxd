"""Writing values and whole data sets in the RDB format (rdb_format.pxd).

Runs without the interpreter and changes nothing that a parent process would see: a forked child may call it and leave
by _exit. What has expired is written as it stands.

Files say version 11, which everything from Redis 7.2 on reads, unless a hash has fields with a time to live: these are
told as Redis 7.4 and 8 do, or as Valkey 9 does, whichever `rdb_valkey_fields` (Settings) says.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.keyspace.entry cimport Entry
from redislite._core.text.rdb_output cimport RdbOutput
from redislite._core.state.core cimport Core


# Asked now and then while a file is written; anything but 0 ends it with EINTR.
ctypedef int (*RdbInterrupt)(void* argument) noexcept nogil


# What goes into a file besides the keys. The bytes stay the caller's.
cdef struct RdbSaveOptions:
    const char* head            # ready opcodes behind the header (auxiliary fields, functions); may be NULL
    size_t head_length
    const char* tail            # the same behind the keys
    size_t tail_length
    int64_t key_delay_us        # pause after each key; negative: after as many keys a microsecond. For tests
    RdbInterrupt interrupt      # may be NULL
    void* interrupt_argument


# How far a save has come: may stand in memory shared with the parent process.
cdef struct RdbSaveProgress:
    uint64_t keys
    uint64_t bytes


# Writes the value of an entry.
cdef void rdb_write_value(RdbOutput* output, const Core* core, const Entry* entry) noexcept nogil
# A payload as DUMP answers it: type, value, version, checksum. The output keeps a checksum, and nothing stands in it
# yet.
cdef void rdb_write_payload(RdbOutput* output, const Core* core, const Entry* entry) noexcept nogil
# An auxiliary field.
cdef void rdb_write_aux(RdbOutput* output, const char* name, size_t name_length, const char* value,
                        size_t value_length) noexcept nogil
# A whole file, checksum included, and flushes it. 0, or -1 with output.error. progress is kept up to date all along.
cdef int rdb_save(Core* core, RdbOutput* output, const RdbSaveOptions* options,
                  RdbSaveProgress* progress) noexcept nogil
