"""The dictionary: cache-line buckets with one-byte hash tags, chained where one overflows; progressive rehashing.

The dict stores pointers to entries that its owner allocates. An entry holds its own key: at ``key_offset`` bytes
from the entry's start stands a prefixed string (see prefixed.pxd: length, then bytes).

Every entry stands in the chain of its home, the bucket that the low bits of its hash name. So removing leaves no
tombstones, a scan or a migration of a home touches nothing else, and a load that must not be resized away for a while
costs time only.

Who scans and removes what is found leaves entries whose hashes are alike, in a few homes. A home whose chain becomes
long is made a fan: eight buckets, each the home of a chain of its own (or a fan again), told by the next bits of the
hash.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.structures.bucket cimport Bucket, Walk

cdef struct Dict:
    Heap* heap
    Bucket* tables[2]
    uint64_t masks[2]               # buckets - 1, chained ones aside
    size_t used[2]                  # entries
    int64_t rehash_index            # first home of table 0 not migrated yet; -1: not rehashing
    uint64_t seed[2]                # SipHash key
    size_t children                 # buckets of both tables behind those of homes: chained, or of a fan
    uint32_t depth[2]               # a home has at most BUCKET_SLOTS + (BUCKET_SLOTS - 1) * depth entries
    int pauses                      # no entry is moved while > 0 (iteration, snapshot)
    uint8_t key_offset
    uint8_t no_resize               # a snapshot child runs: entries move only past the hard load limit
    uint8_t draining                # dict_release_step has been called


# Called for each entry that a scan or an iteration step emits.
ctypedef void (*DictVisitor)(void* argument, void* entry) noexcept nogil


# Prepares an empty dict in place; no table is allocated before the first insert.
# seed: two words of the engine's hash key. key_offset: bytes from an entry's start to its prefixed key.
cdef void dict_init(Dict* d, Heap* heap, const uint64_t* seed, uint8_t key_offset) noexcept nogil
# Releases the tables; the entries are the caller's (see dict_release_step).
cdef void dict_release(Dict* d) noexcept nogil
# The keyed hash (SipHash-1-3) of a key.
cdef uint64_t dict_hash(const Dict* d, const char* key, size_t length) noexcept nogil
# The address of the slot that points to the entry with this key, or NULL. The entry may be replaced through it by one
# with the same key. Valid until the next call that inserts, removes or rehashes.
cdef void** dict_find(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil
# The same for some key with this hash: for who has kept no more of a key than that.
cdef void** dict_find_hash(Dict* d, uint64_t hash) noexcept nogil
# First half of a find: asks the processor for the home bucket's line.
cdef void dict_prefetch_bucket(const Dict* d, uint64_t hash) noexcept nogil
# Second half: asks for the first entry in the home bucket with the key's tag, if any.
cdef void dict_prefetch_entry(const Dict* d, uint64_t hash) noexcept nogil
# Adds an entry whose key is not in the dict (the caller has looked). 0, or -1 where memory is out (the entry is not in
# the dict then). May move entries.
cdef int dict_insert(Dict* d, void* entry, uint64_t hash) noexcept nogil
# Takes the entry with this key out and answers it, or NULL.
cdef void* dict_remove(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil
# Makes room for this many entries in all, so that adding them starts no growth. Ends a running migration at a stroke
# where that is too small. Undone by shrinking, as ever. 0, or -1 where memory is out.
cdef int dict_reserve(Dict* d, size_t entries) noexcept nogil
# One step of SCAN: emits every entry whose home is the cursor's (in both tables), or so much of it as is one step where
# that has very many; answers the next cursor, 0 at the end. Guarantee: an entry that stays in the dict from the first
# to the last step is emitted at least once, however the tables grow and shrink in between. The visitor must not change
# the dict.
cdef uint64_t dict_scan(Dict* d, uint64_t cursor, DictVisitor visit, void* argument) noexcept nogil
# An entry picked at random, each with the same probability (also amid rehashing); NULL where empty. Only where a table
# that was kept from shrinking is almost empty, entries behind gaps are favoured.
# random: state of a xorshift generator, advanced.
cdef void* dict_random(Dict* d, uint64_t* random) noexcept nogil
# Up to count distinct entries for eviction to choose from; answers how many, at least one unless the dict is empty.
# They are neighbours, from an entry picked as dict_random does on: a few cache lines for all, and yet each entry is
# among them with the same probability.
cdef size_t dict_sample(Dict* d, uint64_t* random, void** entries, size_t count) noexcept nogil
# Migrates up to this many homes (a bounded number of empty ones aside); 1 while more is to do, else 0 (also while
# paused or under no_resize, when nothing moves).
cdef int dict_rehash(Dict* d, size_t homes) noexcept nogil
# Starts shrinking where less than 1/8 of the slots are taken; 1 where it started. dict_remove does so by itself: call
# it from cron for what was removed while paused.
cdef int dict_shrink_if_sparse(Dict* d) noexcept nogil
# Starts growing where the table is fuller than it should be. dict_insert does so by itself: call it from cron for what
# was inserted while it might not. 1 where it started.
cdef int dict_grow_if_full(Dict* d) noexcept nogil
# How many entries a table of this many buckets takes before it grows.
cdef size_t dict_capacity(uint64_t buckets) noexcept nogil
# Releases the dict bit by bit: gives its entries, in no order, to the visitor, whose they are from there on (visit
# NULL: they are somebody else's already), then the tables. *budget is how many pieces of work may be done, and is
# lowered: one for an entry, which the visitor may make more through its argument. 1 while more is left, 0 where all is
# released. Never rehashes; no other call but dict_size and dict_release may come between its steps.
cdef bint dict_release_step(Dict* d, DictVisitor visit, void* argument, size_t* budget) noexcept nogil
# Bytes that the tables and the buckets behind them take.
cdef size_t dict_table_bytes(const Dict* d) noexcept nogil


# Walks all entries. Between begin and end nothing is rehashed. An entry that was answered may be removed then; one that
# is inserted may be answered or not, and where a bucket overflows by that an old one may be answered twice.
cdef struct DictIterator:
    Dict* d
    Walk walk                       # over the buckets at home; its bucket is NULL: to begin
    uint64_t home
    int table
    int slot

cdef void dict_iterate_begin(DictIterator* it, Dict* d) noexcept nogil
# The next entry, or NULL at the end.
cdef void* dict_iterate_next(DictIterator* it) noexcept nogil
cdef void dict_iterate_end(DictIterator* it) noexcept nogil


cdef inline size_t dict_size(const Dict* d) noexcept nogil:
    return d.used[0] + d.used[1]
