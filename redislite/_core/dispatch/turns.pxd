"""Time as commands see it, and what a turn of the loop has taken."""
from libc.stdint cimport int64_t
from redislite._core.state.core cimport Core


# Takes the wall clock: what now_ms says from here on. While a command runs, and all that it calls, time stands still.
cdef void renew_clock(Core* core) noexcept nogil
# Measures the processor's counter against the monotonic clock, since the process began to use it; waits until that is
# so many nanoseconds ago. Then settings_in_ticks.
cdef void calibrate(Core* core, int64_t at_least_ns) noexcept nogil
# The settings that call_command compares, in its units.
cdef void settings_in_ticks(Core* core) noexcept nogil
# Around what a turn of the loop does: its time and its commands are counted. A turn without a beginning is none.
cdef void begin_turn(Core* core) noexcept nogil
cdef void end_turn(Core* core) noexcept nogil
