"""The stream of what is propagated; the contract is in feed.pxd."""
from libc.stdint cimport int64_t
from libc.string cimport memmove
from redislite._core.base.alloc cimport heap_free, heap_realloc
from redislite._core.state.core cimport Core, Feed, FeedReader

cdef enum:
    FEED_LEAST = 4096           # bytes of the first block
    FEED_KEPT = 1 << 20         # bytes of a block that is kept when its content was read


cdef char* feed_room(Core* core, size_t need) noexcept nogil:
    cdef Feed* feed = &core.feed
    cdef size_t capacity = feed.capacity
    cdef char* grown
    if feed.capacity - feed.length >= need:
        return feed.data + feed.length
    capacity = capacity if capacity > FEED_LEAST else <size_t> FEED_LEAST
    while capacity - feed.length < need:
        capacity *= 2
    grown = <char*> heap_realloc(core.heap, feed.data, feed.capacity, capacity)
    if grown == NULL:
        feed.is_broken = 1
        return NULL
    feed.data = grown
    feed.capacity = capacity
    return feed.data + feed.length


cdef void feed_end_unit(Core* core, bint is_kept) noexcept nogil:
    cdef Feed* feed = &core.feed
    if is_kept and feed.readers != NULL:
        feed.unit_start = feed.length
    else:
        feed.length = feed.unit_start
        feed_trim(core)


cdef void feed_release(Core* core) noexcept nogil:
    cdef Feed* feed = &core.feed
    cdef FeedReader* reader = feed.readers
    feed.offset = feed_end(core)
    while reader != NULL:
        reader.offset = feed.offset
        reader = reader.next
    heap_free(core.heap, feed.data, feed.capacity)
    feed.data = NULL
    feed.capacity = 0
    feed.length = 0
    feed.unit_start = 0


cdef void feed_trim(Core* core) noexcept nogil:
    cdef Feed* feed = &core.feed
    cdef FeedReader* reader = feed.readers
    cdef int64_t least = feed_end(core)
    cdef size_t taken
    while reader != NULL:
        least = min(least, reader.offset)
        reader = reader.next
    taken = <size_t> (least - feed.offset)
    # Of a stream that somebody holds up, bytes are moved once per halving.
    if taken == 0 or taken < feed.length - taken:
        return
    feed.length -= taken
    feed.unit_start -= taken
    feed.offset = least
    if feed.length:
        memmove(feed.data, feed.data + taken, feed.length)
    elif feed.capacity > FEED_KEPT:
        feed_release(core)


cdef void feed_attach(Core* core, FeedReader* reader) noexcept nogil:
    if reader.is_attached:
        return
    core.feed.database = -1
    reader.is_attached = 1
    reader.offset = feed_end(core)
    reader.next = core.feed.readers
    core.feed.readers = reader


cdef void feed_detach(Core* core, FeedReader* reader) noexcept nogil:
    cdef FeedReader** place = &core.feed.readers
    if not reader.is_attached:
        return
    while place[0] != reader:
        place = &place[0].next
    place[0] = reader.next
    reader.is_attached = 0
    if core.feed.readers == NULL:
        # Nobody is to have the part of the unit that runs, either.
        feed_end_unit(core, 0)
        core.feed.unit_commands = 0
    feed_trim(core)


cdef void feed_read(Core* core, FeedReader* reader, size_t count) noexcept nogil:
    reader.offset += <int64_t> count
    feed_trim(core)
