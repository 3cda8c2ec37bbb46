"""The dictionary: cache-line buckets with one-byte hash tags, chained where one overflows; progressive rehashing.

The contract and the layout are in dict.pxd. The tag comes from the top byte of the hash, which no home uses.

Invariants
- An entry stands in the chain of its home, in exactly one table: in table 0 where its home there is at or after
  ``rehash_index``, else in table 1. So find, insert and remove look in one chain, and migrating one home and moving
  the index by one is a whole step. Outside a migration the index is -1 and all is in table 0.
- Homes of table 0 before the index are left as they were when they moved: nobody reads them again, their memory goes
  back to the system in pieces, and a snapshot child shares it untouched.
- A chain has no more buckets than its entries need, except where entries were removed while moving was paused.
- Growing needs no memory but the new table: the two homes that a home falls into need at most as many chained buckets
  as it had, and get those. Shrinking may need more; where memory is out it stays where it is.

Sizes: a table grows from SOFT_LOAD entries per home on (under ``no_resize`` from HARD_LOAD), to the smallest one below
that load; it shrinks below 1/8 of its slots, to at most 1/2 of them, by SHRINK_FACTOR_MAX at most, so that a step of a
scan amid it stays short. Each insert and removal bears a share of the migration: B inserts after its start a growth
from B homes is over. Whatever the load is meanwhile, a chain only becomes longer: no table is ever full.

Large tables are mapped memory: asking for one costs nothing, and pages come in as the migration reaches them.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from redislite._core.base.alloc cimport (
    Heap, heap_discard_lines, heap_free_lines, heap_lines_footprint, heap_zalloc_lines,
)
from redislite._core.base.layout cimport size_is
from redislite._core.base.prefixed cimport prefixed_read

cdef extern from *:
    """
    #define REDISLITE_PREFETCH(address) __builtin_prefetch((const void *) (address))
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define REDISLITE_LITTLE_64(word) __builtin_bswap64(word)
    #define REDISLITE_LITTLE_32(word) __builtin_bswap32(word)
    #else
    #define REDISLITE_LITTLE_64(word) (word)
    #define REDISLITE_LITTLE_32(word) (word)
    #endif
    #define REDISLITE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
    #define REDISLITE_MAX_BUCKETS ((uint64_t) 1 << 48)
    #define REDISLITE_EVERY_BYTE UINT64_C(0x0101010101010101)
    #define REDISLITE_LOW_BITS UINT64_C(0x7f7f7f7f7f7f7f7f)
    #define REDISLITE_SLOT_BITS UINT64_C(0x0080808080808080)
    """
    const uint64_t MAX_BUCKETS "REDISLITE_MAX_BUCKETS"
    const uint64_t EVERY_BYTE "REDISLITE_EVERY_BYTE"
    const uint64_t LOW_BITS "REDISLITE_LOW_BITS"        # all but the top bit of each byte
    const uint64_t SLOT_BITS "REDISLITE_SLOT_BITS"      # the top bit of each tag; the last byte is the chained mark
    void prefetch "REDISLITE_PREFETCH"(const void* address) noexcept nogil
    uint64_t little_64 "REDISLITE_LITTLE_64"(uint64_t word) noexcept nogil
    uint32_t little_32 "REDISLITE_LITTLE_32"(uint32_t word) noexcept nogil
    uint64_t swap_bytes "__builtin_bswap64"(uint64_t word) noexcept nogil
    int count_trailing_zeros "__builtin_ctzll"(unsigned long long value) noexcept nogil
    int count_ones "__builtin_popcountll"(unsigned long long value) noexcept nogil
    bint unlikely "REDISLITE_UNLIKELY"(bint condition) noexcept nogil

cdef enum:
    SOFT_LOAD = 8               # entries per home: 17 to 12.5 bytes of table per entry over a growth's cycle
    HARD_LOAD = 28
    STEP_GROW = 1               # homes migrated with each insert and removal
    STEP_SHRINK = 8
    EMPTY_PER_HOME = 8          # empty homes that a step may go over in addition, for each home
    SHRINK_FACTOR_MAX = 16      # by how much one migration shrinks
    PREFETCH_AHEAD = 2          # homes ahead of a walk whose entries are asked for
    DISCARD_BUCKETS = 4096      # 256 KiB
    BUCKETS_PER_PIECE = 128     # buckets whose memory is given back for a piece of work of dict_release_step
    HOMES_PER_PIECE = 8         # homes that it walks over for one
    LAST = BUCKET_SLOTS - 1     # the slot that points to the next bucket of a chain
    RANDOM_TRIES = 1024
    SCAN_MOST = 128             # entries of a home that a scan emits in one step
    SAMPLE_HOMES_PER_ENTRY = 10


cdef void assert_layout() noexcept nogil:
    cdef Bucket* bucket = NULL
    size_is(bucket, 64)             # one cache line: tables are aligned to it


cdef struct SipState:
    uint64_t a
    uint64_t b
    uint64_t c
    uint64_t d


cdef inline uint64_t rotate(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline void sip_round(SipState* s) noexcept nogil:
    s.a += s.b
    s.c += s.d
    s.b = rotate(s.b, 13) ^ s.a
    s.d = rotate(s.d, 16) ^ s.c
    s.a = rotate(s.a, 32)
    s.c += s.b
    s.a += s.d
    s.b = rotate(s.b, 17) ^ s.c
    s.d = rotate(s.d, 21) ^ s.a
    s.c = rotate(s.c, 32)


cdef inline uint64_t load_64(const char* place) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, place, 8)
    return little_64(word)


cdef inline uint64_t load_32(const char* place) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, place, 4)
    return little_32(word)


cdef inline uint64_t load_tail(const char* key, size_t length) noexcept nogil:
    """The last length % 8 bytes as a little-endian number, read with at most three loads inside the key."""
    cdef size_t left = length & 7
    cdef const uint8_t* last
    if left == 0:
        return 0
    if length >= 8:
        return load_64(key + length - 8) >> (64 - 8 * left)
    if left >= 4:
        return load_32(key) | (load_32(key + left - 4) << (8 * (left - 4)))
    last = <const uint8_t*> key
    return (<uint64_t> last[0] | (<uint64_t> last[left >> 1] << (8 * (left >> 1)))
            | (<uint64_t> last[left - 1] << (8 * (left - 1))))


cdef inline uint64_t siphash_1_3(const uint64_t* seed, const char* key, size_t length) noexcept nogil:
    cdef SipState s
    cdef uint64_t word
    cdef const char* end = key + (length & ~<size_t> 7)
    s.a = seed[0] ^ <uint64_t> 0x736f6d6570736575
    s.b = seed[1] ^ <uint64_t> 0x646f72616e646f6d
    s.c = seed[0] ^ <uint64_t> 0x6c7967656e657261
    s.d = seed[1] ^ <uint64_t> 0x7465646279746573
    word = load_tail(key, length) | (<uint64_t> length << 56)
    while key != end:
        s.d ^= load_64(key)
        sip_round(&s)
        s.a ^= load_64(key)
        key += 8
    s.d ^= word
    sip_round(&s)
    s.a ^= word
    s.c ^= 0xff
    sip_round(&s)
    sip_round(&s)
    sip_round(&s)
    return s.a ^ s.b ^ s.c ^ s.d


cdef uint64_t dict_hash(const Dict* d, const char* key, size_t length) noexcept nogil:
    return siphash_1_3(d.seed, key, length)


cdef inline uint8_t tag_of(uint64_t hash) noexcept nogil:
    cdef uint8_t tag = <uint8_t> (hash >> 56)
    return tag if tag else 1


cdef inline uint64_t bucket_word(const Bucket* bucket) noexcept nogil:
    """Tags and chained mark, the first tag in the lowest byte."""
    cdef uint64_t word
    memcpy(&word, bucket, 8)
    return little_64(word)


cdef inline uint64_t slots_with(uint64_t word, uint8_t tag) noexcept nogil:
    """Bit 8 i + 7 is set for each slot i whose tag this is (exactly)."""
    cdef uint64_t different = word ^ (EVERY_BYTE * tag)
    return ~(((different & LOW_BITS) + LOW_BITS) | different) & SLOT_BITS


cdef inline uint64_t slots_taken(uint64_t word) noexcept nogil:
    """The same for the slots with entries."""
    return (((word & LOW_BITS) + LOW_BITS) | word) & SLOT_BITS


cdef inline bint word_chained(uint64_t word) noexcept nogil:
    return (word >> 56) != 0


cdef inline uint64_t slots_free(uint64_t word) noexcept nogil:
    """The same for the slots that an entry may be put into."""
    cdef uint64_t taken = slots_taken(word)
    if word_chained(word):
        taken |= <uint64_t> 0x80 << (8 * LAST)
    return ~taken & SLOT_BITS


cdef inline int first_slot(uint64_t slots) noexcept nogil:
    return count_trailing_zeros(slots) >> 3


cdef inline Bucket* chain_next(const Bucket* bucket) noexcept nogil:
    """The next bucket of the chain, or NULL."""
    return <Bucket*> bucket.slots[LAST] if bucket.chained else NULL


cdef inline uint64_t entry_hash(const Dict* d, const void* entry) noexcept nogil:
    cdef size_t length
    cdef const char* key = prefixed_read(<const char*> entry + d.key_offset, &length)
    return siphash_1_3(d.seed, key, length)


cdef inline bint same_bytes(const char* one, const char* other, size_t length) noexcept nogil:
    """memcmp() == 0 without its call, for keys of a few words."""
    cdef const char* last
    if length >= 8:
        last = one + length - 8
        while one < last:
            if load_64(one) != load_64(other):
                return False
            one += 8
            other += 8
        return load_64(last) == load_64(other - (one - last))
    if length >= 4:
        return load_32(one) == load_32(other) and load_32(one + length - 4) == load_32(other + length - 4)
    while length:
        length -= 1
        if one[length] != other[length]:
            return False
    return True


cdef inline bint entry_has_key(const Dict* d, const void* entry, const char* key, size_t length) noexcept nogil:
    cdef const char* place = <const char*> entry + d.key_offset
    cdef size_t entry_length
    if length < 254:
        if (<const uint8_t*> place)[0] != length:
            return False
        return same_bytes(place + 1, key, length)
    place = prefixed_read(place, &entry_length)
    return entry_length == length and same_bytes(place, key, length)


cdef inline int table_of(const Dict* d, uint64_t hash) noexcept nogil:
    """Which table the entry with this hash belongs in."""
    return <int64_t> (hash & d.masks[0]) < d.rehash_index


cdef inline Bucket* home_of(const Dict* d, uint64_t hash, int table) noexcept nogil:
    return d.tables[table] + (hash & d.masks[table])


cdef inline Bucket* find_slot(
    const Dict* d, Bucket* bucket, const char* key, size_t length, uint64_t hash, int* slot,
) noexcept nogil:
    """The bucket of this chain that has the entry of this key, and its slot; or NULL."""
    cdef uint64_t word, candidates
    cdef uint8_t tag = tag_of(hash)
    while True:
        word = bucket_word(bucket)
        candidates = slots_with(word, tag)
        while candidates:
            slot[0] = first_slot(candidates)
            if entry_has_key(d, bucket.slots[slot[0]], key, length):
                return bucket
            candidates &= candidates - 1
        if not word_chained(word):
            return NULL
        bucket = <Bucket*> bucket.slots[LAST]


cdef inline void prefetch_entries(const Dict* d, const Bucket* bucket) noexcept nogil:
    """Asks for the keys of a bucket's entries and for the next bucket of its chain."""
    cdef uint64_t word = bucket_word(bucket)
    cdef uint64_t taken = slots_taken(word)
    while taken:
        prefetch(<const char*> bucket.slots[first_slot(taken)] + d.key_offset)
        taken &= taken - 1
    if word_chained(word):
        prefetch(bucket.slots[LAST])


