"""The value of a hash key; the contract and the layout are in hash_value.pxd.

An element's block is rounded up to eight bytes, so that values of about the same size take each other's place in it.
The heap of deadlines holds addresses of elements, and each of these knows its place there: a deadline is changed or
taken away in the logarithm of their number, and the next one to expire is known at once.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free, heap_realloc
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.state.core cimport Core, random_next
from redislite._core.state.expiry_state cimport expired_before, is_expired
from redislite._core.structures.dict cimport (
    DictIterator, dict_find, dict_hash, dict_init, dict_insert, dict_iterate_begin, dict_iterate_end, dict_iterate_next,
    dict_random, dict_release_step, dict_remove, dict_reserve, dict_size, dict_table_bytes,
)
from redislite._core.structures.listpack cimport (
    LISTPACK_INTEGER_TEXT, LISTPACK_MAX_BYTES, listpack, listpack_append, listpack_bytes, listpack_copy,
    listpack_delete_range, listpack_find, listpack_first, listpack_free, listpack_get, listpack_length, listpack_memory,
    listpack_new, listpack_next, listpack_replace, listpack_seek, listpack_text,
)
from redislite._core.structures.release cimport Release, release_begin, release_block
from redislite._core.text.encodings cimport ENCODING_HASHTABLE, ENCODING_LISTPACK
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64

cdef enum:
    ELEMENT_KEY = 1             # bytes from an element's start to its field
    TIMED_LEAST = 4             # places of the smallest heap
    RANDOM_TRIES = 100          # picks that may hit an expired field, before all fields are looked at
    ELEMENT_OVERHEAD = 16       # bytes that a listpack needs at most beside the bytes of a field or value


cdef inline bint is_over(const Core* core, const char* element) noexcept nogil:
    """Whether the element has expired."""
    return element_is_timed(element) and is_expired(core, element_deadline(element))


# Elements

cdef inline size_t element_size(size_t field_length, bint timed, size_t value_length) noexcept nogil:
    return (ELEMENT_KEY + prefixed_size(field_length) + (HASH_TIMED_BYTES if timed else 0)
            + prefixed_size(value_length) + 7) & ~<size_t> 7


cdef inline char* element_field(const char* element, size_t* length) noexcept nogil:
    return prefixed_read(element + ELEMENT_KEY, length)


cdef inline char* value_place(const char* element) noexcept nogil:
    """Where the value's prefix stands."""
    cdef size_t length
    cdef char* field = element_field(element, &length)
    return field + length + (HASH_TIMED_BYTES if element_is_timed(element) else 0)


cdef inline char* element_value(const char* element, size_t* length) noexcept nogil:
    return prefixed_read(value_place(element), length)


cdef size_t element_block(const char* element) noexcept nogil:
    """Bytes of the element's block, as asked for."""
    cdef size_t field_length, value_length
    element_field(element, &field_length)
    element_value(element, &value_length)
    return element_size(field_length, element_is_timed(element), value_length)


cdef char* element_new(Heap* heap, const char* field, size_t field_length, bint timed, const char* value,
                       size_t value_length) noexcept nogil:
    """A new element; where timed, its deadline and its place in the heap are still to be written. NULL where memory is
    out."""
    cdef char* element = <char*> heap_alloc(heap, element_size(field_length, timed, value_length))
    cdef char* place
    if element == NULL:
        return NULL
    element[0] = HASH_TIMED if timed else 0
    place = prefixed_write(element + ELEMENT_KEY, field, field_length)
    prefixed_write(place + (HASH_TIMED_BYTES if timed else 0), value, value_length)
    return element


cdef inline void element_set_deadline(char* element, int64_t deadline_ms) noexcept nogil:
    cdef size_t length
    cdef char* field = element_field(element, &length)
    memcpy(field + length, &deadline_ms, 8)


# The heap of deadlines

cdef inline uint32_t element_position(const char* element) noexcept nogil:
    cdef size_t length
    cdef uint32_t position
    cdef char* field = element_field(element, &length)
    memcpy(&position, field + length + 8, 4)
    return position


cdef inline void timed_place(HashTable* table, uint32_t position, char* element) noexcept nogil:
    cdef size_t length
    cdef char* field = element_field(element, &length)
    table.timed[position] = element
    memcpy(field + length + 8, &position, 4)


