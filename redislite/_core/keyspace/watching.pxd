"""Keys that clients watch (WATCH) until they execute or discard a transaction.

    Database.watched: records of WatchList by key ─▶ Watch ⇄ Watch ⇄ ...      one Watch per client and key
    Client.watcher ─▶ Watcher ─▶ Watch ─▶ Watch ─▶ ...

A change of a key marks every client that watches it (CLIENT_DIRTY_WATCH), whose EXEC then answers null. A key that was
expired already when it was watched does not change by being removed.

A client that watches no longer, or is marked and has nothing more to learn, has no Watcher from then on; its Watches,
of which there may be very many, leave their lists in bounded pieces (discard.pxd).
"""
from libc.stdint cimport int64_t
from redislite._core.state.core cimport Client, Core, Database


# Watches argument index of the client's command, in its database; was_expired: the key is there, past its deadline.
# 0, or -1 where memory is out. A key that the client watches already is left as it is.
cdef int watch_key(Core* core, Client* client, int index, bint was_expired) noexcept nogil
# Forgets all that the client watches, and that any of it changed.
cdef void unwatch_all(Core* core, Client* client) noexcept nogil
# A key has changed.
cdef void watch_touch(Core* core, Database* database, const char* key, size_t length) noexcept nogil
# The whole content of the database is about to be replaced by another one's (NULL: by nothing).
cdef void watch_touch_all(Core* core, Database* database, Database* other) noexcept nogil
# Whether a key that the client watches has expired since, and nobody has removed it yet.
cdef bint watch_expired(Core* core, Client* client) noexcept nogil


cdef inline int64_t watched_count(const Client* client) noexcept nogil:
    """How many keys the client watches."""
    return client.watcher.count if client.watcher != NULL else 0


cdef inline size_t watched_memory(const Client* client) noexcept nogil:
    """Bytes that its watching takes."""
    return client.watcher.bytes if client.watcher != NULL else 0
