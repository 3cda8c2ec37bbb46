"""Intset: a sorted array of integers; the contract and the format are in intset.pxd."""
from libc.stdint cimport (
    INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t,
)
from libc.string cimport memcpy, memmove
from redislite._core.base.alloc cimport Heap, heap_alloc, heap_footprint, heap_free, heap_realloc
from redislite._core.base.growth cimport growth_fits, growth_size


cdef inline uint32_t width_of(int64_t value) noexcept nogil:
    if INT16_MIN <= value <= INT16_MAX:
        return 2
    return 4 if INT32_MIN <= value <= INT32_MAX else 8


cdef inline int64_t read_at(const uint8_t* ints, uint32_t width, uint32_t index) noexcept nogil:
    cdef const uint8_t* place = ints + INTSET_HEADER + <size_t> width * index
    cdef uint32_t low = <uint32_t> place[0] | <uint32_t> place[1] << 8
    if width == 2:
        return <int16_t> low
    low |= <uint32_t> place[2] << 16 | <uint32_t> place[3] << 24
    if width == 4:
        return <int32_t> low
    return <int64_t> (<uint64_t> low | (<uint64_t> place[4] << 32 | <uint64_t> place[5] << 40
                                        | <uint64_t> place[6] << 48 | <uint64_t> place[7] << 56))


cdef inline void write_at(intset ints, uint32_t width, uint32_t index, int64_t value) noexcept nogil:
    cdef uint8_t* place = ints + INTSET_HEADER + <size_t> width * index
    cdef uint64_t bits = <uint64_t> value
    cdef uint32_t i
    for i in range(width):
        place[i] = <uint8_t> (bits >> 8 * i)


cdef inline void set_header(intset ints, uint32_t width, uint32_t length) noexcept nogil:
    ints[0] = <uint8_t> width
    ints[1] = ints[2] = ints[3] = 0
    ints[4] = <uint8_t> length
    ints[5] = <uint8_t> (length >> 8)
    ints[6] = <uint8_t> (length >> 16)
    ints[7] = <uint8_t> (length >> 24)


cdef inline intset resize(Heap* heap, intset ints, size_t old, size_t new) noexcept nogil:
    old = growth_size(old)
    new = growth_size(new)
    return ints if growth_fits(old, new) else <intset> heap_realloc(heap, ints, old, new)


cdef intset intset_new(Heap* heap) noexcept nogil:
    cdef intset ints = <intset> heap_alloc(heap, INTSET_HEADER)
    if ints != NULL:
        set_header(ints, 2, 0)
    return ints


cdef void intset_free(Heap* heap, intset ints) noexcept nogil:
    if ints != NULL:
        heap_free(heap, ints, growth_size(intset_bytes(ints)))


cdef intset intset_copy(Heap* heap, const uint8_t* ints) noexcept nogil:
    cdef size_t bytes = intset_bytes(ints)
    cdef intset copy = <intset> heap_alloc(heap, growth_size(bytes))
    if copy != NULL:
        memcpy(copy, ints, bytes)
    return copy


cdef size_t intset_memory(const uint8_t* ints) noexcept nogil:
    return heap_footprint(growth_size(intset_bytes(ints)))


cdef int64_t intset_get(const uint8_t* ints, uint32_t index) noexcept nogil:
    return read_at(ints, intset_width(ints), index)


cdef bint intset_search(const uint8_t* ints, int64_t value, uint32_t* index) noexcept nogil:
    cdef uint32_t width = intset_width(ints)
    cdef uint32_t low = 0
    cdef uint32_t high = intset_length(ints)
    cdef uint32_t middle
    if width_of(value) > width:
        index[0] = high if value > 0 else 0
        return 0
    if high and read_at(ints, width, high - 1) < value:
        low = high
    while low < high:
        middle = low + ((high - low) >> 1)
        if read_at(ints, width, middle) < value:
            low = middle + 1
        else:
            high = middle
    index[0] = low
    return low < intset_length(ints) and read_at(ints, width, low) == value


cdef bint intset_find(const uint8_t* ints, int64_t value) noexcept nogil:
    cdef uint32_t index
    return intset_search(ints, value, &index)


