"""Writing values and data sets in the RDB format; the contract is in rdb_write.pxd."""
from libc.errno cimport EINTR, ENOMEM
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.base.sds cimport sds, sds_length
from redislite._core.keyspace.key_table cimport keys_count, keys_iterate_begin
from redislite._core.keyspace.entry cimport (
    ENCODING_INT, ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_RAW, NO_EXPIRE, TYPE_HASH, TYPE_LIST, TYPE_MODULE,
    TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING, entry_deadline, entry_encoding, entry_integer, entry_key,
    entry_pointer, entry_string, entry_type,
)
from redislite._core.keyspace.keyspace cimport access_frequency, has_timed_fields, idle_seconds
from redislite._core.text.rdb_format cimport (
    RDB_AUX, RDB_END, RDB_EXPIRE_MS, RDB_FREQ, RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_TIMED, RDB_HASH_TIMED_VALKEY,
    RDB_HEADER, RDB_IDLE, RDB_LIST_QUICKLIST_2, RDB_MODULE_2, RDB_NODE_PACKED, RDB_NODE_PLAIN, RDB_RESIZE, RDB_SELECT,
    RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_SORTED_SET_2, RDB_SORTED_SET_LISTPACK, RDB_STREAM_3, RDB_STRING,
    RDB_VERSION, RDB_VERSION_REDIS, RDB_VERSION_VALKEY,
)
from redislite._core.rdb.rdb_module cimport rdb_write_module
from redislite._core.text.rdb_output cimport (
    output_blob, output_byte, output_bytes, output_checksum, output_compressed, output_double, output_fail,
    output_flush, output_integer_text, output_length, output_position, output_text, output_word,
)
from redislite._core.state.core cimport Database
from redislite._core.structures.dict cimport (
    Dict, DictIterator, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
)
from redislite._core.structures.intset cimport intset_bytes
from redislite._core.structures.listpack cimport listpack_bytes
from redislite._core.structures.quicklist cimport NODE_PLAIN, Quicklist, QuicklistNode, node_pack
from redislite._core.structures.rax cimport Rax, RaxIterator, RaxReader, rax_size, rax_walk
from redislite._core.structures.score_tree cimport Leaf, leaf_slots, member_text
from redislite._core.values.hash_value cimport (
    HASH_NO_DEADLINE, HashItem, HashTable, HashValue, hash_item_at, hash_next_deadline,
)
from redislite._core.values.set_value cimport SetTable
from redislite._core.values.sorted_set_value cimport SortedSet
from redislite._core.text.encodings cimport ENCODING_EXTENSION
from redislite._core.text.rdb_format cimport RDB_FIELD_END
from redislite._core.values.value_type cimport ValueType, extension_identifier
from redislite._core.values.value_types cimport VALUE_TYPES, value_type_of
from redislite._core.values.stream cimport (
    STREAM_KEY, Consumer, Group, Pending, Stream, StreamId, consumer_name, group_name,
)

cdef extern from *:
    """
    #include <unistd.h>
    #define RDB_PREFETCH(address) __builtin_prefetch((const void *) (address))
    """
    void prefetch "RDB_PREFETCH"(const void* address) noexcept nogil
    int usleep(unsigned int microseconds) noexcept nogil

cdef enum:
    AHEAD = 16                      # entries whose memory is asked for before they are written
    INTERRUPT_KEYS = 4096           # between questions whether to go on


# Values

cdef int version_of(const Core* core, const Entry* entry) noexcept nogil:
    if not has_timed_fields(entry):
        return RDB_VERSION
    return RDB_VERSION_VALKEY if core.settings.rdb_valkey_fields else RDB_VERSION_REDIS


cdef int type_of(const Core* core, const Entry* entry) noexcept nogil:
    cdef int type = entry_type(entry)
    cdef int encoding = entry_encoding(entry)
    if type == TYPE_STRING:
        return RDB_STRING
    if type == TYPE_LIST:
        return RDB_LIST_QUICKLIST_2
    if type == TYPE_SET:
        return RDB_SET_INTSET if encoding == ENCODING_INTSET else \
            RDB_SET_LISTPACK if encoding == ENCODING_LISTPACK else RDB_SET
    if type == TYPE_SORTED_SET:
        return RDB_SORTED_SET_LISTPACK if encoding == ENCODING_LISTPACK else RDB_SORTED_SET_2
    if type == TYPE_HASH:
        if encoding == ENCODING_LISTPACK:
            return RDB_HASH_LISTPACK
        if not has_timed_fields(entry):
            return RDB_HASH
        return RDB_HASH_TIMED_VALKEY if core.settings.rdb_valkey_fields else RDB_HASH_TIMED
    return RDB_STREAM_3 if type == TYPE_STREAM else RDB_MODULE_2


