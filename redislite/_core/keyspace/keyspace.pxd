"""Databases: finding, adding, replacing and removing keys, with lazy expiry, access bits and the count of changes.

A key with a time to live stands in two dicts, ``keys`` and ``expires``, which point to the same entry. Whoever moves an
entry goes through here, so that both follow.

A hash with fields that have a time to live stands in ``field_expires`` too.

A slot (``Entry**``) is the place in ``keys`` that points to the entry; it is good until the next call of this module
that adds or removes a key.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from redislite._core.base.sds cimport sds
from redislite._core.keyspace.key_table cimport key_hash
from redislite._core.keyspace.entry cimport ENCODING_HASHTABLE, TYPE_HASH, Entry, entry_pointer
from redislite._core.state.core cimport CHECKED_BUILD, Argument, Client, Core, Database
from redislite._core.state.flags cimport INTEREST_TRACKED, INTEREST_WATCHED, NOTIFY_EXPIRED, NOTIFY_GENERIC
from redislite._core.values.hash_value cimport HashTable


cdef enum:
    KEYS_AHEAD = 16             # keys of one command that are prefetched together


# Databases 0 to count - 1, empty. 0, or -1 where memory is out.
cdef int keyspace_init(Core* core, int count) noexcept nogil
cdef void keyspace_release(Core* core) noexcept nogil

# The slot of a key that is there and not expired, else NULL; an expired key is removed. Counts nothing, touches
# nothing.
cdef Entry** keyspace_find(Core* core, Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil
# The entry for reading argument index of the client's command: counts a hit or a miss, tells of the miss, and notes the
# access. Or NULL.
cdef Entry* lookup_read(Core* core, Client* client, int index) noexcept nogil
# The same without noting the access.
cdef Entry* lookup_untouched(Core* core, Client* client, int index) noexcept nogil
# A key was looked for, for reading, and is not there: counts that, and tells of it.
cdef void note_miss(Core* core, Database* database, const char* key, size_t length) noexcept nogil
# The slot for writing it: notes the access. Or NULL.
cdef Entry** lookup_write(Core* core, Client* client, int index) noexcept nogil

# Puts a string under the key, in place of what slot (of that key, or NULL where the key is not there) holds, whatever
# its type. deadline_ms: NO_EXPIRE for none. owner: NULL, or the place of an sds that holds data; it is taken over (and
# set to NULL) where that saves a copy. A text that reads as an integer is stored as one, unless as_text. 0, or -1 where
# memory is out: nothing has changed then.
cdef int store_string(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash,
                      const char* data,
                      size_t length, sds* owner, int64_t deadline_ms, bint as_text) noexcept nogil
# The same for a number.
cdef int store_integer(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash, int64_t value,
                       int64_t deadline_ms) noexcept nogil
# The same for a string that is to be seen as "raw" and will be changed in place: *place is where its length bytes
# stand, the first ones copied from the old value where slot holds a string (zeros behind it), NULL slot: all zeros.
cdef int store_raw(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash, size_t length,
                   char** place) noexcept nogil
# Puts a collection under the key, in place of what slot (of that key, or NULL where the key is not there) holds,
# without a deadline. 0, or -1 where memory is out: nothing has changed then, and the value is still the caller's.
cdef int store_value(Core* core, Database* database, Entry** slot, const Argument* key, uint64_t hash, int type,
                     int encoding, void* value) noexcept nogil
# Adds a ready entry whose key is not there, and tells of the new key. 0, or -1 where memory is out (the entry is still
# the caller's).
cdef int add_entry(Core* core, Database* database, Entry* entry, uint64_t hash) noexcept nogil
# The same telling nobody, for keys that are read from a file, or told of later.
cdef int load_entry(Core* core, Database* database, Entry* entry, uint64_t hash) noexcept nogil
# Takes the entry out of both dicts and answers it (the caller's now), or NULL.
cdef Entry* take_entry(Core* core, Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil
# Removes the key and releases its value (discard.pxd); lazy: where it waits for that, it is counted. 1 if it was there.
cdef bint delete_key(Core* core, Database* database, const char* key, size_t length, uint64_t hash,
                     bint lazy) noexcept nogil
# Gives the entry of a key another name; value, deadline and access bits stay. target: the slot of that name, whose
# entry it replaces, or NULL where the name is free. 0, or -1 where memory is out: nothing has changed then.
cdef int rename_key(Core* core, Database* database, Entry* entry, uint64_t hash, Entry** target, const Argument* name,
                    uint64_t name_hash) noexcept nogil
# Puts the entry of a key into another database, where the key is not there. 0, or -1 likewise.
cdef int move_key(Core* core, Database* database, Entry* entry, uint64_t hash, Database* target) noexcept nogil
# Puts a copy of the entry, deadline included, under a name. target: as with rename_key, in the database given. 0, or -1
# likewise.
cdef int copy_key(Core* core, const Entry* entry, Database* database, Entry** target, const Argument* name,
                  uint64_t hash) noexcept nogil
# Gives the key a deadline, or takes it away (NO_EXPIRE). 0, or -1 where memory is out.
cdef int set_deadline(Core* core, Database* database, Entry** slot, uint64_t hash, int64_t deadline_ms) noexcept nogil
# Tells that fields of a hash were given deadlines or lost them. before: whether there were any before. Where memory is
# out they are hidden in time, but nobody removes them before they are written over.
cdef void note_timed_fields(Core* core, Database* database, Entry* entry, uint64_t hash, bint before) noexcept nogil
# Empties a database, or all of them (number -1), whose memory goes bit by bit; counted as released lazily where lazy,
# else a turn's share of it at once. Counts as many changes as it had keys, and answers how many; who waits for, watches
# or caches keys is told.
cdef size_t flush_databases(Core* core, int number, bint lazy) noexcept nogil
# The same for one database, telling and counting nothing.
cdef size_t flush_database(Core* core, Database* database, bint lazy) noexcept nogil
# Exchanges the contents of two databases; each keeps its number and the clients that wait for or watch keys of it.
cdef void swap_databases(Core* core, Database* one, Database* other) noexcept nogil

# Notes an access of now in the entry's bits, unless the client asked for none (CLIENT NO-TOUCH).
cdef void touch_entry(Core* core, Client* client, Entry* entry) noexcept nogil
# Access bits of a new key.
cdef uint32_t access_for_new(Core* core) noexcept nogil
# Access bits of a key that is loaded: last used so many seconds ago (LRU), or with this frequency (LFU).
cdef uint32_t access_for_idle(Core* core, int64_t seconds) noexcept nogil
cdef uint32_t access_for_frequency(Core* core, int frequency) noexcept nogil
# Seconds since the last access (LRU); frequency, decayed to now (LFU).
cdef int64_t idle_seconds(Core* core, const Entry* entry) noexcept nogil
cdef int access_frequency(Core* core, const Entry* entry) noexcept nogil


# Of a key that the command that runs uses: in checked builds, that it is one which its arguments name.
cdef inline void assert_named(Core* core, const Database* database, const char* key, size_t length,
                              bint changes) noexcept nogil:
    if CHECKED_BUILD and core.executing != NULL:
        core.upcalls.key_used(core, database, key, length, changes)


# Tells of a change that is counted already: the second key of one change.
cdef inline void announce(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    assert_named(core, database, key, length, 1)
    if core.interest:
        announce_change(core, database, key, length, 1)


# The one place that every change of a key goes through.
cdef inline void key_changed(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    core.dirty += 1
    announce(core, database, key, length)


# The same for a change that gives nobody what he may be waiting for: no waiting command is executed again.
cdef inline void key_changed_unawaited(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    core.dirty += 1
    assert_named(core, database, key, length, 1)
    if core.interest & (INTEREST_WATCHED | INTEREST_TRACKED):
        announce_to_readers(core, database, key, length, 1)


# The same for a key that is removed by its time or for want of memory, whoever's command is executed. That has been
# propagated by itself: the command on whose way it happens has not changed anything by it.
cdef inline void key_vanished(Core* core, Database* database, const char* key, size_t length) noexcept nogil:
    if core.interest:
        announce_change(core, database, key, length, 0)


# The one place that emits keyspace events: what happened to the key, by its class and the original's name for it.
cdef inline void notify(Core* core, Database* database, int event_class, const char* name, const char* key,
                        size_t length) noexcept nogil:
    if core.notify_classes & event_class:
        core.upcalls.key_event(core, database, event_class, name, key, length)


# The same for the key that is argument index of the client's command, in the client's database.
cdef inline void notify_argument(Core* core, Client* client, int index, int event_class,
                                 const char* name) noexcept nogil:
    notify(core, client.database, event_class, name, client.argv[index].data, client.argv[index].length)


cdef inline void notify_deleted(Core* core, Client* client, int index) noexcept nogil:
    notify_argument(core, client, index, NOTIFY_GENERIC, "del")


# Counts and tells that the key of argument index has gone, since it was given a deadline in the past.
cdef inline void notify_past_deadline(Core* core, Client* client, int index) noexcept nogil:
    if core.settings.past_deadline_deletes:
        notify_deleted(core, client, index)
    else:
        core.statistics.expired_keys += 1
        notify_argument(core, client, index, NOTIFY_EXPIRED, "expired")


# Tells who waits for, watches or caches the key that it has changed.
cdef void announce_change(Core* core, Database* database, const char* key, size_t length, bint by_client) noexcept nogil
# Tells who watches or caches it.
cdef void announce_to_readers(Core* core, Database* database, const char* key, size_t length,
                              bint by_client) noexcept nogil
# Removes a key whose time is up, as an event of its own: counted, propagated as a deletion, announced.
cdef void expire_key(Core* core, Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil


# The hash of argument index of the client's command; that of the first key is known already.
cdef inline uint64_t argument_hash(Client* client, int index) noexcept nogil:
    if index == client.hashed:
        return client.hash
    return key_hash(client.database, client.argv[index].data, client.argv[index].length)


# Hashes arguments first, first + step, ... (count of them, at most KEYS_AHEAD) and asks the processor for their
# entries.
cdef void prefetch_keys(Client* client, int first, int step, int count, uint64_t* hashes) noexcept nogil


# Whether the value is a hash with fields that have a deadline.
cdef inline bint has_timed_fields(const Entry* entry) noexcept nogil:
    return (entry[0] & ~8) == (TYPE_HASH | ENCODING_HASHTABLE << 4) and \
        (<HashTable*> entry_pointer(entry)).timed_count != 0
