"""Commands of a redis-py client executed by sessions: a base class of clients.

    execute_here    one command, its reply as redis-py's response callbacks make it
    run_pipeline    many, as one unit where they are a transaction

Knows nothing of redis-py but what it is told (`use_sessions`). Where something stands between a caller and the
connection that has to see each command (redis-py's execute_command patched, metrics, a cache, a client with a
connection of its own), or a command leaves something behind in its connection or waits, all steps back to connections
(OVER_CONNECTION).

Sessions are taken from a list and put back, last one first, so threads do not share one at a time.
"""
from redislite._core.embedded.session cimport Session


# What is known of the first argument of a command.
cdef class Name:
    cdef tuple words            # bytes
    cdef object key             # of its response callback
    cdef bint is_stateful       # it leaves something behind in its connection
    cdef bint has_second        # whether it does depends on the next argument
    cdef bint waits             # it may


cdef class Executor:
    cdef list idle              # sessions
    cdef object open_session    # called with the client, makes a session where none is there
    cdef object waits           # whether a command of this name may wait
    cdef object callbacks       # by name; a dict or of a class that derives from it
    cdef dict names
    cdef bint is_on
    cdef object behind          # the class that may be patched
    cdef object behind_function # its execute_command, as it was
    cdef object observed        # its attribute _provider_manager is None while nobody measures
    cdef object closed_error    # made of a text where a session was closed
    cdef object never_decode    # names of options
    cdef object empty_response

    # Whether commands are executed by sessions now.
    cdef bint is_direct(self) except -1
    # A Name.
    cdef object name_of(self, object first)
    # Whether a session may execute this. A command that leaves something behind in its connection has the client use
    # connections from here on, since those that follow may rely on it.
    cdef bint is_for_sessions(self, Name name, tuple args) except -1
    # A session that no other command uses until give_back.
    cdef object take_session(self)
    cdef int give_back(self, Session session) except -1
    # Executes a command; args: its name, which is not looked at, and its arguments. options: the caller's, or None.
    cdef object run(self, Name name, tuple args, dict options)
    # The reply as redis-py has it: what parse_response of its client does.
    cdef object answer(self, Name name, object value, dict options)
    # MULTI to EXEC: what each command has replied. Raises the first refusal where the transaction is refused.
    cdef list transact(self, Session session, list names, list commands)


# The Name of a command whose name is one word.
cdef object plain_name(str word)