cdef void write_pack(RdbOutput* output, const void* pack) noexcept nogil:
    output_blob(output, pack, listpack_bytes(<const uint8_t*> pack))


cdef void write_quicklist(RdbOutput* output, const Quicklist* list) noexcept nogil:
    cdef QuicklistNode* node = list.head
    output_length(output, list.nodes)
    while node != NULL:
        if node.next != NULL:
            prefetch(node.next.block)
        output_length(output, RDB_NODE_PLAIN if node.kind == NODE_PLAIN else RDB_NODE_PACKED)
        if node.compressed:
            output_compressed(output, node.block, node.capacity, node.bytes)
        elif node.kind == NODE_PLAIN:
            output_text(output, <char*> node.block, node.bytes)
        else:
            output_blob(output, node_pack(node), node.bytes)
        node = node.next


cdef void write_members(RdbOutput* output, const SetTable* table) noexcept nogil:
    cdef void* ahead[AHEAD]
    cdef DictIterator it
    cdef size_t left = dict_size(&table.members)
    cdef size_t taken = 0
    cdef size_t written = 0
    cdef size_t length
    cdef char* member
    output_length(output, left)
    dict_iterate_begin(&it, <Dict*> &table.members)
    while written < left:
        while taken < left and taken < written + AHEAD:
            ahead[taken % AHEAD] = dict_iterate_next(&it)
            prefetch(ahead[taken % AHEAD])
            taken += 1
        member = prefixed_read(<char*> ahead[written % AHEAD], &length)
        output_text(output, member, length)
        written += 1
    dict_iterate_end(&it)


cdef void write_ranked(RdbOutput* output, const SortedSet* table) noexcept nogil:
    """From the highest score down: so the original loads it fastest."""
    cdef Leaf* leaf = table.tree.last
    cdef size_t length
    cdef char* member
    cdef int64_t i
    output_length(output, table.tree.length)
    while leaf != NULL:
        for i in range(<int64_t> leaf.count):
            prefetch(leaf_slots(leaf)[i].member)
        i = <int64_t> leaf.count - 1
        while i >= 0:
            member = member_text(leaf_slots(leaf)[i].member, &length)
            output_text(output, member, length)
            output_double(output, leaf_slots(leaf)[i].score)
            i -= 1
        leaf = leaf.previous


cdef void write_fields(RdbOutput* output, const Core* core, const HashValue* hash) noexcept nogil:
    """A table: its fields, with their deadlines where there are any."""
    cdef HashTable* table = <HashTable*> hash.pointer
    cdef void* ahead[AHEAD]
    cdef DictIterator it
    cdef HashItem item
    cdef size_t left = dict_size(&table.fields)
    cdef size_t taken = 0
    cdef size_t written = 0
    cdef bint timed = table.timed_count != 0
    cdef bint valkey = timed and core.settings.rdb_valkey_fields
    cdef int64_t earliest = hash_next_deadline(hash)
    if timed and not valkey:
        output_word(output, <uint64_t> earliest)
    output_length(output, left)
    dict_iterate_begin(&it, &table.fields)
    while written < left:
        while taken < left and taken < written + AHEAD:
            ahead[taken % AHEAD] = dict_iterate_next(&it)
            prefetch(ahead[taken % AHEAD])
            taken += 1
        hash_item_at(hash, ahead[written % AHEAD], &item)
        if timed and not valkey:
            output_length(output, <uint64_t> (item.deadline_ms - earliest + 1)
                          if item.deadline_ms != HASH_NO_DEADLINE else <uint64_t> 0)
        output_text(output, item.field.data, item.field.length)
        output_text(output, item.value.data, item.value.length)
        if valkey:
            output_word(output, <uint64_t> item.deadline_ms)
        written += 1
    dict_iterate_end(&it)


cdef void write_id(RdbOutput* output, const StreamId* id) noexcept nogil:
    output_length(output, id.ms)
    output_length(output, id.seq)


cdef void write_tree(RdbOutput* output, Rax* tree, RaxReader write) noexcept nogil:
    """How many keys there are, and each of them."""
    output_length(output, rax_size(tree))
    if not rax_walk(tree, write, output):
        # What was written does not fit the number before it.
        output_fail(output, ENOMEM)


