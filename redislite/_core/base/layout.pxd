"""Sizes that are relied on, asserted when the C code is compiled."""


cdef extern from *:
    """
    #define redislite_size_is(pointer, size) \\
        do { _Static_assert(sizeof(*(pointer)) == (size), "the size of " #pointer " is relied on"); } while (0)
    """
    # Does not compile where what the pointer leads to is not of this size, a literal. Nothing is evaluated.
    void size_is "redislite_size_is"(const void* pointer, int size) noexcept nogil
