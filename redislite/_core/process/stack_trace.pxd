"""Stack traces of all threads, written to a descriptor from wherever the process stands, a signal handler too.

Each thread is asked by a signal to write its own, one after the other; one that does not answer in time is named.
Python's stacks come from the interpreter's own faulthandler, if it was told of a signal and a descriptor for that.

Needed before, once per process: stack_trace_prepare. Guarantee: async-signal-safe as far as `backtrace` is, which
looks into no memory but stacks and the tables of the libraries.
"""

# What is asked of each thread.
cdef enum:
    THREAD_TRACE = 1            # its stack
    THREAD_STOP = 2             # never to run again


# Catches the signal that asks threads, and has everything loaded that a trace needs. python_signal: one for which
# faulthandler writes all stacks to the descriptor python_fd, which may be made to point elsewhere; 0: there is none.
cdef void stack_trace_prepare(int python_signal, int python_fd) noexcept nogil
# The part of the log that shows the stacks. pc: the instruction that was interrupted, or NULL.
cdef void stack_trace_write(int fd, void* pc) noexcept nogil
# Asks all other threads; what they write goes to fd. How many did not answer, each of which is named there.
cdef int stack_trace_ask(int fd, int request) noexcept nogil
