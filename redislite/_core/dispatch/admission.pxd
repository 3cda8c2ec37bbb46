"""Whether a command may run now: the second look, for which call_command comes here where some gate is not zero, and
the errors of requests that name no command, or not as it is called."""
from redislite._core.state.core cimport Client, Command, Core

cdef enum:                              # what admit answers
    ADMITTED = 0
    REFUSED = 1                         # it has answered the error
    POSTPONED = 2                       # to be asked again later
    QUEUED = 3                          # the command waits for EXEC
    DROPPED = 4                         # the client itself is being closed


# Looks at all gates of the core and of the client.
cdef int admit(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil
# Whether this is how a browser begins: some page may be trying to have it send us commands.
cdef bint speaks_http(Client* client) noexcept nogil
# The errors. A refused EXEC ends its transaction.
cdef void reply_unknown(Client* client) noexcept nogil
cdef void reply_unknown_subcommand(Client* client, Command* container) noexcept nogil
cdef void refuse_arity(Core* core, Client* client, const Command* command) noexcept nogil
