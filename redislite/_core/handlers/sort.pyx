"""SORT and SORT_RO: the elements of a list, set or sorted set in order of numbers or bytes, their own or those of keys
that patterns name.

What is sorted is an array of places: the first eight bytes of what an element is sorted by (a number in the form that
compares alike), and the element's index. Elements stay where they stand in the key's value. Places of equal ranks are
told apart by bytes, and at last by index, so the order is total: the same whatever part of it LIMIT asks for.

    elements | bytes or integer | ...         in the order of the key's value
    keys     | bytes or integer | ...         BY with ALPHA: what each element is sorted by
    places   | rank: 8, index: 8 | ...        sorted

Values of other keys are looked at in place. Nothing is changed before all of a result stands, and keys that have
expired are the only ones to go meanwhile, so what was looked at stays.
"""
from libc cimport errno
from libc.float cimport DBL_MIN
from libc.math cimport fabs, isnan
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcmp, memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.commands.arguments cimport (
    argument_integer_or_reply, argument_is, reply_out_of_memory, reply_syntax_error, reply_wrong_type,
)
from redislite._core.dispatch.permissions cimport permissions_read_every_key
from redislite._core.keyspace.key_table cimport key_hash
from redislite._core.keyspace.entry cimport (
    ENCODING_INT, ENCODING_QUICKLIST, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STRING, Entry,
    entry_encoding, entry_integer, entry_pointer, entry_string, entry_type, sorted_set_load,
)
from redislite._core.keyspace.expiry cimport expire_field, expire_fields
from redislite._core.keyspace.keyspace cimport (
    argument_hash, delete_key, key_changed, keyspace_find, lookup_read, note_miss, notify_argument, notify_deleted,
    store_value, touch_entry,
)
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_bulk_integer, reply_error, reply_integer, reply_is_futile, reply_null,
)
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.flags cimport CLIENT_SCRIPT, NOTIFY_LIST
from redislite._core.structures.listpack cimport ListpackValue
from redislite._core.structures.quicklist cimport Quicklist
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64, parse_double, parse_int64
from redislite._core.values.hash_value cimport HashItem, HashValue, hash_find
from redislite._core.values.list_value cimport (
    ListIterator, ListValue, list_failed, list_free, list_get, list_length, list_new, list_next, list_previous,
    list_push, list_reserve, list_seek, list_stop,
)
from redislite._core.values.set_value cimport (
    SetIterator, SetValue, set_iterate_begin, set_iterate_end, set_iterate_next, set_length,
)
from redislite._core.values.sorted_set_value cimport (
    SortedSetCursor, SortedSetValue, sorted_set_length, sorted_set_next, sorted_set_seek,
)

from redislite._core.commands.row import native

cdef enum:
    GETS_INLINE = 8             # GET patterns that are noted without asking for memory
    NUMBER_TEXT_MAX = 1024      # bytes of a text that may be a number
    INSERTION_MAX = 16          # places that are sorted by insertion


# The name of another key, or of a field in a hash, with a place for an element in it.
cdef struct Pattern:
    bint is_element             # "#": the element itself
    bint is_constant            # no place for an element: there is never a value
    const char* prefix
    size_t prefix_length
    const char* suffix
    size_t suffix_length
    const char* field
    size_t field_length         # 0: the value of the key, a string


# What an element is sorted by, in short, and which one it is.
cdef struct Place:
    uint64_t rank
    size_t index


cdef struct Sort:
    Core* core
    Client* client
    # options
    bint descending
    bint alpha
    bint unsorted               # BY a pattern without a place for an element
    bint has_by
    Pattern by
    int target                  # argument that names the key to store under; 0: none
    int64_t offset              # LIMIT
    int64_t limit
    Pattern* gets               # own, or memory of the heap
    int gets_count
    int gets_capacity
    Pattern own[GETS_INLINE]
    # elements
    ListpackValue* elements
    ListpackValue* keys         # NULL: elements are sorted by a number or by themselves
    Place* places               # NULL: unsorted
    size_t count
    size_t first                # those asked for, in the order of the result
    size_t end
    size_t longest              # bytes of an element
    char* copies                # of elements that do not stay where they stand
    size_t copies_size
    char* name                  # room for the name of any key that a pattern names
    size_t name_size


