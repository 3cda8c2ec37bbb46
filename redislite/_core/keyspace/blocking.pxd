"""Clients that wait for keys: BLPOP, BZPOPMIN, XREAD BLOCK and their like.

A command that finds nothing calls block_on_keys and answers nothing. Its request stays, unexecuted, in the client's
parser. When one of the keys changes, the key is marked ready; once the command that changed it is through, the waiting
requests are executed again, first come first served, while the key has the wanted type. So a handler is written once,
for both cases, and any kind of write wakes.

    Database.waiting: records of WaitList by key ─▶ Waiter ⇄ Waiter ⇄ ...     one Waiter per client and key
    Core.ready: list of WaitLists whose key changed

    Core.deadlines: heap of Deadline ─▶ Client        of those that do not wait for ever

A client that is served, timed out, doomed (ending.pxd) or unblocked is taken out with unblock, and waits for nothing
from then on; its Waiters, of which there may be very many, leave their lists in bounded pieces (discard.pxd), and who
walks a list passes over them. The engine has one timer for all, which is due when the earliest deadline was, or before.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.state.core cimport Blocked, Client, Core, Database, Waiter, WaitList

cdef enum:
    WAIT_ALSO_MISSING = 1       # execute again also when the key is gone or has another type (XREADGROUP)
    WAIT_AND_ANSWER = 2         # execute again when the time is over: block_on_keys then answers false (WAIT)
    WAIT_FOR_DISK = 4           # execute again at the end of each of the loop's turns (WAITAOF)


# Makes the client wait for arguments first, first + step, ... (count keys) to hold a value of this type. True: it
# waits, and the handler must return without a reply. False: it may not wait (in a transaction, a script, without a
# connection, doomed), and the handler answers as after a timeout. timeout_ms: 0 for ever. words: numbers that the
# command worked out and needs again (ids that `$` stood for); copied. Executed again, the handler calls this again,
# which changes nothing: place, deadline and words stay.
cdef bint block_on_keys(Core* core, Client* client, int first, int step, int count, int type, int options,
                        int64_t timeout_ms, const uint64_t* words, int words_count) noexcept nogil
# The words of the first call, where the command is being executed again; else NULL.
cdef const uint64_t* blocked_words(const Client* client) noexcept nogil
# Bytes that its waiting takes, beside its request.
cdef size_t blocked_memory(const Client* client) noexcept nogil
# A client whose deadline has passed and who still waits; NULL where there is none, and the timer is set for the next
# one.
cdef Client* overdue_client(Core* core) noexcept nogil
# Ends the waiting: no list leads to the client any more. Its request is still there.
cdef void unblock(Core* core, Client* client) noexcept nogil
# Releases a list that nobody waits in, unless it is queued as ready: then whoever takes it from there does.
cdef void discard_if_empty(WaitList* waiting) noexcept nogil
# The key has changed: whoever waits for it is to be looked at.
cdef void mark_ready(Core* core, Database* database, const char* key, size_t length) noexcept nogil
# The whole database has changed (SWAPDB).
cdef void mark_all_ready(Core* core, Database* database) noexcept nogil


# The first of these waiters whose client still waits, or NULL.
cdef inline Waiter* first_waiting(Waiter* waiter) noexcept nogil:
    while waiter != NULL and waiter.blocked.client == NULL:
        waiter = waiter.next
    return waiter
