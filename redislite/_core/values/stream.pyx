"""Streams; the contract and the layout of entries are in stream.pxd."""
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.state.core cimport Argument
from redislite._core.structures.listpack cimport (
    LISTPACK_MAX_BYTES, ListpackValue, listpack, listpack_bytes, listpack_copy, listpack_equals, listpack_extend,
    listpack_first, listpack_free, listpack_get, listpack_integer_bytes, listpack_last, listpack_memory, listpack_new,
    listpack_next, listpack_previous, listpack_replace_integer, listpack_value_bytes, listpack_put,
    listpack_put_integer,
)
from redislite._core.structures.rax cimport (
    RAX_AT_MOST, RAX_FIRST, RAX_LAST, RaxIterator, rax_find, rax_init, rax_insert, rax_last, rax_next, rax_previous,
    rax_release_step, rax_remove, rax_seek, rax_set_value, rax_size, rax_start, rax_stop,
)
from redislite._core.structures.release cimport Release, release_begin, release_charge
from redislite._core.text.numbers cimport format_uint64

cdef enum:
    FLAG_DELETED = 1
    FLAG_SAME_FIELDS = 2
    SAMPLE = 64                     # listpacks that stream_memory looks at


cdef inline int64_t integer_at(const uint8_t* element) noexcept nogil:
    """A number of the layout; all of them are stored as integers."""
    cdef ListpackValue value
    listpack_get(element, &value)
    return value.integer if value.data == NULL else 0


# --- identifiers

cdef bint id_increment(StreamId* id) noexcept nogil:
    id.seq += 1
    if id.seq == 0:
        id.ms += 1
        return id.ms != 0
    return 1


cdef bint id_decrement(StreamId* id) noexcept nogil:
    if id.seq == 0:
        if id.ms == 0:
            id.ms = UINT64_MAX
            id.seq = UINT64_MAX
            return 0
        id.ms -= 1
    id.seq -= 1
    return 1


cdef int id_format(char* text, const StreamId* id) noexcept nogil:
    cdef int length = format_uint64(text, id.ms)
    text[length] = c'-'
    return length + 1 + format_uint64(text + length + 1, id.seq)


cdef void id_encode(char* key, const StreamId* id) noexcept nogil:
    cdef int i
    for i in range(8):
        key[i] = <char> (id.ms >> (56 - 8 * i))
        key[8 + i] = <char> (id.seq >> (56 - 8 * i))


cdef void id_decode(const uint8_t* key, StreamId* id) noexcept nogil:
    cdef int i
    id.ms = 0
    id.seq = 0
    for i in range(8):
        id.ms = id.ms << 8 | key[i]
        id.seq = id.seq << 8 | key[8 + i]


# --- the whole

cdef Stream* stream_new(Heap* heap) noexcept nogil:
    cdef Stream* stream = <Stream*> heap_alloc(heap, sizeof(Stream))
    if stream == NULL:
        return NULL
    rax_init(&stream.entries, heap)
    rax_init(&stream.groups, heap)
    stream.length = 0
    stream.entries_added = 0
    stream.last_id.ms = 0
    stream.last_id.seq = 0
    stream.first_id = stream.last_id
    stream.max_deleted_id = stream.last_id
    stream.tail = NULL
    return stream


cdef void stream_free(Stream* stream) noexcept nogil:
    cdef Release step
    release_begin(&step, stream.entries.heap, ~<size_t> 0)
    stream_release_step(&step, stream)


cdef void release_pack(void* step, void* pack) noexcept nogil:
    release_charge(<Release*> step, listpack_bytes(<listpack> pack))
    listpack_free((<Release*> step).heap, <listpack> pack)


cdef inline void free_pending(Heap* heap, void* pending) noexcept nogil:
    heap_free(heap, pending, sizeof(Pending))


cdef void release_pending(void* step, void* pending) noexcept nogil:
    free_pending((<Release*> step).heap, pending)


cdef void forget(void* argument, void* value) noexcept nogil:
    pass


cdef bint release_consumer(Release* step, Group* group, Consumer* consumer) noexcept nogil:
    """The consumer's tree first, then it; not what is pending with it. 1 while more is to do."""
    cdef size_t length
    cdef char* name
    if rax_release_step(&consumer.pending, forget, NULL, &step.budget) or step.budget == 0:
        return 1
    step.budget -= 1
    name = consumer_name(consumer, &length)
    rax_remove(&group.consumers, name, length)
    heap_free(step.heap, consumer, sizeof(Consumer) + prefixed_size(length))
    return 0


cdef bint release_group(Release* step, Stream* stream, Group* group) noexcept nogil:
    cdef size_t length
    cdef char* name
    while rax_size(&group.consumers):
        if release_consumer(step, group, <Consumer*> rax_last(&group.consumers)[0]):
            return 1
    if rax_release_step(&group.pending, release_pending, step, &step.budget) or step.budget == 0:
        return 1
    step.budget -= 1
    name = group_name(group, &length)
    rax_remove(&stream.groups, name, length)
    heap_free(step.heap, group, sizeof(Group) + prefixed_size(length))
    return 0