# A key that a pattern names and that has no such value.
cdef inline void set_missing(ListpackValue* value) noexcept nogil:
    value.data = NULL
    value.length = 1
    value.integer = 0


cdef inline void set_integer(ListpackValue* value, int64_t integer) noexcept nogil:
    value.data = NULL
    value.length = 0
    value.integer = integer


cdef inline bint is_missing(const ListpackValue* value) noexcept nogil:
    return value.data == NULL and value.length != 0


cdef inline const char* text_of(const ListpackValue* value, char* digits, size_t* length) noexcept nogil:
    """The bytes of a value; an integer is written to digits (INTEGER_TEXT_MAX bytes)."""
    if value.data != NULL:
        length[0] = value.length
        return value.data
    length[0] = format_int64(digits, value.integer)
    return digits


# Options


cdef void read_pattern(const Argument* argument, Pattern* pattern) noexcept nogil:
    cdef const char* end = argument.data + argument.length
    cdef const char* at = <const char*> memchr(argument.data, c'*', argument.length)
    pattern.is_element = argument.length == 1 and argument.data[0] == c'#'
    pattern.is_constant = at == NULL
    if at == NULL:
        return
    pattern.prefix = argument.data
    pattern.prefix_length = at - argument.data
    pattern.suffix = at + 1
    pattern.suffix_length = end - pattern.suffix
    pattern.field_length = 0
    # An arrow with nothing behind it is part of the name.
    at = pattern.suffix
    while at + 2 < end:
        if at[0] == c'-' and at[1] == c'>':
            pattern.suffix_length = at - pattern.suffix
            pattern.field = at + 2
            pattern.field_length = end - pattern.field
            return
        at += 1


cdef Pattern* add_get(Sort* sort) noexcept nogil:
    """Room for another GET pattern, NULL where memory is out."""
    cdef Pattern* more
    if sort.gets_count == sort.gets_capacity:
        more = <Pattern*> heap_alloc(sort.core.heap, 2 * sort.gets_capacity * sizeof(Pattern))
        if more == NULL:
            return NULL
        memcpy(more, sort.gets, sort.gets_count * sizeof(Pattern))
        if sort.gets != sort.own:
            heap_free(sort.core.heap, sort.gets, sort.gets_capacity * sizeof(Pattern))
        sort.gets = more
        sort.gets_capacity *= 2
    sort.gets_count += 1
    return &sort.gets[sort.gets_count - 1]


cdef bint options_or_reply(Sort* sort, bint may_store) noexcept nogil:
    cdef Client* client = sort.client
    cdef Argument* option
    cdef Pattern* pattern
    cdef int following
    cdef int i = 2
    while i < client.argc:
        option = &client.argv[i]
        following = client.argc - i - 1
        if argument_is(option, "ASC"):
            sort.descending = 0
        elif argument_is(option, "DESC"):
            sort.descending = 1
        elif argument_is(option, "ALPHA"):
            sort.alpha = 1
        elif following >= 2 and argument_is(option, "LIMIT"):
            if not (argument_integer_or_reply(client, i + 1, &sort.offset)
                    and argument_integer_or_reply(client, i + 2, &sort.limit)):
                return 0
            i += 2
        elif following >= 1 and may_store and argument_is(option, "STORE"):
            i += 1
            sort.target = i
        elif following >= 1 and argument_is(option, "BY"):
            i += 1
            read_pattern(&client.argv[i], &sort.by)
            sort.has_by = 1
            if sort.by.is_constant:
                sort.unsorted = 1
            elif not permissions_read_every_key(sort.core, client, client.command):
                reply_error(&client.reply, "ERR BY option of SORT denied due to insufficient ACL permissions.")
                return 0
        elif following >= 1 and argument_is(option, "GET"):
            i += 1
            if not permissions_read_every_key(sort.core, client, client.command):
                reply_error(&client.reply, "ERR GET option of SORT denied due to insufficient ACL permissions.")
                return 0
            pattern = add_get(sort)
            if pattern == NULL:
                reply_out_of_memory(client)
                return 0
            read_pattern(&client.argv[i], pattern)
        else:
            reply_syntax_error(client)
            return 0
        i += 1
    return 1


