"""Python class over the stream structure, for unit tests only; identifiers are (ms, seq) pairs."""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_destroy, heap_free, heap_new
from redislite._core.state.core cimport Argument
from redislite._core.structures.listpack cimport ListpackValue, listpack, listpack_bytes, listpack_validate
from redislite._core.structures.rax cimport RAX_FIRST, RaxIterator, rax_next, rax_seek, rax_size, rax_start, rax_stop
from redislite._core.structures.release cimport Release, release_begin
from redislite._core.values.stream cimport (
    Consumer, Group, Pending, Stream, StreamId, StreamIterator, consumer_name, group_acknowledge, group_advance,
    group_consumer, group_consumer_create, group_consumer_delete, group_lag, group_name, group_pending,
    group_pending_assign, id_decode, id_decrement, id_format, id_increment, stream_append, stream_copy, stream_delete,
    stream_exists, stream_free, stream_group, stream_group_create, stream_group_destroy, stream_iterate,
    stream_iterator_delete, stream_iterator_next, stream_iterator_pair, stream_iterator_stop, stream_last_entry,
    stream_memory, stream_new, stream_release_step, stream_trim,
)


cdef StreamId _id(object pair):
    cdef StreamId id
    id.ms, id.seq = pair
    return id


cdef bytes _value(const ListpackValue* value):
    return b"%d" % value.integer if value.data == NULL else value.data[:value.length]


def format_id(object pair):
    """Text of an identifier."""
    cdef char text[64]
    cdef StreamId id = _id(pair)
    return text[:id_format(text, &id)]


def step_id(object pair, bint back):
    """The following or preceding identifier, None at the end."""
    cdef StreamId id = _id(pair)
    return (id.ms, id.seq) if (id_decrement(&id) if back else id_increment(&id)) else None


