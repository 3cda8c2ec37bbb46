"""The dictionary: cache-line buckets with one-byte hash tags, chained where one overflows; progressive rehashing.

The contract and the layout are in dict.pxd. The tag comes from the top byte of the hash, which no home uses.

Invariants
- An entry stands in the chain of its home, in exactly one table: in table 0 where its home there is at or after
  ``rehash_index``, else in table 1. So find, insert and remove look in one chain, and migrating one home and moving
  the index by one is a whole step. Outside a migration the index is -1 and all is in table 0.
- Homes of table 0 before the index are left as they were when they moved: nobody reads them again, their memory goes
  back to the system in pieces, and a snapshot child shares it untouched.
- A chain has no more buckets than its entries need, except where entries were removed while moving was paused.
- A chain of more than CHAIN_MOST buckets behind its home is made a fan by the insert that made it so long, unless
  moving is paused, memory is out, or all bits of the hash but the tag's are used up. A fan of no more entries than one
  bucket takes is a bucket again, which needs no memory. So a lookup goes over a dozen buckets, however alike hashes
  are: each level of fans that an adversary brings about takes eight times the work.
- Growing needs no memory but the new table: the two homes that a home falls into need at most as many chained buckets
  as it had, and get those. Shrinking may need more, and so may a fan; where memory is out it stays where it is.

Sizes: a table grows from SOFT_LOAD entries per home on (under ``no_resize`` from HARD_LOAD), to the smallest one below
that load; it shrinks below 1/8 of its slots, to at most 1/2 of them, by SHRINK_FACTOR_MAX at most, so that a step of a
scan amid it stays short. Each insert and removal bears a share of the migration: B inserts after its start a growth
from B homes is over. Whatever the load is meanwhile, a chain only becomes longer: no table is ever full.

Large tables are mapped memory: asking for one costs nothing, and pages come in as the migration reaches them.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset
from redislite._core.base.alloc cimport (
    Heap, heap_discard_lines, heap_free_lines, heap_lines_footprint, heap_zalloc_lines,
)
from redislite._core.base.layout cimport size_is
from redislite._core.structures.bucket cimport (
    BUCKET_SLOTS, FAN, LAST, LINK_CHAIN, LINK_FAN, LINK_NONE, bucket_entries, bucket_word, chain_extend, chain_next,
    count_ones, fan_bucket, fan_emptied, fan_entries, fan_of, first_slot, leaf_of, mask_below, place_after, set_slot,
    slots_free, slots_taken, slots_with, tag_of, unlikely, walk_begin, walk_next, word_fanned, word_linked,
)
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.text.siphash cimport load_32, load_64, siphash_1_3

cdef extern from *:
    """
    #define REDISLITE_PREFETCH(address) __builtin_prefetch((const void *) (address))
    #define REDISLITE_MAX_BUCKETS ((uint64_t) 1 << 48)
    #define REDISLITE_FAN_MASK_MAX (((uint64_t) 1 << 56) - 1)
    """
    const uint64_t MAX_BUCKETS "REDISLITE_MAX_BUCKETS"
    const uint64_t FAN_MASK_MAX "REDISLITE_FAN_MASK_MAX"    # the bits above are the tag's
    void prefetch "REDISLITE_PREFETCH"(const void* address) noexcept nogil

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
    CHAIN_MOST = 8              # buckets chained to one home
    RANDOM_TRIES = 1024
    SCAN_MOST = 128             # entries of a home that a scan emits in one step
    SAMPLE_HOMES_PER_ENTRY = 10


cdef void assert_layout() noexcept nogil:
    cdef Bucket* bucket = NULL
    size_is(bucket, 64)             # one cache line: tables are aligned to it


cdef uint64_t dict_hash(const Dict* d, const char* key, size_t length) noexcept nogil:
    return siphash_1_3(d.seed, key, length)


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


cdef Bucket* leaf_at(const Dict* d, uint64_t hash, int table) noexcept nogil:
    """The home of the chain of this hash, where the one in the table is a fan."""
    cdef uint64_t mask = d.masks[table]
    return leaf_of(home_of(d, hash, table), hash, &mask)


cdef inline Bucket* find_slot(
    const Dict* d, int table, const char* key, size_t length, uint64_t hash, int* slot,
) noexcept nogil:
    """The bucket of this table that has the entry of this key, and its slot; or NULL."""
    cdef uint64_t word, candidates
    cdef uint8_t tag = tag_of(hash)
    cdef Bucket* bucket = home_of(d, hash, table)
    while True:
        word = bucket_word(bucket)
        candidates = slots_with(word, tag)
        while candidates:
            slot[0] = first_slot(candidates)
            if entry_has_key(d, bucket.slots[slot[0]], key, length):
                return bucket
            candidates &= candidates - 1
        if not word_linked(word):
            return NULL
        if unlikely(word_fanned(word)):
            bucket = leaf_at(d, hash, table)
        else:
            bucket = <Bucket*> bucket.slots[LAST]


cdef inline void prefetch_entries(const Dict* d, const Bucket* bucket) noexcept nogil:
    """Asks for the keys of a bucket's entries and for the next bucket of its chain."""
    cdef uint64_t word = bucket_word(bucket)
    cdef uint64_t taken = slots_taken(word)
    while taken:
        prefetch(<const char*> bucket.slots[first_slot(taken)] + d.key_offset)
        taken &= taken - 1
    if word_linked(word):
        prefetch(bucket.slots[LAST])


