"""INFO: the figures and facts of a server, section by section.

A section is a function from the server to lines `name:value`, in the original's order and formats, because exporters
parse them. Figures of what this server does not do have the value that the original shows while it does not do it.
What would have no true value is left out.
"""

from __future__ import annotations

import os
import resource
import sys
import time

from redislite._core.engine import COMPILER_VERSION
from redislite.persistence.append_only import KIND as REWRITE_CHILD
from redislite.persistence.append_only import OFF
from redislite.persistence.snapshots import KIND as SNAPSHOT_CHILD
from redislite.version import VERSION, build_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from redislite.commands import needs

    class Server(
        needs.Configuration,
        needs.Identity,
        needs.Measurement,
        needs.Pausing,
        needs.Persistence,
        needs.Serving,
        needs.Table,
        Protocol,
    ):
        """What INFO tells of."""

    Section = Callable[[Server], list[str]]

ACCESS_CLOCK_MASK = 0xFFFFFF  # the 24 bits of a key's access time, seconds
REPLY_PEAK_RESET_MS = 5000


def info_text(server: Server, names: Sequence[str] = ()) -> str:
    """The text of INFO for these sections (in any case; unknown ones are ignored), or for the default ones."""
    wanted: set[str] = set()
    for name in names or ("default",):
        wanted.update(_GROUPS.get(name.lower(), (name.lower(),)))
    parts: list[str] = []
    profile = server.config.presented
    for name, (title, section) in _SECTIONS.items():
        if name not in wanted or (name in SECTIONS_OF_ONE and name not in profile["own_sections"]):
            continue
        lines = section(server)
        for own in profile.lines:
            if own.section == name:
                behind = next(at for at, line in enumerate(lines, 1) if line.partition(":")[0] == own.after)
                lines[behind:behind] = own.lines
        parts.append("\r\n".join((f"# {title}", *lines, "")))
    return "\r\n".join(parts)


def _server_section(server: Server) -> list[str]:
    system = os.uname()
    uptime = int(time.monotonic() - server.started_monotonic)
    config = server.config
    profile = config.presented
    lines = [
        f"redis_version:{profile['redis_version']}",
        f"redislite_version:{VERSION}",
        "redis_git_sha1:00000000",
        "redis_git_dirty:0",
        f"redis_build_id:{build_id()}",
        f"{profile['mode_line']}:standalone",
        f"os:{system.sysname} {system.release} {system.machine}",
        f"arch_bits:{64 if sys.maxsize > 2**32 else 32}",
        f"monotonic_clock:{_clock_name(system.machine)}",
        f"multiplexing_api:{server.loop.backend}",
        f"gcc_version:{COMPILER_VERSION}",
        f"process_id:{os.getpid()}",
        f"process_supervised:{(server.supervisor.kind if server.supervisor is not None else '') or 'no'}",
        f"run_id:{server.run_id}",
        f"tcp_port:{config['port']}",
        f"server_time_usec:{time.time_ns() // 1000}",
        f"uptime_in_seconds:{uptime}",
        f"uptime_in_days:{uptime // 86400}",
        f"hz:{server.engine.get('hz')}",
        f"configured_hz:{config['hz']}",
        f"clients_hz:{config['hz']}",
        f"lru_clock:{server.engine.now_ms // 1000 & ACCESS_CLOCK_MASK}",
        f"executable:{server.executable}",
        f"config_file:{server.config_path or ''}",
        "io_threads_active:0",
        f"availability_zone:{config['availability-zone'].decode('utf-8', 'surrogateescape')}",
    ]
    return lines + [f"listener{number}:{text}" for number, text in enumerate(_listeners(server))]


def _clock_name(machine: str) -> str:
    # What the data plane counts with; see clock.pxd.
    if machine == "x86_64":
        return "X86 TSC"
    return "ARM CNTVCT" if machine in ("aarch64", "arm64") else "POSIX clock_gettime"


