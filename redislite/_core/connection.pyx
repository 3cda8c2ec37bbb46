"""What the control plane holds of a client; the contract is in connection.pxd."""
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from redislite._core.clients.client_memory cimport client_recount, client_uncount
from redislite._core.clients.ending cimport client_doom, client_give_back, client_is_doomed, client_takes_output
from redislite._core.clients.output cimport client_end, client_in_time, client_queue_write, client_write
from redislite._core.clients.tracking cimport (
    Prefix, Tracker, prefix_text, tracker_of, tracking_find_overlap, tracking_forget_client, tracking_options,
)
from redislite._core.dispatch.permissions cimport Permissions
from redislite._core.clients.channels cimport (
    KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, Subscription, pubsub_gate, subscribed_name, subscription_count,
    subscriptions_of, unsubscribe_all, unsubscribe_some,
)
from redislite._core.clients.transaction_queue cimport transaction_discard
from redislite._core.keyspace.blocking cimport WAIT_AND_ANSWER, unblock
from redislite._core.keyspace.watching cimport watched_count
from redislite._core.protocol.reply cimport (
    ReplyMark, reply_error, reply_init, reply_object, reply_pending, reply_null_array, reply_raw,
)
from redislite._core.protocol.resp cimport parser_release_owned
from redislite._core.state.core cimport Client, Core, Parser, Request, Transport
from redislite._core.state.flags cimport (
    CLIENT_AUTHENTICATED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_NOW, CLIENT_IMPORT_SOURCE, CLIENT_INTERNAL,
    CLIENT_MONITOR, CLIENT_NO_EVICT, CLIENT_NO_TOUCH, CLIENT_POSTPONED, CLIENT_QUEUED_RESUME, CLIENT_QUEUED_WRITE,
    CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP, CLIENT_REPLY_SKIP_NEXT, CLIENT_UNIX, CLIENT_WAITS_WRITABLE,
    CLIENT_WAS_AUTHENTICATED, GATE_MONITORING, GATE_REPLY_OFF, GATE_UNAUTHENTICATED, GATE_USER,
)
from redislite._core.state.statistics cimport CommandStatistics
from redislite._core.structures.rax cimport RaxIterator, rax_walk
from redislite._core.dispatch.execute cimport (
    client_serve, finish_blocked, muted_reply_begin, muted_reply_end, wake_client,
)
from redislite._core.dispatch.turns cimport begin_turn
from redislite._core.transport cimport client_read, client_use_input

cdef enum:
    SETTABLE_FLAGS = (CLIENT_UNIX | CLIENT_NO_EVICT | CLIENT_NO_TOUCH | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                      CLIENT_REPLY_SKIP_NEXT | CLIENT_MONITOR | CLIENT_IMPORT_SOURCE)
    EVENT_READABLE = 1
    EVENT_WRITABLE = 4


cdef void collect_key(RaxIterator* it, void* keys) noexcept nogil:
    with gil:
        (<list> keys).append((<char*> it.key)[:it.key_length])


