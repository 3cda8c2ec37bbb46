"""A step of deferred release: how much work it may still do, and on whose heap.

Releasing a large value is stopped after so many pieces of work and gone on with later. A piece is a block that is
released, or RELEASE_PIECE bytes of a larger one: some hundred nanoseconds each, so that budgets stand for time.

Functions that release in steps take a Release, lower its budget, and answer whether more is left; what they work on
must not be used for anything else between their steps. With ``~<size_t> 0`` as the budget they release all at once.
"""
from redislite._core.base.alloc cimport Heap, heap_free

cdef enum:
    RELEASE_PIECE_BITS = 13     # 8 KiB


cdef struct Release:
    Heap* heap
    size_t budget               # pieces of work left


# Releases a thing in steps: 1 while more is left, 0 where it is gone.
ctypedef bint (*ReleaseStep)(Release* step, void* thing) noexcept nogil


# Charges for a block of this size what it is more than one piece.
cdef inline void release_charge(Release* step, size_t size) noexcept nogil:
    size >>= RELEASE_PIECE_BITS
    step.budget -= size if size < step.budget else step.budget


# Releases a block; the piece that every block is has been charged by who walks over them.
cdef inline void release_block(Release* step, void* block, size_t size) noexcept nogil:
    heap_free(step.heap, block, size)
    release_charge(step, size)


cdef inline void release_begin(Release* step, Heap* heap, size_t budget) noexcept nogil:
    step.heap = heap
    step.budget = budget