cdef inline void set_slot(Bucket* bucket, int slot, uint8_t tag, void* entry) noexcept nogil:
    bucket.tags[slot] = tag
    bucket.slots[slot] = entry


cdef Bucket* child_new(Dict* d) noexcept nogil:
    cdef Bucket* child = <Bucket*> heap_zalloc_lines(d.heap, sizeof(Bucket))
    if child != NULL:
        d.children += 1
    return child


cdef void child_free(Dict* d, Bucket* child) noexcept nogil:
    heap_free_lines(d.heap, child, sizeof(Bucket))
    d.children -= 1


cdef void chain_extend(Bucket* last, Bucket* child) noexcept nogil:
    """Hangs an empty bucket behind the last one of a chain, whose last entry moves into it."""
    if last.tags[LAST]:
        set_slot(child, 0, last.tags[LAST], last.slots[LAST])
        last.tags[LAST] = 0
    last.slots[LAST] = child
    last.chained = True


cdef inline int put(Dict* d, int table, Bucket* bucket, uint8_t tag, void* entry, Bucket** spare) noexcept nogil:
    """Enters an entry into the chain of its home. 0, or -1 where memory is out.

    spare: chained buckets to use first, linked through their last slot.
    """
    cdef uint64_t vacant
    cdef uint32_t depth = 0
    cdef Bucket* child
    while True:
        vacant = slots_free(bucket_word(bucket))
        if vacant:
            set_slot(bucket, first_slot(vacant), tag, entry)
            d.used[table] += 1
            return 0
        depth += 1
        if not bucket.chained:
            break
        bucket = <Bucket*> bucket.slots[LAST]
    child = spare[0]
    if child != NULL:
        spare[0] = <Bucket*> child.slots[LAST]
        memset(child, 0, sizeof(Bucket))
    else:
        child = child_new(d)
        if child == NULL:
            return -1
    chain_extend(bucket, child)
    set_slot(child, 1, tag, entry)
    d.used[table] += 1
    if depth > d.depth[table]:
        d.depth[table] = depth
    return 0


