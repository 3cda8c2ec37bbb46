"""Reading RDB files; the contract is in rdb_read.pxd.

A key that has been read is not put into its dict at once: its bucket is asked for, and the next keys are read while it
comes (Waiting). That is worth more than anything else here.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp
from redislite._core.base.sds cimport sds, sds_free, sds_length
from redislite._core.keyspace.key_table cimport key_hash, keys_count, keys_find, keys_prefetch_bucket, keys_reserve
from redislite._core.keyspace.entry cimport (
    NO_EXPIRE, TYPE_HASH, Entry, entry_encoding, entry_expires, entry_free, entry_key, entry_pointer, entry_type,
)
from redislite._core.keyspace.keyspace cimport (
    access_for_idle, access_for_frequency, access_for_new, delete_key, load_entry,
)
from redislite._core.text.rdb_format cimport (
    RDB_DUMP_TAIL, RDB_AUX, RDB_END, RDB_EXPIRE, RDB_EXPIRE_MS, RDB_FREQ, RDB_FUNCTION, RDB_FUNCTION_EARLY, RDB_HEADER,
    RDB_IDLE, RDB_MODULE_AUX, RDB_RESIZE, RDB_SELECT, RDB_SLOT_IMPORT, RDB_SLOT_INFO, RDB_VERSION_REDIS,
    RDB_VERSION_VALKEY,
)
from redislite._core.text.rdb_input cimport (
    RdbText, input_byte, input_bytes, input_checksum, input_fail, input_fail_number, input_left, input_length,
    input_out_of_memory, input_skip_text, input_text, input_word,
)
from redislite._core.rdb.rdb_module cimport rdb_read_module_aux
from redislite._core.rdb.rdb_values cimport (
    RDB_VALUE_EMPTY, RDB_VALUE_READ, RdbValueOptions, rdb_judge_type, rdb_read_entry,
)
from redislite._core.state.core cimport Database
from redislite._core.state.expiry_state cimport is_expired
from redislite._core.structures.dict cimport dict_prefetch_bucket, dict_reserve, dict_size
from redislite._core.text.crc64 cimport crc64_update
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64
from redislite._core.values.hash_value cimport HashValue, hash_timed
from redislite._core.values.module_value cimport MODULE_ID

cdef extern from *:
    """
    #include <unistd.h>
    """
    int usleep(unsigned int microseconds) noexcept nogil

cdef enum:
    AHEAD = 16                      # keys that wait for their buckets
    KEY_BYTES_LEAST = 4             # of a key in a file
    RESERVE_UNSIZED = 1 << 20       # keys that room is made for where the size of the input is not known
    CHECKSUM_VERSION = 5            # from which there is a checksum


cdef struct Waiting:
    Entry* entry
    Database* database
    uint64_t hash


# What is known of the key that comes next.
cdef struct Prelude:
    int64_t deadline_ms
    int64_t idle_seconds            # -1: nothing
    int64_t frequency               # -1: nothing


cdef struct Loader:
    Core* core
    RdbInput* input
    const RdbLoadOptions* options
    RdbLoadResult* result
    RdbValueOptions values
    Database* database
    Prelude prelude
    int waiting_count
    int waiting_first
    Waiting waiting[AHEAD]


cdef bint rdb_version_is_known(const Core* core, int version) noexcept nogil:
    return version >= 1 and (version <= RDB_VERSION_REDIS or version == RDB_VERSION_VALKEY
                             or core.settings.rdb_relaxed)


cdef int rdb_payload_version(const Core* core, const char* payload, size_t length) noexcept nogil:
    cdef const uint8_t* tail
    cdef uint64_t told = 0
    cdef int version, i
    if length < RDB_DUMP_TAIL:
        return 0
    tail = <const uint8_t*> payload + length - RDB_DUMP_TAIL
    version = tail[0] | tail[1] << 8
    if not rdb_version_is_known(core, version):
        return 0
    if core.settings.skip_checksum:
        return version
    for i in range(8):
        told |= <uint64_t> tail[2 + i] << (8 * i)
    return version if crc64_update(0, payload, length - 8) == told else 0


# Keys

cdef bint place_first(Loader* loader) noexcept nogil:
    """Puts the key that has waited longest into its database."""
    cdef Waiting* waiting = &loader.waiting[loader.waiting_first]
    cdef Database* database = waiting.database
    cdef size_t length
    cdef char* key = entry_key(waiting.entry, &length)
    cdef bint expires = entry_expires(waiting.entry)
    loader.waiting_first = (loader.waiting_first + 1) % AHEAD
    loader.waiting_count -= 1
    if keys_find(database, key, length, waiting.hash) != NULL:
        if not loader.options.replace:
            entry_free(loader.core.heap, waiting.entry)
            return input_fail(loader.input, b"the same key twice, or a key that is in the database already")
        delete_key(loader.core, database, key, length, waiting.hash, 0)
    if load_entry(loader.core, database, waiting.entry, waiting.hash) != 0:
        entry_free(loader.core.heap, waiting.entry)
        return input_out_of_memory(loader.input)
    loader.result.keys += 1
    loader.result.expires += expires
    return 1


cdef bint place_all(Loader* loader) noexcept nogil:
    while loader.waiting_count and place_first(loader):
        pass
    return loader.waiting_count == 0


cdef void drop_waiting(Loader* loader) noexcept nogil:
    while loader.waiting_count:
        entry_free(loader.core.heap, loader.waiting[loader.waiting_first].entry)
        loader.waiting_first = (loader.waiting_first + 1) % AHEAD
        loader.waiting_count -= 1


cdef inline bint queue(Loader* loader, Entry* entry) noexcept nogil:
    cdef Waiting* waiting
    cdef size_t length
    cdef char* key
    if loader.waiting_count == AHEAD and not place_first(loader):
        entry_free(loader.core.heap, entry)
        return 0
    waiting = &loader.waiting[(loader.waiting_first + loader.waiting_count) % AHEAD]
    key = entry_key(entry, &length)
    waiting.entry = entry
    waiting.database = loader.database
    waiting.hash = key_hash(loader.database, key, length)
    keys_prefetch_bucket(loader.database, waiting.hash)
    if entry_expires(entry):
        dict_prefetch_bucket(&loader.database.expires, waiting.hash)
    loader.waiting_count += 1
    return 1


cdef inline uint32_t access_bits(Loader* loader) noexcept nogil:
    if loader.prelude.frequency >= 0 and loader.core.settings.lfu:
        return access_for_frequency(loader.core, <int> loader.prelude.frequency)
    if loader.prelude.idle_seconds >= 0 and not loader.core.settings.lfu:
        return access_for_idle(loader.core, loader.prelude.idle_seconds)
    return access_for_new(loader.core)


cdef inline void clear_prelude(Loader* loader) noexcept nogil:
    loader.prelude.deadline_ms = NO_EXPIRE
    loader.prelude.idle_seconds = -1
    loader.prelude.frequency = -1


cdef bint tell_sink(Loader* loader, int kind, const RdbText* name, const RdbText* value) noexcept nogil:
    """Either text may be NULL, for an empty one."""
    if loader.options.sink == NULL or loader.options.sink(
            loader.options.sink_argument, kind, name.data if name != NULL else NULL, name.length if name != NULL else 0,
            value.data if value != NULL else NULL, value.length if value != NULL else 0) == 0:
        return 1
    loader.input.stopped = 1
    return input_fail(loader.input, b"stopped")


cdef bint read_key(Loader* loader, int type) noexcept nogil:
    cdef int64_t deadline_ms = loader.prelude.deadline_ms
    cdef Entry* entry
    cdef HashValue hash
    cdef int read
    loader.result.stage = RDB_STAGE_KEY
    loader.result.type = type
    if not input_text(loader.input, 0):
        return 0
    loader.result.named = 1
    loader.result.stage = RDB_STAGE_VALUE
    loader.result.seen += 1
    if deadline_ms != NO_EXPIRE:
        loader.result.seen_expires += 1
        loader.result.seen_expired += deadline_ms < loader.core.now_ms
    read = rdb_read_entry(loader.core, loader.input, type, &loader.values, &loader.input.texts[0], deadline_ms,
                          access_bits(loader), &entry)
    clear_prelude(loader)
    if read == RDB_VALUE_EMPTY:
        loader.result.empty += 1
        loader.result.named = 0
        loader.result.type = -1
        return tell_sink(loader, RDB_SINK_EMPTY, &loader.input.texts[0], NULL)
    if read != RDB_VALUE_READ:
        return 0
    loader.result.named = 0
    loader.result.type = -1
    if entry_type(entry) == TYPE_HASH:
        hash.pointer = entry_pointer(entry)
        hash.encoding = entry_encoding(entry)
        loader.result.seen_timed += hash_timed(&hash) != 0
    if is_expired(loader.core, deadline_ms) and not loader.options.keep_expired:
        entry_free(loader.core.heap, entry)
        loader.result.expired += 1
        return 1
    if loader.options.key_delay_us > 0:
        usleep(<unsigned int> loader.options.key_delay_us)
    elif loader.options.key_delay_us < 0 and loader.result.keys % <uint64_t> -loader.options.key_delay_us == 0:
        usleep(1)
    return queue(loader, entry)


# What is no key

cdef bint read_select(Loader* loader) noexcept nogil:
    cdef char text[INTEGER_TEXT_MAX]
    cdef RdbText told
    cdef uint64_t number
    loader.result.stage = RDB_STAGE_LENGTH
    if not input_length(loader.input, &number, NULL):
        return 0
    if number >= <uint64_t> loader.core.databases_count:
        return input_fail_number(loader.input, b"database %llu, which is beyond the number of databases of this server"
                                 b" (see the directive databases)", number)
    loader.database = loader.core.databases[number]
    told.data = text
    told.length = format_int64(text, <int64_t> number)
    return tell_sink(loader, RDB_SINK_SELECT, NULL, &told)


cdef bint read_resize(Loader* loader) noexcept nogil:
    """Makes room for the keys to come: no more than the rest of the file can hold."""
    cdef uint64_t keys, expires, most
    loader.result.stage = RDB_STAGE_LENGTH
    if not input_length(loader.input, &keys, NULL) or not input_length(loader.input, &expires, NULL):
        return 0
    most = input_left(loader.input) // KEY_BYTES_LEAST if loader.input.sized else <uint64_t> RESERVE_UNSIZED
    # Where there is no memory for it the tables grow as they must.
    keys_reserve(loader.database, keys_count(loader.database) + <size_t> min(keys, most))
    dict_reserve(&loader.database.expires, dict_size(&loader.database.expires) + <size_t> min(expires, most))
    return 1


cdef bint read_aux(Loader* loader) noexcept nogil:
    loader.result.stage = RDB_STAGE_AUX
    return input_text(loader.input, 1) and input_text(loader.input, 2) and tell_sink(
        loader, RDB_SINK_AUX, &loader.input.texts[1], &loader.input.texts[2])


cdef bint read_function(Loader* loader) noexcept nogil:
    loader.result.stage = RDB_STAGE_FUNCTION
    return input_text(loader.input, 2) and tell_sink(loader, RDB_SINK_FUNCTION, NULL, &loader.input.texts[2])


cdef bint read_module_aux(Loader* loader) noexcept nogil:
    cdef RdbText id, fields
    cdef bint told
    cdef sds data
    loader.result.stage = RDB_STAGE_MODULE
    data = rdb_read_module_aux(loader.input)
    if data == NULL:
        return 0
    id.data = data
    id.length = MODULE_ID
    fields.data = data + MODULE_ID
    fields.length = sds_length(data) - MODULE_ID
    told = tell_sink(loader, RDB_SINK_MODULE, &id, &fields)
    sds_free(loader.input.heap, data)
    return told


cdef bint skip_slot_import(Loader* loader) noexcept nogil:
    """Slots of a cluster that were on their way (Valkey): a name, a number of ranges, their first and last slots."""
    cdef uint64_t ranges, slot
    if not input_skip_text(loader.input) or not input_length(loader.input, &ranges, NULL):
        return 0
    while ranges:
        if not input_length(loader.input, &slot, NULL) or not input_length(loader.input, &slot, NULL):
            return 0
        ranges -= 1
    return 1


cdef bint read_opcode(Loader* loader, int opcode) noexcept nogil:
    cdef uint64_t number
    cdef uint8_t byte
    cdef int i
    if opcode == RDB_EXPIRE_MS:
        loader.result.stage = RDB_STAGE_EXPIRE
        if not input_word(loader.input, &number):
            return 0
        loader.prelude.deadline_ms = <int64_t> number
        return <int64_t> number >= 0 or input_fail(loader.input, b"a negative time of expiry")
    if opcode == RDB_EXPIRE:
        loader.result.stage = RDB_STAGE_EXPIRE
        number = 0
        for i in range(4):
            if not input_byte(loader.input, &byte):
                return 0
            number |= <uint64_t> byte << (8 * i)
        loader.prelude.deadline_ms = <int64_t> number * 1000
        return 1
    if opcode == RDB_FREQ:
        if not input_byte(loader.input, &byte):
            return 0
        loader.prelude.frequency = byte
        return 1
    if opcode == RDB_IDLE:
        if not input_length(loader.input, &number, NULL):
            return 0
        loader.prelude.idle_seconds = <int64_t> (number if number < <uint64_t> 1 << 32 else <uint64_t> 1 << 32)
        return 1
    if opcode == RDB_SELECT:
        return read_select(loader)
    if opcode == RDB_RESIZE:
        return read_resize(loader)
    if opcode == RDB_AUX:
        return read_aux(loader)
    if opcode == RDB_FUNCTION:
        return read_function(loader)
    if opcode == RDB_FUNCTION_EARLY:
        return input_fail(loader.input, b"Pre-release function format not supported")
    if opcode == RDB_MODULE_AUX:
        return read_module_aux(loader)
    if opcode == RDB_SLOT_INFO:
        for i in range(3):
            if not input_length(loader.input, &number, NULL):
                return 0
        return 1
    if opcode == RDB_SLOT_IMPORT and loader.result.version >= RDB_VERSION_VALKEY:
        return skip_slot_import(loader)
    return rdb_judge_type(loader.input, opcode) and read_key(loader, opcode)


# The whole

cdef bint read_header(Loader* loader) noexcept nogil:
    cdef uint8_t head[RDB_HEADER]
    cdef int version = 0
    cdef bint valkey
    cdef int i
    if not input_bytes(loader.input, head, RDB_HEADER):
        return 0
    valkey = memcmp(head, b"VALKEY", 6) == 0
    if not valkey and memcmp(head, b"REDIS", 5) != 0:
        return input_fail(loader.input, b"wrong signature: this is not an RDB file")
    for i in range(6 if valkey else 5, RDB_HEADER):
        if not c"0" <= head[i] <= c"9":
            return input_fail(loader.input, b"the version of the format is not a number")
        version = 10 * version + head[i] - c"0"
    loader.result.version = loader.values.version = version
    return rdb_version_is_known(loader.core, version) or input_fail_number(
        loader.input, b"version %llu of the RDB format, which this server cannot read", <uint64_t> version)


cdef bint read_checksum(Loader* loader) noexcept nogil:
    cdef uint64_t sum = input_checksum(loader.input)
    cdef uint64_t told
    if loader.result.version < CHECKSUM_VERSION:
        return 1
    if not input_word(loader.input, &told):
        return 0
    if told == 0 or not loader.input.checksum:
        return 1
    loader.result.summed = 1
    return told == sum or input_fail_number(loader.input, b"CRC error: the checksum of the content is %016llx", sum)


cdef bint read_all(Loader* loader) noexcept nogil:
    cdef uint8_t opcode
    if not read_header(loader):
        return 0
    loader.result.stage = RDB_STAGE_TYPE
    while input_byte(loader.input, &opcode):
        if opcode == RDB_END:
            loader.result.stage = RDB_STAGE_CHECKSUM
            return place_all(loader) and read_checksum(loader)
        if not read_opcode(loader, opcode):
            return 0
        loader.result.stage = RDB_STAGE_TYPE
    return 0


cdef int rdb_load(Core* core, RdbInput* input, const RdbLoadOptions* options, RdbLoadResult* result) noexcept nogil:
    cdef Loader loader
    cdef bint read
    result.version = 0
    result.keys = result.expires = result.expired = result.empty = 0
    result.summed = 0
    result.stage = RDB_STAGE_START
    result.type = 0
    result.named = 0
    result.seen = result.seen_expires = result.seen_expired = result.seen_timed = 0
    loader.core = core
    loader.input = input
    loader.options = options
    loader.result = result
    loader.values.version = 0
    loader.values.deep = options.deep
    loader.values.keep_expired = options.keep_expired or core.settings.loads_expired_fields
    loader.database = core.databases[0]
    loader.waiting_count = loader.waiting_first = 0
    clear_prelude(&loader)
    read = read_all(&loader)
    place_all(&loader)
    drop_waiting(&loader)
    return 0 if read and not input.failed else -1
