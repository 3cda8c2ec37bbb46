"""The rows of the built-in types, as far as memory goes (value_type.pxd); files complete them where they are
written."""
from redislite._core.text.encodings cimport ENCODING_EXTENSION
from redislite._core.values.value_type cimport ValueType, extension_type

cdef enum:
    VALUE_TYPES_COUNT = 8


# The rows, by TYPE_*.
cdef ValueType* VALUE_TYPES


# The type of a value that stands outside its entry.
cdef inline const ValueType* value_type_of(int type, int encoding, const void* value) noexcept nogil:
    return extension_type(value) if encoding == ENCODING_EXTENSION else &VALUE_TYPES[type]