cdef void chain_compact(Dict* d, Bucket* home) noexcept nogil:
    """Fills the holes of a chain from its end, and releases the buckets that it no longer needs."""
    cdef Bucket* hole
    cdef Bucket* before = home
    cdef Bucket* last
    cdef uint64_t taken
    cdef int slot
    while home.chained:
        hole = NULL
        last = home
        while last.chained:
            if hole == NULL and slots_free(bucket_word(last)):
                hole = last
            before = last
            last = <Bucket*> last.slots[LAST]
        taken = slots_taken(bucket_word(last))
        if not taken & (taken - 1):
            # At most one entry: it has its place in the slot that pointed here.
            before.chained = False
            before.slots[LAST] = NULL
            if taken:
                slot = first_slot(taken)
                set_slot(before, LAST, last.tags[slot], last.slots[slot])
            child_free(d, last)
        elif hole != NULL:
            slot = first_slot(taken)
            set_slot(hole, first_slot(slots_free(bucket_word(hole))), last.tags[slot], last.slots[slot])
            last.tags[slot] = 0
        else:
            return


cdef inline bint moving_is_free(const Dict* d) noexcept nogil:
    return d.pauses <= 0 and not d.no_resize


cdef inline uint64_t first_home(const Dict* d, int table) noexcept nogil:
    """The first home of a table that may have entries; past its last one where none has."""
    cdef uint64_t index
    if d.rehash_index < 0:
        return 0
    # While draining, the index goes on past table 0 into table 1.
    index = d.rehash_index
    if table == 0:
        return index if index <= d.masks[0] else d.masks[0] + 1
    return index - d.masks[0] - 1 if index > d.masks[0] else 0


cdef inline size_t soft_limit(uint64_t mask) noexcept nogil:
    return SOFT_LOAD * (mask + 1)


