"""Python classes over the request parser and the byte string, for unit tests and micro-benchmarks only."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memmove
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from redislite._core.base.alloc cimport Heap, heap_alloc, heap_destroy, heap_free, heap_new, heap_realloc
from redislite._core.base.sds cimport sds, sds_append, sds_capacity, sds_free, sds_length, sds_new, sds_set_length
from redislite._core.protocol.resp cimport (
    PARSE_ERROR, PARSE_LONG, PARSE_MORE, PARSE_NO_MEMORY, PARSE_REQUEST, PARSE_STRICT, PARSE_UNAUTHENTICATED,
    parser_compact, parser_free, parser_new,
    parser_release_owned, parser_reset, resp_large_done, resp_parse,
)
from redislite._core.state.core cimport Argument, Parser


cdef double now() noexcept nogil:
    """Processor time of this thread in nanoseconds: what other processes do does not count."""
    cdef timespec time
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return <double> time.tv_sec * 1e9 + <double> time.tv_nsec


cdef class ParserProbe:
    """One connection's parser and query buffer."""

    cdef Heap* heap
    cdef Parser* parser
    cdef sds query
    cdef int64_t max_bulk_length
    cdef bint authenticated
    cdef bint strict

    def __cinit__(self, int64_t max_bulk_length=512 << 20, bint authenticated=True, bint strict=False):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        self.parser = parser_new(self.heap)
        self.query = sds_new(self.heap, NULL, 0, 0)
        if self.parser == NULL or self.query == NULL:
            raise MemoryError
        self.max_bulk_length = max_bulk_length
        self.authenticated = authenticated
        self.strict = strict

    def __dealloc__(self):
        if self.heap == NULL:
            return
        parser_free(self.heap, self.parser)
        sds_free(self.heap, self.query)
        heap_destroy(self.heap)

    cdef list take(self):
        """The arguments of the request that is complete; it is then forgotten."""
        cdef Parser* parser = self.parser
        cdef Argument* argument
        cdef size_t i
        request = []
        for i in range(parser.request_first, parser.used):
            argument = &parser.arguments[i]
            if argument.owner != NULL:
                request.append(argument.owner[:argument.length])
            else:
                request.append((self.query + <size_t> argument.data)[:argument.length])
        parser_release_owned(self.heap, parser, parser.request_first, parser.used)
        parser.used = parser.request_first
        return request

    def feed(self, bytes data not None):
        """The requests that data completes. Raises ValueError with the text of a protocol error.

        The error comes alone: requests complete before it are answered by the call before.
        """
        cdef const char* piece = data
        cdef size_t left = len(data)
        cdef size_t count, start, length
        cdef sds grown
        cdef int state
        requests = []
        while True:
            if self.parser.large != NULL:
                length = sds_length(self.parser.large)
                count = min(left, sds_capacity(self.parser.large) - length)
                memcpy(self.parser.large + length, piece, count)
                sds_set_length(self.parser.large, length + count)
                piece += count
                left -= count
                if sds_length(self.parser.large) < sds_capacity(self.parser.large):
                    return requests
                state = resp_large_done(self.heap, self.parser, self.strict)
                if state == PARSE_REQUEST:
                    requests.append(self.take())
            else:
                grown = sds_append(self.heap, self.query, piece, left)
                if grown == NULL:
                    raise MemoryError
                self.query = grown
                left = 0
                state = PARSE_REQUEST
                while state == PARSE_REQUEST:
                    state = resp_parse(self.heap, self.parser, self.query, sds_length(self.query),
                                       self.max_bulk_length, (0 if self.authenticated else PARSE_UNAUTHENTICATED)
                                       | (PARSE_STRICT if self.strict else 0))
                    if state == PARSE_REQUEST:
                        requests.append(self.take())
                if self.parser.large != NULL:
                    sds_set_length(self.query, self.parser.position)
                start = parser_compact(self.heap, self.parser)
                memmove(self.query, self.query + start, sds_length(self.query) - start)
                sds_set_length(self.query, sds_length(self.query) - start)
            if state == PARSE_NO_MEMORY:
                raise MemoryError
            if state == PARSE_ERROR and not requests:
                raise ValueError(self.parser.error.decode("latin-1"))
            if not left:
                return requests

    def benchmark(self, bytes data not None, size_t rounds):
        """Nanoseconds per request, parsing data (whole requests of short arguments) rounds times."""
        cdef char* buffer = <char*> heap_alloc(self.heap, len(data) + 1)
        cdef size_t length = len(data)
        cdef size_t requests = 0, i
        cdef int state = PARSE_MORE
        cdef double start, end
        if buffer == NULL:
            raise MemoryError
        memcpy(buffer, <const char*> data, length)
        with nogil:
            start = now()
            for i in range(rounds):
                parser_reset(self.heap, self.parser)
                state = PARSE_REQUEST
                while state == PARSE_REQUEST:
                    self.parser.used = 0
                    state = resp_parse(self.heap, self.parser, buffer, length, self.max_bulk_length, 0)
                    requests += state == PARSE_REQUEST
                if state != PARSE_MORE:
                    break
            end = now()
        heap_free(self.heap, buffer, length + 1)
        if state != PARSE_MORE or requests == 0:
            raise AssertionError("the data is not whole requests")
        return (end - start) / requests


cdef class BufferProbe:
    """One byte string."""

    cdef Heap* heap
    cdef sds string

    def __cinit__(self, bytes data not None=b"", size_t spare=0):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        self.string = sds_new(self.heap, <const char*> data, len(data), len(data) + spare)
        if self.string == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.heap != NULL:
            sds_free(self.heap, self.string)
            heap_destroy(self.heap)

    def __bytes__(self):
        return self.string[:sds_length(self.string)]

    def __len__(self):
        return sds_length(self.string)

    @property
    def capacity(self):
        return sds_capacity(self.string)

    def append(self, bytes data not None):
        cdef sds grown = sds_append(self.heap, self.string, <const char*> data, len(data))
        if grown == NULL:
            raise MemoryError
        self.string = grown

    def benchmark(self, size_t length, bytes piece not None, size_t rounds=1):
        """Nanoseconds per append, growing an empty string by pieces to at least length bytes, rounds times."""
        cdef const char* data = piece
        cdef size_t size = len(piece)
        cdef size_t appends = 0, i
        cdef sds grown = NULL
        cdef double start, end
        if not size:
            raise ValueError("an empty piece")
        with nogil:
            start = now()
            for i in range(rounds):
                grown = sds_new(self.heap, NULL, 0, 0)
                while grown != NULL and sds_length(grown) < length:
                    grown = sds_append(self.heap, grown, data, size)
                    appends += 1
                if grown == NULL:
                    break
                sds_free(self.heap, grown)
            end = now()
        if grown == NULL:
            raise MemoryError
        return (end - start) / appends
