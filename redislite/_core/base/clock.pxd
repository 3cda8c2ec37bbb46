"""Time sources: the processor's tick counter where it is steady, else the monotonic clock; and the wall clock.

``clock_ticks`` costs a few nanoseconds, has no fixed unit and serves durations only; ``Core.ns_per_tick``
(see core.pxd) converts. Commands never call these: they read ``Core.now_ms``, taken once for them.
"""
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #include <time.h>
    #include <stdint.h>
    static inline int64_t clock_read_ns(clockid_t id) {
        struct timespec now;
        clock_gettime(id, &now);
        return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
    }
    #if defined(__x86_64__)
    #include <x86intrin.h>
    static inline uint64_t clock_counter(void) { return __rdtsc(); }
    #elif defined(__aarch64__)
    static inline uint64_t clock_counter(void)
    { uint64_t v; __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v)); return v; }
    #else
    static inline uint64_t clock_counter(void) { return (uint64_t) clock_read_ns(CLOCK_MONOTONIC); }
    #endif
    static inline int64_t clock_wall_ns(void) { return clock_read_ns(CLOCK_REALTIME); }
    static inline int64_t clock_monotonic_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }
    """
    # The processor's counter, in units of its own; steady across cores on the machines we know.
    uint64_t clock_counter() noexcept nogil
    # Wall-clock time, nanoseconds since the Unix epoch.
    int64_t clock_wall_ns() noexcept nogil
    # Monotonic time in nanoseconds.
    int64_t clock_monotonic_ns() noexcept nogil
