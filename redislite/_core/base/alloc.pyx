"""Memory of one engine: size-class pages for small blocks, the C library for large ones, mapped pages for huge ones.

The contract is in alloc.pxd. Invariants kept here:

- A page stands in the list ``partial`` of its class exactly while it has both a free block and a block in use
  (or has just been taken for its first one); its head is what is allocated from.
- The first of the passing classes follows the last small one; a class has a number for its list and a size for its
  blocks.
- A page outside ``partial`` is full, in the reserve, or free in its segment's bitmap.
- Page starts and the space for headers are multiples of 64 bytes, so blocks of a class that is a multiple of 64
  are aligned to 64.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport fprintf, stderr
from libc.stdlib cimport abort, calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <time.h>
    #ifdef __GLIBC__
    #include <malloc.h>
    #endif

    #ifdef REDISLITE_CHECKED_HEAP
    #define REDISLITE_HEAP_CHECKED 1
    #else
    #define REDISLITE_HEAP_CHECKED 0
    #endif

    #ifndef MAP_ANONYMOUS
    #define MAP_ANONYMOUS MAP_ANON
    #endif

    #define REDISLITE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

    static void *redislite_map(size_t size) {
        void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return block == MAP_FAILED ? NULL : block;
    }

    /* The mapped block with a new size, its bytes kept; NULL where that fails or moving pages is not known here. */
    static void *redislite_remap(void *block, size_t old_size, size_t new_size) {
    #ifdef __linux__
        void *moved = mremap(block, old_size, new_size, MREMAP_MAYMOVE);
        return moved == MAP_FAILED ? NULL : moved;
    #else
        return NULL;
    #endif
    }

    /* Has the C library give back what it keeps, where it can be told to; answers how many milliseconds that took. */
    static long redislite_trim_library(void) {
    #ifdef __GLIBC__
        struct timespec begun, done;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        malloc_trim(1 << 20);
        clock_gettime(CLOCK_MONOTONIC, &done);
        return (done.tv_sec - begun.tv_sec) * 1000 + (done.tv_nsec - begun.tv_nsec) / 1000000;
    #else
        return 0;
    #endif
    }

    static void redislite_discard(void *block, size_t size) {
    #ifdef __linux__
        (void) madvise(block, size, MADV_DONTNEED);
    #else
        (void) madvise(block, size, MADV_FREE);
    #endif
    }
    """
    const int CHECKED "REDISLITE_HEAP_CHECKED"
    bint unlikely "REDISLITE_UNLIKELY"(bint condition) noexcept nogil
    void* map_pages "redislite_map"(size_t size) noexcept nogil
    void* remap_pages "redislite_remap"(void* block, size_t old_size, size_t new_size) noexcept nogil
    long trim_library "redislite_trim_library"() noexcept nogil
    void discard_pages "redislite_discard"(void* block, size_t size) noexcept nogil
    int munmap(void* block, size_t size) noexcept nogil
    int posix_memalign(void** block, size_t alignment, size_t size) noexcept nogil
    int count_trailing_zeros "__builtin_ctzll"(unsigned long long value) noexcept nogil

cdef enum:
    PAGE_SHIFT = 16
    PAGE_SIZE = 1 << PAGE_SHIFT
    SEGMENT_PAGES = 64
    SEGMENT_SIZE = SEGMENT_PAGES * PAGE_SIZE
    SPARE_MAX = 16          # empty pages kept: 1 MiB
    CHECKED_HEADER = 64     # bytes before a checked block, keeps the alignment to LINE
    GRANULE = 65536         # bytes: whole pages everywhere
    KEPT_MAX = 256 << 20    # bytes of a huge block that is kept
    KEPT_MS = 2000          # how long
    TRIM_LEAST = 32 << 20   # released bytes from which on the C library is told to give back what is free
    TRIM_PAUSE_MS = 1000    # between two times, at least
    TRIM_SHARE = 100        # of the time, one part in so many may go into that


cdef struct Page:           # header of one page; one cache line
    void* free              # released blocks, linked through their first word
    uint32_t in_use         # blocks
    uint32_t capacity       # blocks
    uint32_t bump           # offset from base of the first block never handed out
    uint32_t block_size     # bytes
    char* base              # first block
    Page* next
    Page* previous
    uint64_t padding