cdef void set_window(Sort* sort, size_t length) noexcept nogil:
    """Makes LIMIT a range of the result, within so many elements."""
    cdef int64_t most = <int64_t> length
    cdef int64_t first = min(max(sort.offset, 0), most)
    cdef int64_t count = most if sort.limit < 0 else min(sort.limit, most)
    sort.first = <size_t> first
    sort.end = <size_t> min(first + count, most)


cdef size_t take_window(Sort* sort, size_t* length) noexcept nogil:
    """Of elements that have an order of their own, only those within LIMIT are loaded where they are not sorted: how
    many go to *length, and the first of them is answered."""
    cdef size_t first
    set_window(sort, length[0])
    if not sort.unsorted:
        return 0
    first = sort.first
    length[0] = sort.end - sort.first
    sort.first = 0
    sort.end = length[0]
    return first


# Elements


cdef inline void add_element(Sort* sort, size_t index, const ListpackValue* element) noexcept nogil:
    sort.elements[index] = element[0]
    if element.data == NULL:
        sort.elements[index].length = 0
    elif element.length > sort.longest:
        sort.longest = element.length


cdef int make_elements(Sort* sort, size_t count) noexcept nogil:
    """Room for so many elements. 0, or -1 where memory is out."""
    sort.count = count
    if count == 0:
        return 0
    sort.elements = <ListpackValue*> heap_alloc(sort.core.heap, count * sizeof(ListpackValue))
    return 0 if sort.elements != NULL else -1


cdef bint walk_list(Sort* sort, ListValue* value, size_t first, char* copies) noexcept nogil:
    """Takes sort.count elements from a rank on (from the end where the order is the list's and descending)."""
    cdef bint backward = sort.unsorted and sort.descending
    cdef int64_t index = -1 - <int64_t> first if backward else <int64_t> first
    cdef ListpackValue element
    cdef ListIterator it
    cdef size_t taken = 0
    cdef bint more = list_seek(&it, sort.core.heap, value, index)
    while more:
        list_get(&it, &element)
        if copies != NULL and element.data != NULL:
            memcpy(copies, element.data, element.length)
            element.data = copies
            copies += element.length
        add_element(sort, taken, &element)
        taken += 1
        if taken == sort.count:
            break
        more = list_previous(&it) if backward else list_next(&it)
    more = taken == sort.count and not list_failed(&it)
    list_stop(&it)
    return more


cdef int load_list(Sort* sort, ListValue* value) noexcept nogil:
    cdef size_t length = list_length(value)
    cdef size_t first
    cdef size_t i
    first = take_window(sort, &length)
    if make_elements(sort, length) != 0:
        return -1
    if length == 0:
        return 0
    if not walk_list(sort, value, first, NULL):
        return -1
    if value.encoding == ENCODING_QUICKLIST and (<Quicklist*> value.block).depth != 0:
        # A compressed node is readable only while the iterator stands on it.
        for i in range(length):
            if sort.elements[i].data != NULL:
                sort.copies_size += sort.elements[i].length
        sort.copies_size += 1
        sort.copies = <char*> heap_alloc(sort.core.heap, sort.copies_size)
        if sort.copies == NULL or not walk_list(sort, value, first, sort.copies):
            return -1
    return 0


