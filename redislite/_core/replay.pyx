"""Executing the commands of an append-only file; see replay.pxd."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT32_MAX, INT64_MAX, int64_t
from libc.string cimport memchr
from redislite._core.keyspace.key_table cimport key_hash, keys_prefetch_bucket, keys_prefetch_entry
from redislite._core.base.alloc cimport heap_free, heap_realloc
from redislite._core.commands.table cimport command_resolve, command_run
from redislite._core.connection cimport Connection
from redislite._core.dispatch.turns cimport renew_clock
from redislite._core.clients.transaction_queue cimport transaction_queue
from redislite._core.protocol.reply cimport ReplyMark, chunk_data, reply_mark, reply_rollback
from redislite._core.state.core cimport Argument, Client, Command, Core
from redislite._core.state.flags cimport CLIENT_DENY_BLOCKING, COMMAND_UNQUEUED, REPLAY_ASTRAY, REPLAY_RUNS

cdef extern from "<unistd.h>":
    int usleep(unsigned int microseconds) noexcept nogil

cdef enum:                              # what _parse and _execute answer
    TAKEN = 0
    TRUNCATED = 1
    MALFORMED = 2
    AT_END = 3
    REFUSED = 4
    NO_MEMORY = 5
    ASTRAY = 6

cdef enum:
    NUMBER_MAX = 20                     # digits


cdef int read_head(char** place, char* end, char kind, int64_t* number) noexcept nogil:
    """Reads a line of a kind and a number, and moves *place behind it."""
    cdef char* data = place[0]
    cdef int digits = 0
    if data == end:
        return TRUNCATED
    if data[0] != kind:
        return MALFORMED
    data += 1
    number[0] = 0
    while data < end and c"0" <= data[0] <= c"9":
        number[0] = number[0] * 10 + (data[0] - c"0")
        data += 1
        digits += 1
        if digits >= NUMBER_MAX - 1:
            return MALFORMED
    if data < end and (digits == 0 or data[0] != c"\r"):
        return MALFORMED
    if end - data < 2:
        return TRUNCATED
    if data[1] != c"\n":
        return MALFORMED
    place[0] = data + 2
    return TAKEN


cdef bint replay_call(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    """What Upcalls.call is meanwhile, for the commands of a transaction: nothing is around them either."""
    call_handler(core, client, command)
    return 1


cdef inline void call_handler(Core* core, Client* client, Command* command) noexcept nogil:
    cdef Client* outer = core.executing
    client.command = command
    core.executing = client
    command_run(core, client, command)
    core.executing = outer


cdef class Replay:
    """The commands in data (a writable buffer, which nobody else must change), executed bit by bit: run until it says
    that it is through, then finish in any case.

    state: "running"; "done"; "truncated": the last request, or the transaction, is not complete; "malformed": this is
    no request; "refused": there is no such command, which reason tells; "astray": there is no database that one names.
    commands: how many were executed.
    """

    def __cinit__(self, data, size_t start):
        PyObject_GetBuffer(data, &self.view, PyBUF_WRITABLE)
        if start > <size_t> self.view.len:
            PyBuffer_Release(&self.view)
            raise ValueError(f"the data has {self.view.len} bytes, and none at {start}")
        self.data = <char*> self.view.buf
        self.size = self.view.len
        self.at = self.complete = start
        self.state = "running"
        self.reason = ""

    def run(self, size_t bytes) -> bool:
        """Executes about so many bytes; false where it is through."""
        cdef bint more
        if self.state != "running":
            return False
        self._check()
        self.runs = True
        self.core.upcalls.call = replay_call
        renew_clock(self.core)
        # Where it begins behind the last byte it finds the end.
        more = self._run(self.at + min(bytes, self.size - self.at + 1))
        self.core.upcalls.call = self.call
        self.runs = False
        if not more:
            self._end(self.ending)
        return more

    def finish(self) -> None:
        """Ends the replay: an incomplete transaction is dropped, and what is over from now on expires."""
        if self.finished:
            return
        self._check()
        self.finished = True
        self.state = "done" if self.state == "running" else self.state
        self.connection.leave(INT64_MAX)
        PyBuffer_Release(&self.view)
        heap_free(self.core.heap, self.arguments, self.capacity * sizeof(Argument))
        self.core.propagation = self.propagation
        self.core.replaying = 0
        renew_clock(self.core)

    def __dealloc__(self) -> None:
        if not self.finished:
            PyBuffer_Release(&self.view)

    cdef int _check(self) except -1:
        if self.core == NULL:
            raise RuntimeError("a replay is made by Engine.replay")
        if self.runs:
            raise RuntimeError("the replay runs: a command of it cannot go on with it")
        return 0

    @property
    def commands(self) -> int:
        """How many were executed."""
        return self.executed

    @property
    def position(self) -> int:
        """Offset behind the last request that was executed."""
        return self.at

    @property
    def valid(self) -> int:
        """Offset up to which the bytes are requests, and transactions are complete."""
        return self.complete

    cdef int _parse(self, size_t start, ReplayRequest* request, size_t used) noexcept nogil:
        """Parses the request at an offset into arguments from used on."""
        cdef char* data = self.data + start
        cdef char* end = self.data + self.size
        cdef char* line
        cdef Argument* grown
        cdef int64_t count = 0
        cdef int64_t length = 0
        cdef size_t wanted
        cdef int64_t i
        cdef int state
        while data < end and data[0] == c"#":
            # An annotation.
            line = <char*> memchr(data, c"\n", end - data)
            if line == NULL:
                return TRUNCATED
            data = line + 1
        if data == end:
            request.end = self.size
            return AT_END
        state = read_head(&data, end, c"*", &count)
        if state != TAKEN:
            return state
        if not 1 <= count <= INT32_MAX:
            return MALFORMED
        # Each argument takes six bytes at least.
        if count > (end - data) // 6 + 1:
            return TRUNCATED
        if self.capacity - used < <size_t> count:
            wanted = 2 * (used + <size_t> count)
            grown = <Argument*> heap_realloc(self.core.heap, self.arguments, self.capacity * sizeof(Argument),
                                             wanted * sizeof(Argument))
            if grown == NULL:
                return NO_MEMORY
            self.arguments = grown
            self.capacity = wanted
        for i in range(count):
            state = read_head(&data, end, c"$", &length)
            if state != TAKEN:
                return state
            if length < 0:
                return MALFORMED
            if end - data < length + 2:
                return TRUNCATED
            self.arguments[used + i].data = data
            self.arguments[used + i].length = <size_t> length
            self.arguments[used + i].owner = NULL
            data += length
            if data[0] != c"\r" or data[1] != c"\n":
                return MALFORMED
            data += 2
        request.first = used
        request.count = <int> count
        request.end = data - self.data
        return TAKEN

    cdef int _execute(self, ReplayRequest* request) noexcept nogil:
        cdef Core* core = self.core
        cdef Client* client = &self.connection.client
        cdef Command* command = request.command
        cdef ReplyMark mark = reply_mark(&client.reply)
        client.argv = self.arguments + request.first
        client.argc = request.count
        client.hash = request.hash
        client.hashed = request.hashed
        if command == NULL or (command.container and client.argc >= 2) or \
                (client.argc != command.arity and (command.arity > 0 or client.argc < -command.arity)):
            # What answers the error does so before anything else.
            self.call(core, client, command, 0)
            return REFUSED
        if client.transaction != NULL and not command.flags & COMMAND_UNQUEUED:
            if transaction_queue(core, client, command, 0) != 0:
                return NO_MEMORY
        else:
            call_handler(core, client, command)
        reply_rollback(&client.reply, mark)
        if core.replaying == REPLAY_ASTRAY:
            core.replaying = REPLAY_RUNS
            return ASTRAY
        return TAKEN

    cdef bint _run(self, size_t until) noexcept nogil:
        cdef Core* core = self.core
        cdef Client* client = &self.connection.client
        cdef ReplayRequest requests[REPLAY_BATCH]
        cdef int state = TAKEN
        cdef int result
        cdef size_t ahead, used
        cdef int64_t executed = self.executed
        cdef int count, i
        while state == TAKEN and self.at < until:
            ahead = self.at
            used = 0
            count = 0
            while count < REPLAY_BATCH:
                state = self._parse(ahead, &requests[count], used)
                if state != TAKEN:
                    break
                ahead = requests[count].end
                used += requests[count].count
                count += 1
            for i in range(count):
                self.prepare(client, &requests[i])
            for i in range(count):
                if requests[i].hashed:
                    keys_prefetch_entry(client.database, requests[i].hash)
            for i in range(count):
                result = self._execute(&requests[i])
                if result != TAKEN:
                    state = result
                    break
                executed += 1
                self.at = requests[i].end
                self._delay(executed)
                if client.transaction == NULL:
                    self.complete = self.at
        self.executed = executed
        if state == TAKEN:
            return 1
        self.ending = state
        return 0

    cdef void _delay(self, int64_t executed) noexcept nogil:
        """What key-load-delay asks for, as where a snapshot is read."""
        if self.delay_us > 0:
            usleep(<unsigned int> self.delay_us)
        elif self.delay_us < 0 and executed % -self.delay_us == 0:
            usleep(1)

    cdef void prepare(self, Client* client, ReplayRequest* request) noexcept nogil:
        """Finds the command and asks the processor for the bucket of its first key."""
        cdef Argument* key
        request.command = command_resolve(self.core, self.arguments + request.first, request.count, NULL)
        request.hashed = 0
        if request.command != NULL and 0 < request.command.first_key < request.count:
            key = &self.arguments[request.first + request.command.first_key]
            request.hashed = request.command.first_key
            request.hash = key_hash(client.database, key.data, key.length)
            keys_prefetch_bucket(client.database, request.hash)

    cdef int _end(self, int state) except -1:
        cdef Client* client = &self.connection.client
        if state == AT_END:
            self.at = self.size
            self.state = "done"
            if client.transaction != NULL:
                self.state = "truncated"
            else:
                self.complete = self.size
        elif state == TRUNCATED:
            self.state = "truncated"
        elif state == MALFORMED:
            self.state = "malformed"
        elif state == ASTRAY:
            self.state = "astray"
        elif state == NO_MEMORY:
            self.state = "refused"
            self.reason = "out of memory"
        else:
            self.state = "refused"
            if client.reply.last != NULL and client.reply.last.length > client.reply.sent:
                text = chunk_data(client.reply.first)[client.reply.sent:client.reply.first.length]
                self.reason = text[1:].split(b"\r\n")[0].decode("utf-8", "backslashreplace")

    @property
    def in_transaction(self) -> bool:
        """A transaction has begun and not ended."""
        return self.connection is not None and self.connection.client.transaction != NULL


cdef object replay_of(Core* core, object engine, object data, size_t start, int64_t delay_us):
    cdef Replay replay = Replay(data, start)
    replay.delay_us = delay_us
    replay.core = core
    replay.engine = engine
    replay.connection = Connection()
    replay.connection.attach(core, engine, -1, NULL)
    replay.connection.client.flags |= CLIENT_DENY_BLOCKING
    replay.call = core.upcalls.call
    replay.propagation = core.propagation
    core.propagation = 0
    core.replaying = REPLAY_RUNS
    renew_clock(core)
    return replay