cdef bint stream_release_step(Release* step, Stream* stream) noexcept nogil:
    if rax_release_step(&stream.entries, release_pack, step, &step.budget):
        return 1
    while rax_size(&stream.groups):
        if release_group(step, stream, <Group*> rax_last(&stream.groups)[0]):
            return 1
    heap_free(step.heap, stream, sizeof(Stream))
    return 0


cdef size_t stream_memory(Stream* stream) noexcept nogil:
    cdef size_t total = heap_footprint(sizeof(Stream)) + stream.entries.bytes + stream.groups.bytes
    cdef size_t packs = 0
    cdef size_t seen = 0
    cdef size_t length
    cdef RaxIterator it
    cdef RaxIterator members
    cdef Group* group
    cdef Consumer* consumer
    cdef bint more
    rax_start(&it, &stream.entries)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more and seen < SAMPLE:
        packs += listpack_memory(<listpack> it.value)
        seen += 1
        more = rax_next(&it)
    rax_stop(&it)
    if seen == rax_size(&stream.entries):
        total += packs
    else:
        total += <size_t> (<double> packs / seen * rax_size(&stream.entries))
    rax_start(&it, &stream.groups)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        group = <Group*> it.value
        group_name(group, &length)
        total += heap_footprint(sizeof(Group) + prefixed_size(length)) + group.pending.bytes + group.consumers.bytes
        total += rax_size(&group.pending) * heap_footprint(sizeof(Pending))
        rax_start(&members, &group.consumers)
        more = rax_seek(&members, RAX_FIRST, NULL, 0)
        while more:
            consumer = <Consumer*> members.value
            consumer_name(consumer, &length)
            total += heap_footprint(sizeof(Consumer) + prefixed_size(length)) + consumer.pending.bytes
            more = rax_next(&members)
        rax_stop(&members)
        more = rax_next(&it)
    rax_stop(&it)
    return total


cdef bint copy_packs(Heap* heap, Stream* copy, Stream* stream) noexcept nogil:
    cdef RaxIterator it
    cdef StreamId id
    cdef listpack pack
    cdef bint copied = 1
    cdef bint more
    rax_start(&it, &stream.entries)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        pack = listpack_copy(heap, <listpack> it.value)
        id_decode(it.key, &id)
        if pack == NULL or stream_add_pack(copy, &id, pack) != 0:
            if pack != NULL:
                listpack_free(heap, pack)
            copied = 0
            break
        more = rax_next(&it)
    copied = copied and not it.failed
    rax_stop(&it)
    return copied


cdef bint copy_consumer(Group* copy, Group* group, Consumer* consumer) noexcept nogil:
    """The consumer, and what is pending with it in both trees."""
    cdef size_t length
    cdef char* name = consumer_name(consumer, &length)
    cdef Consumer* fresh = group_consumer_create(copy, name, length, consumer.seen_ms)
    cdef Pending* pending
    cdef RaxIterator it
    cdef StreamId id
    cdef bint copied = 1
    cdef bint more
    if fresh == NULL:
        return 0
    fresh.active_ms = consumer.active_ms
    rax_start(&it, &consumer.pending)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        id_decode(it.key, &id)
        if group_pending_assign(copy, fresh, &id, &pending) < 0:
            copied = 0
            break
        pending.delivered_ms = (<Pending*> it.value).delivered_ms
        pending.deliveries = (<Pending*> it.value).deliveries
        more = rax_next(&it)
    copied = copied and not it.failed
    rax_stop(&it)
    return copied


cdef bint copy_group(Stream* copy, Group* group) noexcept nogil:
    cdef size_t length
    cdef char* name = group_name(group, &length)
    cdef Group* fresh = stream_group_create(copy, name, length, &group.last_id, group.entries_read)
    cdef RaxIterator it
    cdef bint copied = 1
    cdef bint more
    if fresh == NULL:
        return 0
    rax_start(&it, &group.consumers)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more and copied:
        copied = copy_consumer(fresh, group, <Consumer*> it.value)
        more = rax_next(&it)
    copied = copied and not it.failed
    rax_stop(&it)
    return copied


cdef Stream* stream_copy(Heap* heap, Stream* stream) noexcept nogil:
    cdef Stream* copy = stream_new(heap)
    cdef RaxIterator it
    cdef bint copied
    cdef bint more
    if copy == NULL:
        return NULL
    copied = copy_packs(heap, copy, stream)
    rax_start(&it, &stream.groups)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more and copied:
        copied = copy_group(copy, <Group*> it.value)
        more = rax_next(&it)
    copied = copied and not it.failed
    rax_stop(&it)
    if not copied:
        stream_free(copy)
        return NULL
    copy.length = stream.length
    copy.entries_added = stream.entries_added
    copy.last_id = stream.last_id
    copy.first_id = stream.first_id
    copy.max_deleted_id = stream.max_deleted_id
    return copy


# --- entries

cdef void** tail_place(Stream* stream) noexcept nogil:
    """Place of the last listpack, NULL where there is none; its key is then in tail_id."""
    cdef RaxIterator it
    if stream.tail == NULL and rax_size(&stream.entries):
        stream.tail = rax_last(&stream.entries)
        rax_start(&it, &stream.entries)
        if rax_seek(&it, RAX_LAST, NULL, 0):
            id_decode(it.key, &stream.tail_id)
        rax_stop(&it)
    return stream.tail


