"""What users may do; the contract is in permissions.pxd."""
cimport cython
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memcmp
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.commands.command_keys cimport (
    ACCESS_READ, DatabaseIterator, KeyIterator, databases_begin, databases_next, key_needs, keys_begin, keys_next,
)
from redislite._core.commands.table cimport command_resolve
from redislite._core.dispatch.upcalls cimport upcall_failed
from redislite._core.protocol.decoding cimport arguments_of
from redislite._core.protocol.reply cimport reply_error, reply_error_bytes
from redislite._core.state.core cimport Argument, Client, Command, Core
from redislite._core.state.flags cimport CLIENT_IN_EXEC, COMMAND_NO_AUTH
from redislite._core.text.glob cimport glob_match


# --- databases


cdef inline bint database_allowed(const Selector* selector, int number) noexcept nogil:
    cdef int i
    for i in range(selector.databases_count):
        if selector.databases[i] == number:
            return 1
    return 0


cdef int denied_database(Core* core, const Selector* selector, const Command* command, const Argument* argv, int argc,
                         int selected) noexcept nogil:
    """Index of the argument that asks for a database that is not allowed, 0 for the selected one; -1: none does."""
    cdef DatabaseIterator iterator
    cdef int number, index
    databases_begin(&iterator, command, argv, argc)
    while databases_next(&iterator, core, selected, &number, &index):
        if number < 0 or not database_allowed(selector, number):
            return index
    return -1


# --- commands


cdef bint same_word(const char* one, const Argument* other) noexcept nogil:
    cdef size_t i
    cdef char a, b
    for i in range(other.length):
        a = one[i]
        b = other.data[i]
        if c'A' <= a <= c'Z':
            a = <char> (a | 0x20)
        if c'A' <= b <= c'Z':
            b = <char> (b | 0x20)
        if a != b:
            return 0
    return 1


cdef bint command_allowed(const Selector* selector, const Command* command, const Argument* argv,
                          int argc) noexcept nogil:
    cdef const FirstArgument* first
    cdef int i
    if command.flags & COMMAND_NO_AUTH:
        return 1
    if command.id < selector.commands_count and selector.commands[command.id >> 3] & 1 << (command.id & 7):
        return 1
    if argc > 1:
        for i in range(selector.first_arguments_count):
            first = &selector.first_arguments[i]
            if first.command == command.id and first.length == argv[1].length and same_word(first.data, &argv[1]):
                return 1
    return 0


# --- keys and channels


cdef bint pattern_allowed(const AccessPattern* patterns, int count, const char* data, size_t length, int needs,
                          bint literally) noexcept nogil:
    cdef const AccessPattern* pattern
    cdef int i
    for i in range(count):
        pattern = &patterns[i]
        if (pattern.allows & needs) != needs:
            continue
        if literally:
            if pattern.length == length and memcmp(pattern.data, data, length) == 0:
                return 1
        elif glob_match(pattern.data, pattern.length, data, length, 0):
            return 1
    return 0


cdef int denied_key(const Selector* selector, const Command* command, const Argument* argv, int argc) noexcept nogil:
    """Index of the first key that is not allowed, 0 where there is none."""
    cdef KeyIterator iterator
    cdef int index, flags
    if keys_begin(&iterator, command, argv, argc, 0) <= 0:
        return 0
    index = keys_next(&iterator, &flags)
    while index and pattern_allowed(selector.keys, selector.keys_count, argv[index].data, argv[index].length,
                                    key_needs(flags), 0):
        index = keys_next(&iterator, &flags)
    return index


cdef int denied_channel(const Selector* selector, const Command* command, const Argument* argv,
                        int argc) noexcept nogil:
    """Index of the first channel that is not allowed, 0 where there is none."""
    cdef int i
    cdef int end = 2 if command.channels == CHANNELS_FIRST else argc
    for i in range(1, end):
        if not pattern_allowed(selector.channels, selector.channels_count, argv[i].data, argv[i].length, 0,
                               command.channels == CHANNELS_PATTERNS):
            return i
    return 0


# --- all of it


cdef int selector_check(Core* core, const Selector* selector, const Command* command, const Argument* argv, int argc,
                        int selected, int* index) noexcept nogil:
    index[0] = 0
    if not selector.all_databases:
        index[0] = denied_database(core, selector, command, argv, argc, selected)
        if index[0] >= 0:
            return DENIED_DATABASE
    if not selector.all_commands and not command_allowed(selector, command, argv, argc):
        index[0] = 0
        return DENIED_COMMAND
    if not selector.all_keys and command.has_keys:
        index[0] = denied_key(selector, command, argv, argc)
        if index[0] > 0:
            return DENIED_KEY
    if not selector.all_channels and command.channels:
        index[0] = denied_channel(selector, command, argv, argc)
        if index[0]:
            return DENIED_CHANNEL
    return ALLOWED


