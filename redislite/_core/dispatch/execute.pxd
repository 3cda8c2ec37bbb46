"""Executing what clients ask: the one function around every command, the requests of a pipeline, and those that wait.

    client_serve_input ─▶ parse up to REQUEST_BATCH requests ahead, prefetching their keys
                       ─▶ execute each: call_command ─▶ native handler, or upcall
                       ─▶ put away what is incomplete, with the parser

A request that must wait stays parsed in its client's own parser, and is executed again: by wake_waiters where a key
that it waits for has changed, by wake_for_disk, or when its time is over.
"""
from redislite._core.protocol.reply cimport ReplyMark
from redislite._core.state.core cimport Client, Command, Core, Parser


# Executes the client's current command (argv, argc, command set): authentication, arity, gates, the call, its time,
# statistics and logs. False where it was postponed and is to be executed again later.
cdef bint call_command(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil
# Executes what is complete in data[0:length] with the parser that has seen it so far, and puts away the rest.
cdef void client_serve_input(Core* core, Client* client, char* data, size_t length, Parser* parser) noexcept nogil
# The same with what the client's own buffer has.
cdef void client_serve(Core* core, Client* client) noexcept nogil
# Executes again the requests of clients that wait for keys which have changed.
cdef void wake_waiters(Core* core) noexcept nogil
# Executes anew the requests that wait for the disk.
cdef void wake_for_disk(Core* core) noexcept nogil
# Executes what unblocked clients have further sent. To be called between turns.
cdef void resume_clients(Core* core) noexcept nogil
# Executes a waiting request again; where it waits no more, finish_blocked has been called.
cdef void wake_client(Core* core, Client* client) noexcept nogil
# The client's current command, which has not been executed for it has to wait, did not come as bytes: makes it a
# request in the client's own buffers, as if it had. Where memory is out the client is doomed.
cdef void client_park(Core* core, Client* client, size_t request_bytes) noexcept nogil
# The waiting request has been answered: takes it out, and has the rest of the pipeline executed later.
cdef void finish_blocked(Core* core, Client* client) noexcept nogil
# No request of the client is being executed any more. One that was doomed meanwhile waits for nothing.
cdef void execution_done(Core* core, Client* client) noexcept nogil
# Around whatever answers a request, be it that it is executed or that its waiting ends. begin: whether the reply may be
# one that the client does not want, and where it begins; end: drops it if it is not wanted. A request that waits has
# not been answered: CLIENT REPLY SKIP still stands for it when it goes on.
cdef bint muted_reply_begin(Client* client, ReplyMark* mark) noexcept nogil
cdef void muted_reply_end(Client* client, ReplyMark mark) noexcept nogil