def _listeners(server: Server) -> Iterable[str]:
    config = server.config
    if config["port"]:
        addresses = "".join(f"bind={address}," for address in config["bind"])
        yield f"name=tcp,{addresses}port={config['port']}"
    if config["unixsocket"]:
        yield f"name=unix,bind={config['unixsocket']}"


def _clients_section(server: Server) -> list[str]:
    memory = server.engine.memory
    waiting = server.engine.waiting_statistics
    return [
        f"connected_clients:{server.engine.connections_count}",
        "cluster_connections:0",
        f"maxclients:{server.config['maxclients']}",
        f"client_recent_max_input_buffer:{memory['largest_input']}",
        f"client_recent_max_output_buffer:{memory['largest_output']}",
        f"blocked_clients:{server.engine.blocked_clients + server.pause.postponed}",
        f"tracking_clients:{server.engine.tracking_statistics['clients']}",
        f"pubsub_clients:{server.engine.pubsub_statistics['clients']}",
        f"watching_clients:{waiting['watching_clients']}",
        f"clients_in_timeout_table:{waiting['timed_clients']}",
        f"total_watched_keys:{waiting['watched_keys']}",
        f"total_blocking_keys:{waiting['keys']}",
        f"total_blocking_keys_on_nokey:{waiting['keys_also_missing']}",
        f"paused_reason:{server.pause.reason}",
        f"paused_actions:{server.pause.mode}",
        f"paused_timeout_milliseconds:{server.pause.remaining_ms}",
    ]


class MemoryFigures:
    """The figures that INFO and MEMORY derive from what the engine and the system say. Bytes, unless it says ratio."""

    def __init__(self, server: needs.Measurement) -> None:
        memory = server.engine.memory
        startup = server.metrics.startup_memory
        self.used: int = memory["used"]
        self.peak: int = memory["peak"]
        self.startup: int = self.used if startup is None else startup
        self.clients: int = memory["normal_clients"]
        self.replicas: int = memory["replica_clients"]
        self.uncounted: int = memory["uncounted"]
        self.tables: int = memory["tables"]
        # The heap's own share of the process: what it has from the system, for small blocks and for large ones.
        self.heap: int = max(memory["mapped"] + memory["large"], self.used)
        self.resident = resident_bytes()
        self.overhead = self.startup + self.clients + self.replicas + self.tables
        self.dataset = max(0, self.used - self.overhead)
        net = self.used - self.startup
        self.dataset_percent = min(100.0, self.dataset * 100 / net) if net > 0 else 0.0
        self.peak_percent = self.used * 100 / self.peak if self.peak else 0.0
        self.pending_objects: int = memory["discarded_entries"]
        self.largest_input: int = memory["largest_input"]
        self.largest_output: int = memory["largest_output"]
        self.rehashing_tables = 0
        self.rehashing_bytes = 0
        self.keys = 0
        for number in range(server.engine.databases_count):
            tables = server.engine.database_statistics(number)
            self.keys += tables["keys"]
            for kind in ("keys", "expires"):
                buckets = tables[f"{kind}_buckets"] + tables[f"{kind}_buckets_new"]
                if tables[f"{kind}_rehashing"]:
                    self.rehashing_tables += 1
                    self.rehashing_bytes += tables[f"{kind}_table_bytes"] * tables[f"{kind}_buckets"] // buckets


