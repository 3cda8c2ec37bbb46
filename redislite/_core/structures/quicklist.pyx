"""Quicklist: linked nodes of listpacks; the contract and the layout are in quicklist.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memmove, memset
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.base.growth cimport growth_size
from redislite._core.structures.listpack cimport (
    LISTPACK_END, LISTPACK_HEADER, LISTPACK_UNCOUNTED, ListpackEncoded, ListpackValue, listpack, listpack_bytes,
    listpack_encode, listpack_entry_bytes, listpack_equals, listpack_get, listpack_last, listpack_length,
    listpack_previous, listpack_seek, listpack_write,
)
from redislite._core.structures.release cimport Release, release_begin, release_charge
from redislite._core.text.lzf cimport lzf_compress, lzf_decompress

cdef enum:
    ENTRY_ESTIMATE = 8              # bytes that an element is taken to need besides its own
    FILL_LEVELS = 5                 # sizes of nodes, from 4 KiB doubled
    PACKED_MAX = 1 << 28            # bytes; longer elements never stand in a listpack
    BLOCK_MIN = 64                  # bytes of the block of a list's first node
    BLOCK_FURTHER = 512             # the same of further nodes
    TRIM_MIN = 64                   # bytes that trimming a node must save
    BLOCK_HEADER = 8                # bytes that the C library adds to a block: with them, a full node is what fits


# --- nodes

cdef void quicklist_limits(int64_t fill, size_t* bytes, size_t* count) noexcept nogil:
    if fill >= 0:
        bytes[0] = QUICKLIST_SAFE_BYTES
        count[0] = fill if fill else 1
    else:
        bytes[0] = <size_t> 2048 << (-fill if fill > -FILL_LEVELS else <int64_t> FILL_LEVELS)
        count[0] = ~<size_t> 0


cdef bint quicklist_exceeds(int64_t fill, size_t bytes, size_t count) noexcept nogil:
    cdef size_t most_bytes, most_count
    quicklist_limits(fill, &most_bytes, &most_count)
    return bytes > most_bytes or count > most_count


cdef inline bint is_large(const Quicklist* list, size_t length) noexcept nogil:
    if length > PACKED_MAX:
        return 1
    return length >= list.plain_from if list.plain_from else length > list.node_bytes


cdef inline bint has_room(const Quicklist* list, const QuicklistNode* node, size_t length) noexcept nogil:
    """Whether an element of this length may go into the node."""
    return (node.kind == NODE_PACKED and node.count < list.node_count
            and node.bytes + length + ENTRY_ESTIMATE <= list.node_bytes)


cdef inline void write_header(QuicklistNode* node) noexcept nogil:
    cdef uint8_t* pack = node_pack(node)
    cdef uint32_t count = node.count if node.count < LISTPACK_UNCOUNTED else <uint32_t> LISTPACK_UNCOUNTED
    pack[0] = <uint8_t> node.bytes
    pack[1] = <uint8_t> (node.bytes >> 8)
    pack[2] = <uint8_t> (node.bytes >> 16)
    pack[3] = <uint8_t> (node.bytes >> 24)
    pack[4] = <uint8_t> count
    pack[5] = <uint8_t> (count >> 8)


cdef QuicklistNode* node_new(Heap* heap, int kind, size_t capacity) noexcept nogil:
    cdef QuicklistNode* node
    if capacity >> NODE_BYTES_BITS:
        return NULL
    node = <QuicklistNode*> heap_zalloc(heap, sizeof(QuicklistNode))
    if node == NULL:
        return NULL
    node.block = <uint8_t*> heap_alloc(heap, capacity)
    if node.block == NULL:
        heap_free(heap, node, sizeof(QuicklistNode))
        return NULL
    node.capacity = capacity
    node.kind = <uint8_t> kind
    return node


cdef void node_free(Heap* heap, QuicklistNode* node) noexcept nogil:
    heap_free(heap, node.block, node.capacity)
    heap_free(heap, node, sizeof(QuicklistNode))


cdef void node_trim(Heap* heap, QuicklistNode* node) noexcept nogil:
    """Gives spare room back, where it is worth it and memory is there."""
    cdef uint8_t* block
    if node.compressed or heap_footprint(node.capacity) < heap_footprint(node.bytes) + TRIM_MIN:
        return
    if node.gap:
        memmove(node.block, node.block + node.gap, node.bytes)
        node.gap = 0
    block = <uint8_t*> heap_realloc(heap, node.block, node.capacity, node.bytes)
    if block != NULL:
        node.block = block
        node.capacity = node.bytes


cdef bint node_open(Heap* heap, QuicklistNode* node) noexcept nogil:
    """Decompresses the node where it is compressed. 0 where memory is out."""
    cdef uint8_t* block
    if not node.compressed:
        return 1
    block = <uint8_t*> heap_alloc(heap, node.bytes)
    if block == NULL:
        return 0
    lzf_decompress(node.block, node.capacity, block, node.bytes)
    heap_free(heap, node.block, node.capacity)
    node.block = block
    node.capacity = node.bytes
    node.compressed = 0
    return 1


cdef void node_close(Heap* heap, QuicklistNode* node) noexcept nogil:
    """Compresses the node where that gains something and memory is there."""
    cdef uint8_t* block
    cdef uint8_t* shorter
    cdef size_t room, written
    if node.compressed or node.incompressible or node.bytes < QUICKLIST_COMPRESS_MIN:
        return
    room = node.bytes - QUICKLIST_GAIN_MIN
    block = <uint8_t*> heap_alloc(heap, room)
    if block == NULL:
        return
    written = lzf_compress(node.block + node.gap, node.bytes, block, room)
    if written == 0:
        node.incompressible = 1
        heap_free(heap, block, room)
        return
    shorter = <uint8_t*> heap_realloc(heap, block, room, written)
    if shorter == NULL:
        heap_free(heap, block, room)
        return
    heap_free(heap, node.block, node.capacity)
    node.block = shorter
    node.capacity = written
    node.gap = 0
    node.compressed = 1


cdef void node_cut(QuicklistNode* node, size_t offset, size_t length, size_t elements) noexcept nogil:
    """Takes bytes, so many elements, out of an open packed node."""
    cdef uint8_t* pack = node_pack(node)
    cdef size_t behind = node.bytes - offset - length
    if offset < behind:
        memmove(pack + length, pack, offset)
        node.gap += <uint32_t> length
    else:
        memmove(pack + offset, pack + offset + length, behind)
    node.bytes -= length
    node.count -= <uint32_t> elements
    node.incompressible = 0
    write_header(node)


cdef uint8_t* node_make_room(Heap* heap, const Quicklist* list, QuicklistNode* node, size_t offset, size_t old,
                             size_t new) noexcept nogil:
    """Makes room for new bytes, more than the old ones, in their place in an open packed node. The header is to be
    written. The room, or NULL."""
    cdef uint8_t* pack = node_pack(node)
    cdef uint8_t* block
    cdef size_t more = new - old
    cdef size_t behind = node.bytes - offset - old
    cdef size_t spare = node.capacity - node.gap - node.bytes
    cdef size_t wanted = node.bytes + more
    cdef size_t capacity
    cdef bint front = offset < behind
    if front and node.gap >= more:
        memmove(pack - more, pack, offset)
        node.gap -= <uint32_t> more
    elif not front and spare >= more:
        memmove(pack + offset + new, pack + offset + old, behind)
    elif node.capacity >= wanted + wanted // 8:
        # The room is at the other end: shares it out between both.
        block = node.block
        spare = (node.capacity - wanted) // 2
        if spare < node.gap:
            memmove(block + spare, pack, offset)
            memmove(block + spare + offset + new, pack + offset + old, behind)
        else:
            memmove(block + spare + offset + new, pack + offset + old, behind)
            memmove(block + spare, pack, offset)
        node.gap = <uint32_t> spare
    else:
        capacity = wanted + wanted // 8
        if (node == list.head or node == list.tail) and wanted < list.node_bytes:
            # More will come, up to the limit.
            capacity = min(wanted * 2, max(wanted, list.node_bytes - BLOCK_HEADER))
        block = <uint8_t*> heap_alloc(heap, capacity)
        if block == NULL:
            return NULL
        spare = capacity - wanted if front else 0
        memcpy(block + spare, pack, offset)
        memcpy(block + spare + offset + new, pack + offset + old, behind)
        heap_free(heap, node.block, node.capacity)
        node.block = block
        node.capacity = capacity
        node.gap = <uint32_t> spare
    node.bytes = wanted
    node.incompressible = 0
    return node_pack(node) + offset


cdef int node_add(Heap* heap, Quicklist* list, QuicklistNode* node, size_t offset,
                  const ListpackEncoded* encoded) noexcept nogil:
    """Adds an element at an offset in an open packed node."""
    cdef uint8_t* place = node_make_room(heap, list, node, offset, 0, encoded.bytes)
    if place == NULL:
        return -1
    listpack_write(place, encoded)
    node.count += 1
    write_header(node)
    return 0


cdef QuicklistNode* node_of(Heap* heap, Quicklist* list, const char* data, size_t length, bint at_head) noexcept nogil:
    """A node with this element alone, in no list yet; with room to grow."""
    cdef QuicklistNode* node
    cdef ListpackEncoded encoded
    cdef size_t capacity
    if is_large(list, length):
        node = node_new(heap, NODE_PLAIN, length if length else 1)
        if node != NULL:
            memcpy(node.block, data, length)
            node.bytes = length
            node.count = 1
        return node
    listpack_encode(&encoded, data, length)
    capacity = BLOCK_FURTHER if list.nodes else BLOCK_MIN
    if capacity < LISTPACK_HEADER + encoded.bytes + 1:
        capacity = LISTPACK_HEADER + encoded.bytes + 1
    node = node_new(heap, NODE_PACKED, capacity)
    if node == NULL:
        return NULL
    node.bytes = LISTPACK_HEADER + encoded.bytes + 1
    node.count = 1
    node.gap = <uint32_t> (capacity - node.bytes) if at_head else 0
    listpack_write(node_pack(node) + LISTPACK_HEADER, &encoded)
    node_pack(node)[node.bytes - 1] = LISTPACK_END
    write_header(node)
    return node


# --- the chain

cdef void link_before(Quicklist* list, QuicklistNode* node, QuicklistNode* next) noexcept nogil:
    """Puts the node before another one; behind all where that is NULL. Its elements are not counted."""
    cdef QuicklistNode* previous = next.previous if next != NULL else list.tail
    node.previous = previous
    node.next = next
    if previous != NULL:
        previous.next = node
    else:
        list.head = node
    if next != NULL:
        next.previous = node
    else:
        list.tail = node
    list.nodes += 1


cdef void unlink_node(Quicklist* list, QuicklistNode* node) noexcept nogil:
    """Takes the node out. Its elements have been taken off the count."""
    if node.previous != NULL:
        node.previous.next = node.next
    else:
        list.head = node.next
    if node.next != NULL:
        node.next.previous = node.previous
    else:
        list.tail = node.previous
    list.nodes -= 1


cdef void remove_node(Heap* heap, Quicklist* list, QuicklistNode* node) noexcept nogil:
    """The same, and releases it."""
    unlink_node(list, node)
    node_free(heap, node)


cdef void settle(Heap* heap, Quicklist* list, QuicklistNode* node) noexcept nogil:
    """Brings compression in order after nodes have come or gone, and this one, or none, has been worked on."""
    cdef QuicklistNode* forward = list.head
    cdef QuicklistNode* backward = list.tail
    cdef uint32_t i
    cdef bint near = 0
    if list.depth == 0 or forward == NULL:
        return
    for i in range(list.depth):
        node_open(heap, forward)
        node_open(heap, backward)
        if forward == backward or forward.next == backward:
            return
        if node == forward or node == backward:
            near = 1
        forward = forward.next
        backward = backward.previous
    if node != NULL and not near:
        node_close(heap, node)
    node_close(heap, forward)
    node_close(heap, backward)


cdef QuicklistNode* split(Heap* heap, Quicklist* list, QuicklistNode* node, size_t index) noexcept nogil:
    """Moves the elements of an open packed node from an index on, which is neither the first nor past the last, to a
    new node behind it, which is answered; or NULL."""
    cdef size_t offset = listpack_seek(node_pack(node), <int64_t> index) - node_pack(node)
    cdef size_t length = node.bytes - offset
    cdef QuicklistNode* right = node_new(heap, NODE_PACKED, LISTPACK_HEADER + length)
    if right == NULL:
        return NULL
    memcpy(right.block + LISTPACK_HEADER, node_pack(node) + offset, length)
    right.bytes = LISTPACK_HEADER + length
    right.count = node.count - <uint32_t> index
    write_header(right)
    node_pack(node)[offset] = LISTPACK_END
    node.bytes = offset + 1
    node.count = <uint32_t> index
    node.incompressible = 0
    write_header(node)
    link_before(list, right, node.next)
    return right


cdef QuicklistNode* merge(Heap* heap, Quicklist* list, QuicklistNode* left, QuicklistNode* right) noexcept nogil:
    """Makes neighbours one node, the left one, where they are small enough for it and memory is there. The node that
    right's elements are in now."""
    cdef size_t length
    cdef uint8_t* place
    if left == NULL or right == NULL or left.kind != NODE_PACKED or right.kind != NODE_PACKED:
        return right
    length = right.bytes - LISTPACK_HEADER - 1
    if left.bytes + length > list.node_bytes or left.count + right.count > list.node_count:
        return right
    if not node_open(heap, left) or not node_open(heap, right):
        return right
    place = node_make_room(heap, list, left, left.bytes - 1, 0, length)
    if place == NULL:
        return right
    memcpy(place, node_pack(right) + LISTPACK_HEADER, length)
    left.count += right.count
    write_header(left)
    remove_node(heap, list, right)
    return left


