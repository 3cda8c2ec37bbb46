"""Memory of one engine: small blocks in 8-byte size classes, large ones from the C library, huge ones mapped.

What comes and goes in masses (output, messages) has blocks of its own, of up to 16 KiB, so that all of it goes back to
the system page by page, whatever else lies around it.

Guarantees
- Every block is counted, as what it really takes, in ``Heap.used``.
- Release is sized: the caller says the size it asked for.  No block carries a header, so a 29-byte
  entry costs 32 bytes.  The debug build checks the size that is said.
- A heap belongs to one thread.  Nothing here needs or takes the GIL.

Layout: a small block (at most ``SMALL_MAX`` bytes) lives in a 64 KiB page that holds blocks of one class only. Pages
are cut from 4 MiB segments aligned to their own size. The headers of a segment's pages stand together at its start, so
that releasing a random block touches few cache sets and few TLB entries, and an empty page needs no memory at all:

    segment | links, free pages | page headers: class, blocks in use, free list, bump offset, links | pages ... |

A page that falls empty goes to a small reserve, and past that back to the system; so does an empty segment. The huge
block that was released last stays for two seconds, in case another one of its size is asked for; then it goes back to
the system bit by bit, as unmapping it at a stroke would hold everybody up. Who asks for a huge block sees to as much of
that first as he asks for. What the C library keeps of released large blocks goes back when much has been released since
the last time (heap_tick).

With the C macro REDISLITE_CHECKED_HEAP every block comes from malloc behind a header that remembers its size: a wrong
size ends the process, and AddressSanitizer sees each block. The accounting is the same.
"""
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    SMALL_MAX = 1024        # bytes; larger blocks come from malloc
    SMALL_CLASSES = 129     # SMALL_MAX / 8 + 1; class 0 is not used
    HUGE_MIN = 32 << 20     # bytes; blocks from this size on are mapped pages of their own
    PASSING_MAX = 16384     # bytes; larger blocks of heap_alloc_passing are as those of heap_alloc
    PASSING_CLASSES = 4     # 2, 4, 8 and 16 KiB
    LINE = 64               # bytes; alignment of the blocks of heap_zalloc_lines
    LINES_MAPPED_MIN = 256 * 1024   # bytes; blocks of lines from this size on are mapped pages of their own


cdef struct Page
cdef struct Segment
cdef struct CheckedBlock
cdef struct DoomedBlock


cdef struct Heap:
    size_t used             # bytes in blocks handed out, each as what it takes
    size_t peak             # largest value of used that was noted (heap_note_peak)
    size_t mapped           # bytes of pages obtained for small blocks, in use or not, and of huge blocks that are kept
    size_t large            # bytes of used that are in large blocks
    size_t large_peak       # largest value of large since the C library was last told to give back what is free
    int64_t trim_after_ms   # when it may be told again
    Page* partial[SMALL_CLASSES + PASSING_CLASSES]  # by class: pages with a free block, the first is allocated from
    Page* spare             # empty pages kept for reuse
    uint32_t spare_count
    Segment* segments       # all segments
    Segment* available      # those with pages to take
    size_t soft_limit       # what tables of a dict should not grow past; 0: nothing. Nothing else heeds it
    CheckedBlock* checked   # checked build: the small blocks handed out
    void* kept              # a huge block that was released and may be asked for again, or NULL
    size_t kept_size        # bytes mapped for it
    int64_t kept_since_ms   # when heap_tick first saw it; 0: it has not
    DoomedBlock* doomed     # huge blocks on their way back to the system, bit by bit
    # For tests, in the checked build: what used may not pass, as if memory were out; how many blocks may yet be asked
    # for until one is refused, which that one and 0 in it end. 0: nothing of the kind.
    size_t limit
    size_t until_failure


# A new heap, or NULL where memory is out.
cdef Heap* heap_new() noexcept nogil
# Releases the heap and every small block in it. Large blocks must have been released before.
cdef void heap_destroy(Heap* heap) noexcept nogil
# A block of at least size bytes, aligned to 8 (to 16 above SMALL_MAX), uninitialized; NULL where memory is out.
cdef void* heap_alloc(Heap* heap, size_t size) noexcept nogil
# The same, zeroed. Large blocks come as untouched zero pages, so asking is quick whatever the size.
cdef void* heap_zalloc(Heap* heap, size_t size) noexcept nogil
# Releases a block; size is the size that was asked for. NULL is accepted.
cdef void heap_free(Heap* heap, void* block, size_t size) noexcept nogil
# A block of whole cache lines (size: a multiple of LINE), aligned to LINE and zeroed; NULL where memory is out. From
# LINES_MAPPED_MIN on it comes as untouched zero pages and cannot be mixed up with blocks of heap_alloc: release it
# with heap_free_lines.
cdef void* heap_zalloc_lines(Heap* heap, size_t size) noexcept nogil
# Releases a block of lines; size is the size that was asked for. NULL is accepted.
cdef void heap_free_lines(Heap* heap, void* block, size_t size) noexcept nogil
# Gives the memory of bytes start..end of a block of lines back to the system ahead of its release. They may still be
# used, and read as zero or as they were. Accounting is unchanged. Does nothing to blocks that are not mapped.
cdef void heap_discard_lines(void* block, size_t size, size_t start, size_t end) noexcept nogil
# Moves a block to a new size, keeping the bytes both sizes have. NULL (old block intact) where memory is out.
cdef void* heap_realloc(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil
# A block for what comes and goes in masses; otherwise as that of heap_alloc, aligned to 8 at least.
cdef void* heap_alloc_passing(Heap* heap, size_t size) noexcept nogil
# Releases such a block; size is the size that was asked for. NULL is accepted.
cdef void heap_free_passing(Heap* heap, void* block, size_t size) noexcept nogil
# Whether this is a checked build.
cdef bint heap_is_checked() noexcept nogil
# Notes the peak; called before INFO.
cdef void heap_note_peak(Heap* heap) noexcept nogil
# Called from cron, with a clock that never goes back: notes the peak, dooms what was kept long enough, and gives back
# what the C library keeps where much has been released.
cdef void heap_tick(Heap* heap, int64_t now_ms) noexcept nogil
# Gives up to so many bytes of huge blocks that were released back to the system, rounded up to whole pages; 1 while
# there are more.
cdef bint heap_release_step(Heap* heap, size_t bytes) noexcept nogil
# Gives all that is free back to the system.
cdef void heap_trim(Heap* heap) noexcept nogil


# What a block of this size takes, in bytes: two sizes with the same footprint can share a block in place.
cdef inline size_t heap_footprint(size_t size) noexcept nogil:
    if size <= SMALL_MAX:
        return (size + 7) & ~<size_t>7 if size else 8
    return (size + 8 + 15) & ~<size_t>15


# The same for a block of lines.
cdef inline size_t heap_lines_footprint(size_t size) noexcept nogil:
    if size <= SMALL_MAX or size >= LINES_MAPPED_MIN:
        return size
    return size + LINE


# The class of a passing block, counted from 2 KiB.
cdef inline int passing_class(size_t size) noexcept nogil:
    if size <= 4096:
        return 0 if size <= 2048 else 1
    return 2 if size <= 8192 else 3


# What a passing block of this size takes, which is also what there is room for in it.
cdef inline size_t heap_passing_footprint(size_t size) noexcept nogil:
    return heap_footprint(size) if size <= SMALL_MAX or size > PASSING_MAX else <size_t> 2048 << passing_class(size)