cdef int stream_add_pack(Stream* stream, const StreamId* master_id, listpack pack) noexcept nogil:
    cdef char key[STREAM_KEY]
    cdef void* old = NULL
    id_encode(key, master_id)
    stream.tail = NULL
    if rax_find(&stream.entries, key, STREAM_KEY) != NULL:
        return -1
    return 0 if rax_insert(&stream.entries, key, STREAM_KEY, pack, &old) == 1 else -1


cdef inline bint take_integer(listpack pack, uint8_t** element, int64_t* value) noexcept nogil:
    """Reads an integer and goes on; false where there is none."""
    cdef ListpackValue found
    if element[0] == NULL:
        return 0
    listpack_get(element[0], &found)
    if found.data != NULL:
        return 0
    value[0] = found.integer
    element[0] = listpack_next(pack, element[0])
    return 1


cdef inline bint pass_elements(listpack pack, uint8_t** element, int64_t count) noexcept nogil:
    while count > 0 and element[0] != NULL:
        element[0] = listpack_next(pack, element[0])
        count -= 1
    return count == 0


cdef bint stream_check_pack(listpack pack, const StreamId* master_id, uint64_t* live) noexcept nogil:
    cdef uint8_t* element = listpack_first(pack)
    cdef int64_t entries, deleted, fields, flags, ms, seq, pieces, own_fields, terminator
    cdef int64_t deleted_seen = 0
    cdef int64_t i = 0
    cdef StreamId id
    cdef StreamId before = master_id[0]
    live[0] = 0
    if not (take_integer(pack, &element, &entries) and take_integer(pack, &element, &deleted)
            and take_integer(pack, &element, &fields) and entries >= 0 and deleted >= 0 and fields >= 0
            and pass_elements(pack, &element, fields) and take_integer(pack, &element, &terminator)
            and terminator == 0):
        return 0
    while element != NULL:
        if not (take_integer(pack, &element, &flags) and take_integer(pack, &element, &ms)
                and take_integer(pack, &element, &seq)):
            return 0
        if flags & FLAG_SAME_FIELDS:
            own_fields = fields
            pieces = fields + 3
        else:
            if not take_integer(pack, &element, &own_fields) or not 0 <= own_fields <= LISTPACK_MAX_BYTES:
                return 0
            pieces = 2 * own_fields + 4
            own_fields *= 2
        if not (pass_elements(pack, &element, own_fields) and take_integer(pack, &element, &terminator)
                and terminator == pieces):
            return 0
        id.ms = master_id.ms + <uint64_t> ms
        id.seq = master_id.seq + <uint64_t> seq
        if id_compare(&id, &before) < (1 if i else 0):
            return 0
        before = id
        if flags & FLAG_DELETED:
            deleted_seen += 1
        i += 1
    live[0] = <uint64_t> entries
    return i == entries + deleted and deleted_seen == deleted


cdef void remove_pack(Stream* stream, const char* key) noexcept nogil:
    cdef listpack pack = <listpack> rax_remove(&stream.entries, key, STREAM_KEY)
    stream.tail = NULL
    listpack_free(stream.entries.heap, pack)


cdef inline size_t texts_bytes(const Argument* texts, size_t count, size_t step) noexcept nogil:
    cdef size_t total = 0
    cdef size_t i
    for i in range(count):
        total += listpack_value_bytes(texts[i * step].data, texts[i * step].length)
    return total


cdef inline uint8_t* write_texts(uint8_t* place, const Argument* texts, size_t count, size_t step) noexcept nogil:
    cdef size_t i
    for i in range(count):
        place = listpack_put(place, texts[i * step].data, texts[i * step].length)
    return place


cdef bint same_fields(listpack pack, uint8_t* element, const Argument* pairs, size_t count) noexcept nogil:
    """Whether the fields are those of the master entry, whose number of fields stands at element."""
    cdef size_t i
    if <size_t> integer_at(element) != count:
        return 0
    for i in range(count):
        element = listpack_next(pack, element)
        if not listpack_equals(element, pairs[2 * i].data, pairs[2 * i].length):
            return 0
    return 1


cdef int append_first(Stream* stream, const StreamId* id, const Argument* pairs, size_t count) noexcept nogil:
    """A new listpack with a master entry made of this entry's fields, and the entry."""
    cdef Heap* heap = stream.entries.heap
    cdef char key[STREAM_KEY]
    cdef void* old = NULL
    cdef uint8_t* place
    cdef size_t bytes = 6 * listpack_integer_bytes(1)       # all numbers but two are below 128
    cdef listpack pack = listpack_new(heap)
    cdef listpack grown
    if pack == NULL:
        return -1
    bytes += listpack_integer_bytes(<int64_t> count) + listpack_integer_bytes(<int64_t> count + 3)
    bytes += texts_bytes(pairs, 2 * count, 1)
    grown = listpack_extend(heap, pack, bytes, 2 * count + 8, &place)
    if grown == NULL:
        listpack_free(heap, pack)
        return -1
    place = listpack_put_integer(place, 1)
    place = listpack_put_integer(place, 0)
    place = listpack_put_integer(place, <int64_t> count)
    place = write_texts(place, pairs, count, 2)
    place = listpack_put_integer(place, 0)
    place = listpack_put_integer(place, FLAG_SAME_FIELDS)
    place = listpack_put_integer(place, 0)
    place = listpack_put_integer(place, 0)
    place = write_texts(place, pairs + 1, count, 2)
    listpack_put_integer(place, <int64_t> count + 3)
    id_encode(key, id)
    if rax_insert(&stream.entries, key, STREAM_KEY, grown, &old) < 0:
        listpack_free(heap, grown)
        return -1
    stream.tail = rax_last(&stream.entries)
    stream.tail_id = id[0]
    return 0


