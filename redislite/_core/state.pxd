"""What one engine knows, as C structs: the engine itself (Core), its databases, its clients, its commands.

Data only, so that every layer above can read it without calling up: the keyspace counts hits here, handlers find the
database and arguments here, the loop finds output to write here.  Nothing here is process-wide.

    Core ─┬─ heap, clock, settings, statistics, gate
          ├─ databases[]  ── keys: Dict of entries, expires: Dict of the same entries
          ├─ commands     ── name → Command, statistics by command id
          └─ clients with output to write, with work to do at the end of the tick
"""
from cpython.object cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from redislite._core.alloc cimport Heap
from redislite._core.dict cimport Dict
from redislite._core.sds cimport sds


# One argument of a command. Until its request is executed, data is an offset in the query buffer. The bytes belong to the query buffer, or to owner where that is set (a long argument that
# was read into a string of its own; a handler may take it over by setting owner to NULL).
cdef struct Argument:
    char* data
    size_t length
    sds owner


cdef struct Database:
    Dict keys
    Dict expires                # the entries of keys that have a time to live
    Dict field_expires          # the entries of hashes with fields that have one
    Dict waiting                # WaitLists of keys that clients wait for (blocking.pxd)
    int id
    uint64_t expire_cursor      # where the active expiry cycle goes on
    uint64_t field_expire_cursor    # the same in field_expires
    int64_t average_ttl_ms      # running mean over sampled keys


# A piece of output: this header, then capacity bytes. Pieces of REPLY_CHUNK bytes come from the core's pool.
cdef struct Chunk:
    Chunk* next
    size_t capacity
    size_t length


cdef enum:
    REPLY_CHUNK = 16384         # bytes of a pooled chunk, header excluded
    ERROR_KINDS_MAX = 128
    ERROR_KIND_LENGTH = 40


# Errors replied, by their first word.
cdef struct ErrorKind:
    char name[ERROR_KIND_LENGTH]
    int name_length
    int64_t count


cdef struct Reply:
    Core* core
    Chunk* first                # oldest chunk that is not written yet
    Chunk* last                 # the one that is appended to
    size_t sent                 # bytes of first that are written already
    size_t pending              # bytes in all chunks before last, not yet written
    uint64_t errors             # error replies so far
    uint8_t protocol            # 2 or 3
    uint8_t starved             # memory was out: the client must be closed


# A request that is parsed and not executed yet.
cdef struct Request:
    Command* command            # NULL: unknown
    size_t first                # index of its first argument in the parser's arguments
    size_t start                # offset in the query buffer of its first byte
    size_t end                  # offset behind its last byte
    size_t bytes                # bytes it took on the wire
    uint64_t hash               # of its first key
    int32_t count               # arguments
    int32_t hashed              # index of the argument that hash is of; 0: none
    bint owns                   # some argument has a string of its own


cdef enum:
    REQUEST_BATCH = 32          # requests that are parsed ahead


# Incremental parser of one connection's requests (resp.pxd).
cdef struct Parser:
    Argument* arguments
    size_t capacity             # arguments there is room for
    size_t used
    size_t position             # offset of the next byte to parse
    size_t request_start        # offset where the request being parsed starts
    size_t request_first        # index of its first argument
    size_t owned_bytes          # bytes in the strings that its arguments own
    int64_t remaining           # arguments that it still lacks; 0: between requests
    int64_t bulk                # length of the argument that comes next; -1: not read yet
    sds large                   # a long argument being read by itself
    const char* error           # text of a protocol error, behind "Protocol error: "
    char error_text[64]
    int requests_count          # parsed
    int requests_done           # of these, executed
    Request requests[REQUEST_BATCH]


# Why a client's commands need a second look before they run (Client.gate, Core.gate); 0 costs one test.
cdef enum:
    GATE_UNAUTHENTICATED = 1    # client: must AUTH first
    GATE_MONITORING = 2         # client: it is a monitor
    GATE_PAUSE_ALL = 8          # core: CLIENT PAUSE ALL
    GATE_PAUSE_WRITE = 16       # core: CLIENT PAUSE WRITE
    GATE_MONITORS = 32          # core: some client is a monitor
    GATE_MEMORY = 64            # core: a memory limit is set
    GATE_REPLY_OFF = 128        # client: CLIENT REPLY OFF or SKIP
    GATE_RENEWAL = 256          # core: the clock is to be read before each command (debugging)


