"""The value of a list; the contract is in list_value.pxd."""
from libc.stdint cimport int64_t, uint8_t
from redislite._core.base.alloc cimport Heap
from redislite._core.protocol.listpack_reply cimport reply_listpack, reply_listpack_value
from redislite._core.protocol.reply cimport reply_bulk
from redislite._core.state.core cimport Core, Reply
from redislite._core.structures.listpack cimport (
    LISTPACK_HEADER, ListpackValue, listpack, listpack_append, listpack_bytes, listpack_copy, listpack_delete_range,
    listpack_equals, listpack_first, listpack_free, listpack_get, listpack_insert, listpack_last, listpack_length,
    listpack_memory, listpack_new, listpack_next, listpack_prepend, listpack_previous, listpack_replace, listpack_seek,
    listpack_slice,
)
from redislite._core.structures.quicklist cimport (
    NODE_PACKED, Quicklist, QuicklistIterator, quicklist_copy, quicklist_delete, quicklist_delete_range, quicklist_drop,
    quicklist_end, quicklist_equals, quicklist_exceeds, quicklist_free, quicklist_get, quicklist_insert,
    quicklist_into_listpack, quicklist_keep_range, quicklist_limits, quicklist_memory, quicklist_new, quicklist_next,
    quicklist_next_node, quicklist_previous, quicklist_push, quicklist_push_listpack, quicklist_release_step,
    quicklist_replace, quicklist_seek, quicklist_stop,
)
from redislite._core.text.encodings cimport ENCODING_LISTPACK, ENCODING_QUICKLIST


cdef inline bint is_small(const ListValue* value) noexcept nogil:
    return value.encoding == ENCODING_LISTPACK


cdef inline listpack pack_of(const ListValue* value) noexcept nogil:
    return <listpack> value.block


cdef inline Quicklist* quick_of(const ListValue* value) noexcept nogil:
    return <Quicklist*> value.block


cdef inline int changed(ListValue* value, listpack pack) noexcept nogil:
    """Takes what a change of the listpack has answered."""
    if pack == NULL:
        return -1
    value.block = pack
    return 0


cdef int list_new(Core* core, ListValue* value) noexcept nogil:
    value.encoding = ENCODING_LISTPACK
    value.block = listpack_new(core.heap)
    return 0 if value.block != NULL else -1


cdef void list_free(Heap* heap, ListValue* value) noexcept nogil:
    if is_small(value):
        listpack_free(heap, pack_of(value))
    else:
        quicklist_free(heap, quick_of(value))


cdef int list_copy(Heap* heap, const ListValue* value, ListValue* copy) noexcept nogil:
    copy.encoding = value.encoding
    copy.block = listpack_copy(heap, pack_of(value)) if is_small(value) else quicklist_copy(heap, quick_of(value))
    return 0 if copy.block != NULL else -1


cdef size_t list_length(const ListValue* value) noexcept nogil:
    return listpack_length(pack_of(value)) if is_small(value) else quick_of(value).count


cdef size_t list_memory(const ListValue* value) noexcept nogil:
    return listpack_memory(pack_of(value)) if is_small(value) else quicklist_memory(quick_of(value))


cdef bint list_release_step(Release* step, ListValue* value) noexcept nogil:
    if not is_small(value):
        return quicklist_release_step(step, quick_of(value))
    listpack_free(step.heap, pack_of(value))
    return 0


cdef int list_reserve(Core* core, ListValue* value, size_t bytes, size_t count) noexcept nogil:
    cdef listpack pack
    cdef Quicklist* quick
    if not is_small(value):
        return 0
    pack = pack_of(value)
    if not quicklist_exceeds(core.settings.list_max_listpack_size, listpack_bytes(pack) + bytes,
                             listpack_length(pack) + count):
        return 0
    quick = quicklist_new(core.heap, core.settings.list_max_listpack_size, core.settings.list_compress_depth,
                          <size_t> core.settings.list_packed_threshold)
    if quick == NULL:
        return -1
    if listpack_length(pack) == 0:
        listpack_free(core.heap, pack)
    elif quicklist_push_listpack(core.heap, quick, pack) != 0:
        quicklist_free(core.heap, quick)
        return -1
    value.encoding = ENCODING_QUICKLIST
    value.block = quick
    return 0


cdef void list_shrink(Core* core, ListValue* value) noexcept nogil:
    cdef Quicklist* quick
    cdef size_t bytes, count
    cdef listpack pack
    if is_small(value):
        return
    quick = quick_of(value)
    if quick.nodes != 1 or quick.head.kind != NODE_PACKED:
        return
    quicklist_limits(core.settings.list_max_listpack_size, &bytes, &count)
    # A limit of elements is looked at alone.
    if quick.head.count > count // 2 or (core.settings.list_max_listpack_size < 0 and quick.head.bytes > bytes // 2):
        return
    pack = quicklist_into_listpack(core.heap, quick)
    if pack != NULL:
        value.encoding = ENCODING_LISTPACK
        value.block = pack


cdef int list_push(Heap* heap, ListValue* value, bint at_head, const char* data, size_t length) noexcept nogil:
    if not is_small(value):
        return quicklist_push(heap, quick_of(value), at_head, data, length)
    if at_head:
        return changed(value, listpack_prepend(heap, pack_of(value), data, length))
    return changed(value, listpack_append(heap, pack_of(value), data, length))


cdef bint list_end(Heap* heap, const ListValue* value, bint at_head, ListpackValue* element) noexcept nogil:
    if not is_small(value):
        return quicklist_end(heap, quick_of(value), at_head, element)
    listpack_get(listpack_first(pack_of(value)) if at_head else listpack_last(pack_of(value)), element)
    return 1


