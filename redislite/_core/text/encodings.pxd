"""Types of values and their encodings, as an entry's first byte holds them.

They stand below everything that makes a difference between them; entry.pxd passes them on.
"""

cdef enum:
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_SORTED_SET = 3
    TYPE_HASH = 4
    TYPE_STREAM = 5
    TYPE_MODULE = 6             # from outside: known as a ValueType, or kept as bytes (module_value.pxd)

cdef enum:
    ENCODING_INT = 0
    ENCODING_EMBSTR = 1
    ENCODING_RAW_INLINE = 2     # seen as "raw", but stands in the entry
    ENCODING_RAW = 3
    ENCODING_LISTPACK = 4
    ENCODING_INTSET = 5
    ENCODING_QUICKLIST = 6
    ENCODING_HASHTABLE = 7
    ENCODING_SKIPLIST = 8
    ENCODING_STREAM = 9
    ENCODING_EXTENSION = 10     # of TYPE_MODULE: the value begins with its type (value_type.pxd)