cdef int append_to_tail(Stream* stream, const StreamId* id, const Argument* pairs, size_t count) noexcept nogil:
    cdef Heap* heap = stream.entries.heap
    cdef listpack pack = <listpack> stream.tail[0]
    cdef listpack grown
    cdef uint8_t* head = listpack_first(pack)
    cdef uint8_t* place
    cdef int64_t entries = integer_at(head)
    cdef bint same = same_fields(pack, listpack_next(pack, listpack_next(pack, head)), pairs, count)
    cdef int64_t ms = <int64_t> (id.ms - stream.tail_id.ms)
    cdef int64_t seq = <int64_t> (id.seq - stream.tail_id.seq)
    cdef int64_t pieces = <int64_t> (count + 3 if same else 2 * count + 4)
    cdef int64_t flags = FLAG_SAME_FIELDS if same else 0
    cdef size_t bytes = listpack_integer_bytes(flags) + listpack_integer_bytes(ms) + listpack_integer_bytes(seq)
    bytes += listpack_integer_bytes(pieces)
    if same:
        bytes += texts_bytes(pairs + 1, count, 2)
    else:
        bytes += listpack_integer_bytes(<int64_t> count) + texts_bytes(pairs, 2 * count, 1)
    grown = listpack_extend(heap, pack, bytes, pieces + 1, &place)
    if grown == NULL:
        return -1
    stream.tail[0] = grown
    head = place
    place = listpack_put_integer(place, flags)
    place = listpack_put_integer(place, ms)
    place = listpack_put_integer(place, seq)
    if same:
        place = write_texts(place, pairs + 1, count, 2)
    else:
        place = listpack_put_integer(place, <int64_t> count)
        place = write_texts(place, pairs, 2 * count, 1)
    listpack_put_integer(place, pieces)
    # The count of entries may take a byte more now; where that cannot be had, what was added is taken back by its flag.
    place = listpack_first(grown)
    pack = listpack_replace_integer(heap, grown, &place, entries + 1)
    if pack == NULL:
        stream.tail[0] = listpack_replace_integer(heap, grown, &head, flags | FLAG_DELETED)
        return -1
    stream.tail[0] = pack
    return 0


cdef int stream_append(Stream* stream, const StreamId* id, const Argument* pairs, size_t pairs_count,
                       int64_t max_bytes, int64_t max_entries) noexcept nogil:
    cdef void** tail = tail_place(stream)
    cdef listpack pack
    cdef uint8_t* head
    cdef size_t bytes = 0
    cdef size_t i
    cdef bint fits = 0
    cdef int failed
    if tail != NULL:
        pack = <listpack> tail[0]
        for i in range(2 * pairs_count):
            bytes += pairs[i].length
        if max_bytes <= 0 or max_bytes > LISTPACK_MAX_BYTES:
            max_bytes = LISTPACK_MAX_BYTES
        fits = listpack_bytes(pack) + bytes < <size_t> max_bytes
        if fits and max_entries > 0:
            head = listpack_first(pack)
            fits = integer_at(head) + integer_at(listpack_next(pack, head)) < max_entries
    failed = append_to_tail(stream, id, pairs, pairs_count) if fits else append_first(stream, id, pairs, pairs_count)
    if failed:
        return -1
    stream.length += 1
    stream.entries_added += 1
    stream.last_id = id[0]
    if stream.length == 1:
        stream.first_id = id[0]
    return 0


cdef void stream_find_first(Stream* stream) noexcept nogil:
    cdef StreamIterator it
    cdef StreamId least
    cdef StreamId most
    cdef int64_t pairs
    least.ms = least.seq = 0
    most.ms = most.seq = UINT64_MAX
    stream.first_id = least
    if stream.length == 0:
        return
    stream_iterate(&it, stream, &least, &most, 0)
    stream_iterator_next(&it, &stream.first_id, &pairs)
    stream_iterator_stop(&it)


cdef void stream_last_entry(Stream* stream, StreamId* id) noexcept nogil:
    cdef StreamIterator it
    cdef StreamId least
    cdef StreamId most
    cdef int64_t pairs
    least.ms = least.seq = 0
    most.ms = most.seq = UINT64_MAX
    id[0] = least
    if stream.length == 0:
        return
    stream_iterate(&it, stream, &least, &most, 1)
    stream_iterator_next(&it, id, &pairs)
    stream_iterator_stop(&it)


cdef bint stream_exists(Stream* stream, const StreamId* id) noexcept nogil:
    cdef StreamIterator it
    cdef StreamId found
    cdef int64_t pairs
    cdef bint exists
    if stream.length == 0 or id_compare(id, &stream.first_id) < 0 or id_compare(id, &stream.last_id) > 0:
        return 0
    stream_iterate(&it, stream, id, id, 0)
    exists = stream_iterator_next(&it, &found, &pairs)
    stream_iterator_stop(&it)
    return exists