cdef void timed_sift(HashTable* table, uint32_t position, char* element) noexcept nogil:
    """Puts the element where it belongs, from a free place on: up or down."""
    cdef int64_t deadline_ms = element_deadline(element)
    cdef uint32_t other
    while position:
        other = (position - 1) >> 1
        if element_deadline(table.timed[other]) <= deadline_ms:
            break
        timed_place(table, position, table.timed[other])
        position = other
    while True:
        other = 2 * position + 1
        if other >= table.timed_count:
            break
        if other + 1 < table.timed_count and \
                element_deadline(table.timed[other + 1]) < element_deadline(table.timed[other]):
            other += 1
        if element_deadline(table.timed[other]) >= deadline_ms:
            break
        timed_place(table, position, table.timed[other])
        position = other
    timed_place(table, position, element)


cdef int timed_reserve(HashTable* table) noexcept nogil:
    """Room for one more. 0, or -1 where memory is out."""
    cdef uint32_t capacity
    cdef void* grown
    if table.timed_count < table.timed_capacity:
        return 0
    capacity = 2 * table.timed_capacity if table.timed_capacity else TIMED_LEAST
    if capacity <= table.timed_capacity:
        return -1
    grown = heap_realloc(table.fields.heap, table.timed, table.timed_capacity * sizeof(char*),
                         capacity * sizeof(char*)) if table.timed != NULL else \
        heap_alloc(table.fields.heap, capacity * sizeof(char*))
    if grown == NULL:
        return -1
    table.timed = <char**> grown
    table.timed_capacity = capacity
    return 0


cdef inline void timed_add(HashTable* table, char* element, int64_t deadline_ms) noexcept nogil:
    """Takes in a timed element; there is room."""
    element_set_deadline(element, deadline_ms)
    table.timed_count += 1
    timed_sift(table, table.timed_count - 1, element)


cdef void timed_remove(HashTable* table, const char* element) noexcept nogil:
    """Takes the element out, which still says that it is timed."""
    cdef uint32_t position = element_position(element)
    cdef uint32_t capacity
    cdef void* shrunk
    table.timed_count -= 1
    if position != table.timed_count:
        timed_sift(table, position, table.timed[table.timed_count])
    if table.timed_count == 0:
        heap_free(table.fields.heap, table.timed, table.timed_capacity * sizeof(char*))
        table.timed = NULL
        table.timed_capacity = 0
    elif table.timed_capacity > TIMED_LEAST and table.timed_count <= table.timed_capacity >> 2:
        capacity = table.timed_capacity >> 1
        shrunk = heap_realloc(table.fields.heap, table.timed, table.timed_capacity * sizeof(char*),
                              capacity * sizeof(char*))
        if shrunk != NULL:
            table.timed = <char**> shrunk
            table.timed_capacity = capacity


cdef size_t timed_over(const HashTable* table, int64_t now_ms, uint32_t position) noexcept nogil:
    """How many of the heap have expired, from this place on downwards. As deep as the heap at the most."""
    cdef size_t count = 0
    while position < table.timed_count and element_deadline(table.timed[position]) < now_ms:
        count += 1 + timed_over(table, now_ms, 2 * position + 1)
        position = 2 * position + 2
    return count


# Tables

cdef HashTable* table_new(Heap* heap, const uint64_t* seed) noexcept nogil:
    """An empty table."""
    cdef HashTable* table = <HashTable*> heap_alloc(heap, sizeof(HashTable))
    if table == NULL:
        return NULL
    dict_init(&table.fields, heap, seed, ELEMENT_KEY)
    table.timed = NULL
    table.timed_count = 0
    table.timed_capacity = 0
    table.for_deadlines = 0
    return table


cdef inline void release_element(Heap* heap, char* element) noexcept nogil:
    heap_free(heap, element, element_block(element))


cdef void table_remove(HashTable* table, const char* element) noexcept nogil:
    """Takes the element out of the table and releases it."""
    cdef size_t length
    cdef char* field = element_field(element, &length)
    dict_remove(&table.fields, field, length, dict_hash(&table.fields, field, length))
    if element_is_timed(element):
        timed_remove(table, element)
    release_element(table.fields.heap, <char*> element)


