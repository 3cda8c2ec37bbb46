"""Reading values in the RDB format; the contract is in rdb_values.pxd."""
from libc.math cimport INFINITY, NAN, isnan
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from redislite._core.base.alloc cimport Heap, heap_free, heap_zalloc
from redislite._core.base.growth cimport growth_size
from redislite._core.base.prefixed cimport prefixed_size, prefixed_write
from redislite._core.base.sds cimport sds, sds_free, sds_new
from redislite._core.keyspace.entry cimport (
    ENCODING_INT, ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_QUICKLIST, ENCODING_RAW, ENCODING_SKIPLIST,
    ENCODING_STREAM, INLINE_MAX, TYPE_HASH, TYPE_LIST, TYPE_MODULE, TYPE_SET, TYPE_SORTED_SET, TYPE_STREAM, TYPE_STRING,
    entry_new, entry_set_integer, entry_set_pointer, entry_value, string_encoding,
)
from redislite._core.text.rdb_format cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_LISTPACK_TIMED, RDB_HASH_LISTPACK_TIMED_EARLY, RDB_HASH_TIMED,
    RDB_HASH_TIMED_EARLY, RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2,
    RDB_LIST_ZIPLIST, RDB_MODULE_2, RDB_NODE_PACKED, RDB_NODE_PLAIN, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK,
    RDB_SORTED_SET, RDB_SORTED_SET_2, RDB_SORTED_SET_LISTPACK, RDB_SORTED_SET_ZIPLIST, RDB_STREAM, RDB_STREAM_2,
    RDB_STREAM_3, RDB_STRING, RDB_TYPE_UNUSED, RDB_VERSION, RDB_VERSION_VALKEY,
)
from redislite._core.text.rdb_input cimport (
    input_block, input_byte, input_count, input_fail, input_fail_number, input_length, input_need, input_out_of_memory,
    input_text, input_text_body, input_text_head, input_word,
)
from redislite._core.rdb.rdb_module cimport rdb_module_begin, rdb_read_module
from redislite._core.structures.dict cimport dict_reserve
from redislite._core.structures.intset cimport intset_length, intset_validate
from redislite._core.structures.listpack cimport (
    LISTPACK_INTEGER_TEXT, LISTPACK_MAX_BYTES, ListpackValue, listpack, listpack_bytes, listpack_first, listpack_free,
    listpack_get, listpack_length, listpack_next, listpack_text, listpack_validate,
)
from redislite._core.structures.quicklist cimport (
    Quicklist, quicklist_exceeds, quicklist_free, quicklist_new, quicklist_push_listpack, quicklist_push_plain,
)
from redislite._core.structures.rax cimport rax_size
from redislite._core.structures.ziplist cimport ziplist_convert, zipmap_convert
from redislite._core.text.numbers cimport parse_double
from redislite._core.values.hash_value cimport (
    HASH_NO_DEADLINE, HashValue, hash_convert, hash_length, hash_new, hash_put, hash_release,
)
from redislite._core.values.list_value cimport ListValue, list_free, list_new, list_push, list_reserve
from redislite._core.values.set_value cimport SetValue, set_add, set_convert, set_free, set_new
from redislite._core.values.sorted_set_value cimport (
    ADD_ADDED, ADD_NEW, ADD_NO_MEMORY, SortedSet, SortedSetValue, sorted_set_add, sorted_set_expect, sorted_set_new,
    sorted_set_release,
)
from redislite._core.structures.release cimport Release, release_begin
from redislite._core.text.encodings cimport ENCODING_EXTENSION
from redislite._core.text.rdb_fields cimport read_fields_end
from redislite._core.text.siphash cimport siphash_1_3
from redislite._core.values.value_type cimport EXTENSION_VERSION_MAX, ValueType, extension_find
from redislite._core.values.value_types cimport value_type_of
from redislite._core.values.stream cimport (
    STREAM_KEY, STREAM_UNKNOWN, Consumer, Group, Stream, StreamId, group_consumer, group_consumer_create,
    group_pending_load, group_pending_own, id_decode, stream_add_pack, stream_check_pack, stream_entries_up_to,
    stream_find_first, stream_free, stream_group, stream_group_create, stream_new,
)

cdef enum:
    NAME = 0                        # the texts of an input: the key's name is the first
    FIELD = 1
    TEXT = 2
    RESERVE_MAX = 1 << 20           # elements that room is made for where the size of the input is not known
    STACK_SLOTS = 1024              # of a duplicate check without a block of its own
    SCORE_TEXT_MAX = 252
    ENTRY_ROOM = 12                 # bytes that an element may need in a list beside its own


# A collection that has been read.
cdef struct Collection:
    int type
    int encoding
    void* pointer


cdef inline size_t room_for(const RdbInput* input, uint64_t count) noexcept nogil:
    """How many elements to make room for at once."""
    return <size_t> (count if input.sized or count < RESERVE_MAX else RESERVE_MAX)


# Listpacks

