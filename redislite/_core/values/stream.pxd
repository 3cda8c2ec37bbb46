"""Streams: entries in order of their identifiers, and the consumer groups that read them.

Entries stand in listpacks of up to some hundred, found through a radix tree by the identifier of a listpack's first
entry (16 bytes, big-endian). A listpack begins with a master entry; an entry with the same fields does not repeat them:

    master:  | entries | deleted | fields: N | field ... N times | 0 |
    entry:   | flags | ms - master's | seq - master's | [N | field] value ... | pieces before this one |

The layout is the original's, since RDB files carry these listpacks. A deleted entry stays, flagged, until nothing else
is left in its listpack or it is trimmed away.

A group has a tree of what it delivered and what was not acknowledged yet (Pending); each consumer has a tree of those
that are its own. Both point to the same Pending, which the group owns.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Argument
from redislite._core.structures.listpack cimport ListpackValue, listpack
from redislite._core.structures.rax cimport Rax, RaxIterator
from redislite._core.structures.release cimport Release

cdef enum:
    STREAM_KEY = 16                     # bytes of an identifier as a key of a tree
    STREAM_ID_TEXT = 41                 # bytes of the longest identifier as text
    STREAM_ELEMENTS_MAX = 1 << 30       # bytes that the fields and values of one entry may have together
    STREAM_UNKNOWN = -1                 # a count of entries read that is not known


cdef struct StreamId:
    uint64_t ms                         # milliseconds since the Unix epoch, or what the client chose
    uint64_t seq


cdef struct Stream:
    Rax entries                         # identifier → listpack
    Rax groups                          # name → Group
    uint64_t length                     # entries, deleted ones excluded
    uint64_t entries_added              # ever
    StreamId last_id                    # greatest identifier ever
    StreamId first_id                   # of the first entry there is; 0-0 where there is none
    StreamId max_deleted_id             # greatest identifier ever deleted one by one
    void** tail                         # place of the last listpack in the tree; NULL: to be looked up
    StreamId tail_id                    # its key


cdef struct Consumer:
    Rax pending                         # identifier → Pending of the group
    int64_t seen_ms                     # when it last asked
    int64_t active_ms                   # when it last got something; -1: never
    # its name stands behind the struct, prefixed


cdef struct Group:
    Rax pending                         # identifier → Pending
    Rax consumers                       # name → Consumer
    StreamId last_id                    # last one delivered
    int64_t entries_read                # or STREAM_UNKNOWN
    # its name stands behind the struct, prefixed


cdef struct Pending:
    Consumer* consumer
    int64_t delivered_ms
    uint64_t deliveries


# Walks the entries from one identifier to another. The stream must not change meanwhile, but by
# stream_iterator_delete.
cdef struct StreamIterator:
    Stream* stream
    RaxIterator packs
    StreamId first                      # bounds, both included
    StreamId last
    bint reverse
    listpack pack                       # NULL: before the first or behind the last
    StreamId master_id
    int64_t master_fields
    uint8_t* master_field               # first field of the master entry
    uint8_t* entry                      # flags of the current entry
    uint8_t* cursor                     # next field or value of it
    uint8_t* field                      # next field of the master entry, where the entry has the same
    int64_t pieces                      # fields and values behind the cursor
    int64_t flags


cdef Stream* stream_new(Heap* heap) noexcept nogil
cdef void stream_free(Stream* stream) noexcept nogil
# The same bit by bit (listpacks, pending entries, consumers, groups): 1 while more is to do (release.pxd).
cdef bint stream_release_step(Release* step, Stream* stream) noexcept nogil
# A copy with all groups, or NULL where memory is out.
cdef Stream* stream_copy(Heap* heap, Stream* stream) noexcept nogil
# Bytes it takes; of a large one an estimate from its first listpacks.
cdef size_t stream_memory(Stream* stream) noexcept nogil

# Adds an entry of field-value pairs. id must be above last_id, the texts not above STREAM_ELEMENTS_MAX in all. A
# listpack is filled up to max_bytes and max_entries (0: no limit). 0, or -1 where memory is out: nothing has
# changed then.
cdef int stream_append(Stream* stream, const StreamId* id, const Argument* pairs, size_t pairs_count,
                       int64_t max_bytes, int64_t max_entries) noexcept nogil
# Removes the entry: 1, 0 where there is none, -1 where memory is out.
cdef int stream_delete(Stream* stream, const StreamId* id) noexcept nogil
# Removes the oldest entries until max_length are left, or (with min_id) until none is below it. approximate: whole
# listpacks only, and no more than limit entries (0: no limit). Answers how many.
cdef uint64_t stream_trim(Stream* stream, uint64_t max_length, const StreamId* min_id, bint approximate,
                          int64_t limit) noexcept nogil
cdef bint stream_exists(Stream* stream, const StreamId* id) noexcept nogil
# The greatest identifier of an entry that is there, 0-0 where there is none.
cdef void stream_last_entry(Stream* stream, StreamId* id) noexcept nogil
# Puts a ready listpack of this layout into the tree (loading): its entries are counted by the caller. 0, or -1.
cdef int stream_add_pack(Stream* stream, const StreamId* master_id, listpack pack) noexcept nogil
# Whether a well-formed listpack has this layout, identifiers rising: *live entries that are not deleted.
cdef bint stream_check_pack(listpack pack, const StreamId* master_id, uint64_t* live) noexcept nogil
# Works out first_id anew.
cdef void stream_find_first(Stream* stream) noexcept nogil
# How many entries were ever added up to this identifier, STREAM_UNKNOWN where deletions make it unclear.
cdef int64_t stream_entries_up_to(const Stream* stream, const StreamId* id) noexcept nogil

cdef void stream_iterate(StreamIterator* it, Stream* stream, const StreamId* first, const StreamId* last,
                         bint reverse) noexcept nogil
# The next entry: its identifier and how many field-value pairs stream_iterator_pair can be asked for. False at the end.
cdef bint stream_iterator_next(StreamIterator* it, StreamId* id, int64_t* pairs) noexcept nogil
cdef void stream_iterator_pair(StreamIterator* it, ListpackValue* field, ListpackValue* value) noexcept nogil
# Removes the current entry; -1 where memory is out. stream_iterator_next must not be called behind it.
cdef int stream_iterator_delete(StreamIterator* it) noexcept nogil
cdef void stream_iterator_stop(StreamIterator* it) noexcept nogil

# Groups by name. Create: the name must be free; NULL where memory is out.
cdef Group* stream_group(const Stream* stream, const char* name, size_t length) noexcept nogil
cdef Group* stream_group_create(Stream* stream, const char* name, size_t length, const StreamId* last_id,
                                int64_t entries_read) noexcept nogil
# Takes a group out of its stream, into one that has nothing else, for release bit by bit. NULL where memory is out:
# nothing has changed then.
cdef Stream* stream_detach_group(Stream* stream, Group* group) noexcept nogil
cdef void stream_group_destroy(Stream* stream, Group* group) noexcept nogil
cdef char* group_name(const Group* group, size_t* length) noexcept nogil
# How many entries a group has still to be delivered; false where it cannot be told.
cdef bint group_lag(const Stream* stream, const Group* group, uint64_t* lag) noexcept nogil
# Notes that the group was delivered the entry, which is above its last one.
cdef void group_advance(const Stream* stream, Group* group, const StreamId* id) noexcept nogil

cdef Consumer* group_consumer(const Group* group, const char* name, size_t length) noexcept nogil
cdef Consumer* group_consumer_create(Group* group, const char* name, size_t length, int64_t now_ms) noexcept nogil
# Removes the consumer with what is pending with it; answers how much that was.
cdef size_t group_consumer_delete(Group* group, Consumer* consumer) noexcept nogil
cdef char* consumer_name(const Consumer* consumer, size_t* length) noexcept nogil

cdef Pending* group_pending(const Group* group, const StreamId* id) noexcept nogil
# Makes the entry pending with the consumer, whoever had it before: *pending, whose times and counts are the caller's to
# write where it is new. 1 new, 0 it was there, -1 memory is out and nothing has changed.
cdef int group_pending_assign(Group* group, Consumer* consumer, const StreamId* id, Pending** pending) noexcept nogil
# For loading: makes the entry pending with nobody yet, then with the consumer. 1, 0 where it was there already (where
# it is not pending with nobody), -1 where memory is out.
cdef int group_pending_load(Group* group, const StreamId* id, int64_t delivered_ms, uint64_t deliveries) noexcept nogil
cdef int group_pending_own(Group* group, Consumer* consumer, const StreamId* id) noexcept nogil
# The entry is pending no more; false where it was not.
cdef bint group_acknowledge(Group* group, const StreamId* id) noexcept nogil

# The next or preceding identifier; false (and 0-0, or the greatest) at the end of all.
cdef bint id_increment(StreamId* id) noexcept nogil
cdef bint id_decrement(StreamId* id) noexcept nogil
# Text of an identifier, STREAM_ID_TEXT bytes at most; answers its length.
cdef int id_format(char* text, const StreamId* id) noexcept nogil
cdef void id_encode(char* key, const StreamId* id) noexcept nogil
cdef void id_decode(const uint8_t* key, StreamId* id) noexcept nogil


cdef inline int id_compare(const StreamId* a, const StreamId* b) noexcept nogil:
    if a.ms != b.ms:
        return 1 if a.ms > b.ms else -1
    if a.seq != b.seq:
        return 1 if a.seq > b.seq else -1
    return 0


cdef inline bint id_is_zero(const StreamId* id) noexcept nogil:
    return id.ms == 0 and id.seq == 0