cdef class Connection:
    """One client as the control plane holds it.

    Made by the server for an accepted socket; ``ready`` serves it; ``release`` gives back what it holds. The engine's
    own connections have no socket.
    """

    def __cinit__(self) -> None:
        self.client.fd = -1

    def __dealloc__(self) -> None:
        self.leave(INT64_MAX)

    cdef int _check_open(self) except -1:
        if self.client.core == NULL or self.is_leaving:
            raise RuntimeError("the connection is released, or no engine has made it")
        return 0

    cdef bint is_busy(self) noexcept:
        """Whether its requests are being executed further up the stack."""
        return self.client.argv != NULL or self.client.core.served == &self.client

    def ready(self, int events) -> None:
        """Serves the connection: epoll's events say whether it can be read, written, or is gone."""
        cdef Client* client = &self.client
        cdef Core* core = client.core
        cdef ssize_t count
        if core == NULL or client.transport == NULL or client_is_doomed(client):
            return
        if core.executing != NULL or core.served != NULL:
            raise RuntimeError("a command is being executed: connections are served between commands")
        if client.argv != NULL:
            return                      # its own command is what is put aside
        if core.turn_begun == 0:
            begin_turn(core)
        # Nothing leaves before what was done in this turn is in the append-only file: it will be writable in the next,
        # too.
        if events & EVENT_WRITABLE and core.feed.length == 0 and client_write(core, client) < 0:
            self.engine.close(self)
            return
        if events & ~EVENT_WRITABLE:
            if client.flags & CLIENT_CLOSE_AFTER_REPLY:
                if not events & EVENT_READABLE:
                    self.engine.close(self)
                    return
            else:
                count = client_read(core, client)
                if count < 0 or (count and client_use_input(core, client, count) < 0):
                    self.engine.close(self)
                    return
            if client_is_doomed(client):
                return
            if core.propagation:
                client_queue_write(core, client)
                return
            if reply_pending(&client.reply) and not client.flags & CLIENT_WAITS_WRITABLE and \
                    client_write(core, client) < 0:
                self.engine.close(self)
                return
        client_recount(core, client)
        if client.flags & CLIENT_CLOSE_AFTER_REPLY and not reply_pending(&client.reply):
            self.engine.close(self)

    def resume(self) -> None:
        """Executes what waited in the query buffer while the client was paused."""
        cdef Client* client = &self.client
        if client.core == NULL or client_is_doomed(client) or client.flags & CLIENT_INTERNAL:
            return
        if client.core.executing != NULL or client.core.served != NULL:
            raise RuntimeError("a command is being executed: connections are served between commands")
        client.flags &= ~<uint64_t> CLIENT_POSTPONED
        client_serve(client.core, client)
        client_queue_write(client.core, client)

    def time_out(self) -> bool:
        """Ends the waiting for keys as its timeout does; false where the client does not wait (any more)."""
        return self._end_waiting(None)

    def unblock_with_error(self) -> bool:
        """The same with an error, for CLIENT UNBLOCK."""
        return self._end_waiting(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")

    cdef bint _end_waiting(self, bytes error) noexcept:
        cdef Client* client = &self.client
        cdef Parser* parser = client.parser
        cdef Request* request
        cdef CommandStatistics* statistics
        cdef ReplyMark mark
        cdef bint muted
        if client.core == NULL or client.blocked == NULL or client.argv != NULL:
            return False
        if error is None and client.blocked.options & WAIT_AND_ANSWER:
            client.blocked.is_over = 1
            wake_client(client.core, client)
            return True
        muted = muted_reply_begin(client, &mark)
        request = &parser.requests[parser.requests_done]
        parser_release_owned(client.core.heap, parser, request.first, request.first + request.count)
        statistics = &client.core.command_statistics[client.command.id]
        statistics.calls += 1
        if error is None:
            reply_null_array(&client.reply)
        else:
            reply_error(&client.reply, error)
            if client.core.settings.unblocking_rejects:
                statistics.rejected += 1
            else:
                statistics.failed += 1
        if muted:
            muted_reply_end(client, mark)
        finish_blocked(client.core, client)
        return True

    def discard_transaction(self) -> None:
        """Drops the transaction that the client has begun, if any, and what it watches."""
        if self.client.core != NULL:
            transaction_discard(self.client.core, &self.client)

    @property
    def queued_commands(self) -> int:
        """How many commands its transaction has queued; -1 where there is none."""
        return self.client.transaction.count if self.client.transaction != NULL else -1

    @property
    def watched_keys(self) -> int:
        return watched_count(&self.client)

    @property
    def subscription_counts(self) -> tuple[int, int, int]:
        """How many channels, patterns and sharded channels the client has subscribed to."""
        return (subscription_count(&self.client, KIND_CHANNEL), subscription_count(&self.client, KIND_PATTERN),
                subscription_count(&self.client, KIND_SHARD))

    def subscriptions(self, int kind) -> list[bytes]:
        """What the client has subscribed to, oldest first; kind: 0 for channels, 1 for patterns, 2 for sharded
        channels."""
        cdef Subscription* subscription
        cdef size_t length
        cdef char* name
        cdef list names = []
        if not KIND_CHANNEL <= kind <= KIND_SHARD:
            raise ValueError(f"kinds are 0 to 2, not {kind}")
        subscription = subscriptions_of(&self.client, kind)
        while subscription != NULL:
            name = subscribed_name(subscription, &length)
            names.append(name[:length])
            subscription = subscription.next
        return names

    def unsubscribe_all(self) -> None:
        """Ends all subscriptions of the client without telling it, as RESET does."""
        if self.client.core != NULL:
            unsubscribe_all(self.client.core, &self.client)

    @property
    def tracking_options(self) -> int:
        """TRACKING_* bits of tracking.pxd; 0 where tracking is off."""
        return tracking_options(&self.client)

    @property
    def tracking_redirect(self) -> int:
        """Id of who gets its messages, 0: itself; -1 where tracking is off."""
        cdef Tracker* tracker = tracker_of(&self.client)
        if not tracking_options(&self.client):
            return -1
        return tracker.redirect.id if tracker.redirect != NULL else 0

    @property
    def tracking_prefixes(self) -> list[bytes]:
        """Its prefixes of the broadcasting mode, in order. MemoryError."""
        cdef Tracker* tracker = tracker_of(&self.client)
        cdef list prefixes = []
        if tracker != NULL and not rax_walk(&tracker.prefixes, collect_key, <void*> prefixes):
            raise MemoryError
        return prefixes

    def overlapping_prefix(self, bytes prefix not None) -> bytes | None:
        """One of its prefixes that begins with this one, or that this one begins with; None where there is none.
        MemoryError."""
        cdef Prefix* found
        cdef size_t length
        cdef char* text
        if tracking_find_overlap(&self.client, prefix, len(prefix), &found) != 0:
            raise MemoryError
        if found == NULL:
            return None
        text = prefix_text(found, &length)
        return text[:length]

    @property
    def name(self) -> str:
        """What CLIENT SETNAME said."""
        return self.said_name

    @name.setter
    def name(self, str text not None) -> None:
        self._count_text(self.said_name, text)
        self.said_name = text

    @property
    def library_name(self) -> str:
        """What CLIENT SETINFO said, as its version."""
        return self.said_library_name

    @library_name.setter
    def library_name(self, str text not None) -> None:
        self._count_text(self.said_library_name, text)
        self.said_library_name = text

    @property
    def library_version(self) -> str:
        return self.said_library_version

    @library_version.setter
    def library_version(self, str text not None) -> None:
        self._count_text(self.said_library_version, text)
        self.said_library_version = text

    cdef int _count_text(self, str old, str new) except -1:
        """The client's memory counts what it said of itself."""
        self.client.said_bytes += <size_t> len(new)
        if old is not None:
            self.client.said_bytes -= <size_t> len(old)
        return 0

    def append(self, object value) -> None:
        """Appends a reply or a push message out of turn; it is written before the loop sleeps."""
        if self._takes_output():
            reply_object(&self.client.reply, value)
            client_queue_write(self.client.core, &self.client)

    cdef bint _takes_output(self) noexcept:
        """False for one that is closed or is to be, and for one without a socket whose command is not running."""
        cdef Client* client = &self.client
        return client.core != NULL and client_takes_output(client) and \
            (not client.flags & CLIENT_INTERNAL or client.argv != NULL)

    def append_raw(self, bytes data not None) -> None:
        """The same for bytes that are encoded already."""
        if self._takes_output():
            reply_raw(&self.client.reply, data, len(data))
            client_queue_write(self.client.core, &self.client)

    def close_soon(self, *, bint after_reply=False) -> None:
        """Closes the connection: at once, or where its requests are being executed, before the loop sleeps; or once its
        output is written."""
        cdef Client* client = &self.client
        if client.core == NULL or client.flags & CLIENT_INTERNAL:
            return
        if after_reply:
            client_end(client.core, client)
            return
        client_doom(client.core, client)
        if client.argv == NULL and client != client.core.served:
            self.engine.close(self)

    cdef void attach(self, Core* core, object engine, int fd, Transport* transport) noexcept:
        """Ties the connection to its engine, as a member of the list of clients where it has a transport."""
        cdef Client* client = &self.client
        self.engine = engine
        client.core = core
        client.connection = <PyObject*> self
        client.database = core.databases[0]
        client.fd = fd
        client.transport = transport
        core.next_client_id += 1
        client.id = core.next_client_id
        client.created_ms = core.now_ms
        client.active_ms = core.now_ms
        reply_init(&client.reply, core)
        if transport == NULL:
            client.flags = CLIENT_INTERNAL | CLIENT_AUTHENTICATED
            return
        # The struct stands in a Python object; what the engine uses counts it all the same.
        core.heap.used += sizeof(Client)
        client.next = core.clients
        if core.clients != NULL:
            core.clients.previous = client
        core.clients = client
        core.clients_count += 1

    def release(self) -> None:
        """Closes the socket and gives back all memory, or once its command is through where one runs. The connection is
        out of service then; calling again is harmless. RuntimeError for one without a socket: that is its engine's."""
        if self.client.core == NULL:
            return
        if self.client.flags & CLIENT_INTERNAL:
            raise RuntimeError("this is the engine's own connection")
        if self.is_busy():
            self.close_soon()
        else:
            self.leave(INT64_MAX)

    cdef bint leave(self, int64_t most) noexcept:
        """Closes the socket, and gives back what it can in bounded time: at most so many subscriptions. True where that
        was all; otherwise it is to be called again, and meanwhile the client stands in Core.leaving."""
        cdef Client* client = &self.client
        cdef Core* core = client.core
        if core == NULL:
            return True
        if not self.is_leaving:
            self.withdraw()
        if not unsubscribe_some(core, client, most):
            return False
        if client.previous != NULL:
            client.previous.next = client.next
        elif core.leaving == client:
            core.leaving = client.next
        if client.next != NULL:
            client.next.previous = client.previous
        if not client.flags & CLIENT_INTERNAL:
            core.heap.used -= sizeof(Client)
        client.core = NULL
        return True

    cdef void withdraw(self) noexcept:
        """Takes the client out of everything but what it has subscribed to."""
        cdef Client* client = &self.client
        cdef Core* core = client.core
        cdef Client** place
        self.is_leaving = True
        if client.flags & CLIENT_QUEUED_WRITE:
            place = &core.writers
            while place[0] != client:
                place = &place[0].next_write
            place[0] = client.next_write
        if client.flags & CLIENT_QUEUED_RESUME:
            place = &core.resumed
            while place[0] != client:
                place = &place[0].next_resumed
            place[0] = client.next_resumed
        unblock(core, client)
        transaction_discard(core, client)
        client_uncount(core, client)
        client_in_time(core, client)
        tracking_forget_client(core, client)
        if not client.flags & CLIENT_INTERNAL:
            if client.previous != NULL:
                client.previous.next = client.next
            else:
                core.clients = client.next
            if client.next != NULL:
                client.next.previous = client.previous
            core.clients_count -= 1
        # Doomed, whoever still finds it, and closed already.
        client.flags |= CLIENT_CLOSE_NOW
        client.previous = NULL
        client.next = core.leaving
        if core.leaving != NULL:
            core.leaving.previous = client
        core.leaving = client
        client_give_back(core, client)
        if client.transport != NULL:
            client.transport.close(client)
            client.transport = NULL
        client.command = NULL
        client.user = NULL

    @property
    def fileno(self) -> int:
        """The socket's descriptor; -1 once released."""
        return self.client.fd

    @property
    def id(self) -> int:
        return self.client.id

    @property
    def is_open(self) -> bool:
        return self.client.core != NULL and client_takes_output(&self.client)

    @property
    def database(self) -> int:
        """Number of the selected database."""
        self._check_open()
        return self.client.database.id

    @database.setter
    def database(self, int number) -> None:
        self._check_open()
        if not 0 <= number < self.client.core.databases_count:
            raise IndexError(f"database {number}: there are {self.client.core.databases_count}")
        self.client.database = self.client.core.databases[number]

    @property
    def protocol(self) -> int:
        """2 or 3."""
        return self.client.reply.protocol

    @protocol.setter
    def protocol(self, int version) -> None:
        self._check_open()
        if version not in (2, 3):
            raise ValueError(f"there are the protocols 2 and 3, not {version}")
        self.client.reply.protocol = version
        pubsub_gate(&self.client)

    @property
    def authenticated(self) -> bool:
        """Whether it may run commands: it has authenticated itself, or does not need to."""
        return not self.client.gate & GATE_UNAUTHENTICATED

    @authenticated.setter
    def authenticated(self, bint value) -> None:
        self._check_open()
        self.client.flags &= ~<uint64_t> CLIENT_AUTHENTICATED
        if value:
            self.client.flags |= CLIENT_AUTHENTICATED | CLIENT_WAS_AUTHENTICATED
        self.require_authentication(not value)

    def require_authentication(self, bint required) -> None:
        """Says whether clients must authenticate themselves; nothing changes for one that has."""
        self._check_open()
        if not required or self.client.flags & CLIENT_AUTHENTICATED:
            self.client.gate &= ~<uint64_t> GATE_UNAUTHENTICATED
        else:
            self.client.gate |= GATE_UNAUTHENTICATED

    def use_permissions(self, Permissions permissions) -> None:
        """Has commands checked against these from here on, or where None, against nothing. To be called again when they
        change. ValueError where they are another engine's."""
        self._check_open()
        if permissions is not None and permissions.core != self.client.core:
            raise ValueError("the permissions are another engine's")
        self.permissions = permissions
        self.client.user = NULL if permissions is None else &permissions.rules
        if permissions is None or permissions.rules.is_unrestricted:
            self.client.gate &= ~<uint64_t> GATE_USER
        else:
            self.client.gate |= GATE_USER

    @property
    def flags(self) -> int:
        """The CLIENT_* bits of flags.pxd."""
        return self.client.flags

    def set_flag(self, uint64_t flag, bint on) -> None:
        """Sets or clears bits of flags, and the gate that goes with muted replies. ValueError for what only the data
        plane may change."""
        self._check_open()
        if flag & ~<uint64_t> SETTABLE_FLAGS:
            raise ValueError(f"flags {flag:#x} are not to be set from outside")
        if on:
            self.client.flags |= flag
        else:
            self.client.flags &= ~flag
        if flag & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT) and on:
            self.client.gate |= GATE_REPLY_OFF
        if flag & CLIENT_NO_EVICT:
            client_recount(self.client.core, &self.client)
        if flag & CLIENT_MONITOR:
            if on:
                self.client.gate |= GATE_MONITORING
            else:
                self.client.gate &= ~<uint64_t> GATE_MONITORING

    @property
    def created_ms(self) -> int:
        return self.client.created_ms

    @property
    def active_ms(self) -> int:
        return self.client.active_ms

    @property
    def last_command(self) -> str:
        """Full name of the command executed last; NULL as the original shows none."""
        if self.client.command == NULL:
            return "NULL"
        return self.client.command.own_name.decode()
