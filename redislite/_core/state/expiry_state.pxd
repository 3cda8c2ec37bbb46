"""Who may remove what has passed its deadline: one state of the engine, asked here and nowhere else.

    free    whoever finds a key or a field whose time is up removes it, and so does cron
    held    nobody sees it, and only who writes it removes it: writes are paused, or the data set is filled from
            elsewhere (import mode)
    none    nothing has passed: what is executed has been executed elsewhere in its own time (replaying), or comes from
            the client that fills the data set (CLIENT IMPORT-SOURCE, in import mode)

Core.expiry_ms is now_ms, and 0 while replaying, so that in the state free one comparison tells.
"""
from libc.stdint cimport int64_t
from redislite._core.state.core cimport Core
from redislite._core.state.flags cimport CLIENT_IMPORT_SOURCE, GATE_PAUSE_ALL, GATE_PAUSE_WRITE


# Whether what is over stays where it is until it is written.
cdef inline bint expiry_is_held(const Core* core) noexcept nogil:
    return core.gate & (GATE_PAUSE_ALL | GATE_PAUSE_WRITE) != 0 or core.settings.import_mode != 0


# Whether the client whose command runs fills the data set from elsewhere, so that for it no time is ever up.
cdef inline bint sees_expired(const Core* core) noexcept nogil:
    return core.settings.import_mode and core.executing != NULL and core.executing.flags & CLIENT_IMPORT_SOURCE != 0


# Deadlines before this have passed for the command that runs; ms since 1970, 0: none has.
cdef inline int64_t expired_before(const Core* core) noexcept nogil:
    return 0 if sees_expired(core) else core.expiry_ms


# Whether this deadline has passed for the command that runs; negative: there is none.
cdef inline bint is_expired(const Core* core, int64_t deadline_ms) noexcept nogil:
    return deadline_ms >= 0 and deadline_ms < core.expiry_ms and not sees_expired(core)


# Whether what is given this deadline is to be removed at once instead. In import mode it waits for who fills the data
# set.
cdef inline bint deadline_removes(const Core* core, int64_t deadline_ms) noexcept nogil:
    return deadline_ms <= core.expiry_ms and not core.settings.import_mode
