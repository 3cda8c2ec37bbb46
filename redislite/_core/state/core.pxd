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
from redislite._core.base.alloc cimport Heap
from redislite._core.base.sds cimport sds
from redislite._core.state.settings cimport Settings
from redislite._core.state.statistics cimport CommandStatistics, ErrorKind, Statistics
from redislite._core.structures.dict cimport Dict
from redislite._core.structures.release cimport ReleaseStep


# One argument of a command. Until its request is executed, data is an offset in the query buffer. The bytes belong to
# the query buffer, or to owner where that is set (a long argument that was read into a string of its own; a handler may
# take it over by setting owner to NULL).
cdef struct Argument:
    char* data
    size_t length
    sds owner


cdef struct Database:
    Dict keys
    Dict expires                # the entries of keys that have a time to live
    Dict field_expires          # the entries of hashes with fields that have one
    Dict waiting                # WaitLists of keys that clients wait for (blocking.pxd)
    Dict watched                # WatchLists of keys that clients watch (watching.pxd)
    int id
    uint64_t expire_cursor      # where the active expiry cycle goes on
    uint64_t field_expire_cursor    # the same in field_expires
    int64_t average_ttl_ms      # running mean over sampled keys


# A piece of output: this header, then capacity bytes. Pieces of REPLY_CHUNK bytes come from the core's pool. Where
# capacity is 0 the bytes belong to several clients, and a pointer to their Shared (reply.pxd) stands behind the header.
cdef struct Chunk:
    Chunk* next
    char* data
    size_t capacity
    size_t length


cdef enum:
    REPLY_CHUNK = 16384 - 32    # bytes of a pooled chunk; with its header it is a whole block of the heap


cdef struct Reply:
    Core* core
    Chunk* first                # oldest chunk that is not written yet
    Chunk* last                 # the one that is appended to
    size_t sent                 # bytes of first that are written already
    size_t pending              # bytes in all chunks before last, not yet written
    size_t held                 # bytes that all chunks take
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
    int failed                  # PARSE_ERROR or PARSE_NO_MEMORY: nothing behind that can be read; 0: neither
    sds large                   # a long argument being read by itself
    const char* error           # text of a protocol error, behind "Protocol error: "
    char error_text[64]
    int requests_count          # parsed
    int requests_done           # of these, executed
    Request requests[REQUEST_BATCH]


# One client's place in the queue for one key.
cdef struct Waiter:
    Blocked* blocked            # whose client it is that waits, or has waited
    WaitList* waiting           # NULL: this key was named twice
    Waiter* previous
    Waiter* next


# The clients that wait for one key, in order of their coming; the prefixed key stands behind the struct.
cdef struct WaitList:
    Waiter* first
    Waiter* last
    Waiter* following           # while its waiters are being woken: whose turn is next
    WaitList* next_ready        # list of those whose key changed
    Database* database
    int32_t is_ready            # is in that list
    int32_t is_walked           # its waiters are being woken


# What a client waits for; keys_count Waiters and then words_count words stand behind the struct.
cdef struct Blocked:
    Client* client              # NULL: it waits no longer, and its Waiters are to leave their lists
    int32_t left                # of its Waiters, how many have left by then
    int64_t deadline_place      # in Core.deadlines; -1: it waits for ever
    int32_t type                # wanted
    int32_t options
    int32_t keys_count
    int32_t words_count
    bint is_counted
    bint is_over                # its time is over: executed once more, to answer


# When the waiting of a client ends, by the monotonic clock.
cdef struct Deadline:
    int64_t ns
    Client* client


# The keys that a client watches.
cdef struct Watcher:
    Client* client              # NULL: it watches them no longer, and they are to leave their lists
    Watch* first
    Watcher* next               # of those that one change has marked
    int64_t count
    size_t bytes                # what they take, names included


# A key that a client watches: a member of the key's WatchList and of the Watcher's.
cdef struct Watch:
    Watcher* watcher
    WatchList* watched
    Watch* previous             # of the same key
    Watch* next
    Watch* next_of_watcher
    bint was_expired            # when it was watched: its removal is no change


# The clients that watch one key; the prefixed key stands behind the struct.
cdef struct WatchList:
    Watch* first
    Database* database


# A command that waits for EXEC: this header, count Arguments, then their bytes, in one block of size bytes.
cdef struct QueuedCommand:
    QueuedCommand* next
    Command* command
    size_t size
    size_t request_bytes
    uint64_t hash               # see Request
    int32_t hashed
    int32_t count