cdef int rules_check(Core* core, const UserRules* rules, const Command* command, const Argument* argv, int argc,
                     int selected, int* index) noexcept nogil:
    """ALLOWED, or the reason why no selector allows the command, and the argument that it is about."""
    cdef int reason = ALLOWED if rules.selectors_count else DENIED_COMMAND
    cdef int found, at, i
    index[0] = 0
    for i in range(rules.selectors_count):
        found = selector_check(core, &rules.selectors[i], command, argv, argc, selected, &at)
        if found == ALLOWED:
            index[0] = 0
            return ALLOWED
        if found > reason or (found == reason and at > index[0]):
            reason = found
            index[0] = at
    return reason


cdef void deny(Core* core, Client* client, Command* command, int reason, int index) noexcept with gil:
    cdef bytes text
    try:
        if not client.flags & CLIENT_IN_EXEC:
            client.command = command    # what others see as the client's last command
        text = (<object> core.engine).on_denied(
            <object> client.connection, <object> command.row, reason,
            client.argv[index].data[:client.argv[index].length])
        if command.is_exec:
            text = b"EXECABORT Transaction discarded because of: " + text
        reply_error_bytes(&client.reply, text, len(text))
    except BaseException as error:
        reply_error(&client.reply,
                    "EXECABORT Transaction discarded because of: NOPERM" if command.is_exec else "NOPERM")
        upcall_failed(core, error)


cdef bint permissions_admit(Core* core, Client* client, Command* command) noexcept nogil:
    cdef int index
    cdef int database = client.database.id
    cdef int reason
    if client.transaction != NULL and not client.flags & CLIENT_IN_EXEC:
        # It is executed behind what is queued already, and judged once more then.
        database = client.transaction.database
    reason = rules_check(core, <UserRules*> client.user, command, client.argv, client.argc, database, &index)
    if reason == ALLOWED:
        return 1
    deny(core, client, command, reason, index)
    return 0


cdef bint permissions_allow(Core* core, const Client* client, const Command* command, const Argument* argv,
                            int argc) noexcept nogil:
    cdef int index
    return client.user == NULL or rules_check(core, <UserRules*> client.user, command, argv, argc, client.database.id,
                                              &index) == ALLOWED


cdef bint permissions_read_every_key(Core* core, Client* client, Command* command) noexcept nogil:
    cdef const UserRules* rules = <UserRules*> client.user
    cdef const Selector* selector
    cdef int i, k, index
    if rules == NULL or rules.is_unrestricted:
        return 1
    for i in range(rules.selectors_count):
        selector = &rules.selectors[i]
        if selector_check(core, selector, command, client.argv, client.argc, client.database.id, &index) != ALLOWED:
            continue
        if selector.all_keys:
            return 1
        for k in range(selector.keys_count):
            if selector.keys[k].is_all and selector.keys[k].allows & ACCESS_READ:
                return 1
    return 0


# --- compiling


cdef size_t place(size_t* used, size_t bytes) noexcept nogil:
    """Offset of that many bytes in a block that is being laid out."""
    cdef size_t offset = used[0]
    used[0] += (bytes + 7) & ~<size_t> 7
    return offset