cdef struct Segment:
    Segment* next
    Segment* previous
    Segment* next_available
    Segment* previous_available
    uint64_t free_pages     # a bit for each page that is neither in use nor in the reserve
    uint64_t padding[3]
    Page pages[SEGMENT_PAGES]


cdef struct DoomedBlock:    # stands at the start of a huge block that was released
    DoomedBlock* next
    size_t size             # bytes that are still mapped


cdef struct CheckedBlock:
    CheckedBlock* next
    CheckedBlock* previous
    size_t size             # as asked for
    uint64_t kind           # how it was asked for: KIND_BLOCK or KIND_LINES


cdef enum:
    KIND_BLOCK = 0x6b636f6c62
    KIND_LINES = 0x73656e696c
    KIND_PASSING = 0x676e6973736170


cdef inline size_t class_of(size_t size) noexcept nogil:
    return (size + 7) >> 3 if size else 1


cdef inline Segment* segment_of(const void* block) noexcept nogil:
    return <Segment*> (<uintptr_t> block & ~<uintptr_t> (SEGMENT_SIZE - 1))


cdef inline Page* page_of(const void* block) noexcept nogil:
    return &segment_of(block).pages[(<uintptr_t> block >> PAGE_SHIFT) & (SEGMENT_PAGES - 1)]


cdef void* map_aligned() noexcept nogil:
    """SEGMENT_SIZE bytes aligned to as much, or NULL."""
    cdef char* block = <char*> map_pages(SEGMENT_SIZE)
    cdef size_t before
    if block == NULL:
        return NULL
    if not (<uintptr_t> block & (SEGMENT_SIZE - 1)):
        return block
    munmap(block, SEGMENT_SIZE)
    block = <char*> map_pages(2 * SEGMENT_SIZE)
    if block == NULL:
        return NULL
    before = SEGMENT_SIZE - (<uintptr_t> block & (SEGMENT_SIZE - 1))
    if before == SEGMENT_SIZE:
        before = 0
    else:
        munmap(block, before)
    if before < SEGMENT_SIZE:
        munmap(block + before + SEGMENT_SIZE, SEGMENT_SIZE - before)
    return block + before


cdef void segment_offer(Heap* heap, Segment* segment) noexcept nogil:
    """Enters a segment into the list of those with pages to take."""
    segment.previous_available = NULL
    segment.next_available = heap.available
    if heap.available != NULL:
        heap.available.previous_available = segment
    heap.available = segment


cdef void segment_withdraw(Heap* heap, Segment* segment) noexcept nogil:
    if segment.previous_available != NULL:
        segment.previous_available.next_available = segment.next_available
    else:
        heap.available = segment.next_available
    if segment.next_available != NULL:
        segment.next_available.previous_available = segment.previous_available


cdef Segment* segment_new(Heap* heap) noexcept nogil:
    cdef Segment* segment = <Segment*> map_aligned()
    if segment == NULL:
        return NULL
    segment.free_pages = ~<uint64_t> 0
    segment.previous = NULL
    segment.next = heap.segments
    if heap.segments != NULL:
        heap.segments.previous = segment
    heap.segments = segment
    segment_offer(heap, segment)
    return segment


cdef void segment_release(Heap* heap, Segment* segment) noexcept nogil:
    """Unmaps a segment none of whose pages is taken."""
    segment_withdraw(heap, segment)
    if segment.previous != NULL:
        segment.previous.next = segment.next
    else:
        heap.segments = segment.next
    if segment.next != NULL:
        segment.next.previous = segment.previous
    munmap(segment, SEGMENT_SIZE)


cdef Page* page_take(Heap* heap) noexcept nogil:
    """A page from the reserve or from a segment, or NULL. Only its place in the segment is meaningful."""
    cdef Page* page = heap.spare
    cdef Segment* segment
    cdef int index
    if page != NULL:
        heap.spare = page.next
        heap.spare_count -= 1
        return page
    segment = heap.available
    if segment == NULL:
        segment = segment_new(heap)
        if segment == NULL:
            return NULL
    index = count_trailing_zeros(segment.free_pages)
    segment.free_pages &= segment.free_pages - 1
    if not segment.free_pages:
        segment_withdraw(heap, segment)
    heap.mapped += PAGE_SIZE
    return &segment.pages[index]


