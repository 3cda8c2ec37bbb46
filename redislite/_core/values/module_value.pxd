"""A value of a module that this server does not have: kept as bytes, and written again as it was read.

    identifier: 64 bits  | name of the type: 9 characters of 6 bits | version of its fields: 10 bits |
    value:               | identifier: 8 | fields, as RDB data has them, up to and with the end |

Such a value is an sds, and its entry's encoding is ENCODING_RAW: it is copied, released and counted as a string of that
encoding is. One whose type is known (value_type.pxd) has the encoding ENCODING_EXTENSION.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef enum:
    MODULE_ID = 8                   # bytes of an identifier in a value
    MODULE_NAME = 9                 # characters of a type's name
    MODULE_NAME_ROOM = 10           # with a NUL behind them


# Writes the name that an identifier tells, and a NUL: MODULE_NAME_ROOM bytes.
cdef void module_name(uint64_t id, char* name) noexcept nogil
# The identifier of a type of this name, without a version; 0 where no type can be named so.
cdef uint64_t module_id_of(const char* name) noexcept nogil
# Whether a type of a module may have this name.
cdef bint module_name_is_possible(const char* name, size_t length) noexcept nogil


# The identifier that a value begins with.
cdef inline uint64_t module_id(const void* value) noexcept nogil:
    cdef uint64_t id
    memcpy(&id, value, MODULE_ID)
    return id
