"""What an engine tells of itself; the contract is in inspection.pxd."""
from libc.stdint cimport int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memset
from redislite._core.base.alloc cimport heap_is_checked, heap_note_peak
from redislite._core.clients.client_memory cimport client_memory, client_memory_limit
from redislite._core.clients.output cimport CLASS_NORMAL, CLASS_PUBSUB, CLASS_REPLICA, CLIENT_CLASSES, class_of
from redislite._core.clients.tracking cimport Tracking
from redislite._core.commands.table cimport histogram_bound, statistics_reset
from redislite._core.clients.channels cimport KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, channels_count, subscribers_count
from redislite._core.keyspace.key_table cimport key_hash, keys_count, keys_find, keys_iterate_begin, keys_table
from redislite._core.keyspace.blocking cimport WAIT_ALSO_MISSING, first_waiting
from redislite._core.keyspace.discard cimport discarded_things
from redislite._core.keyspace.entry cimport (
    ENCODING_HASHTABLE, ENCODING_LISTPACK, ENCODING_QUICKLIST, ENCODING_SKIPLIST, KEY_OFFSET, TYPE_HASH, TYPE_LIST,
    TYPE_STRING, Entry, entry_deadline, entry_encoding, entry_encoding_name, entry_key, entry_memory, entry_pointer,
    entry_string, entry_type, entry_type_name,
)
from redislite._core.keyspace.eviction cimport eviction_exceeded_ms, eviction_exceeded_total_ms, eviction_of
from redislite._core.keyspace.key_sizes cimport key_sizes_by_type
from redislite._core.keyspace.keyspace cimport access_frequency, idle_seconds, keyspace_find
from redislite._core.text.rdb_output cimport RdbOutput, output_close, output_open, output_position
from redislite._core.rdb.rdb_write cimport rdb_write_value
from redislite._core.scripting.functions cimport Functions, Library, functions_of
from redislite._core.scripting.scripting cimport Scripting, scripting_of
from redislite._core.scripting.calling cimport RUN_FUNCTION, Run, running
from redislite._core.scripting.scripts cimport Scripts
from redislite._core.state.core cimport Client, Core, Database, WaitList, Waiter
from redislite._core.state.flags cimport GATE_BUSY
from redislite._core.state.statistics cimport HISTOGRAM_BUCKETS, CommandStatistics
from redislite._core.structures.bucket cimport Bucket
from redislite._core.structures.dict cimport (
    Dict, DictIterator, dict_capacity, dict_iterate_begin, dict_iterate_end, dict_iterate_next, dict_size,
    dict_table_bytes,
)
from redislite._core.structures.listpack cimport ListpackValue, listpack_bytes, listpack_free, listpack_length
from redislite._core.structures.quicklist cimport NODE_PLAIN, Quicklist, QuicklistNode, quicklist_bytes
from redislite._core.text.lzf cimport lzf_decompress
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX
from redislite._core.values.hash_value cimport HashValue, hash_is_for_deadlines, hash_timed_listpack
from redislite._core.values.list_value cimport (
    ListIterator, ListValue, list_failed, list_get, list_next, list_seek, list_stop,
)
from redislite._core.values.module_value cimport MODULE_NAME_ROOM


cdef inline uint64_t buckets_of(const Dict* d, int table) noexcept nogil:
    return d.masks[table] + 1 if d.tables[table] != NULL else 0


cdef dict table_facts(const Dict* d, str prefix):
    """entries; table_bytes; rehashing; buckets, and how many entries they take before the table grows (capacity); both
    of the table that it is being rehashed to (_new). Names begin with the prefix."""
    return {
        f"{prefix}entries": dict_size(d),
        f"{prefix}table_bytes": dict_table_bytes(d),
        f"{prefix}rehashing": d.rehash_index >= 0,
        f"{prefix}buckets": buckets_of(d, 0),
        f"{prefix}buckets_new": buckets_of(d, 1),
        f"{prefix}capacity": dict_capacity(buckets_of(d, 0)),
        f"{prefix}capacity_new": dict_capacity(buckets_of(d, 1)),
    }


cdef enum:
    DEFAULT_SAMPLES = 5


