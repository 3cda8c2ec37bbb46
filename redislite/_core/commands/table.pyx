"""The native dispatch table; the contract is in table.pxd."""
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcpy, memset
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_realloc, heap_zalloc
from redislite._core.commands.command_keys cimport keys_release, keys_set
from redislite._core.state.core cimport COMMAND_TABLE_SLOTS, Argument, Command, Core, Handler
from redislite._core.state.statistics cimport HISTOGRAM_BUCKETS, CommandStatistics, ErrorKind, Statistics

from redislite._core.commands import access

cdef extern from *:
    int __builtin_clzll(unsigned long long value) noexcept nogil

cdef enum:
    NAME_MAX = 63               # bytes of the longest full name
    FOLD = 0x20                 # lower case, for letters; other bytes are told apart by the comparison


cdef inline uint64_t name_hash(const char* name, size_t length) noexcept nogil:
    cdef uint64_t head = 0
    cdef uint64_t tail = 0
    cdef uint64_t mixed
    if length >= 8:
        memcpy(&head, name, 8)
        memcpy(&tail, name + length - 8, 8)
    elif length >= 4:
        memcpy(&head, name, 4)
        memcpy(&tail, name + length - 4, 4)
    elif length:
        head = <uint64_t> (<unsigned char> name[0]) | <uint64_t> (<unsigned char> name[length // 2]) << 8
        tail = <uint64_t> (<unsigned char> name[length - 1])
    head |= <uint64_t> 0x2020202020202020
    tail |= <uint64_t> 0x2020202020202020
    mixed = (head ^ (tail << 7 | tail >> 57) ^ length) * <uint64_t> 0x9e3779b97f4a7c15
    return mixed ^ mixed >> 32


cdef inline bint same_name(const Command* command, const char* name, size_t length) noexcept nogil:
    cdef size_t i
    cdef char c
    if command.name_length != <int> length:
        return 0
    for i in range(length):
        c = name[i]
        if c'A' <= c <= c'Z':
            c = <char> (c | FOLD)
        if c != command.name[i]:
            return 0
    return 1


cdef Command* command_find(Core* core, const char* name, size_t length) noexcept nogil:
    cdef uint64_t slot
    if length > NAME_MAX:
        return NULL
    slot = name_hash(name, length) & (COMMAND_TABLE_SLOTS - 1)
    while core.commands[slot] != NULL:
        if same_name(core.commands[slot], name, length):
            return core.commands[slot]
        slot = (slot + 1) & (COMMAND_TABLE_SLOTS - 1)
    return NULL


cdef Command* command_resolve(Core* core, const Argument* arguments, int count, const char* base) noexcept nogil:
    cdef Command* command = command_find(core, <char*> (<size_t> base + <size_t> arguments[0].data),
                                         arguments[0].length)
    cdef Command* subcommand
    cdef char name[2 * NAME_MAX + 1]
    cdef size_t length
    if command == NULL or not command.container or count < 2 or arguments[1].length > NAME_MAX:
        # A subcommand's full name is none that a client may call.
        return NULL if command != NULL and command.is_subcommand else command
    # The container may have been renamed; its subcommands have not.
    length = command.own_length
    memcpy(name, command.own_name, length)
    name[length] = c'|'
    if arguments[1].owner != NULL:
        return command
    memcpy(name + length + 1, <char*> (<size_t> base + <size_t> arguments[1].data), arguments[1].length)
    subcommand = command_find(core, name, length + 1 + arguments[1].length)
    return command if subcommand == NULL else subcommand


cdef bint command_named(Core* core, bytes name) noexcept:
    return command_find(core, name, len(name)) != NULL


cdef void insert(Core* core, Command* command) noexcept nogil:
    cdef uint64_t slot = name_hash(command.name, command.name_length) & (COMMAND_TABLE_SLOTS - 1)
    while core.commands[slot] != NULL:
        slot = (slot + 1) & (COMMAND_TABLE_SLOTS - 1)
    core.commands[slot] = command


cdef int set_name(Command* command, bytes name) except -1:
    if not 0 < len(name) <= NAME_MAX:
        raise ValueError(f"a command's name has 1 to {NAME_MAX} bytes, not {len(name)}")
    name = name.lower()
    memset(command.name, 0, sizeof(command.name))
    memcpy(command.name, <char*> name, len(name))
    command.name_length = <int> len(name)
    return 0


cdef int table_add(Core* core, list rows) except -1:
    cdef Command** added
    cdef CommandStatistics* statistics
    cdef Command* parent
    cdef int count = <int> len(rows)
    cdef int made = 0
    cdef int i, id
    if core.commands_count + count > COMMAND_TABLE_SLOTS // 2:
        raise ValueError(f"the command table holds {COMMAND_TABLE_SLOTS // 2} commands at the most")
    if count == 0:
        return 0
    added = <Command**> heap_zalloc(core.heap, count * sizeof(Command*))
    if added == NULL:
        raise MemoryError
    # Whatever fails does so before the first of them is in the table.
    try:
        for row in rows:
            added[made] = <Command*> heap_zalloc(core.heap, sizeof(Command))
            if added[made] == NULL:
                raise MemoryError
            made += 1
            fill(core, added[made - 1], row)
        statistics = <CommandStatistics*> heap_realloc(
            core.heap, core.command_statistics, core.commands_count * sizeof(CommandStatistics),
            (core.commands_count + count) * sizeof(CommandStatistics))
        if statistics == NULL:
            raise MemoryError
    except BaseException:
        for i in range(made):
            command_free(core, added[i])
        heap_free(core.heap, added, count * sizeof(Command*))
        raise
    core.command_statistics = statistics
    memset(&statistics[core.commands_count], 0, count * sizeof(CommandStatistics))
    for i in range(count):
        insert(core, added[i])
        if added[i].is_subcommand:
            id = rows[i].parent.id - core.commands_count
            parent = added[id] if id >= 0 else command_of_id(core, rows[i].parent.id)
            if parent != NULL:  # not taken away
                parent.container = 1
    core.commands_count += count
    heap_free(core.heap, added, count * sizeof(Command*))
    return 0


cdef Command* command_of_id(Core* core, int id) noexcept nogil:
    cdef int i
    for i in range(COMMAND_TABLE_SLOTS):
        if core.commands[i] != NULL and core.commands[i].id == id:
            return core.commands[i]
    return NULL


cdef int fill(Core* core, Command* command, object row) except -1:
    cdef bytes name = row.name.encode()
    if command_find(core, name, len(name)) != NULL:
        raise ValueError(f"there is a command {row.name!r} already")
    set_name(command, name)
    memcpy(command.own_name, command.name, sizeof(command.name))
    command.own_length = command.name_length
    command.id = row.id
    command.handler = <Handler> <uintptr_t> row.address
    command.flags = row.flags
    command.arity = row.arity
    command.first_key = row.key_range[0]
    command.is_subcommand = row.parent is not None
    command.is_exec = row.name == "exec"
    command.runs_script = row.name in ("eval", "evalsha", "fcall")
    command.container = bool(row.subcommands) or row.is_container
    command.row = <PyObject*> row
    command.channels = access.channels(row)
    command.database_use = access.database_use(row)
    keys_set(core, command, row)
    return 0


cdef void take_out(Core* core, Command* command) noexcept nogil:
    cdef Command* moved
    cdef uint64_t slot = name_hash(command.name, command.name_length) & (COMMAND_TABLE_SLOTS - 1)
    while core.commands[slot] != command:
        slot = (slot + 1) & (COMMAND_TABLE_SLOTS - 1)
    core.commands[slot] = NULL
    # What probing had put behind it must be found again.
    slot = (slot + 1) & (COMMAND_TABLE_SLOTS - 1)
    while core.commands[slot] != NULL:
        moved = core.commands[slot]
        core.commands[slot] = NULL
        insert(core, moved)
        slot = (slot + 1) & (COMMAND_TABLE_SLOTS - 1)


cdef Command* table_retire(Core* core, bytes name) except NULL:
    cdef Command* command = command_find(core, name, len(name))
    if command == NULL:
        raise KeyError(name)
    take_out(core, command)
    command.is_retired = 1
    return command


cdef int table_revive(Core* core, Command* command, object row) except -1:
    keys_release(core, command)
    try:
        fill(core, command, row)
    except BaseException:
        command.key_specs_count = 0     # somebody may have queued it
        raise
    command.is_retired = 0
    insert(core, command)
    return 0


cdef int table_rename(Core* core, bytes name, bytes new_name) except -1:
    cdef Command* command = command_find(core, name, len(name))
    if command == NULL:
        raise KeyError(name)
    if new_name and command_find(core, new_name, len(new_name)) != NULL:
        raise ValueError(f"there is a command {new_name!r} already")
    take_out(core, command)
    if new_name:
        set_name(command, new_name)
        insert(core, command)
    # Without a name it stays as long as the heap: clients have executed it, or are about to.
    return 0


cdef void command_free(Core* core, Command* command) noexcept nogil:
    keys_release(core, command)
    heap_free(core.heap, command, sizeof(Command))


cdef void table_release(Core* core) noexcept nogil:
    cdef int i
    for i in range(COMMAND_TABLE_SLOTS):
        if core.commands[i] != NULL:
            command_free(core, core.commands[i])
            core.commands[i] = NULL
    for i in range(core.commands_count):
        heap_free(core.heap, core.command_statistics[i].histogram, HISTOGRAM_BUCKETS * sizeof(unsigned int))
    heap_free(core.heap, core.command_statistics, core.commands_count * sizeof(CommandStatistics))
    core.command_statistics = NULL
    core.commands_count = 0


cdef void histogram_add(Core* core, CommandStatistics* statistics, uint64_t nanoseconds) noexcept nogil:
    cdef int power, bucket
    if statistics.histogram == NULL:
        statistics.histogram = <unsigned int*> heap_zalloc(core.heap, HISTOGRAM_BUCKETS * sizeof(unsigned int))
        if statistics.histogram == NULL:
            return
    if nanoseconds < 16:
        bucket = <int> nanoseconds
    else:
        power = 63 - __builtin_clzll(nanoseconds)
        bucket = (power - 3) * 16 + <int> (nanoseconds >> (power - 4) & 15)
        if bucket >= HISTOGRAM_BUCKETS:
            bucket = HISTOGRAM_BUCKETS - 1
    statistics.histogram[bucket] += 1


cdef uint64_t histogram_bound(int bucket) noexcept nogil:
    cdef int power
    if bucket < 16:
        return bucket
    power = bucket // 16 + 3
    return ((<uint64_t> 1 << power) + (<uint64_t> (bucket % 16 + 1) << (power - 4))) - 1


cdef void statistics_reset(Core* core) noexcept nogil:
    cdef int i
    for i in range(core.commands_count):
        heap_free(core.heap, core.command_statistics[i].histogram, HISTOGRAM_BUCKETS * sizeof(unsigned int))
    memset(core.command_statistics, 0, core.commands_count * sizeof(CommandStatistics))
    memset(&core.statistics, 0, sizeof(Statistics))
    core.errors_counted = 0
    core.turn_commands = 0
    core.error_kinds_count = 0
