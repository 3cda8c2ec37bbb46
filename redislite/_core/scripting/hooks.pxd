"""Hooks: functions in Python that are called for keyspace events, when the unit of execution is over that has caused
them.

    notify ─▶ Upcalls.key_event ─▶ key_hooked ─▶ Hooks.waiting ─▶ the unit's end ─▶ run_hooks ─▶ the function, with a
    Caller

Each call is a unit of execution of its own, and what it writes is propagated as such.  What a hook raises is told to
on_exception, and nothing else happens.

A hook may cause events, for which other hooks are called, but never one because of what it has done itself, nor because
of what others did for that reason: so it comes to an end, whatever they do.
"""
from redislite._core.state.core cimport Client, Core, Database


cdef class Hooks:
    # both set by who makes it; client: for whom hooks act, one of the engine's own, which may do everything
    cdef Core* core
    cdef Client* client
    cdef dict by_event          # lists of hooks (extension.py), by the event's name
    cdef list waiting           # calls: (hook, event, key, number of the database, causes)
    cdef tuple causes           # hooks on whose account the one that runs was called, itself included

    cdef int add(self, object hook) except -1
    cdef int remove(self, object hook) except -1
    cdef int _tell(self) except -1
    cdef int note(self, Database* database, bytes event, const char* key, size_t length) except -1
    cdef void run(self) noexcept
    cdef int _call(self, tuple call) except -1


# What Core.upcalls has under these names.
cdef void key_hooked(Core* core, Database* database, const char* name, const char* key, size_t length) noexcept nogil
cdef void run_hooks(Core* core) noexcept with gil
