"""The data set as commands; the contract is in append_rewrite.pxd.

Collections are written in pieces, so that whoever executes them is never held up for long by one command.
"""
from libc.errno cimport ENOMEM, errno
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from redislite._core.keyspace.key_table cimport keys_count, keys_iterate_begin
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING, Entry, entry_deadline,
    entry_encoding, entry_key, entry_pointer, entry_string, entry_type,
)
from redislite._core.persistence.fork cimport ChildPage, ChildReport, child_fork
from redislite._core.text.rdb_output cimport (
    RdbOutput, output_bytes, output_close, output_fail, output_flush, output_open, output_position,
)
from redislite._core.rdb.rdb_write cimport rdb_write_payload
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport DictIterator, dict_iterate_end, dict_iterate_next
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.structures.rax cimport Rax, RaxIterator, RaxReader, rax_walk
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_double
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
from redislite._core.text.command_output cimport (
    CommandOutput, command_begin, command_header, command_integer, command_text, command_word,
)
from redislite._core.values.value_type cimport ValueType
from redislite._core.values.value_types cimport VALUE_TYPES, value_type_of
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


cdef void put_id(CommandOutput* commands, const StreamId* id) noexcept nogil:
    cdef char text[STREAM_ID_TEXT]
    command_word(commands, text, id_format(text, id))


cdef inline void put_value(CommandOutput* commands, const ListpackValue* value) noexcept nogil:
    if value.data == NULL:
        command_integer(commands, value.integer)
    else:
        command_word(commands, <const char*> value.data, value.length)


cdef inline size_t piece(size_t left) noexcept nogil:
    return left if left < PIECE else <size_t> PIECE


cdef void write_string(CommandOutput* commands, const Entry* entry) noexcept nogil:
    cdef char buffer[INTEGER_TEXT_MAX]
    cdef size_t length
    cdef char* data = entry_string(entry, buffer, &length)
    command_begin(commands, "SET", 1)
    command_word(commands, data, length)


cdef void write_list(CommandOutput* commands, const Core* core, const void* block, int encoding) noexcept nogil:
    cdef ListValue value
    cdef ListIterator it
    cdef ListpackValue element
    cdef size_t left
    cdef bint more
    value.encoding = encoding
    value.block = <void*> block
    left = list_length(&value)
    more = list_seek(&it, core.heap, &value, 0)
    while more:
        if (list_length(&value) - left) % PIECE == 0:
            command_begin(commands, "RPUSH", <int64_t> piece(left))
        list_get(&it, &element)
        put_value(commands, &element)
        left -= 1
        more = list_next(&it)
    if list_failed(&it):
        output_fail(commands.output, ENOMEM)
    list_stop(&it)


cdef void write_set(CommandOutput* commands, const Core* core, const void* block, int encoding) noexcept nogil:
    cdef SetValue value
    cdef SetIterator it
    cdef SetMember member
    cdef size_t left, written
    value.encoding = encoding
    value.block = <void*> block
    left = set_length(&value)
    written = 0
    set_iterate_begin(&it, &value)
    while set_iterate_next(&it, &member):
        if written % PIECE == 0:
            command_begin(commands, "SADD", <int64_t> piece(left))
        if member.data == NULL:
            command_integer(commands, member.integer)
        else:
            command_word(commands, member.data, member.length)
        written += 1
        left -= 1
    set_iterate_end(&it)


cdef void write_sorted_set(CommandOutput* commands, const Core* core, const void* block, int encoding) noexcept nogil:
    cdef SortedSetValue value
    cdef SortedSetCursor cursor
    cdef char text[DOUBLE_TEXT]
    cdef size_t left, written
    value.encoding = encoding
    value.data = <void*> block
    left = sorted_set_length(&value)
    written = 0
    sorted_set_seek(&value, &cursor, 0, 0, 1)
    while left and sorted_set_next(&cursor):
        if written % PIECE == 0:
            command_begin(commands, "ZADD", 2 * <int64_t> piece(left))
        command_word(commands, text, format_double(text, cursor.score))
        command_word(commands, cursor.data, cursor.length)
        written += 1
        left -= 1


