"""What Redis 8.0 and Valkey 9.1 disagree on, a row per difference: the directive `compatibility` chooses the column.

Whoever does something that the two do differently asks this table for its own row, by name; nobody asks which original
it is. What the data plane does differently is a number among its settings, of the same name there.

Guarantees: both columns have every row, and a row's two values differ (a test sees to it).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REDIS_VERSION = "8.0.6"
VALKEY_VERSION = "9.1.2"
# What Valkey calls itself to clients that know Redis alone.
VALKEY_REDIS_VERSION = "7.2.4"


class Lines:
    """Lines of INFO that only one of the two has; `after` names the line that they stand behind."""

    __slots__ = ("after", "lines", "section")

    def __init__(self, section: str, after: str, lines: tuple[str, ...]) -> None:
        self.section = section
        self.after = after
        self.lines = lines


class Profile:
    """One column of the table."""

    __slots__ = ("_facts", "defaults", "foreign", "lines", "name", "settings")

    def __init__(self, name: str, column: int, facts: dict[str, object] | None = None) -> None:
        self.name = name
        # By directive, where the default is not that of every server.
        self.defaults: dict[str, object] = {name: values[column] for name, values in DEFAULTS.items()}
        # By name of the data plane's setting.
        self.settings: dict[str, int] = {name: values[column] for name, values in SETTINGS.items()}
        self.lines: tuple[Lines, ...] = OWN_LINES[column]
        # Directives that this one does not have: known, but not listed.
        self.foreign = frozenset(ONLY[1 - column])
        self._facts: dict[str, Any] = {name: values[column] for name, values in FACTS.items()}
        self._facts.update(facts or {})

    def __getitem__(self, name: str) -> Any:
        """The value of a row of FACTS. Raises KeyError."""
        return self._facts[name]


# What the control plane says and does.
FACTS: dict[str, tuple[object, object]] = {
    # Identity: what INFO's redis_version says, what HELLO and LOLWUT call version, and the names.
    "redis_version": (REDIS_VERSION, VALKEY_REDIS_VERSION),
    "version": (REDIS_VERSION, VALKEY_VERSION),
    "server_name": ("redis", "valkey"),
    "title": ("Redis", "Valkey"),
    # The slow log tells whose script has called a command.
    "slow_log_tells_caller": (False, True),
    # Which Valkey scripts are told that it is.
    "scripts_valkey_version": ("", VALKEY_VERSION),
    "mode_line": ("redis_mode", "server_mode"),
    "rdb_version_field": (b"redis-ver", b"valkey-ver"),
    # INFO and CLIENT LIST: lines and fields under the names that exporters know.
    "expired_fields_line": ("expired_subkeys", "expired_fields"),
    "volatile_items_field": ("subexpiry", "keys_with_volatile_items"),
    # Sections that only one of them has.
    "own_sections": (("threads", "keysizes"), ("tls", "scriptingengines")),
    # INFO cpu tells for how long the main thread did not wait.
    "tells_active_time": (False, True),
    # Rows of MEMORY STATS that only one of them has.
    "memory_rows": (
        ("replica.fullsync.buffer", "script.VMs"),
        ("replicas.repl.buffer", "cluster.slot_import", "cluster.slot_export"),
    ),
    # A lone server's answers to commands of clusters.
    "readonly_wants_cluster": (True, False),
    "keyslot_wants_cluster": (True, False),
    # CONFIG SET appendonly is refused while a data set is being loaded.
    "append_only_waits_for_loading": (False, True),
    # ACL LIST and GETUSER tell whether a user's payloads are checked; GETUSER tells databases of who may use all.
    "acl_tells_payload_checks": (True, False),
    "acl_tells_all_databases": (False, True),
    # CLIENT LIST ID finds nobody by a number that is no ID, where that is an error otherwise, and for CLIENT KILL.
    "lists_any_id": (True, False),
    # A number of bytes that is beyond 64 bits: the largest there is, or refused.
    "memory_saturates": (True, False),
    # Texts.
    "bad_listed_id": ("Invalid client ID", "syntax error"),
    "bad_killed_id": ("client-id should be greater than 0", "syntax error"),
    "brand": ("Redis ", ""),
    "bad_primary_port": ("Invalid master port", "Invalid primary port"),
}

# Directives' defaults; the first column is what the directive's own row says.
DEFAULTS: dict[str, tuple[object, object]] = {
    "hide-user-data-from-log": (False, True),
    "lazyfree-lazy-eviction": (False, True),
    "lazyfree-lazy-expire": (False, True),
    "lazyfree-lazy-server-del": (False, True),
    "lazyfree-lazy-user-del": (False, True),
    "lazyfree-lazy-user-flush": (False, True),
    "loading-process-events-interval-bytes": (512 * 1024, 2 * 1024 * 1024),
    "rdb-hash-field-expiry": ("redis", "valkey"),
    "repl-backlog-size": (1024 * 1024, 10 * 1024 * 1024),
    "replica-lazy-flush": (False, True),
    "syslog-ident": ("redis", "valkey"),
}

# Directives that only one of them has.
ONLY: tuple[tuple[str, ...], tuple[str, ...]] = (
    (
        "cluster-compatibility-sample-ratio",
        "dynamic-hz",
        "repl-rdb-channel",
        "replica-full-sync-buffer-limit",
        "sanitize-dump-payload",
    ),
    (
        "active-defrag-cycle-us",
        "availability-zone",
        "cluster-announce-client-ipv4",
        "cluster-announce-client-ipv6",
        "cluster-announce-client-port",
        "cluster-announce-client-tls-port",
        "cluster-blacklist-ttl",
        "cluster-config-save-behavior",
        "cluster-databases",
        "cluster-manual-failover-timeout",
        "cluster-message-gossip-perc",
        "cluster-slot-migration-log-max-len",
        "cluster-slot-stats-enabled",
        "commandlog-execution-slower-than",
        "commandlog-large-reply-max-len",
        "commandlog-large-request-max-len",
        "commandlog-reply-larger-than",
        "commandlog-request-larger-than",
        "commandlog-slow-execution-max-len",
        "debug-context",
        "dual-channel-replication-enabled",
        "enable-debug-assert",
        "extended-redis-compatibility",
        "hash-seed",
        "import-mode",
        "io-threads-always-active",
        "log-format",
        "log-timestamp-format",
        "lua-enable-insecure-api",
        "min-io-threads-avoid-copy-reply",
        "min-string-size-avoid-copy-reply",
        "min-string-size-avoid-copy-reply-threaded",
        "mptcp",
        "prefetch-batch-max-size",
        "primaryauth",
        "primaryuser",
        "rdb-version-check",
        "rdma-bind",
        "rdma-completion-vector",
        "rdma-port",
        "rdma-rx-size",
        "repl-mptcp",
        "slot-migration-max-failover-repl-bytes",
        "tls-auth-clients-user",
        "tls-auto-reload-interval",
        "unixsocketgroup",
    ),
)

# What INFO of only one tells, with what a server says that has nothing of it.
OWN_LINES: tuple[tuple[Lines, ...], tuple[Lines, ...]] = (
    (
        Lines("server", "multiplexing_api", ("atomicvar_api:c11-builtin",)),
        Lines("memory", "mem_total_replication_buffers", ("mem_replica_full_sync_buffer:0",)),
    ),
    (
        Lines(
            "server",
            "redis_version",
            ("server_name:valkey", f"valkey_version:{VALKEY_VERSION}", "valkey_release_stage:ga"),
        ),
        Lines("memory", "mem_total_replication_buffers", ("mem_replicas_repl_buffer:0",)),
        Lines("memory", "mem_cluster_links", ("mem_cluster_slot_import:0", "mem_cluster_slot_export:0")),
        Lines("persistence", "module_fork_last_cow_size", ("slot_migration_fork_in_progress:0",)),
        Lines(
            "stats",
            "total_net_repl_output_bytes",
            ("total_net_cluster_slot_import_bytes:0", "total_net_cluster_slot_export_bytes:0"),
        ),
        Lines("stats", "expired_stale_perc", ("expired_keys_with_volatile_items_stale_perc:0.00",)),
        Lines(
            "stats",
            "io_threaded_writes_processed",
            (
                "io_threaded_freed_objects:0",
                "io_threaded_accept_processed:0",
                "io_threaded_poll_processed:0",
                "io_threaded_total_prefetch_batches:0",
                "io_threaded_total_prefetch_entries:0",
            ),
        ),
        Lines("stats", "acl_access_denied_channel", ("acl_access_denied_tls_cert:0",)),
        Lines("replication", "connected_slaves", ("replicas_waiting_psync:0",)),
        Lines("debug", "eventloop_cmd_per_cycle_max", ("io_threaded_reads_pending:0", "io_threaded_writes_pending:0")),
    ),
)

# The data plane's settings.
SETTINGS: dict[str, tuple[int, int]] = {
    # A line that does not end in CR LF is a protocol error.
    "strict_line_ends": (0, 1),
    # A key or a hash field given a deadline in the past is deleted (del, hdel), not expired (expired, hexpired).
    "past_deadline_deletes": (1, 0),
    # OBJECT ENCODING of a short hash that has or had expiring fields: listpackex, or hashtable.
    "names_timed_listpack": (1, 0),
    # GEO: a member that is not there is told by name.
    "geo_names_member": (0, 1),
    # Commands on hash fields: what is judged first, and in which words (see hash_field_arguments).
    "hash_fields_redis_texts": (1, 0),
    # BITCOUNT with a start alone is a syntax error.
    "bitcount_wants_end": (1, 0),
    # Hash fields whose time is up are removed when fields of the hash are asked for by name, and HDEL counts them.
    "fields_expire_on_access": (1, 0),
    # Hash fields whose time is up are loaded from an RDB file, and removed by active expiry.
    "loads_expired_fields": (1, 0),
    # Errors of the data plane in Valkey's words: LOADING and BUSY name the server, NOSCRIPT gives no advice.
    "valkey_texts": (0, 1),
    # MULTI and WATCH within a transaction end it.
    "nesting_aborts": (0, 1),
    # XREAD's error of unbalanced arguments names the ID +.
    "xread_names_plus": (1, 0),
    # SCAN TYPE with a type that there is not is an error; otherwise nothing is found.
    "scan_refuses_types": (0, 1),
    # CLIENT LIST tells capabilities and traffic; otherwise the thread.
    "client_tells_traffic": (0, 1),
    # The request that is being executed counts as part of the query buffer.
    "query_holds_request": (1, 0),
    # A command that CLIENT UNBLOCK ends with an error counts as rejected, or as failed.
    "unblocking_rejects": (0, 1),
    # SCAN TYPE removes expired keys of other types, too.
    "scan_expires_all_types": (1, 0),
    # Errors of scripts name neither the script nor Redis, and the debugger of scripts speaks Valkey's dialect.
    "script_errors_brief": (0, 1),
    # Kinds of errors beyond a limit: those that scripts make up count as one, or no kind is counted any more.
    "error_kinds_overflow": (0, 1),
    # FLUSHALL and FLUSHDB count as lazy outside of transactions and scripts.
    "flush_is_lazy": (1, 0),
}

PROFILES = {name: Profile(name, column) for column, name in enumerate(("redis", "valkey"))}
# Valkey under extended-redis-compatibility, as its clients see it.
VALKEY_AS_REDIS = Profile(
    "valkey",
    1,
    {"version": VALKEY_REDIS_VERSION, "server_name": "redis", "title": "Redis", "mode_line": "redis_mode"},
)
DEFAULT_PROFILE = PROFILES["redis"]
