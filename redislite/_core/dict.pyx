"""The dictionary: open addressing over cache-line buckets, progressive rehashing over two tables.

The contract is in dict.pxd. Words used here: the *home* of an entry in a table is the bucket that the low bits of its
hash name; an entry that finds its home full *passes* it and goes to the next bucket with a free slot. The tag comes
from the top byte of the hash, which no bucket index uses.

Invariants
- ``passed`` of a bucket is the number of entries that stand behind it and whose home is at or before it (255: that
  many or more, kept until the table goes). So a search from its home ends at the first bucket that none passed;
  removing needs no tombstone: it lowers the counters on the way.
- An entry lives in exactly one table: in table 0 where its home there is at or after ``rehash_index``, else in
  table 1. So find, insert and remove look in one table, and migrating a home (all of its entries, wherever probing
  put them) and moving the index by one is a whole step. Outside a migration the index is -1, and all is in table 0.
- A migration runs forward, from table 0 to table 1, while the index rises. A shrink whose table 1 becomes too small
  meanwhile turns ``backward``: the index falls, each home that it gives up moves back to table 0, and where it
  reaches 0 table 1 goes. Only a smaller table 1 is ever left so, since then its home follows from that in table 0.

Why no table ever overflows. Load limits of a table of B buckets, in entries: ``soft_limit`` 7/8 of its slots;
``hard_limit`` all but B/4.
- A growth starts at the soft limit and migrates at least STEP_GROW = 2 homes with each insert: B/2 inserts later it is
  over, with at most 6.125 B + B/2 entries, fewer than the 7 B slots of table 0 even if every one went there.
- Where moving is not wanted (``pauses``, ``no_resize``) growth starts at the hard limit of table 0, and steps of
  STEP_PRESSED = 8 homes are made in spite of that wish while a table stands past its hard limit, or both tables
  together hold more than the soft limit of the table that migration runs to. That is over within B/8 inserts.
- A shrink starts with at most half the slots of table 1 full and a table 0 at most 16 times larger, and migrates
  STEP_SHRINK = 8 homes per insert: at most 2 B1 inserts later it is over, with at most 5.5 of 7 slots used. Where pauses
  drew it out and table 1's soft limit is reached, it turns backward, to a table at least twice as large.
- Whatever the reasons above, an insert whose table has no free slot at all first migrates until it has one.
A search is bounded by the number of buckets too: counters that are never lowered from 255, or holes left by removals,
may leave no bucket that none passed.

Large tables are mapped memory: asking for one costs nothing, pages come in as the migration reaches them, and what
the migration has left behind is given back in pieces of DISCARD_BUCKETS.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from redislite._core.alloc cimport (
    Heap, heap_discard_lines, heap_free_lines, heap_lines_footprint, heap_zalloc_lines,
)
from redislite._core.prefixed cimport prefixed_read

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
    const uint64_t SLOT_BITS "REDISLITE_SLOT_BITS"      # the top bit of each tag; the last byte is the passed counter
    void prefetch "REDISLITE_PREFETCH"(const void* address) noexcept nogil
    uint64_t little_64 "REDISLITE_LITTLE_64"(uint64_t word) noexcept nogil
    uint32_t little_32 "REDISLITE_LITTLE_32"(uint32_t word) noexcept nogil
    uint64_t swap_bytes "__builtin_bswap64"(uint64_t word) noexcept nogil
    int count_trailing_zeros "__builtin_ctzll"(unsigned long long value) noexcept nogil
    bint unlikely "REDISLITE_UNLIKELY"(bint condition) noexcept nogil

cdef enum:
    STEP_GROW = 2               # homes migrated with each insert and removal
    STEP_SHRINK = 8
    STEP_PRESSED = 8
    EMPTY_PER_HOME = 8          # empty homes that a step may go over in addition, for each home
    SHRINK_FACTOR_MAX = 16      # by how much one migration shrinks
    PREFETCH_AHEAD = 2          # homes ahead of the migration whose entries are asked for
    DISCARD_BUCKETS = 4096      # 256 KiB
    PASSED_STICKY = 255
    DRAINING = 2                # value of backward once dict_drain has been called
    RANDOM_TRIES = 1024
    SAMPLE_BUCKETS_PER_ENTRY = 10


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
    """Tags and passed counter, the first tag in the lowest byte."""
    cdef uint64_t word
    memcpy(&word, bucket, 8)
    return little_64(word)


cdef inline uint64_t slots_with(uint64_t word, uint8_t tag) noexcept nogil:
    """Bit 8 i + 7 is set for each slot i whose tag this is (exactly); tag 0 answers the free slots."""
    cdef uint64_t different = word ^ (EVERY_BYTE * tag)
    return ~(((different & LOW_BITS) + LOW_BITS) | different) & SLOT_BITS


cdef inline uint64_t slots_taken(uint64_t word) noexcept nogil:
    return (((word & LOW_BITS) + LOW_BITS) | word) & SLOT_BITS


cdef inline int first_slot(uint64_t slots) noexcept nogil:
    return count_trailing_zeros(slots) >> 3


cdef inline uint8_t word_passed(uint64_t word) noexcept nogil:
    return <uint8_t> (word >> 56)


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


cdef inline Bucket* find_slot(
    const Dict* d, int table, const char* key, size_t length, uint64_t hash, uint64_t* index, int* slot,
) noexcept nogil:
    """The bucket with the entry of this key, its index and slot; or NULL."""
    cdef uint64_t mask = d.masks[table]
    cdef uint64_t home = hash & mask
    cdef uint64_t place = home
    cdef uint64_t word, candidates
    cdef uint8_t tag = tag_of(hash)
    cdef Bucket* bucket
    while True:
        bucket = d.tables[table] + place
        word = bucket_word(bucket)
        candidates = slots_with(word, tag)
        while candidates:
            slot[0] = first_slot(candidates)
            if entry_has_key(d, bucket.slots[slot[0]], key, length):
                index[0] = place
                return bucket
            candidates &= candidates - 1
        if not word_passed(word):
            return NULL
        place = (place + 1) & mask
        if place == home:
            return NULL


cdef inline void put(Dict* d, int table, uint64_t hash, void* entry) noexcept nogil:
    """Enters an entry into a table that has a free slot."""
    cdef uint64_t mask = d.masks[table]
    cdef uint64_t place = hash & mask
    cdef uint64_t vacant
    cdef Bucket* bucket
    cdef int slot
    while True:
        bucket = d.tables[table] + place
        vacant = slots_with(bucket_word(bucket), 0)
        if vacant:
            break
        if bucket.passed != PASSED_STICKY:
            bucket.passed += 1
        place = (place + 1) & mask
    slot = first_slot(vacant)
    bucket.tags[slot] = tag_of(hash)
    bucket.slots[slot] = entry
    d.used[table] += 1


cdef inline void clear(Dict* d, int table, uint64_t home, uint64_t index, int slot) noexcept nogil:
    """Empties a slot whose entry has this home."""
    cdef uint64_t mask = d.masks[table]
    cdef Bucket* bucket = d.tables[table] + index
    bucket.tags[slot] = 0
    d.used[table] -= 1
    while home != index:
        bucket = d.tables[table] + home
        if bucket.passed != PASSED_STICKY:
            bucket.passed -= 1
        home = (home + 1) & mask


cdef inline void prefetch_entries(const Dict* d, const Bucket* bucket) noexcept nogil:
    cdef uint64_t taken = slots_taken(bucket_word(bucket))
    while taken:
        prefetch(<const char*> bucket.slots[first_slot(taken)] + d.key_offset)
        taken &= taken - 1


cdef inline size_t capacity(uint64_t mask) noexcept nogil:
    return BUCKET_SLOTS * (mask + 1)


cdef inline size_t soft_limit(uint64_t mask) noexcept nogil:
    return capacity(mask) - (capacity(mask) >> 3)


cdef inline size_t hard_limit(uint64_t mask) noexcept nogil:
    return capacity(mask) - ((mask + 1) >> 2)


cdef inline bint moving_is_free(const Dict* d) noexcept nogil:
    return d.pauses <= 0 and not d.no_resize


cdef Bucket* table_new(Dict* d, uint64_t buckets) noexcept nogil:
    if buckets > MAX_BUCKETS:
        return NULL
    return <Bucket*> heap_zalloc_lines(d.heap, buckets * sizeof(Bucket))


cdef void table_free(Dict* d, int table) noexcept nogil:
    """Releases a table; its place reads as no table."""
    if d.tables[table] != NULL:
        heap_free_lines(d.heap, d.tables[table], (d.masks[table] + 1) * sizeof(Bucket))
    d.tables[table] = NULL
    d.masks[table] = 0
    d.used[table] = 0


cdef int resize_start(Dict* d, uint64_t buckets) noexcept nogil:
    """Begins a migration to a table of this many buckets. 0, or -1 where memory is out."""
    cdef Bucket* table = table_new(d, buckets)
    if table == NULL:
        return -1
    d.tables[1] = table
    d.masks[1] = buckets - 1
    d.used[1] = 0
    d.rehash_index = 0
    d.backward = False
    return 0


cdef size_t migrate_home(Dict* d, int source, uint64_t home) noexcept nogil:
    """Moves the entries with this home in table 0 to the other table; answers how many."""
    cdef uint64_t mask = d.masks[source]
    cdef uint64_t start = home & mask
    cdef uint64_t index = start
    cdef uint64_t taken, hash
    cdef size_t moved = 0
    cdef Bucket* bucket
    cdef void* entry
    cdef int slot
    while True:
        bucket = d.tables[source] + index
        taken = slots_taken(bucket_word(bucket))
        while taken:
            slot = first_slot(taken)
            taken &= taken - 1
            entry = bucket.slots[slot]
            hash = entry_hash(d, entry)
            if hash & d.masks[0] == home:
                clear(d, source, start, index, slot)
                put(d, 1 - source, hash, entry)
                moved += 1
        if not bucket.passed:
            return moved
        index = (index + 1) & mask
        if index == start:
            return moved


cdef void discard_behind(Dict* d, uint64_t end) noexcept nogil:
    """Gives back the piece of table 0 before this bucket, all homes of which have moved to table 1.

    Entries stand there only if they came past the bucket before it from the end of the table; then it stays. The first
    piece always does. Zeroed buckets are empty buckets, whichever way the migration goes on.
    """
    cdef uint64_t start = end - DISCARD_BUCKETS
    if start and not (d.tables[0] + start - 1).passed:
        heap_discard_lines(
            d.tables[0], (d.masks[0] + 1) * sizeof(Bucket), start * sizeof(Bucket), end * sizeof(Bucket)
        )


cdef size_t migrate_next(Dict* d) noexcept nogil:
    """Moves the next home and the index, ends the migration after the last one; answers how many entries moved."""
    cdef uint64_t home = d.rehash_index
    cdef uint64_t ahead
    cdef size_t moved
    if d.backward:
        if home:
            moved = migrate_home(d, 1, home - 1)
            d.rehash_index -= 1
        else:
            moved = 0
        if not d.rehash_index:
            table_free(d, 1)
            d.rehash_index = -1
            d.backward = False
        return moved
    moved = migrate_home(d, 0, home)
    home += 1
    d.rehash_index = home
    if home > d.masks[0]:
        table_free(d, 0)
        d.tables[0] = d.tables[1]
        d.masks[0] = d.masks[1]
        d.used[0] = d.used[1]
        d.tables[1] = NULL
        d.masks[1] = 0
        d.used[1] = 0
        d.rehash_index = -1
        return moved
    if not home & (DISCARD_BUCKETS - 1):
        discard_behind(d, home)
    ahead = home + PREFETCH_AHEAD
    if ahead <= d.masks[0]:
        prefetch_entries(d, d.tables[0] + ahead)
        prefetch(d.tables[1] + (ahead & d.masks[1]))
        prefetch(d.tables[1] + ((ahead + d.masks[0] + 1) & d.masks[1]))
    return moved


cdef bint migrate(Dict* d, size_t homes) noexcept nogil:
    """Moves at least this many homes, or the rest; whether more are left."""
    cdef size_t empty = homes * EMPTY_PER_HOME
    while homes:
        if d.rehash_index < 0:
            return False
        if migrate_next(d) or not empty:
            homes -= 1
        else:
            empty -= 1
    return d.rehash_index >= 0


cdef inline void migrate_along(Dict* d) noexcept nogil:
    """The share of a migration that one insert or removal bears."""
    migrate(d, STEP_GROW if d.masks[1] > d.masks[0] else STEP_SHRINK)


cdef int table_with_room(Dict* d, uint64_t hash) noexcept nogil:
    """The table that a new entry with this hash goes to, which has a free slot; or -1 where memory is out.

    Starts, turns and advances migrations as the comment at the top of the file says.
    """
    cdef size_t total = dict_size(d)
    cdef int table
    if d.rehash_index < 0:
        if total < soft_limit(d.masks[0]):
            return 0
        if not moving_is_free(d) and total < hard_limit(d.masks[0]):
            return 0
        if resize_start(d, 2 * (d.masks[0] + 1)):
            return 0 if total < capacity(d.masks[0]) else -1
    if not d.backward and d.masks[1] < d.masks[0] and total >= soft_limit(d.masks[1]):
        d.backward = True
    if (
        total >= soft_limit(d.masks[0 if d.backward else 1])
        or d.used[0] >= hard_limit(d.masks[0])
        or d.used[1] >= hard_limit(d.masks[1])
    ):
        migrate(d, STEP_PRESSED)
    elif moving_is_free(d):
        migrate_along(d)
    while True:
        table = table_of(d, hash)
        if d.used[table] < capacity(d.masks[table]):
            return table
        if d.rehash_index < 0 and resize_start(d, 2 * (d.masks[0] + 1)):
            return -1
        migrate(d, 1)


cdef void dict_init(Dict* d, Heap* heap, const uint64_t* seed, uint8_t key_offset) noexcept nogil:
    cdef int table
    d.heap = heap
    for table in range(2):
        d.tables[table] = NULL
        d.masks[table] = 0
        d.used[table] = 0
        d.seed[table] = seed[table]
    d.rehash_index = -1
    d.pauses = 0
    d.key_offset = key_offset
    d.backward = False
    d.no_resize = False


cdef void dict_release(Dict* d) noexcept nogil:
    table_free(d, 0)
    table_free(d, 1)
    d.rehash_index = -1
    d.backward = False


cdef void** dict_find(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef uint64_t index
    cdef int slot
    cdef Bucket* bucket
    if d.tables[0] == NULL:
        return NULL
    bucket = find_slot(d, table_of(d, hash), key, length, hash, &index, &slot)
    return &bucket.slots[slot] if bucket != NULL else NULL


cdef void dict_prefetch_bucket(const Dict* d, uint64_t hash) noexcept nogil:
    cdef int table = table_of(d, hash)
    prefetch(d.tables[table] + (hash & d.masks[table]))


cdef void dict_prefetch_entry(const Dict* d, uint64_t hash) noexcept nogil:
    cdef int table = table_of(d, hash)
    cdef const Bucket* bucket
    cdef uint64_t candidates
    if d.tables[0] == NULL:
        return
    bucket = d.tables[table] + (hash & d.masks[table])
    candidates = slots_with(bucket_word(bucket), tag_of(hash))
    if candidates:
        prefetch(bucket.slots[first_slot(candidates)])


cdef int dict_insert(Dict* d, void* entry, uint64_t hash) noexcept nogil:
    cdef int table
    if unlikely(d.tables[0] == NULL):
        d.tables[0] = table_new(d, 1)
        if d.tables[0] == NULL:
            return -1
    table = table_with_room(d, hash)
    if table < 0:
        return -1
    put(d, table, hash, entry)
    return 0


cdef void* dict_remove(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef uint64_t index
    cdef int slot, table
    cdef Bucket* bucket
    cdef void* entry
    if d.tables[0] == NULL:
        return NULL
    table = table_of(d, hash)
    bucket = find_slot(d, table, key, length, hash, &index, &slot)
    if bucket == NULL:
        return NULL
    entry = bucket.slots[slot]
    clear(d, table, hash & d.masks[table], index, slot)
    if moving_is_free(d):
        if d.rehash_index >= 0:
            migrate_along(d)
        elif d.used[0] < capacity(d.masks[0]) >> 3:
            dict_shrink_if_sparse(d)
    return entry


cdef uint64_t buckets_for(size_t entries) noexcept nogil:
    """The smallest table whose soft limit this many entries do not exceed, in buckets (0: there is none)."""
    cdef uint64_t buckets = 1
    while soft_limit(buckets - 1) < entries:
        buckets <<= 1
        if buckets > MAX_BUCKETS:
            return 0
    return buckets


cdef int dict_reserve(Dict* d, size_t entries) noexcept nogil:
    cdef uint64_t buckets = buckets_for(entries)
    if not buckets:
        return -1
    if d.rehash_index >= 0:
        if buckets <= d.masks[0 if d.backward else 1] + 1 or not moving_is_free(d):
            return 0
        while d.rehash_index >= 0:
            migrate_next(d)
    if d.tables[0] != NULL:
        if buckets <= d.masks[0] + 1:
            return 0
        if d.used[0] or d.pauses > 0:
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
        or d.used[0] >= capacity(d.masks[0]) >> 3
    ):
        return 0
    while buckets > 1 and buckets > least and 2 * d.used[0] <= capacity((buckets >> 1) - 1):
        buckets >>= 1
    return resize_start(d, buckets) == 0


cdef size_t dict_table_bytes(const Dict* d) noexcept nogil:
    cdef size_t total = 0
    cdef int table
    for table in range(2):
        if d.tables[table] != NULL:
            total += heap_lines_footprint((d.masks[table] + 1) * sizeof(Bucket))
    return total


cdef void emit_home(const Dict* d, int table, uint64_t home, DictVisitor visit, void* argument) noexcept nogil:
    """Shows the visitor the entries of this table with this home in it."""
    cdef uint64_t mask = d.masks[table]
    cdef uint64_t index = home
    cdef uint64_t taken
    cdef Bucket* bucket
    cdef void* entry
    # Where none passed the bucket before, all entries in the first bucket are at home.
    cdef bint mixed = d.tables[table][(home - 1) & mask].passed != 0
    while True:
        bucket = d.tables[table] + index
        taken = slots_taken(bucket_word(bucket))
        while taken:
            entry = bucket.slots[first_slot(taken)]
            taken &= taken - 1
            if not mixed or entry_hash(d, entry) & mask == home:
                visit(argument, entry)
        index = (index + 1) & mask
        if not bucket.passed or index == home:
            return
        mixed = True


cdef inline uint64_t reverse_bits(uint64_t word) noexcept nogil:
    word = swap_bytes(word)
    word = ((word >> 4) & <uint64_t> 0x0f0f0f0f0f0f0f0f) | ((word & <uint64_t> 0x0f0f0f0f0f0f0f0f) << 4)
    word = ((word >> 2) & <uint64_t> 0x3333333333333333) | ((word & <uint64_t> 0x3333333333333333) << 2)
    return ((word >> 1) & <uint64_t> 0x5555555555555555) | ((word & <uint64_t> 0x5555555555555555) << 1)


cdef uint64_t dict_scan(Dict* d, uint64_t cursor, DictVisitor visit, void* argument) noexcept nogil:
    # The cursor counts homes of the smaller table with its bits in reverse order, the highest first. Doubling a table
    # splits each home in two that follow each other in that order, so homes behind the cursor stay behind it.
    cdef int smaller = 0
    cdef uint64_t mask, home
    if d.tables[0] == NULL:
        return 0
    if d.tables[1] != NULL and d.masks[1] < d.masks[0]:
        smaller = 1
    mask = d.masks[smaller]
    emit_home(d, smaller, cursor & mask, visit, argument)
    if d.tables[1] != NULL:
        home = cursor & mask
        while home <= d.masks[1 - smaller]:
            emit_home(d, 1 - smaller, home, visit, argument)
            home += mask + 1
    return reverse_bits(reverse_bits(cursor | ~mask) + 1)


cdef inline uint64_t random_next(uint64_t* state) noexcept nogil:
    """xorshift64*, with a state of 0 mended."""
    cdef uint64_t word = state[0] if state[0] else <uint64_t> 0x9e3779b97f4a7c15
    word ^= word >> 12
    word ^= word << 25
    word ^= word >> 27
    state[0] = word
    return word * <uint64_t> 0x2545f4914f6cdd1d


cdef inline uint64_t bucket_count(const Dict* d) noexcept nogil:
    """Buckets of both tables."""
    cdef uint64_t count = 0
    if d.tables[0] != NULL:
        count = d.masks[0] + 1
    if d.tables[1] != NULL:
        count += d.masks[1] + 1
    return count


cdef inline Bucket* bucket_at(const Dict* d, uint64_t index) noexcept nogil:
    """A bucket by its number among those of both tables."""
    if index <= d.masks[0]:
        return d.tables[0] + index
    return d.tables[1] + (index - d.masks[0] - 1)


cdef void* dict_random(Dict* d, uint64_t* random) noexcept nogil:
    cdef uint64_t buckets = bucket_count(d)
    cdef uint64_t number, taken, index
    cdef Bucket* bucket
    cdef int tries, slot
    if not dict_size(d):
        return NULL
    for tries in range(RANDOM_TRIES):
        number = random_next(random)
        slot = <int> (number >> 61)
        if slot < BUCKET_SLOTS:
            bucket = bucket_at(d, (number & (~<uint64_t> 0 >> 3)) % buckets)
            if bucket.tags[slot]:
                return bucket.slots[slot]
    # Hardly anything in a large table that must not shrink now: the next entry after a random place.
    index = random_next(random) % buckets
    while True:
        bucket = bucket_at(d, index)
        taken = slots_taken(bucket_word(bucket))
        if taken:
            break
        index += 1
        if index == buckets:
            index = 0
    slot = <int> (random_next(random) >> 33) % BUCKET_SLOTS
    while not bucket.tags[slot]:
        slot = (slot + 1) % BUCKET_SLOTS
    return bucket.slots[slot]


cdef size_t dict_sample(Dict* d, uint64_t* random, void** entries, size_t count) noexcept nogil:
    cdef uint64_t buckets = bucket_count(d)
    cdef uint64_t index, taken
    cdef uint64_t visited = 0
    cdef size_t found = 0
    cdef Bucket* bucket
    if not dict_size(d) or not count:
        return 0
    index = random_next(random) % buckets
    if <int64_t> index < d.rehash_index:
        index = d.rehash_index          # the homes before it have left table 0
    while visited < buckets and (not found or visited < SAMPLE_BUCKETS_PER_ENTRY * count):
        bucket = bucket_at(d, index)
        taken = slots_taken(bucket_word(bucket))
        while taken:
            entries[found] = bucket.slots[first_slot(taken)]
            taken &= taken - 1
            found += 1
            if found == count:
                return found
        visited += 1
        index += 1
        if index == buckets:
            index = 0
    return found


cdef size_t dict_drain(Dict* d, size_t count, DictVisitor visit, void* argument) noexcept nogil:
    # From here on the index is the next bucket to empty, among those of both tables.
    cdef uint64_t buckets = bucket_count(d)
    cdef uint64_t index, taken, behind
    cdef size_t drained = 0
    cdef Bucket* bucket
    cdef int slot, table
    if d.backward != DRAINING:
        d.backward = DRAINING
        d.rehash_index = 0
    index = d.rehash_index
    while drained < count and index < buckets and dict_size(d):
        table = index > d.masks[0]
        bucket = bucket_at(d, index)
        taken = slots_taken(bucket_word(bucket))
        while taken and drained < count:
            slot = first_slot(taken)
            taken &= taken - 1
            bucket.tags[slot] = 0
            d.used[table] -= 1
            drained += 1
            visit(argument, bucket.slots[slot])
        if taken:
            break
        index += 1
        if index + PREFETCH_AHEAD < buckets:
            prefetch_entries(d, bucket_at(d, index + PREFETCH_AHEAD))
        behind = index - d.masks[0] - 1 if table else index
        if not behind & (DISCARD_BUCKETS - 1):
            heap_discard_lines(
                d.tables[table], (d.masks[table] + 1) * sizeof(Bucket),
                (behind - DISCARD_BUCKETS) * sizeof(Bucket), behind * sizeof(Bucket),
            )
    d.rehash_index = index
    return drained


cdef void dict_iterate_begin(DictIterator* it, Dict* d) noexcept nogil:
    it.d = d
    it.table = 0
    it.bucket = 0
    it.slot = 0
    d.pauses += 1


cdef void* dict_iterate_next(DictIterator* it) noexcept nogil:
    cdef Dict* d = it.d
    cdef uint64_t taken
    cdef Bucket* bucket
    while it.table < 2 and d.tables[it.table] != NULL:
        while it.bucket <= d.masks[it.table]:
            bucket = d.tables[it.table] + it.bucket
            if not it.slot and it.bucket + PREFETCH_AHEAD <= d.masks[it.table]:
                prefetch_entries(d, bucket + PREFETCH_AHEAD)
            taken = slots_taken(bucket_word(bucket)) >> (8 * it.slot)
            if taken:
                it.slot += first_slot(taken) + 1
                return bucket.slots[it.slot - 1]
            it.bucket += 1
            it.slot = 0
        it.table += 1
        it.bucket = 0
        it.slot = 0
    return NULL


cdef void dict_iterate_end(DictIterator* it) noexcept nogil:
    it.d.pauses -= 1