cdef Bucket* child_new(Dict* d) noexcept nogil:
    cdef Bucket* child = <Bucket*> heap_zalloc_lines(d.heap, sizeof(Bucket))
    if child != NULL:
        d.children += 1
    return child


cdef void child_free(Dict* d, Bucket* child) noexcept nogil:
    heap_free_lines(d.heap, child, sizeof(Bucket))
    d.children -= 1


cdef inline bint read_on(Bucket* copy, Bucket** spare) noexcept nogil:
    """Goes on to the next bucket of a chain that is read from copies; the one that it stood in becomes a spare one."""
    cdef Bucket* child = chain_next(copy)
    if child == NULL:
        return False
    copy[0] = child[0]
    child.slots[LAST] = spare[0]
    spare[0] = child
    return True


cdef void spare_free(Dict* d, Bucket* spare) noexcept nogil:
    cdef Bucket* child
    while spare != NULL:
        child = spare
        spare = <Bucket*> child.slots[LAST]
        child_free(d, child)


cdef inline int chain_put(Dict* d, Bucket* bucket, uint8_t tag, void* entry, Bucket** spare) noexcept nogil:
    """Enters an entry into the chain of this home; the number of buckets chained before it, or -1 where memory is out.

    spare: chained buckets to use first, linked through their last slot.
    """
    cdef uint64_t vacant
    cdef int depth = 0
    cdef Bucket* child
    while True:
        vacant = slots_free(bucket_word(bucket))
        if vacant:
            set_slot(bucket, first_slot(vacant), tag, entry)
            return depth
        depth += 1
        if bucket.link != LINK_CHAIN:
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
    return depth


cdef void fan_count(Bucket* bucket, uint64_t hash, uint64_t mask, int more) noexcept nogil:
    """Counts an entry more, or one less, in this fan and those below it that have this hash."""
    while bucket.link == LINK_FAN:
        bucket.slots[0] = <void*> (fan_entries(bucket) + more)
        bucket = fan_bucket(bucket, hash, mask)
        mask = mask_below(mask)


