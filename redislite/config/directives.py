"""The directives: what each one is called, what it may hold, what it holds when nobody says anything, and what follows
from its value. One row of `DIRECTIVES` per directive says all of it, and nothing else need be said anywhere.

A row has no behaviour of its own: its kind (`kinds.py`) reads and prints values, its flags say when it may change.
`sets` names the field of the data plane's settings that holds the value as a number (`Kind.number`), or is a function
from the value to fields and numbers; `calls` names the function of the server that is called after a change
(`following.py` sees to both).
"""

from __future__ import annotations

from redislite.config.kinds import (
    Binary,
    BindAddresses,
    Boolean,
    BufferLimits,
    Choice,
    Directory,
    Frequency,
    Integer,
    KeyspaceEvents,
    Kind,
    Memory,
    NoDefragmentation,
    Octal,
    Percentiles,
    ReplicaOf,
    SavePoints,
    ScoreAdjustments,
    ShutdownOptions,
    SignedMemory,
    Text,
    Unsupported,
    check_address,
    check_append_directory,
    check_append_file,
    check_cluster_file,
    check_file_name,
    check_host_name,
    check_locale,
    check_node_name,
    check_title_template,
)
from redislite.config.text import INT_MAX, INT_MIN, LONG_MAX, UINT_MAX, ULONG_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Settings = Mapping[str, int]

# Flags of a row.
IMMUTABLE = 1  # only at start
SENSITIVE = 2  # never to be logged
HIDDEN = 4  # CONFIG GET shows it only when it is named exactly
PROTECTED = 8  # CONFIG SET needs enable-protected-configs
DENY_LOADING = 16  # CONFIG SET is refused while a data set is being loaded
SAME_ALLOWED = 64  # immutable, yet CONFIG SET may name the value that it has: none of the original's
VOLATILE = 32  # names something outside (a file): observers run even when the value is the same

SAVE_DEFAULT = ((3600, 1), (300, 100), (60, 10000))
BUFFER_LIMITS_DEFAULT = {
    "normal": (0, 0, 0),
    "slave": (256 * 1024 * 1024, 64 * 1024 * 1024, 60),
    "pubsub": (32 * 1024 * 1024, 8 * 1024 * 1024, 60),
}