cdef void merge_around(Heap* heap, Quicklist* list, QuicklistNode* node) noexcept nogil:
    """Joins the node and those next to it as far as they fit, and has them compressed again."""
    cdef QuicklistNode* left = node.previous
    cdef QuicklistNode* right = node.next
    if left != NULL:
        left = merge(heap, list, left.previous, left)
        node = merge(heap, list, left, node)
    if right != NULL:
        right = merge(heap, list, node, right)
        if right != node:
            merge(heap, list, right, right.next)
    if list.depth:
        if node.previous != NULL:
            settle(heap, list, node.previous)
        if node.next != NULL:
            settle(heap, list, node.next)
        settle(heap, list, node)


# --- whole lists

cdef Quicklist* quicklist_new(Heap* heap, int64_t fill, int64_t depth, size_t plain_from) noexcept nogil:
    cdef Quicklist* list = <Quicklist*> heap_zalloc(heap, sizeof(Quicklist))
    if list != NULL:
        quicklist_limits(fill, &list.node_bytes, &list.node_count)
        list.fill = fill
        list.depth = <uint32_t> depth
        list.plain_from = plain_from
    return list


cdef bint quicklist_release_step(Release* step, Quicklist* list) noexcept nogil:
    while list.head != NULL:
        if step.budget == 0:
            return 1
        step.budget -= 1
        release_charge(step, list.head.capacity)
        list.count -= list.head.count
        remove_node(step.heap, list, list.head)
    heap_free(step.heap, list, sizeof(Quicklist))
    return 0