cdef bint has_duplicate(Core* core, listpack pack, size_t step, bint* starved) noexcept nogil:
    """Whether two elements are equal, of those that stand first in each group of step."""
    cdef uint8_t* stack[STACK_SLOTS]
    cdef char text[LISTPACK_INTEGER_TEXT]
    cdef char other_text[LISTPACK_INTEGER_TEXT]
    cdef uint8_t** slots = stack
    cdef uint8_t* entry = listpack_first(pack)
    cdef char* data
    cdef char* other
    cdef size_t count = listpack_length(pack) // step
    cdef size_t size = 8
    cdef size_t length, other_length, at, i
    cdef bint found = 0
    starved[0] = 0
    while size < 2 * count:
        size *= 2
    if size > STACK_SLOTS:
        slots = <uint8_t**> heap_zalloc(core.heap, size * sizeof(uint8_t*))
        if slots == NULL:
            starved[0] = 1
            return 0
    else:
        memset(slots, 0, size * sizeof(uint8_t*))
    while entry != NULL and not found:
        data = listpack_text(entry, text, &length)
        at = <size_t> siphash_1_3(core.seed, data, length) & (size - 1)
        while slots[at] != NULL:
            other = listpack_text(slots[at], other_text, &other_length)
            if other_length == length and memcmp(other, data, length) == 0:
                found = 1
                break
            at = (at + 1) & (size - 1)
        slots[at] = entry
        for i in range(step):
            entry = listpack_next(pack, entry) if entry != NULL else NULL
    if size > STACK_SLOTS:
        heap_free(core.heap, slots, size * sizeof(uint8_t*))
    return found


cdef bint check_unique(Core* core, RdbInput* input, listpack pack, size_t step) noexcept nogil:
    cdef bint starved
    if has_duplicate(core, pack, step, &starved):
        return input_fail(input, b"listpack with dup elements")
    return not starved or input_out_of_memory(input)


cdef bint check_scores(RdbInput* input, listpack pack) noexcept nogil:
    cdef uint8_t* entry = listpack_first(pack)
    cdef ListpackValue value
    cdef double score
    while entry != NULL:
        entry = listpack_next(pack, entry)
        listpack_get(entry, &value)
        if value.data != NULL and not parse_double(value.data, value.length, &score):
            return input_fail(input, b"a score that is not a number")
        entry = listpack_next(pack, entry)
    return 1


cdef listpack read_pack(RdbInput* input, const char* reason) noexcept nogil:
    """A well-formed listpack, the caller's; or NULL. reason: what to say where it is not well-formed."""
    cdef size_t length
    cdef uint8_t* block = input_block(input, LISTPACK_MAX_BYTES, &length)
    if block == NULL:
        return NULL
    if not listpack_validate(block, length, 1):
        heap_free(input.heap, block, growth_size(length))
        input_fail(input, reason)
        return NULL
    return block


cdef listpack read_old(RdbInput* input, bint is_zipmap, const char* reason) noexcept nogil:
    """The same of a ziplist or zipmap."""
    cdef size_t length
    cdef bint starved
    cdef listpack pack
    cdef uint8_t* block = input_block(input, LISTPACK_MAX_BYTES, &length)
    if block == NULL:
        return NULL
    if is_zipmap:
        pack = zipmap_convert(input.heap, block, length, &starved)
    else:
        pack = ziplist_convert(input.heap, block, length, &starved)
    heap_free(input.heap, block, growth_size(length))
    if pack == NULL:
        if starved:
            input_out_of_memory(input)
        else:
            input_fail(input, reason)
    return pack


cdef int settle_pack(RdbInput* input, listpack pack, size_t step) noexcept nogil:
    """What to say of a listpack of groups of step elements."""
    cdef size_t length
    if pack == NULL:
        return RDB_VALUE_FAILED
    length = listpack_length(pack)
    if length % step:
        input_fail(input, b"an element without its counterpart")
        return RDB_VALUE_FAILED
    return RDB_VALUE_READ if length else RDB_VALUE_EMPTY


# Lists

cdef int read_plain_list(Core* core, RdbInput* input, Collection* made) noexcept nogil:
    cdef ListValue value
    cdef uint64_t count
    if not input_count(input, &count, 1):
        return RDB_VALUE_FAILED
    if count == 0:
        return RDB_VALUE_EMPTY
    if list_new(core, &value) != 0:
        input_out_of_memory(input)
        return RDB_VALUE_FAILED
    while count and input_text(input, TEXT):
        if list_reserve(core, &value, input.texts[TEXT].length + ENTRY_ROOM, 1) != 0 or \
                list_push(core.heap, &value, 0, input.texts[TEXT].data, input.texts[TEXT].length) != 0:
            input_out_of_memory(input)
            break
        count -= 1
    made.encoding = value.encoding
    made.pointer = value.block
    if count == 0:
        return RDB_VALUE_READ
    list_free(core.heap, &value)
    return RDB_VALUE_FAILED


