"""Commands of a redis-py client executed by sessions; the contract is in executor.pxd."""
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from redislite._core.dispatch.ownership cimport disown, own
from redislite._core.embedded.session cimport Session
from redislite._core.protocol.encoding cimport Vector, vector_add, vector_begin, vector_end

from redislite._core.embedded.session import SessionClosed

cdef extern from "Python.h":
    bint PyExceptionInstance_Check(object value)

cdef enum:
    NAMES_MAX = 2000            # names of commands that are kept

OVER_CONNECTION = object()

# What a command leaves behind in its connection, or what takes the connection over: by its first words.
STATEFUL = frozenset((
    "ASKING", "AUTH", "CLIENT CACHING", "CLIENT NO-EVICT", "CLIENT NO-TOUCH", "CLIENT REPLY", "CLIENT SETINFO",
    "CLIENT SETNAME", "CLIENT TRACKING", "DISCARD", "EXEC", "HELLO", "HIMPORT", "MONITOR", "MULTI", "PSUBSCRIBE",
    "PSYNC", "PUNSUBSCRIBE", "QUIT", "READONLY", "READWRITE", "RESET", "SCRIPT DEBUG", "SELECT", "SSUBSCRIBE",
    "SUBSCRIBE", "SUNSUBSCRIBE", "SYNC", "UNSUBSCRIBE", "UNWATCH", "WATCH",
))


cdef class Name:
    """The contract is in executor.pxd."""


