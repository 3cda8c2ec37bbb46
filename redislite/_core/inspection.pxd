"""What an engine tells of itself: databases, single keys, memory, counts, and what of that is reset. Engine builds on
it."""
from redislite._core.keyspace.entry cimport Entry
from redislite._core.state.core cimport Core, Database
from redislite._core.state.statistics cimport CommandStatistics


cdef class Inspected:
    cdef Core core
    cdef readonly object table          # CommandTable of all rows that are registered

    cdef Database* _database(self, int number) except NULL
    cdef CommandStatistics* _statistics_of(self, int id) except NULL
    # A key's entry, which is not touched by that, or NULL.
    cdef Entry* _entry(self, int number, bytes key, bint also_expired=*) except? NULL
