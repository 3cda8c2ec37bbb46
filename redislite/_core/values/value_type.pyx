"""Types of values; the contract is in value_type.pxd."""
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from libc.stdint cimport uint64_t
from redislite._core.values.module_value cimport MODULE_NAME_ROOM, module_id_of


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


cdef ValueType* extension_in(object capsule) except NULL:
    cdef ValueType* type
    if not PyCapsule_IsValid(capsule, "redislite.ValueType"):
        raise ValueError("a type of values is a capsule named redislite.ValueType")
    type = <ValueType*> PyCapsule_GetPointer(capsule, "redislite.ValueType")
    name = type.name[:MODULE_NAME_ROOM].split(b"\0")[0].decode("utf-8", "replace")
    if type.name[MODULE_NAME_ROOM - 1] != 0 or extension_identifier(type.name, type.version) == 0:
        raise ValueError(f"the type {name!r}, version {type.version}, cannot be: a name is nine of the characters A-Z "
                         f"a-z 0-9 - _, a version 0 to {EXTENSION_VERSION_MAX}")
    if type.memory == NULL or type.length == NULL or type.release_step == NULL or type.copy == NULL or \
            type.write == NULL or type.read == NULL:
        raise ValueError(f"the type {name!r} lacks functions: all but rewrite are needed")
    return type
