"""Deferred release; the contract is in discard.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_release_step
from redislite._core.base.clock cimport clock_counter
from redislite._core.base.prefixed cimport prefixed_write
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, Entry, entry_new, entry_release_step, entry_release_value_step, entry_set_pointer,
)
from redislite._core.state.core cimport Core, Discarded
from redislite._core.structures.dict cimport Dict, DictVisitor, dict_init, dict_release_step
from redislite._core.structures.release cimport RELEASE_PIECE_BITS, Release, ReleaseStep, release_begin

cdef enum:
    DIRECT_PIECES = 64          # what takes no more than this is released at once
    STEP_PIECES = 512           # between looks at the clock: some 50 microseconds
    GROWTH_LEAST = 64 << 20     # bytes that memory may grow by while something waits: this, and
    GROWTH_SHARE = 8            # one part in so many of what it was


# A dict that waits.
cdef struct DiscardedDict:
    Dict dictionary
    DictVisitor visit           # what its entries go to; NULL: only the tables go


cdef bint put(Core* core, ReleaseStep release, void* thing, bint counted) noexcept nogil:
    """Notes what is to be released. 0 where memory is out."""
    cdef Discarded* item = <Discarded*> heap_alloc(core.heap, sizeof(Discarded))
    if item == NULL:
        return 0
    if core.discarded == NULL:
        core.discard_mark = core.heap.used
        core.discard_ended = clock_counter()
    item.release = release
    item.thing = thing
    item.is_counted = counted
    item.next = core.discarded
    core.discarded = item
    return 1


cdef inline bint is_growing(const Core* core) noexcept nogil:
    """Whether memory grows although something waits to be released."""
    return core.discarded != NULL and \
        core.heap.used > core.discard_mark + max(<size_t> GROWTH_LEAST, core.discard_mark // GROWTH_SHARE)


cdef void begin(DiscardStep* step, Core* core, size_t pieces, bint counted) noexcept nogil:
    release_begin(&step.release, core.heap, pieces)
    step.core = core
    step.is_counted = counted


cdef bint release_waiting_entry(Release* release, void* entry) noexcept nogil:
    cdef DiscardStep* step = <DiscardStep*> release
    if entry_release_step(release, <Entry*> entry):
        return 1
    step.core.discarded_entries -= step.is_counted
    step.core.statistics.lazily_freed += step.is_counted
    return 0


cdef void put_entry(Core* core, Entry* entry, bint counted) noexcept nogil:
    """The same for an entry whose release has begun; it is ended where memory is out."""
    cdef Release step
    if put(core, release_waiting_entry, entry, counted):
        core.discarded_entries += counted
        return
    release_begin(&step, core.heap, ~<size_t> 0)
    entry_release_step(&step, entry)


cdef void release_entry(Core* core, Entry* entry, bint counted) noexcept nogil:
    cdef Release step
    release_begin(&step, core.heap, DIRECT_PIECES)
    if entry_release_step(&step, entry):
        put_entry(core, entry, counted)
        if is_growing(core):
            discard_turn(core)


cdef void discard_thing(Core* core, ReleaseStep release, void* thing) noexcept nogil:
    cdef DiscardStep step
    begin(&step, core, DIRECT_PIECES, 0)
    if not release(&step.release, thing):
        return
    if put(core, release, thing, 0):
        if is_growing(core):
            discard_turn(core)
        return
    step.release.budget = ~<size_t> 0
    release(&step.release, thing)


cdef void discard_value(Core* core, int type, int encoding, void* value) noexcept nogil:
    cdef uint64_t place[2]              # an entry without a name
    cdef Entry* entry = <Entry*> place
    cdef Release step
    (<uint32_t*> place)[0] = type | encoding << 4
    prefixed_write(<char*> place + sizeof(uint32_t), NULL, 0)
    entry_set_pointer(entry, value)
    release_begin(&step, core.heap, DIRECT_PIECES)
    if not entry_release_value_step(&step, entry):
        return
    entry = entry_new(core.heap, NULL, 0, NO_EXPIRE, type, encoding, 0, sizeof(value))
    if entry != NULL:
        entry_set_pointer(entry, value)
        put_entry(core, entry, 0)
        if is_growing(core):
            discard_turn(core)
        return
    step.budget = ~<size_t> 0
    entry_release_value_step(&step, <Entry*> place)


cdef void release_entry_visitor(void* argument, void* entry) noexcept nogil:
    cdef DiscardStep* step = <DiscardStep*> argument
    cdef size_t budget = max(step.release.budget, <size_t> DIRECT_PIECES)
    cdef Release own
    if step.is_counted:
        step.core.discarded_entries -= 1
    release_begin(&own, step.release.heap, budget)
    if entry_release_step(&own, <Entry*> entry):
        # The rest of it comes before the rest of the dict.
        step.release.budget = 0
        put_entry(step.core, <Entry*> entry, step.is_counted)
        return
    if step.is_counted:
        step.core.statistics.lazily_freed += 1
    step.release.budget -= min(budget - own.budget, step.release.budget)


cdef bint release_waiting_dict(Release* release, void* thing) noexcept nogil:
    cdef DiscardedDict* waiting = <DiscardedDict*> thing
    if dict_release_step(&waiting.dictionary, waiting.visit, release, &release.budget):
        return 1
    heap_free(release.heap, waiting, sizeof(DiscardedDict))
    return 0


cdef void discard_dict(Core* core, Dict* dictionary, DictVisitor visit, bint counted) noexcept nogil:
    cdef Dict taken = dictionary[0]
    cdef DiscardedDict* waiting
    cdef DiscardStep step
    if taken.tables[0] == NULL:
        return
    dict_init(dictionary, taken.heap, taken.seed, taken.key_offset)
    dictionary.no_resize = taken.no_resize
    if visit != NULL and counted:
        core.discarded_entries += <int64_t> (taken.used[0] + taken.used[1])
    waiting = <DiscardedDict*> heap_alloc(core.heap, sizeof(DiscardedDict))
    if waiting != NULL:
        waiting.dictionary = taken
        waiting.visit = visit
        if put(core, release_waiting_dict, waiting, counted):
            return
        heap_free(core.heap, waiting, sizeof(DiscardedDict))
    begin(&step, core, ~<size_t> 0, counted)
    while dict_release_step(&taken, visit, &step, &step.release.budget):
        step.release.budget = ~<size_t> 0


cdef bint release_first(Core* core, DiscardStep* step) noexcept nogil:
    """A step of what is first; 1 while there is more to do of it."""
    cdef Discarded* item = core.discarded
    step.is_counted = item.is_counted
    if item.release(&step.release, item.thing):
        return 1
    if core.discarded == item:
        core.discarded = item.next
    else:
        # The last entry's rest was put before the dict.
        core.discarded.next = item.next
    heap_free(core.heap, item, sizeof(Discarded))
    return 0


cdef bint release_discarded(Core* core, size_t pieces) noexcept nogil:
    cdef DiscardStep step
    begin(&step, core, pieces, 0)
    while step.release.budget and core.discarded != NULL:
        if release_first(core, &step):
            return 1
        if step.release.budget:
            step.release.budget -= 1
    if core.discarded == NULL:
        heap_release_step(core.heap, step.release.budget << RELEASE_PIECE_BITS)
    return discard_is_due(core)


cdef bint discard_turn(Core* core) noexcept nogil:
    cdef uint64_t begun = clock_counter()
    cdef uint64_t limit = <uint64_t> (core.settings.release_turn_us * 1000 / core.ns_per_tick)
    cdef bint more = 1
    if is_growing(core):
        limit = max(limit, begun - core.discard_ended)
    while more:
        more = release_discarded(core, STEP_PIECES)
        if clock_counter() - begun >= limit:
            break
    core.discard_ended = clock_counter()
    return more


cdef void discard_all(Core* core) noexcept nogil:
    while release_discarded(core, ~<size_t> 0 >> RELEASE_PIECE_BITS):
        pass


cdef int64_t discarded_things(const Core* core) noexcept nogil:
    cdef const Discarded* item = core.discarded
    cdef int64_t count = 0
    while item != NULL:
        count += 1
        item = item.next
    return count