cdef uint64_t buckets_for(size_t entries) noexcept nogil:
    """The smallest table that this many entries do not make grow, in buckets (0: there is none)."""
    cdef uint64_t buckets = 1
    while soft_limit(buckets - 1) < entries:
        buckets <<= 1
        if buckets > MAX_BUCKETS:
            return 0
    return buckets


cdef Bucket* table_new(Dict* d, uint64_t buckets) noexcept nogil:
    if not buckets or buckets > MAX_BUCKETS:
        return NULL
    return <Bucket*> heap_zalloc_lines(d.heap, buckets * sizeof(Bucket))


cdef void table_free(Dict* d, int table) noexcept nogil:
    """Releases a table, which has no chained bucket any more; its place reads as no table."""
    if d.tables[table] != NULL:
        heap_free_lines(d.heap, d.tables[table], (d.masks[table] + 1) * sizeof(Bucket))
    d.tables[table] = NULL
    d.masks[table] = 0
    d.used[table] = 0
    d.depth[table] = 0


cdef int resize_start(Dict* d, uint64_t buckets) noexcept nogil:
    """Begins a migration to a table of this many buckets. 0, or -1 where memory is out."""
    cdef Bucket* table = table_new(d, buckets)
    if table == NULL:
        return -1
    d.tables[1] = table
    d.masks[1] = buckets - 1
    d.used[1] = 0
    d.depth[1] = 0
    d.rehash_index = 0
    return 0


cdef Bucket* reserve_children(Dict* d, const Bucket* source, const Bucket* target, bint* failed) noexcept nogil:
    """As many spare buckets as the target's chain may need to take all entries of the source's chain in."""
    cdef Bucket* spare = NULL
    cdef Bucket* child
    cdef int64_t wanting = 0
    failed[0] = False
    while source != NULL:
        wanting += count_ones(slots_taken(bucket_word(source)))
        source = chain_next(source)
    while target != NULL:
        wanting -= count_ones(slots_free(bucket_word(target)))
        target = chain_next(target)
    # A chained bucket takes 7 entries, one of which comes from the slot that points to it.
    while wanting > 0:
        child = child_new(d)
        if child == NULL:
            failed[0] = True
            break
        child.slots[LAST] = spare
        spare = child
        wanting -= LAST
    return spare


cdef int migrate_home(Dict* d, uint64_t home) noexcept nogil:
    """Moves the entries with this home in table 0 to table 1; answers how many, or -1 where memory is out."""
    cdef Bucket* source = d.tables[0] + home
    cdef Bucket* target = d.tables[1] + (home & d.masks[1])
    cdef Bucket* spare = NULL
    cdef Bucket* child
    cdef Bucket copy
    cdef uint64_t taken
    cdef bint grows = d.masks[1] > d.masks[0]
    cdef bint failed = False
    cdef int slot
    cdef int moved = 0
    if not grows and (slots_taken(bucket_word(source)) or source.chained):
        spare = reserve_children(d, source, target, &failed)
    if not failed:
        copy = source[0]
        while True:
            taken = slots_taken(bucket_word(&copy))
            while taken:
                slot = first_slot(taken)
                taken &= taken - 1
                # A smaller table's homes follow from the larger one's: only growing needs the hash.
                if grows:
                    target = home_of(d, entry_hash(d, copy.slots[slot]), 1)
                put(d, 1, target, copy.tags[slot], copy.slots[slot], &spare)
                moved += 1
            if not copy.chained:
                break
            # A bucket that has been read can be used again at once.
            child = <Bucket*> copy.slots[LAST]
            copy = child[0]
            child.slots[LAST] = spare
            spare = child
        d.used[0] -= moved
    while spare != NULL:
        child = spare
        spare = <Bucket*> child.slots[LAST]
        child_free(d, child)
    return -1 if failed else moved


cdef int migrate_next(Dict* d) noexcept nogil:
    """Moves the next home and the index, ends the migration after the last one; answers as migrate_home."""
    cdef uint64_t home = d.rehash_index
    cdef uint64_t ahead
    cdef const Bucket* child
    cdef int moved = migrate_home(d, home)
    if moved < 0:
        return moved
    home += 1
    d.rehash_index = home
    if home > d.masks[0]:
        table_free(d, 0)
        d.tables[0] = d.tables[1]
        d.masks[0] = d.masks[1]
        d.used[0] = d.used[1]
        d.depth[0] = d.depth[1]
        d.tables[1] = NULL
        d.masks[1] = 0
        d.used[1] = 0
        d.depth[1] = 0
        d.rehash_index = -1
        return moved
    if not home & (DISCARD_BUCKETS - 1):
        heap_discard_lines(
            d.tables[0], (d.masks[0] + 1) * sizeof(Bucket),
            (home - DISCARD_BUCKETS) * sizeof(Bucket), home * sizeof(Bucket),
        )
    ahead = home + PREFETCH_AHEAD - 1
    if ahead <= d.masks[0]:
        prefetch(d.tables[1] + (ahead & d.masks[1]))
        if d.masks[1] > d.masks[0]:
            prefetch(d.tables[1] + ahead + d.masks[0] + 1)
            prefetch_entries(d, d.tables[0] + ahead)
            child = chain_next(d.tables[0] + home)
            if child != NULL:
                prefetch_entries(d, child)
    return moved