cdef struct Transaction:
    QueuedCommand* first
    QueuedCommand* last
    int64_t count
    size_t bytes                # of all queued commands
    uint64_t flags              # all flags of its commands together
    int database                # number of the one that will be selected when the next command is executed


# A piece of what is written, as the system takes it.
cdef extern from "<sys/uio.h>":
    struct iovec:
        void* iov_base
        size_t iov_len


# What a client's bytes come from and go to: a constant row, one per kind. None of these looks at requests or replies.
cdef struct Transport:
    # Up to length bytes of input, length not being 0: how many; 0 where the peer has ended, -1 with errno (EAGAIN: none
    # are there now).
    ssize_t (*read)(Client* client, char* data, size_t length) noexcept nogil
    # Takes of these pieces, count not being 0: how many bytes, or -1 with errno likewise.
    ssize_t (*write)(Client* client, iovec* pieces, int count) noexcept nogil
    # Where it is not NULL nothing is written: the peer takes the output from the client itself, and is told here that
    # there is some.
    void (*offer)(Core* core, Client* client) noexcept nogil
    # Is called once; nothing else is called afterwards.
    void (*close)(Client* client) noexcept nogil


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
    Transport* transport        # NULL: the engine's own client
    int fd                      # of its socket; -1: there is none
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
    Transaction* transaction    # what MULTI began, or NULL
    Watcher* watcher            # the keys that it watches, or NULL
    size_t said_bytes           # of what it said of itself: its name and those of its library
    void* subscriptions         # of the subsystems: what each keeps per client, or NULL
    void* tracking
    void* user
    # where maxmemory-clients is set (client_memory.pxd)
    size_t counted              # bytes, when it was last looked at
    int size_class              # its number and one; 0: in none, nobody will evict it
    Client* previous_of_size    # list of the clients of its class
    Client* next_of_size
    Client* next_write          # list of clients to write to
    Client* next_resumed        # list of clients whose further requests are to be executed
    Client* previous            # list of all clients
    Client* next


# A handler runs one command: it reads client.argv, changes the database, and appends exactly one reply.
ctypedef void (*Handler)(Core* core, Client* client) noexcept nogil


cdef enum:
    KEY_SPECS_MAX = 4           # specifications of one command
    KEY_WORD_MAX = 31           # bytes of a keyword that keys stand behind

    KEYS_AT = 0                 # where the search for keys begins: at an index
    KEYS_BEHIND = 1             # behind a keyword
    KEYS_ANYWHERE = 2           # unknown

    KEYS_RANGE = 0              # how many there are: a range
    KEYS_COUNTED = 1            # as many as an argument says


# One specification of a command's keys; what the fields mean is said in key_specs.py.
cdef struct KeySpec:
    int flags                   # KEY_* bits of command_keys.pxd
    int begin
    int start
    int find
    int last
    int step
    int limit
    int count_at                # of what is counted: where the count stands, and the first key
    int first
    char word[KEY_WORD_MAX + 1] # in capitals


# Keys among the arguments of one call: first, first + step, ... up to last, all used in the same way.
cdef struct KeyRange:
    int first
    int last
    int step
    int flags


# Finds the keys of a command whose specifications cannot tell them: fills in up to KEY_SPECS_MAX ranges and answers how
# many; -1 where the arguments do not tell.
ctypedef int (*KeyFinder)(const Argument* argv, int argc, KeyRange* ranges) noexcept nogil


