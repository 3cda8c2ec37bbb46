"""The request parser; the contract is in resp.pxd."""
from libc.stdint cimport INT32_MAX, int64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memmove
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.base.sds cimport sds, sds_block_size, sds_free, sds_new, sds_set_length
from redislite._core.state.core cimport LONG_ARGUMENT, Argument, Parser, Request
from redislite._core.text.numbers cimport parse_int64

cdef enum:
    ARGUMENTS_FIRST = 128       # arguments a new parser has room for
    ARGUMENTS_KEPT = 1024       # room that is kept between requests


cdef extern from *:
    """
    static const char invalid_line_end[] = "invalid CRLF in request";
    """
    const char* INVALID_LINE_END "invalid_line_end"


cdef Parser* parser_new(Heap* heap) noexcept nogil:
    cdef Parser* parser = <Parser*> heap_zalloc(heap, sizeof(Parser))
    if parser == NULL:
        return NULL
    parser.arguments = <Argument*> heap_alloc(heap, ARGUMENTS_FIRST * sizeof(Argument))
    if parser.arguments == NULL:
        heap_free(heap, parser, sizeof(Parser))
        return NULL
    parser.capacity = ARGUMENTS_FIRST
    parser.bulk = -1
    return parser


cdef void parser_free(Heap* heap, Parser* parser) noexcept nogil:
    if parser == NULL:
        return
    parser_reset(heap, parser)
    heap_free(heap, parser.arguments, parser.capacity * sizeof(Argument))
    heap_free(heap, parser, sizeof(Parser))


cdef size_t parser_memory(const Parser* parser) noexcept nogil:
    cdef size_t total = heap_footprint(sizeof(Parser)) + heap_footprint(parser.capacity * sizeof(Argument))
    if parser.large != NULL:
        total += heap_footprint(sds_block_size(parser.large))
    return total + parser.owned_bytes


cdef void parser_release_owned(Heap* heap, Parser* parser, size_t first, size_t end) noexcept nogil:
    cdef size_t i
    for i in range(first, end):
        if parser.arguments[i].owner != NULL:
            sds_free(heap, parser.arguments[i].owner)
            parser.arguments[i].owner = NULL


cdef void shrink_arguments(Heap* heap, Parser* parser) noexcept nogil:
    cdef Argument* smaller
    if parser.capacity > ARGUMENTS_KEPT:
        smaller = <Argument*> heap_realloc(heap, parser.arguments, parser.capacity * sizeof(Argument),
                                           ARGUMENTS_FIRST * sizeof(Argument))
        if smaller != NULL:
            parser.arguments = smaller
            parser.capacity = ARGUMENTS_FIRST


cdef void parser_reset(Heap* heap, Parser* parser) noexcept nogil:
    parser_release_owned(heap, parser, 0, parser.used)
    sds_free(heap, parser.large)
    parser.large = NULL
    parser.used = 0
    parser.position = 0
    parser.request_start = 0
    parser.request_first = 0
    parser.owned_bytes = 0
    parser.remaining = 0
    parser.bulk = -1
    parser.error = NULL
    parser.failed = 0
    parser.requests_count = 0
    parser.requests_done = 0
    shrink_arguments(heap, parser)


cdef bint parser_is_idle(const Parser* parser) noexcept nogil:
    return parser.remaining == 0 and parser.requests_count == parser.requests_done and parser.failed == 0


cdef size_t parser_compact(Heap* heap, Parser* parser) noexcept nogil:
    cdef size_t start = parser.position
    cdef size_t first = parser.used
    cdef size_t i
    cdef int waiting = parser.requests_count - parser.requests_done
    if waiting:
        start = parser.requests[parser.requests_done].start
        first = parser.requests[parser.requests_done].first
        memmove(parser.requests, parser.requests + parser.requests_done, waiting * sizeof(Request))
        for i in range(waiting):
            parser.requests[i].start -= start
            parser.requests[i].end -= start
            parser.requests[i].first -= first
    elif parser.remaining > 0:
        start = parser.request_start
        first = parser.request_first
    parser.requests_count = waiting
    parser.requests_done = 0
    if first:
        memmove(parser.arguments, parser.arguments + first, (parser.used - first) * sizeof(Argument))
        parser.used -= first
    if start:
        for i in range(parser.used):
            parser.arguments[i].data = <char*> (<size_t> parser.arguments[i].data - start)
    parser.position -= start
    parser.request_start -= start
    parser.request_first -= first
    if parser.used == 0:
        shrink_arguments(heap, parser)
    return start


cdef bint add_argument(Heap* heap, Parser* parser, size_t offset, size_t length, sds owner) noexcept nogil:
    cdef Argument* grown
    cdef Argument* argument
    if parser.used == parser.capacity:
        grown = <Argument*> heap_realloc(heap, parser.arguments, parser.capacity * sizeof(Argument),
                                         2 * parser.capacity * sizeof(Argument))
        if grown == NULL:
            return 0
        parser.arguments = grown
        parser.capacity *= 2
    argument = &parser.arguments[parser.used]
    argument.data = <char*> offset
    argument.length = length
    argument.owner = owner
    parser.used += 1
    return 1


