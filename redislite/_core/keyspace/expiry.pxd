"""Active expiry: finding keys, and fields of hashes, whose time is up without anybody asking for them."""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.keyspace.entry cimport Entry
from redislite._core.state.core cimport Core, Database


# Removes one field of a hash if its time is up, which is propagated; whoever asks tells of it. False where it was the
# last one, and the key is gone. name_hash: dict_hash of the key; *removed is counted up.
cdef bint expire_field(Core* core, Database* database, Entry* entry, uint64_t name_hash, const char* field,
                       size_t length,
                       int64_t* removed) noexcept nogil
# One cycle over all databases, at most about budget_us microseconds. Goes on where the last one stopped. 1 where time
# was up before it was done with all that has expired.
cdef bint expire_cycle(Core* core, int64_t budget_us) noexcept nogil
# Removes all fields of a hash whose time is up, as who takes it as a whole must, and tells of it; other values stay as
# they are. False where none was left, and the key is gone.
cdef bint expire_fields(Core* core, Database* database, Entry* entry) noexcept nogil