cdef void quicklist_free(Heap* heap, Quicklist* list) noexcept nogil:
    cdef Release step
    release_begin(&step, heap, ~<size_t> 0)
    quicklist_release_step(&step, list)


cdef Quicklist* quicklist_copy(Heap* heap, const Quicklist* list) noexcept nogil:
    cdef Quicklist* copy = <Quicklist*> heap_zalloc(heap, sizeof(Quicklist))
    cdef const QuicklistNode* node = list.head
    cdef QuicklistNode* fresh
    cdef size_t length
    if copy == NULL:
        return NULL
    copy.depth = list.depth
    copy.fill = list.fill
    copy.node_bytes = list.node_bytes
    copy.node_count = list.node_count
    copy.plain_from = list.plain_from
    while node != NULL:
        length = node.capacity if node.compressed else node.bytes
        fresh = node_new(heap, node.kind, length if length else 1)
        if fresh == NULL:
            quicklist_free(heap, copy)
            return NULL
        memcpy(fresh.block, node.block + node.gap, length)
        fresh.bytes = node.bytes
        fresh.count = node.count
        fresh.compressed = node.compressed
        fresh.incompressible = node.incompressible
        link_before(copy, fresh, NULL)
        copy.count += fresh.count
        node = node.next
    return copy


cdef size_t quicklist_bytes(const Quicklist* list) noexcept nogil:
    cdef size_t total = 0
    cdef const QuicklistNode* node = list.head
    while node != NULL:
        total += node.bytes
        node = node.next
    return total


