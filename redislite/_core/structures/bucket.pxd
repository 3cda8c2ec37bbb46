"""The buckets of a dict: what one is made of, and how those of one home are walked.

    bucket | 7 tags of 1 byte | link | slot 0  | slot 1  | ... | slot 5 | slot 6, or the next bucket of the chain |
    fan    | no tags          | link | entries | emptied | ... |        | the eight buckets                         |

A bucket is one cache line. The chain of a home takes the entries for which the home's own bucket has no slot left; a
chain that would be too long is replaced by a fan: eight buckets, each the home of a chain of its own, or of a fan
again, told by the next bits of the hash. Who owns what, and when a chain is too long, is told in dict.pxd and dict.pyx.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy
from redislite._core.text.siphash cimport little_64

cdef enum:
    BUCKET_SLOTS = 7
    LAST = BUCKET_SLOTS - 1         # the slot that may point to other buckets
    FAN_BITS = 3
    FAN = 8                         # 1 << FAN_BITS


cdef enum:                          # Bucket.link
    LINK_NONE = 0                   # the last slot is as any other
    LINK_CHAIN = 1                  # it points to the next bucket of the chain, and its tag is 0
    LINK_FAN = 2                    # it points to the buckets of a fan; there are no tags, the first slots are numbers


cdef struct Bucket:                 # tables of them are aligned to cache lines
    uint8_t tags[BUCKET_SLOTS]      # 0: empty slot, else 1..255 from the entry's hash
    uint8_t link
    void* slots[BUCKET_SLOTS]


cdef extern from *:
    """
    #define REDISLITE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
    #define REDISLITE_EVERY_BYTE UINT64_C(0x0101010101010101)
    #define REDISLITE_LOW_BITS UINT64_C(0x7f7f7f7f7f7f7f7f)
    #define REDISLITE_SLOT_BITS UINT64_C(0x0080808080808080)
    """
    const uint64_t EVERY_BYTE "REDISLITE_EVERY_BYTE"
    const uint64_t LOW_BITS "REDISLITE_LOW_BITS"        # all but the top bit of each byte
    const uint64_t SLOT_BITS "REDISLITE_SLOT_BITS"      # the top bit of each tag; the last byte is the link
    uint64_t swap_bytes "__builtin_bswap64"(uint64_t word) noexcept nogil
    int count_trailing_zeros "__builtin_ctzll"(unsigned long long value) noexcept nogil
    int count_ones "__builtin_popcountll"(unsigned long long value) noexcept nogil
    bint unlikely "REDISLITE_UNLIKELY"(bint condition) noexcept nogil


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


cdef inline bint word_linked(uint64_t word) noexcept nogil:
    """Whether the last slot points to buckets."""
    return (word >> 56) != LINK_NONE


cdef inline bint word_fanned(uint64_t word) noexcept nogil:
    return (word >> 56) == LINK_FAN


cdef inline uint64_t slots_free(uint64_t word) noexcept nogil:
    """The same for the slots that an entry may be put into; not for the bucket that a fan hangs on."""
    cdef uint64_t taken = slots_taken(word)
    if word_linked(word):
        taken |= <uint64_t> 0x80 << (8 * LAST)
    return ~taken & SLOT_BITS


cdef inline int first_slot(uint64_t slots) noexcept nogil:
    return count_trailing_zeros(slots) >> 3


cdef inline Bucket* chain_next(const Bucket* bucket) noexcept nogil:
    """The next bucket of the chain, or NULL."""
    return <Bucket*> bucket.slots[LAST] if bucket.link == LINK_CHAIN else NULL


cdef inline Bucket* fan_of(const Bucket* bucket) noexcept nogil:
    return <Bucket*> bucket.slots[LAST]


cdef inline size_t fan_entries(const Bucket* bucket) noexcept nogil:
    return <size_t> bucket.slots[0]


cdef inline size_t fan_emptied(const Bucket* bucket) noexcept nogil:
    """How many of its buckets a release has emptied."""
    return <size_t> bucket.slots[1]


cdef inline uint64_t mask_below(uint64_t mask) noexcept nogil:
    """The low bits that name a bucket of the fan that hangs on a bucket named by these."""
    return mask << FAN_BITS | (FAN - 1)


cdef inline Bucket* fan_bucket(const Bucket* bucket, uint64_t hash, uint64_t mask) noexcept nogil:
    """The bucket of a fan that this hash belongs in; mask: the low bits that name the one that it hangs on."""
    return fan_of(bucket) + (hash >> count_ones(mask) & (FAN - 1))


cdef inline Bucket* leaf_of(Bucket* bucket, uint64_t hash, uint64_t* mask) noexcept nogil:
    """The home of the chain, in this bucket or in a fan below it, that an entry with this hash belongs in.

    mask: the low bits of a hash that name the bucket, afterwards those that name that home.
    """
    while bucket.link == LINK_FAN:
        bucket = fan_bucket(bucket, hash, mask[0])
        mask[0] = mask_below(mask[0])
    return bucket


cdef inline void set_slot(Bucket* bucket, int slot, uint8_t tag, void* entry) noexcept nogil:
    bucket.tags[slot] = tag
    bucket.slots[slot] = entry


cdef inline void chain_extend(Bucket* last, Bucket* child) noexcept nogil:
    """Hangs an empty bucket behind the last one of a chain, whose last entry moves into it."""
    if last.tags[LAST]:
        set_slot(child, 0, last.tags[LAST], last.slots[LAST])
        last.tags[LAST] = 0
    last.slots[LAST] = child
    last.link = LINK_CHAIN


cdef inline size_t chain_entries(const Bucket* bucket) noexcept nogil:
    cdef size_t count = 0
    while bucket != NULL:
        count += count_ones(slots_taken(bucket_word(bucket)))
        bucket = chain_next(bucket)
    return count


cdef inline size_t bucket_entries(const Bucket* bucket) noexcept nogil:
    """Entries of a chain or a fan."""
    return fan_entries(bucket) if bucket.link == LINK_FAN else chain_entries(bucket)


cdef inline uint64_t reverse_bits(uint64_t word) noexcept nogil:
    word = swap_bytes(word)
    word = ((word >> 4) & <uint64_t> 0x0f0f0f0f0f0f0f0f) | ((word & <uint64_t> 0x0f0f0f0f0f0f0f0f) << 4)
    word = ((word >> 2) & <uint64_t> 0x3333333333333333) | ((word & <uint64_t> 0x3333333333333333) << 2)
    return ((word >> 1) & <uint64_t> 0x5555555555555555) | ((word & <uint64_t> 0x5555555555555555) << 1)


cdef inline uint64_t place_after(uint64_t place, uint64_t mask) noexcept nogil:
    """The place that follows this one in the order of a scan, named by as many low bits; 0 behind the last."""
    return reverse_bits(reverse_bits(place | ~mask) + 1)


# Walks the buckets of one home, or of one bucket of a fan.
cdef struct Walk:
    Bucket* root
    Bucket* bucket                  # where it stands
    uint64_t place                  # low bits of a hash that name it
    uint64_t mask                   # which of them name the root


cdef inline Bucket* walk_begin(Walk* walk, Bucket* root, uint64_t place, uint64_t mask) noexcept nogil:
    """Begins at a bucket that these low bits of the place name; answers where the walk stands then."""
    walk.root = root
    walk.place = place & mask
    walk.mask = mask
    walk.bucket = leaf_of(root, walk.place, &mask)
    return walk.bucket


cdef inline Bucket* walk_fan(Walk* walk) noexcept nogil:
    """Goes on to the next chain of a fan."""
    cdef uint64_t mask = walk.mask
    cdef uint64_t place = walk.place
    leaf_of(walk.root, place, &mask)
    walk.place = place_after(place, mask)
    if walk.place == 0 or (walk.place ^ place) & walk.mask:
        walk.bucket = NULL
    else:
        mask = walk.mask
        walk.bucket = leaf_of(walk.root, walk.place, &mask)
    return walk.bucket


cdef inline Bucket* walk_next(Walk* walk) noexcept nogil:
    """The next bucket, or NULL."""
    if walk.bucket.link == LINK_CHAIN:
        walk.bucket = <Bucket*> walk.bucket.slots[LAST]
    elif unlikely(walk.root.link == LINK_FAN):
        return walk_fan(walk)
    else:
        walk.bucket = NULL
    return walk.bucket