cdef struct Command:
    char name[64]               # lower case; "config|get" for a subcommand
    int name_length
    char own_name[64]           # the same before rename-command
    int own_length
    int id
    Handler handler             # NULL: the Python tier
    uint64_t flags              # bits of row.py
    int arity                   # exact count of arguments, or minus the least
    int first_key               # index of the key that is hashed when its request is parsed; 0: none
    bint is_subcommand
    bint container              # has subcommands
    bint is_exec                # executes what its client's transaction has queued
    bint is_retired             # it is called no more, but for requests that were parsed before
    bint runs_script            # runs one that says itself what it may do
    # what it reaches (command_keys.pxd, access.py)
    KeySpec* key_specs
    int key_specs_count
    KeyFinder find_keys         # NULL: the specifications tell
    bint has_keys
    int channels                # which arguments are channels: CHANNELS_* of permissions.pxd
    int database_use            # which databases it needs: DATABASE_* of permissions.pxd
    PyObject* row               # the Row it was made from (borrowed: the engine's table holds it)


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
    # What the socket of the client is to be watched for may have changed (CLIENT_WAITS_WRITABLE,
    # CLIENT_CLOSE_AFTER_REPLY).
    void (*watch_socket)(Core* core, Client* client) noexcept nogil
    # The client is to be closed before the loop sleeps.
    void (*close_soon)(Core* core, Client* client) noexcept nogil
    # The waiting of clients ends earlier than said before: call the engine's end_overdue_waiting in so many
    # nanoseconds.
    void (*waiting_timer)(Core* core, int64_t ns) noexcept nogil
    # Executes a command on behalf of another one: the client's argv, argc and command are set as for a request.
    bint (*call)(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil
    # A keyspace event of a class that is listened to; name is a literal. NULL: nobody delivers them.
    void (*key_event)(Core* core, Database* database, int event_class, const char* name, const char* key,
                      size_t length) noexcept nogil
    # A key changed, or all keys of all databases did (key NULL), while some client tracks keys. by_client: because of
    # the command that is executed, and not by its time or for want of memory.
    void (*key_invalidated)(Core* core, const char* key, size_t length, bint by_client) noexcept nogil
    # Checked builds: the command that runs uses the key, and changes it. See keys_hold (command_keys.pxd).
    void (*key_used)(Core* core, const Database* database, const char* key, size_t length, bint changes) noexcept nogil
    # The same for an event of a class that hooks are called for.
    void (*key_hooked)(Core* core, Database* database, const char* name, const char* key, size_t length) noexcept nogil
    # Calls the hooks that wait for the end of the unit of execution.
    void (*run_hooks)(Core* core) noexcept nogil
    # A client of the engine's own, without a socket; NULL where memory is out.
    Client* (*new_caller)(Core* core) noexcept nogil
    # FLUSHALL has emptied all databases.
    void (*flushed)(Core* core) noexcept nogil
    # Makes the interpreter of scripts; false where it cannot be had, and the client has been told.
    bint (*start_scripting)(Core* core, Client* client) noexcept nogil
    # A script takes long: others are to be served. first: it has just turned out to be slow. True where it is to end.
    bint (*script_slow)(Core* core, bint first) noexcept nogil
    # Whether the script or function that the request runs says of itself that it writes nothing.
    bint (*script_only_reads)(Core* core, const Client* client, const Command* command) noexcept nogil
    # Has a script debugged in a process of its own: its number, 0 in that process, -1 where there is none.
    int (*fork_debugger)(Core* core, Client* client) noexcept nogil
    # A line for the log; level 0 debug, 1 verbose, 2 notice, 3 warning.
    void (*log_line)(Core* core, int level, const char* text) noexcept nogil
    # The same about a client: {client} in the text stands for what CLIENT LIST says of it, {data} behind that for a
    # sample of length bytes that it sent.
    void (*log_client)(Core* core, Client* client, int level, const char* text, const char* data,
                       size_t length) noexcept nogil


cdef enum:
    COMMAND_TABLE_SLOTS = 2048  # a power of two, well above the number of commands


# One who reads all that is propagated (feed.pxd).
cdef struct FeedReader:
    FeedReader* next
    int64_t offset              # of the stream: what it reads next
    bint is_attached
    bint lacks_units            # memory was out: a whole unit is not in the stream. The reader's to take back


# What was propagated and not read by all yet: requests in RESP, in the order of execution (feed.pxd, propagate.pxd).
cdef struct Feed:
    char* data
    size_t length
    size_t capacity
    int64_t offset              # bytes of the stream that were before data
    FeedReader* readers
    size_t unit_start           # where the unit of execution that runs began
    int64_t unit_commands       # how many requests it has propagated so far
    int database                # number of the database that the last request was for; -1: SELECT must come first
    bint is_replaced            # the command that runs has said itself what is propagated of it
    bint is_broken              # memory was out: something is missing in the unit that runs


# What waits to be released bit by bit (discard.pxd).
cdef struct Discarded:
    Discarded* next
    ReleaseStep release
    void* thing
    bint is_counted             # by lazyfree_pending_objects and lazyfreed_objects


cdef enum:
    CLIENT_SIZE_CLASSES = 20


# Clients by what they take, where maxmemory-clients is set (client_memory.pxd).
cdef struct ClientSizes:
    size_t total                # bytes of all that are counted
    Client* first[CLIENT_SIZE_CLASSES]  # of each class, in the order that they came into it
    Client* last[CLIENT_SIZE_CLASSES]


cdef struct Core:
    Heap* heap
    PyObject* engine            # the Engine (borrowed: the struct is part of it)
    Database** databases        # by number; SWAPDB exchanges contents
    int databases_count
    # clock: one reading serves a whole command
    int64_t now_ms              # wall clock, milliseconds since the Unix epoch
    int64_t expiry_ms           # deadlines before this have passed: now_ms, or 0 while nothing may expire
    int64_t clock_offset_ms     # added to the wall clock (tests)
    uint64_t ticks              # counter at the end of the last command
    uint64_t renewal_ticks      # counter at which now_ms gets too old: its millisecond is over
    double ns_per_tick
    int64_t time_us             # what TIME answered last
    uint64_t time_renewal       # renewal_ticks then
    # thresholds of the settings, as call_command compares them; all ones: off
    uint64_t slow_ticks
    uint64_t latency_ticks
    size_t large_request        # bytes
    size_t large_reply
    uint64_t seed[2]            # of the keyed hash
    uint64_t random             # xorshift state
    uint64_t gate
    const char* version         # what scripts are told that the server is
    const char* valkey_version  # and which Valkey; empty: none
    const char* refusal         # what GATE_MISCONF answers; the engine keeps it
    bint refuses_ping           # PING too
    const char* busy_reply      # what GATE_BUSY answers
    uint64_t interest           # INTEREST_* bits
    uint64_t dirty              # changes since the last save
    int notify_classes          # NOTIFY_* bits of events that somebody wants; 0: none
    int published_classes       # of these: those that are published, and how
    int hooked_classes          # and those that hooks are called for
    int propagation             # PROPAGATE_* bits; 0: nobody listens
    int withheld                # of what is called now: to whom only what vanishes by its time is propagated
    int replaying               # REPLAY_*; 0: no
    Feed feed
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
    int64_t slow_readers        # clients that are over their soft output limit
    ClientSizes client_sizes
    Client* clients             # all connected clients, newest first
    int64_t clients_count
    Client* leaving             # closed, and not all given back yet
    uint64_t next_client_id
    # embedded use, where several threads call (embedded/ownership.pxd)
    uint64_t owner              # the thread that is within the engine; 0: none
    int owner_depth             # how often it has entered
    int owner_waiters           # threads that wait until it has left
    uint64_t turn_ticks         # counter from which on who enters gives the loop a turn; all ones: somebody else does
    Client* writers             # clients to write to before the loop sleeps
    Client* served              # client whose requests are being executed, with the buffer and the parser above
    Client* executing           # client whose command runs now
    uint64_t turn_begun         # counter at the first thing that the loop's turn does; 0: nothing yet
    int64_t turn_commands       # commands_processed then
    int64_t errors_counted      # of statistics.error_replies: counted with the command that made them
    int nested                  # commands that the Python tier calls from within commands
    Client* outermost           # the one whose request that is, where commands call commands; NULL: no command runs
    Reply late                  # messages to it, which come behind what it is being replied (output.pxd)
    int after_unit              # AFTER_* bits: what is to be done when the unit of execution has ended
    int expire_database         # where the next expiry cycle begins
    # clients that wait for keys, or watch them
    int64_t blocked_clients
    int64_t acknowledgement_clients     # of these: they wait for the disk (WAITAOF)
    int64_t watching_clients
    Deadline* deadlines         # of those that do not wait for ever: a heap, the earliest first
    int64_t deadlines_count
    int64_t deadlines_capacity
    int64_t waiting_timer_ns    # when the engine looks at them next; 0: it does not
    WaitList* ready             # keys that changed, in order
    WaitList* ready_last
    bint waking                 # waiting requests are being executed
    Client* resumed             # unblocked: the rest of their pipelines comes before the loop sleeps
    # of the subsystems: what each keeps per engine, or NULL
    void* pubsub
    void* tracking
    void* eviction
    void* persistence
    void* scripting
    void* functions
    void** extension_types      # ValueTypes from outside (value_type.pxd), the engine's
    int extension_types_count
    void* function_engines[2]   # that libraries may be written in; set once
    void* callers               # what commands are executed with that scripts and Python code of others call
    void* run                   # the innermost of these that runs
    void* suspended             # the innermost of those that are put aside, while others are served
    void* watchdog
    # checked builds: the index of the key that was used last, and whether keys used are recorded (Engine.record_keys)
    int key_hint
    bint records_keys
    # deferred release
    Discarded* discarded        # what is released next comes first
    int64_t discarded_entries   # in it, of what is counted
    size_t discard_mark         # used memory when there was nothing to be released
    uint64_t discard_ended      # counter at the end of the last turn of releasing, or when there was nothing


# Whether this is a checked build (setup.py): what is asked only there is compiled away elsewhere.
cdef extern from *:
    """
    #ifdef REDISLITE_CHECKED_HEAP
    #define REDISLITE_CHECKED 1
    #else
    #define REDISLITE_CHECKED 0
    #endif
    """
    bint CHECKED_BUILD "REDISLITE_CHECKED"


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
