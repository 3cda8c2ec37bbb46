"""The value of a set, whatever its encoding; the contract is in set_value.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.state.core cimport Core, random_below
from redislite._core.structures.dict cimport (
    dict_find, dict_hash, dict_init, dict_insert, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_random,
    dict_release_step, dict_remove, dict_reserve, dict_size, dict_table_bytes,
)
from redislite._core.structures.intset cimport (
    intset, intset_add, intset_copy, intset_find, intset_free, intset_get, intset_length, intset_memory, intset_new,
    intset_remove, intset_remove_range,
)
from redislite._core.structures.listpack cimport (
    LISTPACK_MAX_BYTES, listpack, listpack_append, listpack_append_integer, listpack_bytes, listpack_copy,
    listpack_delete, listpack_find, listpack_first, listpack_free, listpack_get, listpack_length, listpack_memory,
    listpack_new, listpack_next, listpack_seek, listpack_value_bytes,
)
from redislite._core.structures.release cimport Release, release_begin, release_block
from redislite._core.text.encodings cimport ENCODING_HASHTABLE, ENCODING_INTSET, ENCODING_LISTPACK
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64, parse_int64
from redislite._core.text.siphash cimport siphash_1_3

cdef extern from *:
    """
    #define SET_PREFETCH(address) __builtin_prefetch((const void *) (address))
    """
    void prefetch "SET_PREFETCH"(const void* address) noexcept nogil

cdef enum:
    INTSET_MAX_ENTRIES = 1 << 30    # whatever the setting says


cdef inline bint read_integer(const char* data, size_t length, int64_t* integer) noexcept nogil:
    """parse_int64, without the call for what cannot be a number."""
    return (0 < length <= INTEGER_TEXT_MAX and (c'0' <= data[0] <= c'9' or data[0] == c'-')
            and parse_int64(data, length, integer))


cdef inline size_t intset_entries_max(const Core* core) noexcept nogil:
    return <size_t> min(core.settings.set_max_intset_entries, <int64_t> INTSET_MAX_ENTRIES)


cdef inline size_t listpack_entries_max(const Core* core) noexcept nogil:
    return <size_t> core.settings.set_max_listpack_entries


cdef char* set_member_text(const SetMember* member, char* buffer, size_t* length) noexcept nogil:
    if member.data != NULL:
        length[0] = member.length
        return member.data
    length[0] = format_int64(buffer, member.integer)
    return buffer


# Hashtables

cdef SetTable* table_new(Heap* heap, const uint64_t* seed, size_t expected) noexcept nogil:
    cdef SetTable* table = <SetTable*> heap_alloc(heap, sizeof(SetTable))
    if table == NULL:
        return NULL
    dict_init(&table.members, heap, seed, 0)
    table.member_bytes = 0
    if expected and dict_reserve(&table.members, expected) != 0:
        heap_free(heap, table, sizeof(SetTable))
        return NULL
    return table


cdef inline size_t block_size(const void* block) noexcept nogil:
    cdef size_t length
    prefixed_read(<const char*> block, &length)
    return prefixed_size(length)


cdef void release_member(void* step, void* block) noexcept nogil:
    release_block(<Release*> step, block, block_size(block))


cdef int set_table_put(SetTable* table, void* block, uint64_t hash) noexcept nogil:
    if dict_insert(&table.members, block, hash) != 0:
        return -1
    table.member_bytes += heap_footprint(block_size(block))
    return 0


cdef int table_insert(SetTable* table, const char* data, size_t length, uint64_t hash) noexcept nogil:
    """Adds a member that is not there. 1, or -1 where memory is out."""
    cdef Heap* heap = table.members.heap
    cdef char* block = <char*> heap_alloc(heap, prefixed_size(length))
    if block == NULL:
        return -1
    prefixed_write(block, data, length)
    if set_table_put(table, block, hash) != 0:
        heap_free(heap, block, prefixed_size(length))
        return -1
    return 1


cdef inline int table_add(SetTable* table, const char* data, size_t length) noexcept nogil:
    cdef uint64_t hash = dict_hash(&table.members, data, length)
    if dict_find(&table.members, data, length, hash) != NULL:
        return 0
    return table_insert(table, data, length, hash)


cdef inline int table_remove(SetTable* table, const char* data, size_t length) noexcept nogil:
    cdef void* block = dict_remove(&table.members, data, length, dict_hash(&table.members, data, length))
    if block == NULL:
        return 0
    table.member_bytes -= heap_footprint(block_size(block))
    heap_free(table.members.heap, block, block_size(block))
    return 1


# Whole sets

cdef int set_new_encoded(Core* core, SetValue* value, int encoding) noexcept nogil:
    value.encoding = encoding
    if encoding == ENCODING_INTSET:
        value.block = intset_new(core.heap)
    elif encoding == ENCODING_LISTPACK:
        value.block = listpack_new(core.heap)
    else:
        value.block = table_new(core.heap, core.seed, 0)
    return 0 if value.block != NULL else -1


cdef int set_new(Core* core, SetValue* value, const char* data, size_t length, size_t expected) noexcept nogil:
    cdef int64_t integer
    if expected <= intset_entries_max(core) and read_integer(data, length, &integer):
        return set_new_encoded(core, value, ENCODING_INTSET)
    if expected <= listpack_entries_max(core):
        return set_new_encoded(core, value, ENCODING_LISTPACK)
    value.encoding = ENCODING_HASHTABLE
    value.block = table_new(core.heap, core.seed, expected)
    return 0 if value.block != NULL else -1


cdef void set_free(Heap* heap, SetValue* value) noexcept nogil:
    cdef Release step
    release_begin(&step, heap, ~<size_t> 0)
    set_release_step(&step, value)


cdef bint set_release_step(Release* step, SetValue* value) noexcept nogil:
    cdef SetTable* table
    if value.encoding == ENCODING_INTSET:
        intset_free(step.heap, <intset> value.block)
    elif value.encoding == ENCODING_LISTPACK:
        listpack_free(step.heap, <listpack> value.block)
    else:
        table = <SetTable*> value.block
        if dict_release_step(&table.members, release_member, step, &step.budget):
            return 1
        heap_free(step.heap, table, sizeof(SetTable))
    return 0


cdef size_t set_length(const SetValue* value) noexcept nogil:
    if value.encoding == ENCODING_INTSET:
        return intset_length(<intset> value.block)
    if value.encoding == ENCODING_LISTPACK:
        return listpack_length(<listpack> value.block)
    return dict_size(&(<SetTable*> value.block).members)


cdef size_t set_memory(const SetValue* value) noexcept nogil:
    cdef SetTable* table
    if value.encoding == ENCODING_INTSET:
        return intset_memory(<intset> value.block)
    if value.encoding == ENCODING_LISTPACK:
        return listpack_memory(<listpack> value.block)
    table = <SetTable*> value.block
    return heap_footprint(sizeof(SetTable)) + dict_table_bytes(&table.members) + table.member_bytes


cdef int set_copy(Heap* heap, const SetValue* value, SetValue* copy) noexcept nogil:
    cdef SetIterator iterator
    cdef SetMember member
    cdef SetTable* source
    cdef SetTable* target
    copy.encoding = value.encoding
    if value.encoding == ENCODING_INTSET:
        copy.block = intset_copy(heap, <intset> value.block)
        return 0 if copy.block != NULL else -1
    if value.encoding == ENCODING_LISTPACK:
        copy.block = listpack_copy(heap, <listpack> value.block)
        return 0 if copy.block != NULL else -1
    source = <SetTable*> value.block
    target = table_new(heap, source.members.seed, dict_size(&source.members))
    copy.block = target
    if target == NULL:
        return -1
    member.length = 0
    set_iterate_begin(&iterator, value)
    while set_iterate_next(&iterator, &member):
        if table_insert(target, member.data, member.length,
                        dict_hash(&target.members, member.data, member.length)) < 0:
            set_iterate_end(&iterator)
            set_free(heap, copy)
            return -1
    set_iterate_end(&iterator)
    return 0


# Members

cdef bint set_has(const SetValue* value, const char* data, size_t length) noexcept nogil:
    cdef SetTable* table
    cdef listpack pack
    cdef int64_t integer
    if value.encoding == ENCODING_HASHTABLE:
        table = <SetTable*> value.block
        return dict_find(&table.members, data, length, dict_hash(&table.members, data, length)) != NULL
    if value.encoding == ENCODING_LISTPACK:
        pack = <listpack> value.block
        return listpack_find(pack, listpack_first(pack), data, length, 0) != NULL
    return read_integer(data, length, &integer) and intset_find(<intset> value.block, integer)


cdef uint64_t set_member_hash(Core* core, const SetMember* member) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef size_t length
    cdef char* text = set_member_text(member, buffer, &length)
    return siphash_1_3(core.seed, text, length)


cdef bint set_has_member(const SetValue* value, const SetMember* member, uint64_t hash) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef size_t length
    cdef char* text
    if value.encoding == ENCODING_INTSET and member.data == NULL:
        return intset_find(<intset> value.block, member.integer)
    text = set_member_text(member, buffer, &length)
    if value.encoding == ENCODING_HASHTABLE:
        return dict_find(&(<SetTable*> value.block).members, text, length, hash) != NULL
    return set_has(value, text, length)


cdef int set_convert(Core* core, SetValue* value, size_t expected) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef SetIterator iterator
    cdef SetMember member
    cdef SetValue converted
    cdef SetTable* table
    cdef size_t length
    cdef char* text
    if value.encoding == ENCODING_HASHTABLE:
        return 0
    table = table_new(core.heap, core.seed, max(expected, set_length(value)))
    if table == NULL:
        return -1
    converted.encoding = ENCODING_HASHTABLE
    converted.block = table
    set_iterate_begin(&iterator, value)
    while set_iterate_next(&iterator, &member):
        text = set_member_text(&member, buffer, &length)
        if table_insert(table, text, length, dict_hash(&table.members, text, length)) < 0:
            set_free(core.heap, &converted)
            return -1
    set_free(core.heap, value)
    value[0] = converted
    return 0


cdef int set_expect(Core* core, SetValue* value, size_t expected) noexcept nogil:
    if (value.encoding == ENCODING_LISTPACK and expected > listpack_entries_max(core)) or \
            (value.encoding == ENCODING_INTSET and expected > intset_entries_max(core)):
        return set_convert(core, value, expected)
    return 0


cdef int intset_to_listpack(Core* core, SetValue* value) noexcept nogil:
    cdef intset ints = <intset> value.block
    cdef listpack pack = listpack_new(core.heap)
    cdef listpack moved
    cdef uint32_t i
    if pack == NULL:
        return -1
    for i in range(intset_length(ints)):
        moved = listpack_append_integer(core.heap, pack, intset_get(ints, i))
        if moved == NULL:
            listpack_free(core.heap, pack)
            return -1
        pack = moved
    intset_free(core.heap, ints)
    value.encoding = ENCODING_LISTPACK
    value.block = pack
    return 0


cdef bint fits_listpack(const Core* core, const intset ints, size_t length) noexcept nogil:
    """Whether a listpack can hold these integers and one more member of this length."""
    cdef char buffer[SET_MEMBER_TEXT]
    cdef uint32_t count = intset_length(ints)
    cdef size_t longest = 0
    if count:
        longest = max(format_int64(buffer, intset_get(ints, 0)), format_int64(buffer, intset_get(ints, count - 1)))
    return (count < listpack_entries_max(core) and <int64_t> length <= core.settings.set_max_listpack_value
            and <int64_t> longest <= core.settings.set_max_listpack_value
            and length + <size_t> count * 11 + 32 <= LISTPACK_MAX_BYTES)


cdef int add_integer(Core* core, SetValue* value, int64_t integer) noexcept nogil:
    """Adds to an intset."""
    cdef bint added = 0
    cdef intset ints = intset_add(core.heap, <intset> value.block, integer, &added)
    if ints == NULL:
        return -1
    value.block = ints
    if added and intset_length(ints) > intset_entries_max(core):
        # Where memory is out it stays what it is, and that is well too.
        set_convert(core, value, 0)
    return added


cdef int add_to_listpack(Core* core, SetValue* value, const char* data, size_t length) noexcept nogil:
    cdef listpack pack = <listpack> value.block
    if listpack_find(pack, listpack_first(pack), data, length, 0) != NULL:
        return 0
    if listpack_length(pack) < listpack_entries_max(core) \
            and <int64_t> length <= core.settings.set_max_listpack_value \
            and listpack_bytes(pack) + listpack_value_bytes(data, length) <= LISTPACK_MAX_BYTES:
        pack = listpack_append(core.heap, pack, data, length)
        if pack == NULL:
            return -1
        value.block = pack
        return 1
    if set_convert(core, value, listpack_length(pack) + 1) != 0:
        return -1
    return table_add(<SetTable*> value.block, data, length)


cdef int set_add(Core* core, SetValue* value, const char* data, size_t length) noexcept nogil:
    cdef int64_t integer
    cdef listpack pack
    if value.encoding == ENCODING_HASHTABLE:
        return table_add(<SetTable*> value.block, data, length)
    if value.encoding == ENCODING_LISTPACK:
        return add_to_listpack(core, value, data, length)
    if read_integer(data, length, &integer):
        return add_integer(core, value, integer)
    if not fits_listpack(core, <intset> value.block, length):
        if set_convert(core, value, set_length(value) + 1) != 0:
            return -1
        return table_add(<SetTable*> value.block, data, length)
    if intset_to_listpack(core, value) != 0:
        return -1
    pack = listpack_append(core.heap, <listpack> value.block, data, length)
    if pack == NULL:
        return -1
    value.block = pack
    return 1


cdef int set_add_member(Core* core, SetValue* value, const SetMember* member) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef size_t length
    cdef char* text
    if member.data == NULL and value.encoding == ENCODING_INTSET:
        return add_integer(core, value, member.integer)
    text = set_member_text(member, buffer, &length)
    return set_add(core, value, text, length)


cdef int remove_integer(Core* core, SetValue* value, int64_t integer) noexcept nogil:
    """Removes from an intset."""
    cdef bint removed = 0
    cdef intset ints = intset_remove(core.heap, <intset> value.block, integer, &removed)
    if ints == NULL:
        return -1
    value.block = ints
    return removed


cdef int set_remove(Core* core, SetValue* value, const char* data, size_t length) noexcept nogil:
    cdef int64_t integer
    cdef listpack pack
    cdef uint8_t* entry
    if value.encoding == ENCODING_HASHTABLE:
        return table_remove(<SetTable*> value.block, data, length)
    if value.encoding == ENCODING_INTSET:
        return remove_integer(core, value, integer) if read_integer(data, length, &integer) else 0
    pack = <listpack> value.block
    entry = listpack_find(pack, listpack_first(pack), data, length, 0)
    if entry == NULL:
        return 0
    pack = listpack_delete(core.heap, pack, &entry)
    if pack == NULL:
        return -1
    value.block = pack
    return 1


cdef int set_remove_member(Core* core, SetValue* value, const SetMember* member) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef size_t length
    cdef char* text
    if member.data == NULL and value.encoding == ENCODING_INTSET:
        return remove_integer(core, value, member.integer)
    text = set_member_text(member, buffer, &length)
    return set_remove(core, value, text, length)


cdef int set_to_integers(Core* core, SetValue* value) noexcept nogil:
    cdef SetIterator iterator
    cdef SetMember member
    cdef SetValue converted
    cdef intset ints
    cdef bint added
    if value.encoding == ENCODING_INTSET or set_length(value) > intset_entries_max(core):
        return 0
    if set_new_encoded(core, &converted, ENCODING_INTSET) != 0:
        return -1
    set_iterate_begin(&iterator, value)
    while set_iterate_next(&iterator, &member):
        if member.data != NULL and not read_integer(member.data, member.length, &member.integer):
            set_iterate_end(&iterator)
            set_free(core.heap, &converted)
            return 0
        ints = intset_add(core.heap, <intset> converted.block, member.integer, &added)
        if ints == NULL:
            set_iterate_end(&iterator)
            set_free(core.heap, &converted)
            return -1
        converted.block = ints
    set_iterate_end(&iterator)
    set_free(core.heap, value)
    value[0] = converted
    return 0


cdef int set_append(Core* core, SetValue* value, const SetMember* member) noexcept nogil:
    cdef char buffer[SET_MEMBER_TEXT]
    cdef SetTable* table
    cdef void* block
    cdef bint added
    cdef size_t length
    cdef char* text
    if value.encoding == ENCODING_INTSET:
        block = intset_add(core.heap, <intset> value.block, member.integer, &added)
    elif value.encoding == ENCODING_LISTPACK:
        if member.data == NULL:
            block = listpack_append_integer(core.heap, <listpack> value.block, member.integer)
        else:
            block = listpack_append(core.heap, <listpack> value.block, member.data, member.length)
    else:
        table = <SetTable*> value.block
        text = set_member_text(member, buffer, &length)
        return 0 if table_insert(table, text, length, dict_hash(&table.members, text, length)) > 0 else -1
    if block == NULL:
        return -1
    value.block = block
    return 0


cdef void set_random(Core* core, const SetValue* value, SetMember* member, size_t* place) noexcept nogil:
    cdef listpack pack
    cdef uint8_t* entry
    cdef intset ints
    if value.encoding == ENCODING_HASHTABLE:
        member.data = prefixed_read(<const char*> dict_random(&(<SetTable*> value.block).members, &core.random),
                                    &member.length)
    elif value.encoding == ENCODING_LISTPACK:
        pack = <listpack> value.block
        entry = listpack_seek(pack, <int64_t> random_below(&core.random, listpack_length(pack)))
        listpack_get(entry, member)
        place[0] = entry - pack
    else:
        ints = <intset> value.block
        place[0] = <size_t> random_below(&core.random, intset_length(ints))
        member.data = NULL
        member.integer = intset_get(ints, <uint32_t> place[0])


cdef int set_remove_at(Core* core, SetValue* value, const SetMember* member, size_t place) noexcept nogil:
    cdef uint8_t* entry
    cdef void* block
    if value.encoding == ENCODING_HASHTABLE:
        table_remove(<SetTable*> value.block, member.data, member.length)
        return 0
    if value.encoding == ENCODING_LISTPACK:
        entry = <uint8_t*> value.block + place
        block = listpack_delete(core.heap, <listpack> value.block, &entry)
    else:
        block = intset_remove_range(core.heap, <intset> value.block, <uint32_t> place, 1)
    if block == NULL:
        return -1
    value.block = block
    return 0


# Iteration

cdef void set_iterate_begin(SetIterator* iterator, const SetValue* value) noexcept nogil:
    iterator.value = value
    if value.encoding == ENCODING_LISTPACK:
        iterator.entry = listpack_first(<listpack> value.block)
    elif value.encoding == ENCODING_INTSET:
        iterator.index = 0
    else:
        iterator.ahead_count = 0
        iterator.ahead_next = 0
        dict_iterate_begin(&iterator.dictionary, &(<SetTable*> value.block).members)


cdef bint fill_ahead(SetIterator* iterator) noexcept nogil:
    """Takes the next members of a hashtable and asks the processor for all of them at once."""
    cdef int count = 0
    cdef void* block
    while count < SET_AHEAD:
        block = dict_iterate_next(&iterator.dictionary)
        if block == NULL:
            break
        prefetch(block)
        iterator.ahead[count] = block
        count += 1
    iterator.ahead_count = count
    iterator.ahead_next = 0
    return count != 0


cdef bint set_iterate_next(SetIterator* iterator, SetMember* member) noexcept nogil:
    cdef intset ints
    if iterator.value.encoding == ENCODING_HASHTABLE:
        if iterator.ahead_next == iterator.ahead_count and not fill_ahead(iterator):
            return 0
        member.data = prefixed_read(<const char*> iterator.ahead[iterator.ahead_next], &member.length)
        iterator.ahead_next += 1
        return 1
    if iterator.value.encoding == ENCODING_LISTPACK:
        if iterator.entry == NULL:
            return 0
        listpack_get(iterator.entry, member)
        iterator.entry = listpack_next(<listpack> iterator.value.block, iterator.entry)
        return 1
    ints = <intset> iterator.value.block
    if iterator.index == intset_length(ints):
        return 0
    member.data = NULL
    member.integer = intset_get(ints, iterator.index)
    iterator.index += 1
    return 1


cdef void set_iterate_end(SetIterator* iterator) noexcept nogil:
    if iterator.value.encoding == ENCODING_HASHTABLE:
        dict_iterate_end(&iterator.dictionary)