cdef bint add_node(Core* core, RdbInput* input, Quicklist* list, listpack pack) noexcept nogil:
    """Makes the listpack a node; one without elements goes."""
    if listpack_length(pack) == 0:
        listpack_free(core.heap, pack)
        return 1
    if quicklist_push_listpack(core.heap, list, pack) == 0:
        return 1
    listpack_free(core.heap, pack)
    return input_out_of_memory(input)


cdef bint add_plain_node(Core* core, RdbInput* input, Quicklist* list) noexcept nogil:
    cdef size_t length
    cdef int failed
    cdef uint8_t* block = input_block(input, ~<size_t> 0 >> 1, &length)
    if block == NULL:
        return 0
    if length == 0:
        heap_free(core.heap, block, growth_size(length))
        return input_fail(input, b"a list node without an element")
    failed = quicklist_push_plain(core.heap, list, <char*> block, length)
    heap_free(core.heap, block, growth_size(length))
    return not failed or input_out_of_memory(input)


cdef int read_quicklist(Core* core, RdbInput* input, int type, Collection* made) noexcept nogil:
    cdef uint64_t nodes = 1
    cdef uint64_t container
    cdef Quicklist* list = NULL
    cdef listpack pack = NULL
    if type != RDB_LIST_ZIPLIST and not input_count(input, &nodes, 1):
        return RDB_VALUE_FAILED
    if nodes == 0:
        return RDB_VALUE_EMPTY
    while nodes:
        pack = NULL
        container = RDB_NODE_PACKED
        if type == RDB_LIST_QUICKLIST_2 and not input_length(input, &container, NULL):
            break
        if container == RDB_NODE_PACKED:
            if type == RDB_LIST_QUICKLIST_2:
                pack = read_pack(input, b"List listpack integrity check failed")
            else:
                pack = read_old(input, 0, b"List ziplist integrity check failed")
            if pack == NULL:
                break
            if list == NULL and nodes == 1 and not quicklist_exceeds(
                    core.settings.list_max_listpack_size, listpack_bytes(pack), listpack_length(pack)):
                if listpack_length(pack) == 0:
                    listpack_free(core.heap, pack)
                    return RDB_VALUE_EMPTY
                made.encoding = ENCODING_LISTPACK
                made.pointer = pack
                return RDB_VALUE_READ
        elif container != RDB_NODE_PLAIN:
            input_fail_number(input, b"unknown form of a list node (%llu)", container)
            break
        if list == NULL:
            list = quicklist_new(core.heap, core.settings.list_max_listpack_size, core.settings.list_compress_depth,
                                 <size_t> core.settings.list_packed_threshold)
        if list == NULL:
            listpack_free(core.heap, pack)
            input_out_of_memory(input)
            break
        if not (add_node(core, input, list, pack) if container == RDB_NODE_PACKED
                else add_plain_node(core, input, list)):
            break
        nodes -= 1
    made.encoding = ENCODING_QUICKLIST
    made.pointer = list
    if nodes == 0 and list.count:
        return RDB_VALUE_READ
    if list != NULL:
        quicklist_free(core.heap, list)
    return RDB_VALUE_EMPTY if nodes == 0 else RDB_VALUE_FAILED


cdef inline bint is_added(RdbInput* input, int added, const char* twice) noexcept nogil:
    """After an insertion that answers 1 (added), 0 (it was there) or -1 (memory is out): fails unless it was added."""
    if added < 0:
        return input_out_of_memory(input)
    return added == 1 or input_fail(input, twice)


# Sets

cdef int read_plain_set(Core* core, RdbInput* input, Collection* made) noexcept nogil:
    cdef SetValue value
    cdef uint64_t count
    value.block = NULL
    if not input_count(input, &count, 1):
        return RDB_VALUE_FAILED
    if count == 0:
        return RDB_VALUE_EMPTY
    while count and input_text(input, TEXT):
        if value.block == NULL and set_new(core, &value, input.texts[TEXT].data, input.texts[TEXT].length,
                                           room_for(input, count)) != 0:
            value.block = NULL
            input_out_of_memory(input)
            break
        if not is_added(input, set_add(core, &value, input.texts[TEXT].data, input.texts[TEXT].length),
                        b"the same set member twice"):
            break
        count -= 1
    made.encoding = value.encoding
    made.pointer = value.block
    if count == 0:
        return RDB_VALUE_READ
    if value.block != NULL:
        set_free(core.heap, &value)
    return RDB_VALUE_FAILED