cdef int fail(Parser* parser, const char* text) noexcept nogil:
    parser.error = text
    parser.failed = PARSE_ERROR
    return PARSE_ERROR


cdef int starve(Parser* parser) noexcept nogil:
    parser.failed = PARSE_NO_MEMORY
    return PARSE_NO_MEMORY


cdef char* line_end(char* text, char byte, size_t length) noexcept nogil:
    """Where the byte first stands, or NULL. As in the original, nothing is found behind a NUL."""
    cdef char* found = <char*> memchr(text, byte, length)
    if found != NULL and memchr(text, 0, found - text) != NULL:
        return NULL
    return found


cdef inline bint quick_length(const char* data, size_t length, size_t at, int64_t* value,
                              size_t* behind) noexcept nogil:
    """The same as read_length for a number of one or two digits that is all there: nearly every one."""
    cdef unsigned int first, second
    if length - at < 4 or at > length:
        return 0
    first = <unsigned char> data[at] - 48
    if first > 9:
        return 0
    if data[at + 1] == c'\r':
        value[0] = first
        behind[0] = at + 3
        return 1
    second = <unsigned char> data[at + 1] - 48
    if second > 9 or first == 0 or data[at + 2] != c'\r':
        return 0
    value[0] = first * 10 + second
    behind[0] = at + 4
    return 1


cdef int read_length(Parser* parser, char* data, size_t length, size_t at, int64_t* value,
                     size_t* behind) noexcept nogil:
    """The number that ends at the next CR. 1: read, *behind is the offset after CR LF; 0: more is needed; -1: the line
    is longer than any number may be; -2: it is no number."""
    cdef size_t i = at
    cdef int64_t total = 0
    cdef char* end
    while i < length and 48 <= data[i] <= 57 and i - at < 18:
        total = total * 10 + (data[i] - 48)
        i += 1
    if i + 1 < length and data[i] == c'\r' and i > at and (data[at] != 48 or i == at + 1):
        value[0] = total
        behind[0] = i + 2
        return 1
    end = line_end(data + at, c'\r', length - at)
    if end == NULL:
        return -1 if length - at > INLINE_MAX_BYTES else 0
    if <size_t> (end - data) + 1 >= length:
        return 0
    if not parse_int64(data + at, end - data - at, value):
        return -2
    behind[0] = end - data + 2
    return 1