cdef size_t quicklist_memory(const Quicklist* list) noexcept nogil:
    cdef size_t total = heap_footprint(sizeof(Quicklist))
    cdef const QuicklistNode* node = list.head
    while node != NULL:
        total += heap_footprint(sizeof(QuicklistNode)) + heap_footprint(node.capacity)
        node = node.next
    return total


cdef int quicklist_push_listpack(Heap* heap, Quicklist* list, listpack pack) noexcept nogil:
    cdef size_t length = listpack_length(pack)
    cdef QuicklistNode* node
    if length >> NODE_COUNT_BITS:
        return -1
    node = <QuicklistNode*> heap_zalloc(heap, sizeof(QuicklistNode))
    if node == NULL:
        return -1
    node.kind = NODE_PACKED
    node.block = pack
    node.bytes = listpack_bytes(pack)
    node.capacity = growth_size(node.bytes)
    node.count = <uint32_t> length
    link_before(list, node, NULL)
    list.count += node.count
    settle(heap, list, node)
    return 0


cdef int quicklist_push_plain(Heap* heap, Quicklist* list, const char* data, size_t length) noexcept nogil:
    cdef QuicklistNode* node = node_new(heap, NODE_PLAIN, length if length else 1)
    if node == NULL:
        return -1
    memcpy(node.block, data, length)
    node.bytes = length
    node.count = 1
    link_before(list, node, NULL)
    list.count += 1
    settle(heap, list, node)
    return 0


