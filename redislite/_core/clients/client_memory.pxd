"""What clients take: accounting, and eviction of clients over ``maxmemory-clients``.

    Core.client_sizes ─▶ lists of clients by size class, and the sum of all

While a limit is set, each client is counted anew whenever its buffers may have changed (client_recount), and stands in
the list of its size class. Where the sum passes the limit, clients are closed from the largest class down, within one
class those that came into it first; a client that asked for it (CLIENT NO-EVICT) is counted and never closed. Without a
limit nobody is counted.
"""
from redislite._core.state.core cimport Client, Core


# Bytes that a client takes: struct, query buffer, parser, output, transaction, and what it waits for, watches, has
# subscribed to and tracks, names included. In constant time, as it is asked at each request.
cdef size_t client_memory(const Client* client) noexcept nogil
# Counts the client anew. Does nothing where no limit is set.
cdef void client_recount(Core* core, Client* client) noexcept nogil
# Takes the client out of the count, as it is about to be closed. Harmless where it is not counted.
cdef void client_uncount(Core* core, Client* client) noexcept nogil
# The limit was set, changed or taken away.
cdef void client_limit_changed(Core* core) noexcept nogil
# Closes clients until the others are within the limit.
cdef void evict_clients(Core* core) noexcept nogil
# The limit in bytes; 0: none.
cdef size_t client_memory_limit(const Core* core) noexcept nogil