cdef int stream_delete(Stream* stream, const StreamId* id) noexcept nogil:
    cdef StreamIterator it
    cdef StreamId found
    cdef int64_t pairs
    cdef int deleted = 0
    if stream.length == 0 or id_compare(id, &stream.first_id) < 0 or id_compare(id, &stream.last_id) > 0:
        return 0
    stream_iterate(&it, stream, id, id, 0)
    if stream_iterator_next(&it, &found, &pairs):
        deleted = 1 if stream_iterator_delete(&it) == 0 else -1
    stream_iterator_stop(&it)
    return deleted


# --- trimming

cdef void last_of_pack(listpack pack, const StreamId* master, StreamId* id) noexcept nogil:
    """The identifier of a listpack's last entry, deleted or not."""
    cdef uint8_t* element = listpack_last(pack)
    cdef int64_t pieces = integer_at(element)
    id[0] = master[0]
    while pieces > 0:
        element = listpack_previous(pack, element)
        pieces -= 1
    if element != listpack_last(pack):
        element = listpack_next(pack, element)
        id.ms = master.ms + <uint64_t> integer_at(element)
        id.seq = master.seq + <uint64_t> integer_at(listpack_next(pack, element))


cdef int64_t trim_pack(Stream* stream, listpack* place, const StreamId* master, uint64_t max_length,
                       const StreamId* min_id) noexcept nogil:
    """Flags the first entries of a listpack as deleted, and corrects its counts; answers how many. Where memory for
    the counts is out, flags none."""
    cdef Heap* heap = stream.entries.heap
    cdef listpack pack = place[0]
    cdef uint8_t* head = listpack_first(pack)
    cdef int64_t entries = integer_at(head)
    cdef int64_t deleted = integer_at(listpack_next(pack, head))
    cdef uint8_t* element
    cdef uint8_t* start
    cdef uint8_t* beginning
    cdef int64_t fields, flags, pieces
    cdef int64_t removed = 0
    cdef int64_t passed = 0
    cdef StreamId id
    cdef bint counting
    cdef int turn
    # First the counts, which may need memory, then the flags, which do not.
    for turn in range(2):
        counting = turn == 0
        element = listpack_next(pack, listpack_next(pack, listpack_first(pack)))
        fields = integer_at(element)
        for pieces in range(fields + 2):
            element = listpack_next(pack, element)
        passed = 0
        while element != NULL:
            beginning = element
            flags = integer_at(element)
            element = listpack_next(pack, element)
            id.ms = master.ms + <uint64_t> integer_at(element)
            element = listpack_next(pack, element)
            id.seq = master.seq + <uint64_t> integer_at(element)
            element = listpack_next(pack, element)
            if min_id != NULL:
                if id_compare(&id, min_id) >= 0:
                    break
            elif counting and stream.length - passed <= max_length:
                break
            elif not counting and passed == removed:
                break
            if not flags & FLAG_DELETED:
                passed += 1
                if not counting:
                    start = beginning
                    # The same size in the same place: nothing moves.
                    listpack_replace_integer(heap, pack, &start, flags | FLAG_DELETED)
            pieces = fields
            if not flags & FLAG_SAME_FIELDS:
                pieces = 2 * integer_at(element) + 1
            while pieces >= 0:                      # behind the last value stands the number of pieces
                element = listpack_next(pack, element)
                pieces -= 1
        if counting:
            removed = passed
            if removed == 0:
                return 0
            head = listpack_first(pack)
            pack = listpack_replace_integer(heap, place[0], &head, entries - removed)
            if pack == NULL:
                return 0
            place[0] = pack
            head = listpack_next(pack, head)
            pack = listpack_replace_integer(heap, place[0], &head, deleted + removed)
            if pack == NULL:
                # The number of deleted ones is only looked at to fill listpacks evenly.
                pack = place[0]
            place[0] = pack
    return removed


cdef uint64_t stream_trim(Stream* stream, uint64_t max_length, const StreamId* min_id, bint approximate,
                          int64_t limit) noexcept nogil:
    cdef RaxIterator it
    cdef StreamId master
    cdef StreamId last
    cdef listpack pack
    cdef char key[STREAM_KEY]
    cdef uint64_t removed = 0
    cdef int64_t entries, some
    cdef bint whole
    while rax_size(&stream.entries):
        if min_id == NULL and stream.length <= max_length:
            break
        rax_start(&it, &stream.entries)
        if not rax_seek(&it, RAX_FIRST, NULL, 0):
            break
        pack = <listpack> it.value
        memcpy(key, it.key, STREAM_KEY)
        id_decode(it.key, &master)
        entries = integer_at(listpack_first(pack))
        if min_id == NULL:
            whole = stream.length - <uint64_t> entries >= max_length
        else:
            last_of_pack(pack, &master, &last)
            whole = id_compare(&last, min_id) < 0
        if approximate and limit and removed + <uint64_t> entries > <uint64_t> limit:
            rax_stop(&it)
            break
        if whole:
            rax_stop(&it)
            remove_pack(stream, key)
            stream.length -= <uint64_t> entries
            removed += <uint64_t> entries
            continue
        if approximate:
            rax_stop(&it)
            break
        some = trim_pack(stream, &pack, &master, max_length, min_id)
        rax_set_value(&it, pack)
        rax_stop(&it)
        stream.length -= <uint64_t> some
        removed += <uint64_t> some
        break
    if removed:
        stream_find_first(stream)
    return removed