cdef bint migrate(Dict* d, size_t homes) noexcept nogil:
    """Moves at least this many homes, or the rest; whether more are left that can be moved."""
    cdef size_t empty = homes * EMPTY_PER_HOME
    cdef int moved
    while homes:
        if d.rehash_index < 0:
            return False
        moved = migrate_next(d)
        if moved < 0:
            return False
        if moved or not empty:
            homes -= 1
        else:
            empty -= 1
    return d.rehash_index >= 0


cdef inline void migrate_along(Dict* d) noexcept nogil:
    """The share of a migration that one insert or removal bears."""
    migrate(d, STEP_GROW if d.masks[1] > d.masks[0] else STEP_SHRINK)


cdef bint growth_must_wait(const Dict* d, size_t total) noexcept nogil:
    """Whether a larger table would take the heap over its soft limit, and chains are not too long yet to do without."""
    return (d.heap.soft_limit and total < HARD_LOAD * (d.masks[0] + 1)
            and d.heap.used + heap_lines_footprint(buckets_for(total + 1) * sizeof(Bucket)) > d.heap.soft_limit)


cdef void grow_or_migrate(Dict* d) noexcept nogil:
    """What an insert does for the size of the table first; failing for want of memory only means a higher load."""
    cdef size_t total = dict_size(d)
    cdef size_t load
    if d.pauses > 0:
        return
    # What counts under no_resize is the load of the homes not migrated yet, which migrating them does not lower: once
    # begun past the limit, a migration goes on to its end, as half of the limit keeps it going.
    if d.no_resize:
        load = d.used[0] // (d.masks[0] + 1 - first_home(d, 0))
        if d.rehash_index < 0:
            if load < HARD_LOAD:
                return
        elif load < HARD_LOAD // 2 and total < HARD_LOAD * (d.masks[1] + 1):
            return
    if d.rehash_index < 0 and (total < soft_limit(d.masks[0]) or growth_must_wait(d, total)
                               or resize_start(d, buckets_for(total + 1))):
        return
    migrate_along(d)


cdef void dict_init(Dict* d, Heap* heap, const uint64_t* seed, uint8_t key_offset) noexcept nogil:
    cdef int table
    d.heap = heap
    for table in range(2):
        d.tables[table] = NULL
        d.masks[table] = 0
        d.used[table] = 0
        d.seed[table] = seed[table]
        d.depth[table] = 0
    d.rehash_index = -1
    d.children = 0
    d.pauses = 0
    d.key_offset = key_offset
    d.no_resize = False
    d.draining = False


cdef void dict_release(Dict* d) noexcept nogil:
    cdef Bucket* child
    cdef Bucket* following
    cdef uint64_t home
    cdef int table
    for table in range(2):
        if d.tables[table] == NULL:
            continue
        for home in range(first_home(d, table), d.masks[table] + 1):
            if not d.children:
                break
            child = chain_next(d.tables[table] + home)
            while child != NULL:
                following = chain_next(child)
                child_free(d, child)
                child = following
    table_free(d, 0)
    table_free(d, 1)
    d.rehash_index = -1
    d.draining = False