cdef class Executor:
    """A base class of clients; the contract is in executor.pxd."""

    def __cinit__(self, *args: object, **keywords: object) -> None:
        self.idle = []
        self.names = {}

    def use_sessions(self, *, open_session, waits, callbacks, behind, observed, closed_error, str never_decode,
                     str empty_response) -> None:
        """Has commands executed by sessions from here on. What is given is described in executor.pxd."""
        self.open_session = open_session
        self.waits = waits
        self.callbacks = callbacks
        self.behind = behind
        self.behind_function = behind.execute_command
        self.observed = observed
        self.closed_error = closed_error
        self.never_decode = never_decode
        self.empty_response = empty_response
        self.is_on = True

    def use_connections(self) -> None:
        """Has all commands executed over connections from here on."""
        self.is_on = False
        self.close_sessions()

    def close_sessions(self) -> None:
        """Closes the sessions that no command uses now."""
        cdef list idle = self.idle
        self.idle = []
        for session in idle:
            session.close()

    @property
    def uses_sessions(self) -> bool:
        """Whether commands are executed by sessions now."""
        return self.is_direct()

    cdef bint is_direct(self) except -1:
        return self.is_on and self.behind.execute_command is self.behind_function and \
            self.observed._provider_manager is None

    cdef object name_of(self, object first):
        cdef PyObject* found = PyDict_GetItem(self.names, first)
        cdef Name name
        if found != NULL:
            return <Name> found
        name = Name()
        text = first.decode("latin-1") if isinstance(first, bytes) else str(first)
        parts = text.upper().split() or [""]
        name.words = tuple(first.split() if isinstance(first, bytes) else text.encode().split()) or (b"",)
        name.key = text.upper() if isinstance(first, str) else first
        name.has_second = len(parts) == 1 and any(known.startswith(parts[0] + " ") for known in STATEFUL)
        name.is_stateful = parts[0] in STATEFUL or " ".join(parts[:2]) in STATEFUL
        name.waits = self.waits(text)
        if len(self.names) < NAMES_MAX:
            self.names[first] = name
        return name

    cdef bint is_for_sessions(self, Name name, tuple args) except -1:
        cdef bint stateful = name.is_stateful
        if name.has_second and len(args) > 1:
            second = args[1].decode("latin-1") if isinstance(args[1], bytes) else str(args[1])
            stateful = f"{name.key} {second.upper()}" in STATEFUL
        if stateful:
            self.use_connections()
        return not (stateful or name.waits)

    cdef object take_session(self):
        cdef Session session
        while self.idle:
            session = <Session> self.idle.pop()
            if not session.is_closed():
                return session
        return <Session?> self.open_session(self)

    cdef int give_back(self, Session session) except -1:
        if session.pushes:
            session.pushes.clear()
        if self.is_on and not session.is_closed():
            self.idle.append(session)
        else:
            session.close()
        return 0

    def execute_here(self, tuple args not None, dict options not None) -> object:
        """Executes one command, as redis-py's execute_command; OVER_CONNECTION, and nothing done, where that is for a
        connection to do."""
        cdef Name name
        if not args or not self.is_direct():
            return OVER_CONNECTION
        name = self.name_of(args[0])
        if (name.is_stateful or name.has_second or name.waits) and not self.is_for_sessions(name, args):
            return OVER_CONNECTION
        return self.run(name, args, options)

    def begin_waiting(self, tuple args not None) -> Session | None:
        """Has a session that is there begin a command that may wait, and answers the session, which is the caller's
        until end_waiting; None, and nothing done, where that is for a connection to do."""
        cdef Name name
        cdef Session session
        if not args or not self.is_direct() or not self.has_session:
            return None
        name = self.name_of(args[0])
        if not name.waits or name.is_stateful or name.has_second:
            return None
        session = self.take_session()
        try:
            words = [*name.words, *[bytes(session.encoder.encode(word)) for word in args[1:]]]
        except BaseException:
            self.give_back(session)
            raise
        session.send(b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))
        return session

    def end_waiting(self, Session session not None, tuple args not None, dict options not None) -> object:
        """The reply that has come for it, as execute_here has it."""
        try:
            value = session.read(raw=self.never_decode in options)
        except SessionClosed as error:
            raise self.closed_error(str(error)) from None
        finally:
            self.give_back(session)
        return self.answer(self.name_of(args[0]), value, options)

    @property
    def has_session(self) -> bool:
        """Whether a session is there for the next command."""
        while self.idle and (<Session> self.idle[len(self.idle) - 1]).is_closed():
            self.idle.pop()
        return bool(self.idle)

    def add_session(self, Session session not None) -> None:
        """Gives a session to the client, whose it is from here on."""
        self.give_back(session)

    cdef object run(self, Name name, tuple args, dict options):
        cdef Session session = self.take_session()
        cdef bint raw = False
        if options:
            raw = self.never_decode in options
        try:
            value = call(session, name, args, raw)
        except SessionClosed as error:
            raise self.closed_error(str(error)) from None
        finally:
            self.give_back(session)
        return self.answer(name, value, options)

    cdef object answer(self, Name name, object value, dict options):
        cdef PyObject* callback
        if PyExceptionInstance_Check(value):
            if options and self.empty_response in options:
                return options[self.empty_response]
            raise value
        if options:
            options.pop(self.never_decode, None)
            options.pop(self.empty_response, None)
            options.pop("keys", None)
        callback = PyDict_GetItem(self.callbacks, name.key)
        if callback == NULL:
            return value
        return (<object> callback)(value, **options) if options else (<object> callback)(value)

    def run_pipeline(self, list commands not None, bint transaction) -> list[object] | None:
        """Executes commands, as (args, options) each, with nothing of others in between, as one transaction or one by
        one. Answers what each of them has replied, errors among them, with callbacks applied; None where they are for a
        connection to execute. Nothing is executed where some argument cannot be encoded. The error of a transaction
        that is refused is raised, its attribute `number` telling which command was."""
        cdef Session session
        cdef Name name
        cdef list values = []
        cdef list answers = []
        if not self.is_direct():
            return None
        names = []
        for args, options in commands:
            name = self.name_of(args[0])
            if name.is_stateful or name.waits and not transaction or \
                    (name.has_second and not self.is_for_sessions(name, args)) or self.empty_response in options or \
                    (transaction and self.never_decode in options):
                return None
            names.append(name)
        session = self.take_session()
        own(session.engine_core)
        try:
            for args, options in commands:
                check(session, args)
            if transaction:
                values = self.transact(session, names, commands)
            else:
                for number in range(len(names)):
                    args, options = commands[number]
                    values.append(call(session, <Name> names[number], args, self.never_decode in options))
        except SessionClosed as error:
            raise self.closed_error(str(error)) from None
        finally:
            disown(session.engine_core)
            self.give_back(session)
        for number in range(len(names)):
            value = values[number]
            if not PyExceptionInstance_Check(value):
                value = self.answer(<Name> names[number], value, commands[number][1])
            answers.append(value)
        return answers

    cdef list transact(self, Session session, list names, list commands):
        cdef list refusals = []
        first = call(session, MULTI, (b"MULTI",), False)
        if PyExceptionInstance_Check(first):
            raise first
        for number in range(len(names)):
            value = call(session, <Name> names[number], commands[number][0], False)
            if PyExceptionInstance_Check(value):
                refusals.append((number, value))
        values = call(session, EXEC, (b"EXEC",), False)
        if PyExceptionInstance_Check(values):
            if refusals:
                number, refusal = refusals[0]
                refusal.number = number
                raise refusal
            raise values
        return values


cdef object plain_name(str word):
    cdef Name name = Name()
    name.words = (word.encode(),)
    name.key = word
    return name


cdef Name MULTI = plain_name("MULTI")
cdef Name EXEC = plain_name("EXEC")


cdef int check(Session session, tuple args) except -1:
    """Raises what an argument that cannot be encoded does."""
    cdef Vector vector
    vector_begin(&vector, session.engine_core.heap)
    try:
        for argument in args[1:]:
            vector_add(&vector, argument, session.encoder, session.encodes_text)
    finally:
        vector_end(&vector)
    return 0


cdef object call(Session session, Name name, tuple args, bint raw):
    """The reply of one command."""
    cdef Vector vector
    cdef Py_ssize_t i
    own(session.engine_core)
    vector_begin(&vector, session.engine_core.heap)
    try:
        for word in name.words:
            vector_add(&vector, word, None, 0)
        for i in range(1, len(args)):
            vector_add(&vector, args[i], session.encoder, session.encodes_text)
        return session.run(&vector, raw)
    finally:
        vector_end(&vector)
        disown(session.engine_core)
