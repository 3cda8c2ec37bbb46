"""A Python class over a listpack, for unit tests and micro-benchmarks only."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from redislite._core.base.alloc cimport Heap, heap_destroy, heap_new
from redislite._core.structures.listpack cimport (
    LISTPACK_INTEGER_TEXT, ListpackValue, listpack, listpack_append, listpack_append_integer, listpack_bytes,
    listpack_copy, listpack_delete, listpack_delete_range, listpack_entry_bytes, listpack_equals, listpack_find,
    listpack_first, listpack_free, listpack_get, listpack_insert, listpack_insert_integer, listpack_integer_bytes,
    listpack_join, listpack_last, listpack_length, listpack_memory, listpack_new, listpack_next, listpack_prepend,
    listpack_prepend_integer, listpack_previous, listpack_replace, listpack_replace_integer, listpack_seek,
    listpack_text, listpack_validate, listpack_value_bytes,
)


cdef double now() noexcept nogil:
    """Processor time of this thread in nanoseconds: what other processes do does not count."""
    cdef timespec time
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return <double> time.tv_sec * 1e9 + <double> time.tv_nsec


cdef class ListpackProbe:
    """A listpack on a heap of its own. Elements go in as bytes or int and come out as listpack_get tells them.
    Elements are named by index; MemoryError where the heap's limit forbids a change."""

    cdef Heap* heap
    cdef listpack pack

    def __cinit__(self, bytes data=None):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        if data is None:
            self.pack = listpack_new(self.heap)
        else:
            if not listpack_validate(<const uint8_t*> <const char*> data, len(data), 1):
                raise ValueError("not a listpack")
            self.pack = listpack_copy(self.heap, <const uint8_t*> <const char*> data)
        if self.pack == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.heap != NULL:
            listpack_free(self.heap, self.pack)
            heap_destroy(self.heap)

    cdef int take(self, listpack moved) except -1:
        if moved == NULL:
            raise MemoryError
        self.pack = moved
        return 0

    cdef uint8_t* entry(self, int64_t index) except NULL:
        cdef uint8_t* entry = listpack_seek(self.pack, index)
        if entry == NULL:
            raise IndexError(index)
        return entry

    cdef int64_t index_of(self, uint8_t* entry):
        cdef int64_t index = 0
        cdef uint8_t* at = listpack_first(self.pack)
        if entry == NULL:
            return -1
        while at != NULL and at != entry:
            at = listpack_next(self.pack, at)
            index += 1
        if at == NULL:
            raise AssertionError("points to no element")
        return index

    def limit(self, size_t bytes):
        """What the heap may hold from now on; 0: anything."""
        self.heap.limit = bytes

    @property
    def used(self):
        return self.heap.used

    @property
    def memory(self):
        return listpack_memory(self.pack)

    def __len__(self):
        return listpack_length(self.pack)

    def __bytes__(self):
        return (<char*> self.pack)[:listpack_bytes(self.pack)]

    cdef object value(self, uint8_t* entry):
        cdef ListpackValue value
        listpack_get(entry, &value)
        return value.integer if value.data == NULL else value.data[:value.length]

    def forwards(self):
        cdef uint8_t* entry = listpack_first(self.pack)
        result = []
        while entry != NULL:
            result.append(self.value(entry))
            entry = listpack_next(self.pack, entry)
        return result

    def backwards(self):
        cdef uint8_t* entry = listpack_last(self.pack)
        result = []
        while entry != NULL:
            result.append(self.value(entry))
            entry = listpack_previous(self.pack, entry)
        return result

    def __getitem__(self, int64_t index):
        return self.value(self.entry(index))

    def text(self, int64_t index):
        cdef char buffer[LISTPACK_INTEGER_TEXT]
        cdef size_t length
        cdef char* text = listpack_text(self.entry(index), buffer, &length)
        return text[:length]

    def equals(self, int64_t index, bytes data not None):
        return bool(listpack_equals(self.entry(index), data, len(data)))

    def find(self, bytes data not None, int64_t start=0, uint32_t skip=0):
        """Index of the first equal element from start on, or -1."""
        return self.index_of(listpack_find(self.pack, listpack_seek(self.pack, start), data, len(data), skip))

    def append(self, value not None):
        if isinstance(value, int):
            self.take(listpack_append_integer(self.heap, self.pack, value))
        else:
            self.take(listpack_append(self.heap, self.pack, value, len(value)))

    def prepend(self, value not None):
        if isinstance(value, int):
            self.take(listpack_prepend_integer(self.heap, self.pack, value))
        else:
            self.take(listpack_prepend(self.heap, self.pack, value, len(value)))

    def insert(self, int64_t index, bint behind, value not None):
        """Answers the new element's index."""
        cdef uint8_t* entry = self.entry(index)
        if isinstance(value, int):
            self.take(listpack_insert_integer(self.heap, self.pack, &entry, behind, value))
        else:
            self.take(listpack_insert(self.heap, self.pack, &entry, behind, value, len(value)))
        return self.index_of(entry)

    def replace(self, int64_t index, value not None):
        """Answers the element's index, as the entry that follows the change tells it."""
        cdef uint8_t* entry = self.entry(index)
        if isinstance(value, int):
            self.take(listpack_replace_integer(self.heap, self.pack, &entry, value))
        else:
            self.take(listpack_replace(self.heap, self.pack, &entry, value, len(value)))
        return self.index_of(entry)

    def delete(self, int64_t index, size_t count=1):
        """Answers the index of the element that follows, or -1."""
        cdef uint8_t* entry = self.entry(index)
        if count == 1:
            self.take(listpack_delete(self.heap, self.pack, &entry))
        else:
            self.take(listpack_delete_range(self.heap, self.pack, &entry, count))
        return self.index_of(entry)

    def join(self, ListpackProbe other not None, bint behind):
        self.take(listpack_join(self.heap, self.pack, other.pack, behind))

    def entry_bytes(self, int64_t index):
        return listpack_entry_bytes(self.entry(index))

    @staticmethod
    def value_bytes(value):
        return listpack_integer_bytes(value) if isinstance(value, int) else listpack_value_bytes(value, len(value))

    @staticmethod
    def validate(bytes data not None, bint deep):
        return bool(listpack_validate(<const uint8_t*> <const char*> data, len(data), deep))

    def time_find(self, bytes data not None, int rounds):
        """Nanoseconds that a find from the first element takes."""
        cdef const char* text = data
        cdef size_t length = len(data)
        cdef uint8_t* entry = NULL
        cdef double start
        cdef int i
        with nogil:
            start = now()
            for i in range(rounds):
                entry = listpack_find(self.pack, listpack_first(self.pack), text, length, 0)
            start = now() - start
        return start / rounds, entry != NULL

    def time_append(self, bytes data not None, int count):
        """Nanoseconds that an append takes, from empty to count elements."""
        cdef const char* text = data
        cdef size_t length = len(data)
        cdef double start
        cdef int i
        listpack_free(self.heap, self.pack)
        self.pack = listpack_new(self.heap)
        start = now()
        for i in range(count):
            self.pack = listpack_append(self.heap, self.pack, text, length)
        return (now() - start) / count