cdef void write_raw_id(RaxIterator* it, void* argument) noexcept nogil:
    cdef RdbOutput* output = <RdbOutput*> argument
    output_bytes(output, it.key, STREAM_KEY)


cdef void write_pending(RaxIterator* it, void* argument) noexcept nogil:
    cdef RdbOutput* output = <RdbOutput*> argument
    cdef Pending* pending = <Pending*> it.value
    write_raw_id(it, output)
    output_word(output, <uint64_t> pending.delivered_ms)
    output_length(output, pending.deliveries)


cdef void write_consumer(RaxIterator* it, void* argument) noexcept nogil:
    cdef RdbOutput* output = <RdbOutput*> argument
    cdef Consumer* consumer = <Consumer*> it.value
    cdef size_t length
    cdef char* name = consumer_name(consumer, &length)
    output_text(output, name, length)
    output_word(output, <uint64_t> consumer.seen_ms)
    output_word(output, <uint64_t> consumer.active_ms)
    write_tree(output, &consumer.pending, write_raw_id)


cdef void write_group(RaxIterator* it, void* argument) noexcept nogil:
    cdef RdbOutput* output = <RdbOutput*> argument
    cdef Group* group = <Group*> it.value
    cdef size_t length
    cdef char* name = group_name(group, &length)
    output_text(output, name, length)
    write_id(output, &group.last_id)
    output_length(output, <uint64_t> group.entries_read)
    write_tree(output, &group.pending, write_pending)
    write_tree(output, &group.consumers, write_consumer)


cdef void write_node(RaxIterator* it, void* argument) noexcept nogil:
    cdef RdbOutput* output = <RdbOutput*> argument
    output_blob(output, it.key, STREAM_KEY)
    write_pack(output, it.value)