cdef inline int hex_digit(char c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    if 65 <= c <= 70:
        return c - 55
    return -1


cdef inline bint is_space(char c) noexcept nogil:
    return c == 32 or 9 <= c <= 13


cdef inline char unescape(char c) noexcept nogil:
    if c == c'n':
        return c'\n'
    if c == c'r':
        return c'\r'
    if c == c't':
        return c'\t'
    if c == c'b':
        return 8
    if c == c'a':
        return 7
    return c


cdef inline bint ends_line(const char* data, size_t at) noexcept nogil:
    """Whether CR LF stands there."""
    return data[at] == c'\r' and data[at + 1] == c'\n'


cdef int parse_inline(Heap* heap, Parser* parser, char* data, size_t length) noexcept nogil:
    """A line of words; quoted ones are unquoted in place (they only get shorter)."""
    cdef size_t at = parser.position
    cdef char* newline = line_end(data + at, c'\n', length - at)
    cdef size_t end, out, start
    cdef char quote
    if (length - at if newline == NULL else <size_t> (newline - data) - at) > INLINE_MAX_BYTES:
        return fail(parser, b"too big inline request")
    if newline == NULL:
        return PARSE_MORE
    parser.position = newline - data + 1
    end = newline - data
    if end > at and data[end - 1] == c'\r':
        end -= 1
    while True:
        while at < end and is_space(data[at]):
            at += 1
        if at >= end:
            break
        start = at
        out = at
        quote = 0
        while True:
            if at >= end:
                if quote:
                    return fail(parser, b"unbalanced quotes in request")
                break
            if quote == 0:
                if data[at] == c' ' or data[at] == c'\t' or data[at] == c'\r' or data[at] == c'\n':
                    break
                if data[at] == c'"' or data[at] == c"'":
                    quote = data[at]
                else:
                    data[out] = data[at]
                    out += 1
            elif data[at] == quote:
                # A closing quote must be followed by a space or nothing.
                if at + 1 < end and not is_space(data[at + 1]):
                    return fail(parser, b"unbalanced quotes in request")
                at += 1
                break
            elif quote == c'"' and data[at] == c'\\' and at + 3 < end and data[at + 1] == c'x' \
                    and hex_digit(data[at + 2]) >= 0 and hex_digit(data[at + 3]) >= 0:
                data[out] = <char> (hex_digit(data[at + 2]) * 16 + hex_digit(data[at + 3]))
                out += 1
                at += 3
            elif quote == c'"' and data[at] == c'\\' and at + 1 < end:
                at += 1
                data[out] = unescape(data[at])
                out += 1
            elif quote == c"'" and data[at] == c'\\' and at + 1 < end and data[at + 1] == c"'":
                at += 1
                data[out] = c"'"
                out += 1
            else:
                data[out] = data[at]
                out += 1
            at += 1
        if not add_argument(heap, parser, start, out - start, NULL):
            return starve(parser)
    return PARSE_REQUEST


cdef inline int parse(Heap* heap, Parser* parser, char* data, size_t length, int64_t max_bulk_length,
                      int rules) noexcept nogil:
    cdef int64_t value
    cdef size_t behind
    cdef int found
    while True:
        if parser.remaining == 0:
            if parser.position >= length:
                return PARSE_MORE
            parser.request_start = parser.position
            parser.request_first = parser.used
            parser.owned_bytes = 0
            if data[parser.position] != c'*':
                found = parse_inline(heap, parser, data, length)
                if found == PARSE_REQUEST and parser.used == parser.request_first:
                    continue
                return found
            found = 1
            if not quick_length(data, length, parser.position + 1, &value, &behind):
                found = read_length(parser, data, length, parser.position + 1, &value, &behind)
            if found == 0:
                return PARSE_MORE
            if found == -1:
                return fail(parser, b"too big mbulk count string")
            if rules & PARSE_STRICT and found == 1 and not ends_line(data, behind - 2):
                return fail(parser, INVALID_LINE_END)
            if found == -2 or value > INT32_MAX:
                return fail(parser, b"invalid multibulk length")
            if rules & PARSE_UNAUTHENTICATED and value > UNAUTHENTICATED_ARGUMENTS_MAX:
                return fail(parser, b"unauthenticated multibulk length")
            parser.position = behind
            if value <= 0:
                continue
            parser.remaining = value
            parser.bulk = -1
        while parser.remaining:
            if parser.bulk < 0:
                if parser.position >= length:
                    return PARSE_MORE
                # The original looks for the end of the line before it looks at its type.
                if data[parser.position] != c'$':
                    if line_end(data + parser.position, c'\r', length - parser.position) == NULL:
                        if length - parser.position > INLINE_MAX_BYTES:
                            return fail(parser, b"too big bulk count string")
                        return PARSE_MORE
                    snprintf(parser.error_text, sizeof(parser.error_text), "expected '$', got '%c'",
                             <int> data[parser.position])
                    return fail(parser, parser.error_text)
                found = 1
                if not quick_length(data, length, parser.position + 1, &value, &behind):
                    found = read_length(parser, data, length, parser.position + 1, &value, &behind)
                if found == 0:
                    return PARSE_MORE
                if found == -1:
                    return fail(parser, b"too big bulk count string")
                if rules & PARSE_STRICT and found == 1 and not ends_line(data, behind - 2):
                    return fail(parser, INVALID_LINE_END)
                if found == -2 or value < 0 or value > max_bulk_length:
                    return fail(parser, b"invalid bulk length")
                if rules & PARSE_UNAUTHENTICATED and value > UNAUTHENTICATED_BULK_MAX:
                    return fail(parser, b"unauthenticated bulk length")
                parser.position = behind
                parser.bulk = value
                if value >= LONG_ARGUMENT and length - behind < <size_t> value + 2:
                    parser.large = sds_new(heap, data + behind, length - behind, <size_t> value + 2)
                    if parser.large == NULL:
                        return starve(parser)
                    return PARSE_LONG
            # A sum, which no length can make negative: what is read must be there, whatever went wrong elsewhere.
            if length < parser.position + <size_t> parser.bulk + 2:
                return PARSE_MORE
            if rules & PARSE_STRICT and not ends_line(data, parser.position + <size_t> parser.bulk):
                return fail(parser, INVALID_LINE_END)
            if not add_argument(heap, parser, parser.position, <size_t> parser.bulk, NULL):
                return starve(parser)
            parser.position += <size_t> parser.bulk + 2
            parser.bulk = -1
            parser.remaining -= 1
        return PARSE_REQUEST


cdef int resp_parse(Heap* heap, Parser* parser, char* data, size_t length, int64_t max_bulk_length,
                    int rules) noexcept nogil:
    # What is not usual is asked once here, not for each argument: the compiler makes two functions of the one.
    if rules:
        return parse(heap, parser, data, length, max_bulk_length, rules)
    return parse(heap, parser, data, length, max_bulk_length, 0)


cdef int resp_large_done(Heap* heap, Parser* parser, bint strict) noexcept nogil:
    if strict and not ends_line(parser.large, <size_t> parser.bulk):
        return fail(parser, INVALID_LINE_END)
    sds_set_length(parser.large, <size_t> parser.bulk)
    if not add_argument(heap, parser, 0, <size_t> parser.bulk, parser.large):
        return starve(parser)
    parser.owned_bytes += sds_block_size(parser.large)
    parser.large = NULL
    parser.bulk = -1
    parser.remaining -= 1
    return PARSE_MORE if parser.remaining else PARSE_REQUEST