class Directive:
    """A row.

    name, and aliases: other names that mean the same; all in small letters. kind: how values are read. default: the
    value when nobody has set it. flags: see above. sets: a field of the data plane's settings, or what gives several of
    them; empty: none. calls: a function of the server, `(config, name)`, as `append_only.switch`; empty: none.
    """

    __slots__ = ("aliases", "calls", "default", "flags", "kind", "name", "sets")

    def __init__(
        self,
        name: str,
        kind: Kind,
        default: object,
        flags: int = 0,
        aliases: tuple[str, ...] = (),
        *,
        sets: str | Callable[[Any], Settings] = "",
        calls: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.flags = flags
        self.aliases = aliases
        self.sets = sets
        self.calls = calls

    def settings(self, value: Any) -> Settings:
        """The data plane's settings that follow from a value."""
        if not isinstance(self.sets, str):
            return self.sets(value)
        return {self.sets: self.kind.number(value)} if self.sets else {}


class DirectiveTable:
    """Rows by all of their names. ValueError for a name that two of them have, or that is not in small letters."""

    __slots__ = ("by_name", "rows", "shown")

    def __init__(self, rows: Iterable[Directive]) -> None:
        self.rows = tuple(rows)
        self.by_name: dict[str, Directive] = {}
        for row in self.rows:
            for name in (row.name, *row.aliases):
                if name in self.by_name:
                    raise ValueError(f"there is a directive {name!r} already")
                if name != name.lower():
                    raise ValueError(f"the directive {name!r} is to be named in small letters")
                self.by_name[name] = row
        # The names that CONFIG GET shows to patterns.
        self.shown = [name.encode() for name, row in self.by_name.items() if not row.flags & HIDDEN]


# What maxmemory-policy compares keys by, and whether all keys are candidates: bits of the data plane's eviction.pxd.
POLICY_MEASURES = {"lru": 1, "lfu": 2, "ttl": 4, "random": 8}
POLICY_ALL_KEYS = 16
# What snapshots tell of a key's use (rdb_access of settings.pxd).
SAVED_ACCESS = {"lru": 1, "lfu": 2}


def eviction_settings(policy: str) -> Settings:
    """What `maxmemory-policy` means for the data plane."""
    scope, _, measure = policy.partition("-")
    return {
        "lfu": measure == "lfu",
        "eviction_policy": POLICY_MEASURES.get(measure, 0) | (POLICY_ALL_KEYS if scope == "allkeys" else 0),
        "rdb_access": SAVED_ACCESS.get(measure, 0),
    }


def output_settings(limits: Mapping[str, tuple[int, int, int]]) -> Settings:
    """What `client-output-buffer-limit` means for the data plane."""
    settings = {}
    for group, prefix in (("normal", "output"), ("slave", "replica"), ("pubsub", "pubsub")):
        hard, soft, seconds = limits[group]
        settings[f"{prefix}_hard_limit"] = min(hard, LONG_MAX)
        settings[f"{prefix}_soft_limit"] = min(soft, LONG_MAX)
        settings[f"{prefix}_soft_seconds"] = seconds
    return settings


BOOLEAN = Boolean()
OPTIONAL_TEXT = Text(empty_means_unset=True)
PLAIN_TEXT = Text(empty_means_unset=False)
OPTIONAL_BINARY = Binary(empty_means_unset=True)
COUNT = Integer(0, INT_MAX)
POSITIVE = Integer(1, INT_MAX)
ANY_INT = Integer(INT_MIN, INT_MAX)
LONG_COUNT = Integer(0, LONG_MAX)
THRESHOLD = Integer(-1, LONG_MAX)
TCP_PORT = Integer(0, 65535)
SIZE = Memory(0, LONG_MAX)
PERMISSION = Choice(("no", "yes", "local"))
SIGNAL_SHUTDOWN = ShutdownOptions(("default", "save", "nosave", "now", "force"))
EVICTION_POLICY = Choice(
    (
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    )
)
MEBIBYTE = 1024 * 1024

DIRECTIVES: tuple[Directive, ...] = (
    Directive("acl-pubsub-default", Choice(("allchannels", "resetchannels")), "resetchannels"),
    Directive("aclfile", PLAIN_TEXT, "", IMMUTABLE),
    Directive("acllog-max-len", LONG_COUNT, 128),
    Directive("active-defrag-cycle-max", Integer(1, 99), 25),
    Directive("active-defrag-cycle-min", Integer(1, 99), 1),
    Directive("active-defrag-cycle-us", Integer(0, 100000), 500),
    Directive("active-defrag-ignore-bytes", Memory(1, LONG_MAX), 100 * MEBIBYTE),
    Directive("active-defrag-max-scan-fields", Integer(1, LONG_MAX), 1000),
    Directive("active-defrag-threshold-lower", Integer(0, 1000), 10),
    Directive("active-defrag-threshold-upper", Integer(0, 1000), 100),
    Directive("active-expire-effort", Integer(1, 10), 1, sets="expire_effort"),
    Directive("activedefrag", NoDefragmentation(), False),
    Directive("activerehashing", BOOLEAN, True, sets="active_rehashing"),
    Directive("always-show-logo", BOOLEAN, False, IMMUTABLE),
    Directive("aof-disable-auto-gc", BOOLEAN, False, calls="append_only.collect"),
    Directive("aof-load-truncated", BOOLEAN, True),
    Directive("aof-rewrite-incremental-fsync", BOOLEAN, True),
    Directive("aof-timestamp-enabled", BOOLEAN, False, calls="append_only.follow"),
    Directive("aof-use-rdb-preamble", BOOLEAN, True),
    Directive("aof_rewrite_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("aof-rewrite-cpulist",)),
    Directive("appenddirname", Text(False, check_append_directory), "appendonlydir", IMMUTABLE),
    Directive("appendfilename", Text(False, check_append_file), "appendonly.aof", IMMUTABLE),
    Directive("appendfsync", Choice(("everysec", "always", "no")), "everysec", calls="append_only.follow"),
    Directive("appendonly", BOOLEAN, False, calls="append_only.switch"),
    Directive("auto-aof-rewrite-min-size", SIZE, 64 * MEBIBYTE),
    Directive("auto-aof-rewrite-percentage", COUNT, 100),
    Directive("availability-zone", Binary(empty_means_unset=False), b""),
    Directive("bgsave_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("bgsave-cpulist",)),
    Directive("bind", BindAddresses(), ("*", "-::*"), calls="rebind"),
    Directive("bind-source-addr", OPTIONAL_TEXT, ""),
    Directive("bio_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("bio-cpulist",)),
    Directive("busy-reply-threshold", LONG_COUNT, 5000, aliases=("lua-time-limit",), sets="script_slow_ms"),
    Directive("client-default-resp", Integer(2, 3), 2, IMMUTABLE | HIDDEN),
    Directive("client-output-buffer-limit", BufferLimits(), BUFFER_LIMITS_DEFAULT, sets=output_settings),
    Directive("client-query-buffer-limit", Memory(MEBIBYTE, LONG_MAX), 1024 * MEBIBYTE, sets="query_buffer_limit"),
    Directive("cluster-allow-pubsubshard-when-down", BOOLEAN, True),
    Directive("cluster-allow-reads-when-down", BOOLEAN, False),
    Directive("cluster-allow-replica-migration", BOOLEAN, True),
    Directive("cluster-announce-bus-port", TCP_PORT, 0),
    Directive("cluster-announce-client-ipv4", Text(True, check_address("IPv4")), ""),
    Directive("cluster-announce-client-ipv6", Text(True, check_address("IPv6")), ""),
    Directive("cluster-announce-client-port", TCP_PORT, 0),
    Directive("cluster-announce-client-tls-port", TCP_PORT, 0),
    Directive("cluster-announce-hostname", Text(True, check_host_name), ""),
    Directive("cluster-announce-human-nodename", Text(True, check_node_name), ""),
    Directive("cluster-announce-ip", OPTIONAL_TEXT, ""),
    Directive("cluster-announce-port", TCP_PORT, 0),
    Directive("cluster-announce-tls-port", TCP_PORT, 0),
    Directive("cluster-blacklist-ttl", LONG_COUNT, 60),
    Directive("cluster-compatibility-sample-ratio", Integer(0, 100), 0),
    Directive("cluster-config-file", Text(False, check_cluster_file), "nodes.conf", IMMUTABLE),
    Directive("cluster-config-save-behavior", Choice(("sync", "best-effort")), "sync"),
    Directive("cluster-databases", POSITIVE, 1, IMMUTABLE),
    Directive("cluster-enabled", BOOLEAN, False, IMMUTABLE),
    Directive("cluster-link-sendbuf-limit", Memory(0, ULONG_MAX), 0),
    Directive("cluster-manual-failover-timeout", POSITIVE, 5000),
    Directive("cluster-message-gossip-perc", Integer(1, 100), 10, HIDDEN),
    Directive("cluster-migration-barrier", COUNT, 1),
    Directive("cluster-node-timeout", LONG_COUNT, 15000),
    Directive("cluster-ping-interval", LONG_COUNT, 0, HIDDEN),
    Directive("cluster-port", TCP_PORT, 0, IMMUTABLE),
    Directive("cluster-preferred-endpoint-type", Choice(("ip", "hostname", "unknown-endpoint")), "ip"),
    Directive("cluster-replica-no-failover", BOOLEAN, False, aliases=("cluster-slave-no-failover",)),
    Directive("cluster-replica-validity-factor", COUNT, 10, aliases=("cluster-slave-validity-factor",)),
    Directive("cluster-require-full-coverage", BOOLEAN, True),
    Directive("cluster-slot-migration-log-max-len", LONG_COUNT, 1000),
    Directive("cluster-slot-stats-enabled", BOOLEAN, False),
    Directive("commandlog-large-reply-max-len", LONG_COUNT, 128),
    Directive("commandlog-large-request-max-len", LONG_COUNT, 128),
    Directive("commandlog-reply-larger-than", THRESHOLD, 1048576, sets="large_reply_bytes"),
    Directive("commandlog-request-larger-than", THRESHOLD, 1048576, sets="large_request_bytes"),
    Directive("connection-rate-limit", COUNT, 0),
    Directive("compatibility", Choice(("redis", "valkey")), "redis", IMMUTABLE | SAME_ALLOWED),
    Directive("crash-log-enabled", BOOLEAN, True),
    Directive("crash-memcheck-enabled", BOOLEAN, True),
    Directive("daemonize", BOOLEAN, False, IMMUTABLE),
    Directive("databases", POSITIVE, 16, IMMUTABLE),
    Directive("dbfilename", Text(False, check_file_name("dbfilename")), "dump.rdb", PROTECTED),
    Directive("debug-context", PLAIN_TEXT, "", HIDDEN),
    Directive("dir", Directory(), "", PROTECTED | DENY_LOADING),
    Directive("disable-thp", BOOLEAN, True, IMMUTABLE),
    Directive("dual-channel-replication-enabled", BOOLEAN, False),
    Directive("dynamic-hz", BOOLEAN, True),
    Directive("enable-debug-assert", BOOLEAN, False, IMMUTABLE | HIDDEN),
    Directive("enable-debug-command", PERMISSION, "no", IMMUTABLE),
    Directive("enable-module-command", PERMISSION, "no", IMMUTABLE),
    Directive("enable-protected-configs", PERMISSION, "no", IMMUTABLE),
    Directive("enable-python-functions", BOOLEAN, False, IMMUTABLE | HIDDEN, sets="python_functions"),
    Directive("events-per-io-thread", COUNT, 2, HIDDEN),
    Directive("extended-redis-compatibility", BOOLEAN, False),
    Directive(
        "hash-max-listpack-entries",
        LONG_COUNT,
        512,
        aliases=("hash-max-ziplist-entries",),
        sets="hash_max_listpack_entries",
    ),
    Directive("hash-max-listpack-value", SIZE, 64, aliases=("hash-max-ziplist-value",), sets="hash_max_listpack_value"),
    Directive("hash-seed", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("hide-user-data-from-log", BOOLEAN, False),
    Directive("hll-sparse-max-bytes", SIZE, 3000, sets="hll_sparse_max_bytes"),
    Directive("hz", Frequency(0, INT_MAX), 10, sets="hz"),
    Directive("ignore-warnings", PLAIN_TEXT, ""),
    Directive("import-mode", BOOLEAN, False, sets="import_mode"),
    Directive(
        "io-multiplexing",
        Choice(("auto", "epoll", "kqueue", "poll", "select", "sync")),
        "auto",
        IMMUTABLE | SAME_ALLOWED,
    ),
    Directive("io-threads", Integer(1, 128), 1, IMMUTABLE),
    Directive("io-threads-always-active", BOOLEAN, False, HIDDEN),
    Directive("io-threads-do-reads", BOOLEAN, False, IMMUTABLE | SAME_ALLOWED),
    Directive("jemalloc-bg-thread", BOOLEAN, True),
    Directive("key-load-delay", ANY_INT, 0, HIDDEN),
    Directive("latency-monitor-threshold", LONG_COUNT, 0, sets="latency_threshold_ms"),
    Directive("latency-tracking", BOOLEAN, True, sets="latency_tracking"),
    Directive("latency-tracking-info-percentiles", Percentiles(), (50.0, 99.0, 99.9)),
    Directive("lazyfree-lazy-eviction", BOOLEAN, False, sets="lazy_eviction"),
    Directive("lazyfree-lazy-expire", BOOLEAN, False, sets="lazy_expire"),
    Directive("lazyfree-lazy-server-del", BOOLEAN, False, sets="lazy_server_delete"),
    Directive("lazyfree-lazy-user-del", BOOLEAN, False, sets="lazy_user_delete"),
    Directive("lazyfree-lazy-user-flush", BOOLEAN, False, sets="lazy_user_flush"),
    Directive("lfu-decay-time", COUNT, 1, sets="lfu_decay_minutes"),
    Directive("lfu-log-factor", COUNT, 10, sets="lfu_log_factor"),
    Directive("list-compress-depth", COUNT, 0, sets="list_compress_depth"),
    Directive("list-max-listpack-size", ANY_INT, -2, aliases=("list-max-ziplist-size",), sets="list_max_listpack_size"),
    Directive("loading-process-events-interval-bytes", Integer(1024, INT_MAX), 524288, HIDDEN),
    Directive("locale-collate", Text(False, check_locale), ""),
    Directive("log-format", Choice(("legacy", "logfmt", "json")), "legacy", calls="log.follow"),
    Directive("log-timestamp-format", Choice(("legacy", "iso8601", "milliseconds")), "legacy", calls="log.follow"),
    Directive("logfile", PLAIN_TEXT, "", IMMUTABLE),
    Directive("loglevel", Choice(("debug", "verbose", "notice", "warning", "nothing")), "notice", calls="log.follow"),
    Directive("lua-enable-deprecated-api", BOOLEAN, False, IMMUTABLE | HIDDEN, sets="script_deprecated_api"),
    Directive("lua-enable-insecure-api", BOOLEAN, False, HIDDEN, sets="script_insecure_api"),
    Directive("masterauth", OPTIONAL_BINARY, b"", SENSITIVE, ("primaryauth",)),
    Directive("masteruser", OPTIONAL_TEXT, "", SENSITIVE, ("primaryuser",)),
    Directive("max-new-connections-per-cycle", Integer(1, 1000), 10),
    Directive("max-new-tls-connections-per-cycle", Integer(1, 1000), 1),
    Directive("maxclients", Integer(1, UINT_MAX), 10000, calls="make_room_for_clients"),
    Directive("maxmemory", Memory(0, ULONG_MAX), 0, sets="max_memory", calls="warn_of_limit"),
    Directive("maxmemory-clients", Memory(0, LONG_MAX, percent=True), 0, sets="max_client_memory"),
    Directive("maxmemory-eviction-tenacity", Integer(0, 100), 10, sets="eviction_tenacity"),
    Directive("maxmemory-policy", EVICTION_POLICY, "noeviction", sets=eviction_settings),
    Directive("maxmemory-samples", POSITIVE, 5, sets="eviction_samples"),
    Directive("maxmemory-warning-percent", Integer(0, 100), 0, sets="memory_warning_percent"),
    Directive("min-replicas-max-lag", COUNT, 10, aliases=("min-slaves-max-lag",), calls="need_replicas"),
    Directive("min-replicas-to-write", COUNT, 0, aliases=("min-slaves-to-write",), calls="need_replicas"),
    Directive("min-io-threads-avoid-copy-reply", COUNT, 7, HIDDEN),
    Directive("min-string-size-avoid-copy-reply", COUNT, 16384, HIDDEN),
    Directive("min-string-size-avoid-copy-reply-threaded", COUNT, 65536, HIDDEN),
    Directive("mptcp", BOOLEAN, False, IMMUTABLE),
    Directive("no-appendfsync-on-rewrite", BOOLEAN, False, calls="append_only.follow"),
    Directive("notify-keyspace-events", KeyspaceEvents(), "", sets="notify_classes"),
    Directive(
        "oom-score-adj",
        Choice(("no", "yes", "relative", "absolute"), {"relative": "yes"}),
        "no",
        calls="oom_score.follow",
    ),
    Directive("oom-score-adj-values", ScoreAdjustments(), (0, 200, 800), calls="oom_score.follow"),
    Directive("pidfile", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("port", TCP_PORT, 6379, calls="rebind"),
    Directive("prefetch-batch-max-size", Integer(0, 128), 16),
    Directive(
        "proc-title-template",
        Text(False, check_title_template),
        "{title} {listen-addr} {server-mode}",
        calls="show_title",
    ),
    Directive("propagation-error-behavior", Choice(("ignore", "panic", "panic-on-replicas")), "ignore"),
    Directive("protected-mode", BOOLEAN, True),
    Directive("proto-max-bulk-len", Memory(MEBIBYTE, LONG_MAX), 512 * MEBIBYTE, sets="max_bulk_length"),
    Directive("rdb-del-sync-files", BOOLEAN, False),
    Directive("rdb-hash-field-expiry", Choice(("redis", "valkey")), "redis", sets="rdb_valkey_fields"),
    Directive("rdb-key-save-delay", ANY_INT, 0, HIDDEN),
    Directive("rdb-save-incremental-fsync", BOOLEAN, True),
    Directive("rdb-version-check", Choice(("strict", "relaxed")), "strict", sets="rdb_relaxed"),
    Directive("rdbchecksum", BOOLEAN, True, IMMUTABLE),
    Directive("rdbcompression", BOOLEAN, True, sets="rdb_compression"),
    Directive("rdma-bind", Unsupported("No RDMA building support."), ""),
    Directive("rdma-completion-vector", Integer(-1, 1024), -1, IMMUTABLE),
    Directive("rdma-port", TCP_PORT, 0),
    Directive("rdma-rx-size", Integer(65536, 16777216), 1048576, IMMUTABLE),
    Directive("repl-backlog-size", Memory(1, LONG_MAX), MEBIBYTE),
    Directive("repl-backlog-ttl", LONG_COUNT, 3600),
    Directive("repl-disable-tcp-nodelay", BOOLEAN, False),
    Directive(
        "repl-diskless-load",
        Choice(("disabled", "on-empty-db", "swapdb", "flush-before-load")),
        "disabled",
        DENY_LOADING,
    ),
    Directive("repl-diskless-sync", BOOLEAN, True),
    Directive("repl-diskless-sync-delay", COUNT, 5),
    Directive("repl-diskless-sync-max-replicas", COUNT, 0),
    Directive("repl-mptcp", BOOLEAN, False, IMMUTABLE),
    Directive("repl-ping-replica-period", POSITIVE, 10, aliases=("repl-ping-slave-period",)),
    Directive("repl-rdb-channel", BOOLEAN, True, HIDDEN),
    Directive("repl-timeout", POSITIVE, 60),
    Directive("replica-announce-ip", OPTIONAL_TEXT, "", aliases=("slave-announce-ip",)),
    Directive("replica-announce-port", TCP_PORT, 0, aliases=("slave-announce-port",)),
    Directive("replica-announced", BOOLEAN, True),
    Directive("replica-full-sync-buffer-limit", SIZE, 0),
    Directive("replica-ignore-disk-write-errors", BOOLEAN, False),
    Directive("replica-ignore-maxmemory", BOOLEAN, True, aliases=("slave-ignore-maxmemory",)),
    Directive("replica-lazy-flush", BOOLEAN, False, aliases=("slave-lazy-flush",)),
    Directive("replica-priority", COUNT, 100, aliases=("slave-priority",)),
    Directive("replica-read-only", BOOLEAN, True, aliases=("slave-read-only",)),
    Directive("replica-serve-stale-data", BOOLEAN, True, aliases=("slave-serve-stale-data",)),
    Directive("replicaof", ReplicaOf(), None, IMMUTABLE, ("slaveof",)),
    Directive("req-res-logfile", OPTIONAL_TEXT, "", IMMUTABLE | HIDDEN),
    Directive("requirepass", OPTIONAL_BINARY, b"", SENSITIVE, calls="apply_password"),
    Directive("sanitize-dump-payload", Choice(("no", "yes", "clients")), "no", sets="sanitize_payload"),
    Directive("save", SavePoints(), SAVE_DEFAULT, calls="snapshots.follow"),
    Directive("server_cpulist", OPTIONAL_TEXT, "", IMMUTABLE, ("server-cpulist",)),
    Directive("set-max-intset-entries", LONG_COUNT, 512, sets="set_max_intset_entries"),
    Directive("set-max-listpack-entries", LONG_COUNT, 128, sets="set_max_listpack_entries"),
    Directive("set-max-listpack-value", LONG_COUNT, 64, sets="set_max_listpack_value"),
    Directive("set-proc-title", BOOLEAN, True, IMMUTABLE),
    Directive("shutdown-on-sigint", SIGNAL_SHUTDOWN, ()),
    Directive("shutdown-on-sigterm", SIGNAL_SHUTDOWN, ()),
    Directive("shutdown-timeout", COUNT, 10),
    Directive("slot-migration-max-failover-repl-bytes", SignedMemory(-1, LONG_MAX), 0),
    Directive(
        "slowlog-log-slower-than", THRESHOLD, 10000, aliases=("commandlog-execution-slower-than",), sets="slow_us"
    ),
    Directive("slowlog-max-len", LONG_COUNT, 128, aliases=("commandlog-slow-execution-max-len",)),
    Directive("snapshot-keep", COUNT, 0),
    Directive("socket-mark-id", Integer(0, UINT_MAX), 0, IMMUTABLE),
    Directive("stop-writes-on-bgsave-error", BOOLEAN, True, calls="snapshots.follow"),
    Directive("stream-node-max-bytes", SIZE, 4096, sets="stream_node_max_bytes"),
    Directive("stream-node-max-entries", LONG_COUNT, 100, sets="stream_node_max_entries"),
    Directive("supervised", Choice(("upstart", "systemd", "auto", "no")), "no", IMMUTABLE),
    Directive("syslog-enabled", BOOLEAN, False, IMMUTABLE),
    Directive(
        "syslog-facility",
        Choice(("user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")),
        "local0",
        IMMUTABLE,
    ),
    Directive("syslog-ident", PLAIN_TEXT, "redis", IMMUTABLE),
    Directive("tcp-backlog", COUNT, 511, IMMUTABLE),
    Directive("tcp-keepalive", COUNT, 300),
    Directive("timeout", COUNT, 0),
    Directive("tls-auth-clients", Choice(("no", "yes", "optional")), "yes"),
    Directive("tls-auth-clients-user", Choice(("CN", "URI", "off")), "off"),
    Directive("tls-auto-reload-interval", COUNT, 0),
    Directive("tls-ca-cert-dir", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-ca-cert-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-cert-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-ciphers", OPTIONAL_TEXT, ""),
    Directive("tls-ciphersuites", OPTIONAL_TEXT, ""),
    Directive("tls-client-cert-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-client-key-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-client-key-file-pass", OPTIONAL_TEXT, "", SENSITIVE),
    Directive("tls-cluster", BOOLEAN, False),
    Directive("tls-dh-params-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-key-file", OPTIONAL_TEXT, "", VOLATILE),
    Directive("tls-key-file-pass", OPTIONAL_TEXT, "", SENSITIVE),
    Directive("tls-port", TCP_PORT, 0),
    Directive("tls-prefer-server-ciphers", BOOLEAN, False),
    Directive("tls-protocols", OPTIONAL_TEXT, ""),
    Directive("tls-replication", BOOLEAN, False),
    Directive("tls-session-cache-size", COUNT, 20480),
    Directive("tls-session-cache-timeout", COUNT, 300),
    Directive("tls-session-caching", BOOLEAN, True),
    Directive("tracking-table-max-keys", LONG_COUNT, 1000000, sets="tracking_max_keys"),
    Directive("unixsocket", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("unixsocketgroup", OPTIONAL_TEXT, "", IMMUTABLE),
    Directive("unixsocketperm", Octal(0, 0o777), 0, IMMUTABLE),
    Directive("use-exit-on-panic", BOOLEAN, False, HIDDEN),
    Directive("watchdog-period", COUNT, 0, HIDDEN, calls="crash_reports.follow_watchdog"),
    Directive(
        "zset-max-listpack-entries",
        LONG_COUNT,
        128,
        aliases=("zset-max-ziplist-entries",),
        sets="zset_max_listpack_entries",
    ),
    Directive("zset-max-listpack-value", SIZE, 64, aliases=("zset-max-ziplist-value",), sets="zset_max_listpack_value"),
)

BUILT_IN = DirectiveTable(DIRECTIVES)