cdef enum:
    CLIENT_CLOSE_AFTER_REPLY = 1
    CLIENT_CLOSE_NOW = 2
    CLIENT_POSTPONED = 4        # paused: its requests wait in the query buffer
    CLIENT_BLOCKED = 8          # waits for data, a timeout or an unblock
    CLIENT_UNIX = 16
    CLIENT_NO_EVICT = 32
    CLIENT_NO_TOUCH = 64
    CLIENT_REPLY_OFF = 128
    CLIENT_REPLY_SKIP = 256     # replies to the current command are dropped
    CLIENT_REPLY_SKIP_NEXT = 512
    CLIENT_QUEUED_RESUME = 262144   # is in the list of clients to resume before the loop sleeps
    CLIENT_QUEUED_WRITE = 1024  # is in the list of clients to write to before the loop sleeps
    CLIENT_WAITS_WRITABLE = 2048  # the socket was full: the loop watches for room
    CLIENT_MONITOR = 4096
    CLIENT_INTERNAL = 8192      # no socket: the engine's own client
    CLIENT_PROTOCOL_ERROR = 16384
    CLIENT_INSIDE = 32768       # its requests are being executed further up the stack
    CLIENT_AUTHENTICATED = 65536
    CLIENT_DENY_BLOCKING = 131072   # a command that would block answers as after its timeout


# One client's place in the queue for one key.
cdef struct Waiter:
    Client* client
    WaitList* waiting           # NULL: this key was named twice
    Waiter* previous
    Waiter* next


# The clients that wait for one key, in order of their coming; the prefixed key stands behind the struct.
cdef struct WaitList:
    Waiter* first
    Waiter* last
    WaitList* next_ready        # list of those whose key changed
    Database* database
    int64_t is_ready


# What a client waits for; keys_count Waiters and then words_count words stand behind the struct.
cdef struct Blocked:
    int64_t deadline_ms         # 0: none
    int32_t type                # wanted
    int32_t options
    int32_t keys_count
    int32_t words_count
    int64_t is_counted


cdef struct Client:
    Core* core
    Database* database
    Argument* argv              # arguments of the command being executed
    int argc
    int hashed                  # see Request
    uint64_t hash
    uint64_t gate
    uint64_t flags
    Reply reply
    # input
    char* query                 # own query buffer, NULL where nothing is left over
    size_t query_length
    size_t query_capacity
    Parser* parser              # own parser, NULL where no request is incomplete
    # identity and statistics
    int fd
    uint64_t id
    PyObject* connection        # the Connection (borrowed: the struct is part of it)
    Command* command            # last one executed
    int64_t created_ms
    int64_t active_ms           # last interaction
    int64_t output_since_ms     # over the soft output limit since; 0: not over
    uint64_t input_bytes
    uint64_t output_bytes
    uint64_t commands
    size_t request_bytes        # of the command being executed
    size_t reply_peak           # most output bytes pending at once of late
    int64_t reply_peak_ms       # when that was
    size_t query_peak           # longest the own query buffer was since it was last trimmed
    Blocked* blocked            # what it waits for, or NULL
    Client* next_write          # list of clients to write to
    Client* next_resumed        # list of clients whose further requests are to be executed
    Client* previous            # list of all clients
    Client* next


# A handler runs one command: it reads client.argv, changes the database, and appends exactly one reply.
ctypedef void (*Handler)(Core* core, Client* client) noexcept nogil


cdef struct Command:
    char name[64]               # lower case; "config|get" for a subcommand
    int name_length
    char own_name[64]           # the same before rename-command
    int own_length
    int id
    Handler handler             # NULL: the Python tier
    uint64_t flags              # bits of row.py
    int arity                   # exact count of arguments, or minus the least
    int first_key               # index of the first key; 0: none
    int last_key
    int key_step
    bint container              # has subcommands
    PyObject* row               # the Row it was made from (borrowed: the engine's table holds it)