cdef listpack quicklist_into_listpack(Heap* heap, Quicklist* list) noexcept nogil:
    cdef QuicklistNode* node = list.head
    cdef size_t size
    cdef uint8_t* block
    if list.nodes != 1 or node.kind != NODE_PACKED or not node_open(heap, node):
        return NULL
    size = growth_size(node.bytes)
    if node.gap:
        memmove(node.block, node.block + node.gap, node.bytes)
        node.gap = 0
    if size != node.capacity:
        block = <uint8_t*> heap_realloc(heap, node.block, node.capacity, size)
        if block == NULL:
            return NULL
        node.block = block
    block = node.block
    heap_free(heap, node, sizeof(QuicklistNode))
    heap_free(heap, list, sizeof(Quicklist))
    return block


# --- the ends

cdef int push_node(Heap* heap, Quicklist* list, bint at_head, const char* data, size_t length) noexcept nogil:
    cdef QuicklistNode* old = list.head if at_head else list.tail
    cdef QuicklistNode* node = node_of(heap, list, data, length, at_head)
    if node == NULL:
        return -1
    link_before(list, node, old if at_head else NULL)
    list.count += 1
    if old != NULL and old != list.head and old != list.tail:
        node_trim(heap, old)
    settle(heap, list, NULL)
    return 0


cdef int quicklist_push(Heap* heap, Quicklist* list, bint at_head, const char* data, size_t length) noexcept nogil:
    cdef QuicklistNode* node = list.head if at_head else list.tail
    cdef ListpackEncoded encoded
    if node == NULL or not has_room(list, node, length) or is_large(list, length):
        return push_node(heap, list, at_head, data, length)
    if not node_open(heap, node):
        return -1
    listpack_encode(&encoded, data, length)
    if node_add(heap, list, node, LISTPACK_HEADER if at_head else node.bytes - 1, &encoded) != 0:
        return -1
    list.count += 1
    return 0


cdef bint quicklist_end(Heap* heap, Quicklist* list, bint at_head, ListpackValue* value) noexcept nogil:
    cdef QuicklistNode* node = list.head if at_head else list.tail
    if not node_open(heap, node):
        return 0
    if node.kind == NODE_PLAIN:
        value.data = <char*> node.block
        value.length = node.bytes
    elif at_head:
        listpack_get(node_pack(node) + LISTPACK_HEADER, value)
    else:
        listpack_get(listpack_last(node_pack(node)), value)
    return 1


cdef void quicklist_drop(Heap* heap, Quicklist* list, bint at_head) noexcept nogil:
    cdef QuicklistNode* node = list.head if at_head else list.tail
    cdef size_t offset
    list.count -= 1
    if node.count == 1:
        remove_node(heap, list, node)
        settle(heap, list, NULL)
    elif at_head:
        node_cut(node, LISTPACK_HEADER, listpack_entry_bytes(node_pack(node) + LISTPACK_HEADER), 1)
    else:
        offset = listpack_last(node_pack(node)) - node_pack(node)
        node_cut(node, offset, node.bytes - 1 - offset, 1)


