"""Samples for the latency monitor: how long something took, told where that reaches ``latency-monitor-threshold``.

Between ``latency_begin`` and ``latency_end`` stands what is measured; they may nest. While the monitor is off each
costs one test.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.clock cimport clock_counter
from redislite._core.state.core cimport Core


# The counter now, 0 while the monitor is off: for latency_end.
cdef inline uint64_t latency_begin(const Core* core) noexcept nogil:
    return clock_counter() if core.settings.latency_threshold_ms > 0 else 0


# Tells of an event of this many counts if it was long.
cdef inline void latency_sample_if_long(Core* core, const char* event, uint64_t elapsed) noexcept nogil:
    if elapsed >= core.latency_ticks:
        core.upcalls.latency_sample(core, event, <int64_t> (<double> elapsed * core.ns_per_tick / 1000000))


# Tells of an event that began then, and ends now, if it was long.
cdef inline void latency_end(Core* core, const char* event, uint64_t begun) noexcept nogil:
    if begun:
        latency_sample_if_long(core, event, clock_counter() - begun)
