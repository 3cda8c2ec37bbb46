"""The request parser: RESP arrays of bulk strings, and inline commands; incremental, several requests ahead.

A parser works on one connection's query buffer and never moves it. It is called with what there is, answers what it
found, and goes on from there when more has come: no byte is looked at twice, whatever the pieces are.

    query buffer   | executed ... | complete requests (Parser.requests) | incomplete | room
                                    ^ each has its arguments in Parser.arguments

Long arguments (LONG_ARGUMENT bytes and more) are read into strings of their own: the parser answers PARSE_LONG, the
connection reads into ``Parser.large`` and then calls resp_large_done. The handler may keep the string: a value of
half a gigabyte is copied nowhere.

Format: https://redis.io/docs/latest/develop/reference/protocol-spec/ ; limits and error texts are the original's.
"""
from libc.stdint cimport int64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Parser

cdef enum:
    PARSE_MORE = 0              # the buffer ends inside a request, or between two
    PARSE_REQUEST = 1           # a request is complete: arguments request_first up to used
    PARSE_LONG = 2              # read Parser.large to its full length next
    # The connection must be closed: Parser.error says what is wrong, or memory was out. Parser.failed tells the same
    # from then on, and there is nothing more to parse.
    PARSE_ERROR = -1
    PARSE_NO_MEMORY = -2

cdef enum:                      # what a connection's requests are held against
    PARSE_UNAUTHENTICATED = 1   # narrow limits for the number and the length of arguments
    PARSE_STRICT = 2            # CR LF is looked at; else two bytes are passed over where it should be

cdef enum:
    INLINE_MAX_BYTES = 65536
    UNAUTHENTICATED_ARGUMENTS_MAX = 10
    UNAUTHENTICATED_BULK_MAX = 16384


cdef Parser* parser_new(Heap* heap) noexcept nogil
cdef void parser_free(Heap* heap, Parser* parser) noexcept nogil
# Bytes that the parser takes, with the arguments that it has read into strings of their own.
cdef size_t parser_memory(const Parser* parser) noexcept nogil
# Forgets the requests that were executed and keeps the rest: answers the offset of the first byte that must stay in the
# query buffer, from which offsets count from now on; the caller moves that byte to the buffer's start.
cdef size_t parser_compact(Heap* heap, Parser* parser) noexcept nogil
# Forgets everything and releases owned strings.
cdef void parser_reset(Heap* heap, Parser* parser) noexcept nogil
# Releases the strings that arguments first up to end still own.
cdef void parser_release_owned(Heap* heap, Parser* parser, size_t first, size_t end) noexcept nogil
# True where no request is incomplete or waits to be executed. Only such a parser may be lent to the next client.
cdef bint parser_is_idle(const Parser* parser) noexcept nogil
# Parses up to one request from data[position:length]. Arguments hold offsets in data.
# An empty request (blank line, *0) is skipped. rules: PARSE_UNAUTHENTICATED, PARSE_STRICT.
cdef int resp_parse(Heap* heap, Parser* parser, char* data, size_t length, int64_t max_bulk_length,
                    int rules) noexcept nogil
# Tells that Parser.large is filled: it becomes the next argument, without the two bytes behind it, for which it had
# room. PARSE_REQUEST where the request is complete with it, PARSE_MORE where not, PARSE_NO_MEMORY; PARSE_ERROR under
# strict.
cdef int resp_large_done(Heap* heap, Parser* parser, bint strict) noexcept nogil