def resident_bytes() -> int:
    """Bytes of memory that the process has in use now; where the system does not tell, the most it ever had."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def total_system_memory() -> int:
    """Bytes of memory that the machine has; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def human_bytes(size: int) -> str:
    """An amount of bytes as the `…_human` fields have it: 512B, 1.50M."""
    if size < 1024:
        return f"{size}B"
    value = float(size)
    for unit in "KMGTPE":
        value /= 1024
        if value < 1024 or unit == "E":
            break
    return f"{value:.2f}{unit}"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _memory_section(server: Server) -> list[str]:
    figures = MemoryFigures(server)
    config = server.config
    system = total_system_memory()
    limit = config["maxmemory"]
    functions = server.engine.function_statistics()  # which may make the interpreter
    scripting = server.engine.scripting_statistics()
    vm_eval = scripting["vm_memory"] - functions["vm_memory"]
    scripts_memory = scripting["scripts_memory"] + functions["memory"]
    return [
        f"used_memory:{figures.used}",
        f"used_memory_human:{human_bytes(figures.used)}",
        f"used_memory_rss:{figures.resident}",
        f"used_memory_rss_human:{human_bytes(figures.resident)}",
        f"used_memory_peak:{figures.peak}",
        f"used_memory_peak_human:{human_bytes(figures.peak)}",
        f"used_memory_peak_perc:{figures.peak_percent:.2f}%",
        f"used_memory_overhead:{figures.overhead}",
        f"used_memory_startup:{figures.startup}",
        f"used_memory_dataset:{figures.dataset}",
        f"used_memory_dataset_perc:{figures.dataset_percent:.2f}%",
        f"allocator_allocated:{figures.used}",
        f"allocator_active:{figures.heap}",
        f"allocator_resident:{figures.heap}",
        "allocator_muzzy:0",
        f"total_system_memory:{system}",
        f"total_system_memory_human:{human_bytes(system)}",
        f"used_memory_lua:{vm_eval}",
        f"used_memory_vm_eval:{vm_eval}",
        f"used_memory_lua_human:{human_bytes(vm_eval)}",
        f"used_memory_scripts_eval:{scripting['scripts_memory']}",
        f"number_of_cached_scripts:{scripting['scripts']}",
        f"number_of_functions:{functions['functions']}",
        f"number_of_libraries:{functions['libraries']}",
        f"used_memory_vm_functions:{functions['vm_memory']}",
        f"used_memory_vm_total:{scripting['vm_memory']}",
        f"used_memory_vm_total_human:{human_bytes(scripting['vm_memory'])}",
        f"used_memory_functions:{functions['memory']}",
        f"used_memory_scripts:{scripts_memory}",
        f"used_memory_scripts_human:{human_bytes(scripts_memory)}",
        f"maxmemory:{limit}",
        f"maxmemory_human:{human_bytes(limit)}",
        f"maxmemory_policy:{config['maxmemory-policy']}",
        f"allocator_frag_ratio:{_ratio(figures.heap, figures.used):.2f}",
        f"allocator_frag_bytes:{figures.heap - figures.used}",
        "allocator_rss_ratio:1.00",
        "allocator_rss_bytes:0",
        f"rss_overhead_ratio:{_ratio(figures.resident, figures.heap):.2f}",
        f"rss_overhead_bytes:{figures.resident - figures.heap}",
        f"mem_fragmentation_ratio:{_ratio(figures.resident, figures.used):.2f}",
        f"mem_fragmentation_bytes:{figures.resident - figures.used}",
        f"mem_not_counted_for_evict:{figures.uncounted}",
        "mem_replication_backlog:0",
        "mem_total_replication_buffers:0",
        f"mem_clients_slaves:{figures.replicas}",
        f"mem_clients_normal:{figures.clients}",
        "mem_cluster_links:0",
        f"mem_aof_buffer:{server.append_only.log.waiting}",
        "mem_allocator:redislite",
        f"mem_overhead_db_hashtable_rehashing:{figures.rehashing_bytes}",
        "active_defrag_running:0",
        f"lazyfree_pending_objects:{figures.pending_objects}",
        f"lazyfreed_objects:{server.engine.statistics['lazily_freed']}",
    ]


