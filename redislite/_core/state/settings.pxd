"""What the data plane reads of the configuration.

The engine sets a field by its name; to what, say the row of a directive (`sets`) and compatibility.py.
"""
from libc.stdint cimport int64_t


# What the data plane reads of the configuration; the engine sets it by name.
cdef struct Settings:
    int64_t max_bulk_length             # proto-max-bulk-len
    int64_t query_buffer_limit          # client-query-buffer-limit
    int64_t unauthenticated_output_limit    # bytes that wait for a client which has never authenticated itself
    int64_t output_hard_limit           # client-output-buffer-limit normal
    int64_t output_soft_limit
    int64_t output_soft_seconds
    int64_t replica_hard_limit          # the same for replicas, then for subscribers: client_memory counts on the order
    int64_t replica_soft_limit
    int64_t replica_soft_seconds
    int64_t pubsub_hard_limit
    int64_t pubsub_soft_limit
    int64_t pubsub_soft_seconds
    int64_t slow_us                     # slowlog-log-slower-than; negative: off
    int64_t large_request_bytes         # commandlog-request-larger-than; negative: off
    int64_t large_reply_bytes           # commandlog-reply-larger-than; negative: off
    int64_t latency_tracking            # 0 or 1
    int64_t latency_threshold_ms        # latency-monitor-threshold; 0: off
    int64_t active_expire               # 0 switched off by DEBUG
    int64_t expire_effort               # 1 to 10
    int64_t active_rehashing
    int64_t max_memory                  # bytes; 0: none
    int64_t max_client_memory           # bytes; negative: percent of max_memory; 0: no limit
    int64_t memory_warning_percent      # of max_memory, from where on the log says so; 0: it does not
    int64_t eviction_policy             # POLICY_* bits (eviction.pxd)
    int64_t eviction_samples            # of each database, for each key to evict
    int64_t eviction_tenacity           # 0 to 100: how long a command may be held up
    int64_t lazy_eviction
    int64_t lfu                         # the access field counts frequency
    int64_t lfu_log_factor
    int64_t lfu_decay_minutes
    int64_t lazy_user_delete            # lazyfree-lazy-user-del
    int64_t lazy_user_flush
    int64_t lazy_expire
    int64_t lazy_server_delete          # lazyfree-lazy-server-del: values that others take the place of
    int64_t import_mode                 # nothing is evicted, and removed for its time only by who writes it
    int64_t hz
    int64_t release_turn_us             # of a turn of the loop, spent on deferred release; 0: one step
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
    int64_t rdb_compression             # strings are compressed in snapshots and DUMP payloads
    int64_t rdb_access                  # what snapshots tell of a key's use: 0 nothing, 1 idle time, 2 frequency
    int64_t rdb_valkey_fields           # hash fields with a time to live are told as Valkey does, not as Redis
    int64_t rdb_relaxed                 # versions of the format that are not known are read all the same
    int64_t sanitize_payload            # deep checks: 0 never, 1 always, 2 of what clients RESTORE
    int64_t skip_checksum               # RESTORE does not look at checksums (DEBUG SET-SKIP-CHECKSUM-VALIDATION)
    int64_t tracking_max_keys           # tracking-table-max-keys; 0: no limit
    int64_t notify_classes              # notify-keyspace-events: NOTIFY_* bits (flags.pxd)
    # What the originals disagree on; each is one row of compatibility.py.
    int64_t strict_line_ends            # a line of a request that does not end in CR LF is a protocol error
    int64_t past_deadline_deletes       # what is given a deadline in the past has events of deletion, not of expiry
    int64_t names_timed_listpack        # OBJECT ENCODING tells a listpack with expiring fields from another
    int64_t geo_names_member            # errors name the member that is not there
    int64_t hash_fields_redis_texts     # FIELDS and what stands before it are judged in Redis's order and words
    int64_t bitcount_wants_end
    int64_t fields_expire_on_access     # hash fields whose time is up are removed when fields of the hash are asked for
    int64_t flush_is_lazy               # FLUSHALL and FLUSHDB count as lazy, unless within a transaction or script
    int64_t client_tells_traffic        # CLIENT LIST has capabilities and traffic; otherwise the thread
    int64_t query_holds_request         # the request that is executed counts as part of the query buffer
    int64_t nesting_aborts              # MULTI and WATCH within a transaction end it
    int64_t xread_names_plus            # the error of unbalanced arguments names the ID +
    int64_t scan_refuses_types          # SCAN TYPE with a type that there is not is an error
    int64_t unblocking_rejects          # what CLIENT UNBLOCK ends with an error counts as rejected, not failed
    int64_t loads_expired_fields        # from a file: active expiry removes them, where otherwise they are left out
    int64_t scan_expires_all_types      # SCAN TYPE removes expired keys of other types, too
    int64_t valkey_texts                # errors are in Valkey's words where they differ
    int64_t script_slow_ms              # busy-reply-threshold; 0: no script is slow
    int64_t python_functions            # enable-python-functions
    int64_t script_deprecated_api       # lua-enable-deprecated-api: scripts have getfenv, setfenv, newproxy
    int64_t script_insecure_api         # lua-enable-insecure-api: the same
    int64_t script_calls_all            # DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call what they may not
    int64_t error_kinds_overflow        # kinds of errors beyond a limit: scripts' count as one; 0: none is counted
    int64_t script_errors_brief         # errors of scripts name neither script nor Redis; the debugger speaks Valkey