cdef void fan_open(Dict* d, Bucket* bucket, uint64_t mask) noexcept nogil:
    """Makes the home of a long chain a fan. It stays as it is where moving is paused, bits are used up or memory is
    out."""
    cdef Bucket* fan
    cdef Bucket* spare = NULL
    cdef Bucket copy = bucket[0]
    cdef uint64_t taken, hash
    cdef size_t count = 0
    cdef int slot
    if d.pauses > 0 or mask_below(mask) > FAN_MASK_MAX:
        return
    fan = <Bucket*> heap_zalloc_lines(d.heap, FAN * sizeof(Bucket))
    if fan == NULL:
        return
    d.children += FAN
    memset(bucket, 0, sizeof(Bucket))
    bucket.slots[LAST] = fan
    bucket.link = LINK_FAN
    while True:
        taken = slots_taken(bucket_word(&copy))
        while taken:
            slot = first_slot(taken)
            taken &= taken - 1
            hash = entry_hash(d, copy.slots[slot])
            # The chain's own buckets are enough: parts of it need no more of them than the whole.
            chain_put(d, fan_bucket(bucket, hash, mask), copy.tags[slot], copy.slots[slot], &spare)
            count += 1
        if not read_on(&copy, &spare):
            break
    spare_free(d, spare)
    bucket.slots[0] = <void*> count


cdef inline void note_depth(Dict* d, int table, uint32_t depth) noexcept nogil:
    if depth > d.depth[table]:
        d.depth[table] = depth


