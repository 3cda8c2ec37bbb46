"""Clients without a descriptor; the contract is in session.pxd."""
from _thread import allocate_lock
from time import monotonic

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc cimport errno
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_alloc
from redislite._core.base.clock cimport clock_counter
from redislite._core.clients.client_memory cimport client_recount
from redislite._core.clients.ending cimport client_is_doomed
from redislite._core.commands.table cimport command_resolve
from redislite._core.connection cimport Connection
from redislite._core.dispatch.execute cimport call_command, client_park, execution_done, wake_waiters
from redislite._core.dispatch.ownership cimport disown, is_anothers, own
from redislite._core.dispatch.turns cimport renew_clock
from redislite._core.inspection cimport Inspected
from redislite._core.keyspace.discard cimport discard_is_due, discard_turn
from redislite._core.protocol.decoding cimport Decoder
from redislite._core.protocol.encoding cimport Vector, vector_add, vector_begin, vector_end
from redislite._core.protocol.reply cimport chunk_data, reply_pending, reply_written
from redislite._core.protocol.resp cimport parser_new
from redislite._core.state.core cimport QUERY_BUFFER, Argument, Chunk, Client, Core, Parser, Request, Transport
from redislite._core.state.flags cimport (
    CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_DENY_BLOCKING, CLIENT_POSTPONED, COMMAND_BLOCKING,
)
from redislite._core.transport cimport client_read, client_use_input

from redislite._core.embedded.undelivered import giving_back, words_of
from redislite._core.protocol.reply_types import CommandError


class SessionClosed(ConnectionError):
    """The session is closed: by its owner, by CLIENT KILL or QUIT, over a limit, or with its engine."""


cdef ssize_t session_read(Client* client, char* data, size_t length) noexcept with gil:
    cdef Session session = <Session> client.connection
    cdef size_t count = session.input_length if session.input_length < length else length
    if count == 0:
        errno.errno = errno.EAGAIN
        return -1
    memcpy(data, session.input, count)
    session.input += count
    session.input_length -= count
    return count


cdef void session_offer(Core* core, Client* client) noexcept with gil:
    (<Session> client.connection).wake()


cdef void session_close(Client* client) noexcept with gil:
    (<Session> client.connection).wake()


cdef Transport LOCAL
LOCAL.read = session_read
LOCAL.write = NULL
LOCAL.offer = session_offer
LOCAL.close = session_close


cdef inline bint is_unsettled(const Core* core) noexcept:
    """Whether a turn has to end before anybody is told what was done in it, or because others have output."""
    return (core.writers != NULL or core.resumed != NULL or core.feed.length or core.after_unit or core.tracking != NULL
            or core.acknowledgement_clients or core.settings.max_client_memory)


