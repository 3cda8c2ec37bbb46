"""Writes on their way out; the contract is in propagate.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memmove, strlen
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.keyspace.feed cimport feed_end_unit, feed_room
from redislite._core.state.core cimport Argument, Client, Core, Database, Feed, FeedReader
from redislite._core.state.flags cimport CLIENT_BLOCKED
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64
from redislite._core.text.wire cimport BULK_MAX, HEADER_MAX, put_bulk, put_header

cdef const char* MULTI_REQUEST = b"*1\r\n$5\r\nMULTI\r\n"
cdef const char* EXEC_REQUEST = b"*1\r\n$4\r\nEXEC\r\n"


cdef void append(Core* core, const Argument* arguments, int count) noexcept nogil:
    cdef size_t need = HEADER_MAX
    cdef char* room
    cdef int i
    for i in range(count):
        need += arguments[i].length + BULK_MAX
    room = feed_room(core, need)
    if room == NULL:
        return
    room = put_header(room, c"*", count)
    for i in range(count):
        room = put_bulk(room, arguments[i].data, arguments[i].length)
    core.feed.length = room - core.feed.data


cdef void propagate_begin(Core* core, const Database* database, int64_t words) noexcept nogil:
    cdef char* room
    if database.id != core.feed.database:
        append_select(core, database.id)
    core.feed.unit_commands += 1
    room = feed_room(core, HEADER_MAX)
    if room != NULL:
        core.feed.length = put_header(room, c"*", words) - core.feed.data


cdef void propagate_bytes(Core* core, const char* data, size_t length) noexcept nogil:
    cdef char* room = feed_room(core, length + BULK_MAX)
    if room == NULL:
        return
    core.feed.length = put_bulk(room, data, length) - core.feed.data


cdef void propagate_integer(Core* core, int64_t value) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    propagate_bytes(core, text, format_int64(text, value))


cdef void propagate_arguments(Core* core, Client* client, int first, int end) noexcept nogil:
    cdef int i
    for i in range(first, end):
        propagate_bytes(core, client.argv[i].data, client.argv[i].length)


cdef void propagate_instead(Core* core, Client* client, const char* name, int key) noexcept nogil:
    propagate_begin(core, client.database, 2)
    propagate_text(core, name)
    propagate_arguments(core, client, key, key + 1)
    propagate_nothing(core)


cdef void propagate_instead_counted(Core* core, Client* client, const char* name, int key,
                                    int64_t number) noexcept nogil:
    propagate_begin(core, client.database, 3)
    propagate_text(core, name)
    propagate_arguments(core, client, key, key + 1)
    propagate_integer(core, number)
    propagate_nothing(core)


cdef void propagate_deadline(Core* core, Client* client, int key, int64_t deadline_ms) noexcept nogil:
    if deadline_ms < 0:
        propagate_instead(core, client, "PERSIST", key)
    else:
        propagate_instead_counted(core, client, "PEXPIREAT", key, deadline_ms)


cdef void propagate_string(Core* core, Client* client, int key, int value, int64_t deadline_ms) noexcept nogil:
    propagate_begin(core, client.database, 3 if deadline_ms < 0 else 5)
    propagate_text(core, "SET")
    propagate_arguments(core, client, key, key + 1)
    propagate_arguments(core, client, value, value + 1)
    if deadline_ms >= 0:
        propagate_text(core, "PXAT")
        propagate_integer(core, deadline_ms)
    propagate_nothing(core)


cdef void propagate_always(Core* core, Client* client) noexcept nogil:
    propagate(core, client.database, client.argv, client.argc)
    propagate_nothing(core)


cdef void append_select(Core* core, int number) noexcept nogil:
    cdef Argument words[2]
    cdef char text[INTEGER_TEXT_MAX]
    words[0] = argument_of("SELECT", 6)
    words[1] = argument_of(text, format_int64(text, number))
    append(core, words, 2)
    core.feed.database = number


cdef void propagate(Core* core, const Database* database, const Argument* arguments, int count) noexcept nogil:
    if core.propagation == 0:
        return
    if database.id != core.feed.database:
        append_select(core, database.id)
    append(core, arguments, count)
    core.feed.unit_commands += 1


cdef void propagate_deletion(Core* core, const Database* database, const char* key, size_t length,
                             bint lazy) noexcept nogil:
    cdef Argument words[2]
    words[0] = argument_of("UNLINK", 6) if lazy else argument_of("DEL", 3)
    words[1] = argument_of(key, length)
    propagate(core, database, words, 2)


cdef void propagate_vanished(Core* core, const Database* database, const char* key, size_t length,
                             bint lazy) noexcept nogil:
    cdef int before = propagate_vanishing(core)
    propagate_deletion(core, database, key, length, lazy)
    propagate_vanishing_end(core, before)


cdef void propagate_command(Core* core, Client* client, const Database* database, uint64_t dirty,
                            bint failed) noexcept nogil:
    cdef bint is_replaced = core.feed.is_replaced
    core.feed.is_replaced = 0
    if core.dirty <= dirty or is_replaced or client.flags & CLIENT_BLOCKED:
        return
    if failed:
        core.feed.is_broken = 1
    else:
        propagate(core, database, client.argv, client.argc)


cdef void propagate_unit(Core* core) noexcept nogil:
    cdef Feed* feed = &core.feed
    cdef size_t length = strlen(MULTI_REQUEST)
    cdef size_t end_length = strlen(EXEC_REQUEST)
    cdef FeedReader* reader
    if feed.unit_commands > 1 and not feed.is_broken and feed_room(core, length + end_length) != NULL:
        memmove(feed.data + feed.unit_start + length, feed.data + feed.unit_start, feed.length - feed.unit_start)
        memcpy(feed.data + feed.unit_start, MULTI_REQUEST, length)
        memcpy(feed.data + feed.length + length, EXEC_REQUEST, end_length)
        feed.length += length + end_length
    if feed.is_broken:
        # All of it or nothing. A SELECT may have been among it.
        feed.database = -1
        reader = feed.readers
        while reader != NULL:
            reader.lacks_units = 1
            reader = reader.next
    feed_end_unit(core, not feed.is_broken)
    feed.is_broken = 0
    feed.unit_commands = 0


cdef int propagate_set_aside(Core* core, Feed* unit) noexcept nogil:
    cdef Feed* feed = &core.feed
    cdef size_t length = feed.length - feed.unit_start
    cdef char* data = NULL
    if length:
        data = <char*> heap_alloc(core.heap, length)
        if data == NULL:
            return -1
        memcpy(data, feed.data + feed.unit_start, length)
    unit[0] = feed[0]
    unit.data = data
    unit.length = unit.capacity = length
    unit.unit_start = 0
    feed.length = feed.unit_start
    feed.unit_commands = 0
    feed.is_replaced = 0
    feed.is_broken = 0
    return 0


cdef void propagate_put_back(Core* core, Feed* unit) noexcept nogil:
    cdef Feed* feed = &core.feed
    cdef char* room
    feed.unit_start = feed.length
    feed.unit_commands = unit.unit_commands
    feed.database = unit.database
    feed.is_replaced = unit.is_replaced
    feed.is_broken = unit.is_broken
    if unit.length:
        room = feed_room(core, unit.length)
        if room != NULL:
            memcpy(room, unit.data, unit.length)
            feed.length += unit.length
        heap_free(core.heap, unit.data, unit.capacity)