# Flags that the data plane looks at; the numbers are those of row.py.
cdef enum:
    COMMAND_WRITE = 1
    COMMAND_READONLY = 2
    COMMAND_DENYOOM = 4
    COMMAND_ADMIN = 1 << 4
    COMMAND_SKIP_MONITOR = 1 << 10
    COMMAND_SKIP_SLOWLOG = 1 << 11
    COMMAND_NO_AUTH = 1 << 14
    COMMAND_MAY_REPLICATE = 1 << 15


cdef enum:
    HISTOGRAM_BUCKETS = 640     # 40 powers of two of a nanosecond, 16 steps each


cdef struct CommandStatistics:
    int64_t calls
    int64_t rejected
    int64_t failed
    uint64_t ticks              # time spent, in clock ticks
    uint32_t* histogram         # of durations; NULL before the first


cdef struct Statistics:
    int64_t connections_received
    int64_t connections_rejected
    int64_t commands_processed
    int64_t keyspace_hits
    int64_t keyspace_misses
    int64_t expired_keys
    int64_t expired_fields
    int64_t expired_time_cap_reached
    int64_t expire_cycle_us
    int64_t lazily_freed
    int64_t input_bytes
    int64_t output_bytes
    int64_t reads_processed
    int64_t writes_processed
    int64_t error_replies
    int64_t query_limit_disconnections
    int64_t output_limit_disconnections
    double expired_stale_percent


# What the data plane reads of the configuration; the engine sets it by name.
cdef struct Settings:
    int64_t max_bulk_length             # proto-max-bulk-len
    int64_t query_buffer_limit          # client-query-buffer-limit
    int64_t output_hard_limit           # client-output-buffer-limit normal
    int64_t output_soft_limit
    int64_t output_soft_seconds
    int64_t slow_us                     # slowlog-log-slower-than; negative: off
    int64_t large_request_bytes         # commandlog-request-larger-than; negative: off
    int64_t large_reply_bytes           # commandlog-reply-larger-than; negative: off
    int64_t latency_tracking            # 0 or 1
    int64_t latency_threshold_ms        # latency-monitor-threshold; 0: off
    int64_t active_expire               # 0 switched off by DEBUG
    int64_t expire_effort               # 1 to 10
    int64_t active_rehashing
    int64_t max_memory                  # bytes; 0: none
    int64_t lfu                         # the access field counts frequency
    int64_t lfu_log_factor
    int64_t lfu_decay_minutes
    int64_t lazy_user_delete            # lazyfree-lazy-user-del
    int64_t lazy_user_flush
    int64_t lazy_expire
    int64_t hz
    int64_t reply_resizing              # DEBUG REPLYBUFFER RESIZING
    int64_t zset_max_listpack_entries   # members
    int64_t zset_max_listpack_value     # bytes of a member
    int64_t reply_peak_reset_ms         # how long a peak of output counts; negative: for ever
    int64_t hll_sparse_max_bytes        # hll-sparse-max-bytes
    int64_t hll_vectors                 # PFDEBUG SIMD
    int64_t hash_max_listpack_entries   # fields
    int64_t hash_max_listpack_value     # bytes of a field or value
    int64_t set_max_intset_entries
    int64_t set_max_listpack_entries
    int64_t set_max_listpack_value      # bytes
    int64_t list_max_listpack_size      # elements, or a size class where negative (quicklist.pxd)
    int64_t list_compress_depth
    int64_t list_packed_threshold       # bytes (DEBUG QUICKLIST-PACKED-THRESHOLD); 0: the default
    int64_t stream_node_max_bytes       # of a listpack; 0: no limit
    int64_t stream_node_max_entries     # of a listpack; 0: no limit


