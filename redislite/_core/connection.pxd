"""One connection's hot path: read, parse the whole pipeline, execute it, write.

``Connection`` is what the control plane holds; its ``ready`` is the one call per ready connection. Everything below it
works on the Client struct without Python objects, until a command of the Python tier comes.

    ready ─▶ read from the transport into the query buffer (the core's; the client's own where a request is incomplete)
          ─▶ parse up to REQUEST_BATCH requests ahead, prefetching their keys
          ─▶ execute each: call_command ─▶ native handler, or upcall
          ─▶ write what there is; what the socket does not take waits for the loop to say it is writable

The life of a client. How its requests stand, while it is served:

         ┌──────────── request answered ────────────┐
         ▼                                          │
    ready to execute ── block_on_keys ─▶ waiting (CLIENT_BLOCKED) ── wake_client, _end_waiting ─▶ resume_clients ─▶ …
         ├─ admit: a pause ─▶ postponed (CLIENT_POSTPONED) ── Connection.resume ─▶ ready
         └─ parse_more ─▶ incomplete: buffer and parser are its own until the rest has come

How it ends, from any of these:

    served ──── client_end ────▶ ending (CLIENT_CLOSE_AFTER_REPLY): nothing more is read, executed or appended;
       │                            │       its output is written, however long its peer takes
       │                            ├─ output is written ─▶ Engine.close
       └──────── client_doom ◀──────┘
                     │           a kill, eviction, an output limit, memory that was out, a peer that is gone
                     ▼
                  doomed (CLIENT_CLOSE_NOW): nothing at all is done for it, it waits for no key, its output is dropped.
                     │           Only a request of it that is being executed is finished (EXEC is atomic)
                     ▼
       Engine.close: out of the loop ─▶ Connection.withdraw: socket closed, in no list but those of its subscriptions
                                     ─▶ Connection.leave: these end, some in each turn; then Client.core is NULL

client_doom is the one that decides that a client is served no more. Everything that acts for a client asks one of
ending.pxd: client_is_doomed, client_takes_output (messages), client_may_execute (requests).
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.dispatch.permissions cimport Permissions
from redislite._core.state.core cimport Client, Command, Core, Transport


cdef class Connection:
    cdef Client client
    cdef readonly object engine
    # What the client said of itself, counted as its memory.
    cdef readonly str said_name, said_library_name, said_library_version
    # Who it is, and where it comes from.
    cdef public str user, address, local_address
    cdef Permissions permissions    # of its user; None: it may do everything
    # Free for the control plane: state that commands keep per client.
    cdef public object state

    cdef bint is_leaving            # out of service, and not all given back

    cdef int _check_open(self) except -1
    cdef int _count_text(self, str old, str new) except -1
    cdef bint is_busy(self) noexcept
    cdef bint _takes_output(self) noexcept
    cdef bint _end_waiting(self, bytes error) noexcept
    cdef bint leave(self, int64_t most) noexcept
    cdef void withdraw(self) noexcept
    # transport: NULL for the engine's own.
    cdef void attach(self, Core* core, object engine, int fd, Transport* transport) noexcept