def _persistence_section(server: Server) -> list[str]:
    child = server.children.active
    report = child.report if child is not None else None
    snapshots = server.snapshots
    loading = server.loading
    append_only = server.append_only
    lines = [
        f"loading:{int(loading.active)}",
        "async_loading:0",
        f"current_cow_peak:{report.copied_peak if report is not None else 0}",
        f"current_cow_size:{report.copied if report is not None else 0}",
        f"current_cow_size_age:{child.copied_age if child is not None else 0}",
        f"current_fork_perc:{child.percent if child is not None else 0:.2f}",
        f"current_save_keys_processed:{report.keys if report is not None else 0}",
        f"current_save_keys_total:{child.keys_total if child is not None else 0}",
        f"rdb_changes_since_last_save:{server.engine.dirty}",
        f"rdb_bgsave_in_progress:{int(snapshots.is_running)}",
        f"rdb_last_save_time:{snapshots.last_save}",
        f"rdb_last_bgsave_status:{'ok' if snapshots.last_succeeded else 'err'}",
        f"rdb_last_bgsave_time_sec:{snapshots.last_seconds}",
        f"rdb_current_bgsave_time_sec:{snapshots.running_seconds}",
        f"rdb_saves:{snapshots.saves}",
        f"rdb_last_cow_size:{server.children.last_copied.get(SNAPSHOT_CHILD, 0)}",
        f"rdb_last_load_keys_expired:{snapshots.keys_expired}",
        f"rdb_last_load_keys_loaded:{snapshots.keys_loaded}",
        f"aof_enabled:{int(append_only.state != OFF)}",
        f"aof_rewrite_in_progress:{int(append_only.is_rewriting)}",
        f"aof_rewrite_scheduled:{int(append_only.scheduled)}",
        f"aof_last_rewrite_time_sec:{append_only.last_rewrite_seconds}",
        f"aof_current_rewrite_time_sec:{append_only.rewriting_seconds}",
        f"aof_last_bgrewrite_status:{'ok' if append_only.last_rewrite_succeeded else 'err'}",
        f"aof_rewrites:{append_only.rewrites}",
        f"aof_rewrites_consecutive_failures:{append_only.failures}",
        f"aof_last_write_status:{'err' if append_only.log.error else 'ok'}",
        f"aof_last_cow_size:{server.children.last_copied.get(REWRITE_CHILD, 0)}",
        "module_fork_in_progress:0",
        "module_fork_last_cow_size:0",
    ]
    if append_only.state != OFF:
        lines += [
            f"aof_current_size:{append_only.size}",
            f"aof_base_size:{append_only.base_size}",
            f"aof_pending_rewrite:{int(append_only.scheduled)}",
            f"aof_buffer_length:{append_only.log.waiting}",
            f"aof_pending_bio_fsync:{int(append_only.log.syncing)}",
            f"aof_delayed_fsync:{append_only.log.delayed}",
        ]
    if loading.active:
        lines += [
            f"loading_start_time:{int(loading.started)}",
            f"loading_total_bytes:{loading.total}",
            f"loading_rdb_used_mem:{loading.used_memory}",
            f"loading_loaded_bytes:{loading.loaded}",
            f"loading_loaded_perc:{loading.percent:.2f}",
            f"loading_eta_seconds:{loading.remaining_seconds}",
        ]
    return lines


