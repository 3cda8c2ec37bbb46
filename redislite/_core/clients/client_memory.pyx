"""What clients take; the contract is in client_memory.pxd."""
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport heap_footprint
from redislite._core.clients.ending cimport client_doom, client_give_back, client_is_doomed
from redislite._core.clients.output cimport CLASS_NORMAL, CLASS_PUBSUB, class_of
from redislite._core.clients.tracking cimport tracking_memory
from redislite._core.clients.channels cimport subscriptions_memory
from redislite._core.clients.transaction_queue cimport transaction_memory
from redislite._core.keyspace.blocking cimport blocked_memory
from redislite._core.keyspace.watching cimport watched_memory
from redislite._core.protocol.resp cimport parser_memory
from redislite._core.state.core cimport CLIENT_SIZE_CLASSES, Client, ClientSizes, Core
from redislite._core.state.flags cimport CLIENT_INTERNAL, CLIENT_NO_EVICT, GATE_CLIENT_MEMORY, LOG_NOTICE

cdef extern from *:
    int count_leading_zeros "__builtin_clzll"(unsigned long long value) noexcept nogil

cdef enum:
    SIZE_CLASS_LEAST = 15       # clients of less than 2 to the power of this are all in the first class


cdef size_t client_memory(const Client* client) noexcept nogil:
    cdef size_t total = sizeof(Client) + client.said_bytes + client.reply.held + transaction_memory(client)
    total += subscriptions_memory(client) + tracking_memory(client) + blocked_memory(client) + watched_memory(client)
    if client.query != NULL:
        total += heap_footprint(client.query_capacity)
    if client.parser != NULL:
        total += parser_memory(client.parser)
    return total


cdef inline int size_class(size_t size) noexcept nogil:
    cdef int power = 64 - count_leading_zeros(size | 1)
    if power <= SIZE_CLASS_LEAST:
        return 0
    power -= SIZE_CLASS_LEAST
    return power if power < CLIENT_SIZE_CLASSES else CLIENT_SIZE_CLASSES - 1


cdef void leave_class(ClientSizes* sizes, Client* client) noexcept nogil:
    cdef int number = client.size_class - 1
    if number < 0:
        return
    if client.previous_of_size != NULL:
        client.previous_of_size.next_of_size = client.next_of_size
    else:
        sizes.first[number] = client.next_of_size
    if client.next_of_size != NULL:
        client.next_of_size.previous_of_size = client.previous_of_size
    else:
        sizes.last[number] = client.previous_of_size
    client.previous_of_size = NULL
    client.next_of_size = NULL
    client.size_class = 0


cdef void enter_class(ClientSizes* sizes, Client* client, int number) noexcept nogil:
    client.previous_of_size = sizes.last[number]
    if sizes.last[number] != NULL:
        sizes.last[number].next_of_size = client
    else:
        sizes.first[number] = client
    sizes.last[number] = client
    client.size_class = number + 1


cdef void client_uncount(Core* core, Client* client) noexcept nogil:
    leave_class(&core.client_sizes, client)
    core.client_sizes.total -= client.counted
    client.counted = 0


cdef void client_recount(Core* core, Client* client) noexcept nogil:
    cdef size_t size
    cdef int number
    cdef int kind = class_of(client)
    if not core.settings.max_client_memory:
        return
    if client.flags & CLIENT_INTERNAL or client_is_doomed(client) or (kind != CLASS_NORMAL and kind != CLASS_PUBSUB):
        client_uncount(core, client)
        return
    size = client_memory(client)
    core.client_sizes.total += size - client.counted
    client.counted = size
    if client.flags & CLIENT_NO_EVICT:
        leave_class(&core.client_sizes, client)
        return
    number = size_class(size)
    if number + 1 != client.size_class:
        leave_class(&core.client_sizes, client)
        enter_class(&core.client_sizes, client, number)


cdef void client_limit_changed(Core* core) noexcept nogil:
    cdef Client* client = core.clients
    if core.settings.max_client_memory:
        core.gate |= GATE_CLIENT_MEMORY
    else:
        core.gate &= ~<uint64_t> GATE_CLIENT_MEMORY
    while client != NULL:
        if core.settings.max_client_memory:
            client_recount(core, client)
        else:
            client_uncount(core, client)
        client = client.next


cdef size_t client_memory_limit(const Core* core) noexcept nogil:
    if core.settings.max_client_memory >= 0:
        return <size_t> core.settings.max_client_memory
    # A share of the memory limit, of which there is none where that is none.
    return <size_t> (<double> core.settings.max_memory * -core.settings.max_client_memory / 100)


cdef void close_client(Core* core, Client* client) noexcept nogil:
    """Has a client closed, and gives back at once what it holds, or when the requests that are being executed are
    through."""
    core.upcalls.log_client(core, client, LOG_NOTICE, "Evicting client: {client}", NULL, 0)
    core.statistics.evicted_clients += 1
    client_doom(core, client)
    client_uncount(core, client)
    if client != core.served and client.argv == NULL:
        client_give_back(core, client)


cdef void evict_clients(Core* core) noexcept nogil:
    cdef size_t limit = client_memory_limit(core)
    cdef int number = CLIENT_SIZE_CLASSES - 1
    cdef Client* client
    if limit == 0:
        return
    while core.client_sizes.total > limit and number >= 0:
        client = core.client_sizes.first[number]
        if client == NULL:
            number -= 1
            continue
        # It may take less by now.
        client_recount(core, client)
        if client.size_class == number + 1:
            close_client(core, client)