cdef int load_set(Sort* sort, const SetValue* value) noexcept nogil:
    cdef SetIterator it
    cdef ListpackValue member
    cdef size_t taken = 0
    set_window(sort, set_length(value))
    if make_elements(sort, sort.end if sort.unsorted else set_length(value)) != 0:
        return -1
    set_iterate_begin(&it, value)
    while taken < sort.count and set_iterate_next(&it, &member):
        add_element(sort, taken, &member)
        taken += 1
    set_iterate_end(&it)
    return 0


cdef int load_sorted_set(Sort* sort, const SortedSetValue* value) noexcept nogil:
    cdef SortedSetCursor cursor
    cdef ListpackValue member
    cdef size_t length = sorted_set_length(value)
    cdef size_t first
    cdef size_t taken = 0
    first = take_window(sort, &length)
    if make_elements(sort, length) != 0:
        return -1
    if length == 0:
        return 0
    sorted_set_seek(value, &cursor, first, sort.unsorted and sort.descending, 0)
    while taken < length and sorted_set_next(&cursor):
        member.data = cursor.data
        member.length = cursor.length
        # The text of an integer in a listpack is gone with the next member.
        if cursor.data == cursor.number and parse_int64(cursor.data, cursor.length, &member.integer):
            member.data = NULL
        add_element(sort, taken, &member)
        taken += 1
    return 0


# Other keys


cdef int make_name(Sort* sort) noexcept nogil:
    """Room for the longest name that a pattern and an element can make. 0, or -1 where memory is out."""
    cdef size_t longest = 0
    cdef int i
    if sort.has_by and not sort.by.is_constant:
        longest = sort.by.prefix_length + sort.by.suffix_length + 1
    for i in range(sort.gets_count):
        if not sort.gets[i].is_constant:
            longest = max(longest, sort.gets[i].prefix_length + sort.gets[i].suffix_length + 1)
    if longest == 0:
        return 0
    sort.name_size = longest + max(sort.longest, <size_t> INTEGER_TEXT_MAX)
    sort.name = <char*> heap_alloc(sort.core.heap, sort.name_size)
    return 0 if sort.name != NULL else -1


cdef void find_value(Sort* sort, const Pattern* pattern, const ListpackValue* element,
                     ListpackValue* value) noexcept nogil:
    """What a pattern names for an element."""
    cdef Core* core = sort.core
    cdef Client* client = sort.client
    cdef char* place
    cdef Entry** slot
    cdef Entry* entry
    cdef HashValue hash_of_fields
    cdef HashItem item
    cdef size_t length
    cdef uint64_t name_hash
    cdef int64_t removed = 0
    if pattern.is_element:
        value[0] = element[0]
        return
    set_missing(value)
    if pattern.is_constant:
        return
    memcpy(sort.name, pattern.prefix, pattern.prefix_length)
    place = sort.name + pattern.prefix_length
    if element.data != NULL:
        memcpy(place, element.data, element.length)
        place += element.length
    else:
        place += format_int64(place, element.integer)
    memcpy(place, pattern.suffix, pattern.suffix_length)
    length = place + pattern.suffix_length - sort.name
    name_hash = key_hash(client.database, sort.name, length)
    slot = keyspace_find(core, client.database, sort.name, length, name_hash)
    if slot == NULL:
        note_miss(core, client.database, sort.name, length)
        return
    core.statistics.keyspace_hits += 1
    entry = slot[0]
    touch_entry(core, client, entry)
    if pattern.field_length:
        # Where the command is executed again nothing has expired, unless that is said first.
        if entry_type(entry) != TYPE_HASH or (sort.target and not expire_fields(core, client.database, entry)):
            return
        if core.settings.fields_expire_on_access and not expire_field(
                core, client.database, entry, name_hash, pattern.field, pattern.field_length, &removed):
            return
        hash_of_fields.pointer = entry_pointer(entry)
        hash_of_fields.encoding = entry_encoding(entry)
        if hash_find(core, &hash_of_fields, pattern.field, pattern.field_length, &item):
            value[0] = item.value
            if value.data == NULL:
                value.length = 0
    elif entry_type(entry) == TYPE_STRING:
        if entry_encoding(entry) == ENCODING_INT:
            set_integer(value, entry_integer(entry))
        else:
            value.data = entry_string(entry, NULL, &value.length)