cdef class StreamProbe:
    """One stream in a heap of its own."""
    cdef Heap* heap
    cdef Stream* stream

    def __cinit__(self):
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError
        self.stream = stream_new(self.heap)
        if self.stream == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.stream != NULL:
            stream_free(self.stream)
        heap_destroy(self.heap)

    def __len__(self):
        return self.stream.length

    def append(self, object id, list pairs, int64_t max_bytes=4096, int64_t max_entries=100):
        """pairs: of bytes."""
        cdef StreamId identifier = _id(id)
        cdef list texts = [text for pair in pairs for text in pair]
        cdef Argument* arguments = <Argument*> heap_alloc(self.heap, len(texts) * sizeof(Argument))
        cdef int failed
        for i, text in enumerate(texts):
            arguments[<size_t> i].data = <bytes> text
            arguments[<size_t> i].length = len(text)
        failed = stream_append(self.stream, &identifier, arguments, len(pairs), max_bytes, max_entries)
        heap_free(self.heap, arguments, len(texts) * sizeof(Argument))
        if failed:
            raise MemoryError

    def delete(self, object id):
        cdef StreamId identifier = _id(id)
        return stream_delete(self.stream, &identifier)

    def delete_at(self, object first, object last, bint reverse):
        """Deletes the first entry that a walk finds; whether there was one."""
        cdef StreamIterator it
        cdef StreamId id
        cdef StreamId low = _id(first)
        cdef StreamId high = _id(last)
        cdef int64_t pairs
        cdef bint found
        stream_iterate(&it, self.stream, &low, &high, reverse)
        found = stream_iterator_next(&it, &id, &pairs)
        if found:
            stream_iterator_delete(&it)
        stream_iterator_stop(&it)
        return found

    def trim(self, uint64_t max_length=0, object min_id=None, bint approximate=False, int64_t limit=0):
        cdef StreamId identifier
        if min_id is None:
            return stream_trim(self.stream, max_length, NULL, approximate, limit)
        identifier = _id(min_id)
        return stream_trim(self.stream, 0, &identifier, approximate, limit)

    def range(self, object first, object last, bint reverse=False, int count=-1, int read=-1):
        """The entries as (id, pairs); of each, only so many pairs are asked for (-1: all)."""
        cdef StreamIterator it
        cdef StreamId id
        cdef StreamId low = _id(first)
        cdef StreamId high = _id(last)
        cdef ListpackValue field
        cdef ListpackValue value
        cdef int64_t pairs
        cdef list entries = []
        stream_iterate(&it, self.stream, &low, &high, reverse)
        while count != 0 and stream_iterator_next(&it, &id, &pairs):
            texts = []
            for i in range(pairs if read < 0 else min(pairs, read)):
                stream_iterator_pair(&it, &field, &value)
                texts.append((_value(&field), _value(&value)))
            entries.append(((id.ms, id.seq), texts))
            count -= 1
        stream_iterator_stop(&it)
        return entries

    def exists(self, object id):
        cdef StreamId identifier = _id(id)
        return stream_exists(self.stream, &identifier)

    @property
    def ids(self):
        """last_id, first_id, max_deleted_id, last entry's."""
        cdef StreamId last
        stream_last_entry(self.stream, &last)
        return ((self.stream.last_id.ms, self.stream.last_id.seq), (self.stream.first_id.ms, self.stream.first_id.seq),
                (self.stream.max_deleted_id.ms, self.stream.max_deleted_id.seq), (last.ms, last.seq))

    @property
    def entries_added(self):
        return self.stream.entries_added

    @property
    def packs(self):
        """The listpacks as ((ms, seq), bytes); each is checked to be well-formed."""
        cdef RaxIterator it
        cdef StreamId id
        cdef listpack pack
        cdef list packs = []
        cdef bint more
        rax_start(&it, &self.stream.entries)
        more = rax_seek(&it, RAX_FIRST, NULL, 0)
        while more:
            pack = <listpack> it.value
            id_decode(it.key, &id)
            if not listpack_validate(pack, listpack_bytes(pack), 1):
                raise AssertionError("a malformed listpack")
            packs.append(((id.ms, id.seq), (<char*> pack)[:listpack_bytes(pack)]))
            more = rax_next(&it)
        rax_stop(&it)
        return packs

    @property
    def memory(self):
        return stream_memory(self.stream)

    @property
    def used(self):
        """Bytes of the heap."""
        return self.heap.used

    def copy(self):
        """A copy in a heap of its own."""
        cdef StreamProbe probe = StreamProbe()
        stream_free(probe.stream)
        probe.stream = stream_copy(probe.heap, self.stream)
        if probe.stream == NULL:
            raise MemoryError
        return probe

    def release(self, size_t budget):
        """Releases all in steps of this budget; answers how many there were. Nothing else may be called behind it."""
        cdef Release step
        release_begin(&step, self.heap, budget)
        steps = 1
        while stream_release_step(&step, self.stream):
            step.budget = budget
            steps += 1
        self.stream = NULL
        return steps

    # --- groups

    cdef Group* _group(self, bytes name) except NULL:
        cdef Group* group = stream_group(self.stream, name, len(name))
        if group == NULL:
            raise KeyError(name)
        return group

    cdef Consumer* _consumer(self, Group* group, bytes name) except NULL:
        cdef Consumer* consumer = group_consumer(group, name, len(name))
        if consumer == NULL:
            raise KeyError(name)
        return consumer

    def create_group(self, bytes name, object last_id, int64_t entries_read):
        cdef StreamId identifier = _id(last_id)
        if stream_group_create(self.stream, name, len(name), &identifier, entries_read) == NULL:
            raise MemoryError

    def destroy_group(self, bytes name):
        stream_group_destroy(self.stream, self._group(name))

    def create_consumer(self, bytes group, bytes name, int64_t now_ms):
        if group_consumer_create(self._group(group), name, len(name), now_ms) == NULL:
            raise MemoryError

    def delete_consumer(self, bytes group, bytes name):
        cdef Group* found = self._group(group)
        return group_consumer_delete(found, self._consumer(found, name))

    def assign(self, bytes group, bytes consumer, object id, int64_t now_ms):
        """Makes an entry pending; whether it is new."""
        cdef Group* found = self._group(group)
        cdef StreamId identifier = _id(id)
        cdef Pending* pending
        cdef int result = group_pending_assign(found, self._consumer(found, consumer), &identifier, &pending)
        if result < 0:
            raise MemoryError
        pending.delivered_ms = now_ms
        pending.deliveries += 1
        return result == 1

    def acknowledge(self, bytes group, object id):
        cdef StreamId identifier = _id(id)
        return group_acknowledge(self._group(group), &identifier)

    def advance(self, bytes group, object id):
        cdef StreamId identifier = _id(id)
        group_advance(self.stream, self._group(group), &identifier)

    def lag(self, bytes group):
        """(entries read, lag), each None where it is not known."""
        cdef Group* found = self._group(group)
        cdef uint64_t lag
        cdef bint known = group_lag(self.stream, found, &lag)
        return (None if found.entries_read < 0 else found.entries_read), (lag if known else None)

    def pending(self, bytes group, object id):
        """(consumer, delivered_ms, deliveries), or None."""
        cdef StreamId identifier = _id(id)
        cdef Pending* pending = group_pending(self._group(group), &identifier)
        cdef size_t length
        cdef char* name
        if pending == NULL:
            return None
        name = consumer_name(pending.consumer, &length)
        return name[:length], pending.delivered_ms, pending.deliveries

    def groups(self):
        """{group: {consumer: [ids pending with it]}}; checks the group's own tree against them."""
        cdef RaxIterator it
        cdef RaxIterator members
        cdef RaxIterator pendings
        cdef Group* group
        cdef Consumer* consumer
        cdef StreamId id
        cdef size_t length
        cdef char* name
        cdef bint more
        cdef dict result = {}
        rax_start(&it, &self.stream.groups)
        more = rax_seek(&it, RAX_FIRST, NULL, 0)
        while more:
            group = <Group*> it.value
            name = group_name(group, &length)
            consumers = result[name[:length]] = {}
            total = 0
            rax_start(&members, &group.consumers)
            more = rax_seek(&members, RAX_FIRST, NULL, 0)
            while more:
                consumer = <Consumer*> members.value
                name = consumer_name(consumer, &length)
                ids = consumers[name[:length]] = []
                rax_start(&pendings, &consumer.pending)
                more = rax_seek(&pendings, RAX_FIRST, NULL, 0)
                while more:
                    id_decode(pendings.key, &id)
                    ids.append((id.ms, id.seq))
                    if group_pending(group, &id) != pendings.value or (<Pending*> pendings.value).consumer != consumer:
                        raise AssertionError("the trees of a group and its consumer differ")
                    more = rax_next(&pendings)
                rax_stop(&pendings)
                total += len(ids)
                more = rax_next(&members)
            rax_stop(&members)
            if total != rax_size(&group.pending):
                raise AssertionError("a group has more pending than its consumers")
            more = rax_next(&it)
        rax_stop(&it)
        return result
