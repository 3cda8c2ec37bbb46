"""Bits that state is told in: gates, interest, propagation, events, clients, commands.

Constants only.
"""


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
    GATE_TRANSACTION = 512      # client: commands are queued until EXEC
    GATE_SUBSCRIBER = 1024      # client: RESP2 and subscribed, so few commands are allowed
    GATE_USER = 2048            # client: its user may not do everything
    GATE_TRACKING = 4096        # client: the keys that it reads are tracked
    GATE_LOADING = 8192         # core: the data set is being loaded
    GATE_MISCONF = 16384        # core: writes get Core.refusal, as files fail, or replicas are missing
    GATE_CLIENT_MEMORY = 65536  # core: the memory of all clients is limited
    GATE_BUSY = 32768           # core: a script has been running for too long


# Who wants to know of each change of a key (Core.interest); 0 costs one test.
cdef enum:
    INTEREST_BLOCKED = 1        # clients that wait for keys
    INTEREST_WATCHED = 2        # clients that watch keys
    INTEREST_TRACKED = 4        # clients that cache what they read


# Classes of keyspace events, as notify-keyspace-events names them (Core.notify_classes).
cdef enum:
    NOTIFY_KEYSPACE = 1         # K: channels by key
    NOTIFY_KEYEVENT = 2         # E: channels by event
    NOTIFY_GENERIC = 4          # g
    NOTIFY_STRING = 8           # $
    NOTIFY_LIST = 16            # l
    NOTIFY_SET = 32             # s
    NOTIFY_HASH = 64            # h
    NOTIFY_ZSET = 128           # z
    NOTIFY_EXPIRED = 256        # x
    NOTIFY_EVICTED = 512        # e
    NOTIFY_STREAM = 1024        # t
    NOTIFY_KEY_MISS = 2048      # m
    NOTIFY_MODULE = 4096        # d
    NOTIFY_NEW = 8192           # n


# Who gets what is propagated (Core.propagation); 0: nobody, and it costs one test.
cdef enum:
    PROPAGATE_AOF = 1
    PROPAGATE_REPLICAS = 2


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
    CLIENT_AUTHENTICATED = 65536
    CLIENT_DENY_BLOCKING = 131072   # a command that would block answers as after its timeout
    CLIENT_DIRTY_WATCH = 524288    # a key that it watches has changed: EXEC will answer null
    CLIENT_DIRTY_QUEUE = 1048576    # a command of its transaction was refused: EXEC will fail
    CLIENT_IN_EXEC = 2097152        # the commands of its transaction are being executed
    CLIENT_PUBSUB = 4194304         # has subscriptions
    CLIENT_TRACKING = 8388608       # what it reads is tracked
    CLIENT_REPLICA = 16777216
    CLIENT_MASTER = 33554432
    CLIENT_WAS_AUTHENTICATED = 67108864 # some time
    CLIENT_SCRIPT = 268435456           # executes what scripts call
    CLIENT_DEBUGS = 536870912           # scripts that it evaluates are debugged
    CLIENT_DEBUGS_FORKED = 1073741824   # in a process of their own
    CLIENT_IMPORT_SOURCE = 134217728    # sees keys whose time is up, in import mode


# Flags that the data plane looks at; the numbers are those of row.py.
cdef enum:
    COMMAND_WRITE = 1
    COMMAND_READONLY = 2
    COMMAND_DENYOOM = 4
    COMMAND_MODULE = 1 << 3
    COMMAND_ADMIN = 1 << 4
    COMMAND_PUBSUB = 1 << 5
    COMMAND_NOSCRIPT = 1 << 6
    COMMAND_BLOCKING = 1 << 7
    COMMAND_LOADING = 1 << 8
    COMMAND_STALE = 1 << 9
    COMMAND_SKIP_MONITOR = 1 << 10
    COMMAND_SKIP_SLOWLOG = 1 << 11
    COMMAND_FAST = 1 << 13
    COMMAND_NO_AUTH = 1 << 14
    COMMAND_MAY_REPLICATE = 1 << 15
    COMMAND_NO_MULTI = 1 << 21
    COMMAND_ALLOW_BUSY = 1 << 23
    COMMAND_ARBITRARY_KEYS = 1 << 24
    COMMAND_UNQUEUED = 1 << 27
    COMMAND_SUBSCRIBER = 1 << 28
    COMMAND_VERBATIM = 1 << 29


cdef enum:
    COMMANDLOG_SLOW = 1
    COMMANDLOG_LARGE_REQUEST = 2
    COMMANDLOG_LARGE_REPLY = 4


cdef enum:                              # Core.after_unit
    AFTER_LATE = 1              # Core.late may hold messages
    AFTER_HOOKS = 2             # hooks are to be called


# Levels of the log (Upcalls.log_line, log_client); the numbers are those of the control plane's log.py.
cdef enum:
    LOG_DEBUG = 0
    LOG_VERBOSE = 1
    LOG_NOTICE = 2
    LOG_WARNING = 3


cdef enum:                              # Core.replaying
    REPLAY_RUNS = 1             # commands of an append-only file are being executed: nothing expires by itself
    REPLAY_ASTRAY = 2           # the same, and one has named a database that there is not
