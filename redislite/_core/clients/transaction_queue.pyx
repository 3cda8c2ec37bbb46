"""What MULTI begins; the contract is in transaction_queue.pxd."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free
from redislite._core.base.sds cimport sds, sds_block_size, sds_free
from redislite._core.commands.command_keys cimport DATABASE_FIRST, DatabaseIterator, databases_begin, databases_next
from redislite._core.keyspace.discard cimport discard_thing
from redislite._core.keyspace.watching cimport unwatch_all
from redislite._core.state.core cimport Argument, Client, Command, Core, QueuedCommand, Transaction
from redislite._core.state.flags cimport CLIENT_DIRTY_QUEUE, CLIENT_IN_EXEC, GATE_TRANSACTION
from redislite._core.structures.release cimport Release, release_block, release_charge


cdef int transaction_queue(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil:
    cdef Transaction* transaction = client.transaction
    cdef QueuedCommand* queued
    cdef Argument* argument
    cdef size_t size = sizeof(QueuedCommand) + client.argc * sizeof(Argument)
    cdef char* bytes
    cdef DatabaseIterator databases
    cdef uint64_t flags = request_flags(core, client, command)
    cdef int i
    for i in range(client.argc):
        if client.argv[i].owner == NULL:
            size += client.argv[i].length
    queued = <QueuedCommand*> heap_alloc(core.heap, size)
    if queued == NULL:
        return -1
    queued.next = NULL
    queued.command = command
    queued.size = size
    queued.request_bytes = request_bytes
    queued.hash = client.hash
    queued.hashed = client.hashed
    queued.count = client.argc
    bytes = <char*> queued + sizeof(QueuedCommand) + client.argc * sizeof(Argument)
    for i in range(client.argc):
        argument = &queued_arguments(queued)[i]
        argument[0] = client.argv[i]
        client.argv[i].owner = NULL
        if argument.owner != NULL:
            transaction.bytes += heap_footprint(sds_block_size(argument.owner))
        else:
            argument.data = bytes
            memcpy(bytes, client.argv[i].data, argument.length)
            bytes += argument.length
    if transaction.last != NULL:
        transaction.last.next = queued
    else:
        transaction.first = queued
    transaction.last = queued
    transaction.count += 1
    transaction.bytes += heap_footprint(size)
    transaction.flags |= flags
    # SELECT is the only command that gives its client another database.
    if command.database_use == DATABASE_FIRST:
        databases_begin(&databases, command, client.argv, client.argc)
        databases_next(&databases, core, transaction.database, &transaction.database, &i)
    return 0


cdef void release_queued(Release* step, QueuedCommand* queued) noexcept nogil:
    cdef sds owner
    cdef int i
    for i in range(queued.count):
        owner = queued_arguments(queued)[i].owner
        if owner != NULL:
            release_charge(step, sds_block_size(owner))
            sds_free(step.heap, owner)
    release_block(step, queued, queued.size)


cdef bint release_transaction(Release* step, void* thing) noexcept nogil:
    cdef Transaction* transaction = <Transaction*> thing
    cdef QueuedCommand* queued
    while transaction.first != NULL:
        if step.budget == 0:
            return 1
        step.budget -= 1
        queued = transaction.first
        transaction.first = queued.next
        release_queued(step, queued)
    heap_free(step.heap, transaction, sizeof(Transaction))
    return 0


cdef void transaction_discard(Core* core, Client* client) noexcept nogil:
    cdef Transaction* transaction = client.transaction
    unwatch_all(core, client)
    # Those that are being executed go when they are through.
    if transaction == NULL or client.flags & CLIENT_IN_EXEC:
        return
    client.transaction = NULL
    client.flags &= ~<uint64_t> CLIENT_DIRTY_QUEUE
    client.gate &= ~<uint64_t> GATE_TRANSACTION
    discard_thing(core, release_transaction, transaction)


cdef size_t transaction_memory(const Client* client) noexcept nogil:
    return client.transaction.bytes if client.transaction != NULL else 0