def _stats_section(server: Server) -> list[str]:
    statistics = server.engine.statistics
    pubsub = server.engine.pubsub_statistics
    tracking = server.engine.tracking_statistics
    metrics = server.metrics
    loop = server.engine.loop_statistics
    turns = metrics.rate("loop_turns")
    exceeded_ms, exceeded_total_ms = server.engine.eviction_exceeded_ms
    return [
        f"total_connections_received:{statistics['connections_received']}",
        f"total_commands_processed:{statistics['commands_processed']}",
        f"instantaneous_ops_per_sec:{metrics.rate('commands_processed'):.0f}",
        f"total_net_input_bytes:{statistics['input_bytes']}",
        f"total_net_output_bytes:{statistics['output_bytes']}",
        "total_net_repl_input_bytes:0",
        "total_net_repl_output_bytes:0",
        f"instantaneous_input_kbps:{metrics.rate('input_bytes') / 1024:.2f}",
        f"instantaneous_output_kbps:{metrics.rate('output_bytes') / 1024:.2f}",
        "instantaneous_input_repl_kbps:0.00",
        "instantaneous_output_repl_kbps:0.00",
        f"rejected_connections:{statistics['connections_rejected']}",
        "sync_full:0",
        "sync_partial_ok:0",
        "sync_partial_err:0",
        f"{server.config.profile['expired_fields_line']}:{statistics['expired_fields']}",
        f"expired_keys:{statistics['expired_keys']}",
        f"expired_stale_perc:{statistics['expired_stale_percent']:.2f}",
        f"expired_time_cap_reached_count:{statistics['expired_time_cap_reached']}",
        f"expire_cycle_cpu_milliseconds:{statistics['expire_cycle_us'] // 1000}",
        f"evicted_keys:{statistics['evicted_keys']}",
        f"evicted_clients:{statistics['evicted_clients']}",
        f"evicted_scripts:{statistics['evicted_scripts']}",
        f"total_eviction_exceeded_time:{exceeded_total_ms}",
        f"current_eviction_exceeded_time:{exceeded_ms}",
        f"keyspace_hits:{statistics['keyspace_hits']}",
        f"keyspace_misses:{statistics['keyspace_misses']}",
        f"pubsub_channels:{pubsub['channels']}",
        f"pubsub_patterns:{pubsub['patterns']}",
        f"pubsubshard_channels:{pubsub['sharded_channels']}",
        f"latest_fork_usec:{server.children.fork_us}",
        f"total_forks:{server.children.forks}",
        "migrate_cached_sockets:0",
        "slave_expires_tracked_keys:0",
        "active_defrag_hits:0",
        "active_defrag_misses:0",
        "active_defrag_key_hits:0",
        "active_defrag_key_misses:0",
        "total_active_defrag_time:0",
        "current_active_defrag_time:0",
        f"tracking_total_keys:{tracking['keys']}",
        f"tracking_total_items:{tracking['items']}",
        f"tracking_total_prefixes:{tracking['prefixes']}",
        "unexpected_error_replies:0",
        f"total_error_replies:{statistics['error_replies']}",
        "dump_payload_sanitizations:0",
        f"total_reads_processed:{statistics['reads_processed']}",
        f"total_writes_processed:{statistics['writes_processed']}",
        "io_threaded_reads_processed:0",
        "io_threaded_writes_processed:0",
        f"client_query_buffer_limit_disconnections:{statistics['query_limit_disconnections']}",
        f"client_output_buffer_limit_disconnections:{statistics['output_limit_disconnections']}",
        "reply_buffer_shrinks:0",
        "reply_buffer_expands:0",
        f"eventloop_cycles:{loop['turns']}",
        f"eventloop_duration_sum:{loop['us']:.0f}",
        f"eventloop_duration_cmd_sum:{loop['command_us']:.0f}",
        f"instantaneous_eventloop_cycles_per_sec:{turns:.0f}",
        f"instantaneous_eventloop_duration_usec:{metrics.rate('loop_us') / turns if turns else 0:.0f}",
        f"acl_access_denied_auth:{metrics.denied['auth']}",
        f"acl_access_denied_cmd:{metrics.denied['command']}",
        f"acl_access_denied_key:{metrics.denied['key']}",
        f"acl_access_denied_channel:{metrics.denied['channel']}",
        f"acl_access_denied_db:{metrics.denied['database']}",
    ]


def _threads_section(server: Server) -> list[str]:
    statistics = server.engine.statistics
    return [
        f"io_thread_0:clients={server.engine.connections_count},reads={statistics['reads_processed']},"
        f"writes={statistics['writes_processed']}"
    ]


def _tls_section(server: Server) -> list[str]:
    return [
        line
        for name in ("server_cert", "client_cert", "ca_cert")
        for line in (f"tls_{name}_serial:none", f"tls_{name}_expires_in_seconds:0")
    ]