cdef void write_hash(CommandOutput* commands, const Core* core, const void* block, int encoding) noexcept nogil:
    cdef HashValue value
    cdef HashIterator it
    cdef HashItem item
    cdef size_t left, written
    value.encoding = encoding
    value.pointer = <void*> block
    left = hash_live_length(core, &value)
    written = 0
    hash_iterate_begin(&it, core, &value)
    while left and hash_iterate_next(&it, &item):
        if written % PIECE == 0:
            command_begin(commands, "HMSET", 2 * <int64_t> piece(left))
        put_value(commands, &item.field)
        put_value(commands, &item.value)
        written += 1
        left -= 1
    hash_iterate_end(&it)
    hash_iterate_begin(&it, core, &value)
    while hash_iterate_next(&it, &item):
        if item.deadline_ms == HASH_NO_DEADLINE:
            continue
        command_begin(commands, "HPEXPIREAT", 4)
        command_integer(commands, item.deadline_ms)
        command_text(commands, "FIELDS")
        command_integer(commands, 1)
        put_value(commands, &item.field)
    hash_iterate_end(&it)


# Of a stream, the group and the consumer that are being written.
cdef struct GroupWriter:
    CommandOutput* commands
    Group* group
    Consumer* consumer


cdef void write_tree(GroupWriter* writer, Rax* tree, RaxReader write) noexcept nogil:
    if not rax_walk(tree, write, writer):
        output_fail(writer.commands.output, ENOMEM)


cdef void put_group(GroupWriter* writer) noexcept nogil:
    cdef size_t length
    cdef char* name = group_name(writer.group, &length)
    command_word(writer.commands, name, length)


cdef void put_consumer(GroupWriter* writer) noexcept nogil:
    cdef size_t length
    cdef char* name = consumer_name(writer.consumer, &length)
    command_word(writer.commands, name, length)


cdef void write_pending(RaxIterator* it, void* argument) noexcept nogil:
    cdef GroupWriter* writer = <GroupWriter*> argument
    cdef Pending* pending = <Pending*> it.value
    cdef StreamId id
    id_decode(it.key, &id)
    command_begin(writer.commands, "XCLAIM", 10)
    put_group(writer)
    put_consumer(writer)
    command_integer(writer.commands, 0)
    put_id(writer.commands, &id)
    command_text(writer.commands, "TIME")
    command_integer(writer.commands, pending.delivered_ms)
    command_text(writer.commands, "RETRYCOUNT")
    command_integer(writer.commands, <int64_t> pending.deliveries)
    command_text(writer.commands, "JUSTID")
    command_text(writer.commands, "FORCE")


cdef void begin_group(GroupWriter* writer, const char* name, int64_t words) noexcept nogil:
    """An XGROUP command on the group, words of which follow behind it."""
    command_header(writer.commands, c"*", words + 4)
    command_text(writer.commands, "XGROUP")
    command_text(writer.commands, name)
    command_word(writer.commands, writer.commands.key, writer.commands.key_length)
    put_group(writer)


cdef void write_consumer(RaxIterator* it, void* argument) noexcept nogil:
    cdef GroupWriter* writer = <GroupWriter*> argument
    writer.consumer = <Consumer*> it.value
    begin_group(writer, "CREATECONSUMER", 1)
    put_consumer(writer)
    write_tree(writer, &writer.consumer.pending, write_pending)


cdef void write_group(RaxIterator* it, void* argument) noexcept nogil:
    cdef GroupWriter* writer = <GroupWriter*> argument
    writer.group = <Group*> it.value
    begin_group(writer, "CREATE", 3)
    put_id(writer.commands, &writer.group.last_id)
    command_text(writer.commands, "ENTRIESREAD")
    command_integer(writer.commands, writer.group.entries_read)
    write_tree(writer, &writer.group.consumers, write_consumer)


