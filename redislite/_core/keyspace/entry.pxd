"""Entries: a key, its time to live and its value in one block.

    | type: 3 bits, expires: 1 bit, encoding: 4 bits, access: 24 bits | key: prefixed | deadline: 8 if expires | value |

The value is
- ``ENCODING_INT``: eight bytes, the number;
- ``ENCODING_EMBSTR``, ``ENCODING_RAW_INLINE``: a prefixed string;
- otherwise: eight bytes, the address of what holds it (an sds for ``ENCODING_RAW``: a string, or a module's value).

A block's size is rounded up to eight bytes, so that values of about the same size take each other's place in it.
Entries are aligned to eight bytes; what stands behind the key is not, and goes through memcpy.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size
from redislite._core.base.sds cimport sds
from redislite._core.structures.release cimport Release
from redislite._core.text.encodings cimport (
    ENCODING_EMBSTR, ENCODING_HASHTABLE, ENCODING_INT, ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_QUICKLIST,
    ENCODING_RAW, ENCODING_RAW_INLINE, ENCODING_SKIPLIST, ENCODING_STREAM, TYPE_HASH, TYPE_LIST, TYPE_MODULE, TYPE_SET,
    TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING,
)
from redislite._core.values.module_value cimport MODULE_NAME_ROOM
from redislite._core.values.sorted_set_value cimport SortedSetValue

cdef enum:
    KEY_OFFSET = 4              # bytes from an entry's start to its key
    EMBSTR_MAX = 44             # bytes of the longest string that is seen as "embstr"
    INLINE_MAX = 512            # bytes of the longest string that stands in its entry
    NO_EXPIRE = -1
    ACCESS_MASK = 0xffffff


ctypedef uint8_t Entry          # the first byte of the block


# The form a string takes: ENCODING_INT with *number set, ENCODING_EMBSTR, ENCODING_RAW_INLINE or ENCODING_RAW.
cdef int string_encoding(const char* data, size_t length, int64_t* number) noexcept nogil
# A new entry without its value, which the caller writes at entry_value. deadline_ms: NO_EXPIRE for none.
# value_size: bytes of the value as it stands in the entry. NULL where memory is out.
cdef Entry* entry_new(Heap* heap, const char* key, size_t key_length, int64_t deadline_ms, int type, int encoding,
                      uint32_t access, size_t value_size) noexcept nogil
# Bytes of the value as it stands in the entry.
cdef size_t entry_value_size(const Entry* entry) noexcept nogil
# Bytes of the whole block, as it was asked for.
cdef size_t entry_block_size(const Entry* entry) noexcept nogil
# Bytes that the entry and its value take in all. samples: how many fields of a hash stand for all of them; 0: each
# does.
cdef size_t entry_memory(const Entry* entry, size_t samples) noexcept nogil
# Bytes of a string, elements of a collection.
cdef size_t entry_elements(const Entry* entry) noexcept nogil
# Releases what the value holds outside the entry, bit by bit: 1 while more is to do (release.pxd). What is one block
# goes at once, whatever the budget.
cdef bint entry_release_value_step(Release* step, Entry* entry) noexcept nogil
# Releases the value and the entry.
cdef void entry_free(Heap* heap, Entry* entry) noexcept nogil
# The bytes of a string value; an integer is written to buffer (INTEGER_TEXT_MAX bytes).
cdef char* entry_string(const Entry* entry, char* buffer, size_t* length) noexcept nogil
# A new entry with this key, and the deadline and a copy of the value of the one given. NULL where memory is out.
cdef Entry* entry_copy(Heap* heap, const Entry* entry, const char* key, size_t key_length,
                       uint32_t access) noexcept nogil
# Releases the value, and at last the entry, likewise.
cdef bint entry_release_step(Release* step, Entry* entry) noexcept nogil
# Name of a type ("string") as clients see it. TYPE_MODULE has no name of its own:
cdef const char* type_name(int type) noexcept nogil
# The name of an entry's type, which for a module's value is written to buffer, of MODULE_NAME_ROOM bytes.
cdef const char* entry_type_name(const Entry* entry, char* buffer) noexcept nogil
# The name of an entry's encoding ("embstr") as clients see it; timed_listpack: a hash that is a table for its deadlines
# alone is told by its name in Redis.
cdef const char* entry_encoding_name(const Entry* entry, bint timed_listpack) noexcept nogil


cdef inline uint32_t entry_meta(const Entry* entry) noexcept nogil:
    return (<const uint32_t*> entry)[0]


cdef inline int entry_type(const Entry* entry) noexcept nogil:
    return entry[0] & 7


cdef inline bint entry_expires(const Entry* entry) noexcept nogil:
    return entry[0] & 8 != 0


cdef inline int entry_encoding(const Entry* entry) noexcept nogil:
    return entry[0] >> 4


cdef inline void entry_set_encoding(Entry* entry, int encoding) noexcept nogil:
    entry[0] = <uint8_t> ((entry[0] & 15) | encoding << 4)


# The 24 bits of access time or frequency.
cdef inline uint32_t entry_access(const Entry* entry) noexcept nogil:
    return entry_meta(entry) >> 8


cdef inline void entry_set_access(Entry* entry, uint32_t access) noexcept nogil:
    (<uint32_t*> entry)[0] = (entry_meta(entry) & 255) | access << 8


cdef inline char* entry_key(const Entry* entry, size_t* length) noexcept nogil:
    return prefixed_read(<const char*> entry + KEY_OFFSET, length)


# Unix time in milliseconds, or NO_EXPIRE.
cdef inline int64_t entry_deadline(const Entry* entry) noexcept nogil:
    cdef size_t length
    cdef int64_t deadline
    cdef char* key
    if not entry_expires(entry):
        return NO_EXPIRE
    key = entry_key(entry, &length)
    memcpy(&deadline, key + length, 8)
    return deadline


# The entry must have a deadline already.
cdef inline void entry_set_deadline(Entry* entry, int64_t deadline_ms) noexcept nogil:
    cdef size_t length
    cdef char* key = entry_key(entry, &length)
    memcpy(key + length, &deadline_ms, 8)


cdef inline char* entry_value(const Entry* entry) noexcept nogil:
    cdef size_t length
    cdef char* key = entry_key(entry, &length)
    return key + length + (8 if entry_expires(entry) else 0)


cdef inline int64_t entry_integer(const Entry* entry) noexcept nogil:
    cdef int64_t value
    memcpy(&value, entry_value(entry), 8)
    return value


cdef inline void entry_set_integer(Entry* entry, int64_t value) noexcept nogil:
    memcpy(entry_value(entry), &value, 8)


cdef inline void* entry_pointer(const Entry* entry) noexcept nogil:
    cdef void* value
    memcpy(&value, entry_value(entry), sizeof(value))
    return value


cdef inline void entry_set_pointer(Entry* entry, void* value) noexcept nogil:
    memcpy(entry_value(entry), &value, sizeof(value))


# Bytes of a block with these parts, rounded as blocks are.
cdef inline size_t entry_size(size_t key_length, bint expires, size_t value_size) noexcept nogil:
    return (KEY_OFFSET + prefixed_size(key_length) + (8 if expires else 0) + value_size + 7) & ~<size_t> 7


# The value of a sorted set's entry, and putting it back there once it has been changed.
cdef inline SortedSetValue sorted_set_load(const Entry* entry) noexcept nogil:
    cdef SortedSetValue value
    value.data = entry_pointer(entry)
    value.encoding = entry_encoding(entry)
    return value


cdef inline void sorted_set_save(Entry* entry, const SortedSetValue* value) noexcept nogil:
    entry_set_pointer(entry, value.data)
    entry_set_encoding(entry, value.encoding)
