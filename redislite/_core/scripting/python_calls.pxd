"""Python code of others, and what it calls: commands in Python, and what functions and hooks have in common with them.

    a request ─▶ python_command ─▶ the function, with a Caller ─▶ Caller.call ─▶ run_call (calling.pxd)
                      │                                               │
                 the reply: what it returns, or has raised       a Python object, or CommandError raised

Whatever the code returns or raises, a request has one reply.  What it raises is told to on_exception, but for
CommandError, which is a reply, and for what Engine.execute raises where that has been asked for the command.
"""
from redislite._core.scripting.calling cimport Run
from redislite._core.state.core cimport Client, Core


# What Python code is given to call commands with, for as long as its Run goes on.
cdef class Caller:
    cdef Core* core
    cdef Run* run               # NULL: it is over
    cdef object engine
    cdef unsigned long thread   # the only one that may use it

    cdef Run* _running(self) except NULL


# Calls function(caller, *arguments) as the innermost Run, and answers what it returns; raises what it raises.
cdef object run_python_code(Core* core, Run* run, object function, tuple arguments)
# The same, and replies that to the Run's client.
cdef void reply_python_code(Core* core, Run* run, object function, tuple arguments) noexcept
# What is told of an exception that nobody has caught.
cdef void report_raised(Core* core, object error) noexcept
# The client's arguments from first on, before end.
cdef object arguments_from(const Client* client, int first, int end)
# The handler of every command in Python.
cdef void python_command(Core* core, Client* client) noexcept nogil
