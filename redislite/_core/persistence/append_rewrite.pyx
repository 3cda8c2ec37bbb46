"""The data set as commands; the contract is in append_rewrite.pxd.

Collections are written in pieces, so that whoever executes them is never held up for long by one command.
"""
from libc.errno cimport ENOMEM, errno
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport strlen
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, TYPE_HASH, TYPE_LIST, TYPE_MODULE, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING, Entry,
    entry_deadline, entry_encoding, entry_key, entry_pointer, entry_string, entry_type,
)
from redislite._core.persistence.fork cimport ChildPage, ChildReport, child_fork
from redislite._core.rdb.rdb_output cimport (
    RdbOutput, output_bytes, output_close, output_fail, output_flush, output_open, output_position,
)
from redislite._core.rdb.rdb_write cimport rdb_write_payload
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport (
    DictIterator, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
)
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.structures.rax cimport Rax, RaxIterator, RaxReader, rax_walk
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_double, format_int64
from redislite._core.text.wire cimport HEADER_MAX, put_header
from redislite._core.values.hash_value cimport (
    HASH_NO_DEADLINE, HashItem, HashIterator, HashValue, hash_iterate_begin, hash_iterate_end, hash_iterate_next,
    hash_live_length,
)
from redislite._core.values.list_value cimport (
    ListIterator, ListValue, list_failed, list_get, list_length, list_next, list_seek, list_stop,
)
from redislite._core.values.set_value cimport (
    SetIterator, SetMember, SetValue, set_iterate_begin, set_iterate_end, set_iterate_next, set_length,
)
from redislite._core.values.sorted_set_value cimport (
    SortedSetCursor, SortedSetValue, sorted_set_length, sorted_set_next, sorted_set_seek,
)
from redislite._core.values.stream cimport (
    STREAM_ID_TEXT, Consumer, Group, Pending, Stream, StreamId, StreamIterator, consumer_name, group_name, id_decode,
    id_format, id_is_zero, stream_iterate, stream_iterator_next, stream_iterator_pair, stream_iterator_stop,
)

import os

cdef extern from *:
    int fsync(int fd) noexcept nogil
    int usleep(unsigned int microseconds) noexcept nogil

cdef enum:
    PIECE = 64                      # elements of one command
    DOUBLE_TEXT = 32


# Where commands go, and what they are about: it is the same for most words.
cdef struct Writer:
    Core* core
    RdbOutput* output
    const char* key
    size_t key_length
    Group* group            # of the stream, and its consumer, that is being written
    Consumer* consumer


cdef void output_header(RdbOutput* output, char kind, int64_t number) noexcept nogil:
    cdef char text[HEADER_MAX]
    output_bytes(output, text, put_header(text, kind, number) - text)


cdef void put(Writer* writer, const char* data, size_t length) noexcept nogil:
    output_header(writer.output, c"$", <int64_t> length)
    output_bytes(writer.output, data, length)
    output_bytes(writer.output, b"\r\n", 2)


cdef inline void put_text(Writer* writer, const char* text) noexcept nogil:
    put(writer, text, strlen(text))


cdef void put_integer(Writer* writer, int64_t number) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    put(writer, text, format_int64(text, number))


cdef void put_id(Writer* writer, const StreamId* id) noexcept nogil:
    cdef char text[STREAM_ID_TEXT]
    put(writer, text, id_format(text, id))


cdef inline void put_value(Writer* writer, const ListpackValue* value) noexcept nogil:
    if value.data == NULL:
        put_integer(writer, value.integer)
    else:
        put(writer, <const char*> value.data, value.length)


cdef void begin(Writer* writer, const char* name, int64_t words) noexcept nogil:
    """A command on the key, words of which follow behind it."""
    output_header(writer.output, c"*", words + 2)
    put_text(writer, name)
    put(writer, writer.key, writer.key_length)


cdef inline size_t piece(size_t left) noexcept nogil:
    return left if left < PIECE else <size_t> PIECE


cdef void write_string(Writer* writer, const Entry* entry) noexcept nogil:
    cdef char buffer[INTEGER_TEXT_MAX]
    cdef size_t length
    cdef char* data = entry_string(entry, buffer, &length)
    begin(writer, "SET", 1)
    put(writer, data, length)


cdef void write_list(Writer* writer, const Entry* entry) noexcept nogil:
    cdef ListValue value
    cdef ListIterator it
    cdef ListpackValue element
    cdef size_t left
    cdef bint more
    value.encoding = entry_encoding(entry)
    value.block = entry_pointer(entry)
    left = list_length(&value)
    more = list_seek(&it, writer.core.heap, &value, 0)
    while more:
        if (list_length(&value) - left) % PIECE == 0:
            begin(writer, "RPUSH", <int64_t> piece(left))
        list_get(&it, &element)
        put_value(writer, &element)
        left -= 1
        more = list_next(&it)
    if list_failed(&it):
        output_fail(writer.output, ENOMEM)
    list_stop(&it)


