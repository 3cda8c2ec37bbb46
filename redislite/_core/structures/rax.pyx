"""Radix tree; the contract and the layout of a node are in rax.pxd.

Where memory is out while a key is removed, its node stays, with a NULL where the value was: such a node counts as one
without a value everywhere, and goes when its neighbourhood changes.
"""
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memmove
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free, heap_realloc

cdef enum:
    HEADER = 4                      # bytes
    HAS_VALUE = 1 << 9
    CHILDREN_MASK = HAS_VALUE - 1
    PREFIX_SHIFT = 10
    DRAIN_WINDOW = 64               # ancestors that a drain remembers; on a longer way back it starts anew


cdef inline uint32_t children_of(const RaxNode* node) noexcept nogil:
    return node[0] & CHILDREN_MASK


cdef inline size_t prefix_length(const RaxNode* node) noexcept nogil:
    return node[0] >> PREFIX_SHIFT


cdef inline uint8_t* prefix_of(const RaxNode* node) noexcept nogil:
    return <uint8_t*> node + HEADER


cdef inline uint8_t* branch_bytes(const RaxNode* node) noexcept nogil:
    return prefix_of(node) + prefix_length(node)


cdef inline size_t pointers_offset(size_t prefix, size_t children) noexcept nogil:
    return (HEADER + prefix + children + 7) & ~<size_t> 7


cdef inline size_t size_of(size_t prefix, size_t children, bint value) noexcept nogil:
    return pointers_offset(prefix, children) + (children + value) * sizeof(void*)


cdef inline size_t node_size(const RaxNode* node) noexcept nogil:
    return size_of(prefix_length(node), children_of(node), node[0] & HAS_VALUE != 0)


cdef inline RaxNode** child_slots(const RaxNode* node) noexcept nogil:
    return <RaxNode**> (<char*> node + pointers_offset(prefix_length(node), children_of(node)))


cdef inline void** value_slot(const RaxNode* node) noexcept nogil:
    """Where the value stands; the node has room for one."""
    return <void**> (child_slots(node) + children_of(node))


cdef inline void* value_of(const RaxNode* node) noexcept nogil:
    return value_slot(node)[0] if node[0] & HAS_VALUE else NULL


cdef inline uint32_t header_of(size_t prefix, uint32_t children, bint value) noexcept nogil:
    return <uint32_t> (prefix << PREFIX_SHIFT) | (HAS_VALUE if value else 0) | children


cdef uint32_t branch_index(const RaxNode* node, uint8_t byte) noexcept nogil:
    """Index of the first child whose byte is not below this one."""
    cdef const uint8_t* bytes = branch_bytes(node)
    cdef uint32_t low = 0
    cdef uint32_t high = children_of(node)
    cdef uint32_t middle
    # Keys mostly come in order: look at the end first.
    if high and bytes[high - 1] < byte:
        return high
    while low < high:
        middle = (low + high) // 2
        if bytes[middle] < byte:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline size_t common_length(const RaxNode* node, const char* key, size_t length) noexcept nogil:
    """How many bytes of the node's prefix the key begins with."""
    cdef const uint8_t* prefix = prefix_of(node)
    cdef size_t most = prefix_length(node)
    cdef size_t i = 0
    if length < most:
        most = length
    while i < most and prefix[i] == <uint8_t> key[i]:
        i += 1
    return i


cdef RaxNode* node_new(Rax* tree, size_t prefix, uint32_t children, bint value) noexcept nogil:
    """A node with its header written and nothing else."""
    cdef size_t size = size_of(prefix, children, value)
    cdef RaxNode* node = <RaxNode*> heap_alloc(tree.heap, size)
    if node != NULL:
        node[0] = header_of(prefix, children, value)
        tree.nodes += 1
        tree.bytes += heap_footprint(size)
    return node


cdef void node_free(Rax* tree, RaxNode* node) noexcept nogil:
    cdef size_t size = node_size(node)
    tree.nodes -= 1
    tree.bytes -= heap_footprint(size)
    heap_free(tree.heap, node, size)