# Calls from the data plane to the engine object. Set once; each takes the GIL itself.
cdef struct Upcalls:
    # Runs client's current command (a Python row) and appends its reply.
    void (*run_python)(Core* core, Client* client, Command* command) noexcept nogil
    # A command was slow, or its request or reply large: kinds is a bit set of COMMANDLOG_*.
    void (*log_command)(Core* core, Client* client, Command* command, int kinds, int64_t us, size_t request_bytes,
                        size_t reply_bytes) noexcept nogil
    # Feeds client's current command to the monitors.
    void (*feed_monitors)(Core* core, Client* client) noexcept nogil
    # A latency sample of an event, milliseconds.
    void (*latency_sample)(Core* core, const char* event, int64_t ms) noexcept nogil
    # The socket of the client is full (watch = 1), or has been drained.
    void (*watch_writable)(Core* core, Client* client, bint watch) noexcept nogil
    # The client is to be closed before the loop sleeps.
    void (*close_soon)(Core* core, Client* client) noexcept nogil
    # The client began to wait: call its connection's time_out in so many milliseconds.
    void (*block_timer)(Core* core, Client* client, int64_t timeout_ms) noexcept nogil
    # A line for the log; level 0 debug, 1 verbose, 2 notice, 3 warning.
    void (*log_line)(Core* core, int level, const char* text) noexcept nogil


cdef enum:
    COMMANDLOG_SLOW = 1
    COMMANDLOG_LARGE_REQUEST = 2
    COMMANDLOG_LARGE_REPLY = 4
    COMMAND_TABLE_SLOTS = 2048  # a power of two, well above the number of commands


# What waits to be released bit by bit: an entry with a large value, or a dict of entries.
cdef struct Discarded:
    void* entry                 # NULL: the dict
    Dict dictionary
    bint owns_entries           # else only the table goes
    Discarded* next


cdef struct Core:
    Heap* heap
    PyObject* engine            # the Engine (borrowed: the struct is part of it)
    Database** databases        # by number; SWAPDB exchanges contents
    int databases_count
    # clock: one reading serves a whole command
    int64_t now_ms              # wall clock, milliseconds since the Unix epoch
    int64_t clock_offset_ms     # added to the wall clock (tests)
    uint64_t ticks              # counter at the end of the last command
    uint64_t ticks_renewed      # counter when now_ms was read
    double ns_per_tick
    # thresholds of the settings, as call_command compares them; all ones: off
    uint64_t slow_ticks
    uint64_t latency_ticks
    size_t large_request        # bytes
    size_t large_reply
    uint64_t renew_ticks        # how old now_ms may get
    uint64_t seed[2]            # of the keyed hash
    uint64_t random             # xorshift state
    uint64_t gate
    uint64_t dirty              # changes since the last save
    Settings settings
    Statistics statistics
    Upcalls upcalls
    # commands
    Command* commands[COMMAND_TABLE_SLOTS]  # open addressing by name
    CommandStatistics* command_statistics   # by id
    int commands_count
    ErrorKind* error_kinds
    int error_kinds_count
    # input and output shared by all clients
    char* read_buffer           # QUERY_BUFFER bytes, lent to the client that is being served
    Parser* parser              # lent likewise
    Chunk* chunks               # pool of empty chunks
    int chunks_count
    int64_t own_queries         # clients that have a query buffer of their own
    Client* clients             # all connected clients, newest first
    int64_t clients_count
    uint64_t next_client_id
    Client* writers             # clients to write to before the loop sleeps
    Client* executing           # client whose command runs now
    int expire_database         # where the next expiry cycle begins
    # clients that wait for keys
    int64_t blocked_clients
    WaitList* ready             # keys that changed, in order
    WaitList* ready_last
    bint waking                 # waiting requests are being executed
    Client* resumed             # unblocked: the rest of their pipelines comes before the loop sleeps
    # deferred release
    Discarded* discarded
    int64_t discarded_entries


cdef enum:
    QUERY_BUFFER = 16384        # bytes of one read, and of the buffer that clients share
    LONG_ARGUMENT = 32768       # bytes from which an argument is read into a string of its own


cdef inline uint64_t random_next(uint64_t* state) noexcept nogil:
    """xorshift64*: for sampling, never for secrets."""
    cdef uint64_t x = state[0]
    x ^= x >> 12
    x ^= x << 25
    x ^= x >> 27
    state[0] = x
    return x * <uint64_t> 2685821657736338717


# An even choice among 0 to bound - 1; bound is not 0.
cdef inline uint64_t random_below(uint64_t* state, uint64_t bound) noexcept nogil:
    if bound <= <uint64_t> 1 << 32:
        return ((random_next(state) >> 32) * bound) >> 32
    return random_next(state) % bound
