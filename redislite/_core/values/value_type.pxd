"""A type of values, as all that does not care which one it is sees it: the keyspace, files, memory figures.

    VALUE_TYPES ─▶ string | list | set | zset | hash | stream | module        the built-in types, by TYPE_*
    entry of TYPE_MODULE, ENCODING_EXTENSION ─▶ Extension: ValueType* | what the type itself keeps

Values that stand in their entry (integers, short strings) never come here. The rows of the built-in types are made
where these are known: value_types.pyx (memory), rdb_write.pyx and append_rewrite.pyx (files); they are constant from
then on.

A type from outside is a ValueType that its module keeps, given to Engine.register_type. Its values are blocks of the
engine's heap that begin with an Extension. All of its functions are needed but rewrite.
"""
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Core
from redislite._core.structures.release cimport Release
from redislite._core.text.command_output cimport CommandOutput
from redislite._core.text.rdb_input cimport RdbInput
from redislite._core.text.rdb_output cimport RdbOutput
from redislite._core.values.module_value cimport MODULE_NAME_ROOM

cdef enum:
    EXTENSION_VERSION_MAX = 1023    # of how a type writes its values


cdef struct ValueType:
    # What TYPE answers; of a type from outside nine characters, letters, digits, - and _.
    char name[MODULE_NAME_ROOM]
    int version                     # of a type from outside: which write writes
    # Bytes of memory that the value takes outside its entry. samples: how many elements may stand for all; 0: each
    # does.
    size_t (*memory)(const void* value, int encoding, size_t samples) noexcept nogil
    # How many elements it has.
    size_t (*length)(const void* value, int encoding) noexcept nogil
    # Releases it bit by bit: 1 while more is to do (release.pxd).
    bint (*release_step)(Release* step, void* value, int encoding) noexcept nogil
    # A copy of the same encoding, the caller's; NULL where memory is out.
    void* (*copy)(Heap* heap, const void* value, int encoding) noexcept nogil
    # Writes the value into RDB data. A type from outside writes fields (rdb_fields.pxd), and no end.
    void (*write)(RdbOutput* output, const Core* core, const void* value, int encoding) noexcept nogil
    # Of a type from outside: reads the fields that this version wrote, to the end of which the caller sees. NULL after
    # an error of the input (input_fail), with nothing left behind.
    void* (*read)(RdbInput* input, int version) noexcept nogil
    # Writes commands that make the value where the key is missing. NULL: RESTORE does.
    void (*rewrite)(CommandOutput* commands, const Core* core, const void* value, int encoding) noexcept nogil


# What values of types from outside begin with.
cdef struct Extension:
    const ValueType* type


# The type that made the value.
cdef inline const ValueType* extension_type(const void* value) noexcept nogil:
    return (<const Extension*> value).type


# The identifier that values of a type begin with in files: its name and version. 0 where no type can be named so.
cdef uint64_t extension_identifier(const char* name, int version) noexcept nogil
# The row in a capsule named redislite.ValueType. ValueError for anything else, for a name or version that no type can
# have, and for a row without the functions that it needs.
cdef ValueType* extension_in(object capsule) except NULL
# The registered type that has written what begins with the identifier, of whatever version; NULL where there is none.
cdef const ValueType* extension_find(const Core* core, uint64_t identifier) noexcept nogil