# --- walking

cdef void open_pack(StreamIterator* it) noexcept nogil:
    """Goes to the listpack that the tree's iterator stands at: before its first entry, or behind its last."""
    cdef uint8_t* element
    it.pack = <listpack> it.packs.value
    id_decode(it.packs.key, &it.master_id)
    element = listpack_next(it.pack, listpack_next(it.pack, listpack_first(it.pack)))
    it.master_fields = integer_at(element)
    it.master_field = listpack_next(it.pack, element)
    it.entry = NULL
    it.pieces = 0
    if it.reverse:
        it.cursor = listpack_last(it.pack)
    else:
        it.cursor = it.master_field
        it.pieces = it.master_fields


cdef void stream_iterate(StreamIterator* it, Stream* stream, const StreamId* first, const StreamId* last,
                         bint reverse) noexcept nogil:
    cdef char key[STREAM_KEY]
    it.stream = stream
    it.first = first[0]
    it.last = last[0]
    it.reverse = reverse
    it.pack = NULL
    it.entry = NULL
    rax_start(&it.packs, &stream.entries)
    id_encode(key, last if reverse else first)
    if rax_seek(&it.packs, RAX_AT_MOST, key, STREAM_KEY) or \
            (not reverse and rax_seek(&it.packs, RAX_FIRST, NULL, 0)):
        open_pack(it)


cdef inline uint8_t* next_entry(StreamIterator* it) noexcept nogil:
    """Flags of the entry that follows in the listpack, or NULL."""
    cdef uint8_t* element = it.cursor
    cdef int64_t left = it.pieces
    while left >= 0:                # the values that nobody asked for, and the number of pieces behind them
        element = listpack_next(it.pack, element)
        left -= 1
    return element


cdef inline uint8_t* preceding_entry(StreamIterator* it) noexcept nogil:
    cdef uint8_t* element = it.cursor if it.entry == NULL else listpack_previous(it.pack, it.entry)
    cdef int64_t pieces = integer_at(element)
    if pieces <= 0:
        return NULL                 # the end of the master entry
    while pieces > 0:
        element = listpack_previous(it.pack, element)
        pieces -= 1
    return element


cdef bint stream_iterator_next(StreamIterator* it, StreamId* id, int64_t* pairs) noexcept nogil:
    cdef uint8_t* element
    while it.pack != NULL:
        element = preceding_entry(it) if it.reverse else next_entry(it)
        if element == NULL:
            it.pack = NULL
            if rax_previous(&it.packs) if it.reverse else rax_next(&it.packs):
                open_pack(it)
            continue
        it.entry = element
        it.flags = integer_at(element)
        element = listpack_next(it.pack, element)
        id.ms = it.master_id.ms + <uint64_t> integer_at(element)
        element = listpack_next(it.pack, element)
        id.seq = it.master_id.seq + <uint64_t> integer_at(element)
        element = listpack_next(it.pack, element)
        if it.flags & FLAG_SAME_FIELDS:
            pairs[0] = it.master_fields
            it.pieces = it.master_fields
            it.field = it.master_field
        else:
            pairs[0] = integer_at(element)
            it.pieces = 2 * pairs[0]
            element = listpack_next(it.pack, element)
        it.cursor = element
        if id_compare(id, &it.last) > 0:
            if it.reverse:
                continue
            break
        if id_compare(id, &it.first) < 0:
            if it.reverse:
                break
            continue
        if not it.flags & FLAG_DELETED:
            return 1
    it.pack = NULL
    return 0


cdef void stream_iterator_pair(StreamIterator* it, ListpackValue* field, ListpackValue* value) noexcept nogil:
    if it.flags & FLAG_SAME_FIELDS:
        listpack_get(it.field, field)
        it.field = listpack_next(it.pack, it.field)
    else:
        listpack_get(it.cursor, field)
        it.cursor = listpack_next(it.pack, it.cursor)
        it.pieces -= 1
    listpack_get(it.cursor, value)
    it.cursor = listpack_next(it.pack, it.cursor)
    it.pieces -= 1


cdef int stream_iterator_delete(StreamIterator* it) noexcept nogil:
    cdef Stream* stream = it.stream
    cdef Heap* heap = stream.entries.heap
    cdef listpack pack = it.pack
    cdef uint8_t* element = it.entry
    cdef uint8_t* head = listpack_first(pack)
    cdef int64_t entries = integer_at(head)
    cdef int64_t deleted = integer_at(listpack_next(pack, head))
    cdef StreamId id
    cdef char key[STREAM_KEY]
    id.ms = it.master_id.ms + <uint64_t> integer_at(listpack_next(pack, it.entry))
    id.seq = it.master_id.seq + <uint64_t> integer_at(listpack_next(pack, listpack_next(pack, it.entry)))
    if entries <= 1:
        memcpy(key, it.packs.key, STREAM_KEY)
        it.pack = NULL
        remove_pack(stream, key)
    else:
        # The flags keep their size and place; the counts may change theirs.
        listpack_replace_integer(heap, pack, &element, it.flags | FLAG_DELETED)
        head = listpack_first(pack)
        pack = listpack_replace_integer(heap, it.pack, &head, entries - 1)
        if pack == NULL:
            listpack_replace_integer(heap, it.pack, &element, it.flags)
            return -1
        it.pack = pack
        head = listpack_next(pack, head)
        pack = listpack_replace_integer(heap, it.pack, &head, deleted + 1)
        if pack != NULL:
            it.pack = pack
        rax_set_value(&it.packs, it.pack)
    stream.length -= 1
    if id_compare(&id, &stream.max_deleted_id) > 0:
        stream.max_deleted_id = id
    if id_compare(&id, &stream.first_id) == 0:
        stream_find_first(stream)
    return 0


