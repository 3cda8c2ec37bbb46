"""How clients end; the contract is in ending.pxd."""
from redislite._core.base.alloc cimport heap_free
from redislite._core.keyspace.blocking cimport unblock
from redislite._core.protocol.reply cimport reply_release
from redislite._core.protocol.resp cimport parser_free
from redislite._core.state.core cimport Client, Core
from redislite._core.state.flags cimport CLIENT_CLOSE_NOW, CLIENT_INTERNAL


cdef void client_doom(Core* core, Client* client) noexcept nogil:
    if client.flags & (CLIENT_CLOSE_NOW | CLIENT_INTERNAL):
        return
    client.flags |= CLIENT_CLOSE_NOW
    core.upcalls.close_soon(core, client)
    # A handler that is running may look at what its client waits for; who called it ends the waiting behind it.
    if client.argv == NULL:
        unblock(core, client)


cdef void client_give_back(Core* core, Client* client) noexcept nogil:
    reply_release(&client.reply)
    parser_free(core.heap, client.parser)
    client.parser = NULL
    if client.query != NULL:
        heap_free(core.heap, client.query, client.query_capacity)
        client.query = NULL
        client.query_length = 0
        client.query_capacity = 0
        core.own_queries -= 1
