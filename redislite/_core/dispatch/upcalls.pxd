"""Calls from the data plane up: commands of the Python tier, and the engine's on_... attributes.

    nogil code ─▶ Core.upcalls ─▶ here, with the GIL ─▶ Engine.on_..., a row's handler

Each takes the GIL itself and none raises. What goes wrong in one is told to on_exception. What that raises in turn, and
what is no Exception (KeyboardInterrupt), is kept in Engine.failure, and raised by Engine.execute or at the end of the
turn by Engine.before_sleep, so that nothing vanishes. A command of the Python tier that fails is answered in any case:
one error in the place of all that it had replied, which asks Python for nothing.
"""
from redislite._core.state.core cimport Core


# Fills in Core.upcalls, but for those that modules above this one bring.
cdef void upcalls_init(Core* core) noexcept nogil
# Tells on_exception what went wrong in an upcall, or keeps it.
cdef void upcall_failed(Core* core, object error) noexcept