cdef void write_set(Writer* writer, const Entry* entry) noexcept nogil:
    cdef SetValue value
    cdef SetIterator it
    cdef SetMember member
    cdef size_t left, written
    value.encoding = entry_encoding(entry)
    value.block = entry_pointer(entry)
    left = set_length(&value)
    written = 0
    set_iterate_begin(&it, &value)
    while set_iterate_next(&it, &member):
        if written % PIECE == 0:
            begin(writer, "SADD", <int64_t> piece(left))
        if member.data == NULL:
            put_integer(writer, member.integer)
        else:
            put(writer, member.data, member.length)
        written += 1
        left -= 1
    set_iterate_end(&it)


cdef void write_sorted_set(Writer* writer, const Entry* entry) noexcept nogil:
    cdef SortedSetValue value
    cdef SortedSetCursor cursor
    cdef char text[DOUBLE_TEXT]
    cdef size_t left, written
    value.encoding = entry_encoding(entry)
    value.data = entry_pointer(entry)
    left = sorted_set_length(&value)
    written = 0
    sorted_set_seek(&value, &cursor, 0, 0, 1)
    while left and sorted_set_next(&cursor):
        if written % PIECE == 0:
            begin(writer, "ZADD", 2 * <int64_t> piece(left))
        put(writer, text, format_double(text, cursor.score))
        put(writer, cursor.data, cursor.length)
        written += 1
        left -= 1


cdef void write_hash(Writer* writer, const Entry* entry) noexcept nogil:
    cdef HashValue value
    cdef HashIterator it
    cdef HashItem item
    cdef size_t left, written
    value.encoding = entry_encoding(entry)
    value.pointer = entry_pointer(entry)
    left = hash_live_length(writer.core, &value)
    written = 0
    hash_iterate_begin(&it, writer.core, &value)
    while left and hash_iterate_next(&it, &item):
        if written % PIECE == 0:
            begin(writer, "HMSET", 2 * <int64_t> piece(left))
        put_value(writer, &item.field)
        put_value(writer, &item.value)
        written += 1
        left -= 1
    hash_iterate_end(&it)
    hash_iterate_begin(&it, writer.core, &value)
    while hash_iterate_next(&it, &item):
        if item.deadline_ms == HASH_NO_DEADLINE:
            continue
        begin(writer, "HPEXPIREAT", 4)
        put_integer(writer, item.deadline_ms)
        put_text(writer, "FIELDS")
        put_integer(writer, 1)
        put_value(writer, &item.field)
    hash_iterate_end(&it)


cdef void write_tree(Writer* writer, Rax* tree, RaxReader write) noexcept nogil:
    if not rax_walk(tree, write, writer):
        output_fail(writer.output, ENOMEM)


cdef void put_group(Writer* writer) noexcept nogil:
    cdef size_t length
    cdef char* name = group_name(writer.group, &length)
    put(writer, name, length)


cdef void put_consumer(Writer* writer) noexcept nogil:
    cdef size_t length
    cdef char* name = consumer_name(writer.consumer, &length)
    put(writer, name, length)


cdef void write_pending(RaxIterator* it, void* argument) noexcept nogil:
    cdef Writer* writer = <Writer*> argument
    cdef Pending* pending = <Pending*> it.value
    cdef StreamId id
    id_decode(it.key, &id)
    begin(writer, "XCLAIM", 10)
    put_group(writer)
    put_consumer(writer)
    put_integer(writer, 0)
    put_id(writer, &id)
    put_text(writer, "TIME")
    put_integer(writer, pending.delivered_ms)
    put_text(writer, "RETRYCOUNT")
    put_integer(writer, <int64_t> pending.deliveries)
    put_text(writer, "JUSTID")
    put_text(writer, "FORCE")


cdef void begin_group(Writer* writer, const char* name, int64_t words) noexcept nogil:
    """An XGROUP command on the group, words of which follow behind it."""
    output_header(writer.output, c"*", words + 4)
    put_text(writer, "XGROUP")
    put_text(writer, name)
    put(writer, writer.key, writer.key_length)
    put_group(writer)


cdef void write_consumer(RaxIterator* it, void* argument) noexcept nogil:
    cdef Writer* writer = <Writer*> argument
    writer.consumer = <Consumer*> it.value
    begin_group(writer, "CREATECONSUMER", 1)
    put_consumer(writer)
    write_tree(writer, &writer.consumer.pending, write_pending)


cdef void write_group(RaxIterator* it, void* argument) noexcept nogil:
    cdef Writer* writer = <Writer*> argument
    writer.group = <Group*> it.value
    begin_group(writer, "CREATE", 3)
    put_id(writer, &writer.group.last_id)
    put_text(writer, "ENTRIESREAD")
    put_integer(writer, writer.group.entries_read)
    write_tree(writer, &writer.group.consumers, write_consumer)


