"""What an engine counts: of its work, of each command, of errors by kind."""
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef enum:
    ERROR_KINDS_MAX = 128
    ERROR_KINDS_ROOM = 256      # for what is no script's, and the one that stands for all others
    ERROR_KIND_LENGTH = 40


# Errors replied, by their first word.
cdef struct ErrorKind:
    char name[ERROR_KIND_LENGTH]
    int name_length
    int64_t count


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
    int64_t evicted_keys
    int64_t evicted_clients
    int64_t evicted_scripts
    int64_t eviction_exceeded_us    # over the memory limit, until now or until it began last
    int64_t lazily_freed
    int64_t input_bytes
    int64_t output_bytes
    int64_t reads_processed
    int64_t writes_processed
    int64_t error_replies
    int64_t query_limit_disconnections
    int64_t output_limit_disconnections
    int64_t loop_turns                  # turns of the loop that had something to do
    uint64_t loop_ticks                 # time spent in them, in clock ticks
    uint64_t loop_ticks_most            # in one of them
    uint64_t command_ticks              # of loop_ticks, in commands
    int64_t commands_per_turn_most
    double expired_stale_percent
