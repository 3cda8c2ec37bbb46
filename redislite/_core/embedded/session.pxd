"""A client of the engine in this process: a real one, in the list of clients, without a descriptor.

    bytes                 send    ─▶ client_read, client_use_input, as with a socket ─▶ its output
    an argument vector    execute ─▶ call_command                                    ─▶ its output ─▶ objects

What is executed is executed before the call returns. Output is not written but taken: by `receive` as bytes, or by
`execute` as the object that it stands for. A command that must wait is made a request in the client's own parser
(client_park), so that from there on it waits, is woken, timed out, unblocked and paused as any other; whoever waits for
output is told by the transport's `offer`.

What a command that may wait has popped for a session that is closed before the reply was taken is put back
(undelivered.py).

Any thread may call, at any time (dispatch/ownership). Calls give the engine its turns (Engine.turn), and so does a
thread that waits: nobody else needs to. A call from within a command (of the Python tier, a hook) is executed at once,
and waits for nothing.
"""
from libc.stdint cimport uint64_t
from redislite._core.connection cimport Connection
from redislite._core.protocol.decoding cimport Decoder
from redislite._core.protocol.encoding cimport Vector
from redislite._core.state.core cimport Client, Command, Core


cdef class Session(Connection):
    cdef Core* engine_core              # the engine's, also once the session is closed
    cdef Decoder decoder
    cdef object encoder                 # see vector_add
    cdef bint encodes_text
    cdef const char* input              # what `send` has been given, and nobody has read yet
    cdef size_t input_length
    cdef list wakers                    # are called once, when there is output or the session is closed
    cdef list closing                   # the engine's
    # The request that waits, or might have waited and whose reply nobody has taken; None: none.
    cdef list waited
    # Messages that `execute` has come across, oldest first, as lists.
    cdef public list pushes

    cdef bint is_closed(self) noexcept
    cdef int check_free(self) except -1
    cdef int tick(self) except -1
    cdef int settle(self) except -1
    cdef void wake(self) noexcept
    cdef int note_waiting(self) except -1
    cdef int put_back(self) except -1
    cdef int await_reply(self) except -1
    cdef int take_messages(self) except -1
    cdef void count_taken(self, size_t length) noexcept
    cdef object run(self, Vector* vector, bint raw)
    cdef object call(self, tuple words, bint raw)
    cdef int end_if_through(self) except -1
