"""Time, and turns of the loop; the contract is in turns.pxd."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from redislite._core.base.clock cimport clock_counter, clock_monotonic_ns, clock_wall_ns
from redislite._core.state.core cimport Core
from redislite._core.state.statistics cimport Statistics


cdef void renew_clock(Core* core) noexcept nogil:
    cdef uint64_t ticks
    cdef int64_t wall_ns
    if core.executing == NULL:
        ticks = clock_counter()
        wall_ns = clock_wall_ns()
        core.now_ms = wall_ns // 1000000 + core.clock_offset_ms
        core.renewal_ticks = ticks + <uint64_t> (<double> (1000000 - wall_ns % 1000000) / core.ns_per_tick)
    core.expiry_ms = 0 if core.replaying else core.now_ms


# Both clocks at one moment, early: the longer ago, the better their ratio is known.
cdef int64_t BEGUN_NS = clock_monotonic_ns()
cdef uint64_t BEGUN_TICKS = clock_counter()


cdef void calibrate(Core* core, int64_t at_least_ns) noexcept nogil:
    cdef int64_t ns = clock_monotonic_ns() - BEGUN_NS
    cdef uint64_t ticks
    while ns < at_least_ns:
        ns = clock_monotonic_ns() - BEGUN_NS
    ticks = clock_counter() - BEGUN_TICKS
    core.ns_per_tick = <double> ns / <double> (ticks if ticks else <uint64_t> 1)
    settings_in_ticks(core)


cdef uint64_t ticks_of(double ticks) noexcept nogil:
    """As a number of ticks; what no clock reaches is never."""
    return <uint64_t> ticks if ticks < <double> INT64_MAX else ~<uint64_t> 0


cdef void settings_in_ticks(Core* core) noexcept nogil:
    cdef uint64_t never = ~<uint64_t> 0
    core.slow_ticks = never
    core.latency_ticks = never
    core.large_request = <size_t> never
    core.large_reply = <size_t> never
    if core.settings.slow_us >= 0:
        core.slow_ticks = ticks_of(core.settings.slow_us * 1e3 / core.ns_per_tick)
    if core.settings.latency_threshold_ms > 0:
        core.latency_ticks = ticks_of(core.settings.latency_threshold_ms * 1e6 / core.ns_per_tick)
    if core.settings.large_request_bytes >= 0:
        core.large_request = core.settings.large_request_bytes
    if core.settings.large_reply_bytes >= 0:
        core.large_reply = core.settings.large_reply_bytes


cdef void begin_turn(Core* core) noexcept nogil:
    core.turn_begun = clock_counter()
    core.turn_commands = core.statistics.commands_processed


cdef void end_turn(Core* core) noexcept nogil:
    cdef Statistics* statistics = &core.statistics
    cdef uint64_t elapsed
    if core.turn_begun == 0:
        return
    elapsed = clock_counter() - core.turn_begun
    core.turn_begun = 0
    statistics.loop_turns += 1
    statistics.loop_ticks += elapsed
    if elapsed > statistics.loop_ticks_most:
        statistics.loop_ticks_most = elapsed
    if statistics.commands_processed - core.turn_commands > statistics.commands_per_turn_most:
        statistics.commands_per_turn_most = statistics.commands_processed - core.turn_commands