# --- ranges

cdef QuicklistNode* find_node(const Quicklist* list, size_t index, size_t* within) noexcept nogil:
    """The node that holds the element with this index, from the nearer end; *within: its index there."""
    cdef QuicklistNode* node
    cdef size_t passed
    if index < list.count // 2:
        node = list.head
        passed = 0
        while passed + node.count <= index:
            passed += node.count
            node = node.next
    else:
        node = list.tail
        passed = list.count - node.count
        while passed > index:
            node = node.previous
            passed -= node.count
    within[0] = index - passed
    return node


cdef QuicklistNode* node_across(const Quicklist* list, size_t index) noexcept nogil:
    """The node that has elements both before and from this index on, or NULL."""
    cdef size_t within
    cdef QuicklistNode* node
    if index == 0 or index >= list.count:
        return NULL
    node = find_node(list, index, &within)
    return node if within else NULL


cdef void cut(Heap* heap, Quicklist* list, size_t start, size_t count, Quicklist* rest) noexcept nogil:
    """Removes the range; nodes that lose some of their elements only are open. The others go to another list, or (NULL)
    are released."""
    cdef size_t within, part, offset, end
    cdef QuicklistNode* node
    cdef QuicklistNode* next
    if count == 0:
        return
    node = find_node(list, start, &within)
    while count and node != NULL:
        next = node.next
        part = node.count - within
        if part > count:
            part = count
        list.count -= part
        if part == node.count and rest != NULL:
            unlink_node(list, node)
            link_before(rest, node, NULL)
            rest.count += part
        elif part == node.count:
            remove_node(heap, list, node)
        else:
            offset = listpack_seek(node_pack(node), <int64_t> within) - node_pack(node)
            if within + part == node.count:
                end = node.bytes - 1
            else:
                end = listpack_seek(node_pack(node), <int64_t> (within + part)) - node_pack(node)
            node_cut(node, offset, end - offset, part)
            if node.bytes * 2 + TRIM_MIN < node.capacity:
                node_trim(heap, node)
        count -= part
        within = 0
        node = next


cdef int cut_range(Heap* heap, Quicklist* list, size_t start, size_t count, Quicklist* rest) noexcept nogil:
    """Removes a range of elements, or all but it, whose nodes go to the rest then. All memory that this needs is asked
    for first."""
    cdef QuicklistNode* first = node_across(list, start)
    cdef QuicklistNode* last = node_across(list, start + count)
    cdef int failed = 0
    if (first != NULL and not node_open(heap, first)) or (last != NULL and not node_open(heap, last)):
        failed = -1
    elif rest != NULL:
        cut(heap, list, start + count, list.count - (start + count), rest)
        cut(heap, list, 0, start, rest)
    else:
        cut(heap, list, start, count, NULL)
    settle(heap, list, first)
    if last != first:
        settle(heap, list, last)
    return failed


cdef int quicklist_delete_range(Heap* heap, Quicklist* list, size_t start, size_t count) noexcept nogil:
    return cut_range(heap, list, start, count, NULL) if count else 0


cdef int quicklist_keep_range(Heap* heap, Quicklist* list, size_t start, size_t count, Quicklist** rest) noexcept nogil:
    cdef Quicklist removed
    memset(&removed, 0, sizeof(Quicklist))
    rest[0] = NULL
    if cut_range(heap, list, start, count, &removed) != 0:
        return -1
    if removed.head != NULL:
        rest[0] = <Quicklist*> heap_alloc(heap, sizeof(Quicklist))
        if rest[0] != NULL:
            rest[0][0] = removed
    if rest[0] == NULL:
        while removed.head != NULL:
            remove_node(heap, &removed, removed.head)
    return 0


# --- iterators

cdef bint load(QuicklistIterator* it) noexcept nogil:
    """Looks at the content of the iterator's node, leaving it as it is."""
    cdef QuicklistNode* node = it.node
    cdef uint8_t* scratch
    it.edited = 0
    if not node.compressed:
        it.data = node.block + node.gap
        return 1
    if it.scratch_size < node.bytes:
        scratch = <uint8_t*> heap_alloc(it.heap, node.bytes)
        if scratch == NULL:
            it.failed = 1
            it.node = NULL
            return 0
        heap_free(it.heap, it.scratch, it.scratch_size)
        it.scratch = scratch
        it.scratch_size = node.bytes
    lzf_decompress(node.block, node.capacity, it.scratch, node.bytes)
    it.data = it.scratch
    return 1


