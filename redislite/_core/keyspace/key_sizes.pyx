"""How large the values of a database are; the contract is in key_sizes.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from redislite._core.base.clock cimport clock_monotonic_ns
from redislite._core.keyspace.key_table cimport keys_count, keys_scan
from redislite._core.keyspace.entry cimport Entry, entry_elements, entry_type, type_name
from redislite._core.state.core cimport Core, Database

cdef enum:
    HOMES_BETWEEN_LOOKS = 64        # steps of the walk between looks at the clock


cdef void count_entry(void* argument, void* entry) noexcept nogil:
    cdef KeySizes* sizes = <KeySizes*> argument
    cdef size_t size = entry_elements(<Entry*> entry)
    cdef int bin = 0
    while size:
        bin += 1
        size >>= 1
    sizes.counts[entry_type(<Entry*> entry)][bin] += 1
    sizes.seen += 1


cdef void key_sizes(Core* core, Database* database, uint64_t budget_us, KeySizes* sizes) noexcept nogil:
    cdef int64_t end_ns = clock_monotonic_ns() + <int64_t> budget_us * 1000
    cdef uint64_t cursor = 0
    cdef int steps = 0
    memset(sizes, 0, sizeof(sizes[0]))
    sizes.keys = keys_count(database)
    if not sizes.keys:
        return
    while True:
        cursor = keys_scan(database, cursor, count_entry, sizes)
        if not cursor:
            return
        steps += 1
        if steps % HOMES_BETWEEN_LOOKS == 0 and clock_monotonic_ns() >= end_ns and sizes.seen:
            return


cdef object key_sizes_by_type(Core* core, Database* database, uint64_t budget_us):
    cdef KeySizes sizes
    cdef dict found = {}
    cdef int type, bin
    with nogil:
        key_sizes(core, database, budget_us, &sizes)
    for type in range(SIZE_TYPES):
        bins = {
            (1 << bin - 1 if bin else 0): max(1, sizes.counts[type][bin] * sizes.keys // sizes.seen)
            for bin in range(SIZE_BINS) if sizes.counts[type][bin]
        }
        if bins:
            found[type_name(type).decode("ascii")] = bins
    return found
