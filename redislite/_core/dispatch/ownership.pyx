"""Threads within an engine; the contract is in ownership.pxd."""
from _thread import allocate_lock

from libc.stdint cimport uint64_t
from redislite._core.state.core cimport Core


cdef int own_slowly(Core* core, uint64_t thread) except -1:
    cdef list entering = (<object> core.engine).entering
    lock = allocate_lock()
    lock.acquire()
    while core.owner != 0:
        entering.append(lock)
        core.owner_waiters += 1
        if core.owner == 0:
            # It has left while the list grew, and may have seen nobody.
            forget(core, entering, lock)
            break
        try:
            lock.acquire()
        except BaseException:
            if not forget(core, entering, lock):
                let_next_in(core)       # it was our turn
            raise
    return 0


cdef bint forget(Core* core, list entering, object lock) except -1:
    """Takes the lock out of the list; false where its turn has come already."""
    if lock not in entering:
        return 0
    entering.remove(lock)
    core.owner_waiters -= 1
    return 1


cdef void let_next_in(Core* core) noexcept:
    cdef list entering = (<object> core.engine).entering
    if entering and core.owner == 0:
        lock = entering.pop(0)
        core.owner_waiters -= 1
        lock.release()