cdef int read_packed_set(Core* core, RdbInput* input, int type, bint deep, Collection* made) noexcept nogil:
    """An intset or a listpack."""
    cdef SetValue value
    cdef size_t length
    cdef size_t most
    cdef int result
    if type == RDB_SET_INTSET:
        value.encoding = ENCODING_INTSET
        value.block = input_block(input, LISTPACK_MAX_BYTES, &length)
        if value.block == NULL:
            return RDB_VALUE_FAILED
        if not intset_validate(<uint8_t*> value.block, length, 1):
            heap_free(core.heap, value.block, growth_size(length))
            input_fail(input, b"Intset integrity check failed")
            return RDB_VALUE_FAILED
        length = intset_length(<uint8_t*> value.block)
        most = <size_t> core.settings.set_max_intset_entries
        result = RDB_VALUE_READ if length else RDB_VALUE_EMPTY
    else:
        value.encoding = ENCODING_LISTPACK
        value.block = read_pack(input, b"Set listpack integrity check failed")
        result = settle_pack(input, <listpack> value.block, 1)
        if value.block == NULL:
            return RDB_VALUE_FAILED
        length = listpack_length(<listpack> value.block)
        most = <size_t> core.settings.set_max_listpack_entries
        if result == RDB_VALUE_READ and (deep or length > most) and \
                not check_unique(core, input, <listpack> value.block, 1):
            result = RDB_VALUE_FAILED
    if result == RDB_VALUE_READ and length > most and set_convert(core, &value, length) != 0:
        input_out_of_memory(input)
        result = RDB_VALUE_FAILED
    if result != RDB_VALUE_READ:
        set_free(core.heap, &value)
    made.encoding = value.encoding
    made.pointer = value.block
    return result


# Sorted sets

cdef bint read_score(RdbInput* input, int type, double* score) noexcept nogil:
    cdef uint64_t word
    cdef uint8_t length
    if type == RDB_SORTED_SET_2:
        if not input_word(input, &word):
            return 0
        memcpy(score, &word, 8)
    else:
        if not input_byte(input, &length):
            return 0
        if length > SCORE_TEXT_MAX:
            score[0] = NAN if length == 253 else INFINITY if length == 254 else -INFINITY
        else:
            if not input_need(input, length):
                return 0
            if not parse_double(<char*> input.buffer + input.position, length, score):
                return input_fail(input, b"a score that is not a number")
            input.position += length
    return not isnan(score[0]) or input_fail(input, b"a score that is not a number")


cdef int read_plain_sorted_set(Core* core, RdbInput* input, int type, Collection* made) noexcept nogil:
    cdef SortedSetValue value
    cdef uint64_t count
    cdef double score
    cdef int added
    if not input_count(input, &count, 9 if type == RDB_SORTED_SET_2 else 2):
        return RDB_VALUE_FAILED
    if count == 0:
        return RDB_VALUE_EMPTY
    if sorted_set_new(core, &value, room_for(input, count), 0) != 0:
        input_out_of_memory(input)
        return RDB_VALUE_FAILED
    if value.encoding == ENCODING_SKIPLIST and \
            dict_reserve(&(<SortedSet*> value.data).members, room_for(input, count)) != 0:
        input_out_of_memory(input)
    while count and input_text(input, TEXT) and read_score(input, type, &score):
        added = sorted_set_add(core, &value, input.texts[TEXT].data, input.texts[TEXT].length, &score, ADD_NEW)
        if added != ADD_ADDED:
            if added == ADD_NO_MEMORY:
                input_out_of_memory(input)
            else:
                input_fail(input, b"the same sorted set member twice")
            break
        count -= 1
    made.encoding = value.encoding
    made.pointer = value.data
    if count == 0:
        return RDB_VALUE_READ
    sorted_set_release(core.heap, &value)
    return RDB_VALUE_FAILED


