"""Time, and turns of the loop; the contract is in turns.pxd."""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.clock cimport clock_counter, clock_wall_ns
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
