"""Settings by name; the contract is in settings.pxd."""
from libc.stdint cimport int64_t
from libc.string cimport memset
from redislite._core.state.settings cimport Settings

cdef dict DEFAULTS = {
    "max_bulk_length": 512 << 20,
    "query_buffer_limit": 1 << 30,
    "unauthenticated_output_limit": 16384,
    "replica_hard_limit": 256 << 20,
    "replica_soft_limit": 64 << 20,
    "replica_soft_seconds": 60,
    "pubsub_hard_limit": 32 << 20,
    "pubsub_soft_limit": 8 << 20,
    "pubsub_soft_seconds": 60,
    "slow_us": 10000,
    "large_request_bytes": 1 << 20,
    "large_reply_bytes": 1 << 20,
    "latency_tracking": 1,
    "active_expire": 1,
    "expire_effort": 1,
    "active_rehashing": 1,
    "eviction_samples": 5,
    "eviction_tenacity": 10,
    "lfu_log_factor": 10,
    "lfu_decay_minutes": 1,
    "hz": 10,
    "release_turn_us": 500,
    "reply_resizing": 1,
    "zset_max_listpack_entries": 128,
    "zset_max_listpack_value": 64,
    "reply_peak_reset_ms": 5000,
    "hll_sparse_max_bytes": 3000,
    "hll_vectors": 1,
    "hash_max_listpack_entries": 512,
    "hash_max_listpack_value": 64,
    "set_max_intset_entries": 512,
    "set_max_listpack_entries": 128,
    "set_max_listpack_value": 64,
    "list_max_listpack_size": -2,
    "stream_node_max_bytes": 4096,
    "stream_node_max_entries": 100,
    "rdb_compression": 1,
    "tracking_max_keys": 1000000,
    "past_deadline_deletes": 1,
    "names_timed_listpack": 1,
    "hash_fields_redis_texts": 1,
    "bitcount_wants_end": 1,
    "fields_expire_on_access": 1,
    "flush_is_lazy": 1,
    "query_holds_request": 1,
    "xread_names_plus": 1,
    "loads_expired_fields": 1,
    "scan_expires_all_types": 1,
    "script_slow_ms": 5000,
    "script_deprecated_api": 0,
    "script_insecure_api": 0,
    "script_calls_all": 0,
    "error_kinds_overflow": 0,
    "script_errors_brief": 0,
}

cdef Settings EMPTY
memset(&EMPTY, 0, sizeof(Settings))

# In the order of the struct, whose fields are all of one size: their number times eight is its own.
cdef dict PLACES = {name: place for place, name in enumerate(EMPTY)}
if len(PLACES) * sizeof(int64_t) != sizeof(Settings):
    raise SystemError("a field of Settings has another size than the rest")


cdef int64_t* setting_place(Settings* settings, str name) except NULL:
    return <int64_t*> settings + <Py_ssize_t> PLACES[name]