cdef void write_list(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        output_length(output, 1)
        output_length(output, RDB_NODE_PACKED)
        write_pack(output, value)
    else:
        write_quicklist(output, <const Quicklist*> value)


cdef void write_set(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        write_pack(output, value)
    elif encoding == ENCODING_INTSET:
        output_blob(output, value, intset_bytes(<uint8_t*> value))
    else:
        write_members(output, <const SetTable*> value)


cdef void write_sorted_set(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        write_pack(output, value)
    else:
        write_ranked(output, <const SortedSet*> value)


cdef void write_hash(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    cdef HashValue hash
    if encoding == ENCODING_LISTPACK:
        write_pack(output, value)
        return
    hash.pointer = <void*> value
    hash.encoding = encoding
    write_fields(output, core, &hash)


cdef void write_stream(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    cdef Stream* stream = <Stream*> value
    write_tree(output, &stream.entries, write_node)
    output_length(output, stream.length)
    write_id(output, &stream.last_id)
    write_id(output, &stream.first_id)
    write_id(output, &stream.max_deleted_id)
    output_length(output, stream.entries_added)
    write_tree(output, &stream.groups, write_group)


cdef void write_unknown(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    rdb_write_module(output, <const char*> value, sds_length(<sds> value))


VALUE_TYPES[TYPE_LIST].write = write_list
VALUE_TYPES[TYPE_SET].write = write_set
VALUE_TYPES[TYPE_SORTED_SET].write = write_sorted_set
VALUE_TYPES[TYPE_HASH].write = write_hash
VALUE_TYPES[TYPE_STREAM].write = write_stream
VALUE_TYPES[TYPE_MODULE].write = write_unknown


cdef void rdb_write_value(RdbOutput* output, const Core* core, const Entry* entry) noexcept nogil:
    cdef int encoding = entry_encoding(entry)
    cdef const void* value
    cdef const ValueType* type
    cdef size_t length
    cdef char* data
    if entry_type(entry) == TYPE_STRING:
        if encoding == ENCODING_INT:
            output_integer_text(output, entry_integer(entry))
        else:
            data = entry_string(entry, NULL, &length)
            output_text(output, data, length)
        return
    value = entry_pointer(entry)
    type = value_type_of(entry_type(entry), encoding, value)
    if encoding != ENCODING_EXTENSION:
        type.write(output, core, value, encoding)
        return
    output_length(output, extension_identifier(type.name, type.version))
    type.write(output, core, value, encoding)
    output_length(output, RDB_FIELD_END)


cdef void rdb_write_payload(RdbOutput* output, const Core* core, const Entry* entry) noexcept nogil:
    cdef int version = version_of(core, entry)
    output_byte(output, <uint8_t> type_of(core, entry))
    rdb_write_value(output, core, entry)
    output_byte(output, <uint8_t> version)
    output_byte(output, <uint8_t> (version >> 8))
    output_word(output, output_checksum(output))


# Whole files

cdef void rdb_write_aux(RdbOutput* output, const char* name, size_t name_length, const char* value,
                        size_t value_length) noexcept nogil:
    output_byte(output, RDB_AUX)
    output_text(output, name, name_length)
    output_text(output, value, value_length)


cdef inline void write_key(RdbOutput* output, Core* core, const Entry* entry) noexcept nogil:
    cdef int64_t deadline_ms = entry_deadline(entry)
    cdef size_t length
    cdef char* key = entry_key(entry, &length)
    if deadline_ms != NO_EXPIRE:
        output_byte(output, RDB_EXPIRE_MS)
        output_word(output, <uint64_t> deadline_ms)
    if core.settings.rdb_access == 1:
        output_byte(output, RDB_IDLE)
        output_length(output, <uint64_t> idle_seconds(core, entry))
    elif core.settings.rdb_access == 2:
        output_byte(output, RDB_FREQ)
        output_byte(output, <uint8_t> access_frequency(core, entry))
    output_byte(output, <uint8_t> type_of(core, entry))
    output_text(output, key, length)
    rdb_write_value(output, core, entry)


cdef void pause(const RdbSaveOptions* options, uint64_t keys) noexcept nogil:
    if options.key_delay_us > 0:
        usleep(<unsigned int> options.key_delay_us)
    elif keys % <uint64_t> -options.key_delay_us == 0:
        usleep(1)


cdef void write_database(RdbOutput* output, Core* core, Database* database, const RdbSaveOptions* options,
                         RdbSaveProgress* progress) noexcept nogil:
    cdef Entry* ahead[2 * AHEAD]
    cdef Entry* entry
    cdef DictIterator it
    cdef size_t left = keys_count(database)
    cdef size_t taken = 0
    cdef size_t followed = 0
    cdef size_t written = 0
    keys_iterate_begin(&it, database)
    while written < left and output.error == 0:
        # An entry is asked for first, then what it points to, then both are written.
        while taken < left and taken < written + 2 * AHEAD:
            ahead[taken % (2 * AHEAD)] = <Entry*> dict_iterate_next(&it)
            prefetch(ahead[taken % (2 * AHEAD)])
            taken += 1
        while followed < taken and followed < written + AHEAD:
            entry = ahead[followed % (2 * AHEAD)]
            if entry_type(entry) != TYPE_STRING or entry_encoding(entry) == ENCODING_RAW:
                prefetch(entry_pointer(entry))
            followed += 1
        write_key(output, core, ahead[written % (2 * AHEAD)])
        written += 1
        progress.keys += 1
        if options.key_delay_us:
            output_flush(output)
            pause(options, progress.keys)
        if options.interrupt != NULL and (options.key_delay_us or progress.keys % INTERRUPT_KEYS == 0) and \
                options.interrupt(options.interrupt_argument) != 0:
            output_fail(output, EINTR)
        progress.bytes = output_position(output)
    dict_iterate_end(&it)


cdef int rdb_save(Core* core, RdbOutput* output, const RdbSaveOptions* options,
                  RdbSaveProgress* progress) noexcept nogil:
    cdef char head[RDB_HEADER + 1]
    cdef Database* database
    cdef int version = RDB_VERSION
    cdef int i
    for i in range(core.databases_count):
        if dict_size(&core.databases[i].field_expires):
            version = RDB_VERSION_VALKEY if core.settings.rdb_valkey_fields else RDB_VERSION_REDIS
    snprintf(head, sizeof(head), b"VALKEY%03d" if version == RDB_VERSION_VALKEY else b"REDIS%04d", version)
    output_bytes(output, head, RDB_HEADER)
    if options.head_length:
        output_bytes(output, options.head, options.head_length)
    for i in range(core.databases_count):
        database = core.databases[i]
        if keys_count(database) == 0:
            continue
        output_byte(output, RDB_SELECT)
        output_length(output, <uint64_t> database.id)
        output_byte(output, RDB_RESIZE)
        output_length(output, keys_count(database))
        output_length(output, dict_size(&database.expires))
        write_database(output, core, database, options, progress)
    if options.tail_length:
        output_bytes(output, options.tail, options.tail_length)
    output_byte(output, RDB_END)
    output_word(output, output_checksum(output) if output.checksum else <uint64_t> 0)
    progress.bytes = output_position(output)
    return output_flush(output)
