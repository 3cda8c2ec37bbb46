"""Keys that hold sorted sets: what the commands on sorted sets and geo do with one beyond its value,
and how they answer members."""
from libc.stdint cimport int64_t
from redislite._core.keyspace.entry cimport Entry
from redislite._core.state.core cimport Client, Core
from redislite._core.values.sorted_set_value cimport SortedSetValue


# Whether the entry is a sorted set; answers the error where not.
cdef bint is_sorted_set_or_reply(Client* client, const Entry* entry) noexcept nogil
# Notes so many changes of the key of argument key, and tells of them as an event of this name.
cdef void sorted_set_changed(Core* core, Client* client, int key, int64_t changes, const char* event) noexcept nogil
# Puts the value under the key of argument key, which is not there. Where memory is out, the value is released, and the
# error answered.
cdef bint add_sorted_set_or_reply(Core* core, Client* client, int key, SortedSetValue* value) noexcept nogil
# Puts the value, or nothing where it is empty, in the place of whatever the key holds, and answers its length. event:
# the name of the event of storing one.
cdef void store_sorted_set_and_reply(Core* core, Client* client, int key, SortedSetValue* value,
                                     const char* event) noexcept nogil
# A member, and its score where asked for: as an array of two then in RESP3.
cdef void reply_pair(Client* client, const char* data, size_t length, double score, bint scores) noexcept nogil
# The header of count such pairs.
cdef void reply_pairs_header(Client* client, int64_t count, bint scores) noexcept nogil
# So many members from a rank on, from the end where backward, and their scores where asked for.
cdef void reply_members(Client* client, const SortedSetValue* value, size_t first, size_t count, bint backward,
                        bint scores) noexcept nogil