cdef int put_in_fan(Dict* d, int table, Bucket* home, uint8_t tag, void* entry, Bucket** spare) noexcept nogil:
    """The same as put where the home is a fan."""
    cdef uint64_t hash = entry_hash(d, entry)
    cdef uint64_t mask = d.masks[table]
    cdef Bucket* leaf = leaf_of(home, hash, &mask)
    cdef int depth = chain_put(d, leaf, tag, entry, spare)
    if depth < 0:
        return -1
    d.used[table] += 1
    fan_count(home, hash, d.masks[table], 1)
    note_depth(d, table, <uint32_t> (fan_entries(home) // LAST))
    if depth > CHAIN_MOST:
        fan_open(d, leaf, mask)
    return 0


cdef inline int put(Dict* d, int table, Bucket* home, uint8_t tag, void* entry, Bucket** spare) noexcept nogil:
    """Enters an entry at its home. 0, or -1 where memory is out. spare: as for chain_put."""
    cdef int depth
    if unlikely(home.link == LINK_FAN):
        return put_in_fan(d, table, home, tag, entry, spare)
    depth = chain_put(d, home, tag, entry, spare)
    if depth < 0:
        return -1
    d.used[table] += 1
    note_depth(d, table, depth)
    if unlikely(depth > CHAIN_MOST):
        fan_open(d, home, d.masks[table])
    return 0


cdef void chain_compact(Dict* d, Bucket* home) noexcept nogil:
    """Fills the holes of a chain from its end, and releases the buckets that it no longer needs."""
    cdef Bucket* hole
    cdef Bucket* before = home
    cdef Bucket* last
    cdef uint64_t taken
    cdef int slot
    while home.link == LINK_CHAIN:
        hole = NULL
        last = home
        while last.link == LINK_CHAIN:
            if hole == NULL and slots_free(bucket_word(last)):
                hole = last
            before = last
            last = <Bucket*> last.slots[LAST]
        taken = slots_taken(bucket_word(last))
        if not taken & (taken - 1):
            # At most one entry: it has its place in the slot that pointed here.
            before.link = LINK_NONE
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


cdef void below_free(Dict* d, Bucket* bucket) noexcept nogil:
    """Releases the buckets behind this one, of its chain or its fan, which it goes on pointing to."""
    cdef Bucket* child = chain_next(bucket)
    cdef Bucket* following
    cdef int number
    while child != NULL:
        following = chain_next(child)
        child_free(d, child)
        child = following
    if bucket.link == LINK_FAN:
        for number in range(FAN):
            below_free(d, fan_of(bucket) + number)
        heap_free_lines(d.heap, fan_of(bucket), FAN * sizeof(Bucket))
        d.children -= FAN


cdef void fan_close(Dict* d, Bucket* root, uint64_t place, uint64_t mask) noexcept nogil:
    """Makes a fan whose entries have room in one bucket that bucket."""
    cdef Walk walk
    cdef Bucket whole
    cdef uint64_t taken
    cdef int slot
    cdef int count = 0
    cdef const Bucket* bucket = walk_begin(&walk, root, place, mask)
    memset(&whole, 0, sizeof(Bucket))
    while bucket != NULL:
        taken = slots_taken(bucket_word(bucket))
        while taken:
            slot = first_slot(taken)
            taken &= taken - 1
            set_slot(&whole, count, bucket.tags[slot], bucket.slots[slot])
            count += 1
        bucket = walk_next(&walk)
    below_free(d, root)
    root[0] = whole


cdef void shorten(Dict* d, int table, Bucket* bucket, uint64_t hash) noexcept nogil:
    """What follows where an entry has been removed from a home that is not one bucket."""
    cdef uint64_t mask = d.masks[table]
    fan_count(bucket, hash, mask, -1)
    if d.pauses > 0:
        return
    while bucket.link == LINK_FAN:
        if fan_entries(bucket) <= BUCKET_SLOTS:
            fan_close(d, bucket, hash, mask)
            return
        bucket = fan_bucket(bucket, hash, mask)
        mask = mask_below(mask)
    chain_compact(d, bucket)


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
    """As many spare buckets as may be needed to take all entries of the source's home in at the target, or at several
    homes without entries (target: NULL)."""
    cdef Bucket* spare = NULL
    cdef Bucket* child
    cdef int64_t wanting = bucket_entries(source)
    # A chained bucket takes 7 entries, one of which comes from the slot that points to it. All chains of a fan may be
    # full.
    cdef int64_t room = 1 if target != NULL and target.link == LINK_FAN else LAST
    failed[0] = False
    if room == LAST:
        while target != NULL:
            wanting -= count_ones(slots_free(bucket_word(target)))
            target = chain_next(target)
    while wanting > 0:
        child = child_new(d)
        if child == NULL:
            failed[0] = True
            break
        child.slots[LAST] = spare
        spare = child
        wanting -= room
    return spare


cdef inline int move_entries(Dict* d, const Bucket* bucket, Bucket* target, Bucket** spare) noexcept nogil:
    """Enters a bucket's entries into table 1 at the target, or (NULL) where their hashes say; answers how many."""
    cdef uint64_t taken = slots_taken(bucket_word(bucket))
    cdef Bucket* home = target
    cdef int moved = 0
    cdef int slot
    while taken:
        slot = first_slot(taken)
        taken &= taken - 1
        if target == NULL:
            home = home_of(d, entry_hash(d, bucket.slots[slot]), 1)
        put(d, 1, home, bucket.tags[slot], bucket.slots[slot], spare)
        moved += 1
    return moved


cdef int migrate_home(Dict* d, uint64_t home) noexcept nogil:
    """Moves the entries with this home in table 0 to table 1; answers how many, or -1 where memory is out."""
    cdef Bucket* source = d.tables[0] + home
    # A smaller table's homes follow from the larger one's: only growing needs the hash.
    cdef Bucket* target = NULL if d.masks[1] > d.masks[0] else d.tables[1] + (home & d.masks[1])
    cdef Bucket* spare = NULL
    cdef const Bucket* bucket
    cdef Bucket copy
    cdef Walk walk
    cdef bint failed = False
    cdef int moved = 0
    if source.link == LINK_FAN or (target != NULL and (slots_taken(bucket_word(source)) or source.link)):
        spare = reserve_children(d, source, target, &failed)
    if failed:
        moved = -1
    elif unlikely(source.link == LINK_FAN):
        bucket = walk_begin(&walk, source, home, d.masks[0])
        while bucket != NULL:
            moved += move_entries(d, bucket, target, &spare)
            bucket = walk_next(&walk)
        below_free(d, source)
    else:
        # A bucket that has been read can be used again at once.
        copy = source[0]
        moved = move_entries(d, &copy, target, &spare)
        while read_on(&copy, &spare):
            moved += move_entries(d, &copy, target, &spare)
    if not failed:
        d.used[0] -= moved
    spare_free(d, spare)
    return moved


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
    cdef uint64_t home
    cdef int table
    for table in range(2):
        if d.tables[table] == NULL:
            continue
        for home in range(first_home(d, table), d.masks[table] + 1):
            if not d.children:
                break
            below_free(d, d.tables[table] + home)
    table_free(d, 0)
    table_free(d, 1)
    d.rehash_index = -1
    d.draining = False


cdef void** dict_find(Dict* d, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef int slot
    cdef Bucket* bucket
    if unlikely(d.tables[0] == NULL):
        return NULL
    bucket = find_slot(d, table_of(d, hash), key, length, hash, &slot)
    return &bucket.slots[slot] if bucket != NULL else NULL


cdef void** dict_find_hash(Dict* d, uint64_t hash) noexcept nogil:
    cdef Bucket* bucket
    cdef uint64_t candidates
    cdef int slot
    if d.tables[0] == NULL:
        return NULL
    bucket = leaf_at(d, hash, table_of(d, hash))
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
    elif word_linked(word):
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
    bucket = find_slot(d, table, key, length, hash, &slot)
    if bucket == NULL:
        return NULL
    entry = bucket.slots[slot]
    bucket.tags[slot] = 0
    d.used[table] -= 1
    home = home_of(d, hash, table)
    if home.link:
        shorten(d, table, home, hash)
    if moving_is_free(d):
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


cdef inline bint is_like(const Dict* d, const void* entry, uint64_t place, uint64_t mask) noexcept nogil:
    return not (entry_hash(d, entry) ^ place) & mask


cdef inline bint fan_has(uint64_t known, uint64_t number, uint64_t place, uint64_t mask) noexcept nogil:
    """Whether a fan's bucket may have entries like the place; known: as for the bucket that the fan hangs on."""
    return not (number << count_ones(known) ^ place) & mask & mask_below(known) & ~known


cdef size_t count_like(
    const Dict* d, const Bucket* bucket, uint64_t known, uint64_t place, uint64_t mask,
) noexcept nogil:
    """How many entries below a bucket have the place for their hash, as far as the mask goes; known: as far as all
    have."""
    cdef uint64_t number, taken
    cdef size_t count = 0
    if bucket == NULL:
        return 0
    if not mask & ~known:
        return bucket_entries(bucket)
    if bucket.link == LINK_FAN:
        for number in range(FAN):
            if fan_has(known, number, place, mask):
                count += count_like(d, fan_of(bucket) + number, mask_below(known), place, mask)
        return count
    while bucket != NULL:
        taken = slots_taken(bucket_word(bucket))
        while taken:
            count += is_like(d, bucket.slots[first_slot(taken)], place, mask)
            taken &= taken - 1
        bucket = chain_next(bucket)
    return count


cdef void emit_like(
    const Dict* d, const Bucket* bucket, uint64_t known, uint64_t place, uint64_t mask, DictVisitor visit,
    void* argument,
) noexcept nogil:
    """Shows the visitor those entries."""
    cdef uint64_t number, taken
    cdef void* entry
    if bucket != NULL and bucket.link == LINK_FAN:
        for number in range(FAN):
            if fan_has(known, number, place, mask):
                emit_like(d, fan_of(bucket) + number, mask_below(known), place, mask, visit, argument)
        return
    while bucket != NULL:
        prefetch_entries(d, bucket)
        taken = slots_taken(bucket_word(bucket))
        while taken:
            entry = bucket.slots[first_slot(taken)]
            if not mask & ~known or is_like(d, entry, place, mask):
                visit(argument, entry)
            taken &= taken - 1
        bucket = chain_next(bucket)


cdef size_t count_step(const Dict* d, int smaller, uint64_t place, uint64_t mask) noexcept nogil:
    """How many entries a step of a scan emits that goes by so many low bits of the hash."""
    cdef uint64_t home
    cdef uint64_t larger = d.masks[1 - smaller]
    cdef uint64_t known = d.masks[smaller]
    cdef size_t count = count_like(d, emitted_home(d, smaller, place & known), known, place, mask)
    if d.tables[1] != NULL:
        home = place & mask & larger
        while home <= larger:
            count += count_like(d, emitted_home(d, 1 - smaller, home), larger, place, mask)
            home += (mask & larger) + 1
    return count


cdef uint64_t dict_scan(Dict* d, uint64_t cursor, DictVisitor visit, void* argument) noexcept nogil:
    # The cursor counts homes of the smaller table with its bits in reverse order, the highest first. Doubling a table
    # splits each home in two that follow each other in that order, so homes behind the cursor stay behind it. In that
    # order a step may as well take a part of a home, as if the table were larger: the next one goes on behind it.
    cdef int smaller = 0
    cdef uint64_t mask, home, larger
    if d.tables[0] == NULL:
        return 0
    if d.tables[1] != NULL and d.masks[1] < d.masks[0]:
        smaller = 1
    mask = d.masks[smaller]
    while count_step(d, smaller, cursor, mask) > SCAN_MOST and mask < FAN_MASK_MAX:
        mask = mask << 1 | 1
    home = cursor & d.masks[smaller]
    emit_like(d, emitted_home(d, smaller, home), d.masks[smaller], cursor, mask, visit, argument)
    if d.tables[1] != NULL:
        larger = d.masks[1 - smaller]
        home = cursor & mask & larger
        while home <= larger:
            emit_like(d, emitted_home(d, 1 - smaller, home), larger, cursor, mask, visit, argument)
            home += (mask & larger) + 1
    return place_after(cursor, mask)


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


cdef Bucket* home_walk(const Dict* d, uint64_t index, Walk* walk) noexcept nogil:
    """Begins at the first bucket of the home with this number."""
    cdef uint64_t before = d.masks[0] + 1 - first_home(d, 0)
    if index < before:
        return walk_begin(walk, home_at(d, index), first_home(d, 0) + index, d.masks[0])
    return walk_begin(walk, home_at(d, index), index - before, d.masks[1])


cdef Bucket* fan_place(const Bucket* bucket, uint64_t number, int* slot) noexcept nogil:
    """The bucket and the slot of the fan's entry with this number, or NULL where it has not so many."""
    cdef size_t count
    cdef uint64_t taken
    if number >= fan_entries(bucket):
        return NULL
    while bucket.link == LINK_FAN:
        bucket = fan_of(bucket)
        count = bucket_entries(bucket)
        while number >= count:
            number -= count
            bucket += 1
            count = bucket_entries(bucket)
    while True:
        taken = slots_taken(bucket_word(bucket))
        while taken and number:
            taken &= taken - 1
            number -= 1
        if taken:
            slot[0] = first_slot(taken)
            return <Bucket*> bucket
        bucket = chain_next(bucket)


cdef Bucket* random_place(const Dict* d, uint64_t* random, uint64_t* index, int* slot) noexcept nogil:
    """A place with an entry, each with the same probability: the bucket, its slot, and the number of its home. NULL
    where luck fails, as there is hardly anything in a large table."""
    # Every place that a home as full as the fullest may have is drawn with the same probability, until one is taken.
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
        if unlikely(bucket.link == LINK_FAN):
            bucket = fan_place(bucket, place, slot)
            if bucket != NULL:
                return bucket
            continue
        while place >= LAST and bucket.link == LINK_CHAIN:
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
    cdef Walk walk
    cdef int slot
    if not dict_size(d):
        return NULL
    bucket = random_place(d, random, &number, &slot)
    if bucket != NULL:
        return bucket.slots[slot]
    # One of the next home behind a random place that has any.
    number = random_next(random) % homes
    while found == NULL:
        bucket = home_walk(d, number, &walk)
        while bucket != NULL:
            taken = slots_taken(bucket_word(bucket))
            while taken:
                seen += 1
                if random_next(random) % seen == 0:
                    found = bucket.slots[first_slot(taken)]
                taken &= taken - 1
            bucket = walk_next(&walk)
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
    cdef Bucket* bucket
    cdef Walk walk
    cdef int slot = 0
    if not dict_size(d) or not count:
        return 0
    if count > dict_size(d):
        count = dict_size(d)
    bucket = random_place(d, random, &index, &slot)
    if bucket == NULL:
        index = random_next(random) % homes
        bucket = home_walk(d, index, &walk)
    else:
        home_walk(d, index, &walk)
        if unlikely(walk.root.link == LINK_FAN):
            walk.place = entry_hash(d, bucket.slots[slot])
        walk.bucket = bucket
    taken = slots_taken(bucket_word(bucket)) & (~<uint64_t> 0 << (8 * slot))
    while True:
        while taken:
            entries[found] = bucket.slots[first_slot(taken)]
            prefetch(entries[found])
            taken &= taken - 1
            found += 1
            if found == count:
                return found
        bucket = walk_next(&walk)
        if bucket == NULL:
            visited += 1
            if visited > homes or (found and visited > SAMPLE_HOMES_PER_ENTRY * count):
                return found
            index += 1
            if index == homes:
                index = 0
            bucket = home_walk(d, index, &walk)
        taken = slots_taken(bucket_word(bucket))


cdef bint dict_release_step(Dict* d, DictVisitor visit, void* argument, size_t* budget) noexcept nogil:
    # From here on the index is the next home to empty, and after those of table 0 come those of table 1.
    cdef uint64_t taken, home, following
    cdef Bucket* bucket
    cdef Bucket* fan
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
        fan = NULL
        while bucket.link == LINK_FAN and fan_emptied(bucket) < FAN:
            fan = bucket
            bucket = fan_of(fan) + fan_emptied(fan)
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
        elif bucket.link == LINK_FAN:
            below_free(d, bucket)
            bucket.link = LINK_NONE
        if child != NULL or fan != NULL:
            if child == NULL:
                fan.slots[1] = <void*> (fan_emptied(fan) + 1)
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
    it.walk.bucket = NULL
    it.home = first_home(d, 0)
    it.table = 0
    it.slot = 0
    d.pauses += 1


cdef void* dict_iterate_next(DictIterator* it) noexcept nogil:
    cdef Dict* d = it.d
    cdef Bucket* bucket
    cdef uint64_t taken
    while it.table < 2 and d.tables[it.table] != NULL:
        while it.home <= d.masks[it.table]:
            bucket = it.walk.bucket
            if bucket == NULL:
                bucket = d.tables[it.table] + it.home
                if it.home + PREFETCH_AHEAD <= d.masks[it.table]:
                    prefetch_entries(d, bucket + PREFETCH_AHEAD)
                bucket = walk_begin(&it.walk, bucket, it.home, d.masks[it.table])
            while bucket != NULL:
                taken = slots_taken(bucket_word(bucket)) >> (8 * it.slot)
                if taken:
                    it.slot += first_slot(taken) + 1
                    return bucket.slots[it.slot - 1]
                bucket = walk_next(&it.walk)
                it.slot = 0
            it.home += 1
        it.table += 1
        it.home = 0
    return NULL


cdef void dict_iterate_end(DictIterator* it) noexcept nogil:
    it.d.pauses -= 1
