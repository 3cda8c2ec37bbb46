# cython: language_level=3
"""A type of values and its commands, as a package of somebody else would bring them: numbers in the order they came in.

    TALLY.ADD key number [number ...]    how many there are now
    TALLY.SUM key                        their sum, 0 without the key

    value:  | Extension | count | capacity | numbers: 8 bytes each |
"""
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset, strcpy

from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free, heap_realloc
from redislite._core.commands.arguments cimport argument_integer_or_reply, reply_out_of_memory, reply_wrong_type
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, TYPE_MODULE, Entry, entry_block_size, entry_encoding, entry_new, entry_pointer, entry_set_pointer,
)
from redislite._core.keyspace.keyspace cimport (
    access_for_new, add_entry, argument_hash, key_changed, lookup_read, lookup_write, notify_argument,
)
from redislite._core.protocol.reply cimport reply_integer
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.flags cimport NOTIFY_MODULE
from redislite._core.structures.release cimport Release, release_block
from redislite._core.text.command_output cimport CommandOutput, command_begin, command_integer
from redislite._core.text.encodings cimport ENCODING_EXTENSION
from redislite._core.text.rdb_fields cimport (
    read_field_signed, read_field_unsigned, write_field_signed, write_field_unsigned,
)
from redislite._core.text.rdb_input cimport RdbInput, input_fail, input_out_of_memory
from redislite._core.text.rdb_output cimport RdbOutput
from redislite._core.values.value_type cimport Extension, ValueType, extension_type

from redislite._core.commands.row import native

cdef enum:
    LEAST = 4                   # numbers that a new tally has room for


cdef struct Tally:
    Extension head
    uint64_t count
    uint64_t capacity


cdef ValueType TYPE


cdef inline int64_t* numbers_of(const Tally* tally) noexcept nogil:
    return <int64_t*> (tally + 1)


cdef inline size_t size_for(uint64_t capacity) noexcept nogil:
    return sizeof(Tally) + <size_t> capacity * sizeof(int64_t)


cdef Tally* tally_new(Heap* heap, uint64_t capacity) noexcept nogil:
    cdef Tally* tally = <Tally*> heap_alloc(heap, size_for(capacity))
    if tally != NULL:
        tally.head.type = &TYPE
        tally.count = 0
        tally.capacity = capacity
    return tally


# The type's row


cdef size_t memory(const void* value, int encoding, size_t samples) noexcept nogil:
    return heap_footprint(size_for((<const Tally*> value).capacity))


cdef size_t length(const void* value, int encoding) noexcept nogil:
    return <size_t> (<const Tally*> value).count


cdef bint release_step(Release* step, void* value, int encoding) noexcept nogil:
    release_block(step, value, size_for((<Tally*> value).capacity))
    return 0


cdef void* copy(Heap* heap, const void* value, int encoding) noexcept nogil:
    cdef const Tally* tally = <const Tally*> value
    cdef Tally* fresh = tally_new(heap, tally.capacity)
    if fresh != NULL:
        fresh.count = tally.count
        memcpy(numbers_of(fresh), numbers_of(tally), <size_t> tally.count * sizeof(int64_t))
    return fresh


