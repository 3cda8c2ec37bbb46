"""WAIT and WAITAOF; what they rely on is in acknowledgement.pxd."""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.commands.arguments cimport argument_integer_or_reply, argument_timeout_or_reply
from redislite._core.keyspace.blocking cimport WAIT_AND_ANSWER, WAIT_FOR_DISK, block_on_keys, blocked_words
from redislite._core.persistence.append_log cimport append_log, append_log_is_open, append_log_synced, append_log_total
from redislite._core.protocol.reply cimport reply_array, reply_error, reply_integer
from redislite._core.state.core cimport Client, Core

from redislite._core.commands.row import native


cdef void wait_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t replicas, timeout_ms
    if not argument_integer_or_reply(client, 1, &replicas) or \
            not argument_timeout_or_reply(core, client, 2, 0, &timeout_ms):
        return
    if replicas > 0 and block_on_keys(core, client, 0, 0, 0, 0, WAIT_AND_ANSWER, timeout_ms, NULL, 0):
        return
    reply_integer(&client.reply, 0)


cdef void waitaof_command(Core* core, Client* client) noexcept nogil:
    cdef int64_t local, replicas, timeout_ms
    cdef uint64_t target
    cdef const uint64_t* words
    cdef bint synced
    if not argument_integer_or_reply(client, 1, &local):
        return
    if not 0 <= local <= 1:
        reply_error(&client.reply, "ERR value is out of range, value must between 0 and 1")
        return
    if not argument_integer_or_reply(client, 2, &replicas):
        return
    if replicas < 0:
        reply_error(&client.reply, "ERR value is out of range, must be positive")
        return
    if not argument_timeout_or_reply(core, client, 3, 0, &timeout_ms):
        return
    if local and not append_log_is_open(core):
        reply_error(&client.reply, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
        return
    words = blocked_words(client)
    target = words[0] if words != NULL else <uint64_t> append_log_total(core)
    synced = append_log_is_open(core) and <uint64_t> append_log_synced(core) >= target
    if (local and not synced) or replicas:
        if block_on_keys(core, client, 0, 0, 0, 0, WAIT_AND_ANSWER | WAIT_FOR_DISK, timeout_ms, &target, 1):
            return
    reply_array(&client.reply, 2)
    reply_integer(&client.reply, synced)
    reply_integer(&client.reply, 0)


COMMANDS = [
    native(
        "wait", <size_t> &wait_command, 3, "blocking", group="generic", since="3.0.0", acl="+connection -keyspace",
        tips="request_policy:all_shards response_policy:agg_min", syntax="numreplicas:integer timeout:integer",
        summary="Waits until replicas have what this connection has written.", complexity="O(1)",
    ),
    native(
        "waitaof", <size_t> &waitaof_command, 4, "blocking", group="generic", since="7.2.0",
        acl="+connection -keyspace", tips="request_policy:all_shards response_policy:agg_min",
        syntax="numlocal:integer numreplicas:integer timeout:integer",
        summary="Waits until the disk, here and of replicas, has what this connection has written.", complexity="O(1)",
    ),
]
