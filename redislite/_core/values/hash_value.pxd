"""Hashes: what the value of a hash key is, whatever its encoding, and the deadlines of its fields.

    ENCODING_LISTPACK    a listpack of field, value, field, value, ...
    ENCODING_HASHTABLE   HashTable: a Dict of elements, and the elements that have a deadline as a binary heap

    element | flags: 1 | field: prefixed | deadline: 8 | place in the heap: 4 | value: prefixed |
                                           ^ both only where the flag says so

A field with a deadline lives in a table only. A field whose time is up is as good as gone to every function here that
does not say otherwise, but stays, and counts in the length, until it is written over or hash_expire removes it.

A HashValue is a copy of what an entry says; whoever changes a hash through it writes it back to the entry. Settings and
clock are read from the core. Where memory is out nothing has changed, a conversion to a table aside.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport Dict, DictIterator
from redislite._core.structures.listpack cimport ListpackValue, listpack
from redislite._core.structures.release cimport Release
from redislite._core.text.encodings cimport ENCODING_HASHTABLE

cdef enum:
    HASH_TIMED = 1              # flag of an element: it has a deadline
    HASH_TIMED_BYTES = 12
    HASH_NO_DEADLINE = -1
    HASH_KEEP_DEADLINE = -2     # for hash_put: as it was


cdef struct HashTable:
    Dict fields                 # of elements; must be the first member
    char** timed                # elements with a deadline: a heap, the earliest first
    uint32_t timed_count
    uint32_t timed_capacity
    bint for_deadlines          # it would be a listpack but for these: the original calls it a listpackex


cdef struct HashValue:
    void* pointer               # a listpack or a HashTable*
    int encoding


# A field as it is looked at; valid until the hash changes.
cdef struct HashItem:
    void* place                 # listpack entry of the field, or element
    ListpackValue field
    ListpackValue value
    int64_t deadline_ms         # HASH_NO_DEADLINE: none


cdef struct HashIterator:
    const Core* core
    listpack pack               # NULL: it is a table
    uint8_t* entry
    DictIterator position
    bint some_expired


# An empty hash with room for this many fields, in the encoding that they call for. 0, or -1 where memory is out.
cdef int hash_new(Core* core, HashValue* hash, size_t fields) noexcept nogil
# Tells that this many fields are about to be put: makes a table of the hash where they alone are too many for a
# listpack. 0, or -1 where memory is out.
cdef int hash_expect(Core* core, HashValue* hash, size_t fields) noexcept nogil
# Makes a table of a hash that is none; for_deadlines: only because fields will have some. 0, or -1 where memory is out.
cdef int hash_convert(Core* core, HashValue* hash, bint for_deadlines) noexcept nogil
# Whether the field is there; *item is what it is.
cdef bint hash_find(const Core* core, const HashValue* hash, const char* field, size_t length,
                    HashItem* item) noexcept nogil
# Sets a field. deadline_ms: a time, HASH_NO_DEADLINE or HASH_KEEP_DEADLINE. 1 where it is new, 2 where it is new in
# place of one that had expired, 0 where it was there, -1 where memory is out. Data must not point into the hash.
cdef int hash_put(Core* core, HashValue* hash, const char* field, size_t field_length, const char* value,
                  size_t value_length, int64_t deadline_ms) noexcept nogil
# Removes a field, one that has expired only where asked to; 1 if it was there.
cdef bint hash_remove(Core* core, HashValue* hash, const char* field, size_t length, bint expired_too) noexcept nogil
# Gives a field that was found in a table a deadline, or takes it away. 0, or -1 where memory is out.
cdef int hash_set_deadline(Core* core, HashValue* hash, HashItem* item, int64_t deadline_ms) noexcept nogil
# Number of fields, those that have expired and not been removed included.
cdef size_t hash_length(const HashValue* hash) noexcept nogil
# The same without those; costs their number.
cdef size_t hash_live_length(const Core* core, const HashValue* hash) noexcept nogil
# Whether there is a field that has expired and not been removed.
cdef bint hash_some_expired(const Core* core, const HashValue* hash) noexcept nogil
# Whether this field has expired and not been removed; costs next to nothing where none has.
cdef bint hash_has_expired(const Core* core, const HashValue* hash, const char* field, size_t length) noexcept nogil
# The field that has expired first, as bytes of the hash's own; NULL where none has.
cdef char* hash_first_expired(const Core* core, const HashValue* hash, size_t* length) noexcept nogil
# Removes up to budget fields whose time is up, the earliest first; answers how many.
cdef size_t hash_expire(Core* core, HashValue* hash, size_t budget) noexcept nogil
# A field picked at random, each with the same probability; 0 where there is none.
cdef bint hash_random(Core* core, const HashValue* hash, HashItem* item) noexcept nogil

# A listpack of field, value, deadline (0: none), as the original has where a table is for_deadlines; NULL where memory
# is out. Whoever asks releases it.
cdef listpack hash_timed_listpack(Heap* heap, const Core* core, const HashValue* hash) noexcept nogil

# Walks all fields. Between begin and end the hash must not be changed.
cdef void hash_iterate_begin(HashIterator* it, const Core* core, const HashValue* hash) noexcept nogil
cdef bint hash_iterate_next(HashIterator* it, HashItem* item) noexcept nogil
cdef void hash_iterate_end(HashIterator* it) noexcept nogil

# A copy, with the deadlines. 0, or -1 where memory is out.
cdef int hash_copy(Heap* heap, const HashValue* hash, HashValue* copy) noexcept nogil
# Releases all of it.
cdef void hash_release(Heap* heap, const HashValue* hash) noexcept nogil
# The same bit by bit: 1 while more is to do (release.pxd).
cdef bint hash_release_step(Release* step, const HashValue* hash) noexcept nogil
# Bytes that it takes; with many fields by the mean of so many of them (0: of all).
cdef size_t hash_memory(const HashValue* hash, size_t samples) noexcept nogil


# Number of fields with a deadline.
cdef inline size_t hash_timed(const HashValue* hash) noexcept nogil:
    return (<HashTable*> hash.pointer).timed_count if hash.encoding == ENCODING_HASHTABLE else 0


# Whether it is a table for its deadlines alone: since it has become one neither its length nor that of a field or value
# was beyond the settings.
cdef inline bint hash_is_for_deadlines(const HashValue* hash) noexcept nogil:
    return hash.encoding == ENCODING_HASHTABLE and (<HashTable*> hash.pointer).for_deadlines


cdef inline bint element_is_timed(const char* element) noexcept nogil:
    return element[0] & HASH_TIMED


# The deadline of an element that has one.
cdef inline int64_t element_deadline(const char* element) noexcept nogil:
    cdef size_t length
    cdef int64_t deadline_ms
    cdef char* field = prefixed_read(element + 1, &length)
    memcpy(&deadline_ms, field + length, 8)
    return deadline_ms


# The earliest deadline of all fields, or HASH_NO_DEADLINE.
cdef inline int64_t hash_next_deadline(const HashValue* hash) noexcept nogil:
    cdef HashTable* table
    if hash.encoding != ENCODING_HASHTABLE:
        return HASH_NO_DEADLINE
    table = <HashTable*> hash.pointer
    return element_deadline(table.timed[0]) if table.timed_count else HASH_NO_DEADLINE


# Reads what stands at the place of an item: of a listpack, or of a table.
cdef void hash_item_at(const HashValue* hash, void* place, HashItem* item) noexcept nogil