cdef bint open_for_edit(QuicklistIterator* it) noexcept nogil:
    """Decompresses the iterator's node itself."""
    cdef size_t offset = it.entry - it.data if it.node.kind == NODE_PACKED else 0
    if not node_open(it.heap, it.node):
        return 0
    it.data = it.node.block + it.node.gap
    it.entry = it.data + offset
    it.edited = 1
    return 1


cdef void leave(QuicklistIterator* it) noexcept nogil:
    """Tidies up the node that the iterator has edited and goes from."""
    it.edited = 0
    if it.node.kind == NODE_PACKED and it.node.bytes * 2 + TRIM_MIN < it.node.capacity:
        node_trim(it.heap, it.node)
    settle(it.heap, it.list, it.node)


cdef bint enter(QuicklistIterator* it, QuicklistNode* node, bint backward) noexcept nogil:
    """Goes to the first element of a node, or the last; NULL: out of the list."""
    it.node = node
    if node == NULL or not load(it):
        return 0
    it.index = node.count - 1 if backward else 0
    if node.kind == NODE_PACKED:
        it.entry = listpack_last(it.data) if backward else it.data + LISTPACK_HEADER
    return 1


cdef bint quicklist_seek(QuicklistIterator* it, Heap* heap, Quicklist* list, int64_t index) noexcept nogil:
    it.heap = heap
    it.list = list
    it.node = NULL
    it.scratch = NULL
    it.scratch_size = 0
    it.edited = 0
    it.failed = 0
    if index < 0:
        index += <int64_t> list.count
    if index < 0 or <size_t> index >= list.count:
        return 0
    it.node = find_node(list, <size_t> index, &it.index)
    if not load(it):
        return 0
    if it.node.kind == NODE_PACKED:
        it.entry = listpack_seek(it.data, <int64_t> it.index)
    return 1


cdef bint quicklist_next_node(QuicklistIterator* it) noexcept nogil:
    cdef QuicklistNode* next = it.node.next
    if it.edited:
        leave(it)
    return enter(it, next, 0)


cdef bint quicklist_next(QuicklistIterator* it) noexcept nogil:
    if it.index + 1 < it.node.count:
        it.index += 1
        it.entry += listpack_entry_bytes(it.entry)
        return 1
    return quicklist_next_node(it)


cdef bint quicklist_previous(QuicklistIterator* it) noexcept nogil:
    cdef QuicklistNode* previous
    if it.index:
        it.index -= 1
        it.entry = listpack_previous(it.data, it.entry)
        return 1
    previous = it.node.previous
    if it.edited:
        leave(it)
    return enter(it, previous, 1)


cdef void quicklist_get(const QuicklistIterator* it, ListpackValue* value) noexcept nogil:
    if it.node.kind == NODE_PLAIN:
        value.data = <char*> it.data
        value.length = it.node.bytes
    else:
        listpack_get(it.entry, value)


cdef bint quicklist_equals(const QuicklistIterator* it, const char* data, size_t length) noexcept nogil:
    if it.node.kind == NODE_PLAIN:
        return it.node.bytes == length and memcmp(it.data, data, length) == 0
    return listpack_equals(it.entry, data, length)


cdef void quicklist_stop(QuicklistIterator* it) noexcept nogil:
    if it.node != NULL and it.edited:
        leave(it)
    it.node = NULL
    heap_free(it.heap, it.scratch, it.scratch_size)
    it.scratch = NULL
    it.scratch_size = 0


cdef int insert_apart(Heap* heap, Quicklist* list, QuicklistNode* node, size_t index, const char* data,
                      size_t length) noexcept nogil:
    """Adds an element before the one with this index in the node, as a node of its own, which is then joined with those
    beside it as far as they fit."""
    cdef QuicklistNode* fresh = node_of(heap, list, data, length, 0)
    if fresh == NULL:
        return -1
    if index == 0:
        link_before(list, fresh, node)
    elif index == node.count:
        link_before(list, fresh, node.next)
    else:
        if not node_open(heap, node) or split(heap, list, node, index) == NULL:
            settle(heap, list, node)
            node_free(heap, fresh)
            return -1
        link_before(list, fresh, node.next)
    list.count += 1
    merge_around(heap, list, fresh)
    return 0