def _replication_section(server: Server) -> list[str]:
    return [
        "role:master",
        "connected_slaves:0",
        "master_failover_state:no-failover",
        f"master_replid:{server.metrics.replication_id}",
        "master_replid2:" + "0" * 40,
        "master_repl_offset:0",
        "second_repl_offset:-1",
        "repl_backlog_active:0",
        f"repl_backlog_size:{server.config['repl-backlog-size']}",
        "repl_backlog_first_byte_offset:0",
        "repl_backlog_histlen:0",
    ]


def _cpu_section(server: Server) -> list[str]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [
        f"used_cpu_sys:{own.ru_stime:.6f}",
        f"used_cpu_user:{own.ru_utime:.6f}",
        f"used_cpu_sys_children:{children.ru_stime:.6f}",
        f"used_cpu_user_children:{children.ru_utime:.6f}",
    ]
    # Not every system accounts for threads. Commands run on the thread that asks here.
    who = getattr(resource, "RUSAGE_THREAD", None)
    if who is not None:
        thread = resource.getrusage(who)
        lines.append(f"used_cpu_sys_main_thread:{thread.ru_stime:.6f}")
        lines.append(f"used_cpu_user_main_thread:{thread.ru_utime:.6f}")
    if server.config.presented["tells_active_time"]:
        active = max(0.0, server.engine.loop_statistics["us"] - server.metrics.cron_us)
        lines.append(f"used_active_time_main_thread:{active / 1e6:.6f}")
    return lines


def _modules_section(server: Server) -> list[str]:
    return []


def _safe(name: str) -> str:
    """A name that cannot be taken for the syntax of a line."""
    return name.translate(_UNSAFE)


_UNSAFE = str.maketrans("#:\n\r", "____")


def _commandstats_section(server: Server) -> list[str]:
    return [
        f"cmdstat_{_safe(name)}:calls={calls},usec={us:.0f},usec_per_call={us / calls if calls else 0:.2f},"
        f"rejected_calls={rejected},failed_calls={failed}"
        for name, calls, us, rejected, failed in server.engine.command_statistics()
    ]


def _errorstats_section(server: Server) -> list[str]:
    return [f"errorstat_{_safe(name)}:count={count}" for name, count in server.engine.error_statistics()]


def _latencystats_section(server: Server) -> list[str]:
    # What was measured while it was on is out of date, and stays for LATENCY HISTOGRAM alone.
    if not server.config["latency-tracking"]:
        return []
    percentiles = server.config["latency-tracking-info-percentiles"]
    lines: list[str] = []
    for row in server.table.rows:
        histogram = server.engine.latency_histogram(row.id)
        if histogram:
            values = ",".join(
                f"p{_percentile_name(percentile)}={at_percentile(histogram, percentile) / 1000:.3f}"
                for percentile in percentiles
            )
            lines.append(f"latency_percentiles_usec_{_safe(row.name)}:{values}")
    return lines


def _percentile_name(percentile: float) -> str:
    return f"{percentile:f}".rstrip("0").rstrip(".")


def at_percentile(histogram: Sequence[tuple[int, int]], percentile: float) -> int:
    """The bound of the bucket below which this share of all calls is, in the unit of the bounds."""
    total = sum(count for _, count in histogram)
    wanted = max(1, int(percentile / 100 * total + 0.5))
    seen = 0
    for bound, count in histogram:
        seen += count
        if seen >= wanted:
            return bound
    return histogram[-1][0]


def _cluster_section(server: Server) -> list[str]:
    return ["cluster_enabled:0"]


SCRIPTING_INTERFACE = 4  # version of Valkey's interface for engines, whose first and only one this is


