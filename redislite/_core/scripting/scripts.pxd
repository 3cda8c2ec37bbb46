"""The cache of scripts, by their SHA-1, and the commands that evaluate them.

Scripts that came by EVAL go again, the longest unused first, where there are more than EVALUATED_SCRIPTS_MAX of them;
those that came by SCRIPT LOAD stay.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from redislite._core.scripting.scripting cimport Scripting
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.structures.dict cimport Dict

cdef enum:
    EVALUATED_SCRIPTS_MAX = 500


# A record named by the SHA-1.
cdef struct Script:
    int reference               # of its function, in Lua's registry
    uint64_t flags              # SCRIPT_*
    bint is_kept                # it came by SCRIPT LOAD
    size_t length
    char* body                  # of length bytes
    Script* older               # of those that are not kept, in the order of their last use
    Script* newer


cdef struct Scripts:
    Scripting* scripting
    Dict by_digest
    Script* oldest
    Script* newest
    int64_t evaluated           # how many are not kept
    size_t memory               # bytes of all


# Forgets all scripts.
cdef void scripts_flush(Core* core) noexcept nogil
# The same for good.
cdef void scripts_release(Core* core) noexcept nogil
# The flag of this name, or -1.
cdef int64_t script_flag(const char* name, size_t length) noexcept nogil
# The name of the flag 1 << index; NULL where there is none.
cdef const char* script_flag_name(int index) noexcept nogil
# The flags that a list of names stands for; -1, and error is a text of at most COMPILE_ERROR_MAX bytes, for one that is
# unknown.
cdef int64_t script_flags(const char* text, size_t length, char* error) noexcept nogil
# Whether the script that an argument is, or is the digest of, says of itself that it writes nothing.
cdef bint script_is_read_only(Core* core, const Argument* argument, bint by_digest) noexcept nogil
# numkeys of EVAL and FCALL. -1: the client has been told what is wrong with it.
cdef int64_t keys_count_or_reply(Client* client, int index) noexcept nogil
