"""What SCAN, SSCAN, HSCAN and ZSCAN share; the contract is in scanning.pxd."""
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_free, heap_realloc
from redislite._core.commands.arguments cimport argument_integer_or_reply, argument_is, reply_syntax_error
from redislite._core.protocol.reply cimport reply_array, reply_bulk, reply_error
from redislite._core.state.core cimport Argument, Client
from redislite._core.structures.dict cimport Dict, dict_scan
from redislite._core.text.glob cimport glob_match
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_uint64, parse_int64

cdef enum:
    SCAN_COUNT = 10             # entries a scan looks for unless told otherwise
    SCAN_STEPS_PER_ENTRY = 10   # homes it visits for that, at the most


cdef bint read_cursor(const Argument* argument, uint64_t* cursor) noexcept nogil:
    """Reads a cursor as the original does: blanks, an optional sign, digits. A negative number that a signed integer of
    64 bits would print so is none, any other wraps round. Nothing behind a NUL is looked at."""
    cdef int64_t number
    cdef size_t i = 0
    cdef size_t digits
    cdef bint negative = 0
    cdef uint64_t value = 0
    cdef unsigned int digit
    if parse_int64(argument.data, argument.length, &number) and number < 0:
        return 0
    while i < argument.length and (argument.data[i] == c' ' or 9 <= argument.data[i] <= 13):
        i += 1
    if i < argument.length and (argument.data[i] == c'+' or argument.data[i] == c'-'):
        negative = argument.data[i] == c'-'
        i += 1
    digits = i
    while i < argument.length and c'0' <= argument.data[i] <= c'9':
        digit = argument.data[i] - c'0'
        if value > (UINT64_MAX - digit) // 10:
            return 0
        value = value * 10 + digit
        i += 1
    if i < argument.length and argument.data[i] != 0:
        return 0
    if i == digits:
        return 0
    cursor[0] = 0 - value if negative else value
    return 1


cdef bint scan_cursor_or_reply(Client* client, int index, uint64_t* cursor) noexcept nogil:
    if not read_cursor(&client.argv[index], cursor):
        reply_error(&client.reply, "ERR invalid cursor")
        return 0
    return 1


cdef bint scan_options_or_reply(Client* client, int first, int kind, ScanOptions* options) noexcept nogil:
    cdef Argument* word
    cdef int i = first
    options.count = SCAN_COUNT
    options.pattern = NULL
    options.type = NULL
    options.members_only = 0
    while i < client.argc:
        word = &client.argv[i]
        if argument_is(word, "NOVALUES"):
            if kind != SCAN_OF_HASH:
                reply_error(&client.reply, "ERR NOVALUES option can only be used in HSCAN")
                return 0
            options.members_only = 1
            i += 1
            continue
        if argument_is(word, "NOSCORES"):
            if kind != SCAN_OF_SORTED_SET:
                reply_error(&client.reply, "ERR NOSCORES option can only be used in ZSCAN")
                return 0
            options.members_only = 1
            i += 1
            continue
        if i + 1 == client.argc:
            reply_syntax_error(client)
            return 0
        if argument_is(word, "COUNT"):
            if not argument_integer_or_reply(client, i + 1, &options.count):
                return 0
            if options.count < 1:
                reply_syntax_error(client)
                return 0
        elif argument_is(word, "MATCH"):
            options.pattern = &client.argv[i + 1]
            if options.pattern.length == 1 and options.pattern.data[0] == c'*':
                options.pattern = NULL
        elif kind == SCAN_OF_KEYS and argument_is(word, "TYPE"):
            options.type = &client.argv[i + 1]
        else:
            reply_syntax_error(client)
            return 0
        i += 2
    return 1


cdef void collect(void* argument, void* entry) noexcept nogil:
    cdef Collected* found = <Collected*> argument
    cdef void** grown
    if found.count == found.capacity:
        if found.entries == found.own:
            grown = <void**> heap_alloc(found.heap, 2 * found.capacity * sizeof(void*))
            if grown != NULL:
                memcpy(grown, found.own, found.count * sizeof(void*))
        else:
            grown = <void**> heap_realloc(found.heap, found.entries, found.capacity * sizeof(void*),
                                          2 * found.capacity * sizeof(void*))
        if grown == NULL:
            found.starved = 1
            return
        found.entries = grown
        found.capacity *= 2
    found.entries[found.count] = entry
    found.count += 1


cdef void scan_dict(Heap* heap, Dict* d, ScanOptions* options, Collected* found) noexcept nogil:
    cdef int64_t steps = INT64_MAX
    if options.count <= INT64_MAX // SCAN_STEPS_PER_ENTRY:
        steps = options.count * SCAN_STEPS_PER_ENTRY
    found.heap = heap
    found.entries = found.own
    found.count = 0
    found.capacity = SCAN_INLINE
    found.starved = 0
    while True:
        options.cursor = dict_scan(d, options.cursor, collect, found)
        if options.cursor == 0 or steps == 0 or found.count >= <size_t> options.count or found.starved:
            return
        steps -= 1


cdef void scan_release(Collected* found) noexcept nogil:
    if found.entries != found.own:
        heap_free(found.heap, found.entries, found.capacity * sizeof(void*))


cdef bint scan_matches(const ScanOptions* options, const char* text, size_t length) noexcept nogil:
    return options.pattern == NULL or glob_match(options.pattern.data, options.pattern.length, text, length, 0)


cdef void reply_scan_cursor(Client* client, uint64_t cursor) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    reply_array(&client.reply, 2)
    reply_bulk(&client.reply, text, format_uint64(text, cursor))