cdef void stream_iterator_stop(StreamIterator* it) noexcept nogil:
    rax_stop(&it.packs)
    it.pack = NULL


# --- groups

cdef inline char* name_behind(const void* block, size_t size, size_t* length) noexcept nogil:
    return prefixed_read(<const char*> block + size, length)


cdef char* group_name(const Group* group, size_t* length) noexcept nogil:
    return name_behind(group, sizeof(Group), length)


cdef char* consumer_name(const Consumer* consumer, size_t* length) noexcept nogil:
    return name_behind(consumer, sizeof(Consumer), length)


cdef Group* stream_group(const Stream* stream, const char* name, size_t length) noexcept nogil:
    cdef void** slot = rax_find(&stream.groups, name, length)
    return <Group*> slot[0] if slot != NULL else NULL


cdef Group* stream_group_create(Stream* stream, const char* name, size_t length, const StreamId* last_id,
                                int64_t entries_read) noexcept nogil:
    cdef Heap* heap = stream.groups.heap
    cdef void* old = NULL
    cdef Group* group = <Group*> heap_alloc(heap, sizeof(Group) + prefixed_size(length))
    if group == NULL:
        return NULL
    rax_init(&group.pending, heap)
    rax_init(&group.consumers, heap)
    group.last_id = last_id[0]
    group.entries_read = entries_read
    prefixed_write(<char*> group + sizeof(Group), name, length)
    if rax_insert(&stream.groups, name, length, group, &old) < 0:
        heap_free(heap, group, sizeof(Group) + prefixed_size(length))
        return NULL
    return group


cdef Stream* stream_detach_group(Stream* stream, Group* group) noexcept nogil:
    cdef Stream* fresh = stream_new(stream.groups.heap)
    cdef void* old = NULL
    cdef size_t length
    cdef char* name = group_name(group, &length)
    if fresh == NULL:
        return NULL
    if rax_insert(&fresh.groups, name, length, group, &old) < 0:
        stream_free(fresh)
        return NULL
    rax_remove(&stream.groups, name, length)
    return fresh


cdef void stream_group_destroy(Stream* stream, Group* group) noexcept nogil:
    cdef Release step
    release_begin(&step, stream.groups.heap, ~<size_t> 0)
    release_group(&step, stream, group)


cdef bint has_tombstone_from(const Stream* stream, const StreamId* id) noexcept nogil:
    """Whether an entry at or behind id was deleted."""
    if stream.length == 0 or id_is_zero(&stream.max_deleted_id):
        return 0
    return id_compare(id, &stream.max_deleted_id) <= 0


cdef int64_t stream_entries_up_to(const Stream* stream, const StreamId* id) noexcept nogil:
    cdef int with_last
    if stream.entries_added == 0:
        return 0
    with_last = id_compare(id, &stream.last_id)
    if stream.length == 0 and with_last <= 0:
        return <int64_t> stream.entries_added
    if not id_is_zero(id) and id_compare(id, &stream.max_deleted_id) < 0:
        return STREAM_UNKNOWN
    if with_last == 0:
        return <int64_t> stream.entries_added
    if with_last > 0:
        return STREAM_UNKNOWN
    if id_is_zero(&stream.max_deleted_id) or id_compare(&stream.max_deleted_id, &stream.first_id) < 0:
        if id_compare(id, &stream.first_id) < 0:
            return <int64_t> (stream.entries_added - stream.length)
        if id_compare(id, &stream.first_id) == 0:
            return <int64_t> (stream.entries_added - stream.length + 1)
    return STREAM_UNKNOWN


cdef bint group_lag(const Stream* stream, const Group* group, uint64_t* lag) noexcept nogil:
    cdef int64_t read
    lag[0] = 0
    if stream.length == 0 or stream.entries_added == 0:
        return 1
    if id_compare(&group.last_id, &stream.first_id) < 0 and id_compare(&stream.max_deleted_id, &stream.first_id) < 0:
        # All there is lies before it, whatever went before that.
        lag[0] = stream.length
        return 1
    read = group.entries_read
    # More than were ever added is what somebody said, and no count.
    if read == STREAM_UNKNOWN or <uint64_t> read > stream.entries_added or has_tombstone_from(stream, &group.last_id):
        read = stream_entries_up_to(stream, &group.last_id)
        if read == STREAM_UNKNOWN:
            return 0
    lag[0] = stream.entries_added - <uint64_t> read
    return 1