cdef void write_stream(CommandOutput* commands, const Core* core, const void* block, int encoding) noexcept nogil:
    cdef Stream* stream = <Stream*> block
    cdef GroupWriter writer
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
        command_begin(commands, "XADD", 5)
        command_text(commands, "MAXLEN")
        command_integer(commands, 0)
        put_id(commands, &id)
        command_text(commands, "x")
        command_text(commands, "y")
    else:
        stream_iterate(&it, stream, &first, &last, 0)
        while stream_iterator_next(&it, &id, &pairs):
            command_begin(commands, "XADD", 1 + 2 * pairs)
            put_id(commands, &id)
            for i in range(pairs):
                stream_iterator_pair(&it, &field, &value)
                put_value(commands, &field)
                put_value(commands, &value)
        stream_iterator_stop(&it)
    command_begin(commands, "XSETID", 5)
    put_id(commands, &stream.last_id)
    command_text(commands, "ENTRIESADDED")
    command_integer(commands, <int64_t> stream.entries_added)
    command_text(commands, "MAXDELETEDID")
    put_id(commands, &stream.max_deleted_id)
    writer.commands = commands
    write_tree(&writer, &stream.groups, write_group)


VALUE_TYPES[TYPE_LIST].rewrite = write_list
VALUE_TYPES[TYPE_SET].rewrite = write_set
VALUE_TYPES[TYPE_SORTED_SET].rewrite = write_sorted_set
VALUE_TYPES[TYPE_HASH].rewrite = write_hash
VALUE_TYPES[TYPE_STREAM].rewrite = write_stream


cdef void write_payload(CommandOutput* commands, const Core* core, const Entry* entry) noexcept nogil:
    """RESTORE, for what no command makes."""
    cdef RdbOutput payload
    if output_open(&payload, -1, 1, 0, 0) == 0:
        rdb_write_payload(&payload, core, entry)
    if payload.error:
        output_fail(commands.output, payload.error)
    else:
        command_begin(commands, "RESTORE", 2)
        command_integer(commands, 0)
        command_word(commands, <char*> payload.buffer, payload.length)
    output_close(&payload)


cdef void write_entry(CommandOutput* commands, const Core* core, Entry* entry) noexcept nogil:
    cdef int encoding = entry_encoding(entry)
    cdef int64_t deadline_ms = entry_deadline(entry)
    cdef const ValueType* type
    commands.key = entry_key(entry, &commands.key_length)
    if entry_type(entry) == TYPE_STRING:
        write_string(commands, entry)
    else:
        type = value_type_of(entry_type(entry), encoding, entry_pointer(entry))
        if type.rewrite != NULL:
            type.rewrite(commands, core, entry_pointer(entry), encoding)
        else:
            write_payload(commands, core, entry)
    if deadline_ms != NO_EXPIRE:
        command_begin(commands, "PEXPIREAT", 1)
        command_integer(commands, deadline_ms)


cdef void pause_after_key(const RdbOutput* output, int64_t delay_us, uint64_t keys) noexcept nogil:
    if delay_us > 0:
        usleep(<unsigned int> delay_us)
    elif delay_us < 0 and keys % <uint64_t> (-delay_us) == 0:
        usleep(1)


cdef void rewrite_databases(Core* core, RdbOutput* output, int64_t key_delay_us, ChildPage* page) noexcept nogil:
    cdef CommandOutput commands
    cdef DictIterator position
    cdef Entry* entry
    cdef int i
    commands.output = output
    for i in range(core.databases_count):
        if keys_count(core.databases[i]) == 0:
            continue
        command_header(&commands, c"*", 2)
        command_text(&commands, "SELECT")
        command_integer(&commands, core.databases[i].id)
        keys_iterate_begin(&position, core.databases[i])
        entry = <Entry*> dict_iterate_next(&position)
        while entry != NULL and not output.error:
            write_entry(&commands, core, entry)
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
