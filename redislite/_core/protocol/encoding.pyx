"""Arguments from Python objects; the contract is in encoding.pxd."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.float cimport PyFloat_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_realloc
from redislite._core.protocol.decoding cimport encode_argument
from redislite._core.text.numbers cimport format_int64

cdef extern from "Python.h":
    bint PyLong_CheckExact(object)
    bint PyUnicode_CheckExact(object)
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


cdef void vector_begin(Vector* vector, Heap* heap) noexcept:
    vector.heap = heap
    vector.argv = vector.inline_argv
    vector.argc = 0
    vector.capacity = VECTOR_INLINE
    vector.numbers = 0
    vector.bytes = 0
    vector.kept = NULL


cdef void vector_end(Vector* vector) noexcept:
    if vector.argv != vector.inline_argv:
        heap_free(vector.heap, vector.argv, vector.capacity * sizeof(Argument))
    if vector.kept != NULL:
        Py_DECREF(<object> vector.kept)


cdef int grow(Vector* vector) except -1:
    cdef Argument* grown
    cdef size_t size = vector.capacity * sizeof(Argument)
    cdef int i
    if vector.argv == vector.inline_argv:
        grown = <Argument*> heap_alloc(vector.heap, 2 * size)
    else:
        grown = <Argument*> heap_realloc(vector.heap, vector.argv, size, 2 * size)
    if grown == NULL:
        raise MemoryError
    if vector.argv == vector.inline_argv:
        for i in range(vector.argc):
            grown[i] = vector.inline_argv[i]
    vector.argv = grown
    vector.capacity *= 2
    return 0


cdef inline void put(Vector* vector, const char* data, size_t length) noexcept:
    cdef Argument* argument = &vector.argv[vector.argc]
    argument.data = <char*> data
    argument.length = length
    argument.owner = NULL
    vector.argc += 1
    vector.bytes += length


cdef int keep(Vector* vector, object made) except -1:
    """Appends bytes that were made for it."""
    cdef list kept
    if vector.kept == NULL:
        kept = []
        Py_INCREF(kept)
        vector.kept = <PyObject*> kept
    (<list> vector.kept).append(made)
    put(vector, PyBytes_AS_STRING(made), PyBytes_GET_SIZE(made))
    return 0


cdef int vector_add(Vector* vector, object argument, object encoder, bint encodes_text) except -1:
    cdef const char* text
    cdef char* digits
    cdef Py_ssize_t length
    cdef long long number
    cdef int overflow = 0
    if vector.argc == vector.capacity:
        grow(vector)
    if PyBytes_CheckExact(argument):
        put(vector, PyBytes_AS_STRING(argument), PyBytes_GET_SIZE(argument))
        return 0
    if PyUnicode_CheckExact(argument) and not encodes_text:
        if encoder is not None:
            text = PyUnicode_AsUTF8AndSize(argument, &length)
        else:
            try:
                text = PyUnicode_AsUTF8AndSize(argument, &length)
            except UnicodeEncodeError:
                return keep(vector, encode_argument(argument))
        put(vector, text, length)
        return 0
    if PyLong_CheckExact(argument):
        number = PyLong_AsLongLongAndOverflow(argument, &overflow)
        if overflow == 0 and vector.numbers < VECTOR_NUMBERS:
            digits = vector.digits + vector.numbers * NUMBER_ROOM
            vector.numbers += 1
            put(vector, digits, format_int64(digits, number))
            return 0
        return keep(vector, repr(argument).encode())
    if PyFloat_CheckExact(argument):
        return keep(vector, repr(argument).encode())
    if encoder is None:
        return keep(vector, encode_argument(argument))
    made = encoder.encode(argument)
    return keep(vector, made if PyBytes_CheckExact(made) else bytes(made))