cdef int quicklist_insert(QuicklistIterator* it, bint behind, const char* data, size_t length) noexcept nogil:
    cdef QuicklistNode* node = it.node
    cdef ListpackEncoded encoded
    cdef size_t offset
    it.node = NULL
    if not has_room(it.list, node, length) or is_large(it.list, length):
        return insert_apart(it.heap, it.list, node, it.index + (1 if behind else 0), data, length)
    it.node = node
    if not open_for_edit(it):
        it.node = NULL
        return -1
    it.node = NULL
    offset = it.entry - it.data + (listpack_entry_bytes(it.entry) if behind else 0)
    listpack_encode(&encoded, data, length)
    if node_add(it.heap, it.list, node, offset, &encoded) != 0:
        settle(it.heap, it.list, node)
        return -1
    it.list.count += 1
    settle(it.heap, it.list, node)
    return 0


cdef int replace_apart(Heap* heap, Quicklist* list, QuicklistNode* node, size_t index, const char* data,
                       size_t length) noexcept nogil:
    """Puts a node with the new element in the place of the old one, which goes, and joins it with those beside it."""
    cdef QuicklistNode* fresh = node_of(heap, list, data, length, 0)
    cdef size_t offset
    if fresh == NULL:
        return -1
    if node.count == 1:
        link_before(list, fresh, node)
        remove_node(heap, list, node)
    else:
        if not node_open(heap, node) or \
                (index + 1 < node.count and split(heap, list, node, index + 1) == NULL):
            settle(heap, list, node)
            node_free(heap, fresh)
            return -1
        # The old element is the last one of its node now.
        link_before(list, fresh, node.next)
        if node.count == 1:
            remove_node(heap, list, node)
        else:
            offset = listpack_last(node_pack(node)) - node_pack(node)
            node_cut(node, offset, node.bytes - 1 - offset, 1)
    merge_around(heap, list, fresh)
    return 0


cdef int quicklist_replace(QuicklistIterator* it, const char* data, size_t length) noexcept nogil:
    cdef QuicklistNode* node = it.node
    cdef ListpackEncoded encoded
    cdef size_t offset, old
    cdef uint8_t* place
    it.node = NULL
    if node.kind == NODE_PLAIN or is_large(it.list, length):
        return replace_apart(it.heap, it.list, node, it.index, data, length)
    listpack_encode(&encoded, data, length)
    old = listpack_entry_bytes(it.entry)
    if encoded.bytes > old and node.bytes - old + encoded.bytes > it.list.node_bytes and node.count > 1:
        return replace_apart(it.heap, it.list, node, it.index, data, length)
    it.node = node
    if not open_for_edit(it):
        it.node = NULL
        return -1
    it.node = NULL
    offset = it.entry - it.data
    if encoded.bytes > old:
        place = node_make_room(it.heap, it.list, node, offset, old, encoded.bytes)
        if place == NULL:
            settle(it.heap, it.list, node)
            return -1
    else:
        if encoded.bytes < old:
            node_cut(node, offset, old - encoded.bytes, 0)
        place = node_pack(node) + offset
        node.incompressible = 0
    listpack_write(place, &encoded)
    write_header(node)
    settle(it.heap, it.list, node)
    return 0


cdef int quicklist_delete(QuicklistIterator* it, bint backward, bint* more) noexcept nogil:
    cdef QuicklistNode* node = it.node
    cdef QuicklistNode* ahead = node.previous if backward else node.next
    cdef size_t offset
    if node.count == 1:
        it.list.count -= 1
        remove_node(it.heap, it.list, node)
        settle(it.heap, it.list, NULL)
        more[0] = enter(it, ahead, backward)
        return 0
    if not open_for_edit(it):
        return -1
    offset = it.entry - it.data
    node_cut(node, offset, listpack_entry_bytes(it.entry), 1)
    it.list.count -= 1
    it.data = node_pack(node)
    it.entry = it.data + offset
    if backward:
        if it.index:
            it.index -= 1
            it.entry = listpack_previous(it.data, it.entry)
            more[0] = 1
            return 0
    elif it.index < node.count:
        more[0] = 1
        return 0
    leave(it)
    more[0] = enter(it, ahead, backward)
    return 0
