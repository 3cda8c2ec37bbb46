"""What CLIENT LIST says of a client, and a log line that names one.

Guarantees: a line has the fields of the original that the settings speak of, in its order. Written here, as there may
be thousands of clients.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from redislite._core.base.sds cimport sds_capacity, sds_length
from redislite._core.clients.client_memory cimport client_memory
from redislite._core.clients.output cimport reply_peak_is_old
from redislite._core.clients.tracking cimport (
    TRACKING_BCAST, TRACKING_BROKEN, TRACKING_ON, Tracker, tracker_of, tracking_options,
)
from redislite._core.connection cimport Connection
from redislite._core.clients.channels cimport KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, subscription_count
from redislite._core.clients.transaction_queue cimport transaction_memory
from redislite._core.keyspace.watching cimport watched_count
from redislite._core.protocol.reply cimport reply_pending
from redislite._core.state.core cimport Chunk, Client, Parser
from redislite._core.state.flags cimport (
    CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_NOW, CLIENT_DIRTY_WATCH, CLIENT_IMPORT_SOURCE,
    CLIENT_MONITOR, CLIENT_NO_EVICT, CLIENT_NO_TOUCH, CLIENT_POSTPONED, CLIENT_PUBSUB, CLIENT_UNIX,
    CLIENT_WAITS_WRITABLE,
)

cdef extern from "Python.h":
    str PyUnicode_FromFormat(const char* format, ...)

cdef enum:
    FLAG_LETTERS_MAX = 16
    # A reply buffer grows to the one and shrinks to the other in the original; bytes.
    REPLY_BUFFER_MAX = 16384
    REPLY_BUFFER_MIN = 1024


cdef void flag_letters(const Client* client, char* letters) noexcept:
    """The letters of `flags=`, in its order. A postponed client shows as blocked, which is what it is to its user."""
    cdef int options = tracking_options(client)
    cdef char* place = letters
    if client.transaction != NULL:
        place = put_letter(place, c"x", 1)
    place = put_letter(place, c"O", client.flags & CLIENT_MONITOR)
    place = put_letter(place, c"P", client.flags & CLIENT_PUBSUB)
    place = put_letter(place, c"b", client.flags & (CLIENT_BLOCKED | CLIENT_POSTPONED))
    place = put_letter(place, c"d", client.flags & CLIENT_DIRTY_WATCH)
    place = put_letter(place, c"c", client.flags & CLIENT_CLOSE_AFTER_REPLY)
    place = put_letter(place, c"A", client.flags & CLIENT_CLOSE_NOW)
    place = put_letter(place, c"U", client.flags & CLIENT_UNIX)
    place = put_letter(place, c"e", client.flags & CLIENT_NO_EVICT)
    place = put_letter(place, c"T", client.flags & CLIENT_NO_TOUCH)
    place = put_letter(place, c"I", client.flags & CLIENT_IMPORT_SOURCE)
    place = put_letter(place, c"t", options & TRACKING_ON)
    place = put_letter(place, c"R", options & TRACKING_BROKEN)
    place = put_letter(place, c"B", options & TRACKING_BCAST)
    if place == letters:
        place = put_letter(place, c"N", 1)
    place[0] = 0


cdef inline char* put_letter(char* place, char letter, unsigned long long condition) noexcept:
    if condition == 0:
        return place
    place[0] = letter
    return place + 1


cdef size_t argument_bytes(const Client* client) noexcept:
    """Bytes of the arguments of the command that runs, or of what is parsed and waits."""
    cdef size_t total = 0
    cdef size_t i
    if client.argc:
        for i in range(<size_t> client.argc):
            total += client.argv[i].length
    elif client.parser != NULL:
        for i in range(client.parser.used):
            total += client.parser.arguments[i].length
    return total


cdef void query_bytes(const Client* client, size_t* used, size_t* free) noexcept:
    """What has been parsed of a request counts as arguments; what was parsed ahead is still to be executed."""
    cdef const Parser* parser = client.parser
    cdef size_t query = client.query_length
    cdef size_t capacity = client.query_capacity
    cdef size_t done
    if parser != NULL:
        done = parser.position
        if parser.requests_done < parser.requests_count:
            done = parser.requests[parser.requests_done].start
        query -= min(query, done)
        if parser.large != NULL:
            query += sds_length(parser.large)
            capacity += sds_capacity(parser.large)
    used[0] = query
    free[0] = capacity - query


cdef size_t reply_buffer_size(size_t peak) noexcept:
    """What the original's reply buffer would measure after replies of at most so many bytes: a power of two.

    Ours are lent from a pool while there is output, so an idle client has none to measure.
    """
    cdef size_t size = REPLY_BUFFER_MIN
    while size < peak and size < REPLY_BUFFER_MAX:
        size *= 2
    return size


def describe_flags(Connection connection not None) -> str:
    """The letters of `flags=`; N where there is none."""
    cdef char letters[FLAG_LETTERS_MAX]
    flag_letters(&connection.client, letters)
    return letters.decode()


cdef inline PyObject* text(object value) noexcept:
    return <PyObject*> (value if value is not None else "")


def describe(Connection connection not None, str name not None, str user not None, str capabilities not None) -> str:
    """The client's line in CLIENT LIST, without the line's end. Sizes are bytes, times seconds. ValueError once the
    client is gone."""
    cdef Client* client = &connection.client
    cdef const Chunk* chunk = client.reply.first
    cdef Tracker* tracker = tracker_of(client)
    cdef char letters[FLAG_LETTERS_MAX]
    cdef size_t query, query_free, peak
    cdef size_t pending = reply_pending(&client.reply)
    cdef size_t chunks = 0
    cdef size_t listed = 0
    cdef long long redirect = -1
    cdef str declared = ""
    cdef str tail = " io-thread=0"
    if client.core == NULL:
        raise ValueError("the connection is closed")
    flag_letters(client, letters)
    query_bytes(client, &query, &query_free)
    if client.core.settings.query_holds_request and client.core.executing == client:
        query += client.request_bytes
    if client.core.settings.client_tells_traffic:
        declared = f"capa={capabilities} "
        tail = PyUnicode_FromFormat(b" tot-net-in=%llu tot-net-out=%llu tot-cmds=%llu",
                                    <unsigned long long> client.input_bytes, <unsigned long long> client.output_bytes,
                                    <unsigned long long> client.commands)
    while chunk != NULL:
        chunks += 1
        chunk = chunk.next
    # The first buffer's worth of output counts as the fixed buffer, what goes beyond it as the list.
    if client.reply.held > REPLY_BUFFER_MAX:
        listed = client.reply.held - REPLY_BUFFER_MAX
    peak = pending if reply_peak_is_old(client.core, client) else client.reply_peak
    if tracking_options(client):
        redirect = <long long> tracker.redirect.id if tracker.redirect != NULL else 0
    return PyUnicode_FromFormat(
        b"id=%llu addr=%U laddr=%U fd=%d name=%U age=%lld idle=%lld flags=%s %Udb=%d sub=%lld psub=%lld ssub=%lld "
        b"multi=%lld watch=%lld qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=%zu rbp=%zu obl=%zu oll=%zu "
        b"omem=%zu "
        b"tot-mem=%zu events=%s cmd=%s user=%U redir=%lld resp=%d lib-name=%U lib-ver=%U%U",
        <unsigned long long> client.id, text(connection.address), text(connection.local_address), client.fd, text(name),
        <long long> max(0, client.core.now_ms - client.created_ms) // 1000,
        <long long> max(0, client.core.now_ms - client.active_ms) // 1000,
        letters, text(declared), client.database.id,
        <long long> subscription_count(client, KIND_CHANNEL), <long long> subscription_count(client, KIND_PATTERN),
        <long long> subscription_count(client, KIND_SHARD),
        <long long> (client.transaction.count if client.transaction != NULL else -1), <long long> watched_count(client),
        query, query_free, argument_bytes(client), transaction_memory(client),
        reply_buffer_size(peak), min(peak, <size_t> REPLY_BUFFER_MAX), min(pending, <size_t> REPLY_BUFFER_MAX),
        (chunks - 1 if chunks > 1 else <size_t> 1) if listed else <size_t> 0, listed, client_memory(client),
        <const char*> b"rw" if client.flags & CLIENT_WAITS_WRITABLE else <const char*> b"r",
        <const char*> client.command.own_name if client.command != NULL else <const char*> b"NULL",
        text(user), redirect, <int> client.reply.protocol, text(connection.said_library_name),
        text(connection.said_library_version),
        text(tail))
