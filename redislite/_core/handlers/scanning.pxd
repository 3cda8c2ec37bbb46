"""What SCAN, SSCAN, HSCAN and ZSCAN share: reading the arguments, and one turn through a dict.

A scan visits homes of a dict until it has found as many entries as COUNT says, or has visited ten times as many homes.
"""
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Argument, Client
from redislite._core.structures.dict cimport Dict

cdef enum:
    SCAN_OF_KEYS = 0            # SCAN: takes TYPE
    SCAN_OF_SET = 1
    SCAN_OF_HASH = 2            # takes NOVALUES
    SCAN_OF_SORTED_SET = 3      # takes NOSCORES

cdef enum:
    SCAN_INLINE = 64            # entries that are collected without asking for memory


cdef struct ScanOptions:
    uint64_t cursor
    int64_t count
    Argument* pattern           # NULL: everything
    Argument* type              # NULL: any
    bint members_only           # NOVALUES, NOSCORES


# Entries that a scan came by.
cdef struct Collected:
    Heap* heap
    void** entries              # own, or memory of the heap
    size_t count
    size_t capacity
    bint starved                # memory was out: some entries are lacking
    void* own[SCAN_INLINE]


# Reads the cursor at argument index; the options from argument first on. 0: the error has been answered.
cdef bint scan_cursor_or_reply(Client* client, int index, uint64_t* cursor) noexcept nogil
cdef bint scan_options_or_reply(Client* client, int first, int kind, ScanOptions* options) noexcept nogil
# Collects entries of the dict, moving options.cursor. Answer the entries, then release.
cdef void scan_dict(Heap* heap, Dict* d, ScanOptions* options, Collected* found) noexcept nogil
cdef void scan_release(Collected* found) noexcept nogil
# Whether this text is one that the pattern asks for.
cdef bint scan_matches(const ScanOptions* options, const char* text, size_t length) noexcept nogil
# The beginning of the answer: two elements, of which the first is this cursor.
cdef void reply_scan_cursor(Client* client, uint64_t cursor) noexcept nogil