cdef int read_packed_sorted_set(Core* core, RdbInput* input, int type, bint deep, Collection* made) noexcept nogil:
    cdef SortedSetValue value
    cdef listpack pack
    cdef int result
    if type == RDB_SORTED_SET_LISTPACK:
        pack = read_pack(input, b"Zset listpack integrity check failed")
    else:
        pack = read_old(input, 0, b"Zset ziplist integrity check failed")
    result = settle_pack(input, pack, 2)
    if result == RDB_VALUE_READ and not (check_unique(core, input, pack, 2)
                                         and (not deep or check_scores(input, pack))):
        result = RDB_VALUE_FAILED
    value.data = pack
    value.encoding = ENCODING_LISTPACK
    if result == RDB_VALUE_READ and sorted_set_expect(core, &value, listpack_length(pack) // 2) != 0:
        input_out_of_memory(input)
        result = RDB_VALUE_FAILED
    if result != RDB_VALUE_READ and pack != NULL:
        listpack_free(core.heap, pack)
    made.encoding = value.encoding
    made.pointer = value.data
    return result


# Hashes

cdef bint put_field(Core* core, RdbInput* input, HashValue* hash, const char* field, size_t field_length,
                    const char* value, size_t value_length, int64_t deadline_ms) noexcept nogil:
    return is_added(input, hash_put(core, hash, field, field_length, value, value_length, deadline_ms),
                    b"the same hash field twice")


cdef int settle_hash(Core* core, RdbInput* input, HashValue* hash, bint read, Collection* made) noexcept nogil:
    """What to say of a hash of which all has been read, or not."""
    made.encoding = hash.encoding
    made.pointer = hash.pointer
    if read and hash_length(hash):
        return RDB_VALUE_READ
    hash_release(core.heap, hash)
    return RDB_VALUE_EMPTY if read else RDB_VALUE_FAILED


cdef inline bint is_over(const Core* core, const RdbValueOptions* options, int64_t deadline_ms) noexcept nogil:
    return deadline_ms >= 0 and deadline_ms < core.now_ms and not options.keep_expired


cdef bint read_deadline(RdbInput* input, int type, bint valkey, uint64_t earliest, int64_t* deadline_ms) noexcept nogil:
    """The deadline of a field, where it stands before the field or, for Valkey, behind the value."""
    cdef uint64_t word
    if valkey:
        if not input_word(input, &word):
            return 0
        deadline_ms[0] = <int64_t> word
        return deadline_ms[0] >= HASH_NO_DEADLINE or input_fail(input, b"a negative time of a field")
    if not input_length(input, &word, NULL):
        return 0
    if word == 0:
        deadline_ms[0] = HASH_NO_DEADLINE
        return 1
    if type == RDB_HASH_TIMED:
        word -= 1
        if word > <uint64_t> INT64_MAX - earliest:
            return input_fail(input, b"a time of a field that is out of range")
        word += earliest
    deadline_ms[0] = <int64_t> word
    return deadline_ms[0] >= 0 or input_fail(input, b"a time of a field that is out of range")


cdef int read_plain_hash(Core* core, RdbInput* input, int type, const RdbValueOptions* options,
                         Collection* made) noexcept nogil:
    cdef HashValue hash
    cdef uint64_t count
    cdef uint64_t earliest = 0
    cdef int64_t deadline_ms = HASH_NO_DEADLINE
    # The same number stands for two forms.
    cdef bint valkey = type == RDB_HASH_TIMED_EARLY and (options.version <= RDB_VERSION
                                                         or options.version >= RDB_VERSION_VALKEY)
    if type == RDB_HASH_TIMED:
        if not input_word(input, &earliest):
            return RDB_VALUE_FAILED
        if <int64_t> earliest < 0:
            # What the original writes where no field has a time any more.
            earliest = 0
    if not input_count(input, &count, 2 if type == RDB_HASH else 10 if valkey else 3):
        return RDB_VALUE_FAILED
    if count == 0:
        return RDB_VALUE_EMPTY
    if hash_new(core, &hash, room_for(input, count)) != 0:
        input_out_of_memory(input)
        return RDB_VALUE_FAILED
    while count:
        if type != RDB_HASH and not valkey and not read_deadline(input, type, 0, earliest, &deadline_ms):
            break
        if not input_text(input, FIELD) or not input_text(input, TEXT):
            break
        if valkey and not read_deadline(input, type, 1, 0, &deadline_ms):
            break
        if not is_over(core, options, deadline_ms) and not put_field(
                core, input, &hash, input.texts[FIELD].data, input.texts[FIELD].length, input.texts[TEXT].data,
                input.texts[TEXT].length, deadline_ms):
            break
        count -= 1
    return settle_hash(core, input, &hash, count == 0, made)


cdef int64_t text_length(const uint8_t* entry) noexcept nogil:
    cdef char text[LISTPACK_INTEGER_TEXT]
    cdef size_t length
    listpack_text(entry, text, &length)
    return <int64_t> length


cdef int read_packed_hash(Core* core, RdbInput* input, int type, bint deep, Collection* made) noexcept nogil:
    cdef HashValue hash
    cdef listpack pack
    cdef uint8_t* entry
    cdef bint convert
    cdef int result
    if type == RDB_HASH_LISTPACK:
        pack = read_pack(input, b"Hash listpack integrity check failed")
    elif type == RDB_HASH_ZIPLIST:
        pack = read_old(input, 0, b"Hash ziplist integrity check failed")
    else:
        pack = read_old(input, 1, b"Zipmap integrity check failed")
    result = settle_pack(input, pack, 2)
    hash.pointer = pack
    hash.encoding = ENCODING_LISTPACK
    if result == RDB_VALUE_READ:
        convert = <int64_t> listpack_length(pack) // 2 > core.settings.hash_max_listpack_entries
        if (deep or convert or type != RDB_HASH_LISTPACK) and not check_unique(core, input, pack, 2):
            result = RDB_VALUE_FAILED
        elif type == RDB_HASH_ZIPMAP and not convert:
            entry = listpack_first(pack)
            while entry != NULL and not convert:
                convert = text_length(entry) > core.settings.hash_max_listpack_value
                entry = listpack_next(pack, entry)
        if result == RDB_VALUE_READ and convert and hash_convert(core, &hash, 0) != 0:
            input_out_of_memory(input)
            result = RDB_VALUE_FAILED
    if result != RDB_VALUE_READ and pack != NULL:
        listpack_free(core.heap, pack)
    made.encoding = hash.encoding
    made.pointer = hash.pointer
    return result


cdef int64_t packed_deadline(const uint8_t* entry) noexcept nogil:
    """The time that stands in a listpack behind a field and its value; less than any where it is none."""
    cdef ListpackValue value
    listpack_get(entry, &value)
    if value.data != NULL:
        return HASH_NO_DEADLINE - 1
    if value.integer == 0:
        return HASH_NO_DEADLINE
    return value.integer if value.integer > 0 else <int64_t> (HASH_NO_DEADLINE - 1)


cdef int read_packed_timed_hash(Core* core, RdbInput* input, int type, const RdbValueOptions* options,
                                Collection* made) noexcept nogil:
    """A listpack of field, value, time: the time 0 for none."""
    cdef char field_text[LISTPACK_INTEGER_TEXT]
    cdef char value_text[LISTPACK_INTEGER_TEXT]
    cdef size_t field_length, value_length
    cdef HashValue hash
    cdef uint64_t earliest
    cdef int64_t deadline_ms
    cdef listpack pack
    cdef uint8_t* entry
    cdef char* field
    cdef char* value
    cdef int result
    if type == RDB_HASH_LISTPACK_TIMED and not input_word(input, &earliest):
        return RDB_VALUE_FAILED
    pack = read_pack(input, b"Hash listpack integrity check failed")
    result = settle_pack(input, pack, 3)
    if result == RDB_VALUE_READ and hash_new(core, &hash, listpack_length(pack) // 3) != 0:
        input_out_of_memory(input)
        result = RDB_VALUE_FAILED
    if result != RDB_VALUE_READ:
        if pack != NULL:
            listpack_free(core.heap, pack)
        return result
    entry = listpack_first(pack)
    while entry != NULL:
        field = listpack_text(entry, field_text, &field_length)
        entry = listpack_next(pack, entry)
        value = listpack_text(entry, value_text, &value_length)
        entry = listpack_next(pack, entry)
        deadline_ms = packed_deadline(entry)
        entry = listpack_next(pack, entry)
        if deadline_ms < HASH_NO_DEADLINE:
            input_fail(input, b"a time of a field that is not a number")
            break
        if is_over(core, options, deadline_ms):
            continue
        if not put_field(core, input, &hash, field, field_length, value, value_length, deadline_ms):
            break
    listpack_free(core.heap, pack)
    return settle_hash(core, input, &hash, not input.failed, made)


# Streams

cdef bint read_id(RdbInput* input, StreamId* id) noexcept nogil:
    return input_length(input, &id.ms, NULL) and input_length(input, &id.seq, NULL)


cdef bint read_raw_id(RdbInput* input, StreamId* id) noexcept nogil:
    if not input_need(input, STREAM_KEY):
        return 0
    id_decode(input.buffer + input.position, id)
    input.position += STREAM_KEY
    return 1


cdef bint read_stream_pack(RdbInput* input, Stream* stream, uint64_t* live) noexcept nogil:
    cdef StreamId id
    cdef listpack pack
    cdef uint64_t entries
    if not input_text(input, TEXT):
        return 0
    if input.texts[TEXT].length != STREAM_KEY:
        return input_fail(input, b"a stream node's name that is no identifier")
    id_decode(<uint8_t*> input.texts[TEXT].data, &id)
    pack = read_pack(input, b"Stream listpack integrity check failed")
    if pack == NULL:
        return 0
    if not stream_check_pack(pack, &id, &entries):
        listpack_free(input.heap, pack)
        return input_fail(input, b"Stream listpack integrity check failed")
    if stream_add_pack(stream, &id, pack) != 0:
        listpack_free(input.heap, pack)
        return input_fail(input, b"a stream node twice, or out of memory")
    live[0] += entries
    return 1


cdef bint read_consumer(RdbInput* input, int type, Group* group, uint64_t* owned) noexcept nogil:
    cdef Consumer* consumer
    cdef uint64_t seen, active, count
    cdef StreamId id
    cdef int result
    if not input_text(input, TEXT):
        return 0
    if group_consumer(group, input.texts[TEXT].data, input.texts[TEXT].length) != NULL:
        return input_fail(input, b"Duplicate stream consumer detected")
    consumer = group_consumer_create(group, input.texts[TEXT].data, input.texts[TEXT].length, 0)
    if consumer == NULL:
        return input_out_of_memory(input)
    if not input_word(input, &seen):
        return 0
    active = seen
    if type == RDB_STREAM_3 and not input_word(input, &active):
        return 0
    consumer.seen_ms = <int64_t> seen
    consumer.active_ms = <int64_t> active
    if not input_count(input, &count, STREAM_KEY):
        return 0
    owned[0] += count
    while count:
        if not read_raw_id(input, &id):
            return 0
        result = group_pending_own(group, consumer, &id)
        if result < 0:
            return input_out_of_memory(input)
        if result == 0:
            return input_fail(input, b"an entry pending with a consumer that is not pending, or is with another")
        count -= 1
    return 1


cdef bint read_group(RdbInput* input, int type, Stream* stream) noexcept nogil:
    cdef Group* group
    cdef StreamId id
    cdef uint64_t entries_read, count, delivered, deliveries
    cdef uint64_t owned = 0
    cdef int result
    if not input_text(input, TEXT) or not read_id(input, &id):
        return 0
    if stream_group(stream, input.texts[TEXT].data, input.texts[TEXT].length) != NULL:
        return input_fail(input, b"the same consumer group twice")
    group = stream_group_create(stream, input.texts[TEXT].data, input.texts[TEXT].length, &id, STREAM_UNKNOWN)
    if group == NULL:
        return input_out_of_memory(input)
    if type == RDB_STREAM:
        group.entries_read = stream_entries_up_to(stream, &id)
    else:
        if not input_length(input, &entries_read, NULL):
            return 0
        group.entries_read = <int64_t> entries_read
        if group.entries_read < STREAM_UNKNOWN:
            return input_fail(input, b"a negative number of entries read by a consumer group")
    if not input_count(input, &count, STREAM_KEY + 9):
        return 0
    while count:
        if not (read_raw_id(input, &id) and input_word(input, &delivered)
                and input_length(input, &deliveries, NULL)):
            return 0
        result = group_pending_load(group, &id, <int64_t> delivered, deliveries)
        if result < 0:
            return input_out_of_memory(input)
        if result == 0:
            return input_fail(input, b"the same pending entry twice")
        count -= 1
    if not input_count(input, &count, 10):
        return 0
    while count:
        if not read_consumer(input, type, group, &owned):
            return 0
        count -= 1
    return owned == rax_size(&group.pending) or input_fail(input, b"a pending entry without a consumer")


cdef bint read_stream_parts(RdbInput* input, int type, Stream* stream) noexcept nogil:
    cdef StreamId first
    cdef uint64_t count, length
    cdef uint64_t live = 0
    if not input_count(input, &count, STREAM_KEY + 2):
        return 0
    while count:
        if not read_stream_pack(input, stream, &live):
            return 0
        count -= 1
    if not input_length(input, &length, NULL) or not read_id(input, &stream.last_id):
        return 0
    if length != live:
        return input_fail(input, b"a stream whose length is not that of its nodes")
    stream.length = length
    stream_find_first(stream)
    if type == RDB_STREAM:
        stream.entries_added = length
    elif not (read_id(input, &first) and read_id(input, &stream.max_deleted_id)
              and input_length(input, &stream.entries_added, NULL)):
        return 0
    if stream.entries_added < length or <int64_t> stream.entries_added < 0:
        return input_fail(input, b"a stream to which fewer entries were added than it has")
    if not input_count(input, &count, 5):
        return 0
    while count:
        if not read_group(input, type, stream):
            return 0
        count -= 1
    return 1


cdef int read_stream(Core* core, RdbInput* input, int type, Collection* made) noexcept nogil:
    cdef Stream* stream = stream_new(core.heap)
    made.encoding = ENCODING_STREAM
    made.pointer = stream
    if stream == NULL:
        input_out_of_memory(input)
        return RDB_VALUE_FAILED
    if read_stream_parts(input, type, stream):
        return RDB_VALUE_READ
    stream_free(stream)
    return RDB_VALUE_FAILED


cdef void free_collection(Heap* heap, Collection* made) noexcept nogil:
    cdef Release step
    release_begin(&step, heap, ~<size_t> 0)
    value_type_of(made.type, made.encoding, made.pointer).release_step(&step, made.pointer, made.encoding)


# Types from outside

cdef int read_module(Core* core, RdbInput* input, Collection* made) noexcept nogil:
    """By its type where that is known, else as bytes."""
    cdef const ValueType* type
    cdef uint64_t id
    if not rdb_module_begin(input, &id):
        return RDB_VALUE_FAILED
    type = extension_find(core, id)
    if type == NULL:
        made.encoding = ENCODING_RAW
        made.pointer = rdb_read_module(input, id)
        return RDB_VALUE_READ if made.pointer != NULL else RDB_VALUE_FAILED
    made.encoding = ENCODING_EXTENSION
    made.pointer = type.read(input, <int> (id & EXTENSION_VERSION_MAX))
    if made.pointer == NULL:
        input_fail_number(input, b"a value of a type that cannot read it (version %llu)", id & EXTENSION_VERSION_MAX)
        return RDB_VALUE_FAILED
    if read_fields_end(input):
        return RDB_VALUE_READ
    free_collection(core.heap, made)
    return RDB_VALUE_FAILED


# Any value

cdef bint rdb_judge_type(RdbInput* input, int type) noexcept nogil:
    return (0 <= type <= RDB_HASH_LISTPACK_TIMED and type != RDB_TYPE_UNUSED) or \
        input_fail_number(input, b"unknown type of a value (%llu)", <uint64_t> type)


cdef int read_collection(Core* core, RdbInput* input, int type, const RdbValueOptions* options,
                         Collection* made) noexcept nogil:
    made.type = TYPE_HASH
    if type == RDB_HASH or type == RDB_HASH_TIMED or type == RDB_HASH_TIMED_EARLY:
        return read_plain_hash(core, input, type, options, made)
    if type == RDB_HASH_LISTPACK or type == RDB_HASH_ZIPLIST or type == RDB_HASH_ZIPMAP:
        return read_packed_hash(core, input, type, options.deep, made)
    if type == RDB_HASH_LISTPACK_TIMED or type == RDB_HASH_LISTPACK_TIMED_EARLY:
        return read_packed_timed_hash(core, input, type, options, made)
    made.type = TYPE_LIST
    if type == RDB_LIST:
        return read_plain_list(core, input, made)
    if type == RDB_LIST_QUICKLIST_2 or type == RDB_LIST_QUICKLIST or type == RDB_LIST_ZIPLIST:
        return read_quicklist(core, input, type, made)
    made.type = TYPE_SET
    if type == RDB_SET:
        return read_plain_set(core, input, made)
    if type == RDB_SET_INTSET or type == RDB_SET_LISTPACK:
        return read_packed_set(core, input, type, options.deep, made)
    made.type = TYPE_SORTED_SET
    if type == RDB_SORTED_SET or type == RDB_SORTED_SET_2:
        return read_plain_sorted_set(core, input, type, made)
    if type == RDB_SORTED_SET_LISTPACK or type == RDB_SORTED_SET_ZIPLIST:
        return read_packed_sorted_set(core, input, type, options.deep, made)
    made.type = TYPE_STREAM
    if type == RDB_STREAM or type == RDB_STREAM_2 or type == RDB_STREAM_3:
        return read_stream(core, input, type, made)
    made.type = TYPE_MODULE
    if type == RDB_MODULE_2:
        return read_module(core, input, made)
    if rdb_judge_type(input, type):
        input_fail(input, b"Pre-release module format not supported")
    return RDB_VALUE_FAILED


cdef Entry* make_string(Core* core, RdbInput* input, const RdbText* key, int64_t deadline_ms, uint32_t access,
                        const char* data, size_t length) noexcept nogil:
    """An entry with a string that stands in it."""
    cdef int64_t number
    cdef int encoding = string_encoding(data, length, &number)
    cdef Entry* entry = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, encoding, access,
                                  8 if encoding == ENCODING_INT else prefixed_size(length))
    if entry == NULL:
        input_out_of_memory(input)
    elif encoding == ENCODING_INT:
        entry_set_integer(entry, number)
    else:
        prefixed_write(entry_value(entry), data, length)
    return entry


cdef Entry* read_string(Core* core, RdbInput* input, const RdbText* key, int64_t deadline_ms,
                        uint32_t access) noexcept nogil:
    cdef uint8_t room[INLINE_MAX]
    cdef uint64_t length, packed
    cdef bint is_integer
    cdef Entry* entry
    cdef sds text
    if not input_text_head(input, TEXT, &length, &packed, &is_integer):
        return NULL
    if is_integer:
        return make_string(core, input, key, deadline_ms, access, input.texts[TEXT].data, input.texts[TEXT].length)
    if length <= INLINE_MAX:
        if packed:
            if not input_text_body(input, room, length, packed):
                return NULL
            return make_string(core, input, key, deadline_ms, access, <char*> room, <size_t> length)
        if not input_need(input, <size_t> length):
            return NULL
        entry = make_string(core, input, key, deadline_ms, access, <char*> input.buffer + input.position,
                            <size_t> length)
        input.position += <size_t> length
        return entry
    text = sds_new(core.heap, NULL, <size_t> length, <size_t> length)
    if text == NULL:
        input_out_of_memory(input)
        return NULL
    entry = NULL
    if input_text_body(input, text, length, packed):
        entry = entry_new(core.heap, key.data, key.length, deadline_ms, TYPE_STRING, ENCODING_RAW, access, sizeof(sds))
        if entry == NULL:
            input_out_of_memory(input)
    if entry == NULL:
        sds_free(core.heap, text)
    else:
        entry_set_pointer(entry, text)
    return entry


cdef int rdb_read_entry(Core* core, RdbInput* input, int type, const RdbValueOptions* options, const RdbText* key,
                        int64_t deadline_ms, uint32_t access, Entry** entry) noexcept nogil:
    cdef Collection made
    cdef int result
    entry[0] = NULL
    if type == RDB_STRING:
        entry[0] = read_string(core, input, key, deadline_ms, access)
        return RDB_VALUE_READ if entry[0] != NULL else RDB_VALUE_FAILED
    result = read_collection(core, input, type, options, &made)
    if result != RDB_VALUE_READ:
        return result
    entry[0] = entry_new(core.heap, key.data, key.length, deadline_ms, made.type, made.encoding, access,
                         sizeof(void*))
    if entry[0] == NULL:
        free_collection(core.heap, &made)
        input_out_of_memory(input)
        return RDB_VALUE_FAILED
    entry_set_pointer(entry[0], made.pointer)
    return RDB_VALUE_READ
