"""Reading whole RDB files: from a descriptor or memory into the databases.

Every version up to 12 and Valkey's 80 is read, others only with `rdb_relaxed` (Settings). Keys that are there already
are an error, or are replaced. What is not a key goes to the caller through RdbSink.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.text.rdb_input cimport RdbInput
from redislite._core.state.core cimport Core

cdef enum:
    RDB_SINK_AUX = 0                # an auxiliary field: name, value
    RDB_SINK_FUNCTION = 1           # the code of a library: value
    RDB_SINK_EMPTY = 2              # a collection without elements, which is not loaded: its key as name
    RDB_SINK_MODULE = 3             # what a module has written beside the keys: identifier (8 bytes) as name, fields
    RDB_SINK_SELECT = 4             # keys of another database follow: its number as value, in decimal

# What is being read, as a checker tells it.
cdef enum RdbStage:
    RDB_STAGE_START = 0             # the header
    RDB_STAGE_TYPE = 1              # an opcode or the type of a value
    RDB_STAGE_EXPIRE = 2
    RDB_STAGE_KEY = 3
    RDB_STAGE_VALUE = 4
    RDB_STAGE_CHECKSUM = 5
    RDB_STAGE_LENGTH = 6
    RDB_STAGE_AUX = 7
    RDB_STAGE_MODULE = 8
    RDB_STAGE_FUNCTION = 9

# Gets what is not loaded as a key. Anything but 0 ends the reading.
ctypedef int (*RdbSink)(void* argument, int kind, const char* name, size_t name_length, const char* value,
                        size_t value_length) noexcept nogil


cdef struct RdbLoadOptions:
    bint deep                       # see rdb_values.pxd
    bint keep_expired               # keys and fields whose time is up are loaded (a replica's master removes them)
    bint replace                    # a key that is there is replaced
    int64_t key_delay_us            # as RdbSaveOptions
    RdbSink sink                    # may be NULL
    void* sink_argument


cdef struct RdbLoadResult:
    int version
    uint64_t keys                   # loaded
    uint64_t expires                # of these, with a time to live
    uint64_t expired                # not loaded
    uint64_t empty                  # collections without elements, not loaded
    bint summed                     # there was a checksum, and it was right
    # Of all that was begun, loaded or not; for a checker.
    RdbStage stage
    int type                        # of the value that is read; 0 before the first, -1 behind each
    bint named                      # its key is in the input's first text
    uint64_t seen                   # keys
    uint64_t seen_expires           # of these, with a time to live
    uint64_t seen_expired           # of these, it is over
    uint64_t seen_timed             # hashes with fields that have one


# Reads a file, up to and with its checksum. 0, or -1 with the input's error; the keys before it are loaded then.
cdef int rdb_load(Core* core, RdbInput* input, const RdbLoadOptions* options, RdbLoadResult* result) noexcept nogil
# Whether payloads and files of this version can be read.
cdef bint rdb_version_is_known(const Core* core, int version) noexcept nogil
# The version of a payload (of DUMP, of FUNCTION DUMP), which its tail of RDB_DUMP_TAIL bytes tells; 0 where that is not
# there, where the version is unknown, or where the checksum is wrong and is looked at.
cdef int rdb_payload_version(const Core* core, const char* payload, size_t length) noexcept nogil
