"""Client-side caching (CLIENT TRACKING): who has read which keys, and telling them when these change.

    Core.tracking ─▶ Tracking ─┬─ keys: records of TrackedKey ─▶ set of Trackers        the default mode
                               └─ prefixes: records of Prefix ─┬─ members: set of Trackers the broadcasting mode
                                                               └─ keys that changed since the last turn
    Client.tracking ─▶ Tracker                                                          one client's options

In the default mode the keys that a client's commands read are remembered here, and when one changes, everybody who read
it is told, once. In the broadcasting mode nothing is remembered: who subscribed to a prefix of a key's name is told of
each change, in one message per prefix and turn of the loop.

A Tracker outlives its client while keys refer to it, so nobody searches the table when a client leaves. A client whose
own command changes a key is told behind that command's reply (push_place in output.pxd).

A client that executes commands for another one (a script's) has that one's GATE_TRACKING: what it reads and writes
counts as done by the outermost client.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.state.core cimport Client, Command, Core
from redislite._core.structures.dict cimport Dict
from redislite._core.structures.pointer_set cimport PointerSet
from redislite._core.structures.rax cimport Rax

cdef enum:                      # Tracker.options
    TRACKING_ON = 1
    TRACKING_BCAST = 2
    TRACKING_OPTIN = 4
    TRACKING_OPTOUT = 8
    TRACKING_NOLOOP = 16
    TRACKING_CACHING = 32       # CLIENT CACHING was called: for the next command (or transaction) the other way round
    TRACKING_BROKEN = 64        # who was to get its messages is gone


cdef struct Tracker:
    Client* client              # NULL: gone
    uint64_t id                 # of the client
    int64_t references          # from its client, tracked keys, changed keys and redirections
    int options                 # TRACKING_* bits; without TRACKING_ON the others mean nothing
    Tracker* redirect           # who gets its messages; NULL: it does itself
    Rax prefixes                # text → Prefix that it is a member of; but for the empty one, none begins with another
    size_t prefixes_bytes       # what these take, in full
    size_t own_changes          # while a message is made: changes in it that are its own


# A key that was read: a record (records.pxd).
cdef struct TrackedKey:
    PointerSet trackers


# A key of a prefix that has changed in this turn: a record.
cdef struct ChangedKey:
    ChangedKey* next
    Tracker* writer             # the only one that changed it, where it does not want to know; else NULL


# A prefix that clients subscribed to: a record.
cdef struct Prefix:
    Prefix* next_changed        # list of those with changed keys
    PointerSet members
    Dict changed
    ChangedKey* first
    ChangedKey* last
    int64_t is_listed           # in that list


# How many prefixes have a length: a changed key is looked up once for each.
cdef struct PrefixLength:
    size_t length
    int64_t prefixes


cdef struct Tracking:
    Dict keys
    Dict prefixes
    PrefixLength* lengths       # ascending
    int lengths_count
    int lengths_capacity
    Prefix* changed             # prefixes with changed keys
    int64_t clients             # that have tracking on
    int64_t items               # pairs of key and client in keys
    int64_t limit_turns         # in a row that found too many keys
    char* message               # the keys of a message, encoded
    size_t message_length
    size_t message_capacity


# Turns tracking on for the client, or changes its options; a prefix must be added by itself. redirect: who gets its
# messages, or NULL. 0, or -1 where memory is out: nothing has changed then.
cdef int tracking_enable(Core* core, Client* client, int options, Client* redirect) noexcept nogil
# Bytes that the client's tracking takes: its tracker, and each of its prefixes in full, whoever else has it.
cdef size_t tracking_memory(const Client* client) noexcept nogil
# Makes the client, which is in broadcasting mode, a member of a prefix. 0, or -1 where memory is out.
cdef int tracking_add_prefix(Core* core, Client* client, const char* prefix, size_t length) noexcept nogil
# Has CLIENT CACHING turn round what the mode says, for the next command. The client is in an OPTIN or OPTOUT mode.
cdef void tracking_set_caching(Client* client) noexcept nogil
# One of the client's prefixes that begins with this text, or that this text begins with: *found, or NULL where there is
# none. 0, or -1 where memory is out.
cdef int tracking_find_overlap(const Client* client, const char* text, size_t length, Prefix** found) noexcept nogil
# Turns it off. Harmless where it is off.
cdef void tracking_disable(Core* core, Client* client) noexcept nogil
# The client is being released. Prefixes that it was a member of are left in pieces (discard.pxd).
cdef void tracking_forget_client(Core* core, Client* client) noexcept nogil

# To be called behind each command of a client with GATE_TRACKING: remembers the keys that it read. executed: it was;
# command may be NULL where not.
cdef void tracking_command_done(Core* core, Client* client, Command* command, bint executed) noexcept nogil
# A key has changed, by the client that executes or (by_client unset) by its time or the memory limit; key NULL: all
# have.
cdef void tracking_invalidate(Core* core, const char* key, size_t length, bint by_client) noexcept nogil
# Brings the table nearer to tracking-table-max-keys, where it is over it, by telling clients that keys changed.
cdef void tracking_limit(Core* core) noexcept nogil
# Ends a turn: sends what the broadcasting mode has gathered.
cdef void tracking_before_sleep(Core* core) noexcept nogil
# Periodic work: the limit, and dropping the keys when no client tracks any more.
cdef void tracking_cron(Core* core) noexcept nogil
cdef void tracking_release(Core* core) noexcept nogil


cdef inline Tracker* tracker_of(const Client* client) noexcept nogil:
    return <Tracker*> client.tracking


# A prefix of the broadcasting mode, as its text.
cdef inline char* prefix_text(const Prefix* prefix, size_t* length) noexcept nogil:
    return prefixed_read(<const char*> prefix + sizeof(Prefix), length)


# The options of a client, 0 where tracking is off.
cdef inline int tracking_options(const Client* client) noexcept nogil:
    cdef Tracker* tracker = tracker_of(client)
    return tracker.options if tracker != NULL and tracker.options & TRACKING_ON else 0