def _scripting_engines_section(server: Server) -> list[str]:
    functions = server.engine.function_statistics()  # which may make the interpreter
    scripting = server.engine.scripting_statistics()
    overhead = scripting["scripts_memory"] + functions["memory"]
    used = scripting["vm_memory"]
    return [
        "engines_count:1",
        f"engines_total_used_memory:{used}",
        f"engines_total_memory_overhead:{overhead}",
        f"engine_0:name=LUA,module=lua,abi_version={SCRIPTING_INTERFACE},used_memory={used},memory_overhead={overhead}",
    ]


def _keyspace_section(server: Server) -> list[str]:
    items = server.config.profile["volatile_items_field"]
    lines: list[str] = []
    for number in range(server.engine.databases_count):
        database = server.engine.database_statistics(number)
        if database["keys"]:
            lines.append(
                f"db{number}:keys={database['keys']},expires={database['expires']},avg_ttl={database['average_ttl_ms']}"
                f",{items}={database['field_expires']}"
            )
    return lines


KEY_SIZES_BUDGET_US = 2000  # for all databases together
_SIZES_NAMES = {
    "string": "strings_sizes",
    "list": "lists_items",
    "set": "sets_items",
    "zset": "zsets_items",
    "hash": "hashes_items",
}


def _keysizes_section(server: Server) -> list[str]:
    filled = [number for number in range(server.engine.databases_count) if server.engine.database_size(number)]
    lines: list[str] = []
    for number in filled:
        sizes = server.engine.key_sizes(number, KEY_SIZES_BUDGET_US // len(filled))
        lines += [
            f"db{number}_distrib_{_SIZES_NAMES[kind]}:"
            + ",".join(f"{_short_size(size)}={count}" for size, count in sizes[kind].items())
            for kind in _SIZES_NAMES
            if kind in sizes
        ]
    return lines


def _short_size(size: int) -> str:
    """A power of two as the section writes it: 512, 1K, 2M."""
    for unit in ("", "K", "M", "G", "T", "P"):
        if size < 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}E"


def _debug_section(server: Server) -> list[str]:
    loop = server.engine.loop_statistics
    return [
        "eventloop_duration_aof_sum:0",
        f"eventloop_duration_cron_sum:{server.metrics.cron_us:.0f}",
        f"eventloop_duration_max:{loop['longest_us']:.0f}",
        f"eventloop_cmd_per_cycle_max:{loop['most_commands']}",
    ]


_SECTIONS: dict[str, tuple[str, Section]] = {
    "server": ("Server", _server_section),
    "tls": ("TLS", _tls_section),
    "clients": ("Clients", _clients_section),
    "memory": ("Memory", _memory_section),
    "persistence": ("Persistence", _persistence_section),
    "threads": ("Threads", _threads_section),
    "stats": ("Stats", _stats_section),
    "replication": ("Replication", _replication_section),
    "cpu": ("CPU", _cpu_section),
    "modules": ("Modules", _modules_section),
    "commandstats": ("Commandstats", _commandstats_section),
    "errorstats": ("Errorstats", _errorstats_section),
    "latencystats": ("Latencystats", _latencystats_section),
    "cluster": ("Cluster", _cluster_section),
    "scriptingengines": ("Scripting Engines", _scripting_engines_section),
    "keyspace": ("Keyspace", _keyspace_section),
    "keysizes": ("Keysizes", _keysizes_section),
    "debug": ("Debug", _debug_section),
}
# Those that the profile's own_sections has are shown.
SECTIONS_OF_ONE = ("tls", "threads", "keysizes", "scriptingengines")
_DETAILED = ("commandstats", "latencystats", "tls", "scriptingengines")
_ASKED_FOR = ("debug",)  # shown only by name
_GROUPS: dict[str, tuple[str, ...]] = {
    "default": tuple(name for name in _SECTIONS if name not in _DETAILED + _ASKED_FOR),
    "all": tuple(name for name in _SECTIONS if name not in _ASKED_FOR),
    "everything": tuple(name for name in _SECTIONS if name not in _ASKED_FOR),
    "module_list": ("modules",),
}
