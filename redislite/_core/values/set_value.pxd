"""The value of a set, whatever its encoding: what a set can do, apart from keys and replies.

    intset       integers only, at most set-max-intset-entries
    listpack     at most set-max-listpack-entries members of at most set-max-listpack-value bytes
    hashtable    a SetTable: a dict of members, each a heap block that is the prefixed member and nothing else

Adding converts an encoding that can hold the set no longer; nothing ever converts back. A SetValue is the pair of
encoding and block that stands in an entry: whoever adds or removes must write both back (a change may move the block).
The thresholds are those of core.settings at the time.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport Dict, DictIterator
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.structures.release cimport Release

cdef enum:
    SET_AHEAD = 16                  # members of a hashtable that an iteration asks memory for at a time
    SET_MEMBER_TEXT = 21            # room that set_member_text needs to write an integer

# A member as it is looked at: bytes, or an integer where data is NULL.
ctypedef ListpackValue SetMember


cdef struct SetTable:
    Dict members
    size_t member_bytes             # memory of all members' blocks


cdef struct SetValue:
    int encoding                    # ENCODING_INTSET, ENCODING_LISTPACK or ENCODING_HASHTABLE
    void* block                     # intset, listpack, SetTable*


# An empty set of the encoding that a first member (data) and a number of members to come ask for. 0, or -1 where
# memory is out.
cdef int set_new(Core* core, SetValue* value, const char* data, size_t length, size_t expected) noexcept nogil
# An empty set of a certain encoding. 0, or -1.
cdef int set_new_encoded(Core* core, SetValue* value, int encoding) noexcept nogil
cdef void set_free(Heap* heap, SetValue* value) noexcept nogil
# A copy. 0, or -1.
cdef int set_copy(Heap* heap, const SetValue* value, SetValue* copy) noexcept nogil
cdef size_t set_length(const SetValue* value) noexcept nogil
# Bytes of memory it takes, its members included.
cdef size_t set_memory(const SetValue* value) noexcept nogil
# Releases it bit by bit: 1 while more is to do (release.pxd).
cdef bint set_release_step(Release* step, SetValue* value) noexcept nogil

cdef bint set_has(const SetValue* value, const char* data, size_t length) noexcept nogil
# The same for a member; the hash is that of its text (set_member_hash), looked at where the set is a hashtable.
cdef bint set_has_member(const SetValue* value, const SetMember* member, uint64_t hash) noexcept nogil
# The hash that every hashtable of this engine uses.
cdef uint64_t set_member_hash(Core* core, const SetMember* member) noexcept nogil
# Adds a member. 1 added, 0 it was there, -1 memory is out (nothing has changed).
cdef int set_add(Core* core, SetValue* value, const char* data, size_t length) noexcept nogil
cdef int set_add_member(Core* core, SetValue* value, const SetMember* member) noexcept nogil
# Takes a member out. 1 removed, 0 it was not there, -1 memory is out (nothing has changed).
cdef int set_remove(Core* core, SetValue* value, const char* data, size_t length) noexcept nogil
cdef int set_remove_member(Core* core, SetValue* value, const SetMember* member) noexcept nogil
# Makes a hashtable of it, with room for so many members in all. 0, or -1 (nothing has changed).
cdef int set_convert(Core* core, SetValue* value, size_t expected) noexcept nogil
# Converts a set whose encoding could not take so many new members at once. 0, or -1.
cdef int set_expect(Core* core, SetValue* value, size_t expected) noexcept nogil
# Makes an intset of a set that has integers only and not too many. 0, or -1 where memory is out.
cdef int set_to_integers(Core* core, SetValue* value) noexcept nogil
# Adds a member that is known not to be there, whatever the encoding holds by then. 0, or -1.
cdef int set_append(Core* core, SetValue* value, const SetMember* member) noexcept nogil
# A member picked at random, each with the same probability; the set is not empty. *place is for set_remove_at, which
# takes just that member out: 0, or -1 where memory is out (nothing has changed).
cdef void set_random(Core* core, const SetValue* value, SetMember* member, size_t* place) noexcept nogil
cdef int set_remove_at(Core* core, SetValue* value, const SetMember* member, size_t place) noexcept nogil
# A member's text; an integer is written to buffer (SET_MEMBER_TEXT bytes).
cdef char* set_member_text(const SetMember* member, char* buffer, size_t* length) noexcept nogil
# Puts a member's block into a hashtable, which has no such member. 0, or -1 where memory is out.
cdef int set_table_put(SetTable* table, void* block, uint64_t hash) noexcept nogil


# Goes through all members. The set must not be changed meanwhile; a member stays valid until it is.
cdef struct SetIterator:
    const SetValue* value
    uint8_t* entry                  # listpack: next element
    uint32_t index                  # intset: next integer
    DictIterator dictionary
    int ahead_count
    int ahead_next
    void* ahead[SET_AHEAD]          # hashtable: members that come next


cdef void set_iterate_begin(SetIterator* iterator, const SetValue* value) noexcept nogil
# 0 at the end.
cdef bint set_iterate_next(SetIterator* iterator, SetMember* member) noexcept nogil
cdef void set_iterate_end(SetIterator* iterator) noexcept nogil
