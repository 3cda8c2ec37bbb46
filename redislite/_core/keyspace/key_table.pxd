"""The keys of a database: the one way to the table that holds them.

Who looks for keys, adds, removes or walks them does so through here, and nobody else touches ``Database.keys``, so that
how keys are spread over tables is decided in one place. Values are entries (entry.pxd); whose they are, their deadlines
and who is told of a change is for keyspace.pxd, which stands on this.

Contracts are those of the functions of structures/dict.pxd that have the same names.
"""
from libc.stdint cimport uint64_t
from redislite._core.keyspace.entry cimport KEY_OFFSET, Entry
from redislite._core.state.core cimport Core, Database
from redislite._core.structures.dict cimport (
    Dict, DictIterator, DictVisitor, dict_find, dict_hash, dict_init, dict_insert, dict_iterate_begin,
    dict_prefetch_bucket, dict_prefetch_entry, dict_random, dict_rehash, dict_remove, dict_reserve, dict_scan,
    dict_size,
)


cdef inline void keys_init(Core* core, Database* database) noexcept nogil:
    dict_init(&database.keys, core.heap, core.seed, KEY_OFFSET)


# The table itself, for what is done to tables: sampling, facts, releasing as a whole.
cdef inline Dict* keys_table(Database* database) noexcept nogil:
    return &database.keys


cdef inline size_t keys_count(const Database* database) noexcept nogil:
    return dict_size(&database.keys)


# By which all tables of all databases know a key.
cdef inline uint64_t key_hash(const Database* database, const char* key, size_t length) noexcept nogil:
    return dict_hash(&database.keys, key, length)


# The place that points to the entry, whether its time is up or not; or NULL.
cdef inline Entry** keys_find(Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil:
    return <Entry**> dict_find(&database.keys, key, length, hash)


cdef inline void keys_prefetch_bucket(const Database* database, uint64_t hash) noexcept nogil:
    dict_prefetch_bucket(&database.keys, hash)


cdef inline void keys_prefetch_entry(const Database* database, uint64_t hash) noexcept nogil:
    dict_prefetch_entry(&database.keys, hash)


# 0, or -1 where memory is out.
cdef inline int keys_insert(Database* database, Entry* entry, uint64_t hash) noexcept nogil:
    return dict_insert(&database.keys, entry, hash)


# The entry, which is the caller's then; or NULL.
cdef inline Entry* keys_remove(Database* database, const char* key, size_t length, uint64_t hash) noexcept nogil:
    return <Entry*> dict_remove(&database.keys, key, length, hash)


# 0, or -1 where memory is out.
cdef inline int keys_reserve(Database* database, size_t entries) noexcept nogil:
    return dict_reserve(&database.keys, entries)


cdef inline bint keys_rehash(Database* database, size_t homes) noexcept nogil:
    return dict_rehash(&database.keys, homes)


cdef inline Entry* keys_random(Database* database, uint64_t* random) noexcept nogil:
    return <Entry*> dict_random(&database.keys, random)


cdef inline uint64_t keys_scan(Database* database, uint64_t cursor, DictVisitor visit, void* argument) noexcept nogil:
    return dict_scan(&database.keys, cursor, visit, argument)


# Next is dict_iterate_next, and then dict_iterate_end.
cdef inline void keys_iterate_begin(DictIterator* it, Database* database) noexcept nogil:
    dict_iterate_begin(it, &database.keys)