cdef void** dict_find(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef int slot
    cdef Bucket* bucket
    if unlikely(d.tables[0] == NULL):
        return NULL
    bucket = find_slot(d, home_of(d, hash, table_of(d, hash)), key, length, hash, &slot)
    return &bucket.slots[slot] if bucket != NULL else NULL


cdef void** dict_find_hash(Dict* d, uint64_t hash) noexcept nogil:
    cdef Bucket* bucket
    cdef uint64_t candidates
    cdef int slot
    if d.tables[0] == NULL:
        return NULL
    bucket = home_of(d, hash, table_of(d, hash))
    while bucket != NULL:
        candidates = slots_with(bucket_word(bucket), tag_of(hash))
        while candidates:
            slot = first_slot(candidates)
            if entry_hash(d, bucket.slots[slot]) == hash:
                return &bucket.slots[slot]
            candidates &= candidates - 1
        bucket = chain_next(bucket)
    return NULL


cdef void dict_prefetch_bucket(const Dict* d, uint64_t hash) noexcept nogil:
    prefetch(home_of(d, hash, table_of(d, hash)))


cdef void dict_prefetch_entry(const Dict* d, uint64_t hash) noexcept nogil:
    cdef const Bucket* bucket
    cdef uint64_t word, candidates
    if unlikely(d.tables[0] == NULL):
        return
    bucket = home_of(d, hash, table_of(d, hash))
    word = bucket_word(bucket)
    candidates = slots_with(word, tag_of(hash))
    if candidates:
        prefetch(bucket.slots[first_slot(candidates)])
    elif word_chained(word):
        prefetch(bucket.slots[LAST])


cdef int dict_insert(Dict* d, void* entry, uint64_t hash) noexcept nogil:
    cdef Bucket* spare = NULL
    cdef int table
    if unlikely(d.tables[0] == NULL):
        d.tables[0] = table_new(d, 1)
        if d.tables[0] == NULL:
            return -1
    if d.rehash_index >= 0 or dict_size(d) >= soft_limit(d.masks[0]):
        grow_or_migrate(d)
    table = table_of(d, hash)
    return put(d, table, home_of(d, hash, table), tag_of(hash), entry, &spare)


cdef void* dict_remove(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef int slot, table
    cdef Bucket* home
    cdef Bucket* bucket
    cdef void* entry
    if unlikely(d.tables[0] == NULL):
        return NULL
    table = table_of(d, hash)
    home = home_of(d, hash, table)
    bucket = find_slot(d, home, key, length, hash, &slot)
    if bucket == NULL:
        return NULL
    entry = bucket.slots[slot]
    bucket.tags[slot] = 0
    d.used[table] -= 1
    if d.pauses > 0:
        return entry
    if home.chained:
        chain_compact(d, home)
    if not d.no_resize:
        if d.rehash_index >= 0:
            migrate_along(d)
        elif d.used[0] < (BUCKET_SLOTS * (d.masks[0] + 1)) >> 3:
            dict_shrink_if_sparse(d)
    return entry


cdef int dict_reserve(Dict* d, size_t entries) noexcept nogil:
    cdef uint64_t buckets = buckets_for(entries)
    if not buckets:
        return -1
    if d.rehash_index >= 0:
        if buckets <= d.masks[1] + 1 or not moving_is_free(d):
            return 0
        while d.rehash_index >= 0:
            if migrate_next(d) < 0:
                return -1
    if d.tables[0] != NULL:
        if buckets <= d.masks[0] + 1:
            return 0
        if d.used[0] or d.children or d.pauses > 0:
            return resize_start(d, buckets)
        table_free(d, 0)
    d.tables[0] = table_new(d, buckets)
    if d.tables[0] == NULL:
        return -1
    d.masks[0] = buckets - 1
    return 0


cdef int dict_rehash(Dict* d, size_t homes) noexcept nogil:
    if d.rehash_index < 0 or not moving_is_free(d):
        return 0
    return migrate(d, homes)


cdef int dict_shrink_if_sparse(Dict* d) noexcept nogil:
    cdef uint64_t buckets = d.masks[0] + 1
    cdef uint64_t least = buckets // SHRINK_FACTOR_MAX
    if (
        d.tables[0] == NULL or d.rehash_index >= 0 or not moving_is_free(d) or buckets == 1
        or d.used[0] >= (BUCKET_SLOTS * buckets) >> 3
    ):
        return 0
    while buckets > 1 and buckets > least and 2 * d.used[0] <= BUCKET_SLOTS * (buckets >> 1):
        buckets >>= 1
    return resize_start(d, buckets) == 0


cdef int dict_grow_if_full(Dict* d) noexcept nogil:
    cdef size_t total = dict_size(d)
    if (
        d.tables[0] == NULL or d.rehash_index >= 0 or not moving_is_free(d) or total <= soft_limit(d.masks[0])
        or growth_must_wait(d, total)
    ):
        return 0
    return resize_start(d, buckets_for(total)) == 0


cdef size_t dict_capacity(uint64_t buckets) noexcept nogil:
    return soft_limit(buckets - 1) if buckets else 0


cdef size_t dict_table_bytes(const Dict* d) noexcept nogil:
    cdef size_t total = d.children * sizeof(Bucket)
    cdef int table
    for table in range(2):
        if d.tables[table] != NULL:
            total += heap_lines_footprint((d.masks[table] + 1) * sizeof(Bucket))
    return total


cdef inline const Bucket* emitted_home(const Dict* d, int table, uint64_t home) noexcept nogil:
    """The bucket at this home, or NULL where its entries have moved to the other table."""
    return NULL if table == 0 and home < first_home(d, 0) else d.tables[table] + home


cdef size_t chain_entries(const Bucket* bucket) noexcept nogil:
    cdef size_t count = 0
    while bucket != NULL:
        count += count_ones(slots_taken(bucket_word(bucket)))
        bucket = chain_next(bucket)
    return count


cdef void count_likeness(const Dict* d, const Bucket* bucket, uint64_t cursor, size_t* like) noexcept nogil:
    """Counts the entries of a chain in like, by how many low bits of their hash are those of the cursor."""
    cdef uint64_t taken, different
    while bucket != NULL:
        prefetch_entries(d, bucket)
        taken = slots_taken(bucket_word(bucket))
        while taken:
            different = entry_hash(d, bucket.slots[first_slot(taken)]) ^ cursor
            like[count_trailing_zeros(different) if different else 64] += 1
            taken &= taken - 1
        bucket = chain_next(bucket)


cdef void emit_home(const Dict* d, int table, uint64_t home, uint64_t cursor, uint64_t mask, DictVisitor visit,
                    void* argument) noexcept nogil:
    """Shows the visitor the entries of this table with this home in it, of which the hash is the cursor as far as the mask
    goes."""
    cdef const Bucket* bucket = emitted_home(d, table, home)
    cdef uint64_t taken
    cdef void* entry
    while bucket != NULL:
        prefetch_entries(d, bucket)
        taken = slots_taken(bucket_word(bucket))
        while taken:
            entry = bucket.slots[first_slot(taken)]
            if mask <= d.masks[table] or not (entry_hash(d, entry) ^ cursor) & mask:
                visit(argument, entry)
            taken &= taken - 1
        bucket = chain_next(bucket)


cdef inline uint64_t reverse_bits(uint64_t word) noexcept nogil:
    word = swap_bytes(word)
    word = ((word >> 4) & <uint64_t> 0x0f0f0f0f0f0f0f0f) | ((word & <uint64_t> 0x0f0f0f0f0f0f0f0f) << 4)
    word = ((word >> 2) & <uint64_t> 0x3333333333333333) | ((word & <uint64_t> 0x3333333333333333) << 2)
    return ((word >> 1) & <uint64_t> 0x5555555555555555) | ((word & <uint64_t> 0x5555555555555555) << 1)


cdef uint64_t scan_mask(const Dict* d, int smaller, uint64_t cursor) noexcept nogil:
    """As many low bits of a hash as a step of a scan goes by: those of a home, or more where that has many entries."""
    cdef uint64_t mask = d.masks[smaller]
    cdef uint64_t home
    cdef size_t like[65]
    cdef size_t count = chain_entries(emitted_home(d, smaller, cursor & mask))
    cdef int bits
    if d.tables[1] != NULL:
        home = cursor & mask
        while home <= d.masks[1 - smaller]:
            count += chain_entries(emitted_home(d, 1 - smaller, home))
            home += mask + 1
    if count <= SCAN_MOST:
        return mask
    memset(like, 0, sizeof(like))
    count_likeness(d, emitted_home(d, smaller, cursor & mask), cursor, like)
    if d.tables[1] != NULL:
        home = cursor & mask
        while home <= d.masks[1 - smaller]:
            count_likeness(d, emitted_home(d, 1 - smaller, home), cursor, like)
            home += mask + 1
    for bits in range(count_ones(mask), 64):
        if count <= SCAN_MOST:
            break
        count -= like[bits]
        mask = mask << 1 | 1
    return mask


cdef uint64_t dict_scan(Dict* d, uint64_t cursor, DictVisitor visit, void* argument) noexcept nogil:
    # The cursor counts homes of the smaller table with its bits in reverse order, the highest first. Doubling a table
    # splits each home in two that follow each other in that order, so homes behind the cursor stay behind it. In that order
    # a step may as well take a part of a home, as if the table were larger: the next one goes on behind it.
    cdef int smaller = 0
    cdef uint64_t mask, home, larger
    if d.tables[0] == NULL:
        return 0
    if d.tables[1] != NULL and d.masks[1] < d.masks[0]:
        smaller = 1
    mask = scan_mask(d, smaller, cursor)
    emit_home(d, smaller, cursor & d.masks[smaller], cursor, mask, visit, argument)
    if d.tables[1] != NULL:
        larger = d.masks[1 - smaller]
        home = cursor & mask & larger
        while home <= larger:
            emit_home(d, 1 - smaller, home, cursor, mask, visit, argument)
            home += (mask & larger) + 1
    return reverse_bits(reverse_bits(cursor | ~mask) + 1)


cdef inline uint64_t random_next(uint64_t* state) noexcept nogil:
    """xorshift64*, with a state of 0 mended."""
    cdef uint64_t word = state[0] if state[0] else <uint64_t> 0x9e3779b97f4a7c15
    word ^= word >> 12
    word ^= word << 25
    word ^= word >> 27
    state[0] = word
    return word * <uint64_t> 0x2545f4914f6cdd1d


cdef inline uint64_t home_count(const Dict* d) noexcept nogil:
    """Homes of both tables that may have entries."""
    cdef uint64_t count = 0
    if d.tables[0] != NULL:
        count = d.masks[0] + 1 - first_home(d, 0)
    if d.tables[1] != NULL:
        count += d.masks[1] + 1 - first_home(d, 1)
    return count


cdef inline Bucket* home_at(const Dict* d, uint64_t index) noexcept nogil:
    """A home by its number among those of both tables that may have entries."""
    cdef uint64_t first = first_home(d, 0)
    if index <= d.masks[0] - first:
        return d.tables[0] + first + index
    return d.tables[1] + (index - (d.masks[0] + 1 - first))


cdef Bucket* random_place(const Dict* d, uint64_t* random, uint64_t* index, int* slot) noexcept nogil:
    """A place with an entry, each with the same probability: the bucket, its slot, and the number of its home. NULL where
    luck fails, as there is hardly anything in a large table."""
    # Every place that a chain as long as the longest may have is drawn with the same probability, until one is taken.
    # Places of a chain count on from LAST per bucket, as only the last bucket has an entry in its last slot.
    cdef uint64_t homes = home_count(d)
    cdef uint64_t places = LAST * <uint64_t> max(d.depth[0], d.depth[1]) + BUCKET_SLOTS
    cdef uint64_t number, place
    cdef Bucket* bucket
    cdef int tries
    for tries in range(RANDOM_TRIES):
        number = random_next(random)
        place = ((number >> 40) * places) >> 24
        index[0] = (number & (~<uint64_t> 0 >> 24)) % homes
        bucket = home_at(d, index[0])
        while place >= LAST and bucket.chained:
            bucket = <Bucket*> bucket.slots[LAST]
            place -= LAST
        if place < BUCKET_SLOTS and bucket.tags[place]:
            slot[0] = <int> place
            return bucket
    return NULL


cdef void* dict_random(Dict* d, uint64_t* random) noexcept nogil:
    cdef uint64_t homes = home_count(d)
    cdef uint64_t number, taken
    cdef uint64_t seen = 0
    cdef void* found = NULL
    cdef const Bucket* bucket
    cdef int slot
    if not dict_size(d):
        return NULL
    bucket = random_place(d, random, &number, &slot)
    if bucket != NULL:
        return bucket.slots[slot]
    # One of the next home behind a random place that has any.
    number = random_next(random) % homes
    while found == NULL:
        bucket = home_at(d, number)
        while bucket != NULL:
            taken = slots_taken(bucket_word(bucket))
            while taken:
                seen += 1
                if random_next(random) % seen == 0:
                    found = bucket.slots[first_slot(taken)]
                taken &= taken - 1
            bucket = chain_next(bucket)
        number += 1
        if number == homes:
            number = 0
    return found


cdef size_t dict_sample(Dict* d, uint64_t* random, void** entries, size_t count) noexcept nogil:
    # A run of entries from a random one on: each is in it with the same probability.
    cdef uint64_t homes = home_count(d)
    cdef uint64_t index, taken
    cdef uint64_t visited = 0
    cdef size_t found = 0
    cdef const Bucket* bucket
    cdef int slot = 0
    if not dict_size(d) or not count:
        return 0
    if count > dict_size(d):
        count = dict_size(d)
    bucket = random_place(d, random, &index, &slot)
    if bucket == NULL:
        index = random_next(random) % homes
        bucket = home_at(d, index)
    taken = slots_taken(bucket_word(bucket)) & (~<uint64_t> 0 << (8 * slot))
    while True:
        while taken:
            entries[found] = bucket.slots[first_slot(taken)]
            prefetch(entries[found])
            taken &= taken - 1
            found += 1
            if found == count:
                return found
        bucket = chain_next(bucket)
        if bucket == NULL:
            visited += 1
            if visited > homes or (found and visited > SAMPLE_HOMES_PER_ENTRY * count):
                return found
            index += 1
            if index == homes:
                index = 0
            bucket = home_at(d, index)
        taken = slots_taken(bucket_word(bucket))


cdef bint dict_release_step(Dict* d, DictVisitor visit, void* argument, size_t* budget) noexcept nogil:
    # From here on the index is the next home to empty, and after those of table 0 come those of table 1.
    cdef uint64_t taken, home, following
    cdef Bucket* bucket
    cdef Bucket* child
    cdef int slot, table
    if not d.draining:
        d.draining = True
        if d.rehash_index < 0:
            d.rehash_index = 0
    while True:
        table = d.rehash_index > <int64_t> d.masks[0]
        home = first_home(d, table)
        if d.tables[table] == NULL or home > d.masks[table]:
            dict_release(d)
            return False
        if not budget[0]:
            return True
        bucket = d.tables[table] + home
        if visit != NULL:
            taken = slots_taken(bucket_word(bucket))
            while taken and budget[0]:
                slot = first_slot(taken)
                taken &= taken - 1
                bucket.tags[slot] = 0
                d.used[table] -= 1
                budget[0] -= 1
                visit(argument, bucket.slots[slot])
            if taken:
                return True
        child = chain_next(bucket)
        if child != NULL:
            bucket[0] = child[0]
            child_free(d, child)
            if budget[0]:
                budget[0] -= 1
            continue
        following = home + 1
        if not d.children and (visit == NULL or not dict_size(d)):
            # Nothing but memory is left.
            following = min((home | (DISCARD_BUCKETS - 1)), d.masks[table]) + 1
            budget[0] -= min(budget[0], (following - home) // BUCKETS_PER_PIECE)
        elif not following % HOMES_PER_PIECE and budget[0]:
            budget[0] -= 1
        if visit != NULL and home + PREFETCH_AHEAD <= d.masks[table]:
            prefetch_entries(d, bucket + PREFETCH_AHEAD)
        d.rehash_index += <int64_t> (following - home)
        if not following & (DISCARD_BUCKETS - 1):
            heap_discard_lines(
                d.tables[table], (d.masks[table] + 1) * sizeof(Bucket),
                (following - DISCARD_BUCKETS) * sizeof(Bucket), following * sizeof(Bucket),
            )


cdef void dict_iterate_begin(DictIterator* it, Dict* d) noexcept nogil:
    it.d = d
    it.bucket = NULL
    it.home = first_home(d, 0)
    it.table = 0
    it.slot = 0
    d.pauses += 1


cdef void* dict_iterate_next(DictIterator* it) noexcept nogil:
    cdef Dict* d = it.d
    cdef uint64_t taken
    while it.table < 2 and d.tables[it.table] != NULL:
        while it.home <= d.masks[it.table]:
            if it.bucket == NULL:
                it.bucket = d.tables[it.table] + it.home
                if it.home + PREFETCH_AHEAD <= d.masks[it.table]:
                    prefetch_entries(d, it.bucket + PREFETCH_AHEAD)
            while it.bucket != NULL:
                taken = slots_taken(bucket_word(it.bucket)) >> (8 * it.slot)
                if taken:
                    it.slot += first_slot(taken) + 1
                    return it.bucket.slots[it.slot - 1]
                it.bucket = chain_next(it.bucket)
                it.slot = 0
            it.home += 1
        it.table += 1
        it.home = 0
    return NULL


cdef void dict_iterate_end(DictIterator* it) noexcept nogil:
    it.d.pauses -= 1
