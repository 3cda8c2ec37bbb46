"""Sizes of blocks that grow by a few bytes at a time: so that most changes need no new block.

The size of the block is a function of the bytes in it, so nobody has to remember it: a listpack or an intset of a
certain length is always released, moved and counted with the same size.
"""
from redislite._core.base.alloc cimport SMALL_MAX, heap_footprint, heap_is_checked


# Bytes to ask a heap for where this many are to be held: as many up to 1024 (SMALL_MAX), where the heap rounds by
# itself; beyond, rounded up to one of eight steps between two powers of two, so at most an eighth is spare.
cdef inline size_t growth_size(size_t bytes) noexcept nogil:
    cdef size_t step = 128
    cdef size_t power = 2048
    if bytes <= 1024:
        return bytes
    while bytes > power:
        power <<= 1
        step <<= 1
    return (bytes + step - 1) & ~(step - 1)


# Whether a block asked for with the one size serves the other as it is.
cdef inline bint growth_fits(size_t block, size_t wanted) noexcept nogil:
    return block == wanted or (block <= SMALL_MAX and wanted <= SMALL_MAX
                               and heap_footprint(block) == heap_footprint(wanted) and not heap_is_checked())