# Order


cdef bint read_score(const char* text, size_t length, double* score) noexcept nogil:
    """A number as SORT takes it: spaces may stand before it, and no text at all is 0."""
    cdef char buffer[NUMBER_TEXT_MAX]
    cdef char* end
    if parse_double(text, length, score) and (fabs(score[0]) >= DBL_MIN or score[0] == 0):
        return 1
    if length >= sizeof(buffer):
        return 0
    memcpy(buffer, text, length)
    buffer[length] = 0
    errno.errno = 0
    score[0] = strtod(buffer, &end)
    return end[0] == 0 and errno.errno != errno.ERANGE and not isnan(score[0])


cdef inline uint64_t rank_of_score(double score) noexcept nogil:
    cdef uint64_t bits
    score += 0.0                # both zeros are one
    memcpy(&bits, &score, 8)
    return ~bits if bits >> 63 else bits | <uint64_t> 1 << 63


cdef inline uint64_t rank_of_text(const char* text, size_t length) noexcept nogil:
    cdef uint64_t rank = 0
    cdef size_t i
    cdef size_t bytes = min(length, <size_t> 8)
    for i in range(bytes):
        rank |= <uint64_t> (<const uint8_t*> text)[i] << (56 - 8 * i)
    return rank


cdef int compare(const ListpackValue* one, const ListpackValue* other) noexcept nogil:
    """Order of two values by their bytes; what is missing comes first."""
    cdef char one_digits[INTEGER_TEXT_MAX]
    cdef char other_digits[INTEGER_TEXT_MAX]
    cdef size_t one_length, other_length
    cdef const char* one_text
    cdef const char* other_text
    cdef int order
    if is_missing(one) or is_missing(other):
        return is_missing(other) - is_missing(one)
    one_text = text_of(one, one_digits, &one_length)
    other_text = text_of(other, other_digits, &other_length)
    order = memcmp(one_text, other_text, min(one_length, other_length))
    if order == 0:
        return (one_length > other_length) - (one_length < other_length)
    return order


cdef bint tie_before(const Sort* sort, size_t one, size_t other) noexcept nogil:
    """Whether one element comes before another of the same rank."""
    cdef const ListpackValue* values = sort.keys if sort.keys != NULL else sort.elements
    cdef int order = compare(&values[one], &values[other])
    if order == 0:
        return one < other
    return (order < 0) != sort.descending


cdef inline bint is_before(const Sort* sort, const Place* one, const Place* other) noexcept nogil:
    if one.rank != other.rank:
        return one.rank < other.rank
    return tie_before(sort, one.index, other.index)


cdef bint make_places_or_reply(Sort* sort) noexcept nogil:
    """Finds out what each element is sorted by."""
    cdef char digits[INTEGER_TEXT_MAX]
    cdef ListpackValue value
    cdef const char* text
    cdef size_t length, i
    cdef uint64_t rank
    cdef double score
    cdef bint has_scores = 1
    sort.places = <Place*> heap_alloc(sort.core.heap, sort.count * sizeof(Place))
    if sort.alpha and sort.has_by:
        sort.keys = <ListpackValue*> heap_alloc(sort.core.heap, sort.count * sizeof(ListpackValue))
    if sort.places == NULL or (sort.keys == NULL and sort.alpha and sort.has_by):
        reply_out_of_memory(sort.client)
        return 0
    for i in range(sort.count):
        if sort.has_by:
            find_value(sort, &sort.by, &sort.elements[i], &value)
        else:
            value = sort.elements[i]
        if sort.alpha:
            if sort.keys != NULL:
                sort.keys[i] = value
            if is_missing(&value):
                rank = 0
            else:
                text = text_of(&value, digits, &length)
                rank = rank_of_text(text, length)
        else:
            score = 0
            if value.data == NULL:
                score = <double> value.integer
            elif not read_score(value.data, value.length, &score):
                has_scores = 0
            rank = rank_of_score(score)
        sort.places[i].rank = ~rank if sort.descending else rank
        sort.places[i].index = i
    if not has_scores:
        reply_error(&sort.client.reply, "ERR One or more scores can't be converted into double")
    return has_scores


