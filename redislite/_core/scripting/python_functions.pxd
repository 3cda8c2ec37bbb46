"""Libraries of functions in Python, where enable-python-functions says yes: their code may do whatever the server's
process may.

    #!python name=mylib
    @redislite.function(flags=("no-writes",))
    def total(db, keys, arguments):
        return sum(int(db.call("GET", key) or 0) for key in keys)

A library is a namespace of its own, in which its code is run once; what it has decorated in it are its functions
(extension.py).
"""
from redislite._core.scripting.functions cimport FunctionEngine


cdef const FunctionEngine* python_functions() noexcept nogil