cdef void write(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil:
    cdef const Tally* tally = <const Tally*> value
    cdef uint64_t i
    write_field_unsigned(output, tally.count)
    for i in range(tally.count):
        write_field_signed(output, numbers_of(tally)[i])


cdef void* read(RdbInput* input, int version) noexcept nogil:
    cdef Tally* tally
    cdef Tally* grown
    cdef uint64_t count, room
    if version > TYPE.version:
        input_fail(input, b"a tally of a later version")
        return NULL
    if not read_field_unsigned(input, &count):
        return NULL
    tally = tally_new(input.heap, LEAST)
    # It grows with what is there: the count may claim anything.
    while tally != NULL and tally.count < count:
        if tally.count == tally.capacity:
            room = 2 * tally.capacity
            grown = <Tally*> heap_realloc(input.heap, tally, size_for(tally.capacity), size_for(room))
            if grown == NULL:
                heap_free(input.heap, tally, size_for(tally.capacity))
                tally = NULL
                break
            tally = grown
            tally.capacity = room
        if not read_field_signed(input, &numbers_of(tally)[tally.count]):
            heap_free(input.heap, tally, size_for(tally.capacity))
            return NULL
        tally.count += 1
    if tally == NULL:
        input_out_of_memory(input)
    return tally


cdef void rewrite(CommandOutput* commands, const Core* core, const void* value, int encoding) noexcept nogil:
    cdef const Tally* tally = <const Tally*> value
    cdef uint64_t i
    command_begin(commands, "TALLY.ADD", <int64_t> tally.count)
    for i in range(tally.count):
        command_integer(commands, numbers_of(tally)[i])


memset(&TYPE, 0, sizeof(TYPE))
strcpy(TYPE.name, b"tallytype")
TYPE.version = 2
TYPE.memory = memory
TYPE.length = length
TYPE.release_step = release_step
TYPE.copy = copy
TYPE.write = write
TYPE.read = read
TYPE.rewrite = rewrite

TYPE_CAPSULE = PyCapsule_New(&TYPE, "redislite.ValueType", NULL)


# Commands


cdef bint is_tally_or_reply(Client* client, const Entry* entry) noexcept nogil:
    if entry_encoding(entry) != ENCODING_EXTENSION or extension_type(entry_pointer(entry)) != &TYPE:
        reply_wrong_type(client)
        return 0
    return 1


cdef void add_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot = lookup_write(core, client, 1)
    cdef Argument* key = &client.argv[1]
    cdef Entry* entry = slot[0] if slot != NULL else NULL
    cdef Tally* tally
    cdef Tally* grown
    cdef uint64_t more = <uint64_t> (client.argc - 2)
    cdef uint64_t room
    cdef int64_t number
    cdef int i
    if entry != NULL and not is_tally_or_reply(client, entry):
        return
    for i in range(2, client.argc):
        if not argument_integer_or_reply(client, i, &number):
            return
    if entry == NULL:
        tally = tally_new(core.heap, more if more > LEAST else <uint64_t> LEAST)
    else:
        tally = <Tally*> entry_pointer(entry)
        if tally.count + more > tally.capacity:
            room = 2 * tally.capacity if 2 * tally.capacity > tally.count + more else tally.count + more
            grown = <Tally*> heap_realloc(core.heap, tally, size_for(tally.capacity), size_for(room))
            if grown != NULL:
                grown.capacity = room
                entry_set_pointer(entry, grown)
            tally = grown
    if tally == NULL:
        reply_out_of_memory(client)
        return
    if entry == NULL:
        entry = entry_new(core.heap, key.data, key.length, NO_EXPIRE, TYPE_MODULE, ENCODING_EXTENSION, access_for_new(core),
                          sizeof(void*))
        if entry != NULL:
            entry_set_pointer(entry, tally)
            if add_entry(core, client.database, entry, argument_hash(client, 1)) != 0:
                heap_free(core.heap, entry, entry_block_size(entry))
                entry = NULL
        if entry == NULL:
            heap_free(core.heap, tally, size_for(tally.capacity))
            reply_out_of_memory(client)
            return
    for i in range(2, client.argc):
        argument_integer_or_reply(client, i, &number)
        numbers_of(tally)[tally.count] = number
        tally.count += 1
    key_changed(core, client.database, key.data, key.length)
    notify_argument(core, client, 1, NOTIFY_MODULE, "tally.add")
    reply_integer(&client.reply, <int64_t> tally.count)


cdef void sum_command(Core* core, Client* client) noexcept nogil:
    cdef Entry* entry = lookup_read(core, client, 1)
    cdef const Tally* tally
    cdef uint64_t sum = 0
    cdef uint64_t i
    if entry != NULL:
        if not is_tally_or_reply(client, entry):
            return
        tally = <const Tally*> entry_pointer(entry)
        for i in range(tally.count):
            sum += <uint64_t> numbers_of(tally)[i]
    reply_integer(&client.reply, <int64_t> sum)


COMMANDS = [
    native(
        "tally.add", <size_t> &add_command, -3, "write denyoom fast", keys="RW INSERT @ 1", group="generic", since="1.0.0",
        syntax="key number:integer...", summary="Adds numbers to a tally.", complexity="O(N) for N numbers",
    ),
    native(
        "tally.sum", <size_t> &sum_command, 2, "readonly", keys="RO ACCESS @ 1", group="generic", since="1.0.0", syntax="key",
        summary="Returns the sum of a tally.", complexity="O(N) for N numbers",
    ),
]


def broken_row(str what) -> object:
    """Capsules that no engine takes: without a function, or with a name or version that cannot be."""
    BROKEN[0] = TYPE
    if what == "copy":
        BROKEN[0].copy = NULL
    elif what == "name":
        strcpy(BROKEN[0].name, b"tally")
    else:
        BROKEN[0].version = 1024
    return PyCapsule_New(BROKEN, "redislite.ValueType", NULL)


cdef ValueType[1] BROKEN