cdef inline void exchange(Place* one, Place* other) noexcept nogil:
    cdef Place held = one[0]
    one[0] = other[0]
    other[0] = held


cdef void insertion_sort(const Sort* sort, Place* places, size_t count) noexcept nogil:
    cdef Place held
    cdef size_t i, j
    for i in range(1, count):
        held = places[i]
        j = i
        while j > 0 and is_before(sort, &held, &places[j - 1]):
            places[j] = places[j - 1]
            j -= 1
        places[j] = held


cdef void sift_down(const Sort* sort, Place* places, size_t root, size_t count) noexcept nogil:
    cdef size_t child = 2 * root + 1
    while child < count:
        if child + 1 < count and is_before(sort, &places[child], &places[child + 1]):
            child += 1
        if not is_before(sort, &places[root], &places[child]):
            return
        exchange(&places[root], &places[child])
        root = child
        child = 2 * root + 1


cdef void heap_sort(const Sort* sort, Place* places, size_t count) noexcept nogil:
    cdef size_t i = count // 2
    while i > 0:
        i -= 1
        sift_down(sort, places, i, count)
    i = count
    while i > 1:
        i -= 1
        exchange(&places[0], &places[i])
        sift_down(sort, places, 0, i)


cdef size_t partition(const Sort* sort, Place* places, size_t count) noexcept nogil:
    """Splits places by the middle one of three; answers how many, at least one and not all, come first."""
    cdef size_t middle = count // 2
    cdef size_t i = 0
    cdef size_t j = count - 1
    cdef Place pivot
    if is_before(sort, &places[middle], &places[0]):
        exchange(&places[middle], &places[0])
    if is_before(sort, &places[j], &places[middle]):
        exchange(&places[j], &places[middle])
        if is_before(sort, &places[middle], &places[0]):
            exchange(&places[middle], &places[0])
    pivot = places[middle]
    # The ends are on their sides already.
    while True:
        i += 1
        while is_before(sort, &places[i], &pivot):
            i += 1
        j -= 1
        while is_before(sort, &pivot, &places[j]):
            j -= 1
        if i >= j:
            return j + 1
        exchange(&places[i], &places[j])


cdef void sort_places(const Sort* sort, size_t low, size_t high, int depth) noexcept nogil:
    """Sorts places low to high - 1, as far as they are asked for."""
    cdef size_t middle
    while high - low > INSERTION_MAX:
        if depth == 0:
            heap_sort(sort, sort.places + low, high - low)
            return
        depth -= 1
        middle = low + partition(sort, sort.places + low, high - low)
        if sort.first >= middle:
            low = middle
        elif sort.end <= middle:
            high = middle
        elif middle - low < high - middle:
            sort_places(sort, low, middle, depth)
            low = middle
        else:
            sort_places(sort, middle, high, depth)
            high = middle
    insertion_sort(sort, sort.places + low, high - low)


cdef bint order_or_reply(Sort* sort) noexcept nogil:
    cdef int depth = 0
    if sort.unsorted or sort.count == 0:
        return 1
    if not make_places_or_reply(sort):
        return 0
    while sort.count >> depth:
        depth += 1
    if sort.first < sort.end:
        sort_places(sort, 0, sort.count, 2 * depth)
    return 1


# Results


cdef inline const ListpackValue* element_at(const Sort* sort, size_t position) noexcept nogil:
    return &sort.elements[sort.places[position].index if sort.places != NULL else position]


