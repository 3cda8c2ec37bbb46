"""MULTI, EXEC, DISCARD, WATCH, UNWATCH."""
from libc.stdio cimport snprintf
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport heap_zalloc
from redislite._core.commands.arguments cimport reply_out_of_memory
from redislite._core.keyspace.key_table cimport keys_find, keys_prefetch_bucket, keys_prefetch_entry
from redislite._core.keyspace.entry cimport Entry, entry_deadline
from redislite._core.keyspace.keyspace cimport KEYS_AHEAD, argument_hash, assert_named
from redislite._core.keyspace.propagate cimport propagate_nothing
from redislite._core.keyspace.watching cimport unwatch_all, watch_expired, watch_key
from redislite._core.protocol.reply cimport reply_array, reply_error, reply_null_array, reply_ok
from redislite._core.state.core cimport Argument, Client, Command, Core, QueuedCommand, Transaction
from redislite._core.state.expiry_state cimport is_expired
from redislite._core.state.flags cimport (
    CLIENT_DENY_BLOCKING, CLIENT_DIRTY_QUEUE, CLIENT_DIRTY_WATCH, CLIENT_IN_EXEC, GATE_TRANSACTION,
)
from redislite._core.commands.row import native
from redislite._core.clients.transaction_queue cimport queued_arguments, transaction_discard


cdef void refuse_nested(Core* core, Client* client, const char* error) noexcept nogil:
    """Answers MULTI or WATCH within a transaction: with this error, or with one that ends the transaction."""
    cdef char text[128]
    if not core.settings.nesting_aborts:
        reply_error(&client.reply, error)
        return
    snprintf(text, sizeof(text), "ERR Command '%s' not allowed inside a transaction", client.command.own_name)
    reply_error(&client.reply, text)
    client.flags |= CLIENT_DIRTY_QUEUE


cdef void multi_command(Core* core, Client* client) noexcept nogil:
    if client.transaction != NULL:
        refuse_nested(core, client, "ERR MULTI calls can not be nested")
        return
    client.transaction = <Transaction*> heap_zalloc(core.heap, sizeof(Transaction))
    if client.transaction == NULL:
        reply_out_of_memory(client)
        return
    client.transaction.database = client.database.id
    client.gate |= GATE_TRANSACTION
    reply_ok(&client.reply)


cdef void discard_command(Core* core, Client* client) noexcept nogil:
    if client.transaction == NULL or client.flags & CLIENT_IN_EXEC:
        reply_error(&client.reply, "ERR DISCARD without MULTI")
        return
    transaction_discard(core, client)
    reply_ok(&client.reply)


cdef void prefetch_queue(Client* client, const Transaction* transaction) noexcept nogil:
    """Asks the processor for the keys of the first commands: what their requests' parsing had asked for is long
    gone."""
    cdef const QueuedCommand* queued = transaction.first
    cdef int count = 0
    while queued != NULL and count < KEYS_AHEAD:
        if queued.hashed:
            keys_prefetch_bucket(client.database, queued.hash)
        queued = queued.next
        count += 1
    queued = transaction.first
    while count:
        if queued.hashed:
            keys_prefetch_entry(client.database, queued.hash)
        queued = queued.next
        count -= 1


cdef void exec_command(Core* core, Client* client) noexcept nogil:
    cdef Transaction* transaction = client.transaction
    cdef QueuedCommand* queued
    cdef Command* command = client.command
    cdef Argument* argv = client.argv
    cdef int argc = client.argc
    cdef uint64_t denied = client.flags & CLIENT_DENY_BLOCKING
    if transaction == NULL or client.flags & CLIENT_IN_EXEC:
        reply_error(&client.reply, "ERR EXEC without MULTI")
        return
    if not client.flags & CLIENT_DIRTY_WATCH and watch_expired(core, client):
        client.flags |= CLIENT_DIRTY_WATCH
    if client.flags & CLIENT_DIRTY_QUEUE:
        reply_error(&client.reply, "EXECABORT Transaction discarded because of previous errors.")
        transaction_discard(core, client)
        return
    if client.flags & CLIENT_DIRTY_WATCH:
        reply_null_array(&client.reply)
        transaction_discard(core, client)
        return
    prefetch_queue(client, transaction)
    # What the transaction itself changes is not to mark the client.
    unwatch_all(core, client)
    client.gate &= ~<uint64_t> GATE_TRANSACTION
    client.flags |= CLIENT_DENY_BLOCKING | CLIENT_IN_EXEC
    reply_array(&client.reply, transaction.count)
    queued = transaction.first
    while queued != NULL:
        client.argv = queued_arguments(queued)
        client.argc = queued.count
        client.hash = queued.hash
        client.hashed = queued.hashed
        core.upcalls.call(core, client, queued.command, queued.request_bytes)
        queued = queued.next
    client.argv = argv
    client.argc = argc
    client.hashed = 0
    client.command = command
    client.flags = client.flags & ~<uint64_t> (CLIENT_DENY_BLOCKING | CLIENT_IN_EXEC) | denied
    transaction_discard(core, client)
    propagate_nothing(core)


cdef void watch_command(Core* core, Client* client) noexcept nogil:
    cdef Entry** slot
    cdef int i
    if client.transaction != NULL:
        refuse_nested(core, client, "ERR WATCH inside MULTI is not allowed")
        return
    # Nothing more to learn for a client that is marked already.
    if not client.flags & CLIENT_DIRTY_WATCH:
        for i in range(1, client.argc):
            assert_named(core, client.database, client.argv[i].data, client.argv[i].length, 0)
            slot = keys_find(client.database, client.argv[i].data, client.argv[i].length, argument_hash(client, i))
            if watch_key(core, client, i, slot != NULL and is_expired(core, entry_deadline(slot[0]))) != 0:
                reply_out_of_memory(client)
                return
    reply_ok(&client.reply)


cdef void unwatch_command(Core* core, Client* client) noexcept nogil:
    unwatch_all(core, client)
    reply_ok(&client.reply)


COMMANDS = [
    native(
        "multi", <size_t> &multi_command, 1, "noscript loading stale fast no_multi allow_busy unqueued",
        group="transactions", since="1.2.0",
        summary="Begins a transaction.", complexity="O(1)",
    ),
    native(
        "exec", <size_t> &exec_command, 1, "noscript loading stale skip_slowlog unqueued", group="transactions",
        since="1.2.0",
        summary="Executes the commands of a transaction.", complexity="Depends on commands in the transaction",
    ),
    native(
        "discard", <size_t> &discard_command, 1, "noscript loading stale fast allow_busy unqueued",
        group="transactions", since="2.0.0",
        summary="Drops a transaction and what is watched.", complexity="O(N) for N queued commands",
    ),
    native(
        "watch", <size_t> &watch_command, -2, "noscript loading stale fast no_multi allow_busy unqueued",
        keys="RO @ 1 last=-1", group="transactions", since="2.2.0",
        syntax="key...",
        summary="Has the next transaction depend on keys staying as they are.", complexity="O(N) for N keys",
    ),
    native(
        "unwatch", <size_t> &unwatch_command, 1, "noscript loading stale fast allow_busy", group="transactions",
        since="2.2.0",
        summary="Forgets all watched keys.", complexity="O(N) for N keys",
    ),
]