cdef bint intset_find_near(const uint8_t* ints, int64_t value, uint32_t* near) noexcept nogil:
    cdef uint32_t width = intset_width(ints)
    cdef uint32_t length = intset_length(ints)
    cdef uint32_t low = near[0]
    cdef uint64_t step = 1
    if low >= length or read_at(ints, width, low) > value:
        return intset_search(ints, value, near)
    # Steps that double, and what the last one went over is halved.
    while step < length - low and read_at(ints, width, low + step) <= value:
        low += step
        step <<= 1
    while step > 1:
        step >>= 1
        if step < length - low and read_at(ints, width, low + step) <= value:
            low += step
    near[0] = low
    return read_at(ints, width, low) == value


cdef intset widen(Heap* heap, intset ints, uint32_t width, int64_t value) noexcept nogil:
    """Adds a value that needs this width, more than the intset has: it belongs before or behind all others."""
    cdef uint32_t old_width = intset_width(ints)
    cdef uint32_t length = intset_length(ints)
    cdef uint32_t shift = 1 if value < 0 else 0
    cdef uint32_t i = length
    cdef intset moved = resize(heap, ints, intset_bytes(ints), INTSET_HEADER + <size_t> width * (length + 1))
    if moved == NULL:
        return NULL
    while i > 0:
        i -= 1
        write_at(moved, width, i + shift, read_at(moved, old_width, i))
    write_at(moved, width, 0 if shift else length, value)
    set_header(moved, width, length + 1)
    return moved


cdef intset intset_add(Heap* heap, intset ints, int64_t value, bint* added) noexcept nogil:
    cdef uint32_t width = intset_width(ints)
    cdef uint32_t length = intset_length(ints)
    cdef uint32_t index
    cdef size_t bytes, offset
    cdef intset moved
    added[0] = 1
    if width_of(value) > width:
        return widen(heap, ints, width_of(value), value)
    if intset_search(ints, value, &index):
        added[0] = 0
        return ints
    bytes = intset_bytes(ints)
    moved = resize(heap, ints, bytes, bytes + width)
    if moved == NULL:
        return NULL
    offset = INTSET_HEADER + <size_t> width * index
    memmove(moved + offset + width, moved + offset, bytes - offset)
    write_at(moved, width, index, value)
    set_header(moved, width, length + 1)
    return moved


cdef intset intset_remove(Heap* heap, intset ints, int64_t value, bint* removed) noexcept nogil:
    cdef uint32_t index
    removed[0] = intset_search(ints, value, &index)
    return intset_remove_range(heap, ints, index, 1) if removed[0] else ints


cdef intset intset_remove_range(Heap* heap, intset ints, uint32_t index, uint32_t count) noexcept nogil:
    cdef uint32_t width = intset_width(ints)
    cdef uint32_t length = intset_length(ints)
    cdef size_t bytes = intset_bytes(ints)
    cdef size_t less = <size_t> width * count
    cdef size_t offset = INTSET_HEADER + <size_t> width * index
    cdef size_t block = growth_size(bytes)
    cdef size_t wanted = growth_size(bytes - less)
    cdef intset moved = ints
    if growth_fits(block, wanted):
        memmove(ints + offset, ints + offset + less, bytes - offset - less)
    else:
        # A block of its own first: shrinking in place could fail when the bytes have gone already.
        moved = <intset> heap_alloc(heap, wanted)
        if moved == NULL:
            return NULL
        memcpy(moved, ints, offset)
        memcpy(moved + offset, ints + offset + less, bytes - offset - less)
        heap_free(heap, ints, block)
    set_header(moved, width, length - count)
    return moved


cdef bint intset_validate(const uint8_t* ints, size_t size, bint deep) noexcept nogil:
    cdef uint32_t width, length, i
    if size < INTSET_HEADER:
        return 0
    width = intset_width(ints)
    if (width != 2 and width != 4 and width != 8) or ints[1] or ints[2] or ints[3]:
        return 0
    length = intset_length(ints)
    if length == 0 or intset_bytes(ints) != size:
        return 0
    if deep:
        for i in range(1, length):
            if read_at(ints, width, i - 1) >= read_at(ints, width, i):
                return 0
    return 1
