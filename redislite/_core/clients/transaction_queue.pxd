"""Transactions: what MULTI begins, and its queue.

    Client.transaction ─▶ QueuedCommand ─▶ QueuedCommand ─▶ ...      a block each: header, Arguments, bytes

While one is open the client has GATE_TRANSACTION: call_command, having checked a command as ever, has it queued here
instead of executing it. EXEC runs the queue through call_command again.
"""
from libc.stdint cimport uint64_t
from redislite._core.state.core cimport Argument, Client, Command, Core, QueuedCommand
from redislite._core.state.flags cimport COMMAND_MAY_REPLICATE


# Queues the client's current command; its arguments are copied, or taken over where they have strings of their own.
# 0, or -1 where memory is out.
cdef int transaction_queue(Core* core, Client* client, Command* command, size_t request_bytes) noexcept nogil
# Drops the transaction, its queue, and what the client watches; a long queue is released in pieces. Harmless where
# there is none.
cdef void transaction_discard(Core* core, Client* client) noexcept nogil
# Bytes that the queue takes.
cdef size_t transaction_memory(const Client* client) noexcept nogil


# What this command may do: EXEC may do all that its transaction may.
cdef inline uint64_t transaction_flags(const Client* client, const Command* command) noexcept nogil:
    if client.transaction != NULL and command.is_exec:
        return command.flags | client.transaction.flags
    return command.flags


# The same of a request that may be queued: the script that it runs may say of itself that it writes nothing.
cdef inline uint64_t request_flags(Core* core, const Client* client, const Command* command) noexcept nogil:
    if command.runs_script and core.upcalls.script_only_reads(core, client, command):
        return command.flags & ~<uint64_t> COMMAND_MAY_REPLICATE
    return command.flags


cdef inline Argument* queued_arguments(QueuedCommand* queued) noexcept nogil:
    return <Argument*> (<char*> queued + sizeof(QueuedCommand))