cdef inline void reply_value(Client* client, const ListpackValue* value) noexcept nogil:
    if value.data != NULL:
        reply_bulk(&client.reply, value.data, value.length)
    elif is_missing(value):
        reply_null(&client.reply)
    else:
        reply_bulk_integer(&client.reply, value.integer)


cdef void reply_result(Sort* sort) noexcept nogil:
    cdef ListpackValue value
    cdef size_t i
    cdef int j
    reply_array(&sort.client.reply, <int64_t> (sort.end - sort.first) * max(sort.gets_count, 1))
    for i in range(sort.first, sort.end):
        if sort.gets_count == 0:
            reply_value(sort.client, element_at(sort, i))
            continue
        for j in range(sort.gets_count):
            find_value(sort, &sort.gets[j], element_at(sort, i), &value)
            reply_value(sort.client, &value)
        if reply_is_futile(&sort.client.reply):
            return


cdef int push_value(Sort* sort, ListValue* result, const ListpackValue* value) noexcept nogil:
    """Appends a value, or nothing but an empty element where it is missing. 0, or -1 where memory is out."""
    cdef char digits[INTEGER_TEXT_MAX]
    cdef size_t length = 0
    cdef const char* text = ""
    if not is_missing(value):
        text = text_of(value, digits, &length)
    if list_reserve(sort.core, result, length, 1) != 0:
        return -1
    return list_push(sort.core.heap, result, 0, text, length)


cdef int fill_result(Sort* sort, ListValue* result) noexcept nogil:
    cdef ListpackValue value
    cdef size_t i
    cdef int j
    for i in range(sort.first, sort.end):
        if sort.gets_count == 0 and push_value(sort, result, element_at(sort, i)) != 0:
            return -1
        for j in range(sort.gets_count):
            find_value(sort, &sort.gets[j], element_at(sort, i), &value)
            if push_value(sort, result, &value) != 0:
                return -1
    return 0


cdef void store_result(Sort* sort) noexcept nogil:
    cdef Core* core = sort.core
    cdef Client* client = sort.client
    cdef Argument* name = &client.argv[sort.target]
    cdef uint64_t name_hash = argument_hash(client, sort.target)
    cdef size_t length = (sort.end - sort.first) * max(sort.gets_count, 1)
    cdef ListValue result
    if length == 0:
        if delete_key(core, client.database, name.data, name.length, name_hash,
                      core.settings.lazy_server_delete != 0):
            key_changed(core, client.database, name.data, name.length)
            notify_deleted(core, client, sort.target)
        reply_integer(&client.reply, 0)
        return
    if list_new(core, &result) != 0:
        reply_out_of_memory(client)
        return
    if fill_result(sort, &result) != 0 or store_value(
            core, client.database, keyspace_find(core, client.database, name.data, name.length, name_hash), name,
            name_hash, TYPE_LIST, result.encoding, result.block) != 0:
        list_free(core.heap, &result)
        reply_out_of_memory(client)
        return
    core.dirty += length - 1
    key_changed(core, client.database, name.data, name.length)
    notify_argument(core, client, sort.target, NOTIFY_LIST, "sortstore")
    reply_integer(&client.reply, <int64_t> length)


# Commands


cdef int load(Sort* sort, const Entry* entry) noexcept nogil:
    """Takes the elements of a key, or none where it is not there. 0, or -1 where memory is out."""
    cdef ListValue list_of_elements
    cdef SetValue set_of_members
    cdef SortedSetValue sorted_set
    if entry == NULL:
        set_window(sort, 0)
        return 0
    if entry_type(entry) == TYPE_LIST:
        list_of_elements.encoding = entry_encoding(entry)
        list_of_elements.block = entry_pointer(entry)
        return load_list(sort, &list_of_elements)
    if entry_type(entry) == TYPE_SET:
        # A set has no order of its own that could be stored, or that a script's effects might depend on.
        if sort.unsorted and (sort.target or sort.client.flags & CLIENT_SCRIPT):
            sort.unsorted = 0
            sort.alpha = 1
            sort.has_by = 0
        set_of_members.encoding = entry_encoding(entry)
        set_of_members.block = entry_pointer(entry)
        return load_set(sort, &set_of_members)
    sorted_set = sorted_set_load(entry)
    return load_sorted_set(sort, &sorted_set)