cdef void chain_free(Rax* tree, RaxNode* node) noexcept nogil:
    """Releases a node and its descendants, none of which has more than one child."""
    cdef RaxNode* child
    while node != NULL:
        child = child_slots(node)[0] if children_of(node) else NULL
        node_free(tree, node)
        node = child


cdef RaxNode* chain_new(Rax* tree, const char* key, size_t length, void* value) noexcept nogil:
    """A leaf for these last bytes of a key, behind as many nodes as its length takes; NULL where memory is out."""
    cdef size_t at = length - length % (RAX_PREFIX_MAX + 1)
    cdef RaxNode* node = node_new(tree, length - at, 0, 1)
    cdef RaxNode* upper
    if node == NULL:
        return NULL
    if length > at:
        memcpy(prefix_of(node), key + at, length - at)
    value_slot(node)[0] = value
    while at:
        at -= RAX_PREFIX_MAX + 1
        upper = node_new(tree, RAX_PREFIX_MAX, 1, 0)
        if upper == NULL:
            chain_free(tree, node)
            return NULL
        memcpy(prefix_of(upper), key + at, RAX_PREFIX_MAX + 1)     # the prefix, and the byte of the child behind it
        child_slots(upper)[0] = node
        node = upper
    return node


cdef void rax_init(Rax* tree, Heap* heap) noexcept nogil:
    tree.heap = heap
    tree.root = NULL
    tree.size = 0
    tree.nodes = 0
    tree.bytes = 0


cdef RaxNode* resize(Rax* tree, RaxNode** link, size_t new_size) noexcept nogil:
    cdef RaxNode* node = link[0]
    cdef size_t old_size = node_size(node)
    node = <RaxNode*> heap_realloc(tree.heap, node, old_size, new_size)
    if node != NULL:
        tree.bytes += heap_footprint(new_size) - heap_footprint(old_size)
        link[0] = node
    return node


cdef int add_child(Rax* tree, RaxNode** link, uint32_t index, uint8_t byte, RaxNode* child) noexcept nogil:
    cdef RaxNode* node = link[0]
    cdef uint32_t count = children_of(node)
    cdef size_t prefix = prefix_length(node)
    cdef bint value = node[0] & HAS_VALUE != 0
    cdef size_t old_offset = pointers_offset(prefix, count)
    cdef size_t offset = pointers_offset(prefix, count + 1)
    cdef char* base
    cdef uint8_t* bytes
    node = resize(tree, link, size_of(prefix, count + 1, value))
    if node == NULL:
        return -1
    base = <char*> node
    # From back to front, since everything moves towards the end.
    memmove(base + offset + (index + 1) * sizeof(void*), base + old_offset + index * sizeof(void*),
            (count - index + value) * sizeof(void*))
    if offset != old_offset:
        memmove(base + offset, base + old_offset, index * sizeof(void*))
    (<RaxNode**> (base + offset))[index] = child
    bytes = branch_bytes(node)
    memmove(bytes + index + 1, bytes + index, count - index)
    bytes[index] = byte
    node[0] += 1
    return 0


cdef int add_value(Rax* tree, RaxNode** link, void* value) noexcept nogil:
    cdef RaxNode* node = resize(tree, link, size_of(prefix_length(link[0]), children_of(link[0]), 1))
    if node == NULL:
        return -1
    node[0] |= HAS_VALUE
    value_slot(node)[0] = value
    return 0