cdef void write_stream(Writer* writer, Stream* stream) noexcept nogil:
    cdef StreamIterator it
    cdef StreamId id
    cdef StreamId first
    cdef StreamId last
    cdef ListpackValue field
    cdef ListpackValue value
    cdef int64_t pairs, i
    first.ms = first.seq = 0
    last.ms = last.seq = UINT64_MAX
    if stream.length == 0:
        # An entry that goes again at once: there is no other way to an empty stream, and MAXLEN 0 makes one even of the
        # identifier 0-1.
        id = stream.last_id
        if id_is_zero(&id):
            id.seq = 1
        begin(writer, "XADD", 5)
        put_text(writer, "MAXLEN")
        put_integer(writer, 0)
        put_id(writer, &id)
        put_text(writer, "x")
        put_text(writer, "y")
    else:
        stream_iterate(&it, stream, &first, &last, 0)
        while stream_iterator_next(&it, &id, &pairs):
            begin(writer, "XADD", 1 + 2 * pairs)
            put_id(writer, &id)
            for i in range(pairs):
                stream_iterator_pair(&it, &field, &value)
                put_value(writer, &field)
                put_value(writer, &value)
        stream_iterator_stop(&it)
    begin(writer, "XSETID", 5)
    put_id(writer, &stream.last_id)
    put_text(writer, "ENTRIESADDED")
    put_integer(writer, <int64_t> stream.entries_added)
    put_text(writer, "MAXDELETEDID")
    put_id(writer, &stream.max_deleted_id)
    write_tree(writer, &stream.groups, write_group)


cdef void write_payload(Writer* writer, const Entry* entry) noexcept nogil:
    """RESTORE, for what no command makes."""
    cdef RdbOutput payload
    if output_open(&payload, -1, 1, 0, 0) == 0:
        rdb_write_payload(&payload, writer.core, entry)
    if payload.error:
        output_fail(writer.output, payload.error)
    else:
        begin(writer, "RESTORE", 2)
        put_integer(writer, 0)
        put(writer, <char*> payload.buffer, payload.length)
    output_close(&payload)


cdef void write_entry(Writer* writer, Entry* entry) noexcept nogil:
    cdef int type = entry_type(entry)
    cdef int64_t deadline_ms = entry_deadline(entry)
    writer.key = entry_key(entry, &writer.key_length)
    if type == TYPE_STRING:
        write_string(writer, entry)
    elif type == TYPE_LIST:
        write_list(writer, entry)
    elif type == TYPE_SET:
        write_set(writer, entry)
    elif type == TYPE_SORTED_SET:
        write_sorted_set(writer, entry)
    elif type == TYPE_HASH:
        write_hash(writer, entry)
    elif type == TYPE_STREAM:
        write_stream(writer, <Stream*> entry_pointer(entry))
    elif type == TYPE_MODULE:
        write_payload(writer, entry)
    if deadline_ms != NO_EXPIRE:
        begin(writer, "PEXPIREAT", 1)
        put_integer(writer, deadline_ms)


cdef void pause_after_key(const RdbOutput* output, int64_t delay_us, uint64_t keys) noexcept nogil:
    if delay_us > 0:
        usleep(<unsigned int> delay_us)
    elif delay_us < 0 and keys % <uint64_t> (-delay_us) == 0:
        usleep(1)


cdef void rewrite_databases(Core* core, RdbOutput* output, int64_t key_delay_us, ChildPage* page) noexcept nogil:
    cdef Writer writer
    cdef DictIterator position
    cdef Entry* entry
    cdef int i
    writer.core = core
    writer.output = output
    writer.group = NULL
    writer.consumer = NULL
    for i in range(core.databases_count):
        if dict_size(&core.databases[i].keys) == 0:
            continue
        output_header(output, c"*", 2)
        put_text(&writer, "SELECT")
        put_integer(&writer, core.databases[i].id)
        dict_iterate_begin(&position, &core.databases[i].keys)
        entry = <Entry*> dict_iterate_next(&position)
        while entry != NULL and not output.error:
            write_entry(&writer, entry)
            page.keys += 1
            page.bytes = output_position(output)
            if key_delay_us:
                pause_after_key(output, key_delay_us, page.keys)
            entry = <Entry*> dict_iterate_next(&position)
        dict_iterate_end(&position)


cdef int rewrite_task(Core* core, void* argument, ChildPage* page) noexcept nogil:
    """What the child does."""
    cdef RewriteTask* task = <RewriteTask*> argument
    cdef RdbOutput output
    cdef int error
    if output_open(&output, task.fd, 0, 0, task.sync_bytes) == 0:
        output_bytes(&output, task.head, task.head_length)
        rewrite_databases(core, &output, task.key_delay_us, page)
        output_flush(&output)
        page.bytes = output_position(&output)
    error = output.error
    output_close(&output)
    if error == 0 and fsync(task.fd) != 0:
        error = errno
    return error


cdef object rewrite_fork(Core* core, ChildReport report, RewriteTask* task):
    cdef int child
    with nogil:
        child = child_fork(core, rewrite_task, task, report.page, "redis-aof-rewri", task.fd, NULL)
    if child < 0:
        raise OSError(-child, os.strerror(-child))
    return child