cdef void page_give_back(Heap* heap, Page* page) noexcept nogil:
    """Returns an empty page to its segment and its memory to the system."""
    cdef Segment* segment = segment_of(page)
    cdef size_t index = page - &segment.pages[0]
    heap.mapped -= PAGE_SIZE
    if not segment.free_pages:
        segment_offer(heap, segment)
    segment.free_pages |= <uint64_t> 1 << index
    if segment.free_pages == ~<uint64_t> 0:
        segment_release(heap, segment)
    elif index:
        discard_pages(<char*> segment + index * PAGE_SIZE, PAGE_SIZE)


cdef Page* partial_add_page(Heap* heap, size_t size_class, size_t block_size) noexcept nogil:
    """Takes a page for a class, of blocks of this size, whose list of partial pages is empty, makes it the list, and
    answers it, or NULL."""
    cdef Page* page = page_take(heap)
    cdef Segment* segment
    cdef size_t index, offset
    if page == NULL:
        return NULL
    segment = segment_of(page)
    index = page - &segment.pages[0]
    # The headers stand in the first page, which has that much less room for blocks.
    offset = 0 if index else sizeof(Segment)
    page.free = NULL
    page.in_use = 0
    page.bump = 0
    page.block_size = <uint32_t> block_size
    page.capacity = <uint32_t> ((PAGE_SIZE - offset) // page.block_size)
    page.base = <char*> segment + index * PAGE_SIZE + offset
    page.next = NULL
    page.previous = NULL
    heap.partial[size_class] = page
    return page


cdef void page_left_full(Heap* heap, Page* page, size_t size_class) noexcept nogil:
    """Enters a page that was full and has a block again into the list of its class."""
    page.previous = NULL
    page.next = heap.partial[size_class]
    if page.next != NULL:
        page.next.previous = page
    heap.partial[size_class] = page


cdef void page_fell_empty(Heap* heap, Page* page, size_t size_class) noexcept nogil:
    """Moves a page without blocks in use from the list of its class to the reserve, or to the system."""
    if page.previous != NULL:
        page.previous.next = page.next
    else:
        heap.partial[size_class] = page.next
    if page.next != NULL:
        page.next.previous = page.previous
    if heap.spare_count < SPARE_MAX:
        page.next = heap.spare
        heap.spare = page
        heap.spare_count += 1
    else:
        page_give_back(heap, page)


cdef inline void* page_alloc(Heap* heap, size_t size_class, size_t block_size) noexcept nogil:
    cdef Page* page = heap.partial[size_class]
    cdef void* block
    if unlikely(page == NULL):
        page = partial_add_page(heap, size_class, block_size)
        if page == NULL:
            return NULL
    block = page.free
    if block != NULL:
        page.free = (<void**> block)[0]
    else:
        block = page.base + page.bump
        page.bump += page.block_size
    page.in_use += 1
    if unlikely(page.in_use == page.capacity):
        heap.partial[size_class] = page.next
        if page.next != NULL:
            page.next.previous = NULL
    heap.used += block_size
    return block


cdef inline void page_free(Heap* heap, void* block, size_t size_class, size_t block_size) noexcept nogil:
    cdef Page* page = page_of(block)
    (<void**> block)[0] = page.free
    page.free = block
    if unlikely(page.in_use == page.capacity):
        page_left_full(heap, page, size_class)
    page.in_use -= 1
    heap.used -= block_size
    if unlikely(page.in_use == 0):
        page_fell_empty(heap, page, size_class)


cdef inline void* small_alloc(Heap* heap, size_t size_class) noexcept nogil:
    return page_alloc(heap, size_class, size_class << 3)


cdef inline void small_free(Heap* heap, void* block, size_t size_class) noexcept nogil:
    page_free(heap, block, size_class, size_class << 3)


cdef void count_large(Heap* heap, size_t footprint) noexcept nogil:
    heap.used += footprint
    heap.large += footprint
    if heap.large > heap.large_peak:
        heap.large_peak = heap.large


cdef void uncount_large(Heap* heap, size_t footprint) noexcept nogil:
    heap.used -= footprint
    heap.large -= footprint


# Huge blocks. What the system maps anew it fills with zeros, a page at a time: for a value of many megabytes that costs
# more than most commands. So one that was released stays for a while, for the next one of about its size.

cdef inline size_t huge_size(size_t size) noexcept nogil:
    """What is mapped for a huge block."""
    return (size + GRANULE - 1) & ~<size_t> (GRANULE - 1)


cdef void huge_doom(Heap* heap, void* block, size_t size) noexcept nogil:
    """Takes mapped pages to be given back bit by bit."""
    cdef DoomedBlock* doomed = <DoomedBlock*> block
    doomed.size = size
    doomed.next = heap.doomed
    heap.doomed = doomed
    heap.mapped += size


cdef bint heap_release_step(Heap* heap, size_t bytes) noexcept nogil:
    cdef DoomedBlock* block
    cdef size_t part
    while heap.doomed != NULL and bytes:
        block = heap.doomed
        part = huge_size(bytes) if bytes < block.size else block.size
        bytes -= min(bytes, part)
        heap.mapped -= part
        block.size -= part
        if block.size == 0:
            heap.doomed = block.next
        munmap(<char*> block + block.size, part)
    return heap.doomed != NULL


cdef void huge_doom_kept(Heap* heap) noexcept nogil:
    cdef void* block = heap.kept
    cdef size_t size = heap.kept_size
    if block != NULL:
        heap.kept = NULL
        heap.kept_size = 0
        heap.mapped -= size
        huge_doom(heap, block, size)


cdef void* huge_alloc(Heap* heap, size_t size, bint zeroed) noexcept nogil:
    cdef size_t wanted = huge_size(size)
    cdef void* block = heap.kept
    if wanted < size:
        return NULL
    # Whoever fills so many pages does not notice what as many cost to give back.
    if heap.doomed != NULL:
        heap_release_step(heap, wanted)
    if block != NULL and not zeroed and heap.kept_size // 2 <= wanted <= heap.kept_size:
        heap.mapped -= heap.kept_size
        heap.kept = NULL
        if heap.kept_size > wanted:
            huge_doom(heap, <char*> block + wanted, heap.kept_size - wanted)
        heap.kept_size = 0
    else:
        block = map_pages(wanted)
        if block == NULL:
            return NULL
    count_large(heap, heap_footprint(size))
    return block


cdef void huge_free(Heap* heap, void* block, size_t size) noexcept nogil:
    uncount_large(heap, heap_footprint(size))
    size = huge_size(size)
    if size > KEPT_MAX or size < heap.kept_size:
        huge_doom(heap, block, size)
        return
    huge_doom_kept(heap)
    heap.kept = block
    heap.kept_size = size
    heap.kept_since_ms = 0
    heap.mapped += size


cdef void* huge_realloc(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil:
    """The block with another huge size, or NULL, and it is as it was."""
    cdef void* moved = block
    if huge_size(new_size) < new_size:
        return NULL
    if huge_size(old_size) > huge_size(new_size):
        huge_doom(heap, <char*> block + huge_size(new_size), huge_size(old_size) - huge_size(new_size))
    elif huge_size(old_size) != huge_size(new_size):
        moved = remap_pages(block, huge_size(old_size), huge_size(new_size))
        if moved == NULL:
            return NULL
    uncount_large(heap, heap_footprint(old_size))
    count_large(heap, heap_footprint(new_size))
    return moved


cdef inline CheckedBlock* checked_header(void* block) noexcept nogil:
    return <CheckedBlock*> (<char*> block - CHECKED_HEADER)


cdef void checked_count(Heap* heap, size_t size, uint64_t kind, bint add) noexcept nogil:
    """Counts a block in or out, as the unchecked build would."""
    cdef size_t footprint = heap_footprint(size)
    if kind == KIND_LINES:
        footprint = heap_lines_footprint(size)
    elif kind == KIND_PASSING:
        footprint = heap_passing_footprint(size)
    if size > (PASSING_MAX if kind == KIND_PASSING else SMALL_MAX):
        if add:
            count_large(heap, footprint)
        else:
            uncount_large(heap, footprint)
    elif add:
        heap.used += footprint
    else:
        heap.used -= footprint


cdef void* checked_alloc(Heap* heap, size_t size, uint64_t kind) noexcept nogil:
    cdef void* start
    cdef CheckedBlock* header
    if heap.limit and size > heap.limit - min(heap.used, heap.limit):
        return NULL
    if heap.until_failure:
        heap.until_failure -= 1
        if heap.until_failure == 0:
            return NULL
    if size > <size_t> -1 - CHECKED_HEADER or posix_memalign(&start, LINE, CHECKED_HEADER + size):
        return NULL
    header = <CheckedBlock*> start
    header.size = size
    header.kind = kind
    header.previous = NULL
    header.next = NULL
    if size <= SMALL_MAX or (kind == KIND_PASSING and size <= PASSING_MAX):
        header.next = heap.checked
        if heap.checked != NULL:
            heap.checked.previous = header
        heap.checked = header
    checked_count(heap, size, kind, True)
    # What is not zeroed must not look as if it were.
    memset(<char*> start + CHECKED_HEADER, 0 if kind == KIND_LINES else 0xa5, size)
    return <char*> start + CHECKED_HEADER


cdef void checked_verify(void* block, size_t size, uint64_t kind) noexcept nogil:
    """Ends the process where a block is not of this kind and size."""
    cdef CheckedBlock* header = checked_header(block)
    if header.kind != kind:
        fprintf(stderr, "heap: block %p is not of the kind it is released as, or is no block\n", block)
        abort()
    if header.size != size:
        fprintf(stderr, "heap: block %p of %zu bytes is said to have %zu\n", block, header.size, size)
        abort()


cdef void checked_free(Heap* heap, void* block, size_t size, uint64_t kind) noexcept nogil:
    cdef CheckedBlock* header = checked_header(block)
    checked_verify(block, size, kind)
    if size <= SMALL_MAX or (kind == KIND_PASSING and size <= PASSING_MAX):
        if header.previous != NULL:
            header.previous.next = header.next
        else:
            heap.checked = header.next
        if header.next != NULL:
            header.next.previous = header.previous
    checked_count(heap, size, kind, False)
    header.kind = 0
    free(header)


cdef Heap* heap_new() noexcept nogil:
    return <Heap*> calloc(1, sizeof(Heap))


cdef void heap_destroy(Heap* heap) noexcept nogil:
    cdef Segment* segment
    cdef CheckedBlock* header
    if heap == NULL:
        return
    huge_doom_kept(heap)
    heap_release_step(heap, ~<size_t> 0)
    while heap.segments != NULL:
        segment = heap.segments
        heap.segments = segment.next
        munmap(segment, SEGMENT_SIZE)
    while heap.checked != NULL:
        header = heap.checked
        heap.checked = header.next
        free(header)
    free(heap)


cdef void* heap_alloc(Heap* heap, size_t size) noexcept nogil:
    cdef void* block
    if CHECKED:
        return checked_alloc(heap, size, KIND_BLOCK)
    if size <= SMALL_MAX:
        return small_alloc(heap, class_of(size))
    if size >= HUGE_MIN:
        return huge_alloc(heap, size, False)
    block = malloc(size)
    if block != NULL:
        count_large(heap, heap_footprint(size))
    return block


cdef void* heap_zalloc(Heap* heap, size_t size) noexcept nogil:
    cdef void* block
    if CHECKED or size <= SMALL_MAX:
        block = heap_alloc(heap, size)
        if block != NULL:
            memset(block, 0, size)
        return block
    if size >= HUGE_MIN:
        return huge_alloc(heap, size, True)
    block = calloc(1, size)
    if block != NULL:
        count_large(heap, heap_footprint(size))
    return block


cdef void heap_free(Heap* heap, void* block, size_t size) noexcept nogil:
    if block == NULL:
        return
    if CHECKED:
        checked_free(heap, block, size, KIND_BLOCK)
    elif size <= SMALL_MAX:
        small_free(heap, block, class_of(size))
    elif size >= HUGE_MIN:
        huge_free(heap, block, size)
    else:
        uncount_large(heap, heap_footprint(size))
        free(block)


cdef void* heap_zalloc_lines(Heap* heap, size_t size) noexcept nogil:
    cdef void* block
    if CHECKED:
        return checked_alloc(heap, size, KIND_LINES)
    if size <= SMALL_MAX:
        block = small_alloc(heap, class_of(size))
        if block != NULL:
            memset(block, 0, size)
        return block
    if size >= LINES_MAPPED_MIN:
        block = map_pages(size)
        if block == NULL:
            return NULL
    else:
        if posix_memalign(&block, LINE, size):
            return NULL
        memset(block, 0, size)
    count_large(heap, heap_lines_footprint(size))
    return block


cdef void heap_free_lines(Heap* heap, void* block, size_t size) noexcept nogil:
    if block == NULL:
        return
    if CHECKED:
        checked_free(heap, block, size, KIND_LINES)
    elif size <= SMALL_MAX:
        small_free(heap, block, class_of(size))
    else:
        uncount_large(heap, heap_lines_footprint(size))
        if size >= LINES_MAPPED_MIN:
            munmap(block, size)
        else:
            free(block)


cdef void heap_discard_lines(void* block, size_t size, size_t start, size_t end) noexcept nogil:
    # Whole pages of 16 KiB are whole pages everywhere.
    cdef size_t granule = 16384
    if CHECKED or size < LINES_MAPPED_MIN:
        return
    start = (start + granule - 1) & ~(granule - 1)
    end &= ~(granule - 1)
    if start < end:
        discard_pages(<char*> block + start, end - start)


cdef void* heap_realloc(Heap* heap, void* block, size_t old_size, size_t new_size) noexcept nogil:
    cdef void* moved
    if block == NULL:
        return heap_alloc(heap, new_size)
    if CHECKED:
        checked_verify(block, old_size, KIND_BLOCK)
    elif old_size <= SMALL_MAX:
        if new_size <= SMALL_MAX and class_of(old_size) == class_of(new_size):
            return block
    elif old_size >= HUGE_MIN and new_size >= HUGE_MIN:
        moved = huge_realloc(heap, block, old_size, new_size)
        if moved != NULL:
            return moved
    elif SMALL_MAX < new_size < HUGE_MIN and old_size < HUGE_MIN:
        moved = realloc(block, new_size)
        if moved != NULL:
            uncount_large(heap, heap_footprint(old_size))
            count_large(heap, heap_footprint(new_size))
        return moved
    moved = heap_alloc(heap, new_size)
    if moved != NULL:
        memcpy(moved, block, old_size if old_size < new_size else new_size)
        heap_free(heap, block, old_size)
    return moved


cdef void* heap_alloc_passing(Heap* heap, size_t size) noexcept nogil:
    cdef int number
    if CHECKED:
        return checked_alloc(heap, size, KIND_PASSING)
    if size <= SMALL_MAX or size > PASSING_MAX:
        return heap_alloc(heap, size)
    number = passing_class(size)
    return page_alloc(heap, SMALL_CLASSES + number, <size_t> 2048 << number)


cdef void heap_free_passing(Heap* heap, void* block, size_t size) noexcept nogil:
    cdef int number
    if block == NULL:
        return
    if CHECKED:
        checked_free(heap, block, size, KIND_PASSING)
    elif size <= SMALL_MAX or size > PASSING_MAX:
        heap_free(heap, block, size)
    else:
        number = passing_class(size)
        page_free(heap, block, SMALL_CLASSES + number, <size_t> 2048 << number)


cdef bint heap_is_checked() noexcept nogil:
    return CHECKED


cdef void heap_note_peak(Heap* heap) noexcept nogil:
    if heap.used > heap.peak:
        heap.peak = heap.used


cdef void trim_large(Heap* heap, int64_t now_ms) noexcept nogil:
    """Has the C library give back what it keeps. It walks all that is free, so it is to be asked seldom."""
    cdef long took_ms = trim_library()
    heap.large_peak = heap.large
    heap.trim_after_ms = now_ms + max(<int64_t> TRIM_PAUSE_MS, <int64_t> took_ms * TRIM_SHARE)


cdef void heap_tick(Heap* heap, int64_t now_ms) noexcept nogil:
    heap_note_peak(heap)
    if heap.large_peak - heap.large >= TRIM_LEAST and now_ms >= heap.trim_after_ms:
        trim_large(heap, now_ms)
    if heap.kept == NULL:
        return
    if heap.kept_since_ms == 0:
        heap.kept_since_ms = now_ms
    elif now_ms - heap.kept_since_ms >= KEPT_MS:
        huge_doom_kept(heap)


cdef void heap_trim(Heap* heap) noexcept nogil:
    cdef Page* page
    huge_doom_kept(heap)
    heap_release_step(heap, ~<size_t> 0)
    trim_large(heap, 0)
    while heap.spare != NULL:
        page = heap.spare
        heap.spare = page.next
        heap.spare_count -= 1
        page_give_back(heap, page)
