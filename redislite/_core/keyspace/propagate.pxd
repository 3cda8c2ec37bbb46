"""The one point through which writes leave: for the append-only file and for replicas, as requests in RESP.

    command ─▶ call_command ─┬─ as it stands, where it changed something
                             └─ what its handler said instead: propagate (any number) and propagate_nothing
                                      │
                              Core.feed: SELECT where the database differs, MULTI … EXEC around several requests
                                      │
                              read at the end of the turn by whoever is attached (feed.pxd)

A unit of execution is what one request of a client causes: a command with what it removed on its way, a whole
transaction, a woken command; it is seen by all or by nobody. What is propagated is deterministic: deadlines are
absolute, what was picked at random is named.

Nothing here is called while Core.propagation is 0.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen
from redislite._core.state.core cimport Argument, Client, Command, Core, Database, Feed


# Adds a request to the unit that runs. The bytes are copied.
cdef void propagate(Core* core, const Database* database, const Argument* arguments, int count) noexcept nogil
# The command that runs is not propagated by itself: its handler has said all of it, which may be nothing.
cdef inline void propagate_nothing(Core* core) noexcept nogil:
    core.feed.is_replaced = 1
# The key was removed: DEL, or UNLINK where lazy.
cdef void propagate_deletion(Core* core, const Database* database, const char* key, size_t length,
                             bint lazy) noexcept nogil
# From here on, until propagate_vanishing_end is given the answer, what is said is said also where what a command does
# is withheld: for what vanishes by its time.
cdef inline int propagate_vanishing(Core* core) noexcept nogil:
    cdef int before = core.propagation
    core.propagation |= core.withheld
    return before
cdef inline void propagate_vanishing_end(Core* core, int before) noexcept nogil:
    core.propagation = before
# The deletion of a key that vanishes by its time.
cdef void propagate_vanished(Core* core, const Database* database, const char* key, size_t length,
                             bint lazy) noexcept nogil
# Called by call_command around each command: database is the one it began in, dirty the count of changes before it.
# A count that is smaller behind it is one that a save has begun anew: the command has changed nothing then.
# failed: it has answered an error. Where it has changed something all the same, memory having been out in the middle,
# and has not said what, nobody can tell others: its unit is lost.
cdef void propagate_command(Core* core, Client* client, const Database* database, uint64_t dirty,
                            bint failed) noexcept nogil
# Ends a unit: from here on its requests may be read, or if memory was out for one of them, none of them, and
# FeedReader.lacks_units says that something is missing. Harmless where it has none.
cdef void propagate_unit(Core* core) noexcept nogil
# Moves what the unit that runs has propagated so far into unit, so that what was before it can be taken. 0, or -1 where
# memory is out: nothing is changed then.
cdef int propagate_set_aside(Core* core, Feed* unit) noexcept nogil
# Has that unit go on.
cdef void propagate_put_back(Core* core, Feed* unit) noexcept nogil

# Word by word, for handlers: begin says how many words follow, which are copied. To be called only where somebody
# listens.
cdef void propagate_begin(Core* core, const Database* database, int64_t words) noexcept nogil
cdef void propagate_bytes(Core* core, const char* data, size_t length) noexcept nogil
cdef void propagate_integer(Core* core, int64_t value) noexcept nogil
# The client's arguments from first on, before end.
cdef void propagate_arguments(Core* core, Client* client, int first, int end) noexcept nogil
cdef inline void propagate_text(Core* core, const char* text) noexcept nogil:
    propagate_bytes(core, text, strlen(text))

# Whole requests in place of the command that runs. Argument key is their first word behind the name.
cdef void propagate_instead(Core* core, Client* client, const char* name, int key) noexcept nogil
cdef void propagate_instead_counted(Core* core, Client* client, const char* name, int key,
                                    int64_t number) noexcept nogil
# PEXPIREAT, or PERSIST where negative.
cdef void propagate_deadline(Core* core, Client* client, int key, int64_t deadline_ms) noexcept nogil
# SET of argument value, with PXAT unless negative.
cdef void propagate_string(Core* core, Client* client, int key, int value, int64_t deadline_ms) noexcept nogil
# The command as it stands, though it may have changed nothing.
cdef void propagate_always(Core* core, Client* client) noexcept nogil


cdef inline Argument argument_of(const char* text, size_t length) noexcept nogil:
    """An argument of bytes that somebody else keeps."""
    cdef Argument argument
    argument.data = <char*> text
    argument.length = length
    argument.owner = NULL
    return argument
