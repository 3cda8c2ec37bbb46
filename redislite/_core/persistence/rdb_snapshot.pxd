"""Snapshots as Python asks for them: the engine's save_rdb, fork_save_rdb and load_rdb (engine.pyx) are these."""
from libc.stdint cimport uint64_t
from redislite._core.persistence.fork cimport ChildReport
from redislite._core.state.core cimport Core

# Each raises what its method is said to raise.
cdef object snapshot_save(Core* core, int fd, dict options)
cdef object snapshot_fork(Core* core, ChildReport report, int fd, dict options)
cdef object snapshot_load(Core* core, int fd, dict options)
cdef object module_aux_of(Core* core, uint64_t identifier, bytes fields)