cdef int split(Rax* tree, RaxNode** link, size_t common, const char* rest, size_t length, void* value) noexcept nogil:
    """Parts the node behind common bytes of its prefix and adds the key that goes on with rest from there."""
    cdef RaxNode* node = link[0]
    cdef size_t prefix = prefix_length(node)
    cdef size_t tail = prefix - common - 1
    cdef uint32_t count = children_of(node)
    cdef bint has_value = node[0] & HAS_VALUE != 0
    cdef uint8_t byte = prefix_of(node)[common]
    cdef int first
    cdef RaxNode* leaf = NULL
    cdef RaxNode* lower = node_new(tree, tail, count, has_value)
    cdef RaxNode* upper = node_new(tree, common, 2 if length else 1, length == 0)
    if length:
        leaf = chain_new(tree, rest + 1, length - 1, value)
    if lower == NULL or upper == NULL or (length and leaf == NULL):
        if lower != NULL:
            node_free(tree, lower)
        if upper != NULL:
            node_free(tree, upper)
        chain_free(tree, leaf)
        return -1
    memcpy(prefix_of(lower), prefix_of(node) + common + 1, tail + count)
    memcpy(child_slots(lower), child_slots(node), (count + has_value) * sizeof(void*))
    memcpy(prefix_of(upper), prefix_of(node), common)
    if length:
        first = 1 if byte > <uint8_t> rest[0] else 0    # index of the old branch
        branch_bytes(upper)[first] = byte
        branch_bytes(upper)[1 - first] = <uint8_t> rest[0]
        child_slots(upper)[first] = lower
        child_slots(upper)[1 - first] = leaf
    else:
        branch_bytes(upper)[0] = byte
        child_slots(upper)[0] = lower
        value_slot(upper)[0] = value
    link[0] = upper
    node_free(tree, node)
    return 1


cdef int rax_insert(Rax* tree, const char* key, size_t length, void* value, void** old) noexcept nogil:
    cdef RaxNode** link = &tree.root
    cdef RaxNode* node
    cdef RaxNode* leaf
    cdef size_t common
    cdef uint32_t index
    cdef void** slot
    if length > UINT32_MAX:
        return -1
    while True:
        node = link[0]
        if node == NULL:
            leaf = chain_new(tree, key, length, value)
            if leaf == NULL:
                return -1
            link[0] = leaf
            break
        common = common_length(node, key, length)
        key += common
        length -= common
        if common < prefix_length(node):
            if split(tree, link, common, key, length, value) < 0:
                return -1
            break
        if length == 0:
            if not node[0] & HAS_VALUE:
                if add_value(tree, link, value) != 0:
                    return -1
                break
            slot = value_slot(node)
            old[0] = slot[0]
            slot[0] = value
            if old[0] == NULL:
                break
            return 0
        index = branch_index(node, <uint8_t> key[0])
        if index < children_of(node) and branch_bytes(node)[index] == <uint8_t> key[0]:
            link = child_slots(node) + index
            key += 1
            length -= 1
            continue
        leaf = chain_new(tree, key + 1, length - 1, value)
        if leaf == NULL:
            return -1
        if add_child(tree, link, index, <uint8_t> key[0], leaf) != 0:
            chain_free(tree, leaf)
            return -1
        break
    tree.size += 1
    return 1


cdef void** rax_find(const Rax* tree, const char* key, size_t length) noexcept nogil:
    cdef const RaxNode* node = tree.root
    cdef size_t prefix
    cdef uint32_t index
    while node != NULL:
        prefix = prefix_length(node)
        if prefix > length or memcmp(prefix_of(node), key, prefix) != 0:
            return NULL
        key += prefix
        length -= prefix
        if length == 0:
            return value_slot(node) if value_of(node) != NULL else NULL
        index = branch_index(node, <uint8_t> key[0])
        if index == children_of(node) or branch_bytes(node)[index] != <uint8_t> key[0]:
            return NULL
        node = child_slots(node)[index]
        key += 1
        length -= 1
    return NULL


cdef void** rax_last(const Rax* tree) noexcept nogil:
    cdef RaxNode* node = tree.root
    cdef RaxIterator it
    cdef void** slot = NULL
    if node == NULL:
        return NULL
    while children_of(node):
        node = child_slots(node)[children_of(node) - 1]
    if value_of(node) != NULL:
        return value_slot(node)
    # A leaf that has lost its value: look for the one before.
    rax_start(&it, <Rax*> tree)
    if rax_seek(&it, RAX_LAST, NULL, 0):
        slot = value_slot(it.node)
    rax_stop(&it)
    return slot


