"""A command's arguments from Python objects, where they stand: bytes and text are pointed to, numbers are written
beside."""
from cpython.object cimport PyObject
from redislite._core.base.alloc cimport Heap
from redislite._core.state.core cimport Argument

cdef enum:
    VECTOR_INLINE = 16          # arguments that need no memory
    VECTOR_NUMBERS = 8          # of these, numbers
    NUMBER_ROOM = 24


# The name and arguments of a command. It points into the objects that it was made from, which must stay, and is not to
# be moved while it is used.
cdef struct Vector:
    Heap* heap
    Argument* argv
    int argc
    int capacity
    int numbers
    size_t bytes                # of all arguments
    PyObject* kept              # list of what was made for it, or NULL
    Argument inline_argv[VECTOR_INLINE]
    char digits[VECTOR_NUMBERS * NUMBER_ROOM]


cdef void vector_begin(Vector* vector, Heap* heap) noexcept
# Appends an argument. encoder: its `encode` is asked about text, where encodes_text, and about whatever is not bytes,
# text, int or float; None: text is UTF-8, surrogates standing for bytes, and TypeError tells of anything else.
# MemoryError, and what the encoder raises: nothing is appended then.
cdef int vector_add(Vector* vector, object argument, object encoder, bint encodes_text) except -1
# Gives back what it took.
cdef void vector_end(Vector* vector) noexcept
