"""Reports of crashes in the log, and of where the process stands when SIGALRM asks: what the original writes, as far as
it can be had in a signal handler. No Python code runs, no memory is taken, nothing is locked.

A report begins with what happened; then come its sections, each of which is begun once: a fault while
one is written, which broken memory makes likely, goes on with the next. At the end the process ends by the signal's
default action, so that a core is made.

Signals concern the process, so this module has state of the process: one reporter. It shows the engine that was named
by crash_watch, which who has the process to itself calls. Faults are caught between catch_faults(True) and
catch_faults(False); fatal errors that the server itself finds are reported whether or not.
"""
from redislite._core.state.core cimport Core


# Reports show this engine's clients and figures, until crash_forget.
cdef void crash_watch(Core* core) noexcept nogil
cdef void crash_forget(const Core* core) noexcept nogil
