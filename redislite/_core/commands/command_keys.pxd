"""What a command's arguments name: its keys, with their use, and the databases that it touches.

The one place that tells it, for everybody: permissions, tracking, COMMAND GETKEYS, and the assertion of checked builds
that a command uses no key and no database that it does not name. What is told here must be what handlers do, for
whatever arguments they accept: a key that they use and that is not told would be used with nobody's permission.

    the row's notation ─(key_specs.py)─▶ Command.key_specs ──┐
                                         Command.find_keys ──┴▶ KeyRange[] ─▶ index, flags; index, flags; ...

A command whose arguments cannot be described by specifications (SORT, SET, XREADGROUP, ...) has a function, find_keys.
"""
from redislite._core.state.core cimport KEY_SPECS_MAX, Argument, Client, Command, Core, Database, KeyRange


# Flags of a key's use; the numbers are those of key_specs.py.
cdef enum:
    KEY_RO = 1 << 0
    KEY_RW = 1 << 1
    KEY_OW = 1 << 2
    KEY_RM = 1 << 3
    KEY_ACCESS = 1 << 4
    KEY_UPDATE = 1 << 5
    KEY_INSERT = 1 << 6
    KEY_DELETE = 1 << 7
    KEY_NOT_KEY = 1 << 8
    KEY_INCOMPLETE = 1 << 9
    KEY_VARIABLE_FLAGS = 1 << 10


# Numbers shared with access.py.
cdef enum:
    ACCESS_READ = 1             # what a key pattern allows, and what the use of a key needs
    ACCESS_WRITE = 2

    DATABASE_NONE = 0           # which databases a command touches (Command.database_use)
    DATABASE_SELECTED = 1
    DATABASE_FIRST = 2          # that of the first argument
    DATABASE_BOTH = 3           # those of the first two arguments
    DATABASE_SECOND = 4         # the selected one and that of the second argument
    DATABASE_OPTION = 5         # the selected one and those behind DB
    DATABASE_EVERY = 6


cdef struct KeyIterator:
    KeyRange ranges[KEY_SPECS_MAX]
    int count                   # of the ranges
    int current                 # the range that comes next
    int at                      # the key within it


cdef struct DatabaseIterator:
    const Command* command
    const Argument* argv
    int argc
    int next                    # index of the argument to look at next
    bint selected_too           # behind the arguments comes the selected database


# Begins with the first key, in the order of the specifications; routed: of what is only routed like a key, too (a
# sharded channel). The arity is right. 0 where there is none; -1 where the arguments are not of a form from which the
# keys could be told: the command will refuse them, or takes none then.
cdef int keys_begin(KeyIterator* iterator, const Command* command, const Argument* argv, int argc,
                    bint routed) noexcept nogil
# Index of the next key, and how it is used; 0 behind the last one.
cdef int keys_next(KeyIterator* iterator, int* flags) noexcept nogil


# What must be allowed on a key that is used like this: ACCESS_* bits.
cdef inline int key_needs(int flags) noexcept nogil:
    return (ACCESS_READ if flags & KEY_ACCESS else 0) | \
        (ACCESS_WRITE if flags & (KEY_UPDATE | KEY_INSERT | KEY_DELETE) else 0)


cdef void databases_begin(DatabaseIterator* iterator, const Command* command, const Argument* argv,
                          int argc) noexcept nogil
# Whether there is one more: its number, -1 for every one, and the index of the argument that names it (0: it is the
# selected one, whose number is given). An argument that is no number of a database is passed over: the command will
# refuse it.
cdef bint databases_next(DatabaseIterator* iterator, const Core* core, int selected, int* number,
                         int* index) noexcept nogil

# For table.pyx: takes what a row says of its keys into the command. MemoryError, ValueError.
cdef int keys_set(Core* core, Command* command, object row) except -1
cdef void keys_release(Core* core, Command* command) noexcept nogil

# Whether the command that runs names this key, for writing where it changes it, and touches this database. Commands
# that look at arbitrary keys, and those of administration that name none, are not asked.
cdef bint keys_hold(Core* core, const Database* database, const char* key, size_t length, bint changes) noexcept nogil
