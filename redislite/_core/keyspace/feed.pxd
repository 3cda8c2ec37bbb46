"""The stream of what is propagated: bytes with offsets, which several read, each at its own pace.

    data          reader A                 reader B      unit_start               length
     │ read by all   │ not by A               │ not by B     │ the unit that runs     │ room
     ▼               ▼                        ▼              ▼                        ▼
     ├───────────────┴────────────────────────┴──────────────┴────────────────────────┤
    offset ────────────── counts from the engine's start, never back ────────────▶

A reader (the append-only file, a backlog) is attached, and from then on reads whole units in order: feed_unread says
what is there, feed_read that so much of it was taken. What all have read is dropped, so that with one reader that takes
all in each turn, or several that do, nothing is ever moved; one that lags, having no memory to keep what it cannot
write, holds up the bytes and nobody else. With no reader nothing is kept.

Whoever wants bytes without being sent them in each turn copies them out of the stream: a replica's connection is no
reader, the backlog that it is written from is.
"""
from libc.stdint cimport int64_t
from redislite._core.state.core cimport Core, Feed, FeedReader


# Room for so many bytes behind what there is, of which Feed.length says how many are used; NULL where memory is out:
# the unit that runs is broken then.
cdef char* feed_room(Core* core, size_t need) noexcept nogil
# Ends the unit that runs. is_kept: readers, where there are any, may have it; otherwise it is dropped.
cdef void feed_end_unit(Core* core, bint is_kept) noexcept nogil
# Drops everything and gives back the memory. Readers stay, at the end of the stream.
cdef void feed_release(Core* core) noexcept nogil
# Drops everything that no reader waits for.
cdef void feed_trim(Core* core) noexcept nogil

# From here on the reader, which is the caller's, gets every whole unit; its first begins with SELECT. Harmless for one
# that is attached already.
cdef void feed_attach(Core* core, FeedReader* reader) noexcept nogil
# Nothing waits for the reader any more. Harmless for one that is not attached.
cdef void feed_detach(Core* core, FeedReader* reader) noexcept nogil
# How many bytes there are that the reader has taken so many of.
cdef void feed_read(Core* core, FeedReader* reader, size_t count) noexcept nogil


# The bytes of whole units that the reader has not read, and how many they are. Valid until the feed is touched again.
cdef inline const char* feed_unread(const Core* core, const FeedReader* reader, size_t* count) noexcept nogil:
    cdef size_t begin = <size_t> (reader.offset - core.feed.offset)
    count[0] = core.feed.unit_start - begin if reader.is_attached else 0
    return core.feed.data + begin


cdef inline size_t feed_waiting(const Core* core, const FeedReader* reader) noexcept nogil:
    """How many bytes of whole units the reader has not read."""
    cdef size_t count
    feed_unread(core, reader, &count)
    return count


# Offset of what comes behind the last whole unit.
cdef inline int64_t feed_end(const Core* core) noexcept nogil:
    return core.feed.offset + <int64_t> core.feed.unit_start
