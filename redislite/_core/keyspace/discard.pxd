"""Deferred release: what takes more than a bounded number of steps to release is released between commands, bit by bit.

    who deletes, overwrites, evicts, flushes ─▶ release_entry, discard_value, discard_dict ─▶ Core.discarded
    between turns of the loop                ─▶ discard_turn ─▶ release_discarded ─▶ the *_release_step of a type

Guarantees
- Whoever asks, and whatever ``lazyfree-*`` says, releasing holds nobody up: what is small goes at once, of anything
  else
  so many pieces of work, and the rest within the time that a turn of the loop has for it. Those settings only choose
  what is propagated (DEL or UNLINK), and what is counted as released lazily.
- What waits for its release is used memory, but no reason to evict a key: under a memory limit it goes first.
- Memory does not grow without bounds: while it does, and something waits, releasing takes as much time as all else.
- Where there is no memory to note what is to be released, it is released at once.

What is released last comes first, so that of a flushed database one large value at a time waits beside its table.
"""
from libc.stdint cimport int64_t
from redislite._core.keyspace.entry cimport Entry
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport Dict, DictVisitor
from redislite._core.structures.release cimport Release, ReleaseStep


# What a discarded thing's release is called with, and the visitor of a discarded dict, which charges what an entry is
# more than one piece of work.
cdef struct DiscardStep:
    Release release
    Core* core
    bint is_counted


# Releases an entry that is in no dict any more. counted: as released lazily, where it waits.
cdef void release_entry(Core* core, Entry* entry, bint counted) noexcept nogil
# Releases a thing that nobody refers to any more but what its release takes it out of; release is called with a
# DiscardStep.
cdef void discard_thing(Core* core, ReleaseStep release, void* thing) noexcept nogil
# Releases a collection that no entry holds.
cdef void discard_value(Core* core, int type, int encoding, void* value) noexcept nogil
# Takes the content of a dict, which is empty then. Its entries go to visit, with a DiscardStep; NULL: they are somebody
# else's. counted: each as an object that is released lazily.
cdef void discard_dict(Core* core, Dict* dictionary, DictVisitor visit, bint counted) noexcept nogil
# Such a visitor for keyspace entries.
cdef void release_entry_visitor(void* step, void* entry) noexcept nogil
# One step, of so many pieces of work; 1 while more is to do.
cdef bint release_discarded(Core* core, size_t pieces) noexcept nogil
# As many steps as a turn of the loop has time for; likewise.
cdef bint discard_turn(Core* core) noexcept nogil
# All that there is, whatever it takes.
cdef void discard_all(Core* core) noexcept nogil
# How many things wait.
cdef int64_t discarded_things(const Core* core) noexcept nogil


# Whether there is anything to do.
cdef inline bint discard_is_due(const Core* core) noexcept nogil:
    return core.discarded != NULL or core.heap.doomed != NULL
