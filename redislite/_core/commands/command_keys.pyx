"""What a command's arguments name; the contract is in command_keys.pxd."""
from libc.stdint cimport INT32_MAX, int64_t
from libc.string cimport memcmp, memcpy, strcmp
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.commands.arguments cimport argument_is
from redislite._core.state.core cimport (
    KEYS_ANYWHERE, KEYS_AT, KEYS_BEHIND, KEYS_COUNTED, KEYS_RANGE, KEY_SPECS_MAX, KEY_WORD_MAX, Argument, Client,
    Command, Core, Database, KeyFinder, KeyRange, KeySpec,
)
from redislite._core.state.flags cimport COMMAND_ADMIN, COMMAND_ARBITRARY_KEYS
from redislite._core.text.numbers cimport parse_int64

from redislite._core.commands.key_specs import parse_key_specs

cdef enum:
    HINT_REACH = 4              # so far behind the key that was used last the next one is looked for first


cdef inline int one_key(KeyRange* range, int index, int flags) noexcept nogil:
    range.first = index
    range.last = index
    range.step = 1
    range.flags = flags
    return 1


# --- keys by their specifications


cdef int word_position(const KeySpec* spec, const Argument* argv, int argc) noexcept nogil:
    """Index of the keyword, 0 where it is not there: searched for forwards, or backwards where start is negative."""
    cdef int i = spec.start if spec.start > 0 else argc + spec.start
    while 0 < i < argc:
        if argument_is(&argv[i], spec.word):
            return i
        i += 1 if spec.start > 0 else -1
    return 0


cdef int spec_range(const KeySpec* spec, const Argument* argv, int argc, KeyRange* range) noexcept nogil:
    """1 and the range; 0 where the specification tells of no key; -1 where the arguments are of no form that it
    knows."""
    cdef int start = spec.start
    cdef int64_t number
    cdef int64_t last
    if spec.begin == KEYS_ANYWHERE:
        return 0
    if spec.begin == KEYS_BEHIND:
        start = word_position(spec, argv, argc) + 1
        if start == 1 or start == argc:
            return 0
    if spec.find == KEYS_COUNTED:
        if start + spec.count_at >= argc or not parse_int64(
                argv[start + spec.count_at].data, argv[start + spec.count_at].length, &number) or \
                not 0 < number <= INT32_MAX:
            return -1
        start += spec.first
        last = start + (number - 1) * spec.step
    elif spec.last >= 0:
        last = start + spec.last
    elif spec.limit <= 1:
        last = argc + spec.last
    else:
        # XREAD names its streams and then as many identifiers: the keys are the first half.
        last = start + (argc - start) // spec.limit + spec.last
    if last == start - 1 and spec.last < 0 and spec.limit <= 1 and spec.find == KEYS_RANGE:
        return 0                        # up to none: PFMERGE of nothing, which writes its destination all the same
    if start >= argc or last >= argc or last < start:
        return -1
    range.first = start
    range.last = <int> last
    range.step = spec.step
    range.flags = spec.flags & ~KEY_VARIABLE_FLAGS
    return 1


# --- keys that no specification can tell


cdef int set_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    """SET hands out the old value only with GET."""
    cdef int i
    for i in range(3, argc):
        if argument_is(&argv[i], "GET"):
            return one_key(ranges, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE)
    return one_key(ranges, 1, KEY_OW | KEY_UPDATE)


cdef int bitfield_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    """BITFIELD without SET and INCRBY only reads."""
    cdef int i = 2
    while i < argc:
        if argument_is(&argv[i], "GET"):
            i += 3
        elif argument_is(&argv[i], "OVERFLOW"):
            i += 2
        else:
            return one_key(ranges, 1, KEY_RW | KEY_ACCESS | KEY_UPDATE)
    return one_key(ranges, 1, KEY_RO | KEY_ACCESS)


cdef int sort_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    """SORT takes its last STORE; the operands of other options are not options themselves."""
    cdef int destination = 0
    cdef int i = 2
    while i < argc:
        if argument_is(&argv[i], "LIMIT"):
            i += 2
        elif argument_is(&argv[i], "GET") or argument_is(&argv[i], "BY"):
            i += 1
        elif argument_is(&argv[i], "STORE") and i + 1 < argc:
            i += 1
            destination = i
        i += 1
    one_key(&ranges[0], 1, KEY_RO | KEY_ACCESS)
    return 1 + (one_key(&ranges[1], destination, KEY_OW | KEY_UPDATE) if destination else 0)


cdef int sort_ro_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    """The keys that BY and GET derive from the elements cannot be known before."""
    return one_key(ranges, 1, KEY_RO | KEY_ACCESS)


cdef int stored_radius_keys(const Argument* argv, int argc, int first, KeyRange* ranges) noexcept nogil:
    """Of several STORE and STOREDIST the last one counts, whichever it is."""
    cdef int destination = 0
    cdef int i = first
    while i < argc - 1:
        if argument_is(&argv[i], "STORE") or argument_is(&argv[i], "STOREDIST"):
            i += 1
            destination = i
        i += 1
    one_key(&ranges[0], 1, KEY_RO | KEY_ACCESS)
    return 1 + (one_key(&ranges[1], destination, KEY_OW | KEY_UPDATE) if destination else 0)