cdef void group_advance(const Stream* stream, Group* group, const StreamId* id) noexcept nogil:
    if group.entries_read != STREAM_UNKNOWN and <uint64_t> group.entries_read < stream.entries_added and \
            id_compare(&group.last_id, &stream.first_id) >= 0 and not has_tombstone_from(stream, &group.last_id):
        group.entries_read += 1
    elif stream.entries_added:
        group.entries_read = stream_entries_up_to(stream, id)
    group.last_id = id[0]


cdef Consumer* group_consumer(const Group* group, const char* name, size_t length) noexcept nogil:
    cdef void** slot = rax_find(&group.consumers, name, length)
    return <Consumer*> slot[0] if slot != NULL else NULL


cdef Consumer* group_consumer_create(Group* group, const char* name, size_t length, int64_t now_ms) noexcept nogil:
    cdef Heap* heap = group.consumers.heap
    cdef void* old = NULL
    cdef Consumer* consumer = <Consumer*> heap_alloc(heap, sizeof(Consumer) + prefixed_size(length))
    if consumer == NULL:
        return NULL
    rax_init(&consumer.pending, heap)
    consumer.seen_ms = now_ms
    consumer.active_ms = -1
    prefixed_write(<char*> consumer + sizeof(Consumer), name, length)
    if rax_insert(&group.consumers, name, length, consumer, &old) < 0:
        heap_free(heap, consumer, sizeof(Consumer) + prefixed_size(length))
        return NULL
    return consumer


cdef size_t group_consumer_delete(Group* group, Consumer* consumer) noexcept nogil:
    cdef Release step
    cdef size_t count = rax_size(&consumer.pending)
    cdef RaxIterator it
    cdef bint more
    rax_start(&it, &consumer.pending)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        rax_remove(&group.pending, <char*> it.key, STREAM_KEY)
        free_pending(group.pending.heap, it.value)
        more = rax_next(&it)
    rax_stop(&it)
    release_begin(&step, group.consumers.heap, ~<size_t> 0)
    release_consumer(&step, group, consumer)
    return count


cdef Pending* group_pending(const Group* group, const StreamId* id) noexcept nogil:
    cdef char key[STREAM_KEY]
    cdef void** slot
    id_encode(key, id)
    slot = rax_find(&group.pending, key, STREAM_KEY)
    return <Pending*> slot[0] if slot != NULL else NULL


cdef int group_pending_assign(Group* group, Consumer* consumer, const StreamId* id, Pending** pending) noexcept nogil:
    cdef Heap* heap = group.pending.heap
    cdef char key[STREAM_KEY]
    cdef void* old = NULL
    cdef void** slot
    cdef Pending* fresh
    id_encode(key, id)
    slot = rax_find(&group.pending, key, STREAM_KEY)
    if slot != NULL:
        fresh = <Pending*> slot[0]
        pending[0] = fresh
        if fresh.consumer != consumer:
            if rax_insert(&consumer.pending, key, STREAM_KEY, fresh, &old) < 0:
                return -1
            rax_remove(&fresh.consumer.pending, key, STREAM_KEY)
            fresh.consumer = consumer
        return 0
    fresh = <Pending*> heap_alloc(heap, sizeof(Pending))
    if fresh == NULL:
        return -1
    fresh.consumer = consumer
    fresh.delivered_ms = 0
    fresh.deliveries = 0
    if rax_insert(&group.pending, key, STREAM_KEY, fresh, &old) < 0:
        heap_free(heap, fresh, sizeof(Pending))
        return -1
    if rax_insert(&consumer.pending, key, STREAM_KEY, fresh, &old) < 0:
        rax_remove(&group.pending, key, STREAM_KEY)
        heap_free(heap, fresh, sizeof(Pending))
        return -1
    pending[0] = fresh
    return 1


cdef int group_pending_load(Group* group, const StreamId* id, int64_t delivered_ms, uint64_t deliveries) noexcept nogil:
    cdef Heap* heap = group.pending.heap
    cdef char key[STREAM_KEY]
    cdef void* old = NULL
    cdef Pending* pending
    id_encode(key, id)
    if rax_find(&group.pending, key, STREAM_KEY) != NULL:
        return 0
    pending = <Pending*> heap_alloc(heap, sizeof(Pending))
    if pending == NULL:
        return -1
    pending.consumer = NULL
    pending.delivered_ms = delivered_ms
    pending.deliveries = deliveries
    if rax_insert(&group.pending, key, STREAM_KEY, pending, &old) < 0:
        heap_free(heap, pending, sizeof(Pending))
        return -1
    return 1


cdef int group_pending_own(Group* group, Consumer* consumer, const StreamId* id) noexcept nogil:
    cdef char key[STREAM_KEY]
    cdef void* old = NULL
    cdef Pending* pending = group_pending(group, id)
    if pending == NULL or pending.consumer != NULL:
        return 0
    id_encode(key, id)
    if rax_insert(&consumer.pending, key, STREAM_KEY, pending, &old) < 0:
        return -1
    pending.consumer = consumer
    return 1


cdef bint group_acknowledge(Group* group, const StreamId* id) noexcept nogil:
    cdef char key[STREAM_KEY]
    cdef Pending* pending
    id_encode(key, id)
    pending = <Pending*> rax_remove(&group.pending, key, STREAM_KEY)
    if pending == NULL:
        return 0
    rax_remove(&pending.consumer.pending, key, STREAM_KEY)
    heap_free(group.pending.heap, pending, sizeof(Pending))
    return 1