cdef char* element_remake(HashTable* table, char** slot, bint timed, const char* value, size_t length) noexcept nogil:
    """Puts an element with this value in the place of slot's, which is released. Where it was timed and is to stay so
    it keeps deadline and place in the heap; where it is not to, it leaves the heap; where it becomes timed both are to
    be written. NULL where memory is out."""
    cdef char* old = slot[0]
    cdef size_t field_length
    cdef char* field = element_field(old, &field_length)
    cdef char* fresh = element_new(table.fields.heap, field, field_length, timed, value, length)
    if fresh == NULL:
        return NULL
    if element_is_timed(old):
        if timed:
            element_set_deadline(fresh, element_deadline(old))
            timed_place(table, element_position(old), fresh)
        else:
            timed_remove(table, old)
    slot[0] = fresh
    release_element(table.fields.heap, old)
    return fresh


cdef int table_put(Core* core, HashTable* table, const char* field, size_t field_length, const char* value,
                   size_t value_length, int64_t deadline_ms) noexcept nogil:
    """hash_put, in a table."""
    cdef uint64_t hash = dict_hash(&table.fields, field, field_length)
    cdef char** slot = <char**> dict_find(&table.fields, field, field_length, hash)
    cdef char* element
    cdef size_t old_length
    cdef bint timed
    cdef int result = 0
    if slot == NULL:
        timed = deadline_ms >= 0
        if timed and timed_reserve(table) != 0:
            return -1
        element = element_new(table.fields.heap, field, field_length, timed, value, value_length)
        if element == NULL:
            return -1
        if dict_insert(&table.fields, element, hash) != 0:
            release_element(table.fields.heap, element)
            return -1
        if timed:
            timed_add(table, element, deadline_ms)
        return 1
    element = slot[0]
    if is_over(core, element):
        result = 2
        if deadline_ms == HASH_KEEP_DEADLINE:
            deadline_ms = HASH_NO_DEADLINE
    timed = deadline_ms >= 0 or (deadline_ms == HASH_KEEP_DEADLINE and element_is_timed(element))
    if timed and not element_is_timed(element) and timed_reserve(table) != 0:
        return -1
    element_value(element, &old_length)
    if timed == element_is_timed(element) and \
            element_size(field_length, timed, old_length) == element_size(field_length, timed, value_length):
        prefixed_write(value_place(element), value, value_length)
        if timed and deadline_ms >= 0:
            element_set_deadline(element, deadline_ms)
            timed_sift(table, element_position(element), element)
        return result
    if timed and not element_is_timed(element):
        element = element_remake(table, slot, 1, value, value_length)
        if element == NULL:
            return -1
        timed_add(table, element, deadline_ms)
        return result
    element = element_remake(table, slot, timed, value, value_length)
    if element == NULL:
        return -1
    if timed and deadline_ms >= 0:
        element_set_deadline(element, deadline_ms)
        timed_sift(table, element_position(element), element)
    return result


cdef inline void note_size(const Core* core, HashTable* table, size_t field_length, size_t value_length) noexcept nogil:
    """Notes where a hash is too large for a listpack, once a field has been put."""
    cdef int64_t longest = core.settings.hash_max_listpack_value
    if table.for_deadlines and (<int64_t> field_length > longest or <int64_t> value_length > longest
                                or <int64_t> dict_size(&table.fields) > core.settings.hash_max_listpack_entries):
        table.for_deadlines = 0


# Either encoding

cdef bint append_part(Heap* heap, listpack* pack, const char* data, size_t length) noexcept nogil:
    """Appends; where memory is out, releases all and answers false."""
    cdef listpack more = listpack_append(heap, pack[0], data, length)
    if more == NULL:
        listpack_free(heap, pack[0])
        return 0
    pack[0] = more
    return 1


cdef void hash_item_at(const HashValue* hash, void* place, HashItem* item) noexcept nogil:
    cdef char* element
    item.place = place
    item.deadline_ms = HASH_NO_DEADLINE
    if hash.encoding == ENCODING_LISTPACK:
        listpack_get(<uint8_t*> place, &item.field)
        listpack_get(listpack_next(<listpack> hash.pointer, <uint8_t*> place), &item.value)
        return
    element = <char*> place
    item.field.data = element_field(element, &item.field.length)
    if element_is_timed(element):
        item.deadline_ms = element_deadline(element)
    item.value.data = element_value(element, &item.value.length)


