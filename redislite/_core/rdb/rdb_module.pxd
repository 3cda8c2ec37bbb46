"""Reading what modules have written into RDB data, as bytes: values (module_value.pxd) and auxiliary data.

    value: identifier: length | field ... | 0
    field: 1, signed integer: length | 2, unsigned integer: length | 3, float: 4 | 4, double: 8 | 5, string

What auxiliary data begin with, 2 and when they are written, is a field, too: both are read as the same.

The fields are walked to find the end, and each is checked as far as it can be without knowing what it means: it is
whole, and what is compressed decompresses to the length it claims.
"""
from libc.stdint cimport uint8_t, uint64_t
from redislite._core.base.sds cimport sds
from redislite._core.text.rdb_input cimport RdbInput
from redislite._core.text.rdb_output cimport RdbOutput

cdef enum:
    RDB_AUX_BEFORE = 1              # when auxiliary data are written: before all keys, or behind them
    RDB_AUX_AFTER = 2


# The identifier that comes first.
cdef bint rdb_module_begin(RdbInput* input, uint64_t* id) noexcept nogil
# What comes behind it, as a value of module_value.pxd, the caller's; NULL after an error. Nothing is spare in its
# block.
cdef sds rdb_read_module(RdbInput* input, uint64_t id) noexcept nogil
# The same of auxiliary data, identifier and all.
cdef sds rdb_read_module_aux(RdbInput* input) noexcept nogil
# Writes such a value, or auxiliary data behind their opcode.
cdef void rdb_write_module(RdbOutput* output, const char* value, size_t length) noexcept nogil


# When auxiliary data with these fields, which have been read so, are written.
cdef inline int module_aux_when(const char* fields) noexcept nogil:
    return (<const uint8_t*> fields)[1]