cdef class Session(Connection):
    """A client in this process.

    engine: whose client it is. encoding, errors: of the text that bulk strings become; None: they stay bytes. error:
    what makes an object of an error's text. encoder: its `encode` makes bytes of arguments that are neither bytes,
    text, int nor float (None: they are refused), and of text where encodes_text. address: what CLIENT LIST shows.
    TypeError where the engine is none; RuntimeError where it has been made already.
    """

    def __init__(self, Inspected engine not None, *, str encoding=None, str errors="strict", object error=CommandError,
                 object encoder=None, bint encodes_text=False, str address=None) -> None:
        if self.client.core != NULL or self.engine is not None:
            raise RuntimeError("a session is made once")
        self.decoder = Decoder(None, error, encoding, errors, True)
        self.encoder = encoder
        self.encodes_text = encodes_text
        self.wakers = []
        self.pushes = []
        self.engine_core = &engine.core
        own(&engine.core)
        try:
            self.closing = engine.closing
            self.attach(&engine.core, engine, -1, &LOCAL)
            engine.adopt(self, f"local:{self.client.id}" if address is None else address, "local:0")
        finally:
            disown(self.engine_core)

    def __dealloc__(self) -> None:
        self.client.transport = NULL    # nobody waits for output who would not hold the session

    cdef bint is_closed(self) noexcept:
        return self.client.core == NULL or self.is_leaving or client_is_doomed(&self.client)

    cdef int check_free(self) except -1:
        """It is not closed, and no command of it runs."""
        if self.is_closed():
            raise SessionClosed("the session is closed")
        if self.is_busy():
            raise RuntimeError("a command of this session is being executed: use another one from within it")
        return 0

    cdef int tick(self) except -1:
        """Time goes on, and with it what the loop would do, unless a command runs."""
        cdef Core* core = self.engine_core
        core.ticks = clock_counter()
        if core.executing != NULL or core.served != NULL:
            return 0
        if core.ticks >= core.renewal_ticks:
            renew_clock(core)
        if core.ticks >= core.turn_ticks:
            self.engine.turn()
        if discard_is_due(core):
            discard_turn(core)
        return 0

    cdef int settle(self) except -1:
        """Ends the turn, where there is something to be done at its end."""
        cdef Core* core = self.engine_core
        if core.executing == NULL and core.served == NULL and (is_unsettled(core) or self.closing):
            self.engine.before_sleep()
        return 0

    cdef void wake(self) noexcept:
        cdef list wakers = self.wakers
        if wakers:
            self.wakers = []
            for waker in wakers:
                try:
                    waker()
                except Exception:
                    pass                # the loop of the one who waited is closed: nobody waits any more

    # --- bytes

    def send(self, bytes data not None) -> None:
        """Executes what is complete with these bytes of requests. SessionClosed; RuntimeError where a command of this
        session runs."""
        cdef Core* core = self.engine_core
        cdef Client* client = &self.client
        cdef Client* outer_served
        cdef ssize_t count
        cdef bint nested, denied
        own(core)
        try:
            self.tick()
            self.check_free()
            nested = core.executing != NULL or core.served != NULL
            outer_served = core.served
            denied = client.flags & CLIENT_DENY_BLOCKING != 0
            if nested:
                own_buffers(core, client)
                client.flags |= CLIENT_DENY_BLOCKING
                core.nested += 1
            self.input = PyBytes_AS_STRING(data)
            self.input_length = len(data)
            while self.input_length and not self.is_closed() and not client.flags & CLIENT_CLOSE_AFTER_REPLY:
                count = client_read(core, client)
                if count < 0 or client_use_input(core, client, count) < 0:
                    self.engine.close(self)
            if nested:
                core.nested -= 1
                core.served = outer_served
                if not denied:
                    client.flags &= ~<uint64_t> CLIENT_DENY_BLOCKING
            else:
                if client.core != NULL:
                    client_recount(core, client)
                if client.flags & CLIENT_BLOCKED:
                    self.note_waiting()
                elif client.core != NULL and client.command != NULL and client.command.flags & COMMAND_BLOCKING:
                    self.waited = words_of(data)
                self.settle()
            self.end_if_through()
        finally:
            self.input_length = 0
            disown(core)

    def receive(self, Py_ssize_t most) -> bytes | None:
        """Output, so many bytes at the most; None where there is none now; empty where the session is closed and there
        will be none."""
        cdef Core* core = self.engine_core
        cdef Client* client = &self.client
        cdef Chunk* chunk
        cdef size_t pending, length, part, sent
        cdef char* place
        own(core)
        try:
            if self.is_closed():
                return b""
            if self.is_busy():
                raise RuntimeError("a command of this session is being executed: its reply is not there yet")
            if client.reply.starved:
                self.engine.close(self)
                return b""
            pending = reply_pending(&client.reply)
            length = pending if pending < <size_t> most else <size_t> most
            if length == 0:
                return None
            data = PyBytes_FromStringAndSize(NULL, length)
            place = PyBytes_AS_STRING(data)
            chunk = client.reply.first
            sent = client.reply.sent
            pending = length
            while pending:
                part = chunk.length - sent
                if part > pending:
                    part = pending
                memcpy(place, chunk_data(chunk) + sent, part)
                place += part
                pending -= part
                sent = 0
                chunk = chunk.next
            self.count_taken(length)
            reply_written(&client.reply, length)
            if not client.flags & CLIENT_BLOCKED:
                self.waited = None
            self.end_if_through()
            return data
        finally:
            disown(core)

    cdef void count_taken(self, size_t length) noexcept:
        self.engine_core.statistics.output_bytes += length
        self.client.output_bytes += length

    cdef int end_if_through(self) except -1:
        """Closes a session that only waited for its last output to be taken."""
        if self.client.core != NULL and self.client.flags & CLIENT_CLOSE_AFTER_REPLY and \
                reply_pending(&self.client.reply) == 0 and not self.is_busy():
            self.engine.close(self)
        return 0

    def read(self, *, bint raw=False) -> object:
        """The reply that has come for what was sent, as `execute` answers it; None where none has. SessionClosed."""
        cdef Client* client = &self.client
        own(self.engine_core)
        try:
            self.check_free()
            if reply_pending(&client.reply) == 0 and not client.reply.starved:
                return None
            value = self.decoder.take(client, raw, self.pushes)
            if not client.flags & CLIENT_BLOCKED:
                self.waited = None
            return value
        finally:
            disown(self.engine_core)

    def call_when_ready(self, object waker not None) -> bool:
        """Has waker called once, on any thread, when there is output or the session is closed. False where that is so
        already: it will not be called then."""
        cdef Core* core = self.engine_core
        own(core)
        try:
            if self.is_closed() or reply_pending(&self.client.reply) or self.client.reply.starved:
                return False
            self.wakers.append(waker)
            return True
        finally:
            disown(core)

    def forget_waker(self, object waker) -> None:
        """Takes back what call_when_ready was given. Harmless where it has been called."""
        while waker in self.wakers:
            self.wakers.remove(waker)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until there is output or the session is closed, for so many seconds at the most (None: for ever);
        whether that is so. Gives the engine its turns meanwhile. RuntimeError from within a command, where nothing
        would ever come, but for a timeout of 0."""
        cdef double end = 0.0 if timeout is None else monotonic() + timeout
        cdef double rest
        lock = allocate_lock()
        lock.acquire()
        release = lock.release
        while self.call_when_ready(release):
            try:
                if timeout == 0 and self.engine_core.executing != NULL and not is_anothers(self.engine_core):
                    return False
                rest = self.turn()
                if timeout is not None:
                    if end - monotonic() <= 0.0:
                        return not self.call_when_ready(release)
                    rest = min(rest, end - monotonic())
                if lock.acquire(True, max(rest, 0.0)):
                    continue
            finally:
                self.forget_waker(release)
        return True

    def turn(self) -> float:
        """Gives the engine a turn; in how many seconds it wants the next. RuntimeError from within a command."""
        cdef Core* core = self.engine_core
        own(core)
        try:
            if core.executing != NULL or core.served != NULL:
                raise RuntimeError("a command is being executed: what it waits for would never come")
            return self.engine.turn()
        finally:
            disown(core)

    # --- arguments

    def execute(self, *args: object, bint raw=False) -> object:
        """Executes one command and answers its reply: an error as what `error` made of it, not raised. A command that
        waits does so here, without the interpreter's lock. raw: strings stay bytes. What is neither a name nor sound
        raises as the encoder does; SessionClosed; MemoryError."""
        return self.call(args, raw)

    cdef object call(self, tuple words, bint raw):
        cdef Core* core = self.engine_core
        cdef Vector vector
        if not words:
            raise ValueError("a command has a name")
        own(core)
        vector_begin(&vector, core.heap)
        try:
            for word in words:
                vector_add(&vector, word, self.encoder, self.encodes_text)
            return self.run(&vector, raw)
        finally:
            vector_end(&vector)
            disown(core)

    cdef object run(self, Vector* vector, bint raw):
        cdef Core* core = self.engine_core
        cdef Client* client = &self.client
        cdef uint64_t denied
        cdef size_t before
        cdef bint nested, done
        self.tick()
        self.check_free()
        if client.flags & (CLIENT_BLOCKED | CLIENT_POSTPONED):
            raise RuntimeError("a command of this session waits: use another one meanwhile")
        nested = core.executing != NULL or core.served != NULL
        denied = client.flags & CLIENT_DENY_BLOCKING
        if nested:
            client.flags |= CLIENT_DENY_BLOCKING
            core.nested += 1
        client.argv = vector.argv
        client.argc = vector.argc
        client.hashed = 0
        client.active_ms = core.now_ms
        client.input_bytes += vector.bytes
        core.statistics.input_bytes += vector.bytes
        done = call_command(core, client, command_resolve(core, vector.argv, vector.argc, NULL), vector.bytes)
        if not done and not nested and not client_is_doomed(client):
            client_park(core, client, vector.bytes)
        execution_done(core, client)
        if nested:
            core.nested -= 1
            client.flags = client.flags & ~<uint64_t> CLIENT_DENY_BLOCKING | denied
            if not done:
                raise RuntimeError("clients are paused: a command from within a command cannot wait for that to end")
        else:
            if core.ready != NULL:
                wake_waiters(core)
            if core.settings.max_client_memory:
                client_recount(core, client)
            self.settle()
            if not done:
                if client.flags & CLIENT_BLOCKED:
                    self.note_waiting()
                self.await_reply()
                self.waited = None
        if self.is_closed() and reply_pending(&client.reply) == 0:
            raise SessionClosed("the session is closed")
        before = reply_pending(&client.reply)
        if before == 0 and not client.reply.starved:
            return None
        value = self.decoder.take(client, raw, self.pushes)
        self.count_taken(before - reply_pending(&client.reply))
        if client.flags & CLIENT_CLOSE_AFTER_REPLY:
            self.end_if_through()
        return value

    cdef int await_reply(self) except -1:
        """The command waits: until it has been executed. Where that is interrupted the session is closed, so it is
        executed no more."""
        cdef Core* core = self.engine_core
        disown(core)
        interruption = None
        try:
            while True:
                self.wait()
                if self.is_closed() or not self.client.flags & (CLIENT_BLOCKED | CLIENT_POSTPONED):
                    break
                self.take_messages()
        except BaseException as error:
            interruption = error
        while True:
            try:
                own(core)
                break
            except BaseException as error:
                interruption = error
        if interruption is not None:
            self.close()
            raise interruption
        return 0

    cdef int take_messages(self) except -1:
        """What has come is no reply yet: messages, to one that waits."""
        own(self.engine_core)
        try:
            while reply_pending(&self.client.reply) and self.client.flags & (CLIENT_BLOCKED | CLIENT_POSTPONED):
                self.pushes.append(self.decoder.take(&self.client, 0, None))
        finally:
            disown(self.engine_core)
        return 0

    # --- the end

    def close(self) -> None:
        """Ends the session, as a socket's end does: what it waits for, watches and has subscribed to is given up.
        Harmless where it is closed. Where its own command runs, or another thread is within the engine, that happens a
        little later."""
        cdef Core* core = self.engine_core
        if self.client.core == NULL or self.is_leaving:
            return
        if is_anothers(core) and self.waited is None:
            self.closing.append(self)
            return
        own(core)
        try:
            if self.waited is not None:
                self.put_back()
            self.engine.close(self)
        finally:
            disown(core)

    cdef int note_waiting(self) except -1:
        """The next request in the client's parser waits."""
        cdef Parser* parser = self.client.parser
        cdef Request* request = &parser.requests[parser.requests_done]
        cdef Argument* argument
        cdef size_t i
        self.waited = []
        for i in range(request.first, request.first + request.count):
            argument = &parser.arguments[i]
            self.waited.append((argument.owner if argument.owner != NULL else
                                self.client.query + <size_t> argument.data)[:argument.length])
        return 0

    cdef int put_back(self) except -1:
        """The session is about to be closed: what was popped for it, and nobody has got, goes back."""
        cdef Client* client = &self.client
        cdef list words = self.waited
        self.waited = None
        if self.is_closed() or self.is_busy() or client.flags & CLIENT_BLOCKED or reply_pending(&client.reply) == 0:
            return 0
        command = giving_back(words, Decoder(None).take(client, 1, []))
        if command is not None:
            other = Session(self.engine)
            other.database = self.database
            other.execute(*command)
            other.close()
        return 0


cdef int own_buffers(Core* core, Client* client) except -1:
    """The client is served while another one is, and has what all share."""
    if client.parser == NULL:
        client.parser = parser_new(core.heap)
    if client.query == NULL:
        client.query = <char*> heap_alloc(core.heap, QUERY_BUFFER)
        if client.query != NULL:
            client.query_capacity = QUERY_BUFFER
            client.query_length = 0
            core.own_queries += 1
    if client.parser == NULL or client.query == NULL:
        raise MemoryError
    return 0