cdef int hash_new(Core* core, HashValue* hash, size_t fields) noexcept nogil:
    if <int64_t> fields > core.settings.hash_max_listpack_entries:
        hash.encoding = ENCODING_HASHTABLE
        hash.pointer = table_new(core.heap, core.seed)
        if hash.pointer == NULL:
            return -1
        if dict_reserve(&(<HashTable*> hash.pointer).fields, fields) != 0:
            hash_release(core.heap, hash)
            return -1
        return 0
    hash.encoding = ENCODING_LISTPACK
    hash.pointer = listpack_new(core.heap)
    return 0 if hash.pointer != NULL else -1


cdef int hash_convert(Core* core, HashValue* hash, bint for_deadlines) noexcept nogil:
    cdef char field_text[LISTPACK_INTEGER_TEXT]
    cdef char value_text[LISTPACK_INTEGER_TEXT]
    cdef size_t field_length, value_length
    cdef char* field
    cdef char* value
    cdef listpack pack = <listpack> hash.pointer
    cdef uint8_t* entry
    cdef HashValue made
    if hash.encoding == ENCODING_HASHTABLE:
        return 0
    made.encoding = ENCODING_HASHTABLE
    made.pointer = table_new(core.heap, core.seed)
    if made.pointer == NULL:
        return -1
    if dict_reserve(&(<HashTable*> made.pointer).fields, listpack_length(pack) // 2) != 0:
        hash_release(core.heap, &made)
        return -1
    entry = listpack_first(pack)
    while entry != NULL:
        field = listpack_text(entry, field_text, &field_length)
        entry = listpack_next(pack, entry)
        value = listpack_text(entry, value_text, &value_length)
        entry = listpack_next(pack, entry)
        if table_put(core, <HashTable*> made.pointer, field, field_length, value, value_length,
                     HASH_NO_DEADLINE) < 0:
            hash_release(core.heap, &made)
            return -1
    (<HashTable*> made.pointer).for_deadlines = for_deadlines
    listpack_free(core.heap, pack)
    hash[0] = made
    return 0


cdef int hash_expect(Core* core, HashValue* hash, size_t fields) noexcept nogil:
    if <int64_t> fields <= core.settings.hash_max_listpack_entries:
        return 0
    if hash.encoding == ENCODING_HASHTABLE:
        (<HashTable*> hash.pointer).for_deadlines = 0
        return 0
    if hash_convert(core, hash, 0) != 0:
        return -1
    return dict_reserve(&(<HashTable*> hash.pointer).fields, fields)


cdef bint hash_find(const Core* core, const HashValue* hash, const char* field, size_t length,
                    HashItem* item) noexcept nogil:
    cdef listpack pack
    cdef uint8_t* entry
    cdef HashTable* table
    cdef char** slot
    if hash.encoding == ENCODING_LISTPACK:
        pack = <listpack> hash.pointer
        entry = listpack_find(pack, listpack_first(pack), field, length, 1)
        if entry == NULL:
            return 0
        hash_item_at(hash, entry, item)
        return 1
    table = <HashTable*> hash.pointer
    slot = <char**> dict_find(&table.fields, field, length, dict_hash(&table.fields, field, length))
    if slot == NULL or is_over(core, slot[0]):
        return 0
    hash_item_at(hash, slot[0], item)
    return 1


cdef int hash_put(Core* core, HashValue* hash, const char* field, size_t field_length, const char* value,
                  size_t value_length, int64_t deadline_ms) noexcept nogil:
    cdef int64_t longest = core.settings.hash_max_listpack_value
    cdef listpack pack
    cdef listpack more
    cdef uint8_t* entry
    cdef uint8_t* last
    cdef int result
    if hash.encoding == ENCODING_LISTPACK and deadline_ms >= 0 and hash_convert(core, hash, 1) != 0:
        return -1
    if hash.encoding == ENCODING_HASHTABLE:
        result = table_put(core, <HashTable*> hash.pointer, field, field_length, value, value_length, deadline_ms)
        if result >= 0:
            note_size(core, <HashTable*> hash.pointer, field_length, value_length)
        return result
    pack = <listpack> hash.pointer
    if <int64_t> field_length > longest or <int64_t> value_length > longest or \
            listpack_bytes(pack) + field_length + value_length + 2 * ELEMENT_OVERHEAD > LISTPACK_MAX_BYTES:
        if hash_convert(core, hash, 0) != 0:
            return -1
        return table_put(core, <HashTable*> hash.pointer, field, field_length, value, value_length, deadline_ms)
    entry = listpack_find(pack, listpack_first(pack), field, field_length, 1)
    if entry != NULL:
        entry = listpack_next(pack, entry)
        pack = listpack_replace(core.heap, pack, &entry, value, value_length)
        if pack == NULL:
            return -1
        hash.pointer = pack
        return 0
    if <int64_t> listpack_length(pack) // 2 >= core.settings.hash_max_listpack_entries:
        if hash_convert(core, hash, 0) != 0:
            return -1
        return table_put(core, <HashTable*> hash.pointer, field, field_length, value, value_length, deadline_ms)
    more = listpack_append(core.heap, pack, field, field_length)
    if more == NULL:
        return -1
    hash.pointer = more
    pack = listpack_append(core.heap, more, value, value_length)
    if pack == NULL:
        last = listpack_seek(more, -1)
        pack = listpack_delete_range(core.heap, more, &last, 1)
        if pack != NULL:
            hash.pointer = pack
        return -1
    hash.pointer = pack
    return 1


cdef bint hash_remove(Core* core, HashValue* hash, const char* field, size_t length, bint expired_too) noexcept nogil:
    cdef listpack pack
    cdef uint8_t* entry
    cdef HashTable* table
    cdef char** slot
    cdef uint64_t code
    cdef char* element
    if hash.encoding == ENCODING_LISTPACK:
        pack = <listpack> hash.pointer
        entry = listpack_find(pack, listpack_first(pack), field, length, 1)
        if entry == NULL:
            return 0
        pack = listpack_delete_range(core.heap, pack, &entry, 2)
        if pack == NULL:
            return 0
        hash.pointer = pack
        return 1
    table = <HashTable*> hash.pointer
    code = dict_hash(&table.fields, field, length)
    if table.timed_count and not expired_too:
        slot = <char**> dict_find(&table.fields, field, length, code)
        if slot == NULL or is_over(core, slot[0]):
            return 0
    element = <char*> dict_remove(&table.fields, field, length, code)
    if element == NULL:
        return 0
    if element_is_timed(element):
        timed_remove(table, element)
    release_element(core.heap, element)
    return 1


cdef int hash_set_deadline(Core* core, HashValue* hash, HashItem* item, int64_t deadline_ms) noexcept nogil:
    cdef HashTable* table = <HashTable*> hash.pointer
    cdef char* element = <char*> item.place
    cdef size_t field_length, value_length
    cdef char* field
    cdef char* value
    cdef char** slot
    if element_is_timed(element) and deadline_ms >= 0:
        element_set_deadline(element, deadline_ms)
        timed_sift(table, element_position(element), element)
    elif element_is_timed(element) or deadline_ms >= 0:
        if deadline_ms >= 0 and timed_reserve(table) != 0:
            return -1
        field = element_field(element, &field_length)
        value = element_value(element, &value_length)
        slot = <char**> dict_find(&table.fields, field, field_length, dict_hash(&table.fields, field, field_length))
        element = element_remake(table, slot, deadline_ms >= 0, value, value_length)
        if element == NULL:
            return -1
        if deadline_ms >= 0:
            timed_add(table, element, deadline_ms)
        hash_item_at(hash, element, item)
    item.deadline_ms = deadline_ms
    return 0


cdef size_t hash_length(const HashValue* hash) noexcept nogil:
    if hash.encoding == ENCODING_LISTPACK:
        return listpack_length(<listpack> hash.pointer) // 2
    return dict_size(&(<HashTable*> hash.pointer).fields)


cdef size_t hash_live_length(const Core* core, const HashValue* hash) noexcept nogil:
    cdef size_t length = hash_length(hash)
    if hash.encoding == ENCODING_HASHTABLE:
        length -= timed_over(<HashTable*> hash.pointer, expired_before(core), 0)
    return length


cdef bint hash_some_expired(const Core* core, const HashValue* hash) noexcept nogil:
    return is_expired(core, hash_next_deadline(hash))


cdef bint hash_has_expired(const Core* core, const HashValue* hash, const char* field, size_t length) noexcept nogil:
    cdef HashTable* table
    cdef char** slot
    if not hash_some_expired(core, hash):
        return 0
    table = <HashTable*> hash.pointer
    slot = <char**> dict_find(&table.fields, field, length, dict_hash(&table.fields, field, length))
    return slot != NULL and is_over(core, slot[0])


cdef char* hash_first_expired(const Core* core, const HashValue* hash, size_t* length) noexcept nogil:
    if not hash_some_expired(core, hash):
        return NULL
    return prefixed_read((<HashTable*> hash.pointer).timed[0] + ELEMENT_KEY, length)


cdef size_t hash_expire(Core* core, HashValue* hash, size_t budget) noexcept nogil:
    cdef HashTable* table
    cdef size_t removed = 0
    if hash.encoding != ENCODING_HASHTABLE:
        return 0
    table = <HashTable*> hash.pointer
    while removed < budget and table.timed_count and is_expired(core, element_deadline(table.timed[0])):
        table_remove(table, table.timed[0])
        removed += 1
    return removed


cdef bint hash_random(Core* core, const HashValue* hash, HashItem* item) noexcept nogil:
    cdef size_t length
    cdef listpack pack
    cdef char* element
    cdef HashIterator it
    cdef HashItem seen
    cdef int tries
    cdef bint checked
    if hash.encoding == ENCODING_LISTPACK:
        pack = <listpack> hash.pointer
        length = listpack_length(pack) // 2
        if length == 0:
            return 0
        hash_item_at(hash, listpack_seek(pack, <int64_t> (random_next(&core.random) % length) * 2), item)
        return 1
    checked = hash_some_expired(core, hash)
    for tries in range(RANDOM_TRIES):
        element = <char*> dict_random(&(<HashTable*> hash.pointer).fields, &core.random)
        if element == NULL:
            return 0
        if not checked or not is_over(core, element):
            hash_item_at(hash, element, item)
            return 1
    # Nearly all have expired: one of the rest, each replacing the one before with the probability that keeps it fair.
    length = 0
    hash_iterate_begin(&it, core, hash)
    while hash_iterate_next(&it, &seen):
        length += 1
        if random_next(&core.random) % length == 0:
            item[0] = seen
    hash_iterate_end(&it)
    return length != 0


cdef void hash_iterate_begin(HashIterator* it, const Core* core, const HashValue* hash) noexcept nogil:
    it.core = core
    if hash.encoding == ENCODING_LISTPACK:
        it.pack = <listpack> hash.pointer
        it.entry = listpack_first(it.pack)
        return
    it.pack = NULL
    it.some_expired = hash_some_expired(core, hash)
    dict_iterate_begin(&it.position, &(<HashTable*> hash.pointer).fields)


cdef bint hash_iterate_next(HashIterator* it, HashItem* item) noexcept nogil:
    cdef char* element
    cdef uint8_t* entry
    if it.pack != NULL:
        entry = it.entry
        if entry == NULL:
            return 0
        item.place = entry
        item.deadline_ms = HASH_NO_DEADLINE
        listpack_get(entry, &item.field)
        entry = listpack_next(it.pack, entry)
        listpack_get(entry, &item.value)
        it.entry = listpack_next(it.pack, entry)
        return 1
    while True:
        element = <char*> dict_iterate_next(&it.position)
        if element == NULL:
            return 0
        if it.some_expired and is_over(it.core, element):
            continue
        item.place = element
        item.field.data = element_field(element, &item.field.length)
        item.deadline_ms = element_deadline(element) if element_is_timed(element) else HASH_NO_DEADLINE
        item.value.data = element_value(element, &item.value.length)
        return 1


cdef void hash_iterate_end(HashIterator* it) noexcept nogil:
    if it.pack == NULL:
        dict_iterate_end(&it.position)


cdef int hash_copy(Heap* heap, const HashValue* hash, HashValue* copy) noexcept nogil:
    cdef HashTable* table
    cdef HashTable* made
    cdef DictIterator position
    cdef char* element
    cdef char* fresh
    cdef char* field
    cdef size_t block, length
    cdef bint failed = 0
    copy.encoding = hash.encoding
    if hash.encoding == ENCODING_LISTPACK:
        copy.pointer = listpack_copy(heap, <listpack> hash.pointer)
        return 0 if copy.pointer != NULL else -1
    table = <HashTable*> hash.pointer
    made = table_new(heap, table.fields.seed)
    copy.pointer = made
    if made == NULL:
        return -1
    made.for_deadlines = table.for_deadlines
    if table.timed_count:
        made.timed = <char**> heap_alloc(heap, table.timed_capacity * sizeof(char*))
        if made.timed == NULL:
            hash_release(heap, copy)
            return -1
        made.timed_count = table.timed_count
        made.timed_capacity = table.timed_capacity
    if dict_reserve(&made.fields, dict_size(&table.fields)) != 0:
        hash_release(heap, copy)
        return -1
    dict_iterate_begin(&position, &table.fields)
    element = <char*> dict_iterate_next(&position)
    while element != NULL and not failed:
        block = element_block(element)
        fresh = <char*> heap_alloc(heap, block)
        failed = fresh == NULL
        if not failed:
            memcpy(fresh, element, block)
            field = element_field(fresh, &length)
            failed = dict_insert(&made.fields, fresh, dict_hash(&made.fields, field, length)) != 0
            if failed:
                heap_free(heap, fresh, block)
            elif element_is_timed(fresh):
                made.timed[element_position(fresh)] = fresh
        element = <char*> dict_iterate_next(&position)
    dict_iterate_end(&position)
    if failed:
        hash_release(heap, copy)
        return -1
    return 0


cdef void hash_release(Heap* heap, const HashValue* hash) noexcept nogil:
    cdef Release step
    release_begin(&step, heap, ~<size_t> 0)
    hash_release_step(&step, hash)


cdef void release_element_later(void* step, void* element) noexcept nogil:
    release_block(<Release*> step, element, element_block(<char*> element))


cdef bint hash_release_step(Release* step, const HashValue* hash) noexcept nogil:
    cdef HashTable* table
    if hash.encoding == ENCODING_LISTPACK:
        listpack_free(step.heap, <listpack> hash.pointer)
        return 0
    table = <HashTable*> hash.pointer
    if dict_release_step(&table.fields, release_element_later, step, &step.budget):
        return 1
    release_block(step, table.timed, table.timed_capacity * sizeof(char*))
    heap_free(step.heap, table, sizeof(HashTable))
    return 0


cdef size_t hash_memory(const HashValue* hash, size_t samples) noexcept nogil:
    cdef HashTable* table
    cdef DictIterator position
    cdef char* element
    cdef size_t total, fields
    cdef size_t seen = 0
    cdef size_t bytes = 0
    if hash.encoding == ENCODING_LISTPACK:
        return listpack_memory(<listpack> hash.pointer)
    table = <HashTable*> hash.pointer
    fields = dict_size(&table.fields)
    total = heap_footprint(sizeof(HashTable)) + dict_table_bytes(&table.fields)
    if table.timed != NULL:
        total += heap_footprint(table.timed_capacity * sizeof(char*))
    dict_iterate_begin(&position, &table.fields)
    while samples == 0 or seen < samples:
        element = <char*> dict_iterate_next(&position)
        if element == NULL:
            break
        bytes += heap_footprint(element_block(element))
        seen += 1
    dict_iterate_end(&position)
    if seen:
        total += bytes if seen == fields else <size_t> (<double> bytes / <double> seen * <double> fields)
    return total


cdef listpack hash_timed_listpack(Heap* heap, const Core* core, const HashValue* hash) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    cdef HashIterator it
    cdef HashItem item
    cdef listpack pack = listpack_new(heap)
    cdef size_t length
    hash_iterate_begin(&it, core, hash)
    while pack != NULL and hash_iterate_next(&it, &item):
        length = format_int64(text, item.deadline_ms if item.deadline_ms > 0 else 0)
        if not (append_part(heap, &pack, item.field.data, item.field.length)
                and append_part(heap, &pack, item.value.data, item.value.length)
                and append_part(heap, &pack, text, length)):
            pack = NULL
    hash_iterate_end(&it)
    return pack
