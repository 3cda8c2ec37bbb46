"""Python classes over the C structures, for unit tests and micro-benchmarks only; the server does not use them.

A DictProbe is a set of byte strings: its entries are heap blocks that hold ``key_offset`` unused bytes and the
prefixed key. Addresses of blocks are plain integers; misuse of a HeapProbe ends the process, as misuse of a heap does.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from redislite._core.base.alloc cimport (
    HUGE_MIN, LINE, LINES_MAPPED_MIN, PASSING_MAX, SMALL_MAX, Heap, heap_alloc, heap_alloc_passing, heap_destroy,
    heap_discard_lines, heap_footprint, heap_free, heap_free_lines, heap_free_passing, heap_is_checked,
    heap_lines_footprint, heap_new, heap_note_peak, heap_passing_footprint, heap_realloc, heap_release_step, heap_tick,
    heap_trim, heap_zalloc, heap_zalloc_lines,
)
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.structures.bucket cimport (
    BUCKET_SLOTS, FAN, LINK_CHAIN, LINK_FAN, Bucket, chain_next, count_ones, fan_entries, fan_of, mask_below,
)
from redislite._core.structures.dict cimport (
    Dict, DictIterator, DictVisitor, dict_find, dict_grow_if_full, dict_hash, dict_init,
    dict_insert, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_prefetch_bucket, dict_prefetch_entry,
    dict_random, dict_rehash, dict_release, dict_release_step, dict_remove, dict_reserve, dict_sample, dict_scan,
    dict_shrink_if_sparse, dict_size, dict_table_bytes,
)


cdef double now() noexcept nogil:
    """Processor time of this thread in nanoseconds: what other processes do does not count."""
    cdef timespec time
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return <double> time.tv_sec * 1e9 + <double> time.tv_nsec


cdef inline uint64_t xorshift(uint64_t* state) noexcept nogil:
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return state[0]


cdef class HeapProbe:
    """One heap. Sizes in bytes; blocks are addresses, 0 stands for NULL."""

    cdef Heap* heap

    small_max = SMALL_MAX
    passing_max = PASSING_MAX
    line = LINE
    lines_mapped_min = LINES_MAPPED_MIN
    huge_min = HUGE_MIN

    def __cinit__(self):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError

    def __dealloc__(self):
        heap_destroy(self.heap)

    def alloc(self, size_t size):
        return <uintptr_t> heap_alloc(self.heap, size)

    def alloc_passing(self, size_t size):
        return <uintptr_t> heap_alloc_passing(self.heap, size)

    def free_passing(self, uintptr_t block, size_t size):
        heap_free_passing(self.heap, <void*> block, size)

    def passing_footprint(self, size_t size):
        return heap_passing_footprint(size)

    def zalloc(self, size_t size):
        return <uintptr_t> heap_zalloc(self.heap, size)

    def zalloc_lines(self, size_t size):
        return <uintptr_t> heap_zalloc_lines(self.heap, size)

    def free(self, uintptr_t block, size_t size):
        heap_free(self.heap, <void*> block, size)

    def free_lines(self, uintptr_t block, size_t size):
        heap_free_lines(self.heap, <void*> block, size)

    def discard_lines(self, uintptr_t block, size_t size, size_t start, size_t end):
        heap_discard_lines(<void*> block, size, start, end)

    def realloc(self, uintptr_t block, size_t old_size, size_t new_size):
        return <uintptr_t> heap_realloc(self.heap, <void*> block, old_size, new_size)

    def trim(self):
        heap_trim(self.heap)

    def tick(self, int64_t now_ms):
        heap_tick(self.heap, now_ms)

    def release_step(self, size_t size):
        """Gives so many bytes of released huge blocks back; whether there are more."""
        return heap_release_step(self.heap, size)

    def note_peak(self):
        heap_note_peak(self.heap)

    def write(self, uintptr_t block, bytes data not None):
        """Copies data to the start of a block."""
        memcpy(<void*> block, <const char*> data, len(data))

    def read(self, uintptr_t block, size_t size):
        return (<const char*> block)[:size]

    @property
    def used(self):
        return self.heap.used

    @property
    def peak(self):
        return self.heap.peak

    @property
    def mapped(self):
        return self.heap.mapped

    @property
    def large(self):
        return self.heap.large

    @property
    def spare_pages(self):
        return self.heap.spare_count

    @staticmethod
    def checked():
        return bool(heap_is_checked())

    @staticmethod
    def footprint(size_t size):
        return heap_footprint(size)

    @staticmethod
    def lines_footprint(size_t size):
        return heap_lines_footprint(size)

    def benchmark(self, size_t blocks, size_t size, size_t rounds=1):
        """Nanoseconds per allocation, per release-and-allocation in random order, and per release in that order."""
        cdef void** table = <void**> malloc(blocks * sizeof(void*))
        cdef uint64_t random = 88172645463325252
        cdef size_t i, j
        cdef double start, allocated, churned, released
        if table == NULL:
            raise MemoryError
        with nogil:
            start = now()
            for i in range(blocks):
                table[i] = heap_alloc(self.heap, size)
                (<char*> table[i])[0] = 1
            allocated = now()
            for i in range(blocks * rounds):
                j = xorshift(&random) % blocks
                heap_free(self.heap, table[j], size)
                table[j] = heap_alloc(self.heap, size)
            churned = now()
            for i in range(blocks):
                heap_free(self.heap, table[i], size)
            released = now()
        free(table)
        return {
            "alloc": (allocated - start) / blocks,
            "churn": (churned - allocated) / (blocks * rounds),
            "free": (released - churned) / blocks,
        }


cdef void collect(void* argument, void* entry) noexcept nogil:
    """Visitor that appends the entry's key to a Python list."""
    cdef size_t length
    cdef const char* key
    with gil:
        probe, keys = <object> argument
        key = prefixed_read(<const char*> entry + (<DictProbe> probe).d.key_offset, &length)
        keys.append(key[:length])


