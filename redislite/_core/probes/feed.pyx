"""A Python class over the feed, for unit tests only."""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from redislite._core.base.alloc cimport heap_destroy, heap_new
from redislite._core.keyspace.feed cimport (
    feed_attach, feed_detach, feed_end, feed_end_unit, feed_read, feed_release, feed_room, feed_unread,
)
from redislite._core.state.core cimport Core, FeedReader

cdef enum:
    READERS = 8

READERS_MOST = READERS


cdef class FeedProbe:
    """The feed of a core that has nothing else, and readers of it by number."""

    cdef Core* core
    cdef FeedReader readers[READERS]

    def __cinit__(self):
        self.core = <Core*> calloc(1, sizeof(Core))
        if self.core == NULL:
            raise MemoryError
        self.core.heap = heap_new()
        if self.core.heap == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.core == NULL:
            return
        if self.core.heap != NULL:
            feed_release(self.core)
            heap_destroy(self.core.heap)
        free(self.core)

    cdef FeedReader* _reader(self, int number) except NULL:
        if not 0 <= number < READERS:
            raise IndexError(number)
        return &self.readers[number]

    def put(self, bytes data not None):
        """Puts data to the unit that runs. MemoryError."""
        cdef char* room = feed_room(self.core, len(data) + 1)
        if room == NULL:
            raise MemoryError
        memcpy(room, <char*> data, len(data))
        self.core.feed.length += <size_t> len(data)

    def end_unit(self, bint is_kept=True):
        feed_end_unit(self.core, is_kept)

    def attach(self, int number):
        feed_attach(self.core, self._reader(number))

    def detach(self, int number):
        feed_detach(self.core, self._reader(number))

    def unread(self, int number):
        """What the reader has not read."""
        cdef size_t count
        cdef const char* data = feed_unread(self.core, self._reader(number), &count)
        return data[:count] if count else b""

    def read(self, int number, size_t count):
        """Reads so many bytes. ValueError where there are not so many."""
        if count > <size_t> len(self.unread(number)):
            raise ValueError(count)
        feed_read(self.core, self._reader(number), count)

    def offset(self, int number):
        """Offset of the stream that the reader stands at."""
        return self._reader(number).offset

    @property
    def end(self):
        return feed_end(self.core)

    @property
    def held(self):
        """Bytes that are kept for readers, and of the unit that runs."""
        return self.core.feed.length

    @property
    def capacity(self):
        return self.core.feed.capacity