cdef int georadius_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    return stored_radius_keys(argv, argc, 6, ranges)


cdef int georadiusbymember_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    return stored_radius_keys(argv, argc, 5, ranges)


cdef int xread_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    """What follows the first STREAMS that is an option, and no group's or consumer's name; of that the first half."""
    cdef int i = 1
    while i < argc - 1:
        if argument_is(&argv[i], "STREAMS"):
            ranges.first = i + 1
            ranges.last = i + (argc - i - 1) // 2
            ranges.step = 1
            ranges.flags = KEY_RO | KEY_ACCESS
            return 1 if ranges.last > i else -1
        if argument_is(&argv[i], "BLOCK") or argument_is(&argv[i], "COUNT"):
            i += 1
        elif argument_is(&argv[i], "GROUP"):
            i += 2
        elif not argument_is(&argv[i], "NOACK"):
            return -1
        i += 1
    return -1


cdef int migrate_keys(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil:
    """MIGRATE moves the one key it names, or with an empty one everything after KEYS; never both."""
    cdef int flags = KEY_RW | KEY_ACCESS | KEY_DELETE
    cdef int i = 6
    while i < argc - 1:
        if argument_is(&argv[i], "KEYS"):
            if argv[3].length:
                return -1
            ranges.first = i + 1
            ranges.last = argc - 1
            ranges.step = 1
            ranges.flags = flags
            return 1
        if argument_is(&argv[i], "AUTH"):
            i += 1
        elif argument_is(&argv[i], "AUTH2"):
            i += 2
        i += 1
    return one_key(ranges, 3, flags)


cdef KeyFinder finder_of(const char* name) noexcept nogil:
    """The function of the command with this full name, or NULL."""
    if strcmp(name, "set") == 0:
        return set_keys
    if strcmp(name, "bitfield") == 0:
        return bitfield_keys
    if strcmp(name, "sort") == 0:
        return sort_keys
    if strcmp(name, "sort_ro") == 0:
        return sort_ro_keys
    if strcmp(name, "georadius") == 0:
        return georadius_keys
    if strcmp(name, "georadiusbymember") == 0:
        return georadiusbymember_keys
    if strcmp(name, "xread") == 0 or strcmp(name, "xreadgroup") == 0:
        return xread_keys
    if strcmp(name, "migrate") == 0:
        return migrate_keys
    return NULL


# --- all keys


cdef int keys_begin(KeyIterator* iterator, const Command* command, const Argument* argv, int argc,
                    bint routed) noexcept nogil:
    cdef int i, found
    iterator.count = 0
    iterator.current = 0
    iterator.at = 0
    if not command.has_keys and not (routed and command.key_specs_count):
        return 0
    if command.find_keys != NULL:
        found = command.find_keys(argv, argc, iterator.ranges)
        if found < 0:
            return -1
        iterator.count = found
    else:
        for i in range(command.key_specs_count):
            if command.key_specs[i].flags & KEY_NOT_KEY and not routed:
                continue
            found = spec_range(&command.key_specs[i], argv, argc, &iterator.ranges[iterator.count])
            if found < 0:
                iterator.count = 0
                return -1
            iterator.count += found
    if iterator.count == 0:
        return -1
    iterator.at = iterator.ranges[0].first
    return 1


cdef int keys_next(KeyIterator* iterator, int* flags) noexcept nogil:
    cdef const KeyRange* keys
    cdef int index
    if iterator.current == iterator.count:
        return 0
    keys = &iterator.ranges[iterator.current]
    index = iterator.at
    flags[0] = keys.flags
    iterator.at += keys.step
    if iterator.at > keys.last:
        iterator.current += 1
        if iterator.current < iterator.count:
            iterator.at = iterator.ranges[iterator.current].first
    return index


# --- databases


cdef void databases_begin(DatabaseIterator* iterator, const Command* command, const Argument* argv,
                          int argc) noexcept nogil:
    cdef int use = command.database_use
    iterator.command = command
    iterator.argv = argv
    iterator.argc = argc
    iterator.selected_too = use != DATABASE_NONE and use != DATABASE_FIRST and use != DATABASE_BOTH
    if use == DATABASE_FIRST or use == DATABASE_BOTH:
        iterator.next = 1
    elif use == DATABASE_SECOND:
        iterator.next = 2
    elif use == DATABASE_OPTION:
        iterator.next = 3
    else:
        iterator.next = argc


cdef bint databases_next(DatabaseIterator* iterator, const Core* core, int selected, int* number,
                         int* index) noexcept nogil:
    cdef int use = iterator.command.database_use
    cdef int64_t given
    cdef int at
    while iterator.next < iterator.argc:
        at = iterator.next
        if use == DATABASE_OPTION:
            # Every DB counts, though the last one has its way. What is no option will be refused.
            if not argument_is(&iterator.argv[at], "DB"):
                iterator.next = at + 1 if argument_is(&iterator.argv[at], "REPLACE") else iterator.argc
                continue
            at += 1
            iterator.next = at + 1
            if at == iterator.argc:
                continue
        else:
            iterator.next = 2 if use == DATABASE_BOTH and at == 1 else iterator.argc
        if parse_int64(iterator.argv[at].data, iterator.argv[at].length, &given) and 0 <= given < core.databases_count:
            number[0] = <int> given
            index[0] = at
            return 1
    if not iterator.selected_too:
        return 0
    iterator.selected_too = 0
    number[0] = -1 if use == DATABASE_EVERY else selected
    index[0] = 0
    return 1


# --- rows


cdef int keys_set(Core* core, Command* command, object row) except -1:
    cdef KeySpec* spec
    cdef bytes word
    specs = parse_key_specs(row.keys)
    if len(specs) > KEY_SPECS_MAX:
        raise ValueError(f"{row.name}: a command has {KEY_SPECS_MAX} key specifications at the most, not {len(specs)}")
    if any(len(parsed.keyword) > KEY_WORD_MAX for parsed in specs):
        raise ValueError(f"{row.name}: a keyword has {KEY_WORD_MAX} bytes at the most")
    command.has_keys = row.has_keys
    command.find_keys = finder_of(command.own_name)
    command.key_specs_count = <int> len(specs)
    command.key_specs = NULL
    if specs:
        command.key_specs = <KeySpec*> heap_zalloc(core.heap, len(specs) * sizeof(KeySpec))
        if command.key_specs == NULL:
            raise MemoryError
    for number, parsed in enumerate(specs):
        spec = &command.key_specs[<int> number]
        spec.flags = parsed.flags
        spec.begin = KEYS_AT if parsed.begin == "index" else KEYS_BEHIND if parsed.begin == "keyword" else KEYS_ANYWHERE
        spec.find = KEYS_COUNTED if parsed.find == "keynum" else KEYS_RANGE
        spec.start, spec.last, spec.step, spec.limit = parsed.index, parsed.last, parsed.step, parsed.limit
        spec.count_at, spec.first = parsed.keynum, parsed.first
        word = parsed.keyword.upper().encode()
        memcpy(spec.word, <char*> word, len(word))
    return 0


cdef void keys_release(Core* core, Command* command) noexcept nogil:
    if command.key_specs != NULL:
        heap_free(core.heap, command.key_specs, command.key_specs_count * sizeof(KeySpec))
        command.key_specs = NULL


# --- the assertion of checked builds


cdef bint is_this(const Argument* argument, const char* key, size_t length) noexcept nogil:
    return argument.length == length and memcmp(argument.data, key, length) == 0


cdef bint names_key(Core* core, const Client* client, const char* key, size_t length, bint changes) noexcept nogil:
    cdef KeyIterator iterator
    cdef const KeyRange* keys
    cdef int i, at
    cdef int hint = core.key_hint
    if keys_begin(&iterator, client.command, client.argv, client.argc, 0) < 0:
        return 0
    # Twice: first about where the last key was, as of a million keys each would be searched for from the start.
    for i in range(2 * iterator.count):
        keys = &iterator.ranges[i >> 1]
        # RW alone: it changes how the value is kept, and not what it says (PFCOUNT).
        if changes and not (key_needs(keys.flags) & ACCESS_WRITE or keys.flags & KEY_RW):
            continue
        at = keys.first
        if i & 1 == 0:
            if not keys.first <= hint <= keys.last:
                continue
            at = hint - (hint - keys.first) % keys.step
        while at <= keys.last and (i & 1 or at <= hint + HINT_REACH):
            if is_this(&client.argv[at], key, length):
                core.key_hint = at
                return 1
            at += keys.step
    return 0


cdef bint touches_database(const Core* core, const Client* client, int number) noexcept nogil:
    cdef DatabaseIterator iterator
    cdef int touched, index
    databases_begin(&iterator, client.command, client.argv, client.argc)
    while databases_next(&iterator, core, client.database.id, &touched, &index):
        if touched < 0 or touched == number:
            return 1
    return 0


cdef bint keys_hold(Core* core, const Database* database, const char* key, size_t length, bint changes) noexcept nogil:
    cdef const Client* client = core.executing
    cdef const Command* command = client.command
    cdef int i
    if not command.has_keys and command.flags & (COMMAND_ARBITRARY_KEYS | COMMAND_ADMIN):
        return 1
    if not touches_database(core, client, database.id):
        return 0
    for i in range(0 if changes else command.key_specs_count):
        # What SORT derives from elements: it has asked for permission to read all keys.
        if command.key_specs[i].begin == KEYS_ANYWHERE and command.key_specs[i].flags & KEY_ACCESS:
            return 1
    return names_key(core, client, key, length, changes)
