"""Values of modules that this server does not have; the contract and the layout are in module_value.pxd."""
from libc.stdint cimport uint64_t
from libc.string cimport strchr, strlen

cdef const char* alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


cdef void module_name(uint64_t id, char* name) noexcept nogil:
    cdef int i
    for i in range(MODULE_NAME):
        name[i] = alphabet[id >> (58 - 6 * i) & 63]
    name[MODULE_NAME] = 0


cdef bint module_name_is_possible(const char* name, size_t length) noexcept nogil:
    cdef size_t i
    if length != MODULE_NAME:
        return 0
    for i in range(MODULE_NAME):
        if name[i] == 0 or strchr(alphabet, name[i]) == NULL:
            return 0
    return 1


cdef uint64_t module_id_of(const char* name) noexcept nogil:
    cdef uint64_t id = 0
    cdef int i
    if not module_name_is_possible(name, strlen(name)):
        return 0
    for i in range(MODULE_NAME):
        id = id << 6 | <uint64_t> (strchr(alphabet, name[i]) - alphabet)
    return id << 10