cdef void merge(Rax* tree, RaxNode** link) noexcept nogil:
    """Joins a node that has one child and no value with that child, where they fit in one node and memory is there."""
    cdef RaxNode* node = link[0]
    cdef RaxNode* child
    cdef RaxNode* joined
    cdef size_t prefix = prefix_length(node)
    if children_of(node) != 1 or value_of(node) != NULL:
        return
    child = child_slots(node)[0]
    if prefix + 1 + prefix_length(child) > RAX_PREFIX_MAX:
        return
    joined = node_new(tree, prefix + 1 + prefix_length(child), children_of(child), child[0] & HAS_VALUE != 0)
    if joined == NULL:
        return
    memcpy(prefix_of(joined), prefix_of(node), prefix + 1)      # the byte of the only child follows the prefix
    memcpy(prefix_of(joined) + prefix + 1, prefix_of(child), prefix_length(child) + children_of(child))
    memcpy(child_slots(joined), child_slots(child), (children_of(child) + (child[0] & HAS_VALUE != 0)) * sizeof(void*))
    link[0] = joined
    node_free(tree, node)
    node_free(tree, child)


cdef bint cut_child(Rax* tree, RaxNode** link, uint32_t index) noexcept nogil:
    """Takes a child out of the node, without releasing it; false where memory is out."""
    cdef RaxNode* node = link[0]
    cdef uint32_t count = children_of(node)
    cdef size_t prefix = prefix_length(node)
    cdef bint value = node[0] & HAS_VALUE != 0
    cdef RaxNode* fresh = node_new(tree, prefix, count - 1, value)
    if fresh == NULL:
        return 0
    memcpy(prefix_of(fresh), prefix_of(node), prefix + index)
    memcpy(branch_bytes(fresh) + index, branch_bytes(node) + index + 1, count - 1 - index)
    memcpy(child_slots(fresh), child_slots(node), index * sizeof(void*))
    memcpy(child_slots(fresh) + index, child_slots(node) + index + 1, (count - 1 - index + value) * sizeof(void*))
    link[0] = fresh
    node_free(tree, node)
    return 1


cdef void drop_value(Rax* tree, RaxNode** link) noexcept nogil:
    """Takes the value out of a node that has children."""
    cdef RaxNode* node = link[0]
    cdef RaxNode* fresh
    value_slot(node)[0] = NULL
    if children_of(node) == 1:
        merge(tree, link)
        if link[0] != node:
            return
    fresh = node_new(tree, prefix_length(node), children_of(node), 0)
    if fresh == NULL:
        return
    memcpy(prefix_of(fresh), prefix_of(node), prefix_length(node) + children_of(node))
    memcpy(child_slots(fresh), child_slots(node), children_of(node) * sizeof(void*))
    link[0] = fresh
    node_free(tree, node)


cdef void* rax_remove(Rax* tree, const char* key, size_t length) noexcept nogil:
    cdef RaxNode** link = &tree.root
    cdef RaxNode** owner = NULL     # the deepest node that stays in any case: it has a value or other children
    cdef uint32_t owner_index = 0
    cdef RaxNode* node
    cdef RaxNode* doomed
    cdef size_t prefix
    cdef uint32_t index
    cdef void* value
    while True:
        node = link[0]
        if node == NULL:
            return NULL
        prefix = prefix_length(node)
        if prefix > length or memcmp(prefix_of(node), key, prefix) != 0:
            return NULL
        key += prefix
        length -= prefix
        if length == 0:
            break
        index = branch_index(node, <uint8_t> key[0])
        if index == children_of(node) or branch_bytes(node)[index] != <uint8_t> key[0]:
            return NULL
        if children_of(node) > 1 or value_of(node) != NULL:
            owner = link
            owner_index = index
        link = child_slots(node) + index
        key += 1
        length -= 1
    value = value_of(node)
    if value == NULL:
        return NULL
    tree.size -= 1
    if children_of(node):
        drop_value(tree, link)
    elif owner == NULL:
        chain_free(tree, tree.root)
        tree.root = NULL
    else:
        doomed = child_slots(owner[0])[owner_index]
        if cut_child(tree, owner, owner_index):
            chain_free(tree, doomed)
            merge(tree, owner)
        else:
            value_slot(node)[0] = NULL
    return value