cdef class Inspected:
    """What an engine tells of itself. Nothing here changes anything, and no key is touched by being looked at."""

    @property
    def tracking_statistics(self) -> dict[str, int]:
        """clients that track, keys in the table, items (pairs of key and client), prefixes of the broadcasting mode."""
        cdef Tracking* tracking = <Tracking*> self.core.tracking
        if tracking == NULL:
            return {"clients": 0, "keys": 0, "items": 0, "prefixes": 0}
        return {
            "clients": tracking.clients,
            "keys": dict_size(&tracking.keys),
            "items": tracking.items,
            "prefixes": dict_size(&tracking.prefixes),
        }

    @property
    def databases_count(self) -> int:
        return self.core.databases_count

    def database_size(self, int number) -> int:
        return keys_count(self._database(number))

    def database_statistics(self, int number) -> dict[str, int]:
        """keys, expires, field_expires and average_ttl_ms of a database; of its tables the facts of table_facts, those
        of keys and of expires with keys_ and expires_ before their names."""
        cdef Database* database = self._database(number)
        return {
            "keys": keys_count(database),
            "expires": dict_size(&database.expires),
            "field_expires": dict_size(&database.field_expires),
            "average_ttl_ms": database.average_ttl_ms,
            **table_facts(keys_table(database), "keys_"),
            **table_facts(&database.expires, "expires_"),
        }

    def key_sizes(self, int number, unsigned long budget_us) -> dict[str, dict[int, int]]:
        """By type, how many keys of a database are how large, by the least size of each power of two: bytes of strings,
        elements of collections. Reckoned from a part of the keys where all of them take longer than the budget."""
        return key_sizes_by_type(&self.core, self._database(number), budget_us)

    cdef Database* _database(self, int number) except NULL:
        if not 0 <= number < self.core.databases_count:
            raise IndexError(f"database {number}: there are {self.core.databases_count}")
        return self.core.databases[number]

    cdef CommandStatistics* _statistics_of(self, int id) except NULL:
        if not 0 <= id < self.core.commands_count:
            raise IndexError(f"command {id}: there are {self.core.commands_count}")
        return &self.core.command_statistics[id]

    cdef Entry* _entry(self, int number, bytes key, bint also_expired=0) except? NULL:
        cdef Database* database = self._database(number)
        cdef Entry** slot
        if also_expired:
            slot = keys_find(database, key, len(key), key_hash(database, key, len(key)))
        else:
            slot = keyspace_find(&self.core, database, key, len(key), key_hash(database, key, len(key)))
        return slot[0] if slot != NULL else NULL

    def inspect(self, int number, bytes key, size_t samples=DEFAULT_SAMPLES,
                bint also_expired=False) -> dict[str, object] | None:
        """What is known of a key, without touching it: type, encoding, deadline_ms (-1: none), idle_seconds, frequency,
        memory (bytes), address; of a quicklist also its nodes, elements, fill (list-max-listpack-size), depth of
        compression and bytes of all nodes, uncompressed. None where it is not there. samples: of how many fields of a
        hash the memory is looked at and taken for that of all; 0: of all. also_expired: a key whose time is up is there
        as long as it has not been removed."""
        cdef char name[MODULE_NAME_ROOM]
        cdef Entry* entry = self._entry(number, key, also_expired)
        cdef Quicklist* quick
        if entry == NULL:
            return None
        facts = {
            "type": entry_type_name(entry, name).decode(),
            "encoding": entry_encoding_name(entry, self.core.settings.names_timed_listpack != 0).decode(),
            "deadline_ms": entry_deadline(entry),
            "idle_seconds": idle_seconds(&self.core, entry),
            "frequency": access_frequency(&self.core, entry),
            "memory": entry_memory(entry, samples) + 9,
            "address": <uintptr_t> entry,
        }
        if entry_encoding(entry) == ENCODING_QUICKLIST:
            quick = <Quicklist*> entry_pointer(entry)
            facts.update(nodes=quick.nodes, elements=quick.count, fill=quick.fill, depth=quick.depth,
                         bytes=quicklist_bytes(quick))
        return facts

    def value_nodes(self, int number, bytes key) -> list[tuple[bool, bool, bool, int, bytes]] | None:
        """The nodes of a list, or the one of another value in a listpack, without touching it: whether it is a plain
        one, compressed, found incompressible; how many elements; the listpack (plain: the element), uncompressed. A
        hash that is a table for its deadlines alone is told as a listpack of field, value, deadline. None where the
        value is neither a listpack nor a quicklist. Raises MemoryError."""
        cdef HashValue hash
        cdef Entry* entry = self._entry(number, key)
        cdef QuicklistNode* node
        cdef uint8_t* pack
        cdef bytes data
        if entry == NULL:
            return None
        if entry_encoding(entry) == ENCODING_LISTPACK:
            pack = <uint8_t*> entry_pointer(entry)
            return [(False, False, False, listpack_length(pack), pack[:listpack_bytes(pack)])]
        if entry_type(entry) == TYPE_HASH:
            hash.pointer = entry_pointer(entry)
            hash.encoding = entry_encoding(entry)
            if not hash_is_for_deadlines(&hash):
                return None
            pack = <uint8_t*> hash_timed_listpack(self.core.heap, &self.core, &hash)
            if pack == NULL:
                raise MemoryError
            data = pack[:listpack_bytes(pack)]
            nodes = [(False, False, False, listpack_length(pack), data)]
            listpack_free(self.core.heap, pack)
            return nodes
        if entry_encoding(entry) != ENCODING_QUICKLIST:
            return None
        nodes = []
        node = (<Quicklist*> entry_pointer(entry)).head
        while node != NULL:
            if node.compressed:
                data = bytes(node.bytes)
                lzf_decompress(node.block, node.capacity, <uint8_t*> <char*> data, node.bytes)
            else:
                data = node.block[node.gap:node.gap + node.bytes]
            nodes.append((node.kind == NODE_PLAIN, bool(node.compressed), bool(node.incompressible), node.count, data))
            node = node.next
        return nodes

    def value_table(self, int number, bytes key) -> dict[str, int] | None:
        """table_facts of a value with a hash table, without touching it. None where it has none."""
        cdef Entry* entry = self._entry(number, key)
        if entry == NULL or entry_encoding(entry) not in (ENCODING_HASHTABLE, ENCODING_SKIPLIST):
            return None
        # The first member of what each of them is.
        return table_facts(<Dict*> entry_pointer(entry), "")

    def serialized_length(self, int number, bytes key) -> int:
        """Bytes that the value takes in a snapshot, without touching it, even if its time is up; 0 where there is none.
        MemoryError."""
        cdef RdbOutput output
        cdef Entry* entry = self._entry(number, key, True)
        if entry == NULL:
            return 0
        if output_open(&output, -1, 0, self.core.settings.rdb_compression != 0, 0) == 0:
            rdb_write_value(&output, &self.core, entry)
        try:
            if output.error:
                raise MemoryError
            return output_position(&output)
        finally:
            output_close(&output)

    def string_value(self, int number, bytes key) -> bytes | None:
        """The value of a string key, without touching it; None where there is none."""
        cdef char buffer[INTEGER_TEXT_MAX]
        cdef size_t length
        cdef char* data
        cdef Entry* entry = self._entry(number, key)
        if entry == NULL or entry_type(entry) != TYPE_STRING:
            return None
        data = entry_string(entry, buffer, &length)
        return data[:length]

    def list_elements(self, int number, bytes key) -> list[bytes] | None:
        """The elements of a list, without touching it; None where there is no list. MemoryError."""
        cdef Entry* entry = self._entry(number, key)
        cdef ListValue value
        cdef ListIterator position
        cdef ListpackValue element
        cdef list elements = []
        cdef bint more
        if entry == NULL or entry_type(entry) != TYPE_LIST:
            return None
        value.encoding = entry_encoding(entry)
        value.block = entry_pointer(entry)
        more = list_seek(&position, self.core.heap, &value, 0)
        while more:
            list_get(&position, &element)
            elements.append(element.data[:element.length] if element.data != NULL else b"%d" % element.integer)
            more = list_next(&position)
        more = list_failed(&position)
        list_stop(&position)
        if more:
            raise MemoryError
        return elements

    def key_names(self, int number) -> list[bytes]:
        """All keys of a database, in no order, those that are expired and not removed yet included."""
        cdef DictIterator position
        cdef Entry* entry
        cdef size_t length
        cdef char* key
        cdef list names = []
        keys_iterate_begin(&position, self._database(number))
        entry = <Entry*> dict_iterate_next(&position)
        while entry != NULL:
            key = entry_key(entry, &length)
            names.append(key[:length])
            entry = <Entry*> dict_iterate_next(&position)
        dict_iterate_end(&position)
        return names

    @property
    def pubsub_statistics(self) -> dict[str, int]:
        """How many channels, patterns and sharded_channels somebody listens to, and how many clients do."""
        return {
            "channels": channels_count(&self.core, KIND_CHANNEL),
            "patterns": channels_count(&self.core, KIND_PATTERN),
            "sharded_channels": channels_count(&self.core, KIND_SHARD),
            "clients": subscribers_count(&self.core),
        }

    @property
    def memory(self) -> dict[str, int]:
        """Bytes: used, peak, mapped (pages of small blocks), large (in large blocks), uncounted (which the memory limit
        is not about), what clients take by class, overhead of the key tables, and largest input and output that waited
        of any client. Entries that are being released lazily, and how many things wait for their release in all; bytes
        of key tables."""
        cdef Core* core = &self.core
        cdef Client* client = core.clients
        cdef size_t[CLIENT_CLASSES] clients
        cdef size_t largest_input = 0
        cdef size_t largest_output = 0
        cdef size_t tables = 0
        cdef int i
        for i in range(CLIENT_CLASSES):
            clients[i] = 0
        heap_note_peak(core.heap)
        while client != NULL:
            clients[class_of(client)] += client_memory(client)
            if client.query_peak > largest_input:
                largest_input = client.query_peak
            if client.reply_peak > largest_output:
                largest_output = client.reply_peak
            client = client.next
        for i in range(core.databases_count):
            tables += dict_table_bytes(keys_table(core.databases[i]))
            tables += dict_table_bytes(&core.databases[i].expires)
        return {
            "used": core.heap.used,
            "peak": core.heap.peak,
            "mapped": core.heap.mapped,
            "large": core.heap.large,
            "uncounted": eviction_of(core).uncounted,
            "normal_clients": clients[CLASS_NORMAL] + clients[CLASS_PUBSUB],
            "replica_clients": clients[CLASS_REPLICA],
            "tables": tables,
            "discarded_entries": core.discarded_entries,
            "discarded_things": discarded_things(core),
            "largest_input": largest_input,
            "largest_output": largest_output,
        }

    @property
    def client_memory_limit(self) -> int:
        """Bytes that all clients together may take; 0 for no limit."""
        return client_memory_limit(&self.core)

    @property
    def eviction_exceeded_ms(self) -> tuple[int, int]:
        """How long memory has been over its limit, in milliseconds: now, and in all."""
        return eviction_exceeded_ms(&self.core), eviction_exceeded_total_ms(&self.core)

    @property
    def heap_is_checked(self) -> bool:
        """Whether this build's heap checks how it is used, and has a limit."""
        return heap_is_checked()

    @property
    def structure_sizes(self) -> dict[str, int]:
        """Bytes of the structures that there are many of."""
        return {
            "entry_head": KEY_OFFSET,
            "bucket": sizeof(Bucket),
            "dict": sizeof(Dict),
            "quicklist_node": sizeof(QuicklistNode),
            "client": sizeof(Client),
        }

    @property
    def is_busy(self) -> bool:
        """Whether a script has been running for so long that others are served meanwhile."""
        return self.core.gate & GATE_BUSY != 0

    @property
    def kill_command(self) -> str:
        """What ends the script that runs."""
        cdef Run* run = running(&self.core)
        return "FUNCTION KILL" if run != NULL and run.kind == RUN_FUNCTION else "SCRIPT KILL"

    def scripting_statistics(self) -> dict[str, int]:
        """Bytes that Lua takes (vm_memory); how many scripts are kept, and their bytes (scripts_memory)."""
        cdef Scripting* scripting = scripting_of(&self.core)
        cdef Scripts* scripts = <Scripts*> scripting.scripts if scripting != NULL else NULL
        return {
            "vm_memory": scripting.memory if scripting != NULL else 0,
            "scripts": dict_size(&scripts.by_digest) if scripts != NULL else 0,
            "scripts_memory": scripts.memory if scripts != NULL else 0,
        }

    @property
    def function_libraries(self) -> list[bytes]:
        """The code of all libraries of functions, in the order in which they came: what snapshots carry."""
        cdef Functions* functions = functions_of(&self.core)
        cdef Library* library = functions.oldest if functions != NULL else NULL
        cdef list codes = []
        while library != NULL:
            codes.append(library.code[:library.code_length])
            library = library.newer
        return codes

    def function_statistics(self) -> dict[str, int]:
        """How many libraries of functions and functions there are; bytes that they take (memory), and in Lua
        (vm_memory)."""
        cdef Functions* functions = functions_of(&self.core)
        cdef Library* library
        cdef int64_t libraries_count = 0
        cdef int64_t functions_count = 0
        if functions == NULL:
            return {"libraries": 0, "functions": 0, "memory": 0, "vm_memory": 0}
        library = functions.oldest
        while library != NULL:
            libraries_count += 1
            functions_count += library.count
            library = library.newer
        return {
            "libraries": libraries_count,
            "functions": functions_count,
            "memory": functions.memory + dict_table_bytes(&functions.libraries) + dict_table_bytes(&functions.by_name),
            "vm_memory": functions.vm_memory,
        }

    @property
    def statistics(self) -> dict[str, object]:
        """The fields of Statistics (statistics.pxd) by name."""
        statistics = dict(self.core.statistics)
        return statistics

    @property
    def waiting_statistics(self) -> dict[str, int]:
        """Clients that watch keys, keys that are watched; keys that clients wait for, of these the ones that they are
        also to be told of when they go; clients that wait no longer than for a time."""
        cdef Core* core = &self.core
        cdef DictIterator position
        cdef WaitList* waiting
        cdef Waiter* waiter
        cdef int i
        figures = dict.fromkeys(("watched_keys", "keys", "keys_also_missing"), 0)
        figures["watching_clients"] = core.watching_clients
        figures["timed_clients"] = core.deadlines_count
        for i in range(core.databases_count):
            figures["watched_keys"] += dict_size(&core.databases[i].watched)
            dict_iterate_begin(&position, &core.databases[i].waiting)
            waiting = <WaitList*> dict_iterate_next(&position)
            while waiting != NULL:
                waiter = first_waiting(waiting.first)
                figures["keys"] += waiter != NULL
                while waiter != NULL and not waiter.blocked.options & WAIT_ALSO_MISSING:
                    waiter = first_waiting(waiter.next)
                figures["keys_also_missing"] += waiter != NULL
                waiting = <WaitList*> dict_iterate_next(&position)
            dict_iterate_end(&position)
        return figures

    @property
    def loop_statistics(self) -> dict[str, float]:
        """Turns of the loop that had something to do; microseconds in all of them, in commands of these, in the longest
        turn; commands of the turn with the most."""
        cdef double us_per_tick = self.core.ns_per_tick / 1000
        return {
            "turns": self.core.statistics.loop_turns,
            "us": self.core.statistics.loop_ticks * us_per_tick,
            "command_us": self.core.statistics.command_ticks * us_per_tick,
            "longest_us": self.core.statistics.loop_ticks_most * us_per_tick,
            "most_commands": self.core.statistics.commands_per_turn_most,
        }

    def command_statistics(self) -> list[tuple[str, int, float, int, int]]:
        """Of each command that was called or rejected: name, calls, microseconds in all, rejected calls, failed
        calls."""
        cdef CommandStatistics* statistics
        result = []
        for row in self.table.rows:
            statistics = &self.core.command_statistics[<int> row.id]
            if statistics.calls or statistics.rejected or statistics.failed:
                result.append((row.name, statistics.calls, statistics.ticks * self.core.ns_per_tick / 1000,
                               statistics.rejected, statistics.failed))
        return result

    def latency_histogram(self, int id) -> list[tuple[int, int]]:
        """Of one command: (upper bound of the duration in nanoseconds, calls) for each bucket that is not empty."""
        cdef CommandStatistics* statistics = self._statistics_of(id)
        cdef int i
        if statistics.histogram == NULL:
            return []
        return [(histogram_bound(i),
                 statistics.histogram[i]) for i in range(HISTOGRAM_BUCKETS) if statistics.histogram[i]]

    def error_statistics(self) -> list[tuple[str, int]]:
        """Errors replied, by their first word."""
        return [(self.core.error_kinds[i].name[:self.core.error_kinds[i].name_length].decode("utf-8", "replace"),
                 self.core.error_kinds[i].count) for i in range(self.core.error_kinds_count)]

    # --- what is reset, and what tests limit

    def reset_peak(self) -> None:
        self.core.heap.peak = self.core.heap.used

    def reset_statistics(self) -> None:
        statistics_reset(&self.core)

    def reset_latency_histogram(self, int id) -> None:
        cdef CommandStatistics* statistics = self._statistics_of(id)
        if statistics.histogram != NULL:
            memset(statistics.histogram, 0, HISTOGRAM_BUCKETS * sizeof(unsigned int))

    @property
    def heap_limit(self) -> int:
        """How many bytes the heap may hand out before it says that memory is out; 0: no limit. For tests: only a
        checked build looks at it."""
        return self.core.heap.limit

    @heap_limit.setter
    def heap_limit(self, size_t limit) -> None:
        self.core.heap.limit = limit

    @property
    def heap_until_failure(self) -> int:
        """How many blocks the heap is yet asked for until it refuses one, as if memory were out, and that one only; 0:
        none is refused (any more). For tests: only a checked build looks at it."""
        return self.core.heap.until_failure

    @heap_until_failure.setter
    def heap_until_failure(self, size_t count) -> None:
        self.core.heap.until_failure = count
