"""How clients end: the one place that decides that a client is doomed, and what everything that acts for one asks.

The states, and what leads from one to another, are drawn in connection.pxd.
"""
from redislite._core.state.core cimport Client, Core
from redislite._core.state.flags cimport CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_NOW, CLIENT_POSTPONED


# The client is served no more, whatever the reason: nothing is executed for it, read from it, written to it or appended
# to its output; it waits for no key; and its connection is closed before the loop sleeps. Harmless where it is doomed
# already, and to the engine's own client, which cannot be. Where one of its requests is being executed, that is
# finished.
cdef void client_doom(Core* core, Client* client) noexcept nogil
# Gives back what a doomed client's input and output take. No request of it is being executed.
cdef void client_give_back(Core* core, Client* client) noexcept nogil


cdef inline bint client_is_doomed(const Client* client) noexcept nogil:
    return client.flags & CLIENT_CLOSE_NOW != 0


# Whether messages may still be appended to its output: to one that only waits for its reply to be written, no more.
cdef inline bint client_takes_output(const Client* client) noexcept nogil:
    return not client.flags & (CLIENT_CLOSE_NOW | CLIENT_CLOSE_AFTER_REPLY)


# Whether its next request may be executed now.
cdef inline bint client_may_execute(const Client* client) noexcept nogil:
    return not client.flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_NOW | CLIENT_POSTPONED | CLIENT_BLOCKED)