cdef bint rax_release_step(Rax* tree, RaxVisitor visit, void* argument, size_t* budget) noexcept nogil:
    """A child that has been released leaves a NULL in its parent, so that a later call, or a start anew from the root
    where the window has forgotten the way back, finds where to go on."""
    cdef RaxLevel window[DRAIN_WINDOW]
    cdef size_t depth = 0           # of the way from the root
    cdef size_t known = 0           # of its last levels, how many the window has
    cdef RaxLevel* parent
    cdef RaxNode* node = tree.root
    cdef RaxNode** slots
    cdef uint32_t index = 0
    cdef uint32_t children
    cdef void* value
    # When all keys are gone, what is left is the way back to the root.
    while node != NULL and (budget[0] or tree.size == 0):
        slots = child_slots(node)
        children = children_of(node)
        while index < children and slots[index] == NULL:
            index += 1
        if index < children:
            parent = &window[depth % DRAIN_WINDOW]
            parent.node = node
            parent.child = index
            depth += 1
            known = known + 1 if known < DRAIN_WINDOW else <size_t> DRAIN_WINDOW
            node = slots[index]
            index = 0
            continue
        if depth and not known:
            node = tree.root
            depth = 0
            index = 0
            continue
        value = value_of(node)
        if value != NULL:
            tree.size -= 1
            budget[0] -= 1
            visit(argument, value)
        node_free(tree, node)
        if depth == 0:
            tree.root = NULL
            break
        depth -= 1
        known -= 1
        parent = &window[depth % DRAIN_WINDOW]
        node = parent.node
        index = parent.child
        child_slots(node)[index] = NULL
    return tree.size != 0


cdef void rax_start(RaxIterator* it, Rax* tree) noexcept nogil:
    it.tree = tree
    it.node = NULL
    it.value = NULL
    it.levels = it.own_levels
    it.depth = 0
    it.levels_capacity = RAX_LEVELS
    it.key = it.own_key
    it.key_length = 0
    it.key_capacity = RAX_KEY
    it.failed = 0


cdef void rax_stop(RaxIterator* it) noexcept nogil:
    if it.levels != it.own_levels:
        heap_free(it.tree.heap, it.levels, it.levels_capacity * sizeof(RaxLevel))
    if it.key != it.own_key:
        heap_free(it.tree.heap, it.key, it.key_capacity)
    rax_start(it, it.tree)


cdef bint append(RaxIterator* it, const uint8_t* bytes, size_t count) noexcept nogil:
    cdef size_t capacity
    cdef uint8_t* grown
    if it.key_length + count > it.key_capacity:
        capacity = 2 * (it.key_length + count)
        grown = <uint8_t*> heap_alloc(it.tree.heap, capacity)
        if grown == NULL:
            it.failed = 1
            return 0
        memcpy(grown, it.key, it.key_length)
        if it.key != it.own_key:
            heap_free(it.tree.heap, it.key, it.key_capacity)
        it.key = grown
        it.key_capacity = capacity
    memcpy(it.key + it.key_length, bytes, count)
    it.key_length += count
    return 1


cdef bint enter(RaxIterator* it, RaxNode* node) noexcept nogil:
    """Stands at the node; the key is that of its parent, with the byte of the branch."""
    it.node = node
    if not append(it, prefix_of(node), prefix_length(node)):
        it.node = NULL
        return 0
    return 1


cdef bint descend(RaxIterator* it, uint32_t index) noexcept nogil:
    """From the node to a child."""
    cdef size_t capacity
    cdef RaxLevel* grown
    if it.depth == it.levels_capacity:
        capacity = 2 * it.levels_capacity
        grown = <RaxLevel*> heap_alloc(it.tree.heap, capacity * sizeof(RaxLevel))
        if grown == NULL:
            it.failed = 1
            it.node = NULL
            return 0
        memcpy(grown, it.levels, it.depth * sizeof(RaxLevel))
        if it.levels != it.own_levels:
            heap_free(it.tree.heap, it.levels, it.levels_capacity * sizeof(RaxLevel))
        it.levels = grown
        it.levels_capacity = capacity
    it.levels[it.depth].node = it.node
    it.levels[it.depth].child = index
    it.depth += 1
    if not append(it, branch_bytes(it.node) + index, 1):
        it.node = NULL
        return 0
    return enter(it, child_slots(it.node)[index])