cdef int list_drop(Heap* heap, ListValue* value, bint at_head) noexcept nogil:
    cdef uint8_t* entry
    if not is_small(value):
        quicklist_drop(heap, quick_of(value), at_head)
        return 0
    entry = listpack_first(pack_of(value)) if at_head else listpack_last(pack_of(value))
    return changed(value, listpack_delete_range(heap, pack_of(value), &entry, 1))


cdef int list_delete_range(Heap* heap, ListValue* value, size_t start, size_t count) noexcept nogil:
    cdef uint8_t* entry
    if count == 0:
        return 0
    if not is_small(value):
        return quicklist_delete_range(heap, quick_of(value), start, count)
    entry = listpack_seek(pack_of(value), <int64_t> start)
    return changed(value, listpack_delete_range(heap, pack_of(value), &entry, count))


cdef int list_keep_range(Heap* heap, ListValue* value, size_t start, size_t count, ListValue* rest) noexcept nogil:
    cdef size_t length = list_length(value)
    cdef listpack slice
    rest.encoding = value.encoding
    rest.block = NULL
    if not is_small(value):
        return quicklist_keep_range(heap, quick_of(value), start, count, <Quicklist**> &rest.block)
    if start == 0 or start + count == length:
        return list_delete_range(heap, value, count if start == 0 else 0, length - count)
    slice = listpack_slice(heap, listpack_seek(pack_of(value), <int64_t> start), count)
    if slice == NULL:
        return -1
    rest.block = value.block
    value.block = slice
    return 0


cdef void reply_backward(Reply* reply, Heap* heap, ListValue* value, size_t start, size_t count) noexcept nogil:
    cdef ListIterator it
    cdef ListpackValue element
    cdef bint more = list_seek(&it, heap, value, <int64_t> start)
    while more and count:
        list_get(&it, &element)
        reply_listpack_value(reply, &element)
        count -= 1
        more = list_previous(&it)
    if count:
        reply.starved = 1
    list_stop(&it)


cdef void list_reply_range(Reply* reply, Heap* heap, ListValue* value, size_t start, size_t count,
                           bint backward) noexcept nogil:
    cdef QuicklistIterator it
    cdef listpack pack
    cdef size_t part
    cdef bint more
    if count == 0:
        return
    if backward:
        reply_backward(reply, heap, value, start, count)
        return
    if is_small(value):
        pack = pack_of(value)
        reply_listpack(reply, listpack_seek(pack, <int64_t> start), pack + listpack_bytes(pack), count)
        return
    more = quicklist_seek(&it, heap, quick_of(value), <int64_t> start)
    while more:
        part = it.node.count - it.index
        if part > count:
            part = count
        if it.node.kind == NODE_PACKED:
            reply_listpack(reply, it.entry, it.data + it.node.bytes, part)
        else:
            reply_bulk(reply, <char*> it.data, it.node.bytes)
        count -= part
        more = count and quicklist_next_node(&it)
    if count:
        # Memory was out in the middle of the reply: nothing sensible can follow.
        reply.starved = 1
    quicklist_stop(&it)


# --- iterators

cdef bint list_seek(ListIterator* it, Heap* heap, ListValue* value, int64_t index) noexcept nogil:
    it.heap = heap
    it.value = value
    if not is_small(value):
        return quicklist_seek(&it.quick, heap, quick_of(value), index)
    it.entry = listpack_seek(pack_of(value), index)
    return it.entry != NULL


cdef bint list_next(ListIterator* it) noexcept nogil:
    if not is_small(it.value):
        return quicklist_next(&it.quick)
    it.entry = listpack_next(pack_of(it.value), it.entry)
    return it.entry != NULL


cdef bint list_previous(ListIterator* it) noexcept nogil:
    if not is_small(it.value):
        return quicklist_previous(&it.quick)
    it.entry = listpack_previous(pack_of(it.value), it.entry)
    return it.entry != NULL


cdef bint list_failed(const ListIterator* it) noexcept nogil:
    return not is_small(it.value) and it.quick.failed


cdef void list_get(const ListIterator* it, ListpackValue* element) noexcept nogil:
    if is_small(it.value):
        listpack_get(it.entry, element)
    else:
        quicklist_get(&it.quick, element)


cdef bint list_equals(const ListIterator* it, const char* data, size_t length) noexcept nogil:
    if is_small(it.value):
        return listpack_equals(it.entry, data, length)
    return quicklist_equals(&it.quick, data, length)


cdef int list_insert(ListIterator* it, bint behind, const char* data, size_t length) noexcept nogil:
    if not is_small(it.value):
        return quicklist_insert(&it.quick, behind, data, length)
    return changed(it.value, listpack_insert(it.heap, pack_of(it.value), &it.entry, behind, data, length))


cdef int list_replace(ListIterator* it, const char* data, size_t length) noexcept nogil:
    if not is_small(it.value):
        return quicklist_replace(&it.quick, data, length)
    return changed(it.value, listpack_replace(it.heap, pack_of(it.value), &it.entry, data, length))


cdef int list_delete(ListIterator* it, bint backward, bint* more) noexcept nogil:
    cdef uint8_t* entry
    cdef listpack pack
    if not is_small(it.value):
        return quicklist_delete(&it.quick, backward, more)
    entry = it.entry
    pack = listpack_delete_range(it.heap, pack_of(it.value), &entry, 1)
    if changed(it.value, pack) != 0:
        return -1
    if backward:
        if entry != NULL:
            entry = listpack_previous(pack, entry)
        elif listpack_bytes(pack) > LISTPACK_HEADER + 1:
            entry = listpack_last(pack)
    it.entry = entry
    more[0] = entry != NULL
    return 0


cdef void list_stop(ListIterator* it) noexcept nogil:
    if not is_small(it.value):
        quicklist_stop(&it.quick)
