"""Types of values; the contract is in value_type.pxd."""
from libc.stdint cimport uint64_t
from libc.string cimport memset
from redislite._core.values.module_value cimport module_id_of

cdef ValueType[VALUE_TYPES_COUNT] ROWS
memset(ROWS, 0, sizeof(ROWS))
VALUE_TYPES = ROWS


cdef uint64_t extension_identifier(const char* name, int version) noexcept nogil:
    cdef uint64_t id = module_id_of(name)
    return id | <uint64_t> version if id and 0 <= version <= EXTENSION_VERSION_MAX else 0


cdef const ValueType* extension_find(const Core* core, uint64_t identifier) noexcept nogil:
    cdef const ValueType* type
    cdef int i
    for i in range(core.extension_types_count):
        type = <const ValueType*> core.extension_types[i]
        if (module_id_of(type.name) ^ identifier) <= EXTENSION_VERSION_MAX:
            return type
    return NULL