cdef uint32_t ascend(RaxIterator* it) noexcept nogil:
    """From the node to its parent; answers its index there. Depth is not 0."""
    it.key_length -= prefix_length(it.node) + 1
    it.depth -= 1
    it.node = it.levels[it.depth].node
    return it.levels[it.depth].child


cdef inline bint arrive(RaxIterator* it) noexcept nogil:
    """Whether the node has a value: it stands at a key then."""
    it.value = value_of(it.node)
    return it.value != NULL


cdef bint skip_subtree(RaxIterator* it) noexcept nogil:
    """To the first key behind all those below the node."""
    cdef uint32_t index
    while it.depth:
        index = ascend(it) + 1
        if index < children_of(it.node):
            if not descend(it, index):
                return 0
            return 1 if arrive(it) else rax_next(it)
    it.node = NULL
    return 0


cdef bint rax_next(RaxIterator* it) noexcept nogil:
    while it.node != NULL:
        if children_of(it.node) == 0:
            return skip_subtree(it)
        if not descend(it, 0):
            return 0
        if arrive(it):
            return 1
    return 0


cdef bint rax_walk(Rax* tree, RaxReader read, void* argument) noexcept nogil:
    cdef RaxIterator it
    cdef bint more, failed
    rax_start(&it, tree)
    more = rax_seek(&it, RAX_FIRST, NULL, 0)
    while more:
        read(&it, argument)
        more = rax_next(&it)
    failed = it.failed
    rax_stop(&it)
    return not failed


cdef bint subtree_last(RaxIterator* it) noexcept nogil:
    """To the last key at or below the node, or the one before it."""
    while children_of(it.node):
        if not descend(it, children_of(it.node) - 1):
            return 0
    return 1 if arrive(it) else rax_previous(it)


cdef bint rax_previous(RaxIterator* it) noexcept nogil:
    cdef uint32_t index
    if it.node == NULL:
        return 0
    while it.depth:
        index = ascend(it)
        if index:
            if not descend(it, index - 1):
                return 0
            return subtree_last(it)
        if arrive(it):
            return 1
    it.node = NULL
    return 0


cdef bint rax_seek(RaxIterator* it, RaxSeek where, const char* key, size_t length) noexcept nogil:
    cdef bint forward = where == RAX_AT_LEAST or where == RAX_ABOVE
    cdef size_t common
    cdef uint32_t index
    it.depth = 0
    it.key_length = 0
    it.node = it.tree.root
    it.failed = 0
    if it.node == NULL or not enter(it, it.node):
        return 0
    if where == RAX_FIRST:
        return 1 if arrive(it) else rax_next(it)
    if where == RAX_LAST:
        return subtree_last(it)
    while True:
        common = common_length(it.node, key, length)
        if common < prefix_length(it.node):
            if where == RAX_EQUAL:
                break
            # All keys below the node are on one side of the key that is looked for.
            if common < length and <uint8_t> key[common] > prefix_of(it.node)[common]:
                return skip_subtree(it) if forward else subtree_last(it)
            if forward:
                return 1 if arrive(it) else rax_next(it)
            return rax_previous(it)
        key += common
        length -= common
        if length == 0:
            if arrive(it) and where != RAX_ABOVE and where != RAX_BELOW:
                return 1
            if where == RAX_EQUAL:
                break
            return rax_next(it) if forward else rax_previous(it)
        index = branch_index(it.node, <uint8_t> key[0])
        if index < children_of(it.node) and branch_bytes(it.node)[index] == <uint8_t> key[0]:
            if not descend(it, index):
                return 0
            key += 1
            length -= 1
            continue
        if where == RAX_EQUAL:
            break
        if forward:
            if index == children_of(it.node):
                return skip_subtree(it)
            if not descend(it, index):
                return 0
            return 1 if arrive(it) else rax_next(it)
        if index:
            if not descend(it, index - 1):
                return 0
            return subtree_last(it)
        return 1 if arrive(it) else rax_previous(it)
    it.node = NULL
    return 0


cdef void rax_set_value(RaxIterator* it, void* value) noexcept nogil:
    value_slot(it.node)[0] = value
    it.value = value