cdef void count_entry(void* argument, void* entry) noexcept nogil:
    (<size_t*> argument)[0] += 1


cdef class DictProbe:
    """A set of byte strings over one dict and a heap of its own."""

    cdef Heap* heap
    cdef Dict d
    cdef uint64_t random_state

    def __cinit__(self, int key_offset=0, seed=(1, 2), uint64_t random_state=1):
        cdef uint64_t words[2]
        words[0], words[1] = seed
        self.random_state = random_state
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        dict_init(&self.d, self.heap, words, <uint8_t> key_offset)

    def __dealloc__(self):
        cdef DictIterator it
        cdef void* entry
        if self.heap == NULL:
            return
        dict_iterate_begin(&it, &self.d)
        entry = dict_iterate_next(&it)
        while entry != NULL:
            self.entry_free(entry)
            entry = dict_iterate_next(&it)
        dict_iterate_end(&it)
        dict_release(&self.d)
        heap_destroy(self.heap)

    cdef void* entry_new(self, const char* key, size_t length) noexcept nogil:
        cdef char* entry = <char*> heap_alloc(self.heap, self.d.key_offset + prefixed_size(length))
        if entry != NULL:
            memset(entry, 0, self.d.key_offset)
            prefixed_write(entry + self.d.key_offset, key, length)
        return entry

    cdef void entry_free(self, void* entry) noexcept nogil:
        cdef size_t length
        prefixed_read(<const char*> entry + self.d.key_offset, &length)
        heap_free(self.heap, entry, self.d.key_offset + prefixed_size(length))

    cdef bytes entry_key(self, const void* entry):
        cdef size_t length
        cdef const char* key = prefixed_read(<const char*> entry + self.d.key_offset, &length)
        return key[:length]

    def __len__(self):
        return dict_size(&self.d)

    def __contains__(self, bytes key not None):
        cdef uint64_t hash = dict_hash(&self.d, key, len(key))
        dict_prefetch_bucket(&self.d, hash)
        dict_prefetch_entry(&self.d, hash)
        cdef void** slot = dict_find(&self.d, key, len(key), hash)
        if slot == NULL:
            return False
        if self.entry_key(slot[0]) != key:
            raise AssertionError("dict_find answered another entry")
        return True

    def hash(self, bytes key not None):
        return dict_hash(&self.d, key, len(key))

    def add(self, bytes key not None):
        """Whether the key was new."""
        cdef uint64_t hash = dict_hash(&self.d, key, len(key))
        cdef void* entry
        if dict_find(&self.d, key, len(key), hash) != NULL:
            return False
        entry = self.entry_new(key, len(key))
        if entry == NULL:
            raise MemoryError
        if dict_insert(&self.d, entry, hash):
            self.entry_free(entry)
            raise MemoryError
        return True

    def discard(self, bytes key not None):
        """Whether the key was there."""
        cdef void* entry = dict_remove(&self.d, key, len(key), dict_hash(&self.d, key, len(key)))
        if entry == NULL:
            return False
        found = self.entry_key(entry)
        self.entry_free(entry)
        if found != key:
            raise AssertionError("dict_remove answered another entry")
        return True

    def replace(self, bytes key not None):
        """Puts a new entry with the same key into the slot of the old one; whether the key was there."""
        cdef void** slot = dict_find(&self.d, key, len(key), dict_hash(&self.d, key, len(key)))
        cdef void* entry
        if slot == NULL:
            return False
        entry = self.entry_new(key, len(key))
        if entry == NULL:
            raise MemoryError
        self.entry_free(slot[0])
        slot[0] = entry
        return True

    def scan(self, uint64_t cursor):
        """One step: the next cursor and the keys emitted."""
        keys = []
        context = (self, keys)
        following = dict_scan(&self.d, cursor, collect, <void*> context)
        return following, keys

    def random(self):
        """A random key, or None where empty."""
        cdef void* entry = dict_random(&self.d, &self.random_state)
        return None if entry == NULL else self.entry_key(entry)

    def sample(self, size_t count):
        cdef void** entries = <void**> malloc((count + 1) * sizeof(void*))
        cdef size_t found, i
        if entries == NULL:
            raise MemoryError
        try:
            found = dict_sample(&self.d, &self.random_state, entries, count)
            if found > count:
                raise AssertionError("more entries than asked for")
            return [self.entry_key(entries[i]) for i in range(found)]
        finally:
            free(entries)

    def rehash(self, size_t homes):
        return bool(dict_rehash(&self.d, homes))

    def shrink(self):
        return bool(dict_shrink_if_sparse(&self.d))

    def grow(self):
        return bool(dict_grow_if_full(&self.d))

    def reserve(self, size_t entries):
        if dict_reserve(&self.d, entries):
            raise MemoryError

    def pause(self):
        self.d.pauses += 1

    def resume(self):
        self.d.pauses -= 1

    def set_no_resize(self, bint no_resize):
        self.d.no_resize = no_resize

    def iterate(self, remove=()):
        """All keys in the order of the iterator; those in ``remove`` are removed as they are met."""
        cdef DictIterator it
        cdef void* entry
        keys = []
        dict_iterate_begin(&it, &self.d)
        try:
            entry = dict_iterate_next(&it)
            while entry != NULL:
                key = self.entry_key(entry)
                keys.append(key)
                if key in remove:
                    self.discard(key)
                entry = dict_iterate_next(&it)
        finally:
            dict_iterate_end(&it)
        return keys

    def release(self, size_t pieces, bint owns=True):
        """One step of the dict's release: the keys that it gave up, and whether more is to do. owns: whether the
        entries are given up with it; else only the tables go, and the entries are lost. Only this and the end of the
        probe may follow."""
        keys = []
        context = (self, keys)
        cdef size_t budget = pieces
        cdef DictVisitor visit = collect_and_free
        cdef bint more
        if not owns:
            visit = NULL
        more = dict_release_step(&self.d, visit, <void*> context, &budget)
        if pieces - budget < <size_t> len(keys):
            raise AssertionError("more entries than pieces of work")
        return keys, more

    @property
    def used(self):
        """Entries by table."""
        return self.d.used[0], self.d.used[1]

    @property
    def buckets(self):
        """Buckets by table, 0 for one that is not there."""
        return (
            self.d.masks[0] + 1 if self.d.tables[0] != NULL else 0,
            self.d.masks[1] + 1 if self.d.tables[1] != NULL else 0,
        )

    @property
    def rehash_index(self):
        return self.d.rehash_index

    @property
    def children(self):
        """Buckets behind those of homes."""
        return self.d.children

    @property
    def table_bytes(self):
        return dict_table_bytes(&self.d)

    @property
    def heap_used(self):
        return self.heap.used

    def set_heap_limit(self, size_t limit):
        """Lets allocations fail past this many bytes in use, in a checked build; 0: none fail."""
        self.heap.limit = limit

    def check(self, bint tight=False):
        """Raises AssertionError where an invariant of the dict does not hold.

        tight: no chain has more buckets than its entries need, as is so where nothing was removed while paused.
        """
        cdef int table
        cdef int64_t home
        cdef size_t used
        cdef size_t children = 0
        cdef size_t found
        if (self.d.rehash_index >= 0) != (self.d.tables[1] != NULL):
            raise AssertionError("a second table stands exactly during a migration")
        for table in range(2):
            used = 0
            if self.d.tables[table] != NULL:
                if <uintptr_t> self.d.tables[table] & 63:
                    raise AssertionError("table not aligned to cache lines")
                for home in range(max(self.d.rehash_index, 0) if table == 0 else 0, <int64_t> self.d.masks[table] + 1):
                    found = self.check_bucket(
                        self.d.tables[table] + home, table, home, self.d.masks[table], tight, &children
                    )
                    if found > BUCKET_SLOTS + (BUCKET_SLOTS - 1) * self.d.depth[table]:
                        raise AssertionError("home fuller than noted")
                    used += found
            if used != self.d.used[table]:
                raise AssertionError(f"{used} entries in table {table}, {self.d.used[table]} counted")
        if children != self.d.children:
            raise AssertionError(f"{children} chained buckets, {self.d.children} counted")

    cdef size_t check_bucket(
        self, Bucket* bucket, int table, uint64_t place, uint64_t mask, bint tight, size_t* children,
    ) except? 999999:
        """Looks at a chain or a fan; how many entries it has."""
        cdef uint64_t hash
        cdef size_t length
        cdef size_t found = 0
        cdef int slot, taken, number
        cdef int depth = 0
        cdef const char* key
        if bucket.link == LINK_FAN:
            if any([bucket.tags[slot] for slot in range(BUCKET_SLOTS)]):
                raise AssertionError("a tag where a fan hangs")
            if <uintptr_t> fan_of(bucket) & 63:
                raise AssertionError("fan not aligned to cache lines")
            children[0] += FAN
            for number in range(FAN):
                found += self.check_bucket(
                    fan_of(bucket) + number, table, place | <uint64_t> number << count_ones(mask), mask_below(mask),
                    tight, children,
                )
            if found != fan_entries(bucket):
                raise AssertionError(f"{found} entries in a fan, {fan_entries(bucket)} counted")
            if tight and found <= BUCKET_SLOTS:
                raise AssertionError("fan that need not be")
            return found
        while True:
            if bucket.link == LINK_CHAIN and bucket.tags[BUCKET_SLOTS - 1]:
                raise AssertionError("a tag on the way to the next bucket")
            taken = 0
            for slot in range(BUCKET_SLOTS):
                if not bucket.tags[slot]:
                    continue
                taken += 1
                key = prefixed_read(<const char*> bucket.slots[slot] + self.d.key_offset, &length)
                hash = dict_hash(&self.d, key, length)
                if bucket.tags[slot] != (hash >> 56 or 1):
                    raise AssertionError("tag is not the hash's")
                if hash & mask != place:
                    raise AssertionError("entry away from its home")
                if table != (<int64_t> (hash & self.d.masks[0]) < self.d.rehash_index):
                    raise AssertionError("entry in the wrong table")
            found += taken
            if tight and (taken < BUCKET_SLOTS - 1 if bucket.link else depth and taken < 2):
                raise AssertionError("chain longer than it need be")
            if not bucket.link:
                break
            if bucket.link != LINK_CHAIN:
                raise AssertionError("a chained bucket with a fan")
            bucket = chain_next(bucket)
            if <uintptr_t> bucket & 63:
                raise AssertionError("bucket not aligned to cache lines")
            depth += 1
        children[0] += depth
        return found

    @property
    def longest_walk(self):
        """How many buckets a lookup goes over at most."""
        cdef int table
        cdef int64_t home
        longest = 0
        for table in range(2):
            if self.d.tables[table] != NULL:
                for home in range(max(self.d.rehash_index, 0) if table == 0 else 0, <int64_t> self.d.masks[table] + 1):
                    longest = max(longest, self.walk_below(self.d.tables[table] + home))
        return longest

    cdef int walk_below(self, const Bucket* bucket) except -1:
        cdef int buckets = 1
        cdef int number
        if bucket.link == LINK_FAN:
            return 1 + max([self.walk_below(fan_of(bucket) + number) for number in range(FAN)])
        while bucket.link == LINK_CHAIN:
            bucket = chain_next(bucket)
            buckets += 1
        return buckets

    def grow_times(self, size_t entries):
        """Adds 8-byte keys 0..entries-1; nanoseconds of the slowest insert, which it was, and the mean (dict only)."""
        cdef uint64_t key, hash
        cdef size_t i
        cdef size_t slowest_at = 0
        cdef double start, taken
        cdef double slowest = 0
        cdef double total = 0
        cdef size_t above[4]
        cdef void* entry
        cdef int failed = 0
        memset(above, 0, sizeof(above))
        with nogil:
            for i in range(entries):
                key = i
                entry = self.entry_new(<char*> &key, 8)
                hash = dict_hash(&self.d, <char*> &key, 8)
                start = now()
                failed |= dict_insert(&self.d, entry, hash)
                taken = now() - start
                total += taken
                if taken > slowest:
                    slowest = taken
                    slowest_at = i
                if taken > 1e4:
                    above[0] += 1
                if taken > 1e5:
                    above[1] += 1
                if taken > 1e6:
                    above[2] += 1
                if taken > 1e7:
                    above[3] += 1
        if failed:
            raise MemoryError
        return {
            "slowest": slowest, "slowest_at": slowest_at, "mean": total / entries,
            "above_10us": above[0], "above_100us": above[1], "above_1ms": above[2], "above_10ms": above[3],
        }

    def benchmark(self, size_t entries, size_t length=16):
        """Nanoseconds per operation over this many random keys of length >= 8, each operation in a random order."""
        cdef char* keys = <char*> malloc(entries * length)
        cdef uint32_t* order = <uint32_t*> malloc(entries * sizeof(uint32_t))
        cdef uint64_t random = 88172645463325252
        cdef uint64_t word, hash, cursor
        cdef size_t i, j, found = 0, missed = 0, scanned = 0
        cdef uint32_t swap
        cdef double mark[10]
        cdef char* key
        cdef uint64_t hashes[16]
        cdef DictIterator it
        cdef void* entry
        if keys == NULL or order == NULL or length < 8:
            free(keys)
            free(order)
            raise MemoryError
        with nogil:
            memset(keys, 120, entries * length)
            for i in range(entries):
                word = xorshift(&random)
                memcpy(keys + i * length + length - 8, &word, 8)
                order[i] = <uint32_t> i
            mark[0] = now()
            for i in range(entries):
                key = keys + i * length
                hash = dict_hash(&self.d, key, length)
                dict_insert(&self.d, self.entry_new(key, length), hash)
            mark[1] = now()
            while dict_rehash(&self.d, 1000):
                pass
            for i in range(entries - 1, 0, -1):
                j = xorshift(&random) % (i + 1)
                swap = order[i]
                order[i] = order[j]
                order[j] = swap
            mark[2] = now()
            for i in range(entries):
                key = keys + <size_t> order[i] * length
                found += dict_find(&self.d, key, length, dict_hash(&self.d, key, length)) != NULL
            mark[3] = now()
            i = 0
            while i + 16 <= entries:
                for j in range(16):
                    key = keys + <size_t> order[i + j] * length
                    hashes[j] = dict_hash(&self.d, key, length)
                    dict_prefetch_bucket(&self.d, hashes[j])
                for j in range(16):
                    dict_prefetch_entry(&self.d, hashes[j])
                for j in range(16):
                    key = keys + <size_t> order[i + j] * length
                    found += dict_find(&self.d, key, length, hashes[j]) != NULL
                i += 16
            mark[4] = now()
            for i in range(entries):
                key = keys + <size_t> order[i] * length
                key[0] ^= 1
                missed += dict_find(&self.d, key, length, dict_hash(&self.d, key, length)) == NULL
                key[0] ^= 1
            mark[5] = now()
            cursor = dict_scan(&self.d, 0, count_entry, &scanned)
            while cursor:
                cursor = dict_scan(&self.d, cursor, count_entry, &scanned)
            mark[6] = now()
            dict_iterate_begin(&it, &self.d)
            entry = dict_iterate_next(&it)
            while entry != NULL:
                scanned += 1
                entry = dict_iterate_next(&it)
            dict_iterate_end(&it)
            mark[7] = now()
        buckets = self.d.masks[0] + 1
        table_bytes = dict_table_bytes(&self.d)
        used = len(self)
        with nogil:
            mark[8] = now()
            for i in range(entries):
                key = keys + <size_t> order[i] * length
                entry = dict_remove(&self.d, key, length, dict_hash(&self.d, key, length))
                if entry != NULL:
                    self.entry_free(entry)
            mark[9] = now()
        free(keys)
        free(order)
        if found != entries + entries // 16 * 16 or missed != entries or scanned != 2 * entries:
            raise AssertionError("the benchmark's operations failed")
        return {
            "insert": (mark[1] - mark[0]) / entries,
            "find": (mark[3] - mark[2]) / entries,
            "find_prefetched": (mark[4] - mark[3]) / entries,
            "find_missing": (mark[5] - mark[4]) / entries,
            "scan": (mark[6] - mark[5]) / entries,
            "iterate": (mark[7] - mark[6]) / entries,
            "remove": (mark[9] - mark[8]) / entries,
            "load": used / (buckets * BUCKET_SLOTS),
            "table_bytes_per_entry": table_bytes / used,
        }


cdef void collect_and_free(void* argument, void* entry) noexcept nogil:
    """Visitor that appends the entry's key to a Python list and releases the entry."""
    collect(argument, entry)
    with gil:
        probe = (<object> argument)[0]
        (<DictProbe> probe).entry_free(entry)