cdef void run(Sort* sort) noexcept nogil:
    cdef Entry* entry = lookup_read(sort.core, sort.client, 1)
    cdef int type = entry_type(entry) if entry != NULL else TYPE_LIST
    if type != TYPE_LIST and type != TYPE_SET and type != TYPE_SORTED_SET:
        reply_wrong_type(sort.client)
        return
    if load(sort, entry) != 0 or make_name(sort) != 0:
        reply_out_of_memory(sort.client)
        return
    if not order_or_reply(sort):
        return
    if sort.target:
        store_result(sort)
    else:
        reply_result(sort)


cdef void sort_elements(Core* core, Client* client, bint may_store) noexcept nogil:
    cdef Sort sort
    sort.core = core
    sort.client = client
    sort.descending = sort.alpha = sort.unsorted = sort.has_by = 0
    sort.target = sort.gets_count = 0
    sort.offset = 0
    sort.limit = -1
    sort.gets = sort.own
    sort.gets_capacity = GETS_INLINE
    sort.elements = sort.keys = NULL
    sort.places = NULL
    sort.copies = sort.name = NULL
    sort.count = sort.longest = sort.copies_size = sort.name_size = 0
    if options_or_reply(&sort, may_store):
        run(&sort)
    heap_free(core.heap, sort.elements, sort.count * sizeof(ListpackValue))
    heap_free(core.heap, sort.keys, sort.count * sizeof(ListpackValue))
    heap_free(core.heap, sort.places, sort.count * sizeof(Place))
    heap_free(core.heap, sort.copies, sort.copies_size)
    heap_free(core.heap, sort.name, sort.name_size)
    if sort.gets != sort.own:
        heap_free(core.heap, sort.gets, sort.gets_capacity * sizeof(Pattern))


cdef void sort_command(Core* core, Client* client) noexcept nogil:
    sort_elements(core, client, 1)


cdef void sort_ro_command(Core* core, Client* client) noexcept nogil:
    sort_elements(core, client, 0)


COMMANDS = [
    native(
        "sort", <size_t> &sort_command, -2, "write denyoom", keys="RO ACCESS @ 1; RO ACCESS @ ?; OW UPDATE @ ?",
        group="generic", since="1.0.0",
        acl="+set +sortedset +list +dangerous -keyspace",
        syntax=(
            "key [BY by-pattern:pattern~pattern#1] [LIMIT (offset:integer count:integer)] [GET... "
            "get-pattern:pattern~pattern#1] [order:(ASC | DESC)] [sorting=ALPHA] [STORE destination:key#2]"
        ),
        summary="Sorts the elements of a list, set or sorted set, and returns or stores them.",
        complexity="O(N+M*log(M)) for N elements of which M are returned, O(N) without sorting",
    ),
    native(
        "sort_ro", <size_t> &sort_ro_command, -2, "readonly", keys="RO ACCESS @ 1; RO ACCESS @ ?", group="generic",
        since="7.0.0",
        acl="+set +sortedset +list +dangerous -keyspace",
        syntax=(
            "key [BY by-pattern:pattern~pattern#1] [LIMIT (offset:integer count:integer)] [GET... "
            "get-pattern:pattern~pattern#1] [order:(ASC | DESC)] [sorting=ALPHA]"
        ),
        summary="Sorts the elements of a list, set or sorted set and returns them.",
        complexity="O(N+M*log(M)) for N elements of which M are returned, O(N) without sorting",
    ),
]