@cython.no_gc_clear
cdef class Permissions:
    """What one user may do, as the data plane checks it; nothing at first. Made by its engine, and of no use to
    another."""

    def __dealloc__(self) -> None:
        if self.rules.selectors != NULL:
            heap_free(self.core.heap, self.rules.selectors, self.rules.size)

    cdef int _check_made(self) except -1:
        if self.core == NULL:
            raise RuntimeError("permissions are made by Engine.new_permissions")
        return 0

    @property
    def is_unrestricted(self) -> bool:
        """Whether everything is allowed, so that nothing needs to be checked."""
        return self.rules.is_unrestricted

    def replace(self, list selectors not None) -> None:
        """Takes other rules: of each selector (commands, first_arguments, keys, channels, databases).

        commands: a bit per id, as bytes, or None for all. first_arguments: pairs of a command's id and a word. keys:
        pairs of a pattern and ACCESS_* bits, or None for all. channels: patterns, or None. databases: numbers, or None.
        Clients of the user are to be given the rules anew (Connection.use_permissions). MemoryError, nothing changed.
        """
        cdef size_t used = 0
        cdef UserRules rules
        cdef char* block
        cdef list kept = []
        cdef list wanted = [
            (commands, tuple(first_arguments), None if keys is None else tuple(keys),
             None if channels is None else tuple(channels), None if databases is None else tuple(databases))
            for commands, first_arguments, keys, channels, databases in selectors
        ]
        self._check_made()
        place(&used, len(wanted) * sizeof(Selector))
        for commands, first_arguments, keys, channels, databases in wanted:
            place(&used, len(commands or b""))
            place(&used, len(first_arguments) * sizeof(FirstArgument))
            place(&used, len(keys or ()) * sizeof(AccessPattern))
            place(&used, len(channels or ()) * sizeof(AccessPattern))
            place(&used, len(databases or ()) * sizeof(int32_t))
        block = <char*> heap_zalloc(self.core.heap, used)
        if block == NULL:
            raise MemoryError
        rules.selectors = <Selector*> block
        rules.selectors_count = <int> len(wanted)
        rules.size = used
        rules.is_unrestricted = 0
        try:
            self._fill(&rules, wanted, kept)
        except BaseException:
            heap_free(self.core.heap, block, rules.size)
            raise
        if self.rules.selectors != NULL:
            heap_free(self.core.heap, self.rules.selectors, self.rules.size)
        self.rules = rules
        self.kept = kept

    cdef int _fill(self, UserRules* rules, list selectors, list kept) except -1:
        """Lays the selectors out in the block of the rules, which is zero."""
        cdef size_t used = 0
        cdef char* block = <char*> rules.selectors
        cdef Selector* selector
        cdef int i
        place(&used, len(selectors) * sizeof(Selector))
        for i in range(rules.selectors_count):
            selector = &rules.selectors[i]
            commands, first_arguments, keys, channels, databases = selectors[i]
            used = self._fill_commands(selector, block, used, commands, first_arguments, kept)
            selector.all_keys = keys is None
            selector.keys_count = <int> len(keys or ())
            selector.keys = <AccessPattern*> (block + place(&used, selector.keys_count * sizeof(AccessPattern)))
            fill_patterns(selector.keys, keys or (), kept)
            selector.all_channels = channels is None
            selector.channels_count = <int> len(channels or ())
            selector.channels = <AccessPattern*> (block + place(&used, selector.channels_count * sizeof(AccessPattern)))
            fill_patterns(selector.channels, [(pattern, 0) for pattern in channels or ()], kept)
            selector.all_databases = databases is None
            selector.databases_count = <int> len(databases or ())
            selector.databases = <int32_t*> (block + place(&used, selector.databases_count * sizeof(int32_t)))
            for number, database in enumerate(databases or ()):
                selector.databases[<int> number] = database
            if selector.all_commands and selector.all_keys and selector.all_channels and selector.all_databases:
                rules.is_unrestricted = 1
        return 0

    cdef size_t _fill_commands(self, Selector* selector, char* block, size_t used, object commands,
                               object first_arguments,
                               list kept) except 0:
        cdef bytes bits = commands if commands is not None else b""
        cdef bytes word
        cdef FirstArgument* first
        cdef int i
        selector.all_commands = commands is None
        selector.commands_count = <int> len(bits) * 8
        selector.commands = <uint8_t*> (block + place(&used, len(bits)))
        for i in range(<int> len(bits)):
            selector.commands[i] = bits[i]
        selector.first_arguments_count = <int> len(first_arguments)
        selector.first_arguments = <FirstArgument*> (
            block + place(&used, selector.first_arguments_count * sizeof(FirstArgument)))
        for i in range(selector.first_arguments_count):
            first = &selector.first_arguments[i]
            first.command, word = first_arguments[i]
            kept.append(word)
            first.data = word
            first.length = len(word)
        return used

    def check(self, list arguments not None, int database) -> tuple[int, int]:
        """What a command would be told: ALLOWED or DENIED_*, and the index of the argument that it is about. Its arity
        is right; database is the number of the selected one. KeyError where there is no such command."""
        cdef Argument* argv
        cdef Command* command
        cdef int reason, index
        self._check_made()
        argv = arguments_of(self.core.heap, arguments)
        try:
            command = command_resolve(self.core, argv, <int> len(arguments), NULL)
            if command == NULL:
                raise KeyError(arguments[0])
            reason = rules_check(self.core, &self.rules, command, argv, <int> len(arguments), database, &index)
        finally:
            heap_free(self.core.heap, argv, len(arguments) * sizeof(Argument))
        return reason, index

    def allows_channel(self, bytes channel not None, bint is_pattern) -> bool:
        """Whether some selector allows to subscribe to the channel, or the pattern of channels."""
        cdef Selector* selector
        cdef int i
        for i in range(self.rules.selectors_count):
            selector = &self.rules.selectors[i]
            if selector.all_channels or pattern_allowed(selector.channels, selector.channels_count, channel,
                                                        len(channel), 0,
                                                        is_pattern):
                return True
        return False


cdef int fill_patterns(AccessPattern* patterns, object source, list kept) except -1:
    cdef bytes pattern
    cdef int i = 0
    for pattern, allows in source:
        kept.append(pattern)
        patterns[i].data = pattern
        patterns[i].length = len(pattern)
        patterns[i].allows = allows
        patterns[i].is_all = pattern == b"*"
        i += 1
    return 0
